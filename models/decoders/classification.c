/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Classification: the best classes of a vector of probabilities or logits.
 */
#include "decode_tools.h"

typedef struct ClassState {
  DcnnRanking ranking;
} ClassState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.1, NULL },
  { "max-results", DCNN_PARAM_INTEGER, 1, 100, 5, NULL },
  { NULL }
};

static const DcnnRole roles[] = { { "scores", FALSE }, { NULL, FALSE } };

static gfloat
class_score (const DcnnDecoder *decoder, guint id, gfloat value, guint best)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  gfloat share;

  switch (decoder->roles[0].activation) {
    case DCNN_ACTIVATION_SIGMOID:
      return dcnn_sigmoid (value);
    case DCNN_ACTIVATION_SOFTMAX:
      share = dcnn_softmax_at (view->data, view->channels, view->step_c, best);
      return dcnn_clamp (share * expf (value
              - view->data[best * view->step_c]), 0, 1);
    case DCNN_ACTIVATION_NONE:
    default:
      return dcnn_clamp (value, 0, 1);
  }
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  ClassState *state = decoder->state;
  DcnnRanking *ranking = &state->ranking;

  dcnn_ranking_reset (ranking);
  for (guint c = 0; c < view->channels; c++)
    dcnn_ranking_add (ranking, view->data[c * view->step_c], c);
  dcnn_ranking_sort (ranking);
  for (guint i = 0; i < ranking->n; i++) {
    DcnnLabel label = { (gint) ranking->items[i].id,
      class_score (decoder, ranking->items[i].id, ranking->items[i].score,
          ranking->items[0].id) };

    if (label.score >= frame->threshold)
      g_array_append_val (decoder->results.labels, label);
  }
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  ClassState *state = decoder->state = g_new0 (ClassState, 1);
  const DcnnView *view = dcnn_decoder_view (decoder, 0);

  dcnn_ranking_init (&state->ranking,
      (guint) dcnn_decoder_param (decoder, "max-results"));
  if (view->height != 1 || view->width != 1)
    return dcnn_decoder_fail (decoder, 0, error,
        "wants one value a class: [1,classes] or [1,classes,1,1]");
  return dcnn_decoder_want_labels (decoder, view->channels, "classes", error);
}

static void
clear (DcnnDecoder *decoder)
{
  ClassState *state = decoder->state;

  if (state != NULL)
    dcnn_ranking_clear (&state->ranking);
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_classification = {
  "classification", params, roles, init, run, clear, NULL
};
