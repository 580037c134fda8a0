/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_ops.c - one graph node to one fused node on maps: which primary
 * operator, what it packs, how far a change reaches.
 */
#include "dcnn_plan.h"
#include "dcnn_resize.h"

#include <math.h>
#include <string.h>

static void
reach_window (PlanNode *node, const DcnnWindow *window, PlanReach reach)
{
  node->reach = reach;
  node->window = *window;
}

/* ---- convolutions --------------------------------------------------------- */

static void
keep_conv (PlanNode *node, const DcnnConvParams *params, const float *weights,
    const float *bias)
{
  node->op.conv = *params;
  node->op.weights = weights;
  node->op.bias = bias;
}

/* Whether a convolution is of two dimensions with weights and bias given. */
static gboolean
conv_is_constant (PlanBuilder *b, const DcnnNode *gn)
{
  if (gn->params.conv.window.rank != 2)
    return plan_refuse (b, "its window has not two dimensions");
  if (plan_value_floats (b, gn, 1) == NULL || (gn->n_inputs > 2 &&
          gn->inputs[2] >= 0 && plan_value_floats (b, gn, 2) == NULL))
    return plan_refuse (b, "its weights or bias are computed");
  return TRUE;
}

gboolean
plan_lower_conv (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  const DcnnConvParams *p = &gn->params.conv;
  const float *w = plan_value_floats (b, gn, 1);
  const float *bias = plan_value_floats (b, gn, 2);
  const DcnnTensor *wt = plan_value_tensor (b, gn->inputs[1]);
  gint64 taps;
  PlanNode *node;
  const PlanMap *map;
  gint in, out;

  if (!conv_is_constant (b, gn))
    return FALSE;
  in = plan_map_input (b, gn);
  if (in < 0)
    return FALSE;
  taps = p->window.kernel[0] * p->window.kernel[1];
  map = plan_map (b->plan, in);
  if (p->groups == map->channels && wt->dims[0] == map->channels &&
      p->groups > 1) {
    out = plan_add_map_like (b->plan, in);
    plan_map (b->plan, out)->height =
        (guint) plan_value_tensor (b, gn->outputs[0])->dims[2];
    plan_map (b->plan, out)->width =
        (guint) plan_value_tensor (b, gn->outputs[0])->dims[3];
    node = plan_start_kernel (b, gn, DCNN_PRIMARY_DEPTHWISE, in, out);
  } else if (p->groups > 1) {
    in = plan_relayout (b, in, NULL);
    node = plan_start_kernel (b, gn, DCNN_PRIMARY_GROUP_CONV, in,
        plan_new_output_map (b, gn->outputs[0]));
    g_string_printf (node->why, "depthwise: %" G_GINT64_FORMAT " groups, %u "
        "channels in, %" G_GINT64_FORMAT " out; conv: several groups",
        p->groups, plan_map (b->plan, in)->channels, wt->dims[0]);
  } else {
    node = plan_start_kernel (b, gn, DCNN_PRIMARY_CONV, in,
        plan_new_output_map (b, gn->outputs[0]));
  }
  keep_conv (node, p, w, bias);
  node->macs_per_pixel = (guint64) (wt->dims[0] * wt->dims[1] * taps);
  reach_window (node, &p->window, PLAN_REACH_WINDOW);
  return plan_finish_kernel (b, node, gn->outputs[0]);
}

gboolean
plan_lower_conv_transpose (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  const DcnnConvParams *p = &gn->params.conv;
  const float *w = plan_value_floats (b, gn, 1);
  const float *bias = plan_value_floats (b, gn, 2);
  const DcnnTensor *wt = plan_value_tensor (b, gn->inputs[1]);
  PlanNode *node;
  gint in;

  if (!conv_is_constant (b, gn))
    return FALSE;
  in = plan_map_input (b, gn);
  if (in < 0)
    return FALSE;
  if (p->groups > 1)
    in = plan_relayout (b, in, NULL);
  node = plan_start_kernel (b, gn, DCNN_PRIMARY_CONV_TRANSPOSE, in,
      plan_new_output_map (b, gn->outputs[0]));
  keep_conv (node, p, w, bias);
  node->macs_per_pixel = (guint64) MAX (1, wt->dims[0] * wt->dims[1] *
      p->window.kernel[0] * p->window.kernel[1] /
      (p->window.stride[0] * p->window.stride[1]));
  reach_window (node, &p->window, PLAN_REACH_TRANSPOSED);
  return plan_finish_kernel (b, node, gn->outputs[0]);
}

