/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local.h - the primaries that are no convolutions: what their prepared
 * operators hold, and the loop that they share.
 */
#ifndef DCNN_LOCAL_H
#define DCNN_LOCAL_H

#include "prepared.h"

/* Channels of a copy that come from consecutive channels of the input. */
typedef struct DcnnRun {
  uint32_t to, from, n; /* from UINT32_MAX: the fill value */
} DcnnRun;

/* One kind for all: each operator uses the fields named in its prepare
 * function and leaves the rest 0. Tables lie in the same block. */
typedef struct DcnnLocal {
  DcnnPrepared base;
  uint32_t channels;
  /* pools; index 0 is y */
  int32_t kernel[2], stride[2], dilation[2], pad_begin[2], pad_end[2];
  bool count_pad;
  /* copy, resample */
  float value;
  bool gather;        /* channel by channel, else runs */
  uint32_t n_runs;
  const DcnnRun *runs;
  /* copy: source of a channel; resample, resize: [height * taps_y] and
   * [width * taps_x] sources */
  const uint32_t *source;
  uint32_t taps_y, taps_x;
  const uint32_t *index_y, *index_x;
  const float *weight_y, *weight_x;
  /* depth and space */
  uint32_t block;
  bool crd;
  /* softmax: log; arg max: last; channel reduce: kind; layer norm */
  bool flag;
  DcnnChannelReduce kind;
  float epsilon;
  const float *scale, *bias; /* padded with zeros to 16 */
} DcnnLocal;

/* A kernel of this family: fills a tile with the rows of its pixels by
 * f (job, local, pixel, row, spare), then ends the tile. `spare` is scratch
 * past the tile. f reads the input map and writes row[0 .. stride-1] only. */
#define DCNN_LOCAL_KERNEL(name, f, spare_bytes)                                \
  DcnnKernelFnType DCNN_FN (dcnn_k_##name);                                    \
  DcnnScratchFnType DCNN_FN (dcnn_k_##name##_scratch);                         \
  void DCNN_FN (dcnn_k_##name) (const DcnnJob *job, size_t begin, size_t end,  \
      void *scratch)                                                           \
  {                                                                            \
    const DcnnLocal *local = (const DcnnLocal *) (const void *) job->prepared; \
    uint32_t pixels[DCNN_TILE_ROWS];                                           \
    DcnnTile tile = { 0, pixels, NULL, 0, scratch,                             \
      dcnn_tile_stride (job->out.channels) };                                  \
    void *spare = (char *) scratch + dcnn_tile_bytes (job);                    \
    size_t at = dcnn_work_position (job, begin);                               \
    size_t stop = dcnn_work_position (job, end);                               \
    for (; at < stop; at += tile.n) {                                          \
      size_t left = stop - at;                                                 \
      tile.n = left < DCNN_TILE_ROWS ? (uint32_t) left : DCNN_TILE_ROWS;       \
      tile.first = at;                                                         \
      dcnn_work_pixels (job, at, tile.n, pixels);                              \
      for (uint32_t i = 0; i < tile.n; i++)                                    \
        f (job, local, pixels[i], tile.rows + i * tile.stride, spare);         \
      dcnn_epilogue (job, &tile);                                              \
    }                                                                          \
  }                                                                            \
  size_t DCNN_FN (dcnn_k_##name##_scratch) (const DcnnJob *job)                \
  {                                                                            \
    return dcnn_tile_bytes (job) + (spare_bytes);                              \
  }

/* Copies n floats to a tile row in whole vectors: reads and writes up to
 * V_LANES - 1 floats more. */
#define DCNN_LOCAL_COPY(to, from, n)                                           \
  do {                                                                         \
    for (uint32_t c_ = 0; c_ < (n); c_ += V_LANES)                             \
      v_store ((to) + c_, v_load ((from) + c_));                               \
  } while (0)

#endif
