/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_if.c - If whose condition is known once shapes are: the branch
 * that is taken, written out in its place.
 */
#include "dcnn_onnx_node.h"

#include "ref_util.h"

/* Names that the branch defines get a prefix of their own; all others are of
 * the graph around. */
static void
add_own_names (const OnnxScope *scope, const Onnx__GraphProto *branch,
    const char *prefix)
{
  OnnxScope own = { scope->copies, scope->names, prefix, NULL, NULL };

  for (size_t i = 0; i < branch->n_initializer; i++)
    onnx_scope_name (&own, branch->initializer[i]->name);
  for (size_t n = 0; n < branch->n_node; n++)
    for (size_t i = 0; i < branch->node[n]->n_output; i++)
      onnx_scope_name (&own, branch->node[n]->output[i]);
}

static gboolean
add_weights (OnnxNode *node, const OnnxScope *scope,
    const Onnx__GraphProto *branch)
{
  for (size_t i = 0; i < branch->n_initializer; i++) {
    const Onnx__TensorProto *proto = branch->initializer[i];
    DcnnTensor tensor;
    if (!proto->name || !*proto->name)
      continue;
    if (!onnx_node_check_stored (node, proto)
        || !onnx_tensor_load (proto, &node->loader->data, &tensor,
            &node->error))
      return FALSE;
    if (dcnn_graph_add_constant (node->loader->graph,
            onnx_scope_name (scope, proto->name), &tensor, &node->error) < 0) {
      dcnn_tensor_free (&tensor);
      return FALSE;
    }
  }
  return TRUE;
}

/* What a node reads, and what branches within it do; the messages' depth bounds
 * theirs. */
static void
add_readers (GHashTable *readers, const Onnx__NodeProto *node)
{
  for (size_t i = 0; i < node->n_input; i++)
    if (node->input[i])
      g_hash_table_add (readers, node->input[i]);
  for (size_t a = 0; a < node->n_attribute; a++) {
    const Onnx__GraphProto *branch = node->attribute[a]->g;
    for (size_t n = 0; branch && n < branch->n_node; n++)
      add_readers (readers, branch->node[n]);
    for (size_t i = 0; branch && i < branch->n_output; i++)
      if (branch->output[i]->name)
        g_hash_table_add (readers, branch->output[i]->name);
  }
}

/* FALSE: the branch asks for more than a file may. */
static gboolean
map_nodes (OnnxNode *node, const OnnxScope *scope,
    const Onnx__GraphProto *branch)
{
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();

  for (size_t n = 0; n < branch->n_node; n++) {
    const Onnx__NodeProto *copy = onnx_copy_node (scope, branch->node[n]);
    if (!copy)
      return FALSE;
    g_ptr_array_add (nodes, (gpointer) copy);
    add_readers (node->loader->readers, copy);
  }
  for (size_t i = 0; i < branch->n_output; i++)
    g_hash_table_add (node->loader->readers, (gpointer) onnx_scope_name (
            scope, branch->output[i]->name));
  for (guint n = 0; n < nodes->len; n++)
    node->loader->map_inner (node->loader, nodes->pdata[n]);
  return TRUE;
}

/* The branch's outputs become the node's. What was refused in the branch has
 * been reported; here it blocks what reads it. */
static void
hand_out (OnnxNode *node, const OnnxScope *scope,
    const Onnx__GraphProto *branch)
{
  for (int i = 0; i < node->n_outputs && !node->error; i++) {
    const char *inner = (size_t) i < branch->n_output ? onnx_scope_name (scope,
        branch->output[i]->name) : NULL;
    DcnnValueId from = inner ? dcnn_graph_find_value (node->loader->graph,
        inner) : -1, to;

    if (!node->outputs[i])
      continue;
    if (from >= 0) {
      if (!dcnn_graph_add_node (node->loader->graph, node->proto->name,
              DCNN_OP_IDENTITY, NULL, 1, &from, 1, &node->outputs[i], NULL,
              &to, &node->error))
        return;
    } else if (inner && g_hash_table_contains (node->loader->blocked, inner)) {
      g_hash_table_add (node->loader->blocked, (gpointer) node->outputs[i]);
    } else {
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its branch does not make "
          "output %d", i);
    }
  }
}

void
onnx_map_if (OnnxNode *node)
{
  const Onnx__AttributeProto *branches[2] = {
    onnx_node_attribute (node, "else_branch"),
    onnx_node_attribute (node, "then_branch"),
  };
  const DcnnTensor *condition = onnx_node_input (node, 0);
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  OnnxScope scope = { &node->loader->copies, names, NULL, NULL, NULL };
  const Onnx__GraphProto *branch;

  if (!condition || dcnn_tensor_count (condition) != 1)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its condition is missing or not "
        "one value");
  else if (!condition->data)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its condition is computed "
        "from the picture, which is not supported: export a traced graph with "
        "fixed shapes");
  else if (!branches[0] || !branches[0]->g || !branches[1] || !branches[1]->g)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "a branch is missing");
  if (node->error)
    return;
  branch = branches[dcnn_ref_get_int (condition, 0) != 0]->g;
  add_own_names (&scope, branch, onnx_copies_prefix (scope.copies, "if"));
  if (!add_weights (node, &scope, branch))
    return;
  if (!map_nodes (node, &scope, branch))
    onnx_node_fail (node, DCNN_ERROR_LIMIT, "its branches unfold into more "
        "nodes than are supported");
  hand_out (node, &scope, branch);
}
