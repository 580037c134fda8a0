/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnframe.c - see gstdeltacnnframe.h.
 */
#include "gstdeltacnnframe.h"

static DcnnPixelFormat
gst_delta_cnn_frame_format (GstVideoFormat format)
{
  static const gchar *const names[DCNN_FORMAT_COUNT] = {
#define DCNN_X(e, name, planes, bytes) name,
    DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  };
  const gchar *name = gst_video_format_to_string (format);
  guint i = 0;

  while (i < DCNN_FORMAT_COUNT && g_strcmp0 (name, names[i]) != 0)
    i++;
  return (DcnnPixelFormat) i;
}

gboolean
gst_delta_cnn_frame_fill (const GstVideoFrame * video, DcnnFrame * frame)
{
  const GstVideoColorimetry *colorimetry = &video->info.colorimetry;
  gdouble kr = 0.299, kb = 0.114;

  *frame = (DcnnFrame) {
    .format = gst_delta_cnn_frame_format (GST_VIDEO_FRAME_FORMAT (video)),
    .width = GST_VIDEO_FRAME_WIDTH (video),
    .height = GST_VIDEO_FRAME_HEIGHT (video),
    .full_range = colorimetry->range == GST_VIDEO_COLOR_RANGE_0_255,
    .pixel_aspect = GST_VIDEO_INFO_PAR_D (&video->info) > 0 ?
        (gfloat) GST_VIDEO_INFO_PAR_N (&video->info)
        / GST_VIDEO_INFO_PAR_D (&video->info) : 1,
  };
  if (frame->format == DCNN_FORMAT_COUNT)
    return FALSE;
  for (guint i = 0; i < MIN (GST_VIDEO_FRAME_N_PLANES (video), 3); i++) {
    frame->planes[i] = GST_VIDEO_FRAME_PLANE_DATA (video, i);
    frame->strides[i] = GST_VIDEO_FRAME_PLANE_STRIDE (video, i);
  }
  /* Fails for RGB and for "unknown", which then is BT.601, as in
   * GstVideoConverter. */
  if (!gst_video_color_matrix_get_Kr_Kb (colorimetry->matrix, &kr, &kb)) {
    kr = 0.299;
    kb = 0.114;
  }
  frame->kr = kr;
  frame->kb = kb;
  return TRUE;
}

/* Sets the error of a buffer that is not what its caps say; part: what it is
 * instead. Takes part. */
static gboolean
gst_delta_cnn_frame_refuse (const GstVideoInfo * info, gchar * part,
    GError ** error)
{
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "%s, but its caps say %s %dx%d (%" G_GSIZE_FORMAT " bytes). The element "
      "before sends frames that do not match its caps.", part,
      GST_VIDEO_INFO_NAME (info), GST_VIDEO_INFO_WIDTH (info),
      GST_VIDEO_INFO_HEIGHT (info), GST_VIDEO_INFO_SIZE (info));
  g_free (part);
  return FALSE;
}

/* The same of memory that nobody here can look into. */
static gboolean
gst_delta_cnn_frame_refuse_memory (GstBuffer * buffer, GError ** error)
{
  const GstMemory *memory = gst_buffer_n_memory (buffer) == 0 ? NULL :
      gst_buffer_peek_memory (buffer, 0);
  const gchar *type = memory && memory->allocator ?
      memory->allocator->mem_type : NULL;

  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "A buffer of %" G_GSIZE_FORMAT " bytes cannot be mapped: its memory (%s) "
      "cannot be reached from the processor. Put an element before that copies "
      "pictures to system memory.", gst_buffer_get_size (buffer),
      type ? type : "of no allocator");
  return FALSE;
}

/* Where in the meta's picture the caps' one lies. FALSE: it does not fit. */
static gboolean
gst_delta_cnn_frame_place (const GstVideoInfo * info, GstBuffer * buffer,
    const GstVideoMeta * meta, guint * x, guint * y)
{
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);
  const guint width = GST_VIDEO_INFO_WIDTH (info);
  const guint height = GST_VIDEO_INFO_HEIGHT (info);

  *x = *y = 0;
  if (meta->format != GST_VIDEO_INFO_FORMAT (info) || meta->width < width
      || meta->height < height)
    return FALSE;
  /* A crop of a picture of the caps' own size is a wish of whoever shows it:
   * the network sees all that the caps promise. */
  if (!crop || (meta->width == width && meta->height == height))
    return TRUE;
  *x = crop->x;
  *y = crop->y;
  return crop->x <= meta->width - width && crop->y <= meta->height - height
      && crop->width >= width && crop->height >= height;
}

/* Bytes of a row of the picture in a plane, and how many rows it has there. */
static void
gst_delta_cnn_frame_extent (const GstVideoInfo * info, guint plane,
    gsize * row_bytes, gsize * rows)
{
  const GstVideoFormatInfo *format = info->finfo;

  *row_bytes = *rows = 0;
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++) {
    const gsize width = GST_VIDEO_FORMAT_INFO_SCALE_WIDTH (format, c,
        GST_VIDEO_INFO_WIDTH (info));
    const gsize height = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT (format, c,
        GST_VIDEO_INFO_HEIGHT (info));

    if (GST_VIDEO_FORMAT_INFO_PLANE (format, c) != plane)
      continue;
    /* Whole pixels: the engine reads RGBx by four bytes. */
    *row_bytes = MAX (*row_bytes,
        width * GST_VIDEO_FORMAT_INFO_PSTRIDE (format, c));
    *rows = MAX (*rows, height);
  }
}

