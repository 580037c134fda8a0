/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnntiming.c - deltacnn and time: QoS, latency, statistics messages.
 */
#include "gstdeltacnn.h"

#define GST_CAT_DEFAULT gst_delta_cnn_debug

/* However late, every so many frames one is run: results never freeze. */
#define MAX_LATE_IN_A_ROW 30
/* Frames in a window of the latency: it is the slowest of this window's and
 * the last one's, the one slowest of each (a hiccup) left out. */
#define LATENCY_FRAMES 64
/* The answer to LATENCY is renewed when that is longer, or shorter, by so
 * much. */
#define LATENCY_GROWN 1.25
#define LATENCY_SHRUNK 0.6

void
gst_delta_cnn_timing_reset (GstDeltaCnn * self)
{
  GST_OBJECT_LOCK (self);
  self->earliest = GST_CLOCK_TIME_NONE;
  self->proportion = 1;
  GST_OBJECT_UNLOCK (self);
  self->late_in_a_row = 0;
}

void
gst_delta_cnn_timing_take_qos (GstDeltaCnn * self, GstEvent * event)
{
  gdouble proportion;
  GstClockTimeDiff diff;
  GstClockTime timestamp;
  GstClockTime earliest = GST_CLOCK_TIME_NONE;

  gst_event_parse_qos (event, NULL, &proportion, &diff, &timestamp);
  if (GST_CLOCK_TIME_IS_VALID (timestamp))
    earliest = timestamp + diff; /* no event's goes below 0 */
  GST_OBJECT_LOCK (self);
  self->earliest = earliest;
  self->proportion = proportion;
  GST_OBJECT_UNLOCK (self);
}

static void
post_qos (GstDeltaCnn * self, GstBuffer * buffer, GstClockTime running,
    GstClockTime earliest, gdouble proportion)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstMessage *message = gst_message_new_qos (GST_OBJECT (self), FALSE, running,
      gst_segment_to_stream_time (segment, GST_FORMAT_TIME,
          GST_BUFFER_PTS (buffer)), GST_BUFFER_PTS (buffer),
      GST_BUFFER_DURATION (buffer));
  guint64 run, late;

  GST_OBJECT_LOCK (self);
  run = self->totals.run;
  late = self->totals.late + 1;
  GST_OBJECT_UNLOCK (self);
  gst_message_set_qos_values (message, GST_CLOCK_DIFF (running, earliest),
      proportion, 1000000);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, run, late);
  gst_element_post_message (GST_ELEMENT (self), message);
}

gboolean
gst_delta_cnn_timing_is_late (GstDeltaCnn * self, GstBuffer * buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime running, earliest;
  gdouble proportion;

  GST_OBJECT_LOCK (self);
  earliest = self->earliest;
  proportion = self->proportion;
  GST_OBJECT_UNLOCK (self);
  if (!self->active.qos || segment->format != GST_FORMAT_TIME
      || !GST_CLOCK_TIME_IS_VALID (earliest)
      || !GST_BUFFER_PTS_IS_VALID (buffer))
    return FALSE;
  running = gst_segment_to_running_time (segment, GST_FORMAT_TIME,
      GST_BUFFER_PTS (buffer));
  if (!GST_CLOCK_TIME_IS_VALID (running) || running > earliest
      || self->late_in_a_row >= MAX_LATE_IN_A_ROW) {
    self->late_in_a_row = 0;
    return FALSE;
  }
  self->late_in_a_row++;
  GST_LOG_OBJECT (self, "late by %" GST_STIME_FORMAT ": not run",
      GST_STIME_ARGS (GST_CLOCK_DIFF (running, earliest)));
  post_qos (self, buffer, running, earliest, proportion);
  return TRUE;
}

GstClockTime
gst_delta_cnn_timing_of (GstDeltaCnn * self, GstBuffer * buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;

  if (segment->format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID (buffer))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time (segment, GST_FORMAT_TIME,
      GST_BUFFER_PTS (buffer));
}

static void
add_to_peaks (GstDeltaCnn * self, GstClockTime time)
{
  GstDeltaCnnPeaks *peaks = &self->peaks;

  if (peaks->frames == LATENCY_FRAMES) {
    self->peaks_before = *peaks;
    *peaks = (GstDeltaCnnPeaks) {0};
  }
  peaks->frames++;
  peaks->second = MAX (peaks->second, MIN (peaks->slowest, time));
  peaks->slowest = MAX (peaks->slowest, time);
}

/* What an ordinary frame takes at most. */
static GstClockTime
find_latency (GstDeltaCnn * self)
{
  if (self->peaks_before.frames == 0 && self->peaks.frames == 1)
    return self->peaks.slowest;
  return MAX (self->peaks.second, self->peaks_before.second);
}

