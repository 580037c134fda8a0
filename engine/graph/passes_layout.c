/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_layout.c - pictures as exporters write them become maps.
 *
 *   [1,H,W,C] or [H,W,C] or integer input, then Mul, Split, Pad ... in that
 *   order, then Transpose (or Unsqueeze, Reshape) to [1,C,H,W]
 *     -> float32 input, Transpose, the same operators on [1,C,H,W]
 *
 *   [C,H,W] input, then Unsqueeze (or Reshape) to [1,C,H,W] -> such an input
 *
 *   what is done with channels last between Transposes, as Keras and TensorFlow
 *   do it from one convolution to the next -> the same on [1,C,H,W]
 *
 *   products along channels that come last, between Transposes (passes_products.c)
 *
 *   convolutions in one dimension, [1,C,L] -> on [1,C,1,L] (passes_rows.c)
 *
 *   maps on an axis of their own, [1,n,C,H,W] -> on [1,nC,H,W] (passes_stack.c)
 *
 * The graph is written anew, node by node: a value has its own form, its
 * [1,C,H,W] form, or both, made when somebody reads them. A graph that needs
 * none of it, or cannot be written so, stays as it is.
 */
#include "passes_layout.h"

#include <string.h>


static gboolean
is_channels (gint64 n)
{
  return n == 1 || n == 3 || n == 4;
}

static gboolean
is_integer (DcnnDtype dtype)
{
  return dtype != DCNN_DTYPE_F32 && dtype != DCNN_DTYPE_F64 &&
      dtype != DCNN_DTYPE_BOOL && dtype != DCNN_DTYPE_NONE;
}

/* Whether an input is a picture with its channels last. */
static gboolean
is_channels_last (const DcnnTensor *t)
{
  int h = t->rank - 3;

  return (t->rank == 3 || (t->rank == 4 && t->dims[0] == 1)) &&
      is_channels (t->dims[h + 2]) && !is_channels (t->dims[h]) &&
      t->dims[h] > 1 && t->dims[h + 1] > 1;
}

/* By value: whether something else than a Transpose to [1,C,H,W] reads it. New;
 * free with g_free(). */
static gboolean *
find_plain_readers (const DcnnGraph *graph)
{
  gboolean *read = g_new0 (gboolean, graph->values->len + 1);

  for (guint n = 0; n < graph->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (graph, n);
    gboolean plain = node->alive && !layout_has_perm (node, 4, layout_to_nchw);
    for (int i = 0; plain && i < node->n_inputs; i++)
      if (node->inputs[i] >= 0)
        read[node->inputs[i]] = TRUE;
  }
  return read;
}

/* Whether an input is a picture without a batch, that gets one. */
static gboolean
is_batchless (const DcnnGraph *graph, DcnnValueId input)
{
  const DcnnTensor *t = layout_tensor (graph, input), *to;

  if (t->rank != 3 || t->dims[0] == 1 || !is_channels (t->dims[0]) ||
      is_channels_last (t) || (t->dtype != DCNN_DTYPE_F32 && !is_integer (t->dtype)))
    return FALSE;
  for (guint n = 0; n < graph->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (graph, n);
    if (node->op != DCNN_OP_RESHAPE || node->outputs[0] < 0)
      continue;
    to = layout_tensor (graph, node->outputs[0]);
    if (to->rank == 4 && to->dims[0] == 1 &&
        memcmp (to->dims + 1, t->dims, 3 * sizeof *t->dims) == 0)
      return TRUE;
  }
  return FALSE;
}

/* Whether something else than a Transpose reads the picture first. */
static gboolean
input_needs_it (const Layout *l, DcnnValueId input)
{
  const DcnnTensor *t = layout_tensor (l->from, input);

  if (is_batchless (l->from, input))
    return TRUE;
  if (is_integer (t->dtype) && (t->rank == 3 || t->rank == 4))
    return TRUE;
  return t->dtype == DCNN_DTYPE_F32 && is_channels_last (t) &&
      l->read_plain[input];
}

/* What has no convolution is no network on pictures: its types are kept. */
static gboolean
has_convolution (const DcnnGraph *graph)
{
  for (guint n = 0; n < graph->nodes->len; n++)
    if (dcnn_graph_node (graph, n)->op == DCNN_OP_CONV)
      return TRUE;
  return FALSE;
}

