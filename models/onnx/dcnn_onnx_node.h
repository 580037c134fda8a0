/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_node.h - private to the ONNX import: one node being translated.
 *
 * A mapping reads attributes and constant inputs and emits nodes of the graph.
 * The first failure sticks in node->error; after it every call here does
 * nothing and gives a harmless value, so a mapping needs few checks. Not
 * thread-safe; one load has one.
 */
#ifndef DCNN_ONNX_NODE_H
#define DCNN_ONNX_NODE_H

#include "dcnn_onnx_loader.h"

G_BEGIN_DECLS

typedef struct OnnxNode OnnxNode;
typedef void (*OnnxMapFn) (OnnxNode *node);

/* A line of dcnn_onnx_ops.def. */
typedef struct OnnxMapping {
  const char *op_type;
  OnnxMapFn map;
  DcnnOp op; /* for mappings that several operators share */
} OnnxMapping;

struct OnnxNode {
  OnnxLoader *loader;
  const Onnx__NodeProto *proto;
  const OnnxMapping *mapping;
  gint64 opset;
  int n_inputs, n_outputs; /* without absent ones at the end */
  DcnnValueId inputs[DCNN_MAX_NODE_INPUTS]; /* -1: absent */
  const char *outputs[DCNN_MAX_NODE_OUTPUTS]; /* NULL: nobody reads it */
  gboolean *used; /* of each attribute: a mapping has looked at it */
  int made_up; /* values named by onnx_node_temporary() */
  GError *error;
};

/* The line for an operator, or NULL. */
const OnnxMapping *onnx_mapping_find (const char *op_type);

/* Translates one node. Its inputs are in the graph. FALSE with error set. */
gboolean onnx_node_map (OnnxLoader *loader, const Onnx__NodeProto *proto,
    GError **error);

/* Sets the node's error, if it is the first. */
void onnx_node_fail (OnnxNode *node, DcnnError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* Attributes, or the given default. A wrong type is a failure. */
gint64 onnx_node_int (OnnxNode *node, const char *name, gint64 absent);
double onnx_node_float (OnnxNode *node, const char *name, double absent);
/* Number of integers, copied to values (at most DCNN_MAX_RANK * 2); -1:
 * absent. */
int onnx_node_ints (OnnxNode *node, const char *name, gint64 *values);
int onnx_node_floats (OnnxNode *node, const char *name, double *values);
/* Index of a string among choices (NULL-terminated); absent: the default.
 * Another string is a failure that lists the choices. */
int onnx_node_choice (OnnxNode *node, const char *name,
    const char *const *choices, int absent);
const Onnx__AttributeProto *onnx_node_attribute (OnnxNode *node,
    const char *name);

/* Most numbers of an attribute or of a constant that gives parameters. */
#define ONNX_MAX_NUMBERS (2 * DCNN_MAX_RANK)

/* Tensor of input i (data NULL unless constant); NULL: absent. */
const DcnnTensor *onnx_node_input (const OnnxNode *node, int i);
/* Its rank, or 0. */
int onnx_node_rank (const OnnxNode *node, int i);
/* Input i as constant numbers: their count; -1: absent (or empty where that
 * means absent). One that is no constant is a failure that says so. */
int onnx_node_input_ints (OnnxNode *node, int i, gint64 *values);
int onnx_node_input_floats (OnnxNode *node, int i, double *values);
/* Input i as one constant number. */
double onnx_node_input_scalar (OnnxNode *node, int i, double absent);
/* An attribute in old opsets, input i in new ones: whichever is there. */
int onnx_node_ints_or_input (OnnxNode *node, const char *name, int i,
    gint64 *values);

/* Fails where a stored tensor is of an element type that is read from weights
 * alone (4 bits and fewer), since its value's type would be another; so where
 * input i is such a weight. FALSE after it. */
gboolean onnx_node_check_stored (OnnxNode *node,
    const Onnx__TensorProto *proto);
gboolean onnx_node_check_type (OnnxNode *node, int i);

/* An axis, made non-negative; a failure when outside rank. */
gint64 onnx_node_axis (OnnxNode *node, gint64 axis, int rank);
/* A list of axes as bits. */
guint32 onnx_node_axes (OnnxNode *node, int n, const gint64 *axes, int rank);

/* The window of a pool or convolution over the first input, SAME pads resolved;
 * the kernel from kernel_shape or from the weights, the second input. */
void onnx_node_window (OnnxNode *node, DcnnWindow *window);
/* One of n dimensions with that kernel, without an input to fit: explicit pads
 * only. */
void onnx_node_window_of (OnnxNode *node, int n, const gint64 *kernel,
    DcnnWindow *window);

/* A new name for a value inside a mapping; owned by the node's loader. */
char *onnx_node_temporary (OnnxNode *node);

/* Adds a graph node over the first n_inputs inputs, with the outputs of this
 * one. params, out_shape: as in dcnn_graph_add_node(); only Split may have
 * more than one output together with an out_shape. */
void onnx_node_emit (OnnxNode *node, DcnnOp op, const DcnnParams *params,
    int n_inputs, const DcnnTensor *out_shape);
/* Adds a graph node inside a mapping: over the given inputs, with one new
 * output. Returns it, or -1 after a failure. */
DcnnValueId onnx_node_emit_inner (OnnxNode *node, DcnnOp op,
    const DcnnParams *params, int n_inputs, const DcnnValueId *inputs,
    const DcnnTensor *out_shape);
/* Runs the mapping of another operator over n inputs. Returns its output, a
 * value of its own, or -1; the node's operands are as before. */
DcnnValueId onnx_node_map_as (OnnxNode *node, const char *op_type, int n,
    const DcnnValueId *inputs);
/* Gives output `output` of this node a constant value. Takes tensor->data. */
void onnx_node_emit_constant (OnnxNode *node, int output, DcnnTensor *tensor);
/* Allocates a constant, from what constants may take. */
gboolean onnx_node_alloc (OnnxNode *node, DcnnTensor *tensor);

/* com.microsoft's operator of the name that Attention is ONNX's, too. */
void onnx_map_packed_attention (OnnxNode *node);
/* DequantizeLinear of a constant with a scale for each block. */
void onnx_map_blocks (OnnxNode *node);

/* Resize with antialias, linear or cubic, to that shape. */
void onnx_map_antialiased (OnnxNode *node, const DcnnParams *params,
    const DcnnTensor *shape);

/* Whether the value of that name is to be read in parts, by SequenceAt alone. */
gboolean onnx_is_sequence (const OnnxLoader *loader, const char *name);

/* All mappings: onnx_map_<...>. */
#define ONNX_OP(op_type, map, op) void onnx_map_##map (OnnxNode *node);
#include "dcnn_onnx_ops.def"
#undef ONNX_OP

G_END_DECLS

#endif
