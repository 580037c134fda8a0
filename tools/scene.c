/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-scene: renders a street with a few people who walk, as a clip for
 * machines on which no real one can be had: the same on every run, with a
 * camera's noise. The camera is fixed, or pans over the street, or over a
 * fixed camera's clip. */
#include "common.h"
#include "output.h"
#include "scene_camera.h"
#include "scene_clip.h"
#include "source.h"

#include <cairo.h>
#include <glib.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 640
#define HEIGHT 480
#define RATE 15
#define HORIZON 190.0
#define QUEUE_BYTES (16 << 20) /* of frames that wait for the encoder */

typedef struct Walker {
  double depth;   /* 1: nearest; feet stand lower and figures are larger */
  double start, speed; /* px at depth 1, and px a frame */
  double phase;
  double coat[3], legs[3], skin[3];
} Walker;

static const Walker walkers[] = {
  { 1.00, -60, 2.6, 0.0, { 0.55, 0.12, 0.12 }, { 0.15, 0.16, 0.25 },
      { 0.82, 0.62, 0.50 } },
  { 0.80, 700, -2.1, 1.1, { 0.16, 0.28, 0.46 }, { 0.10, 0.10, 0.11 },
      { 0.70, 0.50, 0.38 } },
  { 0.62, 180, 1.3, 2.3, { 0.75, 0.70, 0.60 }, { 0.30, 0.26, 0.22 },
      { 0.86, 0.68, 0.57 } },
  { 0.88, 420, 0.0, 0.4, { 0.20, 0.36, 0.24 }, { 0.22, 0.22, 0.30 },
      { 0.55, 0.38, 0.28 } },
};

static void
fill (cairo_t *cr, double r, double g, double b)
{
  cairo_set_source_rgb (cr, r, g, b);
  cairo_fill (cr);
}

static void
house (cairo_t *cr, double x, double width, double top, double shade)
{
  cairo_rectangle (cr, x, top, width, HORIZON + 14 - top);
  fill (cr, 0.62 * shade, 0.55 * shade, 0.48 * shade);
  for (double wy = top + 16; wy < HORIZON - 34; wy += 40)
    for (double wx = x + 12; wx + 20 < x + width; wx += 34) {
      cairo_rectangle (cr, wx, wy, 18, 26);
      fill (cr, 0.22, 0.27, 0.33);
      cairo_rectangle (cr, wx, wy, 18, 5);
      fill (cr, 0.45, 0.52, 0.58);
    }
}

static void
street (cairo_t *cr)
{
  cairo_pattern_t *sky = cairo_pattern_create_linear (0, 0, 0, HORIZON);
  cairo_pattern_add_color_stop_rgb (sky, 0, 0.62, 0.72, 0.84);
  cairo_pattern_add_color_stop_rgb (sky, 1, 0.86, 0.89, 0.91);
  cairo_set_source (cr, sky);
  cairo_paint (cr);
  cairo_pattern_destroy (sky);
  house (cr, 0, 150, 40, 1.0);
  house (cr, 150, 190, 70, 0.88);
  house (cr, 340, 130, 25, 1.06);
  house (cr, 470, 170, 85, 0.94);
  cairo_rectangle (cr, 0, HORIZON + 14, WIDTH, 40);
  fill (cr, 0.60, 0.60, 0.58);
  cairo_pattern_t *ground =
      cairo_pattern_create_linear (0, HORIZON + 54, 0, HEIGHT);
  cairo_pattern_add_color_stop_rgb (ground, 0, 0.46, 0.46, 0.47);
  cairo_pattern_add_color_stop_rgb (ground, 1, 0.34, 0.34, 0.35);
  cairo_set_source (cr, ground);
  cairo_rectangle (cr, 0, HORIZON + 54, WIDTH, HEIGHT);
  cairo_fill (cr);
  cairo_pattern_destroy (ground);
  for (int i = 0; i < 6; i++) {
    cairo_rectangle (cr, 20 + i * 112, HORIZON + 96, 60, 5);
    fill (cr, 0.80, 0.80, 0.76);
  }
}

