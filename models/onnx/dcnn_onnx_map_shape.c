/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_shape.c - operators whose output shape is given in numbers,
 * and those that become constants because every shape is known.
 */
#include "dcnn_onnx_node.h"

#include <math.h>
#include <string.h>

#include "ref_util.h"

/* Emits a reshape to rank dimensions. */
static void
emit_reshape (OnnxNode *node, int rank, const gint64 *dims)
{
  DcnnTensor shape = { .rank = rank };
  if (rank > DCNN_MAX_RANK) {
    onnx_node_fail (node, DCNN_ERROR_LIMIT, "the new rank %d is over %d", rank,
        DCNN_MAX_RANK);
    return;
  }
  for (int i = 0; i < rank; i++)
    shape.dims[i] = dims[i];
  onnx_node_emit (node, DCNN_OP_RESHAPE, NULL, 1, &shape);
}

/* 0: as in the input; -1: what is left. */
void
onnx_map_reshape (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gint64 dims[ONNX_MAX_NUMBERS], known = 1;
  int n = onnx_node_ints_or_input (node, "shape", 1, dims), open = -1;
  gboolean allow_zero = onnx_node_int (node, "allowzero", 0) != 0;

  if (!x || n < 0)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its shape is missing");
  for (int i = 0; !node->error && i < n; i++) {
    if (dims[i] == 0 && !allow_zero)
      dims[i] = i < x->rank ? x->dims[i] : -2;
    if (dims[i] == -1 && open < 0) {
      open = i;
      continue;
    }
    if (dims[i] < 0 || dims[i] > DCNN_MAX_DIM
        || (dims[i] > 0 && known > DCNN_MAX_TENSOR_BYTES / dims[i])) {
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its shape is out of range at "
          "dimension %d", i);
      return;
    }
    known *= dims[i];
  }
  if (node->error)
    return;
  if (open >= 0)
    dims[open] = known > 0 ? dcnn_tensor_count (x) / known : 0;
  emit_reshape (node, n, dims);
}

void
onnx_map_flatten (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  int rank = onnx_node_rank (node, 0);
  gint64 axis = onnx_node_int (node, "axis", 1), dims[2];

  if (axis != rank)
    axis = onnx_node_axis (node, axis, rank);
  if (node->error || !x)
    return;
  dims[0] = ref_product (x, 0, (int) axis);
  dims[1] = ref_product (x, (int) axis, rank);
  emit_reshape (node, 2, dims);
}

/* Axes as an attribute before opset 13, then an input. */
void
onnx_map_squeeze (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gint64 axes[ONNX_MAX_NUMBERS], dims[DCNN_MAX_RANK];
  int n = onnx_node_ints_or_input (node, "axes", 1, axes), rank = 0;
  guint32 gone = n < 0 ? 0 : onnx_node_axes (node, n, axes,
      onnx_node_rank (node, 0));

  if (node->error || !x)
    return;
  for (int i = 0; i < x->rank; i++) {
    gboolean drop = n < 0 ? x->dims[i] == 1 : (gone >> i & 1);
    if (drop && x->dims[i] != 1)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "dimension %d has size %"
          G_GINT64_FORMAT ", only 1 can go", i, x->dims[i]);
    if (!drop)
      dims[rank++] = x->dims[i];
  }
  emit_reshape (node, rank, dims);
}

void
onnx_map_unsqueeze (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gint64 axes[ONNX_MAX_NUMBERS], dims[DCNN_MAX_RANK];
  int n = onnx_node_ints_or_input (node, "axes", 1, axes), from = 0;
  int rank = onnx_node_rank (node, 0) + n;
  guint32 added;

  if (!x || n < 0 || rank > DCNN_MAX_RANK)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its axes are missing or too "
        "many");
  added = node->error ? 0 : onnx_node_axes (node, n, axes, rank);
  if (node->error)
    return;
  for (int i = 0; i < rank; i++)
    dims[i] = (added >> i & 1) ? 1 : x->dims[from++];
  emit_reshape (node, rank, dims);
}

