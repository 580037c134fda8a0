/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnncuda.c - see gstdeltacnncuda.h.
 */
#define GST_USE_UNSTABLE_API
#include "gstdeltacnncuda.h"

#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>

#include "deltacnn/session.h"

static gboolean
takes_cuda_memory (const DcnnDeviceKind * kind)
{
  return kind && kind->memories & 1u << DCNN_MEMORY_CUDA;
}

/* Is there one that does, and can be used here? */
static gboolean
any_takes_cuda_memory (void)
{
  const DcnnDeviceKind *kind;

  for (guint i = 0; (kind = dcnn_device_kind (i)); i++)
    if (takes_cuda_memory (kind) && dcnn_device_check (kind->name, NULL))
      return TRUE;
  return FALSE;
}

GstCaps *
gst_delta_cnn_cuda_template_caps (const gchar * formats)
{
  GstCaps *caps = gst_caps_from_string (formats), *device;

  if (!any_takes_cuda_memory () || !gst_cuda_load_library ())
    return caps;
  device = gst_caps_copy (caps);
  gst_caps_set_features_simple (device,
      gst_caps_features_new (GST_CAPS_FEATURE_MEMORY_CUDA_MEMORY, NULL));
  gst_caps_append (device, caps);
  return device;
}

GstObject *
gst_delta_cnn_cuda_open (const gchar * device)
{
  gpointer handle;
  gint index;
  GstCudaContext *context;
  const DcnnDeviceKind *kind = dcnn_device_named (device);

  if (!kind)
    kind = dcnn_device_which (device, NULL);
  if (!takes_cuda_memory (kind)
      || !dcnn_device_context (device, &handle, &index)
      || !gst_cuda_load_library ())
    return NULL;
  gst_cuda_memory_init_once ();
  context = gst_cuda_context_new_wrapped (handle, index);
  return context ? GST_OBJECT (context) : NULL;
}

gboolean
gst_delta_cnn_cuda_answer (GstElement * element, GstQuery * query,
    GstObject * context)
{
  return context && gst_cuda_handle_context_query (element, query,
      GST_CUDA_CONTEXT (context));
}

guint
gst_delta_cnn_cuda_map_flag (GstBuffer * buffer, GstObject * context,
    const gchar * device)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) == 1 ?
      gst_buffer_peek_memory (buffer, 0) : NULL;

  if (!context || !takes_cuda_memory (dcnn_device_named (device)) || !memory
      || !gst_is_cuda_memory (memory)
      || gst_cuda_context_get_handle (GST_CUDA_MEMORY_CAST (memory)->context)
      != gst_cuda_context_get_handle (GST_CUDA_CONTEXT (context)))
    return 0;
  return GST_MAP_CUDA;
}

void
gst_delta_cnn_cuda_describe (GstBuffer * buffer, GstObject * context,
    DcnnFrame * frame)
{
  frame->memory = DCNN_MEMORY_CUDA;
  frame->context = gst_cuda_context_get_handle (GST_CUDA_CONTEXT (context));
#if GST_CHECK_VERSION (1, 24, 0)
  /* before, whoever fills a memory waits for it */
  {
    GstCudaStream *stream = gst_cuda_memory_get_stream
        (GST_CUDA_MEMORY_CAST (gst_buffer_peek_memory (buffer, 0)));
    frame->stream = stream ? gst_cuda_stream_get_handle (stream) : NULL;
  }
#endif
}
