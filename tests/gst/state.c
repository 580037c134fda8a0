/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * state.c - what keeps deltacnn's stored values and what drops them: every
 * rule of gst/README.md's table.
 */
#include "fixture.h"

#define SIZE 32

static GstBuffer *
square (gint x, gint y)
{
  return picture_new ("RGB", SIZE, SIZE, 20, x, y, 8, 230);
}

static void
start (Fixture * f)
{
  fixture_init (f);
  fixture_model (f, TINY_MASK, SIZE, SIZE);
  fixture_play (f, "RGB", SIZE, SIZE);
}

/* Runs a picture; checks the share of the input that changed. */
static void
run_expecting (Fixture * f, GstBuffer * in, gdouble changed)
{
  GstBuffer *out = fixture_run (f, in);
  const GstDeltaCnnStatsMeta *stats = buffer_stats (out);

  fail_unless (!stats->stale);
  fail_unless (ABS (stats->changed_share - changed) < 1e-4,
      "%f of the picture changed, not %f", stats->changed_share, changed);
  gst_buffer_unref (out);
}

static guint
mask_at (GstBuffer * buffer, gfloat x, gfloat y)
{
  const GstDeltaCnnSegmentationMeta *mask =
      gst_buffer_get_delta_cnn_segmentation_meta (buffer);

  fail_unless (mask != NULL, "no mask on the buffer");
  return gst_delta_cnn_segmentation_meta_get_value (mask, x, y);
}

GST_START_TEST (test_only_changes_are_counted)
{
  Fixture f;
  GstBuffer *out;

  start (&f);
  run_expecting (&f, square (0, 0), 1);
  run_expecting (&f, square (0, 0), 0);
  out = fixture_run (&f, square (16, 8));
  fail_unless (ABS (buffer_stats (out)->changed_share - 128.0 / 1024) < 1e-4);
  fail_unless (mask_at (out, 20, 12) > 200);
  fail_unless (mask_at (out, 4, 4) < 50);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_frame_passes_untouched)
{
  Fixture f;
  GstBuffer *in = square (4, 4), *out;
  GstMemory *memory = gst_buffer_peek_memory (in, 0);

  start (&f);
  out = fixture_run (&f, gst_buffer_ref (in));  /* shared: not writable */
  fail_unless (out != in);
  fail_unless (gst_buffer_peek_memory (out, 0) == memory,
      "the picture was copied");
  fail_unless (gst_buffer_get_delta_cnn_stats_meta (in) == NULL);
  fail_unless (gst_buffer_get_delta_cnn_stats_meta (out) != NULL);
  gst_buffer_unref (out);
  out = fixture_run (&f, in);   /* ours alone */
  fail_unless (out == in);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_caps_change)
{
  Fixture f;
  GstBuffer *out;

  start (&f);
  run_expecting (&f, square (0, 0), 1);
  fixture_caps (&f, "NV12", 64, 48);
  out = fixture_run (&f, picture_new ("NV12", 64, 48, 20, 32, 24, 16, 230));
  fail_unless (buffer_stats (out)->changed_share == 1);
  fail_unless (mask_at (out, 40, 32) > 200);
  fail_unless (mask_at (out, 10, 10) < 50);
  gst_buffer_unref (out);
  fixture_caps (&f, "RGB", SIZE, SIZE);
  run_expecting (&f, square (0, 0), 1);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, NULL), 0);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_same_caps_again_keep_nothing_stale)
{
  Fixture f;

  start (&f);
  run_expecting (&f, square (0, 0), 1);
  fixture_caps (&f, "RGB", SIZE, SIZE);
  run_expecting (&f, square (0, 0), 0); /* equal caps are no change */
  fixture_clear (&f);
}

GST_END_TEST;

static void
push_segment (Fixture * f, GstClockTime base)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = base;
  fail_unless (gst_harness_push_event (f->harness,
          gst_event_new_segment (&segment)));
}

