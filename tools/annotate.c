/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-annotate: a clip in, a clip with the results drawn and a contact
 * sheet out. It runs the elements that an application would:
 *   source ! [framealign !] deltacnn ! deltaoverlay ! encoder
 * and takes the sheet's pictures from both sides of the overlay. */
#include "common.h"
#include "output.h"
#include "sheet.h"
#include "source.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "gstdeltacnnmotionmeta.h"
#include "gstdeltacnnstatsmeta.h"
#include "gstdeltacnnupdatemeta.h"

static char *input, *model, *video, *sheet, *title, *report, *device, *size;
static char **net_properties, **overlay_properties, **align_properties;
static gint frames, moments_wanted = 4, skip;
static gboolean quiet, align;

static const GOptionEntry entries[] = {
  { "input", 'i', 0, G_OPTION_ARG_FILENAME, &input,
      "Video file, folder of numbered .jpg, /dev/videoN or rtsp://...", "C" },
  { "model", 'm', 0, G_OPTION_ARG_FILENAME, &model,
      "ONNX file, or name of an installed model", "M" },
  { "size", 0, 0, G_OPTION_ARG_FILENAME, &size,
      "Network input size instead of the descriptor's", "WxH" },
  { "video", 'o', 0, G_OPTION_ARG_FILENAME, &video,
      "Write the annotated clip", "FILE.mp4" },
  { "sheet", 's', 0, G_OPTION_ARG_FILENAME, &sheet,
      "Write a contact sheet: frame, result, what was recomputed", "FILE.png" },
  { "moments", 0, 0, G_OPTION_ARG_INT, &moments_wanted,
      "Rows of the sheet (default 4)", "N" },
  { "frames", 'n', 0, G_OPTION_ARG_INT, &frames,
      "Stop after N frames (default: all; cameras 300)", "N" },
  { "skip", 0, 0, G_OPTION_ARG_INT, &skip,
      "Take no picture for the sheet from the first N frames", "N" },
  { "title", 0, 0, G_OPTION_ARG_FILENAME, &title, "Title of the sheet", "TEXT" },
  { "report", 'r', 0, G_OPTION_ARG_FILENAME, &report,
      "Put figures from this file of deltacnn-bench --json on the sheet",
      "FILE" },
  { "device", 'd', 0, G_OPTION_ARG_FILENAME, &device,
      "Property device of deltacnn (auto, cpu ...)", "D" },
  { "align", 'a', 0, G_OPTION_ARG_NONE, &align,
      "For moving cameras: with framealign before deltacnn; the sheet shows the "
      "camera's motion too", NULL },
  { "set-align", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &align_properties,
      "Set a property of framealign; may be repeated", "KEY=VALUE" },
  { "set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &net_properties,
      "Set a property of deltacnn; may be repeated", "KEY=VALUE" },
  { "set-overlay", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &overlay_properties,
      "Set a property of deltaoverlay; may be repeated", "KEY=VALUE" },
  { "quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet,
      "No progress on standard error", NULL },
  { NULL }
};

typedef struct Annotate {
  GstElement *pipeline;
  GstAppSink *plain, *drawn, *motion; /* motion: NULL without align */
  SheetMoment *moments;      /* [n_moments]: the best of each stretch */
  guint n_moments;
  gboolean live, ended;
  guint64 total, count;
} Annotate;

/* ---- pipeline ---------------------------------------------------------- */

static gboolean
have (const char *factory)
{
  g_autoptr (GstElementFactory) found = gst_element_factory_find (factory);
  return found != NULL;
}

