/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_conv.cuh - what the kernels of convolutions on a list share: which
 * rows a block has and what they read, copies of both operands, and the way of
 * a row from its sums to the map: bias, steps, judgement, mask. Copies are of
 * elements of two bytes, whatever these hold.
 */
#ifndef DCNN_CUDA_CONV_CUH
#define DCNN_CUDA_CONV_CUH

#include <climits>

#include "dcnn_cuda_device.cuh"
#include "dcnn_cuda_mma.cuh"
#include "dcnn_cuda_swizzle.h"

#define BK DCNN_SWIZZLE_HALVES
#define THREADS 256
#define NARROW 32
#define WIDE 128

/* ---- geometry --------------------------------------------------------------------- */

/* What a vector of a step of k reads of a row's input: which tap, and elements from
 * the row's base on. Where the convolution is transposed, the tap's own indices
 * and the channel alone. */
struct Tap {
  int place;               /* y in the upper half, x in the lower */
  int shift;               /* NO_TAP: past the last one */
};

#define NO_TAP INT_MIN
#define TAPS 36 /* steps of k whose taps a block remembers */

/* What each block has of a tile's rows; and taps, a step's eight together. */
struct Rows {
  Tap taps[TAPS * 8];
  DcnnCudaPixel pixel[WIDE];
  int64_t base[WIDE];      /* element that tap 0 reads */
  int2 corner[WIDE];       /* row and column of it; may be outside */
  DcnnCudaChange change[WIDE];
  int verdict[WIDE];
};

/* Where the block stands: its split of k, and its chunks of channels. */
struct Part {
  uint32_t rank, split, chunk0, chunk_step, n_chunks;
  uint32_t sharing;        /* splits that share the tile's rows: all, or 1 */
  uint32_t k0, n_k;        /* in steps of BK */
  uint32_t stride;         /* halves of a row of results */
  bool direct;             /* the tile's rows are all stored: nothing is compared */
  bool whole;              /* the block has all channels of a row at one time */
};

/* A thread's place in the taps: which tap, and which vector of its pixel. */
struct Walk {
  uint32_t c8;
  int ky, kx;
};

__device__ __forceinline__ Walk
walk_from (const DcnnCudaConv &p, uint32_t vector)
{
  uint32_t tap = vector / p.span8;
  return Walk { vector % p.span8, (int) tap / p.kernel[1],
    (int) tap % p.kernel[1] };
}

__device__ __forceinline__ void
walk (Walk &w, const DcnnCudaConv &p, uint32_t step)
{
  w.c8 += step;
  while (w.c8 >= p.span8) {
    w.c8 -= p.span8;
    if (++w.kx == p.kernel[1])
      w.kx = 0, w.ky++;
  }
}

__device__ __forceinline__ Tap
tap_of (const DcnnCudaConv &p, const Walk &w)
{
  int dy = w.ky * p.dilation[0], dx = w.kx * p.dilation[1];
  Tap t = { dy << 16 | dx, (dy * (int) p.node.in.width + dx) *
      (int) p.node.in.pixel + (int) w.c8 * 8 };

  if (p.transposed)
    t = Tap { w.ky << 16 | w.kx, (int) w.c8 * 8 };
  if (w.ky >= p.kernel[0])
    t.shift = NO_TAP;
  return t;
}

/* Taps of the first steps of n_k, k0 on: known before anything is waited for.
 * The block must meet before they are read. */
__device__ __forceinline__ void
fill_taps (const DcnnCudaConv &p, Tap *taps, uint32_t k0, uint32_t n_k)
{
  for (uint32_t i = threadIdx.x; i < min (n_k, (uint32_t) TAPS) * 8;
      i += blockDim.x)
    taps[i] = tap_of (p, walk_from (p, k0 * 8 + i));
}

/* What is rare is out of line: each kernel's instructions have to be fetched, and
 * of those that copies are made of, every one is waited for. */
static __device__ __noinline__ Tap
far_tap (const DcnnCudaConv &p, uint32_t vector)
{
  return tap_of (p, walk_from (p, vector));
}

