/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv_c.c - convolutions in portable C: the plain loops that specify them.
 * Level "c" only.
 */
#include "conv.h"
#include "cpu_table.h"
#include "depthwise.h"
#include "epilogue.h"

/* Plain, grouped and transposed convolution of one pixel: row[o] = bias[o] +
 * sum over the taps inside the map, then over input channels, of input times
 * weight. Writes row[0 .. out_channels - 1]. */
static void
conv_pixel (const DcnnConv *conv, const DcnnMap *in, uint32_t pixel,
    float *row)
{
  const DcnnWindowPlan *w = &conv->window;
  const DcnnPacking *packing = dcnn_conv_packing (conv, DCNN_LEVEL_C);
  uint32_t phase_y, phase_x;
  int32_t y = dcnn_window_base (w->transposed, w->stride_y, w->pad_y,
      DCNN_PIXEL_Y (pixel), &phase_y);
  int32_t x = dcnn_window_base (w->transposed, w->stride_x, w->pad_x,
      DCNN_PIXEL_X (pixel), &phase_x);
  uint32_t f = phase_y * w->stride_x + phase_x;
  const DcnnPhase *phase = &w->phases[f];

  for (uint32_t p = 0; p < packing->n_panels; p++) {
    const DcnnPanel *panel = &packing->panels[p];
    const float *weight = packing->weights +
        packing->offsets[f * packing->n_panels + p];
    float *acc = row + panel->out_begin;
    memcpy (acc, conv->bias + panel->out_begin,
        panel->out_count * sizeof *acc);
    for (uint32_t t = 0; t < phase->n_taps; t++) {
      const DcnnTap *tap = &w->taps[phase->first_tap + t];
      uint32_t ty = (uint32_t) (y + tap->dy), tx = (uint32_t) (x + tap->dx);
      if (ty < in->height && tx < in->width) {
        const float *from = dcnn_map_pixel (in, ty, tx) + panel->in_begin;
        for (uint32_t k = 0; k < panel->in_count; k++)
          for (uint32_t o = 0; o < panel->out_count; o++)
            acc[o] += from[k] * weight[k * panel->lanes + o];
      }
      weight += (size_t) panel->in_count * panel->lanes;
    }
  }
}

/* Depthwise convolution of one pixel, plain or transposed: row[c] = bias[c] +
 * sum over the taps inside the map of input c times weight c. */
static void
depthwise_pixel (const DcnnDepthwise *depthwise, const DcnnMap *in,
    uint32_t pixel, float *row)
{
  const DcnnWindowPlan *w = &depthwise->window;
  uint32_t phase_y, phase_x;
  int32_t y = dcnn_window_base (w->transposed, w->stride_y, w->pad_y,
      DCNN_PIXEL_Y (pixel), &phase_y);
  int32_t x = dcnn_window_base (w->transposed, w->stride_x, w->pad_x,
      DCNN_PIXEL_X (pixel), &phase_x);
  const DcnnPhase *phase = &w->phases[phase_y * w->stride_x + phase_x];

  memcpy (row, depthwise->bias, depthwise->channels * sizeof *row);
  for (uint32_t t = phase->first_tap; t < phase->first_tap + phase->n_taps;
      t++) {
    uint32_t ty = (uint32_t) (y + w->taps[t].dy);
    uint32_t tx = (uint32_t) (x + w->taps[t].dx);
    if (ty >= in->height || tx >= in->width)
      continue;
    const float *from = dcnn_map_pixel (in, ty, tx);
    const float *weight = depthwise->weights + (size_t) t * depthwise->stride;
    for (uint32_t c = 0; c < depthwise->channels; c++)
      row[c] += from[c] * weight[c];
  }
}

static void
run_tiles (const DcnnJob *job, size_t begin, size_t end, float *rows)
{
  size_t place = dcnn_work_place (job, begin);
  size_t last = dcnn_work_place (job, end);
  uint32_t pixels[DCNN_TILE_ROWS];
  float *tile_rows[DCNN_TILE_ROWS], *out[DCNN_TILE_ROWS];

  while (place < last) {
    uint32_t n = last - place < DCNN_TILE_ROWS
        ? (uint32_t) (last - place) : DCNN_TILE_ROWS;
    dcnn_work_pixels (job, place, n, pixels);
    DcnnTile tile = { .n = n, .pixels = pixels, .first = place };
    dcnn_tile_begin (&tile, job, rows, tile_rows, out);
    for (uint32_t i = 0; i < n; i++) {
      if (job->prepared->depthwise)
        depthwise_pixel ((const DcnnDepthwise *) job->prepared, &job->in,
            pixels[i], tile_rows[i]);
      else
        conv_pixel ((const DcnnConv *) job->prepared, &job->in, pixels[i],
            tile_rows[i]);
    }
    dcnn_epilogue (job, &tile);
    place += n;
  }
}

#define DCNN_CONV_FORM(f)                                                      \
  DcnnKernelFnType DCNN_FN (dcnn_k_##f);                                       \
  DcnnScratchFnType DCNN_FN (dcnn_k_##f##_scratch);                            \
  void                                                                         \
  DCNN_FN (dcnn_k_##f) (const DcnnJob *job, size_t begin, size_t end,          \
      void *scratch)                                                           \
  {                                                                            \
    run_tiles (job, begin, end, scratch);                                      \
  }                                                                            \
  size_t                                                                       \
  DCNN_FN (dcnn_k_##f##_scratch) (const DcnnJob *job)                          \
  {                                                                            \
    return dcnn_tile_bytes (job);                                              \
  }

DCNN_CONV_FORM (conv)
DCNN_CONV_FORM (group_conv)
DCNN_CONV_FORM (conv_transpose)
DCNN_CONV_FORM (depthwise)
