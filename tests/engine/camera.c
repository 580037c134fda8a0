/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * camera.c - frames of a camera that moves over a large picture, sampled
 * through their matrices. At threshold 0 and in integer data, what has its
 * receptive field in view or had it since the window is there equals a dense
 * run on what the window holds: to and fro, near and far, with no reset.
 *
 *   camera [SEED]
 *
 * The device is what DELTACNN_TEST_DEVICE names, or the cpu.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "dcnn_homography.h"
#include "inside.h"
#include "nets.h"

#define SEEDS 16

typedef struct Case {
  guint64 seed, state;
  DcnnModel *model;
  DcnnSession *sparse, *dense;
  gint tile, width, height; /* of the window */
  gint top;                 /* bars above and below a letterboxed frame */
  gint canvas_w, canvas_h;
  guint8 *canvas, *frame, *held; /* what the window holds */
  gboolean *valid;          /* [height][width]: held is the canvas's */
  gint y, x;                /* where the camera looks */
  gint window_y, window_x;
  TestInside *inside;
  guint64 compared;
} Case;

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, guint64 seed, DcnnFit fit)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.tuning.mode = mode;
  options.tuning.threshold = options.tuning.gate_threshold = 0;
  options.tuning.input_threshold = 0;
  options.tuning.dilation = 0;
  options.tuning.settle = FALSE;
  options.threads = 1 + seed % 2;
  options.fit = fit;
  for (guint c = 0; c < 3; c++) {
    options.scale[c] = 1;
    options.fill[c] = 0;
  }
  return test_session_new (model, &options);
}

static void
case_init (Case *c, guint64 seed, DcnnGraph *graph, gint top)
{
  DcnnModelSummary summary;

  memset (c, 0, sizeof *c);
  c->seed = seed;
  c->state = seed + 7;
  c->model = test_model_new (graph);
  dcnn_model_get_summary (c->model, &summary);
  c->tile = (gint) summary.tile;
  c->width = (gint) summary.input_width;
  c->height = (gint) summary.input_height;
  g_assert_cmpint (c->tile, >, 0);
  c->top = top;
  c->sparse = new_session (c->model, seed % 2 ? DCNN_MODE_SPARSE :
      DCNN_MODE_AUTO, seed, top ? DCNN_FIT_LETTERBOX : DCNN_FIT_STRETCH);
  c->dense = new_session (c->model, DCNN_MODE_DENSE, seed, DCNN_FIT_STRETCH);
  c->canvas_w = 211;
  c->canvas_h = 187;
  c->canvas = g_malloc (3 * (gsize) c->canvas_w * c->canvas_h);
  for (gint i = 0; i < 3 * c->canvas_w * c->canvas_h; i++)
    c->canvas[i] = (guint8) test_random (&c->state, 4);
  c->frame = g_malloc (3 * (gsize) c->width * c->height);
  c->held = g_malloc0 (3 * (gsize) c->width * c->height);
  c->valid = g_new0 (gboolean, c->width * c->height);
  c->inside = test_inside_new (c->sparse->plan);
}

static void
case_clear (Case *c)
{
  dcnn_session_free (c->sparse);
  dcnn_session_free (c->dense);
  dcnn_model_unref (c->model);
  g_free (c->canvas);
  g_free (c->frame);
  g_free (c->held);
  g_free (c->valid);
  g_free (c->inside);
}

static const guint8 *
canvas_at (const Case *c, gint y, gint x)
{
  y = (y % c->canvas_h + c->canvas_h) % c->canvas_h;
  x = (x % c->canvas_w + c->canvas_w) % c->canvas_w;
  return c->canvas + 3 * (y * c->canvas_w + x);
}

static DcnnFrame
rgb_frame (const guint8 *data, gint width, gint height)
{
  return (DcnnFrame) { .format = DCNN_FORMAT_RGB, .width = (guint32) width,
    .height = (guint32) height, .planes = { data }, .strides = { 3 * width } };
}

