/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnpicturemeta.h - a picture that a network made of a frame.
 *
 * Metas are plain data: read them from any thread that holds the buffer.
 */
#ifndef GST_DELTA_CNN_PICTURE_META_H
#define GST_DELTA_CNN_PICTURE_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

typedef struct _GstDeltaCnnPictureMeta GstDeltaCnnPictureMeta;

/**
 * GstDeltaCnnPictureMeta:
 * @meta: the parent #GstMeta
 * @source: name of the element that attached it
 * @stale: the frame was not run; this is an earlier one's
 * @width: of the picture
 * @height: of the picture
 * @channels: 3: R, G, B; 1: luma
 * @data: @width * @height * @channels bytes, row by row
 * @x: left edge of the picture on the frame, frame pixels
 * @y: its top edge
 * @w: its width on the frame
 * @h: its height on the frame
 *
 * The element deltaimage shows it. Of several parts of the frame (deltacnn
 * windows) there is a meta each.
 *
 * Since: 0.1
 */
struct _GstDeltaCnnPictureMeta
{
  GstMeta meta;

  GQuark source;
  gboolean stale;
  guint width, height, channels;
  GBytes *data;
  gfloat x, y, w, h;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_picture_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_picture_meta_get_info (void);
#define GST_DELTA_CNN_PICTURE_META_API_TYPE                                    \
    (gst_delta_cnn_picture_meta_api_get_type ())
#define GST_DELTA_CNN_PICTURE_META_INFO                                        \
    (gst_delta_cnn_picture_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnPictureMeta *gst_buffer_add_delta_cnn_picture_meta
    (GstBuffer * buffer, GQuark source, guint width, guint height,
    guint channels, GBytes * data);
GST_DELTA_CNN_API
GstDeltaCnnPictureMeta *gst_buffer_get_delta_cnn_picture_meta
    (GstBuffer * buffer);
GST_DELTA_CNN_API
GstDeltaCnnPictureMeta *gst_buffer_get_delta_cnn_picture_meta_by_index
    (GstBuffer * buffer, guint index);
GST_DELTA_CNN_API
GstDeltaCnnPictureMeta *gst_buffer_get_delta_cnn_picture_meta_by_source
    (GstBuffer * buffer, const gchar * source);

G_END_DECLS

#endif
