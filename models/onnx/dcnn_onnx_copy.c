/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_copy.c - nodes with other names: what a function or a branch is,
 * written out where it is used. Branches within are copied too; the messages'
 * own depth bounds theirs.
 */
#include "dcnn_onnx_loader.h"

#include <string.h>

/* Names and attributes that copies may have in all: a small file must not
 * unfold into a large graph. */
#define MAX_ITEMS (1u << 20)

static gpointer
keep (OnnxCopies *copies, gpointer memory)
{
  g_ptr_array_add (copies->memory, memory);
  return memory;
}

static gboolean
spend (OnnxCopies *copies, size_t items)
{
  if (items > MAX_ITEMS - copies->items)
    return FALSE;
  copies->items += (guint) items;
  return TRUE;
}

const char *
onnx_copies_prefix (OnnxCopies *copies, const char *kind)
{
  return keep (copies, g_strdup_printf ("%s%u/", kind, ++copies->prefixes));
}

const char *
onnx_scope_name (const OnnxScope *scope, const char *name)
{
  const char *known;

  if (!name || !*name)
    return name;
  known = g_hash_table_lookup (scope->names, name);
  if (known || !scope->prefix)
    return known ? known : name;
  known = keep (scope->copies, g_strconcat (scope->prefix, name, NULL));
  g_hash_table_insert (scope->names, (gpointer) name, (gpointer) known);
  return known;
}

static char **
copy_names (const OnnxScope *scope, char **names, size_t n)
{
  char **copy;

  if (!spend (scope->copies, n))
    return NULL;
  copy = keep (scope->copies, g_new0 (char *, n + 1));
  for (size_t i = 0; i < n; i++)
    copy[i] = (char *) onnx_scope_name (scope, names[i]);
  return copy;
}

static Onnx__GraphProto *copy_branch (const OnnxScope *scope,
    const Onnx__GraphProto *branch);

/* What a function's node refers to as an attribute: the call's, else the
 * function's default. NULL: neither has it. */
static const Onnx__AttributeProto *
referred (const OnnxScope *scope, const char *name)
{
  const Onnx__NodeProto *call = scope->call;
  const Onnx__FunctionProto *function = scope->function;

  for (size_t i = 0; call && i < call->n_attribute; i++)
    if (g_strcmp0 (call->attribute[i]->name, name) == 0)
      return call->attribute[i];
  for (size_t i = 0; function && i < function->n_attribute_proto; i++)
    if (g_strcmp0 (function->attribute_proto[i]->name, name) == 0)
      return function->attribute_proto[i];
  return NULL;
}

/* NULL with *ok still set: the attribute is not given, so it is left out. */
static Onnx__AttributeProto *
copy_attribute (const OnnxScope *scope, const Onnx__AttributeProto *attribute,
    gboolean *ok)
{
  const Onnx__AttributeProto *from = attribute;
  Onnx__AttributeProto *copy;

  if (scope->function && attribute->ref_attr_name
      && *attribute->ref_attr_name)
    from = referred (scope, attribute->ref_attr_name);
  if (!from)
    return NULL;
  copy = keep (scope->copies, g_memdup2 (from, sizeof *from));
  copy->name = attribute->name;
  if (from == attribute && copy->g) {
    copy->g = copy_branch (scope, copy->g);
    *ok &= copy->g != NULL;
  }
  return copy;
}

const Onnx__NodeProto *
onnx_copy_node (const OnnxScope *scope, const Onnx__NodeProto *node)
{
  Onnx__NodeProto *copy = keep (scope->copies,
      g_memdup2 (node, sizeof *node));
  gboolean ok = spend (scope->copies, node->n_attribute + 1);

  copy->input = copy_names (scope, node->input, node->n_input);
  copy->output = copy_names (scope, node->output, node->n_output);
  if (!ok || !copy->input || !copy->output)
    return NULL;
  if (node->name && *node->name && scope->prefix)
    copy->name = keep (scope->copies, g_strconcat (scope->prefix, node->name,
            NULL));
  copy->attribute = keep (scope->copies, g_new0 (Onnx__AttributeProto *,
          node->n_attribute + 1));
  copy->n_attribute = 0;
  for (size_t i = 0; i < node->n_attribute && ok; i++) {
    Onnx__AttributeProto *one = copy_attribute (scope, node->attribute[i],
        &ok);
    if (one)
      copy->attribute[copy->n_attribute++] = one;
  }
  return ok ? copy : NULL;
}

/* Value infos and initializers of a branch, of which only names matter. */
static Onnx__ValueInfoProto **
copy_values (const OnnxScope *scope, Onnx__ValueInfoProto **values, size_t n)
{
  Onnx__ValueInfoProto **copy;

  if (!spend (scope->copies, n))
    return NULL;
  copy = keep (scope->copies, g_new0 (Onnx__ValueInfoProto *, n + 1));
  for (size_t i = 0; i < n; i++) {
    copy[i] = keep (scope->copies, g_memdup2 (values[i], sizeof *values[i]));
    copy[i]->name = (char *) onnx_scope_name (scope, values[i]->name);
  }
  return copy;
}

static Onnx__TensorProto **
copy_tensors (const OnnxScope *scope, Onnx__TensorProto **tensors, size_t n)
{
  Onnx__TensorProto **copy;

  if (!spend (scope->copies, n))
    return NULL;
  copy = keep (scope->copies, g_new0 (Onnx__TensorProto *, n + 1));
  for (size_t i = 0; i < n; i++) {
    copy[i] = keep (scope->copies, g_memdup2 (tensors[i], sizeof *tensors[i]));
    copy[i]->name = (char *) onnx_scope_name (scope, tensors[i]->name);
  }
  return copy;
}

static Onnx__GraphProto *
copy_branch (const OnnxScope *scope, const Onnx__GraphProto *branch)
{
  Onnx__GraphProto *copy = keep (scope->copies,
      g_memdup2 (branch, sizeof *branch));

  copy->input = copy_values (scope, branch->input, branch->n_input);
  copy->output = copy_values (scope, branch->output, branch->n_output);
  copy->initializer = copy_tensors (scope, branch->initializer,
      branch->n_initializer);
  if (!copy->input || !copy->output || !copy->initializer
      || !spend (scope->copies, branch->n_node))
    return NULL;
  copy->node = keep (scope->copies, g_new0 (Onnx__NodeProto *,
          branch->n_node + 1));
  for (size_t i = 0; i < branch->n_node; i++) {
    copy->node[i] = (Onnx__NodeProto *) onnx_copy_node (scope,
        branch->node[i]);
    if (!copy->node[i])
      return NULL;
  }
  return copy;
}
