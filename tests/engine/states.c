/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * states.c - inputs that come from the last frame: the sparse run gives the
 * bits of the dense one, their changes count, they start anew with the stream,
 * and what cannot feed them back says so.
 */
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

#define NET_H 48
#define NET_W 64
#define FRAMES 24
#define BOUND_FRAMES 400

static DcnnValueId
add_input (TestNet *net, const char *name, gint channels, gint h, gint w)
{
  const gint64 dims[4] = { 1, channels, h, w };
  g_autoptr (GError) error = NULL;
  DcnnValueId id = dcnn_graph_add_input (net->graph, name, DCNN_DTYPE_F32, 4,
      dims, &error);

  g_assert_no_error (error);
  return id;
}

/* v / 8: what is fed back dies away. */
static DcnnValueId
eighth (TestNet *net, DcnnValueId v)
{
  DcnnTensor tensor = { .dtype = DCNN_DTYPE_F32 };
  g_autoptr (GError) error = NULL;
  DcnnValueId scale;

  g_assert_true (dcnn_tensor_alloc (&tensor, &error));
  *(float *) tensor.data = 0.125f;
  scale = dcnn_graph_add_constant (net->graph, "eighth", &tensor, &error);
  g_assert_no_error (error);
  return test_net_binary (net, DCNN_OP_MUL, v, scale);
}

/* h' = tanh (conv (picture, h)) / 8, y = conv (h'). */
static DcnnModel *
recurrent (gfloat initial)
{
  g_autoptr (GError) error = NULL;
  DcnnValueId x, h, next, y;
  TestNet net;

  test_net_begin (&net, 7, FALSE);
  x = test_net_input (&net, 3, NET_H, NET_W);
  h = add_input (&net, "h", 4, NET_H, NET_W);
  next = test_net_conv (&net, test_net_concat (&net, x, h), 4, 3, 1, 1, 1);
  next = eighth (&net, test_net_unary (&net, DCNN_OP_TANH, next));
  y = test_net_conv (&net, next, 2, 3, 2, 1, 1);
  dcnn_graph_add_output (net.graph, y);
  dcnn_graph_add_output (net.graph, next);
  g_assert_true (dcnn_graph_add_state (net.graph,
          &(DcnnState) { h, next, initial }, &error));
  return test_model_new (net.graph);
}

/* y = conv of three pictures in a row. */
static DcnnModel *
stacked (void)
{
  g_autoptr (GError) error = NULL;
  DcnnValueId x, a, b, y;
  TestNet net;

  test_net_begin (&net, 9, FALSE);
  x = test_net_input (&net, 3, NET_H, NET_W);
  a = add_input (&net, "a", 3, NET_H, NET_W);
  b = add_input (&net, "b", 3, NET_H, NET_W);
  y = test_net_concat (&net, test_net_concat (&net, x, a), b);
  y = test_net_conv (&net, y, 6, 3, 1, 1, 1);
  y = test_net_conv (&net, test_net_unary (&net, DCNN_OP_RELU, y), 4, 3, 2, 1,
      1);
  dcnn_graph_add_output (net.graph, y);
  g_assert_true (dcnn_graph_add_state (net.graph, &(DcnnState) { b, a, 0 },
          &error));
  g_assert_true (dcnn_graph_add_state (net.graph, &(DcnnState) { a, x, 0 },
          &error));
  return test_model_new (net.graph);
}

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, gboolean exact)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = 1;
  if (exact)
    memset (&options.tuning, 0, sizeof options.tuning);
  options.tuning.mode = mode;
  return test_session_new (model, &options);
}

static DcnnFrameStats
stats_of (DcnnSession *session)
{
  DcnnFrameStats stats;

  dcnn_session_get_stats (session, 0, &stats);
  return stats;
}

/* Frames that move, stand still and cut, and a reset. Returns the work done of
 * all. */
static gdouble
check_bits (DcnnModel *model)
{
  g_autoptr (DcnnSession) sparse = new_session (model, DCNN_MODE_SPARSE, TRUE);
  g_autoptr (DcnnSession) automatic = new_session (model, DCNN_MODE_AUTO,
      TRUE);
  g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE, TRUE);
  gdouble done = 0, full = 0;
  TestVideo video;

  test_video_init (&video, 3, NET_W, NET_H);
  video.noise = 0;
  for (guint f = 0; f < FRAMES; f++) {
    DcnnFrame frame;
    if (f == 15) {
      dcnn_session_reset (sparse, 0);
      dcnn_session_reset (automatic, 0);
      dcnn_session_reset (dense, 0);
    }
    if (f % 5 != 4)
      test_video_move (&video);
    /* in colour or not: a cut */
    test_video_draw (&video, DCNN_FORMAT_RGB, f > 9, &frame);
    test_push_frame (sparse, 0, &frame);
    test_push_frame (automatic, 0, &frame);
    test_push_frame (dense, 0, &frame);
    g_assert_true (test_same_outputs (sparse, 0, dense));
    g_assert_true (test_same_outputs (automatic, 0, dense));
    done += stats_of (sparse).macs_done;
    full += stats_of (sparse).macs_dense;
  }
  test_video_clear (&video);
  return done / full;
}

static void
test_recurrent_bits (void)
{
  g_autoptr (DcnnModel) model = recurrent (0.25f);

  check_bits (model);
}

static void
test_stacked_bits (void)
{
  g_autoptr (DcnnModel) model = stacked ();

  g_assert_cmpfloat (check_bits (model), <, 0.8);
}

/* Over one picture, what changes is the state alone: it counts as a change
 * until it has come to rest, sooner where small changes do not. */
