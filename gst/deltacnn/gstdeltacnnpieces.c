/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnpieces.c - see gstdeltacnnpieces.h.
 */
#include "gstdeltacnnpieces.h"

#include <math.h>

static const GstDeltaCnnPiece *
piece_at (const GArray * pieces, guint i)
{
  return &g_array_index (pieces, GstDeltaCnnPiece, i);
}

/* Pixels of the frame a cell of the finest mask; 0: there is no mask. */
static gdouble
finest (const GArray * pieces)
{
  gdouble least = 0;

  for (guint i = 0; i < pieces->len; i++) {
    const GstDeltaCnnResults *r = piece_at (pieces, i)->results;
    gdouble step;
    if (!r->mask)
      continue;
    step = MAX (1.0, MIN (r->mask_rectangle.w / r->mask_width,
            r->mask_rectangle.h / r->mask_height));
    least = least > 0 ? MIN (least, step) : step;
  }
  return least;
}

/* The first cell whose middle is at `at` or past it, of n. */
static guint
first_cell (gdouble at, gdouble step, guint n)
{
  return (guint) CLAMP (ceil (at / step - 0.5), 0, n);
}

/* The mask's cell under the middle of the grid's; of n. */
static guint
cell_under (guint cell, gdouble step, gdouble from, gdouble extent, guint n)
{
  const gdouble at = floor (((cell + 0.5) * step - from) / extent * n);

  return (guint) CLAMP (at, 0, n - 1.0);
}

/* A piece's mask, where its own part of the frame has one. */
static void
paste (const GstDeltaCnnPiece * piece, gdouble step, guint8 * grid,
    guint width, guint height)
{
  const GstDeltaCnnResults *r = piece->results;
  const guint8 *mask = g_bytes_get_data (r->mask, NULL);
  const gdouble left = piece->x + r->mask_rectangle.x;
  const gdouble top = piece->y + r->mask_rectangle.y;
  const guint x0 = first_cell (MAX (left, piece->x), step, width);
  const guint y0 = first_cell (MAX (top, piece->y), step, height);
  const guint x1 = first_cell (MIN (left + r->mask_rectangle.w,
          piece->x + (gdouble) piece->width), step, width);
  const guint y1 = first_cell (MIN (top + r->mask_rectangle.h,
          piece->y + (gdouble) piece->height), step, height);

  for (guint y = y0; y < y1; y++) {
    const guint8 *from = mask + (gsize) cell_under (y, step, top,
        r->mask_rectangle.h, r->mask_height) * r->mask_width;
    guint8 *to = grid + (gsize) y * width;
    for (guint x = x0; x < x1; x++) {
      const guint8 value = from[cell_under (x, step, left,
              r->mask_rectangle.w, r->mask_width)];
      if (r->mask_classes == 1 ? value > to[x] : to[x] == 0)
        to[x] = value;
    }
  }
}

void
gst_delta_cnn_pieces_mask (const GArray * pieces, GstDeltaCnnResults * all)
{
  const gdouble step = finest (pieces);
  guint8 *grid;
  guint width, height;

  if (step == 0)
    return;
  width = (guint) ceil (all->frame_width / step);
  height = (guint) ceil (all->frame_height / step);
  grid = g_malloc0 ((gsize) width * height);
  for (guint i = 0; i < pieces->len; i++) {
    const GstDeltaCnnPiece *piece = piece_at (pieces, i);
    if (!piece->results->mask)
      continue;
    paste (piece, step, grid, width, height);
    all->mask_classes = piece->results->mask_classes;
  }
  all->mask = g_bytes_new_take (grid, (gsize) width * height);
  all->mask_width = width;
  all->mask_height = height;
  all->mask_rectangle = (GstDeltaCnnRectangle) {
  0, 0, (gfloat) (width * step), (gfloat) (height * step)};
}
