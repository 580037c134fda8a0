/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * view.c - see view.h.
 */
#include "view.h"

#include <math.h>

#include "fixture.h"

#define SCENE_W 800
#define SCENE_H 600

static guint
chance (guint64 * seed, guint n)
{
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (guint) (*seed >> 33) % n;
}

/* Rectangles of many sizes and tones, a little blurred: a lens is no knife. */
static const guint8 *
scene (void)
{
  static guint8 pixels[SCENE_W * SCENE_H];
  static gsize made = 0;
  guint64 seed = 5;

  if (!g_once_init_enter (&made))
    return pixels;
  for (gint i = 0; i < 900; i++) {
    const gint w = 6 + (gint) chance (&seed, 60);
    const gint h = 6 + (gint) chance (&seed, 60);
    const gint x0 = (gint) chance (&seed, SCENE_W - w);
    const gint y0 = (gint) chance (&seed, SCENE_H - h);
    const guint8 tone = 20 + chance (&seed, 215);

    for (gint y = y0; y < y0 + h; y++)
      memset (pixels + y * SCENE_W + x0, tone, w);
  }
  for (gint i = SCENE_W + 1; i < SCENE_W * (SCENE_H - 1) - 1; i++)
    pixels[i] = (pixels[i - 1] + 4 * pixels[i] + pixels[i + 1]
        + pixels[i - SCENE_W] + pixels[i + SCENE_W]) / 8;
  g_once_init_leave (&made, 1);
  return pixels;
}

/* Black outside. */
static gdouble
look (const guint8 * from, gdouble x, gdouble y)
{
  const gint ix = floor (x - 0.5), iy = floor (y - 0.5);
  const gdouble fx = x - 0.5 - ix, fy = y - 0.5 - iy;
  const guint8 *p = from + iy * SCENE_W + ix;

  if (ix < 0 || iy < 0 || ix >= SCENE_W - 1 || iy >= SCENE_H - 1)
    return 0;
  return (p[0] * (1 - fx) + p[1] * fx) * (1 - fy) + (p[SCENE_W] * (1 - fx)
      + p[SCENE_W + 1] * fx) * fy;
}

static void
to_scene (const View * v, gdouble x, gdouble y, gdouble * sx, gdouble * sy)
{
  const gdouble dx = (x - VIEW_WIDTH / 2.0) / v->zoom;
  const gdouble dy = (y - VIEW_HEIGHT / 2.0) / v->zoom;

  *sx = v->x + cos (v->roll) * dx - sin (v->roll) * dy;
  *sy = v->y + sin (v->roll) * dx + cos (v->roll) * dy;
}

void
view_map (const View * view, const View * reference, gdouble x, gdouble y,
    gdouble * out_x, gdouble * out_y)
{
  const gdouble c = cos (reference->roll), s = sin (reference->roll);
  gdouble sx, sy;

  to_scene (view, x, y, &sx, &sy);
  sx -= reference->x;
  sy -= reference->y;
  *out_x = (c * sx + s * sy) * reference->zoom + VIEW_WIDTH / 2.0;
  *out_y = (c * sy - s * sx) * reference->zoom + VIEW_HEIGHT / 2.0;
}

void
view_draw (const View * view, guint8 * grey)
{
  const guint8 *from = scene ();
  guint64 seed = (guint64) (view->x * 1000 + view->y * 77 + 1);

  for (gint y = 0; y < VIEW_HEIGHT; y++)
    for (gint x = 0; x < VIEW_WIDTH; x++) {
      gdouble sx, sy, value;

      to_scene (view, x + 0.5, y + 0.5, &sx, &sy);
      value = look (from, sx, sy) + chance (&seed, 5) - 2.0;
      grey[y * VIEW_WIDTH + x] = CLAMP (value + 0.5, 0, 255);
    }
}

GstBuffer *
view_buffer (const View * view, const gchar * format)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, VIEW_WIDTH * VIEW_HEIGHT,
      NULL);
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  view_draw (view, map.data);
  gst_buffer_unmap (buffer, &map);
  return g_str_equal (format, "GRAY8") ? buffer : picture_convert (buffer,
      "GRAY8", format, VIEW_WIDTH, VIEW_HEIGHT);
}
