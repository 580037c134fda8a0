/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_trace.c - following data movement back to maps: see dcnn_plan_trace.h.
 */
#include "dcnn_plan_trace.h"

#include <string.h>

#define NODE_INDICES 512   /* that a node on the way counts for */

static Traced *
traced_of (const Trace *t, DcnnValueId value)
{
  return g_hash_table_lookup (t->done, GINT_TO_POINTER (value));
}

static void
traced_free (gpointer data)
{
  dcnn_tensor_free (&((Traced *) data)->shape);
  g_free (data);
}

static Traced *
new_traced (Trace *t, DcnnValueId value)
{
  Traced *out = g_new0 (Traced, 1);

  out->shape = dcnn_graph_value (t->b->graph, value)->tensor;
  out->shape.data = NULL;
  out->shape.dtype = DCNN_DTYPE_I64;
  g_hash_table_insert (t->done, GINT_TO_POINTER (value), out);
  return out;
}

/* Room for its indices. */
static gboolean
take_room (Trace *t, Traced *traced)
{
  if (plan_trace_spend (t, dcnn_tensor_count (&traced->shape)) &&
      !dcnn_tensor_alloc (&traced->shape, NULL))
    t->failed = TRUE;
  return !t->failed;
}

const gint64 *
plan_trace_indices (Trace *t, Traced *traced)
{
  if (traced->shape.data == NULL && take_room (t, traced))
    plan_view_indices (traced, traced->shape.data);
  return traced->shape.data;
}

/* ---- roots ---------------------------------------------------------------------- */

/* A map's axes as a tensor in the order in which the value has them. */
static void
root_axes (const PlanMap *map, const PlanValue *v, Traced *axes)
{
  struct { gint64 size, to; TraceDigit digit; } d[3] = {
    { map->channels, v->stride_c, { map->channels, (gint64) map->width *
            map->height, NULL } },
    { map->height, v->stride_y, { map->height, map->width, NULL } },
    { map->width, v->stride_x, { map->width, 1, NULL } } };
  int used = 0;

  memset (axes, 0, sizeof *axes);
  for (int i = 0; i < 3; i++)
    for (int k = i + 1; k < 3; k++)
      if (d[k].size > 1 && (d[i].size == 1 || d[k].to > d[i].to)) {
        typeof (d[0]) swap = d[i];
        d[i] = d[k];
        d[k] = swap;
      }
  axes->shape.rank = 3;
  for (int i = 0; i < 3; i++) {
    axes->shape.dims[i] = d[i].size;
    axes->first[i] = used;
    if (d[i].size > 1)
      axes->digits[used++] = d[i].digit;
  }
  axes->first[3] = used;
}

static void
trace_root (Trace *t, DcnnValueId value)
{
  const PlanValue *v = &t->b->plan->values[value];
  const PlanMap *map = plan_map (t->b->plan, v->map);
  gint64 *data, i = (gint64) t->n_roots << PLAN_INDEX_BITS;
  Traced *out, axes;

  if (t->n_roots == PLAN_TRACE_ROOTS) {
    t->failed = TRUE;
    return;
  }
  t->roots[t->n_roots++] = value;
  out = new_traced (t, value);
  root_axes (map, v, &axes);
  axes.base = i;
  if (plan_view_reshape (t, &axes, out) || !take_room (t, out))
    return;
  data = out->shape.data;
  for (guint c = 0; c < map->channels; c++)
    for (guint y = 0; y < map->height; y++)
      for (guint x = 0; x < map->width; x++, i++)
        data[c * v->stride_c + y * v->stride_y + x * v->stride_x] = i;
}

/* ---- nodes ---------------------------------------------------------------------- */

static double
fill_code (Trace *t, double fill)
{
  int k = 0;

  while (k < t->n_fills && t->fills[k] != fill)
    k++;
  if (k == PLAN_TRACE_FILLS)
    t->failed = TRUE;
  else if (k == t->n_fills)
    t->fills[t->n_fills++] = fill;
  return -1 - k;
}

/* ---- nodes as views ---------------------------------------------------------------- */

static gint64
gathered (const TracePick *pick, gint64 i, gint64 size)
{
  gint64 at = pick->indices->dtype == DCNN_DTYPE_I64 ?
      ((const gint64 *) pick->indices->data)[i] :
      ((const gint32 *) pick->indices->data)[i];

  return at < 0 ? at + size : at;
}

static gint64
padded (const TracePick *pick, gint64 i, gint64 size)
{
  gint64 at = i - pick->start;

  if (at >= 0 && at < size)
    return at;
  if (pick->mode == DCNN_PAD_EDGE)
    return at < 0 ? 0 : size - 1;
  if (pick->mode == DCNN_PAD_REFLECT)
    return at < 0 ? -at : 2 * (size - 1) - at;
  if (pick->mode == DCNN_PAD_WRAP)
    return (at % size + size) % size;
  return -1;
}

