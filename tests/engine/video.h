/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * video.h - rendered pictures for tests of push_frame: squares that move over
 * a smooth ground, free of noise unless asked for; any pixel format.
 */
#ifndef DCNN_TEST_VIDEO_H
#define DCNN_TEST_VIDEO_H

#include <glib.h>

#include "dcnn_input.h"

typedef struct TestVideo {
  guint64 state;
  guint width, height;
  guint noise;             /* largest deviation of a value; 0: none */
  gint origin_y, origin_x; /* of the view on the scene, pixels */
  gfloat squares[4][4];    /* y, x and their steps */
  guint8 colours[4][3];
  gdouble *across, *down;  /* the ground's parts by column and by row, 3 each */
  guint8 *rgb;             /* the scene as drawn, packed */
  guint8 *planes[3];       /* converted */
} TestVideo;

void test_video_init (TestVideo *video, guint64 seed, guint width,
    guint height);
void test_video_clear (TestVideo *video);
/* The squares move on. */
void test_video_move (TestVideo *video);
/* Draws the scene and fills frame: borrowed from video until the next draw.
 * gray: no colours at all. YUV is BT.601, limited range. */
void test_video_draw (TestVideo *video, DcnnPixelFormat format, gboolean gray,
    DcnnFrame *frame);

#endif
