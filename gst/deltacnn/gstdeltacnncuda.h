/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnncuda.h - pictures in the memory of an NVIDIA GPU
 * (memory:CUDAMemory), by GStreamer's own library for it.
 *
 * Sessions live in the primary context of their GPU. The element offers that
 * context to its neighbours, so that a decoder before it decodes there and its
 * pictures are read where they lie. Pictures of another context are mapped like
 * any others, which downloads them. Nothing here allocates device memory.
 *
 * Built without that library (gstdeltacnncuda-stub.c): there is none.
 */
#ifndef GST_DELTA_CNN_CUDA_H
#define GST_DELTA_CNN_CUDA_H

#include <gst/gst.h>

#include "deltacnn/frame.h"

G_BEGIN_DECLS

/* The pads' caps: formats in system memory, and before these, where a GPU can
 * be used here, in its memory. New. */
GstCaps *gst_delta_cnn_cuda_template_caps (const gchar * formats);

/* The context of a device ("cuda", "auto:1" ...) as GStreamer's object; new,
 * or NULL where that device is no GPU or cannot be used. */
GstObject *gst_delta_cnn_cuda_open (const gchar * device);

/* Answers a neighbour's CONTEXT query with it. FALSE: it asked for another. */
gboolean gst_delta_cnn_cuda_answer (GstElement * element, GstQuery * query,
    GstObject * context);

/* What to add to the flags for mapping buffer where it lies; 0: it does not lie
 * in that context's memory, or the device takes no frames there. */
guint gst_delta_cnn_cuda_map_flag (GstBuffer * buffer, GstObject * context,
    const gchar * device);

/* Says in frame that its planes are device memory of context, and which stream
 * they are ready on. */
void gst_delta_cnn_cuda_describe (GstBuffer * buffer, GstObject * context,
    DcnnFrame * frame);

G_END_DECLS

#endif
