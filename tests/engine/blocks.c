/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * blocks.c - nodes computed on the way to another: which they are, and that
 * outputs do not depend on it, bit for bit, whatever window, activation,
 * residual, threads and mode; also in sessions made for dense frames that then
 * run sparse.
 */
#include <string.h>

#include "cpu.h"
#include "nets.h"

#define SEEDS 40
#define FRAMES 10

typedef struct Kind {
  gint kernel, stride, dilation;
  gboolean expand, residual;
  gint wide, narrow;       /* channels of the depthwise map, of the end */
  gboolean activate;       /* the input first, for the depthwise alone */
} Kind;

static const Kind kinds[] = {
  { 3, 1, 1, TRUE, TRUE, 24, 8 },
  { 3, 2, 1, TRUE, FALSE, 20, 12 },
  { 5, 1, 1, TRUE, FALSE, 9, 5 },
  { 5, 2, 1, FALSE, FALSE, 8, 16 },
  { 3, 1, 3, TRUE, FALSE, 16, 7 },
  { 7, 1, 1, FALSE, FALSE, 8, 8 },
  { 3, 1, 1, FALSE, TRUE, 8, 8 },
  { 3, 3, 2, TRUE, FALSE, 40, 33 },
  { 3, 1, 1, FALSE, TRUE, 16, 16, TRUE },
};

static DcnnValueId
activate (TestNet *net, DcnnValueId v, guint which)
{
  static const DcnnOp ops[] = { DCNN_OP_RELU, DCNN_OP_HARD_SWISH,
    DCNN_OP_SIGMOID };

  return which < G_N_ELEMENTS (ops) ? test_net_unary (net, ops[which], v) : v;
}

/* A convolution over the picture, then two blocks of the kind. */
static DcnnGraph *
make_net (const Kind *kind, guint64 seed, gint height, gint width)
{
  TestNet net;
  DcnnValueId v;

  test_net_begin (&net, seed, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, height, width),
      kind->residual ? kind->narrow : 8, 3, 1, 1, 1);
  v = activate (&net, v, 0);
  for (guint i = 0; i < 2; i++) {
    DcnnValueId in = v;
    gint channels = kind->expand ? kind->wide :
        i == 0 && !kind->residual ? 8 : kind->narrow;
    if (kind->expand)
      v = activate (&net, test_net_conv (&net, v, channels, 1, 1, 1, 1),
          test_random (&net.state, 4));
    if (kind->activate)
      v = activate (&net, v, 1);
    v = test_net_conv (&net, v, channels, kind->kernel, kind->stride,
        kind->dilation, channels);
    v = activate (&net, v, test_random (&net.state, 4));
    v = test_net_conv (&net, v, kind->narrow, 1, 1, 1, 1);
    if (kind->residual)
      v = test_net_binary (&net, DCNN_OP_ADD, v, in);
    v = activate (&net, v, test_random (&net.state, 4));
  }
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 3, 1, 1, 1, 1));
  return net.graph;
}

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, gboolean store_all,
    guint threads)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = threads;
  options.store_all = store_all;
  options.tuning = (DcnnTuning) { .mode = mode };
  return test_session_new (model, &options);
}

static void
assert_same (DcnnSession *a, DcnnSession *b, const char *what)
{
  g_test_message ("%s", what);
  g_assert_true (test_same_outputs (a, 0, b));
}

