/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv_simd.c - convolutions by indirection on compacted pixels, for levels
 * above "c": plain, grouped and transposed (conv.h).
 *
 * The work's pixels go block by block through all panels of weights: a panel
 * stays in the first cache while the pixels of a block pass, a block's inputs
 * stay in the second while the panels pass. Dense and sparse work differ only
 * in where the pixels come from.
 */
#include "conv.h"
#include "conv_locate.h"
#include "conv_micro.h"
#include "cpu_table.h"
#include "depthwise.h"
#include "epilogue.h"

#if V_LANES == 8
#define PIXELS_1 12
#define PIXELS_2 6
#define PIXELS_3 4
#else
#define PIXELS_1 12
#define PIXELS_2 12
#define PIXELS_3 6
#endif

#define STEP_PIXELS 48 /* rows that steps run over at once, at least */

typedef void MicroFn (const DcnnMicro *m);

#define MICRO(vectors, depth)                                                  \
  static void micro_##vectors##_##depth (const DcnnMicro *m)                   \
  {                                                                            \
    dcnn_micro (m, PIXELS_##vectors, vectors, depth);                          \
  }

MICRO (1, 0)
MICRO (2, 0)
MICRO (3, 0)
MICRO (1, 3)
MICRO (2, 3)
MICRO (3, 3)

/* [vectors - 1]: any depth, and the depth of a picture */
static MicroFn *const micro_any[3] = { micro_1_0, micro_2_0, micro_3_0 };
static MicroFn *const micro_rgb[3] = { micro_1_3, micro_2_3, micro_3_3 };
static const uint32_t micro_pixels[3] = { PIXELS_1, PIXELS_2, PIXELS_3 };

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
  uint32_t block;           /* pixels of a block, a multiple of the tile */
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
        !run->residual) {
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

static void *
carve (char *scratch, size_t *used, size_t bytes)
{
  void *part = scratch ? scratch + *used : NULL;

  *used += DCNN_ALIGN64 (bytes);
  return part;
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
  run->pixels = carve (scratch, &used,
      (n + DCNN_RUN_OVERREAD) * sizeof *run->pixels);
  run->places = carve (scratch, &used, n * sizeof *run->places);
  run->members = carve (scratch, &used,
      (n + DCNN_RUN_OVERREAD) * sizeof *run->members);
  run->starts = carve (scratch, &used, sizeof *run->starts *
      (run->conv->window.n_phases + 1));
  run->tables = carve (scratch, &used, n * sizeof *run->tables *
      (run->conv->window.max_taps + 1));
  run->rows = carve (scratch, &used, tiles * sizeof *run->rows);
  run->row_steps = carve (scratch, &used, tiles * sizeof *run->row_steps);
  run->out = carve (scratch, &used, n * sizeof *run->out);
  run->data_rows = carve (scratch, &used, n * sizeof *run->data_rows);
  run->residuals = carve (scratch, &used, n * sizeof *run->residuals);
  run->base = carve (scratch, &used, n * sizeof *run->base);
  run->even = carve (scratch, &used, n * sizeof *run->even);
  run->offsets = carve (scratch, &used, sizeof *run->offsets *
      (run->conv->window.n_taps + run->conv->window.max_taps));
  run->dump = carve (scratch, &used,
      (run->stride + DCNN_PANEL_MAX) * sizeof (float));
  run->dot_stride = (run->packing->panels[0].in_count + V_LANES - 1) /
      V_LANES * V_LANES;
  if (run->conv->out_channels == 1)
    run->dot_weights = carve (scratch, &used, run->dot_stride *
        run->conv->window.n_phases * sizeof (float));
  run->data = carve (scratch, &used, n * run->stride * sizeof (float));
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
  run->dots = run->single && run->conv->out_channels == 1;
  if (run->dots)
    spread_weights (run);
  run->out_spacing = dcnn_map_spacing (&run->job->out).col;
  if (run->residual)
    run->residual_spacing = dcnn_map_spacing (run->residual).col;
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

/* Asks for a panel's lanes of the stored pixels begin .. end - 1, which the
 * rows will be compared to. A few at a time: many keep the processor waiting
 * for places to put them. */
static void
ask_stored (const Run *run, const DcnnPanel *panel, uint32_t begin,
    uint32_t end)
{
  for (uint32_t i = begin; i < end; i++)
    dcnn_prefetch (run->out[i] + panel->out_begin, panel->out_count);
}

/* One panel over the located pixels of a phase. */
static void
run_panel (const Run *run, uint32_t f, uint32_t p, const uint32_t *list,
    uint32_t n)
{
  const DcnnConv *conv = run->conv;
  const DcnnPhase *phase = &conv->window.phases[f];
  const DcnnPanel *panel = &run->packing->panels[p];
  uint32_t vectors = panel->lanes / V_LANES;
  uint32_t pixels = micro_pixels[vectors - 1];
  MicroFn *micro = (panel->in_count == 3 ? micro_rgb : micro_any)[vectors - 1];
  bool last = panel->out_begin + panel->out_count == conv->out_channels;
  DcnnMicro m = {
    .n_taps = phase->n_taps,
    .depth = panel->in_count,
    .weights = run->packing->weights +
        run->packing->offsets[f * run->packing->n_panels + p],
    .bias = conv->bias + panel->out_begin,
    .residual_first = run->residual_first,
    .low = run->low,
    .high = run->high,
    .shift = panel->in_begin * sizeof (float),
    .begin = panel->out_begin,
    .valid = panel->out_count,
    .writable = panel->out_count,
  };
  const bool more_steps = run->n_fused < run->job->n_steps;
  uint32_t done = 0;
  const uint32_t channels_end = run->in_place ? run->job->out.writable
      : (uint32_t) run->stride;
  if (last)
    m.writable = channels_end - panel->out_begin;
  for (uint32_t i = 0; i < n; i += pixels) {
    uint32_t tile = i / DCNN_CONV_TILE, within = i % DCNN_CONV_TILE;
    m.rows = run->rows[tile] + within;
    m.row_step = run->row_steps[tile];
    m.offsets = run->offsets +
        (m.row_step || run->single ? conv->window.n_taps : phase->first_tap);
    m.out = run->rows_at + i;
    m.residual = run->residual ? run->residuals + i : NULL;
    if (!run->in_place)
      ask_stored (run, panel, i, i + pixels < n ? i + pixels : n);
    micro (&m);
    /* the other steps, while the rows are near */
    uint32_t end = i + pixels < n ? i + pixels : n;
    if (more_steps && (end == n || end - done >= STEP_PIXELS)) {
      DCNN_FN (dcnn_steps_from) (run->job, run->n_fused, list + done,
          run->rows_at + done, end - done, m.begin, m.valid, m.writable);
      done = end;
    }
  }
}

/* The n pixels of one phase: all panels, then the judgement. */
static void
run_phase (Run *run, uint32_t f, const uint32_t *pixels,
    const uint32_t *places, uint32_t n, size_t first)
{
  const DcnnPhase *phase = &run->conv->window.phases[f];

  locate_phase (run, phase, pixels, n);
  for (uint32_t p = 0; p < run->packing->n_panels; p++)
    run_panel (run, f, p, pixels, n);
  DcnnTile tile = { .n = n, .pixels = pixels, .places = places, .first = first,
    .rows = run->rows_at, .out = run->out };
  DCNN_FN (dcnn_judge_tile) (run->job, &tile);
}

/* Sorts the n pixels of the block by phase: run->starts says where each phase
 * begins in members and places. Along a run, phases repeat every stride_x
 * pixels. */
static void
sort_phases (Run *run, uint32_t n)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const uint32_t step = w->stride_x;
  uint32_t *starts = run->starts, at = 0;

  memset (starts, 0, (w->n_phases + 1) * sizeof *starts);
  /* first how many, then which */
  for (unsigned pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < n;) {
      const uint32_t end = i + dcnn_run_length (run->pixels + i, n - i, 1);
      uint32_t py, px;
      dcnn_window_base (true, w->stride_y, w->pad_y,
          DCNN_PIXEL_Y (run->pixels[i]), &py);
      dcnn_window_base (true, step, w->pad_x, DCNN_PIXEL_X (run->pixels[i]),
          &px);
      for (uint32_t j = i; j < end && j < i + step; j++) {
        uint32_t f = py * step + px;
        px = px + 1 == step ? 0 : px + 1;
        if (pass == 0) {
          starts[f] += (end - j + step - 1) / step;
          continue;
        }
        uint32_t to = starts[f];
        for (uint32_t k = j; k < end; k += step, to++) {
          run->places[to] = k;
          run->members[to] = run->pixels[k];
        }
        starts[f] = to;
      }
      i = end;
    }
    for (uint32_t f = 0; f <= w->n_phases && pass == 0; f++) {
      uint32_t count = starts[f];
      starts[f] = at;
      at += count;
    }
  }
}

