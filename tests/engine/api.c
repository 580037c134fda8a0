/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * api.c - the public session as its users meet it: pixel formats, frame
 * sizes, resets, tuning from another thread, wrong arguments, predicted
 * memory.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

static DcnnModel *
new_model (guint64 seed, gboolean global)
{
 return test_model_new (test_net_sized (seed, FALSE, global, 48, 64));
}

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode)
{
  guint64 state = 1;
  g_autoptr (GHashTable) influence = test_random_influence (model, &state);
  DcnnSessionOptions options;

  test_options_init (&options);
  options.influence = influence;
  options.tuning.mode = mode;
  options.threads = 2;
  return test_session_new (model, &options);
}

/* rms of the difference over the rms of b's output. */
static gdouble
difference (DcnnSession *a, DcnnSession *b)
{
  const DcnnTensor *p = &dcnn_session_get_output (a, 0, 1)->tensor;
  const DcnnTensor *q = &dcnn_session_get_output (b, 0, 1)->tensor;
  gdouble sum = 0, size = 0;

  for (gint64 k = 0; k < dcnn_tensor_count (p); k++) {
    gdouble x = ((gfloat *) p->data)[k], y = ((gfloat *) q->data)[k];
    sum += (x - y) * (x - y);
    size += y * y;
  }
  return sqrt (sum / size);
}

/* ---- formats and sizes ------------------------------------------------------ */

static void
test_formats (void)
{
  g_autoptr (DcnnModel) model = new_model (2, FALSE);

  for (gint format = 0; format < DCNN_FORMAT_COUNT; format++) {
    gboolean gray = format == DCNN_FORMAT_GRAY8;
    gboolean yuv = format == DCNN_FORMAT_NV12 || format == DCNN_FORMAT_I420;
    g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE);
    g_autoptr (DcnnSession) sparse = new_session (model, DCNN_MODE_AUTO);
    TestVideo video;
    gdouble d;
    test_video_init (&video, 9, 96, 72);
    for (gint f = 0; f < 12; f++) {
      DcnnFrame frame;
      test_video_draw (&video, DCNN_FORMAT_RGB, gray, &frame);
      test_push_frame (dense, 0, &frame);
      test_video_draw (&video, (DcnnPixelFormat) format, gray, &frame);
      test_push_frame (sparse, 0, &frame);
      if (f == 0) {
        d = difference (sparse, dense);
        g_test_message ("format %d: %.3g", format, d);
        g_assert_cmpfloat (d, <=, yuv ? 0.03 : 0);
      }
      g_assert_cmpfloat (difference (sparse, dense), <=, 0.1);
      test_video_move (&video);
    }
    test_video_clear (&video);
  }
}

/* Another size or format in mid-stream starts the stream anew. */
static void
test_change (void)
{
  static const guint sizes[][2] = { { 64, 48 }, { 1, 1 }, { 8191, 17 },
    { 3, 1000 }, { 97, 61 }, { 64, 48 } };
  g_autoptr (DcnnModel) model = new_model (2, FALSE);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);

  for (guint i = 0; i < 2 * G_N_ELEMENTS (sizes); i++) {
    g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE);
    guint w = sizes[i / 2][0], h = sizes[i / 2][1];
    DcnnPixelFormat format = i % 2 ? DCNN_FORMAT_NV12 : DCNN_FORMAT_BGRX;
    DcnnFrameStats stats;
    DcnnTransform t;
    DcnnFrame frame;
    TestVideo video;
    test_video_init (&video, i, w, h);
    test_video_draw (&video, format, FALSE, &frame);
    test_push_frame (session, 0, &frame);
    test_push_frame (dense, 0, &frame);
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_true (stats.dense);
    g_assert_cmpfloat (difference (session, dense), ==, 0);
    dcnn_session_get_transform (session, 0, &t);
    g_assert_cmpuint (t.frame_width, ==, w);
    g_assert_cmpuint (t.frame_height, ==, h);
    test_push_frame (session, 0, &frame);
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_false (stats.dense);
    g_assert_cmpuint (stats.macs_done, ==, 0);
    test_video_clear (&video);
  }
}

