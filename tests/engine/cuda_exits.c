/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_exits.c - a frame that ends where nothing has changed any more: changes of
 * all sizes through graphs that have an exit and through one that has none, which
 * must have the same maps, masks, counts and tensors. On a GPU, or an emulated one
 * (engine-emulated-cuda_exits).
 *
 *   cuda_exits [SEED]
 */
#include <string.h>

#include "cuda.h"
#include "cuda_calls.h"
#include "nets.h"

#define FRAMES 36
#define SEEDS 4
#define SIZE 32

/* Residual blocks, each of which makes changes smaller; a pooling that scales a
 * map, and outputs from both ends. */
static DcnnGraph *
make_net (guint64 seed)
{
  TestNet net;
  DcnnValueId v, w, first;

  test_net_begin (&net, seed, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, SIZE, SIZE), 16, 3, 1, 1,
      1);
  first = test_net_conv (&net, v, 8, 1, 1, 1, 1);
  for (gint i = 0; i < 4; i++) {
    w = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 16, 3, 1, 1,
            1));
    w = test_net_conv (&net, w, 16, 3, 1, 1, 1);
    if (i == 2 && seed % 2)
      w = test_net_binary (&net, DCNN_OP_MUL, w, test_net_unary (&net,
              DCNN_OP_SIGMOID, test_net_conv (&net, test_net_unary (&net,
                      DCNN_OP_GLOBAL_AVERAGE_POOL, w), 16, 1, 1, 1, 1)));
    v = test_net_unary (&net, DCNN_OP_SIGMOID, test_net_binary (&net,
            DCNN_OP_ADD, w, v));
  }
  dcnn_graph_add_output (net.graph, first);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 8, 1, 1, 1, 1));
  return net.graph;
}

static DcnnSession *
new_session (guint64 seed, const char *exits)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (make_net (seed), &error);
  DcnnSessionOptions options;
  DcnnSession *session;

  g_assert_no_error (error);
  test_options_init (&options);
  options.device = "cuda";
  options.threads = 1;
  options.streams = 2;
  options.tuning = (DcnnTuning) { .mode = DCNN_MODE_SPARSE,
    .threshold = 0.05f, .settle = seed % 2 == 0, .settle_budget = 0.5f };
  g_setenv ("DELTACNN_CUDA_EXITS", exits, TRUE);
  session = dcnn_session_new (model, &options, &error);
  g_unsetenv ("DELTACNN_CUDA_EXITS");
  g_assert_no_error (error);
  return session;
}

/* Some pixels become other ones, by more or by less; later on for a while by
 * little. */
static void
change (DcnnTensor *frame, guint64 *state, guint f)
{
  static const gfloat sizes[] = { 2, 0.02f, 0.02f, 0.1f, 0, 0.3f, 0.02f, 0.05f, 1 };
  guint at = (f * 7) % (SIZE - 4);
  gfloat size = f > 22 && f < 33 ? 0.01f : sizes[f % G_N_ELEMENTS (sizes)];

  for (guint c = 0; c < 3; c++)
    for (guint y = at; y < at + 3; y++)
      for (guint x = at; x < at + 3; x++)
        ((gfloat *) frame->data)[(c * SIZE + y) * SIZE + x] +=
            size * test_random_value (state, FALSE);
}

static void
compare_maps (DcnnSession *a, DcnnSession *b, guint s, const char *what)
{
  for (guint m = 0; m < a->plan->maps->len; m++) {
    const PlanMap *map = plan_map (a->plan, (gint) m);
    gsize n = (gsize) map->width * map->height * map->channels;
    gsize words = dcnn_mask_words (map->width, map->height);
    g_autofree gfloat *v = g_new0 (gfloat, 2 * n);
    g_autofree guint64 *bits = g_new0 (guint64, 2 * words);
    for (guint i = 0; i < 2 && !map->constant; i++) {
      DcnnMask mask;
      dcnn_mask_init (&mask, map->width, map->height, bits + i * words);
      g_assert_true (dcnn_session_probe (i ? b : a, s, (gint) m, v + i * n,
              &mask, NULL));
    }
    if (memcmp (v, v + n, n * sizeof (gfloat)) != 0 ||
        memcmp (bits, bits + words, words * sizeof *bits) != 0) {
      g_test_message ("%s: map %u of node %d differs", what, m, map->source);
      g_test_fail ();
      return;
    }
  }
}

