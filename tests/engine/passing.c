/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passing.c - nodes that pass every change on: the terms that the planner
 * gives for them reach exactly the pixels that "sim" finds step by step, and
 * no value is another one. The nodes pass on what DELTACNN_TEST_DEVICE names,
 * or in "sim".
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

static DcnnSession *
new_session (DcnnModel *model, const char *device, gboolean pass_on)
{
  DcnnSessionOptions options;
  DcnnSession *session;

  test_options_init (&options);
  options.device = device;
  options.tuning.threshold = options.tuning.gate_threshold = 0;
  options.tuning.input_threshold = 0;
  options.tuning.settle = FALSE;
  options.store_all = TRUE;
  session = test_session_new (model, &options);
  session->pass_on = pass_on;
  return session;
}

static void
probe (DcnnSession *session, gint map, gfloat *values, DcnnMask *mask)
{
  g_autoptr (GError) error = NULL;
  const PlanMap *m = plan_map (session->plan, map);

  if (mask)
    dcnn_mask_init (mask, m->width, m->height, g_new0 (guint64,
            dcnn_mask_words (m->width, m->height)));
  g_assert_true (dcnn_session_probe (session, 0, map, values, mask, &error));
}

/* Whether the window (its transpose) at out pixel o reads pixel i of an axis. */
static gboolean
window_reads (const PlanTerm *t, gint axis, gint o, gint i)
{
  const DcnnWindow *w = &t->window;

  for (gint k = 0; k < w->kernel[axis]; k++) {
    gint64 tap = k * w->dilation[axis] - w->pad_begin[axis];
    if (t->reach == PLAN_REACH_WINDOW ? o * w->stride[axis] + tap == i :
        i * w->stride[axis] + tap == o)
      return TRUE;
  }
  return FALSE;
}

static gboolean
reads (const DcnnPlan *plan, const PlanTerm *t, gint axis, gint o, gint i)
{
  const PlanNode *node = plan_node (plan, t->node);
  guint taps = axis ? node->taps_x : node->taps_y;
  const guint32 *index = axis ? node->index_x : node->index_y;

  if (t->all)
    return TRUE;
  if (t->reach == PLAN_REACH_SAME)
    return o == i;
  if (t->reach != PLAN_REACH_TABLE)
    return window_reads (t, axis, o, i);
  for (guint k = 0; k < taps; k++)
    if (index[(guint) o * taps + k] == (guint) i)
      return TRUE;
  return FALSE;
}

static gboolean
term_reaches (const DcnnPlan *plan, const PlanTerm *t, const DcnnMask *mask,
    gint y, gint x)
{
  const PlanMap *m = plan_map (plan, t->map);

  for (gint sy = 0; sy < (gint) m->height; sy++)
    for (gint sx = 0; sx < (gint) m->width; sx++)
      if (dcnn_mask_get (mask, (guint) sy, (guint) sx) &&
          reads (plan, t, 0, y, sy) && reads (plan, t, 1, x, sx))
        return TRUE;
  return FALSE;
}

/* Of all frames, in maps. */
static gdouble
candidates_of (DcnnSession *session, guint n)
{
  DcnnNodeStats stats;

  dcnn_session_get_node_stats (session, 0, n, &stats);
  return stats.candidates;
}

/* The terms reach what a node that passes on has passed; of one that judges,
 * as many pixels as it has looked at since it had seen `before`. */
static void
check_node (DcnnSession *session, guint n, gdouble before, guint64 seed)
{
  const DcnnPlan *plan = session->plan;
  const PlanNode *node = plan_node (plan, (gint) n);
  const PlanMap *out = plan_map (plan, node->out);
  g_autofree DcnnMask *masks = g_new0 (DcnnMask, node->terms->len);
  DcnnMask changed;
  guint wrong = 0, all = 0;

  probe (session, node->out, NULL, &changed);
  for (guint i = 0; i < node->terms->len; i++)
    probe (session, g_array_index (node->terms, PlanTerm, i).map, NULL,
        &masks[i]);
  for (guint y = 0; y < out->height; y++)
    for (guint x = 0; x < out->width; x++) {
      gboolean reached = FALSE;
      for (guint i = 0; i < node->terms->len && !reached; i++)
        reached = term_reaches (plan, &g_array_index (node->terms, PlanTerm,
                i), &masks[i], (gint) y, (gint) x);
      all += reached;
      wrong += node->passes_on ? reached != dcnn_mask_get (&changed, y, x) :
          !reached && dcnn_mask_get (&changed, y, x);
    }
  if (!node->passes_on)
    wrong += fabs (all - (candidates_of (session, n) - before) * out->width *
        out->height) > 0.01;
  if (wrong > 0)
    g_error ("seed %" G_GUINT64_FORMAT " node %s (%s): the terms of %u pixels "
        "are wrong", seed, node->name, node->ops->str, wrong);
  for (guint i = 0; i < node->terms->len; i++)
    g_free (masks[i].words);
  g_free (changed.words);
}

