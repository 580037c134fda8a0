/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance.c - a device against the backend "sim": every map of random nets
 * at threshold 0, on integers exactly, masks too, otherwise within a bound.
 * The device is what DELTACNN_TEST_DEVICE names, or the cpu.
 */
#include <string.h>

#include "dcnn_engine.h"
#include "maps.h"
#include "nets.h"
#include "video.h"

/* What run_net() judges by; threshold 0: any difference. */
typedef struct Judging {
  DcnnCriterion criterion;
  gfloat threshold;
  GHashTable *influence;
} Judging;

static DcnnSession *
new_session (DcnnModel *model, const char *device, DcnnPrecision precision,
    const Judging *judging)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.device = device;
  options.precision = precision;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.criterion = judging->criterion;
  options.tuning.threshold = options.tuning.gate_threshold =
      judging->threshold;
  options.influence = judging->influence;
  options.tuning.input_threshold = 0;
  options.tuning.settle = FALSE;
  options.store_all = TRUE;
  options.threads = 1;
  return test_session_new (model, &options);
}

/* 0 to 3 for each channel of each node. */
static GHashTable *
make_influence (const DcnnModel *model)
{
  GHashTable *influence = g_hash_table_new_full (g_str_hash, g_str_equal,
      NULL, (GDestroyNotify) g_array_unref);

  for (guint n = 0; n < model->plan->nodes->len; n++) {
    const PlanNode *node = plan_node (model->plan, (gint) n);
    GArray *values;
    if (node->kind != PLAN_KERNEL)
      continue;
    values = g_array_new (FALSE, FALSE, sizeof (gfloat));
    for (guint c = 0; c < plan_map (model->plan, node->out)->channels; c++) {
      gfloat v = (gfloat) ((n + c) % 4);
      g_array_append_val (values, v);
    }
    g_hash_table_insert (influence, node->name, values);
  }
  return influence;
}

static void
run_net (guint64 seed, gboolean integer, DcnnPrecision precision,
    gdouble bound, DcnnCriterion criterion, gfloat threshold)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (seed,
          integer, FALSE, TRUE), &error);
  g_autoptr (GHashTable) influence = make_influence (model);
  Judging judging = { criterion, threshold,
    criterion == DCNN_CRITERION_INFLUENCE ? influence : NULL };
  g_autoptr (DcnnSession) device = new_session (model, test_device (),
      precision > DCNN_PRECISION_F32 && test_on_cpu () ? DCNN_PRECISION_AUTO :
      precision, &judging);
  g_autoptr (DcnnSession) sim = new_session (model, "sim", precision,
      &judging);
  guint64 video = seed + 500;
  DcnnTensor frame = test_frame_new (model, &video, integer);

  sim->pass_on = device->pass_on;
  for (gint f = 0; f < 5 && !g_test_failed (); f++) {
    test_push (device, &frame);
    test_push (sim, &frame);
    test_compare_maps (device, sim, bound, integer, FALSE, seed, f);
    test_video_step (&video, &frame, integer);
  }
  dcnn_tensor_free (&frame);
}

