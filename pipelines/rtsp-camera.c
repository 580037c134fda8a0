/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * rtsp-camera.c - results from a camera that comes and goes.
 *
 *   rtsp-camera [--model NAME] [--results FILE] [--sink ELEMENTS]
 *               [--stall SECONDS] [--seconds N] rtsp://[USER:PASSWORD@]HOST/...
 *
 * The pipeline is in two parts. deltacnn and all behind it stay PLAYING for as
 * long as the program runs; only the source in front, a bin of its own, is
 * thrown away and made again when the camera ends the stream, fails, or sends
 * nothing for a while. So a reconnect loads no model, loses no line of
 * results, and costs a frame that is mostly like the last one.
 *
 *   [ rtspsrc ! decodebin ! videoconvert ]  !  deltacnn ! deltaoverlay ! sink
 *     made anew at each connection               made once
 *
 * The first try is at once, then after 1, 2, 4 ... 30 seconds; a frame that
 * arrives sets that back. A wrong user or password is not tried again unless
 * it has been right before: cameras lock those out who guess.
 *
 * Without a display (neither DISPLAY nor WAYLAND_DISPLAY) there is no window;
 * results that no file was named for then go to standard output.
 */
#include <glib-unix.h>
#include <gst/gst.h>
#include <string.h>
#include <sys/stat.h>

#include "elements.h"

#define MAX_WAIT_S 30
#define LOOK_MS 200

typedef struct
{
  /* What was asked for. */
  gchar *address;
  gchar *shown;                 /* without the password, for messages */
  gdouble stall_s;

  GMainLoop *loop;
  GstElement *pipeline;
  GstElement *entry;            /* where a source is linked to */
  GstElement *source;           /* NULL: waiting to connect again */
  GstBus *bus;
  guint wait_s;                 /* before the next try */
  guint connect_id;             /* that will make it; 0: none */
  gint64 since_us;              /* of this source's start */
  gboolean ever;                /* a frame has arrived from the camera */
  int status;                   /* to exit with */

  /* Written by streaming threads. */
  gint64 last_frame_us;         /* atomic by the lock; 0: none of this source */
  guint64 frames;               /* that left deltacnn */
  GMutex lock;
} Camera;

/* user:password@ is nobody's business. */
static gchar *
hide_password (const gchar * address)
{
  const gchar *start = strstr (address, "://");
  const gchar *at, *slash;

  if (!start)
    return g_strdup (address);
  start += 3;
  slash = strchr (start, '/');
  at = g_strrstr_len (start, slash ? slash - start : -1, "@");
  return at ? g_strdup_printf ("%.*s%s", (int) (start - address), address,
      at + 1) : g_strdup (address);
}

/* ---- frames and events, on streaming threads ----------------------------- */

static GstPadProbeReturn
note_result (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Camera *camera = data;

  g_mutex_lock (&camera->lock);
  camera->frames++;
  g_mutex_unlock (&camera->lock);
  return GST_PAD_PROBE_OK;
}

/* On the way out of the source: frames are noted; the end of the camera's
 * stream is not the end of ours. */
static GstPadProbeReturn
watch_source (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Camera *camera = data;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    g_mutex_lock (&camera->lock);
    camera->last_frame_us = g_get_monotonic_time ();
    g_mutex_unlock (&camera->lock);
    return GST_PAD_PROBE_OK;
  }
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  gst_bus_post (camera->bus, gst_message_new_application (GST_OBJECT (pad),
          gst_structure_new_empty ("source-ended")));
  return GST_PAD_PROBE_DROP;
}

/* ---- connecting ---------------------------------------------------------- */

static gboolean connect_camera (gpointer data);

/* decodebin has found a stream: the first video goes out, sound does not. */
static void
on_pad_added (GstElement * decodebin, GstPad * pad, gpointer data)
{
  GstElement *convert = data;
  GstPad *sink = gst_element_get_static_pad (convert, "sink");
  GstCaps *caps = gst_pad_get_current_caps (pad);

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  if (!gst_pad_is_linked (sink) && gst_caps_get_size (caps) > 0
      && g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps,
                  0)), "video/"))
    gst_pad_link (pad, sink);
  gst_caps_unref (caps);
  gst_object_unref (sink);
}

