/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * infer_util.c - see infer_util.h.
 */
#include "infer_util.h"

#include "ref_util.h"

gboolean
dcnn_infer_fail (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  if (error)
    *error = g_error_new_valist (DCNN_ERROR, DCNN_ERROR_INVALID, format, args);
  va_end (args);
  return FALSE;
}

gboolean
dcnn_infer_count (int n_inputs, const DcnnTensor *const *inputs, int required,
    int max_inputs, int n_outputs, int max_outputs, GError **error)
{
  if (n_inputs < required || n_inputs > max_inputs)
    return dcnn_infer_fail (error, "has %d inputs, needs %d to %d", n_inputs,
        required, max_inputs);
  for (int i = 0; i < required; i++)
    if (!inputs[i])
      return dcnn_infer_fail (error, "input %d is missing", i);
  if (n_outputs > max_outputs)
    return dcnn_infer_fail (error, "has %d outputs, at most %d are known",
        n_outputs, max_outputs);
  return TRUE;
}

gboolean
dcnn_dtype_is_float (DcnnDtype dtype)
{
  return dtype == DCNN_DTYPE_F32 || dtype == DCNN_DTYPE_F64
      || dtype == DCNN_DTYPE_F16;
}

gboolean
dcnn_dtype_is_index (DcnnDtype dtype)
{
  return dtype == DCNN_DTYPE_I32 || dtype == DCNN_DTYPE_I64;
}

gboolean
dcnn_infer_same_type (const DcnnTensor *a, DcnnDtype dtype, const char *what,
    GError **error)
{
  if (a->dtype == dtype)
    return TRUE;
  return dcnn_infer_fail (error, "%s is %s, needs %s", what,
      dcnn_dtype_name (a->dtype), dcnn_dtype_name (dtype));
}

gboolean
dcnn_infer_vector (const DcnnTensor *vector, const DcnnTensor *x, gint64 n,
    const char *what, GError **error)
{
  g_autofree char *shape = NULL;
  if (vector->rank == 1 && vector->dims[0] == n)
    return dcnn_infer_same_type (vector, x->dtype, what, error);
  shape = dcnn_tensor_describe (vector);
  return dcnn_infer_fail (error, "%s is %s, needs one dimension of %"
      G_GINT64_FORMAT, what, shape, n);
}

void
dcnn_infer_copy_shape (const DcnnTensor *in, DcnnTensor *out)
{
  out->rank = in->rank;
  for (int i = 0; i < in->rank; i++)
    out->dims[i] = in->dims[i];
}

gboolean
dcnn_infer_broadcast (const DcnnTensor *in, DcnnTensor *out, GError **error)
{
  DcnnTensor made = { .rank = MAX (in->rank, out->rank) };
  for (int i = 1; i <= made.rank; i++) {
    gint64 a = i <= in->rank ? in->dims[in->rank - i] : 1;
    gint64 b = i <= out->rank ? out->dims[out->rank - i] : 1;
    if (a != b && a != 1 && b != 1) {
      g_autofree char *shape = dcnn_tensor_describe (in);
      g_autofree char *other = dcnn_tensor_describe (out);
      return dcnn_infer_fail (error, "shapes %s and %s do not broadcast",
          strchr (other, '['), strchr (shape, '['));
    }
    made.dims[made.rank - i] = a == 1 ? b : a;
  }
  dcnn_infer_copy_shape (&made, out);
  return TRUE;
}

gboolean
dcnn_infer_broadcasts_to (const DcnnTensor *small, const DcnnTensor *large)
{
  if (small->rank > large->rank)
    return FALSE;
  for (int i = 1; i <= small->rank; i++) {
    gint64 a = small->dims[small->rank - i];
    if (a != 1 && a != large->dims[large->rank - i])
      return FALSE;
  }
  return TRUE;
}

gboolean
dcnn_infer_indices (const DcnnTensor *indices, gint64 n, GError **error)
{
  gint64 count = dcnn_tensor_count (indices);
  if (n == 0 && count > 0)
    return dcnn_infer_fail (error, "an index into a dimension of size 0");
  for (gint64 i = 0; indices->data && i < count; i++) {
    gint64 value = dcnn_ref_get_int (indices, i);
    if (value < -n || value >= n)
      return dcnn_infer_fail (error, "index %" G_GINT64_FORMAT
          " is outside a dimension of size %" G_GINT64_FORMAT, value, n);
  }
  return TRUE;
}
