/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_look.cu - whether anything has changed that the rest of a frame reads.
 */
#include "dcnn_cuda_device.cuh"

#if DCNN_CUDA_PARTS
#define LOOK_WARPS 16

/* A warp a mask, or some of them a mask, of every block. Whoever is the first to
 * find anything lets the rest run, alone: two that do so at one time are not
 * defined. */
__global__ void __launch_bounds__ (LOOK_WARPS * 32)
look_kernel (const DcnnCudaLive *live, uint32_t n, uint32_t n_streams,
    const DcnnCudaStream *streams, uint32_t *ran,
    cudaGraphConditionalHandle handle)
{
  uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  uint32_t share = max (1u, LOOK_WARPS / max (1u, n)); /* warps a mask */
  uint32_t step = gridDim.x * share * 32;
  uint64_t any = 0;

  dcnn_cuda_wait ();
  for (uint32_t s = blockIdx.x * blockDim.x + threadIdx.x; s < n_streams;
      s += gridDim.x * blockDim.x) {
    const DcnnCudaStream f = streams[s];
    any |= f.dense | f.settling | (uint32_t) dcnn_cuda_moved (f);
  }
  for (uint32_t i = warp; i < n * share; i += LOOK_WARPS) {
    const DcnnCudaLive l = live[i / share];
    uint32_t words = l.words * n_streams;
#pragma unroll 4
    for (uint32_t w = (blockIdx.x * share + i % share) * 32 + lane; w < words;
        w += step)
      any |= l.updated[w] | l.exact[w];
  }
  if (__syncthreads_or (any != 0) && threadIdx.x == 0 &&
      atomicExch (ran, 1u) == 0)
    cudaGraphSetConditional (handle, 1);
}

cudaError_t
dcnn_cuda_look (const DcnnCudaLive *live, uint32_t n, uint32_t n_streams,
    const DcnnCudaStream *streams, uint32_t *ran,
    cudaGraphConditionalHandle handle, DcnnCudaQueue queue)
{
  void *arguments[] = { &live, &n, &n_streams, &streams, &ran, &handle };

  return dcnn_cuda_launch ((const void *) look_kernel, dim3 (min ((n_streams +
              1) / 2, 32u)), LOOK_WARPS * 32, 0, 1, arguments, queue);
}
#endif
