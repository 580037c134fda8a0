/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * led_back_test.c - every kind of result of a window that looks at its frame
 * through a matrix, on the frame: against the matrix in double precision.
 */
#include <math.h>
#include <string.h>

#include "dcnn_homography.h"
#include "dcnn_mask.h"
#include "deltacnn/decode.h"

#define WIDTH 320
#define HEIGHT 240

/* Where the frame has what the window sees: turned, zoomed, shifted, and a
 * little perspective. */
static DcnnHomography
random_view (GRand *rand)
{
  gdouble a = g_rand_double_range (rand, -0.17, 0.17);
  gdouble s = g_rand_double_range (rand, 0.8, 1.25);
  gdouble p = g_rand_double_range (rand, -1e-4, 1e-4);

  return (DcnnHomography) { { s * cos (a), -s * sin (a), g_rand_double_range (
              rand, -20, 20), s * sin (a), s * cos (a), g_rand_double_range (
              rand, -20, 20), p, -p, 1 } };
}

static void
test_points (void)
{
  g_autoptr (DcnnLedBack) back = dcnn_led_back_new ();
  g_autoptr (GArray) points = g_array_new (FALSE, FALSE,
      sizeof (DcnnKeypoint));
  DcnnResults from = { .keypoints = points };
  GRand *rand = g_rand_new_with_seed (1);

  for (gint i = 0; i < 50; i++) {
    DcnnHomography m = random_view (rand);
    DcnnKeypoint k = { (gfloat) g_rand_double_range (rand, 0, WIDTH),
      (gfloat) g_rand_double_range (rand, 0, HEIGHT), 0.5f };
    const DcnnResults *to;
    gdouble x, y;
    g_array_set_size (points, 0);
    g_array_append_val (points, k);
    to = dcnn_led_back_results (back, &from, m.m, WIDTH, HEIGHT);
    dcnn_homography_apply (&m, k.x, k.y, &x, &y);
    k = g_array_index (to->keypoints, DcnnKeypoint, 0);
    g_assert_cmpfloat (hypot (k.x - x, k.y - y), <, 1e-3);
    g_assert_cmpfloat (k.score, ==, 0.5f);
  }
  g_rand_free (rand);
}

/* Extremes of an ellipse that fills a box, point by point. */
static void
around_ellipse (const DcnnHomography *m, const DcnnDetection *box,
    gdouble extreme[4])
{
  extreme[0] = extreme[1] = HUGE_VAL;
  extreme[2] = extreme[3] = -HUGE_VAL;
  for (gint i = 0; i < 2000; i++) {
    gdouble t = i * G_PI / 1000, x, y;
    dcnn_homography_apply (m, box->x + box->width * (0.5 + 0.5 * cos (t)),
        box->y + box->height * (0.5 + 0.5 * sin (t)), &x, &y);
    extreme[0] = MIN (extreme[0], x);
    extreme[1] = MIN (extreme[1], y);
    extreme[2] = MAX (extreme[2], x);
    extreme[3] = MAX (extreme[3], y);
  }
}

static void
test_boxes (void)
{
  g_autoptr (DcnnLedBack) back = dcnn_led_back_new ();
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE,
      sizeof (DcnnDetection));
  DcnnResults from = { .detections = boxes };
  GRand *rand = g_rand_new_with_seed (2);
  gdouble worst = 0;

  for (gint i = 0; i < 50; i++) {
    DcnnHomography m = random_view (rand);
    DcnnDetection box = { .x = (gfloat) g_rand_double_range (rand, 80, 160),
      .y = (gfloat) g_rand_double_range (rand, 60, 100), .width = 30,
      .height = 70, .score = 0.7f, .class_id = 3 };
    gdouble want[4];
    const DcnnResults *to;
    g_array_set_size (boxes, 0);
    g_array_append_val (boxes, box);
    around_ellipse (&m, &box, want);
    to = dcnn_led_back_results (back, &from, m.m, WIDTH, HEIGHT);
    g_assert_cmpuint (to->detections->len, ==, 1);
    box = g_array_index (to->detections, DcnnDetection, 0);
    worst = MAX (worst, fabs (box.x - want[0]));
    worst = MAX (worst, fabs (box.y - want[1]));
    worst = MAX (worst, fabs (box.x + box.width - want[2]));
    worst = MAX (worst, fabs (box.y + box.height - want[3]));
    g_assert_true (box.class_id == 3 && box.score == 0.7f);
  }
  g_test_message ("boxes %.2f px off at most", worst);
  g_assert_cmpfloat (worst, <, 1);
  g_rand_free (rand);
}

static DcnnDetection
one_box (DcnnLedBack *back, gfloat x, gfloat width, gfloat angle,
    const gdouble *view, guint *n)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE,
      sizeof (DcnnDetection));
  DcnnDetection box = { .x = x, .y = 50, .width = width, .height = 40,
    .angle = angle };
  DcnnResults from = { .detections = boxes };
  const DcnnResults *to;

  g_array_append_val (boxes, box);
  to = dcnn_led_back_results (back, &from, view, WIDTH, HEIGHT);
  *n = to->detections->len;
  return *n ? g_array_index (to->detections, DcnnDetection, 0) : box;
}

/* What reaches over the frame is clipped; what is next to nowhere on it, gone;
 * turned boxes turn on. */
