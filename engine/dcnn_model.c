/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_model.c - a planned network, shared by its sessions.
 */
#include "dcnn_engine.h"

#include <string.h>

DcnnModel *
dcnn_model_new (DcnnGraph *graph, GError **error)
{
  DcnnModel *model;
  DcnnPlan *plan;

  if (graph->outputs->len == 0 || graph->inputs->len == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "the network has no %s", graph->outputs->len ? "input" : "output");
    dcnn_graph_free (graph);
    return NULL;
  }
  plan = dcnn_plan_new (graph, error);
  if (plan == NULL)
    return NULL;
  model = g_new0 (DcnnModel, 1);
  g_atomic_ref_count_init (&model->refs);
  model->plan = plan;
  g_mutex_init (&model->weights_lock);
  model->weights = g_array_new (FALSE, FALSE, sizeof (ModelWeights));
  model->laid_out =
      g_ptr_array_new_with_free_func ((GDestroyNotify) dcnn_plan_free);
  return model;
}

DcnnModel *
dcnn_model_ref (DcnnModel *model)
{
  g_atomic_ref_count_inc (&model->refs);
  return model;
}

void
dcnn_model_unref (DcnnModel *model)
{
  if (model == NULL || !g_atomic_ref_count_dec (&model->refs))
    return;
  dcnn_backend_clear_weights (model);
  g_array_unref (model->weights);
  g_mutex_clear (&model->weights_lock);
  g_ptr_array_unref (model->laid_out); /* before whose graph they borrow */
  dcnn_plan_free (model->plan);
  g_free (model);
}

const DcnnPlan *
dcnn_model_plan (DcnnModel *model, const PlanLayout *layout, GError **error)
{
  DcnnPlan *plan = NULL;

  if (memcmp (layout, &model->plan->layout, sizeof *layout) == 0)
    return model->plan;
  g_mutex_lock (&model->weights_lock);
  for (guint i = 0; i < model->laid_out->len && plan == NULL; i++) {
    DcnnPlan *known = g_ptr_array_index (model->laid_out, i);
    if (memcmp (layout, &known->layout, sizeof *layout) == 0)
      plan = known;
  }
  if (plan == NULL && (plan = dcnn_plan_again (model->plan, layout, error)))
    g_ptr_array_add (model->laid_out, plan);
  g_mutex_unlock (&model->weights_lock);
  return plan;
}

static DcnnValue *
endpoint (const DcnnModel *model, GArray *list, guint i)
{
  return dcnn_graph_value (model->plan->graph,
      g_array_index (list, DcnnValueId, i));
}

const char *
dcnn_model_input_name (const DcnnModel *model, guint i)
{
  g_return_val_if_fail (i < model->plan->graph->inputs->len, NULL);
  return endpoint (model, model->plan->graph->inputs, i)->name;
}

const DcnnTensor *
dcnn_model_input (const DcnnModel *model, guint i)
{
  g_return_val_if_fail (i < model->plan->graph->inputs->len, NULL);
  return &endpoint (model, model->plan->graph->inputs, i)->tensor;
}

const char *
dcnn_model_output_name (const DcnnModel *model, guint i)
{
  g_return_val_if_fail (i < model->plan->graph->outputs->len, NULL);
  return endpoint (model, model->plan->graph->outputs, i)->name;
}

const DcnnTensor *
dcnn_model_output (const DcnnModel *model, guint i)
{
  g_return_val_if_fail (i < model->plan->graph->outputs->len, NULL);
  return &endpoint (model, model->plan->graph->outputs, i)->tensor;
}

static gsize
weight_bytes (const DcnnPlan *plan)
{
  gsize bytes = 0;

  for (guint n = 0; n < plan->nodes->len; n++)
    bytes += plan_node_weight_bytes (plan, plan_node (plan, n));
  return bytes;
}

void
dcnn_model_get_summary (const DcnnModel *model, DcnnModelSummary *summary)
{
  const DcnnPlan *plan = model->plan;

  memset (summary, 0, sizeof *summary);
  summary->n_inputs = dcnn_graph_fed_inputs (plan->graph);
  summary->n_states = plan->graph->states->len;
  summary->n_outputs = plan->graph->outputs->len;
  summary->n_nodes = plan->nodes->len;
  summary->macs = plan->macs;
  summary->weight_bytes = weight_bytes (plan);
  summary->state_bytes = dcnn_backend_cpu.stream_bytes (plan);
  summary->tile = plan->tile;
  if (plan->image_input >= 0) {
    const DcnnTensor *t = dcnn_model_input (model, plan->image_input);
    summary->input_nhwc = plan->image_nhwc;
    summary->input_integer = plan->image_integer;
    summary->input_channels = t->dims[plan->image_nhwc ? 3 : 1];
    summary->input_height = t->dims[plan->image_nhwc ? 1 : 2];
    summary->input_width = t->dims[plan->image_nhwc ? 2 : 3];
  }
}

void
dcnn_model_get_window (const DcnnModel *model, guint i, DcnnNodeWindow *window)
{
  const DcnnPlan *plan = model->plan;
  const PlanNode *node;
  const DcnnWindow *w;

  memset (window, 0, sizeof *window);
  g_return_if_fail (i < plan->nodes->len);
  node = plan_node (plan, i);
  w = &node->window;
  if (node->in < 0)
    return;
  window->in_width = plan_map (plan, node->in)->width;
  window->in_height = plan_map (plan, node->in)->height;
  window->in_channels = plan_map (plan, node->in)->channels;
  if (node->out < 0 || (node->reach != PLAN_REACH_WINDOW &&
          node->reach != PLAN_REACH_TRANSPOSED))
    return;
  window->transposed = node->reach == PLAN_REACH_TRANSPOSED;
  window->kernel_y = (guint) w->kernel[0];
  window->kernel_x = (guint) w->kernel[1];
  window->stride_y = (guint) w->stride[0];
  window->stride_x = (guint) w->stride[1];
  window->dilation_y = (guint) w->dilation[0];
  window->dilation_x = (guint) w->dilation[1];
  window->pad_y = (gint) w->pad_begin[0];
  window->pad_x = (gint) w->pad_begin[1];
}

void
dcnn_model_get_node (const DcnnModel *model, guint i, DcnnNodeInfo *info)
{
  const DcnnPlan *plan = model->plan;
  const PlanNode *node;

  memset (info, 0, sizeof *info);
  g_return_if_fail (i < plan->nodes->len);
  node = plan_node (plan, i);
  info->name = node->name;
  info->ops = node->ops->str;
  info->kernel = dcnn_backend_cpu.kernel (plan, node, NULL);
  info->why = node->why->str;
  info->inside = dcnn_plan_inside (plan, (gint) i, PLAN_BLOCKS_PAYING) ?
      node->into : -1;
  info->n_inputs = node->deps->len;
  info->inputs = (const gint *) node->deps->data;
  info->weight_bytes = plan_node_weight_bytes (plan, node);
  info->macs = node->tail_macs;
  if (node->out >= 0) {
    const PlanMap *map = plan_map (plan, node->out);
    info->width = map->width;
    info->height = map->height;
    info->channels = map->channels;
    info->macs = node->macs_per_pixel * map->width * map->height;
    if (info->inside < 0)
      info->state_bytes = (gsize) map->width * map->height *
          (map->bytes ? 1 : 4) * plan_granules (map->span, plan->layout.pixel);
  }
}

char *
dcnn_model_dump_graph (const DcnnModel *model)
{
  return dcnn_graph_dump (model->plan->graph);
}

char *
dcnn_model_dump_plan (const DcnnModel *model)
{
  return dcnn_plan_dump (model->plan);
}
