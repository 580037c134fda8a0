/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * overlay.c - deltaoverlay draws what the metas say, where they say it, in
 * every format, and nothing else.
 */
#include "fixture.h"

#include <string.h>

#define WIDTH 320
#define HEIGHT 240

static const gchar *const formats[] = { "NV12", "I420", "RGB", "BGR", "RGBx",
  "BGRx", "RGBA", "BGRA", "GRAY8"
};

static GstHarness *
overlay_new (const gchar * format, gint width, gint height)
{
  GstHarness *h = gst_harness_new ("deltaoverlay");

  gst_harness_set_src_caps (h, gst_caps_new_simple ("video/x-raw", "format",
          G_TYPE_STRING, format, "width", G_TYPE_INT, width, "height",
          G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, 25, 1, NULL));
  return h;
}

static GstBuffer *
black (const gchar * format)
{
  return picture_new (format, WIDTH, HEIGHT, 0, 0, 0, 0, 0);
}

/* Brightness of a pixel, 0..255. */
static guint
light (GstBuffer * buffer, const gchar * format, gint x, gint y)
{
  guint8 rgb[3];

  picture_get_pixel (buffer, format, WIDTH, HEIGHT, x, y, rgb);
  return (rgb[0] + rgb[1] + rgb[2]) / 3;
}

/* Brightness of the 9x9 pixels around, least and most. */
static void
range_of_light (GstBuffer * buffer, const gchar * format, gint x, gint y,
    guint * least, guint * most)
{
  GstBuffer *rgb = picture_convert (gst_buffer_ref (buffer), format, "RGB",
      WIDTH, HEIGHT);
  GstMapInfo map;

  *least = 255;
  *most = 0;
  fail_unless (gst_buffer_map (rgb, &map, GST_MAP_READ));
  for (gint i = 0; i < 81; i++) {
    const guint8 *p = map.data + 3 * ((y + i / 9 - 4) * WIDTH + x + i % 9 - 4);
    const guint value = (p[0] + p[1] + p[2]) / 3;

    *least = MIN (*least, value);
    *most = MAX (*most, value);
  }
  gst_buffer_unmap (rgb, &map);
  gst_buffer_unref (rgb);
}

static guint
brightest (GstBuffer * buffer, const gchar * format, gint x, gint y)
{
  guint least, most;

  range_of_light (buffer, format, x, y, &least, &most);
  return most;
}

static guint
darkest (GstBuffer * buffer, const gchar * format, gint x, gint y)
{
  guint least, most;

  range_of_light (buffer, format, x, y, &least, &most);
  return least;
}

static void
add_box (GstBuffer * buffer)
{
  const GstDeltaCnnDetection box = { 100, 80, 120, 100, 0.87f, 0,
    g_quark_from_static_string ("person")
  };

  gst_delta_cnn_detection_meta_append
      (gst_buffer_add_delta_cnn_detection_meta (buffer, 0), &box);
}

/* The tag ends after its text, not in it: its last columns are all of its
 * colour, and right of it the picture, white so that dark text shows, is. */
