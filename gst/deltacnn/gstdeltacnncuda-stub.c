/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnncuda-stub.c - for builds without gstreamer-cuda-1.0 or without
 * CUDA: pictures are in system memory.
 */
#include "gstdeltacnncuda.h"

GstCaps *
gst_delta_cnn_cuda_template_caps (const gchar * formats)
{
  return gst_caps_from_string (formats);
}

GstObject *
gst_delta_cnn_cuda_open (const gchar * device)
{
  return NULL;
}

gboolean
gst_delta_cnn_cuda_answer (GstElement * element, GstQuery * query,
    GstObject * context)
{
  return FALSE;
}

guint
gst_delta_cnn_cuda_map_flag (GstBuffer * buffer, GstObject * context,
    const gchar * device)
{
  return 0;
}

void
gst_delta_cnn_cuda_describe (GstBuffer * buffer, GstObject * context,
    DcnnFrame * frame)
{
}
