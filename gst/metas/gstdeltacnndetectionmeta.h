/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnndetectionmeta.h - the boxes that a network found on a frame.
 *
 * Coordinates are pixels of the frame that carries the meta, continuous (a
 * pixel's centre is at .5), and follow the picture through videoscale.
 * Metas are plain data: read them from any thread that holds the buffer.
 */
#ifndef GST_DELTA_CNN_DETECTION_META_H
#define GST_DELTA_CNN_DETECTION_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

typedef struct _GstDeltaCnnDetection GstDeltaCnnDetection;
typedef struct _GstDeltaCnnDetectionMeta GstDeltaCnnDetectionMeta;

/**
 * GstDeltaCnnDetection:
 * @x: left edge, frame pixels
 * @y: top edge, frame pixels
 * @width: in frame pixels
 * @height: in frame pixels
 * @score: 0..1
 * @class_id: index of the class, from 0
 * @label: the class's name as a quark, or 0
 * @angle: radians clockwise, about the box's centre; 0 for an upright box
 *
 * One box.
 *
 * Since: 0.1
 */
struct _GstDeltaCnnDetection
{
  gfloat x, y, width, height;
  gfloat score;
  gint class_id;
  GQuark label;
  gfloat angle;
};

/**
 * GstDeltaCnnDetectionMeta:
 * @meta: the parent #GstMeta
 * @source: name of the element that attached it
 * @stale: the frame was not run; these are the results of an earlier one
 * @detections: (type gpointer): the boxes, best first: #GstDeltaCnnDetection each
 *
 * All boxes of one element on one frame; an empty array says "looked, found
 * nothing", no meta says "did not look".
 *
 * Since: 0.1
 */
struct _GstDeltaCnnDetectionMeta
{
  GstMeta meta;

  GQuark source;
  gboolean stale;
  GArray *detections;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_detection_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_detection_meta_get_info (void);
#define GST_DELTA_CNN_DETECTION_META_API_TYPE \
    (gst_delta_cnn_detection_meta_api_get_type ())
#define GST_DELTA_CNN_DETECTION_META_INFO \
    (gst_delta_cnn_detection_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnDetectionMeta *gst_buffer_add_delta_cnn_detection_meta
    (GstBuffer * buffer, GQuark source);
GST_DELTA_CNN_API
GstDeltaCnnDetectionMeta *gst_buffer_get_delta_cnn_detection_meta
    (GstBuffer * buffer);
GST_DELTA_CNN_API
void gst_delta_cnn_detection_meta_append (GstDeltaCnnDetectionMeta * meta,
    const GstDeltaCnnDetection * detection);
GST_DELTA_CNN_API
guint gst_delta_cnn_detection_meta_get_n_detections
    (const GstDeltaCnnDetectionMeta * meta);
GST_DELTA_CNN_API
gboolean gst_delta_cnn_detection_meta_get_detection
    (const GstDeltaCnnDetectionMeta * meta, guint index,
    GstDeltaCnnDetection * detection);
GST_DELTA_CNN_API
GstDeltaCnnDetectionMeta *gst_buffer_get_delta_cnn_detection_meta_by_index
    (GstBuffer * buffer, guint index);
GST_DELTA_CNN_API
GstDeltaCnnDetectionMeta *gst_buffer_get_delta_cnn_detection_meta_by_source
    (GstBuffer * buffer, const gchar * source);

G_END_DECLS

#endif
