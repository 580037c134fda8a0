/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_squares.cu - convolution by squares of 8 by 8 pixels (compute capability
 * 9.0): those that hold any listed pixel, of any streams.
 *
 * An implicit GEMM, two squares by BN channels a block: one warp asks the tensor copy
 * engine for what a tap reads of each, which is one box, and for weights, and two
 * groups of four warps multiply a square each. Rows are gathered by no instruction of
 * ours, and what is computed in vain costs less than gathering does: so this is for
 * longer lists, where dcnn_cuda_conv.cu is for short ones.
 *
 * What is added to a tile comes by the engine too, and so does what the map holds,
 * where rows are judged. A warp ends its 16 rows by itself, two rows of its square,
 * and stores those that are listed and join. Order of k, and of a pixel's change, are
 * those of dcnn_cuda_conv.cu, so bits and verdicts are the same.
 */
#include "dcnn_cuda_groups.cuh"

#define ALL_THREADS (THREADS + 32) /* behind those: who copies */
/* Blocks of a multiprocessor: what registers allow. */
#define RESIDENT_TILES(BN, PARTS, HOW)                                         \
  (PARTS || HOW == MANY || (HOW == JUDGES && BN == 128) ? 1 : 2)
#define MOST_CHUNKS 4 /* of a node that judges: what a block has room for */

/* What is done with a tile: all that is listed is stored; it is judged, in one chunk;
 * or in several, whose stages lie behind the ring's and are kept until it is. */
enum How { PASSES, JUDGES, MANY };

struct Squares : GroupWork {
  CUtensorMap rows, weights, operand, old;
};

#if !defined (__CUDA_ARCH__) || defined (__CUDA_ARCH_FEAT_SM90_ALL)

/* Addresses of barriers: of each stage, full and empty; of what is added to each chunk
 * of MANY; of their being stored. */
struct Ring {
  uint32_t full, empty, added, stored;
};

template<int BN>
__device__ __forceinline__ uint32_t
chunks (const Squares &d)
{
  return (d.conv.n_padded + BN - 1) / BN;
}

/* ---- copies, by one thread ----------------------------------------------------------- */

/* A tile of a map, of the channels of a chunk. */
template<int BN, int KB>
__device__ __forceinline__ void
copy_tile (const CUtensorMap *map, const DcnnCudaConv &p,
    const DcnnCudaPixel (&at)[2], uint32_t chunk, uint32_t to, uint32_t barrier)
{
  using S = Stage<BN, KB>;
  uint32_t n = BN < 128 || chunk * BN + 64 >= p.node.out.span ? 1 : 2;

  barrier_expect (barrier, n * S::BOX_BYTES);
  for (uint32_t i = 0; i < 2 * n; i++)
    copy_square (to + i / 2 * S::BOX_BYTES + i % 2 * (S::BOX_BYTES / 2), map,
        chunk * BN + i / 2 * S::BOX, (int) (at[i % 2].at >> 16),
        (int) (at[i % 2].at & 0xffff), at[i % 2].stream, barrier);
}

/* Squares 2 * pair and the one behind it; of an odd number the last one twice. */
__device__ __forceinline__ void
take_squares (const DcnnCudaNode &node, uint32_t n, uint32_t pair,
    DcnnCudaPixel (&at)[2])
{
  const DcnnCudaSquare *a = node.squares + pair * 2;
  const DcnnCudaSquare *b = pair * 2 + 1 < n ? a + 1 : a;

  at[0] = DcnnCudaPixel { a->at, a->stream };
  at[1] = DcnnCudaPixel { b->at, b->stream };
}

/* All that a tile's chunk reads: operands, then the stage that it ends in, with what
 * is added to it, then what the map holds. */
