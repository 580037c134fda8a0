/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Decoders on models and sessions of the engine: what changed decides what is
 * done again.
 */
#include <string.h>

#include "dcnn_decoder.h"
#include "dcnn_graph.h"
#include "decode_tools.h"

/* No model that a decoder reads has more. */
#define MAX_OUTPUTS 64

DcnnDecoder *
dcnn_decoder_new (const DcnnModelInfo *info, const DcnnModel *model,
    GError **error)
{
  const DcnnTensor *headers[MAX_OUTPUTS];
  const char *names[MAX_OUTPUTS];
  DcnnModelSummary summary;
  guint n;

  if (info->decoder == NULL)
    return NULL;
  dcnn_model_get_summary (model, &summary);
  n = summary.n_outputs;
  if (n > MAX_OUTPUTS || summary.input_width == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: decoder %s wants a network with one image input and at most %d "
        "outputs (it has %u)", info->name != NULL ? info->name : "model",
        info->decoder, MAX_OUTPUTS, n);
    return NULL;
  }
  for (guint i = 0; i < n; i++) {
    names[i] = dcnn_model_output_name (model, i);
    headers[i] = dcnn_model_output (model, i);
  }
  return dcnn_decoder_new_for_tensors (info, n, names, headers,
      summary.input_width, summary.input_height, error);
}

/* Do the results come from the frame before, looked at in the same way? */
static gboolean
follows (const DcnnDecoder *decoder, DcnnSession *session, guint stream,
    guint64 frames, const DcnnTransform *transform, gfloat threshold)
{
  const DcnnTransform *last = &decoder->transform;

  return decoder->session == session && decoder->stream == stream
      && frames == decoder->frames + 1
      && threshold == decoder->last_threshold
      && last->scale_x == transform->scale_x
      && last->scale_y == transform->scale_y
      && last->offset_x == transform->offset_x
      && last->offset_y == transform->offset_y
      && last->frame_width == transform->frame_width
      && last->frame_height == transform->frame_height
      && last->net_width == transform->net_width
      && last->net_height == transform->net_height;
}

static const DcnnMask *
usable_mask (const DcnnDecoder *decoder, const DcnnOutput *output)
{
  const DcnnView *view = &decoder->roles[0].view;

  return output->is_map && output->updated.words != NULL
      && output->updated.width == view->width
      && output->updated.height == view->height ? &output->updated : NULL;
}

/* By output: whether some role reads it. */
static guint64
outputs_read (const DcnnDecoder *decoder)
{
  guint64 read = 0;

  for (guint r = 0; decoder->class->roles[r].name != NULL; r++)
    if (decoder->roles[r].output >= 0)
      read |= (guint64) 1 << decoder->roles[r].output;
  return read;
}

guint
dcnn_decoder_get_wants (const DcnnDecoder *decoder)
{
  const guint64 read = outputs_read (decoder);
  guint wants = DCNN_WANT_STATS | DCNN_WANT_MASKS;

  for (guint i = 0; i < decoder->n_outputs; i++)
    if (read >> i & 1)
      wants |= DCNN_WANT_OUTPUT (i);
  return wants;
}

gfloat
dcnn_decoder_get_score_threshold (const DcnnDecoder *decoder)
{
  return decoder->score_threshold;
}

const DcnnResults *
dcnn_decoder_run (DcnnDecoder *decoder, DcnnSession *session, guint stream,
    gfloat score_threshold)
{
  const DcnnTensor *tensors[MAX_OUTPUTS];
  const guint64 read = outputs_read (decoder);
  const DcnnMask *updated = NULL;
  const DcnnResults *results;
  DcnnTransform transform;
  DcnnFrameStats stats;
  gboolean same, changed = FALSE;

  dcnn_session_get_transform (session, stream, &transform);
  dcnn_session_get_stats (session, stream, &stats);
  if (!(score_threshold >= 0))
    score_threshold = decoder->score_threshold;
  same = follows (decoder, session, stream, stats.frames, &transform,
      score_threshold);
  for (guint i = 0; i < decoder->n_outputs; i++) {
    const DcnnOutput *output = dcnn_session_get_output (session, stream, i);

    tensors[i] = &output->tensor;
    changed |= output->changed && (read >> i & 1);
    if (same && decoder->roles[0].output == (gint) i)
      updated = usable_mask (decoder, output);
  }
  decoder->frames = stats.frames;
  if (same && !changed)
    return &decoder->results;
  results = dcnn_decoder_run_updated (decoder, tensors, decoder->n_outputs,
      &transform, score_threshold, updated);
  decoder->session = results != NULL ? session : NULL;
  decoder->stream = stream;
  decoder->transform = transform;
  decoder->last_threshold = score_threshold;
  return results;
}

static void
weigh_role (const DcnnDecoder *decoder, guint role, gfloat *weights)
{
  const DcnnView *view = &decoder->roles[role].view;

  for (guint c = 0; c < view->channels; c++)
    for (guint y = 0; y < view->height; y++)
      for (guint x = 0; x < view->width; x++)
        weights[c * view->step_c + y * view->step_y + x * view->step_x] =
            decoder->class->weight (decoder, role, c, y, x);
}

void
dcnn_decoder_weigh (const DcnnDecoder *decoder, DcnnSession *session,
    gfloat *const *weights)
{
  for (guint i = 0; i < decoder->n_outputs; i++) {
    gint64 n = dcnn_tensor_count (
        &dcnn_session_get_output (session, decoder->stream, i)->tensor);
    for (gint64 k = 0; k < n; k++)
      weights[i][k] = 1;
  }
  for (guint r = 0; decoder->class->weight != NULL &&
      decoder->class->roles[r].name != NULL; r++)
    if (decoder->roles[r].output >= 0)
      weigh_role (decoder, r, weights[decoder->roles[r].output]);
}
