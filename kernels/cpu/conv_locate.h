/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv_locate.h - addresses for a list of output pixels: where each pixel's
 * window begins in the input, where its row lies in another map. Works on runs
 * of neighbours, so that dense rows and clusters cost a few operations a run
 * and an addition a pixel.
 */
#ifndef DCNN_CONV_LOCATE_H
#define DCNN_CONV_LOCATE_H

#include <immintrin.h>
#include <string.h>

#include "isa.h"
#include "window.h"

#define DCNN_PIXEL_PLACE 0x7fff7fffu /* an entry without its flag */

/* Entries past a list's end that dcnn_run_length reads. */
#define DCNN_RUN_OVERREAD 8

/* Length of the run at the head of a list: entries of one row, `step` columns
 * apart. Reads, and does not heed, up to DCNN_RUN_OVERREAD entries past the
 * n. */
DCNN_INLINE uint32_t
dcnn_run_length (const uint32_t *pixels, uint32_t n, uint32_t step)
{
  const __m256i place = _mm256_set1_epi32 (DCNN_PIXEL_PLACE);
  const __m256i ahead = _mm256_set1_epi32 ((int) (8 * step));
  __m256i expected = _mm256_add_epi32 (
      _mm256_set1_epi32 ((int) (pixels[0] & DCNN_PIXEL_PLACE)),
      _mm256_mullo_epi32 (_mm256_set1_epi32 ((int) step),
          _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7)));

  for (uint32_t i = 0; i < n; i += 8) {
    __m256i found = _mm256_and_si256 (place,
        _mm256_loadu_si256 ((const void *) (pixels + i)));
    unsigned same = (unsigned) _mm256_movemask_ps (_mm256_castsi256_ps (
            _mm256_cmpeq_epi32 (found, expected)));
    if (n - i < 8) /* whatever lies past the list */
      same |= 0xffu << (n - i) & 0xff;
    if (same != 0xff)
      return i + (uint32_t) __builtin_ctz (~same);
    expected = _mm256_add_epi32 (expected, ahead);
  }
  return n;
}

/* Addresses of pixels (y, x), (y, x + step) ... of a map. to: [n] pointers or
 * uintptr_t. */
DCNN_INLINE void
dcnn_locate_rows (const DcnnMap *map, ptrdiff_t col_spacing, uint32_t y,
    uint32_t x, uint32_t step, uint32_t n, void *to)
{
  const uintptr_t unit = dcnn_map_unit (map);
  const uintptr_t row = dcnn_map_start (map) + unit * map->row_offset[y];
  const uint32_t *cols = map->col_offset;
  const uint32_t last = x + (n - 1) * step;
  const bool even = (ptrdiff_t) cols[last] - (ptrdiff_t) cols[x] ==
      col_spacing * (ptrdiff_t) (last - x);
  const uintptr_t gap = (uintptr_t) (col_spacing * (ptrdiff_t) step) * unit;
  uintptr_t at = row + unit * cols[x];
  char *next = to;

  for (uint32_t i = 0; i < n; i++, next += sizeof at) {
    if (!even)
      at = row + unit * cols[x + i * step];
    memcpy (next, &at, sizeof at);
    at += gap;
  }
}

/* First and last + 1 pixel of a run whose columns are inside the map: pixel i
 * needs columns low + i step .. high + i step. */
DCNN_INLINE void
dcnn_run_inside (int32_t low, int32_t high, int32_t step, uint32_t width,
    uint32_t n, uint32_t *begin, uint32_t *end)
{
  int32_t first = low >= 0 ? 0 : (-low + step - 1) / step;
  int32_t room = (int32_t) width - 1 - high;
  int32_t last = room >= (int32_t) (n - 1) * step ? (int32_t) n
      : room < 0 ? 0 : room / step + 1;

  if (first > last)
    first = last;
  *begin = (uint32_t) first;
  *end = (uint32_t) last;
}

/* Base addresses of a run of n output pixels of one phase: even[i] says
 * whether the taps of pixel i lie at base[i] + common offsets; base[i] is set
 * only then. */
DCNN_INLINE void
dcnn_locate_windows (const DcnnWindowPlan *w, const DcnnPhase *phase,
    const DcnnMap *in, const DcnnSpacing *spacing, uint32_t y, uint32_t x,
    uint32_t n, uintptr_t *base, uint8_t *even)
{
  uint32_t ignored, begin, end;
  int32_t by = dcnn_window_base (w->transposed, w->stride_y, w->pad_y, y,
      &ignored);
  int32_t bx = dcnn_window_base (w->transposed, w->stride_x, w->pad_x, x,
      &ignored);
  const int32_t step = w->transposed ? 1 : (int32_t) w->stride_x;

  if (!dcnn_axis_even (in->row_offset, in->height, spacing->row,
          by + phase->min_dy, by + phase->max_dy)) {
    memset (even, 0, n);
    return;
  }
  dcnn_run_inside (bx + phase->min_dx, bx + phase->max_dx, step, in->width, n,
      &begin, &end);
  for (uint32_t i = 0; i < begin; i++)
    even[i] = 0;
  for (uint32_t i = end; i < n; i++)
    even[i] = 0;
  if (begin >= end)
    return;
  int32_t first = bx + (int32_t) begin * step;
  int32_t last = bx + (int32_t) (end - 1) * step;
  if (dcnn_axis_even (in->col_offset, in->width, spacing->col,
          first + phase->min_dx, last + phase->max_dx)) {
    uintptr_t at = dcnn_window_address (in, spacing, phase, by, first);
    const uintptr_t gap = (uintptr_t) (spacing->col * step) *
        dcnn_map_unit (in);
    for (uint32_t i = begin; i < end; i++, at += gap) {
      base[i] = at;
      even[i] = 1;
    }
    return;
  }
  for (uint32_t i = begin; i < end; i++) { /* a seam runs through */
    int32_t at = bx + (int32_t) i * step;
    even[i] = dcnn_window_even (in, spacing, phase, by, at);
    if (even[i])
      base[i] = dcnn_window_address (in, spacing, phase, by, at);
  }
}

/* Sorts the n pixels of a transposed window's block by phase: members are the
 * pixels, places which of the block they are; starts [n_phases + 1] is left
 * with where each phase ends in these. Along a run, phases repeat every
 * stride_x pixels. */
static inline void
dcnn_sort_phases (const DcnnWindowPlan *w, const uint32_t *pixels, uint32_t n,
    uint32_t *starts, uint32_t *members, uint32_t *places)
{
  const uint32_t step = w->stride_x;
  uint32_t at = 0;

  memset (starts, 0, (w->n_phases + 1) * sizeof *starts);
  /* first how many, then which */
  for (unsigned pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < n;) {
      const uint32_t end = i + dcnn_run_length (pixels + i, n - i, 1);
      uint32_t py, px;
      dcnn_window_base (true, w->stride_y, w->pad_y, DCNN_PIXEL_Y (pixels[i]),
          &py);
      dcnn_window_base (true, step, w->pad_x, DCNN_PIXEL_X (pixels[i]), &px);
      for (uint32_t j = i; j < end && j < i + step; j++) {
        uint32_t f = py * step + px;
        px = px + 1 == step ? 0 : px + 1;
        if (pass == 0) {
          starts[f] += (end - j + step - 1) / step;
          continue;
        }
        uint32_t to = starts[f];
        for (uint32_t k = j; k < end; k += step, to++) {
          places[to] = k;
          members[to] = pixels[k];
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

#endif
