/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_map.h - a feature map as kernels see it, and the list of pixels they
 * work on.
 *
 * Layout: NHWC. A pixel is `channels` consecutive floats starting at
 *     data + row_offset[y] + col_offset[x]
 * with (x, y) in window coordinates. The two tables carry the torus (canvas
 * coordinate modulo window size), so a moved window costs kernels nothing.
 *
 * Storage rules, which whoever allocates holds:
 *  - data is 64-byte aligned when it is the start of a buffer; a view on a
 *    channel slice of a buffer may start at any float;
 *  - a pixel of a buffer occupies channels rounded up to DCNN_LANES floats,
 *    or exactly 4 for buffers of up to 4 channels; lanes past `channels` hold
 *    finite values that nobody may depend on;
 *  - DCNN_OVERREAD floats after the last pixel of a buffer may be read;
 *  - kernels write lanes past `channels` only up to the end of the pixel's own
 *    storage (`writable`), so that views side by side never touch.
 *
 * A map of whole numbers of which none is more than 255 over another may be of
 * bytes: a pixel is `channels` bytes from bytes + row_offset[y] +
 * col_offset[x], each its value - low; everything else is said in bytes instead
 * of floats, and data is NULL. Only kernels of bytes (dcnn_kernels.h) may meet
 * one.
 */
#ifndef DCNN_MAP_H
#define DCNN_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DCNN_LANES 8     /* channel padding of feature maps, floats */
#define DCNN_OVERREAD 32 /* floats that may be read past a buffer's end */

/* n floats of a pixel as whole vectors of DCNN_LANES. */
static inline uint32_t
dcnn_padded (uint32_t n)
{
  return (n + DCNN_LANES - 1) / DCNN_LANES * DCNN_LANES;
}

typedef struct DcnnMap {
  float *data;
  uint32_t width, height;     /* window size, pixels; at most 32767 each */
  uint32_t channels;          /* floats that mean something */
  uint32_t writable;          /* floats that may be written per pixel */
  const uint32_t *row_offset; /* [height] floats */
  const uint32_t *col_offset; /* [width] floats */
  const uint32_t *torus;      /* torus[0], torus[1]: y and x offset in pixels;
                                 both 0: rows and columns are evenly spaced */
  uint8_t *bytes;             /* NULL: a map of floats */
  int32_t low;                /* the value of a byte of 0 */
} DcnnMap;

static inline float *
dcnn_map_pixel (const DcnnMap *map, uint32_t y, uint32_t x)
{
  return map->data + map->row_offset[y] + map->col_offset[x];
}

static inline uint8_t *
dcnn_map_bytes (const DcnnMap *map, uint32_t y, uint32_t x)
{
  return map->bytes + map->row_offset[y] + map->col_offset[x];
}

/* Any map's value at a position of a pixel. */
static inline float
dcnn_map_value (const DcnnMap *map, uint32_t y, uint32_t x, uint32_t c)
{
  return map->bytes ? (float) (dcnn_map_bytes (map, y, x)[c] + map->low)
      : dcnn_map_pixel (map, y, x)[c];
}

/* Where the pixels lie, and the bytes of one element of them. */
static inline uintptr_t
dcnn_map_start (const DcnnMap *map)
{
  return map->bytes ? (uintptr_t) map->bytes : (uintptr_t) map->data;
}

static inline uintptr_t
dcnn_map_unit (const DcnnMap *map)
{
  return map->bytes ? 1 : sizeof (float);
}

/* Lists go through the map in tiles this many columns wide and 8 rows high, in
 * each row by row from left to right: long runs, and windows whose rows are
 * still near. */
#define DCNN_LIST_TILE 32

/* One entry of a pixel list: y in bits 16..30, x in bits 0..14, and a flag. */
#define DCNN_PIXEL_FORCE 0x80000000u /* invalid before: always joins */
#define DCNN_PIXEL(y, x) (((uint32_t) (y) << 16) | (uint32_t) (x))
#define DCNN_PIXEL_Y(p) (((p) >> 16) & 0x7fffu)
#define DCNN_PIXEL_X(p) ((p) & 0x7fffu)

/* What became of a pixel: one byte per list entry. */
enum {
  DCNN_VERDICT_SAME = 0,   /* no channel differs; nothing stored */
  DCNN_VERDICT_KEPT = 1,   /* differs, not significant; nothing stored */
  DCNN_VERDICT_JOINED = 2, /* stored, joins the update mask */
};

#endif