static void
test_integer (void)
{
  for (guint64 seed = 1; seed <= 20 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_net (seed, TRUE, test_precision (), 0, DCNN_CRITERION_NRMS, 0);
}

/* What is kept back is the same, by every criterion. */
static void
test_judged (void)
{
  static const DcnnCriterion criteria[] = { DCNN_CRITERION_NRMS,
    DCNN_CRITERION_RMS, DCNN_CRITERION_MAX, DCNN_CRITERION_INFLUENCE };

  for (guint i = 0; i < 4; i++)
    for (guint64 seed = 1; seed <= 8 && !g_test_failed (); seed++)
      if (test_seed_runs (seed))
        run_net (seed, TRUE, test_precision (), 0, criteria[i],
            i == 0 ? 0.3f : 1.3f);
}

static gboolean
stores_halves (void)
{
  return g_str_has_prefix (test_device (), "cuda");
}

static void
test_real (void)
{
  gboolean rounded = g_getenv ("DELTACNN_CUDA_TF32") != NULL;

  for (guint64 seed = 1; seed <= 20 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_net (seed, FALSE, DCNN_PRECISION_F32, rounded ? 2e-2 : 2e-5,
          DCNN_CRITERION_NRMS, 0);
}

/* Whole numbers in maps of floats: other kernels on some devices. */
static void
test_integer_floats (void)
{
  for (guint64 seed = 1; seed <= 20 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_net (seed, TRUE, DCNN_PRECISION_F32, 0, DCNN_CRITERION_NRMS, 0);
}

/* Two bytes stay near full precision, by their bits: 11, or 8; on the cpu, which
 * has none, that is sim's rounding alone. */
static void
run_rounded (DcnnPrecision precision)
{
  gdouble bound = precision == DCNN_PRECISION_BF16 ? 8 * 2e-2 : 2e-2;

  for (guint64 seed = 1; seed <= (stores_halves () ? 40 : 6) &&
      !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_net (seed, FALSE, precision, bound, DCNN_CRITERION_NRMS, 0);
}

static void
test_half (void)
{
  run_rounded (DCNN_PRECISION_F16);
}

static void
test_bf16 (void)
{
  run_rounded (DCNN_PRECISION_BF16);
}

/* Streams side by side give the bits that each gives alone. */
static void
test_streams (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (3, FALSE,
          FALSE, TRUE), &error);
  DcnnSession *together, *alone[3];
  DcnnTensor frames[3];
  guint64 video[3];
  DcnnSessionOptions options;

  test_options_init (&options);
  options.streams = 3;
  options.tuning.threshold = 0.1f;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.store_all = TRUE;
  together = test_session_new (model, &options);
  options.streams = 1;
  for (guint s = 0; s < 3; s++) {
    alone[s] = test_session_new (model, &options);
    video[s] = 900 + s;
    frames[s] = test_frame_new (model, &video[s], FALSE);
  }
  for (gint f = 0; f < 20; f++)
    for (guint s = 0; s < 3; s++) {
      const DcnnOutput *a, *b;
      if ((f + (gint) s) % 3 == 0)
        continue; /* no frame this time */
      g_assert_true (dcnn_session_push_tensors (together, s, &frames[s], 0,
              NULL, &error));
      test_push (alone[s], &frames[s]);
      a = dcnn_session_get_output (together, s, 0);
      b = dcnn_session_get_output (alone[s], 0, 0);
      g_assert_cmpmem (a->tensor.data, (gsize) dcnn_tensor_count (&a->tensor) *
          dcnn_dtype_bytes (a->tensor.dtype), b->tensor.data,
          (gsize) dcnn_tensor_count (&b->tensor) *
          dcnn_dtype_bytes (b->tensor.dtype));
      test_video_step (&video[s], &frames[s], FALSE);
    }
  dcnn_session_free (together);
  for (guint s = 0; s < 3; s++) {
    dcnn_session_free (alone[s]);
    dcnn_tensor_free (&frames[s]);
  }
}

/* A net of one picture, whose output is a map. */
static DcnnModel *
picture_model (void)
{
  TestNet net;
  DcnnValueId v;

  test_net_begin (&net, 5, FALSE);
  v = test_net_input (&net, 3, 48, 64);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 12, 3, 2, 1,
          1));
  v = test_net_conv (&net, v, 20, 3, 1, 1, 1);
  dcnn_graph_add_output (net.graph, v);
  return test_model_new (net.graph);
}

static void
expect_same_output (DcnnSession *one, guint stream, DcnnSession *other,
    gboolean masks)
{
  const DcnnOutput *a = dcnn_session_get_output (one, stream, 0);
  const DcnnOutput *b = dcnn_session_get_output (other, 0, 0);

  g_assert_cmpmem (a->tensor.data, (gsize) dcnn_tensor_count (&a->tensor) * 4,
      b->tensor.data, (gsize) dcnn_tensor_count (&b->tensor) * 4);
  if (!masks)
    return;
  g_assert_cmpint (a->changed, ==, b->changed);
  g_assert_true (a->is_map);
  g_assert_cmpmem (a->updated.words, dcnn_mask_words (a->updated.width,
          a->updated.height) * 8, b->updated.words,
      dcnn_mask_words (b->updated.width, b->updated.height) * 8);
}

/* A frame that waits while another stream's runs keeps its results, and frames
 * of which only statistics were asked for lose nothing for the next. */
static void
test_overlap (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = picture_model ();
  DcnnSession *alone[2], *together;
  DcnnSessionOptions options;
  DcnnFrame frames[2];
  TestVideo videos[2];

  test_options_init (&options);
  options.tuning.criterion = DCNN_CRITERION_RMS;
  for (guint s = 0; s < 2; s++) {
    alone[s] = test_session_new (model, &options);
    test_video_init (&videos[s], s + 1, 80, 60);
  }
  options.streams = 2;
  together = test_session_new (model, &options);
  for (guint f = 0; f < 24; f++) {
    guint wants = f % 3 == 2 ? DCNN_WANT_STATS : DCNN_WANT_ALL;
    if (f == 12) {
      DcnnTuning tuning = options.tuning;
      tuning.criterion = DCNN_CRITERION_NRMS;
      for (guint s = 0; s < 2; s++)
        g_assert_true (dcnn_session_set_tuning (alone[s], &tuning, NULL));
      g_assert_true (dcnn_session_set_tuning (together, &tuning, NULL));
    }
    for (guint s = 0; s < 2; s++) {
      DcnnSubmission one = { s, &frames[s], NULL };
      test_video_draw (&videos[s], DCNN_FORMAT_I420, FALSE, &frames[s]);
      test_push_frame (alone[s], 0, &frames[s]);
      g_assert_true (dcnn_session_submit (together, &one, 1, &error));
    }
    for (gint s = 1; s >= 0; s--) {
      g_assert_true (dcnn_session_wait (together, (guint) s, wants, &error));
      if (wants == DCNN_WANT_ALL)
        expect_same_output (together, (guint) s, alone[s], f % 3 != 0);
    }
  }
  dcnn_session_free (together);
  for (guint s = 0; s < 2; s++) {
    dcnn_session_free (alone[s]);
    test_video_clear (&videos[s]);
  }
}

/* Many pictures at once, in a session of one thread and of several: what threads
 * share out is each stream's own. */
#define CAMERAS 10

static void
compare_streams (DcnnSession *one, DcnnSession *other, guint s)
{
  const DcnnOutput *a = dcnn_session_get_output (one, s, 0);
  const DcnnOutput *b = dcnn_session_get_output (other, s, 0);
  DcnnFrameStats stats[2];

  g_assert_cmpmem (a->tensor.data, (gsize) dcnn_tensor_count (&a->tensor) * 4,
      b->tensor.data, (gsize) dcnn_tensor_count (&b->tensor) * 4);
  g_assert_cmpmem (a->updated.words, dcnn_mask_words (a->updated.width,
          a->updated.height) * 8, b->updated.words,
      dcnn_mask_words (b->updated.width, b->updated.height) * 8);
  dcnn_session_get_stats (one, s, &stats[0]);
  dcnn_session_get_stats (other, s, &stats[1]);
  g_assert_cmpfloat (stats[0].changed_share, ==, stats[1].changed_share);
}

static void
test_cameras (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = NULL;
  DcnnSession *sessions[2];
  DcnnSessionOptions options;
  TestVideo videos[CAMERAS];
  DcnnFrame frames[CAMERAS];
  TestNet net;

  test_net_begin (&net, 6, FALSE);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, test_net_input (&net,
              3, 160, 176), 4, 3, 2, 1, 1));
  model = test_model_new (net.graph);
  test_options_init (&options);
  options.streams = CAMERAS;
  options.tuning.dilation = 2;
  for (guint i = 0; i < 2; i++) {
    options.threads = 1 + 2 * i;
    sessions[i] = test_session_new (model, &options);
  }
  for (guint s = 0; s < CAMERAS; s++)
    test_video_init (&videos[s], s + 1, 190 + s, 170);
  for (guint f = 0; f < 9; f++) {
    DcnnSubmission all[CAMERAS];
    guint n = 0;
    for (guint s = 0; s < CAMERAS; s++) {
      if (f < 5)
        test_video_move (&videos[s]);
      test_video_draw (&videos[s], DCNN_FORMAT_NV12, FALSE, &frames[s]);
      if (f == 0 || (f + s) % 4 > 0)
        all[n++] = (DcnnSubmission) { s, &frames[s], NULL };
    }
    for (guint i = 0; i < 2; i++)
      g_assert_true (dcnn_session_submit (sessions[i], all, n, &error));
    for (guint k = 0; k < n; k++) {
      for (guint i = 0; i < 2; i++)
        g_assert_true (dcnn_session_wait (sessions[i], all[k].stream,
                DCNN_WANT_ALL, &error));
      compare_streams (sessions[0], sessions[1], all[k].stream);
    }
  }
  for (guint i = 0; i < 2; i++)
    dcnn_session_free (sessions[i]);
  for (guint s = 0; s < CAMERAS; s++)
    test_video_clear (&videos[s]);
}

