/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * video.c - see video.h.
 */
#include "video.h"

#include <math.h>
#include <string.h>

#include "nets.h"

void
test_video_init (TestVideo *video, guint64 seed, guint width, guint height)
{
  memset (video, 0, sizeof *video);
  video->state = seed * 31 + 7;
  video->width = width;
  video->height = height;
  video->across = g_new (gdouble, 3 * width);
  video->down = g_new (gdouble, 3 * height);
  video->rgb = g_malloc ((gsize) width * height * 3);
  for (guint p = 0; p < 3; p++)
    video->planes[p] = g_malloc ((gsize) width * height * 4);
  for (guint i = 0; i < 4; i++) {
    video->squares[i][0] = (gfloat) test_random (&video->state, height);
    video->squares[i][1] = (gfloat) test_random (&video->state, width);
    video->squares[i][2] = 2 * test_random_value (&video->state, FALSE);
    video->squares[i][3] = 2 * test_random_value (&video->state, FALSE);
    for (guint c = 0; c < 3; c++)
      video->colours[i][c] = (guint8) test_random (&video->state, 256);
  }
}

void
test_video_clear (TestVideo *video)
{
  g_free (video->across);
  g_free (video->down);
  g_free (video->rgb);
  for (guint p = 0; p < 3; p++)
    g_free (video->planes[p]);
}

void
test_video_move (TestVideo *video)
{
  for (guint i = 0; i < 4; i++)
    for (guint d = 0; d < 2; d++) {
      gfloat limit = (gfloat) (d ? video->width : video->height);
      gfloat *at = &video->squares[i][d];
      *at = fmodf (*at + video->squares[i][2 + d] + limit, limit);
    }
}

static void
draw_ground (TestVideo *video)
{
  guint8 *rgb = video->rgb;

  for (guint i = 0; i < 3 * video->width; i++)
    video->across[i] = 128 + 60 * sin (0.06 * ((gint) (i / 3) +
            video->origin_x) + i % 3);
  for (guint i = 0; i < 3 * video->height; i++)
    video->down[i] = 55 * sin (0.05 * ((gint) (i / 3) + video->origin_y) -
        i % 3);
  for (guint y = 0; y < video->height; y++)
    for (guint i = 0; i < 3 * video->width; i++)
      *rgb++ = (guint8) (video->across[i] + video->down[3 * y + i % 3]);
}

static void
draw_squares (TestVideo *video)
{
  gint size = (gint) MAX (1, MIN (video->width, video->height) / 5);

  for (guint i = 0; i < 4; i++)
    for (gint y = 0; y < size; y++)
      for (gint x = 0; x < size; x++) {
        gint py = (gint) video->squares[i][0] + y - video->origin_y;
        gint px = (gint) video->squares[i][1] + x - video->origin_x;
        if (py >= 0 && py < (gint) video->height && px >= 0 &&
            px < (gint) video->width)
          memcpy (video->rgb + ((gsize) py * video->width + px) * 3,
              video->colours[i], 3);
      }
}

static void
draw (TestVideo *video, gboolean gray)
{
  gsize n = (gsize) video->width * video->height * 3;

  draw_ground (video);
  draw_squares (video);
  for (gsize i = 0; gray && i < n; i += 3)
    video->rgb[i + 1] = video->rgb[i + 2] = video->rgb[i];
  for (gsize i = 0; video->noise && i < n; i++) {
    gint v = video->rgb[i] + (gint) test_random (&video->state,
        2 * video->noise + 1) - (gint) video->noise;
    video->rgb[i] = (guint8) CLAMP (v, 0, 255);
  }
}

/* ---- pixel formats ------------------------------------------------------------ */

static void
pack (TestVideo *video, guint bytes, gboolean bgr)
{
  gsize n = (gsize) video->width * video->height;

  for (gsize i = 0; i < n; i++) {
    const guint8 *from = video->rgb + i * 3;
    guint8 *to = video->planes[0] + i * bytes;
    if (bytes == 1) {
      to[0] = from[0];
      continue;
    }
    to[0] = from[bgr ? 2 : 0];
    to[1] = from[1];
    to[2] = from[bgr ? 0 : 2];
    if (bytes == 4)
      to[3] = (guint8) i;
  }
}

static guint8
luma (const guint8 *p)
{
  return (guint8) (16.5 + (0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]) * 219 /
      255);
}

/* Chroma of the 2x2 pixels at (y, x). */
static void
chroma (const TestVideo *video, guint y, guint x, guint8 *u, guint8 *v)
{
  gdouble rgb[3] = { 0 }, n = 0, l;

  for (guint i = y; i < MIN (y + 2, video->height); i++)
    for (guint j = x; j < MIN (x + 2, video->width); j++, n++)
      for (guint c = 0; c < 3; c++)
        rgb[c] += video->rgb[((gsize) i * video->width + j) * 3 + c];
  for (guint c = 0; c < 3; c++)
    rgb[c] /= n;
  l = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
  *u = (guint8) (128.5 + (rgb[2] - l) / (2 * (1 - 0.114)) * 224 / 255);
  *v = (guint8) (128.5 + (rgb[0] - l) / (2 * (1 - 0.299)) * 224 / 255);
}

static void
to_yuv (TestVideo *video, gboolean planar)
{
  guint w2 = (video->width + 1) / 2;

  for (gsize i = 0; i < (gsize) video->width * video->height; i++)
    video->planes[0][i] = luma (video->rgb + i * 3);
  for (guint y = 0; y < video->height; y += 2)
    for (guint x = 0; x < video->width; x += 2) {
      gsize at = (gsize) (y / 2) * w2 + x / 2;
      guint8 u, v;
      chroma (video, y, x, &u, &v);
      video->planes[1][planar ? at : at * 2] = u;
      if (planar)
        video->planes[2][at] = v;
      else
        video->planes[1][at * 2 + 1] = v;
    }
}

void
test_video_draw (TestVideo *video, DcnnPixelFormat format, gboolean gray,
    DcnnFrame *frame)
{
  static const guint bytes[DCNN_FORMAT_COUNT] = {
#define DCNN_X(e, n, p, b) b,
    DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  };
  gint w2 = (gint) (video->width + 1) / 2;

  draw (video, gray);
  memset (frame, 0, sizeof *frame);
  frame->format = format;
  frame->width = video->width;
  frame->height = video->height;
  frame->kr = 0.299f;
  frame->kb = 0.114f;
  frame->full_range = format == DCNN_FORMAT_GRAY8;
  frame->planes[0] = video->planes[0];
  frame->strides[0] = (gint32) (video->width * bytes[format]);
  if (format == DCNN_FORMAT_NV12 || format == DCNN_FORMAT_I420) {
    to_yuv (video, format == DCNN_FORMAT_I420);
    frame->planes[1] = video->planes[1];
    frame->planes[2] = format == DCNN_FORMAT_I420 ? video->planes[2] : NULL;
    frame->strides[1] = format == DCNN_FORMAT_I420 ? w2 : 2 * w2;
    frame->strides[2] = format == DCNN_FORMAT_I420 ? w2 : 0;
    return;
  }
  pack (video, bytes[format], format == DCNN_FORMAT_BGR ||
      format == DCNN_FORMAT_BGRX || format == DCNN_FORMAT_BGRA);
}
