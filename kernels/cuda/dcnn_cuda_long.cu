/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_long.cu - convolution on longer lists (compute capability 9.0): an
 * implicit GEMM of M listed pixels at a time, by blocks that go on from tile to tile
 * without a break.
 *
 * Where there are more tiles than multiprocessors, what decides is not how long a
 * tile takes but how much of what it reads is on its way. So four warps only copy:
 * rows of input, tap by tap, weights, and what is added to a tile's rows and what the
 * map holds of them, all as far ahead as shared memory has room for. Eight warps, two
 * groups, multiply, and end a tile: sums, bias and steps as products leave them, in place of
 * what was added; then, whole rows by a warp, comparison, verdict and store. So a
 * block has all channels of the pixels that it judges, and waits for no other.
 *
 * Order of k, of its parts, and of a pixel's change are those of dcnn_cuda_conv.cu,
 * so bits and verdicts are the same.
 */
#include "dcnn_cuda_long.cuh"

#define COPIERS 128 /* threads; behind those that multiply */
#define MOST_SLOTS 16

#if !defined (__CUDA_ARCH__) || defined (__CUDA_ARCH_FEAT_SM90_ALL)

/* steps: not more than slots. */
__device__ __forceinline__ void
turn (Turn &t, uint32_t slots, uint32_t steps)
{
  t.slot += steps;
  if (t.slot >= slots)
    t.slot -= slots, t.parity ^= 1;
}

/* What all of a block share, beside dynamic memory. */
template<int M>
struct Common {
  uint64_t full[MOST_SLOTS], empty[MOST_SLOTS]; /* of steps of k */
  uint64_t rows_full[2], rows_empty[2];         /* of tiles' rows */
  uint64_t weights;          /* these are there */
  Tap taps[TAPS * 8];
  RowFacts facts[2][M];
};

/* Shared addresses. */
struct Room {
  uint32_t inputs, weights, rows, bias;
};

/* A tile's rows: first what is added, and what comes of it; then what the map has. */
template<int M>
__device__ __forceinline__ uint32_t
rows_at (const LongWork &d, uint32_t slot, bool old)
{
  return (slot * (d.conv.node.passes ? 1 : 2) + old) * M * d.pitch;
}

template<int M, int BN>
__device__ __forceinline__ Room
room_of (const LongWork &d, const void *shared)
{
  Room r;

  r.inputs = shared_address (shared);
  r.weights = r.inputs + d.slots * M * BK * 2;
  r.rows = r.weights + (d.resident ? d.chunks * d.n_k : d.slots) * BN * BK * 2;
  r.bias = r.rows + d.row_slots * rows_at<M> (d, 1, false);
  return r;
}

/* What blocks have to do. An item is a tile's rows, by all chunks of channels, or by one
 * where nothing is judged and there are few tiles. A unit is what ends at one time: all
 * chunks of rows that are judged, else a chunk. */
struct Items {
  uint32_t count, n, per;  /* entries; items; items of a tile */
  uint32_t units, chunks;  /* of an item; of a unit */
};

template<int M>
__device__ __forceinline__ Items
items_of (const LongWork &d)
{
  bool passes = d.conv.node.passes;
  Items i;

  i.count = *d.conv.node.count;
  i.n = (i.count + M - 1) / M;
  i.per = passes && i.n < 2 * gridDim.x ? d.chunks : 1;
  i.units = passes ? d.chunks / i.per : 1;
  i.chunks = passes ? 1 : d.chunks;
  i.n *= i.per;
  return i;
}

/* ---- who copies ---------------------------------------------------------------------- */

/* Entries of a tile: of rows that a lane looks up for all, 32 from each other; and of one
 * whose map is copied by the warp. */
template<int M>
struct Entries {
  DcnnCudaPixel own[M / 32], row;
};

__device__ __forceinline__ uint32_t
copier ()
{
  return (threadIdx.x - THREADS) >> 5;
}

