/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pictures.c - a device's input stage against the cpu's: videos of every
 * format, scaled or not, in batches, with what is tuned of the stage. Stored
 * input, masks and statistics are the same to the bit.
 *
 * The device is what DELTACNN_TEST_DEVICE names, or the cpu (with other
 * threads). One node that passes everything on, so that nothing but the input
 * decides. On failure the seed says what to rerun.
 */
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

#define STREAMS 3
#define FRAMES 14

typedef struct Video {
  DcnnFrame frame;
  guint8 *memory;
  gsize bytes;
} Video;

static DcnnModel *
new_model (guint64 seed, guint width, guint height, gint channels)
{
  TestNet net;
  g_autoptr (GError) error = NULL;
  DcnnModel *model;
  DcnnValueId out;

  test_net_begin (&net, seed, TRUE);
  out = test_net_conv (&net, test_net_input (&net, channels, (gint) height,
          (gint) width), 4, 1, 1, 1, 1);
  dcnn_graph_add_output (net.graph, out);
  model = dcnn_model_new (net.graph, &error);
  g_assert_no_error (error);
  return model;
}

static void
video_init (Video *v, guint64 *random, DcnnPixelFormat format)
{
  static const guint8 bytes[DCNN_FORMAT_COUNT] = {
#define DCNN_X(e, n, p, b) b,
    DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  };
  gsize at[3];

  *v = (Video) { .frame = { .format = format,
      .width = 8 + test_random (random, 200),
      .height = 8 + test_random (random, 150), .kr = 0.2126f,
      .kb = 0.0722f, .full_range = test_random (random, 2) } };
  for (guint p = 0; p < 3; p++) {
    guint row = p == 0 ? v->frame.width * bytes[format] :
        (v->frame.width + 1) / 2 * (format == DCNN_FORMAT_NV12 ? 2 : 1);
    v->frame.strides[p] = (gint32) (row + test_random (random, 30));
    at[p] = v->bytes;
    v->bytes += (gsize) v->frame.strides[p] * v->frame.height;
  }
  v->memory = g_malloc (v->bytes);
  for (gsize i = 0; i < v->bytes; i++)
    v->memory[i] = (guint8) test_random (random, 256);
  for (guint p = 0; p < 3; p++)
    v->frame.planes[p] = v->memory + at[p];
}

/* Some frames keep still (so that settling starts), some change a patch, one
 * changes everything. */
static void
video_next (Video *v, guint64 *random, guint frame)
{
  gsize first = test_random (random, (guint) v->bytes);
  gsize n = frame == 9 ? v->bytes : frame > 2 ? 0 : v->bytes / 12;

  for (gsize i = 0; i < n; i++)
    v->memory[(first + i) % v->bytes] ^= (guint8) test_random (random, 256);
  for (gsize i = 0; i < v->bytes / 200; i++)
    v->memory[test_random (random, (guint) v->bytes)] ^= 1;
}

static DcnnSession *
new_session (DcnnModel *model, const char *device, guint threads,
    guint64 seed)
{
  DcnnSessionOptions options;
  g_autoptr (GError) error = NULL;
  DcnnSession *session;
  guint64 random = seed * 77 + 5;

  test_options_init (&options);
  options.device = device;
  options.streams = STREAMS;
  options.threads = threads;
  options.store_all = TRUE;
  options.fit = (DcnnFit) test_random (&random, 3);
  options.scaling = (DcnnScaling) test_random (&random, 4);
  options.bgr = test_random (&random, 2);
  options.tuning.threshold = 0;
  options.tuning.dilation = test_random (&random, 5);
  options.tuning.noise_suppression = test_random (&random, 2);
  options.tuning.settle = test_random (&random, 4) > 0;
  options.tuning.input_threshold = test_random (&random, 3) ? 0.05f : 0;
  /* where noise changes everything, frames turn dear, which a GPU never asks */
  if (options.tuning.input_threshold == 0 &&
      g_str_has_prefix (test_device (), "cuda"))
    options.tuning.mode = DCNN_MODE_SPARSE;
  for (guint c = 0; c < 3; c++) { /* exact in half precision */
    options.scale[c] = 1;
    options.bias[c] = -(gfloat) (c * 16);
  }
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  return session;
}

