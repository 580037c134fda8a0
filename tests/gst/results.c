/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * results.c - what deltacnn attaches and writes: masks, boxes, poses, tensors,
 * update mask, regions of interest; for every format.
 */
#include "dcnn_stabilizer.h"
#include "fixture.h"

#include <string.h>

#define SIZE 32

static const gchar *const formats[] = { "NV12", "I420", "RGB", "BGR", "RGBx",
  "BGRx", "RGBA", "BGRA", "GRAY8"
};

GST_START_TEST (test_mask_in_every_format)
{
  const gchar *format = formats[__i__];
  const GstDeltaCnnSegmentationMeta *mask;
  const GstDeltaCnnUpdateMeta *updates;
  GstBuffer *out;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, format, 2 * SIZE, 2 * SIZE);
  out = fixture_run (&f, picture_new (format, 2 * SIZE, 2 * SIZE, 30, 16, 16,
          16, 220));
  mask = gst_buffer_get_delta_cnn_segmentation_meta (out);
  fail_unless (mask != NULL);
  fail_unless_equals_int (mask->width, SIZE);
  fail_unless_equals_int (mask->n_classes, 1);
  fail_unless (mask->w == 2 * SIZE && mask->h == 2 * SIZE);
  fail_unless (!mask->stale);
  fail_unless_equals_string (g_quark_to_string (mask->source), "delta");
  fail_unless (gst_delta_cnn_segmentation_meta_get_value (mask, 24, 24) > 250);
  fail_unless (gst_delta_cnn_segmentation_meta_get_value (mask, 8, 8) < 5);
  fail_unless (gst_delta_cnn_segmentation_meta_get_value (mask, -1, 8) == 0);
  updates = gst_buffer_get_delta_cnn_update_meta (out);
  fail_unless (updates != NULL);
  fail_unless_equals_uint64 (gst_delta_cnn_update_meta_count (updates),
      SIZE * SIZE);
  fail_unless (updates->w == 2 * SIZE);
  gst_buffer_unref (out);

  /* One cell of the network's input changes. */
  out = fixture_run (&f, picture_new (format, 2 * SIZE, 2 * SIZE, 30, 16, 16,
          16, 220));
  updates = gst_buffer_get_delta_cnn_update_meta (out);
  fail_unless_equals_uint64 (gst_delta_cnn_update_meta_count (updates), 0);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_colours_arrive_in_order)
{
  const gchar *format = formats[__i__];
  const gboolean gray = g_str_equal (format, "GRAY8");
  static const guint8 colours[3][3] = { {220, 30, 30}, {30, 220, 30},
  {30, 30, 220}
  };
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_CLASSES, SIZE, SIZE);
  fixture_play (&f, format, SIZE, SIZE);
  for (guint c = 0; c < 3 && !gray; c++) {
    GstBuffer *out = fixture_run (&f, picture_new_color (format, SIZE, SIZE,
            colours[c][0], colours[c][1], colours[c][2]));
    const GstDeltaCnnSegmentationMeta *mask =
        gst_buffer_get_delta_cnn_segmentation_meta (out);

    fail_unless_equals_int (mask->n_classes, 3);
    fail_unless_equals_int (gst_delta_cnn_segmentation_meta_get_value (mask,
            16, 16), c);
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_channel_order_and_scale)
{
  Fixture f;
  GstBuffer *out;

  fixture_init (&f);
  fixture_model (&f, TINY_CLASSES, SIZE, SIZE);
  gst_util_set_object_arg (G_OBJECT (f.element), "channel-order", "bgr");
  g_object_set (f.element, "attach", 0x1, "mean", "10,20,30", "scale", "0.5",
      NULL);
  fixture_play (&f, "RGB", SIZE, SIZE);
  out = fixture_run (&f, picture_new_color ("RGB", SIZE, SIZE, 100, 150, 200));
  {
    const GstDeltaCnnTensorMeta *meta =
        gst_buffer_get_delta_cnn_tensor_meta (out);
    const GstDeltaCnnTensor *tensor =
        gst_delta_cnn_tensor_meta_find_tensor (meta, "result");
    const gfloat *data;

    fail_unless (tensor != NULL);
    fail_unless_equals_int (tensor->type, GST_DELTA_CNN_TENSOR_FLOAT32);
    fail_unless_equals_int (tensor->n_dims, 4);
    fail_unless (tensor->dims[1] == 3 && tensor->dims[3] == SIZE);
    data = g_bytes_get_data (tensor->data, NULL);
    data += SIZE * 16 + 16;
    fail_unless_equals_float (data[0], (200 - 10) * 0.5f);
    fail_unless_equals_float (data[SIZE * SIZE], (150 - 20) * 0.5f);
    fail_unless_equals_float (data[2 * SIZE * SIZE], (100 - 30) * 0.5f);
  }
  fail_unless (gst_buffer_get_delta_cnn_segmentation_meta (out) == NULL);
  fail_unless (gst_buffer_get_delta_cnn_stats_meta (out) == NULL);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* A bright cell at (16, 8) of a picture of twice the network's size. */
static GstBuffer *
bright_cell (void)
{
  return picture_new ("RGB", 2 * SIZE, 2 * SIZE, 0, 32, 16, 16, 255);
}

GST_START_TEST (test_boxes)
{
  Fixture f;
  GstBuffer *out;
  GstDeltaCnnDetection box;
  const GstDeltaCnnDetectionMeta *boxes;
  GstVideoRegionOfInterestMeta *region;
  GstStructure *detection;
  gdouble confidence;
  gint label;

  fixture_init (&f);
  g_free (tiny_model_write (f.dir, "model", TINY_BOXES, SIZE, SIZE,
          "[labels]\nlist=cat;dog\n"));
  fixture_model (&f, TINY_BOXES, SIZE, SIZE);
  g_free (tiny_model_write (f.dir, "model", TINY_BOXES, SIZE, SIZE,
          "[labels]\nlist=cat;dog\n"));
  fixture_play (&f, "RGB", 2 * SIZE, 2 * SIZE);
  out = fixture_run (&f, bright_cell ());
  boxes = gst_buffer_get_delta_cnn_detection_meta (out);
  fail_unless (boxes != NULL);
  fail_unless_equals_int (gst_delta_cnn_detection_meta_get_n_detections
      (boxes), 1);
  fail_unless (gst_delta_cnn_detection_meta_get_detection (boxes, 0, &box));
  fail_unless (!gst_delta_cnn_detection_meta_get_detection (boxes, 1, &box));
  fail_unless_equals_int (box.class_id, 1);
  fail_unless (box.score > 0.9);
  fail_unless_equals_string (g_quark_to_string (box.label), "dog");
  /* Half the picture, around the cell's corner (32, 16). */
  fail_unless (ABS (box.x - 16) < 1.5 && ABS (box.width - 32) < 3);

  region = gst_buffer_get_video_region_of_interest_meta_id (out, 0);
  fail_unless (region != NULL);
  fail_unless_equals_string (g_quark_to_string (region->roi_type), "dog");
  fail_unless (ABS ((gint) region->x - 16) <= 1);
  detection = gst_video_region_of_interest_meta_get_param (region,
      "detection");
  fail_unless (detection != NULL);
  fail_unless (gst_structure_get_double (detection, "confidence",
          &confidence));
  fail_unless (gst_structure_get_int (detection, "label_id", &label));
  fail_unless (ABS (confidence - box.score) < 1e-6 && label == 1);
  gst_buffer_unref (out);

  /* Nothing there: looked, found nothing. */
  out = fixture_run (&f, picture_new ("RGB", 64, 64, 0, 0, 0, 0, 0));
  boxes = gst_buffer_get_delta_cnn_detection_meta (out);
  fail_unless (boxes != NULL && boxes->detections->len == 0);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_score_threshold_is_live)
{
  Fixture f;
  GstBuffer *in, *out;

  fixture_init (&f);
  fixture_model (&f, TINY_BOXES, SIZE, SIZE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  in = picture_new ("RGB", SIZE, SIZE, 0, 8, 8, 8, 150);
  for (guint i = 0; i < 3; i++) {
    static const gfloat limits[] = { 0.2f, 0.95f, 0.2f };
    g_object_set (f.element, "score-threshold", limits[i], NULL);
    out = fixture_run (&f, gst_buffer_copy (in));
    fail_unless_equals_int (gst_delta_cnn_detection_meta_get_n_detections
        (gst_buffer_get_delta_cnn_detection_meta (out)), i == 1 ? 0 : 1);
    gst_buffer_unref (out);
  }
  gst_buffer_unref (in);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_poses)
{
  Fixture f;
  GstBuffer *out;
  GstDeltaCnnKeypoint point;
  const GstDeltaCnnPoseMeta *poses;

  fixture_init (&f);
  fixture_model (&f, TINY_POSE, SIZE, SIZE);
  fixture_play (&f, "RGB", 2 * SIZE, 2 * SIZE);
  out = fixture_run (&f, bright_cell ());
  poses = gst_buffer_get_delta_cnn_pose_meta (out);
  fail_unless (poses != NULL);
  fail_unless_equals_int (gst_delta_cnn_pose_meta_get_n_poses (poses), 1);
  fail_unless_equals_int (gst_delta_cnn_pose_meta_get_n_keypoints (poses, 0),
      3);
  for (guint i = 0; i < 3; i++) {
    fail_unless (gst_delta_cnn_pose_meta_get_keypoint (poses, 0, i, &point));
    /* the first pixel of cell (2, 1), two frame pixels to one of 8 a cell */
    fail_unless (ABS (point.x - 33) < 0.01 && ABS (point.y - 17) < 0.01,
        "%f, %f", point.x, point.y);
    fail_unless (point.score > 0.9);
  }
  fail_unless (!gst_delta_cnn_pose_meta_get_keypoint (poses, 0, 3, &point));
  fail_unless (!gst_delta_cnn_pose_meta_get_keypoint (poses, 1, 0, &point));
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

#define COLOURS "[labels]\nlist=red;green;blue\n"

/* Classes of the whole frame leave the element: as a meta, with names, also
 * when none is above the threshold; and no boxes are said to be looked for. */
GST_START_TEST (test_classification)
{
  Fixture f;
  GstBuffer *out;
  const GstDeltaCnnClassMeta *classes;
  const gchar *label;
  gfloat score;
  gint id;

  fixture_init (&f);
  fixture_model (&f, TINY_LABEL, 8, 8);
  g_free (tiny_model_write (f.dir, "model", TINY_LABEL, 8, 8, COLOURS));
  g_object_set (f.element, "score-threshold", 0.25, NULL);
  fixture_play (&f, "RGB", SIZE, SIZE);
  out = fixture_run (&f, picture_new_color ("RGB", SIZE, SIZE, 80, 240, 20));
  classes = gst_buffer_get_delta_cnn_class_meta (out);
  fail_unless (classes != NULL && !classes->stale);
  fail_unless_equals_int (gst_delta_cnn_class_meta_get_n_classes (classes), 2);
  fail_unless (gst_delta_cnn_class_meta_get_class (classes, 0, &id, &score,
          &label));
  fail_unless (id == 1 && ABS (score - 240 / 255.0) < 0.01);
  fail_unless_equals_string (label, "green");
  fail_unless (gst_delta_cnn_class_meta_get_class (classes, 1, &id, NULL,
          NULL));
  fail_unless (id == 0);
  fail_unless (!gst_delta_cnn_class_meta_get_class (classes, 2, NULL, NULL,
          NULL));
  fail_unless (gst_buffer_get_delta_cnn_detection_meta (out) == NULL);
  gst_buffer_unref (out);
  out = fixture_run (&f, picture_new_color ("RGB", SIZE, SIZE, 20, 20, 20));
  classes = gst_buffer_get_delta_cnn_class_meta (out);
  fail_unless (classes != NULL && classes->classes->len == 0);
  gst_buffer_unref (out);
  for (guint i = 0; i < 120; i++)
    gst_buffer_unref (fixture_run (&f, picture_new_color ("RGB", SIZE, SIZE,
                80, 240, 20)));
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_INFO, NULL), 0);
  fixture_clear (&f);
}

GST_END_TEST;

/* Metas of one kind in a row count once. */
static guint
count_kinds (GstBuffer * buffer)
{
  gpointer state = NULL;
  GType before = 0;
  GstMeta *meta;
  guint n = 0;

  while ((meta = gst_buffer_iterate_meta (buffer, &state))) {
    n += meta->info->api != before;
    before = meta->info->api;
  }
  return n;
}

/* One flag of "attach" at a time: what it names, where the net has it, and
 * nothing else. */
GST_START_TEST (test_attach_is_what_was_asked)
{
  static const struct {
    TinyKind kind;
    const gchar *has;
  } nets[] = {
    {TINY_MASK, "segmentation"}, {TINY_BOXES, "detections roi"},
    {TINY_POSE, "poses"}, {TINY_LABEL, "classes"},
  };
  static const gchar *const flags[] = { "tensors", "segmentation", "poses",
    "detections", "roi", "updates", "stats", "classes", "picture", "values"
  };

  for (guint n = 0; n < G_N_ELEMENTS (nets); n++) {
    const gint size = nets[n].kind == TINY_LABEL ? 8 : SIZE;
    Fixture f;

    fixture_init (&f);
    fixture_model (&f, nets[n].kind, size, size);
    fixture_play (&f, "RGB", SIZE, SIZE);
    for (guint i = 0; i <= G_N_ELEMENTS (flags); i++) {
      const gchar *flag = i < G_N_ELEMENTS (flags) ? flags[i] : "0";
      const gboolean always = g_str_equal (flag, "tensors")
          || g_str_equal (flag, "updates") || g_str_equal (flag, "stats");
      GstBuffer *out;

      gst_util_set_object_arg (G_OBJECT (f.element), "attach", flag);
      out = fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 20, 16, 16, 16,
              230));
      fail_unless_equals_int (count_kinds (out),
          always || strstr (nets[n].has, flag) != NULL);
      gst_buffer_unref (out);
    }
    fixture_clear (&f);
  }
}

