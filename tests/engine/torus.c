/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * torus.c - the window moves over a canvas by whole tiles, to and fro, near
 * and far, while the canvas changes. At threshold 0, what has its receptive
 * field in view equals a dense run on the window, bit for bit; and where the
 * window moves one way over a still canvas, everything behind the leading
 * edge equals a dense run of the whole canvas.
 *
 *   torus [SEED]
 *
 * DELTACNN_TEST_DEVICE names another device than the cpu: then in short, the
 * last in whole numbers (sums may be in another order on another canvas).
 */
#include <string.h>

#include "dcnn_engine.h"
#include "inside.h"
#include "nets.h"

#define SEEDS 24
#define FRAMES 24

static gdouble inside_share;
static guint64 compared, moved_frames;

typedef struct Case {
  guint64 seed, state;
  gboolean integer;
  DcnnModel *model, *large; /* large: the whole canvas */
  DcnnSession *sparse, *dense;
  DcnnTensor canvas, frame;
  gint tile, ty, tx;        /* of the window */
  TestInside *inside;
} Case;

static void
exact_options (DcnnSessionOptions *options, DcnnMode mode, guint64 seed)
{
  test_options_init (options);
  options->tuning.mode = mode;
  options->tuning.threshold = options->tuning.gate_threshold = 0;
  options->tuning.input_threshold = 0;
  options->tuning.settle = FALSE;
  options->threads = 1 + seed % 2;
}

static guint
n_seeds (void)
{
  return test_on_cpu () ? SEEDS : SEEDS / 6;
}

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, guint64 seed)
{
  DcnnSessionOptions options;

  exact_options (&options, mode, seed);
  return test_session_new (model, &options);
}

static void
alloc_tensor (DcnnTensor *tensor, gint64 h, gint64 w)
{
  g_autoptr (GError) error = NULL;

  *tensor = (DcnnTensor) { DCNN_DTYPE_F32, 4, { 1, 3, h, w }, NULL };
  g_assert_true (dcnn_tensor_alloc (tensor, &error));
}

static void
case_init (Case *c, guint64 seed, gboolean integer, gboolean global, gint h,
    gint w, gint canvas_h, gint canvas_w)
{
  DcnnModelSummary summary;

  memset (c, 0, sizeof *c);
  c->seed = seed;
  c->state = seed + 99;
  c->integer = integer;
  c->model = test_model_new (test_net_sized (seed, integer, global, h, w));
  dcnn_model_get_summary (c->model, &summary);
  c->tile = (gint) summary.tile;
  g_assert_cmpint (c->tile, >, 0);
  c->sparse = new_session (c->model, seed % 2 ? DCNN_MODE_SPARSE :
      DCNN_MODE_AUTO, seed);
  c->dense = new_session (c->model, DCNN_MODE_DENSE, seed);
  alloc_tensor (&c->canvas, canvas_h, canvas_w);
  alloc_tensor (&c->frame, h, w);
  for (gint64 i = 0; i < dcnn_tensor_count (&c->canvas); i++)
    ((gfloat *) c->canvas.data)[i] = test_random_value (&c->state, integer);
  c->inside = test_inside_new (c->sparse->plan);
}

static void
case_clear (Case *c)
{
  dcnn_session_free (c->sparse);
  dcnn_session_free (c->dense);
  dcnn_model_unref (c->model);
  dcnn_model_unref (c->large);
  dcnn_tensor_free (&c->canvas);
  dcnn_tensor_free (&c->frame);
  g_free (c->inside);
}

static gint
modulo (gint a, gint n)
{
  return ((a % n) + n) % n;
}

/* What the window shows of the canvas, which repeats for ever. */
static void
crop (Case *c)
{
  gint h = (gint) c->frame.dims[2], w = (gint) c->frame.dims[3];
  gint ch = (gint) c->canvas.dims[2], cw = (gint) c->canvas.dims[3];
  gfloat *to = c->frame.data, *from = c->canvas.data;

  for (gint k = 0; k < 3; k++)
    for (gint y = 0; y < h; y++)
      for (gint x = 0; x < w; x++)
        to[(k * h + y) * w + x] = from[(k * ch +
                modulo (c->ty * c->tile + y, ch)) * cw +
            modulo (c->tx * c->tile + x, cw)];
}

