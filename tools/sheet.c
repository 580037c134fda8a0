/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sheet.h"

#include "deltacnn/session.h"
#include "output.h"

#define MOST_COLUMNS 4
#define MARGIN 28.0
#define GUTTER 12.0
#define CELLS_WIDTH 1542.0 /* of all columns, gutters included */
#define CAPTION 30.0
#define HEADING 26.0

void
sheet_moment_clear (SheetMoment *moment)
{
  g_clear_pointer (&moment->frame, cairo_surface_destroy);
  g_clear_pointer (&moment->result, cairo_surface_destroy);
  g_clear_pointer (&moment->map, cairo_surface_destroy);
  g_clear_pointer (&moment->motion, cairo_surface_destroy);
}

/* ---- the map ----------------------------------------------------------- */

static gboolean
updated (const guint64 *words, guint width, guint height, double x, double y)
{
  if (x < 0 || y < 0 || x >= width || y >= height)
    return FALSE;
  guint px = (guint) x, py = (guint) y;
  guint64 word = words[(gsize) (py / 8) * ((width + 7) / 8) + px / 8];
  return (word >> (8 * (py & 7) + (px & 7))) & 1;
}

static guint32
map_pixel (guint32 pixel, gboolean active)
{
  guint r = (pixel >> 16) & 255, g = (pixel >> 8) & 255, b = pixel & 255;
  guint luma = (54 * r + 183 * g + 19 * b) >> 8;
  if (!active) {
    guint dim = 10 + luma * 30 / 100;
    return (dim << 16) | (dim << 8) | (dim + 14);
  }
  /* One amber, a little lighter and darker with the picture: two would be
   * taken for two kinds. */
  guint shade = 196 + luma * 59 / 255;
  return (shade << 16) | ((shade * 170 / 255) << 8) | (shade * 40 / 255);
}

cairo_surface_t *
sheet_draw_map (cairo_surface_t *frame, const guint64 *words, guint width,
    guint height, double x, double y, double w, double h)
{
  int fw = cairo_image_surface_get_width (frame);
  int fh = cairo_image_surface_get_height (frame);
  cairo_surface_t *map =
      cairo_image_surface_create (CAIRO_FORMAT_RGB24, fw, fh);
  const guint8 *from = cairo_image_surface_get_data (frame);
  guint8 *to = cairo_image_surface_get_data (map);
  int stride = cairo_image_surface_get_stride (frame);
  int to_stride = cairo_image_surface_get_stride (map);
  double sx = w > 0 ? width / w : 0, sy = h > 0 ? height / h : 0;
  cairo_surface_flush (map);
  for (int py = 0; to && py < fh; py++) {
    const guint32 *in = (const guint32 *) (from + (gsize) py * stride);
    guint32 *out = (guint32 *) (to + (gsize) py * to_stride);
    for (int px = 0; px < fw; px++)
      out[px] = map_pixel (in[px], words
          && updated (words, width, height, (px + 0.5 - x) * sx,
              (py + 0.5 - y) * sy));
  }
  cairo_surface_mark_dirty (map);
  return map;
}

#define OUTSIDE 0.66, 0.67, 0.70

void
sheet_draw_outside (cairo_surface_t *map, const double x[4],
    const double y[4])
{
  int width = cairo_image_surface_get_width (map);
  int height = cairo_image_surface_get_height (map);
  int stride = cairo_image_surface_get_stride (map);
  cairo_surface_t *grey =
      cairo_image_surface_create (CAIRO_FORMAT_RGB24, width, height);
  cairo_t *cr = cairo_create (grey);
  guint8 *to = cairo_image_surface_get_data (map);
  const guint8 *from = cairo_image_surface_get_data (grey);
  cairo_set_source_surface (cr, map, 0, 0);
  cairo_paint (cr);
  cairo_set_fill_rule (cr, CAIRO_FILL_RULE_EVEN_ODD);
  cairo_rectangle (cr, 0, 0, width, height);
  for (int i = 0; i < 4; i++)
    cairo_line_to (cr, x[i], y[i]);
  cairo_close_path (cr);
  cairo_set_source_rgb (cr, OUTSIDE);
  cairo_fill (cr);
  cairo_destroy (cr);
  cairo_surface_flush (grey);
  for (int py = 0; to && from && py < height; py++)
    for (int px = 0; px < width; px++) {
      guint32 *pixel = (guint32 *) (to + (gsize) py * stride) + px;
      if ((*pixel >> 16 & 255) == (*pixel >> 8 & 255)) /* it is not amber */
        *pixel = ((const guint32 *) (from + (gsize) py * stride))[px];
    }
  cairo_surface_mark_dirty (map);
  cairo_surface_destroy (grey);
}

/* ---- the sheet --------------------------------------------------------- */

static void
text (cairo_t *cr, double x, double y, double size, double grey,
    gboolean bold, const char *what)
{
  cairo_select_font_face (cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
      bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, size);
  cairo_set_source_rgb (cr, grey, grey, grey * 1.03);
  cairo_move_to (cr, x, y);
  cairo_show_text (cr, what);
}

