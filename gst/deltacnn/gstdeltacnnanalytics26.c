/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnanalytics26.c - masks and tensors as upstream's metas; needs
 * GStreamer 1.26.
 */
#include "gstdeltacnnanalytics.h"

#include <gst/analytics/analytics.h>
#include <gst/video/video.h>
#include <math.h>

#include "gstdeltacnntensormeta.h"

/* A probability says yes from a half on. */
#define YES 128

/* The grid as a grey picture whose rows have no gaps: upstream's overlay reads
 * it with a stride of its width. */
static GstBuffer *
mask_buffer (GBytes * mask, guint width, guint height, gboolean probability)
{
  const gsize count = (gsize) width * height;
  const gsize offsets[GST_VIDEO_MAX_PLANES] = { 0 };
  const gint strides[GST_VIDEO_MAX_PLANES] = { (gint) width };
  GstBuffer *buffer;

  if (probability) {
    const guint8 *data = g_bytes_get_data (mask, NULL);
    guint8 *regions = g_malloc (count);

    for (gsize i = 0; i < count; i++)
      regions[i] = data[i] >= YES;
    buffer = gst_buffer_new_wrapped (regions, count);
  } else {
    buffer = gst_buffer_new_wrapped_bytes (mask);
  }
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_FORMAT_GRAY8, width, height, 1, offsets, strides);
  return buffer;
}

void
gst_delta_cnn_analytics_attach_mask (GstBuffer * buffer, GBytes * mask,
    guint width, guint height, guint n_classes,
    const GstDeltaCnnRectangle * at)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);
  guint32 regions[256];
  const guint n_regions = CLAMP (n_classes, 2, G_N_ELEMENTS (regions));
  GstAnalyticsSegmentationMtd mtd;

  if (!relations)
    relations = gst_buffer_add_analytics_relation_meta (buffer);
  for (guint i = 0; i < n_regions; i++)
    regions[i] = i;
  if (!relations
      || !gst_analytics_relation_meta_add_segmentation_mtd (relations,
          mask_buffer (mask, width, height, n_classes == 1),
          GST_SEGMENTATION_TYPE_SEMANTIC, n_regions, regions,
          lroundf (at->x), lroundf (at->y), lroundf (at->w), lroundf (at->h),
          &mtd))
    GST_WARNING ("could not add a mask to the relation meta");
}

static const GstTensorDataType upstream_types[] = {
  [GST_DELTA_CNN_TENSOR_FLOAT32] = GST_TENSOR_DATA_TYPE_FLOAT32,
  [GST_DELTA_CNN_TENSOR_FLOAT64] = GST_TENSOR_DATA_TYPE_FLOAT64,
  [GST_DELTA_CNN_TENSOR_FLOAT16] = GST_TENSOR_DATA_TYPE_FLOAT16,
  [GST_DELTA_CNN_TENSOR_INT8] = GST_TENSOR_DATA_TYPE_INT8,
  [GST_DELTA_CNN_TENSOR_UINT8] = GST_TENSOR_DATA_TYPE_UINT8,
  [GST_DELTA_CNN_TENSOR_INT16] = GST_TENSOR_DATA_TYPE_INT16,
  [GST_DELTA_CNN_TENSOR_UINT16] = GST_TENSOR_DATA_TYPE_UINT16,
  [GST_DELTA_CNN_TENSOR_INT32] = GST_TENSOR_DATA_TYPE_INT32,
  [GST_DELTA_CNN_TENSOR_UINT32] = GST_TENSOR_DATA_TYPE_UINT32,
  [GST_DELTA_CNN_TENSOR_INT64] = GST_TENSOR_DATA_TYPE_INT64,
  [GST_DELTA_CNN_TENSOR_UINT64] = GST_TENSOR_DATA_TYPE_UINT64,
  [GST_DELTA_CNN_TENSOR_BOOL] = GST_TENSOR_DATA_TYPE_UINT8,
};

void
gst_delta_cnn_analytics_attach_tensors (GstBuffer * buffer,
    const GArray * tensors, const GArray * ids)
{
  GstTensor **list = g_new (GstTensor *, tensors->len);

  for (guint i = 0; i < tensors->len; i++) {
    const GstDeltaCnnTensor *from =
        &g_array_index (tensors, GstDeltaCnnTensor, i);
    GstTensor *tensor = gst_tensor_alloc (from->n_dims);

    tensor->id = g_array_index (ids, GQuark, i);
    tensor->layout = GST_TENSOR_LAYOUT_CONTIGUOUS;
    tensor->data_type = upstream_types[from->type];
    tensor->data = gst_buffer_new_wrapped_bytes (from->data);
    tensor->dims_order = GST_TENSOR_DIM_ORDER_ROW_MAJOR;
    for (guint d = 0; d < from->n_dims; d++)
      tensor->dims[d] = (gsize) from->dims[d];
    list[i] = tensor;
  }
  /* takes the list */
  gst_tensor_meta_set (gst_buffer_add_tensor_meta (buffer), tensors->len,
      list);
}
