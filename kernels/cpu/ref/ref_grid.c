/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_grid.c - a map read at places that another tensor gives.
 */
#include "grid_taps.h"
#include "ref.h"

/* grid [n, h, w, 2]: x and y of each out pixel. */
DCNN_REF (grid_sample)
{
  const DcnnTensor *in = inputs[0], *grid = inputs[1], *out = outputs[0];
  int64_t pixels, plane, from[DCNN_GRID_TAPS];
  double weight[DCNN_GRID_TAPS];

  if (!out || dcnn_tensor_count (out) == 0)
    return;
  pixels = out->dims[2] * out->dims[3];
  plane = in->dims[2] * in->dims[3];
  for (int64_t n = 0; n < out->dims[0]; n++)
    for (int64_t i = 0; i < pixels; i++) {
      const int64_t at = (n * pixels + i) * 2;
      const int taps = grid_taps (&params->grid, in->dims + 2,
          dcnn_ref_get (grid, at + 1), dcnn_ref_get (grid, at), from, weight);
      for (int64_t c = n * in->dims[1]; c < (n + 1) * in->dims[1]; c++) {
        double sum = 0;
        for (int t = 0; t < taps; t++)
          sum += weight[t] * dcnn_ref_get (in, c * plane + from[t]);
        dcnn_ref_set (out, c * pixels + i, sum);
      }
    }
}
