/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnstatsmeta.h - what one frame cost: how much changed, how much of
 * the network was run, how long it took.
 */
#ifndef GST_DELTA_CNN_STATS_META_H
#define GST_DELTA_CNN_STATS_META_H

#include "gstdeltacnn-prelude.h"

G_BEGIN_DECLS

typedef struct _GstDeltaCnnStatsMeta GstDeltaCnnStatsMeta;

/**
 * GstDeltaCnnStatsMeta:
 * @meta: the parent #GstMeta
 * @source: name of the element that attached it
 * @stale: the frame was passed on without inference: its results, where there
 *   are any, are an earlier frame's, and so are these numbers
 * @age: running time since the frame that the results are of; 0 when not
 *   @stale; %GST_CLOCK_TIME_NONE without time stamps
 * @frames: frames run since start, reset or change of model
 * @changed_share: of the network's input pixels, 0..1
 * @mac_share: multiply-accumulates done of a dense run's, 0..1
 * @input_time: input stage
 * @run_time: the network
 * @total_time: everything the element did for the frame
 * @dense: the whole frame ran dense
 * @settled: the outputs equal a dense run
 *
 * Since: 0.1
 */
struct _GstDeltaCnnStatsMeta
{
  GstMeta meta;

  GQuark source;
  gboolean stale;
  GstClockTime age;
  guint64 frames;
  gdouble changed_share;
  gdouble mac_share;
  GstClockTime input_time;
  GstClockTime run_time;
  GstClockTime total_time;
  gboolean dense;
  gboolean settled;
};

GST_DELTA_CNN_API
GType gst_delta_cnn_stats_meta_api_get_type (void);
GST_DELTA_CNN_API
const GstMetaInfo *gst_delta_cnn_stats_meta_get_info (void);
#define GST_DELTA_CNN_STATS_META_API_TYPE \
    (gst_delta_cnn_stats_meta_api_get_type ())
#define GST_DELTA_CNN_STATS_META_INFO (gst_delta_cnn_stats_meta_get_info ())

GST_DELTA_CNN_API
GstDeltaCnnStatsMeta *gst_buffer_add_delta_cnn_stats_meta (GstBuffer * buffer,
    GQuark source);
GST_DELTA_CNN_API
GstDeltaCnnStatsMeta *gst_buffer_get_delta_cnn_stats_meta (GstBuffer * buffer);
GST_DELTA_CNN_API
GstDeltaCnnStatsMeta *gst_buffer_get_delta_cnn_stats_meta_by_index
    (GstBuffer * buffer, guint index);
GST_DELTA_CNN_API
GstDeltaCnnStatsMeta *gst_buffer_get_delta_cnn_stats_meta_by_source
    (GstBuffer * buffer, const gchar * source);

G_END_DECLS

#endif
