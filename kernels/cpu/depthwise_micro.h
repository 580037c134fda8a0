/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * depthwise_micro.h - the inner loops of depthwise convolutions above level
 * "c": neighbours of a row, or four pixels from anywhere. Every form adds bias,
 * then taps row by row, in that order: the same bits.
 */
#ifndef DCNN_DEPTHWISE_MICRO_H
#define DCNN_DEPTHWISE_MICRO_H

#include "depthwise.h"
#include "epilogue.h"

#define DCNN_RUN_PIXELS 4

/* Where results go: rows of scratch, or the out map with a clamp fused. */
typedef struct DcnnDepthwiseStore {
  uint32_t channels;    /* that mean something */
  uint32_t writable;    /* lanes of a row that may be written */
  float low, high;
} DcnnDepthwiseStore;

/* Stores one vector of a pixel. */
DCNN_INLINE void
dcnn_depthwise_store (const DcnnDepthwiseStore *s, float *row, uint32_t c,
    v_t sum)
{
  v_t r = v_min (v_set (s->high), v_max (v_set (s->low), sum));

  if (c + V_LANES <= s->channels)
    v_store (row + c, r);
  else
    v_store_n (row + c, v_keep (r, s->channels - c),
        s->writable - c < V_LANES ? s->writable - c : V_LANES);
}

/* A run of neighbours of one out row, whose columns are inside the input and
 * evenly spaced. Rows outside the input point to zeros with steps of 0. */
typedef struct DcnnDepthwiseRun {
  const uintptr_t *rows;     /* [kernel_y] first tap of the first pixel */
  const uintptr_t *steps;    /* [kernel_y] bytes from column to column */
  uint32_t kernel_y, kernel_x, stride, dilation; /* in x; dilation in y is in
                                                    rows already */
  const float *weights, *bias;
  size_t weight_stride, weight_row; /* floats from tap to tap, row to row */
  float *const *out;         /* [n] */
  uint32_t n;
} DcnnDepthwiseRun;

/* Most rows of a kernel that a run may have. */
#define DCNN_RUN_ROWS 7

/* What the loop over channels keeps at hand for a few pixels of a run. Copies:
 * the compiler must assume that stores change what pointers lead to. */
typedef struct DcnnDepthwiseFew {
  uintptr_t rows[DCNN_RUN_ROWS], steps[DCNN_RUN_ROWS];
  const float *weights, *bias;
  size_t weight_stride, weight_row, dilation;
} DcnnDepthwiseFew;

/* Channels c .. c + V_LANES - 1 of `pixels` pixels; dilation 1, each column
 * loaded once. Kernel and stride are constants. */
DCNN_INLINE void
dcnn_depthwise_shared (const DcnnDepthwiseFew *few, unsigned pixels,
    unsigned kernel_y, unsigned kernel_x, unsigned stride, size_t c, v_t *sum)
{
  const v_t bias = v_load (few->bias + c);

  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++)
    sum[i] = bias;
  DCNN_UNROLL
  for (unsigned ky = 0; ky < kernel_y; ky++) {
    const uintptr_t step = few->steps[ky];
    const float *w = few->weights + ky * few->weight_row + c;
    uintptr_t q = few->rows[ky] + c * sizeof (float);
    v_t x[3 * 2 + 7];
    DCNN_UNROLL
    for (unsigned j = 0; j < (pixels - 1) * stride + kernel_x; j++) {
      if (j % 3 == 0) {
        q = j ? q + 3 * step : q;
        V_HIDE_ORIGIN (q);
      }
      x[j] = v_load ((const float *) (q + j % 3 * step));
    }
    DCNN_UNROLL
    for (unsigned kx = 0; kx < kernel_x; kx++, w += few->weight_stride) {
      v_t a = v_load (w);
      DCNN_UNROLL
      for (unsigned i = 0; i < pixels; i++)
        V_ACCUMULATE (sum[i], x[i * stride + kx], a);
    }
  }
}

