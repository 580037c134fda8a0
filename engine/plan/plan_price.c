/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_price.c - what a pixel that joins will cost: one side of the criterion
 * "influence" (DcnnCriterion).
 */
#include "dcnn_plan.h"

#include <math.h>

/* Of the candidates that a joined pixel makes, the share that joins in turn
 * (typical: 0.6 to 0.8 measured on the nets and clips of tuning.md). */
#define JOINS_ON 0.7

/* Adds what a reader costs to the price of each node that it reads, once: seen
 * has the last reader of each mask. */
static void
charge_sources (const DcnnPlan *plan, gint map, gint reader, gint *seen,
    gdouble cost, gdouble *price)
{
  const PlanMap *m = map < 0 ? NULL : plan_map (plan, map);

  if (m == NULL)
    return;
  for (guint i = 0; m->pieces && i < m->pieces->len; i++)
    charge_sources (plan, g_array_index (m->pieces, gint, i), reader, seen,
        cost, price);
  if (m->pieces || m->mask < 0 || m->source < 0 || seen[m->mask] == reader)
    return;
  seen[m->mask] = reader;
  price[m->source] += cost / ((gdouble) m->width * m->height);
}

void
dcnn_plan_price (const DcnnPlan *plan, gdouble *price)
{
  gdouble macs = MAX (1, plan->macs);
  g_autofree gint *seen = g_new (gint, plan->n_masks + 1);

  for (gint i = 0; i < plan->n_masks; i++)
    seen[i] = -1;
  for (guint n = 0; n < plan->nodes->len; n++)
    price[n] = 0;
  for (gint r = (gint) plan->nodes->len - 1; r >= 0; r--) {
    const PlanNode *node = plan_node (plan, r);
    const PlanMap *out;
    gdouble cost;
    if (node->kind != PLAN_KERNEL) {
      price[r] = 0;
      continue;
    }
    out = plan_map (plan, node->out);
    price[r] = MAX (price[r], out->channels / macs);
    cost = (MAX (node->macs_per_pixel, 4 * out->channels) / macs + JOINS_ON *
        price[r]) * out->width * out->height;
    charge_sources (plan, node->in, r, seen, cost, price);
    for (gint s = 0; s < node->n_steps; s++)
      charge_sources (plan, node->steps[s].map, r, seen, cost, price);
  }
}

void
dcnn_plan_limits (const DcnnPlan *plan, gdouble *limits)
{
  gdouble most = 1;

  dcnn_plan_price (plan, limits);
  for (guint n = 0; n < plan->maps->len; n++) {
    const PlanMap *map = plan_map (plan, n);
    most = MAX (most, (gdouble) map->width * map->height);
  }
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    const PlanMap *out;
    if (node->kind != PLAN_KERNEL)
      continue;
    out = plan_map (plan, node->out);
    limits[n] *= sqrt (most / ((gdouble) out->width * out->height));
  }
}
