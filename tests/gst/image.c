/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * image.c - pictures and numbers that a network made: their metas, lines and
 * deltaimage.
 */
#include "fixture.h"

#define SIZE 16
#define AS_PICTURE "[deltacnn]\ndecoder=picture\n[result]\nsemantics=picture\n"

/* Every pixel is (x * 8, y * 8, 40). */
static GstBuffer *
make_frame (gint size)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size * size * 3, NULL);
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (gint i = 0; i < size * size; i++) {
    map.data[3 * i] = i % size * 8;
    map.data[3 * i + 1] = i / size * 8;
    map.data[3 * i + 2] = 40;
  }
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = 7;
  return buffer;
}

static GstBuffer *
make_pictured (guint size, guint channels, guint8 value)
{
  GstBuffer *buffer = make_frame (SIZE);
  guint8 *pixels = g_malloc (size * size * channels);
  GBytes *data;
  GstDeltaCnnPictureMeta *meta;

  memset (pixels, value, size * size * channels);
  data = g_bytes_new_take (pixels, size * size * channels);
  meta = gst_buffer_add_delta_cnn_picture_meta (buffer,
      g_quark_from_static_string ("net"), size, size, channels, data);
  meta->w = meta->h = SIZE;
  g_bytes_unref (data);
  return buffer;
}

static GstHarness *
image_harness (void)
{
  GstHarness *h = gst_harness_new ("deltaimage");

  gst_harness_set_src_caps_str (h, "video/x-raw,format=RGB,width=16,height=16,"
      "framerate=30/1");
  return h;
}

static void
assert_pixel (GstBuffer * buffer, gint width, gint x, gint y, gint r, gint g,
    gint b)
{
  const gint stride = GST_ROUND_UP_4 (width * 3);
  const gint want[3] = { r, g, b };
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_READ);
  for (guint c = 0; c < 3; c++)
    fail_unless (ABS (map.data[y * stride + x * 3 + c] - want[c]) <= 1,
        "pixel %d,%d channel %u is %u, not %d", x, y, c,
        map.data[y * stride + x * 3 + c], want[c]);
  gst_buffer_unmap (buffer, &map);
}