GST_END_TEST;

/* A quark is for ever: labels of a file become one when they are seen, and a
 * process that loads any number of models keeps only so many of their names. */
GST_START_TEST (test_labels_are_kept_when_seen)
{
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_LABEL, 8, 8);
  g_free (tiny_model_write (f.dir, "model", TINY_LABEL, 8, 8,
          "[labels]\nlist=never seen one;seen;never seen two\n"));
  g_object_set (f.element, "score-threshold", 0.5, NULL);
  fixture_play (&f, "RGB", SIZE, SIZE);
  gst_buffer_unref (fixture_run (&f, picture_new_color ("RGB", SIZE, SIZE, 20,
              240, 20)));
  fail_unless (g_quark_try_string ("seen") != 0);
  fail_unless (g_quark_try_string ("never seen one") == 0);
  fail_unless (g_quark_try_string ("never seen two") == 0);
  fixture_clear (&f);
}

GST_END_TEST;

/* A pose net that sees nobody says so as poses, not as boxes, from the first
 * frame on. */
GST_START_TEST (test_nobody_is_no_box)
{
  Fixture f;
  GstBuffer *out;

  fixture_init (&f);
  fixture_model (&f, TINY_POSE, SIZE, SIZE);
  g_object_set (f.element, "score-threshold", 0.9, NULL);
  fixture_play (&f, "RGB", SIZE, SIZE);
  out = fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 0, 0, 0, 0, 0));
  fail_unless (gst_buffer_get_delta_cnn_detection_meta (out) == NULL);
  fail_unless (gst_buffer_get_delta_cnn_pose_meta (out) != NULL);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* Two elements on one buffer: each one's results can be had. */