static void
run_seed (guint64 seed)
{
  const Kind *kind = &kinds[seed % G_N_ELEMENTS (kinds)];
  guint64 state = seed + 7;
  gint h = 9 + (gint) test_random (&state, 40);
  gint w = 9 + (gint) test_random (&state, 60);
  guint threads = 1 + (guint) seed / 8 % 3;
  g_autoptr (DcnnModel) model = test_model_new (make_net (kind, seed, h, w));
  g_autofree char *plan = dcnn_model_dump_plan (model);
  g_autoptr (DcnnSession) stored = new_session (model, DCNN_MODE_DENSE, TRUE,
      1);
  g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE, FALSE,
      threads);
  g_autoptr (DcnnSession) sparse = new_session (model, seed % 2 ?
      DCNN_MODE_SPARSE : DCNN_MODE_AUTO, FALSE, threads);
  g_autoptr (DcnnSession) turned = new_session (model, DCNN_MODE_DENSE, FALSE,
      threads);
  DcnnTuning tuning = { .mode = DCNN_MODE_SPARSE };
  DcnnTensor frame;

  g_test_message ("seed %" G_GUINT64_FORMAT ", %d x %d\n%s", seed, w, h, plan);
  frame = test_frame_new (model, &state, FALSE);
  for (guint f = 0; f < FRAMES; f++) {
    if (f == 2)
      g_assert_true (dcnn_session_set_tuning (turned, &tuning, NULL));
    test_push (stored, &frame);
    test_push (dense, &frame);
    test_push (sparse, &frame);
    test_push (turned, &frame);
    assert_same (dense, stored, "dense");
    assert_same (sparse, stored, "sparse");
    assert_same (turned, stored, "sparse in a session made dense");
    test_video_step (&state, &frame, FALSE);
  }
  dcnn_tensor_free (&frame);
}

static void
test_bits (void)
{
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_seed (seed);
}

/* ---- which ------------------------------------------------------------------ */

/* Nodes of a chain conv, expand, depthwise, project, conv: which are inside. */
static void
test_which (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (make_net (&kinds[0], 1, 32,
          32), &error);
  const DcnnPlan *plan = model->plan;
  DcnnNodeInfo info;

  g_assert_no_error (error);
  /* 0 conv, 1 expand, 2 depthwise, 3 project, 4 .. 6 the same, 7 head */
  for (guint n = 0; n < plan->nodes->len; n++) {
    gboolean expand = n == 1 || n == 4, depthwise = n == 2 || n == 5;
    g_assert_cmpint (dcnn_plan_inside (plan, n, PLAN_BLOCKS_NONE), ==, FALSE);
    g_assert_cmpint (dcnn_plan_inside (plan, n, PLAN_BLOCKS_PAYING), ==,
        depthwise);
    g_assert_cmpint (dcnn_plan_inside (plan, n, PLAN_BLOCKS_ALL), ==,
        depthwise || expand);
    g_assert_cmpint (dcnn_plan_inside (plan, n, PLAN_BLOCKS_TALL), ==,
        depthwise || expand);
    dcnn_model_get_node (model, n, &info);
    g_assert_cmpint (info.inside, ==, depthwise ? (gint) n + 1 : -1);
    g_assert_cmpint (info.state_bytes == 0, ==, depthwise || n > 7);
  }
}

/* ---- memory ----------------------------------------------------------------- */

/* Nodes that are always inside of a block have neither masks nor spreads; those
 * that a session stores have both. */
static void
test_masks (void)
{
 g_autoptr (DcnnModel) model = test_model_new (make_net (&kinds[0], 1, 32, 32));
  for (guint store_all = 0; store_all < 2; store_all++) {
    g_autoptr (DcnnSession) s = new_session (model, DCNN_MODE_SPARSE,
        store_all != 0, 1);
    const CpuStream *cpu = s->streams[0].cpu;
    for (guint n = 0; n < 8; n++) {
      gboolean inside = !store_all && (n == 2 || n == 5);
      gint mask = plan_map (s->plan, plan_node (s->plan, n)->out)->mask;
      g_assert_cmpint (cpu->nodes[n].pending.mask.words == NULL, ==, inside);
      g_assert_cmpint (cpu->nodes[n].inv_spread == NULL, ==, inside);
      g_assert_cmpint (cpu->exact[mask].mask.words == NULL, ==, inside);
      g_assert_cmpint (s->streams[0].masks[mask].mask.words == NULL, ==,
          inside);
    }
  }
}

/* Scratch for lists is as long as the longest, whatever the input's size: less
 * than two bytes for each of its pixels, masks included; a list takes five. */
static void
test_lists (void)
{
  g_autoptr (DcnnModel) model = NULL;
  g_autoptr (DcnnSession) session = NULL;
  TestNet net;

  test_net_begin (&net, 1, FALSE);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, test_net_input (&net,
              3, 512, 512), 4, 3, 8, 1, 1));
  model = test_model_new (net.graph);
  session = new_session (model, DCNN_MODE_SPARSE, FALSE, 1);
  g_assert_cmpuint (dcnn_session_get_bytes (session), <,
      dcnn_stream_predict_bytes (model->plan) + 2 * 512 * 512);
}

