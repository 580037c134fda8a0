/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * windows.c - what windows on regions give beside boxes, poses and masks
 * (regions.c): values, text, pictures, tensors, the update map. Each is about its
 * own region, on the frame.
 */
#include "fixture.h"

#include <math.h>
#include <string.h>

#define FRAME 256
#define SQUARE 24
#define AS_VALUES "[deltacnn]\ndecoder=values\n[result]\nsemantics=values\n"      \
    "[decoder]\nscale=255\n[labels]\nlist=r;g;b\n"
#define AS_TEXT "[deltacnn]\ndecoder=ctc\n[result]\nsemantics=scores\n"           \
    "[decoder]\nblank=first\nscore-threshold=0.01\n[labels]\nlist=G;B\n"
#define AS_PICTURE "[deltacnn]\ndecoder=picture\n[result]\nsemantics=picture\n"

/* A square of one colour, and its region, `around` pixels wide. */
typedef struct
{
  gint x, y;                    /* of the middle */
  guint8 rgb[3];
  gint around;
} Thing;

static const Thing green = { 60, 70, {0, 255, 0}, 40 };
static const Thing blue = { 180, 190, {0, 0, 255}, 40 };

static void
draw (GstBuffer * buffer, const Thing * thing)
{
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gint y = thing->y - SQUARE / 2; y < thing->y + SQUARE / 2; y++)
    for (gint x = thing->x - SQUARE / 2; x < thing->x + SQUARE / 2; x++)
      memcpy (map.data + 3 * ((gsize) y * FRAME + x), thing->rgb, 3);
  gst_buffer_unmap (buffer, &map);
}

static void
point_at (GstBuffer * buffer, const Thing * thing)
{
  gst_buffer_add_video_region_of_interest_meta (buffer, "thing",
      thing->x - thing->around / 2, thing->y - thing->around / 2,
      thing->around, thing->around);
}

/* On black, each with its region. */
static GstBuffer *
scene (const Thing * first, const Thing * second)
{
  GstBuffer *buffer = picture_new ("RGB", FRAME, FRAME, 0, 0, 0, 0, 0);

  for (guint i = 0; i < 2; i++) {
    const Thing *thing = i ? second : first;
    if (!thing)
      continue;
    draw (buffer, thing);
    point_at (buffer, thing);
  }
  return buffer;
}

static void
begin (Fixture * f, TinyKind kind, guint size, const gchar * extra,
    const gchar * attach)
{
  g_autofree gchar *path = NULL;

  fixture_init (f);
  path = tiny_model_write (f->dir, "model", kind, size, size, extra);
  g_object_set (f->element, "model", path, "device", fixture_device (), "roi-metas", TRUE,
      "windows", 2, "dilation", 0, NULL);
  if (attach)
    gst_util_set_object_arg (G_OBJECT (f->element), "attach", attach);
  fixture_play (f, "RGB", FRAME, FRAME);
}

/* The i-th meta of that kind; NULL: there is none. */
static gpointer
nth (GstBuffer * buffer, GType api, guint i)
{
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state, api)))
    if (i-- == 0)
      return meta;
  return NULL;
}

static gboolean
contains (gfloat x, gfloat y, gfloat w, gfloat h, const Thing * thing)
{
  return x <= thing->x - SQUARE / 2 && x + w >= thing->x + SQUARE / 2
      && y <= thing->y - SQUARE / 2 && y + h >= thing->y + SQUARE / 2;
}

/* The value meta about a thing's region. */
static GstDeltaCnnValueMeta *
values_about (GstBuffer * buffer, const Thing * thing)
{
  GstDeltaCnnValueMeta *found = NULL;

  for (guint i = 0; i < 2; i++) {
    GstDeltaCnnValueMeta *meta =
        nth (buffer, GST_DELTA_CNN_VALUE_META_API_TYPE, i);
    if (meta && meta->x == thing->x - 20 && meta->y == thing->y - 20
        && meta->w == 40 && meta->h == 40)
      found = meta;
  }
  fail_unless (found != NULL, "nothing about %d, %d", thing->x, thing->y);
  return found;
}

