/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * grid_rows.c - dense maps read at places that another tensor gives: where and
 * how much is found once for all channels.
 */
#include "cpu_table.h"
#include "grid_taps.h"
#include "simd.h"

#define TILE DCNN_GRID_TILE

DcnnGridFnType DCNN_FN (dcnn_k_grid);

/* What the pixels of a tile read: all of one count, missing ones with weight 0
 * at a pixel that is read. */
typedef struct Taps {
  int32_t at[DCNN_GRID_TAPS][TILE];
  float weight[DCNN_GRID_TAPS][TILE];
} Taps;

static void
find_taps (const DcnnGrid *g, size_t first, size_t n, int taps, Taps *found)
{
  for (size_t i = 0; i < n; i++) {
    int64_t at[DCNN_GRID_TAPS] = { 0 };
    double weight[DCNN_GRID_TAPS];
    const float *place = g->grid + (first + i) * 2;
    const int have = grid_taps (g->params, g->size, (double) place[1],
        (double) place[0], at, weight);
    for (int t = 0; t < taps; t++) {
      found->at[t][i] = (int32_t) (t < have ? at[t] : at[0]);
      found->weight[t][i] = t < have ? (float) weight[t] : 0;
    }
  }
}

/* A channel of a tile. taps is a constant where this is expanded. */
DCNN_INLINE void
read_channel (const float *in, const Taps *found, const int taps, size_t n,
    float *restrict out)
{
  for (size_t i = 0; i < n; i++) {
    float sum = 0;
    DCNN_UNROLL
    for (int t = 0; t < taps; t++)
      sum += found->weight[t][i] * in[found->at[t][i]];
    out[i] = sum;
  }
}

/* See DcnnGridFn. */
void
DCNN_FN (dcnn_k_grid) (const DcnnGrid *g, size_t first, size_t n)
{
  const int taps = g->params->mode == DCNN_GRID_NEAREST ? 1
      : g->params->mode == DCNN_GRID_LINEAR ? 4 : 16;
  Taps found;

  find_taps (g, first, n, taps, &found);
  for (size_t c = 0; c < g->channels; c++) {
    const float *in = g->in + c * (size_t) (g->size[0] * g->size[1]);
    float *out = g->out + c * g->pixels + first;
    if (taps == 1)
      read_channel (in, &found, 1, n, out);
    else if (taps == 4)
      read_channel (in, &found, 4, n, out);
    else
      read_channel (in, &found, 16, n, out);
  }
}
