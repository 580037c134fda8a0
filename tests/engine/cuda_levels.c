/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_levels.c - a frame's graphs on a GPU: which one is launched follows from
 * the work; lists that are made beside a node have no launch of their own; and the bits are those of
 * the one graph with a launch a node. On a GPU, or an emulated one
 * (engine-emulated-cuda_levels).
 *
 *   cuda_levels [SEED]
 */
#include <string.h>

#include "cuda.h"
#include "cuda_calls.h"
#include "nets.h"

#define FRAMES 7
#define SEEDS 5
#define RESIDUAL 5           /* seeds from here on are residual blocks */

/* A batch norm and a Relu. */
static DcnnValueId
normalised (TestNet *net, DcnnValueId v, gint channels)
{
  DcnnParams norm = { .norm = { .epsilon = 1e-5 } };
  DcnnValueId in[5] = { v };
  gint64 c[1] = { channels };

  for (guint i = 1; i < 5; i++)
    in[i] = test_net_constant (net, 1, c);
  in[4] = test_net_unary (net, DCNN_OP_ABS, in[4]);
  return test_net_unary (net, DCNN_OP_RELU, test_net_node (net,
          DCNN_OP_BATCH_NORM, &norm, 5, in, NULL));
}

/* Layers as DenseNet has them: normalisation, ReLU, 1x1, 3x3, all kept. */
static DcnnValueId
layer_dense (TestNet *net, DcnnValueId v, gint channels)
{
  DcnnParams axis = { .axis = { .axis = 1 } };
  DcnnValueId two[2] = { v };

  two[1] = test_net_unary (net, DCNN_OP_RELU, test_net_conv (net, normalised (net, v,
              channels), 24, 1, 1, 1, 1));
  two[1] = test_net_conv (net, two[1], 16, 3, 1, 1, 1);
  return test_net_node (net, DCNN_OP_CONCAT, &axis, 2, two, NULL);
}

/* Layers of as many channels as DenseNet's: what is normalised goes to a 1x1 kernel that
 * passes on (its output to a 3x3 kernel), that judges (an output of the net), and that has
 * k in parts; and, which is not folded, to a 3x3 kernel and to two readers. */
static DcnnGraph *
norms_net (guint64 seed)
{
  DcnnParams axis = { .axis = { .axis = 1 } };
  TestNet net;
  DcnnValueId v, two[2];

  test_net_begin (&net, seed, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 24, 40), 40, 3, 1, 1, 1);
  for (gint i = 0; i < 3; i++) {
    two[0] = v;
    two[1] = test_net_conv (&net, normalised (&net, v, 40 + 20 * i), i == 1 ? 128 : 72,
        1, 1, 1, 1);
    two[1] = test_net_conv (&net, test_net_unary (&net, DCNN_OP_RELU, two[1]), 20, 3,
        1, 1, 1);
    v = test_net_node (&net, DCNN_OP_CONCAT, &axis, 2, two, NULL);
  }
  dcnn_graph_add_output (net.graph, test_net_conv (&net, normalised (&net, v, 100), 40,
          1, 1, 1, 1));
  dcnn_graph_add_output (net.graph, test_net_conv (&net, normalised (&net, v, 100), 8,
          3, 1, 1, 1));
  two[0] = normalised (&net, v, 100);
  for (gint i = 0; i < 2; i++)
    dcnn_graph_add_output (net.graph, test_net_conv (&net, two[0], 40, 1, 1, 1, 1));
  two[0] = v;
  two[1] = test_net_conv (&net, v, 676, 1, 1, 1, 1);
  v = test_net_node (&net, DCNN_OP_CONCAT, &axis, 2, two, NULL);
  v = test_net_conv (&net, normalised (&net, v, 776), 64, 1, 1, 1, 1);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 8, 3, 1, 1, 1));
  return net.graph;
}
#define NORMS_FOLDED 5
#define NORMS 7

