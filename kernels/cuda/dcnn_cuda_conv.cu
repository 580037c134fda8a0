/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_conv.cu - convolution on a list of pixels as an implicit GEMM on
 * tensor cores: rows are any pixels of any streams, gathered tap by tap.
 *
 * A block computes `rows` pixels by 64 output channels at a time; the blocks
 * of a cluster (sm_90) share a set of rows, each with its part of the
 * channels, and judge together: a pixel's change is summed over the cluster
 * in the order of ranks. Without clusters one block takes all channels in
 * turn. Half products, float accumulators in the order of k, whatever the
 * list: the same bits for a pixel wherever it stands.
 */
#include "dcnn_cuda_device.cuh"

#define BN 64
#define BK 64
#define STAGES 4
#define THREADS 128

/* ---- instructions --------------------------------------------------------------- */

__device__ __forceinline__ uint32_t
shared_address (const void *p)
{
  return (uint32_t) __cvta_generic_to_shared (p);
}

__device__ __forceinline__ void
copy_async (uint32_t to, const void *from, bool there)
{
  int bytes = there ? 16 : 0;
  asm volatile ("cp.async.cg.shared.global [%0], [%1], 16, %2;"
      :: "r" (to), "l" (from), "r" (bytes) : "memory");
}

__device__ __forceinline__ void
load_matrices (uint32_t at, uint32_t *r)
{
  asm volatile ("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
      : "=r" (r[0]), "=r" (r[1]), "=r" (r[2]), "=r" (r[3]) : "r" (at)
      : "memory");
}

__device__ __forceinline__ void
multiply (float *d, const uint32_t *a, uint32_t b0, uint32_t b1)
{
  asm volatile ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f" (d[0]), "+f" (d[1]), "+f" (d[2]), "+f" (d[3])
      : "r" (a[0]), "r" (a[1]), "r" (a[2]), "r" (a[3]), "r" (b0), "r" (b1));
}

__device__ __forceinline__ uint32_t
cluster_rank ()
{
  uint32_t r = 0;
#if __CUDA_ARCH__ >= 900
  asm volatile ("mov.u32 %0, %%cluster_ctarank;" : "=r" (r));
#endif
  return r;
}

__device__ __forceinline__ uint32_t
cluster_size ()
{
  uint32_t r = 1;
#if __CUDA_ARCH__ >= 900
  asm volatile ("mov.u32 %0, %%cluster_nctarank;" : "=r" (r));
#endif
  return r;
}

__device__ __forceinline__ void
cluster_sync ()
{
#if __CUDA_ARCH__ >= 900
  asm volatile ("barrier.cluster.arrive.aligned;\n"
      "barrier.cluster.wait.aligned;" ::: "memory");
#endif
}

/* A word of another block's shared memory, at this block's address. */
__device__ __forceinline__ float
cluster_read (const void *p, uint32_t rank)
{
  float v = 0;
#if __CUDA_ARCH__ >= 900
  uint32_t at;
  asm volatile ("mapa.shared::cluster.u32 %0, %1, %2;" : "=r" (at)
      : "r" (shared_address (p)), "r" (rank));
  asm volatile ("ld.shared::cluster.f32 %0, [%1];" : "=f" (v) : "r" (at)
      : "memory");
#else
  v = *static_cast<const float *> (p);
#endif
  return v;
}

/* ---- the kernel ------------------------------------------------------------------ */

/* Where the rows of 64 halves lie: 16-byte chunks exchanged so that eight rows
 * of one chunk are in different banks. */
__device__ __forceinline__ uint32_t
chunk_at (uint32_t row, uint32_t chunk)
{
  return row * (BK * 2) + ((chunk ^ (row & 7)) << 4);
}

/* This thread's place in the taps: which tap and which vector of its pixel. */
struct Walk {
  uint32_t c8;
  int ky, kx;
};

__device__ __forceinline__ void
walk (Walk &w, const DcnnCudaConv &p, uint32_t step)
{
  w.c8 += step;
  while (w.c8 >= p.span8) {
    w.c8 -= p.span8;
    if (++w.kx == p.kernel[1])
      w.kx = 0, w.ky++;
  }
}

__device__ __forceinline__ bool
tap_of (const DcnnCudaConv &p, int o, int k, int axis, int size, int *at)
{
  if (!p.transposed) {
    *at = o * p.stride[axis] - p.pad[axis] + k * p.dilation[axis];
    return *at >= 0 && *at < size;
  }
  int n = o + p.pad[axis] - k * p.dilation[axis];
  *at = n / p.stride[axis];
  return n >= 0 && n % p.stride[axis] == 0 && *at < size;
}