/* A block of a transposed convolution, phase by phase. */
static void
run_phases (Run *run, uint32_t n, size_t first)
{
  const uint32_t n_phases = run->conv->window.n_phases;

  sort_phases (run, n);
  /* each start has moved to its phase's end */
  for (uint32_t f = 0, begin = 0; f < n_phases; begin = run->starts[f++])
    if (run->starts[f] > begin)
      run_phase (run, f, run->members + begin, run->places + begin,
          run->starts[f] - begin, first);
}

/* ---- one channel from one pixel: dot products ---------------------------- */

/* Where the pixels of a run read, and by the weights of which phase. */
static void
locate_dots (Run *run, uint32_t at, uint32_t length)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const DcnnMap *in = &run->job->in;
  const uint32_t y = DCNN_PIXEL_Y (run->pixels[at]);
  const uint32_t x = DCNN_PIXEL_X (run->pixels[at]);
  const uint32_t shift = run->packing->panels[0].in_begin;
  const uint32_t columns = w->transposed ? w->stride_x : 1;
  const uint32_t step = w->transposed ? 1 : w->stride_x;
  const uint32_t phases = w->transposed ? y % w->stride_y * columns : 0;
  const float *row = in->data + shift +
      in->row_offset[w->transposed ? y / w->stride_y : y * w->stride_y];
  uint32_t column = x / columns * step, phase = x % columns;

  for (uint32_t i = at; i < at + length; i++) {
    run->base[i] = (uintptr_t) (row + in->col_offset[column]);
    run->places[i] = phases + phase;
    if (++phase == columns) {
      phase = 0;
      column += step;
    }
  }
}