/* A residual block of two 3x3 convolutions. */
static DcnnValueId
layer_basic (TestNet *net, DcnnValueId v)
{
  DcnnValueId a = test_net_unary (net, DCNN_OP_RELU, test_net_conv (net, v, 16,
          3, 1, 1, 1));

  return test_net_unary (net, DCNN_OP_RELU, test_net_binary (net, DCNN_OP_ADD,
          test_net_conv (net, a, 16, 3, 1, 1, 1), v));
}

/* Twice the size, of which whole maps have no kernel. */
static DcnnValueId
enlarged (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .conv = { .window = { 2, { 2, 2 }, { 2, 2 }, { 1, 1 },
        { 0, 0 }, { 0, 0 } }, .groups = 1 } };
  gint64 w[4] = { 64, 16, 2, 2 }, b[1] = { 16 };
  DcnnValueId inputs[3] = { v };

  inputs[1] = test_net_constant (net, 4, w);
  inputs[2] = test_net_constant (net, 1, b);
  return test_net_node (net, DCNN_OP_CONV_TRANSPOSE, &p, 3, inputs, NULL);
}

/* Channels of which 32 or 64 are a whole part, as whole maps want them: windows
 * of three kinds, a residual block, and a 1x1 kernel of 40 channels; beside them
 * a node that goes by a list, made when others' could be. */
static DcnnGraph *
wide_net (guint64 seed)
{
  TestNet net;
  DcnnValueId v, two[2];

  test_net_begin (&net, seed, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 40, 48), 32, 3, 1, 1, 1);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 64, 3, 2, 1,
          1));
  dcnn_graph_add_output (net.graph, enlarged (&net, v));
  for (gint i = 0; i < 3; i++)
    dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 32, 3, 1, 1 + i,
            1));
  two[0] = v;
  two[1] = test_net_conv (&net, test_net_conv (&net, v, 96, 1, 1, 1, 1), 64, 3,
      1, 2, 1);
  v = test_net_node (&net, DCNN_OP_ADD, NULL, 2, two, NULL);
  v = test_net_conv (&net, v, 40, 1, 1, 1, 1);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 160, 1, 1, 1,
          1));
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 8, 3, 1, 1, 1));
  return net.graph;
}

static DcnnGraph *
make_net (guint64 seed, gboolean wide)
{
  TestNet net;
  DcnnValueId v;

  if (wide)
    return wide_net (seed);
  if (seed % 2 && seed < RESIDUAL)
    return test_net_sized (seed, FALSE, FALSE, 32, 32);
  test_net_begin (&net, seed, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 32, 32), 16, 3, 1, 1, 1);
  for (gint i = 0; i < 3; i++)
    v = seed < RESIDUAL ? layer_dense (&net, v, 16 + 16 * i) :
        layer_basic (&net, v);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 8, 1, 1, 1, 1));
  return net.graph;
}

static void
set (const char *name, const char *value)
{
  if (value)
    g_setenv (name, value, TRUE);
  else
    g_unsetenv (name);
}

/* With a model of its own. */
static DcnnSession *
session_of (DcnnGraph *graph, guint streams, gboolean store_all)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (graph, &error);
  DcnnSessionOptions options;
  DcnnSession *session;

  g_assert_no_error (error);
  test_options_init (&options);
  options.device = "cuda";
  options.threads = 1;
  options.streams = streams;
  options.store_all = store_all;
  options.tuning = (DcnnTuning) { .mode = DCNN_MODE_SPARSE,
    .threshold = 0.02f };
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  return session;
}

/* Without whole maps. */
static DcnnSession *
new_session (guint64 seed, gboolean early, gboolean wide, guint *launches)
{
  DcnnSession *session;
  guint before = cuda_calls_launches ();

  set ("DELTACNN_CUDA_EARLY", early ? NULL : "0");
  set ("DELTACNN_CUDA_EXITS", "0"); /* they have a test of their own */
  session = session_of (make_net (seed, wide), wide ? 1 : 2, TRUE);
  *launches = cuda_calls_launches () - before;
  set ("DELTACNN_CUDA_EARLY", NULL);
  set ("DELTACNN_CUDA_EXITS", NULL);
  return session;
}

