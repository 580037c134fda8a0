/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_kernel.c - what lowering an operator begins and ends with.
 */
#include "dcnn_plan.h"

gboolean
plan_refuse_shape (PlanBuilder *b, const char *what, DcnnValueId value)
{
  g_autofree char *shape =
      dcnn_tensor_describe (plan_value_tensor (b, value));

  return plan_refuse (b, b->plan->values[value].foreign ?
      "its %s %s is a map in another order" :
      "its %s %s is no map float32[1,C,H,W]", what, shape);
}

gint
plan_map_input (PlanBuilder *b, const DcnnNode *gn)
{
  gint map;

  if (!plan_is_map_shaped (b->plan, gn->inputs[0])) {
    plan_refuse_shape (b, "input", gn->inputs[0]);
    return -1;
  }
  if (!plan_is_map_shaped (b->plan, gn->outputs[0])) {
    plan_refuse_shape (b, "result", gn->outputs[0]);
    return -1;
  }
  map = plan_require_map (b, gn->inputs[0]);
  if (map < 0)
    plan_refuse (b, "its input is constant");
  return map;
}

PlanNode *
plan_start_kernel (PlanBuilder *b, const DcnnNode *gn, DcnnPrimary primary,
    gint in, gint out)
{
  PlanNode *node = plan_new_node (b, PLAN_KERNEL, dcnn_op_name (gn->op));

  node->primary = primary;
  node->in = in;
  plan_node_writes (b, node, out);
  return node;
}

gboolean
plan_finish_kernel (PlanBuilder *b, PlanNode *node, DcnnValueId value)
{
  DcnnValueId last = plan_absorb_steps (b, node, value);

  plan_commit_node (b, node);
  plan_set_map (b, last, node->out);
  return TRUE;
}

gboolean
plan_lower_global (PlanBuilder *b, const DcnnNode *gn, gboolean maximum)
{
  gint in, out;
  const PlanMap *map;
  PlanNode *node;

  if (!plan_is_map_shaped (b->plan, gn->inputs[0]))
    return plan_refuse_shape (b, "input", gn->inputs[0]);
  in = plan_require_map (b, gn->inputs[0]);
  if (in < 0)
    return plan_refuse (b, "its input is constant");
  map = plan_map (b->plan, in);
  node = plan_new_node (b, PLAN_GLOBAL, dcnn_op_name (gn->op));
  node->in = in;
  node->maximum = maximum;
  out = plan_add_map (b->plan, 1, 1, map->channels);
  map = plan_map (b->plan, in);
  plan_map (b->plan, out)->span = map->span;
  if (map->position)
    plan_map (b->plan, out)->position = g_memdup2 (map->position,
        sizeof (guint32) * map->channels);
  plan_node_writes (b, node, out);
  g_free (node->name);
  node->name =
      g_strdup (dcnn_graph_value (b->graph, gn->outputs[0])->name);
  plan_commit_node (b, node);
  plan_set_map (b, gn->outputs[0], out);
  return TRUE;
}
