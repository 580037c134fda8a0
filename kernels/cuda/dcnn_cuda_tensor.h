/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_tensor.h - what the tensor copy engine is told of maps, for it and
 * for its emulation.
 */
#ifndef DCNN_CUDA_TENSOR_H
#define DCNN_CUDA_TENSOR_H

#include <stdint.h>

/* A matrix of elements of two bytes: `rows` rows of `columns`, `pitch` elements from row to row.
 * A copy takes box_rows rows of box_columns, which is 32 or 64; what lies
 * outside comes as zeros. */
struct DcnnMatrix {
  const void *data;
  uint64_t rows, columns, pitch;
  uint32_t box_rows, box_columns;
};

/* Maps of such elements, as a window that walks over them sees them: a copy takes
 * box_columns channels of box_rows pixels, each the one that the window's tap
 * reads, row by row and map by map from a given one on; zeros outside. */
struct DcnnWalkedMaps {
  const void *data;
  uint32_t maps, height, width, channels;
  uint64_t pitch;          /* elements from pixel to pixel */
  int32_t kernel[2], stride[2], dilation[2], pad[2], pad_end[2];
  uint32_t box_rows, box_columns;
};

/* Maps of such elements of which a copy takes box_columns channels of a square of 8 by
 * 8 pixels, or of every stride-th one of a larger square; zeros outside. */
struct DcnnSquareMaps {
  const void *data;
  uint32_t maps, height, width, channels;
  uint64_t pitch, map;     /* elements from pixel to pixel, from map to map */
  int32_t stride[2];
  uint32_t box_columns;
};

#endif
