/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnframe.h - a buffer's picture: where it lies in memory, checked,
 * and as the engine's DcnnFrame.
 *
 * Caps, video meta, crop meta and memory of a buffer come from four places
 * and need not agree. Whatever they say, a mapped picture lies wholly inside
 * the memory that was mapped.
 */
#ifndef GST_DELTA_CNN_FRAME_H
#define GST_DELTA_CNN_FRAME_H

#include <gst/video/video.h>

#include "deltacnn/frame.h"

G_BEGIN_DECLS

/* Caps of what the input stage reads, for pad templates. */
#define GST_DELTA_CNN_FORMATS \
    "{ NV12, I420, RGB, BGR, RGBx, BGRx, RGBA, BGRA, GRAY8 }"

/* Describes a mapped frame: planes, strides (the buffer's own), matrix, range
 * and pixel aspect ratio (the caps'). frame borrows video's memory. FALSE: not
 * a format of ours, which caps negotiation rules out. */
gboolean gst_delta_cnn_frame_fill (const GstVideoFrame * video,
    DcnnFrame * frame);

/* Maps the picture that info (the caps) speaks of, by the buffer's video meta
 * where it has one. A picture in the meta that is larger than the caps' holds
 * it at its crop meta's place, else at the top left (chroma: at the even pixel
 * before). Every row of every plane has been checked against the memory. NULL
 * meta: rows follow each other as in info.
 *
 * flags: GST_MAP_READ or GST_MAP_READWRITE (buffer writable). The buffer must
 * outlive the mapping. FALSE with error set (GST_STREAM_ERROR_FORMAT): the
 * buffer is not what its caps say; nothing is mapped. Unmap with
 * gst_delta_cnn_frame_unmap(), never with gst_video_frame_unmap(). */
gboolean gst_delta_cnn_frame_map (GstVideoFrame * video,
    const GstVideoInfo * info, GstBuffer * buffer, GstMapFlags flags,
    GError ** error) G_GNUC_WARN_UNUSED_RESULT;
void gst_delta_cnn_frame_unmap (GstVideoFrame * video);

/* Is it time to tell of the n-th damaged buffer? Of the first, second, fourth
 * and so on: a broken source must not flood the bus. */
gboolean gst_delta_cnn_frame_tell (guint64 n);

G_END_DECLS

#endif
