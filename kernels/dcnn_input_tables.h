/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_input_tables.h - by what numbers a frame becomes the network's picture:
 * where it goes, which source pixels make up each of its own and by how much,
 * the coefficients of the colour conversion, and what difference is a change.
 * The same for every input stage, whatever it runs on, so that all of them
 * give the same bytes. Pure, but for the memory of the tables.
 *
 * Scaling is separable, with 14-bit weights that add up to exactly 1; each
 * plane is scaled by itself, then the result is converted (cpu/input_stage.h
 * has the arithmetic).
 */
#ifndef DCNN_INPUT_TABLES_H
#define DCNN_INPUT_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deltacnn/frame.h"

/* How the picture lies in the network's input; all of it in network pixels.
 * The rest of the window is `fill`. */
typedef struct DcnnInputGeometry {
  uint32_t width, height;                 /* window */
  uint32_t dst_x, dst_y, dst_w, dst_h;    /* where the picture goes */
  uint8_t fill[3];                        /* R, G, B of the letterbox */
  DcnnScaling scaling;
  /* Region of the frame that is shown, frame pixels; all 0: the whole. */
  float src_x, src_y, src_w, src_h;
} DcnnInputGeometry;

typedef struct DcnnInputParams {
  bool bgr;          /* channel 0 of the network is blue */
  bool gray;         /* the network has one channel: luma of the RGB picture */
  float scale[3], bias[3]; /* per network channel: stored = value * scale +
                              bias, value 0..255 */
  float threshold;   /* t_0 on the 0..1 scale: a pixel changed when some
                        channel differs by more than t_0 * 255; 0: any */
  /* Noise suppression (DeltaCNN, CVPR 2022, in our terms): the signed
   * difference is averaged over cells of 4x4 pixels; a cell where no channel's
   * average passes a quarter of the threshold keeps no changed pixel (noise
   * has no mean, its average shrinks by 4). Then pixels with no changed
   * neighbour among 8 are dropped. */
  bool noise_suppression;
  uint32_t dilation; /* px; 0: off */
  /* Region of interest: difference x (far + (1 - far) m), m in 0..1 per pixel
   * at 1/8 of the window (one float a block, row-major); NULL: off. */
  const float *interest;
  float interest_far; /* over 0: what a difference counts far from interest */
} DcnnInputParams;

/* The largest difference of a channel, 0 .. 255, that is not a change, in
 * block `block` of the window. */
uint8_t dcnn_input_change_limit (const DcnnInputParams *params, size_t block);

/* ---- formats --------------------------------------------------------------- */

/* Bytes a pixel of plane 0. */
uint32_t dcnn_input_bytes (DcnnPixelFormat format);

static inline bool
dcnn_input_is_yuv (DcnnPixelFormat format)
{
  return format == DCNN_FORMAT_NV12 || format == DCNN_FORMAT_I420;
}

static inline bool
dcnn_input_is_bgr (DcnnPixelFormat format)
{
  return format == DCNN_FORMAT_BGR || format == DCNN_FORMAT_BGRX
      || format == DCNN_FORMAT_BGRA;
}

/* YUV to RGB: with m (a, b) = (a * b + 2^14) >> 15,
 *     l = m ((Y - offset) << 7, y),  R = l + m ((V - 128) << 8, rv) ...
 * in 1/64, rounded and clamped to 0 .. 255. gu and gv are subtracted. */
typedef struct DcnnInputMatrix {
  int16_t offset, y, rv, gu, gv, bu;
} DcnnInputMatrix;

/* From the frame's kr, kb and range; BT.601 where they are no matrix. */
void dcnn_input_matrix_init (DcnnInputMatrix *matrix, const DcnnFrame *frame);

/* ---- tables ---------------------------------------------------------------- */

/* How one axis of a plane is scaled. */
typedef struct DcnnInputAxis {
  uint32_t n;          /* outputs */
  uint32_t taps;       /* weights an output; x: 2 or more, even */
  uint32_t begin, end; /* the source range that is read */
  uint32_t *first;     /* [n] first tap, relative to begin; first + taps may
                          pass end, the weights there are 0 */
  int16_t *weight;     /* [n * taps], sum 16384 */
} DcnnInputAxis;

/* What a plane adds to the picture: whole size, or chroma at half of it. */
typedef struct DcnnInputPlane {
  DcnnInputAxis x, y;
  uint32_t channels;
} DcnnInputPlane;

/* For frames of one size and format. */
typedef struct DcnnInputTables {
  DcnnPixelFormat format;
  bool unscaled;         /* source pixels map one to one, from src on: the
                            planes below are empty */
  uint32_t src_x, src_y;
  DcnnInputPlane luma, chroma;
  size_t bytes;          /* of memory taken */
} DcnnInputTables;

/* False: out of memory. To be cleared either way. */
bool dcnn_input_tables_init (DcnnInputTables *tables,
    const DcnnInputGeometry *geometry, uint32_t frame_width,
    uint32_t frame_height, DcnnPixelFormat format);
void dcnn_input_tables_clear (DcnnInputTables *tables);

#endif
