/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * infer_move.c - shapes of operators that move data, by position or through
 * an index tensor.
 */
#include "infer_util.h"

static gboolean
check_axis (gint64 axis, int rank, GError **error)
{
  if (axis >= 0 && axis < rank)
    return TRUE;
  return dcnn_infer_fail (error, "axis %" G_GINT64_FORMAT
      " is outside rank %d", axis, rank);
}

DCNN_INFER (concat)
{
  DcnnTensor *out = &outputs[0];
  int axis = (int) params->axis.axis;

  if (!dcnn_infer_count (n_inputs, inputs, 1, DCNN_MAX_NODE_INPUTS, n_outputs,
          1, error) || !check_axis (params->axis.axis, inputs[0]->rank, error))
    return FALSE;
  dcnn_infer_copy_shape (inputs[0], out);
  out->dtype = inputs[0]->dtype;
  for (int k = 1; k < n_inputs; k++) {
    const DcnnTensor *in = inputs[k];
    if (!in)
      return dcnn_infer_fail (error, "input %d is missing", k);
    if (!dcnn_infer_same_type (in, out->dtype, "an input", error))
      return FALSE;
    if (in->rank != out->rank)
      return dcnn_infer_fail (error, "input %d has rank %d, the first %d", k,
          in->rank, out->rank);
    for (int i = 0; i < in->rank; i++)
      if (i != axis && in->dims[i] != out->dims[i])
        return dcnn_infer_fail (error, "input %d has %" G_GINT64_FORMAT
            " elements along dimension %d, the first %" G_GINT64_FORMAT
            ": only the axis may differ", k, in->dims[i], i, out->dims[i]);
    out->dims[axis] += in->dims[axis];
  }
  return TRUE;
}

/* Sizes along the axis come from the caller's out_shape. */
DCNN_INFER (split)
{
  const DcnnTensor *x = inputs[0];
  gint64 axis = params->axis.axis, sum = 0;

  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs,
          DCNN_MAX_NODE_OUTPUTS, error) || !check_axis (axis, x->rank, error))
    return FALSE;
  for (int k = 0; k < n_outputs; k++) {
    gint64 size = outputs[k].rank == x->rank ? outputs[k].dims[axis] : -1;
    if (size < 0 || size > x->dims[axis])
      return dcnn_infer_fail (error, "part %d has a size of %" G_GINT64_FORMAT,
          k, size);
    sum += size;
    dcnn_infer_copy_shape (x, &outputs[k]);
    outputs[k].dims[axis] = size;
    outputs[k].dtype = x->dtype;
  }
  if (sum != x->dims[axis])
    return dcnn_infer_fail (error, "the parts sum to %" G_GINT64_FORMAT
        " of %" G_GINT64_FORMAT " elements", sum, x->dims[axis]);
  return TRUE;
}

DCNN_INFER (slice)
{
  const DcnnTensor *x = inputs[0];
  const DcnnSliceParams *p = &params->slice;

  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  outputs[0].rank = x->rank;
  outputs[0].dtype = x->dtype;
  for (int i = 0; i < x->rank; i++) {
    gint64 n = x->dims[i], count = p->count[i], step = p->step[i];
    gint64 start = p->start[i];
    gboolean fits = step != 0 && ABS (step) <= DCNN_MAX_DIM && count >= 0
        && count <= n && start >= 0 && (count == 0 || start < n);
    if (fits && count > 0) {
      gint64 last = start + (count - 1) * step;
      fits = last >= 0 && last < n;
    }
    if (!fits)
      return dcnn_infer_fail (error, "start %" G_GINT64_FORMAT ", step %"
          G_GINT64_FORMAT " and count %" G_GINT64_FORMAT " do not fit into %"
          G_GINT64_FORMAT " elements of dimension %d", start, step, count, n,
          i);
    outputs[0].dims[i] = count;
  }
  return TRUE;
}

