/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * settle.c - a video that stops moving becomes equal to a dense run, bit for
 * bit, within a bounded number of frames and within its budget a frame, and
 * costs nothing afterwards; also when the camera moved on the way, and when
 * settling is switched on late. While something keeps moving, the rest becomes
 * exact too, for a bounded share of the work. Where noise keeps it from ever
 * being done, it stops and waits longer each time. `settled` is said only where
 * it is so.
 *
 *   settle [SEED]
 */
#include <string.h>

#include "cpu.h"
#include "inside.h"
#include "nets.h"
#include "video.h"

#define SEEDS 16
#define NET_H 96
#define NET_W 112
#define BOUND_FRAMES 200

typedef struct Case {
  guint64 seed;
  DcnnModel *model;
  DcnnModelSummary summary;
  DcnnSession *session, *dense;
  TestVideo video;
  DcnnMotion motion;
  guint64 largest_pixel;    /* MACs of the dearest pixel */
} Case;

/* Every third node passes on all it computes. */
static GHashTable *
passing_nodes (DcnnModel *model, guint64 seed)
{
  static const gdouble pass = -1;
  GHashTable *table = g_hash_table_new (g_str_hash, g_str_equal);
  DcnnModelSummary summary;
  DcnnNodeInfo info;

  dcnn_model_get_summary (model, &summary);
  for (guint n = seed % 3; n < summary.n_nodes; n += 3) {
    dcnn_model_get_node (model, n, &info);
    g_hash_table_insert (table, (gpointer) info.name, (gpointer) &pass);
  }
  return table;
}

static void
case_init (Case *c, guint64 seed, DcnnGraph *graph, gboolean settle,
    gfloat budget)
{
  g_autoptr (GHashTable) thresholds = NULL;
  DcnnSessionOptions options;

  memset (c, 0, sizeof *c);
  c->seed = seed;
  c->model = test_model_new (graph);
  dcnn_model_get_summary (c->model, &c->summary);
  test_options_init (&options);
  options.threads = 1 + seed % 2;
  options.tuning.settle = settle;
  options.tuning.settle_budget = budget;
  thresholds = passing_nodes (c->model, seed);
  if (seed % 4 >= 2)
    options.thresholds = thresholds;
  c->session = test_session_new (c->model, &options);
  options.tuning.mode = DCNN_MODE_DENSE;
  c->dense = test_session_new (c->model, &options);
  for (guint n = 0; n < c->session->plan->nodes->len; n++)
    c->largest_pixel = MAX (c->largest_pixel,
        plan_node (c->session->plan, n)->macs_per_pixel);
  test_video_init (&c->video, seed, NET_W, NET_H);
}

static void
case_clear (Case *c)
{
  test_video_clear (&c->video);
  dcnn_session_free (c->session);
  dcnn_session_free (c->dense);
  dcnn_model_unref (c->model);
}

/* One frame; the budget holds whenever nothing but settling was to do. After
 * dear frames that ran dense, one more stores all, whatever changed. */
static void
push (Case *c, DcnnFrameStats *stats)
{
  g_autoptr (GError) error = NULL;
  DcnnFrame frame;

  c->video.origin_x = c->motion.tile_x * (gint) c->summary.tile;
  c->video.origin_y = c->motion.tile_y * (gint) c->summary.tile;
  test_video_draw (&c->video, DCNN_FORMAT_RGB, FALSE, &frame);
  g_assert_true (dcnn_session_push_frame (c->session, 0, &frame, &c->motion,
          &error));
  dcnn_session_get_stats (c->session, 0, stats);
  if (stats->changed_share == 0 && !stats->dense && stats->macs_done >
      c->session->tuning.settle_budget * stats->macs_dense + c->largest_pixel)
    test_fail (c->model, c->seed,
        "%" G_GUINT64_FORMAT " MACs of %" G_GUINT64_FORMAT " in a frame "
        "without changes", stats->macs_done, stats->macs_dense);
}

static void
run_moving (Case *c, guint frames)
{
  DcnnFrameStats stats;

  for (guint f = 0; f < frames && !g_test_failed (); f++) {
    test_video_move (&c->video);
    push (c, &stats);
  }
}

