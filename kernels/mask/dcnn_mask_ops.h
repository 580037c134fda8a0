/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_mask_ops.h - whole masks: sets, shifts, lists. See dcnn_mask.h for what
 * each function does; dcnn_mask_candidates.h has dilation and candidates.
 * Included by dcnn_mask.h only.
 */
#ifndef DCNN_MASK_OPS_H
#define DCNN_MASK_OPS_H

#include "dcnn_map.h"
#include "dcnn_mask_words.h"

DCNN_MASK_FN size_t
dcnn_mask_words (uint32_t width, uint32_t height)
{
  return (size_t) ((width + 7) / 8) * ((height + 7) / 8);
}

DCNN_MASK_FN void
dcnn_mask_init (DcnnMask *mask, uint32_t width, uint32_t height,
    uint64_t *words)
{
  mask->width = width;
  mask->height = height;
  mask->blocks_x = (width + 7) / 8;
  mask->blocks_y = (height + 7) / 8;
  mask->words = words;
}

DCNN_MASK_FN size_t
dcnn_mask_n_words (const DcnnMask *mask)
{
  return (size_t) mask->blocks_x * mask->blocks_y;
}

/* The pixels of block (by, bx) that lie inside the map. */
DCNN_MASK_FN uint64_t
dcnn_mask_inside (const DcnnMask *mask, uint32_t by, uint32_t bx)
{
  return dcnn_word_columns (mask->width - 8 * bx)
      & dcnn_word_rows (mask->height - 8 * by);
}

/* Clears the bits outside the map. */
DCNN_MASK_FN void
dcnn_mask_trim (DcnnMask *mask)
{
  uint32_t bw = mask->blocks_x, bh = mask->blocks_y;
  if (mask->width & 7)
    for (uint32_t by = 0; by < bh; by++)
      mask->words[(size_t) by * bw + bw - 1] &=
          dcnn_word_columns (mask->width & 7);
  if (mask->height & 7)
    for (uint32_t bx = 0; bx < bw; bx++)
      mask->words[(size_t) (bh - 1) * bw + bx] &=
          dcnn_word_rows (mask->height & 7);
}

DCNN_MASK_FN void
dcnn_mask_clear (DcnnMask *mask)
{
  size_t n = dcnn_mask_n_words (mask);
  for (size_t i = 0; i < n; i++)
    mask->words[i] = 0;
}

DCNN_MASK_FN void
dcnn_mask_fill (DcnnMask *mask)
{
  size_t n = dcnn_mask_n_words (mask);
  for (size_t i = 0; i < n; i++)
    mask->words[i] = ~UINT64_C (0);
  dcnn_mask_trim (mask);
}

/* The part of the range begin .. end - 1 that lies in block b, as a word of
 * columns (dcnn_word_columns) or rows. */
DCNN_MASK_FN uint64_t
dcnn_mask_range_columns (uint32_t b, uint32_t begin, uint32_t end)
{
  uint32_t lo = begin > 8 * b ? begin - 8 * b : 0;
  uint32_t hi = end > 8 * b ? end - 8 * b : 0;
  return dcnn_word_columns (hi) & ~dcnn_word_columns (lo);
}

DCNN_MASK_FN uint64_t
dcnn_mask_range_rows (uint32_t b, uint32_t begin, uint32_t end)
{
  uint32_t lo = begin > 8 * b ? begin - 8 * b : 0;
  uint32_t hi = end > 8 * b ? end - 8 * b : 0;
  return dcnn_word_rows (hi) & ~dcnn_word_rows (lo);
}

DCNN_MASK_FN void
dcnn_mask_fill_rect (DcnnMask *mask, uint32_t x, uint32_t y, uint32_t w,
    uint32_t h)
{
  if (x >= mask->width || y >= mask->height || !w || !h)
    return;
  uint32_t x1 = w < mask->width - x ? x + w : mask->width;
  uint32_t y1 = h < mask->height - y ? y + h : mask->height;
  for (uint32_t by = y / 8; by <= (y1 - 1) / 8; by++)
    for (uint32_t bx = x / 8; bx <= (x1 - 1) / 8; bx++)
      mask->words[(size_t) by * mask->blocks_x + bx] |=
          dcnn_mask_range_columns (bx, x, x1)
          & dcnn_mask_range_rows (by, y, y1);
}

DCNN_MASK_FN bool
dcnn_mask_get (const DcnnMask *mask, uint32_t y, uint32_t x)
{
  uint64_t w = mask->words[(size_t) (y / 8) * mask->blocks_x + x / 8];
  return (w >> (8 * (y & 7) + (x & 7))) & 1;
}

DCNN_MASK_FN void
dcnn_mask_set (DcnnMask *mask, uint32_t y, uint32_t x)
{
  mask->words[(size_t) (y / 8) * mask->blocks_x + x / 8] |=
      UINT64_C (1) << (8 * (y & 7) + (x & 7));
}