/* ---- what comes in -------------------------------------------------------------- */

/* The device's and sim's, over frames that may be pictures, settle or move. */
typedef struct Pair {
  DcnnSession *device, *sim;
  guint64 seed;
} Pair;

/* Whole numbers are what they are in maps of floats; two bytes hold no sums of
 * pictures, and are asked for where numbers are small. */
static Pair
pair_new (DcnnModel *model, DcnnSessionOptions *options, guint64 seed,
    gboolean small)
{
  Pair pair = { .seed = seed };

  options->device = test_device ();
  options->store_all = TRUE;
  if (stores_halves () && !small)
    options->precision = DCNN_PRECISION_F32;
  pair.device = test_session_new (model, options);
  options->device = "sim";
  options->precision = DCNN_PRECISION_AUTO;
  pair.sim = test_session_new (model, options);
  pair.sim->pass_on = pair.device->pass_on;
  return pair;
}

static void
pair_clear (Pair *pair)
{
  dcnn_session_free (pair->device);
  dcnn_session_free (pair->sim);
}

/* After a frame of both: maps, masks, and what is said of it. */
static void
pair_compare (const Pair *pair, gboolean moved, gint frame)
{
  DcnnFrameStats a, b;

  test_compare_maps (pair->device, pair->sim, 0, TRUE, moved, pair->seed, frame);
  dcnn_session_get_stats (pair->device, 0, &a);
  dcnn_session_get_stats (pair->sim, 0, &b);
  if (a.dense == b.dense && a.settled == b.settled)
    return;
  g_test_message ("seed %" G_GUINT64_FORMAT " frame %d: dense %d, sim %d; "
      "settled %d, sim %d; rerun: engine-conformance %" G_GUINT64_FORMAT,
      pair->seed, frame, a.dense, b.dense, a.settled, b.settled, pair->seed);
  g_test_fail ();
}

