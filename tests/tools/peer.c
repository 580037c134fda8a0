/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * peer.c - what another engine gets from deltacnn-bench --peer, by a script in
 * its place: the picture in colours that were there, whatever the format; what
 * it is started with; its times; its errors.
 */
#include "bench.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define SIDE 4      /* of a picture: four squares of one colour each */
#define SIZE 64     /* of the network's input */

static const guint8 colours[4][3] = {
  { 100, 150, 50 }, { 200, 60, 90 }, { 40, 70, 180 }, { 128, 128, 128 }
};

static const guint8 *
colour_at (guint x, guint y, guint side)
{
  return colours[y / (side / 2) * 2 + x / (side / 2)];
}

/* ---- pictures ------------------------------------------------------------- */

static guint8
byte (double value)
{
  return (guint8) lround (CLAMP (value, 0, 255));
}

/* Y, U and V as the standards define them. */
static void
yuv_of (const DcnnFrame *frame, const guint8 *rgb, guint8 *yuv)
{
  const double kr = frame->kr, kb = frame->kb;
  double y = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2];
  double u = (rgb[2] - y) / (2 * (1 - kb)), v = (rgb[0] - y) / (2 * (1 - kr));

  yuv[0] = byte (frame->full_range ? y : 16 + y * 219 / 255);
  yuv[1] = byte (128 + (frame->full_range ? u : u * 224 / 255));
  yuv[2] = byte (128 + (frame->full_range ? v : v * 224 / 255));
}

static void
draw_yuv (DcnnFrame *frame, guint8 planes[3][SIDE * SIDE])
{
  const gboolean nv12 = frame->format == DCNN_FORMAT_NV12;

  for (guint p = 0; p < 3; p++) {
    frame->planes[p] = planes[p];
    frame->strides[p] = p && !nv12 ? SIDE / 2 : SIDE;
  }
  for (guint y = 0; y < SIDE; y++)
    for (guint x = 0; x < SIDE; x++) {
      const guint half = y / 2 * (SIDE / 2) + x / 2;
      guint8 yuv[3];
      yuv_of (frame, colour_at (x, y, SIDE), yuv);
      planes[0][y * SIDE + x] = yuv[0];
      planes[1][nv12 ? 2 * half : half] = yuv[1];
      planes[nv12 ? 1 : 2][nv12 ? 2 * half + 1 : half] = yuv[2];
    }
}

static void
draw_packed (DcnnFrame *frame, guint8 *pixels)
{
  static const struct { DcnnPixelFormat format; guint step; gboolean bgr; } kinds[] = {
    { DCNN_FORMAT_RGB, 3, FALSE }, { DCNN_FORMAT_BGR, 3, TRUE },
    { DCNN_FORMAT_RGBX, 4, FALSE }, { DCNN_FORMAT_BGRX, 4, TRUE },
    { DCNN_FORMAT_RGBA, 4, FALSE }, { DCNN_FORMAT_BGRA, 4, TRUE } };
  guint k = 0;

  while (kinds[k].format != frame->format)
    k++;
  frame->planes[0] = pixels;
  frame->strides[0] = (gint) (SIDE * kinds[k].step);
  for (guint y = 0; y < SIDE; y++)
    for (guint x = 0; x < SIDE; x++)
      for (guint c = 0; c < 3; c++)
        pixels[(y * SIDE + x) * kinds[k].step + (kinds[k].bgr ? 2 - c : c)] =
            colour_at (x, y, SIDE)[c];
}

/* ---- the peer ------------------------------------------------------------- */

typedef struct Stage {
  char *folder, *script, *tensor;
  DcnnModel *model;
  DcnnModelInfo *info;
} Stage;

static void
stage_init (Stage *stage, const char *text)
{
  g_autoptr (GError) error = NULL;

  stage->folder = g_dir_make_tmp ("peer-XXXXXX", &error);
  g_assert_no_error (error);
  stage->script = g_build_filename (stage->folder, "peer.sh", NULL);
  stage->tensor = g_build_filename (stage->folder, "tensor", NULL);
  g_assert_true (g_file_set_contents (stage->script, text, -1, &error));
  g_setenv ("DELTACNN_PEER_HELPER", stage->script, TRUE);
  g_setenv ("TENSOR", stage->tensor, TRUE);
  stage->model = dcnn_model_load (DCNN_TEST_ZOO "/people-seg.onnx", SIZE, SIZE,
      &stage->info, &error);
  g_assert_no_error (error);
}

