/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnnclassmeta.h"
#include "gstdeltacnnmeta-private.h"

static gboolean
gst_delta_cnn_class_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  GstDeltaCnnClassMeta *self = (GstDeltaCnnClassMeta *) meta;

  self->source = 0;
  self->stale = FALSE;
  self->classes = g_array_new (FALSE, FALSE, sizeof (GstDeltaCnnLabel));
  return TRUE;
}

static void
gst_delta_cnn_class_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstDeltaCnnClassMeta *self = (GstDeltaCnnClassMeta *) meta;

  g_clear_pointer (&self->classes, g_array_unref);
}

static gboolean
gst_delta_cnn_class_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnClassMeta *self = (GstDeltaCnnClassMeta *) meta;
  GstDeltaCnnClassMeta *copy;

  if (gst_delta_cnn_transform_read (type, data).kind ==
      GST_DELTA_CNN_TRANSFORM_DROP)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_class_meta (dest, self->source);
  if (!copy)
    return FALSE;
  copy->stale = self->stale;
  g_array_append_vals (copy->classes, self->classes->data, self->classes->len);
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnClassMeta, gst_delta_cnn_class_meta)

/**
 * gst_buffer_add_delta_cnn_class_meta:
 * @buffer: a writable #GstBuffer
 * @source: name of the element that attaches it, as a quark
 *
 * Attaches an empty list of classes.
 *
 * Returns: (transfer none): the meta, owned by @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnClassMeta *
gst_buffer_add_delta_cnn_class_meta (GstBuffer * buffer, GQuark source)
{
  GstDeltaCnnClassMeta *meta = (GstDeltaCnnClassMeta *)
      gst_buffer_add_meta (buffer, GST_DELTA_CNN_CLASS_META_INFO, NULL);

  if (meta)
    meta->source = source;
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_class_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the first class meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnClassMeta *
gst_buffer_get_delta_cnn_class_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnClassMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_CLASS_META_API_TYPE);
}

/**
 * gst_delta_cnn_class_meta_append:
 * @meta: a #GstDeltaCnnClassMeta of a writable buffer
 * @class_id: index of the class
 * @score: 0..1
 * @label: the class's name as a quark, or 0
 *
 * Since: 0.1
 */
void
gst_delta_cnn_class_meta_append (GstDeltaCnnClassMeta * meta, gint class_id,
    gfloat score, GQuark label)
{
  const GstDeltaCnnLabel item = { score, class_id, label };

  g_return_if_fail (meta != NULL);
  g_array_append_val (meta->classes, item);
}

/**
 * gst_delta_cnn_class_meta_get_n_classes:
 * @meta: a #GstDeltaCnnClassMeta
 *
 * Returns: how many classes there are
 *
 * Since: 0.1
 */
guint
gst_delta_cnn_class_meta_get_n_classes (const GstDeltaCnnClassMeta * meta)
{
  g_return_val_if_fail (meta != NULL, 0);
  return meta->classes->len;
}

/**
 * gst_delta_cnn_class_meta_get_class:
 * @meta: a #GstDeltaCnnClassMeta
 * @index: which class, 0 being the best
 * @class_id: (out) (optional): its index
 * @score: (out) (optional): its score, 0..1
 * @label: (out) (optional) (nullable) (transfer none): its name
 *
 * Returns: %FALSE when there is no such class
 *
 * Since: 0.1
 */
gboolean
gst_delta_cnn_class_meta_get_class (const GstDeltaCnnClassMeta * meta,
    guint index, gint * class_id, gfloat * score, const gchar ** label)
{
  const GstDeltaCnnLabel *item;

  g_return_val_if_fail (meta != NULL, FALSE);
  if (index >= meta->classes->len)
    return FALSE;
  item = &g_array_index (meta->classes, GstDeltaCnnLabel, index);
  if (class_id)
    *class_id = item->class_id;
  if (score)
    *score = item->score;
  if (label)
    *label = g_quark_to_string (item->label);
  return TRUE;
}

/**
 * gst_buffer_get_delta_cnn_class_meta_by_index:
 * @buffer: a #GstBuffer
 * @index: which one, from 0, in the order in which they were attached
 *
 * For buffers that have passed several elements.
 *
 * Returns: (transfer none) (nullable): that class meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnClassMeta *
gst_buffer_get_delta_cnn_class_meta_by_index (GstBuffer * buffer,
    guint index)
{
  return (GstDeltaCnnClassMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_CLASS_META_API_TYPE, index, NULL);
}

/**
 * gst_buffer_get_delta_cnn_class_meta_by_source:
 * @buffer: a #GstBuffer
 * @source: name of the element that attached it
 *
 * Returns: (transfer none) (nullable): the class meta of that element
 *
 * Since: 0.1
 */
GstDeltaCnnClassMeta *
gst_buffer_get_delta_cnn_class_meta_by_source (GstBuffer * buffer,
    const gchar * source)
{
  g_return_val_if_fail (source != NULL, NULL);
  return (GstDeltaCnnClassMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_CLASS_META_API_TYPE, 0, source);
}