void
onnx_map_expand (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gint64 dims[ONNX_MAX_NUMBERS];
  int n = onnx_node_input_ints (node, 1, dims);
  DcnnTensor shape = { .rank = 0 };

  if (!x || n < 0 || n > DCNN_MAX_RANK)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its shape is missing or has too "
        "many dimensions");
  if (node->error)
    return;
  shape.rank = MAX (n, x->rank);
  for (int i = 1; i <= shape.rank; i++) {
    gint64 wanted = i <= n ? dims[n - i] : 1;
    gint64 have = i <= x->rank ? x->dims[x->rank - i] : 1;
    shape.dims[shape.rank - i] = wanted == 1 ? have : wanted;
  }
  onnx_node_emit (node, DCNN_OP_EXPAND, NULL, 1, &shape);
}

void
onnx_map_tile (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gint64 repeats[ONNX_MAX_NUMBERS];
  int n = onnx_node_input_ints (node, 1, repeats);
  DcnnTensor shape = { .rank = 0 };

  if (!x || n != x->rank)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its repeats are missing or not "
        "one a dimension");
  if (node->error)
    return;
  shape.rank = n;
  for (int i = 0; i < n; i++) {
    if (repeats[i] < 0 || repeats[i] > DCNN_MAX_DIM) {
      onnx_node_fail (node, DCNN_ERROR_LIMIT, "repeats of %" G_GINT64_FORMAT
          " are out of range", repeats[i]);
      return;
    }
    shape.dims[i] = x->dims[i] * repeats[i];
  }
  onnx_node_emit (node, DCNN_OP_TILE, NULL, 1, &shape);
}

/* A tensor, or one number or list of numbers in an attribute. */
void
onnx_map_constant (OnnxNode *node)
{
  const Onnx__AttributeProto *a;
  DcnnTensor tensor = { .dtype = DCNN_DTYPE_F32 };

  if ((a = onnx_node_attribute (node, "value")) && a->t) {
    if (onnx_node_check_stored (node, a->t)
        && onnx_tensor_load (a->t, &node->loader->data, &tensor, &node->error))
      onnx_node_emit_constant (node, 0, &tensor);
    return;
  }
  if ((a = onnx_node_attribute (node, "value_float"))) {
    if (onnx_node_alloc (node, &tensor))
      dcnn_ref_set (&tensor, 0, (double) a->f);
  } else if ((a = onnx_node_attribute (node, "value_floats"))) {
    tensor.rank = 1;
    tensor.dims[0] = (gint64) a->n_floats;
    if (onnx_node_alloc (node, &tensor))
      for (size_t i = 0; i < a->n_floats; i++)
        dcnn_ref_set (&tensor, (int64_t) i, (double) a->floats[i]);
  } else if ((a = onnx_node_attribute (node, "value_int"))) {
    tensor.dtype = DCNN_DTYPE_I64;
    if (onnx_node_alloc (node, &tensor))
      dcnn_ref_set_int (&tensor, 0, a->i);
  } else if ((a = onnx_node_attribute (node, "value_ints"))) {
    tensor.dtype = DCNN_DTYPE_I64;
    tensor.rank = 1;
    tensor.dims[0] = (gint64) a->n_ints;
    if (onnx_node_alloc (node, &tensor))
      for (size_t i = 0; i < a->n_ints; i++)
        dcnn_ref_set_int (&tensor, (int64_t) i, a->ints[i]);
  } else {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it has no value");
    return;
  }
  onnx_node_emit_constant (node, 0, &tensor);
}