template<int BM>
__device__ __forceinline__ void
load_stage (const DcnnCudaConv &p, const uint32_t *at, const uint32_t *stream,
    uint32_t n_rows, uint32_t channel0, uint32_t k0, const Walk &w,
    uint32_t a_to, uint32_t b_to)
{
  const __half *in = static_cast<const __half *> (p.node.in.data);
  const __half *weights = static_cast<const __half *> (p.weights);
  uint32_t chunk = threadIdx.x & 7;

#pragma unroll
  for (int i = 0; i < BM / 16; i++) {
    uint32_t row = (threadIdx.x >> 3) + i * 16;
    int y = 0, x = 0;
    bool there = row < n_rows && w.ky < p.kernel[0];
    if (there) {
      bool in_y = tap_of (p, (int) ((at[row] >> 16) & 0x7fff), w.ky, 0,
          (int) p.node.in.height, &y);
      bool in_x = tap_of (p, (int) (at[row] & 0x7fff), w.kx, 1,
          (int) p.node.in.width, &x);
      there = in_y && in_x;
    }
    copy_async (a_to + chunk_at (row, chunk), there ? in +
        dcnn_cuda_at (p.node.in, stream[row], (uint32_t) y, (uint32_t) x) +
        w.c8 * 8 : in, there);
  }
#pragma unroll
  for (int i = 0; i < BN / 16; i++) {
    uint32_t row = (threadIdx.x >> 3) + i * 16;
    copy_async (b_to + chunk_at (row, chunk), weights +
        (uint64_t) (channel0 + row) * p.k_padded + k0 + chunk * 8, true);
  }
}

/* Sums of products of BM rows and BN channels from channel0 on, into `sums`
 * [BM][BN + 4], which lies where the stages do. */
