/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <math.h>
#include <string.h>

#define PATTERN_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

struct ToolSource {
  char *location;
  GstElement *pipeline;
  GstAppSink *sink;
  GstSample *sample;
  GstVideoFrame video;
  gboolean mapped, live;
  guint64 total;
  /* synthetic */
  guint8 *background, *picture;
  guint width, height, frames, index;
  double share;
};

/* ---- where frames come from -------------------------------------------- */

static gboolean
is_picture (const char *name)
{
  return g_str_has_suffix (name, ".jpg") || g_str_has_suffix (name, ".jpeg")
      || g_str_has_suffix (name, ".png");
}

guint64
tool_source_pictures (const char *location)
{
  g_autoptr (GDir) dir = g_dir_open (location, 0, NULL);
  guint64 n = 0;
  const char *name;
  while (dir && (name = g_dir_read_name (dir)))
    n += is_picture (name);
  return n;
}

/* "00000.jpg" or "00000.png" ... in a folder: a pattern for multifilesrc, and
 * its first number. Returns new. */
static char *
folder_pattern (const char *folder, guint64 *start, gboolean *png,
    GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  if (!dir)
    return NULL;
  g_autofree char *first = NULL;
  const char *name;
  while ((name = g_dir_read_name (dir))) {
    if (is_picture (name) && (!first || strcmp (name, first) < 0)) {
      g_free (first);
      first = g_strdup (name);
    }
  }
  gsize digits = 0;
  gsize stem = first ? (gsize) (strrchr (first, '.') - first) : 0;
  while (digits < stem && g_ascii_isdigit (first[stem - 1 - digits]))
    digits++;
  if (!digits) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "%s holds no numbered .jpg or .png files (00000.jpg, 00001.jpg ...)", folder);
    return NULL;
  }
  *start = g_ascii_strtoull (first + stem - digits, NULL, 10);
  *png = g_str_has_suffix (first, ".png");
  g_autofree char *before = g_strdup_printf ("%s/%.*s", folder,
      (int) (stem - digits), first);
  GString *pattern = g_string_new (before);
  g_string_replace (pattern, "%", "%%", 0); /* multifilesrc prints by it */
  g_string_append_printf (pattern, "%%0%dd%s", (int) digits, first + stem);
  return g_string_free (pattern, FALSE);
}

static char *
describe_folder (const char *folder, GError **error)
{
  guint64 start;
  gboolean png;
  g_autofree char *pattern = folder_pattern (folder, &start, &png, error);
  if (!pattern)
    return NULL;
  return g_strdup_printf ("multifilesrc name=input start-index=%d "
      "caps=image/%s,framerate=24/1 ! %s", (int) start,
      png ? "png" : "jpeg", png ? "pngdec" : "jpegdec");
}

/* Names are told to the element itself: in a description, quotes, backslashes
 * and bytes that are no UTF-8 would not come through. */
static gboolean
place_input (GstElement *pipeline, const char *location, GError **error)
{
  static const char *const properties[][2] = { { "filesrc", "location" },
    { "v4l2src", "device" }, { "uridecodebin", "uri" } };
  g_autoptr (GstElement) input =
      gst_bin_get_by_name (GST_BIN (pipeline), "input");
  const char *kind = input
      ? GST_OBJECT_NAME (gst_element_get_factory (input)) : NULL;
  guint64 start;
  gboolean png;
  if (g_strcmp0 (kind, "multifilesrc") == 0) {
    g_autofree char *pattern = folder_pattern (location, &start, &png, error);
    if (!pattern)
      return FALSE;
    g_object_set (input, "location", pattern, NULL);
  }
  for (guint i = 0; i < G_N_ELEMENTS (properties); i++)
    if (g_strcmp0 (kind, properties[i][0]) == 0)
      g_object_set (input, properties[i][1], location, NULL);
  return TRUE;
}