static void
limb (cairo_t *cr, double y0, double angle0, double length0, double angle1,
    double length1, double width, const double *colour)
{
  double kx = sin (angle0) * length0, ky = y0 + cos (angle0) * length0;
  cairo_set_source_rgb (cr, colour[0], colour[1], colour[2]);
  cairo_set_line_width (cr, width);
  cairo_set_line_cap (cr, CAIRO_LINE_CAP_ROUND);
  cairo_set_line_join (cr, CAIRO_LINE_JOIN_ROUND);
  cairo_move_to (cr, 0, y0);
  cairo_line_to (cr, kx, ky);
  cairo_line_to (cr, kx + sin (angle1) * length1, ky + cos (angle1) * length1);
  cairo_stroke (cr);
}

/* A figure 150 px high at depth 1, feet at (0, 0). */
static void
figure (cairo_t *cr, const Walker *w, double step)
{
  double swing = w->speed != 0 ? sin (step) : 0.08 * sin (step * 0.3);
  double side = w->speed < 0 ? -1 : 1;
  double dark[3];
  for (int i = 0; i < 3; i++)
    dark[i] = w->coat[i] * 0.72;
  cairo_save (cr);
  cairo_scale (cr, side, 1);
  cairo_save (cr);
  cairo_scale (cr, 1, 0.18);
  cairo_arc (cr, 4, 0, 34, 0, 2 * G_PI);
  cairo_restore (cr);
  cairo_set_source_rgba (cr, 0.1, 0.1, 0.12, 0.35);
  cairo_fill (cr);
  limb (cr, -112, -0.7 * swing, 26, 0.25 - 0.6 * swing, 24, 9, dark);
  limb (cr, -74, 0.5 * swing, 36, 0.5 * swing - 0.35 * fabs (swing), 36,
      13, w->legs);
  limb (cr, -74, -0.5 * swing, 36, -0.5 * swing - 0.2 * fabs (swing), 36,
      13, w->legs);
  limb (cr, -112, 0, 20, 0, 18, 27, w->coat);
  limb (cr, -112, 0.7 * swing, 26, 0.25 + 0.6 * swing, 24, 9, w->coat);
  cairo_rectangle (cr, -4, -130, 8, 10);
  fill (cr, w->skin[0] * 0.9, w->skin[1] * 0.9, w->skin[2] * 0.9);
  cairo_save (cr);
  cairo_translate (cr, 1, -138);
  cairo_scale (cr, 9, 12);
  cairo_arc (cr, 0, 0, 1, 0, 2 * G_PI);
  cairo_restore (cr);
  fill (cr, w->skin[0], w->skin[1], w->skin[2]);
  cairo_arc (cr, 0, -142, 9, G_PI * 0.95, G_PI * 1.95);
  fill (cr, 0.16, 0.12, 0.09);
  cairo_restore (cr);
}

static void
people (cairo_t *cr, guint frame)
{
  static const guint8 far_to_near[] = { 2, 1, 3, 0 };
  for (guint i = 0; i < G_N_ELEMENTS (far_to_near); i++) {
    const Walker *w = &walkers[far_to_near[i]];
    double x = w->start + w->speed * frame;
    double span = WIDTH + 160;
    x = fmod (fmod (x + 80, span) + span, span) - 80;
    cairo_save (cr);
    cairo_translate (cr, x, HORIZON + 70 + 190 * (w->depth - 0.45));
    cairo_scale (cr, w->depth * 1.25, w->depth * 1.25);
    figure (cr, w, w->phase + frame * 0.42);
    cairo_restore (cr);
  }
}

/* What a sensor adds, small and new in every frame; texture stays. */
static void
add_noise (guint8 *pixels, gsize bytes, guint frame)
{
  guint32 fixed = 12345, moving = 777 + frame;
  for (gsize i = 0; i < bytes; i += 4) {
    fixed = fixed * 1664525u + 1013904223u;
    moving = moving * 1664525u + 1013904223u;
    int d = (int) (fixed >> 29) - 4 + (int) (moving >> 31);
    for (gsize c = 0; c < 3; c++)
      pixels[i + c] = (guint8) CLAMP (pixels[i + c] + d, 0, 255);
  }
}

