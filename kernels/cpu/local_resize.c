/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_resize.c - separable interpolation of listed pixels.
 */
#include "local_kernel.h"

/* Any number of taps; those outside the map are left out. Sums start from 0
 * and add in order of k, horizontally first. */
DCNN_INLINE void
resize_row_taps (const DcnnMap *in, const DcnnLocal *l, uint32_t y, uint32_t x,
    float *row)
{
  const uint32_t *iy = l->index_y + (size_t) y * l->taps_y;
  const uint32_t *ix = l->index_x + (size_t) x * l->taps_x;
  const float *wy = l->weight_y + (size_t) y * l->taps_y;
  const float *wx = l->weight_x + (size_t) x * l->taps_x;
  for (uint32_t c = 0; c < l->channels; c += V_LANES) {
    v_t sum = v_zero ();
    for (uint32_t a = 0; a < l->taps_y; a++) {
      v_t line = v_zero ();
      if (iy[a] >= in->height)
        continue;
      const float *from = in->data + in->row_offset[iy[a]] + c;
      for (uint32_t b = 0; b < l->taps_x; b++)
        if (ix[b] < in->width)
          line = v_fma (v_set (wx[b]), v_load (from + in->col_offset[ix[b]]),
              line);
      sum = v_fma (v_set (wy[a]), line, sum);
    }
    v_store (row + c, sum);
  }
}

/* taps rows and columns, all inside the map; taps is a constant, so that the
 * loops unroll. The same products and sums as above. */
DCNN_INLINE void
resize_row_fixed (const DcnnMap *in, const DcnnLocal *l, uint32_t y, uint32_t x,
    float *row, uint32_t taps)
{
  const uint32_t *iy = l->index_y + (size_t) y * taps;
  const uint32_t *ix = l->index_x + (size_t) x * taps;
  const float *line[4];
  uint32_t column[4];
  v_t wy[4], wx[4];
  for (uint32_t k = 0; k < taps; k++) {
    line[k] = in->data + in->row_offset[iy[k]];
    column[k] = in->col_offset[ix[k]];
    wy[k] = v_set (l->weight_y[(size_t) y * taps + k]);
    wx[k] = v_set (l->weight_x[(size_t) x * taps + k]);
  }
  for (uint32_t c = 0; c < l->channels; c += V_LANES) {
    v_t sum = v_zero ();
    for (uint32_t a = 0; a < taps; a++) {
      v_t part = v_mul (wx[0], v_load (line[a] + column[0] + c));
      for (uint32_t b = 1; b < taps; b++)
        part = v_fma (wx[b], v_load (line[a] + column[b] + c), part);
      sum = a ? v_fma (wy[a], part, sum) : v_mul (wy[0], part);
    }
    v_store (row + c, sum);
  }
}

DCNN_INLINE bool
all_below (const uint32_t *index, uint32_t n, uint32_t limit)
{
  bool all = true;
  for (uint32_t k = 0; k < n; k++)
    all = all && index[k] < limit;
  return all;
}

/* Resize: the weighted sum of taps_y * taps_x input pixels. Cost: that many
 * loads and products a channel. */
DCNN_INLINE void
resize_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row,
    void *spare)
{
  const DcnnMap *in = &job->in;
  uint32_t y = DCNN_PIXEL_Y (p), x = DCNN_PIXEL_X (p), taps = l->taps_x;
  (void) spare;
  bool whole = l->taps_y == taps && (taps == 2 || taps == 4)
      && all_below (l->index_y + (size_t) y * taps, taps, in->height)
      && all_below (l->index_x + (size_t) x * taps, taps, in->width);
  if (!whole)
    resize_row_taps (in, l, y, x, row);
  else if (taps == 2)
    resize_row_fixed (in, l, y, x, row, 2);
  else
    resize_row_fixed (in, l, y, x, row, 4);
}

DCNN_LOCAL_KERNEL (resize, resize_row, 0)