static void
set_shift (DcnnMotion *motion, gdouble x, gdouble y)
{
  *motion = (DcnnMotion) { .matrix = { 1, 0, x, 0, 1, y, 0, 0, 1 },
    .place = TRUE };
}

/* The window has moved: what it holds moves with it. */
static void
move_held (Case *c, gint y, gint x)
{
  gsize n = (gsize) c->width * c->height;
  g_autofree guint8 *held = g_memdup2 (c->held, 3 * n);
  g_autofree gboolean *valid = g_memdup2 (c->valid, n * sizeof *valid);

  for (gint v = 0; v < c->height; v++)
    for (gint u = 0; u < c->width; u++) {
      gint from_v = v + y - c->window_y, from_u = u + x - c->window_x;
      gboolean in = from_v >= 0 && from_v < c->height && from_u >= 0 &&
          from_u < c->width;
      c->valid[v * c->width + u] = in && valid[from_v * c->width + from_u];
      if (in)
        memcpy (c->held + 3 * (v * c->width + u),
            held + 3 * (from_v * c->width + from_u), 3);
    }
  c->window_y = y;
  c->window_x = x;
}

/* Takes a frame where the camera looks, and brings up to date what the window
 * should hold. */
static void
look (Case *c)
{
  g_autoptr (GError) error = NULL;
  gint height = c->height - 2 * c->top;
  DcnnFrame frame = rgb_frame (c->frame, c->width, height);
  DcnnMotion motion;
  gdouble x, y, w, h;

  set_shift (&motion, c->x, c->y);
  for (gint v = 0; v < height; v++)
    for (gint u = 0; u < c->width; u++)
      memcpy (c->frame + 3 * (v * c->width + u), canvas_at (c, c->y + v,
              c->x + u), 3);
  g_assert_true (dcnn_session_push_frame (c->sparse, 0, &frame, &motion,
          &error));
  g_assert_no_error (error);
  dcnn_session_get_window (c->sparse, 0, &x, &y, &w, &h);
  g_assert_cmpfloat (w, ==, c->width);
  g_assert_cmpfloat (h, ==, c->height);
  move_held (c, (gint) y, (gint) x);
  for (gint v = 0; v < c->height; v++)
    for (gint u = 0; u < c->width; u++) {
      gint at_y = c->window_y + v, at_x = c->window_x + u;
      if (at_y < c->y || at_y >= c->y + height || at_x < c->x ||
          at_x >= c->x + c->width)
        continue;
      c->valid[v * c->width + u] = TRUE;
      memcpy (c->held + 3 * (v * c->width + u), canvas_at (c, at_y, at_x), 3);
    }
}

static gint
output_map (const Case *c, guint i)
{
  const DcnnPlan *plan = c->sparse->plan;

  return plan->values[g_array_index (plan->graph->outputs, DcnnValueId,
          i)].map;
}

/* Whether all that a pixel of a map sees is valid; what it sees moves on by
 * whole tiles where the net narrows and widens. */
static gboolean
all_seen (const Case *c, const PlanMap *m, const TestInside *in, gint y,
    gint x)
{
  gint sy = (gint) m->stride_y, sx = (gint) m->stride_x;
  gint y0 = (y - in->y0) * sy - c->tile, x0 = (x - in->x0) * sx - c->tile;
  gint y1 = (y + 1 + (gint) m->height - in->y1) * sy + c->tile;
  gint x1 = (x + 1 + (gint) m->width - in->x1) * sx + c->tile;

  for (gint v = MAX (y0, 0); v < MIN (y1, c->height); v++)
    for (gint u = MAX (x0, 0); u < MIN (x1, c->width); u++)
      if (!c->valid[v * c->width + u])
        return FALSE;
  return TRUE;
}

