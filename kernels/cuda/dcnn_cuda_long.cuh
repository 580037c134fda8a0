/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_long.cuh - rows of longer lists from shared memory to the map: compared
 * with what it holds, judged and stored, whole rows by a warp.
 */
#ifndef DCNN_CUDA_LONG_CUH
#define DCNN_CUDA_LONG_CUH

#include "dcnn_cuda_groups.cuh"
#include "dcnn_cuda_tile.cuh"

/* What a block does, and how its shared memory is shared out: slots of steps of k,
 * then weights, then slots of rows. */
struct LongWork {
  DcnnCudaConv conv;
  CUtensorMap weights;
  uint32_t n_k, chunks;    /* of 64 of k; of BN channels */
  uint32_t slots;          /* steps of k on their way */
  uint32_t resident;       /* all weights stay, each where its step is */
  uint32_t row_slots;      /* tiles whose rows are on their way: 1 or 2 */
  uint32_t pitch;          /* bytes of such a row; from bank to bank 16 on */
  uint32_t adds;           /* the first step's map comes with the rows */
};

/* dcnn_cuda_slim.cu: of what dcnn_cuda_long_accepts(), nodes that pass on, of a pixel
 * each, of up to 64 channels. */
bool dcnn_cuda_slim_accepts (const DcnnCudaConv *conv);
cudaError_t dcnn_cuda_slim (const DcnnCudaConv *conv, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue);

/* What is known of a tile's row beside what it holds. */
struct RowFacts {
  DcnnCudaPixel pixel;
  DcnnCudaJudge judge;
  uint32_t record;         /* DcnnCudaStream's */
};

__device__ __forceinline__ int
vectors_to (const DcnnCudaMap &map, const DcnnCudaPixel &e)
{
  return (int) (dcnn_cuda_at (map, dcnn_cuda_stream_of (e),
          (e.at >> 16) & 0x7fff, e.at & 0x7fff) / 8);
}

/* Rows that pass on: a warp's part of the tile's, BN channels of each. */
template<int M, int BN>
__device__ __forceinline__ void
store_rows (const LongWork &d, const RowFacts *facts, uint32_t n_rows,
    uint32_t chunk, const char *rows)
{
  constexpr uint32_t V = BN / 8, AT_ONCE = 32 / V;
  const DcnnCudaMap &out = d.conv.node.out;
  uint32_t lane = threadIdx.x & 31, v = chunk * V + lane % V;

#pragma unroll
  for (uint32_t i = 0; i < M / 8; i += AT_ONCE) {
    uint32_t row = (threadIdx.x >> 5) * (M / 8) + i + lane / V;
    if (row < n_rows && v * 8 < out.span)
      static_cast<uint4 *> (out.data)[vectors_to (out, facts[row].pixel) + v] =
          *reinterpret_cast<const uint4 *> (rows + row * d.pitch + lane % V * 16);
  }
}

/* What a lane knows of its vector of a stream's channels: what they are weighed by. */
struct Weights {
  float w[8];
  uint32_t stream;         /* UINT32_MAX: nothing yet */
};

/* The change of a vector of a row, `old` and what it comes to, `u`. */
template<typename T>
__device__ __forceinline__ DcnnCudaChange
compare_vector (const DcnnCudaNode &node, const RowFacts &facts, uint4 u, uint4 old,
    uint32_t c, Weights &weights)
{
  uint32_t s = dcnn_cuda_stream_of (facts.pixel);
  DcnnCudaChange change = { 0, 0, 0 };
  float a[8], b[8];

  if (facts.judge.weighted && weights.stream != s) {
    dcnn_cuda_load_floats (node.weight + s * node.weight_stride + c, weights.w);
    weights.stream = s;
  }
  dcnn_cuda_unpack<T> (u, a);
  dcnn_cuda_unpack<T> (old, b);
  dcnn_cuda_compare_by (change, facts.judge, a, b, weights.w,
      min (8, node.out.span - c));
  return change;
}

/* Changes of rows of `lanes` lanes each, added up as the list's kernel does: chunks of
 * `of` lanes by halves, and one chunk after the other. A lane adds those of the row
 * that its number is in, modulo the rows at hand, to `all`. */
