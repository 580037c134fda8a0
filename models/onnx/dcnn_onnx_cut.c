/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_cut.c - where a graph can be cut before what cannot be imported:
 * the values that it reads, led back to what they were taken from.
 */
#include "dcnn_onnx_loader.h"

/* More are no help. */
#define MOST_CUTS 24
#define MOST_READ 4096
#define DEEPEST 4096

static const DcnnNode *
producer_of (const OnnxLoader *loader, DcnnValueId value)
{
  int producer = dcnn_graph_value (loader->graph, value)->producer;

  return producer >= 0 ? dcnn_graph_node (loader->graph, producer) : NULL;
}

static gboolean
is_constant (const OnnxLoader *loader, DcnnValueId value)
{
  return value < 0
      || dcnn_graph_value (loader->graph, value)->tensor.data != NULL;
}

/* Whether a node hands on elements of its first input, or says something of
 * each. */
static gboolean
hands_on (DcnnOp op)
{
  return op == DCNN_OP_IDENTITY || op == DCNN_OP_SLICE || op == DCNN_OP_SPLIT
      || op == DCNN_OP_GATHER || op == DCNN_OP_RESHAPE
      || op == DCNN_OP_TRANSPOSE || op == DCNN_OP_CAST
      || op == DCNN_OP_GREATER || op == DCNN_OP_GREATER_OR_EQUAL
      || op == DCNN_OP_LESS || op == DCNN_OP_LESS_OR_EQUAL
      || op == DCNN_OP_NOT || op == DCNN_OP_TOP_K || op == DCNN_OP_ARG_MAX;
}

/* What a value was taken from, of those that the file names. */
static DcnnValueId
origin_of (const OnnxLoader *loader, DcnnValueId value)
{
  const DcnnNode *node = producer_of (loader, value);
  DcnnValueId at = value;

  for (int i = 0; node && hands_on (node->op) && i < DEEPEST; i++) {
    for (int k = 1; k < node->n_inputs; k++)
      if (!is_constant (loader, node->inputs[k]))
        return value;
    at = node->inputs[0];
    node = producer_of (loader, at);
    if (node && g_hash_table_contains (loader->readers,
            dcnn_graph_value (loader->graph, at)->name))
      value = at;
  }
  return value;
}

/* What nodes that were not imported read of those that were. */
static GHashTable *
values_read (const OnnxLoader *loader)
{
  GHashTable *read = g_hash_table_new (NULL, NULL);

  for (guint n = 0; n < loader->nodes->len; n++) {
    const Onnx__NodeProto *node = loader->nodes->pdata[n];
    if (node->n_output == 0 || !node->output[0]
        || !g_hash_table_contains (loader->blocked, node->output[0]))
      continue;
    for (size_t i = 0; i < node->n_input; i++) {
      DcnnValueId value = node->input[i] && *node->input[i]
          && !g_hash_table_contains (loader->blocked, node->input[i])
          ? dcnn_graph_find_value (loader->graph, node->input[i]) : -1;
      if (value < 0 || is_constant (loader, value))
        continue;
      value = origin_of (loader, value);
      if (producer_of (loader, value) && g_hash_table_size (read) < MOST_READ)
        g_hash_table_add (read, GINT_TO_POINTER (value));
    }
  }
  return read;
}

/* Whether a value can be computed without weights from others of the set, or
 * from what is known to be computed from them. */
static gboolean
follows (const OnnxLoader *loader, GHashTable *set, DcnnValueId value,
    const gboolean *known)
{
  const DcnnNode *node = producer_of (loader, value);
  gboolean all = node && node->op != DCNN_OP_CONV && node->op != DCNN_OP_GEMM
      && node->op != DCNN_OP_CONV_TRANSPOSE && node->op != DCNN_OP_MATMUL;

  for (int i = 0; all && i < node->n_inputs; i++) {
    DcnnValueId in = node->inputs[i];
    all = is_constant (loader, in)
        || g_hash_table_contains (set, GINT_TO_POINTER (in))
        || known[in];
  }
  return all;
}

GPtrArray *
onnx_find_cuts (const OnnxLoader *loader)
{
  g_autoptr (GHashTable) set = values_read (loader);
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  guint n_nodes = loader->graph->nodes->len;
  g_autofree gboolean *known = g_new0 (gboolean, loader->graph->values->len + 1);

  /* nodes are in an order in which each reads what is there */
  for (guint n = 0; n < n_nodes; n++) {
    const DcnnNode *node = dcnn_graph_node (loader->graph, (int) n);
    for (int i = 0; i < node->n_outputs; i++) {
      DcnnValueId out = node->outputs[i];
      if (out < 0 || !follows (loader, set, out, known))
        continue;
      known[out] = TRUE;
      g_hash_table_remove (set, GINT_TO_POINTER (out));
    }
  }
  for (guint n = 0; n < n_nodes && names->len <= MOST_CUTS; n++) {
    const DcnnNode *node = dcnn_graph_node (loader->graph, (int) n);
    for (int i = 0; i < node->n_outputs; i++)
      if (node->outputs[i] >= 0 && g_hash_table_contains (set,
              GINT_TO_POINTER (node->outputs[i])))
        g_ptr_array_add (names, g_strdup (dcnn_graph_value (loader->graph,
                    node->outputs[i])->name));
  }
  if (names->len > MOST_CUTS)
    g_ptr_array_set_size (names, 0);
  return names;
}
