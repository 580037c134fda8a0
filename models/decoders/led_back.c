/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * led_back.c - results of a window that looked at its frame through a matrix,
 * put where they are on the frame itself. All kinds of results, here alone.
 */
#include <math.h>
#include <string.h>

#include "dcnn_homography.h"
#include "dcnn_mask.h"
#include "deltacnn/decode.h"

/* Of a box, less than this much on the frame is nothing that it shows. */
#define LEAST_SEEN 0.1f
/* Cells of a mask or pixels of a picture each way, at most. */
#define MOST_CELLS 8192

struct DcnnLedBack {
  DcnnResults results;
  GArray *detections, *keypoints;
  GByteArray *mask, *picture;
};

DcnnLedBack *
dcnn_led_back_new (void)
{
  DcnnLedBack *back = g_new0 (DcnnLedBack, 1);

  back->detections = g_array_new (FALSE, FALSE, sizeof (DcnnDetection));
  back->keypoints = g_array_new (FALSE, FALSE, sizeof (DcnnKeypoint));
  back->mask = g_byte_array_new ();
  back->picture = g_byte_array_new ();
  return back;
}

void
dcnn_led_back_free (DcnnLedBack *back)
{
  if (back == NULL)
    return;
  g_array_unref (back->detections);
  g_array_unref (back->keypoints);
  g_byte_array_unref (back->mask);
  g_byte_array_unref (back->picture);
  g_free (back);
}

/* ---- points and boxes ------------------------------------------------------- */

/* What is clipped of an upright box by the frame. FALSE: next to all of it. */
static gboolean
clip_box (DcnnDetection *box, gfloat width, gfloat height)
{
  gfloat left = MAX (box->x, 0), top = MAX (box->y, 0);
  gfloat right = MIN (box->x + box->width, width);
  gfloat bottom = MIN (box->y + box->height, height);

  if (!(right > left) || !(bottom > top) || (right - left) * (bottom - top) <
      LEAST_SEEN * box->width * box->height)
    return FALSE;
  box->x = left;
  box->y = top;
  box->width = right - left;
  box->height = bottom - top;
  return TRUE;
}

/* The upright box around the ellipse that fills the box, as things do: it
 * turns with the picture, while a box around the box would grow. A turned box
 * turns on. */
static gboolean
lead_box (const DcnnHomography *m, DcnnDetection *box, gfloat width,
    gfloat height)
{
  gdouble cx = box->x + box->width / 2, cy = box->y + box->height / 2;
  gdouble x, y, turn = dcnn_homography_angle (m, cx, cy);
  gdouble scale = dcnn_homography_scale (m, cx, cy);
  gdouble a = scale * box->width, b = scale * box->height;

  if (!dcnn_homography_apply (m, cx, cy, &x, &y) || !(scale > 0))
    return FALSE;
  if (box->angle != 0) {
    box->angle += (gfloat) turn;
    turn = 0;
  }
  box->width = (gfloat) hypot (a * cos (turn), b * sin (turn));
  box->height = (gfloat) hypot (a * sin (turn), b * cos (turn));
  box->x = (gfloat) (x - box->width / 2);
  box->y = (gfloat) (y - box->height / 2);
  if (box->angle != 0)
    return x >= 0 && y >= 0 && x <= width && y <= height;
  return clip_box (box, width, height);
}

static void
lead_detections (DcnnLedBack *back, const DcnnResults *from,
    const DcnnHomography *m, gfloat width, gfloat height)
{
  g_array_set_size (back->detections, 0);
  for (guint i = 0; from->detections && i < from->detections->len; i++) {
    DcnnDetection box = g_array_index (from->detections, DcnnDetection, i);
    if (lead_box (m, &box, width, height))
      g_array_append_val (back->detections, box);
  }
  if (from->detections)
    back->results.detections = back->detections;
}

static void
lead_keypoints (DcnnLedBack *back, const DcnnResults *from,
    const DcnnHomography *m)
{
  g_array_set_size (back->keypoints, 0);
  for (guint i = 0; from->keypoints && i < from->keypoints->len; i++) {
    DcnnKeypoint point = g_array_index (from->keypoints, DcnnKeypoint, i);
    gdouble x, y;
    if (!dcnn_homography_apply (m, point.x, point.y, &x, &y))
      point.score = 0;
    point.x = (gfloat) x;
    point.y = (gfloat) y;
    g_array_append_val (back->keypoints, point);
  }
  if (from->keypoints)
    back->results.keypoints = back->keypoints;
}

/* ---- grids -------------------------------------------------------------------- */

/* A grid of bytes that covers a rectangle of the frame. */
typedef struct Grid {
  guint width, height, channels;
  gfloat x, y, w, h;
} Grid;

/* One as fine that covers the frame. */
static Grid
grid_of_frame (const Grid *from, guint frame_width, guint frame_height)
{
  gfloat cell_w = from->w / from->width, cell_h = from->h / from->height;
  Grid g = { .channels = from->channels };

  g.width = (guint) CLAMP (ceilf (frame_width / cell_w - 0.01f), 1,
      MOST_CELLS);
  g.height = (guint) CLAMP (ceilf (frame_height / cell_h - 0.01f), 1,
      MOST_CELLS);
  g.w = g.width * cell_w;
  g.h = g.height * cell_h;
  return g;
}

