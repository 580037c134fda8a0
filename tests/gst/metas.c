/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * metas.c - the metas by themselves: accessors, copies, and how they follow
 * the picture through videoscale, videoconvert and videocrop.
 */
#include "fixture.h"

#include <string.h>

static GQuark
source (void)
{
  return g_quark_from_static_string ("test");
}

/* A buffer that carries one of each. */
static void
add_all (GstBuffer * buffer)
{
  static const guint8 edges[] = { 0, 1 };
  static const gint64 dims[] = { 1, 2 };
  static const gfloat values[] = { 1, 2 };
  const GstDeltaCnnDetection box = { 10, 20, 30, 40, 0.5f, 3, 0 };
  const GstDeltaCnnKeypoint points[2] = { {8, 6, 1}, {16, 12, 0.5f} };
  const guint64 words[2] = { 1, G_GUINT64_CONSTANT (1) << 63 };
  g_autoptr (GBytes) edge_bytes = g_bytes_new (edges, 2);
  g_autoptr (GBytes) tensor_bytes = g_bytes_new (values, sizeof values);
  g_autoptr (GBytes) mask_bytes = g_bytes_new ("\1\2\3\4\5\6", 6);
  g_autoptr (GBytes) word_bytes = g_bytes_new (words, sizeof words);
  GstDeltaCnnClassMeta *classes;
  GstDeltaCnnSegmentationMeta *mask;
  GstDeltaCnnUpdateMeta *updates;
  const GstDeltaCnnMotionTrack track = { 1, 2, 3, 4, TRUE };
  GstDeltaCnnMotionMeta *motion;
  GstDeltaCnnPoseMeta *poses;

  gst_delta_cnn_detection_meta_append
      (gst_buffer_add_delta_cnn_detection_meta (buffer, source ()), &box);
  classes = gst_buffer_add_delta_cnn_class_meta (buffer, source ());
  gst_delta_cnn_class_meta_append (classes, 7, 0.75f, 0);
  gst_delta_cnn_class_meta_append (classes, 9, 0.25f,
      g_quark_from_static_string ("dog"));
  classes->stale = TRUE;
  poses = gst_buffer_add_delta_cnn_pose_meta (buffer, source (), edge_bytes);
  gst_delta_cnn_pose_meta_append (poses, 0.9f, points, 2);
  poses->stale = TRUE;
  mask = gst_buffer_add_delta_cnn_segmentation_meta (buffer, source (), 3, 2,
      7, mask_bytes);
  gst_delta_cnn_segmentation_meta_set_rectangle (mask, 4, 8, 60, 40);
  updates = gst_buffer_add_delta_cnn_update_meta (buffer, source (), 16, 8,
      word_bytes);
  gst_delta_cnn_update_meta_set_rectangle (updates, 0, -8, 80, 64);
  gst_delta_cnn_tensor_meta_append (gst_buffer_add_delta_cnn_tensor_meta
      (buffer, source ()), "scores", GST_DELTA_CNN_TENSOR_FLOAT32, 2, dims,
      tensor_bytes);
  gst_buffer_add_delta_cnn_stats_meta (buffer, source ())->mac_share = 0.25;
  gst_buffer_add_delta_cnn_picture_meta (buffer, source (), 3, 2, 1,
      mask_bytes);
  motion = gst_buffer_add_delta_cnn_motion_meta (buffer,
      GST_DELTA_CNN_MOTION_ALIGNED, 3, -4);
  motion->matrix[2] = 12;
  motion->matrix[6] = 0.001;
  fail_unless (motion->remainder_x == 0 && motion->remainder_y == 0);
  motion->remainder_x = 0.5;
  motion->error = 0.25;
  motion->reference = 5;
  gst_delta_cnn_motion_meta_set_window (motion, -8, 4, 96, 64);
  gst_delta_cnn_motion_meta_append_track (motion, &track);
}

