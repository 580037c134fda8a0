/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * drift.c - over 10 000 frames of a noisy, moving scene at the default
 * thresholds the error against dense stays where it was in the beginning: no
 * accumulation, no drift. On the device that DELTACNN_TEST_DEVICE names.
 */
#include <math.h>

#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

#define FRAMES 10000
#define WINDOW 1000
#define PROBES 8            /* of an influence */

typedef struct Errors {
  gdouble sum, worst;       /* of the rms over the outputs' rms */
} Errors;

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

  dcnn_session_options_init (&options);
  options.device = "cpu"; /* others cannot measure it */
  options.tuning.mode = DCNN_MODE_DENSE;
  options.store_all = TRUE;
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  test_video_init (&video, seed, 32, 32);
  test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
  g_assert_true (dcnn_session_push_frame (session, 0, &frame, NULL, &error));
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
  Errors errors[FRAMES / WINDOW] = { { 0 } };
  DcnnSessionOptions options;
  TestVideo video;
  DcnnFrame frame;
  gdouble macs = 0;

  g_assert_no_error (error);
  dcnn_session_options_init (&options);
  options.device = test_device ();
  options.threads = 1;
  options.tuning.settle = settle;
  options.tuning.criterion = criterion;
  if (criterion == DCNN_CRITERION_INFLUENCE)
    options.influence = influence = measured_influence (model, seed);
  sparse = dcnn_session_new (model, &options, &error);
  options.tuning.mode = DCNN_MODE_DENSE;
  dense = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  test_video_init (&video, seed, 32, 32);
  video.noise = 2;
  for (guint f = 0; f < FRAMES; f++) {
    Errors *e = &errors[f / WINDOW];
    DcnnFrameStats stats;
    gdouble d;
    if (f % 100 < 70)
      test_video_move (&video);
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    g_assert_true (dcnn_session_push_frame (sparse, 0, &frame, NULL, &error));
    g_assert_true (dcnn_session_push_frame (dense, 0, &frame, NULL, &error));
    dcnn_session_get_stats (sparse, 0, &stats);
    macs += (gdouble) stats.macs_done / stats.macs_dense;
    d = error_of (sparse, dense);
    e->sum += d;
    e->worst = MAX (e->worst, d);
  }
  test_video_clear (&video);
  for (guint w = 0; w < FRAMES / WINDOW; w += FRAMES / WINDOW - 1)
    g_test_message ("seed %d window %u: mean %.4f, worst %.4f of the outputs' "
        "rms; %.2f of the MACs", (gint) seed, w, errors[w].sum / WINDOW,
        errors[w].worst, macs / FRAMES);
  for (guint w = 0; w < FRAMES / WINDOW; w++) {
    g_assert_cmpfloat (errors[w].sum, <=, 1.3 * errors[0].sum);
    g_assert_cmpfloat (errors[w].worst, <=, 0.1);
  }
  g_assert_cmpfloat (errors[0].sum, >, 0);
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
  g_test_add_func ("/engine/drift", test_drift);
  return g_test_run ();
}
