/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_tile.cuh - a tile of a convolution by a block of 256 threads: copies
 * in stages, products on tensor cores, and what follows from the sums.
 */
#ifndef DCNN_CUDA_TILE_CUH
#define DCNN_CUDA_TILE_CUH

#include "dcnn_cuda_conv.cuh"

/* Bytes of all stages: two blocks a multiprocessor where it has 228 KiB, one
 * where a block may have 99 KiB. */
#define LARGE_POOL (84 * 1024)
#define SMALL_POOL (48 * 1024) /* with the rest within 64 KiB (7.5) */

/* Stages of 64 steps of k each: all that fit. */
template<int BM, int BN, int POOL>
static constexpr int STAGES_OF = POOL / ((BM + BN) * BK * 2);
/* Blocks of a multiprocessor. */
#define RESIDENT(SHORT) (SHORT ? 3 : 2)

/* ---- products ---------------------------------------------------------------------- */

/* The tile of a warp: WM rows by WN channels of BM by BN. */
template<int BM, int BN>
struct Tile {
  static constexpr int WARPS_M = BM == NARROW ? 2 : 4, WARPS_N = 8 / WARPS_M;
  static constexpr int WM = BM / WARPS_M, WN = BN / WARPS_N;
  static constexpr int MI = WM / 16, NJ = WN / 8;
};

/* Operands of one step of 16 along k. */
template<int BM, int BN>
struct Operands {
  uint32_t a[Tile<BM, BN>::MI][4], b[Tile<BM, BN>::NJ][2];
};

template<int BM, int BN>
__device__ __forceinline__ void
load_operands (uint32_t a, uint32_t b, int kk, Operands<BM, BN> &f)
{
  using W = Tile<BM, BN>;
  uint32_t lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  uint32_t wm = warp / W::WARPS_N * W::WM, wn = warp % W::WARPS_N * W::WN;

#pragma unroll
  for (int i = 0; i < W::MI; i++)
    load_matrices (a + dcnn_piece_at (wm + i * 16 + (lane & 15),
            kk * 2 + (lane >> 4)), f.a[i]);
  if constexpr (W::NJ == 1) {
    load_two_matrices (b + dcnn_piece_at (wn + (lane & 7),
            kk * 2 + ((lane >> 3) & 1)), f.b[0]);
  } else {
#pragma unroll
    for (int j = 0; j < W::NJ / 2; j++)
      load_matrices (b + dcnn_piece_at (wn + j * 16 + (lane & 7) +
              ((lane >> 4) << 3), kk * 2 + ((lane >> 3) & 1)), f.b[2 * j]);
  }
}

template<typename T, int BM, int BN>
__device__ __forceinline__ void
multiply_operands (const Operands<BM, BN> &f,
    float (&d)[Tile<BM, BN>::MI][Tile<BM, BN>::NJ][4])
{
#pragma unroll
  for (int i = 0; i < Tile<BM, BN>::MI; i++)
#pragma unroll
    for (int j = 0; j < Tile<BM, BN>::NJ; j++)
      multiply<T> (d[i][j], f.a[i], f.b[j][0], f.b[j][1]);
}

/* A step of BK: operands[0] is there, each next pair loads while one is
 * multiplied. */
template<typename T, int BM, int BN>
__device__ __forceinline__ void
multiply_step (uint32_t a, uint32_t b, Operands<BM, BN> (&operands)[2],
    float (&d)[Tile<BM, BN>::MI][Tile<BM, BN>::NJ][4])
{
#pragma unroll
  for (int kk = 0; kk < BK / 16; kk++) {
    if (kk + 1 < BK / 16)
      load_operands<BM, BN> (a, b, kk + 1, operands[(kk + 1) & 1]);
    multiply_operands<T, BM, BN> (operands[kk & 1], d);
  }
}

