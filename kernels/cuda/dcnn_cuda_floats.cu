/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_floats.cu - convolution on a list where maps and weights are floats:
 * strict (each product fused into its sum, in the order of k) or with operands
 * rounded to tf32 on tensor cores. For exact work, not for speed: nothing is
 * asked for early, and one block has a pixel's whole row.
 */
#include "dcnn_cuda_device.cuh"
#include "dcnn_cuda_mma.cuh"

#define THREADS 256
#define ROWS 32
#define CHANNELS 64
#define STEP 32
#define PITCH (STEP + 4)

struct Tile {
  __align__ (16) float in[ROWS * PITCH];  /* written by fours */
  __align__ (16) float weights[CHANNELS * PITCH];
  float sums[ROWS * (CHANNELS + 4)];
  DcnnCudaPixel pixel[ROWS];
  DcnnCudaChange change[ROWS];
  int verdict[ROWS];
};

/* Where tap k of an output row (column) lies; false: outside. */
__device__ __forceinline__ bool
tap_at (const DcnnCudaConv &p, int o, int k, int axis, int size, int *at)
{
  if (!p.transposed) {
    *at = o * p.stride[axis] - p.pad[axis] + k * p.dilation[axis];
    return *at >= 0 && *at < size;
  }
  int n = o + p.pad[axis] - k * p.dilation[axis];
  *at = n / p.stride[axis];
  return n >= 0 && n % p.stride[axis] == 0 && *at < size;
}

/* Four numbers of a row from step k on, which are of one tap; zeros past the
 * list, the map and the taps. */
__device__ __forceinline__ float4
input_of (const DcnnCudaConv &p, const DcnnCudaPixel &e, bool there, uint32_t k)
{
  uint32_t tap = k / (p.span8 * 8), c = k % (p.span8 * 8);
  int ky = (int) tap / p.kernel[1], kx = (int) tap % p.kernel[1], y, x;

  if (!there || ky >= p.kernel[0] ||
      !tap_at (p, (int) ((e.at >> 16) & 0x7fff), ky, 0,
          (int) p.node.in.height, &y) ||
      !tap_at (p, (int) (e.at & 0x7fff), kx, 1, (int) p.node.in.width, &x))
    return make_float4 (0, 0, 0, 0);
  return *reinterpret_cast<const float4 *> (static_cast<const float *> (
          p.node.in.data) + dcnn_cuda_at (p.node.in, dcnn_cuda_stream_of (e), y,
          x) + c);
}

/* Strict: a thread has its row's eight channels. */
__device__ __forceinline__ void
multiply_strict (const Tile &t, float *v)
{
  const float *in = t.in + threadIdx.x / 8 * PITCH;
  const float *weights = t.weights + threadIdx.x % 8 * 8 * PITCH;

  for (int k = 0; k < STEP; k++)
#pragma unroll
    for (int c = 0; c < 8; c++)
      v[c] = fmaf (in[k], weights[c * PITCH + k], v[c]);
}

/* On tensor cores: a warp has 16 rows by 16 channels, as two products. */
__device__ __forceinline__ void
multiply_tf32 (const Tile &t, float *d)
{
  uint32_t lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const float *in = t.in + (warp / 4 * 16 + lane / 4) * PITCH + lane % 4;
  const float *weights = t.weights + (warp % 4 * 16 + lane / 4) * PITCH +
      lane % 4;

#pragma unroll
  for (int k = 0; k < STEP; k += 8) {
    uint32_t a[4] = { to_tf32 (in[k]), to_tf32 (in[8 * PITCH + k]),
      to_tf32 (in[k + 4]), to_tf32 (in[8 * PITCH + k + 4]) };
#pragma unroll
    for (int j = 0; j < 2; j++) {
      uint32_t b0 = to_tf32 (weights[j * 8 * PITCH + k]);
      uint32_t b1 = to_tf32 (weights[j * 8 * PITCH + k + 4]);
      multiply_floats (d + 4 * j, a, b0, b1);
    }
  }
}

/* Sums of one chunk, to each thread those of its row's eight channels. */
template<bool TF32>
__device__ __forceinline__ void
multiply_chunk (const DcnnCudaConv &p, Tile &t, uint32_t n_rows,
    uint32_t channel0, float *v)
{
  const float *weights = static_cast<const float *> (p.weights);
  uint32_t row = threadIdx.x / 8, piece = threadIdx.x % 8 * 4;
  float d[8] = {};

  for (uint32_t k = 0; k < p.k_padded; k += STEP) {
    __syncthreads ();
    *reinterpret_cast<float4 *> (t.in + row * PITCH + piece) =
        input_of (p, t.pixel[row], row < n_rows, k + piece);
#pragma unroll
    for (uint32_t i = 0; i < CHANNELS; i += ROWS) {
      uint32_t channel = channel0 + row + i;
      *reinterpret_cast<float4 *> (t.weights + (row + i) * PITCH + piece) =
          channel < p.n_padded ? *reinterpret_cast<const float4 *> (weights +
              (size_t) channel * p.k_padded + k + piece) :
          make_float4 (0, 0, 0, 0);
    }
    __syncthreads ();
    if (TF32)
      multiply_tf32 (t, d);
    else
      multiply_strict (t, d);
  }
  if (TF32) {
    uint32_t lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    uint32_t r = warp / 4 * 16 + lane / 4, c = warp % 4 * 16 + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < 8; i++)
      t.sums[(r + (i / 2 & 1) * 8) * (CHANNELS + 4) + c + i / 4 * 8 + (i & 1)] =
          d[i];
    __syncthreads ();
  }
