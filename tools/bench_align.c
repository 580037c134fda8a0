/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-bench --align: how the camera moved, found as framealign finds it,
 * and a session beside that is not told. */
#include "bench.h"

#include "dcnn_stabilizer.h"
#include "deltacnn/anchor.h"

struct BenchAlign {
  DcnnStabilizer *stabilizer;
  DcnnAnchor anchor;
  DcnnMotion motion;         /* of the frame at hand */
  DcnnSession *plain;        /* the sparse session's like, told of no motion */
  guint64 aligned, reanchored, lost; /* frames */
  guint64 plain_macs_done, plain_macs_dense;
  GArray *ms;                /* of finding motion, every frame: gdouble */
};

/* How framealign reads a frame, too. */
const guint8 *
bench_luma (const DcnnFrame *frame, guint *step)
{
  static const guint8 bytes[] = {
#define X(e, name, planes, bytes) bytes,
    DCNN_PIXEL_FORMATS (X)
#undef X
  };
  *step = bytes[frame->format];
  return frame->planes[0] + (*step > 1 ? 1 : 0);
}

BenchAlign *
bench_align_new (DcnnSession *plain, GError **error)
{
  DcnnStabilizerOptions options;
  const char *remedy = NULL;
  BenchAlign *align;
  if (!dcnn_stabilizer_available (&remedy)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED, "--align: %s",
        remedy);
    dcnn_session_free (plain);
    return NULL;
  }
  dcnn_stabilizer_options_init (&options);
  align = g_new0 (BenchAlign, 1);
  align->plain = plain;
  align->stabilizer = dcnn_stabilizer_new (&options);
  align->ms = g_array_new (FALSE, FALSE, sizeof (double));
  dcnn_anchor_init (&align->anchor);
  if (align->stabilizer)
    return align;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
      "--align: no memory to find motion with");
  bench_align_free (align);
  return NULL;
}

void
bench_align_free (BenchAlign *align)
{
  if (!align)
    return;
  dcnn_stabilizer_free (align->stabilizer);
  g_clear_pointer (&align->plain, dcnn_session_free);
  g_array_unref (align->ms);
  g_free (align);
}

const DcnnMotion *
bench_align_next (BenchAlign *align, const DcnnFrame *frame, GError **error)
{
  static const DcnnSeen seen[] = {
    [DCNN_ALIGN_ALIGNED] = DCNN_SEEN_ALIGNED,
    [DCNN_ALIGN_REANCHORED] = DCNN_SEEN_REANCHORED,
    [DCNN_ALIGN_LOST] = DCNN_SEEN_LOST,
  };
  gint64 before = g_get_monotonic_time ();
  DcnnAlignment found;
  guint step;
  const uint8_t *luma = bench_luma (frame, &step);
  if (!dcnn_stabilizer_push (align->stabilizer, luma, frame->strides[0], step,
          frame->width, frame->height, &found)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "--align: no memory to find motion with");
    return NULL;
  }
  double ms = (double) (g_get_monotonic_time () - before) / 1000;
  g_array_append_val (align->ms, ms);
  align->aligned += found.state == DCNN_ALIGN_ALIGNED;
  align->reanchored += found.state == DCNN_ALIGN_REANCHORED;
  align->lost += found.state == DCNN_ALIGN_LOST;
  dcnn_anchor_next (&align->anchor, seen[found.state], found.matrix.m,
      frame->width, frame->height, &align->motion);
  return &align->motion;
}

gboolean
bench_align_account (BenchAlign *align, DcnnSession *aligned,
    const DcnnFrame *frame, gboolean first, GError **error)
{
  DcnnFrameStats stats;
  if (!dcnn_session_push_frame (align->plain, 0, frame, NULL, error))
    return FALSE;
  dcnn_session_get_stats (aligned, 0, &stats);
  dcnn_anchor_account (&align->anchor, &stats);
  if (first)
    return TRUE;
  dcnn_session_get_stats (align->plain, 0, &stats);
  align->plain_macs_done += stats.macs_done;
  align->plain_macs_dense += stats.macs_dense;
  return TRUE;
}

DcnnSession *
bench_align_plain (const BenchAlign *align)
{
  return align->plain;
}

/* Share of the dense work that the clip takes without alignment. */
static double
plain_share (const BenchAlign *align)
{
  return align->plain_macs_dense
      ? (double) align->plain_macs_done / (double) align->plain_macs_dense : 1;
}

void
bench_align_print (const BenchAlign *align)
{
  g_print ("  without       %8.2f %% of the dense multiplications, the same "
      "clip not aligned\n", 100 * plain_share (align));
  g_print ("  camera        %" G_GUINT64_FORMAT " frames aligned, %"
      G_GUINT64_FORMAT " re-anchored, %" G_GUINT64_FORMAT " lost; %"
      G_GUINT64_FORMAT " resets; stood aside on %" G_GUINT64_FORMAT
      "; %.2f ms a frame\n", align->aligned, align->reanchored, align->lost,
      align->anchor.restarts, align->anchor.aside_frames,
      bench_quantile (align->ms, 0.5));
}

void
bench_align_json (const BenchAlign *align, JsonBuilder *builder)
{
  tool_json_int (builder, "aligned_frames", (gint64) align->aligned);
  tool_json_int (builder, "reanchors", (gint64) align->reanchored);
  tool_json_int (builder, "lost_frames", (gint64) align->lost);
  tool_json_int (builder, "resets", (gint64) align->anchor.restarts);
  tool_json_int (builder, "aside_frames", (gint64) align->anchor.aside_frames);
  tool_json_double (builder, "unaligned_mac_share",
      plain_share (align));
  tool_json_double (builder, "align_ms", bench_quantile (align->ms, 0.5));
}