/* ---- values -------------------------------------------------------------- */

/* A constant that is broadcast to [1,H,W,C], for [1,C,H,W]. -1: it is not. */
static DcnnValueId
constant_nchw (Layout *l, DcnnValueId v)
{
  const DcnnValue *value = dcnn_graph_value (l->from, v);
  DcnnTensor wide = value->tensor;
  g_autofree char *last = g_strdup_printf ("%s:last", value->name);
  g_autofree char *first = g_strdup_printf ("%s:first", value->name);
  DcnnValueId id;

  if (wide.rank > 4)
    return -1;
  for (int i = 3; i >= 0; i--)
    wide.dims[i] = i < 4 - value->tensor.rank ? 1
        : value->tensor.dims[i - (4 - value->tensor.rank)];
  wide.rank = 4;
  id = layout_find_made (l, first); /* two readers */
  if (id >= 0)
    return id;
  id = layout_add_constant (l, last, &wide, &value->tensor);
  return id < 0 ? -1 : layout_add_transpose (l, id, layout_to_nchw, first);
}

/* ---- nodes ----------------------------------------------------------------- */

static void
permute (int64_t *values)
{
  int64_t before[4] = { values[0], values[1], values[2], values[3] };

  for (int i = 0; i < 4; i++)
    values[i] = before[layout_to_nchw[i]];
}

static gboolean
permute_axis (int64_t *axis)
{
  static const int64_t new_axis[4] = { 0, 2, 3, 1 };

  if (*axis < 0 || *axis > 3)
    return FALSE;
  *axis = new_axis[*axis];
  return TRUE;
}

/* The axes of a reduction for [1,C,H,W]. */
static guint32
permute_axes (guint32 axes)
{
  guint32 moved = 0;

  for (int64_t axis = 0; axis < 4; axis++) {
    int64_t to = axis;
    permute_axis (&to);
    if (axes >> axis & 1)
      moved |= 1u << to;
  }
  return moved;
}

/* The node's parameters for [1,C,H,W]. FALSE: it cannot be moved. */
static gboolean
permute_params (const Layout *l, const DcnnNode *node, DcnnParams *p)
{
  if (plan_op_is_elementwise (node->op) || node->op == DCNN_OP_IDENTITY ||
      node->op == DCNN_OP_CAST)
    return TRUE;
  if (node->inputs[0] < 0 || layout_tensor (l->from, node->inputs[0])->rank != 4)
    return FALSE;
  switch (node->op) {
    case DCNN_OP_GATHER:
      if (layout_tensor (l->from, node->inputs[1])->data == NULL ||
          layout_tensor (l->from, node->inputs[1])->rank != 1)
        return FALSE;
      return permute_axis (&p->axis.axis);
    case DCNN_OP_SOFTMAX:
    case DCNN_OP_LOG_SOFTMAX:
      if (p->axis.coerce_2d && p->axis.axis != 3)
        return FALSE;
      p->axis.coerce_2d = FALSE; /* of the last axis it is the same */
      return permute_axis (&p->axis.axis);
    case DCNN_OP_ARG_MAX:
      return p->axis.keepdims && permute_axis (&p->axis.axis);
    case DCNN_OP_CONCAT:
    case DCNN_OP_SPLIT:
      return permute_axis (&p->axis.axis);
    case DCNN_OP_SLICE:
      permute (p->slice.start);
      permute (p->slice.step);
      permute (p->slice.count);
      return TRUE;
    case DCNN_OP_PAD:
      permute (p->pad.begin);
      permute (p->pad.end);
      return TRUE;
    case DCNN_OP_RESIZE:
      if (p->resize.coord == DCNN_COORD_TF_CROP_AND_RESIZE)
        return FALSE;
      for (int i = 0; i < 4; i++)
        p->resize.scale[i] = node->params.resize.scale[layout_to_nchw[i]];
      return TRUE;
    case DCNN_OP_REDUCE_MEAN:
    case DCNN_OP_REDUCE_SUM:
    case DCNN_OP_REDUCE_MAX:
    case DCNN_OP_REDUCE_MIN:
      p->reduce.axes = permute_axes (p->reduce.axes);
      return p->reduce.keepdims;
    default:
      return FALSE;
  }
}

