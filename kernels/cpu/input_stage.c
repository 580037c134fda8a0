/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "input_stage.h"

#include "dcnn_kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one thread needs for a row. */
typedef struct InputScratch {
  int16_t *v;           /* a row after vertical scaling */
  uint8_t *y, *u, *w;   /* a row of Y, U and V at the network's size */
  const uint8_t **rows; /* the taps' rows */
  uint8_t *limits;      /* per block of a block row */
  /* once there is a view */
  int32_t *xs, *ys;     /* per pixel of a row: where it lies */
  uint8_t *band[4];     /* rows of least, most, low and high */
  uint64_t *words;      /* a block row of a mask */
} InputScratch;

struct DcnnInputStage {
  DcnnInputGeometry geometry;
  DcnnInputTables tables;
  const DcnnInputRows *rows, *best;
  uint8_t *picture, *reference; /* packed RGB, width * 3 a row */
  uint8_t *sampled;             /* the picture through the view; NULL: there
                                   was none yet, nor what else a view needs */
  const uint8_t *shown;         /* of the two, what the window holds */
  DcnnLook look;                /* its weights are ours */
  DcnnSampling sampling;        /* what they are of */
  int16_t (*weights)[4];
  uint8_t *shadow;              /* every fourth row of what a window that never
                                   moves would have stored; NULL: nobody asked */
  bool shadowing, shadow_valid; /* compared; filled by the frame before */
  uint64_t shadow_changed;      /* pixels; atomic */
  uint64_t *spare_mask;         /* one mask, and scratch for dilation */
  unsigned threads;
  InputScratch *scratch;        /* [threads] */
  size_t bytes;
};

/* calloc that counts. */
static void *
take (DcnnInputStage *stage, size_t n, size_t size)
{
  stage->bytes += n * size;
  return calloc (n, size);
}

static size_t
row_elements (const DcnnInputPlane *plane)
{
  return ((size_t) (plane->x.end - plane->x.begin) + plane->x.taps
      + DCNN_INPUT_PAD) * plane->channels;
}

static bool
scratch_init (DcnnInputStage *stage, InputScratch *scratch)
{
  size_t n = stage->geometry.dst_w + DCNN_INPUT_PAD;
  size_t n_v = 1, n_rows = 1;
  if (!stage->tables.unscaled && stage->geometry.dst_w) {
    n_v = row_elements (&stage->tables.luma);
    n_rows = stage->tables.luma.y.taps;
    if (dcnn_input_is_yuv (stage->tables.format) && row_elements (&stage->tables.chroma) > n_v)
      n_v = row_elements (&stage->tables.chroma);
    if (dcnn_input_is_yuv (stage->tables.format) && stage->tables.chroma.y.taps > n_rows)
      n_rows = stage->tables.chroma.y.taps;
  }
  scratch->v = take (stage, n_v, sizeof *scratch->v);
  scratch->y = take (stage, n, 1);
  scratch->u = take (stage, n, 1);
  scratch->w = take (stage, n, 1);
  scratch->rows = take (stage, n_rows, sizeof *scratch->rows);
  scratch->limits = take (stage, (stage->geometry.width + 7) / 8, 1);
  if (!scratch->v || !scratch->y || !scratch->u || !scratch->w
      || !scratch->rows || !scratch->limits)
    return false;
  if (stage->tables.format == DCNN_FORMAT_GRAY8) {
    memset (scratch->u, 128, n);
    memset (scratch->w, 128, n);
  }
  return true;
}

static bool
pictures_init (DcnnInputStage *stage)
{
  const DcnnInputGeometry *g = &stage->geometry;
  size_t n = (size_t) g->width * g->height;
  size_t words = dcnn_mask_words (g->width, g->height);
  stage->picture = take (stage, 3 * n + DCNN_INPUT_PAD, 1);
  stage->reference = take (stage, 3 * n + DCNN_INPUT_PAD, 1);
  stage->spare_mask = take (stage, words * sizeof (uint64_t)
      + dcnn_mask_scratch_bytes (g->width, g->height, g->width, g->height), 1);
  if (!stage->picture || !stage->reference || !stage->spare_mask)
    return false;
  stage->shown = stage->picture;
  for (size_t i = 0; i < n; i++)
    memcpy (stage->picture + 3 * i, g->fill, 3);
  return true;
}

