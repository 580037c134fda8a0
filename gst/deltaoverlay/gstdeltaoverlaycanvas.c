/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlaycanvas.c - see gstdeltaoverlaycanvas.h; blending is in
 * gstdeltaoverlayblend.c.
 */
#include "gstdeltaoverlaycanvas.h"

#include <math.h>
#include <string.h>

/* Farther from its box than this, a tag is nobody's. */
#define TAG_ROWS 4

GstDeltaOverlayCanvas *
gst_delta_overlay_canvas_new (gint width, gint height)
{
  g_autoptr (GstDeltaOverlayCanvas) canvas = g_new0 (GstDeltaOverlayCanvas, 1);

  canvas->surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, width,
      height);
  if (cairo_surface_status (canvas->surface) != CAIRO_STATUS_SUCCESS)
    return NULL;
  canvas->width = width;
  canvas->height = height;
  canvas->cr = cairo_create (canvas->surface);
  canvas->pixels = (guint32 *) (void *)
      cairo_image_surface_get_data (canvas->surface);
  canvas->stride_px = cairo_image_surface_get_stride (canvas->surface) / 4;
  canvas->left = g_new (gint, height);
  canvas->right = g_new (gint, height);
  for (gint y = 0; y < height; y++) {
    canvas->left[y] = width;
    canvas->right[y] = 0;
  }
  return g_steal_pointer (&canvas);
}

void
gst_delta_overlay_canvas_free (GstDeltaOverlayCanvas * canvas)
{
  if (!canvas)
    return;
  g_clear_pointer (&canvas->cr, cairo_destroy);
  g_clear_pointer (&canvas->surface, cairo_surface_destroy);
  g_free (canvas->left);
  g_free (canvas->right);
  g_free (canvas);
}

void
gst_delta_overlay_canvas_mark (GstDeltaOverlayCanvas * canvas, gdouble x,
    gdouble y, gdouble width, gdouble height)
{
  const gint left = CLAMP (floor (x), 0, canvas->width);
  const gint right = CLAMP (ceil (x + width), 0, canvas->width);
  const gint top = CLAMP (floor (y), 0, canvas->height);
  const gint bottom = CLAMP (ceil (y + height), 0, canvas->height);

  if (left >= right)
    return;
  for (gint row = top; row < bottom; row++) {
    canvas->left[row] = MIN (canvas->left[row], left);
    canvas->right[row] = MAX (canvas->right[row], right);
  }
}

gdouble
gst_delta_overlay_canvas_covered (GstDeltaOverlayCanvas * canvas, gdouble x,
    gdouble y, gdouble width, gdouble height)
{
  const gint left = CLAMP (floor (x), 0, canvas->width);
  const gint right = CLAMP (ceil (x + width), 0, canvas->width);
  const gint top = CLAMP (floor (y), 0, canvas->height);
  const gint bottom = CLAMP (ceil (y + height), 0, canvas->height);
  gsize drawn = 0;

  cairo_surface_flush (canvas->surface);
  for (gint row = top; row < bottom; row++) {
    const guint32 *pixels = canvas->pixels + (gsize) row * canvas->stride_px;

    for (gint i = MAX (left, canvas->left[row]); i < MIN (right,
            canvas->right[row]); i++)
      drawn += pixels[i] != 0;
  }
  return drawn / MAX (width * height, 1);
}

static gboolean
hides_a_tag (const GstDeltaOverlayCanvas * canvas, const GstDeltaOverlayTag * t)
{
  for (guint i = 0; i < canvas->n_tags; i++) {
    const GstDeltaOverlayTag *other = &canvas->tags[i];

    if (t->left < other->left + other->width && other->left < t->left + t->width
        && t->top < other->top + other->height
        && other->top < t->top + t->height)
      return TRUE;
  }
  return FALSE;
}

void
gst_delta_overlay_canvas_place_tag (GstDeltaOverlayCanvas * canvas,
    GstDeltaOverlayTag * tag, gboolean down)
{
  const gdouble step = down ? tag->height : -tag->height;

  for (gint i = 0; i < 2 * TAG_ROWS; i++) {
    GstDeltaOverlayTag moved = *tag;

    moved.top += step * (i < TAG_ROWS ? i : TAG_ROWS - 1 - i);
    if (moved.top >= 0 && moved.top + moved.height <= canvas->height
        && !hides_a_tag (canvas, &moved)) {
      *tag = moved;
      break;
    }
  }
  if (canvas->n_tags < GST_DELTA_OVERLAY_TAGS)
    canvas->tags[canvas->n_tags++] = *tag;
}

void
gst_delta_overlay_canvas_clear (GstDeltaOverlayCanvas * canvas)
{
  cairo_surface_flush (canvas->surface);
  for (gint y = 0; y < canvas->height; y++) {
    const gint left = canvas->left[y];

    if (left < canvas->right[y])
      memset (canvas->pixels + (gsize) y * canvas->stride_px + left, 0,
          (gsize) (canvas->right[y] - left) * sizeof (guint32));
    canvas->left[y] = canvas->width;
    canvas->right[y] = 0;
  }
  canvas->n_tags = 0;
  cairo_surface_mark_dirty (canvas->surface);
}
