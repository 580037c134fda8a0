/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_list.cuh - candidates and their lists, a warp a word of the mask: for
 * the kernel that makes lists, and for convolutions whose launch makes those of
 * the next nodes beside it.
 */
#ifndef DCNN_CUDA_LIST_CUH
#define DCNN_CUDA_LIST_CUH

#include <climits>

#include "dcnn_cuda_device.cuh"

#define WARPS 8 /* of a block */
#define NEAR 64 /* words of a source that a block is seen to reach */
#define TOGETHER 2 /* sources whose words are on the way at one time */

/* Over a warp, all of it here; one instruction from sm_80 on. */
__device__ __forceinline__ uint32_t
warp_or (uint32_t v)
{
#if __CUDA_ARCH__ >= 800
  return __reduce_or_sync (0xffffffff, v);
#else
  for (int k = 16; k > 0; k /= 2)
    v |= __shfl_xor_sync (0xffffffff, v, k);
  return v;
#endif
}

__device__ __forceinline__ int
warp_min (int v)
{
#if __CUDA_ARCH__ >= 800
  return __reduce_min_sync (0xffffffff, v);
#else
  for (int k = 16; k > 0; k /= 2)
    v = min (v, __shfl_xor_sync (0xffffffff, v, k));
  return v;
#endif
}

__device__ __forceinline__ int
warp_max (int v)
{
  return -warp_min (-v);
}

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

/* Source words that the windows of an out block may touch. */
struct Reached {
  int by0, bx0, ny, nx;
};

inline __device__ Reached
reached_words (const DcnnCudaList &p, const DcnnCudaSource &q, int by, int bx,
    uint32_t lane)
{
  int lo[2] = { 0, 0 }, hi[2] = { (int) q.height - 1, (int) q.width - 1 };
  int first[2] = { by * 8, bx * 8 };
  int most[2] = { (int) p.height - 1, (int) p.width - 1 };

  for (int a = 0; a < 2; a++) {
    int last = min (first[a] + 7, most[a]);
    if (q.reach == DCNN_CUDA_REACH_WINDOW) {
      lo[a] = max (lo[a], first[a] * q.stride[a] - q.pad[a]);
      hi[a] = min (hi[a], last * q.stride[a] - q.pad[a] +
          (q.kernel[a] - 1) * q.dilation[a]);
    } else if (q.reach == DCNN_CUDA_REACH_TRANSPOSED) {
      int from = first[a] + q.pad[a] - (q.kernel[a] - 1) * q.dilation[a];
      lo[a] = max (lo[a], from / q.stride[a]);
      hi[a] = min (hi[a], (last + q.pad[a]) / q.stride[a]);
    } else if (q.reach == DCNN_CUDA_REACH_TABLE) {
      const uint32_t *index = a ? q.index_x : q.index_y;
      int taps = (int) (a ? q.taps_x : q.taps_y), least = INT_MAX, top = -1;
      for (int i = first[a] * taps + (int) lane; i < (last + 1) * taps;
          i += 32)
        if (index[i] != UINT32_MAX) {
          least = min (least, (int) index[i]);
          top = max (top, (int) index[i]);
        }
      lo[a] = warp_min (least);
      hi[a] = warp_max (top);
    }
  }
  if (lo[0] > hi[0] || lo[1] > hi[1])
    return Reached { 0, 0, 0, 0 };
  return Reached { lo[0] >> 3, lo[1] >> 3, (hi[0] >> 3) - (lo[0] >> 3) + 1,
    (hi[1] >> 3) - (lo[1] >> 3) + 1 };
}

inline __device__ bool
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

/* Candidates of one block, pixel by pixel: any reach. */
inline __device__ uint64_t
by_pixels (const DcnnCudaList &p, const DcnnCudaSource &q,
    const uint64_t *words, int by, int bx, uint32_t lane)
{
  uint64_t all = 0;

  for (int half = 0; half < 2; half++) {
    uint32_t bit = half * 32 + lane;
    uint32_t y = by * 8 + bit / 8, x = bx * 8 + bit % 8;
    bool hit = y < p.height && x < p.width &&
        reaches (q, words, (int) y, (int) x);
    all |= (uint64_t) __ballot_sync (0xffffffff, hit) << (half * 32);
  }
  return all;
}