/* The level that this machine and DELTACNN_ISA allow. */
static const DcnnInputRows *
best_rows (void)
{
#ifdef DCNN_HAVE_AVX2
  if (strcmp (dcnn_cpu_kernels ()->isa, "c") != 0)
    return &dcnn_input_rows__avx2;
#endif
  return &dcnn_input_rows__c;
}

DcnnInputStage *
dcnn_input_stage_new (const DcnnInputGeometry *geometry, uint32_t frame_width,
    uint32_t frame_height, DcnnPixelFormat format, unsigned threads)
{
  DcnnInputStage *stage = calloc (1, sizeof *stage);
  if (!stage)
    return NULL;
  stage->geometry = *geometry;
  stage->threads = threads;
  stage->bytes = sizeof *stage;
  stage->best = best_rows ();
  stage->rows = stage->best;
  stage->scratch = take (stage, threads, sizeof *stage->scratch);
  bool ok = stage->scratch && dcnn_input_tables_init (&stage->tables,
          geometry, frame_width, frame_height, format)
      && pictures_init (stage);
  for (unsigned i = 0; ok && i < threads; i++)
    ok = scratch_init (stage, &stage->scratch[i]);
  if (!ok) {
    dcnn_input_stage_free (stage);
    return NULL;
  }
  return stage;
}

/* What only a view needs. */
static void
view_clear (DcnnInputStage *stage)
{
  for (unsigned i = 0; stage->scratch && i < stage->threads; i++) {
    InputScratch *scratch = &stage->scratch[i];
    free (scratch->xs);
    free (scratch->ys);
    free (scratch->words);
    scratch->xs = scratch->ys = NULL;
    scratch->words = NULL;
    for (int b = 0; b < 4; b++) {
      free (scratch->band[b]);
      scratch->band[b] = NULL;
    }
  }
  free (stage->sampled);
  free (stage->weights);
  stage->sampled = NULL;
  stage->weights = NULL;
}

static bool
view_scratch_init (DcnnInputStage *stage, InputScratch *scratch)
{
  size_t n = stage->geometry.width;
  bool ok;
  scratch->xs = take (stage, n, sizeof *scratch->xs);
  scratch->ys = take (stage, n, sizeof *scratch->ys);
  scratch->words = take (stage, (n + 7) / 8, sizeof *scratch->words);
  ok = scratch->xs && scratch->ys && scratch->words;
  for (int i = 0; i < 4; i++) {
    scratch->band[i] = take (stage, 3 * n + 6 + DCNN_INPUT_PAD, 1);
    ok = ok && scratch->band[i];
  }
  return ok;
}

/* The first time that there is a view: most streams never have one. */
static bool
view_init (DcnnInputStage *stage, DcnnSampling sampling)
{
  size_t n = (size_t) stage->geometry.width * stage->geometry.height;
  size_t before = stage->bytes;
  bool ok;
  stage->sampled = take (stage, 3 * n + DCNN_INPUT_PAD, 1);
  stage->weights = take (stage, DCNN_LOOK_PHASES, sizeof *stage->weights);
  ok = stage->sampled && stage->weights;
  for (unsigned i = 0; ok && i < stage->threads; i++)
    ok = view_scratch_init (stage, &stage->scratch[i]);
  if (ok) {
    dcnn_look_weights (sampling, stage->weights);
    stage->sampling = sampling;
  } else {
    view_clear (stage);
    stage->bytes = before;
  }
  return ok;
}

static bool
shadow_init (DcnnInputStage *stage)
{
  const DcnnInputGeometry *g = &stage->geometry;
  size_t before = stage->bytes;
  stage->shadow = take (stage, (size_t) (g->height + DCNN_LOOK_SHADOW_ROWS - 1)
      / DCNN_LOOK_SHADOW_ROWS * g->width * 3 + DCNN_INPUT_PAD, 1);
  if (!stage->shadow)
    stage->bytes = before;
  return stage->shadow;
}

