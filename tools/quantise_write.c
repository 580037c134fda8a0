/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The same net with quantisers: QuantizeLinear and DequantizeLinear behind each
 * value that becomes bytes, DequantizeLinear before stored weights of 8 bits
 * (a scale a channel) and before biases of 32. */
#include "quantise.h"

#include <math.h>
#include <string.h>

enum { TYPE_FLOAT = 1, TYPE_U8 = 2, TYPE_I8 = 3, TYPE_I32 = 6 };

#define OPSET_WITH_AXIS 13   /* of quantisers with a scale a channel */
#define LARGEST_BIAS 1.07e9  /* in steps: half of what int32 holds */

/* While a net is rewritten. */
typedef struct Writer {
  QuantNet *net;
  GPtrArray *nodes;        /* the new list */
  GHashTable *scales, *means;
  GHashTable *reads;       /* char* -> char*: what readers of this read now */
  const char *domain;      /* of quantisers */
  guint weight_bits;
} Writer;

/* Adds a quantiser or its inverse; takes inputs and output. axis < 0: none. */
static void
add_node (Writer *writer, const char *op, char *const inputs[3], char *output,
    gint64 axis)
{
  Onnx__NodeProto *node = g_new (Onnx__NodeProto, 1);
  onnx__node_proto__init (node);
  node->op_type = g_strdup (op);
  node->name = g_strdup (output);
  if (*writer->domain)
    node->domain = g_strdup (writer->domain);
  node->n_input = inputs[2] ? 3 : 2;
  node->input = g_memdup2 (inputs, node->n_input * sizeof *inputs);
  node->n_output = 1;
  node->output = g_new (char *, 1);
  node->output[0] = output;
  if (axis >= 0) {
    Onnx__AttributeProto *attribute = g_new (Onnx__AttributeProto, 1);
    onnx__attribute_proto__init (attribute);
    attribute->name = g_strdup ("axis");
    attribute->has_type = TRUE;
    attribute->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    attribute->has_i = TRUE;
    attribute->i = axis;
    node->n_attribute = 1;
    node->attribute = g_new (Onnx__AttributeProto *, 1);
    node->attribute[0] = attribute;
  }
  g_ptr_array_add (writer->nodes, node);
}

static char *
named (const char *value, const char *what)
{
  return g_strconcat (value, ":", what, NULL);
}

/* ---- values ------------------------------------------------------------------ */

static void
add_quantiser (Writer *writer, const char *value)
{
  const QuantScale *scale = g_hash_table_lookup (writer->scales, value);
  if (!scale)
    return;
  quant_net_store (writer->net, named (value, "scale"), TYPE_FLOAT, 0, NULL,
      &scale->scale, sizeof scale->scale);
  quant_net_store (writer->net, named (value, "zero"), TYPE_U8, 0, NULL,
      &scale->zero, sizeof scale->zero);
  add_node (writer, "QuantizeLinear", (char *[]) { g_strdup (value),
          named (value, "scale"), named (value, "zero") },
      named (value, "bytes"), -1);
  add_node (writer, "DequantizeLinear", (char *[]) { named (value, "bytes"),
          named (value, "scale"), named (value, "zero") },
      named (value, "dequantised"), -1);
  g_hash_table_insert (writer->reads, g_strdup (value),
      named (value, "dequantised"));
}

/* ---- layers ------------------------------------------------------------------- */

/* The channel of element i of weights, along an axis. */
static guint
channel_at (const Onnx__TensorProto *w, guint axis, gsize i)
{
  gsize inner = 1;
  for (gsize d = axis + 1; d < w->n_dims; d++)
    inner *= (gsize) w->dims[d];
  return (guint) (i / inner % (gsize) w->dims[axis]);
}

/* A scale for each channel of the weights: symmetric, and not so small that
 * the bias would not fit. */
static gfloat *
weight_scales (const Writer *writer, const Onnx__TensorProto *w, guint axis,
    const GArray *numbers, const GArray *bias, double in_scale)
{
  guint n = (guint) w->dims[axis];
  gfloat *scales = g_new0 (gfloat, n + 1);
  double largest = writer->weight_bits == 7 ? 63 : 127;
  for (guint i = 0; i < numbers->len; i++) {
    gfloat *s = &scales[channel_at (w, axis, i)];
    *s = MAX (*s, fabsf (g_array_index (numbers, gfloat, i)));
  }
  for (guint c = 0; c < n; c++)
    scales[c] = (gfloat) ((double) scales[c] / largest);
  for (guint i = 0; bias && i < bias->len; i++) {
    double least = fabs ((double) g_array_index (bias, gfloat, i))
        / (LARGEST_BIAS * in_scale);
    scales[i % n] = MAX (scales[i % n], (gfloat) least);
  }
  for (guint c = 0; c < n; c++)
    if (!(scales[c] > 1e-30f))
      scales[c] = 1;
  return scales;
}