DCNN_MASK_FN bool
dcnn_mask_any (const DcnnMask *mask)
{
  size_t n = dcnn_mask_n_words (mask);
  uint64_t all = 0;
  for (size_t i = 0; i < n; i++)
    all |= mask->words[i];
  return all != 0;
}

DCNN_MASK_FN uint64_t
dcnn_mask_count (const DcnnMask *mask)
{
  size_t n = dcnn_mask_n_words (mask);
  uint64_t count = 0;
  for (size_t i = 0; i < n; i++)
    if (mask->words[i])
      count += DCNN_WORD_COUNT (mask->words[i]);
  return count;
}

DCNN_MASK_FN bool
dcnn_mask_full (const DcnnMask *mask)
{
  for (uint32_t by = 0; by < mask->blocks_y; by++)
    for (uint32_t bx = 0; bx < mask->blocks_x; bx++)
      if (mask->words[(size_t) by * mask->blocks_x + bx]
          != dcnn_mask_inside (mask, by, bx))
        return false;
  return true;
}

/* dst and src have the same size. */
DCNN_MASK_FN void
dcnn_mask_copy (DcnnMask *dst, const DcnnMask *src)
{
  size_t n = dcnn_mask_n_words (dst);
  for (size_t i = 0; i < n; i++)
    dst->words[i] = src->words[i];
}

DCNN_MASK_FN void
dcnn_mask_or (DcnnMask *dst, const DcnnMask *src)
{
  size_t n = dcnn_mask_n_words (dst);
  for (size_t i = 0; i < n; i++)
    dst->words[i] |= src->words[i];
}

DCNN_MASK_FN void
dcnn_mask_and (DcnnMask *dst, const DcnnMask *src)
{
  size_t n = dcnn_mask_n_words (dst);
  for (size_t i = 0; i < n; i++)
    dst->words[i] &= src->words[i];
}

DCNN_MASK_FN void
dcnn_mask_and_not (DcnnMask *dst, const DcnnMask *src)
{
  size_t n = dcnn_mask_n_words (dst);
  for (size_t i = 0; i < n; i++)
    dst->words[i] &= ~src->words[i];
}

/* The word of block (by, bx); 0 outside the map. */
DCNN_MASK_FN uint64_t
dcnn_mask_word (const DcnnMask *mask, int64_t by, int64_t bx)
{
  if (by < 0 || bx < 0 || by >= mask->blocks_y || bx >= mask->blocks_x)
    return 0;
  return mask->words[(size_t) by * mask->blocks_x + (size_t) bx];
}

/* dst and src are different masks; sizes may differ. */
DCNN_MASK_FN void
dcnn_mask_shift (DcnnMask *dst, const DcnnMask *src, int32_t dy, int32_t dx)
{
  uint32_t ry = (uint32_t) dy & 7, rx = (uint32_t) dx & 7;
  int64_t qy = ((int64_t) dy - ry) / 8, qx = ((int64_t) dx - rx) / 8;
  for (uint32_t by = 0; by < dst->blocks_y; by++) {
    for (uint32_t bx = 0; bx < dst->blocks_x; bx++) {
      int64_t sy = by - qy, sx = bx - qx;
      uint64_t up = dcnn_word_shift_x (dcnn_mask_word (src, sy - 1, sx - 1),
          dcnn_mask_word (src, sy - 1, sx), rx);
      uint64_t down = dcnn_word_shift_x (dcnn_mask_word (src, sy, sx - 1),
          dcnn_mask_word (src, sy, sx), rx);
      dst->words[(size_t) by * dst->blocks_x + bx] =
          dcnn_word_shift_y (up, down, ry);
    }
  }
  dcnn_mask_trim (dst);
}

#define DCNN_MASK_TILE (DCNN_LIST_TILE / 8) /* blocks side by side */

/* The rows of a tile of up to DCNN_MASK_TILE blocks, as words; false when all
 * are empty. */
DCNN_MASK_FN bool
dcnn_mask_tile_rows (const uint64_t *blocks, uint32_t n, uint64_t rows[8])
{
  uint64_t any = 0;
  for (uint32_t i = 0; i < n; i++)
    any |= blocks[i];
  for (uint32_t y = 0; any && y < 8; y++) {
    rows[y] = 0;
    for (uint32_t i = 0; i < n; i++)
      rows[y] |= dcnn_word_row (blocks[i], y) << (8 * i);
  }
  return any != 0;
}

