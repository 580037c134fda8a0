/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * analytics.c - what upstream's elements find on deltacnn's buffers: boxes
 * related to their classes (GStreamer 1.24), masks by region and tensors by id
 * (1.26).
 */
#include "fixture.h"

#include <gst/analytics/analytics.h>

#define SIZE 32

static GstAnalyticsRelationMeta *
relations_of (GstBuffer * buffer)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);

  fail_unless (relations != NULL);
  return relations;
}

GST_START_TEST (test_box_is_related_to_its_class)
{
  GstAnalyticsRelationMeta *relations;
  GstAnalyticsODMtd box;
  GstAnalyticsMtd class, other;
  gpointer state = NULL;
  gint x, y, w, h;
  gfloat score, confidence;
  GstBuffer *out;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_BOXES, SIZE, SIZE);
  g_free (tiny_model_write (f.dir, "model", TINY_BOXES, SIZE, SIZE,
          "[labels]\nlist=cat;dog\n"));
  fixture_play (&f, "RGB", SIZE, SIZE);
  out = fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 0, 8, 8, 8, 255));
  relations = relations_of (out);
  fail_unless (gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_od_mtd_get_mtd_type (), &box));
  fail_unless (g_quark_from_string ("dog") ==
      gst_analytics_od_mtd_get_obj_type (&box));
  fail_unless (gst_analytics_od_mtd_get_location (&box, &x, &y, &w, &h,
          &score));
  fail_unless (score > 0.9 && ABS (w - SIZE / 2) <= 2);
  fail_unless (gst_analytics_relation_meta_get_direct_related (relations,
          box.id, GST_ANALYTICS_REL_TYPE_RELATE_TO,
          gst_analytics_cls_mtd_get_mtd_type (), NULL, &class));
  fail_unless (gst_analytics_cls_mtd_get_quark (&class, 0) ==
      g_quark_from_string ("dog"));
  confidence = gst_analytics_cls_mtd_get_level (&class, 0);
  fail_unless (confidence == score);
  fail_unless (gst_analytics_relation_meta_exist (relations, class.id, box.id,
          1, GST_ANALYTICS_REL_TYPE_RELATE_TO, NULL), "only one way");
  /* one box and one class, and no other */
  fail_unless (!gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_od_mtd_get_mtd_type (), &box));
  state = NULL;
  fail_unless (gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_cls_mtd_get_mtd_type (), &other));
  fail_unless_equals_int (other.id, class.id);
  fail_unless (!gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_cls_mtd_get_mtd_type (), &other));
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* Key points have no upstream meta: a box around them. */
GST_START_TEST (test_pose_is_a_box)
{
  GstAnalyticsODMtd box;
  gpointer state = NULL;
  gint x, y, w, h;
  gfloat score;
  GstBuffer *out;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_POSE, SIZE, SIZE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  /* all three key points in one cell of 8x8 */
  out = fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 0, 8, 16, 8, 255));
  fail_unless (gst_buffer_get_delta_cnn_pose_meta (out) != NULL);
  fail_unless (gst_analytics_relation_meta_iterate (relations_of (out),
          &state, gst_analytics_od_mtd_get_mtd_type (), &box));
  fail_unless (gst_analytics_od_mtd_get_obj_type (&box) ==
      g_quark_from_string ("person"));
  fail_unless (gst_analytics_od_mtd_get_location (&box, &x, &y, &w, &h,
          &score));
  fail_unless (x >= 6 && x <= 14 && y >= 14 && y <= 22, "at %d, %d", x, y);
  fail_unless (w <= 1 && h <= 1 && score > 0.9);
  gst_buffer_unref (out);

  /* looked, and saw nobody */
  out = fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 0, 0, 0, 0, 0));
  state = NULL;
  fail_unless (!gst_analytics_relation_meta_iterate (relations_of (out),
          &state, gst_analytics_od_mtd_get_mtd_type (), &box));
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* A bright square in frame n of 25 a second. */
static GstBuffer *
square (guint n)
{
  GstBuffer *buffer = picture_new ("RGB", SIZE, SIZE, 0, 8, 8, 16, 255);

  GST_BUFFER_PTS (buffer) = n * 40 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 40 * GST_MSECOND;
  return buffer;
}

static gboolean
tells_upstream (GstBuffer * buffer)
{
#if GST_CHECK_VERSION (1, 26, 0)
  if (gst_buffer_get_tensor_meta (buffer))
    return TRUE;
#endif
  return gst_buffer_get_analytics_relation_meta (buffer) != NULL;
}

/* What passes without being run carries the last results in our metas, which
 * say so. Upstream's cannot: nothing there, whatever the model looks for and
 * why it was not run. */
