/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * align.c - framealign: the matrix is the camera's, in every format; the
 * picture passes untouched; what resets it; and pictures in which nothing can
 * be found, of which it must say so.
 */
#include "fixture.h"

#include <math.h>
#include <string.h>

#include "dcnn_stabilizer.h"
#include "view.h"

/* mode: how it is interlaced. */
static GstHarness *
align_new_sized (const gchar * format, gint width, gint height,
    const gchar * mode)
{
  GstHarness *h = gst_harness_new ("framealign");

  gst_harness_set_src_caps (h, gst_caps_new_simple ("video/x-raw", "format",
          G_TYPE_STRING, format, "width", G_TYPE_INT, width, "height",
          G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, 25, 1,
          "interlace-mode", G_TYPE_STRING, mode, NULL));
  return h;
}

static GstHarness *
align_new (const gchar * format)
{
  return align_new_sized (format, VIEW_WIDTH, VIEW_HEIGHT, "progressive");
}

/* Pushes a buffer; what was said of it. out: NULL: not wanted. Takes in. */
static GstDeltaCnnMotionMeta
push (GstHarness * h, GstBuffer * in, GstBuffer ** out)
{
  GstBuffer *buffer = gst_harness_push_and_pull (h, in);
  GstDeltaCnnMotionMeta *meta, copy;

  fail_unless (buffer != NULL);
  meta = gst_buffer_get_delta_cnn_motion_meta (buffer);
  fail_unless (meta != NULL);
  copy = *meta;
  if (out)
    *out = buffer;
  else
    gst_buffer_unref (buffer);
  return copy;
}

static GstDeltaCnnMotionMeta
push_view (GstHarness * h, const View * view)
{
  return push (h, view_buffer (view, "GRAY8"), NULL);
}

/* The most that the meta's matrix is off at the picture's corners and middle,
 * pixels. */
static gdouble
error_of (const GstDeltaCnnMotionMeta * meta, const View * view,
    const View * reference)
{
  gdouble worst = 0;

  for (guint i = 0; i < 5; i++) {
    const gdouble x = i == 4 ? VIEW_WIDTH / 2 : i % 2 * VIEW_WIDTH;
    const gdouble y = i == 4 ? VIEW_HEIGHT / 2 : i / 2 * VIEW_HEIGHT;
    gdouble ax, ay, bx, by;

    fail_unless (gst_delta_cnn_motion_meta_map (meta, x, y, &ax, &ay));
    view_map (view, reference, x, y, &bx, &by);
    worst = MAX (worst, hypot (ax - bx, ay - by));
  }
  return worst;
}

static guint64
stat_of (GstHarness * h, const gchar * name)
{
  g_autoptr (GstElement) element = gst_harness_find_element (h, "framealign");
  g_autoptr (GstStructure) stats = NULL;
  guint64 value = 0;

  g_object_get (element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, name, &value), "%s", name);
  return value;
}

GST_START_TEST (test_pan)
{
  const View start = VIEW_START;
  GstHarness *h = align_new ("GRAY8");
  View view = start;

  for (guint i = 0; i < 30; i++) {
    GstDeltaCnnMotionMeta meta;

    view.x = start.x + (i < 15 ? i : 30 - i) * 4.3;
    view.y = start.y + i * 0.4;
    meta = push_view (h, &view);
    fail_unless_equals_int (meta.state, i ? GST_DELTA_CNN_MOTION_ALIGNED :
        GST_DELTA_CNN_MOTION_REANCHORED);
    fail_unless_equals_int (meta.flags, GST_DELTA_CNN_MOTION_MATRIX);
    fail_unless_equals_uint64 (meta.reference, 1);
    fail_unless (error_of (&meta, &view, &start) < 1, "frame %u: %f px", i,
        error_of (&meta, &view, &start));
    fail_unless (meta.tracks == NULL);
    if (i)
      fail_unless (meta.inliers > 0.5 && meta.error < 1);
  }
  fail_unless_equals_uint64 (stat_of (h, "aligned"), 29);
  fail_unless_equals_uint64 (stat_of (h, "reanchored"), 1);
  fail_unless_equals_uint64 (stat_of (h, "lost"), 0);
  gst_harness_teardown (h);
}
GST_END_TEST

