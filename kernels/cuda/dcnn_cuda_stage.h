/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_stage.h - the input stage on the device: pictures of several
 * streams at once. The arithmetic is dcnn_stage_math.h's, so pictures, masks
 * and references have the bytes of the cpu's stage.
 *
 * Between converting (and sampling) and storing the host looks at the masks:
 * dilation, cuts and settling are its matter. Launch functions return the
 * launch's cudaError_t.
 */
#ifndef DCNN_CUDA_STAGE_H
#define DCNN_CUDA_STAGE_H

#include "dcnn_cuda.h"
#include "dcnn_look_math.h"
#include "dcnn_stage_math.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One stream's frame; all pointers are device memory. */
typedef struct DcnnCudaStage {
  DcnnStage stage;
  uint8_t *picture, *reference;  /* packed RGB, width * 3 bytes a row */
  /* looks: picture is sampled from source, by look; else the rest of this is
   * not read. */
  uint32_t looks;
  DcnnLook look;
  uint8_t *source;               /* as picture */
  uint8_t *shadow;               /* every fourth row of what a window that never
                                    moves would have stored; NULL: not asked for */
  const uint8_t *shadow_limits;  /* as limits */
  uint32_t shadow_valid;         /* it is compared with; else filled */
  uint32_t *counts;              /* [2], added to: pixels of the shadow, and of
                                    the window, that changed (unrefined) */
  const uint8_t *limits;         /* [blocks]: the largest difference that is
                                    no change */
  uint64_t *changed, *differs;   /* [blocks], written by convert */
  uint32_t all;                  /* every pixel counts as changed */
  uint32_t cells;                /* noise suppression: drop still cells */
  int32_t seen[4];               /* rows and columns [from, to) that were in view
                                    before; the rest counts as changed */
  /* store: what is set in either goes into the reference and the map */
  const uint64_t *updated, *exact;
  DcnnCudaMap map;               /* data: of this stream */
  uint32_t bgr, gray;
  float scale[3], bias[3];
} DcnnCudaStage;

/* Picture, changed and differs of n streams of blocks 8x8 blocks each, but for
 * those that look through a matrix. stages: device, [n]. */
cudaError_t dcnn_cuda_stage_convert_frames (const DcnnCudaStage *stages, uint32_t n,
    uint32_t blocks, cudaStream_t queue);
/* Source and shadow, picture, changed and differs of those that do. */
cudaError_t dcnn_cuda_stage_sample_frames (const DcnnCudaStage *stages, uint32_t n,
    uint32_t blocks, cudaStream_t queue);
/* Reference and input map, where updated or exact say. */
cudaError_t dcnn_cuda_stage_store_frames (const DcnnCudaStage *stages, uint32_t n,
    uint32_t blocks, cudaStream_t queue);

#ifdef __cplusplus
}
#endif

#endif
