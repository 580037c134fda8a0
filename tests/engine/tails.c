/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tails.c - operators on dense tensors: their work is counted, their kernels
 * agree with the reference on every level of the instruction set, and rows
 * that nothing changed are not computed, with the same bits. The attention
 * runs on what DELTACNN_TEST_DEVICE names, or the cpu.
 *
 *   tails --time    milliseconds of an attention of 3600 pixels
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cpu.h"
#include "nets.h"
#include "video.h"

static DcnnSession *
new_session_on (const char *device, DcnnModel *model, DcnnMode mode,
    guint threads)
{
  DcnnSessionOptions options;

  test_options_on (&options, device);
  options.threads = threads;
  options.tuning = (DcnnTuning) { .mode = mode };
  return test_session_new (model, &options);
}

/* Which rows of a tail are computed anew is the cpu's own affair. */
static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, guint threads)
{
  return new_session_on ("cpu", model, mode, threads);
}

static DcnnValueId
matmul (TestNet *net, DcnnValueId a, DcnnValueId b)
{
  DcnnValueId in[2] = { a, b };

  return test_net_node (net, DCNN_OP_MATMUL, NULL, 2, in, NULL);
}

static DcnnValueId
softmax (TestNet *net, DcnnValueId v, gint axis)
{
  DcnnParams params = { 0 };

  params.axis.axis = axis;
  return test_net_node (net, DCNN_OP_SOFTMAX, &params, 1, &v, NULL);
}

/* A 1x1 convolution to c channels, flattened to [c, pixels]. */
static DcnnValueId
projection (TestNet *net, DcnnValueId v, gint c, gint pixels)
{
  return test_net_reshape (net, test_net_conv (net, v, c, 1, 1, 1, 1), 2,
      (const gint64[]) { c, pixels });
}

static DcnnValueId
turned (TestNet *net, DcnnValueId v)
{
  static const gint turn[2] = { 1, 0 };

  return test_net_transpose (net, v, 2, turn);
}

/* Attention over all pixels of x: softmax (q' k) v', [pixels, c]. */
static DcnnValueId
attention (TestNet *net, DcnnValueId x, gint c, gint pixels)
{
  DcnnValueId q = turned (net, projection (net, x, 4, pixels));
  DcnnValueId k = projection (net, x, 4, pixels);
  DcnnValueId v = turned (net, projection (net, x, c, pixels));

  return matmul (net, softmax (net, matmul (net, q, k), 1), v);
}

static DcnnGraph *
attention_net (guint64 seed, gint h, gint w)
{
  DcnnValueId v;
  TestNet net;

  test_net_begin (&net, seed, FALSE);
  v = attention (&net, test_net_input (&net, 3, h, w), 32, h * w);
  dcnn_graph_add_output (net.graph, test_net_unary (&net, DCNN_OP_SIGMOID, v));
  return net.graph;
}

/* Tokens [1, n, c] as an input that is no map. */
static DcnnGraph *
token_net (guint64 seed, gint n, gint c)
{
  g_autoptr (GError) error = NULL;
  const gint64 dims[3] = { 1, n, c }, weights[2] = { c, 24 }, row[1] = { 24 };
  DcnnValueId v;
  TestNet net;

  test_net_begin (&net, seed, FALSE);
  v = dcnn_graph_add_input (net.graph, "tokens", DCNN_DTYPE_F32, 3, dims,
      &error);
  g_assert_no_error (error);
  v = matmul (&net, v, test_net_constant (&net, 2, weights));
  v = test_net_binary (&net, DCNN_OP_ADD, v, test_net_constant (&net, 1, row));
  v = test_net_unary (&net, DCNN_OP_SIGMOID, v);
  v = softmax (&net, test_net_binary (&net, DCNN_OP_MUL, v, v), 2);
  dcnn_graph_add_output (net.graph, v);
  return net.graph;
}

static gdouble
worst_difference (const DcnnTensor *a, const DcnnTensor *b)
{
  gdouble worst = 0, most = 0;

  for (gint64 i = 0; i < dcnn_tensor_count (a); i++) {
    gdouble p = ((gfloat *) a->data)[i], q = ((gfloat *) b->data)[i];
    worst = test_further (worst, p, q);
    most = MAX (most, fabs (q));
  }
  return worst / most;
}

static const DcnnTensor *
output (DcnnSession *session)
{
  return &dcnn_session_get_output (session, 0, 0)->tensor;
}

