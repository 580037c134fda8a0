/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_quant.c - quantisers, in float32: DequantizeLinear of a stored
 * tensor is a constant; QuantizeLinear keeps its rounding and its clamp, for
 * files without Relu hold the activation's bounds there only.
 */
#include "dcnn_onnx_node.h"

#include <string.h>

#include "ref_util.h"

/* Adding and taking it away rounds a float32 of up to 2^22 to the nearest
 * integer, halves to even. */
#define ROUNDER 12582912.0
#define LARGEST 2097152.0

static DcnnValueId
number (OnnxNode *node, double value)
{
  DcnnTensor tensor = { .dtype = DCNN_DTYPE_F32 };
  g_autofree char *name = onnx_node_temporary (node);
  DcnnValueId id;

  if (!onnx_node_alloc (node, &tensor))
    return -1;
  dcnn_ref_set (&tensor, 0, value);
  id = dcnn_graph_add_constant (node->loader->graph, name, &tensor,
      &node->error);
  if (id < 0)
    dcnn_tensor_free (&tensor);
  return id;
}

static DcnnValueId
binary (OnnxNode *node, DcnnOp op, DcnnValueId a, DcnnValueId b)
{
  DcnnValueId pair[2] = { a, b };
  return onnx_node_emit_inner (node, op, NULL, 2, pair, NULL);
}

static DcnnValueId
cast (OnnxNode *node, DcnnValueId value, DcnnDtype to)
{
  DcnnParams params = { .cast = { .to = to } };
  return onnx_node_emit_inner (node, DCNN_OP_CAST, &params, 1, &value, NULL);
}

static DcnnValueId
clip (OnnxNode *node, DcnnValueId value, double lo, double hi)
{
  DcnnParams params = { .act = { .lo = lo, .hi = hi } };
  return onnx_node_emit_inner (node, DCNN_OP_CLIP, &params, 1, &value, NULL);
}

/* Scale (1) or zero point (2) as float32, along the axis where it has one. */
static DcnnValueId
parameter (OnnxNode *node, int i, int axis)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  const DcnnTensor *t = onnx_node_input (node, i);
  DcnnTensor shape = { .rank = x ? x->rank : 0 };
  DcnnParams none = { 0 };
  DcnnValueId value;

  if (!x || !t || !t->data || t->rank > 1
      || (t->rank == 1 && t->dims[0] != 1
          && (axis < 0 || axis >= x->rank || t->dims[0] != x->dims[axis]))) {
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its scale and zero point "
        "must be constants, one number or one along its axis");
    return -1;
  }
  value = cast (node, node->inputs[i], DCNN_DTYPE_F32);
  if (dcnn_tensor_count (t) == 1) {
    shape.rank = 0;
    return onnx_node_emit_inner (node, DCNN_OP_RESHAPE, &none, 1, &value,
        &shape);
  }
  for (int k = 0; k < shape.rank; k++)
    shape.dims[k] = k == axis ? t->dims[0] : 1;
  return onnx_node_emit_inner (node, DCNN_OP_RESHAPE, &none, 1, &value,
      &shape);
}

static int
quantiser_axis (OnnxNode *node)
{
  const DcnnTensor *scale = onnx_node_input (node, 1);
  gint64 axis = onnx_node_int (node, "axis", 1);

  if (onnx_node_int (node, "block_size", 0) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "block_size is not "
        "supported: quantise each tensor or each channel");
  if (!scale || dcnn_tensor_count (scale) == 1)
    return 0;
  return (int) onnx_node_axis (node, axis, onnx_node_rank (node, 0));
}