char *
tool_source_describe (const char *location, gboolean *live, GError **error)
{
  *live = FALSE;
  /* Not every path in /dev is a camera: /dev/shm is a folder of files. */
  if (g_str_has_prefix (location, "/dev/")
      && !g_file_test (location, G_FILE_TEST_IS_REGULAR)
      && !g_file_test (location, G_FILE_TEST_IS_DIR)) {
    *live = TRUE;
    return g_strdup ("v4l2src name=input ! decodebin");
  }
  if (g_str_has_prefix (location, "test:")
      && !location[5 + strspn (location + 5, PATTERN_LETTERS)] && location[5])
    return g_strdup_printf ("videotestsrc num-buffers=60 pattern=%s ! "
        "video/x-raw,width=640,height=480,framerate=30/1", location + 5);
  if (gst_uri_is_valid (location)) {
    *live = g_str_has_prefix (location, "rtsp");
    return g_strdup ("uridecodebin name=input");
  }
  if (g_file_test (location, G_FILE_TEST_IS_DIR))
    return describe_folder (location, error);
  if (!g_file_test (location, G_FILE_TEST_EXISTS)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "no clip %s: a video file, a folder of numbered .jpg, /dev/videoN or "
        "an address such as rtsp://camera/stream is wanted", location);
    return NULL;
  }
  return g_strdup ("filesrc name=input ! decodebin");
}

/* ---- GStreamer --------------------------------------------------------- */

GstElement *
tool_parse_launch (const char *text, const char *location, GError **error)
{
  GError *cause = NULL;
  GstElement *pipeline = gst_parse_launch (text, &cause);
  if (!cause && place_input (pipeline, location, &cause))
    return pipeline;
  /* A pipeline that lacks an element comes back all the same. */
  g_clear_pointer (&pipeline, gst_object_unref);
  g_propagate_error (error, cause);
  return NULL;
}

void
tool_error_from_message (GstMessage *message, const char *location,
    GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *debug = NULL;
  gst_message_parse_error (message, &cause, &debug);
  /* "file.c(12): function (): /GstPipeline:pipeline0/...:", then the detail. */
  const char *detail = debug ? strchr (debug, '\n') : NULL;
  if (location)
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "%s: %s%s%s (from %s)",
        location, cause->message, detail && detail[1] ? " " : "",
        detail ? detail + 1 : "", GST_OBJECT_NAME (message->src));
  else
    g_set_error_literal (error, DCNN_ERROR, DCNN_ERROR_FILE, cause->message);
}

/* A state may have failed a moment before the message that says why. */
static void
error_from_bus (ToolSource *source, GstClockTime wait, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (source->pipeline);
  g_autoptr (GstMessage) message =
      gst_bus_timed_pop_filtered (bus, wait, GST_MESSAGE_ERROR);
  if (message)
    tool_error_from_message (message, source->location, error);
}

static void
guess_total (ToolSource *source)
{
  gint64 duration = 0;
  g_autoptr (GstSample) sample = NULL;
  g_object_get (source->sink, "last-sample", &sample, NULL);
  g_autoptr (GstPad) pad =
      gst_element_get_static_pad (GST_ELEMENT (source->sink), "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GstVideoInfo info;
  if (!caps || !gst_video_info_from_caps (&info, caps) || !info.fps_n)
    return;
  if (gst_element_query_duration (source->pipeline, GST_FORMAT_TIME,
          &duration) && duration > 0)
    source->total = gst_util_uint64_scale_round ((guint64) duration,
        (guint64) info.fps_n, (guint64) info.fps_d * GST_SECOND);
}

ToolSource *
tool_source_open (const char *location, GError **error)
{
  gboolean live;
  g_autofree char *front = tool_source_describe (location, &live, error);
  if (!front)
    return NULL;
  g_autofree char *text = g_strdup_printf ("%s ! videoconvert ! "
      "video/x-raw,format=(string){I420,NV12,RGB,BGR,RGBx,BGRx,RGBA,BGRA} ! "
      "appsink name=sink sync=false max-buffers=%d drop=%s", front,
      live ? 2 : 4, live ? "true" : "false");
  g_autoptr (ToolSource) source = g_new0 (ToolSource, 1);
  source->live = live;
  source->location = g_strdup (location);
  source->pipeline = tool_parse_launch (text, location, error);
  if (!source->pipeline)
    return NULL;
  source->sink =
      GST_APP_SINK (gst_bin_get_by_name (GST_BIN (source->pipeline), "sink"));
  gst_element_set_state (source->pipeline, GST_STATE_PLAYING);
  /* Wait for the first frame or an error. */
  if (gst_element_get_state (source->pipeline, NULL, NULL,
          20 * GST_SECOND) == GST_STATE_CHANGE_FAILURE) {
    error_from_bus (source, GST_SECOND, error);
    if (error && !*error)
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "cannot play %s",
          location);
    return NULL;
  }
  guess_total (source);
  return g_steal_pointer (&source);
}

