/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_rows.cuh - every primary operator but the convolutions, eight
 * channels of a pixel at a time: for the kernels that compute lists of them, and
 * whole maps.
 */
#ifndef DCNN_CUDA_ROWS_CUH
#define DCNN_CUDA_ROWS_CUH

#include "dcnn_cuda_device.cuh"

/* ---- primaries: eight channels from c on of the row of (s, y, x) --------------------- */

__device__ __forceinline__ bool
input_at (const DcnnCudaRows &p, int o, int k, int axis, int size, int *at)
{
  *at = o * p.stride[axis] - p.pad[axis] + k * p.dilation[axis];
  return *at >= 0 && *at < size;
}

/* Vectors of a KH x KW window, all asked for before any is used; bit i of the
 * result: tap i is inside. */
template<int KH, int KW>
__device__ __forceinline__ uint32_t
load_window (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c,
    uint4 (&taps)[KH * KW])
{
  const DcnnCudaMap &in = p.node.in;
  const uint16_t *data = static_cast<const uint16_t *> (in.data);
  uint32_t there = 0;

#pragma unroll
  for (int i = 0; i < KH * KW; i++) {
    int iy, ix;
    bool in_y = input_at (p, y, i / KW, 0, (int) in.height, &iy);
    bool in_x = input_at (p, x, i % KW, 1, (int) in.width, &ix);
    if (in_y && in_x) {
      taps[i] = *reinterpret_cast<const uint4 *> (data +
          dcnn_cuda_at (in, s, iy, ix) + c);
      there |= 1u << i;
    }
  }
  return there;
}

template<typename T, int KH, int KW>
inline __device__ void
depthwise_window (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c,
    float *v)
{
  uint32_t padded = (p.node.in.span + 7) / 8 * 8;
  uint4 taps[KH * KW];
  uint32_t there = load_window<KH, KW> (p, s, y, x, c, taps);

#pragma unroll
  for (int i = 0; i < KH * KW; i++) {
    const float4 *w = reinterpret_cast<const float4 *> (p.weights +
        i * padded + c);
    float e[8];
    if (!(there >> i & 1))
      continue;
    float4 a = w[0], b = w[1];
    dcnn_cuda_unpack<T> (taps[i], e);
    v[0] = fmaf (e[0], a.x, v[0]), v[1] = fmaf (e[1], a.y, v[1]);
    v[2] = fmaf (e[2], a.z, v[2]), v[3] = fmaf (e[3], a.w, v[3]);
    v[4] = fmaf (e[4], b.x, v[4]), v[5] = fmaf (e[5], b.y, v[5]);
    v[6] = fmaf (e[6], b.z, v[6]), v[7] = fmaf (e[7], b.w, v[7]);
  }
}

template<typename T>
inline __device__ void
depthwise (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c,
    float *v)
{
  const DcnnCudaMap &in = p.node.in;
  uint32_t padded = (in.span + 7) / 8 * 8;

  dcnn_cuda_load_floats (p.bias + c, v);
  if (p.kernel[0] == 3 && p.kernel[1] == 3 && !in.f32) {
    depthwise_window<T, 3, 3> (p, s, y, x, c, v);
    return;
  }
  for (int ky = 0; ky < p.kernel[0]; ky++)
    for (int kx = 0; kx < p.kernel[1]; kx++) {
      const float *w = p.weights + (ky * p.kernel[1] + kx) * padded + c;
      float e[8];
      int iy, ix;
      if (!input_at (p, y, ky, 0, (int) in.height, &iy) ||
          !input_at (p, x, kx, 1, (int) in.width, &ix))
        continue;
      dcnn_cuda_load<T> (in, dcnn_cuda_at (in, s, iy, ix) + c, e);
      for (int k = 0; k < 8; k++)
        v[k] = fmaf (e[k], w[k], v[k]);
    }
}

