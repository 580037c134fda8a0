/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_mask_candidates.h - which output pixels a change can reach.
 *
 * Windows are separable: a pass over columns (block rows of the source to
 * block rows as wide as the result), then one over rows. On each axis
 *     out (o) = union over taps k of E (o * down - shift_k),
 *     shift_k = first + k * step,
 * where E is the source with up - 1 zeros between its pixels: a convolution
 * has up 1, down = stride, shift_k = pad - k dilation; a transposed one has
 * up = stride, down 1, shift_k = k dilation - pad. up and down of 1 and 2 are
 * word operations; other strides, and tables, go column by column (row by
 * row), eight pixels at a time. Included by dcnn_mask.h only.
 */
#ifndef DCNN_MASK_CANDIDATES_H
#define DCNN_MASK_CANDIDATES_H

#include "dcnn_mask_ops.h"

typedef struct DcnnMaskAxis {
  int64_t taps, first, step, up, down;
  const uint32_t *index; /* table form: [out * taps]; else NULL */
} DcnnMaskAxis;

DCNN_MASK_FN DcnnMaskAxis
dcnn_mask_axis_conv (const DcnnWindow *window, int d)
{
  DcnnMaskAxis axis;
  axis.taps = window->kernel[d];
  axis.first = window->pad_begin[d];
  axis.step = -window->dilation[d];
  axis.up = 1;
  axis.down = window->stride[d];
  axis.index = NULL;
  return axis;
}

DCNN_MASK_FN DcnnMaskAxis
dcnn_mask_axis_transposed (const DcnnWindow *window, int d)
{
  DcnnMaskAxis axis;
  axis.taps = window->kernel[d];
  axis.first = -window->pad_begin[d];
  axis.step = window->dilation[d];
  axis.up = window->stride[d];
  axis.down = 1;
  axis.index = NULL;
  return axis;
}

/* The input position that output o reads with tap k, or -1. */
DCNN_MASK_FN int64_t
dcnn_mask_axis_source (const DcnnMaskAxis *axis, uint32_t o, int64_t k,
    uint32_t size)
{
  int64_t at;
  if (axis->index) {
    uint32_t i = axis->index[(size_t) o * (size_t) axis->taps + (size_t) k];
    return i < size ? (int64_t) i : -1;
  }
  at = (int64_t) o * axis->down - axis->first - k * axis->step;
  if (at < 0 || at % axis->up != 0)
    return -1;
  at /= axis->up;
  return at < size ? at : -1;
}

/* Whether word operations serve this axis. */
DCNN_MASK_FN bool
dcnn_mask_axis_by_words (const DcnnMaskAxis *axis)
{
  return !axis->index && axis->up <= 2 && axis->down <= 2;
}

/* The smallest and largest shift when the taps are adjacent and no shift is
 * past 8; false otherwise. */
DCNN_MASK_FN bool
dcnn_mask_axis_near (const DcnnMaskAxis *axis, int *low, int *high)
{
  int64_t last = axis->first + (axis->taps - 1) * axis->step;
  int64_t lo = axis->first < last ? axis->first : last;
  int64_t hi = axis->first < last ? last : axis->first;
  if (hi - lo != axis->taps - 1 || lo < -8 || hi > 8)
    return false;
  *low = (int) lo;
  *high = (int) hi;
  return true;
}

/* ---- columns ---------------------------------------------------------- */

/* dst[i] = union of row shifted by low .. high, n words; row[-1] and row[n]
 * are readable. */
DCNN_MASK_FN void
dcnn_mask_row_near (uint64_t *dst, const uint64_t *row, size_t n, int low,
    int high)
{
  /* The common windows as constants: the compiler unrolls them. */
  if (low == 0 && high == 0)
    for (size_t i = 0; i < n; i++)
      dst[i] = row[i];
  else if (low == -1 && high == 1)
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_x (row[(ptrdiff_t) i - 1], row[i], row[i + 1],
          -1, 1);
  else if (low == -2 && high == 2)
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_x (row[(ptrdiff_t) i - 1], row[i], row[i + 1],
          -2, 2);
  else if (low == -3 && high == 3)
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_x (row[(ptrdiff_t) i - 1], row[i], row[i + 1],
          -3, 3);
  else if (low == -2 && high == 0)
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_x (row[(ptrdiff_t) i - 1], row[i], row[i + 1],
          -2, 0);
  else
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_x (row[(ptrdiff_t) i - 1], row[i], row[i + 1],
          low, high);
}

