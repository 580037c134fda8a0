/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnsegmentationmeta.h - a mask: which pixels of the frame are what.
 *
 * The mask is a grid of bytes; the grid as a whole covers a rectangle of the
 * frame (frame pixels, which may reach over the frame's border). The
 * rectangle follows the picture through videoscale; the grid is shared, never
 * resampled.
 */
#ifndef GST_DELTA_CNN_SEGMENTATION_META_H
#define GST_DELTA_CNN_SEGMENTATION_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

typedef struct _GstDeltaCnnSegmentationMeta GstDeltaCnnSegmentationMeta;

/**
 * GstDeltaCnnSegmentationMeta:
 * @meta: the parent #GstMeta
 * @source: name of the element that attached it
 * @stale: the frame was not run; this is the result of an earlier one
 * @width: of the grid
 * @height: of the grid
 * @n_classes: 1: a value is a probability, 0..255; more: it is a class index,
 *   0 being the background where the model has one
 * @data: @width * @height bytes, row by row
 * @x: left edge of the grid on the frame, pixels
 * @y: top edge of the grid on the frame, pixels
 * @w: width of the grid on the frame, pixels
 * @h: height of the grid on the frame, pixels
 *
 * Since: 0.1
 */
struct _GstDeltaCnnSegmentationMeta
{
  GstMeta meta;

  GQuark source;
  gboolean stale;
  guint width, height;
  guint n_classes;
  GBytes *data;
  gfloat x, y, w, h;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_segmentation_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_segmentation_meta_get_info (void);
#define GST_DELTA_CNN_SEGMENTATION_META_API_TYPE \
    (gst_delta_cnn_segmentation_meta_api_get_type ())
#define GST_DELTA_CNN_SEGMENTATION_META_INFO \
    (gst_delta_cnn_segmentation_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnSegmentationMeta *gst_buffer_add_delta_cnn_segmentation_meta
    (GstBuffer * buffer, GQuark source, guint width, guint height,
    guint n_classes, GBytes * data);
GST_DELTA_CNN_API
GstDeltaCnnSegmentationMeta *gst_buffer_get_delta_cnn_segmentation_meta
    (GstBuffer * buffer);
GST_DELTA_CNN_API
void gst_delta_cnn_segmentation_meta_set_rectangle
    (GstDeltaCnnSegmentationMeta * meta, gfloat x, gfloat y, gfloat w,
    gfloat h);
GST_DELTA_CNN_API
guint gst_delta_cnn_segmentation_meta_get_value
    (const GstDeltaCnnSegmentationMeta * meta, gfloat frame_x, gfloat frame_y);
GST_DELTA_CNN_API
GstDeltaCnnSegmentationMeta *gst_buffer_get_delta_cnn_segmentation_meta_by_index
    (GstBuffer * buffer, guint index);
GST_DELTA_CNN_API
GstDeltaCnnSegmentationMeta *gst_buffer_get_delta_cnn_segmentation_meta_by_source
    (GstBuffer * buffer, const gchar * source);

G_END_DECLS

#endif
