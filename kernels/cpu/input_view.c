/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * input_view.c - the window looks at the frame's picture through a matrix:
 * where each of its pixels lies there, what the frame does not cover, and what
 * a shift by half a pixel would make of the stored picture.
 *
 * Sampling is by Catmull-Rom (Keys, Cubic convolution interpolation, 1981, a =
 * -1/2) or another weight of four pixels each way, at 1/256 pixel, rows first:
 *     h[j]  = (sum_k weight_x[k] * picture[y - 1 + j][x - 1 + k] + 2^7) >> 8
 *     value = (sum_j weight_y[j] * h[j] + 2^19) >> 20
 * with 14-bit weights that add up to exactly 1, taps clamped to the picture.
 * At the picture's own border, clamped sampling is plain Catmull-Rom.
 */
#include "input_stage.h"

#include <math.h>
#include <string.h>

/* Exact positions every so many pixels; a straight line between them. Where
 * perspective scales one side of a picture of 384 px by 1.2, it is 0.01 px off
 * at most. */
#define SEGMENT 8
/* Of a pixel, while adding up; a SEGMENT of them shifted to 1/256 px. */
#define FINE 65536
#define FINE_SHIFT 11
/* Past the horizon, or so far out that it makes no difference. */
#define NOWHERE INT32_MIN
#define FAR_AWAY 100000.0
/* A shift that misses whole pixels by no more than this in the whole window is
 * taken as one of whole pixels; px. */
#define WHOLE_PX 0.15
/* What misses them by more than this is forgiven as any part of a pixel. */
#define EXACT_PX (1.0 / 64)

/* ---- weights ---------------------------------------------------------- */

static double
lanczos (double t)
{
  double x = M_PI * t;
  return fabs (t) < 1e-9 ? 1 : fabs (t) >= 2 ? 0 : sin (x) / x * sin (x / 2)
      / (x / 2);
}

/* Of the pixels at -1, 0, 1 and 2, for a point at t of 0 .. 1. */
static void
weigh (DcnnSampling sampling, double t, double w[4])
{
  double t2 = t * t, t3 = t2 * t, sum = 0;
  switch (sampling) {
    case DCNN_SAMPLING_LANCZOS:
      for (int k = 0; k < 4; k++)
        sum += w[k] = lanczos (t + 1 - k);
      for (int k = 0; k < 4; k++)
        w[k] /= sum;
      return;
    case DCNN_SAMPLING_LINEAR:
    case DCNN_SAMPLING_NEAREST:
      w[0] = w[3] = 0;
      w[2] = sampling == DCNN_SAMPLING_LINEAR ? t : t >= 0.5;
      break;
    default:
      w[0] = (-t3 + 2 * t2 - t) / 2;
      w[2] = (-3 * t3 + 4 * t2 + t) / 2;
      w[3] = (t3 - t2) / 2;
  }
  w[1] = 1 - w[0] - w[2] - w[3];
}

void
dcnn_input_weights_init (DcnnSampling sampling, int16_t (*weights)[4])
{
  for (int i = 0; i < DCNN_INPUT_PHASES; i++) {
    double w[4];
    weigh (sampling, (double) i / DCNN_INPUT_PHASES, w);
    for (int k = 0; k < 4; k++)
      weights[i][k] = (int16_t) lrint (16384 * w[k]);
    weights[i][1] = (int16_t) (16384 - weights[i][0] - weights[i][2]
        - weights[i][3]);
  }
}

/* ---- which way of sampling -------------------------------------------- */

/* The picture's point under a point of the window. */
static bool
point_under (const double m[9], double u, double v, double *x, double *y)
{
  double w = m[6] * u + m[7] * v + m[8];
  if (!(w > 1e-6))
    return false;
  *x = (m[0] * u + m[1] * v + m[2]) / w;
  *y = (m[3] * u + m[4] * v + m[5]) / w;
  return fabs (*x) < FAR_AWAY && fabs (*y) < FAR_AWAY;
}

DcnnInputSampling
dcnn_input_view_kind (const double m[9], uint32_t width, uint32_t height,
    int32_t *dx, int32_t *dy, bool *exact)
{
  double whole_x = 0, whole_y = 0, most = 0;
  *exact = false;
  for (int corner = 0; corner < 4; corner++) {
    double u = corner & 1 ? width : 0, v = corner & 2 ? height : 0, x, y;
    if (!point_under (m, u, v, &x, &y))
      return DCNN_INPUT_WARPED;
    if (!corner) {
      whole_x = floor (x - u + 0.5);
      whole_y = floor (y - v + 0.5);
    }
    most = fmax (most, fabs (x - u - whole_x));
    most = fmax (most, fabs (y - v - whole_y));
  }
  *exact = most <= EXACT_PX;
  *dx = (int32_t) whole_x;
  *dy = (int32_t) whole_y;
  if (most > WHOLE_PX)
    return DCNN_INPUT_WARPED;
  return *dx == 0 && *dy == 0 ? DCNN_INPUT_AS_IT_IS : DCNN_INPUT_SHIFTED;
}