static void
push (Case *c, DcnnSession *session, gboolean moved)
{
  g_autoptr (GError) error = NULL;
  DcnnMotion motion = { .tile_x = c->tx, .tile_y = c->ty };

  g_assert_true (dcnn_session_push_tensors (session, 0, &c->frame, 0,
          moved ? &motion : NULL, &error));
}

static gint
output_map (const Case *c, guint i)
{
  const DcnnPlan *plan = c->sparse->plan;

  return plan->values[g_array_index (plan->graph->outputs, DcnnValueId,
          i)].map;
}

/* Compares the pixels of area of output i with other, shifted. */
static gboolean
same (Case *c, guint i, const TestInside *area, const DcnnTensor *other,
    gint dy, gint dx)
{
  const DcnnTensor *out = &dcnn_session_get_output (c->sparse, 0, i)->tensor;
  const gfloat *p = out->data, *q = other->data;

  for (gint64 k = 0; k < out->dims[1]; k++)
    for (gint y = area->y0; y < area->y1; y++)
      for (gint x = area->x0; x < area->x1; x++) {
        gfloat a = p[(k * out->dims[2] + y) * out->dims[3] + x];
        gfloat b = q[(k * other->dims[2] + y + dy) * other->dims[3] + x + dx];
        compared++;
        if (a != b) {
          test_fail (c->model, c->seed, "output %u channel %d y %d x %d: %g, "
              "dense %g", i, (gint) k, y, x, a, b);
          return FALSE;
        }
      }
  return TRUE;
}

static void
random_move (Case *c)
{
  gint far_y = (gint) c->frame.dims[2] / c->tile;
  gint far_x = (gint) c->frame.dims[3] / c->tile;

  switch (test_random (&c->state, 8)) {
    case 0: /* stays */
      break;
    case 1: /* far, perhaps out of sight */
      c->ty += (gint) test_random (&c->state, 3 * far_y) - 3 * far_y / 2;
      c->tx += (gint) test_random (&c->state, 3 * far_x) - 3 * far_x / 2;
      break;
    case 2: /* back to where it began */
      c->ty = c->tx = 0;
      break;
    default:
      c->ty += (gint) test_random (&c->state, 5) - 2;
      c->tx += (gint) test_random (&c->state, 5) - 2;
      break;
  }
}

static gdouble
share_inside (const Case *c, gint map)
{
  const TestInside *in = &c->inside[map];
  const PlanMap *m = plan_map (c->sparse->plan, map);

  return MAX (0, in->y1 - in->y0) * (gdouble) MAX (0, in->x1 - in->x0) /
      (m->width * m->height);
}

/* ---- to and fro --------------------------------------------------------------- */

static void
run_walk (guint64 seed, gboolean integer)
{
  gint h = 16 * (4 + seed % 4), w = 16 * (4 + seed / 4 % 4);
  Case c;

  case_init (&c, seed, integer, FALSE, h, w, 200, 232);
  inside_share += share_inside (&c, output_map (&c, 0));
  for (gint f = 0; f < FRAMES && !g_test_failed (); f++) {
    crop (&c);
    push (&c, c.sparse, TRUE);
    push (&c, c.dense, FALSE);
    for (guint i = 0; i < 2 && !g_test_failed (); i++)
      same (&c, i, &c.inside[output_map (&c, i)],
          &dcnn_session_get_output (c.dense, 0, i)->tensor, 0, 0);
    test_video_step (&c.state, &c.canvas, integer);
    random_move (&c);
    moved_frames++;
  }
  case_clear (&c);
}