void
dcnn_input_stage_free (DcnnInputStage *stage)
{
  if (!stage)
    return;
  view_clear (stage);
  for (unsigned i = 0; stage->scratch && i < stage->threads; i++) {
    InputScratch *scratch = &stage->scratch[i];
    free (scratch->v);
    free (scratch->y);
    free (scratch->u);
    free (scratch->w);
    free (scratch->rows);
    free (scratch->limits);
  }
  free (stage->scratch);
  dcnn_input_tables_clear (&stage->tables);
  free (stage->picture);
  free (stage->reference);
  free (stage->shadow);
  free (stage->spare_mask);
  free (stage);
}

size_t
dcnn_input_stage_bytes (const DcnnInputStage *stage)
{
  return stage->bytes + stage->tables.bytes;
}

const DcnnInputTables *
dcnn_input_stage_tables (const DcnnInputStage *stage)
{
  return &stage->tables;
}

const uint8_t *
dcnn_input_picture (const DcnnInputStage *stage)
{
  return stage->shown;
}

void
dcnn_input_force_portable (DcnnInputStage *stage, bool portable)
{
  stage->rows = portable ? &dcnn_input_rows__c : stage->best;
}

/* ---- conversion ------------------------------------------------------- */

static const uint8_t *
plane_row (const DcnnFrame *frame, int plane, uint32_t y)
{
  return frame->planes[plane] + (ptrdiff_t) y * frame->strides[plane];
}

/* Row y of the picture area after vertical scaling, into scratch->v. */
static void
scale_vertical (const DcnnInputStage *stage, const DcnnInputPlane *plane,
    const DcnnFrame *frame, int index, uint32_t y, InputScratch *scratch)
{
  const DcnnInputAxis *axis = &plane->y;
  const int16_t *weight = axis->weight + (size_t) y * axis->taps;
  uint32_t taps = axis->taps;
  while (taps > 1 && weight[taps - 1] == 0)
    taps--;
  for (uint32_t k = 0; k < taps; k++) {
    uint32_t row = axis->begin + axis->first[y] + k;
    row = row < axis->end ? row : axis->end - 1;
    scratch->rows[k] = plane_row (frame, index, row)
        + (size_t) plane->x.begin * plane->channels;
  }
  stage->rows->vertical (scratch->v, scratch->rows, weight, taps,
      (size_t) (plane->x.end - plane->x.begin) * plane->channels);
}

/* One row of the picture area, scaled, as packed RGB. */
static void
convert_row_scaled (const DcnnInputStage *stage, const DcnnFrame *frame,
    const DcnnInputMatrix *matrix, uint32_t y, uint8_t *rgb,
    InputScratch *scratch)
{
  const DcnnInputRows *rows = stage->rows;
  const DcnnInputAxis *luma_x = &stage->tables.luma.x, *chroma_x = &stage->tables.chroma.x;
  scale_vertical (stage, &stage->tables.luma, frame, 0, y, scratch);
  if (stage->tables.luma.channels > 1) {
    rows->horizontal_rgb (rgb, scratch->v, luma_x, stage->tables.luma.channels,
        dcnn_input_is_bgr (stage->tables.format));
    return;
  }
  rows->horizontal (scratch->y, scratch->v, luma_x);
  if (dcnn_input_is_yuv (stage->tables.format)) {
    scale_vertical (stage, &stage->tables.chroma, frame, 1, y, scratch);
    if (stage->tables.format == DCNN_FORMAT_NV12) {
      rows->horizontal_pair (scratch->u, scratch->w, scratch->v, chroma_x);
    } else {
      rows->horizontal (scratch->u, scratch->v, chroma_x);
      scale_vertical (stage, &stage->tables.chroma, frame, 2, y, scratch);
      rows->horizontal (scratch->w, scratch->v, chroma_x);
    }
  }
  rows->yuv (rgb, scratch->y, scratch->u, scratch->w, matrix,
      stage->geometry.dst_w);
}

