/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * window.h - where a sliding-window operator reads: the taps of an output
 * pixel as offsets from a base pixel of the input, for plain and transposed
 * windows alike.
 *
 * A plain window has one phase: base = (y stride - pad), taps = (ky dilation).
 * A transposed one has stride_y * stride_x phases: an output pixel of phase
 * ((y + pad) mod stride) only meets the kernel elements of that phase, and
 * then is a plain window of stride 1 over the input.
 *
 * The taps of most pixels lie inside the map and evenly spaced (no torus seam
 * among them): then tap t is at base address + offset[t], with offsets common
 * to all pixels. Other pixels get a table of pointers, where taps outside the
 * map point to a row of zeros.
 */
#ifndef DCNN_WINDOW_H
#define DCNN_WINDOW_H

#include "dcnn_map.h"
#include "dcnn_params.h"

/* One kernel element of a phase. */
typedef struct DcnnTap {
  int32_t dy, dx;    /* input pixel relative to the base */
  uint32_t ky, kx;   /* kernel element */
} DcnnTap;

typedef struct DcnnPhase {
  uint32_t first_tap, n_taps;  /* in DcnnWindowPlan.taps */
  int32_t min_dy, max_dy, min_dx, max_dx;
} DcnnPhase;

typedef struct DcnnWindowPlan {
  bool transposed;
  uint32_t stride_y, stride_x;
  int32_t pad_y, pad_x;
  uint32_t kernel_y, kernel_x;
  uint32_t dilation_y, dilation_x;
  uint32_t n_phases, n_taps, max_taps; /* max_taps: of one phase */
  const DcnnPhase *phases;
  const DcnnTap *taps;         /* phase after phase, ky then kx ascending */
} DcnnWindowPlan;

/* Bytes of the phases and taps of a plan. */
size_t dcnn_window_plan_bytes (const DcnnConvParams *params, bool transposed);
/* Fills plan; its tables go to `memory` (borrowed for the plan's life). */
void dcnn_window_plan_fill (DcnnWindowPlan *plan, const DcnnConvParams *params,
    bool transposed, void *memory);

/* Base pixel of an output coordinate along one axis, and its phase. */
static inline int32_t
dcnn_window_base (bool transposed, uint32_t stride, int32_t pad, uint32_t out,
    uint32_t *phase)
{
  if (!transposed) {
    *phase = 0;
    return (int32_t) (out * stride) - pad;
  }
  uint32_t t = (uint32_t) ((int32_t) out + pad);
  *phase = t % stride;
  return (int32_t) (t / stride);
}

/* Distances between neighbouring rows and columns of a map, in floats, away
 * from the torus seam. */
typedef struct DcnnSpacing {
  ptrdiff_t row, col;
} DcnnSpacing;

static inline ptrdiff_t
dcnn_axis_spacing (const uint32_t *offset, uint32_t n)
{
  if (n < 2)
    return 0;
  if (offset[1] > offset[0] || n < 3)
    return (ptrdiff_t) offset[1] - (ptrdiff_t) offset[0];
  return (ptrdiff_t) offset[2] - (ptrdiff_t) offset[1];
}

static inline DcnnSpacing
dcnn_map_spacing (const DcnnMap *map)
{
  DcnnSpacing spacing = {
    dcnn_axis_spacing (map->row_offset, map->height),
    dcnn_axis_spacing (map->col_offset, map->width),
  };
  return spacing;
}

/* True when coordinates low .. high are inside 0 .. n-1 and evenly spaced. */
static inline bool
dcnn_axis_even (const uint32_t *offset, uint32_t n, ptrdiff_t spacing,
    int32_t low, int32_t high)
{
  return low >= 0 && high < (int32_t) n &&
      (ptrdiff_t) offset[high] - (ptrdiff_t) offset[low] ==
      spacing * (high - low);
}

/* True when the pixels of each row of a map are `spacing` floats apart. */
static inline bool
dcnn_columns_even (const DcnnMap *map, ptrdiff_t spacing)
{
  return dcnn_axis_even (map->col_offset, map->width, spacing, 0,
      (int32_t) map->width - 1);
}

/* True when all taps of the phase are at base + common offsets. */
static inline bool
dcnn_window_even (const DcnnMap *in, const DcnnSpacing *spacing,
    const DcnnPhase *phase, int32_t y, int32_t x)
{
  return dcnn_axis_even (in->row_offset, in->height, spacing->row,
      y + phase->min_dy, y + phase->max_dy) &&
      dcnn_axis_even (in->col_offset, in->width, spacing->col,
      x + phase->min_dx, x + phase->max_dx);
}

/* Address of the base pixel of an even window, which may itself lie outside
 * the map: an integer, so that forming it is not undefined. */
static inline uintptr_t
dcnn_window_address (const DcnnMap *in, const DcnnSpacing *spacing,
    const DcnnPhase *phase, int32_t y, int32_t x)
{
  ptrdiff_t at = (ptrdiff_t) in->row_offset[y + phase->min_dy] -
      spacing->row * phase->min_dy +
      (ptrdiff_t) in->col_offset[x + phase->min_dx] -
      spacing->col * phase->min_dx;
  return dcnn_map_start (in) + (uintptr_t) at * dcnn_map_unit (in);
}

/* Pointers to the taps of one pixel: table[t * step]. */
static inline void
dcnn_window_table (const DcnnMap *in, const DcnnTap *taps, uint32_t n_taps,
    int32_t y, int32_t x, const void *zeros, uintptr_t *table, size_t step)
{
  for (uint32_t t = 0; t < n_taps; t++) {
    uint32_t ty = (uint32_t) (y + taps[t].dy);
    uint32_t tx = (uint32_t) (x + taps[t].dx);
    uintptr_t p = (uintptr_t) zeros;
    if (ty < in->height && tx < in->width)
      p = dcnn_map_start (in) + dcnn_map_unit (in) *
          ((uintptr_t) in->row_offset[ty] + in->col_offset[tx]);
    table[t * step] = p;
  }
}

#endif