/* Of step k from k0 on. */
__device__ __forceinline__ Tap
tap_at (const DcnnCudaConv &p, const Tap *taps, uint32_t k0, uint32_t k)
{
  uint32_t piece = threadIdx.x & 7;

  return k < TAPS ? taps[k * 8 + piece] : far_tap (p, (k0 + k) * 8 + piece);
}

/* The row (column) that tap k of a transposed convolution reads. */
__device__ __forceinline__ bool
transposed_tap (const DcnnCudaConv &p, int o, int k, int axis, int size,
    int *at)
{
  int n = o + p.pad[axis] - k * p.dilation[axis];
  *at = n / p.stride[axis];
  return n >= 0 && n % p.stride[axis] == 0 && *at < size;
}

/* What a tap of a transposed convolution reads for a pixel; NULL: nothing. */
static __device__ __noinline__ const uint16_t *
transposed_input (const DcnnCudaConv &p, DcnnCudaPixel e, Tap tap)
{
  int y, x;
  bool in_y = transposed_tap (p, (int) ((e.at >> 16) & 0x7fff),
      tap.place >> 16, 0, (int) p.node.in.height, &y);
  bool in_x = transposed_tap (p, (int) (e.at & 0x7fff), tap.place & 0xffff, 1,
      (int) p.node.in.width, &x);

  return tap.shift != NO_TAP && in_y && in_x ?
      static_cast<const uint16_t *> (p.node.in.data) + tap.shift +
      dcnn_cuda_at (p.node.in, dcnn_cuda_stream_of (e), y, x) : NULL;
}

/* ---- copies ------------------------------------------------------------------------ */

template<int BN>
__device__ __forceinline__ void
load_weights (const DcnnCudaConv &p, uint32_t channel0, uint32_t k,
    uint32_t to)
{
  const uint16_t *weights = static_cast<const uint16_t *> (p.weights);
  uint32_t piece = threadIdx.x & 7;

#pragma unroll
  for (int i = 0; i < BN / 32; i++) {
    uint32_t row = (threadIdx.x >> 3) + i * 32;
    copy_async (to + dcnn_piece_at (row, piece), weights +
        (uint64_t) (channel0 + row) * p.k_padded + k * BK + piece * 8, true);
  }
}

/* Rows whose inputs a thread copies, in registers; a row that is not there is
 * far outside of the map. */
template<int BM>
struct Places {
  int2 corner[BM / 32];
  const uint16_t *base[BM / 32];
};

template<int BM>
__device__ __forceinline__ void
take_places (const DcnnCudaConv &p, const Rows &rows, uint32_t n_rows,
    Places<BM> &places)
{
#pragma unroll
  for (int i = 0; i < BM / 32; i++) {
    uint32_t row = (threadIdx.x >> 3) + i * 32;
    places.corner[i] = row < n_rows ? rows.corner[row] :
        make_int2 (INT_MIN / 2, 0);
    places.base[i] = static_cast<const uint16_t *> (p.node.in.data) +
        rows.base[row];
  }
}

/* What a tap of a convolution that is not transposed reads of the thread's rows. */
template<int BM>
__device__ __forceinline__ void
load_forward (const DcnnCudaConv &p, const Places<BM> &places, const Tap &tap,
    uint32_t to)
{
  int dy = tap.place >> 16, dx = tap.place & 0xffff;

#pragma unroll
  for (int i = 0; i < BM / 32; i++) {
    uint32_t row = (threadIdx.x >> 3) + i * 32;
    bool there = tap.shift != NO_TAP &&
        (uint32_t) (places.corner[i].x + dy) < p.node.in.height &&
        (uint32_t) (places.corner[i].y + dx) < p.node.in.width;
    copy_async (to + dcnn_piece_at (row, threadIdx.x & 7), there ?
        places.base[i] + tap.shift : p.node.in.data, there);
  }
}