DCNN_INFER (pad)
{
  const DcnnTensor *x = inputs[0];
  const DcnnPadParams *p = &params->pad;

  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  outputs[0].rank = x->rank;
  outputs[0].dtype = x->dtype;
  for (int i = 0; i < x->rank; i++) {
    gint64 n = x->dims[i], begin = p->begin[i], end = p->end[i];
    if (begin < -n || begin > DCNN_MAX_DIM || end < -n || end > DCNN_MAX_DIM
        || n + begin + end < 0)
      return dcnn_infer_fail (error, "pads %" G_GINT64_FORMAT " and %"
          G_GINT64_FORMAT " do not fit dimension %d of size %"
          G_GINT64_FORMAT, begin, end, i, n);
    if ((p->mode == DCNN_PAD_REFLECT && (begin > MAX (n - 1, 0)
                || end > MAX (n - 1, 0)))
        || ((p->mode == DCNN_PAD_EDGE || p->mode == DCNN_PAD_WRAP) && n == 0
            && begin + end > 0)
        || (p->mode == DCNN_PAD_WRAP && (begin < 0 || end < 0)))
      return dcnn_infer_fail (error, "pads %" G_GINT64_FORMAT " and %"
          G_GINT64_FORMAT " are more than dimension %d of size %"
          G_GINT64_FORMAT " can give", begin, end, i, n);
    outputs[0].dims[i] = n + begin + end;
  }
  return TRUE;
}

DCNN_INFER (transpose)
{
  const DcnnTensor *x = inputs[0];
  unsigned seen = 0;

  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  outputs[0].rank = x->rank;
  outputs[0].dtype = x->dtype;
  for (int i = 0; i < x->rank; i++) {
    int from = params->transpose.perm[i];
    if (from < 0 || from >= x->rank || (seen >> from & 1))
      return dcnn_infer_fail (error, "perm is no permutation of %d dimensions",
          x->rank);
    seen |= 1u << from;
    outputs[0].dims[i] = x->dims[from];
  }
  return TRUE;
}

/* The shape comes from the caller. */
DCNN_INFER (reshape)
{
  g_autofree char *from = NULL;
  g_autofree char *to = NULL;
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  outputs[0].dtype = inputs[0]->dtype;
  if (!dcnn_tensor_check (&outputs[0], error))
    return FALSE;
  if (dcnn_tensor_count (inputs[0]) == dcnn_tensor_count (&outputs[0]))
    return TRUE;
  from = dcnn_tensor_describe (inputs[0]);
  to = dcnn_tensor_describe (&outputs[0]);
  return dcnn_infer_fail (error, "cannot reshape %s to %s", from, to);
}

DCNN_INFER (expand)
{
  g_autofree char *from = NULL;
  g_autofree char *to = NULL;
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  outputs[0].dtype = inputs[0]->dtype;
  if (!dcnn_tensor_check (&outputs[0], error))
    return FALSE;
  if (dcnn_infer_broadcasts_to (inputs[0], &outputs[0]))
    return TRUE;
  from = dcnn_tensor_describe (inputs[0]);
  to = dcnn_tensor_describe (&outputs[0]);
  return dcnn_infer_fail (error, "cannot expand %s to %s", from, to);
}

DCNN_INFER (tile)
{
  const DcnnTensor *x = inputs[0];
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  outputs[0].dtype = x->dtype;
  if (outputs[0].rank != x->rank)
    return dcnn_infer_fail (error, "repeats are for rank %d, the input has %d",
        outputs[0].rank, x->rank);
  for (int i = 0; i < x->rank; i++) {
    gint64 n = x->dims[i];
    if (n == 0 ? outputs[0].dims[i] != 0 : outputs[0].dims[i] % n != 0)
      return dcnn_infer_fail (error, "dimension %d is no multiple", i);
  }
  return TRUE;
}

DCNN_INFER (trilu)
{
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  if (inputs[0]->rank < 2)
    return dcnn_infer_fail (error, "needs rank 2 or more, has %d",
        inputs[0]->rank);
  dcnn_infer_copy_shape (inputs[0], &outputs[0]);
  outputs[0].dtype = inputs[0]->dtype;
  return TRUE;
}