template<int BM>
__device__ void
products (const DcnnCudaConv &p, const uint32_t *at, const uint32_t *stream,
    uint32_t n_rows, uint32_t channel0, char *stages, float *sums)
{
  constexpr int WM = BM / 2, MI = WM / 16;
  constexpr uint32_t STAGE = (BM + BN) * BK * 2;
  float d[MI][4][4] = {};
  uint32_t n_k = p.k_padded / BK, lane = threadIdx.x & 31;
  uint32_t warp = threadIdx.x >> 5, wm = (warp >> 1) * WM, wn = (warp & 1) * 32;
  uint32_t base = shared_address (stages);
  Walk w = { 0, 0, 0 };

  walk (w, p, threadIdx.x & 7);
  for (uint32_t k = 0; k < STAGES - 1; k++) {
    if (k < n_k) {
      load_stage<BM> (p, at, stream, n_rows, channel0, k * BK, w,
          base + k * STAGE, base + k * STAGE + BM * BK * 2);
      walk (w, p, 8);
    }
    asm volatile ("cp.async.commit_group;" ::: "memory");
  }
  for (uint32_t k = 0; k < n_k; k++) {
    uint32_t a = base + (k % STAGES) * STAGE, b = a + BM * BK * 2;
    asm volatile ("cp.async.wait_group %0;" :: "n" (STAGES - 2) : "memory");
    __syncthreads ();
    if (k + STAGES - 1 < n_k) {
      uint32_t next = base + ((k + STAGES - 1) % STAGES) * STAGE;
      load_stage<BM> (p, at, stream, n_rows, channel0,
          (k + STAGES - 1) * BK, w, next, next + BM * BK * 2);
      walk (w, p, 8);
    }
    asm volatile ("cp.async.commit_group;" ::: "memory");
#pragma unroll
    for (int kk = 0; kk < BK / 16; kk++) {
      uint32_t fa[MI][4], fb[2][4];
#pragma unroll
      for (int i = 0; i < MI; i++)
        load_matrices (a + chunk_at (wm + i * 16 + (lane & 15),
                kk * 2 + (lane >> 4)), fa[i]);
#pragma unroll
      for (int j = 0; j < 2; j++)
        load_matrices (b + chunk_at (wn + j * 16 + (lane & 7) +
                ((lane >> 4) << 3), kk * 2 + ((lane >> 3) & 1)), fb[j]);
#pragma unroll
      for (int i = 0; i < MI; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
          multiply (d[i][j], fa[i], fb[j >> 1][(j & 1) * 2],
              fb[j >> 1][(j & 1) * 2 + 1]);
    }
  }
  asm volatile ("cp.async.wait_group 0;" ::: "memory");
  __syncthreads ();
#pragma unroll
  for (int i = 0; i < MI; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      uint32_t row = wm + i * 16 + (lane >> 2), c = wn + j * 8 + (lane & 3) * 2;
      *reinterpret_cast<float2 *> (sums + row * (BN + 4) + c) =
          make_float2 (d[i][j][0], d[i][j][1]);
      *reinterpret_cast<float2 *> (sums + (row + 8) * (BN + 4) + c) =
          make_float2 (d[i][j][2], d[i][j][3]);
    }
  __syncthreads ();
}

/* Bias, steps and comparison of one set of channels; rounded rows to `rows`. */
template<int BM>
__device__ void
finish_rows (const DcnnCudaConv &p, const DcnnCudaPixel *px, uint32_t n_rows,
    uint32_t channel0, const float *sums, __half *rows, uint32_t rows_stride,
    DcnnCudaChange *changes)
{
  uint32_t c = channel0 + (threadIdx.x & 7) * 8, span = p.node.out.span;

  for (uint32_t row = threadIdx.x >> 3; row < BM; row += THREADS / 8) {
    DcnnCudaChange change = { 0, 0, 0 };
    uint32_t s = 0;
    bool there = row < n_rows && c < span;
    if (there) {
      uint32_t y = (px[row].at >> 16) & 0x7fff, x = px[row].at & 0x7fff;
      float v[8], old[8];
      s = dcnn_cuda_stream_of (px[row]);
#pragma unroll
      for (int k = 0; k < 8; k++)
        v[k] = sums[row * (BN + 4) + (threadIdx.x & 7) * 8 + k] +
            p.bias[c + k];
      dcnn_cuda_steps (p.node, s, y, x, c, v);
      dcnn_cuda_round (p.node.out, v);
      *reinterpret_cast<uint4 *> (rows + row * rows_stride +
          (threadIdx.x & 7) * 8) = dcnn_cuda_pack (v);
      dcnn_cuda_load (p.node.out, dcnn_cuda_at (p.node.out, s, y, x) + c, old);
      dcnn_cuda_compare (change, p.node.judge[s * p.node.judge_stride], v, old,
          p.node.weight + s * p.node.weight_stride + c, min (8, span - c));
    }
    int kind = p.node.judge[s * p.node.judge_stride].kind;
#pragma unroll
    for (int k = 1; k < 8; k *= 2) {
      DcnnCudaChange o;
      o.sum = __shfl_xor_sync (0xffffffff, change.sum, k);
      o.size = __shfl_xor_sync (0xffffffff, change.size, k);
      o.flags = __shfl_xor_sync (0xffffffff, change.flags, k);
      dcnn_cuda_change_add (change, o, kind);
    }
    if ((threadIdx.x & 7) == 0 && row < n_rows)
      dcnn_cuda_change_add (changes[row], change, kind);
  }
}

/* Verdicts of all rows from every rank's changes. */
__device__ void
judge_rows (const DcnnCudaConv &p, const DcnnCudaPixel *px, uint32_t n_rows,
    const DcnnCudaChange *changes, int *verdicts)
{
  cluster_sync ();
  if (threadIdx.x < n_rows) {
    const DcnnCudaPixel pixel = px[threadIdx.x];
    const DcnnCudaJudge judge =
        p.node.judge[dcnn_cuda_stream_of (pixel) * p.node.judge_stride];
    const DcnnCudaChange *own = &changes[threadIdx.x];
    DcnnCudaChange all = { 0, 0, 0 };
    for (uint32_t r = 0; r < cluster_size (); r++) {
      DcnnCudaChange c;
      c.sum = cluster_read (&own->sum, r);
      c.size = cluster_read (&own->size, r);
      c.flags = __float_as_uint (cluster_read (&own->flags, r));
      dcnn_cuda_change_add (all, c, judge.kind);
    }
    verdicts[threadIdx.x] = dcnn_cuda_verdict (all, judge, pixel.stream);
    if (cluster_rank () == 0)
      dcnn_cuda_note (p.node, pixel, verdicts[threadIdx.x]);
  }
  cluster_sync (); /* nobody leaves, or begins anew, while it is read */
  __syncthreads ();
}

template<int BM>
__global__ void __launch_bounds__ (THREADS)
conv_kernel (const __grid_constant__ DcnnCudaConv p)
{
  extern __shared__ __align__ (128) char shared[];
  __shared__ DcnnCudaPixel px[BM];
  __shared__ uint32_t at[BM], stream[BM];
  __shared__ DcnnCudaChange changes[BM];
  __shared__ int verdicts[BM];
  constexpr uint32_t STAGE_BYTES = STAGES * (BM + BN) * BK * 2;
  uint32_t n_chunks = p.n_padded / BN, size = cluster_size ();
  uint32_t rank = cluster_rank (), own = (n_chunks + size - 1 - rank) / size;
  uint32_t stride = (n_chunks + size - 1) / size * BN + 8;
  __half *rows = reinterpret_cast<__half *> (shared + STAGE_BYTES);

  dcnn_cuda_wait ();
  uint32_t count = *p.node.count;
  for (uint32_t tile = blockIdx.x / size; tile * BM < count;
      tile += gridDim.x / size) {
    uint32_t n_rows = min ((uint32_t) BM, count - tile * BM);
    if (threadIdx.x < BM) {
      DcnnCudaPixel e = { 0, 0 };
      if (threadIdx.x < n_rows)
        e = p.node.list[tile * BM + threadIdx.x];
      px[threadIdx.x] = e;
      at[threadIdx.x] = e.at;
      stream[threadIdx.x] = dcnn_cuda_stream_of (e);
      changes[threadIdx.x] = DcnnCudaChange { 0, 0, 0 };
    }
    __syncthreads ();
    for (uint32_t i = 0; i < own; i++) {
      uint32_t channel0 = (rank + i * size) * BN;
      float *sums = reinterpret_cast<float *> (shared);
      products<BM> (p, at, stream, n_rows, channel0, shared, sums);
      finish_rows<BM> (p, px, n_rows, channel0, sums, rows + i * BN, stride,
          changes);
      __syncthreads ();
    }
    judge_rows (p, px, n_rows, changes, verdicts);
    for (uint32_t i = threadIdx.x; i < n_rows * own * 8; i += THREADS) {
      uint32_t row = i / (own * 8), v = i % (own * 8);
      uint32_t c = (rank + v / 8 * size) * BN + (v & 7) * 8;
      if (c >= p.node.out.span || verdicts[row] < DCNN_CUDA_JOINED)
        continue;
      uint4 u = *reinterpret_cast<const uint4 *> (rows + row * stride + v * 8);
      uint64_t to = dcnn_cuda_at (p.node.out, stream[row],
          (at[row] >> 16) & 0x7fff, at[row] & 0x7fff) + c;
      *reinterpret_cast<uint4 *> (static_cast<__half *> (p.node.out.data) +
          to) = u;
    }
    __syncthreads ();
  }
  dcnn_cuda_let_next ();
}

/* ---- launching ---------------------------------------------------------------------- */

template<int BM>
static cudaError_t
launch (const DcnnCudaConv *p, cudaStream_t stream)
{
  uint32_t chunks = p->n_padded / BN, cluster = 1;
  cudaLaunchAttribute attributes[2];
  cudaLaunchConfig_t config = {};
  int device, major = 0, most = 0;
  cudaError_t e;

  if ((e = cudaGetDevice (&device)) != cudaSuccess ||
      (e = cudaDeviceGetAttribute (&major,
              cudaDevAttrComputeCapabilityMajor, device)) != cudaSuccess ||
      (e = cudaDeviceGetAttribute (&most,
              cudaDevAttrMaxSharedMemoryPerBlockOptin, device)) != cudaSuccess)
    return e;
  while (major >= 9 && cluster < 8 && cluster * 2 <= chunks)
    cluster *= 2;
  config.dynamicSmemBytes = STAGES * (BM + BN) * BK * 2 +
      BM * ((chunks + cluster - 1) / cluster * BN + 8) * 2;
  if (config.dynamicSmemBytes + 8192 > (size_t) most)
    return cudaErrorInvalidConfiguration;
  e = cudaFuncSetAttribute (conv_kernel<BM>,
      cudaFuncAttributeMaxDynamicSharedMemorySize,
      (int) config.dynamicSmemBytes);
  if (e != cudaSuccess)
    return e;
  config.gridDim = dim3 (p->node.blocks * cluster);
  config.blockDim = dim3 (THREADS);
  config.stream = stream;
  config.attrs = attributes;
  if (major >= 9) {
    attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[0].val.programmaticStreamSerializationAllowed = 1;
    config.numAttrs = 1;
    attributes[1].id = cudaLaunchAttributeClusterDimension;
    attributes[1].val.clusterDim.x = cluster;
    attributes[1].val.clusterDim.y = attributes[1].val.clusterDim.z = 1;
    config.numAttrs = 2;
  }
  return cudaLaunchKernelEx (&config, conv_kernel<BM>, *p);
}

cudaError_t
dcnn_cuda_conv (const DcnnCudaConv *conv, cudaStream_t stream)
{
  return conv->rows == 128 ? launch<128> (conv, stream) :
      launch<32> (conv, stream);
}
