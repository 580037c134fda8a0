/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_trace.c - following data movement back to maps: see dcnn_plan_trace.h.
 */
#include "dcnn_plan_trace.h"

#include <string.h>

/* Indices (8 bytes) of one trace, and of all traces of a plan together; a node
 * on the way counts as some. */
#define TRACE_INDICES ((gint64) 1 << 26)
#define PLAN_INDICES ((gint64) 1 << 28)
#define NODE_INDICES 512

/* FALSE: over the budget. */
static gboolean
spend (Trace *t, gint64 indices)
{
  t->failed |= indices > t->left || indices > PLAN_INDICES - t->b->traced;
  if (t->failed)
    return FALSE;
  t->left -= indices;
  t->b->traced += indices;
  return TRUE;
}

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
  if (spend (t, dcnn_tensor_count (&traced->shape)) &&
      !dcnn_tensor_alloc (&traced->shape, NULL))
    t->failed = TRUE;
  return !t->failed;
}

/* ---- views ---------------------------------------------------------------------- */

const gint64 *
plan_trace_indices (Trace *t, Traced *traced)
{
  const DcnnTensor *s = &traced->shape;
  gint64 at[DCNN_MAX_RANK] = { 0 }, index = traced->base, n, *out;

  if (s->data != NULL)
    return s->data;
  if (!take_room (t, traced))
    return NULL;
  out = s->data;
  n = dcnn_tensor_count (s);
  for (gint64 i = 0; i < n; i++) {
    out[i] = index;
    for (int k = s->rank - 1; k >= 0; k--) {
      index += traced->stride[k];
      if (++at[k] < s->dims[k])
        break;
      index -= traced->stride[k] * s->dims[k];
      at[k] = 0;
    }
  }
  return out;
}

/* A dimension that is more than one element long. */
typedef struct Digit {
  gint64 size, stride;
  gint64 to;               /* what a step adds to the place in the value */
} Digit;

/* The view's digits, as they lie. Returns how many. */
static int
digits_of (const DcnnTensor *shape, const gint64 *stride, Digit *digits)
{
  gint64 to = 1;
  int n = 0;

  for (int i = shape->rank - 1; i >= 0; i--) {
    if (shape->dims[i] != 1)
      digits[n++] = (Digit) { shape->dims[i], stride[i], to };
    to *= shape->dims[i];
  }
  return n;
}

/* The same elements in the same order as a view of another shape. FALSE: no
 * strides do that. */
static gboolean
reshape_view (const Traced *in, Traced *out)
{
  Digit from[DCNN_MAX_RANK];
  int n = digits_of (&in->shape, in->stride, from), k = 0;
  gint64 done = 1; /* of the digit at hand */

  out->base = in->base;
  for (int i = out->shape.rank - 1; i >= 0; i--) {
    gint64 size = out->shape.dims[i], have = 1, stride = 0;
    out->stride[i] = 0;
    if (size == 1)
      continue;
    while (have < size) {
      gint64 step, part;
      if (k == n)
        return FALSE;
      step = from[k].stride * done;
      part = MIN (from[k].size / done, size / have);
      if (have > 1 && step != stride * have)
        return FALSE; /* no one step over both */
      if (part < 1 || from[k].size % (done * part) != 0 ||
          size % (have * part) != 0)
        return FALSE;
      if (have == 1)
        stride = step;
      have *= part;
      done *= part;
      if (done == from[k].size)
        k++, done = 1;
      else if (have < size)
        return FALSE;
    }
    out->stride[i] = stride;
  }
  return k == n;
}

/* Sorted by stride, which must fill [0, total) without gap or overlap. */
static gboolean
sort_digits (Digit *digits, int n, gint64 total)
{
  gint64 expected = 1;

  for (int i = 1; i < n; i++)
    for (int k = i; k > 0 && digits[k].stride < digits[k - 1].stride; k--) {
      Digit d = digits[k];
      digits[k] = digits[k - 1];
      digits[k - 1] = d;
    }
  for (int i = 0; i < n; i++) {
    if (digits[i].stride != expected)
      return FALSE;
    expected *= digits[i].size;
  }
  return expected == total;
}

/* What `size` steps of `stride` elements of the map add each to the place in
 * the value. FALSE: not the same each. */
static gboolean
axis_step (const Digit *digits, int n, gint64 stride, gint64 size,
    gint64 *step)
{
  gint64 reach, to;
  int k = 0;

  *step = 0;
  if (size == 1)
    return TRUE;
  while (k < n && digits[k].stride * digits[k].size <= stride)
    k++;
  if (k == n || stride % digits[k].stride != 0)
    return FALSE;
  *step = stride / digits[k].stride * digits[k].to;
  reach = digits[k].stride * digits[k].size;
  to = digits[k].to * digits[k].size;
  while (reach < stride * size) {
    if (++k == n || digits[k].to != to)
      return FALSE;
    reach *= digits[k].size;
    to *= digits[k].size;
  }
  return TRUE;
}