template<int BM>
__device__ __forceinline__ void
load_inputs (const DcnnCudaConv &p, const Rows &rows, const Places<BM> &places,
    uint32_t n_rows, const Tap &tap, uint32_t to)
{
  if (!p.transposed) {
    load_forward<BM> (p, places, tap, to);
    return;
  }
#pragma unroll 1
  for (uint32_t row = threadIdx.x >> 3; row < BM; row += 32) {
    const uint16_t *from = row < n_rows ?
        transposed_input (p, rows.pixel[row], tap) : NULL;
    copy_async (to + dcnn_piece_at (row, threadIdx.x & 7), from ? from :
        p.node.in.data, from != NULL);
  }
}

/* ---- what is normalised as it is read ------------------------------------------------ */

/* A NaN stays one. */
template<typename Pair>
__device__ __forceinline__ Pair
clip_pair (Pair v, Pair least, Pair most)
{
#if __CUDA_ARCH__ >= 800
  return __hmin2_nan (__hmax2_nan (v, least), most);
#else
  Pair r = v;
  r.x = v.x < least.x ? least.x : v.x > most.x ? most.x : v.x;
  r.y = v.y < least.y ? least.y : v.y > most.y ? most.y : v.y;
  return r;
#endif
}

/* Of eight channels. */
struct Norm {
  float scale[8], shift[8];
};

/* Bytes of shared memory that scale and shift take in kernels of lists, before all
 * else. */
__host__ __device__ __forceinline__ uint32_t
norm_bytes (const DcnnCudaConv &p)
{
  return p.norm ? (p.k_padded * 8 + 1023) / 1024 * 1024 : 0;
}

/* Both, which no launch writes, to shared memory: read step by step from where they are
 * they would be waited for each time. The block must meet before they are read. */
__device__ __forceinline__ void
take_norm (const DcnnCudaConv &p, char *shared)
{
  for (uint32_t k = threadIdx.x; p.norm && k < p.k_padded / 2; k += blockDim.x)
    reinterpret_cast<float4 *> (shared)[k] =
        reinterpret_cast<const float4 *> (p.norm)[k];
}

__device__ __forceinline__ const float *
taken_norm (const DcnnCudaConv &p, const char *behind)
{
  return reinterpret_cast<const float *> (behind - norm_bytes (p));
}

/* Eight channels from k on, of what was taken, or of p.norm itself. */
__device__ __forceinline__ Norm
norm_at (const DcnnCudaConv &p, const float *norm, uint32_t k)
{
  Norm n;

  dcnn_cuda_load_floats (norm + k, n.scale);
  dcnn_cuda_load_floats (norm + p.k_padded + k, n.shift);
  return n;
}

/* Eight channels of a row in shared memory, rounded as one step after the other; clipped
 * once they are narrow, two at a time, which comes to the same. */
template<typename T>
__device__ __forceinline__ void
normalise (const DcnnCudaConv &p, const Norm &n, char *at)
{
  typedef typename DcnnCudaPair<T>::Type Pair;
  uint4 *vector = reinterpret_cast<uint4 *> (at), u;
  Pair *pairs = reinterpret_cast<Pair *> (&u);
  Pair least = dcnn_cuda_narrow<T> (p.norm_least, p.norm_least);
  Pair most = dcnn_cuda_narrow<T> (p.norm_most, p.norm_most);
  float v[8];

  dcnn_cuda_unpack<T> (*vector, v);
#pragma unroll
  for (int k = 0; k < 8; k++)
    v[k] = __fadd_rn (__fmul_rn (v[k], n.scale[k]), n.shift[k]);
  u = dcnn_cuda_pack<T> (v);
#pragma unroll
  for (int k = 0; k < 4; k++)
    pairs[k] = clip_pair (pairs[k], least, most);
  *vector = u;
}

/* The thread's part of a step of k, which is there: what it has copied of a list's. */
template<typename T, int BM>
__device__ __forceinline__ void
normalise_rows_of (const DcnnCudaConv &p, const Norm &n, char *inputs)
{
#pragma unroll
  for (int i = 0; i < BM / 32; i++)
    normalise<T> (p, n, inputs + dcnn_piece_at ((threadIdx.x >> 3) + i * 32,
            threadIdx.x & 7));
}

