/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_resize.c - Resize (and Upsample) of any number of dimensions: nearest,
 * linear and cubic as a product of one-dimensional taps (dcnn_resize.h).
 * Reads input 0, writes every element of output 0.
 */
#include "ref.h"
#include "ref_util.h"

#include "../../dcnn_resize.h"

/* Sum over the taps of dimensions dim and later, of the input from `base`. */
static double
sample (const DcnnTensor *in, const DcnnResizeTaps *taps,
    const int64_t *strides, int dim, int64_t base)
{
  double sum = 0;
  while (dim < in->rank && taps[dim].n == 1)
    base += taps[dim].position[0] * strides[dim], dim++;
  if (dim == in->rank)
    return dcnn_ref_get (in, base);
  for (int i = 0; i < taps[dim].n; i++)
    sum += taps[dim].weight[i] * sample (in, taps, strides, dim + 1,
        base + taps[dim].position[i] * strides[dim]);
  return sum;
}

DCNN_REF (resize)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  const DcnnResizeParams *p = &params->resize;
  DcnnResizeTaps taps[DCNN_MAX_RANK];
  int64_t strides[DCNN_MAX_RANK], index[DCNN_MAX_RANK] = { 0 };
  int64_t seen[DCNN_MAX_RANK], at = 0;

  if (!out || dcnn_tensor_count (out) == 0)
    return;
  ref_strides (in, strides);
  for (int i = 0; i < out->rank; i++)
    seen[i] = -1;
  do {
    bool outside = false;
    for (int i = 0; i < out->rank; i++) {
      if (seen[i] != index[i])
        dcnn_resize_taps (p, i, index[i], in->dims[i], out->dims[i], &taps[i]);
      seen[i] = index[i];
      outside = outside || taps[i].n == 0;
    }
    dcnn_ref_set (out, at++, outside ? p->extrapolation
        : sample (in, taps, strides, 0, 0));
  } while (ref_next (out->rank, out->dims, index));
}