/* The first encoder that is installed; all are in Debian's main archive. */
static char *
encoder (GError **error)
{
  static const char *const chains[][2] = {
    { "x264enc", "x264enc speed-preset=veryfast pass=qual quantizer=23 ! "
        "video/x-h264,profile=high ! h264parse" },
    { "openh264enc", "openh264enc bitrate=3000000 ! h264parse" },
    { "avenc_mpeg4", "avenc_mpeg4 bitrate=4000000 ! mpeg4videoparse" },
  };
  if (!have ("mp4mux")) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "no mp4mux element: install gstreamer1.0-plugins-good");
    return NULL;
  }
  for (guint i = 0; i < G_N_ELEMENTS (chains); i++)
    if (have (chains[i][0]))
      return g_strdup_printf ("videoconvert ! video/x-raw,format=I420 ! %s ! "
          "mp4mux ! filesink name=file async=false", chains[i][1]);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
      "no video encoder (x264enc, openh264enc, avenc_mpeg4): install "
      "gstreamer1.0-plugins-ugly or gstreamer1.0-libav");
  return NULL;
}

static gboolean
set_properties (GstElement *element, char **assignments, GError **error)
{
  for (guint i = 0; assignments && assignments[i]; i++) {
    g_auto (GStrv) parts = g_strsplit (assignments[i], "=", 2);
    GParamSpec *spec = parts[0] && parts[1] ? g_object_class_find_property (
        G_OBJECT_GET_CLASS (element), parts[0]) : NULL;
    g_auto (GValue) value = G_VALUE_INIT;
    if (spec)
      g_value_init (&value, spec->value_type);
    if (!spec || !(spec->flags & G_PARAM_WRITABLE)
        || !gst_value_deserialize (&value, parts[1])
        || g_param_value_validate (spec, &value)) {
      const char *kind =
          GST_OBJECT_NAME (gst_element_get_factory (element));
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "\"%s\" is no KEY=VALUE with a property of %s and a value that it "
          "takes; gst-inspect-1.0 %s lists them", assignments[i], kind, kind);
      return FALSE;
    }
    g_object_set_property (G_OBJECT (element), parts[0], &value);
  }
  return TRUE;
}

static char *
description (gboolean *live, GError **error)
{
  g_autofree char *front = tool_source_describe (input, live, error);
  if (!front)
    return NULL;
  g_autofree char *back = NULL;
  if (video) {
    g_autofree char *chain = encoder (error);
    if (!chain)
      return NULL;
    back = g_strdup_printf ("v. ! queue ! %s", chain);
  }
  return g_strdup_printf ("%s ! videoconvert ! video/x-raw,format=BGRx ! "
      "queue %s ! %s deltacnn name=net ! tee name=t "
      "t. ! queue ! appsink name=plain sync=false max-buffers=4 "
      "t. ! queue ! deltaoverlay name=overlay ! tee name=v "
      "v. ! queue ! appsink name=drawn sync=false max-buffers=4 %s %s", front,
      *live ? "leaky=downstream max-size-buffers=4" : "",
      align ? "framealign name=align tracks=true !" : "",
      align ? "t. ! queue ! deltaoverlay motion=true masks=false boxes=false "
      "skeletons=false classes=false stats=false ! "
      "appsink name=motion sync=false max-buffers=4" : "", back ? back : "");
}

static gboolean
build (Annotate *it, GError **error)
{
  g_autofree char *text = description (&it->live, error);
  if (!text)
    return FALSE;
  it->pipeline = tool_parse_launch (text, input, error);
  if (!it->pipeline)
    return FALSE;
  GstBin *bin = GST_BIN (it->pipeline);
  it->plain = GST_APP_SINK (gst_bin_get_by_name (bin, "plain"));
  it->drawn = GST_APP_SINK (gst_bin_get_by_name (bin, "drawn"));
  g_autoptr (GstElement) file = gst_bin_get_by_name (bin, "file");
  if (file) {
    g_autofree char *part = tool_part_begin (video);
    g_object_set (file, "location", part, NULL);
  }
  if (align)
    it->motion = GST_APP_SINK (gst_bin_get_by_name (bin, "motion"));
  g_autoptr (GstElement) aligner = gst_bin_get_by_name (bin, "align");
  g_autoptr (GstElement) net = gst_bin_get_by_name (bin, "net");
  g_autoptr (GstElement) overlay = gst_bin_get_by_name (bin, "overlay");
  g_object_set (net, "model", model, NULL);
  guint width = 0, height = 0;
  if (!tool_parse_size (size, &width, &height, error))
    return FALSE;
  g_object_set (net, "input-width", (gint) width, "input-height",
      (gint) height, NULL);
  if (device)
    gst_util_set_object_arg (G_OBJECT (net), "device", device);
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (net), "qos"))
    g_object_set (net, "qos", FALSE, NULL);
  if (it->live && !frames)
    frames = 300;
  return (!aligner || set_properties (aligner, align_properties, error))
      && set_properties (net, net_properties, error)
      && set_properties (overlay, overlay_properties, error);
}