GST_START_TEST (test_nothing_stale)
{
  static const TinyKind kinds[] = { TINY_BOXES, TINY_POSE, TINY_MASK,
    TINY_LABEL
  };

  for (guint why = 0; why < 3; why++) {
    GstBuffer *in = square (1), *out;
    Fixture f;

    fixture_init (&f);
    fixture_model (&f, kinds[__i__], kinds[__i__] == TINY_LABEL ? 8 : SIZE,
        kinds[__i__] == TINY_LABEL ? 8 : SIZE);
    gst_util_set_object_arg (G_OBJECT (f.element), "attach", "segmentation+"
        "poses+detections+classes+stats+tensors+analytics");
    fixture_play (&f, "RGB", SIZE, SIZE);
    out = fixture_run (&f, square (0));
    fail_unless (!buffer_stats (out)->stale && tells_upstream (out));
    gst_buffer_unref (out);

    if (why == 0) {
      GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_GAP);
    } else if (why == 1) {
      gst_buffer_set_size (in, 100);
    } else {
      fail_unless (gst_harness_push_upstream_event (f.harness,
              gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0,
                  40 * GST_MSECOND, 40 * GST_MSECOND)));
    }
    out = fixture_run (&f, in);
    fail_unless (buffer_stats (out)->stale);
    fail_unless (!tells_upstream (out), "kind %d, reason %u", __i__, why);
    gst_buffer_unref (out);

    out = fixture_run (&f, square (40));
    fail_unless (!buffer_stats (out)->stale && tells_upstream (out));
    gst_buffer_unref (out);
    fixture_clear (&f);
  }
}

GST_END_TEST;

#if GST_CHECK_VERSION (1, 26, 0)
/* Behind the net that ships: background and person, over the whole frame. */
GST_START_TEST (test_shipped_net)
{
  GstAnalyticsSegmentationMtd mask;
  gpointer state = NULL;
  gint x, y;
  guint w, h;
  GstBuffer *out, *pixels;
  Fixture f;

  fixture_init (&f);
  g_object_set (f.element, "model", g_getenv ("DELTACNN_TEST_NET"),
      "input-width", 96, "input-height", 64, NULL);
  fixture_play (&f, "RGB", 96, 64);
  out = fixture_run (&f, picture_new ("RGB", 96, 64, 90, 30, 10, 40, 200));
  fail_unless (gst_analytics_relation_meta_iterate (relations_of (out),
          &state, gst_analytics_segmentation_mtd_get_mtd_type (), &mask));
  pixels = gst_analytics_segmentation_mtd_get_mask (&mask, &x, &y, &w, &h);
  fail_unless (x == 0 && y == 0 && w == 96 && h == 64);
  fail_unless_equals_int (gst_analytics_segmentation_mtd_get_region_count
      (&mask), 2);
  gst_buffer_unref (pixels);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_mask_has_regions)
{
  GstAnalyticsRelationMeta *relations;
  GstAnalyticsSegmentationMtd mask;
  gpointer state = NULL;
  GstVideoMeta *grid;
  GstMapInfo map;
  gsize n_regions;
  gint x, y;
  guint w, h;
  GstBuffer *out, *pixels;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, "RGB", 2 * SIZE, 2 * SIZE);
  out = fixture_run (&f, picture_new ("RGB", 2 * SIZE, 2 * SIZE, 30, 16, 16,
          16, 220));
  relations = relations_of (out);
  fail_unless (gst_analytics_relation_meta_iterate (relations, &state,
          gst_analytics_segmentation_mtd_get_mtd_type (), &mask));
  pixels = gst_analytics_segmentation_mtd_get_mask (&mask, &x, &y, &w, &h);
  fail_unless (x == 0 && y == 0 && w == 2 * SIZE && h == 2 * SIZE);
  n_regions = gst_analytics_segmentation_mtd_get_region_count (&mask);
  fail_unless_equals_int (n_regions, 2);
  fail_unless_equals_int (gst_analytics_segmentation_mtd_get_region_id (&mask,
          1), 1);
  grid = gst_buffer_get_video_meta (pixels);
  fail_unless (grid->format == GST_VIDEO_FORMAT_GRAY8);
  fail_unless (grid->width == SIZE && grid->stride[0] == SIZE);
  fail_unless (gst_buffer_map (pixels, &map, GST_MAP_READ));
  fail_unless_equals_int (map.data[12 * SIZE + 12], 1);
  fail_unless_equals_int (map.data[4 * SIZE + 4], 0);
  gst_buffer_unmap (pixels, &map);
  gst_buffer_unref (pixels);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* A frame twice as wide as high has bars above and below in the network's square
 * input, which are not the frame's: the mask is what lies between them. A tall
 * one has them at its sides. */
