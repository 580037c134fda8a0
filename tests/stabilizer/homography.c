/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The matrices against what they must do, reduction against its definition,
 * and what a build without OpenCV answers. */
#include <glib.h>
#include <math.h>

#include <string.h>

#include "dcnn_reduce.h"
#include "dcnn_stabilizer.h"

static const DcnnHomography some = { { 1.02, 0.03, 12, -0.01, 0.98, -7, 2e-5,
    -1e-5, 1 } };

static void
test_inverse (void)
{
  DcnnHomography back, same, one = dcnn_homography_identity ();

  g_assert_true (dcnn_homography_invert (&some, &back));
  same = dcnn_homography_multiply (&back, &some);
  g_assert_cmpfloat (dcnn_homography_distance (&same, &one, 1920, 1080), <,
      1e-6);
}

static void
test_singular (void)
{
  const DcnnHomography flat = { { 1, 2, 3, 2, 4, 6, 0, 0, 1 } };
  const DcnnHomography bad = { { NAN, 0, 0, 0, 1, 0, 0, 0, 1 } };
  DcnnHomography back;

  g_assert_false (dcnn_homography_invert (&flat, &back));
  g_assert_cmpfloat (back.m[0], ==, 1);
  g_assert_false (dcnn_homography_invert (&bad, &back));
}

static void
test_horizon (void)
{
  const DcnnHomography tilted = { { 1, 0, 0, 0, 1, 0, -0.01, 0, 1 } };
  DcnnHomography one = dcnn_homography_identity ();
  double x, y;

  g_assert_false (dcnn_homography_apply (&tilted, 200, 0, &x, &y));
  g_assert_true (isinf (dcnn_homography_distance (&tilted, &one, 200, 100)));
  g_assert_cmpfloat (dcnn_homography_scale (&tilted, 200, 0), ==, 0);
}

static void
test_rescale (void)
{
  DcnnHomography half = dcnn_homography_rescale (&some, 0.5, 0.5);
  double x, y, hx, hy;

  g_assert_true (dcnn_homography_apply (&some, 300, 200, &x, &y));
  g_assert_true (dcnn_homography_apply (&half, 150, 100, &hx, &hy));
  g_assert_cmpfloat (hypot (hx - x / 2, hy - y / 2), <, 1e-9);
}

/* Every factor and step against sums one by one; nothing else is written. */
static void
test_reduce (void)
{
  enum { IN_W = 130, IN_H = 70, STEP = 4 };
  guint8 in[IN_H][IN_W * STEP], out[IN_H][IN_W + 2];
  uint16_t sums[IN_W * STEP];
  GRand *random = g_rand_new_with_seed (9);

  for (guint y = 0; y < IN_H; y++)
    for (guint x = 0; x < IN_W * STEP; x++)
      in[y][x] = (guint8) (y < 3 ? 255 : g_rand_int (random));
  for (guint step = 1; step <= STEP; step++)
    for (guint factor = 1; factor <= DCNN_REDUCE_MOST; factor++)
      for (guint up = 0; up < 2; up++) {
        const guint w = IN_W / factor, h = IN_H / factor;
        memset (out, 77, sizeof out);
        dcnn_reduce (up ? in[IN_H - 1] : in[0], (up ? -1 : 1) * IN_W * STEP,
            step, factor, out[0], sizeof out[0], w, h, sums);
        for (guint y = 0; y < h; y++)
          for (guint x = 0; x < w; x++) {
            guint sum = 0;
            for (guint j = 0; j < factor * factor; j++) {
              const guint row = y * factor + j / factor;
              sum += in[up ? IN_H - 1 - row : row][(x * factor + j % factor) *
                  step];
            }
            g_assert_cmpuint (out[y][x], ==, (sum + factor * factor / 2) /
                (factor * factor));
          }
        for (guint y = 0; y < IN_H; y++)
          for (guint x = y < h ? w : 0; x < sizeof out[0]; x++)
            g_assert_cmpuint (out[y][x], ==, 77);
      }
  g_rand_free (random);
}

static void
test_available (void)
{
  const char *remedy = NULL;

  if (!dcnn_stabilizer_available (&remedy))
    g_assert_nonnull (strstr (remedy, "libopencv-dev"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stabilizer/homography/inverse", test_inverse);
  g_test_add_func ("/stabilizer/homography/singular", test_singular);
  g_test_add_func ("/stabilizer/homography/horizon", test_horizon);
  g_test_add_func ("/stabilizer/homography/rescale", test_rescale);
  g_test_add_func ("/stabilizer/reduce", test_reduce);
  g_test_add_func ("/stabilizer/available", test_available);
  return g_test_run ();
}
