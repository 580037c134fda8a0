/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_move.c - primaries that only move values: copy, resample, space to
 * depth, depth to space. Each row is a function of one or a few input pixels;
 * cost: the row's bytes, read and written once into the tile.
 */
#include "local_kernel.h"
#include "window.h"

#define JOINED_FLOATS 2048 /* at once: copied and stepped over in the first
                              cache */

/* Exactly n floats: vectors, then the rest one by one. */
DCNN_INLINE void
copy_exact (float *to, const float *from, uint32_t n)
{
  uint32_t c = 0;
  for (; c + V_LANES <= n; c += V_LANES)
    v_store (to + c, v_load (from + c));
  for (; c < n; c++)
    to[c] = from[c];
}

/* Copy: row[c] = in[source[c]], or the value. */
DCNN_INLINE void
copy_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row,
    void *spare)
{
  const float *in = dcnn_map_pixel (&job->in, DCNN_PIXEL_Y (p),
      DCNN_PIXEL_X (p));
  (void) spare;
  if (l->n_runs == 1 && l->runs[0].from != UINT32_MAX) {
    in += l->runs[0].from;
    DCNN_LOCAL_COPY (row, in, l->channels);
    return;
  }
  if (l->gather) {
    for (uint32_t c = 0; c < l->channels; c++)
      row[c] = l->source[c] == UINT32_MAX ? l->value : in[l->source[c]];
    return;
  }
  for (uint32_t i = 0; i < l->n_runs; i++) {
    const DcnnRun *run = &l->runs[i];
    if (run->from != UINT32_MAX)
      copy_exact (row + run->to, in + run->from, run->n);
    else
      for (uint32_t c = 0; c < run->n; c++)
        row[run->to + c] = l->value;
  }
}

/* Resample: the source pixel, or the value in every channel. */
DCNN_INLINE void
resample_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p, float *row,
    void *spare)
{
  uint32_t y = l->index_y[DCNN_PIXEL_Y (p)], x = l->index_x[DCNN_PIXEL_X (p)];
  (void) spare;
  if (y >= job->in.height || x >= job->in.width) {
    for (uint32_t c = 0; c < l->channels; c += V_LANES)
      v_store (row + c, v_set (l->value));
    return;
  }
  const float *in = dcnn_map_pixel (&job->in, y, x);
  DCNN_LOCAL_COPY (row, in, l->channels);
}

/* A block of 2x2 pixels of 3 floats, the first layer of many detectors. All
 * but the last write 4 floats: the next one overwrites what is too much. */
DCNN_INLINE void
space_to_depth_rgb (const DcnnMap *in, uint32_t y, uint32_t x, float *row)
{
  const float *upper = in->data + in->row_offset[y];
  const float *lower = in->data + in->row_offset[y + 1];
  uint32_t left = in->col_offset[x], right = in->col_offset[x + 1];
  memcpy (row, upper + left, 4 * sizeof *row);
  memcpy (row + 3, upper + right, 4 * sizeof *row);
  memcpy (row + 6, lower + left, 4 * sizeof *row);
  memcpy (row + 9, lower + right, 3 * sizeof *row);
}

/* Space to depth: block * block input pixels one after the other. */
DCNN_INLINE void
space_to_depth_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p,
    float *row, void *spare)
{
  uint32_t y = DCNN_PIXEL_Y (p) * l->block, x = DCNN_PIXEL_X (p) * l->block;
  (void) spare;
  if (l->block == 2 && l->channels == 3) {
    space_to_depth_rgb (&job->in, y, x, row);
    return;
  }
  for (uint32_t by = 0; by < l->block; by++)
    for (uint32_t bx = 0; bx < l->block; bx++, row += l->channels)
      copy_exact (row, dcnn_map_pixel (&job->in, y + by, x + bx), l->channels);
}

/* Depth to space: one block's share of the input pixel's channels. */
DCNN_INLINE void
depth_to_space_row (const DcnnJob *job, const DcnnLocal *l, uint32_t p,
    float *row, void *spare)
{
  uint32_t y = DCNN_PIXEL_Y (p), x = DCNN_PIXEL_X (p), b = l->block;
  const float *in = dcnn_map_pixel (&job->in, y / b, x / b);
  uint32_t part = y % b * b + x % b;
  (void) spare;
  if (!l->crd) {
    in += (size_t) part * l->channels;
    DCNN_LOCAL_COPY (row, in, l->channels);
    return;
  }
  for (uint32_t c = 0; c < l->channels; c++)
    row[c] = in[c * b * b + part];
}

DCNN_LOCAL_KERNEL (copy_pixels, copy_row, 0)

/* Rows of the out map that are stored whatever changed, of pixels without
 * gaps: one long row each. */
