/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map.c - from a node of the file to the graph's: the list of mappings,
 * and the one that a node has.
 */
#include "dcnn_onnx_node.h"
#include "dcnn_onnx_whole.h"

#include <string.h>

static const OnnxMapping mappings[] = {
#define ONNX_OP(op_type, map, op) { op_type, onnx_map_##map, DCNN_OP_##op },
#include "dcnn_onnx_ops.def"
#undef ONNX_OP
};

/* Attributes that change nothing here: training, or refused elsewhere when
 * they matter (dcnn_onnx_refuse.c). */
static const char *const ignored_attributes[] = {
  "consumed_inputs", "is_test", "momentum", "seed", "training_mode", "ratio",
  "stash_type", "saturate", "round_mode", "sorted",
};

const OnnxMapping *
onnx_mapping_find (const char *op_type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (mappings); i++)
    if (strcmp (mappings[i].op_type, op_type) == 0)
      return &mappings[i];
  return NULL;
}

const char **
dcnn_onnx_list_ops (void)
{
  const char **names = g_new0 (const char *, G_N_ELEMENTS (mappings) + 1);
  for (gsize i = 0; i < G_N_ELEMENTS (mappings); i++)
    names[i] = mappings[i].op_type;
  return names;
}

/* An attribute that no mapping looked at would change the result. */
static void
check_attributes (OnnxNode *node)
{
  for (size_t i = 0; i < node->proto->n_attribute; i++) {
    const char *name = node->proto->attribute[i]->name;
    gboolean known = node->used[i];
    for (gsize k = 0; !known && k < G_N_ELEMENTS (ignored_attributes); k++)
      known = g_strcmp0 (name, ignored_attributes[k]) == 0;
    if (!known)
      onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "attribute '%.60s' is not "
          "known for opset %" G_GINT64_FORMAT, name ? name : "", node->opset);
  }
}

static void
find_operands (OnnxNode *node)
{
  const Onnx__NodeProto *proto = node->proto;
  for (size_t i = 0; i < proto->n_input; i++) {
    const char *name = proto->input[i];
    node->inputs[i] = -1;
    if (!name || !*name)
      continue;
    node->inputs[i] = dcnn_graph_find_value (node->loader->graph, name);
    node->n_inputs = (int) i + 1;
    if (node->inputs[i] < 0)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its input '%.120s' does not "
          "exist", name);
    if (onnx_is_sequence (node->loader, name)
        && (!node->mapping || node->mapping->map != onnx_map_sequence_at))
      onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its input '%.120s' is a "
          "sequence, which SequenceAt alone can read: export with fixed shapes",
          name);
  }
  for (size_t i = 0; i < proto->n_output; i++) {
    const char *name = proto->output[i];
    node->outputs[i] = NULL;
    if (!name || !*name || !g_hash_table_contains (node->loader->readers, name))
      continue;
    node->outputs[i] = name;
    node->n_outputs = (int) i + 1;
  }
}

gboolean
onnx_node_map (OnnxLoader *loader, const Onnx__NodeProto *proto,
    GError **error)
{
  g_autofree OnnxNode *node = g_new0 (OnnxNode, 1);
  g_autofree gboolean *used = g_new0 (gboolean, proto->n_attribute + 1);

  node->loader = loader;
  node->proto = proto;
  node->opset = loader->opset;
  node->mapping = onnx_mapping_find (proto->op_type);
  node->used = used;
  find_operands (node);
  if (!node->error)
    onnx_whole_map (node);
  check_attributes (node);
  if (!node->error)
    return TRUE;
  g_propagate_error (error, node->error);
  return FALSE;
}
