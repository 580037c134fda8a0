/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_qlinear.c - operators on quantised tensors (QOperator format,
 * ONNX's and com.microsoft's): their inputs dequantised, the float operator's
 * own mapping, and its result quantised again.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include <math.h>
#include <string.h>

#include "ref_util.h"

/* Where the quantised inputs of an operator lie, each with its scale and zero
 * point behind it, and those of its output. */
static const struct {
  const char *op_type, *float_type;
  int first, n;      /* quantised inputs: first, first + 3 ... */
  int output;        /* scale and zero point of the output */
  int plain;         /* an input that stays as it is, in front; -1 */
} qlinears[] = {
  { "QLinearConv", "Conv", 0, 2, 6, -1 },
  { "QLinearMatMul", "MatMul", 0, 2, 6, -1 },
  { "QLinearAdd", "Add", 0, 2, 6, -1 },
  { "QLinearMul", "Mul", 0, 2, 6, -1 },
  { "QLinearAveragePool", "AveragePool", 0, 1, 3, -1 },
  { "QLinearGlobalAveragePool", "GlobalAveragePool", 0, 1, 3, -1 },
  { "QLinearLeakyRelu", "LeakyRelu", 0, 1, 3, -1 },
  { "QLinearSigmoid", "Sigmoid", 0, 1, 3, -1 },
  { "QLinearSoftmax", "Softmax", 0, 1, 3, -1 },
  { "QLinearReduceMean", "ReduceMean", 0, 1, 3, -1 },
  { "QLinearWhere", "Where", 1, 2, 7, 0 },
};

static const char *const contributed[] = { "QuantizeLinear",
  "DequantizeLinear", "QLinearAdd", "QLinearMul", "QLinearConv",
  "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearLeakyRelu",
  "QLinearSigmoid", "QLinearSoftmax", "QLinearReduceMean", "QLinearWhere",
  "QLinearConcat", "QGemm", "MatMulIntegerToFloat", "DynamicQuantizeMatMul",
  "FusedConv", "FusedGemm", "FusedMatMul", "Gelu", "BiasGelu", "FastGelu",
  "QuickGelu", "NhwcConv", "NhwcFusedConv", "NhwcMaxPool", "GroupNorm", "GridSample",
  "Trilu", "SimplifiedLayerNormalization", "SkipLayerNormalization",
  "SkipSimplifiedLayerNormalization", "Attention", "MultiHeadAttention",
  "QAttention", "RotaryEmbedding", "TransposeMatMul", "FusedMatMulActivation",
  "MatMulNBits", "BiasAdd", "BiasSoftmax", "BiasSplitGelu", "SkipGroupNorm" };

gboolean
onnx_whole_is_contributed (const char *op_type)
{
  for (gsize i = 0; op_type && i < G_N_ELEMENTS (contributed); i++)
    if (strcmp (contributed[i], op_type) == 0)
      return TRUE;
  return FALSE;
}

/* The last axis of input i: matrices' columns. */
static int
last_axis (const OnnxNode *node, int i)
{
  return MAX (onnx_node_rank (node, i) - 1, 0);
}

/* A whole-number bias (input i) of the scale of its operands' products. */
static DcnnValueId
dequantize_bias (OnnxNode *node, int i, DcnnValueId a, DcnnValueId b)
{
  const OnnxWhole *x = onnx_whole_find (node, a);
  const OnnxWhole *w = onnx_whole_find (node, b);
  const DcnnTensor *bias = onnx_node_input (node, i);
  DcnnTensor flat = { .rank = 1 };
  OnnxWhole whole = { .low = -INFINITY, .high = INFINITY, .exact = TRUE };
  DcnnValueId scale, out;

  if (node->error || !bias)
    return -1;
  if (!x || !w || bias->rank > 2) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its bias has no scale");
    return -1;
  }
  scale = onnx_whole_scales (node, DCNN_OP_MUL, x->scale, w->scale);
  if (scale >= 0 && !onnx_whole_is_scalar (node, scale)) {
    flat.dims[0] = dcnn_tensor_count (
        &dcnn_graph_value (node->loader->graph, scale)->tensor);
    scale = onnx_node_emit_inner (node, DCNN_OP_RESHAPE, NULL, 1, &scale,
        &flat);
  }
  if (scale < 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its operands have scales "
        "of different shapes");
  whole.scale = scale;
  whole.whole = onnx_whole_centred (node, i, -1, 0);
  if (node->error)
    return -1;
  out = onnx_whole_binary (node, DCNN_OP_MUL, whole.whole, scale);
  onnx_whole_add (node, out, &whole);
  return out;
}

