/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_plan_op.h - internal: what a node of a plan computes, as lowered from
 * the graph and before any device packs it.
 *
 * Everything here is by logical channel: channel c of a map is the c-th of the
 * ONNX tensor, wherever a device puts it in a pixel (on the cpu
 * PlanMap.position says where). Arrays are float32, in ONNX order, and live as
 * long as the plan: pointers to const are borrowed from the graph's constants,
 * the others are the plan's own.
 */
#ifndef DCNN_PLAN_OP_H
#define DCNN_PLAN_OP_H

#include <glib.h>

#include "dcnn_fused.h"
#include "dcnn_params.h"

G_BEGIN_DECLS

/* Which fields hold something follows from PlanNode.primary:
 *
 *   CONV, GROUP_CONV, DEPTHWISE  conv, weights [out][in / groups][kh][kw],
 *                                bias [out]
 *   CONV_TRANSPOSE               conv, weights [in][out / groups][kh][kw],
 *                                bias [out]
 *   MAX_POOL, AVERAGE_POOL       pool
 *   COPY                         source
 *   RESAMPLE                     fill, and PlanNode.index_y, index_x
 *   RESIZE                       weight_y, weight_x, and PlanNode.index_y,
 *                                index_x, taps_y, taps_x
 *   SPACE_TO_DEPTH               block, source
 *   DEPTH_TO_SPACE               block, crd
 *   SOFTMAX                      log_form
 *   ARG_MAX                      select_last
 *   CHANNEL_REDUCE               reduce
 *   LAYER_NORM                   epsilon, scale, bias [channels]
 *
 * The rest is zero. */
typedef struct PlanOp {
  guint in_channels, out_channels; /* logical, of the in and out maps */
  DcnnConvParams conv;
  const float *weights;
  const float *bias;       /* NULL: zeros */
  float *own_weights;      /* what weights points to when it had to be made;
                              NULL: borrowed */
  DcnnPoolParams pool;
  guint32 *source;         /* [out_channels], owned.
                              COPY: the in channel that goes to an out channel;
                              NULL: the same.
                              SPACE_TO_DEPTH: (by * block + bx) * in_channels +
                              c, the pixel of the block and the channel of it
                              that goes to an out channel */
  float fill;              /* where an index is UINT32_MAX */
  float *weight_y;         /* [out height][taps_y], owned */
  float *weight_x;         /* [out width][taps_x], owned */
  guint block;
  gboolean crd;            /* out channel c of pixel (by, bx) of the block is
                              in channel c block^2 + by block + bx; else
                              (by block + bx) out_channels + c */
  gboolean log_form;
  gboolean select_last;    /* of equal values, else the first */
  DcnnChannelReduce reduce;
  float epsilon;
  const float *scale;      /* NULL: ones */
} PlanOp;

/* A point-wise step. */
typedef struct PlanStep {
  DcnnStepKind kind;
  DcnnOperandKind operand;
  float a, b;              /* a: the SCALAR, too */
  gint map;                /* MAP, PIXEL, or a 1x1 map for VECTOR; -1 */
  float *vector;           /* constant VECTOR, [out channels], owned; NULL */
} PlanStep;

/* What a normalisation makes of the map whose moments it takes: channel c
 * belongs to group c / group_channels. */
typedef struct PlanNorm {
  guint n_groups;
  guint group_channels;    /* of one group */
  gdouble epsilon;
  float *scale, *bias;     /* [channels], owned */
} PlanNorm;

G_END_DECLS

#endif
