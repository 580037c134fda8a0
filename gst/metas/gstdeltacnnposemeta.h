/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnposemeta.h - key points and skeletons of the people (or other
 * things) on a frame.
 *
 * Coordinates are pixels of the frame that carries the meta, continuous (a
 * pixel's centre is at .5), and follow the picture through videoscale.
 */
#ifndef GST_DELTA_CNN_POSE_META_H
#define GST_DELTA_CNN_POSE_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

typedef struct _GstDeltaCnnKeypoint GstDeltaCnnKeypoint;
typedef struct _GstDeltaCnnPose GstDeltaCnnPose;
typedef struct _GstDeltaCnnPoseMeta GstDeltaCnnPoseMeta;

/**
 * GstDeltaCnnKeypoint:
 * @x: frame pixels
 * @y: frame pixels
 * @score: 0..1; 0: not seen
 *
 * One joint.
 *
 * Since: 0.1
 */
struct _GstDeltaCnnKeypoint
{
  gfloat x, y;
  gfloat score;
};

/**
 * GstDeltaCnnPose:
 * @score: 0..1
 * @first: index of its first key point in the meta's array
 * @n_keypoints: how many follow from there
 *
 * One person: a range of key points.
 *
 * Since: 0.1
 */
struct _GstDeltaCnnPose
{
  gfloat score;
  guint first;
  guint n_keypoints;
};

/**
 * GstDeltaCnnPoseMeta:
 * @meta: the parent #GstMeta
 * @source: name of the element that attached it
 * @stale: the frame was not run; these are the results of an earlier one
 * @poses: (type gpointer): the people, best first: #GstDeltaCnnPose each
 * @keypoints: (type gpointer): all their key points: #GstDeltaCnnKeypoint each
 * @edges: (nullable): the skeleton: pairs of bytes, each a key point's index
 *   within its pose
 *
 * All poses of one element on one frame.
 *
 * Since: 0.1
 */
struct _GstDeltaCnnPoseMeta
{
  GstMeta meta;

  GQuark source;
  gboolean stale;
  GArray *poses;
  GArray *keypoints;
  GBytes *edges;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_pose_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_pose_meta_get_info (void);
#define GST_DELTA_CNN_POSE_META_API_TYPE \
    (gst_delta_cnn_pose_meta_api_get_type ())
#define GST_DELTA_CNN_POSE_META_INFO (gst_delta_cnn_pose_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnPoseMeta *gst_buffer_add_delta_cnn_pose_meta (GstBuffer * buffer,
    GQuark source, GBytes * edges);
GST_DELTA_CNN_API
GstDeltaCnnPoseMeta *gst_buffer_get_delta_cnn_pose_meta (GstBuffer * buffer);
GST_DELTA_CNN_API
void gst_delta_cnn_pose_meta_append (GstDeltaCnnPoseMeta * meta, gfloat score,
    const GstDeltaCnnKeypoint * keypoints, guint n_keypoints);
GST_DELTA_CNN_API
guint gst_delta_cnn_pose_meta_get_n_poses (const GstDeltaCnnPoseMeta * meta);
GST_DELTA_CNN_API
gfloat gst_delta_cnn_pose_meta_get_score (const GstDeltaCnnPoseMeta * meta,
    guint pose);
GST_DELTA_CNN_API
guint gst_delta_cnn_pose_meta_get_n_keypoints (const GstDeltaCnnPoseMeta *
    meta, guint pose);
GST_DELTA_CNN_API
gboolean gst_delta_cnn_pose_meta_get_keypoint (const GstDeltaCnnPoseMeta *
    meta, guint pose, guint index, GstDeltaCnnKeypoint * keypoint);
GST_DELTA_CNN_API
guint gst_delta_cnn_pose_meta_get_n_edges (const GstDeltaCnnPoseMeta * meta);
GST_DELTA_CNN_API
gboolean gst_delta_cnn_pose_meta_get_edge (const GstDeltaCnnPoseMeta * meta,
    guint index, guint * from, guint * to);
GST_DELTA_CNN_API
GstDeltaCnnPoseMeta *gst_buffer_get_delta_cnn_pose_meta_by_index
    (GstBuffer * buffer, guint index);
GST_DELTA_CNN_API
GstDeltaCnnPoseMeta *gst_buffer_get_delta_cnn_pose_meta_by_source
    (GstBuffer * buffer, const gchar * source);

G_END_DECLS

#endif
