/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_whole.h - private to the ONNX import: values of quantised nets as
 * whole numbers in float32.
 *
 * A quantised value is kept as float32 whole numbers c = q - zero point; the
 * integer of the file is a Cast of c + zero that nobody reads in the end. A
 * dequantised value is y = c * scale, and beside y the import remembers c and
 * scale: a convolution of two such values is one of whole numbers, whose sums
 * are exact below 2^24, times the product of their scales, which the next
 * quantiser takes together with its own. What only moves, picks or averages
 * elements is mapped twice, for y and for c; what nobody reads is dropped.
 *
 * Not thread-safe; one load has one table (OnnxLoader.wholes).
 */
#ifndef DCNN_ONNX_WHOLE_H
#define DCNN_ONNX_WHOLE_H

#include "dcnn_onnx_node.h"

G_BEGIN_DECLS

/* What is known of a value. */
typedef struct OnnxWhole {
  DcnnValueId whole;  /* float32 */
  DcnnValueId scale;  /* float32 constant: the value is clamp (whole * scale,
                         low, high); -1: the value is the integer whole +
                         zero */
  int axis;           /* along which scale has more than one number */
  double low, high;
  double zero;        /* of an integer */
  DcnnValueId computed_zero; /* 0: none; else 1 + the value that is its zero
                         point, instead of zero */
  gboolean exact;     /* whole holds small whole numbers */
  double from, to;    /* that these lie between; not known where to <= from */
  gboolean with_zero; /* a sum or product of two: ONNX Runtime rounds it after
                         it has added the zero point: ties, and what a
                         float32 of that size makes one */
} OnnxWhole;

/* What is known of a value, or NULL. */
const OnnxWhole *onnx_whole_find (const OnnxNode *node, DcnnValueId value);
/* Remembers a copy. Does nothing after a failure (an id of -1). */
void onnx_whole_add (OnnxNode *node, DcnnValueId value, const OnnxWhole *whole);

/* Maps a node by its mapping, and its outputs' whole numbers where the
 * operator hands on those of its inputs. */
void onnx_whole_map (OnnxNode *node);
/* The node as a convolution of whole numbers, CONV or CONV_TRANSPOSE; FALSE:
 * its operands are no such, nothing was emitted. */
gboolean onnx_whole_conv (OnnxNode *node, DcnnOp op, const DcnnParams *params);
/* An integer's value as float32 without a detour through integers, else the
 * value itself. */
DcnnValueId onnx_whole_as_float (OnnxNode *node, DcnnValueId value);
/* Whether domain com.microsoft's operator of that name is mapped. */
gboolean onnx_whole_is_contributed (const char *op_type);
/* Frees dequantised constants that no node reads. */
void onnx_whole_free_unread (OnnxLoader *loader);

/* ---- emitting ------------------------------------------------------------ */

/* A constant. Takes tensor->data. */
DcnnValueId onnx_whole_constant (OnnxNode *node, DcnnTensor *tensor);

DcnnValueId onnx_whole_number (OnnxNode *node, double value);
DcnnValueId onnx_whole_binary (OnnxNode *node, DcnnOp op, DcnnValueId a,
    DcnnValueId b);
DcnnValueId onnx_whole_clip (OnnxNode *node, DcnnValueId value, double low,
    double high);
/* Element by element a * b or a / b of two constant scales, of which one has
 * one number or both have as many; -1 when neither is so. */
DcnnValueId onnx_whole_scales (OnnxNode *node, DcnnOp op, DcnnValueId a,
    DcnnValueId b);
/* Whether a constant has one number, and which. */
gboolean onnx_whole_is_scalar (const OnnxNode *node, DcnnValueId constant);
double onnx_whole_first (const OnnxNode *node, DcnnValueId constant);

/* The value of quantised input x with scale and zero point at inputs s and z
 * (z -1, or absent: 0), as float32; named by the node's output when name is
 * not NULL. axis: of a scale with several numbers. -1 after a failure. */
DcnnValueId onnx_whole_dequantize (OnnxNode *node, int x, int s, int z,
    int axis, const char *name);
/* Quantises value x by inputs s and z to the node's first output, of zero
 * point's type or absent_type. */
void onnx_whole_quantize (OnnxNode *node, DcnnValueId x, int s, int z,
    int axis, DcnnDtype absent_type);
/* A value [1,H,W,C] (or of another rank) with its channels first, or one that
 * has them first with its channels last; what is known of it goes along. */
DcnnValueId onnx_whole_channels (OnnxNode *node, DcnnValueId x, gboolean first);
/* x - zero of an integer input as float32 whole numbers. */
DcnnValueId onnx_whole_centred (OnnxNode *node, int x, int z, int axis);

G_END_DECLS

#endif
