/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnnupdatemeta.h"
#include "gstdeltacnnmeta-private.h"

static gboolean
gst_delta_cnn_update_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  GstDeltaCnnUpdateMeta *self = (GstDeltaCnnUpdateMeta *) meta;

  self->source = 0;
  self->stale = FALSE;
  self->width = self->height = 0;
  self->words = NULL;
  self->x = self->y = self->w = self->h = 0;
  return TRUE;
}

static void
gst_delta_cnn_update_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstDeltaCnnUpdateMeta *self = (GstDeltaCnnUpdateMeta *) meta;

  g_clear_pointer (&self->words, g_bytes_unref);
}

static gboolean
gst_delta_cnn_update_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnUpdateMeta *self = (GstDeltaCnnUpdateMeta *) meta;
  const GstDeltaCnnTransform transform =
      gst_delta_cnn_transform_read (type, data);
  GstDeltaCnnUpdateMeta *copy;

  if (transform.kind == GST_DELTA_CNN_TRANSFORM_DROP || !self->words)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_update_meta (dest, self->source,
      self->width, self->height, self->words);
  if (!copy)
    return FALSE;
  copy->stale = self->stale;
  gst_delta_cnn_update_meta_set_rectangle (copy, self->x * transform.scale_x,
      self->y * transform.scale_y, self->w * transform.scale_x,
      self->h * transform.scale_y);
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnUpdateMeta, gst_delta_cnn_update_meta)

/**
 * gst_buffer_add_delta_cnn_update_meta:
 * @buffer: a writable #GstBuffer
 * @source: name of the element that attaches it, as a quark
 * @width: of the map
 * @height: of the map
 * @words: the bits: 8 bytes for each 8x8 block; referenced
 *
 * Attaches an update mask. Its rectangle is @width x @height at the origin
 * until gst_delta_cnn_update_meta_set_rectangle() says otherwise.
 *
 * Returns: (transfer none) (nullable): the meta, owned by @buffer, or %NULL
 *   when @words is too short
 *
 * Since: 0.1
 */
GstDeltaCnnUpdateMeta *
gst_buffer_add_delta_cnn_update_meta (GstBuffer * buffer, GQuark source,
    guint width, guint height, GBytes * words)
{
  GstDeltaCnnUpdateMeta *meta;
  const gsize blocks_x = ((gsize) width + 7) / 8;
  const gsize blocks_y = ((gsize) height + 7) / 8;

  g_return_val_if_fail (words != NULL, NULL);
  g_return_val_if_fail (width > 0 && height > 0, NULL);
  g_return_val_if_fail (g_bytes_get_size (words) / 8 / blocks_x >= blocks_y,
      NULL);

  meta = (GstDeltaCnnUpdateMeta *) gst_buffer_add_meta (buffer,
      GST_DELTA_CNN_UPDATE_META_INFO, NULL);
  if (meta) {
    meta->source = source;
    meta->width = width;
    meta->height = height;
    meta->words = g_bytes_ref (words);
    gst_delta_cnn_update_meta_set_rectangle (meta, 0, 0, width, height);
  }
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_update_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the first update mask of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnUpdateMeta *
gst_buffer_get_delta_cnn_update_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnUpdateMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_UPDATE_META_API_TYPE);
}

/**
 * gst_delta_cnn_update_meta_set_rectangle:
 * @meta: a #GstDeltaCnnUpdateMeta of a writable buffer
 * @x: left edge of the map, frame pixels
 * @y: top edge of the map, frame pixels
 * @w: width of the map, frame pixels
 * @h: height of the map, frame pixels
 *
 * Since: 0.1
 */
void
gst_delta_cnn_update_meta_set_rectangle (GstDeltaCnnUpdateMeta * meta,
    gfloat x, gfloat y, gfloat w, gfloat h)
{
  g_return_if_fail (meta != NULL);
  meta->x = x;
  meta->y = y;
  meta->w = w;
  meta->h = h;
}

/**
 * gst_delta_cnn_update_meta_get_pixel:
 * @meta: a #GstDeltaCnnUpdateMeta
 * @x: column of the map
 * @y: row of the map
 *
 * Returns: whether that pixel was recomputed; %FALSE outside the map
 *
 * Since: 0.1
 */
gboolean
gst_delta_cnn_update_meta_get_pixel (const GstDeltaCnnUpdateMeta * meta,
    guint x, guint y)
{
  const guint64 *words;

  g_return_val_if_fail (meta != NULL, FALSE);
  if (x >= meta->width || y >= meta->height || !meta->words)
    return FALSE;
  words = g_bytes_get_data (meta->words, NULL);
  return (words[(gsize) (y / 8) * ((meta->width + 7) / 8) + x / 8]
      >> (8 * (y % 8) + x % 8)) & 1;
}

/**
 * gst_delta_cnn_update_meta_count:
 * @meta: a #GstDeltaCnnUpdateMeta
 *
 * Returns: how many pixels of the map were recomputed
 *
 * Since: 0.1
 */
guint64
gst_delta_cnn_update_meta_count (const GstDeltaCnnUpdateMeta * meta)
{
  const guint64 *words;
  gsize n_words;
  guint64 count = 0;

  g_return_val_if_fail (meta != NULL, 0);
  if (!meta->words)
    return 0;
  words = g_bytes_get_data (meta->words, NULL);
  n_words = (gsize) ((meta->width + 7) / 8) * ((meta->height + 7) / 8);
  for (gsize i = 0; i < n_words; i++)
    count += __builtin_popcountll (words[i]);
  return count;
}

/**
 * gst_buffer_get_delta_cnn_update_meta_by_index:
 * @buffer: a #GstBuffer
 * @index: which one, from 0, in the order in which they were attached
 *
 * For buffers that have passed several elements.
 *
 * Returns: (transfer none) (nullable): that update mask of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnUpdateMeta *
gst_buffer_get_delta_cnn_update_meta_by_index (GstBuffer * buffer,
    guint index)
{
  return (GstDeltaCnnUpdateMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_UPDATE_META_API_TYPE, index, NULL);
}

/**
 * gst_buffer_get_delta_cnn_update_meta_by_source:
 * @buffer: a #GstBuffer
 * @source: name of the element that attached it
 *
 * Returns: (transfer none) (nullable): the update mask of that element
 *
 * Since: 0.1
 */
GstDeltaCnnUpdateMeta *
gst_buffer_get_delta_cnn_update_meta_by_source (GstBuffer * buffer,
    const gchar * source)
{
  g_return_val_if_fail (source != NULL, NULL);
  return (GstDeltaCnnUpdateMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_UPDATE_META_API_TYPE, 0, source);
}
