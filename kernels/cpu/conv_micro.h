/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv_micro.h - the register-blocked heart of a convolution: a few pixels by
 * a panel of output channels, over all taps and input channels, accumulated in
 * registers in one order (bias, then taps, then channels), so that a pixel's
 * bits do not depend on its neighbours.
 * Included by conv_simd.c, above level "c".
 */
#ifndef DCNN_CONV_MICRO_H
#define DCNN_CONV_MICRO_H

#include "epilogue.h"

/* Pixels that share one set of pointers. Every micro-kernel's pixel count
 * divides it. */
#define DCNN_CONV_TILE 12

/* Addresses are integers: the base pixel of a window may lie outside the map
 * while all of its taps are inside. */
typedef struct DcnnMicro {
  const uintptr_t *rows;      /* [pixels] base addresses, or [tap][12] */
  size_t row_step;            /* from tap to tap in rows: 0 or 12 */
  const ptrdiff_t *offsets;   /* [n_taps] bytes, added to the addresses */
  size_t shift;               /* bytes, added to all addresses */
  uint32_t n_taps, depth;     /* depth: input channels */
  const float *weights;       /* [tap][depth][lanes] */
  const float *bias;          /* [lanes] */
  float *const *out;          /* [pixels] where rows go; all valid */
  float *const *residual; /* [pixels] what is added, or NULL */
  /* of pixels at even distances, instead of rows, out and residual: */
  uintptr_t base;             /* of the first */
  uintptr_t gap;              /* bytes from one to the next */
  float *out_base;
  const float *residual_base; /* or NULL */
  ptrdiff_t out_gap, residual_gap; /* floats */
  bool residual_first;        /* added before the clamp, not after it */
  float low, high;            /* clamp */
  uint32_t begin;             /* first channel of the panel: added to out and
                                 residual */
  uint32_t valid, writable;   /* lanes that mean something, that may be
                                 written; may exceed the panel */
} DcnnMicro;

/* What the stores need, copied: the compiler must assume that a store changes
 * what pointers lead to. */
typedef struct DcnnMicroEnd {
  v_t low, high;
  bool residual_first;
  uint32_t valid, writable;
} DcnnMicroEnd;

/* Steps fused into the store: one residual, one clamp. */
DCNN_INLINE v_t
dcnn_micro_finish (const DcnnMicroEnd *end, v_t r, bool add, v_t e)
{
  if (add && end->residual_first)
    r = v_add (r, e);
  r = v_min (end->high, v_max (end->low, r));
  if (add && !end->residual_first)
    r = v_add (r, e);
  return r;
}

/* Stores the sums of one pixel; half: the last vector has VH_LANES lanes. */
DCNN_INLINE void
dcnn_micro_store (const DcnnMicroEnd *end, unsigned vectors, bool half,
    const v_t *sum, float *out, const float *residual)
{
  if (!half && end->valid >= vectors * V_LANES) {
    DCNN_UNROLL
    for (unsigned j = 0; j < vectors; j++)
      v_store (out + j * V_LANES, dcnn_micro_finish (end, sum[j], residual,
              residual ? v_load (residual + j * V_LANES) : v_zero ()));
    return;
  }
  DCNN_UNROLL
  for (unsigned j = 0; j < vectors; j++) {
    uint32_t c = j * V_LANES;
    if (c < end->valid) {
      uint32_t n = end->valid - c < V_LANES ? end->valid - c : V_LANES;
      uint32_t w = end->writable - c < V_LANES ? end->writable - c : V_LANES;
      v_t r = dcnn_micro_finish (end, sum[j], residual,
          residual ? v_load_n (residual + c, n) : v_zero ());
      if (half && n == V_LANES)
        v_store (out + c, r);
      else if (half && n == VH_LANES && w == VH_LANES)
        vh_store (out + c, vh_low (r));
      else
        v_store_n (out + c, v_keep (r, n), w);
    }
  }
}

/* Stores the sums of all pixels. The constants are dcnn_micro()'s. */
DCNN_INLINE void
dcnn_micro_end (const DcnnMicro *m, unsigned pixels, unsigned vectors,
    bool half, bool even, v_t sum[][4], const vh_t *part)
{
  const DcnnMicroEnd end = { v_set (m->low), v_set (m->high),
    m->residual_first, m->valid, m->writable };
  const unsigned stored = vectors + (half ? 1 : 0);
  float *const *out = m->out;
  float *const *residual = m->residual;
  const uint32_t begin = m->begin;
  if (half) {
    DCNN_UNROLL
    for (unsigned i = 0; i < pixels; i++)
      sum[i][vectors] = vh_wide (part[i]);
  }
  if (even) {
    float *row = m->out_base + begin;
    const float *add = m->residual_base ? m->residual_base + begin : NULL;
    DCNN_UNROLL
    for (unsigned i = 0; i < pixels; i++) {
      dcnn_micro_store (&end, stored, half, sum[i], row, add);
      row += m->out_gap;
      add = add ? add + m->residual_gap : NULL;
    }
    return;
  }
  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++)
    dcnn_micro_store (&end, stored, half, sum[i], out[i] + begin,
        residual ? residual[i] + begin : NULL);
}

