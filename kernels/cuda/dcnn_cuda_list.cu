/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_list.cu - candidates and their list, a warp a word of the mask;
 * and counting what became of them.
 */
#include "dcnn_cuda_device.cuh"

#define WARPS 8

__device__ __forceinline__ bool
bit_at (const uint64_t *words, uint32_t blocks_x, uint32_t y, uint32_t x)
{
  return words[(y >> 3) * blocks_x + (x >> 3)] >> ((y & 7) * 8 + (x & 7)) & 1;
}

/* Rows (columns) of the source that one out row reads: tap k. */
__device__ __forceinline__ bool
source_tap (const DcnnCudaSource &q, int axis, int o, int k, int size, int *at)
{
  if (q.reach == DCNN_CUDA_REACH_TABLE) {
    uint32_t i = axis ? q.index_x[o * q.taps_x + k] : q.index_y[o * q.taps_y + k];
    *at = (int) i;
    return i != UINT32_MAX;
  }
  if (q.reach == DCNN_CUDA_REACH_WINDOW) {
    *at = o * q.stride[axis] - q.pad[axis] + k * q.dilation[axis];
    return *at >= 0 && *at < size;
  }
  int n = o + q.pad[axis] - k * q.dilation[axis];
  *at = n / q.stride[axis];
  return n >= 0 && n % q.stride[axis] == 0 && *at < size;
}

/* Is any source word that the block's windows may touch set? Looked at by the
 * whole warp. */
__device__ bool
near_any (const DcnnCudaSource &q, const uint64_t *words, int y0, int y1,
    int x0, int x1, uint32_t lane)
{
  int lo[2] = { 0, 0 }, hi[2] = { (int) q.height - 1, (int) q.width - 1 };
  if (q.reach == DCNN_CUDA_REACH_WINDOW) {
    int first[2] = { y0, x0 }, last[2] = { y1, x1 };
    for (int a = 0; a < 2; a++) {
      lo[a] = max (lo[a], first[a] * q.stride[a] - q.pad[a]);
      hi[a] = min (hi[a], last[a] * q.stride[a] - q.pad[a] +
          (q.kernel[a] - 1) * q.dilation[a]);
    }
  }
  if (lo[0] > hi[0] || lo[1] > hi[1])
    return false;
  uint32_t by0 = lo[0] >> 3, bx0 = lo[1] >> 3;
  uint32_t nx = (hi[1] >> 3) - bx0 + 1, n = ((hi[0] >> 3) - by0 + 1) * nx;
  bool any = false;
  for (uint32_t i = lane; i < n; i += 32)
    any |= words[(by0 + i / nx) * q.blocks_x + bx0 + i % nx] != 0;
  return __any_sync (0xffffffff, any);
}

__device__ bool
reaches (const DcnnCudaSource &q, const uint64_t *words, int y, int x)
{
  int ny = q.reach == DCNN_CUDA_REACH_TABLE ? (int) q.taps_y : q.kernel[0];
  int nx = q.reach == DCNN_CUDA_REACH_TABLE ? (int) q.taps_x : q.kernel[1];
  for (int ky = 0; ky < ny; ky++) {
    int sy, sx;
    if (!source_tap (q, 0, y, ky, (int) q.height, &sy))
      continue;
    for (int kx = 0; kx < nx; kx++)
      if (source_tap (q, 1, x, kx, (int) q.width, &sx) &&
          bit_at (words, q.blocks_x, (uint32_t) sy, (uint32_t) sx))
        return true;
  }
  return false;
}

/* What changes in the masks `words` of all sources reach of one block. */
__device__ uint64_t
candidates (const DcnnCudaList &p, bool exact, uint32_t s, uint32_t w,
    uint64_t inside, uint32_t lane)
{
  uint32_t by = w / p.masks.blocks_x, bx = w % p.masks.blocks_x;
  uint64_t all = 0;
  for (uint32_t i = 0; i < p.n_sources; i++) {
    const DcnnCudaSource &q = p.sources[i];
    const uint64_t *words = (exact ? q.exact : q.updated) +
        (uint64_t) s * q.words;
    if (q.reach == DCNN_CUDA_REACH_SAME) {
      all |= words[w];
      continue;
    }
    if (!near_any (q, words, (int) by * 8, (int) by * 8 + 7, (int) bx * 8,
            (int) bx * 8 + 7, lane))
      continue;
    if (q.reach == DCNN_CUDA_REACH_ALL)
      return inside;
    for (int half = 0; half < 2; half++) {
      uint32_t bit = half * 32 + lane;
      uint32_t y = by * 8 + bit / 8, x = bx * 8 + bit % 8;
      bool hit = y < p.height && x < p.width &&
          reaches (q, words, (int) y, (int) x);
      all |= (uint64_t) __ballot_sync (0xffffffff, hit) << (half * 32);
    }
  }
  return all & inside;
}

/* Pixels of the block whose turn it is to be settled. */
__device__ uint64_t
turn_of (const DcnnCudaStream &f, uint32_t height, uint32_t by, uint32_t w)
{
  if (f.settling == 0)
    return 0;
  if (f.settling == 2)
    return w % f.turns == f.turn ? ~0ull : 0;
  int from = (int) (f.band_from * height), to = (int) (f.band_to * height);
  uint64_t rows = 0;
  for (int r = 0; r < 8; r++) {
    int y = (int) by * 8 + r;
    if ((y >= from && y < to) || y + (int) height < to)
      rows |= 0xffull << (8 * r);
  }
  return rows;
}

