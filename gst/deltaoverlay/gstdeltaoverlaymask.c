/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlaymask.c - masks and the update map on the canvas; see
 * gstdeltaoverlaydraw.h.
 *
 * These cover much of the frame every frame, so they write pixels themselves:
 * a mask of one class is interpolated as a probability and only then made a
 * colour, which gives smooth outlines from coarse grids.
 */
#include "gstdeltaoverlaydraw.h"

#include <math.h>
#include <string.h>

/* Where grid cells lie on the canvas: columns (or rows) first..last-1 of the
 * canvas show the grid, each lying `fraction`/256 between two cells. */
typedef struct
{
  gint first, last;
  guint *cell;                 /* [last - first] */
  guint8 *fraction;            /* [last - first] */
} Axis;

/* nearest: cell is the one the pixel's centre lies in. FALSE: nothing shows. */
static gboolean
axis_init (Axis * axis, gfloat start, gfloat length, guint cells, gint size,
    gboolean nearest)
{
  *axis = (Axis) {0};
  if (!isfinite (start) || !isfinite (length) || !(length > 0) || cells == 0)
    return FALSE;
  axis->first = CLAMP (floorf (start + 0.5f), 0, size);
  axis->last = CLAMP (floorf (start + length + 0.5f), 0, size);
  if (axis->first >= axis->last)
    return FALSE;
  axis->cell = g_new (guint, axis->last - axis->first);
  axis->fraction = g_new (guint8, axis->last - axis->first);
  for (gint i = axis->first; i < axis->last; i++) {
    const gfloat at = (i + 0.5f - start) / length * cells;
    const gfloat place = CLAMP (nearest ? at : at - 0.5f, 0, cells - 1);
    const guint cell = nearest ? MIN ((guint) MAX (at, 0), cells - 1) :
        (guint) place;

    axis->cell[i - axis->first] = cell;
    axis->fraction[i - axis->first] =
        cell + 1 < cells && !nearest ? (place - cell) * 255 : 0;
  }
  return TRUE;
}

