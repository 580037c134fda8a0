/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * criterion.c - the criterion "influence": exact at threshold 0; blind to
 * channels of no influence, until settling; monotone; nrms where nothing is
 * known; what options it refuses; and the price of a pixel worked out by hand.
 * Its judgement on thresholds above 0 is in delta_form.c.
 *
 *   criterion [SEED]
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

#define SEEDS 24
#define FRAMES 10

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, DcnnCriterion criterion,
    gfloat threshold, GHashTable *influence)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = 2;
  options.influence = influence;
  options.tuning.mode = mode;
  options.tuning.criterion = criterion;
  options.tuning.threshold = threshold;
  options.tuning.gate_threshold = threshold;
  options.tuning.settle = FALSE;
  return test_session_new (model, &options);
}

/* Both sessions over a random video: the same outputs, bit for bit. */
static void
compare (DcnnModel *model, DcnnSession *a, DcnnSession *b, guint64 seed)
{
  guint64 video = seed + 70;
  DcnnTensor frame;

  frame = test_frame_new (model, &video, FALSE);
  for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
    test_push (a, &frame);
    test_push (b, &frame);
    if (!test_same_outputs (a, 0, b)) {
      g_test_message ("frame %u differs; rerun: engine-criterion %"
          G_GUINT64_FORMAT, f, seed);
      g_test_fail ();
    }
    test_video_step (&video, &frame, FALSE);
  }
  dcnn_tensor_free (&frame);
}

static void
test_exact (void)
{
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++) {
    g_autoptr (DcnnModel) model = NULL;
    g_autoptr (DcnnSession) sparse = NULL, dense = NULL;
    g_autoptr (GHashTable) influence = NULL;
    guint64 state = seed;
    if (!test_seed_runs (seed))
      continue;
    model = test_model_new (test_net_random (seed, FALSE, FALSE, TRUE));
    influence = test_random_influence (model, &state);
    sparse = new_session (model, seed % 2 ? DCNN_MODE_SPARSE : DCNN_MODE_AUTO,
        DCNN_CRITERION_INFLUENCE, 0, influence);
    dense = new_session (model, DCNN_MODE_DENSE, DCNN_CRITERION_INFLUENCE, 0,
        influence);
    compare (model, sparse, dense, seed);
  }
}

/* Nodes without an influence go by nrms. */
static void
test_unknown (void)
{
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++) {
    g_autoptr (DcnnModel) model = NULL;
    g_autoptr (DcnnSession) a = NULL, b = NULL;
    if (!test_seed_runs (seed))
      continue;
    model = test_model_new (test_net_random (seed, FALSE, FALSE, TRUE));
    a = new_session (model, DCNN_MODE_SPARSE, DCNN_CRITERION_INFLUENCE, 0.2f,
        NULL);
    b = new_session (model, DCNN_MODE_SPARSE, DCNN_CRITERION_NRMS, 0.2f, NULL);
    compare (model, a, b, seed);
  }
}

/* ---- channels ---------------------------------------------------------------- */

/* The picture's channels handed on one by one, then a convolution. */
static DcnnModel *
three_channels (void)
{
  const DcnnNode *node;
  TestNet net;
  DcnnValueId v;
  gfloat *weights;

  test_net_begin (&net, 3, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 16, 24), 3, 1, 1, 1, 1);
  node = dcnn_graph_node (net.graph,
      dcnn_graph_value (net.graph, v)->producer);
  weights = dcnn_graph_value (net.graph, node->inputs[1])->tensor.data;
  for (guint i = 0; i < 9; i++)
    weights[i] = i % 4 == 0;
  v = test_net_unary (&net, DCNN_OP_SIGMOID, v);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 5, 3, 1, 1, 1));
  return test_model_new (net.graph);
}

static void
give (GHashTable *table, const char *name, guint n, const gfloat *values)
{
  GArray *array = g_array_new (FALSE, FALSE, sizeof (gfloat));

  g_array_append_vals (array, values, n);
  g_hash_table_replace (table, g_strdup (name), array);
}

static void
free_array (gpointer array)
{
  g_array_unref (array);
}