/* Stored input, masks, statistics of a stream, in both sessions. */
static void
compare (DcnnSession *a, DcnnSession *b, guint s, guint64 seed, guint frame)
{
  const DcnnMask *ma = dcnn_session_get_input_mask (a, s);
  const DcnnMask *mb = dcnn_session_get_input_mask (b, s);
  const DcnnPlan *plan = a->plan;
  DcnnFrameStats sa, sb;
  g_autoptr (GError) error = NULL;

  g_test_message ("seed %" G_GUINT64_FORMAT ", frame %u, stream %u", seed,
      frame, s);
  dcnn_session_get_stats (a, s, &sa);
  dcnn_session_get_stats (b, s, &sb);
  g_assert_cmpfloat (sa.changed_share, ==, sb.changed_share);
  g_assert_cmpint (sa.dense, ==, sb.dense);
  g_assert_cmpmem (ma->words, dcnn_mask_n_words (ma) * 8, mb->words,
      dcnn_mask_n_words (mb) * 8);
  for (guint m = 0; m < plan->maps->len; m++) {
    const PlanMap *map = plan_map (plan, m);
    gsize n = (gsize) map->width * map->height * map->channels;
    g_autofree gfloat *va = g_new0 (gfloat, n), *vb = g_new0 (gfloat, n);
    if (map->graph_input < 0)
      continue;
    g_assert_true (dcnn_session_probe (a, s, (gint) m, va, NULL, &error));
    g_assert_true (dcnn_session_probe (b, s, (gint) m, vb, NULL, &error));
    g_assert_cmpmem (va, n * sizeof *va, vb, n * sizeof *vb);
  }
}

static void
run_batch (DcnnSession *session, Video *videos, const gboolean *has)
{
  DcnnSubmission s[STREAMS];
  g_autoptr (GError) error = NULL;
  guint n = 0;

  for (guint i = 0; i < STREAMS; i++)
    if (has[i])
      s[n++] = (DcnnSubmission) { .stream = i, .frame = &videos[i].frame };
  g_assert_true (dcnn_session_submit (session, s, n, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < n; i++)
    g_assert_true (dcnn_session_wait (session, s[i].stream, DCNN_WANT_ALL,
            &error));
}

static void
test_pictures (void)
{
  for (guint64 seed = 0; seed < 27; seed++) {
    guint64 random = seed + 11;
    gint channels = seed % 5 == 4 ? 1 : 3;
    guint width = 16 + test_random (&random, 90);
    guint height = 16 + test_random (&random, 60);
    g_autoptr (DcnnModel) model = NULL;
    g_autoptr (DcnnSession) cpu = NULL, device = NULL;
    Video videos[STREAMS];
    if (!test_seed_runs (seed))
      continue;
    model = new_model (seed, width, height, channels);
    cpu = new_session (model, "cpu", 1, seed);
    device = new_session (model, test_device (), 3, seed);
    device->arithmetic = cpu->arithmetic;
    for (guint i = 0; i < STREAMS; i++)
      video_init (&videos[i], &random,
          (DcnnPixelFormat) ((seed + 3 * i) % DCNN_FORMAT_COUNT));
    for (guint f = 0; f < FRAMES; f++) {
      gboolean has[STREAMS];
      for (guint i = 0; i < STREAMS; i++) {
        has[i] = f == 0 || i == f % STREAMS || test_random (&random, 3) > 0;
        if (has[i])
          video_next (&videos[i], &random, f);
      }
      run_batch (cpu, videos, has);
      run_batch (device, videos, has);
      for (guint i = 0; i < STREAMS; i++)
        if (has[i])
          compare (device, cpu, i, seed, f);
    }
    for (guint i = 0; i < STREAMS; i++)
      g_free (videos[i].memory);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/pictures/same", test_pictures);
  return g_test_run ();
}
