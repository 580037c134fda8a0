/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_stack.c - maps that lie on an axis of their own, as nets have them that
 * weigh several paths against each other (split attention, selective kernels):
 *
 *   Reshape to [1,n,C,H,W], or a Concat of such; Mul by [1,n,C,1,1] and other
 *   operators element by element; ReduceSum, ReduceMean, ReduceMax over n
 *     -> the same on [1,nC,H,W]; the sum of n Slices
 */
#include "passes_layout.h"

#include <string.h>

/* More are left to the dense tail. */
#define MOST_PIECES 16

static gboolean
is_stack (const DcnnTensor *t)
{
  return t->rank == 5 && t->dims[0] == 1 && t->dtype == DCNN_DTYPE_F32 &&
      t->data == NULL && t->dims[3] * t->dims[4] > 1;
}

/* Whether a node adds up, or chooses of, what is stacked. */
static gboolean
is_sum (const DcnnGraph *graph, const DcnnNode *node)
{
  return (node->op == DCNN_OP_REDUCE_SUM || node->op == DCNN_OP_REDUCE_MEAN ||
      node->op == DCNN_OP_REDUCE_MAX) && node->inputs[0] >= 0 &&
      node->params.reduce.axes == 0x2 &&
      is_stack (layout_tensor (graph, node->inputs[0])) &&
      layout_tensor (graph, node->inputs[0])->dims[1] <= MOST_PIECES;
}

gboolean
layout_has_stacks (const DcnnGraph *graph)
{
  for (guint n = 0; n < graph->nodes->len; n++)
    if (dcnn_graph_node (graph, n)->alive &&
        is_sum (graph, dcnn_graph_node (graph, n)))
      return TRUE;
  return FALSE;
}

static char *
form_name (const Layout *l, DcnnValueId v, const char *suffix, gint64 i)
{
  return g_strdup_printf ("%s:%s%" G_GINT64_FORMAT, dcnn_graph_value (l->from,
          v)->name, suffix, i);
}

/* [1,n,C,...] as [1,nC,...]. */
static DcnnTensor
flat_shape (const DcnnTensor *t)
{
  DcnnTensor flat = { .dtype = t->dtype, .rank = 4, .dims = { 1,
      t->dims[1] * t->dims[2], t->dims[3], t->dims[4] } };

  return flat;
}

/* A Reshape from or to a stack changes the form alone. */
static gboolean
reshape_node (Layout *l, const DcnnNode *node)
{
  DcnnValueId in = node->inputs[0], out = node->outputs[0];
  const DcnnTensor *ti = layout_tensor (l->from, in);
  const DcnnTensor *to = layout_tensor (l->from, out);
  DcnnTensor flat;

  if (is_stack (to)) {
    flat = flat_shape (to);
    if (l->stack[in] >= 0)
      ti = layout_tensor (l->to, l->stack[in]);
    if (ti->rank != 4 || memcmp (ti->dims, flat.dims, 4 * sizeof *ti->dims))
      return FALSE;
    l->stack[out] = l->stack[in] >= 0 ? l->stack[in] : layout_plain (l, in);
    return l->stack[out] >= 0;
  }
  if (l->stack[in] < 0 || to->rank != 4 || memcmp (to->dims,
          layout_tensor (l->to, l->stack[in])->dims, 4 * sizeof *to->dims))
    return FALSE;
  l->plain[out] = l->stack[in];
  return TRUE;
}

/* An operand of what is done to stacks, on [1,nC,...]; -1: it has no such
 * form. */
static DcnnValueId
operand (Layout *l, DcnnValueId v, const DcnnTensor *result)
{
  const DcnnTensor *t = layout_tensor (l->from, v);
  g_autofree char *name = form_name (l, v, "stack", 0);
  DcnnTensor flat = flat_shape (t), one = { .dtype = t->dtype, .rank = 1,
    .dims = { 1 } };
  DcnnParams none = { 0 };
  DcnnValueId id;

  if (l->stack[v] >= 0)
    return t->dims[1] == result->dims[1] ? l->stack[v] : -1;
  if (dcnn_tensor_count (t) == 1)
    flat = one;
  else if (t->rank != 5 || t->dims[1] != result->dims[1] ||
      t->dims[2] != result->dims[2])
    return -1;
  id = layout_find_made (l, name); /* two readers */
  if (id >= 0)
    return id;
  if (t->data != NULL)
    return layout_add_constant (l, name, &flat, t);
  return layout_add_node (l, name, DCNN_OP_RESHAPE, &none, layout_plain (l, v),
      name, &flat);
}