/* Still frames until settled. */
static void
run_still (Case *c)
{
  DcnnFrameStats stats;
  guint f = 0;

  do
    push (c, &stats);
  while (!stats.settled && ++f < BOUND_FRAMES);
  if (!stats.settled)
    test_fail (c->model, c->seed, "not settled after %u still frames",
        BOUND_FRAMES);
  for (guint i = 0; i < 3; i++) {
    push (c, &stats);
    if (stats.macs_done != 0 || !stats.settled)
      test_fail (c->model, c->seed,
          "%" G_GUINT64_FORMAT " MACs after settling", stats.macs_done);
  }
}

/* Outputs equal a dense run on the frame; whole, or where the window's border
 * does not reach. */
static void
compare (Case *c, gboolean whole)
{
  g_autofree TestInside *inside = test_inside_new (c->session->plan);
  const DcnnPlan *plan = c->session->plan;
  DcnnFrame frame;

  test_video_draw (&c->video, DCNN_FORMAT_RGB, FALSE, &frame);
  test_push_frame (c->dense, 0, &frame);
  for (guint i = 0; i < plan->graph->outputs->len && !g_test_failed (); i++) {
    const DcnnTensor *a = &dcnn_session_get_output (c->session, 0, i)->tensor;
    const DcnnTensor *b = &dcnn_session_get_output (c->dense, 0, i)->tensor;
    const TestInside *in = &inside[plan->values[g_array_index (
            plan->graph->outputs, DcnnValueId, i)].map];
    gint h = (gint) a->dims[2], w = (gint) a->dims[3];
    for (gint p = 0; p < dcnn_tensor_count (a) && !g_test_failed (); p++) {
      gint y = p / w % h, x = p % w;
      gboolean look = whole || (y >= in->y0 && y < in->y1 && x >= in->x0 &&
          x < in->x1);
      if (look && ((gfloat *) a->data)[p] != ((gfloat *) b->data)[p])
        test_fail (c->model, c->seed,
            "output %u y %d x %d: %g, dense %g", i, y, x,
            ((gfloat *) a->data)[p], ((gfloat *) b->data)[p]);
    }
  }
}

/* ---- stops, moves, stops -------------------------------------------------------- */

static void
run_plain (guint64 seed)
{
  Case c;

  case_init (&c, seed, test_net_sized (seed, FALSE, seed % 2, NET_H, NET_W),
      TRUE, seed % 3 ? 0.1f : 0.02f);
  for (guint round = 0; round < 3 && !g_test_failed (); round++) {
    run_moving (&c, 20);
    run_still (&c);
    compare (&c, TRUE);
  }
  case_clear (&c);
}

/* A move in the middle of settling only delays it. */
static void
run_interrupted (guint64 seed)
{
  DcnnFrameStats stats;
  Case c;

  case_init (&c, seed, test_net_sized (seed, FALSE, seed % 2, NET_H, NET_W),
      TRUE, 0.02f);
  for (guint round = 0; round < 4 && !g_test_failed (); round++) {
    run_moving (&c, 10);
    for (guint f = 0; f < 10 + round; f++)
      push (&c, &stats);
  }
  run_still (&c);
  compare (&c, TRUE);
  case_clear (&c);
}

/* The camera pans while it settles, to the right and down or to the left and
 * up, past where it began. */
static void
run_panned (guint64 seed)
{
  gint way = seed % 2 ? 1 : -1;
  DcnnFrameStats stats;
  Case c;

  case_init (&c, seed, test_net_sized (seed, FALSE, FALSE, NET_H, NET_W),
      TRUE, 0.02f);
  for (guint round = 0; round < 4 && !g_test_failed (); round++) {
    run_moving (&c, 10);
    for (guint f = 0; f < 9 + round; f++)
      push (&c, &stats);
    c.motion.tile_x += way * (2 - (gint) round % 3);
    c.motion.tile_y += way;
    push (&c, &stats);
  }
  g_assert_cmpint (c.motion.tile_y * way, ==, 4);
  run_still (&c);
  compare (&c, FALSE);
  case_clear (&c);
}

