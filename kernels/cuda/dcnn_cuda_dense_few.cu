/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_dense_few.cu - convolution of whole maps whose pixels have few
 * channels, such as pictures: for frames that are dense in every stream, as
 * dcnn_cuda_dense.cu, which wants more channels.
 *
 * A block has all weights of its channels in shared memory, and takes one tile of
 * 16 by 16 pixels after the other: what these read lies there once, and rows of the
 * implicit matrix are loaded from where the window would find them (ldmatrix
 * takes any eight rows). A warp has two rows of the tile. Two blocks share a
 * multiprocessor, so that one loads while the other multiplies. The order of k is
 * that of dcnn_cuda_conv.cu, so its bits are the same.
 */
#include "dcnn_cuda_device.cuh"
#include "dcnn_cuda_mma.cuh"

#define THREADS 256
#define TILE 16 /* pixels a side */

struct Few {
  DcnnCudaConv conv;
  uint32_t tiles_y, tiles_x, chunks, n_streams;
  uint32_t patch_h, patch_w; /* pixels that a tile reads */
  uint32_t taps;             /* of eight channels each */
  uint32_t steps;            /* of two taps */
  uint32_t row;              /* bytes from a channel's weights to the next one's:
                                an odd number of 16, so that eight channels'
                                lie in all banks */
};

/* Where things are in shared memory. */
struct FewRoom {
  uint32_t offsets, zeros, patch, stage, bytes;
};

__host__ __device__ __forceinline__ FewRoom
few_room (const Few &d, uint32_t channels)
{
  FewRoom r;

  r.offsets = channels * d.row;
  r.zeros = (r.offsets + d.steps * 2 * 4 + 15) / 16 * 16;
  r.patch = r.zeros + 16;
  r.stage = (r.patch + d.patch_h * d.patch_w * d.conv.span8 * 16 + 127) / 128 *
      128;
  r.bytes = r.stage + TILE * TILE * channels * 2;
  return r;
}

/* What is of the graph: weights, where taps are, zeros. */
template<int BN>
__device__ __forceinline__ void
load_constants (const Few &d, const FewRoom &room, uint32_t chunk, char *memory)
{
  const DcnnCudaConv &p = d.conv;
  uint32_t shared = shared_address (memory), pieces = d.steps * 2;

  for (uint32_t i = threadIdx.x; i < BN * pieces; i += THREADS) {
    uint32_t channel = chunk * BN + i / pieces, piece = i % pieces;
    copy_async (shared + i / pieces * d.row + piece * 16,
        static_cast<const uint4 *> (p.weights) + ((uint64_t) channel *
            p.k_padded / 8 + piece), channel < p.n_padded);
  }
  for (uint32_t i = threadIdx.x; i < pieces; i += THREADS) {
    uint32_t tap = i / p.span8, ky = tap / (uint32_t) p.kernel[1];
    uint32_t kx = tap % (uint32_t) p.kernel[1];
    reinterpret_cast<uint32_t *> (memory + room.offsets)[i] = i >= d.taps ?
        UINT32_MAX : ((ky * (uint32_t) p.dilation[0] * d.patch_w + kx *
                (uint32_t) p.dilation[1]) * p.span8 + i % p.span8) * 16;
  }
  if (threadIdx.x == 0)
    *reinterpret_cast<uint4 *> (memory + room.zeros) = uint4 { 0, 0, 0, 0 };
}

struct FewTile {
  uint32_t s, y, x;        /* first pixel */
};

template<typename T>
__device__ __forceinline__ void
load_patch (const Few &d, const FewTile &t, uint32_t to)
{
  const DcnnCudaConv &p = d.conv;
  const DcnnCudaMap &in = p.node.in;
  uint32_t width = d.patch_w * p.span8;

  for (uint32_t i = threadIdx.x; i < d.patch_h * width; i += THREADS) {
    int y = (int) t.y * p.stride[0] - p.pad[0] + (int) (i / width);
    int x = (int) t.x * p.stride[1] - p.pad[1] + (int) (i % width / p.span8);
    bool there = y >= 0 && y < (int) in.height && x >= 0 && x < (int) in.width;
    uint64_t at = there ? dcnn_cuda_at (in, t.s, (uint32_t) y, (uint32_t) x) +
        i % p.span8 * 8 : 0;
    copy_async (to + i * 16, static_cast<const T *> (in.data) + at, there);
  }
}