/* Both streams, of which the second one begins later. */
static void
push (DcnnSession *session, const DcnnTensor *frame, guint f)
{
  g_autoptr (GError) error = NULL;

  for (guint s = 0; s < (f < 3 ? 1 : 2); s++) {
    g_assert_true (dcnn_session_push_tensors (session, s, frame, 0, NULL,
            &error));
    g_assert_no_error (error);
  }
}

/* Whether what a map holds is stored. */
static gboolean
is_kept (const DcnnSession *session, const PlanMap *map)
{
  return map->source < 0 || !cuda_state (session)->folded[map->source];
}

static void
compare (DcnnSession *a, DcnnSession *b, guint64 seed, guint f,
    const char *what)
{
  for (guint s = 0; s < (f < 3 ? 1 : 2); s++)
    for (guint m = 0; m < a->plan->maps->len && !g_test_failed (); m++) {
      const PlanMap *map = plan_map (a->plan, (gint) m);
      gsize n = (gsize) map->width * map->height * map->channels;
      gsize words = dcnn_mask_words (map->width, map->height);
      g_autofree gfloat *v = g_new0 (gfloat, 2 * n);
      g_autofree guint64 *bits = g_new0 (guint64, 2 * words);
      DcnnMask masks[2];
      if (map->constant)
        continue;
      for (guint i = 0; i < 2; i++) {
        DcnnSession *session = i ? b : a;
        dcnn_mask_init (&masks[i], map->width, map->height, bits + i * words);
        g_assert_true (dcnn_session_probe (session, s, (gint) m, is_kept (a, map) &&
                is_kept (b, map) ? v + i * n : NULL, &masks[i], NULL));
      }
      if (memcmp (v, v + n, n * sizeof (gfloat)) == 0 &&
          memcmp (bits, bits + words, words * sizeof *bits) == 0)
        continue;
      g_test_message ("%s: frame %u stream %u map %u (of node %d) has other "
          "bits or another mask; rerun: engine-cuda_levels %" G_GUINT64_FORMAT, what, f, s, m,
          map->source, seed);
      g_test_fail ();
    }
}

static guint
count_early (const DcnnSession *session)
{
  const CudaState *state = cuda_state (session);
  guint n = 0;

  for (guint i = 0; i < session->plan->nodes->len; i++)
    n += state->early_list[i] >= 0;
  return n;
}

/* Frames of little and of much change, through sessions of every kind. Returns bits of
 * the levels that were taken, where there are several. */
static guint
run_seed (guint64 seed, gboolean early)
{
  guint plain_launches, launches, seen = 0;
  g_autoptr (DcnnSession) plain = new_session (seed, FALSE, FALSE,
      &plain_launches);
  g_autoptr (DcnnSession) other = new_session (seed, early, FALSE, &launches);
  const char *what = early ? "early lists" : "lists first";
  CudaState *state = cuda_state (other);
  guint64 video = seed + 11;
  DcnnTensor frame = test_frame_new (other->model, &video, FALSE);

  g_assert_cmpuint (cuda_state (plain)->n_levels, ==, 1);
  /* lists without a launch of their own, which bfloat16s have none of */
  if (early && seed % 2 && seed < RESIDUAL && !state->bf16)
    g_assert_cmpuint (launches, <, state->n_levels * plain_launches);
  for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
    push (plain, &frame, f);
    push (other, &frame, f);
    seen |= 1u << state->level;
    if (f == 0 && state->n_levels > 1)
      g_assert_cmpuint (state->level, >, 0); /* a dense frame */
    compare (plain, other, seed, f, what);
    if (f != 4)
      test_video_step (&video, &frame, FALSE);
    for (gint64 i = 0; f == 4 && i < dcnn_tensor_count (&frame); i++)
      ((gfloat *) frame.data)[i] = test_random_value (&video, FALSE);
  }
  g_test_message ("seed %" G_GUINT64_FORMAT " %s: %u early, %u launches for %u, "
      "levels seen %x of %u", seed, what, count_early (other), launches,
      state->n_levels * plain_launches, seen, state->n_levels);
  dcnn_tensor_free (&frame);
  return state->n_levels > 1 ? seen : 0;
}

