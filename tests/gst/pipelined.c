/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pipelined.c - frames that leave one late: in order, with the results that they
 * have otherwise; nothing overtakes the one on its way, nothing of it is lost,
 * and LATENCY says so.
 */
#include "fixture.h"

#include <string.h>

#define SIZE 32
#define FRAMES 12
#define FRAME_TIME (40 * GST_MSECOND)

static GstBuffer *
scene (guint frame)
{
  GstBuffer *buffer = picture_new ("RGB", SIZE, SIZE, 20, (gint) frame * 2 % 24,
      (gint) frame * 3 % 24, 8, (guint8) (120 + 8 * frame));

  GST_BUFFER_PTS (buffer) = frame * FRAME_TIME;
  GST_BUFFER_DURATION (buffer) = FRAME_TIME;
  return buffer;
}

static void
start (Fixture * f, gboolean pipelined)
{
  fixture_init (f);
  fixture_model (f, TINY_MASK, SIZE, SIZE);
  g_object_set (f->element, "pipelined", pipelined, NULL);
  fixture_play (f, "RGB", SIZE, SIZE);
}

static void
push (Fixture * f, GstBuffer * buffer)
{
  fail_unless_equals_int (gst_harness_push (f->harness, buffer), GST_FLOW_OK);
}

/* The next buffer that has come out is of that frame; new. */
static GstBuffer *
expect (Fixture * f, guint frame)
{
  GstBuffer *out = gst_harness_try_pull (f->harness);

  fail_unless (out != NULL, "frame %u has not come", frame);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (out), frame * FRAME_TIME);
  return out;
}

static void
expect_none (Fixture * f)
{
  fail_unless_equals_int (gst_harness_buffers_in_queue (f->harness), 0);
}

static void
same_results (GstBuffer * a, GstBuffer * b)
{
  const GstDeltaCnnStatsMeta *p = buffer_stats (a), *q = buffer_stats (b);

  fail_unless (p && q);
  fail_unless_equals_uint64 (p->frames, q->frames);
  fail_unless (p->changed_share == q->changed_share);
  fail_unless (p->mac_share == q->mac_share && p->dense == q->dense);
  fail_unless (p->stale == q->stale);
  fail_unless (g_bytes_equal (gst_buffer_get_delta_cnn_segmentation_meta
          (a)->data, gst_buffer_get_delta_cnn_segmentation_meta (b)->data));
}

GST_START_TEST (test_same_results_one_late)
{
  Fixture now, late;
  GstBuffer *out[2];
  GstStructure *stats = NULL;
  guint64 frames;

  start (&now, FALSE);
  start (&late, TRUE);
  for (guint i = 0; i < FRAMES; i++) {
    push (&late, scene (i));
    if (i == 0) {
      expect_none (&late);
      continue;
    }
    out[0] = fixture_run (&now, scene (i - 1));
    out[1] = expect (&late, i - 1);
    expect_none (&late);
    same_results (out[0], out[1]);
    gst_buffer_unref (out[0]);
    gst_buffer_unref (out[1]);
  }
  fail_unless (gst_harness_push_event (late.harness, gst_event_new_eos ()));
  out[0] = fixture_run (&now, scene (FRAMES - 1));
  out[1] = expect (&late, FRAMES - 1);
  same_results (out[0], out[1]);
  gst_buffer_unref (out[0]);
  gst_buffer_unref (out[1]);
  g_object_get (late.element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, "run-frames", &frames));
  fail_unless_equals_uint64 (frames, FRAMES);
  gst_structure_free (stats);
  fixture_clear (&now);
  fixture_clear (&late);
}

GST_END_TEST;

/* What a buffer says of itself is no other's: one that comes after a gap does
 * not make the one before, which leaves then, look so. */
GST_START_TEST (test_discont_is_its_own)
{
  Fixture f;

  start (&f, TRUE);
  for (guint i = 0; i < 6; i++) {
    GstBuffer *buffer = scene (i), *out;

    if (i == 0 || i == 3)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
    push (&f, buffer);
    if (i == 0)
      continue;
    out = expect (&f, i - 1);
    fail_unless_equals_int (GST_BUFFER_IS_DISCONT (out), i == 1 || i == 4);
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
}

GST_END_TEST;

/* Events and buffers in the order in which they came out. */
static GstPadProbeReturn
note_order (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GString *order = data;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    g_string_append_printf (order, "%u ", (guint) (GST_BUFFER_PTS
            (GST_PAD_PROBE_INFO_BUFFER (info)) / FRAME_TIME));
  else
    g_string_append_printf (order, "%s ",
        GST_EVENT_TYPE_NAME (GST_PAD_PROBE_INFO_EVENT (info)));
  return GST_PAD_PROBE_OK;
}

/* Whatever is serialized with buffers comes after the one that is on its way. */
GST_START_TEST (test_nothing_overtakes)
{
  Fixture f;
  g_autoptr (GString) order = g_string_new (NULL);
  GstPad *pad;
  GstQuery *query = gst_query_new_drain ();

  start (&f, TRUE);
  pad = gst_element_get_static_pad (f.element, "src");
  push (&f, scene (0));
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER |
      GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, note_order, order, NULL);
  fail_unless (gst_harness_push_event (f.harness, gst_event_new_gap (FRAME_TIME,
              FRAME_TIME)));
  push (&f, scene (2));
  gst_pad_peer_query (f.harness->srcpad, query);
  push (&f, scene (3));
  fixture_caps (&f, "RGB", SIZE, SIZE / 2);
  gst_harness_push_event (f.harness, gst_event_new_eos ());
  fail_unless (g_str_has_prefix (order->str, "0 gap 2 3 caps "), "%s",
      order->str);
  fail_unless (g_str_has_suffix (order->str, "eos "), "%s", order->str);
  gst_query_unref (query);
  gst_object_unref (pad);
  fixture_clear (&f);
}

