/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_element.c - element-wise operators, normalisations, reductions
 * and matrix products.
 */
#include "dcnn_onnx_node.h"
#include "dcnn_onnx_whole.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ref_util.h"

/* Inputs as they are, no parameters. */
void
onnx_map_plain (OnnxNode *node)
{
  onnx_node_emit (node, node->mapping->op, NULL, node->n_inputs, NULL);
}

/* Plain since opset 7. Before, `broadcast` allowed a smaller second operand,
 * whose first dimension lies at `axis` of the first. */
void
onnx_map_binary (OnnxNode *node)
{
  const DcnnTensor *b = onnx_node_input (node, 1);
  int rank = onnx_node_rank (node, 0);
  if (node->opset < 7 && onnx_node_int (node, "broadcast", 0)
      && onnx_node_attribute (node, "axis") && b && b->rank < rank) {
    gint64 axis = onnx_node_axis (node, onnx_node_int (node, "axis", 0), rank);
    DcnnTensor shape = *b;
    shape.rank = rank - (int) axis;
    for (int i = b->rank; i < shape.rank; i++)
      shape.dims[i] = 1;
    if (shape.rank > b->rank)
      node->inputs[1] = onnx_node_emit_inner (node, DCNN_OP_RESHAPE, NULL, 1,
          &node->inputs[1], &shape);
  }
  onnx_map_plain (node);
}

/* Attributes and defaults of the functions with alpha and beta. */
static const struct {
  DcnnOp op;
  const char *alpha, *beta;
  double default_alpha, default_beta;
} acts[] = {
  { DCNN_OP_LEAKY_RELU, "alpha", NULL, 0.01, 0 },
  { DCNN_OP_ELU, "alpha", NULL, 1, 0 },
  { DCNN_OP_THRESHOLDED_RELU, "alpha", NULL, 1, 0 },
  { DCNN_OP_HARD_SIGMOID, "alpha", "beta", 0.2, 0.5 },
  { DCNN_OP_SELU, "alpha", "gamma", 1.67326319217681884765625,
      1.05070102214813232421875 },
  { DCNN_OP_SHRINK, "lambd", "bias", 0.5, 0 },
};

void
onnx_map_act (OnnxNode *node)
{
  DcnnParams params = { 0 };
  for (gsize i = 0; i < G_N_ELEMENTS (acts); i++) {
    if (acts[i].op != node->mapping->op)
      continue;
    params.act.alpha = onnx_node_float (node, acts[i].alpha,
        acts[i].default_alpha);
    if (acts[i].beta)
      params.act.beta = onnx_node_float (node, acts[i].beta,
          acts[i].default_beta);
  }
  onnx_node_emit (node, node->mapping->op, &params, 1, NULL);
}

void
onnx_map_gelu (OnnxNode *node)
{
  static const char *const forms[] = { "none", "tanh", NULL };
  DcnnParams params = { 0 };
  params.act.tanh_form = onnx_node_choice (node, "approximate", forms, 0) == 1;
  onnx_node_emit (node, DCNN_OP_GELU, &params, 1, NULL);
}

void
onnx_map_is_inf (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.act.alpha = (double) onnx_node_int (node, "detect_positive", 1);
  params.act.beta = (double) onnx_node_int (node, "detect_negative", 1);
  onnx_node_emit (node, DCNN_OP_IS_INF, &params, 1, NULL);
}

/* Bounds as attributes before opset 11, as inputs since. */
void
onnx_map_clip (OnnxNode *node)
{
  DcnnParams params = { 0 };
  double lo = onnx_node_float (node, "min", -INFINITY);
  double hi = onnx_node_float (node, "max", INFINITY);
  lo = onnx_node_input_scalar (node, 1, lo);
  hi = onnx_node_input_scalar (node, 2, hi);
  params.act.lo = lo <= -(double) FLT_MAX ? -INFINITY : lo;
  params.act.hi = hi >= (double) FLT_MAX ? INFINITY : hi;
  if (isnan (lo) || isnan (hi))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "a bound is not a number");
  onnx_node_emit (node, DCNN_OP_CLIP, &params, 1, NULL);
}

