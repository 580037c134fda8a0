/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_groups.cuh - convolutions by two groups of four warps (compute
 * capability 9.0), 64 pixels each, from a ring of stages that the tensor copy engine
 * fills: what those of whole maps and those of listed squares share.
 */
#ifndef DCNN_CUDA_GROUPS_CUH
#define DCNN_CUDA_GROUPS_CUH

#include "dcnn_cuda_conv.cuh"
#include "dcnn_cuda_tensor.cuh"
#include "dcnn_cuda_wgmma.cuh"

#define GROUP_POOL (96 * 1024) /* bytes of stages: two blocks a multiprocessor */

struct GroupWork {
  DcnnCudaConv conv;
  uint32_t steps;          /* of k, of KB channels of a tap each */
  uint32_t adds;           /* the first step's map comes with the tile */
};

template<int BN, int KB>
struct Stage {
  static constexpr uint32_t A = WIDE * KB * 2, B = BN * KB * 2;
  static constexpr uint32_t TILE = WIDE * BN * 2;
  static constexpr uint32_t SIZE = A + B > TILE ? A + B : TILE;
  static constexpr int FIT = GROUP_POOL / SIZE, N = FIT > 8 ? 8 : FIT;
  static constexpr uint32_t BYTES = N * SIZE;
  /* a tile is boxes of so many channels */
  static constexpr uint32_t BOX = BN < 64 ? BN : 64, BOX_BYTES = WIDE * BOX * 2;
};

/* Channels of a step, which are of one tap; 0: none fits. Behind a kernel's only tap
 * there is nothing but zeros. */
static inline uint32_t
step_channels (const DcnnCudaConv *p, bool one_tap)
{
  uint32_t channels = p->span8 * 8;

  return one_tap ? channels % 64 && channels <= 32 ? 32 : 64 :
      channels % 64 == 0 ? 64 : channels % 32 == 0 ? 32 : 0;
}

/* Whether there are kernels for what normalises as it reads: not of a few channels. */
static inline bool
takes_norm (const DcnnCudaConv *p)
{
  return p->norm == NULL || (p->n_padded > 32 && p->span8 > 4);
}

/* Which stage is next, and the parity of its barriers' phase. */
struct Turn {
  uint32_t slot, parity;
};

template<int N>
__device__ __forceinline__ void
turn (Turn &t)
{
  if (++t.slot == N)
    t.slot = 0, t.parity ^= 1;
}

/* Where eight channels of a tile's row are in its stage. */
template<int BN>
__device__ __forceinline__ uint32_t
element_at (uint32_t row, uint32_t column)
{
  constexpr uint32_t WIDTH = BN < 64 ? BN : 64;
  uint32_t at = (row * WIDTH + column % 64) * 2;

  return (at ^ (at >> 7 & (WIDTH == 64 ? 7 : 3)) << 4) +
      column / 64 * (WIDE * 64 * 2);
}

#if !defined (__CUDA_ARCH__) || defined (__CUDA_ARCH_FEAT_SM90_ALL)

/* First step of a part of k, of which there are `parts`. */
template<int KB>
__device__ __forceinline__ uint32_t
part_begins (const GroupWork &d, uint32_t part)
{
  uint32_t n_k = d.conv.k_padded / BK;

  return part == d.conv.parts ? d.steps : n_k * part / d.conv.parts * (BK / KB);
}

/* The group's rows of a step of k, which is there, while products of the step before
 * may go on. */
template<typename T, int KB>
__device__ __forceinline__ void
normalise_rows (const GroupWork &d, const Norm &norm, char *inputs)
{
  constexpr uint32_t V = KB / 8, ROWS = 128 / V; /* at one time */
  uint32_t own = threadIdx.x & 127;

#pragma unroll
  for (uint32_t i = 0; i < 64 / ROWS; i++)
    normalise<T> (d.conv, norm, inputs + element_at<KB> (own / V + i * ROWS,
            own % V * 8));
  fence_bulk ();
  group_meet (128, 1 + (threadIdx.x >> 7));
}

