/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clamps.c - a Relu or Clip behind a Relu or Clip is one step of the fused
 * node, and gives what the two give, also where their bounds cross.
 */
#include <math.h>

#include "dcnn_engine.h"
#include "nets.h"

typedef struct Clamp {
  gboolean relu;
  gdouble low, high;       /* of a Clip */
} Clamp;

#define RELU { TRUE, 0, 0 }

typedef struct Chain {
  Clamp clamps[3];
  guint n;
  gfloat low, high;        /* what they come to */
} Chain;

static const Chain chains[] = {
  { { RELU, RELU }, 2, 0, INFINITY },
  { { RELU, { FALSE, -1, 0.5 } }, 2, 0, 0.5f },
  { { { FALSE, -1, 6 }, RELU }, 2, 0, 6 },
  { { { FALSE, -0.5, 0.25 }, RELU }, 2, 0, 0.25f },
  { { { FALSE, -3, -1 }, RELU }, 2, 0, 0 },
  { { RELU, { FALSE, -3, -1 } }, 2, -1, -1 },
  { { RELU, { FALSE, 0.25, 0.5 } }, 2, 0.25f, 0.5f },
  { { { FALSE, -0.5, 0.5 }, { FALSE, -0.25, 0.75 } }, 2, -0.25f, 0.5f },
  { { { FALSE, 1, 2 }, { FALSE, 3, 4 } }, 2, 3, 3 },
  { { { FALSE, 3, 4 }, { FALSE, 1, 2 } }, 2, 2, 2 },
  { { { FALSE, -0.75, 0.5 }, RELU, { FALSE, -INFINITY, 0.25 } }, 3, 0,
    0.25f },
};

static DcnnGraph *
make_net (const Chain *chain)
{
  DcnnValueId v;
  TestNet net;

  test_net_begin (&net, 6, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 12, 16), 7, 3, 1, 1, 1);
  for (guint i = 0; i < chain->n; i++) {
    const Clamp *c = &chain->clamps[i];
    DcnnParams p = { .act = { .lo = c->low, .hi = c->high } };
    v = test_net_node (&net, c->relu ? DCNN_OP_RELU : DCNN_OP_CLIP, &p, 1, &v,
        NULL);
  }
  dcnn_graph_add_output (net.graph, v);
  return net.graph;
}

/* Dense and sparse against the reference operators, one after the other. */
static void
check_values (DcnnModel *model, const DcnnGraph *oracle)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnSession) session = NULL;
  DcnnTensor frame, reference = { 0 };
  DcnnSessionOptions options;
  guint64 video = 2;

  test_options_init (&options);
  options.precision = DCNN_PRECISION_F32;
  options.threads = 1;
  options.tuning = (DcnnTuning) { .mode = DCNN_MODE_SPARSE };
  session = test_session_new (model, &options);
  frame = test_frame_new (model, &video, FALSE);
  for (guint f = 0; f < 4; f++) {
    const gfloat *have, *want;
    test_push (session, &frame);
    g_assert_true (dcnn_graph_run_reference (oracle, &frame, &reference,
            &error));
    have = dcnn_session_get_output (session, 0, 0)->tensor.data;
    want = reference.data;
    for (gint64 i = 0; i < dcnn_tensor_count (&reference); i++)
      g_assert_cmpfloat_with_epsilon (have[i], want[i], 2e-6f);
    dcnn_tensor_free (&reference);
    test_video_step (&video, &frame, FALSE);
  }
  dcnn_tensor_free (&frame);
}

