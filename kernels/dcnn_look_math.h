/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_look_math.h - the window looks at the frame's picture through a matrix,
 * one pixel at a time: where it lies there, what it becomes, and what of that
 * is a change. Every input stage computes by this, or has its bytes
 * (tests/kernels, tests/engine/pictures.c). Compiled for devices, and as plain C.
 *
 * Sampling is by weights of four pixels each way, at 1/256 pixel, rows first:
 *     h[j]  = (sum_k weight_x[k] * picture[y - 1 + j][x - 1 + k] + 2^7) >> 8
 *     value = (sum_j weight_y[j] * h[j] + 2^19) >> 20
 * with 14-bit weights that add up to exactly 1, taps clamped to the picture.
 * At the picture's own border, clamped sampling is plain Catmull-Rom.
 *
 * Integers, but for the positions: products, sums and quotients in double
 * precision, each rounded.
 */
#ifndef DCNN_LOOK_MATH_H
#define DCNN_LOOK_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __CUDACC__
#define DCNN_LOOK_FN __host__ __device__ static inline
#else
#define DCNN_LOOK_FN static inline
#endif

#define DCNN_LOOK_PHASES 256 /* positions between two pixels */
/* Exact positions every so many pixels; a straight line between them. Where
 * perspective scales one side of a picture of 384 px by 1.2, it is 0.01 px off
 * at most. */
#define DCNN_LOOK_SEGMENT 8
/* Of a pixel, while adding up; a segment of them shifted to 1/256 px. */
#define DCNN_LOOK_FINE 65536
#define DCNN_LOOK_FINE_SHIFT 11
/* Past the horizon, or so far out that it makes no difference. */
#define DCNN_LOOK_NOWHERE INT32_MIN
#define DCNN_LOOK_FAR 100000.0
/* The shadow keeps every so many rows of what a window that never moves would
 * have stored. */
#define DCNN_LOOK_SHADOW_ROWS 4

typedef enum DcnnInputSampling {
  DCNN_INPUT_AS_IT_IS, /* no matrix, or one that moves nothing */
  DCNN_INPUT_SHIFTED,  /* by whole pixels: copied */
  DCNN_INPUT_WARPED,   /* at 1/256 px, as DcnnInputView.sampling says */
} DcnnInputSampling;

/* A DcnnInputView made ready (dcnn_look.h). */
typedef struct DcnnLook {
  int32_t kind;               /* DcnnInputSampling */
  int32_t shift_x, shift_y;   /* window -> picture, whole pixels */
  double matrix[9];           /* the same, where it is warped */
  uint32_t width, height;     /* of the window, and of what holds the picture */
  uint32_t dst_x, dst_y, dst_w, dst_h; /* where that lies in it */
  uint8_t fill[4];
  uint32_t known_y0, known_y1, known_x0, known_x1;
  uint32_t clamped;           /* DCNN_SAMPLING_CLAMPED */
  uint32_t forgive;           /* 1/256 px */
  const int16_t (*weights)[4];/* [DCNN_LOOK_PHASES] */
} DcnnLook;

/* ---- positions ---------------------------------------------------------- */

DCNN_LOOK_FN double
dcnn_look_sum (const double *m, double u, double v)
{
#ifdef __CUDA_ARCH__ /* products and sums would be fused */
  return __dadd_rn (__dadd_rn (__dmul_rn (m[0], u), __dmul_rn (m[1], v)),
      m[2]);
#else
  return m[0] * u + m[1] * v + m[2];
#endif
}

/* The picture's point under a point of the window. */
DCNN_LOOK_FN bool
dcnn_look_point (const double *m, double u, double v, double *x, double *y)
{
  double w = dcnn_look_sum (m + 6, u, v);

  if (!(w > 1e-6))
    return false;
  *x = dcnn_look_sum (m, u, v) / w;
  *y = dcnn_look_sum (m + 3, u, v) / w;
  return fabs (*x) < DCNN_LOOK_FAR && fabs (*y) < DCNN_LOOK_FAR;
}

/* Where the centres of a segment of a row lie: the first, and steps. */
typedef struct DcnnLookLine {
  int64_t x, y, dx, dy;
} DcnnLookLine;

/* Between the points under its first centre and the next segment's. */
DCNN_LOOK_FN DcnnLookLine
dcnn_look_between (double x0, double y0, double x1, double y1)
{
  const int64_t half = DCNN_LOOK_FINE / 512 * DCNN_LOOK_SEGMENT;
  DcnnLookLine line;

  line.x = llrint ((x0 - 0.5) * DCNN_LOOK_FINE * DCNN_LOOK_SEGMENT) + half;
  line.y = llrint ((y0 - 0.5) * DCNN_LOOK_FINE * DCNN_LOOK_SEGMENT) + half;
  line.dx = llrint ((x1 - x0) * DCNN_LOOK_FINE);
  line.dy = llrint ((y1 - y0) * DCNN_LOOK_FINE);
  return line;
}

