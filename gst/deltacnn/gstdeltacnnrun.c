/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnrun.c - a frame's way through deltacnn.
 */
#include "gstdeltacnn.h"

#include "gstdeltacnncuda.h"
#include "gstdeltacnnerror.h"
#include "gstdeltacnnframe.h"

#define GST_CAT_DEFAULT gst_delta_cnn_debug

/* A model that found nothing in so many frames says so, once. */
#define FOUND_NOTHING_FRAMES 100
/* What a GAP buffer repeats is no older than this, in time or in buffers. */
#define MAX_REPEATED_AGE GST_SECOND
#define MAX_REPEATED 30

void
gst_delta_cnn_forget (GstDeltaCnn * self, const gchar * why)
{
  GST_DEBUG_OBJECT (self, "%s: the next frame is a first frame", why);
  if (self->runner)
    gst_delta_cnn_runner_reset (self->runner);
  gst_delta_cnn_windows_forget (self->windows);
  g_clear_pointer (&self->last, gst_delta_cnn_results_unref);
  gst_delta_cnn_motion_forget (self);
}

void
gst_delta_cnn_take_settings (GstDeltaCnn * self)
{
  GstDeltaCnnSettings fresh;
  gboolean regions;

  GST_OBJECT_LOCK (self);
  if (!self->settings_changed) {
    GST_OBJECT_UNLOCK (self);
    return;
  }
  self->settings_changed = FALSE;
  gst_delta_cnn_settings_copy (&self->settings, &fresh);
  GST_OBJECT_UNLOCK (self);

  regions = g_strcmp0 (self->active.regions, fresh.regions) != 0;
  gst_delta_cnn_settings_clear (&self->active);
  self->active = fresh;
  if (regions)
    (void) gst_delta_cnn_regions_take_settings (self, GST_MESSAGE_WARNING);
  if (self->runner)
    gst_delta_cnn_runner_set_tuning (self->runner, &self->active);
  gst_delta_cnn_windows_set_tuning (self->windows, &self->active);
}

/* Why a frame is passed on without a run. */
typedef enum
{
  PASS_GAP,
  PASS_LATE,
  PASS_DAMAGED,
} PassReason;

static void
count_one_passed (GstDeltaCnnTotals * totals, PassReason reason)
{
  totals->frames++;
  totals->gaps += reason == PASS_GAP;
  totals->late += reason == PASS_LATE;
  totals->damaged += reason == PASS_DAMAGED;
}

static void
count_passed (GstDeltaCnn * self, PassReason reason)
{
  GST_OBJECT_LOCK (self);
  count_one_passed (&self->totals, reason);
  GST_OBJECT_UNLOCK (self);
  count_one_passed (&self->interval, reason);
}

static void
write_line (GstDeltaCnn * self, const GstDeltaCnnOccasion * occasion)
{
  g_autoptr (GError) error = NULL;

  if (self->lines && !gst_delta_cnn_lines_write (self->lines, self->last,
          occasion, &error))
    gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_WARNING, error,
        "writing results");
}

/* Running time since the frame that the last results are of. */
static GstClockTime
last_age (GstDeltaCnn * self, GstBuffer * buffer)
{
  const GstClockTime now = gst_delta_cnn_timing_of (self, buffer);

  if (!GST_CLOCK_TIME_IS_VALID (now)
      || !GST_CLOCK_TIME_IS_VALID (self->last_time) || now < self->last_time)
    return GST_CLOCK_TIME_NONE;
  return now - self->last_time;
}

/* A GAP buffer says that it repeats the one before. After a DISCONT that one
 * was lost on the way (a leaky queue behind videorate), and what is repeated
 * for ever would hide a source that sends nothing else: such a one is run,
 * which costs next to nothing where it is indeed a repetition. */
static gboolean
repeats_last (GstDeltaCnn * self, GstBuffer * buffer)
{
  const GstClockTime age = last_age (self, buffer);

  if (!GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP) || !self->last
      || GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT)
      || self->repeated >= MAX_REPEATED)
    return FALSE;
  return !GST_CLOCK_TIME_IS_VALID (age) || age <= MAX_REPEATED_AGE;
}

