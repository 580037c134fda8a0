/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltaimage.h - an element that puts the picture that a network made in
 * the frame's place.
 */
#ifndef GST_DELTA_IMAGE_H
#define GST_DELTA_IMAGE_H

#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_TYPE_DELTA_IMAGE (gst_delta_image_get_type ())
G_DECLARE_FINAL_TYPE (GstDeltaImage, gst_delta_image, GST, DELTA_IMAGE,
    GstElement)

G_END_DECLS

#endif
