/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnnvaluemeta.h"
#include "gstdeltacnnmeta-private.h"

static gboolean
gst_delta_cnn_value_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  GstDeltaCnnValueMeta *self = (GstDeltaCnnValueMeta *) meta;

  self->source = 0;
  self->stale = FALSE;
  self->values = g_array_new (FALSE, FALSE, sizeof (gfloat));
  self->names = g_array_new (FALSE, FALSE, sizeof (GQuark));
  self->text = NULL;
  self->text_score = 0;
  self->x = self->y = self->w = self->h = 0;
  return TRUE;
}

static void
gst_delta_cnn_value_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstDeltaCnnValueMeta *self = (GstDeltaCnnValueMeta *) meta;

  g_clear_pointer (&self->values, g_array_unref);
  g_clear_pointer (&self->names, g_array_unref);
  g_clear_pointer (&self->text, g_free);
}

static gboolean
gst_delta_cnn_value_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnValueMeta *self = (GstDeltaCnnValueMeta *) meta;
  const GstDeltaCnnTransform transform =
      gst_delta_cnn_transform_read (type, data);
  GstDeltaCnnValueMeta *copy;

  if (transform.kind == GST_DELTA_CNN_TRANSFORM_DROP)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_value_meta (dest, self->source);
  if (!copy)
    return FALSE;
  copy->stale = self->stale;
  g_array_append_vals (copy->values, self->values->data, self->values->len);
  g_array_append_vals (copy->names, self->names->data, self->names->len);
  copy->text = g_strdup (self->text);
  copy->text_score = self->text_score;
  copy->x = self->x * transform.scale_x;
  copy->y = self->y * transform.scale_y;
  copy->w = self->w * transform.scale_x;
  copy->h = self->h * transform.scale_y;
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnValueMeta, gst_delta_cnn_value_meta)

/**
 * gst_buffer_add_delta_cnn_value_meta:
 * @buffer: a writable #GstBuffer
 * @source: name of the element that attaches it, as a quark
 *
 * Attaches an empty list of numbers, and no text.
 *
 * Returns: (transfer none): the meta, owned by @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnValueMeta *
gst_buffer_add_delta_cnn_value_meta (GstBuffer * buffer, GQuark source)
{
  GstDeltaCnnValueMeta *meta = (GstDeltaCnnValueMeta *)
      gst_buffer_add_meta (buffer, GST_DELTA_CNN_VALUE_META_INFO, NULL);

  if (meta)
    meta->source = source;
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_value_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the first value meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnValueMeta *
gst_buffer_get_delta_cnn_value_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnValueMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_VALUE_META_API_TYPE);
}

/**
 * gst_buffer_get_delta_cnn_value_meta_by_index:
 * @buffer: a #GstBuffer
 * @index: which of them, from 0
 *
 * Returns: (transfer none) (nullable): that value meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnValueMeta *
gst_buffer_get_delta_cnn_value_meta_by_index (GstBuffer * buffer,
    guint index)
{
  return (GstDeltaCnnValueMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_VALUE_META_API_TYPE, index, NULL);
}

/**
 * gst_buffer_get_delta_cnn_value_meta_by_source:
 * @buffer: a #GstBuffer
 * @source: name of the element that attached it
 *
 * Returns: (transfer none) (nullable): the first value meta of that element
 *
 * Since: 0.1
 */
GstDeltaCnnValueMeta *
gst_buffer_get_delta_cnn_value_meta_by_source (GstBuffer * buffer,
    const gchar * source)
{
  g_return_val_if_fail (source != NULL, NULL);
  return (GstDeltaCnnValueMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_VALUE_META_API_TYPE, 0, source);
}

/**
 * gst_delta_cnn_value_meta_get_value:
 * @meta: a #GstDeltaCnnValueMeta
 * @index: which number, from 0
 * @value: (out) (optional): the number
 * @name: (out) (optional) (nullable) (transfer none): its name
 *
 * Returns: %FALSE when there is no such number
 *
 * Since: 0.1
 */
gboolean
gst_delta_cnn_value_meta_get_value (const GstDeltaCnnValueMeta * meta,
    guint index, gfloat * value, const gchar ** name)
{
  g_return_val_if_fail (meta != NULL, FALSE);
  if (index >= meta->values->len)
    return FALSE;
  if (value)
    *value = g_array_index (meta->values, gfloat, index);
  if (name)
    *name = index < meta->names->len
        ? g_quark_to_string (g_array_index (meta->names, GQuark, index))
        : NULL;
  return TRUE;
}
