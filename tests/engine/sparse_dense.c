/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sparse_dense.c - at threshold 0 the outputs after any number of frames
 * equal a dense run on the last frame (invariant 4): exactly on integers,
 * bit for bit against the engine's own dense run, to rounding against the
 * reference operators.
 */
#include <math.h>
#include <string.h>

#include "deltacnn/session.h"
#include "nets.h"

static void
exact_options (DcnnSessionOptions *options, DcnnMode mode)
{
  test_options_init (options);
  options->tuning.mode = mode;
  options->tuning.threshold = options->tuning.gate_threshold = 0;
  options->tuning.input_threshold = 0;
  options->tuning.settle = FALSE;
  options->threads = 2;
}

static gdouble
largest_difference (const DcnnTensor *a, const DcnnTensor *c)
{
  gint64 n = dcnn_tensor_count (a);
  const gfloat *p = a->data, *q = c->data;
  gdouble worst = 0, scale = 1e-6;

  g_assert_cmpint (n, ==, dcnn_tensor_count (c));
  for (gint64 i = 0; i < n; i++) {
    worst = test_further (worst, p[i], q[i]);
    scale = MAX (scale, fabs (q[i]));
  }
  return worst / scale;
}

static void
check_frame (DcnnSession *sparse, DcnnSession *dense, const DcnnGraph *graph,
    const DcnnTensor *frame, gboolean integer, guint64 seed, gint number)
{
  g_autoptr (GError) error = NULL;
  DcnnTensor reference[2] = { 0 };

  test_push (sparse, frame);
  test_push (dense, frame);
  g_assert_true (dcnn_graph_run_reference (graph, frame, reference, &error));
  for (guint i = 0; i < 2; i++) {
    const DcnnTensor *s = &dcnn_session_get_output (sparse, 0, i)->tensor;
    const DcnnTensor *d = &dcnn_session_get_output (dense, 0, i)->tensor;
    gdouble against_dense = largest_difference (s, d);
    gdouble against_reference = largest_difference (s, &reference[i]);
    if (against_dense != 0 || !(against_reference <= (integer ? 0 : 2e-5))) {
      g_test_message ("seed %" G_GUINT64_FORMAT " frame %d output %u: %g to "
          "dense, %g to the reference; rerun: engine-sparse_dense %"
          G_GUINT64_FORMAT, seed, number, i, against_dense,
          against_reference, seed);
      g_test_fail ();
    }
    dcnn_tensor_free (&reference[i]);
  }
}

static void
run_net (guint64 seed, gboolean integer, DcnnMode mode)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) oracle = test_net_random (seed, integer, FALSE, TRUE);
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (seed,
          integer, FALSE, TRUE), &error);
  g_autoptr (DcnnSession) sparse = NULL, dense = NULL;
  DcnnSessionOptions options;
  DcnnTensor frame;
  guint64 video = seed + 1000;

  g_assert_no_error (error);
  exact_options (&options, mode);
  sparse = dcnn_session_new (model, &options, &error);
  exact_options (&options, DCNN_MODE_DENSE);
  dense = test_session_new (model, &options);
  frame = test_frame_new (model, &video, integer);
  for (gint f = 0; f < 12 && !g_test_failed (); f++) {
    check_frame (sparse, dense, oracle, &frame, integer, seed, f);
    test_video_step (&video, &frame, integer);
  }
  if (g_test_failed ()) {
    g_autofree char *plan = dcnn_model_dump_plan (model);
    g_test_message ("%s", plan);
  }
  dcnn_tensor_free (&frame);
}

static void
test_real (void)
{
  for (guint64 seed = 1; seed <= 60 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_net (seed, FALSE, seed % 2 ? DCNN_MODE_SPARSE : DCNN_MODE_AUTO);
}

static void
test_integer (void)
{
  for (guint64 seed = 1; seed <= 60 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_net (seed, TRUE, seed % 2 ? DCNN_MODE_SPARSE : DCNN_MODE_AUTO);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/sparse-dense/integer", test_integer);
  g_test_add_func ("/engine/sparse-dense/real", test_real);
  return g_test_run ();
}
