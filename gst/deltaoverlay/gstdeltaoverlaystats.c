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

/* What lies under the panel is a mean over about so many frames. It moves to
 * where less is drawn under it, by this share of its area (half of a head) at
 * least, and has been for so many frames: not for whoever hurries by, nor to
 * and fro between two corners. */
#define PANEL_FRAMES 8
#define PANEL_GAIN 0.03
#define PANEL_PATIENCE 32

/* Where a panel of that size lies in a corner. */
static void
corner_place (const GstDeltaOverlayCanvas * canvas, guint corner,
    gdouble margin, gdouble width, gdouble height, gdouble * x, gdouble * y)
{
  *x = corner & 1 ? canvas->width - margin - width : margin;
  *y = corner & 2 ? canvas->height - margin - height : margin;
}

/* The panel's corner for this frame; of equal ones, the first. */
static void
place_panel (GstDeltaOverlayCanvas * canvas, GstDeltaOverlayPanel * panel,
    gdouble margin, gdouble width, gdouble height)
{
  guint best = 0;

  for (guint i = 0; i < G_N_ELEMENTS (panel->covered); i++) {
    gdouble x, y, covered;

    corner_place (canvas, i, margin, width, height, &x, &y);
    covered = gst_delta_overlay_canvas_covered (canvas, x, y, width, height);
    panel->covered[i] += (covered - panel->covered[i])
        / (panel->placed ? PANEL_FRAMES : 1);
    if (panel->covered[i] < panel->covered[best])
      best = i;
  }
  if (panel->covered[best] + PANEL_GAIN >= panel->covered[panel->corner])
    panel->waited = 0;
  else if (++panel->waited >= PANEL_PATIENCE || !panel->placed)
    panel->corner = best;
  panel->placed = TRUE;
}

void
gst_delta_overlay_draw_stats (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style,
    const GstDeltaOverlayHistory * history, GstDeltaOverlayPanel * panel,
    const GstDeltaCnnStatsMeta * meta)
{
  const gdouble size = gst_delta_overlay_font_size (style, canvas);
  const gdouble margin = 0.6 * size, pad = 0.8 * size;
  const gdouble height = 5.6 * size;
  cairo_t *cr = canvas->cr;
  gchar title[64], detail[96];
  gdouble width, x, y;

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
  place_panel (canvas, panel, margin, width, height);
  corner_place (canvas, panel->corner, margin, width, height, &x, &y);
  gst_delta_overlay_rounded_rectangle (cr, x, y, width, height, 0.5 * size);
  cairo_set_source_rgba (cr, 0.03, 0.05, 0.08, 0.7);
  cairo_fill (cr);
  draw_text (cr, title, x + pad, y + 1.7 * size, 1.1 * size, TRUE, 1);
  draw_text (cr, detail, x + pad, y + 3.1 * size, 0.9 * size, FALSE, 0.85);
  draw_bars (cr, history, x + pad, y + 3.6 * size, width - 2 * pad,
      1.3 * size);
  gst_delta_overlay_canvas_mark (canvas, x - 1, y - 1, width + 2, height + 2);
}
