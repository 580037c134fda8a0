/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * limits.c - operators just at their limits: the largest k, a pad of nothing,
 * kernels of which some taps are zero, a batch of no frames.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

/* Whether an operator takes an input of these sizes. */
static gboolean
takes (DcnnOp op, const DcnnParams *params, guint n_outputs,
    const gint64 dims[4])
{
  static const char *const names[2] = { "first", "second" };
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) graph = dcnn_graph_new ();
  DcnnValueId in = dcnn_graph_add_input (graph, "in", DCNN_DTYPE_F32, 4, dims,
      &error), out[2];
  gboolean good;

  g_assert_no_error (error);
  good = dcnn_graph_add_node (graph, "node", op, params, 1, &in,
      (int) n_outputs, names, NULL, out, &error);
  g_assert_true (good == (error == NULL));
  return good;
}

static void
test_top_k (void)
{
  static const gint64 dims[4] = { 1, 3, 4, 5 };

  for (gint64 k = 0; k < 7; k++) {
    DcnnParams p = { .top_k = { .axis = 3, .k = k, .largest = TRUE } };
    g_assert_true (takes (DCNN_OP_TOP_K, &p, 2, dims) == (k <= 5));
  }
}

/* Of nothing there is no edge to repeat; zeros can be put around it. */
static void
test_pad_of_nothing (void)
{
  for (guint edge = 0; edge < 2; edge++)
    for (gint64 n = 0; n < 2; n++) {
      const gint64 dims[4] = { 1, 3, n, 5 };
      DcnnParams p = { .pad = { .mode = edge ? DCNN_PAD_EDGE :
            DCNN_PAD_CONSTANT, .begin = { 0, 0, 1, 0 } } };
      g_assert_true (takes (DCNN_OP_PAD, &p, 1, dims) == (n > 0 || !edge));
    }
}

/* ---- taps ------------------------------------------------------------------- */

/* A convolution whose taps are zero but for the columns, or rows, that a text
 * marks with x. */
static DcnnGraph *
net_of_taps (const char *text, gboolean rows)
{
  gint64 k = (gint64) strlen (text), dims[4] = { 8, 3, 1, 1 };
  DcnnParams p = { .conv = { .window = { 2, { 1, 1 }, { 1, 1 }, { 1, 1 },
          { 0, 0 }, { 0, 0 } }, .groups = 1 } };
  DcnnValueId inputs[2], out;
  gfloat *weights;
  TestNet net;

  dims[rows ? 2 : 3] = k;
  p.conv.window.kernel[rows ? 0 : 1] = k;
  test_net_begin (&net, 5, FALSE);
  inputs[0] = test_net_input (&net, 3, 16, 16);
  inputs[1] = test_net_constant (&net, 4, dims);
  weights = dcnn_graph_value (net.graph, inputs[1])->tensor.data;
  for (gint64 i = 0; i < 8 * 3 * k; i++)
    if (text[i % k] != 'x')
      weights[i] = 0;
  out = test_net_node (&net, DCNN_OP_CONV, &p, 2, inputs, NULL);
  dcnn_graph_add_output (net.graph, out);
  return net.graph;
}

/* Only every so many columns count: so many taps are left, and the values are
 * those of all. */
static void
test_taps (void)
{
  static const struct {
    const char *text;
    guint left;
  } cases[] = {
    { "xxx", 3 }, { "x-x", 2 }, { "xx-", 3 }, { "-xx", 3 }, { "x--", 2 },
    { "x-x-x", 3 }, { "x---x", 2 }, { "xx--x", 5 }, { "xx---", 5 },
    { "--x-x", 3 }, { "x--x---", 3 }, { "x--xx--", 7 },
  };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (cases); i++) {
    const char *text = cases[i / 2].text;
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnGraph) oracle = net_of_taps (text, i % 2);
    g_autoptr (DcnnModel) model = dcnn_model_new (net_of_taps (text, i % 2),
        &error);
    g_autoptr (DcnnSession) session = NULL;
    DcnnTensor frame, reference = { 0 };
    DcnnSessionOptions options;
    const gfloat *have, *want;
    guint64 state = 3;

    g_assert_no_error (error);
    g_test_message ("taps %s", text);
    g_assert_cmpuint (plan_node (model->plan, 0)->macs_per_pixel, ==,
        8 * 3 * cases[i / 2].left);
    test_options_init (&options);
    options.threads = 1;
    session = test_session_new (model, &options);
    frame = test_frame_new (model, &state, FALSE);
    test_push (session, &frame);
    g_assert_true (dcnn_graph_run_reference (oracle, &frame, &reference,
            &error));
    have = dcnn_session_get_output (session, 0, 0)->tensor.data;
    want = reference.data;
    for (gint64 n = 0; n < dcnn_tensor_count (&reference); n++)
      g_assert_cmpfloat_with_epsilon (have[n], want[n], 1e-5f);
    dcnn_tensor_free (&reference);
    dcnn_tensor_free (&frame);
  }
}

/* ---- batches ---------------------------------------------------------------- */

/* None, one and two frames at a time: each stream has run those that it got. */
static void
test_batches (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (net_of_taps ("xxx", FALSE),
      &error);
  g_autoptr (DcnnSession) session = NULL;
  static guint8 rgb[2][16 * 16 * 3];
  DcnnSubmission batch[2];
  DcnnFrame frames[2];
  DcnnSessionOptions options;

  g_assert_no_error (error);
  test_options_init (&options);
  options.streams = 2;
  options.threads = 1;
  session = test_session_new (model, &options);
  for (guint i = 0; i < 2; i++) {
    memset (rgb[i], 100 + 50 * (gint) i, sizeof rgb[i]);
    frames[i] = (DcnnFrame) { .format = DCNN_FORMAT_RGB, .width = 16,
      .height = 16, .planes = { rgb[i] }, .strides = { 48 } };
    batch[i] = (DcnnSubmission) { .stream = i, .frame = &frames[i] };
  }
  for (guint n = 0; n <= 2; n++) {
    g_assert_true (dcnn_session_submit (session, batch, n, &error));
    for (guint i = 0; i < 2; i++) {
      DcnnFrameStats stats;
      if (i < n)
        g_assert_true (dcnn_session_wait (session, i, DCNN_WANT_ALL, &error));
      dcnn_session_get_stats (session, i, &stats);
      g_assert_cmpuint (stats.frames, ==, n - MIN (i, n));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/limits/top-k", test_top_k);
  g_test_add_func ("/engine/limits/pad-of-nothing", test_pad_of_nothing);
  g_test_add_func ("/engine/limits/taps", test_taps);
  g_test_add_func ("/engine/limits/batches", test_batches);
  return g_test_run ();
}