/* ---- pictures ---------------------------------------------------------- */

static cairo_surface_t *
surface_of (GstSample *sample)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample))
      || !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample),
          GST_MAP_READ))
    return NULL;
  int width = GST_VIDEO_INFO_WIDTH (&info);
  int height = GST_VIDEO_INFO_HEIGHT (&info);
  cairo_surface_t *surface =
      cairo_image_surface_create (CAIRO_FORMAT_RGB24, width, height);
  guint8 *to = cairo_image_surface_get_data (surface);
  int stride = cairo_image_surface_get_stride (surface);
  for (int y = 0; to && y < height; y++)
    memcpy (to + (gsize) y * stride,
        (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0)
        + (gssize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0),
        (gsize) width * 4);
  cairo_surface_mark_dirty (surface);
  gst_video_frame_unmap (&frame);
  return surface;
}

/* How much the overlay drew: the share of pixels (one in 16) that differ. */
static double
drawn_share (GstSample *plain, GstSample *drawn)
{
  GstMapInfo a, b;
  guint64 different = 0, looked = 0;
  if (!gst_buffer_map (gst_sample_get_buffer (plain), &a, GST_MAP_READ))
    return 0;
  if (gst_buffer_map (gst_sample_get_buffer (drawn), &b, GST_MAP_READ)) {
    gsize n = MIN (a.size, b.size);
    for (gsize i = 0; i + 4 <= n; i += 16 * 4 + 4, looked++)
      different += memcmp (a.data + i, b.data + i, 3) != 0;
    gst_buffer_unmap (gst_sample_get_buffer (drawn), &b);
  }
  gst_buffer_unmap (gst_sample_get_buffer (plain), &a);
  return looked ? (double) different / (double) looked : 0;
}

/* Greys what is outside of the view window, where the frame has one. */
static void
draw_outside (cairo_surface_t *map, GstBuffer *buffer)
{
  GstDeltaCnnMotionMeta *meta = gst_buffer_get_delta_cnn_motion_meta (buffer);
  double x[4], y[4];
  if (!meta || !(meta->window_width > 0) || !(meta->window_height > 0))
    return;
  for (guint i = 0; i < 4; i++)
    if (!gst_delta_cnn_motion_meta_map_back (meta, meta->window_x +
            (i == 1 || i == 2 ? meta->window_width : 0), meta->window_y +
            (i >= 2 ? meta->window_height : 0), &x[i], &y[i]))
      return;
  sheet_draw_outside (map, x, y);
}

