/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_whole.cu - between maps and what is not a map: global poolings and
 * moments, and dense tensors.
 */
#include "dcnn_cuda_device.cuh"

#define THREADS 512

/* Eight elements of any map. */
__device__ __forceinline__ void
load_any (const DcnnCudaMap &m, uint64_t at, float *v)
{
  if (m.bf16)
    dcnn_cuda_load<__nv_bfloat16> (m, at, v);
  else
    dcnn_cuda_load<__half> (m, at, v);
}

/* As the map will hold it. */
__device__ __forceinline__ float
rounded (const DcnnCudaMap &m, float v)
{
  return m.f32 ? v : m.bf16 ?
      dcnn_cuda_widen (dcnn_cuda_narrow<__nv_bfloat16> (v)) :
      dcnn_cuda_widen (dcnn_cuda_narrow<__half> (v));
}

/* ---- global operators --------------------------------------------------------------- */

/* Does any source of the node hold anything this frame? By the whole block. */
__device__ bool
any_source (const DcnnCudaSource *sources, uint32_t n, uint32_t s, bool exact)
{
  int any = 0;
  for (uint32_t i = 0; i < n; i++) {
    const uint64_t *words = (exact ? sources[i].exact : sources[i].updated) +
        (uint64_t) s * sources[i].words;
    for (uint32_t w = threadIdx.x; w < sources[i].words; w += THREADS)
      any |= words[w] != 0;
  }
  return __syncthreads_or (any) != 0;
}

/* Sum (center not NULL: of squared differences from center[0..7]) of eight
 * channels over the map, in one order whatever changed: by the whole block. */
__device__ void
reduce_map (const DcnnCudaGlobal &p, uint32_t s, uint32_t c,
    const double *center, double *result, double *room)
{
  const DcnnCudaMap &in = p.node.in;
  uint32_t pixels = in.width * in.height;
  double sum[8] = {};

  for (uint32_t i = threadIdx.x; i < pixels; i += THREADS) {
    float e[8];
    load_any (in, s * in.stream + (uint64_t) i * in.pixel + c, e);
    for (int k = 0; k < 8; k++)
      if (center)
        sum[k] += (e[k] - center[k]) * (e[k] - center[k]);
      else
        sum[k] += e[k];
  }
  for (int k = 0; k < 8; k++) {
    for (int j = 16; j; j /= 2)
      sum[k] += __shfl_xor_sync (0xffffffff, sum[k], j);
    if ((threadIdx.x & 31) == 0)
      room[(threadIdx.x >> 5) * 8 + k] = sum[k];
  }
  __syncthreads ();
  if (threadIdx.x < 8) {
    double all = room[threadIdx.x];
    for (int w = 1; w < THREADS / 32; w++)
      all += room[w * 8 + threadIdx.x];
    result[c + threadIdx.x] = all;
  }
  __syncthreads ();
}

/* Each channel's value becomes its group's mean. */
__device__ void
share_in_groups (const DcnnCudaGlobal &p, double *channel, double *room)
{
  for (uint32_t g = threadIdx.x; g < p.n_groups; g += THREADS) {
    double sum = 0;
    for (uint32_t c = 0; c < p.node.in.span; c++)
      if (p.group[c] == g)
        sum += channel[c];
    room[g] = sum / p.group_channels;
  }
  __syncthreads ();
  for (uint32_t c = threadIdx.x; c < p.node.in.span; c += THREADS)
    channel[c] = p.group[c] == UINT32_MAX ? 0 : room[p.group[c]];
  __syncthreads ();
}

/* The new row's element; for moments also what its change counts. */
__device__ float
moment (const DcnnCudaGlobal &p, uint32_t i, uint32_t width, double mean,
    double variance)
{
  uint32_t c = i % width;
  if (p.group[c] == UINT32_MAX)
    return 0;
  double inverse = 1 / sqrt (variance + p.epsilon);
  return i < width ? (float) mean : i < 2 * width ?
      (float) (p.scale[c] * inverse) :
      (float) (p.bias[c] - (mean - (float) mean) * p.scale[c] * inverse);
}

