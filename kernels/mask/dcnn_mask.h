/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_mask.h - update masks: one bit a pixel, one 64-bit word an 8x8 block.
 *
 * Block (by, bx) is words[by * blocks_x + bx]; inside a block, bit 8 * y + x.
 * Bits outside the map are always 0: every function keeps it so and may rely
 * on it. Coordinates are window coordinates (never the torus).
 *
 * Everything is static inline and allocation-free, compiled for C and, with
 * DCNN_MASK_FN set to __device__ static inline, for CUDA. The word-level
 * functions (dcnn_word_*) are the algebra; the mask-level functions loop over
 * words. A result's candidates are all pixels that a changed
 * one can reach through a window, and no others.
 */
#ifndef DCNN_MASK_H
#define DCNN_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dcnn_params.h"
#include "deltacnn/mask.h"

#define DCNN_MASK_SLACK 8 /* entries that lists are longer */

/* The functions (implemented in dcnn_mask_words.h, dcnn_mask_ops.h and
 * dcnn_mask_candidates.h, split by concept):
 *
 * size_t dcnn_mask_words (width, height)              words needed
 * void dcnn_mask_init (mask, width, height, words)    sets the fields
 * void dcnn_mask_clear (mask) / _fill (mask)          all 0 / all pixels 1
 * void dcnn_mask_fill_rect (mask, x, y, w, h)         sets; clipped
 * bool dcnn_mask_get (mask, y, x) ; void dcnn_mask_set (mask, y, x)
 * bool dcnn_mask_any (mask) ; uint64_t dcnn_mask_count (mask)
 * bool dcnn_mask_full (mask)                          every pixel set
 * void dcnn_mask_copy / _or / _and / _and_not (dst, src)      dst op= src
 * void dcnn_mask_dilate (dst, src, radius, scratch)   square, any radius; dst
 *       may be src
 *
 * Candidates: output pixels with at least one input tap in src. Exact for
 * every kernel, stride, dilation and pad (a dilated kernel's holes do not
 * count). dst has the output's size and is overwritten.
 *   dcnn_mask_candidates_conv (dst, src, const DcnnWindow *, scratch)
 *   dcnn_mask_candidates_transposed (dst, src, const DcnnWindow *, scratch)
 *   dcnn_mask_candidates_table (dst, src, taps_y, index_y, taps_x, index_x,
 *       scratch): output (y, x) reads rows index_y[y*taps_y ..] and columns
 *       index_x[...]; UINT32_MAX is no tap (Resize, Slice, Pad, DepthToSpace)
 * Bytes of scratch: dcnn_mask_scratch_bytes (src w, h, dst w, h) serves all.
 *
 * void dcnn_mask_shift (dst, src, dy, dx)             dst(y, x) = src(y - dy,
 *       x - dx); any amount; what enters is 0
 * size_t dcnn_mask_to_list (mask, list)               DCNN_PIXEL codes, tile
 *       by tile (DCNN_LIST_TILE); list has room for dcnn_mask_count() +
 *       DCNN_MASK_SLACK entries
 * size_t dcnn_mask_rows_to_list (mask, first, end, list)   of rows first ..
 *       end - 1 <= height, in the same order
 * void dcnn_mask_from_list (mask, list, n)            ORs in; the flag is ignored
 * void dcnn_mask_from_verdicts (listed, joined, kept, verdicts)
 *       overwrites nothing: ORs JOINED pixels of the list of a mask into
 *       joined and KEPT ones into kept (which may be NULL);
 *       DCNN_MASK_SLACK verdicts past the last may be read
 * void dcnn_mask_from_verdicts_dense (joined, kept, verdicts)   [h*w] bytes
 * size_t dcnn_mask_blocks_to_list (mask, blocks)      indices of non-empty
 *       blocks, ascending
 */
#include "dcnn_mask_words.h"
#include "dcnn_mask_ops.h"
#include "dcnn_mask_candidates.h"

#endif