static void
test_reset (void)
{
  g_autoptr (DcnnModel) model = new_model (3, TRUE);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_SPARSE);
  g_autoptr (DcnnSession) fresh = new_session (model, DCNN_MODE_SPARSE);
  DcnnFrameStats stats;
  DcnnFrame frame;
  TestVideo video;

  test_video_init (&video, 4, 64, 48);
  for (gint f = 0; f < 10; f++) {
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    test_push_frame (session, 0, &frame);
    test_video_move (&video);
  }
  dcnn_session_reset (session, 0);
  for (gint f = 0; f < 5; f++) {
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    test_push_frame (session, 0, &frame);
    test_push_frame (fresh, 0, &frame);
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_cmpint (stats.dense, ==, f == 0);
    g_assert_cmpuint (stats.frames, ==, f + 1);
    g_assert_cmpfloat (difference (session, fresh), ==, 0);
    test_video_move (&video);
  }
  test_video_clear (&video);
}

/* ---- tuning from another thread ------------------------------------------------ */

static gpointer
tune (gpointer data)
{
  DcnnSession *session = data;

  for (guint i = 0; i < 2000; i++) {
    DcnnTuning tuning;
    dcnn_session_get_tuning (session, &tuning);
    tuning.mode = (DcnnMode) (i % 3);
    tuning.criterion = (DcnnCriterion) (i / 3 % 4);
    tuning.threshold = 0.01f * (gfloat) (i % 7);
    tuning.dilation = i % 4;
    tuning.settle = i / 5 % 2;
    tuning.noise_suppression = i / 7 % 2;
    g_assert_true (dcnn_session_set_tuning (session, &tuning, NULL));
    g_thread_yield ();
  }
  return NULL;
}

static void
test_tuning (void)
{
  g_autoptr (DcnnModel) model = new_model (3, TRUE);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
  g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE);
  GThread *thread = g_thread_new ("tune", tune, session);
  DcnnTuning tuning;
  DcnnFrame frame;
  TestVideo video;

  test_video_init (&video, 4, 64, 48);
  for (gint f = 0; f < 150; f++) {
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    test_push_frame (session, 0, &frame);
    test_video_move (&video);
  }
  g_thread_join (thread);
  dcnn_session_get_tuning (session, &tuning);
  tuning.mode = DCNN_MODE_DENSE;
  g_assert_true (dcnn_session_set_tuning (session, &tuning, NULL));
  test_push_frame (session, 0, &frame);
  test_push_frame (dense, 0, &frame);
  g_assert_cmpfloat (difference (session, dense), ==, 0);
  test_video_clear (&video);
}

/* ---- wrong arguments ------------------------------------------------------------- */

static void
assert_refused (gboolean ok, GError **error, const char *word)
{
  g_assert_false (ok);
  g_assert_error (*error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
  g_test_message ("%s", (*error)->message);
  g_assert_nonnull (strstr ((*error)->message, word));
  g_clear_error (error);
}

static void
test_wrong_pushes (void)
{
  g_autoptr (DcnnModel) model = new_model (2, FALSE);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
  g_autoptr (GError) error = NULL;
  DcnnTensor tensor = *dcnn_model_input (model, 0), wrong;
  DcnnFrame frame, bad;
  TestVideo video;

  test_video_init (&video, 4, 64, 48);
  test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
  assert_refused (dcnn_session_push_frame (session, 1, &frame, NULL, &error),
      &error, "stream 1");
  bad = frame, bad.width = 0;
  assert_refused (dcnn_session_push_frame (session, 0, &bad, NULL, &error),
      &error, "0x48");
  bad = frame, bad.height = 32768;
  assert_refused (dcnn_session_push_frame (session, 0, &bad, NULL, &error),
      &error, "64x32768");
  bad = frame, bad.format = DCNN_FORMAT_COUNT;
  assert_refused (dcnn_session_push_frame (session, 0, &bad, NULL, &error),
      &error, "format");
  g_assert_true (dcnn_tensor_alloc (&tensor, &error));
  wrong = tensor, wrong.data = NULL;
  assert_refused (dcnn_session_push_tensors (session, 0, &wrong, 0, NULL,
          &error), &error, "input");
  wrong = tensor, wrong.dims[2]++;
  assert_refused (dcnn_session_push_tensors (session, 0, &wrong, 0, NULL,
          &error), &error, "input");
  wrong = tensor, wrong.dtype = DCNN_DTYPE_F16;
  assert_refused (dcnn_session_push_tensors (session, 0, &wrong, 0, NULL,
          &error), &error, "input");
  test_push_frame (session, 0, &frame); /* none of it did harm */
  dcnn_tensor_free (&tensor);
  test_video_clear (&video);
}

/* A net whose window cannot move says so, and how to get one that can. */
static void
test_wrong_motion (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = NULL;
  g_autoptr (DcnnSession) session = NULL;
  DcnnMotion motion = { 1, 0 };
  DcnnModelSummary summary;
  DcnnValueId v;
  TestNet net;
  DcnnFrame frame;
  TestVideo video;

  test_net_begin (&net, 1, FALSE);
  v = test_net_input (&net, 3, 47, 61);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 4, 3, 2, 1, 1));
  model = test_model_new (net.graph);
  dcnn_model_get_summary (model, &summary);
  g_assert_cmpuint (summary.tile, ==, 0);
  session = new_session (model, DCNN_MODE_AUTO);
  test_video_init (&video, 4, 64, 48);
  test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
  assert_refused (dcnn_session_push_frame (session, 0, &frame, &motion,
          &error), &error, "cannot move");
  test_video_clear (&video);
}

