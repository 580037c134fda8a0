/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * regions.c - where is inferred: rectangles of a property and regions of
 * interest on the buffer. What lies in them follows the picture, the rest keeps
 * the results that it has. Then windows, one on each region.
 */
#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#define SIZE 64

/* The whole picture of one tone. */
static GstBuffer *
tone (guint8 value)
{
  return picture_new ("RGB", SIZE, SIZE, value, 0, 0, 0, 0);
}

static void
begin (Fixture * f)
{
  fixture_init (f);
  fixture_model (f, TINY_MASK, SIZE, SIZE);
  g_object_set (f->element, "device", fixture_device (), "region-margin", 0, "dilation", 0,
      NULL);
  fixture_play (f, "RGB", SIZE, SIZE);
}

/* Runs it; whether the mask is bright there. changed: the share. */
static gboolean
bright_at (Fixture * f, GstBuffer * in, guint x, guint y, gdouble * changed)
{
  GstBuffer *out = fixture_run (f, in);
  const GstDeltaCnnSegmentationMeta *mask =
      gst_buffer_get_delta_cnn_segmentation_meta (out);
  gboolean bright;

  fail_unless (mask != NULL);
  bright = gst_delta_cnn_segmentation_meta_get_value (mask, x, y) > 128;
  if (changed)
    *changed = buffer_stats (out)->changed_share;
  gst_buffer_unref (out);
  return bright;
}

GST_START_TEST (test_property)
{
  gdouble changed;
  Fixture f;

  begin (&f);
  fail_unless (!bright_at (&f, tone (0), 4, 4, NULL));
  g_object_set (f.element, "regions", " 0,0,16,16 ; 48,48,16,16", NULL);
  fail_unless (bright_at (&f, tone (255), 4, 4, &changed));
  fail_unless (ABS (changed - 2 * 16.0 * 16 / (SIZE * SIZE)) < 1e-6);
  fail_unless (bright_at (&f, tone (255), 60, 60, NULL));
  fail_unless (!bright_at (&f, tone (255), 32, 32, NULL));
  g_object_set (f.element, "region-margin", 8, NULL);
  fail_unless (bright_at (&f, tone (255), 20, 4, &changed));
  fail_unless (ABS (changed - 2 * (24.0 * 24 - 16 * 16) / (SIZE * SIZE)) <
      1e-6);
  g_object_set (f.element, "regions", NULL, NULL);
  fail_unless (bright_at (&f, tone (255), 32, 32, NULL));
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, NULL), 0);
  fixture_clear (&f);
}
GST_END_TEST

/* What is no rectangle says what one is, and everything is inferred. */
GST_START_TEST (test_bad_property)
{
  static const gchar *const bad[] = { "1,2,3", "1,2,3,4,5", "a,0,1,1",
    "0,0,-1,4", "nan,0,1,1", "0,0,1,1;;0,0,1,1", "0,0,1,1x" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    GstMessage *message = NULL;
    Fixture f;

    begin (&f);
    fail_unless (!bright_at (&f, tone (0), 32, 32, NULL));
    g_object_set (f.element, "regions", bad[i], NULL);
    fail_unless (bright_at (&f, tone (255), 32, 32, NULL), "%s", bad[i]);
    /* once, whatever else is set */
    g_object_set (f.element, "threshold", 0.1f, NULL);
    fail_unless (bright_at (&f, tone (255), 32, 32, NULL), "%s", bad[i]);
    fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, &message),
        1);
    message_holds (message, bad[i]);
    message_holds (message, "x,y,width,height");
    gst_message_unref (message);
    fixture_clear (&f);
  }
}
GST_END_TEST

