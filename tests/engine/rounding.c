/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * rounding.c - a backend's bits do not depend on how it came to compute a
 * pixel, or it declares by how much they do, and "any difference" is more than
 * that. "sim" is made to be off by something else each time it computes a pixel
 * (DELTACNN_SIM_ROUNDING): what it declares keeps that from spreading through
 * the net, hides no change, and lets a still scene settle; without it every
 * candidate counts as changed.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

#define HEIGHT 24
#define WIDTH 32

/* Three convolutions; the first reads nothing of the last input channel. */
static DcnnModel *
new_model (void)
{
  const DcnnNode *node;
  TestNet net;
  DcnnValueId v;
  gfloat *weights;

  test_net_begin (&net, 3, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, HEIGHT, WIDTH), 6, 3, 1, 1,
      1);
  node = dcnn_graph_node (net.graph,
      dcnn_graph_value (net.graph, v)->producer);
  weights = dcnn_graph_value (net.graph, node->inputs[1])->tensor.data;
  for (guint o = 0; o < 6; o++)
    memset (weights + (o * 3 + 2) * 9, 0, 9 * sizeof *weights);
  v = test_net_unary (&net, DCNN_OP_RELU, v);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 6, 3, 1, 1,
          1));
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 4, 3, 1, 1, 1));
  return test_model_new (net.graph);
}

/* rounding: "" for bits that are always the same. */
static DcnnSession *
new_session (DcnnModel *model, const char *rounding)
{
  DcnnSessionOptions options;
  DcnnSession *session;

  g_setenv ("DELTACNN_SIM_ROUNDING", rounding, TRUE);
  test_options_init (&options);
  options.device = "sim";
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.threshold = options.tuning.gate_threshold = 0;
  options.tuning.input_threshold = 0;
  options.store_all = TRUE;
  session = test_session_new (model, &options);
  g_unsetenv ("DELTACNN_SIM_ROUNDING");
  return session;
}

/* Of nodes whose candidates were looked at: the share of all pixels that were
 * candidates, and that joined, so far. */
static void
count (DcnnSession *session, gdouble *candidates, gdouble *joined)
{
  *candidates = *joined = 0;
  for (guint n = 0; n < session->plan->nodes->len; n++) {
    DcnnNodeStats stats;
    dcnn_session_get_node_stats (session, 0, n, &stats);
    if (plan_node (session->plan, (gint) n)->kind != PLAN_KERNEL)
      continue;
    *candidates += stats.candidates;
    *joined += stats.joined;
  }
}

/* What one frame adds to both. */
static void
push_counted (DcnnSession *session, const DcnnTensor *frame,
    gdouble *candidates, gdouble *joined)
{
  gdouble before[2];

  count (session, &before[0], &before[1]);
  test_push (session, frame);
  count (session, candidates, joined);
  *candidates -= before[0];
  *joined -= before[1];
}

/* Other numbers in a channel of the frame, in rows y0 .. y1 - 1. */
static void
draw (DcnnTensor *frame, guint channel, guint y0, guint y1, guint64 *state)
{
  gfloat *plane = (gfloat *) frame->data + channel * HEIGHT * WIDTH;

  for (guint i = y0 * WIDTH; i < y1 * WIDTH; i++)
    plane[i] = test_random_value (state, FALSE);
}

/* Every pixel of the first node is a candidate, none of them changes. */
static void
test_spreads (void)
{
  static const struct {
    const char *rounding;
    gboolean all; /* everything joins; else nothing */
  } cases[] = {
    { "", FALSE },
    { "0.001:0", TRUE },
    { "0.001:0.0001", TRUE }, /* declared too low */
    { "0.001:0.001", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DcnnModel) model = new_model ();
    g_autoptr (DcnnSession) session = new_session (model, cases[i].rounding);
    guint64 state = 1;
    DcnnTensor frame = test_frame_new (model, &state, FALSE);
    gdouble candidates, joined;
    test_push (session, &frame);
    for (guint f = 0; f < 3; f++) {
      draw (&frame, 2, 0, HEIGHT, &state);
      push_counted (session, &frame, &candidates, &joined);
      g_test_message ("'%s': %g of the maps looked at, %g changed",
          cases[i].rounding, candidates, joined);
      g_assert_cmpfloat (candidates, >=, 1);
      if (cases[i].all)
        g_assert_cmpfloat (joined, >, 1.5);
      else
        g_assert_cmpfloat (joined, ==, 0);
    }
    dcnn_tensor_free (&frame);
  }
}

/* Changes get through, and the outputs stay within what each of the three
 * layers may be off; a scene that stops settles. */
static void
test_changes (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) rough = new_session (model, "0.001:0.001");
  g_autoptr (DcnnSession) exact = new_session (model, "");
  const DcnnTensor *a, *b;
  guint64 state = 5;
  DcnnTensor frame = test_frame_new (model, &state, FALSE);
  gdouble candidates, joined, squares = 0, worst = 0;
  DcnnFrameStats stats;
  gint64 n;

  test_push (rough, &frame);
  test_push (exact, &frame);
  for (guint f = 0; f < 6; f++) {
    draw (&frame, f % 2, 4 * f, 4 * f + 4, &state);
    push_counted (rough, &frame, &candidates, &joined);
    test_push (exact, &frame);
    g_assert_cmpfloat (joined, >, 3 * 4.0 / HEIGHT);
  }
  a = &dcnn_session_get_output (rough, 0, 0)->tensor;
  b = &dcnn_session_get_output (exact, 0, 0)->tensor;
  n = dcnn_tensor_count (a);
  for (gint64 i = 0; i < n; i++) {
    gdouble v = ((gfloat *) b->data)[i];
    squares += v * v / (gdouble) n;
    worst = test_further (worst, ((gfloat *) a->data)[i], v);
  }
  g_assert_cmpfloat (worst, >, 0);
  g_assert_cmpfloat (worst, <, 0.02 * sqrt (squares));
  for (guint f = 0; f < 100; f++) {
    test_push (rough, &frame);
    dcnn_session_get_stats (rough, 0, &stats);
    if (stats.settled)
      break;
  }
  g_assert_true (stats.settled);
  push_counted (rough, &frame, &candidates, &joined);
  g_assert_cmpfloat (candidates, ==, 0);
  dcnn_tensor_free (&frame);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/rounding/spreads", test_spreads);
  g_test_add_func ("/engine/rounding/changes", test_changes);
  return g_test_run ();
}
