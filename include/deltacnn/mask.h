/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mask.h - an update mask: which pixels of a map a frame changed, one bit a
 * pixel, one 64-bit word an 8x8 block.
 *
 * Block (by, bx) is words[by * blocks_x + bx]; inside a block, pixel (y, x) is
 * bit 8 * (y % 8) + x % 8. Bits outside the map are 0. Coordinates are those of
 * the map's window. Pixel (y, x) is thus
 *     words[y / 8 * blocks_x + x / 8] >> (y % 8 * 8 + x % 8) & 1
 *
 * Plain data: a session lends masks for reading (session.h).
 */
#ifndef DCNN_PUBLIC_MASK_H
#define DCNN_PUBLIC_MASK_H

#include <stdint.h>

typedef struct DcnnMask {
  uint32_t width, height;     /* pixels */
  uint32_t blocks_x, blocks_y; /* (width + 7) / 8, (height + 7) / 8 */
  uint64_t *words;            /* [blocks_y * blocks_x]; the holder's */
} DcnnMask;

#endif