static void
copy_joined (const DcnnJob *job, size_t begin, size_t end)
{
  const uint32_t all = job->out.width * job->out.channels;

  for (size_t y = begin; y < end; y++) {
    const float *from = dcnn_map_pixel (&job->in, (uint32_t) y, 0);
    float *to = dcnn_map_pixel (&job->out, (uint32_t) y, 0);
    for (uint32_t at = 0; at < all; at += JOINED_FLOATS) {
      uint32_t n = all - at < JOINED_FLOATS ? all - at : JOINED_FLOATS;
      float *row = to + at;
      DCNN_LOCAL_COPY (row, from + at, n);
      DCNN_FN (dcnn_steps_from) (job, 0, NULL, &row, 1, 0, n, n);
    }
  }
}

DcnnKernelFnType DCNN_FN (dcnn_k_copy);
DcnnScratchFnType DCNN_FN (dcnn_k_copy_scratch);

void
DCNN_FN (dcnn_k_copy) (const DcnnJob *job, size_t begin, size_t end,
    void *scratch)
{
  const DcnnLocal *l = (const DcnnLocal *) (const void *) job->prepared;
  bool joined = !job->pixels && dcnn_job_in_place (job) && !job->verdicts &&
      l->n_runs == 1 && l->runs[0].from == 0 && l->runs[0].n == l->channels &&
      job->out.width * l->channels % V_LANES == 0 &&
      dcnn_columns_even (&job->in, l->channels) &&
      dcnn_columns_even (&job->out, l->channels) && dcnn_steps_alike (job, 0);

  if (joined)
    copy_joined (job, begin, end);
  else
    DCNN_FN (dcnn_k_copy_pixels) (job, begin, end, scratch);
}

size_t
DCNN_FN (dcnn_k_copy_scratch) (const DcnnJob *job)
{
  return DCNN_FN (dcnn_k_copy_pixels_scratch) (job);
}

DCNN_LOCAL_KERNEL (resample, resample_row, 0)
DCNN_LOCAL_KERNEL (space_to_depth, space_to_depth_row, 0)
DCNN_LOCAL_KERNEL (depth_to_space_pixels, depth_to_space_row, 0)

/* Row y of the out map; b, c: the block and the out map's channels. */
DCNN_INLINE void
spread_row (const DcnnJob *job, uint32_t y, uint32_t b, uint32_t c, bool crd)
{
  const size_t first = (size_t) (y % b) * b * (crd ? 1 : c);
  float *row = job->out.data + job->out.row_offset[y];
  const uint32_t *column = job->out.col_offset;

  for (uint32_t x = 0; x < job->in.width; x++) {
    const float *in = dcnn_map_pixel (&job->in, y / b, x) + first;
    for (uint32_t bx = 0; bx < b; bx++) {
      float *to = row + *column++;
      for (uint32_t k = 0; k < c; k++)
        to[k] = crd ? in[(size_t) k * b * b + bx] : in[bx * c + k];
    }
  }
}

/* Whole rows, with the steps behind: without what each pixel of a list costs,
 * which is more than to move a few channels. */
static void
spread_rows (const DcnnJob *job, const DcnnLocal *l, size_t begin, size_t end)
{
  const uint32_t all = job->out.width * job->out.channels;

  for (size_t at = begin; at < end; at++) {
    const uint32_t y = (uint32_t) at;
    if (l->channels == 1)
      spread_row (job, y, l->block, 1, false);
    else
      spread_row (job, y, l->block, l->channels, l->crd);
    for (uint32_t i = 0; job->n_steps > 0 && i < all; i += JOINED_FLOATS) {
      uint32_t n = all - i < JOINED_FLOATS ? all - i : JOINED_FLOATS;
      float *row = dcnn_map_pixel (&job->out, y, 0) + i;
      DCNN_FN (dcnn_steps_from) (job, 0, NULL, &row, 1, 0, n, n);
    }
  }
}

DcnnKernelFnType DCNN_FN (dcnn_k_depth_to_space);
DcnnScratchFnType DCNN_FN (dcnn_k_depth_to_space_scratch);

void
DCNN_FN (dcnn_k_depth_to_space) (const DcnnJob *job, size_t begin, size_t end,
    void *scratch)
{
  const DcnnLocal *l = (const DcnnLocal *) (const void *) job->prepared;
  bool rows = !job->pixels && dcnn_job_in_place (job) && !job->verdicts &&
      (l->crd || l->channels < V_LANES) &&
      job->out.width == job->in.width * l->block &&
      (job->n_steps == 0 || (job->out.width * l->channels % V_LANES == 0 &&
      dcnn_columns_even (&job->out, l->channels) &&
      dcnn_steps_alike (job, 0)));

  if (rows)
    spread_rows (job, l, begin, end);
  else
    DCNN_FN (dcnn_k_depth_to_space_pixels) (job, begin, end, scratch);
}

size_t
DCNN_FN (dcnn_k_depth_to_space_scratch) (const DcnnJob *job)
{
  return DCNN_FN (dcnn_k_depth_to_space_pixels_scratch) (job);
}