/* A net of whole numbers on a picture of 0 .. 255. */
static DcnnModel *
integer_picture_model (guint64 seed, gint channels)
{
  TestNet net;
  DcnnValueId v;

  test_net_begin (&net, seed, TRUE);
  v = test_net_input (&net, channels, 48, 64);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 6, 3, 2, 1,
          1));
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 5, 3, 1, 1, 1));
  return test_model_new (net.graph);
}

static void
picture_options (DcnnSessionOptions *options, guint64 seed)
{
  guint64 state = seed + 77;

  test_options_init (options);
  for (guint c = 0; c < 3; c++)
    options->scale[c] = 1;
  options->bgr = test_random (&state, 2);
  options->fit = (DcnnFit) test_random (&state, DCNN_FIT_COUNT);
  options->scaling = (DcnnScaling) test_random (&state, 4);
  options->threads = 1;
  options->tuning.mode = seed % 5 == 0 ? DCNN_MODE_AUTO : DCNN_MODE_SPARSE;
  options->tuning.criterion = DCNN_CRITERION_MAX;
  options->tuning.threshold = 40.5f;
  options->tuning.input_threshold = (gfloat) test_random (&state, 5) / 50;
  options->tuning.noise_suppression = test_random (&state, 2);
  options->tuning.dilation = test_random (&state, 4);
  options->tuning.interest = test_random (&state, 2);
  options->tuning.moving_interest = TRUE;
  options->tuning.settle_budget = 1;
  options->tuning.refresh = 0.5f;
}

