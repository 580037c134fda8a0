/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pieces.c - concatenations of more maps than a launch of a GPU has room for, read
 * by all that reads maps (the same pixel, windows with and without stride, a gate, an
 * output), and one that grows by a piece at a time, as dense blocks do: every map
 * and mask against the backend "sim", on whole numbers. The device is what
 * DELTACNN_TEST_DEVICE names, or the cpu.
 *
 *   pieces [PIECES]
 */
#include "dcnn_engine.h"
#include "maps.h"
#include "nets.h"

#define FRAMES 16
#define STILL_FROM 9
#define GROWS 3 /* pieces that a dense block adds */

static DcnnValueId
concat (TestNet *net, const GArray *pieces)
{
  DcnnParams axis = { .axis = { .axis = 1 } };

  return test_net_node (net, DCNN_OP_CONCAT, &axis, (gint) pieces->len,
      (const DcnnValueId *) (gpointer) pieces->data, NULL);
}

/* Pieces of a few kinds, from one map. */
static void
add_pieces (TestNet *net, DcnnValueId from, guint n, GArray *pieces)
{
  for (guint i = 0; i < n; i++) {
    DcnnValueId v = test_net_conv (net, from, 1, i % 5 ? 1 : 3, 1, 1, 1);
    g_array_append_val (pieces, v);
  }
}

/* whole: the concatenation is read as a whole, too. */
static DcnnModel *
new_model (guint n, gboolean whole)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) pieces = g_array_new (FALSE, FALSE,
      sizeof (DcnnValueId));
  DcnnValueId v, joined;
  DcnnModel *model;
  TestNet net;

  test_net_begin (&net, n, TRUE);
  v = test_net_input (&net, 2, 24, 32);
  add_pieces (&net, v, n, pieces);
  joined = concat (&net, pieces);
  if (whole) {
    dcnn_graph_add_output (net.graph, joined);
    v = test_net_node (&net, DCNN_OP_GLOBAL_AVERAGE_POOL, NULL, 1, &joined,
        NULL);
    dcnn_graph_add_output (net.graph, test_net_binary (&net, DCNN_OP_MUL,
            joined, test_net_unary (&net, DCNN_OP_RELU, v)));
  }
  dcnn_graph_add_output (net.graph, test_net_conv (&net, joined, 2, 3, 2, 1,
          1));
  for (guint i = 0; i < GROWS; i++) { /* 1x1, then 3x3 */
    v = test_net_unary (&net, DCNN_OP_RELU, concat (&net, pieces));
    v = test_net_conv (&net, test_net_conv (&net, v, 3, 1, 1, 1, 1), 1, 3, 1,
        1, 1);
    g_array_append_val (pieces, v);
  }
  dcnn_graph_add_output (net.graph, concat (&net, pieces));
  model = dcnn_model_new (net.graph, &error);
  g_assert_no_error (error);
  return model;
}

static DcnnSession *
new_session (DcnnModel *model, const char *device, gboolean settle)
{
  g_autoptr (GError) error = NULL;
  DcnnSessionOptions options;
  DcnnSession *session;

  test_options_on (&options, device);
  options.precision = DCNN_PRECISION_F32; /* sums are long */
  options.streams = g_str_equal (device, "sim") ? 1 : 2;
  options.threads = 1;
  options.store_all = TRUE;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.criterion = DCNN_CRITERION_RMS;
  options.tuning.threshold = 1.3f;
  options.tuning.gate_threshold = 0.1f;
  options.tuning.settle = settle;
  options.tuning.settle_budget = 1;
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  return session;
}

static void
run (guint n, gboolean whole, gboolean settle)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model (n, whole);
  g_autoptr (DcnnSession) device = new_session (model, test_device (),
      settle);
  g_autoptr (DcnnSession) sim = new_session (model, "sim", settle);
  guint64 video = n + 40;
  DcnnTensor frame = test_frame_new (model, &video, TRUE);
  guint changed = 0;

  sim->pass_on = device->pass_on;
  for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
    DcnnFrameStats stats;
    g_assert_true (dcnn_session_push_tensors (device, 0, &frame, 0, NULL,
            &error));
    g_assert_true (dcnn_session_push_tensors (sim, 0, &frame, 0, NULL,
            &error));
    test_compare_maps (device, sim, 0, TRUE, FALSE, n, (gint) f);
    dcnn_session_get_stats (sim, 0, &stats);
    changed += f > 0 && !stats.dense && stats.macs_done > 0;
    if (f < STILL_FROM)
      test_video_step (&video, &frame, TRUE);
  }
  g_test_message ("%u pieces: %u sparse frames had work", n, changed);
  g_assert_cmpuint (changed, >=, STILL_FROM / 2);
  dcnn_tensor_free (&frame);
}

static void
run_all (gboolean whole)
{
  static const guint pieces[] = { 32, 33, 64, 100 };

  for (guint i = 0; i < G_N_ELEMENTS (pieces) && !g_test_failed (); i++)
    if (test_seed_runs (pieces[i]) || g_getenv ("DELTACNN_TEST_SEEDS"))
      run (pieces[i], whole, i % 2);
}

/* Lists alone: a frame may end early. */
static void
test_lists (void)
{
  run_all (FALSE);
}

static void
test_whole (void)
{
  run_all (TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/pieces/lists", test_lists);
  g_test_add_func ("/engine/pieces/whole", test_whole);
  return g_test_run ();
}
