/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlaybackground.h - the background of a frame (what no mask
 * covers) made a blur, a colour or a picture, as conferences do.
 *
 * It is drawn on the canvas below all else, as opaque as the mask is unsure.
 * A frame without a mask is background everywhere: what should be hidden is
 * never shown for want of a result. Belongs to one thread and frame size.
 */
#ifndef GST_DELTA_OVERLAY_BACKGROUND_H
#define GST_DELTA_OVERLAY_BACKGROUND_H

#include "gstdeltaoverlaydraw.h"

G_BEGIN_DECLS

typedef struct GstDeltaOverlayBackground GstDeltaOverlayBackground;

/* NULL: no memory. */
GstDeltaOverlayBackground *gst_delta_overlay_background_new (gint width,
    gint height);
void gst_delta_overlay_background_free (GstDeltaOverlayBackground * self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDeltaOverlayBackground,
    gst_delta_overlay_background_free)

/* Draws by style->background, which is not KEEP; picture: a PNG file, used for
 * PICTURE. frame: mapped for reading, with its masks on its buffer. FALSE with
 * error set when the picture cannot be read (the colour stands in) or when the
 * frame has no mask; drawn it is all the same. */
gboolean gst_delta_overlay_background_draw (GstDeltaOverlayBackground * self,
    GstDeltaOverlayCanvas * canvas, const GstDeltaOverlayStyle * style,
    const gchar * picture, GstVideoFrame * frame, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

#endif
