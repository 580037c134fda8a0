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

/* The cells of a piece, and where they lie. */
typedef struct
{
  gconstpointer cells;          /* NULL: it has none */
  guint width, height;
  gdouble x, y, w, h;           /* all of them, pixels of the frame */
  gdouble left, top, right, bottom; /* of these, what its part shows */
} Layer;

static Layer
layer_new (const GstDeltaCnnPiece * piece, GBytes * cells, guint width,
    guint height, const GstDeltaCnnRectangle * at)
{
  Layer layer = {.width = width,.height = height,.x = piece->x + at->x,
    .y = piece->y + at->y,.w = at->w,.h = at->h
  };

  layer.cells = cells ? g_bytes_get_data (cells, NULL) : NULL;
  layer.left = MAX (layer.x, piece->x);
  layer.top = MAX (layer.y, piece->y);
  layer.right = MIN (layer.x + layer.w, piece->x + (gdouble) piece->width);
  layer.bottom = MIN (layer.y + layer.h, piece->y + (gdouble) piece->height);
  return layer;
}

static Layer
mask_of (const GstDeltaCnnPiece * piece)
{
  const GstDeltaCnnResults *r = piece->results;

  return layer_new (piece, r->mask, r->mask_width, r->mask_height,
      &r->mask_rectangle);
}

static Layer
updates_of (const GstDeltaCnnPiece * piece)
{
  const GstDeltaCnnResults *r = piece->results;

  return layer_new (piece, r->updates, r->updates_width, r->updates_height,
      &r->updates_rectangle);
}

/* Pixels of the frame a cell of the finest layer; 0: there is none. */
static gdouble
finest (const GArray * pieces, Layer (*of) (const GstDeltaCnnPiece *))
{
  gdouble least = 0;

  for (guint i = 0; i < pieces->len; i++) {
    const Layer layer = of (piece_at (pieces, i));
    gdouble step;
    if (!layer.cells)
      continue;
    step = MAX (1.0, MIN (layer.w / layer.width, layer.h / layer.height));
    least = least > 0 ? MIN (least, step) : step;
  }
  return least;
}

/* The cells of a grid over the frame. */
typedef struct
{
  gdouble step;                 /* pixels of the frame a cell */
  guint width, height;
} Grid;

static Grid
grid_over (const GstDeltaCnnResults * all, gdouble step)
{
  return (Grid) {
  step, (guint) ceil (all->frame_width / step),
        (guint) ceil (all->frame_height / step)};
}

static GstDeltaCnnRectangle
grid_rectangle (const Grid * grid)
{
  return (GstDeltaCnnRectangle) {
  0, 0, (gfloat) (grid->width * grid->step),
        (gfloat) (grid->height * grid->step)};
}

/* The first cell whose middle is at `at` or past it, of n. */
static guint
first_cell (gdouble at, gdouble step, guint n)
{
  return (guint) CLAMP (ceil (at / step - 0.5), 0, n);
}

/* The layer's cell under the middle of the grid's; of n. */
static guint
cell_under (guint cell, gdouble step, gdouble from, gdouble extent, guint n)
{
  const gdouble at = floor (((cell + 0.5) * step - from) / extent * n);

  return (guint) CLAMP (at, 0, n - 1.0);
}

/* A piece's mask, where its own part of the frame has one. */
static void
paste (const Layer * layer, guint n_classes, const Grid * grid, guint8 * cells)
{
  const guint8 *mask = layer->cells;
  const guint x0 = first_cell (layer->left, grid->step, grid->width);
  const guint y0 = first_cell (layer->top, grid->step, grid->height);
  const guint x1 = first_cell (layer->right, grid->step, grid->width);
  const guint y1 = first_cell (layer->bottom, grid->step, grid->height);

  for (guint y = y0; y < y1; y++) {
    const guint8 *from = mask + (gsize) cell_under (y, grid->step, layer->y,
        layer->h, layer->height) * layer->width;
    guint8 *to = cells + (gsize) y * grid->width;
    for (guint x = x0; x < x1; x++) {
      const guint8 value = from[cell_under (x, grid->step, layer->x,
              layer->w, layer->width)];
      if (n_classes == 1 ? value > to[x] : to[x] == 0)
        to[x] = value;
    }
  }
}

