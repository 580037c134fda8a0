/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv_run.h - one call of a convolution above level "c": what stays the same
 * from block to block, its scratch, and where a block's pixels read and write.
 * Included by conv_simd.c.
 */
#ifndef DCNN_CONV_RUN_H
#define DCNN_CONV_RUN_H

#include "conv.h"
#include "conv_locate.h"
#include "conv_micro.h"

/* Everything about a run that does not change from block to block. */
typedef struct Run {
  const DcnnJob *job;
  const DcnnConv *conv;
  const DcnnPacking *packing;
  DcnnSpacing spacing;      /* of the input map */
  ptrdiff_t out_spacing, residual_spacing; /* of columns */
  /* the steps that micro-kernels do themselves */
  uint32_t n_fused;
  const DcnnMap *residual;
  bool residual_first;
  float low, high;
  bool in_place;            /* rows are computed in the out map */
  bool single;              /* each pixel reads one, inside the input */
  bool dots;                /* and makes one channel: dot products */
  bool borders;             /* each reads one, or none: beyond the border */
  bool beyond;              /* those are computed now: their bias */
  uint32_t block;           /* pixels of a block, a multiple of the tile */
  uint32_t chunk;           /* pixels of a stretch at once */
  uintptr_t gap;            /* bytes between windows of neighbours */
  ptrdiff_t out_gap, residual_gap; /* floats between neighbours of a phase */
  uint32_t n_left;          /* of pixels: those that no stretch took */
  size_t stride;            /* of scratch rows */
  /* scratch */
  uint32_t *pixels;         /* [block] of the work */
  /* transposed only: */
  uint32_t *members, *places; /* [block] pixels in the order of phases */
  uint32_t *starts;         /* [n_phases + 1] where phases begin in these */
  uintptr_t *tables;        /* [tile][max_taps][12] */
  const uintptr_t **rows;   /* [tile] */
  size_t *row_steps;        /* [tile] */
  float **out;              /* [block] out pixels */
  float **data_rows;        /* [block] rows of data */
  float **rows_at;          /* where rows are computed: out or data_rows */
  float **residuals;        /* [block] */
  uintptr_t *base;          /* [block] see dcnn_locate_windows */
  uint8_t *even;            /* [block] */
  ptrdiff_t *offsets;       /* [n_taps] bytes; then max_taps zeros */
  float *dump;              /* where rows of absent pixels go, when in place */
  size_t dot_stride;        /* of dot_weights: in_count, padded */
  float *dot_weights;       /* [phase][dot_stride]; dots only */
  float *data;              /* [block][stride] */
} Run;

/* Takes leading steps that micro-kernels can do: at most one residual map and
 * one clamp. */
static void
fuse_steps (Run *run)
{
  const DcnnJob *job = run->job;
  bool clamped = false;

  run->low = -INFINITY;
  run->high = INFINITY;
  for (; run->n_fused < job->n_steps; run->n_fused++) {
    const DcnnStep *step = &job->steps[run->n_fused];
    if (step->kind == DCNN_STEP_ADD && step->operand == DCNN_OPERAND_MAP &&
        !step->map.bytes && !run->residual) {
      run->residual = &step->map;
      run->residual_first = !clamped;
    } else if (step->kind == DCNN_STEP_RELU && !clamped &&
        (!run->residual || run->residual_first)) {
      clamped = true;
      run->low = 0.0f;
    } else if (step->kind == DCNN_STEP_CLIP && !clamped &&
        (!run->residual || run->residual_first)) {
      clamped = true;
      run->low = step->a;
      run->high = step->b;
    } else
      break;
  }
}

/* Pixels of a block: enough that weights streamed from an outer cache are
 * used often, few enough that inputs stay in an inner one; and rows that are
 * judged, with the stored pixels beside them, in the first. */
static uint32_t
block_pixels (const DcnnConv *conv, const DcnnPacking *packing, bool judged)
{
  const size_t row = dcnn_tile_stride (conv->out_channels) * sizeof (float);
  const size_t weights = packing->weight_count * sizeof (float);
  const size_t input = 262144 / ((size_t) conv->in_span * sizeof (float));
  const size_t rows = judged ? 24576 / (2 * row) : SIZE_MAX;
  /* phases of a transposed convolution should fill tiles, and narrow rows are
   * soon done */
  const size_t phases = (conv->out_channels > 16 ? 24 : 96) *
      (size_t) conv->window.n_phases;
  size_t n = weights <= 16384 ? 48 : weights <= 262144 ? 96 : 192;

  if (n > input)
    n = input < 48 ? 48 : input;
  if (n > rows)
    n = rows < 24 ? 24 : rows;
  if (n < phases)
    n = phases;
  if (n > 3072)
    n = 3072;
  return (uint32_t) (n / DCNN_CONV_TILE * DCNN_CONV_TILE);
}

