/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_input.cu - the input stage: see dcnn_cuda_stage.h. A warp an 8x8
 * block, two pixels a lane: its mask word is two ballots.
 */
#include "dcnn_cuda_device.cuh"
#include "dcnn_cuda_stage.h"

#define WARPS 8

/* A pixel of a warp's block: half 0 has rows 0 .. 3 of it. */
struct StagePixel {
  uint32_t y, x;
  bool inside;
  uint64_t at; /* in packed RGB */
};

static __device__ __forceinline__ StagePixel
stage_pixel (const DcnnCudaStage &s, uint32_t block, int half)
{
  uint32_t p = threadIdx.x % 32 + 32 * half;
  uint32_t blocks_x = (s.stage.width + 7) / 8;
  StagePixel pixel;

  pixel.y = block / blocks_x * 8 + p / 8;
  pixel.x = block % blocks_x * 8 + p % 8;
  pixel.inside = pixel.y < s.stage.height && pixel.x < s.stage.width;
  pixel.at = ((uint64_t) pixel.y * s.stage.width + pixel.x) * 3;
  return pixel;
}

/* Whether it counts as changed, whose difference passes the limit by that. */
static __device__ __forceinline__ bool
stage_changed (const DcnnCudaStage &s, const StagePixel &p, int by, int limit)
{
  return by > limit || s.all || (int) p.y < s.seen[0] ||
      (int) p.y >= s.seen[1] || (int) p.x < s.seen[2] ||
      (int) p.x >= s.seen[3];
}

/* The warp's words of changed and differs, from two ballots each. */
static __device__ void
stage_mark (const DcnnCudaStage &s, uint32_t block, const uint32_t *word,
    const uint32_t *other, int limit)
{
  uint32_t lane = threadIdx.x % 32, blocks_x = (s.stage.width + 7) / 8;
  uint32_t y0 = block / blocks_x * 8, x0 = block % blocks_x * 8;
  uint64_t changed = word[0] | (uint64_t) word[1] << 32;

  if (s.cells && !s.all && changed) {
    bool drop = false;
    __syncwarp (); /* the warp's pixels of the picture */
    if (lane < 4)
      drop = !dcnn_stage_cell_moved (s.picture, s.reference, s.stage.width,
          s.stage.height, y0 + lane / 2 * 4, x0 + lane % 2 * 4, limit);
    uint32_t drops = __ballot_sync (0xffffffffu, drop);
    for (uint32_t cell = 0; cell < 4; cell++)
      if (drops >> cell & 1)
        changed &= ~(UINT64_C (0x0f0f0f0f) << (8 * (cell / 2 * 4) +
                cell % 2 * 4));
  }
  if (lane == 0) {
    s.changed[block] = changed;
    s.differs[block] = other[0] | (uint64_t) other[1] << 32;
  }
}

/* Whether a pixel of the source has changed since the shadow took it; then it
 * takes it anew. Only rows that it keeps. */
static __device__ bool
stage_shadow (const DcnnCudaStage &s, const StagePixel &p, int limit,
    const uint8_t *rgb)
{
  uint8_t *to = s.shadow + ((uint64_t) (p.y / DCNN_LOOK_SHADOW_ROWS) *
      s.stage.width + p.x) * 3;

  if (s.shadow_valid && dcnn_stage_most (rgb, to) <= limit)
    return false;
  dcnn_look_copy (to, rgb);
  return true;
}

/* Computes: the block's picture, compared with the reference. Reads the
 * frame's planes, tables, limits, reference. Writes picture, one word of
 * changed and of differs. Cost: taps_y * taps_x loads a plane and pixel. */
static __global__ void __launch_bounds__ (32 * WARPS)
stage_convert (const DcnnCudaStage *stages, uint32_t blocks)
{
  const DcnnCudaStage &s = stages[blockIdx.y];
  uint32_t block = blockIdx.x * WARPS + threadIdx.x / 32;
  uint32_t word[2], other[2];

  if (block >= blocks || s.looks)
    return;
  int limit = s.limits[block];
  for (int half = 0; half < 2; half++) {
    StagePixel p = stage_pixel (s, block, half);
    bool changed = false;
    int most = 0;
    if (p.inside) {
      uint8_t rgb[3];
      dcnn_stage_pixel (&s.stage, p.y, p.x, rgb);
      dcnn_look_copy (s.picture + p.at, rgb);
      most = dcnn_stage_most (rgb, s.reference + p.at);
      changed = stage_changed (s, p, most, limit);
    }
    word[half] = __ballot_sync (0xffffffffu, changed);
    other[half] = __ballot_sync (0xffffffffu, most > 0);
  }
  stage_mark (s, block, word, other, limit);
}

/* Computes: the block's picture before the matrix, and what of it the shadow
 * had otherwise. Reads the frame's planes, tables, limits. Writes source,
 * shadow, counts. Cost: as stage_convert. */
