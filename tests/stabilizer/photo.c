/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stabilizer on real photographs: a camera whose matrices are known pans
 * and trembles over the first pictures of the DAVIS sequences; a patch of
 * another photograph, as large as a person near by, walks through; a sensor's
 * noise and JPEG come on top. DELTACNN_TEST_DATA names the folder. */
#include <glib.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <math.h>
#include <string.h>

#include "dcnn_stabilizer.h"
#include "scene_camera.h"

#define FRAMES 40
#define SKIPPED 77

typedef struct Photo {
  guint8 *pixels;  /* BGRx, rows without gaps */
  gint width, height;
} Photo;

static guint64 seed = 3;

static gint
chance (gint n)
{
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (gint) ((seed >> 33) % (guint64) n);
}

static gboolean
read_photo (const char *path, Photo *photo)
{
  g_autofree char *text = g_strdup_printf ("filesrc location=\"%s\" ! jpegdec ! "
      "videoconvert ! video/x-raw,format=BGRx ! appsink name=sink sync=false",
      path);
  g_autoptr (GstElement) pipeline = gst_parse_launch (text, NULL);
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstSample) sample = NULL;
  const GstStructure *caps;
  GstMapInfo map;

  if (!pipeline)
    return FALSE;
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  sample = gst_app_sink_pull_sample (GST_APP_SINK (sink));
  if (sample) {
    caps = gst_caps_get_structure (gst_sample_get_caps (sample), 0);
    gst_structure_get_int (caps, "width", &photo->width);
    gst_structure_get_int (caps, "height", &photo->height);
    gst_buffer_map (gst_sample_get_buffer (sample), &map, GST_MAP_READ);
    photo->pixels = g_memdup2 (map.data, map.size);
    gst_buffer_unmap (gst_sample_get_buffer (sample), &map);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return sample != NULL;
}

/* A picture through a JPEG encoder and back, as luma. */
typedef struct Codec {
  GstElement *pipeline, *in, *out;
} Codec;

static void
codec_init (Codec *codec, const SceneCamera *camera)
{
  g_autofree char *text = g_strdup_printf ("appsrc name=in caps=video/x-raw,"
      "format=BGRx,width=%u,height=%u,framerate=25/1 format=time ! videoconvert "
      "! video/x-raw,format=I420 ! jpegenc quality=75 ! jpegdec ! videoconvert "
      "! video/x-raw,format=GRAY8 ! appsink name=out sync=false",
      camera->width, camera->height);

  codec->pipeline = gst_parse_launch (text, NULL);
  g_assert_nonnull (codec->pipeline);
  codec->in = gst_bin_get_by_name (GST_BIN (codec->pipeline), "in");
  codec->out = gst_bin_get_by_name (GST_BIN (codec->pipeline), "out");
  gst_element_set_state (codec->pipeline, GST_STATE_PLAYING);
}

static void
codec_clear (Codec *codec)
{
  gst_element_set_state (codec->pipeline, GST_STATE_NULL);
  gst_object_unref (codec->in);
  gst_object_unref (codec->out);
  gst_object_unref (codec->pipeline);
}

static GstSample *
codec_run (Codec *codec, const guint8 *pixels, gsize bytes, guint frame)
{
  GstBuffer *buffer = gst_buffer_new_memdup (pixels, bytes);
  GstSample *sample;

  GST_BUFFER_PTS (buffer) = frame * GST_SECOND / 25;
  gst_app_src_push_buffer (GST_APP_SRC (codec->in), buffer);
  sample = gst_app_sink_pull_sample (GST_APP_SINK (codec->out));
  g_assert_nonnull (sample);
  return sample;
}

/* A patch of another photograph, a fifth of the picture wide. */
static void
paste_walker (guint8 *to, const SceneCamera *c, const Photo *other, guint frame)
{
  const gint w = (gint) c->width / 5, h = (gint) c->height * 3 / 4;
  const gint left = (gint) (frame * 7 % (c->width + (guint) w)) - w;

  for (gint y = 0; y < h; y++)
    for (gint x = MAX (-left, 0); x < w && left + x < (gint) c->width; x++)
      memcpy (to + 4 * (((gint) c->height - h + y) * (gint) c->width + left +
              x), other->pixels + 4 * ((y + 40) * other->width + x + 200), 3);
}

static DcnnHomography
of_matrix (const double m[9])
{
  DcnnHomography h;

  for (int i = 0; i < 9; i++)
    h.m[i] = m[i] / m[8];
  return h;
}

static void
add_errors (GArray *errors, const SceneCamera *c, const DcnnHomography *truth,
    const DcnnHomography *found)
{
  for (guint y = 0; y <= 4; y++)
    for (guint x = 0; x <= 4; x++) {
      double ax, ay, bx, by, e;
      g_assert_true (dcnn_homography_apply (truth, x * c->width / 4.0,
              y * c->height / 4.0, &ax, &ay));
      g_assert_true (dcnn_homography_apply (found, x * c->width / 4.0,
              y * c->height / 4.0, &bx, &by));
      e = hypot (ax - bx, ay - by);
      g_array_append_val (errors, e);
    }
}