GST_START_TEST (test_flush_drops_state)
{
  Fixture f;

  start (&f);
  run_expecting (&f, square (0, 0), 1);
  gst_harness_push_event (f.harness, gst_event_new_flush_start ());
  gst_harness_push_event (f.harness, gst_event_new_flush_stop (TRUE));
  push_segment (&f, 0);
  run_expecting (&f, square (0, 0), 1);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_segment_keeps_state)
{
  Fixture f;

  start (&f);
  run_expecting (&f, square (0, 0), 1);
  push_segment (&f, 5 * GST_SECOND);
  run_expecting (&f, square (0, 0), 0);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_discont_keeps_state)
{
  Fixture f;
  GstBuffer *in;

  start (&f);
  run_expecting (&f, square (0, 0), 1);
  in = square (8, 8);
  GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_DISCONT);
  run_expecting (&f, in, 128.0 / 1024);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_corrupted_frame_does_not_last)
{
  Fixture f;
  GstBuffer *in, *out;

  start (&f);
  run_expecting (&f, square (0, 0), 1);
  in = picture_new ("RGB", SIZE, SIZE, 128, 0, 16, 16, 255);
  GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_CORRUPTED);
  gst_buffer_unref (fixture_run (&f, in));
  out = fixture_run (&f, square (0, 0));
  fail_unless (mask_at (out, 4, 4) > 200);
  fail_unless (mask_at (out, 8, 24) < 50);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

static guint
count_events (Fixture * f, GstEventType type)
{
  GstEvent *event;
  guint count = 0;

  while ((event = gst_harness_try_pull_event (f->harness))) {
    count += GST_EVENT_TYPE (event) == type;
    gst_event_unref (event);
  }
  return count;
}

GST_START_TEST (test_gap_event_passes)
{
  Fixture f;

  start (&f);
  run_expecting (&f, square (0, 0), 1);
  count_events (&f, GST_EVENT_GAP);
  fail_unless (gst_harness_push_event (f.harness,
          gst_event_new_gap (GST_SECOND, GST_SECOND)));
  fail_unless_equals_int (count_events (&f, GST_EVENT_GAP), 1);
  run_expecting (&f, square (0, 0), 0);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_gap_buffer_is_not_run)
{
  Fixture f;
  GstBuffer *in, *out;
  GstStructure *stats;
  guint64 gaps, run;

  start (&f);
  in = square (0, 0);
  GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_GAP);
  run_expecting (&f, in, 1);    /* nothing to repeat: it is run */
  in = picture_new ("RGB", SIZE, SIZE, 255, 0, 0, 0, 0);
  GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_GAP);
  out = fixture_run (&f, in);
  fail_unless (buffer_stats (out)->stale);
  fail_unless (gst_buffer_get_delta_cnn_segmentation_meta (out)->stale);
  fail_unless (mask_at (out, 4, 4) > 200 && mask_at (out, 24, 24) < 50);
  gst_buffer_unref (out);
  run_expecting (&f, square (0, 0), 0);

  g_object_get (f.element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, "gap-frames", &gaps)
      && gst_structure_get_uint64 (stats, "run-frames", &run));
  fail_unless_equals_uint64 (gaps, 1);
  fail_unless_equals_uint64 (run, 2);
  gst_structure_free (stats);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_reconnect)
{
  Fixture f;

  start (&f);
  gst_harness_push_event (f.harness, gst_event_new_stream_start ("camera"));
  run_expecting (&f, square (0, 0), 1);
  /* The same camera comes back: its picture is worth keeping. */
  gst_harness_push_event (f.harness, gst_event_new_stream_start ("camera"));
  fixture_caps (&f, "RGB", SIZE, SIZE);
  push_segment (&f, 0);
  run_expecting (&f, square (0, 0), 0);
  gst_harness_push_event (f.harness, gst_event_new_stream_start ("another"));
  fixture_caps (&f, "RGB", SIZE, SIZE);
  push_segment (&f, 0);
  run_expecting (&f, square (0, 0), 1);
  fixture_clear (&f);
}

GST_END_TEST;