GST_START_TEST (test_metas_by_index_and_source)
{
  GstBuffer *buffer = gst_buffer_new ();
  const gchar *const names[] = { "near", "far" };

  for (guint i = 0; i < 2; i++) {
    const GQuark source = g_quark_from_string (names[i]);
    g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (8), 8);

    gst_buffer_add_delta_cnn_stats_meta (buffer, source);
    gst_buffer_add_delta_cnn_detection_meta (buffer, source);
    gst_buffer_add_delta_cnn_pose_meta (buffer, source, NULL);
    gst_buffer_add_delta_cnn_class_meta (buffer, source);
    gst_buffer_add_delta_cnn_tensor_meta (buffer, source);
    gst_buffer_add_delta_cnn_value_meta (buffer, source);
    gst_buffer_add_delta_cnn_picture_meta (buffer, source, 4, 2, 1, bytes);
    gst_buffer_add_delta_cnn_update_meta (buffer, source, 8, 8, bytes);
    gst_buffer_add_delta_cnn_segmentation_meta (buffer, source, 2, 4, 1,
        bytes);
  }
#define CHECK(kind)                                                            \
  for (guint i = 0; i < 2; i++) {                                              \
    fail_unless (g_str_equal (names[i], g_quark_to_string                      \
            (gst_buffer_get_delta_cnn_##kind##_meta_by_index (buffer,          \
                    i)->source)));                                             \
    fail_unless (gst_buffer_get_delta_cnn_##kind##_meta_by_source (buffer,     \
            names[i])                                                          \
        == gst_buffer_get_delta_cnn_##kind##_meta_by_index (buffer, i));       \
  }                                                                            \
  fail_unless (!gst_buffer_get_delta_cnn_##kind##_meta_by_index (buffer, 2));  \
  fail_unless (!gst_buffer_get_delta_cnn_##kind##_meta_by_source (buffer,      \
          "none"))
  CHECK (stats);
  CHECK (detection);
  CHECK (pose);
  CHECK (class);
  CHECK (tensor);
  CHECK (update);
  CHECK (segmentation);
  CHECK (picture);
  CHECK (value);
