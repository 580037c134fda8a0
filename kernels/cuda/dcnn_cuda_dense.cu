/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_dense.cu - convolution of whole maps (compute capability 9.0), for
 * frames that are dense in every stream: no list, nothing is compared.
 *
 * An implicit GEMM, 128 pixels by BN channels a block: one warp asks the tensor
 * copy engine for pixels and weights, two groups of four warps multiply 64
 * pixels each and go on from sums to the map's elements, and one warp has the
 * engine store them, while copies of the next tile are on their way. What a tile
 * becomes lies in a stage of the ring that its operands go round in: it comes with
 * what is added to it, if that is so, and is free again once it is stored. Two
 * blocks share a multiprocessor, so that one multiplies while the other stores.
 *
 * A step of k is KB channels of one tap, which therefore divide a pixel's; the
 * order of k, and the parts whose sums are added in turn, are those of
 * dcnn_cuda_conv.cu, so its bits are the same. Where tiles are few, the parts of
 * one are the blocks of a cluster, each of which ends its share of the rows.
 */
#include "dcnn_cuda_groups.cuh"

#define ALL_THREADS (THREADS + 64) /* behind those: who copies, who stores */
#define STORER (THREADS + 32)
/* What ending a tile together takes, in steps of k. */
#ifndef TOGETHER_TAKES
#define TOGETHER_TAKES(parts) (6 + (parts))
#endif

/* How the parts of k are taken: there is one; one after the other; side by side. */
enum Parts { ONE, IN_TURN, TOGETHER };

struct Dense : GroupWork {
  CUtensorMap rows, weights, out, operand;
  uint32_t pixels;         /* of the output, all streams */
  uint32_t flat;           /* pixels are rows of one matrix (1x1) */
  uint32_t n_streams;
};

/* Where an output pixel is. */
__device__ __forceinline__ DcnnCudaPixel
pixel_at (const DcnnCudaConv &p, uint32_t i)
{
  uint32_t width = p.node.out.width, area = width * p.node.out.height;
  uint32_t in_map = i % area;

  return DcnnCudaPixel { in_map / width << 16 | in_map % width, i / area };
}

#if !defined (__CUDA_ARCH__) || defined (__CUDA_ARCH_FEAT_SM90_ALL)

/* Boxes of a tile that hold any channel. */
template<int BN>
__device__ __forceinline__ uint32_t
boxes (const DcnnCudaConv &p, uint32_t chunk)
{
  return BN < 128 || chunk * BN + 64 >= p.node.out.span ? 1 : 2;
}

/* One thread's: what steps `from` to `to` of a tile multiply. */
template<int BN, int KB>
__device__ __forceinline__ void
copy_operands (const Dense &d, uint32_t tile, uint32_t chunk, uint32_t from,
    uint32_t to, uint32_t shared, uint32_t full, uint32_t empty, Turn &t)
{
  using S = Stage<BN, KB>;
  const DcnnCudaConv &p = d.conv;
  DcnnCudaPixel first = pixel_at (p, tile * WIDE);
  int y = (int) (first.at >> 16) * p.stride[0] - p.pad[0];
  int x = (int) (first.at & 0xffff) * p.stride[1] - p.pad[1];
  uint32_t channel = from * KB, tap = 0;

  if (!d.flat) {
    tap = channel / (p.span8 * 8);
    channel %= p.span8 * 8;
  }
  uint32_t ky = tap / (uint32_t) p.kernel[1], kx = tap % (uint32_t) p.kernel[1];
  for (uint32_t k = from; k < to; k++) {
    uint32_t at = shared + t.slot * S::SIZE, barrier = full + t.slot * 8;
    barrier_wait (empty + t.slot * 8, t.parity ^ 1);
    barrier_expect (barrier, S::A + S::B);
    if (d.flat)
      copy_box (at, &d.rows, channel, tile * WIDE, barrier);
    else
      copy_walk (at, &d.rows, channel, y, x, first.stream,
          ky * (uint32_t) p.dilation[0], kx * (uint32_t) p.dilation[1],
          barrier);
    copy_box (at + S::A, &d.weights, k * KB, chunk * BN, barrier);
    channel += KB;
    if (!d.flat && channel >= p.span8 * 8) {
      channel = 0;
      if (++kx == (uint32_t) p.kernel[1])
        kx = 0, ky++;
    }
    turn<S::N> (t);
  }
}