/* ---- positions -------------------------------------------------------- */

/* Where the centres of row v lie, in 1/256 px of pixel indices (a centre is
 * 0 of its pixel). */
static void
row_positions (const double m[9], uint32_t v, uint32_t width, int32_t *xs,
    int32_t *ys)
{
  double x0, y0, x1, y1;
  bool from = point_under (m, 0.5, v + 0.5, &x0, &y0);
  for (uint32_t u = 0; u < width; u += SEGMENT) {
    bool to = point_under (m, u + SEGMENT + 0.5, v + 0.5, &x1, &y1);
    uint32_t n = width - u < SEGMENT ? width - u : SEGMENT;
    if (from && to) {
      int64_t ax = llrint ((x0 - 0.5) * FINE * SEGMENT) + FINE / 512 * SEGMENT;
      int64_t ay = llrint ((y0 - 0.5) * FINE * SEGMENT) + FINE / 512 * SEGMENT;
      int64_t dx = llrint ((x1 - x0) * FINE), dy = llrint ((y1 - y0) * FINE);
      for (uint32_t i = 0; i < n; i++, ax += dx, ay += dy) {
        xs[u + i] = (int32_t) (ax >> FINE_SHIFT);
        ys[u + i] = (int32_t) (ay >> FINE_SHIFT);
      }
    } else {
      for (uint32_t i = 0; i < n; i++)
        xs[u + i] = ys[u + i] = NOWHERE;
    }
    from = to;
    x0 = x1;
    y0 = y1;
  }
}

/* ---- rows -------------------------------------------------------------- */

static inline int32_t
clamp (int32_t value, int32_t low, int32_t high)
{
  return value < low ? low : value > high ? high : value;
}

/* One pixel with taps clamped to the picture area. */
static void
sample_clamped (const DcnnInputViewRow *row, int32_t x, int32_t y,
    uint8_t *rgb)
{
  const DcnnInputGeometry *g = row->geometry;
  int32_t left = (int32_t) g->dst_x, right = left + (int32_t) g->dst_w - 1;
  int32_t top = (int32_t) g->dst_y, bottom = top + (int32_t) g->dst_h - 1;
  const int16_t *wx = row->weights[x & (DCNN_INPUT_PHASES - 1)];
  const int16_t *wy = row->weights[y & (DCNN_INPUT_PHASES - 1)];
  for (int c = 0; c < 3; c++) {
    int32_t sum = 1 << 19;
    for (int j = 0; j < 4; j++) {
      const uint8_t *from = row->picture + (size_t) clamp ((y >> 8) - 1 + j,
          top, bottom) * g->width * 3 + c;
      int32_t h = 1 << 7;
      for (int k = 0; k < 4; k++)
        h += wx[k] * from[3 * clamp ((x >> 8) - 1 + k, left, right)];
      sum += wy[j] * (h >> 8);
    }
    rgb[c] = dcnn_input_clamp (sum >> 20);
  }
}

/* Sampled pixels u .. end-1 into what the 2x2 pixels around each hold. */
static void
keep_within (const DcnnInputViewRow *row, const int32_t *xs,
    const int32_t *ys, uint32_t u, uint32_t end)
{
  size_t stride = 3 * (size_t) row->geometry->width;
  for (; u < end; u++) {
    const uint8_t *at = row->picture + (size_t) (ys[u] >> 8) * stride
        + 3 * (size_t) (xs[u] >> 8);
    uint8_t *to = row->to + 3 * (size_t) u;
    for (int c = 0; c < 3; c++) {
      int32_t a = at[c], b = at[3 + c], d = at[stride + c];
      int32_t e = at[stride + 3 + c];
      int32_t low = a < b ? a : b, high = a < b ? b : a;
      low = low < (d < e ? d : e) ? low : d < e ? d : e;
      high = high > (d > e ? d : e) ? high : d > e ? d : e;
      to[c] = (uint8_t) clamp (to[c], low, high);
    }
  }
}

typedef enum PixelKind {
  PIXEL_INSIDE,   /* all taps in the picture */
  PIXEL_BORDER,   /* covered */
  PIXEL_OUTSIDE,
} PixelKind;

static inline PixelKind
pixel_kind (const DcnnInputGeometry *g, int32_t x, int32_t y)
{
  int32_t left = (int32_t) g->dst_x * 256, top = (int32_t) g->dst_y * 256;
  int32_t right = left + (int32_t) g->dst_w * 256;
  int32_t bottom = top + (int32_t) g->dst_h * 256;
  if (x >= left + 256 && x < right - 512 && y >= top + 256 && y < bottom - 512)
    return PIXEL_INSIDE;
  return x >= left - 128 && x < right - 128 && y >= top - 128
      && y < bottom - 128 ? PIXEL_BORDER : PIXEL_OUTSIDE;
}

/* What is not covered: as it was, or, where that is not known, as a letterbox
 * is, or as the nearest that is covered. */
