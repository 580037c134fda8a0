/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_pool.c - max and average pooling of listed pixels, and block sums.
 */
#include "local_kernel.h"

/* The kernel elements k0 .. k1-1 that lie inside 0 .. n-1 from base on. */
DCNN_INLINE void
taps_inside (int32_t base, int32_t kernel, int32_t dilation, int32_t n,
    int32_t *k0, int32_t *k1)
{
  *k0 = base < 0 ? (-base + dilation - 1) / dilation : 0;
  *k1 = n <= base ? 0 : (n - base + dilation - 1) / dilation;
  *k1 = *k1 > kernel ? kernel : *k1;
}

/* Pointers to the taps inside the map, row by row; returns how many. */
DCNN_INLINE uint32_t
pool_taps (const DcnnMap *in, const DcnnLocal *l, uint32_t p,
    const float **taps)
{
  int32_t y = (int32_t) DCNN_PIXEL_Y (p) * l->stride[0] - l->pad_begin[0];
  int32_t x = (int32_t) DCNN_PIXEL_X (p) * l->stride[1] - l->pad_begin[1];
  int32_t y0, y1, x0, x1;
  uint32_t n = 0;
  taps_inside (y, l->kernel[0], l->dilation[0], (int32_t) in->height, &y0, &y1);
  taps_inside (x, l->kernel[1], l->dilation[1], (int32_t) in->width, &x0, &x1);
  for (int32_t ky = y0; ky < y1; ky++) {
    const float *row = in->data + in->row_offset[y + ky * l->dilation[0]];
    for (int32_t kx = x0; kx < x1; kx++)
      taps[n++] = row + in->col_offset[x + kx * l->dilation[1]];
  }
  return n;
}

/* row[c] = max (or sum) over the taps in their order, n > 0, two vectors at a
 * time. Reads up to 2 V_LANES - 1 floats past the channels. */
DCNN_INLINE void
reduce_taps (float *row, const float *const *taps, uint32_t n,
    uint32_t channels, bool maximum)
{
  uint32_t c = 0;
  for (; c + V_LANES < channels; c += 2 * V_LANES) {
    v_t a = v_load (taps[0] + c), b = v_load (taps[0] + c + V_LANES);
    for (uint32_t t = 1; t < n; t++) {
      v_t u = v_load (taps[t] + c), v = v_load (taps[t] + c + V_LANES);
      a = maximum ? v_max (a, u) : v_add (a, u);
      b = maximum ? v_max (b, v) : v_add (b, v);
    }
    v_store (row + c, a);
    v_store (row + c + V_LANES, b);
  }
  for (; c < channels; c += V_LANES) {
    v_t a = v_load (taps[0] + c);
    for (uint32_t t = 1; t < n; t++) {
      v_t u = v_load (taps[t] + c);
      a = maximum ? v_max (a, u) : v_add (a, u);
    }
    v_store (row + c, a);
  }
}

DCNN_INLINE void
reduce_window (float *row, const float *const *taps, uint32_t n,
    uint32_t channels, bool maximum)
{
  /* The common sizes as constants, so that the loop unrolls. */
  if (n == 4)
    reduce_taps (row, taps, 4, channels, maximum);
  else if (n == 9)
    reduce_taps (row, taps, 9, channels, maximum);
  else
    reduce_taps (row, taps, n, channels, maximum);
}

/* Max pooling: the largest of the taps inside the map; a window with none
 * gives minus infinity. Cost: channels * taps loads a pixel. */
DCNN_INLINE void
max_pool_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row,
    void *spare)
{
  const float **taps = spare;
  uint32_t n = pool_taps (&job->in, l, p, taps);
  if (!n) {
    for (uint32_t c = 0; c < l->channels; c++)
      row[c] = -HUGE_VALF;
    return;
  }
  reduce_window (row, taps, n, l->channels, true);
}

/* Positions of the window that count on one axis when pads do: those up to
 * the end of the padded map (ONNX AveragePool, ceil_mode). */
