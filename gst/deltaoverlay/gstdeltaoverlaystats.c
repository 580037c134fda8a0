/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlaystats.c - the statistics panel; see gstdeltaoverlaydraw.h.
 */
#include "gstdeltaoverlaydraw.h"

#include <math.h>

void
gst_delta_overlay_history_add (GstDeltaOverlayHistory * history,
    const GstDeltaCnnStatsMeta * meta)
{
  if (meta->stale)
    return;
  history->mac_share[history->count % GST_DELTA_OVERLAY_HISTORY] =
      isfinite (meta->mac_share) ? CLAMP (meta->mac_share, 0, 1) : 0;
  history->count++;
}

static void
draw_text (cairo_t * cr, const gchar * text, gdouble x, gdouble y,
    gdouble size, gboolean bold, gdouble alpha)
{
  cairo_select_font_face (cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
      bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, size);
  cairo_set_source_rgba (cr, 1, 1, 1, alpha);
  cairo_move_to (cr, x, y);
  cairo_show_text (cr, text);
}

/* One bar a frame, newest at the right: the share of the work done. */
static void
draw_bars (cairo_t * cr, const GstDeltaOverlayHistory * history, gdouble x,
    gdouble y, gdouble width, gdouble height)
{
  const gdouble step = width / GST_DELTA_OVERLAY_HISTORY;
  const guint shown = MIN (history->count, GST_DELTA_OVERLAY_HISTORY);

  cairo_rectangle (cr, x, y, width, height);
  cairo_set_source_rgba (cr, 1, 1, 1, 0.1);
  cairo_fill (cr);
  for (guint i = 0; i < shown; i++) {
    const gdouble share = history->mac_share[(history->count - 1 - i)
        % GST_DELTA_OVERLAY_HISTORY];
    const gdouble bar = MAX (share * height, 0.02 * height);

    cairo_rectangle (cr, x + width - (i + 1) * step, y + height - bar,
        0.8 * step, bar);
  }
  cairo_set_source_rgba (cr, 0.24, 0.78, 1, 0.95);
  cairo_fill (cr);
}

static const gchar *
describe_state (const GstDeltaCnnStatsMeta * meta)
{
  if (meta->stale)
    return "held";
  if (meta->dense)
    return "dense";
  return meta->settled ? "settled" : "sparse";
}

/* Advance of text in the given size. */
static gdouble
text_width (cairo_t * cr, const gchar * text, gdouble size, gboolean bold)
{
  cairo_text_extents_t extents;

  cairo_select_font_face (cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
      bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, size);
  cairo_text_extents (cr, text, &extents);
  return extents.x_advance;
}

void
gst_delta_overlay_draw_stats (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style,
    const GstDeltaOverlayHistory * history, const GstDeltaCnnStatsMeta * meta)
{
  const gdouble size = gst_delta_overlay_font_size (style, canvas);
  const gdouble margin = 0.6 * size, pad = 0.8 * size;
  const gdouble height = 5.6 * size, left = margin + pad;
  cairo_t *cr = canvas->cr;
  gchar title[64], detail[96];
  gdouble width;

  /* This frame's own numbers, in the words of reports and contact sheets. */
  g_snprintf (title, sizeof title, "%.1f %% of the work done",
      100 * meta->mac_share);
  g_snprintf (detail, sizeof detail, "changed %.1f %%   %.1f ms   %s",
      100 * meta->changed_share, (gdouble) meta->total_time / GST_MSECOND,
      describe_state (meta));
  /* Wide enough for any numbers, so that it does not breathe. */
  width = MAX (text_width (cr, "100.0 % of the work done", 1.1 * size, TRUE),
      text_width (cr, "changed 100.0 %   000.0 ms   settled", 0.9 * size,
          FALSE)) + 2 * pad;
  if (history->count == 0 || width + margin > canvas->width
      || height + margin > canvas->height)
    return;
  gst_delta_overlay_rounded_rectangle (cr, margin, margin, width, height,
      0.5 * size);
  cairo_set_source_rgba (cr, 0.03, 0.05, 0.08, 0.7);
  cairo_fill (cr);
  draw_text (cr, title, left, margin + 1.7 * size, 1.1 * size, TRUE, 1);
  draw_text (cr, detail, left, margin + 3.1 * size, 0.9 * size, FALSE, 0.85);
  draw_bars (cr, history, left, margin + 3.6 * size, width - 2 * pad,
      1.3 * size);
  gst_delta_overlay_canvas_mark (canvas, margin - 1, margin - 1, width + 2,
      height + 2);
}
