/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * heads.c - data movement, broadcasting, element-wise functions, resizing and
 * detection heads: what the planner turns into views, tables, steps and dense
 * tails. At threshold 0 sparse equals dense bit for bit, and the reference to
 * rounding.
 *
 *   heads [SEED]
 */
#include <math.h>
#include <string.h>

#include "deltacnn/session.h"
#include "nets.h"

#define SEEDS 300
#define FRAMES 6

static gint64
dim (const TestNet *net, DcnnValueId v, gint d)
{
  return dcnn_graph_value (net->graph, v)->tensor.dims[d];
}

static guint
pick (TestNet *net, guint n)
{
  return test_random (&net->state, n);
}

/* ---- data movement ------------------------------------------------------------ */

static DcnnValueId
slice (TestNet *net, DcnnValueId v, gint axis, gint64 start, gint64 step,
    gint64 count)
{
  DcnnParams p = { .slice = { { 0 }, { 1, 1, 1, 1 }, { 0 } } };

  for (gint d = 0; d < 4; d++)
    p.slice.count[d] = dim (net, v, d);
  p.slice.start[axis] = start;
  p.slice.step[axis] = step;
  p.slice.count[axis] = count;
  return test_net_node (net, DCNN_OP_SLICE, &p, 1, &v, NULL);
}

static DcnnValueId
layer_shuffle (TestNet *net, DcnnValueId v)
{
  gint64 c = dim (net, v, 1), h = dim (net, v, 2), w = dim (net, v, 3);
  gint64 five[5] = { 1, 2, c / 2, h, w }, four[4] = { 1, c, h, w };
  static const int perm[5] = { 0, 2, 1, 3, 4 };

  if (c % 2)
    return test_net_conv (net, v, (gint) c + 1, 1, 1, 1, 1);
  v = test_net_transpose (net, test_net_reshape (net, v, 5, five), 5, perm);
  return test_net_reshape (net, v, 4, four);
}

static DcnnValueId
layer_channels (TestNet *net, DcnnValueId v)
{
  gint64 c = dim (net, v, 1), start = pick (net, (guint) c);

  v = slice (net, v, 1, start, 1, 1 + pick (net, (guint) (c - start)));
  return test_net_conv (net, v, 6, 3, 1, 1, 1);
}

static DcnnValueId
layer_crop_pad (TestNet *net, DcnnValueId v)
{
  gint64 h = dim (net, v, 2), w = dim (net, v, 3);
  DcnnParams p = { .pad = { .begin = { 0, 0, 1, 2 }, .end = { 0, 0, 2, 0 },
      .value = pick (net, 2) ? 0.3 : 0 } };

  v = slice (net, slice (net, v, 2, 2, 1, h - 3), 3, 0, 1, w - 2);
  return test_net_node (net, DCNN_OP_PAD, &p, 1, &v, NULL);
}

/* Space to depth spelled as four strided slices. */
static DcnnValueId
layer_focus (TestNet *net, DcnnValueId v)
{
  gint64 h = dim (net, v, 2), w = dim (net, v, 3);
  DcnnParams p = { .axis = { .axis = 1 } };
  DcnnValueId parts[4];

  if (h % 2 || w % 2)
    return layer_crop_pad (net, v);
  for (gint i = 0; i < 4; i++)
    parts[i] = slice (net, slice (net, v, 2, i % 2, 2, h / 2), 3, i / 2, 2,
        w / 2);
  v = test_net_node (net, DCNN_OP_CONCAT, &p, 4, parts, NULL);
  v = test_net_conv (net, v, 9, 3, 1, 1, 1);
  return test_net_resize2 (net, v, DCNN_RESIZE_NEAREST);
}

static DcnnValueId
layer_depth (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .depth = { 2, pick (net, 2) } };
  gint64 h = dim (net, v, 2), w = dim (net, v, 3);

  if (h % 2 || w % 2)
    return layer_crop_pad (net, v);
  if (pick (net, 2))
    v = test_net_node (net, DCNN_OP_SPACE_TO_DEPTH, &p, 1, &v, NULL);
  else
    v = test_net_conv (net, v, 4, 3, 2, 1, 1);
  v = test_net_conv (net, v, 20, 1, 1, 1, 1);
  return test_net_node (net, DCNN_OP_DEPTH_TO_SPACE, &p, 1, &v, NULL);
}

