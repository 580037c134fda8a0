/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tensors.c - tensors go by the rules of pictures: a cut runs dense, what is
 * still settles, `settled` says which, and a picture after tensors starts
 * anew.
 */
#include <math.h>
#include <string.h>

#include "nets.h"
#include "video.h"

#define SEEDS 8
#define NET_H 80
#define NET_W 96
#define BOUND_FRAMES 300

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = 1;
  options.tuning.mode = mode;
  return test_session_new (model, &options);
}

static DcnnModel *
new_model (guint64 seed)
{
 return test_model_new (test_net_sized (seed, FALSE, seed % 2, NET_H, NET_W));
}

static gboolean
is_settled (DcnnSession *session)
{
  DcnnFrameStats stats;

  dcnn_session_get_stats (session, 0, &stats);
  return stats.settled;
}

/* A changes a part for some frames, then stops; then B is another scene. */
static void
test_cut_and_still (void)
{
  for (guint64 seed = 1; seed <= SEEDS; seed++) {
    g_autoptr (DcnnModel) model = new_model (seed);
    g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
    g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE);
    guint64 state = seed + 77;
    DcnnTensor a = test_frame_new (model, &state, FALSE);
    DcnnTensor b = test_frame_new (model, &state, FALSE);
    guint f;

    test_push (session, &a);
    g_assert_true (is_settled (session));
    for (f = 0; f < 6; f++) { /* small changes of one corner */
      for (guint i = 0; i < 20; i++)
        ((float *) a.data)[f * NET_W + i] *= 1.02f;
      test_push (session, &a);
      g_assert_false (is_settled (session));
    }
    for (f = 0; f < BOUND_FRAMES && !is_settled (session); f++)
      test_push (session, &a);
    g_assert_cmpuint (f, <, BOUND_FRAMES);
    test_push (dense, &a);
    g_assert_true (test_same_outputs (session, 0, dense));
    test_push (session, &b);
    test_push (dense, &b);
    g_assert_true (is_settled (session));
    g_assert_true (test_same_outputs (session, 0, dense));
    dcnn_tensor_free (&a);
    dcnn_tensor_free (&b);
  }
}

/* A picture, tensors, the same picture. */
static void
test_picture_after_tensors (void)
{
  g_autoptr (DcnnModel) model = new_model (2);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
  g_autoptr (DcnnSession) fresh = new_session (model, DCNN_MODE_AUTO);
  guint64 state = 5;
  DcnnTensor b = test_frame_new (model, &state, FALSE);
  DcnnFrame frame;
  TestVideo video;

  test_video_init (&video, 3, NET_W, NET_H);
  test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
  test_push_frame (session, 0, &frame);
  test_push (session, &b);
  test_push_frame (session, 0, &frame);
  test_push_frame (fresh, 0, &frame);
  g_assert_true (test_same_outputs (session, 0, fresh));
  test_video_clear (&video);
  dcnn_tensor_free (&b);
}

/* ---- nets that were wrong for ever ------------------------------------------------- */

/* Six times: 3x3 convolution, squeeze and excite. channels: of the input; embed:
 * ends in one vector, as a re-identification net does. */
static DcnnModel *
gated_model (guint64 seed, gint channels, gboolean embed)
{
  DcnnValueId v, g;
  TestNet net;

  test_net_begin (&net, seed, FALSE);
  v = test_net_input (&net, channels, 64, 48);
  for (gint i = 0; i < 6; i++) {
    v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 16, 3,
            i == 2 ? 2 : 1, 1, 1));
    g = test_net_node (&net, DCNN_OP_GLOBAL_AVERAGE_POOL, NULL, 1, &v, NULL);
    g = test_net_unary (&net, DCNN_OP_SIGMOID, test_net_conv (&net, g, 16, 1,
            1, 1, 1));
    v = test_net_binary (&net, DCNN_OP_MUL, v, g);
  }
  if (embed) {
    v = test_net_node (&net, DCNN_OP_GLOBAL_AVERAGE_POOL, NULL, 1, &v, NULL);
    v = test_net_conv (&net, v, 32, 1, 1, 1, 1);
  }
  dcnn_graph_add_output (net.graph, v);
  return test_model_new (net.graph);
}

/* Of the first outputs: the rms of their difference over that of the second,
 * and the cosine between them. */
static gdouble
compare (DcnnSession *a, DcnnSession *b, gdouble *cosine)
{
  const DcnnTensor *t = &dcnn_session_get_output (a, 0, 0)->tensor;
  const gfloat *p = t->data;
  const gfloat *q = dcnn_session_get_output (b, 0, 0)->tensor.data;
  gdouble pp = 0, qq = 0, pq = 0, d = 0;

  for (gint64 i = 0; i < dcnn_tensor_count (t); i++) {
    pp += p[i] * p[i];
    qq += q[i] * q[i];
    pq += p[i] * q[i];
    d += (p[i] - q[i]) * (p[i] - q[i]);
  }
  *cosine = pq / sqrt (pp * qq);
  return sqrt (d / qq);
}

/* A five times, then B, which is all noise, and goes on unchanged. */
static void
test_gates_after_cut (void)
{
  for (guint64 seed = 1; seed <= SEEDS; seed++) {
    gint channels = seed % 2 ? 3 : 8; /* 8: no picture */
    g_autoptr (DcnnModel) model = gated_model (seed, channels, seed % 4 < 2);
    g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
    g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE);
    guint64 state = seed;
    DcnnTensor a = test_frame_new (model, &state, FALSE);
    DcnnTensor b = test_frame_new (model, &state, FALSE);
    gdouble cosine;

    for (gint64 i = 0; i < dcnn_tensor_count (&b); i++)
      ((gfloat *) b.data)[i] = 3 * test_random_value (&state, FALSE);
    for (guint f = 0; f < 5; f++)
      test_push (session, &a);
    test_push (dense, &b);
    for (guint f = 0; f < 12; f++) {
      test_push (session, &b);
      g_assert_cmpfloat (compare (session, dense, &cosine), <, 1e-5);
      g_assert_cmpfloat (cosine, >, 0.99999);
      g_assert_true (is_settled (session));
    }
    dcnn_tensor_free (&a);
    dcnn_tensor_free (&b);
  }
}

/* A small change, then nothing: settles, also where the input is no picture. */
static void
test_no_picture_settles (void)
{
  for (guint64 seed = 1; seed <= SEEDS; seed++) {
    g_autoptr (DcnnModel) model = gated_model (seed, seed % 2 ? 8 : 5,
        seed % 4 < 2);
    g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
    g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE);
    guint64 state = seed;
    DcnnTensor a = test_frame_new (model, &state, FALSE);
    guint f;

    test_push (session, &a);
    for (f = 0; f < 300; f++)
      ((gfloat *) a.data)[f] *= 1.1f;
    test_push (session, &a);
    g_assert_false (is_settled (session));
    for (f = 0; f < BOUND_FRAMES && !is_settled (session); f++)
      test_push (session, &a);
    g_assert_cmpuint (f, <, BOUND_FRAMES);
    test_push (dense, &a);
    g_assert_true (test_same_outputs (session, 0, dense));
    dcnn_tensor_free (&a);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/tensors/cut-and-still", test_cut_and_still);
  g_test_add_func ("/engine/tensors/picture-after",
      test_picture_after_tensors);
  g_test_add_func ("/engine/tensors/gates-after-cut", test_gates_after_cut);
  g_test_add_func ("/engine/tensors/no-picture", test_no_picture_settles);
  return g_test_run ();
}
