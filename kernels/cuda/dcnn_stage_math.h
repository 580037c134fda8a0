/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_stage_math.h - the input stage, one pixel at a time: scaling, colour
 * conversion, comparison and normalisation, with the very bits of
 * kernels/cpu/input_stage.c. Compiled for the device, and as plain C, so that
 * it can be compared with that where there is no GPU (tests/kernels).
 *
 * Integers, but for the normalisation: a product and a sum, each rounded.
 */
#ifndef DCNN_STAGE_MATH_H
#define DCNN_STAGE_MATH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __CUDACC__
#define DCNN_STAGE_FN __host__ __device__ static inline
#else
#define DCNN_STAGE_FN static inline
#endif

/* One axis of a plane: as DcnnInputAxis. */
typedef struct DcnnStageAxis {
  const uint32_t *first;  /* [n] */
  const int16_t *weight;  /* [n * taps] */
  uint32_t taps, begin, end;
} DcnnStageAxis;

typedef struct DcnnStagePlane {
  DcnnStageAxis x, y;
  uint32_t channels;
} DcnnStagePlane;

typedef enum DcnnStageKind {
  DCNN_STAGE_RGB,   /* plane 0 of 3 or 4 bytes a pixel */
  DCNN_STAGE_GRAY,
  DCNN_STAGE_NV12,
  DCNN_STAGE_I420,
} DcnnStageKind;

/* A frame and how it becomes the network's picture. */
typedef struct DcnnStage {
  int32_t kind;           /* DcnnStageKind */
  uint32_t bytes;         /* a pixel of plane 0 */
  uint32_t bgr;
  uint32_t width, height; /* of the network's input */
  uint32_t dst_x, dst_y, dst_w, dst_h;
  uint8_t fill[4];
  uint32_t unscaled, src_x, src_y;
  DcnnStagePlane luma, chroma;
  int32_t offset, y, rv, gu, gv, bu; /* DcnnInputMatrix */
  const uint8_t *planes[3];
  int32_t strides[3];
} DcnnStage;

DCNN_STAGE_FN int
dcnn_stage_mulhrs (int a, int b)
{
  return (a * b + (1 << 14)) >> 15;
}

