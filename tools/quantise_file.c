/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An ONNX file in memory, to be rewritten. What the project's description of
 * the format does not name is kept as it was. */
#include "quantise.h"

#include <math.h>
#include <string.h>

#define FLOAT32 1
#define FLOAT16 10
#define IR_WITH_CONSTANTS 4 /* from here on constants need not be inputs */

static const char *
text (const char *string)
{
  return string ? string : "";
}

const char *
quant_layer_name (const Onnx__NodeProto *node)
{
  return node->name && *node->name ? node->name
      : node->n_output ? node->output[0] : "";
}

gboolean
quant_is (const Onnx__NodeProto *node, const char *op_type)
{
  const char *domain = text (node->domain);
  return strcmp (text (node->op_type), op_type) == 0
      && (!*domain || strcmp (domain, "ai.onnx") == 0);
}

gint64
quant_int (const Onnx__NodeProto *node, const char *name, gint64 absent)
{
  for (gsize i = 0; i < node->n_attribute; i++)
    if (strcmp (text (node->attribute[i]->name), name) == 0)
      return node->attribute[i]->i;
  return absent;
}

/* ---- tables ------------------------------------------------------------- */

static void
free_array (gpointer array)
{
  g_ptr_array_unref (array);
}

static void
add_reader (QuantNet *net, const char *name, Onnx__NodeProto *node)
{
  GPtrArray *list = g_hash_table_lookup (net->readers, name);
  if (!*name)
    return;
  if (!list) {
    list = g_ptr_array_new ();
    g_hash_table_insert (net->readers, (gpointer) name, list);
  }
  g_ptr_array_add (list, node);
}

/* Graphs within read values of this one by name. */
static void
add_inner_readers (QuantNet *net, const Onnx__GraphProto *graph)
{
  for (gsize n = 0; n < graph->n_node; n++) {
    const Onnx__NodeProto *node = graph->node[n];
    for (gsize i = 0; i < node->n_input; i++)
      add_reader (net, node->input[i], NULL);
    for (gsize a = 0; a < node->n_attribute; a++)
      if (node->attribute[a]->g)
        add_inner_readers (net, node->attribute[a]->g);
  }
  for (gsize i = 0; i < graph->n_output; i++)
    add_reader (net, text (graph->output[i]->name), NULL);
}

static void
index_node (QuantNet *net, Onnx__NodeProto *node)
{
  for (gsize i = 0; i < node->n_input; i++)
    add_reader (net, node->input[i], node);
  for (gsize i = 0; i < node->n_output; i++)
    g_hash_table_insert (net->producers, node->output[i], node);
  for (gsize a = 0; a < node->n_attribute; a++) {
    if (node->attribute[a]->g)
      add_inner_readers (net, node->attribute[a]->g);
    if (quant_is (node, "Constant") && node->attribute[a]->t)
      g_hash_table_insert (net->constants, node->output[0],
          node->attribute[a]->t);
  }
}

void
quant_net_index (QuantNet *net)
{
  Onnx__GraphProto *graph = net->graph;
  g_hash_table_remove_all (net->constants);
  g_hash_table_remove_all (net->producers);
  g_hash_table_remove_all (net->readers);
  for (gsize i = 0; i < graph->n_initializer; i++)
    g_hash_table_insert (net->constants,
        (gpointer) text (graph->initializer[i]->name), graph->initializer[i]);
  for (gsize n = 0; n < graph->n_node; n++)
    index_node (net, graph->node[n]);
  for (gsize i = 0; i < graph->n_output; i++)
    add_reader (net, text (graph->output[i]->name), NULL);
}

/* ---- constants ------------------------------------------------------------ */

GArray *
quant_floats (const QuantNet *net, const char *name)
{
  const Onnx__TensorProto *t = g_hash_table_lookup (net->constants, name);
  GArray *values;
  gsize n = 1;
  if (!t || t->data_type != FLOAT32)
    return NULL;
  for (gsize i = 0; i < t->n_dims; i++)
    n *= (gsize) t->dims[i];
  values = g_array_sized_new (FALSE, TRUE, sizeof (gfloat), (guint) n);
  if (t->n_float_data == n)
    g_array_append_vals (values, t->float_data, (guint) n);
  else if (t->has_raw_data && t->raw_data.len == n * sizeof (gfloat))
    g_array_append_vals (values, t->raw_data.data, (guint) n);
  if (values->len == n)
    return values;
  g_array_unref (values);
  return NULL;
}

