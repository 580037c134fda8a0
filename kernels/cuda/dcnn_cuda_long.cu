/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_long.cu - convolution on longer lists (compute capability 9.0): an
 * implicit GEMM of M listed pixels at a time, by blocks that go on from tile to tile
 * without a break.
 *
 * Where there are more tiles than multiprocessors, what decides is not how long a
 * tile takes but how much of what it reads is on its way. So four warps only copy:
 * rows of input, tap by tap, weights, and what is added to a tile's rows and what the
 * map holds of them, all as far ahead as shared memory has room for. Eight warps
 * multiply, and end a tile: sums, bias and steps as products leave them, in place of
 * what was added; then, whole rows by a warp, comparison, verdict and store. So a
 * block has all channels of the pixels that it judges, and waits for no other.
 *
 * Order of k, of its parts, and of a pixel's change are those of dcnn_cuda_conv.cu,
 * so bits and verdicts are the same.
 */
#include "dcnn_cuda_long.cuh"
#include "dcnn_cuda_wgmma.cuh"

#define COPIERS 128 /* threads; behind those that multiply */
#define MOST_SLOTS 16

#if !defined (__CUDA_ARCH__) || defined (__CUDA_ARCH_FEAT_SM90_ALL)

/* Which slot of a ring is next, and the parity of its barriers' phase. */
struct Turn {
  uint32_t slot, parity;
};

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

/* Entries of a tile: of the rows whose inputs a lane copies, eight lanes each and four
 * at a time; and of one whose map is copied by the warp. */
template<int M>
struct Entries {
  DcnnCudaPixel inputs[M / 4], row;
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
  for (int i = 0; i < M / 4; i++)
    e.inputs[i] = list[lane / 8 + i * 4];
  e.row = list[copier () * (M / 4) + lane % (M / 4)];
}

/* Where the first tap of rows is: row and column, which may be outside of the map, and
 * vectors from its beginning. */
template<int M>
struct Corners {
  int place[M / 4], at[M / 4];
};

template<int M>
__device__ __forceinline__ void
take_corners (const DcnnCudaConv &p, const Entries<M> &e, uint32_t n_rows,
    Corners<M> &corners)
{
#pragma unroll
  for (int i = 0; i < M / 4; i++) {
    int64_t base;
    int2 corner = corner_of (p, e.inputs[i], &base);
    corners.at[i] = (int) (base / 8);
    corners.place[i] = (threadIdx.x & 31) / 8 + i * 4 < n_rows ?
        (int) ((uint32_t) corner.x << 16 | (corner.y & 0xffff)) : INT_MIN;
  }
}

/* A step's rows of input, of which neighbours have most in common. */
template<int M>
__device__ __forceinline__ void
copy_inputs (const DcnnCudaConv &p, const Corners<M> &corners, const Tap &tap,
    uint32_t to)
{
  const uint4 *data = static_cast<const uint4 *> (p.node.in.data) + tap.shift / 8;
  int dy = tap.place >> 16, dx = tap.place & 0xffff;
  uint32_t lane = threadIdx.x & 31;

#pragma unroll
  for (int i = 0; i < M / 4; i++) {
    bool there = tap.shift != NO_TAP &&
        (uint32_t) ((corners.place[i] >> 16) + dy) < p.node.in.height &&
        (uint32_t) ((int16_t) corners.place[i] + dx) < p.node.in.width;
    copy_async_near (to + dcnn_piece_at (lane / 8 + i * 4, lane & 7),
        there ? data + corners.at[i] : p.node.in.data, there);
  }
}

/* Vectors from `from` to `to` of the warp's rows of a map, to shared memory; own: vectors
 * from the map's beginning to the pixel of the row that is the lane's. */
