/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnanalytics.c - see gstdeltacnnanalytics.h; needs GStreamer 1.24.
 */
#include "gstdeltacnnanalytics.h"

#include <gst/analytics/analytics.h>
#include <math.h>

#include "gstdeltacnndetectionmeta.h"

gboolean
gst_delta_cnn_analytics_available (void)
{
  return TRUE;
}

void
gst_delta_cnn_analytics_attach (GstBuffer * buffer, const GArray * detections)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);

  if (!relations)
    relations = gst_buffer_add_analytics_relation_meta (buffer);
  for (guint i = 0; relations && i < detections->len; i++) {
    const GstDeltaCnnDetection *box =
        &g_array_index (detections, GstDeltaCnnDetection, i);
    const GQuark label =
        box->label ? box->label : g_quark_from_static_string ("object");
    GstAnalyticsODMtd mtd;

    if (!gst_analytics_relation_meta_add_od_mtd (relations, label,
            lroundf (box->x), lroundf (box->y), lroundf (box->width),
            lroundf (box->height), box->score, &mtd))
      GST_WARNING ("could not add box %u to the relation meta", i);
  }
}
