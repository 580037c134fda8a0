/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * frame.h - a picture of a video, as it is given to a session: its format,
 * where its planes are, and how its colours are coded.
 *
 * For: whoever feeds frames. What becomes of one is session.h's matter.
 * Plain data: nothing here allocates, owns or fails.
 */
#ifndef DCNN_FRAME_H
#define DCNN_FRAME_H

#include <stdbool.h>
#include <stdint.h>

/* X(ENUM, "caps name", planes, bytes a pixel in plane 0) */
#define DCNN_PIXEL_FORMATS(X)                                                  \
  X (NV12, "NV12", 2, 1)                                                       \
  X (I420, "I420", 3, 1)                                                       \
  X (RGB, "RGB", 1, 3)                                                         \
  X (BGR, "BGR", 1, 3)                                                         \
  X (RGBX, "RGBx", 1, 4)                                                       \
  X (BGRX, "BGRx", 1, 4)                                                       \
  X (RGBA, "RGBA", 1, 4)                                                       \
  X (BGRA, "BGRA", 1, 4)                                                       \
  X (GRAY8, "GRAY8", 1, 1)

typedef enum DcnnPixelFormat {
#define DCNN_X(e, n, p, b) DCNN_FORMAT_##e,
  DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  DCNN_FORMAT_COUNT
} DcnnPixelFormat;

/* Where a frame's planes are. */
typedef enum DcnnMemory {
  DCNN_MEMORY_HOST,
  DCNN_MEMORY_CUDA, /* device pointers of `context`, ready once `stream` is */
  DCNN_MEMORY_COUNT
} DcnnMemory;

/* A frame, by default in system memory. Borrowed during the call. Chroma of odd
 * sizes is (size + 1) / 2. */
typedef struct DcnnFrame {
  DcnnPixelFormat format;
  uint32_t width, height; /* pixels, 1 .. 32767 */
  const uint8_t *planes[3];
  int32_t strides[3];     /* bytes; may be negative */
  float kr, kb;           /* YUV matrix: 0.299, 0.114 (BT.601), 0.2126, 0.0722
                             (BT.709), 0.2627, 0.0593 (BT.2020) */
  bool full_range;        /* 0..255; else 16..235 / 16..240 */
  float pixel_aspect;     /* a pixel's width over its height; 0: 1. For fits
                             that keep the aspect ratio */
  DcnnMemory memory;
  void *context, *stream; /* CUDA: CUcontext, CUstream; borrowed */
} DcnnFrame;

typedef enum DcnnScaling {
  DCNN_SCALING_AUTO,     /* bilinear up to a factor 2 down on both axes, else
                            area: bilinear would skip pixels, and their noise
                            and aliasing would make false changes */
  DCNN_SCALING_BILINEAR, /* half-pixel centres, as OpenCV's INTER_LINEAR */
  DCNN_SCALING_AREA,     /* box average; an axis that grows: bilinear */
  DCNN_SCALING_NEAREST,  /* the pixel under the centre */
} DcnnScaling;

#endif
