/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstframealigncuda-stub.c - for builds without gstreamer-cuda-1.0 or without
 * CUDA.
 */
#include "gstframealigncuda.h"

GstCaps *
gst_frame_align_cuda_template_caps (const gchar * formats)
{
  GstCaps *caps = gst_caps_from_string (formats), *device;

  device = gst_caps_copy (caps);
  gst_caps_set_features_simple (device,
      gst_caps_features_new ("memory:CUDAMemory", NULL));
  gst_caps_append (caps, device);
  return caps;
}

gboolean
gst_frame_align_cuda_is (GstBuffer * buffer)
{
  return FALSE;
}

gboolean
gst_frame_align_cuda_read (GstBuffer * buffer, const GstVideoInfo * info,
    guint component, gsize row_bytes, guint8 * grey)
{
  return FALSE;
}