/* A frame that is not run carries the last one's results, marked stale. */
static void
pass_stale (GstDeltaCnn * self, GstBuffer * buffer, PassReason reason)
{
  const GstDeltaCnnOccasion occasion = {
    .source = self->source,.pts = GST_BUFFER_PTS (buffer),.stale = TRUE,
    .age = last_age (self, buffer)
  };

  if (self->last) {
    gst_delta_cnn_results_attach (self->last, buffer, self->active.attach,
        &occasion);
    write_line (self, &occasion);
  }
  self->repeated += reason == PASS_GAP;
  count_passed (self, reason);
}

/* What may be wrong when a model finds nothing, likeliest first; new. */
static gchar *
found_nothing_remedy (GstDeltaCnn * self)
{
  if (self->orientation && !g_str_equal (self->orientation, "rotate-0"))
    return g_strdup_printf ("The stream is tagged %s and the network sees it "
        "as it is: put videoflip video-direction=auto before deltacnn.",
        self->orientation);
  return g_strdup ("If there was something to find: is the picture upright "
      "(videoflip before deltacnn turns it) and not squeezed "
      "(resize=letterbox, a right pixel-aspect-ratio in the caps)? Then try "
      "a lower score-threshold, and check channel-order, mean and scale "
      "against the model's training.");
}

/* Tensors alone are an answer only where they are asked for. */
static void
report_no_decoder (GstDeltaCnn * self)
{
  self->found_nothing = G_MAXUINT64;
  if (self->active.attach & GST_DELTA_CNN_ATTACH_TENSORS)
    return;
  GST_ELEMENT_INFO (self, STREAM, DECODE,
      ("Model %s has no decoder: nothing says what its outputs mean, so "
          "frames leave without results. Put a descriptor beside it (%s"
          ".modelinfo with decoder=..., see models/README.md; "
          "deltacnn-inspect --suggest writes a first one), or "
          "take the tensors with attach=tensors.",
          gst_delta_cnn_runner_get_name (self->runner),
          gst_delta_cnn_runner_get_path (self->runner)), (NULL));
}

/* Half floats end where the network does not. */
static void
report_not_finite (GstDeltaCnn * self)
{
  DcnnFrameStats stats;

  if (self->told_not_finite)
    return;
  if (self->active.windows > 0)
    gst_delta_cnn_windows_get_stats (self->windows, &stats);
  else
    gst_delta_cnn_runner_get_stats (self->runner, &stats);
  if (!stats.not_finite)
    return;
  self->told_not_finite = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, DECODE,
      ("Model %s makes numbers in node '%s' that are infinite or none in the GPU's "
          "half floats, which end at 65504, so results may be wrong; set "
          "precision=bf16 (or f32), or device=cpu.",
          gst_delta_cnn_runner_get_name (self->runner), stats.not_finite),
      (NULL));
}

static void
report_found_nothing (GstDeltaCnn * self)
{
  g_autofree gchar *ranges = NULL, *remedy = NULL;

  if (self->found_nothing == G_MAXUINT64)
    return;
  if (!gst_delta_cnn_runner_decodes (self->runner)) {
    report_no_decoder (self);
    return;
  }
  if (gst_delta_cnn_results_found (self->last)) {
    self->found_nothing = G_MAXUINT64;
    return;
  }
  if (self->active.windows > 0 && self->last->cost.batch == 0)
    return;                     /* no region, so nothing to look at */
  if (++self->found_nothing < FOUND_NOTHING_FRAMES)
    return;
  ranges = self->active.windows > 0 ?
      gst_delta_cnn_windows_describe_outputs (self->windows) :
      gst_delta_cnn_runner_describe_outputs (self->runner);
  if (!ranges)                  /* others joined just now: after the next frame */
    return;
  self->found_nothing = G_MAXUINT64;
  remedy = found_nothing_remedy (self);
  GST_ELEMENT_INFO (self, STREAM, DECODE,
      ("Model %s has found nothing in the first %d frames; %s. %s",
          gst_delta_cnn_runner_get_name (self->runner), FOUND_NOTHING_FRAMES,
          ranges, remedy), ("decoder %s",
          gst_delta_cnn_runner_get_decoder (self->runner)));
  GST_WARNING_OBJECT (self, "nothing found in %d frames; %s",
      FOUND_NOTHING_FRAMES, ranges);
}

