/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gates.c - global operators: exact at gate threshold 0; with a threshold,
 * the gate's readers run whole only when the gate has moved past it, and the
 * gate is then exact.
 *
 *   gates [SEED]
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

#define SEEDS 24
#define FRAMES 30

static DcnnValueId
linear (TestNet *net, DcnnValueId v, gint from, gint to)
{
  DcnnParams p = { .gemm = { .alpha = 1, .beta = 1 } };
  gint64 weights[] = { from, to }, bias[] = { to };
  DcnnValueId in[3] = { v, test_net_constant (net, 2, weights),
    test_net_constant (net, 1, bias) };

  return test_net_node (net, DCNN_OP_GEMM, &p, 3, in, NULL);
}

/* Squeeze and excite by fully connected layers, as PyTorch's nets have it. */
static DcnnValueId
excite_linear (TestNet *net, DcnnValueId g, gint c)
{
  const gint64 flat[] = { 1, c }, map[] = { 1, c, 1, 1 };

  g = test_net_reshape (net, g, 2, flat);
  g = test_net_unary (net, DCNN_OP_RELU, linear (net, g, c, 4));
  return test_net_reshape (net, linear (net, g, 4, c), 4, map);
}

/* Convolution, squeeze and excite (mean or maximum), convolution. two: what is
 * excited is shifted by another gate. */
static DcnnGraph *
make_net (guint64 seed, gboolean two)
{
  DcnnOp op = seed % 2 ? DCNN_OP_GLOBAL_AVERAGE_POOL :
      DCNN_OP_GLOBAL_MAX_POOL;
  gint c = 5 + (gint) seed % 12;
  DcnnValueId v, g, pooled;
  TestNet net;

  test_net_begin (&net, seed, FALSE);
  v = test_net_input (&net, 3, 40 + (gint) seed % 5, 52);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, c, 3, 2, 1,
          1));
  g = pooled = test_net_node (&net, op, NULL, 1, &v, NULL);
  if (seed % 3 && seed % 4 == 1) {
    g = excite_linear (&net, g, c);
  } else if (seed % 3) {
    g = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, g, 4, 1, 1,
            1, 1));
    g = test_net_conv (&net, g, c, 1, 1, 1, 1);
  }
  if (seed % 7 || two) /* else the pooled pixel itself may be the gate */
    g = test_net_unary (&net, DCNN_OP_SIGMOID, g);
  v = test_net_binary (&net, DCNN_OP_MUL, v, g);
  if (two)
    v = test_net_binary (&net, DCNN_OP_ADD, v, test_net_conv (&net, pooled, c,
            1, 1, 1, 1));
  v = test_net_conv (&net, v, 6, 3, 1, 1, 1);
  dcnn_graph_add_output (net.graph, v);
  return net.graph;
}

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, gfloat gate)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = 2;
  options.tuning.mode = mode;
  options.tuning.threshold = options.tuning.input_threshold = 0;
  options.tuning.gate_threshold = gate;
  options.tuning.settle = FALSE;
  return test_session_new (model, &options);
}

/* The last node of one pixel that a larger map reads. */
static gint
find_gate (const DcnnPlan *plan)
{
  gint gate = -1;

  for (guint n = 0; n < plan->nodes->len; n++)
    if (plan_node (plan, n)->is_gate)
      gate = (gint) n;
  return gate;
}

static guint
read_gate (DcnnSession *session, gint gate, gfloat *values)
{
  g_autoptr (GError) error = NULL;
  gint map = plan_node (session->plan, gate)->out;

  g_assert_true (dcnn_session_probe (session, 0, map, values, NULL, &error));
  return plan_map (session->plan, map)->channels;
}

/* Moved past the threshold: relative to the rms of what is stored. */
static gdouble
moved_by (const gfloat *before, const gfloat *after, guint n)
{
  gdouble change = 0, size = 0;

  for (guint c = 0; c < n; c++) {
    change += (after[c] - before[c]) * (after[c] - before[c]);
    size += before[c] * before[c];
  }
  return sqrt (change / size);
}

static void
check (gboolean ok, guint64 seed, gint frame, const char *what)
{
  if (ok)
    return;
  g_test_message ("frame %d: %s; rerun: engine-gates %" G_GUINT64_FORMAT,
      frame, what, seed);
  g_test_fail ();
}