template<int BN, int KB, How HOW>
__device__ __forceinline__ void
copy_all (const Squares &d, const DcnnCudaPixel (&at)[2], uint32_t chunk,
    uint32_t shared, const Ring &ring, Turn &t, uint32_t phase)
{
  using S = Stage<BN, KB>;
  const DcnnCudaConv &p = d.conv;
  uint32_t channel = 0;
  int ky = 0, kx = 0, y[2], x[2];

  for (int i = 0; i < 2; i++) {
    y[i] = (int) (at[i].at >> 16) * p.stride[0] - p.pad[0];
    x[i] = (int) (at[i].at & 0xffff) * p.stride[1] - p.pad[1];
  }
  for (uint32_t k = 0; k < d.steps; k++) {
    uint32_t to = shared + t.slot * S::SIZE, barrier = ring.full + t.slot * 8;
    barrier_wait (ring.empty + t.slot * 8, t.parity ^ 1);
    barrier_expect (barrier, S::A + S::B);
    for (int i = 0; i < 2; i++)
      copy_square (to + i * (S::A / 2), &d.rows, channel,
          y[i] + ky * p.dilation[0], x[i] + kx * p.dilation[1], at[i].stream,
          barrier);
    copy_box (to + S::A, &d.weights, k * KB, chunk * BN, barrier);
    channel += KB;
    if (channel >= p.span8 * 8 && k + 1 < d.steps) {
      channel = 0;
      if (++kx == p.kernel[1])
        kx = 0, ky++;
    }
    turn<S::N> (t);
  }
  if (HOW == MANY && d.adds) {
    if (chunk == 0)
      barrier_wait (ring.stored, phase ^ 1);
    copy_tile<BN, KB> (&d.operand, p, at, chunk, shared + S::BYTES +
        chunk * S::TILE, ring.added + chunk * 8);
  }
  for (int i = HOW == MANY; i < (HOW == PASSES ? 1 : 2); i++) {
    uint32_t to = shared + t.slot * S::SIZE, barrier = ring.full + t.slot * 8;
    barrier_wait (ring.empty + t.slot * 8, t.parity ^ 1);
    if (i == 1)
      copy_tile<BN, KB> (&d.old, p, at, chunk, to, barrier);
    else if (d.adds)
      copy_tile<BN, KB> (&d.operand, p, at, chunk, to, barrier);
    else
      barrier_arrive (barrier);
    turn<S::N> (t);
  }
}

/* ---- from sums to the map ------------------------------------------------------------ */

/* What a warp knows of its 16 rows, a bit each. */
struct OwnRows {
  uint32_t at, stream;     /* of the first one, which eight pixels and then those below
                              follow */
  uint32_t listed, change, exact, force;
};

/* Of square 2 * pair, or of the second group's one; past the last one: nothing. */
__device__ __forceinline__ OwnRows
own_rows (const DcnnCudaNode &node, uint32_t n, uint32_t pair)
{
  uint32_t shift = (threadIdx.x >> 5 & 3) * 16;
  uint32_t i = pair * 2 + (threadIdx.x >> 7);
  const DcnnCudaSquare *square = node.squares + i;

  if (i >= n)
    return OwnRows {};
  return OwnRows { square->at + (shift / 8 << 16), square->stream,
    (uint32_t) (square->listed >> shift) & 0xffff,
    (uint32_t) (square->change >> shift) & 0xffff,
    (uint32_t) (square->exact >> shift) & 0xffff,
    (uint32_t) (square->force >> shift) & 0xffff };
}

/* A row's change over 32 channels, of which each lane of four has eight, into all
 * of it, as the list's kernel adds them up: chunk by chunk, and within one, halves. */
__device__ __forceinline__ void
add_change (DcnnCudaChange change, int kind, uint32_t channels, uint32_t half,
    DcnnCudaChange &held, DcnnCudaChange &all)
{
#pragma unroll
  for (int k = 1; k < 4; k *= 2)
    dcnn_cuda_change_across (change, k, kind);
  if (channels == 64 && half == 0) {
    held = change;
    return;
  }
  if (channels == 64) {
    dcnn_cuda_change_add (held, change, kind);
    change = held;
  }
  dcnn_cuda_change_add (all, change, kind);
}

/* What a thread knows of its two rows, eight pixels from each other, while they are
 * judged. */
struct Judged {
  DcnnCudaJudge judge;
  DcnnCudaChange held[2], all[2];
};

/* Bias, steps and comparison of one row's 32 channels from `column` on, of which each
 * lane of four has eight afterwards; pairs: what it has of them. The rounded row to
 * `stage`, which has what is added. */
