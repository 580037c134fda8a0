/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnclassmeta.h - what a network says that a frame as a whole shows.
 *
 * Metas are plain data: read them from any thread that holds the buffer.
 */
#ifndef GST_DELTA_CNN_CLASS_META_H
#define GST_DELTA_CNN_CLASS_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

typedef struct _GstDeltaCnnLabel GstDeltaCnnLabel;
typedef struct _GstDeltaCnnClassMeta GstDeltaCnnClassMeta;

/**
 * GstDeltaCnnLabel:
 * @score: 0..1
 * @class_id: index of the class, from 0
 * @label: the class's name as a quark, or 0
 *
 * One class that the frame may be of.
 *
 * Since: 0.1
 */
struct _GstDeltaCnnLabel
{
  gfloat score;
  gint class_id;
  GQuark label;
};

/**
 * GstDeltaCnnClassMeta:
 * @meta: the parent #GstMeta
 * @source: name of the element that attached it
 * @stale: the frame was not run; these are the results of an earlier one
 * @classes: (type gpointer): the classes, best first: #GstDeltaCnnLabel each
 *
 * The classes of one frame by one element; an empty array says "none above the
 * score threshold", no meta says "did not look".
 *
 * Since: 0.1
 */
struct _GstDeltaCnnClassMeta
{
  GstMeta meta;

  GQuark source;
  gboolean stale;
  GArray *classes;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_class_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_class_meta_get_info (void);
#define GST_DELTA_CNN_CLASS_META_API_TYPE                                      \
    (gst_delta_cnn_class_meta_api_get_type ())
#define GST_DELTA_CNN_CLASS_META_INFO (gst_delta_cnn_class_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnClassMeta *gst_buffer_add_delta_cnn_class_meta (GstBuffer * buffer,
    GQuark source);
GST_DELTA_CNN_API
GstDeltaCnnClassMeta *gst_buffer_get_delta_cnn_class_meta (GstBuffer * buffer);
GST_DELTA_CNN_API
void gst_delta_cnn_class_meta_append (GstDeltaCnnClassMeta * meta,
    gint class_id, gfloat score, GQuark label);
GST_DELTA_CNN_API
guint gst_delta_cnn_class_meta_get_n_classes (const GstDeltaCnnClassMeta *
    meta);
GST_DELTA_CNN_API
gboolean gst_delta_cnn_class_meta_get_class (const GstDeltaCnnClassMeta * meta,
    guint index, gint * class_id, gfloat * score, const gchar ** label);
GST_DELTA_CNN_API
GstDeltaCnnClassMeta *gst_buffer_get_delta_cnn_class_meta_by_index
    (GstBuffer * buffer, guint index);
GST_DELTA_CNN_API
GstDeltaCnnClassMeta *gst_buffer_get_delta_cnn_class_meta_by_source
    (GstBuffer * buffer, const gchar * source);

G_END_DECLS

#endif
