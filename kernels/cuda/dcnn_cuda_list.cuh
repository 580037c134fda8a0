/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_list.cuh - candidates and their lists: for the kernel that makes
 * lists, and for convolutions whose launch makes those of the next nodes beside
 * it.
 *
 * A warp has up to 32 words of a mask, of one stream, lane i the i-th of them. Of
 * lists whose sources are read by whole words (DcnnCudaList.by_words), a lane finds
 * its word's candidates by itself; where the warp has one word, the words that it
 * reads are shared out among the lanes. Of other lists the warp goes together
 * through its words, but for those that nothing can reach. What follows from the
 * graph alone is worked out before what is ahead of the launch is done.
 */
#ifndef DCNN_CUDA_LIST_CUH
#define DCNN_CUDA_LIST_CUH

#include <climits>

#include "dcnn_cuda_device.cuh"

#define WARPS 8 /* of a block */
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

__device__ __forceinline__ uint64_t
warp_or_words (uint64_t v)
{
  return warp_or ((uint32_t) v) | (uint64_t) warp_or ((uint32_t) (v >> 32)) <<
      32;
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
  uint32_t share;          /* i * share >> 16 is i / nx of i < 32 */
};

/* The least and the most that a table has of 8 rows (columns) from `first` on. */
__device__ __forceinline__ void
table_span (const uint32_t *index, int taps, int first, int last, int *lo,
    int *hi)
{
  uint32_t least = UINT32_MAX;

  *hi = -1;
  for (int k = 0; k < taps; k++) {
    uint32_t i[8];
#pragma unroll
    for (int r = 0; r < 8; r++)
      i[r] = first + r <= last ? index[(first + r) * taps + k] : UINT32_MAX;
#pragma unroll
    for (int r = 0; r < 8; r++) {
      least = min (least, i[r]);
      *hi = max (*hi, (int) i[r]); /* no tap: -1 */
    }
  }
  *lo = least == UINT32_MAX ? INT_MAX : (int) least;
}

inline __device__ Reached
reached_words (const DcnnCudaList &p, const DcnnCudaSource &q, int by, int bx)
{
  int lo[2] = { 0, 0 }, hi[2] = { (int) q.height - 1, (int) q.width - 1 };
  int first[2] = { by * 8, bx * 8 };
  int most[2] = { (int) p.height - 1, (int) p.width - 1 };

  for (int a = 0; a < 2; a++) {
    int last = min (first[a] + 7, most[a]);
    if (q.reach == DCNN_CUDA_REACH_SAME) {
      lo[a] = first[a];
      hi[a] = last;
    } else if (q.reach == DCNN_CUDA_REACH_WINDOW) {
      lo[a] = max (lo[a], first[a] * q.stride[a] - q.pad[a]);
      hi[a] = min (hi[a], last * q.stride[a] - q.pad[a] +
          (q.kernel[a] - 1) * q.dilation[a]);
    } else if (q.reach == DCNN_CUDA_REACH_TRANSPOSED) {
      int from = first[a] + q.pad[a] - (q.kernel[a] - 1) * q.dilation[a];
      lo[a] = max (lo[a], from / q.stride[a]);
      hi[a] = min (hi[a], (last + q.pad[a]) / q.stride[a]);
    } else if (q.reach == DCNN_CUDA_REACH_TABLE) {
      table_span (a ? q.index_x : q.index_y,
          (int) (a ? q.taps_x : q.taps_y), first[a], last, &lo[a], &hi[a]);
    }
  }
  if (lo[0] > hi[0] || lo[1] > hi[1])
    return Reached { 0, 0, 0, 0, 0 };
  int nx = (hi[1] >> 3) - (lo[1] >> 3) + 1;
  return Reached { lo[0] >> 3, lo[1] >> 3, (hi[0] >> 3) - (lo[0] >> 3) + 1, nx,
    65536u / (uint32_t) nx + 1 };
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

  bool tall = 7 * q.stride[0] + (q.kernel[0] - 1) * q.dilation[0] >= 32;
  for (int k = 0; k < q.kernel[1]; k++)
    taps |= 1ull << (k * q.dilation[1]);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    if (i == 1 && !tall)
      continue;
    uint64_t bits = row_bits (r, near, y0 + i * 32 + (int) lane, x0);
    for (int c = 0; bits && c < 8; c++)
      hits[i] |= (uint32_t) ((bits >> (c * q.stride[1]) & taps) != 0) << c;
  }
  uint32_t row = 0;
  for (int k = 0; k < q.kernel[0]; k++) {
    int from = (int) (lane & 7) * q.stride[0] + k * q.dilation[0];
    uint32_t low = __shfl_sync (0xffffffff, hits[0], from & 31);
    uint32_t high = tall ? __shfl_sync (0xffffffff, hits[1], from & 31) : 0;
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
  return r.ny * r.nx <= DCNN_CUDA_NEAR && fits_rows (q) ?
      by_rows (q, r, near, by, bx, lane) :
      by_pixels (p, q, words, by, bx, lane);
}