void
gst_delta_cnn_pieces_mask (const GArray * pieces, GstDeltaCnnResults * all)
{
  const gdouble step = finest (pieces, mask_of);
  guint8 *cells;
  Grid grid;

  if (step == 0)
    return;
  grid = grid_over (all, step);
  cells = g_malloc0 ((gsize) grid.width * grid.height);
  for (guint i = 0; i < pieces->len; i++) {
    const GstDeltaCnnPiece *piece = piece_at (pieces, i);
    const Layer layer = mask_of (piece);
    if (!layer.cells)
      continue;
    paste (&layer, piece->results->mask_classes, &grid, cells);
    all->mask_classes = piece->results->mask_classes;
  }
  all->mask = g_bytes_new_take (cells, (gsize) grid.width * grid.height);
  all->mask_width = grid.width;
  all->mask_height = grid.height;
  all->mask_rectangle = grid_rectangle (&grid);
}

/* ---- update maps: bits in words of 8x8 (gstdeltacnnupdatemeta.h) ----------- */

/* The cells of the grid that a pixel of a layer's row or column marks: those
 * whose middle lies in it, or else the one that its own middle lies in. Of n;
 * the layer shows from `low` to `high`. */
static void
cells_marked (gdouble from, gdouble to, gdouble low, gdouble high,
    gdouble step, guint n, guint * first, guint * end)
{
  const gdouble middle = (from + to) / 2;

  *first = *end = 0;
  if (middle < low || middle >= high)
    return;
  *first = first_cell (MAX (from, low), step, n);
  *end = first_cell (MIN (to, high), step, n);
  if (*end <= *first) {
    *first = (guint) CLAMP (floor (middle / step), 0, n - 1.0);
    *end = *first + 1;
  }
}

static void
mark (guint64 * words, const Grid * grid, guint x0, guint x1, guint y0,
    guint y1)
{
  const gsize blocks_x = (grid->width + 7) / 8;

  for (guint y = y0; y < y1; y++)
    for (guint x = x0; x < x1; x++)
      words[y / 8 * blocks_x + x / 8] |= G_GUINT64_CONSTANT (1)
          << (8 * (y % 8) + x % 8);
}

static void
mark_updated (const Layer * layer, const Grid * grid, guint64 * words)
{
  const guint64 *from = layer->cells;
  const gdouble w = layer->w / layer->width, h = layer->h / layer->height;
  const gsize blocks_x = (layer->width + 7) / 8;

  for (guint y = 0; y < layer->height; y++) {
    guint y0, y1;
    cells_marked (layer->y + y * h, layer->y + (y + 1) * h, layer->top,
        layer->bottom, grid->step, grid->height, &y0, &y1);
    for (guint x = 0; y0 < y1 && x < layer->width; x++) {
      guint x0, x1;
      if (!(from[y / 8 * blocks_x + x / 8] >> (8 * (y % 8) + x % 8) & 1))
        continue;
      cells_marked (layer->x + x * w, layer->x + (x + 1) * w, layer->left,
          layer->right, grid->step, grid->width, &x0, &x1);
      mark (words, grid, x0, x1, y0, y1);
    }
  }
}

void
gst_delta_cnn_pieces_updates (const GArray * pieces, GstDeltaCnnResults * all)
{
  const gdouble step = finest (pieces, updates_of);
  guint64 *words;
  gsize n;
  Grid grid;

  if (step == 0)
    return;
  grid = grid_over (all, step);
  n = (gsize) ((grid.width + 7) / 8) * ((grid.height + 7) / 8);
  words = g_new0 (guint64, n);
  for (guint i = 0; i < pieces->len; i++) {
    const Layer layer = updates_of (piece_at (pieces, i));
    if (layer.cells)
      mark_updated (&layer, &grid, words);
  }
  all->updates = g_bytes_new_take (words, n * sizeof *words);
  all->updates_width = grid.width;
  all->updates_height = grid.height;
  all->updates_rectangle = grid_rectangle (&grid);
}
