/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_inputs.c - the inputs of a file's graph, with numbers for every
 * dimension: a symbolic batch is 1, and height and width are the caller's
 * where given.
 */
#include "dcnn_onnx_loader.h"

#include <string.h>

#include "ref_util.h"

/* One input: sizes, 0 for a symbolic one. */
typedef struct Input {
  const char *name;
  DcnnDtype dtype;
  int rank;
  gint64 dims[DCNN_MAX_RANK];
  const char *symbols[DCNN_MAX_RANK]; /* or NULL */
  gint64 frames; /* whose channels a picture has */
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
  input->frames = 1;
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
is_channel_count (const Input *input, gint64 n)
{
  gint64 one = n / input->frames;
  return n % input->frames == 0 && (one == 1 || one == 3 || one == 4);
}

/* Whether the first node that reads the input turns NHWC into NCHW. */
static gboolean
is_transposed_first (const OnnxLoader *loader, const char *name)
{
  static const gint64 to_nchw[4] = { 0, 3, 1, 2 };
  for (guint n = 0; n < loader->nodes->len; n++) {
    const Onnx__NodeProto *node = g_ptr_array_index (loader->nodes, n);
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
  for (guint n = 0; n < loader->nodes->len; n++) {
    const Onnx__NodeProto *node = g_ptr_array_index (loader->nodes, n);
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
  if (is_channel_count (input, input->dims[1]))
    return 2;
  if (is_channel_count (input, input->dims[3])
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
check_numbers (OnnxLoader *loader, Input *input, GError **error)
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
    loader->lacks_size = h >= 0 && (i == h || i == h + 1);
    if (loader->lacks_size)
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
add_frozen (OnnxLoader *loader, const Onnx__TypeProto *type,
    const char *name, const DcnnTensor *tensor, GError **error)
{
  DcnnTensor copy = *tensor;
  if (type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
      && onnx_dtype (type->tensor_type->elem_type) == DCNN_DTYPE_NONE)
    return fail (error, DCNN_ERROR_UNSUPPORTED, name, "its elements are %s, "
        "which is not supported",
        onnx_dtype_name (type->tensor_type->elem_type));
  if (!dcnn_tensor_alloc (&copy, error))
    return FALSE;
  memcpy (copy.data, tensor->data, (gsize) dcnn_tensor_count (tensor)
      * dcnn_dtype_bytes (tensor->dtype));
  if (dcnn_graph_add_constant (loader->graph, name, &copy, error) >= 0)
    return TRUE;
  dcnn_tensor_free (&copy);
  return FALSE;
}

/* What the caller says of an input; NULL: nothing. */
static const DcnnOnnxInput *
find_spec (const OnnxLoader *loader, const char *name)
{
  for (guint i = 0; i < loader->options->n_inputs; i++)
    if (g_strcmp0 (loader->options->inputs[i].name, name) == 0)
      return &loader->options->inputs[i];
  return NULL;
}

/* Numbers for what the file leaves open: those stated, one of them from the
 * count of values, 1. */
static void
close_dims (Input *input, const DcnnOnnxInput *spec)
{
  gint64 known = 1;
  int open = -1;

  for (int i = 0; i < input->rank; i++) {
    if (input->symbols[i] && spec->rank == (guint) input->rank
        && spec->dims[i] > 0) {
      input->dims[i] = spec->dims[i];
      input->symbols[i] = NULL;
    }
    if (input->symbols[i])
      open = i;
    else
      known = MIN (known * input->dims[i], DCNN_MAX_DIM);
  }
  for (int i = 0; i < input->rank; i++)
    if (input->symbols[i]) {
      input->dims[i] = i == open && !spec->state && known > 0
          && spec->n_values > 1 ? MAX (spec->n_values / known, 1) : 1;
      input->symbols[i] = NULL;
    }
}

/* An input that the caller gives a value. */
static gboolean
add_given (OnnxLoader *loader, Input *input, const DcnnOnnxInput *spec,
    GError **error)
{
  DcnnTensor tensor = { .dtype = input->dtype };
  gint64 count;

  close_dims (input, spec);
  tensor.rank = input->rank;
  memcpy (tensor.dims, input->dims, sizeof input->dims);
  if (!dcnn_tensor_alloc (&tensor, error))
    return FALSE;
  count = dcnn_tensor_count (&tensor);
  if (spec->n_values != 1 && spec->n_values != count) {
    dcnn_tensor_free (&tensor);
    return fail (error, DCNN_ERROR_ARGUMENT, input->name, "value= has %u "
        "numbers, the input %" G_GINT64_FORMAT ": give one, or all of them",
        spec->n_values, count);
  }
  for (gint64 i = 0; i < count; i++)
    dcnn_ref_set (&tensor, i, spec->values[spec->n_values == 1 ? 0 : i]);
  if (dcnn_graph_add_constant (loader->graph, input->name, &tensor, error)
      >= 0)
    return TRUE;
  dcnn_tensor_free (&tensor);
  return FALSE;
}

/* An input that is fed back: its shape is the file's, or where that leaves it
 * open, the source's, which an earlier attempt has found. */
static gboolean
add_state_input (OnnxLoader *loader, Input *input, const DcnnOnnxInput *spec,
    GError **error)
{
  const DcnnTensor *found = g_hash_table_lookup (loader->shapes, input->name);
  OnnxState state = { .source = spec->state, .source_input = -1,
    .initial = spec->n_values ? (float) spec->values[0] : 0 };

  for (int i = 0; i < input->rank; i++)
    state.is_open |= input->symbols[i] != NULL;
  close_dims (input, spec);
  if (found && found->rank == input->rank)
    memcpy (input->dims, found->dims, sizeof input->dims);
  state.input = dcnn_graph_add_input (loader->graph, input->name, input->dtype,
      input->rank, input->dims, error);
  if (state.input < 0)
    return FALSE;
  g_array_append_val (loader->states, state);
  return TRUE;
}

/* A picture whose channels are those of several frames: the newest is fed, each
 * of the others is what the one after it was in the last frame. */
static gboolean
add_frames (OnnxLoader *loader, const Input *input, const DcnnOnnxInput *spec,
    GError **error)
{
  int channel = height_dimension (loader, input) == 1 ? 3 : 1;
  guint n = spec->frames;
  g_autofree DcnnValueId *ids = g_new (DcnnValueId, n);
  g_autofree DcnnValueId *stacked = g_new (DcnnValueId, n);
  DcnnParams params = { .axis.axis = channel };
  const char *name = input->name;
  gint64 dims[4];
  DcnnValueId out;

  memcpy (dims, input->dims, sizeof dims);
  dims[channel] /= n;
  for (guint i = 0; i < n; i++) {
    g_autofree char *own = g_strdup_printf ("%s:%u", name, i);
    OnnxState state = { .source_input = i > 0 ? ids[i - 1] : -1 };
    ids[i] = state.input = dcnn_graph_add_input (loader->graph, own,
        DCNN_DTYPE_F32, 4, dims, error);
    if (ids[i] < 0)
      return FALSE;
    stacked[spec->newest_first ? i : n - 1 - i] = ids[i];
    if (i > 0)
      g_array_append_val (loader->states, state);
  }
  return dcnn_graph_add_node (loader->graph, name, DCNN_OP_CONCAT, &params,
      (int) n, stacked, 1, &name, NULL, &out, error);
}

static gboolean
check_frames (OnnxLoader *loader, const Input *input,
    const DcnnOnnxInput *spec, GError **error)
{
  int channel = height_dimension (loader, input) == 1 ? 3 : 1;

  if (input->dims[channel] % spec->frames == 0
      && input->dtype == DCNN_DTYPE_F32)
    return TRUE;
  return fail (error, DCNN_ERROR_ARGUMENT, input->name, "frames=%u wants a "
      "float32 picture of %u times 1 or 3 channels; it has %" G_GINT64_FORMAT
      " of %s", spec->frames, spec->frames, input->dims[channel],
      dcnn_dtype_name (input->dtype));
}

static gboolean
check_specs (const OnnxLoader *loader, GError **error)
{
  for (guint k = 0; k < loader->options->n_inputs; k++) {
    const char *name = loader->options->inputs[k].name;
    gboolean found = name == NULL;
    for (size_t i = 0; !found && i < loader->proto->n_input; i++)
      found = g_strcmp0 (loader->proto->input[i]->name, name) == 0;
    if (!found) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, "the descriptor "
          "speaks of input '%.200s', which the file does not have; "
          "deltacnn-inspect lists its inputs", name);
      return FALSE;
    }
  }
  return TRUE;
}

/* One input that is fed, constant or a stack of frames. *stack: set to the
 * picture when it is one, to be added behind the others. */
static gboolean
add_input (OnnxLoader *loader, const Onnx__ValueInfoProto *proto,
    gboolean *seen_image, Input *stack, GError **error)
{
  const DcnnOnnxInput *spec = find_spec (loader, proto->name);
  Input input = { 0 };

  if (!read_input (proto, &input, error))
    return FALSE;
  if (spec && spec->n_values)
    return add_given (loader, &input, spec, error);
  if (input.rank == 4 && !*seen_image) {
    *seen_image = TRUE;
    spec = spec ? spec : find_spec (loader, NULL);
    input.frames = spec && spec->frames > 1 ? spec->frames : 1;
    resize_input (loader, &input);
  }
  if (!check_numbers (loader, &input, error))
    return FALSE;
  if (input.frames > 1) {
    *stack = input;
    return check_frames (loader, &input, spec, error);
  }
  if (dcnn_graph_add_input (loader->graph, input.name, input.dtype,
          input.rank, input.dims, error) >= 0)
    return TRUE;
  g_prefix_error (error, "input '%.200s': ", input.name);
  return FALSE;
}

/* States go behind all that is fed. */
static gboolean
add_behind (OnnxLoader *loader, const Input *stack, GError **error)
{
  if (stack->name) {
    const DcnnOnnxInput *spec = find_spec (loader, stack->name);
    if (!add_frames (loader, stack, spec ? spec : find_spec (loader, NULL),
            error))
      return FALSE;
  }
  for (size_t i = 0; i < loader->proto->n_input; i++) {
    const DcnnOnnxInput *spec = find_spec (loader,
        loader->proto->input[i]->name);
    Input input = { 0 };
    if (spec && spec->name && spec->state
        && (!read_input (loader->proto->input[i], &input, error)
            || !add_state_input (loader, &input, spec, error)))
      return FALSE;
  }
  return TRUE;
}

gboolean
onnx_add_inputs (OnnxLoader *loader, GError **error)
{
  const Onnx__GraphProto *proto = loader->proto;
  gboolean seen_image = FALSE;
  Input stack = { 0 };

  if (!check_specs (loader, error))
    return FALSE;
  for (size_t i = 0; i < proto->n_input; i++) {
    const char *name = proto->input[i]->name ? proto->input[i]->name : "";
    const DcnnTensor *frozen = loader->frozen
        ? g_hash_table_lookup (loader->frozen, name) : NULL;
    const DcnnOnnxInput *spec = find_spec (loader, name);

    if (g_hash_table_contains (loader->initializers, name)
        || (spec && spec->state))
      continue;
    if (frozen ? !add_frozen (loader, proto->input[i]->type, name, frozen, error)
        : !add_input (loader, proto->input[i], &seen_image, &stack, error))
      return FALSE;
  }
  return add_behind (loader, &stack, error);
}

/* Whether a state must be loaded again, of the shape that its source has. */
static gboolean
follows (OnnxLoader *loader, const OnnxState *state, DcnnValueId source)
{
  const DcnnValue *input = dcnn_graph_value (loader->graph, state->input);
  const DcnnTensor *from = &dcnn_graph_value (loader->graph, source)->tensor;

  if (!state->is_open || from->rank != input->tensor.rank
      || memcmp (from->dims, input->tensor.dims, sizeof from->dims) == 0)
    return FALSE;
  g_hash_table_replace (loader->shapes, g_strdup (input->name),
      g_memdup2 (from, sizeof *from));
  return loader->again = TRUE;
}

gboolean
onnx_add_states (OnnxLoader *loader, GError **error)
{
  loader->again = FALSE;
  for (guint i = loader->states->len; i-- > 0;) {
    const OnnxState *from = &g_array_index (loader->states, OnnxState, i);
    DcnnState state = { from->input, from->source_input, from->initial };

    if (from->source)
      state.source = dcnn_graph_find_value (loader->graph, from->source);
    if (follows (loader, from, state.source))
      continue;
    if (!loader->again && !dcnn_graph_add_state (loader->graph, &state, error))
      return FALSE;
  }
  return TRUE;
}
