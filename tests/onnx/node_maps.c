/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * node_maps.c - see node_maps.h.
 */
#include "node_maps.h"

#include <string.h>

#include "dcnn_onnx_loader.h"

/* Element-wise: the shape means nothing to them. */
static const char *const elementwise[] = {
  "Abs", "Acos", "Acosh", "Add", "Asin", "Asinh", "Atan", "Atanh", "Ceil",
  "Celu", "Clip", "Constant", "Cos", "Cosh", "Div", "Elu", "Equal", "Erf",
  "Exp", "Floor", "Gelu", "Greater", "HardSigmoid", "HardSwish", "Identity",
  "IsNaN", "LeakyRelu", "Less", "Log", "Max", "Mean", "Min", "Mish", "Mod",
  "Mul", "Neg", "Pow", "Reciprocal", "Relu", "Round", "Selu",
  "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt",
  "Sub", "Sum", "Tan", "Tanh", "ThresholdedRelu", NULL
};

/* Image by image, when their axis (if any) is not the first. */
static const char *const by_image[] = {
  "AveragePool", "BatchNormalization", "Conv", "ConvTranspose",
  "DepthToSpace", "GlobalAveragePool", "GlobalMaxPool",
  "GroupNormalization", "InstanceNormalization", "LayerNormalization",
  "LogSoftmax", "LRN", "MaxPool", "PRelu", "Softmax", "SpaceToDepth", NULL
};

static gboolean
axis_is_first (const Onnx__NodeProto *node)
{
  for (size_t i = 0; i < node->n_attribute; i++)
    if (strcmp (node->attribute[i]->name, "axis") == 0)
      return node->attribute[i]->i == 0 || node->attribute[i]->i == -4;
  return FALSE;
}

/* *all: every node is element-wise. FALSE: some node is in neither list. */
static gboolean
classify (const Onnx__GraphProto *graph, gboolean *all)
{
  *all = TRUE;
  for (size_t n = 0; n < graph->n_node; n++) {
    const Onnx__NodeProto *node = graph->node[n];
    if (g_strv_contains (elementwise, node->op_type))
      continue;
    *all = FALSE;
    if (!g_strv_contains (by_image, node->op_type) || axis_is_first (node))
      return FALSE;
  }
  return TRUE;
}

gint64
node_maps_count (const guint8 *model, gsize bytes, const DcnnTensor *inputs,
    int n_inputs, const DcnnTensor *wanted, int n_wanted)
{
  g_autoptr (OnnxModel) parsed = onnx_model_parse (model, bytes, NULL);
  const DcnnTensor *t = &inputs[0];
  gboolean all;

  if (parsed == NULL || n_inputs < 1 || t->dtype != DCNN_DTYPE_F32 ||
      t->rank < 1 || t->rank > 4 || dcnn_tensor_count (t) == 0 ||
      (t->rank == 4 && t->dims[0] == 1) ||
      !classify (parsed->proto->graph, &all) || (!all && t->rank < 4))
    return 0;
  if (all && n_wanted != 1)
    return 0;
  for (int i = 1; all && i < n_inputs; i++)
    if (inputs[i].rank > 4 || (inputs[i].rank == 4 && inputs[i].dims[0] != 1))
      return 0;
  for (int i = 0; i < n_wanted; i++)
    if (wanted[i].rank != t->rank ||
        (t->rank == 4 && wanted[i].dims[0] != t->dims[0]))
      return 0;
  return t->rank == 4 ? t->dims[0] : 1;
}

DcnnTensor
node_maps_view (const DcnnTensor *tensor, gint64 count, gint64 i)
{
  DcnnTensor view = { .dtype = tensor->dtype, .rank = 4,
    .dims = { 1, 1, 1, 1 } };
  gsize stride = (gsize) (dcnn_tensor_count (tensor) / count) *
      dcnn_dtype_bytes (tensor->dtype);

  for (int k = 0; k < tensor->rank; k++)
    view.dims[4 - tensor->rank + k] = tensor->dims[k];
  if (tensor->rank == 4)
    view.dims[0] = 1;
  view.data = (guint8 *) tensor->data + (gsize) i * stride;
  return view;
}

guint8 *
node_maps_model (const guint8 *model, gsize bytes, const DcnnTensor *input,
    gsize *new_bytes)
{
  g_autoptr (OnnxModel) parsed = onnx_model_parse (model, bytes, NULL);
  Onnx__TensorShapeProto shape = ONNX__TENSOR_SHAPE_PROTO__INIT, *own;
  Onnx__TensorShapeProto__Dimension dims[4], *list[4];
  DcnnTensor view = node_maps_view (input, 1, 0);
  Onnx__GraphProto *graph = parsed->proto->graph;
  Onnx__TypeProto__Tensor *first = graph->input[0]->type->tensor_type;
  size_t n_output = graph->n_output, n_info = graph->n_value_info;
  Onnx__TensorShapeProto **shapes = g_new0 (Onnx__TensorShapeProto *,
      n_output);
  guint8 *packed;

  for (int i = 0; i < 4; i++) {
    onnx__tensor_shape_proto__dimension__init (&dims[i]);
    dims[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    dims[i].dim_value = i ? view.dims[i] : 1;
    list[i] = &dims[i];
  }
  shape.n_dim = 4;
  shape.dim = list;
  own = first->shape;
  first->shape = &shape;
  graph->n_value_info = 0;
  for (size_t i = 0; i < n_output; i++) {
    shapes[i] = graph->output[i]->type->tensor_type->shape;
    graph->output[i]->type->tensor_type->shape = NULL;
  }
  *new_bytes = onnx__model_proto__get_packed_size (parsed->proto);
  packed = g_malloc (*new_bytes);
  onnx__model_proto__pack (parsed->proto, packed);
  first->shape = own; /* what the parser allocated, it frees */
  graph->n_value_info = n_info;
  for (size_t i = 0; i < n_output; i++)
    graph->output[i]->type->tensor_type->shape = shapes[i];
  g_free (shapes);
  return packed;
}