/* The same where source pixels map one to one: chroma of the nearest sample. */
static void
convert_row_unscaled (const DcnnInputStage *stage, const DcnnFrame *frame,
    const DcnnInputMatrix *matrix, uint32_t y, uint8_t *rgb,
    InputScratch *scratch)
{
  const DcnnInputRows *rows = stage->rows;
  uint32_t n = stage->geometry.dst_w, x = stage->tables.src_x;
  uint32_t bytes = dcnn_input_bytes (stage->tables.format);
  const uint8_t *row = plane_row (frame, 0, stage->tables.src_y + y)
      + (size_t) x * bytes;
  if (bytes > 1) {
    rows->swizzle (rgb, row, bytes, dcnn_input_is_bgr (stage->tables.format), n);
    return;
  }
  uint32_t half = (stage->tables.src_y + y) / 2;
  if (stage->tables.format == DCNN_FORMAT_NV12) {
    rows->chroma_nv12 (scratch->u, scratch->w, plane_row (frame, 1, half), x,
        n);
  } else if (stage->tables.format == DCNN_FORMAT_I420) {
    rows->chroma_i420 (scratch->u, plane_row (frame, 1, half), x, n);
    rows->chroma_i420 (scratch->w, plane_row (frame, 2, half), x, n);
  }
  rows->yuv (rgb, row, scratch->u, scratch->w, matrix, n);
}

/* The limits of a block row, and its words as they begin. */
static void
begin_blocks (const DcnnInputStage *stage, const DcnnInputParams *params,
    InputScratch *scratch, size_t first, const DcnnMask *force,
    DcnnMask *changed, DcnnMask *differs)
{
  for (uint32_t bx = 0; bx < (stage->geometry.width + 7) / 8; bx++) {
    if (changed)
      changed->words[first + bx] = force ? force->words[first + bx] : 0;
    if (differs)
      differs->words[first + bx] = 0;
    scratch->limits[bx] = dcnn_input_change_limit (params, first + bx);
  }
}

/* A row of the picture, into it. */
static void
convert_row (DcnnInputStage *stage, const DcnnFrame *frame,
    const DcnnInputMatrix *matrix, uint32_t y, InputScratch *scratch)
{
  const DcnnInputGeometry *g = &stage->geometry;
  uint8_t *row = stage->picture + (size_t) y * g->width * 3;
  if (y >= g->dst_y && y - g->dst_y < g->dst_h && g->dst_w)
    (stage->tables.unscaled ? convert_row_unscaled : convert_row_scaled) (stage,
        frame, matrix, y - g->dst_y, row + 3 * (size_t) g->dst_x, scratch);
}

void
dcnn_input_convert_rows (DcnnInputStage *stage, const DcnnInputParams *params,
    const DcnnFrame *frame, unsigned thread, uint32_t y0, uint32_t y1,
    const DcnnMask *force, DcnnMask *changed, DcnnMask *differs)
{
  size_t width = stage->geometry.width;
  InputScratch *scratch = &stage->scratch[thread];
  DcnnInputMatrix matrix;
  dcnn_input_matrix_init (&matrix, frame);
  for (uint32_t y = y0; y < y1; y++) {
    size_t first = (size_t) (y / 8) * changed->blocks_x;
    if (y % 8 == 0)
      begin_blocks (stage, params, scratch, first, force, changed, differs);
    convert_row (stage, frame, &matrix, y, scratch);
    stage->rows->compare (changed->words + first,
        differs ? differs->words + first : NULL, y & 7,
        stage->picture + (size_t) y * width * 3,
        stage->reference + (size_t) y * width * 3, scratch->limits, width);
  }
}

/* ---- the window through a matrix --------------------------------------- */