/* Of its i-th pixel, in 1/256 px of pixel indices (a centre is 0 of its
 * pixel). */
DCNN_LOOK_FN void
dcnn_look_place (const DcnnLookLine *line, int64_t i, int32_t *x, int32_t *y)
{
  *x = (int32_t) ((line->x + i * line->dx) >> DCNN_LOOK_FINE_SHIFT);
  *y = (int32_t) ((line->y + i * line->dy) >> DCNN_LOOK_FINE_SHIFT);
}

/* ---- a pixel's value ----------------------------------------------------- */

DCNN_LOOK_FN int32_t
dcnn_look_clamp (int32_t value, int32_t low, int32_t high)
{
  return value < low ? low : value > high ? high : value;
}

DCNN_LOOK_FN void
dcnn_look_copy (uint8_t *to, const uint8_t *from)
{
  to[0] = from[0];
  to[1] = from[1];
  to[2] = from[2];
}

/* By the weights, with taps clamped to where the picture lies. */
DCNN_LOOK_FN void
dcnn_look_sample (const DcnnLook *l, const uint8_t *picture, int32_t x,
    int32_t y, uint8_t *rgb)
{
  int32_t left = (int32_t) l->dst_x, right = left + (int32_t) l->dst_w - 1;
  int32_t top = (int32_t) l->dst_y, bottom = top + (int32_t) l->dst_h - 1;
  const int16_t *wx = l->weights[x & (DCNN_LOOK_PHASES - 1)];
  const int16_t *wy = l->weights[y & (DCNN_LOOK_PHASES - 1)];

  for (int c = 0; c < 3; c++) {
    int32_t sum = 1 << 19;
    for (int j = 0; j < 4; j++) {
      const uint8_t *from = picture + (uint64_t) dcnn_look_clamp ((y >> 8)
          - 1 + j, top, bottom) * l->width * 3 + c;
      int32_t h = 1 << 7;
      for (int k = 0; k < 4; k++)
        h += wx[k] * from[3 * dcnn_look_clamp ((x >> 8) - 1 + k, left,
            right)];
      sum += wy[j] * (h >> 8);
    }
    rgb[c] = (uint8_t) dcnn_look_clamp (sum >> 20, 0, 255);
  }
}

/* A sampled pixel into what the 2x2 pixels around its place hold. */
DCNN_LOOK_FN void
dcnn_look_within (const DcnnLook *l, const uint8_t *picture, int32_t x,
    int32_t y, uint8_t *rgb)
{
  uint64_t stride = 3 * (uint64_t) l->width;
  const uint8_t *at = picture + (uint64_t) (y >> 8) * stride
      + 3 * (uint64_t) (x >> 8);

  for (int c = 0; c < 3; c++) {
    int32_t a = at[c], b = at[3 + c], d = at[stride + c];
    int32_t e = at[stride + 3 + c];
    int32_t low = a < b ? a : b, high = a < b ? b : a;
    low = low < (d < e ? d : e) ? low : d < e ? d : e;
    high = high > (d > e ? d : e) ? high : d > e ? d : e;
    rgb[c] = (uint8_t) dcnn_look_clamp (rgb[c], low, high);
  }
}

typedef enum DcnnLookPixel {
  DCNN_LOOK_INSIDE,   /* all taps in the picture */
  DCNN_LOOK_BORDER,   /* covered */
  DCNN_LOOK_OUTSIDE,
} DcnnLookPixel;

DCNN_LOOK_FN DcnnLookPixel
dcnn_look_covered (const DcnnLook *l, int32_t x, int32_t y)
{
  int32_t left = (int32_t) l->dst_x * 256, top = (int32_t) l->dst_y * 256;
  int32_t right = left + (int32_t) l->dst_w * 256;
  int32_t bottom = top + (int32_t) l->dst_h * 256;

  if (x >= left + 256 && x < right - 512 && y >= top + 256 && y < bottom - 512)
    return DCNN_LOOK_INSIDE;
  return x >= left - 128 && x < right - 128 && y >= top - 128
      && y < bottom - 128 ? DCNN_LOOK_BORDER : DCNN_LOOK_OUTSIDE;
}

/* Where window pixel (v, u) lies at a place that is not covered: as it is
 * stored, or, where that is not known, as a letterbox is, or as the nearest
 * that is covered. */
DCNN_LOOK_FN void
dcnn_look_outside (const DcnnLook *l, const uint8_t *picture,
    const uint8_t *stored, uint32_t v, uint32_t u, int32_t x, int32_t y,
    uint8_t *rgb)
{
  int32_t left = (int32_t) l->dst_x * 256, top = (int32_t) l->dst_y * 256;

  if (v >= l->known_y0 && v < l->known_y1 && u >= l->known_x0
      && u < l->known_x1)
    dcnn_look_copy (rgb, stored);
  else if (l->dst_w < l->width || l->dst_h < l->height)
    dcnn_look_copy (rgb, l->fill);
  else
    dcnn_look_sample (l, picture,
        dcnn_look_clamp (x, left, left + ((int32_t) l->dst_w - 1) * 256),
        dcnn_look_clamp (y, top, top + ((int32_t) l->dst_h - 1) * 256), rgb);
}

