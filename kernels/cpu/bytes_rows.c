/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_rows.c - kernels of maps of bytes that move, choose and interpolate:
 * copy, resample, space to depth and back, pooling, resize. Compiled once for
 * each level.
 */
#include "bytes_tile.h"

#include "local.h"

/* ---- rows of copies and pools ------------------------------------------------- */

/* The bytes of a window's largest, into to. */
static void
pool_bytes (const DcnnJob *job, const DcnnLocal *l, uint32_t p, uint8_t *to)
{
  const DcnnMap *in = &job->in;
  const int32_t y = (int32_t) DCNN_PIXEL_Y (p) * l->stride[0] - l->pad_begin[0];
  const int32_t x = (int32_t) DCNN_PIXEL_X (p) * l->stride[1] - l->pad_begin[1];
  const uint32_t channels = l->channels;

  memset (to, 0, channels);
  for (int32_t a = 0; a < l->kernel[0]; a++)
    for (int32_t b = 0; b < l->kernel[1]; b++) {
      uint32_t ty = (uint32_t) (y + a * l->dilation[0]);
      uint32_t tx = (uint32_t) (x + b * l->dilation[1]);
      if (ty >= in->height || tx >= in->width)
        continue;
      const uint8_t *from = dcnn_map_bytes (in, ty, tx);
      for (uint32_t c = 0; c < channels; c++)
        to[c] = from[c] > to[c] ? from[c] : to[c];
    }
}

/* The mean of a window: its sum is a whole number, the same in any order. */
static void
average_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row)
{
  const DcnnMap *in = &job->in;
  const int32_t y = (int32_t) DCNN_PIXEL_Y (p) * l->stride[0] - l->pad_begin[0];
  const int32_t x = (int32_t) DCNN_PIXEL_X (p) * l->stride[1] - l->pad_begin[1];
  const uint32_t channels = l->channels;
  const int32_t low = in->low;
  uint32_t n = 0;

  memset (row, 0, channels * sizeof *row);
  for (int32_t a = 0; a < l->kernel[0]; a++)
    for (int32_t b = 0; b < l->kernel[1]; b++) {
      const uint32_t ty = (uint32_t) (y + a * l->dilation[0]);
      const uint32_t tx = (uint32_t) (x + b * l->dilation[1]);
      if (ty >= in->height || tx >= in->width)
        continue;
      const uint8_t *from = dcnn_map_bytes (in, ty, tx);
      for (uint32_t c = 0; c < channels; c++)
        row[c] += (float) (from[c] + low);
      n++;
    }
  const float count = (float) dcnn_pool_count (l, in, p, n);
  for (uint32_t c = 0; c < channels && n; c++)
    row[c] /= count;
}

/* Space to depth: block * block pixels one after the other, into to. */
static void
block_bytes (const DcnnJob *job, const DcnnLocal *l, uint32_t p, uint8_t *to)
{
  const uint32_t y = DCNN_PIXEL_Y (p) * l->block;
  const uint32_t x = DCNN_PIXEL_X (p) * l->block;

  for (uint32_t a = 0; a < l->block; a++)
    for (uint32_t b = 0; b < l->block; b++, to += l->channels)
      memcpy (to, dcnn_map_bytes (&job->in, y + a, x + b), l->channels);
}

/* Depth to space: in the in map, or in spare. */
static const uint8_t *
part_bytes (const DcnnJob *job, const DcnnLocal *l, uint32_t p,
    uint8_t *spare)
{
  const uint32_t y = DCNN_PIXEL_Y (p), x = DCNN_PIXEL_X (p), b = l->block;
  const uint8_t *from = dcnn_map_bytes (&job->in, y / b, x / b);
  const uint32_t part = y % b * b + x % b;

  if (!l->crd)
    return from + (size_t) part * l->channels;
  for (uint32_t c = 0; c < l->channels; c++)
    spare[c] = from[c * b * b + part];
  return spare;
}

/* The bytes that an out pixel is made of, channel by channel: in the in map,
 * or in spare. */
