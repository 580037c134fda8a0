/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fixture.c - see fixture.h.
 */
#include "fixture.h"

#include <string.h>

#if SANITIZED
const char *__asan_default_options (void);

/* GLib has no frame pointers: without this a leak's stack ends in g_malloc(),
 * and no suppression finds what GLib keeps on purpose. */
const char *
__asan_default_options (void)
{
  return "fast_unwind_on_malloc=0";
}
#endif

void
fixture_load_plugin (void)
{
  static const gchar *const domains[] = { "GStreamer-Video",
    "GStreamer-Analytics", "deltacnn"
  };
  const gchar *path = g_getenv ("DELTACNN_TEST_PLUGIN");
  GError *error = NULL;
  GstPlugin *plugin = path ? gst_plugin_load_file (path, &error) : NULL;

  if (path && !plugin)
    g_error ("%s: %s", path, error->message);
  /* GstCheck looks at those of GStreamer's core and of GLib alone */
  for (guint i = 0; i < G_N_ELEMENTS (domains); i++)
    g_log_set_fatal_mask (domains[i], G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  gst_clear_object (&plugin);
}

const gchar *
fixture_device (void)
{
  const gchar *named = g_getenv ("DELTACNN_TEST_DEVICE");

  return named && *named ? named : "cpu";
}

void
fixture_init (Fixture * fixture)
{
  fixture->dir = tiny_folder_new ();
  fixture->element = gst_element_factory_make ("deltacnn", "delta");
  fail_unless (fixture->element != NULL);
  gst_object_ref_sink (fixture->element);
  g_object_set (fixture->element, "settle", FALSE, "dilation", 0,
      "threads", 1, "device", fixture_device (), NULL);
  fixture->bus = gst_bus_new ();
  gst_element_set_bus (fixture->element, fixture->bus);
  fixture->harness = NULL;
}

void
fixture_clear (Fixture * fixture)
{
  g_clear_pointer (&fixture->harness, gst_harness_teardown);
  gst_element_set_state (fixture->element, GST_STATE_NULL);
  gst_bus_set_flushing (fixture->bus, TRUE);
  gst_element_set_bus (fixture->element, NULL);
  gst_clear_object (&fixture->bus);
  ASSERT_OBJECT_REFCOUNT (fixture->element, "deltacnn", 1);
  gst_clear_object (&fixture->element);
  tiny_folder_remove (fixture->dir);
  g_clear_pointer (&fixture->dir, g_free);
}

void
fixture_model (Fixture * fixture, TinyKind kind, guint width, guint height)
{
  g_autofree gchar *path = tiny_model_write (fixture->dir, "model", kind,
      width, height, NULL);

  g_object_set (fixture->element, "model", path, NULL);
}

void
fixture_caps (Fixture * fixture, const gchar * format, gint width, gint height)
{
  gst_harness_set_src_caps (fixture->harness, gst_caps_new_simple
      ("video/x-raw", "format", G_TYPE_STRING, format, "width", G_TYPE_INT,
          width, "height", G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION,
          25, 1, NULL));
}

void
fixture_play (Fixture * fixture, const gchar * format, gint width, gint height)
{
  fixture->harness = gst_harness_new_with_element (fixture->element, "sink",
      "src");
  gst_harness_set_drop_buffers (fixture->harness, FALSE);
  fixture_caps (fixture, format, width, height);
}

GstBuffer *
fixture_run (Fixture * fixture, GstBuffer * buffer)
{
  GstBuffer *out;

  fail_unless_equals_int (gst_harness_push (fixture->harness, buffer),
      GST_FLOW_OK);
  out = gst_harness_pull (fixture->harness);
  fail_unless (out != NULL);
  return out;
}

GstClockTime
fixture_latency (Fixture * f)
{
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min, max;
  gboolean live;

  fail_unless (gst_element_query (f->element, query));
  gst_query_parse_latency (query, &live, &min, &max);
  gst_query_unref (query);
  return min;
}

guint
fixture_count (Fixture * fixture, GstMessageType type, GstMessage ** last)
{
  GstMessage *message;
  guint count = 0;

  while ((message = gst_bus_pop (fixture->bus))) {
    if (GST_MESSAGE_TYPE (message) == type) {
      count++;
      if (last)
        gst_message_replace (last, message);
    }
    gst_message_unref (message);
  }
  return count;
}

GstStructure *
fixture_structure (Fixture * fixture, const gchar * name)
{
  GstStructure *found = NULL;
  GstMessage *message;

  while ((message = gst_bus_pop (fixture->bus))) {
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT
        && gst_message_has_name (message, name)) {
      g_clear_pointer (&found, gst_structure_free);
      found = gst_structure_copy (gst_message_get_structure (message));
    }
    gst_message_unref (message);
  }
  return found;
}