static void
stage_clear (Stage *stage)
{
  g_remove (stage->tensor);
  g_remove (stage->script);
  g_rmdir (stage->folder);
  g_free (stage->tensor);
  g_free (stage->script);
  g_free (stage->folder);
  dcnn_model_unref (stage->model);
  dcnn_modelinfo_free (stage->info);
}

static BenchPeer *
new_peer (const Stage *stage, GError **error)
{
  return bench_peer_new ("made-up", "sh", "net.onnx", stage->model,
      stage->info, 3, error);
}

/* What lies in the middle of each square is its colour, or its grey. */
static void
check_tensor (const Stage *stage, const DcnnFrame *frame)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *data = NULL;
  gsize length;

  g_file_get_contents (stage->tensor, &data, &length, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (length, ==, SIZE * SIZE * 3 * sizeof (float));
  for (guint y = SIZE / 4; y < SIZE; y += SIZE / 2)
    for (guint x = SIZE / 4; x < SIZE; x += SIZE / 2)
      for (guint c = 0; c < 3; c++) {
        const guint from = stage->info->bgr ? 2 - c : c;
        const guint8 *want = colour_at (x, y, SIZE);
        float v = ((const float *) data)[(c * SIZE + y) * SIZE + x];
        v = (v - stage->info->bias[c]) / stage->info->scale[c];
        g_assert_cmpfloat_with_epsilon (v, frame->format == DCNN_FORMAT_GRAY8 ?
            want[0] : want[from], 2.5f);
      }
}

static void
test_pictures (void)
{
  static const float matrices[2][2] = { { 0.299f, 0.114f }, { 0.2126f, 0.0722f } };
  g_autoptr (GError) error = NULL;
  Stage stage;

  /* a script answers with the tensor that it has been given */
  stage_init (&stage, "echo \"ready $1 $2 $3 $4\"\n"
      "while read -r line; do cat /proc/self/fd/3 >\"$TENSOR\"; echo 1500; done\n");
  g_autoptr (BenchPeer) peer = new_peer (&stage, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (bench_peer_version (peer), ==, "made-up net.onnx 64x64 3");
  for (guint k = 0; k < 4; k++)
    for (DcnnPixelFormat format = 0; format < DCNN_FORMAT_COUNT; format++) {
      guint8 planes[3][SIDE * SIDE], packed[SIDE * SIDE * 4];
      DcnnFrame frame = { .format = format, .width = SIDE, .height = SIDE,
        .kr = matrices[k % 2][0], .kb = matrices[k % 2][1],
        .full_range = k / 2 };
      double ms = 0;
      if (format == DCNN_FORMAT_GRAY8) {
        frame.planes[0] = packed;
        frame.strides[0] = SIDE;
        for (guint i = 0; i < SIDE * SIDE; i++)
          packed[i] = colour_at (i % SIDE, i / SIDE, SIDE)[0];
      } else if (format == DCNN_FORMAT_NV12 || format == DCNN_FORMAT_I420) {
        draw_yuv (&frame, planes);
      } else {
        draw_packed (&frame, packed);
      }
      g_assert_true (bench_peer_run (peer, &frame, &ms, &error));
      g_assert_cmpfloat (ms, ==, 1.5);
      check_tensor (&stage, &frame);
    }
  g_clear_pointer (&peer, bench_peer_free);
  stage_clear (&stage);
}

static void
test_errors (void)
{
  static guint8 grey[SIDE * SIDE];
  const DcnnFrame frame = { .format = DCNN_FORMAT_GRAY8, .width = SIDE,
    .height = SIDE, .planes = { grey }, .strides = { SIDE } };
  static const struct { const char *script, *start, *run; } cases[] = {
    { "echo error of its own\n", "peer made-up: error of its own", NULL },
    { "exit 1\n", "ended without an answer", NULL },
    { "echo ready 1\nread -r line\necho slow\n", NULL, "peer: slow" },
    { "echo ready 1\nread -r line\n", NULL, "ended without an answer" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    double ms;
    Stage stage;
    stage_init (&stage, cases[i].script);
    g_autoptr (BenchPeer) peer = new_peer (&stage, &error);
    g_assert_true ((peer == NULL) == (cases[i].start != NULL));
    if (peer)
      g_assert_false (bench_peer_run (peer, &frame, &ms, &error));
    g_assert_nonnull (error);
    g_assert_nonnull (strstr (error->message, peer ? cases[i].run :
            cases[i].start));
    g_clear_pointer (&peer, bench_peer_free);
    stage_clear (&stage);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tools/peer/pictures", test_pictures);
  g_test_add_func ("/tools/peer/errors", test_errors);
  return g_test_run ();
}
