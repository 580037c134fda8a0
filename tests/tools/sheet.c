/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sheet.c - the contact sheet's map: what was recomputed is amber, the rest the
 * dimmed picture, at the places that the mask says; and its cells.
 */
#include "sheet.h"

#include <glib/gstdio.h>
#include <string.h>

static guint32
pixel_of (cairo_surface_t *surface, guint x, guint y)
{
  const guint8 *data = cairo_image_surface_get_data (surface);
  guint32 pixel;

  memcpy (&pixel, data + (gsize) y * (gsize)
      cairo_image_surface_get_stride (surface) + 4 * x, 4);
  return pixel & 0xffffff;
}

/* A grey frame whose mask's left half is set, over all of it and over its lower
 * half. */
static void
test_map (void)
{
  static const guint64 words[2] = { ~G_GUINT64_CONSTANT (0), 0 };
  static const guint32 amber = 0xe19623, dim = 0x30303e;
  cairo_surface_t *frame = cairo_image_surface_create (CAIRO_FORMAT_RGB24, 16,
      16);
  cairo_t *cr = cairo_create (frame);

  cairo_set_source_rgb (cr, 128 / 255.0, 128 / 255.0, 128 / 255.0);
  cairo_paint (cr);
  cairo_destroy (cr);
  for (guint lower = 0; lower < 2; lower++) {
    cairo_surface_t *map = sheet_draw_map (frame, words, 16, 8, 0,
        lower ? 8 : 0, 16, lower ? 8 : 16);
    cairo_surface_flush (map);
    g_assert_cmphex (pixel_of (map, 3, 3), ==, lower ? dim : amber);
    g_assert_cmphex (pixel_of (map, 3, 12), ==, amber);
    g_assert_cmphex (pixel_of (map, 12, 3), ==, dim);
    g_assert_cmphex (pixel_of (map, 12, 12), ==, dim);
    cairo_surface_destroy (map);
  }
  cairo_surface_destroy (frame);
}

/* What is outside of a quadrangle is neither, unless it was recomputed; what is inside
 * stays. */
static void
test_outside (void)
{
  static const double x[4] = { -4, 12, 12, -4 }, y[4] = { 4, 4, 20, 20 };
  static const guint64 words[4] = { 0, 1, 0, 0 };
  cairo_surface_t *frame = cairo_image_surface_create (CAIRO_FORMAT_RGB24, 16,
      16), *map = sheet_draw_map (frame, words, 16, 16, 0, 0, 16, 16);
  guint32 kept = pixel_of (map, 3, 12), amber = pixel_of (map, 8, 0), grey;

  sheet_draw_outside (map, x, y);
  cairo_surface_flush (map);
  grey = pixel_of (map, 14, 12);
  g_assert_cmphex (grey, !=, kept);
  g_assert_cmphex (amber, !=, kept);
  for (guint py = 0; py < 16; py++)
    for (guint px = 0; px < 16; px++)
      g_assert_cmphex (pixel_of (map, px, py), ==, px == 8 && py == 0 ? amber :
          px < 12 && py >= 4 ? kept : grey);
  cairo_surface_destroy (map);
  cairo_surface_destroy (frame);
}

static cairo_surface_t *
plain (double r, double g, double b)
{
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, 32,
      18);
  cairo_t *cr = cairo_create (surface);

  cairo_set_source_rgb (cr, r, g, b);
  cairo_paint (cr);
  cairo_destroy (cr);
  return surface;
}

/* Two moments of three pictures: each picture fills a cell of its own, side by
 * side, one moment below the other. */
static void
test_cells (void)
{
  static const guint32 colors[] = { 0xff0000, 0x00ff00, 0x0000ff };
  SheetMoment moments[2] = { { .changed = -1, .work = -1 }, { .index = 1 } };
  char *folder = g_dir_make_tmp ("deltacnn-XXXXXX", NULL);
  char *path = g_build_filename (folder, "sheet.png", NULL);
  guint middle[2][3][2] = { 0 }, count[2][3] = { 0 }, width, height;
  GError *error = NULL;
  cairo_surface_t *sheet;

  for (guint i = 0; i < 2; i++) {
    moments[i].frame = plain (1, 0, 0);
    moments[i].result = plain (0, 1, 0);
    moments[i].map = plain (0, 0, 1);
  }
  g_assert_true (sheet_write (moments, 2, NULL, NULL, path, &error));
  g_assert_no_error (error);
  sheet = cairo_image_surface_create_from_png (path);
  width = (guint) cairo_image_surface_get_width (sheet);
  height = (guint) cairo_image_surface_get_height (sheet);
  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x++)
      for (guint k = 0; k < 3; k++)
        if (pixel_of (sheet, x, y) == colors[k]) {
          guint row = y > height / 2;
          count[row][k]++;
          middle[row][k][0] = MAX (middle[row][k][0], x);
          middle[row][k][1] = MAX (middle[row][k][1], y);
        }
  for (guint row = 0; row < 2; row++)
    for (guint k = 0; k < 3; k++) {
      /* about a third of the width, at the pictures' aspect */
      g_assert_cmpuint (count[row][k], >, width * width / 24);
      if (k > 0)
        g_assert_cmpuint (middle[row][k][0], >, middle[row][k - 1][0] + width /
            4);
      if (row > 0)
        g_assert_cmpuint (middle[1][k][1], >, middle[0][k][1] + width / 6);
    }
  cairo_surface_destroy (sheet);
  for (guint i = 0; i < 2; i++)
    sheet_moment_clear (&moments[i]);
  g_assert_cmpint (g_remove (path), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_free (path);
  g_free (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sheet/map", test_map);
  g_test_add_func ("/sheet/outside", test_outside);
  g_test_add_func ("/sheet/cells", test_cells);
  return g_test_run ();
}