static void
compare_output (Case *c, guint i)
{
  const DcnnTensor *out = &dcnn_session_get_output (c->sparse, 0, i)->tensor;
  const DcnnTensor *want = &dcnn_session_get_output (c->dense, 0, i)->tensor;
  const PlanMap *m = plan_map (c->sparse->plan, output_map (c, i));
  const TestInside *in = &c->inside[output_map (c, i)];
  const gfloat *p = out->data, *q = want->data;

  for (gint y = in->y0; y < in->y1; y++)
    for (gint x = in->x0; x < in->x1; x++) {
      if (!all_seen (c, m, in, y, x))
        continue;
      for (gint64 k = 0; k < out->dims[1]; k++) {
        gint64 at = (k * out->dims[2] + y) * out->dims[3] + x;
        c->compared++;
        if (p[at] == q[at])
          continue;
        g_test_message ("output %u channel %d y %d x %d: %g, dense %g; window "
            "at %d %d, camera at %d %d; rerun: engine-camera %"
            G_GUINT64_FORMAT, i, (gint) k, y, x, p[at], q[at], c->window_y,
            c->window_x, c->y, c->x, c->seed);
        g_test_fail ();
        return;
      }
    }
}

/* Against a dense run on what the window holds. */
static void
compare (Case *c)
{
  DcnnFrame frame = rgb_frame (c->held, c->width, c->height);

  test_push_frame (c->dense, 0, &frame);
  for (guint i = 0; i < c->sparse->plan->graph->outputs->len; i++)
    compare_output (c, i);
}

/* ---- random paths --------------------------------------------------------------- */

static void
random_step (Case *c)
{
  switch (test_random (&c->state, 10)) {
    case 0:
      break;
    case 1: /* far, perhaps out of sight */
      c->y += (gint) test_random (&c->state, (guint) (3 * c->height)) -
          3 * c->height / 2;
      c->x += (gint) test_random (&c->state, (guint) (3 * c->width)) -
          3 * c->width / 2;
      break;
    case 2:
      c->y = c->x = 0;
      break;
    default:
      c->y += (gint) test_random (&c->state, 13) - 6;
      c->x += (gint) test_random (&c->state, 25) - 12;
  }
}

static void
change_canvas (Case *c)
{
  gint y = (gint) test_random (&c->state, (guint) c->canvas_h - 9);
  gint x = (gint) test_random (&c->state, (guint) c->canvas_w - 9);

  for (gint i = 0; i < 9; i++)
    for (gint k = 0; k < 27; k++)
      c->canvas[3 * ((y + i) * c->canvas_w + x) + k] =
          (guint8) test_random (&c->state, 4);
}

static guint64
walk (Case *c, guint frames)
{
  for (guint f = 0; f < frames && !g_test_failed (); f++) {
    look (c);
    compare (c);
    change_canvas (c);
    random_step (c);
  }
  return c->compared;
}

static void
test_walk (void)
{
  guint64 compared = 0;

  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++) {
    gint h = 16 * (4 + seed % 3), w = 16 * (4 + seed / 4 % 4);
    Case c;
    if (!test_seed_runs (seed))
      continue;
    case_init (&c, seed, test_net_sized (seed, TRUE, FALSE, h, w),
        seed % 3 ? 0 : 5);
    compared += walk (&c, 24);
    case_clear (&c);
  }
  g_test_message ("%" G_GUINT64_FORMAT " values", compared);
  if (test_seed_runs (0))
    g_assert_cmpuint (compared, >, 200000);
}

/* ---- their hard cases -------------------------------------------------------------- */

static DcnnGraph *
pooling_net (guint64 seed, gint h, gint w)
{
  DcnnParams p = { .pool = { .window = { 2, { 3, 3 }, { 2, 2 }, { 1, 1 },
        { 1, 1 }, { 1, 1 } } } };
  TestNet net;
  DcnnValueId v;

  test_net_begin (&net, seed, TRUE);
  v = test_net_input (&net, 3, h, w);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 9, 3, 1, 1,
          1));
  v = test_net_node (&net, DCNN_OP_MAX_POOL, &p, 1, &v, NULL);
  v = test_net_conv (&net, v, 5, 3, 1, 1, 1);
  dcnn_graph_add_output (net.graph, v);
  return net.graph;
}

