/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * depthwise_prepare.c - packing depthwise weights (depthwise.h).
 */
#include "depthwise.h"

#include <string.h>

static void
pack_weights (DcnnDepthwise *depthwise, const float *from, float *to)
{
  const DcnnWindowPlan *window = &depthwise->window;
  size_t area = (size_t) window->kernel_y * window->kernel_x;

  for (uint32_t t = 0; t < window->n_taps; t++) {
    const DcnnTap *tap = &window->taps[t];
    for (uint32_t c = 0; c < depthwise->channels; c++)
      to[(size_t) t * depthwise->stride + c] =
          from[c * area + tap->ky * window->kernel_x + tap->kx];
  }
}

DcnnPrepared *
dcnn_depthwise_prepare (const DcnnConvParams *params, bool transposed,
    uint32_t channels, const float *weights, const float *bias)
{
  const DcnnWindow *w = &params->window;
  size_t n_taps = (size_t) (w->kernel[0] * w->kernel[1]);
  size_t stride = ((size_t) channels + 15) & ~(size_t) 15;
  size_t head = DCNN_ALIGN64 (sizeof (DcnnDepthwise));
  size_t plan_bytes = DCNN_ALIGN64 (dcnn_window_plan_bytes (params,
          transposed));
  DcnnDepthwise *depthwise = dcnn_prepared_new (head + plan_bytes +
      (n_taps + 2) * stride * sizeof (float));

  if (!depthwise)
    return NULL;
  char *memory = (char *) depthwise + head;
  dcnn_window_plan_fill (&depthwise->window, params, transposed, memory);
  float *floats = (float *) (void *) (memory + plan_bytes);
  depthwise->base.depthwise = true;
  depthwise->channels = channels;
  depthwise->stride = (uint32_t) stride;
  depthwise->zeros = floats;
  depthwise->bias = floats + stride;
  depthwise->weights = floats + 2 * stride;
  if (bias)
    memcpy (floats + stride, bias, channels * sizeof (float));
  pack_weights (depthwise, weights, floats + 2 * stride);
  return &depthwise->base;
}

DcnnPrepared *
dcnn_k_depthwise_prepare (const DcnnConvParams *params, uint32_t channels,
    const float *weights, const float *bias)
{
  return dcnn_depthwise_prepare (params, false, channels, weights, bias);
}