#undef CHECK
  gst_buffer_unref (buffer);
}

GST_END_TEST;

GST_START_TEST (test_decoder_none_gives_tensors_only)
{
  Fixture f;
  GstBuffer *out;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  g_object_set (f.element, "decoder", "none", "attach", 0xff, NULL);
  fixture_play (&f, "RGB", SIZE, SIZE);
  out = fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 9, 0, 0, 8, 230));
  fail_unless (gst_buffer_get_delta_cnn_segmentation_meta (out) == NULL);
  fail_unless_equals_int (gst_delta_cnn_tensor_meta_get_n_tensors
      (gst_buffer_get_delta_cnn_tensor_meta (out)), 1);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_padded_strides)
{
  Fixture f;
  const gint stride = 3 * SIZE + 29, offset = 13;
  GstBuffer *plain = picture_new ("RGB", SIZE, SIZE, 20, 4, 4, 9, 230);
  GstBuffer *padded = gst_buffer_new_allocate (NULL, offset + stride * SIZE,
      NULL);
  gsize offsets[4] = { offset };
  gint strides[4] = { stride };
  GstBuffer *a, *b;
  GstMapInfo from, to;

  gst_buffer_memset (padded, 0, 255, -1);
  fail_unless (gst_buffer_map (plain, &from, GST_MAP_READ));
  fail_unless (gst_buffer_map (padded, &to, GST_MAP_WRITE));
  for (gint y = 0; y < SIZE; y++)
    memcpy (to.data + offset + y * stride, from.data + y * 3 * SIZE, 3 * SIZE);
  gst_buffer_unmap (plain, &from);
  gst_buffer_unmap (padded, &to);
  gst_buffer_add_video_meta_full (padded, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_FORMAT_RGB, SIZE, SIZE, 1, offsets, strides);

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  a = fixture_run (&f, plain);
  b = fixture_run (&f, padded);
  fail_unless (buffer_stats (b)->changed_share == 0);
  fail_unless (g_bytes_equal (gst_buffer_get_delta_cnn_segmentation_meta
          (a)->data, gst_buffer_get_delta_cnn_segmentation_meta (b)->data));
  gst_buffer_unref (a);
  gst_buffer_unref (b);
  fixture_clear (&f);
}

