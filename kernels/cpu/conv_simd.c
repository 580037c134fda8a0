/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv_simd.c - convolutions by indirection on compacted pixels, for levels
 * above "c": plain, grouped and transposed (conv.h).
 *
 * The work's pixels go block by block through all panels of weights: a panel
 * stays in the first cache while the pixels of a block pass, a block's inputs
 * stay in the second while the panels pass. Dense and sparse work differ only
 * in where the pixels come from; long dense rows need not be looked up.
 */
#include "conv_run.h"
#include "cpu_table.h"
#include "depthwise.h"

/* Weights that stay in the second cache from row to row, and how long rows are
 * that make use enough of others. */
#define NEAR_WEIGHTS 65536
#define FAR_PIXELS 96

typedef void MicroFn (const DcnnMicro *m);

/* X (name, pixels, vectors, half): the micro-kernels, by the panel's lanes:
 * VH_LANES, twice as many ... DCNN_PANEL_MAX, or half of it. */
#if V_LANES == 8
#define MICROS(X) X (1, 12, 1, false) X (2, 6, 2, false) X (3, 4, 3, false)
#define KINDS 3
#else
#define MICROS(X)                                                              \
  X (1, 12, 0, true) X (2, 12, 1, false) X (3, 12, 1, true)                    \
  X (4, 12, 2, false) X (5, 6, 2, true) X (6, 6, 3, false)
#define KINDS 6
#endif

#define MICRO(name, pixels, vectors, half)                                     \
  static void micro_any_##name (const DcnnMicro *m)                            \
  {                                                                            \
    dcnn_micro (m, pixels, vectors, half, 0, false);                           \
  }                                                                            \
  static void micro_rgb_##name (const DcnnMicro *m)                            \
  {                                                                            \
    dcnn_micro (m, pixels, vectors, half, 3, false);                           \
  }                                                                            \
  static void micro_even_any_##name (const DcnnMicro *m)                       \
  {                                                                            \
    dcnn_micro (m, pixels, vectors, half, 0, true);                            \
  }                                                                            \
  static void micro_even_rgb_##name (const DcnnMicro *m)                       \
  {                                                                            \
    dcnn_micro (m, pixels, vectors, half, 3, true);                            \
  }
MICROS (MICRO)

/* [even distances][the depth of a picture, not any][lanes / VH_LANES - 1] */
static MicroFn *const micros[2][2][KINDS] = {
#define MICRO_ANY(name, pixels, vectors, half) micro_any_##name,
#define MICRO_RGB(name, pixels, vectors, half) micro_rgb_##name,
#define MICRO_EVEN_ANY(name, pixels, vectors, half) micro_even_any_##name,
#define MICRO_EVEN_RGB(name, pixels, vectors, half) micro_even_rgb_##name,
  { { MICROS (MICRO_ANY) }, { MICROS (MICRO_RGB) } },
  { { MICROS (MICRO_EVEN_ANY) }, { MICROS (MICRO_EVEN_RGB) } },
};
#define MICRO_PIXELS(name, pixels, vectors, half) pixels,
static const uint32_t micro_pixels[KINDS] = { MICROS (MICRO_PIXELS) };

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

/* What a panel's micro-kernel needs whatever the pixels. The rest of m is left
 * as it is: clearing it takes as long as a few pixels. */
DCNN_INLINE void
panel_begin (const Run *run, uint32_t f, uint32_t p, DcnnMicro *m)
{
  const DcnnConv *conv = run->conv;
  const DcnnPhase *phase = &conv->window.phases[f];
  const DcnnPanel *panel = &run->packing->panels[p];
  const uint32_t channels_end = run->in_place ? run->job->out.writable
      : (uint32_t) run->stride;
  const bool last = panel->out_begin + panel->out_count == conv->out_channels;

  m->offsets = run->offsets +
      (run->single ? conv->window.n_taps : phase->first_tap);
  m->n_taps = run->beyond ? 0 : phase->n_taps;
  m->depth = panel->in_count;
  m->weights = run->packing->weights +
      run->packing->offsets[f * run->packing->n_panels + p];
  m->bias = conv->bias + panel->out_begin;
  m->residual_first = run->residual_first;
  m->low = run->low;
  m->high = run->high;
  m->shift = panel->in_begin * sizeof (float);
  m->begin = panel->out_begin;
  m->valid = panel->out_count;
  m->writable = last ? channels_end - panel->out_begin : panel->out_count;
}