/* Lays out the scratch; returns its size. scratch may be NULL. */
static size_t
run_layout (Run *run, const DcnnJob *job, void *scratch)
{
  size_t used = 0, n, tiles;

  *run = (Run) { .job = job, .conv = (const DcnnConv *) job->prepared };
  run->packing = dcnn_conv_packing (run->conv, DCNN_ISA_LEVEL);
  run->block = block_pixels (run->conv, run->packing,
      !dcnn_job_in_place (job));
  n = run->block;
  tiles = n / DCNN_CONV_TILE;
  run->stride = dcnn_tile_stride (run->conv->out_channels) +
      (run->conv->groups > 1 ? DCNN_PANEL_MAX : 0);
  run->pixels = dcnn_carve (scratch, &used,
      (n + DCNN_RUN_OVERREAD) * sizeof *run->pixels);
  run->places = dcnn_carve (scratch, &used, n * sizeof *run->places);
  run->members = dcnn_carve (scratch, &used,
      (n + DCNN_RUN_OVERREAD) * sizeof *run->members);
  run->starts = dcnn_carve (scratch, &used, sizeof *run->starts *
      (run->conv->window.n_phases + 1));
  run->tables = dcnn_carve (scratch, &used, n * sizeof *run->tables *
      (run->conv->window.max_taps + 1));
  run->rows = dcnn_carve (scratch, &used, tiles * sizeof *run->rows);
  run->row_steps = dcnn_carve (scratch, &used, tiles * sizeof *run->row_steps);
  run->out = dcnn_carve (scratch, &used, n * sizeof *run->out);
  run->data_rows = dcnn_carve (scratch, &used, n * sizeof *run->data_rows);
  run->residuals = dcnn_carve (scratch, &used, n * sizeof *run->residuals);
  run->base = dcnn_carve (scratch, &used, n * sizeof *run->base);
  run->even = dcnn_carve (scratch, &used, n * sizeof *run->even);
  run->offsets = dcnn_carve (scratch, &used, sizeof *run->offsets *
      (run->conv->window.n_taps + run->conv->window.max_taps));
  run->dump = dcnn_carve (scratch, &used,
      (run->stride + DCNN_PANEL_MAX) * sizeof (float));
  run->dot_stride = (run->packing->panels[0].in_count + V_LANES - 1) /
      V_LANES * V_LANES;
  if (run->conv->out_channels == 1)
    run->dot_weights = dcnn_carve (scratch, &used, run->dot_stride *
        run->conv->window.n_phases * sizeof (float));
  run->data = dcnn_carve (scratch, &used, n * run->stride * sizeof (float));
  return used;
}

/* Whether every phase has one tap, which never leaves the input: 1x1 kernels,
 * and transposed ones as large as their stride. */
static bool
reads_single (const DcnnWindowPlan *w, const DcnnJob *job)
{
  const DcnnMap *in = &job->in, *out = &job->out;

  if (w->pad_y != 0 || w->pad_x != 0 || w->max_taps != 1)
    return false;
  return w->transposed
      ? w->kernel_y == w->stride_y && w->kernel_x == w->stride_x &&
      (out->height - 1) / w->stride_y < in->height &&
      (out->width - 1) / w->stride_x < in->width
      : (out->height - 1) * w->stride_y < in->height &&
      (out->width - 1) * w->stride_x < in->width;
}

/* The weights of the only channel, phase by phase without lanes. */
static void
spread_weights (Run *run)
{
  const DcnnPanel *panel = &run->packing->panels[0];

  for (uint32_t f = 0; f < run->conv->window.n_phases; f++)
    for (uint32_t c = 0; c < run->dot_stride; c++)
      run->dot_weights[f * run->dot_stride + c] = c < panel->in_count
          ? run->packing->weights[run->packing->offsets[f] + c * panel->lanes]
          : 0.0f;
}

/* For so many pixels. */
static void
run_begin (Run *run, size_t pixels)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const ptrdiff_t size = sizeof (float);

  run->spacing = dcnn_map_spacing (&run->job->in);
  for (uint32_t t = 0; t < w->n_taps; t++)
    run->offsets[t] = (w->taps[t].dy * run->spacing.row +
        w->taps[t].dx * run->spacing.col) * size;
  memset (run->offsets + w->n_taps, 0, w->max_taps * sizeof *run->offsets);
  fuse_steps (run);
  run->in_place = dcnn_job_in_place (run->job);
  if (run->block > pixels)
    run->block = (uint32_t) (pixels + DCNN_CONV_TILE - 1) / DCNN_CONV_TILE *
        DCNN_CONV_TILE;
  for (uint32_t i = 0; i < run->block && !run->in_place; i++)
    run->data_rows[i] = run->data + i * run->stride;
  run->rows_at = run->in_place ? run->out : run->data_rows;
  run->single = reads_single (w, run->job);
  run->borders = !w->transposed && w->n_taps == 1 && !run->single;
  run->beyond = false;
  run->dots = run->single && run->conv->out_channels == 1;
  if (run->dots)
    spread_weights (run);
  run->out_spacing = dcnn_map_spacing (&run->job->out).col;
  if (run->residual)
    run->residual_spacing = dcnn_map_spacing (run->residual).col;
  run->gap = (uintptr_t) (run->spacing.col * size) *
      (w->transposed ? 1 : w->stride_x);
  run->out_gap = run->out_spacing * (w->transposed ? w->stride_x : 1);
  run->residual_gap = run->residual_spacing *
      (w->transposed ? w->stride_x : 1);
  run->chunk = run->block > 24 ? run->block - DCNN_CONV_TILE : 12;
}

