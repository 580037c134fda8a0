/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_emit.h - private to the ONNX import: the nodes that mappings which
 * spell an operator by others are made of.
 *
 * All take and give values of the graph and do nothing after a failure: then
 * they give -1. Constants come from what constants may take
 * (onnx_node_alloc()).
 */
#ifndef DCNN_ONNX_EMIT_H
#define DCNN_ONNX_EMIT_H

#include "dcnn_onnx_node.h"

G_BEGIN_DECLS

/* A value's type and shape, without its data; of rank 0 after a failure. */
DcnnTensor onnx_emit_shape_of (const OnnxNode *node, DcnnValueId x);

DcnnValueId onnx_emit_unary (OnnxNode *node, DcnnOp op, DcnnValueId x);
DcnnValueId onnx_emit_reshape (OnnxNode *node, DcnnValueId x, int rank,
    const gint64 *dims);
/* Dimension i of the result is dimension perm[i]. */
DcnnValueId onnx_emit_transpose (OnnxNode *node, DcnnValueId x, int rank,
    const int *perm);
/* count elements along an axis, from start on, step apart. */
DcnnValueId onnx_emit_slice (OnnxNode *node, DcnnValueId x, int axis,
    gint64 start, gint64 count, gint64 step);
DcnnValueId onnx_emit_join (OnnxNode *node, int n, const DcnnValueId *parts,
    int axis);
/* op over the axes (bits), which stay, of size 1. */
DcnnValueId onnx_emit_reduce (OnnxNode *node, DcnnOp op, DcnnValueId x,
    guint32 axes);
/* Where condition holds a, else b. */
DcnnValueId onnx_emit_where (OnnxNode *node, DcnnValueId condition,
    DcnnValueId a, DcnnValueId b);
/* A float32 constant, every element of that value. */
DcnnValueId onnx_emit_filled (OnnxNode *node, int rank, const gint64 *dims,
    double value);
/* Gives the node's output i that value. Returns the output, or -1, also where
 * nobody reads it. */
DcnnValueId onnx_emit_output (OnnxNode *node, int i, DcnnValueId x);

G_END_DECLS

#endif
