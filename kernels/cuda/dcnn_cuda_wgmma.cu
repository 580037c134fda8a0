/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_wgmma.cu - convolution on long lists by warp groups (compute
 * capability 9.0): 128 rows by 128 or 64 channels a block, two groups of 64
 * rows. Rows are gathered by each thread's 16-byte copies, weights come as whole
 * tiles by bulk copies; both lie as the groups' products read them.
 *
 * The ranks of a cluster share a pixel's channels and judge it together, one
 * chunk each; where all of a tile's rows are stored nothing is compared. Sums
 * of the node's parts of k are added in turn, as dcnn_cuda_conv.cu does. Halves
 * alone.
 */
#include "dcnn_cuda_conv.cuh"
#include "dcnn_cuda_wgmma.cuh"

/* Bytes of all stages; with the rows and results two blocks a multiprocessor. */
#define POOL (96 * 1024)

template<int BN>
struct Shape {
  static constexpr uint32_t A = WIDE * BK * 2, B = BN * BK * 2;
  static constexpr int STAGES = POOL / (A + B);
  static constexpr uint32_t SUMS = WIDE * (BN + 4) * 4;
  static constexpr uint32_t RESULTS = WIDE * (BN + 8) * 2;
  static constexpr uint32_t BYTES =
      POOL > SUMS + RESULTS ? POOL : SUMS + RESULTS;
};

#if !defined (__CUDA_ARCH__) || defined (__CUDA_ARCH_FEAT_SM90_ALL)

/* A block's way through its tiles: copies of all of them are counted, so that
 * each slot's barrier knows its phase. */
struct Ahead {
  uint32_t step;           /* of k, of the tile at hand */
  uint32_t slot;           /* that is filled next */
  Walk w;
};

template<int BN>
__device__ __forceinline__ void
load_stage (const DcnnCudaConv &p, const Rows &rows,
    const Places<WIDE> &places, uint32_t n_rows, uint32_t chunk, Ahead &to,
    uint32_t shared, uint32_t full)
{
  using S = Shape<BN>;
  uint32_t n_k = p.k_padded / BK;

  if (to.step < n_k) {
    uint32_t weights = shared + to.slot * S::B, barrier = full + to.slot * 8;
    if (threadIdx.x == 0) {
      barrier_expect (barrier, S::B);
      for (uint32_t i = 0; i < BN / 64; i++)
        copy_bulk (weights + i * DCNN_TILE_HALVES * 2,
            static_cast<const uint16_t *> (p.tiles) + ((size_t) (chunk *
                    (BN / 64) + i) * n_k + to.step) * DCNN_TILE_HALVES,
            DCNN_TILE_HALVES * 2, barrier);
    }
    load_inputs<WIDE> (p, rows, places, n_rows, tap_of (p, to.w),
        shared + S::STAGES * S::B + to.slot * S::A);
    walk (to.w, p, 8);
    to.slot = to.slot + 1 == S::STAGES ? 0 : to.slot + 1;
    to.step++;
  }
  copy_commit ();
}

/* The sums of one tile to shared memory, [WIDE][BN + 4]. slot, parity: of the
 * first stage; of the next tile's afterwards. */