/* All of a mask, to compare. */
static GBytes *
mask_bytes (GstBuffer * buffer)
{
  return gst_buffer_get_delta_cnn_segmentation_meta (buffer)->data;
}

GST_START_TEST (test_scene_cut_equals_fresh_start)
{
  Fixture f, g;
  GstBuffer *cut, *fresh;

  start (&f);
  start (&g);
  g_object_set (f.element, "threshold", 0.0, "input-threshold", 0.0, NULL);
  run_expecting (&f, square (0, 0), 1);
  cut = fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 200, 12, 3, 15, 30));
  fresh = fixture_run (&g, picture_new ("RGB", SIZE, SIZE, 200, 12, 3, 15,
          30));
  fail_unless (buffer_stats (cut)->changed_share > 0.7);
  fail_unless (g_bytes_equal (mask_bytes (cut), mask_bytes (fresh)));
  gst_buffer_unref (cut);
  gst_buffer_unref (fresh);
  fixture_clear (&f);
  fixture_clear (&g);
}

GST_END_TEST;

GST_START_TEST (test_eos_tells_statistics)
{
  Fixture f;
  GstStructure *stats;
  guint64 frames;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  g_object_set (f.element, "stats-interval", 3600000, NULL);
  fixture_play (&f, "RGB", SIZE, SIZE);
  run_expecting (&f, square (0, 0), 1);
  run_expecting (&f, square (0, 0), 0);
  fail_unless (gst_harness_push_event (f.harness, gst_event_new_eos ()));
  fail_unless_equals_int (count_events (&f, GST_EVENT_EOS), 1);
  stats = fixture_structure (&f, "deltacnn-stats");
  fail_unless (stats != NULL);
  fail_unless (gst_structure_get_uint64 (stats, "frames", &frames));
  fail_unless_equals_uint64 (frames, 2);
  fail_unless (gst_structure_has_field (stats, "model"));
  gst_structure_free (stats);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_stream_without_frames)
{
  Fixture f;

  start (&f);
  fail_unless (gst_harness_push_event (f.harness, gst_event_new_eos ()));
  fail_unless_equals_int (count_events (&f, GST_EVENT_EOS), 1);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, NULL), 0);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_timestamps_may_go_back)
{
  Fixture f;
  static const GstClockTime pts[] = { 3, 1, 2, GST_CLOCK_TIME_NONE, 0 };

  start (&f);
  for (guint i = 0; i < G_N_ELEMENTS (pts); i++) {
    GstBuffer *in = square (0, 0), *out;
    GST_BUFFER_PTS (in) =
        GST_CLOCK_TIME_IS_VALID (pts[i]) ? pts[i] * GST_SECOND : pts[i];
    out = fixture_run (&f, in);
    fail_unless_equals_uint64 (buffer_stats (out)->frames, i + 1);
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
}

GST_END_TEST;

static GstBuffer *
timed_square (gint x, guint number)
{
  GstBuffer *buffer = square (x, 0);

  GST_BUFFER_PTS (buffer) = number * 40 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 40 * GST_MSECOND;
  return buffer;
}

/* Downstream says: all up to frame `number` comes too late. */
static void
push_qos (Fixture * f, guint number)
{
  fail_unless (gst_harness_push_upstream_event (f->harness,
          gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0,
              40 * GST_MSECOND, (number - 1) * 40 * GST_MSECOND)));
}

