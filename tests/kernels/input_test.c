/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * input_test.c - the input stage against plain float formulas: every format,
 * size, scaling, range and matrix; masks by brute force; the store; the shift;
 * the best instruction set against portable C, bit by bit.
 *
 *   input_test [--seed N] [--cases N]   test; a failure prints its seed
 *   input_test --bench                  time a frame
 */
#include "check_util.h"
#include "dcnn_input.h"
#include "dcnn_kernels.h"
#include "input_stage.h"

#include <math.h>
#include <pthread.h>

#define POISON 12345.678f

typedef struct Image {
  DcnnFrame frame;
  uint8_t *stores[3];
} Image;

static uint32_t
plane_width (const DcnnFrame *f, int p)
{
  return p ? (f->width + 1) / 2 : f->width;
}

static uint32_t
plane_height (const DcnnFrame *f, int p)
{
  return p ? (f->height + 1) / 2 : f->height;
}

static uint32_t
plane_channels (DcnnPixelFormat format, int p)
{
  static const uint32_t bytes[] = {
#define DCNN_X(e, n, planes, b) b,
    DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  };
  return p && format == DCNN_FORMAT_NV12 ? 2 : bytes[format];
}

static int
n_planes (DcnnPixelFormat format)
{
  static const int planes[] = {
#define DCNN_X(e, n, p, b) p,
    DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  };
  return planes[format];
}

/* A picture of blobs or noise in exactly sized planes, strides of any sign. */
static Image
image_new (DcnnPixelFormat format, uint32_t width, uint32_t height)
{
  static const float matrices[3][2] = { { 0.299f, 0.114f },
    { 0.2126f, 0.0722f }, { 0.2627f, 0.0593f } };
  uint32_t matrix = check_random (3);
  Image image = { { format, width, height, { 0 }, { 0 }, matrices[matrix][0],
      matrices[matrix][1], check_random (2) }, { 0 } };
  bool noise = check_random (2);
  for (int p = 0; p < n_planes (format); p++) {
    uint32_t w = plane_width (&image.frame, p) * plane_channels (format, p);
    uint32_t h = plane_height (&image.frame, p);
    uint32_t stride = w + check_random (3) * check_random (17);
    /* The last row ends where its pixels end. */
    image.stores[p] = malloc ((size_t) stride * (h - 1) + w);
    bool flip = !check_random (3);
    image.frame.strides[p] = flip ? -(int32_t) stride : (int32_t) stride;
    image.frame.planes[p] =
        image.stores[p] + (flip ? (size_t) stride * (h - 1) : 0);
    memset (image.stores[p], 77, (size_t) stride * (h - 1) + w);
    for (uint32_t y = 0; y < h; y++)
      for (uint32_t x = 0; x < w; x++)
        image.stores[p][(size_t) y * stride + x] =
            (uint8_t) (noise ? check_random (256) : 3 * x + 5 * y + check_random (4));
  }
  return image;
}

static void
image_free (Image *image)
{
  for (int p = 0; p < 3; p++)
    free (image->stores[p]);
}

/* Changes a few pixels, some by little. */
static void
image_disturb (Image *image)
{
  DcnnFrame *f = &image->frame;
  for (int p = 0; p < n_planes (f->format); p++) {
    uint32_t w = plane_width (f, p) * plane_channels (f->format, p);
    uint32_t h = plane_height (f, p);
    for (uint32_t i = 0; i < 1 + w * h / 50; i++) {
      uint8_t *at = (uint8_t *) f->planes[p]
          + (ptrdiff_t) check_random (h) * f->strides[p] + check_random (w);
      *at = check_random (2) ? (uint8_t) check_random (256) : (uint8_t) (*at + 1);
    }
  }
}

static double
sample (const DcnnFrame *f, int plane, uint32_t c, int64_t y, int64_t x)
{
  int64_t h = plane_height (f, plane), w = plane_width (f, plane);
  y = y < 0 ? 0 : y >= h ? h - 1 : y;
  x = x < 0 ? 0 : x >= w ? w - 1 : x;
  return f->planes[plane][(ptrdiff_t) y * f->strides[plane]
      + (ptrdiff_t) x * plane_channels (f->format, plane) + c];
}