static gboolean
check_index_type (const DcnnTensor *indices, GError **error)
{
  if (dcnn_dtype_is_index (indices->dtype))
    return TRUE;
  return dcnn_infer_fail (error, "indices are %s, need int32 or int64",
      dcnn_dtype_name (indices->dtype));
}

DCNN_INFER (gather)
{
  const DcnnTensor *x = inputs[0], *indices = n_inputs > 1 ? inputs[1] : NULL;
  DcnnTensor *out = &outputs[0];
  int axis = (int) params->axis.axis, at = 0;

  if (!dcnn_infer_count (n_inputs, inputs, 2, 2, n_outputs, 1, error)
      || !check_axis (params->axis.axis, x->rank, error)
      || !check_index_type (indices, error)
      || !dcnn_infer_indices (indices, x->dims[axis], error))
    return FALSE;
  if (x->rank - 1 + indices->rank > DCNN_MAX_RANK)
    return dcnn_infer_fail (error, "the output's rank %d is over %d",
        x->rank - 1 + indices->rank, DCNN_MAX_RANK);
  for (int i = 0; i < axis; i++)
    out->dims[at++] = x->dims[i];
  for (int i = 0; i < indices->rank; i++)
    out->dims[at++] = indices->dims[i];
  for (int i = axis + 1; i < x->rank; i++)
    out->dims[at++] = x->dims[i];
  out->rank = at;
  out->dtype = x->dtype;
  return TRUE;
}

/* indices of x's rank, no larger than x but along the axis. */
static gboolean
check_elements (const DcnnTensor *x, const DcnnTensor *indices, gint64 axis,
    GError **error)
{
  if (!check_axis (axis, x->rank, error) || !check_index_type (indices, error)
      || !dcnn_infer_indices (indices, x->dims[axis], error))
    return FALSE;
  if (indices->rank != x->rank)
    return dcnn_infer_fail (error, "indices have rank %d, the data %d",
        indices->rank, x->rank);
  for (int i = 0; i < x->rank; i++)
    if (i != axis && indices->dims[i] > x->dims[i])
      return dcnn_infer_fail (error, "indices are larger than the data along "
          "dimension %d", i);
  return TRUE;
}

DCNN_INFER (gather_elements)
{
  if (!dcnn_infer_count (n_inputs, inputs, 2, 2, n_outputs, 1, error)
      || !check_elements (inputs[0], inputs[1], params->axis.axis, error))
    return FALSE;
  dcnn_infer_copy_shape (inputs[1], &outputs[0]);
  outputs[0].dtype = inputs[0]->dtype;
  return TRUE;
}

DCNN_INFER (scatter_elements)
{
  if (!dcnn_infer_count (n_inputs, inputs, 3, 3, n_outputs, 1, error)
      || !check_elements (inputs[0], inputs[1], params->scatter.axis, error)
      || !dcnn_infer_same_type (inputs[2], inputs[0]->dtype, "the update",
          error))
    return FALSE;
  if (inputs[2]->rank != inputs[1]->rank
      || !dcnn_infer_broadcasts_to (inputs[1], inputs[2])
      || !dcnn_infer_broadcasts_to (inputs[2], inputs[1]))
    return dcnn_infer_fail (error, "updates and indices differ in shape");
  dcnn_infer_copy_shape (inputs[0], &outputs[0]);
  outputs[0].dtype = inputs[0]->dtype;
  return TRUE;
}

/* Index tuples into dimensions first .. first+depth-1 of x. */
static gboolean
check_tuples (const DcnnTensor *x, const DcnnTensor *indices, gint64 first,
    GError **error)
{
  gint64 depth = indices->rank > 0 ? indices->dims[indices->rank - 1] : 0;
  gint64 count = dcnn_tensor_count (indices);
  if (!check_index_type (indices, error))
    return FALSE;
  if (depth < 1 || first < 0 || first >= indices->rank || first > x->rank
      || depth > x->rank - first)
    return dcnn_infer_fail (error, "index tuples of %" G_GINT64_FORMAT
        " do not fit rank %d", depth, x->rank);
  for (gint64 k = 0; k < depth; k++) {
    if (x->dims[first + k] == 0 && count > 0)
      return dcnn_infer_fail (error, "an index into a dimension of size 0");
    for (gint64 i = k; indices->data && i < count; i += depth) {
      DcnnTensor one = *indices;
      one.rank = 0;
      one.data = (char *) indices->data
          + (gsize) i * dcnn_dtype_bytes (indices->dtype);
      if (!dcnn_infer_indices (&one, x->dims[first + k], error))
        return FALSE;
    }
  }
  return TRUE;
}