static void
test_clipping (void)
{
  static const gdouble left[9] = { 1, 0, -100, 0, 1, 0, 0, 0, 1 };
  const gdouble turn[9] = { cos (0.1), -sin (0.1), 0, sin (0.1), cos (0.1), 0,
    0, 0, 1 };
  g_autoptr (DcnnLedBack) back = dcnn_led_back_new ();
  DcnnDetection box;
  guint n;

  box = one_box (back, 80, 60, 0, left, &n);
  g_assert_true (n == 1 && box.x == 0 && fabsf (box.width - 40) < 1e-3);
  (void) one_box (back, 45, 60, 0, left, &n);
  g_assert_cmpuint (n, ==, 0);
  (void) one_box (back, 10, 60, 0, left, &n);
  g_assert_cmpuint (n, ==, 0);
  box = one_box (back, 80, 60, 0.4f, turn, &n);
  g_assert_true (n == 1 && fabsf (box.angle - 0.5f) < 1e-3 &&
      fabsf (box.width - 60) < 1e-2);
}

/* A grid at half the frame's size holds f of the window's place; the frame's
 * must hold f of where it was sampled from. */
static guint8
field (gdouble x, gdouble y)
{
  return (guint8) (128 + 50 * sin (x / 23) + 60 * cos (y / 31));
}

static void
test_grids (void)
{
  g_autoptr (DcnnLedBack) back = dcnn_led_back_new ();
  g_autofree guint8 *grid = g_malloc (160 * 120), *rgb = g_malloc (160 * 120
      * 3);
  GRand *rand = g_rand_new_with_seed (3);

  for (gint v = 0; v < 120; v++)
    for (gint u = 0; u < 160; u++) {
      grid[v * 160 + u] = field (2 * u + 1, 2 * v + 1);
      memset (rgb + 3 * (v * 160 + u), grid[v * 160 + u], 3);
    }
  for (gint i = 0; i < 20; i++) {
    DcnnHomography m = random_view (rand), inverse;
    DcnnResults from = { .has_segmentation = TRUE, .segmentation = { 160, 120,
        i % 2 ? 1 : 3, grid, 0, 0, WIDTH, HEIGHT }, .has_picture = TRUE,
      .picture = { 160, 120, 3, rgb, 0, 0, WIDTH, HEIGHT } };
    const DcnnResults *to = dcnn_led_back_results (back, &from, m.m, WIDTH,
        HEIGHT);
    const DcnnSegmentation *s = &to->segmentation;
    g_assert_true (s->width == 160 && s->height == 120 && s->w == WIDTH);
    g_assert_true (to->picture.width == 160 && to->picture.channels == 3);
    dcnn_homography_invert (&m, &inverse);
    for (gint v = 0; v < 120; v += 7)
      for (gint u = 0; u < 160; u += 5) {
        gdouble x, y;
        guint8 got = s->data[v * 160 + u];
        dcnn_homography_apply (&inverse, 2 * u + 1, 2 * v + 1, &x, &y);
        if (x < 0 || y < 0 || x >= WIDTH || y >= HEIGHT) {
          g_assert_cmpint (got, ==, 0);
          continue;
        }
        g_assert_cmpint (abs (got - field (x, y)), <=, i % 2 ? 3 : 8);
        g_assert_cmpint (abs (to->picture.data[3 * (v * 160 + u) + 1] -
                field (x, y)), <=, 3);
      }
  }
  g_rand_free (rand);
}

static void
test_update_mask (void)
{
  static const gdouble shift[9] = { 1, 0, -32, 0, 1, 16, 0, 0, 1 };
  const DcnnTransform transform = { .scale_x = 0.5f, .scale_y = 0.5f,
    .frame_width = WIDTH, .frame_height = HEIGHT, .net_width = 160,
    .net_height = 120 };
  guint64 words[2][20 * 15] = { { 0 } };
  DcnnMask from, to;

  dcnn_mask_init (&from, 160, 120, words[0]);
  dcnn_mask_init (&to, 160, 120, words[1]);
  dcnn_mask_fill_rect (&from, 40, 30, 8, 5);
  dcnn_mask_fill_rect (&from, 0, 0, 10, 120); /* leaves the frame */
  dcnn_led_back_mask (&from, &transform, shift, WIDTH, HEIGHT, &to);
  for (guint32 y = 0; y < 120; y++)
    for (guint32 x = 0; x < 160; x++)
      g_assert_cmpint (dcnn_mask_get (&to, y, x), ==, x >= 40 - 16 &&
          x < 48 - 16 && y >= 30 + 8 && y < 35 + 8);
}

/* The identity, and one that cannot be inverted, leave what is there. */
static void
test_degenerate (void)
{
  static const gdouble none[9] = { 0 };
  g_autoptr (DcnnLedBack) back = dcnn_led_back_new ();
  DcnnResults from = { .has_values = TRUE, .text = "7", .text_score = 0.5f };
  const DcnnResults *to = dcnn_led_back_results (back, &from, none, WIDTH,
      HEIGHT);

  g_assert_true (to->has_values && to->text == from.text);
  g_assert_null (to->detections);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/models/led-back/points", test_points);
  g_test_add_func ("/models/led-back/boxes", test_boxes);
  g_test_add_func ("/models/led-back/clipping", test_clipping);
  g_test_add_func ("/models/led-back/grids", test_grids);
  g_test_add_func ("/models/led-back/update-mask", test_update_mask);
  g_test_add_func ("/models/led-back/degenerate", test_degenerate);
  return g_test_run ();
}
