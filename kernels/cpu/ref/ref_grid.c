/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_grid.c - a map read at places that another tensor gives.
 */
#include <math.h>

#include "ref.h"
#include "ref_util.h"

/* A plane of the map, and where it is read. */
typedef struct Plane {
  const DcnnTensor *in;
  int64_t first, size[2]; /* element; height, width */
  const DcnnGridParams *params;
} Plane;

/* Between which places a dimension of that size lies: centres of the outer
 * pixels, or their edges. */
static void
bounds (const DcnnGridParams *p, int64_t size, double *low, double *high)
{
  *low = p->align_corners ? 0 : -0.5;
  *high = p->align_corners ? (double) size - 1 : (double) size - 0.5;
}

/* A place led back between the bounds, as between two mirrors. */
static double
reflected (double x, double low, double high)
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
static double
place_of (const DcnnGridParams *p, double at, int64_t size)
{
  double low, high, x = p->align_corners
      ? (at + 1) / 2 * ((double) size - 1)
      : ((at + 1) * (double) size - 1) / 2;

  bounds (p, size, &low, &high);
  x = x > -1e9 ? fmin (x, 1e9) : -1e9; /* infinities, and what is no number */
  if (p->mode == DCNN_GRID_NEAREST)
    x = rint (x);
  if (x >= low && x <= high)
    return x;
  return p->padding == DCNN_GRID_BORDER
      ? fmin (fmax (x, 0), (double) size - 1)
      : p->padding == DCNN_GRID_REFLECTION ? reflected (x, low, high) : x;
}

/* A row or column that is read, or -1. */
static int64_t
index_of (const DcnnGridParams *p, int64_t i, int64_t size)
{
  double low, high;

  if (i >= 0 && i < size)
    return i;
  if (p->padding == DCNN_GRID_ZEROS)
    return -1;
  if (p->padding == DCNN_GRID_REFLECTION) {
    bounds (p, size, &low, &high);
    i = (int64_t) reflected ((double) i, low, high);
  }
  return i < 0 ? 0 : i >= size ? size - 1 : i;
}

/* How much each of n neighbours counts, the first of which is at floor (x) or
 * one before; returns it. */
static int64_t
weights_of (const DcnnGridParams *p, double x, int *n, double *weight)
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

static double
read_at (const Plane *plane, double y, double x)
{
  const DcnnGridParams *p = plane->params;
  double wy[4], wx[4], sum = 0;
  int ny, nx;
  const int64_t top = weights_of (p, y, &ny, wy);
  const int64_t left = weights_of (p, x, &nx, wx);

  for (int i = 0; i < ny; i++) {
    const int64_t row = index_of (p, top + i, plane->size[0]);
    for (int k = 0; k < nx && row >= 0; k++) {
      const int64_t column = index_of (p, left + k, plane->size[1]);
      if (column >= 0)
        sum += wy[i] * wx[k] * dcnn_ref_get (plane->in, plane->first
            + row * plane->size[1] + column);
    }
  }
  return sum;
}

/* grid [n, h, w, 2]: x and y of each out pixel. */
DCNN_REF (grid_sample)
{
  const DcnnTensor *in = inputs[0], *grid = inputs[1], *out = outputs[0];
  int64_t pixels;

  if (!out || dcnn_tensor_count (out) == 0)
    return;
  Plane plane = { in, 0, { in->dims[2], in->dims[3] }, &params->grid };
  pixels = out->dims[2] * out->dims[3];
  for (int64_t n = 0; n < out->dims[0]; n++)
    for (int64_t i = 0; i < pixels; i++) {
      const int64_t at = (n * pixels + i) * 2;
      const double x = place_of (&params->grid, dcnn_ref_get (grid, at),
          in->dims[3]);
      const double y = place_of (&params->grid, dcnn_ref_get (grid, at + 1),
          in->dims[2]);
      for (int64_t c = 0; c < in->dims[1]; c++) {
        plane.first = (n * in->dims[1] + c) * in->dims[2] * in->dims[3];
        dcnn_ref_set (out, (n * in->dims[1] + c) * pixels + i,
            read_at (&plane, y, x));
      }
    }
}
