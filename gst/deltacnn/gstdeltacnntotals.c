/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnntotals.c - see gstdeltacnntotals.h.
 */
#include "gstdeltacnntotals.h"

void
gst_delta_cnn_totals_add (GstDeltaCnnTotals * totals,
    const GstDeltaCnnCost * cost)
{
  totals->frames++;
  totals->run++;
  totals->dense += cost->dense ? 1 : 0;
  totals->settled += cost->settled ? 1 : 0;
  totals->batch += cost->batch;
  totals->aligned += cost->aligned ? 1 : 0;
  totals->lost += cost->lost ? 1 : 0;
  totals->restarts += cost->restarted ? 1 : 0;
  totals->aside += cost->aside ? 1 : 0;
  totals->changed_share += cost->changed_share;
  totals->mac_share += cost->mac_share;
  totals->input_time += cost->input_time;
  totals->run_time += cost->run_time;
  totals->total_time += cost->total_time;
  totals->max_time = MAX (totals->max_time, cost->total_time);
  totals->last = *cost;
}

static gdouble
mean_ms (GstClockTime sum, guint64 count)
{
  return (gdouble) sum / GST_MSECOND / count;
}

GstStructure *
gst_delta_cnn_totals_to_structure (const GstDeltaCnnTotals * totals,
    const gchar * name)
{
  const guint64 n = MAX (totals->run, 1);

  return gst_structure_new (name,
      "frames", G_TYPE_UINT64, totals->frames,
      "run-frames", G_TYPE_UINT64, totals->run,
      "dense-frames", G_TYPE_UINT64, totals->dense,
      "settled-frames", G_TYPE_UINT64, totals->settled,
      "late-frames", G_TYPE_UINT64, totals->late,
      "gap-frames", G_TYPE_UINT64, totals->gaps,
      "damaged-frames", G_TYPE_UINT64, totals->damaged,
      "batch-size", G_TYPE_DOUBLE, (gdouble) totals->batch / n,
      "aligned-frames", G_TYPE_UINT64, totals->aligned,
      "lost-frames", G_TYPE_UINT64, totals->lost,
      "canvas-restarts", G_TYPE_UINT64, totals->restarts,
      "aside-frames", G_TYPE_UINT64, totals->aside,
      "aligned-share", G_TYPE_DOUBLE, totals->last.aligned_share,
      "unaligned-share", G_TYPE_DOUBLE, totals->last.unaligned_share,
      "changed-share", G_TYPE_DOUBLE, totals->changed_share / n,
      "mac-share", G_TYPE_DOUBLE, totals->mac_share / n,
      "input-ms", G_TYPE_DOUBLE, mean_ms (totals->input_time, n),
      "run-ms", G_TYPE_DOUBLE, mean_ms (totals->run_time, n),
      "total-ms", G_TYPE_DOUBLE, mean_ms (totals->total_time, n),
      "max-ms", G_TYPE_DOUBLE, mean_ms (totals->max_time, 1),
      "last-changed-share", G_TYPE_DOUBLE, totals->last.changed_share,
      "last-mac-share", G_TYPE_DOUBLE, totals->last.mac_share,
      "last-total-ms", G_TYPE_DOUBLE, mean_ms (totals->last.total_time, 1),
      NULL);
}