GST_START_TEST (test_tag_holds_its_text)
{
  GstHarness *h = overlay_new ("RGB", WIDTH, HEIGHT);
  GstBuffer *in = picture_new ("RGB", WIDTH, HEIGHT, 255, 0, 0, 0, 0), *out;
  guint8 fill[3], pixel[3];
  gint end = 101;

  add_box (in);
  out = gst_harness_push_and_pull (h, in);
  picture_get_pixel (out, "RGB", WIDTH, HEIGHT, end, 72, fill);
  fail_unless (fill[0] + fill[1] + fill[2] < 700, "no tag");
  while (end < WIDTH - 1 && light (out, "RGB", end + 1, 72) < 250)
    end++;
  fail_unless (end > 130 && end < 250, "the tag ends at %d", end);
  for (gint y = 70; y < 78; y++)
    for (gint x = end - 2; x < end + 40; x++) {
      picture_get_pixel (out, "RGB", WIDTH, HEIGHT, x, y, pixel);
      for (guint c = 0; c < 3 && x != end; c++)
        fail_unless (ABS (pixel[c] - (x < end ? fill[c] : 255)) < 40,
            "text at %d,%d of a tag that ends at %d", x, y, end);
    }
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

/* The left half of the picture is object. */
static void
add_mask (GstBuffer * buffer, guint n_classes)
{
  const guint8 value = n_classes == 1 ? 255 : 1;
  guint8 data[8 * 6];
  g_autoptr (GBytes) bytes = NULL;

  for (guint i = 0; i < sizeof data; i++)
    data[i] = i % 8 < 4 ? value : 0;
  bytes = g_bytes_new (data, sizeof data);
  gst_delta_cnn_segmentation_meta_set_rectangle
      (gst_buffer_add_delta_cnn_segmentation_meta (buffer, 0, 8, 6, n_classes,
          bytes), 0, 0, WIDTH, HEIGHT);
}

/* The top left quarter was recomputed. */
static void
add_updates (GstBuffer * buffer)
{
  const guint64 words[4] = { ~G_GUINT64_CONSTANT (0), 0, 0, 0 };
  g_autoptr (GBytes) bytes = g_bytes_new (words, sizeof words);

  gst_delta_cnn_update_meta_set_rectangle
      (gst_buffer_add_delta_cnn_update_meta (buffer, 0, 16, 16, bytes), 0, 0,
      WIDTH, HEIGHT);
}

static void
add_pose (GstBuffer * buffer)
{
  static const guint8 edges[] = { 0, 1, 1, 2 };
  const GstDeltaCnnKeypoint points[3] = { {60, 60, 0.9f}, {160, 60, 0.9f},
  {160, 160, 0.1f}
  };
  g_autoptr (GBytes) bytes = g_bytes_new (edges, sizeof edges);

  gst_delta_cnn_pose_meta_append (gst_buffer_add_delta_cnn_pose_meta (buffer,
          0, bytes), 0.9f, points, 3);
}

GST_START_TEST (test_nothing_to_draw_changes_nothing)
{
  const gchar *format = formats[__i__];
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);
  GstBuffer *in = picture_new (format, WIDTH, HEIGHT, 77, 30, 30, 90, 200);
  GstBuffer *before = gst_buffer_copy_deep (in), *out;
  GstMapInfo a, b;

  out = gst_harness_push_and_pull (h, in);
  fail_unless (gst_buffer_map (before, &a, GST_MAP_READ));
  fail_unless (gst_buffer_map (out, &b, GST_MAP_READ));
  fail_unless (a.size == b.size && memcmp (a.data, b.data, a.size) == 0);
  gst_buffer_unmap (before, &a);
  gst_buffer_unmap (out, &b);
  gst_buffer_unref (before);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_boxes)
{
  const gchar *format = formats[__i__];
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);
  GstBuffer *in = black (format), *out;
  guint tag = 0;

  add_box (in);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (light (out, format, 100, 130) > 60, "no left edge");
  fail_unless (light (out, format, 160, 180) > 60, "no lower edge");
  fail_unless (light (out, format, 160, 130) < 30, "the box is filled");
  fail_unless (light (out, format, 250, 130) < 5, "drawn outside");
  for (gint x = 102; x < 140; x++)
    tag += light (out, format, x, 74) > 40;
  fail_unless (tag > 20, "no label");
  gst_buffer_unref (out);

  g_object_set (h->element, "labels", FALSE, "scores", FALSE, NULL);
  in = black (format);
  add_box (in);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (light (out, format, 110, 74) < 5, "a label all the same");
  gst_buffer_unref (out);

  g_object_set (h->element, "boxes", FALSE, NULL);
  in = black (format);
  add_box (in);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (light (out, format, 100, 130) < 5);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_masks)
{
  const gchar *format = formats[__i__];
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);

  for (guint classes = 1; classes <= 3; classes += 2) {
    GstBuffer *in = black (format), *out;
    add_mask (in, classes);
    out = gst_harness_push_and_pull (h, in);
    fail_unless (light (out, format, 60, 120) > 30, "%u classes", classes);
    fail_unless (light (out, format, 260, 120) < 5, "%u classes", classes);
    gst_buffer_unref (out);
    in = black (format);
    add_mask (in, classes);
    g_object_set (h->element, "masks", FALSE, NULL);
    out = gst_harness_push_and_pull (h, in);
    fail_unless (light (out, format, 60, 120) < 5);
    g_object_set (h->element, "masks", TRUE, NULL);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_colour_is_the_palette_s)
{
  const gchar *format = formats[__i__];
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);
  GstBuffer *in = black (format), *out;
  guint8 rgb[3];

  g_object_set (h->element, "mask-alpha", 1.0, NULL);
  add_mask (in, 1);
  out = gst_harness_push_and_pull (h, in);
  picture_get_pixel (out, format, WIDTH, HEIGHT, 40, 100, rgb);
  if (!g_str_equal (format, "GRAY8"))
    fail_unless (ABS (rgb[0] - 0x3d) < 8 && ABS (rgb[1] - 0xa5) < 8
        && ABS (rgb[2] - 0xff) < 8, "%s: %d %d %d", format, rgb[0], rgb[1],
        rgb[2]);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_updates)
{
  const gchar *format = formats[__i__];
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);
  GstBuffer *in = black (format), *out;

  add_updates (in);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (light (out, format, 80, 60) < 5, "drawn unasked");
  gst_buffer_unref (out);
  g_object_set (h->element, "updates", TRUE, NULL);
  in = black (format);
  add_updates (in);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (brightest (out, format, 80, 60) > 20);
  fail_unless (2 * darkest (out, format, 80, 60) < brightest (out, format, 80,
          60), "the picture is covered");
  fail_unless (brightest (out, format, 240, 60) < 5);
  fail_unless (brightest (out, format, 80, 180) < 5);
  fail_unless (brightest (out, format, 300, 225) > 60, "no legend");
  fail_unless (brightest (out, format, WIDTH - 5, 222) < 60,
      "the legend is cut");
  gst_buffer_unref (out);
  /* Nothing was recomputed here: nothing to explain. */
  out = gst_harness_push_and_pull (h, black (format));
  fail_unless (brightest (out, format, 300, 225) < 5);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

