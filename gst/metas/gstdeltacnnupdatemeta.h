/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnupdatemeta.h - the update mask: which pixels of the network's
 * input changed on this frame and were recomputed.
 *
 * One bit a pixel in 64-bit words of 8x8 blocks: block (by, bx) is word
 * by * ((width + 7) / 8) + bx, and in it bit 8 * (y % 8) + x % 8; bits outside
 * the map are 0. The map as a whole covers a rectangle of the frame.
 */
#ifndef GST_DELTA_CNN_UPDATE_META_H
#define GST_DELTA_CNN_UPDATE_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

typedef struct _GstDeltaCnnUpdateMeta GstDeltaCnnUpdateMeta;

/**
 * GstDeltaCnnUpdateMeta:
 * @meta: the parent #GstMeta
 * @source: name of the element that attached it
 * @stale: the frame was not run; this is an earlier one's mask
 * @width: of the map: the network's input, pixels
 * @height: of the map
 * @words: the bits, in words of the host's byte order, as told above
 * @x: left edge of the map on the frame, pixels
 * @y: top edge of the map on the frame, pixels
 * @w: width of the map on the frame, pixels
 * @h: height of the map on the frame, pixels
 *
 * Since: 0.1
 */
struct _GstDeltaCnnUpdateMeta
{
  GstMeta meta;

  GQuark source;
  gboolean stale;
  guint width, height;
  GBytes *words;
  gfloat x, y, w, h;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_update_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_update_meta_get_info (void);
#define GST_DELTA_CNN_UPDATE_META_API_TYPE \
    (gst_delta_cnn_update_meta_api_get_type ())
#define GST_DELTA_CNN_UPDATE_META_INFO (gst_delta_cnn_update_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnUpdateMeta *gst_buffer_add_delta_cnn_update_meta
    (GstBuffer * buffer, GQuark source, guint width, guint height,
    GBytes * words);
GST_DELTA_CNN_API
GstDeltaCnnUpdateMeta *gst_buffer_get_delta_cnn_update_meta
    (GstBuffer * buffer);
GST_DELTA_CNN_API
void gst_delta_cnn_update_meta_set_rectangle (GstDeltaCnnUpdateMeta * meta,
    gfloat x, gfloat y, gfloat w, gfloat h);
GST_DELTA_CNN_API
gboolean gst_delta_cnn_update_meta_get_pixel (const GstDeltaCnnUpdateMeta *
    meta, guint x, guint y);
GST_DELTA_CNN_API
guint64 gst_delta_cnn_update_meta_count (const GstDeltaCnnUpdateMeta * meta);
GST_DELTA_CNN_API
GstDeltaCnnUpdateMeta *gst_buffer_get_delta_cnn_update_meta_by_index
    (GstBuffer * buffer, guint index);
GST_DELTA_CNN_API
GstDeltaCnnUpdateMeta *gst_buffer_get_delta_cnn_update_meta_by_source
    (GstBuffer * buffer, const gchar * source);

G_END_DECLS

#endif
