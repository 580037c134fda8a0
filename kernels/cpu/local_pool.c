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

/* The window of an output pixel, cut at the map's borders: first input pixel
 * and number of taps each way. */
typedef struct PoolWindow {
  int32_t y, x, ny, nx;
} PoolWindow;

DCNN_INLINE PoolWindow
pool_window (const DcnnMap *in, const DcnnLocal *l, uint32_t p)
{
  int32_t y = (int32_t) DCNN_PIXEL_Y (p) * l->stride[0] - l->pad_begin[0];
  int32_t x = (int32_t) DCNN_PIXEL_X (p) * l->stride[1] - l->pad_begin[1];
  int32_t y0, y1, x0, x1;
  taps_inside (y, l->kernel[0], l->dilation[0], (int32_t) in->height, &y0, &y1);
  taps_inside (x, l->kernel[1], l->dilation[1], (int32_t) in->width, &x0, &x1);
  return (PoolWindow) { y + y0 * l->dilation[0], x + x0 * l->dilation[1],
    y1 > y0 ? y1 - y0 : 0, x1 > x0 ? x1 - x0 : 0 };
}

/* Pointers to the window's taps, column by column; returns how many. */
DCNN_INLINE uint32_t
pool_taps (const DcnnMap *in, const DcnnLocal *l, const PoolWindow *w,
    const float **taps)
{
  uint32_t n = 0;
  for (int32_t b = 0; b < w->nx; b++) {
    const float *column = in->data + in->col_offset[w->x + b * l->dilation[1]];
    for (int32_t a = 0; a < w->ny; a++)
      taps[n++] = column + in->row_offset[w->y + a * l->dilation[0]];
  }
  return n;
}

DCNN_INLINE void
fill_row (float *row, uint32_t channels, float value)
{
  for (uint32_t c = 0; c < channels; c++)
    row[c] = value;
}

/* row[c] = maximum of nx columns of ny taps, the columns' maxima in order: the
 * order matters where NaN is among them, and is the same on every path. */
DCNN_INLINE void
max_columns (float *row, const float *const *taps, uint32_t nx, uint32_t ny,
    uint32_t channels)
{
  for (uint32_t c = 0; c < channels; c += V_LANES) {
    v_t most = v_zero ();
    for (uint32_t b = 0; b < nx; b++) {
      const float *const *column = taps + b * ny;
      v_t m = v_load (column[0] + c);
      for (uint32_t a = 1; a < ny; a++)
        m = v_max (m, v_load (column[a] + c));
      most = b ? v_max (most, m) : m;
    }
    v_store (row + c, most);
  }
}

/* Wide windows: neighbours share their columns' maxima. */
DCNN_INLINE bool
shares_columns (const DcnnLocal *l)
{
  return l->kernel[1] >= 4 && l->stride[1] <= 2;
}

/* Columns of the map whose maxima over a window's rows are known. */
typedef struct PoolColumns {
  float *data;         /* [map width][stride] */
  size_t stride;
  int32_t y, ny;       /* of the window */
  int32_t begin, end;  /* empty: none */
} PoolColumns;

/* Makes known what the window reads, and, of a dense row, all: those come whole
 * and begin at x = 0. */
static void
know_columns (const DcnnJob *job, const DcnnLocal *l, const PoolWindow *w,
    uint32_t x, const float **taps, PoolColumns *known)
{
  const DcnnMap *in = &job->in;
  const int32_t end = w->x + (w->nx - 1) * l->dilation[1] + 1;

  if (!job->pixels && x > 0)
    return; /* since the row's first pixel */
  if (!job->pixels || known->y != w->y || known->ny != w->ny ||
      w->x < known->begin || w->x > known->end)
    known->begin = known->end = job->pixels ? w->x : 0;
  known->y = w->y;
  known->ny = w->ny;
  for (; known->end < (job->pixels ? end : (int32_t) in->width); known->end++) {
    for (int32_t a = 0; a < w->ny; a++)
      taps[a] = in->data + in->col_offset[known->end] +
          in->row_offset[w->y + a * l->dilation[0]];
    max_columns (known->data + (size_t) known->end * known->stride, taps, 1,
        (uint32_t) w->ny, l->channels);
  }
}

DCNN_INLINE void
max_pool_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row,
    const float **taps, PoolColumns *known)
{
  PoolWindow w = pool_window (&job->in, l, p);
  uint32_t nx = (uint32_t) w.nx, ny = (uint32_t) w.ny;
  bool shared = shares_columns (l);

  if (shared && ny && (nx || !job->pixels))
    know_columns (job, l, &w, DCNN_PIXEL_X (p), taps, known);
  if (!nx || !ny) {
    fill_row (row, l->channels, -HUGE_VALF);
  } else if (shared) {
    for (uint32_t b = 0; b < nx; b++)
      taps[b] = known->data + ((uint32_t) w.x + b * (uint32_t) l->dilation[1])
          * known->stride;
    max_columns (row, taps, nx, 1, l->channels);
  } else {
    pool_taps (&job->in, l, &w, taps);
    /* The common sizes as constants, so that the loops unroll. */
    if (nx == 2 && ny == 2)
      max_columns (row, taps, 2, 2, l->channels);
    else if (nx == 3 && ny == 3)
      max_columns (row, taps, 3, 3, l->channels);
    else
      max_columns (row, taps, nx, ny, l->channels);
  }
}

/* Max pooling: the largest of the taps inside the map; a window with none
 * gives minus infinity. Cost: channels * taps loads a pixel; wide windows, of
 * dense rows and of runs in a list: channels * (kernel height / stride + kernel
 * width). */