/* The view without its last columns and rows: the rows of GRAY8 are as wide as
 * before, so it is the same memory. */
static GstBuffer *
view_part (const View * view, const gchar * format, gint width, gint height)
{
  GstBuffer *buffer = view_buffer (view, "GRAY8");

  fail_unless (width > VIEW_WIDTH - 4 && height <= VIEW_HEIGHT);
  gst_buffer_resize (buffer, 0, VIEW_WIDTH * height);
  return g_str_equal (format, "GRAY8") ? buffer : picture_convert (buffer,
      "GRAY8", format, width, height);
}

static void
follow_format (const gchar * format, gint width, gint height,
    const gchar * mode)
{
  const View start = VIEW_START, next = { 409, 296, 0, 1 };
  GstHarness *h = align_new_sized (format, width, height, mode);
  GstDeltaCnnMotionMeta meta;

  push (h, view_part (&start, format, width, height), NULL);
  meta = push (h, view_part (&next, format, width, height), NULL);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_ALIGNED, "%s %dx%d %s",
      format, width, height, mode);
  fail_unless (error_of (&meta, &next, &start) < 1, "%s %dx%d %s: %f px",
      format, width, height, mode, error_of (&meta, &next, &start));
  fail_unless_equals_uint64 (stat_of (h, "damaged"), 0);
  gst_harness_teardown (h);
}

/* Every raw format that GstVideo knows, of odd sizes and of two fields too. */
GST_START_TEST (test_formats)
{
  guint n = 0;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  fail_unless (n > 60);
  for (guint i = 0; i < n; i++) {
    const gchar *format = gst_video_format_to_string (formats[i]);

    follow_format (format, VIEW_WIDTH, VIEW_HEIGHT, "progressive");
    follow_format (format, VIEW_WIDTH - 1, VIEW_HEIGHT - 1, "progressive");
    follow_format (format, VIEW_WIDTH, VIEW_HEIGHT, "interleaved");
    follow_format (format, VIEW_WIDTH - 3, VIEW_HEIGHT - 8, "mixed");
  }
}
GST_END_TEST

/* The same memory, the same bytes; a shared buffer keeps its metas. */
GST_START_TEST (test_picture_is_untouched)
{
  const View view = VIEW_START;
  GstHarness *h = align_new ("NV12");
  GstBuffer *in = view_buffer (&view, "NV12"), *out, *before;
  const GstMemory *memory = gst_buffer_peek_memory (in, 0);
  GstMapInfo a, b;

  before = gst_buffer_copy_deep (in);
  push (h, gst_buffer_ref (in), &out);
  fail_unless (gst_buffer_get_delta_cnn_motion_meta (in) == NULL);
  fail_unless (gst_buffer_peek_memory (out, 0) == memory);
  fail_unless (gst_buffer_map (before, &a, GST_MAP_READ));
  fail_unless (gst_buffer_map (out, &b, GST_MAP_READ));
  fail_unless (a.size == b.size && memcmp (a.data, b.data, a.size) == 0);
  gst_buffer_unmap (before, &a);
  gst_buffer_unmap (out, &b);
  gst_buffer_unref (before);
  gst_buffer_unref (out);
  gst_buffer_unref (in);
  gst_harness_teardown (h);
}
GST_END_TEST

