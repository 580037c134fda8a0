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

/* Steps that are a product and a sum with vectors and, it may be, a Clip: a
 * normalisation that is no part of a convolution. */
struct Affine {
  const float *scale, *shift; /* NULL: steps are other ones */
  float least, most;
};

/* Rounded as one step after the other. */
template<uint32_t N>
__device__ __forceinline__ void
scale_and_shift (const Affine &a, uint32_t c, float (&v)[N][8])
{
  float scale[8], shift[8];

  dcnn_cuda_load_floats (a.scale + c, scale);
  dcnn_cuda_load_floats (a.shift + c, shift);
#pragma unroll
  for (uint32_t n = 0; n < N; n++)
#pragma unroll
    for (int k = 0; k < 8; k++) {
      float r = __fadd_rn (__fmul_rn (v[n][k], scale[k]), shift[k]);
      v[n][k] = r < a.least ? a.least : r > a.most ? a.most : r;
    }
}

template<typename T, Group G>
__global__ void __launch_bounds__ (THREADS, 3)
dense_rows_kernel (const __grid_constant__ DcnnCudaRows p, uint32_t n_streams,
    Affine affine)
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
    if (G == COPY && affine.scale)
      scale_and_shift (affine, c, v);
#pragma unroll
    for (uint32_t k = 0; k < AT_ONCE; k++) {
      if (G != COPY || !affine.scale)
        steps_of<T, G> (p, s[k], y[k], x[k], c, v[k]);
      if (first + k * apart < area * n_streams)
        dcnn_cuda_store<T> (out, dcnn_cuda_at (out, s[k], y[k], x[k]) + c, v[k]);
    }
  }
}

/* ---- depthwise, 3x3 ------------------------------------------------------------------ */

#define RUN 8 /* pixels of a row that a thread takes one after the other */
#define RUN_THREADS 128

/* A window's column of eight channels from c on; bits: rows that are there. */
struct Column {
  uint4 rows[3];
  uint32_t there;
};

__device__ __forceinline__ Column
load_column (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c)
{
  const DcnnCudaMap &in = p.node.in;
  Column column = {};

#pragma unroll
  for (int k = 0; k < 3; k++)
    if (y + k >= 0 && y + k < (int) in.height && x >= 0 && x < (int) in.width) {
      column.rows[k] = *reinterpret_cast<const uint4 *> (
          static_cast<const uint16_t *> (in.data) + dcnn_cuda_at (in, s,
              (uint32_t) (y + k), (uint32_t) x) + c);
      column.there |= 1u << k;
    }
  return column;
}

/* Weights stay in registers, and of what a window reads only that is loaded which the
 * one before had not: with weights anew for each pixel, nothing but they would
 * come through the first-level cache. */