static void
set_interest (const Pair *pair, guint64 *state)
{
  gfloat interest[6 * 8];

  for (guint i = 0; i < G_N_ELEMENTS (interest); i++)
    interest[i] = (gfloat) test_random (state, 5) / 4;
  dcnn_session_set_interest (pair->device, 0, interest);
  dcnn_session_set_interest (pair->sim, 0, interest);
}

/* Frames 3 to 13 are inferred in two rectangles only. */
static void
set_regions (const Pair *pair, gint frame)
{
  static const DcnnRegion regions[] = { { 5, 8, 14, 10 }, { 30, 2, 40, 90 } };
  g_autoptr (GError) error = NULL;
  guint n = frame == 3 ? G_N_ELEMENTS (regions) : 0;

  if (frame != 3 && frame != 14)
    return;
  g_assert_true (dcnn_session_set_regions (pair->device, 0, regions, n, 3,
          &error));
  g_assert_true (dcnn_session_set_regions (pair->sim, 0, regions, n, 3,
          &error));
}

/* Squares move, then the scene is still and settles; under "auto" one cut. Every
 * other seed looks between the frame's pixels, and is weighed by its results. */
static void
run_pictures (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  gint channels = seed % 7 == 0 ? 1 : 3;
  g_autoptr (DcnnModel) model = integer_picture_model (seed, channels);
  guint64 state = seed;
  guint width = 30 + test_random (&state, 170);
  guint height = 30 + test_random (&state, 130);
  DcnnPixelFormat format = (DcnnPixelFormat) (seed % DCNN_FORMAT_COUNT);
  const DcnnMotion between = { .matrix = { 1, 0, 0.4, 0, 1, 0.3, 0, 0, 1 } };
  const DcnnMotion *motion = seed % 2 ? &between : NULL;
  DcnnSessionOptions options;
  TestVideo video, other;
  Pair pair;
  gint frames;

  picture_options (&options, seed);
  frames = options.tuning.mode == DCNN_MODE_AUTO ? 4 : 24;
  pair = pair_new (model, &options, seed, FALSE);
  test_video_init (&video, seed, width, height);
  test_video_init (&other, seed + 1000, width, height);
  other.noise = 90;
  video.noise = seed % 3 * 4;
  for (gint f = 0; f < frames && !g_test_failed (); f++) {
    gboolean cut = options.tuning.mode == DCNN_MODE_AUTO && f == 2;
    DcnnFrame frame;
    if (f < 10)
      test_video_move (&video);
    else
      video.noise = 0;
    set_regions (&pair, f);
    test_video_draw (cut ? &other : &video, format, FALSE, &frame);
    g_assert_true (dcnn_session_push_frame (pair.device, 0, &frame, motion,
            &error));
    g_assert_true (dcnn_session_push_frame (pair.sim, 0, &frame, motion,
            &error));
    pair_compare (&pair, FALSE, f);
    if (f % 4 == 0)
      set_interest (&pair, &state);
  }
  pair_clear (&pair);
  test_video_clear (&video);
  test_video_clear (&other);
}

static void
test_pictures (void)
{
  for (guint64 seed = 1; seed <= 32 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_pictures (seed);
}

/* Under "auto", where a third of the picture changes from frame to frame: lists
 * turn dear, frames run dense for a while, and one is tried again; nodes run on
 * their whole maps in between, and take what gates kept back. Then all is still
 * and settles. */
static void
run_auto (guint64 seed, guint *dear)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (seed, TRUE,
          FALSE, TRUE), &error);
  guint64 state = seed + 900;
  DcnnTensor frame = test_frame_new (model, &state, TRUE);
  gsize pixels = (gsize) (frame.dims[2] * frame.dims[3]);
  DcnnSessionOptions options;
  DcnnFrameStats stats;
  Pair pair;

  test_options_init (&options);
  options.threads = 1;
  options.tuning.criterion = DCNN_CRITERION_RMS;
  options.tuning.threshold = 1.3f;
  options.tuning.gate_threshold = seed % 2 ? 0.3f : 0;
  options.tuning.settle_budget = 1;
  pair = pair_new (model, &options, seed, FALSE);
  pair.sim->arithmetic = pair.device->arithmetic;
  for (gint f = 0; f < 60 && !g_test_failed (); f++) {
    for (gsize p = 0; f < 40 && p < pixels; p++)
      if (test_random (&state, 100) < (f < 28 ? 35 : 10))
        for (gint64 c = 0; c < frame.dims[1]; c++)
          ((gfloat *) frame.data)[(gsize) c * pixels + p] =
              test_random_value (&state, TRUE);
    test_push (pair.device, &frame);
    test_push (pair.sim, &frame);
    pair_compare (&pair, FALSE, f);
    dcnn_session_get_stats (pair.sim, 0, &stats);
    *dear += f > 0 && f < 28 && stats.dense;
  }
  pair_clear (&pair);
  dcnn_tensor_free (&frame);
}