/* Max pooling beside tiles that have just come in. */
static void
test_max_pooling (void)
{
  for (guint64 seed = 1; seed <= 8 && !g_test_failed (); seed++) {
    Case c;
    if (!test_seed_runs (seed))
      continue;
    case_init (&c, seed, pooling_net (seed, 48, 64), 0);
    g_assert_cmpint (c.tile, ==, 2);
    g_assert_cmpuint (walk (&c, 40), >, 20000);
    case_clear (&c);
  }
}

/* Figure 3 of MotionDeltaCNN: the window moves right by one tile; the column
 * that is newly unveiled, and its neighbours on both sides of the seam, are
 * those of one convolution over the fused picture. */
static void
test_unveiled_column (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) large = dcnn_model_new (pooling_net (3, 48, 80),
      &error);
  g_autoptr (DcnnSession) whole = NULL;
  g_autofree guint8 *fused = g_malloc (3 * 80 * 48);
  DcnnFrame frame = rgb_frame (fused, 80, 48);
  const DcnnTensor *out, *want;
  const gfloat *p, *q;
  Case c;

  g_assert_no_error (error);
  case_init (&c, 3, pooling_net (3, 48, 64), 0);
  whole = new_session (large, DCNN_MODE_DENSE, 1, DCNN_FIT_STRETCH);
  for (gint y = 0; y < 48; y++)
    for (gint x = 0; x < 80; x++)
      memcpy (fused + 3 * (y * 80 + x), canvas_at (&c, y, x), 3);
  test_push_frame (whole, 0, &frame);
  want = &dcnn_session_get_output (whole, 0, 0)->tensor;
  q = want->data;
  for (gint step = 0; step <= 4; step++) {
    c.x = 2 * step;
    look (&c);
    g_assert_cmpint (c.window_x, ==, c.x);
    out = &dcnn_session_get_output (c.sparse, 0, 0)->tensor;
    p = out->data;
    /* all but the columns that see past the leading edge */
    for (gint64 k = 0; k < out->dims[1]; k++)
      for (gint y = 0; y < 24; y++)
        for (gint x = 0; x < 32 - 2; x++)
          g_assert_cmpfloat (p[(k * 24 + y) * 32 + x], ==,
              q[(k * 24 + y) * 40 + x + step]);
  }
  case_clear (&c);
}

/* There and back: no frame but the first runs dense, no more is new than the
 * tiles that come in, whichever way it goes, and all is right. */
static void
test_reversal (void)
{
  DcnnFrameStats stats;
  gint before = 0;
  Case c;

  case_init (&c, 5, test_net_sized (5, TRUE, FALSE, 64, 96), 0);
  for (gint f = 0; f < 90 && !g_test_failed (); f++) {
    c.x = 7 * (f % 30 < 15 ? f % 30 : 30 - f % 30);
    look (&c);
    dcnn_session_get_stats (c.sparse, 0, &stats);
    g_assert_cmpint (stats.dense, ==, f == 0);
    if (f)
      g_assert_cmpfloat (stats.changed_share * c.width, <=, ABS (c.window_x -
              before) + c.tile);
    before = c.window_x;
    compare (&c);
  }
  g_assert_cmpuint (c.compared, >, 10000);
  case_clear (&c);
}

static void
test_thousand_tiles (void)
{
  gsize bytes;
  Case c;

  case_init (&c, 4, pooling_net (4, 32, 32), 0);
  look (&c);
  bytes = dcnn_session_get_bytes (c.sparse);
  for (gint f = 0; f < 700 && !g_test_failed (); f++) {
    c.x += 3;
    c.y -= f % 2;
    look (&c);
    if (f % 20 == 0)
      compare (&c);
  }
  g_assert_cmpint (c.window_x / c.tile, >=, 1000);
  g_assert_cmpuint (dcnn_session_get_bytes (c.sparse), ==, bytes);
  g_assert_cmpuint (c.compared, >, 5000);
  case_clear (&c);
}

