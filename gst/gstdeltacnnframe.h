/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnframe.h - a GstVideoFrame as the engine's DcnnFrame.
 */
#ifndef GST_DELTA_CNN_FRAME_H
#define GST_DELTA_CNN_FRAME_H

#include <gst/video/video.h>

#include "dcnn_input.h"

G_BEGIN_DECLS

/* Caps of what the input stage reads, for pad templates. */
#define GST_DELTA_CNN_FORMATS \
    "{ NV12, I420, RGB, BGR, RGBx, BGRx, RGBA, BGRA, GRAY8 }"

/* Describes a mapped frame: planes, strides (the buffer's own), matrix and
 * range (the caps'). frame borrows video's memory. FALSE: not a format of
 * ours, which caps negotiation rules out. */
gboolean gst_delta_cnn_frame_fill (const GstVideoFrame * video,
    DcnnFrame * frame);

/* Does a buffer hold a picture as info says, as far as can be seen without
 * mapping it? FALSE with error set (GST_STREAM_ERROR_FORMAT). */
gboolean gst_delta_cnn_frame_check (const GstVideoInfo * info,
    GstBuffer * buffer, GError ** error) G_GNUC_WARN_UNUSED_RESULT;

/* The same, and maps it for reading, by its video meta where it has one. Unmap with gst_video_frame_unmap(). */
gboolean gst_delta_cnn_frame_map (GstVideoFrame * video,
    const GstVideoInfo * info, GstBuffer * buffer, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

#endif