GST_START_TEST (test_late_frames_are_passed_on)
{
  GstMessage *message = NULL;
  guint64 run, late;
  GstFormat format;
  Fixture f;
  GstBuffer *out;

  start (&f);
  gst_buffer_unref (fixture_run (&f, timed_square (0, 0)));
  push_qos (&f, 2);
  out = fixture_run (&f, timed_square (16, 1));
  fail_unless (buffer_stats (out)->stale);
  fail_unless (mask_at (out, 4, 4) > 200, "the last result is gone");
  gst_buffer_unref (out);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_QOS, &message), 1);
  gst_message_parse_qos_stats (message, &format, &run, &late);
  fail_unless (format == GST_FORMAT_BUFFERS);
  fail_unless_equals_uint64 (run, 1);
  fail_unless_equals_uint64 (late, 1);
  gst_message_unref (message);
  out = fixture_run (&f, timed_square (16, 5));
  fail_unless (!buffer_stats (out)->stale);
  fail_unless (mask_at (out, 20, 4) > 200);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_results_never_freeze_by_qos)
{
  Fixture f;
  guint fresh = 0;

  start (&f);
  gst_buffer_unref (fixture_run (&f, timed_square (0, 0)));
  push_qos (&f, 10000);
  for (guint i = 1; i <= 62; i++) {
    GstBuffer *out = fixture_run (&f, timed_square (0, i));
    fresh += !buffer_stats (out)->stale;
    gst_buffer_unref (out);
  }
  fail_unless_equals_int (fresh, 2);
  g_object_set (f.element, "qos", FALSE, NULL);
  run_expecting (&f, timed_square (0, 63), 0);
  fixture_clear (&f);
}

GST_END_TEST;

/* What a window of the size of the network shows of an endless texture. */
static GstBuffer *
view (gint left, gint top)
{
  GstBuffer *buffer = square (0, 0);
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gint y = 0; y < SIZE; y++)
    for (gint x = 0; x < SIZE; x++) {
      const guint a = (guint) (x + left + 1000), b = (guint) (y + top + 1000);
      memset (map.data + (y * SIZE + x) * 3, (a * 37 + b * 91) % 251, 3);
    }
  gst_buffer_unmap (buffer, &map);
  return buffer;
}

static void
expect_view (Fixture * f, GstBuffer * out, gint left, gint top)
{
  for (gint y = 2; y < SIZE; y += 5)
    for (gint x = 2; x < SIZE; x += 5) {
      const guint a = (guint) (x + left + 1000), b = (guint) (y + top + 1000);
      const guint value = (a * 37 + b * 91) % 251;
      if (value < 90)
        fail_unless (mask_at (out, x + 0.5f, y + 0.5f) < 60);
      else if (value > 165)
        fail_unless (mask_at (out, x + 0.5f, y + 0.5f) > 195);
    }
}

/* The camera turns, to the right and down, to the left and up past where it
 * began, and back: what it has seen is kept, only what comes into view is new.
 * A tile of this net is a pixel. Without the meta all of the picture would be
 * another. */
GST_START_TEST (test_motion_meta_moves_the_window)
{
  static const gint places[][2] = { {3, -2}, {3, -2}, {5, 4}, {-6, -3},
  {-6, -3}, {0, 0}
  };
  gint before[2] = { 0, 0 };
  Fixture f;

  start (&f);
  g_object_set (f.element, "threshold", 0.0, "input-threshold", 0.0,
      "dilation", 0, "mode", 1, NULL);
  run_expecting (&f, view (0, 0), 1);
  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    const gint x = places[i][0], y = places[i][1];
    const gint kept = (SIZE - ABS (x - before[0])) * (SIZE - ABS (y -
            before[1]));
    GstBuffer *in = view (x, y), *out;
    gdouble changed;

    gst_buffer_add_delta_cnn_motion_meta (in, GST_DELTA_CNN_MOTION_ALIGNED, x,
        y);
    out = fixture_run (&f, in);
    changed = buffer_stats (out)->changed_share;
    fail_unless (ABS (changed - (1 - kept / (gdouble) (SIZE * SIZE))) < 1e-4,
        "to %d,%d: %f changed, %d of %d are known", x, y, changed, kept,
        SIZE * SIZE);
    expect_view (&f, out, x, y);
    gst_buffer_unref (out);
    before[0] = x;
    before[1] = y;
  }
  /* without it, nothing fits */
  gst_buffer_unref (fixture_run (&f, view (0, 0)));
  {
    GstBuffer *out = fixture_run (&f, view (3, -2));
    fail_unless (buffer_stats (out)->changed_share > 0.9);
    expect_view (&f, out, 3, -2);
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
}

GST_END_TEST;