template<int M>
__device__ __forceinline__ void
take_entries (const DcnnCudaConv &p, uint32_t tile, Entries<M> &e)
{
  const DcnnCudaPixel *list = p.node.list + tile * M;
  uint32_t lane = threadIdx.x & 31;

#pragma unroll
  for (int i = 0; i < M / 32; i++)
    e.own[i] = list[lane + i * 32];
  e.row = list[copier () * (M / 4) + lane % (M / 4)];
}

/* Rows whose inputs a lane copies, eight lanes each and four at a time: where the first
 * tap is, vectors from the map's beginning; and which rows of taps are within the map, a
 * bit each, and which columns, 16 bits above. What is asked for most often is looked up
 * in few instructions: a warp's next copy waits for each of them. */
template<int M>
struct Corners {
  int at[M / 4];
  uint32_t inside[M / 4];
};

/* Taps of an axis that are within a map, from that of the first one on. */
__device__ __forceinline__ uint32_t
taps_inside (int at, int taps, int dilation, uint32_t size)
{
  uint32_t inside = 0;

  for (int i = 0; i < taps; i++)
    inside |= (uint32_t) ((uint32_t) (at + i * dilation) < size) << i;
  return inside;
}

template<int M>
__device__ __forceinline__ void
take_corners (const DcnnCudaConv &p, const Entries<M> &e, uint32_t n_rows,
    Corners<M> &corners)
{
  const DcnnCudaMap &in = p.node.in;
  uint32_t lane = threadIdx.x & 31;

#pragma unroll
  for (int i = 0; i < M / 32; i++) {
    int64_t base;
    int2 corner = corner_of (p, e.own[i], &base);
    uint32_t inside =
        taps_inside (corner.x, p.kernel[0], p.dilation[0], in.height) |
        taps_inside (corner.y, p.kernel[1], p.dilation[1], in.width) << 16;
    inside = lane + i * 32 < n_rows ? inside : 0;
#pragma unroll
    for (int j = 0; j < 8; j++) {
      corners.at[i * 8 + j] =
          __shfl_sync (0xffffffff, (int) (base / 8), lane / 8 + j * 4);
      corners.inside[i * 8 + j] =
          __shfl_sync (0xffffffff, inside, lane / 8 + j * 4);
    }
  }
}

/* A tap by number: its row in the upper half, its column in the lower; past the last one
 * NO_ROW, which is never inside. */
#define NO_ROW 15

__device__ __forceinline__ Tap
number_of (const DcnnCudaConv &p, const Tap &tap)
{
  if (tap.shift == NO_TAP)
    return Tap { NO_ROW << 16, 0 };
  return Tap { (tap.place >> 16) / p.dilation[0] << 16 |
    (tap.place & 0xffff) / p.dilation[1], tap.shift };
}

/* A step's rows of input, of which neighbours have most in common. */
template<int M>
__device__ __forceinline__ void
copy_inputs (const DcnnCudaConv &p, const Corners<M> &corners, const Tap &tap,
    uint32_t to)
{
  const uint4 *data = static_cast<const uint4 *> (p.node.in.data) + tap.shift / 8;
  uint32_t row = (threadIdx.x & 31) / 8, piece = threadIdx.x & 7;
  uint32_t y = tap.place >> 16, x = 16 + (tap.place & 0xffff);
  uint32_t even = to + dcnn_piece_at (row, piece), odd = to + dcnn_piece_at (row + 4,
      piece);

#pragma unroll
  for (int i = 0; i < M / 4; i++)
    copy_async_near ((i % 2 ? odd : even) + i / 2 * DCNN_SWIZZLE_ATOM,
        data + corners.at[i], (corners.inside[i] >> y) & (corners.inside[i] >> x) & 1);
}

/* Vectors from `from` to `to` of the warp's rows of a map, to shared memory; own: vectors
 * from the map's beginning to the pixel of the row that is the lane's. */