/* Points, the window where this frame has it, and what they mean. */
GST_START_TEST (test_motion)
{
  const gchar *format = formats[__i__];
  static const gdouble moved[9] = { 1, 0, 40, 0, 1, 20, 0, 0, 1 };
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);

  for (guint shown = 0; shown < 2; shown++) {
    GstBuffer *in = black (format), *out;
    const GstDeltaCnnMotionTrack track = { 100, 120, 130, 120, TRUE };
    GstDeltaCnnMotionMeta *meta = gst_buffer_add_delta_cnn_motion_meta_matrix
        (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, moved);

    gst_delta_cnn_motion_meta_append_track (meta, &track);
    /* its left edge is at 60 - 40 of this frame, its top at 60 - 20 */
    gst_delta_cnn_motion_meta_set_window (meta, 60, 60, 1000, 1000);
    g_object_set (h->element, "motion", shown, NULL);
    out = gst_harness_push_and_pull (h, in);
    fail_unless (shown == (light (out, format, 130, 120) > 60), "the point");
    fail_unless (shown == (light (out, format, 115, 120) > 30), "its way");
    fail_unless (shown == (brightest (out, format, 20, 140) > 100), "the window");
    fail_unless (shown == (brightest (out, format, 100, 40) > 100), "its top");
    fail_unless (shown == (brightest (out, format, 300, 225) > 60), "no legend");
    fail_unless (brightest (out, format, 60, 90) < 5, "the inside");
    gst_buffer_unref (out);
  }
  /* nothing is known of this one */
  gst_buffer_unref (gst_harness_push_and_pull (h, black (format)));
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_skeletons)
{
  const gchar *format = formats[__i__];
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);
  GstBuffer *in = black (format), *out;

  add_pose (in);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (light (out, format, 110, 60) > 40, "no limb");
  fail_unless (light (out, format, 60, 60) > 90, "no joint");
  fail_unless (light (out, format, 160, 110) < 5, "a limb to a key point "
      "below the threshold");
  gst_buffer_unref (out);
  g_object_set (h->element, "keypoint-threshold", 0.05, NULL);
  in = black (format);
  add_pose (in);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (light (out, format, 160, 110) > 40);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_statistics)
{
  const gchar *format = formats[__i__];
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);

  for (guint shown = 0; shown < 2; shown++) {
    GstBuffer *in = picture_new (format, WIDTH, HEIGHT, 128, 0, 0, 0, 0);
    GstBuffer *out;
    guint bright = 0, dark = 0;

    gst_buffer_add_delta_cnn_stats_meta (in, 0)->mac_share = 0.25;
    g_object_set (h->element, "stats", shown, NULL);
    out = gst_harness_push_and_pull (h, in);
    for (gint x = 8; x < 100; x++)
      for (gint y = 8; y < 20; y += 4) {
        const guint value = light (out, format, x, y);
        bright += value > 180;
        dark += value < 70;
      }
    fail_unless ((dark > 50) == shown);
    fail_unless ((bright > 0) == shown, "no text");
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}

