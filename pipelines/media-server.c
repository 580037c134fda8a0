/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * media-server.c - cameras served again, with results drawn.
 *
 *   media-server [--port N] [--model NAME] [--results FILE] [--codec h265]
 *                NAME=rtsp://HOST/...  [NAME=ADDRESS ...]
 *
 * Each camera has two mounts:
 *
 *   rtsp://THIS:8554/NAME        decoded, run through deltacnn, drawn on,
 *                                encoded
 *   rtsp://THIS:8554/NAME/plain  the camera's own stream, not even decoded
 *
 * A mount is one pipeline however many watch (set_shared), made when the first
 * one comes and taken down when the last one leaves: one inference for any
 * number of viewers, none when nobody watches.
 */
#include <glib-unix.h>
#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <stdio.h>
#include <string.h>

#include "elements.h"

typedef struct
{
  const gchar *model, *results, *codec;
  GstRTSPMountPoints *mounts;
} Server;

static void
on_unprepared (GstRTSPMedia * media, gpointer data)
{
  g_print ("%s: idle\n", (const gchar *) data);
}

/* A viewer came, and there was no pipeline yet. */
static void
on_configure (GstRTSPMediaFactory * factory, GstRTSPMedia * media,
    gpointer data)
{
  const gchar *path = data;

  g_print ("%s: watched\n", path);
  g_signal_connect_data (media, "unprepared", G_CALLBACK (on_unprepared),
      g_strdup (path), (GClosureNotify) (void *) g_free, 0);
}

/* Takes launch. */
static void
add_mount (Server * server, const gchar * path, gchar * launch)
{
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new ();

  gst_rtsp_media_factory_set_launch (factory, launch);
  gst_rtsp_media_factory_set_shared (factory, TRUE);
  g_signal_connect_data (factory, "media-configure",
      G_CALLBACK (on_configure), g_strdup (path),
      (GClosureNotify) (void *) g_free, 0);
  gst_rtsp_mount_points_add_factory (server->mounts, path, factory);
  g_free (launch);
}

/* A text as a value in a pipeline's description; new. */
static gchar *
quote (const gchar * text)
{
  g_autofree gchar *escaped = g_strescape (text, NULL);

  return g_strdup_printf ("\"%s\"", escaped);
}

/* "NAME=ADDRESS". FALSE: it is not. */
static gboolean
add_camera (Server * server, const gchar * argument)
{
  const gchar *equals = strchr (argument, '=');
  g_autofree gchar *name = NULL, *drawn = NULL, *plain = NULL;
  g_autofree gchar *address = NULL, *model = quote (server->model);
  g_autofree gchar *results = server->results ? quote (server->results) : NULL;
  g_autofree gchar *where = NULL;

  if (!equals || equals == argument || !g_str_has_prefix (equals + 1, "rtsp"))
    return FALSE;
  name = g_strndup (argument, equals - argument);
  if (strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_.")
      != strlen (name))
    return FALSE;
  address = quote (equals + 1);
  drawn = g_strdup_printf ("/%s", name);
  plain = g_strdup_printf ("/%s/plain", name);
  where = results ? g_strdup_printf ("results-location=%s", results) :
      g_strdup ("");
  /* A leaky queue before deltacnn: viewers want the newest frame. */
  add_mount (server, drawn, g_strdup_printf ("( rtspsrc location=%s "
          "latency=200 ! rtp%sdepay ! decodebin ! videoconvert ! queue "
          "leaky=downstream max-size-buffers=2 ! deltacnn name=%s model=%s %s "
          "! deltaoverlay ! videoconvert ! video/x-raw,format=I420 ! x264enc "
          "tune=zerolatency speed-preset=veryfast key-int-max=30 ! rtph264pay "
          "name=pay0 pt=96 config-interval=-1 )", address, server->codec, name,
          model, where));
  add_mount (server, plain, g_strdup_printf ("( rtspsrc location=%s "
          "latency=200 ! rtp%sdepay ! %sparse ! rtp%spay name=pay0 pt=96 "
          "config-interval=-1 )", address, server->codec, server->codec,
          server->codec));
  return TRUE;
}