static void
take (Annotate *it, SheetMoment *moment, GstSample *plain, GstSample *drawn,
    GstSample *motion, double score)
{
  GstBuffer *buffer = gst_sample_get_buffer (plain);
  cairo_surface_t *frame = surface_of (plain);
  if (!frame)
    return;
  sheet_moment_clear (moment);
  GstDeltaCnnStatsMeta *stats = gst_buffer_get_delta_cnn_stats_meta (buffer);
  GstDeltaCnnUpdateMeta *update =
      gst_buffer_get_delta_cnn_update_meta (buffer);
  moment->frame = frame;
  moment->result = surface_of (drawn);
  moment->motion = motion ? surface_of (motion) : NULL;
  moment->map = update
      ? sheet_draw_map (frame, g_bytes_get_data (update->words, NULL),
          update->width, update->height, update->x, update->y, update->w,
          update->h)
      : sheet_draw_map (frame, NULL, 0, 0, 0, 0, 0, 0);
  draw_outside (moment->map, buffer);
  moment->index = it->count;
  moment->changed = stats ? stats->changed_share : -1;
  moment->work = stats ? stats->mac_share : -1;
  moment->score = score;
}

static void
consider (Annotate *it, GstSample *plain, GstSample *drawn, GstSample *motion)
{
  guint64 first = (guint64) MAX (skip, 2);
  if (!it->n_moments || it->count < first)
    return;
  guint64 length = MAX (it->total > first ? it->total - first : 1, 1);
  /* not of the first quarter of each stretch: it may be the last one's moment */
  guint64 quarter = (it->count - first) * it->n_moments * 4 / length;
  guint64 which = quarter / 4;
  if (which >= it->n_moments || (quarter % 4 == 0 && which > 0))
    return;
  SheetMoment *moment = &it->moments[which];
  double score = drawn_share (plain, drawn);
  if (!moment->frame || score > moment->score)
    take (it, moment, plain, drawn, motion, score);
}

/* ---- running ----------------------------------------------------------- */

/* Whether an error of ours, not of the input, stopped the pipeline. */
static gboolean
is_own (GstMessage *message)
{
  static const char *const own[] = { "net", "overlay", "file", "align" };
  for (guint i = 0; i < G_N_ELEMENTS (own); i++)
    if (g_str_equal (GST_OBJECT_NAME (message->src), own[i]))
      return TRUE;
  return FALSE;
}

/* What cannot be read, or written: named in the error. */
static const char *
culprit (GstMessage *message)
{
  return g_str_equal (GST_OBJECT_NAME (message->src), "file") ? video
      : is_own (message) ? NULL : input;
}

/* Whether the pipeline failed. A camera or a server that goes away ends the
 * clip and spoils nothing: a line, and no more. */
static gboolean
bus_error (Annotate *it, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (it->pipeline);
  g_autoptr (GstMessage) message =
      gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  if (!message)
    return FALSE;
  g_autoptr (GError) cause = NULL;
  tool_error_from_message (message, culprit (message), &cause);
  if (it->live && it->count && !is_own (message)) {
    if (!it->ended)
      fprintf (stderr, "deltacnn-annotate: %s; going on with the %d frames "
          "that came\n", cause->message, (int) it->count);
    it->ended = TRUE;
    return FALSE;
  }
  g_propagate_error (error, g_steal_pointer (&cause));
  return TRUE;
}

/* Frames of the clip by its pictures or its duration; a camera gives what was
 * asked for. */
static void
guess_total (Annotate *it, GstSample *sample)
{
  gint64 duration = 0;
  GstVideoInfo info;
  guint64 pictures = tool_source_pictures (input);
  it->total = frames > 0 ? (guint64) frames : 0;
  if (pictures)
    it->total = it->total ? MIN (it->total, pictures) : pictures;
  else if (gst_video_info_from_caps (&info, gst_sample_get_caps (sample))
      && info.fps_n && gst_element_query_duration (it->pipeline,
          GST_FORMAT_TIME, &duration) && duration > 0) {
    guint64 n = gst_util_uint64_scale_round ((guint64) duration,
        (guint64) info.fps_n, (guint64) info.fps_d * GST_SECOND);
    if (n && (!it->total || n < it->total))
      it->total = n;
  }
  if (!it->total)
    it->total = 300;
}