bool
dcnn_input_set_view (DcnnInputStage *stage, const DcnnInputView *view,
    DcnnInputSampling *how)
{
  if (view && !stage->sampled && !view_init (stage, view->sampling))
    return false;
  if (view && view->shadow && !stage->shadow && !shadow_init (stage))
    return false;
  if (view && view->sampling != stage->sampling) {
    dcnn_look_weights (view->sampling, stage->weights);
    stage->sampling = view->sampling;
  }
  dcnn_look_init (&stage->look, &stage->geometry, view);
  stage->look.weights = (const int16_t (*)[4]) stage->weights;
  stage->shown = stage->look.kind == DCNN_INPUT_AS_IT_IS ? stage->picture
      : stage->sampled;
  stage->shadow_valid = stage->shadowing;
  stage->shadowing = view && view->shadow;
  stage->shadow_valid &= stage->shadowing;
  stage->shadow_changed = 0;
  *how = (DcnnInputSampling) stage->look.kind;
  return true;
}

void
dcnn_input_get_view (const DcnnInputStage *stage, double matrix[9])
{
  dcnn_look_get_matrix (&stage->look, matrix);
}

/* Counts what differs from the shadow, and takes it over. */
static void
compare_shadow (DcnnInputStage *stage, InputScratch *scratch, uint32_t y)
{
  size_t width = stage->geometry.width, blocks = (width + 7) / 8;
  const uint8_t *row = stage->picture + (size_t) y * width * 3;
  uint8_t *shadow = stage->shadow + (size_t) (y / DCNN_LOOK_SHADOW_ROWS)
      * width * 3;
  uint64_t count = 0;
  if (!stage->shadow_valid) {
    memcpy (shadow, row, 3 * width);
    return;
  }
  memset (scratch->words, 0, blocks * sizeof *scratch->words);
  stage->rows->compare (scratch->words, NULL, 0, row, shadow, scratch->limits,
      width);
  for (size_t bx = 0; bx < blocks; bx++) {
    uint64_t word = scratch->words[bx];
    count += (uint64_t) __builtin_popcountll (word);
    for (; word; word &= word - 1) {
      size_t x = 8 * bx + (size_t) __builtin_ctzll (word);
      memcpy (shadow + 3 * x, row + 3 * x, 3);
    }
  }
  __atomic_fetch_add (&stage->shadow_changed, count, __ATOMIC_RELAXED);
}

void
dcnn_input_picture_rows (DcnnInputStage *stage, const DcnnInputParams *params,
    const DcnnFrame *frame, unsigned thread, uint32_t y0, uint32_t y1)
{
  InputScratch *scratch = &stage->scratch[thread];
  size_t blocks_x = (stage->geometry.width + 7) / 8;
  DcnnInputMatrix matrix;
  dcnn_input_matrix_init (&matrix, frame);
  for (uint32_t y = y0; y < y1; y++) {
    convert_row (stage, frame, &matrix, y, scratch);
    if (!stage->shadowing || y % DCNN_LOOK_SHADOW_ROWS != 0)
      continue;
    begin_blocks (stage, params, scratch, (y / 8) * blocks_x, NULL, NULL,
        NULL);
    compare_shadow (stage, scratch, y);
  }
}

float
dcnn_input_shadow_share (const DcnnInputStage *stage)
{
  const DcnnInputGeometry *g = &stage->geometry;
  size_t rows = (g->height + DCNN_LOOK_SHADOW_ROWS - 1)
      / DCNN_LOOK_SHADOW_ROWS;
  return stage->shadow_valid ? (float) stage->shadow_changed
      / (float) (rows * g->width) : -1.0f;
}

/* The window's row y, out of the picture. */
static void
sample_row (DcnnInputStage *stage, InputScratch *scratch, uint32_t y)
{
  size_t at = (size_t) y * stage->geometry.width * 3;
  DcnnInputViewRow row = { &stage->look, stage->picture,
    stage->reference + at, stage->sampled + at };
  if (stage->look.kind == DCNN_INPUT_SHIFTED)
    dcnn_input_view_shift (&row, y);
  else if (stage->look.kind == DCNN_INPUT_WARPED)
    dcnn_input_view_warp (&row, y, scratch->xs, scratch->ys, stage->rows);
}