static gboolean
no_device (void)
{
  if (cuda_calls_real ())
    return FALSE;
  g_test_skip ("no GPU: launches do nothing");
  return TRUE;
}

/* Little work is seen too, of some net or other. */
static void
run_seeds (guint64 first, guint64 last, gboolean early)
{
  guint seen = 0;

  for (guint64 seed = first; seed <= last && !no_device (); seed++)
    if (test_seed_runs (seed))
      seen |= run_seed (seed, early);
  if (seen)
    g_assert_cmpuint (seen & 1, ==, 1);
}

static void
test_early (void)
{
  run_seeds (1, SEEDS, TRUE);
}

/* What is dense in all streams runs whole maps, and stores the same bits. */
static void
test_whole (void)
{
  for (guint64 seed = 1; seed <= 3 && !no_device (); seed++) {
    guint launches, whole = 0;
    guint64 video = seed + 11;
    g_autoptr (DcnnSession) plain = NULL, other = NULL;
    const CudaState *state;
    DcnnTensor frame;
    if (!test_seed_runs (seed))
      continue;
    plain = new_session (seed, FALSE, TRUE, &launches);
    set ("DELTACNN_CUDA_WHOLE", NULL);
    other = new_session (seed, FALSE, TRUE, &launches);
    set ("DELTACNN_CUDA_WHOLE", "0");
    state = cuda_state (other);
    if (!state->device.whole_maps) {
      g_test_skip ("no GPU of compute capability 9.0");
      return;
    }
    frame = test_frame_new (other->model, &video, FALSE);
    for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
      push (plain, &frame, f % 3);
      push (other, &frame, f % 3);
      whole += state->levels[state->level].whole;
      compare (plain, other, seed, f % 3, "whole maps");
      if (f == 4)
        dcnn_session_reset (other, 0), dcnn_session_reset (plain, 0);
      test_video_step (&video, &frame, FALSE);
    }
    g_assert_cmpuint (whole, >=, 2);
    g_assert_cmpuint (whole, <, FRAMES);
    dcnn_tensor_free (&frame);
  }
}

/* A session whose convolutions can go by squares, in whichever level, or all by longer
 * lists. */
static DcnnSession *
new_other (guint64 seed, gboolean wide, const char *way)
{
  DcnnSession *session;
  guint launches;

  set (way, "1");
  session = new_session (seed, FALSE, wide, &launches);
  set (way, "0");
  return session;
}

/* Nodes that go by longer lists in the level at hand. */
static guint
count_long (const DcnnSession *session)
{
  guint n_long = 0;

  for (guint n = 0; n < session->plan->nodes->len; n++)
    n_long += dcnn_cuda_runs_long (session, n);
  return n_long;
}

/* Both ways of a convolution store the same, join the same and keep the same back:
 * thresholds cut through what is added up over a pixel's channels. */
static void
compare_ways (const char *way, gboolean squares)
{
  for (guint64 seed = 1; seed <= 6 && !no_device (); seed++) {
    gboolean wide = seed % 2;
    guint launches, taken = 0;
    guint64 video = seed + 17;
    g_autoptr (DcnnSession) plain = NULL, other = NULL;
    CudaState *state;
    DcnnTensor frame;
    if (!test_seed_runs (seed))
      continue;
    plain = new_session (seed, FALSE, wide, &launches);
    other = new_other (seed, wide, way);
    state = cuda_state (other);
    if (!state->device.whole_maps) {
      g_test_skip ("no GPU of compute capability 9.0");
      return;
    }
    frame = test_frame_new (other->model, &video, FALSE);
    for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
      push (plain, &frame, wide ? f % 3 : f);
      state->switches.level = squares;
      push (other, &frame, wide ? f % 3 : f);
      taken += squares ? state->levels[state->level].squares :
          count_long (other) > 0;
      compare (plain, other, seed, wide ? f % 3 : f, way);
      test_video_step (&video, &frame, FALSE);
    }
    g_assert_cmpuint (taken, ==, FRAMES);
    dcnn_tensor_free (&frame);
  }
}