/* ---- jitter -------------------------------------------------------------------------- */

#define JITTER_TILE 16

static DcnnGraph *
coarse_net (guint64 seed, gint h, gint w)
{
  TestNet net;
  DcnnValueId v;

  test_net_begin (&net, seed, TRUE);
  v = test_net_input (&net, 3, h, w);
  for (gint stride = 1; stride < JITTER_TILE; stride *= 2)
    v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 5, 3, 2, 1,
            1));
  dcnn_graph_add_output (net.graph, v);
  return net.graph;
}

static guint
n_valid (const Case *c)
{
  guint n = 0;

  for (gint i = 0; i < c->width * c->height; i++)
    n += c->valid[i];
  return n;
}

/* A camera that shakes around where it stands, by up to `reach` pixels each way:
 * how often the window moves. While it does not, nothing is new but what the
 * camera had not shown yet. */
static guint
shake (Case *c, gint x, gint y, gint reach)
{
  DcnnFrameStats stats;
  guint moves = 0;

  for (gint f = 0; f < 12; f++) {
    const gint window_x = c->window_x, window_y = c->window_y;
    const guint seen = n_valid (c);
    c->x = x + (gint) test_random (&c->state, (guint) (2 * reach + 1)) - reach;
    c->y = y + (gint) test_random (&c->state, (guint) (2 * reach + 1)) - reach;
    look (c);
    dcnn_session_get_stats (c->sparse, 0, &stats);
    g_assert_cmpint (ABS (c->window_x - c->x), <, JITTER_TILE);
    if (c->window_x == window_x && c->window_y == window_y)
      g_assert_cmpfloat (stats.changed_share * c->width * c->height, <,
          n_valid (c) - seen + 0.5);
    else
      moves++;
  }
  return moves;
}

/* Wherever a camera stands, between tiles too, a shake of nearly half a tile
 * moves the window at most once each way. */
static void
test_jitter (void)
{
  guint moved = 0;
  Case c;

  case_init (&c, 6, coarse_net (6, 96, 96), 0);
  g_assert_cmpint (c.tile, ==, JITTER_TILE);
  for (gint stand = 0; stand < 2 * c.tile; stand++) {
    guint moves;
    c.x = stand;
    c.y = 3 * stand;
    look (&c);
    moves = shake (&c, stand, 3 * stand, c.tile / 4 - 1);
    g_assert_cmpuint (moves, <=, 2);
    moved += moves;
  }
  g_test_message ("%u moves", moved);
  g_assert_cmpuint (moved, >, 0);
  compare (&c);
  g_assert_cmpuint (c.compared, >, 0);
  case_clear (&c);
}

/* ---- arguments ------------------------------------------------------------------------ */

static void
test_arguments (void)
{
  static const gdouble bad[][9] = {
    { NAN, 0, 0, 0, 1, 0, 0, 0, 1 }, { 1, 0, INFINITY, 0, 1, 0, 0, 0, 1 },
    { 1, 2, 3, 2, 4, 6, 0, 0, 1 }, { 1, 0, 1e9, 0, 1, 0, 0, 0, 1 },
    { 1, 0, 0, 0, 1, 0, 0, 0, 0 } };
  DcnnTensor tensor;
  DcnnFrame frame;
  Case c;

  case_init (&c, 2, test_net_sized (2, TRUE, FALSE, 64, 64), 0);
  look (&c);
  frame = rgb_frame (c.frame, c.width, c.height);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    DcnnMotion motion = { .place = TRUE };
    memcpy (motion.matrix, bad[i], sizeof bad[i]);
    g_assert_false (dcnn_session_push_frame (c.sparse, 0, &frame, &motion,
            &error));
    g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
    g_assert_nonnull (strstr (error->message, "matrix"));
  }
  {
    g_autoptr (GError) error = NULL;
    DcnnMotion motion;
    set_shift (&motion, 1, 2);
    tensor = test_frame_new (c.model, &c.state, TRUE);
    g_assert_false (dcnn_session_push_tensors (c.sparse, 0, &tensor, 0,
            &motion, &error));
    g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
    dcnn_tensor_free (&tensor);
  }
  c.x += 5; /* nothing of it is left behind */
  look (&c);
  compare (&c);
  case_clear (&c);
}

