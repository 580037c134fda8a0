/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_forms.c - values of a graph that is being written anew, in the form that
 * is asked for: see passes_layout.h.
 */
#include "passes_layout.h"

#include <string.h>

const int layout_to_nchw[4] = { 0, 3, 1, 2 };
const int layout_to_nhwc[4] = { 0, 2, 3, 1 };

gboolean
layout_has_perm (const DcnnNode *node, int rank, const int *perm)
{
  return node->op == DCNN_OP_TRANSPOSE &&
      memcmp (node->params.transpose.perm, perm, rank * sizeof *perm) == 0;
}

DcnnValueId
layout_add_node (Layout *l, const char *name, DcnnOp op, const DcnnParams *params,
    DcnnValueId input, const char *out, const DcnnTensor *shape)
{
  DcnnValueId output;

  if (input < 0 || !dcnn_graph_add_node (l->to, name, op, params, 1, &input, 1,
          &out, shape, &output, NULL))
    return -1;
  return output;
}

DcnnValueId
layout_add_transpose (Layout *l, DcnnValueId input, const int *perm, const char *out)
{
  DcnnParams params = { 0 };

  memcpy (params.transpose.perm, perm, 4 * sizeof *perm);
  return layout_add_node (l, out, DCNN_OP_TRANSPOSE, &params, input, out, NULL);
}

DcnnValueId
layout_add_constant (Layout *l, const char *name, const DcnnTensor *like,
    const DcnnTensor *from)
{
  DcnnTensor copy = *like;
  DcnnValueId id;

  copy.data = NULL;
  if (!dcnn_tensor_alloc (&copy, NULL))
    return -1;
  memcpy (copy.data, from->data,
      (gsize) dcnn_tensor_count (from) * dcnn_dtype_bytes (from->dtype));
  id = dcnn_graph_add_constant (l->to, name, &copy, NULL);
  if (id < 0)
    dcnn_tensor_free (&copy);
  return id;
}

DcnnValueId
layout_find_made (const Layout *l, const char *name)
{
  return dcnn_graph_find_value (l->from, name) >= 0 ? -1
      : dcnn_graph_find_value (l->to, name);
}

DcnnValueId
layout_plain (Layout *l, DcnnValueId v)
{
  const DcnnValue *value = v < 0 ? NULL : dcnn_graph_value (l->from, v);
  g_autofree char *made_up = NULL;
  DcnnParams none = { 0 };
  DcnnValueId id;

  if (v < 0 || l->plain[v] >= 0)
    return v < 0 ? -1 : l->plain[v];
  if (value->tensor.data != NULL) {
    id = layout_add_constant (l, value->name, &value->tensor, &value->tensor);
  } else if (l->row[v] >= 0 || l->chw[v] >= 0 || l->stack[v] >= 0) {
    id = l->row[v] >= 0 ? l->row[v] : l->chw[v] >= 0 ? l->chw[v] : l->stack[v];
    id = layout_add_node (l, value->name, DCNN_OP_RESHAPE, &none, id,
        value->name, &value->tensor);
  } else if (value->tensor.rank == 3) {
    made_up = g_strdup_printf ("%s:nhwc", value->name);
    id = layout_add_transpose (l, l->nchw[v], layout_to_nhwc, made_up);
    id = layout_add_node (l, value->name, DCNN_OP_RESHAPE, &none, id, value->name,
        &value->tensor);
  } else {
    id = layout_add_transpose (l, l->nchw[v], layout_to_nhwc, value->name);
  }
  return l->plain[v] = id;
}
