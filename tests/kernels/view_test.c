/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * view_test.c - the window through a matrix, against formulas in double
 * precision: where its pixels come from, what is not covered, what is
 * forgiven, what the shadow counts; all levels bit by bit.
 *
 *   view_test [--seed N] [--cases N]   test; a failure prints its seed
 *   view_test --bench                  time a frame
 */
#include "check_util.h"
#include "dcnn_input.h"

#include <math.h>

typedef struct Case {
  DcnnInputGeometry g;
  DcnnFrame frame;
  uint8_t *rgb;
  DcnnInputStage *stages[2]; /* best, portable */
  DcnnMask force, changed[2], differs[2];
  DcnnMap map;
  uint32_t *tables, torus[2];
  float *store;
  uint8_t *reference;
  DcnnInputParams params;
  DcnnSampling sampling;
} Case;

static DcnnMask
mask_new (uint32_t w, uint32_t h)
{
  DcnnMask m;
  dcnn_mask_init (&m, w, h, calloc (dcnn_mask_words (w, h), 8));
  return m;
}

static void
draw (Case *c)
{
  uint32_t w = c->frame.width, h = c->frame.height, kind = check_random (3);
  for (uint32_t y = 0; y < h; y++)
    for (uint32_t x = 0; x < w; x++)
      for (uint32_t k = 0; k < 3; k++)
        c->rgb[(y * w + x) * 3 + k] = (uint8_t) (kind == 0 ? check_random (256)
            : kind == 1 ? 128 + 100 * sin (0.2 * x + k) * cos (0.17 * y)
            : (x / 5 + y / 7) % 2 * 200 + check_random (9));
}

/* The frame is as large as its place in the window. */
static void
case_init (Case *c)
{
  uint32_t w = 9 + check_random (90), h = 9 + check_random (70);
  memset (c, 0, sizeof *c);
  c->g = (DcnnInputGeometry) { .width = w, .height = h, .dst_w = w,
    .dst_h = h, .fill = { 7, 8, 9 }, .scaling = DCNN_SCALING_AUTO };
  if (check_random (2)) {
    c->g.dst_x = check_random (w / 3);
    c->g.dst_y = check_random (h / 3);
    c->g.dst_w = 5 + check_random (w - c->g.dst_x - 4);
    c->g.dst_h = 5 + check_random (h - c->g.dst_y - 4);
  }
  c->rgb = malloc ((size_t) c->g.dst_w * c->g.dst_h * 3);
  c->frame = (DcnnFrame) { .format = DCNN_FORMAT_RGB, .width = c->g.dst_w,
    .height = c->g.dst_h, .planes = { c->rgb },
    .strides = { (int32_t) c->g.dst_w * 3 } };
  for (int i = 0; i < 2; i++) {
    c->stages[i] = dcnn_input_stage_new (&c->g, c->g.dst_w, c->g.dst_h,
        DCNN_FORMAT_RGB, 1);
    c->changed[i] = mask_new (w, h);
    c->differs[i] = mask_new (w, h);
  }
  dcnn_input_force_portable (c->stages[1], true);
  c->force = mask_new (w, h);
  c->reference = calloc ((size_t) w * h, 3);
  c->store = calloc ((size_t) w * h * 4 + 32, sizeof (float));
  c->tables = malloc ((w + h) * sizeof *c->tables);
  for (uint32_t y = 0; y < h; y++)
    c->tables[y] = y * w * 4;
  for (uint32_t x = 0; x < w; x++)
    c->tables[h + x] = x * 4;
  c->map = (DcnnMap) { c->store, w, h, 3, 4, c->tables, c->tables + h,
    c->torus, NULL, 0 };
  c->params = (DcnnInputParams) { .scale = { 1, 1, 1 },
    .threshold = (float) check_random (30) / 255 };
  draw (c);
}

static void
case_clear (Case *c)
{
  for (int i = 0; i < 2; i++) {
    dcnn_input_stage_free (c->stages[i]);
    free (c->changed[i].words);
    free (c->differs[i].words);
  }
  free (c->force.words);
  free (c->rgb);
  free (c->reference);
  free (c->store);
  free (c->tables);
}