static gint
rounded (double value, double largest)
{
  return (gint) CLAMP (rint (value), -largest, largest);
}

/* The channel of what the layer reads that element i of its weights takes; -1:
 * not known. */
static gint
channel_read (const Onnx__NodeProto *layer, const Onnx__TensorProto *w,
    guint axis, gsize i)
{
  gsize taps = 1, groups = (gsize) quant_int (layer, "group", 1);
  for (gsize d = 2; d < w->n_dims; d++)
    taps *= (gsize) w->dims[d];
  if (quant_is (layer, "Conv")) {
    gsize a_group = (gsize) w->dims[1];
    gsize out = i / (taps * a_group);
    return (gint) (out / ((gsize) w->dims[0] / groups) * a_group
        + i / taps % a_group);
  }
  if (quant_is (layer, "ConvTranspose"))
    return -1; /* how often a tap is used depends on the stride */
  return (gint) channel_at (w, 1 - axis, i);
}

/* Takes from the bias what rounding the weights adds to each channel, by the
 * mean of what they are multiplied by. */
static void
correct_bias (const Writer *writer, const Onnx__NodeProto *layer, guint axis,
    const GArray *numbers, const gfloat *scales, GArray *bias)
{
  const Onnx__TensorProto *w =
      g_hash_table_lookup (writer->net->constants, layer->input[1]);
  const QuantMeans *means = g_hash_table_lookup (writer->means,
      layer->input[0]);
  double largest = writer->weight_bits == 7 ? 63 : 127;
  if (!means || !means->n || bias->len != (guint) w->dims[axis])
    return;
  for (guint i = 0; i < numbers->len; i++) {
    guint c = channel_at (w, axis, i);
    gint in = channel_read (layer, w, axis, i);
    double s = (double) scales[c];
    double exact = (double) g_array_index (numbers, gfloat, i);
    if (in < 0 || (guint) in >= means->sums->len)
      return;
    g_array_index (bias, gfloat, c) -= (gfloat) ((s * rounded (exact / s,
                largest) - exact) * g_array_index (means->sums, gdouble, in)
        / (double) means->n);
  }
}

/* The layer's weights as int8; scales: of weight_scales(). */
static void
store_weights (Writer *writer, Onnx__NodeProto *layer, guint axis,
    const GArray *numbers, const gfloat *scales)
{
  const Onnx__TensorProto *w =
      g_hash_table_lookup (writer->net->constants, layer->input[1]);
  const char *value = layer->output[0];
  guint n = (guint) w->dims[axis];
  g_autofree gint8 *bytes = g_new (gint8, numbers->len + 1);
  g_autofree gint8 *zeros = g_new0 (gint8, n + 1);
  double largest = writer->weight_bits == 7 ? 63 : 127;
  for (guint i = 0; i < numbers->len; i++)
    bytes[i] = (gint8) rounded ((double) g_array_index (numbers, gfloat, i)
        / (double) scales[channel_at (w, axis, i)], largest);
  guint n_dims = (guint) w->n_dims;
  g_autofree gint64 *dims = g_memdup2 (w->dims, n_dims * sizeof *dims);
  quant_net_store (writer->net, named (value, "weights"), TYPE_I8, n_dims,
      dims, bytes, numbers->len);
  quant_net_store (writer->net, named (value, "weights_scale"), TYPE_FLOAT, 1,
      (gint64[]) { n }, scales, n * sizeof *scales);
  quant_net_store (writer->net, named (value, "weights_zero"), TYPE_I8, 1,
      (gint64[]) { n }, zeros, n);
  add_node (writer, "DequantizeLinear", (char *[]) { named (value, "weights"),
          named (value, "weights_scale"), named (value, "weights_zero") },
      named (value, "weights_dequantised"), (gint64) axis);
  g_free (layer->input[1]);
  layer->input[1] = named (value, "weights_dequantised");
}

/* The bias in steps of what it is added to. */
static void
store_bias (Writer *writer, Onnx__NodeProto *layer, const GArray *bias,
    const gfloat *scales, guint n_scales, gfloat in_scale)
{
  const char *value = layer->output[0];
  guint n = bias->len;
  g_autofree gint32 *steps = g_new (gint32, n + 1);
  g_autofree gfloat *own = g_new (gfloat, n + 1);
  for (guint i = 0; i < n; i++) {
    own[i] = scales[i % n_scales] * in_scale;
    steps[i] = rounded ((double) g_array_index (bias, gfloat, i)
        / (double) own[i], 2e9);
  }
  quant_net_store (writer->net, named (value, "bias"), TYPE_I32, 1,
      (gint64[]) { n }, steps, n * sizeof *steps);
  quant_net_store (writer->net, named (value, "bias_scale"), TYPE_FLOAT, 1,
      (gint64[]) { n }, own, n * sizeof *own);
  add_node (writer, "DequantizeLinear", (char *[]) { named (value, "bias"),
          named (value, "bias_scale"), NULL },
      named (value, "bias_dequantised"), 0);
  g_free (layer->input[2]);
  layer->input[2] = named (value, "bias_dequantised");
}

