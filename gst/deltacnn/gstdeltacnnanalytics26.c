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

/* The part of a grid that lies in the frame, as a grey picture whose rows have
 * no gaps: upstream's overlay reads it with a stride of its width, and knows
 * no mask that reaches past the frame, as a letterbox's does. */
static GstBuffer *
mask_buffer (const guint8 * mask, guint width, guint height,
    gboolean probability, const GstDeltaCnnRectangle * at,
    const GstDeltaCnnRectangle * part, guint columns, guint rows)
{
  const gsize offsets[GST_VIDEO_MAX_PLANES] = { 0 };
  const gint strides[GST_VIDEO_MAX_PLANES] = { (gint) columns };
  const gsize count = (gsize) columns * rows;
  guint8 *regions = g_malloc (count);
  GstBuffer *buffer = gst_buffer_new_wrapped (regions, count);

  for (guint y = 0; y < rows; y++)
    for (guint x = 0; x < columns; x++) {
      const gdouble u = part->x + (x + 0.5) * part->w / columns - at->x;
      const gdouble v = part->y + (y + 0.5) * part->h / rows - at->y;
      const gint i = CLAMP ((gint) (u * width / at->w), 0, (gint) width - 1);
      const gint k = CLAMP ((gint) (v * height / at->h), 0, (gint) height - 1);
      const guint8 value = mask[(gsize) k * width + i];

      regions[(gsize) y * columns + x] = probability ? value >= YES : value;
    }
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_FORMAT_GRAY8, columns, rows, 1, offsets, strides);
  return buffer;
}

void
gst_delta_cnn_analytics_attach_mask (GstBuffer * buffer, GBytes * mask,
    guint width, guint height, guint n_classes,
    const GstDeltaCnnRectangle * at, guint frame_width, guint frame_height)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);
  guint32 regions[256];
  const guint n_regions = CLAMP (n_classes, 2, G_N_ELEMENTS (regions));
  const gfloat left = CLAMP (at->x, 0, frame_width);
  const gfloat top = CLAMP (at->y, 0, frame_height);
  const GstDeltaCnnRectangle part = { left, top,
    CLAMP (at->x + at->w, 0, frame_width) - left,
    CLAMP (at->y + at->h, 0, frame_height) - top
  };
  guint columns, rows;
  GstAnalyticsSegmentationMtd mtd;

  if (!(part.w >= 1) || !(part.h >= 1))
    return;
  columns = MAX (1, lroundf (part.w * width / at->w));
  rows = MAX (1, lroundf (part.h * height / at->h));
  if (!relations)
    relations = gst_buffer_add_analytics_relation_meta (buffer);
  for (guint i = 0; i < n_regions; i++)
    regions[i] = i;
  if (!relations
      || !gst_analytics_relation_meta_add_segmentation_mtd (relations,
          mask_buffer (g_bytes_get_data (mask, NULL), width, height,
              n_classes == 1, at, &part, columns, rows),
          GST_SEGMENTATION_TYPE_SEMANTIC, n_regions, regions,
          lroundf (part.x), lroundf (part.y), lroundf (part.w),
          lroundf (part.h), &mtd))
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