template<int M>
__device__ __forceinline__ void
copy_rows (const DcnnCudaMap &map, int own, uint32_t n_rows, uint32_t from,
    uint32_t to, uint32_t at, uint32_t pitch)
{
  const uint4 *data = static_cast<const uint4 *> (map.data);
  uint32_t lanes = to - from > 16 ? 32 : to - from > 8 ? 16 : 8, per = 32 / lanes;
  uint32_t lane = threadIdx.x & 31, first = copier () * (M / 4), v = from + lane % lanes;

  n_rows = n_rows > first ? min (n_rows - first, M / 4u) : 0;
  at += first * pitch - from * 16;
  for (uint32_t begins = from; begins < to; begins += lanes, v += lanes)
#pragma unroll 4
    for (uint32_t i = 0; i < n_rows; i += per) {
      uint32_t row = i + lane / lanes;
      int pixel = __shfl_sync (0xffffffff, own, row);
      if (v < to && row < n_rows)
        copy_async (at + row * pitch + v * 16, data + pixel + v, true);
    }
}

/* What is known of a tile's rows, what is added to them and what the map holds. */
template<int M, int BN>
__device__ __forceinline__ void
copy_tile_rows (const LongWork &d, Common<M> &common, const Room &room,
    const DcnnCudaPixel &e, uint32_t chunk, uint32_t n_rows, const Turn &at)
{
  const DcnnCudaNode &node = d.conv.node;
  uint32_t full = shared_address (&common.rows_full[at.slot]);
  uint32_t vectors = (node.out.span + 7) / 8, from = chunk * (BN / 8);
  uint32_t to = node.passes ? min (vectors, from + BN / 8) : vectors;
  uint32_t rows = room.rows + rows_at<M> (d, at.slot, false);
  uint32_t own = copier () * (M / 4) + (threadIdx.x & 31);
  bool there = (threadIdx.x & 31) < M / 4 && own < n_rows;
  RowFacts facts = { e, {}, 0 };

  if (there && !node.passes) {
    uint32_t s = dcnn_cuda_stream_of (e);
    facts.judge = node.judge[s * node.judge_stride];
    facts.record = node.streams[s].record;
  }
  barrier_wait (shared_address (&common.rows_empty[at.slot]), at.parity ^ 1);
  if (d.adds)
    copy_rows<M> (node.steps[0].map, there ? vectors_to (node.steps[0].map, e) : 0,
        n_rows, from, to, rows, d.pitch);
  if (!node.passes)
    copy_rows<M> (node.out, there ? vectors_to (node.out, e) : 0, n_rows, from, to,
        rows + M * d.pitch, d.pitch);
  copy_arrive (full);
  if (there)
    common.facts[at.slot][own] = facts;
  barrier_arrive (full);
}

/* All of the block's tiles, by one of the warps that copy: its part of a tile's rows,
 * and every fourth step of k. */