template<typename T, int BN>
__device__ __forceinline__ void
finish_part (const Squares &d, float (&pairs)[4][2], const OwnRows &own,
    uint32_t row, uint32_t lower, uint32_t chunk, uint32_t column, char *stage,
    const char *old, Judged &j, DcnnCudaChange &held, DcnnCudaChange &all)
{
  const DcnnCudaConv &p = d.conv;
  uint32_t in_warp = threadIdx.x >> 2 & 7, half = column / 32 & 1;
  uint32_t c = chunk * BN + (column += (threadIdx.x & 3) * 8);
  uint32_t place = element_at<BN> (row + lower * 8, column);
  uint4 *at = reinterpret_cast<uint4 *> (stage + place);
  DcnnCudaChange change = { 0, 0, 0 };

  dcnn_cuda_exchange (pairs);
  if ((own.listed >> (in_warp + lower * 8) & 1) && c < p.node.out.span) {
    float v[8], bias[8];
    dcnn_cuda_load_floats (p.bias + c, bias);
#pragma unroll
    for (int k = 0; k < 8; k++)
      v[k] = pairs[k / 2][k % 2] + bias[k];
    dcnn_cuda_steps<T> (p.node, own.stream, (own.at >> 16) + lower,
        (own.at & 0xffff) + in_warp, c, v, d.adds ? 0 : p.node.n_steps, *at);
    uint4 u = dcnn_cuda_pack<T> (v);
    *at = u;
    if (old) {
      float stored[8];
      dcnn_cuda_unpack<T> (u, v);
      dcnn_cuda_unpack<T> (*reinterpret_cast<const uint4 *> (old + place),
          stored);
      dcnn_cuda_compare (change, j.judge, v, stored, p.node.weight +
          own.stream * p.node.weight_stride + c, min (8, p.node.out.span - c));
    }
  }
  __syncwarp ();
  if (old)
    add_change (change, j.judge.kind, p.channels, half, held, all);
}

/* The thread's two rows; a loop, so that there is one of each instruction. */
template<typename T, int BN, int N>
__device__ __forceinline__ void
finish_rows (const Squares &d, float (&sums)[N], const OwnRows &own, uint32_t row,
    uint32_t chunk, char *stage, const char *old, Judged &j)
{
#pragma unroll 1
  for (int i = 0; i < BN / 32; i++) {
    if (chunk * BN + (uint32_t) i * 32 >= d.conv.n_padded)
      break;
#pragma unroll
    for (uint32_t lower = 0; lower < 2; lower++) {
      float pairs[4][2];
#pragma unroll
      for (int k = 0; k < 8; k++)
        pairs[k / 2][k % 2] = sums[k / 2 * 4 + lower * 2 + k % 2];
      finish_part<T, BN> (d, pairs, own, row, lower, chunk, (uint32_t) i * 32,
          stage, old, j, j.held[lower], j.all[lower]);
    }
#pragma unroll
    for (int k = 0; k + 16 < N; k++)
      sums[k] = sums[k + 16];
  }
}

/* The same where steps are plain: both rows at a time, whether they are listed or not,
 * so that one's way does not wait for the other's. */
template<typename T, int BN, int N>
__device__ __forceinline__ void
finish_plain_rows (const Squares &d, float (&sums)[N], const OwnRows &own,
    uint32_t row, uint32_t chunk, char *stage, const char *old, Judged &j)
{
  const DcnnCudaConv &p = d.conv;
  float least = p.node.least, most = p.node.most;
  uint32_t span = p.node.out.span, padded = (span + 7) / 8 * 8;

#pragma unroll 1
  for (int i = 0; i < BN / 32; i++) {
    uint32_t column = (uint32_t) i * 32 + (threadIdx.x & 3) * 8;
    uint32_t c = chunk * BN + column, n = c < span ? min (8, span - c) : 0;
    float pairs[2][4][2], bias[8], w[8] = {};
    DcnnCudaChange change[2] = {};
    if (chunk * BN + (uint32_t) i * 32 >= p.n_padded)
      break;
    dcnn_cuda_load_floats (p.bias + c, bias);
    if (j.judge.weighted)
      dcnn_cuda_load_floats (p.node.weight + own.stream * p.node.weight_stride +
          min (c, padded - 8), w);
#pragma unroll
    for (uint32_t h = 0; h < 2; h++) {
#pragma unroll
      for (int k = 0; k < 8; k++)
        pairs[h][k / 2][k % 2] = sums[k / 2 * 4 + h * 2 + k % 2];
      dcnn_cuda_exchange (pairs[h]);
    }
#pragma unroll
    for (uint32_t h = 0; h < 2; h++) {
      uint32_t place = element_at<BN> (row + h * 8, column);
      uint4 *at = reinterpret_cast<uint4 *> (stage + place);
      float v[8], e[8] = {}, stored[8];
      if (d.adds)
        dcnn_cuda_unpack<T> (*at, e);
#pragma unroll
      for (int k = 0; k < 8; k++) {
        v[k] = pairs[h][k / 2][k % 2] + bias[k];
        v[k] = d.adds ? v[k] + e[k] : v[k];
        v[k] = dcnn_cuda_clip (v[k], least, most);
      }
      uint4 u = dcnn_cuda_pack<T> (v);
      *at = u;
      dcnn_cuda_unpack<T> (u, v);
      dcnn_cuda_unpack<T> (*reinterpret_cast<const uint4 *> (old + place), stored);
      if (n > 0)
        dcnn_cuda_compare_by (change[h], j.judge, v, stored, w, n);
    }
    __syncwarp ();
#pragma unroll
    for (uint32_t h = 0; h < 2; h++)
      add_change (change[h], j.judge.kind, p.channels, (uint32_t) i & 1, j.held[h],
          j.all[h]);
#pragma unroll
    for (int k = 0; k + 16 < N; k++)
      sums[k] = sums[k + 16];
  }
}