static GHashTable *
new_table (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_array);
}

static void
push_picture (DcnnSession *session, const guint8 *rgb)
{
  DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = 24, .height = 16,
    .planes = { rgb }, .strides = { 24 * 3 } };

  test_push_frame (session, 0, &frame);
}

/* Large changes of a channel that bears on nothing do not join; a still scene
 * mends them all the same. Small ones of another channel do. */
static void
test_no_influence (void)
{
  static const gfloat values[3] = { 1, 0, 1 };
  g_autoptr (DcnnModel) model = three_channels ();
  g_autoptr (GHashTable) influence = new_table ();
  g_autoptr (DcnnSession) session = NULL, dense = NULL;
  guint8 rgb[16 * 24 * 3];
  const DcnnOutput *out;
  DcnnFrameStats stats;
  DcnnTuning tuning;
  guint64 state = 5;

  give (influence, plan_node (model->plan, 0)->name, 3, values);
  session = new_session (model, DCNN_MODE_SPARSE, DCNN_CRITERION_INFLUENCE,
      1e-3f, influence);
  dense = new_session (model, DCNN_MODE_DENSE, DCNN_CRITERION_NRMS, 0, NULL);
  dcnn_session_get_tuning (session, &tuning);
  tuning.settle = TRUE;
  tuning.input_threshold = 0.01f;
  g_assert_true (dcnn_session_set_tuning (session, &tuning, NULL));
  for (guint i = 0; i < sizeof rgb; i++)
    rgb[i] = (guint8) test_random (&state, 100);
  push_picture (session, rgb);
  for (guint i = 1; i < sizeof rgb; i += 9)
    rgb[i] += 150;
  push_picture (session, rgb);
  push_picture (dense, rgb);
  out = dcnn_session_get_output (session, 0, 0);
  dcnn_session_get_stats (session, 0, &stats);
  g_assert_cmpfloat (stats.changed_share, >, 0.3);
  g_assert_false (out->changed);
  g_assert_false (test_same_outputs (session, 0, dense));
  for (guint f = 0; f < 200; f++) {
    push_picture (session, rgb);
    dcnn_session_get_stats (session, 0, &stats);
    if (stats.settled)
      break;
  }
  g_assert_true (stats.settled);
  g_assert_true (test_same_outputs (session, 0, dense));
  rgb[3 * (5 * 24 + 7)] += 20;
  push_picture (session, rgb);
  push_picture (dense, rgb);
  g_assert_true (out->changed);
  g_assert_true (test_same_outputs (session, 0, dense));
}

/* The first node's update mask of one changed frame. */
static guint
joined (DcnnModel *model, GHashTable *influence, gfloat threshold,
    guint64 seed, guint8 *mask)
{
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_SPARSE,
      DCNN_CRITERION_INFLUENCE, threshold, influence);
  const PlanMap *map =
      plan_map (model->plan, plan_node (model->plan, 0)->out);
  g_autofree guint64 *words = g_new0 (guint64, dcnn_mask_words (map->width,
          map->height));
  g_autoptr (GError) error = NULL;
  guint64 video = seed;
  DcnnMask told;
  DcnnTensor frame;
  guint n = 0;

  frame = test_frame_new (model, &video, FALSE);
  test_push (session, &frame);
  for (gint64 i = 0; i < dcnn_tensor_count (&frame); i++)
    ((gfloat *) frame.data)[i] += 0.1f * test_random_value (&video, FALSE) *
        test_random_value (&video, FALSE);
  test_push (session, &frame);
  dcnn_mask_init (&told, map->width, map->height, words);
  g_assert_true (dcnn_session_probe (session, 0, plan_node (model->plan,
              0)->out, NULL, &told, &error));
  for (guint i = 0; i < map->width * map->height; i++) {
    mask[i] = dcnn_mask_get (&told, i / map->width, i % map->width);
    n += mask[i];
  }
  dcnn_tensor_free (&frame);
  return n;
}