static void
test_squares (void)
{
  compare_ways ("DELTACNN_CUDA_SQUARES", TRUE);
}

static void
test_long (void)
{
  compare_ways ("DELTACNN_CUDA_LONG", FALSE);
}

/* Norms that are computed as they are read have neither a map nor a launch, and change
 * no bit: by the kernels of lists, wide tiles, longer lists, squares and whole maps, and
 * as an old GPU has them. */
static void
compare_folded (guint64 seed, const char *way, const char *value)
{
  gboolean one = g_strcmp0 (way, "DELTACNN_CUDA_WHOLE") == 0; /* stream */
  g_autoptr (DcnnSession) plain = NULL, other = NULL;
  guint64 video = seed + 23;
  guint launches[2], before = cuda_calls_launches ();
  guint folded = 0, norms = 0, whole = 0;
  DcnnTensor frame;

  set (way, value);
  plain = session_of (norms_net (seed), one ? 1 : 2, TRUE);
  launches[0] = cuda_calls_launches () - before;
  other = session_of (norms_net (seed), one ? 1 : 2, FALSE);
  launches[1] = cuda_calls_launches () - before - launches[0];
  for (guint n = 0; n < other->plan->nodes->len; n++) {
    const PlanNode *node = plan_node (other->plan, (gint) n);
    norms += node->kind == PLAN_KERNEL && node->primary == DCNN_PRIMARY_COPY;
    folded += cuda_state (other)->folded[n];
    g_assert_false (cuda_state (plain)->folded[n]);
    if (cuda_state (other)->folded[n])
      g_assert_null (cuda_state (other)->buffers[plan_map (other->plan,
                  node->out)->buffer]);
  }
  g_assert_cmpuint (norms, ==, NORMS);
  g_assert_cmpuint (folded, ==, test_precision () == DCNN_PRECISION_F32 ? 0 :
      NORMS_FOLDED);
  g_assert_cmpuint (launches[1] + folded * cuda_state (other)->n_levels, <=,
      launches[0]);
  frame = test_frame_new (other->model, &video, FALSE);
  for (guint f = 0; f < FRAMES && !g_test_failed () && cuda_calls_real (); f++) {
    cuda_state (plain)->switches.level = cuda_state (other)->switches.level =
        g_strcmp0 (way, "DELTACNN_CUDA_SQUARES") == 0 ? 1 : -1;
    push (plain, &frame, one ? f % 3 : f);
    push (other, &frame, one ? f % 3 : f);
    compare (plain, other, seed, one ? f % 3 : f, way);
    whole += cuda_state (other)->levels[cuda_state (other)->level].whole;
    if (f == 4)
      dcnn_session_reset (other, 0), dcnn_session_reset (plain, 0);
    test_video_step (&video, &frame, FALSE);
  }
  if (one && cuda_calls_real () && cuda_state (other)->device.whole_maps)
    g_assert_cmpuint (whole, >=, folded > 0 ? 2 : 0);
  dcnn_tensor_free (&frame);
  set (way, g_strcmp0 (way, "DELTACNN_CUDA_WIDE") == 0 ||
      g_strcmp0 (way, "DELTACNN_CUDA_SMALL") == 0 ? NULL : "0");
}