static void
test_wrong_options (void)
{
  g_autoptr (DcnnModel) model = new_model (2, FALSE);
  g_autoptr (GHashTable) table = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GError) error = NULL;
  DcnnSessionOptions options;
  DcnnNodeInfo info;
  gdouble t = 0.1, nan = NAN;

  test_options_init (&options);
  options.streams = 0;
  assert_refused (dcnn_session_new (model, &options, &error) != NULL, &error,
      "0 streams");
  options.streams = 100000;
  assert_refused (dcnn_session_new (model, &options, &error) != NULL, &error,
      "100000 streams");
  test_options_init (&options);
  options.threads = 1000;
  assert_refused (dcnn_session_new (model, &options, &error) != NULL, &error,
      "1000 threads");
  test_options_init (&options);
  dcnn_model_get_node (model, 0, &info);
  g_hash_table_insert (table, (gpointer) info.name, &nan);
  options.thresholds = table;
  assert_refused (dcnn_session_new (model, &options, &error) != NULL, &error,
      "finite");
  g_hash_table_remove_all (table);
  g_hash_table_insert (table, (gpointer) "nobody", &t);
  options.thresholds = table;
  assert_refused (dcnn_session_new (model, &options, &error) != NULL, &error,
      "nobody");
}

static void
test_empty_graph (void)
{
  g_autoptr (GError) error = NULL;
  TestNet net;

  test_net_begin (&net, 1, FALSE);
  test_net_input (&net, 3, 8, 8);
  g_assert_null (dcnn_model_new (net.graph, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_INVALID);
}

/* ---- memory ------------------------------------------------------------------------- */

/* Bytes held over bytes predicted. frame NULL: before any push. */
static gdouble
memory_ratio (DcnnModel *model, guint streams, const DcnnFrame *frame)
{
  g_autoptr (DcnnSession) session = NULL;
  DcnnSessionOptions options;
  DcnnModelSummary summary;

  test_options_init (&options);
  options.threads = 1;
  options.streams = streams;
  session = test_session_new (model, &options);
  for (guint s = 0; frame && s < streams; s++)
    test_push_frame (session, s, frame);
  dcnn_model_get_summary (model, &summary);
  return dcnn_session_get_bytes (session) /
      ((gdouble) streams * summary.state_bytes);
}

static void
test_memory (void)
{
  gdouble low = 1, high = 1;
  DcnnFrame frame;
  TestVideo video;

  test_video_init (&video, 4, 320, 240);
  test_video_draw (&video, DCNN_FORMAT_NV12, FALSE, &frame);
  for (guint64 seed = 1; seed <= 12; seed++) {


    g_autoptr (DcnnModel) model = test_model_new (test_net_sized (seed, FALSE,
        seed % 2, 160, 192));
    for (guint i = 0; i < 4; i++) {
      gdouble ratio = memory_ratio (model, i % 2 ? 4 : 1, i / 2 ? &frame :
          NULL);
      low = MIN (low, ratio);
      high = MAX (high, ratio);
    }
  }
  test_video_clear (&video);
  g_test_message ("held over predicted: %.3f to %.3f", low, high);
  g_assert_cmpfloat (low, >=, 1 / 1.2);
  g_assert_cmpfloat (high, <=, 1.2);
}

/* ---- times -------------------------------------------------------------------------- */

/* A frame's times are parts of it that lie beside each other: together no longer than
 * the push, on a busy machine too. */
/* The least time that frames report for measuring spreads, which are measured
 * in the 1st and the 17th: of these two, and of the other 22. */
static void
check_times (DcnnMode mode, gint64 *measuring_ns, gint64 *none_ns)
{
  g_autoptr (DcnnModel) model = new_model (4, FALSE);
  g_autoptr (DcnnSession) session = new_session (model, mode);
  DcnnFrameStats stats;
  TestVideo video;

  *measuring_ns = *none_ns = G_MAXINT64;
  test_video_init (&video, 4, 64, 48);
  for (guint f = 0; f < 24; f++) {
    gint64 before, *least = f == 0 || f == 16 ? measuring_ns : none_ns;
    DcnnFrame frame;
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    before = g_get_monotonic_time ();
    test_push_frame (session, 0, &frame);
    gint64 took_ns = (g_get_monotonic_time () - before + 1) * 1000;
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_cmpint (stats.input_ns, >=, 0);
    g_assert_cmpint (stats.run_ns, >, 0);
    g_assert_cmpint (stats.spread_ns, <=, stats.run_ns);
    g_assert_cmpint (stats.input_ns + stats.run_ns, <=, took_ns);
    *least = MIN (*least, stats.spread_ns);
    test_video_move (&video);
  }
  test_video_clear (&video);
}

/* Times are parts of one another; spreads are measured where they are used, and
 * what that takes is told. */
static void
test_times (void)
{
  gint64 measuring_ns, none_ns, dense_ns, dense_none_ns;

  check_times (DCNN_MODE_SPARSE, &measuring_ns, &none_ns);
  check_times (DCNN_MODE_DENSE, &dense_ns, &dense_none_ns);
  g_assert_cmpint (measuring_ns, >, 4 * none_ns);
  g_assert_cmpint (measuring_ns, >, 4 * dense_ns);
}

/* Sessions of a model hold its weights once, and give them back. */
static void
test_weights_are_shared (void)
{
  g_autoptr (DcnnModel) model = new_model (4, FALSE);

  for (guint round = 0; round < 2; round++) {
    DcnnSession *a = new_session (model, DCNN_MODE_DENSE);
    DcnnSession *b = new_session (model, DCNN_MODE_DENSE);
    g_assert_cmpuint (model->weights->len, ==, 1);
    g_assert_cmpuint (g_array_index (model->weights, ModelWeights, 0).users, ==,
        2);
    dcnn_session_free (b);
    g_assert_cmpuint (g_array_index (model->weights, ModelWeights, 0).users, ==,
        1);
    dcnn_session_free (a);
  }
}

/* Four bytes a weight and a bias of each channel that comes out; of a group,
 * its own channels alone. */
static void
test_weight_bytes (void)
{
  static const guint want[2] = { 4 * (9 * 3 * 8 + 8), 4 * (9 * 8 * 12 / 4 + 12) };
  g_autoptr (DcnnModel) model = NULL;
  DcnnModelSummary summary;
  DcnnValueId v;
  TestNet net;

  test_net_begin (&net, 1, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 16, 16), 8, 3, 1, 1, 1);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 12, 3, 1, 1, 4));
  model = test_model_new (net.graph);
  for (guint n = 0; n < 2; n++) {
    DcnnNodeInfo info;
    dcnn_model_get_node (model, n, &info);
    g_assert_cmpuint (info.weight_bytes, ==, want[n]);
  }
  dcnn_model_get_summary (model, &summary);
  g_assert_cmpuint (summary.weight_bytes, ==, want[0] + want[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/api/formats", test_formats);
  g_test_add_func ("/engine/api/change", test_change);
  g_test_add_func ("/engine/api/reset", test_reset);
  g_test_add_func ("/engine/api/tuning", test_tuning);
  g_test_add_func ("/engine/api/wrong-pushes", test_wrong_pushes);
  g_test_add_func ("/engine/api/wrong-motion", test_wrong_motion);
  g_test_add_func ("/engine/api/wrong-options", test_wrong_options);
  g_test_add_func ("/engine/api/empty-graph", test_empty_graph);
  g_test_add_func ("/engine/api/memory", test_memory);
  g_test_add_func ("/engine/api/weight-bytes", test_weight_bytes);
  g_test_add_func ("/engine/api/times", test_times);
  g_test_add_func ("/engine/api/weights-are-shared", test_weights_are_shared);
  return g_test_run ();
}
