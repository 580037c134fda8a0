/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_join.c - DepthToSpace, SpaceToDepth and Concat on maps: pieces
 * placed side by side.
 */
#include "dcnn_plan.h"

static gboolean
move_depth (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  gint map;

  if (!plan_is_map_shaped (b->plan, gn->inputs[0]) ||
      !plan_is_map_shaped (b->plan, gn->outputs[0]))
    return FALSE;
  map = plan_require_map (b, gn->inputs[0]);
  if (map < 0)
    return FALSE;
  if (gn->op == DCNN_OP_DEPTH_TO_SPACE) {
    map = plan_add_depth_to_space (b, plan_relayout (b, map, NULL),
        &gn->params.depth, (guint) dcnn_graph_value (b->graph,
            gn->outputs[0])->tensor.dims[1]);
    plan_set_map (b, gn->outputs[0], map);
    return TRUE;
  }
  b->plan->values[gn->outputs[0]].lazy = TRUE;
  return plan_require_map (b, gn->outputs[0]) >= 0;
}

/* A map that can still be placed inside a concatenation: a node writes it to
 * storage of its own. Else a copy that can. */
static gint
placeable (PlanBuilder *b, gint index)
{
  const PlanMap *map = plan_map (b->plan, index);
  PlanNode *node;
  gint out;

  if (map->parent < 0 && map->graph_input < 0 && map->constant == NULL)
    return index;
  node = plan_new_node (b, PLAN_KERNEL, "Copy");
  g_string_assign (node->why, map->parent >= 0 ? "in place: it lies in another "
      "concatenation or is a part of a map already" :
      "in place: it is an input or constant");
  out = plan_add_map_like (b->plan, index);
  node->primary = DCNN_PRIMARY_COPY;
  node->in = index;
  plan_node_writes (b, node, out);
  plan_commit_node (b, node);
  return out;
}

/* Positions that say nothing. */
static void
drop_identity (PlanMap *map)
{
  for (guint c = 0; c < map->channels; c++)
    if (map->position[c] != c)
      return;
  g_clear_pointer (&map->position, g_free);
}

/* A constant [1,C,H,W] of floats, such as a grid of coordinates. */
static const DcnnTensor *
constant_piece (PlanBuilder *b, DcnnValueId value)
{
  const DcnnTensor *t = &dcnn_graph_value (b->graph, value)->tensor;

  return t->data && t->dtype == DCNN_DTYPE_F32 && t->rank == 4 &&
      t->dims[0] == 1 ? t : NULL;
}

/* Maps of the constants that a concatenation joins, -1 for what is none; NULL:
 * no memory. */
static gint *
constant_maps (PlanBuilder *b, const DcnnNode *gn)
{
  g_autofree gint *maps = g_new (gint, gn->n_inputs);

  for (int i = 0; i < gn->n_inputs; i++) {
    const DcnnTensor *t = constant_piece (b, gn->inputs[i]);
    maps[i] = t ? plan_add_constant_map (b, t, (guint) t->dims[3],
        (guint) t->dims[2]) : -1;
    if (t && maps[i] < 0)
      return NULL;
  }
  return g_steal_pointer (&maps);
}

static gboolean
concat_fits (PlanBuilder *b, const DcnnNode *gn)
{
  gboolean from_map = FALSE;

  if (gn->params.axis.axis != 1 || !plan_is_map_shaped (b->plan,
          gn->outputs[0]))
    return FALSE;
  for (int i = 0; i < gn->n_inputs; i++) {
    const PlanValue *v = &b->plan->values[MAX (gn->inputs[i], 0)];
    if (!plan_is_map_shaped (b->plan, gn->inputs[i]) ||
        (dcnn_graph_value (b->graph, gn->inputs[i])->tensor.data != NULL &&
            constant_piece (b, gn->inputs[i]) == NULL))
      return FALSE;
    from_map |= v->map >= 0 || v->lazy;
  }
  return from_map;
}

/* How many inputs of a concatenation an earlier one has joined already, in a
 * map that is no part of another: *map. As in dense blocks, which join all
 * that there is again and again. */
static int
joined_before (PlanBuilder *b, const DcnnNode *gn, gint *map)
{
  const GArray *readers = b->readers[gn->inputs[0]];
  int most = 0;

  for (guint i = 0; i < readers->len; i++) {
    const DcnnNode *other =
        dcnn_graph_node (b->graph, g_array_index (readers, gint, i));
    gint m = other->op == DCNN_OP_CONCAT && other->params.axis.axis == 1 ?
        b->plan->values[other->outputs[0]].map : -1;
    int same = 0;
    while (m >= 0 && same < MIN (gn->n_inputs, other->n_inputs) &&
        gn->inputs[same] == other->inputs[same])
      same++;
    if (m >= 0 && same == other->n_inputs && same > most && other != gn &&
        plan_map (b->plan, m)->parent < 0 && plan_map (b->plan, m)->pieces) {
      most = same;
      *map = m;
    }
  }
  return most;
}

static gboolean
join_maps (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  DcnnValueId value = gn->outputs[0];
  guint offset = 0, channel = 0;
  gboolean lazy = TRUE;
  PlanMap *concat;
  g_autofree gint *constants = NULL;
  gint out, whole = -1;
  int joined;

  if (!concat_fits (b, gn))
    return plan_refuse (b, "it joins no maps along their channels");
  for (int i = 0; i < gn->n_inputs; i++)
    lazy &= b->plan->values[gn->inputs[i]].lazy;
  if (lazy) {
    b->plan->values[value].lazy = TRUE;
    if (plan_map_lazily (b, value))
      return TRUE;
    b->plan->values[value].lazy = FALSE;
  }
  constants = constant_maps (b, gn);
  if (constants == NULL)
    return plan_refuse (b, "there is no memory for its constants");
  out = plan_add_map (b->plan,
      (guint) dcnn_graph_value (b->graph, value)->tensor.dims[3],
      (guint) dcnn_graph_value (b->graph, value)->tensor.dims[2],
      (guint) dcnn_graph_value (b->graph, value)->tensor.dims[1]);
  concat = plan_map (b->plan, out);
  concat->pieces = g_array_new (FALSE, FALSE, sizeof (gint));
  concat->position = g_new (guint32, concat->channels);
  joined = joined_before (b, gn, &whole);
  for (int i = joined > 0 ? joined - 1 : 0; i < gn->n_inputs; i++) {
    gint piece = i < joined ? whole :
        placeable (b, constants[i] >= 0 ? constants[i] :
            plan_require_map (b, gn->inputs[i]));
    PlanMap *p = plan_map (b->plan, piece);
    p->parent = out;
    p->parent_offset = offset;
    g_array_append_val (concat->pieces, piece);
    for (guint c = 0; c < p->channels; c++)
      concat->position[channel++] = offset + plan_position (p, c);
    concat->span = offset + p->span;
    offset += plan_granules (p->span, b->plan->layout.slice);
  }
  drop_identity (concat);
  plan_set_map (b, value, out);
  return TRUE;
}

/* What is no join of maps may still be one of the tensors that they make. */
gboolean
plan_lower_concat (PlanBuilder *b, gint index)
{
  return join_maps (b, index) || plan_lower_move (b, index);
}

gboolean
plan_lower_depth (PlanBuilder *b, gint index)
{
  return move_depth (b, index) || plan_lower_move (b, index);
}
