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

/* Why buffer cannot be mapped as info, for an error message; new text. */
gchar *gst_delta_cnn_frame_explain (const GstVideoInfo * info,
    GstBuffer * buffer);

G_END_DECLS

#endif
