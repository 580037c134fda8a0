/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * concats.c - concatenations of four and more pieces, ragged (channels that are
 * no multiple of eight) and of any kind (convolutions, the input, a piece
 * twice, a concatenation again, dense blocks, which join all that there is
 * again and again), read by what cares about holes: against the
 * reference operators, and changed frames against fresh sessions, bit for bit.
 *
 *   concats [SEED]
 */
#include <math.h>
#include <string.h>

#include "deltacnn/session.h"
#include "nets.h"

#define SEEDS 24
#define FRAMES 6

static DcnnValueId
concat (TestNet *net, const DcnnValueId *pieces, guint n)
{
  DcnnParams axis = { .axis = { .axis = 1 } };

  return test_net_node (net, DCNN_OP_CONCAT, &axis, (gint) n, pieces, NULL);
}

/* A function of the seed alone, so that it can be made twice. */
static DcnnGraph *
make_net (guint64 seed)
{
  static const gint widths[] = { 1, 3, 5, 8, 9, 12, 16, 2 };
  DcnnValueId pieces[16], input, v;
  guint n = 4 + seed % 4;
  gint channels = 0;
  TestNet net;

  test_net_begin (&net, seed, FALSE);
  input = test_net_input (&net, 3, 24 + (gint) seed % 9, 40);
  for (guint i = 0; i < n; i++) {
    gint c = widths[(seed * 3 + i * 5) % G_N_ELEMENTS (widths)];
    if (i > 1 && (seed + i) % 5 == 0) {
      pieces[i] = pieces[i - 1];
      continue;
    }
    pieces[i] = (seed + i) % 7 == 0 ? input
        : test_net_conv (&net, input, c, i % 2 ? 3 : 1, 1, 1, 1);
    if (i % 3 == 1 && pieces[i] != input)
      pieces[i] = test_net_unary (&net, DCNN_OP_RELU, pieces[i]);
  }
  v = concat (&net, pieces, n);
  if (seed % 3 == 0) { /* and again, with one of the pieces */
    DcnnValueId again[4] = { v, pieces[0], v, pieces[n - 1] };
    v = concat (&net, again, 4);
  }
  for (guint i = 0; seed % 4 == 1 && i < 3; i++) {
    pieces[n++] = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v,
            widths[(seed + i) % G_N_ELEMENTS (widths)], 3, 1, 1, 1));
    v = concat (&net, pieces, n);
  }
  channels = (gint) dcnn_graph_value (net.graph, v)->tensor.dims[1];
  if (seed % 2)
    v = test_net_unary (&net, DCNN_OP_EXP, test_net_unary (&net,
            DCNN_OP_TANH, v));
  dcnn_graph_add_output (net.graph, v);
  v = test_net_conv (&net, v, 6, 3, 1, 1, 1);
  dcnn_graph_add_output (net.graph, test_net_unary (&net, DCNN_OP_SIGMOID,
          v));
  g_assert_cmpint (channels, >=, (gint) n);
  return net.graph;
}

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, gboolean store_all)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = 1;
  options.store_all = store_all;
  options.tuning = (DcnnTuning) { .mode = mode };
  return test_session_new (model, &options);
}

static void
fail (guint64 seed, const char *what, guint output, gdouble by)
{
  g_test_message ("%s: output %u differs by %g; rerun: engine-concats %"
      G_GUINT64_FORMAT, what, output, by, seed);
  g_test_fail ();
}

static void
against_reference (guint64 seed, DcnnSession *session, const DcnnTensor *frame)
{
  g_autoptr (DcnnGraph) graph = make_net (seed);
  g_autoptr (GError) error = NULL;
  DcnnTensor want[2] = { { 0 }, { 0 } };

  g_assert_true (dcnn_graph_run_reference (graph, frame, want, &error));
  for (guint i = 0; i < 2; i++) {
    const DcnnTensor *have = &dcnn_session_get_output (session, 0, i)->tensor;
    const gfloat *p = have->data, *q = want[i].data;
    gdouble worst = 0;

    for (gint64 k = 0; k < dcnn_tensor_count (have); k++)
      worst = test_further (worst, p[k], q[k]);
    if (!(worst < 2e-5))
      fail (seed, "against the reference", i, worst);
    dcnn_tensor_free (&want[i]);
  }
}

static void
against_fresh (guint64 seed, DcnnModel *model, DcnnSession *session,
    const DcnnTensor *frame, DcnnMode mode)
{
  g_autoptr (DcnnSession) fresh = new_session (model, mode, seed % 2);

  test_push (fresh, frame);
  for (guint i = 0; i < 2; i++) {
    const DcnnTensor *a = &dcnn_session_get_output (session, 0, i)->tensor;
    const DcnnTensor *b = &dcnn_session_get_output (fresh, 0, i)->tensor;
    if (memcmp (a->data, b->data, (gsize) dcnn_tensor_count (a) * 4) != 0)
      fail (seed, "against a fresh session", i, NAN);
  }
}

static void
test_concats (void)
{
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++) {
    g_autoptr (DcnnModel) model = NULL;
    g_autoptr (DcnnSession) session = NULL;
    guint64 state = seed;
    DcnnTensor frame;

    if (!test_seed_runs (seed))
      continue;
    model = test_model_new (make_net (seed));
    session = new_session (model, DCNN_MODE_SPARSE, seed % 2);
    frame = test_frame_new (model, &state, FALSE);
    for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
      test_push (session, &frame);
      against_reference (seed, session, &frame);
      against_fresh (seed, model, session, &frame, f % 2 ? DCNN_MODE_DENSE
          : DCNN_MODE_SPARSE);
      test_video_step (&state, &frame, FALSE);
    }
    dcnn_tensor_free (&frame);
  }
}

/* A dense block grows in one buffer: a node a layer, and no copies. */
static void
test_dense_block (void)
{
  g_autoptr (DcnnModel) model = NULL;
  DcnnValueId pieces[5], v;
  DcnnModelSummary summary;
  TestNet net;

  test_net_begin (&net, 1, FALSE);
  v = pieces[0] = test_net_conv (&net, test_net_input (&net, 3, 16, 24), 12, 3,
      1, 1, 1);
  for (guint i = 1; i < 5; i++) {
    pieces[i] = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 5,
            3, 1, 1, 1));
    v = concat (&net, pieces, i + 1);
  }
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 4, 1, 1, 1, 1));
  model = test_model_new (net.graph);
  dcnn_model_get_summary (model, &summary);
  g_assert_cmpuint (summary.n_nodes, ==, 6 + 1); /* and the output's tensor */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/concats/nets", test_concats);
  g_test_add_func ("/engine/concats/dense-block", test_dense_block);
  return g_test_run ();
}
