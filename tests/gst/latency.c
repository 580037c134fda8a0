/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * latency.c - what deltacnn answers to LATENCY. All is measured against what
 * the frames themselves say that they took, never against a time that some
 * machine would need.
 */
#include "fixture.h"

#define SIZE 32

GST_START_TEST (test_latency_is_truthful)
{
  Fixture f;
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min, max, total;
  GstBuffer *out;
  gboolean live;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  gst_harness_set_upstream_latency (f.harness, 10 * GST_MSECOND);
  out = fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 20, 0, 0, 8, 230));
  total = buffer_stats (out)->total_time;
  gst_buffer_unref (out);
  fail_unless (fixture_count (&f, GST_MESSAGE_LATENCY, NULL) > 0);
  fail_unless (gst_element_query (f.element, query));
  gst_query_parse_latency (query, &live, &min, &max);
  /* the only frame yet: what it took, however long that was */
  fail_unless (min == 10 * GST_MSECOND + total,
      "%" GST_TIME_FORMAT " upstream and element together, not %"
      GST_TIME_FORMAT, GST_TIME_ARGS (min),
      GST_TIME_ARGS (10 * GST_MSECOND + total));
  gst_query_unref (query);
  fixture_clear (&f);
}

GST_END_TEST;

/* Runs a grey picture and notes what it took, by its own meta. */
static void
run_timed (Fixture * f, gint width, gint height, gint x, GArray * times)
{
  GstBuffer *out = fixture_run (f, picture_new ("RGB", width, height, 20, x, 0,
          8, 230));
  const GstClockTime time = buffer_stats (out)->total_time;

  g_array_append_val (times, time);
  gst_buffer_unref (out);
}

/* LATENCY is what the slowest of the last frames took, one hiccup of each 64
 * left out, to a quarter more and four tenths less; whatever that is on this
 * machine. from: those that count. */
static void
expect_latency (Fixture * f, const GArray * times, guint from)
{
  const guint begun = (times->len - from - 1) / 64;
  GstClockTime slowest = 0, latency = fixture_latency (f);

  for (guint window = begun > 0 ? begun - 1 : 0; window <= begun; window++) {
    GstClockTime first = 0, second = 0;
    for (guint i = from + 64 * window; i < MIN (times->len,
            from + 64 * window + 64); i++) {
      const GstClockTime time = g_array_index (times, GstClockTime, i);
      second = MAX (second, MIN (first, time));
      first = MAX (first, time);
    }
    slowest = MAX (slowest, second);
  }
  fail_unless (slowest <= latency * 1.25 && slowest >= latency * 0.6,
      "%" GST_TIME_FORMAT " after %u frames of up to %" GST_TIME_FORMAT,
      GST_TIME_ARGS (latency), times->len, GST_TIME_ARGS (slowest));
}

/* Frames that once were slow (another program had the processor) are not for
 * ever; the first one, which is no ordinary one, does not count at all. */
GST_START_TEST (test_latency_shrinks_again)
{
  g_autoptr (GArray) times = g_array_new (FALSE, FALSE, sizeof (GstClockTime));
  GstClockTime slow;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_CLASSES, 256, 256);
  fixture_play (&f, "RGB", 4000, 3000); /* frames that take long */
  for (guint i = 0; i < 5; i++) {
    run_timed (&f, 4000, 3000, 9 * i, times);
    if (i > 1) /* the second of these slows is a hiccup, should it be alone */
      expect_latency (&f, times, 1);
  }
  slow = fixture_latency (&f);
  fixture_caps (&f, "RGB", 64, 64);
  run_timed (&f, 64, 64, 60, times);    /* all is new to it: it does not count */
  g_array_set_size (times, times->len - 1);
  fixture_count (&f, GST_MESSAGE_LATENCY, NULL);
  for (guint i = 0; i < 150; i++) {
    run_timed (&f, 64, 64, i % 50, times);
    expect_latency (&f, times, 1);
  }
  /* told where it is another now */
  fail_unless ((fixture_count (&f, GST_MESSAGE_LATENCY, NULL) > 0)
      || fixture_latency (&f) == slow);
  fixture_clear (&f);
}

GST_END_TEST;

static Suite *
latency_suite (void)
{
  Suite *suite = suite_create ("deltacnn latency");
  TCase *tcase = tcase_create ("latency");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_latency_is_truthful);
  tcase_add_test (tcase, test_latency_shrinks_again);
  return suite;
}

GST_CHECK_MAIN (latency);
