/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstframealigncuda.h - luma of pictures in the memory of an NVIDIA GPU: only
 * the plane that is looked at comes down, by GStreamer's own library, in the
 * context that the memory is of. framealign has no context: a neighbour's CONTEXT
 * query goes through it to deltacnn, which answers.
 *
 * Built without that library (gstframealigncuda-stub.c): mapping a picture for
 * reading downloads all of it.
 */
#ifndef GST_FRAME_ALIGN_CUDA_H
#define GST_FRAME_ALIGN_CUDA_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* The pads' caps: formats in system memory and in CUDA memory, that first where
 * a GPU's driver is there. New. */
GstCaps *gst_frame_align_cuda_template_caps (const gchar * formats);

/* Is the buffer one picture in CUDA memory that can be read here? Asks nothing of
 * GStreamer's library for system memory. */
gboolean gst_frame_align_cuda_is (GstBuffer * buffer);

/* Copies the plane of a component to `grey` (at least rows * row_bytes), rows
 * without gaps. buffer: gst_frame_align_cuda_is(). FALSE: it is not laid out as info
 * and its video meta say, or the copy failed; nothing is known of grey
 * then, and the buffer may still be mapped for reading. */
gboolean gst_frame_align_cuda_read (GstBuffer * buffer,
    const GstVideoInfo * info, guint component, gsize row_bytes,
    guint8 * grey);

G_END_DECLS

#endif