/* Bits of source row y from column x0 on, from the words that were reached. */
inline __device__ uint64_t
row_bits (const Reached &r, const uint64_t *near, int y, int x0)
{
  int wy = (y >> 3) - r.by0;
  uint64_t bits = 0;

  if (y < 0 || wy < 0 || wy >= r.ny)
    return 0;
  for (int i = 0; i < r.nx; i++) {
    uint64_t byte = near[wy * r.nx + i] >> ((y & 7) * 8) & 0xff;
    int at = (r.bx0 + i) * 8 - x0;
    bits |= at >= 0 ? byte << at : byte >> -at;
  }
  return bits;
}

/* Candidates of one block under a window whose columns fit a word: each lane
 * takes source rows, along x first. near: the words reached, of this warp. */
inline __device__ uint64_t
by_rows (const DcnnCudaSource &q, const Reached &r, const uint64_t *near,
    int by, int bx, uint32_t lane)
{
  int y0 = by * 8 * q.stride[0] - q.pad[0];
  int x0 = bx * 8 * q.stride[1] - q.pad[1];
  uint64_t taps = 0;
  uint32_t hits[2] = { 0, 0 };

  for (int k = 0; k < q.kernel[1]; k++)
    taps |= 1ull << (k * q.dilation[1]);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    uint64_t bits = row_bits (r, near, y0 + i * 32 + (int) lane, x0);
    for (int c = 0; bits && c < 8; c++)
      hits[i] |= (uint32_t) ((bits >> (c * q.stride[1]) & taps) != 0) << c;
  }
  uint32_t row = 0;
  for (int k = 0; k < q.kernel[0]; k++) {
    int from = (int) (lane & 7) * q.stride[0] + k * q.dilation[0];
    uint32_t low = __shfl_sync (0xffffffff, hits[0], from & 31);
    uint32_t high = __shfl_sync (0xffffffff, hits[1], from & 31);
    row |= from < 32 ? low : high;
  }
  row <<= (lane & 3) * 8;
  uint32_t low = warp_or (lane < 4 ? row : 0);
  uint32_t high = warp_or (lane >= 4 && lane < 8 ? row : 0);
  return low | (uint64_t) high << 32;
}

__device__ __forceinline__ bool
fits_rows (const DcnnCudaSource &q)
{
  return q.reach == DCNN_CUDA_REACH_WINDOW &&
      7 * q.stride[0] + (q.kernel[0] - 1) * q.dilation[0] < 64 &&
      7 * q.stride[1] + (q.kernel[1] - 1) * q.dilation[1] < 56;
}

/* What of one source's changes reaches a block, once the words that it reaches are
 * there: `own` has what this lane asked for. */
inline __device__ uint64_t
reached_by (const DcnnCudaList &p, const DcnnCudaSource &q,
    const uint64_t *words, const Reached &r, const uint64_t *near, int by,
    int bx, uint64_t own, uint64_t inside, uint32_t lane)
{
  if (!__any_sync (0xffffffff, own != 0))
    return 0;
  if (q.reach == DCNN_CUDA_REACH_ALL)
    return inside;
  return r.ny * r.nx <= NEAR && fits_rows (q) ?
      by_rows (q, r, near, by, bx, lane) :
      by_pixels (p, q, words, by, bx, lane);
}

/* What changes in the masks `words` of all sources reach of one block. Several
 * sources' words are asked for at one time: it is their way that takes long.
 * near: of this warp. */
