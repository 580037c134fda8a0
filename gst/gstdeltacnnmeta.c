/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnmeta.c - what the metas share; see gstdeltacnnmeta-private.h.
 */
#include "gstdeltacnnmeta-private.h"

GType
gst_delta_cnn_meta_register_api (const gchar * name)
{
  static const gchar *tags[] = {
    GST_META_TAG_VIDEO_STR, GST_META_TAG_VIDEO_SIZE_STR,
    GST_META_TAG_VIDEO_ORIENTATION_STR, NULL
  };

  return gst_meta_api_type_register (name, tags);
}

GstDeltaCnnTransform
gst_delta_cnn_transform_read (GQuark type, gpointer data)
{
  GstDeltaCnnTransform transform = { GST_DELTA_CNN_TRANSFORM_DROP, 1, 1 };

  if (GST_META_TRANSFORM_IS_COPY (type)) {
    const GstMetaTransformCopy *copy = data;
    if (!copy || !copy->region)
      transform.kind = GST_DELTA_CNN_TRANSFORM_COPY;
  } else if (GST_VIDEO_META_TRANSFORM_IS_SCALE (type)) {
    const GstVideoMetaTransform *scale = data;
    const gint in_width = GST_VIDEO_INFO_WIDTH (scale->in_info);
    const gint in_height = GST_VIDEO_INFO_HEIGHT (scale->in_info);
    if (in_width > 0 && in_height > 0) {
      transform.kind = GST_DELTA_CNN_TRANSFORM_SCALE;
      transform.scale_x =
          (gfloat) GST_VIDEO_INFO_WIDTH (scale->out_info) / in_width;
      transform.scale_y =
          (gfloat) GST_VIDEO_INFO_HEIGHT (scale->out_info) / in_height;
    }
  }
  return transform;
}