static void
test_clamps (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (chains); i++) {
    const Chain *chain = &chains[i];
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnGraph) oracle = make_net (chain);
    g_autoptr (DcnnModel) model = dcnn_model_new (make_net (chain), &error);
    g_autofree char *plan = NULL;
    const PlanNode *node;

    g_assert_no_error (error);
    plan = dcnn_model_dump_plan (model);
    g_test_message ("chain %u: %s", i, plan);
    node = plan_node (model->plan, 0);
    g_assert_cmpint (node->kind, ==, PLAN_KERNEL);
    g_assert_cmpint (node->n_steps, ==, 1);
    g_assert_cmpint (node->steps[0].kind, ==, DCNN_STEP_CLIP);
    g_assert_cmpfloat (node->steps[0].a, ==, chain->low);
    g_assert_cmpfloat (node->steps[0].b, ==, chain->high);
    check_values (model, oracle);
  }
}

/* A chain that is full takes in what joins its last step, and nothing else. */
static void
test_full_chain (void)
{
  for (guint joins = 0; joins < 2; joins++) {
    g_autoptr (DcnnModel) model = NULL;
    DcnnParams p = { .act = { .lo = -0.5, .hi = 0.5 } };
    DcnnValueId v;
    TestNet net;

    test_net_begin (&net, 6, FALSE);
    v = test_net_conv (&net, test_net_input (&net, 3, 12, 16), 7, 3, 1, 1, 1);
    for (guint i = 0; i < DCNN_MAX_STEPS - 1; i++)
      v = test_net_node (&net, DCNN_OP_TANH, &p, 1, &v, NULL);
    v = test_net_node (&net, DCNN_OP_CLIP, &p, 1, &v, NULL);
    v = test_net_node (&net, joins ? DCNN_OP_ROUND : DCNN_OP_TANH, &p, 1, &v,
        NULL);
    dcnn_graph_add_output (net.graph, v);
    model = test_model_new (net.graph);
    const PlanNode *node = plan_node (model->plan, 0);
    g_assert_cmpint (node->n_steps, ==, DCNN_MAX_STEPS);
    g_assert_cmpint (node->steps[DCNN_MAX_STEPS - 1].kind, ==,
        joins ? DCNN_STEP_ROUND : DCNN_STEP_CLIP);
    g_assert_cmpuint (plan_node (model->plan, 1)->kind == PLAN_KERNEL, ==,
        !joins);
  }
}

/* What a quantised node ends in: rounded and clamped, less its zero point. A map
 * of bytes for a convolution of bytes when that is whole, and not when it is
 * none. */
static void
test_zero_point (void)
{
  for (guint whole = 0; whole < 2; whole++) {
    g_autoptr (DcnnModel) model = NULL;
    g_autofree char *plan = NULL;
    DcnnParams p = { .act = { .lo = 0, .hi = 20 } };
    DcnnValueId v, zero;
    TestNet net;

    test_net_begin (&net, 6, TRUE);
    v = test_net_conv (&net, test_net_input (&net, 3, 12, 16), 8, 3, 1, 1, 1);
    v = test_net_node (&net, DCNN_OP_CLIP, &p, 1, &v, NULL);
    v = test_net_node (&net, DCNN_OP_ROUND, &p, 1, &v, NULL);
    zero = test_net_constant (&net, 0, NULL);
    *(gfloat *) dcnn_graph_value (net.graph, zero)->tensor.data =
        whole ? 3 : 3.5f;
    v = test_net_binary (&net, DCNN_OP_SUB, v, zero);
    v = test_net_conv (&net, v, 8, 3, 1, 1, 1);
    dcnn_graph_node (net.graph, dcnn_graph_value (net.graph,
            v)->producer)->params.conv.whole_numbers = TRUE;
    dcnn_graph_add_output (net.graph, v);
    model = test_model_new (net.graph);
    plan = dcnn_model_dump_plan (model);
    g_test_message ("%s", plan);
    g_assert_cmpint (strstr (plan, " bytes from -3") != NULL, ==, whole);
    g_assert_cmpint (strstr (plan, " bytes from") != NULL, ==, whole);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/clamps", test_clamps);
  g_test_add_func ("/engine/clamps/full", test_full_chain);
  g_test_add_func ("/engine/clamps/zero-point", test_zero_point);
  return g_test_run ();
}
