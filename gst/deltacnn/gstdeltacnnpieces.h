/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnpieces.h - masks and update maps of windows on parts of a frame,
 * as one mask and one map of all of it.
 */
#ifndef GST_DELTA_CNN_PIECES_H
#define GST_DELTA_CNN_PIECES_H

#include "gstdeltacnnresults.h"

G_BEGIN_DECLS

/* What a window found, in pixels of its own part of the frame. */
typedef struct
{
  GstDeltaCnnResults *results; /* owned by whoever made it */
  gint x, y;                   /* the part, pixels of the frame */
  guint width, height;
} GstDeltaCnnPiece;

/* Gives `all` (frame_width and frame_height set, no mask) one mask over the
 * frame, of the masks that pieces (GstDeltaCnnPiece) have. Its cells are as
 * wide as the finest of theirs, at least a pixel of the frame. Where windows
 * overlap the more probable counts, or the first that is not background; where
 * there is none, nothing was found. No piece has a mask: `all` gets none. */
void gst_delta_cnn_pieces_mask (const GArray * pieces,
    GstDeltaCnnResults * all);

/* The same for their update maps: a cell was recomputed where a pixel of some
 * window's network in it was. */
void gst_delta_cnn_pieces_updates (const GArray * pieces,
    GstDeltaCnnResults * all);

G_END_DECLS

#endif
