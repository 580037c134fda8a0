/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_judge.c - when a change counts, by the rules of policy/criterion.h, in
 * double.
 */
#include "sim.h"

#include <math.h>

DcnnCriterionRule
sim_rule (const DcnnSession *session, const SimStream *sim,
    const NodeState *state, guint n, DcnnCriterionRule *any)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  DcnnCriterionNode about = { .is_gate = node->is_gate,
    .is_output = node->is_output,
    .one_pixel = out->width == 1 && out->height == 1,
    .channels = out->channels, .threshold = state->threshold,
    .spread_known = sim->inv_spread[n] != NULL,
    .influence_known = session->influence[n] != NULL,
    .influence_limit = session->limits[n], .rounding = session->rounding };

  *any = dcnn_criterion_any (&about);
  if (session->pass_on && node->passes_on)
    return (DcnnCriterionRule) { .kind = DCNN_SIGNIFICANT_ALWAYS };
  return dcnn_criterion_rule (&sim->tuning, &about);
}

/* What a difference of channel c counts. */
static gdouble
weight_of (const DcnnSession *session, const SimStream *sim,
    const DcnnCriterionRule *rule, guint n, guint c)
{
  const PlanMap *out = plan_map (session->plan,
      plan_node (session->plan, n)->out);

  return rule->weights == DCNN_WEIGHTS_SPREAD ? sim->inv_spread[n][c] :
      rule->weights == DCNN_WEIGHTS_INFLUENCE ?
      session->influence[n][plan_position (out, c)] : 1;
}

gboolean
sim_is_significant (const DcnnSession *session, const SimStream *sim, guint n,
    const DcnnCriterionRule *rule, const gfloat *before, const gfloat *after)
{
  const PlanMap *out = plan_map (session->plan,
      plan_node (session->plan, n)->out);
  gdouble squares = 0, largest = 0, size = 0, limit = rule->limit;

  for (guint c = 0; c < out->channels; c++) {
    gdouble d = (gdouble) after[c] - before[c];
    if (isnan (d))
      return TRUE;
    d *= weight_of (session, sim, rule, n, c);
    squares += d * d;
    size += (gdouble) before[c] * before[c];
    largest = MAX (largest, fabs (d));
  }
  if (rule->relative)
    limit *= size;
  switch (rule->kind) {
    case DCNN_SIGNIFICANT_ALWAYS:
      return TRUE;
    case DCNN_SIGNIFICANT_ANY:
      return largest > 0;
    case DCNN_SIGNIFICANT_MAX:
      return largest > limit;
    default:
      return squares > limit;
  }
}

void
sim_measure_spreads (SimStream *sim, const DcnnPlan *plan)
{
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    const PlanMap *out;
    const gfloat *v;
    gdouble total = 0, pixels;
    if (node->kind != PLAN_KERNEL || node->is_gate)
      continue;
    out = plan_map (plan, node->out);
    v = sim->maps.values[node->out];
    pixels = (gdouble) out->width * out->height;
    sim->inv_spread[n] = sim->spread_rows[n];
    for (guint c = 0; c < out->channels; c++) {
      gdouble sum = 0, squares = 0;
      for (gsize p = 0; p < (gsize) pixels; p++) {
        sum += v[p * out->channels + c];
        squares += (gdouble) v[p * out->channels + c] *
            v[p * out->channels + c];
      }
      sim->inv_spread[n][c] =
          MAX (0, squares / pixels - sum / pixels * (sum / pixels));
      total += sim->inv_spread[n][c];
    }
    for (guint c = 0; c < out->channels; c++)
      sim->inv_spread[n][c] = 1 / sqrt (MAX (sim->inv_spread[n][c],
              0.01 * total / out->channels));
    if (!(total > 0) || !isfinite (total))
      sim->inv_spread[n] = NULL;
  }
}
