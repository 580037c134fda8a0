/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * overlay_odd.c - deltaoverlay where settings change, and where what others
 * attached is odd: what is drawn depends on this frame and its settings alone.
 */
#include "fixture.h"

#define WIDTH 320
#define HEIGHT 240

static GstHarness *
overlay_new (gint width, gint height)
{
  GstHarness *h = gst_harness_new ("deltaoverlay");

  gst_harness_set_src_caps (h, gst_caps_new_simple ("video/x-raw", "format",
          G_TYPE_STRING, "GRAY8", "width", G_TYPE_INT, width, "height",
          G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, 25, 1, NULL));
  return h;
}

static guint8
grey_at (GstBuffer * buffer, gint width, gint height, gint x, gint y)
{
  guint8 rgb[3];

  picture_get_pixel (buffer, "GRAY8", width, height, x, y, rgb);
  return rgb[1];
}

/* A picture with a blur of that sigma; the harness may have blurred before. */
static GstBuffer *
blurred (GstHarness * h, gint width, gint height, gdouble sigma)
{
  g_object_set (h->element, "background-blur", sigma, NULL);
  return gst_harness_push_and_pull (h, picture_new ("GRAY8", width, height, 20,
          0, height / 2, height / 2, 220));
}

/* Sigmas by which the small picture's width, or its height, is the same. */
GST_START_TEST (test_blur_changes)
{
  static const gint sizes[][2] = { {4, 2000}, {2000, 4}, {108, 192} };
  static const gdouble sigmas[] = { 500, 10, 7.36, 7.33, 500, 7.36 };

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
    const gint width = sizes[s][0], height = sizes[s][1];
    GstHarness *h = overlay_new (width, height);

    g_object_set (h->element, "background", 1, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (sigmas); i++) {
      GstHarness *fresh = overlay_new (width, height);
      GstBuffer *out = blurred (h, width, height, sigmas[i]), *other;
      GstMapInfo map;

      g_object_set (fresh->element, "background", 1, NULL);
      other = blurred (fresh, width, height, sigmas[i]);
      fail_unless (gst_buffer_map (other, &map, GST_MAP_READ));
      fail_unless (gst_buffer_memcmp (out, 0, map.data, map.size) == 0,
          "%dx%d: a blur of %g after another one", width, height, sigmas[i]);
      gst_buffer_unmap (other, &map);
      gst_buffer_unref (other);
      gst_buffer_unref (out);
      gst_harness_teardown (fresh);
    }
    gst_harness_teardown (h);
  }
}

GST_END_TEST;

/* A region that begins left of the frame and above it, as others write it into
 * the meta's unsigned numbers. */
GST_START_TEST (test_region_over_the_edge)
{
  GstHarness *h = overlay_new (WIDTH, HEIGHT);
  GstBuffer *in = picture_new ("GRAY8", WIDTH, HEIGHT, 0, 0, 0, 0, 0), *out;

  gst_buffer_add_video_region_of_interest_meta (in, "face", (guint) -60,
      (guint) -40, 160, 140);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (grey_at (out, WIDTH, HEIGHT, 100, 50) > 60, "its right edge");
  fail_unless (grey_at (out, WIDTH, HEIGHT, 50, 100) > 60, "its bottom");
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

GST_END_TEST;

/* A name that is no UTF-8 costs at most itself. */
GST_START_TEST (test_names_that_are_no_text)
{
  GstHarness *h = overlay_new (WIDTH, HEIGHT);

  for (guint i = 0; i < 2; i++) {
    GstBuffer *in = picture_new ("GRAY8", WIDTH, HEIGHT, 0, 0, 0, 0, 0), *out;

    gst_buffer_add_video_region_of_interest_meta (in, "caf\xe9", 20, 30, 40,
        50);
    gst_buffer_add_video_region_of_interest_meta (in, "face", 100, 80, 120,
        100);
    out = gst_harness_push_and_pull (h, in);
    fail_unless (grey_at (out, WIDTH, HEIGHT, 20, 60) > 60, "frame %u", i);
    fail_unless (grey_at (out, WIDTH, HEIGHT, 100, 130) > 60, "frame %u", i);
    fail_unless (grey_at (out, WIDTH, HEIGHT, 110, 69) > 60, "tag, frame %u",
        i);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}

GST_END_TEST;

static Suite *
overlay_odd_suite (void)
{
  Suite *suite = suite_create ("deltaoverlay, odd");
  TCase *tcase = tcase_create ("odd");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_blur_changes);
  tcase_add_test (tcase, test_region_over_the_edge);
  tcase_add_test (tcase, test_names_that_are_no_text);
  return suite;
}

GST_CHECK_MAIN (overlay_odd);