/* Checks all of add_all(), with the picture scaled by sx, sy. */
static void
check_all (GstBuffer * buffer, gfloat sx, gfloat sy)
{
  GstDeltaCnnDetection box;
  GstDeltaCnnKeypoint point;
  const gchar *label;
  gfloat score;
  gint class_id;
  guint from, to;
  const GstDeltaCnnClassMeta *classes =
      gst_buffer_get_delta_cnn_class_meta (buffer);
  const GstDeltaCnnPoseMeta *poses =
      gst_buffer_get_delta_cnn_pose_meta (buffer);
  const GstDeltaCnnSegmentationMeta *mask =
      gst_buffer_get_delta_cnn_segmentation_meta (buffer);
  const GstDeltaCnnUpdateMeta *updates =
      gst_buffer_get_delta_cnn_update_meta (buffer);
  const GstDeltaCnnTensorMeta *tensors =
      gst_buffer_get_delta_cnn_tensor_meta (buffer);
  const GstDeltaCnnMotionMeta *motion =
      gst_buffer_get_delta_cnn_motion_meta (buffer);
  const GstDeltaCnnTensor *tensor;
  GstDeltaCnnMotionTrack track;
  gdouble x, y;

  fail_unless (gst_buffer_get_delta_cnn_detection_meta (buffer) != NULL);
  fail_unless (gst_delta_cnn_detection_meta_get_detection
      (gst_buffer_get_delta_cnn_detection_meta (buffer), 0, &box));
  fail_unless_equals_float (box.x, 10 * sx);
  fail_unless_equals_float (box.height, 40 * sy);
  fail_unless_equals_int (box.class_id, 3);

  fail_unless (classes != NULL && classes->stale);
  fail_unless_equals_int (gst_delta_cnn_class_meta_get_n_classes (classes), 2);
  fail_unless (gst_delta_cnn_class_meta_get_class (classes, 1, &class_id,
          &score, &label));
  fail_unless (class_id == 9 && score == 0.25f && g_str_equal (label, "dog"));
  fail_unless (!gst_delta_cnn_class_meta_get_class (classes, 2, &class_id,
          &score, &label));

  fail_unless (poses != NULL && poses->stale);
  fail_unless (gst_delta_cnn_pose_meta_get_keypoint (poses, 0, 1, &point));
  fail_unless_equals_float (point.x, 16 * sx);
  fail_unless_equals_float (point.y, 12 * sy);
  fail_unless (gst_delta_cnn_pose_meta_get_edge (poses, 0, &from, &to));
  fail_unless (from == 0 && to == 1);
  fail_unless (!gst_delta_cnn_pose_meta_get_edge (poses, 1, &from, &to));
  fail_unless_equals_int (gst_delta_cnn_pose_meta_get_n_edges (poses), 1);

  fail_unless (mask != NULL && mask->n_classes == 7);
  fail_unless_equals_int (gst_delta_cnn_segmentation_meta_get_value (mask,
          14 * sx, 18 * sy), 1);
  fail_unless_equals_int (gst_delta_cnn_segmentation_meta_get_value (mask,
          63 * sx, 47 * sy), 6);
  fail_unless_equals_int (gst_delta_cnn_segmentation_meta_get_value (mask,
          65 * sx, 47 * sy), 0);

  fail_unless (updates != NULL);
  fail_unless_equals_float (updates->y, -8 * sy);
  fail_unless (gst_delta_cnn_update_meta_get_pixel (updates, 0, 0));
  fail_unless (gst_delta_cnn_update_meta_get_pixel (updates, 15, 7));
  fail_unless (!gst_delta_cnn_update_meta_get_pixel (updates, 1, 0));
  fail_unless (!gst_delta_cnn_update_meta_get_pixel (updates, 16, 7));
  fail_unless_equals_uint64 (gst_delta_cnn_update_meta_count (updates), 2);

  fail_unless (tensors != NULL);
  tensor = gst_delta_cnn_tensor_meta_find_tensor (tensors, "scores");
  fail_unless (tensor != NULL);
  fail_unless (tensor == gst_delta_cnn_tensor_meta_get_tensor (tensors, 0));
  fail_unless (gst_delta_cnn_tensor_meta_get_tensor (tensors, 1) == NULL);
  fail_unless (gst_delta_cnn_tensor_meta_find_tensor (tensors, "no") == NULL);
  fail_unless (tensor->dims[1] == 2);
  fail_unless (((const gfloat *) g_bytes_get_data (tensor->data, NULL))[1]
      == 2);
  fail_unless (buffer_stats (buffer)->mac_share == 0.25);

  fail_unless (motion != NULL && motion->tile_x == 3 && motion->tile_y == -4);
  fail_unless (ABS (motion->matrix[2] - 12 * sx) < 1e-9);
  fail_unless (ABS (motion->matrix[6] - 0.001 / sx) < 1e-9);
  fail_unless (motion->flags == GST_DELTA_CNN_MOTION_TILES);
  fail_unless (motion->reference == 5 && motion->remainder_x == 0.5);
  fail_unless (motion->remainder_y == 0);
  fail_unless (ABS (motion->error - 0.25 * 0.5 * (sx + sy)) < 1e-6);
  fail_unless (motion->window_x == -8 * sx && motion->window_height == 64 * sy);
  fail_unless_equals_int (gst_delta_cnn_motion_meta_get_n_tracks (motion), 1);
  fail_unless (gst_delta_cnn_motion_meta_get_track (motion, 0, &track));
  fail_unless (track.inlier && track.from_x == sx && track.y == 4 * sy);
  fail_unless (!gst_delta_cnn_motion_meta_get_track (motion, 1, &track));
  /* (20, 10) goes to (32, 10) / 1.02, and back. */
  fail_unless (gst_delta_cnn_motion_meta_map (motion, 20 * sx, 10 * sy, &x,
          &y));
  fail_unless (ABS (x - 32 / 1.02 * sx) < 1e-5 && ABS (y - 10 / 1.02 * sy) <
      1e-5);
  fail_unless (gst_delta_cnn_motion_meta_map_back (motion, x, y, &x, &y));
  fail_unless (ABS (x - 20 * sx) < 1e-5 && ABS (y - 10 * sy) < 1e-5);
}