static void
check_values (DcnnSession *one, DcnnSession *other, gint map)
{
  const PlanMap *m = plan_map (one->plan, map);
  gsize n = (gsize) m->width * m->height * m->channels;
  g_autofree gfloat *a = g_new0 (gfloat, n), *b = g_new0 (gfloat, n);

  probe (one, map, a, NULL);
  probe (other, map, b, NULL);
  g_assert_cmpmem (a, n * sizeof *a, b, n * sizeof *b);
}

/* Nodes checked, pieces of concatenations and terms through two windows among
 * them. */
static guint n_passing, n_pieces, n_composed, n_shared;

static void
run_net (DcnnModel *model, guint64 seed)
{
  g_autoptr (DcnnSession) passing = new_session (model, test_on_cpu () ?
      "sim" : test_device (), TRUE);
  g_autoptr (DcnnSession) judging = new_session (model, "sim", FALSE);
  const DcnnPlan *plan = model->plan;
  guint64 video = seed + 500;
  DcnnTensor frame = test_frame_new (model, &video, TRUE);

  g_autofree gdouble *before = g_new0 (gdouble, plan->nodes->len);

  for (gint f = 0; f < 4; f++) {
    for (guint n = 0; n < plan->nodes->len; n++)
      before[n] = candidates_of (passing, n);
    test_push (passing, &frame);
    test_push (judging, &frame);
    for (guint n = 0; n < plan->nodes->len; n++) {
      const PlanNode *node = plan_node (plan, (gint) n);
      if (node->kind != PLAN_KERNEL)
        continue;
      check_values (passing, judging, node->out);
      if (f == 0)
        continue;
      check_node (passing, n, before[n], seed);
      if (!node->passes_on)
        continue;
      n_passing++;
      n_pieces += plan_map (plan, node->out)->parent >= 0;
      for (guint i = 0; i < node->terms->len; i++)
        n_composed += g_array_index (node->terms, PlanTerm, i).windows > 1;
      n_shared += n > 0 && plan_node (plan, (gint) n - 1)->terms &&
          plan_terms_equal (node->terms,
              plan_node (plan, (gint) n - 1)->terms);
    }
    test_video_step (&video, &frame, TRUE);
  }
  dcnn_tensor_free (&frame);
}

static void
test_nets (void)
{
  for (guint64 seed = 1; seed <= 40; seed++)
    if (test_seed_runs (seed)) {
      g_autoptr (DcnnModel) model = test_model_new (test_net_random (seed, TRUE,
          FALSE, TRUE));
      run_net (model, seed);
    }
  g_test_message ("%u nodes passed on, %u of them pieces, %u terms through two "
      "windows, %u lists shared", n_passing, n_pieces, n_composed, n_shared);
  if (!test_seed_runs (0))
    return;
  g_assert_cmpuint (n_passing, >, 100);
  g_assert_cmpuint (n_pieces, >, 10);
}

static DcnnValueId
conv (TestNet *net, DcnnValueId v, guint channels, guint kernel)
{
  return test_net_unary (net, DCNN_OP_RELU, test_net_conv (net, v, channels,
          kernel, 1, 1, 1));
}

/* A bottleneck block: its last node alone judges, and shares its candidates
 * with the 3x3 convolution. */
static void
test_block (void)
{
  g_autoptr (DcnnModel) model = NULL;
  const DcnnPlan *plan;
  TestNet net;
  DcnnValueId x, v;

  test_net_begin (&net, 5, TRUE);
  x = conv (&net, conv (&net, test_net_input (&net, 3, 24, 40), 16, 3), 16, 3);
  x = conv (&net, x, 16, 1);
  v = conv (&net, conv (&net, x, 8, 1), 8, 3);
  v = test_net_conv (&net, v, 16, 1, 1, 1, 1);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_binary (&net, DCNN_OP_ADD,
          v, x));
  v = test_net_binary (&net, DCNN_OP_ADD, conv (&net, v, 16, 3), v);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 8, 3, 1, 1, 1));
  model = test_model_new (net.graph);
  plan = model->plan;
  for (gint n = 0; n < 6; n++)
    g_assert_cmpint (plan_node (plan, n)->passes_on, ==, n != 2 && n != 5);
  g_assert_true (plan_terms_equal (plan_node (plan, 4)->terms,
          plan_node (plan, 5)->terms));
  g_assert_false (plan_terms_equal (plan_node (plan, 3)->terms,
          plan_node (plan, 4)->terms));
  g_assert_cmpuint (plan_node (plan, 5)->terms->len, ==, 1);
  /* two 3x3 windows are one of 5x5 */
  g_assert_cmpint (g_array_index (plan_node (plan, 1)->terms, PlanTerm,
          0).window.kernel[0], ==, 5);
  g_assert_cmpint (g_array_index (plan_node (plan, 1)->terms, PlanTerm,
          0).window.pad_begin[1], ==, 2);
  n_composed = 0;
  run_net (model, 0);
  g_assert_cmpuint (n_composed, >, 0);
}

