/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * depthwise_simd.c - depthwise convolutions, plain and transposed, for levels
 * above "c" (depthwise.h).
 *
 * The work's pixels go block by block; in each block, runs of neighbours in a
 * row share the loads of their columns or of their taps, and what is left
 * (windows across a border or a torus seam, transposed ones) goes four by four
 * through tables of pointers.
 */
#include "conv_locate.h"
#include "cpu_table.h"
#include "depthwise_micro.h"

#define BLOCK 64 /* most pixels of a block */
#define BLOCK_BYTES 16384
#define NARROW 24 /* channels up to which taps stay in registers along a run */

typedef void RunFn (const DcnnDepthwiseRun *run, const DcnnDepthwiseStore *s);

#define RUN_FN(k, s)                                                           \
  static void run_##k##_##s (const DcnnDepthwiseRun *run,                      \
      const DcnnDepthwiseStore *store)                                         \
  {                                                                            \
    dcnn_depthwise_run (run, store, k, k, s, true);                            \
  }

#define RESIDENT_FN(s)                                                         \
  static void resident_##s (const DcnnDepthwiseRun *run,                       \
      const DcnnDepthwiseStore *store)                                         \
  {                                                                            \
    dcnn_depthwise_resident (run, store, s);                                   \
  }

RESIDENT_FN (1)
RESIDENT_FN (2)
RUN_FN (3, 1)
RUN_FN (3, 2)
RUN_FN (5, 1)
RUN_FN (5, 2)
RUN_FN (7, 1)
RUN_FN (7, 2)

static void
run_any (const DcnnDepthwiseRun *run, const DcnnDepthwiseStore *store)
{
  dcnn_depthwise_run (run, store, run->kernel_y, run->kernel_x, run->stride,
      false);
}

static RunFn *
choose_run (const DcnnWindowPlan *w, uint32_t channels)
{
  const bool narrow = channels <= NARROW && channels % V_LANES == 0;

  if (w->kernel_y == w->kernel_x && w->dilation_x == 1 && w->stride_x <= 2)
    switch (w->kernel_x) {
      case 3: return narrow ? (w->stride_x == 1 ? resident_1 : resident_2)
          : w->stride_x == 1 ? run_3_1 : run_3_2;
      case 5: return w->stride_x == 1 ? run_5_1 : run_5_2;
      case 7: return w->stride_x == 1 ? run_7_1 : run_7_2;
      default: break;
    }
  return run_any;
}

typedef struct Run {
  const DcnnJob *job;
  const DcnnDepthwise *depthwise;
  RunFn *run;
  DcnnSpacing spacing;
  ptrdiff_t out_spacing;
  DcnnDepthwiseStore store;
  uint32_t n_fused;
  bool in_place;            /* rows are computed in the out map */
  size_t stride;            /* of scratch rows */
  uint32_t n_runs;          /* of the block */
  uint32_t n_left;          /* pixels of the block that no run took */
  uint32_t pixels[BLOCK + DCNN_RUN_OVERREAD];
  float *out[BLOCK];        /* out pixels */
  float *data_rows[BLOCK];  /* rows of data */
  float **rows;             /* where rows are computed: out or data_rows */
  uint8_t lengths[BLOCK];   /* of runs */
  uint8_t left[BLOCK];
  /* scratch */
  uintptr_t *table;         /* [max_taps][4] */
  float *dump;
  float *data;              /* [BLOCK][stride] */
} Run;

/* Pixels of a block. Rows that are judged should still be near by then, and
 * so should the stored pixels, which were asked for when the block began. */
static uint32_t
block_pixels (const Run *run)
{
  size_t n = BLOCK_BYTES / (2 * run->stride * sizeof (float)) & ~(size_t) 3;

  return run->in_place || n > BLOCK ? BLOCK : n < 8 ? 8 : (uint32_t) n;
}

static size_t
run_layout (Run *run, const DcnnJob *job, void *scratch)
{
  const DcnnDepthwise *d = (const DcnnDepthwise *) job->prepared;
  size_t used = 0;

  run->job = job;
  run->depthwise = d;
  run->stride = dcnn_tile_stride (d->channels);
  run->table = dcnn_carve (scratch, &used, (d->window.max_taps + 1) * 4 *
      sizeof *run->table);
  run->dump = dcnn_carve (scratch, &used, (run->stride + V_LANES) * sizeof (float));
  run->data = dcnn_carve (scratch, &used, BLOCK * run->stride * sizeof (float));
  return used;
}

