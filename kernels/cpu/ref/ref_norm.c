/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_norm.c - normalisations, in double. Each reads its inputs and writes
 * every element of its outputs.
 */
#include "ref.h"
#include "ref_util.h"

/* Inputs: x, scale, bias, mean, variance; the latter four per channel. */
DCNN_REF (batch_norm)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  int64_t channels, n;
  if (!out)
    return;
  channels = in->rank > 1 ? in->dims[1] : 1;
  n = ref_product (in, 2, in->rank);
  for (int64_t plane = 0; plane < in->dims[0] * channels; plane++) {
    int64_t c = plane % channels;
    double gain = dcnn_ref_get (inputs[1], c)
        / sqrt (dcnn_ref_get (inputs[4], c) + params->norm.epsilon);
    double mean = dcnn_ref_get (inputs[3], c);
    double bias = dcnn_ref_get (inputs[2], c);
    for (int64_t i = plane * n; i < (plane + 1) * n; i++)
      dcnn_ref_set (out, i, (dcnn_ref_get (in, i) - mean) * gain + bias);
  }
}

/* Mean and 1/deviation of the n elements from `at` on. */
static void
moments (const DcnnTensor *in, int64_t at, int64_t n, double epsilon,
    double *mean, double *inverse)
{
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++)
    sum += dcnn_ref_get (in, at + i);
  *mean = sum / (double) n;
  for (int64_t i = 0; i < n; i++) {
    double d = dcnn_ref_get (in, at + i) - *mean;
    squares += d * d;
  }
  *inverse = 1 / sqrt (squares / (double) n + epsilon);
}

/* Normalises groups of channels of each image; scale and bias per channel. */
static void
normalise_groups (const DcnnTensor *in, const DcnnTensor *scale,
    const DcnnTensor *bias, const DcnnTensor *out, int64_t groups,
    double epsilon)
{
  int64_t channels = in->dims[1], plane = ref_product (in, 2, in->rank);
  int64_t n = channels / groups * plane;
  for (int64_t g = 0; g < in->dims[0] * groups; g++) {
    double mean, inverse;
    moments (in, g * n, n, epsilon, &mean, &inverse);
    for (int64_t i = g * n; i < (g + 1) * n; i++) {
      int64_t c = i / plane % channels;
      dcnn_ref_set (out, i, (dcnn_ref_get (in, i) - mean) * inverse
          * dcnn_ref_get (scale, c) + dcnn_ref_get (bias, c));
    }
  }
}

DCNN_REF (instance_norm)
{
  if (outputs[0])
    normalise_groups (inputs[0], inputs[1], inputs[2], outputs[0],
        inputs[0]->dims[1], params->norm.epsilon);
}

DCNN_REF (group_norm)
{
  if (outputs[0])
    normalise_groups (inputs[0], inputs[1], inputs[2], outputs[0],
        params->norm.groups, params->norm.epsilon);
}

/* Inputs: x, scale, bias or NULL; outputs: y, mean, 1/deviation. */
DCNN_REF (layer_norm)
{
  const DcnnTensor *in = inputs[0];
  const DcnnTensor *bias = n_inputs > 2 ? inputs[2] : NULL;
  int axis = (int) params->norm.axis;
  int64_t outer = ref_product (in, 0, axis);
  int64_t n = ref_product (in, axis, in->rank);
  for (int64_t o = 0; o < outer; o++) {
    double mean, inverse;
    moments (in, o * n, n, params->norm.epsilon, &mean, &inverse);
    for (int64_t i = 0; outputs[0] && i < n; i++)
      dcnn_ref_set (outputs[0], o * n + i,
          (dcnn_ref_get (in, o * n + i) - mean) * inverse
          * dcnn_ref_get (inputs[1], i) + (bias ? dcnn_ref_get (bias, i) : 0));
    if (n_outputs > 1 && outputs[1])
      dcnn_ref_set (outputs[1], o, mean);
    if (n_outputs > 2 && outputs[2])
      dcnn_ref_set (outputs[2], o, inverse);
  }
}

/* Local response normalisation across `size` neighbouring channels. */
DCNN_REF (lrn)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  const DcnnLrnParams *p = &params->lrn;
  int64_t channels, plane, n;
  if (!out)
    return;
  channels = in->dims[1];
  plane = ref_product (in, 2, in->rank);
  n = dcnn_tensor_count (in);
  for (int64_t i = 0; i < n; i++) {
    int64_t c = i / plane % channels, first = c - (p->size - 1) / 2;
    int64_t last = c + p->size / 2;
    double squares = 0;
    first = first < 0 ? 0 : first;
    last = last >= channels ? channels - 1 : last;
    for (int64_t k = first; k <= last; k++) {
      double x = dcnn_ref_get (in, i + (k - c) * plane);
      squares += x * x;
    }
    dcnn_ref_set (out, i, dcnn_ref_get (in, i)
        / pow (p->bias + p->alpha / (double) p->size * squares, p->beta));
  }
}
