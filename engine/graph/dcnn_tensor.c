/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tensor.c - storage and description of plain tensors, and the error
 * domain: see dcnn_graph.h.
 */
#include "dcnn_graph.h"

#include <stdlib.h>
#include <string.h>

/* Not G_DEFINE_QUARK: its static is written by whichever threads come first. */
GQuark
dcnn_error_quark (void)
{
  return g_quark_from_static_string ("dcnn-error-quark");
}

/* Bytes of a tensor of this type and shape; -1: out of range. */
gint64
dcnn_tensor_bytes (const DcnnTensor *tensor)
{
  gint64 count = 1, bytes = (gint64) dcnn_dtype_bytes (tensor->dtype);
  gboolean empty = FALSE;

  if (tensor->rank < 0 || tensor->rank > DCNN_MAX_RANK || bytes == 0)
    return -1;
  for (int i = 0; i < tensor->rank; i++) {
    if (tensor->dims[i] < 0 || tensor->dims[i] > DCNN_MAX_DIM)
      return -1;
    empty = empty || tensor->dims[i] == 0;
  }
  for (int i = 0; i < tensor->rank && !empty; i++) {
    if (count > DCNN_MAX_TENSOR_BYTES / bytes / tensor->dims[i])
      return -1;
    count *= tensor->dims[i];
  }
  return empty ? 0 : count * bytes;
}

gboolean
dcnn_tensor_check (const DcnnTensor *tensor, GError **error)
{
  g_autofree char *shape = NULL;
  if (dcnn_tensor_bytes (tensor) >= 0)
    return TRUE;
  shape = dcnn_tensor_describe (tensor);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_LIMIT,
      "a tensor %s is out of range: rank up to %d, dimensions 0 to %"
      G_GINT64_FORMAT ", and %" G_GINT64_FORMAT " bytes are supported", shape,
      DCNN_MAX_RANK, DCNN_MAX_DIM, DCNN_MAX_TENSOR_BYTES);
  return FALSE;
}

char *
dcnn_tensor_describe (const DcnnTensor *tensor)
{
  GString *text = g_string_new (dcnn_dtype_name (tensor->dtype));
  g_string_append_c (text, '[');
  for (int i = 0; i < tensor->rank && i < DCNN_MAX_RANK; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "," : "",
        tensor->dims[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

/* Storage from dcnn_tensor_alloc() is aligned and freed as such; a constant
 * may also bring g_malloc'ed data. Both are free()'s on every GLib since
 * 2.46. */
gboolean
dcnn_tensor_alloc (DcnnTensor *tensor, GError **error)
{
  gint64 bytes = dcnn_tensor_bytes (tensor);
  void *data = NULL;
  size_t size;

  tensor->data = NULL;
  if (bytes < 0)
    return dcnn_tensor_check (tensor, error);
  size = ((size_t) bytes + 64 + 63) / 64 * 64;
  if (posix_memalign (&data, 64, size) != 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "no memory for a tensor of %" G_GINT64_FORMAT " bytes", bytes);
    return FALSE;
  }
  memset (data, 0, size);
  tensor->data = data;
  return TRUE;
}

void
dcnn_tensor_free (DcnnTensor *tensor)
{
  free (tensor->data);
  tensor->data = NULL;
}