static void
release_frame (ToolSource *source)
{
  if (source->mapped)
    gst_video_frame_unmap (&source->video);
  source->mapped = FALSE;
  g_clear_pointer (&source->sample, gst_sample_unref);
}

static gboolean
pixel_format (GstVideoFormat format, DcnnPixelFormat *out)
{
  static const char *const names[] = {
#define X(e, name, p, b) name,
    DCNN_PIXEL_FORMATS (X)
#undef X
  };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (gst_video_format_from_string (names[i]) == format) {
      *out = (DcnnPixelFormat) i;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
fill_frame (ToolSource *source, const GstVideoInfo *info, DcnnFrame *frame)
{
  memset (frame, 0, sizeof *frame);
  if (!pixel_format (GST_VIDEO_INFO_FORMAT (info), &frame->format))
    return FALSE;
  frame->width = (uint32_t) GST_VIDEO_INFO_WIDTH (info);
  frame->height = (uint32_t) GST_VIDEO_INFO_HEIGHT (info);
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (info) && i < 3; i++) {
    frame->planes[i] = GST_VIDEO_FRAME_PLANE_DATA (&source->video, i);
    frame->strides[i] = GST_VIDEO_FRAME_PLANE_STRIDE (&source->video, i);
  }
  gdouble kr = 0.299, kb = 0.114;
  gst_video_color_matrix_get_Kr_Kb (info->colorimetry.matrix, &kr, &kb);
  frame->kr = (float) kr;
  frame->kb = (float) kb;
  frame->full_range = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
  if (GST_VIDEO_INFO_PAR_D (info) > 0)
    frame->pixel_aspect = (float) GST_VIDEO_INFO_PAR_N (info) /
        GST_VIDEO_INFO_PAR_D (info);
  return TRUE;
}

static gboolean
next_from_pipeline (ToolSource *source, DcnnFrame *frame, GError **error)
{
  release_frame (source);
  source->sample =
      gst_app_sink_try_pull_sample (source->sink, 30 * GST_SECOND);
  if (!source->sample) {
    error_from_bus (source, 0, error);
    if (!(error && *error) && !gst_app_sink_is_eos (source->sink))
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
          "%s: no frame came for 30 seconds", source->location);
    return FALSE;
  }
  GstVideoInfo info;
  if (!gst_video_info_from_caps (&info,
          gst_sample_get_caps (source->sample))
      || !gst_video_frame_map (&source->video, &info,
          gst_sample_get_buffer (source->sample), GST_MAP_READ)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "a frame is unreadable");
    return FALSE;
  }
  source->mapped = TRUE;
  if (fill_frame (source, &info, frame))
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
      "a frame has a format that is not supported");
  return FALSE;
}

/* ---- synthetic --------------------------------------------------------- */

static guint32
hash (guint32 a, guint32 b, guint32 c)
{
  guint32 h = a * 0x9e3779b1u ^ b * 0x85ebca77u ^ c * 0xc2b2ae3du;
  h = (h ^ (h >> 15)) * 0x2c1b3c6du;
  h = (h ^ (h >> 12)) * 0x297a2d39u;
  return h ^ (h >> 15);
}

