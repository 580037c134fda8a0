/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * instructions.h - what is an instruction of the GPU (copies, ldmatrix, mma,
 * wgmma, bulk and tensor copies, their barriers), written anew from the PTX ISA
 * for the threads of threads.h: in place of dcnn_cuda_mma.cuh,
 * dcnn_cuda_wgmma.cuh and dcnn_cuda_tensor.cuh.
 */
#ifndef DCNN_EMULATED_INSTRUCTIONS_H
#define DCNN_EMULATED_INSTRUCTIONS_H

#include <vector>

#include <cudaTypedefs.h>

#include "threads.h"

/* ---- instructions (in place of dcnn_cuda_mma.cuh) --------------------------------------- */

#define DCNN_CUDA_MMA_CUH
/* Dynamic memory is at 0; what is static, far behind or before it: 24 bits with a
 * sign. The rank of another block is above them. */
static inline uint32_t
shared_address (const void *p)
{
  return (uint32_t) ((const char *) p - emulated_shared) & 0xffffff;
}

static inline int32_t
emulated_offset (uint32_t address)
{
  return (int32_t) (address << 8) >> 8;
}

static inline char *
emulated_at (uint32_t address)
{
  return emulated_shared + emulated_offset (address);
}

static inline void
copy_async (uint32_t to, const void *from, bool there)
{
  if (there)
    memcpy (emulated_at (to), from, 16);
  else
    memset (emulated_at (to), 0, 16);
}

static inline void
copy_async_near (uint32_t to, const void *from, bool there)
{
  copy_async (to, from, there);
}

static inline void copy_commit () {}
template<int most> static inline void copy_wait () {}
static inline void prefetch (const void *) {}

static inline uint32_t
cluster_rank ()
{
  return emulated_block.rank;
}

static inline void
cluster_arrive ()
{
  emulated_block.phase[emulated_block.now]++;
  __atomic_fetch_add (&emulated_cluster->arrived, 1, __ATOMIC_SEQ_CST);
}

static inline void
cluster_await ()
{
  const EmulatedCluster *c = emulated_cluster;
  unsigned long all = (unsigned long) c->size * c->threads *
      emulated_block.phase[emulated_block.now];

  while (__atomic_load_n (&c->arrived, __ATOMIC_SEQ_CST) < all)
    emulated_spin ();
}

static inline void
cluster_sync ()
{
  cluster_arrive ();
  cluster_await ();
}

static inline uint32_t
cluster_address (const void *p, uint32_t rank)
{
  return shared_address (p) | rank << 24;
}

static inline const char *
emulated_elsewhere (uint32_t address)
{
  return emulated_cluster->shared[address >> 24] + emulated_offset (address);
}

static inline float
cluster_read (uint32_t at)
{
  float v;
  memcpy (&v, emulated_elsewhere (at), 4);
  return v;
}

static inline float4
cluster_read4 (uint32_t at)
{
  float4 v;
  memcpy (&v, emulated_elsewhere (at), 16);
  return v;
}

/* Matrix m's rows are at the addresses of lanes 8 m .. 8 m + 7; a lane gets two
 * halves of row lane / 4. */
static inline void
emulated_load_matrices (uint32_t at, uint32_t *r, unsigned n)
{
  static thread_local uint32_t addresses[EMULATED_THREADS];
  unsigned self = emulated_block.now;

  addresses[self] = at;
  emulated_warp_meets ();
  for (unsigned m = 0; m < n; m++)
    memcpy (&r[m], emulated_at (addresses[self / 32 * 32 + m * 8 +
            self % 32 / 4]) + self % 4 * 4, 4);
  emulated_warp_meets ();
}

static inline void
load_matrices (uint32_t at, uint32_t *r)
{
  emulated_load_matrices (at, r, 4);
}

static inline void
load_two_matrices (uint32_t at, uint32_t *r)
{
  emulated_load_matrices (at, r, 2);
}

/* What 16 bits mean, to an instruction for T. */
template<typename T>
static inline float
emulated_element (uint32_t bits)
{
  unsigned short u = (unsigned short) bits;
  T v;

  memcpy ((void *) &v, &u, 2);
  return (float) v;
}

/* m16n8k16: a[i] is row lane / 4 + 8 (i & 1), columns lane % 4 * 2 + 8 (i / 2);
 * b rows lane % 4 * 2 + 8 i of column lane / 4; d as a, with columns of n. The
 * next product goes to the other half, so that nobody waits for who still reads. */