/* ---- rows -------------------------------------------------------------------------- */

/* What a thread will need of one row when its sums are there. */
struct Early {
  uint4 old, operand;      /* stored row, residual row */
  DcnnCudaJudge judge;
  uint32_t record;         /* DcnnCudaStream's */
};

/* Of the thread's row in one pass over the split's rows. */
template<int BM, int BN>
__device__ __forceinline__ Early
ask_early (const DcnnCudaConv &p, const Rows &rows, const Part &part,
    uint32_t n_rows, uint32_t pass, uint32_t channel0, uint32_t step)
{
  constexpr uint32_t V = BN / 8;
  uint32_t own = BM / part.sharing;
  uint32_t at = pass * (THREADS / V) + threadIdx.x / V;
  uint32_t row = part.split * own + at, c = channel0 + threadIdx.x % V * 8;
  Early early = {};

  if (part.sharing == 1)
    row = at;
  if (at >= own || row >= n_rows || c >= p.node.out.span)
    return early;
  const DcnnCudaPixel &e = rows.pixel[row];
  uint32_t s = dcnn_cuda_stream_of (e);
  uint32_t y = (e.at >> 16) & 0x7fff, x = e.at & 0x7fff;
  if (!part.direct) {
    early.old = *reinterpret_cast<const uint4 *> (
        static_cast<const uint16_t *> (p.node.out.data) +
        dcnn_cuda_at (p.node.out, s, y, x) + c);
    early.judge = p.node.judge[s * p.node.judge_stride];
    early.record = p.node.streams[s].record;
  }
  if (step < p.node.n_steps) {
    const DcnnCudaMap &m = p.node.steps[step].map;
    early.operand = *reinterpret_cast<const uint4 *> (
        static_cast<const uint16_t *> (m.data) + dcnn_cuda_at (m, s, y, x) + c);
  }
  return early;
}

/* Eight sums of all splits, in their order. */
template<int BN>
__device__ __forceinline__ void
add_splits (const DcnnCudaConv &p, const Part &part, const float *sums,
    uint32_t row, uint32_t c, float *v)
{
  const float *at = sums + row * (BN + 4) + c;

  if (part.sharing == 1) {
    dcnn_cuda_load_floats (at, v);
    return;
  }
#pragma unroll
  for (int k = 0; k < 8; k++)
    v[k] = 0;
  for (uint32_t r = 0; r < p.splits; r++) {
    uint32_t from = cluster_address (at, part.rank * p.splits + r);
    float4 a = cluster_read4 (from), b = cluster_read4 (from + 16);
    v[0] += a.x, v[1] += a.y, v[2] += a.z, v[3] += a.w;
    v[4] += b.x, v[5] += b.y, v[6] += b.z, v[7] += b.w;
  }
}

/* Bias, steps and comparison of the thread's row of one pass and chunk; the
 * rounded row to `results`, or to the map at once where all are stored, or where
 * the row's threads know all of its change. */
