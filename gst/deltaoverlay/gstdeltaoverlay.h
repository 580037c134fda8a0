/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaoverlay.h - the element deltaoverlay: draws what deltacnn attached.
 *
 * It reads metas only (masks, poses, boxes, update map, statistics; where
 * there are no boxes of ours, GstVideoRegionOfInterestMeta of anyone) and
 * draws with cairo on a canvas of the frame's size, of which only the parts
 * that hold something are blended onto the frame, in the frame's own format.
 */
#ifndef GST_DELTA_OVERLAY_H
#define GST_DELTA_OVERLAY_H

#include <gst/video/gstvideofilter.h>
#include <gst/video/video.h>

#include "gstdeltaoverlaybackground.h"
#include "gstdeltaoverlaycanvas.h"
#include "gstdeltaoverlaydraw.h"

G_BEGIN_DECLS

#define GST_TYPE_DELTA_OVERLAY (gst_delta_overlay_get_type ())
G_DECLARE_FINAL_TYPE (GstDeltaOverlay, gst_delta_overlay, GST, DELTA_OVERLAY,
    GstVideoFilter)

struct _GstDeltaOverlay
{
  GstVideoFilter parent;

  /* Object lock. */
  GstDeltaOverlayStyle style;
  gchar *picture;                  /* of the background; NULL: none */

  /* Streaming thread. */
  GstDeltaOverlayCanvas *canvas;   /* NULL before caps */
  GstDeltaOverlayBackground *background; /* NULL: not used since caps */
  gboolean background_told;        /* its trouble was posted */
  GstDeltaOverlayHistory history;  /* for the statistics text */
  GstDeltaOverlayPanel panel;      /* where that is */
  guint64 damaged;                 /* buffers that could not be drawn on */
};

/* gstdeltaoverlayprops.c */
G_GNUC_INTERNAL
void gst_delta_overlay_install_properties (GObjectClass * klass);

G_END_DECLS

#endif
