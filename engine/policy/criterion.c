/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * criterion.c - see criterion.h.
 */
#include "criterion.h"

#include <math.h>
#include <string.h>

DcnnCriterionRule
dcnn_criterion_any (const DcnnCriterionNode *node)
{
  DcnnCriterionRule any = { .kind = DCNN_SIGNIFICANT_ANY };

  if (node->rounding <= 0)
    return any;
  if (node->spread_known)
    return (DcnnCriterionRule) { .kind = DCNN_SIGNIFICANT_MAX,
      .limit = node->rounding, .weights = DCNN_WEIGHTS_SPREAD };
  any.kind = DCNN_SIGNIFICANT_SQUARE;
  any.limit = node->rounding * node->rounding;
  any.relative = TRUE;
  return any;
}

static DcnnCriterionRule
gate_rule (const DcnnCriterionNode *node, gfloat t)
{
  t = MAX (t, node->rounding);
  return (DcnnCriterionRule) {
    .kind = t > 0 ? DCNN_SIGNIFICANT_SQUARE : DCNN_SIGNIFICANT_ANY,
    .limit = t * t, .relative = TRUE
  };
}

DcnnCriterionRule
dcnn_criterion_rule (const DcnnTuning *tuning, const DcnnCriterionNode *node)
{
  gfloat t = isnan (node->threshold) ? MAX (tuning->threshold, 0) :
      node->threshold;
  DcnnCriterionRule any = dcnn_criterion_any (node);
  DcnnCriterionRule square = { .kind = DCNN_SIGNIFICANT_SQUARE };

  if (node->is_gate)
    return gate_rule (node, tuning->gate_threshold);
  if (t < 0 && !node->is_output)
    return (DcnnCriterionRule) { .kind = DCNN_SIGNIFICANT_ALWAYS };
  if (node->is_output || t <= 0 || node->one_pixel)
    return any;
  if (tuning->criterion == DCNN_CRITERION_MAX)
    return (DcnnCriterionRule) { .kind = DCNN_SIGNIFICANT_MAX, .limit = t };
  if (tuning->criterion == DCNN_CRITERION_INFLUENCE && node->influence_known) {
    square.limit = (gfloat) (t * t * node->influence_limit);
    square.weights = DCNN_WEIGHTS_INFLUENCE;
    return square;
  }
  square.limit = t * t * node->channels;
  if (tuning->criterion == DCNN_CRITERION_RMS)
    return square;
  square.weights = DCNN_WEIGHTS_SPREAD;
  return node->spread_known ? square : any; /* not measured yet */
}

gfloat
dcnn_criterion_global (const DcnnTuning *tuning, gboolean is_norm, gfloat own)
{
  if (!is_norm)
    return tuning->gate_threshold;
  return isnan (own) ? MIN (tuning->threshold, tuning->gate_threshold) : own;
}

gboolean
dcnn_criterion_is_near (const DcnnTensor *held, const DcnnTensor *tensor,
    gfloat threshold)
{
  const gfloat *a = held->data, *b = tensor->data;

  if (held->dtype != DCNN_DTYPE_F32 || threshold <= 0)
    return memcmp (a, b, (gsize) dcnn_tensor_count (held) *
        dcnn_dtype_bytes (held->dtype)) == 0;
  for (gint64 i = 0, n = dcnn_tensor_count (held); i < n; i++)
    if (!(fabsf (a[i] - b[i]) <= threshold))
      return FALSE;
  return TRUE;
}