template<int M, int BN>
__device__ void
copy_tiles (const LongWork &d, Common<M> &common, const Room &room)
{
  const DcnnCudaConv &p = d.conv;
  Items items = items_of<M> (d);
  Turn k_turn = { copier (), 0 }, row_turn = { 0, 0 };
  uint32_t k = copier (), c = 0; /* of the unit: the warp's next step, and its chunk */
  Entries<M> e, next;
  Corners<M> corners;

  if (blockIdx.x < items.n)
    take_entries<M> (p, blockIdx.x / items.per, next);
  for (uint32_t item = blockIdx.x; item < items.n; item += gridDim.x) {
    uint32_t tile = item / items.per, chunk = item % items.per;
    uint32_t n_rows = min ((uint32_t) M, items.count - tile * M);

    e = next;
    if (item + gridDim.x < items.n)
      take_entries<M> (p, (item + gridDim.x) / items.per, next);
    take_corners<M> (p, e, n_rows, corners);
    for (uint32_t unit = 0; unit < items.units; unit++) {
      for (bool asked = false; ; ) {
        while (k >= d.n_k && c < items.chunks)
          k -= d.n_k, c++;
        /* behind the first chunk's steps, whose sums wait for rows */
        if (!asked && c > 0)
          copy_tile_rows<M, BN> (d, common, room, e.row, chunk + unit, n_rows,
              row_turn);
        asked |= c > 0;
        if (c >= items.chunks)
          break;
        uint32_t there = shared_address (&common.full[k_turn.slot]);
        Tap tap = k < TAPS ? common.taps[k * 8 + (threadIdx.x & 7)] :
            number_of (p, tap_at (p, common.taps, 0, k));
        barrier_wait (shared_address (&common.empty[k_turn.slot]),
            k_turn.parity ^ 1);
        if ((threadIdx.x & 31) == 0 && !d.resident) {
          barrier_expect (there, BN * BK * 2);
          copy_box (room.weights + k_turn.slot * BN * BK * 2, &d.weights, k * BK,
              (chunk + unit + c) * BN, there);
        }
        copy_inputs<M> (p, corners, tap, room.inputs + k_turn.slot * M * BK * 2);
        copy_arrive (there);
        turn (k_turn, d.slots, COPIERS / 32);
        k += COPIERS / 32;
      }
      c -= items.chunks;
      turn (row_turn, d.row_slots, 1);
    }
  }
}

/* ---- who multiplies ------------------------------------------------------------------ */

/* What a thread has of a chunk's sums, pairs of a row and of the one eight below it, of
 * every eighth channel; and where the first pair is. Tiles of 64 rows are a product of
 * groups of four warps, half of the channels each; those of 32, which such a product
 * would be for in part only, of single warps. */
template<int M, int BN>
struct Place {
  static constexpr int N = M * BN / THREADS;
  uint32_t row, column;

  __device__ __forceinline__
  Place ()
  {
    uint32_t lane = threadIdx.x & 31, warp = threadIdx.x >> 5;

    row = (M == 64 ? warp % 4 : warp / 4) * 16 + (lane >> 2);
    column = (M == 64 ? warp / 4 * (BN / 2) : warp % 4 * (BN / 4)) + (lane & 3) * 2;
  }
};

/* One of the products of a step of k, of operands that lie at a and b. */
template<typename T, int M, int BN>
__device__ __forceinline__ void
multiply_slot (uint32_t a, uint32_t b, float (&sums)[M * BN / THREADS])
{
  if constexpr (M == 64) {
    uint64_t rows = dcnn_wgmma_rows (a, BK);
    uint64_t columns = dcnn_wgmma_rows (b + (threadIdx.x >> 7) * BN * BK, BK);
    group_begin ();
#pragma unroll
    for (uint32_t k16 = 0; k16 < BK / 16; k16++)
      group_multiply<T> (sums, dcnn_wgmma_on (rows, k16), dcnn_wgmma_on (columns, k16));
    group_commit ();
  } else {
    Operands<M, BN> operands[2];
    load_operands<M, BN> (a, b, 0, operands[0]);
#pragma unroll
    for (int kk = 0; kk < BK / 16; kk++) {
      const Operands<M, BN> &f = operands[kk & 1];
      if (kk + 1 < BK / 16)
        load_operands<M, BN> (a, b, kk + 1, operands[(kk + 1) & 1]);
#pragma unroll
      for (int j = 0; j < Tile<M, BN>::NJ; j++)
        multiply<T> (sums + j * 4, f.a[0], f.b[j][0], f.b[j][1]);
    }
  }
}