typedef enum Spoiler {
  SPOIL_READER,            /* somebody else reads the depthwise map */
  SPOIL_OUTPUT,            /* it is an output */
  SPOIL_STEP,              /* a map is added to it */
  SPOIL_WINDOW,            /* the end is 3x3 */
  SPOIL_KIND,              /* the end is no convolution */
  N_SPOILERS
} Spoiler;

static DcnnGraph *
make_spoiled (Spoiler spoiler)
{
  TestNet net;
  DcnnParams across = { .axis.axis = 1 };
  DcnnValueId v, d, end;

  test_net_begin (&net, 3, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 32, 32), 8, 3, 1, 1, 1);
  d = test_net_conv (&net, v, 8, 3, 1, 1, 8);
  if (spoiler == SPOIL_STEP)
    d = test_net_binary (&net, DCNN_OP_ADD, d, v);
  end = spoiler == SPOIL_KIND ? test_net_node (&net, DCNN_OP_SOFTMAX, &across, 1,
      &d, NULL) : test_net_conv (&net, d, 8, spoiler == SPOIL_WINDOW ? 3 : 1, 1,
      1, 1);
  if (spoiler == SPOIL_READER)
    end = test_net_binary (&net, DCNN_OP_ADD, end, test_net_conv (&net, d, 8,
            3, 1, 1, 1));
  if (spoiler == SPOIL_OUTPUT)
    dcnn_graph_add_output (net.graph, d);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, end, 2, 3, 1, 1, 1));
  return net.graph;
}

static void
test_not (void)
{
  for (guint s = 0; s < N_SPOILERS; s++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (make_spoiled (s), &error);
    g_autofree char *plan = dcnn_model_dump_plan (model);
    g_assert_no_error (error);
    g_test_message ("%s", plan);
    for (guint n = 0; n < model->plan->nodes->len; n++)
      g_assert_false (dcnn_plan_inside (model->plan, n, PLAN_BLOCKS_ALL));
  }
}

/* What follows a convolution is folded into its weights also where the bias is an
 * input that nothing is connected to. */
static void
test_folded (void)
{
  static const gint64 channels[4] = { 1, 8, 1, 1 };
  guint nodes[2];

  for (guint without = 0; without < 2; without++) {
    g_autoptr (DcnnModel) model = NULL;
    TestNet net;
    DcnnValueId v;

    test_net_begin (&net, 3, FALSE);
    v = test_net_conv (&net, test_net_input (&net, 3, 32, 32), 8, 3, 1, 1, 1);
    if (without)
      dcnn_graph_node (net.graph, dcnn_graph_value (net.graph,
              v)->producer)->inputs[2] = -1;
    v = test_net_binary (&net, DCNN_OP_MUL, v, test_net_constant (&net, 4,
            channels));
    dcnn_graph_add_output (net.graph, v);
    model = test_model_new (net.graph);
    nodes[without] = model->plan->nodes->len;
    for (guint n = 0; n < nodes[without]; n++)
      g_assert_cmpint (plan_node (model->plan, n)->n_steps, ==, 0);
  }
  g_assert_cmpuint (nodes[0], ==, nodes[1]);
}

/* Before its activation the map is the residual: the activation is a copy, and
 * inside when dense. */
static void
test_copy (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (make_net (
          &kinds[G_N_ELEMENTS (kinds) - 1], 1, 32, 32), &error);
  const DcnnPlan *plan = model->plan;

  g_assert_no_error (error);
  g_assert_cmpint (plan_node (plan, 1)->primary, ==, DCNN_PRIMARY_COPY);
  g_assert_true (dcnn_plan_inside (plan, 1, PLAN_BLOCKS_ALL));
  g_assert_false (dcnn_plan_inside (plan, 1, PLAN_BLOCKS_PAYING));
}

