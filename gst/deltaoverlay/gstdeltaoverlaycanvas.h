/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlaycanvas.h - a transparent picture of the frame's size to draw
 * on, which knows where something was drawn, and its way onto a frame.
 *
 * Pixels are cairo's ARGB32: native-endian 32 bits, alpha on top, colours
 * premultiplied. Belongs to one thread.
 */
#ifndef GST_DELTA_OVERLAY_CANVAS_H
#define GST_DELTA_OVERLAY_CANVAS_H

#include <cairo.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* More tags of text than these lie wherever they are put. */
#define GST_DELTA_OVERLAY_TAGS 64

typedef struct
{
  gdouble left, top, width, height;
} GstDeltaOverlayTag;

typedef struct
{
  gint width, height;
  cairo_surface_t *surface;
  cairo_t *cr;
  guint32 *pixels;
  gint stride_px;
  gint *left, *right;          /* of each row: what was drawn; left >= right:
                                  nothing */
  GstDeltaOverlayTag tags[GST_DELTA_OVERLAY_TAGS]; /* since it was cleared */
  guint n_tags;
} GstDeltaOverlayCanvas;

/* Returns NULL when cairo cannot make a surface of that size. */
GstDeltaOverlayCanvas *gst_delta_overlay_canvas_new (gint width, gint height);
void gst_delta_overlay_canvas_free (GstDeltaOverlayCanvas * canvas);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDeltaOverlayCanvas,
    gst_delta_overlay_canvas_free)

/* Something is drawn in here; clipped; call it for all that is drawn. */
void gst_delta_overlay_canvas_mark (GstDeltaOverlayCanvas * canvas, gdouble x,
    gdouble y, gdouble width, gdouble height);

/* Share of a rectangle's pixels that something was drawn on; what lies off the
 * canvas counts as not drawn on. */
gdouble gst_delta_overlay_canvas_covered (GstDeltaOverlayCanvas * canvas,
    gdouble x, gdouble y, gdouble width, gdouble height);

/* Takes a place for a tag of text, in front of all tags before it: where it
 * should be, or a few of its own heights up (first down where `down`), then the
 * other way, where it hides none of them. Its top becomes that place's. */
void gst_delta_overlay_canvas_place_tag (GstDeltaOverlayCanvas * canvas,
    GstDeltaOverlayTag * tag, gboolean down);

/* Makes transparent what was drawn. */
void gst_delta_overlay_canvas_clear (GstDeltaOverlayCanvas * canvas);

/* Draws the canvas over a mapped, writable frame of its size: RGB, BGR, RGBx,
 * BGRx, RGBA, BGRA, NV12, I420 or GRAY8, by the frame's matrix and range. */
void gst_delta_overlay_canvas_blend (GstDeltaOverlayCanvas * canvas,
    GstVideoFrame * frame);

G_END_DECLS

#endif