/* The stage that a tile ends in, with what is added to it. */
template<int BN, int KB>
__device__ __forceinline__ void
copy_added (const Dense &d, uint32_t tile, uint32_t chunk, uint32_t shared,
    uint32_t full, uint32_t empty, Turn &t)
{
  using S = Stage<BN, KB>;

  barrier_wait (empty + t.slot * 8, t.parity ^ 1);
  if (d.adds) {
    uint32_t n = boxes<BN> (d.conv, chunk), barrier = full + t.slot * 8;
    barrier_expect (barrier, n * S::BOX_BYTES);
    for (uint32_t b = 0; b < n; b++)
      copy_box (shared + t.slot * S::SIZE + b * S::BOX_BYTES, &d.operand,
          chunk * BN + b * S::BOX, tile * WIDE, barrier);
  } else {
    barrier_arrive (full + t.slot * 8);
  }
  turn<S::N> (t);
}

/* One thread's: stores one tile, and gives its stage back. */
template<int BN, int KB>
__device__ __forceinline__ void
store_tile (const Dense &d, uint32_t tile, uint32_t chunk, uint32_t shared,
    uint32_t done, uint32_t empty, Turn &t, Turn &finished)
{
  using S = Stage<BN, KB>;
  uint32_t n = boxes<BN> (d.conv, chunk);

  for (uint32_t k = 0; k < d.steps % S::N; k++)
    turn<S::N> (t);
  barrier_wait (done + finished.slot * 8, finished.parity);
  for (uint32_t b = 0; b < n; b++)
    store_box (&d.out, chunk * BN + b * S::BOX, tile * WIDE,
        shared + t.slot * S::SIZE + b * S::BOX_BYTES);
  stores_have_read ();
  barrier_arrive (empty + t.slot * 8, THREADS / 32);
  turn<S::N> (t);
  turn<S::N> (finished);
}

/* What the first step that adds a map reads of eight channels, asked for
 * early. */
__device__ __forceinline__ uint4
ask_operand (const DcnnCudaNode &n, uint32_t step, const DcnnCudaPixel &e,
    uint32_t c, bool there)
{
  const DcnnCudaMap &m = n.steps[step].map;

  if (!there || step >= n.n_steps || c >= n.out.span)
    return uint4 { 0, 0, 0, 0 };
  return *reinterpret_cast<const uint4 *> (static_cast<const uint16_t *> (
          m.data) +
      dcnn_cuda_at (m, e.stream, e.at >> 16, e.at & 0xffff) + c);
}

/* Bias and any steps of the thread's two rows, 32 channels of one at a time; a
 * loop, so that there is one of each instruction. */
template<typename T, int BN, int N>
__device__ __forceinline__ void
finish_steps (const Dense &d, float (&sums)[N], uint32_t row, uint32_t tile,
    uint32_t chunk, char *stage)
{
  const DcnnCudaConv &p = d.conv;
  uint32_t first = tile * WIDE + row;
  uint32_t step = dcnn_cuda_early_step (p.node), quad = threadIdx.x & 3;
  DcnnCudaPixel e[2] = { pixel_at (p, first), pixel_at (p, first + 8) };
  uint4 next = ask_operand (p.node, step, e[0], chunk * BN + quad * 8,
      first < d.pixels);

#pragma unroll 1
  for (int i = 0; i < BN / 16; i++) {
    bool lower = i & 1, lower_next = !lower;
    DcnnCudaPixel at = lower ? e[1] : e[0];
    uint32_t column = (uint32_t) (i / 2) * 32 + quad * 8;
    uint32_t c = chunk * BN + column;
    float own[4][2], v[8], bias[8];
    uint4 early = next;
    next = ask_operand (p.node, step, lower_next ? e[1] : e[0],
        c + (lower ? 32 : 0), (lower_next ? first + 8 : first) < d.pixels);
#pragma unroll
    for (int g = 0; g < 4; g++)
#pragma unroll
      for (int k = 0; k < 2; k++)
        own[g][k] = lower ? sums[g * 4 + 2 + k] : sums[g * 4 + k];
    dcnn_cuda_exchange (own);
    if (lower)
#pragma unroll
      for (int k = 0; k + 16 < N; k++)
        sums[k] = sums[k + 16];
    if ((lower ? first + 8 : first) >= d.pixels || c >= p.node.out.span)
      continue;
    dcnn_cuda_load_floats (p.bias + c, bias);
#pragma unroll
    for (int k = 0; k < 8; k++)
      v[k] = own[k / 2][k % 2] + bias[k];
    dcnn_cuda_steps<T> (p.node, at.stream, at.at >> 16, at.at & 0xffff, c, v, step,
        early);
    *reinterpret_cast<uint4 *> (stage + element_at<BN> (lower ? row + 8 : row,
            column)) = dcnn_cuda_pack<T> (v);
  }
}