GST_END_TEST;

/* As decoders send it: caps of the picture, a video meta of the coded size, and
 * a crop meta that says where in it the picture is. */
static GstBuffer *
coded_picture (const gchar * format, gint crop)
{
  GstBuffer *coded = picture_new (format, 2 * SIZE, SIZE + 16, 20, 4 + crop,
      4 + crop, 8, 230);
  GstVideoInfo info;

  gst_video_info_set_format (&info, gst_video_format_from_string (format),
      2 * SIZE, SIZE + 16);
  gst_buffer_add_video_meta_full (coded, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_INFO_FORMAT (&info), 2 * SIZE, SIZE + 16,
      GST_VIDEO_INFO_N_PLANES (&info), info.offset, info.stride);
  if (crop) {
    GstVideoCropMeta *meta = gst_buffer_add_video_crop_meta (coded);
    meta->x = meta->y = crop;
    meta->width = meta->height = SIZE;
  }
  return coded;
}

GST_START_TEST (test_coded_size_with_a_crop)
{
  static const gchar *const kinds[] = { "NV12", "I420", "RGB", "GRAY8" };
  const gchar *format = kinds[__i__];
  GstElement *overlay = gst_element_factory_make ("deltaoverlay", NULL);
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, format, SIZE, SIZE);
  for (gint crop = 0; crop <= 16; crop += 8) {
    GstBuffer *out = fixture_run (&f, coded_picture (format, crop));
    const GstDeltaCnnSegmentationMeta *mask =
        gst_buffer_get_delta_cnn_segmentation_meta (out);

    fail_unless (mask && !mask->stale && mask->w == SIZE);
    fail_unless (gst_delta_cnn_segmentation_meta_get_value (mask, 8, 8) > 200);
    fail_unless (gst_delta_cnn_segmentation_meta_get_value (mask, 20, 20) < 50);
    /* The same picture as before, wherever it lies in the coded one. */
    fail_unless (crop == 0 || buffer_stats (out)->changed_share == 0);
    gst_buffer_unref (out);
  }
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, NULL), 0);
  fixture_clear (&f);

  /* The overlay draws there too, and nowhere else. */
  if (overlay) {
    GstHarness *h = gst_harness_new_with_element (overlay, "sink", "src");
    GstBuffer *in = coded_picture (format, 16), *out;
    g_autofree gchar *caps = g_strdup_printf ("video/x-raw,format=%s,width=%d,"
        "height=%d,framerate=25/1", format, SIZE, SIZE);
    guint8 before[3], after[3];

    g_object_set (overlay, "labels", FALSE, "scores", FALSE, "line-width", 6.0,
        NULL);
    gst_harness_set_src_caps_str (h, caps);
    picture_get_pixel (in, format, 2 * SIZE, SIZE + 16, 32, 16, before);
    gst_buffer_add_video_region_of_interest_meta (in, "all", 0, 0, SIZE, SIZE);
    out = gst_harness_push_and_pull (h, in);
    picture_get_pixel (out, format, 2 * SIZE, SIZE + 16, 32, 16, after);
    fail_unless (ABS (after[0] - before[0]) + ABS (after[1] - before[1])
        + ABS (after[2] - before[2]) > 20, "nothing drawn at the crop's top");
    for (gint y = 0; y < SIZE + 16; y++)
      for (gint x = 0; x < 2 * SIZE; x++)
        /* Chroma is smoothed over the edge when it is read back. */
        if (x < 14 || y < 14 || x >= 18 + SIZE || y >= 18 + SIZE) {
          picture_get_pixel (out, format, 2 * SIZE, SIZE + 16, x, y, after);
          fail_unless (ABS (after[1] - 20) < 3, "drawn outside, at %d,%d", x,
              y);
        }
    gst_buffer_unref (out);
    gst_harness_teardown (h);
    gst_object_unref (overlay);
  }
}