/* The weights of a Gemm or MatMul on a flattened map as a convolution's,
 * [n][k], in op. FALSE: it has none that are constant, or scales them.
 */
static gboolean
gemm_weights (PlanBuilder *b, const DcnnNode *gn, gint64 k, gint64 *n,
    PlanOp *op)
{
  const DcnnTensor *w = plan_value_tensor (b, gn->inputs[1]);
  gboolean gemm = gn->op == DCNN_OP_GEMM;
  gboolean rows = gemm && gn->params.gemm.trans_b; /* already [n][k] */
  const float *data = plan_value_floats (b, gn, 1);

  if (data == NULL || w->rank != 2 || w->dims[rows ? 1 : 0] != k ||
      (gemm && (gn->params.gemm.trans_a || gn->params.gemm.alpha != 1)))
    return FALSE;
  *n = w->dims[rows ? 0 : 1];
  if (gn->n_inputs > 2 && gn->inputs[2] >= 0) {
    op->bias = plan_value_floats (b, gn, 2);
    if (op->bias == NULL || gn->params.gemm.beta != 1 ||
        dcnn_tensor_count (plan_value_tensor (b, gn->inputs[2])) != *n)
      return FALSE;
  }
  op->weights = data;
  if (*n > 65536 || rows)
    return TRUE;
  op->weights = op->own_weights = g_try_new (float, *n * k);
  if (op->weights == NULL)
    return FALSE;
  for (gint64 i = 0; i < *n; i++)
    for (gint64 j = 0; j < k; j++)
      op->own_weights[i * k + j] = data[j * *n + i];
  return TRUE;
}

/* A fully connected layer on a flattened map is a convolution whose kernel is
 * the map. */
gboolean
plan_lower_matrix (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  gint in = plan_trace_order (b, gn->inputs[0], PLAN_ORDER_CHW);
  const PlanMap *map = in < 0 ? NULL : plan_map (b->plan, in);
  DcnnConvParams p = { .groups = 1, .window = { .rank = 2, .stride = { 1, 1 },
      .dilation = { 1, 1 } } };
  PlanOp op = { .own_weights = NULL };
  PlanNode *node;
  gint64 n = 0, k;

  if (map == NULL || plan_value_tensor (b, gn->inputs[0])->rank != 2 ||
      plan_value_tensor (b, gn->outputs[0])->rank != 2)
    return plan_refuse (b, "its input is no flattened map");
  k = (gint64) map->channels * map->width * map->height;
  if (!gemm_weights (b, gn, k, &n, &op) || n > 65536)
    return plan_refuse (b, n > 65536 ? "it has more than 65536 results" :
        "its weights are computed, transposed or scaled, or there is no memory "
        "for them");
  p.window.kernel[0] = map->height;
  p.window.kernel[1] = map->width;
  node = plan_start_kernel (b, gn, DCNN_PRIMARY_CONV, in,
      plan_add_map (b->plan, 1, 1, (guint) n));
  keep_conv (node, &p, op.weights, op.bias);
  node->op.own_weights = op.own_weights;
  node->macs_per_pixel = (guint64) (n * k);
  reach_window (node, &p.window, PLAN_REACH_WINDOW);
  return plan_finish_kernel (b, node, gn->outputs[0]);
}

/* ---- pooling ---------------------------------------------------------------- */