/* A camera that turned a bit; sometimes one that looks elsewhere. */
static void
random_matrix (double m[9], const Case *c)
{
  double a = 0.3 * check_random_float (), s = 1 + 0.2 * check_random_float ();
  double w = c->g.width, far = check_random (5) ? 0.2 : 3;
  uint32_t kind = check_random (6);
  double shift = kind == 1 ? 0.14 * check_random_float () : 0;
  if (kind < 3) { /* pure shifts: whole, nearly so, any */
    double n = floor (0.5 * w * check_random_float ());
    double x = kind == 2 ? far * w * check_random_float () : n + shift;
    double y = kind == 2 ? far * w * check_random_float ()
        : floor (9 * check_random_float ()) + shift;
    double pure[9] = { 1, 0, x, 0, 1, y, 0, 0, 1 };
    memcpy (m, pure, sizeof pure);
    return;
  }
  double general[9] = { s * cos (a), -s * sin (a), far * w *
      check_random_float (), s * sin (a), s * cos (a), far * w *
      check_random_float (), 0.02 / w * check_random_float (), 0.1 / w *
      check_random_float (), 1 };
  if (kind == 3) /* over the horizon */
    general[7] = -1.7 / w;
  memcpy (m, general, sizeof general);
}

/* The weight of a pixel t away. */
static double
weight (DcnnSampling sampling, double t)
{
  double x = acos (-1) * t;
  t = fabs (t);
  if (sampling == DCNN_SAMPLING_LINEAR)
    return t < 1 ? 1 - t : 0;
  if (sampling == DCNN_SAMPLING_LANCZOS)
    return t < 1e-6 ? 1 : t < 2 ? 2 * sin (x) * sin (x / 2) / (x * x) : 0;
  return t < 1 ? 1.5 * t * t * t - 2.5 * t * t + 1
      : t < 2 ? -0.5 * t * t * t + 2.5 * t * t - 4 * t + 2 : 0;
}

static double
picture_at (const Case *c, int64_t y, int64_t x, int k)
{
  int64_t w = c->g.dst_w, h = c->g.dst_h;
  x = x < 0 ? 0 : x >= w ? w - 1 : x;
  y = y < 0 ? 0 : y >= h ? h - 1 : y;
  return c->rgb[(y * w + x) * 3 + k];
}

/* Value at a point of the frame's own pixels, clamped to 0..255. */
static double
sampled (const Case *c, double x, double y, int k)
{
  int64_t ix = (int64_t) floor (x - 0.5), iy = (int64_t) floor (y - 0.5);
  double sum = 0, weights = 0, low = 255, high = 0;
  if (c->sampling == DCNN_SAMPLING_NEAREST)
    return picture_at (c, (int64_t) floor (y), (int64_t) floor (x), k);
  for (int64_t j = iy - 1; j <= iy + 2; j++)
    for (int64_t i = ix - 1; i <= ix + 2; i++) {
      double value = picture_at (c, j, i, k);
      double w = weight (c->sampling, x - 0.5 - i)
          * weight (c->sampling, y - 0.5 - j);
      sum += w * value;
      weights += w;
      if (i >= ix && i <= ix + 1 && j >= iy && j <= iy + 1) {
        low = fmin (low, value);
        high = fmax (high, value);
      }
    }
  sum /= weights;
  /* at the border it is plain */
  if (c->sampling == DCNN_SAMPLING_CLAMPED && ix >= 1 && iy >= 1
      && ix < (int64_t) c->g.dst_w - 2 && iy < (int64_t) c->g.dst_h - 2)
    return fmin (fmax (sum, low), high);
  return sum < 0 ? 0 : sum > 255 ? 255 : sum;
}

/* By how much the picture changes within what positions are off by. */
static double
slack (const Case *c, const double m[9], double x, double y, int k)
{
  double at = sampled (c, x, y, k), most = 0;
  /* a jump (another pixel; the border, where clamping ends) is all or nothing:
   * as far as positions may be off */
  bool jumps = c->sampling == DCNN_SAMPLING_NEAREST
      || c->sampling == DCNN_SAMPLING_CLAMPED;
  double d = 0.004 + (jumps ? 80 : 30) * fabs (m[6]);
  for (int i = -4; i <= 4; i++)
    for (int j = -4; j <= 4; j++)
      most = fmax (most, fabs (sampled (c, x + i * d / 4, y + j * d / 4, k)
              - at));
  return 1.5 + 2 * most;
}

static bool
known (const DcnnInputView *v, uint32_t y, uint32_t x)
{
  return y >= v->known_y0 && y < v->known_y1 && x >= v->known_x0
      && x < v->known_x1;
}

