/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_node.c - see dcnn_onnx_node.h.
 */
#include "dcnn_onnx_node.h"
#include "dcnn_onnx_whole.h"

#include <string.h>

#include "ref_util.h"

void
onnx_node_fail (OnnxNode *node, DcnnError code, const char *format, ...)
{
  va_list args;
  if (node->error)
    return;
  va_start (args, format);
  node->error = g_error_new_valist (DCNN_ERROR, code, format, args);
  va_end (args);
}

const Onnx__AttributeProto *
onnx_node_attribute (OnnxNode *node, const char *name)
{
  for (size_t i = 0; i < node->proto->n_attribute; i++) {
    if (g_strcmp0 (node->proto->attribute[i]->name, name) == 0) {
      node->used[i] = TRUE;
      return node->proto->attribute[i];
    }
  }
  return NULL;
}

/* The attribute, when it is there and of the right type. */
static const Onnx__AttributeProto *
typed_attribute (OnnxNode *node, const char *name, const char *type,
    int number)
{
  const Onnx__AttributeProto *a = onnx_node_attribute (node, name);
  if (a && a->has_type && (int) a->type != number) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "attribute '%s' is no %s", name,
        type);
    return NULL;
  }
  return a;
}

gint64
onnx_node_int (OnnxNode *node, const char *name, gint64 absent)
{
  const Onnx__AttributeProto *a = typed_attribute (node, name, "integer",
      ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
  return a ? a->i : absent;
}

double
onnx_node_float (OnnxNode *node, const char *name, double absent)
{
  const Onnx__AttributeProto *a = typed_attribute (node, name, "float",
      ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
  return a ? (double) a->f : absent;
}

static int
check_numbers (OnnxNode *node, size_t n, const char *what)
{
  if (n <= ONNX_MAX_NUMBERS)
    return (int) n;
  onnx_node_fail (node, DCNN_ERROR_LIMIT, "%s has %" G_GSIZE_FORMAT
      " numbers, at most %d are supported", what, (gsize) n,
      ONNX_MAX_NUMBERS);
  return -1;
}

int
onnx_node_ints (OnnxNode *node, const char *name, gint64 *values)
{
  const Onnx__AttributeProto *a = typed_attribute (node, name,
      "list of integers", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
  int n = a ? check_numbers (node, a->n_ints, name) : -1;
  for (int i = 0; i < n; i++)
    values[i] = a->ints[i];
  return n;
}

int
onnx_node_floats (OnnxNode *node, const char *name, double *values)
{
  const Onnx__AttributeProto *a = typed_attribute (node, name,
      "list of floats", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS);
  int n = a ? check_numbers (node, a->n_floats, name) : -1;
  for (int i = 0; i < n; i++)
    values[i] = (double) a->floats[i];
  return n;
}

int
onnx_node_choice (OnnxNode *node, const char *name, const char *const *choices,
    int absent)
{
  const Onnx__AttributeProto *a = typed_attribute (node, name, "string",
      ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
  g_autofree char *all = NULL;
  if (!a)
    return absent;
  for (int i = 0; choices[i]; i++)
    if (strlen (choices[i]) == a->s.len
        && memcmp (choices[i], a->s.data, a->s.len) == 0)
      return i;
  all = g_strjoinv (", ", (char **) choices);
  onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "attribute %s = '%.*s' is not "
      "supported; these are: %s", name, (int) MIN (a->s.len, 60),
      a->s.len ? (const char *) a->s.data : "", all);
  return absent;
}

const DcnnTensor *
onnx_node_input (const OnnxNode *node, int i)
{
  return i < node->n_inputs && node->inputs[i] >= 0
      ? &dcnn_graph_value (node->loader->graph, node->inputs[i])->tensor
      : NULL;
}

int
onnx_node_rank (const OnnxNode *node, int i)
{
  const DcnnTensor *tensor = onnx_node_input (node, i);
  return tensor ? tensor->rank : 0;
}

/* Input i, when it is there and constant. */
static const DcnnTensor *
constant_input (OnnxNode *node, int i)
{
  const DcnnTensor *tensor = onnx_node_input (node, i);
  if (tensor && !tensor->data) {
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its input '%.120s' sets "
        "shapes or parameters and must be a constant, but is computed from the"
        " picture: export with fixed shapes", node->proto->input[i]);
    return NULL;
  }
  return tensor;
}

int
onnx_node_input_ints (OnnxNode *node, int i, gint64 *values)
{
  const DcnnTensor *tensor = constant_input (node, i);
  int n = tensor ? check_numbers (node, (size_t) dcnn_tensor_count (tensor),
      "an input") : -1;
  for (int k = 0; k < n; k++)
    values[k] = dcnn_ref_get_int (tensor, k);
  return n;
}

int
onnx_node_input_floats (OnnxNode *node, int i, double *values)
{
  const DcnnTensor *tensor = constant_input (node, i);
  int n = tensor ? check_numbers (node, (size_t) dcnn_tensor_count (tensor),
      "an input") : -1;
  for (int k = 0; k < n; k++)
    values[k] = dcnn_ref_get (tensor, k);
  return n;
}

double
onnx_node_input_scalar (OnnxNode *node, int i, double absent)
{
  const DcnnTensor *tensor = constant_input (node, i);
  if (!tensor)
    return absent;
  if (dcnn_tensor_count (tensor) == 1)
    return dcnn_ref_get (tensor, 0);
  onnx_node_fail (node, DCNN_ERROR_INVALID, "its input '%.120s' must be one "
      "number", node->proto->input[i]);
  return absent;
}

int
onnx_node_ints_or_input (OnnxNode *node, const char *name, int i,
    gint64 *values)
{
  int n = onnx_node_ints (node, name, values);
  return n >= 0 ? n : onnx_node_input_ints (node, i, values);
}

gboolean
onnx_node_check_stored (OnnxNode *node, const Onnx__TensorProto *proto)
{
  if (proto && onnx_dtype (proto->data_type) == DCNN_DTYPE_NONE)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "elements of type %s are "
        "supported in weights that DequantizeLinear reads, not here",
        onnx_dtype_name (proto->data_type));
  return !node->error;
}

gboolean
onnx_node_check_type (OnnxNode *node, int i)
{
  return onnx_node_check_stored (node, onnx_node_input (node, i)
      ? g_hash_table_lookup (node->loader->initializers,
          node->proto->input[i]) : NULL);
}

gint64
onnx_node_axis (OnnxNode *node, gint64 axis, int rank)
{
  if (axis >= -rank && axis < rank)
    return axis < 0 ? axis + rank : axis;
  onnx_node_fail (node, DCNN_ERROR_INVALID, "axis %" G_GINT64_FORMAT
      " is outside rank %d", axis, rank);
  return 0;
}

guint32
onnx_node_axes (OnnxNode *node, int n, const gint64 *axes, int rank)
{
  guint32 bits = 0;
  for (int i = 0; i < n; i++) {
    guint32 bit = 1u << onnx_node_axis (node, axes[i], rank);
    if (bits & bit)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "axis %" G_GINT64_FORMAT
          " is named twice", axes[i]);
    bits |= bit;
  }
  return bits;
}