GST_START_TEST (test_metas)
{
  GstBuffer *in;
  gdouble changed;
  Fixture f;

  begin (&f);
  g_object_set (f.element, "roi-metas", TRUE, "roi-type", "person", NULL);
  fail_unless (!bright_at (&f, tone (0), 4, 4, NULL));
  in = tone (255);
  gst_buffer_add_video_region_of_interest_meta (in, "cat", 0, 0, 16, 16);
  gst_buffer_add_video_region_of_interest_meta (in, "person", 32, 32, 16, 16);
  fail_unless (bright_at (&f, gst_buffer_ref (in), 40, 40, &changed));
  fail_unless (ABS (changed - 16.0 * 16 / (SIZE * SIZE)) < 1e-6);
  fail_unless (!bright_at (&f, in, 4, 4, NULL));
  /* nobody: nowhere */
  fail_unless (!bright_at (&f, tone (255), 4, 4, &changed));
  fail_unless (changed == 0);
  /* of any type */
  g_object_set (f.element, "roi-type", NULL, NULL);
  in = tone (255);
  gst_buffer_add_video_region_of_interest_meta (in, "cat", 0, 0, 16, 16);
  fail_unless (bright_at (&f, in, 4, 4, NULL));
  /* more than the engine takes: the last ones are one */
  in = tone (255);
  for (guint i = 0; i < 200; i++)
    gst_buffer_add_video_region_of_interest_meta (in, "cat", i % 8, i / 8, 1,
        1);
  gst_buffer_add_video_region_of_interest_meta (in, "cat", 60, 60, 4, 4);
  fail_unless (bright_at (&f, in, 62, 62, NULL));
  g_object_set (f.element, "roi-metas", FALSE, NULL);
  fail_unless (bright_at (&f, tone (255), 32, 8, NULL));
  fixture_clear (&f);
}
GST_END_TEST

/* ---- windows ------------------------------------------------------------------ */

#define FRAME 256
#define PERSON 24

typedef struct
{
  gint x, y;                    /* of the middle */
} Person;

/* White squares on black, a region of interest on each. */
static GstBuffer *
people (const Person * who, guint n)
{
  GstBuffer *buffer = picture_new ("RGB", FRAME, FRAME, 0, 0, 0, 0, 0);
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (guint i = 0; i < n; i++)
    for (gint y = 0; y < PERSON; y++)
      memset (map.data + 3 * (gsize) ((who[i].y - PERSON / 2 + y) * FRAME +
              who[i].x - PERSON / 2), 255, 3 * PERSON);
  gst_buffer_unmap (buffer, &map);
  for (guint i = 0; i < n; i++)
    gst_buffer_add_video_region_of_interest_meta (buffer, "person",
        who[i].x - 20, who[i].y - 20, 40, 40);
  return buffer;
}

/* Runs it, and expects a pose on each of them. Returns the frame's cost. */
static GstDeltaCnnStatsMeta
expect_poses (Fixture * f, const Person * who, guint n)
{
  GstBuffer *out = fixture_run (f, people (who, n));
  const GstDeltaCnnPoseMeta *poses = gst_buffer_get_delta_cnn_pose_meta (out);
  const GstDeltaCnnStatsMeta cost = *buffer_stats (out);
  guint found = poses ? gst_delta_cnn_pose_meta_get_n_poses (poses) : 0;

  fail_unless_equals_int (found, n);
  for (guint i = 0; i < n; i++) {
    gboolean seen = FALSE;
    for (guint k = 0; k < found; k++) {
      GstDeltaCnnKeypoint point;
      fail_unless (gst_delta_cnn_pose_meta_get_keypoint (poses, k, 0, &point));
      seen |= ABS (point.x - who[i].x) < PERSON / 2 + 2
          && ABS (point.y - who[i].y) < PERSON / 2 + 2;
    }
    fail_unless (seen, "nobody at %d, %d", who[i].x, who[i].y);
  }
  gst_buffer_unref (out);
  return cost;
}

/* Two people, each in a window that follows: only what moved is recomputed,
 * also when the window goes a tile on, or the list is the other way round. */
GST_START_TEST (test_windows)
{
  Person who[3] = { {60, 70}, {180, 190}, {190, 60} };
  GstDeltaCnnStatsMeta cost;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_POSE, SIZE, SIZE);
  g_object_set (f.element, "device", fixture_device (), "roi-metas", TRUE, "windows", 2,
      "mode", 1, NULL);
  fixture_play (&f, "RGB", FRAME, FRAME);
  cost = expect_poses (&f, who, 2);
  fail_unless (cost.dense);
  cost = expect_poses (&f, who, 2);
  fail_unless (!cost.dense && cost.mac_share == 0);
  for (guint i = 0; i < 12; i++) {
    Person back[2];
    who[0].x += 4;
    who[1].y -= 4;
    back[0] = who[1];
    back[1] = who[0];
    cost = expect_poses (&f, i % 2 ? who : back, 2);
    fail_unless (!cost.dense, "afresh in frame %u", i);
    fail_unless (cost.mac_share > 0 && cost.mac_share < 0.6, "%f",
        cost.mac_share);
  }
  /* one goes, and comes again: its window has waited */
  cost = expect_poses (&f, who, 1);
  cost = expect_poses (&f, who, 2);
  fail_unless (!cost.dense);
  /* another one takes the window of who is gone, and begins afresh */
  who[1] = who[2];
  cost = expect_poses (&f, who, 2);
  fail_unless (cost.dense);
  /* nobody */
  expect_poses (&f, who, 0);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, NULL), 0);
  fixture_clear (&f);
}
GST_END_TEST

