/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_whole_emit.c - arithmetic on whole numbers as nodes of the graph:
 * see dcnn_onnx_whole.h.
 */
#include "dcnn_onnx_whole.h"

#include <string.h>

#include "ref_util.h"

DcnnValueId
onnx_whole_constant (OnnxNode *node, DcnnTensor *tensor)
{
  g_autofree char *name = onnx_node_temporary (node);
  DcnnValueId id = node->error ? -1 : dcnn_graph_add_constant (
      node->loader->graph, name, tensor, &node->error);

  if (id < 0)
    dcnn_tensor_free (tensor);
  return id;
}

DcnnValueId
onnx_whole_number (OnnxNode *node, double value)
{
  DcnnTensor tensor = { .dtype = DCNN_DTYPE_F32 };

  if (!onnx_node_alloc (node, &tensor))
    return -1;
  dcnn_ref_set (&tensor, 0, value);
  return onnx_whole_constant (node, &tensor);
}

DcnnValueId
onnx_whole_binary (OnnxNode *node, DcnnOp op, DcnnValueId a, DcnnValueId b)
{
  DcnnValueId pair[2] = { a, b };

  return onnx_node_emit_inner (node, op, NULL, 2, pair, NULL);
}

DcnnValueId
onnx_whole_clip (OnnxNode *node, DcnnValueId value, double low, double high)
{
  DcnnParams params = { .act = { .lo = low, .hi = high } };

  return onnx_node_emit_inner (node, DCNN_OP_CLIP, &params, 1, &value, NULL);
}

DcnnValueId
onnx_whole_scales (OnnxNode *node, DcnnOp op, DcnnValueId a, DcnnValueId b)
{
  const DcnnTensor *x, *y;

  if (node->error || a < 0 || b < 0)
    return -1;
  x = &dcnn_graph_value (node->loader->graph, a)->tensor;
  y = &dcnn_graph_value (node->loader->graph, b)->tensor;
  if (dcnn_tensor_count (x) > 1 && dcnn_tensor_count (y) > 1
      && (x->rank != y->rank || memcmp (x->dims, y->dims,
              sizeof *x->dims * (size_t) x->rank) != 0))
    return -1;
  return onnx_whole_binary (node, op, a, b);
}
