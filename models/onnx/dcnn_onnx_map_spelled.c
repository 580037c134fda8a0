/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_spelled.c - operators that become others, which run on changed
 * pixels: rare activations, sums of several values, reductions over channels or
 * pixels, local response normalisation.
 */
#include "dcnn_onnx_whole.h"

#include "ref_util.h"

#define MOST_LRN_CHANNELS 512

static DcnnValueId
unary (OnnxNode *node, DcnnOp op, const DcnnParams *params, DcnnValueId x)
{
  return onnx_node_emit_inner (node, op, params, 1, &x, NULL);
}

/* The node's output. */
static void
emit_pair (OnnxNode *node, DcnnOp op, DcnnValueId a, DcnnValueId b)
{
  node->inputs[0] = a;
  node->inputs[1] = b;
  node->n_inputs = 2;
  onnx_node_emit (node, op, NULL, 2, NULL);
}

/* Celu: alpha elu (x / alpha). Swish: x sigmoid (alpha x); SwiGLU: times its
 * second input. Softsign: x / (1 + |x|). Reciprocal: 1 / x. */
void
onnx_map_spelled_act (OnnxNode *node)
{
  DcnnValueId x = node->n_inputs > 0 ? node->inputs[0] : -1, v;
  DcnnValueId gated = node->n_inputs > 1 ? node->inputs[1] : -1;
  double alpha = onnx_node_float (node, "alpha", 1);
  DcnnParams elu = { .act = { .alpha = 1 } };

  if (node->mapping->op == DCNN_OP_ELU) {
    if (alpha == 0)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its alpha is 0");
    v = onnx_whole_binary (node, DCNN_OP_DIV, x, onnx_whole_number (node,
            alpha));
    emit_pair (node, DCNN_OP_MUL, unary (node, DCNN_OP_ELU, &elu, v),
        onnx_whole_number (node, alpha));
  } else if (node->mapping->op == DCNN_OP_MUL) {
    v = alpha == 1 ? x : onnx_whole_binary (node, DCNN_OP_MUL, x,
        onnx_whole_number (node, alpha));
    emit_pair (node, DCNN_OP_MUL, x, unary (node, DCNN_OP_SIGMOID, NULL, v));
  } else if (node->mapping->op == DCNN_OP_SIGMOID) {
    v = alpha == 1 ? x : onnx_whole_binary (node, DCNN_OP_MUL, x,
        onnx_whole_number (node, alpha));
    v = unary (node, DCNN_OP_SIGMOID, NULL, v);
    emit_pair (node, DCNN_OP_MUL, onnx_whole_binary (node, DCNN_OP_MUL, x, v),
        gated);
  } else if (node->proto->op_type[0] == 'S') {
    v = onnx_whole_binary (node, DCNN_OP_ADD, unary (node, DCNN_OP_ABS, NULL,
            x), onnx_whole_number (node, 1));
    emit_pair (node, DCNN_OP_DIV, x, v);
  } else {
    emit_pair (node, DCNN_OP_DIV, onnx_whole_number (node, 1), x);
  }
}

/* Sum and Mean of any number of values, from the left. */
void
onnx_map_sum (OnnxNode *node)
{
  gboolean mean = node->mapping->op == DCNN_OP_DIV;
  int n = node->n_inputs;
  DcnnValueId sum = n > 0 ? node->inputs[0] : -1;

  for (int i = 1; i < n - !mean; i++)
    sum = onnx_whole_binary (node, DCNN_OP_ADD, sum, node->inputs[i]);
  if (n < 2)
    onnx_node_emit (node, DCNN_OP_IDENTITY, NULL, 1, NULL);
  else if (mean)
    emit_pair (node, DCNN_OP_DIV, sum, onnx_whole_number (node, n));
  else
    emit_pair (node, DCNN_OP_ADD, sum, node->inputs[n - 1]);
}

/* ---- reductions --------------------------------------------------------------- */

/* The axes of a reduction of a map: its channels; its rows and columns, with
 * the channels first and last. */
#define OVER_CHANNELS 0x2
#define OVER_PIXELS 0xc
#define OVER_PIXELS_LAST 0x6

/* A sum: over pixels as their number times the mean, which maps have. */
static DcnnValueId
sum_of (OnnxNode *node, const DcnnParams *params, DcnnValueId x)
{
  const DcnnTensor *t = onnx_node_input (node, 0);
  int first = params->reduce.axes == OVER_PIXELS ? 2 : 1;

  if (params->reduce.axes == OVER_CHANNELS)
    return unary (node, DCNN_OP_REDUCE_SUM, params, x);
  return onnx_whole_binary (node, DCNN_OP_MUL, unary (node,
          DCNN_OP_REDUCE_MEAN, params, x), onnx_whole_number (node,
          (double) t->dims[first] * (double) t->dims[first + 1]));
}