/* One tile, by the same threads. */
template<typename T, int BN, int KB, bool PARTS, bool NORM>
__device__ __forceinline__ void
multiply_tile (const Dense &d, uint32_t tile, uint32_t chunk, char *memory,
    uint32_t full, uint32_t empty, uint32_t done, Turn &t, Turn &finished)
{
  using S = Stage<BN, KB>;
  float sums[BN / 2] = {};
  uint32_t row = dcnn_wgmma_row (threadIdx.x & 127, 0) +
      (threadIdx.x >> 7) * 64;

  multiply_steps<T, BN, KB, PARTS, NORM> (d, 0, d.steps, memory, full, empty, t,
      sums);
  barrier_wait (full + t.slot * 8, t.parity);
  if (d.conv.node.plain)
    finish_plain<T, BN> (d, sums, row, chunk, memory + t.slot * S::SIZE);
  else
    finish_steps<T, BN> (d, sums, row, tile, chunk, memory + t.slot * S::SIZE);
  fence_bulk ();
  __syncwarp ();
  if ((threadIdx.x & 31) == 0)
    barrier_arrive (done + finished.slot * 8);
  turn<S::N> (t);
  turn<S::N> (finished);
}

template<typename T, int BN, int KB, bool PARTS, bool NORM>
__device__ __forceinline__ void
run_maps (const Dense &d)
{
  using S = Stage<BN, KB>;
  DCNN_CUDA_DYNAMIC (memory, 1024);
  __shared__ __align__ (8) uint64_t barriers[3 * S::N];
  uint32_t chunks = (d.conv.n_padded + BN - 1) / BN;
  uint32_t tiles = (d.pixels + WIDE - 1) / WIDE * chunks;
  uint32_t shared = shared_address (memory);
  uint32_t full = shared_address (barriers), empty = full + S::N * 8;
  uint32_t done = empty + S::N * 8;
  Turn t = { 0, 0 }, finished = { 0, 0 };

  if (threadIdx.x < S::N) {
    barrier_init (full + threadIdx.x * 8, 1);
    barrier_init (empty + threadIdx.x * 8, THREADS / 32);
    barrier_init (done + threadIdx.x * 8, THREADS / 32);
  }
  fence_barriers ();
  __syncthreads ();
  dcnn_cuda_wait ();
  if (threadIdx.x == THREADS)
    for (uint32_t i = blockIdx.x; i < tiles; i += gridDim.x) {
      copy_operands<BN, KB> (d, i / chunks, i % chunks, 0, d.steps, shared,
          full, empty, t);
      copy_added<BN, KB> (d, i / chunks, i % chunks, shared, full, empty, t);
    }
  if (threadIdx.x == STORER) {
    for (uint32_t i = blockIdx.x; i < tiles; i += gridDim.x)
      store_tile<BN, KB> (d, i / chunks, i % chunks, shared, done, empty, t,
          finished);
    stores_are_done ();
  }
  if (threadIdx.x >= THREADS)
    return;
  dcnn_cuda_join_all (d.conv.node, d.n_streams, blockIdx.x * THREADS +
      threadIdx.x, gridDim.x * THREADS);
  for (uint32_t i = blockIdx.x; i < tiles; i += gridDim.x)
    multiply_tile<T, BN, KB, PARTS, NORM> (d, i / chunks, i % chunks, memory,
        full, empty, done, t, finished);
}

/* ---- parts side by side --------------------------------------------------------- */

/* A thread's sums, where the cluster's blocks find them: rows of BN floats, and four
 * that no row has, so that eight rows lie in all banks. */
template<int BN, int N>
__device__ __forceinline__ void
show_sums (const float (&sums)[N], float *shown)
{
  uint32_t row = dcnn_wgmma_row (threadIdx.x & 127, 0) +
      (threadIdx.x >> 7) * 64;

#pragma unroll
  for (int i = 0; i < N; i += 2)
    *reinterpret_cast<float2 *> (shown + (row + (i & 2) * 4) * (BN + 4) +
        dcnn_wgmma_column (threadIdx.x & 127, (uint32_t) i)) =
        make_float2 (sums[i], sums[i + 1]);
}