/* Wide ends on coarse maps compute too much for what they save. */
static void
test_pays (void)
{
  static const Kind wide = { 3, 2, 1, FALSE, FALSE, 0, 80 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (make_net (&wide, 1, 64, 64),
      &error);
  const DcnnPlan *plan = model->plan;

  g_assert_no_error (error);
  /* 80 channels at a side of 2, then of 4 */
  g_assert_true (dcnn_plan_inside (plan, 1, PLAN_BLOCKS_PAYING));
  g_assert_false (dcnn_plan_inside (plan, 3, PLAN_BLOCKS_PAYING));
  g_assert_true (dcnn_plan_inside (plan, 3, PLAN_BLOCKS_ALL));
  g_assert_false (dcnn_plan_inside (plan, 3, PLAN_BLOCKS_TALL));
}

/* ---- memory ----------------------------------------------------------------- */

/* Dense frames of a session that is made for sparse ones have their rings where
 * they leave a map stale: when it turns sparse again, the map is as if nothing had
 * been there. */
static void
test_rings (void)
{
  for (guint threads = 1; threads <= 2; threads++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (make_net (&kinds[1], 1, 64,
            64), &error);
    g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO,
        FALSE, threads);
    g_autoptr (DcnnSession) stored = new_session (model, DCNN_MODE_DENSE, TRUE,
        1);
    const BlockSet *set = &session->cpu->sets[1];
    guint64 state = 3;
    DcnnTensor frame;

    g_assert_no_error (error);
    g_assert_cmpuint (set->ring_bytes, >, session->cpu->sets[0].ring_bytes);
    g_assert_cmpint (set->buffer, >=, 0);
    g_assert_nonnull (session->streams[0].cpu->buffers[set->buffer]);
    frame = test_frame_new (model, &state, FALSE);
    for (guint f = 0; f < 12; f++) {
      DcnnTuning tuning = { .mode = f % 6 < 3 ? DCNN_MODE_AUTO :
            DCNN_MODE_DENSE };
      g_assert_true (dcnn_session_set_tuning (session, &tuning, NULL));
      test_push (session, &frame);
      test_push (stored, &frame);
      assert_same (session, stored, "with rings in a map");
      test_video_step (&state, &frame, FALSE);
    }
    dcnn_tensor_free (&frame);
  }
}

/* ---- statistics ------------------------------------------------------------- */

/* Nodes inside have their work counted: all together it is the frame's. */
static void
test_counts (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (make_net (&kinds[1], 5, 40,
          48), &error);
  DcnnTensor frame;
  guint64 state = 3;

  g_assert_no_error (error);
  frame = test_frame_new (model, &state, FALSE);
  for (guint mode = 0; mode < 2; mode++) {
    g_autoptr (DcnnSession) session = new_session (model, mode ?
        DCNN_MODE_DENSE : DCNN_MODE_SPARSE, FALSE, 2);
    for (guint f = 0; f < 3; f++) {
      guint64 sum = 0;
      DcnnFrameStats stats;
      dcnn_session_clear_stats (session);
      test_push (session, &frame);
      dcnn_session_get_stats (session, 0, &stats);
      for (guint n = 0; n < model->plan->nodes->len; n++) {
        DcnnNodeStats node;
        dcnn_session_get_node_stats (session, 0, n, &node);
        sum += node.macs_done;
        g_assert_cmpint (node.time_ns, >=, 0);
        g_assert_cmpfloat (node.candidates, <=, 1);
      }
      g_assert_cmpuint (sum, ==, stats.macs_done);
      if (mode == 1 || f == 0)
        g_assert_cmpuint (sum, ==, stats.macs_dense);
      else
        g_assert_cmpuint (sum, <, stats.macs_dense);
      test_video_step (&state, &frame, FALSE);
    }
  }
  dcnn_tensor_free (&frame);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/blocks/which", test_which);
  g_test_add_func ("/engine/blocks/not", test_not);
  g_test_add_func ("/engine/blocks/folded", test_folded);
  g_test_add_func ("/engine/blocks/copy", test_copy);
  g_test_add_func ("/engine/blocks/masks", test_masks);
  g_test_add_func ("/engine/blocks/lists", test_lists);
  g_test_add_func ("/engine/blocks/pays", test_pays);
  g_test_add_func ("/engine/blocks/bits", test_bits);
  g_test_add_func ("/engine/blocks/rings", test_rings);
  g_test_add_func ("/engine/blocks/counts", test_counts);
  return g_test_run ();
}
