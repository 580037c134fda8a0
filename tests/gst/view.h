/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * view.h - a drawn scene, and what a camera sees of it whose motion is known.
 */
#ifndef GST_TEST_VIEW_H
#define GST_TEST_VIEW_H

#include <gst/video/video.h>

#define VIEW_WIDTH 320
#define VIEW_HEIGHT 240

/* Where the camera looks: the picture's middle in the scene, pixels; radians;
 * pixels of the picture a pixel of the scene. */
typedef struct
{
  gdouble x, y, roll, zoom;
} View;

#define VIEW_START ((View) { 400, 300, 0, 1 })

/* Eight bits a pixel, VIEW_WIDTH x VIEW_HEIGHT, with a sensor's noise. */
void view_draw (const View * view, guint8 * grey);
/* The same as a buffer of that format. */
GstBuffer *view_buffer (const View * view, const gchar * format);
/* Where in the reference's picture a point of the view's lies. */
void view_map (const View * view, const View * reference, gdouble x,
    gdouble y, gdouble * out_x, gdouble * out_y);

#endif