/* The band of row y of the reference. */
static void
find_band (const DcnnInputStage *stage, InputScratch *scratch, uint32_t y)
{
  size_t stride = (size_t) stage->geometry.width * 3;
  const uint8_t *row = stage->reference + y * stride;
  const uint8_t *rows[3] = { y ? row - stride : row, row,
    y + 1 < stage->geometry.height ? row + stride : row };
  dcnn_input_view_band (rows, stage->geometry.width, stage->look.forgive,
      scratch->band[0], scratch->band[1], scratch->band[2], scratch->band[3]);
}

void
dcnn_input_sample_rows (DcnnInputStage *stage, const DcnnInputParams *params,
    unsigned thread, uint32_t y0, uint32_t y1, const DcnnMask *force,
    DcnnMask *changed, DcnnMask *differs)
{
  size_t width = stage->geometry.width;
  InputScratch *scratch = &stage->scratch[thread];
  for (uint32_t y = y0; y < y1; y++) {
    size_t first = (size_t) (y / 8) * changed->blocks_x;
    const uint8_t *row = stage->shown + (size_t) y * width * 3;
    const uint8_t *reference = stage->reference + (size_t) y * width * 3;
    uint64_t *differing = differs ? differs->words + first : NULL;
    if (y % 8 == 0)
      begin_blocks (stage, params, scratch, first, force, changed, differs);
    sample_row (stage, scratch, y);
    if (stage->look.forgive) {
      find_band (stage, scratch, y);
      stage->rows->compare_band (changed->words + first, differing, y & 7, row,
          reference, scratch->band[2], scratch->band[3], scratch->limits,
          width);
    } else {
      stage->rows->compare (changed->words + first, differing, y & 7, row,
          reference, scratch->limits, width);
    }
  }
}

/* ---- what the mask and S_0 become ------------------------------------- */

/* Whether the average signed difference of the cell's pixels passes a quarter
 * of the limit in some channel. */
static bool
cell_moved (const DcnnInputStage *stage, uint32_t y0, uint32_t x0,
    uint8_t limit)
{
  const DcnnInputGeometry *g = &stage->geometry;
  int sum[3] = { 0, 0, 0 }, count = 0;
  for (uint32_t y = y0; y < y0 + 4 && y < g->height; y++) {
    for (uint32_t x = x0; x < x0 + 4 && x < g->width; x++) {
      size_t at = ((size_t) y * g->width + x) * 3;
      for (int c = 0; c < 3; c++)
        sum[c] += stage->shown[at + c] - stage->reference[at + c];
      count++;
    }
  }
  for (int c = 0; c < 3; c++)
    if (4 * abs (sum[c]) > limit * count)
      return true;
  return false;
}

/* Clears the 4x4 cells whose average difference is small. */
static void
drop_still_cells (const DcnnInputStage *stage, const DcnnInputParams *params,
    DcnnMask *changed)
{
  for (uint32_t by = 0; by < changed->blocks_y; by++) {
    for (uint32_t bx = 0; bx < changed->blocks_x; bx++) {
      size_t i = (size_t) by * changed->blocks_x + bx;
      for (uint32_t cell = 0; changed->words[i] && cell < 4; cell++) {
        uint32_t y = cell / 2 * 4, x = cell % 2 * 4;
        uint64_t pixels = UINT64_C (0x0f0f0f0f) << (8 * y + x);
        if ((changed->words[i] & pixels)
            && !cell_moved (stage, 8 * by + y, 8 * bx + x,
                dcnn_input_change_limit (params, i)))
          changed->words[i] &= ~pixels;
      }
    }
  }
}

