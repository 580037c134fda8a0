/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnrun.c - a frame's way through deltacnn.
 */
#include "gstdeltacnn.h"

#include "gstdeltacnnerror.h"
#include "gstdeltacnnframe.h"
#include "gstdeltacnnmotionmeta.h"

#define GST_CAT_DEFAULT gst_delta_cnn_debug

/* A model that found nothing in so many frames says so, once. */
#define FOUND_NOTHING_FRAMES 100

void
gst_delta_cnn_forget (GstDeltaCnn * self, const gchar * why)
{
  GST_DEBUG_OBJECT (self, "%s: the next frame is a first frame", why);
  if (self->runner)
    gst_delta_cnn_runner_reset (self->runner);
  g_clear_pointer (&self->last, gst_delta_cnn_results_unref);
}

void
gst_delta_cnn_take_settings (GstDeltaCnn * self)
{
  GstDeltaCnnSettings fresh;

  GST_OBJECT_LOCK (self);
  if (!self->settings_changed) {
    GST_OBJECT_UNLOCK (self);
    return;
  }
  self->settings_changed = FALSE;
  gst_delta_cnn_settings_copy (&self->settings, &fresh);
  GST_OBJECT_UNLOCK (self);

  gst_delta_cnn_settings_clear (&self->active);
  self->active = fresh;
  if (self->runner)
    gst_delta_cnn_runner_set_tuning (self->runner, &self->active);
}

static void
count_passed (GstDeltaCnn * self, gboolean gap)
{
  GST_OBJECT_LOCK (self);
  self->totals.frames++;
  self->totals.gaps += gap ? 1 : 0;
  self->totals.late += gap ? 0 : 1;
  GST_OBJECT_UNLOCK (self);
  self->interval.frames++;
  self->interval.gaps += gap ? 1 : 0;
  self->interval.late += gap ? 0 : 1;
}

static void
write_line (GstDeltaCnn * self, GstBuffer * buffer, gboolean stale)
{
  g_autoptr (GError) error = NULL;

  if (self->lines && !gst_delta_cnn_lines_write (self->lines, self->last,
          GST_BUFFER_PTS (buffer), stale, &error))
    gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_WARNING, error,
        "writing results");
}

/* A frame that is not run carries the last one's results, marked stale. */
static void
pass_stale (GstDeltaCnn * self, GstBuffer * buffer, gboolean gap)
{
  if (self->last) {
    gst_delta_cnn_results_attach (self->last, buffer, self->source,
        self->active.attach, TRUE);
    write_line (self, buffer, TRUE);
  }
  count_passed (self, gap);
}

static void
report_found_nothing (GstDeltaCnn * self)
{
  g_autofree gchar *ranges = NULL;

  if (!gst_delta_cnn_runner_decodes (self->runner)
      || self->found_nothing == G_MAXUINT64)
    return;
  if (gst_delta_cnn_results_found (self->last)) {
    self->found_nothing = G_MAXUINT64;
    return;
  }
  if (++self->found_nothing < FOUND_NOTHING_FRAMES)
    return;
  self->found_nothing = G_MAXUINT64;
  ranges = gst_delta_cnn_runner_describe_outputs (self->runner);
  GST_ELEMENT_INFO (self, STREAM, DECODE,
      ("Model %s has found nothing in the first %d frames; %s. If there was "
          "something to find, check score-threshold, channel-order, mean and "
          "scale against the model's training.",
          gst_delta_cnn_runner_get_name (self->runner), FOUND_NOTHING_FRAMES,
          ranges), ("decoder %s",
          gst_delta_cnn_runner_get_decoder (self->runner)));
  GST_WARNING_OBJECT (self, "nothing found in %d frames; %s",
      FOUND_NOTHING_FRAMES, ranges);
}

static gboolean
run_frame (GstDeltaCnn * self, GstBuffer * buffer, GError ** error)
{
  const GstDeltaCnnMotionMeta *meta =
      gst_buffer_get_delta_cnn_motion_meta (buffer);
  DcnnMotion motion = { 0, 0 };
  GstVideoFrame frame;
  gboolean ok;

  if (!gst_delta_cnn_frame_map (&frame, &self->info, buffer, error))
    return FALSE;
  if (meta && meta->state != GST_DELTA_CNN_MOTION_LOST) {
    motion.tile_x = meta->tile_x;
    motion.tile_y = meta->tile_y;
  }
  ok = gst_delta_cnn_runner_run (self->runner, &frame, meta ? &motion : NULL,
      error);
  gst_video_frame_unmap (&frame);
  return ok;
}

/* Runs, decodes, attaches; the cost covers all of it. */
static gboolean
run_and_attach (GstDeltaCnn * self, GstBuffer * buffer, GError ** error)
{
  const GstClockTime start = gst_util_get_timestamp ();
  GstDeltaCnnResults *results;

  if (!run_frame (self, buffer, error))
    return FALSE;
  results = gst_delta_cnn_runner_collect (self->runner, self->active.attach,
      self->active.score_threshold);
  results->cost.total_time = gst_util_get_timestamp () - start;
  g_clear_pointer (&self->last, gst_delta_cnn_results_unref);
  self->last = results;
  gst_delta_cnn_results_attach (results, buffer, self->source,
      self->active.attach, FALSE);
  return TRUE;
}

GstFlowReturn
gst_delta_cnn_run_buffer (GstDeltaCnn * self, GstBuffer * buffer)
{
  g_autoptr (GError) error = NULL;

  gst_delta_cnn_take_settings (self);
  gst_delta_cnn_swap_adopt (self);
  if (!self->runner || !self->negotiated)
    return GST_FLOW_NOT_NEGOTIATED;
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP)) {
    pass_stale (self, buffer, TRUE);
    return GST_FLOW_OK;
  }
  if (gst_delta_cnn_timing_is_late (self, buffer)) {
    pass_stale (self, buffer, FALSE);
    return GST_FLOW_OK;
  }
  if (!run_and_attach (self, buffer, &error)) {
    gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_ERROR, error,
        "running a frame");
    return GST_FLOW_ERROR;
  }
  write_line (self, buffer, FALSE);
  gst_delta_cnn_totals_add (&self->interval, &self->last->cost);
  GST_OBJECT_LOCK (self);
  gst_delta_cnn_totals_add (&self->totals, &self->last->cost);
  GST_OBJECT_UNLOCK (self);
  gst_delta_cnn_timing_account (self, self->last->cost.total_time);
  gst_delta_cnn_timing_post_stats (self, FALSE);
  report_found_nothing (self);
  return GST_FLOW_OK;
}
