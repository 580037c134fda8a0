/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnanalytics-stub.c - for GStreamer without GstAnalytics.
 */
#include "gstdeltacnnanalytics.h"

void
gst_delta_cnn_analytics_attach (GstBuffer * buffer, const GArray * detections,
    const GArray * classes)
{
}
