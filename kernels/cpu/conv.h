/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv.h - prepared convolutions: plain, grouped and transposed alike.
 *
 * Output channels are cut into panels of at most DCNN_PANEL_MAX; a panel knows
 * which input channels it reads (a group's, or those of a few small groups
 * with zero weights between them). Weights of a panel and phase are packed as
 * [tap][input channel][lane], the order in which a kernel reads them.
 * Not for: depthwise (depthwise.h).
 */
#ifndef DCNN_CONV_H
#define DCNN_CONV_H

#include "prepared.h"
#include "window.h"

#define DCNN_PANEL_MAX 48

typedef struct DcnnPanel {
  uint32_t out_begin, out_count; /* output channels */
  uint32_t in_begin, in_count;   /* floats of an input pixel */
  uint32_t lanes;                /* out_count rounded up: stride of weights */
} DcnnPanel;

/* The panels that one level wants, and their weights. */
typedef struct DcnnPacking {
  uint32_t n_panels;             /* 0: not packed for this level */
  const DcnnPanel *panels;
  const size_t *offsets;         /* [phase * n_panels + panel], floats */
  const float *weights;          /* 64-byte aligned */
  size_t weight_count;           /* floats */
} DcnnPacking;

typedef struct DcnnConv {
  DcnnPrepared base;
  DcnnWindowPlan window;
  uint32_t out_channels, in_span;
  uint32_t groups;
  const float *zeros;            /* [in_span + 16], all 0 */
  const float *bias;             /* [out_channels + DCNN_PANEL_MAX] */
  DcnnPacking packing[DCNN_LEVEL_COUNT];
} DcnnConv;

/* The packing for a level; level "c" reads any that is there. */
const DcnnPacking *dcnn_conv_packing (const DcnnConv *conv, DcnnIsa level);

#endif