gboolean
plan_trace_scatter (const PlanMap *map, const Traced *traced,
    PlanGatherSource *s)
{
  gint64 plane = (gint64) map->width * map->height;
  Digit digits[DCNN_MAX_RANK];
  int n = digits_of (&traced->shape, traced->stride, digits);

  s->base = 0;
  return traced->base == 0 && sort_digits (digits, n,
      plane * map->channels) &&
      axis_step (digits, n, 1, map->width, &s->stride_x) &&
      axis_step (digits, n, map->width, map->height, &s->stride_y) &&
      axis_step (digits, n, plane, map->channels, &s->stride_c);
}

/* ---- roots ---------------------------------------------------------------------- */

/* A map's axes as a tensor in the order in which the value has them. */
static void
root_axes (const PlanMap *map, const PlanValue *v, Traced *axes)
{
  Digit d[3] = { { map->channels, v->stride_c, (gint64) map->width *
          map->height }, { map->height, v->stride_y, map->width },
    { map->width, v->stride_x, 1 } };

  memset (axes, 0, sizeof *axes);
  for (int i = 0; i < 3; i++)
    for (int k = i + 1; k < 3; k++)
      if (d[k].size > 1 && (d[i].size == 1 || d[k].stride > d[i].stride)) {
        Digit swap = d[i];
        d[i] = d[k];
        d[k] = swap;
      }
  axes->shape.rank = 3;
  for (int i = 0; i < 3; i++) {
    axes->shape.dims[i] = d[i].size;
    axes->stride[i] = d[i].to;
  }
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
  if (reshape_view (&axes, out) || !take_room (t, out))
    return;
  data = out->shape.data;
  for (guint c = 0; c < map->channels; c++)
    for (guint y = 0; y < map->height; y++)
      for (guint x = 0; x < map->width; x++, i++)
        data[c * v->stride_c + y * v->stride_y + x * v->stride_x] = i;
}

/* ---- nodes ---------------------------------------------------------------------- */

static void
slice_view (const DcnnSliceParams *p, const Traced *in, Traced *out)
{
  out->base = in->base;
  for (int i = 0; i < in->shape.rank; i++) {
    out->base += p->start[i] * in->stride[i];
    /* one element takes no step, whose product might not fit */
    out->stride[i] = out->shape.dims[i] == 1 ? 0 : p->step[i] * in->stride[i];
  }
}

/* The node's only (or k-th) output as a view of its input, a view. FALSE: it
 * is none. */
static gboolean
node_view (const DcnnNode *gn, const Traced *in, gint64 offset, Traced *out)
{
  switch (gn->op) {
    case DCNN_OP_IDENTITY:
    case DCNN_OP_RESHAPE:
      return reshape_view (in, out);
    case DCNN_OP_TRANSPOSE:
      out->base = in->base;
      for (int i = 0; i < in->shape.rank; i++)
        out->stride[i] = in->stride[gn->params.transpose.perm[i]];
      return TRUE;
    case DCNN_OP_SLICE:
      slice_view (&gn->params.slice, in, out);
      return TRUE;
    case DCNN_OP_SPLIT:
      memcpy (out->stride, in->stride, sizeof out->stride);
      out->base = in->base + offset * in->stride[gn->params.axis.axis];
      return TRUE;
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
    if (!node_view (gn, in, offset, new_traced (t, id))) {
      g_hash_table_remove (t->done, GINT_TO_POINTER (id));
      return FALSE;
    }
    if (gn->op == DCNN_OP_SPLIT)
      offset += traced_of (t, id)->shape.dims[gn->params.axis.axis];
  }
  return TRUE;
}

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
    if (id < 0)
      continue;
    if (dcnn_graph_value (t->b->graph, id)->tensor.data != NULL) {
      /* only an index operand may be constant */
      t->failed |= !(gn->op == DCNN_OP_GATHER && i == 1);
    } else if (traced_of (t, id) == NULL) {
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
      if (spend (t, NODE_INDICES) && !needs_inputs (t, gn, stack) &&
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
  t->left = TRACE_INDICES;
  t->done = g_hash_table_new_full (NULL, NULL, NULL, traced_free);
  trace_value (t, value);
  return t->failed ? NULL : traced_of (t, value);
}

void
plan_trace_end (Trace *t)
{
  g_hash_table_unref (t->done);
}