/* Which events begin anew; the number of the reference tells. */
GST_START_TEST (test_events)
{
  const View start = VIEW_START, next = { 405, 300, 0, 1 };
  GstHarness *h = align_new ("GRAY8");
  GstDeltaCnnMotionMeta meta = push_view (h, &start);
  GstSegment segment;
  GstBuffer *buffer;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  meta = push_view (h, &next);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_ALIGNED
      && meta.reference == 1);
  buffer = view_buffer (&start, "GRAY8");
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  meta = push (h, buffer, NULL);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_ALIGNED
      && meta.reference == 1);

  fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  meta = push_view (h, &next);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_REANCHORED
      && meta.reference == 2);
  fail_unless (gst_harness_push_event (h,
          gst_event_new_stream_start ("another")));
  meta = push_view (h, &next);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_REANCHORED
      && meta.reference == 3);
  gst_harness_set_src_caps_str (h, "video/x-raw,format=GRAY8,width=320,"
      "height=240,framerate=30/1");
  meta = push_view (h, &next);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_REANCHORED
      && meta.reference == 4);
  g_signal_emit_by_name (h->element, "re-anchor");
  meta = push_view (h, &next);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_REANCHORED
      && meta.reference == 5);
  gst_harness_teardown (h);
}
GST_END_TEST

/* A GAP buffer has the motion of the frame that it repeats, and is not looked
 * at: this one is black. */
GST_START_TEST (test_gap)
{
  const View start = VIEW_START, next = { 405, 300, 0, 1 };
  GstHarness *h = align_new ("GRAY8");
  GstDeltaCnnMotionMeta meta, gap;

  for (guint i = 0; i < 2; i++) {
    GstBuffer *black = picture_new ("GRAY8", VIEW_WIDTH, VIEW_HEIGHT, 0, 0, 0,
        0, 0);

    GST_BUFFER_FLAG_SET (black, GST_BUFFER_FLAG_GAP);
    meta = push_view (h, i ? &next : &start);
    gap = push (h, black, NULL);
    fail_unless_equals_int (gap.state, GST_DELTA_CNN_MOTION_ALIGNED);
    fail_unless (memcmp (gap.matrix, meta.matrix, sizeof gap.matrix) == 0);
    fail_unless_equals_uint64 (gap.reference, 1);
  }
  fail_unless_equals_uint64 (stat_of (h, "repeated"), 2);
  gst_harness_teardown (h);
}
GST_END_TEST

/* An application that knows better is not overruled. */
GST_START_TEST (test_given_motion_is_kept)
{
  const View view = VIEW_START;
  GstHarness *h = align_new ("GRAY8");
  GstBuffer *in = view_buffer (&view, "GRAY8");
  GstDeltaCnnMotionMeta meta;

  gst_buffer_add_delta_cnn_motion_meta (in, GST_DELTA_CNN_MOTION_ALIGNED, 3,
      4);
  meta = push (h, in, NULL);
  fail_unless (meta.flags == GST_DELTA_CNN_MOTION_TILES && meta.tile_y == 4);
  fail_unless_equals_uint64 (stat_of (h, "given"), 1);
  gst_harness_teardown (h);
}
GST_END_TEST