static void
run_begin (Run *run)
{
  const DcnnJob *job = run->job;

  run->run = choose_run (&run->depthwise->window,
      run->depthwise->channels);
  run->spacing = dcnn_map_spacing (&job->in);
  run->out_spacing = dcnn_map_spacing (&job->out).col;
  run->store = (DcnnDepthwiseStore) { .low = -INFINITY, .high = INFINITY };
  run->n_fused = 0;
  if (job->n_steps > 0 && (job->steps[0].kind == DCNN_STEP_RELU ||
          job->steps[0].kind == DCNN_STEP_CLIP)) {
    bool clip = job->steps[0].kind == DCNN_STEP_CLIP;
    run->n_fused = 1;
    run->store.low = clip ? job->steps[0].a : 0.0f;
    run->store.high = clip ? job->steps[0].b : INFINITY;
  }
  run->in_place = dcnn_job_in_place (job);
  run->store.channels = run->depthwise->channels;
  run->store.writable = run->in_place ? job->out.writable
      : (uint32_t) run->stride;
  for (uint32_t i = 0; i < BLOCK; i++)
    run->data_rows[i] = run->data + i * run->stride;
  run->rows = run->in_place ? run->out : run->data_rows;
}

/* Computes n neighbours from pixel `at` of the block on, whose columns are
 * inside the input and even: base (by, bx) is that of the first. */
static void
take_even (Run *run, uint32_t at, uint32_t n, int32_t by, int32_t bx)
{
  const DcnnDepthwise *d = run->depthwise;
  const DcnnWindowPlan *w = &d->window;
  const DcnnMap *in = &run->job->in;
  uintptr_t rows[DCNN_RUN_ROWS], steps[DCNN_RUN_ROWS];

  for (uint32_t ky = 0; ky < w->kernel_y; ky++) {
    uint32_t ty = (uint32_t) (by + (int32_t) (ky * w->dilation_y));
    bool inside = ty < in->height;
    rows[ky] = (uintptr_t) (inside ? dcnn_map_pixel (in, ty, (uint32_t) bx)
        : d->zeros);
    steps[ky] = inside ? (uintptr_t) run->spacing.col * sizeof (float) : 0;
  }
  DcnnDepthwiseRun arguments = {
    .rows = rows, .steps = steps,
    .kernel_y = w->kernel_y, .kernel_x = w->kernel_x,
    .stride = w->stride_x, .dilation = w->dilation_x,
    .weights = d->weights, .bias = d->bias, .weight_stride = d->stride,
    .weight_row = (size_t) d->stride * w->kernel_x,
    .out = run->rows + at, .n = n,
  };
  run->run (&arguments, &run->store);
}

/* Leaves the neighbours at .. at + n - 1 of the block to take_left. */
static void
leave (Run *run, uint32_t at, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    run->left[run->n_left++] = (uint8_t) (at + i);
}

/* Computes the neighbours at .. at + n - 1 of the block, or leaves some. */
static void
take_run (Run *run, uint32_t at, uint32_t n)
{
  const DcnnWindowPlan *w = &run->depthwise->window;
  const DcnnMap *in = &run->job->in;
  uint32_t y = DCNN_PIXEL_Y (run->pixels[at]);
  uint32_t x = DCNN_PIXEL_X (run->pixels[at]);
  int32_t by = (int32_t) (y * w->stride_y) - w->pad_y;
  int32_t bx = (int32_t) (x * w->stride_x) - w->pad_x;
  const int32_t reach = (int32_t) ((w->kernel_x - 1) * w->dilation_x);
  const int32_t step = (int32_t) w->stride_x;
  uint32_t begin = 0, end = 0;

  if (w->transposed || w->kernel_y > DCNN_RUN_ROWS) {
    leave (run, at, n);
    return;
  }
  dcnn_run_inside (bx, bx + reach, step, in->width, n, &begin, &end);
  leave (run, at, begin);
  leave (run, at + end, n - end);
  /* one stretch of even windows, or two beside a seam */
  while (begin < end) {
    uint32_t length = end - begin;
    int32_t first = bx + (int32_t) begin * step;
    if (!dcnn_axis_even (in->col_offset, in->width, run->spacing.col, first,
            first + (int32_t) (length - 1) * step + reach)) {
      length = 0;
      while (begin + length < end && dcnn_axis_even (in->col_offset,
              in->width, run->spacing.col, first,
              first + (int32_t) length * step + reach))
        length++;
    }
    if (length > 0)
      take_even (run, at + begin, length, by, first);
    else
      leave (run, at + begin, length = 1);
    begin += length;
  }
}

/* The pixels that no run took, four by four; of a transposed window, as many
 * as are of the first one's phase. */
