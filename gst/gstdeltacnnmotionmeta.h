/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnmotionmeta.h - the camera's own motion on a frame.
 *
 * Attached by framealign, or by an application that knows the camera's pose
 * (IMU, PTZ head, SLAM), upstream of deltacnn, which honours the tile offset:
 * a frame whose picture moved by whole tiles keeps its stored results.
 */
#ifndef GST_DELTA_CNN_MOTION_META_H
#define GST_DELTA_CNN_MOTION_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

typedef struct _GstDeltaCnnMotionMeta GstDeltaCnnMotionMeta;

/**
 * GstDeltaCnnMotionState:
 * @GST_DELTA_CNN_MOTION_ALIGNED: the matrix maps this frame onto the
 *   reference
 * @GST_DELTA_CNN_MOTION_REANCHORED: this frame is the new reference
 * @GST_DELTA_CNN_MOTION_LOST: no motion could be found (blur, cut); the other
 *   fields mean nothing and the tile offset is ignored
 *
 * Since: 0.1
 */
typedef enum
{
  GST_DELTA_CNN_MOTION_ALIGNED,
  GST_DELTA_CNN_MOTION_REANCHORED,
  GST_DELTA_CNN_MOTION_LOST,
} GstDeltaCnnMotionState;

/**
 * GstDeltaCnnMotionMeta:
 * @meta: the parent #GstMeta
 * @state: what is known
 * @matrix: 3x3, row by row: homogeneous frame pixels -> reference pixels
 * @inliers: share of tracked points that the matrix explains, 0..1
 * @error: rms distance of the inliers, pixels
 * @tile_x: where the view window lies on the canvas, in the network's tiles,
 *   absolute
 * @tile_y: likewise
 * @remainder_x: what whole tiles leave of the motion, network pixels
 * @remainder_y: likewise
 *
 * Since: 0.1
 */
struct _GstDeltaCnnMotionMeta
{
  GstMeta meta;

  GstDeltaCnnMotionState state;
  gdouble matrix[9];
  gdouble inliers;
  gdouble error;
  gint tile_x, tile_y;
  gdouble remainder_x, remainder_y;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_motion_state_get_type (void);
#define GST_TYPE_DELTA_CNN_MOTION_STATE (gst_delta_cnn_motion_state_get_type ())

GST_DELTA_CNN_API
GType gst_delta_cnn_motion_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_motion_meta_get_info (void);
#define GST_DELTA_CNN_MOTION_META_API_TYPE \
    (gst_delta_cnn_motion_meta_api_get_type ())
#define GST_DELTA_CNN_MOTION_META_INFO (gst_delta_cnn_motion_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnMotionMeta *gst_buffer_add_delta_cnn_motion_meta
    (GstBuffer * buffer, GstDeltaCnnMotionState state, gint tile_x,
    gint tile_y);
GST_DELTA_CNN_API
GstDeltaCnnMotionMeta *gst_buffer_get_delta_cnn_motion_meta
    (GstBuffer * buffer);
GST_DELTA_CNN_API
void gst_delta_cnn_motion_meta_set_matrix (GstDeltaCnnMotionMeta * meta,
    const gdouble * matrix);
GST_DELTA_CNN_API
void gst_delta_cnn_motion_meta_get_matrix (const GstDeltaCnnMotionMeta * meta,
    gdouble * matrix);

G_END_DECLS

#endif
