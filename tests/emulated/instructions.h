/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * instructions.h - what is an instruction of the GPU (copies, ldmatrix, mma,
 * wgmma, bulk copies and their barriers), written anew from the PTX ISA for the
 * threads of threads.h: in place of dcnn_cuda_mma.cuh and dcnn_cuda_wgmma.cuh.
 */
#ifndef DCNN_EMULATED_INSTRUCTIONS_H
#define DCNN_EMULATED_INSTRUCTIONS_H

#include "threads.h"

#define __CUDA_ARCH_FEAT_SM90_ALL
#define cudaGetDevice(p) (*(p) = 0, cudaSuccess)
#define cudaDeviceGetAttribute(p, ...) (*(p) = 4, cudaSuccess)

/* ---- instructions (in place of dcnn_cuda_mma.cuh) --------------------------------------- */

#define DCNN_CUDA_MMA_CUH
/* Dynamic memory is at 0; what is static, far behind. */
static uint32_t
shared_address (const void *p)
{
  return (uint32_t) ((const char *) p - emulated_shared);
}

static char *
at_shared (uint32_t address)
{
  return emulated_shared + (int32_t) address;
}

static void
copy_async (uint32_t to, const void *from, bool there)
{
  if (there)
    memcpy (at_shared (to), from, 16);
  else
    memset (at_shared (to), 0, 16);
}

static void copy_commit () {}
template<int most> static void copy_wait () {}
static void prefetch (const void *) {}
static uint32_t cluster_rank () { return 0; }
static void cluster_sync () { __syncthreads (); }
static void cluster_arrive () {}
static void cluster_await () {}
static uint32_t cluster_address (const void *p, uint32_t) { return shared_address (p); }

static float
cluster_read (uint32_t at)
{
  float v;
  memcpy (&v, at_shared (at), 4);
  return v;
}

static float4
cluster_read4 (uint32_t at)
{
  float4 v;
  memcpy (&v, at_shared (at), 16);
  return v;
}

static uint32_t warp_addresses[EMULATED_MOST_THREADS];

/* Matrix m's rows are at the addresses of lanes 8 m .. 8 m + 7; a lane gets two
 * halves of row lane / 4. */
static void
load_some_matrices (uint32_t at, uint32_t *r, unsigned n)
{
  warp_addresses[block.now] = at;
  warp_meet ();
  for (unsigned m = 0; m < n; m++)
    memcpy (&r[m], at_shared (warp_addresses[block.now / 32 * 32 + m * 8 +
            lane_of () / 4]) + lane_of () % 4 * 4, 4);
  warp_meet ();
}

static void load_matrices (uint32_t at, uint32_t *r) { load_some_matrices (at, r, 4); }
static void load_two_matrices (uint32_t at, uint32_t *r) { load_some_matrices (at, r, 2); }

static float
half_of (uint32_t pair, unsigned i)
{
  __half_raw h;
  h.x = (unsigned short) (pair >> 16 * i);
  return __half2float (__half (h));
}

/* m16n8k16: a[i] is row lane / 4 + 8 (i & 1), columns lane % 4 * 2 + 8 (i / 2);
 * b rows lane % 4 * 2 + 8 i of column lane / 4; d as a, with columns of n. */
static void
multiply (float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
  static float as[EMULATED_MOST_THREADS / 32][16][16];
  static float bs[EMULATED_MOST_THREADS / 32][8][16];
  unsigned warp = block.now / 32, lane = lane_of ();

  for (unsigned i = 0; i < 8; i++)
    as[warp][lane / 4 + 8 * (i / 2 & 1)][lane % 4 * 2 + i % 2 + 8 * (i / 4)] =
        half_of (a[i / 2], i % 2);
  for (unsigned i = 0; i < 4; i++)
    bs[warp][lane / 4][lane % 4 * 2 + i % 2 + 8 * (i / 2)] =
        half_of (i < 2 ? b0 : b1, i % 2);
  warp_meet ();
  for (unsigned i = 0; i < 4; i++)
    for (unsigned k = 0; k < 16; k++)
      d[i] += as[warp][lane / 4 + 8 * (i / 2)][k] *
          bs[warp][lane % 4 * 2 + i % 2][k];
  warp_meet ();
}

