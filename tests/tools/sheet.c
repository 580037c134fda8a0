/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sheet.c - the contact sheet's map: what was recomputed is amber, the rest the
 * dimmed picture, at the places that the mask says.
 */
#include "sheet.h"

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sheet/map", test_map);
  return g_test_run ();
}
