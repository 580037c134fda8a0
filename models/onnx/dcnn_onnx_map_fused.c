/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_fused.c - operators of domain com.microsoft in float32 that
 * stand for several of ONNX's: what ONNX Runtime saves after its own fusions.
 * They are parted again: fusion is the plan's.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include <math.h>
#include <string.h>

/* Most activations take their numbers from a list, by its position. */
static const struct {
  const char *name;
  DcnnOp op;
  double alpha, beta; /* where there is no list */
} activations[] = {
  { "Relu", DCNN_OP_RELU, 0, 0 },
  { "Sigmoid", DCNN_OP_SIGMOID, 0, 0 },
  { "Tanh", DCNN_OP_TANH, 0, 0 },
  { "LeakyRelu", DCNN_OP_LEAKY_RELU, 0.01, 0 },
  { "HardSigmoid", DCNN_OP_HARD_SIGMOID, 0.2, 0.5 },
  { "Elu", DCNN_OP_ELU, 1, 0 },
  { "Softplus", DCNN_OP_SOFTPLUS, 0, 0 },
  { "Clip", DCNN_OP_CLIP, -INFINITY, INFINITY },
  { "HardSwish", DCNN_OP_HARD_SWISH, 0, 0 },
};

static const char *const activation_names[] = { "Relu", "Sigmoid", "Tanh",
  "LeakyRelu", "HardSigmoid", "Elu", "Softplus", "Clip", "HardSwish", NULL };

/* Value x, or what the activation makes of it, as the node's output. */
static void
emit_activated (OnnxNode *node, DcnnValueId x, double alpha, double beta,
    int n)
{
  const int i = onnx_node_choice (node, "activation", activation_names, -1);
  DcnnParams params = { 0 };

  if (node->error)
    return;
  node->inputs[0] = x;
  if (i < 0) {
    onnx_node_emit (node, DCNN_OP_IDENTITY, NULL, 1, NULL);
    return;
  }
  alpha = n > 0 ? alpha : activations[i].alpha;
  beta = n > 1 ? beta : activations[i].beta;
  if (activations[i].op == DCNN_OP_CLIP) {
    params.act.lo = alpha;
    params.act.hi = beta;
  } else {
    params.act.alpha = alpha;
    params.act.beta = beta;
  }
  onnx_node_emit (node, activations[i].op, &params, 1, NULL);
}

/* X, W, a bias, a value that is added before the activation. */
void
onnx_map_fused_conv (OnnxNode *node)
{
  double numbers[ONNX_MAX_NUMBERS] = { 0 };
  const int n = onnx_node_floats (node, "activation_params", numbers);
  const gboolean adds = onnx_node_input (node, 3) != NULL;
  DcnnValueId x = onnx_node_map_as (node, "Conv", MIN (node->n_inputs, 3),
      node->inputs);

  if (adds)
    x = onnx_whole_binary (node, DCNN_OP_ADD, x, node->inputs[3]);
  emit_activated (node, x, numbers[0], numbers[1], n);
}

/* The same with channels last, in the weights, too: [M, kernel, C / group]. */
void
onnx_map_nhwc_conv (OnnxNode *node)
{
  const int rank = onnx_node_rank (node, 0);
  double numbers[ONNX_MAX_NUMBERS] = { 0 };
  const int n = onnx_node_floats (node, "activation_params", numbers);
  DcnnValueId inputs[3] = { -1, -1, -1 }, x;

  if (rank != 4 || onnx_node_rank (node, 1) != 4)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its input or its weights "
        "have another rank than 4");
  if (node->error)
    return;
  inputs[0] = onnx_whole_channels (node, node->inputs[0], TRUE);
  inputs[1] = onnx_whole_channels (node, node->inputs[1], TRUE);
  inputs[2] = onnx_node_input (node, 2) ? node->inputs[2] : -1;
  x = onnx_node_map_as (node, "Conv", inputs[2] >= 0 ? 3 : 2, inputs);
  x = onnx_whole_channels (node, x, FALSE);
  if (onnx_node_input (node, 3))
    x = onnx_whole_binary (node, DCNN_OP_ADD, x, node->inputs[3]);
  emit_activated (node, x, numbers[0], numbers[1], n);
}

/* What SkipGroupNorm adds first: another map, or a number for each channel of
 * an image (input 3), and a bias (input 4). */