GST_START_TEST (test_properties)
{
  const View start = VIEW_START, next = { 407, 300, 0, 1 };
  const View rolled = { 400, 300, 0.3, 1 };
  GstHarness *h = align_new ("GRAY8");
  GstDeltaCnnMotionMeta meta;
  GstDeltaCnnMotionTrack track;
  GstBuffer *out;
  guint inliers = 0;

  g_object_set (h->element, "tracks", TRUE, NULL);
  push_view (h, &start);
  meta = push (h, view_buffer (&next, "GRAY8"), &out);
  fail_unless (gst_delta_cnn_motion_meta_get_n_tracks (&meta) > 50);
  for (guint i = 0; gst_delta_cnn_motion_meta_get_track (&meta, i, &track);
      i++)
    inliers += track.inlier && ABS (track.from_x - track.x - 7) < 1
        && ABS (track.from_y - track.y) < 1;
  fail_unless (inliers > 50, "%u", inliers);
  gst_buffer_unref (out);

  g_object_set (h->element, "enabled", FALSE, "tracks", FALSE, NULL);
  out = gst_harness_push_and_pull (h, view_buffer (&next, "GRAY8"));
  fail_unless (gst_buffer_get_delta_cnn_motion_meta (out) == NULL);
  gst_buffer_unref (out);
  fail_unless_equals_uint64 (stat_of (h, "passed"), 1);
  g_object_set (h->element, "enabled", TRUE, NULL);
  meta = push_view (h, &start);
  fail_unless_equals_int (meta.state, GST_DELTA_CNN_MOTION_REANCHORED);

  /* every method finds a shift; translation finds nothing else */
  for (gint method = 3; method >= 0; method--) {
    g_object_set (h->element, "method", method, NULL);
    meta = push_view (h, &next);
    fail_unless_equals_int (meta.state, GST_DELTA_CNN_MOTION_ALIGNED);
    fail_unless (error_of (&meta, &next, &start) < 0.5, "method %d", method);
    if (method == 3)
      fail_unless (meta.matrix[0] == 1 && meta.matrix[1] == 0
          && meta.matrix[6] == 0);
    push_view (h, &start);
  }

  /* 17 degrees are past the limit, unless the reference is fixed */
  g_object_set (h->element, "max-roll", 180.0, NULL);
  for (gdouble roll = 0; roll < 0.3; roll += 0.05) {
    const View part = { 400, 300, roll, 1 };
    push_view (h, &part);
  }
  meta = push_view (h, &rolled);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_ALIGNED);
  fail_unless (error_of (&meta, &rolled, &start) < 1);
  g_object_set (h->element, "max-roll", 10.0, "reference", 1, NULL);
  meta = push_view (h, &rolled);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_ALIGNED);
  g_object_set (h->element, "reference", 0, NULL);
  meta = push_view (h, &rolled);
  fail_unless (meta.state == GST_DELTA_CNN_MOTION_REANCHORED);
  gst_harness_teardown (h);
}
GST_END_TEST

/* A fixed reference is waited for, however long. */
GST_START_TEST (test_fixed_reference)
{
  const View start = VIEW_START, elsewhere = { 180, 450, 1.2, 1 };
  GstHarness *h = align_new ("GRAY8");
  GstDeltaCnnMotionMeta meta;

  g_object_set (h->element, "reference", 1, NULL);
  push_view (h, &start);
  for (guint i = 0; i < 12; i++) {
    meta = push_view (h, &elsewhere);
    fail_unless_equals_int (meta.state, GST_DELTA_CNN_MOTION_LOST);
  }
  meta = push_view (h, &start);
  fail_unless_equals_int (meta.state, GST_DELTA_CNN_MOTION_ALIGNED);
  fail_unless_equals_uint64 (meta.reference, 1);
  gst_harness_teardown (h);
}
GST_END_TEST

static GstBuffer *
plain (guint8 value)
{
  return picture_new ("GRAY8", VIEW_WIDTH, VIEW_HEIGHT, value, 0, 0, 0, 0);
}

static GstBuffer *
noise (guint seed)
{
  GstBuffer *buffer = plain (0);
  GRand *random = g_rand_new_with_seed (seed);
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = g_rand_int (random);
  gst_buffer_unmap (buffer, &map);
  g_rand_free (random);
  return buffer;
}