static void
test_folds (void)
{
  static const char *ways[][2] = { { "DELTACNN_CUDA_WIDE", NULL },
    { "DELTACNN_CUDA_WIDE", "1" }, { "DELTACNN_CUDA_SMALL", "99" },
    { "DELTACNN_CUDA_LONG", "1" }, { "DELTACNN_CUDA_SQUARES", "1" },
    { "DELTACNN_CUDA_WHOLE", NULL } };

  for (guint w = 0; w < G_N_ELEMENTS (ways); w++)
    for (guint64 seed = 1; seed <= 2; seed++)
      if (test_seed_runs (seed))
        compare_folded (seed, ways[w][0], ways[w][1]);
}

/* As many streams of small maps as make lists that are expected to be longer ones. */
#define MANY_STREAMS 80
#define SHORT_FRAMES 20

static DcnnSession *
new_many (gboolean by_length)
{
  DcnnSession *session;
  TestNet net;
  DcnnValueId v;

  test_net_begin (&net, 7, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 12, 12), 32, 3, 1, 1, 1);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 96, 1, 1, 1,
          1));
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 8, 3, 1, 1, 1));
  set ("DELTACNN_CUDA_LONG", by_length ? NULL : "0");
  set ("DELTACNN_CUDA_EXITS", by_length ? "1" : "0");
  session = session_of (net.graph, MANY_STREAMS, TRUE);
  set ("DELTACNN_CUDA_LONG", "0");
  set ("DELTACNN_CUDA_EXITS", NULL);
  return session;
}

/* Lists that turn out to be short go by the list kernel from the next look on, with a
 * graph made anew; longer ones come back; what lies between both stays. The bits are
 * those of the list kernel. */
static void
test_lengths (void)
{
  guint64 video = 23;
  g_autoptr (DcnnSession) plain = NULL, other = NULL;
  CudaState *state;
  DcnnTensor frame;

  if (no_device ())
    return;
  plain = new_many (FALSE);
  other = new_many (TRUE);
  state = cuda_state (other);
  if (!state->device.whole_maps) {
    g_test_skip ("no GPU of compute capability 9.0");
    return;
  }
  g_assert_cmpuint (count_long (plain), ==, 0);
  g_assert_cmpuint (count_long (other), ==, 1);
  if (DCNN_CUDA_PARTS && !state->switches.times)
    g_assert_cmpuint (state->n_exits, >, 0);
  frame = test_frame_new (other->model, &video, FALSE);
  for (guint f = 0; f < 4 * SHORT_FRAMES && !g_test_failed (); f++) {
    push (plain, &frame, 0);
    push (other, &frame, 0);
    compare (plain, other, 7, 0, "lengths");
    test_video_step (&video, &frame, FALSE);
    for (guint l = 0; l < state->n_lists; l++) /* what is between, then longer */
      if (f >= SHORT_FRAMES)
        state->listed[l] = f < 3 * SHORT_FRAMES ? 1500 : 3000;
    if (f == 14)
      g_assert_cmpuint (count_long (other), ==, 1);
    if (f == SHORT_FRAMES - 1 || f == 3 * SHORT_FRAMES - 1)
      g_assert_cmpuint (count_long (other), ==, 0);
  }
  g_assert_cmpuint (count_long (other), ==, 1);
  g_assert_cmpuint (state->lengths, ==, 2);
  g_assert_cmpuint (state->levels[state->level].lengths, ==, 2);
  dcnn_tensor_free (&frame);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_unsetenv ("DELTACNN_DEVICE");
  set ("DELTACNN_CUDA_WHOLE", "0");
  set ("DELTACNN_CUDA_SQUARES", "0");
  set ("DELTACNN_CUDA_LONG", "0");
  g_test_add_func ("/engine/cuda-levels/early", test_early);
  g_test_add_func ("/engine/cuda-levels/whole", test_whole);
  g_test_add_func ("/engine/cuda-levels/squares", test_squares);
  g_test_add_func ("/engine/cuda-levels/long", test_long);
  g_test_add_func ("/engine/cuda-levels/folds", test_folds);
  g_test_add_func ("/engine/cuda-levels/lengths", test_lengths);
  return g_test_run ();
}
