/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stabilizer on pictures whose motion is known exactly: a drawn scene seen
 * by a camera that pans, tilts, rolls and zooms, with sensor noise, and
 * somebody who fills a third of the picture. Errors are distances between
 * where the found and the true matrix put points of the frame. */
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "dcnn_stabilizer.h"

static guint W = 1280, H = 720;
#define SCENE_W 3200
#define SCENE_H 1600

static guint8 *scene;
static guint64 seed = 1;

static guint
chance (guint n)
{
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (guint) (seed >> 33) % n;
}

/* Rectangles of many sizes and tones: edges and corners everywhere. */
static void
draw_scene (void)
{
  scene = g_malloc (SCENE_W * SCENE_H);
  for (gint i = 0; i < SCENE_W * SCENE_H; i++)
    scene[i] = (guint8) (90 + 60 * sin (i % SCENE_W * 0.004) *
        cos (i / SCENE_W * 0.007));
  for (gint i = 0; i < 4000; i++) {
    gint w = 8 + (gint) chance (90), h = 8 + (gint) chance (90);
    gint x0 = (gint) chance ((guint) (SCENE_W - w));
    gint y0 = (gint) chance ((guint) (SCENE_H - h));
    guint8 tone = (guint8) (20 + chance (215));
    for (gint y = y0; y < y0 + h; y++)
      for (gint x = x0; x < x0 + w; x++)
        scene[y * SCENE_W + x] = tone;
  }
  for (gint pass = 0; pass < 2; pass++) /* a lens is no knife */
    for (gint i = SCENE_W + 1; i < SCENE_W * (SCENE_H - 1) - 1; i++)
      scene[i] = (guint8) ((scene[i - 1] + 2 * scene[i] + scene[i + 1] +
              scene[i - SCENE_W] + 2 * scene[i] + scene[i + SCENE_W]) / 8);
}

static guint8
look (double x, double y)
{
  gint ix = (gint) floor (x - 0.5), iy = (gint) floor (y - 0.5);
  double fx = x - 0.5 - ix, fy = y - 0.5 - iy;
  const guint8 *p;

  if (ix < 0 || iy < 0 || ix >= SCENE_W - 1 || iy >= SCENE_H - 1)
    return 0;
  p = scene + iy * SCENE_W + ix;
  return (guint8) ((p[0] * (1 - fx) + p[1] * fx) * (1 - fy) +
      (p[SCENE_W] * (1 - fx) + p[SCENE_W + 1] * fx) * fy + 0.5);
}

/* Frame pixels -> scene pixels: a camera that turned by pan and tilt (focal
 * length `focal` px), rolled and zoomed. */
static DcnnHomography
camera (double pan, double tilt, double roll, double zoom, double focal)
{
  double cp = cos (pan), sp = sin (pan), ct = cos (tilt), st = sin (tilt);
  double cr = cos (roll), sr = sin (roll), f = focal * zoom;
  DcnnHomography in = { { 1 / f, 0, -(W / 2.0) / f, 0, 1 / f, -(H / 2.0) / f,
          0, 0, 1 } };
  DcnnHomography r = { { cr, -sr, 0, sr, cr, 0, 0, 0, 1 } };
  DcnnHomography t = { { 1, 0, 0, 0, ct, -st, 0, st, ct } };
  DcnnHomography p = { { cp, 0, sp, 0, 1, 0, -sp, 0, cp } };
  DcnnHomography out = { { focal, 0, SCENE_W / 2.0, 0, focal, SCENE_H / 2.0, 0,
          0, 1 } };
  DcnnHomography m = dcnn_homography_multiply (&r, &in);

  m = dcnn_homography_multiply (&t, &m);
  m = dcnn_homography_multiply (&p, &m);
  return dcnn_homography_multiply (&out, &m);
}