static void
info_init (GstVideoInfo * info, const gchar * format, gint width, gint height)
{
  g_assert_true (gst_video_info_set_format (info,
          gst_video_format_from_string (format), width, height));
}

GstBuffer *
picture_convert (GstBuffer * from, const gchar * from_format, const gchar * to_format,
    gint width, gint height)
{
  GstVideoInfo in_info, out_info;
  GstVideoFrame in_frame, out_frame;
  GstVideoConverter *converter;
  GstBuffer *to;

  if (g_str_equal (from_format, to_format))
    return from;
  info_init (&in_info, from_format, width, height);
  info_init (&out_info, to_format, width, height);
  to = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&out_info), NULL);
  gst_buffer_memset (to, 0, 0, GST_VIDEO_INFO_SIZE (&out_info));
  converter = gst_video_converter_new (&in_info, &out_info, NULL);
  g_assert_true (gst_video_frame_map (&in_frame, &in_info, from, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&out_frame, &out_info, to,
          GST_MAP_READWRITE));
  gst_video_converter_frame (converter, &in_frame, &out_frame);
  gst_video_frame_unmap (&in_frame);
  gst_video_frame_unmap (&out_frame);
  gst_video_converter_free (converter);
  gst_buffer_unref (from);
  return to;
}

static void
fill (GstVideoFrame * frame, gint x0, gint y0, gint x1, gint y1,
    const guint8 * rgb)
{
  const gint width = GST_VIDEO_FRAME_WIDTH (frame);
  const gint height = GST_VIDEO_FRAME_HEIGHT (frame);

  for (gint y = MAX (y0, 0); y < MIN (y1, height); y++)
    for (gint x = MAX (x0, 0); x < MIN (x1, width); x++)
      memcpy ((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, 0)
          + (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0) + 3 * x, rgb,
          3);
}

GstBuffer *
picture_new (const gchar * format, gint width, gint height, guint8 background,
    gint x, gint y, gint size, guint8 grey)
{
  const guint8 back[3] = { background, background, background };
  const guint8 front[3] = { grey, grey, grey };
  GstVideoInfo info;
  GstVideoFrame frame;
  GstBuffer *buffer;

  info_init (&info, "RGB", width, height);
  buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&info), NULL);
  g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_WRITE));
  fill (&frame, 0, 0, width, height, back);
  fill (&frame, x, y, x + size, y + size, front);
  gst_video_frame_unmap (&frame);
  return picture_convert (buffer, "RGB", format, width, height);
}

GstBuffer *
picture_new_color (const gchar * format, gint width, gint height, guint8 r,
    guint8 g, guint8 b)
{
  const guint8 rgb[3] = { r, g, b };
  GstVideoInfo info;
  GstVideoFrame frame;
  GstBuffer *buffer;

  info_init (&info, "RGB", width, height);
  buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&info), NULL);
  g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_WRITE));
  fill (&frame, 0, 0, width, height, rgb);
  gst_video_frame_unmap (&frame);
  return picture_convert (buffer, "RGB", format, width, height);
}

void
picture_get_pixel (GstBuffer * buffer, const gchar * format, gint width,
    gint height, gint x, gint y, guint8 * rgb)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  GstBuffer *plain = picture_convert (gst_buffer_ref (buffer), format, "RGB", width,
      height);

  info_init (&info, "RGB", width, height);
  g_assert_true (gst_video_frame_map (&frame, &info, plain, GST_MAP_READ));
  memcpy (rgb, (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0)
      + (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0) + 3 * x, 3);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (plain);
}

const GstDeltaCnnStatsMeta *
buffer_stats (GstBuffer * buffer)
{
  const GstDeltaCnnStatsMeta *stats =
      gst_buffer_get_delta_cnn_stats_meta (buffer);

  fail_unless (stats != NULL, "no statistics on the buffer");
  return stats;
}

void
message_holds (GstMessage * message, const gchar * part)
{
  GError *error = NULL;
  gchar *debug = NULL;

  fail_unless (message != NULL, "no message");
  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, &debug);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, &debug);
      break;
    default:
      gst_message_parse_info (message, &error, &debug);
      break;
  }
  fail_unless (strstr (error->message, part) != NULL,
      "\"%s\" is not in \"%s\"", part, error->message);
  g_clear_error (&error);
  g_free (debug);
}

void
warning_holds (GstBus * bus, const gchar * part)
{
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);

  message_holds (message, part);
  gst_message_unref (message);
}