template<int BN, bool PARTS>
__device__ __forceinline__ void
multiply_tile (const DcnnCudaConv &p, const Rows &rows, uint32_t n_rows,
    uint32_t chunk, char *memory, uint32_t full, uint32_t &slot,
    uint32_t &parity)
{
  using S = Shape<BN>;
  constexpr int N = BN / 2;
  uint32_t shared = shared_address (memory), n_k = p.k_padded / BK;
  uint32_t group = threadIdx.x >> 7, thread = threadIdx.x & 127;
  uint32_t part = 1, border = n_k / p.parts;
  float *sums = reinterpret_cast<float *> (memory);
  float d[N] = {}, whole[PARTS ? N : 1] = {};
  Ahead to = { 0, slot, walk_from (p, threadIdx.x & 7) };
  Places<WIDE> places;

  take_places<WIDE> (p, rows, n_rows, places);
  for (int i = 0; i < S::STAGES - 1; i++)
    load_stage<BN> (p, rows, places, n_rows, chunk, to, shared, full);
  for (uint32_t k = 0; k < n_k; k++) {
    uint32_t b = shared + slot * S::B;
    uint32_t a = shared + S::STAGES * S::B + slot * S::A + group * S::A / 2;
    copy_wait<S::STAGES - 2> ();
    group_wait (d);
    fence_bulk ();
    barrier_wait (full + slot * 8, parity);
    __syncthreads ();
    if (PARTS && k == border) {
#pragma unroll
      for (int i = 0; i < N; i++) {
        whole[PARTS ? i : 0] = part == 1 ? d[i] : whole[PARTS ? i : 0] + d[i];
        d[i] = 0;
      }
      border = ++part == p.parts ? n_k : n_k * part / p.parts;
    }
    group_begin ();
#pragma unroll
    for (uint32_t k16 = 0; k16 < BK / 16; k16++)
      group_multiply<__half> (d, dcnn_wgmma_descriptor (a, k16),
          dcnn_wgmma_descriptor (b, k16));
    group_commit ();
    load_stage<BN> (p, rows, places, n_rows, chunk, to, shared, full);
    if (++slot == S::STAGES)
      slot = 0, parity ^= 1;
  }
  group_wait (d);
  copy_wait<0> ();
  __syncthreads ();
#pragma unroll
  for (int i = 0; i < N; i += 2) {
    float x = PARTS && p.parts > 1 ? whole[PARTS ? i : 0] + d[i] : d[i];
    float y = PARTS && p.parts > 1 ? whole[PARTS ? i + 1 : 0] + d[i + 1] :
        d[i + 1];
    *reinterpret_cast<float2 *> (sums + (group * 64 +
            dcnn_wgmma_row (thread, i)) * (BN + 4) +
        dcnn_wgmma_column (thread, i)) = make_float2 (x, y);
  }
  __syncthreads ();
}

/* From the sums to the map, four rows a thread at a time. */
template<int BN>
__device__ __forceinline__ void
finish_tile (const DcnnCudaConv &p, Rows &rows, const Part &part,
    uint32_t n_rows, char *memory)
{
  using S = Shape<BN>;
  constexpr uint32_t PASSES = WIDE * BN / 8 / THREADS;
  const float *sums = reinterpret_cast<const float *> (memory);
  uint16_t *results = reinterpret_cast<uint16_t *> (memory + S::SUMS);
  uint32_t step = dcnn_cuda_early_step (p.node), channel0 = part.chunk0 * BN;
  float bias[8];

  dcnn_cuda_load_floats (p.bias + channel0 + threadIdx.x % (BN / 8) * 8, bias);
  for (uint32_t first = 0; first < PASSES; first += 4) {
    Early early[4];
#pragma unroll
    for (uint32_t i = 0; i < 4; i++)
      early[i] = ask_early<WIDE, BN> (p, rows, part, n_rows, first + i,
          channel0, step);
#pragma unroll
    for (uint32_t i = 0; i < 4; i++)
      finish_row<__half, WIDE, BN> (p, rows, part, n_rows, first + i, 0, sums, results,
          bias, step, early[i]);
  }
  if (!part.direct)
    judge_rows<WIDE, BN> (p, rows, part, n_rows, results);
  else if (!p.node.passes)
    note_rows<WIDE> (p, rows, part, n_rows);
  fence_bulk (); /* the next tile's copies go where sums were */
}

