/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * YOLO heads that the graph decodes (v5 to v12 and their like): rows [1,N,V] or
 * [1,V,N] of a box, an objectness (v5), class scores, and what the task adds:
 * key points (pose), mask coefficients (protos holds the prototypes) or an
 * angle (oriented boxes).
 */
#include "box_tools.h"

enum { BOXES, PROTOS };

typedef struct YoloState {
  DcnnBoxFinder finder;
  DcnnRowExtras extras;
  gboolean objectness, activate;
  guint first_class, n_classes;
  DcnnBoxForm form;
} YoloState;

static const DcnnParamSpec params[] = {
  DCNN_BOX_PARAMS (0.25, 0.45),
  { "box", DCNN_PARAM_CHOICE, 0, 0, DCNN_BOX_CXCYWH, DCNN_BOX_FORMS },
  { "rows", DCNN_PARAM_CHOICE, 0, 0, 0, "auto|last|first" },
  { "objectness", DCNN_PARAM_CHOICE, 0, 0, 0, "auto|true|false" },
  DCNN_EXTRA_PARAMS,
  { NULL }
};

static const DcnnRole roles[] = {
  { "boxes", FALSE }, { "protos", TRUE }, { NULL, FALSE }
};

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  YoloState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, BOXES);
  DcnnRanking *ranking = &state->finder.ranking;
  gfloat limit = MAX (frame->threshold, 1e-6f);

  dcnn_best_columns (view, state->first_class, state->n_classes,
      state->finder.best, state->finder.classes);
  dcnn_ranking_reset (ranking);
  for (guint row = 0; row < view->width; row++) {
    gfloat score = state->finder.best[row];

    if (state->activate)
      score = dcnn_sigmoid (score);
    if (state->objectness) {
      gfloat object = dcnn_row_at (view, row, 4);
      score *= state->activate ? dcnn_sigmoid (object) : object;
    }
    if (score >= limit)
      dcnn_ranking_add (ranking, score, row);
  }
  dcnn_ranking_sort (ranking);
  for (guint i = 0; i < ranking->n; i++) {
    guint row = ranking->items[i].id;

    dcnn_row_extras_add (&state->extras, decoder, &state->finder, view,
        frame->transform, row, 0, state->form,
        ranking->items[i].score, state->finder.classes[row]);
  }
  dcnn_box_finder_finish (&state->finder, decoder);
  dcnn_row_extras_run (&state->extras, decoder, &state->finder, view,
      frame->transform);
}

/* Rows, where the classes lie, and whether there is an objectness. */
static gboolean
choose_columns (DcnnDecoder *decoder, YoloState *state, GError **error)
{
  DcnnView *view = &decoder->roles[BOXES].view;
  gint rows = (gint) dcnn_decoder_param (decoder, "rows");
  gint object = (gint) dcnn_decoder_param (decoder, "objectness");
  guint extra = dcnn_row_extras_columns (&state->extras), used;
  gboolean flip;

  if (!dcnn_decoder_want_rows (decoder, BOXES, error))
    return FALSE;
  flip = rows == 2 || (rows == 0 && view->width < view->channels);
  if (flip)
    dcnn_view_flip_rows (view);
  used = 4 + extra;
  state->objectness = object == 1;
  if (object == 0) /* v8 and later, which have none, put numbers first */
    state->objectness = decoder->n_labels > 0
        ? view->channels == used + 1 + decoder->n_labels : !flip;
  used += state->objectness ? 1 : 0;
  if (view->channels <= used || view->channels - used > G_MAXUINT16)
    return dcnn_decoder_fail (decoder, BOXES, error,
        "wants rows of 4 numbers of the box%s, the classes' scores and %u "
        "more ([decoder] keypoints, oriented and protos); say rows=first or "
        "rows=last if these are turned", state->objectness ? ", an objectness"
        : "", extra);
  state->n_classes = view->channels - used;
  state->first_class = state->objectness ? 5 : 4;
  return dcnn_row_extras_place (&state->extras, decoder,
      state->first_class + state->n_classes, state->n_classes, error);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  YoloState *state = decoder->state = g_new0 (YoloState, 1);

  dcnn_box_finder_init (&state->finder, decoder);
  state->form = (DcnnBoxForm) dcnn_decoder_param (decoder, "box");
  state->activate =
      decoder->roles[BOXES].activation == DCNN_ACTIVATION_SIGMOID;
  if (!dcnn_row_extras_init (&state->extras, decoder, PROTOS, error)
      || !choose_columns (decoder, state, error))
    return FALSE;
  return dcnn_box_finder_want_classes (&state->finder, decoder, BOXES, error)
      && dcnn_decoder_want_labels (decoder, state->n_classes, "classes",
          error);
}

static void
clear (DcnnDecoder *decoder)
{
  YoloState *state = decoder->state;

  if (state != NULL)
    dcnn_box_finder_clear (&state->finder);
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_yolo = {
  "yolo", params, roles, init, run, clear, NULL
};