/* Weight of source pixel k for output i of one axis, by definition. */
static double
axis_weight (DcnnScaling scaling, double start, double extent, uint32_t n,
    uint32_t i, int64_t k, int64_t lo, int64_t hi)
{
  double step = extent / n, total = 0;
  double centre = start + (i + 0.5) * step;
  if (scaling == DCNN_SCALING_NEAREST) {
    int64_t at = (int64_t) floor (centre);
    return k == (at < lo ? lo : at > hi ? hi : at);
  }
  if (scaling == DCNN_SCALING_AREA && step > 1) {
    double a = start + i * step, b = a + step;
    b = b > hi + 1 ? hi + 1 : b;
    double from = a > k ? a : k, to = b < k + 1 ? b : k + 1;
    return to > from ? (to - from) / (b - a) : 0;
  }
  for (int64_t t = (int64_t) floor (centre - 0.5), j = 0; j < 2; j++) {
    double w = j ? centre - 0.5 - t : 1 - (centre - 0.5 - t);
    int64_t at = t + j < lo ? lo : t + j > hi ? hi : t + j;
    total += at == k ? w : 0;
  }
  return total;
}

static double
scaled (const DcnnFrame *f, const DcnnInputGeometry *g, DcnnScaling scaling,
    const double *region, int plane, uint32_t c, uint32_t oy, uint32_t ox)
{
  double r[4], sum = 0;
  for (int i = 0; i < 4; i++)
    r[i] = plane ? region[i] / 2 : region[i];
  int64_t x_lo = (int64_t) r[0], y_lo = (int64_t) r[1];
  int64_t x_hi = (int64_t) ceil (r[0] + r[2]) - 1;
  int64_t y_hi = (int64_t) ceil (r[1] + r[3]) - 1;
  double sx = r[2] / g->dst_w, sy = r[3] / g->dst_h;
  int64_t ky = (int64_t) (r[1] + oy * sy) - 2, kx = (int64_t) (r[0] + ox * sx) - 2;
  for (int64_t y = ky < y_lo ? y_lo : ky; y <= y_hi && y <= ky + sy + 5; y++) {
    double wy = axis_weight (scaling, r[1], r[3], g->dst_h, oy, y, y_lo, y_hi);
    for (int64_t x = kx < x_lo ? x_lo : kx; wy > 0 && x <= x_hi && x <= kx + sx + 5; x++) {
      double wx = axis_weight (scaling, r[0], r[2], g->dst_w, ox, x, x_lo, x_hi);
      if (wx > 0)
        sum += wy * wx * sample (f, plane, c, y, x);
    }
  }
  return sum;
}

static double
clamp255 (double v)
{
  return v < 0 ? 0 : v > 255 ? 255 : v;
}

static void
yuv_formula (const DcnnFrame *f, double y, double u, double v, double rgb[3])
{
  double kr = f->kr, kb = f->kb, kg = 1 - kr - kb;
  double l = f->full_range ? y : (y - 16) * 255 / 219;
  double cu = (u - 128) * (f->full_range ? 1 : 255.0 / 224);
  double cv = (v - 128) * (f->full_range ? 1 : 255.0 / 224);
  rgb[0] = clamp255 (l + 2 * (1 - kr) * cv);
  rgb[1] = clamp255 (l - 2 * (1 - kb) * kb / kg * cu - 2 * (1 - kr) * kr / kg * cv);
  rgb[2] = clamp255 (l + 2 * (1 - kb) * cu);
}

/* The picture's pixel by definition; returns the tolerance. */
static double
expect (const DcnnFrame *f, const DcnnInputGeometry *g, DcnnScaling scaling,
    const double *region, bool unscaled, uint32_t y, uint32_t x, double rgb[3])
{
  uint32_t oy = y - g->dst_y, ox = x - g->dst_x;
  if (y < g->dst_y || x < g->dst_x || oy >= g->dst_h || ox >= g->dst_w) {
    for (int c = 0; c < 3; c++)
      rgb[c] = g->fill[c];
    return 0;
  }
  int64_t sy = (int64_t) region[1] + oy, sx = (int64_t) region[0] + ox;
  if (plane_channels (f->format, 0) > 1) {
    bool bgr = f->format == DCNN_FORMAT_BGR || f->format == DCNN_FORMAT_BGRX
        || f->format == DCNN_FORMAT_BGRA;
    for (uint32_t c = 0; c < 3; c++)
      rgb[c] = unscaled ? sample (f, 0, bgr ? 2 - c : c, sy, sx)
          : scaled (f, g, scaling, region, 0, bgr ? 2 - c : c, oy, ox);
    /* Rounding to bytes; long boxes also have coarse weights. */
    return unscaled ? 0 : scaling == DCNN_SCALING_AREA ? 0.85 : 0.55;
  }
  double yuv[3] = { 0, 128, 128 };
  for (int i = 0; i < (f->format == DCNN_FORMAT_GRAY8 ? 1 : 3); i++) {
    int plane = !i ? 0 : f->format == DCNN_FORMAT_NV12 ? 1 : i;
    uint32_t c = f->format == DCNN_FORMAT_NV12 && i == 2;
    yuv[i] = unscaled ? sample (f, plane, c, i ? sy / 2 : sy, i ? sx / 2 : sx)
        : scaled (f, g, scaling, region, plane, c, oy, ox);
  }
  yuv_formula (f, yuv[0], yuv[1], yuv[2], rgb);
  /* Scaled planes are rounded before conversion: half a step of each. */
  return unscaled ? 1 : 0.6 * 2.2 + 0.6 * 1.2 + 0.6;
}