GST_END_TEST;

/* Frames of any shape and pixels of any shape: the network sees them as a
 * viewer would, and results land on the frame's own pixels. A letterbox is the
 * default; a descriptor or the property may stretch. */
GST_START_TEST (test_shapes)
{
  static const struct
  {
    gint width, height, par_n, par_d;
    gfloat x, y, w, h;          /* of the mask's rectangle on the frame */
  } shapes[] = {
    {64, 64, 1, 1, 0, 0, 64, 64},
    {36, 64, 1, 1, -14, 0, 64, 64},
    {64, 32, 1, 1, 0, -16, 64, 64},
    {32, 64, 2, 1, 0, 0, 32, 64},
    {64, 32, 1, 2, 0, 0, 64, 32},
    {64, 64, 2, 1, 0, -32, 64, 128},
    {64, 64, 1, 4, -96, 0, 256, 64},
  };
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, "RGB", 64, 64);
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++) {
    const gint w = shapes[i].width, h = shapes[i].height;
    const GstDeltaCnnSegmentationMeta *mask;
    GstBuffer *out;

    gst_harness_set_src_caps (f.harness, gst_caps_new_simple ("video/x-raw",
            "format", G_TYPE_STRING, "RGB", "width", G_TYPE_INT, w, "height",
            G_TYPE_INT, h, "framerate", GST_TYPE_FRACTION, 25, 1,
            "pixel-aspect-ratio", GST_TYPE_FRACTION, shapes[i].par_n,
            shapes[i].par_d, NULL));
    out = fixture_run (&f, picture_new ("RGB", w, h, 20, w / 2, h / 2, 64,
            230));
    mask = gst_buffer_get_delta_cnn_segmentation_meta (out);
    fail_unless (ABS (mask->x - shapes[i].x) < 0.6
        && ABS (mask->y - shapes[i].y) < 0.6
        && ABS (mask->w - shapes[i].w) < 1.2
        && ABS (mask->h - shapes[i].h) < 1.2, "shape %u: %g,%g %gx%g", i,
        mask->x, mask->y, mask->w, mask->h);
    fail_unless (gst_delta_cnn_segmentation_meta_get_value (mask, 0.75f * w,
            0.75f * h) > 200);
    fail_unless (gst_delta_cnn_segmentation_meta_get_value (mask, 0.25f * w,
            0.75f * h) < 50);
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
}