/* The same for any kernel, stride and dilation. */
DCNN_INLINE void
dcnn_depthwise_apart (const DcnnDepthwiseFew *few, unsigned pixels,
    unsigned kernel_y, unsigned kernel_x, unsigned stride, size_t c, v_t *sum)
{
  const v_t bias = v_load (few->bias + c);

  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++)
    sum[i] = bias;
  for (unsigned ky = 0; ky < kernel_y; ky++) {
    const uintptr_t step = few->steps[ky];
    const float *w = few->weights + ky * few->weight_row + c;
    uintptr_t p = few->rows[ky] + c * sizeof (float);
    for (unsigned kx = 0; kx < kernel_x; kx++, w += few->weight_stride) {
      v_t a = v_load (w);
      DCNN_UNROLL
      for (unsigned i = 0; i < pixels; i++)
        sum[i] = v_fma (v_load ((const float *) (p + i * stride * step)), a,
            sum[i]);
      p += few->dilation * step;
    }
  }
}

DCNN_INLINE void
dcnn_depthwise_lanes (const DcnnDepthwiseFew *few, unsigned pixels,
    unsigned kernel_y, unsigned kernel_x, unsigned stride, bool shared,
    size_t c, v_t *sum)
{
  if (shared)
    dcnn_depthwise_shared (few, pixels, kernel_y, kernel_x, stride, c, sum);
  else
    dcnn_depthwise_apart (few, pixels, kernel_y, kernel_x, stride, c, sum);
}

/* All channels of `pixels` pixels of a run from `first` on. Out pixels of the
 * next four are asked for meanwhile: they lie in as many streams as no
 * hardware follows. */
DCNN_INLINE void
dcnn_depthwise_few (const DcnnDepthwiseRun *run, const DcnnDepthwiseStore *s,
    unsigned pixels, unsigned kernel_y, unsigned kernel_x, unsigned stride,
    bool shared, uint32_t first)
{
  const DcnnDepthwiseStore store = *s;
  const v_t low = v_set (store.low), high = v_set (store.high);
  const size_t whole = store.channels - store.channels % V_LANES;
  DcnnDepthwiseFew few; /* not initialized as a whole: that takes long */
  float *out[DCNN_RUN_PIXELS];
  v_t sum[DCNN_RUN_PIXELS];
  size_t c = 0;

  few.weights = run->weights;
  few.bias = run->bias;
  few.weight_stride = run->weight_stride;
  few.weight_row = run->weight_row;
  few.dilation = run->dilation;
  for (unsigned ky = 0; ky < kernel_y; ky++) {
    few.steps[ky] = run->steps[ky];
    few.rows[ky] = run->rows[ky] + first * stride * run->steps[ky];
  }
  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++)
    out[i] = run->out[first + i];
  const uintptr_t ahead = pixels > 1 ? DCNN_RUN_PIXELS *
      ((uintptr_t) out[1] - (uintptr_t) out[0]) : 0;
  for (; c < whole; c += V_LANES) {
    dcnn_depthwise_lanes (&few, pixels, kernel_y, kernel_x, stride, shared, c,
        sum);
    DCNN_UNROLL
    for (unsigned i = 0; i < pixels; i++) {
      if (pixels == DCNN_RUN_PIXELS)
        __builtin_prefetch ((void *) ((uintptr_t) (out[i] + c) + ahead), 1);
      v_store (out[i] + c, v_min (high, v_max (low, sum[i])));
    }
  }
  if (c == store.channels)
    return;
  dcnn_depthwise_lanes (&few, pixels, kernel_y, kernel_x, stride, shared, c,
      sum);
  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++)
    dcnn_depthwise_store (&store, out[i], (uint32_t) c, sum[i]);
}

/* A whole 3x3 run with each vector's taps in registers: nothing is set up
 * between pixels. Cost a pixel and vector: 9 FMA, 9 loads. */
