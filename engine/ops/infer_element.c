/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * infer_element.c - shapes of element-wise operators and normalisations.
 */
#include "infer_util.h"

/* One input, the output like it. */
DCNN_INFER (unary)
{
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  dcnn_infer_copy_shape (inputs[0], &outputs[0]);
  outputs[0].dtype = inputs[0]->dtype;
  if (inputs[0]->dtype == DCNN_DTYPE_BOOL && op != DCNN_OP_IDENTITY)
    return dcnn_infer_fail (error, "the input is bool, needs numbers");
  if (op == DCNN_OP_CLIP) /* where the bounds cross, the upper one counts */
    params->act.lo = MIN (params->act.lo, params->act.hi);
  return TRUE;
}

DCNN_INFER (identity)
{
  return dcnn_infer_unary (op, params, n_inputs, inputs, n_outputs, outputs,
      error);
}

/* One input, the output bool. */
DCNN_INFER (predicate)
{
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  dcnn_infer_copy_shape (inputs[0], &outputs[0]);
  outputs[0].dtype = DCNN_DTYPE_BOOL;
  return TRUE;
}

DCNN_INFER (cast)
{
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  dcnn_infer_copy_shape (inputs[0], &outputs[0]);
  outputs[0].dtype = params->cast.to;
  if (dcnn_dtype_bytes (params->cast.to) == 0)
    return dcnn_infer_fail (error, "the type to cast to is unknown");
  return TRUE;
}

/* Broadcasts all inputs; the output is of the first one's type. */
static gboolean
broadcast_all (int n_inputs, const DcnnTensor *const *inputs,
    gboolean same_type, DcnnTensor *out, GError **error)
{
  out->rank = 0;
  out->dtype = inputs[0]->dtype;
  for (int i = 0; i < n_inputs; i++) {
    if (!inputs[i])
      return dcnn_infer_fail (error, "input %d is missing", i);
    if (same_type && !dcnn_infer_same_type (inputs[i], inputs[0]->dtype,
            "an input", error))
      return FALSE;
    if (!dcnn_infer_broadcast (inputs[i], out, error))
      return FALSE;
  }
  return TRUE;
}

DCNN_INFER (binary)
{
  if (!dcnn_infer_count (n_inputs, inputs, 2, 2, n_outputs, 1, error)
      || !broadcast_all (2, inputs, op != DCNN_OP_POW, &outputs[0], error))
    return FALSE;
  if (inputs[0]->dtype == DCNN_DTYPE_BOOL)
    return dcnn_infer_fail (error, "the inputs are bool, need numbers");
  if (op == DCNN_OP_PRELU && !dcnn_infer_broadcasts_to (inputs[1], inputs[0]))
    return dcnn_infer_fail (error, "the slope does not broadcast to the input");
  return TRUE;
}

DCNN_INFER (compare)
{
  if (!dcnn_infer_count (n_inputs, inputs, 2, 2, n_outputs, 1, error)
      || !broadcast_all (2, inputs, TRUE, &outputs[0], error))
    return FALSE;
  outputs[0].dtype = DCNN_DTYPE_BOOL;
  return TRUE;
}

DCNN_INFER (variadic)
{
  return dcnn_infer_count (n_inputs, inputs, 1, DCNN_MAX_NODE_INPUTS,
      n_outputs, 1, error)
      && broadcast_all (n_inputs, inputs, TRUE, &outputs[0], error);
}

DCNN_INFER (where)
{
  if (!dcnn_infer_count (n_inputs, inputs, 3, 3, n_outputs, 1, error)
      || !dcnn_infer_same_type (inputs[0], DCNN_DTYPE_BOOL, "the condition",
          error)
      || !dcnn_infer_same_type (inputs[2], inputs[1]->dtype, "the third input",
          error)
      || !broadcast_all (3, inputs, FALSE, &outputs[0], error))
    return FALSE;
  outputs[0].dtype = inputs[1]->dtype;
  return TRUE;
}

