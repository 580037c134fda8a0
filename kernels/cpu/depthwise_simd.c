/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * depthwise_simd.c - depthwise convolutions, plain and transposed, for levels
 * above "c".
 */
#include "cpu_table.h"
#include "depthwise.h"
#include "epilogue.h"

DcnnKernelFnType DCNN_FN (dcnn_k_depthwise);
DcnnScratchFnType DCNN_FN (dcnn_k_depthwise_scratch);

/* One pixel by pointers to its taps. */
static void
depthwise_pixel (const DcnnDepthwise *d, const DcnnPhase *phase,
    const uintptr_t *table, float *row)
{
  for (uint32_t c = 0; c < d->channels; c += V_LANES) {
    v_t sum = v_load (d->bias + c);
    const float *w = d->weights + (size_t) phase->first_tap * d->stride + c;
    for (uint32_t t = 0; t < phase->n_taps; t++, w += d->stride)
      sum = v_fma (v_load ((const float *) table[t] + c), v_load (w), sum);
    v_store (row + c, sum);
  }
}

size_t
DCNN_FN (dcnn_k_depthwise_scratch) (const DcnnJob *job)
{
  const DcnnDepthwise *d = (const DcnnDepthwise *) job->prepared;

  return dcnn_tile_bytes (job) + d->window.n_taps * sizeof (uintptr_t);
}

void
DCNN_FN (dcnn_k_depthwise) (const DcnnJob *job, size_t begin, size_t end,
    void *scratch)
{
  const DcnnDepthwise *d = (const DcnnDepthwise *) job->prepared;
  const DcnnWindowPlan *w = &d->window;
  size_t position = dcnn_work_position (job, begin);
  size_t last = dcnn_work_position (job, end);
  size_t stride = dcnn_tile_stride (job->out.channels);
  float *rows = scratch;
  uintptr_t *table = (uintptr_t *) (void *) ((char *) scratch +
      dcnn_tile_bytes (job));
  uint32_t pixels[DCNN_TILE_ROWS];

  while (position < last) {
    uint32_t n = last - position < DCNN_TILE_ROWS
        ? (uint32_t) (last - position) : DCNN_TILE_ROWS;
    dcnn_work_pixels (job, position, n, pixels);
    for (uint32_t i = 0; i < n; i++) {
      uint32_t py, px;
      int32_t y = dcnn_window_base (w->transposed, w->stride_y, w->pad_y,
          DCNN_PIXEL_Y (pixels[i]), &py);
      int32_t x = dcnn_window_base (w->transposed, w->stride_x, w->pad_x,
          DCNN_PIXEL_X (pixels[i]), &px);
      const DcnnPhase *phase = &w->phases[py * w->stride_x + px];
      dcnn_window_table (&job->in, w->taps + phase->first_tap, phase->n_taps,
          y, x, d->zeros, table, 1);
      depthwise_pixel (d, phase, table, rows + i * stride);
    }
    DcnnTile tile = { .n = n, .pixels = pixels, .first = position,
      .rows = rows, .stride = stride };
    dcnn_epilogue (job, &tile);
    position += n;
  }
}
