/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * epilogue.h - what every kernel does with the rows it has computed: the
 * point-wise steps, the judgement of the change, the store and the verdict.
 * Also the walk over a job's pixels that sparse and dense runs share.
 *
 * Compiled into each kernel source, once for each level (isa.h).
 */
#ifndef DCNN_EPILOGUE_H
#define DCNN_EPILOGUE_H

#include "dcnn_kernels.h"
#include "simd.h"

/* ---- work -------------------------------------------------------------- */

/* Positions: sparse, indices into job->pixels; dense, y * width + x. Either
 * way position i has verdict byte job->verdicts[i]. These turn the units of a
 * run into positions. */
DCNN_INLINE size_t
dcnn_work_position (const DcnnJob *job, size_t unit)
{
  return job->pixels ? unit : unit * job->out.width;
}

/* Writes the list entries of positions begin .. begin + n - 1 to pixels. */
static inline void
dcnn_work_pixels (const DcnnJob *job, size_t begin, uint32_t n,
    uint32_t *pixels)
{
  if (job->pixels) {
    memcpy (pixels, job->pixels + begin, n * sizeof *pixels);
    return;
  }
  uint32_t y = (uint32_t) (begin / job->out.width);
  uint32_t x = (uint32_t) (begin % job->out.width);
  for (uint32_t i = 0; i < n; i++) {
    pixels[i] = DCNN_PIXEL (y, x);
    if (++x == job->out.width) {
      x = 0;
      y++;
    }
  }
}

/* ---- tile -------------------------------------------------------------- */

/* Rows of a tile are this many floats apart: the channels rounded up so that
 * any level's vector fits, plus a cache line against aliasing. */
DCNN_INLINE size_t
dcnn_tile_stride (uint32_t channels)
{
  size_t stride = ((size_t) channels + 15) & ~(size_t) 15;
  return stride >= 256 ? stride + 16 : stride;
}

/* n computed rows. Lanes of a row from `channels` up to its stride may hold
 * anything. rows is 64-byte aligned. */
typedef struct DcnnTile {
  uint32_t n;
  const uint32_t *pixels;   /* [n] list entries with their flags */
  const uint32_t *places;   /* [n] positions (see above) relative to `first`;
                               NULL: 0, 1, 2 ... */
  size_t first;
  float *rows;
  size_t stride;            /* dcnn_tile_stride (channels) */
} DcnnTile;

/* Stores channels c .. c + V_LANES - 1 of a row to an out pixel: zeros past
 * `channels`, nothing past `writable`. */
DCNN_INLINE void
dcnn_store_lanes (const DcnnMap *out, float *pixel, uint32_t c, v_t v)
{
  if (c + V_LANES <= out->channels) {
    v_store (pixel + c, v);
    return;
  }
  v = v_keep (v, out->channels - c);
  if (c + V_LANES <= out->writable)
    v_store (pixel + c, v);
  else
    v_store_n (pixel + c, v, out->writable - c);
}

DCNN_INLINE void
dcnn_store_row (const DcnnMap *out, float *pixel, const float *row)
{
  uint32_t c = 0;
  for (; c + V_LANES <= out->channels; c += V_LANES)
    v_store (pixel + c, v_load (row + c));
  if (c < out->channels)
    dcnn_store_lanes (out, pixel, c, v_load (row + c));
}

/* Applies the job's steps from first_step on to the tile's rows (in place),
 * judges each row's change against the out map, stores the rows that join and
 * all verdicts. Reads the steps' operands and the tile's out pixels; writes
 * nothing else. */
void DCNN_FN (dcnn_epilogue_from) (const DcnnJob *job, const DcnnTile *tile,
    uint32_t first_step);

DCNN_INLINE void
dcnn_epilogue (const DcnnJob *job, const DcnnTile *tile)
{
  DCNN_FN (dcnn_epilogue_from) (job, tile, 0);
}

/* Rows of the tiles that simple kernels work in, and the scratch they take:
 * the rows alone. */
#define DCNN_TILE_ROWS 32

DCNN_INLINE size_t
dcnn_tile_bytes (const DcnnJob *job)
{
  return DCNN_TILE_ROWS * dcnn_tile_stride (job->out.channels) *
      sizeof (float);
}

#endif