static void
check_pixel (uint64_t seed, const Case *c, const DcnnInputView *view,
    DcnnInputSampling kind, uint32_t v, uint32_t u)
{
  const uint8_t *got = dcnn_input_picture (c->stages[0])
      + ((size_t) v * c->g.width + u) * 3;
  const uint8_t *ref = c->reference + ((size_t) v * c->g.width + u) * 3;
  const double *m = view->matrix;
  double w = m[6] * (u + 0.5) + m[7] * (v + 0.5) + m[8];
  double x = (m[0] * (u + 0.5) + m[1] * (v + 0.5) + m[2]) / w - c->g.dst_x;
  double y = (m[3] * (u + 0.5) + m[4] * (v + 0.5) + m[5]) / w - c->g.dst_y;
  double edge = fmin (fmin (x, c->g.dst_w - x), fmin (y, c->g.dst_h - y));
  if (kind == DCNN_INPUT_AS_IT_IS || w < 0.6 || fabs (edge) < 0.2)
    return; /* another test's; or it may be either */
  if (kind == DCNN_INPUT_SHIFTED) {
    x = floor (m[2] + 0.5) + u + 0.5 - c->g.dst_x;
    y = floor (m[5] + 0.5) + v + 0.5 - c->g.dst_y;
  }
  if (edge < 0 && known (view, v, u)) {
    CHECK (!memcmp (got, ref, 3), "uncovered y %u x %u was not kept", v, u);
    return;
  }
  if (edge < 0 && (c->g.dst_w < c->g.width || c->g.dst_h < c->g.height)) {
    CHECK (!memcmp (got, c->g.fill, 3), "y %u x %u was not filled", v, u);
    return;
  }
  if (edge < 0) {
    x = fmin (fmax (x, 0.5), c->g.dst_w - 0.5);
    y = fmin (fmax (y, 0.5), c->g.dst_h - 0.5);
  }
  for (int k = 0; k < 3; k++) {
    double want = sampled (c, x, y, k);
    double off = fabs (got[k] - want);
    CHECK (kind == DCNN_INPUT_SHIFTED ? off <= 0.01
        : off <= 1.5 || off <= slack (c, m, x, y, k), "y %u x %u channel %d: "
        "%d, want %g (from %g %g)", v, u, k, got[k], want, x, y);
  }
}

static void
check_changes (uint64_t seed, const Case *c, const DcnnInputView *view,
    bool forgive)
{
  const uint8_t *pic = dcnn_input_picture (c->stages[0]);
  int64_t w = c->g.width, h = c->g.height;
  int share = forgive ? (int) (256 * view->forgive) : 0;
  int limit = (int) (c->params.threshold * 255.0f);
  for (int64_t i = 0; i < w * h; i++) {
    bool changed = dcnn_mask_get (&c->force, (uint32_t) (i / w),
        (uint32_t) (i % w)), differs = false;
    for (int k = 0; k < 3; k++) {
      int r = c->reference[3 * i + k], least = r, most = r;
      for (int64_t y = i / w - 1; y <= i / w + 1; y++)
        for (int64_t x = i % w - 1; x <= i % w + 1; x++) {
          int64_t yy = y < 0 ? 0 : y >= h ? h - 1 : y;
          int64_t xx = x < 0 ? 0 : x >= w ? w - 1 : x;
          int n = c->reference[(yy * w + xx) * 3 + k];
          least = n < least ? n : least;
          most = n > most ? n : most;
        }
      changed |= pic[3 * i + k] > r + ((most - r) * share >> 8) + limit
          || pic[3 * i + k] < r - ((r - least) * share >> 8) - limit;
      differs |= pic[3 * i + k] != r;
    }
    CHECK (dcnn_mask_get (&c->changed[0], (uint32_t) (i / w),
            (uint32_t) (i % w)) == changed, "change at %lld", (long long) i);
    CHECK (dcnn_mask_get (&c->differs[0], (uint32_t) (i / w),
            (uint32_t) (i % w)) == differs, "difference at %lld",
        (long long) i);
  }
}

/* Does a shift miss whole pixels, but only just? */
static bool
misses (const DcnnInputView *view, DcnnInputSampling kind)
{
  return kind == DCNN_INPUT_WARPED
      || fabs (view->matrix[2] - floor (view->matrix[2] + 0.5)) > 1.0 / 64
      || fabs (view->matrix[5] - floor (view->matrix[5] + 0.5)) > 1.0 / 64;
}

