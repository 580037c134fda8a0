/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_list.cu - lists of candidates, and counting what became of them.
 */
#include "dcnn_cuda_list.cuh"

/* Warps of a launch from which on each takes several words: two blocks a
 * multiprocessor of a large GPU. */
#define MANY_WARPS (2 * 132 * WARPS)

__global__ void __launch_bounds__ (WARPS * 32, 3)
lists_kernel (const DcnnCudaList *lists, const DcnnCudaStream *streams,
    uint32_t per)
{
  __shared__ ListRoom room;

  const DcnnCudaStream f = streams[blockIdx.y];
  make_list (lists + blockIdx.z, room, f, blockIdx.y, blockIdx.x, per);
}

__global__ void
count_kernel (const DcnnCudaCounted *nodes, uint32_t n_nodes,
    uint32_t n_streams, const uint32_t *ran, const uint32_t *late,
    uint32_t *joined, uint32_t *pending)
{
  uint32_t i = blockIdx.x, s = blockIdx.y, n = 0;
  bool any = false;

  const DcnnCudaCounted node = nodes[i];
  dcnn_cuda_wait ();
  bool fresh = ran == NULL || !late[i] || *ran;
  for (uint32_t w = threadIdx.x; w < node.words; w += blockDim.x) {
    if (fresh)
      n += __popcll (node.updated[(uint64_t) s * node.words + w]);
    any |= node.pending && node.pending[(uint64_t) s * node.words + w];
  }
  if (n)
    atomicAdd (joined + i * n_streams + s, n);
  if (any)
    pending[s] = 1;
}

/* A warp a stream. */
__global__ void
take_kernel (const __grid_constant__ DcnnCudaTake p)
{
  uint32_t s = blockIdx.x, n = 0;

  dcnn_cuda_wait ();
  const DcnnCudaStream f = p.streams[s];
  for (uint32_t w = threadIdx.x; w < p.words; w += 32)
    n += __popcll (p.candidates[(uint64_t) s * p.words + w]);
  for (int k = 16; k > 0; k /= 2)
    n += __shfl_xor_sync (0xffffffff, n, k);
  if (threadIdx.x != 0)
    return;
  bool taken = !f.dense && !dcnn_cuda_moved (f) && n >= p.from;
  p.taken[s] = taken;
  p.judge[s] = taken ? DcnnCudaJudge { DCNN_SIGNIFICANT_ANY, 0, 0 } :
      p.judges[s * p.judge_stride];
}

__global__ void
dense_lists_kernel (const DcnnCudaList *lists)
{
  const DcnnCudaList &p = lists[blockIdx.x];
  uint32_t s = blockIdx.y;

  dcnn_cuda_wait ();
  for (uint32_t w = threadIdx.x; w < p.words; w += blockDim.x) {
    uint64_t at = (uint64_t) s * p.words + w;
    if (p.pending)
      p.exact[at] = p.pending[at] = 0;
    if (p.passed) {
      p.passed[at] = dcnn_cuda_inside (p.width, p.height, w);
      p.passed_exact[at] = 0;
    }
  }
  if (threadIdx.x == 0)
    atomicAdd (p.candidates + s, p.width * p.height);
}

/* ---- launching ---------------------------------------------------------------------- */

cudaError_t
dcnn_cuda_lists (const DcnnCudaList *lists, uint32_t n, uint32_t most_words,
    uint32_t n_streams, const DcnnCudaStream *streams, DcnnCudaQueue queue)
{
  uint64_t words = (uint64_t) most_words * n_streams * n;
  uint32_t per = (uint32_t) min (max (words / MANY_WARPS, (uint64_t) 1),
      (uint64_t) 32);
  uint32_t blocks = (most_words + WARPS * per - 1) / (WARPS * per);
  void *arguments[] = { &lists, &streams, &per };

  return dcnn_cuda_launch ((const void *) lists_kernel,
      dim3 (blocks, n_streams, n), WARPS * 32, 0, 1, arguments, queue);
}

cudaError_t
dcnn_cuda_take_gate (const DcnnCudaTake *take, uint32_t n_streams,
    DcnnCudaQueue queue)
{
  void *arguments[] = { const_cast<DcnnCudaTake *> (take) };

  return dcnn_cuda_launch ((const void *) take_kernel, dim3 (n_streams), 32, 0,
      1, arguments, queue);
}

cudaError_t
dcnn_cuda_dense_lists (const DcnnCudaList *lists, uint32_t n,
    uint32_t n_streams, DcnnCudaQueue queue)
{
  void *arguments[] = { &lists };

  return dcnn_cuda_launch ((const void *) dense_lists_kernel,
      dim3 (n, n_streams), 128, 0, 1, arguments, queue);
}

cudaError_t
dcnn_cuda_count (const DcnnCudaCounted *nodes, uint32_t n_nodes,
    uint32_t n_streams, const uint32_t *ran, const uint32_t *late,
    uint32_t *joined, uint32_t *pending, DcnnCudaQueue queue)
{
  void *arguments[] = { &nodes, &n_nodes, &n_streams, &ran, &late, &joined,
    &pending };

  return dcnn_cuda_launch ((const void *) count_kernel,
      dim3 (n_nodes, n_streams), 128, 0, 1, arguments, queue);
}