static void
check_picture (uint64_t seed, const DcnnInputStage *stage, const DcnnFrame *f,
    const DcnnInputGeometry *g, DcnnScaling scaling, const double *region,
    bool unscaled)
{
  const uint8_t *picture = dcnn_input_picture (stage);
  /* The oracle is slow on large pictures: look at some pixels there. */
  size_t n = (size_t) g->width * g->height;
  for (size_t k = 0; k < (n > 3000 ? 3000 : n); k++) {
    size_t i = n > 3000 ? check_random ((uint32_t) n) : k;
    uint32_t y = (uint32_t) (i / g->width), x = (uint32_t) (i % g->width);
    double rgb[3];
    double most = expect (f, g, scaling, region, unscaled, y, x, rgb);
    for (int c = 0; c < 3; c++)
      CHECK (fabs (picture[3 * i + c] - rgb[c]) <= most,
          "picture of format %d, %ux%u to %ux%u at y %u x %u channel %d: got %d, "
          "want %.3f", f->format, f->width, f->height, g->dst_w, g->dst_h, y, x,
          c, picture[3 * i + c], rgb[c]);
  }
}

static void
random_geometry (DcnnInputGeometry *g, uint32_t w, uint32_t h, double region[4])
{
  memset (g, 0, sizeof *g);
  region[0] = region[1] = 0;
  region[2] = w;
  region[3] = h;
  if (!check_random (4)) {
    bool whole_px = check_random (2);
    region[0] = check_random (w);
    region[1] = check_random (h);
    region[2] = 1 + check_random (w - (uint32_t) region[0]);
    region[3] = 1 + check_random (h - (uint32_t) region[1]);
    if (!whole_px)
      for (int i = 0; i < 4; i++)
        region[i] *= 0.75;
    g->src_x = (float) region[0];
    g->src_y = (float) region[1];
    g->src_w = (float) region[2];
    g->src_h = (float) region[3];
  }
  g->scaling = (DcnnScaling) check_random (4);
  if (check_random (3)) {
    g->dst_w = 1 + check_random (check_random (4) ? 70 : 300);
    g->dst_h = 1 + check_random (check_random (4) ? 70 : 150);
  } else {
    g->dst_w = (uint32_t) ceil (region[2]);
    g->dst_h = (uint32_t) ceil (region[3]);
  }
  bool box = !check_random (3);
  g->dst_x = box ? check_random (20) : 0;
  g->dst_y = box ? check_random (20) : 0;
  g->width = g->dst_x + g->dst_w + (box ? check_random (20) : 0);
  g->height = g->dst_y + g->dst_h + (box ? check_random (20) : 0);
  for (int c = 0; c < 3; c++)
    g->fill[c] = (uint8_t) check_random (256);
}

static DcnnMask
mask_new (uint32_t w, uint32_t h)
{
  DcnnMask mask;
  dcnn_mask_init (&mask, w, h, calloc (dcnn_mask_words (w, h), 8));
  return mask;
}

static void
random_params (DcnnInputParams *p, const float *interest)
{
  memset (p, 0, sizeof *p);
  p->bgr = check_random (2);
  p->gray = !check_random (4);
  for (int c = 0; c < 3; c++) {
    p->scale[c] = check_random_float ();
    p->bias[c] = check_random_float ();
  }
  p->threshold = check_random (3) ? (float) check_random (60) / 255.0f
      : (float) check_random (1000) / 4000.0f;
  p->noise_suppression = !check_random (3);
  p->dilation = check_random (2) ? check_random (12) : 0;
  p->interest = check_random (3) ? NULL : interest;
  p->interest_far = check_random (2) ? 0.4f : 0.25f;
}

/* ---- masks by brute force --------------------------------------------- */

