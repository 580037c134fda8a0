/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnndetectionmeta.h"
#include "gstdeltacnnmeta-private.h"

#include <math.h>

static gboolean
gst_delta_cnn_detection_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  GstDeltaCnnDetectionMeta *self = (GstDeltaCnnDetectionMeta *) meta;

  self->source = 0;
  self->stale = FALSE;
  self->detections = g_array_new (FALSE, FALSE, sizeof (GstDeltaCnnDetection));
  return TRUE;
}

static void
gst_delta_cnn_detection_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstDeltaCnnDetectionMeta *self = (GstDeltaCnnDetectionMeta *) meta;

  g_clear_pointer (&self->detections, g_array_unref);
}

/* A turned box stays a rectangle: its sides and angle follow its axes. */
static void
scale_detection (GstDeltaCnnDetection * box, gfloat scale_x, gfloat scale_y)
{
  const gfloat c = cosf (box->angle), s = sinf (box->angle);
  const gfloat x = (box->x + box->width / 2) * scale_x;
  const gfloat y = (box->y + box->height / 2) * scale_y;

  box->width *= hypotf (c * scale_x, s * scale_y);
  box->height *= hypotf (s * scale_x, c * scale_y);
  box->angle = box->angle != 0 ? atan2f (s * scale_y, c * scale_x) : 0;
  box->x = x - box->width / 2;
  box->y = y - box->height / 2;
}

static gboolean
gst_delta_cnn_detection_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnDetectionMeta *self = (GstDeltaCnnDetectionMeta *) meta;
  const GstDeltaCnnTransform transform =
      gst_delta_cnn_transform_read (type, data);
  GstDeltaCnnDetectionMeta *copy;

  if (transform.kind == GST_DELTA_CNN_TRANSFORM_DROP)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_detection_meta (dest, self->source);
  if (!copy)
    return FALSE;
  copy->stale = self->stale;
  for (guint i = 0; i < self->detections->len; i++) {
    GstDeltaCnnDetection detection =
        g_array_index (self->detections, GstDeltaCnnDetection, i);
    scale_detection (&detection, transform.scale_x, transform.scale_y);
    gst_delta_cnn_detection_meta_append (copy, &detection);
  }
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnDetectionMeta,
    gst_delta_cnn_detection_meta)

/**
 * gst_buffer_add_delta_cnn_detection_meta:
 * @buffer: a writable #GstBuffer
 * @source: name of the element that attaches it, as a quark
 *
 * Attaches an empty list of boxes.
 *
 * Returns: (transfer none): the meta, owned by @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnDetectionMeta *
gst_buffer_add_delta_cnn_detection_meta (GstBuffer * buffer, GQuark source)
{
  GstDeltaCnnDetectionMeta *meta = (GstDeltaCnnDetectionMeta *)
      gst_buffer_add_meta (buffer, GST_DELTA_CNN_DETECTION_META_INFO, NULL);

  if (meta)
    meta->source = source;
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_detection_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the first detection meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnDetectionMeta *
gst_buffer_get_delta_cnn_detection_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnDetectionMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_DETECTION_META_API_TYPE);
}

/**
 * gst_delta_cnn_detection_meta_append:
 * @meta: a #GstDeltaCnnDetectionMeta of a writable buffer
 * @detection: a box, copied
 *
 * Since: 0.1
 */
void
gst_delta_cnn_detection_meta_append (GstDeltaCnnDetectionMeta * meta,
    const GstDeltaCnnDetection * detection)
{
  g_return_if_fail (meta != NULL && detection != NULL);
  g_array_append_val (meta->detections, *detection);
}

/**
 * gst_delta_cnn_detection_meta_get_n_detections:
 * @meta: a #GstDeltaCnnDetectionMeta
 *
 * Returns: how many boxes there are
 *
 * Since: 0.1
 */
guint
gst_delta_cnn_detection_meta_get_n_detections (const GstDeltaCnnDetectionMeta *
    meta)
{
  g_return_val_if_fail (meta != NULL, 0);
  return meta->detections->len;
}

/**
 * gst_delta_cnn_detection_meta_get_detection:
 * @meta: a #GstDeltaCnnDetectionMeta
 * @index: which box, 0 being the best
 * @detection: (out caller-allocates): filled with the box
 *
 * Returns: %FALSE when there is no such box
 *
 * Since: 0.1
 */
gboolean
gst_delta_cnn_detection_meta_get_detection (const GstDeltaCnnDetectionMeta *
    meta, guint index, GstDeltaCnnDetection * detection)
{
  g_return_val_if_fail (meta != NULL && detection != NULL, FALSE);
  if (index >= meta->detections->len)
    return FALSE;
  *detection = g_array_index (meta->detections, GstDeltaCnnDetection, index);
  return TRUE;
}

/**
 * gst_buffer_get_delta_cnn_detection_meta_by_index:
 * @buffer: a #GstBuffer
 * @index: which one, from 0, in the order in which they were attached
 *
 * For buffers that have passed several elements.
 *
 * Returns: (transfer none) (nullable): that detection meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnDetectionMeta *
gst_buffer_get_delta_cnn_detection_meta_by_index (GstBuffer * buffer,
    guint index)
{
  return (GstDeltaCnnDetectionMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_DETECTION_META_API_TYPE, index, NULL);
}

/**
 * gst_buffer_get_delta_cnn_detection_meta_by_source:
 * @buffer: a #GstBuffer
 * @source: name of the element that attached it
 *
 * Returns: (transfer none) (nullable): the detection meta of that element
 *
 * Since: 0.1
 */
GstDeltaCnnDetectionMeta *
gst_buffer_get_delta_cnn_detection_meta_by_source (GstBuffer * buffer,
    const gchar * source)
{
  g_return_val_if_fail (source != NULL, NULL);
  return (GstDeltaCnnDetectionMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_DETECTION_META_API_TYPE, 0, source);
}