static void
fill_outside (const DcnnInputViewRow *row, uint32_t u, int32_t x, int32_t y)
{
  const DcnnInputGeometry *g = row->geometry;
  int32_t left = (int32_t) g->dst_x * 256, top = (int32_t) g->dst_y * 256;
  uint8_t *to = row->to + 3 * (size_t) u;
  if (u >= row->known_x0 && u < row->known_x1)
    memcpy (to, row->reference + 3 * (size_t) u, 3);
  else if (g->dst_w < g->width || g->dst_h < g->height)
    memcpy (to, g->fill, 3);
  else
    sample_clamped (row, clamp (x, left, left + ((int32_t) g->dst_w - 1) * 256),
        clamp (y, top, top + ((int32_t) g->dst_h - 1) * 256), to);
}

void
dcnn_input_view_warp (const DcnnInputViewRow *row, const double m[9],
    uint32_t v, int32_t *xs, int32_t *ys, const DcnnInputRows *rows)
{
  const DcnnInputGeometry *g = row->geometry;
  uint32_t width = g->width;
  row_positions (m, v, width, xs, ys);
  for (uint32_t u = 0; u < width;) {
    PixelKind kind = pixel_kind (g, xs[u], ys[u]);
    uint32_t end = u + 1;
    if (kind == PIXEL_OUTSIDE) {
      fill_outside (row, u, xs[u], ys[u]);
    } else if (kind == PIXEL_BORDER) {
      sample_clamped (row, xs[u], ys[u], row->to + 3 * (size_t) u);
    } else {
      while (end < width && pixel_kind (g, xs[end], ys[end]) == PIXEL_INSIDE)
        end++;
      rows->sample (row->to + 3 * (size_t) u, row->picture, (size_t) width * 3,
          xs + u, ys + u, row->weights, end - u);
      if (row->clamped)
        keep_within (row, xs, ys, u, end);
    }
    u = end;
  }
}

void
dcnn_input_view_shift (const DcnnInputViewRow *row, uint32_t v, int32_t dx,
    int32_t dy)
{
  const DcnnInputGeometry *g = row->geometry;
  int64_t y = (int64_t) v + dy, left = (int64_t) g->dst_x - dx;
  int64_t right = left + g->dst_w, width = g->width;
  bool covered = y >= g->dst_y && y < (int64_t) g->dst_y + g->dst_h;
  left = left < 0 ? 0 : left > width ? width : left;
  right = right < 0 ? 0 : right > width ? width : right;
  if (!covered)
    left = right = width;
  for (int64_t u = 0; u < left; u++)
    fill_outside (row, (uint32_t) u, (int32_t) ((u + dx) * 256),
        (int32_t) (y * 256));
  if (left < right)
    memcpy (row->to + 3 * left, row->picture + (y * width + left + dx) * 3,
        (size_t) (right - left) * 3);
  for (int64_t u = right; u < width; u++)
    fill_outside (row, (uint32_t) u, (int32_t) ((u + dx) * 256),
        (int32_t) (y * 256));
}

/* ---- forgiveness ------------------------------------------------------- */

static void
least_of (const uint8_t *restrict a, const uint8_t *restrict b,
    const uint8_t *restrict c, size_t n, uint8_t *restrict to)
{
  for (size_t i = 0; i < n; i++) {
    uint8_t less = a[i] < b[i] ? a[i] : b[i];
    to[i] = less < c[i] ? less : c[i];
  }
}

static void
most_of (const uint8_t *restrict a, const uint8_t *restrict b,
    const uint8_t *restrict c, size_t n, uint8_t *restrict to)
{
  for (size_t i = 0; i < n; i++) {
    uint8_t more = a[i] > b[i] ? a[i] : b[i];
    to[i] = more > c[i] ? more : c[i];
  }
}

/* The part share / 256 of the way from each value to low and high. */
static void
part_way (const uint8_t *restrict from, size_t n, uint16_t share,
    uint8_t *restrict low, uint8_t *restrict high)
{
  for (size_t i = 0; i < n; i++) {
    uint16_t down = (uint16_t) (from[i] - low[i]);
    uint16_t up = (uint16_t) (high[i] - from[i]);
    low[i] = (uint8_t) (from[i] - ((uint16_t) (down * share) >> 8));
    high[i] = (uint8_t) (from[i] + ((uint16_t) (up * share) >> 8));
  }
}

void
dcnn_input_view_band (const uint8_t *const rows[3], size_t width,
    unsigned share, uint8_t *least, uint8_t *most, uint8_t *low,
    uint8_t *high)
{
  size_t n = 3 * width;
  least_of (rows[0], rows[1], rows[2], n, least + 3);
  most_of (rows[0], rows[1], rows[2], n, most + 3);
  for (int i = 0; i < 3; i++) {
    least[i] = least[3 + i];
    most[i] = most[3 + i];
    least[3 + n + (size_t) i] = least[n + (size_t) i];
    most[3 + n + (size_t) i] = most[n + (size_t) i];
  }
  least_of (least, least + 3, least + 6, n, low);
  most_of (most, most + 3, most + 6, n, high);
  part_way (rows[1], n, (uint16_t) share, low, high);
}