void
quant_net_store (QuantNet *net, char *name, gint type, guint n_dims,
    const gint64 *dims, gconstpointer data, gsize bytes)
{
  Onnx__TensorProto *tensor = g_new (Onnx__TensorProto, 1);
  Onnx__GraphProto *graph = net->graph;
  onnx__tensor_proto__init (tensor);
  tensor->name = name;
  tensor->has_data_type = TRUE;
  tensor->data_type = type;
  tensor->n_dims = n_dims;
  tensor->dims = g_memdup2 (dims, n_dims * sizeof *dims);
  tensor->has_raw_data = TRUE;
  tensor->raw_data.len = bytes;
  tensor->raw_data.data = g_memdup2 (data, bytes);
  graph->initializer = g_renew (Onnx__TensorProto *, graph->initializer,
      graph->n_initializer + 1);
  graph->initializer[graph->n_initializer++] = tensor;
  g_hash_table_insert (net->constants, name, tensor);
}

/* A half-precision number. */
static gfloat
from_half (guint16 half)
{
  gint exponent = half >> 10 & 31;
  gfloat value = exponent == 31 ? (half & 1023 ? NAN : INFINITY)
      : exponent == 0 ? ldexpf (half & 1023, -24)
      : ldexpf ((half & 1023) + 1024, exponent - 25);
  return half & 0x8000 ? -value : value;
}

/* Weights that are stored as float16 and cast: stored as float32 instead. */
static void
widen_halves (QuantNet *net)
{
  for (gsize i = 0; i < net->graph->n_node; i++) {
    Onnx__NodeProto *node = net->graph->node[i];
    const Onnx__TensorProto *t = node->n_input == 1
        ? g_hash_table_lookup (net->constants, node->input[0]) : NULL;
    if (!t || !quant_is (node, "Cast") || t->data_type != FLOAT16
        || quant_int (node, "to", 0) != FLOAT32 || !t->has_raw_data)
      continue;
    gsize n = t->raw_data.len / 2;
    g_autofree gfloat *values = g_new (gfloat, n + 1);
    for (gsize k = 0; k < n; k++)
      values[k] = from_half ((guint16) (t->raw_data.data[2 * k]
              | t->raw_data.data[2 * k + 1] << 8));
    quant_net_store (net, g_strdup (node->output[0]), FLOAT32,
        (guint) t->n_dims, t->dims, values, n * sizeof *values);
    /* the node makes something that nobody reads */
    g_free (node->output[0]);
    node->output[0] = g_strdup_printf ("%s:unread", node->input[0]);
  }
}

/* ---- where it ends ---------------------------------------------------------- */

static Onnx__ValueInfoProto *
float_value (const char *name)
{
  Onnx__ValueInfoProto *info = g_new (Onnx__ValueInfoProto, 1);
  onnx__value_info_proto__init (info);
  info->name = g_strdup (name);
  info->type = g_new (Onnx__TypeProto, 1);
  onnx__type_proto__init (info->type);
  info->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  info->type->tensor_type = g_new (Onnx__TypeProto__Tensor, 1);
  onnx__type_proto__tensor__init (info->type->tensor_type);
  info->type->tensor_type->has_elem_type = TRUE;
  info->type->tensor_type->elem_type = FLOAT32;
  return info;
}

static void
free_value (gpointer info)
{
  onnx__value_info_proto__free_unpacked (info, NULL);
}

/* Drops the nodes that no output needs; the file's order is topological. */
static void
drop_unread (QuantNet *net)
{
  Onnx__GraphProto *graph = net->graph;
  g_autoptr (GHashTable) needed = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree gboolean *stays = g_new0 (gboolean, graph->n_node + 1);
  gsize kept = 0;
  for (gsize i = 0; i < graph->n_output; i++)
    g_hash_table_add (needed, graph->output[i]->name);
  for (gsize n = graph->n_node; n-- > 0;) {
    Onnx__NodeProto *node = graph->node[n];
    for (gsize i = 0; i < node->n_output; i++)
      stays[n] |= g_hash_table_contains (needed, node->output[i]);
    for (gsize a = 0; a < node->n_attribute; a++)
      stays[n] |= node->attribute[a]->g != NULL; /* reads what it likes */
    for (gsize i = 0; stays[n] && i < node->n_input; i++)
      g_hash_table_add (needed, node->input[i]);
  }
  for (gsize n = 0; n < graph->n_node; n++)
    if (stays[n])
      graph->node[kept++] = graph->node[n];
    else
      onnx__node_proto__free_unpacked (graph->node[n], NULL);
  graph->n_node = kept;
}

/* What the file says of a value within it, else a float32 of any shape. */
static Onnx__ValueInfoProto *
described_value (const Onnx__GraphProto *graph, const char *name)
{
  for (gsize i = 0; i < graph->n_value_info; i++) {
    const Onnx__ValueInfoProto *from = graph->value_info[i];
    if (g_strcmp0 (from->name, name) != 0)
      continue;
    gsize length = onnx__value_info_proto__get_packed_size (from);
    g_autofree guint8 *bytes = g_malloc (length + 1);
    onnx__value_info_proto__pack (from, bytes);
    return onnx__value_info_proto__unpack (NULL, length, bytes);
  }
  return float_value (name);
}