GST_END_TEST;

/* Of how many rows is the panel's blue of the work, in one column of it? */
static guint
blue_rows (gdouble work)
{
  GstHarness *h = overlay_new ("RGB", WIDTH, HEIGHT);
  GstBuffer *out = NULL;
  guint rows = 0;

  for (guint k = 0; k < 100; k++) {
    GstBuffer *in = black ("RGB");

    gst_buffer_add_delta_cnn_stats_meta (in, 0)->mac_share = work;
    gst_clear_buffer (&out);
    out = gst_harness_push_and_pull (h, in);
  }
  for (gint y = 0; y < HEIGHT; y++) {
    gboolean blue = FALSE;

    for (gint x = 60; x < 70; x++) {
      guint8 rgb[3];
      picture_get_pixel (out, "RGB", WIDTH, HEIGHT, x, y, rgb);
      blue |= rgb[2] > 150 && rgb[0] < rgb[2] / 2;
    }
    rows += blue;
  }
  gst_buffer_unref (out);
  gst_harness_teardown (h);
  return rows;
}

/* A bar is as high as the share of the work: half of it, half as high. */
GST_START_TEST (test_bars)
{
  const guint all = blue_rows (1), half = blue_rows (0.5);

  fail_unless (all >= 8, "%u rows", all);
  fail_unless (ABS ((gint) all - 2 * (gint) half) <= 2, "%u rows, half %u", all,
      half);
  fail_unless (blue_rows (0) <= 1);
}

GST_END_TEST;