template<typename T>
static inline void
multiply (float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
  struct Matrices { float a[16][16], b[8][16]; };
  static thread_local Matrices of_warps[2][EMULATED_THREADS / 32];
  static thread_local bool half[EMULATED_THREADS];
  unsigned self = emulated_block.now, lane = self % 32;
  unsigned row = lane / 4, column = lane % 4 * 2;
  Matrices &m = of_warps[half[self]][self / 32];

  half[self] = !half[self];
  for (unsigned i = 0; i < 8; i++)
    m.a[row + 8 * (i / 2 % 2)][column + 8 * (i / 4) + i % 2] =
        emulated_element<T> (a[i / 2] >> 16 * (i % 2));
  for (unsigned i = 0; i < 4; i++)
    m.b[row][column + 8 * (i / 2) + i % 2] =
        emulated_element<T> ((i < 2 ? b0 : b1) >> 16 * (i % 2));
  emulated_warp_meets ();
  for (unsigned k = 0; k < 16; k++) {
    d[0] += m.a[row][k] * m.b[column][k];
    d[1] += m.a[row][k] * m.b[column + 1][k];
    d[2] += m.a[row + 8][k] * m.b[column][k];
    d[3] += m.a[row + 8][k] * m.b[column + 1][k];
  }
}

/* Ten bits of mantissa, ties away from zero. */
static inline uint32_t
to_tf32 (float v)
{
  uint32_t u = __float_as_uint (v);
  return std::isfinite (v) ? (u + 0x1000) & ~0x1fffu : u;
}

/* m16n8k8: a[i] is row lane / 4 + 8 (i & 1), column lane % 4 + 4 (i / 2). */
static inline void
multiply_floats (float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
  static thread_local float as[EMULATED_THREADS][4], bs[EMULATED_THREADS][2];
  unsigned self = emulated_block.now, warp = self / 32 * 32, lane = self % 32;

  memcpy (as[self], a, 16);
  memcpy (&bs[self][0], &b0, 4);
  memcpy (&bs[self][1], &b1, 4);
  emulated_warp_meets ();
  for (unsigned i = 0; i < 4; i++) {
    unsigned row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 8; k++)
      d[i] += as[warp + row % 8 * 4 + k % 4][row / 8 + k / 4 * 2] *
          bs[warp + column * 4 + k % 4][k / 4];
  }
  emulated_warp_meets ();
}

/* ---- instructions (in place of dcnn_cuda_wgmma.cuh) ------------------------------------- */

#define DCNN_CUDA_WGMMA_CUH
template<typename T>
static inline float
emulated_matrix_element (uint64_t descriptor, uint32_t row, uint32_t column)
{
  bool whole = descriptor >> 62 == 1; /* rows of 128 bytes; 2: of 64 */
  uint32_t at = (uint32_t) (descriptor & 0x3fff) * 16 + row / 8 *
      ((uint32_t) (descriptor >> 32 & 0x3fff) * 16) + row % 8 * (whole ? 128 :
      64) + column * 2;
  unsigned short bits;

  if (!whole && descriptor >> 62 != 2)
    abort ();
  at ^= (at >> 7 & (whole ? 7 : 3)) << 4;
  memcpy (&bits, emulated_at (at), 2);
  return emulated_element<T> (bits);
}

/* Products are asked for and made when waited for, as late as may be: what is
 * written over meanwhile shows. */
struct EmulatedProduct {
  uint64_t a, b;
  float *d;
  unsigned n, turn;
  float (*element) (uint64_t descriptor, uint32_t row, uint32_t column);
};
struct EmulatedGroup {
  std::vector<EmulatedProduct> asked;
  unsigned turn;           /* commits so far */
};
inline thread_local EmulatedGroup emulated_groups[EMULATED_THREADS];

template<typename T, int N>
static inline void
group_multiply (float (&d)[N], uint64_t a, uint64_t b)
{
  EmulatedGroup &g = emulated_groups[emulated_block.now];

  g.asked.push_back (EmulatedProduct { a, b, d, N, g.turn,
    emulated_matrix_element<T> });
}

/* All but those of the last commits. */
static inline void
emulated_make_products (unsigned left)
{
  EmulatedGroup &g = emulated_groups[emulated_block.now];
  unsigned thread = emulated_block.now % 128;
  size_t done = 0;

  for (; done < g.asked.size () && g.asked[done].turn + left < g.turn; done++)
    for (unsigned i = 0; i < g.asked[done].n; i++) {
      const EmulatedProduct &p = g.asked[done];
      unsigned row = thread / 32 * 16 + thread % 32 / 4 + (i / 2 & 1) * 8;
      unsigned column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      for (unsigned k = 0; k < 16; k++)
        p.d[i] += p.element (p.a, row, k) * p.element (p.b, column, k);
    }
  g.asked.erase (g.asked.begin (), g.asked.begin () + (long) done);
}