__device__ __forceinline__ Reached
reached_of_lane (const Reached &r, uint32_t lane)
{
  return Reached { __shfl_sync (0xffffffff, r.by0, lane),
    __shfl_sync (0xffffffff, r.bx0, lane),
    __shfl_sync (0xffffffff, r.ny, lane),
    __shfl_sync (0xffffffff, r.nx, lane),
    __shfl_sync (0xffffffff, r.share, lane) };
}

/* A word of what changes in so many sources from that one on. */
__device__ __forceinline__ uint64_t
changes_at (const DcnnCudaList &p, bool exact, uint32_t first, uint32_t run,
    uint64_t at)
{
  uint64_t all = 0;

#pragma unroll 4
  for (uint32_t i = first; i < first + run; i++)
    all |= (exact ? p.sources[i].exact : p.sources[i].updated)[at];
  return all;
}

/* What changes in the masks `words` of all sources reach of one block. Several
 * sources' words are asked for at one time: it is their way that takes long.
 * reached: what the block reaches of the source of this lane's number. near: of
 * this warp. */
inline __device__ uint64_t
candidates (const DcnnCudaList &p, bool exact, uint32_t s, int by, int bx,
    uint64_t inside, const Reached &reached, uint64_t (*near)[DCNN_CUDA_NEAR],
    uint32_t lane)
{
  bool there = lane < p.n_sources;
  bool same = there && p.sources[lane].reach == DCNN_CUDA_REACH_SAME;
  uint32_t others = __ballot_sync (0xffffffff, there && !same);
  uint64_t follow = __ballot_sync (0xffffffff, there && p.sources[lane].follows);
  uint64_t all = 0, mine = 0;

  /* those of the same pixel at once, a lane each */
  if (same) {
    const DcnnCudaSource &q = p.sources[lane];
    mine = (exact ? q.exact : q.updated)[(uint64_t) s * q.words +
        by * q.blocks_x + bx];
  }
  while (others) {
    const uint64_t *words[TOGETHER];
    uint64_t own[TOGETHER];
    uint32_t index[TOGETHER], run[TOGETHER]; /* source, and how many reach alike */
    uint32_t n_now = min (TOGETHER, __popc (others & ~(uint32_t) follow));
    Reached r[TOGETHER];
#pragma unroll
    for (uint32_t g = 0; g < TOGETHER; g++) {
      index[g] = g < n_now ? (uint32_t) __ffs ((int) others) - 1 : 0;
      run[g] = (uint32_t) __ffs (~(int) (follow >> (index[g] + 1)));
      own[g] = 0;
      if (g >= n_now)
        continue;
      others &= ~(uint32_t) (((1ull << run[g]) - 1) << index[g]);
      const DcnnCudaSource &q = p.sources[index[g]];
      words[g] = (exact ? q.exact : q.updated) + (uint64_t) s * q.words;
      r[g] = reached_of_lane (reached, index[g]);
      int y = (int) (lane * r[g].share >> 16);
      uint64_t at = (uint64_t) s * q.words + (r[g].by0 + y) * q.blocks_x +
          r[g].bx0 + (int) lane - y * r[g].nx;
      if ((int) lane < r[g].ny * r[g].nx)
        own[g] = changes_at (p, exact, index[g], run[g], at);
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
        uint64_t word = changes_at (p, exact, index[g], run[g], (uint64_t) s *
            q.words + (r[g].by0 + k / r[g].nx) * q.blocks_x + r[g].bx0 +
            k % r[g].nx);
        if (k < DCNN_CUDA_NEAR)
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
  return (all | warp_or_words (mine)) & inside;
}

/* ---- what does not depend on masks -------------------------------------------------- */

/* Of a row of a block, the pixels in those cells. */
inline __device__ uint32_t
in_cells (uint64_t places, uint32_t y, uint32_t height, uint32_t bx,
    uint32_t width)
{
  uint32_t cells = (uint32_t) (places >> (y * 8 / height * 8)), row = 0;

  for (uint32_t i = 0; i < 8 && bx * 8 + i < width; i++)
    row |= (cells >> ((bx * 8 + i) * 8 / width) & 1) << i;
  return row;
}

/* Pixels of the block whose turn it is to be settled. */
inline __device__ uint64_t
turn_of (const DcnnCudaStream &f, const DcnnCudaList &p, uint32_t by,
    uint32_t bx, uint32_t w)
{
  int height = (int) p.height;

  if (f.settling == 0)
    return 0;
  if (f.settling == 2)
    return w % f.turns == f.turn ? ~0ull : 0;
  int from = (int) (f.band_from * height), to = (int) (f.band_to * height);
  uint64_t rows = 0;
  for (int r = 0; r < 8; r++) {
    int y = (int) by * 8 + r;
    if (y < height && ((y >= from && y < to) || y + height < to))
      rows |= (f.places == ~0ull ? 0xffull : (uint64_t) in_cells (f.places,
              (uint32_t) y, p.height, bx, p.width)) << (8 * r);
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

/* A lane's word; of lanes past the warp's words: the last one's. */
struct ListWord {
  uint32_t w, by, bx;
  uint32_t around;         /* bit 3 dy + dx + 4: there is a word at (dy, dx) */
  uint64_t inside, entering, turn;
};

inline __device__ ListWord
list_word (const DcnnCudaList &p, const DcnnCudaStream &f, uint32_t w)
{
  uint32_t by = w / p.blocks_x, bx = w % p.blocks_x;
  ListWord l = { w, by, bx, 0777, 0, 0, 0 };

  if (by == 0)
    l.around &= 0770;
  if (by * 8 + 8 >= p.height)
    l.around &= 0077;
  if (bx == 0)
    l.around &= 0666;
  if (bx + 1 == p.blocks_x)
    l.around &= 0333;
  l.inside = dcnn_cuda_inside_block (p.width, p.height, by, bx);
  l.entering = (f.dense ? ~0ull : entering (p, f, by, bx)) & l.inside;
  l.turn = turn_of (f, p, by, bx, w);
  return l;
}

/* What a block needs of shared memory. */
struct ListRoom {
  DcnnCudaList list;       /* the description: of the graph, so there before what
                              is ahead of the launch is done */
  uint64_t near[WARPS][TOGETHER][DCNN_CUDA_NEAR];
  /* where sources are read by words: `updated` and `exact` of this block's stream,
   * first those of the same pixel, then those around it, then those of one word */
  const uint64_t *from[2][DCNN_CUDA_MAX_SOURCES];
  uint32_t n_same, n_around, n_slots;
};

/* By one warp. */
inline __device__ void
sort_sources (ListRoom &room, uint32_t s, uint32_t lane)
{
  const DcnnCudaSource &q = room.list.sources[lane];
  bool there = lane < room.list.n_sources;
  bool one = there && q.reach == DCNN_CUDA_REACH_ALL;
  bool around = there && !one && q.around;
  uint32_t ones = __ballot_sync (0xffffffff, one);
  uint32_t arounds = __ballot_sync (0xffffffff, around);
  uint32_t sames = __ballot_sync (0xffffffff, there && !one && !around);
  uint32_t below = (1u << lane) - 1;
  uint32_t at = one ? __popc (sames) + __popc (arounds) + __popc (ones & below) :
      around ? __popc (sames) + __popc (arounds & below) :
      __popc (sames & below);

  if (there) {
    room.from[0][at] = q.updated + (uint64_t) s * q.words;
    room.from[1][at] = q.exact + (uint64_t) s * q.words;
  }
  if (lane == 0) {
    room.n_same = __popc (sames);
    room.n_around = __popc (arounds);
    room.n_slots = room.n_same + 9 * room.n_around + __popc (ones);
  }
}

/* ---- candidates by words ---------------------------------------------------------- */

/* Pixels of a row of blocks beside or at those of three words. */
__device__ __forceinline__ uint64_t
across (uint64_t west, uint64_t word, uint64_t east)
{
  return word | (word << 1 & 0xfefefefefefefefeull) |
      (word >> 1 & 0x7f7f7f7f7f7f7f7full) |
      (west >> 7 & 0x0101010101010101ull) |
      (east & 0x0101010101010101ull) << 7;
}

/* One of the words that a word's candidates come from. */
struct Slot {
  const uint64_t *updated, *exact; /* NULL: none */
  uint32_t kind;           /* 0 .. 8: 3 dy + dx + 4, to be dilated; or: */
};
#define SLOT_SAME 9
#define SLOT_ONE 10

__device__ __forceinline__ Slot
slot_at (const ListRoom &room, const ListWord &l, uint32_t j)
{
  uint32_t i = j, kind = SLOT_SAME, k = j - room.n_same;
  int at = (int) l.w;

  if (j >= room.n_slots)
    return Slot { NULL, NULL, SLOT_SAME };
  if (j >= room.n_same + 9 * room.n_around) {
    i = j - 8 * room.n_around;
    kind = SLOT_ONE;
    at = 0;
  } else if (j >= room.n_same) {
    i = room.n_same + k / 9;
    kind = k % 9;
    at += ((int) kind / 3 - 1) * (int) room.list.blocks_x + (int) kind % 3 - 1;
    if (!(l.around >> kind & 1))
      return Slot { NULL, NULL, kind };
  }
  return Slot { room.from[0][i] + at, room.from[1][i] + at, kind };
}

__device__ __forceinline__ uint64_t
dilate_slot (uint32_t kind, uint64_t word, uint64_t inside)
{
  uint32_t dx = kind % 3;
  uint64_t row = across (dx == 0 ? word : 0, dx == 1 ? word : 0,
      dx == 2 ? word : 0);

  return kind == SLOT_SAME ? word : kind == SLOT_ONE ? (word ? inside : 0) :
      kind < 3 ? row >> 56 : kind >= 6 ? row << 56 : row | row << 8 | row >> 8;
}

/* Candidates and, where the stream settles, corrections. */
struct Reaching {
  uint64_t change, correct;
};

/* Of the warp's only word, a slot a lane; first: of this lane. */
inline __device__ Reaching
by_slots (const ListRoom &room, const DcnnCudaStream &f, const ListWord &l,
    const Slot &first, uint32_t lane)
{
  Reaching found = { 0, 0 };
  Slot slot = first;

  for (uint32_t j = lane;;) {
    uint64_t u = !f.dense && slot.updated ? *slot.updated : 0;
    uint64_t x = f.settling && slot.exact ? *slot.exact : 0;
    found.change |= dilate_slot (slot.kind, u, l.inside);
    if (f.settling)
      found.correct |= dilate_slot (slot.kind, x, l.inside);
    if ((j += 32) >= room.n_slots)
      break;
    slot = slot_at (room, l, j);
  }
  __syncwarp ();
  found.change = warp_or_words (found.change);
  if (f.settling)
    found.correct = warp_or_words (found.correct);
  return found;
}

/* Of each lane's word, by the lane. */
inline __device__ uint64_t
by_lane (const ListRoom &room, bool exact, const ListWord &l)
{
  const uint64_t *const *from = room.from[exact];
  uint32_t n_same = room.n_same, n_around = room.n_around;
  uint32_t n = room.list.n_sources;
  int across_y = (int) room.list.blocks_x;
  uint64_t found = 0, v[9] = {};

#pragma unroll 4
  for (uint32_t i = 0; i < n_same; i++)
    found |= from[i][l.w];
  for (uint32_t i = n_same; i < n_same + n_around; i++) {
    const uint64_t *at = from[i] + l.w;
    uint64_t now[9];
#pragma unroll
    for (int k = 0; k < 9; k++)
      now[k] = l.around >> k & 1 ? at[(k / 3 - 1) * across_y + k % 3 - 1] : 0;
#pragma unroll
    for (int k = 0; k < 9; k++)
      v[k] |= now[k];
  }
  uint64_t row = across (v[3], v[4], v[5]);
  found |= row | row << 8 | row >> 8 | across (v[0], v[1], v[2]) >> 56 |
      across (v[6], v[7], v[8]) << 56;
  for (uint32_t i = n_same + n_around; i < n; i++)
    found |= from[i][0] ? ~0ull : 0;
  return found;
}

/* ---- candidates by any reach ------------------------------------------------------ */

/* Whether anything that changed can reach a lane's word. */
inline __device__ bool
may_reach (const DcnnCudaList &p, const DcnnCudaStream &f, uint32_t s,
    const ListWord &l)
{
  uint64_t any = 0;
  uint32_t run;
  Reached r;

  for (uint32_t i = 0; i < p.n_sources && !any; i += run) {
    const DcnnCudaSource &q = p.sources[i];
    if (q.reach == DCNN_CUDA_REACH_ALL && q.words > 1)
      return true;
    r = reached_words (p, q, (int) l.by, (int) l.bx);
    for (run = 1; i + run < p.n_sources && p.sources[i + run].follows;)
      run++;
    for (int y = r.by0; y < r.by0 + r.ny; y++)
      for (int x = r.bx0; x < r.bx0 + r.nx; x++) {
        uint64_t at = (uint64_t) s * q.words + y * q.blocks_x + x;
        any |= f.dense ? 0 : changes_at (p, false, i, run, at);
        any |= f.settling ? changes_at (p, true, i, run, at) : 0;
      }
  }
  return any != 0;
}

/* Of each lane's word, by the warp together. reached: of the only word, where n is
 * 1: what it reaches of the source of this lane's number. */
inline __device__ Reaching
by_warp (const DcnnCudaList &p, const DcnnCudaStream &f, uint32_t s,
    const ListWord &l, uint32_t n, Reached reached, uint64_t (*near)[DCNN_CUDA_NEAR],
    uint32_t lane)
{
  Reaching found = { 0, 0 };
  uint32_t todo = f.dense && !f.settling ? 0 : 1;

  if (todo && n > 1)
    todo = __ballot_sync (0xffffffff, lane < n && may_reach (p, f, s, l));
  for (; todo; todo &= todo - 1) {
    uint32_t i = (uint32_t) __ffs ((int) todo) - 1;
    int by = (int) __shfl_sync (0xffffffff, l.by, i);
    int bx = (int) __shfl_sync (0xffffffff, l.bx, i);
    uint64_t inside = __shfl_sync (0xffffffff, l.inside, i);
    uint64_t change = 0, correct = 0;
    if (n > 1 && lane < p.n_sources)
      reached = reached_words (p, p.sources[lane], by, bx);
    if (!f.dense)
      change = candidates (p, false, s, by, bx, inside, reached, near, lane);
    if (f.settling)
      correct = candidates (p, true, s, by, bx, inside, reached, near, lane);
    if (lane == i)
      found = Reaching { change, correct };
  }
  return found;
}

/* ---- lists ------------------------------------------------------------------------ */

/* What is listed of one block, for which reasons. */
struct Listed {
  uint64_t change, turn, all;
};

/* All that follows from a word's candidates; sets the masks if it is `there`. */
__device__ __forceinline__ Listed
judge_word (const DcnnCudaList &p, const ListWord &l, uint64_t at,
    const Reaching &found, uint64_t pending, bool there)
{
  uint64_t correct = found.correct & l.inside;
  Listed r;

  r.change = (found.change & l.inside) | l.entering;
  pending |= correct;
  /* what is kept back of this frame's changes is settled at once */
  r.turn = (pending | r.change) & l.turn;
  /* nodes that pass on hold no correction back either */
  r.all = r.change | r.turn | (p.passed ? correct : 0);
  if (!there)
    return Listed { 0, 0, 0 };
  if (p.pending) {
    p.updated[at] = 0;
    p.exact[at] = 0;
    p.pending[at] = pending & ~(r.change | r.turn);
  }
  if (p.passed) {
    p.passed[at] = r.change;
    p.passed_exact[at] = r.all & ~r.change;
  }
  return r;
}

/* Entries of the lanes' words; n: words of the warp. */
inline __device__ void
put_entries (const DcnnCudaList &p, uint32_t s, const ListWord &l,
    const Listed &r, uint32_t n, uint32_t lane)
{
  /* above: those that settling alone has to do with */
  uint32_t own = (uint32_t) __popcll (r.all) |
      (uint32_t) __popcll (r.all & ~r.change) << 16;
  uint32_t has = __ballot_sync (0xffffffff, r.all != 0), sum = own, first = 0;

  if (!has || !p.list)
    return;
  for (uint32_t k = 1; k < n; k *= 2) {
    uint32_t left = __shfl_sync (0xffffffff, sum, lane - k);
    sum += lane >= k ? left : 0;
  }
  uint32_t total = __shfl_sync (0xffffffff, sum, n - 1);
  if (lane == 0) {
    first = atomicAdd (p.count, total & 0xffff);
    atomicAdd (p.candidates + s, total & 0xffff);
    if (total >> 16)
      atomicAdd (p.corrections + s, total >> 16);
  }
  first = __shfl_sync (0xffffffff, first, 0) + ((sum - own) & 0xffff);
  for (; has; has &= has - 1) {
    uint32_t i = (uint32_t) __ffs ((int) has) - 1;
    uint64_t all = __shfl_sync (0xffffffff, r.all, i);
    uint64_t change = __shfl_sync (0xffffffff, r.change, i);
    uint64_t turn = __shfl_sync (0xffffffff, r.turn, i);
    uint64_t enters = __shfl_sync (0xffffffff, l.entering, i);
    uint32_t corner = __shfl_sync (0xffffffff, l.by << 19 | l.bx << 3, i);
    uint32_t to = __shfl_sync (0xffffffff, first, i);
#pragma unroll
    for (uint32_t half = 0; half < 2; half++) {
      uint32_t bit = half * 32 + lane;
      if (!(all >> bit & 1))
        continue;
      DcnnCudaPixel e;
      e.at = corner + (bit >> 3 << 16 | (bit & 7));
      e.stream = s | (enters >> bit & 1 ? DCNN_CUDA_FORCE : 0) |
          (change >> bit & 1 ? DCNN_CUDA_CHANGE : 0) |
          (turn >> bit & 1 ? DCNN_CUDA_EXACT : 0);
      p.list[to + __popcll (all & ((1ull << bit) - 1))] = e;
    }
  }
}

/* The lanes' words that anything is listed of, as squares. */
inline __device__ void
put_squares (const DcnnCudaList &p, uint32_t s, const ListWord &l,
    const Listed &r, uint32_t lane)
{
  uint32_t has = __ballot_sync (0xffffffff, r.all != 0), first = 0;

  if (!has || !p.squares)
    return;
  if (lane == 0)
    first = atomicAdd (p.n_squares, (uint32_t) __popc (has));
  first = __shfl_sync (0xffffffff, first, 0);
  if (r.all)
    p.squares[first + __popc (has & ((1u << lane) - 1))] = DcnnCudaSquare {
      l.by << 19 | l.bx << 3, s, r.all, r.change, r.turn, l.entering & r.all };
}

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

/* Of list *from, words x * WARPS * per .. of a stream's mask, `per` (up to 32) a
 * warp; by a block of WARPS warps. Waits for what is ahead of the launch. */
inline __device__ void
make_list (const DcnnCudaList *from, ListRoom &room, const DcnnCudaStream &f,
    uint32_t s, uint32_t x, uint32_t per)
{
  const DcnnCudaList &p = room.list;
  uint32_t lane = threadIdx.x & 31, warp = threadIdx.x / 32;
  uint32_t w = (x * WARPS + warp) * per;

  take_list (from, room);
  __syncthreads ();
  bool by_words = p.by_words;
  if (by_words) {
    if (warp == 0)
      sort_sources (room, s, lane);
    __syncthreads ();
  }
  if (w >= p.words)
    return;
  uint32_t n = min (per, p.words - w);
  ListWord l = list_word (p, f, w + min (lane, n - 1));
  uint64_t at = (uint64_t) s * p.words + l.w, pending = 0;
  Slot slot = { NULL, NULL, SLOT_SAME };
  Reached reached = { 0, 0, 0, 0, 0 };
  if (n == 1 && by_words)
    slot = slot_at (room, l, lane);
  else if (n == 1 && lane < p.n_sources)
    reached = reached_words (p, p.sources[lane], (int) l.by, (int) l.bx);

  dcnn_cuda_wait ();
  Reaching found = { 0, 0 };
  if (p.pending)
    pending = p.pending[at];
  if (!by_words) {
    found = by_warp (p, f, s, l, n, reached, room.near[warp], lane);
  } else if (n == 1) {
    found = by_slots (room, f, l, slot, lane);
  } else {
    if (!f.dense)
      found.change = by_lane (room, false, l);
    if (f.settling)
      found.correct = by_lane (room, true, l);
  }
  Listed listed = judge_word (p, l, at, found, pending, lane < n);
  put_entries (p, s, l, listed, n, lane);
  put_squares (p, s, l, listed, lane);
}

/* What block `block` makes of lists beside another kernel's work; waits for what
 * is ahead of the launch. shared: sizeof (ListRoom) bytes. */
__device__ __forceinline__ void
make_lists_beside (const DcnnCudaBeside &lists, uint32_t block, char *shared)
{
  uint32_t x = block % lists.blocks_x, i = block / lists.blocks_x;
  uint32_t s = i % lists.n_streams, l = i / lists.n_streams;

  if (l >= lists.n) /* the last cluster may not be full */
    return;
  const DcnnCudaStream f = lists.streams[s];
  make_list (lists.lists + l, *reinterpret_cast<ListRoom *> (shared), f, s, x,
      lists.per);
}

#endif