/* The edge of the picture is no border between classes. */
GST_START_TEST (test_no_border_at_the_edge)
{
  GstHarness *h = overlay_new ("RGB", WIDTH, HEIGHT);
  GstBuffer *in = black ("RGB"), *out;
  g_autoptr (GBytes) bytes = NULL;
  guint8 data[8 * 6], inside[3], edge[3];

  for (guint i = 0; i < sizeof data; i++)
    data[i] = i % 8 >= 2 ? 1 : 0;
  bytes = g_bytes_new (data, sizeof data);
  gst_delta_cnn_segmentation_meta_set_rectangle
      (gst_buffer_add_delta_cnn_segmentation_meta (in, 0, 8, 6, 3, bytes), 0, 0,
      WIDTH, HEIGHT);
  out = gst_harness_push_and_pull (h, in);
  picture_get_pixel (out, "RGB", WIDTH, HEIGHT, WIDTH * 11 / 16, HEIGHT / 2,
      inside);
  picture_get_pixel (out, "RGB", WIDTH, HEIGHT, WIDTH - 2, HEIGHT / 2, edge);
  for (guint c = 0; c < 3; c++)
    fail_unless (ABS (inside[c] - edge[c]) <= 2, "%u and %u", inside[c],
        edge[c]);
  fail_unless (inside[0] + inside[1] + inside[2] > 60);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

static guint                    /* HEIGHT: they are the same */
first_row_that_differs (GstBuffer * a, GstBuffer * b)
{
  GstMapInfo map;
  guint y = 0;

  gst_buffer_map (a, &map, GST_MAP_READ);
  while (y < HEIGHT && gst_buffer_memcmp (b, y * 3 * WIDTH,
          map.data + y * 3 * WIDTH, 3 * WIDTH) == 0)
    y++;
  gst_buffer_unmap (a, &map);
  return y;
}

/* Whatever came before, a frame's numbers give the same words above the bars. */
GST_START_TEST (test_statistics_are_this_frame_s)
{
  GstBuffer *out[3];

  for (guint i = 0; i < 3; i++) {
    GstHarness *h = overlay_new ("RGB", WIDTH, HEIGHT);

    for (guint k = 0; k < 100; k++) {
      GstBuffer *in = black ("RGB");
      GstDeltaCnnStatsMeta *stats = gst_buffer_add_delta_cnn_stats_meta (in, 0);

      stats->mac_share = k < 99 ? 0.4 + 0.5 * (i == 1) : i < 2 ? 0.306 : 0.9;
      stats->changed_share = k == 99 ? 0.03 : 0.4 + 0.1 * i;
      stats->total_time = (k == 99 ? 7 : 20 + 50 * i) * GST_MSECOND;
      out[i] = gst_harness_push_and_pull (h, in);
      if (k < 99)
        gst_buffer_unref (out[i]);
    }
    gst_harness_teardown (h);
  }
  const guint words = first_row_that_differs (out[0], out[2]);
  const guint bars = first_row_that_differs (out[0], out[1]);
  fail_unless (bars < HEIGHT && bars > words + 20, "%u, %u", words, bars);
  for (guint i = 0; i < 3; i++)
    gst_buffer_unref (out[i]);
}

GST_END_TEST;

/* The corner that the panel lies in: 0 top left, 1 top right, 2 and 3 below. A
 * box there is drawn lighter than the panel. */
static guint
panel_corner (GstHarness * h, gboolean somebody)
{
  const GstDeltaCnnDetection box = { 0, 0, 90, 60, 0.87f, 0, 0 };
  GstBuffer *in = picture_new ("RGB", WIDTH, HEIGHT, 128, 0, 0, 0, 0), *out;
  guint found = 4, dark = 0;

  gst_buffer_add_delta_cnn_stats_meta (in, 0)->mac_share = 0.25;
  if (somebody)
    gst_delta_cnn_detection_meta_append
        (gst_buffer_add_delta_cnn_detection_meta (in, 0), &box);
  out = gst_harness_push_and_pull (h, in);
  for (guint i = 0; i < 4; i++)
    if (darkest (out, "RGB", i & 1 ? WIDTH - 14 : 14, i & 2 ? HEIGHT - 14 :
            14) < 70) {
      found = i;
      dark++;
    }
  fail_unless (dark == 1, "%u panels", dark);
  gst_buffer_unref (out);
  return found;
}

/* The panel is where no results are: at once where they lie under it at first;
 * when they come there and stay; not for whoever passes in a moment, nor back
 * as soon as they have gone. */
GST_START_TEST (test_panel_makes_way)
{
  GstHarness *h = overlay_new ("RGB", WIDTH, HEIGHT);
  guint at = 0;

  fail_unless (panel_corner (h, TRUE) == 1);
  gst_harness_teardown (h);
  h = overlay_new ("RGB", WIDTH, HEIGHT);
  for (guint i = 0; i < 100; i++)
    fail_unless (panel_corner (h, i / 4 == 8) == 0, "frame %u", i);
  while (at < 100 && panel_corner (h, TRUE) == 0)
    at++;
  fail_unless (at > 8 && at < 48, "%u frames", at);
  for (guint i = 0; i < 200; i++)
    fail_unless (panel_corner (h, FALSE) == 1, "%u frames later", i);
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_classes)
{
  const gchar *format = formats[__i__];
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);

  for (guint shown = 0; shown < 2; shown++) {
    GstBuffer *in = black (format), *out;
    GstDeltaCnnClassMeta *classes = gst_buffer_add_delta_cnn_class_meta (in,
        0);

    for (guint i = 0; i < 9; i++)
      gst_delta_cnn_class_meta_append (classes, i, 0.9f - 0.1f * i, 0);
    g_object_set (h->element, "classes", shown, NULL);
    out = gst_harness_push_and_pull (h, in);
    for (guint row = 0; row < 5; row++)
      fail_unless ((brightest (out, format, 30, HEIGHT - 10 - 16 * row) > 60)
          == shown, "row %u", row);
    fail_unless (brightest (out, format, 30, 100) < 5, "more than five");
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}

GST_END_TEST;

/* Stripes one pixel wide on the left, which is object, and on the right. */
static GstBuffer *
stripes (const gchar * format, gboolean mask)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  GstBuffer *gray, *buffer;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, WIDTH, HEIGHT);
  gray = gst_buffer_new_allocate (NULL, info.size, NULL);
  fail_unless (gst_video_frame_map (&frame, &info, gray, GST_MAP_WRITE));
  for (gint y = 0; y < HEIGHT; y++)
    memset ((guint8 *) frame.data[0] + (gsize) y * frame.info.stride[0],
        y / 4 % 2 ? 255 : 0, WIDTH);
  gst_video_frame_unmap (&frame);
  buffer = picture_convert (gray, "GRAY8", format, WIDTH, HEIGHT);
  if (mask)
    add_mask (buffer, 1);
  return buffer;
}

static guint
contrast (GstBuffer * buffer, const gchar * format, gint x)
{
  return brightest (buffer, format, x, 120) - darkest (buffer, format, x, 120);
}