/* The warp's two rows of the tile. */
template<typename T, int BN>
__device__ __forceinline__ void
multiply_rows (const Few &d, const FewRoom &room, const char *memory,
    float (&sums)[2][BN / 8][4])
{
  const DcnnCudaConv &p = d.conv;
  const uint32_t *offsets =
      reinterpret_cast<const uint32_t *> (memory + room.offsets);
  uint32_t shared = shared_address (memory), lane = threadIdx.x & 31;
  uint32_t y = threadIdx.x / 32 * 2, x = lane & 15;
  uint32_t below = (uint32_t) p.stride[0] * d.patch_w * p.span8 * 16;
  uint32_t pixel = shared + room.patch + y * below +
      x * (uint32_t) p.stride[1] * p.span8 * 16;
  uint32_t weights = shared + ((lane & 7) + (lane >> 4) * 8) * d.row +
      (lane >> 3 & 1) * 16;

#pragma unroll 2
  for (uint32_t k = 0; k < d.steps; k++) {
    uint32_t a[2][4], b[4], offset = offsets[k * 2 + (lane >> 4)];
    bool there = offset != UINT32_MAX;
#pragma unroll
    for (int m = 0; m < 2; m++)
      load_matrices (there ? pixel + m * below + offset : shared + room.zeros,
          a[m]);
#pragma unroll
    for (int n = 0; n < BN / 16; n++) {
      load_matrices (weights + n * 16 * d.row + k * 32, b);
#pragma unroll
      for (int m = 0; m < 2; m++) {
        multiply<T> (sums[m][n * 2], a[m], b[0], b[1]);
        multiply<T> (sums[m][n * 2 + 1], a[m], b[2], b[3]);
      }
    }
  }
}

/* Where eight channels of a pixel of the warp's are in its stage: pieces are
 * exchanged, so that those of eight pixels lie in all banks. */
template<int BN>
__device__ __forceinline__ uint32_t
staged_at (uint32_t pixel, uint32_t piece)
{
  return (pixel * (BN / 8) + (piece ^ (pixel & (BN / 8 - 1)))) * 16;
}

/* Bias, steps and stores of the warp's rows. */
template<typename T, int BN>
__device__ __forceinline__ void
finish_rows (const Few &d, const FewTile &t, uint32_t chunk, char *stage,
    const float (&sums)[2][BN / 8][4])
{
  const DcnnCudaConv &p = d.conv;
  const DcnnCudaMap &out = p.node.out;
  uint32_t lane = threadIdx.x & 31, first_y = t.y + threadIdx.x / 32 * 2;
  uint4 none = { 0, 0, 0, 0 };

#pragma unroll
  for (int i = 0; i < BN / 8; i++) {
    constexpr int QUADS = BN / 32;
    const int m = i / (2 * QUADS), h = i / QUADS % 2, q = i % QUADS;
    uint32_t px = (lane >> 2) + h * 8, c = q * 32 + (lane & 3) * 8;
    uint32_t y = first_y + m, x = t.x + px;
    float own[4][2], v[8], bias[8];
#pragma unroll
    for (int g = 0; g < 4; g++)
#pragma unroll
      for (int k = 0; k < 2; k++)
        own[g][k] = sums[m][q * 4 + g][h * 2 + k];
    dcnn_cuda_exchange (own);
    if (y >= out.height || x >= out.width || chunk * BN + c >= out.span)
      continue;
    dcnn_cuda_load_floats (p.bias + chunk * BN + c, bias);
#pragma unroll
    for (int k = 0; k < 8; k++)
      v[k] = own[k / 2][k % 2] + bias[k];
    dcnn_cuda_steps<T> (p.node, t.s, y, x, chunk * BN + c, v, p.node.n_steps,
        none);
    *reinterpret_cast<uint4 *> (stage + staged_at<BN> (m * 16 + px, c / 8)) =
        dcnn_cuda_pack<T> (v);
  }
  __syncwarp ();
#pragma unroll 4
  for (uint32_t i = lane; i < 2 * TILE * BN / 8; i += 32) {
    uint32_t px = i / (BN / 8), c = chunk * BN + i % (BN / 8) * 8;
    uint32_t y = first_y + px / TILE, x = t.x + px % TILE;
    if (y < out.height && x < out.width && c < out.span)
      *reinterpret_cast<uint4 *> (static_cast<T *> (out.data) +
          dcnn_cuda_at (out, t.s, y, x) + c) = *reinterpret_cast<uint4 *> (
              stage + staged_at<BN> (px, i % (BN / 8)));
  }
}