/* Before opset 7 a slope of one dimension is one a channel. */
void
onnx_map_prelu (OnnxNode *node)
{
  const DcnnTensor *slope = onnx_node_input (node, 1);
  int rank = onnx_node_rank (node, 0);
  if (node->opset < 7 && slope && slope->rank == 1 && slope->dims[0] > 1
      && rank > 2) {
    DcnnTensor shape = { .rank = rank - 1, .dims = { slope->dims[0] } };
    for (int i = 1; i < shape.rank; i++)
      shape.dims[i] = 1;
    node->inputs[1] = onnx_node_emit_inner (node, DCNN_OP_RESHAPE, NULL, 1,
        &node->inputs[1], &shape);
  }
  onnx_node_emit (node, DCNN_OP_PRELU, NULL, 2, NULL);
}

void
onnx_map_mod (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.mod.fmod = onnx_node_int (node, "fmod", 0) != 0;
  onnx_node_emit (node, DCNN_OP_MOD, &params, 2, NULL);
}

static void
emit_cast (OnnxNode *node, gint64 to)
{
  DcnnParams params = { 0 };
  params.cast.to = onnx_dtype (to);
  if (params.cast.to == DCNN_DTYPE_NONE)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "a cast to elements %s is not"
        " supported", onnx_dtype_name (to));
  onnx_node_emit (node, DCNN_OP_CAST, &params, 1, NULL);
}

void
onnx_map_cast (OnnxNode *node)
{
  if (onnx_dtype (onnx_node_int (node, "to", 0)) == DCNN_DTYPE_F32)
    node->inputs[0] = onnx_whole_as_float (node, node->inputs[0]);
  emit_cast (node, onnx_node_int (node, "to", 0));
}

void
onnx_map_cast_like (OnnxNode *node)
{
  const DcnnTensor *like = onnx_node_input (node, 1);
  DcnnParams params = { 0 };
  if (!onnx_node_check_type (node, 1))
    return;
  params.cast.to = like ? like->dtype : DCNN_DTYPE_NONE;
  onnx_node_emit (node, DCNN_OP_CAST, &params, 1, NULL);
}

/* Inference only: the data passes, and the mask is all ones. */
void
onnx_map_dropout (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gboolean wants_mask = node->n_outputs > 1 && node->outputs[1];
  DcnnTensor mask;

  if (onnx_node_input_scalar (node, 2, 0) != 0
      && onnx_node_input_scalar (node, 1, 0.5) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "training_mode is not "
        "supported: export the model in evaluation mode");
  if (!x)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its input is missing");
  if (node->error)
    return;
  if (wants_mask) {
    mask = *x;
    mask.dtype = node->opset < 10 ? x->dtype : DCNN_DTYPE_BOOL;
    if (!onnx_node_alloc (node, &mask))
      return;
    for (gint64 i = 0, n = dcnn_tensor_count (&mask); i < n; i++)
      dcnn_ref_set_int (&mask, i, 1);
    onnx_node_emit_constant (node, 1, &mask);
  }
  node->n_outputs = 1;
  onnx_node_emit (node, DCNN_OP_IDENTITY, NULL, 1, NULL);
}

/* By the statistics of what it is given, as nets standardise their weights
 * with it: of one batch, that of each channel over its own elements. */
static void
emit_training_norm (OnnxNode *node, const DcnnParams *params)
{
  const DcnnTensor *x = onnx_node_input (node, 0);

  for (int i = 1; i < node->n_outputs; i++)
    if (node->outputs[i])
      x = NULL;
  node->n_outputs = 1;
  if (!x || x->rank < 3 || x->dims[0] != 1)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "attribute training_mode = 1 "
        "is not supported: export the model in evaluation mode");
  onnx_node_emit (node, DCNN_OP_INSTANCE_NORM, params, 3, NULL);
}