static void
take_left (Run *run)
{
  const DcnnDepthwise *d = run->depthwise;
  const DcnnWindowPlan *w = &d->window;

  for (uint32_t i = 0; i < run->n_left;) {
    float *out[4];
    uint32_t n = 0, f = 0;
    while (n < 4 && i < run->n_left) {
      uint32_t pixel = run->pixels[run->left[i]], py, px;
      int32_t y = dcnn_window_base (w->transposed, w->stride_y, w->pad_y,
          DCNN_PIXEL_Y (pixel), &py);
      int32_t x = dcnn_window_base (w->transposed, w->stride_x, w->pad_x,
          DCNN_PIXEL_X (pixel), &px);
      if (n > 0 && py * w->stride_x + px != f)
        break;
      f = py * w->stride_x + px;
      dcnn_window_table (&run->job->in, w->taps + w->phases[f].first_tap,
          w->phases[f].n_taps, y, x, d->zeros, run->table + n, 4);
      out[n++] = run->rows[run->left[i++]];
    }
    const DcnnPhase *phase = &w->phases[f];
    for (uint32_t j = n; j < 4; j++) {
      out[j] = run->dump;
      for (uint32_t t = 0; t < phase->n_taps; t++)
        run->table[t * 4 + j] = run->table[t * 4];
    }
    dcnn_depthwise_gather (run->table, phase->n_taps,
        d->weights + (size_t) phase->first_tap * d->stride, d->stride,
        d->bias, &run->store, out);
  }
}

/* Asks for the last rows of the windows of the run of `length` at `at`; the
 * rows above, the run before it has read. */
static void
ask_inputs (const Run *run, uint32_t at, uint32_t length)
{
  const DcnnWindowPlan *w = &run->depthwise->window;
  const DcnnMap *in = &run->job->in;
  uint32_t y = DCNN_PIXEL_Y (run->pixels[at]) * w->stride_y +
      (w->kernel_y - 1) * w->dilation_y - (uint32_t) w->pad_y;
  int32_t x = (int32_t) (DCNN_PIXEL_X (run->pixels[at]) * w->stride_x) -
      w->pad_x;
  int32_t end = x + (int32_t) ((length - 1) * w->stride_x +
      (w->kernel_x - 1) * w->dilation_x + 1);

  if (w->transposed || y >= in->height)
    return;
  end = end < (int32_t) in->width ? end : (int32_t) in->width;
  for (x = x < 0 ? 0 : x; x < end; x++)
    dcnn_prefetch (dcnn_map_pixel (in, y, (uint32_t) x), in->channels);
}

/* The runs of the block's n pixels, and where they write. */
static void
locate_runs (Run *run, uint32_t n)
{
  const DcnnMap *out = &run->job->out;

  run->n_runs = 0;
  for (uint32_t i = 0, length; i < n; i += length) {
    length = dcnn_run_length (run->pixels + i, n - i, 1);
    run->lengths[run->n_runs++] = (uint8_t) length;
    dcnn_locate_rows (out, run->out_spacing, DCNN_PIXEL_Y (run->pixels[i]),
        DCNN_PIXEL_X (run->pixels[i]), 1, length, run->out + i);
  }
}

/* The block, run by run; in a list, inputs may lie anywhere. */
static void
take_runs (Run *run)
{
  for (uint32_t r = 0, at = 0; r < run->n_runs; at += run->lengths[r++]) {
    if (run->job->pixels && r + 1 < run->n_runs)
      ask_inputs (run, at + run->lengths[r], run->lengths[r + 1]);
    take_run (run, at, run->lengths[r]);
  }
}

/* n pixels from place `first` on. */
static void
run_block (Run *run, size_t first, uint32_t n)
{
  const DcnnJob *job = run->job;

  dcnn_work_pixels (job, first, n, run->pixels);
  run->n_left = 0;
  locate_runs (run, n);
  for (uint32_t i = 0; i < n && !run->in_place; i++)
    dcnn_prefetch (run->out[i], job->out.channels);
  take_runs (run);
  take_left (run);
  DcnnTile tile = { .n = n, .pixels = run->pixels, .first = first,
    .rows = run->rows, .out = run->out };
  DCNN_FN (dcnn_steps_from) (job, run->n_fused, run->pixels, run->rows, n, 0,
      job->out.channels, run->store.writable);
  DCNN_FN (dcnn_judge_tile) (job, &tile);
}

DcnnKernelFnType DCNN_FN (dcnn_k_depthwise);
DcnnScratchFnType DCNN_FN (dcnn_k_depthwise_scratch);

size_t
DCNN_FN (dcnn_k_depthwise_scratch) (const DcnnJob *job)
{
  Run run;

  return run_layout (&run, job, NULL);
}

void
DCNN_FN (dcnn_k_depthwise) (const DcnnJob *job, size_t begin, size_t end,
    void *scratch)
{
  Run run;
  size_t place = dcnn_work_place (job, begin);
  size_t last = dcnn_work_place (job, end);

  run_layout (&run, job, scratch);
  run_begin (&run);
  const uint32_t block = block_pixels (&run);
  while (place < last) {
    uint32_t n = last - place < block ? (uint32_t) (last - place)
        : block;
    run_block (&run, place, n);
    place += n;
  }
}