/* dst[0 .. n-1] |= row[0 .. n_row-1] moved right by any shift. */
DCNN_MASK_FN void
dcnn_mask_row_or_shifted (uint64_t *dst, size_t n, const uint64_t *row,
    size_t n_row, int64_t shift)
{
  uint32_t r = (uint32_t) shift & 7;
  int64_t q = (shift - (int64_t) r) / 8;
  for (int64_t i = q < 0 ? 0 : q; i < (int64_t) n && i - q <= (int64_t) n_row;
      i++) {
    uint64_t word = i - q < (int64_t) n_row ? row[i - q] : 0;
    uint64_t left = i - q > 0 ? row[i - q - 1] : 0;
    dst[i] |= dcnn_word_shift_x (left, word, r);
  }
}

/* Whether any of n words has a bit: most rows of most frames have none. */
DCNN_MASK_FN bool
dcnn_mask_row_any (const uint64_t *row, size_t n)
{
  uint64_t any = 0;
  for (size_t i = 0; i < n; i++)
    any |= row[i];
  return any != 0;
}

/* One block row by words. spare: 2 * (2 * (n_src + n_dst) + 4) words. */
DCNN_MASK_FN void
dcnn_mask_row_by_words (uint64_t *dst, size_t n_dst, const uint64_t *src,
    size_t n_src, const DcnnMaskAxis *axis, uint64_t *spare)
{
  size_t n_row = n_src * (size_t) axis->up;
  size_t n_full = n_dst * (size_t) axis->down;
  size_t room = 2 * (n_src + n_dst) + 2;
  uint64_t *row = spare + 1, *full = spare + room + 2;
  int low, high;
  row[-1] = 0;
  if (axis->up == 1)
    for (size_t i = 0; i < n_src; i++)
      row[i] = src[i];
  else
    for (size_t i = 0; i < n_src; i++) {
      row[2 * i] = dcnn_word_double_x (src[i], 0);
      row[2 * i + 1] = dcnn_word_double_x (src[i], 1);
    }
  if (axis->down == 1)
    full = dst;
  if (dcnn_mask_axis_near (axis, &low, &high)) {
    for (size_t i = n_row; i <= n_full; i++)
      row[i] = 0;
    dcnn_mask_row_near (full, row, n_full, low, high);
  } else {
    for (size_t i = 0; i < n_full; i++)
      full[i] = 0;
    for (int64_t k = 0; k < axis->taps; k++)
      dcnn_mask_row_or_shifted (full, n_full, row, n_row,
          axis->first + k * axis->step);
  }
  if (axis->down == 2)
    for (size_t i = 0; i < n_dst; i++)
      dst[i] = dcnn_word_halve_x (full[2 * i], full[2 * i + 1]);
}

/* One block row, any axis. width: columns of the source. */
DCNN_MASK_FN void
dcnn_mask_row_generic (uint64_t *dst, uint32_t n_out, const uint64_t *src,
    uint32_t width, const DcnnMaskAxis *axis)
{
  for (uint32_t o = 0; o < n_out; o++) {
    uint64_t column = 0;
    for (int64_t k = 0; k < axis->taps; k++) {
      int64_t at = dcnn_mask_axis_source (axis, o, k, width);
      if (at >= 0)
        column |= dcnn_word_column (src[at >> 3], (uint32_t) at & 7);
    }
    dst[o >> 3] = (o & 7 ? dst[o >> 3] : 0) | column << (o & 7);
  }
}

/* ---- rows ------------------------------------------------------------- */

/* One block row of E: where it starts, and which half of it (up = 2). */
DCNN_MASK_FN uint64_t
dcnn_mask_stretched (const DcnnMask *src, int64_t by, uint32_t bx, int64_t up)
{
  if (up == 1)
    return dcnn_mask_word (src, by, bx);
  if (by < 0)
    return 0;
  return dcnn_word_double_y (dcnn_mask_word (src, by >> 1, bx),
      (uint32_t) by & 1);
}

/* The general word form: block (by, bx) of the union of E's shifts. */
DCNN_MASK_FN uint64_t
dcnn_mask_full_word_y (const DcnnMask *src, int64_t by, uint32_t bx,
    const DcnnMaskAxis *axis)
{
  uint64_t all = 0;
  for (int64_t k = 0; k < axis->taps; k++) {
    int64_t shift = axis->first + k * axis->step;
    uint32_t r = (uint32_t) shift & 7;
    int64_t q = (shift - (int64_t) r) / 8;
    all |= dcnn_word_shift_y (
        dcnn_mask_stretched (src, by - q - 1, bx, axis->up),
        dcnn_mask_stretched (src, by - q, bx, axis->up), r);
  }
  return all;
}