__global__ void __launch_bounds__ (WARPS * 32)
list_kernel (const __grid_constant__ DcnnCudaList p)
{
  uint32_t lane = threadIdx.x & 31, s = blockIdx.y;
  uint32_t step = gridDim.x * WARPS;

  dcnn_cuda_wait ();
  const DcnnCudaStream f = p.streams[s];
  for (uint32_t w = blockIdx.x * WARPS + threadIdx.x / 32; w < p.masks.words;
      w += step) {
    uint32_t by = w / p.masks.blocks_x, bx = w % p.masks.blocks_x;
    uint64_t at = (uint64_t) s * p.masks.words + w;
    uint32_t rows = min (8u, p.height - by * 8);
    uint32_t columns = min (8u, p.width - bx * 8);
    uint64_t inside = (rows == 8 ? ~0ull : (1ull << (8 * rows)) - 1) &
        0x0101010101010101ull * ((1u << columns) - 1);
    uint64_t change = f.dense ? inside : candidates (p, false, s, w, inside,
        lane);
    uint64_t pending = p.masks.pending[at], turn = 0;
    if (f.settling)
      pending |= candidates (p, true, s, w, inside, lane);
    turn = pending & turn_of (f, p.height, by, w);
    __syncwarp ();
    if (lane == 0) {
      p.masks.updated[at] = 0;
      p.masks.exact[at] = 0;
      p.masks.pending[at] = pending & ~(change | turn);
    }
    uint64_t all = change | turn;
    if (all == 0)
      continue;
    uint32_t first = 0;
    if (lane == 0) {
      first = atomicAdd (p.count, __popcll (all));
      atomicAdd (p.candidates + s, __popcll (all));
    }
    first = __shfl_sync (0xffffffff, first, 0);
    for (int half = 0; half < 2; half++) {
      uint32_t bit = half * 32 + lane;
      if (!(all >> bit & 1))
        continue;
      DcnnCudaPixel e;
      e.at = (by * 8 + bit / 8) << 16 | (bx * 8 + bit % 8);
      e.stream = s | (f.dense ? DCNN_CUDA_FORCE : 0) |
          (change >> bit & 1 ? DCNN_CUDA_CHANGE : 0) |
          (turn >> bit & 1 ? DCNN_CUDA_EXACT : 0);
      p.list[first + __popcll (all & ((1ull << bit) - 1))] = e;
    }
  }
  dcnn_cuda_let_next ();
}

__global__ void
count_kernel (const DcnnCudaCounted *nodes, uint32_t n_nodes,
    uint32_t n_streams, uint32_t *joined, uint32_t *pending)
{
  uint32_t i = blockIdx.x, s = blockIdx.y, n = 0;
  bool any = false;

  dcnn_cuda_wait ();
  const DcnnCudaCounted node = nodes[i];
  for (uint32_t w = threadIdx.x; w < node.words; w += blockDim.x) {
    n += __popcll (node.updated[(uint64_t) s * node.words + w]);
    any |= node.pending && node.pending[(uint64_t) s * node.words + w];
  }
  if (n)
    atomicAdd (joined + i * n_streams + s, n);
  if (any)
    pending[s] = 1;
  dcnn_cuda_let_next ();
}

/* ---- launching ---------------------------------------------------------------------- */

cudaError_t
dcnn_cuda_launch (const void *kernel, dim3 grid, uint32_t threads,
    size_t shared, void **arguments, cudaStream_t stream)
{
  cudaLaunchAttribute attribute;
  cudaLaunchConfig_t config = {};
  int device, major = 0;
  cudaError_t e;

  if ((e = cudaGetDevice (&device)) != cudaSuccess ||
      (e = cudaDeviceGetAttribute (&major,
              cudaDevAttrComputeCapabilityMajor, device)) != cudaSuccess)
    return e;
  config.gridDim = grid;
  config.blockDim = dim3 (threads);
  config.dynamicSmemBytes = shared;
  config.stream = stream;
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &attribute;
  config.numAttrs = major >= 9;
  return cudaLaunchKernelExC (&config, kernel, arguments);
}

cudaError_t
dcnn_cuda_list (const DcnnCudaList *list, cudaStream_t stream)
{
  void *arguments[] = { const_cast<DcnnCudaList *> (list) };
  uint32_t blocks = (list->masks.words + WARPS - 1) / WARPS;

  return dcnn_cuda_launch ((const void *) list_kernel,
      dim3 (min (blocks, 512u), list->n_streams), WARPS * 32, 0, arguments,
      stream);
}

cudaError_t
dcnn_cuda_count (const DcnnCudaCounted *nodes, uint32_t n_nodes,
    uint32_t n_streams, uint32_t *joined, uint32_t *pending,
    cudaStream_t stream)
{
  void *arguments[] = { &nodes, &n_nodes, &n_streams, &joined, &pending };

  return dcnn_cuda_launch ((const void *) count_kernel,
      dim3 (n_nodes, n_streams), 128, 0, arguments, stream);
}