/* A chunk's sums over all of k, in the parts that splits would take. */
template<typename T, int M, int BN, bool PARTS>
__device__ __forceinline__ void
multiply_chunk (const LongWork &d, Common<M> &common, const Room &room, char *shared,
    uint32_t chunk, Turn &at, float (&sums)[M * BN / THREADS])
{
  constexpr int N = Place<M, BN>::N;
  const DcnnCudaConv &p = d.conv;
  uint32_t next = 1, border = PARTS ? d.n_k / p.splits : 0;
  uint32_t done = UINT32_MAX;        /* slot that has been read */
  float whole[PARTS ? N : 1] = {};

  for (uint32_t k = 0; k < d.n_k; k++) {
    uint32_t a = room.inputs + at.slot * M * BK * 2, b = room.weights +
        (d.resident ? chunk * d.n_k + k : at.slot) * BN * BK * 2;
    if (PARTS && k == border) {
      if constexpr (M == 64)
        group_wait (sums);
#pragma unroll
      for (int i = 0; i < N; i++) {
        whole[PARTS ? i : 0] = next == 1 ? sums[i] : whole[PARTS ? i : 0] + sums[i];
        sums[i] = 0;
      }
      border = ++next == p.splits ? d.n_k : d.n_k * next / p.splits;
    }
    barrier_wait (shared_address (&common.full[at.slot]), at.parity);
    if (p.norm)
      normalise_rows_of<T, M> (p, norm_at (p, taken_norm (p, shared), k * BK +
              (threadIdx.x & 7) * 8), shared + at.slot * M * BK * 2);
    if (M == 64)
      fence_bulk (); /* of copies, too, which are no bulk ones */
    if (p.norm)
      group_meet (THREADS);
    multiply_slot<T, M, BN> (a, b, sums);
    if constexpr (M == 64)
      group_wait_others ();
    else
      done = at.slot, __syncwarp ();
    if (done != UINT32_MAX && (threadIdx.x & 31) == 0)
      barrier_arrive (shared_address (&common.empty[done]));
    done = at.slot;
    turn (at, d.slots, 1);
  }
  if constexpr (M == 64) {
    group_wait (sums);
    if ((threadIdx.x & 31) == 0)
      barrier_arrive (shared_address (&common.empty[done]));
  }
#pragma unroll
  for (int i = 0; PARTS && i < N; i++)
    sums[i] = whole[PARTS ? i : 0] + sums[i];
}

/* Bias and plain steps on pairs as products leave them, in place of what is added. */
template<typename T, int M, int BN>
__device__ __forceinline__ void
end_sums (const LongWork &d, uint32_t chunk, float (&sums)[M * BN / THREADS],
    char *rows, const float *bias)
{
  typedef typename DcnnCudaPair<T>::Type Pair;
  constexpr int PAIRS = Place<M, BN>::N / 2;
  const DcnnCudaNode &node = d.conv.node;
  float least = node.least, most = node.most;
  Place<M, BN> place;
  char *at = rows + place.row * d.pitch +
      ((node.passes ? 0 : chunk * BN) + place.column) * 2;

  /* all reads before any write, which could be to where they are from */
#pragma unroll
  for (int i = 0; i < PAIRS; i++) {
    float2 b = *reinterpret_cast<const float2 *> (bias + chunk * BN + place.column +
        i / 2 * 8);
    sums[i * 2] += b.x;
    sums[i * 2 + 1] += b.y;
  }
  if (d.adds)
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
      float2 e = dcnn_cuda_widen (*reinterpret_cast<const Pair *> (at +
              i % 2 * 8 * d.pitch + i / 2 * 16));
      sums[i * 2] += e.x;
      sums[i * 2 + 1] += e.y;
    }
#pragma unroll
  for (int i = 0; i < PAIRS; i++)
    *reinterpret_cast<Pair *> (at + i % 2 * 8 * d.pitch + i / 2 * 16) =
        dcnn_cuda_narrow<T> (dcnn_cuda_clip (sums[i * 2], least, most),
            dcnn_cuda_clip (sums[i * 2 + 1], least, most));
}