DCNN_LOOK_FN void
dcnn_look_shifted (const DcnnLook *l, const uint8_t *picture,
    const uint8_t *stored, uint32_t v, uint32_t u, uint8_t *rgb)
{
  int64_t x = (int64_t) u + l->shift_x, y = (int64_t) v + l->shift_y;

  if (x >= l->dst_x && x < (int64_t) l->dst_x + l->dst_w && y >= l->dst_y
      && y < (int64_t) l->dst_y + l->dst_h)
    dcnn_look_copy (rgb, picture + (y * l->width + x) * 3);
  else
    dcnn_look_outside (l, picture, stored, v, u, (int32_t) (x * 256),
        (int32_t) (y * 256), rgb);
}

DCNN_LOOK_FN void
dcnn_look_warped (const DcnnLook *l, const uint8_t *picture,
    const uint8_t *stored, uint32_t v, uint32_t u, uint8_t *rgb)
{
  uint32_t first = u / DCNN_LOOK_SEGMENT * DCNN_LOOK_SEGMENT;
  int32_t x = DCNN_LOOK_NOWHERE, y = DCNN_LOOK_NOWHERE;
  double x0, y0, x1, y1;
  DcnnLookPixel covered;

  if (dcnn_look_point (l->matrix, first + 0.5, v + 0.5, &x0, &y0)
      && dcnn_look_point (l->matrix, first + DCNN_LOOK_SEGMENT + 0.5, v + 0.5,
          &x1, &y1)) {
    DcnnLookLine line = dcnn_look_between (x0, y0, x1, y1);
    dcnn_look_place (&line, u - first, &x, &y);
  }
  covered = dcnn_look_covered (l, x, y);
  if (covered == DCNN_LOOK_OUTSIDE) {
    dcnn_look_outside (l, picture, stored, v, u, x, y, rgb);
    return;
  }
  dcnn_look_sample (l, picture, x, y, rgb);
  if (covered == DCNN_LOOK_INSIDE && l->clamped)
    dcnn_look_within (l, picture, x, y, rgb);
}

/* What window pixel (v, u) shows of the picture; stored: what the reference
 * holds there. */
DCNN_LOOK_FN void
dcnn_look_pixel (const DcnnLook *l, const uint8_t *picture,
    const uint8_t *stored, uint32_t v, uint32_t u, uint8_t *rgb)
{
  if (l->kind == DCNN_INPUT_WARPED)
    dcnn_look_warped (l, picture, stored, v, u, rgb);
  else if (l->kind == DCNN_INPUT_SHIFTED)
    dcnn_look_shifted (l, picture, stored, v, u, rgb);
  else
    dcnn_look_copy (rgb, picture + ((uint64_t) v * l->width + u) * 3);
}

/* ---- comparison ------------------------------------------------------------ */

/* The part share / 256 of a distance of two values. */
DCNN_LOOK_FN uint16_t
dcnn_look_part (uint16_t distance, uint16_t share)
{
  return (uint16_t) ((uint16_t) (distance * share) >> 8);
}

/* By how much some channel of what is shown at (v, u) passes what a shift by
 * that part of a pixel could make of the reference: no further than so much of
 * the way to the least and the most of the 3x3 pixels around. */
DCNN_LOOK_FN int
dcnn_look_passes (const DcnnLook *l, const uint8_t *shown,
    const uint8_t *reference, uint32_t v, uint32_t u)
{
  uint32_t y0 = v ? v - 1 : 0, y1 = v + 1 < l->height ? v + 1 : v;
  uint32_t x0 = u ? u - 1 : 0, x1 = u + 1 < l->width ? u + 1 : u;
  int passes = 0;

  for (int c = 0; c < 3; c++) {
    int own = reference[((uint64_t) v * l->width + u) * 3 + (unsigned) c];
    int least = own, most = own, by;
    for (uint32_t y = y0; l->forgive && y <= y1; y++)
      for (uint32_t x = x0; x <= x1; x++) {
        int value = reference[((uint64_t) y * l->width + x) * 3
            + (unsigned) c];
        least = value < least ? value : least;
        most = value > most ? value : most;
      }
    least = own - dcnn_look_part ((uint16_t) (own - least),
        (uint16_t) l->forgive);
    most = own + dcnn_look_part ((uint16_t) (most - own),
        (uint16_t) l->forgive);
    by = shown[c] > most ? shown[c] - most : shown[c] < least
        ? least - shown[c] : 0;
    passes = by > passes ? by : passes;
  }
  return passes;
}

#endif
