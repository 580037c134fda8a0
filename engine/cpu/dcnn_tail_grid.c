/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tail_grid.c - GridSample in tails: tiles of pixels are shared out.
 */
#include "dcnn_tail.h"

typedef struct Work {
  DcnnGrid grid;
  DcnnGridFn fn;
} Work;

static void
run_tiles (gpointer data, gsize begin, gsize end, guint thread)
{
  const Work *work = data;

  for (gsize i = begin; i < end; i++)
    work->fn (&work->grid, i * DCNN_GRID_TILE, MIN (DCNN_GRID_TILE,
            work->grid.pixels - i * DCNN_GRID_TILE));
}

gboolean
dcnn_tail_grid (TailRun *run)
{
  const DcnnTensor *in = run->in[0], *out = run->out;
  Work work = { .fn = run->session->cpu->kernels->grid, .grid = {
      .params = &run->gn->params.grid, .size = { in->dims[2], in->dims[3] },
      .channels = (gsize) in->dims[1], .pixels = (gsize) (out->dims[2] *
          out->dims[3]) } };
  const gsize tiles = (work.grid.pixels + DCNN_GRID_TILE - 1) / DCNN_GRID_TILE;

  for (gsize n = 0; n < (gsize) out->dims[0]; n++) {
    work.grid.in = (const float *) in->data + n * work.grid.channels * (gsize)
        (in->dims[2] * in->dims[3]);
    work.grid.grid = (const float *) run->in[1]->data + n * work.grid.pixels * 2;
    work.grid.out = (float *) out->data + n * work.grid.channels *
        work.grid.pixels;
    dcnn_run_parallel (run->session, tiles, 1, work.grid.pixels *
        (work.grid.channels + 8) * 8, run_tiles, &work);
  }
  dcnn_tail_list_rows (run, 0, TRUE);
  return TRUE;
}