/* All that follows from the sums of a block's share of the rows. */
template<typename T, int BN>
__device__ __forceinline__ void
finish_share (const Dense &d, uint32_t tile, uint32_t chunk, uint32_t rank,
    const float *shown)
{
  const DcnnCudaConv &p = d.conv;
  const DcnnCudaMap &out = p.node.out;
  uint32_t step = dcnn_cuda_early_step (p.node), rows = WIDE / p.parts;

  for (uint32_t i = threadIdx.x; i < rows * (BN / 8); i += THREADS) {
    uint32_t row = rank * rows + i / (BN / 8), column = i % (BN / 8) * 8;
    uint32_t c = chunk * BN + column, pixel = tile * WIDE + row;
    const float *at = shown + row * (BN + 4) + column;
    float v[8], bias[8];
    if (pixel >= d.pixels || c >= out.span)
      continue;
    DcnnCudaPixel e = pixel_at (p, pixel);
    uint4 early = ask_operand (p.node, step, e, c, true);
    for (uint32_t r = 0; r < p.parts; r++) {
      uint32_t from = cluster_address (at, r);
      float4 a = cluster_read4 (from), b = cluster_read4 (from + 16);
      float part[8] = { a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w };
#pragma unroll
      for (int k = 0; k < 8; k++)
        v[k] = r == 0 ? part[k] : v[k] + part[k];
    }
    dcnn_cuda_load_floats (p.bias + c, bias);
#pragma unroll
    for (int k = 0; k < 8; k++)
      v[k] += bias[k];
    dcnn_cuda_steps<T> (p.node, e.stream, e.at >> 16, e.at & 0xffff, c, v, step,
        early);
    *reinterpret_cast<uint4 *> (static_cast<T *> (out.data) +
        dcnn_cuda_at (out, e.stream, e.at >> 16, e.at & 0xffff) + c) =
        dcnn_cuda_pack<T> (v);
  }
}

/* The blocks of a cluster are the parts of a tile. */
template<typename T, int BN, int KB, bool NORM>
__device__ __forceinline__ void
run_together (const Dense &d)
{
  using S = Stage<BN, KB>;
  DCNN_CUDA_DYNAMIC (memory, 1024);
  __shared__ __align__ (8) uint64_t barriers[2 * S::N];
  uint32_t chunks = (d.conv.n_padded + BN - 1) / BN, parts = d.conv.parts;
  uint32_t tiles = (d.pixels + WIDE - 1) / WIDE * chunks;
  uint32_t rank = cluster_rank (), from = part_begins<KB> (d, rank);
  uint32_t to = part_begins<KB> (d, rank + 1);
  uint32_t shared = shared_address (memory);
  uint32_t full = shared_address (barriers), empty = full + S::N * 8;
  float *shown = reinterpret_cast<float *> (memory + S::BYTES);
  Turn t = { 0, 0 };

  if (threadIdx.x < S::N) {
    barrier_init (full + threadIdx.x * 8, 1);
    barrier_init (empty + threadIdx.x * 8, THREADS / 32);
  }
  fence_barriers ();
  __syncthreads ();
  dcnn_cuda_wait ();
  dcnn_cuda_join_all (d.conv.node, d.n_streams, blockIdx.x * ALL_THREADS +
      threadIdx.x, gridDim.x * ALL_THREADS);
  for (uint32_t i = blockIdx.x / parts; i < tiles; i += gridDim.x / parts) {
    uint32_t tile = i / chunks, chunk = i % chunks;
    float sums[BN / 2] = {};
    if (threadIdx.x == THREADS)
      copy_operands<BN, KB> (d, tile, chunk, from, to, shared, full, empty, t);
    if (threadIdx.x < THREADS) {
      multiply_steps<T, BN, KB, false, NORM> (d, from, to, memory, full, empty, t,
          sums);
      show_sums<BN> (sums, shown);
    }
    __syncwarp ();
    cluster_sync ();
    if (threadIdx.x < THREADS)
      finish_share<T, BN> (d, tile, chunk, rank, shown);
    __syncwarp ();
    cluster_sync ();
  }
}

#endif

template<typename T, int BN, int KB, Parts PARTS, bool NORM>
__global__ void __launch_bounds__ (ALL_THREADS, PARTS == ONE ? 2 : 1)
dense_kernel (const __grid_constant__ Dense d)
{
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  if constexpr (PARTS == TOGETHER)
    run_together<T, BN, KB, NORM> (d);
  else
    run_maps<T, BN, KB, PARTS == IN_TURN, NORM> (d);
#else
  dcnn_cuda_wait ();
#endif
}