static gboolean
slice_view (Trace *t, const DcnnSliceParams *p, const Traced *in, Traced *out)
{
  Traced now = *in, next = *in;

  for (int i = 0; i < in->shape.rank; i++) {
    TracePick pick = { .start = p->start[i], .step = p->step[i] };
    next.shape.dims[i] = out->shape.dims[i];
    if (!plan_view_pick (t, &now, i, &pick, &next))
      return FALSE;
    now = next;
  }
  now.shape = out->shape;
  *out = now;
  return TRUE;
}

static gboolean
pad_view (Trace *t, const DcnnPadParams *p, const Traced *in, Traced *out)
{
  Traced now = *in, next = *in;
  gint64 fill = 0;

  for (int i = 0; i < in->shape.rank; i++)
    if (p->mode == DCNN_PAD_CONSTANT && (p->begin[i] > 0 || p->end[i] > 0))
      fill = (gint64) fill_code (t, p->value);
  if (t->failed || (fill != 0 && in->fill != 0 && fill != in->fill))
    return FALSE;
  for (int i = 0; i < in->shape.rank; i++) {
    TracePick pick = { .of = padded, .start = p->begin[i], .mode = p->mode };
    if (p->begin[i] == 0 && p->end[i] == 0)
      continue;
    next.shape.dims[i] = out->shape.dims[i];
    if (!plan_view_pick (t, &now, i, &pick, &next))
      return FALSE;
    now = next;
  }
  now.shape = out->shape;
  now.fill = fill != 0 ? fill : in->fill;
  *out = now;
  return TRUE;
}

static gboolean
gather_view (Trace *t, const DcnnNode *gn, const Traced *in, Traced *out)
{
  const DcnnTensor *indices = &dcnn_graph_value (t->b->graph,
      gn->inputs[1])->tensor;
  TracePick pick = { .of = gathered, .indices = indices };
  int axis = (int) gn->params.axis.axis;
  Traced picked = *in;

  if (indices->data == NULL || (indices->dtype != DCNN_DTYPE_I64 &&
          indices->dtype != DCNN_DTYPE_I32))
    return FALSE;
  picked.shape.dims[axis] = dcnn_tensor_count (indices);
  return plan_view_pick (t, in, axis, &pick, &picked) &&
      plan_view_reshape (t, &picked, out);
}

/* Blocks of pixels to channels or back, as the reshapes and the transposition
 * that they are. */
static gboolean
depth_view (Trace *t, const DcnnNode *gn, const Traced *in, Traced *out)
{
  /* (channel, block row, block column, row, column) of the deep map, as they
   * come in the wide one, and the other way */
  static const int widen[2][6] = { { 0, 3, 4, 1, 5, 2 }, { 0, 1, 4, 2, 5, 3 } };
  static const int deepen[2][6] = { { 0, 3, 5, 1, 2, 4 }, { 0, 1, 3, 5, 2, 4 } };
  gboolean crd = gn->params.depth.crd, wide = gn->op == DCNN_OP_DEPTH_TO_SPACE;
  const int *perm = wide ? widen[crd] : deepen[crd];
  const gint64 *deep = wide ? in->shape.dims : out->shape.dims;
  gint64 b = gn->params.depth.block, c = deep[1] / (b * b);
  gint64 of_deep[2][6] = { { deep[0], b, b, c, deep[2], deep[3] },
    { deep[0], c, b, b, deep[2], deep[3] } };
  gint64 of_wide[6] = { deep[0], c, deep[2], b, deep[3], b };
  Traced open = { .shape.rank = 6 }, moved = { .shape.rank = 6 };

  memcpy (open.shape.dims, wide ? of_deep[crd] : of_wide, sizeof of_wide);
  for (int i = 0; i < 6; i++)
    moved.shape.dims[i] = open.shape.dims[perm[i]];
  return plan_view_reshape (t, in, &open) &&
      plan_view_permute (&open, perm, &moved) &&
      plan_view_reshape (t, &moved, out);
}

static gboolean
concat_view (Trace *t, const DcnnNode *gn, Traced *out)
{
  const Traced *in[DCNN_MAX_NODE_INPUTS];

  for (int i = 0; i < gn->n_inputs; i++) {
    in[i] = gn->inputs[i] < 0 ? NULL : traced_of (t, gn->inputs[i]);
    if (in[i] == NULL || in[i]->shape.data != NULL)
      return FALSE;
  }
  return plan_view_join (t, in, gn->n_inputs, (int) gn->params.axis.axis, out);
}

/* The node's only (or k-th) output as a view of its input, a view. FALSE: it
 * is none. */
static gboolean
node_view (Trace *t, const DcnnNode *gn, const Traced *in, gint64 offset,
    Traced *out)
{
  TracePick part = { .start = offset, .step = 1 };

  switch (gn->op) {
    case DCNN_OP_IDENTITY:
    case DCNN_OP_RESHAPE:
      return plan_view_reshape (t, in, out);
    case DCNN_OP_TRANSPOSE:
      return plan_view_permute (in, gn->params.transpose.perm, out);
    case DCNN_OP_SLICE:
      return slice_view (t, &gn->params.slice, in, out);
    case DCNN_OP_SPLIT:
      out->fill = in->fill;
      return plan_view_pick (t, in, (int) gn->params.axis.axis, &part, out);
    case DCNN_OP_PAD:
      return pad_view (t, &gn->params.pad, in, out);
    case DCNN_OP_GATHER:
      return gather_view (t, gn, in, out);
    case DCNN_OP_DEPTH_TO_SPACE:
    case DCNN_OP_SPACE_TO_DEPTH:
      return depth_view (t, gn, in, out);
    case DCNN_OP_CONCAT:
      return concat_view (t, gn, out);
    default:
      return FALSE;
  }
}