/* Asks for the panel's lanes of pixels at even distances. */
DCNN_INLINE void
dcnn_micro_ask (const DcnnMicro *m, unsigned pixels, unsigned lanes)
{
  const float *row = m->out_base + m->begin;

  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++, row += m->out_gap) {
    DCNN_UNROLL
    for (unsigned j = 0; j < lanes; j += V_LANES)
      __builtin_prefetch (row + j, 1);
  }
}

/* `pixels` pixels by `vectors` vectors of channels and, half, VH_LANES more;
 * depth, when not 0, is the number of input channels; even: pixels at even
 * distances, every third by a pointer of its own (all five constants where
 * this is expanded).
 * Reads depth floats at each tap of each pixel; writes the panel's lanes of
 * each out row. Cost: n_taps depth (pixels vectors FMA + pixels + vectors
 * loads). */
DCNN_INLINE void
dcnn_micro (const DcnnMicro *m, unsigned pixels, unsigned vectors, bool half,
    unsigned depth, bool even)
{
  v_t sum[DCNN_CONV_TILE][4];
  vh_t part[DCNN_CONV_TILE];
  const unsigned lanes = vectors * V_LANES + (half ? VH_LANES : 0);
  const uintptr_t *rows = m->rows;
  const uintptr_t gap = m->gap;
  const float *w = m->weights;
  const unsigned pointers = even ? (pixels + 2) / 3 : pixels;

  DCNN_UNROLL
  for (unsigned j = 0; j < vectors; j++) {
    v_t b = v_load (m->bias + j * V_LANES);
    DCNN_UNROLL
    for (unsigned i = 0; i < pixels; i++)
      sum[i][j] = b;
  }
  if (half) {
    vh_t b = vh_load (m->bias + vectors * V_LANES);
    DCNN_UNROLL
    for (unsigned i = 0; i < pixels; i++)
      part[i] = b;
  }

  if (even && V_LANES == 16) /* stores of whole lines, many at once */
    dcnn_micro_ask (m, pixels, lanes);

#define DCNN_STEP_K(k)                                                         \
  do {                                                                         \
    v_t b[3];                                                                  \
    vh_t h;                                                                    \
    DCNN_UNROLL                                                                \
    for (unsigned j = 0; j < vectors; j++)                                     \
      b[j] = v_load (w + (k) * lanes + j * V_LANES);                           \
    if (half)                                                                  \
      h = vh_load (w + (k) * lanes + vectors * V_LANES);                       \
    DCNN_UNROLL                                                                \
    for (unsigned i = 0; i < pixels; i++) {                                    \
      const float *p = (const float *) (even ? at[i / 3] + i % 3 * gap         \
          : at[i]) + (even ? 0 : c) + (k);                                     \
      if (half)                                                                \
        VH_ACCUMULATE_AT (part[i], p, h);                                      \
      if (vectors == 1) {                                                      \
        V_ACCUMULATE_AT (sum[i][0], p, b[0]);                                  \
      } else if (vectors > 1) {                                                \
        v_t a = v_set (*p);                                                    \
        DCNN_UNROLL                                                            \
        for (unsigned j = 0; j < vectors; j++)                                 \
          V_ACCUMULATE (sum[i][j], a, b[j]);                                   \
      }                                                                        \
    }                                                                          \
    V_FENCE ();                                                                \
  } while (0)

  for (uint32_t t = 0; t < m->n_taps; t++) {
    uintptr_t at[DCNN_CONV_TILE];
    const uintptr_t offset = (uintptr_t) m->offsets[t] + m->shift;
    const size_t n = depth ? depth : m->depth;
    size_t c = 0;

    DCNN_UNROLL
    for (unsigned i = 0; i < pointers; i++) {
      at[i] = (even ? m->base + 3 * i * gap : rows[i]) + offset;
      V_HIDE_ORIGIN (at[i]);
    }
    if (!even)
      rows += m->row_step;
    if (depth) {
      DCNN_UNROLL
      for (unsigned k = 0; k < depth; k++)
        DCNN_STEP_K (k);
      w += depth * lanes;
      continue;
    }
    for (; c + 4 <= n; c += 4) {
      DCNN_STEP_K (0);
      DCNN_STEP_K (1);
      DCNN_STEP_K (2);
      DCNN_STEP_K (3);
      w += 4 * lanes;
      DCNN_UNROLL
      for (unsigned i = 0; even && i < pointers; i++)
        at[i] += 4 * sizeof (float);
    }
    for (; c < n; c++) {
      DCNN_STEP_K (0);
      w += lanes;
      DCNN_UNROLL
      for (unsigned i = 0; even && i < pointers; i++)
        at[i] += sizeof (float);
    }
  }
#undef DCNN_STEP_K

  dcnn_micro_end (m, pixels, vectors, half, even, sum, part);
}

#endif