/* Moves the plane's start to column x, row y of the whole picture. */
static gint64
gst_delta_cnn_frame_skip (const GstVideoInfo * info, guint plane, guint x,
    guint y, gint stride)
{
  const GstVideoFormatInfo *format = info->finfo;
  guint c = 0;

  while (GST_VIDEO_FORMAT_INFO_PLANE (format, c) != plane)
    c++;
  return (gint64) (y >> GST_VIDEO_FORMAT_INFO_H_SUB (format, c)) * stride
      + (gint64) (x >> GST_VIDEO_FORMAT_INFO_W_SUB (format, c))
      * GST_VIDEO_FORMAT_INFO_PSTRIDE (format, c);
}

/* Does the plane, whose first byte is `start` bytes into `size` bytes of
 * memory, lie inside? Its rows may go up (a negative stride), not overlap. */
static gboolean
gst_delta_cnn_frame_inside (gint64 start, gint stride, gsize row_bytes,
    gsize rows, gsize size)
{
  const gint64 span = ((gint64) rows - 1) * stride;
  const gint64 first = start + MIN (span, 0), last = start + MAX (span, 0);

  if (rows > 1 && ABS ((gint64) stride) < (gint64) row_bytes)
    return FALSE;
  return first >= 0 && (guint64) last + row_bytes <= size;
}

/* hidden: set when the plane begins in memory that cannot be mapped. */
static gboolean
gst_delta_cnn_frame_map_by_meta (GstVideoFrame * video, GstVideoMeta * meta,
    guint x, guint y, GstMapFlags flags, gboolean * hidden)
{
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (&video->info); i++) {
    gsize row_bytes, rows;
    gpointer data = NULL;
    gint stride = 0;
    gint64 start;

    if (i >= meta->n_planes || !gst_video_meta_map (meta, i, &video->map[i],
            &data, &stride, flags)) {
      video->map[i].memory = NULL;
      *hidden = i < meta->n_planes &&
          meta->offset[i] < gst_buffer_get_size (video->buffer);
      return FALSE;
    }
    gst_delta_cnn_frame_extent (&video->info, i, &row_bytes, &rows);
    start = (guint8 *) data - video->map[i].data
        + gst_delta_cnn_frame_skip (&video->info, i, x, y, stride);
    if (!gst_delta_cnn_frame_inside (start, stride, row_bytes, rows,
            video->map[i].size))
      return FALSE;
    video->data[i] = video->map[i].data + start;
    video->info.stride[i] = stride;
  }
  return TRUE;
}

static gboolean
gst_delta_cnn_frame_map_plain (GstVideoFrame * video, GstMapFlags flags,
    gboolean * hidden)
{
  if (!gst_buffer_map (video->buffer, &video->map[0], flags)) {
    video->map[0].memory = NULL;
    *hidden = TRUE;
    return FALSE;
  }
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (&video->info); i++) {
    gsize row_bytes, rows;

    gst_delta_cnn_frame_extent (&video->info, i, &row_bytes, &rows);
    if (!gst_delta_cnn_frame_inside (video->info.offset[i],
            video->info.stride[i], row_bytes, rows, video->map[0].size))
      return FALSE;
    video->data[i] = video->map[0].data + video->info.offset[i];
  }
  return TRUE;
}

gboolean
gst_delta_cnn_frame_map (GstVideoFrame * video, const GstVideoInfo * info,
    GstBuffer * buffer, GstMapFlags flags, GError ** error)
{
  GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  const gsize size = gst_buffer_get_size (buffer);
  gboolean hidden = FALSE;
  guint x, y;

  *video = (GstVideoFrame) {
  .info = *info,.buffer = buffer,.meta = meta};
  if (meta && !gst_delta_cnn_frame_place (info, buffer, meta, &x, &y))
    return gst_delta_cnn_frame_refuse (info, g_strdup_printf ("A buffer's "
            "video meta says %s %ux%u%s",
            gst_video_format_to_string (meta->format), meta->width,
            meta->height, meta->width < (guint) GST_VIDEO_INFO_WIDTH (info) ||
            !gst_buffer_get_video_crop_meta (buffer) ? "" :
            " with a crop that does not lie in it"), error);
  if (!meta && size < GST_VIDEO_INFO_SIZE (info))
    return gst_delta_cnn_frame_refuse (info, g_strdup_printf ("A buffer of %"
            G_GSIZE_FORMAT " bytes is too short", size), error);
  if (meta ? gst_delta_cnn_frame_map_by_meta (video, meta, x, y, flags,
          &hidden) : gst_delta_cnn_frame_map_plain (video, flags, &hidden))
    return TRUE;
  gst_delta_cnn_frame_unmap (video);
  if (hidden)
    return gst_delta_cnn_frame_refuse_memory (buffer, error);
  if (meta)
    return gst_delta_cnn_frame_refuse (info, g_strdup_printf ("A buffer's "
            "video meta says %s %ux%u with planes that do not lie in its %"
            G_GSIZE_FORMAT " bytes", gst_video_format_to_string (meta->format),
            meta->width, meta->height, size), error);
  return gst_delta_cnn_frame_refuse (info, g_strdup_printf ("A buffer of %"
          G_GSIZE_FORMAT " bytes has planes that do not lie in it", size),
      error);
}

void
gst_delta_cnn_frame_unmap (GstVideoFrame * video)
{
  for (guint i = 0; i < GST_VIDEO_MAX_PLANES && video->map[i].memory; i++) {
    if (video->meta)
      gst_video_meta_unmap (video->meta, i, &video->map[i]);
    else
      gst_buffer_unmap (video->buffer, &video->map[i]);
    video->map[i].memory = NULL;
  }
}

gboolean
gst_delta_cnn_frame_tell (guint64 n)
{
  return (n & (n - 1)) == 0;
}