/* ---- launching ---------------------------------------------------------------------- */

static bool
flat (const DcnnCudaConv *p)
{
  return p->kernel[0] == 1 && p->kernel[1] == 1 && p->stride[0] == 1 &&
      p->stride[1] == 1 && p->pad[0] == 0 && p->pad[1] == 0 &&
      p->node.in.width == p->node.out.width &&
      p->node.in.height == p->node.out.height;
}

/* The last row (column) that is read lies so far behind the map's end. */
static int32_t
pad_behind (const DcnnCudaConv *p, int axis, uint32_t in, uint32_t out)
{
  return ((int32_t) out - 1) * p->stride[axis] - p->pad[axis] +
      (p->kernel[axis] - 1) * p->dilation[axis] - ((int32_t) in - 1);
}

/* Corners of a walk have a byte each, offsets an unsigned one. */
static bool
walks (const DcnnCudaConv *p, int axis, int32_t end)
{
  int32_t reach = (p->kernel[axis] - 1) * p->dilation[axis];

  return p->stride[axis] >= 1 && p->stride[axis] <= 8 && p->pad[axis] >= 0 &&
      p->pad[axis] <= 128 && reach <= 255 && end - reach >= -128 &&
      end - reach <= 127;
}

/* Pixels of all streams follow each other without a gap. */
static bool
gapless (const DcnnCudaMap *m)
{
  return !m->f32 && m->stream == (uint64_t) m->width * m->height * m->pixel;
}

bool
dcnn_cuda_dense_accepts (const DcnnCudaConv *p, const DcnnCudaDevice *device)
{
  const DcnnCudaMap *in = &p->node.in, *out = &p->node.out;

  return device->whole_maps && takes_norm (p) && !p->transposed && gapless (in) &&
      gapless (out) && p->weights && step_channels (p, flat (p)) != 0 && (flat (p) ||
          (walks (p, 0, pad_behind (p, 0, in->height, out->height)) &&
              walks (p, 1, pad_behind (p, 1, in->width, out->width))));
}

/* Whether the first step's map comes as a matrix of the map's rows. */
static bool
adds_rows (const DcnnCudaNode *n)
{
  const DcnnCudaMap *m = &n->steps[0].map;

  return n->plain & DCNN_CUDA_PLAIN_ADD && gapless (m) &&
      m->width == n->out.width && m->height == n->out.height;
}

static cudaError_t
describe_pixels (const DcnnCudaMap *m, uint32_t span, uint32_t pixels,
    uint32_t channels, CUtensorMap *map)
{
  DcnnMatrix rows = { m->data, pixels, (span + 7) / 8 * 8, m->pixel, WIDE,
    channels < 64 ? channels : 64 };

  return describe_matrix (rows, map);
}

static cudaError_t
describe (Dense *d, uint32_t n_streams, uint32_t channels, uint32_t step)
{
  const DcnnCudaConv *p = &d->conv;
  const DcnnCudaMap *in = &p->node.in, *out = &p->node.out;
  DcnnMatrix weights = { p->weights, p->n_padded, p->k_padded, p->k_padded,
    channels, step };
  cudaError_t e = describe_matrix (weights, &d->weights);

  if (e == cudaSuccess)
    e = describe_pixels (&p->node.out, p->node.out.span, d->pixels, channels,
        &d->out);
  if (e == cudaSuccess && d->adds)
    e = describe_pixels (&p->node.steps[0].map, p->node.out.span, d->pixels,
        channels, &d->operand);
  if (e != cudaSuccess)
    return e;
  if (d->flat) {
    DcnnMatrix rows = { in->data, (uint64_t) n_streams * in->width *
      in->height, p->span8 * 8, in->pixel, WIDE, step };
    return describe_matrix (rows, &d->rows);
  }
  DcnnWalkedMaps walk = { in->data, n_streams, in->height, in->width,
    p->span8 * 8, in->pixel };
  for (int a = 0; a < 2; a++) {
    walk.kernel[a] = p->kernel[a];
    walk.stride[a] = p->stride[a];
    walk.dilation[a] = p->dilation[a];
    walk.pad[a] = p->pad[a];
  }
  walk.pad_end[0] = pad_behind (p, 0, in->height, out->height);
  walk.pad_end[1] = pad_behind (p, 1, in->width, out->width);
  walk.box_rows = WIDE;
  walk.box_columns = step;
  return describe_walk (walk, &d->rows);
}

