/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_matmul.c - MatMul (numpy's rules) and Gemm, accumulated in double.
 * Integers go through double as well.
 */
#include "ref.h"
#include "ref_util.h"

/* Columns done at once: their sums live on the stack. */
#define COLUMNS 256

/* A matrix inside a tensor: element (r, c) at offset + r*row + c*col. */
typedef struct Matrix {
  const DcnnTensor *tensor;
  int64_t offset, row, col;
} Matrix;

/* sums[0 .. n-1] = row r of a times columns c0 .. c0+n-1 of b. */
static void
row_times_columns (const Matrix *a, const Matrix *b, int64_t r, int64_t depth,
    int64_t c0, int64_t n, double *sums)
{
  bool f32 = b->tensor->dtype == DCNN_DTYPE_F32;
  for (int64_t c = 0; c < n; c++)
    sums[c] = 0;
  for (int64_t k = 0; k < depth; k++) {
    double x = dcnn_ref_get (a->tensor, a->offset + r * a->row + k * a->col);
    int64_t at = b->offset + k * b->row + c0 * b->col;
    if (f32) {
      const float *y = (const float *) b->tensor->data + at;
      for (int64_t c = 0; c < n; c++)
        sums[c] += x * (double) y[c * b->col];
    } else {
      for (int64_t c = 0; c < n; c++)
        sums[c] += x * dcnn_ref_get (b->tensor, at + c * b->col);
    }
  }
}

DCNN_REF (matmul)
{
  const DcnnTensor *a = inputs[0], *b = inputs[1], *out = outputs[0];
  DcnnTensor a2 = *a, b2 = *b, o2;
  int64_t stride_a[DCNN_MAX_RANK], stride_b[DCNN_MAX_RANK];
  int64_t index[DCNN_MAX_RANK] = { 0 }, at = 0, depth, rows, cols;
  double sums[COLUMNS];

  if (!out || dcnn_tensor_count (out) == 0)
    return;
  o2 = *out;
  /* vectors become matrices, and the output gets the missing dimensions */
  depth = a->dims[a->rank - 1];
  rows = a->rank == 1 ? 1 : a->dims[a->rank - 2];
  cols = b->rank == 1 ? 1 : b->dims[b->rank - 1];
  if (a->rank == 1)
    a2.rank = 0;
  else
    a2.rank -= 2;
  b2.rank = b->rank == 1 ? 0 : b2.rank - 2;
  o2.rank -= (a->rank > 1) + (b->rank > 1);
  ref_broadcast_strides (&a2, o2.rank, stride_a);
  ref_broadcast_strides (&b2, o2.rank, stride_b);
  do {
    Matrix ma = { a, 0, depth, 1 }, mb = { b, 0, cols, 1 };
    for (int i = 0; i < o2.rank; i++) {
      ma.offset += index[i] * stride_a[i] * rows * depth;
      mb.offset += index[i] * stride_b[i] * depth * cols;
    }
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t c = 0; c < cols; c += COLUMNS) {
        int64_t n = cols - c < COLUMNS ? cols - c : COLUMNS;
        row_times_columns (&ma, &mb, r, depth, c, n, sums);
        for (int64_t i = 0; i < n; i++)
          dcnn_ref_set (out, at++, sums[i]);
      }
    }
  } while (ref_next (o2.rank, o2.dims, index));
}

DCNN_REF (gemm)
{
  const DcnnGemmParams *p = &params->gemm;
  const DcnnTensor *a = inputs[0], *b = inputs[1], *out = outputs[0];
  const DcnnTensor *bias = n_inputs > 2 ? inputs[2] : NULL;
  Matrix ma = { a, 0, p->trans_a ? 1 : a->dims[1],
    p->trans_a ? a->dims[1] : 1 };
  Matrix mb = { b, 0, p->trans_b ? 1 : b->dims[1],
    p->trans_b ? b->dims[1] : 1 };
  int64_t depth = a->dims[p->trans_a ? 0 : 1], stride[2] = { 0, 0 }, at = 0;
  double sums[COLUMNS];

  if (!out)
    return;
  if (bias)
    ref_broadcast_strides (bias, 2, stride);
  for (int64_t r = 0; r < out->dims[0]; r++) {
    for (int64_t c = 0; c < out->dims[1]; c += COLUMNS) {
      int64_t n = out->dims[1] - c < COLUMNS ? out->dims[1] - c : COLUMNS;
      row_times_columns (&ma, &mb, r, depth, c, n, sums);
      for (int64_t i = 0; i < n; i++) {
        double value = p->alpha * sums[i];
        if (bias)
          value += p->beta
              * dcnn_ref_get (bias, r * stride[0] + (c + i) * stride[1]);
        dcnn_ref_set (out, at++, value);
      }
    }
  }
}