template<typename T, int BN>
__global__ void __launch_bounds__ (THREADS, 2)
few_kernel (const __grid_constant__ Few d)
{
  DCNN_CUDA_DYNAMIC (memory, 128);
  FewRoom room = few_room (d, BN);
  uint32_t chunk = blockIdx.x % d.chunks, area = d.tiles_y * d.tiles_x;

  load_constants<BN> (d, room, chunk, memory);
  dcnn_cuda_wait ();
  dcnn_cuda_join_all (d.conv.node, d.n_streams, blockIdx.x * THREADS +
      threadIdx.x, gridDim.x * THREADS);
  for (uint32_t i = blockIdx.x / d.chunks; i < area * d.n_streams;
      i += gridDim.x / d.chunks) {
    FewTile t = { i / area, i % area / d.tiles_x * TILE,
      i % area % d.tiles_x * TILE };
    float sums[2][BN / 8][4] = {};
    load_patch<T> (d, t, shared_address (memory + room.patch));
    copy_commit ();
    copy_wait<0> ();
    __syncthreads ();
    multiply_rows<T, BN> (d, room, memory, sums);
    __syncthreads ();
    finish_rows<T, BN> (d, t, chunk, memory + room.stage + threadIdx.x / 32 *
        (2 * TILE * BN * 2), sums);
  }
}

/* ---- launching ---------------------------------------------------------------------- */

static Few
few_of (const DcnnCudaConv *p, uint32_t n_streams)
{
  const DcnnCudaMap *out = &p->node.out;
  Few d = { *p, (out->height + TILE - 1) / TILE, (out->width + TILE - 1) /
    TILE, 0, n_streams };
  uint32_t reach[2];

  for (int a = 0; a < 2; a++)
    reach[a] = (uint32_t) ((TILE - 1) * p->stride[a] + (p->kernel[a] - 1) *
        p->dilation[a] + 1);
  d.patch_h = reach[0];
  d.patch_w = reach[1];
  d.taps = (uint32_t) (p->kernel[0] * p->kernel[1]) * p->span8;
  d.steps = (d.taps + 1) / 2;
  d.row = (d.steps * 2 | 1) * 16;
  return d;
}

static uint32_t
channels_of (const DcnnCudaConv *p)
{
  return p->n_padded == 32 ? 32 : 64;
}

bool
dcnn_cuda_few_accepts (const DcnnCudaConv *p, const DcnnCudaDevice *device)
{
  const DcnnCudaMap *in = &p->node.in, *out = &p->node.out;

  return device->whole_maps && !p->transposed && !in->f32 && !out->f32 &&
      p->norm == NULL && p->splits <= 1 && p->weights && p->stride[0] <= 8 && p->stride[1] <= 8 &&
      p->kernel[0] * p->kernel[1] <= 1024 && p->dilation[0] <= 64 &&
      p->dilation[1] <= 64 && few_room (few_of (p, 1), channels_of (p)).bytes *
      2 + 2048 <= device->shared_bytes;
}

template<typename T, int BN>
static cudaError_t
launch (Few *d, const DcnnCudaDevice *device, DcnnCudaQueue queue)
{
  void *arguments[] = { d };
  uint32_t tiles = d->tiles_y * d->tiles_x * d->n_streams;

  d->chunks = (d->conv.n_padded + BN - 1) / BN;
  return dcnn_cuda_launch ((const void *) few_kernel<T, BN>,
      dim3 (min (tiles, max (2 * device->multiprocessors / d->chunks, 1u)) *
          d->chunks), THREADS, few_room (*d, BN).bytes, 1, arguments, queue);
}

cudaError_t
dcnn_cuda_few (const DcnnCudaConv *conv, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue)
{
  Few d = few_of (conv, n_streams);
  bool narrow = channels_of (conv) == 32;

  if (conv->node.in.bf16)
    return narrow ? launch<__nv_bfloat16, 32> (&d, device, queue) :
        launch<__nv_bfloat16, 64> (&d, device, queue);
  return narrow ? launch<__half, 32> (&d, device, queue) :
      launch<__half, 64> (&d, device, queue);
}
