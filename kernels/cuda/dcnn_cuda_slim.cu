/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_slim.cu - 1x1 convolutions from few channels to many, on longer lists
 * (compute capability 9.0), of nodes that pass everything on.
 *
 * Up to 64 channels are one step of k: such a node is a copy with a little arithmetic,
 * and what decides is how many rows are on their way at one time. So nothing meets and
 * nothing waits for a neighbour: a warp takes 32 entries of the list, loads its
 * operands from the map as products want them, and stores sums from registers, eight
 * channels a lane, 32 at a time. Weights lie in shared memory in the order in which
 * lanes read them. Where there are many channels, blocks share them out.
 *
 * A sum is that of dcnn_cuda_conv.cu: the same products in the same order, but for
 * those of channels that are not there, which add zeros.
 */
#include "dcnn_cuda_long.cuh"

#define WARPS 4
#define ROWS 32              /* of a warp at one time */
#define MOST_CHUNKS 5        /* of 32 channels, of a block, in one part */
#define CHUNKS 4             /* ... in one of several */

struct Slim {
  DcnnCudaConv conv;
  uint32_t chunks, parts;    /* of a block; blocks that share out the channels */
};

/* Of a pixel: vectors from the map's beginning. */
__device__ __forceinline__ int
input_of (const DcnnCudaConv &p, const DcnnCudaPixel &e)
{
  int64_t base;

  (void) corner_of (p, e, &base);
  return (int) (base / 8);
}

/* The block's weights, for each group of eight channels and 16 of k what each lane
 * multiplies by; then the bias. */
template<int K16>
__device__ __forceinline__ void
fill_weights (const Slim &d, uint32_t first, uint2 *weights, float *bias)
{
  const DcnnCudaConv &p = d.conv;

  for (uint32_t i = threadIdx.x; i < d.chunks * 4 * K16 * 32; i += WARPS * 32) {
    uint32_t lane = i % 32, k = i / 32 % K16, n = first + i / 32 / K16 * 8 + lane / 4;
    const uint16_t *from = static_cast<const uint16_t *> (p.weights) +
        (uint64_t) n * p.k_padded + k * 16 + lane % 4 * 2;
    weights[i] = make_uint2 (*reinterpret_cast<const uint32_t *> (from),
        *reinterpret_cast<const uint32_t *> (from + 8));
  }
  for (uint32_t i = threadIdx.x; i < d.chunks * 32; i += WARPS * 32)
    bias[i] = p.bias[first + i];
}

/* What a lane multiplies of its four rows, eight from each other; channels that are not
 * there are zeros, whatever lies behind a pixel. */
template<int K16>
__device__ __forceinline__ void
load_rows (const DcnnCudaConv &p, const DcnnCudaPixel (&e)[4],
    uint32_t (&a)[2][K16][4])
{
  const uint4 *data = static_cast<const uint4 *> (p.node.in.data);
  uint32_t own = threadIdx.x & 3;

#pragma unroll
  for (int i = 0; i < 4; i++) {
    const uint32_t *row = reinterpret_cast<const uint32_t *> (data +
        input_of (p, e[i])) + own;
#pragma unroll
    for (int k = 0; k < 2 * K16; k++)
      a[i / 2][k / 2][k % 2 * 2 + i % 2] = (uint32_t) k < p.span8 ? row[k * 4] : 0;
  }
}

/* A chunk's 32 channels of the warp's rows. */
template<typename T, int K16>
__device__ __forceinline__ void
multiply_chunk (const uint2 *weights, const uint32_t (&a)[2][K16][4],
    float (&sums)[2][4][4])
{
#pragma unroll
  for (int g = 0; g < 4; g++)
#pragma unroll
    for (int k = 0; k < K16; k++) {
      uint2 b = weights[(g * K16 + k) * 32 + (threadIdx.x & 31)];
#pragma unroll
      for (int m = 0; m < 2; m++)
        multiply<T> (sums[m][g], a[m][k], b.x, b.y);
    }
}

/* Bias, plain steps and stores of a chunk; c: the lane's eight channels, whose bias is
 * at `bias`; to: its rows, vectors from the map's beginning. */
template<typename T>
__device__ __forceinline__ void
store_chunk (const DcnnCudaNode &node, uint32_t c, const float *bias,
    const int (&to)[4], const float (&sums)[2][4][4])
{
  uint4 *data = static_cast<uint4 *> (node.out.data);
  float own[8];

  dcnn_cuda_load_floats (bias, own);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    float pairs[4][2], v[8];
#pragma unroll
    for (int k = 0; k < 8; k++)
      pairs[k / 2][k % 2] = sums[i / 2][k / 2][i % 2 * 2 + k % 2];
    dcnn_cuda_exchange (pairs);
#pragma unroll
    for (int k = 0; k < 8; k++)
      v[k] = dcnn_cuda_clip (pairs[k / 2][k % 2] + own[k], node.least, node.most);
    if (c < node.out.span)
      data[to[i] + c / 8] = dcnn_cuda_pack<T> (v);
  }
}

