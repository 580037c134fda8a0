/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * drift.c - over 10 000 frames of a noisy, moving scene at the default
 * thresholds the error against dense does not grow: no accumulation, no drift.
 * On the device that DELTACNN_TEST_DEVICE names.
 *
 * What the error is in a while depends on what moves in it, so one while is
 * compared with no other. A line is laid through the means of all cycles of
 * motion and rest; where nothing accumulates its slope differs from 0 by chance
 * alone, whose measure is how the means scatter about the line (with what
 * neighbours have in common, which makes them fewer). A slope of four such
 * measures and more is drift: by chance one run in 30 000 has it. And the measure
 * must be small enough for the error doubling to be seen.
 */
#include <math.h>

#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

#define FRAMES 10000
#define CYCLE 100            /* 70 frames of motion, 30 of rest */
#define CYCLES (FRAMES / CYCLE)
#define PROBES 8            /* of an influence */

/* A line through the means of cycles. */
typedef struct Trend {
  gdouble mean, growth;     /* growth: from the first frame to the last */
  gdouble chance;           /* standard error of growth */
} Trend;

static Trend
trend_of (const gdouble *means)
{
  gdouble mean = 0, slope = 0, squares = 0, rest = 0, common = 0, rho, few;
  gdouble off[CYCLES];

  for (guint i = 0; i < CYCLES; i++)
    mean += means[i] / CYCLES;
  for (guint i = 0; i < CYCLES; i++) {
    gdouble t = i - (CYCLES - 1) / 2.0;
    slope += t * (means[i] - mean);
    squares += t * t;
  }
  slope /= squares;
  for (guint i = 0; i < CYCLES; i++) {
    off[i] = means[i] - mean - slope * (i - (CYCLES - 1) / 2.0);
    rest += off[i] * off[i];
    common += i > 0 ? off[i] * off[i - 1] : 0;
  }
  rho = rest > 0 ? CLAMP (common / rest, 0, 0.9) : 0;
  few = (1 + rho) / (1 - rho); /* so many cycles tell as much as one alone */
  return (Trend) { mean, slope * CYCLES,
    sqrt (few * rest / (CYCLES - 2) / squares) * CYCLES };
}

static gdouble
error_of (DcnnSession *a, DcnnSession *b)
{
  gdouble difference = 0, size = 0;

  for (guint i = 0; i < 2; i++) {
    const DcnnTensor *p = &dcnn_session_get_output (a, 0, i)->tensor;
    const DcnnTensor *q = &dcnn_session_get_output (b, 0, i)->tensor;
    for (gint64 k = 0; k < dcnn_tensor_count (p); k++) {
      gdouble x = ((gfloat *) p->data)[k], y = ((gfloat *) q->data)[k];
      difference += (x - y) * (x - y);
      size += y * y;
    }
  }
  return sqrt (difference / MAX (size, 1e-12));
}

static void
free_array (gpointer array)
{
  g_array_unref (array);
}

/* What a tool would measure on the video's first frame. */
static GHashTable *
measured_influence (DcnnModel *model, guint64 seed)
{
  GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      free_array);
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnSession) session = NULL;
  DcnnSessionOptions options;
  GHashTableIter iter;
  gpointer name, sums;
  TestVideo video;
  DcnnFrame frame;

  test_options_on (&options, "cpu"); /* others cannot measure it */
  options.tuning.mode = DCNN_MODE_DENSE;
  options.store_all = TRUE;
  session = test_session_new (model, &options);
  test_video_init (&video, seed, 32, 32);
  test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
  test_push_frame (session, 0, &frame);
  g_assert_true (dcnn_session_measure_influence (session, 0, NULL, PROBES,
          table, &error));
  test_video_clear (&video);
  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &name, &sums)) {
    GArray *values = g_array_new (FALSE, FALSE, sizeof (gfloat));
    for (guint c = 0; c < ((GArray *) sums)->len; c++) {
      gfloat v = (gfloat) sqrt (g_array_index ((GArray *) sums, gdouble, c) /
          PROBES);
      g_array_append_val (values, v);
    }
    g_hash_table_iter_replace (&iter, values);
  }
  return table;
}

static void
run (guint64 seed, gboolean settle, DcnnCriterion criterion)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (seed, FALSE,
          FALSE, 32, 32), &error);
  g_autoptr (DcnnSession) sparse = NULL, dense = NULL;
  g_autoptr (GHashTable) influence = NULL;
  gdouble means[CYCLES] = { 0 }, worst = 0;
  DcnnSessionOptions options;
  TestVideo video;
  DcnnFrame frame;
  gdouble macs = 0;
  Trend trend;

  g_assert_no_error (error);
  test_options_init (&options);
  options.threads = 1;
  options.tuning.settle = settle;
  options.tuning.criterion = criterion;
  if (criterion == DCNN_CRITERION_INFLUENCE)
    options.influence = influence = measured_influence (model, seed);
  sparse = dcnn_session_new (model, &options, &error);
  options.tuning.mode = DCNN_MODE_DENSE;
  dense = test_session_new (model, &options);
  test_video_init (&video, seed, 32, 32);
  video.noise = 2;
  for (guint f = 0; f < FRAMES; f++) {
    DcnnFrameStats stats;
    gdouble d;
    if (f % CYCLE < 70)
      test_video_move (&video);
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    test_push_frame (sparse, 0, &frame);
    test_push_frame (dense, 0, &frame);
    dcnn_session_get_stats (sparse, 0, &stats);
    macs += (gdouble) stats.macs_done / stats.macs_dense;
    d = error_of (sparse, dense);
    means[f / CYCLE] += d / CYCLE;
    worst = MAX (worst, d);
  }
  test_video_clear (&video);
  trend = trend_of (means);
  g_test_message ("seed %d: mean %.4f, worst %.4f of the outputs' rms; growth "
      "%+.4f, by chance %.4f; %.2f of the MACs", (gint) seed, trend.mean, worst,
      trend.growth, trend.chance, macs / FRAMES);
  g_assert_cmpfloat (trend.growth, <=, 4 * trend.chance);
  g_assert_cmpfloat (4 * trend.chance, <=, trend.mean);
  g_assert_cmpfloat (worst, <=, 0.1);
  g_assert_cmpfloat (trend.mean, >, 0);
}

/* What accumulates is seen: a hundredth of the mean more each cycle, under noise
 * of a third. */
static void
test_trend (void)
{
  guint64 state = 5;
  gdouble means[CYCLES];
  Trend even, growing;

  for (guint i = 0; i < CYCLES; i++)
    means[i] = 1 + 0.3 * test_random_value (&state, FALSE);
  even = trend_of (means);
  for (guint i = 0; i < CYCLES; i++)
    means[i] += 0.01 * i;
  growing = trend_of (means);
  g_test_message ("growth %.3f and %.3f, by chance %.3f", even.growth,
      growing.growth, even.chance);
  g_assert_cmpfloat (fabs (even.growth), <, 4 * even.chance);
  g_assert_cmpfloat (growing.growth, >, 4 * growing.chance);
}

static void
test_drift (void)
{
  run (2, FALSE, DCNN_CRITERION_NRMS);
  run (5, TRUE, DCNN_CRITERION_NRMS);
  run (6, FALSE, DCNN_CRITERION_MAX);
  run (2, FALSE, DCNN_CRITERION_INFLUENCE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/drift/trend", test_trend);
  g_test_add_func ("/engine/drift/frames", test_drift);
  return g_test_run ();
}