static void
compare_counts (DcnnSession *a, DcnnSession *b, guint s)
{
  for (guint n = 0; n < a->plan->nodes->len; n++) {
    const DcnnNodeStats *x = &a->streams[s].nodes[n].stats;
    const DcnnNodeStats *y = &b->streams[s].nodes[n].stats;
    g_assert_cmpfloat (x->candidates, ==, y->candidates);
    g_assert_cmpfloat (x->joined, ==, y->joined);
  }
  g_assert_cmpint (a->streams[s].stats.settled, ==, b->streams[s].stats.settled);
}

static void
compare_outputs (DcnnSession *a, DcnnSession *b, guint s, const char *what)
{
  for (guint i = 0; i < 2; i++) {
    const DcnnOutput *x = dcnn_session_get_output (a, s, i);
    const DcnnOutput *y = dcnn_session_get_output (b, s, i);
    gsize bytes = (gsize) dcnn_tensor_count (&x->tensor) * sizeof (gfloat);
    g_assert_cmpint (x->changed, ==, y->changed);
    if (memcmp (x->tensor.data, y->tensor.data, bytes) != 0) {
      g_test_message ("%s: output %u differs", what, i);
      g_test_fail ();
    }
  }
}

/* forced: each exit in turn; else the one that the frames before ask for. */
static void
run_seed (guint64 seed, gboolean forced)
{
  g_autoptr (DcnnSession) whole = new_session (seed, "0");
  g_autoptr (DcnnSession) other = new_session (seed, "2");
  CudaState *state = cuda_state (other);
  guint64 random = seed + 5, seen[2] = { 0, 0 };
  DcnnTensor frame = test_frame_new (other->model, &random, FALSE);

  g_assert_cmpuint (state->n_exits, >=, 4);
  g_assert_cmpuint (cuda_state (whole)->n_exits, ==, 0);
  for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
    g_autofree char *what = g_strdup_printf ("seed %" G_GUINT64_FORMAT
        " frame %u; rerun: engine-cuda_exits %" G_GUINT64_FORMAT, seed, f, seed);
    guint s = f % 5 == 4;
    if (f > 1 && (f < 9 || f > 22)) /* between these it settles */
      change (&frame, &random, f);
    g_assert_true (dcnn_session_push_tensors (whole, s, &frame, 0, NULL, NULL));
    if (forced)
      state->switches.level = (gint) (state->n_levels - 1 -
          f % state->n_exits);
    g_assert_true (dcnn_session_push_tensors (other, s, &frame, 0, NULL, NULL));
    if (!state->idle && state->levels[state->level].exit > 0)
      seen[state->host_counters[cuda_counter (other, CUDA_RAN)]] |=
          1u << state->level;
    compare_counts (whole, other, s);
    if (f % 3)
      compare_outputs (whole, other, s, what);
    compare_maps (whole, other, s, what);
  }
  g_test_message ("seed %" G_GUINT64_FORMAT ": %u exits; levels that ended %"
      G_GINT64_MODIFIER "x, that did not %" G_GINT64_MODIFIER "x", seed,
      state->n_exits, seen[0], seen[1]);
  g_assert_cmpint (__builtin_popcountll (seen[0]), >=, forced ? 3 : 1);
  if (forced)
    g_assert_cmpint (__builtin_popcountll (seen[1]), >=, 3);
  dcnn_tensor_free (&frame);
}

static void
test_exits (gconstpointer forced)
{
  if (!cuda_calls_real ()) {
    g_test_skip ("no GPU: launches do nothing");
    return;
  }
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_seed (seed, forced != NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_unsetenv ("DELTACNN_DEVICE");
  g_setenv ("DELTACNN_CUDA_WHOLE", "0", TRUE);
  g_test_add_data_func ("/engine/cuda-exits/forced", "", test_exits);
  g_test_add_data_func ("/engine/cuda-exits/chosen", NULL, test_exits);
  return g_test_run ();
}
