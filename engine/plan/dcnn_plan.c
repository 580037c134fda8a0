/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_plan.c - the planner's driver: walks the graph in order, lowers each
 * node to the best kind that takes it.
 */
#include "dcnn_plan.h"

#include <string.h>

/* ---- lowering ----------------------------------------------------------------- */

static const PlanLowerFn lowerings[DCNN_OP_COUNT] = {
#define DCNN_OP(ENUM, name, infer, ref, lowering) plan_lower_##lowering,
#include "ops.def"
#undef DCNN_OP
};

/* What every lowering but that of data movement starts from. */
static gboolean
has_ends (PlanBuilder *b, const DcnnNode *gn)
{
  return (gn->n_inputs >= 1 && gn->inputs[0] >= 0 && gn->outputs[0] >= 0) ||
      plan_refuse (b, "it has no input, or its first result is unused");
}

static void
lower_node (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  PlanLowerFn lower = lowerings[gn->op];

  if (b->done[index] || !gn->alive)
    return;
  b->done[index] = TRUE;
  g_string_assign (b->refusal, "its inputs are dense tensors");
  if ((lower != plan_lower_move && !has_ends (b, gn)) || !lower (b, index))
    plan_lower_dense (b, index, b->refusal->str);
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
  dcnn_plan_find_bytes (b->plan);
  dcnn_plan_find_blocks (b->plan);
  dcnn_plan_assign_storage (b->plan);
  dcnn_plan_find_tile (b->plan);
  dcnn_plan_find_passing (b->plan);
  dcnn_plan_place_tensors (b->plan);
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

static DcnnPlan *
plan_on (DcnnGraph *graph, const PlanLayout *layout)
{
  DcnnPlan *plan = g_new0 (DcnnPlan, 1);

  plan->graph = graph;
  plan->layout = *layout;
  plan->maps = g_ptr_array_new_with_free_func (plan_map_free);
  plan->nodes = g_ptr_array_new_with_free_func (plan_node_free);
  plan->buffers = g_array_new (FALSE, TRUE, sizeof (PlanBuffer));
  plan->geometries = g_array_new (FALSE, TRUE, sizeof (PlanGeometry));
  plan->tensors = g_array_new (FALSE, FALSE, sizeof (DcnnValueId));
  plan->tensor_places = g_array_new (FALSE, FALSE, sizeof (gint));
  plan->places = g_array_new (FALSE, FALSE, sizeof (gsize));
  plan->states = g_array_new (FALSE, FALSE, sizeof (PlanState));
  plan->image_input = -1;
  return plan;
}

/* After everything has its place. */
static gboolean
finish (DcnnPlan *plan, GError **error)
{
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
  g_autofree DcnnDtype *types = input_types (graph);
  gsize most_bytes = bytes_allowed (graph);
  DcnnPlan *plan;

  dcnn_passes_identities (graph);
  dcnn_passes_repeats (graph);
  dcnn_passes_moments (graph);
  plan = plan_on (dcnn_passes_layout (graph), &plan_layout_cpu);
  plan->owns_graph = TRUE;
  if (!dcnn_passes_run (plan->graph, most_bytes, error) ||
      !build_plan (plan, most_bytes, error) || !finish (plan, error))
    g_clear_pointer (&plan, dcnn_plan_free);
  else
    plan->image_integer = plan->image_input >= 0 &&
        types[plan->image_input] != DCNN_DTYPE_F32;
  return plan;
}

DcnnPlan *
dcnn_plan_again (const DcnnPlan *from, const PlanLayout *layout,
    GError **error)
{
  DcnnPlan *plan = plan_on (from->graph, layout);

  plan->image_integer = from->image_integer;
  if (!build_plan (plan, bytes_allowed (plan->graph), error) ||
      !finish (plan, error))
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
  g_array_unref (plan->tensor_places);
  g_array_unref (plan->places);
  g_array_unref (plan->states);
  g_free (plan->values);
  if (plan->owns_graph)
    dcnn_graph_free (plan->graph);
  g_free (plan);
}