/* A window follows a region that has a fifth in common with the one before: of
 * both together, 24 px of 40 on leave a quarter, 28 px less. */
GST_START_TEST (test_who_is_followed)
{
  for (guint far = 0; far < 2; far++) {
    Person who = { 60, 70 };
    Fixture f;

    fixture_init (&f);
    fixture_model (&f, TINY_POSE, SIZE, SIZE);
    g_object_set (f.element, "device", fixture_device (), "roi-metas", TRUE, "windows", 2,
        "mode", 1, NULL);
    fixture_play (&f, "RGB", FRAME, FRAME);
    for (guint i = 0; i < 2; i++)
      expect_poses (&f, &who, 1);
    who.x += far ? 28 : 24;
    fail_unless_equals_int (expect_poses (&f, &who, 1).dense, far);
    fixture_clear (&f);
  }
}
GST_END_TEST

/* The share of the frame's pixels whose mask is not as it should be: on the
 * people, nowhere else. Cells of a window's mask are up to `slack` px. */
static gdouble
mask_errors (const GstDeltaCnnSegmentationMeta * mask, const Person * who,
    guint n, gint slack)
{
  guint wrong = 0;

  for (gint y = 0; y < FRAME; y++)
    for (gint x = 0; x < FRAME; x++) {
      const guint value =
          gst_delta_cnn_segmentation_meta_get_value (mask, x + 0.5f, y + 0.5f);
      gint near = G_MAXINT;
      for (guint i = 0; i < n; i++)
        near = MIN (near, MAX (ABS (x - who[i].x), ABS (y - who[i].y)));
      wrong += near < PERSON / 2 - slack ? value < 128 :
          near > PERSON / 2 + slack && value >= 128;
    }
  return (gdouble) wrong / (FRAME * FRAME);
}

/* Masks of windows lie on the frame as one, also where two overlap, and while
 * they follow; nobody: no mask. */
