/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_reads.c - who reads what of a node, where launches are planned.
 */
#include "cuda.h"

gboolean
cuda_is_made_by (const DcnnPlan *plan, gint index, guint node)
{
  const PlanMap *map;

  if (index < 0)
    return FALSE;
  map = plan_map (plan, index);
  for (guint i = 0; map->mask < 0 && map->pieces && i < map->pieces->len; i++)
    if (cuda_is_made_by (plan, g_array_index (map->pieces, gint, i), node))
      return TRUE;
  return map->mask >= 0 && map->source == (gint) node;
}

static gboolean
any_term_of (const DcnnPlan *plan, guint node)
{
  for (guint r = 0; r < plan->nodes->len; r++) {
    const GArray *terms = plan_node (plan, (gint) r)->terms;
    for (guint i = 0; terms && i < terms->len; i++)
      if (cuda_is_made_by (plan, g_array_index (terms, PlanTerm, i).map, node))
        return TRUE;
  }
  return FALSE;
}

gboolean
dcnn_cuda_bits_are_read (const DcnnPlan *plan, guint node)
{
  for (guint r = 0; r < plan->nodes->len; r++) {
    const PlanNode *by = plan_node (plan, (gint) r);
    if (by->kind == PLAN_GLOBAL && cuda_is_made_by (plan, by->in, node))
      return TRUE;
    for (guint i = 0; by->sources && i < by->sources->len; i++)
      if (cuda_is_made_by (plan, g_array_index (by->sources, PlanGatherSource,
                  i).map, node))
        return TRUE;
  }
  return plan_node (plan, (gint) node)->is_output || any_term_of (plan, node);
}
