/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_list.cu - lists of candidates, and counting what became of them.
 */
#include "dcnn_cuda_list.cuh"

__global__ void __launch_bounds__ (WARPS * 32)
lists_kernel (const DcnnCudaList *lists, const DcnnCudaStream *streams)
{
  __shared__ ListRoom room;
  uint32_t s = blockIdx.y;

  dcnn_cuda_let_next ();
  const DcnnCudaStream f = streams[s];
  take_list (lists + blockIdx.z, room);
  dcnn_cuda_wait ();
  __syncthreads ();
  make_list (room, f, s, blockIdx.x, gridDim.x);
}

__global__ void
count_kernel (const DcnnCudaCounted *nodes, uint32_t n_nodes,
    uint32_t n_streams, uint32_t *joined, uint32_t *pending)
{
  uint32_t i = blockIdx.x, s = blockIdx.y, n = 0;
  bool any = false;

  dcnn_cuda_let_next ();
  const DcnnCudaCounted node = nodes[i];
  dcnn_cuda_wait ();
  for (uint32_t w = threadIdx.x; w < node.words; w += blockDim.x) {
    n += __popcll (node.updated[(uint64_t) s * node.words + w]);
    any |= node.pending && node.pending[(uint64_t) s * node.words + w];
  }
  if (n)
    atomicAdd (joined + i * n_streams + s, n);
  if (any)
    pending[s] = 1;
}

/* ---- launching ---------------------------------------------------------------------- */

cudaError_t
dcnn_cuda_lists (const DcnnCudaList *lists, uint32_t n, uint32_t most_words,
    uint32_t n_streams, const DcnnCudaStream *streams, DcnnCudaQueue queue)
{
  void *arguments[] = { &lists, &streams };
  uint32_t blocks = (most_words + WARPS - 1) / WARPS;
  uint32_t most = max (16u, 2048 / (n_streams * n));

  return dcnn_cuda_launch ((const void *) lists_kernel,
      dim3 (min (blocks, most), n_streams, n), WARPS * 32, 0, 1, arguments,
      queue);
}

cudaError_t
dcnn_cuda_count (const DcnnCudaCounted *nodes, uint32_t n_nodes,
    uint32_t n_streams, uint32_t *joined, uint32_t *pending,
    DcnnCudaQueue queue)
{
  void *arguments[] = { &nodes, &n_nodes, &n_streams, &joined, &pending };

  return dcnn_cuda_launch ((const void *) count_kernel,
      dim3 (n_nodes, n_streams), 128, 0, 1, arguments, queue);
}