static guint joined_frames, kept_frames;

static void
run_frame (DcnnSession *exact, DcnnSession *gated, DcnnSession *dense,
    const DcnnTensor *frame, guint64 seed, gint f)
{
  gint gate = find_gate (exact->plan);
  gfloat before[64], after[64], now[64];
  DcnnNodeStats s0, s1;
  gdouble moved;
  guint n;

  read_gate (gated, gate, before);
  dcnn_session_get_node_stats (gated, 0, gate, &s0);
  test_push (exact, frame);
  test_push (dense, frame);
  test_push (gated, frame);
  check (test_same_outputs (exact, 0, dense), seed, f, "not exact at threshold 0");
  if (f == 0)
    return;
  n = read_gate (gated, gate, after);
  read_gate (dense, gate, now);
  dcnn_session_get_node_stats (gated, 0, gate, &s1);
  moved = moved_by (before, now, n);
  if (s1.joined > s0.joined) {
    joined_frames++;
    check (moved > 0.02 * 0.999, seed, f, "the gate moved too early");
    check (test_same_outputs (gated, 0, dense), seed, f, "moved and not exact");
  } else {
    kept_frames += moved > 0;
    check (memcmp (before, after, n * sizeof (gfloat)) == 0, seed, f,
        "the gate changed and did not join");
    check (moved <= 0.02 * 1.001, seed, f, "the gate moved and was kept");
  }
}

static void
run_seed (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (make_net (seed, FALSE),
      &error);
  g_autoptr (DcnnSession) exact = NULL, gated = NULL, dense = NULL;
  guint64 state = seed + 7;
  DcnnTensor frame;

  g_assert_no_error (error);
  exact = new_session (model, seed % 2 ? DCNN_MODE_AUTO : DCNN_MODE_SPARSE, 0);
  gated = new_session (model, DCNN_MODE_SPARSE, 0.02f);
  dense = new_session (model, DCNN_MODE_DENSE, 0);
  g_assert_cmpint (find_gate (exact->plan), >=, 0);
  for (guint n = 0; n < exact->plan->nodes->len; n++) /* a map all along */
    g_assert_cmpint (plan_node (exact->plan, (gint) n)->kind, !=, PLAN_IMPORT);
  frame = test_frame_new (model, &state, FALSE);
  for (gint f = 0; f < FRAMES && !g_test_failed (); f++) {
    run_frame (exact, gated, dense, &frame, seed, f);
    test_video_step (&state, &frame, FALSE);
  }
  dcnn_tensor_free (&frame);
}

/* A gate that no threshold would let move is taken as it is once its reader has
 * all of its map to compute anyway; and with it what was kept back. */
static void
test_taken_anyway (gconstpointer two)
{
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (make_net (seed,
            two != NULL), &error);
    g_autoptr (DcnnSession) gated = NULL, dense = NULL;
    guint64 state = seed + 7;
    DcnnTensor frame;
    if (!test_seed_runs (seed))
      continue;
    g_assert_no_error (error);
    gated = new_session (model, DCNN_MODE_SPARSE, 1e6f);
    dense = new_session (model, DCNN_MODE_DENSE, 0);
    for (gint f = 0; f < 3; f++) { /* each unlike the last */
      frame = test_frame_new (model, &state, FALSE);
      for (gint64 i = 0; i < dcnn_tensor_count (&frame); i++)
        ((gfloat *) frame.data)[i] += (gfloat) f;
      test_push (gated, &frame);
      test_push (dense, &frame);
      check (test_same_outputs (gated, 0, dense), seed, f, "all of the map was "
          "computed, with an old gate");
      dcnn_tensor_free (&frame);
    }
  }
}

static void
test_gates (void)
{
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_seed (seed);
  g_test_message ("gates moved in %u frames, were held in %u", joined_frames,
      kept_frames);
  if (!test_seed_runs (0))
    return;
  g_assert_cmpuint (joined_frames, >, 20);
  g_assert_cmpuint (kept_frames, >, 20);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/gates/threshold", test_gates);
  g_test_add_data_func ("/engine/gates/taken-anyway", NULL, test_taken_anyway);
  g_test_add_data_func ("/engine/gates/taken-anyway/two", "",
      test_taken_anyway);
  return g_test_run ();
}
