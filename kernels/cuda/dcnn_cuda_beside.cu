/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_beside.cu - a convolution and, in other blocks of the same launch,
 * lists that are wanted next: both wait for the same launch, neither for the
 * other. So lists cost no launch, and no time in series. Of half floats alone: what
 * it saves is less than what a second set of the largest kernels costs.
 */
#include "dcnn_cuda_list.cuh"
#include "dcnn_cuda_tile.cuh"

/* Blocks 0 .. lists.blocks - 1 make lists, the others are conv_kernel()'s. */
template<int BN, int POOL, bool SHORT>
__global__ void __launch_bounds__ (THREADS, RESIDENT (SHORT))
beside_kernel (const __grid_constant__ DcnnCudaConv p,
    const __grid_constant__ DcnnCudaBeside lists)
{
  DCNN_CUDA_DYNAMIC (shared, 128);
  __shared__ Rows rows;

  dcnn_cuda_touch (p);
  if (blockIdx.x >= lists.blocks)
    run_conv<__half, BN, POOL, SHORT> (p, rows, shared + norm_bytes (p), blockIdx.x - lists.blocks,
        gridDim.x - lists.blocks);
  else
    make_lists_beside (lists, blockIdx.x, shared);
}

/* Words that a warp takes beside a convolution: more of them take longer than it. */
#define MOST_BESIDE 8

/* ---- launching ---------------------------------------------------------------------- */

bool
dcnn_cuda_beside_shape (const DcnnCudaConv *p, uint32_t most_words,
    DcnnCudaBeside *lists, const DcnnCudaDevice *device)
{
  uint32_t size = p->ranks * p->splits;

  lists->per = 1;
  do {
    uint32_t words = WARPS * lists->per; /* of a block */
    lists->blocks_x = (most_words + words - 1) / words;
    lists->blocks = lists->blocks_x * lists->n_streams * lists->n;
    lists->blocks = (lists->blocks + size - 1) / size * size;
  } while (lists->blocks > device->multiprocessors &&
      (lists->per *= 2) <= MOST_BESIDE);
  return p->room == NULL && !p->node.in.bf16 &&
      lists->blocks <= device->multiprocessors;
}

template<int BN, int POOL, bool SHORT>
static cudaError_t
launch (const DcnnCudaConv *p, const DcnnCudaBeside *lists,
    DcnnCudaQueue queue)
{
  void *arguments[] = { const_cast<DcnnCudaConv *> (p),
    const_cast<DcnnCudaBeside *> (lists) };
  size_t bytes = POOL + other_bytes (p, p->room != NULL) - sizeof (Rows);

  static_assert (sizeof (ListRoom) <= POOL, "lists' shared memory");
  return dcnn_cuda_launch ((const void *) beside_kernel<BN, POOL, SHORT>,
      dim3 (p->node.blocks + lists->blocks), THREADS, bytes,
      p->ranks * p->splits, arguments, queue);
}

cudaError_t
dcnn_cuda_beside (const DcnnCudaConv *conv, const DcnnCudaBeside *lists,
    DcnnCudaQueue queue)
{
  bool few = conv->channels == 32;

  static_assert (THREADS == WARPS * 32, "lists are made by such blocks");
  if (conv->narrow)
    return few ? launch<32, SMALL_POOL, true> (conv, lists, queue) :
        launch<64, SMALL_POOL, true> (conv, lists, queue);
  if (conv->pool == SMALL_POOL)
    return few ? launch<32, SMALL_POOL, false> (conv, lists, queue) :
        launch<64, SMALL_POOL, false> (conv, lists, queue);
  return few ? launch<32, LARGE_POOL, false> (conv, lists, queue) :
      launch<64, LARGE_POOL, false> (conv, lists, queue);
}
