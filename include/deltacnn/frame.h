/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * frame.h - a picture of a video, as it is given to a session: its format,
 * where its planes are, and how its colours are coded.
 *
 * For: whoever feeds frames. What becomes of one is session.h's matter.
 * Plain data: nothing here allocates, owns or fails. Thread-safe.
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
  void *reserved[4];      /* 0; what is added later comes out of it */
} DcnnFrame;

/* Makes part a part of frame, as a frame of its own: nothing is copied, its
 * planes are borrowed as frame's are. left, top, width, height: in pixels;
 * clamped to what the frame has, and at least one pixel; left and top of NV12
 * and I420 go down to even ones. The origin that came of it is returned in
 * *left and *top: results on the part are in its own pixels, so add it.
 * For nets that want a crop (a hand, a face, a line of text): one session with
 * a stream for each region, which is fed its part of every frame. */
static inline void
dcnn_frame_crop (const DcnnFrame *frame, int32_t *left, int32_t *top,
    uint32_t width, uint32_t height, DcnnFrame *part)
{
#define DCNN_X(e, n, planes, bytes) bytes,
  static const uint8_t pixel_bytes[DCNN_FORMAT_COUNT] = {
    DCNN_PIXEL_FORMATS (DCNN_X)
  };
#undef DCNN_X
  bool halved = frame->format == DCNN_FORMAT_NV12 ||
      frame->format == DCNN_FORMAT_I420;
  int64_t right = (int64_t) *left + width, bottom = (int64_t) *top + height;
  int64_t x = *left < 0 ? 0 : *left, y = *top < 0 ? 0 : *top;

  right = right > frame->width ? (int64_t) frame->width : right;
  bottom = bottom > frame->height ? (int64_t) frame->height : bottom;
  x = x >= frame->width ? (int64_t) frame->width - 1 : x;
  y = y >= frame->height ? (int64_t) frame->height - 1 : y;
  x -= halved ? x & 1 : 0;
  y -= halved ? y & 1 : 0;
  *part = *frame;
  part->width = (uint32_t) (right > x ? right - x : 1);
  part->height = (uint32_t) (bottom > y ? bottom - y : 1);
  part->planes[0] = frame->planes[0] + y * frame->strides[0] +
      x * pixel_bytes[frame->format];
  for (int p = 1; halved && p < 3; p++)
    if (frame->planes[p])
      part->planes[p] = frame->planes[p] + y / 2 * frame->strides[p] +
          (frame->format == DCNN_FORMAT_NV12 ? x : x / 2);
  *left = (int32_t) x;
  *top = (int32_t) y;
}

typedef enum DcnnScaling {
  DCNN_SCALING_AUTO,     /* bilinear up to a factor 2 down on both axes, else
                            area: bilinear would skip pixels, and their noise
                            and aliasing would make false changes */
  DCNN_SCALING_BILINEAR, /* half-pixel centres, as OpenCV's INTER_LINEAR */
  DCNN_SCALING_AREA,     /* box average; an axis that grows: bilinear */
  DCNN_SCALING_NEAREST,  /* the pixel under the centre */
} DcnnScaling;

/* How a window takes its pixels from the scaled picture through a matrix: by
 * the 4x4 pixels around, in parts of 1/256 px. X (ENUM, name, what it is) */
#define DCNN_SAMPLINGS(X)                                                      \
  X (CUBIC, "cubic", "Catmull-Rom")                                            \
  X (CLAMPED, "clamped", "Catmull-Rom, within the four pixels around")         \
  X (LANCZOS, "lanczos", "Lanczos, two lobes")                                 \
  X (LINEAR, "linear", "Bilinear")                                             \
  X (NEAREST, "nearest", "The nearest pixel")

typedef enum DcnnSampling {
#define DCNN_X(e, n, b) DCNN_SAMPLING_##e,
  DCNN_SAMPLINGS (DCNN_X)
#undef DCNN_X
  DCNN_SAMPLING_COUNT
} DcnnSampling;

#endif