__device__ void
store_row (const DcnnCudaGlobal &p, uint32_t s, uint32_t n,
    const double *mean, const double *variance)
{
  uint32_t width = (p.node.in.span + 7) / 8 * 8;

  for (uint32_t i = threadIdx.x; i < n; i += THREADS) {
    uint32_t c = i % width;
    uint64_t at = s * p.node.out.stream + i;
    if (c >= p.node.in.span)
      continue;
    float v = p.norm ? moment (p, i, width, mean[c], variance[c]) :
        (float) mean[c];
    dcnn_cuda_set_element (p.node.out, at, v);
  }
}

#define POOL_THREADS 256
#define POOL_CHANNELS 32
#define POOL_PIXELS (POOL_THREADS / (POOL_CHANNELS / 8))

/* Means (maxima) of POOL_CHANNELS channels of one stream's map into its room:
 * each thread takes eight channels of every POOL_PIXELS-th pixel, and partial
 * sums are added as a tree, in one order whatever changed. */
__global__ void __launch_bounds__ (POOL_THREADS)
pool_kernel (const __grid_constant__ DcnnCudaGlobal p)
{
  __shared__ double part[POOL_PIXELS][POOL_CHANNELS + 1];
  const DcnnCudaMap &in = p.node.in;
  uint32_t s = blockIdx.y, width = (in.span + 7) / 8 * 8;
  uint32_t own = threadIdx.x % (POOL_CHANNELS / 8) * 8;
  uint32_t first = threadIdx.x / (POOL_CHANNELS / 8);
  uint32_t c = blockIdx.x * POOL_CHANNELS + own, pixels = in.width * in.height;
  double sum[8];

  const DcnnCudaStream f = p.node.streams[s];
  dcnn_cuda_wait ();
  int any = f.dense || f.settling || dcnn_cuda_moved (f);
  for (uint32_t i = 0; i < p.n_sources && !any; i++)
    for (uint32_t w = threadIdx.x; w < p.sources[i].words; w += POOL_THREADS)
      any |= p.sources[i].updated[(uint64_t) s * p.sources[i].words + w] != 0;
  if (!__syncthreads_or (any))
    return;
  for (int k = 0; k < 8; k++)
    sum[k] = p.maximum ? -CUDART_INF : 0;
  for (uint32_t i = first; i < pixels && c < width; i += POOL_PIXELS) {
    float e[8];
    load_any (in, s * in.stream + (uint64_t) i * in.pixel + c, e);
    for (int k = 0; k < 8; k++)
      if (p.maximum)
        sum[k] = e[k] > sum[k] || isnan (e[k]) ? e[k] : sum[k];
      else
        sum[k] += e[k];
  }
  for (int k = 0; k < 8; k++)
    part[first][own + k] = sum[k];
  for (uint32_t n = POOL_PIXELS / 2; n; n /= 2) {
    __syncthreads ();
    for (uint32_t i = threadIdx.x; i < n * POOL_CHANNELS; i += POOL_THREADS) {
      double a = part[i / POOL_CHANNELS][i % POOL_CHANNELS];
      double b = part[i / POOL_CHANNELS + n][i % POOL_CHANNELS];
      part[i / POOL_CHANNELS][i % POOL_CHANNELS] = !p.maximum ? a + b :
          b > a || isnan (b) ? b : a;
    }
  }
  __syncthreads ();
  c = blockIdx.x * POOL_CHANNELS + threadIdx.x;
  if (threadIdx.x < POOL_CHANNELS && c < width)
    p.room[(uint64_t) s * (2 * width + 2 * p.n_groups) + c] = p.maximum ?
        part[0][threadIdx.x] : part[0][threadIdx.x] / pixels;
}

/* Judges and stores a stream's new row; computes the moments of one that
 * normalises. */
