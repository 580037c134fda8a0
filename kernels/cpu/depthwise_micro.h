/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * depthwise_micro.h - the inner loops of depthwise convolutions above level
 * "c": four neighbours of a row at once, or four pixels from anywhere. Every
 * form adds bias, then taps row by row, in that order: the same bits.
 */
#ifndef DCNN_DEPTHWISE_MICRO_H
#define DCNN_DEPTHWISE_MICRO_H

#include "depthwise.h"
#include "epilogue.h"

#define DCNN_RUN_PIXELS 4
#define DCNN_UNROLL _Pragma ("GCC unroll 16")

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
  size_t weight_stride;
  float *const *out;         /* [n] */
  uint32_t n;                /* at least DCNN_RUN_PIXELS */
} DcnnDepthwiseRun;

/* What the loop over channels keeps at hand for four pixels of a run. Copies:
 * the compiler must assume that stores change what pointers lead to. */
typedef struct DcnnDepthwiseFour {
  uintptr_t rows[7], steps[7];
  const float *weights, *bias;
  size_t weight_stride, dilation;
} DcnnDepthwiseFour;

/* Channels c .. c + V_LANES - 1 of four pixels. With `shared` the dilation is
 * 1 and each column is loaded once; kernel and stride are constants then. */
DCNN_INLINE void
dcnn_depthwise_four (const DcnnDepthwiseFour *four, unsigned kernel_y,
    unsigned kernel_x, unsigned stride, bool shared, size_t c, v_t *sum)
{
  const float *w = four->weights + c;
  const v_t bias = v_load (four->bias + c);

  DCNN_UNROLL
  for (unsigned i = 0; i < DCNN_RUN_PIXELS; i++)
    sum[i] = bias;
  DCNN_UNROLL
  for (unsigned ky = 0; ky < kernel_y; ky++) {
    const uintptr_t step = four->steps[ky];
    const uintptr_t p = four->rows[ky] + c * sizeof (float);
    if (shared) {
      v_t x[3 * 2 + 7];
      DCNN_UNROLL
      for (unsigned j = 0; j < (DCNN_RUN_PIXELS - 1) * stride + kernel_x; j++)
        x[j] = v_load ((const float *) (p + j * step));
      DCNN_UNROLL
      for (unsigned kx = 0; kx < kernel_x; kx++, w += four->weight_stride) {
        v_t a = v_load (w);
        DCNN_UNROLL
        for (unsigned i = 0; i < DCNN_RUN_PIXELS; i++)
          sum[i] = v_fma (x[i * stride + kx], a, sum[i]);
      }
      continue;
    }
    for (unsigned kx = 0; kx < kernel_x; kx++, w += four->weight_stride) {
      const uintptr_t q = p + kx * four->dilation * step;
      v_t a = v_load (w);
      DCNN_UNROLL
      for (unsigned i = 0; i < DCNN_RUN_PIXELS; i++)
        sum[i] = v_fma (v_load ((const float *) (q + i * stride * step)), a,
            sum[i]);
    }
  }
}

/* A whole run: all channels of n pixels. The last four may overlap the four
 * before. Cost a pixel and vector: taps FMA; loads of taps and columns shared
 * by four. */
DCNN_INLINE void
dcnn_depthwise_run (const DcnnDepthwiseRun *run, const DcnnDepthwiseStore *s,
    unsigned kernel_y, unsigned kernel_x, unsigned stride, bool shared)
{
  const DcnnDepthwiseStore store = *s;
  const v_t low = v_set (store.low), high = v_set (store.high);
  const size_t whole = store.channels - store.channels % V_LANES;
  DcnnDepthwiseFour four = { .weights = run->weights, .bias = run->bias,
    .weight_stride = run->weight_stride, .dilation = run->dilation };

  for (uint32_t first = 0; first < run->n; first += DCNN_RUN_PIXELS) {
    float *out[DCNN_RUN_PIXELS];
    v_t sum[DCNN_RUN_PIXELS];
    size_t c = 0;
    if (first + DCNN_RUN_PIXELS > run->n)
      first = run->n - DCNN_RUN_PIXELS;
    for (unsigned ky = 0; ky < kernel_y; ky++) {
      four.steps[ky] = run->steps[ky];
      four.rows[ky] = run->rows[ky] + first * stride * run->steps[ky];
    }
    DCNN_UNROLL
    for (unsigned i = 0; i < DCNN_RUN_PIXELS; i++)
      out[i] = run->out[first + i];
    for (; c < whole; c += V_LANES) {
      dcnn_depthwise_four (&four, kernel_y, kernel_x, stride, shared, c, sum);
      DCNN_UNROLL
      for (unsigned i = 0; i < DCNN_RUN_PIXELS; i++)
        v_store (out[i] + c, v_min (high, v_max (low, sum[i])));
    }
    if (c == store.channels)
      continue;
    dcnn_depthwise_four (&four, kernel_y, kernel_x, stride, shared, c, sum);
    DCNN_UNROLL
    for (unsigned i = 0; i < DCNN_RUN_PIXELS; i++)
      dcnn_depthwise_store (&store, out[i], (uint32_t) c, sum[i]);
  }
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
