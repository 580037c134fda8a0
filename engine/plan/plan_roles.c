/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_roles.c - what the nodes of a plan are to each other: who reads whom,
 * which feed outputs, which are gates; and the inputs that come from the last
 * frame.
 */
#include "dcnn_plan.h"

/* ---- who reads whom --------------------------------------------------------------- */

/* seen: by node, then by input, the last node that got it. */
static void
add_dep (const DcnnPlan *plan, gint n, gint dep, gint *seen)
{
  gint *last = &seen[dep >= 0 ? dep : (gint) plan->nodes->len - 1 - dep];

  if (*last == n)
    return;
  *last = n;
  g_array_append_val (plan_node (plan, n)->deps, dep);
}

static void
add_map_deps (const DcnnPlan *plan, gint n, gint index, gint *seen)
{
  const PlanMap *map;

  if (index < 0)
    return;
  map = plan_map (plan, index);
  if (map->graph_input >= 0)
    add_dep (plan, n, -1 - map->graph_input, seen);
  else if (map->mask >= 0)
    add_dep (plan, n, map->source, seen);
  else
    for (guint i = 0; map->pieces && i < map->pieces->len; i++)
      add_map_deps (plan, n, g_array_index (map->pieces, gint, i), seen);
}

static void
add_tensor_dep (const DcnnPlan *plan, gint n, DcnnValueId value, gint *seen)
{
  if (value >= 0 && plan->values[value].tensor_node >= 0)
    add_dep (plan, n, plan->values[value].tensor_node, seen);
}

static void
find_deps (DcnnPlan *plan)
{
  guint places = plan->nodes->len + plan->graph->inputs->len;
  g_autofree gint *seen = g_new (gint, places + 1);

  for (guint i = 0; i < places; i++)
    seen[i] = -1;
  for (gint n = 0; n < (gint) plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    add_map_deps (plan, n, node->in, seen);
    for (gint s = 0; s < node->n_steps; s++)
      add_map_deps (plan, n, node->steps[s].map, seen);
    for (guint i = 0; node->sources && i < node->sources->len; i++)
      add_map_deps (plan, n, g_array_index (node->sources, PlanGatherSource,
              i).map, seen);
    if (node->kind == PLAN_IMPORT)
      add_tensor_dep (plan, n, node->value, seen);
    if (node->kind == PLAN_TAIL) {
      const DcnnNode *gn = dcnn_graph_node (plan->graph, node->graph_node);
      for (int i = 0; i < gn->n_inputs; i++)
        add_tensor_dep (plan, n, gn->inputs[i], seen);
    }
  }
}

/* ---- roles ------------------------------------------------------------------------ */

/* What each fused node is for: outputs have threshold 0, gates their own. */
static void
mark_map (DcnnPlan *plan, gint index, gboolean output, gboolean gate)
{
  const PlanMap *map = plan_map (plan, index);

  if (map->mask < 0) {
    for (guint i = 0; map->pieces && i < map->pieces->len; i++)
      mark_map (plan, g_array_index (map->pieces, gint, i), output, gate);
  } else if (map->source >= 0) {
    plan_node (plan, map->source)->is_output |= output;
    plan_node (plan, map->source)->is_gate |= gate;
  }
}

/* Multiply-accumulates of an operator on dense tensors. */
static guint64
operator_macs (const DcnnGraph *graph, const DcnnNode *gn)
{
  const DcnnTensor *in = &dcnn_graph_value (graph, gn->inputs[0])->tensor;
  const DcnnTensor *w = gn->n_inputs < 2 || gn->inputs[1] < 0 ? NULL :
      &dcnn_graph_value (graph, gn->inputs[1])->tensor;
  const DcnnTensor *out = gn->outputs[0] < 0 ? NULL :
      &dcnn_graph_value (graph, gn->outputs[0])->tensor;
  guint64 taps = 1;

  if (w == NULL || out == NULL)
    return 0;
  switch (gn->op) {
    case DCNN_OP_MATMUL:
      return (guint64) (dcnn_tensor_count (out) * in->dims[in->rank - 1]);
    case DCNN_OP_GEMM:
      return (guint64) (dcnn_tensor_count (out) *
          in->dims[gn->params.gemm.trans_a ? 0 : 1]);
    case DCNN_OP_RECURRENT:
      return (guint64) (dcnn_tensor_count (in) * w->dims[1]);
    case DCNN_OP_CONV:
    case DCNN_OP_CONV_TRANSPOSE:
      for (int i = 1; i < w->rank; i++)
        taps *= (guint64) w->dims[i];
      return taps * (guint64) dcnn_tensor_count (gn->op == DCNN_OP_CONV ?
          out : in);
    default:
      return 0;
  }
}

static void
mark_roles (DcnnPlan *plan)
{
  for (guint n = 0; n < plan->nodes->len; n++) {
    PlanNode *node = plan_node (plan, n);
    for (guint i = 0; node->sources && i < node->sources->len; i++)
      mark_map (plan, g_array_index (node->sources, PlanGatherSource, i).map,
          TRUE, FALSE);
    for (gint s = -1; node->out >= 0 && s < node->n_steps; s++) {
      gint in = s < 0 ? node->in : node->steps[s].map;
      const PlanMap *out = plan_map (plan, node->out);
      if (in >= 0 && plan_map (plan, in)->width == 1 &&
          plan_map (plan, in)->height == 1 &&
          (out->width > 1 || out->height > 1))
        mark_map (plan, in, FALSE, TRUE);
    }
    if (node->kind == PLAN_TAIL)
      node->tail_macs = operator_macs (plan->graph,
          dcnn_graph_node (plan->graph, node->graph_node));
    plan->macs += node->tail_macs;
    if (node->out >= 0)
      plan->macs += node->macs_per_pixel * plan_map (plan, node->out)->width *
          plan_map (plan, node->out)->height;
  }
}

void
dcnn_plan_find_roles (DcnnPlan *plan)
{
  find_deps (plan);
  mark_roles (plan);
}

/* ---- states --------------------------------------------------------------------- */

/* By value: the map of the graph's input that it is; -1: none. New. */
static gint *
maps_of_inputs (const DcnnPlan *plan)
{
  gint *maps = g_new (gint, plan->graph->values->len + 1);

  for (guint v = 0; v < plan->graph->values->len; v++)
    maps[v] = -1;
  for (gint i = (gint) plan->maps->len - 1; i >= 0; i--) {
    gint input = plan_map (plan, i)->graph_input;
    if (input >= 0)
      maps[g_array_index (plan->graph->inputs, DcnnValueId, input)] = i;
  }
  return maps;
}

gboolean
dcnn_plan_add_states (DcnnPlan *plan)
{
  guint n = plan->graph->inputs->len;
  g_autofree gint *maps = maps_of_inputs (plan);

  for (guint i = 0; i < plan->graph->states->len; i++) {
    const DcnnState *from = &g_array_index (plan->graph->states, DcnnState, i);
    PlanState state = { .input = (gint) (n - 1 - i), .initial = from->initial,
      .map = maps[from->input],
      .source_map = maps[from->source],
      .source_tensor = plan->values[from->source].tensor };
    if (state.source_map < 0 ? state.source_tensor < 0 : state.map < 0)
      return FALSE;
    g_array_append_val (plan->states, state);
  }
  return TRUE;
}
