/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * infer_reduce.c - shapes of reductions, of functions along an axis and of
 * matrix products.
 */
#include "infer_util.h"

DCNN_INFER (reduce)
{
  const DcnnTensor *x = inputs[0];
  const DcnnReduceParams *p = &params->reduce;
  DcnnTensor *out = &outputs[0];

  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error))
    return FALSE;
  if (p->axes >> x->rank)
    return dcnn_infer_fail (error, "an axis is outside rank %d", x->rank);
  out->rank = 0;
  out->dtype = x->dtype;
  for (int i = 0; i < x->rank; i++) {
    if (!(p->axes >> i & 1))
      out->dims[out->rank++] = x->dims[i];
    else if (p->keepdims)
      out->dims[out->rank++] = 1;
  }
  return TRUE;
}

/* An axis inside the rank; a scalar counts as one dimension. */
static gboolean
check_axis (gint64 axis, int rank, GError **error)
{
  if (axis >= 0 && axis < MAX (rank, 1))
    return TRUE;
  return dcnn_infer_fail (error, "axis %" G_GINT64_FORMAT
      " is outside rank %d", axis, rank);
}

/* Softmax and its kin, CumSum: the output like the input. */
DCNN_INFER (softmax)
{
  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error)
      || !check_axis (params->axis.axis, inputs[0]->rank, error))
    return FALSE;
  dcnn_infer_copy_shape (inputs[0], &outputs[0]);
  outputs[0].dtype = inputs[0]->dtype;
  return TRUE;
}

DCNN_INFER (arg_max)
{
  const DcnnTensor *x = inputs[0];
  DcnnTensor *out = &outputs[0];
  gint64 axis = params->axis.axis;

  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 1, error)
      || !check_axis (axis, x->rank, error))
    return FALSE;
  if (x->rank > 0 && x->dims[axis] == 0)
    return dcnn_infer_fail (error, "the axis has no elements");
  out->rank = 0;
  out->dtype = DCNN_DTYPE_I64;
  for (int i = 0; i < x->rank; i++) {
    if (i != axis)
      out->dims[out->rank++] = x->dims[i];
    else if (params->axis.keepdims)
      out->dims[out->rank++] = 1;
  }
  return TRUE;
}

DCNN_INFER (top_k)
{
  const DcnnTensor *x = inputs[0];
  const DcnnTopKParams *p = &params->top_k;

  if (!dcnn_infer_count (n_inputs, inputs, 1, 1, n_outputs, 2, error)
      || !check_axis (p->axis, x->rank, error))
    return FALSE;
  if (x->rank == 0 || p->k < 0 || p->k > x->dims[p->axis])
    return dcnn_infer_fail (error, "k is %" G_GINT64_FORMAT
        ", which the axis does not have", p->k);
  for (int k = 0; k < n_outputs; k++) {
    dcnn_infer_copy_shape (x, &outputs[k]);
    outputs[k].dims[p->axis] = p->k;
    outputs[k].dtype = k ? DCNN_DTYPE_I64 : x->dtype;
  }
  return TRUE;
}

DCNN_INFER (gemm)
{
  const DcnnTensor *a = inputs[0], *b = n_inputs > 1 ? inputs[1] : NULL;
  const DcnnTensor *c = n_inputs > 2 ? inputs[2] : NULL;
  const DcnnGemmParams *p = &params->gemm;
  gint64 depth_a, depth_b;

  if (!dcnn_infer_count (n_inputs, inputs, 2, 3, n_outputs, 1, error)
      || !dcnn_infer_same_type (b, a->dtype, "the second input", error))
    return FALSE;
  if (a->rank != 2 || b->rank != 2)
    return dcnn_infer_fail (error, "inputs have ranks %d and %d, need 2",
        a->rank, b->rank);
  depth_a = a->dims[p->trans_a ? 0 : 1];
  depth_b = b->dims[p->trans_b ? 1 : 0];
  if (depth_a != depth_b)
    return dcnn_infer_fail (error, "inner dimensions differ: %"
        G_GINT64_FORMAT " and %" G_GINT64_FORMAT, depth_a, depth_b);
  outputs[0].dtype = a->dtype;
  outputs[0].rank = 2;
  outputs[0].dims[0] = a->dims[p->trans_a ? 1 : 0];
  outputs[0].dims[1] = b->dims[p->trans_b ? 0 : 1];
  if (c && (!dcnn_infer_same_type (c, a->dtype, "the bias", error)))
    return FALSE;
  if (c && !dcnn_infer_broadcasts_to (c, &outputs[0]))
    return dcnn_infer_fail (error, "the bias does not broadcast to %"
        G_GINT64_FORMAT "x%" G_GINT64_FORMAT, outputs[0].dims[0],
        outputs[0].dims[1]);
  return TRUE;
}

