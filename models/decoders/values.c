/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Numbers about the whole frame. "values": a few that mean something (head
 * pose, age), times scale, named by the labels. "embedding": many that are
 * compared with others', as a vector of length 1.
 */
#include "decode_tools.h"

#define MAX_VALUES 65536

static const DcnnParamSpec value_params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0, NULL },
  { "scale", DCNN_PARAM_NUMBER, -1e6, 1e6, 1, NULL },
  { "offset", DCNN_PARAM_NUMBER, -1e6, 1e6, 0, NULL },
  { NULL }
};

static const DcnnParamSpec embedding_params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0, NULL },
  { "normalise", DCNN_PARAM_BOOLEAN, 0, 1, 1, NULL },
  { NULL }
};

static const DcnnRole value_roles[] = {
  { "values", FALSE }, { NULL, FALSE }
};
static const DcnnRole embedding_roles[] = {
  { "embedding", FALSE }, { NULL, FALSE }
};

typedef struct ValueState {
  gfloat scale, offset;
  gboolean normalise;
} ValueState;

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  const ValueState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  GArray *values = decoder->results.values;
  gdouble squares = 0;
  gfloat scale = state->scale;

  (void) frame;
  for (guint c = 0; c < view->channels; c++) {
    gfloat v = view->data[c * view->step_c];
    squares += isfinite (v) ? (gdouble) v * v : 0;
  }
  if (state->normalise)
    scale = squares > 0 ? (gfloat) (1 / sqrt (squares)) : 0;
  for (guint c = 0; c < view->channels; c++) {
    gfloat v = view->data[c * view->step_c] * scale + state->offset;
    v = isfinite (v) ? v : 0;
    g_array_append_val (values, v);
  }
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  ValueState *state = decoder->state = g_new0 (ValueState, 1);
  const DcnnView *view = dcnn_decoder_view (decoder, 0);

  state->normalise = decoder->class == &dcnn_decoder_class_embedding
      && dcnn_decoder_param (decoder, "normalise") != 0;
  state->scale = 1;
  if (decoder->class == &dcnn_decoder_class_values) {
    state->scale = (gfloat) dcnn_decoder_param (decoder, "scale");
    state->offset = (gfloat) dcnn_decoder_param (decoder, "offset");
  }
  if (view->height != 1 || view->width != 1 || view->channels > MAX_VALUES)
    return dcnn_decoder_fail (decoder, 0, error,
        "wants a vector: [1,N] or [1,N,1,1], at most %d numbers", MAX_VALUES);
  decoder->results.has_values = TRUE;
  return dcnn_decoder_want_labels (decoder, view->channels, "values", error);
}

static void
clear (DcnnDecoder *decoder)
{
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_values = {
  "values", value_params, value_roles, init, run, clear, NULL
};
const DcnnDecoderClass dcnn_decoder_class_embedding = {
  "embedding", embedding_params, embedding_roles, init, run, clear, NULL
};