/* Sums of steps `from` to `to` of a tile, by all threads but those that copy and
 * store. NORM: of what is read, normalised. */
template<typename T, int BN, int KB, bool PARTS, bool NORM>
__device__ __forceinline__ void
multiply_steps (const GroupWork &d, uint32_t from, uint32_t to, char *memory,
    uint32_t full, uint32_t empty, Turn &t, float (&sums)[BN / 2])
{
  using S = Stage<BN, KB>;
  constexpr int N = BN / 2;
  uint32_t group = threadIdx.x >> 7, shared = shared_address (memory);
  uint32_t part = 1, border = PARTS ? part_begins<KB> (d, 1) : 0;
  uint32_t before = UINT32_MAX;      /* slot of the step before */
  float whole[PARTS ? N : 1] = {};

  for (uint32_t k = from; k < to; k++) {
    uint64_t a = dcnn_wgmma_rows (shared + t.slot * S::SIZE + group * (S::A / 2), KB);
    uint64_t b = dcnn_wgmma_rows (shared + t.slot * S::SIZE + S::A, KB);
    if (PARTS && k == border) {
      group_wait (sums);
#pragma unroll
      for (int i = 0; i < N; i++) {
        whole[PARTS ? i : 0] = part == 1 ? sums[i] :
            whole[PARTS ? i : 0] + sums[i];
        sums[i] = 0;
      }
      border = part_begins<KB> (d, ++part);
    }
    Norm norm;
    if (NORM)
      norm = norm_at (d.conv, d.conv.norm, k * KB + threadIdx.x % (KB / 8) * 8);
    barrier_wait (full + t.slot * 8, t.parity);
    if (NORM)
      normalise_rows<T, KB> (d, norm, memory + t.slot * S::SIZE +
          group * (S::A / 2));
    group_begin ();
#pragma unroll
    for (uint32_t k16 = 0; k16 < KB / 16; k16++)
      group_multiply<T> (sums, dcnn_wgmma_on (a, k16), dcnn_wgmma_on (b, k16));
    group_commit ();
    group_wait_others ();
    if (before != UINT32_MAX && (threadIdx.x & 31) == 0)
      barrier_arrive (empty + before * 8);
    before = t.slot;
    turn<S::N> (t);
  }
  group_wait (sums);
  if ((threadIdx.x & 31) == 0)
    barrier_arrive (empty + before * 8);
#pragma unroll
  for (int i = 0; PARTS && i < N; i++)
    if (d.conv.parts > 1)
      sums[i] = whole[PARTS ? i : 0] + sums[i];
}

/* Bias and plain steps of the thread's two rows, from the pairs that it has the
 * sums of. */
template<typename T, int BN, int N>
__device__ __forceinline__ void
finish_plain (const GroupWork &d, const float (&sums)[N], uint32_t row,
    uint32_t chunk, char *stage)
{
  typedef typename DcnnCudaPair<T>::Type Pair;
  const DcnnCudaNode &node = d.conv.node;
  float least = node.least, most = node.most;

#pragma unroll
  for (int g = 0; g < BN / 8; g++) {
    uint32_t column = (uint32_t) g * 8 + (threadIdx.x & 3) * 2;
    if (chunk * BN + g * 8 >= node.out.span)
      break;
    float2 bias = *reinterpret_cast<const float2 *> (d.conv.bias + chunk * BN +
        column);
#pragma unroll
    for (int h = 0; h < 2; h++) {
      Pair *at = reinterpret_cast<Pair *> (stage +
          element_at<BN> (row + h * 8, column));
      float2 v = { sums[g * 4 + h * 2] + bias.x,
        sums[g * 4 + h * 2 + 1] + bias.y };
      if (d.adds) {
        float2 e = dcnn_cuda_widen (*at);
        v.x += e.x;
        v.y += e.y;
      }
      v.x = dcnn_cuda_clip (v.x, least, most);
      v.y = dcnn_cuda_clip (v.y, least, most);
      *at = dcnn_cuda_narrow<T> (v.x, v.y);
    }
  }
}

#endif

#endif
