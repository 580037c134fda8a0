/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnvaluemeta.h - what a network read off a frame, or off a region of
 * it: numbers with names, an embedding, a text.
 *
 * Metas are plain data: read them from any thread that holds the buffer.
 */
#ifndef GST_DELTA_CNN_VALUE_META_H
#define GST_DELTA_CNN_VALUE_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

typedef struct _GstDeltaCnnValueMeta GstDeltaCnnValueMeta;

/**
 * GstDeltaCnnValueMeta:
 * @meta: the parent #GstMeta
 * @source: name of the element that attached it
 * @stale: the frame was not run; these are the results of an earlier one
 * @values: (element-type gfloat): the numbers
 * @names: (element-type GQuark): their names; empty, or as many as there are
 *   numbers
 * @text: (nullable): what was read; %NULL where the network reads no text
 * @text_score: 0..1
 * @x: left edge of the region that they are about, frame pixels
 * @y: its top edge
 * @w: its width; 0: they are about all of the frame
 * @h: its height
 *
 * Numbers or a text about one frame, or one region of it, by one element. Of
 * several regions (deltacnn windows) there is a meta each.
 *
 * Since: 0.1
 */
struct _GstDeltaCnnValueMeta
{
  GstMeta meta;

  GQuark source;
  gboolean stale;
  GArray *values;
  GArray *names;
  gchar *text;
  gfloat text_score;
  gfloat x, y, w, h;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_value_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_value_meta_get_info (void);
#define GST_DELTA_CNN_VALUE_META_API_TYPE                                      \
    (gst_delta_cnn_value_meta_api_get_type ())
#define GST_DELTA_CNN_VALUE_META_INFO (gst_delta_cnn_value_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnValueMeta *gst_buffer_add_delta_cnn_value_meta (GstBuffer * buffer,
    GQuark source);
GST_DELTA_CNN_API
GstDeltaCnnValueMeta *gst_buffer_get_delta_cnn_value_meta (GstBuffer * buffer);
GST_DELTA_CNN_API
GstDeltaCnnValueMeta *gst_buffer_get_delta_cnn_value_meta_by_index
    (GstBuffer * buffer, guint index);
GST_DELTA_CNN_API
GstDeltaCnnValueMeta *gst_buffer_get_delta_cnn_value_meta_by_source
    (GstBuffer * buffer, const gchar * source);
GST_DELTA_CNN_API
gboolean gst_delta_cnn_value_meta_get_value (const GstDeltaCnnValueMeta * meta,
    guint index, gfloat * value, const gchar ** name);

G_END_DECLS

#endif
