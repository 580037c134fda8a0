/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnntotals.h - sums over frames, for the property stats and for
 * "deltacnn-stats" messages. Plain data: the holder locks.
 */
#ifndef GST_DELTA_CNN_TOTALS_H
#define GST_DELTA_CNN_TOTALS_H

#include "gstdeltacnnresults.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 frames;              /* that came in */
  guint64 run;                 /* of these: run through the network */
  guint64 dense, settled;      /* of those that were run */
  guint64 late, gaps;          /* passed on: QoS; GAP flag */
  guint64 aligned, lost, restarts, aside; /* camera motion, of those run */
  guint64 damaged;             /* passed on: not what the caps say */
  guint64 batch;               /* sum over run frames */
  gdouble changed_share, mac_share; /* sums over run frames */
  GstClockTime input_time, run_time, total_time; /* likewise */
  GstClockTime max_time;       /* the slowest frame, total */
  GstDeltaCnnCost last;        /* of the last run frame */
} GstDeltaCnnTotals;

/* A frame was run. */
void gst_delta_cnn_totals_add (GstDeltaCnnTotals * totals,
    const GstDeltaCnnCost * cost);

/* Shares and times as means over the frames run; new. */
GstStructure *gst_delta_cnn_totals_to_structure (const GstDeltaCnnTotals *
    totals, const gchar * name);

G_END_DECLS

#endif
