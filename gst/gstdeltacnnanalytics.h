/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnanalytics.h - boxes and classes as upstream's
 * GstAnalytics metas.
 *
 * GStreamer 1.24 has them; built against an older one,
 * gstdeltacnnanalytics-stub.c answers instead.
 */
#ifndef GST_DELTA_CNN_ANALYTICS_H
#define GST_DELTA_CNN_ANALYTICS_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Were GstAnalytics metas built in? */
gboolean gst_delta_cnn_analytics_available (void);

/* Adds one object-detection mtd for each GstDeltaCnnDetection, and one
 * classification mtd of all GstDeltaCnnLabel, to buffer's relation meta, which
 * is made where there is none. */
void gst_delta_cnn_analytics_attach (GstBuffer * buffer,
    const GArray * detections, const GArray * classes);

G_END_DECLS

#endif
