/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * hard.c - framealign ! deltacnn over what cameras do at their worst, all in one
 * stream. No result lies in the wrong place unless the state says lost, no frame
 * is more work than a dense one, and an alignment that pays never stands aside.
 *
 * Work is counted (multiply-accumulates), so that no figure depends on the
 * machine.
 */
#include "fixture.h"

#include <math.h>
#include <string.h>

#include "dcnn_stabilizer.h"
#include "view.h"

/* Pixels within so many of an edge of the picture's tones are not judged: the
 * window samples between pixels. Nor is what is not found so near the border:
 * corners of a frame that rolls or zooms lie outside of the window. */
#define NEAR_PX 3
#define BORDER_PX 26

/* A bright pixel is an object to TINY_MASK; at 0.5 +- this it is sure of it. */
#define SURE 50

/* A stretch of the ride: where the camera looks in the i-th of its frames, and
 * what is done to the picture; and of how many frames at least it is said that
 * they are aligned, or lost. */
typedef struct
{
  const gchar *name;
  guint frames;
  View (*look) (guint i);
  void (*spoil) (guint8 * grey, guint i);
  guint every;                  /* frames of the source a frame that arrives */
  guint aligned, lost;
} Stretch;

static guint
scatter (guint i, guint n)
{
  return (i * 2654435761u >> 8) % n;
}

static View
pan (guint i)
{
  return (View) { 330 + 3.0 * i, 300 + 0.4 * i, 0, 1 };
}

static View
lost_jumps (guint i)
{
  return (View) { 200 + scatter (i, 400), 150 + scatter (i + 99, 300),
    scatter (i + 7, 628) / 100.0, 1 };
}

static View
stand (guint i)
{
  return (View) { 400, 300, 0, 1 };
}

/* One frame a second of a camera that pans. */
static View
second_apart (guint i)
{
  return (View) { 250 + 60.0 * (i % 6), 300, 0, 1 };
}

/* Of a pan by 9 px a frame most frames are dropped, some not. */
static View
dropped (guint i)
{
  return (View) { 220 + 9.0 * (i + scatter (i, 4)), 280, 0, 1 };
}

static View
spin (guint i)
{
  return (View) { 400, 300, i * 0.31, 1 };
}

static View
zoom (guint i)
{
  return (View) { 400, 300, 0, pow (1.3, i < 8 ? (gint) i : 16 - (gint) MIN (i, 22)) };
}

static View
slow_roll (guint i)
{
  return (View) { 400, 300, 0.012 * i, 1 };
}

static View
slow_zoom (guint i)
{
  return (View) { 400, 300, 0, pow (1.015, i) };
}

static void
blacken (guint8 * grey, guint i)
{
  memset (grey, 0, VIEW_WIDTH * VIEW_HEIGHT);
}

/* A wall of one colour, another at every second frame, with a sensor's noise. */
static void
paint_wall (guint8 * grey, guint i)
{
  for (guint k = 0; k < VIEW_WIDTH * VIEW_HEIGHT; k++)
    grey[k] = 60 + 130 * (i / 2 % 2) + scatter (k + 77777 * i, 5);
}

/* Half of the pictures are smeared along the way. */
static void
smear (guint8 * grey, guint i)
{
  for (gint y = 0; i % 2 && y < VIEW_HEIGHT; y++)
    for (gint x = 0; x < VIEW_WIDTH; x++) {
      guint sum = 0;
      for (gint k = 0; k < 24; k++)
        sum += grey[y * VIEW_WIDTH + MIN (x + k, VIEW_WIDTH - 1)];
      grey[y * VIEW_WIDTH + x] = sum / 24;
    }
}

/* A lens cap with a bright scratch that rolls over the lens, and on. */
static void
roll_cap (guint8 * grey, guint i)
{
  const gdouble angle = 0.09 * i, across = 40.0 * ((gint) i - 6);
  const gdouble c = cos (angle), s = sin (angle);

  for (guint y = 0; y < VIEW_HEIGHT; y++)
    for (guint x = 0; x < VIEW_WIDTH; x++) {
      const gdouble u = (x - VIEW_WIDTH / 2.0) * c + (y - VIEW_HEIGHT / 2.0) * s;
      const gdouble v = (y - VIEW_HEIGHT / 2.0) * c - (x - VIEW_WIDTH / 2.0) * s;
      const gdouble inside = across - u;
      if (inside > 0 && inside < 400)
        grey[y * VIEW_WIDTH + x] = inside > 10 && inside < 24
            && fmod (v + 800, 40) < 20 ? 220 : 6;
    }
}