/* What joins at a larger threshold joins at a smaller one. */
static void
test_monotone (void)
{
  guint some = 0;

  for (guint64 seed = 1; seed <= SEEDS; seed++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (seed, FALSE,
            FALSE, 32, 48), &error);
    g_autoptr (GHashTable) influence = NULL;
    guint8 mask[2][32 * 48] = { { 0 } };
    guint64 state = seed;
    g_assert_no_error (error);
    influence = test_random_influence (model, &state);
    for (guint k = 0; k < 8; k++) {
      guint n = joined (model, influence, 0.004f * (gfloat) (1 << k), seed,
          mask[k % 2]);
      some += n > 0 && n < 16 * 24;
      for (guint i = 0; k && i < G_N_ELEMENTS (mask[0]); i++)
        g_assert_cmpuint (mask[k % 2][i], <=, mask[1 - k % 2][i]);
    }
  }
  g_assert_cmpuint (some, >, SEEDS);
}

/* ---- options ------------------------------------------------------------------- */

static void
assert_refused (DcnnModel *model, const char *name, guint n, gfloat value,
    const char *word)
{
  static const char *const devices[] = { "cpu", "null" };

  for (guint d = 0; d < G_N_ELEMENTS (devices); d++) {
    g_autoptr (GHashTable) influence = new_table ();
    g_autoptr (GError) error = NULL;
    gfloat values[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    DcnnSessionOptions options;
    values[n - 1] = value;
    give (influence, name, n, values);
    test_options_init (&options);
    options.device = devices[d];
    options.influence = influence;
    g_assert_null (dcnn_session_new (model, &options, &error));
    g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, name));
    g_assert_nonnull (strstr (error->message, word));
  }
}

static void
test_options (void)
{
  static const gfloat zeros[8] = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (2, FALSE,
          FALSE, 32, 48), &error);
  g_autoptr (GHashTable) good = new_table ();
  g_autoptr (DcnnSession) session = NULL;
  DcnnNodeInfo info;

  g_assert_no_error (error);
  dcnn_model_get_node (model, 0, &info);
  g_assert_cmpuint (info.channels, ==, 8);
  assert_refused (model, "nobody", 8, 1, "no node");
  assert_refused (model, info.name, 7, 1, "channels");
  assert_refused (model, info.name, 9, 1, "channels");
  assert_refused (model, info.name, 8, -1e-6f, "negative");
  assert_refused (model, info.name, 8, NAN, "finite");
  assert_refused (model, info.name, 8, INFINITY, "finite");
  give (good, info.name, 8, zeros);
  session = new_session (model, DCNN_MODE_AUTO, DCNN_CRITERION_INFLUENCE, 0.1f,
      good);
}

/* ---- price ------------------------------------------------------------------------ */

/* Of the candidates that a joined pixel makes, the share that joins. */
#define JOINS_ON 0.7
#define INPUT_SIDE 8.0 /* pixels: no map is larger */

static guint
node_named (const DcnnPlan *plan, const char *name)
{
  guint n = 0;

  while (strcmp (plan_node (plan, n)->name, name) != 0)
    g_assert_cmpuint (++n, <, plan->nodes->len);
  return n;
}

static DcnnValueId
layer (TestNet *net, DcnnValueId v, gint channels, gint stride)
{
  return test_net_unary (net, DCNN_OP_RELU, test_net_conv (net, v, channels, 1,
          stride, 1, 1));
}

static void
assert_price (DcnnModel *model, const TestNet *net, DcnnValueId v,
    gdouble want)
{
  const DcnnPlan *plan = model->plan;
  guint n = node_named (plan, dcnn_graph_value (net->graph, v)->name);
  g_autofree gdouble *price = g_new0 (gdouble, plan->nodes->len);
  g_autofree gdouble *limits = g_new0 (gdouble, plan->nodes->len);
  gdouble side = INPUT_SIDE / plan_map (plan, plan_node (plan, n)->out)->width;

  dcnn_plan_price (plan, price);
  dcnn_plan_limits (plan, limits);
  g_assert_cmpfloat_with_epsilon (price[n], want, 1e-12);
  /* the root of the area that a pixel covers */
  g_assert_cmpfloat_with_epsilon (limits[n], want * side, 1e-12);
}

