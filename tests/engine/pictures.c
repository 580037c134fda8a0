/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pictures.c - a device's input stage against the cpu's: videos of every
 * format, scaled or not, in batches, with what is tuned of the stage, as they
 * lie and through random matrices. Stored input, masks and statistics are the
 * same to the bit.
 *
 * The device is what DELTACNN_TEST_DEVICE names, or the cpu (with other
 * threads). One node that passes everything on, so that nothing but the input
 * decides. On failure the seed says what to rerun.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

#define STREAMS 3
#define FRAMES 14

typedef struct Video {
  DcnnFrame frame;
  guint8 *memory;
  gsize bytes;
  /* of a camera that moves */
  gdouble x, y, angle, zoom, tilt;
  DcnnMotion motion;       /* zeroed: it lies as it is */
} Video;

static DcnnModel *
new_model (guint64 seed, guint width, guint height, gint channels)
{
  TestNet net;
  DcnnValueId out;

  test_net_begin (&net, seed, TRUE);
  out = test_net_conv (&net, test_net_input (&net, channels, (gint) height,
          (gint) width), 4, 1, 1, 1, 1);
  dcnn_graph_add_output (net.graph, out);
  return test_model_new (net.graph);
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

/* Soft waves, in which a pixel has something to do with its neighbours. */
static void
video_wave (Video *v)
{
  for (gsize i = 0; i < v->bytes; i++)
    v->memory[i] = (guint8) (128 + 90 * sin (0.09 * (gdouble) (i %
                (gsize) v->frame.strides[0])) * cos (0.07 * (gdouble) (i /
                (gsize) v->frame.strides[0])));
}

/* The camera goes on: by whole pixels, by parts of them, turning, tilting,
 * elsewhere; now and then it is not followed, or on a canvas of its own. */
static void
video_look (Video *v, guint64 *random)
{
  guint kind = test_random (random, 12);
  gdouble c, s;

  v->x += kind < 8 ? 3 * test_random_value (random, FALSE) : 0;
  v->y += kind < 8 ? 2 * test_random_value (random, FALSE) : 0;
  if (kind < 3) {
    v->x = floor (v->x) + 0.1 * test_random_value (random, FALSE);
    v->y = floor (v->y);
    v->angle = v->tilt = 0;
    v->zoom = 1;
  } else if (kind == 3) {
    v->angle = 0.2 * test_random_value (random, FALSE);
    v->zoom = 1 + 0.2 * test_random_value (random, FALSE);
    v->tilt = 5e-4 * test_random_value (random, FALSE);
  } else if (kind == 4) {
    v->x += 90 * test_random_value (random, FALSE);
    v->y += 60 * test_random_value (random, FALSE);
  }
  c = v->zoom * cos (v->angle);
  s = v->zoom * sin (v->angle);
  v->motion = (DcnnMotion) { .matrix = { c, -s, v->x, s, c, v->y, v->tilt,
      -v->tilt, 1 }, .place = kind != 5, .restart = kind == 6,
    .weigh = kind != 7 };
  if (kind == 8)
    v->motion = (DcnnMotion) { .tile_x = 0 };
}

static DcnnSession *
new_session (DcnnModel *model, const char *device, guint threads,
    guint64 seed, gboolean looks)
{
  DcnnSessionOptions options;
  guint64 random = seed * 77 + 5;

  test_options_on (&options, device);
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
  options.tuning.moving_interest = looks;
  options.tuning.refresh = 1;
  options.tuning.input_threshold = test_random (&random, 3) ? 0.05f : 0;
  if (looks)
    options.tuning.sampling = (DcnnSampling) (seed % DCNN_SAMPLING_COUNT);
  /* where noise, or a camera that moves, changes everything, frames turn dear,
   * which a GPU with several streams never asks */
  if ((looks || options.tuning.input_threshold == 0) &&
      g_str_has_prefix (test_device (), "cuda"))
    options.tuning.mode = DCNN_MODE_SPARSE;
  for (guint c = 0; c < 3; c++) { /* exact in half precision */
    options.scale[c] = 1;
    options.bias[c] = -(gfloat) (c * 16);
  }
  return test_session_new (model, &options);
}

/* Stored input, masks, statistics of a stream, in both sessions. */
static void
compare (DcnnSession *a, DcnnSession *b, guint s, guint64 seed, guint frame)
{
  const DcnnMask *ma = dcnn_session_get_input_mask (a, s);
  const DcnnMask *mb = dcnn_session_get_input_mask (b, s);
  const DcnnPlan *plan = a->plan;
  DcnnFrameStats sa, sb;
  gdouble view_a[9], view_b[9];
  g_autoptr (GError) error = NULL;

  g_test_message ("seed %" G_GUINT64_FORMAT ", frame %u, stream %u", seed,
      frame, s);
  dcnn_session_get_stats (a, s, &sa);
  dcnn_session_get_stats (b, s, &sb);
  g_assert_cmpfloat (sa.changed_share, ==, sb.changed_share);
  g_assert_cmpint (sa.dense, ==, sb.dense);
  g_assert_cmpint (sa.aligned, ==, sb.aligned);
  g_assert_cmpfloat (sa.aligned_share, ==, sb.aligned_share);
  g_assert_cmpfloat (sa.unaligned_share, ==, sb.unaligned_share);
  (void) dcnn_session_get_view (a, s, view_a);
  (void) dcnn_session_get_view (b, s, view_b);
  g_assert_cmpmem (view_a, sizeof view_a, view_b, sizeof view_b);
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
      s[n++] = (DcnnSubmission) { .stream = i, .frame = &videos[i].frame,
        .motion = &videos[i].motion };
  g_assert_true (dcnn_session_submit (session, s, n, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < n; i++)
    g_assert_true (dcnn_session_wait (session, s[i].stream, DCNN_WANT_ALL,
            &error));
}

/* Results that a frame sampled between its pixels is weighed by. */
static void
set_interest (DcnnSession *cpu, DcnnSession *device, guint s, guint64 *random)
{
  gfloat interest[1024] = { 0 };

  for (guint i = 0; i < 8; i++)
    interest[test_random (random, 64)] = 1;
  dcnn_session_set_interest (cpu, s, interest);
  dcnn_session_set_interest (device, s, interest);
}

/* One frame of all streams, or of some; returns how many were sampled between
 * their pixels, and did not run dense. */
static guint
run_frame (DcnnSession *cpu, DcnnSession *device, Video *videos,
    guint64 *random, guint64 seed, guint f, gboolean looks)
{
  gboolean has[STREAMS];
  guint sampled = 0;

  for (guint i = 0; i < STREAMS; i++) {
    has[i] = f == 0 || i == f % STREAMS || test_random (random, 3) > 0;
    if (has[i])
      video_next (&videos[i], random, f);
    if (has[i] && looks)
      video_look (&videos[i], random);
    if (has[i] && looks && f == 4)
      set_interest (cpu, device, i, random);
  }
  run_batch (cpu, videos, has);
  run_batch (device, videos, has);
  for (guint i = 0; i < STREAMS; i++)
    if (has[i]) {
      DcnnFrameStats stats;
      compare (device, cpu, i, seed, f);
      dcnn_session_get_stats (device, i, &stats);
      sampled += stats.aligned && !stats.dense;
    }
  return sampled;
}

static void
test_pictures (gconstpointer data)
{
  gboolean looks = GPOINTER_TO_INT (data);
  guint sampled = 0;

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
    cpu = new_session (model, "cpu", 1, seed, looks);
    device = new_session (model, test_device (), 3, seed, looks);
    device->arithmetic = cpu->arithmetic;
    for (guint i = 0; i < STREAMS; i++) {
      video_init (&videos[i], &random,
          (DcnnPixelFormat) ((seed + 3 * i) % DCNN_FORMAT_COUNT));
      videos[i].zoom = 1;
      if (looks)
        video_wave (&videos[i]);
    }
    for (guint f = 0; f < FRAMES; f++)
      sampled += run_frame (cpu, device, videos, &random, seed, f, looks);
    for (guint i = 0; i < STREAMS; i++)
      g_free (videos[i].memory);
  }
  if (looks && test_seed_runs (0))
    g_assert_cmpuint (sampled, >, 100);
}

/* One stream whose frames change size and format at each second frame: each is
 * taken by tables of its own. */
static void
test_sizes (void)
{
  g_autoptr (DcnnModel) model = new_model (1, 48, 40, 3);
  g_autoptr (DcnnSession) cpu = new_session (model, "cpu", 1, 1, FALSE);
  g_autoptr (DcnnSession) device = new_session (model, test_device (), 1, 1,
      FALSE);
  const gboolean has[STREAMS] = { TRUE };
  guint64 random = 3;
  Video videos[5];

  device->arithmetic = cpu->arithmetic;
  for (guint i = 0; i < G_N_ELEMENTS (videos); i++)
    video_init (&videos[i], &random, (DcnnPixelFormat) i);
  for (guint f = 0; f < 60; f++) {
    Video *v = &videos[f / 2 % G_N_ELEMENTS (videos)];
    run_batch (cpu, v, has);
    run_batch (device, v, has);
    compare (device, cpu, 0, 1, f);
  }
  for (guint i = 0; i < G_N_ELEMENTS (videos); i++)
    g_free (videos[i].memory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_data_func ("/engine/pictures/same", GINT_TO_POINTER (FALSE),
      test_pictures);
  g_test_add_data_func ("/engine/pictures/matrices", GINT_TO_POINTER (TRUE),
      test_pictures);
  g_test_add_func ("/engine/pictures/sizes", test_sizes);
  return g_test_run ();
}