template<int M>
__device__ __forceinline__ void
copy_rows (const DcnnCudaMap &map, int own, uint32_t n_rows, uint32_t from,
    uint32_t to, uint32_t at, uint32_t pitch)
{
  const uint4 *data = static_cast<const uint4 *> (map.data);
  uint32_t lanes = to - from > 16 ? 32 : to - from > 8 ? 16 : 8;
  uint32_t lane = threadIdx.x & 31, first = copier () * (M / 4);

  for (uint32_t i = 0; i < M / 4; i += 32 / lanes) {
    uint32_t row = i + lane / lanes;
    int pixel = __shfl_sync (0xffffffff, own, row);
    for (uint32_t v = from + lane % lanes; v < to && first + row < n_rows;
        v += lanes)
      copy_async (at + (first + row) * pitch + (v - from) * 16, data + pixel + v,
          true);
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
        Tap tap = tap_at (p, common.taps, 0, k);
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

template<int M, int BN>
using Sums = float[Tile<M, BN>::MI][Tile<M, BN>::NJ][4];

/* A chunk's sums over all of k, in the parts that splits would take. */
template<typename T, int M, int BN>
__device__ __forceinline__ void
multiply_chunk (const LongWork &d, Common<M> &common, const Room &room, char *shared,
    uint32_t chunk, Turn &at, Sums<M, BN> &sums)
{
  const DcnnCudaConv &p = d.conv;
  Sums<M, BN> whole;
  uint32_t next = 1, border = d.n_k / p.splits;

  for (uint32_t k = 0; k < d.n_k; k++) {
    uint32_t a = room.inputs + at.slot * M * BK * 2, b = room.weights +
        (d.resident ? chunk * d.n_k + k : at.slot) * BN * BK * 2;
    Operands<M, BN> operands[2];
    if (p.norm) {
      Norm norm = norm_at (p, taken_norm (p, shared), k * BK +
          (threadIdx.x & 7) * 8);
      barrier_wait (shared_address (&common.full[at.slot]), at.parity);
      normalise_rows_of<T, M> (p, norm, shared + at.slot * M * BK * 2);
      group_meet (THREADS);
    }
    barrier_wait (shared_address (&common.full[at.slot]), at.parity);
    load_operands<M, BN> (a, b, 0, operands[0]);
    if (k == border) {
      take_sums<M, BN> (whole, sums, next == 1);
      border = ++next == p.splits ? d.n_k : d.n_k * next / p.splits;
    }
    multiply_step<T, M, BN> (a, b, operands, sums);
    __syncwarp ();
    if ((threadIdx.x & 31) == 0)
      barrier_arrive (shared_address (&common.empty[at.slot]));
    turn (at, d.slots, 1);
  }
  if (p.splits > 1) {
    take_sums<M, BN> (whole, sums, false);
    take_sums<M, BN> (sums, whole, true);
  }
}

/* Bias and plain steps on pairs as products leave them, in place of what is added;
 * sums start anew. */
template<typename T, int M, int BN>
__device__ __forceinline__ void
end_sums (const LongWork &d, uint32_t chunk, Sums<M, BN> &sums, char *rows,
    const float *bias)
{
  using W = Tile<M, BN>;
  typedef typename DcnnCudaPair<T>::Type Pair;
  const DcnnCudaConv &p = d.conv;
  float least = p.node.least, most = p.node.most;
  uint32_t lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  uint32_t row = warp / W::WARPS_N * W::WM + (lane >> 2);
  uint32_t column = warp % W::WARPS_N * W::WN + (lane & 3) * 2;
  uint32_t first = p.node.passes ? 0 : chunk * BN;

  /* all reads before any write, which could be to where they are from */
#pragma unroll
  for (int j = 0; j < W::NJ; j++) {
    uint32_t c = column + (uint32_t) j * 8;
    float2 b = *reinterpret_cast<const float2 *> (bias + chunk * BN + c);
#pragma unroll
    for (int i = 0; i < W::MI * 2; i++) {
      sums[i / 2][j][i % 2 * 2] += b.x;
      sums[i / 2][j][i % 2 * 2 + 1] += b.y;
    }
  }
  if (d.adds)
#pragma unroll
    for (int j = 0; j < W::NJ; j++) {
      uint32_t c = column + (uint32_t) j * 8;
#pragma unroll
      for (int i = 0; i < W::MI * 2; i++) {
        float2 e = dcnn_cuda_widen (*reinterpret_cast<const Pair *> (rows +
                (row + (uint32_t) i * 8) * d.pitch + (first + c) * 2));
        sums[i / 2][j][i % 2 * 2] += e.x;
        sums[i / 2][j][i % 2 * 2 + 1] += e.y;
      }
    }
#pragma unroll
  for (int j = 0; j < W::NJ; j++) {
    uint32_t c = column + (uint32_t) j * 8;
#pragma unroll
    for (int i = 0; i < W::MI * 2; i++) {
      float *v = &sums[i / 2][j][i % 2 * 2];
      *reinterpret_cast<Pair *> (rows + (row + (uint32_t) i * 8) * d.pitch +
          (first + c) * 2) = dcnn_cuda_narrow<T> (dcnn_cuda_clip (v[0], least,
              most), dcnn_cuda_clip (v[1], least, most));
      v[0] = v[1] = 0;
    }
  }
}

template<typename T, int M, int BN>
__device__ void
multiply_tiles (const LongWork &d, Common<M> &common, const Room &room,
    char *shared)
{
  const DcnnCudaNode &node = d.conv.node;
  Items items = items_of<M> (d);
  Turn k_turn = { 0, 0 }, row_turn = { 0, 0 };
  Sums<M, BN> sums = {};
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
        multiply_chunk<T, M, BN> (d, common, room, shared, c, k_turn, sums);
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

template<typename T, int M, int BN>
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
    multiply_tiles<T, M, BN> (d, common, room, shared);
  /* nobody leaves before what it has asked for is there */
  if (threadIdx.x == THREADS && d.resident)
    barrier_wait (shared_address (&common.weights), 0);
}

#endif

template<typename T, int M, int BN>
__global__ void __launch_bounds__ (THREADS + COPIERS, 1)
long_kernel (const __grid_constant__ LongWork d)
{
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  run_long<T, M, BN> (d);
#else
  dcnn_cuda_wait ();
#endif
}

/* ---- launching ---------------------------------------------------------------------- */

/* Channels of a chunk of products. */
static uint32_t
chunk_of (const DcnnCudaConv *p)
{
  return p->n_padded <= 32 ? 32 : p->n_padded <= 64 ? 64 : 128;
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
      (!adds_map (node) || (node->steps[0].map.width == node->out.width &&
          node->steps[0].map.height == node->out.height &&
          is_countable (&node->steps[0].map, n_streams))) &&
      is_countable (&node->in, n_streams) &&
      is_countable (&node->out, n_streams) && (node->passes || in_turn) && shape_long (&d, 0, device);
}

template<typename T, int M, int BN>
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
      (const void *) long_kernel<T, M, BN>, dim3 ((uint32_t) min (items,
              (uint64_t) device->multiprocessors)), THREADS + COPIERS,
      norm_bytes (*p) + d->slots * M * BK * 2 + units * BN * BK * 2 + rows, 1,
      arguments, queue);
}

template<typename T>
static cudaError_t
launch_as (LongWork *d, uint32_t m, uint64_t most, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  uint32_t bn = chunk_of (&d->conv);

  if (m == 64)
    return bn == 32 ? launch<T, 64, 32> (d, most, device, queue) :
        bn == 64 ? launch<T, 64, 64> (d, most, device, queue) :
        launch<T, 64, 128> (d, most, device, queue);
  return bn == 32 ? launch<T, 32, 32> (d, most, device, queue) :
      bn == 64 ? launch<T, 32, 64> (d, most, device, queue) :
      launch<T, 32, 128> (d, most, device, queue);
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