static void
on_rtsp_pad_added (GstElement * rtspsrc, GstPad * pad, gpointer data)
{
  GstElement *decodebin = data;
  GstPad *sink = gst_element_get_static_pad (decodebin, "sink");
  GstCaps *caps = gst_pad_query_caps (pad, NULL);
  const gchar *media = gst_caps_get_size (caps) > 0 ?
      gst_structure_get_string (gst_caps_get_structure (caps, 0), "media") :
      NULL;

  if (!gst_pad_is_linked (sink) && g_strcmp0 (media, "video") == 0)
    gst_pad_link (pad, sink);
  gst_caps_unref (caps);
  gst_object_unref (sink);
}

static GstElement *
make_source (Camera * camera)
{
  GstElement *bin = gst_bin_new ("source");
  GstElement *rtspsrc = gst_element_factory_make ("rtspsrc", NULL);
  GstElement *decodebin = gst_element_factory_make ("decodebin", NULL);
  GstElement *convert = gst_element_factory_make ("videoconvert", NULL);
  GstPad *pad, *ghost;

  g_object_set (rtspsrc, "location", camera->address, "latency", 200,
      "timeout", (guint64) (camera->stall_s * G_USEC_PER_SEC),
      "tcp-timeout", (guint64) (camera->stall_s * G_USEC_PER_SEC), NULL);
  gst_bin_add_many (GST_BIN (bin), rtspsrc, decodebin, convert, NULL);
  g_signal_connect (rtspsrc, "pad-added", G_CALLBACK (on_rtsp_pad_added),
      decodebin);
  g_signal_connect (decodebin, "pad-added", G_CALLBACK (on_pad_added),
      convert);
  pad = gst_element_get_static_pad (convert, "src");
  ghost = gst_ghost_pad_new ("src", pad);
  gst_object_unref (pad);
  gst_pad_add_probe (ghost, GST_PAD_PROBE_TYPE_BUFFER
      | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, watch_source, camera, NULL);
  gst_element_add_pad (bin, ghost);
  return bin;
}

static void
drop_source (Camera * camera)
{
  if (!camera->source)
    return;
  /* First NULL, which waits for the streaming thread, then out. */
  gst_element_set_locked_state (camera->source, TRUE);
  gst_element_set_state (camera->source, GST_STATE_NULL);
  gst_element_unlink (camera->source, camera->entry);
  gst_bin_remove (GST_BIN (camera->pipeline), camera->source);
  camera->source = NULL;
}

/* The camera is gone: why says so. Comes back to it later. */
static void
reconnect (Camera * camera, const gchar * why)
{
  if (!camera->source)
    return;
  drop_source (camera);
  g_printerr ("%s: %s; trying again in %u s\n", camera->shown, why,
      camera->wait_s);
  camera->connect_id = g_timeout_add (1000 * camera->wait_s, connect_camera,
      camera);
  camera->wait_s = MIN (2 * camera->wait_s, MAX_WAIT_S);
}

static gboolean
connect_camera (gpointer data)
{
  Camera *camera = data;

  camera->connect_id = 0;
  camera->source = make_source (camera);
  camera->since_us = g_get_monotonic_time ();
  g_mutex_lock (&camera->lock);
  camera->last_frame_us = 0;
  g_mutex_unlock (&camera->lock);
  gst_bin_add (GST_BIN (camera->pipeline), camera->source);
  gst_element_link (camera->source, camera->entry);
  gst_element_sync_state_with_parent (camera->source);
  return G_SOURCE_REMOVE;
}