DCNN_INLINE void
dcnn_depthwise_resident (const DcnnDepthwiseRun *run,
    const DcnnDepthwiseStore *s, unsigned stride)
{
  const DcnnDepthwiseStore store = *s;
  const v_t low = v_set (store.low), high = v_set (store.high);
  const uintptr_t step[3] = { run->steps[0], run->steps[1], run->steps[2] };
  const uint32_t n = run->n;
  float *const *out = run->out;

  for (uint32_t c = 0; c < store.channels; c += V_LANES) {
    const v_t bias = v_load (run->bias + c);
    const bool whole = c + V_LANES <= store.channels;
    const unsigned rest = store.channels - c;
    const unsigned room = store.writable - c < V_LANES ? store.writable - c
        : V_LANES;
    uintptr_t row[3];
    v_t w[9];
    DCNN_UNROLL
    for (unsigned ky = 0; ky < 3; ky++) {
      row[ky] = run->rows[ky] + c * sizeof (float);
      DCNN_UNROLL
      for (unsigned kx = 0; kx < 3; kx++)
        w[ky * 3 + kx] = v_load (run->weights + ky * run->weight_row +
            kx * run->weight_stride + c);
    }
    for (uint32_t i = 0; i < n; i++) {
      v_t sum = bias;
      DCNN_UNROLL
      for (unsigned ky = 0; ky < 3; ky++) {
        DCNN_UNROLL
        for (unsigned kx = 0; kx < 3; kx++)
          sum = v_fma (v_load ((const float *) (row[ky] + kx * step[ky])),
              w[ky * 3 + kx], sum);
        row[ky] += stride * step[ky];
      }
      sum = v_min (high, v_max (low, sum));
      if (whole)
        v_store (out[i] + c, sum);
      else
        v_store_n (out[i] + c, v_keep (sum, rest), room);
    }
  }
}

/* A whole run, four pixels at a time, then what is left; three more take the
 * last four again. Cost a pixel and vector: taps FMA; loads of taps and
 * columns shared by the pixels. */
DCNN_INLINE void
dcnn_depthwise_run (const DcnnDepthwiseRun *run, const DcnnDepthwiseStore *s,
    unsigned kernel_y, unsigned kernel_x, unsigned stride, bool shared)
{
  uint32_t first = 0, n = run->n;

  for (; first + 4 <= n; first += 4)
    dcnn_depthwise_few (run, s, 4, kernel_y, kernel_x, stride, shared, first);
  if (n - first == 3 && n > 3) {
    dcnn_depthwise_few (run, s, 4, kernel_y, kernel_x, stride, shared, n - 4);
    return;
  }
  if (first + 2 <= n) {
    dcnn_depthwise_few (run, s, 2, kernel_y, kernel_x, stride, shared, first);
    first += 2;
  }
  if (first < n)
    dcnn_depthwise_few (run, s, 1, kernel_y, kernel_x, stride, shared, first);
}

/* Four pixels from anywhere, of one phase: table[t * 4 + i] is tap t of pixel
 * i; two vectors of channels at a time share the pointers. */
DCNN_INLINE void
dcnn_depthwise_gather (const uintptr_t *table, uint32_t n_taps,
    const float *weights, size_t weight_stride, const float *bias,
    const DcnnDepthwiseStore *s, float *const *out)
{
  const DcnnDepthwiseStore store = *s;
  uint32_t c = 0;

  for (; c + V_LANES < store.channels; c += 2 * V_LANES) {
    v_t sum[4][2];
    const float *w = weights + c;
    DCNN_UNROLL
    for (unsigned i = 0; i < 4; i++) {
      sum[i][0] = v_load (bias + c);
      sum[i][1] = v_load (bias + c + V_LANES);
    }
    for (uint32_t t = 0; t < n_taps; t++, w += weight_stride) {
      v_t a = v_load (w), b = v_load (w + V_LANES);
      DCNN_UNROLL
      for (unsigned i = 0; i < 4; i++) {
        const float *p = (const float *) table[t * 4 + i] + c;
        sum[i][0] = v_fma (v_load (p), a, sum[i][0]);
        sum[i][1] = v_fma (v_load (p + V_LANES), b, sum[i][1]);
      }
    }
    DCNN_UNROLL
    for (unsigned i = 0; i < 4; i++) {
      dcnn_depthwise_store (&store, out[i], c, sum[i][0]);
      dcnn_depthwise_store (&store, out[i], c + V_LANES, sum[i][1]);
    }
  }
  for (; c < store.channels; c += V_LANES) {
    v_t sum[4];
    const float *w = weights + c;
    DCNN_UNROLL
    for (unsigned i = 0; i < 4; i++)
      sum[i] = v_load (bias + c);
    for (uint32_t t = 0; t < n_taps; t++, w += weight_stride) {
      v_t a = v_load (w);
      DCNN_UNROLL
      for (unsigned i = 0; i < 4; i++)
        sum[i] = v_fma (v_load ((const float *) table[t * 4 + i] + c), a,
            sum[i]);
    }
    DCNN_UNROLL
    for (unsigned i = 0; i < 4; i++)
      dcnn_depthwise_store (&store, out[i], c, sum[i]);
  }
}

#endif