template<typename T, int M, int BN, bool PARTS>
__device__ void
multiply_tiles (const LongWork &d, Common<M> &common, const Room &room,
    char *shared)
{
  const DcnnCudaNode &node = d.conv.node;
  Items items = items_of<M> (d);
  Turn k_turn = { 0, 0 }, row_turn = { 0, 0 };
  uint32_t vectors = (node.out.span + 7) / 8;
  uint32_t lanes = vectors > 16 ? 32 : vectors > 8 ? 16 : 8;
  const float *bias = reinterpret_cast<const float *> (shared + (room.bias -
          room.inputs));

  if (d.resident && blockIdx.x < items.n)
    barrier_wait (shared_address (&common.weights), 0);
  for (uint32_t item = blockIdx.x; item < items.n; item += gridDim.x) {
    uint32_t tile = item / items.per, chunk = item % items.per;
    uint32_t n_rows = min ((uint32_t) M, items.count - tile * M);
    for (uint32_t unit = 0; unit < items.units; unit++) {
      uint32_t from = chunk + unit;
      const RowFacts *facts = common.facts[row_turn.slot];
      char *rows = shared + (room.rows - room.inputs) +
          rows_at<M> (d, row_turn.slot, false);
      for (uint32_t c = from; c < from + items.chunks; c++) {
        float sums[Place<M, BN>::N] = {};
        multiply_chunk<T, M, BN, PARTS> (d, common, room, shared, c, k_turn, sums);
        if (c == from)
          barrier_wait (shared_address (&common.rows_full[row_turn.slot]),
              row_turn.parity);
        end_sums<T, M, BN> (d, c, sums, rows, bias);
      }
      group_meet (THREADS);
      if (node.passes)
        store_rows<M, BN> (d, facts, n_rows, from, rows);
      else
        judge_listed<T, M> (d, facts, n_rows, rows, lanes);
      barrier_arrive (shared_address (&common.rows_empty[row_turn.slot]));
      turn (row_turn, d.row_slots, 1);
    }
  }
}

/* Weights that stay, by one thread, before anything is waited for. */
template<int M, int BN>
__device__ __forceinline__ void
copy_weights (const LongWork &d, Common<M> &common, const Room &room)
{
  uint32_t there = shared_address (&common.weights);

  barrier_expect (there, d.chunks * d.n_k * BN * BK * 2);
  for (uint32_t c = 0; c < d.chunks; c++)
    for (uint32_t k = 0; k < d.n_k; k++)
      copy_box (room.weights + (c * d.n_k + k) * BN * BK * 2, &d.weights, k * BK,
          c * BN, there);
}

/* Brings the block's share of all weights near, before anything is waited for. */
__device__ __forceinline__ void
prefetch_share (const LongWork &d)
{
  const char *weights = static_cast<const char *> (d.conv.weights);
  uint64_t bytes = (uint64_t) d.conv.n_padded * d.conv.k_padded * 2;

  for (uint64_t at = ((uint64_t) blockIdx.x * blockDim.x + threadIdx.x) * 128;
      at < bytes; at += (uint64_t) gridDim.x * blockDim.x * 128)
    prefetch (weights + at);
}