static DcnnValueId
layer_split (TestNet *net, DcnnValueId v)
{
  gint64 c = dim (net, v, 1), half = c / 2;
  DcnnValueId a, b;

  if (c < 2)
    return layer_crop_pad (net, v);
  a = slice (net, v, 1, 0, 1, half);
  b = slice (net, v, 1, half, 1, c - half);
  if (pick (net, 2))
    a = test_net_unary (net, DCNN_OP_RELU, a);
  if (pick (net, 2))
    b = test_net_conv (net, b, 5, 3, 1, 1, 1);
  return test_net_concat (net, b, a);
}

/* ---- values ------------------------------------------------------------------------ */

static DcnnValueId
layer_attention (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .reduce = { .axes = 2, .keepdims = TRUE } };
  DcnnValueId a = test_net_node (net, DCNN_OP_REDUCE_MEAN, &p, 1, &v, NULL);

  a = test_net_unary (net, DCNN_OP_SIGMOID, test_net_conv (net, a, 1, 3, 1, 1,
          1));
  return test_net_binary (net, DCNN_OP_MUL, pick (net, 2) ? v : a, pick (net,
          2) ? v : a);
}

static DcnnValueId
layer_constant (TestNet *net, DcnnValueId v)
{
  static const DcnnOp ops[] = { DCNN_OP_ADD, DCNN_OP_SUB, DCNN_OP_MUL,
    DCNN_OP_MIN, DCNN_OP_MAX };
  gint64 c = dim (net, v, 1), h = dim (net, v, 2), w = dim (net, v, 3);
  gint64 shapes[5][4] = { { 1, c, 1, 1 }, { 1, 1, h, w }, { 1, 1, 1, 1 },
    { 1, 1, h, 1 }, { 1, c, h, w } };
  DcnnValueId k = test_net_constant (net, 4, shapes[pick (net, 5)]);
  DcnnOp op = ops[pick (net, G_N_ELEMENTS (ops))];

  v = pick (net, 2) ? test_net_conv (net, v, (gint) c, 3, 1, 1, 1) : v;
  return pick (net, 2) ? test_net_binary (net, op, v, k) :
      test_net_binary (net, op, k, v);
}

static DcnnValueId
layer_prelu (TestNet *net, DcnnValueId v)
{
  gint64 slope[3] = { dim (net, v, 1), 1, 1 };

  return test_net_binary (net, DCNN_OP_PRELU, v, test_net_constant (net, 3,
          slope));
}

/* A grid beside the map's channels, or before them. */
static DcnnValueId
layer_grid (TestNet *net, DcnnValueId v)
{
  gint64 dims[4] = { 1, 1 + (gint64) pick (net, 3), dim (net, v, 2),
    dim (net, v, 3) };
  DcnnParams p = { .axis = { .axis = 1 } };
  guint at = pick (net, 2);
  DcnnValueId two[2];

  two[at] = test_net_constant (net, 4, dims);
  two[!at] = v;
  v = test_net_node (net, DCNN_OP_CONCAT, &p, 2, two, NULL);
  return pick (net, 3) ? test_net_conv (net, v, 6, 3, 1, 1, 1) : v;
}

static DcnnValueId
layer_function (TestNet *net, DcnnValueId v)
{
  static const DcnnOp ops[] = { DCNN_OP_ELU, DCNN_OP_SELU, DCNN_OP_GELU,
    DCNN_OP_ERF, DCNN_OP_SOFTPLUS, DCNN_OP_MISH, DCNN_OP_ABS, DCNN_OP_NEG,
    DCNN_OP_HARD_SIGMOID, DCNN_OP_TANH, DCNN_OP_THRESHOLDED_RELU };

  if (pick (net, 3) == 0)
    v = test_net_conv (net, v, 7, 3, 1, 1, 1);
  return test_net_unary (net, ops[pick (net, G_N_ELEMENTS (ops))], v);
}

static DcnnValueId
layer_softmax (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .axis = { .axis = 1 } };

  return test_net_node (net, DCNN_OP_SOFTMAX, &p, 1, &v, NULL);
}

/* A gate of each pixel from its channels, or of each channel from its pixels. */
static DcnnValueId
layer_reduce (TestNet *net, DcnnValueId v)
{
  static const DcnnOp ops[] = { DCNN_OP_REDUCE_MAX, DCNN_OP_REDUCE_SUM,
    DCNN_OP_REDUCE_MEAN };
  guint op = pick (net, G_N_ELEMENTS (ops)), axes = pick (net, 3) ? 0x2 : 0xc;
  DcnnParams p = { .reduce = { .axes = op == 1 ? 0x2 : axes,
      .keepdims = true } };
  DcnnValueId g = test_net_node (net, ops[op], &p, 1, &v, NULL);

  return test_net_binary (net, DCNN_OP_MUL, v, test_net_unary (net,
          DCNN_OP_SIGMOID, g));
}

