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

/* Places in the work: sparse, indices into job->pixels; dense, y * width + x.
 * Either way place i has verdict byte job->verdicts[i]. These turn the units of
 * a run into places. */
DCNN_INLINE size_t
dcnn_work_place (const DcnnJob *job, size_t unit)
{
  return job->pixels ? unit : unit * job->out.width;
}

/* Writes the list entries of places begin .. begin + n - 1 to pixels. */
static inline void
dcnn_work_pixels (const DcnnJob *job, size_t begin, uint32_t n,
    uint32_t *pixels)
{
  if (job->pixels) {
    memcpy (pixels, job->pixels + begin, n * sizeof *pixels);
    return;
  }
  const uint32_t width = job->out.width;
  uint32_t y = (uint32_t) (begin / width), x = (uint32_t) (begin % width);
  for (uint32_t i = 0; i < n; y++, x = 0) {
    const uint32_t first = DCNN_PIXEL (y, x);
    const uint32_t here = n - i < width - x ? n - i : width - x;
    for (uint32_t j = 0; j < here; j++)
      pixels[i + j] = first + j;
    i += here;
  }
}

/* ---- tile -------------------------------------------------------------- */

/* Rows of a tile are this many floats apart: the channels in whole vectors,
 * plus a cache line against aliasing where they are wide; room for DCNN_LANES
 * bytes at least, as rows may become bytes. */
DCNN_INLINE size_t
dcnn_tile_stride (uint32_t channels)
{
  size_t stride = ((size_t) channels + V_LANES - 1) / V_LANES * V_LANES;
  return stride >= 256 ? stride + 16 : stride < 2 ? 2 : stride;
}

/* n computed rows. Lanes of a scratch row from `channels` up to its stride may
 * hold anything. rows[i] == out[i] says that the row was computed in place. */
typedef struct DcnnTile {
  uint32_t n;
  const uint32_t *pixels;   /* [n] list entries with their flags */
  const uint32_t *places;   /* [n] in the work (see above), relative to `first`;
                               NULL: 0, 1, 2 ... */
  size_t first;
  float *const *rows;       /* [n] */
  float *const *out;        /* [n] the out pixels: dcnn_locate_out */
} DcnnTile;

/* Every row is stored, whatever changed. */
DCNN_INLINE bool
dcnn_job_stores_all (const DcnnJob *job)
{
  return job->significance.kind == DCNN_SIGNIFICANT_ALWAYS;
}

/* And as the floats that it is computed in: kernels compute it in place. */
DCNN_INLINE bool
dcnn_job_in_place (const DcnnJob *job)
{
  return dcnn_job_stores_all (job) && !job->out.bytes;
}

/* Steps from the first_step-th on do the same to every element of every row:
 * they have no operand that differs. */
DCNN_INLINE bool
dcnn_steps_alike (const DcnnJob *job, uint32_t first_step)
{
  for (uint32_t s = first_step; s < job->n_steps; s++)
    if (job->steps[s].operand != DCNN_OPERAND_NONE &&
        job->steps[s].operand != DCNN_OPERAND_SCALAR)
      return false;
  return true;
}

/* Asks for n bytes that will be read soon. */
DCNN_INLINE void
dcnn_prefetch_bytes (const void *p, size_t n)
{
  const char *at = p, *end = at + n;

  for (; at < end; at += 64)
    __builtin_prefetch (at);
}

/* The same for n floats. */
DCNN_INLINE void
dcnn_prefetch (const float *p, size_t n)
{
  dcnn_prefetch_bytes (p, n * sizeof *p);
}

/* Addresses of the out pixels of n entries, of bytes where the out map is. A
 * judged job's are asked for: by the time the rows are computed they have come
 * from memory. */
DCNN_INLINE void
dcnn_locate_out (const DcnnJob *job, const uint32_t *pixels, uint32_t n,
    float **out)
{
  const bool judged = !dcnn_job_stores_all (job);
  const size_t bytes = job->out.channels * (job->out.bytes ? 1
      : sizeof (float));

  for (uint32_t i = 0; i < n; i++) {
    const uint32_t y = DCNN_PIXEL_Y (pixels[i]), x = DCNN_PIXEL_X (pixels[i]);
    out[i] = job->out.bytes
        ? (float *) (void *) dcnn_map_bytes (&job->out, y, x)
        : dcnn_map_pixel (&job->out, y, x);
    if (judged)
      dcnn_prefetch_bytes (out[i], bytes);
  }
}

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
  const uint32_t channels = out->channels;
  uint32_t c = 0;

  for (; c + 4 * V_LANES <= channels; c += 4 * V_LANES) {
    DCNN_UNROLL
    for (unsigned i = 0; i < 4; i++)
      v_store (pixel + c + i * V_LANES, v_load (row + c + i * V_LANES));
  }
  for (; c + V_LANES <= channels; c += V_LANES)
    v_store (pixel + c, v_load (row + c));
  if (c < channels)
    dcnn_store_lanes (out, pixel, c, v_load (row + c));
}

/* Applies the job's steps from first_step on to channels begin .. begin +
 * count - 1 of n rows, in place. Reads the steps' operands at `pixels`, maps
 * of floats or bytes; may write lanes up to begin + writable - 1 of a row. */
void DCNN_FN (dcnn_steps_from) (const DcnnJob *job, uint32_t first_step,
    const uint32_t *pixels, float *const *rows, uint32_t n, uint32_t begin,
    uint32_t count, uint32_t writable);

/* Judges each finished row's change against its out pixel, stores the rows
 * that join and all verdicts. Reads the tile's rows and out pixels; writes
 * nothing else, but for an out map of bytes, where rows of whole numbers in
 * range become bytes where they lie. */
void DCNN_FN (dcnn_judge_tile) (const DcnnJob *job, const DcnnTile *tile);

/* Rows of the tiles that simple kernels work in, and the scratch they take:
 * the rows alone. */
#define DCNN_TILE_ROWS 32

DCNN_INLINE size_t
dcnn_tile_bytes (const DcnnJob *job)
{
  return DCNN_TILE_ROWS * dcnn_tile_stride (job->out.channels) *
      sizeof (float);
}

/* A tile of scratch or, where rows of whole vectors are stored anyway, of the
 * out map. rows, out: [DCNN_TILE_ROWS]. */
DCNN_INLINE void
dcnn_tile_begin (DcnnTile *tile, const DcnnJob *job, float *scratch,
    float **rows, float **out)
{
  const size_t stride = dcnn_tile_stride (job->out.channels);
  const bool in_place = dcnn_job_in_place (job) &&
      job->out.channels % V_LANES == 0;

  dcnn_locate_out (job, tile->pixels, tile->n, out);
  for (uint32_t i = 0; i < tile->n; i++)
    rows[i] = in_place ? out[i] : scratch + i * stride;
  tile->rows = rows;
  tile->out = out;
}

/* All steps, then the judgement. */
DCNN_INLINE void
dcnn_epilogue (const DcnnJob *job, const DcnnTile *tile)
{
  const bool in_place = tile->rows[0] == tile->out[0];

  DCNN_FN (dcnn_steps_from) (job, 0, tile->pixels, tile->rows, tile->n, 0,
      job->out.channels, in_place ? job->out.writable
      : (uint32_t) dcnn_tile_stride (job->out.channels));
  DCNN_FN (dcnn_judge_tile) (job, tile);
}

#endif
