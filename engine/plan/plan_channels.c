/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_channels.c - operators over the channels of one pixel, in whatever
 * layout they are written: softmax, arg max, mean, largest, sum, layer
 * normalisation (as one operator or spelled out).
 */
#include "dcnn_plan.h"

#include <math.h>
#include <string.h>

/* The map whose channels are dimension `axis` of value, and the order that
 * value has its elements in. -1: it is something else. */
static gint
channel_map (PlanBuilder *b, DcnnValueId value, gint64 axis, PlanOrder *order)
{
  const DcnnTensor *t = plan_value_tensor (b, value);
  gint map = -1;

  *order = PLAN_ORDER_CHW;
  if (t->dtype != DCNN_DTYPE_F32)
    return -1;
  if (axis == 1 && t->rank == 4)
    return plan_is_map_shaped (b->plan, value) ?
        plan_require_map (b, value) : -1;
  if (axis != t->rank - 1)
    return -1;
  if (axis == 1) {
    map = plan_trace_order (b, value, PLAN_ORDER_CHW);
    if (map >= 0 && (plan_map (b->plan, map)->width != 1 ||
            plan_map (b->plan, map)->height != 1))
      map = -1;
  }
  for (*order = PLAN_ORDER_HWC; map < 0 && *order <= PLAN_ORDER_WHC;)
    if ((map = plan_trace_order (b, value, *order)) < 0)
      ++*order;
  if (map < 0 || plan_map (b->plan, map)->channels != t->dims[axis])
    return -1;
  return map;
}

static gboolean
refuse_axis (PlanBuilder *b, gint64 axis)
{
  return plan_refuse (b, "it runs over dimension %" G_GINT64_FORMAT ", which "
      "is not the channels of a map", axis);
}

gboolean
plan_finish_ordered (PlanBuilder *b, PlanNode *node, DcnnValueId value,
    PlanOrder order)
{
  static const int to_chw[4] = { 0, 3, 1, 2 };
  const DcnnTensor *t = plan_value_tensor (b, value);
  const PlanMap *map = plan_map (b->plan, node->out);
  DcnnOp op = order == PLAN_ORDER_HWC ? DCNN_OP_TRANSPOSE : DCNN_OP_RESHAPE;
  gint reader = plan_sole_reader (b, value, op);
  const DcnnNode *gn = reader < 0 ? NULL : dcnn_graph_node (b->graph, reader);

  if (order == PLAN_ORDER_CHW && t->rank == 4)
    return plan_finish_kernel (b, node, value);
  if (gn && order != PLAN_ORDER_WHC &&
      plan_is_map_shaped (b->plan, gn->outputs[0]) &&
      (order == PLAN_ORDER_CHW || (t->rank == 4 &&
              memcmp (gn->params.transpose.perm, to_chw, sizeof to_chw) ==
              0))) {
    const DcnnTensor *after = plan_value_tensor (b, gn->outputs[0]);
    if (after->dims[1] == map->channels && after->dims[2] == map->height &&
        after->dims[3] == map->width) {
      b->done[reader] = TRUE;
      return plan_finish_kernel (b, node, gn->outputs[0]);
    }
  }
  g_free (node->name);
  node->name = g_strdup (dcnn_graph_value (b->graph, value)->name);
  plan_commit_node (b, node);
  plan_set_map_order (b, value, node->out, order);
  return TRUE;
}

/* ---- softmax, arg max -------------------------------------------------------- */

gboolean
plan_lower_softmax (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  PlanOrder order;
  const PlanMap *map;
  PlanNode *node;
  const DcnnTensor *t = plan_value_tensor (b, gn->inputs[0]);
  gint64 axis = gn->params.axis.axis;
  gint in;

  for (gint64 i = axis + 1; gn->params.axis.coerce_2d && i < t->rank; i++)
    if (t->dims[i] != 1)
      return plan_refuse (b, "it runs over several dimensions");
  in = channel_map (b, gn->inputs[0], axis, &order);
  if (in < 0)
    return refuse_axis (b, axis);
  in = plan_relayout (b, in, NULL);
  map = plan_map (b->plan, in);
  node = plan_start_kernel (b, gn, DCNN_PRIMARY_SOFTMAX, in,
      plan_add_map (b->plan, map->width, map->height, map->channels));
  node->op.log_form = gn->op == DCNN_OP_LOG_SOFTMAX;
  return plan_finish_ordered (b, node, gn->outputs[0], order);
}

gboolean
plan_lower_arg_max (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  const DcnnTensor *t = plan_value_tensor (b, gn->inputs[0]);
  PlanNode *node;
  gint in;

  if (!plan_is_map_shaped (b->plan, gn->inputs[0]) ||
      gn->params.axis.axis != 1)
    return refuse_axis (b, gn->params.axis.axis);
  in = plan_require_map (b, gn->inputs[0]);
  if (in < 0)
    return plan_refuse (b, "its input is constant");
  in = plan_relayout (b, in, NULL);
  node = plan_start_kernel (b, gn, DCNN_PRIMARY_ARG_MAX, in,
      plan_add_map (b->plan, t->dims[3], t->dims[2], 1));
  node->op.select_last = gn->params.axis.select_last;
  g_free (node->name);
  node->name = g_strdup (dcnn_graph_value (b->graph, gn->outputs[0])->name);
  plan_commit_node (b, node);
  plan_set_map (b, gn->outputs[0], node->out);
  return TRUE;
}