static const uint8_t *
row_bytes (const DcnnJob *job, const DcnnLocal *l, uint32_t p, uint8_t *spare)
{
  const uint32_t y = DCNN_PIXEL_Y (p), x = DCNN_PIXEL_X (p);

  if (job->primary == DCNN_PRIMARY_MAX_POOL) {
    pool_bytes (job, l, p, spare);
    return spare;
  }
  if (job->primary == DCNN_PRIMARY_RESAMPLE)
    return dcnn_map_bytes (&job->in, l->index_y[y], l->index_x[x]);
  if (job->primary == DCNN_PRIMARY_DEPTH_TO_SPACE)
    return part_bytes (job, l, p, spare);
  if (job->primary == DCNN_PRIMARY_SPACE_TO_DEPTH) {
    block_bytes (job, l, p, spare);
    return spare;
  }
  const uint8_t *from = dcnn_map_bytes (&job->in, y, x);
  if (l->n_runs == 1 && l->runs[0].from == 0)
    return from;
  for (uint32_t c = 0; c < l->channels; c++)
    spare[c] = l->source[c] == UINT32_MAX ? (uint8_t) -job->in.low
        : from[l->source[c]];
  return spare;
}

/* The same of a map of floats: copies only. Writes whole vectors: the rows
 * behind it come later. */
static void
row_floats (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row)
{
  const float *from = dcnn_map_pixel (&job->in, DCNN_PIXEL_Y (p),
      DCNN_PIXEL_X (p));

  if (l->n_runs == 1 && l->runs[0].from == 0 && l->channels <= 4)
    memcpy (row, from, 4 * sizeof *row);
  else if (l->n_runs == 1 && l->runs[0].from == 0)
    for (uint32_t c = 0; c < l->channels; c += V_LANES)
      v_store (row + c, v_load (from + c));
  else
    for (uint32_t c = 0; c < l->channels; c++)
      row[c] = l->source[c] == UINT32_MAX ? l->value : from[l->source[c]];
}

/* ---- tables ---------------------------------------------------------------------- */

#if V_LANES > 1

/* The 32 bytes of a table that x names. Each sixteenth of the table is looked
 * up by the low halves of x; the high halves choose among the sixteen, bit by
 * bit. */
DCNN_INLINE __m256i
look_up (const uint8_t *table, __m256i x)
{
  const __m256i low = _mm256_and_si256 (x, _mm256_set1_epi8 (15));
  const __m256i b4 = _mm256_slli_epi16 (x, 3), b5 = _mm256_slli_epi16 (x, 2);
  const __m256i b6 = _mm256_slli_epi16 (x, 1);
  __m256i found[8];

#define SIXTEENTH(i)                                                           \
  _mm256_shuffle_epi8 (_mm256_broadcastsi128_si256 (_mm_loadu_si128 (          \
              (const void *) (table + (i) * 16))), low)
  DCNN_UNROLL
  for (unsigned i = 0; i < 8; i++)
    found[i] = _mm256_blendv_epi8 (SIXTEENTH (2 * i), SIXTEENTH (2 * i + 1),
        b4);
#undef SIXTEENTH
  DCNN_UNROLL
  for (unsigned i = 0; i < 4; i++)
    found[i] = _mm256_blendv_epi8 (found[2 * i], found[2 * i + 1], b5);
  DCNN_UNROLL
  for (unsigned i = 0; i < 2; i++)
    found[i] = _mm256_blendv_epi8 (found[2 * i], found[2 * i + 1], b6);
  return _mm256_blendv_epi8 (found[0], found[1], x);
}

#endif

/* n bytes through a table. */
static void
look_up_bytes (const DcnnBytesTable *table, const uint8_t *from, uint32_t n,
    uint8_t *to)
{
  const uint8_t *bytes = table->byte;
  uint32_t c = 0;

  if (table->same) {
    memcpy (to, from, n);
    return;
  }
#if V_LANES > 1
  for (; c + 32 <= n; c += 32)
    _mm256_storeu_si256 ((void *) (to + c), look_up (bytes,
            _mm256_loadu_si256 ((const void *) (from + c))));
#endif
  for (; c < n; c++)
    to[c] = bytes[from[c]];
}

