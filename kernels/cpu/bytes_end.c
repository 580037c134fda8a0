/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_end.c - the end of all kernels of maps of bytes (bytes_tile.h).
 * Compiled once for each level.
 */
#include "bytes_tile.h"

#ifndef DCNN_ISA_C
#include "bytes_passes.h"
#endif

/* ---- steps ------------------------------------------------------------------ */

/* Steps first .. end - 1, none of which reads a map of bytes. Those that do the
 * same to every element take all rows as one. */
static void
plain_steps (DcnnBytesRun *run, uint32_t first, uint32_t end,
    const DcnnBytesTile *tile)
{
  const uint32_t all = tile->n * (uint32_t) run->stride;

  run->part.n_steps = end;
  if (dcnn_steps_alike (&run->part, first))
    DCNN_FN (dcnn_steps_from) (&run->part, first, tile->pixels, tile->rows, 1,
        0, all, all);
  else
    DCNN_FN (dcnn_steps_from) (&run->part, first, tile->pixels, tile->rows,
        tile->n, 0, run->job->out.channels, run->job->out.channels);
}

static void
run_steps (DcnnBytesRun *run, uint32_t first, const DcnnBytesTile *tile)
{
  const DcnnJob *job = run->job;

  for (uint32_t s = first; s < job->n_steps;) {
    uint32_t end = s;
    while (end < job->n_steps && !job->steps[end].map.bytes)
      end++;
    if (end > s)
      plain_steps (run, s, end, tile);
    if (end < job->n_steps) {
      run->part.n_steps = end + 1;
      DCNN_FN (dcnn_steps_from) (&run->part, end++, tile->pixels, tile->rows,
          tile->n, 0, job->out.channels, job->out.channels);
    }
    s = end;
  }
}

/* ---- the end ------------------------------------------------------------------- */

void
DCNN_FN (dcnn_bytes_end) (DcnnBytesRun *run, uint32_t first_step,
    const DcnnBytesTile *tile)
{
  const DcnnTile floats = { .n = tile->n, .pixels = tile->pixels,
    .places = tile->places, .first = tile->first, .rows = tile->rows,
    .out = (float *const *) tile->out };
#ifndef DCNN_ISA_C
  Pass passes[MOST_PASSES];
  const uint32_t n = find_passes (run->job, first_step, passes);

  for (uint32_t i = 0; i < n; i++)
    run_pass (&passes[i], run->job, tile, i + 1 == n);
  if (n > 0) {
    DCNN_FN (dcnn_bytes_judge) (run->job, tile);
    return;
  }
#endif

  run_steps (run, first_step, tile);
  DCNN_FN (dcnn_judge_tile) (run->job, &floats);
}
