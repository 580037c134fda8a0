/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * figures.c - changed pixels, work, settling and speed as sessions and
 * deltacnn-bench report them, on a net whose work is counted by hand.
 *
 * The net: a picture of 32x24, a 3x3 convolution to 8 channels, ReLU, a 1x1
 * convolution to 2. A square of 4x4 changes: its neighbours within a pixel are
 * recomputed, 36 of 768.
 */
#include "bench.h"
#include "dcnn_graph.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define W 32
#define H 24
#define PIXELS (W * H)
#define MACS1 (9 * 3 * 8)    /* a pixel */
#define MACS2 (8 * 2)

static DcnnValueId
constant (DcnnGraph *graph, const char *name, gint rank, const gint64 *dims,
    float value)
{
  DcnnTensor t = { .dtype = DCNN_DTYPE_F32, .rank = rank };
  g_autoptr (GError) error = NULL;
  DcnnValueId id;

  for (gint i = 0; i < rank; i++)
    t.dims[i] = dims[i];
  g_assert_true (dcnn_tensor_alloc (&t, &error));
  for (gint64 i = 0; i < dcnn_tensor_count (&t); i++)
    ((float *) t.data)[i] = value;
  id = dcnn_graph_add_constant (graph, name, &t, &error);
  g_assert_no_error (error);
  return id;
}

static DcnnValueId
add (DcnnGraph *graph, const char *name, DcnnOp op, const DcnnParams *params,
    gint n, const DcnnValueId *inputs)
{
  DcnnParams none = { 0 };
  g_autoptr (GError) error = NULL;
  DcnnValueId out = -1;

  g_assert_true (dcnn_graph_add_node (graph, name, op, params ? params : &none,
          n, inputs, 1, &name, NULL, &out, &error));
  g_assert_no_error (error);
  return out;
}

static DcnnModel *
new_model (void)
{
  static const gint64 in[4] = { 1, 3, H, W }, w1[4] = { 8, 3, 3, 3 },
      w2[4] = { 2, 8, 1, 1 };
  DcnnGraph *graph = dcnn_graph_new ();
  g_autoptr (GError) error = NULL;
  DcnnParams three = { .conv = { .window = { .rank = 2,
        .kernel = { 3, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 },
        .pad_begin = { 1, 1 }, .pad_end = { 1, 1 } }, .groups = 1 } };
  DcnnParams one = { .conv = { .window = { .rank = 2, .kernel = { 1, 1 },
        .stride = { 1, 1 }, .dilation = { 1, 1 } }, .groups = 1 } };
  DcnnValueId v = dcnn_graph_add_input (graph, "image", DCNN_DTYPE_F32, 4, in,
      &error);

  g_assert_no_error (error);
  v = add (graph, "first", DCNN_OP_CONV, &three, 2,
      (DcnnValueId[]) { v, constant (graph, "w1", 4, w1, 0.05f) });
  v = add (graph, "relu", DCNN_OP_RELU, NULL, 1, &v);
  v = add (graph, "second", DCNN_OP_CONV, &one, 2,
      (DcnnValueId[]) { v, constant (graph, "w2", 4, w2, 0.25f) });
  dcnn_graph_add_output (graph, v);
  DcnnModel *model = dcnn_model_new (graph, &error);
  g_assert_no_error (error);
  return model;
}

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode)
{
  DcnnSessionOptions options;
  g_autoptr (GError) error = NULL;

  dcnn_session_options_init (&options);
  options.device = "cpu";
  options.threads = 1;
  options.store_all = TRUE;
  options.tuning.mode = mode;
  options.tuning.dilation = 0;
  DcnnSession *session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  return session;
}

/* A grey picture with a square at (8, 8). */
static void
push (DcnnSession *session, guint8 ground, guint8 square,
    DcnnFrameStats *stats)
{
  static guint8 rgb[PIXELS * 3];
  DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = W, .height = H,
    .planes = { rgb }, .strides = { W * 3 } };
  g_autoptr (GError) error = NULL;

  for (guint y = 0; y < H; y++)
    for (guint x = 0; x < W; x++)
      memset (rgb + (y * W + x) * 3, y / 4 == 2 && x / 4 == 2 ? square
          : ground, 3);
  g_assert_true (dcnn_session_push_frame (session, 0, &frame, NULL, &error));
  dcnn_session_get_stats (session, 0, stats);
}

/* The node that does so many multiplications a pixel. */
static guint
node_of (DcnnModel *model, guint64 macs)
{
  DcnnModelSummary summary;
  DcnnNodeInfo info;

  dcnn_model_get_summary (model, &summary);
  for (guint n = 0; n < summary.n_nodes; n++) {
    dcnn_model_get_node (model, n, &info);
    if (info.macs == PIXELS * macs)
      return n;
  }
  g_assert_not_reached ();
}