DCNN_INLINE int32_t
padded_count (const DcnnLocal *l, int d, int32_t out, int32_t size)
{
  int32_t base = out * l->stride[d] - l->pad_begin[d];
  int32_t room = size + l->pad_end[d] - base;
  int32_t n = (room + l->dilation[d] - 1) / l->dilation[d];
  return n < 0 ? 0 : n > l->kernel[d] ? l->kernel[d] : n;
}

/* Average pooling: the sum of the taps inside the map, in their order, divided
 * by how many count; a window with none gives 0. */
DCNN_INLINE void
average_pool_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p,
    float *row, void *spare)
{
  const float **taps = spare;
  uint32_t n = pool_taps (&job->in, l, p, taps);
  int32_t count = (int32_t) n;
  if (l->count_pad)
    count = padded_count (l, 0, (int32_t) DCNN_PIXEL_Y (p),
        (int32_t) job->in.height)
        * padded_count (l, 1, (int32_t) DCNN_PIXEL_X (p),
        (int32_t) job->in.width);
  if (!n) {
    for (uint32_t c = 0; c < l->channels; c++)
      row[c] = 0.0f;
    return;
  }
  reduce_window (row, taps, n, l->channels, false);
  v_t divisor = v_set ((float) count);
  for (uint32_t c = 0; c < l->channels; c += V_LANES)
    v_store (row + c, v_div (v_load (row + c), divisor));
}

/* Bytes for the pointers to one window's taps. */
static size_t
window_bytes (const DcnnJob *job)
{
  const DcnnLocal *l = (const DcnnLocal *) (const void *) job->prepared;
  return (size_t) l->kernel[0] * (size_t) l->kernel[1] * sizeof (float *);
}

DCNN_LOCAL_KERNEL (max_pool, max_pool_row, window_bytes (job))
DCNN_LOCAL_KERNEL (average_pool, average_pool_row, window_bytes (job))

/* ---- block sums ------------------------------------------------------- */

/* Sum or maximum of one vector of channels over a block, row by row. n: lanes
 * that may be read. */
DCNN_INLINE v_t
block_lanes (const DcnnMap *map, bool maximum, uint32_t y0, uint32_t y1,
    uint32_t x0, uint32_t x1, uint32_t c)
{
  v_t all = v_load (dcnn_map_pixel (map, y0, x0) + c);
  if (!maximum)
    all = v_zero ();
  for (uint32_t y = y0; y < y1; y++) {
    const float *row = map->data + map->row_offset[y] + c;
    for (uint32_t x = x0; x < x1; x++) {
      v_t v = v_load (row + map->col_offset[x]);
      all = maximum ? v_max (all, v) : v_add (all, v);
    }
  }
  return all;
}

DcnnBlockReduceFnType DCNN_FN (dcnn_k_block_reduce);

/* See DcnnBlockReduceFn. Writes channels_padded floats a block, zeros past the
 * channels. */
void
DCNN_FN (dcnn_k_block_reduce) (const DcnnMap *map, bool maximum,
    const uint32_t *blocks, size_t n, uint32_t blocks_x, float *sums)
{
  uint32_t channels = map->channels;
  uint32_t padded = (channels + DCNN_LANES - 1) / DCNN_LANES * DCNN_LANES;
  for (size_t i = 0; i < n; i++) {
    uint32_t y0 = blocks[i] / blocks_x * 8, x0 = blocks[i] % blocks_x * 8;
    uint32_t y1 = map->height - y0 < 8 ? map->height : y0 + 8;
    uint32_t x1 = map->width - x0 < 8 ? map->width : x0 + 8;
    float *out = sums + (size_t) blocks[i] * padded;
    uint32_t c = 0;
    for (; c < channels; c += V_LANES) {
      v_t all = block_lanes (map, maximum, y0, y1, x0, x1, c);
      if (c + V_LANES > channels)
        all = v_keep (all, channels - c);
      if (c + V_LANES <= padded)
        v_store (out + c, all);
      else
        v_store_n (out + c, all, padded - c);
    }
    for (; c < padded; c++)
      out[c] = 0.0f;
  }
}