static gboolean
check_float_map (const DcnnTensor *x, int min_rank, GError **error)
{
  if (dcnn_dtype_is_float (x->dtype) && x->rank >= min_rank)
    return TRUE;
  return dcnn_infer_fail (error, "the input is %s of rank %d, needs float of "
      "rank %d or more", dcnn_dtype_name (x->dtype), x->rank, min_rank);
}

/* x and n vectors of one element a channel. */
static gboolean
per_channel (int n_inputs, const DcnnTensor *const *inputs, int vectors,
    int min_rank, int n_outputs, DcnnTensor *out, GError **error)
{
  const DcnnTensor *x = inputs[0];
  if (!dcnn_infer_count (n_inputs, inputs, vectors + 1, vectors + 1, n_outputs,
          1, error) || !check_float_map (x, min_rank, error))
    return FALSE;
  for (int i = 1; i <= vectors; i++)
    if (!dcnn_infer_vector (inputs[i], x, x->rank > 1 ? x->dims[1] : 1,
            "a parameter of the normalization", error))
      return FALSE;
  dcnn_infer_copy_shape (x, out);
  out->dtype = x->dtype;
  return TRUE;
}

DCNN_INFER (batch_norm)
{
  return per_channel (n_inputs, inputs, 4, 1, n_outputs, &outputs[0], error);
}

DCNN_INFER (instance_norm)
{
  return per_channel (n_inputs, inputs, 2, 3, n_outputs, &outputs[0], error);
}

DCNN_INFER (group_norm)
{
  gint64 groups = params->norm.groups;
  if (!per_channel (n_inputs, inputs, 2, 2, n_outputs, &outputs[0], error))
    return FALSE;
  if (groups < 1 || inputs[0]->dims[1] % groups != 0)
    return dcnn_infer_fail (error, "%" G_GINT64_FORMAT " groups do not divide %"
        G_GINT64_FORMAT " channels", groups, inputs[0]->dims[1]);
  return TRUE;
}

/* Scale and bias have the shape of what is normalised. */
static gboolean
check_layer_vector (const DcnnTensor *vector, const DcnnTensor *x, int axis,
    GError **error)
{
  g_autofree char *shape = NULL;
  int first = vector->rank - (x->rank - axis);
  gboolean fits = first >= 0 && vector->rank <= x->rank;
  for (int i = 0; fits && i < vector->rank; i++)
    fits = vector->dims[i] == (i < first ? 1 : x->dims[axis + i - first]);
  if (fits)
    return dcnn_infer_same_type (vector, x->dtype, "scale or bias", error);
  shape = dcnn_tensor_describe (vector);
  return dcnn_infer_fail (error, "scale or bias is %s, needs the shape of the "
      "normalized dimensions", shape);
}

DCNN_INFER (layer_norm)
{
  const DcnnTensor *x = inputs[0];
  int axis = (int) params->norm.axis;

  if (!dcnn_infer_count (n_inputs, inputs, 2, 3, n_outputs, 3, error)
      || !check_float_map (x, 1, error))
    return FALSE;
  if (params->norm.axis < 0 || params->norm.axis >= x->rank)
    return dcnn_infer_fail (error, "the axis is outside rank %d", x->rank);
  if (!check_layer_vector (inputs[1], x, axis, error)
      || (n_inputs > 2 && inputs[2]
          && !check_layer_vector (inputs[2], x, axis, error)))
    return FALSE;
  for (int k = 0; k < n_outputs; k++) {
    dcnn_infer_copy_shape (x, &outputs[k]);
    outputs[k].dtype = k ? DCNN_DTYPE_F32 : x->dtype;
    for (int i = axis; k > 0 && i < x->rank; i++)
      outputs[k].dims[i] = 1;
  }
  return TRUE;
}

DCNN_INFER (lrn)
{
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error)
      || !check_float_map (inputs[0], 2, error))
    return FALSE;
  if (params->lrn.size < 1 || params->lrn.size > DCNN_MAX_DIM)
    return dcnn_infer_fail (error, "size %" G_GINT64_FORMAT
        " is out of range", params->lrn.size);
  dcnn_infer_copy_shape (inputs[0], &outputs[0]);
  outputs[0].dtype = inputs[0]->dtype;
  return TRUE;
}
