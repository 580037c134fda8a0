/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_swizzle.h - where the numbers of a matrix tile lie: plain
 * arithmetic, for C and CUDA alike, so that the processor can prove it
 * (tests/kernels/swizzle_test.c).
 *
 * A tile is rows of 64 halves (128 bytes), 16-byte pieces exchanged within
 * groups of 8 rows: piece c of row r lies where piece c ^ (r & 7) would. This
 * is the hardware's "128-byte swizzle" (PTX ISA, "Shared memory matrix
 * layout"): bits 4 to 6 of an address are combined with its bits 7 to 9, so a
 * tile must begin at a multiple of 1024 bytes.
 */
#ifndef DCNN_CUDA_SWIZZLE_H
#define DCNN_CUDA_SWIZZLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__
#define DCNN_SWIZZLE_FN __host__ __device__ __forceinline__
#else
#define DCNN_SWIZZLE_FN static inline
#endif

#define DCNN_SWIZZLE_HALVES 64 /* of a row: a step of k */
#define DCNN_SWIZZLE_ATOM 1024 /* bytes of a group of 8 rows */

/* Byte of a tile where a 16-byte piece of a row begins. */
DCNN_SWIZZLE_FN uint32_t
dcnn_piece_at (uint32_t row, uint32_t piece)
{
  return row * (DCNN_SWIZZLE_HALVES * 2) + ((piece ^ (row & 7)) << 4);
}

/* A wgmma matrix descriptor: rows of 64 or 32 halves of k in a swizzled tile that
 * begins at that shared address. Address and distances are in
 * units of 16 bytes; the distance between groups of 8 rows is an atom; the one along k is
 * not used with these swizzles (1); layout 1 in bits 62 and 63. Rows of 32 (64 bytes) have
 * the "64-byte swizzle", layout 2: bits 4 and 5 of an address are combined with its bits 7
 * and 8, and a group of 8 rows is half as large. */
DCNN_SWIZZLE_FN uint64_t
dcnn_wgmma_rows (uint32_t address, uint32_t halves)
{
  return (uint64_t) ((address & 0x3ffff) >> 4) |
      (uint64_t) 1 << 16 | (uint64_t) (halves * 16 >> 4) << 32 |
      (uint64_t) (halves == DCNN_SWIZZLE_HALVES ? 1 : 2) << 62;
}

/* The same rows, k16 times 16 halves on: an addition, for loops of few instructions. */
DCNN_SWIZZLE_FN uint64_t
dcnn_wgmma_on (uint64_t rows, uint32_t k16)
{
  return (rows & ~(uint64_t) UINT32_MAX) | ((uint32_t) rows + k16 * 2);
}

/* Row and column of accumulator i of a thread of the group (0 .. 127), of a
 * 64 x n product. */
DCNN_SWIZZLE_FN uint32_t
dcnn_wgmma_row (uint32_t thread, uint32_t i)
{
  return (thread >> 5) * 16 + ((thread & 31) >> 2) + ((i >> 1) & 1) * 8;
}

DCNN_SWIZZLE_FN uint32_t
dcnn_wgmma_column (uint32_t thread, uint32_t i)
{
  return (i >> 2) * 8 + (thread & 3) * 2 + (i & 1);
}

#endif
