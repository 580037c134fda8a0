/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_inputs.c - the inputs of a file's graph, with numbers for every
 * dimension: a symbolic batch is 1, and height and width are the caller's
 * where given.
 */
#include "dcnn_onnx_loader.h"

#include <string.h>

/* One input: sizes, 0 for a symbolic one. */
typedef struct Input {
  const char *name;
  DcnnDtype dtype;
  int rank;
  gint64 dims[DCNN_MAX_RANK];
  const char *symbols[DCNN_MAX_RANK]; /* or NULL */
} Input;

static gboolean
fail (GError **error, DcnnError code, const char *name, const char *format,
    ...) G_GNUC_PRINTF (4, 5);

static gboolean
fail (GError **error, DcnnError code, const char *name, const char *format,
    ...)
{
  g_autofree char *text = NULL;
  va_list args;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DCNN_ERROR, code, "input '%.200s': %s", name, text);
  return FALSE;
}

static gboolean
read_input (const Onnx__ValueInfoProto *proto, Input *input, GError **error)
{
  const Onnx__TypeProto__Tensor *type;
  gint64 elements;

  input->name = proto->name ? proto->name : "";
  if (!proto->type
      || proto->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
    return fail (error, DCNN_ERROR_UNSUPPORTED, input->name,
        "it is no tensor; only tensors are supported");
  type = proto->type->tensor_type;
  elements = type->elem_type;
  input->dtype = onnx_dtype (elements);
  if (input->dtype == DCNN_DTYPE_NONE)
    return fail (error, DCNN_ERROR_UNSUPPORTED, input->name,
        "its elements are %s, which is not supported",
        onnx_dtype_name (elements));
  if (!type->shape)
    return fail (error, DCNN_ERROR_UNSUPPORTED, input->name,
        "it has no shape; run ONNX shape inference over the file, or export "
        "it with a fixed shape");
  if (type->shape->n_dim > DCNN_MAX_RANK)
    return fail (error, DCNN_ERROR_LIMIT, input->name, "its rank is over %d",
        DCNN_MAX_RANK);
  input->rank = (int) type->shape->n_dim;
  for (int i = 0; i < input->rank; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = type->shape->dim[i];
    gboolean is_number = dim->value_case
        == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
        && dim->dim_value != -1; /* some exporters' way to say "any" */
    input->dims[i] = is_number ? dim->dim_value : 0;
    input->symbols[i] = is_number ? NULL : dim->value_case
        == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
        && dim->dim_param ? dim->dim_param : "?";
    if (is_number && (dim->dim_value < 1 || dim->dim_value > DCNN_MAX_DIM))
      return fail (error, DCNN_ERROR_INVALID, input->name, "dimension %d is %"
          G_GINT64_FORMAT ", needs 1 to %" G_GINT64_FORMAT, i, dim->dim_value,
          DCNN_MAX_DIM);
  }
  return TRUE;
}

static gboolean
is_channel_count (gint64 n)
{
  return n == 1 || n == 3 || n == 4;
}

/* Whether the first node that reads the input turns NHWC into NCHW. */
static gboolean
is_transposed_first (const OnnxLoader *loader, const char *name)
{
  static const gint64 to_nchw[4] = { 0, 3, 1, 2 };
  for (size_t n = 0; n < loader->proto->n_node; n++) {
    const Onnx__NodeProto *node = loader->proto->node[n];
    if (node->n_input != 1 || g_strcmp0 (node->input[0], name) != 0
        || g_strcmp0 (node->op_type, "Transpose") != 0)
      continue;
    for (size_t a = 0; a < node->n_attribute; a++) {
      const Onnx__AttributeProto *attribute = node->attribute[a];
      gboolean same = g_strcmp0 (attribute->name, "perm") == 0
          && attribute->n_ints == 4;
      for (int i = 0; same && i < 4; i++)
        same = attribute->ints[i] == to_nchw[i];
      if (same)
        return TRUE;
    }
  }
  return FALSE;
}

/* Channels that the first convolution on an input has weights for, 0: none
 * reads it. NHWC: through the Transpose that comes first. */
static gint64
channels_of_convolution (const OnnxLoader *loader, const char *name,
    gboolean nhwc)
{
  for (size_t n = 0; n < loader->proto->n_node; n++) {
    const Onnx__NodeProto *node = loader->proto->node[n];
    const Onnx__TensorProto *weights;
    gint64 groups = 1;

    if (node->n_input < 1 || g_strcmp0 (node->input[0], name) != 0)
      continue;
    if (nhwc && g_strcmp0 (node->op_type, "Transpose") == 0
        && node->n_output == 1)
      return channels_of_convolution (loader, node->output[0], FALSE);
    if (node->n_input < 2 || g_strcmp0 (node->op_type, "Conv") != 0
        || !node->input[1])
      continue;
    weights = g_hash_table_lookup (loader->initializers, node->input[1]);
    for (size_t a = 0; a < node->n_attribute; a++)
      if (g_strcmp0 (node->attribute[a]->name, "group") == 0)
        groups = node->attribute[a]->i;
    if (weights && weights->n_dims == 4 && weights->dims[1] > 0
        && weights->dims[1] <= 4096 && groups > 0 && groups <= 4096)
      return weights->dims[1] * groups;
  }
  return 0;
}

/* Index of H in a 4-D image input: 2 in NCHW, 1 in NHWC. */
static int
height_dimension (const OnnxLoader *loader, const Input *input)
{
  if (is_channel_count (input->dims[1]))
    return 2;
  if (is_channel_count (input->dims[3])
      || is_transposed_first (loader, input->name))
    return 1;
  return 2;
}

/* Applies the caller's size. */
static void
resize_input (OnnxLoader *loader, Input *input)
{
  int h = height_dimension (loader, input);
  gint64 wanted[2] = { loader->options->height, loader->options->width };
  gboolean changed = FALSE;
  for (int i = 0; i < 2; i++) {
    if (wanted[i] <= 0)
      continue;
    if (input->dims[h + i] != 0 && input->dims[h + i] != wanted[i])
      changed = TRUE;
    input->dims[h + i] = wanted[i];
    input->symbols[h + i] = NULL;
  }
  if (changed) {
    loader->resized_to[0] = input->dims[h + 1];
    loader->resized_to[1] = input->dims[h];
  }
}

static gboolean
check_numbers (const OnnxLoader *loader, Input *input, GError **error)
{
  int h = input->rank == 4 ? height_dimension (loader, input) : -1;
  int c = h == 1 ? 3 : 1;
  if (h >= 0 && input->symbols[c]) {
    input->dims[c] = channels_of_convolution (loader, input->name, h == 1);
    if (input->dims[c] > 0)
      input->symbols[c] = NULL;
  }
  if (input->rank > 0 && input->symbols[0]) {
    input->dims[0] = 1;
    input->symbols[0] = NULL;
  }
  for (int i = 0; i < input->rank; i++) {
    if (!input->symbols[i])
      continue;
    if (h >= 0 && (i == h || i == h + 1))
      return fail (error, DCNN_ERROR_ARGUMENT, input->name, "its %s '%.100s' is"
          " not fixed in the file: give the size (--size WIDTHxHEIGHT, or the "
          "properties input-width and input-height)", i == h ? "height"
          : "width", input->symbols[i]);
    return fail (error, DCNN_ERROR_UNSUPPORTED, input->name, "dimension %d, "
        "'%.100s', is not fixed in the file: export it with a number", i,
        input->symbols[i]);
  }
  return TRUE;
}

/* An input whose value was given: a constant. */
static gboolean
add_frozen (OnnxLoader *loader, const char *name, const DcnnTensor *tensor,
    GError **error)
{
  DcnnTensor copy = *tensor;
  if (!dcnn_tensor_alloc (&copy, error))
    return FALSE;
  memcpy (copy.data, tensor->data, (gsize) dcnn_tensor_count (tensor)
      * dcnn_dtype_bytes (tensor->dtype));
  if (dcnn_graph_add_constant (loader->graph, name, &copy, error) >= 0)
    return TRUE;
  dcnn_tensor_free (&copy);
  return FALSE;
}

gboolean
onnx_add_inputs (OnnxLoader *loader, GError **error)
{
  const Onnx__GraphProto *proto = loader->proto;
  gboolean seen_image = FALSE;

  for (size_t i = 0; i < proto->n_input; i++) {
    const char *name = proto->input[i]->name ? proto->input[i]->name : "";
    const DcnnTensor *frozen = loader->frozen
        ? g_hash_table_lookup (loader->frozen, name) : NULL;
    Input input = { 0 };

    if (g_hash_table_contains (loader->initializers, name))
      continue;
    if (frozen) {
      if (!add_frozen (loader, name, frozen, error))
        return FALSE;
      continue;
    }
    if (!read_input (proto->input[i], &input, error))
      return FALSE;
    if (input.rank == 4 && !seen_image) {
      seen_image = TRUE;
      resize_input (loader, &input);
    }
    if (!check_numbers (loader, &input, error))
      return FALSE;
    if (dcnn_graph_add_input (loader->graph, name, input.dtype, input.rank,
            input.dims, error) < 0) {
      g_prefix_error (error, "input '%.200s': ", name);
      return FALSE;
    }
  }
  return TRUE;
}