DCNN_MASK_FN size_t
dcnn_mask_rows_to_list (const DcnnMask *mask, uint32_t first, uint32_t end,
    uint32_t *list)
{
  const uint64_t *blocks = mask->words +
      (size_t) (first / 8) * mask->blocks_x;
  uint64_t rows[8];
  size_t n = 0;
  for (uint32_t by = first / 8; 8 * by < end;
      by++, blocks += mask->blocks_x) {
    const uint32_t from = first > 8 * by ? first - 8 * by : 0;
    const uint32_t to = end < 8 * by + 8 ? end - 8 * by : 8;
    for (uint32_t bx = 0; bx < mask->blocks_x; bx += DCNN_MASK_TILE) {
      const uint32_t left = mask->blocks_x - bx;
      if (!dcnn_mask_tile_rows (blocks + bx,
              left < DCNN_MASK_TILE ? left : DCNN_MASK_TILE, rows))
        continue;
      for (uint32_t y = from; y < to; y++) {
        while (rows[y]) {
          uint32_t length, entry = DCNN_PIXEL (8 * by + y, 8 * bx) +
              dcnn_word_take_run (&rows[y], &length);
          for (uint32_t at = 0; at < length; at += 4)
            for (uint32_t k = 0; k < 4; k++) /* past the run, too */
              list[n + at + k] = entry + at + k;
          n += length;
        }
      }
    }
  }
  return n;
}

DCNN_MASK_FN size_t
dcnn_mask_to_list (const DcnnMask *mask, uint32_t *list)
{
  return dcnn_mask_rows_to_list (mask, 0, mask->height, list);
}

DCNN_MASK_FN void
dcnn_mask_from_list (DcnnMask *mask, const uint32_t *list, size_t n)
{
  for (size_t i = 0; i < n; i++)
    dcnn_mask_set (mask, DCNN_PIXEL_Y (list[i]), DCNN_PIXEL_X (list[i]));
}

/* ORs a row of up to 8 pixels into row y of blocks, from column x on. */
DCNN_MASK_FN void
dcnn_mask_or_row (uint64_t *blocks, uint32_t x, uint32_t y, uint64_t row)
{
  row <<= x & 7;
  blocks[x / 8] |= (row & 0xff) << (8 * y);
  if (row >> 8)
    blocks[x / 8 + 1] |= (row >> 8) << (8 * y);
}

DCNN_MASK_FN void
dcnn_mask_from_verdicts (const DcnnMask *listed, DcnnMask *joined,
    DcnnMask *kept, const uint8_t *verdicts)
{
  uint64_t rows[8];
  for (uint32_t by = 0; by < listed->blocks_y; by++) {
    const size_t first = (size_t) by * listed->blocks_x;
    for (uint32_t bx = 0; bx < listed->blocks_x; bx += DCNN_MASK_TILE) {
      const uint32_t left = listed->blocks_x - bx;
      if (!dcnn_mask_tile_rows (listed->words + first + bx,
              left < DCNN_MASK_TILE ? left : DCNN_MASK_TILE, rows))
        continue;
      for (uint32_t y = 0; y < 8; y++) {
        while (rows[y]) {
          uint32_t length, x = dcnn_word_take_run (&rows[y], &length);
          for (uint32_t at = 0; at < length; at += 8) {
            uint64_t ours = dcnn_word_columns (length - at) & 0xff;
            /* The verdict's bit 0 says KEPT and bit 1 JOINED. */
            dcnn_mask_or_row (joined->words + first + bx, x + at, y,
                dcnn_word_gather_row (verdicts + at, 1) & ours);
            if (kept)
              dcnn_mask_or_row (kept->words + first + bx, x + at, y,
                  dcnn_word_gather_row (verdicts + at, 0) & ours);
          }
          verdicts += length;
        }
      }
    }
  }
}

DCNN_MASK_FN void
dcnn_mask_from_verdicts_dense (DcnnMask *joined, DcnnMask *kept,
    const uint8_t *verdicts)
{
  const DcnnMask *any = joined ? joined : kept;
  if (!any)
    return;
  uint32_t width = any->width, height = any->height;
  for (uint32_t y = 0; y < height; y++) {
    const uint8_t *row = verdicts + (size_t) y * width;
    size_t first = (size_t) (y / 8) * any->blocks_x;
    for (uint32_t x = 0; x < width; x += 8) {
      uint8_t part[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };
      const uint8_t *eight = row + x;
      if (width - x < 8) {
        for (uint32_t i = 0; i < width - x; i++)
          part[i] = row[x + i];
        eight = part;
      }
      /* The verdict's bit 0 says KEPT and bit 1 JOINED. */
      if (joined)
        joined->words[first + x / 8] |=
            dcnn_word_gather_row (eight, 1) << (8 * (y & 7));
      if (kept)
        kept->words[first + x / 8] |=
            dcnn_word_gather_row (eight, 0) << (8 * (y & 7));
    }
  }
}

DCNN_MASK_FN size_t
dcnn_mask_blocks_to_list (const DcnnMask *mask, uint32_t *blocks)
{
  size_t n_words = dcnn_mask_n_words (mask), n = 0;
  for (size_t i = 0; i < n_words; i++) {
    blocks[n] = (uint32_t) i; /* room: n <= i */
    n += mask->words[i] != 0;
  }
  return n;
}

#endif
