/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnmotionmeta.h - the camera's own motion on a frame.
 *
 * Attached by framealign, or by an application that knows the camera's pose
 * (IMU, PTZ head, SLAM), upstream of deltacnn. It tells by a matrix, by where
 * the view window lies in whole tiles of the network, or by both; its flags
 * say which.
 *
 * Coordinates are continuous pixels of the picture as the caps have it: the
 * top left pixel covers 0..1, its centre is at (0.5, 0.5). With column vectors,
 * (X, Y, W) = matrix * (x, y, 1): the point (x, y) of this frame lies at
 * (X / W, Y / W) of the reference's picture. A camera that turned right by 10
 * pixels has matrix[2] = 10.
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
 * @GST_DELTA_CNN_MOTION_REANCHORED: this frame is the new reference; what was
 *   stored of the last one is of no use
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
 * GstDeltaCnnMotionFlags:
 * @GST_DELTA_CNN_MOTION_TILES: tile_x, tile_y and the remainders are given:
 *   without a matrix, the window is put there
 * @GST_DELTA_CNN_MOTION_MATRIX: matrix is given: deltacnn samples the frame
 *   through it, and puts the window itself
 *
 * What a motion tells.
 *
 * Since: 0.1
 */
typedef enum
{
  GST_DELTA_CNN_MOTION_TILES = 1 << 0,
  GST_DELTA_CNN_MOTION_MATRIX = 1 << 1,
} GstDeltaCnnMotionFlags;

/**
 * GstDeltaCnnMotionTrack:
 * @from_x: where the last frame that was aligned had it, pixels; @x where that
 *   did not look for it
 * @from_y: likewise
 * @x: where this frame has it
 * @y: likewise
 * @inlier: whether the matrix explains it; else it moves by itself
 *
 * A point that was followed, for drawing.
 *
 * Since: 0.1
 */
typedef struct
{
  gfloat from_x, from_y;
  gfloat x, y;
  gboolean inlier;
} GstDeltaCnnMotionTrack;

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
 * @flags: which of matrix and tiles are given
 * @reference: number of the reference; a frame with another number than the
 *   last has another reference, even where the one that was REANCHORED was
 *   dropped on the way. 0: not told
 * @window_x: the view window that deltacnn put on the canvas: its left edge, in
 *   the reference's pixels; filled in by deltacnn, for drawing
 * @window_y: its top edge
 * @window_width: its width; 0: not told
 * @window_height: its height
 * @tracks: (element-type GstDeltaCnnMotionTrack) (nullable): the points that
 *   were followed, if they were asked for
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
  GstDeltaCnnMotionFlags flags;
  guint64 reference;
  gdouble window_x, window_y, window_width, window_height;
  GArray *tracks;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_motion_state_get_type (void);
#define GST_TYPE_DELTA_CNN_MOTION_STATE (gst_delta_cnn_motion_state_get_type ())
GST_DELTA_CNN_API
GType gst_delta_cnn_motion_flags_get_type (void);
#define GST_TYPE_DELTA_CNN_MOTION_FLAGS (gst_delta_cnn_motion_flags_get_type ())

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
GstDeltaCnnMotionMeta *gst_buffer_add_delta_cnn_motion_meta_matrix
    (GstBuffer * buffer, GstDeltaCnnMotionState state, guint64 reference,
    const gdouble * matrix);
GST_DELTA_CNN_API
GstDeltaCnnMotionMeta *gst_buffer_get_delta_cnn_motion_meta
    (GstBuffer * buffer);
GST_DELTA_CNN_API
void gst_delta_cnn_motion_meta_set_matrix (GstDeltaCnnMotionMeta * meta,
    const gdouble * matrix);
GST_DELTA_CNN_API
void gst_delta_cnn_motion_meta_get_matrix (const GstDeltaCnnMotionMeta * meta,
    gdouble * matrix);
GST_DELTA_CNN_API
gboolean gst_delta_cnn_motion_meta_map (const GstDeltaCnnMotionMeta * meta,
    gdouble x, gdouble y, gdouble * reference_x, gdouble * reference_y);
GST_DELTA_CNN_API
gboolean gst_delta_cnn_motion_meta_map_back
    (const GstDeltaCnnMotionMeta * meta, gdouble reference_x,
    gdouble reference_y, gdouble * x, gdouble * y);
GST_DELTA_CNN_API
void gst_delta_cnn_motion_meta_set_window (GstDeltaCnnMotionMeta * meta,
    gdouble x, gdouble y, gdouble width, gdouble height);
GST_DELTA_CNN_API
void gst_delta_cnn_motion_meta_append_track (GstDeltaCnnMotionMeta * meta,
    const GstDeltaCnnMotionTrack * track);
GST_DELTA_CNN_API
guint gst_delta_cnn_motion_meta_get_n_tracks
    (const GstDeltaCnnMotionMeta * meta);
GST_DELTA_CNN_API
gboolean gst_delta_cnn_motion_meta_get_track
    (const GstDeltaCnnMotionMeta * meta, guint index,
    GstDeltaCnnMotionTrack * track);

G_END_DECLS

#endif