/* The larger, or a NaN. */
__device__ __forceinline__ void
keep_larger (const float *e, float *v)
{
#pragma unroll
  for (int k = 0; k < 8; k++)
    v[k] = e[k] > v[k] || isnan (e[k]) ? e[k] : v[k];
}

template<typename T, int KH, int KW>
inline __device__ void
max_window (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c,
    float *v)
{
  uint4 taps[KH * KW];
  uint32_t there = load_window<KH, KW> (p, s, y, x, c, taps);

#pragma unroll
  for (int i = 0; i < KH * KW; i++) {
    float e[8];
    if (!(there >> i & 1))
      continue;
    dcnn_cuda_unpack<T> (taps[i], e);
    keep_larger (e, v);
  }
}

template<typename T>
inline __device__ void
pool (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c, float *v)
{
  const DcnnCudaMap &in = p.node.in;
  bool maximum = p.primary == DCNN_PRIMARY_MAX_POOL;
  int n = 0;

  for (int k = 0; k < 8; k++)
    v[k] = maximum ? -CUDART_INF_F : 0;
  if (maximum && !in.f32 && p.kernel[0] == 3 && p.kernel[1] == 3) {
    max_window<T, 3, 3> (p, s, y, x, c, v);
    return;
  }
  for (int ky = 0; ky < p.kernel[0]; ky++)
    for (int kx = 0; kx < p.kernel[1]; kx++) {
      float e[8];
      int iy, ix;
      bool in_y = input_at (p, y, ky, 0, (int) in.height, &iy);
      bool in_x = input_at (p, x, kx, 1, (int) in.width, &ix);
      /* pads count, what ceil_mode adds past them does not: `group_in` and
       * `group_out` hold the padded sizes */
      n += p.flag ? iy < (int) p.group_in && ix < (int) p.group_out :
          in_y && in_x;
      if (!in_y || !in_x)
        continue;
      dcnn_cuda_load<T> (in, dcnn_cuda_at (in, s, iy, ix) + c, e);
      if (maximum)
        keep_larger (e, v);
      else
        for (int k = 0; k < 8; k++)
          v[k] += e[k];
    }
  if (!maximum)
    for (int k = 0; k < 8; k++)
      v[k] = v[k] / n;
}

template<typename T>
__device__ __forceinline__ float
element (const DcnnCudaMap &m, uint64_t at)
{
  return m.f32 ? static_cast<const float *> (m.data)[at] :
      dcnn_cuda_widen (static_cast<const T *> (m.data)[at]);
}

template<typename T>
inline __device__ void
copy (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c, float *v)
{
  const DcnnCudaMap &in = p.node.in;
  uint32_t sy = y, sx = x;
  const uint32_t *source = p.source ? p.source + c : NULL;

  if (p.primary == DCNN_PRIMARY_DEPTH_TO_SPACE) {
    sy = y / p.block, sx = x / p.block;
    source += ((y % p.block) * p.block + x % p.block) *
        ((p.node.out.span + 7) / 8 * 8);
  } else if (p.primary == DCNN_PRIMARY_SPACE_TO_DEPTH) {
    sy = y * p.block, sx = x * p.block;
  } else if (p.primary == DCNN_PRIMARY_RESAMPLE) {
    sy = p.index_y[y], sx = p.index_x[x];
    if (sy == UINT32_MAX || sx == UINT32_MAX) {
      for (int k = 0; k < 8; k++)
        v[k] = p.fill;
      return;
    }
  }
  uint64_t at = dcnn_cuda_at (in, s, sy, sx);
  if (source == NULL) {
    dcnn_cuda_load<T> (in, at + c, v);
    return;
  }
  for (int k = 0; k < 8; k++) {
    uint32_t from = source[k];
    if (from == UINT32_MAX)
      v[k] = p.fill;
    else if (p.primary == DCNN_PRIMARY_SPACE_TO_DEPTH)
      v[k] = element<T> (in, dcnn_cuda_at (in, s, sy + (from >> 16) / p.block,
              sx + (from >> 16) % p.block) + (from & 0xffff));
    else
      v[k] = element<T> (in, at + from);
  }
}

