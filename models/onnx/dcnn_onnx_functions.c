/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_functions.c - a file's own functions, written out where they are
 * called, before anything else looks at the graph.
 */
#include "dcnn_onnx_node.h"

#include <string.h>

/* Functions within functions. */
#define MAX_DEPTH 32

static const char *
domain_of (const char *domain)
{
  return domain && strcmp (domain, "ai.onnx") != 0 ? domain : "";
}

/* The function that a node calls, or NULL. An operator of the standard goes
 * before a function of its name. */
static const Onnx__FunctionProto *
find_function (const OnnxLoader *loader, const Onnx__NodeProto *node)
{
  const char *domain = domain_of (node->domain);

  if (!node->op_type || (!*domain && onnx_mapping_find (node->op_type)))
    return NULL;
  for (size_t i = 0; i < loader->model->n_functions; i++) {
    const Onnx__FunctionProto *function = loader->model->functions[i];
    if (g_strcmp0 (function->name, node->op_type) == 0
        && strcmp (domain_of (function->domain), domain) == 0
        && g_strcmp0 (function->overload ? function->overload : "",
            node->overload ? node->overload : "") == 0)
      return function;
  }
  return NULL;
}

static gboolean
fail (GError **error, DcnnError code, const Onnx__FunctionProto *function,
    const char *what)
{
  g_set_error (error, DCNN_ERROR, code, "function '%.120s': %s",
      function->name ? function->name : "", what);
  return FALSE;
}

/* Operators mean what they mean in the graph's opset. */
static gboolean
check_opset (const OnnxLoader *loader, const Onnx__FunctionProto *function,
    GError **error)
{
  for (size_t i = 0; i < function->n_opset_import; i++) {
    const Onnx__OperatorSetIdProto *opset = function->opset_import[i];
    g_autofree char *what = NULL;
    if (*domain_of (opset->domain) || opset->version == loader->opset)
      continue;
    what = g_strdup_printf ("it is of opset %" G_GINT64_FORMAT ", the graph "
        "of %" G_GINT64_FORMAT ": export both of one", opset->version,
        loader->opset);
    return fail (error, DCNN_ERROR_UNSUPPORTED, function, what);
  }
  return TRUE;
}

static gboolean add_node (OnnxLoader *loader, const Onnx__NodeProto *node,
    int depth, GError **error);

/* Formal names become those of the call; one that the call leaves out is the
 * empty name. */
static GHashTable *
bind (const Onnx__FunctionProto *function, const Onnx__NodeProto *call)
{
  GHashTable *names = g_hash_table_new (g_str_hash, g_str_equal);

  for (size_t i = 0; i < function->n_input; i++)
    g_hash_table_insert (names, function->input[i], i < call->n_input
        && call->input[i] ? call->input[i] : (gpointer) "");
  for (size_t i = 0; i < function->n_output; i++)
    if (i < call->n_output && call->output[i] && *call->output[i])
      g_hash_table_insert (names, function->output[i], call->output[i]);
  return names;
}

static gboolean
add_call (OnnxLoader *loader, const Onnx__FunctionProto *function,
    const Onnx__NodeProto *call, int depth, GError **error)
{
  g_autoptr (GHashTable) names = bind (function, call);
  const OnnxScope scope = { &loader->copies, names, onnx_copies_prefix (
        &loader->copies, function->name && *function->name ? function->name
        : "function"), call, function };

  if (depth >= MAX_DEPTH)
    return fail (error, DCNN_ERROR_LIMIT, function,
        "functions call each other too deep, or for ever");
  if (!check_opset (loader, function, error))
    return FALSE;
  for (size_t i = 0; i < function->n_node; i++) {
    const Onnx__NodeProto *node = onnx_copy_node (&scope, function->node[i]);
    if (!node)
      return fail (error, DCNN_ERROR_LIMIT, function,
          "functions unfold into more nodes than are supported");
    if (!add_node (loader, node, depth + 1, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
add_node (OnnxLoader *loader, const Onnx__NodeProto *node, int depth,
    GError **error)
{
  const Onnx__FunctionProto *function = find_function (loader, node);

  if (function)
    return add_call (loader, function, node, depth, error);
  g_ptr_array_add (loader->nodes, (gpointer) node);
  return TRUE;
}

gboolean
onnx_inline_functions (OnnxLoader *loader, GError **error)
{
  for (size_t i = 0; i < loader->proto->n_node; i++)
    if (!add_node (loader, loader->proto->node[i], 0, error))
      return FALSE;
  return TRUE;
}