static float
limit_at (const DcnnInputParams *p, const DcnnMask *m, uint32_t y, uint32_t x)
{
  float t = p->threshold * 255.0f;
  if (p->interest) {
    float i = p->interest[(y / 8) * m->blocks_x + x / 8];
    t /= p->interest_far + (1 - p->interest_far) * (i > 1 ? 1 : i < 0 ? 0 : i);
  }
  return floorf (t);
}

static bool
set_at (const uint8_t *m, int64_t w, int64_t h, int64_t y, int64_t x)
{
  return y >= 0 && x >= 0 && y < h && x < w && m[y * w + x];
}

static void
brute_refine (const DcnnInputParams *p, const DcnnMask *m, const uint8_t *pic,
    const uint8_t *ref, const DcnnMask *force, uint8_t *set)
{
  int64_t w = m->width, h = m->height;
  uint8_t *copy = malloc ((size_t) (w * h));
  for (int64_t i = 0; p->noise_suppression && i < w * h; i++) {
    int64_t y0 = i / w & ~3, x0 = i % w & ~3;
    double mean[3] = { 0 }, n = 0, most = 0;
    for (int64_t y = y0; y < y0 + 4 && y < h; y++)
      for (int64_t x = x0; x < x0 + 4 && x < w; x++, n++)
        for (int c = 0; c < 3; c++)
          mean[c] += pic[(y * w + x) * 3 + c] - ref[(y * w + x) * 3 + c];
    for (int c = 0; c < 3; c++)
      most = fmax (most, fabs (mean[c]) / n);
    if (4 * most <= limit_at (p, m, (uint32_t) (i / w), (uint32_t) (i % w)))
      set[i] = 0;
  }
  memcpy (copy, set, (size_t) (w * h));
  for (int64_t i = 0; p->noise_suppression && i < w * h; i++) {
    bool any = false;
    for (int64_t y = i / w - 1; y <= i / w + 1; y++)
      for (int64_t x = i % w - 1; x <= i % w + 1; x++)
        any |= (y != i / w || x != i % w) && set_at (copy, w, h, y, x);
    set[i] = (set[i] && any) || (force && dcnn_mask_get (force, (uint32_t) (i / w),
            (uint32_t) (i % w)));
  }
  memcpy (copy, set, (size_t) (w * h));
  int64_t r = p->dilation;
  for (int64_t i = 0; r && i < w * h; i++)
    for (int64_t y = i / w - r; copy[i] && y <= i / w + r; y++)
      for (int64_t x = i % w - r; x <= i % w + r; x++)
        if (y >= 0 && x >= 0 && y < h && x < w)
          set[y * w + x] = 1;
  free (copy);
}

static void
compare_mask (uint64_t seed, const DcnnMask *m, const uint8_t *want,
    const char *what)
{
  for (uint32_t y = 0; y < 8 * m->blocks_y; y++)
    for (uint32_t x = 0; x < 8 * m->blocks_x; x++) {
      bool inside = y < m->height && x < m->width;
      CHECK (dcnn_mask_get (m, y, x) == (inside && want[y * m->width + x]),
          "%s at y %u x %u of %ux%u", what, y, x, m->width, m->height);
    }
}

/* ---- the whole stage -------------------------------------------------- */

typedef struct Output {
  DcnnMap map;
  float *store;
  uint32_t *tables, torus[2];
  size_t floats;
} Output;

static void
output_init (Output *o, uint32_t w, uint32_t h)
{
  o->floats = (size_t) w * h * 4 + 32;
  o->store = malloc (o->floats * sizeof (float));
  for (size_t i = 0; i < o->floats; i++)
    o->store[i] = POISON;
  o->tables = malloc ((w + h) * sizeof *o->tables);
  o->torus[0] = check_random (h);
  o->torus[1] = check_random (w);
  for (uint32_t y = 0; y < h; y++)
    o->tables[y] = (y + o->torus[0]) % h * w * 4;
  for (uint32_t x = 0; x < w; x++)
    o->tables[h + x] = (x + o->torus[1]) % w * 4;
  o->map = (DcnnMap) { o->store, w, h, 3, 4, o->tables, o->tables + h, o->torus,
    NULL, 0 };
}