/* The mean colour of each window, which is wider than its region by a quarter,
 * told of the region; also where the frame is not run, and in the lines. */
GST_START_TEST (test_values)
{
  const gfloat wanted = 255.0f * SQUARE * SQUARE / (50 * 50);
  g_autofree gchar *lines = NULL, *text = NULL;
  Fixture f;

  begin (&f, TINY_LABEL, 8, AS_VALUES, NULL);
  lines = g_build_filename (f.dir, "lines", NULL);
  gst_element_set_state (f.element, GST_STATE_NULL);
  g_object_set (f.element, "results-location", lines, NULL);
  gst_element_set_state (f.element, GST_STATE_PLAYING);
  fixture_caps (&f, "RGB", FRAME, FRAME);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *in = scene (&green, &blue), *out;
    if (i == 2)
      GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_GAP);
    out = fixture_run (&f, in);
    for (guint k = 0; k < 2; k++) {
      const GstDeltaCnnValueMeta *meta = values_about (out, k ? &blue : &green);
      const gchar *name = NULL;
      gfloat value;
      fail_unless_equals_int (meta->values->len, 3);
      fail_unless_equals_int (meta->stale, i == 2);
      for (guint c = 0; c < 3; c++) {
        fail_unless (gst_delta_cnn_value_meta_get_value (meta, c, &value,
                &name));
        fail_unless (ABS (value - (c == k + 1 ? wanted : 0)) < 4, "%s %g of "
            "thing %u", name, value, k);
      }
      fail_unless_equals_string (name, "b");
    }
    fail_unless (!nth (out, GST_DELTA_CNN_VALUE_META_API_TYPE, 2));
    gst_buffer_unref (out);
  }
  gst_buffer_unref (fixture_run (&f, scene (NULL, NULL)));
  gst_element_set_state (f.element, GST_STATE_NULL);
  fail_unless (g_file_get_contents (lines, &text, NULL, NULL));
  fail_unless (strstr (text, "\"regions\":[{\"rectangle\":[40.00,50.00,40.00,"
          "40.00],\"values\":{\"r\":") != NULL, "%s", text);
  fail_unless (strstr (text, "},{\"rectangle\":[160.00,170.00,40.00,40.00],"
          "\"values\":{\"r\":") != NULL, "%s", text);
  /* nobody: no regions in the line, the last one */
  fail_unless (strstr (text, "\"pts\"") != NULL);
  *strrchr (text, '\n') = 0;
  fail_unless (!strstr (strrchr (text, '\n'), "\"regions\""));
  fixture_clear (&f);
}
GST_END_TEST

/* What is read in a region is told of it. */
GST_START_TEST (test_text)
{
  GstBuffer *out;
  Fixture f;

  begin (&f, TINY_LABEL, 8, AS_TEXT, NULL);
  out = fixture_run (&f, scene (&green, &blue));
  fail_unless_equals_string (values_about (out, &green)->text, "G");
  fail_unless_equals_string (values_about (out, &blue)->text, "B");
  gst_buffer_unref (out);
  out = fixture_run (&f, scene (&blue, NULL));
  fail_unless_equals_string (values_about (out, &blue)->text, "B");
  fail_unless (!nth (out, GST_DELTA_CNN_VALUE_META_API_TYPE, 1));
  gst_buffer_unref (out);
  fixture_clear (&f);
}
GST_END_TEST