/* Two rows of two taps, all asked for at once; sums in the order of resize (). */
template<typename T>
inline __device__ void
resize_bilinear (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c,
    float *v)
{
  const uint16_t *data = static_cast<const uint16_t *> (p.node.in.data) + c;
  uint4 taps[4];

#pragma unroll
  for (int i = 0; i < 4; i++)
    taps[i] = *reinterpret_cast<const uint4 *> (data + dcnn_cuda_at (p.node.in,
            s, p.index_y[y * 2 + i / 2], p.index_x[x * 2 + i % 2]));
#pragma unroll
  for (int i = 0; i < 2; i++) {
    float row[8] = {}, e[8];
#pragma unroll
    for (int j = 0; j < 2; j++) {
      dcnn_cuda_unpack<T> (taps[i * 2 + j], e);
      for (int k = 0; k < 8; k++)
        row[k] = fmaf (e[k], p.weight_x[x * 2 + j], row[k]);
    }
    for (int k = 0; k < 8; k++)
      v[k] = fmaf (row[k], p.weight_y[y * 2 + i], v[k]);
  }
}

template<typename T>
inline __device__ void
resize (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c, float *v)
{
  for (int k = 0; k < 8; k++)
    v[k] = 0;
  if (p.taps_y == 2 && p.taps_x == 2 && !p.node.in.f32) {
    resize_bilinear<T> (p, s, y, x, c, v);
    return;
  }
  for (uint32_t ty = 0; ty < p.taps_y; ty++) {
    float row[8] = {}, e[8];
    uint32_t sy = p.index_y[y * p.taps_y + ty];
    for (uint32_t tx = 0; tx < p.taps_x; tx++) {
      uint32_t i = x * p.taps_x + tx;
      dcnn_cuda_load<T> (p.node.in, dcnn_cuda_at (p.node.in, s, sy,
              p.index_x[i]) + c, e);
      for (int k = 0; k < 8; k++)
        row[k] = fmaf (e[k], p.weight_x[i], row[k]);
    }
    for (int k = 0; k < 8; k++)
      v[k] = fmaf (row[k], p.weight_y[y * p.taps_y + ty], v[k]);
  }
}

template<typename T>
inline __device__ void
group_conv (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c,
    float *v)
{
  const DcnnCudaMap &in = p.node.in;
  int taps = p.kernel[0] * p.kernel[1];

  for (uint32_t k = 0; k < 8; k++) {
    v[k] = 0;
    if (c + k >= p.channels)
      continue;
    uint32_t first = (c + k) / p.group_out * p.group_in;
    float sum = p.bias[c + k];
    for (int ky = 0; ky < p.kernel[0]; ky++)
      for (int kx = 0; kx < p.kernel[1]; kx++) {
        int iy, ix;
        if (!input_at (p, y, ky, 0, (int) in.height, &iy) ||
            !input_at (p, x, kx, 1, (int) in.width, &ix))
          continue;
        uint64_t at = dcnn_cuda_at (in, s, iy, ix) + first;
        const float *w = p.weights + (uint64_t) (c + k) * p.group_in * taps +
            ky * p.kernel[1] + kx;
        for (uint32_t i = 0; i < p.group_in; i++)
          sum = fmaf (element<T> (in, at + i), w[i * taps], sum);
      }
    v[k] = sum;
  }
}

/* Softmax, arg max, mean, maximum, sum and normalisation over the channels of
 * one pixel; each lane looks at all of them. */
