/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * DETR (Carion et al., 2020), RT-DETR and their like: a row of class logits
 * and a box (centre and size, parts of the picture) for each query; no
 * suppression. activation=softmax of the logits goes with a last class "no
 * object"; sigmoid (RT-DETR, D-FINE) has none.
 */
#include "box_tools.h"

enum { LOGITS, BOXES };

typedef struct DetrState {
  DcnnBoxFinder finder;
  guint n_classes; /* without "no object" */
  DcnnBoxForm form;
  gfloat unit_x, unit_y;
} DetrState;

static const DcnnParamSpec params[] = {
  DCNN_BOX_PARAMS (0.5, 1),
  { "box", DCNN_PARAM_CHOICE, 0, 0, DCNN_BOX_CXCYWH, DCNN_BOX_FORMS },
  { "units", DCNN_PARAM_CHOICE, 0, 0, 1, DCNN_BOX_UNITS },
  { "no-object", DCNN_PARAM_CHOICE, 0, 0, 0, "auto|last|none" },
  { NULL }
};

static const DcnnRole roles[] = {
  { "logits", FALSE }, { "boxes", FALSE }, { NULL, FALSE }
};

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  DetrState *state = decoder->state;
  const DcnnView *boxes = dcnn_decoder_view (decoder, BOXES);
  const DcnnRanking *ranking = &state->finder.ranking;

  dcnn_box_finder_rank (&state->finder, decoder, frame, LOGITS, 0,
      state->n_classes);
  for (guint i = 0; i < ranking->n; i++) {
    guint row = ranking->items[i].id;
    gfloat v[4], edges[4];

    for (guint k = 0; k < 4; k++)
      v[k] = dcnn_row_at (boxes, row, k)
          * ((k % 2 == 0) == (state->form != DCNN_BOX_YXYX) ? state->unit_x
              : state->unit_y);
    dcnn_box_edges (state->form, v, edges);
    dcnn_box_finder_add (&state->finder, decoder, frame->transform, row,
        edges, ranking->items[i].score, state->finder.classes[row]);
  }
  dcnn_box_finder_finish (&state->finder, decoder);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  DetrState *state = decoder->state = g_new0 (DetrState, 1);
  gint no_object = (gint) dcnn_decoder_param (decoder, "no-object");
  gboolean unit = dcnn_decoder_param (decoder, "units") != 0;
  const DcnnView *view = dcnn_decoder_view (decoder, LOGITS);

  dcnn_box_finder_init (&state->finder, decoder);
  state->form = (DcnnBoxForm) dcnn_decoder_param (decoder, "box");
  state->unit_x = unit ? (gfloat) decoder->net_width : 1;
  state->unit_y = unit ? (gfloat) decoder->net_height : 1;
  if (!dcnn_decoder_want_rows (decoder, LOGITS, error)
      || !dcnn_decoder_want_rows (decoder, BOXES, error)
      || !dcnn_decoder_want_channels (decoder, BOXES, 4, error))
    return FALSE;
  if (dcnn_decoder_view (decoder, BOXES)->width != view->width)
    return dcnn_decoder_fail (decoder, BOXES, error,
        "wants a row for each of the %u queries", view->width);
  state->n_classes = view->channels;
  if (no_object == 1 || (no_object == 0
          && decoder->roles[LOGITS].activation == DCNN_ACTIVATION_SOFTMAX))
    state->n_classes--;
  if (state->n_classes == 0 || state->n_classes > G_MAXUINT16)
    return dcnn_decoder_fail (decoder, LOGITS, error,
        "wants a column a class (and one for no object)");
  return dcnn_box_finder_want_classes (&state->finder, decoder, LOGITS, error)
      && dcnn_decoder_want_labels (decoder, state->n_classes, "classes",
          error);
}

static void
clear (DcnnDecoder *decoder)
{
  DetrState *state = decoder->state;

  if (state != NULL)
    dcnn_box_finder_clear (&state->finder);
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_detr = {
  "detr", params, roles, init, run, clear, NULL
};