static void
check_store (uint64_t seed, const DcnnInputParams *p, const Output *o,
    const uint8_t *ref, const uint8_t *stored)
{
  uint32_t w = o->map.width, h = o->map.height;
  for (uint32_t y = 0; y < h; y++)
    for (uint32_t x = 0; x < w; x++) {
      const float *got = dcnn_map_pixel (&o->map, y, x);
      const uint8_t *rgb = ref + ((size_t) y * w + x) * 3;
      for (int c = 0; c < 4; c++) {
        float want = c == 3 ? 0.0f
            : p->gray ? (c ? 0.0f : (float) ((77 * rgb[0] + 150 * rgb[1]
                        + 29 * rgb[2] + 128) / 256))
            : (float) rgb[p->bgr ? 2 - c : c];
        if (c < (p->gray ? 1 : 3)) {
          want = want * p->scale[c];
          want = want + p->bias[c];
        }
        if (!stored[y * w + x])
          want = POISON;
        CHECK (got[c] == want, "s0 at y %u x %u lane %d: %g, want %g", y, x, c,
            (double) got[c], (double) want);
      }
    }
  for (size_t i = (size_t) w * h * 4; i < o->floats; i++)
    CHECK (o->store[i] == POISON, "s0 written past its end");
}

static void
convert_split (DcnnInputStage *stage, const DcnnInputParams *p,
    const DcnnFrame *f, const DcnnMask *force, DcnnMask *changed,
    DcnnMask *differs)
{
  uint32_t h = changed->height;
  for (uint32_t y0 = 0, y1; y0 < h; y0 = y1) {
    y1 = y0 + 8 * (1 + check_random (4));
    y1 = y1 > h ? h : y1;
    dcnn_input_convert_rows (stage, p, f, check_random (2), y0, y1, force,
        changed, differs);
  }
}

/* One step of the second stage (portable C) must match the first's. */
static void
check_same (uint64_t seed, const DcnnInputStage *a, const DcnnInputStage *b,
    const DcnnMask *ma, const DcnnMask *mb, const Output *oa, const Output *ob)
{
  size_t n = (size_t) ma->width * ma->height;
  CHECK (!memcmp (dcnn_input_picture (a), dcnn_input_picture (b), 3 * n),
      "levels give different pictures");
  CHECK (!memcmp (ma->words, mb->words, 8 * dcnn_mask_n_words (ma)),
      "levels give different masks");
  for (uint32_t y = 0; y < ma->height; y++)
    for (uint32_t x = 0; x < ma->width; x++)
      CHECK (!memcmp (dcnn_map_pixel (&oa->map, y, x),
              dcnn_map_pixel (&ob->map, y, x), 16), "levels store differently");
}

/* Which pixels are changed, and which differ at all. */
static void
brute_compare (const DcnnInputParams *p, const DcnnMask *force,
    const DcnnMask *m, const uint8_t *pic, const uint8_t *ref, uint8_t *want,
    uint8_t *differ)
{
  for (size_t i = 0; i < (size_t) m->width * m->height; i++) {
    uint32_t y = (uint32_t) (i / m->width), x = (uint32_t) (i % m->width);
    int most = 0;
    for (int c = 0; c < 3; c++)
      most = abs (pic[3 * i + c] - ref[3 * i + c]) > most
          ? abs (pic[3 * i + c] - ref[3 * i + c]) : most;
    want[i] = (float) most > limit_at (p, m, y, x)
        || (force && dcnn_mask_get (force, y, x));
    differ[i] = most > 0;
  }
}

/* The shift, seen through `differs` against the shifted reference. */
static void
check_shift (uint64_t seed, DcnnInputStage *stage, const DcnnInputParams *p,
    const DcnnFrame *frame, DcnnMask *changed, DcnnMask *differs,
    const uint8_t *ref)
{
  uint32_t w = changed->width, h = changed->height;
  int32_t dy = (int32_t) check_random (2 * h + 3) - (int32_t) h - 1;
  int32_t dx = (int32_t) check_random (2 * w + 3) - (int32_t) w - 1;
  const uint8_t *pic = dcnn_input_picture (stage);
  dcnn_input_shift (stage, dy, dx);
  convert_split (stage, p, frame, NULL, changed, differs);
  for (uint32_t y = 0; y < h; y++)
    for (uint32_t x = 0; x < w; x++) {
      int64_t sy = (int64_t) y + dy, sx = (int64_t) x + dx;
      if (sy < 0 || sx < 0 || sy >= h || sx >= w)
        continue;
      bool same = !memcmp (pic + ((size_t) y * w + x) * 3,
          ref + ((size_t) sy * w + (size_t) sx) * 3, 3);
      CHECK (dcnn_mask_get (differs, y, x) == !same, "shift by %d %d at %u %u",
          dy, dx, y, x);
    }
}