/* ---- frames ------------------------------------------------------------ */

/* What the pictures are of: the street, or another clip. */
typedef struct Scene {
  cairo_surface_t *street;   /* NULL: the clip */
  SceneClip *clip, *pasted, *mask; /* pasted: NULL: nothing */
  guint8 *composed;          /* the clip's picture with what is pasted */
  guint width, height, rate;
  SceneCamera camera;
  gboolean pans;
  guint frame;
  guint64 frames;            /* to render */
  char *truth;               /* where the matrices go; NULL: nowhere */
  GString *matrices;
} Scene;

/* What was asked for. */
typedef struct SceneOptions {
  double pan, shake;
  gboolean steady;
  char *over, *paste, *mask;
} SceneOptions;

static void
scene_clear (Scene *scene)
{
  g_clear_pointer (&scene->street, cairo_surface_destroy);
  g_clear_pointer (&scene->clip, scene_clip_free);
  g_clear_pointer (&scene->pasted, scene_clip_free);
  g_clear_pointer (&scene->mask, scene_clip_free);
  g_clear_pointer (&scene->composed, g_free);
  if (scene->matrices)
    g_string_free (scene->matrices, TRUE);
}

static gboolean
open_clips (Scene *scene, const SceneOptions *options, GError **error)
{
  scene->clip = scene_clip_open (options->over, error);
  if (!scene->clip)
    return FALSE;
  scene_clip_get_size (scene->clip, &scene->width, &scene->height);
  if (scene_clip_get_rate (scene->clip) > 0
      && !scene_clip_is_still (scene->clip))
    scene->rate = scene_clip_get_rate (scene->clip);
  if (!options->paste)
    return TRUE;
  scene->composed = g_malloc ((gsize) scene->width * scene->height * 4);
  scene->pasted = scene_clip_open (options->paste, error);
  if (scene->pasted)
    scene->mask = scene_clip_open (options->mask, error);
  return scene->mask != NULL;
}

static gboolean
scene_open (Scene *scene, const SceneOptions *options, GError **error)
{
  gboolean moves = options->pan > 0 || options->shake > 0;
  gboolean stands = options->shake > 0 || options->steady;
  scene->width = WIDTH;
  scene->height = HEIGHT;
  scene->rate = RATE;
  scene->matrices = g_string_new (NULL);
  if (options->over && !open_clips (scene, options, error))
    return FALSE;
  if (!options->over)
    scene->street = cairo_image_surface_create (CAIRO_FORMAT_RGB24, WIDTH,
        HEIGHT);
  scene->pans = options->over || moves || options->steady;
  if (!scene->pans || scene_camera_init (&scene->camera, scene->width,
          scene->height, options->pan > 0 || stands ? options->pan : 4)) {
    scene->camera.shake_px = options->shake;
    scene->camera.steady = options->steady;
    return TRUE;
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "%s: its pictures of %ux%u are too small to pan over", options->over,
      scene->width, scene->height);
  return FALSE;
}

/* What the fixed camera sees, or its part that the panning one sees. */
static GstBuffer *
make_frame (Scene *scene, const guint8 *from, gsize stride)
{
  guint width = scene->pans ? scene->camera.width : scene->width;
  guint height = scene->pans ? scene->camera.height : scene->height;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL,
      (gsize) width * height * 4, NULL);
  GstMapInfo map;
  if (!gst_buffer_map (buffer, &map, GST_MAP_READWRITE))
    return buffer;
  if (scene->pans) {
    double m[9];
    scene_camera_matrix (&scene->camera, scene->frame, m);
    scene_camera_look (&scene->camera, m, from, stride, map.data);
    for (guint i = 0; i < 9; i++)
      g_string_append_printf (scene->matrices, "%.12g%c", m[i],
          i == 8 ? '\n' : ' ');
  } else {
    memcpy (map.data, from, map.size);
  }
  if (scene->street || scene_clip_is_still (scene->clip))
    add_noise (map.data, map.size, scene->frame);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (scene->frame, GST_SECOND,
      scene->rate);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / scene->rate;
  return buffer;
}

