/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_emit.c - see dcnn_onnx_emit.h.
 */
#include "dcnn_onnx_emit.h"

#include "dcnn_onnx_whole.h"
#include "ref_util.h"

DcnnTensor
onnx_emit_shape_of (const OnnxNode *node, DcnnValueId x)
{
  DcnnTensor shape = { .rank = 0 };

  if (node->error || x < 0)
    return shape;
  shape = dcnn_graph_value (node->loader->graph, x)->tensor;
  shape.data = NULL;
  return shape;
}

DcnnValueId
onnx_emit_unary (OnnxNode *node, DcnnOp op, DcnnValueId x)
{
  return onnx_node_emit_inner (node, op, NULL, 1, &x, NULL);
}

DcnnValueId
onnx_emit_reshape (OnnxNode *node, DcnnValueId x, int rank, const gint64 *dims)
{
  DcnnTensor shape = { .rank = rank };

  for (int i = 0; i < rank; i++)
    shape.dims[i] = dims[i];
  return onnx_node_emit_inner (node, DCNN_OP_RESHAPE, NULL, 1, &x, &shape);
}

DcnnValueId
onnx_emit_transpose (OnnxNode *node, DcnnValueId x, int rank, const int *perm)
{
  DcnnParams params = { 0 };

  for (int i = 0; i < rank; i++)
    params.transpose.perm[i] = perm[i];
  return onnx_node_emit_inner (node, DCNN_OP_TRANSPOSE, &params, 1, &x, NULL);
}

DcnnValueId
onnx_emit_slice (OnnxNode *node, DcnnValueId x, int axis, gint64 start,
    gint64 count, gint64 step)
{
  const DcnnTensor t = onnx_emit_shape_of (node, x);
  DcnnParams params = { 0 };

  for (int i = 0; i < t.rank; i++) {
    params.slice.start[i] = i == axis ? start : 0;
    params.slice.step[i] = i == axis && count > 1 ? step : 1;
    params.slice.count[i] = i == axis ? count : t.dims[i];
  }
  return onnx_node_emit_inner (node, DCNN_OP_SLICE, &params, 1, &x, NULL);
}

DcnnValueId
onnx_emit_join (OnnxNode *node, int n, const DcnnValueId *parts, int axis)
{
  const DcnnParams params = { .axis = { .axis = axis } };

  return onnx_node_emit_inner (node, DCNN_OP_CONCAT, &params, n, parts, NULL);
}

DcnnValueId
onnx_emit_reduce (OnnxNode *node, DcnnOp op, DcnnValueId x, guint32 axes)
{
  const DcnnParams params = { .reduce = { .axes = axes, .keepdims = true } };

  return onnx_node_emit_inner (node, op, &params, 1, &x, NULL);
}

DcnnValueId
onnx_emit_where (OnnxNode *node, DcnnValueId condition, DcnnValueId a,
    DcnnValueId b)
{
  const DcnnValueId all[3] = { condition, a, b };

  return onnx_node_emit_inner (node, DCNN_OP_WHERE, NULL, 3, all, NULL);
}

DcnnValueId
onnx_emit_filled (OnnxNode *node, int rank, const gint64 *dims, double value)
{
  DcnnTensor tensor = { .dtype = DCNN_DTYPE_F32, .rank = rank };

  for (int i = 0; i < rank; i++)
    tensor.dims[i] = dims[i];
  if (!onnx_node_alloc (node, &tensor))
    return -1;
  for (gint64 i = 0, n = dcnn_tensor_count (&tensor); i < n; i++)
    dcnn_ref_set (&tensor, i, value);
  return onnx_whole_constant (node, &tensor);
}

DcnnValueId
onnx_emit_output (OnnxNode *node, int i, DcnnValueId x)
{
  const char *name = i < node->n_outputs ? node->outputs[i] : NULL;
  DcnnValueId out;

  return !node->error && name && x >= 0
      && dcnn_graph_add_node (node->loader->graph, node->proto->name,
      DCNN_OP_IDENTITY, NULL, 1, &x, 1, &name, NULL, &out, &node->error)
      ? out : -1;
}