/* By the sum or the largest of what is made of each element. */
static void
emit_reduced (OnnxNode *node, const DcnnParams *params)
{
  DcnnParams kept = *params;
  DcnnOp op = node->mapping->op;
  DcnnValueId x = node->inputs[0], v;
  gboolean min = op == DCNN_OP_REDUCE_MIN;
  DcnnTensor shape, wide;

  v = op == DCNN_OP_REDUCE_SUM ? x :
      min ? unary (node, DCNN_OP_NEG, NULL, x) :
      op == DCNN_OP_REDUCE_L1 ? unary (node, DCNN_OP_ABS, NULL, x) :
      onnx_whole_binary (node, DCNN_OP_MUL, x, x);
  kept.reduce.keepdims = true;
  v = min ? unary (node, DCNN_OP_REDUCE_MAX, &kept, v) :
      sum_of (node, &kept, v);
  if (min || op == DCNN_OP_REDUCE_L2)
    v = unary (node, min ? DCNN_OP_NEG : DCNN_OP_SQRT, NULL, v);
  if (node->error || v < 0)
    return;
  shape = wide = dcnn_graph_value (node->loader->graph, v)->tensor;
  if (!params->reduce.keepdims) {
    shape.rank = 0;
    for (int i = 0; i < wide.rank; i++)
      if (!(params->reduce.axes >> i & 1))
        shape.dims[shape.rank++] = wide.dims[i];
  }
  node->inputs[0] = v;
  onnx_node_emit (node, DCNN_OP_RESHAPE, NULL, 1, &shape);
}

/* Whether maps have another spelling of it, and it not. */
static gboolean
is_spelled (const OnnxNode *node, const DcnnParams *params)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  DcnnOp op = node->mapping->op;
  guint32 axes = params->reduce.axes;

  if (!x || x->rank != 4 || x->dtype != DCNN_DTYPE_F32 || x->data != NULL)
    return FALSE;
  if (axes != OVER_CHANNELS && axes != OVER_PIXELS && axes != OVER_PIXELS_LAST)
    return FALSE;
  return op == DCNN_OP_REDUCE_L1 || op == DCNN_OP_REDUCE_L2 ||
      op == DCNN_OP_REDUCE_SUM_SQUARE || op == DCNN_OP_REDUCE_MIN ||
      (op == DCNN_OP_REDUCE_SUM && axes != OVER_CHANNELS);
}

/* Axes as an attribute before opset 18 (13 for ReduceSum), then an input. */
void
onnx_map_reduce (OnnxNode *node)
{
  gint64 axes[ONNX_MAX_NUMBERS];
  int rank = onnx_node_rank (node, 0);
  int n = onnx_node_ints_or_input (node, "axes", 1, axes);
  DcnnParams params = { 0 };
  gboolean noop = onnx_node_int (node, "noop_with_empty_axes", 0) != 0;

  params.reduce.keepdims = onnx_node_int (node, "keepdims", 1) != 0;
  if (n > 0)
    params.reduce.axes = onnx_node_axes (node, n, axes, rank);
  else
    params.reduce.axes = noop ? 0 : (1u << rank) - 1;
  if (n <= 0 && noop)
    onnx_node_emit (node, DCNN_OP_IDENTITY, NULL, 1, NULL);
  else if (is_spelled (node, &params))
    emit_reduced (node, &params);
  else
    onnx_node_emit (node, node->mapping->op, &params, 1, NULL);
}

/* ---- local response normalisation ------------------------------------------------ */

/* The band of a convolution that sums `size` neighbouring channels, and its
 * bias. FALSE: no memory. */
static gboolean
lrn_constants (OnnxNode *node, const DcnnLrnParams *p, gint64 channels,
    DcnnValueId *inputs)
{
  DcnnTensor weights = { .dtype = DCNN_DTYPE_F32, .rank = 4,
    .dims = { channels, channels, 1, 1 } };
  DcnnTensor bias = { .dtype = DCNN_DTYPE_F32, .rank = 1,
    .dims = { channels } };

  if (!onnx_node_alloc (node, &weights))
    return FALSE;
  for (gint64 c = 0; c < channels; c++)
    for (gint64 k = 0; k < channels; k++)
      dcnn_ref_set (&weights, c * channels + k, k >= c - (p->size - 1) / 2 &&
          k <= c + p->size / 2 ? p->alpha / (double) p->size : 0);
  inputs[1] = onnx_whole_constant (node, &weights);
  if (!onnx_node_alloc (node, &bias))
    return FALSE;
  for (gint64 c = 0; c < channels; c++)
    dcnn_ref_set (&bias, c, p->bias);
  inputs[2] = onnx_whole_constant (node, &bias);
  return node->error == NULL;
}

/* x / (bias + alpha / size * sum of squares)^beta: the sum is a convolution. */
void
onnx_map_lrn (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gint64 channels = x && x->rank == 4 ? x->dims[1] : 0;
  DcnnParams params = { 0 }, conv = { .conv = { .groups = 1, .window = {
      .rank = 2, .kernel = { 1, 1 }, .stride = { 1, 1 },
      .dilation = { 1, 1 } } } };
  DcnnValueId inputs[3];

  params.lrn.alpha = onnx_node_float (node, "alpha", 1e-4);
  params.lrn.beta = onnx_node_float (node, "beta", 0.75);
  params.lrn.bias = onnx_node_float (node, "bias", 1);
  params.lrn.size = onnx_node_int (node, "size", 0);
  if (channels < 1 || channels > MOST_LRN_CHANNELS || params.lrn.size < 1 ||
      channels * (channels + 1) * 4 > node->loader->constant_bytes / 2) {
    onnx_node_emit (node, DCNN_OP_LRN, &params, 1, NULL);
    return;
  }
  inputs[0] = onnx_whole_binary (node, DCNN_OP_MUL, node->inputs[0],
      node->inputs[0]);
  if (!lrn_constants (node, &params.lrn, channels, inputs))
    return;
  inputs[0] = onnx_node_emit_inner (node, DCNN_OP_CONV, &conv, 3, inputs, NULL);
  emit_pair (node, DCNN_OP_DIV, node->inputs[0], onnx_whole_binary (node,
          DCNN_OP_POW, inputs[0], onnx_whole_number (node, params.lrn.beta)));
}
