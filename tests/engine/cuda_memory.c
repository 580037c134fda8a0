/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_memory.c - what a session takes of a GPU's memory is what
 * dcnn_session_predict_bytes() says: to the byte by what is asked for, and on a
 * GPU also by what it then has less. What a stream costs on the host does not
 * grow with the maps. Without a GPU the runtime is imitated (cuda_calls.h).
 */
#include "cuda_calls.h"
#include "dcnn_engine.h"
#include "nets.h"

#define MANY 33
#define MIB ((gdouble) (1 << 20))

static DcnnSession *
new_session (DcnnModel *model, guint streams, DcnnSessionOptions *options)
{
  g_autoptr (GError) error = NULL;
  DcnnSession *session;

  test_options_init (options);
  options->device = "cuda";
  options->threads = 1;
  options->streams = streams;
  session = dcnn_session_new (model, options, &error);
  g_assert_no_error (error);
  return session;
}

static void
test_predicted (void)
{
  static const guint streams[] = { 1, 2, 5 };

  for (guint64 seed = 1; seed <= 8; seed++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (seed, FALSE,
            FALSE, TRUE), &error);
    DcnnSessionOptions options;
    DcnnSession *weights = new_session (model, 1, &options);
    for (guint i = 0; i < 3; i++) {
      gsize before = cuda_calls_bytes (), predicted;
      DcnnSession *session = new_session (model, streams[i], &options);
      predicted = dcnn_session_predict_bytes (model, &options, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (predicted, ==, cuda_calls_bytes () - before);
      dcnn_session_free (session);
    }
    dcnn_session_free (weights);
  }
}

/* A GPU gives memory by pages of 2 MiB. */
static void
test_held (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (3, FALSE, TRUE,
          384, 384), &error);
  DcnnSessionOptions options;
  DcnnSession *one, *many;
  gdouble predicted, held;
  gsize before, between;

  if (!cuda_calls_real ()) {
    g_test_skip ("no GPU: nothing is held");
    return;
  }
  dcnn_session_free (new_session (model, 1, &options)); /* what stays */
  before = cuda_calls_free_bytes ();
  one = new_session (model, 1, &options);
  between = cuda_calls_free_bytes ();
  predicted = (gdouble) dcnn_session_predict_bytes (model, &options, &error);
  many = new_session (model, MANY, &options);
  held = (gdouble) (between - cuda_calls_free_bytes ()) -
      (gdouble) (before - between);
  predicted = (gdouble) dcnn_session_predict_bytes (model, &options, &error) -
      predicted;
  g_assert_no_error (error);
  g_test_message ("a stream: %.2f MiB predicted, %.2f held", predicted / MIB /
      (MANY - 1), held / MIB / (MANY - 1));
  g_assert_cmpfloat (held, >, 0.9 * predicted - 16 * MIB);
  g_assert_cmpfloat (held, <, 1.1 * predicted + 16 * MIB);
  dcnn_session_free (one);
  dcnn_session_free (many);
}

/* Maps are with the device; the host has one stream's, and inputs. */
static void
test_host (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (3, FALSE, TRUE,
          192, 192), &error);
  DcnnSessionOptions options;
  gdouble host[2], maps;
  DcnnModelSummary summary;

  for (guint i = 0; i < 2; i++) {
    DcnnSession *session = new_session (model, i ? MANY : 1, &options);
    gsize device = dcnn_session_predict_bytes (model, &options, &error);
    g_assert_no_error (error);
    host[i] = (gdouble) (dcnn_session_get_bytes (session) - device);
    dcnn_session_free (session);
  }
  dcnn_model_get_summary (model, &summary);
  maps = (gdouble) summary.state_bytes;
  g_test_message ("%.2f MiB on the host with one stream, %.2f more a stream, of "
      "%.2f on the cpu", host[0] / MIB, (host[1] - host[0]) / MIB / (MANY - 1),
      maps / MIB);
  g_assert_cmpfloat ((host[1] - host[0]) / (MANY - 1), <, maps / 3);
}

/* What is predicted for each stream of a chain of so many residual blocks. */
static gsize
predict_chain (guint blocks)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = NULL;
  DcnnSessionOptions options;
  gsize bytes[2];
  DcnnValueId v;
  TestNet net;

  test_net_begin (&net, 9, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 64, 64), 8, 3, 1, 1, 1);
  for (guint i = 0; i < blocks; i++) {
    DcnnValueId in = v;
    v = test_net_conv (&net, v, 8, 3, 1, 1, 1);
    v = test_net_conv (&net, test_net_unary (&net, DCNN_OP_RELU, v), 8, 3, 1,
        1, 1);
    v = test_net_unary (&net, DCNN_OP_RELU, test_net_binary (&net,
            DCNN_OP_ADD, v, in));
  }
  dcnn_graph_add_output (net.graph, v);
  model = test_model_new (net.graph);
  test_options_on (&options, "cuda");
  for (guint i = 0; i < 2; i++) {
    options.streams = 1 + i;
    bytes[i] = dcnn_session_predict_bytes (model, &options, &error);
    g_assert_no_error (error);
  }
  return bytes[1] - bytes[0];
}

/* A longer network has more maps and masks, not more entries of lists: only so many
 * lists are there at one time. */
static void
test_lists (void)
{
  const gsize map = 64 * 64 * 8 * 2, list = 64 * 64 * 8;
  gsize more = predict_chain (24) - predict_chain (4);

  g_test_message ("%.2f maps a convolution more", (gdouble) more / 40 / map);
  g_assert_cmpuint (more, >, 40 * map);
  g_assert_cmpuint (more, <, 40 * (map + list / 4));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/cuda-memory/predicted", test_predicted);
  g_test_add_func ("/engine/cuda-memory/held", test_held);
  g_test_add_func ("/engine/cuda-memory/host", test_host);
  g_test_add_func ("/engine/cuda-memory/lists", test_lists);
  return g_test_run ();
}
