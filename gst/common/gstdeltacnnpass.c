/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnpass.c - see gstdeltacnnpass.h.
 */
#include "gstdeltacnnpass.h"

#include <gst/video/video.h>

void
gst_delta_cnn_pass_sync (GstBaseTransform * trans, GstBuffer * buffer)
{
  /* appsrc and filesrc count in bytes unless told otherwise. */
  const GstClockTime time = trans->segment.format == GST_FORMAT_TIME ?
      gst_segment_to_stream_time (&trans->segment, GST_FORMAT_TIME,
      GST_BUFFER_PTS (buffer)) : GST_CLOCK_TIME_NONE;

  if (GST_CLOCK_TIME_IS_VALID (time))
    gst_object_sync_values (GST_OBJECT (trans), time);
}

GstFlowReturn
gst_delta_cnn_pass_buffer (GstBaseTransform * trans, GstBuffer * inbuf,
    GstBuffer ** outbuf)
{
  *outbuf = gst_buffer_is_writable (inbuf) ? inbuf : gst_buffer_copy (inbuf);
  return GST_FLOW_OK;
}

gboolean
gst_delta_cnn_pass_allocation (GstBaseTransform * trans,
    GstQuery * decide_query, GstQuery * query)
{
  const GstCapsFeatures *features;
  GstCaps *caps;

  gst_pad_peer_query (GST_BASE_TRANSFORM_SRC_PAD (trans), query);
  gst_query_parse_allocation (query, &caps, NULL);
  features = caps && gst_caps_get_size (caps) > 0 ?
      gst_caps_get_features (caps, 0) : NULL;
  if (features && !gst_caps_features_is_equal (features,
          GST_CAPS_FEATURES_MEMORY_SYSTEM_MEMORY)
      && !gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE,
          NULL))
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return TRUE;
}
