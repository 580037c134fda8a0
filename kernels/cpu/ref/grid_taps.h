/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * grid_taps.h - where GridSample reads a map for a place that its grid gives,
 * and how much each pixel there counts. For the reference and the kernel.
 */
#ifndef DCNN_GRID_TAPS_H
#define DCNN_GRID_TAPS_H

#include <math.h>

#include "../../dcnn_params.h"
#include "ref_util.h"

#define DCNN_GRID_TAPS 16 /* at most */

/* Between which places a dimension of that size lies: centres of the outer
 * pixels, or their edges. */
REF_INLINE void
grid_bounds (const DcnnGridParams *p, int64_t size, double *low, double *high)
{
  *low = p->align_corners ? 0 : -0.5;
  *high = p->align_corners ? (double) size - 1 : (double) size - 0.5;
}

/* A place led back between the bounds, as between two mirrors. */
REF_INLINE double
grid_reflected (double x, double low, double high)
{
  const double range = high - low;
  double turns, rest;

  if (!(range > 0))
    return low;
  turns = floor ((x - low) / range);
  rest = x - low - turns * range;
  return fmod (turns, 2) == 0 ? low + rest : high - rest;
}

/* A place, -1 .. 1 over the dimension, in pixels; by the padding where it lies
 * outside. */
REF_INLINE double
grid_place_of (const DcnnGridParams *p, double at, int64_t size)
{
  double low, high, x = p->align_corners
      ? (at + 1) / 2 * ((double) size - 1)
      : ((at + 1) * (double) size - 1) / 2;

  grid_bounds (p, size, &low, &high);
  x = x > -1e9 ? fmin (x, 1e9) : -1e9; /* infinities, and what is no number */
  if (p->mode == DCNN_GRID_NEAREST)
    x = rint (x);
  if (x >= low && x <= high)
    return x;
  return p->padding == DCNN_GRID_BORDER
      ? fmin (fmax (x, 0), (double) size - 1)
      : p->padding == DCNN_GRID_REFLECTION ? grid_reflected (x, low, high) : x;
}

/* A row or column that is read, or -1. */
REF_INLINE int64_t
grid_index_of (const DcnnGridParams *p, int64_t i, int64_t size)
{
  double low, high;

  if (i >= 0 && i < size)
    return i;
  if (p->padding == DCNN_GRID_ZEROS)
    return -1;
  if (p->padding == DCNN_GRID_REFLECTION) {
    grid_bounds (p, size, &low, &high);
    i = (int64_t) grid_reflected ((double) i, low, high);
  }
  return i < 0 ? 0 : i >= size ? size - 1 : i;
}

/* How much each of n neighbours counts, the first of which is at floor (x) or
 * one before; returns it. */
REF_INLINE int64_t
grid_weights_of (const DcnnGridParams *p, double x, int *n, double *weight)
{
  const double first = floor (x), t = x - first, a = -0.75;

  if (p->mode == DCNN_GRID_NEAREST) {
    *n = 1;
    weight[0] = 1;
    return (int64_t) x;
  }
  if (p->mode == DCNN_GRID_LINEAR) {
    *n = 2;
    weight[0] = 1 - t;
    weight[1] = t;
    return (int64_t) first;
  }
  *n = 4;
  for (int i = 0; i < 4; i++) {
    const double d = fabs (t + 1 - i);
    weight[i] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
        : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  }
  return (int64_t) first - 1;
}

/* The pixels of a map [height, width] that place (gx, gy) reads: where they lie
 * in its plane, and weights. Returns how many; none lie outside. */
REF_INLINE int
grid_taps (const DcnnGridParams *p, const int64_t *size, double gy, double gx,
    int64_t *at, double *weight)
{
  double wy[4], wx[4];
  int ny, nx, n = 0;
  const int64_t top = grid_weights_of (p, grid_place_of (p, gy, size[0]), &ny,
      wy);
  const int64_t left = grid_weights_of (p, grid_place_of (p, gx, size[1]), &nx,
      wx);

  for (int i = 0; i < ny; i++) {
    const int64_t row = grid_index_of (p, top + i, size[0]);
    for (int k = 0; k < nx && row >= 0; k++) {
      const int64_t column = grid_index_of (p, left + k, size[1]);
      if (column < 0)
        continue;
      at[n] = row * size[1] + column;
      weight[n++] = wy[i] * wx[k];
    }
  }
  return n;
}

#endif
