/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnnposemeta.h"
#include "gstdeltacnnmeta-private.h"

static gboolean
gst_delta_cnn_pose_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  GstDeltaCnnPoseMeta *self = (GstDeltaCnnPoseMeta *) meta;

  self->source = 0;
  self->stale = FALSE;
  self->poses = g_array_new (FALSE, FALSE, sizeof (GstDeltaCnnPose));
  self->keypoints = g_array_new (FALSE, FALSE, sizeof (GstDeltaCnnKeypoint));
  self->edges = NULL;
  return TRUE;
}

static void
gst_delta_cnn_pose_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstDeltaCnnPoseMeta *self = (GstDeltaCnnPoseMeta *) meta;

  g_clear_pointer (&self->poses, g_array_unref);
  g_clear_pointer (&self->keypoints, g_array_unref);
  g_clear_pointer (&self->edges, g_bytes_unref);
}

static gboolean
gst_delta_cnn_pose_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnPoseMeta *self = (GstDeltaCnnPoseMeta *) meta;
  const GstDeltaCnnTransform transform =
      gst_delta_cnn_transform_read (type, data);
  GstDeltaCnnPoseMeta *copy;

  if (transform.kind == GST_DELTA_CNN_TRANSFORM_DROP)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_pose_meta (dest, self->source, self->edges);
  if (!copy)
    return FALSE;
  copy->stale = self->stale;
  g_array_append_vals (copy->poses, self->poses->data, self->poses->len);
  g_array_append_vals (copy->keypoints, self->keypoints->data,
      self->keypoints->len);
  for (guint i = 0; i < copy->keypoints->len; i++) {
    GstDeltaCnnKeypoint *keypoint =
        &g_array_index (copy->keypoints, GstDeltaCnnKeypoint, i);
    keypoint->x *= transform.scale_x;
    keypoint->y *= transform.scale_y;
  }
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnPoseMeta, gst_delta_cnn_pose_meta)

/**
 * gst_buffer_add_delta_cnn_pose_meta:
 * @buffer: a writable #GstBuffer
 * @source: name of the element that attaches it, as a quark
 * @edges: (nullable): the skeleton's edges, pairs of bytes; referenced
 *
 * Attaches an empty list of poses.
 *
 * Returns: (transfer none): the meta, owned by @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnPoseMeta *
gst_buffer_add_delta_cnn_pose_meta (GstBuffer * buffer, GQuark source,
    GBytes * edges)
{
  GstDeltaCnnPoseMeta *meta = (GstDeltaCnnPoseMeta *)
      gst_buffer_add_meta (buffer, GST_DELTA_CNN_POSE_META_INFO, NULL);

  if (meta) {
    meta->source = source;
    meta->edges = edges ? g_bytes_ref (edges) : NULL;
  }
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_pose_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the first pose meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnPoseMeta *
gst_buffer_get_delta_cnn_pose_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnPoseMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_POSE_META_API_TYPE);
}

/**
 * gst_delta_cnn_pose_meta_append:
 * @meta: a #GstDeltaCnnPoseMeta of a writable buffer
 * @score: of the pose, 0..1
 * @keypoints: (array length=n_keypoints): its key points, copied
 * @n_keypoints: how many
 *
 * Since: 0.1
 */
void
gst_delta_cnn_pose_meta_append (GstDeltaCnnPoseMeta * meta, gfloat score,
    const GstDeltaCnnKeypoint * keypoints, guint n_keypoints)
{
  GstDeltaCnnPose pose;

  g_return_if_fail (meta != NULL);
  g_return_if_fail (keypoints != NULL || n_keypoints == 0);

  pose.score = score;
  pose.first = meta->keypoints->len;
  pose.n_keypoints = n_keypoints;
  g_array_append_val (meta->poses, pose);
  if (n_keypoints > 0)
    g_array_append_vals (meta->keypoints, keypoints, n_keypoints);
}

/**
 * gst_delta_cnn_pose_meta_get_n_poses:
 * @meta: a #GstDeltaCnnPoseMeta
 *
 * Returns: how many poses there are
 *
 * Since: 0.1
 */
guint
gst_delta_cnn_pose_meta_get_n_poses (const GstDeltaCnnPoseMeta * meta)
{
  g_return_val_if_fail (meta != NULL, 0);
  return meta->poses->len;
}

/**
 * gst_delta_cnn_pose_meta_get_score:
 * @meta: a #GstDeltaCnnPoseMeta
 * @pose: which pose
 *
 * Returns: that pose's score, 0..1; 0 when there is no such pose
 *
 * Since: 0.1
 */