/* dst[i] = union of three block rows shifted down by low .. high. */
DCNN_MASK_FN void
dcnn_mask_column_near (uint64_t *dst, const uint64_t *up, const uint64_t *at,
    const uint64_t *down, size_t n, int low, int high)
{
  if (low == -1 && high == 1)
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_y (up[i], at[i], down[i], -1, 1);
  else if (low == -2 && high == 2)
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_y (up[i], at[i], down[i], -2, 2);
  else if (low == -3 && high == 3)
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_y (up[i], at[i], down[i], -3, 3);
  else if (low == -2 && high == 0)
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_y (up[i], at[i], down[i], -2, 0);
  else
    for (size_t i = 0; i < n; i++)
      dst[i] = dcnn_word_dilate_y (up[i], at[i], down[i], low, high);
}

/* Block row by of the source, or zeros. */
DCNN_MASK_FN const uint64_t *
dcnn_mask_row_or_zeros (const DcnnMask *src, int64_t by, const uint64_t *zeros)
{
  return by < 0 || by >= src->blocks_y
      ? zeros : src->words + (size_t) by * src->blocks_x;
}

/* Block row by of E into row (up = 2). */
DCNN_MASK_FN void
dcnn_mask_stretch_row (uint64_t *row, const DcnnMask *src, int64_t by)
{
  size_t n = src->blocks_x;
  bool outside = by < 0 || (by >> 1) >= src->blocks_y;
  const uint64_t *from = src->words + (outside ? 0 : (size_t) (by >> 1) * n);
  for (size_t i = 0; i < n; i++)
    row[i] = outside ? 0 : dcnn_word_double_y (from[i], (uint32_t) by & 1);
}

/* Block row by of dst by words. spare: 3 * blocks_x words. */
DCNN_MASK_FN void
dcnn_mask_column_by_words (DcnnMask *dst, uint32_t by, const DcnnMask *src,
    const DcnnMaskAxis *axis, uint64_t *spare)
{
  size_t n = src->blocks_x;
  uint64_t *out = dst->words + (size_t) by * n;
  uint64_t *zeros = spare, *upper = spare + n, *lower = spare + 2 * n;
  int low, high;
  if (!dcnn_mask_axis_near (axis, &low, &high)) {
    for (uint32_t bx = 0; bx < n; bx++)
      out[bx] = axis->down == 1
          ? dcnn_mask_full_word_y (src, by, bx, axis)
          : dcnn_word_halve_y (
              dcnn_mask_full_word_y (src, 2 * (int64_t) by, bx, axis),
              dcnn_mask_full_word_y (src, 2 * (int64_t) by + 1, bx, axis));
    return;
  }
  if (axis->up == 2) {
    for (int i = 0; i < 3; i++)
      dcnn_mask_stretch_row (spare + (size_t) i * n, src, (int64_t) by - 1 + i);
    dcnn_mask_column_near (out, spare, spare + n, spare + 2 * n, n, low, high);
    return;
  }
  for (size_t i = 0; i < n; i++)
    zeros[i] = 0;
  int64_t first = (int64_t) by * axis->down;
  const uint64_t *rows[4];
  bool any = false;
  for (int i = 0; i < 4; i++) {
    rows[i] = dcnn_mask_row_or_zeros (src, first - 1 + i, zeros);
    any = any || dcnn_mask_row_any (rows[i], n);
  }
  if (!any) {
    for (size_t i = 0; i < n; i++)
      out[i] = 0;
    return;
  }
  if (axis->down == 1) {
    dcnn_mask_column_near (out, rows[0], rows[1], rows[2], n, low, high);
    return;
  }
  dcnn_mask_column_near (upper, rows[0], rows[1], rows[2], n, low, high);
  dcnn_mask_column_near (lower, rows[1], rows[2], rows[3], n, low, high);
  for (size_t i = 0; i < n; i++)
    out[i] = dcnn_word_halve_y (upper[i], lower[i]);
}

/* Block row by of dst, any axis. */
DCNN_MASK_FN void
dcnn_mask_column_generic (DcnnMask *dst, uint32_t by, const DcnnMask *src,
    const DcnnMaskAxis *axis)
{
  size_t n = src->blocks_x;
  uint64_t *out = dst->words + (size_t) by * n;
  for (size_t i = 0; i < n; i++)
    out[i] = 0;
  for (uint32_t o = 8 * by; o < dst->height && o < 8 * by + 8; o++) {
    for (int64_t k = 0; k < axis->taps; k++) {
      int64_t at = dcnn_mask_axis_source (axis, o, k, src->height);
      if (at < 0)
        continue;
      const uint64_t *row = src->words + (size_t) (at >> 3) * n;
      for (size_t i = 0; i < n; i++)
        out[i] |= dcnn_word_row (row[i], (uint32_t) at & 7) << (8 * (o & 7));
    }
  }
}