static void
test_seeds (gconstpointer data)
{
  void (*run) (guint64) = (void (*) (guint64)) data;
  guint64 seeds = test_on_cpu () ? SEEDS : 2;

  for (guint64 seed = 1; seed <= seeds && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run (seed);
}

/* ---- corners ----------------------------------------------------------------------- */

/* Switched on after frames that kept no record of what they truncated. */
static void
test_late (void)
{
  DcnnTuning tuning;
  Case c;

  case_init (&c, 3, test_net_sized (3, FALSE, FALSE, NET_H, NET_W), FALSE,
      0.1f);
  run_moving (&c, 20);
  dcnn_session_get_tuning (c.session, &tuning);
  tuning.settle = TRUE;
  g_assert_true (dcnn_session_set_tuning (c.session, &tuning, NULL));
  run_still (&c);
  compare (&c, TRUE);
  case_clear (&c);
}

/* The node with the dearest pixel. */
static guint
dearest (const Case *c)
{
  guint best = 0;

  for (guint n = 0; n < c->session->plan->nodes->len; n++)
    if (plan_node (c->session->plan, n)->macs_per_pixel == c->largest_pixel)
      best = n;
  return best;
}

/* One pixel of a node costs more than the budget of a frame. Nothing gets past
 * the first layer's threshold, so that the node has to wait for settling. */
static void
test_dear_pixel (void)
{
  TestNet net;
  DcnnValueId v, head;
  DcnnTuning tuning;
  DcnnFrameStats stats;
  gboolean waited = FALSE, done = FALSE;
  guint node;
  Case c;

  test_net_begin (&net, 5, FALSE);
  v = test_net_input (&net, 3, NET_H, NET_W);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 8, 3, 2, 1,
          1));
  head = test_net_node (&net, DCNN_OP_GLOBAL_AVERAGE_POOL, NULL, 1, &v, NULL);
  head = test_net_conv (&net, head, 512, 1, 1, 1, 1);
  head = test_net_unary (&net, DCNN_OP_RELU, head);
  head = test_net_conv (&net, head, 1024, 1, 1, 1, 1);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 4, 3, 1, 1, 1));
  dcnn_graph_add_output (net.graph, head);
  case_init (&c, 5, net.graph, TRUE, 0.1f);
  g_assert_cmpfloat (c.largest_pixel, >, c.session->tuning.settle_budget *
      c.summary.macs);
  dcnn_session_get_tuning (c.session, &tuning);
  tuning.threshold = tuning.gate_threshold = 100;
  g_assert_true (dcnn_session_set_tuning (c.session, &tuning, NULL));
  node = dearest (&c);
  run_moving (&c, 20);
  for (guint f = 0; f < BOUND_FRAMES && !done; f++) {
    push (&c, &stats);
    waited |= c.session->streams[0].cpu->nodes[node].pending.any ||
        stats.macs_done >= c.largest_pixel;
    done = stats.settled;
  }
  g_assert_true (waited);
  run_still (&c);
  compare (&c, TRUE);
  case_clear (&c);
}

/* ---- what never ends ------------------------------------------------------ */

/* The rule by itself. */
static void
test_ends (void)
{
  DcnnSettling s = { .now = DCNN_SETTLING_ALL, .stale = TRUE,
    .wait = DCNN_SETTLE_INTERVAL };

  /* goes on, as long as it has cost little */
  s.spent = 3000;
  dcnn_settling_ends (&s, 1000, TRUE);
  g_assert_cmpint (s.now, ==, DCNN_SETTLING_ALL);
  g_assert_cmpuint (s.wait, ==, DCNN_SETTLE_INTERVAL);
  /* stops without being done, and waits twice as long; but not for ever */
  for (guint wait = 2 * DCNN_SETTLE_INTERVAL; wait <= 8192; wait *= 2) {
    s.now = DCNN_SETTLING_ALL;
    s.spent = 3001;
    dcnn_settling_ends (&s, 1000, TRUE);
    g_assert_cmpint (s.now, ==, DCNN_SETTLING_NOTHING);
    g_assert_true (s.stale);
    g_assert_cmpuint (s.wait, ==, MIN (wait, 4096));
  }
  /* a band ends with its frame, whatever waits elsewhere */
  s.now = DCNN_SETTLING_BAND;
  dcnn_settling_ends (&s, 1000, FALSE);
  g_assert_cmpint (s.now, ==, DCNN_SETTLING_NOTHING);
  g_assert_true (s.stale);
  g_assert_cmpuint (s.wait, ==, 4096);
  /* done */
  s.now = DCNN_SETTLING_ALL;
  dcnn_settling_ends (&s, 1000, FALSE);
  g_assert_cmpint (s.now, ==, DCNN_SETTLING_NOTHING);
  g_assert_false (s.stale);
  g_assert_cmpuint (s.wait, ==, DCNN_SETTLE_INTERVAL);
}

