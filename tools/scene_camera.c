/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scene_camera.h"

#include <math.h>

#define MARGIN 6.0  /* px of the picture that roll and trembling may take */

gboolean
scene_camera_init (SceneCamera *camera, guint source_width,
    guint source_height, double speed_px)
{
  *camera = (SceneCamera) {
    source_width, source_height, source_width * 5 / 8 / 16 * 16,
    source_height * 5 / 8 / 16 * 16, speed_px, 0, FALSE,
  };
  return camera->width >= 64 && camera->height >= 64;
}

static void
multiply (const double a[9], const double b[9], double out[9])
{
  for (int y = 0; y < 3; y++)
    for (int x = 0; x < 3; x++)
      out[3 * y + x] = a[3 * y] * b[x] + a[3 * y + 1] * b[3 + x]
          + a[3 * y + 2] * b[6 + x];
}

void
scene_camera_matrix (const SceneCamera *c, guint frame, double matrix[9])
{
  double reach_x = (c->source_width - c->width) / 2.0 - 2 * MARGIN;
  double reach_y = (c->source_height - c->height) / 2.0 - 2 * MARGIN;
  /* At a cosine's steepest, the pan goes at speed_px. */
  double turn = reach_x > 0 && c->speed_px > 0 ? frame * c->speed_px / reach_x
      : G_PI / 2;
  double focal = 1.4 * c->source_width;
  double pan = atan (-MAX (reach_x, 0) * cos (turn) / focal);
  double tilt = atan (0.35 * MAX (reach_y, 0) * sin (0.6 * turn) / focal);
  double roll = 0.008 * sin (0.9 * turn);
  double tremble_x = 0.7 * sin (frame * 1.9) + 0.4 * sin (frame * 3.1 + 1);
  double tremble_y = 0.6 * sin (frame * 2.3 + 2) + 0.3 * sin (frame * 3.7);
  tremble_x += c->shake_px * (0.6 * sin (frame * 0.9) + 0.4 * sin (frame * 2.6));
  tremble_y += c->shake_px * (0.6 * sin (frame * 1.1 + 1) + 0.4
      * sin (frame * 2.9));
  if (c->steady)
    tremble_x = tremble_y = 0;
  double cp = cos (pan), sp = sin (pan), ct = cos (tilt), st = sin (tilt);
  double cr = cos (roll), sr = sin (roll);
  const double rays[9] = { 1 / focal, 0, (tremble_x - c->width / 2.0) / focal,
    0, 1 / focal, (tremble_y - c->height / 2.0) / focal, 0, 0, 1 };
  const double rolled[9] = { cr, -sr, 0, sr, cr, 0, 0, 0, 1 };
  const double tilted[9] = { 1, 0, 0, 0, ct, st, 0, -st, ct };
  const double panned[9] = { cp, 0, sp, 0, 1, 0, -sp, 0, cp };
  const double onto[9] = { focal, 0, c->source_width / 2.0,
    0, focal, c->source_height / 2.0, 0, 0, 1 };
  double a[9], b[9];
  multiply (rolled, rays, a);
  multiply (tilted, a, b);
  multiply (panned, b, a);
  multiply (onto, a, matrix);
}

/* Catmull and Rom's cubic: weights of the four pixels around. */
static void
weights (double t, double w[4])
{
  w[0] = ((2 - t) * t - 1) * t / 2;
  w[1] = ((3 * t - 5) * t * t + 2) / 2;
  w[2] = ((4 - 3 * t) * t + 1) * t / 2;
  w[3] = (t - 1) * t * t / 2;
}

static void
sample (const SceneCamera *c, const guint8 *from, gsize stride, double x,
    double y, guint8 *to)
{
  double fx = floor (x - 0.5), fy = floor (y - 0.5), wx[4], wy[4];
  double sum[3] = { 0, 0, 0 };
  weights (x - 0.5 - fx, wx);
  weights (y - 0.5 - fy, wy);
  for (int j = 0; j < 4; j++) {
    int py = CLAMP ((int) fy - 1 + j, 0, (int) c->source_height - 1);
    const guint8 *row = from + (gsize) py * stride;
    for (int i = 0; i < 4; i++) {
      int px = CLAMP ((int) fx - 1 + i, 0, (int) c->source_width - 1);
      for (int k = 0; k < 3; k++)
        sum[k] += wy[j] * wx[i] * row[4 * px + k];
    }
  }
  for (int k = 0; k < 3; k++)
    to[k] = (guint8) CLAMP (sum[k] + 0.5, 0, 255);
  to[3] = 0;
}

void
scene_camera_look (const SceneCamera *c, const double matrix[9],
    const guint8 *from, gsize stride, guint8 *to)
{
  for (guint y = 0; y < c->height; y++)
    for (guint x = 0; x < c->width; x++, to += 4) {
      double u = x + 0.5, v = y + 0.5;
      double w = matrix[6] * u + matrix[7] * v + matrix[8];
      sample (c, from, stride, (matrix[0] * u + matrix[1] * v + matrix[2]) / w,
          (matrix[3] * u + matrix[4] * v + matrix[5]) / w, to);
    }
}
