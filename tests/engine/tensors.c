/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tensors.c - tensors go by the rules of pictures: a cut runs dense, what is
 * still settles, `settled` says which, and a picture after tensors starts
 * anew.
 */
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
  g_autoptr (GError) error = NULL;
  DcnnSessionOptions options;
  DcnnSession *session;

  dcnn_session_options_init (&options);
  options.threads = 1;
  options.tuning.mode = mode;
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  return session;
}

static DcnnModel *
new_model (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  DcnnModel *model = dcnn_model_new (test_net_sized (seed, FALSE, seed % 2,
          NET_H, NET_W), &error);

  g_assert_no_error (error);
  return model;
}

static void
push (DcnnSession *session, const DcnnTensor *tensor)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (dcnn_session_push_tensors (session, 0, tensor, 0, NULL,
          &error));
}

static gboolean
same_outputs (DcnnSession *a, DcnnSession *b, DcnnModel *model)
{
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_outputs; i++) {
    const DcnnTensor *t = &dcnn_session_get_output (a, 0, i)->tensor;
    if (memcmp (t->data, dcnn_session_get_output (b, 0, i)->tensor.data,
            (gsize) dcnn_tensor_count (t) * dcnn_dtype_bytes (t->dtype)) != 0)
      return FALSE;
  }
  return TRUE;
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

    push (session, &a);
    g_assert_true (is_settled (session));
    for (f = 0; f < 6; f++) { /* small changes of one corner */
      for (guint i = 0; i < 20; i++)
        ((float *) a.data)[f * NET_W + i] *= 1.02f;
      push (session, &a);
      g_assert_false (is_settled (session));
    }
    for (f = 0; f < BOUND_FRAMES && !is_settled (session); f++)
      push (session, &a);
    g_assert_cmpuint (f, <, BOUND_FRAMES);
    push (dense, &a);
    g_assert_true (same_outputs (session, dense, model));
    push (session, &b);
    push (dense, &b);
    g_assert_true (is_settled (session));
    g_assert_true (same_outputs (session, dense, model));
    dcnn_tensor_free (&a);
    dcnn_tensor_free (&b);
  }
}

/* A picture, tensors, the same picture. */
static void
test_picture_after_tensors (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model (2);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
  g_autoptr (DcnnSession) fresh = new_session (model, DCNN_MODE_AUTO);
  guint64 state = 5;
  DcnnTensor b = test_frame_new (model, &state, FALSE);
  DcnnFrame frame;
  TestVideo video;

  test_video_init (&video, 3, NET_W, NET_H);
  test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
  g_assert_true (dcnn_session_push_frame (session, 0, &frame, NULL, &error));
  push (session, &b);
  g_assert_true (dcnn_session_push_frame (session, 0, &frame, NULL, &error));
  g_assert_true (dcnn_session_push_frame (fresh, 0, &frame, NULL, &error));
  g_assert_true (same_outputs (session, fresh, model));
  test_video_clear (&video);
  dcnn_tensor_free (&b);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/tensors/cut-and-still", test_cut_and_still);
  g_test_add_func ("/engine/tensors/picture-after",
      test_picture_after_tensors);
  return g_test_run ();
}