DCNN_INLINE void
max_pool_tile (const DcnnJob *job, const DcnnLocal *l, const DcnnTile *tile,
    void *spare)
{
  const float **taps = spare;
  PoolColumns known = { .y = -1, .stride = dcnn_tile_stride (l->channels),
    .data = (float *) (void *) (taps + l->kernel[0] * l->kernel[1]) };

  for (uint32_t i = 0; i < tile->n; i++)
    max_pool_row (job, l, tile->pixels[i], tile->rows[i], taps, &known);
}

/* row[c] = sum over the taps in their order, n > 0. */
DCNN_INLINE void
sum_taps (float *row, const float *const *taps, uint32_t n, uint32_t channels)
{
  for (uint32_t c = 0; c < channels; c += V_LANES) {
    v_t sum = v_load (taps[0] + c);
    for (uint32_t t = 1; t < n; t++)
      sum = v_add (sum, v_load (taps[t] + c));
    v_store (row + c, sum);
  }
}

/* Average pooling: the sum of the taps inside the map, in their order, divided
 * by how many count; a window with none gives 0. */
DCNN_INLINE void
average_pool_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p,
    float *row, void *spare)
{
  const float **taps = spare;
  PoolWindow w = pool_window (&job->in, l, p);
  uint32_t n = pool_taps (&job->in, l, &w, taps);
  const int32_t count = dcnn_pool_count (l, &job->in, p, n);
  if (!n) {
    fill_row (row, l->channels, 0.0f);
    return;
  }
  if (n == 4)
    sum_taps (row, taps, 4, l->channels);
  else if (n == 9)
    sum_taps (row, taps, 9, l->channels);
  else
    sum_taps (row, taps, n, l->channels);
  v_t divisor = v_set ((float) count);
  for (uint32_t c = 0; c < l->channels; c += V_LANES)
    v_store (row + c, v_div (v_load (row + c), divisor));
}

/* Bytes for the pointers to one window's taps, and for the shared columns. */
static size_t
window_bytes (const DcnnJob *job)
{
  const DcnnLocal *l = (const DcnnLocal *) (const void *) job->prepared;
  size_t taps = (size_t) l->kernel[0] * (size_t) l->kernel[1];
  size_t columns = job->primary == DCNN_PRIMARY_MAX_POOL && shares_columns (l)
      ? job->in.width * dcnn_tile_stride (l->channels) : 0;
  return taps * sizeof (float *) + columns * sizeof (float);
}

DCNN_LOCAL_TILES (max_pool, max_pool_tile, window_bytes (job))
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

/* Eight sums or maxima of 64 bytes at most. */
#if V_LANES > 1
typedef __m128i Eight;

DCNN_INLINE Eight
eight_take (Eight all, const uint8_t *from, bool maximum)
{
  const __m128i v = _mm_cvtepu8_epi16 (_mm_loadl_epi64 ((const void *) from));

  return maximum ? _mm_max_epi16 (all, v) : _mm_add_epi16 (all, v);
}
#else
typedef struct Eight {
  int16_t of[DCNN_LANES];
} Eight;

DCNN_INLINE Eight
eight_take (Eight all, const uint8_t *from, bool maximum)
{
  for (uint32_t k = 0; k < DCNN_LANES; k++)
    all.of[k] = (int16_t) (!maximum ? all.of[k] + from[k]
        : from[k] > all.of[k] ? from[k] : all.of[k]);
  return all;
}
#endif

/* The same of all channels of a map of bytes. Sums of whole numbers are exact,
 * so these are the bits that floats give. */
static void
block_of_bytes (const DcnnMap *map, bool maximum, uint32_t y0, uint32_t y1,
    uint32_t x0, uint32_t x1, float *all)
{
  const int32_t pixels = maximum ? 1 : (int32_t) ((y1 - y0) * (x1 - x0));

  for (uint32_t c = 0; c < map->channels; c += DCNN_LANES) {
    int16_t of[DCNN_LANES];
    Eight eight;
    memset (&eight, 0, sizeof eight);
    for (uint32_t y = y0; y < y1; y++) {
      const uint8_t *row = map->bytes + map->row_offset[y] + c;
      for (uint32_t x = x0; x < x1; x++)
        eight = eight_take (eight, row + map->col_offset[x], maximum);
    }
    memcpy (of, &eight, sizeof of);
    for (uint32_t k = 0; k < DCNN_LANES; k++)
      all[c + k] = c + k < map->channels
          ? (float) (of[k] + pixels * map->low) : 0.0f;
  }
}

DcnnBlockReduceFnType DCNN_FN (dcnn_k_block_reduce);

/* See DcnnBlockReduceFn. Writes channels_padded floats a block, zeros past the
 * channels. */
void
DCNN_FN (dcnn_k_block_reduce) (const DcnnMap *map, bool maximum,
    const uint32_t *blocks, size_t n, uint32_t blocks_x, float *sums)
{
  uint32_t channels = map->channels;
  uint32_t padded = dcnn_padded (channels);
  for (size_t i = 0; i < n; i++) {
    uint32_t y0 = blocks[i] / blocks_x * 8, x0 = blocks[i] % blocks_x * 8;
    uint32_t y1 = map->height - y0 < 8 ? map->height : y0 + 8;
    uint32_t x1 = map->width - x0 < 8 ? map->width : x0 + 8;
    float *out = sums + (size_t) blocks[i] * padded;
    uint32_t c = 0;
    if (map->bytes) {
      block_of_bytes (map, maximum, y0, y1, x0, x1, out);
      continue;
    }
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