/* From the first frame on, and after good ones: black, walls, noise. */
GST_START_TEST (test_nothing_to_see)
{
  const View start = VIEW_START, next = { 404, 300, 0, 1 };

  for (guint later = 0; later < 2; later++) {
    GstHarness *h = align_new ("GRAY8");
    GstDeltaCnnMotionMeta meta;

    if (later)
      push_view (h, &start);
    for (guint i = 0; i < 12; i++) {
      meta = push (h, plain (i < 6 ? 0 : i * 20), NULL);
      fail_unless_equals_int (meta.state, GST_DELTA_CNN_MOTION_LOST);
    }
    for (guint i = 0; i < 8; i++) {
      meta = push (h, noise (i), NULL);
      fail_unless (meta.state != GST_DELTA_CNN_MOTION_ALIGNED);
    }
    /* and from a lens cap back to the world */
    for (guint i = 0; i < 5; i++)
      meta = push_view (h, i % 2 ? &next : &start);
    fail_unless_equals_int (meta.state, GST_DELTA_CNN_MOTION_ALIGNED);
    gst_harness_teardown (h);
  }
}
GST_END_TEST

/* A frame that is called aligned is: within two pixels of the truth, whatever
 * the camera does. Returns how many were. */
static guint
hard_ride (View (*camera) (guint), void (*spoil) (GstBuffer *, guint),
    guint frames)
{
  GstHarness *h = align_new ("GRAY8");
  View reference = camera (0);
  guint aligned = 0;

  for (guint i = 0; i < frames; i++) {
    const View view = camera (i);
    GstBuffer *in = view_buffer (&view, "GRAY8");
    GstDeltaCnnMotionMeta meta;

    if (spoil)
      spoil (in, i);
    meta = push (h, in, NULL);
    if (meta.state == GST_DELTA_CNN_MOTION_REANCHORED)
      reference = view;
    if (meta.state != GST_DELTA_CNN_MOTION_ALIGNED)
      continue;
    aligned++;
    fail_unless (error_of (&meta, &view, &reference) < 2, "frame %u: %f px",
        i, error_of (&meta, &view, &reference));
  }
  gst_harness_teardown (h);
  return aligned;
}

static View
extreme_zoom (guint i)
{
  return (View) { 400, 300, 0, pow (1.25, i < 10 ? i : 20 - MIN (i, 20)) };
}

static View
jump_zoom (guint i)
{
  return (View) { 400, 300, 0, i % 4 < 2 ? 1 : 4 };
}

static View
spin (guint i)
{
  return (View) { 400, 300, i * 0.7, 1 };
}

static View
slow_spin (guint i)
{
  return (View) { 400, 300, i * 0.04, 1 };
}

/* One frame a second of a camera that pans: 60 pixels from frame to frame. */
static View
dropped (guint i)
{
  return (View) { 250 + 60.0 * (i % 6), 300, 0, 1 };
}

static View
slow_pan (guint i)
{
  return (View) { 330 + 3.0 * i, 300, 0, 1 };
}

/* A lens cap that rolls over the lens, until all is black, and on: its edge, and
 * a bright scratch along it, move against everything else. */
static void
roll_cap (GstBuffer * buffer, guint i)
{
  const gdouble angle = 0.09 * i, across = 26.0 * ((gint) i - 10);
  const gdouble c = cos (angle), s = sin (angle);
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (guint y = 0; y < VIEW_HEIGHT; y++)
    for (guint x = 0; x < VIEW_WIDTH; x++) {
      const gdouble u = (x - VIEW_WIDTH / 2.0) * c + (y - VIEW_HEIGHT / 2.0) * s;
      const gdouble v = (y - VIEW_HEIGHT / 2.0) * c - (x - VIEW_WIDTH / 2.0) * s;
      const gdouble inside = across - u;
      if (inside > 0 && inside < 400)
        map.data[y * VIEW_WIDTH + x] = inside > 10 && inside < 14
            && fmod (v + 800, 40) < 20 ? 200 : 6;
    }
  gst_buffer_unmap (buffer, &map);
}

GST_START_TEST (test_hard_rides)
{
  hard_ride (extreme_zoom, NULL, 24);
  hard_ride (jump_zoom, NULL, 24);
  hard_ride (spin, NULL, 24);
  fail_unless (hard_ride (slow_spin, NULL, 40) > 20);
  fail_unless (hard_ride (dropped, NULL, 18) > 9);
}
GST_END_TEST