static __global__ void __launch_bounds__ (32 * WARPS)
stage_source (const DcnnCudaStage *stages, uint32_t blocks)
{
  const DcnnCudaStage &s = stages[blockIdx.y];
  uint32_t block = blockIdx.x * WARPS + threadIdx.x / 32;
  uint32_t count = 0;

  if (block >= blocks || !s.looks)
    return;
  for (int half = 0; half < 2; half++) {
    StagePixel p = stage_pixel (s, block, half);
    bool changed = false;
    if (p.inside) {
      uint8_t rgb[3];
      dcnn_stage_pixel (&s.stage, p.y, p.x, rgb);
      dcnn_look_copy (s.source + p.at, rgb);
      if (s.shadow && p.y % DCNN_LOOK_SHADOW_ROWS == 0)
        changed = stage_shadow (s, p, s.shadow_limits[block], rgb);
    }
    count += __popc (__ballot_sync (0xffffffffu, changed));
  }
  if (threadIdx.x % 32 == 0 && count)
    atomicAdd (s.counts, count);
}

/* Computes: the block's picture through the matrix, compared with the
 * reference. Reads source, weights, limits, reference. Writes picture, one word
 * of changed and of differs, counts. Cost: 16 loads a channel, and 9 where
 * changes are forgiven. */
static __global__ void __launch_bounds__ (32 * WARPS)
stage_sample (const DcnnCudaStage *stages, uint32_t blocks)
{
  const DcnnCudaStage &s = stages[blockIdx.y];
  uint32_t block = blockIdx.x * WARPS + threadIdx.x / 32;
  uint32_t word[2], other[2];

  if (block >= blocks || !s.looks)
    return;
  int limit = s.limits[block];
  for (int half = 0; half < 2; half++) {
    StagePixel p = stage_pixel (s, block, half);
    bool changed = false, differs = false;
    if (p.inside) {
      uint8_t rgb[3];
      dcnn_look_pixel (&s.look, s.source, s.reference + p.at, p.y, p.x, rgb);
      dcnn_look_copy (s.picture + p.at, rgb);
      differs = dcnn_stage_most (rgb, s.reference + p.at) > 0;
      changed = stage_changed (s, p, dcnn_look_passes (&s.look, rgb,
              s.reference, p.y, p.x), limit);
    }
    word[half] = __ballot_sync (0xffffffffu, changed);
    other[half] = __ballot_sync (0xffffffffu, differs);
  }
  if (threadIdx.x % 32 == 0 && (word[0] | word[1]))
    atomicAdd (s.counts + 1, (uint32_t) (__popc (word[0]) + __popc (word[1])));
  stage_mark (s, block, word, other, limit);
}

/* Computes: reference and input map of the pixels set in either mask. Reads
 * picture and masks. Writes these pixels, all of the map's vector: positions
 * past the channels are 0. */
static __global__ void __launch_bounds__ (32 * WARPS)
stage_store (const DcnnCudaStage *stages, uint32_t blocks)
{
  const DcnnCudaStage &s = stages[blockIdx.y];
  uint32_t block = blockIdx.x * WARPS + threadIdx.x / 32;
  uint32_t lane = threadIdx.x % 32, width = s.stage.width;
  uint32_t blocks_x = (width + 7) / 8;

  if (block >= blocks)
    return;
  uint64_t word = s.updated[block] | s.exact[block];
  for (int half = 0; half < 2; half++) {
    uint32_t p = lane + 32 * half, y = block / blocks_x * 8 + p / 8;
    uint32_t x = block % blocks_x * 8 + p % 8;
    if (!(word >> p & 1))
      continue;
    uint64_t pixel = (uint64_t) y * width + x;
    uint8_t rgb[3];
    for (int c = 0; c < 3; c++)
      rgb[c] = s.reference[pixel * 3 + c] = s.picture[pixel * 3 + c];
    for (uint32_t c = 0; c < s.map.span; c++) {
      float v = 0;
      if (c < (s.gray ? 1 : 3))
        v = __fadd_rn (__fmul_rn ((float) dcnn_stage_channel (rgb, c, s.bgr,
                    s.gray), s.scale[c]), s.bias[c]);
      dcnn_cuda_set_element (s.map, pixel * s.map.pixel + c, v);
    }
  }
}

cudaError_t
dcnn_cuda_stage_convert_frames (const DcnnCudaStage *stages, uint32_t n,
    uint32_t blocks, cudaStream_t queue)
{
  void *arguments[] = { &stages, &blocks };

  return dcnn_cuda_launch ((const void *) stage_convert,
      dim3 ((blocks + WARPS - 1) / WARPS, n), 32 * WARPS, 0, 1, arguments,
      DcnnCudaQueue { queue, NULL, false });
}

cudaError_t
dcnn_cuda_stage_sample_frames (const DcnnCudaStage *stages, uint32_t n,
    uint32_t blocks, cudaStream_t queue)
{
  void *arguments[] = { &stages, &blocks };
  dim3 grid ((blocks + WARPS - 1) / WARPS, n);
  cudaError_t e = dcnn_cuda_launch ((const void *) stage_source, grid,
      32 * WARPS, 0, 1, arguments, DcnnCudaQueue { queue, NULL, false });

  return e == cudaSuccess ? dcnn_cuda_launch ((const void *) stage_sample,
      grid, 32 * WARPS, 0, 1, arguments, DcnnCudaQueue { queue, NULL, false }) : e;
}

cudaError_t
dcnn_cuda_stage_store_frames (const DcnnCudaStage *stages, uint32_t n,
    uint32_t blocks, cudaStream_t queue)
{
  void *arguments[] = { &stages, &blocks };

  return dcnn_cuda_launch ((const void *) stage_store,
      dim3 ((blocks + WARPS - 1) / WARPS, n), 32 * WARPS, 0, 1, arguments,
      DcnnCudaQueue { queue, NULL, false });
}