template<typename T>
inline __device__ void
channels (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c,
    float *v)
{
  const DcnnCudaMap &in = p.node.in;
  uint64_t at = dcnn_cuda_at (in, s, y, x);
  float most = -CUDART_INF_F, sum = 0, squares = 0;
  uint32_t best = 0;

  for (uint32_t i = 0; i < p.channels; i++) {
    float e = element<T> (in, at + i);
    if (e > most || (p.flag && p.primary == DCNN_PRIMARY_ARG_MAX && e == most))
      most = e, best = i;
    sum += e;
  }
  if (p.primary == DCNN_PRIMARY_ARG_MAX ||
      p.primary == DCNN_PRIMARY_CHANNEL_REDUCE) {
    v[0] = p.primary == DCNN_PRIMARY_ARG_MAX ? (float) best :
        p.flag == DCNN_CHANNEL_MAX ? most :
        p.flag == DCNN_CHANNEL_SUM ? sum : sum / p.channels;
    for (int k = 1; k < 8; k++)
      v[k] = 0;
    return;
  }
  float mean = sum / p.channels, total = 0;
  for (uint32_t i = 0; i < p.channels; i++) {
    float e = element<T> (in, at + i);
    total += expf (e - most);
    squares += (e - mean) * (e - mean);
  }
  float inverse = rsqrtf (squares / p.channels + p.epsilon);
  for (int k = 0; k < 8; k++) {
    float e = c + k < p.channels ? element<T> (in, at + c + k) : 0;
    if (c + k >= p.channels)
      v[k] = 0;
    else if (p.primary == DCNN_PRIMARY_LAYER_NORM)
      v[k] = (e - mean) * inverse * p.weights[c + k] + p.bias[c + k];
    else
      v[k] = p.flag ? e - most - logf (total) : expf (e - most) / total;
  }
}

/* Kinds that have a kernel of their own, so that none takes the registers, nor
 * waits for the instructions, of another. */
enum Group { DEPTHWISE, POOL, RESIZE, COPY, GROUPED, CHANNELS };

static inline Group
group_of (const DcnnCudaRows *p)
{
  switch (p->primary) {
    case DCNN_PRIMARY_DEPTHWISE: return DEPTHWISE;
    case DCNN_PRIMARY_MAX_POOL:
    case DCNN_PRIMARY_AVERAGE_POOL: return POOL;
    case DCNN_PRIMARY_RESIZE: return RESIZE;
    case DCNN_PRIMARY_GROUP_CONV: return GROUPED;
    case DCNN_PRIMARY_SOFTMAX:
    case DCNN_PRIMARY_ARG_MAX:
    case DCNN_PRIMARY_CHANNEL_REDUCE:
    case DCNN_PRIMARY_LAYER_NORM: return CHANNELS;
    default: return COPY;
  }
}

template<typename T, Group G>
__device__ __forceinline__ void
primary (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c,
    float *v)
{
  if constexpr (G == DEPTHWISE)
    depthwise<T> (p, s, y, x, c, v);
  else if constexpr (G == POOL)
    pool<T> (p, s, y, x, c, v);
  else if constexpr (G == RESIZE)
    resize<T> (p, s, y, x, c, v);
  else if constexpr (G == GROUPED)
    group_conv<T> (p, s, y, x, c, v);
  else if constexpr (G == CHANNELS)
    channels<T> (p, s, y, x, c, v);
  else
    copy<T> (p, s, y, x, c, v);
}

/* What follows the primary, in place. */
template<typename T, Group G>
__device__ __forceinline__ void
steps_of (const DcnnCudaRows &p, uint32_t s, uint32_t y, uint32_t x,
    uint32_t c, float *v)
{
  dcnn_cuda_steps<T, G == COPY> (p.node, s, y, x, c, v, p.node.n_steps,
      uint4 {});
}

template<typename T, Group G>
__device__ __forceinline__ void
primary_row (const DcnnCudaRows &p, uint32_t s, int y, int x, uint32_t c,
    float *v)
{
  primary<T, G> (p, s, y, x, c, v);
  steps_of<T, G> (p, s, (uint32_t) y, (uint32_t) x, c, v);
  dcnn_cuda_round<T> (p.node.out, v);
}

#endif
