/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnntensormeta.h"
#include "gstdeltacnnmeta-private.h"

#include <string.h>

#define TENSOR_TYPE(name, nick) {name, #name, nick}

GType
gst_delta_cnn_tensor_type_get_type (void)
{
  static const GEnumValue values[] = {
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_NONE, "none"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_FLOAT32, "float32"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_FLOAT64, "float64"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_FLOAT16, "float16"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_INT8, "int8"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_UINT8, "uint8"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_INT16, "int16"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_UINT16, "uint16"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_INT32, "int32"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_UINT32, "uint32"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_INT64, "int64"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_UINT64, "uint64"),
    TENSOR_TYPE (GST_DELTA_CNN_TENSOR_BOOL, "bool"),
    {0, NULL, NULL}
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        (gsize) g_enum_register_static ("GstDeltaCnnTensorType", values));
  return (GType) type;
}

static void
gst_delta_cnn_tensor_clear (gpointer data)
{
  GstDeltaCnnTensor *tensor = data;

  g_clear_pointer (&tensor->data, g_bytes_unref);
}

static gboolean
gst_delta_cnn_tensor_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  GstDeltaCnnTensorMeta *self = (GstDeltaCnnTensorMeta *) meta;

  self->source = 0;
  self->stale = FALSE;
  self->tensors = g_array_new (FALSE, TRUE, sizeof (GstDeltaCnnTensor));
  g_array_set_clear_func (self->tensors, gst_delta_cnn_tensor_clear);
  self->x = self->y = self->w = self->h = 0;
  return TRUE;
}

static void
gst_delta_cnn_tensor_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstDeltaCnnTensorMeta *self = (GstDeltaCnnTensorMeta *) meta;

  g_clear_pointer (&self->tensors, g_array_unref);
}

static gboolean
gst_delta_cnn_tensor_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnTensorMeta *self = (GstDeltaCnnTensorMeta *) meta;
  const GstDeltaCnnTransform transform =
      gst_delta_cnn_transform_read (type, data);
  GstDeltaCnnTensorMeta *copy;

  if (transform.kind == GST_DELTA_CNN_TRANSFORM_DROP)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_tensor_meta (dest, self->source);
  if (!copy)
    return FALSE;
  copy->stale = self->stale;
  copy->x = self->x * transform.scale_x;
  copy->y = self->y * transform.scale_y;
  copy->w = self->w * transform.scale_x;
  copy->h = self->h * transform.scale_y;
  for (guint i = 0; i < self->tensors->len; i++) {
    const GstDeltaCnnTensor *tensor =
        &g_array_index (self->tensors, GstDeltaCnnTensor, i);
    gst_delta_cnn_tensor_meta_append (copy, g_quark_to_string (tensor->name),
        tensor->type, tensor->n_dims, tensor->dims, tensor->data);
  }
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnTensorMeta, gst_delta_cnn_tensor_meta)

/**
 * gst_buffer_add_delta_cnn_tensor_meta:
 * @buffer: a writable #GstBuffer
 * @source: name of the element that attaches it, as a quark
 *
 * Attaches an empty list of tensors.
 *
 * Returns: (transfer none): the meta, owned by @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnTensorMeta *
gst_buffer_add_delta_cnn_tensor_meta (GstBuffer * buffer, GQuark source)
{
  GstDeltaCnnTensorMeta *meta = (GstDeltaCnnTensorMeta *)
      gst_buffer_add_meta (buffer, GST_DELTA_CNN_TENSOR_META_INFO, NULL);

  if (meta)
    meta->source = source;
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_tensor_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the first tensor meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnTensorMeta *
gst_buffer_get_delta_cnn_tensor_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnTensorMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_TENSOR_META_API_TYPE);
}

/**
 * gst_delta_cnn_tensor_meta_append:
 * @meta: a #GstDeltaCnnTensorMeta of a writable buffer
 * @name: of the output
 * @type: of its elements
 * @n_dims: at most %GST_DELTA_CNN_TENSOR_MAX_DIMS
 * @dims: (array length=n_dims): its shape, outermost first
 * @data: its elements; referenced
 *
 * Since: 0.1
 */