/* Two branches side by side, joined: they pass on, one of them through a
 * window; who reads both judges by one term. A piece that is read once more by
 * itself judges. */
static void
test_pieces (void)
{
  g_autoptr (DcnnModel) model = NULL;
  const DcnnPlan *plan;
  TestNet net;
  DcnnValueId x, a, b, c, pair[2];

  test_net_begin (&net, 6, TRUE);
  x = conv (&net, test_net_input (&net, 3, 24, 40), 16, 3);
  x = test_net_binary (&net, DCNN_OP_ADD, conv (&net, x, 16, 3), x); /* 0, 1 */
  pair[0] = conv (&net, x, 8, 1);                                    /* 2 */
  pair[1] = conv (&net, x, 8, 3);                                    /* 3 */
  a = conv (&net, test_net_concat (&net, pair[0], pair[1]), 16, 1);           /* 4 */
  b = conv (&net, a, 8, 3);                                          /* 5 */
  c = conv (&net, b, 8, 1);                                          /* 6 */
  pair[0] = b;
  pair[1] = c;
  c = test_net_conv (&net, test_net_concat (&net, pair[0], pair[1]), 8, 1, 1, 1, 1);
  dcnn_graph_add_output (net.graph, c);                              /* 7 */
  model = test_model_new (net.graph);
  plan = model->plan;
  for (gint n = 0; n < 8; n++)
    g_assert_cmpint (plan_node (plan, n)->passes_on, ==, n == 2 || n == 3 ||
        n == 4 || n == 6);
  g_assert_cmpuint (plan_node (plan, 4)->terms->len, ==, 1);
  g_assert_true (plan_terms_equal (plan_node (plan, 3)->terms,
          plan_node (plan, 4)->terms));
  g_assert_false (plan_terms_equal (plan_node (plan, 2)->terms,
          plan_node (plan, 4)->terms));
  n_pieces = 0;
  run_net (model, 0);
  g_assert_cmpuint (n_pieces, >=, 6);
}

/* Candidates are equal where the same maps' changes reach the same pixels,
 * however that is said and in which order. */
static void
test_terms (void)
{
#define SQUARE(n) { 2, { n, n }, { 1, 1 }, { 1, 1 }, { n / 2, n / 2 }, \
    { n / 2, n / 2 } }
  static const struct { PlanTerm term; gint same; } terms[] = {
    { { .map = 0, .reach = PLAN_REACH_SAME }, 0 },
    { { .map = 0, .reach = PLAN_REACH_WINDOW, .window = SQUARE (1) }, 0 },
    { { .map = 1, .reach = PLAN_REACH_SAME }, 1 },
    { { .map = 0, .reach = PLAN_REACH_WINDOW, .window = SQUARE (3) }, 2 },
    { { .map = 0, .reach = PLAN_REACH_WINDOW, .window = SQUARE (3),
        .node = 7 }, 2 },
    { { .map = 0, .reach = PLAN_REACH_WINDOW, .window = SQUARE (5) }, 3 },
    { { .map = 0, .reach = PLAN_REACH_TABLE, .node = 4 }, 4 },
    { { .map = 0, .reach = PLAN_REACH_TABLE, .node = 4 }, 4 },
    { { .map = 0, .reach = PLAN_REACH_TABLE, .node = 5 }, 5 },
    { { .map = 1, .reach = PLAN_REACH_TABLE, .node = 4 }, 6 },
    { { .map = 0, .reach = PLAN_REACH_SAME, .all = TRUE }, 7 },
    { { .map = 0, .reach = PLAN_REACH_WINDOW, .all = TRUE,
        .window = SQUARE (3) }, 7 },
    { { .map = 0, .reach = PLAN_REACH_TABLE, .all = TRUE, .node = 4 }, 7 },
  };
#undef SQUARE

  for (guint i = 0; i < G_N_ELEMENTS (terms); i++)
    for (guint j = 0; j < G_N_ELEMENTS (terms); j++) {
      g_autoptr (GArray) a = g_array_new (FALSE, FALSE, sizeof (PlanTerm));
      g_autoptr (GArray) b = g_array_new (FALSE, FALSE, sizeof (PlanTerm));
      const gboolean same = terms[i].same == terms[j].same;
      PlanTerm other = { .map = 9, .reach = PLAN_REACH_SAME };
      g_array_append_val (a, terms[i].term);
      g_array_append_val (b, terms[j].term);
      g_test_message ("terms %u and %u", i, j);
      g_assert_true (plan_terms_equal (a, b) == same);
      g_array_append_val (a, other);
      g_assert_false (plan_terms_equal (a, b));
      g_array_prepend_val (b, other);
      g_assert_true (plan_terms_equal (a, b) == same);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/passing/nets", test_nets);
  g_test_add_func ("/engine/passing/block", test_block);
  g_test_add_func ("/engine/passing/pieces", test_pieces);
  g_test_add_func ("/engine/passing/terms", test_terms);
  return g_test_run ();
}