static void
test_case (uint64_t seed)
{
  static const uint32_t sizes[][2] = { { 1, 1 }, { 1, 40 }, { 40, 1 }, { 2, 2 },
    { 640, 17 }, { 17, 333 } };
  uint32_t w = 1 + check_random (100), h = 1 + check_random (80);
  if (!check_random (6)) {
    uint32_t i = check_random (6);
    w = sizes[i][0];
    h = sizes[i][1];
  }
  DcnnPixelFormat format = (DcnnPixelFormat) check_random (DCNN_FORMAT_COUNT);
  DcnnInputGeometry g;
  double region[4];
  random_geometry (&g, w, h, region);
  Image image = image_new (format, w, h);
  bool unscaled = region[2] == g.dst_w && region[3] == g.dst_h
      && region[0] == floor (region[0]) && region[1] == floor (region[1]);
  DcnnScaling scaling = g.scaling != DCNN_SCALING_AUTO ? g.scaling
      : region[2] > 2.0 * g.dst_w || region[3] > 2.0 * g.dst_h
      ? DCNN_SCALING_AREA : DCNN_SCALING_BILINEAR;
  DcnnInputStage *stage = dcnn_input_stage_new (&g, w, h, format, 2);
  DcnnInputStage *plain = dcnn_input_stage_new (&g, w, h, format, 2);
  dcnn_input_force_portable (plain, true);
  size_t n = (size_t) g.width * g.height;
  uint8_t *ref = calloc (n, 3), *stored = calloc (n, 1), *want = malloc (n),
      *differ = malloc (n);
  DcnnMask changed = mask_new (g.width, g.height),
      changed_plain = mask_new (g.width, g.height),
      differs = mask_new (g.width, g.height), force = mask_new (g.width, g.height);
  float *interest = malloc (dcnn_mask_n_words (&changed) * sizeof (float));
  for (size_t i = 0; i < dcnn_mask_n_words (&changed); i++)
    interest[i] = check_random (2) ? check_random_float () * 1.5f : 0.0f;
  DcnnInputParams p;
  random_params (&p, interest);
  Output out, out_plain;
  output_init (&out, g.width, g.height);
  output_init (&out_plain, g.width, g.height);
  for (int step = 0; step < 3; step++) {
    bool forced = !step || !check_random (3);
    dcnn_mask_clear (&force);
    if (!step)
      dcnn_mask_fill (&force);
    else
      dcnn_mask_fill_rect (&force, check_random (g.width),
          check_random (g.height), check_random (9), check_random (9));
    DcnnMask *f = forced ? &force : NULL;
    bool want_differs = check_random (2);
    convert_split (stage, &p, &image.frame, f, &changed,
        want_differs ? &differs : NULL);
    check_picture (seed, stage, &image.frame, &g, scaling, region, unscaled);
    const uint8_t *pic = dcnn_input_picture (stage);
    brute_compare (&p, f, &changed, pic, ref, want, differ);
    compare_mask (seed, &changed, want, "changed");
    if (want_differs)
      compare_mask (seed, &differs, differ, "differs");
    brute_refine (&p, &changed, pic, ref, f, want);
    dcnn_input_refine_mask (stage, &p, f, &changed);
    compare_mask (seed, &changed, want, "refined mask");
    for (size_t i = 0; i < n; i++)
      if (want[i]) {
        memcpy (ref + 3 * i, pic + 3 * i, 3);
        stored[i] = 1;
      }
    dcnn_input_store (stage, &p, &changed, &out.map, 0, changed.blocks_y);
    check_store (seed, &p, &out, ref, stored);

    convert_split (plain, &p, &image.frame, f, &changed_plain, NULL);
    dcnn_input_refine_mask (plain, &p, f, &changed_plain);
    dcnn_input_store (plain, &p, &changed_plain, &out_plain.map, 0,
        changed.blocks_y);
    check_same (seed, stage, plain, &changed, &changed_plain, &out, &out_plain);
    image_disturb (&image);
  }
  check_shift (seed, stage, &p, &image.frame, &changed, &differs, ref);
  dcnn_input_stage_free (stage);
  dcnn_input_stage_free (plain);
  image_free (&image);
  free (ref);
  free (stored);
  free (want);
  free (differ);
  free (changed.words);
  free (changed_plain.words);
  free (differs.words);
  free (force.words);
  free (interest);
  free (out.store);
  free (out.tables);
  free (out_plain.store);
  free (out_plain.tables);
}

