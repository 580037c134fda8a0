/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * norms.c - normalisations run on maps: how each spelling is planned, that
 * nothing cancels when the mean is far from zero, and that a held gate keeps
 * its readers sparse and a moved one makes them exact. That sparse runs equal
 * dense ones is for the random nets (sparse_dense and others).
 *
 *   norms [SEED]
 */
#include <math.h>
#include <string.h>

#include "cpu.h"
#include "nets.h"

#define THRESHOLD 0.012

/* ---- plans -------------------------------------------------------------------- */

/* Convolution, the normalisation spelled so, Relu. */
static DcnnModel *
new_model (guint64 seed, gint spelling, gboolean bare)
{
  DcnnValueId v;
  TestNet net;

  test_net_begin (&net, seed, FALSE);
  v = test_net_input (&net, bare ? 8 : 3, 29, 37);
  if (!bare)
    v = test_net_conv (&net, v, 8, 3, 1, 1, 1);
  if (spelling > TEST_NORM_LAYER)
    v = test_net_layer_norm_spelled (&net, v, 1);
  else
    v = test_net_norm (&net, v, (TestNorm) spelling);
  v = test_net_unary (&net, DCNN_OP_RELU, v);
  dcnn_graph_add_output (net.graph, v);
  return test_model_new (net.graph);
}

/* Every line of the plan up to the node's name. */
static char *
plan_of (gint spelling)
{
  g_autoptr (DcnnModel) model = new_model (1, spelling, FALSE);
  GString *text = g_string_new (NULL);
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint n = 0; n < summary.n_nodes; n++) {
    DcnnNodeInfo info;
    dcnn_model_get_node (model, n, &info);
    g_string_append_printf (text, "%s%s[%s]", n ? " " : "", info.kernel,
        info.ops);
  }
  return g_string_free (text, FALSE);
}

static void
test_plans (void)
{
  static const char *const plans[] = {
    "conv[Conv] block-moments[Moments] copy[InstanceNormalization+Relu] "
        "gather[Output]",
    "conv[Conv] block-moments[Moments] copy[GroupNormalization+Relu] "
        "gather[Output]",
    "conv[Conv] block-moments[Moments] copy[InstanceNormalization+Mul+Add+"
        "Relu] gather[Output]",
    "conv[Conv] layer-norm[LayerNormalization+Relu] gather[Output]",
    "conv[Conv] layer-norm[LayerNormalization+Mul+Add+Relu] gather[Output]",
  };

  for (gint s = 0; s < (gint) G_N_ELEMENTS (plans); s++) {
    g_autofree char *plan = plan_of (s);
    g_assert_cmpstr (plan, ==, plans[s]);
  }
}

/* ---- numbers -------------------------------------------------------------------- */

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, gdouble gate)
{
  g_autoptr (GHashTable) thresholds = g_hash_table_new (g_str_hash,
      g_str_equal);
  DcnnSessionOptions options;
  DcnnModelSummary summary;

  test_options_init (&options);
  options.precision = DCNN_PRECISION_F32;
  options.threads = 2;
  options.tuning.mode = mode;
  options.tuning.threshold = options.tuning.input_threshold = 0;
  options.tuning.settle = FALSE;
  dcnn_model_get_summary (model, &summary);
  for (guint n = 0; n < summary.n_nodes; n++) {
    DcnnNodeInfo info;
    dcnn_model_get_node (model, n, &info);
    if (g_str_has_suffix (info.name, "#moments"))
      g_hash_table_insert (thresholds, (gpointer) info.name, &gate);
  }
  options.thresholds = thresholds;
  return test_session_new (model, &options);
}

static void
new_frame (const DcnnModel *model, DcnnTensor *frame)
{
  g_autoptr (GError) error = NULL;

  *frame = *dcnn_model_input (model, 0);
  frame->data = NULL;
  g_assert_true (dcnn_tensor_alloc (frame, &error));
}

static void
check_offset (gint spelling, gfloat mean, gfloat spread)
{
  g_autoptr (DcnnModel) model = new_model (2, spelling, TRUE);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO, 0);
  g_autoptr (GError) error = NULL;
  DcnnTensor frame, wanted = { 0 };
  const gfloat *have, *want;
  guint64 state = 5;

  new_frame (model, &frame);
  for (gint64 i = 0; i < dcnn_tensor_count (&frame); i++)
    ((gfloat *) frame.data)[i] = mean + spread * test_random_value (&state,
        FALSE);
  test_push (session, &frame);
  g_assert_true (dcnn_graph_run_reference (session->plan->graph, &frame,
          &wanted, &error));
  have = dcnn_session_get_output (session, 0, 0)->tensor.data;
  want = wanted.data;
  for (gint64 i = 0; i < dcnn_tensor_count (&wanted); i++)
    if (!(fabsf (have[i] - want[i]) <= 1e-5f * (1 + fabsf (want[i])))) {
      g_test_message ("spelling %d, mean %g, spread %g: element %d is %.9g, "
          "should be %.9g", spelling, mean, spread, (gint) i, have[i],
          want[i]);
      g_test_fail ();
      break;
    }
  dcnn_tensor_free (&frame);
  dcnn_tensor_free (&wanted);
}