static void
test_auto (void)
{
  guint dear = 0;

  if (!test_on_cpu ()) {
    g_test_skip ("a device has its own costs, by which frames turn dense");
    return;
  }
  for (guint64 seed = 1; seed <= 4 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_auto (seed, &dear);
  g_test_message ("%u frames ran dense", dear);
  if (test_seed_runs (0))
    g_assert_cmpuint (dear, >, 20);
}

/* A busy scene is settled band by band, then the scene is still and all of it
 * is: the same pixels in the same frames. */
static void
run_settling (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (seed, TRUE,
          FALSE, FALSE), &error);
  guint64 video = seed + 700;
  DcnnTensor frame = test_frame_new (model, &video, TRUE);
  DcnnSessionOptions options;
  DcnnFrameStats stats;
  Pair pair;

  test_options_init (&options);
  options.threads = 1;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.criterion = DCNN_CRITERION_RMS;
  options.tuning.threshold = 1.3f;
  options.tuning.settle_budget = 1;
  options.tuning.refresh = 0.7f;
  pair = pair_new (model, &options, seed, FALSE);
  for (gint f = 0; f < 44 && !g_test_failed (); f++) {
    test_push (pair.device, &frame);
    test_push (pair.sim, &frame);
    pair_compare (&pair, FALSE, f);
    if (f < 10)
      test_video_step (&video, &frame, TRUE);
  }
  dcnn_session_get_stats (pair.sim, 0, &stats);
  g_assert_true (g_test_failed () || stats.settled);
  pair_clear (&pair);
  dcnn_tensor_free (&frame);
}

static void
test_settling (void)
{
  for (guint64 seed = 1; seed <= 8 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_settling (seed);
}

/* The window over a canvas that repeats for ever. */
static void
crop (const DcnnTensor *canvas, gint top, gint left, DcnnTensor *frame)
{
  gint64 h = frame->dims[2], w = frame->dims[3];
  gint64 ch = canvas->dims[2], cw = canvas->dims[3];

  for (gint64 k = 0; k < frame->dims[1]; k++)
    for (gint64 y = 0; y < h; y++)
      for (gint64 x = 0; x < w; x++)
        ((gfloat *) frame->data)[(k * h + y) * w + x] =
            ((const gfloat *) canvas->data)[(k * ch + ((top + y) % ch + ch) %
                ch) * cw + ((left + x) % cw + cw) % cw];
}

/* The window moves by whole tiles while the canvas changes, then settles. */
static void
run_window (guint64 seed, gboolean settle)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (seed, TRUE,
          FALSE, 64, 80), &error);
  guint64 state = seed + 40;
  DcnnTensor canvas = { DCNN_DTYPE_F32, 4, { 1, 3, 144, 176 }, NULL };
  DcnnTensor frame = test_frame_new (model, &state, TRUE);
  DcnnMotion motion = { 0 };
  DcnnSessionOptions options;
  DcnnModelSummary summary;
  Pair pair;

  dcnn_model_get_summary (model, &summary);
  g_assert_true (dcnn_tensor_alloc (&canvas, &error));
  for (gint64 i = 0; i < dcnn_tensor_count (&canvas); i++)
    ((gfloat *) canvas.data)[i] = test_random_value (&state, TRUE);
  test_options_init (&options);
  options.threads = 1;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.criterion = DCNN_CRITERION_RMS;
  options.tuning.threshold = seed % 2 ? 1.3f : 0;
  options.tuning.settle_budget = 1;
  options.tuning.settle = settle;
  pair = pair_new (model, &options, seed, !settle);
  for (gint f = 0; f < 30 && !g_test_failed (); f++) {
    crop (&canvas, motion.tile_y * (gint) summary.tile, motion.tile_x *
        (gint) summary.tile, &frame);
    g_assert_true (dcnn_session_push_tensors (pair.device, 0, &frame, 0,
            &motion, &error));
    g_assert_true (dcnn_session_push_tensors (pair.sim, 0, &frame, 0, &motion,
            &error));
    pair_compare (&pair, TRUE, f);
    if (f >= 14)
      continue;
    test_video_step (&state, &canvas, TRUE);
    motion.tile_y += (gint) test_random (&state, 5) - 2;
    motion.tile_x += (gint) test_random (&state, f == 9 ? 20 : 4) - 1;
  }
  pair_clear (&pair);
  dcnn_tensor_free (&canvas);
  dcnn_tensor_free (&frame);
}

