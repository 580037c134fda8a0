/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * window.h - internal: where the window goes on its canvas, and what of the
 * stored values stays in view when it moves. One axis at a time; pure.
 *
 * Stored values do not move with the window: a map is a torus, whose first row
 * (and column) in view lies further on the further the window has moved.
 */
#ifndef DCNN_POLICY_WINDOW_H
#define DCNN_POLICY_WINDOW_H

#include <glib.h>

G_BEGIN_DECLS

/* The window stays while the picture's centre is no further than this off its
 * own, in tiles; otherwise it goes to the nearest, half a tile off at most. So
 * jitter of up to a quarter of a tile moves nothing, wherever it happens. */
#define DCNN_WINDOW_STAYS_TILES 0.75

/* In tiles: where the window, now at tile `now`, goes for a picture that lies
 * `off` pixels from where the canvas began. stays: it may stay where it is.
 * tile 0: it cannot move, 0. */
gint dcnn_window_place (gdouble off, gint now, guint tile, gboolean stays);

/* Where what is in view begins in a map of that size (pixels), once the window
 * has moved by `moved` network pixels in all; stride: network pixels a pixel of
 * the map. */
guint dcnn_window_torus (gint64 moved, guint stride, guint size);

/* The pixels [*from, *to) of a map, as the window lies now, that were in view
 * before it moved by `moved` network pixels. stride 0: a map that does not
 * move with it, all of it. Empty: to <= from. */
void dcnn_window_seen (gint moved, guint stride, guint size, gint *from,
    gint *to);

/* Whether nothing of an input of `size` network pixels is left in view. */
static inline gboolean
dcnn_window_leaves (gint64 moved, guint size)
{
  return ABS (moved) >= size;
}

G_END_DECLS

#endif