/* Until it has half of the picture the view behind it is followed, and when it
 * is gone again. */
GST_START_TEST (test_lens_cap)
{
  fail_unless (hard_ride (slow_pan, roll_cap, 40) > 12);
}
GST_END_TEST

/* Buffers that are not what their caps say pass as they are, called lost. */
GST_START_TEST (test_damaged)
{
  const View start = VIEW_START;
  GstHarness *h = align_new ("I420");
  GstBus *bus = gst_bus_new ();
  GstMessage *message;
  GstBuffer *out;
  GstDeltaCnnMotionMeta meta;

  gst_element_set_bus (h->element, bus);
  push (h, view_buffer (&start, "I420"), NULL);
  meta = push (h, gst_buffer_new_allocate (NULL, 100, NULL), &out);
  fail_unless_equals_int (meta.state, GST_DELTA_CNN_MOTION_LOST);
  fail_unless_equals_int (gst_buffer_get_size (out), 100);
  gst_buffer_unref (out);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  fail_unless (message != NULL);
  message_holds (message, "too short");
  gst_message_unref (message);
  meta = push (h, view_buffer (&start, "I420"), NULL);
  fail_unless_equals_int (meta.state, GST_DELTA_CNN_MOTION_ALIGNED);
  fail_unless_equals_uint64 (stat_of (h, "damaged"), 1);

  /* a format that the converter reads */
  gst_harness_set_src_caps_str (h, "video/x-raw,format=v210,width=320,"
      "height=240,framerate=25/1");
  meta = push (h, gst_buffer_new_allocate (NULL, 4000, NULL), NULL);
  fail_unless_equals_int (meta.state, GST_DELTA_CNN_MOTION_LOST);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
GST_END_TEST

/* What a converter reads lies as its caps say, or is not read: whatever a video
 * meta says otherwise. */
GST_START_TEST (test_layouts_for_the_converter)
{
  const View view = VIEW_START;
  GstHarness *h = align_new ("v210");
  GstVideoInfo info;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_v210, VIEW_WIDTH,
      VIEW_HEIGHT);
  push (h, view_buffer (&view, "v210"), NULL);
  for (guint odd = 0; odd < 6; odd++) {
    GstBuffer *buffer = view_buffer (&view, "v210");
    gsize offsets[GST_VIDEO_MAX_PLANES] = { odd == 1 ? 16 : 0 };
    gint strides[GST_VIDEO_MAX_PLANES] = { info.stride[0] - (odd == 2) * 16 };

    if (gst_buffer_get_video_meta (buffer))
      gst_buffer_remove_meta (buffer, (GstMeta *)
          gst_buffer_get_video_meta (buffer));
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE,
        odd == 3 ? GST_VIDEO_FORMAT_UYVY : GST_VIDEO_FORMAT_v210, VIEW_WIDTH -
        (odd == 4) * 6, VIEW_HEIGHT - (odd == 5), 1, offsets, strides);
    fail_unless_equals_int (push (h, buffer, NULL).state, odd ?
        GST_DELTA_CNN_MOTION_LOST : GST_DELTA_CNN_MOTION_ALIGNED);
    fail_unless_equals_uint64 (stat_of (h, "damaged"), odd);
  }
  gst_harness_teardown (h);
}
GST_END_TEST

/* Pictures too small for anything. */
GST_START_TEST (test_tiny_pictures)
{
  for (gint size = 1; size < 40; size += 3) {
    GstHarness *h = gst_harness_new ("framealign");

    gst_harness_set_src_caps (h, gst_caps_new_simple ("video/x-raw", "format",
            G_TYPE_STRING, "GRAY8", "width", G_TYPE_INT, size, "height",
            G_TYPE_INT, 40 - size, "framerate", GST_TYPE_FRACTION, 25, 1,
            NULL));
    for (guint i = 0; i < 3; i++)
      push (h, picture_new ("GRAY8", size, 40 - size, 30, 0, 0, 2, 200), NULL);
    gst_harness_teardown (h);
  }
}
GST_END_TEST

