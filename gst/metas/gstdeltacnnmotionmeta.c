/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstdeltacnnmotionmeta.h"
#include "gstdeltacnnmeta-private.h"

#include <math.h>
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

GType
gst_delta_cnn_motion_flags_get_type (void)
{
  static const GFlagsValue values[] = {
    {GST_DELTA_CNN_MOTION_TILES, "GST_DELTA_CNN_MOTION_TILES", "tiles"},
    {GST_DELTA_CNN_MOTION_MATRIX, "GST_DELTA_CNN_MOTION_MATRIX", "matrix"},
    {0, NULL, NULL}
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        (gsize) g_flags_register_static ("GstDeltaCnnMotionFlags", values));
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
  self->flags = 0;
  self->reference = 0;
  self->window_x = self->window_y = 0;
  self->window_width = self->window_height = 0;
  self->tracks = NULL;
  return TRUE;
}

static void
gst_delta_cnn_motion_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  g_clear_pointer (&((GstDeltaCnnMotionMeta *) meta)->tracks, g_array_unref);
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

static void
gst_delta_cnn_motion_meta_copy_tracks (GstDeltaCnnMotionMeta * copy,
    const GstDeltaCnnMotionMeta * self, gfloat scale_x, gfloat scale_y)
{
  if (!self->tracks)
    return;
  copy->tracks = g_array_copy (self->tracks);
  for (guint i = 0; i < copy->tracks->len; i++) {
    GstDeltaCnnMotionTrack *track =
        &g_array_index (copy->tracks, GstDeltaCnnMotionTrack, i);
    track->from_x *= scale_x;
    track->from_y *= scale_y;
    track->x *= scale_x;
    track->y *= scale_y;
  }
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
  copy->flags = self->flags;
  copy->reference = self->reference;
  gst_delta_cnn_motion_meta_set_window (copy,
      self->window_x * transform.scale_x, self->window_y * transform.scale_y,
      self->window_width * transform.scale_x,
      self->window_height * transform.scale_y);
  gst_delta_cnn_motion_meta_copy_tracks (copy, self, transform.scale_x,
      transform.scale_y);
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
 * Attaches a motion in whole tiles, with the identity as its matrix; set
 * another where the picture moved by a part of a tile.
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
    meta->flags = GST_DELTA_CNN_MOTION_TILES;
  }
  return meta;
}

/**
 * gst_buffer_add_delta_cnn_motion_meta_matrix:
 * @buffer: a writable #GstBuffer
 * @state: what is known
 * @reference: number of the reference: another one after each that was
 *   re-anchored. 0: not told
 * @matrix: (array fixed-size=9): frame pixels to reference pixels, row by row
 *
 * Attaches a motion as a matrix. deltacnn puts its window itself, whatever the
 * network's tile is: what an application with a camera's pose wants.
 *
 * Returns: (transfer none): the meta, owned by @buffer
 *
 * Since: 0.1
 */