/* params->axis.axis is batch_dims. */
DCNN_INFER (gather_nd)
{
  const DcnnTensor *x = inputs[0], *indices = n_inputs > 1 ? inputs[1] : NULL;
  DcnnTensor *out = &outputs[0];
  gint64 batch = params->axis.axis;
  int depth, at = 0;

  if (!dcnn_infer_count (n_inputs, inputs, 2, 2, n_outputs, 1, error)
      || !check_tuples (x, indices, batch, error))
    return FALSE;
  depth = (int) indices->dims[indices->rank - 1];
  for (int i = 0; i < batch; i++)
    if (indices->dims[i] != x->dims[i])
      return dcnn_infer_fail (error, "batch dimension %d differs", i);
  if (indices->rank - 1 + x->rank - (int) batch - depth > DCNN_MAX_RANK)
    return dcnn_infer_fail (error, "the output's rank is over %d",
        DCNN_MAX_RANK);
  for (int i = 0; i < indices->rank - 1; i++)
    out->dims[at++] = indices->dims[i];
  for (int i = (int) batch + depth; i < x->rank; i++)
    out->dims[at++] = x->dims[i];
  out->rank = at;
  out->dtype = x->dtype;
  return TRUE;
}

DCNN_INFER (scatter_nd)
{
  const DcnnTensor *x = inputs[0], *updates;
  DcnnTensor expected = { .rank = 0 };
  int depth;

  if (!dcnn_infer_count (n_inputs, inputs, 3, 3, n_outputs, 1, error)
      || !check_tuples (x, inputs[1], 0, error)
      || !dcnn_infer_same_type (inputs[2], x->dtype, "the update", error))
    return FALSE;
  updates = inputs[2];
  depth = (int) inputs[1]->dims[inputs[1]->rank - 1];
  if (inputs[1]->rank - 1 + x->rank - depth != updates->rank)
    return dcnn_infer_fail (error, "updates have rank %d, need %d",
        updates->rank, inputs[1]->rank - 1 + x->rank - depth);
  for (int i = 0; i < inputs[1]->rank - 1; i++)
    expected.dims[expected.rank++] = inputs[1]->dims[i];
  for (int i = depth; i < x->rank; i++)
    expected.dims[expected.rank++] = x->dims[i];
  for (int i = 0; i < updates->rank; i++)
    if (updates->dims[i] != expected.dims[i])
      return dcnn_infer_fail (error, "updates differ in dimension %d", i);
  dcnn_infer_copy_shape (x, &outputs[0]);
  outputs[0].dtype = x->dtype;
  return TRUE;
}

/* Inputs: indices and the two values; the depth comes from out_shape. */
DCNN_INFER (one_hot)
{
  const DcnnTensor *indices = inputs[0];
  gint64 axis = params->axis.axis, depth;
  DcnnTensor *out = &outputs[0];

  if (!dcnn_infer_count (n_inputs, inputs, 2, 2, n_outputs, 1, error))
    return FALSE;
  if (inputs[1]->rank != 1 || inputs[1]->dims[0] != 2)
    return dcnn_infer_fail (error, "needs two values: off and on");
  if (out->rank != indices->rank + 1 || out->rank > DCNN_MAX_RANK
      || !check_axis (axis, out->rank, NULL))
    return dcnn_infer_fail (error, "axis %" G_GINT64_FORMAT
        " is out of range", axis);
  depth = out->dims[axis];
  for (int i = 0; i < out->rank; i++)
    out->dims[i] = i < axis ? indices->dims[i]
        : i == axis ? depth : indices->dims[i - 1];
  out->dtype = inputs[1]->dtype;
  return TRUE;
}
