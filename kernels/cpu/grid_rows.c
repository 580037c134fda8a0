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

/* What the pixels of a tile read: all of one count, of which those that a pixel
 * has not are read at any place and left out. */
typedef struct Taps {
  int32_t at[DCNN_GRID_TAPS][TILE];
  float weight[DCNN_GRID_TAPS][TILE];
  int32_t have[TILE];
} Taps;

/* Whether each pixel has all. */
static bool
find_taps (const DcnnGrid *g, size_t first, size_t n, int taps, Taps *found)
{
  bool all = true;

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
    found->have[i] = have;
    all &= have == taps;
  }
  return all;
}

/* A channel of a tile. taps and all are constants where this is expanded. */
DCNN_INLINE void
read_channel (const float *in, const Taps *found, const int taps, const bool all,
    size_t n, float *restrict out)
{
  for (size_t i = 0; i < n; i++) {
    float sum = 0;
    DCNN_UNROLL
    for (int t = 0; t < taps; t++) {
      const float product = found->weight[t][i] * in[found->at[t][i]];
      /* no number is not one times 0 */
      sum += all || t < found->have[i] ? product : 0;
    }
    out[i] = sum;
  }
}

DCNN_INLINE void
read_channels (const DcnnGrid *g, const Taps *found, const int taps,
    const bool all, size_t first, size_t n)
{
  for (size_t c = 0; c < g->channels; c++)
    read_channel (g->in + c * (size_t) (g->size[0] * g->size[1]), found, taps,
        all, n, g->out + c * g->pixels + first);
}

/* See DcnnGridFn. */
void
DCNN_FN (dcnn_k_grid) (const DcnnGrid *g, size_t first, size_t n)
{
  const int taps = g->params->mode == DCNN_GRID_NEAREST ? 1
      : g->params->mode == DCNN_GRID_LINEAR ? 4 : 16;
  Taps found;
  const bool all = find_taps (g, first, n, taps, &found);

  if (taps == 1 && all)
    read_channels (g, &found, 1, true, first, n);
  else if (taps == 1)
    read_channels (g, &found, 1, false, first, n);
  else if (taps == 4 && all)
    read_channels (g, &found, 4, true, first, n);
  else if (taps == 4)
    read_channels (g, &found, 4, false, first, n);
  else if (all)
    read_channels (g, &found, 16, true, first, n);
  else
    read_channels (g, &found, 16, false, first, n);
}
