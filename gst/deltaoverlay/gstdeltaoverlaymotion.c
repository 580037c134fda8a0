/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlaymotion.c - the camera's motion on the canvas: points that were
 * followed, and the view window; see gstdeltaoverlaydraw.h.
 */
#include "gstdeltaoverlaydraw.h"

#include <math.h>

/* A point that moves with the scene, and one that moves by itself. */
static const GstDeltaOverlayColor with_scene = { 0.30, 0.89, 0.64 };
static const GstDeltaOverlayColor by_itself = { 1.0, 0.54, 0.24 };

static void
dot (cairo_t * cr, GstDeltaOverlayColor color, gdouble x, gdouble y,
    gdouble radius)
{
  cairo_arc (cr, x, y, 1.5 * radius, 0, 2 * G_PI);
  cairo_set_source_rgba (cr, 0, 0, 0, 0.45);
  cairo_fill (cr);
  cairo_arc (cr, x, y, radius, 0, 2 * G_PI);
  cairo_set_source_rgba (cr, color.red, color.green, color.blue, 0.95);
  cairo_fill (cr);
}

/* A point and the way it came since the last frame. */
static void
draw_track (GstDeltaOverlayCanvas * canvas,
    const GstDeltaCnnMotionTrack * track, gdouble line)
{
  const GstDeltaOverlayColor color = track->inlier ? with_scene : by_itself;
  const gdouble pad = 2.5 * line + 1;
  cairo_t *cr = canvas->cr;

  if (!isfinite (track->x) || !isfinite (track->y)
      || !isfinite (track->from_x) || !isfinite (track->from_y))
    return;
  cairo_move_to (cr, track->from_x, track->from_y);
  cairo_line_to (cr, track->x, track->y);
  cairo_set_line_width (cr, 0.9 * line);
  cairo_set_source_rgba (cr, color.red, color.green, color.blue, 0.8);
  cairo_stroke (cr);
  dot (cr, color, track->x, track->y, 1.2 * line);
  gst_delta_overlay_canvas_mark (canvas, MIN (track->x, track->from_x) - pad,
      MIN (track->y, track->from_y) - pad,
      fabsf (track->x - track->from_x) + 2 * pad,
      fabsf (track->y - track->from_y) + 2 * pad);
}

/* Strokes the path as a dashed line that shows on anything. */
static void
stroke_dashed (cairo_t * cr, gdouble line)
{
  const gdouble dashes[2] = { 6 * line, 4 * line };

  cairo_set_line_width (cr, 2.2 * line);
  cairo_set_source_rgba (cr, 0, 0, 0, 0.45);
  cairo_stroke_preserve (cr);
  cairo_set_dash (cr, dashes, 2, 0);
  cairo_set_line_width (cr, 1.2 * line);
  cairo_set_source_rgba (cr, 1, 1, 1, 0.9);
  cairo_stroke (cr);
  cairo_set_dash (cr, NULL, 0, 0);
}

/* The window's outline where this frame has it. What lies outside the picture
 * is drawn at its edge, so that something of it is always seen. */
static gboolean
draw_window (GstDeltaOverlayCanvas * canvas,
    const GstDeltaCnnMotionMeta * meta, gdouble line)
{
  gdouble x[4], y[4];

  if (!(meta->window_width > 0) || !(meta->window_height > 0))
    return FALSE;
  for (guint i = 0; i < 4; i++) {
    if (!gst_delta_cnn_motion_meta_map_back (meta, meta->window_x +
            (i == 1 || i == 2 ? meta->window_width : 0), meta->window_y +
            (i >= 2 ? meta->window_height : 0), &x[i], &y[i]))
      return FALSE;
    x[i] = CLAMP (x[i], line, canvas->width - line);
    y[i] = CLAMP (y[i], line, canvas->height - line);
  }
  for (guint i = 0; i < 4; i++) {
    const guint next = (i + 1) % 4;
    const gdouble pad = 2 * line;

    cairo_line_to (canvas->cr, x[i], y[i]);
    gst_delta_overlay_canvas_mark (canvas, MIN (x[i], x[next]) - pad,
        MIN (y[i], y[next]) - pad, fabs (x[i] - x[next]) + 2 * pad,
        fabs (y[i] - y[next]) + 2 * pad);
  }
  cairo_close_path (canvas->cr);
  stroke_dashed (canvas->cr, line);
  return TRUE;
}

static gchar *
describe (const GstDeltaCnnMotionMeta * meta)
{
  switch (meta->state) {
    case GST_DELTA_CNN_MOTION_REANCHORED:
      return g_strdup ("camera: new reference");
    case GST_DELTA_CNN_MOTION_LOST:
      return g_strdup ("camera: lost");
    default:
      return meta->inliers > 0 ? g_strdup_printf ("camera: aligned, %.0f %%",
          100 * meta->inliers) : g_strdup ("camera: aligned");
  }
}

/* x, y: the middle of the row's sign. FALSE: there is no room. */
static gboolean
legend_row (GstDeltaOverlayCanvas * canvas, gdouble size, guint row,
    const gchar * text, gdouble * x, gdouble * y)
{
  if (!gst_delta_overlay_legend_row (canvas, size, row, text, x, y))
    return FALSE;
  *x += 1.45 * size;
  *y += 0.9 * size;
  return TRUE;
}

static void
draw_legend (GstDeltaOverlayCanvas * canvas,
    const GstDeltaCnnMotionMeta * meta, gdouble size, gdouble line,
    gboolean window, guint row)
{
  g_autofree gchar *state = describe (meta);
  gdouble x, y;

  if (window && legend_row (canvas, size, row++, "window", &x, &y)) {
    cairo_rectangle (canvas->cr, x - 0.8 * size, y - 0.4 * size, 1.6 * size,
        0.8 * size);
    stroke_dashed (canvas->cr, 0.5 * line);
  }
  if (gst_delta_cnn_motion_meta_get_n_tracks (meta) > 0) {
    if (legend_row (canvas, size, row++, "moves by itself", &x, &y))
      dot (canvas->cr, by_itself, x, y, line);
    if (legend_row (canvas, size, row++, "moves with the scene", &x, &y))
      dot (canvas->cr, with_scene, x, y, line);
  }
  if (legend_row (canvas, size, row, state, &x, &y))
    dot (canvas->cr, meta->state == GST_DELTA_CNN_MOTION_LOST ? by_itself :
        with_scene, x, y, 1.5 * line);
}

void
gst_delta_overlay_draw_motion (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnMotionMeta * meta,
    guint row)
{
  const gdouble line = gst_delta_overlay_line_width (style, canvas);
  const gdouble size = gst_delta_overlay_font_size (style, canvas);
  const guint n = gst_delta_cnn_motion_meta_get_n_tracks (meta);
  gboolean window;

  cairo_set_line_cap (canvas->cr, CAIRO_LINE_CAP_ROUND);
  for (guint i = 0; i < n; i++) {
    GstDeltaCnnMotionTrack track;

    gst_delta_cnn_motion_meta_get_track (meta, i, &track);
    draw_track (canvas, &track, line);
  }
  cairo_set_line_cap (canvas->cr, CAIRO_LINE_CAP_BUTT);
  window = draw_window (canvas, meta, line);
  draw_legend (canvas, meta, size, line, window, row);
}