/* What a matrix tells, and what it cannot. */
GST_START_TEST (test_motion_by_matrix)
{
  static const gdouble flat[9] = { 1, 2, 3, 2, 4, 6, 0, 0, 1 };
  static const gdouble tilted[9] = { 1, 0, 0, 0, 1, 0, -0.01, 0, 1 };
  GstBuffer *buffer = picture_new ("RGB", 80, 60, 0, 0, 0, 0, 0);
  GstDeltaCnnMotionMeta *motion =
      gst_buffer_add_delta_cnn_motion_meta_matrix (buffer,
      GST_DELTA_CNN_MOTION_ALIGNED, 7, flat);
  gdouble x, y;

  fail_unless (motion->flags == GST_DELTA_CNN_MOTION_MATRIX);
  fail_unless (motion->reference == 7 && motion->matrix[4] == 4);
  fail_unless (!gst_delta_cnn_motion_meta_map_back (motion, 1, 1, &x, &y));
  gst_delta_cnn_motion_meta_set_matrix (motion, tilted);
  fail_unless (!gst_delta_cnn_motion_meta_map (motion, 200, 0, &x, &y));
  fail_unless (x == 0 && y == 0);
  motion = gst_buffer_add_delta_cnn_motion_meta (buffer,
      GST_DELTA_CNN_MOTION_ALIGNED, 0, 1);
  fail_unless (motion->flags == GST_DELTA_CNN_MOTION_TILES);
  gst_delta_cnn_motion_meta_set_matrix (motion, tilted);
  fail_unless (motion->flags == (GST_DELTA_CNN_MOTION_TILES |
          GST_DELTA_CNN_MOTION_MATRIX));
  gst_buffer_unref (buffer);
}
GST_END_TEST

/* Values are of the picture as a whole: no scaling changes them. */
GST_START_TEST (test_values)
{
  static const gchar *const wanted[] = { "yaw", "pitch" };
  GstBuffer *buffer = picture_new ("RGB", 80, 60, 0, 0, 0, 0, 0), *copy;
  GstDeltaCnnValueMeta *values =
      gst_buffer_add_delta_cnn_value_meta (buffer, source ());

  fail_unless (values != NULL && !values->stale);
  for (guint i = 0; i < 2; i++) {
    const gfloat value = 0.5f + i;
    const GQuark name = g_quark_from_static_string (wanted[i]);
    g_array_append_val (values->values, value);
    g_array_append_val (values->names, name);
  }
  for (guint stale = 0; stale < 2; stale++) {
    const GstDeltaCnnValueMeta *found;
    const gchar *name;
    gfloat value;
    values->stale = stale;
    copy = gst_buffer_copy (buffer);
    found = gst_buffer_get_delta_cnn_value_meta (copy);
    fail_unless (found != NULL && found->stale == (gboolean) stale);
    for (guint i = 0; i < 2; i++) {
      fail_unless (gst_delta_cnn_value_meta_get_value (found, i, &value,
              &name));
      fail_unless_equals_float (value, 0.5f + i);
      fail_unless_equals_string (name, wanted[i]);
    }
    fail_unless (!gst_delta_cnn_value_meta_get_value (found, 2, &value, &name));
    gst_buffer_unref (copy);
  }
  gst_buffer_unref (buffer);
}
GST_END_TEST

GST_START_TEST (test_copies)
{
  GstBuffer *buffer = picture_new ("RGB", 80, 60, 0, 0, 0, 0, 0);
  GstBuffer *copy, *part;

  add_all (buffer);
  check_all (buffer, 1, 1);
  copy = gst_buffer_copy (buffer);
  gst_buffer_unref (buffer);
  check_all (copy, 1, 1);
  buffer = gst_buffer_copy_deep (copy);
  check_all (buffer, 1, 1);
  gst_buffer_unref (buffer);
  /* A part of the bytes is not the picture. */
  part = gst_buffer_copy_region (copy, GST_BUFFER_COPY_ALL, 0, 100);
  fail_unless (gst_buffer_get_delta_cnn_pose_meta (part) == NULL);
  fail_unless (gst_buffer_get_delta_cnn_picture_meta (part) == NULL);
  gst_buffer_unref (part);
  gst_buffer_unref (copy);
}

GST_END_TEST;