/* The parameters of a node that reads [1,H,W,C] and leaves out its pixels or
 * its channels, for [1,C,H,W]: what it gives is the same. FALSE: it does not. */
static gboolean
end_params (const Layout *l, const DcnnNode *node, DcnnParams *p)
{
  const guint32 pixels = 1u << 1 | 1u << 2, channels = 1u << 3;

  if (node->n_inputs != 1 || node->n_outputs != 1 || node->outputs[0] < 0 ||
      layout_tensor (l->from, node->inputs[0])->rank != 4)
    return FALSE;
  switch (node->op) {
    case DCNN_OP_ARG_MAX:
      if (p->axis.keepdims || p->axis.axis != 3)
        return FALSE;
      p->axis.axis = 1;
      return TRUE;
    case DCNN_OP_REDUCE_MEAN:
    case DCNN_OP_REDUCE_SUM:
    case DCNN_OP_REDUCE_MAX:
    case DCNN_OP_REDUCE_MIN:
      if (p->reduce.keepdims || (p->reduce.axes != pixels &&
              p->reduce.axes != channels))
        return FALSE;
      p->reduce.axes = permute_axes (p->reduce.axes);
      return TRUE;
    default:
      return FALSE;
  }
}

/* A node that ends a map, on [1,C,H,W]. FALSE: it is none. */
static gboolean
end_node (Layout *l, const DcnnNode *node)
{
  DcnnParams params = node->params;
  const char *name;

  if (node->n_inputs < 1 || node->inputs[0] < 0 ||
      l->nchw[node->inputs[0]] < 0 || !end_params (l, node, &params))
    return FALSE;
  name = dcnn_graph_value (l->from, node->outputs[0])->name;
  return dcnn_graph_add_node (l->to, node->name, node->op, &params, 1,
      &l->nchw[node->inputs[0]], 1, &name, NULL, &l->plain[node->outputs[0]],
      NULL);
}

/* Whether a node makes other numbers of a value that was turned to
 * [1,H,W,C], and could as well on [1,C,H,W]. */
static gboolean
is_island (const Layout *l, const DcnnNode *node, const gboolean *turned)
{
  DcnnParams params = node->params;
  gboolean reads = FALSE;

  for (int i = 0; i < node->n_inputs; i++)
    reads |= node->inputs[i] >= 0 && turned[node->inputs[i]];
  return reads && permute_params (l, node, &params);
}

/* Whether channels come last between Transposes there and back, or up to
 * where the map ends. */
static gboolean
has_islands (const Layout *l)
{
  guint n_values = l->from->values->len;
  g_autofree gboolean *turned = g_new0 (gboolean, n_values + 1);
  g_autofree gboolean *island = g_new0 (gboolean, n_values + 1);
  gboolean found = FALSE;

  for (guint n = 0; n < l->from->nodes->len && !found; n++) {
    const DcnnNode *node = dcnn_graph_node (l->from, n);
    gboolean inside = node->alive && is_island (l, node, turned);
    DcnnParams params = node->params;

    if (!node->alive || node->n_inputs < 1 || node->inputs[0] < 0)
      continue;
    found = (layout_has_perm (node, 4, layout_to_nchw) &&
        island[node->inputs[0]]) ||
        (turned[node->inputs[0]] && end_params (l, node, &params));
    for (int i = 0; i < node->n_outputs; i++)
      if (node->outputs[i] >= 0) {
        island[node->outputs[i]] = inside;
        turned[node->outputs[i]] = inside ||
            (layout_has_perm (node, 4, layout_to_nhwc) &&
            layout_tensor (l->from, node->outputs[0])->rank == 4);
      }
  }
  return found;
}

/* The inputs of a node that is moved; FALSE when one has no such form. */
static gboolean
moved_inputs (Layout *l, const DcnnNode *node, DcnnValueId *inputs)
{
  gboolean any = FALSE;

  for (int i = 0; i < node->n_inputs; i++) {
    DcnnValueId v = node->inputs[i];
    const DcnnTensor *t = v < 0 ? NULL : layout_tensor (l->from, v);
    if (v < 0)
      inputs[i] = -1;
    else if (node->op == DCNN_OP_GATHER && i == 1)
      inputs[i] = layout_plain (l, v);
    else if (t->data != NULL)
      inputs[i] = constant_nchw (l, v);
    else if (l->nchw[v] >= 0)
      inputs[i] = l->nchw[v], any = TRUE;
    else if (dcnn_tensor_count (t) == 1 && t->rank <= 4)
      inputs[i] = layout_plain (l, v);
    else
      return FALSE;
    if (v >= 0 && inputs[i] < 0)
      return FALSE;
  }
  return any;
}