static void
test_offset (void)
{
  for (gint s = 0; s <= TEST_NORM_GROUP_SPELLED; s++) {
    check_offset (s, 0, 1);
    check_offset (s, 1000, 1);
    check_offset (s, -30000, 0.5f);
    check_offset (s, 1e-4f, 1e-5f);
  }
  check_offset (TEST_NORM_LAYER, 0, 1);
  check_offset (TEST_NORM_LAYER, 10, 1);
}

/* ---- gates -------------------------------------------------------------------------- */

static guint held_frames, moved_frames;

static gint
find_moments (const DcnnPlan *plan)
{
  for (guint n = 0; n < plan->nodes->len; n++)
    if (plan_node (plan, n)->norm)
      return (gint) n;
  g_assert_not_reached ();
}

static void
check (gboolean ok, guint64 seed, gint frame, const char *what)
{
  if (ok)
    return;
  g_test_message ("frame %d: %s; rerun: engine-norms %" G_GUINT64_FORMAT,
      frame, what, seed);
  g_test_fail ();
}

static void
check_gate (DcnnSession *gated, DcnnSession *dense, const DcnnTensor *frame,
    guint64 seed, gint f)
{
  gint gate = find_moments (gated->plan);
  DcnnMap *map =
      &gated->streams[0].cpu->maps[plan_node (gated->plan, gate)->out];
  gsize bytes = map->channels * sizeof (gfloat);
  g_autofree gfloat *before = g_memdup2 (map->data, bytes);
  const DcnnTensor *a = &dcnn_session_get_output (gated, 0, 0)->tensor;
  const DcnnTensor *b = &dcnn_session_get_output (dense, 0, 0)->tensor;
  DcnnNodeStats s0, s1, r0, r1;

  dcnn_session_get_node_stats (gated, 0, gate, &s0);
  dcnn_session_get_node_stats (gated, 0, gate + 1, &r0);
  test_push (gated, frame);
  test_push (dense, frame);
  dcnn_session_get_node_stats (gated, 0, gate, &s1);
  dcnn_session_get_node_stats (gated, 0, gate + 1, &r1);
  if (f == 0)
    return;
  if (s1.joined > s0.joined) {
    moved_frames++;
    check (r1.candidates - r0.candidates > 0.999, seed, f,
        "the moments moved and their reader did not run whole");
    check (memcmp (a->data, b->data, 4 * (gsize) dcnn_tensor_count (a)) == 0,
        seed, f, "the moments moved and the result is not exact");
    return;
  }
  check (memcmp (before, map->data, bytes) == 0, seed, f,
      "the moments changed and did not join");
  if (s1.candidates > s0.candidates) {
    held_frames++;
    check (r1.candidates - r0.candidates < 0.999, seed, f,
        "the moments were held and their reader ran whole");
  }
}

static void
run_seed (guint64 seed)
{
  g_autoptr (DcnnModel) model = new_model (seed, (gint) (seed % 3), FALSE);
  g_autoptr (DcnnSession) gated = new_session (model, DCNN_MODE_SPARSE,
      THRESHOLD);
  g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE, 0);
  guint64 state = seed + 7;
  DcnnTensor frame;

  new_frame (model, &frame);
  for (gint64 i = 0; i < dcnn_tensor_count (&frame); i++)
    ((gfloat *) frame.data)[i] = test_random_value (&state, FALSE);
  for (gint f = 0; f < 30 && !g_test_failed (); f++) {
    check_gate (gated, dense, &frame, seed, f);
    test_video_step (&state, &frame, FALSE);
  }
  dcnn_tensor_free (&frame);
}

static void
test_gates (void)
{
  for (guint64 seed = 1; seed <= 12 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_seed (seed);
  g_test_message ("moments moved in %u frames, were held in %u", moved_frames,
      held_frames);
  if (!test_seed_runs (0))
    return;
  g_assert_cmpuint (moved_frames, >, 20);
  g_assert_cmpuint (held_frames, >, 20);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/norms/plans", test_plans);
  g_test_add_func ("/engine/norms/offset", test_offset);
  if (test_on_cpu ()) /* it looks into it */
    g_test_add_func ("/engine/norms/gates", test_gates);
  return g_test_run ();
}