inline __device__ uint64_t
candidates (const DcnnCudaList &p, bool exact, uint32_t s, uint32_t w,
    uint64_t inside, uint64_t (*near)[NEAR], uint32_t lane)
{
  int by = (int) (w / p.blocks_x), bx = (int) (w % p.blocks_x);
  bool there = lane < p.n_sources;
  bool same = there && p.sources[lane].reach == DCNN_CUDA_REACH_SAME;
  uint32_t others = __ballot_sync (0xffffffff, there && !same);
  uint64_t all = 0, mine = 0;

  /* those of the same pixel at once, a lane each */
  if (same) {
    const DcnnCudaSource &q = p.sources[lane];
    mine = (exact ? q.exact : q.updated)[(uint64_t) s * q.words + w];
  }
  while (others) {
    const uint64_t *words[TOGETHER];
    uint64_t own[TOGETHER];
    uint32_t index[TOGETHER], n_now = min (TOGETHER, __popc (others));
    Reached r[TOGETHER];
#pragma unroll
    for (uint32_t g = 0; g < TOGETHER; g++) {
      index[g] = g < n_now ? (uint32_t) __ffs ((int) others) - 1 : 0;
      others &= g < n_now ? others - 1 : ~0u;
      own[g] = 0;
      if (g >= n_now)
        continue;
      const DcnnCudaSource &q = p.sources[index[g]];
      words[g] = (exact ? q.exact : q.updated) + (uint64_t) s * q.words;
      r[g] = reached_words (p, q, by, bx, lane);
      if ((int) lane < r[g].ny * r[g].nx)
        own[g] = words[g][(r[g].by0 + (int) lane / r[g].nx) * q.blocks_x +
            r[g].bx0 + (int) lane % r[g].nx];
    }
    __syncwarp ();
#pragma unroll
    for (uint32_t g = 0; g < TOGETHER; g++) {
      if (g >= n_now)
        continue;
      const DcnnCudaSource &q = p.sources[index[g]];
      int n = r[g].ny * r[g].nx;
      if ((int) lane < n)
        near[g][lane] = own[g];
      for (int k = (int) lane + 32; k < n; k += 32) {
        uint64_t word = words[g][(r[g].by0 + k / r[g].nx) * q.blocks_x +
            r[g].bx0 + k % r[g].nx];
        if (k < NEAR)
          near[g][k] = word;
        own[g] |= word;
      }
    }
    __syncwarp ();
#pragma unroll
    for (uint32_t g = 0; g < TOGETHER; g++)
      if (g < n_now)
        all |= reached_by (p, p.sources[index[g]], words[g], r[g], near[g], by,
            bx, own[g], inside, lane);
  }
  all |= warp_or ((uint32_t) mine) | (uint64_t) warp_or ((uint32_t) (mine >>
          32)) << 32;
  return all & inside;
}

/* Pixels of the block whose turn it is to be settled. */
inline __device__ uint64_t
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

/* Pixels of the block that the window's move has brought into view. */
inline __device__ uint64_t
entering (const DcnnCudaList &p, const DcnnCudaStream &f, uint32_t by,
    uint32_t bx)
{
  if (!dcnn_cuda_moved (f) || p.stride[0] == 0 || p.stride[1] == 0)
    return 0;
  int dy = f.move[0] / (int) p.stride[0], dx = f.move[1] / (int) p.stride[1];
  uint64_t rows = 0;
  uint32_t columns = 0;
  for (int i = 0; i < 8; i++) {
    int y = (int) by * 8 + i, x = (int) bx * 8 + i;
    if (y + dy >= 0 && y + dy < (int) p.height)
      rows |= 0xffull << (8 * i);
    columns |= (x + dx >= 0 && x + dx < (int) p.width) << i;
  }
  return ~(rows & 0x0101010101010101ull * columns);
}

/* What is listed of one block, for which reasons. */
struct Listed {
  uint64_t change, turn, all, entering;
};

inline __device__ Listed
list_word (const DcnnCudaList &p, const DcnnCudaStream &f, uint32_t s,
    uint32_t w, uint64_t (*near)[NEAR], uint32_t lane)
{
  uint32_t by = w / p.blocks_x, bx = w % p.blocks_x;
  uint64_t at = (uint64_t) s * p.words + w;
  uint32_t rows = min (8u, p.height - by * 8);
  uint32_t columns = min (8u, p.width - bx * 8);
  uint64_t inside = (rows == 8 ? ~0ull : (1ull << (8 * rows)) - 1) &
      0x0101010101010101ull * ((1u << columns) - 1);
  uint64_t pending = p.pending ? p.pending[at] : 0, correct = 0;
  Listed l;

  l.entering = f.dense ? inside : entering (p, f, by, bx) & inside;
  l.change = f.dense ? inside : candidates (p, false, s, w, inside, near,
      lane) | l.entering;
  if (f.settling)
    correct = candidates (p, true, s, w, inside, near, lane);
  pending |= correct;
  /* what is kept back of this frame's changes is settled at once */
  l.turn = (pending | l.change) & turn_of (f, p.height, by, w);
  /* nodes that pass on hold no correction back either */
  l.all = l.change | l.turn | (p.passed ? correct : 0);
  __syncwarp ();
  if (lane == 0) {
    if (p.listed)
      p.listed[at] = l.all;
    if (p.pending) {
      p.updated[at] = 0;
      p.exact[at] = 0;
      p.pending[at] = pending & ~(l.change | l.turn);
    }
    if (p.passed) {
      p.passed[at] = l.change;
      p.passed_exact[at] = l.all & ~l.change;
    }
  }
  return l;
}

