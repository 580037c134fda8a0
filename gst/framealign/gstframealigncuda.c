/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstframealigncuda.c - see gstframealigncuda.h.
 */
#define GST_USE_UNSTABLE_API
#include "gstframealigncuda.h"

#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>

#include "deltacnn/session.h"

/* Is there a device of such memory that can be used here, and was GStreamer's
 * library able to load its driver? Nothing of that library may be called before. */
static gboolean
usable (void)
{
  const DcnnDeviceKind *kind;

  for (guint i = 0; (kind = dcnn_device_kind (i)); i++)
    if (kind->memories & 1u << DCNN_MEMORY_CUDA
        && dcnn_device_check (kind->name, NULL))
      return gst_cuda_load_library ();
  return FALSE;
}

GstCaps *
gst_frame_align_cuda_template_caps (const gchar * formats)
{
  GstCaps *caps = gst_caps_from_string (formats), *device;

  device = gst_caps_copy (caps);
  gst_caps_set_features_simple (device,
      gst_caps_features_new (GST_CAPS_FEATURE_MEMORY_CUDA_MEMORY, NULL));
  if (usable ()) {
    gst_caps_append (device, caps);
    return device;
  }
  gst_caps_append (caps, device);
  return caps;
}

/* The copy itself, in the memory's context. On 1.24 and later who fills a memory
 * need not wait for it: the copy goes on the memory's own stream. */
static gboolean
copy_down (GstCudaMemory * memory, const CUDA_MEMCPY2D * copy)
{
  CUstream stream = NULL;
  gboolean good;

#if GST_CHECK_VERSION (1, 24, 0)
  GstCudaStream *own = gst_cuda_memory_get_stream (memory);

  stream = own ? gst_cuda_stream_get_handle (own) : NULL;
#endif
  if (!gst_cuda_context_push (memory->context))
    return FALSE;
  good = gst_cuda_result (CuMemcpy2DAsync (copy, stream))
      && gst_cuda_result (CuStreamSynchronize (stream));
  gst_cuda_context_pop (NULL);
  return good;
}

gboolean
gst_frame_align_cuda_is (GstBuffer * buffer)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) == 1 ?
      gst_buffer_peek_memory (buffer, 0) : NULL;

  return memory && gst_memory_is_type (memory, GST_CUDA_MEMORY_TYPE_NAME)
      && usable () && gst_is_cuda_memory (memory);
}

gboolean
gst_frame_align_cuda_read (GstBuffer * buffer, const GstVideoInfo * info,
    guint component, gsize row_bytes, guint8 * grey)
{
  GstMemory *memory = gst_buffer_peek_memory (buffer, 0);
  const guint plane = GST_VIDEO_INFO_COMP_PLANE (info, component);
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  const gint rows = GST_VIDEO_INFO_COMP_HEIGHT (info, component);
  CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
    .dstMemoryType = CU_MEMORYTYPE_HOST,.dstHost = grey,
    .dstPitch = row_bytes,.WidthInBytes = row_bytes,.Height = (gsize) rows
  };
  GstMapInfo map;
  gsize offset;
  gboolean good;

  /* a larger picture with a crop is for gst_delta_cnn_frame_map() */
  if (meta && (meta->width != (guint) GST_VIDEO_INFO_WIDTH (info)
          || meta->height != (guint) GST_VIDEO_INFO_HEIGHT (info)
          || plane >= meta->n_planes || meta->stride[plane] < 0))
    return FALSE;
  copy.srcPitch = meta ? (gsize) meta->stride[plane] :
      (gsize) GST_VIDEO_INFO_PLANE_STRIDE (info, plane);
  offset = meta ? meta->offset[plane] : GST_VIDEO_INFO_PLANE_OFFSET (info,
      plane);
  if (!gst_memory_map (memory, &map, (GstMapFlags) (GST_MAP_READ
              | GST_MAP_CUDA)))
    return FALSE;
  copy.srcDevice = (CUdeviceptr) (guintptr) map.data + offset;
  good = rows > 0 && copy.srcPitch >= row_bytes && offset < map.size
      && (map.size - offset) / copy.srcPitch + 1 >= (gsize) rows
      && (gsize) (rows - 1) * copy.srcPitch + row_bytes <= map.size - offset
      && copy_down (GST_CUDA_MEMORY_CAST (memory), &copy);
  gst_memory_unmap (memory, &map);
  return good;
}