/* FALSE: what it reads stays float32, and so does the layer. */
static gboolean
rewrite_layer (Writer *writer, Onnx__NodeProto *layer)
{
  const QuantScale *in = g_hash_table_lookup (writer->scales,
      layer->input[0]);
  const Onnx__TensorProto *w =
      g_hash_table_lookup (writer->net->constants, layer->input[1]);
  guint axis = quant_layer_axis (layer);
  if (!in)
    return FALSE;
  g_autoptr (GArray) numbers = quant_floats (writer->net, layer->input[1]);
  g_autoptr (GArray) bias = layer->n_input > 2 && *layer->input[2]
      ? quant_floats (writer->net, layer->input[2]) : NULL;
  g_autofree gfloat *scales = weight_scales (writer, w, axis, numbers, bias,
      (double) in->scale);
  guint n = (guint) w->dims[axis];
  if (bias)
    correct_bias (writer, layer, axis, numbers, scales, bias);
  store_weights (writer, layer, axis, numbers, scales);
  if (bias)
    store_bias (writer, layer, bias, scales, n, in->scale);
  return TRUE;
}

/* ---- the graph ------------------------------------------------------------------- */

static void
read_dequantised (const Writer *writer, Onnx__NodeProto *node)
{
  for (gsize i = 0; i < node->n_input; i++) {
    const char *now = g_hash_table_lookup (writer->reads, node->input[i]);
    if (!now)
      continue;
    g_free (node->input[i]);
    node->input[i] = g_strdup (now);
  }
}

static void
drop_unread_constants (QuantNet *net)
{
  Onnx__GraphProto *graph = net->graph;
  gsize kept = 0;
  for (gsize i = 0; i < graph->n_initializer; i++)
    if (g_hash_table_contains (net->readers, graph->initializer[i]->name))
      graph->initializer[kept++] = graph->initializer[i];
    else
      onnx__tensor_proto__free_unpacked (graph->initializer[i], NULL);
  graph->n_initializer = kept;
  quant_net_index (net);
}

static void
import_domain (QuantNet *net, const char *domain)
{
  Onnx__ModelProto *model = net->model;
  for (gsize i = 0; i < model->n_opset_import; i++)
    if (g_strcmp0 (model->opset_import[i]->domain, domain) == 0)
      return;
  Onnx__OperatorSetIdProto *import = g_new (Onnx__OperatorSetIdProto, 1);
  onnx__operator_set_id_proto__init (import);
  import->domain = g_strdup (domain);
  import->has_version = TRUE;
  import->version = 1;
  model->opset_import = g_renew (Onnx__OperatorSetIdProto *,
      model->opset_import, model->n_opset_import + 1);
  model->opset_import[model->n_opset_import++] = import;
}

guint
quant_net_rewrite (QuantNet *net, const QuantPlan *plan, GHashTable *scales,
    GHashTable *means, guint weight_bits)
{
  Onnx__GraphProto *graph = net->graph;
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();
  g_autoptr (GHashTable) reads = g_hash_table_new_full (g_str_hash,
      g_str_equal, g_free, g_free);
  Writer writer = { .net = net, .nodes = nodes, .scales = scales,
    .means = means, .reads = reads, .weight_bits = weight_bits,
    .domain = net->opset >= OPSET_WITH_AXIS ? "" : "com.microsoft" };
  guint layers = 0;
  for (gsize i = 0; i < graph->n_input; i++)
    add_quantiser (&writer, graph->input[i]->name);
  for (gsize n = 0; n < graph->n_node; n++) {
    Onnx__NodeProto *node = graph->node[n];
    if (g_hash_table_contains (plan->layers, node))
      layers += rewrite_layer (&writer, node);
    read_dequantised (&writer, node);
    g_ptr_array_add (nodes, node);
    for (gsize i = 0; i < node->n_output; i++)
      add_quantiser (&writer, node->output[i]);
  }
  if (*writer.domain)
    import_domain (net, writer.domain);
  graph->n_node = nodes->len;
  g_free (graph->node);
  graph->node = g_memdup2 (nodes->pdata, nodes->len * sizeof (gpointer));
  quant_net_index (net);
  drop_unread_constants (net);
  return layers;
}