GstDeltaCnnMotionMeta *
gst_buffer_add_delta_cnn_motion_meta_matrix (GstBuffer * buffer,
    GstDeltaCnnMotionState state, guint64 reference, const gdouble * matrix)
{
  GstDeltaCnnMotionMeta *meta;

  g_return_val_if_fail (matrix != NULL, NULL);
  meta = gst_buffer_add_delta_cnn_motion_meta (buffer, state, 0, 0);
  if (meta) {
    gst_delta_cnn_motion_meta_set_matrix (meta, matrix);
    meta->flags = GST_DELTA_CNN_MOTION_MATRIX;
    meta->reference = reference;
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
 * Sets the matrix, and says so in the flags.
 *
 * Since: 0.1
 */
void
gst_delta_cnn_motion_meta_set_matrix (GstDeltaCnnMotionMeta * meta,
    const gdouble * matrix)
{
  g_return_if_fail (meta != NULL && matrix != NULL);
  memcpy (meta->matrix, matrix, sizeof meta->matrix);
  meta->flags |= GST_DELTA_CNN_MOTION_MATRIX;
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

static gboolean
apply (const gdouble * m, gdouble x, gdouble y, gdouble * out_x,
    gdouble * out_y)
{
  const gdouble w = m[6] * x + m[7] * y + m[8];

  *out_x = *out_y = 0;
  if (!(w > 1e-9))
    return FALSE;
  *out_x = (m[0] * x + m[1] * y + m[2]) / w;
  *out_y = (m[3] * x + m[4] * y + m[5]) / w;
  return isfinite (*out_x) && isfinite (*out_y);
}

/**
 * gst_delta_cnn_motion_meta_map:
 * @meta: a #GstDeltaCnnMotionMeta
 * @x: a point of the frame, pixels
 * @y: likewise
 * @reference_x: (out): where the reference has it
 * @reference_y: (out): likewise
 *
 * Returns: %FALSE where the matrix puts it at or behind the horizon; both are
 * then 0
 *
 * Since: 0.1
 */
gboolean
gst_delta_cnn_motion_meta_map (const GstDeltaCnnMotionMeta * meta, gdouble x,
    gdouble y, gdouble * reference_x, gdouble * reference_y)
{
  g_return_val_if_fail (meta && reference_x && reference_y, FALSE);
  return apply (meta->matrix, x, y, reference_x, reference_y);
}

/**
 * gst_delta_cnn_motion_meta_map_back:
 * @meta: a #GstDeltaCnnMotionMeta
 * @reference_x: a point of the reference, pixels
 * @reference_y: likewise
 * @x: (out): where this frame has it, inside the picture or not
 * @y: (out): likewise
 *
 * Returns: %FALSE where this frame cannot have it (it lies at or behind the
 * horizon), or the matrix has no inverse; both are then 0
 *
 * Since: 0.1
 */
gboolean
gst_delta_cnn_motion_meta_map_back (const GstDeltaCnnMotionMeta * meta,
    gdouble reference_x, gdouble reference_y, gdouble * x, gdouble * y)
{
  const gdouble *m;
  gdouble inverse[9], det;

  g_return_val_if_fail (meta && x && y, FALSE);
  m = meta->matrix;
  for (guint i = 0; i < 9; i++) {
    /* of the transposed cofactors */
    const guint r0 = (i % 3 + 1) % 3, r1 = (i % 3 + 2) % 3;
    const guint c0 = (i / 3 + 1) % 3, c1 = (i / 3 + 2) % 3;
    inverse[i] = m[3 * r0 + c0] * m[3 * r1 + c1]
        - m[3 * r0 + c1] * m[3 * r1 + c0];
  }
  det = m[0] * inverse[0] + m[1] * inverse[3] + m[2] * inverse[6];
  *x = *y = 0;
  if (!isfinite (det) || fabs (det) < 1e-12)
    return FALSE;
  for (guint i = 0; i < 9; i++)
    inverse[i] /= det;
  return apply (inverse, reference_x, reference_y, x, y);
}

/**
 * gst_delta_cnn_motion_meta_set_window:
 * @meta: a #GstDeltaCnnMotionMeta of a writable buffer
 * @x: left edge of the view window on the canvas, reference pixels
 * @y: its top edge
 * @width: its width
 * @height: its height
 *
 * Since: 0.1
 */
void
gst_delta_cnn_motion_meta_set_window (GstDeltaCnnMotionMeta * meta, gdouble x,
    gdouble y, gdouble width, gdouble height)
{
  g_return_if_fail (meta != NULL);
  meta->window_x = x;
  meta->window_y = y;
  meta->window_width = width;
  meta->window_height = height;
}

/**
 * gst_delta_cnn_motion_meta_append_track:
 * @meta: a #GstDeltaCnnMotionMeta of a writable buffer
 * @track: copied
 *
 * Since: 0.1
 */
void
gst_delta_cnn_motion_meta_append_track (GstDeltaCnnMotionMeta * meta,
    const GstDeltaCnnMotionTrack * track)
{
  g_return_if_fail (meta != NULL && track != NULL);
  if (!meta->tracks)
    meta->tracks = g_array_sized_new (FALSE, FALSE,
        sizeof (GstDeltaCnnMotionTrack), 160);
  g_array_append_val (meta->tracks, *track);
}

/**
 * gst_delta_cnn_motion_meta_get_n_tracks:
 * @meta: a #GstDeltaCnnMotionMeta
 *
 * Returns: how many points were followed, as far as they were asked for
 *
 * Since: 0.1
 */
guint
gst_delta_cnn_motion_meta_get_n_tracks (const GstDeltaCnnMotionMeta * meta)
{
  g_return_val_if_fail (meta != NULL, 0);
  return meta->tracks ? meta->tracks->len : 0;
}

/**
 * gst_delta_cnn_motion_meta_get_track:
 * @meta: a #GstDeltaCnnMotionMeta
 * @index: which one
 * @track: (out caller-allocates): filled
 *
 * Returns: %FALSE if there is none of that index
 *
 * Since: 0.1
 */
gboolean
gst_delta_cnn_motion_meta_get_track (const GstDeltaCnnMotionMeta * meta,
    guint index, GstDeltaCnnMotionTrack * track)
{
  g_return_val_if_fail (meta != NULL && track != NULL, FALSE);
  if (!meta->tracks || index >= meta->tracks->len)
    return FALSE;
  *track = g_array_index (meta->tracks, GstDeltaCnnMotionTrack, index);
  return TRUE;
}
