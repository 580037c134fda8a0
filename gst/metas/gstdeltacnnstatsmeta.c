/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnnstatsmeta.h"
#include "gstdeltacnnmeta-private.h"

static void
gst_delta_cnn_stats_meta_assign (GstDeltaCnnStatsMeta * to,
    const GstDeltaCnnStatsMeta * from)
{
  const GstMeta head = to->meta;

  *to = *from;
  to->meta = head;
}

static gboolean
gst_delta_cnn_stats_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  const GstDeltaCnnStatsMeta zero = { {0} };

  gst_delta_cnn_stats_meta_assign ((GstDeltaCnnStatsMeta *) meta, &zero);
  return TRUE;
}

static void
gst_delta_cnn_stats_meta_free (GstMeta * meta, GstBuffer * buffer)
{
}

static gboolean
gst_delta_cnn_stats_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnStatsMeta *self = (GstDeltaCnnStatsMeta *) meta;
  GstDeltaCnnStatsMeta *copy;

  if (gst_delta_cnn_transform_read (type, data).kind ==
      GST_DELTA_CNN_TRANSFORM_DROP)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_stats_meta (dest, self->source);
  if (!copy)
    return FALSE;
  gst_delta_cnn_stats_meta_assign (copy, self);
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnStatsMeta, gst_delta_cnn_stats_meta)

/**
 * gst_buffer_add_delta_cnn_stats_meta:
 * @buffer: a writable #GstBuffer
 * @source: name of the element that attaches it, as a quark
 *
 * Attaches statistics, all zero; fill the fields in.
 *
 * Returns: (transfer none): the meta, owned by @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnStatsMeta *
gst_buffer_add_delta_cnn_stats_meta (GstBuffer * buffer, GQuark source)
{
  GstDeltaCnnStatsMeta *meta = (GstDeltaCnnStatsMeta *)
      gst_buffer_add_meta (buffer, GST_DELTA_CNN_STATS_META_INFO, NULL);

  if (meta)
    meta->source = source;
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_stats_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the first statistics of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnStatsMeta *
gst_buffer_get_delta_cnn_stats_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnStatsMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_STATS_META_API_TYPE);
}

/**
 * gst_buffer_get_delta_cnn_stats_meta_by_index:
 * @buffer: a #GstBuffer
 * @index: which one, from 0, in the order in which they were attached
 *
 * For buffers that have passed several elements.
 *
 * Returns: (transfer none) (nullable): that statistics of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnStatsMeta *
gst_buffer_get_delta_cnn_stats_meta_by_index (GstBuffer * buffer,
    guint index)
{
  return (GstDeltaCnnStatsMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_STATS_META_API_TYPE, index, NULL);
}

/**
 * gst_buffer_get_delta_cnn_stats_meta_by_source:
 * @buffer: a #GstBuffer
 * @source: name of the element that attached it
 *
 * Returns: (transfer none) (nullable): the statistics of that element
 *
 * Since: 0.1
 */
GstDeltaCnnStatsMeta *
gst_buffer_get_delta_cnn_stats_meta_by_source (GstBuffer * buffer,
    const gchar * source)
{
  g_return_val_if_fail (source != NULL, NULL);
  return (GstDeltaCnnStatsMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_STATS_META_API_TYPE, 0, source);
}