DCNN_STAGE_FN uint8_t
dcnn_stage_clamp (int v)
{
  return (uint8_t) (v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Channel c of output (y, x) of a plane: vertical sums in 15 bits, then the
 * horizontal one. Taps of weight 0 may lie outside the plane. */
DCNN_STAGE_FN int
dcnn_stage_scaled (const DcnnStagePlane *plane, const uint8_t *data,
    int32_t stride, uint32_t y, uint32_t x, uint32_t c)
{
  const int16_t *wy = plane->y.weight + (uint64_t) y * plane->y.taps;
  const int16_t *wx = plane->x.weight + (uint64_t) x * plane->x.taps;
  uint32_t row0 = plane->y.begin + plane->y.first[y];
  uint32_t column0 = plane->x.begin + plane->x.first[x];
  int32_t sum = 1 << 20;

  for (uint32_t i = 0; i < plane->x.taps; i++) {
    const uint8_t *at = data + (uint64_t) (column0 + i) * plane->channels + c;
    int32_t v = 64;
    if (wx[i] == 0)
      continue;
    for (uint32_t k = 0; k < plane->y.taps; k++) {
      uint32_t row = row0 + k;
      if (wy[k] == 0)
        continue;
      row = row < plane->y.end ? row : plane->y.end - 1;
      v += wy[k] * at[(int64_t) row * stride];
    }
    sum += wx[i] * (int16_t) (v >> 7);
  }
  return (uint8_t) (sum >> 21);
}

DCNN_STAGE_FN void
dcnn_stage_yuv (const DcnnStage *s, int y, int u, int v, uint8_t *rgb)
{
  int l = dcnn_stage_mulhrs ((y - s->offset) * 128, s->y) + 32;
  int cu = (u - 128) * 256, cv = (v - 128) * 256;

  rgb[0] = dcnn_stage_clamp ((l + dcnn_stage_mulhrs (cv, s->rv)) >> 6);
  rgb[1] = dcnn_stage_clamp ((l - dcnn_stage_mulhrs (cu, s->gu) -
          dcnn_stage_mulhrs (cv, s->gv)) >> 6);
  rgb[2] = dcnn_stage_clamp ((l + dcnn_stage_mulhrs (cu, s->bu)) >> 6);
}

DCNN_STAGE_FN void
dcnn_stage_scaled_pixel (const DcnnStage *s, uint32_t y, uint32_t x,
    uint8_t *rgb)
{
  int l, u = 128, v = 128;

  if (s->kind == DCNN_STAGE_RGB) {
    for (uint32_t c = 0; c < 3; c++)
      rgb[c] = (uint8_t) dcnn_stage_scaled (&s->luma, s->planes[0],
          s->strides[0], y, x, s->bgr ? 2 - c : c);
    return;
  }
  l = dcnn_stage_scaled (&s->luma, s->planes[0], s->strides[0], y, x, 0);
  if (s->kind == DCNN_STAGE_NV12) {
    u = dcnn_stage_scaled (&s->chroma, s->planes[1], s->strides[1], y, x, 0);
    v = dcnn_stage_scaled (&s->chroma, s->planes[1], s->strides[1], y, x, 1);
  } else if (s->kind == DCNN_STAGE_I420) {
    u = dcnn_stage_scaled (&s->chroma, s->planes[1], s->strides[1], y, x, 0);
    v = dcnn_stage_scaled (&s->chroma, s->planes[2], s->strides[2], y, x, 0);
  }
  dcnn_stage_yuv (s, l, u, v, rgb);
}

/* Source pixels map one to one; chroma of the nearest sample. */
DCNN_STAGE_FN void
dcnn_stage_plain_pixel (const DcnnStage *s, uint32_t y, uint32_t x,
    uint8_t *rgb)
{
  uint32_t sy = s->src_y + y, sx = s->src_x + x;
  const uint8_t *row = s->planes[0] + (int64_t) sy * s->strides[0] +
      (uint64_t) sx * s->bytes;
  int u = 128, v = 128;

  if (s->kind == DCNN_STAGE_RGB) {
    for (uint32_t c = 0; c < 3; c++)
      rgb[c] = row[s->bgr ? 2 - c : c];
    return;
  }
  if (s->kind == DCNN_STAGE_NV12) {
    const uint8_t *pair = s->planes[1] + (int64_t) (sy / 2) * s->strides[1] +
        sx / 2 * 2;
    u = pair[0];
    v = pair[1];
  } else if (s->kind == DCNN_STAGE_I420) {
    u = s->planes[1][(int64_t) (sy / 2) * s->strides[1] + sx / 2];
    v = s->planes[2][(int64_t) (sy / 2) * s->strides[2] + sx / 2];
  }
  dcnn_stage_yuv (s, row[0], u, v, rgb);
}

/* The network's picture at (y, x). */
DCNN_STAGE_FN void
dcnn_stage_pixel (const DcnnStage *s, uint32_t y, uint32_t x, uint8_t *rgb)
{
  if (y < s->dst_y || y - s->dst_y >= s->dst_h || x < s->dst_x ||
      x - s->dst_x >= s->dst_w) {
    for (int c = 0; c < 3; c++)
      rgb[c] = s->fill[c];
    return;
  }
  if (s->unscaled)
    dcnn_stage_plain_pixel (s, y - s->dst_y, x - s->dst_x, rgb);
  else
    dcnn_stage_scaled_pixel (s, y - s->dst_y, x - s->dst_x, rgb);
}

/* The largest difference of a channel. */
DCNN_STAGE_FN int
dcnn_stage_most (const uint8_t *a, const uint8_t *b)
{
  int most = 0;

  for (int c = 0; c < 3; c++) {
    int d = a[c] < b[c] ? b[c] - a[c] : a[c] - b[c];
    most = d > most ? d : most;
  }
  return most;
}

/* Whether the mean signed difference of the 4x4 cell at (y0, x0) passes a
 * quarter of the limit in some channel. */
DCNN_STAGE_FN bool
dcnn_stage_cell_moved (const uint8_t *picture, const uint8_t *reference,
    uint32_t width, uint32_t height, uint32_t y0, uint32_t x0, int limit)
{
  int sum[3] = { 0, 0, 0 }, count = 0;

  for (uint32_t y = y0; y < y0 + 4 && y < height; y++)
    for (uint32_t x = x0; x < x0 + 4 && x < width; x++) {
      uint64_t at = ((uint64_t) y * width + x) * 3;
      for (int c = 0; c < 3; c++)
        sum[c] += picture[at + c] - reference[at + c];
      count++;
    }
  for (int c = 0; c < 3; c++)
    if (4 * (sum[c] < 0 ? -sum[c] : sum[c]) > limit * count)
      return true;
  return false;
}

/* What channel c of the network sees of a pixel, before the normalisation. */
DCNN_STAGE_FN uint8_t
dcnn_stage_channel (const uint8_t *rgb, uint32_t c, bool bgr, bool gray)
{
  if (gray)
    return (uint8_t) ((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2] + 128) >> 8);
  return rgb[bgr ? 2 - c : c];
}

#endif