template<typename T, int BM, int BN>
__device__ __forceinline__ void
finish_row (const DcnnCudaConv &p, Rows &rows, const Part &part,
    uint32_t n_rows, uint32_t pass, uint32_t chunk, const float *sums,
    uint16_t *results, const float *bias, uint32_t early_step,
    const Early &early)
{
  constexpr uint32_t V = BN / 8;
  uint32_t own = BM / part.sharing;
  uint32_t at = pass * (THREADS / V) + threadIdx.x / V;
  uint32_t row = part.sharing == 1 ? at : part.split * own + at;
  uint32_t c8 = threadIdx.x % V, span = p.node.out.span;
  uint32_t c = (part.chunk0 + chunk * part.chunk_step) * BN + c8 * 8;
  bool there = at < own && row < n_rows && c < span;
  DcnnCudaChange change = { 0, 0, 0 };
  DcnnCudaPixel e = { 0, 0 };
  uint16_t *to = NULL;
  uint4 u = {};

  if (there) {
    e = rows.pixel[row];
    uint32_t s = dcnn_cuda_stream_of (e);
    uint32_t y = (e.at >> 16) & 0x7fff, x = e.at & 0x7fff;
    float v[8], old[8];
    add_splits<BN> (p, part, sums, row, c8 * 8, v);
#pragma unroll
    for (int k = 0; k < 8; k++)
      v[k] += bias[k];
    dcnn_cuda_steps<T> (p.node, s, y, x, c, v, early_step, early.operand);
    u = dcnn_cuda_pack<T> (v);
    to = static_cast<uint16_t *> (p.node.out.data) +
        dcnn_cuda_at (p.node.out, s, y, x) + c;
    if (!part.direct && !part.whole)
      *reinterpret_cast<uint4 *> (results + row * part.stride + chunk * BN +
          c8 * 8) = u;
    if (!part.direct) {
      dcnn_cuda_unpack<T> (u, v);
      dcnn_cuda_unpack<T> (early.old, old);
      dcnn_cuda_compare (change, early.judge, v, old, p.node.weight +
          s * p.node.weight_stride + c, min (8, span - c));
    }
  }
  if (part.direct) {
    if (there)
      *reinterpret_cast<uint4 *> (to) = u;
    return;
  }
#pragma unroll
  for (uint32_t k = 1; k < V; k *= 2)
    dcnn_cuda_change_across (change, k, early.judge.kind);
  if (part.whole) {
    int verdict = dcnn_cuda_verdict (change, early.judge, e.stream);
    verdict = __shfl_sync (0xffffffff, verdict, threadIdx.x & 31 & ~(V - 1));
    if (there && verdict >= DCNN_CUDA_JOINED)
      *reinterpret_cast<uint4 *> (to) = u;
    if (there && c8 == 0)
      dcnn_cuda_note (p.node, e, verdict, early.record);
    return;
  }
  /* the row's first thread of the chunk always has channels */
  if (c8 == 0 && there)
    dcnn_cuda_change_add (rows.change[row], change, early.judge.kind);
}

/* Verdicts of this split's rows from every rank's changes, and what follows. */
template<int BM, int BN>
__device__ void
judge_rows (const DcnnCudaConv &p, Rows &rows, const Part &part,
    uint32_t n_rows, const uint16_t *results)
{
  constexpr uint32_t V = BN / 8;
  uint32_t own = BM / part.sharing;
  uint32_t first = part.sharing == 1 ? 0 : part.split * own;
  uint32_t own_rows = first < n_rows ? min (own, n_rows - first) : 0;

  uint32_t row = first + threadIdx.x;
  DcnnCudaPixel pixel = { 0, 0 };
  DcnnCudaJudge judge = {};
  uint32_t record = 0;

  if (threadIdx.x < own_rows) {
    pixel = rows.pixel[row];
    judge = p.node.judge[dcnn_cuda_stream_of (pixel) * p.node.judge_stride];
    record = p.node.streams[dcnn_cuda_stream_of (pixel)].record;
  }
  if (p.ranks > 1)
    cluster_sync ();
  else
    __syncthreads ();
  if (threadIdx.x < own_rows) {
    DcnnCudaChange all = { 0, 0, 0 };
    for (uint32_t r = 0; r < p.ranks; r++) {
      uint32_t at = cluster_address (&rows.change[row],
          r * p.splits + part.split);
      DcnnCudaChange c;
      c.sum = cluster_read (at);
      c.size = cluster_read (at + 4);
      c.flags = __float_as_uint (cluster_read (at + 8));
      dcnn_cuda_change_add (all, c, judge.kind);
    }
    rows.verdict[row] = dcnn_cuda_verdict (all, judge, pixel.stream);
    if (part.rank == 0)
      dcnn_cuda_note (p.node, pixel, rows.verdict[row], record);
  }
  __syncthreads ();
  if (p.ranks > 1)
    cluster_arrive ();
  uint32_t vectors = part.n_chunks * V;
  for (uint32_t i = threadIdx.x; i < own_rows * vectors; i += THREADS) {
    uint32_t row = first + i / vectors, v = i % vectors;
    uint32_t c = (part.chunk0 + v / V * part.chunk_step) * BN + v % V * 8;
    if (c >= p.node.out.span || rows.verdict[row] < DCNN_CUDA_JOINED)
      continue;
    const DcnnCudaPixel &e = rows.pixel[row];
    *reinterpret_cast<uint4 *> (static_cast<uint16_t *> (p.node.out.data) +
        dcnn_cuda_at (p.node.out, dcnn_cuda_stream_of (e),
            (e.at >> 16) & 0x7fff, e.at & 0x7fff) + c) =
        *reinterpret_cast<const uint4 *> (results + row * part.stride + v * 8);
  }
  if (p.ranks > 1)
    cluster_await (); /* nobody leaves, or begins anew, while it is read */
}