void
gst_delta_cnn_timing_account (GstDeltaCnn * self, const GstDeltaCnnCost * cost)
{
  GstClockTime latency;
  gboolean moved;

  /* The first one measures, packs and is dense: no frame to wait for again,
   * except where it is the only one yet. */
  if (cost->frames <= 1 && self->latency > 0)
    return;
  if (cost->frames == 2 && self->peaks_before.frames == 0
      && self->peaks.frames == 1)
    self->peaks.frames = self->peaks.slowest = 0;
  add_to_peaks (self, cost->total_time);
  latency = find_latency (self);
  GST_OBJECT_LOCK (self);
  moved = latency > self->latency * LATENCY_GROWN
      || latency < self->latency * LATENCY_SHRUNK;
  if (moved)
    self->latency = latency;
  GST_OBJECT_UNLOCK (self);
  if (moved) {
    GST_DEBUG_OBJECT (self, "a frame takes up to %" GST_TIME_FORMAT,
        GST_TIME_ARGS (latency));
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
  }
}

/* As the caps say; where they do not, from the last frame to this. */
static GstClockTime
find_pace (GstDeltaCnn * self, GstBuffer * buffer)
{
  const GstVideoInfo *info = &self->info;
  const GstClockTime before = self->last_pts, now = GST_BUFFER_PTS (buffer);

  self->last_pts = now;
  if (GST_VIDEO_INFO_FPS_N (info) > 0)
    return gst_util_uint64_scale_round (GST_SECOND, GST_VIDEO_INFO_FPS_D (info),
        GST_VIDEO_INFO_FPS_N (info));
  if (GST_CLOCK_TIME_IS_VALID (now) && GST_CLOCK_TIME_IS_VALID (before)
      && now > before)
    return now - before;
  return 0;
}

void
gst_delta_cnn_timing_pace (GstDeltaCnn * self, GstBuffer * buffer)
{
  const GstClockTime pace = find_pace (self, buffer);
  gboolean moved;

  GST_OBJECT_LOCK (self);
  moved = pace > self->pace * LATENCY_GROWN
      || (pace > 0 && pace < self->pace * LATENCY_SHRUNK);
  if (moved)
    self->pace = pace;
  GST_OBJECT_UNLOCK (self);
  if (moved)
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
}

gboolean
gst_delta_cnn_timing_answer_latency (GstDeltaCnn * self, GstQuery * query)
{
  GstClockTime min, max, own;
  gboolean live;

  if (!gst_pad_peer_query (GST_BASE_TRANSFORM_SINK_PAD (self), query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  GST_OBJECT_LOCK (self);
  /* one frame late: until the next one comes, and this one is done */
  own = MAX (self->latency, self->pace);
  GST_OBJECT_UNLOCK (self);
  min += own;
  if (GST_CLOCK_TIME_IS_VALID (max))
    max += own;
  GST_DEBUG_OBJECT (self, "latency %" GST_TIME_FORMAT " of which ours %"
      GST_TIME_FORMAT, GST_TIME_ARGS (min), GST_TIME_ARGS (own));
  gst_query_set_latency (query, live, min, max);
  return TRUE;
}

static void
add_facts (GstDeltaCnn * self, GstStructure * stats)
{
  static const gchar *const names[] = { "model", "decoder", "device",
    "input-width", "input-height", "state-bytes", "weight-bytes"
  };

  GST_OBJECT_LOCK (self);
  for (guint i = 0; self->model_facts && i < G_N_ELEMENTS (names); i++)
    gst_structure_set_value (stats, names[i],
        gst_structure_get_value (self->model_facts, names[i]));
  GST_OBJECT_UNLOCK (self);
}

GstStructure *
gst_delta_cnn_timing_stats (GstDeltaCnn * self)
{
  GstDeltaCnnTotals totals;
  GstStructure *stats;

  GST_OBJECT_LOCK (self);
  totals = self->totals;
  GST_OBJECT_UNLOCK (self);
  stats = gst_delta_cnn_totals_to_structure (&totals, "deltacnn-stats");
  add_facts (self, stats);
  return stats;
}

void
gst_delta_cnn_timing_post_stats (GstDeltaCnn * self, gboolean forced)
{
  const gint64 now_us = g_get_monotonic_time ();
  const gint64 interval_us = (gint64) self->active.stats_interval_ms * 1000;
  GstStructure *stats;

  if (interval_us == 0 || self->interval.frames == 0
      || (!forced && now_us - self->interval_start_us < interval_us))
    return;
  stats = gst_delta_cnn_totals_to_structure (&self->interval,
      "deltacnn-stats");
  add_facts (self, stats);
  self->interval = (GstDeltaCnnTotals) {0};
  self->interval_start_us = now_us;
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), stats));
}