static void
run_frame (uint64_t seed, Case *c, const DcnnInputView *view)
{
  DcnnInputSampling kind = DCNN_INPUT_AS_IT_IS;
  for (int i = 0; i < 2; i++) {
    CHECK (dcnn_input_set_view (c->stages[i], view, &kind), "out of memory");
    dcnn_input_picture_rows (c->stages[i], &c->params, &c->frame, 0, 0,
        c->g.height);
    for (uint32_t y = 0; y < c->g.height; y += 16)
      dcnn_input_sample_rows (c->stages[i], &c->params, 0, y,
          y + 16 < c->g.height ? y + 16 : c->g.height, &c->force,
          &c->changed[i], &c->differs[i]);
  }
  CHECK (!memcmp (dcnn_input_picture (c->stages[0]),
          dcnn_input_picture (c->stages[1]),
          (size_t) c->g.width * c->g.height * 3), "levels sample differently");
  for (int i = 0; i < 2; i++) {
    const DcnnMask *m = i ? c->differs : c->changed;
    CHECK (!memcmp (m[0].words, m[1].words, 8 * dcnn_mask_n_words (&m[0])),
        "levels compare differently");
  }
  for (uint32_t y = 0; y < c->g.height; y++)
    for (uint32_t x = 0; x < c->g.width; x++)
      check_pixel (seed, c, view, kind, y, x);
  check_changes (seed, c, view, misses (view, kind));
}

/* Stores what changed, in the stages and in our own copy. */
static void
take_over (Case *c)
{
  const uint8_t *pic = dcnn_input_picture (c->stages[0]);
  for (int i = 0; i < 2; i++)
    dcnn_input_store (c->stages[i], &c->params, &c->changed[0], &c->map, 0,
        c->changed[0].blocks_y);
  for (uint32_t y = 0; y < c->g.height; y++)
    for (uint32_t x = 0; x < c->g.width; x++) {
      size_t at = ((size_t) y * c->g.width + x) * 3;
      if (dcnn_mask_get (&c->changed[0], y, x))
        memcpy (c->reference + at, pic + at, 3);
    }
}

static void
test_case (uint64_t seed)
{
  DcnnInputView view = { .forgive = 0.5f };
  Case c;
  case_init (&c);
  c.sampling = view.sampling = (DcnnSampling) check_random (
      DCNN_SAMPLING_COUNT);
  dcnn_mask_fill (&c.force);
  random_matrix (view.matrix, &c);
  run_frame (seed, &c, &view); /* nothing is known */
  take_over (&c);
  for (int f = 0; f < 3; f++) {
    view.forgive = (float) check_random (5) / 4;
    view.known_y0 = check_random (c.g.height);
    view.known_y1 = view.known_y0 + check_random (c.g.height);
    view.known_x0 = check_random (c.g.width);
    view.known_x1 = view.known_x0 + check_random (c.g.width);
    dcnn_mask_clear (&c.force);
    dcnn_mask_fill_rect (&c.force, 3, 4, check_random (9), check_random (9));
    if (check_random (2))
      draw (&c);
    if (check_random (2))
      random_matrix (view.matrix, &c);
    else
      view.matrix[2] += 0.3;
    run_frame (seed, &c, &view);
    take_over (&c);
  }
  case_clear (&c);
}

/* The shadow is the same stage without a view, on every fourth row. */
static void
test_shadow (uint64_t seed)
{
  DcnnInputView view = { .shadow = true };
  DcnnInputSampling kind;
  Case c;
  case_init (&c);
  for (int f = 0; f < 4; f++) {
    uint64_t count = 0, all = 0;
    float share;
    random_matrix (view.matrix, &c);
    CHECK (dcnn_input_set_view (c.stages[0], &view, &kind), "out of memory");
    dcnn_input_picture_rows (c.stages[0], &c.params, &c.frame, 0, 0,
        c.g.height);
    share = dcnn_input_shadow_share (c.stages[0]);
    dcnn_mask_clear (&c.force);
    if (!f)
      dcnn_mask_fill (&c.force);
    dcnn_input_convert_rows (c.stages[1], &c.params, &c.frame, 0, 0,
        c.g.height, &c.force, &c.changed[1], NULL);
    dcnn_input_store (c.stages[1], &c.params, &c.changed[1], &c.map, 0,
        c.changed[1].blocks_y);
    for (uint32_t y = 0; y < c.g.height; y += 4)
      for (uint32_t x = 0; x < c.g.width; x++, all++)
        count += dcnn_mask_get (&c.changed[1], y, x);
    CHECK (f ? fabsf (share - (float) count / (float) all) < 1e-6f : share < 0,
        "frame %d: shadow %g, want %llu of %llu", f, (double) share,
        (unsigned long long) count, (unsigned long long) all);
    if (check_random (3))
      draw (&c);
  }
  case_clear (&c);
}

