/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_util.h - element access and index walking, shared by the reference
 * operators.
 *
 * Every element can be read as a double or as an int64_t, whatever its type;
 * a store converts back: floats round, integers saturate from a double and
 * wrap from an int64_t, NaN becomes 0 in an integer. Nothing here allocates,
 * fails or has undefined behaviour for any value. Thread-safe.
 */
#ifndef DCNN_REF_UTIL_H
#define DCNN_REF_UTIL_H

#include <math.h>
#include <string.h>

#include "deltacnn/tensor.h"

#define REF_INLINE static inline __attribute__ ((always_inline))

/* IEEE half from and to float, rounding to nearest even. */
float dcnn_ref_half_to_float (uint16_t half);

/* Element i of a tensor in both domains, and the conversions back. */
double dcnn_ref_get (const DcnnTensor *tensor, int64_t i);
int64_t dcnn_ref_get_int (const DcnnTensor *tensor, int64_t i);
void dcnn_ref_set (const DcnnTensor *tensor, int64_t i, double value);
void dcnn_ref_set_int (const DcnnTensor *tensor, int64_t i, int64_t value);

REF_INLINE bool
ref_is_float (DcnnDtype dtype)
{
  return dtype == DCNN_DTYPE_F32 || dtype == DCNN_DTYPE_F64
      || dtype == DCNN_DTYPE_F16;
}

/* Product of the dimensions first .. end-1. */
REF_INLINE int64_t
ref_product (const DcnnTensor *tensor, int first, int end)
{
  int64_t n = 1;
  for (int i = first; i < end; i++)
    n *= tensor->dims[i];
  return n;
}

/* Strides, in elements, of a contiguous tensor. */
REF_INLINE void
ref_strides (const DcnnTensor *tensor, int64_t *strides)
{
  int64_t n = 1;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    strides[i] = n;
    n *= tensor->dims[i];
  }
}

/* Strides with which tensor is read when it is broadcast, right-aligned, to
 * rank dimensions: 0 where it has one element. */
REF_INLINE void
ref_broadcast_strides (const DcnnTensor *tensor, int rank, int64_t *strides)
{
  int64_t n = 1;
  for (int i = rank - 1; i >= 0; i--) {
    int j = i - (rank - tensor->rank);
    int64_t dim = j >= 0 ? tensor->dims[j] : 1;
    strides[i] = dim == 1 ? 0 : n;
    n *= dim;
  }
}

/* Adds 1 to a multi-index below dims; FALSE when it has wrapped to zeros. */
REF_INLINE bool
ref_next (int rank, const int64_t *dims, int64_t *index)
{
  for (int i = rank - 1; i >= 0; i--) {
    if (++index[i] < dims[i])
      return true;
    index[i] = 0;
  }
  return false;
}

/* Copies a box of elements of the given size: element (i0, i1, ...) goes from
 * src + sum i*src_stride to dst + sum i*dst_stride. Strides count elements and
 * may be 0 or negative in src. rank up to 2 * DCNN_MAX_RANK. */
void dcnn_ref_copy_strided (size_t element_bytes, int rank,
    const int64_t *dims, const void *src, const int64_t *src_strides,
    void *dst, const int64_t *dst_strides);

/* Broadcasts src into dst (of the same type). */
void dcnn_ref_broadcast (const DcnnTensor *src, const DcnnTensor *dst);

#endif