static DcnnModel *
model_of (DcnnGraph *graph)
{
  return test_model_new (graph);
}

/* ---- counts and values --------------------------------------------------------------- */

static void
test_attention (void)
{
  static const guint64 p = 12 * 10;
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = model_of (attention_net (1, 12, 10));
  g_autoptr (DcnnGraph) again = attention_net (1, 12, 10);
  const char *device = test_device ();
  gdouble bound = !g_str_has_prefix (device, "cuda") ? 1e-5 :
      test_precision () == DCNN_PRECISION_BF16 ? 8 * 2e-2 : 2e-2;
  g_autoptr (DcnnSession) dense =
      new_session_on (device, model, DCNN_MODE_DENSE, 2);
  g_autoptr (DcnnSession) sparse =
      new_session_on (device, model, DCNN_MODE_SPARSE, 1);
  DcnnTensor want = { 0 }, frame;
  DcnnModelSummary summary;
  DcnnFrameStats stats;
  guint64 state = 3;

  dcnn_model_get_summary (model, &summary);
  g_assert_cmpuint (summary.macs, ==, p * 3 * (4 + 4 + 32) + p * p * (4 +
          32));
  frame = test_frame_new (model, &state, FALSE);
  for (guint f = 0; f < 3; f++) {
    test_push (dense, &frame);
    test_push (sparse, &frame);
    g_assert_true (dcnn_graph_run_reference (again, &frame, &want, &error));
    g_assert_cmpfloat (worst_difference (output (dense), &want), <, bound);
    g_assert_cmpmem (output (sparse)->data, p * 32 * 4, output (dense)->data,
        p * 32 * 4);
    dcnn_session_get_stats (dense, 0, &stats);
    g_assert_cmpuint (stats.macs_done, ==, summary.macs);
    dcnn_tensor_free (&want);
    test_video_step (&state, &frame, FALSE);
  }
  dcnn_tensor_free (&frame);
}

/* ---- tensors that become maps again --------------------------------------------------------- */

/* A softmax along each row of pixels (a change stays in its row), then an attention
 * over all of them: of each a convolution reads what comes out. */
static DcnnGraph *
between_net (guint64 seed, gint h, gint w)
{
  DcnnValueId u, v;
  TestNet net;

  test_net_begin (&net, seed, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, h, w), 8, 3, 1, 1, 1);
  v = test_net_conv (&net, softmax (&net, v, 3), 8, 3, 1, 1, 1);
  u = test_net_reshape (&net, turned (&net, attention (&net, v, 8, h * w)), 4,
      (const gint64[]) { 1, 8, h, w });
  v = test_net_binary (&net, DCNN_OP_ADD, v, test_net_conv (&net, u, 8, 3, 1, 1,
          1));
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 5, 3, 1, 1, 1));
  return net.graph;
}

static void
test_between (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = model_of (between_net (4, 12, 16));
  g_autoptr (DcnnGraph) again = between_net (4, 12, 16);
  const char *device = test_device ();
  gdouble bound = g_str_has_prefix (device, "cpu") ? 1e-5 : 2e-2;
  g_autoptr (DcnnSession) dense =
      new_session_on (device, model, DCNN_MODE_DENSE, 1);
  g_autoptr (DcnnSession) sparse =
      new_session_on (device, model, DCNN_MODE_SPARSE, 1);
  DcnnTensor want = { 0 }, frame;
  DcnnFrameStats stats;
  guint64 state = 3;

  frame = test_frame_new (model, &state, FALSE);
  for (guint f = 0; f < 6; f++) {
    test_push (dense, &frame);
    test_push (sparse, &frame);
    g_assert_true (dcnn_graph_run_reference (again, &frame, &want, &error));
    g_assert_cmpfloat (worst_difference (output (dense), &want), <, bound);
    g_assert_cmpmem (output (sparse)->data, 5 * 12 * 16 * 4,
        output (dense)->data, 5 * 12 * 16 * 4);
    dcnn_session_get_stats (dense, 0, &stats);
    g_assert_cmpuint (stats.macs_done, ==, stats.macs_dense);
    dcnn_tensor_free (&want);
    if (f != 3) /* once nothing changes */
      test_video_step (&state, &frame, FALSE);
  }
  dcnn_tensor_free (&frame);
}

/* Two streams of one session that see the same, together and in turn, each as if it
 * were alone. */