static GstBuffer *
timed_gap (gint x, guint number, gboolean discont)
{
  GstBuffer *buffer = timed_square (x, number);

  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
  if (discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  return buffer;
}

/* A leaky queue drops the frame and passes its duplicate. */
GST_START_TEST (test_gap_after_a_leak_is_run)
{
  Fixture f;
  GstBuffer *out;

  start (&f);
  gst_buffer_unref (fixture_run (&f, timed_square (0, 0)));
  out = fixture_run (&f, timed_gap (16, 1, TRUE));
  fail_unless (!buffer_stats (out)->stale && buffer_stats (out)->age == 0);
  fail_unless (mask_at (out, 20, 4) > 200);
  gst_buffer_unref (out);
  out = fixture_run (&f, timed_gap (16, 3, FALSE));
  fail_unless (buffer_stats (out)->stale);
  fail_unless_equals_uint64 (buffer_stats (out)->age, 80 * GST_MSECOND);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* Nothing but GAP buffers, with time stamps or without: no result is older
 * than a second, or thirty buffers. */
GST_START_TEST (test_gap_buffers_do_not_repeat_for_ever)
{
  for (guint timed = 0; timed < 2; timed++) {
    guint age = 0, oldest = 0;
    Fixture f;

    start (&f);
    for (guint i = 0; i < 200; i++) {
      GstBuffer *in = timed_gap (0, i, FALSE), *out;

      if (!timed)
        GST_BUFFER_PTS (in) = GST_CLOCK_TIME_NONE;
      out = fixture_run (&f, in);
      age = buffer_stats (out)->stale ? age + 1 : 0;
      oldest = MAX (oldest, age);
      if (timed)
        fail_unless (buffer_stats (out)->age == age * 40 * GST_MSECOND);
      else
        fail_unless (age == 0
            || buffer_stats (out)->age == GST_CLOCK_TIME_NONE);
      gst_buffer_unref (out);
    }
    fail_unless_equals_int (oldest, timed ? 25 : 30);
    fixture_clear (&f);
  }
}

GST_END_TEST;

/* A frame whose motion is not known leaves the window where it is: the same
 * picture then changes nothing. */
GST_START_TEST (test_lost_motion_keeps_the_window)
{
  static const GstDeltaCnnMotionState states[] = {
    GST_DELTA_CNN_MOTION_ALIGNED, GST_DELTA_CNN_MOTION_LOST,
    GST_DELTA_CNN_MOTION_ALIGNED
  };
  Fixture f;

  start (&f);
  run_expecting (&f, square (8, 8), 1);
  for (gint i = 0; i < 3; i++) {
    GstBuffer *in = square (8, 8), *out;

    gst_buffer_add_delta_cnn_motion_meta (in, states[i],
        i == 1 ? 0 : 3, i == 1 ? 0 : -2);
    out = fixture_run (&f, in);
    if (i > 0)
      fail_unless (buffer_stats (out)->changed_share == 0, "frame %d: %f", i,
          buffer_stats (out)->changed_share);
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
}

GST_END_TEST;

/* appsrc and filesrc send BYTES segments: no critical message (which ends a
 * test) for it. */
GST_START_TEST (test_segment_in_bytes)
{
  GstElement *overlay = gst_element_factory_make ("deltaoverlay", NULL);
  GstSegment segment;
  Fixture f;

  start (&f);
  gst_segment_init (&segment, GST_FORMAT_BYTES);
  fail_unless (gst_harness_push_event (f.harness,
          gst_event_new_segment (&segment)));
  run_expecting (&f, timed_square (0, 1), 1);
  push_qos (&f, 10);
  run_expecting (&f, timed_square (0, 2), 0);
  fixture_clear (&f);
  if (overlay) {
    GstHarness *h = gst_harness_new_with_element (overlay, "sink", "src");

    gst_harness_set_src_caps_str (h,
        "video/x-raw,format=RGB,width=32,height=32,framerate=25/1");
    fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
    gst_buffer_unref (gst_harness_push_and_pull (h, timed_square (0, 1)));
    gst_harness_teardown (h);
    gst_object_unref (overlay);
  }
}

GST_END_TEST;

GST_START_TEST (test_odd_sizes)
{
  static const gchar *const formats[] = { "NV12", "I420", "RGB", "BGR", "RGBx",
    "BGRx", "RGBA", "BGRA", "GRAY8"
  };
  static const gint sizes[][2] = { {1, 1}, {1, 7}, {17, 1}, {2, 3}, {33, 31},
  {8191, 17}, {17, 8191}, {641, 479}
  };
  Fixture f;

  start (&f);
  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
    for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
      const gint w = sizes[s][0], h = sizes[s][1];
      GstBuffer *out;

      fixture_caps (&f, formats[i], w, h);
      out = fixture_run (&f, picture_new (formats[i], w, h, 20, 0, 0,
              MAX (w, h), 235));
      fail_unless (mask_at (out, w / 2.0f, h / 2.0f) > 200, "%s %dx%d",
          formats[i], w, h);
      gst_buffer_unref (out);
    }
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, NULL), 0);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_input_size_follows_the_frame)
{
  Fixture f;
  GstStructure *model;
  guint width, height;
  static const gint sizes[][4] = { {70, 50, 64, 64}, {200, 100, 192, 96},
  {3, 3, 32, 32}
  };

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  g_object_set (f.element, "input-width", -1, "input-height", -1, NULL);
  fixture_play (&f, "RGB", sizes[0][0], sizes[0][1]);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    fixture_caps (&f, "RGB", sizes[i][0], sizes[i][1]);
    run_expecting (&f, picture_new ("RGB", sizes[i][0], sizes[i][1], 20, 0, 0,
            1, 230), 1);
    model = fixture_structure (&f, "deltacnn-model");
    fail_unless (model != NULL);
    fail_unless (gst_structure_get_uint (model, "input-width", &width)
        && gst_structure_get_uint (model, "input-height", &height));
    fail_unless_equals_int (width, sizes[i][2]);
    fail_unless_equals_int (height, sizes[i][3]);
    gst_structure_free (model);
  }
  fixture_clear (&f);
}

