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

gboolean
gst_delta_cnn_frame_check (const GstVideoInfo * info, GstBuffer * buffer,
    GError ** error)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  const gsize size = gst_buffer_get_size (buffer);

  /* gst_video_frame_map() takes a wrong meta for a programmer's mistake. */
  if (meta && ((gint) meta->width != GST_VIDEO_INFO_WIDTH (info)
          || (gint) meta->height != GST_VIDEO_INFO_HEIGHT (info)
          || meta->format != GST_VIDEO_INFO_FORMAT (info)))
    return gst_delta_cnn_frame_refuse (info, g_strdup_printf ("A buffer's "
            "video meta says %s %ux%u",
            gst_video_format_to_string (meta->format), meta->width,
            meta->height), error);
  if (!meta && size < GST_VIDEO_INFO_SIZE (info))
    return gst_delta_cnn_frame_refuse (info, g_strdup_printf ("A buffer of %"
            G_GSIZE_FORMAT " bytes is too short", size), error);
  return TRUE;
}

gboolean
gst_delta_cnn_frame_map (GstVideoFrame * video, const GstVideoInfo * info,
    GstBuffer * buffer, GError ** error)
{
  if (!gst_delta_cnn_frame_check (info, buffer, error))
    return FALSE;
  if (!gst_video_frame_map (video, info, buffer,
          GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))
    return gst_delta_cnn_frame_refuse (info, g_strdup_printf ("A buffer of %"
            G_GSIZE_FORMAT " bytes cannot be mapped",
            gst_buffer_get_size (buffer)), error);
  return TRUE;
}
