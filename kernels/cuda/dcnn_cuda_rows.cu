/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_rows.cu - every primary operator but the convolutions, on a list
 * of pixels: some lanes of a warp take a pixel, each eight channels at a time.
 */
#include "dcnn_cuda_rows.cuh"

#define THREADS 256

/* ---- the kernel ------------------------------------------------------------------ */

/* Nothing is judged: each thread takes eight channels of a pixel. */
template<typename T, Group G>
__device__ __forceinline__ void
pass_on (const DcnnCudaRows &p)
{
  uint32_t vectors = (p.node.out.span + 7) / 8;
  uint64_t n = (uint64_t) *p.node.count * vectors;

  for (uint64_t i = blockIdx.x * THREADS + threadIdx.x; i < n;
      i += gridDim.x * THREADS) {
    /* a division of 64 bits takes longer than what it is for */
    uint32_t row = i >> 32 ? (uint32_t) (i / vectors) : (uint32_t) i / vectors;
    uint32_t c = (uint32_t) (i - (uint64_t) row * vectors) * 8;
    DcnnCudaPixel px = p.node.list[row];
    uint32_t s = dcnn_cuda_stream_of (px);
    uint32_t y = (px.at >> 16) & 0x7fff, x = px.at & 0x7fff;
    float v[8];
    primary_row<T, G> (p, s, (int) y, (int) x, c, v);
    dcnn_cuda_store<T> (p.node.out, dcnn_cuda_at (p.node.out, s, y, x) + c, v);
  }
}

/* lanes: threads a pixel, a power of two up to 32. */
template<typename T, Group G>
__global__ void __launch_bounds__ (THREADS)
rows_kernel (const __grid_constant__ DcnnCudaRows p, uint32_t lanes)
{
  uint32_t own = threadIdx.x & (lanes - 1), span = p.node.out.span;
  uint32_t step = gridDim.x * (THREADS / lanes);

  dcnn_cuda_wait ();
  if (p.node.passes) {
    pass_on<T, G> (p);
    return;
  }
  uint32_t count = *p.node.count;
  for (uint32_t base = blockIdx.x * (THREADS / lanes); base < count;
      base += step) {
    uint32_t i = base + threadIdx.x / lanes;
    bool there = i < count;
    DcnnCudaPixel px = p.node.list[there ? i : base];
    uint32_t s = dcnn_cuda_stream_of (px);
    uint32_t y = (px.at >> 16) & 0x7fff, x = px.at & 0x7fff;
    const DcnnCudaJudge judge = p.node.judge[s * p.node.judge_stride];
    uint32_t record = p.node.streams[s].record;
    DcnnCudaChange change = { 0, 0, 0 };
    uint64_t at = dcnn_cuda_at (p.node.out, s, y, x);
    float v[8], old[8], kept[8];
    for (uint32_t c = own * 8; there && c < span; c += lanes * 8) {
      primary_row<T, G> (p, s, (int) y, (int) x, c, v);
      dcnn_cuda_load<T> (p.node.out, at + c, old);
      dcnn_cuda_compare (change, judge, v, old, p.node.weight +
          s * p.node.weight_stride + c, min (8, span - c));
      if (c == own * 8)
        for (int k = 0; k < 8; k++)
          kept[k] = v[k];
    }
    for (uint32_t k = 1; k < lanes; k *= 2)
      dcnn_cuda_change_across (change, k, judge.kind);
    if (!there)
      continue;
    int verdict = dcnn_cuda_verdict (change, judge, px.stream);
    if (own == 0)
      dcnn_cuda_note (p.node, px, verdict, record);
    if (verdict < DCNN_CUDA_JOINED)
      continue;
    if (own * 8 < span)
      dcnn_cuda_store<T> (p.node.out, at + own * 8, kept);
    for (uint32_t c = (own + lanes) * 8; c < span; c += lanes * 8) {
      primary_row<T, G> (p, s, (int) y, (int) x, c, v);
      dcnn_cuda_store<T> (p.node.out, at + c, v);
    }
  }
}

/* The input's pixels, judged by the host. */
__global__ void
input_kernel (const __grid_constant__ DcnnCudaInput p)
{
  dcnn_cuda_wait ();
  uint32_t count = *p.count;
  for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count;
      i += gridDim.x * blockDim.x) {
    DcnnCudaPixel px = p.list[i];
    uint64_t at = dcnn_cuda_at (p.map, px.stream, (px.at >> 16) & 0x7fff,
        px.at & 0x7fff);
    for (uint32_t c = 0; c < p.map.span; c += 8) {
      float v[8];
      for (uint32_t k = 0; k < 8; k++)
        v[k] = c + k < p.map.span ?
            p.values[(uint64_t) i * p.values_stride + c + k] : 0;
      if (p.map.bf16)
        dcnn_cuda_store<__nv_bfloat16> (p.map, at + c, v);
      else
        dcnn_cuda_store<__half> (p.map, at + c, v);
    }
  }
}

/* ---- launching ---------------------------------------------------------------------- */

template<typename T>
static const void *
kernel_of (Group g)
{
  static const void *const kernels[] = {
    (const void *) rows_kernel<T, DEPTHWISE>,
    (const void *) rows_kernel<T, POOL>, (const void *) rows_kernel<T, RESIZE>,
    (const void *) rows_kernel<T, COPY>, (const void *) rows_kernel<T, GROUPED>,
    (const void *) rows_kernel<T, CHANNELS> };

  return kernels[g];
}

cudaError_t
dcnn_cuda_rows (const DcnnCudaRows *rows, DcnnCudaQueue queue)
{
  Group g = group_of (rows);
  uint32_t lanes = 1;
  void *arguments[] = { const_cast<DcnnCudaRows *> (rows), &lanes };

  while (lanes < 32 && lanes * 8 < rows->node.out.span)
    lanes *= 2;
  return dcnn_cuda_launch (rows->node.in.bf16 ?
      kernel_of<__nv_bfloat16> (g) : kernel_of<__half> (g),
      dim3 (rows->node.blocks), THREADS, 0, 1, arguments, queue);
}

cudaError_t
dcnn_cuda_input (const DcnnCudaInput *input, DcnnCudaQueue queue)
{
  void *arguments[] = { const_cast<DcnnCudaInput *> (input) };

  return dcnn_cuda_launch ((const void *) input_kernel, dim3 (132), 256, 0,
      1, arguments, queue);
}
