/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * motion.c - deltacnn behind a camera whose motion is told by matrices: what
 * is found lies on the camera's own picture, whatever the window looks at.
 */
#include "fixture.h"

#include <math.h>
#include <string.h>

#define SIZE 64

/* A camera that knows where it looks: the world is a bright square of 16
 * pixels at (30, 30) on dark ground. */
static GstBuffer *
look_at_world (gint x, gint y)
{
  return picture_new ("RGB", SIZE, SIZE, 20, 30 - x, 30 - y, 16, 230);
}

static void
tell (GstBuffer * buffer, GstDeltaCnnMotionState state, guint64 reference,
    gdouble x, gdouble y)
{
  const gdouble m[9] = { 1, 0, x, 0, 1, y, 0, 0, 1 };

  gst_buffer_add_delta_cnn_motion_meta_matrix (buffer, state, reference, m);
}

static void
begin (Fixture * f, TinyKind kind)
{
  fixture_init (f);
  fixture_model (f, kind, SIZE, SIZE);
  g_object_set (f->element, "threshold", 0.0, "dilation", 0, NULL);
  fixture_play (f, "RGB", SIZE, SIZE);
}

static gint
random_below (guint * seed, guint n)
{
  *seed = *seed * 1664525 + 1013904223;
  return (*seed >> 16) % n;
}

static guint
mask_at (GstBuffer * buffer, gfloat x, gfloat y)
{
  const GstDeltaCnnSegmentationMeta *mask =
      gst_buffer_get_delta_cnn_segmentation_meta (buffer);

  fail_unless (mask != NULL);
  return gst_delta_cnn_segmentation_meta_get_value (mask, x, y);
}

static guint64
count_of (Fixture * f, const gchar * name)
{
  GstStructure *stats;
  guint64 value;

  g_object_get (f->element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, name, &value), "no %s", name);
  gst_structure_free (stats);
  return value;
}

GST_START_TEST (test_mask_follows_the_picture)
{
  Fixture f;

  begin (&f, TINY_MASK);
  for (gint i = 0; i < 12; i++) {
    const gint x = 3 * (i < 6 ? i : 12 - i), y = i % 3;
    GstBuffer *in = look_at_world (x, y), *out;
    const GstDeltaCnnUpdateMeta *updates;

    tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, x, y);
    out = fixture_run (&f, in);
    for (gint v = 0; v < 4; v++)
      for (gint u = 0; u < 4; u++)
        fail_unless (mask_at (out, 30 - x + 4 * u + 2, 30 - y + 4 * v + 2) >
            200, "frame %d", i);
    fail_unless (mask_at (out, 28 - x, 38 - y) < 50);
    fail_unless (mask_at (out, 48 - x, 38 - y) < 50);
    /* The square stands still in the world. */
    updates = gst_buffer_get_delta_cnn_update_meta (out);
    fail_unless (i == 0 || !gst_delta_cnn_update_meta_get_pixel (updates,
            38 - x, 38 - y), "frame %d", i);
    fail_unless (updates->w == SIZE && updates->h == SIZE);
    gst_buffer_unref (out);
  }
  fail_unless_equals_uint64 (count_of (&f, "aligned-frames"), 12);
  fail_unless_equals_uint64 (count_of (&f, "dense-frames"), 1);
  fail_unless_equals_uint64 (count_of (&f, "canvas-restarts"), 0);
  fixture_clear (&f);
}

GST_END_TEST;

/* Something moves in the world while the camera does: the update map shows it
 * where the camera has it. */
GST_START_TEST (test_updates_lie_on_the_picture)
{
  Fixture f;
  GstBuffer *in, *out;
  const GstDeltaCnnUpdateMeta *updates;

  begin (&f, TINY_MASK);
  in = look_at_world (0, 0);
  tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, 0, 0);
  gst_buffer_unref (fixture_run (&f, in));
  in = picture_new ("RGB", SIZE, SIZE, 20, 30 - 8 - 4, 30, 16, 230);
  tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, 8, 0);
  out = fixture_run (&f, in);
  updates = gst_buffer_get_delta_cnn_update_meta (out);
  /* left edge comes, right edge goes, the middle stays */
  fail_unless (gst_delta_cnn_update_meta_get_pixel (updates, 19, 38));
  fail_unless (gst_delta_cnn_update_meta_get_pixel (updates, 36, 38));
  fail_unless (!gst_delta_cnn_update_meta_get_pixel (updates, 28, 38));
  fail_unless (!gst_delta_cnn_update_meta_get_pixel (updates, 28, 20));
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