/* The sizes that users have been known to send. */
static void
test_extremes (uint64_t seed)
{
  static const uint32_t sizes[][4] = { { 8191, 17, 64, 64 }, { 17, 8191, 64, 64 },
    { 1, 1, 300, 200 }, { 8191, 17, 1, 1 }, { 3, 2000, 8191, 2 },
    { 8191, 17, 8191, 17 } };
  for (uint32_t i = 0; i < 6; i++) {
    DcnnInputGeometry g = { sizes[i][2], sizes[i][3], 0, 0, sizes[i][2],
      sizes[i][3], { 0 }, DCNN_SCALING_AUTO, 0, 0, 0, 0 };
    DcnnPixelFormat format = (DcnnPixelFormat) check_random (DCNN_FORMAT_COUNT);
    double region[4] = { 0, 0, sizes[i][0], sizes[i][1] };
    Image image = image_new (format, sizes[i][0], sizes[i][1]);
    DcnnInputStage *stage = dcnn_input_stage_new (&g, sizes[i][0], sizes[i][1],
        format, 2);
    DcnnInputParams p = { 0 };
    DcnnMask changed = mask_new (g.width, g.height);
    bool area = region[2] > 2.0 * g.dst_w || region[3] > 2.0 * g.dst_h;
    convert_split (stage, &p, &image.frame, NULL, &changed, NULL);
    check_picture (seed, stage, &image.frame, &g,
        area ? DCNN_SCALING_AREA : DCNN_SCALING_BILINEAR, region, i == 5);
    dcnn_input_stage_free (stage);
    image_free (&image);
    free (changed.words);
  }
}

/* ---- threads ---------------------------------------------------------- */

typedef struct Worker {
  DcnnInputStage *stage;
  const DcnnInputParams *params;
  const DcnnFrame *frame;
  DcnnMask *changed, *differs;
  DcnnMap *s0;
  unsigned thread;
  bool store;
} Worker;

/* Every third band of 8 rows. */
static void *
worker_run (void *data)
{
  Worker *w = data;
  uint32_t blocks = w->changed->blocks_y;
  for (uint32_t by = w->thread; by < blocks; by += 3) {
    uint32_t end = 8 * by + 8;
    if (w->store)
      dcnn_input_store (w->stage, w->params, w->changed, w->s0, by, by + 1);
    else
      dcnn_input_convert_rows (w->stage, w->params, w->frame, w->thread, 8 * by,
          end > w->changed->height ? w->changed->height : end, NULL, w->changed,
          w->differs);
  }
  return NULL;
}

/* Three threads give what one gives. */
static void
test_threads (uint64_t seed)
{
  DcnnPixelFormat format = (DcnnPixelFormat) check_random (DCNN_FORMAT_COUNT);
  Image image = image_new (format, 163, 121);
  DcnnInputGeometry g = { 141, 103, 3, 5, 130, 90, { 1, 2, 3 },
    DCNN_SCALING_AUTO, 0, 0, 0, 0 };
  DcnnInputParams p = { .scale = { 1, 2, 3 }, .threshold = 0.3f };
  DcnnInputStage *stages[2];
  DcnnMask changed[2], differs[2];
  Output out[2];
  for (int i = 0; i < 2; i++) {
    stages[i] = dcnn_input_stage_new (&g, 163, 121, format, 3);
    changed[i] = mask_new (g.width, g.height);
    differs[i] = mask_new (g.width, g.height);
    output_init (&out[i], g.width, g.height);
  }
  for (int step = 0; step < 2; step++) {
    pthread_t threads[3];
    Worker workers[3];
    for (unsigned t = 0; t < 3; t++) {
      workers[t] = (Worker) { stages[0], &p, &image.frame, &changed[0],
        &differs[0], &out[0].map, t, step };
      CHECK (!pthread_create (&threads[t], NULL, worker_run, &workers[t]),
          "no thread");
    }
    for (unsigned t = 0; t < 3; t++)
      pthread_join (threads[t], NULL);
  }
  dcnn_input_convert_rows (stages[1], &p, &image.frame, 0, 0, g.height, NULL,
      &changed[1], &differs[1]);
  dcnn_input_store (stages[1], &p, &changed[1], &out[1].map, 0,
      changed[1].blocks_y);
  CHECK (!memcmp (differs[0].words, differs[1].words,
          8 * dcnn_mask_n_words (&differs[0])), "threads differ");
  check_same (seed, stages[0], stages[1], &changed[0], &changed[1], &out[0],
      &out[1]);
  for (int i = 0; i < 2; i++) {
    dcnn_input_stage_free (stages[i]);
    free (changed[i].words);
    free (differs[i].words);
    free (out[i].store);
    free (out[i].tables);
  }
  image_free (&image);
}

