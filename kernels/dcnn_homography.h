/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_homography.h - 3x3 matrices that map a picture onto another.
 *
 * Row by row, homogeneous: (x, y, 1) -> (X, Y, W), the point is (X/W, Y/W).
 * Continuous pixel coordinates, pixel centres at .5. Pure functions.
 */
#ifndef DCNN_HOMOGRAPHY_H
#define DCNN_HOMOGRAPHY_H

#include <stdbool.h>

typedef struct DcnnHomography {
  double m[9];
} DcnnHomography;

DcnnHomography dcnn_homography_identity (void);
/* First b, then a: a * b, scaled so that m[8] is 1. */
DcnnHomography dcnn_homography_multiply (const DcnnHomography *a,
    const DcnnHomography *b);
/* False: singular or not finite; inverse is then the identity. */
bool dcnn_homography_invert (const DcnnHomography *a, DcnnHomography *inverse);
/* False where the point goes to or behind the horizon; out is then (0, 0). */
bool dcnn_homography_apply (const DcnnHomography *a, double x, double y,
    double *out_x, double *out_y);
/* The same map between pictures that are both `scale` times as large. */
DcnnHomography dcnn_homography_rescale (const DcnnHomography *a,
    double scale_x, double scale_y);
/* The largest distance between where a and b put a corner of a picture of
 * that size; HUGE_VAL where one puts it past the horizon. */
double dcnn_homography_distance (const DcnnHomography *a,
    const DcnnHomography *b, double width, double height);
/* Square root of the local growth of areas at a point; 0 past the horizon or
 * where the picture is mirrored. */
double dcnn_homography_scale (const DcnnHomography *a, double x, double y);
/* Direction, in radians, into which the x axis goes at a point. */
double dcnn_homography_angle (const DcnnHomography *a, double x, double y);

#endif
