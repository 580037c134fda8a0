/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnanalytics.c - see gstdeltacnnanalytics.h; needs GStreamer 1.24.
 */
#include "gstdeltacnnanalytics.h"

#include <gst/analytics/analytics.h>
#include <math.h>

#include "gstdeltacnnclassmeta.h"
#include "gstdeltacnndetectionmeta.h"
#include "gstdeltacnnquark.h"

/* Classes without a name get their number: upstream wants one each. */
static void
attach_classes (GstAnalyticsRelationMeta * relations, const GArray * classes)
{
  g_autofree gfloat *scores = g_new (gfloat, classes->len);
  g_autofree GQuark *labels = g_new (GQuark, classes->len);
  GstAnalyticsClsMtd mtd;

  for (guint i = 0; i < classes->len; i++) {
    const GstDeltaCnnLabel *item =
        &g_array_index (classes, GstDeltaCnnLabel, i);
    gchar number[32];

    g_snprintf (number, sizeof number, "class %d", item->class_id);
    scores[i] = item->score;
    labels[i] = item->label ? item->label : gst_delta_cnn_quark_from_file (number);
  }
  if (!gst_analytics_relation_meta_add_cls_mtd (relations, classes->len,
          scores, labels, &mtd))
    GST_WARNING ("could not add classes to the relation meta");
}

/* The box's class as an mtd of its own, each related to the other: where
 * upstream's elements look for a label. */
static void
relate_class (GstAnalyticsRelationMeta * relations,
    const GstAnalyticsODMtd * box, GQuark label, gfloat score)
{
  GstAnalyticsClsMtd mtd;

  if (!gst_analytics_relation_meta_add_one_cls_mtd (relations, score, label,
          &mtd)
      || !gst_analytics_relation_meta_set_relation (relations,
          GST_ANALYTICS_REL_TYPE_RELATE_TO, box->id, mtd.id)
      || !gst_analytics_relation_meta_set_relation (relations,
          GST_ANALYTICS_REL_TYPE_RELATE_TO, mtd.id, box->id))
    GST_WARNING ("could not relate a box to its class");
}

void
gst_delta_cnn_analytics_attach (GstBuffer * buffer, const GArray * detections,
    const GArray * classes)
{
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);

  if (!relations)
    relations = gst_buffer_add_analytics_relation_meta (buffer);
  if (relations && classes->len > 0)
    attach_classes (relations, classes);
  for (guint i = 0; relations && i < detections->len; i++) {
    const GstDeltaCnnDetection *box =
        &g_array_index (detections, GstDeltaCnnDetection, i);
    const GQuark label =
        box->label ? box->label : g_quark_from_static_string ("object");
    GstAnalyticsODMtd mtd;

    if (!gst_analytics_relation_meta_add_od_mtd (relations, label,
            lroundf (box->x), lroundf (box->y), lroundf (box->width),
            lroundf (box->height), box->score, &mtd)) {
      GST_WARNING ("could not add box %u to the relation meta", i);
      continue;
    }
    relate_class (relations, &mtd, label, box->score);
  }
}
