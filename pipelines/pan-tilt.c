/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pan-tilt.c - a camera on a head that knows its angles: the application tells
 * deltacnn how the camera moved, in place of framealign.
 *
 *   pan-tilt [--model FILE|NAME] [--frames N] [--size WxH]
 *
 * The head and what it sees are drawn here, so that the example runs anywhere.
 * What a real one needs is attach_pose(): angles and the focal length in
 * pixels, as the head's encoder and the lens's data sheet give them, in a
 * GstDeltaCnnMotionMeta on each buffer. The clip is run twice, with the angles
 * and without; the work that each took is printed.
 */
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* <gst/deltacnn/gstdeltacnnmotionmeta.h> where the project is installed */
#include "elements.h"
#include "gstdeltacnnmotionmeta.h"

#define WIDTH 480
#define HEIGHT 352
#define FOCAL_PX 520.0
#define QUEUE_BYTES (4 << 20)   /* of pictures that wait for the network */
#define WALL_WIDTH 1400
#define WALL_HEIGHT 700

/* Where the head stands at a frame: it sweeps to and fro, and nods. */
static void
head_angles (guint frame, gdouble * pan, gdouble * tilt)
{
  *pan = 0.35 * sin (frame * 0.012);
  *tilt = 0.06 * sin (frame * 0.02);
}

static void
multiply (const gdouble a[9], const gdouble b[9], gdouble out[9])
{
  for (gint y = 0; y < 3; y++)
    for (gint x = 0; x < 3; x++)
      out[3 * y + x] = a[3 * y] * b[x] + a[3 * y + 1] * b[3 + x]
          + a[3 * y + 2] * b[6 + x];
}

/* A pixel's ray in the coordinates of the head's foot: R K^-1. */
static void
rays (gdouble pan, gdouble tilt, gdouble out[9])
{
  const gdouble cp = cos (pan), sp = sin (pan), ct = cos (tilt);
  const gdouble st = sin (tilt);
  const gdouble lens[9] = { 1 / FOCAL_PX, 0, -WIDTH / 2.0 / FOCAL_PX,
    0, 1 / FOCAL_PX, -HEIGHT / 2.0 / FOCAL_PX, 0, 0, 1 };
  const gdouble nod[9] = { 1, 0, 0, 0, ct, st, 0, -st, ct };
  const gdouble sweep[9] = { cp, 0, sp, 0, 1, 0, -sp, 0, cp };
  gdouble turned[9];

  multiply (nod, lens, turned);
  multiply (sweep, turned, out);
}

/* From this frame's pixels to those of the first one, whose angles are 0: for a
 * camera that turns about its lens, K R K^-1. A head that has angles other than
 * 0 at the reference has R_reference^-1 R here. */
static void
attach_pose (GstBuffer * buffer, guint frame, gdouble pan, gdouble tilt)
{
  const gdouble onto[9] = { FOCAL_PX, 0, WIDTH / 2.0, 0, FOCAL_PX,
    HEIGHT / 2.0, 0, 0, 1 };
  gdouble ray[9], matrix[9];

  rays (pan, tilt, ray);
  multiply (onto, ray, matrix);
  gst_buffer_add_delta_cnn_motion_meta_matrix (buffer,
      frame == 0 ? GST_DELTA_CNN_MOTION_REANCHORED :
      GST_DELTA_CNN_MOTION_ALIGNED, 1, matrix);
}

/* ---- what the camera sees ------------------------------------------------ */

/* A wall of bricks, each of its own shade. */
static guint8 *
draw_wall (void)
{
  guint8 *wall = g_malloc (WALL_WIDTH * WALL_HEIGHT);

  for (guint y = 0; y < WALL_HEIGHT; y++)
    for (guint x = 0; x < WALL_WIDTH; x++) {
      const guint row = y / 22, brick = (x + row % 2 * 24) / 48;
      const guint shade = (row * 7919 + brick * 104729) * 2654435761u >> 25;
      const gboolean joint = y % 22 < 3 || (x + row % 2 * 24) % 48 < 3;

      wall[y * WALL_WIDTH + x] = joint ? 205 : 60 + shade % 90;
    }
  return wall;
}

static guint8
look (const guint8 * wall, gdouble x, gdouble y)
{
  const gint ix = CLAMP ((gint) floor (x - 0.5), 0, WALL_WIDTH - 2);
  const gint iy = CLAMP ((gint) floor (y - 0.5), 0, WALL_HEIGHT - 2);
  const gdouble fx = CLAMP (x - 0.5 - ix, 0, 1);
  const gdouble fy = CLAMP (y - 0.5 - iy, 0, 1);
  const guint8 *p = wall + iy * WALL_WIDTH + ix;

  return (guint8) ((p[0] * (1 - fx) + p[1] * fx) * (1 - fy)
      + (p[WALL_WIDTH] * (1 - fx) + p[WALL_WIDTH + 1] * fx) * fy + 0.5);
}