/* A reader costs its multiplications a pixel, or four for each channel that
 * it writes, for as many pixels as it has for one of the map's; and what its
 * joined pixels cost. A pixel costs its channels at least. */
static void
test_price_chain (void)
{
  /* channels 3 10 12 at 8x8 pixels, 12 8 2 4 at 4x4 */
  static const gdouble macs = 64 * (30 + 120) + 16 * (96 + 16 + 8);
  g_autoptr (DcnnModel) model = NULL;
  DcnnValueId a, b, c, d, e;
  gdouble of_e, of_d, of_c, of_b;
  TestNet net;

  test_net_begin (&net, 1, FALSE);
  a = layer (&net, test_net_input (&net, 3, 8, 8), 10, 1);
  b = layer (&net, a, 12, 1);
  c = layer (&net, b, 8, 2);
  d = layer (&net, c, 2, 1);
  e = layer (&net, d, 4, 1);
  dcnn_graph_add_output (net.graph, e);
  model = test_model_new (net.graph);
  g_assert_cmpuint (model->plan->macs, ==, macs);
  of_e = 4 / macs; /* nobody reads it */
  of_d = 16 / macs + JOINS_ON * of_e; /* to write 4 channels: more than 8 */
  of_c = 16 / macs + JOINS_ON * of_d;
  of_b = (96 / macs + JOINS_ON * of_c) / 4; /* one pixel in four is read */
  assert_price (model, &net, e, of_e);
  assert_price (model, &net, d, of_d);
  assert_price (model, &net, c, of_c);
  assert_price (model, &net, b, of_b);
  assert_price (model, &net, a, 120 / macs + JOINS_ON * of_b);
}

/* Readers through a residual, a concatenation and a split count, each once. */
static void
test_price_readers (void)
{
  DcnnParams p = { .slice = { { 0, 3 }, { 1, 1, 1, 1 }, { 1, 4, 8, 8 } } };
  static const gdouble macs = 64 * (15 + 25 + 25 + 70 + 24);
  g_autoptr (DcnnModel) model = NULL;
  DcnnValueId a, b, c, d, e, part;
  gdouble of_e, of_d, of_c, of_b, of_a;
  TestNet net;

  test_net_begin (&net, 1, FALSE);
  a = layer (&net, test_net_input (&net, 3, 8, 8), 5, 1);
  b = layer (&net, a, 5, 1);
  c = test_net_binary (&net, DCNN_OP_ADD, test_net_conv (&net, b, 5, 1, 1, 1,
          1), a);
  d = layer (&net, test_net_concat (&net, b, c), 7, 1);
  part = test_net_node (&net, DCNN_OP_SLICE, &p, 1, &d, NULL);
  e = layer (&net, part, 6, 1);
  dcnn_graph_add_output (net.graph, e);
  model = test_model_new (net.graph);
  g_assert_cmpuint (model->plan->macs, ==, macs);
  of_e = 6 / macs;
  of_d = 24 / macs + JOINS_ON * of_e;
  of_c = 70 / macs + JOINS_ON * of_d;
  of_b = 25 / macs + JOINS_ON * of_c + 70 / macs + JOINS_ON * of_d;
  of_a = 25 / macs + JOINS_ON * of_b + 25 / macs + JOINS_ON * of_c;
  assert_price (model, &net, e, of_e);
  assert_price (model, &net, d, of_d);
  assert_price (model, &net, c, of_c);
  assert_price (model, &net, b, of_b);
  assert_price (model, &net, a, of_a);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/criterion/exact", test_exact);
  g_test_add_func ("/engine/criterion/unknown", test_unknown);
  g_test_add_func ("/engine/criterion/no-influence", test_no_influence);
  g_test_add_func ("/engine/criterion/monotone", test_monotone);
  g_test_add_func ("/engine/criterion/options", test_options);
  g_test_add_func ("/engine/criterion/price-chain", test_price_chain);
  g_test_add_func ("/engine/criterion/price-readers", test_price_readers);
  return g_test_run ();
}
