/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pipeline.c - both elements in playing pipelines, as a user writes them; and
 * that nothing is left behind.
 */
#include "fixture.h"

#include <string.h>

/* Runs a pipeline to its end; model is put in place of %s. Returns how many
 * errors there were. */
static void
run_launch (const gchar * format, const gchar * model)
{
  GError *error = NULL;
  g_autofree gchar *launch = g_strdup_printf (format, model);
  GstElement *pipeline = gst_parse_launch (launch, &error);
  GstMessage *message;
  GstBus *bus;

  fail_unless (pipeline != NULL && !error, "%s: %s", launch,
      error ? error->message : "");
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (message != NULL, "%s: does not end", launch);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    fail ("%s: %s", launch, error->message);
  }
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  ASSERT_OBJECT_REFCOUNT (pipeline, "pipeline", 1);
  gst_object_unref (pipeline);
}

static const gchar *const launches[] = {
  "videotestsrc num-buffers=40 pattern=ball ! deltacnn model=%s ! "
      "deltaoverlay updates=true ! fakesink",
  "videotestsrc num-buffers=20 is-live=true ! video/x-raw,framerate=50/1 ! "
      "deltacnn model=%s stats-interval=100 ! deltaoverlay ! fakesink sync=true",
  "videotestsrc num-buffers=20 ! video/x-raw,format=NV12,width=321,height=241 "
      "! deltacnn model=%s ! videoscale ! video/x-raw,width=160,height=120 ! "
      "deltaoverlay ! videoconvert ! video/x-raw,format=BGRA ! fakesink",
  "videotestsrc num-buffers=20 ! tee name=t t. ! queue ! deltacnn model=%s ! "
      "deltaoverlay ! fakesink t. ! queue ! fakesink",
  "videotestsrc num-buffers=30 pattern=ball ! deltacnn model=%1$s ! deltacnn "
      "model=%1$s mode=dense ! deltaoverlay ! fakesink",
};

GST_START_TEST (test_pipelines)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *model = tiny_model_write (dir, "model", TINY_MASK, 64, 48,
      NULL);

  run_launch (launches[__i__], model);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* A seek in a paused and in a playing pipeline flushes both elements. */
GST_START_TEST (test_seeks)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *model = tiny_model_write (dir, "model", TINY_MASK, 64, 48,
      NULL);
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=100 ! "
      "deltacnn model=%s ! deltaoverlay ! fakesink sync=true", model);
  GstElement *pipeline = gst_parse_launch (launch, NULL);

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  for (guint i = 0; i < 10; i++) {
    fail_unless (gst_element_get_state (pipeline, NULL, NULL, GST_CLOCK_TIME_NONE)
        == GST_STATE_CHANGE_SUCCESS);
    fail_unless (gst_element_seek_simple (pipeline, GST_FORMAT_TIME,
            GST_SEEK_FLAG_FLUSH, i * 100 * GST_MSECOND));
    gst_element_set_state (pipeline, i % 2 ? GST_STATE_PAUSED :
        GST_STATE_PLAYING);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* Sizes and formats that change in mid-stream, from one pixel to 8K and back,
 * with flushes and seeks' segments between: each frame comes out, none of the
 * elements warns (Check fails on that), and the end may come at once. */
GST_START_TEST (test_sizes_change_in_mid_stream)
{
  static const struct
  {
    const gchar *format;
    gint width, height;
  } streams[] = { { "GRAY8", 1, 1 }, { "NV12", 3, 5 }, { "I420", 7680, 4320 },
    { "RGB", 1, 1 }, { "GRAY8", 641, 3 }, { "BGRA", 64, 48 },
    { "NV12", 7680, 4320 }, { "I420", 1, 481 }, { "RGB", 64, 48 } };
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *model = tiny_model_write (dir, "model", TINY_MASK, 64, 48,
      NULL);
  g_autoptr (GstElementFactory) align = gst_element_factory_find ("framealign");
  g_autofree gchar *launch = g_strdup_printf ("%s deltacnn model=%s ! "
      "deltaoverlay updates=true motion=true", align ?
      "framealign tracks=true !" : "", model);
  GstHarness *h = gst_harness_new_parse (launch);
  guint out = 0;

  for (guint i = 0; i < G_N_ELEMENTS (streams); i++) {
    g_autofree gchar *caps = g_strdup_printf ("video/x-raw,format=%s,width=%d,"
        "height=%d,framerate=25/1", streams[i].format, streams[i].width,
        streams[i].height);
    GstVideoInfo info;

    gst_harness_set_src_caps_str (h, caps);
    gst_video_info_init (&info);
    gst_video_info_set_format (&info, gst_video_format_from_string
        (streams[i].format), streams[i].width, streams[i].height);
    for (guint frame = 0; frame < 2; frame++) {
      GstBuffer *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);

      gst_buffer_memset (buffer, 0, 40 + 90 * frame, info.size);
      GST_BUFFER_PTS (buffer) = out * 40 * GST_MSECOND;
      fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
      buffer = gst_harness_pull (h);
      fail_unless (gst_buffer_get_size (buffer) == info.size);
      gst_buffer_unref (buffer);
      out++;
    }
    if (i % 2) {
      GstSegment segment;

      gst_segment_init (&segment, GST_FORMAT_TIME);
      fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
      fail_unless (gst_harness_push_event (h,
              gst_event_new_flush_stop (i == 3)));
      fail_unless (gst_harness_push_event (h,
              gst_event_new_segment (&segment)));
    }
  }
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  gst_harness_teardown (h);

  h = gst_harness_new_parse (launch);
  gst_harness_set_src_caps_str (h, "video/x-raw,format=I420,width=3,height=5,"
      "framerate=25/1");
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  gst_harness_teardown (h);
  tiny_folder_remove (dir);
}