template<typename T, int K16>
__global__ void __launch_bounds__ (WARPS * 32, 5)
slim_kernel (const __grid_constant__ Slim d)
{
  DCNN_CUDA_DYNAMIC (memory, 16);
  const DcnnCudaConv &p = d.conv;
  uint2 *weights = reinterpret_cast<uint2 *> (memory);
  float *bias = reinterpret_cast<float *> (weights + d.chunks * 4 * K16 * 32);
  uint32_t lane = threadIdx.x & 31;
  uint32_t first = blockIdx.x % d.parts * d.chunks * 32;

  fill_weights<K16> (d, first, weights, bias);
  __syncthreads ();
  dcnn_cuda_wait ();
  uint32_t count = *p.node.count;
  for (uint32_t row = (blockIdx.x / d.parts * WARPS + threadIdx.x / 32) * ROWS;
      row < count; row += gridDim.x / d.parts * WARPS * ROWS) {
    uint32_t a[2][K16][4];
    DcnnCudaPixel e[4];
    int to[4];
    /* past the end the last one again, which stores the same */
#pragma unroll
    for (int i = 0; i < 4; i++)
      e[i] = p.node.list[min (row + lane / 4 + i * 8, count - 1)];
    load_rows<K16> (p, e, a);
#pragma unroll
    for (int i = 0; i < 4; i++)
      to[i] = vectors_to (p.node.out, e[i]);
#pragma unroll 1
    for (uint32_t chunk = 0; chunk < d.chunks; chunk++) {
      float sums[2][4][4] = {};
      multiply_chunk<T, K16> (weights + chunk * 4 * K16 * 32, a, sums);
      store_chunk<T> (p.node, first + chunk * 32 + lane % 4 * 8,
          bias + chunk * 32 + lane % 4 * 8, to, sums);
    }
  }
}

/* ---- launching ---------------------------------------------------------------------- */

bool
dcnn_cuda_slim_accepts (const DcnnCudaConv *p)
{
  const DcnnCudaMap *in = &p->node.in, *out = &p->node.out;

  /* all that is read is within the map */
  return p->node.passes && p->norm == NULL && p->kernel[0] == 1 &&
      p->kernel[1] == 1 &&
      (out->height - 1) * (uint32_t) p->stride[0] < in->height &&
      (out->width - 1) * (uint32_t) p->stride[1] < in->width &&
      p->pad[0] == 0 && p->pad[1] == 0 && p->span8 <= 8 && p->splits <= 1 &&
      !(p->node.plain & DCNN_CUDA_PLAIN_ADD);
}

template<typename T, int K16>
static cudaError_t
launch (const Slim *d, uint64_t most, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  void *arguments[] = { const_cast<Slim *> (d) };
  uint64_t tiles = (most + WARPS * ROWS - 1) / (WARPS * ROWS);
  uint64_t blocks = 5 * device->multiprocessors / d->parts;

  return dcnn_cuda_launch ((const void *) slim_kernel<T, K16>,
      dim3 ((uint32_t) min (tiles, max (blocks, (uint64_t) 1)) * d->parts),
      WARPS * 32, d->chunks * 32 * (K16 * 32 + 4), 1, arguments, queue);
}

template<typename T>
static cudaError_t
launch_as (const Slim *d, uint64_t most, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  switch ((d->conv.span8 + 1) / 2) {
    case 1:
      return launch<T, 1> (d, most, device, queue);
    case 2:
      return launch<T, 2> (d, most, device, queue);
    case 3:
      return launch<T, 3> (d, most, device, queue);
    default:
      return launch<T, 4> (d, most, device, queue);
  }
}

cudaError_t
dcnn_cuda_slim (const DcnnCudaConv *conv, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue)
{
  uint64_t most = (uint64_t) conv->node.masks.words * 64 * n_streams;
  Slim d = { *conv, conv->n_padded / 32, 1 };

  if (d.chunks > MOST_CHUNKS) {
    uint32_t all = d.chunks;
    for (d.chunks = CHUNKS; all % d.chunks; )
      d.chunks--;
    d.parts = all / d.chunks;
  }
  return conv->node.in.bf16 ? launch_as<__nv_bfloat16> (&d, most, device,
      queue) : launch_as<__half> (&d, most, device, queue);
}