static void
picture (cairo_t *cr, cairo_surface_t *surface, double x, double y, double w,
    double h)
{
  if (!surface)
    return;
  cairo_save (cr);
  cairo_rectangle (cr, x, y, w, h);
  cairo_clip (cr);
  cairo_translate (cr, x, y);
  cairo_scale (cr, w / cairo_image_surface_get_width (surface),
      h / cairo_image_surface_get_height (surface));
  cairo_set_source_surface (cr, surface, 0, 0);
  cairo_pattern_set_filter (cairo_get_source (cr), CAIRO_FILTER_GOOD);
  cairo_paint (cr);
  cairo_restore (cr);
}

/* Left edge of a column; width: of its cells. */
static double
column (guint i, guint columns, double *width)
{
  *width = (CELLS_WIDTH - (columns - 1) * GUTTER) / columns;
  return MARGIN + i * (*width + GUTTER);
}

static void
row (cairo_t *cr, const SheetMoment *moment, guint columns, double y,
    double height)
{
  cairo_surface_t *cells[MOST_COLUMNS] =
      { moment->frame, moment->result, moment->map, moment->motion };
  for (guint i = 0; i < columns; i++) {
    double width, x = column (i, columns, &width);
    picture (cr, cells[i], x, y, width, height);
  }
  GString *caption = g_string_new (NULL);
  g_string_append_printf (caption, "frame %" G_GUINT64_FORMAT, moment->index);
  if (moment->changed >= 0)
    g_string_append_printf (caption, "    %.1f %% of the pixels changed",
        100 * moment->changed);
  if (moment->work >= 0)
    g_string_append_printf (caption, "    %.1f %% of the network's work done",
        100 * moment->work);
  text (cr, MARGIN, y + height + 20, 15, 0.30, FALSE, caption->str);
  g_string_free (caption, TRUE);
}

/* What the map's tones mean, at the right end of its heading; of what was not seen,
 * at that of the next one, where there is room. */
static void
legend (cairo_t *cr, double right, double y, gboolean outside)
{
  static const struct { const char *what; double width, r, g, b; } tones[] = {
    { "not seen", 76, OUTSIDE },
    { "kept", 50, 0.15, 0.15, 0.20 },
    { "recomputed", 102, 0.92, 0.61, 0.14 },
  };
  for (guint i = outside ? 0 : 1; i < (outside ? 1 : G_N_ELEMENTS (tones));
      i++) {
    right -= tones[i].width;
    cairo_rectangle (cr, right, y + 3, 13, 13);
    cairo_set_source_rgb (cr, tones[i].r, tones[i].g, tones[i].b);
    cairo_fill (cr);
    text (cr, right + 18, y + 15, 13, 0.45, FALSE, tones[i].what);
  }
}

static void
draw (cairo_t *cr, const SheetMoment *moments, guint n, guint columns,
    double height, const char *title, const char *subtitle)
{
  static const char *const headings[MOST_COLUMNS] =
      { "the frame", "what was found", "what was recomputed",
        "the camera's motion" };
  double y = MARGIN, x = MARGIN, width = 0;
  cairo_set_source_rgb (cr, 0.985, 0.985, 0.98);
  cairo_paint (cr);
  if (title) {
    text (cr, MARGIN, y + 22, 26, 0.10, TRUE, title);
    y += 36;
  }
  if (subtitle) {
    text (cr, MARGIN, y + 16, 16, 0.32, FALSE, subtitle);
    y += 34;
  }
  for (guint i = 0; i < columns; i++) {
    x = column (i, columns, &width);
    text (cr, x, y + 15, 15, 0.45, TRUE, headings[i]);
    if (i >= 2)
      legend (cr, x + width, y, i == 3);
  }
  y += HEADING;
  for (guint i = 0; i < n; i++, y += height + CAPTION)
    row (cr, &moments[i], columns, y, height);
}

gboolean
sheet_write (const SheetMoment *moments, guint n, const char *title,
    const char *subtitle, const char *path, GError **error)
{
  double aspect = (double) cairo_image_surface_get_height (moments[0].frame)
      / cairo_image_surface_get_width (moments[0].frame);
  guint columns = moments[0].motion ? MOST_COLUMNS : MOST_COLUMNS - 1;
  double cell = 0, height;
  column (0, columns, &cell);
  height = cell * aspect;
  double total = 2 * MARGIN + (title ? 36 : 0) + (subtitle ? 34 : 0) + HEADING
      + n * (height + CAPTION) - 10;
  double width = 2 * MARGIN + CELLS_WIDTH;
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24,
      (int) width, (int) total);
  cairo_t *cr = cairo_create (surface);
  draw (cr, moments, n, columns, height, title, subtitle);
  cairo_status_t status = cairo_status (cr);
  cairo_destroy (cr);
  gboolean good = status == CAIRO_STATUS_SUCCESS
      && tool_write_png (path, surface, error);
  cairo_surface_destroy (surface);
  if (status != CAIRO_STATUS_SUCCESS)
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "cannot draw %s: %s",
        path, cairo_status_to_string (status));
  return good;
}
