/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * depthwise.h - prepared depthwise convolutions, plain and transposed: one
 * filter a channel, output channel c reads input channel c.
 */
#ifndef DCNN_DEPTHWISE_H
#define DCNN_DEPTHWISE_H

#include "prepared.h"
#include "window.h"

typedef struct DcnnDepthwise {
  DcnnPrepared base;
  DcnnWindowPlan window;
  uint32_t channels;
  uint32_t stride;       /* floats from tap to tap in weights: channels rounded
                            up to 16 */
  const float *zeros;    /* [stride] */
  const float *bias;     /* [stride], 0 past channels */
  const float *weights;  /* [tap of window.taps][stride], 0 past channels */
} DcnnDepthwise;

/* See dcnn_k_depthwise_prepare; transposed: weights are [channels][1][kh][kw],
 * the same order. */
DcnnPrepared *dcnn_depthwise_prepare (const DcnnConvParams *params,
    bool transposed, uint32_t channels, const float *weights,
    const float *bias);

#endif