static void
shoot (guint8 *frame, const DcnnHomography *view, guint noise)
{
  for (guint y = 0; y < H; y++)
    for (guint x = 0; x < W; x++) {
      double sx, sy;
      gint v;
      dcnn_homography_apply (view, x + 0.5, y + 0.5, &sx, &sy);
      v = look (sx, sy);
      if (noise)
        v += (gint) chance (2 * noise + 1) - (gint) noise;
      frame[y * W + x] = (guint8) CLAMP (v, 0, 255);
    }
}

/* Somebody with a pattern, over a third of the picture, who walks. */
static void
paste_walker (guint8 *frame, gint x0)
{
  for (gint y = 40; y < (gint) H; y++)
    for (gint x = MAX (x0, 0); x < MIN (x0 + 450, (gint) W); x++)
      frame[y * (gint) W + x] = look (x - x0 + 300.5, y + 500.5);
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double p = *(const double *) a, q = *(const double *) b;

  return (p > q) - (p < q);
}

typedef struct Run {
  DcnnStabilizer *stabilizer;
  guint8 *frame;
  DcnnHomography first;    /* the reference's view */
  DcnnAlignment last;
  GArray *errors, *times;
  guint reanchors, lost;
} Run;

static void
run_begin (Run *run)
{
  DcnnStabilizerOptions options;

  seed = 11;
  dcnn_stabilizer_options_init (&options);
  *run = (Run) { .stabilizer = dcnn_stabilizer_new (&options),
    .frame = g_malloc (W * H),
    .errors = g_array_new (FALSE, FALSE, sizeof (double)),
    .times = g_array_new (FALSE, FALSE, sizeof (double)) };
  g_assert_nonnull (run->stabilizer);
}

static void
run_end (Run *run)
{
  dcnn_stabilizer_free (run->stabilizer);
  g_free (run->frame);
  g_array_unref (run->errors);
  g_array_unref (run->times);
}