/* The sums of a chunk to shared memory, [BM][BN + 4]. */
template<int BM, int BN>
__device__ __forceinline__ void
put_sums (float *sums, float (&d)[Tile<BM, BN>::MI][Tile<BM, BN>::NJ][4])
{
  using W = Tile<BM, BN>;
  uint32_t lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  uint32_t wm = warp / W::WARPS_N * W::WM, wn = warp % W::WARPS_N * W::WN;

#pragma unroll
  for (int i = 0; i < W::MI; i++)
#pragma unroll
    for (int j = 0; j < W::NJ; j++) {
      uint32_t row = wm + i * 16 + (lane >> 2), c = wn + j * 8 + (lane & 3) * 2;
      *reinterpret_cast<float2 *> (sums + row * (BN + 4) + c) =
          make_float2 (d[i][j][0], d[i][j][1]);
      *reinterpret_cast<float2 *> (sums + (row + 8) * (BN + 4) + c) =
          make_float2 (d[i][j][2], d[i][j][3]);
      d[i][j][0] = d[i][j][1] = d[i][j][2] = d[i][j][3] = 0;
    }
}

/* sum = (first ? 0 : sum) + d, and d starts anew. */
template<int BM, int BN>
__device__ __forceinline__ void
take_sums (float (&sum)[Tile<BM, BN>::MI][Tile<BM, BN>::NJ][4],
    float (&d)[Tile<BM, BN>::MI][Tile<BM, BN>::NJ][4], bool first)
{
#pragma unroll
  for (int i = 0; i < Tile<BM, BN>::MI; i++)
#pragma unroll
    for (int j = 0; j < Tile<BM, BN>::NJ; j++)
#pragma unroll
      for (int k = 0; k < 4; k++) {
        sum[i][j][k] = first ? d[i][j][k] : sum[i][j][k] + d[i][j][k];
        d[i][j][k] = 0;
      }
}

/* ---- the kernel ---------------------------------------------------------------------- */

/* The copies of the first `total` stages, whose taps are known, one after the other
 * without a look at anything. k, chunk: of the first; of the next one then. */
template<int BM, int BN, int STAGES>
__device__ __forceinline__ void
load_first (const DcnnCudaConv &p, const Rows &rows, const Places<BM> &places,
    const Part &part, uint32_t total, bool with_weights, uint32_t weights,
    uint32_t inputs, uint32_t &k, uint32_t &chunk)
{
  const Tap *taps = rows.taps + (threadIdx.x & 7);
  Tap tap = taps[0];

  /* not unrolled: instructions that run once take as long to come as their work */
#pragma unroll 1
  for (uint32_t i = 0; i < total; i++) {
    uint32_t next = k + 1 == part.n_k ? 0 : k + 1;
    Tap ahead = taps[next * 8];
    if (with_weights)
      load_weights<BN> (p, (part.chunk0 + chunk * part.chunk_step) * BN,
          part.k0 + k, weights);
    load_forward<BM> (p, places, tap, inputs);
    copy_commit ();
    weights += BN * BK * 2;
    inputs += BM * BK * 2;
    tap = ahead;
    chunk += next == 0;
    k = next;
  }
#pragma unroll 1
  for (uint32_t i = total; i < STAGES - 1; i++)
    copy_commit ();
}

/* What the thread has copied of step k, whose inputs are at `inputs`, once it is there. */
template<typename T, int BM, int STAGES>
__device__ __forceinline__ void
normalise_own (const DcnnCudaConv &p, char *shared, uint32_t k, uint32_t inputs)
{
  Norm norm = norm_at (p, taken_norm (p, shared), k * BK + (threadIdx.x & 7) * 8);

  copy_wait<STAGES - 2> ();
  normalise_rows_of<T, BM> (p, norm, shared + inputs);
}

/* From a chunk's sums to the map, or to `results`. early: of the first pass. */
template<typename T, int BM, int BN>
__device__ __forceinline__ void
finish_chunk (const DcnnCudaConv &p, Rows &rows, const Part &part,
    uint32_t n_rows, uint32_t chunk,
    float (&d)[Tile<BM, BN>::MI][Tile<BM, BN>::NJ][4], float *sums,
    uint16_t *results, const float *bias, uint32_t step, Early early)
{
  constexpr uint32_t PASSES = BM * BN / 8 > THREADS ? BM * BN / 8 / THREADS : 1;
  uint32_t channel0 = (part.chunk0 + chunk * part.chunk_step) * BN;

  put_sums<BM, BN> (sums, d);
  if (part.sharing > 1)
    cluster_sync ();
  else
    __syncthreads ();
  /* one pass ahead: what more would need of registers is not there */
#pragma unroll 1
  for (uint32_t i = 0; i < PASSES; i++) {
    Early next = early;
    if (i + 1 < PASSES)
      next = ask_early<BM, BN> (p, rows, part, n_rows, i + 1, channel0, step);
    finish_row<T, BM, BN> (p, rows, part, n_rows, i, chunk, sums, results, bias,
        step, early);
    early = next;
  }
}