template<typename T, int M, int BN, bool PARTS>
__device__ __forceinline__ void
run_long (const LongWork &d)
{
  DCNN_CUDA_DYNAMIC (dynamic, 1024);
  char *shared = dynamic + norm_bytes (d.conv);
  __shared__ Common<M> common;
  Room room = room_of<M, BN> (d, shared);

  if (threadIdx.x < d.slots) {
    /* a warp copies rows; one of its threads also weights, where these do not stay */
    barrier_init (shared_address (&common.full[threadIdx.x]),
        32 + !d.resident);
    barrier_init (shared_address (&common.empty[threadIdx.x]), THREADS / 32);
  }
  if (threadIdx.x < 2) {
    barrier_init (shared_address (&common.rows_full[threadIdx.x]), 2 * COPIERS);
    barrier_init (shared_address (&common.rows_empty[threadIdx.x]), THREADS);
  }
  if (threadIdx.x == 2)
    barrier_init (shared_address (&common.weights), 1);
  fence_barriers ();
  __syncthreads (); /* racecheck takes what makes barriers for a write of the taps */
  fill_taps (d.conv, common.taps, 0, d.n_k);
  /* its own ones again, by number */
  for (uint32_t i = threadIdx.x; i < min (d.n_k, (uint32_t) TAPS) * 8; i += blockDim.x)
    common.taps[i] = number_of (d.conv, common.taps[i]);
  take_norm (d.conv, dynamic);
  for (uint32_t i = threadIdx.x; i < d.chunks * BN; i += blockDim.x)
    reinterpret_cast<float *> (shared + (room.bias - room.inputs))[i] =
        i < d.conv.n_padded ? d.conv.bias[i] : 0;
  __syncthreads ();
  if (!d.resident)
    prefetch_share (d);
  else if (threadIdx.x == THREADS)
    copy_weights<M, BN> (d, common, room);
  dcnn_cuda_wait ();
  if (threadIdx.x >= THREADS)
    copy_tiles<M, BN> (d, common, room);
  else
    multiply_tiles<T, M, BN, PARTS> (d, common, room, shared);
  /* nobody leaves before what it has asked for is there */
  if (threadIdx.x == THREADS && d.resident)
    barrier_wait (shared_address (&common.weights), 0);
}

#endif

template<typename T, int M, int BN, bool PARTS>
__global__ void __launch_bounds__ (THREADS + COPIERS, 1)
long_kernel (const __grid_constant__ LongWork d)
{
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  run_long<T, M, BN, PARTS> (d);
#else
  dcnn_cuda_wait ();
#endif
}

/* ---- launching ---------------------------------------------------------------------- */

/* Channels of a chunk of products. */
static uint32_t
chunk_of (const DcnnCudaConv *p)
{
  return p->n_padded <= 64 ? 64 : 128;
}

static bool
adds_map (const DcnnCudaNode *node)
{
  return node->plain & DCNN_CUDA_PLAIN_ADD;
}

/* Shares out a block's shared memory for tiles of m rows; false: too little. */
static bool
share_out (LongWork *d, uint32_t m, uint32_t row_slots, const DcnnCudaDevice *device)
{
  const DcnnCudaConv *p = &d->conv;
  uint32_t bn = chunk_of (p), unit = bn * BK * 2, inputs = m * BK * 2;
  uint32_t room = device->shared_bytes - (uint32_t) sizeof (Common<64>) - 1024 -
      norm_bytes (*p);
  uint32_t rows, all;

  d->n_k = p->k_padded / BK;
  d->chunks = (p->n_padded + bn - 1) / bn;
  d->adds = adds_map (&p->node);
  d->row_slots = row_slots;
  d->pitch = (p->node.passes ? 1 : d->chunks) * bn * 2 + 16;
  rows = row_slots * (p->node.passes ? 1 : 2) * m * d->pitch + d->chunks * bn * 4;
  all = d->chunks * d->n_k * unit;
  if (rows >= room)
    return false;
  d->resident = all + 4 * inputs <= room - rows;
  d->slots = d->resident ? (room - rows - all) / inputs :
      (room - rows) / (inputs + unit);
  d->slots = d->slots < MOST_SLOTS ? d->slots : MOST_SLOTS;
  return d->slots >= COPIERS / 32;
}

/* Rows of a tile; 0: no size fits. As many as fill the device, two tiles on their
 * way if there is room. */
static uint32_t
shape_long (LongWork *d, uint64_t expected, const DcnnCudaDevice *device)
{
  bool few = expected < 32 * (uint64_t) device->multiprocessors;

  if (!few && share_out (d, 64, 2, device))
    return 64;
  if (share_out (d, 32, 2, device) || share_out (d, 32, 1, device))
    return 32;
  return 0;
}

