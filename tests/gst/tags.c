/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tags.c - of people who stand side by side deltaoverlay shows every tag, of
 * what a legend explains every sign.
 */
#include "fixture.h"

#define WIDTH 640
#define HEIGHT 480

typedef guint8 Rgb[3];

static GstHarness *
overlay_new (void)
{
  GstHarness *h = gst_harness_new ("deltaoverlay");

  gst_harness_set_src_caps (h, gst_caps_new_simple ("video/x-raw", "format",
          G_TYPE_STRING, "RGB", "width", G_TYPE_INT, WIDTH, "height",
          G_TYPE_INT, HEIGHT, "framerate", GST_TYPE_FRACTION, 25, 1, NULL));
  return h;
}

static GstBuffer *
black (void)
{
  return picture_new ("RGB", WIDTH, HEIGHT, 0, 0, 0, 0, 0);
}

/* What is drawn of these boxes. */
static GstBuffer *
draw (const GstDeltaCnnDetection * boxes, guint n)
{
  GstHarness *h = overlay_new ();
  GstBuffer *in = black (), *out;
  GstDeltaCnnDetectionMeta *meta =
      gst_buffer_add_delta_cnn_detection_meta (in, 0);

  g_object_set (h->element, "stats", FALSE, NULL);
  for (guint i = 0; i < n; i++)
    gst_delta_cnn_detection_meta_append (meta, &boxes[i]);
  out = gst_harness_push_and_pull (h, in);
  gst_harness_teardown (h);
  return out;
}

/* How many pixels are of that colour, nearly. */
static guint
count_colour (GstBuffer * buffer, const Rgb colour)
{
  GstMapInfo map;
  guint n = 0;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (gsize i = 0; i + 2 < map.size; i += 3)
    n += ABS (map.data[i] - colour[0]) < 6 && ABS (map.data[i + 1] -
        colour[1]) < 6 && ABS (map.data[i + 2] - colour[2]) < 6;
  gst_buffer_unmap (buffer, &map);
  return n;
}

/* People side by side: of each tag is seen what is of it alone, but where a box shines
 * through. y: where the tags
 * would all be. */
static void
all_are_seen (gfloat top, gint y)
{
  GstDeltaCnnDetection boxes[3];
  GstBuffer *together;

  for (guint i = 0; i < 3; i++)
    boxes[i] = (GstDeltaCnnDetection) { 200 + 30 * i, top, 60, 150, 0.87f, i,
      g_quark_from_static_string ("person")
    };
  together = draw (boxes, 3);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *alone = draw (&boxes[i], 1);
    guint whole, seen;
    Rgb colour;

    picture_get_pixel (alone, "RGB", WIDTH, HEIGHT, (gint) boxes[i].x + 2, y,
        colour);
    fail_unless (colour[0] + colour[1] + colour[2] > 60, "no tag");
    whole = count_colour (alone, colour);
    seen = count_colour (together, colour);
    fail_unless (whole > 500, "%u pixels of tag %u", whole, i);
    fail_unless (seen > 0.8 * whole, "of tag %u %u of %u pixels", i, seen,
        whole);
    gst_buffer_unref (alone);
  }
  gst_buffer_unref (together);
}

GST_START_TEST (test_every_tag_is_seen)
{
  all_are_seen (200, 190);      /* above */
  all_are_seen (30, 20);        /* one above, the others below it */
  all_are_seen (0, 8);          /* at the frame's top: below the edge */
}

GST_END_TEST;

/* How many signs of that colour stand one above the other on the right. */
static guint
signs (GstBuffer * picture, gint red, gint green, gint blue)
{
  guint n = 0;
  gboolean before = FALSE;

  for (gint y = 0; y < HEIGHT; y++) {
    gboolean now = FALSE;

    for (gint x = WIDTH / 2; x < WIDTH; x++) {
      guint8 rgb[3];
      picture_get_pixel (picture, "RGB", WIDTH, HEIGHT, x, y, rgb);
      now |= ABS (rgb[0] - red) < 30 && ABS (rgb[1] - green) < 30
          && ABS (rgb[2] - blue) < 30;
    }
    n += now && !before;
    before = now;
  }
  return n;
}

/* What moves with the scene and what does not has a sign each, where there are
 * points; the camera's state has the one or the other. */
GST_START_TEST (test_motion_legend)
{
  static const gdouble still[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 };
  GstHarness *h = overlay_new ();

  g_object_set (h->element, "motion", TRUE, NULL);
  for (guint i = 0; i < 4; i++) {
    const gboolean lost = i & 1, points = i >> 1;
    const GstDeltaCnnMotionTrack track = { 50, 120, 50, 120, TRUE };
    GstBuffer *in = black (), *out;
    GstDeltaCnnMotionMeta *meta = gst_buffer_add_delta_cnn_motion_meta_matrix
        (in, lost ? GST_DELTA_CNN_MOTION_LOST : GST_DELTA_CNN_MOTION_ALIGNED, 1,
        still);

    if (points)
      gst_delta_cnn_motion_meta_append_track (meta, &track);
    out = gst_harness_push_and_pull (h, in);
    fail_unless_equals_int (signs (out, 0x4d, 0xe3, 0xa3), points + !lost);
    fail_unless_equals_int (signs (out, 0xff, 0x8a, 0x3d), points + lost);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}

GST_END_TEST;

static Suite *
tags_suite (void)
{
  Suite *suite = suite_create ("tags");
  TCase *tc = tcase_create ("general");

  fixture_load_plugin ();
  suite_add_tcase (suite, tc);
  tcase_add_test (tc, test_every_tag_is_seen);
  tcase_add_test (tc, test_motion_legend);
  return suite;
}

GST_CHECK_MAIN (tags);