/* Bits of the warp's rows, from the quads' first lanes. */
__device__ __forceinline__ uint32_t
bits_of (bool first, bool second)
{
  uint32_t bits[2] = { __ballot_sync (0xffffffff, first),
    __ballot_sync (0xffffffff, second) };
  uint32_t found = 0;

#pragma unroll
  for (int i = 0; i < 8; i++)
    found |= (bits[0] >> (4 * i) & 1) << i | (bits[1] >> (4 * i) & 1) << (i + 8);
  return found;
}

/* A word's bits that are this warp's. */
__device__ __forceinline__ void
note_bits (uint64_t *words, uint64_t at, uint32_t bits)
{
  if (words && bits)
    atomicOr (reinterpret_cast<unsigned long long *> (words) + at,
        (unsigned long long) bits << (threadIdx.x >> 5 & 3) * 16);
}

/* What becomes of the warp's rows; returns those that are stored. */
__device__ __forceinline__ uint32_t
judge_own (const DcnnCudaNode &node, const OwnRows &own,
    const DcnnCudaChange (&all)[2], const DcnnCudaJudge &judge, uint32_t record)
{
  const DcnnCudaMasks &m = node.masks;
  uint32_t in_warp = threadIdx.x >> 2 & 7;
  int verdict[2];

#pragma unroll
  for (int h = 0; h < 2; h++) {
    uint32_t bit = in_warp + h * 8;
    uint32_t flags = (own.force >> bit & 1 ? DCNN_CUDA_FORCE : 0) |
        (own.change >> bit & 1 ? DCNN_CUDA_CHANGE : 0) |
        (own.exact >> bit & 1 ? DCNN_CUDA_EXACT : 0);
    verdict[h] = own.listed >> bit & 1 ? dcnn_cuda_verdict (all[h], judge, flags) :
        DCNN_CUDA_SAME;
  }
  uint32_t joined = bits_of (verdict[0] == DCNN_CUDA_JOINED,
      verdict[1] == DCNN_CUDA_JOINED);
  uint32_t settled = bits_of (verdict[0] == DCNN_CUDA_SETTLED,
      verdict[1] == DCNN_CUDA_SETTLED);
  uint32_t kept = bits_of (verdict[0] == DCNN_CUDA_KEPT,
      verdict[1] == DCNN_CUDA_KEPT);
  if ((threadIdx.x & 31) == 0) {
    uint64_t at = (uint64_t) own.stream * m.words + (own.at >> 19) * m.blocks_x +
        ((own.at & 0xffff) >> 3);
    note_bits (m.updated, at, joined);
    note_bits (m.exact, at, settled);
    note_bits (record ? m.pending : NULL, at, kept);
  }
  return joined | settled;
}

