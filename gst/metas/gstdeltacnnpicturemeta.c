/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnnpicturemeta.h"
#include "gstdeltacnnmeta-private.h"

static gboolean
gst_delta_cnn_picture_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  GstDeltaCnnPictureMeta *self = (GstDeltaCnnPictureMeta *) meta;

  self->source = 0;
  self->stale = FALSE;
  self->width = self->height = self->channels = 0;
  self->data = NULL;
  self->x = self->y = self->w = self->h = 0;
  return TRUE;
}

static void
gst_delta_cnn_picture_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstDeltaCnnPictureMeta *self = (GstDeltaCnnPictureMeta *) meta;

  g_clear_pointer (&self->data, g_bytes_unref);
}

static gboolean
gst_delta_cnn_picture_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnPictureMeta *self = (GstDeltaCnnPictureMeta *) meta;
  const GstDeltaCnnTransform transform =
      gst_delta_cnn_transform_read (type, data);
  GstDeltaCnnPictureMeta *copy;

  if (transform.kind == GST_DELTA_CNN_TRANSFORM_DROP || !self->data)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_picture_meta (dest, self->source,
      self->width, self->height, self->channels, self->data);
  if (!copy)
    return FALSE;
  copy->stale = self->stale;
  copy->x = self->x * transform.scale_x;
  copy->y = self->y * transform.scale_y;
  copy->w = self->w * transform.scale_x;
  copy->h = self->h * transform.scale_y;
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnPictureMeta, gst_delta_cnn_picture_meta)

/**
 * gst_buffer_add_delta_cnn_picture_meta:
 * @buffer: a writable #GstBuffer
 * @source: name of the element that attaches it, as a quark
 * @width: of the picture
 * @height: of the picture
 * @channels: 3 or 1
 * @data: at least @width * @height * @channels bytes; referenced
 *
 * Attaches a picture. Its rectangle is @width x @height at the origin until
 * the caller sets other values.
 *
 * Returns: (transfer none) (nullable): the meta, owned by @buffer, or %NULL
 *   when @data is too short
 *
 * Since: 0.1
 */
GstDeltaCnnPictureMeta *
gst_buffer_add_delta_cnn_picture_meta (GstBuffer * buffer, GQuark source,
    guint width, guint height, guint channels, GBytes * data)
{
  GstDeltaCnnPictureMeta *meta;

  g_return_val_if_fail (data != NULL, NULL);
  g_return_val_if_fail (width > 0 && height > 0, NULL);
  g_return_val_if_fail (channels == 1 || channels == 3, NULL);
  g_return_val_if_fail (g_bytes_get_size (data) / width / channels >= height,
      NULL);

  meta = (GstDeltaCnnPictureMeta *)
      gst_buffer_add_meta (buffer, GST_DELTA_CNN_PICTURE_META_INFO, NULL);
  if (meta) {
    meta->source = source;
    meta->width = width;
    meta->height = height;
    meta->channels = channels;
    meta->data = g_bytes_ref (data);
    meta->w = width;
    meta->h = height;
  }
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_picture_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the first picture meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnPictureMeta *
gst_buffer_get_delta_cnn_picture_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnPictureMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_PICTURE_META_API_TYPE);
}

/**
 * gst_buffer_get_delta_cnn_picture_meta_by_index:
 * @buffer: a #GstBuffer
 * @index: which of them, from 0
 *
 * Returns: (transfer none) (nullable): that picture meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnPictureMeta *
gst_buffer_get_delta_cnn_picture_meta_by_index (GstBuffer * buffer,
    guint index)
{
  return (GstDeltaCnnPictureMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_PICTURE_META_API_TYPE, index, NULL);
}

/**
 * gst_buffer_get_delta_cnn_picture_meta_by_source:
 * @buffer: a #GstBuffer
 * @source: name of the element that attached it
 *
 * Returns: (transfer none) (nullable): the first picture meta of that element
 *
 * Since: 0.1
 */
GstDeltaCnnPictureMeta *
gst_buffer_get_delta_cnn_picture_meta_by_source (GstBuffer * buffer,
    const gchar * source)
{
  g_return_val_if_fail (source != NULL, NULL);
  return (GstDeltaCnnPictureMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_PICTURE_META_API_TYPE, 0, source);
}
