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

#include "gstdeltacnnresults.h"

G_BEGIN_DECLS

/* Adds one object-detection mtd for each GstDeltaCnnDetection, and one
 * classification mtd of all GstDeltaCnnLabel, to buffer's relation meta, which
 * is made where there is none. */
void gst_delta_cnn_analytics_attach (GstBuffer * buffer,
    const GArray * detections, const GArray * classes);

/* Adds a semantic segmentation mtd of what lies in the frame of width * height
 * bytes, which lie at a rectangle of it, pixels. n_classes 1: probabilities, of which two regions are
 * made (0: no, 1: yes); more: class indices. Nothing before GStreamer 1.26. */
void gst_delta_cnn_analytics_attach_mask (GstBuffer * buffer, GBytes * mask,
    guint width, guint height, guint n_classes,
    const GstDeltaCnnRectangle * at, guint frame_width, guint frame_height);

/* Adds the tensors (GstDeltaCnnTensor) as one upstream GstTensorMeta, under
 * ids (GQuark, one a tensor); it shares their bytes. One of a type that
 * upstream has not (bool) goes as uint8. Nothing before GStreamer 1.26. */
void gst_delta_cnn_analytics_attach_tensors (GstBuffer * buffer,
    const GArray * tensors, const GArray * ids);

G_END_DECLS

#endif