/* One tile: n_rows (up to BM) rows, which `rows` has, by the block's chunks.
 * early_weights: the first STAGES - 1 stages' weights are on the way. stored: the
 * thread knows of no row that might not be stored. */
template<typename T, int BM, int BN, int POOL>
__device__ void
run_tile (const DcnnCudaConv &p, Rows &rows, Part &part, uint32_t n_rows,
    const Places<BM> &places, char *shared, bool early_weights, bool stored)
{
  using W = Tile<BM, BN>;
  constexpr int STAGES = STAGES_OF<BM, BN, POOL>;
  constexpr bool ALIAS = BM == WIDE; /* sums lie where the stages do */
  constexpr uint32_t A = BM * BK * 2, B = BN * BK * 2;
  float *sums = reinterpret_cast<float *> (shared + (ALIAS ? 0 : POOL));
  uint16_t *results = p.room ? static_cast<uint16_t *> (p.room) +
      (uint64_t) blockIdx.x * NARROW * part.stride :
      reinterpret_cast<uint16_t *> (shared + POOL +
          (ALIAS ? 0 : NARROW * (BN + 4) * 4));
  uint32_t weights = shared_address (shared), inputs = weights + STAGES * B;
  uint32_t step = dcnn_cuda_early_step (p.node);
  float d[W::MI][W::NJ][4] = {};
  /* stages asked for so far, and where the copies may go on to */
  uint32_t ahead = 0, end = (ALIAS ? 1 : part.n_chunks) * part.n_k;
  uint32_t ahead_k = 0, ahead_chunk = 0, to = 0, slot = 0;

  auto load = [&] (bool with_weights) {
    if (ahead < end) {
      if (with_weights)
        load_weights<BN> (p, (part.chunk0 + ahead_chunk * part.chunk_step) *
            BN, part.k0 + ahead_k, weights + to * B);
      load_inputs<BM> (p, rows, places, n_rows, tap_at (p, rows.taps, part.k0,
              ahead_k), inputs + to * A);
      to = to + 1 == STAGES ? 0 : to + 1;
      ahead++;
      if (++ahead_k == part.n_k)
        ahead_k = 0, ahead_chunk++;
    }
    copy_commit ();
  };
  auto begin = [&] (bool with_weights) {
    to = slot = 0;
    if (p.transposed || part.n_k > TAPS) {
      for (int i = 0; i < STAGES - 1; i++)
        load (with_weights);
      return;
    }
    uint32_t n = min (end - ahead, (uint32_t) STAGES - 1);
    load_first<BM, BN, STAGES> (p, rows, places, part, n, with_weights, weights,
        inputs, ahead_k, ahead_chunk);
    ahead += n;
    to = n;
  };

  begin (!early_weights);
  part.direct = __syncthreads_and (stored);
  for (uint32_t chunk = 0; chunk < part.n_chunks; chunk++) {
    uint32_t channel0 = (part.chunk0 + chunk * part.chunk_step) * BN;
    Early early;
    float bias[8];
    dcnn_cuda_load_floats (p.bias + channel0 + threadIdx.x % (BN / 8) * 8, bias);
    if (!ALIAS)
      early = ask_early<BM, BN> (p, rows, part, n_rows, 0, channel0, step);
    float whole[W::MI][W::NJ][4];
    uint32_t next = 1, border = part.n_k / p.splits;
    for (uint32_t k = 0; k < part.n_k; k++) {
      uint32_t a = inputs + slot * A, b = weights + slot * B;
      Operands<BM, BN> operands[2];
      if (p.norm)
        normalise_own<T, BM, STAGES> (p, shared, part.k0 + k, STAGES * B + slot * A);
      slot = slot + 1 == STAGES ? 0 : slot + 1;
      copy_wait<STAGES - 2> ();
      __syncthreads ();
      load_operands<BM, BN> (a, b, 0, operands[0]);
      load (true);
      /* a wide tile goes over all of k, in the parts that splits would take */
      if (ALIAS && k == border) {
        take_sums<BM, BN> (whole, d, next == 1);
        border = ++next == p.splits ? part.n_k : part.n_k * next / p.splits;
      }
      multiply_step<T, BM, BN> (a, b, operands, d);
    }
    if (ALIAS) {
      early = ask_early<BM, BN> (p, rows, part, n_rows, 0, channel0, step);
      if (p.splits > 1) {
        take_sums<BM, BN> (whole, d, false);
        take_sums<BM, BN> (d, whole, true);
      }
      copy_wait<0> ();
      __syncthreads ();
    }
    finish_chunk<T, BM, BN> (p, rows, part, n_rows, chunk, d, sums, results, bias,
        step, early);
    if (part.sharing > 1)
      cluster_sync ();
    else if (ALIAS)
      __syncthreads ();
    if (ALIAS && chunk + 1 < part.n_chunks) {
      end += part.n_k;
      begin (true);
    }
  }
  copy_wait<0> ();
  if (!part.direct && !part.whole)
    judge_rows<BM, BN> (p, rows, part, n_rows, results);
  else if (part.direct && !p.node.passes)
    note_rows<BM> (p, rows, part, n_rows);
}