__device__ __forceinline__ void
add_changes (DcnnCudaChange change, int kind, uint32_t lanes, uint32_t of,
    DcnnCudaChange &all, int all_kind)
{
  uint32_t first = (threadIdx.x & 31) % (32 / lanes) * lanes;
  uint32_t row = (uint32_t) ((1ull << lanes) - 1) << first;
  bool relative = __any_sync (0xffffffff, kind == DCNN_CUDA_SIGNIFICANT_RELATIVE);

  all.flags |= (__ballot_sync (0xffffffff, change.flags & 1) & row ? 1 : 0) |
      (__ballot_sync (0xffffffff, change.flags & 2) & row ? 2 : 0);
#pragma unroll
  for (uint32_t bit = 1; bit < 8; bit *= 2)
    if (bit < of) {
      float o = __shfl_xor_sync (0xffffffff, change.sum, bit);
      change.sum = kind == DCNN_SIGNIFICANT_MAX ? fmaxf (change.sum, o) :
          change.sum + o;
      if (relative)
        change.size += __shfl_xor_sync (0xffffffff, change.size, bit);
    }
  for (uint32_t c = 0; c < lanes; c += of) {
    float o = __shfl_sync (0xffffffff, change.sum, first + c);
    all.sum = all_kind == DCNN_SIGNIFICANT_MAX ? fmaxf (all.sum, o) : all.sum + o;
    if (relative)
      all.size += __shfl_sync (0xffffffff, change.size, first + c);
  }
}

#define AT_ONCE 4 /* rows whose chains of instructions fill each other's gaps */

/* The changes of the warp's rows as compare_vector() and add_changes() have them, where
 * all are one stream's, squares are added up and vectors are whole: without a branch. */