/* The warp's rows that are `stored`, from the tile's stage. */
template<typename T, int BN>
__device__ __forceinline__ void
store_rows (const DcnnCudaMap &out, const OwnRows &own, uint32_t stored,
    uint32_t chunk, const char *stage)
{
  constexpr uint32_t V = BN / 8;
  uint32_t first = (threadIdx.x >> 5) * 16;

#pragma unroll 4
  for (uint32_t i = threadIdx.x & 31; i < 16 * V; i += 32) {
    uint32_t row = i / V, column = i % V * 8, c = chunk * BN + column;
    if (!(stored >> row & 1) || c >= out.span)
      continue;
    *reinterpret_cast<uint4 *> (static_cast<T *> (out.data) + dcnn_cuda_at (out,
            own.stream, (own.at >> 16) + row / 8,
            (own.at & 0xffff) + row % 8) + c) =
        *reinterpret_cast<const uint4 *> (stage + element_at<BN> (first + row,
            column));
  }
}

/* A warp's rows of a chunk, from its sums to `stage`. */
template<typename T, int BN, int N>
__device__ __forceinline__ void
finish_chunk (const Squares &d, float (&sums)[N], const OwnRows &own,
    uint32_t chunk, char *stage, const char *old, Judged &j)
{
  uint32_t row = dcnn_wgmma_row (threadIdx.x & 127, 0) +
      (threadIdx.x >> 7) * 64;

  if (own.listed && d.conv.node.plain && !old)
    finish_plain<T, BN> (d, sums, row, chunk, stage);
  else if (own.listed && d.conv.node.plain)
    finish_plain_rows<T, BN> (d, sums, own, row, chunk, stage, old, j);
  else if (own.listed)
    finish_rows<T, BN> (d, sums, own, row, chunk, stage, old, j);
  fence_bulk (); /* before anything is stored: it waits for that, too */
  __syncwarp ();
}

/* One tile, by the threads that multiply: one chunk, or, MANY, all. */
template<typename T, int BN, int KB, bool PARTS, How HOW, bool NORM>
__device__ __forceinline__ void
multiply_tile (const Squares &d, const OwnRows &own, uint32_t chunk, char *memory,
    const Ring &ring, Turn &t, uint32_t phase)
{
  using S = Stage<BN, KB>;
  const DcnnCudaNode &node = d.conv.node;
  uint32_t record = 0, stored = own.listed, first = chunk, slot[2] = { 0, 0 };
  uint32_t end = HOW == MANY ? chunks<BN> (d) : chunk + 1;
  Judged j = {};

  if (HOW != PASSES && own.listed) {
    j.judge = node.judge[own.stream * node.judge_stride];
    record = node.streams[own.stream].record;
  }
  for (; chunk < end; chunk++) {
    float sums[BN / 2] = {};
    char *stage = memory + S::BYTES + chunk * S::TILE;
    multiply_steps<T, BN, KB, PARTS, NORM> (d, 0, d.steps, memory, ring.full,
        ring.empty, t, sums);
    for (int i = HOW == MANY; i < (HOW == PASSES ? 1 : 2); i++) {
      barrier_wait (ring.full + t.slot * 8, t.parity);
      slot[i] = t.slot;
      turn<S::N> (t);
    }
    if (HOW != MANY)
      stage = memory + slot[0] * S::SIZE;
    else if (d.adds)
      barrier_wait (ring.added + chunk * 8, phase);
    finish_chunk<T, BN> (d, sums, own, chunk, stage, HOW == PASSES ? NULL :
        memory + slot[1] * S::SIZE, j);
    if (HOW != PASSES && (threadIdx.x & 31) == 0)
      barrier_arrive (ring.empty + slot[1] * 8);
  }
  if (HOW != PASSES && own.listed)
    stored = judge_own (node, own, j.all, j.judge, record);
  for (chunk = first; chunk < end && own.listed; chunk++)
    store_rows<T, BN> (node.out, own, stored, chunk, memory + (HOW == MANY ?
            S::BYTES + chunk * S::TILE : slot[0] * S::SIZE));
  __syncwarp ();
  if ((threadIdx.x & 31) == 0)
    barrier_arrive (HOW == MANY ? ring.stored : ring.empty + slot[0] * 8);
}