/* Without OpenCV there is an error that says what to install. */
GST_START_TEST (test_not_built)
{
  GstElement *element = gst_element_factory_make ("framealign", NULL);
  GstBus *bus = gst_bus_new ();
  GstMessage *message;

  gst_object_ref_sink (element);
  gst_element_set_bus (element, bus);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED),
      GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  message_holds (message, "libopencv-dev");
  gst_message_unref (message);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (bus);
  gst_object_unref (element);
}
GST_END_TEST

/* Pictures in GPU memory are taken by any build; first where there is a driver, so
 * that a decoder leaves them there, else last. */
GST_START_TEST (test_gpu_memory_in_template)
{
  GstElement *element = gst_element_factory_make ("framealign", NULL);
  g_autoptr (GstCaps) caps = gst_pad_template_get_caps
      (gst_element_get_pad_template (element, "sink"));
  GstElement *net = gst_element_factory_make ("deltacnn", NULL);
  g_autoptr (GstCaps) of_net = gst_pad_template_get_caps
      (gst_element_get_pad_template (net, "sink"));
  const gboolean driver = gst_caps_get_size (of_net) == 2;

  fail_unless_equals_int (gst_caps_get_size (caps), 2);
  for (guint i = 0; i < 2; i++)
    fail_unless_equals_int (gst_caps_features_contains (gst_caps_get_features
            (caps, i), "memory:CUDAMemory"), (i == 0) == driver);
  gst_object_unref (element);
  gst_object_unref (net);
}
GST_END_TEST

static gboolean
answer_context (GstPad * pad, GstObject * parent, GstQuery * query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_CONTEXT) {
    g_autoptr (GstContext) context = gst_context_new ("gst.cuda.context", TRUE);
    gst_query_set_context (query, context);
    return TRUE;
  }
  return gst_pad_query_default (pad, parent, query);
}

/* Who decodes before it asks through it for the network's context. */
GST_START_TEST (test_context_goes_through)
{
  GstHarness *h = align_new ("GRAY8");
  GstQuery *query = gst_query_new_context ("gst.cuda.context");
  GstContext *context = NULL;

  gst_pad_set_query_function (h->sinkpad, answer_context);
  fail_unless (gst_pad_peer_query (h->srcpad, query));
  gst_query_parse_context (query, &context);
  fail_unless (context != NULL);
  gst_query_unref (query);
  gst_harness_teardown (h);
}
GST_END_TEST

static Suite *
align_suite (void)
{
  Suite *suite = suite_create ("framealign");
  TCase *tcase = tcase_create ("framealign");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 120);
  if (!dcnn_stabilizer_available (NULL)) {
    tcase_add_test (tcase, test_not_built);
    return suite;
  }
  tcase_add_test (tcase, test_pan);
  tcase_add_test (tcase, test_formats);
  tcase_add_test (tcase, test_picture_is_untouched);
  tcase_add_test (tcase, test_events);
  tcase_add_test (tcase, test_gap);
  tcase_add_test (tcase, test_given_motion_is_kept);
  tcase_add_test (tcase, test_properties);
  tcase_add_test (tcase, test_fixed_reference);
  tcase_add_test (tcase, test_nothing_to_see);
  tcase_add_test (tcase, test_hard_rides);
  tcase_add_test (tcase, test_lens_cap);
  tcase_add_test (tcase, test_damaged);
  tcase_add_test (tcase, test_layouts_for_the_converter);
  tcase_add_test (tcase, test_tiny_pictures);
  tcase_add_test (tcase, test_gpu_memory_in_template);
  tcase_add_test (tcase, test_context_goes_through);
  return suite;
}

GST_CHECK_MAIN (align);