/* Chroma of half the resolution, from any column on: a crop may begin at an odd one. */
static void
test_chroma (uint64_t seed)
{
  const DcnnInputRows *levels[] = { &dcnn_input_rows__c,
#ifdef DCNN_HAVE_AVX2
    strcmp (dcnn_cpu_kernels ()->isa, "c") ? &dcnn_input_rows__avx2 : NULL
#endif
  };
  uint8_t chroma[128];
  for (size_t i = 0; i < 128; chroma[i++] = (uint8_t) check_random (256));
  for (size_t l = 0; l < sizeof levels / sizeof *levels && levels[l]; l++)
    for (size_t x = 0; x < 6; x++)
      for (size_t n = 0; n < 72; n++) {
        uint8_t u[112] = { 0 }, v[112] = { 0 }, plane[112] = { 0 };
        levels[l]->chroma_nv12 (u, v, chroma, x, n);
        levels[l]->chroma_i420 (plane, chroma, x, n);
        for (size_t i = 0, at; i < n; i++) {
          at = (x + i) / 2;
          CHECK (u[i] == chroma[2 * at] && v[i] == chroma[2 * at + 1]
              && plane[i] == chroma[at],
              "level %zu: pixel %zu of %zu from column %zu", l, i, n, x);
        }
      }
}

static void
bench (DcnnPixelFormat format, const char *name, uint32_t w, uint32_t h,
    uint32_t dw, uint32_t dh, bool portable)
{
  DcnnInputGeometry g = { dw, dh, 0, 0, dw, dh, { 0 }, DCNN_SCALING_AUTO, 0, 0,
    0, 0 };
  DcnnInputParams p = { .scale = { 1, 1, 1 }, .threshold = 0.05f, .dilation = 3 };
  Image image = image_new (format, w, h);
  DcnnInputStage *stage = dcnn_input_stage_new (&g, w, h, format, 1);
  dcnn_input_force_portable (stage, portable);
  DcnnMask changed = mask_new (dw, dh), differs = mask_new (dw, dh);
  Output out;
  output_init (&out, dw, dh);
  double best[3] = { 1, 1, 1 };
  for (int i = 0; i < 40; i++) {
    double t0 = check_seconds ();
    dcnn_input_convert_rows (stage, &p, &image.frame, 0, 0, dh, NULL, &changed,
        &differs);
    double t1 = check_seconds ();
    dcnn_input_refine_mask (stage, &p, NULL, &changed);
    double t2 = check_seconds ();
    if (!i)
      dcnn_mask_fill (&changed);
    dcnn_input_store (stage, &p, &changed, &out.map, 0, changed.blocks_y);
    double t3 = check_seconds ();
    best[0] = i && t1 - t0 < best[0] ? t1 - t0 : best[0];
    best[1] = i && t2 - t1 < best[1] ? t2 - t1 : best[1];
    best[2] = i ? best[2] : t3 - t2;
  }
  for (int i = 0; i < 9; i++) {
    dcnn_mask_fill (&changed);
    double t = check_seconds ();
    dcnn_input_store (stage, &p, &changed, &out.map, 0, changed.blocks_y);
    t = check_seconds () - t;
    best[2] = t < best[2] ? t : best[2];
  }
  printf ("%-5s %4ux%-4u -> %4ux%-4u %s: convert + compare %8.1f us, refine %5.1f"
      " us, store all %7.1f us\n", name, w, h, dw, dh, portable ? "c   " : "best",
      best[0] * 1e6, best[1] * 1e6, best[2] * 1e6);
  dcnn_input_stage_free (stage);
  image_free (&image);
  free (changed.words);
  free (differs.words);
  free (out.store);
  free (out.tables);
}

int
main (int argc, char **argv)
{
  CheckOptions options = check_options (argc, argv, 300);
  if (options.bench) {
    for (int portable = 0; portable < 2; portable++) {
#define DCNN_X(e, n, planes, b)                                                \
  bench (DCNN_FORMAT_##e, n, 768, 576, 768, 576, portable);                    \
  bench (DCNN_FORMAT_##e, n, 768, 576, 512, 384, portable);                    \
  bench (DCNN_FORMAT_##e, n, 1920, 1080, 512, 288, portable);
      DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
    }
    return 0;
  }
  for (uint64_t i = 0; i < options.cases; i++) {
    uint64_t seed = options.seed + i;
    check_seed (seed);
    if (i % 64 == 0)
      test_extremes (seed), test_chroma (seed);
    check_seed (seed);
    test_case (seed);
    if (i % 16 == 0)
      test_threads (seed);
  }
  printf ("ok: %llu cases from seed %llu\n", (unsigned long long) options.cases,
      (unsigned long long) options.seed);
  return 0;
}