/* The frame, and somebody in front of the wall who does not turn with it. */
static GstBuffer *
shoot (const guint8 * wall, guint frame, gdouble pan, gdouble tilt)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT, NULL);
  const gint walker = 60 + (gint) (frame * 3 % (WIDTH - 120));
  GstMapInfo map;
  gdouble ray[9];

  rays (pan, tilt, ray);
  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (gint y = 0; y < HEIGHT; y++)
    for (gint x = 0; x < WIDTH; x++) {
      const gdouble u = x + 0.5, v = y + 0.5;
      const gdouble z = ray[6] * u + ray[7] * v + ray[8];

      map.data[y * WIDTH + x] = look (wall,
          (ray[0] * u + ray[1] * v + ray[2]) / z * FOCAL_PX + WALL_WIDTH / 2.0,
          (ray[3] * u + ray[4] * v + ray[5]) / z * FOCAL_PX
          + WALL_HEIGHT / 2.0);
    }
  for (gint y = 150; y < 300; y++)
    memset (map.data + y * WIDTH + walker, y < 180 ? 190 : 35, 40);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = frame * GST_SECOND / 25;
  GST_BUFFER_DURATION (buffer) = GST_SECOND / 25;
  return buffer;
}

/* ---- running --------------------------------------------------------------- */

static gboolean
wait_for_end (GstElement * pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  const gboolean good = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;

  if (!good) {
    GError *error = NULL;

    gst_message_parse_error (message, &error, NULL);
    g_printerr ("pan-tilt: %s\n", error->message);
    g_error_free (error);
  }
  gst_message_unref (message);
  gst_object_unref (bus);
  return good;
}

/* Waits until the pipeline has room for a frame. FALSE: it posted an error, which
 * stays on the bus; nothing is taken any more. */
static gboolean
wait_for_room (GstElement * pipeline, GstAppSrc * camera)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = NULL;

  while (!message && gst_app_src_get_current_level_bytes (camera) > QUEUE_BYTES)
    message = gst_bus_timed_pop_filtered (bus, GST_MSECOND, GST_MESSAGE_ERROR);
  if (message)
    gst_bus_post (bus, message);
  gst_object_unref (bus);
  return message == NULL;
}

/* Runs all frames; share: of the dense work that they took. */
static gboolean
run (const gchar * model, gint width, gint height, guint frames,
    gboolean with_angles, gdouble * share)
{
  GError *error = NULL;
  /* without the flag, a pipeline that lacks an element comes back all the same */
  GstElement *pipeline = gst_parse_launch_full ("appsrc name=camera format=time "
      "max-bytes=0 caps=video/x-raw,format=GRAY8,width=480,height=352,"
      "framerate=25/1 ! deltacnn name=net qos=false ! fakesink", NULL,
      GST_PARSE_FLAG_FATAL_ERRORS, &error);
  GstElement *camera, *net;
  GstStructure *stats = NULL;
  guint8 *wall;
  gboolean good;

  if (!pipeline) {
    g_printerr ("pan-tilt: %s\n", error->message);
    g_error_free (error);
    return FALSE;
  }
  camera = gst_bin_get_by_name (GST_BIN (pipeline), "camera");
  net = gst_bin_get_by_name (GST_BIN (pipeline), "net");
  g_object_set (net, "model", model, "input-width", width, "input-height",
      height, NULL);
  wall = draw_wall ();
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint frame = 0; frame < frames; frame++) {
    gdouble pan, tilt;
    GstBuffer *buffer;

    head_angles (frame, &pan, &tilt);
    buffer = shoot (wall, frame, pan, tilt);
    if (with_angles)
      attach_pose (buffer, frame, pan, tilt);
    if (gst_app_src_push_buffer (GST_APP_SRC (camera), buffer) != GST_FLOW_OK ||
        !wait_for_room (pipeline, GST_APP_SRC (camera)))
      break;
  }
  gst_app_src_end_of_stream (GST_APP_SRC (camera));
  good = wait_for_end (pipeline);
  g_object_get (net, "stats", &stats, NULL);
  good = good && gst_structure_get_double (stats, "mac-share", share);
  gst_structure_free (stats);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_free (wall);
  gst_object_unref (camera);
  gst_object_unref (net);
  gst_object_unref (pipeline);
  return good;
}

int
main (int argc, char **argv)
{
  gchar *model = NULL, *size = NULL;
  gint frames = 100, width = WIDTH, height = HEIGHT;
  gdouble with = 1, without = 1;
  const GOptionEntry entries[] = {
    {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model,
        "ONNX file, or name of an installed model (people-seg)", "M"},
    {"frames", 'n', 0, G_OPTION_ARG_INT, &frames, "How many (100)", "N"},
    {"size", 's', 0, G_OPTION_ARG_STRING, &size,
        "Of the network's input (480x352)", "WxH"},
    {NULL}
  };
  GOptionContext *context = g_option_context_new (NULL);
  GError *error = NULL;
  gboolean good = TRUE;

  g_option_context_set_summary (context, "A camera on a head that knows its "
      "angles, and tells them to deltacnn.");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1
      || frames < 2 || (size && sscanf (size, "%dx%d", &width, &height) != 2)) {
    g_printerr ("pan-tilt: %s\n", error ? error->message :
        "--frames of 2 or more, --size WxH; see --help");
    g_clear_error (&error);
    g_option_context_free (context);
    return 2;
  }
  g_option_context_free (context);
  good = find_elements () && run (model ? model : "people-seg", width, height, (guint) frames,
      TRUE, &with) && run (model ? model : "people-seg", width, height,
      (guint) frames, FALSE, &without);
  if (good)
    g_print ("%d frames: %.1f %% of the work with the head's angles, %.1f %% "
        "without\n", frames, 100 * with, 100 * without);
  g_free (model);
  g_free (size);
  return good ? 0 : 1;
}