/* What a block needs of shared memory. */
struct ListRoom {
  DcnnCudaList list;       /* the description: of the graph, so there before what
                              is ahead of the launch is done */
  uint64_t near[WARPS][TOGETHER][NEAR];
  uint32_t found[WARPS], first;
};

/* Asked by all of the block, which must meet before it reads it. */
inline __device__ void
take_list (const DcnnCudaList *from, ListRoom &room)
{
  static_assert (sizeof (DcnnCudaList) % 8 == 0, "copied by eights");
  for (uint32_t i = threadIdx.x; i < sizeof (DcnnCudaList) / 8;
      i += WARPS * 32)
    reinterpret_cast<uint64_t *> (&room.list)[i] =
        reinterpret_cast<const uint64_t *> (from)[i];
}

/* Words x * WARPS .. of a stream's mask, and every blocks_x-th such group; by a
 * block of WARPS warps. */
inline __device__ void
make_list (ListRoom &room, const DcnnCudaStream &f, uint32_t s, uint32_t x,
    uint32_t blocks_x)
{
  const DcnnCudaList &p = room.list;
  uint32_t lane = threadIdx.x & 31, warp = threadIdx.x / 32;

  for (uint32_t base = x * WARPS; base < p.words;
      base += blocks_x * WARPS) {
    uint32_t w = base + warp, before = 0, total = 0;
    Listed l = { 0, 0, 0, 0 };
    if (w < p.words)
      l = list_word (p, f, s, w, room.near[warp], lane);
    if (lane == 0) {
      room.found[warp] = (uint32_t) __popcll (l.all);
      if (l.all & ~l.change)
        atomicAdd (p.corrections + s, (uint32_t) __popcll (l.all & ~l.change));
    }
    __syncthreads ();
    for (uint32_t i = 0; i < WARPS; i++) {
      before += i < warp ? room.found[i] : 0;
      total += room.found[i];
    }
    if (threadIdx.x == 0 && total) {
      room.first = atomicAdd (p.count, total);
      atomicAdd (p.candidates + s, total);
    }
    __syncthreads ();
    for (int half = 0; half < 2 && l.all; half++) {
      uint32_t bit = half * 32 + lane;
      if (!(l.all >> bit & 1))
        continue;
      DcnnCudaPixel e;
      e.at = (w / p.blocks_x * 8 + bit / 8) << 16 |
          (w % p.blocks_x * 8 + bit % 8);
      e.stream = s | (l.entering >> bit & 1 ? DCNN_CUDA_FORCE : 0) |
          (l.change >> bit & 1 ? DCNN_CUDA_CHANGE : 0) |
          (l.turn >> bit & 1 ? DCNN_CUDA_EXACT : 0);
      p.list[room.first + before + __popcll (l.all & ((1ull << bit) - 1))] = e;
    }
    __syncthreads ();
  }
}

/* What block `block` makes of lists beside another kernel's work; waits for what
 * is ahead of the launch. shared: sizeof (ListRoom) bytes. */
__device__ __forceinline__ void
make_lists_beside (const DcnnCudaBeside &lists, uint32_t block, char *shared)
{
  uint32_t x = block % lists.blocks_x, i = block / lists.blocks_x;
  uint32_t s = i % lists.n_streams, l = i / lists.n_streams;

  ListRoom &room = *reinterpret_cast<ListRoom *> (shared);
  if (l < lists.n) /* the last cluster may not be full */
    take_list (lists.lists + l, room);
  dcnn_cuda_wait ();
  __syncthreads ();
  if (l < lists.n)
    make_list (room, lists.streams[s], s, x, lists.blocks_x);
}

#endif