/* The tile's rows have all joined, without having been judged. */
template<int BM>
__device__ __forceinline__ void
note_rows (const DcnnCudaConv &p, const Rows &rows, const Part &part,
    uint32_t n_rows)
{
  uint32_t own = BM / part.sharing;
  uint32_t row = (part.sharing == 1 ? 0 : part.split * own) + threadIdx.x;

  if (part.rank == 0 && threadIdx.x < own && row < n_rows)
    dcnn_cuda_note (p.node, rows.pixel[row], DCNN_CUDA_JOINED, 0);
}

/* Entries [from, to) of the list will join, whatever they come to; asked by
 * all of the block. */
__device__ __forceinline__ bool
all_join (const DcnnCudaConv &p, uint32_t from, uint32_t to)
{
  bool join = true;

  for (uint32_t i = from + threadIdx.x; i < to; i += THREADS)
    join &= (p.node.list[i].stream & DCNN_CUDA_FORCE) != 0;
  return __syncthreads_and (join);
}

/* Row and column that the first tap of a pixel reads, and that place's elements
 * from the map's beginning; both may be outside of it. */
__device__ __forceinline__ int2
corner_of (const DcnnCudaConv &p, const DcnnCudaPixel &e, int64_t *base)
{
  int y = (int) ((e.at >> 16) & 0x7fff) * p.stride[0] - p.pad[0];
  int x = (int) (e.at & 0x7fff) * p.stride[1] - p.pad[1];

  *base = (int64_t) (dcnn_cuda_stream_of (e) * p.node.in.stream) +
      (int64_t) (y * (int) p.node.in.width + x) * p.node.in.pixel;
  return make_int2 (y, x);
}

/* Everything of a tile's rows but their products. */
__device__ __forceinline__ void
take_row (const DcnnCudaConv &p, Rows &rows, uint32_t row,
    const DcnnCudaPixel &e)
{
  rows.pixel[row] = e;
  rows.corner[row] = corner_of (p, e, &rows.base[row]);
  rows.change[row] = DcnnCudaChange { 0, 0, 0 };
}

/* The same of a narrow tile, whose rows have eight threads each: what these
 * read at once, without a meeting of the block. */
__device__ __forceinline__ void
take_own_row (const DcnnCudaConv &p, Rows &rows, uint32_t n_rows,
    const DcnnCudaPixel &e, Places<NARROW> &places)
{
  uint32_t row = threadIdx.x >> 3;
  int64_t base;
  int2 corner = corner_of (p, e, &base);

  places.corner[0] = row < n_rows ? corner : make_int2 (INT_MIN / 2, 0);
  places.base[0] = static_cast<const uint16_t *> (p.node.in.data) + base;
  if ((threadIdx.x & 7) == 0) {
    rows.pixel[row] = row < n_rows ? e : DcnnCudaPixel { 0, 0 };
    rows.change[row] = DcnnCudaChange { 0, 0, 0 };
  }
  __syncwarp (); /* transposed ones read the pixel */
}

#endif