/* The next picture before the overlay, or NULL at the end. */
static GstSample *
pull_plain (Annotate *it, GError **error)
{
  GstSample *plain;
  for (guint waited_s = 0; !(plain = gst_app_sink_try_pull_sample (it->plain,
              GST_SECOND)); waited_s++) {
    if (gst_app_sink_is_eos (it->plain) || bus_error (it, error) || it->ended)
      return NULL;
    if (it->live && waited_s >= 30) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
          "%s: no frame came for 30 seconds", input);
      return NULL;
    }
  }
  return plain;
}

static gboolean
pull_all (Annotate *it, GError **error)
{
  ToolProgress progress;
  GError *cause = NULL;
  tool_progress_init (&progress, "drawing", 0, quiet);
  while (!frames || it->count < (guint64) frames) {
    g_autoptr (GstSample) plain = pull_plain (it, &cause);
    g_autoptr (GstSample) drawn =
        plain ? gst_app_sink_pull_sample (it->drawn) : NULL;
    g_autoptr (GstSample) motion =
        drawn && it->motion ? gst_app_sink_pull_sample (it->motion) : NULL;
    if (!plain || !drawn || (it->motion && !motion))
      break;
    if (!it->total) {
      guess_total (it, plain);
      progress.total = it->total;
    }
    consider (it, plain, drawn, motion);
    it->count++;
    tool_progress_update (&progress, it->count, NULL);
  }
  tool_progress_end (&progress);
  if (!cause)
    return !bus_error (it, error);
  g_propagate_error (error, cause);
  return FALSE;
}

/* The file is whole only when its end went through the muxer. */
static gboolean
finish_video (Annotate *it, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (it->pipeline);
  g_autoptr (GstElement) net =
      gst_bin_get_by_name (GST_BIN (it->pipeline), "net");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (net, "sink");
  /* Frames still on their way have nobody to pull them. */
  GstAppSink *sinks[] = { it->plain, it->drawn, it->motion };
  for (guint i = 0; i < G_N_ELEMENTS (sinks) && sinks[i]; i++)
    g_object_set (sinks[i], "max-buffers", 1, "drop", TRUE, "wait-on-eos",
        FALSE, NULL);
  gst_pad_send_event (pad, gst_event_new_eos ());
  gint64 deadline_us = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  gint64 left_us;
  while ((left_us = deadline_us - g_get_monotonic_time ()) > 0) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus,
        (GstClockTime) left_us * GST_USECOND,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    if (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      return TRUE;
    /* What the input says after its last frame matters no more. */
    if (message && is_own (message)) {
      tool_error_from_message (message, culprit (message), error);
      return FALSE;
    }
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
      "%s could not be finished within 20 seconds", video);
  return FALSE;
}

/* ---- the sheet's words ------------------------------------------------- */

static double
member (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  return node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node)
      : -1;
}

/* One line of figures from a report of deltacnn-bench, where one was given. */
static gboolean
read_report (char **line, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) cause = NULL;
  if (!report)
    return TRUE;
  json_parser_load_from_file (parser, report, &cause);
  JsonNode *root = cause ? NULL : json_parser_get_root (parser);
  JsonObject *object = root && JSON_NODE_HOLDS_OBJECT (root)
      ? json_node_get_object (root) : NULL;
  JsonNode *agreed =
      object ? json_object_get_member (object, "agreement") : NULL;
  if (!agreed || !JSON_NODE_HOLDS_OBJECT (agreed)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "--report %s: %s; a file of deltacnn-bench --json is wanted", report,
        cause ? cause->message : "this is no report of one clip");
    return FALSE;
  }
  double sparse = member (object, "sparse_ms");
  double dense = member (object, "dense_ms");
  GString *text = g_string_new (NULL);
  g_string_append_printf (text, "%.0f frames: %.1f %% of the pixels changed, "
      "%.0f %% of the network's work was done", member (object, "frames") + 1,
      100 * member (object, "changed_share"),
      100 * member (object, "mac_share"));
  if (sparse > 0 && dense > 0)
    g_string_append_printf (text, ", %.1f ms a frame instead of %.1f",
        sparse, dense);
  double iou = member (json_node_get_object (agreed), "iou");
  if (iou >= 0)
    g_string_append_printf (text, ", masks agree to IoU %.3f", iou);
  *line = g_string_free (text, FALSE);
  return TRUE;
}