/* Kernels count vectors from a map's beginning in an int. */
static bool
is_countable (const DcnnCudaMap *m, uint32_t n_streams)
{
  return m->stream / 8 * n_streams <= INT_MAX;
}

bool
dcnn_cuda_long_accepts (const DcnnCudaConv *p, uint32_t n_streams,
    const DcnnCudaDevice *device)
{
  LongWork d = {};
  const DcnnCudaNode *node = &p->node;
  /* a row's change is added up chunk by chunk, whether by ranks or by one block */
  bool in_turn = p->ranks == 1 || p->ranks * p->channels == p->n_padded;

  d.conv = *p;
  return device->whole_maps && !p->transposed && !node->in.f32 &&
      !node->out.f32 && p->weights && node->plain &&
      p->kernel[0] < NO_ROW && p->kernel[1] < NO_ROW &&
      (!adds_map (node) || (node->steps[0].map.width == node->out.width &&
          node->steps[0].map.height == node->out.height &&
          is_countable (&node->steps[0].map, n_streams))) &&
      is_countable (&node->in, n_streams) &&
      is_countable (&node->out, n_streams) && (node->passes || in_turn) &&
      shape_long (&d, 0, device);
}

template<typename T, int M, int BN, bool PARTS>
static cudaError_t
launch (LongWork *d, uint64_t most, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  const DcnnCudaConv *p = &d->conv;
  void *arguments[] = { d };
  DcnnMatrix weights = { p->weights, p->n_padded, p->k_padded, p->k_padded, BN,
    BK };
  cudaError_t e = describe_matrix (weights, &d->weights);
  uint64_t items = (most + M - 1) / M * (p->node.passes ? d->chunks : 1);
  uint32_t rows = d->row_slots * (p->node.passes ? 1 : 2) * M * d->pitch +
      d->chunks * BN * 4;
  uint32_t units = d->resident ? d->chunks * d->n_k : d->slots;

  return e != cudaSuccess ? e : dcnn_cuda_launch (
      (const void *) long_kernel<T, M, BN, PARTS>, dim3 ((uint32_t) min (items,
              (uint64_t) device->multiprocessors)), THREADS + COPIERS,
      norm_bytes (*p) + d->slots * M * BK * 2 + units * BN * BK * 2 + rows, 1,
      arguments, queue);
}

template<typename T, int M, bool PARTS>
static cudaError_t
launch_chunks (LongWork *d, uint64_t most, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  return chunk_of (&d->conv) == 64 ?
      launch<T, M, 64, PARTS> (d, most, device, queue) :
      launch<T, M, 128, PARTS> (d, most, device, queue);
}

template<typename T>
static cudaError_t
launch_as (LongWork *d, uint32_t m, uint64_t most, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  if (d->conv.splits > 1)
    return m == 64 ? launch_chunks<T, 64, true> (d, most, device, queue) :
        launch_chunks<T, 32, true> (d, most, device, queue);
  return m == 64 ? launch_chunks<T, 64, false> (d, most, device, queue) :
      launch_chunks<T, 32, false> (d, most, device, queue);
}

cudaError_t
dcnn_cuda_long (const DcnnCudaConv *conv, uint64_t expected,
    uint32_t n_streams, const DcnnCudaDevice *device, DcnnCudaQueue queue)
{
  LongWork d = {};
  uint64_t most = (uint64_t) conv->node.masks.words * 64 * n_streams;
  uint32_t m;

  if (dcnn_cuda_slim_accepts (conv))
    return dcnn_cuda_slim (conv, n_streams, device, queue);
  d.conv = *conv;
  m = shape_long (&d, expected, device);
  if (m == 0)
    return cudaErrorInvalidValue;
  return conv->node.in.bf16 ? launch_as<__nv_bfloat16> (&d, m, most, device,
      queue) : launch_as<__half> (&d, m, most, device, queue);
}