/* ---- both ------------------------------------------------------------- */

/* Bytes of scratch for dilation and candidates from a source to a result of
 * these sizes. */
DCNN_MASK_FN size_t
dcnn_mask_scratch_bytes (uint32_t src_width, uint32_t src_height,
    uint32_t dst_width, uint32_t dst_height)
{
  size_t n_src = (src_width + 7) / 8, n_dst = (dst_width + 7) / 8;
  size_t rows = (src_height + 7) / 8;
  size_t rows_dst = (dst_height + 7) / 8;
  rows = rows > rows_dst ? rows : rows_dst;
  return sizeof (uint64_t) * (rows * n_dst + 4 * (n_src + n_dst) + 16);
}

DCNN_MASK_FN void
dcnn_mask_candidates_axes (DcnnMask *dst, const DcnnMask *src,
    const DcnnMaskAxis *axis_y, const DcnnMaskAxis *axis_x, void *scratch)
{
  DcnnMask wide;
  dcnn_mask_init (&wide, dst->width, src->height, (uint64_t *) scratch);
  uint64_t *spare = wide.words + dcnn_mask_n_words (&wide);
  for (uint32_t by = 0; by < src->blocks_y; by++) {
    const uint64_t *row = src->words + (size_t) by * src->blocks_x;
    uint64_t *out = wide.words + (size_t) by * wide.blocks_x;
    if (!dcnn_mask_row_any (row, src->blocks_x))
      for (uint32_t bx = 0; bx < wide.blocks_x; bx++)
        out[bx] = 0;
    else if (dcnn_mask_axis_by_words (axis_x))
      dcnn_mask_row_by_words (out, wide.blocks_x, row, src->blocks_x, axis_x,
          spare);
    else
      dcnn_mask_row_generic (out, dst->width, row, src->width, axis_x);
  }
  for (uint32_t by = 0; by < dst->blocks_y; by++) {
    if (dcnn_mask_axis_by_words (axis_y))
      dcnn_mask_column_by_words (dst, by, &wide, axis_y, spare);
    else
      dcnn_mask_column_generic (dst, by, &wide, axis_y);
  }
  dcnn_mask_trim (dst);
}

/* window->rank is 2. dst and src are different masks here and below. */
DCNN_MASK_FN void
dcnn_mask_candidates_conv (DcnnMask *dst, const DcnnMask *src,
    const DcnnWindow *window, void *scratch)
{
  DcnnMaskAxis y = dcnn_mask_axis_conv (window, 0);
  DcnnMaskAxis x = dcnn_mask_axis_conv (window, 1);
  dcnn_mask_candidates_axes (dst, src, &y, &x, scratch);
}

DCNN_MASK_FN void
dcnn_mask_candidates_transposed (DcnnMask *dst, const DcnnMask *src,
    const DcnnWindow *window, void *scratch)
{
  DcnnMaskAxis y = dcnn_mask_axis_transposed (window, 0);
  DcnnMaskAxis x = dcnn_mask_axis_transposed (window, 1);
  dcnn_mask_candidates_axes (dst, src, &y, &x, scratch);
}

DCNN_MASK_FN void
dcnn_mask_candidates_table (DcnnMask *dst, const DcnnMask *src,
    uint32_t taps_y, const uint32_t *index_y, uint32_t taps_x,
    const uint32_t *index_x, void *scratch)
{
  DcnnMaskAxis y = { taps_y, 0, 0, 1, 1, index_y };
  DcnnMaskAxis x = { taps_x, 0, 0, 1, 1, index_x };
  dcnn_mask_candidates_axes (dst, src, &y, &x, scratch);
}

/* dst may be src. */
DCNN_MASK_FN void
dcnn_mask_dilate (DcnnMask *dst, const DcnnMask *src, uint32_t radius,
    void *scratch)
{
  const DcnnMask *from = src;
  if (!radius && dst->words != src->words)
    dcnn_mask_copy (dst, src);
  while (radius > 0) {
    /* Squares add up; up to 8 px stay inside the neighbouring words. */
    uint32_t r = radius > 8 ? 8 : radius;
    DcnnMaskAxis axis = { 2 * (int64_t) r + 1, -(int64_t) r, 1, 1, 1, NULL };
    dcnn_mask_candidates_axes (dst, from, &axis, &axis, scratch);
    from = dst;
    radius -= r;
  }
}

#endif