GST_START_TEST (test_window_masks)
{
  Person who[2] = { {60, 70}, {180, 190} };
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  g_object_set (f.element, "device", fixture_device (), "roi-metas", TRUE, "windows", 2,
      "mode", 1, NULL);
  fixture_play (&f, "RGB", FRAME, FRAME);
  for (guint i = 0; i < 24; i++) {
    GstBuffer *out = fixture_run (&f, people (who, 2));
    const GstDeltaCnnSegmentationMeta *mask =
        gst_buffer_get_delta_cnn_segmentation_meta (out);
    fail_unless (mask != NULL && mask->n_classes == 1);
    fail_unless (i == 0 || !buffer_stats (out)->dense);
    fail_unless (mask_errors (mask, who, 2, 2) == 0, "frame %u: %f of it", i,
        mask_errors (mask, who, 2, 2));
    gst_buffer_unref (out);
    who[0].x += 4;
    who[0].y += 3;
    who[1].y -= 1;
  }
  /* they have met: one window's empty part does not hide the other's person */
  fail_unless (ABS (who[0].x - who[1].x) < 2 * PERSON
      && ABS (who[0].y - who[1].y) < 2 * PERSON);
  {
    GstBuffer *out = fixture_run (&f, people (who, 0));
    fail_unless (!gst_buffer_get_delta_cnn_segmentation_meta (out));
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
}
GST_END_TEST

/* Of classes: the first window's that is not background. */
GST_START_TEST (test_window_class_masks)
{
  const Person who[2] = { {60, 70}, {180, 190} };
  const GstDeltaCnnSegmentationMeta *mask;
  GstBuffer *in = people (who, 2), *out;
  GstMapInfo map;
  Fixture f;

  fail_unless (gst_buffer_map (in, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i += 3) /* of white: green above, blue below */
    if (map.data[i]) {
      map.data[i] = 0;
      map.data[i + (i / 3 / FRAME < 128 ? 2 : 1)] = 0;
    }
  gst_buffer_unmap (in, &map);
  fixture_init (&f);
  fixture_model (&f, TINY_CLASSES, SIZE, SIZE);
  g_object_set (f.element, "device", fixture_device (), "roi-metas", TRUE, "windows", 2,
      NULL);
  fixture_play (&f, "RGB", FRAME, FRAME);
  out = fixture_run (&f, in);
  mask = gst_buffer_get_delta_cnn_segmentation_meta (out);
  fail_unless (mask != NULL);
  fail_unless_equals_int (mask->n_classes, 3);
  fail_unless_equals_int (gst_delta_cnn_segmentation_meta_get_value (mask, 60,
          70), 1);
  fail_unless_equals_int (gst_delta_cnn_segmentation_meta_get_value (mask, 180,
          190), 2);
  fail_unless_equals_int (gst_delta_cnn_segmentation_meta_get_value (mask, 128,
          128), 0);
  gst_buffer_unref (out);
  fixture_clear (&f);
}
GST_END_TEST

/* What a classifier says of a region is a box with that label. */
GST_START_TEST (test_window_labels)
{
  const gfloat wanted[2][3] = { {40, 50, 1}, {160, 170, 2} };
  const Person who[2] = { {60, 70}, {180, 190} };
  const GstDeltaCnnDetectionMeta *boxes;
  GstBuffer *in = people (who, 2), *out;
  GstMapInfo map;
  Fixture f;

  fail_unless (gst_buffer_map (in, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i += 3)
    if (map.data[i]) {
      map.data[i] = 0;
      map.data[i + (i / 3 / FRAME < 128 ? 2 : 1)] = 0;
    }
  gst_buffer_unmap (in, &map);
  fixture_init (&f);
  fixture_model (&f, TINY_LABEL, 8, 8);
  g_object_set (f.element, "device", fixture_device (), "roi-metas", TRUE, "windows", 2,
      "score-threshold", 0.05, NULL);
  fixture_play (&f, "RGB", FRAME, FRAME);
  out = fixture_run (&f, in);
  boxes = gst_buffer_get_delta_cnn_detection_meta (out);
  fail_unless (boxes != NULL);
  fail_unless (!gst_buffer_get_delta_cnn_class_meta (out));
  fail_unless_equals_int (boxes->detections->len, 2);
  for (guint i = 0; i < 2; i++) {
    const GstDeltaCnnDetection *box = &g_array_index (boxes->detections,
        GstDeltaCnnDetection, i);
    const guint k = box->x < 100 ? 0 : 1;
    fail_unless (box->x == wanted[k][0] && box->y == wanted[k][1]);
    fail_unless (box->width == 40 && box->height == 40);
    fail_unless_equals_int (box->class_id, (gint) wanted[k][2]);
    fail_unless (box->score > 0.05f);
  }
  gst_buffer_unref (out);
  /* nobody: that is an answer too, but of no window */
  out = fixture_run (&f, people (who, 0));
  boxes = gst_buffer_get_delta_cnn_detection_meta (out);
  fail_unless (!boxes || boxes->detections->len == 0);
  gst_buffer_unref (out);
  fixture_clear (&f);
}
GST_END_TEST

/* Whoever stands at the frame's border has a window all the same. */
GST_START_TEST (test_window_at_the_border)
{
  const Person corners[] = { {14, 14}, {FRAME - 14, 14}, {FRAME - 14,
            FRAME - 14}, {14, FRAME - 14} };
  GstBuffer *in, *out;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_POSE, SIZE, SIZE);
  g_object_set (f.element, "device", fixture_device (), "roi-metas", TRUE, "windows", 1,
      NULL);
  fixture_play (&f, "RGB", FRAME, FRAME);
  for (guint i = 0; i < 8; i++)
    expect_poses (&f, &corners[i % 4], 1);

  /* whoever is beside it has none, and takes none from others */
  in = picture_new ("RGB", FRAME, FRAME, 0, 100, 100, PERSON, 255);
  gst_buffer_add_video_region_of_interest_meta (in, "person", FRAME + 9, 0,
      40, 40);
  gst_buffer_add_video_region_of_interest_meta (in, "person", 92, 92, 40, 40);
  out = fixture_run (&f, in);
  fail_unless (gst_buffer_get_delta_cnn_pose_meta (out) != NULL);
  fail_unless_equals_int (gst_delta_cnn_pose_meta_get_n_poses
      (gst_buffer_get_delta_cnn_pose_meta (out)), 1);
  gst_buffer_unref (out);

  /* beside the frame, and larger than numbers go */
  in = picture_new ("RGB", FRAME, FRAME, 0, 100, 100, PERSON, 255);
  gst_buffer_add_video_region_of_interest_meta (in, "person", FRAME + 9, 0,
      40, 40);
  out = fixture_run (&f, in);
  fail_unless (gst_buffer_get_delta_cnn_pose_meta (out) == NULL
      || gst_delta_cnn_pose_meta_get_n_poses
      (gst_buffer_get_delta_cnn_pose_meta (out)) == 0);
  gst_buffer_unref (out);
  in = picture_new ("RGB", FRAME, FRAME, 0, 100, 100, PERSON, 255);
  gst_buffer_add_video_region_of_interest_meta (in, "person", G_MAXUINT,
      G_MAXUINT, G_MAXUINT, G_MAXUINT);
  out = fixture_run (&f, in);
  fail_unless_equals_int (gst_delta_cnn_pose_meta_get_n_poses
      (gst_buffer_get_delta_cnn_pose_meta (out)), 1);
  gst_buffer_unref (out);
  fixture_clear (&f);
}
GST_END_TEST

/* A model that takes its time to load, or cannot be, is not the windows' yet. */
GST_START_TEST (test_windows_keep_their_model)
{
  const Person who[] = { {60, 70}, {180, 190} };
  GstMessage *message = NULL;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_POSE, SIZE, SIZE);
  g_object_set (f.element, "device", fixture_device (), "roi-metas", TRUE, "windows", 2,
      NULL);
  fixture_play (&f, "RGB", FRAME, FRAME);
  expect_poses (&f, who, 1);
  g_object_set (f.element, "model", "nowhere.onnx", NULL);
  expect_poses (&f, who, 2);
  message = gst_bus_timed_pop_filtered (f.bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_WARNING);
  message_holds (message, "nowhere.onnx");
  gst_message_unref (message);
  expect_poses (&f, who, 2);
  fixture_clear (&f);
}
GST_END_TEST

/* One that cannot be loaded ends the stream, and whoever flushes or tunes it
 * afterwards finds none. */
GST_START_TEST (test_window_that_cannot_be_loaded)
{
  const Person who = { 60, 70 };
  GstMessage *message = NULL;
  g_autofree gchar *path = NULL;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_POSE, SIZE, SIZE);
  g_object_set (f.element, "device", fixture_device (), "roi-metas", TRUE, "windows", 1,
      NULL);
  g_object_get (f.element, "model", &path, NULL);
  fixture_play (&f, "RGB", FRAME, FRAME);
  fail_unless_equals_int (g_remove (path), 0);
  fail_unless_equals_int (gst_harness_push (f.harness, people (&who, 1)),
      GST_FLOW_ERROR);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, &message), 1);
  message_holds (message, path);
  gst_message_unref (message);
  g_object_set (f.element, "threshold", 0.1f, NULL);
  fail_unless_equals_int (gst_harness_push (f.harness, people (&who, 1)),
      GST_FLOW_ERROR);
  fail_unless (gst_harness_push_event (f.harness, gst_event_new_flush_start ()));
  fail_unless (gst_harness_push_event (f.harness, gst_event_new_flush_stop (
              FALSE)));
  fixture_clear (&f);
}
GST_END_TEST

