/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * window.c - see window.h.
 */
#include "window.h"

#include <math.h>

gint
dcnn_window_place (gdouble off, gint now, guint tile, gboolean stays)
{
  if (tile == 0)
    return 0;
  if (stays && fabs (off / tile - now) <= DCNN_WINDOW_STAYS_TILES)
    return now;
  return (gint) floor (off / tile + 0.5);
}

guint
dcnn_window_torus (gint64 moved, guint stride, guint size)
{
  gint64 r = moved / (gint64) stride % (gint64) size;

  return (guint) (r < 0 ? r + size : r);
}

void
dcnn_window_seen (gint moved, guint stride, guint size, gint *from, gint *to)
{
  gint d = stride > 0 ? moved / (gint) stride : 0;

  *from = MAX (0, -d);
  *to = (gint) size - MAX (0, d);
}
