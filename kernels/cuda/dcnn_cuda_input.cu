/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_input.cu - the input stage: see dcnn_cuda_stage.h. A warp an 8x8
 * block, two pixels a lane: its mask word is two ballots.
 */
#include "dcnn_cuda_device.cuh"
#include "dcnn_cuda_stage.h"

#define WARPS 8

/* Computes: the block's picture, compared with the reference. Reads the
 * frame's planes, tables, limits, reference. Writes picture, one word of
 * changed and of differs. Cost: taps_y * taps_x loads a plane and pixel. */
static __global__ void __launch_bounds__ (32 * WARPS)
stage_convert (const DcnnCudaStage *stages, uint32_t blocks)
{
  const DcnnCudaStage &s = stages[blockIdx.y];
  uint32_t block = blockIdx.x * WARPS + threadIdx.x / 32;
  uint32_t lane = threadIdx.x % 32, width = s.stage.width;
  uint32_t blocks_x = (width + 7) / 8;
  uint32_t word[2], other[2];

  if (block >= blocks)
    return;
  uint32_t y0 = block / blocks_x * 8, x0 = block % blocks_x * 8;
  int limit = s.limits[block];
  for (int half = 0; half < 2; half++) {
    uint32_t p = lane + 32 * half, y = y0 + p / 8, x = x0 + p % 8;
    bool inside = y < s.stage.height && x < width, changed = false;
    int most = 0;
    if (inside) {
      uint64_t at = ((uint64_t) y * width + x) * 3;
      uint8_t rgb[3];
      dcnn_stage_pixel (&s.stage, y, x, rgb);
      for (int c = 0; c < 3; c++)
        s.picture[at + c] = rgb[c];
      most = dcnn_stage_most (rgb, s.reference + at);
      changed = most > limit || s.all || (int) y < s.kept[0] ||
          (int) y >= s.kept[1] || (int) x < s.kept[2] || (int) x >= s.kept[3];
    }
    word[half] = __ballot_sync (0xffffffffu, changed);
    other[half] = __ballot_sync (0xffffffffu, most > 0);
  }
  uint64_t changed = word[0] | (uint64_t) word[1] << 32;
  if (s.cells && !s.all && changed) {
    bool drop = false;
    __syncwarp (); /* the warp's pixels of the picture */
    if (lane < 4)
      drop = !dcnn_stage_cell_moved (s.picture, s.reference, width,
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
      if (s.map.f32)
        ((float *) s.map.data)[pixel * s.map.pixel + c] = v;
      else
        ((__half *) s.map.data)[pixel * s.map.pixel + c] = __float2half_rn (v);
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
      DcnnCudaQueue { queue, 0 });
}

cudaError_t
dcnn_cuda_stage_store_frames (const DcnnCudaStage *stages, uint32_t n,
    uint32_t blocks, cudaStream_t queue)
{
  void *arguments[] = { &stages, &blocks };

  return dcnn_cuda_launch ((const void *) stage_store,
      dim3 ((blocks + WARPS - 1) / WARPS, n), 32 * WARPS, 0, 1, arguments,
      DcnnCudaQueue { queue, 0 });
}