static gboolean
write_sheet (Annotate *it, const char *line, GError **error)
{
  guint n = 0;
  for (guint i = 0; i < it->n_moments; i++)
    if (it->moments[i].frame)
      it->moments[n++] = it->moments[i];
  it->n_moments = n;
  if (!n) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "the clip is too short for a contact sheet: %d frames came, %d are "
        "needed", (int) it->count, MAX (skip, 2) + 1);
    return FALSE;
  }
  g_autofree char *heading = title ? g_utf8_make_valid (title, -1) : NULL;
  return sheet_write (it->moments, n, heading, line, sheet, error);
}

static gboolean
run (GError **error)
{
  Annotate it = { .n_moments = sheet ? (guint) moments_wanted : 0 };
  it.moments = g_new0 (SheetMoment, it.n_moments + 1);
  g_autofree char *line = NULL;
  gboolean good = read_report (&line, error) && build (&it, error);
  if (good) {
    gst_element_set_state (it.pipeline, GST_STATE_PLAYING);
    good = pull_all (&it, error);
    if (good && video)
      good = finish_video (&it, error);
  }
  if (it.pipeline) {
    gst_element_set_state (it.pipeline, GST_STATE_NULL);
    gst_clear_object (&it.plain);
    gst_clear_object (&it.drawn);
    gst_clear_object (&it.motion);
    gst_object_unref (it.pipeline);
  }
  if (good && sheet)
    good = write_sheet (&it, line, error);
  good = tool_part_end (good, error);
  for (guint i = 0; i < it.n_moments; i++)
    sheet_moment_clear (&it.moments[i]);
  g_free (it.moments);
  return good;
}

static gboolean
check_options (int argc, char **argv, GError **error)
{
  const ToolFile outputs[] = { { "--video", video }, { "--sheet", sheet } };
  g_autofree char *found = model ? dcnn_model_find_file (model, NULL) : NULL;
  const ToolFile inputs[] = { { "--input", input }, { "--model", found },
    { "--report", report } };
  const char *problem = NULL;
  guint width, height;
  if (argc > 1) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "no argument \"%s\" is known; see --help", argv[1]);
    return FALSE;
  }
  if (!input || !model || (!video && !sheet))
    problem = "--input, --model and one of --video and --sheet are needed; see "
        "--help";
  else if (moments_wanted < 1 || moments_wanted > 32)
    problem = "--moments: 1 to 32";
  else if (frames < 0)
    problem = "--frames: not negative; 0 are all";
  else if (skip < 0)
    problem = "--skip: not negative";
  else if (align_properties && !align)
    problem = "--set-align needs --align";
  if (problem)
    g_set_error_literal (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, problem);
  return !problem && tool_parse_size (size, &width, &height, error)
      && tool_check_files (outputs, G_N_ELEMENTS (outputs), inputs,
      G_N_ELEMENTS (inputs), error);
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_option_context_set_summary (context,
      "Runs a model on a clip, camera or address with the deltacnn and\n"
      "deltaoverlay elements, and writes the clip with the results drawn and a\n"
      "contact sheet of a few moments.");
  g_option_context_set_description (context, "Example:\n"
      "  deltacnn-annotate --input street.mp4 --model people-seg \\\n"
      "      --video out.mp4 --sheet out.png");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!tool_parse_context (context, &argc, &argv, &error)
      || !check_options (argc, argv, &error)) {
    tool_fail ("deltacnn-annotate", &error);
    return 2;
  }
  gst_init (NULL, NULL);
  return run (&error) ? 0 : tool_fail ("deltacnn-annotate", &error);
}