/* Asks for all weights of the block's part that are not on the way yet. */
template<int BN>
__device__ __forceinline__ void
prefetch_weights (const DcnnCudaConv &p, const Part &part, uint32_t from)
{
  const uint16_t *weights = static_cast<const uint16_t *> (p.weights);
  uint32_t n = part.n_chunks * part.n_k * BN;

  for (uint32_t i = from * BN + threadIdx.x; i < n; i += THREADS) {
    uint32_t stage = i / BN, row = i % BN;
    prefetch (weights + (uint64_t) ((part.chunk0 + stage / part.n_k *
                part.chunk_step) * BN + row) * p.k_padded +
        (part.k0 + stage % part.n_k) * BK);
  }
}

/* The block's part of the node's work: of tiles of rows, from `tile` on every
 * `tiles`-th. */
template<int BN>
__device__ __forceinline__ Part
part_of_block (const DcnnCudaConv &p, uint32_t block, uint32_t blocks,
    uint32_t &tile, uint32_t &tiles)
{
  uint32_t in_cluster = cluster_rank (), size = p.ranks * p.splits;
  uint32_t cluster = block / size, group = cluster % p.groups;
  uint32_t all_k = p.k_padded / BK, all_chunks = p.n_padded / BN;
  Part part;

  tile = cluster / p.groups;
  tiles = blocks / (size * p.groups);
  part.rank = in_cluster / p.splits;
  part.split = in_cluster % p.splits;
  part.chunk_step = p.groups * p.ranks;
  part.chunk0 = group * p.ranks + part.rank;
  part.n_chunks = (all_chunks - part.chunk0 + part.chunk_step - 1) /
      part.chunk_step;
  part.sharing = p.splits;
  part.stride = (all_chunks + part.chunk_step - 1) / part.chunk_step * BN + 8;
  part.k0 = all_k * part.split / p.splits;
  part.n_k = all_k * (part.split + 1) / p.splits - part.k0;
  part.direct = false;
  part.whole = p.ranks == 1 && part.n_chunks == 1;
  return part;
}

/* Weights of the first EARLY stages, before anything is waited for; all: the
 * others too, as far as L2. */
template<int BN, int EARLY>
__device__ __forceinline__ void
ask_weights (const DcnnCudaConv &p, const Part &part, uint32_t to, bool all)
{
  uint32_t i = 0;

  for (uint32_t chunk = 0; chunk < part.n_chunks && i < EARLY; chunk++)
    for (uint32_t k = 0; k < part.n_k && i < EARLY; k++, i++)
      load_weights<BN> (p, (part.chunk0 + chunk * part.chunk_step) * BN,
          part.k0 + k, to + i * BN * BK * 2);
  if (all)
    prefetch_weights<BN> (p, part, i);
}