static void
test_counts (void)
{
  g_autoptr (DcnnModel) model = recurrent (0);
  guint frames[2];

  for (guint i = 0; i < 2; i++) {
    g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO,
        i == 0);
    TestVideo video;
    DcnnFrame frame;
    guint f;

    test_video_init (&video, 5, NET_W, NET_H);
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    test_push_frame (session, 0, &frame);
    test_push_frame (session, 0, &frame);
    g_assert_cmpfloat (stats_of (session).changed_share, >, 0);
    g_assert_cmpuint (stats_of (session).macs_done, >, 0);
    /* exactly, the last bits of a few pixels go round and round for ever */
    for (f = 0; f < BOUND_FRAMES &&
        stats_of (session).changed_share > (i == 0 ? 0.02f : 0); f++)
      test_push_frame (session, 0, &frame);
    g_assert_cmpuint (f, <, BOUND_FRAMES);
    frames[i] = f;
    test_video_clear (&video);
  }
  g_assert_cmpuint (frames[1], <, frames[0]);
}

/* Two states that differ all over, and a picture that does not: two thirds. */
static void
test_counts_of_two (void)
{
  g_autoptr (DcnnSession) session = NULL;
  g_autoptr (DcnnModel) model = NULL;
  g_autoptr (GError) error = NULL;
  DcnnValueId x, states[2];
  TestVideo video;
  DcnnFrame frame;
  TestNet net;

  test_net_begin (&net, 8, FALSE);
  x = test_net_input (&net, 3, NET_H, NET_W);
  states[0] = add_input (&net, "g", 4, NET_H, NET_W);
  states[1] = add_input (&net, "h", 4, NET_H, NET_W);
  for (gint i = 1; i >= 0; i--) { /* states come from the end */
    DcnnValueId next = test_net_unary (&net, DCNN_OP_TANH, test_net_conv (&net,
            test_net_concat (&net, x, states[i]), 4, 3, 1, 1, 1));
    dcnn_graph_add_output (net.graph, next);
    g_assert_true (dcnn_graph_add_state (net.graph,
            &(DcnnState) { states[i], next, 0 }, &error));
  }
  model = test_model_new (net.graph);
  session = new_session (model, DCNN_MODE_SPARSE, TRUE);
  test_video_init (&video, 5, NET_W, NET_H);
  test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
  test_push_frame (session, 0, &frame);
  test_push_frame (session, 0, &frame);
  g_assert_cmpfloat_with_epsilon (stats_of (session).changed_share, 2 / 3.f,
      0.01f);
  test_video_clear (&video);
}

/* With default settings a still scene ends settled, whatever is kept. */
static void
test_settles (void)
{
  g_autoptr (DcnnModel) model = stacked ();
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO, FALSE);
  g_autoptr (DcnnSession) fresh = new_session (model, DCNN_MODE_AUTO, FALSE);
  TestVideo video;
  DcnnFrame frame;
  guint f;

  test_video_init (&video, 3, NET_W, NET_H);
  for (f = 0; f < FRAMES; f++) {
    test_video_move (&video);
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    test_push_frame (session, 0, &frame);
  }
  for (f = 0; f < BOUND_FRAMES && !stats_of (session).settled; f++)
    test_push_frame (session, 0, &frame);
  g_assert_cmpuint (f, <, BOUND_FRAMES);
  for (f = 0; f < 3; f++) /* the correction goes through all that is kept */
    test_push_frame (session, 0, &frame);
  for (f = 0; f < BOUND_FRAMES && !stats_of (session).settled; f++)
    test_push_frame (session, 0, &frame);
  g_assert_cmpuint (f, <, BOUND_FRAMES);
  test_push_frame (fresh, 0, &frame);
  g_assert_true (test_same_outputs (session, 0, fresh));
  test_video_clear (&video);
}

static void
test_refusals (void)
{
  g_autoptr (DcnnModel) model = recurrent (0);
  g_autoptr (GError) error = NULL;
  DcnnBackend none = dcnn_backend_sim;
  DcnnSessionOptions options;
  DcnnModelSummary summary;
  DcnnValueId x, h, y;
  TestNet net;

  dcnn_model_get_summary (model, &summary);
  g_assert_cmpuint (summary.n_inputs, ==, 1);
  g_assert_cmpuint (summary.n_states, ==, 1);
  g_assert_cmpuint (summary.tile, ==, 0);
  test_options_init (&options);
  none.keeps_states = FALSE;
  g_assert_false (dcnn_backend_accepts (&none, model->plan, &options,
          &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE);
  g_assert_nonnull (strstr (error->message, "states"));
  g_clear_error (&error);
  test_net_begin (&net, 1, FALSE);
  x = test_net_input (&net, 3, 8, 8);
  h = add_input (&net, "h", 4, 8, 8);
  y = test_net_conv (&net, test_net_concat (&net, x, h), 5, 3, 1, 1, 1);
  g_assert_false (dcnn_graph_add_state (net.graph, &(DcnnState) { h, y, 0 },
          &error)); /* no output */
  g_assert_nonnull (strstr (error->message, "no output"));
  g_clear_error (&error);
  dcnn_graph_add_output (net.graph, y);
  g_assert_false (dcnn_graph_add_state (net.graph, &(DcnnState) { h, y, 0 },
          &error)); /* another shape */
  g_assert_nonnull (strstr (error->message, "[1,5,8,8]"));
  dcnn_graph_free (net.graph);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/states/recurrent-bits", test_recurrent_bits);
  g_test_add_func ("/engine/states/stacked-bits", test_stacked_bits);
  g_test_add_func ("/engine/states/counts", test_counts);
  g_test_add_func ("/engine/states/counts-of-two", test_counts_of_two);
  g_test_add_func ("/engine/states/settles", test_settles);
  g_test_add_func ("/engine/states/refusals", test_refusals);
  return g_test_run ();
}