gboolean
plan_lower_pool (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  const DcnnPoolParams *p = &gn->params.pool;
  gboolean average = gn->op == DCNN_OP_AVERAGE_POOL;
  const DcnnTensor *t = plan_value_tensor (b, gn->inputs[0]);
  PlanNode *node;
  gint in, out;

  if (p->window.rank != 2 || (gn->n_outputs > 1 && gn->outputs[1] >= 0))
    return plan_refuse (b, p->window.rank != 2 ?
        "its window has not two dimensions" : "its indices are used");
  if (average && plan_is_map_shaped (b->plan, gn->inputs[0]) &&
      p->window.kernel[0] == t->dims[2] && p->window.kernel[1] == t->dims[3]
      && !p->window.pad_begin[0] && !p->window.pad_begin[1] &&
      !p->window.pad_end[0] && !p->window.pad_end[1])
    return plan_lower_global (b, gn, FALSE);
  in = plan_map_input (b, gn);
  if (in < 0)
    return FALSE;
  out = plan_add_map_like (b->plan, in);
  t = plan_value_tensor (b, gn->outputs[0]);
  plan_map (b->plan, out)->height = (guint) t->dims[2];
  plan_map (b->plan, out)->width = (guint) t->dims[3];
  node = plan_start_kernel (b, gn, average ? DCNN_PRIMARY_AVERAGE_POOL :
      DCNN_PRIMARY_MAX_POOL, in, out);
  node->op.pool = *p;
  reach_window (node, &p->window, PLAN_REACH_WINDOW);
  return plan_finish_kernel (b, node, gn->outputs[0]);
}

/* ---- element-wise on its own ---------------------------------------------------- */

/* The operand that the row starts from: the one as large as the output. */
static int
row_operand (PlanBuilder *b, const DcnnNode *gn)
{
  const DcnnTensor *out = plan_value_tensor (b, gn->outputs[0]);

  for (int i = 0; i < gn->n_inputs && i < 2; i++) {
    const DcnnTensor *t = plan_value_tensor (b, gn->inputs[i]);
    const PlanValue *v = &b->plan->values[MAX (gn->inputs[i], 0)];
    if (t && t->data == NULL && plan_is_map_shaped (b->plan, gn->inputs[i]) &&
        (v->map >= 0 || v->lazy) &&
        memcmp (t->dims, out->dims, 4 * sizeof (int64_t)) == 0)
      return i;
  }
  return -1;
}

/* Why a step is a node on its own, a pass over the map. */
static void
say_why_alone (PlanBuilder *b, PlanNode *node, DcnnValueId value)
{
  const char *name = dcnn_graph_value (b->graph, value)->name;

  if (b->is_output[value])
    g_string_printf (node->why, "a step of '%s': that is an output", name);
  else if (b->readers[value]->len > 1)
    g_string_printf (node->why, "a step of '%s': %u operators read that", name,
        b->readers[value]->len);
}

gboolean
plan_lower_step (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  int row;
  PlanNode *node;
  PlanStep step;
  gint in, out;

  if (!plan_is_map_shaped (b->plan, gn->outputs[0]))
    return plan_refuse_shape (b, "result", gn->outputs[0]);
  row = row_operand (b, gn);
  in = row < 0 ? -1 : plan_require_map (b, gn->inputs[row]);
  if (in < 0)
    return plan_refuse (b, "no operand is a map of the result's size");
  if (!plan_step_fits (b, index, gn->inputs[row], plan_map (b->plan, in)))
    in = plan_relayout (b, in, NULL);
  out = plan_add_map_like (b->plan, in);
  if (!plan_step_from_node (b, index, gn->inputs[row], out, &step))
    return plan_refuse (b, "its other operand is not broadcast to the map by "
        "channel, pixel or element");
  node = plan_start_kernel (b, gn, DCNN_PRIMARY_COPY, in, out);
  say_why_alone (b, node, gn->inputs[row]);
  node->steps[node->n_steps++] = step;
  return plan_finish_kernel (b, node, gn->outputs[0]);
}

gboolean
plan_lower_batch_norm (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  PlanStep steps[2];
  PlanNode *node;
  gint in;

  for (int i = 1; i < 5; i++)
    if (plan_value_floats (b, gn, i) == NULL)
      return plan_refuse (b, "its parameters are computed");
  in = plan_map_input (b, gn);
  if (in < 0 || !plan_norm_steps (b, gn, plan_map (b->plan, in), steps))
    return FALSE;
  node = plan_start_kernel (b, gn, DCNN_PRIMARY_COPY, in,
      plan_add_map_like (b->plan, in));
  node->steps[node->n_steps++] = steps[0];
  node->steps[node->n_steps++] = steps[1];
  return plan_finish_kernel (b, node, gn->outputs[0]);
}

