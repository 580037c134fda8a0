/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_packed.c - weights in blocks with a scale each: products with
 * some of few bits, several in a byte (MatMulNBits of com.microsoft), and
 * DequantizeLinear. They become float32 when the model is loaded.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include "ref_util.h"

/* Inputs of MatMulNBits. */
enum { INPUT, WEIGHTS, SCALES, ZEROS, GROUPS, BIAS };

typedef struct Packed {
  OnnxNode *node;
  gint64 rows, columns;   /* of the product's second operand */
  gint64 bits, block;     /* rows that share a scale */
  gint64 blocks;          /* of each column */
  gint64 blob;            /* bytes of a block */
  gint64 zero_bytes;      /* of a column's zero points, where they are packed */
} Packed;

/* The constant at input i of n elements; NULL after a failure. */
static const DcnnTensor *
constant_of (const Packed *p, int i, gint64 n, const char *what)
{
  const DcnnTensor *t = onnx_node_input (p->node, i);

  if (t && t->data && dcnn_tensor_count (t) == n)
    return t;
  onnx_node_fail (p->node, DCNN_ERROR_UNSUPPORTED, "its %s (input %d) are no "
      "constant of %" G_GINT64_FORMAT " elements", what, i, n);
  return NULL;
}

/* Number i of those that lie in bytes from `first` on, the lowest bits first. */
static gint64
number_at (const Packed *p, const DcnnTensor *t, gint64 first, gint64 i)
{
  const gint64 bit = i * p->bits;
  const gint64 byte = dcnn_ref_get_int (t, first + bit / 8);

  return byte >> (bit % 8) & ((1 << p->bits) - 1);
}

static gboolean
read_sizes (Packed *p)
{
  OnnxNode *node = p->node;

  p->rows = onnx_node_int (node, "K", 0);
  p->columns = onnx_node_int (node, "N", 0);
  p->bits = onnx_node_int (node, "bits", 4);
  p->block = onnx_node_int (node, "block_size", 0);
  onnx_node_int (node, "accuracy_level", 0); /* float32, or less */
  if (onnx_node_int (node, "weight_prepacked", 0) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its weights are laid out "
        "for one kind of processor (weight_prepacked): use the file before "
        "that");
  if (p->rows < 1 || p->rows > DCNN_MAX_DIM || p->columns < 1
      || p->columns > DCNN_MAX_DIM)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "K = %" G_GINT64_FORMAT " or N = "
        "%" G_GINT64_FORMAT " is out of range", p->rows, p->columns);
  if (p->bits != 2 && p->bits != 4 && p->bits != 8)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "bits = %" G_GINT64_FORMAT
        " is not supported; these are: 2, 4, 8", p->bits);
  if (p->block < 16 || p->block > DCNN_MAX_DIM || (p->block & (p->block - 1)))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "block_size = %" G_GINT64_FORMAT
        " is no power of two from 16 on", p->block);
  if (node->error)
    return FALSE;
  p->blocks = (p->rows + p->block - 1) / p->block;
  p->blob = p->block * p->bits / 8;
  p->zero_bytes = (p->blocks * p->bits + 7) / 8;
  return TRUE;
}