void
onnx_map_quantize (OnnxNode *node)
{
  int axis = quantiser_axis (node);
  const DcnnTensor *zero = onnx_node_input (node, 2);
  gint64 type = onnx_node_int (node, "output_dtype", 0);
  DcnnDtype to = zero ? zero->dtype : type ? onnx_dtype (type)
      : DCNN_DTYPE_U8;
  DcnnParams params = { .cast = { .to = to } };
  DcnnValueId x = node->inputs[0], rounder = -1;

  onnx_node_int (node, "precision", 0);
  if (!node->error && (to != DCNN_DTYPE_U8 && to != DCNN_DTYPE_I8))
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "it quantises to something "
        "else than int8 or uint8: use one of these");
  if (node->error)
    return;
  rounder = number (node, ROUNDER);
  x = binary (node, DCNN_OP_DIV, x, parameter (node, 1, axis));
  x = clip (node, x, -LARGEST, LARGEST);
  x = binary (node, DCNN_OP_ADD, x, rounder);
  x = binary (node, DCNN_OP_SUB, x, rounder);
  if (zero)
    x = binary (node, DCNN_OP_ADD, x, parameter (node, 2, axis));
  x = to == DCNN_DTYPE_U8 ? clip (node, x, 0, 255) : clip (node, x, -128, 127);
  node->inputs[0] = x;
  onnx_node_emit (node, DCNN_OP_CAST, &params, 1, NULL);
}

/* What a quantiser above computed, before it became an integer; else the
 * value as float32. */
static DcnnValueId
as_float (OnnxNode *node, DcnnValueId value)
{
  const DcnnGraph *graph = node->loader->graph;
  const DcnnNode *maker = NULL;
  int producer = dcnn_graph_value (graph, value)->producer;

  if (producer >= 0)
    maker = dcnn_graph_node (graph, producer);
  if (maker && maker->op == DCNN_OP_CAST && g_str_has_prefix (
          dcnn_graph_value (graph, maker->inputs[0])->name, "QuantizeLinear:"))
    return maker->inputs[0];
  return cast (node, value, DCNN_DTYPE_F32);
}

/* A stored tensor: its numbers, at once. */
static void
dequantize_constant (OnnxNode *node, const DcnnTensor *x, DcnnValueId scale,
    DcnnValueId zero, int axis)
{
  const DcnnTensor *s = &dcnn_graph_value (node->loader->graph, scale)->tensor;
  const DcnnTensor *z = zero < 0 ? NULL
      : &dcnn_graph_value (node->loader->graph, zero)->tensor;
  DcnnTensor out = *x;
  gint64 inner = 1, count = dcnn_tensor_count (x);

  out.dtype = DCNN_DTYPE_F32;
  out.data = NULL;
  if (!onnx_node_alloc (node, &out))
    return;
  for (int i = axis + 1; i < x->rank; i++)
    inner *= x->dims[i];
  for (gint64 i = 0; i < count; i++) {
    gint64 along = x->rank > 0 ? i / inner % x->dims[axis] : 0;
    double offset = z ? dcnn_ref_get (z, dcnn_tensor_count (z) > 1 ? along : 0)
        : 0;
    dcnn_ref_set (&out, i, (dcnn_ref_get (x, i) - offset)
        * dcnn_ref_get (s, dcnn_tensor_count (s) > 1 ? along : 0));
  }
  onnx_node_emit_constant (node, 0, &out);
}

void
onnx_map_dequantize (OnnxNode *node)
{
  int axis = quantiser_axis (node);
  const DcnnTensor *x = onnx_node_input (node, 0);
  DcnnValueId scale = node->error ? -1 : parameter (node, 1, axis), zero = -1;
  DcnnValueId pair[2];

  if (onnx_node_int (node, "output_dtype", ONNX_FLOAT) != ONNX_FLOAT)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "output_dtype must be "
        "float32");
  if (!node->error && onnx_node_input (node, 2))
    zero = parameter (node, 2, axis);
  if (node->error)
    return;
  x = onnx_node_input (node, 0);
  if (x->data) {
    dequantize_constant (node, x, scale, zero, axis);
    return;
  }
  pair[0] = as_float (node, node->inputs[0]);
  if (zero >= 0)
    pair[0] = binary (node, DCNN_OP_SUB, pair[0], zero);
  node->inputs[0] = pair[0];
  node->inputs[1] = scale;
  node->n_inputs = 2;
  onnx_node_emit (node, DCNN_OP_MUL, NULL, 2, NULL);
}