/* A block of n pixels at position `first`. Cost a pixel: in_count FMA, a
 * vector at a time. */
static void
run_dots (Run *run, uint32_t n, size_t first)
{
  const DcnnJob *job = run->job;
  const size_t depth = run->packing->panels[0].in_count;
  const size_t whole = depth - depth % V_LANES;
  const float bias = run->conv->bias[0];

  for (uint32_t i = 0, length; i < n; i += length) {
    length = dcnn_run_length (run->pixels + i, n - i, 1);
    locate_dots (run, i, length);
    dcnn_locate_rows (&job->out, run->out_spacing,
        DCNN_PIXEL_Y (run->pixels[i]), DCNN_PIXEL_X (run->pixels[i]), 1,
        length, run->out + i);
  }
  for (uint32_t i = 0; i < n && !run->in_place; i++)
    dcnn_prefetch (run->out[i], 1);
  for (uint32_t i = 0; i < n; i++) {
    const float *p = (const float *) run->base[i];
    const float *w = run->dot_weights + run->places[i] * run->dot_stride;
    v_t sum = v_zero ();
    for (size_t c = 0; c < whole; c += V_LANES)
      sum = v_fma (v_load (p + c), v_load (w + c), sum);
    if (whole < depth)
      sum = v_fma (v_keep (v_load (p + whole), (unsigned) (depth - whole)),
          v_load (w + whole), sum);
    run->rows_at[i][0] = v_sum (sum) + bias;
  }
  DcnnTile tile = { .n = n, .pixels = run->pixels, .first = first,
    .rows = run->rows_at, .out = run->out };
  DCNN_FN (dcnn_steps_from) (job, 0, run->pixels, run->rows_at, n, 0, 1, 1);
  DCNN_FN (dcnn_judge_tile) (job, &tile);
}

static void
run_conv (const DcnnJob *job, size_t begin, size_t end, void *scratch)
{
  Run run;
  size_t position = dcnn_work_position (job, begin);
  size_t last = dcnn_work_position (job, end);

  run_layout (&run, job, scratch);
  run_begin (&run, last - position);
  while (position < last) {
    uint32_t n = last - position < run.block ? (uint32_t) (last - position)
        : run.block;
    dcnn_work_pixels (job, position, n, run.pixels);
    if (run.dots)
      run_dots (&run, n, position);
    else if (run.conv->window.transposed)
      run_phases (&run, n, position);
    else
      run_phase (&run, 0, run.pixels, NULL, n, position);
    position += n;
  }
}

#define DCNN_CONV_FORM(f)                                                      \
  DcnnKernelFnType DCNN_FN (dcnn_k_##f);                                       \
  DcnnScratchFnType DCNN_FN (dcnn_k_##f##_scratch);                            \
  void                                                                         \
  DCNN_FN (dcnn_k_##f) (const DcnnJob *job, size_t begin, size_t end,          \
      void *scratch)                                                           \
  {                                                                            \
    if (job->prepared->depthwise)                                              \
      DCNN_FN (dcnn_k_depthwise) (job, begin, end, scratch);                   \
    else                                                                       \
      run_conv (job, begin, end, scratch);                                     \
  }                                                                            \
  size_t                                                                       \
  DCNN_FN (dcnn_k_##f##_scratch) (const DcnnJob *job)                          \
  {                                                                            \
    Run run;                                                                   \
    return job->prepared->depthwise                                            \
        ? DCNN_FN (dcnn_k_depthwise_scratch) (job)                             \
        : run_layout (&run, job, NULL);                                        \
  }

DcnnKernelFnType DCNN_FN (dcnn_k_depthwise);
DcnnScratchFnType DCNN_FN (dcnn_k_depthwise_scratch);
DCNN_CONV_FORM (conv)
DCNN_CONV_FORM (group_conv)
DCNN_CONV_FORM (conv_transpose)
