/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * inputs.c - nets with several inputs, of which some are no maps; and frames
 * that hold NaN or infinity, which must not outlive them.
 *
 *   inputs [SEED]
 */
#include <math.h>
#include <string.h>

#include "deltacnn/session.h"
#include "nets.h"

#define SEEDS 20
#define FRAMES 16

static DcnnSession *
new_session (DcnnModel *model, const DcnnTuning *tuning)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = 2;
  if (tuning)
    options.tuning = *tuning;
  return test_session_new (model, &options);
}

static gboolean
same_outputs (DcnnModel *model, DcnnSession *a, DcnnSession *b)
{
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_outputs; i++) {
    const DcnnTensor *p = &dcnn_session_get_output (a, 0, i)->tensor;
    const DcnnTensor *q = &dcnn_session_get_output (b, 0, i)->tensor;
    const gfloat *x = p->data, *y = q->data;
    for (gint64 k = 0; k < dcnn_tensor_count (p); k++)
      if (x[k] != y[k] && !(isnan (x[k]) && isnan (y[k])))
        return FALSE;
  }
  return TRUE;
}

static void
alloc_like (DcnnTensor *tensor, const DcnnTensor *like, guint64 *state)
{
  g_autoptr (GError) error = NULL;

  *tensor = *like;
  g_assert_true (dcnn_tensor_alloc (tensor, &error));
  for (gint64 i = 0; i < dcnn_tensor_count (tensor); i++)
    ((gfloat *) tensor->data)[i] = test_random_value (state, FALSE);
}

static void
check (gboolean ok, guint64 seed, guint frame, const char *what)
{
  if (ok)
    return;
  g_test_message ("frame %u: %s; rerun: engine-inputs %" G_GUINT64_FORMAT,
      frame, what, seed);
  g_test_fail ();
}

/* ---- several inputs --------------------------------------------------------------- */

/* Two pictures, and a vector that a matrix product turns into a bias. */
static DcnnGraph *
make_net (guint64 seed)
{
  gint64 two[2] = { 1, 5 }, weights[2] = { 5, 8 };
  DcnnTensor shape = { DCNN_DTYPE_F32, 4, { 1, 8, 1, 1 }, NULL };
  DcnnParams gemm = { .gemm = { 1, 1, FALSE, FALSE } };
  g_autoptr (GError) error = NULL;
  DcnnValueId a, b, v, in[2];
  TestNet net;

  test_net_begin (&net, seed, FALSE);
  a = test_net_input (&net, 3, 24, 31);
  b = dcnn_graph_add_input (net.graph, "other", DCNN_DTYPE_F32, 4,
      (gint64[4]) { 1, 2, 24, 31 }, &error);
  in[0] = dcnn_graph_add_input (net.graph, "vector", DCNN_DTYPE_F32, 2, two,
      &error);
  g_assert_no_error (error);
  in[1] = test_net_constant (&net, 2, weights);
  v = test_net_node (&net, DCNN_OP_GEMM, &gemm, 2, in, NULL);
  v = test_net_node (&net, DCNN_OP_RESHAPE, NULL, 1, &v, &shape);
  a = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, a, 8, 3, 1, 1,
          1));
  a = test_net_binary (&net, seed % 2 ? DCNN_OP_ADD : DCNN_OP_MUL, a, v);
  b = test_net_unary (&net, DCNN_OP_TANH, test_net_conv (&net, b, 7, 3, 1, 2,
          1));
  v = test_net_concat (&net, a, b);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 4, 3, 2, 1, 1));
  return net.graph;
}

static void
run_several (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (make_net (seed), &error);
  DcnnTuning exact = { .mode = seed % 2 ? DCNN_MODE_SPARSE : DCNN_MODE_AUTO };
  DcnnTuning always = { .mode = DCNN_MODE_DENSE };
  g_autoptr (DcnnSession) sparse = NULL, dense = NULL;
  guint64 state = seed + 77;
  DcnnTensor frames[3];

  g_assert_no_error (error);
  sparse = new_session (model, &exact);
  dense = new_session (model, &always);
  for (guint i = 0; i < 3; i++)
    alloc_like (&frames[i], dcnn_model_input (model, i), &state);
  for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
    gboolean ok = dcnn_session_push_tensors (sparse, 0, frames, 0, NULL,
        &error) && dcnn_session_push_tensors (dense, 0, frames, 0, NULL,
        &error);
    g_assert_no_error (error);
    g_assert_true (ok);
    check (same_outputs (model, sparse, dense), seed, f, "not dense");
    if (f % 4 == 3)
      ((gfloat *) frames[2].data)[f / 4] += 0.5f;
    else
      test_video_step (&state, &frames[f % 2], FALSE);
  }
  for (guint i = 0; i < 3; i++)
    dcnn_tensor_free (&frames[i]);
}

static void
test_several (void)
{
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_several (seed);
}

/* ---- what is no number --------------------------------------------------------------- */

static void
poison (DcnnTensor *frame, gfloat value, guint64 *state)
{
  gint64 n = dcnn_tensor_count (frame);

  for (guint i = 0; i < 5; i++)
    ((gfloat *) frame->data)[test_random (state, (guint) n)] = value;
}

/* exact: outputs equal dense at all times; else: no NaN stays. */
static void
run_not_numbers (guint64 seed, gboolean exact)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (seed, FALSE,
          FALSE, TRUE), &error);
  DcnnTuning zero = { .mode = DCNN_MODE_SPARSE };
  DcnnTuning always = { .mode = DCNN_MODE_DENSE };
  g_autoptr (DcnnSession) sparse = NULL, dense = NULL;
  guint64 state = seed + 78;
  DcnnTensor clean, bad;

  g_assert_no_error (error);
  sparse = new_session (model, exact ? &zero : NULL);
  dense = new_session (model, &always);
  alloc_like (&clean, dcnn_model_input (model, 0), &state);
  alloc_like (&bad, dcnn_model_input (model, 0), &state);
  for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
    const DcnnTensor *frame = f % 4 == 2 ? &bad : &clean;
    memcpy (bad.data, clean.data, 4 * (gsize) dcnn_tensor_count (&clean));
    poison (&bad, f % 8 == 2 ? NAN : INFINITY, &state);
    g_assert_true (dcnn_session_push_tensors (sparse, 0, frame, exact ? 0 :
            0.05f, NULL, &error));
    test_push (dense, frame);
    if (exact)
      check (same_outputs (model, sparse, dense), seed, f, "not dense");
    for (guint i = 0; frame == &clean && i < 2; i++) {
      const DcnnTensor *t = &dcnn_session_get_output (sparse, 0, i)->tensor;
      for (gint64 k = 0; k < dcnn_tensor_count (t) && !g_test_failed (); k++)
        check (isfinite (((gfloat *) t->data)[k]), seed, f,
            "NaN outlived its frame");
    }
    test_video_step (&state, &clean, FALSE);
  }
  dcnn_tensor_free (&clean);
  dcnn_tensor_free (&bad);
}

static void
test_not_numbers (void)
{
  for (guint64 seed = 1; seed <= 2 * SEEDS && !g_test_failed (); seed++)
    if (test_seed_runs (seed)) {
      run_not_numbers (seed, TRUE);
      run_not_numbers (seed, FALSE);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/inputs/several", test_several);
  g_test_add_func ("/engine/inputs/not-numbers", test_not_numbers);
  return g_test_run ();
}