GST_START_TEST (test_mask_ends_with_the_frame)
{
  const guint width = (__i__ ? 2 : 4) * SIZE, height = (__i__ ? 4 : 2) * SIZE;
  const guint columns = width / 4, rows = height / 4;
  GstAnalyticsSegmentationMtd mask;
  gpointer state = NULL;
  GstVideoMeta *grid;
  GstMapInfo map;
  gint x, y;
  guint w, h;
  GstBuffer *out, *pixels;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, "RGB", width, height);
  /* cells of 4x4 pixels: a square of 4x4 cells at the right border, bottom */
  out = fixture_run (&f, picture_new ("RGB", width, height, 0, width - 16,
          height - 16, 16, 255));
  fail_unless (gst_analytics_relation_meta_iterate (relations_of (out),
          &state, gst_analytics_segmentation_mtd_get_mtd_type (), &mask));
  pixels = gst_analytics_segmentation_mtd_get_mask (&mask, &x, &y, &w, &h);
  fail_unless (x == 0 && y == 0 && w == width && h == height);
  grid = gst_buffer_get_video_meta (pixels);
  fail_unless (grid->width == columns && grid->height == rows);
  fail_unless (gst_buffer_map (pixels, &map, GST_MAP_READ));
  fail_unless (map.size == columns * rows);
  for (guint row = 0; row < rows; row++)
    for (guint column = 0; column < columns; column++) {
      const gboolean inner = row > rows - 4 && column > columns - 4;
      const gboolean outer = row >= rows - 5 && column >= columns - 5;

      if (inner || !outer)
        fail_unless_equals_int (map.data[row * columns + column], inner);
    }
  gst_buffer_unmap (pixels, &map);
  gst_buffer_unref (pixels);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* Under the descriptor's id where it gives one, else under the name. */
GST_START_TEST (test_tensors_have_ids)
{
  const gboolean named = __i__;
  GstTensorMeta *meta;
  const GstTensor *tensor;
  GstMapInfo map;
  GstBuffer *out;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_LABEL, 8, 8);
  if (named)
    g_free (tiny_model_write (f.dir, "model", TINY_LABEL, 8, 8,
            "id=colour-means\n"));
  gst_util_set_object_arg (G_OBJECT (f.element), "attach",
      "tensors+analytics");
  fixture_play (&f, "RGB", 8, 8);
  out = fixture_run (&f, picture_new_color ("RGB", 8, 8, 255, 51, 0));
  meta = gst_buffer_get_tensor_meta (out);
  fail_unless (meta != NULL && meta->num_tensors == 1);
  fail_unless_equals_int (gst_tensor_meta_get_index_from_id (meta,
          g_quark_from_string (named ? "colour-means" : "result")), 0);
  tensor = gst_tensor_meta_get (meta, 0);
  fail_unless (tensor->data_type == GST_TENSOR_DATA_TYPE_FLOAT32);
  fail_unless (tensor->dims_order == GST_TENSOR_DIM_ORDER_ROW_MAJOR);
  fail_unless (tensor->num_dims == 4 && tensor->dims[1] == 3);
  fail_unless (gst_buffer_map (tensor->data, &map, GST_MAP_READ));
  fail_unless_equals_int (map.size, 3 * sizeof (gfloat));
  fail_unless (ABS (((const gfloat *) map.data)[1] - 0.2f) < 1e-5);
  gst_buffer_unmap (tensor->data, &map);
  gst_buffer_unref (out);

  /* not asked for */
  gst_util_set_object_arg (G_OBJECT (f.element), "attach", "analytics");
  out = fixture_run (&f, picture_new_color ("RGB", 8, 8, 0, 51, 0));
  fail_unless (gst_buffer_get_tensor_meta (out) == NULL);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;
#endif

static Suite *
analytics_suite (void)
{
  Suite *suite = suite_create ("analytics");
  TCase *tests = tcase_create ("upstream");

  fixture_load_plugin ();
  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_box_is_related_to_its_class);
  tcase_add_test (tests, test_pose_is_a_box);
  tcase_add_loop_test (tests, test_nothing_stale, 0, 4);
#if GST_CHECK_VERSION (1, 26, 0)
  tcase_add_test (tests, test_shipped_net);
  tcase_add_test (tests, test_mask_has_regions);
  tcase_add_loop_test (tests, test_mask_ends_with_the_frame, 0, 2);
  tcase_add_loop_test (tests, test_tensors_have_ids, 0, 2);
#endif
  return suite;
}

GST_CHECK_MAIN (analytics);