/* Brighter by 28 levels, far from what is found, with a threshold of 20. */
static gboolean
far_change_counts (gboolean weighed, gdouble shift)
{
  const guint size = 256;
  gboolean counts;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, size, size);
  g_object_set (f.element, "threshold", 0.0, "dilation", 0, "input-threshold",
      20.5 / 255, "moving-interest", weighed, NULL);
  fixture_play (&f, "RGB", size, size);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *in = picture_new ("RGB", size, size, 20, 30, 30, 16, 230);
    GstBuffer *out;

    for (guint y = 200; i == 2 && y < 216; y++)
      gst_buffer_memset (in, 3 * (size * y + 200), 48, 3 * 16);
    tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, i * shift, 0);
    out = fixture_run (&f, in);
    fail_unless (mask_at (out, 38, 38) > 200);
    counts = gst_delta_cnn_update_meta_get_pixel
        (gst_buffer_get_delta_cnn_update_meta (out), 208, 208);
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
  return counts;
}

/* The element finds what is near results itself, for cameras that move. */
GST_START_TEST (test_moving_interest)
{
  fail_unless (!far_change_counts (TRUE, 0.4));
  fail_unless (far_change_counts (FALSE, 0.4));
  fail_unless (far_change_counts (TRUE, 3));
}

GST_END_TEST;

GST_START_TEST (test_boxes_follow_the_picture)
{
  Fixture f;

  begin (&f, TINY_BOXES);
  for (gint i = 0; i < 5; i++) {
    const gint x = 8 * i;
    /* one cell of 8x8 in the world, at (32, 32) */
    GstBuffer *in = picture_new ("RGB", SIZE, SIZE, 0, 32 - x, 32, 8, 255);
    GstBuffer *out;
    GstDeltaCnnDetection box;
    gdouble left;

    tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, x, 0);
    out = fixture_run (&f, in);
    fail_unless (gst_delta_cnn_detection_meta_get_detection
        (gst_buffer_get_delta_cnn_detection_meta (out), 0, &box));
    /* half the picture in size, around the cell's corner, clipped */
    left = MAX (32 - x - 16, 0);
    fail_unless (ABS (box.x - left) < 1, "frame %d: %f", i, box.x);
    fail_unless (ABS (box.x + box.width - (32 - x + 16)) < 1,
        "frame %d: %f", i, box.x + box.width);
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
}

GST_END_TEST;

/* Lost frames, other references, matrices of no use: whatever is told, what is
 * found is where the picture has it. */
GST_START_TEST (test_never_in_the_wrong_place)
{
  static const gdouble useless[9] = { 0, 0, 0, 0, 0, 0, 0, 0, 0 };
  static const gdouble nan[9] = { NAN, 0, 0, 0, 1, 0, 0, 0, 1 };
  static const gdouble turned[9] = { 0, -1, 64, 1, 0, 0, 0, 0, 1 };
  guint seed = 5;
  Fixture f;

  begin (&f, TINY_MASK);
  for (gint i = 0; i < 60; i++) {
    const gint x = random_below (&seed, 40) - 20;
    const gint y = random_below (&seed, 40) - 20;
    GstBuffer *in = look_at_world (x, y), *out;

    switch (i % 6) {
      case 0:
        tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1 + i / 20, x, y);
        break;
      case 1:
        tell (in, GST_DELTA_CNN_MOTION_LOST, 1, 1000, y);
        break;
      case 2:
        gst_buffer_add_delta_cnn_motion_meta_matrix (in,
            GST_DELTA_CNN_MOTION_ALIGNED, 1, i % 4 ? nan : useless);
        break;
      case 3:
        tell (in, GST_DELTA_CNN_MOTION_REANCHORED, i, 0, 0);
        break;
      case 4:
        gst_buffer_add_delta_cnn_motion_meta_matrix (in,
            GST_DELTA_CNN_MOTION_ALIGNED, 1, turned);
        break;
      default:
        break;
    }
    out = fixture_run (&f, in);
    for (gint v = 2; v < 16; v += 4)
      for (gint u = 2; u < 16; u += 4)
        if (30 - x + u > 3 && 30 - x + u < SIZE - 3 && 30 - y + v > 3
            && 30 - y + v < SIZE - 3)
          fail_unless (mask_at (out, 30 - x + u, 30 - y + v) > 200,
              "frame %d", i);
    gst_buffer_unref (out);
  }
  fail_unless_equals_uint64 (count_of (&f, "lost-frames"), 20);
  fail_unless (count_of (&f, "canvas-restarts") >= 30);
  fixture_clear (&f);
}