DCNN_INLINE MicroFn *
choose_micro (const DcnnPanel *panel, bool even)
{
  return micros[even][panel->in_count == 3][panel->lanes / VH_LANES - 1];
}

/* One panel over the located pixels of a phase. */
static void
run_panel (const Run *run, uint32_t f, uint32_t p, uint32_t n)
{
  const DcnnPanel *panel = &run->packing->panels[p];
  const uint32_t pixels = micro_pixels[panel->lanes / VH_LANES - 1];
  MicroFn *micro = choose_micro (panel, false);
  DcnnMicro m;

  panel_begin (run, f, p, &m);
  const ptrdiff_t *offsets = m.offsets;
  for (uint32_t i = 0; i < n; i += pixels) {
    uint32_t tile = i / DCNN_CONV_TILE, within = i % DCNN_CONV_TILE;
    m.rows = run->rows[tile] + within;
    m.row_step = run->row_steps[tile];
    m.offsets = m.row_step ? run->offsets + run->conv->window.n_taps : offsets;
    m.out = run->rows_at + i;
    m.residual = run->residual ? run->residuals + i : NULL;
    if (!run->in_place && !run->job->out.bytes)
      ask_stored (run, panel, i, i + pixels < n ? i + pixels : n);
    micro (&m);
  }
}

/* The steps that micro-kernels did not do, on whole rows: where those follow
 * each other they are one. */
static void
run_steps (const Run *run, const uint32_t *pixels, float *const *rows,
    uint32_t n)
{
  if (run->n_fused < run->job->n_steps)
    DCNN_FN (dcnn_steps_from) (run->job, run->n_fused, pixels, rows, n, 0,
        run->conv->out_channels, run->in_place ? run->job->out.writable
        : (uint32_t) run->stride);
}

/* The rows of n pixels of one phase: all panels. */
static void
run_panels (Run *run, uint32_t f, const uint32_t *pixels, uint32_t n)
{
  locate_phase (run, &run->conv->window.phases[f], pixels, n);
  for (uint32_t p = 0; p < run->packing->n_panels; p++)
    run_panel (run, f, p, n);
  run_steps (run, pixels, run->rows_at, n);
}

/* The same, then the judgement. */
static void
run_phase (Run *run, uint32_t f, const uint32_t *pixels,
    const uint32_t *places, uint32_t n, size_t first)
{
  run_panels (run, f, pixels, n);
  DcnnTile tile = { .n = n, .pixels = pixels, .places = places, .first = first,
    .rows = run->rows_at, .out = run->out };
  DCNN_FN (dcnn_judge_tile) (run->job, &tile);
}

/* A block of a transposed convolution, phase by phase. */
static void
run_phases (Run *run, uint32_t n, size_t first)
{
  const uint32_t n_phases = run->conv->window.n_phases;

  dcnn_sort_phases (&run->conv->window, run->pixels, n, run->starts,
      run->members, run->places);
  /* each start has moved to its phase's end */
  for (uint32_t f = 0, begin = 0; f < n_phases; begin = run->starts[f++])
    if (run->starts[f] > begin)
      run_phase (run, f, run->members + begin, run->places + begin,
          run->starts[f] - begin, first);
}

/* A block of a window of one tap, such as a padded 1x1: pixels that read beyond
 * the border are their bias, so they are parted from the others. */
static void
run_borders (Run *run, uint32_t n, size_t first)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const DcnnTap *tap = &w->taps[0];
  uint32_t inside = 0, beyond = n;

  for (uint32_t i = 0; i < n; i++) {
    const uint32_t y = DCNN_PIXEL_Y (run->pixels[i]) * w->stride_y + tap->dy -
        w->pad_y;
    const uint32_t x = DCNN_PIXEL_X (run->pixels[i]) * w->stride_x + tap->dx -
        w->pad_x;
    const uint32_t at = y < run->job->in.height && x < run->job->in.width
        ? inside++ : --beyond;
    run->members[at] = run->pixels[i];
    run->places[at] = i;
  }
  if (inside > 0)
    run_phase (run, 0, run->members, run->places, inside, first);
  run->beyond = true;
  if (inside < n)
    run_phase (run, 0, run->members + inside, run->places + inside, n - inside,
        first);
  run->beyond = false;
}

/* ---- whole rows, in place ------------------------------------------------- */

/* Pixels of one phase whose windows, out and residual pixels lie at even
 * distances: run->gap, out_gap, residual_gap. Nothing is looked up for each. */