template<typename T, int M, int LANES, int OF>
__device__ __forceinline__ void
compare_plain_rows (const LongWork &d, uint32_t n_rows, const char *rows,
    const float *weight, DcnnCudaChange &all)
{
  constexpr uint32_t PER = 32 / LANES, N = M / 8 / PER < AT_ONCE ? M / 8 / PER : AT_ONCE;
  uint32_t vectors = d.conv.node.out.span / 8, lane = threadIdx.x & 31;
  uint32_t first = (threadIdx.x >> 5) * (M / 8), from = lane % PER * LANES;
  uint32_t own = (uint32_t) ((1ull << LANES) - 1) << from;

  for (uint32_t base = 0; base < vectors; base += LANES) {
    uint32_t v = min (base + lane % LANES, vectors - 1);
    bool there = base + lane % LANES < vectors;
    float w[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    if (weight)
      dcnn_cuda_load_floats (weight + v * 8, w);
#pragma unroll 1
    for (uint32_t i = 0; i < M / 8; i += N * PER) {
      float sum[N];
      bool differs[N];
#pragma unroll
      for (uint32_t k = 0; k < N; k++) {
        uint32_t row = min (first + i + k * PER + lane / LANES, n_rows - 1);
        const char *at = rows + row * d.pitch + v * 16;
        float a[8], b[8];
        dcnn_cuda_unpack<T> (*reinterpret_cast<const uint4 *> (at), a);
        dcnn_cuda_unpack<T> (*reinterpret_cast<const uint4 *> (at + M * d.pitch), b);
        sum[k] = 0;
        differs[k] = false;
#pragma unroll
        for (int c = 0; c < 8; c++) {
          float change = (a[c] - b[c]) * w[c];
          differs[k] |= a[c] != b[c];
          sum[k] += change * change;
        }
        sum[k] = there ? sum[k] : 0;
      }
#pragma unroll
      for (uint32_t bit = 1; bit < OF; bit *= 2)
#pragma unroll
        for (uint32_t k = 0; k < N; k++)
          sum[k] += __shfl_xor_sync (0xffffffff, sum[k], bit);
#pragma unroll
      for (uint32_t k = 0; k < N; k++) {
        DcnnCudaChange row = all;
        row.flags |= __ballot_sync (0xffffffff, there && differs[k]) & own ? 1 : 0;
#pragma unroll
        for (uint32_t c = 0; c < LANES; c += OF)
          row.sum += __shfl_sync (0xffffffff, sum[k], from + c);
        if (lane - i - k * PER < PER)
          all = row;
      }
    }
  }
}

template<typename T, int M, int LANES>
__device__ __forceinline__ void
compare_plain (const LongWork &d, uint32_t n_rows, const char *rows,
    const float *weight, DcnnCudaChange &all)
{
  if (d.conv.channels == 64)
    compare_plain_rows<T, M, LANES, 8> (d, n_rows, rows, weight, all);
  else
    compare_plain_rows<T, M, LANES, 4> (d, n_rows, rows, weight, all);
}

/* The changes of any rows. */
template<typename T, int M>
__device__ __noinline__ DcnnCudaChange
compare_rows (const LongWork &d, const RowFacts *facts, uint32_t n_rows,
    const char *rows, uint32_t lanes, int all_kind)
{
  const DcnnCudaNode &node = d.conv.node;
  uint32_t vectors = (node.out.span + 7) / 8, per = 32 / lanes;
  uint32_t lane = threadIdx.x & 31, own = lane & (lanes - 1), group = lane / lanes;
  uint32_t first = (threadIdx.x >> 5) * (M / 8);
  DcnnCudaChange all = { 0, 0, 0 };

#pragma unroll 1
  for (uint32_t at = own; at < vectors + own; at += lanes) {
    Weights weights = { {}, UINT32_MAX };
#pragma unroll 1
    for (uint32_t i = 0; i < M / 8; i += per) {
      uint32_t row = first + i + group;
      const char *from = rows + row * d.pitch + at * 16;
      DcnnCudaChange change = { 0, 0, 0 }, sum = all;
      if (row < n_rows && at < vectors)
        change = compare_vector<T> (node, facts[row],
            *reinterpret_cast<const uint4 *> (from),
            *reinterpret_cast<const uint4 *> (from + M * d.pitch), at * 8,
            weights);
      add_changes (change, facts[min (row, n_rows - 1)].judge.kind, lanes,
          d.conv.channels / 8, sum, all_kind);
      if (lane - i < per)
        all = sum;
    }
  }
  return all;
}

/* The warp's rows, `lanes` lanes each (8, 16 or 32): all are compared; then each is
 * judged by a lane of its own; then those that join are stored. */
template<typename T, int M>
__device__ __forceinline__ void
judge_listed (const LongWork &d, const RowFacts *facts, uint32_t n_rows,
    const char *rows, uint32_t lanes)
{
  const DcnnCudaNode &node = d.conv.node;
  uint32_t span = node.out.span, vectors = (span + 7) / 8, per = 32 / lanes;
  uint32_t lane = threadIdx.x & 31, own = lane & (lanes - 1), group = lane / lanes;
  uint32_t first = (threadIdx.x >> 5) * (M / 8);
  bool judges = lane < M / 8 && first + lane < n_rows;
  RowFacts mine = judges ? facts[first + lane] : RowFacts {};
  DcnnCudaChange all = { 0, 0, 0 };

  if (first >= n_rows)
    return;
  const RowFacts &one = facts[first];
  uint32_t s = dcnn_cuda_stream_of (one.pixel);
  const float *weight = one.judge.weighted ? node.weight + s * node.weight_stride :
      NULL;
  bool plain = span % 8 == 0 && !__any_sync (0xffffffff, judges &&
      (dcnn_cuda_stream_of (mine.pixel) != s ||
          mine.judge.kind != one.judge.kind ||
          mine.judge.weighted != one.judge.weighted ||
          one.judge.kind == DCNN_SIGNIFICANT_MAX ||
          one.judge.kind == DCNN_CUDA_SIGNIFICANT_RELATIVE));
  if (!plain)
    all = compare_rows<T, M> (d, facts, n_rows, rows, lanes, mine.judge.kind);
  else if (lanes == 32)
    compare_plain<T, M, 32> (d, n_rows, rows, weight, all);
  else if (lanes == 16)
    compare_plain<T, M, 16> (d, n_rows, rows, weight, all);
  else
    compare_plain<T, M, 8> (d, n_rows, rows, weight, all);
  int verdict = judges ? dcnn_cuda_verdict (all, mine.judge, mine.pixel.stream) :
      DCNN_CUDA_SAME;
  if (judges)
    dcnn_cuda_note (node, mine.pixel, verdict, mine.record);
  uint32_t stored = __ballot_sync (0xffffffff, verdict >= DCNN_CUDA_JOINED);
  int to = vectors_to (node.out, mine.pixel);
  for (uint32_t at = own; at < vectors + own; at += lanes)
#pragma unroll
    for (uint32_t i = 0; i < M / 8; i++) {
      uint32_t row = i * per + group;
      int pixel = __shfl_sync (0xffffffff, to, row);
      if (i * per < M / 8 && at < vectors && (stored >> row & 1))
        static_cast<uint4 *> (node.out.data)[pixel + at] =
            *reinterpret_cast<const uint4 *> (rows + (first + row) * d.pitch +
                at * 16);
    }
}

#endif