/* Cells of `to` -> cells of `from`, cell centres at .5. */
static DcnnHomography
between_grids (const Grid *to, const Grid *from, const DcnnHomography *m)
{
  DcnnHomography frame = { { to->w / to->width, 0, to->x, 0,
          to->h / to->height, to->y, 0, 0, 1 } };
  DcnnHomography cells = { { from->width / from->w, 0, -from->x *
          from->width / from->w, 0, from->height / from->h, -from->y *
          from->height / from->h, 0, 0, 1 } };
  DcnnHomography back;

  if (!dcnn_homography_invert (m, &back))
    back = dcnn_homography_identity ();
  back = dcnn_homography_multiply (&back, &frame);
  return dcnn_homography_multiply (&cells, &back);
}

static guint8
bilinear (const Grid *g, const guint8 *data, gdouble x, gdouble y, guint c)
{
  gint x0, y0, x1, y1;
  gdouble fx, fy, top, bottom;

  x = CLAMP (x - 0.5, 0, g->width - 1.0);
  y = CLAMP (y - 0.5, 0, g->height - 1.0);
  x0 = (gint) x;
  y0 = (gint) y;
  x1 = MIN (x0 + 1, (gint) g->width - 1);
  y1 = MIN (y0 + 1, (gint) g->height - 1);
  fx = x - x0;
  fy = y - y0;
#define AT(v, u) data[((gsize) (v) * g->width + (gsize) (u)) * g->channels + c]
  top = AT (y0, x0) * (1 - fx) + AT (y0, x1) * fx;
  bottom = AT (y1, x0) * (1 - fx) + AT (y1, x1) * fx;
#undef AT
  return (guint8) (top * (1 - fy) + bottom * fy + 0.5);
}

/* Fills bytes with the grid `to`. edge: what lies outside of `from` becomes as
 * its border, else 0. */
static void
lead_grid (const Grid *from, const guint8 *data, const Grid *to,
    const DcnnHomography *m, gboolean smooth, gboolean edge, GByteArray *bytes)
{
  DcnnHomography map = between_grids (to, from, m);
  guint8 *at;

  g_byte_array_set_size (bytes, to->width * to->height * to->channels);
  at = bytes->data;
  for (guint v = 0; v < to->height; v++)
    for (guint u = 0; u < to->width; u++, at += to->channels) {
      gdouble x, y;
      gboolean in = dcnn_homography_apply (&map, u + 0.5, v + 0.5, &x, &y);
      if (!edge)
        in = in && x >= 0 && y >= 0 && x < from->width && y < from->height;
      for (guint c = 0; c < to->channels; c++)
        at[c] = !in ? 0 : smooth ? bilinear (from, data, x, y, c) :
            data[(gsize) y * from->width + (gsize) x];
    }
}

static void
lead_segmentation (DcnnLedBack *back, const DcnnResults *from,
    const DcnnHomography *m, guint width, guint height)
{
  DcnnSegmentation *s = &back->results.segmentation;
  const DcnnSegmentation *f = &from->segmentation;
  Grid g = { f->width, f->height, 1, f->x, f->y, f->w, f->h }, to;

  if (!from->has_segmentation)
    return;
  to = grid_of_frame (&g, width, height);
  lead_grid (&g, f->data, &to, m, f->n_classes == 1, FALSE, back->mask);
  s->width = to.width;
  s->height = to.height;
  s->x = s->y = 0;
  s->w = to.w;
  s->h = to.h;
  s->data = back->mask->data;
}

static void
lead_picture (DcnnLedBack *back, const DcnnResults *from,
    const DcnnHomography *m, guint width, guint height)
{
  DcnnPicture *p = &back->results.picture;
  const DcnnPicture *f = &from->picture;
  Grid g = { f->width, f->height, f->channels, f->x, f->y, f->w, f->h }, to;

  if (!from->has_picture)
    return;
  to = grid_of_frame (&g, width, height);
  lead_grid (&g, f->data, &to, m, TRUE, TRUE, back->picture);
  p->width = to.width;
  p->height = to.height;
  p->x = p->y = 0;
  p->w = to.w;
  p->h = to.h;
  p->data = back->picture->data;
}

const DcnnResults *
dcnn_led_back_results (DcnnLedBack *back, const DcnnResults *results,
    const gdouble *view, guint frame_width, guint frame_height)
{
  DcnnHomography m, inverse;

  memcpy (m.m, view, sizeof m.m);
  back->results = *results;
  if (!dcnn_homography_invert (&m, &inverse))
    return &back->results;
  lead_detections (back, results, &m, frame_width, frame_height);
  lead_keypoints (back, results, &m);
  lead_segmentation (back, results, &m, frame_width, frame_height);
  lead_picture (back, results, &m, frame_width, frame_height);
  return &back->results;
}

void
dcnn_led_back_mask (const DcnnMask *mask, const DcnnTransform *transform,
    const gdouble *view, guint frame_width, guint frame_height, DcnnMask *to)
{
  Grid window = { mask->width, mask->height, 1, -transform->offset_x /
    transform->scale_x, -transform->offset_y / transform->scale_y, mask->width /
    transform->scale_x, mask->height / transform->scale_y };
  Grid frame = { to->width, to->height, 1, 0, 0, frame_width, frame_height };
  DcnnHomography m, map;

  memcpy (m.m, view, sizeof m.m);
  map = between_grids (&frame, &window, &m);
  dcnn_mask_clear (to);
  for (guint v = 0; v < to->height && dcnn_mask_any (mask); v++)
    for (guint u = 0; u < to->width; u++) {
      gdouble x, y;
      if (dcnn_homography_apply (&map, u + 0.5, v + 0.5, &x, &y) && x >= 0 &&
          y >= 0 && x < mask->width && y < mask->height &&
          dcnn_mask_get (mask, (guint32) y, (guint32) x))
        dcnn_mask_set (to, v, u);
    }
}