/* The network gives its input back: the picture is the frame. */
GST_START_TEST (test_network_picture)
{
  Fixture f;
  GstBuffer *buffer;
  const GstDeltaCnnPictureMeta *meta;
  const guint8 *data;

  fixture_init (&f);
  g_free (tiny_model_write (f.dir, "model", TINY_CLASSES, SIZE, SIZE,
          AS_PICTURE));
  {
    gchar *path = g_build_filename (f.dir, "model.onnx", NULL);
    g_object_set (f.element, "model", path, NULL);
    g_free (path);
  }
  fixture_play (&f, "RGB", SIZE, SIZE);
  buffer = fixture_run (&f, make_frame (SIZE));
  meta = gst_buffer_get_delta_cnn_picture_meta (buffer);
  fail_unless (meta != NULL && meta->width == SIZE && meta->channels == 3);
  fail_unless (ABS (meta->w - SIZE) < 0.01 && !meta->stale);
  data = g_bytes_get_data (meta->data, NULL);
  for (gint i = 0; i < SIZE * SIZE; i++)
    fail_unless (ABS (data[3 * i] - i % SIZE * 8) <= 1
        && ABS (data[3 * i + 1] - i / SIZE * 8) <= 1
        && ABS (data[3 * i + 2] - 40) <= 1);
  fail_unless (gst_buffer_get_delta_cnn_detection_meta (buffer) == NULL);
  gst_buffer_unref (buffer);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_network_values)
{
  Fixture f;
  GstBuffer *buffer;
  const GstDeltaCnnValueMeta *meta;
  const gchar *name = NULL;
  gchar *path;
  gfloat value = 0;

  fixture_init (&f);
  path = tiny_model_write (f.dir, "model", TINY_LABEL, 8, 8,
      "[deltacnn]\ndecoder=values\n[result]\nsemantics=values\n"
      "[decoder]\nscale=255\n[labels]\nlist=r;g;b\n");
  g_object_set (f.element, "model", path, NULL);
  g_free (path);
  fixture_play (&f, "RGB", 8, 8);
  buffer = fixture_run (&f, make_frame (8));
  meta = gst_buffer_get_delta_cnn_value_meta (buffer);
  fail_unless (meta != NULL);
  fail_unless (gst_delta_cnn_value_meta_get_value (meta, 2, &value, &name));
  fail_unless (ABS (value - 40) < 0.5, "%g", value);
  fail_unless_equals_string (name, "b");
  fail_if (gst_delta_cnn_value_meta_get_value (meta, 3, &value, &name));
  gst_buffer_unref (buffer);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_replace_and_blend)
{
  GstHarness *h = image_harness ();
  GstBuffer *out;

  out = gst_harness_push_and_pull (h, make_pictured (8, 3, 200));
  fail_unless (GST_BUFFER_PTS (out) == 7);
  assert_pixel (out, SIZE, 3, 5, 200, 200, 200);
  gst_buffer_unref (out);
  g_object_set (h->element, "alpha", 0.25, NULL);
  out = gst_harness_push_and_pull (h, make_pictured (8, 3, 200));
  assert_pixel (out, SIZE, 3, 5, 68, 80, 80);
  gst_buffer_unref (out);
  g_object_set (h->element, "alpha", 0.0, NULL);
  out = gst_harness_push_and_pull (h, make_pictured (8, 3, 200));
  assert_pixel (out, SIZE, 3, 5, 24, 40, 40);
  gst_buffer_unref (out);
  out = gst_harness_push_and_pull (h, make_frame (SIZE));
  assert_pixel (out, SIZE, 3, 5, 24, 40, 40);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

/* A luma keeps the frame's differences of colour. */
GST_START_TEST (test_luma)
{
  GstHarness *h = image_harness ();
  GstBuffer *out = gst_harness_push_and_pull (h, make_pictured (8, 1, 100));
  const gint change = 100 - (gint) (0.299 * 24 + 0.587 * 40 + 0.114 * 40 + 0.5);

  assert_pixel (out, SIZE, 3, 5, 24 + change, 40 + change, 40 + change);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_own_size)
{
  GstHarness *h = image_harness ();
  GstBuffer *out;
  GstCaps *caps;
  GstVideoInfo info;

  g_object_set (h->element, "own-size", TRUE, NULL);
  out = gst_harness_push_and_pull (h, make_pictured (48, 3, 90));
  caps = gst_pad_get_current_caps (h->sinkpad);
  fail_unless (gst_video_info_from_caps (&info, caps));
  fail_unless_equals_int (info.width, 48);
  fail_unless_equals_int (info.height, 48);
  assert_pixel (out, 48, 40, 20, 90, 90, 90);
  gst_caps_unref (caps);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

/* The picture lies on the left half only. */
GST_START_TEST (test_rectangle)
{
  GstHarness *h = image_harness ();
  GstBuffer *in = make_pictured (8, 3, 200), *out;

  gst_buffer_get_delta_cnn_picture_meta (in)->w = SIZE / 2;
  out = gst_harness_push_and_pull (h, in);
  assert_pixel (out, SIZE, 3, 5, 200, 200, 200);
  assert_pixel (out, SIZE, 12, 5, 96, 40, 40);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

/* Its corners lie where it is put. */
GST_START_TEST (test_place)
{
  static const guint8 corners[4] = { 10, 70, 130, 250 };
  GstHarness *h = image_harness ();
  GstBuffer *in = make_frame (SIZE), *out;
  GBytes *data = g_bytes_new_static (corners, sizeof corners);
  GstDeltaCnnPictureMeta *meta = gst_buffer_add_delta_cnn_picture_meta (in,
      g_quark_from_static_string ("net"), 2, 2, 1, data);

  meta->x = 4;
  meta->y = 6;
  meta->w = meta->h = 8;
  g_bytes_unref (data);
  out = gst_harness_push_and_pull (h, in);
  for (guint i = 0; i < 4; i++) {
    const gint x = i % 2 ? 11 : 4, y = i / 2 ? 13 : 6;
    guint8 rgb[3];

    picture_get_pixel (out, "RGB", SIZE, SIZE, x, y, rgb);
    fail_unless (ABS (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
            - corners[i]) < 6, "corner %u is %u %u %u", i, rgb[0], rgb[1], rgb[2]);
  }
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

/* Two pictures on two parts; what none shows stays, and the frame's size, too. */
GST_START_TEST (test_parts)
{
  for (guint own_size = 0; own_size < 2; own_size++) {
    GstHarness *h = image_harness ();
    GstBuffer *in = make_pictured (8, 3, 200), *out;
    guint8 *pixels = g_malloc (16);
    GBytes *data = g_bytes_new_take (memset (pixels, 60, 16), 16);
    GstDeltaCnnPictureMeta *meta;
    GstCaps *caps;
    GstVideoInfo info;

    meta = gst_buffer_get_delta_cnn_picture_meta (in);
    meta->w = meta->h = 5;
    meta = gst_buffer_add_delta_cnn_picture_meta (in,
        g_quark_from_static_string ("net"), 4, 4, 1, data);
    meta->x = 10;
    meta->y = 8;
    meta->w = 4;
    meta->h = 40;               /* over the frame's edge */
    g_bytes_unref (data);
    g_object_set (h->element, "own-size", own_size == 1, NULL);
    out = gst_harness_push_and_pull (h, in);
    caps = gst_pad_get_current_caps (h->sinkpad);
    fail_unless (gst_video_info_from_caps (&info, caps));
    fail_unless_equals_int (info.width, SIZE);
    fail_unless_equals_int (info.height, SIZE);
    gst_caps_unref (caps);
    assert_pixel (out, SIZE, 4, 4, 200, 200, 200);
    assert_pixel (out, SIZE, 5, 4, 40, 32, 40);
    assert_pixel (out, SIZE, 4, 5, 32, 40, 40);
    /* a luma of 60 in place of (88, 96, 40): 0.299 * 88 + ... = 87 */
    assert_pixel (out, SIZE, 11, 12, 88 - 27, 96 - 27, 40 - 27);
    assert_pixel (out, SIZE, 9, 12, 72, 96, 40);
    assert_pixel (out, SIZE, 11, 6, 88, 48, 40);        /* above it */
    assert_pixel (out, SIZE, 14, 15, 112, 120, 40);
    gst_buffer_unref (out);
    gst_harness_teardown (h);
  }
}

GST_END_TEST;

/* A side can have what the other can; but for the size where that is the
 * picture's. */
GST_START_TEST (test_caps_of_the_other_side)
{
  for (guint own_size = 0; own_size < 2; own_size++) {
    GstHarness *h = gst_harness_new ("deltaimage");
    const GstStructure *s;
    GstCaps *caps, *wide;
    gint width = 0;

    g_object_set (h->element, "own-size", own_size == 1, NULL);
    gst_harness_set_sink_caps_str (h, "video/x-raw,format=RGB,width=32,"
        "height=24,framerate=10/1");
    caps = gst_pad_peer_query_caps (h->srcpad, NULL);
    fail_unless_equals_int (gst_caps_get_size (caps), 1);
    s = gst_caps_get_structure (caps, 0);
    fail_unless (gst_structure_has_field_typed (s, "framerate",
            GST_TYPE_FRACTION), "any rate");
    fail_unless_equals_int (gst_structure_get_int (s, "width", &width),
        !own_size);
    gst_caps_unref (caps);
    wide = gst_caps_from_string ("video/x-raw,format=RGB,width=99,height=98,"
        "framerate=10/1");
    fail_unless_equals_int (gst_pad_peer_query_accept_caps (h->srcpad, wide),
        own_size);
    caps = gst_pad_peer_query_caps (h->srcpad, wide);
    fail_unless_equals_int (gst_caps_is_equal (caps, wide), own_size);
    gst_caps_unref (caps);
    gst_caps_unref (wide);
    gst_harness_teardown (h);
  }
}

GST_END_TEST;

/* What was found on the frame is still there, where it lies now; the picture,
 * which is in it, is not. */
GST_START_TEST (test_metas_stay)
{
  static GstStaticCaps stamp = GST_STATIC_CAPS ("timestamp/x-ntp");
  const GstDeltaCnnDetection box = {.x = 4,.y = 6,.width = 8,.height = 2 };

  for (guint own_size = 0; own_size < 2; own_size++) {
    const gint scale = own_size ? 3 : 1;
    GstHarness *h = image_harness ();
    GstBuffer *in = make_pictured (48, 3, 90), *out;
    GstCaps *caps = gst_static_caps_get (&stamp);
    GstDeltaCnnDetection found;
    const GstVideoRegionOfInterestMeta *region;

    gst_delta_cnn_detection_meta_append
        (gst_buffer_add_delta_cnn_detection_meta (in, 0), &box);
    gst_buffer_add_video_region_of_interest_meta (in, "face", 1, 2, 3, 4);
    gst_buffer_add_reference_timestamp_meta (in, caps, 5, 6);
    gst_buffer_add_video_meta (in, GST_VIDEO_FRAME_FLAG_NONE,
        GST_VIDEO_FORMAT_RGB, SIZE, SIZE);
    gst_buffer_add_video_crop_meta (in);
    g_object_set (h->element, "own-size", own_size == 1, NULL);
    out = gst_harness_push_and_pull (h, in);
    fail_unless (gst_buffer_get_delta_cnn_detection_meta (out) != NULL);
    fail_unless (gst_delta_cnn_detection_meta_get_detection
        (gst_buffer_get_delta_cnn_detection_meta (out), 0, &found));
    fail_unless (found.x == 4 * scale && found.y == 6 * scale
        && found.width == 8 * scale && found.height == 2 * scale);
    region = gst_buffer_get_video_region_of_interest_meta_id (out, 0);
    fail_unless (region != NULL);
    fail_unless_equals_int (region->x, scale);
    fail_unless_equals_int (region->h, 4 * scale);
    fail_unless (gst_buffer_get_reference_timestamp_meta (out, caps) != NULL);
    fail_unless (gst_buffer_get_delta_cnn_picture_meta (out) == NULL);
    fail_unless (gst_buffer_get_video_meta (out) == NULL);
    fail_unless (gst_buffer_get_video_crop_meta (out) == NULL);
    gst_caps_unref (caps);
    gst_buffer_unref (out);
    gst_harness_teardown (h);
  }
}

GST_END_TEST;

/* A model without decoder says once what to do, unless tensors are wanted. */
GST_START_TEST (test_no_decoder)
{
  for (guint tensors = 0; tensors < 2; tensors++) {
    GstMessage *last = NULL;
    gchar *path;
    Fixture f;

    fixture_init (&f);
    path = tiny_model_write (f.dir, "model", TINY_CLASSES, SIZE, SIZE, "");
    g_object_set (f.element, "model", path, NULL);
    if (tensors)
      gst_util_set_object_arg (G_OBJECT (f.element), "attach", "tensors");
    fixture_play (&f, "RGB", SIZE, SIZE);
    for (guint i = 0; i < 3; i++)
      gst_buffer_unref (fixture_run (&f, make_frame (SIZE)));
    fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_INFO, &last),
        tensors ? 0 : 1);
    if (last) {
      GError *error = NULL;

      gst_message_parse_info (last, &error, NULL);
      fail_unless (strstr (error->message, ".modelinfo") != NULL);
      g_error_free (error);
      gst_message_unref (last);
    }
    g_free (path);
    fixture_clear (&f);
  }
}

GST_END_TEST;

static Suite *
image_suite (void)
{
  Suite *suite = suite_create ("image");
  TCase *tc = tcase_create ("image");

  fixture_load_plugin ();
  suite_add_tcase (suite, tc);
  tcase_add_test (tc, test_network_picture);
  tcase_add_test (tc, test_network_values);
  tcase_add_test (tc, test_replace_and_blend);
  tcase_add_test (tc, test_luma);
  tcase_add_test (tc, test_own_size);
  tcase_add_test (tc, test_rectangle);
  tcase_add_test (tc, test_place);
  tcase_add_test (tc, test_parts);
  tcase_add_test (tc, test_caps_of_the_other_side);
  tcase_add_test (tc, test_metas_stay);
  tcase_add_test (tc, test_no_decoder);
  return suite;
}

GST_CHECK_MAIN (image);
