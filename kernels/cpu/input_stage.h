/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * input_stage.h - the inside of the input stage: tables of a geometry, and the
 * row functions that each instruction set level provides.
 *
 * Arithmetic is the same bits on every level. Scaling is separable, vertical
 * first, with 14-bit weights that add up to exactly 1:
 *     v[i]   = (sum_k weight_y[k] * row_k[i] + 64) >> 7       15 bits
 *     out[x] = (sum_k weight_x[k] * v[first + k] + 2^20) >> 21
 * Each plane is scaled by itself, then the result is converted to RGB: colour
 * conversion runs on the network's pixels only.
 */
#ifndef DCNN_INPUT_STAGE_H
#define DCNN_INPUT_STAGE_H

#include "dcnn_input.h"

#define DCNN_INPUT_PAD 64 /* spare elements after every row buffer */

/* Normalisation of a stored pixel: lanes in network order, lane 3 is 0. */
typedef struct DcnnInputStore {
  float scale[4], bias[4];
  bool bgr, gray;
} DcnnInputStore;

/* One level's functions. Nothing is read past the lengths given unless said,
 * nothing is written past them. */
typedef struct DcnnInputRows {
  /* v[0 .. n-1] from `taps` rows of n bytes. */
  void (*vertical) (int16_t *v, const uint8_t *const *rows,
      const int16_t *weight, uint32_t taps, size_t n);
  /* One channel; v is readable DCNN_INPUT_PAD elements past the last tap. */
  void (*horizontal) (uint8_t *out, const int16_t *v,
      const DcnnInputAxis *axis);
  /* Two interleaved channels to two rows. */
  void (*horizontal_pair) (uint8_t *out0, uint8_t *out1, const int16_t *v,
      const DcnnInputAxis *axis);
  /* 3 or 4 interleaved channels to packed RGB; bgr: channel 0 is blue. */
  void (*horizontal_rgb) (uint8_t *rgb, const int16_t *v,
      const DcnnInputAxis *axis, uint32_t channels, bool bgr);
  /* Chroma of n pixels from x on at half resolution: u[i] = pair (x + i)/2. */
  void (*chroma_nv12) (uint8_t *u, uint8_t *v, const uint8_t *uv, size_t x,
      size_t n);
  void (*chroma_i420) (uint8_t *out, const uint8_t *chroma, size_t x,
      size_t n);
  void (*yuv) (uint8_t *rgb, const uint8_t *y, const uint8_t *u,
      const uint8_t *v, const DcnnInputMatrix *matrix, size_t n);
  /* Packed RGB from pixels of 3 or 4 bytes. */
  void (*swizzle) (uint8_t *rgb, const uint8_t *src, uint32_t bytes, bool bgr,
      size_t n);
  /* ORs row y (0..7) of the block words: pixels where some channel differs by
   * more than limits[x / 8], and where any differs (may be NULL). picture and
   * reference are readable 32 bytes past the row. */
  void (*compare) (uint64_t *changed, uint64_t *differs, unsigned y,
      const uint8_t *picture, const uint8_t *reference, const uint8_t *limits,
      size_t width);
  /* The same for changes past a range: more than limits[x / 8] below low or
   * above high, which are readable 32 bytes past the row too. */
  void (*compare_band) (uint64_t *changed, uint64_t *differs, unsigned y,
      const uint8_t *picture, const uint8_t *reference, const uint8_t *low,
      const uint8_t *high, const uint8_t *limits, size_t width);
  /* n packed RGB pixels from a picture of rows `stride` bytes apart, at xs and
   * ys (1/256 px), whose 4x4 taps lie in it; see dcnn_look_math.h. picture is
   * readable 4 bytes past its end. */
  void (*sample) (uint8_t *rgb, const uint8_t *picture, size_t stride,
      const int32_t *xs, const int32_t *ys, const int16_t (*weights)[4],
      size_t n);
  /* Up to 8 pixels whose bits are set: reference = picture, s0 = value * scale
   * + bias, 4 floats at s0 + columns[i]. gray: luma in lane 0, zeros after.
   * picture and reference are readable 32 bytes on. */
  void (*store) (uint8_t *reference, const uint8_t *picture, float *s0,
      const uint32_t *columns, unsigned bits, const DcnnInputStore *how);
} DcnnInputRows;

extern const DcnnInputRows dcnn_input_rows__c;
extern const DcnnInputRows dcnn_input_rows__avx2;

/* What a stage reads frames by, for other devices. Borrowed from the stage. */
const DcnnInputTables *dcnn_input_stage_tables (const DcnnInputStage *stage);
/* The part of dcnn_input_refine_mask() that looks at the masks alone. */
void dcnn_input_widen_mask (DcnnInputStage *stage,
    const DcnnInputParams *params, const DcnnMask *force, DcnnMask *changed);
/* ---- input_view.c: the window through a matrix ------------------------- */

/* A row of the window. */
typedef struct DcnnInputViewRow {
  const DcnnLook *look;
  const uint8_t *picture;   /* the whole of it, packed RGB */
  const uint8_t *reference; /* this row's */
  uint8_t *to;              /* this row's */
} DcnnInputViewRow;

/* Row v by the matrix; xs, ys: scratch, one a pixel. */
void dcnn_input_view_warp (const DcnnInputViewRow *row, uint32_t v,
    int32_t *xs, int32_t *ys, const DcnnInputRows *rows);
/* Row v by the shift. */
void dcnn_input_view_shift (const DcnnInputViewRow *row, uint32_t v);
/* low and high [3 * width]: what the middle one of three rows may become by a
 * shift of share / 256 px, going by the least and the most of the 3x3 pixels
 * around. least, most: scratch of 3 * width + 6. */
void dcnn_input_view_band (const uint8_t *const rows[3], size_t width,
    unsigned share, uint8_t *least, uint8_t *most, uint8_t *low,
    uint8_t *high);

/* Helpers of the specification, shared by the levels for row ends. */
static inline int
dcnn_input_mulhrs (int a, int b)
{
  return (a * b + (1 << 14)) >> 15;
}

static inline uint8_t
dcnn_input_clamp (int v)
{
  return (uint8_t) (v < 0 ? 0 : v > 255 ? 255 : v);
}

static inline uint8_t
dcnn_input_luma (const uint8_t *rgb)
{
  return (uint8_t) ((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2] + 128) >> 8);
}

#endif