static const Stretch ride[] = {
  {"a pan", 8, pan, NULL, 1, 6, 0},
  {"a slow roll", 12, slow_roll, NULL, 1, 10, 0},
  {"a slow zoom", 12, slow_zoom, NULL, 1, 10, 0},
  {"lost alignment", 8, lost_jumps, NULL, 1, 0, 4},
  {"smeared pictures", 8, pan, smear, 1, 0, 2},
  {"black frames", 5, stand, blacken, 1, 0, 5},
  {"light again", 4, stand, NULL, 1, 2, 0},
  {"one-colour walls", 6, stand, paint_wall, 1, 0, 6},
  {"one frame a second", 8, second_apart, NULL, 25, 3, 0},
  {"dropped frames", 10, dropped, NULL, 3, 5, 0},
  {"a spinning camera", 10, spin, NULL, 1, 0, 4},
  {"extreme zoom", 24, zoom, NULL, 1, 0, 10},
  {"a rolling lens cap", 18, stand, roll_cap, 1, 2, 6},
  {"a pan after all", 8, pan, NULL, 1, 6, 0},
};

/* The camera and the network behind it. */
typedef struct
{
  GstHarness *align;
  Fixture net;
  GstClockTime now;
} Rig;

static void
rig_init (Rig * rig, gboolean aligned)
{
  rig->now = 0;
  rig->align = gst_harness_new (aligned ? "framealign" : "identity");
  gst_harness_set_src_caps_str (rig->align, "video/x-raw,format=GRAY8,"
      "width=320,height=240,framerate=25/1");
  fixture_init (&rig->net);
  g_object_set (rig->net.element, "qos", FALSE, NULL);
}

static void
rig_play (Rig * rig)
{
  fixture_play (&rig->net, "GRAY8", VIEW_WIDTH, VIEW_HEIGHT);
}

static void
rig_clear (Rig * rig)
{
  gst_harness_teardown (rig->align);
  fixture_clear (&rig->net);
}

/* A network of many layers, of that part of its size each way. */
static void
rig_net (Rig * rig, gint part)
{
  const gchar *model = g_getenv ("DELTACNN_TEST_NET");

  fail_unless (model != NULL, "DELTACNN_TEST_NET names no network");
  g_object_set (rig->net.element, "model", model, "input-width", 160 / part,
      "input-height", 128 / part, NULL);
}

static guint64
count_of (Rig * rig, const gchar * name)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;

  g_object_get (rig->net.element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, name, &value), "no %s", name);
  return value;
}

/* A frame through both, and the picture that it shows. */
static GstBuffer *
rig_run (Rig * rig, const Stretch * s, guint i, guint8 * grey)
{
  const View view = s->look (i);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL,
      VIEW_WIDTH * VIEW_HEIGHT, NULL);

  view_draw (&view, grey);
  if (s->spoil)
    s->spoil (grey, i);
  gst_buffer_fill (buffer, 0, grey, VIEW_WIDTH * VIEW_HEIGHT);
  GST_BUFFER_PTS (buffer) = rig->now;
  GST_BUFFER_DURATION (buffer) = 40 * GST_MSECOND;
  if (s->every > 1)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  rig->now += s->every * 40 * GST_MSECOND;
  buffer = gst_harness_push_and_pull (rig->align, buffer);
  return fixture_run (&rig->net, buffer);
}

/* The tones around a pixel. */
static void
tones (const guint8 * grey, gint x, gint y, guint8 * least, guint8 * most)
{
  *least = 255;
  *most = 0;
  for (gint v = y - NEAR_PX; v <= y + NEAR_PX; v++)
    for (gint u = x - NEAR_PX; u <= x + NEAR_PX; u++) {
      *least = MIN (*least, grey[v * VIEW_WIDTH + u]);
      *most = MAX (*most, grey[v * VIEW_WIDTH + u]);
    }
}

/* Pixels whose mask is not what the frame shows there; judged: of how many. */
static guint
misplaced (GstBuffer * out, const guint8 * grey, guint * judged)
{
  const GstDeltaCnnSegmentationMeta *mask =
      gst_buffer_get_delta_cnn_segmentation_meta (out);
  guint wrong = 0;

  fail_unless (mask != NULL);
  *judged = 0;
  for (gint y = NEAR_PX; y < VIEW_HEIGHT - NEAR_PX; y += 2)
    for (gint x = NEAR_PX; x < VIEW_WIDTH - NEAR_PX; x += 2) {
      const gint inside = MIN (MIN (x, VIEW_WIDTH - 1 - x), MIN (y,
              VIEW_HEIGHT - 1 - y));
      const guint value = gst_delta_cnn_segmentation_meta_get_value (mask,
          x + 0.5f, y + 0.5f);
      guint8 least, most;
      tones (grey, x, y, &least, &most);
      if (least < 128 + SURE && most > 127 - SURE)
        continue;
      ++*judged;
      wrong += least < 128 ? value >= 128 : value < 128
          && inside >= BORDER_PX;
    }
  return wrong;
}

