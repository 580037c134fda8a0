/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * criterion.h - internal: when a change of a node's pixel counts
 * (DcnnCriterion), as a kind, a limit and what channels are weighted by. Pure.
 */
#ifndef DCNN_POLICY_CRITERION_H
#define DCNN_POLICY_CRITERION_H

#include "dcnn_fused.h"
#include "deltacnn/session.h"
#include "deltacnn/tensor.h"

G_BEGIN_DECLS

typedef struct DcnnCriterionNode {
  gboolean is_gate;        /* multiplies a whole map */
  gboolean is_output;      /* exact: any difference counts */
  gboolean one_pixel;      /* a map of one pixel: likewise */
  guint channels;
  gfloat threshold;        /* the node's own; NaN: the session's; < 0: pass on */
  gboolean spread_known;   /* of its channels */
  gboolean influence_known;
  gdouble influence_limit; /* at t = 1: see dcnn_plan_limits() */
  gfloat rounding;         /* of the device: see DcnnSession.rounding */
} DcnnCriterionNode;

typedef enum DcnnCriterionWeights {
  DCNN_WEIGHTS_NONE,       /* 1 each */
  DCNN_WEIGHTS_SPREAD,     /* one over the channel's spread */
  DCNN_WEIGHTS_INFLUENCE,
} DcnnCriterionWeights;

typedef struct DcnnCriterionRule {
  DcnnSignificanceKind kind;
  gfloat limit;
  gboolean relative;       /* the limit is a share of the sum of the stored
                              pixel's squares: gates */
  DcnnCriterionWeights weights;
} DcnnCriterionRule;

/* What "any difference" means for a node: any bit, or, on a device whose bits
 * depend on how it came to compute a pixel, more than it declares: a channel by
 * more than that share of its spread, where spreads are known, else the pixel
 * by more than that share of its rms. */
DcnnCriterionRule dcnn_criterion_any (const DcnnCriterionNode *node);
/* The rule of a node on maps in a frame that is not dense. */
DcnnCriterionRule dcnn_criterion_rule (const DcnnTuning *tuning,
    const DcnnCriterionNode *node);
/* The share of its rms by which a map of one pixel must move: a gate's, or of
 * the moments of a normalisation (is_norm), whose own threshold is `own` (NaN:
 * the lower of the session's). */
gfloat dcnn_criterion_global (const DcnnTuning *tuning, gboolean is_norm,
    gfloat own);
/* Whether a dense tensor's new values count as those that are held: no element
 * is off by more than `threshold`; at 0, and of elements that are not float32,
 * every bit is the same. Both have one type and one shape. */
gboolean dcnn_criterion_is_near (const DcnnTensor *held,
    const DcnnTensor *tensor, gfloat threshold);

G_END_DECLS

#endif