char *
onnx_node_temporary (OnnxNode *node)
{
  return g_strdup_printf ("%.200s:%d:%u", node->proto->op_type,
      node->made_up++, node->loader->graph->values->len);
}

/* Adds a node to the graph unless there was a failure. */
static gboolean
emit (OnnxNode *node, DcnnOp op, const DcnnParams *params, int n_inputs,
    const DcnnValueId *inputs, int n_outputs, const char *const *names,
    const DcnnTensor *out_shape, DcnnValueId *outputs)
{
  if (node->error)
    return FALSE;
  return dcnn_graph_add_node (node->loader->graph, node->proto->name, op,
      params, n_inputs, inputs, n_outputs, names, out_shape, outputs,
      &node->error);
}

void
onnx_node_emit (OnnxNode *node, DcnnOp op, const DcnnParams *params,
    int n_inputs, const DcnnTensor *out_shape)
{
  DcnnValueId outputs[DCNN_MAX_NODE_OUTPUTS];
  if (out_shape && op != DCNN_OP_SPLIT && node->n_outputs > 1) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "has %d outputs, the operator "
        "has one", node->n_outputs);
    return;
  }
  emit (node, op, params, MIN (n_inputs, node->n_inputs), node->inputs,
      node->n_outputs, node->outputs, out_shape, outputs);
}

DcnnValueId
onnx_node_emit_inner (OnnxNode *node, DcnnOp op, const DcnnParams *params,
    int n_inputs, const DcnnValueId *inputs, const DcnnTensor *out_shape)
{
  g_autofree char *made_up = onnx_node_temporary (node);
  const char *name = made_up;
  DcnnValueId output;
  return emit (node, op, params, n_inputs, inputs, 1, &name, out_shape,
      &output) ? output : -1;
}

gboolean
onnx_node_alloc (OnnxNode *node, DcnnTensor *tensor)
{
  gint64 bytes;
  if (node->error || !dcnn_tensor_check (tensor, &node->error))
    return FALSE;
  bytes = dcnn_tensor_count (tensor)
      * (gint64) dcnn_dtype_bytes (tensor->dtype);
  if (bytes > node->loader->constant_bytes) {
    onnx_node_fail (node, DCNN_ERROR_LIMIT, "it makes a constant of %"
        G_GINT64_FORMAT " bytes, more than constants may take in a model of "
        "this size", bytes);
    return FALSE;
  }
  node->loader->constant_bytes -= bytes;
  return dcnn_tensor_alloc (tensor, &node->error);
}

void
onnx_node_emit_constant (OnnxNode *node, int output, DcnnTensor *tensor)
{
  const char *name = output < node->n_outputs ? node->outputs[output] : NULL;
  if (node->error || !name || dcnn_graph_add_constant (node->loader->graph,
          name, tensor, &node->error) < 0)
    dcnn_tensor_free (tensor);
}
