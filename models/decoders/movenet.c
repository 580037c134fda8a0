/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * MoveNet, one person (model card and TensorFlow blog, 2021: "Next-Generation
 * Pose Detection with MoveNet"): the centre map, weighted by nearness to the
 * middle of the frame, gives the person; the regression there gives rough key
 * points; each heatmap, weighted by nearness to its rough point, gives the
 * cell; the offset there gives the place inside it.
 *
 * Everything is in cells, cell i at pixel i * stride (the centre of that pixel:
 * half a pixel further); regress and offset hold y, x of each key point.
 */
#include "decode_tools.h"

enum { HEATMAP, CENTER, REGRESS, OFFSET };

/* Weight of a cell at distance d: 1 / (d + NEAR). */
#define NEAR 1.8f

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.25, NULL },
  DCNN_SKELETON_PARAMS,
  { NULL }
};

static const DcnnRole roles[] = {
  { "heatmap", FALSE }, { "center", FALSE }, { "regress", FALSE },
  { "offset", FALSE }, { NULL, FALSE }
};

/* The cell of channel c whose value, weighted by nearness to (near_y,
 * near_x), is highest. Returns its own value. */
static gfloat
find_near (const DcnnView *view, guint c, gfloat near_y, gfloat near_x,
    guint *best_y, guint *best_x)
{
  gfloat best = -G_MAXFLOAT;

  *best_y = *best_x = 0;
  for (guint y = 0; y < view->height; y++)
    for (guint x = 0; x < view->width; x++) {
      gfloat dy = (gfloat) y - near_y, dx = (gfloat) x - near_x;
      gfloat v = dcnn_view_at (view, c, y, x)
          / (sqrtf (dy * dy + dx * dx) + NEAR);
      if (v > best) {
        best = v;
        *best_y = y;
        *best_x = x;
      }
    }
  return dcnn_view_at (view, c, *best_y, *best_x);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  const DcnnView *heatmap = dcnn_decoder_view (decoder, HEATMAP);
  const DcnnView *regress = dcnn_decoder_view (decoder, REGRESS);
  const DcnnView *offset = dcnn_decoder_view (decoder, OFFSET);
  DcnnResults *results = &decoder->results;
  guint n = heatmap->channels, cy, cx;
  gfloat h = (gfloat) heatmap->height, w = (gfloat) heatmap->width;
  gfloat stride_y = (gfloat) decoder->net_height / h;
  gfloat stride_x = (gfloat) decoder->net_width / w;
  DcnnPose pose = { 0, n, 0 };

  (void) find_near (dcnn_decoder_view (decoder, CENTER), 0, (h - 1) / 2,
      (w - 1) / 2, &cy, &cx);
  for (guint k = 0; k < n; k++) {
    gfloat ry = dcnn_view_at (regress, 2 * k, cy, cx) + (gfloat) cy;
    gfloat rx = dcnn_view_at (regress, 2 * k + 1, cy, cx) + (gfloat) cx;
    guint y, x;
    gfloat value = find_near (heatmap, k, dcnn_clamp (ry, -h, 2 * h),
        dcnn_clamp (rx, -w, 2 * w), &y, &x);
    gfloat oy = dcnn_clamp (dcnn_view_at (offset, 2 * k, y, x), -4, 4);
    gfloat ox = dcnn_clamp (dcnn_view_at (offset, 2 * k + 1, y, x), -4, 4);
    DcnnKeypoint point = {
      dcnn_frame_x (frame->transform, ((gfloat) x + ox) * stride_x + 0.5f),
      dcnn_frame_y (frame->transform, ((gfloat) y + oy) * stride_y + 0.5f),
      dcnn_probability (decoder, HEATMAP, value)
    };

    g_array_append_val (results->keypoints, point);
    pose.score += point.score / (gfloat) n;
  }
  dcnn_end_lone_pose (decoder, frame, &pose);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  guint n = dcnn_decoder_view (decoder, HEATMAP)->channels;

  if (n > 256)
    return dcnn_decoder_fail (decoder, HEATMAP, error,
        "wants at most 256 key points");
  for (guint role = CENTER; role <= OFFSET; role++)
    if (!dcnn_decoder_want_channels (decoder, role, role == CENTER ? 1
            : 2 * n, error)
        || !dcnn_decoder_want_same_grid (decoder, role, error))
      return FALSE;
  return dcnn_decoder_want_labels (decoder, n, "key points", error)
      && dcnn_decoder_read_skeleton (decoder, n, error);
}

const DcnnDecoderClass dcnn_decoder_class_movenet = {
  "movenet", params, roles, init, run, NULL, NULL
};