static DcnnValueId
with_skip (OnnxNode *node, DcnnValueId x, gboolean last)
{
  const DcnnTensor t = onnx_emit_shape_of (node, x);
  const gint64 c = t.dims[last ? 3 : 1];
  const gint64 image[4] = { t.dims[0], last ? 1 : c, 1, last ? c : 1 };
  const gint64 bias[4] = { 1, last ? 1 : c, 1, last ? c : 1 };
  DcnnValueId skip = node->inputs[3];

  if (dcnn_tensor_count (onnx_node_input (node, 3)) == t.dims[0] * c)
    skip = onnx_emit_reshape (node, skip, 4, image);
  x = onnx_whole_binary (node, DCNN_OP_ADD, x, skip);
  if (onnx_node_input (node, 4))
    x = onnx_whole_binary (node, DCNN_OP_ADD, x, onnx_emit_reshape (node,
            node->inputs[4], 4, bias));
  return x;
}

/* GroupNorm (x, scale, shift) and SkipGroupNorm (x, scale, shift, skip, bias:
 * of their sum, which is its second output), with channels last unless it says
 * otherwise; with an activation of 1 they end in SiLU. */
void
onnx_map_nhwc_group_norm (OnnxNode *node)
{
  const gboolean last = onnx_node_int (node, "channels_last", 1) != 0;
  const gboolean skips = strcmp (node->mapping->op_type, "SkipGroupNorm") == 0;
  const gint64 activation = onnx_node_int (node, "activation", 0);
  const DcnnParams params = { .norm = {
      .groups = onnx_node_int (node, "groups", 0),
      .epsilon = onnx_node_float (node, "epsilon", 1e-5) } };
  DcnnValueId x[3], gate;

  if (!onnx_node_input (node, 1) || !onnx_node_input (node, 2)
      || onnx_node_rank (node, 0) != 4 || (skips && !onnx_node_input (node, 3)))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs %s, a scale and a "
        "shift", skips ? "two maps" : "a map");
  if (node->error)
    return;
  memcpy (x, node->inputs, sizeof x);
  if (skips) {
    x[0] = with_skip (node, x[0], last);
    onnx_emit_output (node, 1, x[0]);
  }
  if (last)
    x[0] = onnx_whole_channels (node, x[0], TRUE);
  x[0] = onnx_node_emit_inner (node, DCNN_OP_GROUP_NORM, &params, 3, x, NULL);
  if (activation != 0) {
    gate = onnx_emit_unary (node, DCNN_OP_SIGMOID, x[0]);
    x[0] = onnx_whole_binary (node, DCNN_OP_MUL, x[0], gate);
  }
  onnx_emit_output (node, 0, last ? onnx_whole_channels (node, x[0], FALSE)
      : x[0]);
}

/* emit_activated() where the activation's numbers are attributes. */
static void
emit_activated_once (OnnxNode *node, DcnnValueId x)
{
  const double alpha = onnx_node_float (node, "activation_alpha", NAN);
  const double beta = onnx_node_float (node, "activation_beta", NAN);

  onnx_node_float (node, "activation_gamma", 0);
  emit_activated (node, x, alpha, beta, isnan (alpha) ? 0
      : isnan (beta) ? 1 : 2);
}

void
onnx_map_fused_gemm (OnnxNode *node)
{
  emit_activated_once (node, onnx_node_map_as (node, "Gemm", node->n_inputs,
          node->inputs));
}

/* Input i: batch, where its rows lie in front of all other dimensions, moves
 * them behind; matrix then swaps rows and columns. */
static DcnnValueId
turned (OnnxNode *node, int i, gboolean matrix, gboolean batch)
{
  const int rank = onnx_node_rank (node, i);
  int perm[DCNN_MAX_RANK], last;

  if (!matrix && !batch)
    return node->inputs[i];
  if (rank < 2) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it transposes input %d of rank "
        "%d", i, rank);
    return -1;
  }
  for (int d = 0; d < rank - 1; d++)
    perm[d] = !batch ? d : d == rank - 2 ? 0 : d + 1;
  perm[rank - 1] = rank - 1;
  if (matrix) {
    last = perm[rank - 2];
    perm[rank - 2] = perm[rank - 1];
    perm[rank - 1] = last;
  }
  return onnx_emit_transpose (node, node->inputs[i], rank, perm);
}

/* FusedMatMul, TransposeMatMul (its old name), FusedMatMulActivation. */
void
onnx_map_fused_matmul (OnnxNode *node)
{
  const double alpha = onnx_node_float (node, "alpha", 1);
  DcnnValueId product;

  if (!onnx_node_input (node, 0) || !onnx_node_input (node, 1))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs two inputs");
  if (node->error)
    return;
  node->inputs[0] = turned (node, 0, onnx_node_int (node, "transA", 0) != 0,
      onnx_node_int (node, "transBatchA", 0) != 0);
  node->inputs[1] = turned (node, 1, onnx_node_int (node, "transB", 0) != 0,
      onnx_node_int (node, "transBatchB", 0) != 0);
  product = onnx_whole_binary (node, DCNN_OP_MATMUL, node->inputs[0],
      node->inputs[1]);
  if (alpha != 1)
    product = onnx_whole_binary (node, DCNN_OP_MUL, product,
        onnx_whole_number (node, alpha));
  emit_activated_once (node, product);
}