/* Does anything still arrive? */
static gboolean
look_for_stall (gpointer data)
{
  Camera *camera = data;
  const gint64 now_us = g_get_monotonic_time ();
  gint64 last_us;

  if (!camera->source)
    return G_SOURCE_CONTINUE;
  g_mutex_lock (&camera->lock);
  last_us = camera->last_frame_us;
  g_mutex_unlock (&camera->lock);
  if (last_us > 0) {
    if (camera->wait_s > 1 || !camera->ever)
      g_printerr ("%s: connected\n", camera->shown);
    camera->ever = TRUE;
    camera->wait_s = 1;
  }
  /* Connecting and decoding take a while the first time. */
  if (now_us - MAX (last_us, camera->since_us + (last_us ? 0 : 5 *
              G_USEC_PER_SEC)) > camera->stall_s * G_USEC_PER_SEC)
    reconnect (camera, "no frame arrives");
  return G_SOURCE_CONTINUE;
}

/* ---- messages ------------------------------------------------------------ */

static void
stop (Camera * camera, int status)
{
  camera->status = status;
  g_main_loop_quit (camera->loop);
}

static void
on_error (Camera * camera, GstMessage * message)
{
  GError *error = NULL;
  gchar *debug = NULL;

  gst_message_parse_error (message, &error, &debug);
  if (!camera->source || !gst_object_has_as_ancestor (GST_MESSAGE_SRC (message),
          GST_OBJECT (camera->source))) {
    /* What is left of a source that was dropped does not matter. */
    if (gst_object_has_as_ancestor (GST_MESSAGE_SRC (message),
            GST_OBJECT (camera->pipeline))) {
      g_printerr ("%s\n", error->message);
      stop (camera, 1);
    }
  } else if (g_error_matches (error, GST_RESOURCE_ERROR,
          GST_RESOURCE_ERROR_NOT_AUTHORIZED) && !camera->ever) {
    g_printerr ("%s: wrong user or password. Give them in the address: "
        "rtsp://USER:PASSWORD@HOST/...\n", camera->shown);
    stop (camera, 2);
  } else {
    reconnect (camera, error->message);
  }
  g_error_free (error);
  g_free (debug);
}

static gboolean
on_message (GstBus * bus, GstMessage * message, gpointer data)
{
  Camera *camera = data;
  GError *error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      on_error (camera, message);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      g_printerr ("%s\n", error->message);
      g_error_free (error);
      break;
    case GST_MESSAGE_APPLICATION:
      if (camera->source && GST_OBJECT_PARENT (GST_MESSAGE_SRC (message)) ==
          GST_OBJECT (camera->source))
        reconnect (camera, "the camera has ended the stream");
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (camera->pipeline));
      break;
    case GST_MESSAGE_EOS:
      stop (camera, 0);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer data)
{
  stop (data, 0);
  return G_SOURCE_CONTINUE;
}

/* ---- start --------------------------------------------------------------- */