/* Those who left without a word must not keep a camera watched. */
static gboolean
clean_sessions (gpointer data)
{
  GstRTSPSessionPool *pool = gst_rtsp_server_get_session_pool (data);

  gst_rtsp_session_pool_cleanup (pool);
  g_object_unref (pool);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_CONTINUE;
}

/* cameras: as add_camera() took them. */
static void
tell_addresses (gchar ** cameras, const gchar * host, gint port)
{
  for (gchar ** camera = cameras; *camera; camera++) {
    const int length = strchr (*camera, '=') - *camera;

    g_print ("rtsp://%s:%d/%.*s (untouched: /%.*s/plain)\n",
        g_str_equal (host, "0.0.0.0") ? "localhost" : host, port, length,
        *camera, length, *camera);
  }
}

static int
serve (const Server * server, gint port, const gchar * address,
    gchar ** cameras)
{
  GstRTSPServer *rtsp = gst_rtsp_server_new ();
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  g_autofree gchar *service = g_strdup_printf ("%d", port);
  int status = 0;

  gst_rtsp_server_set_address (rtsp, address);
  gst_rtsp_server_set_service (rtsp, service);
  gst_rtsp_server_set_mount_points (rtsp, server->mounts);
  if (gst_rtsp_server_attach (rtsp, NULL) == 0) {
    g_printerr ("Port %d of %s cannot be had: another program uses it, or it "
        "needs root. Give another with --port.\n", port, address);
    status = 1;
  } else {
    tell_addresses (cameras, address, gst_rtsp_server_get_bound_port (rtsp));
    g_timeout_add_seconds (2, clean_sessions, rtsp);
    g_unix_signal_add (2, on_signal, loop);
    g_unix_signal_add (15, on_signal, loop);
    g_main_loop_run (loop);
  }
  g_main_loop_unref (loop);
  g_object_unref (rtsp);
  return status;
}

int
main (int argc, char **argv)
{
  gchar *model = NULL, *results = NULL, *codec = NULL, *address = NULL;
  gint port = 8554, status;
  const GOptionEntry entries[] = {
    {"port", 0, 0, G_OPTION_ARG_INT, &port, "to serve at (default: 8554; 0: "
          "any)", "N"},
    {"address", 0, 0, G_OPTION_ARG_STRING, &address, "to serve at (default: "
          "0.0.0.0, all)", "HOST"},
    {"model", 0, 0, G_OPTION_ARG_STRING, &model, "ONNX file or name (default: "
          "people-seg)", "NAME"},
    {"results", 0, 0, G_OPTION_ARG_FILENAME, &results, "file that all cameras' "
          "results are appended to as JSON lines", "FILE"},
    {"codec", 0, 0, G_OPTION_ARG_STRING, &codec, "of the cameras: h264 "
          "(default) or h265", "NAME"},
    {NULL, 0, 0, 0, NULL, NULL, NULL}
  };
  GOptionContext *context = g_option_context_new ("NAME=rtsp://HOST/...");
  GError *error = NULL;
  Server server;
  gboolean good;

  g_option_context_set_summary (context, "Serves each camera again at /NAME, "
      "with what was found in it drawn, and untouched at /NAME/plain.");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  setvbuf (stdout, NULL, _IOLBF, 0);
  server = (Server) {
    .model = model ? model : "people-seg",.results = results,
    .codec = codec ? codec : "h264",.mounts = gst_rtsp_mount_points_new ()
  };
  good = argc > 1 && (g_str_equal (server.codec, "h264")
      || g_str_equal (server.codec, "h265"));
  for (int i = 1; good && i < argc; i++)
    good = add_camera (&server, argv[i]);
  if (good && !find_elements ()) {
    status = 1;
  } else if (good) {
    status = serve (&server, port, address ? address : "0.0.0.0", argv + 1);
  } else {
    g_autofree gchar *help = g_option_context_get_help (context, TRUE, NULL);
    g_printerr ("%s", help);
    status = 2;
  }
  g_object_unref (server.mounts);
  g_option_context_free (context);
  return status;
}