DcnnValueId
onnx_node_map_as (OnnxNode *node, const char *float_type, int n,
    const DcnnValueId *inputs)
{
  const OnnxMapping *mapping = node->mapping;
  g_autofree DcnnValueId *kept = g_memdup2 (node->inputs, sizeof node->inputs);
  g_autofree char *name = onnx_node_temporary (node);
  const char *output = node->outputs[0];
  int n_inputs = node->n_inputs, n_outputs = node->n_outputs;

  for (int i = 0; i < n; i++)
    node->inputs[i] = inputs[i];
  node->n_inputs = n;
  node->n_outputs = 1;
  node->outputs[0] = name;
  node->mapping = node->loader->find_mapping (float_type);
  onnx_whole_map (node);
  node->mapping = mapping;
  memcpy (node->inputs, kept, sizeof node->inputs);
  node->n_inputs = n_inputs;
  node->n_outputs = n_outputs;
  node->outputs[0] = output;
  return node->error ? -1 : dcnn_graph_find_value (node->loader->graph, name);
}

static DcnnDtype
type_of (const OnnxNode *node, int i)
{
  const DcnnTensor *t = onnx_node_input (node, i);
  return t ? t->dtype : DCNN_DTYPE_U8;
}

DcnnValueId
onnx_whole_channels (OnnxNode *node, DcnnValueId x, gboolean first)
{
  const int rank = onnx_emit_shape_of (node, x).rank;
  const OnnxWhole *known = x < 0 ? NULL : onnx_whole_find (node, x);
  int perm[DCNN_MAX_RANK];
  OnnxWhole whole;

  if (node->error || rank < 3)
    return x;
  perm[0] = 0;
  for (int i = 1; i < rank; i++)
    perm[i] = !first ? i % (rank - 1) + 1 : i == 1 ? rank - 1 : i - 1;
  x = onnx_emit_transpose (node, x, rank, perm);
  if (!known || (known->scale >= 0
          && !onnx_whole_is_scalar (node, known->scale)))
    return x;
  whole = *known;
  whole.whole = onnx_emit_transpose (node, whole.whole, rank, perm);
  onnx_whole_add (node, x, &whole);
  return x;
}

void
onnx_map_qlinear (OnnxNode *node)
{
  const char *type = node->mapping->op_type;
  gboolean conv = strcmp (type, "QLinearConv") == 0;
  DcnnValueId inputs[3], out;
  gint64 opset = node->opset;
  const gboolean last = onnx_node_int (node, "channels_last", 0) != 0;
  int row = 0, n = 0;

  while (strcmp (qlinears[row].op_type, type) != 0)
    row++;
  if (qlinears[row].plain >= 0)
    inputs[n++] = node->inputs[qlinears[row].plain];
  for (int i = 0; i < qlinears[row].n; i++) {
    int at = qlinears[row].first + 3 * i;
    inputs[n++] = onnx_whole_dequantize (node, at, at + 1, at + 2,
        conv ? 0 : last_axis (node, at), NULL);
  }
  if (last)
    inputs[0] = onnx_whole_channels (node, inputs[0], TRUE);
  if (conv) {
    inputs[n] = dequantize_bias (node, 8, inputs[0], inputs[1]);
    n += inputs[n] >= 0;
  }
  if (strcmp (type, "QLinearSoftmax") == 0)
    node->opset = onnx_node_int (node, "opset", opset);
  out = onnx_node_map_as (node, qlinears[row].float_type, n, inputs);
  node->opset = opset;
  if (last)
    out = onnx_whole_channels (node, out, FALSE);
  onnx_whole_quantize (node, out, qlinears[row].output,
      qlinears[row].output + 1, 1, type_of (node, qlinears[row].first));
}

/* Of integers, with channels last. */
void
onnx_map_nhwc_max_pool (OnnxNode *node)
{
  DcnnValueId x = onnx_whole_channels (node, node->inputs[0], TRUE);
  const OnnxWhole *known;
  OnnxWhole whole;

  x = onnx_whole_channels (node, onnx_node_map_as (node, "MaxPool", 1, &x),
      FALSE);
  known = node->error ? NULL : onnx_whole_find (node, x);
  if (known)
    whole = *known;
  x = onnx_emit_output (node, 0, x);
  if (known && x >= 0)
    onnx_whole_add (node, x, &whole);
}