/* How many of the tile's rows from the first on have pixels that follow each
 * other without a gap, `pixel` elements each, there and here. */
static uint32_t
rows_joined (const DcnnJob *job, const DcnnBytesTile *tile, uint32_t first,
    uint32_t pixel)
{
  const DcnnMap *in = &job->in;
  const uint32_t p = tile->pixels[first], y = DCNN_PIXEL_Y (p);
  const uint32_t x = DCNN_PIXEL_X (p);
  const uint32_t *col = in->col_offset;
  uint32_t i = 1;

  for (; first + i < tile->n; i++)
    if ((tile->pixels[first + i] & ~DCNN_PIXEL_FORCE) !=
        DCNN_PIXEL (y, x + i) || col[x + i] != col[x + i - 1] + pixel ||
        tile->bytes[first + i] != tile->bytes[first + i - 1] + pixel)
      break;
  return i;
}

/* Lanes past the channels stand for 0. */
static void
fill_lanes (const DcnnMap *out, uint8_t *pixel)
{
  for (uint32_t c = out->channels; c < out->writable; c++)
    pixel[c] = (uint8_t) -out->low;
}

static bool
moves_channels (const DcnnJob *job, const DcnnLocal *l)
{
  return job->primary != DCNN_PRIMARY_COPY || l->n_runs != 1 ||
      l->runs[0].from != 0;
}

/* Rows that a table finishes. */
static void
end_by_table (const DcnnJob *job, const DcnnLocal *l,
    const DcnnBytesTile *tile, uint8_t *spare)
{
  const bool alone = moves_channels (job, l);
  const uint32_t pixel = job->out.writable;

  for (uint32_t i = 0, n; i < tile->n; i += n) {
    n = alone ? 1 : rows_joined (job, tile, i, pixel);
    look_up_bytes (job->table, row_bytes (job, l, tile->pixels[i], spare),
        (n - 1) * pixel + job->out.channels, tile->bytes[i]);
    for (uint32_t j = 0; j < n; j++)
      fill_lanes (&job->out, tile->bytes[i + j]);
  }
  DCNN_FN (dcnn_bytes_judge) (job, tile);
}

/* Resize: the products and sums of the kernel of floats, in its order. */
static void
resize_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row)
{
  const DcnnMap *in = &job->in;
  const size_t y = (size_t) DCNN_PIXEL_Y (p) * l->taps_y;
  const size_t x = (size_t) DCNN_PIXEL_X (p) * l->taps_x;

  for (uint32_t c = 0; c < l->channels; c += V_LANES) {
    v_t sum = v_zero ();
    for (uint32_t a = 0; a < l->taps_y; a++) {
      v_t line = v_zero ();
      if (l->index_y[y + a] >= in->height)
        continue;
      for (uint32_t b = 0; b < l->taps_x; b++)
        if (l->index_x[x + b] < in->width)
          line = v_fma (v_set (l->weight_x[x + b]), dcnn_lanes_of_bytes (
                  dcnn_map_bytes (in, l->index_y[y + a], l->index_x[x + b]) +
                  c, in->low), line);
      sum = v_fma (v_set (l->weight_y[y + a]), line, sum);
    }
    v_store (row + c, sum);
  }
}

/* The same of two taps each way, all inside the map: a run of pixels of one
 * row. A pixel that reads the columns of the one before it takes over what it
 * had read, while a vector holds the channels. */