/* A buffer that is not what its caps say: the picture passes as it is, as in
 * other filters, and the stream goes on. */
static void
pass_damaged (GstDeltaCnn * self, GstBuffer * buffer, const GError * error)
{
  guint64 count;

  pass_stale (self, buffer, PASS_DAMAGED);
  GST_OBJECT_LOCK (self);
  count = self->totals.damaged;
  GST_OBJECT_UNLOCK (self);
  GST_DEBUG_OBJECT (self, "%s", error->message);
  if (gst_delta_cnn_frame_tell (count))
    gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_WARNING, error,
        "running a frame, which is passed on without results of its own");
}

/* All of the frame, through where the camera looks. */
static GstDeltaCnnResults *
run_whole (GstDeltaCnn * self, GstBuffer * buffer, const GstVideoFrame * frame,
    GstObject * gpu, GError ** error)
{
  const GstDeltaCnnLook look = {
    .motion = &self->motion,
    .regions = gst_delta_cnn_regions_of (self, buffer),
    .margin = self->active.region_margin,
    .attach = self->active.attach,
  };
  GstDeltaCnnResults *results;

  gst_delta_cnn_motion_take (self, buffer);
  if (!gst_delta_cnn_runner_run (self->runner, frame, gpu, &look, error))
    return NULL;
  results = gst_delta_cnn_runner_collect (self->runner, self->active.attach,
      self->active.score_threshold);
  gst_delta_cnn_motion_account (self, buffer, &results->cost);
  return results;
}

/* Runs and decodes; the cost covers both. */
void
gst_delta_cnn_run_job (gpointer data)
{
  GstDeltaCnn *self = data;
  GstDeltaCnnJob *job = &self->job;
  const GstClockTime start = gst_util_get_timestamp ();

  job->results = self->active.windows > 0 ?
      gst_delta_cnn_windows_run (self->windows, &self->active, self->runner,
      gst_delta_cnn_regions_of (self, job->buffer), &job->frame, job->gpu,
      &job->error) : run_whole (self, job->buffer, &job->frame, job->gpu,
      &job->error);
  if (job->results)
    job->results->cost.total_time = gst_util_get_timestamp () - start;
}

/* What a frame gave becomes the last results, and is counted. */
static void
take_results (GstDeltaCnn * self, GstBuffer * buffer,
    GstDeltaCnnResults * results)
{
  const GstDeltaCnnOccasion occasion = {
    .source = self->source,.pts = GST_BUFFER_PTS (buffer)
  };

  g_clear_pointer (&self->last, gst_delta_cnn_results_unref);
  self->last = results;
  self->last_time = gst_delta_cnn_timing_of (self, buffer);
  self->repeated = 0;
  gst_delta_cnn_results_attach (results, buffer, self->active.attach,
      &occasion);
  write_line (self, &occasion);
  gst_delta_cnn_totals_add (&self->interval, &results->cost);
  GST_OBJECT_LOCK (self);
  gst_delta_cnn_totals_add (&self->totals, &results->cost);
  GST_OBJECT_UNLOCK (self);
  gst_delta_cnn_timing_account (self, &results->cost);
  gst_delta_cnn_timing_post_stats (self, FALSE);
  report_found_nothing (self);
  report_not_finite (self);
}

/* Makes self->job of a buffer. FALSE: it is not run, *flow says whether it goes
 * on as it is. */
