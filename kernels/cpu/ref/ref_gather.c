/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_gather.c - operators that address elements through an index tensor.
 * An index may be negative (from the end); one out of range is clamped, since
 * a kernel cannot fail (constant indices were checked by the shape function).
 */
#include "ref.h"
#include "ref_util.h"

/* Index i of an index tensor into a dimension of n >= 1. */
static int64_t
index_at (const DcnnTensor *indices, int64_t i, int64_t n)
{
  int64_t value = dcnn_ref_get_int (indices, i);
  if (value < 0)
    value = value < -n ? 0 : value + n;
  return value >= n ? n - 1 : value;
}

DCNN_REF (gather)
{
  const DcnnTensor *in = inputs[0], *indices = inputs[1], *out = outputs[0];
  int axis = (int) params->axis.axis;
  int64_t outer, count, n;
  size_t bytes;
  if (!out || dcnn_tensor_count (out) == 0)
    return;
  outer = ref_product (in, 0, axis);
  count = dcnn_tensor_count (indices);
  n = in->dims[axis];
  bytes = dcnn_dtype_bytes (in->dtype)
      * (size_t) ref_product (in, axis + 1, in->rank);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < count; i++)
      memcpy ((char *) out->data + (size_t) (o * count + i) * bytes,
          (const char *) in->data
          + (size_t) (o * n + index_at (indices, i, n)) * bytes, bytes);
}

/* Offset in `data` of the element that position `index` of an index tensor
 * of the same rank names along one axis. */
static int64_t
element_offset (const DcnnTensor *data, const int64_t *index, int axis,
    int64_t along)
{
  int64_t strides[DCNN_MAX_RANK], offset = 0;
  ref_strides (data, strides);
  for (int i = 0; i < data->rank; i++)
    offset += (i == axis ? along : index[i]) * strides[i];
  return offset;
}

DCNN_REF (gather_elements)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  int axis = (int) params->axis.axis;
  int64_t index[DCNN_MAX_RANK] = { 0 }, at = 0;
  size_t bytes;
  if (!out || dcnn_tensor_count (out) == 0)
    return;
  bytes = dcnn_dtype_bytes (out->dtype);
  do {
    int64_t from = element_offset (in, index, axis,
        index_at (inputs[1], at, in->dims[axis]));
    memcpy ((char *) out->data + (size_t) at * bytes,
        (const char *) in->data + (size_t) from * bytes, bytes);
    at++;
  } while (ref_next (out->rank, out->dims, index));
}

/* out[to] (op)= value[from], in double or in integers. */
static void
scatter_one (DcnnScatterReduction reduction, const DcnnTensor *out, int64_t to,
    const DcnnTensor *values, int64_t from)
{
  bool is_float = ref_is_float (out->dtype);
  double x = dcnn_ref_get (out, to), y = dcnn_ref_get (values, from);
  int64_t a = dcnn_ref_get_int (out, to), b = dcnn_ref_get_int (values, from);
  switch (reduction) {
    case DCNN_SCATTER_ADD:
      x += y;
      b = (int64_t) ((uint64_t) a + (uint64_t) b);
      break;
    case DCNN_SCATTER_MUL:
      x *= y;
      b = (int64_t) ((uint64_t) a * (uint64_t) b);
      break;
    case DCNN_SCATTER_MIN:
      x = x < y ? x : y;
      b = a < b ? a : b;
      break;
    case DCNN_SCATTER_MAX:
      x = x > y ? x : y;
      b = a > b ? a : b;
      break;
    default:
      x = y;
      break;
  }
  if (is_float)
    dcnn_ref_set (out, to, x);
  else
    dcnn_ref_set_int (out, to, b);
}

DCNN_REF (scatter_elements)
{
  const DcnnTensor *indices = inputs[1], *out = outputs[0];
  int axis = (int) params->scatter.axis;
  int64_t index[DCNN_MAX_RANK] = { 0 }, at = 0;
  if (!out)
    return;
  dcnn_ref_identity (params, 1, inputs, 1, outputs);
  if (dcnn_tensor_count (indices) == 0 || dcnn_tensor_count (out) == 0)
    return;
  do {
    int64_t to = element_offset (out, index, axis,
        index_at (indices, at, out->dims[axis]));
    scatter_one (params->scatter.reduction, out, to, inputs[2], at);
    at++;
  } while (ref_next (indices->rank, indices->dims, index));
}

/* Offset in `data`, from dimension `first` on, of index tuple number i. */
static int64_t
tuple_offset (const DcnnTensor *data, int first, const DcnnTensor *indices,
    int64_t i)
{
  int64_t strides[DCNN_MAX_RANK], offset = 0;
  int64_t depth = indices->dims[indices->rank - 1];
  ref_strides (data, strides);
  for (int64_t k = 0; k < depth; k++)
    offset += strides[first + k]
        * index_at (indices, i * depth + k, data->dims[first + k]);
  return offset;
}

DCNN_REF (gather_nd)
{
  const DcnnTensor *in = inputs[0], *indices = inputs[1], *out = outputs[0];
  int batch_dims = (int) params->axis.axis, depth;
  int64_t tuples, batches, batch_size;
  size_t bytes;
  if (!out || dcnn_tensor_count (out) == 0)
    return;
  depth = (int) indices->dims[indices->rank - 1];
  tuples = ref_product (indices, 0, indices->rank - 1);
  batches = ref_product (in, 0, batch_dims);
  batch_size = ref_product (in, batch_dims, in->rank);
  bytes = dcnn_dtype_bytes (in->dtype)
      * (size_t) ref_product (in, batch_dims + depth, in->rank);
  for (int64_t i = 0; i < tuples; i++) {
    int64_t from = i / (tuples / batches) * batch_size
        + tuple_offset (in, batch_dims, indices, i);
    memcpy ((char *) out->data + (size_t) i * bytes, (const char *) in->data
        + (size_t) from * dcnn_dtype_bytes (in->dtype), bytes);
  }
}

DCNN_REF (scatter_nd)
{
  const DcnnTensor *indices = inputs[1], *out = outputs[0];
  int64_t tuples, inner;
  if (!out)
    return;
  dcnn_ref_identity (params, 1, inputs, 1, outputs);
  if (dcnn_tensor_count (out) == 0)
    return;
  tuples = ref_product (indices, 0, indices->rank - 1);
  inner = ref_product (out, (int) indices->dims[indices->rank - 1], out->rank);
  for (int64_t i = 0; i < tuples; i++) {
    int64_t to = tuple_offset (out, 0, indices, i);
    for (int64_t k = 0; k < inner; k++)
      scatter_one (params->scatter.reduction, out, to + k, inputs[2],
          i * inner + k);
  }
}

/* Inputs: indices, values (off, on). The new axis's length is the output's. */
DCNN_REF (one_hot)
{
  const DcnnTensor *indices = inputs[0], *values = inputs[1];
  const DcnnTensor *out = outputs[0];
  int axis = (int) params->axis.axis;
  int64_t depth, inner, n;
  size_t bytes;
  if (!out)
    return;
  depth = out->dims[axis];
  inner = ref_product (out, axis + 1, out->rank);
  n = dcnn_tensor_count (out);
  bytes = dcnn_dtype_bytes (out->dtype);
  for (int64_t i = 0; i < n; i++) {
    int64_t from = i / (inner * depth) * inner + i % inner;
    int64_t hot = dcnn_ref_get_int (indices, from);
    if (hot < 0 && hot >= -depth)
      hot += depth;
    memcpy ((char *) out->data + (size_t) i * bytes, (const char *) values->data
        + (i / inner % depth == hot ? bytes : 0), bytes);
  }
}