static void
resize_two (const DcnnJob *job, const DcnnLocal *l, const uint32_t *pixels,
    uint32_t n, float *const *rows)
{
  const DcnnMap in = job->in;
  const uint32_t channels = l->channels, *index_x = l->index_x;
  const size_t y = (size_t) DCNN_PIXEL_Y (pixels[0]) * 2;
  const uint8_t *line[2];
  v_t weight[2];

  for (unsigned a = 0; a < 2; a++) {
    line[a] = dcnn_map_bytes (&in, l->index_y[y + a], 0) - in.col_offset[0];
    weight[a] = v_set (l->weight_y[y + a]);
  }
  for (uint32_t c = 0; c < channels; c += V_LANES) {
    uint32_t known[2] = { UINT32_MAX, UINT32_MAX };
    v_t at[2][2] = { { v_zero (), v_zero () }, { v_zero (), v_zero () } };
    for (uint32_t i = 0; i < n; i++) {
      const size_t x = (size_t) DCNN_PIXEL_X (pixels[i]) * 2;
      const v_t left = v_set (l->weight_x[x]);
      const v_t right = v_set (l->weight_x[x + 1]);
      if (index_x[x] != known[0] || index_x[x + 1] != known[1]) {
        known[0] = index_x[x];
        known[1] = index_x[x + 1];
        DCNN_UNROLL
        for (unsigned k = 0; k < 4; k++)
          at[k / 2][k % 2] = dcnn_lanes_of_bytes (line[k / 2] +
              in.col_offset[known[k % 2]] + c, in.low);
      }
      v_t sum = v_mul (weight[0], v_fma (right, at[0][1],
              v_mul (left, at[0][0])));
      sum = v_fma (weight[1], v_fma (right, at[1][1], v_mul (left, at[1][0])),
          sum);
      v_store (rows[i] + c, sum);
    }
  }
}

/* How many entries from the first on lie in its row and read only columns
 * inside the map, by two taps each way; 0: its row, or it, does not. */
static uint32_t
resize_run (const DcnnJob *job, const DcnnLocal *l, const uint32_t *pixels,
    uint32_t n)
{
  const uint32_t y = DCNN_PIXEL_Y (pixels[0]);
  uint32_t i = 0;

  if (l->taps_x != 2 || l->taps_y != 2 ||
      l->index_y[2 * y] >= job->in.height ||
      l->index_y[2 * y + 1] >= job->in.height)
    return 0;
  for (; i < n && DCNN_PIXEL_Y (pixels[i]) == y; i++) {
    const uint32_t *x = l->index_x + 2 * (size_t) DCNN_PIXEL_X (pixels[i]);
    if (x[0] >= job->in.width || x[1] >= job->in.width)
      break;
  }
  return i;
}

static void
resize_rows (const DcnnJob *job, const DcnnLocal *l,
    const DcnnBytesTile *tile)
{
  for (uint32_t i = 0, n; i < tile->n; i += n) {
    n = resize_run (job, l, tile->pixels + i, tile->n - i);
    if (n > 0) {
      resize_two (job, l, tile->pixels + i, n, tile->rows + i);
    } else {
      resize_row (job, l, tile->pixels[i], tile->rows[i]);
      n = 1;
    }
  }
}

static void
fill_rows (const DcnnJob *job, const DcnnLocal *l, const DcnnBytesTile *tile,
    uint8_t *spare)
{
  const uint32_t channels = job->out.channels;
  const int32_t low = job->in.low;

  if (job->primary == DCNN_PRIMARY_RESIZE) {
    resize_rows (job, l, tile);
    return;
  }
  for (uint32_t i = 0; i < tile->n; i++) {
    float *row = tile->rows[i];
    if (job->primary == DCNN_PRIMARY_AVERAGE_POOL) {
      average_row (job, l, tile->pixels[i], row);
      continue;
    }
    if (!job->in.bytes) {
      row_floats (job, l, tile->pixels[i], row);
      continue;
    }
    const uint8_t *from = row_bytes (job, l, tile->pixels[i], spare);
    if (!job->table)
      for (uint32_t c = 0; c < channels; c += V_LANES)
        v_store (row + c, dcnn_lanes_of_bytes (from + c, low));
    else
      for (uint32_t c = 0; c < channels; c++)
        row[c] = job->table->value[from[c]];
  }
}

