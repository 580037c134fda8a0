/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_tensor.cuh - the tensor copy engine of compute capability 9.0: how a
 * map is described to it (PTX ISA, "Tensors": tiled and im2col mode), and the
 * copies that are used.
 */
#ifndef DCNN_CUDA_TENSOR_CUH
#define DCNN_CUDA_TENSOR_CUH

#include <cudaTypedefs.h>
#include <cuda_runtime.h>

#include "dcnn_cuda_tensor.h"

template<typename F>
static cudaError_t
driver_function (const char *name, F *function)
{
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  void *p = NULL;
  cudaError_t e = cudaGetDriverEntryPointByVersion (name, &p, 12000,
      cudaEnableDefault, &found);

  *function = reinterpret_cast<F> (p);
  return e == cudaSuccess && (found != cudaDriverEntryPointSuccess || !p) ?
      cudaErrorNotSupported : e;
}

static CUtensorMapSwizzle
swizzle_of (uint32_t columns)
{
  return columns == 64 ? CU_TENSOR_MAP_SWIZZLE_128B :
      CU_TENSOR_MAP_SWIZZLE_64B;
}

/* Boxes of maps of that many dimensions, innermost first, of rows of box[0] elements. */
static cudaError_t
describe_boxes (const void *data, uint32_t dimensions, const cuuint64_t *dims,
    const cuuint64_t *strides, const cuuint32_t *box, const cuuint32_t *steps,
    CUtensorMap *map)
{
  PFN_cuTensorMapEncodeTiled_v12000 encode;
  cudaError_t e = driver_function ("cuTensorMapEncodeTiled", &encode);

  if (e != cudaSuccess)
    return e;
  return encode (map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, dimensions,
      const_cast<void *> (data), dims, strides, box, steps,
      CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of (box[0]),
      CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) ==
      CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

static cudaError_t
describe_matrix (const DcnnMatrix &m, CUtensorMap *map)
{
  cuuint64_t dims[] = { m.columns, m.rows }, strides[] = { m.pitch * 2 };
  cuuint32_t box[] = { m.box_columns, m.box_rows }, steps[] = { 1, 1 };

  return describe_boxes (m.data, 2, dims, strides, box, steps, map);
}

/* Corners are those of where tap (0, 0) goes, columns first. */
static cudaError_t
describe_walk (const DcnnWalkedMaps &w, CUtensorMap *map)
{
  PFN_cuTensorMapEncodeIm2col_v12000 encode;
  cudaError_t e = driver_function ("cuTensorMapEncodeIm2col", &encode);
  cuuint64_t dims[] = { w.channels, w.width, w.height, w.maps };
  cuuint64_t strides[] = { w.pitch * 2, w.pitch * 2 * w.width,
    w.pitch * 2 * w.width * w.height };
  int from[] = { -w.pad[1], -w.pad[0] };
  int to[] = { w.pad_end[1] - w.dilation[1] * (w.kernel[1] - 1),
    w.pad_end[0] - w.dilation[0] * (w.kernel[0] - 1) };
  cuuint32_t steps[] = { 1, (cuuint32_t) w.stride[1], (cuuint32_t) w.stride[0],
    1 };

  if (e != cudaSuccess)
    return e;
  return encode (map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 4,
      const_cast<void *> (w.data), dims, strides, from, to, w.box_columns,
      w.box_rows, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      swizzle_of (w.box_columns), CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS ? cudaSuccess :
      cudaErrorInvalidValue;
}

static cudaError_t
describe_squares (const DcnnSquareMaps &m, CUtensorMap *map)
{
  cuuint64_t dims[] = { m.channels, m.width, m.height, m.maps };
  cuuint64_t strides[] = { m.pitch * 2, m.pitch * 2 * m.width, m.map * 2 };
  cuuint32_t steps[] = { 1, (cuuint32_t) m.stride[1], (cuuint32_t) m.stride[0],
    1 };
  cuuint32_t box[] = { m.box_columns, 7 * steps[1] + 1, 7 * steps[2] + 1, 1 };

  return describe_boxes (m.data, 4, dims, strides, box, steps, map);
}

/* A matrix's box from (column, row) on to shared memory. */
__device__ __forceinline__ void
copy_box (uint32_t to, const CUtensorMap *map, uint32_t column, uint32_t row,
    uint32_t barrier)
{
  asm volatile ("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
      "complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
      :: "r" (to), "l" (map), "r" (column), "r" (row), "r" (barrier) :
      "memory");
}

/* Channels from `channel` on of the pixels that tap (ky, kx), dilated, reads
 * where tap (0, 0) reads pixel (y, x) of map n, and of those that follow. */
__device__ __forceinline__ void
copy_walk (uint32_t to, const CUtensorMap *map, uint32_t channel, int y, int x,
    uint32_t n, uint32_t ky, uint32_t kx, uint32_t barrier)
{
  asm volatile ("cp.async.bulk.tensor.4d.shared::cluster.global.im2col."
      "mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], [%6], "
      "{%7, %8};"
      :: "r" (to), "l" (map), "r" (channel), "r" (x), "r" (y), "r" (n),
      "r" (barrier), "h" ((uint16_t) kx), "h" ((uint16_t) ky) : "memory");
}

/* Channels from `channel` on of the square that begins at (y, x) of map n; a row of
 * the box is a pixel. */
__device__ __forceinline__ void
copy_square (uint32_t to, const CUtensorMap *map, uint32_t channel, int y, int x,
    uint32_t n, uint32_t barrier)
{
  asm volatile ("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::"
      "complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], [%6];"
      :: "r" (to), "l" (map), "r" (channel), "r" (x), "r" (y), "r" (n),
      "r" (barrier) : "memory");
}

/* The other way round: a box of shared memory, of which what lies outside of the
 * matrix goes nowhere. */
__device__ __forceinline__ void
store_box (const CUtensorMap *map, uint32_t column, uint32_t row, uint32_t from)
{
  asm volatile ("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group "
      "[%0, {%1, %2}], [%3];"
      :: "l" (map), "r" (column), "r" (row), "r" (from) : "memory");
}

/* The thread's stores have read all that they take: it may be written over. */
__device__ __forceinline__ void
stores_have_read ()
{
  asm volatile ("cp.async.bulk.commit_group;" ::: "memory");
  asm volatile ("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

/* All that the thread has stored is there. */
__device__ __forceinline__ void
stores_are_done ()
{
  asm volatile ("cp.async.bulk.wait_group 0;" ::: "memory");
}

#endif
