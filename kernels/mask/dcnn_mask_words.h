/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_mask_words.h - the algebra of one 8x8 block word and its neighbours.
 *
 * Bit 8 * y + x of a word is pixel (y, x) of the block: a byte is a row, so
 * moving rows is a plain shift and moving columns a shift inside each byte.
 * A positive shift moves pixels right or down. No function branches on data;
 * all of them vectorise over an array of words and run in a CUDA thread.
 * Included by dcnn_mask.h only.
 */
#ifndef DCNN_MASK_WORDS_H
#define DCNN_MASK_WORDS_H

#include <stdint.h>

#ifndef DCNN_MASK_FN
#define DCNN_MASK_FN static inline
#endif

/* Column 0 of every row; multiply by a row to repeat it in every row. */
#define DCNN_WORD_COLUMN UINT64_C (0x0101010101010101)

#ifdef __CUDA_ARCH__
#define DCNN_WORD_COUNT(w) ((uint32_t) __popcll (w))
#define DCNN_WORD_FIRST(w) ((uint32_t) __ffsll ((long long) (w)) - 1)
#else
#define DCNN_WORD_COUNT(w) ((uint32_t) __builtin_popcountll (w))
#define DCNN_WORD_FIRST(w) ((uint32_t) __builtin_ctzll (w)) /* w not 0 */
#endif

/* The first n columns (rows) of a block; n of 8 and more: all. */
DCNN_MASK_FN uint64_t
dcnn_word_columns (uint32_t n)
{
  return n >= 8 ? ~UINT64_C (0) : DCNN_WORD_COLUMN * ((1u << n) - 1);
}

DCNN_MASK_FN uint64_t
dcnn_word_rows (uint32_t n)
{
  return n >= 8 ? ~UINT64_C (0) : (UINT64_C (1) << (8 * n)) - 1;
}

/* The block's pixels after moving right by n, 0..8: `word` is the block, left
 * its left neighbour. Moving left by n is moving (word, right) right by
 * 8 - n. */
DCNN_MASK_FN uint64_t
dcnn_word_shift_x (uint64_t left, uint64_t word, uint32_t n)
{
  uint64_t kept = DCNN_WORD_COLUMN * (0xffu & (0xffu << n));
  return (n < 8 ? (word << n) & kept : 0) | ((left >> (8 - n)) & ~kept);
}

/* The same downwards; up is the neighbour above. */
DCNN_MASK_FN uint64_t
dcnn_word_shift_y (uint64_t up, uint64_t word, uint32_t n)
{
  /* Two half shifts: a shift by 64 is undefined. */
  return ((word << (4 * n)) << (4 * n)) | ((up >> (32 - 4 * n)) >> (32 - 4 * n));
}

/* Union of the block moved right by low, low + 1 ... high; -8 <= low <= high
 * <= 8. */
DCNN_MASK_FN uint64_t
dcnn_word_dilate_x (uint64_t left, uint64_t word, uint64_t right, int low,
    int high)
{
  uint64_t all = 0;
  for (int s = low; s <= high; s++)
    all |= s < 0 ? dcnn_word_shift_x (word, right, (uint32_t) (s + 8))
                 : dcnn_word_shift_x (left, word, (uint32_t) s);
  return all;
}

/* The same downwards. */
DCNN_MASK_FN uint64_t
dcnn_word_dilate_y (uint64_t up, uint64_t word, uint64_t down, int low,
    int high)
{
  uint64_t all = 0;
  for (int s = low; s <= high; s++)
    all |= s < 0 ? dcnn_word_shift_y (word, down, (uint32_t) (s + 8))
                 : dcnn_word_shift_y (up, word, (uint32_t) s);
  return all;
}

/* Even columns of two blocks side by side, as one block. */
DCNN_MASK_FN uint64_t
dcnn_word_halve_x (uint64_t left, uint64_t right)
{
  uint64_t w = (left & UINT64_C (0x5555555555555555));
  uint64_t v = (right & UINT64_C (0x5555555555555555));
  w = (w | (w >> 1)) & UINT64_C (0x3333333333333333);
  v = (v | (v >> 1)) & UINT64_C (0x3333333333333333);
  w = (w | (w >> 2)) & UINT64_C (0x0f0f0f0f0f0f0f0f);
  v = (v | (v >> 2)) & UINT64_C (0x0f0f0f0f0f0f0f0f);
  return w | (v << 4);
}

/* Even rows of two blocks, one above the other, as one block. */
DCNN_MASK_FN uint64_t
dcnn_word_halve_y (uint64_t up, uint64_t down)
{
  uint64_t w = up & UINT64_C (0x00ff00ff00ff00ff);
  uint64_t v = down & UINT64_C (0x00ff00ff00ff00ff);
  w = (w | (w >> 8)) & UINT64_C (0x0000ffff0000ffff);
  v = (v | (v >> 8)) & UINT64_C (0x0000ffff0000ffff);
  w = (w | (w >> 16)) & UINT64_C (0x00000000ffffffff);
  v = (v | (v >> 16)) & UINT64_C (0x00000000ffffffff);
  return w | (v << 32);
}

/* The left (half 0) or right (half 1) four columns, spread to the even
 * columns of a block. */
DCNN_MASK_FN uint64_t
dcnn_word_double_x (uint64_t word, uint32_t half)
{
  uint64_t w = (word >> (4 * half)) & UINT64_C (0x0f0f0f0f0f0f0f0f);
  w = (w | (w << 2)) & UINT64_C (0x3333333333333333);
  return (w | (w << 1)) & UINT64_C (0x5555555555555555);
}

/* The upper (half 0) or lower (half 1) four rows, spread to the even rows. */
DCNN_MASK_FN uint64_t
dcnn_word_double_y (uint64_t word, uint32_t half)
{
  uint64_t w = (word >> (32 * half)) & UINT64_C (0x00000000ffffffff);
  w = (w | (w << 16)) & UINT64_C (0x0000ffff0000ffff);
  return (w | (w << 8)) & UINT64_C (0x00ff00ff00ff00ff);
}

/* One column in column 0; one row in row 0. */
DCNN_MASK_FN uint64_t
dcnn_word_column (uint64_t word, uint32_t x)
{
  return (word >> x) & DCNN_WORD_COLUMN;
}

DCNN_MASK_FN uint64_t
dcnn_word_row (uint64_t word, uint32_t y)
{
  return (word >> (8 * y)) & 0xff;
}

/* Takes the lowest run of set bits off a word that has one: where it begins. */
DCNN_MASK_FN uint32_t
dcnn_word_take_run (uint64_t *bits, uint32_t *length)
{
  uint32_t first = DCNN_WORD_FIRST (*bits);
  uint64_t ends = ~(*bits >> first);
  *length = ends ? DCNN_WORD_FIRST (ends) : 64;
  *bits &= *bits + (*bits & (0 - *bits));
  return first;
}

/* Bit k of each of 8 bytes as one row: byte x gives column x. */
DCNN_MASK_FN uint64_t
dcnn_word_gather_row (const uint8_t *bytes, uint32_t k)
{
  uint64_t w = (uint64_t) bytes[0] | (uint64_t) bytes[1] << 8
      | (uint64_t) bytes[2] << 16 | (uint64_t) bytes[3] << 24
      | (uint64_t) bytes[4] << 32 | (uint64_t) bytes[5] << 40
      | (uint64_t) bytes[6] << 48 | (uint64_t) bytes[7] << 56;
  return (((w >> k) & DCNN_WORD_COLUMN) * UINT64_C (0x0102040810204080)) >> 56;
}

#endif