template<typename T, int BN, int KB, bool PARTS, How HOW, bool NORM>
__device__ __forceinline__ void
run_squares (const Squares &d)
{
  using S = Stage<BN, KB>;
  DCNN_CUDA_DYNAMIC (memory, 1024);
  __shared__ __align__ (8) uint64_t barriers[2 * S::N + MOST_CHUNKS + 1];
  const DcnnCudaNode &node = d.conv.node;
  uint32_t per = HOW == MANY ? 1 : chunks<BN> (d), phase = 0;
  Ring ring = { shared_address (barriers), 0, 0, 0 };
  Turn t = { 0, 0 };

  ring.empty = ring.full + S::N * 8;
  ring.added = ring.empty + S::N * 8;
  ring.stored = ring.added + MOST_CHUNKS * 8;
  if (threadIdx.x < S::N) {
    barrier_init (ring.full + threadIdx.x * 8, 1);
    barrier_init (ring.empty + threadIdx.x * 8, THREADS / 32);
  }
  if (threadIdx.x < MOST_CHUNKS)
    barrier_init (ring.added + threadIdx.x * 8, 1);
  if (threadIdx.x == MOST_CHUNKS)
    barrier_init (ring.stored, THREADS / 32);
  fence_barriers ();
  __syncthreads ();
  dcnn_cuda_wait ();
  uint32_t n = *node.n_squares, tiles = (n + 1) / 2 * per;
  if (threadIdx.x == THREADS) {
    DcnnCudaPixel at[2], next[2];
    if (blockIdx.x < tiles)
      take_squares (node, n, blockIdx.x / per, next);
    for (uint32_t i = blockIdx.x; i < tiles; i += gridDim.x, phase ^= 1) {
      at[0] = next[0], at[1] = next[1];
      if (i + gridDim.x < tiles)
        take_squares (node, n, (i + gridDim.x) / per, next);
      for (uint32_t c = HOW == MANY ? 0 : i % per;
          c < (HOW == MANY ? chunks<BN> (d) : i % per + 1); c++)
        copy_all<BN, KB, HOW> (d, at, c, shared_address (memory), ring, t,
            phase);
    }
  }
  if (threadIdx.x >= THREADS)
    return;
  OwnRows own, next = own_rows (node, n, blockIdx.x / per);
  for (uint32_t i = blockIdx.x; i < tiles; i += gridDim.x, phase ^= 1) {
    own = next;
    next = own_rows (node, n, (i + gridDim.x) / per);
    multiply_tile<T, BN, KB, PARTS, HOW, NORM> (d, own, HOW == MANY ? 0 : i % per, memory,
        ring, t, phase);
  }
}

#endif

template<typename T, int BN, int KB, bool PARTS, How HOW, bool NORM>
__global__ void __launch_bounds__ (ALL_THREADS, RESIDENT_TILES (BN, PARTS, HOW))
squares_kernel (const __grid_constant__ Squares d)
{
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  run_squares<T, BN, KB, PARTS, HOW, NORM> (d);
#else
  dcnn_cuda_wait ();
#endif
}

/* ---- launching ---------------------------------------------------------------------- */

static bool
one_tap (const DcnnCudaConv *p)
{
  return p->kernel[0] == 1 && p->kernel[1] == 1;
}

bool
dcnn_cuda_squares_accepts (const DcnnCudaConv *p, const DcnnCudaDevice *device)
{
  /* a row's change is added up chunk by chunk, whether by ranks or by one block */
  bool in_turn = p->ranks == 1 || p->ranks * p->channels == p->n_padded;

  return device->whole_maps && takes_norm (p) && !p->transposed && !p->node.in.f32 &&
      !p->node.out.f32 && p->weights && step_channels (p, one_tap (p)) != 0 &&
      p->stride[0] <= 8 && p->stride[1] <= 8 &&
      (p->node.passes || (p->n_padded <= 128 * MOST_CHUNKS && in_turn));
}

static cudaError_t
describe_map (const DcnnCudaMap *m, uint32_t n_streams, uint32_t span,
    uint32_t columns, CUtensorMap *map)
{
  DcnnSquareMaps squares = { m->data, n_streams, m->height, m->width,
    (span + 7) / 8 * 8, m->pixel, m->stream, { 1, 1 }, columns };

  return describe_squares (squares, map);
}

static cudaError_t
describe (Squares *d, uint32_t n_streams, uint32_t channels, uint32_t step)
{
  const DcnnCudaConv *p = &d->conv;
  const DcnnCudaMap *in = &p->node.in, *out = &p->node.out;
  uint32_t box = channels < 64 ? channels : 64;
  DcnnMatrix weights = { p->weights, p->n_padded, p->k_padded, p->k_padded,
    channels, step };
  DcnnSquareMaps rows = { in->data, n_streams, in->height, in->width,
    p->span8 * 8, in->pixel, in->stream, { p->stride[0], p->stride[1] }, step };
  cudaError_t e = describe_matrix (weights, &d->weights);

  if (e == cudaSuccess)
    e = describe_squares (rows, &d->rows);
  if (e == cudaSuccess && d->adds)
    e = describe_map (&p->node.steps[0].map, n_streams, out->span, box,
        &d->operand);
  if (e == cudaSuccess && !p->node.passes)
    e = describe_map (out, n_streams, out->span, box, &d->old);
  return e;
}