/* Nothing of a view is left behind once there is none. */
static void
test_back (uint64_t seed)
{
  DcnnInputView view = { .matrix = { 1, 0, 3.3, 0, 1, -2.2, 0, 0, 1 },
    .forgive = 0.5f };
  DcnnInputSampling kind;
  size_t bytes;
  Case c;
  case_init (&c);
  bytes = dcnn_input_stage_bytes (c.stages[0]);
  dcnn_mask_fill (&c.force);
  run_frame (seed, &c, &view);
  CHECK (dcnn_input_stage_bytes (c.stages[0]) > bytes, "a view took nothing");
  CHECK (dcnn_input_set_view (c.stages[0], NULL, &kind), "out of memory");
  for (int i = 0; i < 2; i++) {
    if (i) {
      dcnn_input_stage_free (c.stages[1]);
      c.stages[1] = dcnn_input_stage_new (&c.g, c.g.dst_w, c.g.dst_h,
          DCNN_FORMAT_RGB, 1);
    }
    dcnn_input_convert_rows (c.stages[i], &c.params, &c.frame, 0, 0,
        c.g.height, NULL, &c.changed[i], NULL);
  }
  CHECK (!memcmp (dcnn_input_picture (c.stages[0]),
          dcnn_input_picture (c.stages[1]),
          (size_t) c.g.width * c.g.height * 3), "a view left something");
  case_clear (&c);
}

static void
bench (uint32_t w, uint32_t h, bool portable)
{
  static const char *const names[] = { "as it is", "shifted", "warped" };
  DcnnInputGeometry g = { .width = w, .height = h, .dst_w = w, .dst_h = h };
  uint8_t *rgb = malloc ((size_t) w * h * 3);
  DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = w, .height = h,
    .planes = { rgb }, .strides = { (int32_t) w * 3 } };
  DcnnInputParams p = { .scale = { 1, 1, 1 }, .threshold = 0.05f };
  DcnnInputStage *stage = dcnn_input_stage_new (&g, w, h, DCNN_FORMAT_RGB, 1);
  DcnnMask changed = mask_new (w, h), differs = mask_new (w, h);
  dcnn_input_force_portable (stage, portable);
  for (size_t i = 0; i < (size_t) w * h * 3; i++)
    rgb[i] = (uint8_t) check_random (256);
  for (int kind = 0; kind < 3; kind++) {
    double best[2] = { 1, 1 };
    DcnnInputView view = { .matrix = { 1, 0, kind, 0, 1, 0, 0, 0, 1 },
      .known_x1 = w, .known_y1 = h, .forgive = 0.5f, .shadow = true };
    if (kind == 2) {
      view.matrix[1] = 0.01;
      view.matrix[6] = 1e-5;
    }
    for (int i = 0; i < 30; i++) {
      double t0 = check_seconds (), t1;
      DcnnInputSampling how;
      if (!dcnn_input_set_view (stage, &view, &how))
        abort ();
      dcnn_input_picture_rows (stage, &p, &frame, 0, 0, h);
      t1 = check_seconds ();
      dcnn_input_sample_rows (stage, &p, 0, 0, h, NULL, &changed, &differs);
      best[0] = fmin (best[0], t1 - t0);
      best[1] = fmin (best[1], check_seconds () - t1);
    }
    printf ("%4ux%-4u %s %-8s: picture %7.1f us, sample + compare %7.1f us\n",
        w, h, portable ? "c   " : "best", names[kind], best[0] * 1e6,
        best[1] * 1e6);
  }
  dcnn_input_stage_free (stage);
  free (changed.words);
  free (differs.words);
  free (rgb);
}

int
main (int argc, char **argv)
{
  CheckOptions options = check_options (argc, argv, 300);
  if (options.bench) {
    for (int portable = 0; portable < 2; portable++) {
      bench (384, 384, portable);
      bench (768, 576, portable);
    }
    return 0;
  }
  for (uint64_t i = 0; i < options.cases; i++) {
    uint64_t seed = options.seed + i;
    check_seed (seed);
    test_case (seed);
    test_shadow (seed);
    test_back (seed);
  }
  printf ("ok: %llu cases from seed %llu\n", (unsigned long long) options.cases,
      (unsigned long long) options.seed);
  return 0;
}
