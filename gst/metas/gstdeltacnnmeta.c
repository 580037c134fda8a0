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

/* How all metas that tell of results begin. */
typedef struct
{
  GstMeta meta;
  GQuark source;
} SourcedMeta;

GstMeta *
gst_delta_cnn_meta_find (GstBuffer * buffer, GType api, guint index,
    const gchar * source)
{
  gpointer state = NULL;
  GstMeta *meta;

  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state, api))) {
    if (source && g_strcmp0 (g_quark_to_string (((SourcedMeta *) meta)->source),
            source) != 0)
      continue;
    if (index-- == 0)
      return meta;
  }
  return NULL;
}