/* When spreads are measured. */
static void
test_spreads_due (void)
{
  DcnnSettling s = { .spread_frames = 7 };
  DcnnTuning tuning = { .mode = DCNN_MODE_AUTO };
  guint due[8], n = 0;

  for (guint f = 0; f < 600; f++) {
    /* cuts: too early, and not */
    if (dcnn_spreads_due (&s, &tuning, f == 0, f == 60 || f == 300))
      due[n++] = f;
    g_assert_cmpuint (n, <, G_N_ELEMENTS (due));
  }
  g_assert_cmpuint (n, ==, 6);
  for (guint i = 0; i < 6; i++)
    g_assert_cmpuint (due[i], ==, ((guint[]) { 0, 16, 128, 300, 316,
                428 })[i]);
  tuning.mode = DCNN_MODE_DENSE;
  g_assert_false (dcnn_spreads_due (&s, &tuning, TRUE, FALSE));
  g_assert_cmpuint (s.spread_frames, ==, 0);
  tuning.mode = DCNN_MODE_AUTO;
  tuning.criterion = DCNN_CRITERION_MAX; /* divides by none */
  g_assert_false (dcnn_spreads_due (&s, &tuning, TRUE, FALSE));
  tuning.criterion = DCNN_CRITERION_INFLUENCE;
  g_assert_true (dcnn_spreads_due (&s, &tuning, FALSE, FALSE));
}

/* A spot that flickers for ever, too small to be a moving scene, with a budget
 * that never catches up: settling gives up after three frames' worth, then
 * tries again more and more seldom; a scene that moves makes it forget. */
static void
test_backs_off (void)
{
  g_autofree guint8 *rgb = g_malloc (NET_H * NET_W * 3);
  guint settling = 0, starts = 0, settled = 0, frames = 3000;
  guint64 settled_macs = 0, state = 3;
  gboolean before = FALSE;
  DcnnFrameStats stats;
  DcnnTuning tuning;
  DcnnStream *stream;
  Case c;

  case_init (&c, 8, test_net_sized (8, FALSE, FALSE, NET_H, NET_W), TRUE,
      0.02f);
  stream = &c.session->streams[0];
  dcnn_session_get_tuning (c.session, &tuning);
  tuning.dilation = 0;
  g_assert_true (dcnn_session_set_tuning (c.session, &tuning, NULL));
  for (guint f = 0; f < frames; f++) {
    DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = NET_W,
      .height = NET_H, .planes = { rgb }, .strides = { NET_W * 3 } };
    for (guint i = 0; i < NET_H * NET_W * 3; i++)
      rgb[i] = (guint8) (i * 7919 >> 4);
    for (guint i = 0; i < 8; i++)
      memset (rgb + ((8 + 10 * i) * NET_W + 12 * i) * 3,
          (int) test_random (&state, 200), 3);
    test_push_frame (c.session, 0, &frame);
    dcnn_session_get_stats (c.session, 0, &stats);
    settling += stream->cpu->settling.now == DCNN_SETTLING_ALL;
    starts += stream->cpu->settling.now == DCNN_SETTLING_ALL && !before;
    before = stream->cpu->settling.now == DCNN_SETTLING_ALL;
    settled_macs += stream->cpu->settled_macs;
    settled += stats.settled;
  }
  g_test_message ("%u starts, %u frames of %u, wait %u, settled %u, %g dense",
      starts, settling, frames, stream->cpu->settling.wait, settled,
      (gdouble) settled_macs / c.summary.macs);
  /* 3 frames' worth each, at 64 + 128 + 256 ... frames from one another */
  g_assert_cmpuint (starts, >=, 2);
  g_assert_cmpuint (starts, <=, 7);
  g_assert_cmpfloat (settled_macs, <=, starts * 3.1 * c.summary.macs);
  g_assert_cmpuint (stream->cpu->settling.wait, >, 4 * DCNN_SETTLE_INTERVAL);
  run_moving (&c, 3);
  g_assert_cmpuint (stream->cpu->settling.wait, ==, DCNN_SETTLE_INTERVAL);
  case_clear (&c);
}

/* Whoever says it is settled has a dense run's outputs, in whatever order the
 * scene moves, rests and is cut. */
static void
run_truth (guint64 seed)
{
  guint64 state = seed + 5;
  guint said = 0;
  DcnnFrameStats stats;
  Case c;

  case_init (&c, seed, test_net_sized (seed, FALSE, seed % 2, NET_H, NET_W),
      TRUE, 0.1f);
  for (guint round = 0; round < 12 && !g_test_failed (); round++) {
    guint moving = test_random (&state, 3), still = test_random (&state, 40);
    for (guint f = 0; f < moving + still && !g_test_failed (); f++) {
      if (f < moving)
        test_video_move (&c.video);
      push (&c, &stats);
      if (!stats.settled)
        continue;
      compare (&c, TRUE);
      said++;
    }
  }
  if (said == 0)
    test_fail (c.model, c.seed, "never settled");
  case_clear (&c);
}