template<typename T, int BN, int KB, Parts PARTS, bool NORM>
static cudaError_t
launch (Dense *d, uint32_t n_streams, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  void *arguments[] = { d };
  uint32_t chunks = (d->conv.n_padded + BN - 1) / BN;
  uint32_t tiles = (d->pixels + WIDE - 1) / WIDE * chunks;
  cudaError_t e = describe (d, n_streams, BN, KB);

  static_assert (Stage<BN, KB>::N >= 3, "stages");
  d->steps = d->flat ? d->conv.k_padded / KB : (uint32_t) (d->conv.kernel[0] *
          d->conv.kernel[1]) * d->conv.span8 * 8 / KB;
  if (e != cudaSuccess)
    return e;
  if (PARTS == TOGETHER) {
    uint32_t parts = d->conv.parts;
    return dcnn_cuda_launch ((const void *) dense_kernel<T, BN, KB, PARTS, NORM>,
        dim3 (min (tiles, max (device->multiprocessors / parts, 1u)) * parts),
        ALL_THREADS, Stage<BN, KB>::BYTES + WIDE * (BN + 4) * sizeof (float),
        parts, arguments, queue);
  }
  return dcnn_cuda_launch ((const void *) dense_kernel<T, BN, KB, PARTS, NORM>,
      dim3 (min (tiles, (PARTS == ONE ? 2 : 1) * device->multiprocessors)),
      ALL_THREADS, Stage<BN, KB>::BYTES, 1, arguments, queue);
}

/* Whether the parts of tiles are taken sooner side by side. */
static bool
sooner_together (const Dense *d, uint32_t tiles, const DcnnCudaDevice *device)
{
  uint32_t parts = d->conv.parts, n = device->multiprocessors;
  uint32_t clusters = max (n / parts, 1u);
  uint32_t steps = d->conv.k_padded / BK;

  return device->clusters && (tiles + clusters - 1) / clusters *
      (steps / parts + TOGETHER_TAKES (parts)) < (tiles + n - 1) / n * steps;
}

template<typename T, int BN, int KB, bool NORM>
static cudaError_t
launch_parts (Dense *d, uint32_t n_streams, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  uint32_t tiles = (d->pixels + WIDE - 1) / WIDE *
      ((d->conv.n_padded + BN - 1) / BN);

  if (d->conv.parts == 1)
    return launch<T, BN, KB, ONE, NORM> (d, n_streams, device, queue);
  return sooner_together (d, tiles, device) ?
      launch<T, BN, KB, TOGETHER, NORM> (d, n_streams, device, queue) :
      launch<T, BN, KB, IN_TURN, NORM> (d, n_streams, device, queue);
}

template<typename T>
static cudaError_t
launch_as (Dense *d, uint32_t n_streams, const DcnnCudaDevice *device,
    DcnnCudaQueue queue)
{
  bool wide_steps = step_channels (&d->conv, d->flat) == 64;
  bool odd = (d->conv.n_padded + 63) / 64 % 2;

  if (d->conv.norm)
    return odd ? launch_parts<T, 64, 64, true> (d, n_streams, device, queue) :
        launch_parts<T, 128, 64, true> (d, n_streams, device, queue);
  if (d->conv.n_padded == 32)
    return wide_steps ?
        launch_parts<T, 32, 64, false> (d, n_streams, device, queue) :
        launch_parts<T, 32, 32, false> (d, n_streams, device, queue);
  if (odd)
    return wide_steps ?
        launch_parts<T, 64, 64, false> (d, n_streams, device, queue) :
        launch_parts<T, 64, 32, false> (d, n_streams, device, queue);
  return wide_steps ?
      launch_parts<T, 128, 64, false> (d, n_streams, device, queue) :
      launch_parts<T, 128, 32, false> (d, n_streams, device, queue);
}

cudaError_t
dcnn_cuda_dense (const DcnnCudaConv *conv, uint32_t n_streams,
    const DcnnCudaDevice *device, DcnnCudaQueue queue)
{
  Dense d = {};

  d.conv = *conv;
  d.conv.parts = conv->splits;
  d.pixels = n_streams * conv->node.out.width * conv->node.out.height;
  d.flat = flat (conv);
  d.n_streams = n_streams;
  d.adds = adds_rows (&conv->node);
  if (!d.adds && conv->node.plain & DCNN_CUDA_PLAIN_ADD)
    d.conv.node.plain = 0; /* step by step */
  return conv->node.in.bf16 ? launch_as<__nv_bfloat16> (&d, n_streams, device,
      queue) : launch_as<__half> (&d, n_streams, device, queue);
}