static GstBuffer *
through (const gchar * launch, const gchar * out_caps)
{
  GstHarness *h = gst_harness_new_parse (launch);
  GstBuffer *in = picture_new ("RGB", 80, 60, 0, 0, 0, 0, 0), *out;

  add_all (in);
  gst_harness_set_caps_str (h,
      "video/x-raw,format=RGB,width=80,height=60,framerate=25/1", out_caps);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (out != NULL);
  gst_harness_teardown (h);
  return out;
}

GST_START_TEST (test_videoscale_scales)
{
  GstBuffer *out = through ("videoscale",
      "video/x-raw,format=RGB,width=160,height=90,framerate=25/1");

  check_all (out, 2, 1.5f);
  gst_buffer_unref (out);
}

GST_END_TEST;

GST_START_TEST (test_videoconvert_keeps)
{
  GstBuffer *out = through ("videoconvert",
      "video/x-raw,format=NV12,width=80,height=60,framerate=25/1");

  check_all (out, 1, 1);
  gst_buffer_unref (out);
}

GST_END_TEST;

GST_START_TEST (test_what_turns_the_picture_drops)
{
  GstBuffer *out = through ("videoflip video-direction=180",
      "video/x-raw,format=RGB,width=80,height=60,framerate=25/1");
  const GstDeltaCnnPoseMeta *poses = gst_buffer_get_delta_cnn_pose_meta (out);

  /* videoflip knows nothing of our coordinates; wrong ones are worse than
   * none. */
  fail_unless (poses == NULL, "coordinates of the picture before it was "
      "turned are still there");
  fail_unless (gst_buffer_get_delta_cnn_picture_meta (out) == NULL);
  gst_buffer_unref (out);
}

GST_END_TEST;

/* As they are made: not stale, found by nobody's name too, and with nothing
 * behind the last. */
GST_START_TEST (test_fresh)
{
  GstBuffer *buffer = picture_new ("RGB", 80, 60, 0, 0, 0, 0, 0);
  g_autoptr (GBytes) bytes = g_bytes_new ("abcd", 4);
  const GstDeltaCnnDetection box = { 0 };
  GstDeltaCnnDetection found;
  GstDeltaCnnDetectionMeta *boxes =
      gst_buffer_add_delta_cnn_detection_meta (buffer, source ());

  gst_delta_cnn_detection_meta_append (boxes, &box);
  fail_unless (gst_delta_cnn_detection_meta_get_detection (boxes, 0, &found));
  fail_if (gst_delta_cnn_detection_meta_get_detection (boxes, 1, &found));
  fail_if (gst_buffer_add_delta_cnn_segmentation_meta (buffer, source (), 2, 2,
          1, bytes)->stale);
  fail_unless (gst_buffer_get_delta_cnn_detection_meta_by_source (buffer,
          g_quark_to_string (source ())) == boxes);
  fail_unless (gst_buffer_get_delta_cnn_detection_meta_by_source (buffer,
          "nobody") == NULL);
  fail_unless (gst_buffer_get_delta_cnn_detection_meta (buffer) == boxes);
  gst_buffer_unref (buffer);
}

GST_END_TEST;

static void
count_critical (const gchar * domain, GLogLevelFlags level,
    const gchar * message, gpointer count)
{
  ++*(guint *) count;
}

GST_START_TEST (test_bad_arguments)
{
  GstBuffer *buffer = gst_buffer_new ();
  g_autoptr (GBytes) bytes = g_bytes_new ("abc", 3);

  const GLogLevelFlags fatal =
      g_log_set_fatal_mask ("deltacnn", G_LOG_FATAL_MASK);
  guint count = 0, handler;

  handler = g_log_set_handler ("deltacnn", G_LOG_LEVEL_CRITICAL,
      count_critical, &count);
  fail_unless (gst_buffer_add_delta_cnn_segmentation_meta (buffer, 0, 2, 2, 1,
          bytes) == NULL);
  fail_unless (gst_buffer_add_delta_cnn_update_meta (buffer, 0, 9, 9, bytes)
      == NULL);
  g_log_remove_handler ("deltacnn", handler);
  g_log_set_fatal_mask ("deltacnn", fatal);
  fail_unless_equals_int (count, 2);
  gst_buffer_unref (buffer);
}

GST_END_TEST;

static Suite *
metas_suite (void)
{
  Suite *suite = suite_create ("metas");
  TCase *tcase = tcase_create ("metas");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_copies);
  tcase_add_test (tcase, test_values);
  tcase_add_test (tcase, test_motion_by_matrix);
  tcase_add_test (tcase, test_videoscale_scales);
  tcase_add_test (tcase, test_videoconvert_keeps);
  tcase_add_test (tcase, test_what_turns_the_picture_drops);
  tcase_add_test (tcase, test_fresh);
  tcase_add_test (tcase, test_bad_arguments);
  return suite;
}

GST_CHECK_MAIN (metas);