/* A meta follows the picture's size. */
GST_START_TEST (test_scaling)
{
  const GstDeltaCnnValueMeta *values;
  const GstDeltaCnnTensorMeta *tensors;
  GstVideoInfo in, to;
  GstVideoMetaTransform scale = { &in, &to };
  GstBuffer *out, *half = gst_buffer_new ();
  gpointer state = NULL;
  GstMeta *meta;
  Fixture f;

  begin (&f, TINY_LABEL, 8, AS_VALUES, "values+tensors");
  out = fixture_run (&f, scene (&green, NULL));
  gst_video_info_set_format (&in, GST_VIDEO_FORMAT_RGB, FRAME, FRAME);
  gst_video_info_set_format (&to, GST_VIDEO_FORMAT_RGB, FRAME / 2, FRAME / 4);
  while ((meta = gst_buffer_iterate_meta (out, &state)))
    if (meta->info->api == GST_DELTA_CNN_VALUE_META_API_TYPE
        || meta->info->api == GST_DELTA_CNN_TENSOR_META_API_TYPE)
      fail_unless (meta->info->transform_func (half, meta, out,
              gst_video_meta_transform_scale_get_quark (), &scale));
  values = gst_buffer_get_delta_cnn_value_meta (half);
  fail_unless (values && values->x == 20 && values->y == 12.5f
      && values->w == 20 && values->h == 10);
  tensors = gst_buffer_get_delta_cnn_tensor_meta (half);
  fail_unless (tensors && tensors->w == 25 && tensors->h == 12.5f);
  gst_buffer_unref (half);
  gst_buffer_unref (out);
  fixture_clear (&f);
}
GST_END_TEST

/* A network that gives its input back: each window's picture is what the frame
 * shows where the picture says that it lies. */
GST_START_TEST (test_pictures)
{
  const Thing *const things[] = { &green, &blue };
  gboolean seen[2] = { FALSE, FALSE };
  GstBuffer *out;
  Fixture f;

  begin (&f, TINY_CLASSES, 64, AS_PICTURE, NULL);
  out = fixture_run (&f, scene (&green, &blue));
  for (guint i = 0; i < 2; i++) {
    const GstDeltaCnnPictureMeta *p =
        nth (out, GST_DELTA_CNN_PICTURE_META_API_TYPE, i);
    const guint8 *data;
    fail_unless (p != NULL && p->width == 64 && p->channels == 3);
    data = g_bytes_get_data (p->data, NULL);
    for (guint k = 0; k < 2; k++)
      seen[k] |= contains (p->x, p->y, p->w, p->h, things[k]);
    for (guint n = 0; n < 64 * 64; n++) {
      const gfloat x = p->x + (n % 64 + 0.5f) * p->w / 64;
      const gfloat y = p->y + (n / 64 + 0.5f) * p->h / 64;
      for (guint k = 0; k < 2; k++) {
        const gfloat off = MAX (fabsf (x - things[k]->x),
            fabsf (y - things[k]->y));
        if (off < SQUARE / 2 - 2)
          fail_unless (memcmp (data + 3 * n, things[k]->rgb, 3) == 0,
              "%g, %g", x, y);
      }
      if (MAX (fabsf (x - green.x), fabsf (y - green.y)) > SQUARE / 2 + 2
          && MAX (fabsf (x - blue.x), fabsf (y - blue.y)) > SQUARE / 2 + 2)
        fail_unless (data[3 * n + 1] == 0 && data[3 * n + 2] == 0, "%g, %g",
            x, y);
    }
  }
  fail_unless (seen[0] && seen[1]);
  fail_unless (!nth (out, GST_DELTA_CNN_PICTURE_META_API_TYPE, 2));
  gst_buffer_unref (out);
  fixture_clear (&f);
}
GST_END_TEST

/* A network without stride goes by 8 of its pixels, so its window is as large as
 * any other's, and following keeps what was seen before. */