void
onnx_map_batch_norm (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.norm.epsilon = onnx_node_float (node, "epsilon", 1e-5);
  if (onnx_node_int (node, "training_mode", 0) != 0) {
    emit_training_norm (node, &params);
    return;
  }
  if (onnx_node_int (node, "spatial", 1) == 0 && onnx_node_rank (node, 1) != 1)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "spatial = 0 with statistics"
        " of each pixel is not supported: export with statistics of each "
        "channel");
  onnx_node_emit (node, DCNN_OP_BATCH_NORM, &params, 5, NULL);
}

void
onnx_map_instance_norm (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.norm.epsilon = onnx_node_float (node, "epsilon", 1e-5);
  onnx_node_emit (node, DCNN_OP_INSTANCE_NORM, &params, 3, NULL);
}

void
onnx_map_layer_norm (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.norm.epsilon = onnx_node_float (node, "epsilon", 1e-5);
  params.norm.axis = onnx_node_axis (node, onnx_node_int (node, "axis", -1),
      onnx_node_rank (node, 0));
  onnx_node_emit (node, DCNN_OP_LAYER_NORM, &params, 3, NULL);
}

/* Opset 18 has scale and bias of each group: repeated for each channel. */
static void
widen_to_channels (OnnxNode *node, int i, gint64 groups, gint64 channels)
{
  const DcnnTensor *in = onnx_node_input (node, i);
  DcnnParams params = { 0 };
  DcnnTensor column = { .rank = 2, .dims = { groups, 1 } };
  DcnnTensor matrix = { .rank = 2 };
  DcnnTensor vector = { .rank = 1, .dims = { channels } };

  if (!in || in->rank != 1 || in->dims[0] != groups || groups < 1
      || channels % groups != 0 || groups == channels)
    return;
  matrix.dims[0] = groups;
  matrix.dims[1] = channels / groups;
  node->inputs[i] = onnx_node_emit_inner (node, DCNN_OP_RESHAPE, &params, 1,
      &node->inputs[i], &column);
  node->inputs[i] = onnx_node_emit_inner (node, DCNN_OP_EXPAND, &params, 1,
      &node->inputs[i], &matrix);
  node->inputs[i] = onnx_node_emit_inner (node, DCNN_OP_RESHAPE, &params, 1,
      &node->inputs[i], &vector);
}

void
onnx_map_group_norm (OnnxNode *node)
{
  DcnnParams params = { 0 };
  const DcnnTensor *x = onnx_node_input (node, 0);
  params.norm.epsilon = onnx_node_float (node, "epsilon", 1e-5);
  params.norm.groups = onnx_node_int (node, "num_groups", 0);
  for (int i = 1; node->opset < 21 && x && x->rank > 1 && i <= 2; i++)
    widen_to_channels (node, i, params.norm.groups, x->dims[1]);
  onnx_node_emit (node, DCNN_OP_GROUP_NORM, &params, 3, NULL);
}