/* ---- layer normalisation ---------------------------------------------------- */

/* mean -> x - mean -> squared -> mean -> + epsilon -> root -> quotient. */
typedef struct LayerNorm {
  DcnnValueId quotient;
  gint nodes[6];           /* sub, square, mean, add, sqrt, div */
  double epsilon;
} LayerNorm;

/* The live nodes that read a value, when they are two and it is no output. */
static gboolean
two_readers (PlanBuilder *b, DcnnValueId value, gint *r)
{
  if (b->readers[value]->len != 2 || b->is_output[value])
    return FALSE;
  for (guint i = 0; i < 2; i++) {
    r[i] = g_array_index (b->readers[value], gint, i);
    if (b->done[r[i]])
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_square (PlanBuilder *b, const DcnnNode *gn, DcnnValueId of)
{
  double power;

  if (gn->n_inputs != 2 || gn->inputs[0] != of)
    return FALSE;
  if (gn->op == DCNN_OP_MUL)
    return gn->inputs[1] == of;
  return gn->op == DCNN_OP_POW &&
      dcnn_graph_scalar (b->graph, gn->inputs[1], &power) && power == 2;
}

static DcnnValueId
output_of (PlanBuilder *b, gint node)
{
  return node < 0 ? -1 : dcnn_graph_node (b->graph, node)->outputs[0];
}

static gboolean
match_layer_norm (PlanBuilder *b, const DcnnNode *mean, LayerNorm *m)
{
  gint *n = m->nodes, both[2];
  const DcnnNode *gn;
  DcnnValueId d;

  n[0] = plan_sole_reader (b, mean->outputs[0], DCNN_OP_SUB);
  d = output_of (b, n[0]);
  if (d < 0 || dcnn_graph_node (b->graph, n[0])->inputs[0] != mean->inputs[0]
      || !two_readers (b, d, both))
    return FALSE;
  for (guint i = 0; i < 2; i++) {
    n[1] = both[i];
    n[5] = both[1 - i];
    if (is_square (b, dcnn_graph_node (b->graph, n[1]), d))
      break;
  }
  gn = dcnn_graph_node (b->graph, n[1]);
  if (!is_square (b, gn, d))
    return FALSE;
  n[2] = plan_sole_reader (b, gn->outputs[0], DCNN_OP_REDUCE_MEAN);
  if (n[2] < 0 || memcmp (&dcnn_graph_node (b->graph, n[2])->params.reduce,
          &mean->params.reduce, sizeof mean->params.reduce) != 0)
    return FALSE;
  n[3] = plan_sole_reader (b, output_of (b, n[2]), DCNN_OP_ADD);
  gn = n[3] < 0 ? NULL : dcnn_graph_node (b->graph, n[3]);
  if (gn == NULL || !dcnn_graph_scalar (b->graph, gn->inputs[
              gn->inputs[0] == output_of (b, n[2])], &m->epsilon))
    return FALSE;
  n[4] = plan_sole_reader (b, gn->outputs[0], DCNN_OP_SQRT);
  if (n[4] < 0 || plan_sole_reader (b, output_of (b, n[4]), DCNN_OP_DIV) !=
      n[5] || dcnn_graph_node (b->graph, n[5])->inputs[0] != d)
    return FALSE;
  m->quotient = output_of (b, n[5]);
  return TRUE;
}

/* A constant of one float a channel along the last dimension; NULL: not. */
static const float *
last_dimension (PlanBuilder *b, DcnnValueId value, guint channels)
{
  const DcnnTensor *t = plan_value_tensor (b, value);

  return t && t->data && t->dtype == DCNN_DTYPE_F32 && t->rank > 0 &&
      t->dims[t->rank - 1] == channels && dcnn_tensor_count (t) == channels ?
      t->data : NULL;
}

/* The only reader of *value, when it is that operator with a constant along
 * the last dimension: moves *value past it. */
static const float *
take_affine (PlanBuilder *b, DcnnValueId *value, DcnnOp op, guint channels)
{
  gint reader = plan_sole_reader (b, *value, op);
  const DcnnNode *gn = reader < 0 ? NULL : dcnn_graph_node (b->graph, reader);
  const float *data = gn == NULL ? NULL : last_dimension (b,
      gn->inputs[gn->inputs[0] == *value], channels);

  if (data) {
    b->done[reader] = TRUE;
    *value = gn->outputs[0];
  }
  return data;
}

static PlanNode *
new_layer_norm (PlanBuilder *b, const DcnnNode *gn, gint in, gdouble epsilon,
    const float *scale, const float *bias)
{
  const PlanMap *map = plan_map (b->plan, in);
  PlanNode *node = plan_start_kernel (b, gn, DCNN_PRIMARY_LAYER_NORM, in,
      plan_add_map (b->plan, map->width, map->height, map->channels));

  node->op.epsilon = (float) epsilon;
  node->op.scale = scale;
  node->op.bias = bias;
  return node;
}

/* gn: the mean that the matched pattern starts with. */
static gboolean
lower_spelled_norm (PlanBuilder *b, const DcnnNode *gn, gint64 axis,
    const LayerNorm *m)
{
  DcnnValueId value = m->quotient;
  const float *scale = NULL, *bias = NULL;
  PlanOrder order;
  PlanNode *node;
  gint in = channel_map (b, gn->inputs[0], axis, &order);
  guint channels;

  if (in < 0)
    return FALSE;
  in = plan_relayout (b, in, NULL);
  channels = plan_map (b->plan, in)->channels;
  for (guint i = 0; i < G_N_ELEMENTS (m->nodes); i++)
    b->done[m->nodes[i]] = TRUE;
  if (order != PLAN_ORDER_CHW &&
      (scale = take_affine (b, &value, DCNN_OP_MUL, channels)) != NULL)
    bias = take_affine (b, &value, DCNN_OP_ADD, channels);
  node = new_layer_norm (b, gn, in, m->epsilon, scale, bias);
  g_string_assign (node->ops, "LayerNormalization");
  return plan_finish_ordered (b, node, value, order);
}

gboolean
plan_lower_layer_norm (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  const DcnnTensor *t = plan_value_tensor (b, gn->inputs[0]);
  const float *scale, *bias = NULL;
  guint channels = (guint) t->dims[t->rank - 1];
  PlanOrder order;
  PlanNode *node;
  gint in;

  scale = last_dimension (b, gn->inputs[1], channels);
  if (gn->n_inputs > 2 && gn->inputs[2] >= 0 &&
      (bias = last_dimension (b, gn->inputs[2], channels)) == NULL)
    scale = NULL;
  for (int i = 1; i < gn->n_outputs; i++)
    if (gn->outputs[i] >= 0)
      return plan_refuse (b, "its mean or deviation is used");
  if (gn->params.norm.axis != t->rank - 1)
    return plan_refuse (b, "it runs over several dimensions");
  if (scale == NULL)
    return plan_refuse (b, "its scale or bias is not one constant a channel");
  in = channel_map (b, gn->inputs[0], t->rank - 1, &order);
  if (in < 0)
    return refuse_axis (b, t->rank - 1);
  in = plan_relayout (b, in, NULL);
  node = new_layer_norm (b, gn, in, gn->params.norm.epsilon, scale, bias);
  return plan_finish_ordered (b, node, gn->outputs[0], order);
}

/* ---- mean, largest, sum ------------------------------------------------------- */

static gboolean
lower_channel_reduce (PlanBuilder *b, const DcnnNode *gn)
{
  const PlanMap *map;
  PlanOrder order;
  PlanNode *node;
  gint64 axis = 0;
  gint in;

  while (gn->params.reduce.axes >> axis > 1)
    axis++;
  in = channel_map (b, gn->inputs[0], axis, &order);
  if (in < 0)
    return refuse_axis (b, axis);
  in = plan_relayout (b, in, NULL);
  map = plan_map (b->plan, in);
  node = plan_start_kernel (b, gn, DCNN_PRIMARY_CHANNEL_REDUCE, in,
      plan_add_map (b->plan, map->width, map->height, 1));
  node->op.reduce = gn->op == DCNN_OP_REDUCE_MAX ? DCNN_CHANNEL_MAX :
      gn->op == DCNN_OP_REDUCE_SUM ? DCNN_CHANNEL_SUM : DCNN_CHANNEL_MEAN;
  return plan_finish_ordered (b, node, gn->outputs[0], order);
}

gboolean
plan_lower_reduce (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  const DcnnReduceParams *p = &gn->params.reduce;
  const DcnnTensor *t = plan_value_tensor (b, gn->inputs[0]);
  LayerNorm norm;

  for (gint64 axis = 1; gn->op == DCNN_OP_REDUCE_MEAN && axis < t->rank &&
      p->keepdims; axis++)
    if (p->axes == 1u << axis && match_layer_norm (b, gn, &norm))
      return lower_spelled_norm (b, gn, axis, &norm);
  if (t->rank == 4 && p->axes == 0xc && gn->op != DCNN_OP_REDUCE_SUM)
    return plan_lower_global (b, gn, gn->op == DCNN_OP_REDUCE_MAX);
  if (p->axes == 0 || (p->axes & (p->axes - 1)) != 0)
    return plan_refuse (b, "it runs over neither channels nor rows and "
        "columns");
  return lower_channel_reduce (b, gn);
}