__global__ void __launch_bounds__ (THREADS)
global_kernel (const __grid_constant__ DcnnCudaGlobal p)
{
  __shared__ double room[THREADS / 32 * 8];
  __shared__ DcnnCudaChange parts[THREADS / 32];
  __shared__ int verdict;
  uint32_t s = blockIdx.x, span = p.node.in.span, width = (span + 7) / 8 * 8;
  double *mean = p.room + (uint64_t) s * (2 * width + 2 * p.n_groups);
  double *variance = mean + width, *groups = variance + width;
  double pixels = (double) p.node.in.width * p.node.in.height;

  dcnn_cuda_wait ();
  const DcnnCudaStream f = p.node.streams[s];
  bool regular = any_source (p.sources, p.n_sources, s, false) || f.dense;
  bool exact = f.settling && any_source (p.sources, p.n_sources, s, true);
  if (threadIdx.x == 0) {
    p.node.masks.updated[s] = 0;
    p.node.masks.exact[s] = 0;
  }
  if (!regular && !exact && !f.settling && !dcnn_cuda_moved (f))
    return;
  if (p.norm) {
    for (uint32_t c = 0; c < width; c += 8)
      reduce_map (p, s, c, NULL, mean, room);
    for (uint32_t c = threadIdx.x; c < width; c += THREADS)
      mean[c] /= pixels;
    __syncthreads ();
    share_in_groups (p, mean, groups);
    for (uint32_t c = 0; c < width; c += 8)
      reduce_map (p, s, c, mean + c, variance, room);
    for (uint32_t c = threadIdx.x; c < width; c += THREADS)
      variance[c] /= pixels;
    __syncthreads ();
    share_in_groups (p, variance, groups);
  }
  DcnnCudaChange change = { 0, 0, 0 };
  const DcnnCudaMap &out = p.node.out;
  uint32_t n = p.norm ? 3 * width : width;
  for (uint32_t i = threadIdx.x; i < n; i += THREADS) {
    uint32_t c = i % width;
    uint64_t at = s * out.stream + i;
    float v, old;
    if (c >= span)
      continue;
    v = p.norm ? moment (p, i, width, mean[c], variance[c]) : (float) mean[c];
    old = dcnn_cuda_element (out, at);
    v = rounded (out, v);
    change.flags |= v != old ? 1 : 0;
    change.flags |= isnan (v - old) && v != old ? 2 : 0;
    if (!p.norm) {
      change.sum += (v - old) * (v - old);
      change.size += old * old;
    } else if (i < 2 * width && p.group[c] != UINT32_MAX && p.scale[c] != 0) {
      double inverse = 1 / sqrt (variance[c] + p.epsilon);
      float d = i < width ? (float) ((v - old) * inverse) : old / v - 1;
      change.sum += d * d;
      change.size += i < width;
    }
  }
  for (int j = 16; j; j /= 2)
    dcnn_cuda_change_across (change, j, 0);
  if ((threadIdx.x & 31) == 0)
    parts[threadIdx.x >> 5] = change;
  __syncthreads ();
  if (threadIdx.x == 0) {
    const DcnnCudaJudge j = p.node.judge[s * p.node.judge_stride];
    DcnnCudaChange all = parts[0];
    for (int w = 1; w < THREADS / 32; w++)
      dcnn_cuda_change_add (all, parts[w], 0);
    bool differs = all.flags & 1;
    bool news = f.dense || (j.limit > 0 ?
        (all.flags & 2) || !(all.sum <= j.limit * all.size) :
        differs && (regular || !f.settling));
    verdict = news ? DCNN_CUDA_JOINED :
        f.settling && differs ? DCNN_CUDA_SETTLED : DCNN_CUDA_SAME;
    if (verdict == DCNN_CUDA_JOINED)
      p.node.masks.updated[s] = 1;
    else if (verdict == DCNN_CUDA_SETTLED)
      p.node.masks.exact[s] = 1;
  }
  __syncthreads ();
  if (verdict == DCNN_CUDA_SAME)
    return;
  store_row (p, s, n, mean, variance);
}

/* ---- dense tensors ------------------------------------------------------------------- */

#define GATHER_THREADS 256

/* What of one word of the map's mask is to be packed, of which `fresh` changed in
 * this frame. */