/* Who is pasted walks to and fro besides what the clip has him do. */
static gboolean
paste (Scene *scene, ScenePicture *picture)
{
  ScenePicture who, mask;
  if (!scene_clip_next (scene->pasted, &who)
      || !scene_clip_next (scene->mask, &mask))
    return FALSE;
  for (guint y = 0; y < scene->height; y++)
    memcpy (scene->composed + (gsize) y * scene->width * 4,
        picture->data + y * picture->stride, (gsize) scene->width * 4);
  scene_clip_paste (&who, &mask, ((gint) scene->width - (gint) who.width) / 2
      + (gint) lrint (90 * sin (scene->frame * 0.05)),
      ((gint) scene->height - (gint) who.height) / 2, scene->composed,
      scene->width, scene->height);
  picture->data = scene->composed;
  picture->stride = (gsize) scene->width * 4;
  return TRUE;
}

static GstBuffer *
next_of_clip (Scene *scene)
{
  ScenePicture picture;
  if (!scene_clip_next (scene->clip, &picture)
      || picture.width != scene->width || picture.height != scene->height
      || (scene->pasted && !paste (scene, &picture)))
    return NULL;
  return make_frame (scene, picture.data, picture.stride);
}

/* The next frame, new; NULL at the end. */
static GstBuffer *
render (Scene *scene)
{
  GstBuffer *buffer;
  if (scene->street) {
    cairo_t *cr = cairo_create (scene->street);
    street (cr);
    people (cr, scene->frame);
    cairo_destroy (cr);
    cairo_surface_flush (scene->street);
    buffer = make_frame (scene, cairo_image_surface_get_data (scene->street),
        (gsize) cairo_image_surface_get_stride (scene->street));
  } else {
    buffer = next_of_clip (scene);
  }
  scene->frame++;
  return buffer;
}

/* Waits until the pipeline has room for a frame; the error that came meanwhile,
 * after which nothing is taken any more, or NULL. */
static GstMessage *
wait_for_room (GstAppSrc *in, GstBus *bus)
{
  GstMessage *error = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  while (!error && gst_app_src_get_current_level_bytes (in) > QUEUE_BYTES)
    error = gst_bus_timed_pop_filtered (bus, GST_MSECOND, GST_MESSAGE_ERROR);
  return error;
}

/* All frames, and the message that ends them. */
static GstMessage *
push_all (Scene *scene, GstAppSrc *in, GstBus *bus)
{
  while (scene->frame < scene->frames) {
    GstMessage *error = wait_for_room (in, bus);
    if (error)
      return error;
    GstBuffer *buffer = render (scene);
    if (!buffer || gst_app_src_push_buffer (in, buffer) != GST_FLOW_OK)
      break;
  }
  gst_app_src_end_of_stream (in);
  return gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
}