typedef struct Stretch {
  uint32_t f;
  uint32_t y, x, step;      /* where it begins; columns from pixel to pixel */
  uint32_t n;               /* at least DCNN_CONV_TILE */
  uintptr_t base;
  float *out;
  const float *residual;    /* or NULL */
} Stretch;

/* One panel over pixels begin .. begin + n - 1; the last tile overlaps the one
 * before it. */
static void
run_panel_even (const Run *run, const Stretch *s, uint32_t p, uint32_t begin,
    uint32_t n)
{
  const DcnnPanel *panel = &run->packing->panels[p];
  const uint32_t pixels = micro_pixels[panel->lanes / VH_LANES - 1];
  MicroFn *micro = choose_micro (panel, true);
  DcnnMicro m;

  panel_begin (run, s->f, p, &m);
  m.gap = run->gap;
  m.out_gap = run->out_gap;
  m.residual_gap = run->residual_gap;
  for (uint32_t i = 0; i < n; i += pixels) {
    const uint32_t at = begin + (i + pixels <= n ? i : n - pixels);
    m.base = s->base + at * run->gap;
    m.out_base = s->out + at * run->out_gap;
    m.residual_base = s->residual ? s->residual + at * run->residual_gap : NULL;
    micro (&m);
  }
}

static void
run_stretch (Run *run, const Stretch *s)
{
  const bool more_steps = run->n_fused < run->job->n_steps;

  for (uint32_t at = 0, n; at < s->n; at += n) {
    n = s->n - at < run->chunk + DCNN_CONV_TILE ? s->n - at : run->chunk;
    for (uint32_t i = 0; i < n && more_steps; i++) {
      run->members[i] = DCNN_PIXEL (s->y, s->x + (at + i) * s->step);
      run->out[i] = s->out + (at + i) * run->out_gap;
    }
    for (uint32_t p = 0; p < run->packing->n_panels; p++)
      run_panel_even (run, s, p, at, n);
    run_steps (run, run->members, run->out, n);
  }
}

/* Computes the pixels that no stretch took. */
static void
run_left (Run *run)
{
  const uint32_t n_phases = run->conv->window.n_phases;

  if (!run->conv->window.transposed && run->n_left > 0) {
    run_panels (run, 0, run->pixels, run->n_left);
  } else if (run->n_left > 0) {
    dcnn_sort_phases (&run->conv->window, run->pixels, run->n_left,
        run->starts, run->members, run->places);
    for (uint32_t f = 0, begin = 0; f < n_phases; begin = run->starts[f++])
      if (run->starts[f] > begin)
        run_panels (run, f, run->members + begin, run->starts[f] - begin);
  }
  run->n_left = 0;
}

static void
leave (Run *run, uint32_t y, uint32_t x, uint32_t step, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    run->pixels[run->n_left++] = DCNN_PIXEL (y, x + i * step);
    if (run->n_left == run->block)
      run_left (run);
  }
}

/* Every step-th pixel of an out row from x on: a stretch, and what lies beside
 * it. */
static void
run_row (Run *run, uint32_t y, uint32_t x, uint32_t step)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const DcnnMap *in = &run->job->in, *out = &run->job->out;
  const uint32_t n = (out->width - x + step - 1) / step;
  const int32_t across = w->transposed ? 1 : (int32_t) w->stride_x;
  uint32_t py, px, begin = 0, end = 0;
  int32_t by = dcnn_window_base (w->transposed, w->stride_y, w->pad_y, y, &py);
  int32_t bx = dcnn_window_base (w->transposed, w->stride_x, w->pad_x, x, &px);
  const uint32_t f = py * w->stride_x + px;
  const DcnnPhase *phase = &w->phases[w->transposed ? f : 0];

  if (dcnn_axis_even (in->row_offset, in->height, run->spacing.row,
          by + phase->min_dy, by + phase->max_dy))
    dcnn_run_inside (bx + phase->min_dx, bx + phase->max_dx, across, in->width,
        n, &begin, &end);
  if (end > begin) /* whole tiles: the rest fills tiles with other rows' */
    end -= (end - begin) % DCNN_CONV_TILE;
  if (begin == end || !dcnn_axis_even (in->col_offset,
          in->width, run->spacing.col,
          bx + (int32_t) begin * across + phase->min_dx,
          bx + (int32_t) (end - 1) * across + phase->max_dx))
    begin = end = 0;
  leave (run, y, x, step, begin);
  leave (run, y, x + end * step, step, n - end);
  if (begin == end)
    return;
  const uint32_t first = x + begin * step;
  const Stretch s = { .f = w->transposed ? f : 0, .y = y, .x = first,
    .step = step, .n = end - begin,
    .base = dcnn_window_address (in, &run->spacing, phase, by,
        bx + (int32_t) begin * across),
    .out = dcnn_map_pixel (out, y, first),
    .residual = run->residual ? dcnn_map_pixel (run->residual, y, first)
        : NULL };
  run_stretch (run, &s);
}