static DcnnValueId
layer_norm (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .norm = { .epsilon = 1e-5, .groups = 1 } };
  gint64 c[1] = { dim (net, v, 1) };
  DcnnValueId in[3];

  in[0] = v;
  in[1] = test_net_constant (net, 1, c);
  in[2] = test_net_constant (net, 1, c);
  return test_net_node (net, DCNN_OP_INSTANCE_NORM, &p, 3, in, NULL);
}

static DcnnValueId
layer_resize (TestNet *net, DcnnValueId v)
{
  static const DcnnResizeCoord coords[] = { DCNN_COORD_HALF_PIXEL,
    DCNN_COORD_PYTORCH_HALF_PIXEL, DCNN_COORD_ALIGN_CORNERS,
    DCNN_COORD_ASYMMETRIC };
  gint64 c = dim (net, v, 1), h = dim (net, v, 2), w = dim (net, v, 3);
  gint64 to_h = MAX (4, h * (2 + pick (net, 4)) / 3);
  gint64 to_w = MAX (4, w * (2 + pick (net, 4)) / 3);
  DcnnTensor shape = { DCNN_DTYPE_F32, 4, { 1, c, MIN (to_h, 60), MIN (to_w,
          60) }, NULL };
  DcnnParams p = { .resize = { .mode = (DcnnResizeMode) pick (net, 3),
      .coord = coords[pick (net, 4)],
      .nearest = (DcnnResizeNearest) pick (net, 4), .cubic_a = -0.75,
      .exclude_outside = pick (net, 2) } };

  p.resize.scale[0] = p.resize.scale[1] = 1;
  p.resize.scale[2] = (double) shape.dims[2] / h;
  p.resize.scale[3] = (double) shape.dims[3] / w;
  return test_net_node (net, DCNN_OP_RESIZE, &p, 1, &v, &shape);
}

/* ---- heads -------------------------------------------------------------------------- */

/* [1, H * W, C] */
static DcnnValueId
rows_of (TestNet *net, DcnnValueId v)
{
  static const int perm[4] = { 0, 2, 3, 1 };
  gint64 dims[3] = { 1, dim (net, v, 2) * dim (net, v, 3), dim (net, v, 1) };

  return test_net_reshape (net, test_net_transpose (net, v, 4, perm), 3, dims);
}

static DcnnValueId
head_detection (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .axis = { .axis = 1 } };
  DcnnValueId two[2];

  two[0] = rows_of (net, test_net_conv (net, v, 7, 1, 1, 1, 1));
  two[1] = rows_of (net, test_net_unary (net, DCNN_OP_SIGMOID,
          test_net_conv (net, v, 7, 3, 2, 1, 1)));
  v = test_net_node (net, DCNN_OP_CONCAT, &p, 2, two, NULL);
  p.axis.axis = 2;
  return pick (net, 2) ? v : test_net_node (net, DCNN_OP_SOFTMAX, &p, 1, &v,
      NULL);
}

static DcnnValueId
head_classes (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .gemm = { 1, 1, FALSE, FALSE } };
  gint64 flat[2] = { 1, 0 }, weights[2], bias[1] = { 6 };
  DcnnValueId in[3];

  if (pick (net, 2))
    v = test_net_node (net, DCNN_OP_GLOBAL_AVERAGE_POOL, NULL, 1, &v, NULL);
  flat[1] = dim (net, v, 1) * dim (net, v, 2) * dim (net, v, 3);
  weights[0] = flat[1], weights[1] = 6;
  in[0] = test_net_reshape (net, v, 2, flat);
  in[1] = test_net_constant (net, 2, weights);
  in[2] = test_net_constant (net, 1, bias);
  return test_net_node (net, DCNN_OP_GEMM, &p, 3, in, NULL);
}

static DcnnValueId
head_arg_max (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .axis = { .axis = 1, .keepdims = TRUE } };

  return test_net_node (net, DCNN_OP_ARG_MAX, &p, 1, &v, NULL);
}

static DcnnValueId
head_map (TestNet *net, DcnnValueId v)
{
  return test_net_unary (net, DCNN_OP_SIGMOID, v);
}