static void
axis_clear (Axis * axis)
{
  g_clear_pointer (&axis->cell, g_free);
  g_clear_pointer (&axis->fraction, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Axis, axis_clear)

static guint32
premultiplied (gdouble red, gdouble green, gdouble blue, gdouble alpha)
{
  const gdouble a = CLAMP (alpha, 0, 1);

  return (guint32) lround (255 * a) << 24 | (guint32) lround (255 * a * red)
      << 16 | (guint32) lround (255 * a * green) << 8
      | (guint32) lround (255 * a * blue);
}

/* Is a canvas pixel on a line of the hatching? One line a period, a third of
 * it wide. */
static inline gboolean
on_hatch (gint x, gint y, gint period)
{
  return (x + y) % period < MAX (period / 3, 1);
}

static guint32
hatch_color (const GstDeltaOverlayStyle * style)
{
  return premultiplied (((style->update_color >> 16) & 0xff) / 255.0,
      ((style->update_color >> 8) & 0xff) / 255.0,
      (style->update_color & 0xff) / 255.0, style->update_alpha);
}

static gint
hatch_period (const GstDeltaOverlayStyle * style,
    const GstDeltaOverlayCanvas * canvas)
{
  return MAX (3 * gst_delta_overlay_line_width (style, canvas), 6);
}

/* The update map: diagonal lines in one colour, the picture between them, so
 * that it is taken neither for a mask nor for two classes. */
void
gst_delta_overlay_draw_updates (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style, const GstDeltaCnnUpdateMeta * meta)
{
  const guint32 color = hatch_color (style);
  const gint period = hatch_period (style, canvas);
  const gsize blocks_x = (meta->width + 7) / 8;
  const guint64 *words;
  g_auto (Axis) across = { 0 };
  g_auto (Axis) down = { 0 };

  if (!axis_init (&across, meta->x, meta->w, meta->width, canvas->width, TRUE)
      || !axis_init (&down, meta->y, meta->h, meta->height, canvas->height,
          TRUE))
    return;
  words = g_bytes_get_data (meta->words, NULL);
  for (gint y = down.first; y < down.last; y++) {
    guint32 *row = canvas->pixels + (gsize) y * canvas->stride_px;
    const guint cell_y = down.cell[y - down.first];
    const guint shift = 8 * (cell_y % 8);
    const guint64 *blocks = words + (gsize) (cell_y / 8) * blocks_x;
    gint left = canvas->width, right = 0;

    for (gint x = across.first; x < across.last; x++) {
      const guint cell = across.cell[x - across.first];

      if (!((blocks[cell / 8] >> (shift + cell % 8)) & 1)
          || !on_hatch (x, y, period))
        continue;
      row[x] = color;
      left = MIN (left, x);
      right = x + 1;
    }
    if (left < right)
      gst_delta_overlay_canvas_mark (canvas, left, y, right - left, 1);
  }
}

/* What the hatching means, at the bottom right. */
void
gst_delta_overlay_draw_legend (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style)
{
  const gdouble size = gst_delta_overlay_font_size (style, canvas);
  const gint period = hatch_period (style, canvas);
  const guint32 color = hatch_color (style) | 0xff000000;
  gdouble left, top;
  gint x0, y0;

  if (!gst_delta_overlay_legend_row (canvas, size, 0, "recomputed", &left,
          &top))
    return;
  cairo_surface_flush (canvas->surface);
  x0 = left + 0.5 * size;
  y0 = top + 0.4 * size;
  for (gint y = y0; y < y0 + (gint) size; y++)
    for (gint x = x0; x < x0 + (gint) (1.9 * size); x++)
      if (on_hatch (x, y, period))
        canvas->pixels[(gsize) y * canvas->stride_px + x] = color;
  cairo_surface_mark_dirty (canvas->surface);
}

static inline guint32
over (guint32 top, guint32 under)
{
  const guint rest = 255 - (top >> 24);
  guint32 out = 0;

  if (under == 0)
    return top;
  for (guint shift = 0; shift < 32; shift += 8)
    out |= (((top >> shift) & 0xff) + ((under >> shift & 0xff) * rest + 127)
        / 255) << shift;
  return out;
}

/* Colours of probabilities 0..255: fill from one half on, a light line where
 * it crosses. */
static void
make_ramp (const GstDeltaOverlayStyle * style, guint32 * ramp)
{
  const GstDeltaOverlayColor color = gst_delta_overlay_color (0);

  for (gint p = 0; p < 256; p++) {
    const gdouble inside = CLAMP ((p - 104) / 24.0, 0, 1);
    const gdouble edge = CLAMP (1 - ABS (p - 128) / 40.0, 0, 1);
    const gdouble white = 0.8 * edge;
    const gdouble alpha = MAX (style->mask_alpha * inside,
        MIN (2.2 * style->mask_alpha, 0.95) * edge);

    ramp[p] = premultiplied (color.red + (1 - color.red) * white,
        color.green + (1 - color.green) * white,
        color.blue + (1 - color.blue) * white, alpha);
  }
}

/* First and last value of a grid row that may show; FALSE: none. */
static gboolean
row_extent (const guint8 * row, guint width, guint least, guint * first,
    guint * last)
{
  guint a = 0, b = width;

  while (a < width && row[a] < least)
    a++;
  while (b > a && row[b - 1] < least)
    b--;
  *first = a;
  *last = b;
  return a < b;
}

/* The same of two rows together; FALSE for most rows of most frames. */
static gboolean
rows_extent (const guint8 * top, const guint8 * bottom, guint n, guint least,
    guint * first, guint * last)
{
  guint a, b;

  if (!row_extent (top, n, least, first, last))
    return row_extent (bottom, n, least, first, last);
  if (row_extent (bottom, n, least, &a, &b)) {
    *first = MIN (*first, a);
    *last = MAX (*last, b);
  }
  return TRUE;
}

static void
draw_probability (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style,
    const GstDeltaCnnSegmentationMeta * meta, const Axis * across,
    const Axis * down)
{
  const guint8 *data = g_bytes_get_data (meta->data, NULL);
  guint32 ramp[256];

  make_ramp (style, ramp);
  for (gint y = down->first; y < down->last; y++) {
    const guint cell_y = down->cell[y - down->first];
    const guint fy = down->fraction[y - down->first];
    const guint8 *top = data + (gsize) cell_y * meta->width;
    const guint8 *bottom = fy ? top + meta->width : top;
    guint32 *row = canvas->pixels + (gsize) y * canvas->stride_px;
    gint left = canvas->width, right = 0;
    guint a, b;

    if (!rows_extent (top, bottom, meta->width, 88, &a, &b))
      continue;
    for (gint x = across->first; x < across->last; x++) {
      const guint cell = across->cell[x - across->first];
      const guint fx = across->fraction[x - across->first];
      const guint next = fx ? cell + 1 : cell;
      guint upper, lower, value;

      if (cell + 1 < a || cell > b)
        continue;
      upper = top[cell] * (255 - fx) + top[next] * fx;
      lower = bottom[cell] * (255 - fx) + bottom[next] * fx;
      value = (upper * (255 - fy) + lower * fy) / (255 * 255);
      if (ramp[value]) {
        row[x] = over (ramp[value], row[x]);
        left = MIN (left, x);
        right = x + 1;
      }
    }
    if (left < right)
      gst_delta_overlay_canvas_mark (canvas, left, y, right - left, 1);
  }
}

/* Is any neighbour of another class? */
static gboolean
on_border (const guint8 * data, guint width, guint height, guint x, guint y)
{
  const guint8 *cell = data + (gsize) y * width + x;

  return (x > 0 && cell[-1] != *cell) || (x + 1 < width && cell[1] != *cell)
      || (y > 0 && cell[-(gssize) width] != *cell)
      || (y + 1 < height && cell[width] != *cell);
}

/* Many classes: a small picture, drawn large with soft edges. */
static void
draw_classes (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style,
    const GstDeltaCnnSegmentationMeta * meta)
{
  const guint8 *data = g_bytes_get_data (meta->data, NULL);
  cairo_surface_t *small = cairo_image_surface_create (CAIRO_FORMAT_ARGB32,
      meta->width, meta->height);
  guint32 *pixels = (guint32 *) (void *) cairo_image_surface_get_data (small);
  const gint stride = cairo_image_surface_get_stride (small) / 4;
  cairo_t *cr = canvas->cr;
  gboolean any = FALSE;

  for (guint y = 0; pixels && y < meta->height; y++) {
    for (guint x = 0; x < meta->width; x++) {
      const guint value = data[(gsize) y * meta->width + x];
      const gboolean shown = value != 0 || style->background_class;
      const GstDeltaOverlayColor color = gst_delta_overlay_color (value
          - (style->background_class ? 0 : 1));
      const gboolean border = shown && on_border (data, meta->width,
          meta->height, x, y);

      any |= shown;
      pixels[(gsize) y * stride + x] = shown ? premultiplied (color.red,
          color.green, color.blue, MIN (style->mask_alpha * (border ? 1.6 : 1),
              1)) : 0;
    }
  }
  if (any) {
    cairo_surface_mark_dirty (small);
    cairo_save (cr);
    cairo_rectangle (cr, meta->x, meta->y, meta->w, meta->h);
    cairo_clip (cr);
    cairo_translate (cr, meta->x, meta->y);
    cairo_scale (cr, meta->w / meta->width, meta->h / meta->height);
    cairo_set_source_surface (cr, small, 0, 0);
    cairo_pattern_set_filter (cairo_get_source (cr), CAIRO_FILTER_BILINEAR);
    cairo_pattern_set_extend (cairo_get_source (cr), CAIRO_EXTEND_PAD);
    cairo_paint (cr);
    cairo_restore (cr);
    gst_delta_overlay_canvas_mark (canvas, meta->x, meta->y, meta->w, meta->h);
  }
  cairo_surface_destroy (small);
}

void
gst_delta_overlay_draw_mask (GstDeltaOverlayCanvas * canvas,
    const GstDeltaOverlayStyle * style,
    const GstDeltaCnnSegmentationMeta * meta)
{
  g_auto (Axis) across = { 0 };
  g_auto (Axis) down = { 0 };

  if (!axis_init (&across, meta->x, meta->w, meta->width, canvas->width, FALSE)
      || !axis_init (&down, meta->y, meta->h, meta->height, canvas->height,
          FALSE))
    return;
  if (meta->n_classes != 1) {
    draw_classes (canvas, style, meta);
    return;
  }
  cairo_surface_flush (canvas->surface);
  draw_probability (canvas, style, meta, &across, &down);
  cairo_surface_mark_dirty (canvas->surface);
}

void
gst_delta_overlay_mask_cover (const GstDeltaCnnSegmentationMeta * meta,
    guint8 * cover, gint width, gint height)
{
  const guint8 *data = g_bytes_get_data (meta->data, NULL);
  const gboolean probability = meta->n_classes == 1;
  g_auto (Axis) across = { 0 };
  g_auto (Axis) down = { 0 };

  if (!axis_init (&across, meta->x, meta->w, meta->width, width, FALSE)
      || !axis_init (&down, meta->y, meta->h, meta->height, height, FALSE))
    return;
  for (gint y = down.first; y < down.last; y++) {
    const guint cell_y = down.cell[y - down.first];
    const guint fy = down.fraction[y - down.first];
    const guint8 *top = data + (gsize) cell_y * meta->width;
    const guint8 *bottom = fy ? top + meta->width : top;
    guint8 *row = cover + (gsize) y * width;

    for (gint x = across.first; x < across.last; x++) {
      const guint cell = across.cell[x - across.first];
      const guint fx = across.fraction[x - across.first];
      const guint next = fx ? cell + 1 : cell;
      const guint corner[4] = {
        probability ? top[cell] : 255 * (top[cell] > 0),
        probability ? top[next] : 255 * (top[next] > 0),
        probability ? bottom[cell] : 255 * (bottom[cell] > 0),
        probability ? bottom[next] : 255 * (bottom[next] > 0)
      };
      const guint upper = corner[0] * (255 - fx) + corner[1] * fx;
      const guint lower = corner[2] * (255 - fx) + corner[3] * fx;
      const gint value = (upper * (255 - fy) + lower * fy) / (255 * 255);
      /* Sure from 3/4 on, no object up to 1/4. */
      const gint sure = CLAMP (2 * (value - 64), 0, 255);

      row[x] = MAX (row[x], sure);
    }
  }
}