GST_END_TEST;

/* A colour in NV12 by that colorimetry comes back as what it was. */
GST_START_TEST (test_colorimetry)
{
  static const gchar *const names[] = { "bt601", "bt709", "bt2020",
    "1:4:0:1", "1:3:0:1"
  };
  static const guint8 rgb[3] = { 200, 90, 40 };
  GstBuffer *in = picture_new_color ("RGB", SIZE, SIZE, rgb[0], rgb[1],
      rgb[2]), *nv12, *out;
  const GstDeltaCnnTensor *tensor;
  GstVideoInfo in_info, out_info;
  GstVideoFrame in_frame, out_frame;
  GstVideoConverter *converter;
  GstCaps *caps;
  Fixture f;

  gst_video_info_set_format (&in_info, GST_VIDEO_FORMAT_RGB, SIZE, SIZE);
  gst_video_info_set_format (&out_info, GST_VIDEO_FORMAT_NV12, SIZE, SIZE);
  fail_unless (gst_video_colorimetry_from_string (&out_info.colorimetry,
          names[__i__]));
  nv12 = gst_buffer_new_allocate (NULL, out_info.size, NULL);
  converter = gst_video_converter_new (&in_info, &out_info,
      gst_structure_new ("options", GST_VIDEO_CONVERTER_OPT_PRIMARIES_MODE,
          GST_TYPE_VIDEO_PRIMARIES_MODE, GST_VIDEO_PRIMARIES_MODE_NONE, NULL));
  gst_video_frame_map (&in_frame, &in_info, in, GST_MAP_READ);
  gst_video_frame_map (&out_frame, &out_info, nv12, GST_MAP_WRITE);
  gst_video_converter_frame (converter, &in_frame, &out_frame);
  gst_video_frame_unmap (&in_frame);
  gst_video_frame_unmap (&out_frame);
  gst_video_converter_free (converter);

  fixture_init (&f);
  fixture_model (&f, TINY_CLASSES, SIZE, SIZE);
  g_object_set (f.element, "attach", 0x1, "scale", "1", NULL);
  fixture_play (&f, "NV12", SIZE, SIZE);
  out_info.fps_n = 25;
  caps = gst_video_info_to_caps (&out_info);
  gst_harness_set_src_caps (f.harness, caps);
  out = fixture_run (&f, nv12);
  tensor = gst_delta_cnn_tensor_meta_get_tensor
      (gst_buffer_get_delta_cnn_tensor_meta (out), 0);
  for (guint c = 0; c < 3; c++) {
    const gfloat value = ((const gfloat *) g_bytes_get_data (tensor->data,
            NULL))[c * SIZE * SIZE + SIZE * 16 + 16];
    fail_unless (ABS (value - rgb[c]) <= 4, "%s: channel %u is %f, not %u",
        names[__i__], c, value, rgb[c]);
  }
  gst_buffer_unref (in);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* Does downstream's memory, asked for through the element, know that meta? */
static gboolean
allocates_with (GstHarness * h, GType api)
{
  GstCaps *caps = gst_pad_get_current_caps (h->srcpad);
  GstQuery *query = gst_query_new_allocation (caps, FALSE);
  gboolean found;

  fail_unless (gst_pad_peer_query (h->srcpad, query));
  found = gst_query_find_allocation_meta (query, api, NULL);
  gst_query_unref (query);
  gst_caps_unref (caps);
  return found;
}

/* Downstream gets the memory that upstream allocates: its rows have to be such
 * as downstream reads. */
static void
assert_allocates_as_downstream (GstHarness * h, gboolean crops)
{
  fail_if (allocates_with (h, GST_VIDEO_META_API_TYPE),
      "rows of any length for who takes packed ones");
  gst_harness_add_propose_allocation_meta (h, GST_VIDEO_META_API_TYPE, NULL);
  gst_harness_add_propose_allocation_meta (h, GST_VIDEO_CROP_META_API_TYPE,
      NULL);
  fail_unless (allocates_with (h, GST_VIDEO_META_API_TYPE));
  fail_unless_equals_int (allocates_with (h, GST_VIDEO_CROP_META_API_TYPE),
      crops);
}

GST_START_TEST (test_allocation_query)
{
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  gst_buffer_unref (fixture_run (&f, bright_cell ()));
  assert_allocates_as_downstream (f.harness, TRUE);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_allocation_query_of_others)
{
  static const gchar *const names[] = { "framealign", "deltaimage" };
  const gchar *remedy;

  for (guint i = !dcnn_stabilizer_available (&remedy); i < 2; i++) {
    GstHarness *h = gst_harness_new (names[i]);

    gst_harness_set_src_caps_str (h, "video/x-raw,format=RGB,width=16,"
        "height=16,framerate=30/1");
    gst_buffer_unref (gst_harness_push_and_pull (h, picture_new ("RGB", 16, 16,
                9, 0, 0, 0, 0)));
    assert_allocates_as_downstream (h, i == 0);
    gst_harness_teardown (h);
  }
}

GST_END_TEST;

static Suite *
results_suite (void)
{
  Suite *suite = suite_create ("deltacnn results");
  TCase *tcase = tcase_create ("results");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 60);
  tcase_add_loop_test (tcase, test_mask_in_every_format, 0,
      G_N_ELEMENTS (formats));
  tcase_add_loop_test (tcase, test_colours_arrive_in_order, 0,
      G_N_ELEMENTS (formats));
  tcase_add_test (tcase, test_channel_order_and_scale);
  tcase_add_test (tcase, test_boxes);
  tcase_add_test (tcase, test_score_threshold_is_live);
  tcase_add_test (tcase, test_poses);
  tcase_add_test (tcase, test_classification);
  tcase_add_test (tcase, test_attach_is_what_was_asked);
  tcase_add_test (tcase, test_labels_are_kept_when_seen);
  tcase_add_test (tcase, test_nobody_is_no_box);
  tcase_add_test (tcase, test_metas_by_index_and_source);
  tcase_add_test (tcase, test_decoder_none_gives_tensors_only);
  tcase_add_test (tcase, test_padded_strides);
  tcase_add_loop_test (tcase, test_coded_size_with_a_crop, 0, 4);
  tcase_add_test (tcase, test_shapes);
  tcase_add_loop_test (tcase, test_colorimetry, 0, 5);
  tcase_add_test (tcase, test_allocation_query);
  tcase_add_test (tcase, test_allocation_query_of_others);
  return suite;
}

GST_CHECK_MAIN (results);
