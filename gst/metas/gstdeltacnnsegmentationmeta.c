/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnnsegmentationmeta.h"
#include "gstdeltacnnmeta-private.h"

#include <math.h>

static gboolean
gst_delta_cnn_segmentation_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  GstDeltaCnnSegmentationMeta *self = (GstDeltaCnnSegmentationMeta *) meta;

  self->source = 0;
  self->stale = FALSE;
  self->width = self->height = self->n_classes = 0;
  self->data = NULL;
  self->x = self->y = self->w = self->h = 0;
  return TRUE;
}

static void
gst_delta_cnn_segmentation_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstDeltaCnnSegmentationMeta *self = (GstDeltaCnnSegmentationMeta *) meta;

  g_clear_pointer (&self->data, g_bytes_unref);
}

static gboolean
gst_delta_cnn_segmentation_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnSegmentationMeta *self =
      (GstDeltaCnnSegmentationMeta *) meta;
  const GstDeltaCnnTransform transform =
      gst_delta_cnn_transform_read (type, data);
  GstDeltaCnnSegmentationMeta *copy;

  if (transform.kind == GST_DELTA_CNN_TRANSFORM_DROP || !self->data)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_segmentation_meta (dest, self->source,
      self->width, self->height, self->n_classes, self->data);
  if (!copy)
    return FALSE;
  copy->stale = self->stale;
  gst_delta_cnn_segmentation_meta_set_rectangle (copy,
      self->x * transform.scale_x, self->y * transform.scale_y,
      self->w * transform.scale_x, self->h * transform.scale_y);
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnSegmentationMeta,
    gst_delta_cnn_segmentation_meta)

/**
 * gst_buffer_add_delta_cnn_segmentation_meta:
 * @buffer: a writable #GstBuffer
 * @source: name of the element that attaches it, as a quark
 * @width: of the grid
 * @height: of the grid
 * @n_classes: 1: values are probabilities; more: class indices
 * @data: at least @width * @height bytes; referenced
 *
 * Attaches a mask. Its rectangle is @width x @height at the origin until
 * gst_delta_cnn_segmentation_meta_set_rectangle() says otherwise.
 *
 * Returns: (transfer none) (nullable): the meta, owned by @buffer, or %NULL
 *   when @data is too short
 *
 * Since: 0.1
 */
GstDeltaCnnSegmentationMeta *
gst_buffer_add_delta_cnn_segmentation_meta (GstBuffer * buffer, GQuark source,
    guint width, guint height, guint n_classes, GBytes * data)
{
  GstDeltaCnnSegmentationMeta *meta;

  g_return_val_if_fail (data != NULL, NULL);
  g_return_val_if_fail (width > 0 && height > 0, NULL);
  g_return_val_if_fail (g_bytes_get_size (data) / width >= height, NULL);

  meta = (GstDeltaCnnSegmentationMeta *)
      gst_buffer_add_meta (buffer, GST_DELTA_CNN_SEGMENTATION_META_INFO, NULL);
  if (meta) {
    meta->source = source;
    meta->width = width;
    meta->height = height;
    meta->n_classes = n_classes;
    meta->data = g_bytes_ref (data);
    gst_delta_cnn_segmentation_meta_set_rectangle (meta, 0, 0, width, height);
  }
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_segmentation_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the first segmentation meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnSegmentationMeta *
gst_buffer_get_delta_cnn_segmentation_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnSegmentationMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_SEGMENTATION_META_API_TYPE);
}

/**
 * gst_delta_cnn_segmentation_meta_set_rectangle:
 * @meta: a #GstDeltaCnnSegmentationMeta of a writable buffer
 * @x: left edge of the grid, frame pixels
 * @y: top edge of the grid, frame pixels
 * @w: width of the grid, frame pixels
 * @h: height of the grid, frame pixels
 *
 * Since: 0.1
 */
void
gst_delta_cnn_segmentation_meta_set_rectangle (GstDeltaCnnSegmentationMeta *
    meta, gfloat x, gfloat y, gfloat w, gfloat h)
{
  g_return_if_fail (meta != NULL);
  meta->x = x;
  meta->y = y;
  meta->w = w;
  meta->h = h;
}

/**
 * gst_delta_cnn_segmentation_meta_get_value:
 * @meta: a #GstDeltaCnnSegmentationMeta
 * @frame_x: a place on the frame, pixels
 * @frame_y: a place on the frame, pixels
 *
 * Returns: the value of the grid's cell there; 0 outside the grid
 *
 * Since: 0.1
 */
guint
gst_delta_cnn_segmentation_meta_get_value (const GstDeltaCnnSegmentationMeta *
    meta, gfloat frame_x, gfloat frame_y)
{
  const guint8 *data;
  gfloat column, row;

  g_return_val_if_fail (meta != NULL, 0);
  if (!meta->data || !(meta->w > 0) || !(meta->h > 0))
    return 0;
  column = floorf ((frame_x - meta->x) / meta->w * meta->width);
  row = floorf ((frame_y - meta->y) / meta->h * meta->height);
  if (!(column >= 0 && column < meta->width && row >= 0
          && row < meta->height))
    return 0;
  data = g_bytes_get_data (meta->data, NULL);
  return data[(gsize) row * meta->width + (gsize) column];
}

/**
 * gst_buffer_get_delta_cnn_segmentation_meta_by_index:
 * @buffer: a #GstBuffer
 * @index: which one, from 0, in the order in which they were attached
 *
 * For buffers that have passed several elements.
 *
 * Returns: (transfer none) (nullable): that mask of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnSegmentationMeta *
gst_buffer_get_delta_cnn_segmentation_meta_by_index (GstBuffer * buffer,
    guint index)
{
  return (GstDeltaCnnSegmentationMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_SEGMENTATION_META_API_TYPE, index, NULL);
}

/**
 * gst_buffer_get_delta_cnn_segmentation_meta_by_source:
 * @buffer: a #GstBuffer
 * @source: name of the element that attached it
 *
 * Returns: (transfer none) (nullable): the mask of that element
 *
 * Since: 0.1
 */
GstDeltaCnnSegmentationMeta *
gst_buffer_get_delta_cnn_segmentation_meta_by_source (GstBuffer * buffer,
    const gchar * source)
{
  g_return_val_if_fail (source != NULL, NULL);
  return (GstDeltaCnnSegmentationMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_SEGMENTATION_META_API_TYPE, 0, source);
}