/* Runs a camera over a photograph; how many frames were not aligned. */
static guint
ride (const Photo *photo, const Photo *other, double speed, GArray *errors)
{
  DcnnStabilizerOptions options;
  DcnnStabilizer *stabilizer;
  SceneCamera camera;
  Codec codec;
  DcnnHomography back = dcnn_homography_identity ();
  guint lost = 0;
  guint8 *frame;

  g_assert_true (scene_camera_init (&camera, (guint) photo->width,
          (guint) photo->height, speed));
  dcnn_stabilizer_options_init (&options);
  stabilizer = dcnn_stabilizer_new (&options);
  codec_init (&codec, &camera);
  frame = g_malloc ((gsize) camera.width * camera.height * 4);
  for (guint i = 0; i < FRAMES; i++) {
    double m[9];
    DcnnAlignment found;
    DcnnHomography view, truth;
    g_autoptr (GstSample) sample = NULL;
    GstMapInfo map;

    scene_camera_matrix (&camera, i, m);
    scene_camera_look (&camera, m, photo->pixels, (gsize) photo->width * 4,
        frame);
    paste_walker (frame, &camera, other, i);
    for (gsize k = 0; k < (gsize) camera.width * camera.height * 4; k++)
      frame[k] = (guint8) CLAMP (frame[k] + chance (7) - 3, 0, 255);
    sample = codec_run (&codec, frame, (gsize) camera.width * camera.height *
        4, i);
    gst_buffer_map (gst_sample_get_buffer (sample), &map, GST_MAP_READ);
    g_assert_true (dcnn_stabilizer_push (stabilizer, map.data, (ptrdiff_t)
            GST_ROUND_UP_4 (camera.width), 1, camera.width, camera.height,
            &found));
    gst_buffer_unmap (gst_sample_get_buffer (sample), &map);
    view = of_matrix (m);
    if (found.state == DCNN_ALIGN_REANCHORED)
      g_assert_true (dcnn_homography_invert (&view, &back));
    lost += found.state != DCNN_ALIGN_ALIGNED;
    if (found.state != DCNN_ALIGN_ALIGNED)
      continue;
    truth = dcnn_homography_multiply (&back, &view);
    add_errors (errors, &camera, &truth, &found.matrix);
  }
  g_free (frame);
  codec_clear (&codec);
  dcnn_stabilizer_free (stabilizer);
  return lost;
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double p = *(const double *) a, q = *(const double *) b;

  return (p > q) - (p < q);
}

static double
quantile (GArray *a, double q)
{
  g_array_sort (a, compare_doubles);
  return g_array_index (a, double, (guint) (q * (a->len - 1)));
}

int
main (int argc, char **argv)
{
  static const char *const names[] = { "car-roundabout", "dog", "bmx-trees",
    "horsejump-high", "drift-chicane" };
  static const double speeds[] = { 0.2, 3, 10 };
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (double));
  const char *data = g_getenv ("DELTACNN_TEST_DATA");
  Photo photos[G_N_ELEMENTS (names)];
  guint n = 0, lost = 0, frames = 0;

  gst_init (&argc, &argv);
  for (guint i = 0; data && i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (data, "videos/davis/JPEGImages",
        "480p", names[i], "00000.jpg", NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS) && read_photo (path, &photos[n]))
      n++;
  }
  if (n < 2) {
    g_print ("skip: no photographs of videos/davis in DELTACNN_TEST_DATA\n");
    return SKIPPED;
  }
  for (guint i = 0; i < n; i++)
    for (guint s = 0; s < G_N_ELEMENTS (speeds); s++) {
      g_autoptr (GArray) errors = g_array_new (FALSE, FALSE, sizeof (double));
      guint gone = ride (&photos[i], &photos[(i + 1) % n], speeds[s], errors);
      lost += gone;
      frames += FRAMES;
      if (!errors->len)
        continue;
      g_array_append_vals (all, errors->data, errors->len);
      g_print ("photograph %u, %4.1f px a frame: median %.3f px, 99 %% %.3f px, "
          "%u of %d frames not aligned\n", i, speeds[s],
          quantile (errors, 0.5), quantile (errors, 0.99), gone, FRAMES);
    }
  g_print ("all: median %.3f px, 99 %% %.3f px, %u of %u frames not aligned\n",
      quantile (all, 0.5), quantile (all, 0.99), lost, frames);
  g_assert_cmpfloat (quantile (all, 0.5), <, 0.25);
  g_assert_cmpfloat (quantile (all, 0.99), <, 1);
  g_assert_cmpuint (lost, <, frames / 10); /* each ride's first one is */
  for (guint i = 0; i < n; i++)
    g_free (photos[i].pixels);
  return 0;
}
