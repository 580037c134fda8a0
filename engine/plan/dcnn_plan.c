/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_plan.c - the planner's driver: walks the graph in order, lowers each
 * node to the best kind that takes it, makes dense tensors and maps of values
 * as their readers need them.
 */
#include "dcnn_plan.h"

#include <string.h>

/* ---- maps ----------------------------------------------------------------- */

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

static void
map_free (gpointer data)
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

/* ---- nodes ------------------------------------------------------------------ */

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

static void
norm_free (PlanNorm *norm)
{
  if (norm == NULL)
    return;
  g_free (norm->scale);
  g_free (norm->bias);
  g_free (norm);
}

static void
node_free (gpointer data)
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

void
plan_node_writes (PlanBuilder *b, PlanNode *node, gint index)
{
  PlanMap *map = plan_map (b->plan, index);

  node->out = index;
  map->written = TRUE;
  map->mask = b->plan->n_masks++;
}

/* ---- values ------------------------------------------------------------------ */

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
    plan_lower_tail (b, producer, "its result is no strided copy of whole "
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
  if (v->lazy && plan_trace_map (b, value))
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

/* ---- lowering ----------------------------------------------------------------- */

gboolean
plan_refuse (PlanBuilder *b, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_string_vprintf (b->refusal, format, arguments);
  va_end (arguments);
  return FALSE;
}

void
plan_lower_tail (PlanBuilder *b, gint index, const char *why)
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

/* Data movement on maps, or on what data movement made of maps, waits until
 * somebody needs the result in one form or another. */
static gboolean
lower_lazily (PlanBuilder *b, const DcnnNode *gn)
{
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

static void
lower_node (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  DcnnDomain domain = dcnn_op_domain (gn->op);

  if (b->done[index] || !gn->alive)
    return;
  b->done[index] = TRUE;
  g_string_assign (b->refusal, "its inputs are dense tensors");
  if (domain != DCNN_DOMAIN_LAYOUT && plan_lower_kernel (b, index))
    return;
  if (gn->op == DCNN_OP_CONCAT && plan_lower_concat (b, index))
    return;
  if ((gn->op == DCNN_OP_DEPTH_TO_SPACE || gn->op == DCNN_OP_SPACE_TO_DEPTH)
      && plan_lower_depth (b, index))
    return;
  if (domain == DCNN_DOMAIN_LAYOUT && gn->op != DCNN_OP_CAST &&
      lower_lazily (b, gn))
    return;
  plan_lower_tail (b, index, b->refusal->str);
}

/* ---- inputs --------------------------------------------------------------------- */

static gboolean
is_transpose_to_nchw (const DcnnNode *node)
{
  const int *perm = node->params.transpose.perm;

  return node->op == DCNN_OP_TRANSPOSE && perm[0] == 0 && perm[1] == 3 &&
      perm[2] == 1 && perm[3] == 2;
}

/* A [1, H, W, C] input whose readers all turn it to [1, C, H, W] first. */
static gboolean
add_nhwc_input (PlanBuilder *b, DcnnValueId value, gint index)
{
  GArray *readers = b->readers[value];
  gint map = -1;

  if (readers->len == 0 ||
      dcnn_graph_value (b->graph, value)->tensor.rank != 4)
    return FALSE;
  for (guint i = 0; i < readers->len; i++) {
    const DcnnNode *reader =
        dcnn_graph_node (b->graph, g_array_index (readers, gint, i));
    if (!is_transpose_to_nchw (reader) ||
        !plan_is_map_shaped (b->plan, reader->outputs[0]))
      return FALSE;
  }
  for (guint i = 0; i < readers->len; i++) {
    gint r = g_array_index (readers, gint, i);
    DcnnValueId out = dcnn_graph_node (b->graph, r)->outputs[0];
    const DcnnTensor *t = &dcnn_graph_value (b->graph, out)->tensor;
    if (map < 0)
      map = plan_add_map (b->plan, t->dims[3], t->dims[2], t->dims[1]);
    plan_set_map (b, out, map);
    b->done[r] = TRUE;
  }
  plan_map (b->plan, map)->graph_input = index;
  plan_map (b->plan, map)->mask = b->plan->n_masks++;
  return TRUE;
}

static void
add_input (PlanBuilder *b, gint index)
{
  DcnnValueId value = g_array_index (b->graph->inputs, DcnnValueId, index);
  const DcnnTensor *t = &dcnn_graph_value (b->graph, value)->tensor;
  DcnnPlan *plan = b->plan;
  gboolean nhwc = add_nhwc_input (b, value, index);
  guint channels;
  gint map;

  if (!nhwc && !plan_is_map_shaped (plan, value))
    return;
  channels = (guint) t->dims[nhwc ? 3 : 1];
  if (!nhwc) {
    map = plan_add_map (plan, t->dims[3], t->dims[2], t->dims[1]);
    plan_map (plan, map)->graph_input = index;
    plan_map (plan, map)->mask = plan->n_masks++;
    plan_set_map (b, value, map);
  }
  if (plan->image_input < 0 && (channels == 3 || channels == 1) &&
      (guint) index < dcnn_graph_fed_inputs (b->graph)) {
    plan->image_input = index;
    plan->image_nhwc = nhwc;
  }
}

/* ---- readers ------------------------------------------------------------------------ */

static void
find_readers (PlanBuilder *b)
{
  for (guint v = 0; v < b->graph->values->len; v++)
    b->readers[v] = g_array_new (FALSE, FALSE, sizeof (gint));
  for (guint n = 0; n < b->graph->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (b->graph, n);
    for (int i = 0; node->alive && i < node->n_inputs; i++) {
      GArray *list = node->inputs[i] >= 0 ? b->readers[node->inputs[i]] : NULL;
      gint index = (gint) n;
      if (list && (list->len == 0 ||
              g_array_index (list, gint, list->len - 1) != index))
        g_array_append_val (list, index);
    }
  }
}

/* ---- what a plan may take ------------------------------------------------------ */

/* Weights and tables of a plan, beside some times the model's constants: many
 * nodes of a small file may share a large weight, or have a table each. */
#define BYTES_BASE ((gsize) 512 << 20)
#define BYTES_PER_BYTE 4

static gsize
bytes_allowed (const DcnnGraph *graph)
{
  gsize bytes = 0;

  for (guint v = 0; v < graph->values->len; v++) {
    const DcnnTensor *t = &dcnn_graph_value (graph, (gint) v)->tensor;
    if (t->data != NULL)
      bytes += (gsize) dcnn_tensor_count (t) * dcnn_dtype_bytes (t->dtype);
  }
  return BYTES_BASE + BYTES_PER_BYTE * bytes;
}

/* Counts what has come since the last call. FALSE: too much. */
static gboolean
count_bytes (PlanBuilder *b, const char *name)
{
  DcnnPlan *plan = b->plan;

  for (; b->counted_maps < plan->maps->len; b->counted_maps++) {
    const PlanMap *map = plan_map (plan, (gint) b->counted_maps);
    gsize channels = map->channels;
    b->bytes += (map->position ? channels * sizeof (guint32) : 0) +
        (map->constant ? channels * map->width * map->height *
        sizeof (float) : 0);
  }
  for (; b->counted_nodes < plan->nodes->len; b->counted_nodes++)
    b->bytes += plan_node_weight_bytes (plan, plan_node (plan,
            (gint) b->counted_nodes));
  if (b->bytes > b->most_bytes && b->error == NULL)
    g_set_error (&b->error, DCNN_ERROR, DCNN_ERROR_LIMIT,
        "node '%.200s' takes the weights and tables of the plan to %.0f MiB, "
        "more than %.0f MiB, which suits a model of this size: weights that "
        "many nodes share are packed for each of them", name,
        b->bytes / 1048576.0, b->most_bytes / 1048576.0);
  return b->error == NULL;
}

/* ---- the whole --------------------------------------------------------------------- */

static gboolean
build (PlanBuilder *b)
{
  find_readers (b);
  for (guint i = 0; i < b->graph->inputs->len; i++)
    add_input (b, (gint) i);
  for (guint n = 0; n < b->graph->nodes->len; n++) {
    lower_node (b, (gint) n);
    if (!count_bytes (b, dcnn_graph_node (b->graph, n)->name))
      return FALSE;
  }
  for (guint i = 0; i < b->graph->outputs->len; i++) {
    DcnnValueId id = g_array_index (b->graph->outputs, DcnnValueId, i);
    plan_require_tensor (b, id);
    if (!count_bytes (b, dcnn_graph_value (b->graph, id)->name))
      return FALSE;
  }
  dcnn_plan_find_roles (b->plan);
  dcnn_plan_find_blocks (b->plan);
  dcnn_plan_find_passing (b->plan);
  dcnn_plan_assign_storage (b->plan);
  dcnn_plan_find_tile (b->plan);
  return TRUE;
}

/* The plan of a graph that the passes have been over. */
static gboolean
build_plan (DcnnPlan *plan, gsize most_bytes, GError **error)
{
  guint n_values = plan->graph->values->len;
  PlanBuilder b = { .plan = plan, .graph = plan->graph,
    .refusal = g_string_new (NULL),
    .most_bytes = most_bytes };
  gboolean ok;

  plan->values = g_new0 (PlanValue, n_values);
  for (guint v = 0; v < n_values; v++)
    plan->values[v].map = plan->values[v].tensor =
        plan->values[v].tensor_node = -1;
  b.done = g_new0 (gboolean, plan->graph->nodes->len + 1);
  b.readers = g_new0 (GArray *, n_values + 1);
  b.is_output = dcnn_graph_find_outputs (plan->graph);
  ok = build (&b);
  for (guint v = 0; v < n_values; v++)
    g_array_unref (b.readers[v]);
  g_free (b.readers);
  g_free (b.is_output);
  g_free (b.done);
  g_string_free (b.refusal, TRUE);
  if (b.error)
    g_propagate_error (error, b.error);
  return ok;
}

static DcnnDtype *
input_types (const DcnnGraph *graph)
{
  DcnnDtype *types = g_new0 (DcnnDtype, graph->inputs->len + 1);

  for (guint i = 0; i < graph->inputs->len; i++)
    types[i] = dcnn_graph_value (graph,
        g_array_index (graph->inputs, DcnnValueId, i))->tensor.dtype;
  return types;
}

/* After everything has its place. */
static gboolean
finish (DcnnPlan *plan, const DcnnDtype *types, GError **error)
{
  plan->image_integer = plan->image_input >= 0 &&
      types[plan->image_input] != DCNN_DTYPE_F32;
  if (dcnn_plan_add_states (plan))
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
      "an input that keeps an earlier picture is read in a way that no map "
      "has; export the model with its pictures as [1,C,H,W]");
  return FALSE;
}

DcnnPlan *
dcnn_plan_new (DcnnGraph *graph, GError **error)
{
  DcnnPlan *plan = g_new0 (DcnnPlan, 1);
  g_autofree DcnnDtype *types = input_types (graph);
  gsize most_bytes = bytes_allowed (graph);

  plan->graph = dcnn_passes_layout (graph);
  plan->maps = g_ptr_array_new_with_free_func (map_free);
  plan->nodes = g_ptr_array_new_with_free_func (node_free);
  plan->buffers = g_array_new (FALSE, TRUE, sizeof (PlanBuffer));
  plan->geometries = g_array_new (FALSE, TRUE, sizeof (PlanGeometry));
  plan->tensors = g_array_new (FALSE, FALSE, sizeof (DcnnValueId));
  plan->states = g_array_new (FALSE, FALSE, sizeof (PlanState));
  plan->image_input = -1;
  if (!dcnn_passes_run (plan->graph, most_bytes, error) ||
      !build_plan (plan, most_bytes, error) || !finish (plan, types, error))
    g_clear_pointer (&plan, dcnn_plan_free);
  return plan;
}

void
dcnn_plan_free (DcnnPlan *plan)
{
  if (plan == NULL)
    return;
  g_ptr_array_unref (plan->nodes);
  g_ptr_array_unref (plan->maps);
  g_array_unref (plan->buffers);
  g_array_unref (plan->geometries);
  g_array_unref (plan->tensors);
  g_array_unref (plan->states);
  g_free (plan->values);
  dcnn_graph_free (plan->graph);
  g_free (plan);
}