static DcnnGraph *
make_net (guint64 seed)
{
  static DcnnValueId (*const layers[]) (TestNet *, DcnnValueId) = {
    layer_shuffle, layer_channels, layer_crop_pad, layer_focus, layer_depth,
    layer_split, layer_attention, layer_constant, layer_prelu, layer_function,
    layer_softmax, layer_reduce, layer_norm, layer_resize, layer_grid };
  static DcnnValueId (*const heads[]) (TestNet *, DcnnValueId) = {
    head_detection, head_classes, head_arg_max, head_map };
  TestNet net;
  DcnnValueId v;
  guint n;

  test_net_begin (&net, seed, FALSE);
  v = test_net_input (&net, 3, 12 + (gint) pick (&net, 24),
      12 + (gint) pick (&net, 24));
  v = test_net_conv (&net, v, 4 + (gint) pick (&net, 9), 3, 1, 1, 1);
  n = 1 + pick (&net, 4);
  for (guint i = 0; i < n; i++)
    v = layers[pick (&net, G_N_ELEMENTS (layers))] (&net, v);
  dcnn_graph_add_output (net.graph, heads[pick (&net, 4)] (&net, v));
  dcnn_graph_add_output (net.graph, heads[pick (&net, 4)] (&net, v));
  return net.graph;
}

/* ---- the test -------------------------------------------------------------------------- */

static gdouble
difference (const DcnnTensor *a, const DcnnTensor *b)
{
  const gfloat *p = a->data, *q = b->data;
  gdouble worst = 0, scale = 1;

  for (gint64 i = 0; a->dtype == DCNN_DTYPE_F32 && i < dcnn_tensor_count (a);
      i++) {
    worst = test_further (worst, p[i], q[i]);
    scale = MAX (scale, fabs (q[i]));
  }
  return worst / scale;
}

static void
check_frame (DcnnModel *model, DcnnSession *sparse, DcnnSession *dense,
    const DcnnGraph *oracle, const DcnnTensor *frame, guint64 seed, guint f)
{
  g_autoptr (GError) error = NULL;
  DcnnTensor reference[2] = { 0 };

  test_push (sparse, frame);
  test_push (dense, frame);
  g_assert_true (dcnn_graph_run_reference (oracle, frame, reference, &error));
  for (guint i = 0; i < 2; i++) {
    const DcnnTensor *s = &dcnn_session_get_output (sparse, 0, i)->tensor;
    const DcnnTensor *d = &dcnn_session_get_output (dense, 0, i)->tensor;
    gdouble away = difference (d, &reference[i]);
    if (memcmp (s->data, d->data, (gsize) dcnn_tensor_count (s) *
            dcnn_dtype_bytes (s->dtype)) != 0)
      test_fail (model, seed, "frame %u output %u: sparse is not dense", f, i);
    if (!(away <= 5e-5))
      test_fail (model, seed, "frame %u output %u: %g from the reference", f, i,
          away);
    dcnn_tensor_free (&reference[i]);
  }
}

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode)
{
  g_autoptr (GError) error = NULL;
  DcnnSessionOptions options;
  DcnnSession *session;

  test_options_init (&options);
  options.precision = DCNN_PRECISION_F32;
  options.threads = 1;
  options.tuning = (DcnnTuning) { .mode = mode };
  session = dcnn_session_new (model, &options, &error);
  if (test_device () && g_error_matches (error, DCNN_ERROR, DCNN_ERROR_DEVICE)) {
    g_test_message ("%s", error->message); /* not every device runs all */
    return NULL;
  }
  g_assert_no_error (error);
  return session;
}

static guint refused;

static void
run_seed (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) oracle = make_net (seed);
  g_autoptr (DcnnModel) model = dcnn_model_new (make_net (seed), &error);
  g_autoptr (DcnnSession) sparse = NULL, dense = NULL;
  guint64 video = seed + 400;
  DcnnTensor frame;

  g_assert_no_error (error);
  sparse = new_session (model, seed % 2 ? DCNN_MODE_SPARSE : DCNN_MODE_AUTO);
  dense = new_session (model, DCNN_MODE_DENSE);
  if (sparse == NULL || dense == NULL) {
    refused++;
    return;
  }
  frame = test_frame_new (model, &video, FALSE);
  for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
    check_frame (model, sparse, dense, oracle, &frame, seed, f);
    test_video_step (&video, &frame, FALSE);
  }
  dcnn_tensor_free (&frame);
}

static void
test_heads (void)
{
  refused = 0;
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_seed (seed);
  g_assert_cmpuint (refused, <, SEEDS / 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/heads", test_heads);
  return g_test_run ();
}