/* (x - mean) / (deviation + 1e-9), as the operator's own definition spells. */
void
onnx_map_mean_variance_norm (OnnxNode *node)
{
  gint64 axes[ONNX_MAX_NUMBERS] = { 0, 2, 3 };
  int n = onnx_node_ints (node, "axes", axes);
  DcnnParams params = { 0 };
  DcnnTensor epsilon = { .dtype = DCNN_DTYPE_F32 };
  g_autofree char *name = onnx_node_temporary (node);
  DcnnValueId pair[2], centred, deviation;

  params.reduce.keepdims = true;
  params.reduce.axes = onnx_node_axes (node, n < 0 ? 3 : n, axes,
      onnx_node_rank (node, 0));
  pair[0] = node->inputs[0];
  pair[1] = onnx_node_emit_inner (node, DCNN_OP_REDUCE_MEAN, &params, 1,
      node->inputs, NULL);
  centred = onnx_node_emit_inner (node, DCNN_OP_SUB, NULL, 2, pair, NULL);
  pair[0] = pair[1] = centred;
  pair[0] = onnx_node_emit_inner (node, DCNN_OP_MUL, NULL, 2, pair, NULL);
  pair[0] = onnx_node_emit_inner (node, DCNN_OP_REDUCE_MEAN, &params, 1, pair,
      NULL);
  pair[0] = onnx_node_emit_inner (node, DCNN_OP_SQRT, NULL, 1, pair, NULL);
  if (!onnx_node_alloc (node, &epsilon))
    return;
  dcnn_ref_set (&epsilon, 0, 1e-9);
  pair[1] = dcnn_graph_add_constant (node->loader->graph, name, &epsilon,
      &node->error);
  if (pair[1] < 0) {
    dcnn_tensor_free (&epsilon);
    return;
  }
  deviation = onnx_node_emit_inner (node, DCNN_OP_ADD, NULL, 2, pair, NULL);
  node->inputs[0] = centred;
  node->inputs[1] = deviation;
  node->n_inputs = 2;
  onnx_node_emit (node, DCNN_OP_DIV, NULL, 2, NULL);
}

/* Softmax and its kin: before opset 13 over everything from the axis on. */
void
onnx_map_soft (OnnxNode *node)
{
  DcnnParams params = { 0 };
  gint64 absent = node->opset < 13 ? 1 : -1;
  int rank = MAX (onnx_node_rank (node, 0), 1);
  if (rank == 1)
    absent = -1;
  params.axis.axis = onnx_node_axis (node, onnx_node_int (node, "axis",
          absent), rank);
  params.axis.coerce_2d = node->opset < 13;
  if (params.axis.axis == rank - 1)
    params.axis.coerce_2d = false; /* the same, and simpler */
  onnx_node_emit (node, node->mapping->op, &params, 1, NULL);
}

void
onnx_map_arg (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.axis.axis = onnx_node_axis (node, onnx_node_int (node, "axis", 0),
      MAX (onnx_node_rank (node, 0), 1));
  params.axis.keepdims = onnx_node_int (node, "keepdims", 1) != 0;
  params.axis.select_last = onnx_node_int (node, "select_last_index", 0) != 0;
  onnx_node_emit (node, node->mapping->op, &params, 1, NULL);
}

void
onnx_map_cum_sum (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.axis.axis = onnx_node_axis (node,
      (gint64) onnx_node_input_scalar (node, 1, 0), onnx_node_rank (node, 0));
  params.axis.exclusive = onnx_node_int (node, "exclusive", 0) != 0;
  params.axis.reverse = onnx_node_int (node, "reverse", 0) != 0;
  onnx_node_emit (node, DCNN_OP_CUM_SUM, &params, 1, NULL);
}

/* k as an attribute before opset 10, then an input. */
void
onnx_map_top_k (OnnxNode *node)
{
  gint64 k[ONNX_MAX_NUMBERS] = { 0 };
  DcnnParams params = { 0 };
  k[0] = onnx_node_int (node, "k", 0);
  onnx_node_input_ints (node, 1, k);
  params.top_k.k = k[0];
  params.top_k.axis = onnx_node_axis (node, onnx_node_int (node, "axis", -1),
      onnx_node_rank (node, 0));
  params.top_k.largest = onnx_node_int (node, "largest", 1) != 0;
  onnx_node_emit (node, DCNN_OP_TOP_K, &params, 1, NULL);
}

void
onnx_map_gemm (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.gemm.alpha = onnx_node_float (node, "alpha", 1);
  params.gemm.beta = onnx_node_float (node, "beta", 1);
  params.gemm.trans_a = onnx_node_int (node, "transA", 0) != 0;
  params.gemm.trans_b = onnx_node_int (node, "transB", 0) != 0;
  if (node->opset < 7)
    onnx_node_int (node, "broadcast", 0);
  onnx_node_emit (node, DCNN_OP_GEMM, &params, 3, NULL);
}