template<int BN, bool PARTS>
__device__ __forceinline__ void
run_list (const DcnnCudaConv &p)
{
  DCNN_CUDA_DYNAMIC (memory, 1024);
  __shared__ Rows rows;
  __shared__ __align__ (8) uint64_t barriers[Shape<BN>::STAGES];
  uint32_t chunks = (p.n_padded + BN - 1) / BN, chunk = blockIdx.x % chunks;
  uint32_t full = shared_address (barriers), slot = 0, parity = 0;
  Part part = { p.node.passes ? 0 : chunk, 0, chunk, chunks, 1, 1, 0,
    p.k_padded / BK, BN + 8, false, false };

  if (threadIdx.x < Shape<BN>::STAGES)
    barrier_init (full + threadIdx.x * 8, 1);
  fence_bulk ();
  dcnn_cuda_wait ();
  uint32_t count = *p.node.count;
  if (count <= p.long_from)
    return;
  for (uint32_t tile = blockIdx.x / chunks; tile * WIDE < count;
      tile += gridDim.x / chunks) {
    uint32_t first = tile * WIDE;
    uint32_t n_rows = min ((uint32_t) WIDE, count - first);
    __syncthreads ();
    if (threadIdx.x < WIDE)
      take_row (p, rows, threadIdx.x, threadIdx.x < n_rows ?
          p.node.list[first + threadIdx.x] : DcnnCudaPixel { 0, 0 });
    part.direct = p.node.passes || all_join (p, first, first + n_rows);
    __syncthreads ();
    multiply_tile<BN, PARTS> (p, rows, n_rows, chunk, memory, full, slot,
        parity);
    finish_tile<BN> (p, rows, part, n_rows, memory);
  }
}

#endif

template<int BN, bool PARTS>
__global__ void __launch_bounds__ (THREADS, PARTS ? 1 : 2)
wgmma_kernel (const __grid_constant__ DcnnCudaConv p)
{
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  run_list<BN, PARTS> (p);
#else
  dcnn_cuda_wait ();
#endif
}

/* ---- launching ---------------------------------------------------------------------- */

static uint32_t
block_channels (const DcnnCudaConv *p)
{
  return (p->n_padded + 63) / 64 % 2 ? 64 : 128;
}

bool
dcnn_cuda_wgmma_shape (DcnnCudaConv *p, const DcnnCudaDevice *device)
{
  uint32_t channels = block_channels (p);
  uint32_t chunks = (p->n_padded + channels - 1) / channels;

  p->long_from = UINT32_MAX;
  if (!device->warp_groups || p->tiles == NULL || p->node.in.bf16 || (!p->node.passes &&
          chunks > 8))
    return false;
  /* half of the multiprocessors have a tile */
  p->long_from = device->multiprocessors / 2 / chunks * WIDE;
  return true;
}

template<int BN, bool PARTS>
static cudaError_t
launch (DcnnCudaConv *p, uint32_t multiprocessors, DcnnCudaQueue queue)
{
  void *arguments[] = { p };
  uint32_t chunks = (p->n_padded + BN - 1) / BN;
  uint32_t fit = max (1u, (PARTS ? 1 : 2) * multiprocessors / chunks);

  static_assert (Shape<BN>::STAGES >= 3, "stages");
  static_assert (Shape<BN>::SUMS <= POOL, "sums lie where the stages do");
  p->ranks = p->node.passes ? 1 : chunks;
  return dcnn_cuda_launch ((const void *) wgmma_kernel<BN, PARTS>,
      dim3 (fit * chunks), THREADS, Shape<BN>::BYTES, p->ranks, arguments,
      queue);
}

cudaError_t
dcnn_cuda_wgmma (const DcnnCudaConv *conv, DcnnCudaQueue queue)
{
  DcnnCudaConv p = *conv;
  int device = 0, n = 0;
  cudaError_t e = cudaGetDevice (&device);

  if (e == cudaSuccess)
    e = cudaDeviceGetAttribute (&n, cudaDevAttrMultiProcessorCount, device);
  if (e != cudaSuccess)
    return e;
  p.parts = p.splits;
  p.splits = p.groups = 1;
  p.room = NULL;
  if (block_channels (conv) == 64)
    return p.parts > 1 ? launch<64, true> (&p, (uint32_t) n, queue) :
        launch<64, false> (&p, (uint32_t) n, queue);
  return p.parts > 1 ? launch<128, true> (&p, (uint32_t) n, queue) :
      launch<128, false> (&p, (uint32_t) n, queue);
}