GST_START_TEST (test_small_tiles)
{
  Thing thing = green;
  GstBuffer *out;
  gfloat before = 0;
  guint moves = 0;
  Fixture f;

  begin (&f, TINY_CLASSES, 64, AS_PICTURE, NULL);
  g_object_set (f.element, "mode", 1, NULL);
  for (guint i = 0; i < 12; i++, thing.x += 4) {
    const GstDeltaCnnPictureMeta *p;
    out = fixture_run (&f, scene (&thing, NULL));
    p = gst_buffer_get_delta_cnn_picture_meta (out);
    fail_unless (p != NULL && p->w == 64 && p->h == 64, "%g", p ? p->w : 0);
    fail_unless (contains (p->x, p->y, p->w, p->h, &thing));
    moves += i > 0 && p->x != before;
    before = p->x;
    /* a column of 8 comes into view, and two edges of 4 px move */
    if (i > 0)
      fail_unless (buffer_stats (out)->changed_share <= (8.0 * 64
              + 2 * 4 * SQUARE) / (64 * 64), "%u: %f", i,
          buffer_stats (out)->changed_share);
    gst_buffer_unref (out);
  }
  fail_unless (moves >= 3, "%u", moves);
  fixture_clear (&f);
}
GST_END_TEST

/* Tensors lie in their window, which the meta names. */
GST_START_TEST (test_tensors)
{
  const Thing first = { 60, 70, {255, 255, 255}, 40 };
  const Thing second = { 180, 190, {255, 255, 255}, 100 };
  gboolean seen[2] = { FALSE, FALSE };
  GstBuffer *out;
  Fixture f;

  begin (&f, TINY_MASK, 64, NULL, "tensors+segmentation");
  out = fixture_run (&f, scene (&first, &second));
  for (guint i = 0; i < 2; i++) {
    const GstDeltaCnnTensorMeta *meta =
        nth (out, GST_DELTA_CNN_TENSOR_META_API_TYPE, i);
    const GstDeltaCnnTensor *tensor;
    const gfloat *data;
    fail_unless (meta != NULL && meta->w > 0);
    tensor = gst_delta_cnn_tensor_meta_get_tensor (meta, 0);
    fail_unless (tensor != NULL && tensor->dims[2] == 64
        && tensor->dims[3] == 64);
    data = g_bytes_get_data (tensor->data, NULL);
    seen[0] |= contains (meta->x, meta->y, meta->w, meta->h, &first);
    seen[1] |= contains (meta->x, meta->y, meta->w, meta->h, &second);
    for (guint n = 0; n < 64 * 64; n++) {
      const gfloat x = meta->x + (n % 64 + 0.5f) * meta->w / 64;
      const gfloat y = meta->y + (n / 64 + 0.5f) * meta->h / 64;
      const gfloat off = MIN (MAX (fabsf (x - first.x), fabsf (y - first.y)),
          MAX (fabsf (x - second.x), fabsf (y - second.y)));
      if (fabsf (off - SQUARE / 2) > 3)
        fail_unless ((data[n] > 0.5f) == (off < SQUARE / 2), "%g at %g, %g",
            data[n], x, y);
    }
  }
  fail_unless (seen[0] && seen[1]);
  gst_buffer_unref (out);
  /* a whole frame's are of no part */
  g_object_set (f.element, "windows", 0, "roi-metas", FALSE, NULL);
  out = fixture_run (&f, scene (&first, &second));
  fail_unless (gst_buffer_get_delta_cnn_tensor_meta (out)->w == 0);
  gst_buffer_unref (out);
  fixture_clear (&f);
}
GST_END_TEST

/* Was the frame's pixel recomputed, in whatever cells the map has? */
static gboolean
updated (const GstDeltaCnnUpdateMeta * map, gint x, gint y)
{
  return gst_delta_cnn_update_meta_get_pixel (map,
      (guint) ((x + 0.5f - map->x) / map->w * map->width),
      (guint) ((y + 0.5f - map->y) / map->h * map->height));
}

/* One map of the frame: both windows first, then nothing, then what changed;
 * where one network's pixel is several of the frame's, and the other way round. */