GST_END_TEST;

static GstBuffer *
noise_new (guint * seed)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 3 * SIZE * SIZE, NULL);
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = random_below (seed, 256);
  gst_buffer_unmap (buffer, &map);
  return buffer;
}

/* A scene that is another at every frame: nothing is saved. Frames are then taken as
 * they lie, and have no window. */
GST_START_TEST (test_stands_aside_and_says_so)
{
  GstMessage *message = NULL;
  guint seed = 1, windows = 0;
  Fixture f;

  begin (&f, TINY_MASK);
  for (gint i = 0; i < 40; i++) {
    GstBuffer *in = noise_new (&seed), *out;

    tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, 2 * i, 0);
    out = fixture_run (&f, in);
    windows += gst_buffer_get_delta_cnn_motion_meta (out)->window_width > 0;
    gst_buffer_unref (out);
  }
  fail_unless (count_of (&f, "aside-frames") > 10);
  fail_unless_equals_uint64 (windows + count_of (&f, "aside-frames"), 40);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_INFO, &message), 1);
  message_holds (message, "stand-aside=false");
  gst_message_unref (message);
  g_object_set (f.element, "stand-aside", FALSE, NULL);
  fixture_clear (&f);
}

GST_END_TEST;

/* A device that cannot look through a matrix says so once, and takes frames as
 * they lie. */
GST_START_TEST (test_who_does_not_follow_says_so)
{
  const gchar *const devices[] = { "null", "sim", "cpu" };

  for (guint d = 0; d < G_N_ELEMENTS (devices); d++) {
    GstMessage *message = NULL;
    Fixture f;

    fixture_init (&f);
    fixture_model (&f, TINY_MASK, SIZE, SIZE);
    g_object_set (f.element, "threshold", 0.0, "device", devices[d], NULL);
    fixture_play (&f, "RGB", SIZE, SIZE);
    for (gint i = 0; i < 3; i++) {
      GstBuffer *in = look_at_world (2 * i, 0), *out;

      tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, 2 * i, 0);
      out = fixture_run (&f, in);
      fail_unless (d == 0 || mask_at (out, 38 - 2 * i, 38) > 200);
      gst_buffer_unref (out);
    }
    fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, &message),
        d == 0);
    if (message)
      message_holds (message, "device=cpu");
    g_clear_pointer (&message, gst_message_unref);
    fixture_clear (&f);
  }
}

GST_END_TEST;

/* Where the window lies, in the reference's pixels. */
GST_START_TEST (test_window_is_told)
{
  GstBuffer *in, *out;
  GstDeltaCnnMotionMeta *meta;
  Fixture f;

  begin (&f, TINY_MASK);
  in = look_at_world (0, 0);
  tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, 100, 50);
  gst_buffer_unref (fixture_run (&f, in));
  in = look_at_world (5, 0);
  tell (in, GST_DELTA_CNN_MOTION_ALIGNED, 1, 105, 50);
  out = fixture_run (&f, in);
  meta = gst_buffer_get_delta_cnn_motion_meta (out);
  fail_unless (ABS (meta->window_x - 105) < 1.01);
  fail_unless (ABS (meta->window_y - 50) < 1.01);
  fail_unless (ABS (meta->window_width - SIZE) < 1e-6);
  gst_buffer_unref (out);
  fixture_clear (&f);
}

GST_END_TEST;

static Suite *
motion_suite (void)
{
  Suite *suite = suite_create ("motion");
  TCase *tcase = tcase_create ("motion");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_mask_follows_the_picture);
  tcase_add_test (tcase, test_updates_lie_on_the_picture);
  tcase_add_test (tcase, test_moving_interest);
  tcase_add_test (tcase, test_boxes_follow_the_picture);
  tcase_add_test (tcase, test_never_in_the_wrong_place);
  tcase_add_test (tcase, test_stands_aside_and_says_so);
  tcase_add_test (tcase, test_who_does_not_follow_says_so);
  tcase_add_test (tcase, test_window_is_told);
  return suite;
}

GST_CHECK_MAIN (motion);