static gboolean
element_node (Layout *l, const DcnnNode *node)
{
  const DcnnTensor *result = layout_tensor (l->from, node->outputs[0]);
  g_autofree DcnnValueId *inputs = g_new (DcnnValueId, node->n_inputs + 1);
  g_autofree char *name = form_name (l, node->outputs[0], "stack", 0);
  const char *names[1] = { name };
  gboolean concat = node->op == DCNN_OP_CONCAT, any = FALSE;

  if (concat ? node->params.axis.axis != 1 :
      !plan_op_is_elementwise (node->op))
    return FALSE;
  for (int i = 0; i < node->n_inputs; i++)
    any |= node->inputs[i] >= 0 && l->stack[node->inputs[i]] >= 0;
  if (!any || node->n_outputs != 1 || !is_stack (result))
    return FALSE;
  for (int i = 0; i < node->n_inputs; i++) {
    DcnnValueId v = node->inputs[i];
    if (v < 0)
      inputs[i] = -1;
    else
      inputs[i] = concat ? l->stack[v] : operand (l, v, result);
    if (inputs[i] < 0 && (v >= 0 || concat))
      return FALSE;
  }
  return dcnn_graph_add_node (l->to, node->name, node->op, &node->params,
      node->n_inputs, inputs, 1, names, NULL, &l->stack[node->outputs[0]],
      NULL);
}

/* Map number i of those that are stacked. */
static DcnnValueId
piece (Layout *l, const DcnnNode *node, gint64 i)
{
  const DcnnTensor *t = layout_tensor (l->from, node->inputs[0]);
  g_autofree char *name = form_name (l, node->outputs[0], "piece", i);
  DcnnParams params = { .slice = { .start = { 0, i * t->dims[2], 0, 0 },
      .step = { 1, 1, 1, 1 },
      .count = { 1, t->dims[2], t->dims[3], t->dims[4] } } };

  return layout_add_node (l, name, DCNN_OP_SLICE, &params,
      l->stack[node->inputs[0]], name, NULL);
}

static DcnnValueId
binary (Layout *l, const DcnnNode *node, DcnnOp op, DcnnValueId a,
    DcnnValueId b, gint64 i)
{
  g_autofree char *name = form_name (l, node->outputs[0], "sum", i);
  const char *names[1] = { name };
  DcnnValueId inputs[2] = { a, b }, out;

  if (a < 0 || b < 0 || !dcnn_graph_add_node (l->to, name, op, NULL, 2, inputs,
          1, names, NULL, &out, NULL))
    return -1;
  return out;
}

static gboolean
sum_node (Layout *l, const DcnnNode *node)
{
  DcnnValueId out = node->outputs[0], sum;
  float number;
  DcnnTensor scalar = { .dtype = DCNN_DTYPE_F32, .rank = 1, .dims = { 1 },
    .data = &number };
  g_autofree char *name = form_name (l, out, "number", 0);
  gint64 n;

  if (!is_sum (l->from, node) || l->stack[node->inputs[0]] < 0)
    return FALSE;
  n = layout_tensor (l->from, node->inputs[0])->dims[1];
  sum = piece (l, node, 0);
  for (gint64 i = 1; i < n; i++)
    sum = binary (l, node, node->op == DCNN_OP_REDUCE_MAX ? DCNN_OP_MAX :
        DCNN_OP_ADD, sum, piece (l, node, i), i);
  number = (float) n;
  if (node->op == DCNN_OP_REDUCE_MEAN)
    sum = binary (l, node, DCNN_OP_DIV, sum, layout_add_constant (l, name,
            &scalar, &scalar), 0);
  if (node->params.reduce.keepdims)
    l->stack[out] = sum;
  else
    l->plain[out] = sum;
  return sum >= 0;
}

/* The weights of the paths, [1,n,C,1,1]: a Softmax over n has a kernel on four
 * dimensions. */
static gboolean
weights_node (Layout *l, const DcnnNode *node)
{
  DcnnValueId in = node->inputs[0], out = node->outputs[0], id;
  const DcnnTensor *t = layout_tensor (l->from, in);
  g_autofree char *low = form_name (l, in, "low", out);
  g_autofree char *soft = form_name (l, out, "low", out);
  DcnnTensor shape = *t;

  if (node->op != DCNN_OP_SOFTMAX || t->rank != 5 || t->dims[0] != 1 ||
      t->dims[4] != 1 || node->params.axis.axis != 1 || l->stack[in] >= 0)
    return FALSE;
  shape.rank = 4;
  id = layout_add_node (l, low, DCNN_OP_RESHAPE, &node->params,
      layout_plain (l, in), low, &shape);
  id = layout_add_node (l, node->name, DCNN_OP_SOFTMAX, &node->params, id, soft,
      NULL);
  id = layout_add_node (l, soft, DCNN_OP_RESHAPE, &node->params, id,
      dcnn_graph_value (l->from, out)->name, t);
  return (l->plain[out] = id) >= 0;
}

gboolean
layout_stack_node (Layout *l, const DcnnNode *node)
{
  if (!l->stacks || node->n_inputs < 1 || node->inputs[0] < 0 ||
      node->outputs[0] < 0)
    return FALSE;
  if (node->op == DCNN_OP_RESHAPE)
    return reshape_node (l, node);
  return sum_node (l, node) || weights_node (l, node) ||
      element_node (l, node);
}
