/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_conv_c.c - convolutions of maps of bytes in portable C: the plain loops
 * that specify them. Level "c" only.
 */
#include "bytes.h"
#include "bytes_tile.h"

/* The sum of output o over a tap's pixel. */
static uint32_t
sum_of_tap (const DcnnBytesConv *conv, uint32_t o, uint32_t t,
    const uint8_t *from)
{
  uint32_t begin, sum = 0;
  const uint32_t panel = dcnn_bytes_panel (conv, o, &begin);
  const uint32_t lanes = dcnn_bytes_lanes (conv, begin);
  const size_t steps = (size_t) conv->steps * conv->window.n_taps;
  const uint16_t *order = conv->order ? conv->order +
      panel * dcnn_bytes_order (conv) +
      t * (1 + (size_t) conv->steps) + 1 : NULL;
  size_t at = steps * 4 * begin + (size_t) t * conv->steps * 4 * lanes;

  from += dcnn_bytes_shift (conv, o);

  for (uint32_t s = 0; s < conv->steps; s++, at += 4 * (size_t) lanes)
    for (uint32_t i = 0; i < 4; i++) {
      const size_t place = at + dcnn_bytes_place (conv, lanes, o - begin, i);
      const int32_t w = conv->narrow ? ((const int8_t *) conv->weights)[place]
          : ((const int16_t *) conv->weights)[place];
      sum += (uint32_t) (from[4 * (order ? order[s] : s) + i] * w);
    }
  return sum;
}

/* row[o] = bias[o] + sum over taps, then channels, of byte times weight; a tap
 * outside the map reads bytes that stand for 0. */
static void
conv_pixel (const DcnnBytesConv *conv, const DcnnMap *in, uint32_t pixel,
    float *row)
{
  const DcnnWindowPlan *w = &conv->window;
  const uint32_t padded = dcnn_padded (conv->out_channels);
  uint32_t py, px;
  int32_t y = dcnn_window_base (w->transposed, w->stride_y, w->pad_y,
      DCNN_PIXEL_Y (pixel), &py);
  int32_t x = dcnn_window_base (w->transposed, w->stride_x, w->pad_x,
      DCNN_PIXEL_X (pixel), &px);
  const uint32_t f = py * w->stride_x + px;
  const DcnnPhase *phase = &w->phases[f];
  const int16_t *weights = (const int16_t *) conv->weights +
      2 * (size_t) padded * (conv->base.depthwise
          ? dcnn_bytes_first_pair (conv, f) : 0);

  for (uint32_t o = 0; o < conv->out_channels; o++) {
    uint32_t sum = (uint32_t) conv->bias[f * conv->bias_stride + o];
    for (uint32_t t = phase->first_tap; t < phase->first_tap + phase->n_taps;
        t++) {
      uint32_t ty = (uint32_t) (y + w->taps[t].dy);
      uint32_t tx = (uint32_t) (x + w->taps[t].dx);
      const uint8_t *from = ty < in->height && tx < in->width
          ? dcnn_map_bytes (in, ty, tx) : conv->zeros;
      if (conv->base.depthwise)
        sum += (uint32_t) (from[o] * weights[((size_t) (t -
                    phase->first_tap) / 2 * padded + o) * 2 +
                (t - phase->first_tap) % 2]);
      else
        sum += sum_of_tap (conv, o, t, from);
    }
    row[o] = (float) (int32_t) sum;
  }
}

typedef struct Space {
  float *rows;
  uint8_t *bytes;
} Space;

static size_t
lay_out (const DcnnJob *job, void *scratch, Space *space)
{
  const size_t stride = dcnn_bytes_stride (job);
  size_t used = 0;

  space->rows = dcnn_carve (scratch, &used,
      DCNN_TILE_ROWS * stride * sizeof (float));
  space->bytes = dcnn_carve (scratch, &used,
      DCNN_TILE_ROWS * (size_t) dcnn_padded (job->out.channels));
  return used;
}

void
DCNN_FN (dcnn_k_bytes_conv) (const DcnnJob *job, size_t begin, size_t end,
    void *scratch)
{
  const DcnnBytesConv *conv = (const DcnnBytesConv *) (const void *)
      job->prepared;
  DcnnBytesRun run = { .job = job, .part = *job,
    .stride = dcnn_bytes_stride (job) };
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
  memset (space.rows, 0, DCNN_TILE_ROWS * run.stride * sizeof *space.rows);
  for (; at < stop; at += tile.n) {
    tile.n = stop - at < DCNN_TILE_ROWS ? (uint32_t) (stop - at)
        : DCNN_TILE_ROWS;
    tile.first = at;
    dcnn_work_pixels (job, at, tile.n, pixels);
    dcnn_bytes_locate_out (job, pixels, tile.n, out);
    for (uint32_t i = 0; i < tile.n; i++) {
      rows[i] = space.rows + i * run.stride;
      bytes[i] = space.bytes + i * dcnn_padded (job->out.channels);
      conv_pixel (conv, &job->in, pixels[i], rows[i]);
    }
    DCNN_FN (dcnn_bytes_end) (&run, 0, &tile);
  }
}

size_t
DCNN_FN (dcnn_k_bytes_conv_scratch) (const DcnnJob *job)
{
  Space space;

  return lay_out (job, NULL, &space);
}