/* The pixels of block (by, bx) that have a neighbour (of 8) in the mask. */
static uint64_t
neighboured (const DcnnMask *mask, int64_t by, int64_t bx)
{
  uint64_t beside[3], row[3];
  for (int i = 0; i < 3; i++) {
    uint64_t left = dcnn_mask_word (mask, by - 1 + i, bx - 1);
    uint64_t word = dcnn_mask_word (mask, by - 1 + i, bx);
    uint64_t right = dcnn_mask_word (mask, by - 1 + i, bx + 1);
    beside[i] = dcnn_word_dilate_x (left, word, right, -1, -1)
        | dcnn_word_dilate_x (left, word, right, 1, 1);
    row[i] = beside[i] | word;
  }
  return beside[1] | dcnn_word_dilate_y (row[0], row[1], row[2], -1, -1)
      | dcnn_word_dilate_y (row[0], row[1], row[2], 1, 1);
}

static void
drop_lone_pixels (DcnnInputStage *stage, DcnnMask *changed)
{
  DcnnMask before;
  dcnn_mask_init (&before, changed->width, changed->height, stage->spare_mask);
  dcnn_mask_copy (&before, changed);
  for (uint32_t by = 0; by < changed->blocks_y; by++) {
    for (uint32_t bx = 0; bx < changed->blocks_x; bx++) {
      uint64_t *word = changed->words + (size_t) by * changed->blocks_x + bx;
      if (*word)
        *word &= neighboured (&before, by, bx);
    }
  }
}

static void
dilate (DcnnInputStage *stage, const DcnnInputParams *params,
    DcnnMask *changed)
{
  if (params->dilation && dcnn_mask_any (changed))
    dcnn_mask_dilate (changed, changed, params->dilation,
        stage->spare_mask + dcnn_mask_n_words (changed));
}

void
dcnn_input_refine_mask (DcnnInputStage *stage, const DcnnInputParams *params,
    const DcnnMask *force, DcnnMask *changed)
{
  if (params->noise_suppression)
    drop_still_cells (stage, params, changed);
  dcnn_input_widen_mask (stage, params, force, changed);
}

void
dcnn_input_widen_mask (DcnnInputStage *stage, const DcnnInputParams *params,
    const DcnnMask *force, DcnnMask *changed)
{
  if (params->noise_suppression) {
    drop_lone_pixels (stage, changed);
    if (force)
      dcnn_mask_or (changed, force);
  }
  dilate (stage, params, changed);
}

void
dcnn_input_store (DcnnInputStage *stage, const DcnnInputParams *params,
    const DcnnMask *changed, DcnnMap *s0, uint32_t by0, uint32_t by1)
{
  DcnnInputStore how = { .bgr = params->bgr, .gray = params->gray };
  uint32_t width = stage->geometry.width;
  memcpy (how.scale, params->scale, sizeof params->scale);
  memcpy (how.bias, params->bias, sizeof params->bias);
  for (uint32_t by = by0; by < by1; by++) {
    for (uint32_t bx = 0; bx < changed->blocks_x; bx++) {
      uint64_t word = changed->words[(size_t) by * changed->blocks_x + bx];
      for (uint32_t y = 8 * by; word; word >>= 8, y++) {
        size_t at = ((size_t) y * width + 8 * bx) * 3;
        if (word & 0xff)
          stage->rows->store (stage->reference + at, stage->shown + at,
              s0->data + s0->row_offset[y], s0->col_offset + 8 * bx,
              (unsigned) word & 0xff, &how);
      }
    }
  }
}

void
dcnn_input_shift (DcnnInputStage *stage, int32_t dy, int32_t dx)
{
  int64_t width = stage->geometry.width, height = stage->geometry.height;
  int64_t x0 = dx < 0 ? -(int64_t) dx : 0, x1 = width - (dx > 0 ? dx : 0);
  if (x0 >= x1)
    return;
  for (int64_t i = 0; i < height; i++) {
    /* Rows in the order that reads each before it is overwritten. */
    int64_t y = dy >= 0 ? i : height - 1 - i;
    if (y + dy < 0 || y + dy >= height)
      continue;
    memmove (stage->reference + (y * width + x0) * 3,
        stage->reference + ((y + dy) * width + x0 + dx) * 3,
        (size_t) (x1 - x0) * 3);
  }
}