/* ---- resize ------------------------------------------------------------------------- */

/* Indices and weights of one axis; taps = 1 nearest, 2 linear, 4 cubic. A tap
 * of weight 0 repeats its neighbour: it must not make candidates. */
static void
resize_axis (const DcnnResizeParams *p, int axis, gint64 in, gint64 out,
    guint taps, guint32 *index, float *weight)
{
  for (gint64 i = 0; i < out; i++) {
    DcnnResizeTaps t;
    dcnn_resize_taps (p, axis, i, in, out, &t);
    for (guint k = 0; k < taps; k++) {
      gboolean have = (int) k < t.n;
      index[i * taps + k] = (guint32) t.position[have ? k : 0];
      if (taps > 1)
        weight[i * taps + k] = have ? (float) t.weight[k] : 0;
    }
    if (taps == 2 && (t.n == 1 || t.weight[1] == 0)) {
      index[i * 2 + 1] = index[i * 2];
      weight[i * 2] = weight[i * 2 + 1] = 0.5f;
    }
  }
}

static guint
resize_taps (DcnnResizeMode mode)
{
  switch (mode) {
    case DCNN_RESIZE_NEAREST:
      return 1;
    case DCNN_RESIZE_LINEAR:
      return 2;
    default:
      return 4;
  }
}

gboolean
plan_lower_resize (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);
  const DcnnResizeParams *p = &gn->params.resize;
  guint taps = resize_taps (p->mode);
  const DcnnTensor *ti = plan_value_tensor (b, gn->inputs[0]);
  const DcnnTensor *to = plan_value_tensor (b, gn->outputs[0]);
  g_autofree float *wy = NULL, *wx = NULL;
  PlanNode *node;
  gint in, out;

  if (p->coord == DCNN_COORD_TF_CROP_AND_RESIZE)
    return plan_refuse (b, "it crops at computed places");
  if (!plan_is_map_shaped (b->plan, gn->inputs[0]) ||
      !plan_is_map_shaped (b->plan, gn->outputs[0]) ||
      ti->dims[1] != to->dims[1])
    return plan_refuse (b, "it is no resizing of a map's rows and columns");
  in = plan_map_input (b, gn);
  if (in < 0)
    return FALSE;
  out = plan_add_map_like (b->plan, in);
  plan_map (b->plan, out)->height = (guint) to->dims[2];
  plan_map (b->plan, out)->width = (guint) to->dims[3];
  node = plan_start_kernel (b, gn, taps == 1 ? DCNN_PRIMARY_RESAMPLE :
      DCNN_PRIMARY_RESIZE, in, out);
  node->reach = PLAN_REACH_TABLE;
  node->taps_y = node->taps_x = taps;
  node->index_y = g_new (guint32, to->dims[2] * taps);
  node->index_x = g_new (guint32, to->dims[3] * taps);
  wy = g_new (float, to->dims[2] * taps);
  wx = g_new (float, to->dims[3] * taps);
  resize_axis (p, 2, ti->dims[2], to->dims[2], taps, node->index_y, wy);
  resize_axis (p, 3, ti->dims[3], to->dims[3], taps, node->index_x, wx);
  if (taps > 1) {
    node->op.weight_y = g_steal_pointer (&wy);
    node->op.weight_x = g_steal_pointer (&wx);
  }
  return plan_finish_kernel (b, node, gn->outputs[0]);
}

gboolean
plan_lower_global_pool (PlanBuilder *b, gint index)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, index);

  return plan_lower_global (b, gn, gn->op == DCNN_OP_GLOBAL_MAX_POOL);
}

gboolean
plan_lower_tail (PlanBuilder *b, gint index)
{
  return plan_refuse (b, "%s has no kernel on maps",
      dcnn_op_name (dcnn_graph_node (b->graph, index)->op));
}
