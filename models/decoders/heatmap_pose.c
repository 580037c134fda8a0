/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One person from heatmaps: the highest cell of each key point, moved a
 * quarter cell towards the higher neighbour (Newell et al., Stacked Hourglass
 * Networks, 2016, section 3.2; Xiao et al., Simple Baselines, 2018).
 *
 * grid says where cell i lies: its corner at i * stride (networks trained with
 * index * stride targets, the usual) or its centre at (i + 0.5) * stride.
 */
#include "decode_tools.h"

typedef struct HeatmapState {
  gfloat shift;   /* cells from an index to its place */
  gboolean refine;
} HeatmapState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.3, NULL },
  { "grid", DCNN_PARAM_CHOICE, 0, 0, 0, "corner|centre" },
  { "refine", DCNN_PARAM_BOOLEAN, 0, 1, 1, NULL },
  DCNN_SKELETON_PARAMS,
  { NULL }
};

static const DcnnRole roles[] = { { "heatmap", FALSE }, { NULL, FALSE } };

/* The highest cell of channel c. */
static gfloat
find_best (const DcnnView *view, guint c, guint *best_y, guint *best_x)
{
  gfloat best = -G_MAXFLOAT;

  *best_y = *best_x = 0;
  for (guint y = 0; y < view->height; y++)
    for (guint x = 0; x < view->width; x++) {
      gfloat v = dcnn_view_at (view, c, y, x);
      if (v > best) {
        best = v;
        *best_y = y;
        *best_x = x;
      }
    }
  return best;
}

static gfloat
quarter (gfloat before, gfloat after)
{
  return after > before ? 0.25f : after < before ? -0.25f : 0;
}

static DcnnKeypoint
decode_point (const DcnnDecoder *decoder, guint c,
    const DcnnTransform *transform)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  const HeatmapState *state = decoder->state;
  guint y, x;
  gfloat value = find_best (view, c, &y, &x);
  gfloat at_y = (gfloat) y, at_x = (gfloat) x;

  if (state->refine && x > 0 && x + 1 < view->width)
    at_x += quarter (dcnn_view_at (view, c, y, x - 1),
        dcnn_view_at (view, c, y, x + 1));
  if (state->refine && y > 0 && y + 1 < view->height)
    at_y += quarter (dcnn_view_at (view, c, y - 1, x),
        dcnn_view_at (view, c, y + 1, x));
  at_x = (at_x + state->shift) * decoder->net_width / view->width;
  at_y = (at_y + state->shift) * decoder->net_height / view->height;
  if (state->shift == 0) { /* pixel index to pixel centre */
    at_x += 0.5f;
    at_y += 0.5f;
  }
  return (DcnnKeypoint) { dcnn_frame_x (transform, at_x),
    dcnn_frame_y (transform, at_y), dcnn_probability (decoder, 0, value) };
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  DcnnResults *results = &decoder->results;
  DcnnPose pose = { 0, view->channels, 0 };

  for (guint c = 0; c < view->channels; c++) {
    DcnnKeypoint point = decode_point (decoder, c, frame->transform);
    g_array_append_val (results->keypoints, point);
    pose.score += point.score / (gfloat) view->channels;
  }
  dcnn_end_lone_pose (decoder, frame, &pose);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  HeatmapState *state = decoder->state = g_new0 (HeatmapState, 1);

  if (view->channels > 256 || view->step_c == 1)
    return dcnn_decoder_fail (decoder, 0, error,
        "wants heatmaps [1,K,H,W] of at most 256 key points");
  if (!dcnn_decoder_want_labels (decoder, view->channels, "key points",
          error))
    return FALSE;
  state->shift = dcnn_decoder_param (decoder, "grid") != 0 ? 0.5f : 0;
  state->refine = dcnn_decoder_param (decoder, "refine") != 0;
  return dcnn_decoder_read_skeleton (decoder, view->channels, error);
}

static void
clear (DcnnDecoder *decoder)
{
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_heatmap_pose = {
  "heatmap-pose", params, roles, init, run, clear, NULL
};
