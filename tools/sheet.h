/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sheet.h - a contact sheet: a few moments of a clip, each as the frame, the
 * result, the map of what was recomputed and, of moving cameras, the camera's
 * motion, side by side.
 */
#ifndef DCNN_TOOLS_SHEET_H
#define DCNN_TOOLS_SHEET_H

#include <cairo.h>
#include <glib.h>

G_BEGIN_DECLS

/* One row; surfaces are RGB24, of the frame's size, owned. */
typedef struct SheetMoment {
  cairo_surface_t *frame, *result, *map;
  cairo_surface_t *motion;     /* NULL: there is no such column */
  guint64 index;               /* of the frame in the clip */
  double changed, work;        /* shares, 0..1; < 0: not known */
  double score;                /* how much there is to see */
} SheetMoment;

void sheet_moment_clear (SheetMoment *moment);

/* Darkens a copy of the frame and lights up the pixels of the update mask.
 * words: as in dcnn_mask.h, width x height pixels over the rectangle x, y, w,
 * h of the frame. Returns new. */
cairo_surface_t *sheet_draw_map (cairo_surface_t *frame, const guint64 *words,
    guint width, guint height, double x, double y, double w, double h);

/* Greys what of such a map lies outside of the quadrangle with these corners, in
 * order, and was not recomputed: the network did not see it. */
void sheet_draw_outside (cairo_surface_t *map, const double x[4],
    const double y[4]);

/* Draws rows of moments below a title and a line of text (both may be NULL)
 * and writes a PNG about 1600 px wide. */
gboolean sheet_write (const SheetMoment *moments, guint n, const char *title,
    const char *subtitle, const char *path, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

#endif