template<int N>
static inline void
group_wait (float (&)[N])
{
  emulated_make_products (0);
}

static inline void group_wait_others () { emulated_make_products (1); }
static inline void group_begin () {}

static inline void
group_commit ()
{
  emulated_groups[emulated_block.now].turn++;
}

static inline void fence_bulk () {}
static inline void fence_barriers () {}

/* Phases passed, what the one at hand still waits for; one a barrier, found by
 * its address, of the block that runs. */
struct EmulatedPhase {
  uint32_t at, phases, arrivals, missing;
  int64_t bytes;
  unsigned block;
};
inline thread_local EmulatedPhase emulated_phases[256];

static inline EmulatedPhase &
emulated_phase (uint32_t at)
{
  for (EmulatedPhase &p : emulated_phases) {
    if (p.block != emulated_blocks_begun)
      p = EmulatedPhase { at, 0, 0, 0, 0, emulated_blocks_begun };
    if (p.at == at)
      return p;
  }
  abort ();
}

static inline void
emulated_end_phase (EmulatedPhase &p)
{
  if (p.missing > 0 || p.bytes > 0)
    return;
  p.phases++;
  p.missing = p.arrivals;
}

static inline void
barrier_init (uint32_t at, uint32_t arrivals)
{
  emulated_phase (at) = EmulatedPhase { at, 0, arrivals, arrivals, 0,
    emulated_blocks_begun };
}

static inline void
barrier_arrive (uint32_t at, uint32_t arrivals = 1)
{
  EmulatedPhase &p = emulated_phase (at);

  if (p.missing < arrivals)
    abort ();
  p.missing -= arrivals;
  emulated_end_phase (p);
}

/* Barriers of their own, at no other one's address. */
static inline void
group_meet (uint32_t threads, uint32_t which = 1)
{
  const uint32_t at = 0x7ffff8 - which * 8;
  EmulatedPhase &p = emulated_phase (at);
  uint32_t before = p.phases;

  if (p.arrivals == 0)
    p.arrivals = p.missing = threads;
  barrier_arrive (at);
  while (emulated_phase (at).phases == before)
    emulated_spin ();
}

static inline void
copy_arrive (uint32_t at)
{
  barrier_arrive (at);
}

static inline void
barrier_expect (uint32_t at, uint32_t bytes)
{
  emulated_phase (at).bytes += bytes;
  barrier_arrive (at);
}

static inline void
emulated_bytes_came (uint32_t barrier, uint32_t bytes)
{
  EmulatedPhase &p = emulated_phase (barrier);

  if (p.bytes < bytes)
    abort ();
  p.bytes -= bytes;
  emulated_end_phase (p);
}

static inline void
barrier_wait (uint32_t at, uint32_t parity)
{
  while ((emulated_phase (at).phases & 1) == parity)
    emulated_spin ();
}

/* ---- instructions (in place of dcnn_cuda_tensor.cuh) ------------------------------------ */

#define DCNN_CUDA_TENSOR_CUH

#include "cuda/dcnn_cuda_tensor.h"

static inline cudaError_t
describe_matrix (const DcnnMatrix &m, CUtensorMap *map)
{
  memcpy (map, &m, sizeof m);
  return cudaSuccess;
}

static inline cudaError_t
describe_walk (const DcnnWalkedMaps &w, CUtensorMap *map)
{
  memcpy (map, &w, sizeof w);
  return cudaSuccess;
}

/* One row of a box, swizzled; from NULL: zeros. */
static inline void
emulated_put_row (uint32_t to, uint32_t row, uint32_t columns, const uint16_t *from,
    uint64_t there)
{
  for (uint32_t c = 0; c < columns; c++) {
    uint32_t at = row * columns * 2 + c * 2;
    at ^= (at >> 7 & (columns == 64 ? 7 : 3)) << 4;
    if (from && c < there)
      memcpy (emulated_at (to + at), from + c, 2);
    else
      memset (emulated_at (to + at), 0, 2);
  }
}

static inline void
copy_box (uint32_t to, const CUtensorMap *map, uint32_t column, uint32_t row,
    uint32_t barrier)
{
  DcnnMatrix m;

  memcpy (&m, map, sizeof m);
  if (to % (m.box_columns * 16) || m.pitch % 8 || (uintptr_t) m.data % 16)
    abort ();
  for (uint32_t r = 0; r < m.box_rows; r++)
    emulated_put_row (to, r, m.box_columns, row + r < m.rows && column < m.columns ?
        static_cast<const uint16_t *> (m.data) + (row + r) * m.pitch + column :
        NULL, m.columns - column);
  emulated_bytes_came (barrier, m.box_rows * m.box_columns * 2);
}

