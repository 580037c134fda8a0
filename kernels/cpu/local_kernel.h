/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_kernel.h - the loop that the primaries of local.h share: pixels of a
 * job to rows of a tile, compiled into each of their sources, once a level.
 */
#ifndef DCNN_LOCAL_KERNEL_H
#define DCNN_LOCAL_KERNEL_H

#include "cpu_table.h"
#include "epilogue.h"
#include "local.h"

/* A kernel of this family: fills a tile with the rows of its pixels by
 * f (job, local, tile, spare), then ends the tile; `spare` is scratch past the
 * tile. f reads the input map and writes
 * each row's channels rounded up to whole vectors. */
#define DCNN_LOCAL_TILES(name, f, spare_bytes)                                 \
  DcnnKernelFnType DCNN_FN (dcnn_k_##name);                                    \
  DcnnScratchFnType DCNN_FN (dcnn_k_##name##_scratch);                         \
  void DCNN_FN (dcnn_k_##name) (const DcnnJob *job, size_t begin, size_t end,  \
      void *scratch)                                                           \
  {                                                                            \
    const DcnnLocal *local = (const DcnnLocal *) (const void *) job->prepared; \
    uint32_t pixels[DCNN_TILE_ROWS];                                           \
    float *rows[DCNN_TILE_ROWS], *out[DCNN_TILE_ROWS];                         \
    DcnnTile tile = { .pixels = pixels };                                      \
    void *spare = (char *) scratch + dcnn_tile_bytes (job);                    \
    size_t at = dcnn_work_place (job, begin);                               \
    size_t stop = dcnn_work_place (job, end);                               \
    for (; at < stop; at += tile.n) {                                          \
      size_t left = stop - at;                                                 \
      tile.n = left < DCNN_TILE_ROWS ? (uint32_t) left : DCNN_TILE_ROWS;       \
      tile.first = at;                                                         \
      dcnn_work_pixels (job, at, tile.n, pixels);                              \
      dcnn_tile_begin (&tile, job, scratch, rows, out);                        \
      f (job, local, &tile, spare);                                            \
      dcnn_epilogue (job, &tile);                                              \
    }                                                                          \
  }                                                                            \
  size_t DCNN_FN (dcnn_k_##name##_scratch) (const DcnnJob *job)                \
  {                                                                            \
    return dcnn_tile_bytes (job) + (spare_bytes);                              \
  }

/* The same, pixel by pixel: f (job, local, pixel, row, spare). */
#define DCNN_LOCAL_KERNEL(name, f, spare_bytes)                                \
  DCNN_INLINE void                                                             \
  name##_tile (const DcnnJob *job, const DcnnLocal *local,                     \
      const DcnnTile *tile, void *spare)                                       \
  {                                                                            \
    for (uint32_t i = 0; i < tile->n; i++)                                     \
      f (job, local, tile->pixels[i], tile->rows[i], spare);                   \
  }                                                                            \
  DCNN_LOCAL_TILES (name, name##_tile, spare_bytes)

/* Copies n floats to a tile row in whole vectors: reads and writes up to
 * V_LANES - 1 floats more. */
#define DCNN_LOCAL_COPY(to, from, n)                                           \
  do {                                                                         \
    for (uint32_t c_ = 0; c_ < (n); c_ += V_LANES)                             \
      v_store ((to) + c_, v_load ((from) + c_));                               \
  } while (0)

#endif