/* The weights, [rows, columns]. */
static DcnnValueId
unpacked_weights (Packed *p)
{
  OnnxNode *node = p->node;
  const DcnnTensor *w = constant_of (p, WEIGHTS, p->columns * p->blocks
      * p->blob, "weights");
  const DcnnTensor *s = constant_of (p, SCALES, p->columns * p->blocks,
      "scales");
  const DcnnTensor *z = onnx_node_input (node, ZEROS);
  const DcnnTensor *g = onnx_node_input (node, GROUPS);
  const gboolean whole = z && z->dtype == DCNN_DTYPE_U8;
  DcnnTensor out = { .dtype = DCNN_DTYPE_F32, .rank = 2,
    .dims = { p->rows, p->columns } };

  if (z)
    z = constant_of (p, ZEROS, p->columns * (whole ? p->zero_bytes
            : p->blocks), "zero points");
  if (g)
    g = constant_of (p, GROUPS, p->rows, "groups");
  if (!node->error && w->dtype != DCNN_DTYPE_U8)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its weights are no bytes");
  for (gint64 k = 0; k < p->rows && g; k++)
    if (dcnn_ref_get_int (g, k) < 0 || dcnn_ref_get_int (g, k) >= p->blocks)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "a group is none of its blocks");
  if (!onnx_node_alloc (node, &out))
    return -1;
  for (gint64 n = 0; n < p->columns; n++)
    for (gint64 k = 0; k < p->rows; k++) {
      const gint64 b = g ? dcnn_ref_get_int (g, k) : k / p->block;
      const double zero = !z ? (double) (1 << (p->bits - 1)) : !whole
          ? dcnn_ref_get (z, n * p->blocks + b)
          : (double) number_at (p, z, n * p->zero_bytes, b);
      const double q = (double) number_at (p, w, n * p->blocks * p->blob, k);

      dcnn_ref_set (&out, k * p->columns + n, (q - zero) * dcnn_ref_get (s,
              n * p->blocks + b));
    }
  return onnx_whole_constant (node, &out);
}

/* MatMulNBits (A, packed weights, scales, zero points, the block of each row,
 * bias). */
void
onnx_map_matmul_packed (OnnxNode *node)
{
  Packed p = { .node = node };
  DcnnValueId out;

  if (!onnx_node_input (node, INPUT))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its input is missing");
  if (!read_sizes (&p))
    return;
  out = onnx_whole_binary (node, DCNN_OP_MATMUL, node->inputs[INPUT],
      unpacked_weights (&p));
  if (onnx_node_input (node, BIAS))
    out = onnx_whole_binary (node, DCNN_OP_ADD, out, node->inputs[BIAS]);
  onnx_emit_output (node, 0, out);
}

/* Whether scales, or zero points, are one for each block along the axis. */
static gboolean
fits_blocks (const DcnnTensor *x, const DcnnTensor *t, int axis, gint64 block)
{
  if (!t->data || t->rank != x->rank)
    return FALSE;
  for (int i = 0; i < x->rank; i++)
    if (t->dims[i] != (i == axis ? (x->dims[i] + block - 1) / block
            : x->dims[i]))
      return FALSE;
  return TRUE;
}

void
onnx_map_blocks (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0), *s = onnx_node_input (node,
      1), *z = onnx_node_input (node, 2);
  const gint64 block = onnx_node_int (node, "block_size", 0);
  const int axis = (int) onnx_node_axis (node, onnx_node_int (node, "axis", 1),
      onnx_node_rank (node, 0));
  DcnnTensor out = *x;
  gint64 inner = 1;

  out.dtype = DCNN_DTYPE_F32;
  out.data = NULL;
  if (!s || block > DCNN_MAX_DIM || !fits_blocks (x, s, axis, block)
      || (z && !fits_blocks (x, z, axis, block)))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its scales or zero points are "
        "no constants with one number for each block of %" G_GINT64_FORMAT
        " along axis %d", block, axis);
  if (!onnx_node_alloc (node, &out))
    return;
  for (int i = axis + 1; i < x->rank; i++)
    inner *= x->dims[i];
  for (gint64 i = 0, n = dcnn_tensor_count (x); i < n; i++) {
    const gint64 at = i / inner % x->dims[axis], row = i / inner / x->dims[axis];
    const gint64 b = (row * s->dims[axis] + at / block) * inner + i % inner;

    dcnn_ref_set (&out, i, (dcnn_ref_get (x, i) - (z ? dcnn_ref_get (z, b)
                : 0)) * dcnn_ref_get (s, b));
  }
  onnx_node_emit_constant (node, 0, &out);
}
