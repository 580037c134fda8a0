/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_resize.c - separable interpolation of listed pixels.
 */
#include "cpu_table.h"
#include "epilogue.h"
#include "local.h"

/* Two taps each way, the linear case: four pointers, six products. */
DCNN_INLINE void
resize_row_linear (float *row, const float *const in[4], const float *wy,
    const float *wx, uint32_t channels)
{
  v_t y0 = v_set (wy[0]), y1 = v_set (wy[1]);
  v_t x0 = v_set (wx[0]), x1 = v_set (wx[1]);
  for (uint32_t c = 0; c < channels; c += V_LANES) {
    v_t upper = v_fma (x1, v_load (in[1] + c), v_mul (x0, v_load (in[0] + c)));
    v_t lower = v_fma (x1, v_load (in[3] + c), v_mul (x0, v_load (in[2] + c)));
    v_store (row + c, v_fma (y1, lower, v_mul (y0, upper)));
  }
}

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

/* Resize: the weighted sum of taps_y * taps_x input pixels. Cost: that many
 * loads and products a channel. */
DCNN_INLINE void
resize_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row,
    void *spare)
{
  const DcnnMap *in = &job->in;
  uint32_t y = DCNN_PIXEL_Y (p), x = DCNN_PIXEL_X (p);
  const uint32_t *iy = l->index_y + (size_t) y * 2;
  const uint32_t *ix = l->index_x + (size_t) x * 2;
  (void) spare;
  if (l->taps_y != 2 || l->taps_x != 2 || iy[0] >= in->height
      || iy[1] >= in->height || ix[0] >= in->width || ix[1] >= in->width) {
    resize_row_taps (in, l, y, x, row);
    return;
  }
  const float *upper = in->data + in->row_offset[iy[0]];
  const float *lower = in->data + in->row_offset[iy[1]];
  uint32_t left = in->col_offset[ix[0]], right = in->col_offset[ix[1]];
  const float *const from[4] = { upper + left, upper + right, lower + left,
    lower + right };
  resize_row_linear (row, from, l->weight_y + (size_t) y * 2,
      l->weight_x + (size_t) x * 2, l->channels);
}

DCNN_LOCAL_KERNEL (resize, resize_row, 0)
