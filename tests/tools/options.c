/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * options.c - what the programs make of words and numbers: sizes, tuning keys,
 * counts for people, progress.
 */
#include "common.h"

#include <string.h>

static void
test_sizes (void)
{
  static const char *const wrong[] = { "", "640", "640x", "x480", "0x480",
    "640x0", "32768x1", "1x32768", "640x480x2", "-1x5", "6 40x480", NULL };
  guint w = 7, h = 9;

  g_assert_true (tool_parse_size (NULL, &w, &h, NULL));
  g_assert_cmpuint (w, ==, 7);
  g_assert_cmpuint (h, ==, 9);
  g_assert_true (tool_parse_size ("640x480", &w, &h, NULL));
  g_assert_cmpuint (w, ==, 640);
  g_assert_cmpuint (h, ==, 480);
  g_assert_true (tool_parse_size ("1x32767", &w, &h, NULL));
  g_assert_cmpuint (w, ==, 1);
  g_assert_cmpuint (h, ==, 32767);
  for (guint i = 0; wrong[i]; i++) {
    g_autoptr (GError) error = NULL;
    g_assert_false (tool_parse_size (wrong[i], &w, &h, &error));
    g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
  }
}

static void
test_precisions (void)
{
  static const char *const wrong[] = { "", "bf", "bf16 ", "fp16", "F16", "int8",
    NULL };
  DcnnPrecision p = DCNN_PRECISION_F32;

  g_assert_true (tool_parse_precision (NULL, &p, NULL));
  g_assert_cmpint (p, ==, DCNN_PRECISION_F32);
  g_assert_true (tool_parse_precision ("bf16", &p, NULL));
  g_assert_cmpint (p, ==, DCNN_PRECISION_BF16);
  g_assert_true (tool_parse_precision ("auto", &p, NULL));
  g_assert_cmpint (p, ==, DCNN_PRECISION_AUTO);
  for (guint i = 0; wrong[i]; i++) {
    g_autoptr (GError) error = NULL;
    g_assert_false (tool_parse_precision (wrong[i], &p, &error));
    g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
    g_assert_nonnull (strstr (error->message, "bf16"));
  }
}

static void
set (DcnnTuning *tuning, const char *assignment)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = tool_set_tuning (tuning, assignment, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
}

static void
test_tuning (void)
{
  static const char *const wrong[] = { "", "threshold", "threshold=",
    "threshold=a", "threshold=1a", "threshold=-0.1", "threshold=2e6",
    "threshold=nan", "input-threshold=1.5", "dilation=65", "dilation=1.5",
    "settle=2", "settle=0.5",
    "refresh=-1", "settle-budget=1.1", "criterion=", "criterion=best",
    "nothing=1", NULL };
  const char *const *criteria =
      dcnn_tuning_info (DCNN_TUNES_criterion)->names;
  DcnnTuning tuning, before;
  char *several[] = { (char *) "dilation=5", (char *) "criterion=max", NULL };
  char *broken[] = { (char *) "dilation=6", (char *) "dilation=99",
    (char *) "dilation=7", NULL };

  memset (&tuning, 0, sizeof tuning);
  set (&tuning, "threshold=0.25");
  set (&tuning, "input-threshold=1");
  set (&tuning, "gate-threshold=1e6");
  set (&tuning, "dilation=64");
  set (&tuning, "noise-suppression=1");
  set (&tuning, "settle=1");
  set (&tuning, "refresh=0");
  set (&tuning, "settle-budget=0.5");
  g_assert_cmpfloat (tuning.threshold, ==, 0.25f);
  g_assert_cmpfloat (tuning.input_threshold, ==, 1);
  g_assert_cmpfloat (tuning.gate_threshold, ==, 1e6f);
  g_assert_cmpuint (tuning.dilation, ==, 64);
  g_assert_true (tuning.noise_suppression && tuning.settle);
  g_assert_cmpfloat (tuning.refresh, ==, 0);
  g_assert_cmpfloat (tuning.settle_budget, ==, 0.5f);
  set (&tuning, "settle=0");
  g_assert_false (tuning.settle);
  for (guint i = 0; criteria[i]; i++) {
    g_autofree char *text = g_strconcat ("criterion=", criteria[i], NULL);
    set (&tuning, text);
    g_assert_cmpint (tuning.criterion, ==, i);
  }
  g_assert_cmpint (DCNN_CRITERION_NRMS, ==, 0);
  before = tuning;
  for (guint i = 0; wrong[i]; i++) {
    g_autoptr (GError) error = NULL;
    g_assert_false (tool_set_tuning (&tuning, wrong[i], &error));
    g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
    g_assert_cmpmem (&tuning, sizeof tuning, &before, sizeof before);
  }
  g_assert_true (tool_set_tunings (&tuning, several, NULL));
  g_assert_cmpuint (tuning.dilation, ==, 5);
  g_assert_cmpint (tuning.criterion, ==, DCNN_CRITERION_MAX);
  g_assert_false (tool_set_tunings (&tuning, broken, NULL));
  g_assert_cmpuint (tuning.dilation, ==, 6); /* up to the wrong one */
  g_assert_true (tool_set_tunings (&tuning, NULL, NULL));
}

static void
assert_text (char *text, const char *expected)
{
  g_assert_cmpstr (text, ==, expected);
  g_free (text);
}

static void
test_numbers (void)
{
  assert_text (tool_format_bytes (1023), "1023 B");
  assert_text (tool_format_bytes (1024), "1.0 KiB");
  assert_text (tool_format_bytes (1 << 20), "1.0 MiB");
  assert_text (tool_format_bytes ((guint64) 9 << 30), "9216.0 MiB");
  assert_text (tool_format_bytes ((guint64) 10 << 30), "10.0 GiB");
  assert_text (tool_format_count (999), "999");
  assert_text (tool_format_count (1000), "1.0 k");
  assert_text (tool_format_count (1500000), "1.5 M");
  assert_text (tool_format_count (1250000000), "1.25 G");
}

/* A line at once would flood a log; none while it is to be quiet. */
static void
test_progress (void)
{
  ToolProgress progress;

  for (guint quiet = 0; quiet < 2; quiet++) {
    tool_progress_init (&progress, "frames", 10, quiet);
    g_assert_true (progress.quiet == (gboolean) quiet && !progress.any);
    tool_progress_update (&progress, 1, NULL);
    g_assert_false (progress.any);
    progress.shown_us -= 6000000;
    progress.started_us -= 6000000;
    tool_progress_update (&progress, 2, "going on");
    g_assert_true (progress.any == !quiet);
    progress.any = FALSE;
    tool_progress_update (&progress, 3, NULL);
    g_assert_false (progress.any);
    tool_progress_end (&progress);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tools/options/sizes", test_sizes);
  g_test_add_func ("/tools/options/precisions", test_precisions);
  g_test_add_func ("/tools/options/tuning", test_tuning);
  g_test_add_func ("/tools/options/numbers", test_numbers);
  g_test_add_func ("/tools/options/progress", test_progress);
  return g_test_run ();
}
