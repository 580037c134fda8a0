/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fit.h - the transform that a fit mode gives, for tests without a session.
 */
#ifndef TESTS_FIT_H
#define TESTS_FIT_H

#include "deltacnn/session.h"

static inline void
fit_transform (DcnnFit fit, guint frame_w, guint frame_h, guint net_w,
    guint net_h, DcnnTransform *transform)
{
  gfloat sx = (gfloat) net_w / (gfloat) frame_w;
  gfloat sy = (gfloat) net_h / (gfloat) frame_h;

  *transform = (DcnnTransform) { sx, sy, 0, 0, frame_w, frame_h, net_w, net_h };
  if (fit == DCNN_FIT_STRETCH)
    return;
  transform->scale_x = transform->scale_y = sx < sy ? sx : sy;
  if (fit == DCNN_FIT_LETTERBOX) {
    transform->offset_x =
        ((gfloat) net_w - (gfloat) frame_w * transform->scale_x) / 2;
    transform->offset_y =
        ((gfloat) net_h - (gfloat) frame_h * transform->scale_y) / 2;
  }
}

#endif
