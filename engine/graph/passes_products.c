/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_products.c - products along channels that come last, as ConvNeXt and
 * other nets have them between Transposes, are convolutions of one pixel:
 *
 *   Transpose to [1,H,W,C], MatMul by constants [C,N], Add, Gelu ...,
 *   Transpose to [1,N,H,W]
 *     -> Conv, Add, Gelu ... on [1,C,H,W]
 */
#include "passes_layout.h"

#include <math.h>

static gboolean
is_product (const DcnnGraph *graph, const DcnnNode *node)
{
  const DcnnTensor *x, *w;

  if (!node->alive || node->op != DCNN_OP_MATMUL || node->inputs[0] < 0 ||
      node->inputs[1] < 0)
    return FALSE;
  x = layout_tensor (graph, node->inputs[0]);
  w = layout_tensor (graph, node->inputs[1]);
  return x->rank == 4 && x->dims[0] == 1 && x->dtype == DCNN_DTYPE_F32 &&
      x->data == NULL && w->rank == 2 && w->data != NULL &&
      w->dtype == DCNN_DTYPE_F32 && x->dims[1] * x->dims[2] > 1;
}

gboolean
layout_has_products (const DcnnGraph *graph)
{
  gboolean turned = FALSE, product = FALSE;

  for (guint n = 0; n < graph->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (graph, n);
    turned |= node->alive && layout_has_perm (node, 4, layout_to_nhwc);
    product |= is_product (graph, node);
  }
  return turned && product;
}

/* Weights [C,N] as [N,C,1,1]; whole: so are they all. */
static DcnnValueId
turned_weights (Layout *l, DcnnValueId v, gboolean *whole)
{
  const DcnnValue *value = dcnn_graph_value (l->from, v);
  g_autofree char *name = g_strdup_printf ("%s:conv", value->name);
  DcnnTensor like = { .dtype = DCNN_DTYPE_F32, .rank = 4,
    .dims = { value->tensor.dims[1], value->tensor.dims[0], 1, 1 } };
  const float *from = value->tensor.data;
  DcnnValueId id = layout_find_made (l, name); /* two readers */
  gint64 n = like.dims[0], c = like.dims[1];
  float *to;

  *whole = TRUE;
  for (gint64 i = 0; i < n * c && *whole; i++)
    *whole = from[i] == rintf (from[i]) && fabsf (from[i]) <= 65536;
  if (id >= 0)
    return id;
  id = layout_add_constant (l, name, &like, &value->tensor);
  to = id < 0 ? NULL : dcnn_graph_value (l->to, id)->tensor.data;
  for (gint64 i = 0; to && i < n * c; i++)
    to[i] = from[i % c * n + i / c];
  return id;
}

gboolean
layout_product_node (Layout *l, const DcnnNode *node)
{
  DcnnParams params = { .conv = { .groups = 1, .window = { .rank = 2,
      .kernel = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 } } } };
  const DcnnValue *out;
  g_autofree char *name = NULL;
  DcnnValueId inputs[2];
  const char *names[1];
  gboolean whole;

  if (!is_product (l->from, node) || l->nchw[node->inputs[0]] < 0 ||
      node->outputs[0] < 0)
    return FALSE;
  inputs[0] = l->nchw[node->inputs[0]];
  inputs[1] = turned_weights (l, node->inputs[1], &whole);
  if (inputs[1] < 0)
    return FALSE;
  params.conv.whole_numbers = whole; /* of a quantised net: sums stay exact */
  out = dcnn_graph_value (l->from, node->outputs[0]);
  name = g_strdup_printf ("%s:nchw", out->name);
  names[0] = name;
  return dcnn_graph_add_node (l->to, node->name, DCNN_OP_CONV, &params, 2,
      inputs, 1, names, NULL, &l->nchw[node->outputs[0]], NULL);
}
