/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local.h - the primaries that are no convolutions: what their prepared
 * operators hold. local_kernel.h has the loop that they share.
 */
#ifndef DCNN_LOCAL_H
#define DCNN_LOCAL_H

#include "dcnn_map.h"
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

/* Taps of a pool's window that count on one axis when pads do: those up
 * to the end of the padded map (ONNX AveragePool, ceil_mode). */
static inline int32_t
dcnn_pool_padded_count (const DcnnLocal *l, int d, int32_t out, int32_t size)
{
  const int32_t base = out * l->stride[d] - l->pad_begin[d];
  const int32_t room = size + l->pad_end[d] - base;
  const int32_t n = (room + l->dilation[d] - 1) / l->dilation[d];

  return n < 0 ? 0 : n > l->kernel[d] ? l->kernel[d] : n;
}

/* What an average over the window of out pixel p, of which n taps are
 * inside the map, is divided by. */
static inline int32_t
dcnn_pool_count (const DcnnLocal *l, const DcnnMap *in, uint32_t p, uint32_t n)
{
  return !l->count_pad ? (int32_t) n
      : dcnn_pool_padded_count (l, 0, (int32_t) DCNN_PIXEL_Y (p),
          (int32_t) in->height) *
        dcnn_pool_padded_count (l, 1, (int32_t) DCNN_PIXEL_X (p),
          (int32_t) in->width);
}

#endif