GST_END_TEST;

GST_START_TEST (test_ten_starts_and_stops)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *model = tiny_model_write (dir, "model", TINY_MASK, 64, 48,
      NULL);
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=3 ! "
      "deltacnn name=d model=%s ! deltaoverlay ! fakesink", model);
  GstElement *pipeline = gst_parse_launch (launch, NULL);
  GstElement *delta = gst_bin_get_by_name (GST_BIN (pipeline), "d");
  GstBus *bus = gst_element_get_bus (pipeline);

  for (guint i = 0; i < 10; i++) {
    GstMessage *message;
    GstStructure *stats;
    guint64 frames;

    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    fail_unless (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS);
    gst_message_unref (message);
    g_object_get (delta, "stats", &stats, NULL);
    fail_unless (gst_structure_get_uint64 (stats, "frames", &frames));
    fail_unless_equals_uint64 (frames, 3);
    gst_structure_free (stats);
    gst_element_set_state (pipeline, i % 2 ? GST_STATE_NULL : GST_STATE_READY);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (delta);
  gst_object_unref (pipeline);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* Streams that come and go from several threads at once. */
static gpointer
come_and_go (gpointer model)
{
  for (guint i = 0; i < 8; i++)
    run_launch ("videotestsrc num-buffers=3 ! deltacnn model=%s ! "
        "deltaoverlay ! fakesink", model);
  return NULL;
}

GST_START_TEST (test_many_come_and_go)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *model = tiny_model_write (dir, "model", TINY_MASK, 64, 48,
      NULL);
  GThread *threads[4];

  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("stream", come_and_go, model);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* GStreamer's own leak tracer over a pipeline in a process of its own. */
GST_START_TEST (test_no_leaks)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *model = tiny_model_write (dir, "model", TINY_MASK, 64, 48,
      NULL);
  g_autofree gchar *launcher = g_find_program_in_path ("gst-launch-1.0");
  g_autofree gchar *model_argument = g_strconcat ("model=", model, NULL);
  gchar *arguments[] = { launcher, "videotestsrc", "num-buffers=10", "!",
    "deltacnn", model_argument, "!", "deltaoverlay", "updates=true", "!",
    "fakesink", NULL
  };
  g_auto (GStrv) environment = g_get_environ ();
  const gchar *plugin = g_getenv ("DELTACNN_TEST_PLUGIN");
  g_autofree gchar *output = NULL;
  gint status;

  if (!launcher || SANITIZED || THREADS_SANITIZED) {
    g_printerr ("skipped: no gst-launch-1.0, or one that cannot load a "
        "sanitizers' build\n");
    tiny_folder_remove (dir);
    return;
  }
  if (plugin) {
    g_autofree gchar *folder = g_path_get_dirname (plugin);
    environment = g_environ_setenv (environment, "GST_PLUGIN_PATH", folder,
        TRUE);
  }
  environment = g_environ_setenv (environment, "GST_TRACERS", "leaks", TRUE);
  environment = g_environ_setenv (environment, "GST_DEBUG", "GST_TRACER:7",
      TRUE);
  environment = g_environ_setenv (environment, "GST_DEBUG_NO_COLOR", "1",
      TRUE);
  fail_unless (g_spawn_sync (NULL, arguments, environment, G_SPAWN_DEFAULT,
          NULL, NULL, NULL, &output, &status, NULL));
  fail_unless (g_spawn_check_wait_status (status, NULL), "%s", output);
  /* The tracer also announces the record's format, which has a %s there. */
  fail_unless (!g_regex_match_simple ("object-alive, type-name=\\(string\\)[^%]",
          output, 0, 0), "%s", output);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* Ages of results behind a leaky queue. */
typedef struct
{
  guint frames, stale;
  GstClockTime oldest;
} Ages;

static GstPadProbeReturn
note_age (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  const GstDeltaCnnStatsMeta *stats = gst_buffer_get_delta_cnn_stats_meta
      (GST_PAD_PROBE_INFO_BUFFER (info));
  Ages *ages = data;

  fail_unless (stats != NULL, "a frame without results");
  ages->frames++;
  ages->stale += stats->stale;
  ages->oldest = MAX (ages->oldest, stats->age);
  return GST_PAD_PROBE_OK;
}

/* A camera of 5 frames a second made 100 by repetition, behind a queue that
 * leaks nearly all of them: what passes is mostly repetitions of frames that
 * did not. Nothing stale may be older than the frame that it repeats. How many
 * leak is the machine's business, so how many are stale is not asked. */
GST_START_TEST (test_repeated_frames_behind_a_leaky_queue)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *model = tiny_model_write (dir, "model", TINY_MASK, 64, 48,
      NULL);
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc is-live=true "
      "num-buffers=15 pattern=ball ! video/x-raw,framerate=5/1 ! videorate ! "
      "video/x-raw,framerate=100/1 ! queue leaky=downstream "
      "max-size-buffers=1 ! identity sleep-time=60000 ! deltacnn name=d "
      "model=%s ! fakesink name=s sync=false", model);
  GstElement *pipeline = gst_parse_launch (launch, NULL);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  Ages ages = { 0, 0, 0 };

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, note_age, &ages, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  fail_unless (ages.frames > 0 && ages.oldest <= 250 * GST_MSECOND,
      "%u frames, %u of them stale, up to %" GST_TIME_FORMAT, ages.frames,
      ages.stale, GST_TIME_ARGS (ages.oldest));
  gst_object_unref (bus);
  gst_object_unref (pad);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  tiny_folder_remove (dir);
}

GST_END_TEST;

static Suite *
pipeline_suite (void)
{
  Suite *suite = suite_create ("pipelines");
  TCase *tcase = tcase_create ("pipelines");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 120);
  tcase_add_loop_test (tcase, test_pipelines, 0, G_N_ELEMENTS (launches));
  tcase_add_test (tcase, test_seeks);
  tcase_add_test (tcase, test_sizes_change_in_mid_stream);
  tcase_add_test (tcase, test_ten_starts_and_stops);
  tcase_add_test (tcase, test_many_come_and_go);
  tcase_add_test (tcase, test_no_leaks);
  tcase_add_test (tcase, test_repeated_frames_behind_a_leaky_queue);
  return suite;
}

GST_CHECK_MAIN (pipeline);