GST_END_TEST;

/* A frame that is not run leaves at once, after the one that it repeats. */
GST_START_TEST (test_gap_buffers)
{
  Fixture f;
  GstBuffer *gap = scene (1), *out;

  start (&f, TRUE);
  push (&f, scene (0));
  GST_BUFFER_FLAG_SET (gap, GST_BUFFER_FLAG_GAP);
  push (&f, gap);
  out = expect (&f, 0);
  fail_unless (!buffer_stats (out)->stale);
  gst_buffer_unref (out);
  out = expect (&f, 1);
  fail_unless (buffer_stats (out)->stale);
  gst_buffer_unref (out);
  expect_none (&f);
  push (&f, scene (2));
  expect_none (&f);
  push (&f, scene (3));
  gst_buffer_unref (expect (&f, 2));
  fixture_clear (&f);
}

GST_END_TEST;

/* A flush drops what is on its way, and a stop as well. */
GST_START_TEST (test_flush_and_stop)
{
  Fixture f;
  GstSegment segment;
  GstBuffer *out;

  start (&f, TRUE);
  push (&f, scene (0));
  gst_harness_push_event (f.harness, gst_event_new_flush_start ());
  gst_harness_push_event (f.harness, gst_event_new_flush_stop (TRUE));
  expect_none (&f);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
  push (&f, scene (5));
  push (&f, scene (6));
  out = expect (&f, 5);
  fail_unless_equals_uint64 (buffer_stats (out)->frames, 1);
  gst_buffer_unref (out);
  /* frame 6 is on its way */
  fixture_clear (&f);
}

GST_END_TEST;

/* A frame leaves when the next one comes: by the caps' rate, or where they say
 * none, as far as frames have been apart. */
GST_START_TEST (test_latency)
{
  GstBuffer *out;
  Fixture f;

  start (&f, TRUE);
  push (&f, scene (0));
  fail_unless (fixture_count (&f, GST_MESSAGE_LATENCY, NULL) > 0);
  /* nothing has been run to its end yet: the caps' rate alone */
  fail_unless_equals_uint64 (fixture_latency (&f), FRAME_TIME);
  gst_harness_set_src_caps_str (f.harness,
      "video/x-raw,format=RGB,width=32,height=32,framerate=0/1");
  push (&f, scene (10));
  push (&f, scene (17));
  fail_unless (fixture_count (&f, GST_MESSAGE_LATENCY, NULL) > 0);
  fail_unless (fixture_latency (&f) >= 7 * FRAME_TIME);
  fixture_clear (&f);
  start (&f, FALSE);
  out = fixture_run (&f, scene (0));
  /* what it took; no frame's time is added */
  fail_unless_equals_uint64 (fixture_latency (&f),
      buffer_stats (out)->total_time);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* A run that fails is one error, at the next buffer. */
GST_START_TEST (test_error)
{
  Fixture f;
  GstMessage *message = NULL;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  g_object_set (f.element, "device", "null", "pipelined", TRUE, NULL);
  g_setenv ("DELTACNN_NULL_FAIL", "run:2", TRUE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  push (&f, scene (0));
  push (&f, scene (1));
  gst_buffer_unref (expect (&f, 0));
  fail_unless_equals_int (gst_harness_push (f.harness, scene (2)),
      GST_FLOW_ERROR);
  expect_none (&f);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, &message), 1);
  message_holds (message, "null device failed in");
  gst_message_unref (message);
  g_unsetenv ("DELTACNN_NULL_FAIL");
  fixture_clear (&f);
}

GST_END_TEST;

static Suite *
pipelined_suite (void)
{
  Suite *suite = suite_create ("pipelined");
  TCase *tcase = tcase_create ("general");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_same_results_one_late);
  tcase_add_test (tcase, test_discont_is_its_own);
  tcase_add_test (tcase, test_nothing_overtakes);
  tcase_add_test (tcase, test_gap_buffers);
  tcase_add_test (tcase, test_flush_and_stop);
  tcase_add_test (tcase, test_latency);
  tcase_add_test (tcase, test_error);
  return suite;
}

GST_CHECK_MAIN (pipelined);