/* Every stretch in one stream: what is found lies where the picture has it. */
GST_START_TEST (test_never_in_the_wrong_place)
{
  g_autofree guint8 *grey = g_malloc (VIEW_WIDTH * VIEW_HEIGHT);
  guint64 all_lost = 0;
  guint pixels = 0;
  Rig rig;

  rig_init (&rig, TRUE);
  fixture_model (&rig.net, TINY_MASK, VIEW_WIDTH, VIEW_HEIGHT);
  g_object_set (rig.net.element, "stand-aside", FALSE, NULL);
  rig_play (&rig);
  for (guint k = 0; k < G_N_ELEMENTS (ride); k++) {
    guint lost = 0, aligned = 0;
    for (guint i = 0; i < ride[k].frames; i++) {
      GstBuffer *out = rig_run (&rig, &ride[k], i, grey);
      const GstDeltaCnnMotionMeta *motion =
          gst_buffer_get_delta_cnn_motion_meta (out);
      guint judged, wrong = misplaced (out, grey, &judged);

      fail_unless (motion != NULL);
      lost += motion->state == GST_DELTA_CNN_MOTION_LOST;
      aligned += motion->state == GST_DELTA_CNN_MOTION_ALIGNED;
      pixels += judged;
      fail_unless (wrong == 0 || motion->state == GST_DELTA_CNN_MOTION_LOST,
          "%s, frame %u: %u of %u pixels", ride[k].name, i, wrong, judged);
      fail_unless (buffer_stats (out)->mac_share <= 1);
      gst_buffer_unref (out);
    }
    all_lost += lost;
    fail_unless (aligned >= ride[k].aligned && lost >= ride[k].lost,
        "%s: of %u frames %u aligned, %u lost", ride[k].name, ride[k].frames,
        aligned, lost);
  }
  fail_unless (pixels > 300000, "%u pixels judged", pixels);
  fail_unless_equals_uint64 (count_of (&rig, "lost-frames"), all_lost);
  rig_clear (&rig);
}
GST_END_TEST

/* The multiply-accumulates of the ride, in dense frames. */
static gdouble
work_of (gboolean aligned)
{
  g_autofree guint8 *grey = g_malloc (VIEW_WIDTH * VIEW_HEIGHT);
  gdouble work = 0;
  Rig rig;

  rig_init (&rig, aligned);
  rig_net (&rig, g_str_equal (fixture_device (), "sim") ? 2 : 1); /* slow */
  rig_play (&rig);
  for (guint k = 0; k < G_N_ELEMENTS (ride); k++)
    for (guint i = 0; i < ride[k].frames; i++) {
      GstBuffer *out = rig_run (&rig, &ride[k], i, grey);
      const gdouble share = buffer_stats (out)->mac_share;
      fail_unless (share <= 1, "%s, frame %u: %f of a dense frame",
          ride[k].name, i, share);
      work += share;
      gst_buffer_unref (out);
    }
  rig_clear (&rig);
  return work;
}

/* A network of many layers: no frame of the ride is more work than a dense one,
 * and all of it together less than without alignment. */
GST_START_TEST (test_never_more_than_dense)
{
  const gdouble plain = work_of (FALSE), aligned = work_of (TRUE);

  fail_unless (aligned <= 0.9 * plain, "%.2f dense frames aligned, %.2f not",
      aligned, plain);
}
GST_END_TEST

/* A pan there and back: alignment saves most of the work, and does not stand aside
 * once. */
GST_START_TEST (test_what_pays_stays)
{
  const Stretch there = { "there and back", 48, pan, NULL, 1, 0, 0 };
  g_autofree guint8 *grey = g_malloc (VIEW_WIDTH * VIEW_HEIGHT);

  for (guint aligned = 0; aligned < 2; aligned++) {
    const guint frames = aligned ? 2 * there.frames : 8;
    gdouble work = 0;
    Rig rig;

    rig_init (&rig, aligned);
    rig_net (&rig, 1);
    rig_play (&rig);
    for (guint i = 0; i < frames; i++) {
      GstBuffer *out = rig_run (&rig, &there, i < there.frames ? i :
          2 * there.frames - i, grey);
      work += buffer_stats (out)->mac_share;
      gst_buffer_unref (out);
    }
    fail_unless (aligned ? work < 0.2 * frames : work > 0.5 * frames,
        "%.2f dense frames of %u", work, frames);
    if (aligned) {
      fail_unless_equals_uint64 (count_of (&rig, "aside-frames"), 0);
      fail_unless_equals_uint64 (count_of (&rig, "aligned-frames"), frames);
      fail_unless_equals_int (fixture_count (&rig.net, GST_MESSAGE_INFO, NULL),
          0);
    }
    rig_clear (&rig);
  }
}
GST_END_TEST

static Suite *
hard_suite (void)
{
  Suite *suite = suite_create ("hard");
  TCase *tc = tcase_create ("general");
  const gchar *remedy;

  fixture_load_plugin ();
  suite_add_tcase (suite, tc);
  if (!dcnn_stabilizer_available (&remedy))
    return suite;
  tcase_add_test (tc, test_never_in_the_wrong_place);
  tcase_add_test (tc, test_never_more_than_dense);
  tcase_add_test (tc, test_what_pays_stays);
  return suite;
}

GST_CHECK_MAIN (hard);