__device__ uint64_t
packed_word (const DcnnCudaGather &p, const DcnnCudaStream &f, uint32_t s,
    uint32_t w, uint32_t words, uint64_t *fresh)
{
  uint64_t inside = dcnn_cuda_inside (p.map.width, p.map.height, w);
  uint64_t at = (uint64_t) s * words + w, word = 0;

  for (uint32_t i = 0; i < p.n_sources; i++)
    if (!p.sources[i].late || p.ran == NULL || *p.ran)
      word |= p.sources[i].updated[(uint64_t) s * p.sources[i].words + w] |
          p.sources[i].exact[(uint64_t) s * p.sources[i].words + w];
  *fresh = f.dense || dcnn_cuda_moved (f) ? inside : word & inside;
  return f.taken >> p.bit & 1 ? *fresh : *fresh | p.owed[at];
}

/* Computes: entries of the pixels that changed, or are owed. A block a word of
 * the mask: its first warp finds what is to be packed, and all share it out, since
 * an output may have a thousand channels and few words that changed. */
__global__ void __launch_bounds__ (GATHER_THREADS)
gather_kernel (const __grid_constant__ DcnnCudaGather p)
{
  __shared__ uint8_t found[64];
  __shared__ uint64_t news;
  __shared__ uint32_t first, n;
  uint32_t lane = threadIdx.x & 31, s = blockIdx.y;
  uint32_t blocks_x = (p.map.width + 7) / 8;
  uint32_t words = blocks_x * ((p.map.height + 7) / 8);
  uint32_t size = 1 + p.channels;

  dcnn_cuda_wait ();
  const DcnnCudaStream f = p.streams[s];
  for (uint32_t w = blockIdx.x; w < words; w += gridDim.x) {
    __syncthreads ();
    if (threadIdx.x < 32) {
      uint64_t fresh, word = packed_word (p, f, s, w, words, &fresh);
      __syncwarp ();
      if (lane == 0) {
        p.owed[(uint64_t) s * words + w] = word;
        news = fresh;
        n = (uint32_t) __popcll (word);
        first = word ? atomicAdd (p.count + s, n) : 0;
      }
      for (uint32_t bit = lane; bit < 64; bit += 32)
        if (word >> bit & 1)
          found[__popcll (word & ((1ull << bit) - 1))] = (uint8_t) bit;
    }
    __syncthreads ();
    uint32_t *to = p.entries + s * p.entries_stream + (uint64_t) first * size;
    uint32_t total = n * size;
#pragma unroll 4
    for (uint32_t i = threadIdx.x; i < total; i += GATHER_THREADS) {
      uint32_t bit = found[i / size], c = i % size;
      uint32_t y = w / blocks_x * 8 + bit / 8, x = w % blocks_x * 8 + bit % 8;
      if (c == 0) {
        to[i] = y << 16 | x | (news >> bit & 1 ? DCNN_CUDA_NEWS : 0);
        continue;
      }
      uint64_t at = dcnn_cuda_at (p.map, s, y, x) + p.position[c - 1];
      to[i] = __float_as_uint (dcnn_cuda_element (p.map, at));
    }
  }
}

/* ---- launching ---------------------------------------------------------------------- */

cudaError_t
dcnn_cuda_global (const DcnnCudaGlobal *global, DcnnCudaQueue queue)
{
  void *arguments[] = { const_cast<DcnnCudaGlobal *> (global) };
  uint32_t span = global->node.in.span;

  if (!global->norm) {
    cudaError_t e = dcnn_cuda_launch ((const void *) pool_kernel,
        dim3 ((span + POOL_CHANNELS - 1) / POOL_CHANNELS, global->n_streams),
        POOL_THREADS, 0, 1, arguments, queue);
    if (e != cudaSuccess)
      return e;
    queue.overlaps = true;
  }
  return dcnn_cuda_launch ((const void *) global_kernel,
      dim3 (global->n_streams), THREADS, 0, 1, arguments, queue);
}

cudaError_t
dcnn_cuda_gather (const DcnnCudaGather *gather, DcnnCudaQueue queue)
{
  void *arguments[] = { const_cast<DcnnCudaGather *> (gather) };
  uint32_t words = (gather->map.width + 7) / 8 * ((gather->map.height + 7) / 8);

  return dcnn_cuda_launch ((const void *) gather_kernel,
      dim3 (min (words, 1024u), gather->n_streams), GATHER_THREADS, 0, 1,
      arguments, queue);
}