static void
test_window (void)
{
  for (guint64 seed = 1; seed <= 8 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_window (seed, TRUE);
}

/* The device's own kind of maps; what is small enough is the same in it. */
static void
test_window_unsettled (void)
{
  for (guint64 seed = 11; seed <= 18 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_window (seed, FALSE);
}

/* Frames cut out of a larger picture by a window that moves by whole tiles,
 * whose stored values move with it; then the scene is still, and settles. */
static void
run_pan (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = integer_picture_model (seed, 3);
  guint64 state = seed + 60;
  DcnnMotion motion = { 0 };
  DcnnSessionOptions options;
  TestVideo video;
  Pair pair;

  picture_options (&options, seed);
  options.fit = DCNN_FIT_STRETCH;
  options.tuning.settle = seed % 3 > 0;
  pair = pair_new (model, &options, seed, FALSE);
  test_video_init (&video, seed, 192, 160);
  video.noise = seed % 3 * 4;
  for (gint f = 0; f < 30 && !g_test_failed (); f++) {
    gint top = 56 + 2 * motion.tile_y, left = 64 + 2 * motion.tile_x;
    DcnnFrame frame;
    if (f < 14)
      test_video_move (&video);
    else
      video.noise = 0;
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    frame.planes[0] += top * frame.strides[0] + left * 3;
    frame.width = 64;
    frame.height = 48;
    if (seed % 2)
      set_regions (&pair, f);
    g_assert_true (dcnn_session_push_frame (pair.device, 0, &frame, &motion,
            &error));
    g_assert_true (dcnn_session_push_frame (pair.sim, 0, &frame, &motion,
            &error));
    pair_compare (&pair, TRUE, f);
    if (f >= 16)
      continue;
    motion.tile_y = CLAMP (motion.tile_y + (gint) test_random (&state, 7) - 3,
        -28, 28);
    motion.tile_x = CLAMP (motion.tile_x + (gint) test_random (&state, f == 9 ?
            40 : 7) - 3, -32, 32);
  }
  pair_clear (&pair);
  test_video_clear (&video);
}

static void
test_pan (void)
{
  for (guint64 seed = 1; seed <= 12 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_pan (seed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/conformance/integer", test_integer);
  g_test_add_func ("/engine/conformance/judged", test_judged);
  g_test_add_func ("/engine/conformance/integer-floats", test_integer_floats);
  g_test_add_func ("/engine/conformance/real", test_real);
  g_test_add_func ("/engine/conformance/half", test_half);
  g_test_add_func ("/engine/conformance/bf16", test_bf16);
  g_test_add_func ("/engine/conformance/streams", test_streams);
  g_test_add_func ("/engine/conformance/overlap", test_overlap);
  g_test_add_func ("/engine/conformance/cameras", test_cameras);
  g_test_add_func ("/engine/conformance/pictures", test_pictures);
  g_test_add_func ("/engine/conformance/auto", test_auto);
  g_test_add_func ("/engine/conformance/settling", test_settling);
  g_test_add_func ("/engine/conformance/window", test_window);
  g_test_add_func ("/engine/conformance/window-unsettled",
      test_window_unsettled);
  g_test_add_func ("/engine/conformance/pan", test_pan);
  return g_test_run ();
}