static uint32_t
to_tf32 (float v)
{
  return __float_as_uint (v); /* whole numbers are what they were */
}

/* m16n8k8: a[i] is row lane / 4 + 8 (i & 1), column lane % 4 + 4 (i / 2). */
static void
multiply_floats (float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
  static float as[EMULATED_MOST_THREADS][4], bs[EMULATED_MOST_THREADS][2];
  unsigned warp = block.now / 32 * 32, lane = lane_of ();

  memcpy (as[block.now], a, 16);
  memcpy (&bs[block.now][0], &b0, 4);
  memcpy (&bs[block.now][1], &b1, 4);
  warp_meet ();
  for (unsigned i = 0; i < 4; i++) {
    unsigned row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 8; k++)
      d[i] += as[warp + row % 8 * 4 + k % 4][row / 8 + k / 4 * 2] *
          bs[warp + column * 4 + k % 4][k / 4];
  }
  warp_meet ();
}

/* ---- instructions (in place of dcnn_cuda_wgmma.cuh) ------------------------------------- */

#define DCNN_CUDA_WGMMA_CUH
static float
matrix_half (uint64_t descriptor, uint32_t row, uint32_t column)
{
  uint32_t at = (uint32_t) (descriptor & 0x3fff) * 16 + row / 8 *
      ((uint32_t) (descriptor >> 32 & 0x3fff) * 16) + row % 8 * 128 + column * 2;
  __half_raw h;

  if (descriptor >> 62 != 1)
    abort ();
  at ^= (at >> 7 & 7) << 4;
  memcpy (&h.x, at_shared (at), 2);
  return __half2float (__half (h));
}

/* Products are asked for and made when waited for, as late as may be: what is
 * written over meanwhile shows. */
static struct Group {
  uint64_t a[4], b[4];
  unsigned n;
} groups[EMULATED_MOST_THREADS];

template<int N>
static void
group_multiply (float (&)[N], uint64_t a, uint64_t b)
{
  Group &g = groups[block.now];

  if (g.n >= 4)
    abort ();
  g.a[g.n] = a;
  g.b[g.n++] = b;
}

template<int N>
static void
group_wait (float (&d)[N])
{
  Group &g = groups[block.now];
  unsigned thread = block.now % 128;

  for (unsigned p = 0; p < g.n; p++)
    for (unsigned i = 0; i < N; i++) {
      unsigned row = thread / 32 * 16 + thread % 32 / 4 + (i / 2 & 1) * 8;
      unsigned column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      for (unsigned k = 0; k < 16; k++)
        d[i] += matrix_half (g.a[p], row, k) * matrix_half (g.b[p], column, k);
    }
  g.n = 0;
}

static void group_begin () {}
static void group_commit () {}
static void fence_bulk () {}

/* Phases passed, bytes expected; one a barrier, found by its address. */
static struct Phase {
  uint32_t at, phases;
  int64_t bytes;
} phases[32];

static Phase &
phase_at (uint32_t at)
{
  for (Phase &p : phases)
    if (p.at == at || p.at == 0) {
      p.at = at;
      return p;
    }
  abort ();
}

static void
barrier_init (uint32_t at)
{
  phase_at (at).phases = 0;
  phase_at (at).bytes = 0;
}

static void
barrier_expect (uint32_t at, uint32_t bytes)
{
  phase_at (at).bytes = bytes;
}

static void
copy_bulk (uint32_t to, const void *from, uint32_t bytes, uint32_t barrier)
{
  Phase &p = phase_at (barrier);

  if (to % 16 || bytes % 16 || p.bytes < bytes)
    abort ();
  memcpy (at_shared (to), from, bytes);
  p.bytes -= bytes;
  if (p.bytes == 0)
    p.phases++;
}

static void
barrier_wait (uint32_t at, uint32_t parity)
{
  while ((phase_at (at).phases & 1) == parity)
    give_way ();
}

#endif
