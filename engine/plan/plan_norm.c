/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_norm.c - instance and group normalisation as two nodes: the moments of
 * each group of channels, a gate of one pixel, and a copy of the map that is
 * shifted and scaled by them. Exporters write group normalisation as instance
 * normalisation of [1, groups, n] between two Reshapes; that is the same here.
 */
#include "dcnn_plan.h"

/* The map of what is flattened to a value, where that is no whole map: some channels
 * of one, as a net splits off those that it normalises so. -1: there is none. */
static gint
flattened_map (PlanBuilder *b, DcnnValueId value)
{
  while (value >= 0 && !plan_is_map_shaped (b->plan, value)) {
    gint producer = dcnn_graph_value (b->graph, value)->producer;
    const DcnnNode *gn = producer < 0 ? NULL :
        dcnn_graph_node (b->graph, producer);
    value = gn && (gn->op == DCNN_OP_RESHAPE || gn->op == DCNN_OP_IDENTITY) ?
        gn->inputs[0] : -1;
  }
  return value < 0 || (!b->plan->values[value].lazy &&
      b->plan->values[value].map < 0) ? -1 : plan_require_map (b, value);
}

/* The map, and how many channels of it a group has; -1: not for us. */
static gint
norm_input (PlanBuilder *b, const DcnnNode *gn, guint *group_channels)
{
  const DcnnTensor *t = plan_value_tensor (b, gn->inputs[0]);
  gint64 groups = gn->op == DCNN_OP_GROUP_NORM ? gn->params.norm.groups :
      t->dims[1];
  gint in = -1;

  if (t->rank == 4)
    in = plan_map_input (b, gn);
  else if (t->rank >= 3 && t->dims[0] == 1 && t->dtype == DCNN_DTYPE_F32)
    in = plan_trace_order (b, gn->inputs[0], PLAN_ORDER_CHW);
  if (t->rank != 4 && in < 0)
    in = flattened_map (b, gn->inputs[0]);
  if (in < 0 || groups < 1 || plan_map (b->plan, in)->channels % groups ||
      plan_map (b->plan, in)->channels % t->dims[1])
    return -1;
  *group_channels = (guint) (plan_map (b->plan, in)->channels / groups);
  return in;
}

/* scale, bias: [parameters], each for as many neighbouring channels. */
static PlanNorm *
new_norm (const PlanMap *map, guint group_channels, guint parameters,
    const float *scale, const float *bias, gdouble epsilon)
{
  PlanNorm *norm = g_new0 (PlanNorm, 1);

  norm->group_channels = group_channels;
  norm->n_groups = map->channels / group_channels;
  norm->epsilon = epsilon;
  norm->scale = g_new (float, map->channels);
  norm->bias = g_new (float, map->channels);
  for (guint c = 0; c < map->channels; c++) {
    guint from = c / (map->channels / parameters);
    norm->scale[c] = scale[from];
    norm->bias[c] = bias[from];
  }
  return norm;
}

/* The node that takes the moments; returns its map of three vectors. */
static gint
add_moments (PlanBuilder *b, const DcnnNode *gn, gint in, PlanNorm *norm)
{
  PlanNode *node = plan_new_node (b, PLAN_GLOBAL, "Moments");
  gint out = plan_add_map (b->plan, 1, 1,
      3 * plan_granules (plan_map (b->plan, in)->span, MAX (
              b->plan->layout.slice, b->plan->layout.view)));

  node->in = in;
  node->norm = norm;
  plan_node_writes (b, node, out);
  g_free (node->name);
  node->name = g_strconcat (dcnn_graph_value (b->graph,
          gn->outputs[0])->name, "#moments", NULL);
  plan_commit_node (b, node);
  return out;
}

/* Vector number k of the moments as a step's operand. */
static void
add_step (PlanBuilder *b, PlanNode *node, DcnnStepKind kind, gint moments,
    guint k)
{
  PlanStep *step = &node->steps[node->n_steps++];
  guint n = plan_map (b->plan, moments)->channels / 3;
  gint view = plan_add_map (b->plan, 1, 1, n);
  PlanMap *map = plan_map (b->plan, view);

  map->parent = moments;
  map->parent_offset = k * n;
  map->pieces = g_array_new (FALSE, FALSE, sizeof (gint));
  g_array_append_val (map->pieces, moments);
  step->map = view;
  step->kind = kind;
  step->operand = DCNN_OPERAND_VECTOR;
}

gboolean
plan_lower_norm (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  const float *scale = plan_value_floats (b, gn, 1);
  const float *bias = plan_value_floats (b, gn, 2);
  guint group_channels;
  gint in, moments;
  PlanNode *node;

  if (scale == NULL || bias == NULL)
    return plan_refuse (b, "its scale or bias is computed");
  in = norm_input (b, gn, &group_channels);
  if (in < 0)
    return plan_refuse (b, "its groups are not channels of one map");
  moments = add_moments (b, gn, in, new_norm (plan_map (b->plan, in),
          group_channels,
          (guint) dcnn_tensor_count (plan_value_tensor (b, gn->inputs[1])),
          scale, bias, gn->params.norm.epsilon));
  node = plan_start_kernel (b, gn, DCNN_PRIMARY_COPY, in,
      plan_add_map_like (b->plan, in));
  add_step (b, node, DCNN_STEP_SUB, moments, 0);
  add_step (b, node, DCNN_STEP_MUL, moments, 1);
  add_step (b, node, DCNN_STEP_ADD, moments, 2);
  return plan_finish_ordered (b, node, gn->outputs[0], PLAN_ORDER_CHW);
}
