/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "input_stage.h"

#include <math.h>
#include <stdlib.h>

#define WEIGHT_ONE 16384

/* The two taps around centre c inside lo .. hi: first, and the second's
 * weight. */
static void
bilinear_taps (double c, uint32_t lo, uint32_t hi, uint32_t *first,
    int16_t *weight)
{
  uint32_t at = lo;
  int w = 0;
  if (c >= hi) {
    at = hi;
  } else if (c > lo) {
    at = (uint32_t) c;
    w = (int) ((c - at) * WEIGHT_ONE + 0.5);
  }
  *first = at;
  weight[0] = (int16_t) (WEIGHT_ONE - w);
  weight[1] = (int16_t) w;
}

/* Box from a to b: every source pixel by how much of it lies inside. Weights
 * are differences of the rounded running sum, so they add up exactly. */
static void
area_taps (double a, double b, uint32_t hi, uint32_t *first, int16_t *weight,
    uint32_t taps)
{
  uint32_t at = a >= hi ? hi : (uint32_t) a;
  int before = 0;
  *first = at;
  for (uint32_t k = 0; k < taps; k++) {
    double until = (double) at + k + 1;
    int sum = until >= b || at + k >= hi || k + 1 == taps ? WEIGHT_ONE
        : (int) ((until - a) / (b - a) * WEIGHT_ONE + 0.5);
    weight[k] = (int16_t) (sum - before);
    before = sum;
  }
}

bool
dcnn_input_axis_init (DcnnInputAxis *axis, DcnnScaling scaling, uint32_t size,
    double start, double extent, uint32_t n, uint32_t multiple)
{
  double step = extent / n;
  double end = start + extent;
  uint32_t lo = (uint32_t) start, hi = (uint32_t) (ceil (end) - 1);
  bool area = scaling == DCNN_SCALING_AREA && step > 1;
  hi = hi >= size ? size - 1 : hi;
  lo = lo > hi ? hi : lo;
  axis->n = n;
  axis->taps = area ? (uint32_t) ceil (step) + 1 : 2;
  if (multiple > 4 && axis->taps > 2 && axis->taps <= 4)
    axis->taps = 4;
  else if (axis->taps > 2)
    axis->taps = (axis->taps + multiple - 1) / multiple * multiple;
  axis->first = calloc (n, sizeof *axis->first);
  axis->weight = calloc ((size_t) n * axis->taps, sizeof *axis->weight);
  if (!axis->first || !axis->weight)
    return false;
  for (uint32_t i = 0; i < n; i++) {
    int16_t *weight = axis->weight + (size_t) i * axis->taps;
    if (area)
      area_taps (start + i * step, start + (i + 1) * step, hi, &axis->first[i],
          weight, axis->taps);
    else if (scaling == DCNN_SCALING_NEAREST)
      bilinear_taps (floor (start + (i + 0.5) * step), lo, hi, &axis->first[i],
          weight);
    else
      bilinear_taps (start + (i + 0.5) * step - 0.5, lo, hi, &axis->first[i],
          weight);
  }
  axis->begin = axis->first[0];
  axis->end = axis->first[n - 1] + axis->taps;
  axis->end = axis->end > hi + 1 ? hi + 1 : axis->end;
  for (uint32_t i = 0; i < n; i++)
    axis->first[i] -= axis->begin;
  return true;
}

void
dcnn_input_axis_clear (DcnnInputAxis *axis)
{
  free (axis->first);
  free (axis->weight);
  axis->first = NULL;
  axis->weight = NULL;
}