static gboolean
has_map_rank (const Layout *l, const DcnnNode *node)
{
  for (int i = 0; i < node->n_inputs; i++)
    if (node->inputs[i] >= 0 && l->nchw[node->inputs[i]] >= 0)
      return TRUE;
  return FALSE;
}

/* The node on [1,C,H,W]. FALSE: it reads no such form, or cannot be moved. */
static gboolean
move_node (Layout *l, const DcnnNode *node)
{
  g_autofree DcnnValueId *inputs = g_new (DcnnValueId, node->n_inputs + 1);
  g_autofree DcnnValueId *outputs = g_new (DcnnValueId, node->n_outputs + 1);
  g_autofree DcnnTensor *shapes = g_new0 (DcnnTensor, node->n_outputs + 1);
  g_auto (GStrv) names = g_new0 (char *, node->n_outputs + 1);
  DcnnParams params = node->params;
  gboolean shaped = node->op == DCNN_OP_RESIZE || node->op == DCNN_OP_SPLIT;

  if (!has_map_rank (l, node) || !permute_params (l, node, &params) ||
      !moved_inputs (l, node, inputs))
    return FALSE;
  for (int i = 0; i < node->n_outputs; i++) {
    const DcnnValue *out = node->outputs[i] < 0 ? NULL
        : dcnn_graph_value (l->from, node->outputs[i]);
    names[i] = out ? g_strdup_printf ("%s:nchw", out->name) : g_strdup ("");
    if (out && out->tensor.rank != 4 && out->tensor.rank != 3)
      return FALSE;
    if (out)
      shapes[i] = out->tensor;
    if (out && out->tensor.rank == 4)
      permute (shapes[i].dims);
  }
  if (!dcnn_graph_add_node (l->to, node->name, node->op, &params,
          node->n_inputs, inputs, node->n_outputs, (const char *const *) names,
          shaped ? shapes : NULL, outputs, NULL))
    return FALSE;
  for (int i = 0; i < node->n_outputs; i++)
    if (node->outputs[i] >= 0)
      l->nchw[node->outputs[i]] = outputs[i];
  return TRUE;
}

/* Transposes and reshapes that only change the form. */
static gboolean
alias_node (Layout *l, const DcnnNode *node)
{
  static const int hwc_to_chw[3] = { 2, 0, 1 };
  DcnnValueId in = node->inputs[0], out = node->outputs[0];
  const DcnnTensor *ti = layout_tensor (l->from, in);
  const DcnnTensor *to = layout_tensor (l->from, out), *map;

  if (l->nchw[in] >= 0 && ti->rank == 4 && layout_has_perm (node, 4, layout_to_nchw))
    return (l->plain[out] = l->nchw[in]) >= 0;
  if (l->turned && ti->rank == 4 && ti->data == NULL &&
      layout_has_perm (node, 4, layout_to_nhwc))
    return (l->nchw[out] = layout_plain (l, in)) >= 0;
  if (l->nchw[in] >= 0 && ti->rank == 3 && layout_has_perm (node, 3, hwc_to_chw))
    return (l->chw[out] = l->nchw[in]) >= 0;
  if (node->op != DCNN_OP_RESHAPE || to->rank != 4)
    return FALSE;
  if (l->nchw[in] >= 0 && to->dims[0] == 1) {
    map = layout_tensor (l->to, l->nchw[in]);
    if (to->dims[3] == map->dims[1] && to->dims[1] == map->dims[2] &&
        to->dims[2] == map->dims[3])
      return (l->nchw[out] = l->nchw[in]) >= 0;
    if (map->dims[1] == 1 && memcmp (to->dims, map->dims, sizeof (int64_t) * 4)
        == 0)
      return (l->plain[out] = l->nchw[in]) >= 0;
  }
  if (l->chw[in] >= 0 && memcmp (to->dims, layout_tensor (l->to, l->chw[in])->dims,
          4 * sizeof (int64_t)) == 0)
    return (l->plain[out] = l->chw[in]) >= 0;
  return FALSE;
}