/* ---- whole lists -------------------------------------------------------------------- */

/* Long lists: every block of a cluster takes rows of its own but for the
 * ranks, which share theirs. */
template<typename T, int BN, int POOL>
__device__ void
run_wide (const DcnnCudaConv &p, Rows &rows, Part part, uint32_t count,
    uint32_t cluster, uint32_t clusters, char *shared)
{
  part.sharing = 1;
  part.k0 = 0;
  part.n_k = p.k_padded / BK;
  if (p.splits > 1)
    fill_taps (p, rows.taps, 0, part.n_k);
  for (uint32_t round = cluster; round * p.splits * WIDE < count;
      round += clusters) {
    uint32_t first = (round * p.splits + part.split) * WIDE;
    uint32_t n_rows = first < count ? min ((uint32_t) WIDE, count - first) : 0;
    __syncthreads ();
    if (threadIdx.x < WIDE)
      take_row (p, rows, threadIdx.x, threadIdx.x < n_rows ?
          p.node.list[first + threadIdx.x] : DcnnCudaPixel { 0, 0 });
    /* asked of the whole cluster's rows, which must judge together */
    bool stored = p.node.passes || all_join (p, round * p.splits * WIDE,
        min (count, (round + 1) * p.splits * WIDE));
    Places<WIDE> places;
    __syncthreads ();
    take_places<WIDE> (p, rows, n_rows, places);
    run_tile<T, WIDE, BN, POOL> (p, rows, part, n_rows, places, shared, false,
        stored);
  }
}

/* All that block `block` of `blocks` has to do, the wait for what is ahead of
 * the launch included. shared: behind norm_bytes(). SHORT: p.narrow. */
template<typename T, int BN, int POOL, bool SHORT>
__device__ __forceinline__ void
run_conv (const DcnnCudaConv &p, Rows &rows, char *shared, uint32_t block,
    uint32_t blocks)
{
  uint32_t tile, tiles, row = threadIdx.x >> 3;
  Part part = part_of_block<BN> (p, block, blocks, tile, tiles);

  ask_weights<BN, STAGES_OF<NARROW, BN, POOL> - 1> (p, part,
      shared_address (shared), tile == 0);
  fill_taps (p, rows.taps, part.k0, part.n_k);
  take_norm (p, shared - norm_bytes (p));
  __syncthreads ();
  dcnn_cuda_wait ();
  /* the first entries are asked for beside their count */
  DcnnCudaPixel e = p.node.list[tile * NARROW + row];
  uint32_t count = *p.node.count;
  if (!SHORT && count > p.wide_from) {
    copy_commit ();
    copy_wait<0> ();
    run_wide<T, BN, POOL> (p, rows, part, count, tile, tiles, shared);
    return;
  }
  bool first = true;
  for (; tile * NARROW < count; tile += tiles) {
    uint32_t n_rows = min ((uint32_t) NARROW, count - tile * NARROW);
    Places<NARROW> places;
    if (!first) {
      __syncthreads ();
      e = p.node.list[tile * NARROW + row];
    }
    take_own_row (p, rows, n_rows, e, places);
    run_tile<T, NARROW, BN, POOL> (p, rows, part, n_rows, places, shared, first,
        p.node.passes || row >= n_rows || (e.stream & DCNN_CUDA_FORCE));
    first = false;
  }
  copy_wait<0> ();
}

/* ---- the host's --------------------------------------------------------------------- */

/* Chunks whose results a block holds until its rows are judged. */
static uint32_t
own_chunks (const DcnnCudaConv *p)
{
  uint32_t chunks = p->n_padded / p->channels;
  return p->node.passes ? 0 : (chunks + p->ranks - 1) / p->ranks;
}

/* Shared memory beside the pool, with results there or in a room. */
static size_t
other_bytes (const DcnnCudaConv *p, bool room)
{
  uint32_t row = room ? 0 : (own_chunks (p) * p->channels + 8) * 2;
  uint32_t narrow = NARROW * (p->channels + 4) * 4 + NARROW * row;
  uint32_t wide = p->wide_from == UINT32_MAX ? 0 : WIDE * row;

  return sizeof (Rows) + norm_bytes (*p) + (narrow > wide ? narrow : wide);
}

#endif