void
onnx_map_constant_of_shape (OnnxNode *node)
{
  const Onnx__AttributeProto *a = onnx_node_attribute (node, "value");
  DcnnTensor value = { .dtype = DCNN_DTYPE_F32 }, tensor;
  gint64 dims[ONNX_MAX_NUMBERS];
  int n = onnx_node_input_ints (node, 0, dims);
  float zero = 0;

  if (n < 0 || n > DCNN_MAX_RANK)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its shape is missing or has too "
        "many dimensions");
  if (!node->error && a && a->t && onnx_node_check_stored (node, a->t)
      && onnx_tensor_load (a->t, &node->loader->data, &value, &node->error)
      && dcnn_tensor_count (&value) != 1)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its value is not one number");
  tensor = value;
  tensor.rank = n;
  for (int i = 0; !node->error && i < n; i++)
    tensor.dims[i] = dims[i];
  if (onnx_node_alloc (node, &tensor)) {
    gsize bytes = dcnn_dtype_bytes (tensor.dtype);
    gint64 count = dcnn_tensor_count (&tensor);
    for (gint64 i = 0; i < count; i++)
      memcpy ((char *) tensor.data + (gsize) i * bytes,
          value.data ? value.data : &zero, bytes);
    onnx_node_emit_constant (node, 0, &tensor);
  }
  dcnn_tensor_free (&value);
}

/* Shape (with start and end since opset 15) and Size. */
void
onnx_map_shape (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gboolean size = strcmp (node->mapping->op_type, "Size") == 0;
  int rank = onnx_node_rank (node, 0);
  gint64 start = size ? 0 : onnx_node_int (node, "start", 0);
  gint64 end = size ? 0 : onnx_node_int (node, "end", rank);
  DcnnTensor tensor = { .dtype = DCNN_DTYPE_I64, .rank = size ? 0 : 1 };

  if (!x)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its input is missing");
  start = CLAMP (start < 0 ? start + rank : start, 0, rank);
  end = CLAMP (end < 0 ? end + rank : end, start, rank);
  tensor.dims[0] = end - start;
  if (!onnx_node_alloc (node, &tensor))
    return;
  for (gint64 i = start; !size && i < end; i++)
    dcnn_ref_set_int (&tensor, i - start, x->dims[i]);
  if (size)
    dcnn_ref_set_int (&tensor, 0, dcnn_tensor_count (x));
  onnx_node_emit_constant (node, 0, &tensor);
}

void
onnx_map_range (OnnxNode *node)
{
  const DcnnTensor *first = onnx_node_input (node, 0);
  double start = onnx_node_input_scalar (node, 0, 0);
  double limit = onnx_node_input_scalar (node, 1, 0);
  double delta = onnx_node_input_scalar (node, 2, 0);
  double count = ceil ((limit - start) / delta);
  DcnnTensor tensor = { .rank = 1 };

  if (node->n_inputs != 3 || !first || !(fabs (delta) > 0)
      || !isfinite (count))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "start, limit or delta are "
        "missing or out of range");
  if (node->error)
    return;
  tensor.dtype = first->dtype;
  tensor.dims[0] = (gint64) CLAMP (count, 0, (double) DCNN_MAX_DIM + 1);
  if (!onnx_node_alloc (node, &tensor))
    return;
  for (gint64 i = 0; i < tensor.dims[0]; i++)
    dcnn_ref_set (&tensor, i, start + (double) i * delta);
  onnx_node_emit_constant (node, 0, &tensor);
}

void
onnx_map_eye_like (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gint64 k = onnx_node_int (node, "k", 0), to = onnx_node_int (node, "dtype",
      0);
  DcnnTensor tensor = { .rank = 2 };

  if (!x || x->rank != 2)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its input is no matrix");
  if (node->error)
    return;
  tensor.dtype = to ? onnx_dtype (to) : x->dtype;
  tensor.dims[0] = x->dims[0];
  tensor.dims[1] = x->dims[1];
  if (!onnx_node_alloc (node, &tensor))
    return;
  for (gint64 i = 0; i < tensor.dims[0]; i++)
    for (gint64 j = 0; j < tensor.dims[1]; j++)
      if (j - i == k)
        dcnn_ref_set_int (&tensor, i * tensor.dims[1] + j, 1);
  onnx_node_emit_constant (node, 0, &tensor);
}