/* An operator element by element on [C,H,W], on [1,C,H,W]: constants are
 * broadcast alike. FALSE: it reads no such form, or is another operator. */
static gboolean
batch_node (Layout *l, const DcnnNode *node)
{
  DcnnValueId inputs[DCNN_MAX_RANK], output;
  g_autofree char *name = NULL;
  const char *names[1];

  if (node->n_inputs < 1 || node->n_inputs > DCNN_MAX_RANK ||
      node->n_outputs != 1 || node->outputs[0] < 0 ||
      (!plan_op_is_elementwise (node->op) && node->op != DCNN_OP_CAST) ||
      node->inputs[0] < 0 || l->chw[node->inputs[0]] < 0)
    return FALSE;
  for (int i = 0; i < node->n_inputs; i++) {
    DcnnValueId v = node->inputs[i];
    if (v < 0)
      inputs[i] = -1;
    else if (layout_tensor (l->from, v)->data == NULL)
      inputs[i] = l->chw[v];
    else
      inputs[i] = layout_tensor (l->from, v)->rank < 4 ? layout_plain (l, v) : -1;
    if (v >= 0 && inputs[i] < 0)
      return FALSE;
  }
  name = g_strdup_printf ("%s:chw", dcnn_graph_value (l->from,
          node->outputs[0])->name);
  names[0] = name;
  if (!dcnn_graph_add_node (l->to, node->name, node->op, &node->params,
          node->n_inputs, inputs, 1, names, NULL, &output, NULL))
    return FALSE;
  l->chw[node->outputs[0]] = output;
  return TRUE;
}

/* The node as it is. */
static gboolean
copy_node (Layout *l, const DcnnNode *node)
{
  g_autofree DcnnValueId *inputs = g_new (DcnnValueId, node->n_inputs + 1);
  g_autofree DcnnValueId *outputs = g_new (DcnnValueId, node->n_outputs + 1);
  g_autofree DcnnTensor *shapes = g_new0 (DcnnTensor, node->n_outputs + 1);
  g_autofree const char **names = g_new0 (const char *, node->n_outputs + 1);
  gboolean shaped = node->op == DCNN_OP_RESIZE || node->op == DCNN_OP_SPLIT ||
      node->op == DCNN_OP_RESHAPE || node->op == DCNN_OP_EXPAND ||
      node->op == DCNN_OP_TILE || node->op == DCNN_OP_ONE_HOT;

  for (int i = 0; i < node->n_inputs; i++) {
    inputs[i] = layout_plain (l, node->inputs[i]);
    if (node->inputs[i] >= 0 && inputs[i] < 0)
      return FALSE;
  }
  for (int i = 0; i < node->n_outputs; i++) {
    names[i] = node->outputs[i] < 0 ? ""
        : dcnn_graph_value (l->from, node->outputs[i])->name;
    if (node->outputs[i] >= 0)
      shapes[i] = *layout_tensor (l->from, node->outputs[i]);
    shapes[i].data = NULL;
  }
  if (!dcnn_graph_add_node (l->to, node->name, node->op, &node->params,
          node->n_inputs, inputs, node->n_outputs, names,
          shaped ? shapes : NULL, outputs, NULL))
    return FALSE;
  for (int i = 0; i < node->n_outputs; i++)
    if (node->outputs[i] >= 0)
      l->plain[node->outputs[i]] = outputs[i];
  return TRUE;
}

/* A norm over channels that come last stays as it is, and what reads it may go
 * on with its other form. */
static gboolean
norm_node (Layout *l, const DcnnNode *node)
{
  g_autofree char *name = NULL;
  DcnnValueId out = node->outputs[0];

  if (node->op != DCNN_OP_LAYER_NORM || !has_map_rank (l, node) || out < 0 ||
      layout_tensor (l->from, out)->rank != 4 || !copy_node (l, node))
    return FALSE;
  name = g_strdup_printf ("%s:nchw", dcnn_graph_value (l->from, out)->name);
  l->nchw[out] = layout_add_transpose (l, l->plain[out], layout_to_nchw, name);
  return l->nchw[out] >= 0;
}