/* The part that stays: deltacnn and all behind it. */
static gboolean
make_pipeline (Camera * camera, const gchar * model, const gchar * results,
    const gchar * sink, GError ** error)
{
  g_autofree gchar *description = g_strdup_printf ("queue name=entry "
      "leaky=downstream max-size-buffers=2 ! deltacnn name=results ! "
      "deltaoverlay ! videoconvert ! %s", sink);
  GstElement *rest = gst_parse_bin_from_description_full (description, FALSE,
      NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  GstElement *deltacnn;
  GstPad *pad;

  if (!rest)
    return FALSE;
  camera->pipeline = gst_pipeline_new ("camera");
  camera->bus = gst_element_get_bus (camera->pipeline);
  gst_bin_add (GST_BIN (camera->pipeline), rest);
  deltacnn = gst_bin_get_by_name (GST_BIN (rest), "results");
  g_object_set (deltacnn, "model", model, "results-location", results, NULL);
  pad = gst_element_get_static_pad (deltacnn, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, note_result, camera,
      NULL);
  gst_object_unref (pad);
  gst_object_unref (deltacnn);

  camera->entry = gst_bin_get_by_name (GST_BIN (rest), "entry");
  pad = gst_element_get_static_pad (camera->entry, "sink");
  gst_element_add_pad (rest, gst_ghost_pad_new ("sink", pad));
  gst_object_unref (pad);
  gst_object_unref (camera->entry);
  camera->entry = rest;
  return TRUE;
}

static void
run (Camera * camera, gint seconds)
{
  guint watch = gst_bus_add_watch (camera->bus, on_message, camera);
  guint look = g_timeout_add (LOOK_MS, look_for_stall, camera);
  guint interrupt = g_unix_signal_add (2, on_signal, camera);
  guint terminate = g_unix_signal_add (15, on_signal, camera);
  guint end = seconds > 0 ? g_timeout_add_seconds (seconds, on_signal,
      camera) : 0;

  connect_camera (camera);
  gst_element_set_state (camera->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (camera->loop);
  if (camera->connect_id)
    g_source_remove (camera->connect_id);
  if (end)
    g_source_remove (end);
  g_source_remove (terminate);
  g_source_remove (interrupt);
  g_source_remove (look);
  g_source_remove (watch);
  drop_source (camera);
  gst_element_set_state (camera->pipeline, GST_STATE_NULL);
  g_printerr ("%" G_GUINT64_FORMAT " frames\n", camera->frames);
}

/* autovideosink looks for a screen whatever there is, and some of what it tries
 * crashes without one. */
static gchar *
default_sink (gchar ** results)
{
  struct stat out;
  gboolean follow;

  if (g_getenv ("DISPLAY") || g_getenv ("WAYLAND_DISPLAY"))
    return g_strdup ("autovideosink");
  /* A socket, as a service has, cannot be opened by name. */
  follow = !*results && fstat (1, &out) == 0 && !S_ISSOCK (out.st_mode);
  if (follow)
    *results = g_strdup ("/dev/stdout");
  g_printerr ("There is no display, so no window (--sink says where else the "
      "picture goes)%s\n", follow ? "; results follow." : ".");
  return g_strdup ("fakesink");
}

int
main (int argc, char **argv)
{
  gchar *model = NULL, *results = NULL, *sink = NULL;
  gdouble stall_s = 5;
  gint seconds = 0;
  const GOptionEntry entries[] = {
    {"model", 0, 0, G_OPTION_ARG_STRING, &model, "ONNX file or name (default: "
          "people-seg)", "NAME"},
    {"results", 0, 0, G_OPTION_ARG_FILENAME, &results, "file that results are "
          "appended to as JSON lines (default: standard output where there is "
          "no display, else none)", "FILE"},
    {"sink", 0, 0, G_OPTION_ARG_STRING, &sink, "where the picture goes, as in "
          "gst-launch-1.0 (default: a window, or nowhere without a display)",
          "ELEMENTS"},
    {"stall", 0, 0, G_OPTION_ARG_DOUBLE, &stall_s, "seconds without a frame "
          "after which to connect again (default: 5)", "SECONDS"},
    {"seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "stop after so long", "N"},
    {NULL, 0, 0, 0, NULL, NULL, NULL}
  };
  GOptionContext *context = g_option_context_new ("rtsp://HOST/...");
  Camera camera = {.wait_s = 1,.status = 0 };
  GError *error = NULL;

  g_option_context_set_summary (context, "Finds things in the picture of a "
      "camera, and connects again whenever it comes back.");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  if (argc != 2 || !g_str_has_prefix (argv[1], "rtsp") || stall_s < 0.5
      || stall_s > 3600) {
    g_autofree gchar *help = g_option_context_get_help (context, TRUE, NULL);
    g_printerr ("%s", help);
    return 2;
  }
  camera.address = argv[1];
  camera.shown = hide_password (argv[1]);
  camera.stall_s = stall_s;
  if (!sink)
    sink = default_sink (&results);
  camera.loop = g_main_loop_new (NULL, FALSE);
  g_mutex_init (&camera.lock);
  if (!find_elements ()) {
    camera.status = 1;
  } else if (make_pipeline (&camera, model ? model : "people-seg", results,
          sink, &error)) {
    run (&camera, seconds);
    gst_object_unref (camera.bus);
    gst_object_unref (camera.pipeline);
  } else {
    g_printerr ("%s\n", error->message);
    g_error_free (error);
    camera.status = 1;
  }
  g_main_loop_unref (camera.loop);
  g_option_context_free (context);
  g_mutex_clear (&camera.lock);
  g_free (camera.shown);
  return camera.status;
}
