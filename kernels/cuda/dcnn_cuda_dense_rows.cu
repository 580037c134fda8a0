/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_dense_rows.cu - every primary operator but the convolutions, of
 * whole maps, for frames that are dense in every stream: no list, nothing is
 * compared.
 *
 * A thread has eight channels of `AT_ONCE` pixels, which lie so far apart that
 * its warp's are next to each other, and asks for all of them before it needs
 * any.
 */
#include "dcnn_cuda_rows.cuh"

#define THREADS 256
#define BLOCKS 8 /* of a multiprocessor: rounds that take turns */

template<typename T, Group G>
__global__ void __launch_bounds__ (THREADS, 3)
dense_rows_kernel (const __grid_constant__ DcnnCudaRows p, uint32_t n_streams)
{
  /* operators with a window have enough to ask for */
  constexpr uint32_t AT_ONCE = G == COPY ? 4 : 1;
  const DcnnCudaMap &out = p.node.out;
  uint32_t vectors = (out.span + 7) / 8, area = out.width * out.height;
  uint32_t apart = (area * n_streams + AT_ONCE - 1) / AT_ONCE;
  uint32_t own = blockIdx.x * THREADS + threadIdx.x;
  uint32_t threads = gridDim.x * THREADS;

  dcnn_cuda_wait ();
  dcnn_cuda_join_all (p.node, n_streams, own, threads);
  for (uint32_t i = own; i < apart * vectors; i += threads) {
    uint32_t c = i % vectors * 8, first = i / vectors;
    uint32_t s[AT_ONCE], y[AT_ONCE], x[AT_ONCE];
    float v[AT_ONCE][8];
#pragma unroll
    for (uint32_t k = 0; k < AT_ONCE; k++) {
      uint32_t pixel = min (first + k * apart, area * n_streams - 1);
      s[k] = pixel / area;
      y[k] = pixel % area / out.width;
      x[k] = pixel % area % out.width;
      primary<T, G> (p, s[k], (int) y[k], (int) x[k], c, v[k]);
    }
#pragma unroll
    for (uint32_t k = 0; k < AT_ONCE; k++) {
      steps_of<T, G> (p, s[k], y[k], x[k], c, v[k]);
      if (first + k * apart < area * n_streams)
        dcnn_cuda_store<T> (out, dcnn_cuda_at (out, s[k], y[k], x[k]) + c, v[k]);
    }
  }
}

/* ---- launching ---------------------------------------------------------------------- */

template<typename T>
static const void *
kernel_of (Group g)
{
  static const void *const kernels[] = {
    (const void *) dense_rows_kernel<T, DEPTHWISE>,
    (const void *) dense_rows_kernel<T, POOL>,
    (const void *) dense_rows_kernel<T, RESIZE>,
    (const void *) dense_rows_kernel<T, COPY>,
    (const void *) dense_rows_kernel<T, GROUPED>,
    (const void *) dense_rows_kernel<T, CHANNELS> };

  return kernels[g];
}

/* Vectors of all streams. */
static uint64_t
vectors_of (const DcnnCudaRows *p, uint32_t n_streams)
{
  const DcnnCudaMap *out = &p->node.out;

  return (uint64_t) out->width * out->height * n_streams * ((out->span + 7) / 8);
}

bool
dcnn_cuda_dense_rows_accepts (const DcnnCudaRows *rows, uint32_t n_streams,
    const DcnnCudaDevice *device)
{
  return device->whole_maps && vectors_of (rows, n_streams) < 1u << 31;
}

cudaError_t
dcnn_cuda_dense_rows (const DcnnCudaRows *rows, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue)
{
  Group g = group_of (rows);
  uint64_t blocks = (vectors_of (rows, n_streams) + THREADS - 1) / THREADS;
  void *arguments[] = { const_cast<DcnnCudaRows *> (rows), &n_streams };

  return dcnn_cuda_launch (rows->node.in.bf16 ?
      kernel_of<__nv_bfloat16> (g) : kernel_of<__half> (g),
      dim3 ((uint32_t) min (blocks, (uint64_t) BLOCKS *
              device->multiprocessors)), THREADS, 0, 1, arguments, queue);
}