static gboolean
add_input (Layout *l, DcnnValueId v)
{
  const DcnnValue *value = dcnn_graph_value (l->from, v);
  const DcnnTensor *t = &value->tensor;
  DcnnDtype dtype = input_needs_it (l, v) ? DCNN_DTYPE_F32 : t->dtype;
  g_autofree char *name = g_strdup_printf ("%s:nchw", value->name);
  int64_t dims[4] = { 1, t->dims[0], t->dims[1], t->dims[2] };
  DcnnValueId id;

  if (input_needs_it (l, v) && is_batchless (l->from, v)) {
    id = dcnn_graph_add_input (l->to, value->name, dtype, 4, dims, NULL);
    return (l->chw[v] = l->input[v] = id) >= 0;
  }
  if (!input_needs_it (l, v) || !is_channels_last (t)) {
    id = dcnn_graph_add_input (l->to, value->name, dtype, t->rank, t->dims,
        NULL);
    return (l->plain[v] = l->input[v] = id) >= 0;
  }
  id = dcnn_graph_add_input (l->to, value->name, dtype, 4,
      t->rank == 3 ? dims : t->dims, NULL);
  l->input[v] = id;
  return id >= 0 && (l->nchw[v] = layout_add_transpose (l, id, layout_to_nchw, name)) >= 0;
}

static gboolean
add_states (Layout *l)
{
  for (guint i = 0; i < l->from->states->len; i++) {
    DcnnState state = g_array_index (l->from->states, DcnnState, i);
    state.input = l->input[state.input];
    state.source = l->input[state.source] >= 0 ? l->input[state.source]
        : layout_plain (l, state.source);
    if (state.source < 0 || !dcnn_graph_add_state (l->to, &state, NULL))
      return FALSE;
  }
  return TRUE;
}

static gboolean
write_anew (Layout *l)
{
  for (guint i = 0; i < l->from->inputs->len; i++)
    if (!add_input (l, g_array_index (l->from->inputs, DcnnValueId, i)))
      return FALSE;
  for (guint n = 0; n < l->from->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (l->from, n);
    if (!node->alive)
      continue;
    if (node->n_inputs > 0 && node->inputs[0] >= 0 && node->outputs[0] >= 0 &&
        alias_node (l, node))
      continue;
    if (!move_node (l, node) && !layout_product_node (l, node) &&
        !layout_row_node (l, node) && !layout_stack_node (l, node) &&
        !batch_node (l, node) && !norm_node (l, node) && !end_node (l, node) &&
        !copy_node (l, node))
      return FALSE;
  }
  for (guint i = 0; i < l->from->outputs->len; i++) {
    DcnnValueId id = layout_plain (l, g_array_index (l->from->outputs, DcnnValueId,
            i));
    if (id < 0)
      return FALSE;
    dcnn_graph_add_output (l->to, id);
  }
  return add_states (l);
}

static DcnnValueId *
no_values (guint n)
{
  DcnnValueId *values = g_new (DcnnValueId, n + 1);

  for (guint i = 0; i <= n; i++)
    values[i] = -1;
  return values;
}

DcnnGraph *
dcnn_passes_layout (DcnnGraph *graph)
{
  guint n = graph->values->len;
  Layout l = { .from = graph, .read_plain = find_plain_readers (graph) };
  gboolean needed = layout_has_rows (graph), done;

  l.turned = has_convolution (graph) && (layout_has_products (graph) ||
      has_islands (&l));
  l.stacks = layout_has_stacks (graph);
  needed |= l.turned || l.stacks;

  for (guint i = 0; has_convolution (graph) && i < graph->inputs->len; i++)
    needed |= input_needs_it (&l, g_array_index (graph->inputs, DcnnValueId,
            i));
  if (!needed) {
    g_free (l.read_plain);
    return graph;
  }
  l.to = dcnn_graph_new ();
  l.plain = no_values (n);
  l.nchw = no_values (n);
  l.chw = no_values (n);
  l.row = no_values (n);
  l.stack = no_values (n);
  l.input = no_values (n);
  done = write_anew (&l);
  g_free (l.plain);
  g_free (l.nchw);
  g_free (l.chw);
  g_free (l.row);
  g_free (l.stack);
  g_free (l.input);
  g_free (l.read_plain);
  dcnn_graph_free (done ? graph : l.to);
  return done ? l.to : graph;
}