/* ---- between pixels ------------------------------------------------------------- */

/* At threshold 0 nothing is forgiven, wherever between pixels a frame lies. */
static void
test_exact_between_pixels (void)
{
  g_autoptr (GError) error = NULL;
  DcnnFrame frame;
  Case c;

  case_init (&c, 4, test_net_sized (4, TRUE, FALSE, 64, 64), 0);
  frame = rgb_frame (c.frame, c.width, c.height);
  for (gint f = 0; f < 6; f++) {
    const DcnnTensor *a, *b;
    DcnnMotion motion;
    set_shift (&motion, 0.37 * f, -0.21 * f);
    motion.place = FALSE;
    for (gint i = f ? 999 : 0; i < 3 * c.width * c.height; i += f ? 7 : 1)
      c.frame[i] = (guint8) test_random (&c.state, 256);
    g_assert_true (dcnn_session_push_frame (c.sparse, 0, &frame, &motion,
            &error) && dcnn_session_push_frame (c.dense, 0, &frame, &motion,
            &error));
    a = &dcnn_session_get_output (c.sparse, 0, 0)->tensor;
    b = &dcnn_session_get_output (c.dense, 0, 0)->tensor;
    g_assert_cmpmem (a->data, 4 * dcnn_tensor_count (a), b->data,
        4 * dcnn_tensor_count (b));
  }
  case_clear (&c);
}

/* ---- restarts ---------------------------------------------------------------------- */

/* A restart drops nothing and leaves nothing wrong. */
static void
test_restart (void)
{
  g_autoptr (GError) error = NULL;
  DcnnMotion motion = { .matrix = { 1, 0, 0, 0, 1, 0, 0, 0, 1 },
    .place = TRUE, .restart = TRUE };
  DcnnFrame frame;
  Case c;

  case_init (&c, 8, test_net_sized (8, TRUE, FALSE, 64, 80), 0);
  frame = rgb_frame (c.frame, c.width, c.height);
  for (gint f = 0; f < 6 && !g_test_failed (); f++) {
    c.x += 11 * f;
    look (&c);
    for (gint i = 0; i < 3 * c.width * c.height; i++)
      c.frame[i] = (guint8) test_random (&c.state, 4);
    g_assert_true (dcnn_session_push_frame (c.sparse, 0, &frame, &motion,
            &error));
    memcpy (c.held, c.frame, 3 * (gsize) c.width * c.height);
    for (gint i = 0; i < c.width * c.height; i++)
      c.valid[i] = TRUE;
    c.window_x = c.window_y = 0;
    compare (&c);
    c.x = 0;
  }
  g_assert_cmpuint (c.compared, >, 1000);
  case_clear (&c);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/camera/walk", test_walk);
  g_test_add_func ("/engine/camera/max-pooling", test_max_pooling);
  g_test_add_func ("/engine/camera/unveiled-column", test_unveiled_column);
  g_test_add_func ("/engine/camera/reversal", test_reversal);
  g_test_add_func ("/engine/camera/thousand-tiles", test_thousand_tiles);
  g_test_add_func ("/engine/camera/jitter", test_jitter);
  g_test_add_func ("/engine/camera/arguments", test_arguments);
  g_test_add_func ("/engine/camera/exact-between-pixels",
      test_exact_between_pixels);
  g_test_add_func ("/engine/camera/restart", test_restart);
  return g_test_run ();
}