GST_START_TEST (test_background)
{
  const gchar *format = formats[__i__];
  const gboolean gray = g_str_equal (format, "GRAY8");
  GstHarness *h = overlay_new (format, WIDTH, HEIGHT);
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *png = g_build_filename (dir, "green.png", NULL);
  /* 1x1 pixel of pure green. */
  static const guint8 bytes[] = {
    0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0,
    0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 12, 'I',
    'D', 'A', 'T', 0x78, 0xda, 0x63, 0x60, 0xf8, 0xcf, 0, 0, 2, 2, 1, 0, 0x45,
    0xf4, 0x52, 0xd4, 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82
  };
  guint8 rgb[3];
  GstBuffer *out;

  fail_unless (g_file_set_contents (png, (const gchar *) bytes, sizeof bytes,
          NULL));
  g_object_set (h->element, "masks", FALSE, NULL);
  for (guint kind = 1; kind < 4; kind++) {
    g_object_set (h->element, "background", kind, "background-color", 0xff0000,
        "background-picture", png, NULL);
    out = gst_harness_push_and_pull (h, stripes (format, TRUE));
    fail_unless (contrast (out, format, 60) > 200, "the object is touched");
    fail_unless (contrast (out, format, 260) < 30, "background %u is not",
        kind);
    picture_get_pixel (out, format, WIDTH, HEIGHT, 260, 120, rgb);
    if (kind == 1)
      fail_unless (ABS (rgb[1] - 127) < 30, "the mean is %u", rgb[1]);
    else if (!gray)
      fail_unless (rgb[kind - 2] > 230 && rgb[3 - kind] < 25
          && rgb[2] < 25, "background %u: %u %u %u", kind, rgb[0], rgb[1],
          rgb[2]);
    gst_buffer_unref (out);
    /* Without a mask nothing is shown. */
    out = gst_harness_push_and_pull (h, stripes (format, FALSE));
    fail_unless (contrast (out, format, 60) < 30);
    gst_buffer_unref (out);
  }
  g_object_set (h->element, "background", 0, NULL);
  out = gst_harness_push_and_pull (h, stripes (format, TRUE));
  fail_unless (contrast (out, format, 260) > 200);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* A picture that cannot be read, and masks that are missing, are told once. */
GST_START_TEST (test_background_s_trouble)
{
  GstHarness *h = overlay_new ("RGB", WIDTH, HEIGHT);
  GstBus *bus = gst_bus_new ();
  GstBuffer *out;

  gst_element_set_bus (h->element, bus);
  g_object_set (h->element, "background", 3, "masks", FALSE,
      "background-picture", "/nowhere/beach.png", NULL);
  for (guint i = 0; i < 3; i++) {
    out = gst_harness_push_and_pull (h, stripes ("RGB", TRUE));
    fail_unless (contrast (out, "RGB", 260) < 30, "the background is shown");
    gst_buffer_unref (out);
  }
  warning_holds (bus, "/nowhere/beach.png");
  fail_unless (gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING) == NULL);
  g_object_set (h->element, "background", 1, NULL);
  gst_buffer_unref (gst_harness_push_and_pull (h, stripes ("RGB", TRUE)));
  gst_buffer_unref (gst_harness_push_and_pull (h, stripes ("RGB", FALSE)));
  warning_holds (bus, "no mask");
  gst_buffer_unref (gst_harness_push_and_pull (h, stripes ("RGB", TRUE)));
  g_object_set (h->element, "background", 3, "background-picture", NULL, NULL);
  gst_buffer_unref (gst_harness_push_and_pull (h, stripes ("RGB", TRUE)));
  warning_holds (bus, "has no picture");
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}

GST_END_TEST;

