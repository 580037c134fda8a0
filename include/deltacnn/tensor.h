/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tensor.h - the plain N-dimensional tensor that crosses every layer.
 *
 * For: constants of a graph, inputs and outputs of a session, and the dense
 * reference operators. Not for: feature maps on the frame path, which are
 * NHWC, padded and addressed through tables (see kernels/dcnn_map.h).
 *
 * No function here allocates or fails; thread safety is that of plain data.
 */
#ifndef DCNN_TENSOR_H
#define DCNN_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest rank of a tensor anywhere in the project. */
#define DCNN_MAX_RANK 8

/* Element types. The numbers are the project's own, not ONNX's.
 * X(ENUM, C type, bytes, "name") */
#define DCNN_DTYPES(X)                                                         \
  X(F32, float, 4, "float32")                                                  \
  X(F64, double, 8, "float64")                                                 \
  X(F16, uint16_t, 2, "float16")                                               \
  X(I8, int8_t, 1, "int8")                                                     \
  X(U8, uint8_t, 1, "uint8")                                                   \
  X(I16, int16_t, 2, "int16")                                                  \
  X(U16, uint16_t, 2, "uint16")                                                \
  X(I32, int32_t, 4, "int32")                                                  \
  X(U32, uint32_t, 4, "uint32")                                                \
  X(I64, int64_t, 8, "int64")                                                  \
  X(U64, uint64_t, 8, "uint64")                                                \
  X(BOOL, uint8_t, 1, "bool")

typedef enum DcnnDtype {
  DCNN_DTYPE_NONE = 0, /* not known yet */
#define DCNN_X(e, c, b, n) DCNN_DTYPE_##e,
  DCNN_DTYPES(DCNN_X)
#undef DCNN_X
  DCNN_DTYPE_COUNT
} DcnnDtype;

/* A dense, contiguous, row-major tensor: the last dimension moves fastest.
 * Maps of an ONNX graph are in ONNX order here (N, C, H, W).
 * rank 0 is a scalar of one element; a dimension of 0 makes it empty. */
typedef struct DcnnTensor {
  DcnnDtype dtype;
  int rank;
  int64_t dims[DCNN_MAX_RANK]; /* dims[0 .. rank-1] */
  void *data;                  /* borrowed or owned: the holder says which */
} DcnnTensor;

/* Bytes of one element; 0 for DCNN_DTYPE_NONE. */
static inline size_t
dcnn_dtype_bytes (DcnnDtype dtype)
{
  static const uint8_t bytes[DCNN_DTYPE_COUNT] = {
    0,
#define DCNN_X(e, c, b, n) b,
    DCNN_DTYPES (DCNN_X)
#undef DCNN_X
  };
  return (unsigned) dtype < DCNN_DTYPE_COUNT ? bytes[dtype] : 0;
}

/* "float32" and so on; "none" for DCNN_DTYPE_NONE. Static storage. */
static inline const char *
dcnn_dtype_name (DcnnDtype dtype)
{
  static const char *const names[DCNN_DTYPE_COUNT] = {
    "none",
#define DCNN_X(e, c, b, n) n,
    DCNN_DTYPES (DCNN_X)
#undef DCNN_X
  };
  return (unsigned) dtype < DCNN_DTYPE_COUNT ? names[dtype] : "none";
}

/* Number of elements. Precondition: the product was range-checked when the
 * tensor was made (every shape from a file is). */
static inline int64_t
dcnn_tensor_count (const DcnnTensor *tensor)
{
  int64_t n = 1;
  for (int i = 0; i < tensor->rank; i++)
    n *= tensor->dims[i];
  return n;
}

#endif