/* All outputs as views. FALSE: not possible. */
static gboolean
trace_views (Trace *t, const DcnnNode *gn)
{
  const Traced *in = gn->inputs[0] < 0 ? NULL : traced_of (t, gn->inputs[0]);
  gint64 offset = 0;

  if (in == NULL || in->shape.data != NULL || (gn->n_outputs > 1 &&
          gn->op != DCNN_OP_SPLIT))
    return FALSE;
  for (int i = 0; i < gn->n_outputs; i++) {
    DcnnValueId id = gn->outputs[i];
    if (id < 0)
      return FALSE;
    if (dcnn_tensor_count (&new_traced (t, id)->shape) == 0 ||
        !node_view (t, gn, in, offset, traced_of (t, id))) {
      g_hash_table_remove (t->done, GINT_TO_POINTER (id));
      return FALSE;
    }
    if (gn->op == DCNN_OP_SPLIT)
      offset += traced_of (t, id)->shape.dims[gn->params.axis.axis];
  }
  return TRUE;
}

/* The node itself, on indices. */
static void
run_on_indices (Trace *t, const DcnnNode *gn)
{
  const DcnnTensor *in[DCNN_MAX_NODE_INPUTS];
  DcnnTensor *out[DCNN_MAX_NODE_OUTPUTS];
  DcnnParams params = gn->params;

  for (int i = 0; i < gn->n_inputs && !t->failed; i++) {
    DcnnValueId id = gn->inputs[i];
    Traced *traced = id < 0 ? NULL : traced_of (t, id);
    in[i] = id < 0 ? NULL : &dcnn_graph_value (t->b->graph, id)->tensor;
    if (traced != NULL && plan_trace_indices (t, traced) != NULL)
      in[i] = &traced->shape;
  }
  for (int i = 0; i < gn->n_outputs && !t->failed; i++) {
    Traced *traced;
    out[i] = NULL;
    if (gn->outputs[i] < 0)
      continue;
    traced = new_traced (t, gn->outputs[i]);
    if (take_room (t, traced))
      out[i] = &traced->shape;
  }
  if (gn->op == DCNN_OP_PAD)
    params.pad.value = fill_code (t, gn->params.pad.value);
  if (!t->failed)
    dcnn_op_run_reference (gn->op, &params, gn->n_inputs, in, gn->n_outputs,
        out);
}

/* Its inputs go on the stack; FALSE: none had to. */
static gboolean
needs_inputs (Trace *t, const DcnnNode *gn, GArray *stack)
{
  gboolean needs = FALSE;

  for (int i = 0; i < gn->n_inputs; i++) {
    DcnnValueId id = gn->inputs[i];
    gboolean constant;
    if (id < 0)
      continue;
    constant = dcnn_graph_value (t->b->graph, id)->tensor.data != NULL;
    /* an index is constant, and nothing else is */
    t->failed |= constant != (gn->op == DCNN_OP_GATHER && i == 1);
    if (!constant && traced_of (t, id) == NULL) {
      g_array_append_val (stack, id);
      needs = TRUE;
    }
  }
  return needs;
}

static void
trace_value (Trace *t, DcnnValueId value)
{
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (DcnnValueId));

  g_array_append_val (stack, value);
  while (stack->len > 0 && !t->failed) {
    DcnnValueId id = g_array_index (stack, DcnnValueId, stack->len - 1);
    const PlanValue *v = &t->b->plan->values[id];
    gint producer = dcnn_graph_value (t->b->graph, id)->producer;
    const DcnnNode *gn;
    if (traced_of (t, id) != NULL) {
      g_array_set_size (stack, stack->len - 1);
    } else if (v->map >= 0) {
      trace_root (t, id);
    } else if (v->lazy && producer >= 0) {
      gn = dcnn_graph_node (t->b->graph, producer);
      if (plan_trace_spend (t, NODE_INDICES) && !needs_inputs (t, gn, stack) &&
          !t->failed && !trace_views (t, gn))
        run_on_indices (t, gn);
    } else {
      t->failed = TRUE;
    }
  }
}

Traced *
plan_trace_begin (Trace *t, PlanBuilder *b, DcnnValueId value)
{
  memset (t, 0, sizeof *t);
  t->b = b;
  t->left = PLAN_TRACE_INDICES;
  t->done = g_hash_table_new_full (NULL, NULL, NULL, traced_free);
  t->tables = g_ptr_array_new_with_free_func (g_free);
  trace_value (t, value);
  return t->failed ? NULL : traced_of (t, value);
}

void
plan_trace_end (Trace *t)
{
  g_hash_table_unref (t->done);
  g_ptr_array_unref (t->tables);
}