GST_START_TEST (test_regions_of_others)
{
  GstHarness *h = overlay_new ("RGB", WIDTH, HEIGHT);
  GstBuffer *in = black ("RGB"), *out;

  gst_buffer_add_video_region_of_interest_meta (in, "face", 100, 80, 120, 100);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (light (out, "RGB", 100, 130) > 60);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

/* Results that reach over the frame or hold no numbers harm nothing. */
static void
add_wild (GstBuffer * buffer)
{
  const gfloat nan = 0.0f / 0.0f;
  const GstDeltaCnnDetection boxes[] = { {-50, -50, 1000, 1000, 2, 7, 0},
  {nan, 0, 1, 1, nan, -3, 0}, {5, 5, -4, 3, 0.5f, 0, 0},
  {1e9f, 1e9f, 1e9f, 1e9f, 0.5f, 1 << 30, 0}
  };
  const GstDeltaCnnKeypoint points[] = { {-1e6f, 3, 1}, {1e6f, nan, 1},
  {7, 7, nan}
  };
  static const guint8 edges[] = { 0, 1, 0, 2, 9, 200 };
  g_autoptr (GBytes) edge_bytes = g_bytes_new (edges, sizeof edges);

  add_mask (buffer, 1);
  add_mask (buffer, 5);
  add_updates (buffer);
  gst_delta_cnn_segmentation_meta_set_rectangle
      (gst_buffer_get_delta_cnn_segmentation_meta (buffer), -30, -1000, 5000,
      3000);
  gst_delta_cnn_update_meta_set_rectangle
      (gst_buffer_get_delta_cnn_update_meta (buffer), -3, nan, 0.1f, 7);
  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++)
    gst_delta_cnn_detection_meta_append
        (gst_buffer_add_delta_cnn_detection_meta (buffer, 0), &boxes[i]);
  gst_delta_cnn_pose_meta_append (gst_buffer_add_delta_cnn_pose_meta (buffer,
          0, edge_bytes), 1, points, 3);
  gst_buffer_add_delta_cnn_stats_meta (buffer, 0)->mac_share = nan;
}

GST_START_TEST (test_odd_sizes)
{
  static const gint sizes[][2] = { {1, 1}, {1, 2}, {3, 1}, {5, 5}, {33, 31},
  {8191, 17}, {17, 8191}
  };

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
    const gchar *format = formats[__i__];
    GstHarness *h = overlay_new (format, sizes[s][0], sizes[s][1]);

    g_object_set (h->element, "updates", TRUE, NULL);
    for (guint i = 0; i < 2; i++) {
      GstBuffer *in = picture_new (format, sizes[s][0], sizes[s][1], 9, 0, 0,
          0, 0);
      add_wild (in);
      gst_buffer_unref (gst_harness_push_and_pull (h, in));
    }
    gst_harness_teardown (h);
  }
}

GST_END_TEST;

GST_START_TEST (test_shared_buffers_are_not_written)
{
  GstHarness *h = overlay_new ("RGB", WIDTH, HEIGHT);
  GstBuffer *in = black ("RGB"), *out;

  add_box (in);
  out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
  fail_unless (light (in, "RGB", 100, 130) < 5);
  fail_unless (light (out, "RGB", 100, 130) > 60);
  gst_buffer_unref (out);
  gst_buffer_unref (in);
  gst_harness_teardown (h);
}

GST_END_TEST;

static Suite *
overlay_suite (void)
{
  const gint n = G_N_ELEMENTS (formats);
  Suite *suite = suite_create ("deltaoverlay");
  TCase *tcase = tcase_create ("overlay");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 60);
  tcase_add_loop_test (tcase, test_nothing_to_draw_changes_nothing, 0, n);
  tcase_add_loop_test (tcase, test_boxes, 0, n);
  tcase_add_loop_test (tcase, test_masks, 0, n);
  tcase_add_loop_test (tcase, test_colour_is_the_palette_s, 0, n);
  tcase_add_loop_test (tcase, test_updates, 0, n);
  tcase_add_loop_test (tcase, test_motion, 0, n);
  tcase_add_loop_test (tcase, test_skeletons, 0, n);
  tcase_add_loop_test (tcase, test_statistics, 0, n);
  tcase_add_test (tcase, test_statistics_are_this_frame_s);
  tcase_add_test (tcase, test_tag_holds_its_text);
  tcase_add_test (tcase, test_panel_makes_way);
  tcase_add_test (tcase, test_bars);
  tcase_add_test (tcase, test_no_border_at_the_edge);
  tcase_add_loop_test (tcase, test_classes, 0, n);
  tcase_add_loop_test (tcase, test_background, 0, n);
  tcase_add_test (tcase, test_background_s_trouble);
  tcase_add_test (tcase, test_regions_of_others);
  tcase_add_loop_test (tcase, test_odd_sizes, 0, n);
  tcase_add_test (tcase, test_shared_buffers_are_not_written);
  return suite;
}

GST_CHECK_MAIN (overlay);
