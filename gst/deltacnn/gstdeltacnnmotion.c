/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnmotion.c - what a buffer tells of the camera's motion, on its way
 * to the engine, and what came of it.
 */
#include "gstdeltacnn.h"

#include "gstdeltacnnmotionmeta.h"

#define GST_CAT_DEFAULT gst_delta_cnn_debug

/* A network whose window cannot move sees a camera that turned by more than
 * this, in pictures, from a new canvas. */
#define FIXED_MAX_SHIFT 0.1

void
gst_delta_cnn_motion_forget (GstDeltaCnn * self)
{
  self->motion = (DcnnMotion) {0};
  self->by_matrix = FALSE;
  self->reference = 0;
  dcnn_anchor_forget (&self->anchor);
}

/* A matrix that the device cannot look through says so, once. */
static void
tell_not_followed (GstDeltaCnn * self)
{
  const DcnnDeviceKind *kind =
      dcnn_device_named (gst_delta_cnn_runner_get_device (self->runner));

  if (kind->samples || self->told_not_followed)
    return;
  self->told_not_followed = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("The camera is not followed: device=%s does not look through the "
          "matrix of its motion, so frames are taken as they lie; use "
          "device=cpu to follow it.", kind->name), (NULL));
}

/* A frame of a stream whose motions tell matrices. */
static void
take_matrix (GstDeltaCnn * self, const GstDeltaCnnMotionMeta * meta)
{
  DcnnSeen seen = DCNN_SEEN_LOST;

  if (self->active.windows == 0)
    tell_not_followed (self);
  if (meta && meta->state != GST_DELTA_CNN_MOTION_LOST) {
    seen = meta->state == GST_DELTA_CNN_MOTION_REANCHORED ?
        DCNN_SEEN_REANCHORED : DCNN_SEEN_ALIGNED;
    if (meta->reference != self->reference)
      dcnn_anchor_leave (&self->anchor);
    self->reference = meta->reference;
  }
  self->anchor.stands_aside = self->active.stand_aside;
  self->anchor.max_shift = gst_delta_cnn_runner_get_tile (self->runner) > 0 ?
      0 : FIXED_MAX_SHIFT;
  dcnn_anchor_next (&self->anchor, seen, meta ? meta->matrix : NULL,
      GST_VIDEO_INFO_WIDTH (&self->info), GST_VIDEO_INFO_HEIGHT (&self->info),
      &self->motion);
}

void
gst_delta_cnn_motion_take (GstDeltaCnn * self, GstBuffer * buffer)
{
  const GstDeltaCnnMotionMeta *meta =
      gst_buffer_get_delta_cnn_motion_meta (buffer);
  const gboolean known = meta && meta->state != GST_DELTA_CNN_MOTION_LOST;

  if (known && (meta->flags & GST_DELTA_CNN_MOTION_MATRIX) != 0)
    self->by_matrix = TRUE;
  else if (known)
    self->by_matrix = FALSE;
  if (self->by_matrix) {
    take_matrix (self, meta);
    return;
  }
  /* Where the camera looks is not known: the window stays. */
  if (known)
    self->motion = (DcnnMotion) {
    .tile_x = meta->tile_x,.tile_y = meta->tile_y};
}

/* Alignment that does not pay says so, once. */
static void
tell_aside (GstDeltaCnn * self)
{
  const DcnnAnchor *anchor = &self->anchor;

  GST_DEBUG_OBJECT (self, "alignment stands aside for %u frames: %.1f %% of "
      "the pixels change with it, %.1f %% without; %.0f %% of the work",
      anchor->left, anchor->aligned_share * 100, anchor->unaligned_share * 100,
      anchor->work_share * 100);
  if (self->told_aside)
    return;
  self->told_aside = TRUE;
  GST_ELEMENT_INFO (self, STREAM, FAILED,
      ("Following the camera saves next to nothing in this scene (%.1f %% of "
          "the pixels change with it, %.1f %% without; %.0f %% of a dense "
          "run's work), so frames are taken as they lie for a while. Things "
          "at many distances, or a moving thing that fills the picture, do "
          "that; stand-aside=false follows all the same.",
          anchor->aligned_share * 100, anchor->unaligned_share * 100,
          anchor->work_share * 100), (NULL));
}

/* The window in the pixels of the motion's reference, for who draws it. */
static void
tell_window (GstDeltaCnn * self, GstDeltaCnnMotionMeta * meta)
{
  GstDeltaCnnRectangle w;
  gdouble x0, y0, x1, y1;

  gst_delta_cnn_runner_get_window (self->runner, &w);
  if (dcnn_anchor_to_reference (&self->anchor, w.x, w.y, &x0, &y0)
      && dcnn_anchor_to_reference (&self->anchor, w.x + w.w, w.y + w.h, &x1,
          &y1))
    gst_delta_cnn_motion_meta_set_window (meta, x0, y0, x1 - x0, y1 - y0);
}

void
gst_delta_cnn_motion_account (GstDeltaCnn * self, GstBuffer * buffer,
    GstDeltaCnnCost * cost)
{
  GstDeltaCnnMotionMeta *meta = gst_buffer_get_delta_cnn_motion_meta (buffer);
  DcnnAnchor *anchor = &self->anchor;
  const gboolean aside = anchor->aside;
  DcnnFrameStats stats;

  cost->aligned_share = cost->unaligned_share = -1;
  if (!self->by_matrix)
    return;
  gst_delta_cnn_runner_get_stats (self->runner, &stats);
  dcnn_anchor_account (anchor, &stats);
  cost->aligned = stats.aligned && !aside;
  cost->aside = aside;
  cost->lost = !meta || meta->state == GST_DELTA_CNN_MOTION_LOST;
  cost->restarted = self->motion.restart && !aside && cost->frames > 1;
  cost->aligned_share = anchor->aligned_share;
  cost->unaligned_share = anchor->unaligned_share;
  if (anchor->aside && !aside)
    tell_aside (self);
  /* what stands aside has no window: it takes the frame as it lies */
  if (meta && meta->state != GST_DELTA_CNN_MOTION_LOST && !aside)
    tell_window (self, meta);
}