static inline cudaError_t
describe_squares (const DcnnSquareMaps &m, CUtensorMap *map)
{
  memcpy (map, &m, sizeof m);
  return cudaSuccess;
}

static inline void
copy_square (uint32_t to, const CUtensorMap *map, uint32_t channel, int y, int x,
    uint32_t n, uint32_t barrier)
{
  DcnnSquareMaps m;

  memcpy (&m, map, sizeof m);
  if (to % (m.box_columns * 16) || m.pitch % 8 || m.map % 8 ||
      (uintptr_t) m.data % 16 || n >= m.maps)
    abort ();
  for (uint32_t r = 0; r < 64; r++) {
    int at_y = y + (int) (r / 8) * m.stride[0];
    int at_x = x + (int) (r % 8) * m.stride[1];
    bool there = at_y >= 0 && at_y < (int) m.height && at_x >= 0 &&
        at_x < (int) m.width && channel < m.channels;
    emulated_put_row (to, r, m.box_columns, there ?
        static_cast<const uint16_t *> (m.data) + n * m.map +
        ((uint64_t) at_y * m.width + (uint64_t) at_x) * m.pitch + channel : NULL,
        m.channels - channel);
  }
  emulated_bytes_came (barrier, 64 * m.box_columns * 2);
}

/* Stores read shared memory as late as they may: when they are waited for. */
struct EmulatedStore {
  DcnnMatrix m;
  uint32_t column, row, from;
};
inline thread_local std::vector<EmulatedStore> emulated_stores[EMULATED_THREADS];

static inline void
store_box (const CUtensorMap *map, uint32_t column, uint32_t row, uint32_t from)
{
  EmulatedStore s = { {}, column, row, from };

  memcpy (&s.m, map, sizeof s.m);
  if (from % (s.m.box_columns * 16) || s.m.pitch % 8 ||
      (uintptr_t) s.m.data % 16)
    abort ();
  emulated_stores[emulated_block.now].push_back (s);
}

static inline void
stores_have_read ()
{
  for (const EmulatedStore &s : emulated_stores[emulated_block.now])
    for (uint64_t r = 0; r < s.m.box_rows && s.row + r < s.m.rows; r++)
      for (uint64_t c = 0; c < s.m.box_columns && s.column + c < s.m.columns;
          c++) {
        uint64_t at = (r * s.m.box_columns + c) * 2;
        at ^= (at >> 7 & (s.m.box_columns == 64 ? 7 : 3)) << 4;
        memcpy ((uint16_t *) s.m.data + (s.row + r) * s.m.pitch + s.column + c,
            emulated_at (s.from + (uint32_t) at), 2);
      }
  emulated_stores[emulated_block.now].clear ();
}

static inline void
stores_are_done ()
{
  if (!emulated_stores[emulated_block.now].empty ())
    abort ();
}

/* The corner walks over a box of its own, whose bounds go by the pads. */
static inline void
copy_walk (uint32_t to, const CUtensorMap *map, uint32_t channel, int y, int x,
    uint32_t n, uint32_t ky, uint32_t kx, uint32_t barrier)
{
  DcnnWalkedMaps w;

  memcpy (&w, map, sizeof w);
  if (to % (w.box_columns * 16) || w.pitch % 8 || (uintptr_t) w.data % 16)
    abort ();
  for (uint32_t r = 0; r < w.box_rows; r++) {
    int at_y = y + (int) ky, at_x = x + (int) kx;
    bool there = n < w.maps && at_y >= 0 && at_y < (int) w.height &&
        at_x >= 0 && at_x < (int) w.width && channel < w.channels;
    emulated_put_row (to, r, w.box_columns, there ? static_cast<const uint16_t *> (w.data) +
        (((uint64_t) n * w.height + (uint64_t) at_y) * w.width +
            (uint64_t) at_x) * w.pitch + channel : NULL, w.channels - channel);
    x += w.stride[1];
    if (x > (int) w.width - 1 + w.pad_end[1] - w.dilation[1] *
        (w.kernel[1] - 1)) {
      x = -w.pad[1];
      y += w.stride[0];
    }
    if (y > (int) w.height - 1 + w.pad_end[0] - w.dilation[0] *
        (w.kernel[0] - 1)) {
      y = -w.pad[0];
      n++;
    }
  }
  emulated_bytes_came (barrier, w.box_rows * w.box_columns * 2);
}

#endif
