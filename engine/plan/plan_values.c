/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_values.c - dense tensors and maps of values, made as readers need them.
 */
#include "dcnn_plan.h"

static void
value_gets_tensor (PlanBuilder *b, DcnnValueId value, gint node)
{
  PlanValue *v = &b->plan->values[value];

  v->tensor = (gint) b->plan->tensors->len;
  v->tensor_node = node;
  g_array_append_val (b->plan->tensors, value);
}

static void
gather_from_map (PlanBuilder *b, DcnnValueId value)
{
  const PlanValue *v = &b->plan->values[value];
  PlanNode *node = plan_new_node (b, PLAN_GATHER, "Output");
  PlanGatherSource source = { .map = v->map, .stride_y = v->stride_y,
    .stride_x = v->stride_x, .stride_c = v->stride_c
  };

  node->value = value;
  node->sources = g_array_new (FALSE, FALSE, sizeof (PlanGatherSource));
  g_array_append_val (node->sources, source);
  value_gets_tensor (b, value, plan_commit_node (b, node));
}

void
plan_lower_dense (PlanBuilder *b, gint index, const char *why)
{
  DcnnNode *gn = dcnn_graph_node (b->graph, index);
  g_autofree char *reason = g_strdup_printf ("on maps: %s", why);
  PlanNode *node;
  gint plan_index;

  for (int i = 0; i < gn->n_inputs; i++)
    if (gn->inputs[i] >= 0)
      plan_require_tensor (b, gn->inputs[i]);
  node = plan_new_node (b, PLAN_TAIL, dcnn_op_name (gn->op));
  g_string_assign (node->why, reason);
  plan_index = plan_commit_node (b, node);
  node->graph_node = index;
  for (int i = 0; i < gn->n_outputs; i++)
    if (gn->outputs[i] >= 0) {
      b->plan->values[gn->outputs[i]].lazy = FALSE;
      value_gets_tensor (b, gn->outputs[i], plan_index);
      g_free (node->name);
      node->name = g_strdup (dcnn_graph_value (b->graph,
              gn->outputs[i])->name);
    }
  b->done[index] = TRUE;
}

/* Pushes what an input of the node needs and has not; FALSE: nothing. */
static gboolean
push_lazy_input (PlanBuilder *b, const DcnnNode *gn, GArray *stack)
{
  for (int i = 0; i < gn->n_inputs; i++) {
    DcnnValueId id = gn->inputs[i];
    PlanValue *v = id < 0 ? NULL : &b->plan->values[id];
    if (v == NULL || !v->lazy || v->map >= 0 || v->tensor >= 0)
      continue;
    if (plan_trace_tensor (b, id)) {
      value_gets_tensor (b, id, (gint) b->plan->nodes->len - 1);
      continue;
    }
    g_array_append_val (stack, id);
    return TRUE;
  }
  return FALSE;
}

/* The movement that makes a value as tails, from where it starts: however long
 * it is, not by recursion. */
static void
lower_movement (PlanBuilder *b, DcnnValueId value)
{
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (DcnnValueId));

  g_array_append_val (stack, value);
  while (stack->len > 0) {
    DcnnValueId id = g_array_index (stack, DcnnValueId, stack->len - 1);
    gint producer = dcnn_graph_value (b->graph, id)->producer;
    if (push_lazy_input (b, dcnn_graph_node (b->graph, producer), stack))
      continue;
    plan_lower_dense (b, producer, "its result is no strided copy of whole "
        "maps");
    g_array_set_size (stack, stack->len - 1);
  }
}

void
plan_require_tensor (PlanBuilder *b, DcnnValueId value)
{
  PlanValue *v = &b->plan->values[value];

  if (v->tensor >= 0 || dcnn_graph_value (b->graph, value)->tensor.data != NULL)
    return;
  if (v->map >= 0)
    gather_from_map (b, value);
  else if (v->lazy && plan_trace_tensor (b, value))
    value_gets_tensor (b, value, (gint) b->plan->nodes->len - 1);
  else if (v->lazy)
    lower_movement (b, value);
  else
    value_gets_tensor (b, value, -1); /* a graph input without a map */
}

gboolean
plan_map_lazily (PlanBuilder *b, DcnnValueId value)
{
  gboolean mixed;
  gint producer;
  const DcnnNode *gn;

  if (plan_trace_map (b, value, &mixed))
    return TRUE;
  if (!mixed)
    return FALSE;
  producer = dcnn_graph_value (b->graph, value)->producer; /* one step less */
  gn = dcnn_graph_node (b->graph, producer);
  return gn->n_inputs == 1 && b->plan->values[gn->inputs[0]].lazy &&
      plan_require_map (b, gn->inputs[0]) >= 0 && plan_map_lazily (b, value);
}

gint
plan_require_map (PlanBuilder *b, DcnnValueId value)
{
  PlanValue *v = &b->plan->values[value];
  const DcnnTensor *t;
  PlanNode *node;
  gint map;

  if (v->map >= 0)
    return v->map;
  if (!plan_is_map_shaped (b->plan, value) ||
      dcnn_graph_value (b->graph, value)->tensor.data != NULL)
    return -1;
  if (v->lazy && plan_map_lazily (b, value))
    return v->map;
  plan_require_tensor (b, value);
  t = &dcnn_graph_value (b->graph, value)->tensor;
  map = plan_add_map (b->plan, t->dims[3], t->dims[2], t->dims[1]);
  node = plan_new_node (b, PLAN_IMPORT, "Import");
  g_string_append_printf (node->why, "a map all along: '%s' is a dense tensor",
      dcnn_graph_value (b->graph, value)->name);
  node->value = value;
  plan_node_writes (b, node, map);
  plan_commit_node (b, node);
  plan_set_map (b, value, map);
  return map;
}

/* Data movement on maps, or on what data movement made of maps, waits until
 * somebody needs the result in one form or another. */
gboolean
plan_lower_move (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);

  for (int i = 0; i < gn->n_inputs; i++) {
    DcnnValueId in = gn->inputs[i];
    if (in < 0 || dcnn_graph_value (b->graph, in)->tensor.data != NULL)
      continue;
    if (b->plan->values[in].map < 0 && !b->plan->values[in].lazy)
      return FALSE;
  }
  for (int i = 0; i < gn->n_outputs; i++)
    if (gn->outputs[i] >= 0)
      b->plan->values[gn->outputs[i]].lazy = TRUE;
  return TRUE;
}