/* Smooth texture: bilinear noise on a grid of `cell` px. */
static void
texture (guint8 *pixel, guint x, guint y, guint cell, guint32 seed)
{
  guint gx = x / cell, gy = y / cell;
  double fx = (double) (x % cell) / cell, fy = (double) (y % cell) / cell;
  for (guint c = 0; c < 3; c++) {
    double corner[2][2];
    for (guint j = 0; j < 2; j++)
      for (guint i = 0; i < 2; i++)
        corner[j][i] = hash (gx + i, gy + j, seed * 3 + c) & 255;
    double top = corner[0][0] * (1 - fx) + corner[0][1] * fx;
    double low = corner[1][0] * (1 - fx) + corner[1][1] * fx;
    pixel[c] = (guint8) (30 + 0.75 * (top * (1 - fy) + low * fy));
  }
}

ToolSource *
tool_source_synthetic (double share, guint width, guint height, guint frames)
{
  ToolSource *source = g_new0 (ToolSource, 1);
  source->share = CLAMP (share, 0.0, 1.0);
  source->width = width;
  source->height = height;
  source->frames = frames ? frames : 120;
  source->total = source->frames;
  gsize bytes = (gsize) width * height * 3;
  source->background = g_malloc (bytes);
  source->picture = g_malloc (bytes);
  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x++)
      texture (source->background + ((gsize) y * width + x) * 3, x, y, 24, 1);
  return source;
}

/* New content in a square whose top left corner wraps around the picture. */
static void
paint_square (ToolSource *source, guint x0, guint y0, guint w, guint h,
    guint32 seed)
{
  for (guint y = 0; y < h; y++) {
    guint py = (y0 + y) % source->height;
    for (guint x = 0; x < w; x++) {
      guint px = (x0 + x) % source->width;
      guint8 *pixel =
          source->picture + ((gsize) py * source->width + px) * 3;
      texture (pixel, x, y, 12, seed);
    }
  }
}

static gboolean
next_synthetic (ToolSource *source, DcnnFrame *frame)
{
  enum { SQUARES = 4 };
  if (source->index >= source->frames)
    return FALSE;
  gsize bytes = (gsize) source->width * source->height * 3;
  memcpy (source->picture, source->background, bytes);
  if (source->share >= 1) {
    paint_square (source, 0, 0, source->width, source->height,
        100 + source->index);
  } else if (source->share > 0) {
    double side = sqrt (source->share / SQUARES);
    guint w = (guint) lrint (side * source->width);
    guint h = (guint) lrint (side * source->height);
    for (guint32 i = 0; i < SQUARES; i++) {
      /* They drift by about 1/200 of the picture a frame. */
      guint x = hash (i, 1, 9) % source->width
          + source->index * (1 + source->width / 250);
      guint y = (i * source->height) / SQUARES
          + source->index * (i % 2);
      paint_square (source, x % source->width, y % source->height,
          MAX (w, 1), MAX (h, 1), 1000 * (i + 1) + source->index);
    }
  }
  source->index++;
  memset (frame, 0, sizeof *frame);
  frame->format = DCNN_FORMAT_RGB;
  frame->width = source->width;
  frame->height = source->height;
  frame->planes[0] = source->picture;
  frame->strides[0] = (int32_t) source->width * 3;
  frame->kr = 0.299f;
  frame->kb = 0.114f;
  frame->full_range = true;
  return TRUE;
}

/* ---- both -------------------------------------------------------------- */

gboolean
tool_source_next (ToolSource *source, DcnnFrame *frame, GError **error)
{
  if (source->pipeline)
    return next_from_pipeline (source, frame, error);
  return next_synthetic (source, frame);
}

guint64
tool_source_total (ToolSource *source)
{
  return source->total;
}

gboolean
tool_source_is_live (ToolSource *source)
{
  return source->live;
}

void
tool_source_free (ToolSource *source)
{
  if (!source)
    return;
  release_frame (source);
  if (source->pipeline) {
    gst_element_set_state (source->pipeline, GST_STATE_NULL);
    gst_clear_object (&source->sink);
    gst_object_unref (source->pipeline);
  }
  g_free (source->location);
  g_free (source->background);
  g_free (source->picture);
  g_free (source);
}