/* A picture of 96x112 that is brighter by less than the input threshold from
 * the second frame on, with a square at the top left that changes always. */
static void
draw_busy (guint8 *rgb, guint f)
{
  for (guint y = 0; y < NET_H; y++)
    for (guint x = 0; x < NET_W; x++)
      memset (rgb + (y * NET_W + x) * 3, y < 12 && x < 12 ? f % 7 * 36 :
          60 + (int) (x * y % 50) + (f > 0 ? 6 : 0), 3);
}

static DcnnSession *
busy_session (DcnnModel *model, gfloat refresh, DcnnMode mode)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = 1;
  options.tuning.refresh = refresh;
  options.tuning.mode = mode;
  return test_session_new (model, &options);
}

static guint64
push_busy (DcnnSession *session, guint8 *rgb)
{
  DcnnFrameStats stats;
  DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = NET_W,
    .height = NET_H, .planes = { rgb }, .strides = { NET_W * 3 } };

  test_push_frame (session, 0, &frame);
  dcnn_session_get_stats (session, 0, &stats);
  return stats.macs_done;
}

/* Largest difference where the square does not reach. */
static gdouble
far_difference (DcnnSession *a, DcnnSession *b)
{
  const DcnnTensor *p = &dcnn_session_get_output (a, 0, 0)->tensor;
  const DcnnTensor *q = &dcnn_session_get_output (b, 0, 0)->tensor;
  gdouble largest = 0;

  for (gint i = 0; i < dcnn_tensor_count (p); i++)
    if (i % NET_W >= 24 || i / NET_W % NET_H >= 24)
      largest = test_further (largest, ((gfloat *) p->data)[i],
          ((gfloat *) q->data)[i]);
  return largest;
}

static void
test_busy (void)
{
  TestNet net;
  DcnnValueId v;
  DcnnModel *model;
  DcnnSession *refreshed, *left, *dense;
  g_autofree guint8 *rgb = g_malloc (NET_H * NET_W * 3);
  guint64 work = 0, without = 0;

  test_net_begin (&net, 7, FALSE);
  v = test_net_input (&net, 3, NET_H, NET_W);
  for (guint i = 0; i < 3; i++)
    v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 8, 3, 1, 1,
            1));
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 4, 3, 1, 1, 1));
  model = test_model_new (net.graph);
  refreshed = busy_session (model, 0.2f, DCNN_MODE_SPARSE);
  left = busy_session (model, 0, DCNN_MODE_SPARSE);
  dense = busy_session (model, 0, DCNN_MODE_DENSE);
  for (guint f = 0; f < 3000; f++) {
    guint64 now, then;
    draw_busy (rgb, f);
    now = push_busy (refreshed, rgb);
    then = push_busy (left, rgb);
    work += f > 0 ? now : 0;
    without += f > 0 ? then : 0;
  }
  push_busy (dense, rgb);
  g_assert_cmpfloat (far_difference (refreshed, dense), ==, 0);
  g_assert_cmpfloat (far_difference (left, dense), >, 0.001f);
  g_assert_cmpuint (work, <=, without + without / 5);
  dcnn_session_free (refreshed);
  dcnn_session_free (left);
  dcnn_session_free (dense);
  dcnn_model_unref (model);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_data_func ("/engine/settle/plain", (gconstpointer) run_plain,
      test_seeds);
  g_test_add_data_func ("/engine/settle/interrupted",
      (gconstpointer) run_interrupted, test_seeds);
  g_test_add_data_func ("/engine/settle/panned", (gconstpointer) run_panned,
      test_seeds);
  g_test_add_data_func ("/engine/settle/truth", (gconstpointer) run_truth,
      test_seeds);
  g_test_add_func ("/engine/settle/ends", test_ends);
  g_test_add_func ("/engine/settle/spreads-due", test_spreads_due);
  g_test_add_func ("/engine/settle/late", test_late);
  if (test_on_cpu ()) { /* they look into it, or take thousands of frames */
    g_test_add_func ("/engine/settle/backs-off", test_backs_off);
    g_test_add_func ("/engine/settle/dear-pixel", test_dear_pixel);
    g_test_add_func ("/engine/settle/busy", test_busy);
  }
  return g_test_run ();
}