static void
test_work (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_SPARSE);
  DcnnModelSummary summary;
  DcnnFrameStats stats;
  DcnnNodeStats node;

  dcnn_model_get_summary (model, &summary);
  g_assert_cmpuint (summary.macs, ==, PIXELS * (MACS1 + MACS2));
  push (session, 60, 60, &stats);
  g_assert_true (stats.dense && stats.settled);
  g_assert_cmpfloat (stats.changed_share, ==, 1);
  g_assert_cmpuint (stats.macs_done, ==, summary.macs);
  g_assert_cmpuint (stats.macs_dense, ==, summary.macs);
  dcnn_session_clear_stats (session);

  push (session, 60, 200, &stats);
  g_assert_true (!stats.dense && !stats.settled);
  g_assert_cmpuint (stats.frames, ==, 2);
  g_assert_cmpfloat (stats.changed_share, ==, 16.0f / PIXELS);
  /* everything that the square reaches joins */
  g_assert_cmpuint (stats.macs_done, ==, 36 * (MACS1 + MACS2));
  for (guint n = 0; n < 2; n++) {
    dcnn_session_get_node_stats (session, 0, node_of (model, n ? MACS2
            : MACS1), &node);
    g_assert_cmpuint (node.frames, ==, 1);
    g_assert_cmpuint (node.dense_frames, ==, 0);
    g_assert_cmpfloat_with_epsilon (node.candidates, 36.0 / PIXELS, 1e-9);
    g_assert_cmpfloat_with_epsilon (node.joined, 36.0 / PIXELS, 1e-9);
    g_assert_cmpuint (node.macs_done, ==, 36 * (n ? MACS2 : MACS1));
  }
  push (session, 60, 200, &stats);
  g_assert_cmpuint (stats.macs_done, ==, 0);
  g_assert_cmpfloat (stats.changed_share, ==, 0);

  push (session, 200, 60, &stats);
  g_assert_cmpfloat (stats.changed_share, ==, 1);
  g_assert_true (!stats.dense);      /* this mode never is */
  g_assert_cmpuint (stats.macs_done, ==, summary.macs);
}

/* TRUE from the frame on at which nothing waits any more, FALSE from the next
 * change on; only ever where outputs are those of a dense run. */
static void
test_settled (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
  DcnnFrameStats stats;
  guint frames = 0;

  push (session, 60, 60, &stats);
  g_assert_true (stats.settled);
  push (session, 60, 180, &stats);
  g_assert_false (stats.settled);
  do
    push (session, 60, 180, &stats);
  while (!stats.settled && ++frames < 50);
  /* eight still frames begin it, this small a scene is done in a few */
  g_assert_cmpuint (frames, >=, 7);
  g_assert_cmpuint (frames, <, 16);
  push (session, 60, 180, &stats);
  g_assert_true (stats.settled && stats.macs_done == 0);
  push (session, 60, 90, &stats);
  g_assert_false (stats.settled);
  push (session, 200, 10, &stats); /* a cut */
  g_assert_true (stats.dense && stats.settled);
}

/* ---- the report ------------------------------------------------------------ */

static void
test_statistics (void)
{
  static const double values[5] = { 5, 1, 4, 2, 100 };
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, sizeof (double));

  g_assert_cmpfloat (bench_quantile (array, 0.5), ==, 0);
  g_assert_cmpfloat (bench_mean (array), ==, 0);
  g_array_append_vals (array, values, 4);
  /* 1 2 4 5 */
  g_assert_cmpfloat (bench_quantile (array, 0.5), ==, 3);
  g_assert_cmpfloat (bench_quantile (array, 0), ==, 1);
  g_assert_cmpfloat (bench_quantile (array, 1), ==, 5);
  g_assert_cmpfloat_with_epsilon (bench_quantile (array, 0.9), 4.7, 1e-9);
  g_assert_cmpfloat (bench_mean (array), ==, 3);
  g_array_append_vals (array, values + 4, 1);
  g_assert_cmpfloat (bench_quantile (array, 0.5), ==, 4);
}

static GArray *
times (double first, double second, double third)
{
  GArray *array = g_array_new (FALSE, FALSE, sizeof (double));
  double values[3] = { first, second, third };

  return g_array_append_vals (array, values, 3);
}

static JsonObject *
report (const BenchRun *run, JsonParser *parser)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  gint fd = g_file_open_tmp ("deltacnn-figures-XXXXXX", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  g_assert_true (bench_json (run, path, &error));
  g_assert_true (json_parser_load_from_file (parser, path, &error));
  g_remove (path);
  return json_node_get_object (json_parser_get_root (parser));
}

#define MEMBER(object, name, want)                                            \
  g_assert_cmpfloat_with_epsilon (                                            \
      json_object_get_double_member (object, name), (want), 1e-6)