static void
test_between_streams (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = model_of (between_net (5, 16, 24));
  g_autoptr (DcnnSession) together = NULL;
  DcnnSession *alone[2];
  DcnnSessionOptions options;
  TestVideo videos[2];

  test_options_init (&options);
  options.tuning = (DcnnTuning) { .mode = DCNN_MODE_SPARSE };
  options.streams = 2;
  together = test_session_new (model, &options);
  for (guint s = 0; s < 2; s++) {
    alone[s] = new_session_on (test_device (), model, DCNN_MODE_SPARSE, 1);
    test_video_init (&videos[s], 1, 24, 16);
  }
  for (guint f = 0; f < 12; f++) {
    DcnnSubmission both[2];
    DcnnFrame frames[2];
    guint first = f % 4 == 1, n = f % 4 == 3 ? 1 : 2 - first;
    for (guint s = 0; s < 2; s++) {
      if (f % 5 != 4)
        test_video_move (&videos[s]);
      test_video_draw (&videos[s], DCNN_FORMAT_RGB, FALSE, &frames[s]);
      both[s] = (DcnnSubmission) { s, &frames[s], NULL, { NULL } };
    }
    g_assert_true (dcnn_session_submit (together, both + first, n, &error));
    for (guint s = first; s < first + n; s++) {
      const DcnnTensor *a, *b;
      test_push_frame (alone[s], 0, &frames[s]);
      g_assert_true (dcnn_session_wait (together, s, DCNN_WANT_ALL, &error));
      a = &dcnn_session_get_output (together, s, 0)->tensor;
      b = output (alone[s]);
      g_assert_cmpmem (a->data, (gsize) dcnn_tensor_count (a) * 4, b->data,
          (gsize) dcnn_tensor_count (b) * 4);
    }
  }
  for (guint s = 0; s < 2; s++) {
    dcnn_session_free (alone[s]);
    test_video_clear (&videos[s]);
  }
}

/* ---- rows ------------------------------------------------------------------------------ */

static void
test_rows (void)
{
  enum { N = 50, C = 16 };
  g_autoptr (DcnnModel) model = model_of (token_net (2, N, C));
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO, 2);
  gfloat values[N * C];
  DcnnTensor tokens = *dcnn_model_input (model, 0);
  guint64 state = 9;

  tokens.data = values;
  for (guint i = 0; i < N * C; i++)
    values[i] = test_random_value (&state, FALSE);
  test_push (session, &tokens);
  for (guint f = 0; f < 6; f++) { /* f rows change */
    g_autoptr (DcnnSession) fresh = new_session (model, DCNN_MODE_AUTO, 1);
    DcnnFrameStats stats;
    for (guint i = 0; i < f; i++)
      values[(7 * i + f) % N * C + i] += 0.5f;
    test_push (session, &tokens);
    test_push (fresh, &tokens);
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_cmpuint (stats.macs_done, ==, f * C * 24);
    g_assert_cmpuint (stats.macs_dense, ==, N * C * 24);
    g_assert_cmpmem (output (session)->data, N * 24 * 4, output (fresh)->data,
        N * 24 * 4);
  }
}

/* A matrix that is a weight is packed with the model, not by a session in each
 * frame: sessions have no memory for it. */
static void
test_weights (void)
{
  enum { N = 3, C = 2000 };
  g_autoptr (DcnnModel) model = model_of (token_net (3, N, C));
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO, 1);

  g_assert_cmpuint (dcnn_session_get_bytes (session), >, N * C * 4);
  g_assert_cmpuint (dcnn_session_get_bytes (session), <, C * 24 * 4);
}