/* The pointer table of a tile of n pixels that are not all even. Absent pixels
 * repeat the last. */
static void
make_table (const Run *run, const DcnnPhase *phase, const uint32_t *pixels,
    uint32_t first, uint32_t n, uintptr_t *table)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const ptrdiff_t *offsets = run->offsets + phase->first_tap;
  uint32_t ignored;

  for (uint32_t i = 0; i < DCNN_CONV_TILE; i++) {
    uint32_t at = first + (i < n ? i : n - 1);
    if (run->even[at]) {
      for (uint32_t t = 0; t < phase->n_taps; t++)
        table[t * DCNN_CONV_TILE + i] = run->base[at] + (uintptr_t) offsets[t];
      continue;
    }
    dcnn_window_table (&run->job->in, w->taps + phase->first_tap,
        phase->n_taps,
        dcnn_window_base (w->transposed, w->stride_y, w->pad_y,
            DCNN_PIXEL_Y (pixels[at]), &ignored),
        dcnn_window_base (w->transposed, w->stride_x, w->pad_x,
            DCNN_PIXEL_X (pixels[at]), &ignored),
        run->conv->zeros, table + i, DCNN_CONV_TILE);
  }
}

/* Addresses of every tile of a phase's n pixels: base addresses where all
 * windows of a tile are even, else a table. */
static void
locate_tiles (Run *run, const DcnnPhase *phase, const uint32_t *pixels,
    uint32_t n)
{
  for (uint32_t i = 0; i < n; i += DCNN_CONV_TILE) {
    uint32_t tile = i / DCNN_CONV_TILE;
    uint32_t here = n - i < DCNN_CONV_TILE ? n - i : DCNN_CONV_TILE;
    uint32_t n_even = run->single ? here : 0;
    for (uint32_t j = 0; j < here && !run->single; j++)
      n_even += run->even[i + j];
    if (n_even == here) {
      run->rows[tile] = run->base + i;
      run->row_steps[tile] = 0;
      for (uint32_t j = here; j < DCNN_CONV_TILE; j++)
        run->base[i + j] = run->base[i + here - 1];
    } else {
      uintptr_t *table = run->tables +
          (size_t) tile * DCNN_CONV_TILE * (run->conv->window.max_taps + 1);
      make_table (run, phase, pixels, i, here, table);
      run->rows[tile] = table;
      run->row_steps[tile] = DCNN_CONV_TILE;
    }
  }
}

/* Finds where the n pixels of a phase read and write. */
static void
locate_phase (Run *run, const DcnnPhase *phase, const uint32_t *pixels,
    uint32_t n)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const uint32_t step = w->transposed ? w->stride_x : 1;
  uint32_t whole = (n + DCNN_CONV_TILE - 1) / DCNN_CONV_TILE * DCNN_CONV_TILE;

  for (uint32_t i = 0; i < n;) {
    uint32_t length = dcnn_run_length (pixels + i, n - i, step);
    uint32_t y = DCNN_PIXEL_Y (pixels[i]), x = DCNN_PIXEL_X (pixels[i]);
    if (run->single)
      dcnn_locate_rows (&run->job->in, run->spacing.col,
          w->transposed ? y / w->stride_y : y * w->stride_y,
          w->transposed ? x / w->stride_x : x * w->stride_x,
          w->transposed ? 1 : w->stride_x, length, run->base + i);
    else
      dcnn_locate_windows (w, phase, &run->job->in, &run->spacing, y, x,
          length, run->base + i, run->even + i);
    dcnn_locate_rows (&run->job->out, run->out_spacing, y, x, step, length,
        run->out + i);
    if (run->residual)
      dcnn_locate_rows (run->residual, run->residual_spacing, y, x, step,
          length, run->residuals + i);
    i += length;
  }
  for (uint32_t i = n; i < whole; i++) {
    if (run->in_place)
      run->out[i] = run->dump;
    if (run->residual)
      run->residuals[i] = run->residuals[n - 1];
  }
  locate_tiles (run, phase, pixels, n);
}

#endif