/* BiasGelu, FastGelu (the tanh form): of the sum with a bias, where there is
 * one. QuickGelu: x sigmoid (alpha x), of SiLUs with an alpha of 1. */
void
onnx_map_fused_gelu (OnnxNode *node)
{
  const gboolean quick = strcmp (node->mapping->op_type, "QuickGelu") == 0;
  const double alpha = quick ? onnx_node_float (node, "alpha", 1.702) : 0;
  DcnnParams params = { 0 };
  DcnnValueId x = node->inputs[0], v;

  if (node->n_inputs < 1) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it has no inputs");
    return;
  }
  if (onnx_node_input (node, 1))
    x = onnx_whole_binary (node, DCNN_OP_ADD, x, node->inputs[1]);
  node->inputs[0] = x;
  if (!quick) {
    params.act.tanh_form = strcmp (node->mapping->op_type, "FastGelu") == 0;
    onnx_node_emit (node, DCNN_OP_GELU, &params, 1, NULL);
    return;
  }
  v = alpha == 1 ? x : onnx_whole_binary (node, DCNN_OP_MUL, x,
      onnx_whole_number (node, alpha));
  node->inputs[1] = onnx_node_emit_inner (node, DCNN_OP_SIGMOID, NULL, 1, &v,
      NULL);
  node->n_inputs = 2;
  onnx_node_emit (node, DCNN_OP_MUL, NULL, 2, NULL);
}

/* BiasSplitGelu: of the sum with a bias, the first half of the channels times
 * the GELU of the second. */
void
onnx_map_split_gelu (OnnxNode *node)
{
  const int last = onnx_node_rank (node, 0) - 1;
  DcnnValueId x, gate;
  gint64 half;

  if (last < 0 || !onnx_node_input (node, 1))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs a value and a bias");
  if (node->error)
    return;
  x = onnx_whole_binary (node, DCNN_OP_ADD, node->inputs[0], node->inputs[1]);
  half = onnx_emit_shape_of (node, x).dims[last] / 2;
  if (!node->error && (half < 1 || onnx_emit_shape_of (node, x).dims[last]
          != 2 * half))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its channels have no halves");
  gate = onnx_emit_unary (node, DCNN_OP_GELU, onnx_emit_slice (node, x, last,
          half, half, 1));
  onnx_emit_output (node, 0, onnx_whole_binary (node, DCNN_OP_MUL,
          onnx_emit_slice (node, x, last, 0, half, 1), gate));
}

/* BiasAdd (x, bias, skip): their sum. */
void
onnx_map_bias_add (OnnxNode *node)
{
  if (!onnx_node_input (node, 0) || !onnx_node_input (node, 1)
      || !onnx_node_input (node, 2))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs a value, a bias and a "
        "skip");
  if (!node->error)
    onnx_emit_output (node, 0, onnx_whole_binary (node, DCNN_OP_ADD,
            onnx_whole_binary (node, DCNN_OP_ADD, node->inputs[0],
                node->inputs[1]), node->inputs[2]));
}

/* BiasSoftmax: softmax over all dimensions from axis on of a sum, whose second
 * operand stands for each of the first dimensions (is_inner_broadcast 0), or
 * for those just before axis. */
void
onnx_map_bias_softmax (OnnxNode *node)
{
  const int rank = onnx_node_rank (node, 0);
  const gint64 axis = onnx_node_axis (node, onnx_node_int (node, "axis", 1),
      rank);
  const DcnnParams params = { .axis = { .axis = 1 } };
  gint64 flat[2] = { 1, 1 };
  DcnnValueId x;
  DcnnTensor t;

  onnx_node_int (node, "is_inner_broadcast", 1); /* shapes say it */
  if (!onnx_node_input (node, 0) || !onnx_node_input (node, 1))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs a value and a bias");
  if (node->error)
    return;
  x = onnx_whole_binary (node, DCNN_OP_ADD, node->inputs[0], node->inputs[1]);
  t = onnx_emit_shape_of (node, x);
  for (int i = 0; i < t.rank; i++)
    flat[i >= axis] *= t.dims[i];
  x = onnx_emit_reshape (node, x, 2, flat);
  x = onnx_node_emit_inner (node, DCNN_OP_SOFTMAX, &params, 1, &x, NULL);
  onnx_emit_output (node, 0, onnx_emit_reshape (node, x, t.rank, t.dims));
}
