/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * frame_fit.c - see frame_fit.h.
 */
#include "frame_fit.h"

DcnnFitRect
dcnn_fit_frame (DcnnFit fit, const DcnnFrame *frame, guint width, guint height)
{
  /* a frame's size as it is seen: pixels need not be square */
  gdouble aspect = frame->pixel_aspect > 0.01f && frame->pixel_aspect < 100 ?
      frame->pixel_aspect : 1;
  gdouble seen_width = frame->width * aspect;
  gdouble scale = MIN (width / seen_width, (gdouble) height / frame->height);
  DcnnFitRect rect = { 0, 0, width, height };

  if (fit == DCNN_FIT_STRETCH)
    return rect;
  rect.width = CLAMP ((guint) (seen_width * scale + 0.5), 1, width);
  rect.height = CLAMP ((guint) (frame->height * scale + 0.5), 1, height);
  if (fit == DCNN_FIT_LETTERBOX) {
    rect.x = (width - rect.width) / 2;
    rect.y = (height - rect.height) / 2;
  }
  return rect;
}

DcnnTransform
dcnn_fit_transform (const DcnnFitRect *rect, guint width, guint height,
    guint frame_width, guint frame_height)
{
  return (DcnnTransform) {
    .net_width = width, .net_height = height,
    .frame_width = frame_width, .frame_height = frame_height,
    .offset_x = (gfloat) rect->x, .offset_y = (gfloat) rect->y,
    .scale_x = frame_width ? (gfloat) rect->width / frame_width : 1,
    .scale_y = frame_height ? (gfloat) rect->height / frame_height : 1
  };
}