static void
end_at (QuantNet *net, char **outputs)
{
  Onnx__GraphProto *graph = net->graph;
  for (gsize i = 0; i < graph->n_output; i++)
    free_value (graph->output[i]);
  graph->n_output = g_strv_length (outputs);
  graph->output = g_renew (Onnx__ValueInfoProto *, graph->output,
      graph->n_output);
  for (gsize i = 0; i < graph->n_output; i++)
    graph->output[i] = described_value (graph, outputs[i]);
}

/* ---- reading, writing --------------------------------------------------------- */

/* Old files list constants among the inputs, where a runtime must expect
 * others to be given. */
static void
drop_constant_inputs (QuantNet *net)
{
  Onnx__GraphProto *graph = net->graph;
  gsize kept = 0;
  for (gsize i = 0; i < graph->n_input; i++)
    if (g_hash_table_contains (net->constants, text (graph->input[i]->name)))
      free_value (graph->input[i]);
    else
      graph->input[kept++] = graph->input[i];
  graph->n_input = kept;
  if (net->model->ir_version < IR_WITH_CONSTANTS)
    net->model->ir_version = IR_WITH_CONSTANTS;
}

static gboolean
check_kind (const QuantNet *net, const char *path, GError **error)
{
  const Onnx__GraphProto *graph = net->graph;
  for (gsize i = 0; i < graph->n_initializer; i++)
    if (graph->initializer[i]->data_location
        == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED, "%s: its "
          "weights lie in another file; save it as one file first "
          "(onnx.save of what onnx.load read)", path);
      return FALSE;
    }
  for (gsize n = 0; n < graph->n_node; n++) {
    const char *op = text (graph->node[n]->op_type);
    if (strstr (op, "QuantizeLinear") || strstr (op, "DequantizeLinear")
        || strstr (op, "Integer") || g_str_has_prefix (op, "QLinear")) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED, "%s is "
          "quantised already (%s \"%s\"): give the float32 model that it was "
          "made from", path, op, quant_layer_name (graph->node[n]));
      return FALSE;
    }
  }
  return TRUE;
}

QuantNet *
quant_net_open (const char *path, char **outputs, GError **error)
{
  g_autofree char *bytes = NULL;
  gsize length = 0;
  if (!g_file_get_contents (path, &bytes, &length, error))
    return NULL;
  Onnx__ModelProto *model = onnx__model_proto__unpack (NULL, length,
      (const guint8 *) bytes);
  if (!model || !model->graph) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID, "%s is no ONNX file",
        path);
    if (model)
      onnx__model_proto__free_unpacked (model, NULL);
    return NULL;
  }
  g_autoptr (QuantNet) net = g_new0 (QuantNet, 1);
  net->model = model;
  net->graph = model->graph;
  net->constants = g_hash_table_new (g_str_hash, g_str_equal);
  net->producers = g_hash_table_new (g_str_hash, g_str_equal);
  net->readers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
      free_array);
  for (gsize i = 0; i < model->n_opset_import; i++) {
    const char *domain = text (model->opset_import[i]->domain);
    if (!*domain || strcmp (domain, "ai.onnx") == 0)
      net->opset = model->opset_import[i]->version;
  }
  if (!check_kind (net, path, error))
    return NULL;
  quant_net_index (net);
  widen_halves (net);
  if (outputs)
    end_at (net, outputs);
  drop_unread (net);
  quant_net_index (net);
  drop_constant_inputs (net);
  return g_steal_pointer (&net);
}

void
quant_net_free (QuantNet *net)
{
  g_hash_table_unref (net->constants);
  g_hash_table_unref (net->producers);
  g_hash_table_unref (net->readers);
  onnx__model_proto__free_unpacked (net->model, NULL);
  g_free (net);
}

GBytes *
quant_net_pack (QuantNet *net, const GPtrArray *more)
{
  Onnx__GraphProto *graph = net->graph;
  Onnx__ValueInfoProto **own = graph->output;
  gsize n_own = graph->n_output;
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  g_autoptr (GPtrArray) made = g_ptr_array_new_with_free_func (free_value);
  for (gsize i = 0; i < n_own; i++)
    g_ptr_array_add (all, own[i]);
  for (guint i = 0; more && i < more->len; i++) {
    g_ptr_array_add (made, float_value (g_ptr_array_index (more, i)));
    g_ptr_array_add (all, g_ptr_array_index (made, i));
  }
  graph->output = (Onnx__ValueInfoProto **) all->pdata;
  graph->n_output = all->len;
  gsize length = onnx__model_proto__get_packed_size (net->model);
  guint8 *bytes = g_malloc (length + 1);
  onnx__model_proto__pack (net->model, bytes);
  graph->output = own;
  graph->n_output = n_own;
  return g_bytes_new_take (bytes, length);
}