template<typename T, int BN, int KB, bool PARTS, How HOW, bool NORM>
static cudaError_t
launch (Squares *d, uint32_t n_streams, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  using S = Stage<BN, KB>;
  void *arguments[] = { d };
  uint32_t chunks = (d->conv.n_padded + BN - 1) / BN;
  uint32_t most = (d->conv.node.masks.words * n_streams + 1) / 2 *
      (HOW == MANY ? 1 : chunks);
  cudaError_t e = describe (d, n_streams, BN, KB);

  static_assert (S::N >= 3, "stages");
  static_assert (HOW != MANY || S::BYTES + MOST_CHUNKS * S::TILE <= 226 * 1024,
      "what a block may have");
  d->steps = one_tap (&d->conv) ? d->conv.k_padded / KB :
      (uint32_t) (d->conv.kernel[0] * d->conv.kernel[1]) * d->conv.span8 * 8 / KB;
  return e != cudaSuccess ? e : dcnn_cuda_launch (
      (const void *) squares_kernel<T, BN, KB, PARTS, HOW, NORM>,
      dim3 (min (most, RESIDENT_TILES (BN, PARTS, HOW) * device->multiprocessors)),
      ALL_THREADS, S::BYTES + (HOW == MANY ? chunks * S::TILE : 0), 1, arguments, queue);
}

template<typename T, int BN, int KB, bool NORM>
static cudaError_t
launch_parts (Squares *d, uint32_t n_streams, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  bool judges = !d->conv.node.passes, parts = d->conv.parts > 1;

  if constexpr (BN == 128)
    if (judges && d->conv.n_padded > BN)
      return launch<T, BN, KB, true, MANY, NORM> (d, n_streams, device, queue);
  if (judges)
    return parts ?
        launch<T, BN, KB, true, JUDGES, NORM> (d, n_streams, device, queue) :
        launch<T, BN, KB, false, JUDGES, NORM> (d, n_streams, device, queue);
  return parts ?
      launch<T, BN, KB, true, PASSES, NORM> (d, n_streams, device, queue) :
      launch<T, BN, KB, false, PASSES, NORM> (d, n_streams, device, queue);
}

template<typename T>
static cudaError_t
launch_as (Squares *d, uint32_t n_streams, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  bool wide_steps = step_channels (&d->conv, one_tap (&d->conv)) == 64;
  bool odd = (d->conv.n_padded + 63) / 64 % 2 && (d->conv.node.passes ||
      d->conv.n_padded <= 64);

  if (d->conv.norm)
    return odd ? launch_parts<T, 64, 64, true> (d, n_streams, device, queue) :
        launch_parts<T, 128, 64, true> (d, n_streams, device, queue);
  if (d->conv.n_padded == 32)
    return wide_steps ?
        launch_parts<T, 32, 64, false> (d, n_streams, device, queue) :
        launch_parts<T, 32, 32, false> (d, n_streams, device, queue);
  if (odd)
    return wide_steps ?
        launch_parts<T, 64, 64, false> (d, n_streams, device, queue) :
        launch_parts<T, 64, 32, false> (d, n_streams, device, queue);
  return wide_steps ?
      launch_parts<T, 128, 64, false> (d, n_streams, device, queue) :
      launch_parts<T, 128, 32, false> (d, n_streams, device, queue);
}

cudaError_t
dcnn_cuda_squares (const DcnnCudaConv *conv, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue)
{
  const DcnnCudaNode *node = &conv->node;
  Squares d = {};

  d.conv = *conv;
  d.conv.parts = conv->splits;
  d.adds = node->plain & DCNN_CUDA_PLAIN_ADD &&
      node->steps[0].map.width == node->out.width &&
      node->steps[0].map.height == node->out.height;
  return node->in.bf16 ? launch_as<__nv_bfloat16> (&d, n_streams, device,
      queue) : launch_as<__half> (&d, n_streams, device, queue);
}