/* Windows of one element run in turn: none waits for another's frame. */
GST_START_TEST (test_windows_do_not_wait)
{
  const Person who[] = { {60, 70}, {180, 190}, {190, 60} };
  GstClockTime least = GST_CLOCK_TIME_NONE;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_POSE, SIZE, SIZE);
  g_object_set (f.element, "device", fixture_device (), "roi-metas", TRUE, "windows", 3,
      "batch-timeout", 1000000, NULL);
  fixture_play (&f, "RGB", FRAME, FRAME);
  /* one that waited takes a second at least; a busy machine alone not each time */
  for (guint i = 0; i < 4; i++)
    least = MIN (least, expect_poses (&f, who, 3).total_time);
  fail_unless (least < GST_SECOND, "%" GST_TIME_FORMAT, GST_TIME_ARGS (least));
  fixture_clear (&f);
}
GST_END_TEST

static Suite *
regions_suite (void)
{
  Suite *suite = suite_create ("regions");
  TCase *tc = tcase_create ("general");

  fixture_load_plugin ();
  suite_add_tcase (suite, tc);
  tcase_add_test (tc, test_property);
  tcase_add_test (tc, test_bad_property);
  tcase_add_test (tc, test_metas);
  tcase_add_test (tc, test_windows);
  tcase_add_test (tc, test_who_is_followed);
  tcase_add_test (tc, test_window_masks);
  tcase_add_test (tc, test_window_class_masks);
  tcase_add_test (tc, test_window_labels);
  tcase_add_test (tc, test_window_at_the_border);
  tcase_add_test (tc, test_windows_keep_their_model);
  tcase_add_test (tc, test_window_that_cannot_be_loaded);
  tcase_add_test (tc, test_windows_do_not_wait);
  return suite;
}

GST_CHECK_MAIN (regions);