template<typename T, int STRIDE>
__global__ void __launch_bounds__ (RUN_THREADS, 3)
dense_depthwise_kernel (const __grid_constant__ DcnnCudaRows p,
    uint32_t n_streams)
{
  const DcnnCudaMap &out = p.node.out;
  uint32_t vectors = (out.span + 7) / 8, runs = (out.width + RUN - 1) / RUN;
  uint32_t own = blockIdx.x * RUN_THREADS + threadIdx.x;
  uint32_t threads = gridDim.x * RUN_THREADS;

  dcnn_cuda_wait ();
  dcnn_cuda_join_all (p.node, n_streams, own, threads);
  for (uint32_t i = own; i < vectors * runs * out.height * n_streams;
      i += threads) {
    uint32_t c = i % vectors * 8, row = i / vectors / runs;
    uint32_t x = i / vectors % runs * RUN, y = row % out.height;
    uint32_t s = row / out.height;
    int in_y = (int) y * p.stride[0] - p.pad[0];
    int in_x = (int) x * STRIDE - p.pad[1];
    float weights[9][8], bias[8];
    Column window[3], next[STRIDE];
#pragma unroll
    for (int k = 0; k < 3; k++)
      window[k] = load_column (p, s, in_y, in_x + k, c);
#pragma unroll
    for (int k = 0; k < 9; k++)
      dcnn_cuda_load_floats (p.weights + k * vectors * 8 + c, weights[k]);
    dcnn_cuda_load_floats (p.bias + c, bias);
#pragma unroll 1
    for (int r = 0; r < RUN && x + r < out.width; r++) {
      float v[8];
#pragma unroll
      for (int k = 0; k < STRIDE; k++)
        next[k] = load_column (p, s, in_y, in_x + r * STRIDE + 3 + k, c);
#pragma unroll
      for (int k = 0; k < 8; k++)
        v[k] = bias[k];
#pragma unroll
      for (int k = 0; k < 9; k++) {
        const Column &column = window[k % 3];
        float e[8];
        dcnn_cuda_unpack<T> (column.rows[k / 3], e);
        if (column.there >> (k / 3) & 1)
#pragma unroll
          for (int j = 0; j < 8; j++)
            v[j] = fmaf (e[j], weights[k][j], v[j]);
      }
#pragma unroll
      for (int k = 0; k < 3; k++)
        window[k] = k + STRIDE < 3 ? window[(k + STRIDE) % 3] :
            next[k + STRIDE - 3];
      steps_of<T, DEPTHWISE> (p, s, y, x + r, c, v);
      dcnn_cuda_store<T> (out, dcnn_cuda_at (out, s, y, x + r) + c, v);
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

/* NULL: it is no depthwise operator that goes by runs. */
template<typename T>
static const void *
runs_of (const DcnnCudaRows *p)
{
  if (p->primary != DCNN_PRIMARY_DEPTHWISE || p->node.in.f32 ||
      p->kernel[0] != 3 || p->kernel[1] != 3 || p->dilation[0] != 1 ||
      p->dilation[1] != 1 || p->stride[1] > 2)
    return NULL;
  return p->stride[1] == 1 ? (const void *) dense_depthwise_kernel<T, 1> :
      (const void *) dense_depthwise_kernel<T, 2>;
}

static bool
is_vector (const DcnnCudaNode *n, uint32_t step, int kind)
{
  return step < n->n_steps && n->steps[step].kind == kind &&
      n->steps[step].operand == DCNN_OPERAND_VECTOR && n->steps[step].vector;
}

static Affine
affine_of (const DcnnCudaNode *n)
{
  Affine a = { NULL, NULL, -INFINITY, INFINITY };

  if (!is_vector (n, 0, DCNN_STEP_MUL) || !is_vector (n, 1, DCNN_STEP_ADD) ||
      n->n_steps > 3)
    return a;
  if (n->n_steps == 3) {
    if (n->steps[2].kind != DCNN_STEP_RELU && n->steps[2].kind != DCNN_STEP_CLIP)
      return a;
    a.least = n->steps[2].kind == DCNN_STEP_RELU ? 0 : n->steps[2].a;
    a.most = n->steps[2].kind == DCNN_STEP_RELU ? a.most : n->steps[2].b;
  }
  a.scale = n->steps[0].vector;
  a.shift = n->steps[1].vector;
  return a;
}

/* Blocks for so many threads, or those that take turns. */
static dim3
blocks_of (uint64_t wanted, uint32_t threads, const DcnnCudaDevice *device)
{
  return dim3 ((uint32_t) min ((wanted + threads - 1) / threads,
          (uint64_t) BLOCKS * device->multiprocessors));
}

cudaError_t
dcnn_cuda_dense_rows (const DcnnCudaRows *rows, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue)
{
  const DcnnCudaMap *out = &rows->node.out;
  Group g = group_of (rows);
  uint64_t n = vectors_of (rows, n_streams);
  const void *runs = rows->node.in.bf16 ? runs_of<__nv_bfloat16> (rows) :
      runs_of<__half> (rows);
  Affine affine = affine_of (&rows->node);
  void *arguments[] = { const_cast<DcnnCudaRows *> (rows), &n_streams,
    &affine };

  if (runs)
    return dcnn_cuda_launch (runs, blocks_of (n / out->width * ((out->width +
                  RUN - 1) / RUN), RUN_THREADS, device), RUN_THREADS, 0, 1,
        arguments, queue);
  return dcnn_cuda_launch (rows->node.in.bf16 ?
      kernel_of<__nv_bfloat16> (g) : kernel_of<__half> (g),
      blocks_of (n, THREADS, device), THREADS, 0, 1, arguments, queue);
}