static void
test_report (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  char path[] = "/somewhere/net.onnx";
  BenchOptions options = { .synthetic = 0.25 };
  BenchRun run = { .options = &options, .model_path = path, .frames = 4,
    .sparse_ms = times (4, 2, 3), .dense_ms = times (12, 30, 11),
    .peer_ms = times (9, 6, 1), .input_ms = times (0.5, 0.25, 1),
    .changed = times (0.1, 0.3, 0.2), .mac_share = times (0.1, 0.1, 0.4),
    .dense_input_ms = times (2, 5, 1),
    .threads = 3, .device = "cpu", .frame_width = W, .frame_height = H };
  DcnnFrameStats stats;
  JsonObject *root, *node;

  run.model = new_model ();
  dcnn_model_get_summary (run.model, &run.summary);
  run.sparse = new_session (run.model, DCNN_MODE_SPARSE);
  run.dense = new_session (run.model, DCNN_MODE_DENSE);
  for (guint f = 0; f < 4; f++) {
    push (run.dense, 60, f % 2 ? 200 : 60, &stats);
    push (run.sparse, 60, f % 2 ? 200 : 60, &stats);
    if (f == 0) {
      dcnn_session_clear_stats (run.sparse);
      dcnn_session_clear_stats (run.dense);
      continue;
    }
    run.macs_done += stats.macs_done;
    run.macs_dense += stats.macs_dense;
  }
  run.agreement.tensors = 1;
  run.agreement.relative_squares = 0.25;
  root = report (&run, parser);
  g_assert_cmpint (json_object_get_int_member (root, "frames"), ==, 3);
  MEMBER (root, "changed_share", 0.2);
  MEMBER (root, "mac_share", 36.0 / PIXELS);
  MEMBER (root, "sparse_ms", 3);
  MEMBER (root, "sparse_mean_ms", 3);
  MEMBER (root, "sparse_p90_ms", 3.8);
  MEMBER (root, "dense_ms", 12);
  MEMBER (root, "peer_ms", 6);
  MEMBER (root, "dense_input_ms", 2);
  MEMBER (root, "input_ms", 0.5);
  MEMBER (root, "speedup_dense", 4);
  MEMBER (json_object_get_object_member (root, "agreement"), "relative_rms",
      0.5);
  g_assert_cmpint (json_object_get_int_member (root, "macs"), ==,
      PIXELS * (MACS1 + MACS2));
  g_assert_cmpint (json_object_get_int_member (root, "threads"), ==, 3);
  node = json_array_get_object_element (json_object_get_array_member (root,
          "nodes"), node_of (run.model, MACS2));
  MEMBER (node, "candidate_share", 36.0 / PIXELS);
  MEMBER (node, "joined_share", 36.0 / PIXELS);
  MEMBER (node, "mac_share", 36.0 / PIXELS);
  MEMBER (node, "dense_frame_share", 0);
  g_assert_cmpint (json_object_get_int_member (node, "macs"), ==,
      PIXELS * MACS2);

  /* dense alone: its time is the one there is */
  g_clear_pointer (&run.sparse, dcnn_session_free);
  g_array_set_size (run.sparse_ms, 0);
  run.macs_dense = run.macs_done = 0;
  root = report (&run, parser);
  MEMBER (root, "sparse_ms", 12);
  MEMBER (root, "mac_share", 1);
  MEMBER (root, "changed_share", 1);
  run.model_path = NULL;
  bench_run_clear (&run);
}

/* What bench_run() itself sums: the first frame is left out, the rest is what
 * the synthetic clip was asked for. */
static void
test_run (void)
{
  BenchOptions options = { .model = (char *) DCNN_TEST_ZOO "/people-seg.onnx",
    .size = (char *) "128x96",
    .synthetic = 0.1, .frames = 9, .threads = 1, .quiet = TRUE,
    .score = -1 };
  g_autoptr (GError) error = NULL;
  BenchRun run;
  guint64 done = 0, dense = 0;

  if (!bench_run (&run, &options, &error))
    g_error ("%s", error->message);
  g_assert_cmpuint (run.frames, ==, 9);
  g_assert_cmpuint (run.sparse_ms->len, ==, 8);
  g_assert_cmpuint (run.dense_ms->len, ==, 8);
  g_assert_cmpuint (run.peer_ms->len, ==, 0);
  for (guint i = 0; i < 8; i++) {
    double share = g_array_index (run.mac_share, double, i);
    g_assert_cmpfloat (share, >, 0);
    g_assert_cmpfloat (share, <=, 1);
    g_assert_cmpfloat (g_array_index (run.input_ms, double, i), <=,
        g_array_index (run.sparse_ms, double, i));
    done += (guint64) round (share * (double) run.summary.macs);
    dense += run.summary.macs;
  }
  g_assert_cmpuint (run.macs_dense, ==, dense);
  g_assert_cmpuint (run.macs_done, ==, done);
  /* squares overlap and are dilated by a few pixels */
  g_assert_cmpfloat (bench_mean (run.changed), >, 0.05);
  g_assert_cmpfloat (bench_mean (run.changed), <, 0.35);
  /* every output of every frame but the first was compared */
  g_assert_cmpuint (run.agreement.tensors, ==, 8 * run.summary.n_outputs);
  g_assert_cmpfloat (bench_agreement_value (&run.agreement, BENCH_RELATIVE),
      >=, 0);
  bench_run_clear (&run);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/figures/work", test_work);
  g_test_add_func ("/figures/settled", test_settled);
  g_test_add_func ("/figures/statistics", test_statistics);
  g_test_add_func ("/figures/report", test_report);
  g_test_add_func ("/figures/run", test_run);
  return g_test_run ();
}
