/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnanalytics26-stub.c - for GStreamer before 1.26, whose
 * GstAnalytics has neither masks nor tensors.
 */
#include "gstdeltacnnanalytics.h"

void
gst_delta_cnn_analytics_attach_mask (GstBuffer * buffer, GBytes * mask,
    guint width, guint height, guint n_classes,
    const GstDeltaCnnRectangle * at, guint frame_width, guint frame_height)
{
}

void
gst_delta_cnn_analytics_attach_tensors (GstBuffer * buffer,
    const GArray * tensors, const GArray * ids)
{
}
