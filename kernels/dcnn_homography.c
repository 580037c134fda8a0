/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dcnn_homography.h"

#include <math.h>

DcnnHomography
dcnn_homography_identity (void)
{
  return (DcnnHomography) { { 1, 0, 0, 0, 1, 0, 0, 0, 1 } };
}

static bool
normalise (DcnnHomography *h)
{
  double last = h->m[8];

  for (int i = 0; i < 9; i++) {
    h->m[i] /= last;
    if (!isfinite (h->m[i])) {
      *h = dcnn_homography_identity ();
      return false;
    }
  }
  return true;
}

DcnnHomography
dcnn_homography_multiply (const DcnnHomography *a, const DcnnHomography *b)
{
  DcnnHomography r;

  for (int y = 0; y < 3; y++)
    for (int x = 0; x < 3; x++)
      r.m[3 * y + x] = a->m[3 * y] * b->m[x] + a->m[3 * y + 1] * b->m[3 + x] +
          a->m[3 * y + 2] * b->m[6 + x];
  normalise (&r);
  return r;
}

bool
dcnn_homography_invert (const DcnnHomography *a, DcnnHomography *inverse)
{
  const double *m = a->m;
  DcnnHomography r = { {
          m[4] * m[8] - m[5] * m[7], m[2] * m[7] - m[1] * m[8],
          m[1] * m[5] - m[2] * m[4],
          m[5] * m[6] - m[3] * m[8], m[0] * m[8] - m[2] * m[6],
          m[2] * m[3] - m[0] * m[5],
          m[3] * m[7] - m[4] * m[6], m[1] * m[6] - m[0] * m[7],
          m[0] * m[4] - m[1] * m[3] } };
  double det = m[0] * r.m[0] + m[1] * r.m[3] + m[2] * r.m[6];
  bool ok = isfinite (det) && fabs (det) > 1e-12 && normalise (&r);

  *inverse = ok ? r : dcnn_homography_identity ();
  return ok;
}

bool
dcnn_homography_apply (const DcnnHomography *a, double x, double y,
    double *out_x, double *out_y)
{
  double w = a->m[6] * x + a->m[7] * y + a->m[8];

  if (!(w > 1e-6)) {
    *out_x = *out_y = 0;
    return false;
  }
  *out_x = (a->m[0] * x + a->m[1] * y + a->m[2]) / w;
  *out_y = (a->m[3] * x + a->m[4] * y + a->m[5]) / w;
  return true;
}

DcnnHomography
dcnn_homography_rescale (const DcnnHomography *a, double scale_x,
    double scale_y)
{
  const double s[3] = { scale_x, scale_y, 1 };
  DcnnHomography r = *a;

  for (int y = 0; y < 3; y++)
    for (int x = 0; x < 3; x++)
      r.m[3 * y + x] *= s[y] / s[x];
  return r;
}

double
dcnn_homography_distance (const DcnnHomography *a, const DcnnHomography *b,
    double width, double height)
{
  double most = 0;

  for (int corner = 0; corner < 4; corner++) {
    double x = corner & 1 ? width : 0, y = corner & 2 ? height : 0;
    double ax, ay, bx, by, d;
    if (!dcnn_homography_apply (a, x, y, &ax, &ay) ||
        !dcnn_homography_apply (b, x, y, &bx, &by))
      return HUGE_VAL;
    d = hypot (ax - bx, ay - by);
    most = d > most ? d : most;
  }
  return most;
}

/* The derivative at a point, row by row. */
static bool
derivative (const DcnnHomography *a, double x, double y, double d[4])
{
  double w = a->m[6] * x + a->m[7] * y + a->m[8], px, py;

  if (!dcnn_homography_apply (a, x, y, &px, &py))
    return false;
  d[0] = (a->m[0] - px * a->m[6]) / w;
  d[1] = (a->m[1] - px * a->m[7]) / w;
  d[2] = (a->m[3] - py * a->m[6]) / w;
  d[3] = (a->m[4] - py * a->m[7]) / w;
  return true;
}

double
dcnn_homography_scale (const DcnnHomography *a, double x, double y)
{
  double d[4], area;

  if (!derivative (a, x, y, d))
    return 0;
  area = d[0] * d[3] - d[1] * d[2];
  return area > 0 ? sqrt (area) : 0;
}

double
dcnn_homography_angle (const DcnnHomography *a, double x, double y)
{
  double d[4];

  return derivative (a, x, y, d) ? atan2 (d[2] - d[1], d[0] + d[3]) : 0;
}
