/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_rows.c - convolutions in one dimension are those of maps one pixel
 * high:
 *
 *   Conv on [1,C,L], and what is done to its result pixel by pixel
 *     -> the same on [1,C,1,L]
 *
 * One channel alone (a gate over the channels of a vector) stays as it is.
 */
#include "passes_layout.h"

#include <string.h>

static gboolean
is_row_conv (const DcnnGraph *graph, const DcnnNode *node)
{
  const DcnnTensor *x;

  if (node->op != DCNN_OP_CONV || node->inputs[0] < 0)
    return FALSE;
  x = layout_tensor (graph, node->inputs[0]);
  return x->rank == 3 && x->dtype == DCNN_DTYPE_F32 && x->dims[0] == 1 &&
      x->dims[1] > 1 && x->dims[2] > 1 && node->inputs[1] >= 0 &&
      layout_tensor (graph, node->inputs[1])->data != NULL;
}

gboolean
layout_has_rows (const DcnnGraph *graph)
{
  for (guint n = 0; n < graph->nodes->len; n++)
    if (dcnn_graph_node (graph, n)->alive &&
        is_row_conv (graph, dcnn_graph_node (graph, n)))
      return TRUE;
  return FALSE;
}

/* A dimension of 1 before the last. */
static void
add_height (DcnnTensor *t)
{
  if (t->rank < 2)
    return;
  t->dims[t->rank] = t->dims[t->rank - 1];
  t->dims[t->rank - 1] = 1;
  t->rank++;
}

static DcnnValueId
raised_constant (Layout *l, DcnnValueId v)
{
  const DcnnValue *value = dcnn_graph_value (l->from, v);
  g_autofree char *name = g_strdup_printf ("%s:row", value->name);
  DcnnTensor like = value->tensor;
  DcnnValueId id = layout_find_made (l, name); /* two readers */

  if (like.rank >= DCNN_MAX_RANK)
    return -1;
  add_height (&like);
  return id >= 0 ? id : layout_add_constant (l, name, &like, &value->tensor);
}

/* The value as a row, made by a Reshape where it has no such form. */
static DcnnValueId
row_of (Layout *l, DcnnValueId v)
{
  const DcnnValue *value = dcnn_graph_value (l->from, v);
  g_autofree char *name = g_strdup_printf ("%s:row", value->name);
  DcnnTensor shape = value->tensor;
  DcnnParams none = { 0 };

  if (l->row[v] < 0) {
    add_height (&shape);
    shape.data = NULL;
    l->row[v] = layout_add_node (l, name, DCNN_OP_RESHAPE, &none,
        layout_plain (l, v), name, &shape);
  }
  return l->row[v];
}

static void
widen_window (DcnnWindow *w)
{
  w->rank = 2;
  w->kernel[1] = w->kernel[0];
  w->stride[1] = w->stride[0];
  w->dilation[1] = w->dilation[0];
  w->pad_begin[1] = w->pad_begin[0];
  w->pad_end[1] = w->pad_end[0];
  w->kernel[0] = w->stride[0] = w->dilation[0] = 1;
  w->pad_begin[0] = w->pad_end[0] = 0;
}

/* Whether the node goes on pixel by pixel with rows. */
static gboolean
is_on_rows (const Layout *l, const DcnnNode *node)
{
  gboolean any = FALSE;

  if (node->n_outputs != 1 || !plan_op_is_elementwise (node->op))
    return FALSE;
  for (int i = 0; i < node->n_inputs; i++) {
    DcnnValueId v = node->inputs[i];
    if (v < 0)
      continue;
    if (l->row[v] >= 0)
      any = TRUE;
    else if (layout_tensor (l->from, v)->data == NULL)
      return FALSE;
  }
  return any;
}

gboolean
layout_row_node (Layout *l, const DcnnNode *node)
{
  gboolean conv = is_row_conv (l->from, node);
  g_autofree DcnnValueId *inputs = g_new (DcnnValueId, node->n_inputs + 1);
  const DcnnValue *out;
  g_autofree char *name = NULL;
  const char *names[1];
  DcnnParams params = node->params;

  if ((!conv && !is_on_rows (l, node)) || node->outputs[0] < 0)
    return FALSE;
  out = dcnn_graph_value (l->from, node->outputs[0]);
  if (out->tensor.rank != 3)
    return FALSE;
  for (int i = 0; i < node->n_inputs; i++) {
    DcnnValueId v = node->inputs[i];
    if (v < 0)
      inputs[i] = -1;
    else if (layout_tensor (l->from, v)->data == NULL)
      inputs[i] = row_of (l, v);
    else
      inputs[i] = conv && i > 1 ? layout_plain (l, v) : raised_constant (l, v);
    if (v >= 0 && inputs[i] < 0)
      return FALSE;
  }
  if (conv)
    widen_window (&params.conv.window);
  name = g_strdup_printf ("%s:row", out->name);
  names[0] = name;
  return dcnn_graph_add_node (l->to, node->name, node->op, &params,
      node->n_inputs, inputs, 1, names, NULL, &l->row[node->outputs[0]], NULL);
}