GST_START_TEST (test_updates)
{
  Thing near = { 180, 180, {255, 255, 255}, 120 };
  Thing small = { 40, 40, {255, 255, 255}, 8 };
  const GstDeltaCnnUpdateMeta *map;
  GstBuffer *out, *in;
  GstMapInfo data;
  Fixture f;

  begin (&f, TINY_BOXES, 64, NULL, NULL);
  out = fixture_run (&f, scene (&small, &near));
  map = gst_buffer_get_delta_cnn_update_meta (out);
  fail_unless (map != NULL && map->x == 0 && map->y == 0);
  fail_unless (map->w >= FRAME && map->w < FRAME + 2);
  fail_unless (updated (map, 40, 40) && updated (map, 180, 180)
      && updated (map, 140, 220));
  fail_unless (!updated (map, 40, 180) && !updated (map, 180, 40)
      && !updated (map, 80, 80));
  gst_buffer_unref (out);

  out = fixture_run (&f, scene (&small, &near));
  map = gst_buffer_get_delta_cnn_update_meta (out);
  fail_unless_equals_uint64 (gst_delta_cnn_update_meta_count (map), 0);
  gst_buffer_unref (out);

  /* a pixel of the small one's: 4x4 of its network's */
  in = scene (&small, &near);
  fail_unless (gst_buffer_map (in, &data, GST_MAP_WRITE));
  memset (data.data + 3 * (41 * FRAME + 38), 0, 3);
  gst_buffer_unmap (in, &data);
  out = fixture_run (&f, in);
  map = gst_buffer_get_delta_cnn_update_meta (out);
  fail_unless (updated (map, 38, 41));
  fail_unless (gst_delta_cnn_update_meta_count (map) <= 9);
  fail_unless (!updated (map, 34, 41) && !updated (map, 180, 180));
  gst_buffer_unref (out);

  /* the large one goes on by 8 px: its two edges */
  near.x += 8;
  in = scene (&small, NULL);
  draw (in, &near);
  near.x -= 8;
  point_at (in, &near);
  out = fixture_run (&f, in);
  map = gst_buffer_get_delta_cnn_update_meta (out);
  for (gint y = 0; y < FRAME; y++)
    for (gint x = 0; x < FRAME; x++) {
      const gboolean row = ABS (y - 179.5) < SQUARE / 2;
      const gint from_edge = MIN (ABS (x - 171), ABS (x - 195));
      if (row && from_edge < 3)
        fail_unless (updated (map, x, y), "%d, %d", x, y);
      if (ABS (y - 179.5) > SQUARE / 2 + 4 || from_edge > 9)
        fail_unless (!updated (map, x, y) || (ABS (x - 38) < 2
                && ABS (y - 41) < 2), "%d, %d", x, y);
    }
  gst_buffer_unref (out);
  fixture_clear (&f);
}
GST_END_TEST

/* Only frames in which a window looked count for a model that finds nothing,
 * and the range is that of what windows saw. */
GST_START_TEST (test_found_nothing)
{
  GstMessage *message = NULL;
  Fixture f;

  begin (&f, TINY_BLIND, 8, NULL, NULL);
  for (guint i = 0; i < 120; i++)
    gst_buffer_unref (fixture_run (&f, scene (NULL, NULL)));
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_INFO, NULL), 0);
  for (guint i = 0; i < 120; i++)
    gst_buffer_unref (fixture_run (&f, scene (&green, NULL)));
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_INFO, &message), 1);
  message_holds (message, "output 'result' ranges from 4.5");
  gst_message_unref (message);
  fixture_clear (&f);
}
GST_END_TEST

static Suite *
windows_suite (void)
{
  Suite *suite = suite_create ("windows");
  TCase *tc = tcase_create ("general");

  fixture_load_plugin ();
  suite_add_tcase (suite, tc);
  tcase_add_test (tc, test_values);
  tcase_add_test (tc, test_text);
  tcase_add_test (tc, test_scaling);
  tcase_add_test (tc, test_pictures);
  tcase_add_test (tc, test_small_tiles);
  tcase_add_test (tc, test_tensors);
  tcase_add_test (tc, test_updates);
  tcase_add_test (tc, test_found_nothing);
  return suite;
}

GST_CHECK_MAIN (windows);