/* ---- the kernels ----------------------------------------------------------------- */

/* What a run of these takes of its scratch. */
typedef struct Space {
  float *rows;
  uint8_t *bytes, *spare;
} Space;

static size_t
lay_out (const DcnnJob *job, void *scratch, Space *space)
{
  const size_t stride = dcnn_bytes_stride (job);
  size_t used = 0;

  space->rows = dcnn_carve (scratch, &used,
      (DCNN_TILE_ROWS * stride + DCNN_OVERREAD) * sizeof (float));
  space->bytes = dcnn_carve (scratch, &used,
      DCNN_TILE_ROWS * (size_t) dcnn_padded (job->out.channels));
  space->spare = dcnn_carve (scratch, &used,
      dcnn_padded (job->out.channels) + DCNN_OVERREAD);
  return used;
}

/* Copy, resample, space to depth and back, resize, pools. Cost: a load and a look-up or a conversion
 * an element; a maximum, a sum or a product a tap. */
static void
run_rows (const DcnnJob *job, size_t begin, size_t end, void *scratch)
{
  const DcnnLocal *l = (const DcnnLocal *) (const void *) job->prepared;
  const uint32_t done = job->table ? job->table->n_steps : 0;
  const bool by_table = job->table && done == job->n_steps && job->out.bytes;
  const bool in_place = dcnn_job_stores_all (job);
  DcnnBytesRun run = { .job = job, .stride = dcnn_bytes_stride (job) };
  Space space;
  uint32_t pixels[DCNN_TILE_ROWS];
  float *rows[DCNN_TILE_ROWS];
  uint8_t *bytes[DCNN_TILE_ROWS];
  void *out[DCNN_TILE_ROWS];
  DcnnBytesTile tile = { .pixels = pixels, .rows = rows, .bytes = bytes,
    .out = out };
  size_t at = dcnn_work_place (job, begin);
  const size_t stop = dcnn_work_place (job, end);

  lay_out (job, scratch, &space);
  if (!by_table)
    run.part = *job;
  memset (space.rows, 0, DCNN_TILE_ROWS * run.stride * sizeof *space.rows);
  for (uint32_t i = 0; i < DCNN_TILE_ROWS; i++)
    rows[i] = space.rows + i * run.stride;
  for (; at < stop; at += tile.n) {
    tile.n = stop - at < DCNN_TILE_ROWS ? (uint32_t) (stop - at)
        : DCNN_TILE_ROWS;
    tile.first = at;
    dcnn_work_pixels (job, at, tile.n, pixels);
    dcnn_bytes_locate_out (job, pixels, tile.n, out);
    for (uint32_t i = 0; i < tile.n; i++)
      bytes[i] = in_place ? out[i]
          : space.bytes + i * dcnn_padded (job->out.channels);
    if (by_table) {
      end_by_table (job, l, &tile, space.spare);
      continue;
    }
    fill_rows (job, l, &tile, space.spare);
    DCNN_FN (dcnn_bytes_end) (&run, done, &tile);
  }
}

static bool
is_conv (const DcnnJob *job)
{
  return job->primary == DCNN_PRIMARY_CONV ||
      job->primary == DCNN_PRIMARY_GROUP_CONV ||
      job->primary == DCNN_PRIMARY_CONV_TRANSPOSE ||
      job->primary == DCNN_PRIMARY_DEPTHWISE;
}

void
DCNN_FN (dcnn_k_bytes) (const DcnnJob *job, size_t begin, size_t end,
    void *scratch)
{
  if (is_conv (job))
    DCNN_FN (dcnn_k_bytes_conv) (job, begin, end, scratch);
  else
    run_rows (job, begin, end, scratch);
}

size_t
DCNN_FN (dcnn_k_bytes_scratch) (const DcnnJob *job)
{
  Space space;

  return is_conv (job)
      ? DCNN_FN (dcnn_k_bytes_conv_scratch) (job)
      : lay_out (job, NULL, &space);
}