/* Whether rows y0 .. y1 - 1 of a map follow each other as their pixels do. */
static bool
is_joined (const DcnnMap *map, ptrdiff_t col, uint32_t y0, uint32_t y1)
{
  return dcnn_axis_even (map->row_offset, map->height,
      col * (ptrdiff_t) map->width, (int32_t) y0, (int32_t) y1 - 1);
}

/* Whether rows y0 .. y1 - 1 of the out map are one stretch: each pixel reads
 * one, and the rows of all maps are joined. */
static bool
is_one_stretch (const Run *run, uint32_t y0, uint32_t y1)
{
  const DcnnJob *job = run->job;
  const DcnnWindowPlan *w = &run->conv->window;

  return run->single && !w->transposed && w->stride_y == 1 &&
      w->stride_x == 1 && job->in.width == job->out.width &&
      (y1 - y0) * job->out.width >= DCNN_CONV_TILE &&
      dcnn_steps_alike (job, run->n_fused) &&
      is_joined (&job->in, run->spacing.col, y0, y1) &&
      is_joined (&job->out, run->out_spacing, y0, y1) &&
      (!run->residual ||
          is_joined (run->residual, run->residual_spacing, y0, y1));
}

/* Rows y0 .. y1 - 1 of the out map, where they are stored whatever they are;
 * false when lists serve better: a seam runs through the map, or rows are too
 * short for the weights to be used often. */
static bool
run_rows (Run *run, uint32_t y0, uint32_t y1)
{
  const DcnnJob *job = run->job;
  const DcnnWindowPlan *w = &run->conv->window;
  const uint32_t step = w->transposed ? w->stride_x : 1;
  const uint32_t width = job->out.width, n = (y1 - y0) * width;
  const bool near = run->packing->weight_count <= NEAR_WEIGHTS * w->n_phases;

  if (!run->in_place || run->dots ||
      !dcnn_columns_even (&job->out, run->out_spacing) ||
      (run->residual &&
          !dcnn_columns_even (run->residual, run->residual_spacing)))
    return false;
  if (dcnn_columns_even (&job->in, run->spacing.col) &&
      is_one_stretch (run, y0, y1)) {
    const Stretch s = { .y = y0, .step = 1, .n = n,
      .base = (uintptr_t) dcnn_map_pixel (&job->in, y0, 0),
      .out = dcnn_map_pixel (&job->out, y0, 0),
      .residual = run->residual ? dcnn_map_pixel (run->residual, y0, 0)
          : NULL };
    run_stretch (run, &s);
  } else if (width / step >= (near ? 2 * DCNN_CONV_TILE : FAR_PIXELS)) {
    for (uint32_t y = y0; y < y1; y++)
      for (uint32_t x = 0; x < step; x++)
        run_row (run, y, x, step);
    run_left (run);
  } else {
    return false;
  }
  if (job->verdicts)
    memset (job->verdicts + (size_t) y0 * width, DCNN_VERDICT_JOINED, n);
  return true;
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

/* A block of n pixels at place `first`. Cost a pixel: in_count FMA, a
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
  size_t place = dcnn_work_place (job, begin);
  size_t last = dcnn_work_place (job, end);

  run_layout (&run, job, scratch);
  run_begin (&run, last - place);
  if (!job->pixels && run_rows (&run, (uint32_t) begin, (uint32_t) end))
    return;
  while (place < last) {
    uint32_t n = last - place < run.block ? (uint32_t) (last - place)
        : run.block;
    dcnn_work_pixels (job, place, n, run.pixels);
    if (run.dots)
      run_dots (&run, n, place);
    else if (run.conv->window.transposed)
      run_phases (&run, n, place);
    else if (run.borders)
      run_borders (&run, n, place);
    else
      run_phase (&run, 0, run.pixels, NULL, n, place);
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
