/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_refuse.c - what cannot be imported, and what would work instead:
 * a list over the whole model, so that one export mends all of it.
 */
#include "dcnn_onnx_node.h"
#include "dcnn_onnx_whole.h"

#include <string.h>

#define MAX_LINES 40

/* Operators that are not ours. */
static const struct {
  const char *op_type, *remedy;
} remedies[] = {
#define ONNX_REFUSED(op_type, remedy) { op_type, remedy },
#include "dcnn_onnx_refused.def"
#undef ONNX_REFUSED
};

/* Attribute values without an implementation. */
static const struct {
  const char *op_type, *attribute;
  gint64 allowed; /* of an integer */
  const char *refused; /* of a string; NULL: an integer */
  const char *remedy;
} values[] = {
  { "LayerNormalization", "stash_type", ONNX_FLOAT, NULL, "use stash_type 1" },
};

static const char *const attribute_refusals[][2] = {
  { "sparse_value", "sparse tensors are not supported: export dense ones" },
  { "value_string", "strings are not supported" },
  { "value_strings", "strings are not supported" },
};

void
onnx_refusals_init (OnnxRefusals *self)
{
  self->lines = g_ptr_array_new_with_free_func (g_free);
  self->count = 0;
  self->code = DCNN_ERROR_UNSUPPORTED;
}

void
onnx_refusals_clear (OnnxRefusals *self)
{
  g_clear_pointer (&self->lines, g_ptr_array_unref);
}

void
onnx_refuse (OnnxLoader *loader, const Onnx__NodeProto *node, DcnnError code,
    const char *reason)
{
  OnnxRefusals *self = &loader->refusals;
  const char *op = node->op_type && *node->op_type ? node->op_type
      : "no operator";

  for (size_t i = 0; i < node->n_output; i++)
    if (node->output[i] && *node->output[i])
      g_hash_table_add (loader->blocked, node->output[i]);
  if (code != DCNN_ERROR_UNSUPPORTED)
    self->code = code;
  if (self->count++ >= MAX_LINES)
    return;
  if (node->name && *node->name)
    g_ptr_array_add (self->lines, g_strdup_printf ("node '%.120s' (%.60s): %s",
            node->name, op, reason));
  else
    g_ptr_array_add (self->lines, g_strdup_printf ("node of output '%.120s' "
            "(%.60s): %s", node->n_output > 0 && node->output[0]
            ? node->output[0] : "", op, reason));
}

static gboolean
matches (const char *pattern, const char *text)
{
  size_t n = strlen (pattern);
  if (pattern[n - 1] == '*')
    return strncmp (pattern, text, n - 1) == 0;
  return strcmp (pattern, text) == 0;
}

/* Why an operator is unknown: a remedy of new text. */
static char *
unknown_operator (const Onnx__NodeProto *node)
{
  const char *domain = node->domain ? node->domain : "";
  if (strcmp (domain, "com.microsoft") == 0
      && onnx_whole_is_contributed (node->op_type))
    return NULL;
  if (strcmp (domain, "com.microsoft.nchwc") == 0)
    return g_strdup ("ONNX Runtime laid it out for one kind of processor: save "
        "the model with optimisation level extended, not all, or use the file "
        "before optimisation");
  if (*domain && strcmp (domain, "ai.onnx") != 0)
    return g_strdup_printf ("operators of domain '%.60s' are not supported: "
        "export with standard ONNX operators only", domain);
  if (!node->op_type || !*node->op_type)
    return g_strdup ("it names no operator");
  if (onnx_mapping_find (node->op_type))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (remedies); i++)
    if (matches (remedies[i].op_type, node->op_type))
      return g_strdup (remedies[i].remedy);
  return g_strdup ("the operator is not supported: export the model without "
      "it, or cut the graph before it");
}

/* An attribute that rules the node out: a reason of new text. */
static char *
bad_attribute (const Onnx__NodeProto *node, const Onnx__AttributeProto *a)
{
  const char *name = a->name ? a->name : "";
  gboolean branch = strcmp (node->op_type, "If") == 0
      && (strcmp (name, "then_branch") == 0
          || strcmp (name, "else_branch") == 0);
  if ((a->g && !branch) || a->n_graphs > 0)
    return g_strdup_printf ("attribute '%.60s' holds a subgraph: control flow "
        "is not supported", name);
  if (a->ref_attr_name && *a->ref_attr_name)
    return g_strdup_printf ("attribute '%.60s' refers to a function's, "
        "but is of none", name);
  if (a->sparse_tensor || a->n_sparse_tensors > 0)
    return g_strdup (attribute_refusals[0][1]);
  for (gsize i = 0; i < G_N_ELEMENTS (attribute_refusals); i++)
    if (strcmp (attribute_refusals[i][0], name) == 0)
      return g_strdup (attribute_refusals[i][1]);
  for (gsize i = 0; i < G_N_ELEMENTS (values); i++) {
    const char *refused = values[i].refused;
    if (strcmp (values[i].op_type, node->op_type) != 0
        || strcmp (values[i].attribute, name) != 0)
      continue;
    if (!refused && a->i != values[i].allowed)
      return g_strdup_printf ("attribute %s = %" G_GINT64_FORMAT
          " is not supported: %s", name, a->i, values[i].remedy);
    if (refused && a->has_s && a->s.len == strlen (refused)
        && memcmp (a->s.data, refused, a->s.len) == 0)
      return g_strdup_printf ("attribute %s = %s is not supported: %s", name,
          refused, values[i].remedy);
  }
  return NULL;
}

gboolean
onnx_check_node (OnnxLoader *loader, const Onnx__NodeProto *node)
{
  g_autofree char *reason = unknown_operator (node);
  for (size_t i = 0; !reason && i < node->n_attribute; i++)
    reason = bad_attribute (node, node->attribute[i]);
  if (!reason && (node->n_input > DCNN_MAX_NODE_INPUTS
          || node->n_output > DCNN_MAX_NODE_OUTPUTS))
    reason = g_strdup_printf ("it has over %d inputs or %d outputs",
        DCNN_MAX_NODE_INPUTS, DCNN_MAX_NODE_OUTPUTS);
  if (!reason)
    return TRUE;
  onnx_refuse (loader, node, DCNN_ERROR_UNSUPPORTED, reason);
  return FALSE;
}

gboolean
onnx_refusals_report (const OnnxLoader *loader, GError **error)
{
  const OnnxRefusals *self = &loader->refusals;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *valid = NULL;

  if (self->count == 0)
    return TRUE;
  g_string_append_printf (text, "%u node%s cannot be imported:", self->count,
      self->count == 1 ? "" : "s");
  for (guint i = 0; i < self->lines->len; i++)
    g_string_append_printf (text, "\n  %s",
        (const char *) self->lines->pdata[i]);
  if (self->count > self->lines->len)
    g_string_append_printf (text, "\n  ... and %u more",
        self->count - self->lines->len);
  if (loader->resized_to[0] > 0)
    g_string_append_printf (text, "\nThe input was resized to %"
        G_GINT64_FORMAT "x%" G_GINT64_FORMAT "; shapes stored in the file may "
        "fit its own size only: leave the size out, or export the model for "
        "the size wanted.", loader->resized_to[0], loader->resized_to[1]);
  valid = g_utf8_make_valid (text->str, (gssize) text->len);
  g_set_error_literal (error, DCNN_ERROR, self->code, valid);
  return FALSE;
}
