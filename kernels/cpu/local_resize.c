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

/* What an out row reads, when all of it is inside the map. */
typedef struct Lines {
  const float *at[4];
  v_t weight[4];
} Lines;

/* taps is a constant. The same products and sums as above. */
DCNN_INLINE void
resize_row_fixed (const DcnnMap *in, const DcnnLocal *l, const Lines *lines,
    uint32_t x, float *row, uint32_t taps)
{
  const uint32_t *ix = l->index_x + (size_t) x * taps;
  uint32_t column[4];
  v_t wx[4];
  for (uint32_t k = 0; k < taps; k++) {
    column[k] = in->col_offset[ix[k]];
    wx[k] = v_set (l->weight_x[(size_t) x * taps + k]);
  }
  for (uint32_t c = 0; c < l->channels; c += V_LANES) {
    v_t sum = v_zero ();
    for (uint32_t a = 0; a < taps; a++) {
      v_t part = v_mul (wx[0], v_load (lines->at[a] + column[0] + c));
      for (uint32_t b = 1; b < taps; b++)
        part = v_fma (wx[b], v_load (lines->at[a] + column[b] + c), part);
      sum = a ? v_fma (lines->weight[a], part, sum)
          : v_mul (lines->weight[0], part);
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

/* Whether row y reads `taps` lines, all inside the map; finds them. */
DCNN_INLINE bool
find_lines (const DcnnMap *in, const DcnnLocal *l, uint32_t y, uint32_t taps,
    Lines *lines)
{
  const uint32_t *iy = l->index_y + (size_t) y * l->taps_y;
  if (l->taps_y != taps || !all_below (iy, taps, in->height))
    return false;
  for (uint32_t k = 0; k < taps; k++) {
    lines->at[k] = in->data + in->row_offset[iy[k]];
    lines->weight[k] = v_set (l->weight_y[(size_t) y * taps + k]);
  }
  return true;
}

/* Resize by taps_x taps, a constant: the weighted sum of taps_y * taps_x input
 * pixels. Cost: that many loads and products a channel. */
DCNN_INLINE void
resize_fixed (const DcnnJob *job, const DcnnLocal *l, const DcnnTile *tile,
    uint32_t taps)
{
  const DcnnMap *in = &job->in;
  uint32_t last = UINT32_MAX;
  bool whole = false;
  Lines lines;
  for (uint32_t i = 0; i < tile->n; i++) {
    uint32_t y = DCNN_PIXEL_Y (tile->pixels[i]);
    uint32_t x = DCNN_PIXEL_X (tile->pixels[i]);
    if (y != last)
      whole = find_lines (in, l, y, taps, &lines);
    last = y;
    if (whole && all_below (l->index_x + (size_t) x * taps, taps, in->width))
      resize_row_fixed (in, l, &lines, x, tile->rows[i], taps);
    else
      resize_row_taps (in, l, y, x, tile->rows[i]);
  }
}

DCNN_INLINE void
resize_tile (const DcnnJob *job, const DcnnLocal *l, const DcnnTile *tile,
    void *spare)
{
  (void) spare;
  if (l->taps_x == 2)
    resize_fixed (job, l, tile, 2);
  else if (l->taps_x == 4)
    resize_fixed (job, l, tile, 4);
  else
    for (uint32_t i = 0; i < tile->n; i++)
      resize_row_taps (&job->in, l, DCNN_PIXEL_Y (tile->pixels[i]),
          DCNN_PIXEL_X (tile->pixels[i]), tile->rows[i]);
}

DCNN_LOCAL_TILES (resize, resize_tile, 0)