static void
test_walk_integer (void)
{
  for (guint64 seed = 1; seed <= n_seeds () && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_walk (seed, TRUE);
}

static void
test_walk_real (void)
{
  inside_share = 0;
  for (guint64 seed = 1; seed <= n_seeds () && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_walk (seed, FALSE);
  g_test_message ("%.0f %% of the outputs compared, %" G_GUINT64_FORMAT
      " values", inside_share / n_seeds () * 100, compared);
  if (test_seed_runs (0))
    g_assert_cmpfloat (inside_share, >=, 0.2 * n_seeds ());
}

/* ---- one way ----------------------------------------------------------------------- */

/* Moves along one axis (0: down, 1: right) over a still canvas that is as
 * large as the window across. */
static void
run_one_way (guint64 seed, gboolean integer, int axis)
{
  g_autoptr (DcnnSession) whole = NULL;
  gint h = 112, w = 112, ch = axis ? h : 320, cw = axis ? 320 : w;
  Case c;

  case_init (&c, seed, integer, FALSE, h, w, ch, cw);
  c.large = test_model_new (test_net_sized (seed, integer, FALSE, ch, cw));
  whole = new_session (c.large, DCNN_MODE_DENSE, seed);
  test_push (whole, &c.canvas);
  for (;;) {
    gint *t = axis ? &c.tx : &c.ty;
    crop (&c);
    push (&c, c.sparse, TRUE);
    for (guint i = 0; i < 2 && !g_test_failed (); i++) {
      const PlanMap *m = plan_map (c.sparse->plan, output_map (&c, i));
      TestInside area = c.inside[output_map (&c, i)];
      gint begin = axis ? area.x0 : area.y0, end = axis ? area.x1 : area.y1;
      gint dy = c.ty * c.tile / (gint) m->stride_y;
      gint dx = c.tx * c.tile / (gint) m->stride_x;
      /* the leading edge's work must not reach the trailing edge */
      if (end - begin < 2 * c.tile / (gint) m->stride_y + begin)
        continue;
      area = (TestInside) { 0, axis ? (gint) m->height : end, 0,
        axis ? end : (gint) m->width };
      same (&c, i, &area, &dcnn_session_get_output (whole, 0, i)->tensor, dy,
          dx);
    }
    *t += 1 + (gint) test_random (&c.state, 2);
    if (g_test_failed () || *t * c.tile + (axis ? w : h) > 320)
      break;
    moved_frames++;
  }
  case_clear (&c);
}

static void
test_one_way (void)
{
  gboolean cpu = test_on_cpu ();

  compared = 0;
  for (guint64 seed = 1; seed <= n_seeds () && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_one_way (seed, seed % 2 || !cpu, seed / 2 % 2);
  g_test_message ("%" G_GUINT64_FORMAT " values", compared);
  if (test_seed_runs (0))
    g_assert_cmpuint (compared, >, cpu ? 1000000 : 100000);
}

/* ---- sums over the window ------------------------------------------------------------ */

static DcnnGraph *
gate_net (guint64 seed)
{
  TestNet net;
  DcnnValueId v, g;

  test_net_begin (&net, seed, FALSE);
  v = test_net_input (&net, 3, 48, 64);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 9, 2, 2, 1,
          1));
  g = test_net_node (&net, DCNN_OP_GLOBAL_AVERAGE_POOL, NULL, 1, &v, NULL);
  g = test_net_unary (&net, DCNN_OP_SIGMOID, test_net_conv (&net, g, 9, 1, 1,
          1, 1));
  v = test_net_conv (&net, test_net_binary (&net, DCNN_OP_MUL, v, g), 4, 1, 1,
      1, 1);
  dcnn_graph_add_output (net.graph, v);
  return net.graph;
}

/* No layer looks past its pixel, so a gated net equals dense everywhere. */
static void
run_gated (guint64 seed)
{
  DcnnModelSummary summary;
  Case c;

  case_init (&c, seed, FALSE, FALSE, 48, 64, 200, 232);
  dcnn_session_free (c.sparse);
  dcnn_session_free (c.dense);
  dcnn_model_unref (c.model);
  c.model = test_model_new (gate_net (seed));
  dcnn_model_get_summary (c.model, &summary);
  c.tile = (gint) summary.tile;
  g_assert_cmpint (c.tile, ==, 2);
  c.sparse = new_session (c.model, DCNN_MODE_SPARSE, seed);
  c.dense = new_session (c.model, DCNN_MODE_DENSE, seed);
  for (gint f = 0; f < FRAMES && !g_test_failed (); f++) {
    TestInside all = { 0, 24, 0, 32 };
    crop (&c);
    push (&c, c.sparse, TRUE);
    push (&c, c.dense, FALSE);
    same (&c, 0, &all, &dcnn_session_get_output (c.dense, 0, 0)->tensor, 0, 0);
    test_video_step (&c.state, &c.canvas, FALSE);
    random_move (&c);
  }
  case_clear (&c);
}

static void
test_gated (void)
{
  for (guint64 seed = 1; seed <= 12 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_gated (seed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/torus/integer", test_walk_integer);
  g_test_add_func ("/engine/torus/real", test_walk_real);
  g_test_add_func ("/engine/torus/one-way", test_one_way);
  g_test_add_func ("/engine/torus/gated", test_gated);
  return g_test_run ();
}