static gboolean
begin_job (GstDeltaCnn * self, GstBuffer * buffer, GstFlowReturn * flow)
{
  g_autoptr (GError) error = NULL;
  GstDeltaCnnJob *job = &self->job;
  guint on_gpu;

  *flow = GST_FLOW_OK;
  gst_delta_cnn_take_settings (self);
  gst_delta_cnn_swap_adopt (self);
  if (!self->runner || !self->negotiated) {
    *flow = GST_FLOW_NOT_NEGOTIATED;
    return FALSE;
  }
  if (repeats_last (self, buffer)) {
    pass_stale (self, buffer, PASS_GAP);
    return FALSE;
  }
  if (gst_delta_cnn_timing_is_late (self, buffer)) {
    pass_stale (self, buffer, PASS_LATE);
    return FALSE;
  }
  on_gpu = gst_delta_cnn_cuda_map_flag (buffer, self->gpu,
      gst_delta_cnn_runner_get_device (self->runner));
  if (!gst_delta_cnn_frame_map (&job->frame, &self->info, buffer,
          (GstMapFlags) (GST_MAP_READ | on_gpu), &error)) {
    pass_damaged (self, buffer, error);
    return FALSE;
  }
  job->buffer = buffer;
  job->gpu = on_gpu ? self->gpu : NULL;
  return TRUE;
}

/* After the run: results onto the buffer, which is self->job's no more. */
static GstFlowReturn
end_job (GstDeltaCnn * self)
{
  GstDeltaCnnJob job = self->job;
  g_autoptr (GError) error = job.error;

  self->job = (GstDeltaCnnJob) {0};
  gst_delta_cnn_frame_unmap (&job.frame);
  if (job.results) {
    take_results (self, job.buffer, job.results);
    return GST_FLOW_OK;
  }
  gst_delta_cnn_error_post (GST_ELEMENT (self), GST_MESSAGE_ERROR, error,
      "running a frame");
  return GST_FLOW_ERROR;
}

GstFlowReturn
gst_delta_cnn_run_buffer (GstDeltaCnn * self, GstBuffer * buffer)
{
  GstFlowReturn flow;

  if (!begin_job (self, buffer, &flow))
    return flow;
  gst_delta_cnn_run_job (self);
  return end_job (self);
}

/* ---- one frame late ---------------------------------------------------------- */

/* What is on its way is done and leaves. */
static GstFlowReturn
finish_job (GstDeltaCnn * self)
{
  GstBuffer *buffer = self->job.buffer;
  GstFlowReturn flow;

  if (!buffer)
    return GST_FLOW_OK;
  gst_delta_cnn_ahead_finish (self->ahead);
  flow = end_job (self);
  if (flow == GST_FLOW_OK)
    g_queue_push_tail (&self->leaving, buffer);
  else
    gst_buffer_unref (buffer);
  return flow;
}

GstFlowReturn
gst_delta_cnn_run_ahead (GstDeltaCnn * self, GstBuffer * buffer)
{
  GstFlowReturn flow = finish_job (self);

  if (flow != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return flow;
  }
  gst_delta_cnn_timing_pace (self, buffer);
  if (begin_job (self, buffer, &flow))
    gst_delta_cnn_ahead_start (self->ahead);
  else if (flow == GST_FLOW_OK)
    g_queue_push_tail (&self->leaving, buffer);
  else
    gst_buffer_unref (buffer);
  return flow;
}

void
gst_delta_cnn_run_drain (GstDeltaCnn * self, gboolean push)
{
  GstBuffer *buffer = self->job.buffer;

  if (push) {
    (void) finish_job (self);   /* an error is on the bus */
  } else if (buffer) {
    gst_delta_cnn_ahead_finish (self->ahead);
    gst_delta_cnn_frame_unmap (&self->job.frame);
    g_clear_pointer (&self->job.results, gst_delta_cnn_results_unref);
    g_clear_error (&self->job.error);
    self->job = (GstDeltaCnnJob) {0};
    gst_buffer_unref (buffer);
  }
  while ((buffer = g_queue_pop_head (&self->leaving)))
    if (push)
      (void) gst_pad_push (GST_BASE_TRANSFORM_SRC_PAD (self), buffer);
    else
      gst_buffer_unref (buffer);
}