/* Rows of what a map is flattened to: [1, pixels, channels]. */
static void
test_rows_of_maps (void)
{
  static const gint turn[4] = { 0, 2, 3, 1 };
  const gint64 flat[3] = { 1, 320, 8 }, weights[2] = { 8, 6 };
  g_autoptr (DcnnModel) model = NULL;
  g_autoptr (DcnnSession) session = NULL;
  DcnnFrameStats stats;
  DcnnTensor frame;
  DcnnValueId v;
  TestNet net;
  guint64 state = 4;

  test_net_begin (&net, 5, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 16, 20), 8, 1, 1, 1, 1);
  v = test_net_reshape (&net, test_net_transpose (&net, v, 4, turn), 3, flat);
  v = matmul (&net, v, test_net_constant (&net, 2, weights));
  dcnn_graph_add_output (net.graph, v);
  model = model_of (net.graph);
  session = new_session (model, DCNN_MODE_AUTO, 1);
  frame = test_frame_new (model, &state, FALSE);
  test_push (session, &frame);
  for (guint f = 0; f < 4; f++) {
    g_autoptr (DcnnSession) fresh = new_session (model, DCNN_MODE_AUTO, 1);
    for (guint i = 0; i < f; i++) /* pixels, one channel each */
      ((gfloat *) frame.data)[(31 * i + 3) % 320] += 1;
    test_push (session, &frame);
    test_push (fresh, &frame);
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_cmpuint (stats.macs_done, ==, f * (3 * 8 + 8 * 6));
    g_assert_cmpmem (output (session)->data, 320 * 6 * 4,
        output (fresh)->data, 320 * 6 * 4);
  }
  dcnn_tensor_free (&frame);
}

/* ---- kernels on every level ------------------------------------------------------------- */

static void
check_product (const DcnnCpuKernels *kernels, gsize m, gsize k, gsize n,
    guint64 seed)
{
  gsize panels = (n + DCNN_MATMUL_PANEL - 1) / DCNN_MATMUL_PANEL;
  g_autofree float *a = g_new (float, m * k), *b = g_new (float, k * n);
  g_autofree float *out = g_new (float, m * n + 16);
  g_autofree float *packed = g_new0 (float, panels * k * DCNN_MATMUL_PANEL);
  g_autofree guint32 *rows = g_new (guint32, m);
  DcnnMatmul mm = { .k = k, .n = n, .a = a, .a_row = (ptrdiff_t) k, .a_column =
        1, .packed = packed, .out = out, .out_row = n };

  for (gsize i = 0; i < m * k; i++)
    a[i] = test_random_value (&seed, FALSE);
  for (gsize i = 0; i < k * n; i++) {
    b[i] = test_random_value (&seed, FALSE);
    packed[(i % n / DCNN_MATMUL_PANEL * k + i / n) * DCNN_MATMUL_PANEL + i % n %
        DCNN_MATMUL_PANEL] = b[i];
  }
  for (gsize i = 0; i < m * n + 16; i++)
    out[i] = 12345;
  for (gsize i = 0; i < m; i++)
    rows[i] = (guint32) (m - 1 - i);
  kernels->matmul (&mm, rows, 1, m); /* all but the last row */
  for (gsize i = 0; i < m * n + 16; i++) {
    gdouble sum = 0, size = 1e-3;
    if (i >= (m - 1) * n) {
      g_assert_cmpfloat (out[i], ==, 12345);
      continue;
    }
    for (gsize p = 0; p < k; p++) {
      gdouble x = (gdouble) a[i / n * k + p] * (gdouble) b[p * n + i % n];
      sum += x;
      size += fabs (x);
    }
    g_assert_cmpfloat (fabs (sum - out[i]), <, 1e-6 * size);
  }
  for (gsize i = 1; i < m; i++) { /* alone, the same bits */
    g_autofree float *before = g_memdup2 (out, n * m * sizeof (float));
    memset (out + rows[i] * n, 0xff, n * sizeof (float));
    kernels->matmul (&mm, rows, i, i + 1);
    g_assert_cmpmem (out, n * m * sizeof (float), before, n * m *
        sizeof (float));
  }
}

/* in: n numbers, which are its scale, too. */
static void
check_layer_norm (const DcnnCpuKernels *kernels, const float *in, gsize n)
{
  g_autofree float *out = g_new (float, n + 1);
  gdouble mean = 0, var = 0;

  for (gsize i = 0; i < n; i++)
    mean += (gdouble) in[i] / (gdouble) n;
  for (gsize i = 0; i < n; i++)
    var += (in[i] - mean) * (in[i] - mean) / (gdouble) n;
  for (guint biased = 0; biased < 2; biased++) {
    out[n] = 12345;
    kernels->layer_norm_row (in, in, biased ? in : NULL, out, n, 0.01f);
    for (gsize i = 0; i < n; i++)
      g_assert_cmpfloat (fabs (out[i] - ((in[i] - mean) / sqrt (var + 0.01) +
                  biased) * in[i]), <, 1e-5 * (1 + fabs (out[i])));
    g_assert_cmpfloat (out[n], ==, 12345);
  }
}

/* Softmax over the first of two dimensions: 3 numbers a line, one of which is
 * beside the lines that are asked for. */
