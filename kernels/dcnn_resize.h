/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_resize.h - where an output coordinate of Resize reads its input: the
 * one definition that the reference and the faster kernels share.
 *
 * Coordinates are computed in float32, as ONNX Runtime does: with a scale that
 * is no exact float, nearest sampling depends on it. No state; thread-safe.
 */
#ifndef DCNN_RESIZE_H
#define DCNN_RESIZE_H

#include <math.h>

#include "dcnn_params.h"

/* The most input coordinates that one output coordinate reads (cubic). */
#define DCNN_RESIZE_MAX_TAPS 4

/* What one output coordinate of one dimension reads: n taps, coordinates in
 * the input, weights with sum 1. n = 0: the extrapolation value. */
typedef struct DcnnResizeTaps {
  int n;
  int64_t position[DCNN_RESIZE_MAX_TAPS];
  double weight[DCNN_RESIZE_MAX_TAPS];
} DcnnResizeTaps;

/* Output coordinate x of dimension dim, `in` to `out` elements long, as a
 * coordinate in the input. */
static inline float
dcnn_resize_coordinate (const DcnnResizeParams *p, int dim, int64_t x,
    int64_t in, int64_t out)
{
  float scale = (float) p->scale[dim], at = (float) x;
  float length = (float) in, resized = (float) out;
  float begin = (float) p->roi_begin[dim], end = (float) p->roi_end[dim];
  float symmetric;

  switch (p->coord) {
    case DCNN_COORD_ASYMMETRIC:
      return at / scale;
    case DCNN_COORD_PYTORCH_HALF_PIXEL:
      return out > 1 ? (at + 0.5f) / scale - 0.5f : 0.0f;
    case DCNN_COORD_TF_HALF_PIXEL_FOR_NN:
      return (at + 0.5f) / scale;
    case DCNN_COORD_ALIGN_CORNERS:
      return out > 1 ? at * (length - 1) / (resized - 1) : 0.0f;
    case DCNN_COORD_TF_CROP_AND_RESIZE:
      return out > 1 ? begin * (length - 1)
          + at * (end - begin) * (length - 1) / (resized - 1)
          : 0.5f * (begin + end) * (length - 1);
    case DCNN_COORD_HALF_PIXEL_SYMMETRIC:
      symmetric = resized / (scale * length);
      return length / 2 * (1 - symmetric) + (at + 0.5f) / scale - 0.5f;
    default:
      return (at + 0.5f) / scale - 0.5f;
  }
}

static inline int64_t
dcnn_resize_clamp (float x, int64_t n)
{
  return !(x > 0) ? 0 : x >= (float) n ? n - 1
      : (int64_t) x >= n ? n - 1 : (int64_t) x;
}

/* The whole coordinate nearest to input coordinate x, inside 0 .. n-1. */
static inline int64_t
dcnn_resize_nearest (DcnnResizeNearest mode, float x, int64_t n)
{
  switch (mode) {
    case DCNN_NEAREST_FLOOR:
      return dcnn_resize_clamp (floorf (x), n);
    case DCNN_NEAREST_CEIL:
      return dcnn_resize_clamp (ceilf (x), n);
    case DCNN_NEAREST_ROUND_PREFER_CEIL:
      return dcnn_resize_clamp (floorf (x + 0.5f), n);
    default:
      return dcnn_resize_clamp (ceilf (x - 0.5f), n);
  }
}

/* The four weights of cubic convolution at fraction t, Keys (1981). */
static inline void
dcnn_resize_cubic_weights (double a, double t, double *weights)
{
  double s = 1 - t;
  weights[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  weights[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  weights[2] = ((a + 2) * s - (a + 3)) * s * s + 1;
  weights[3] = ((a * (s + 1) - 5 * a) * (s + 1) + 8 * a) * (s + 1) - 4 * a;
}

/* Fills taps for output coordinate x of dimension dim. A dimension that keeps
 * its size and scale reads itself. Preconditions: in, out >= 1, x < out,
 * scale > 0. */
static inline void
dcnn_resize_taps (const DcnnResizeParams *p, int dim, int64_t x, int64_t in,
    int64_t out, DcnnResizeTaps *taps)
{
  bool crop = p->coord == DCNN_COORD_TF_CROP_AND_RESIZE;
  float at;
  int64_t base;
  double t, sum = 0;

  taps->n = 1;
  taps->weight[0] = 1;
  taps->position[0] = x;
  if (in == out && p->scale[dim] == 1.0 && !crop)
    return;
  at = dcnn_resize_coordinate (p, dim, x, in, out);
  if (crop && (at < 0 || at > (float) (in - 1))) {
    taps->n = 0;
    return;
  }
  if (p->mode == DCNN_RESIZE_NEAREST) {
    taps->position[0] = dcnn_resize_nearest (p->nearest, at, in);
    return;
  }
  if (p->mode == DCNN_RESIZE_LINEAR) {
    at = at < 0 ? 0 : at > (float) (in - 1) ? (float) (in - 1) : at;
    base = dcnn_resize_clamp (floorf (at), in);
    t = (double) at - (double) base;
    taps->n = base + 1 < in ? 2 : 1;
    taps->position[0] = base;
    taps->position[1] = base + 1;
    taps->weight[0] = taps->n == 2 ? 1 - t : 1;
    taps->weight[1] = t;
    return;
  }
  taps->n = 4;
  base = (int64_t) floorf (at);
  dcnn_resize_cubic_weights (p->cubic_a, (double) at - (double) base,
      taps->weight);
  for (int i = 0; i < 4; i++) {
    int64_t position = base - 1 + i;
    if (p->exclude_outside && (position < 0 || position >= in))
      taps->weight[i] = 0;
    sum += taps->weight[i];
    taps->position[i] = position < 0 ? 0 : position >= in ? in - 1 : position;
  }
  for (int i = 0; i < 4 && p->exclude_outside && sum != 0; i++)
    taps->weight[i] /= sum;
}

#endif