GST_END_TEST;

static Suite *
state_suite (void)
{
  Suite *suite = suite_create ("deltacnn state rules");
  TCase *tcase = tcase_create ("state");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, test_only_changes_are_counted);
  tcase_add_test (tcase, test_frame_passes_untouched);
  tcase_add_test (tcase, test_caps_change);
  tcase_add_test (tcase, test_same_caps_again_keep_nothing_stale);
  tcase_add_test (tcase, test_flush_drops_state);
  tcase_add_test (tcase, test_segment_keeps_state);
  tcase_add_test (tcase, test_discont_keeps_state);
  tcase_add_test (tcase, test_corrupted_frame_does_not_last);
  tcase_add_test (tcase, test_gap_event_passes);
  tcase_add_test (tcase, test_gap_buffer_is_not_run);
  tcase_add_test (tcase, test_reconnect);
  tcase_add_test (tcase, test_scene_cut_equals_fresh_start);
  tcase_add_test (tcase, test_eos_tells_statistics);
  tcase_add_test (tcase, test_stream_without_frames);
  tcase_add_test (tcase, test_timestamps_may_go_back);
  tcase_add_test (tcase, test_late_frames_are_passed_on);
  tcase_add_test (tcase, test_results_never_freeze_by_qos);
  tcase_add_test (tcase, test_motion_meta_moves_the_window);
  tcase_add_test (tcase, test_gap_after_a_leak_is_run);
  tcase_add_test (tcase, test_gap_buffers_do_not_repeat_for_ever);
  tcase_add_test (tcase, test_lost_motion_keeps_the_window);
  tcase_add_test (tcase, test_segment_in_bytes);
  tcase_add_test (tcase, test_odd_sizes);
  tcase_add_test (tcase, test_input_size_follows_the_frame);
  return suite;
}

GST_CHECK_MAIN (state);
