/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnnmotionmeta.h"
#include "gstdeltacnnmeta-private.h"

#include <string.h>

GType
gst_delta_cnn_motion_state_get_type (void)
{
  static const GEnumValue values[] = {
    {GST_DELTA_CNN_MOTION_ALIGNED, "GST_DELTA_CNN_MOTION_ALIGNED", "aligned"},
    {GST_DELTA_CNN_MOTION_REANCHORED, "GST_DELTA_CNN_MOTION_REANCHORED",
        "reanchored"},
    {GST_DELTA_CNN_MOTION_LOST, "GST_DELTA_CNN_MOTION_LOST", "lost"},
    {0, NULL, NULL}
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        (gsize) g_enum_register_static ("GstDeltaCnnMotionState", values));
  return (GType) type;
}

static gboolean
gst_delta_cnn_motion_meta_init (GstMeta * meta, gpointer params,
    GstBuffer * buffer)
{
  static const gdouble identity[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 };
  GstDeltaCnnMotionMeta *self = (GstDeltaCnnMotionMeta *) meta;

  self->state = GST_DELTA_CNN_MOTION_LOST;
  memcpy (self->matrix, identity, sizeof identity);
  self->inliers = self->error = 0;
  self->tile_x = self->tile_y = 0;
  self->remainder_x = self->remainder_y = 0;
  return TRUE;
}

static void
gst_delta_cnn_motion_meta_free (GstMeta * meta, GstBuffer * buffer)
{
}

/* The matrix of pictures scaled by s: S M S^-1. */
static void
gst_delta_cnn_motion_meta_scale_matrix (gdouble * matrix, gdouble scale_x,
    gdouble scale_y)
{
  const gdouble scale[3] = { scale_x, scale_y, 1 };

  for (guint row = 0; row < 3; row++)
    for (guint column = 0; column < 3; column++)
      matrix[3 * row + column] *= scale[row] / scale[column];
}

static gboolean
gst_delta_cnn_motion_meta_transform (GstBuffer * dest, GstMeta * meta,
    GstBuffer * buffer, GQuark type, gpointer data)
{
  const GstDeltaCnnMotionMeta *self = (GstDeltaCnnMotionMeta *) meta;
  const GstDeltaCnnTransform transform =
      gst_delta_cnn_transform_read (type, data);
  GstDeltaCnnMotionMeta *copy;

  if (transform.kind == GST_DELTA_CNN_TRANSFORM_DROP)
    return FALSE;
  copy = gst_buffer_add_delta_cnn_motion_meta (dest, self->state,
      self->tile_x, self->tile_y);
  if (!copy)
    return FALSE;
  gst_delta_cnn_motion_meta_set_matrix (copy, self->matrix);
  gst_delta_cnn_motion_meta_scale_matrix (copy->matrix, transform.scale_x,
      transform.scale_y);
  copy->inliers = self->inliers;
  copy->error = self->error * 0.5 * (transform.scale_x + transform.scale_y);
  copy->remainder_x = self->remainder_x;
  copy->remainder_y = self->remainder_y;
  return TRUE;
}

GST_DELTA_CNN_DEFINE_META (GstDeltaCnnMotionMeta, gst_delta_cnn_motion_meta)

/**
 * gst_buffer_add_delta_cnn_motion_meta:
 * @buffer: a writable #GstBuffer
 * @state: what is known
 * @tile_x: where the window lies on the canvas, in the network's tiles
 * @tile_y: likewise
 *
 * Attaches a motion with the identity as its matrix; fill the rest in.
 *
 * Returns: (transfer none): the meta, owned by @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnMotionMeta *
gst_buffer_add_delta_cnn_motion_meta (GstBuffer * buffer,
    GstDeltaCnnMotionState state, gint tile_x, gint tile_y)
{
  GstDeltaCnnMotionMeta *meta = (GstDeltaCnnMotionMeta *)
      gst_buffer_add_meta (buffer, GST_DELTA_CNN_MOTION_META_INFO, NULL);

  if (meta) {
    meta->state = state;
    meta->tile_x = tile_x;
    meta->tile_y = tile_y;
  }
  return meta;
}

/**
 * gst_buffer_get_delta_cnn_motion_meta:
 * @buffer: a #GstBuffer
 *
 * Returns: (transfer none) (nullable): the motion of @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnMotionMeta *
gst_buffer_get_delta_cnn_motion_meta (GstBuffer * buffer)
{
  return (GstDeltaCnnMotionMeta *) gst_buffer_get_meta (buffer,
      GST_DELTA_CNN_MOTION_META_API_TYPE);
}

/**
 * gst_delta_cnn_motion_meta_set_matrix:
 * @meta: a #GstDeltaCnnMotionMeta of a writable buffer
 * @matrix: (array fixed-size=9): frame pixels to reference pixels, row by row
 *
 * Since: 0.1
 */
void
gst_delta_cnn_motion_meta_set_matrix (GstDeltaCnnMotionMeta * meta,
    const gdouble * matrix)
{
  g_return_if_fail (meta != NULL && matrix != NULL);
  memcpy (meta->matrix, matrix, sizeof meta->matrix);
}

/**
 * gst_delta_cnn_motion_meta_get_matrix:
 * @meta: a #GstDeltaCnnMotionMeta
 * @matrix: (out caller-allocates) (array fixed-size=9): filled, row by row
 *
 * Since: 0.1
 */
void
gst_delta_cnn_motion_meta_get_matrix (const GstDeltaCnnMotionMeta * meta,
    gdouble * matrix)
{
  g_return_if_fail (meta != NULL && matrix != NULL);
  memcpy (matrix, meta->matrix, sizeof meta->matrix);
}
