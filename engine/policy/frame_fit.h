/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * frame_fit.h - internal: where a frame lies in the network's input. Pure.
 */
#ifndef DCNN_POLICY_FRAME_FIT_H
#define DCNN_POLICY_FRAME_FIT_H

#include "deltacnn/session.h"

G_BEGIN_DECLS

/* A rectangle of the network's input, px. */
typedef struct DcnnFitRect {
  guint x, y, width, height;
} DcnnFitRect;

/* Where the whole frame goes in an input of that size. Fits that keep the
 * aspect ratio go by the frame's pixel_aspect; one out of 0.01 .. 100 counts
 * as 1. At least one pixel each way. */
DcnnFitRect dcnn_fit_frame (DcnnFit fit, const DcnnFrame *frame, guint width,
    guint height);
/* Between frame pixels (of a frame of that size; 0: none yet, scale 1) and
 * network pixels. */
DcnnTransform dcnn_fit_transform (const DcnnFitRect *rect, guint width,
    guint height, guint frame_width, guint frame_height);

G_END_DECLS

#endif