gfloat
gst_delta_cnn_pose_meta_get_score (const GstDeltaCnnPoseMeta * meta,
    guint pose)
{
  g_return_val_if_fail (meta != NULL, 0);
  return pose < meta->poses->len ?
      g_array_index (meta->poses, GstDeltaCnnPose, pose).score : 0;
}

/**
 * gst_delta_cnn_pose_meta_get_n_keypoints:
 * @meta: a #GstDeltaCnnPoseMeta
 * @pose: which pose
 *
 * Returns: how many key points that pose has; 0 when there is no such pose
 *
 * Since: 0.1
 */
guint
gst_delta_cnn_pose_meta_get_n_keypoints (const GstDeltaCnnPoseMeta * meta,
    guint pose)
{
  g_return_val_if_fail (meta != NULL, 0);
  return pose < meta->poses->len ?
      g_array_index (meta->poses, GstDeltaCnnPose, pose).n_keypoints : 0;
}

/**
 * gst_delta_cnn_pose_meta_get_keypoint:
 * @meta: a #GstDeltaCnnPoseMeta
 * @pose: which pose
 * @index: which of its key points
 * @keypoint: (out caller-allocates): filled with it
 *
 * Returns: %FALSE when there is no such key point
 *
 * Since: 0.1
 */
gboolean
gst_delta_cnn_pose_meta_get_keypoint (const GstDeltaCnnPoseMeta * meta,
    guint pose, guint index, GstDeltaCnnKeypoint * keypoint)
{
  const GstDeltaCnnPose *range;

  g_return_val_if_fail (meta != NULL && keypoint != NULL, FALSE);
  if (pose >= meta->poses->len)
    return FALSE;
  range = &g_array_index (meta->poses, GstDeltaCnnPose, pose);
  if (index >= range->n_keypoints
      || range->first + index >= meta->keypoints->len)
    return FALSE;
  *keypoint = g_array_index (meta->keypoints, GstDeltaCnnKeypoint,
      range->first + index);
  return TRUE;
}

/**
 * gst_delta_cnn_pose_meta_get_n_edges:
 * @meta: a #GstDeltaCnnPoseMeta
 *
 * Returns: how many edges the skeleton has
 *
 * Since: 0.1
 */
guint
gst_delta_cnn_pose_meta_get_n_edges (const GstDeltaCnnPoseMeta * meta)
{
  g_return_val_if_fail (meta != NULL, 0);
  return meta->edges ? g_bytes_get_size (meta->edges) / 2 : 0;
}

/**
 * gst_delta_cnn_pose_meta_get_edge:
 * @meta: a #GstDeltaCnnPoseMeta
 * @index: which edge
 * @from: (out): a key point's index within its pose
 * @to: (out): the other's
 *
 * Returns: %FALSE when there is no such edge
 *
 * Since: 0.1
 */
gboolean
gst_delta_cnn_pose_meta_get_edge (const GstDeltaCnnPoseMeta * meta,
    guint index, guint * from, guint * to)
{
  const guint8 *pairs;

  g_return_val_if_fail (meta != NULL && from != NULL && to != NULL, FALSE);
  if (index >= gst_delta_cnn_pose_meta_get_n_edges (meta))
    return FALSE;
  pairs = g_bytes_get_data (meta->edges, NULL);
  *from = pairs[2 * index];
  *to = pairs[2 * index + 1];
  return TRUE;
}

/**
 * gst_buffer_get_delta_cnn_pose_meta_by_index:
 * @buffer: a #GstBuffer
 * @index: which one, from 0, in the order in which they were attached
 *
 * For buffers that have passed several elements.
 *
 * Returns: (transfer none) (nullable): that pose meta of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnPoseMeta *
gst_buffer_get_delta_cnn_pose_meta_by_index (GstBuffer * buffer,
    guint index)
{
  return (GstDeltaCnnPoseMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_POSE_META_API_TYPE, index, NULL);
}

/**
 * gst_buffer_get_delta_cnn_pose_meta_by_source:
 * @buffer: a #GstBuffer
 * @source: name of the element that attached it
 *
 * Returns: (transfer none) (nullable): the pose meta of that element
 *
 * Since: 0.1
 */
GstDeltaCnnPoseMeta *
gst_buffer_get_delta_cnn_pose_meta_by_source (GstBuffer * buffer,
    const gchar * source)
{
  g_return_val_if_fail (source != NULL, NULL);
  return (GstDeltaCnnPoseMeta *) gst_delta_cnn_meta_find (buffer,
      GST_DELTA_CNN_POSE_META_API_TYPE, 0, source);
}