#pragma unroll
  for (int i = 0; i < 8; i++)
    v[i] = TF32 ? t.sums[row * (CHANNELS + 4) + threadIdx.x % 8 * 8 + i] :
        d[i];
}

/* Computes: the list's rows. Writes rows that are significant, and their bits;
 * `room` of the block, [ROWS][n_padded], where rows are judged. */
template<bool TF32>
__global__ void __launch_bounds__ (THREADS)
floats_kernel (const __grid_constant__ DcnnCudaConv p)
{
  __shared__ Tile t;
  const DcnnCudaMap &out = p.node.out;
  uint32_t row = threadIdx.x / 8, c8 = threadIdx.x % 8 * 8;
  float *room = static_cast<float *> (p.room) +
      (size_t) blockIdx.x * ROWS * p.n_padded;

  dcnn_cuda_wait ();
  uint32_t count = *p.node.count;
  for (uint32_t first = blockIdx.x * ROWS; first < count;
      first += gridDim.x * ROWS) {
    uint32_t n_rows = min ((uint32_t) ROWS, count - first);
    DcnnCudaChange change = { 0, 0, 0 };
    __syncthreads ();
    if (threadIdx.x < n_rows)
      t.pixel[threadIdx.x] = p.node.list[first + threadIdx.x];
    __syncthreads ();
    DcnnCudaPixel e = row < n_rows ? t.pixel[row] : DcnnCudaPixel { 0, 0 };
    uint32_t s = dcnn_cuda_stream_of (e), y = (e.at >> 16) & 0x7fff;
    uint32_t x = e.at & 0x7fff;
    uint64_t at = dcnn_cuda_at (out, s, y, x);
    DcnnCudaJudge judge = p.node.judge[s * p.node.judge_stride];
    for (uint32_t channel0 = 0; channel0 < out.span; channel0 += CHANNELS) {
      uint32_t c = channel0 + c8;
      float v[8], old[8];
      multiply_chunk<TF32> (p, t, n_rows, channel0, v);
      if (row >= n_rows || c >= out.span)
        continue;
      for (int k = 0; k < 8; k++)
        v[k] += p.bias[c + k];
      dcnn_cuda_steps<__half> (p.node, s, y, x, c, v, p.node.n_steps, uint4 {});
      dcnn_cuda_round<__half> (out, v);
      if (p.node.passes) {
        dcnn_cuda_store<__half> (out, at + c, v);
        continue;
      }
      dcnn_cuda_load<__half> (out, at + c, old);
      dcnn_cuda_compare (change, judge, v, old, p.node.weight +
          s * p.node.weight_stride + c, min (8, out.span - c));
      for (int k = 0; k < 8; k++)
        room[row * p.n_padded + c + k] = v[k];
    }
    if (p.node.passes)
      continue;
#pragma unroll
    for (uint32_t k = 1; k < 8; k *= 2)
      dcnn_cuda_change_across (change, k, judge.kind);
    int verdict = dcnn_cuda_verdict (change, judge, e.stream);
    if (row < n_rows && c8 == 0)
      dcnn_cuda_note (p.node, e, verdict, p.node.streams[s].record);
    if (row < n_rows && verdict >= DCNN_CUDA_JOINED)
      for (uint32_t c = c8; c < out.span; c += CHANNELS)
        dcnn_cuda_store<__half> (out, at + c, room + row * p.n_padded + c);
  }
}

size_t
dcnn_cuda_floats_shape (DcnnCudaConv *p, uint64_t expected,
    const DcnnCudaDevice *device)
{
  uint64_t tiles = max ((uint64_t) 1, (expected + ROWS - 1) / ROWS);

  p->node.blocks = (uint32_t) min (tiles, (uint64_t) 4 *
      device->multiprocessors);
  return p->node.passes ? 0 : (size_t) p->node.blocks * ROWS * p->n_padded *
      sizeof (float);
}

cudaError_t
dcnn_cuda_floats (const DcnnCudaConv *conv, bool tf32, DcnnCudaQueue queue)
{
  void *arguments[] = { const_cast<DcnnCudaConv *> (conv) };

  return dcnn_cuda_launch (tf32 ? (const void *) floats_kernel<true> :
      (const void *) floats_kernel<false>, dim3 (conv->node.blocks), THREADS,
      0, 1, arguments, queue);
}