/* Of all threads: what one core would take. */
static double
cpu_ms (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void
run_push (Run *run, const DcnnHomography *view)
{
  DcnnHomography back, truth;
  double before = cpu_ms (), ms, worst = 0;

  g_assert_true (dcnn_stabilizer_push (run->stabilizer, run->frame, W, 1, W, H,
          &run->last));
  ms = cpu_ms () - before;
  g_array_append_val (run->times, ms);
  run->lost += run->last.state == DCNN_ALIGN_LOST;
  if (run->last.state == DCNN_ALIGN_REANCHORED) {
    run->reanchors++;
    run->first = *view;
  }
  if (g_test_verbose ())
    g_test_message ("state %d, %u tracks, inliers %.2f, error %.2f px, key %d "
        "%d", run->last.state, run->last.n_tracks, run->last.inliers,
        run->last.error_px, run->last.new_key, run->last.old_key);
  if (run->last.state != DCNN_ALIGN_ALIGNED)
    return;
  g_assert_true (dcnn_homography_invert (&run->first, &back));
  truth = dcnn_homography_multiply (&back, view);
  for (guint y = 0; y <= 4; y++)
    for (guint x = 0; x <= 4; x++) {
      double ax, ay, bx, by, e;
      g_assert_true (dcnn_homography_apply (&truth, x * W / 4.0, y * H / 4.0,
              &ax, &ay));
      g_assert_true (dcnn_homography_apply (&run->last.matrix, x * W / 4.0,
              y * H / 4.0, &bx, &by));
      e = hypot (ax - bx, ay - by);
      worst = MAX (worst, e);
      g_array_append_val (run->errors, e);
    }
  if (g_test_verbose ())
    g_test_message ("  worst %.2f px", worst);
}

static double
quantile (GArray *a, double q)
{
  g_array_sort (a, compare_doubles);
  return g_array_index (a, double, (guint) (q * (a->len - 1)));
}

static void
check_errors (Run *run, const char *name)
{
  double middle = quantile (run->errors, 0.5), high = quantile (run->errors,
      0.99);

  g_test_message ("%s: error median %.3f px, 99 %% %.3f px; %.2f ms a frame, "
      "most %.2f; %u re-anchored, %u lost", name, middle, high,
      quantile (run->times, 0.5), quantile (run->times, 1), run->reanchors,
      run->lost);
  g_assert_cmpfloat (middle, <, 0.25);
  g_assert_cmpfloat (high, <, 1);
}

static void
test_pan (void)
{
  Run run;

  run_begin (&run);
  for (guint f = 0; f < 50; f++) {
    /* there, and back over the same places */
    double t = f < 25 ? f : 50 - f;
    DcnnHomography view = camera (-0.1 + t * 0.006, t * 0.001, 0, 1, 1400);
    shoot (run.frame, &view, 3);
    run_push (&run, &view);
  }
  check_errors (&run, "pan");
  g_assert_cmpuint (run.reanchors, ==, 1);
  g_assert_cmpuint (run.lost, ==, 0);
  run_end (&run);
}

static void
test_shake (void)
{
  Run run;

  run_begin (&run);
  for (guint f = 0; f < 30; f++) {
    DcnnHomography view = camera ((chance (100) - 50.0) * 6e-5,
        (chance (100) - 50.0) * 6e-5, (chance (100) - 50.0) * 1e-4,
        1 + (chance (100) - 50.0) * 1e-4, 1400);
    shoot (run.frame, &view, 3);
    run_push (&run, &view);
  }
  check_errors (&run, "shake");
  g_assert_cmpuint (run.reanchors, ==, 1);
  run_end (&run);
}

static void
test_walker (void)
{
  Run run;

  run_begin (&run);
  for (guint f = 0; f < 30; f++) {
    DcnnHomography view = camera (f * 0.004, 0, 0, 1, 1400);
    shoot (run.frame, &view, 3);
    paste_walker (run.frame, 700 - 12 * (gint) f);
    run_push (&run, &view);
  }
  check_errors (&run, "walker");
  /* just after a key, when he has hardly moved against the street, a frame
   * may be given up rather than guessed */
  g_assert_cmpuint (run.lost, <=, 2);
  run_end (&run);
}

/* Of the points that the frame goes by, the share whose way since the last
 * aligned frame, which the camera saw by `before`, is off by over 4 px. */
static double
share_of_wrong_ways (const DcnnAlignment *a, const DcnnHomography *before,
    const DcnnHomography *view)
{
  DcnnHomography back, way;
  guint n = 0, wrong = 0;

  g_assert_true (dcnn_homography_invert (before, &back));
  way = dcnn_homography_multiply (&back, view);
  for (guint i = 0; i < a->n_tracks; i++) {
    const DcnnAlignTrack *t = &a->tracks[i];
    double x, y;
    gboolean known = t->from_x != t->x || t->from_y != t->y;

    if (!t->inlier || !known)
      continue;
    g_assert_true (dcnn_homography_apply (&way, t->x, t->y, &x, &y));
    wrong += hypot (x - t->from_x, y - t->from_y) > 4;
    n++;
  }
  g_assert_cmpuint (n, >, a->n_tracks / 4);
  return (double) wrong / n;
}

/* Points come from where the last frame had them, also where an older key frame
 * is taken again, whose points nobody followed meanwhile. */
static void
test_tracks (void)
{
  DcnnHomography before = dcnn_homography_identity ();
  DcnnStabilizerOptions options;
  guint returns = 0;
  Run run;

  run_begin (&run);
  dcnn_stabilizer_options_init (&options);
  options.hold = true;
  dcnn_stabilizer_set_options (run.stabilizer, &options);
  for (guint f = 0; f < 60; f++) {
    double t = f < 30 ? f : 60 - f;
    DcnnHomography view = camera (-0.35 + t * 0.022, t * 0.001, 0, 1, 1400);
    shoot (run.frame, &view, 2);
    run_push (&run, &view);
    returns += run.last.old_key;
    if (run.last.state == DCNN_ALIGN_ALIGNED)
      g_assert_cmpfloat (share_of_wrong_ways (&run.last, &before, &view), <,
          0.05);
    if (run.last.state != DCNN_ALIGN_LOST)
      before = view;
  }
  g_assert_cmpuint (returns, >, 0);
  run_end (&run);
}

/* A trembling camera is followed by less than it trembles, and never further
 * off than was asked for. */
static void
test_smoothing (void)
{
  const double most_px = 1.5;
  DcnnStabilizerOptions options;
  DcnnHomography last = dcnn_homography_identity ();
  double way = 0, true_way = 0, x = 0;
  Run run;

  run_begin (&run);
  dcnn_stabilizer_options_init (&options);
  options.smoothing_px = most_px;
  dcnn_stabilizer_set_options (run.stabilizer, &options);
  for (guint f = 0; f < 16; f++) {
    double next = f % 2 ? 5e-4 : 0; /* 0.7 px */
    DcnnHomography view = camera (next, 0, 0, 1, 1400);
    shoot (run.frame, &view, 2);
    run_push (&run, &view);
    way += dcnn_homography_distance (&run.last.matrix, &last, W, H);
    true_way += fabs (next - x) * 1400;
    last = run.last.matrix;
    x = next;
  }
  g_test_message ("went %.2f px of %.2f", way, true_way);
  g_assert_cmpfloat (way, <, 0.6 * true_way);
  g_assert_cmpfloat (quantile (run.errors, 1), <, most_px + 0.1);
  run_end (&run);
}

/* A still camera: the matrix is the identity to the bit, noise or not. */
static void
test_still (void)
{
  Run run;
  DcnnHomography view = camera (0, 0, 0, 1, 1400), one =
      dcnn_homography_identity ();

  run_begin (&run);
  for (guint f = 0; f < 12; f++) {
    shoot (run.frame, &view, 4);
    run_push (&run, &view);
    g_assert_cmpfloat (dcnn_homography_distance (&run.last.matrix, &one, W, H),
        ==, 0);
  }
  run_end (&run);
}

/* What a frame of 1080p costs; a message, no limit: other machines, other
 * builds. */
static void
test_large (void)
{
  Run run;

  W = 1920;
  H = 1080;
  run_begin (&run);
  for (guint f = 0; f < 30; f++) {
    DcnnHomography view = camera (-0.1 + f * 0.005, 0, 0, 1, 1900);
    shoot (run.frame, &view, 3);
    run_push (&run, &view);
  }
  check_errors (&run, "1080p");
  g_assert_cmpuint (run.reanchors, ==, 1);
  run_end (&run);
  W = 1280;
  H = 720;
}

/* Zoom and roll re-anchor before the view is gone. */
static void
test_limits (void)
{
  for (guint roll = 0; roll < 2; roll++) {
    Run run;
    run_begin (&run);
    for (guint f = 0; f < 30; f++) {
      DcnnHomography view = roll ? camera (0, 0, f * 0.012, 1, 1400) :
          camera (0, 0, 0, pow (1.015, f), 1400), one;
      one = dcnn_homography_identity ();
      shoot (run.frame, &view, 2);
      run_push (&run, &view);
      if (roll)
        g_assert_cmpfloat (fabs (dcnn_homography_angle (&run.last.matrix,
                    W / 2, H / 2)), <, 0.16);
      else
        g_assert_cmpfloat (dcnn_homography_scale (&run.last.matrix, W / 2,
                H / 2), >, 1 / 1.21);
      if (run.last.state == DCNN_ALIGN_REANCHORED)
        g_assert_cmpfloat (dcnn_homography_distance (&run.last.matrix, &one,
                W, H), ==, 0);
    }
    check_errors (&run, roll ? "roll" : "zoom");
    g_assert_cmpuint (run.reanchors, >, 1);
    run_end (&run);
  }
}

/* Black, a wall of one colour, noise: lost, never aligned; then a cut is a new
 * reference. */
static void
test_lost (void)
{
  Run run;
  DcnnHomography view = camera (0, 0, 0, 1, 1400), elsewhere =
      camera (0.5, 0.2, 0, 1, 1400);

  run_begin (&run);
  shoot (run.frame, &view, 2);
  run_push (&run, &view);
  g_assert_cmpint (run.last.state, ==, DCNN_ALIGN_REANCHORED);
  for (guint f = 0; f < 8; f++) {
    for (guint i = 0; i < W * H; i++)
      run.frame[i] = f < 6 ? (guint8) (f * 40) : (guint8) chance (256);
    run_push (&run, &view);
    g_assert_cmpint (run.last.state, !=, DCNN_ALIGN_ALIGNED);
  }
  dcnn_stabilizer_reset (run.stabilizer);
  shoot (run.frame, &view, 2);
  run_push (&run, &view);
  for (guint f = 0; f < 5; f++) {
    shoot (run.frame, &elsewhere, 2);
    run_push (&run, &elsewhere);
    g_assert_cmpint (run.last.state, ==, f < 3 ? DCNN_ALIGN_LOST : f == 3 ?
        DCNN_ALIGN_REANCHORED : DCNN_ALIGN_ALIGNED);
  }
  run_end (&run);
}

/* Lost for a moment: the old reference is found again. */
static void
test_comes_back (void)
{
  Run run;
  DcnnHomography view = camera (0, 0, 0, 1, 1400), next =
      camera (0.03, 0, 0, 1, 1400);

  run_begin (&run);
  shoot (run.frame, &view, 2);
  run_push (&run, &view);
  for (guint i = 0; i < W * H; i++)
    run.frame[i] = 0;
  run_push (&run, &view);
  g_assert_cmpint (run.last.state, ==, DCNN_ALIGN_LOST);
  shoot (run.frame, &next, 2);
  run_push (&run, &next);
  g_assert_cmpint (run.last.state, ==, DCNN_ALIGN_ALIGNED);
  check_errors (&run, "came back after a jump of 42 px");
  run_end (&run);
}

/* The same frames give the same bits, also of another pixel step. */
static void
test_reproducible (void)
{
  Run a, b;
  guint8 *packed = g_malloc0 (W * H * 3);

  run_begin (&a);
  run_begin (&b);
  for (guint f = 0; f < 6; f++) {
    DcnnHomography view = camera (f * 0.004, 0, 0, 1, 1400);
    DcnnAlignment other;
    shoot (a.frame, &view, 3);
    for (guint i = 0; i < W * H; i++)
      packed[3 * i + 1] = a.frame[i];
    run_push (&a, &view);
    g_assert_true (dcnn_stabilizer_push (b.stabilizer, packed + 1, 3 * W, 3, W,
            H, &other));
    g_assert_cmpmem (&a.last.matrix, sizeof a.last.matrix, &other.matrix,
        sizeof other.matrix);
  }
  run_end (&a);
  run_end (&b);
  g_free (packed);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  draw_scene ();
  g_test_add_func ("/stabilizer/pan", test_pan);
  g_test_add_func ("/stabilizer/shake", test_shake);
  g_test_add_func ("/stabilizer/walker", test_walker);
  g_test_add_func ("/stabilizer/tracks", test_tracks);
  g_test_add_func ("/stabilizer/smoothing", test_smoothing);
  g_test_add_func ("/stabilizer/still", test_still);
  g_test_add_func ("/stabilizer/1080p", test_large);
  g_test_add_func ("/stabilizer/limits", test_limits);
  g_test_add_func ("/stabilizer/lost", test_lost);
  g_test_add_func ("/stabilizer/comes-back", test_comes_back);
  g_test_add_func ("/stabilizer/reproducible", test_reproducible);
  status = g_test_run ();
  g_free (scene);
  return status;
}