void
onnx_map_qlinear_concat (OnnxNode *node)
{
  g_autofree DcnnValueId *inputs = g_new0 (DcnnValueId, DCNN_MAX_NODE_INPUTS);
  DcnnValueId out;
  int n = 0;

  for (int i = 2; i + 1 < node->n_inputs; i += 3)
    inputs[n++] = onnx_whole_dequantize (node, i, i + 1, i + 2, 0, NULL);
  if (n == 0)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it has no inputs");
  out = onnx_node_map_as (node, "Concat", n, inputs);
  onnx_whole_quantize (node, out, 0, 1, 0, type_of (node, 2));
}

/* Without a scale of its output, that is float32. */
void
onnx_map_qgemm (OnnxNode *node)
{
  DcnnValueId inputs[3], out;
  gboolean transposed = onnx_node_int (node, "transB", 0) != 0;

  inputs[0] = onnx_whole_dequantize (node, 0, 1, 2, 0, NULL);
  inputs[1] = onnx_whole_dequantize (node, 3, 4, 5, transposed ? 0 : 1, NULL);
  inputs[2] = dequantize_bias (node, 6, inputs[0], inputs[1]);
  out = onnx_node_map_as (node, "Gemm", inputs[2] >= 0 ? 3 : 2, inputs);
  if (onnx_node_input (node, 7)) {
    onnx_whole_quantize (node, out, 7, 8, 1, type_of (node, 0));
  } else if (!node->error) {
    node->inputs[0] = out;
    onnx_node_emit (node, DCNN_OP_IDENTITY, NULL, 1, NULL);
  }
}

/* ---- whole-number sums without scales ------------------------------------------ */

/* The node's output as an int32 of which only the float32 is read. */
static void
emit_sums (OnnxNode *node, DcnnValueId sums)
{
  DcnnParams params = { .cast = { .to = DCNN_DTYPE_I32 } };
  OnnxWhole whole = { .whole = sums, .scale = -1, .low = -INFINITY,
    .high = INFINITY };

  node->inputs[0] = sums;
  if (node->error)
    return;
  onnx_node_emit (node, DCNN_OP_CAST, &params, 1, NULL);
  if (!node->error && node->outputs[0])
    onnx_whole_add (node, dcnn_graph_find_value (node->loader->graph,
            node->outputs[0]), &whole);
}

void
onnx_map_conv_integer (OnnxNode *node)
{
  DcnnValueId pair[2] = { onnx_whole_centred (node, 0, 2, 1),
    onnx_whole_centred (node, 1, 3, 0) };

  emit_sums (node, onnx_node_map_as (node, "Conv", 2, pair));
}

void
onnx_map_matmul_integer (OnnxNode *node)
{
  DcnnValueId pair[2] = { onnx_whole_centred (node, 0, 2,
      MAX (onnx_node_rank (node, 0) - 2, 0)),
    onnx_whole_centred (node, 1, 3, last_axis (node, 1)) };

  emit_sums (node, onnx_node_map_as (node, "MatMul", 2, pair));
}

/* A product of two matrices and perhaps a float bias (input i). */
static void
emit_product (OnnxNode *node, DcnnValueId a, DcnnValueId b, int bias)
{
  DcnnValueId pair[2] = { a, b };
  DcnnValueId out = onnx_node_map_as (node, "MatMul", 2, pair);

  if (onnx_node_input (node, bias))
    out = onnx_whole_binary (node, DCNN_OP_ADD, out, node->inputs[bias]);
  node->inputs[0] = out;
  if (!node->error)
    onnx_node_emit (node, DCNN_OP_IDENTITY, NULL, 1, NULL);
}

/* A, B, their scales, their zero points, a bias. */
void
onnx_map_matmul_to_float (OnnxNode *node)
{
  DcnnValueId a = onnx_whole_dequantize (node, 0, 2, 4, last_axis (node, 0),
      NULL);
  DcnnValueId b = onnx_whole_dequantize (node, 1, 3, 5, last_axis (node, 1),
      NULL);

  emit_product (node, a, b, 6);
}

/* A in float32, B with scale and zero point, a bias. */
void
onnx_map_dynamic_matmul (OnnxNode *node)
{
  DcnnValueId b = onnx_whole_dequantize (node, 1, 2, 3, last_axis (node, 1),
      NULL);

  emit_product (node, node->inputs[0], b, 4);
}