DCNN_INFER (matmul)
{
  const DcnnTensor *a = inputs[0], *b = n_inputs > 1 ? inputs[1] : NULL;
  DcnnTensor batch_a, batch_b, *out = &outputs[0];
  gint64 depth_b;

  if (!dcnn_infer_count (n_inputs, inputs, 2, 2, n_outputs, 1, error)
      || !dcnn_infer_same_type (b, a->dtype, "the second input", error))
    return FALSE;
  if (a->rank < 1 || b->rank < 1)
    return dcnn_infer_fail (error, "an input is a scalar");
  depth_b = b->dims[b->rank == 1 ? 0 : b->rank - 2];
  if (a->dims[a->rank - 1] != depth_b)
    return dcnn_infer_fail (error, "inner dimensions differ: %"
        G_GINT64_FORMAT " and %" G_GINT64_FORMAT, a->dims[a->rank - 1],
        depth_b);
  batch_a = *a;
  batch_b = *b;
  batch_a.rank = MAX (a->rank - 2, 0);
  batch_b.rank = MAX (b->rank - 2, 0);
  out->rank = 0;
  out->dtype = a->dtype;
  if (!dcnn_infer_broadcast (&batch_a, out, error)
      || !dcnn_infer_broadcast (&batch_b, out, error))
    return FALSE;
  if (a->rank > 1)
    out->dims[out->rank++] = a->dims[a->rank - 2];
  if (b->rank > 1)
    out->dims[out->rank++] = b->dims[b->rank - 1];
  return TRUE;
}

static gboolean
is_shape (const DcnnTensor *t, int rank, gint64 a, gint64 b)
{
  return !t || (t->dtype == DCNN_DTYPE_F32 && t->rank == rank &&
      t->dims[0] == a && (rank == 1 || t->dims[1] == b));
}

DCNN_INFER (recurrent)
{
  const DcnnRecurrentParams *p = &params->recurrent;
  const DcnnTensor *x = inputs[0], *w = n_inputs > 1 ? inputs[1] : NULL;
  gint64 hidden;

  if (!dcnn_infer_count (n_inputs, inputs, 2, 5, n_outputs, 2, error))
    return FALSE;
  if ((p->gates != 1 && p->gates != 3 && p->gates != 4) || n_outputs != 2)
    return dcnn_infer_fail (error, "it has %d gates and %d outputs: 1, 3 or 4 "
        "and 2 are supported", p->gates, n_outputs);
  hidden = w->rank == 2 ? w->dims[1] : 0;
  if (x->dtype != DCNN_DTYPE_F32 || x->rank != 3 || x->dims[0] < 1 ||
      hidden < 1 || x->dims[2] % p->gates != 0 || x->dims[2] / p->gates !=
      hidden || !is_shape (w, 2, x->dims[2], hidden) ||
      !is_shape (n_inputs > 2 ? inputs[2] : NULL, 2, x->dims[1], hidden) ||
      !is_shape (n_inputs > 3 ? inputs[3] : NULL, 2, x->dims[1], hidden) ||
      !is_shape (n_inputs > 4 ? inputs[4] : NULL, 1, hidden, 0))
    return dcnn_infer_fail (error, "the sequence, the weights and the first "
        "states do not fit");
  outputs[0] = (DcnnTensor) { .dtype = DCNN_DTYPE_F32, .rank = 3, .dims = {
      x->dims[0], x->dims[1], hidden } };
  outputs[1] = (DcnnTensor) { .dtype = DCNN_DTYPE_F32, .rank = 2, .dims = {
      x->dims[1], hidden } };
  return TRUE;
}
