/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_conv.cu - convolution on a list of pixels as an implicit GEMM on
 * tensor cores: rows are any pixels of any streams, gathered tap by tap.
 *
 * A block computes 32 pixels (128 where lists are long) by BN output channels
 * at a time. In a cluster (sm_90), ranks share out the channels of the same
 * pixels, and splits of a rank share out k: the splits' sums are added in
 * their order, each split finishing some of the rows; a pixel's change is
 * summed over the ranks in theirs. Products of two bytes, float accumulators in the
 * order of k, whatever the list: the same bits for a pixel wherever it stands.
 *
 * What decides is latency, in series: so weights are asked for before the wait
 * for what is ahead, a list's first entries with its count, stored rows and
 * residual rows before the products, and chunks follow each other without a
 * break in the copies.
 */
#include "dcnn_cuda_tile.cuh"

template<typename T, int BN, int POOL, bool SHORT>
__global__ void __launch_bounds__ (THREADS, RESIDENT (SHORT))
conv_kernel (const __grid_constant__ DcnnCudaConv p)
{
  DCNN_CUDA_DYNAMIC (shared, 128);
  __shared__ Rows rows;

  dcnn_cuda_touch (p);
  if constexpr (dcnn_cuda_multiplies<T> ())
    run_conv<T, BN, POOL, SHORT> (p, rows, shared + norm_bytes (p), blockIdx.x,
        gridDim.x);
}

/* ---- launching ---------------------------------------------------------------------- */

/* What a tile takes, in tenths of a microsecond of an H200: what comes before and
 * after the products, and a step of k. A wide tile goes over all of k by itself,
 * so few of them leave most processors with nothing to do. */
static uint32_t
narrow_cost (uint32_t n_k)
{
  return 60 + 3 * n_k;
}

static uint32_t
wide_cost (uint32_t n_k)
{
  return 110 + 8 * n_k;
}

size_t
dcnn_cuda_conv_shape (DcnnCudaConv *p, uint64_t pixels, uint64_t expected,
    uint64_t most, const DcnnCudaDevice *device)
{
  uint32_t processors = device->multiprocessors, chunks, share, fit;
  uint32_t units = p->node.passes ? 1 : min (8u, (p->n_padded + 63) / 64);
  uint32_t n_k = p->k_padded / BK;
  uint64_t tiles = max ((uint64_t) 1, (expected + NARROW - 1) / NARROW);
  size_t room = 0;

  /* small chunks where there are processors enough for more of them */
  p->channels = p->n_padded % 64 || tiles * (p->n_padded / 64) <=
      processors / 2 ? 32 : 64;
  chunks = p->n_padded / p->channels;
  p->ranks = p->groups = p->splits = 1;
  /* of the shape of one stream's map alone: sums are added in this order */
  while (device->clusters && pixels <= 2304 && p->splits < 8 &&
      p->splits * units < 16 && n_k >= p->splits * 2 * 6)
    p->splits *= 2;
  if (p->node.passes) {
    p->groups = chunks;
  } else {
    /* larger clusters than are portable only where there are chunks for them */
    uint32_t most = device->clusters ? 8 / p->splits : 1;
    uint32_t own = (chunks + most - 1) / most;
    if (device->clusters && own > 1)
      own = (chunks + 2 * most - 1) / (2 * most);
    while (chunks % own)
      own++;
    p->ranks = chunks / own;
  }
  share = p->groups * p->ranks * p->splits;
  p->wide_from = own_chunks (p) > 2 ? UINT32_MAX : 0;
  p->pool = SMALL_POOL;
  if (device->shared_bytes >= LARGE_POOL + other_bytes (p, false))
    p->pool = LARGE_POOL;
  fit = max (1u, 2 * processors / share);
  if (p->wide_from == 0)
    p->wide_from = fit * NARROW * wide_cost (n_k) / narrow_cost (n_k / p->splits);
  p->narrow = device->shared_bytes >= LARGE_POOL && most <= p->wide_from;
  if (p->narrow) {
    p->wide_from = UINT32_MAX;
    p->pool = SMALL_POOL;
    fit = max (1u, 3 * processors / share);
  }
  if (p->pool + other_bytes (p, false) > device->shared_bytes) {
    p->wide_from = UINT32_MAX;
    p->narrow = false;
    fit = max (1u, processors / share);
    room = (size_t) NARROW * (own_chunks (p) * p->channels + 8) * 2;
  }
  tiles = max ((uint64_t) 1, (most + NARROW - 1) / NARROW);
  p->node.blocks = (uint32_t) min (tiles, (uint64_t) fit) * share;
  return room * fit * share; /* whatever `most` of another launch is */
}

template<typename T, int BN, int POOL, bool SHORT>
static cudaError_t
launch (const DcnnCudaConv *p, DcnnCudaQueue queue)
{
  void *arguments[] = { const_cast<DcnnCudaConv *> (p) };
  size_t bytes = POOL + other_bytes (p, p->room != NULL) - sizeof (Rows);

  static_assert (WIDE * (BN + 4) * 4 <= POOL, "sums of a wide tile");
  static_assert (STAGES_OF<WIDE, BN, POOL> >= 2, "stages of a wide tile");
  static_assert (SMALL_POOL + sizeof (Rows) + NARROW * (BN + 4) * 4 <=
      64 * 1024, "what a block has on 7.5");
  return dcnn_cuda_launch ((const void *) conv_kernel<T, BN, POOL, SHORT>,
      dim3 (p->node.blocks), THREADS, bytes, p->ranks * p->splits, arguments,
      queue);
}

cudaError_t
dcnn_cuda_compiled_for (int *capability)
{
  cudaFuncAttributes attributes = {};
  cudaError_t e = cudaFuncGetAttributes (&attributes,
      (const void *) conv_kernel<__half, 32, SMALL_POOL, false>);

  *capability = attributes.ptxVersion;
  return e;
}

template<typename T>
static cudaError_t
launch_as (const DcnnCudaConv *conv, DcnnCudaQueue queue)
{
  bool few = conv->channels == 32;

  if (conv->narrow)
    return few ? launch<T, 32, SMALL_POOL, true> (conv, queue) :
        launch<T, 64, SMALL_POOL, true> (conv, queue);
  if (conv->pool == SMALL_POOL)
    return few ? launch<T, 32, SMALL_POOL, false> (conv, queue) :
        launch<T, 64, SMALL_POOL, false> (conv, queue);
  return few ? launch<T, 32, LARGE_POOL, false> (conv, queue) :
      launch<T, 64, LARGE_POOL, false> (conv, queue);
}

cudaError_t
dcnn_cuda_conv (const DcnnCudaConv *conv, DcnnCudaQueue queue)
{
  return conv->node.in.bf16 ? launch_as<__nv_bfloat16> (conv, queue) :
      launch_as<__half> (conv, queue);
}