void
gst_delta_cnn_tensor_meta_append (GstDeltaCnnTensorMeta * meta,
    const gchar * name, GstDeltaCnnTensorType type, guint n_dims,
    const gint64 * dims, GBytes * data)
{
  GstDeltaCnnTensor tensor = { 0 };

  g_return_if_fail (meta != NULL && data != NULL);
  g_return_if_fail (n_dims <= GST_DELTA_CNN_TENSOR_MAX_DIMS);

  tensor.name = g_quark_from_string (name);
  tensor.type = type;
  tensor.n_dims = n_dims;
  if (n_dims > 0)
    memcpy (tensor.dims, dims, n_dims * sizeof dims[0]);
  tensor.data = g_bytes_ref (data);
  g_array_append_val (meta->tensors, tensor);
}

/**
 * gst_delta_cnn_tensor_meta_get_n_tensors:
 * @meta: a #GstDeltaCnnTensorMeta
 *
 * Returns: how many tensors there are
 *
 * Since: 0.1
 */
guint
gst_delta_cnn_tensor_meta_get_n_tensors (const GstDeltaCnnTensorMeta * meta)
{
  g_return_val_if_fail (meta != NULL, 0);
  return meta->tensors->len;
}

/**
 * gst_delta_cnn_tensor_meta_get_tensor:
 * @meta: a #GstDeltaCnnTensorMeta
 * @index: which tensor
 *
 * Returns: (transfer none) (nullable): it, owned by @meta
 *
 * Since: 0.1
 */
const GstDeltaCnnTensor *
gst_delta_cnn_tensor_meta_get_tensor (const GstDeltaCnnTensorMeta * meta,
    guint index)
{
  g_return_val_if_fail (meta != NULL, NULL);
  return index < meta->tensors->len ?
      &g_array_index (meta->tensors, GstDeltaCnnTensor, index) : NULL;
}

/**
 * gst_delta_cnn_tensor_meta_find_tensor:
 * @meta: a #GstDeltaCnnTensorMeta
 * @name: an output's name
 *
 * Returns: (transfer none) (nullable): the output called @name, owned by @meta
 *
 * Since: 0.1
 */
const GstDeltaCnnTensor *
gst_delta_cnn_tensor_meta_find_tensor (const GstDeltaCnnTensorMeta * meta,
    const gchar * name)
{
  const GQuark wanted = g_quark_try_string (name);

  g_return_val_if_fail (meta != NULL, NULL);
  for (guint i = 0; wanted != 0 && i < meta->tensors->len; i++) {
    const GstDeltaCnnTensor *tensor =
        &g_array_index (meta->tensors, GstDeltaCnnTensor, i);
    if (tensor->name == wanted)
      return tensor;
  }
  return NULL;
}

/**
 * gst_buffer_get_delta_cnn_tensor_meta_by_index:
 * @buffer: a #GstBuffer
 * @index: which one, from 0, in the order in which they were attached
 *
 * For buffers that have passed several elements.
 *
 * Returns: (transfer none) (nullable): that tensor meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnTensorMeta *
gst_buffer_get_delta_cnn_tensor_meta_by_index (GstBuffer * buffer,
    guint index)
{
  return (GstDeltaCnnTensorMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_TENSOR_META_API_TYPE, index, NULL);
}

/**
 * gst_buffer_get_delta_cnn_tensor_meta_by_source:
 * @buffer: a #GstBuffer
 * @source: name of the element that attached it
 *
 * Returns: (transfer none) (nullable): the tensor meta of that element
 *
 * Since: 0.1
 */
GstDeltaCnnTensorMeta *
gst_buffer_get_delta_cnn_tensor_meta_by_source (GstBuffer * buffer,
    const gchar * source)
{
  g_return_val_if_fail (source != NULL, NULL);
  return (GstDeltaCnnTensorMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_TENSOR_META_API_TYPE, 0, source);
}
