/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_build.c - maps and nodes of a plan as they are made, and which map a
 * value of the graph lies in.
 */
#include "dcnn_plan.h"

#include <string.h>

gint
plan_add_map (DcnnPlan *plan, guint width, guint height, guint channels)
{
  PlanMap *map = g_new0 (PlanMap, 1);

  map->width = width;
  map->height = height;
  map->channels = map->span = channels;
  map->parent = map->source = map->mask = map->graph_input = -1;
  map->buffer = -1;
  g_ptr_array_add (plan->maps, map);
  return (gint) plan->maps->len - 1;
}

gint
plan_add_map_like (DcnnPlan *plan, gint like)
{
  const PlanMap *from = plan_map (plan, like);
  gint index = plan_add_map (plan, from->width, from->height, from->channels);
  PlanMap *map = plan_map (plan, index);

  map->span = from->span;
  if (from->position)
    map->position = g_memdup2 (from->position,
        sizeof (guint32) * from->channels);
  return index;
}

void
plan_map_free (gpointer data)
{
  PlanMap *map = data;

  g_free (map->position);
  g_free (map->constant);
  if (map->pieces)
    g_array_unref (map->pieces);
  g_free (map);
}

guint32
plan_position (const PlanMap *map, guint channel)
{
  return map->position ? map->position[channel] : channel;
}

gboolean
plan_same_layout (const PlanMap *a, const PlanMap *c)
{
  if (a->channels != c->channels)
    return FALSE;
  for (guint i = 0; i < a->channels; i++)
    if (plan_position (a, i) != plan_position (c, i))
      return FALSE;
  return TRUE;
}

PlanNode *
plan_new_node (PlanBuilder *b, PlanNodeKind kind, const char *ops)
{
  PlanNode *node = g_new0 (PlanNode, 1);

  node->kind = kind;
  node->name = g_strdup_printf ("%s_%u", ops, b->plan->maps->len);
  node->ops = g_string_new (ops);
  node->why = g_string_new (NULL);
  node->in = node->out = node->graph_node = -1;
  node->expand = node->depthwise = node->into = -1;
  node->value = -1;
  node->deps = g_array_new (FALSE, FALSE, sizeof (gint));
  return node;
}

gint
plan_commit_node (PlanBuilder *b, PlanNode *node)
{
  gint index = (gint) b->plan->nodes->len;

  if (node->kind == PLAN_KERNEL) {
    node->op.in_channels = plan_map (b->plan, node->in)->channels;
    node->op.out_channels = plan_map (b->plan, node->out)->channels;
  }
  g_ptr_array_add (b->plan->nodes, node);
  if (node->out >= 0)
    plan_map (b->plan, node->out)->source = index;
  return index;
}

void
plan_node_writes (PlanBuilder *b, PlanNode *node, gint index)
{
  PlanMap *map = plan_map (b->plan, index);

  node->out = index;
  map->written = TRUE;
  map->mask = b->plan->n_masks++;
}

static void
norm_free (PlanNorm *norm)
{
  if (norm == NULL)
    return;
  g_free (norm->scale);
  g_free (norm->bias);
  g_free (norm);
}

void
plan_node_free (gpointer data)
{
  PlanNode *node = data;

  g_free (node->name);
  g_string_free (node->ops, TRUE);
  g_string_free (node->why, TRUE);
  g_free (node->op.own_weights);
  g_free (node->op.source);
  g_free (node->op.weight_y);
  g_free (node->op.weight_x);
  for (gint i = 0; i < node->n_steps; i++)
    g_free (node->steps[i].vector);
  norm_free (node->norm);
  g_free (node->index_y);
  g_free (node->index_x);
  if (node->sources)
    g_array_unref (node->sources);
  if (node->terms)
    g_array_unref (node->terms);
  g_array_unref (node->deps);
  g_free (node);
}

gint
plan_relayout (PlanBuilder *b, gint map, const PlanMap *like)
{
  const PlanMap *from = plan_map (b->plan, map);
  PlanMap *to;
  PlanNode *node;
  gint out;

  if (like ? plan_same_layout (from, like) : from->position == NULL)
    return map;
  out = plan_add_map (b->plan, from->width, from->height, from->channels);
  to = plan_map (b->plan, out);
  to->span = like ? like->span : to->channels;
  if (like && like->position)
    to->position = g_memdup2 (like->position,
        sizeof (guint32) * like->channels);
  node = plan_new_node (b, PLAN_KERNEL, "Copy");
  g_string_assign (node->why, like ? "read in place: its channels must lie as "
      "those of the map that it joins" :
      "read in place: its channels lie apart in a concatenation");
  node->primary = DCNN_PRIMARY_COPY;
  node->in = map;
  plan_node_writes (b, node, out);
  plan_commit_node (b, node);
  return out;
}

gboolean
plan_is_map_shaped (const DcnnPlan *plan, DcnnValueId value)
{
  const DcnnTensor *t;

  if (value < 0 || plan->values[value].foreign)
    return FALSE;
  t = &dcnn_graph_value (plan->graph, value)->tensor;
  return t->rank == 4 && t->dims[0] == 1 && t->dtype == DCNN_DTYPE_F32 &&
      t->dims[1] >= 1 && t->dims[1] <= 65536 && t->dims[2] >= 1 &&
      t->dims[2] <= 32767 && t->dims[3] >= 1 && t->dims[3] <= 32767;
}

void
plan_set_map (PlanBuilder *b, DcnnValueId value, gint map)
{
  PlanValue *v = &b->plan->values[value];
  const PlanMap *m = plan_map (b->plan, map);
  const DcnnTensor *t = &dcnn_graph_value (b->graph, value)->tensor;

  v->map = map;
  v->lazy = FALSE;
  v->stride_x = 1;
  v->stride_y = m->width;
  v->stride_c = (gint64) m->width * m->height;
  if (t->rank != 4 && m->width == 1 && m->height == 1)
    v->stride_c = 1; /* [1, C] of a reduced map */
}

void
plan_set_map_order (PlanBuilder *b, DcnnValueId value, gint map,
    PlanOrder order)
{
  PlanValue *v = &b->plan->values[value];
  const PlanMap *m = plan_map (b->plan, map);

  plan_set_map (b, value, map);
  if (order == PLAN_ORDER_CHW)
    return;
  v->foreign = TRUE;
  v->stride_c = 1;
  v->stride_x = (gint64) m->channels *
      (order == PLAN_ORDER_HWC ? 1 : m->height);
  v->stride_y = (gint64) m->channels *
      (order == PLAN_ORDER_HWC ? m->width : 1);
}

gboolean
plan_refuse (PlanBuilder *b, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_string_vprintf (b->refusal, format, arguments);
  va_end (arguments);
  return FALSE;
}

const DcnnTensor *
plan_value_tensor (PlanBuilder *b, DcnnValueId value)
{
  return value < 0 ? NULL : &dcnn_graph_value (b->graph, value)->tensor;
}

const float *
plan_value_floats (PlanBuilder *b, const DcnnNode *gn, int input)
{
  const DcnnTensor *t =
      input < gn->n_inputs ? plan_value_tensor (b, gn->inputs[input]) : NULL;

  return t && t->dtype == DCNN_DTYPE_F32 ? t->data : NULL;
}

gint
plan_new_output_map (PlanBuilder *b, DcnnValueId value)
{
  const DcnnTensor *t = plan_value_tensor (b, value);

  return plan_add_map (b->plan, t->dims[3], t->dims[2], t->dims[1]);
}