static gboolean
write_clip (Scene *scene, const char *path, GError **error)
{
  g_autofree char *text = g_strdup_printf ("appsrc name=in format=time "
      "max-bytes=0 caps=video/x-raw,format=BGRx,width=%u,height=%u,"
      "framerate=%u/1 ! videoconvert ! video/x-raw,format=I420 ! jpegenc "
      "quality=92 ! avimux ! filesink name=out",
      scene->pans ? scene->camera.width : scene->width,
      scene->pans ? scene->camera.height : scene->height, scene->rate);
  /* without the flag, a pipeline that lacks an element comes back all the same */
  GstElement *pipeline = gst_parse_launch_full (text, NULL,
      GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (!pipeline)
    return FALSE;
  g_autoptr (GstElement) in = gst_bin_get_by_name (GST_BIN (pipeline), "in");
  g_autoptr (GstElement) out = gst_bin_get_by_name (GST_BIN (pipeline), "out");
  g_autofree char *part = tool_part_begin (path);
  g_object_set (out, "location", part, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = push_all (scene, GST_APP_SRC (in), bus);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    tool_error_from_message (message, path, error);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return tool_part_end (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS
      && (!scene->truth || tool_write_file (scene->truth,
              scene->matrices->str, scene->matrices->len, error)), error);
}

/* What is wrong with the command; NULL: nothing. */
static const char *
complain (const SceneOptions *o, int argc, gint frames, const char *truth)
{
  if (argc != 2)
    return "one file name is needed; see --help";
  if (frames < 1 || !(o->pan >= 0 && o->pan <= 200)
      || !(o->shake >= 0 && o->shake <= 10))
    return "--frames is at least 1, --pan 0 to 200, --shake 0 to 10";
  if (o->steady && (o->pan > 0 || o->shake > 0))
    return "--steady neither pans nor shakes; leave one away";
  if (!o->paste != !o->mask || (o->paste && !o->over))
    return "--paste takes --paste-mask beside it, and --over to paste into";
  if (truth && !(o->pan > 0 || o->shake > 0 || o->steady || o->over))
    return "--truth goes with --pan, --shake, --steady or --over";
  return NULL;
}

int
main (int argc, char **argv)
{
  gint frames = 300;
  SceneOptions o = { 0 };
  char *truth = NULL;
  const GOptionEntry entries[] = {
    { "frames", 'n', 0, G_OPTION_ARG_INT, &frames, "How many (default 300)",
        "N" },
    { "pan", 0, 0, G_OPTION_ARG_DOUBLE, &o.pan,
        "Pan to and fro, by up to so many pixels a frame", "PX" },
    { "shake", 0, 0, G_OPTION_ARG_DOUBLE, &o.shake,
        "Shake by up to so many pixels (at most 10); without --pan the camera "
        "stands", "PX" },
    { "steady", 0, 0, G_OPTION_ARG_NONE, &o.steady,
        "See what --shake sees, from a tripod", NULL },
    { "over", 0, 0, G_OPTION_ARG_FILENAME, &o.over,
        "Pan over this fixed camera's clip, or photograph with noise (default: "
        "--pan 4)", "CLIP" },
    { "paste", 0, 0, G_OPTION_ARG_FILENAME, &o.paste,
        "With --over: paste somebody of this clip or folder into it", "CLIP" },
    { "paste-mask", 0, 0, G_OPTION_ARG_FILENAME, &o.mask,
        "Where he is in each frame of --paste: white, of the same size",
        "CLIP" },
    { "truth", 0, 0, G_OPTION_ARG_FILENAME, &truth,
        "Write each frame's matrix, from its pixels to the fixed camera's",
        "FILE" },
    { NULL }
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new ("FILE.avi");
  g_option_context_set_summary (context,
      "Renders a street scene with people who walk, as a motion JPEG clip.");
  g_option_context_add_main_entries (context, entries, NULL);
  gboolean parsed = tool_parse_context (context, &argc, &argv, &error);
  const char *wrong = parsed ? complain (&o, argc, frames, truth) : error->message;
  Scene scene = { .frames = (guint64) frames, .truth = truth };
  gboolean good = FALSE;
  const ToolFile outputs[] = { { "FILE.avi", argc > 1 ? argv[1] : NULL },
    { "--truth", truth } };
  const ToolFile inputs[] = { { "--over", o.over }, { "--paste", o.paste },
    { "--paste-mask", o.mask } };
  if (!wrong && !tool_check_files (outputs, G_N_ELEMENTS (outputs), inputs,
          G_N_ELEMENTS (inputs), &error))
    wrong = error->message;
  if (!wrong) {
    gst_init (NULL, NULL);
    good = scene_open (&scene, &o, &error)
        && write_clip (&scene, argv[1], &error);
    scene_clear (&scene);
  }
  if (!good)
    fprintf (stderr, "deltacnn-scene: %s\n", wrong ? wrong : error
        ? error->message : "the clip could not be written");
  g_free (truth);
  g_free (o.over);
  g_free (o.paste);
  g_free (o.mask);
  return wrong ? 2 : good ? 0 : 1;
}
