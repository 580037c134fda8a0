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

gchar *
gst_delta_cnn_frame_explain (const GstVideoInfo * info, GstBuffer * buffer)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  const gsize size = gst_buffer_get_size (buffer);
  const gchar *format = GST_VIDEO_INFO_NAME (info);
  const gint width = GST_VIDEO_INFO_WIDTH (info);
  const gint height = GST_VIDEO_INFO_HEIGHT (info);

  if (meta && ((gint) meta->width != width || (gint) meta->height != height
          || meta->format != GST_VIDEO_INFO_FORMAT (info)))
    return g_strdup_printf ("A buffer's video meta says %s %ux%u, but its "
        "caps say %s %dx%d", gst_video_format_to_string (meta->format),
        meta->width, meta->height, format, width, height);
  if (!meta && size < GST_VIDEO_INFO_SIZE (info))
    return g_strdup_printf ("A buffer of %" G_GSIZE_FORMAT " bytes is too "
        "short for %s %dx%d, which needs %" G_GSIZE_FORMAT, size, format,
        width, height, GST_VIDEO_INFO_SIZE (info));
  return g_strdup_printf ("A buffer of %" G_GSIZE_FORMAT " bytes cannot be "
      "mapped as %s %dx%d", size, format, width, height);
}