static void
check_lines (const DcnnCpuKernels *kernels, const float *in, gsize lines)
{
  const gsize stride = lines + 1;
  g_autofree float *x = g_new (float, 3 * stride);
  g_autofree float *out = g_new (float, 3 * stride);

  for (gsize i = 0; i < 3 * stride; i++) {
    x[i] = in[i * 7 % lines] + (float) i / 8;
    out[i] = 12345;
  }
  kernels->softmax_lines (x, out, 3, stride, lines);
  for (gsize c = 0; c < lines; c++) {
    gdouble total = 0;
    for (gsize i = 0; i < 3; i++)
      total += exp (x[i * stride + c]);
    for (gsize i = 0; i < 3; i++)
      g_assert_cmpfloat (fabs (out[i * stride + c] - exp (x[i * stride + c]) /
              total), <, 1e-6);
  }
  for (gsize i = 0; i < 3; i++)
    g_assert_cmpfloat (out[i * stride + lines], ==, 12345);
}

static void
check_rows (const DcnnCpuKernels *kernels, gsize n, guint64 seed)
{
  DcnnStep step = { .kind = DCNN_STEP_SIGMOID };
  g_autofree float *in = g_new (float, n), *out = g_new (float, n + 8);
  gdouble total = 0;

  for (gsize i = 0; i < n; i++)
    total += exp (in[i] = 4 * test_random_value (&seed, FALSE));
  out[n] = 12345;
  kernels->softmax_row (in, out, n, FALSE);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat (fabs (out[i] - exp (in[i]) / total), <, 1e-6);
  kernels->softmax_row (in, out, n, TRUE);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat (fabs (out[i] - (in[i] - log (total))), <, 1e-5);
  check_layer_norm (kernels, in, n);
  check_lines (kernels, in, n);
  kernels->step_row (&step, in, NULL, out, n);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat (fabs (out[i] - 1 / (1 + exp (-in[i]))), <, 1e-6);
  step.kind = DCNN_STEP_SUB;
  kernels->step_row (&step, in, in, out, n);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat (out[i], ==, 0);
  g_assert_cmpfloat (out[n], ==, 12345);
}

static void
test_kernels (void)
{
  for (guint level = 0; dcnn_cpu_kernels_at (level); level++) {
    const DcnnCpuKernels *kernels = dcnn_cpu_kernels_at (level);
    for (guint64 i = 1; i < 40; i++) {
      check_product (kernels, 2 + i * 7 % 30, 1 + i * 5 % 37, 1 + i * 11 % 53,
          i);
      if (i % 8 == 0) /* more panels than a row alone takes at once */
        check_product (kernels, 3, 1 + i, 120 + i * 5, i);
      check_rows (kernels, i, i);
    }
  }
}

/* ---- by hand ------------------------------------------------------------------------------ */

static void
print_times (void)
{
  g_autoptr (DcnnModel) model = model_of (attention_net (1, 60, 60));
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_DENSE, 1);
  DcnnModelSummary summary;
  guint64 state = 1;
  DcnnTensor frame = test_frame_new (model, &state, FALSE);

  dcnn_model_get_summary (model, &summary);
  for (guint f = 0; f < 4; f++)
    test_push (session, &frame);
  for (guint n = 0; n < summary.n_nodes; n++) {
    DcnnNodeInfo info;
    DcnnNodeStats stats;
    dcnn_model_get_node (model, n, &info);
    dcnn_session_get_node_stats (session, 0, n, &stats);
    printf ("%-12s %-8s %8.2f MMAC %8.2f ms\n", info.ops, info.kernel,
        (double) info.macs / 1e6, (double) stats.time_ns / 1e6 /
        (double) stats.frames);
  }
  dcnn_tensor_free (&frame);
}

int
main (int argc, char **argv)
{
  if (argc > 1 && strcmp (argv[1], "--time") == 0) {
    print_times ();
    return 0;
  }
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/tails/attention", test_attention);
  g_test_add_func ("/engine/tails/between", test_between);
  g_test_add_func ("/engine/tails/between-streams", test_between_streams);
  g_test_add_func ("/engine/tails/rows", test_rows);
  g_test_add_func ("/engine/tails/weights", test_weights);
  g_test_add_func ("/engine/tails/rows-of-maps", test_rows_of_maps);
  g_test_add_func ("/engine/tails/kernels", test_kernels);
  return g_test_run ();
}
