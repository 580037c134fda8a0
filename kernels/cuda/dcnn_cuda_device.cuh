/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_device.cuh - what every kernel shares: programmatic launches,
 * addresses on the torus, vectors of eight elements, steps, judgement.
 */
#ifndef DCNN_CUDA_DEVICE_CUH
#define DCNN_CUDA_DEVICE_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <math_constants.h>

#include <type_traits>

#include "dcnn_cuda.h"
#include "dcnn_fused.h"

/* The block's memory whose size the launch says. */
#ifndef DCNN_CUDA_DYNAMIC
#define DCNN_CUDA_DYNAMIC(name, alignment)                                     \
  extern __shared__ __align__ (alignment) char name[]
#endif

/* Everything that launches before this one wrote may be read after it. The next
 * launch of the stream begins only now, and waits in turn: were it let before, so
 * would be the one after it, and blocks that wait hold what other branches need. */
__device__ __forceinline__ void
dcnn_cuda_wait ()
{
#if __CUDA_ARCH__ >= 900
  asm volatile ("griddepcontrol.wait;" ::: "memory");
  asm volatile ("griddepcontrol.launch_dependents;");
#endif
}

/* Brings a launch's description near while what is ahead still runs: the first
 * use of each of its lines takes as long as a load from far. */
template<typename T>
__device__ __forceinline__ void
dcnn_cuda_touch (const T &description)
{
  const uint32_t *words = reinterpret_cast<const uint32_t *> (&description);
  uint32_t any = 0;

#pragma unroll
  for (uint32_t i = 0; i < sizeof (T) / 4; i += 16)
    any |= words[i];
#ifdef __CUDA_ARCH__
  asm volatile ("" :: "r" (any));
#else
  (void) any;
#endif
}

__device__ __forceinline__ uint32_t
dcnn_cuda_stream_of (const DcnnCudaPixel &p)
{
  return p.stream & 0xffffu;
}

__device__ __forceinline__ bool
dcnn_cuda_moved (const DcnnCudaStream &f)
{
  return f.move[0] || f.move[1];
}

/* Index of a pixel's first element. */
__device__ __forceinline__ uint64_t
dcnn_cuda_at (const DcnnCudaMap &m, uint32_t s, uint32_t y, uint32_t x)
{
  return s * m.stream + (uint64_t) (y * m.width + x) * m.pixel;
}

/* ---- elements --------------------------------------------------------------- */

/* T: what maps hold that are no floats, __half or __nv_bfloat16: DcnnCudaMap.bf16.
 * Kernels are compiled for each, but for those that wait for memory alone. */
template<typename T>
struct DcnnCudaPair {
  static constexpr bool BF16 = std::is_same<T, __nv_bfloat16>::value;
  typedef typename std::conditional<BF16, __nv_bfloat162, __half2>::type Type;
};

/* Whether the code at hand multiplies T on tensor cores, which have bfloat16 from
 * compute capability 8.0 on: see dcnn_cuda_compiled_for(). */
template<typename T>
__device__ constexpr bool
dcnn_cuda_multiplies ()
{
#if defined (__CUDA_ARCH__) && __CUDA_ARCH__ < 800
  return !DcnnCudaPair<T>::BF16;
#else
  return true;
#endif
}

__device__ __forceinline__ float
dcnn_cuda_widen (__half v)
{
  return __half2float (v);
}

__device__ __forceinline__ float
dcnn_cuda_widen (__nv_bfloat16 v)
{
  return __bfloat162float (v);
}

__device__ __forceinline__ float2
dcnn_cuda_widen (__half2 v)
{
  return __half22float2 (v);
}

__device__ __forceinline__ float2
dcnn_cuda_widen (__nv_bfloat162 v)
{
  return __bfloat1622float2 (v);
}

template<typename T>
__device__ __forceinline__ T
dcnn_cuda_narrow (float v)
{
  if constexpr (DcnnCudaPair<T>::BF16)
    return __float2bfloat16_rn (v);
  else
    return __float2half_rn (v);
}

template<typename T>
__device__ __forceinline__ typename DcnnCudaPair<T>::Type
dcnn_cuda_narrow (float a, float b)
{
  if constexpr (DcnnCudaPair<T>::BF16)
    return __floats2bfloat162_rn (a, b);
  else
    return __floats2half2_rn (a, b);
}

/* One element of any map, where speed is another's. */
__device__ __forceinline__ float
dcnn_cuda_element (const DcnnCudaMap &m, uint64_t at)
{
  return m.f32 ? static_cast<const float *> (m.data)[at] : m.bf16 ?
      dcnn_cuda_widen (static_cast<const __nv_bfloat16 *> (m.data)[at]) :
      dcnn_cuda_widen (static_cast<const __half *> (m.data)[at]);
}

__device__ __forceinline__ void
dcnn_cuda_set_element (const DcnnCudaMap &m, uint64_t at, float v)
{
  if (m.f32)
    static_cast<float *> (m.data)[at] = v;
  else if (m.bf16)
    static_cast<__nv_bfloat16 *> (m.data)[at] =
        dcnn_cuda_narrow<__nv_bfloat16> (v);
  else
    static_cast<__half *> (m.data)[at] = dcnn_cuda_narrow<__half> (v);
}

/* ---- vectors of eight ------------------------------------------------------- */

template<typename T>
__device__ __forceinline__ void
dcnn_cuda_unpack (const uint4 &u, float *v)
{
  typedef typename DcnnCudaPair<T>::Type Pair;
  const Pair *h = reinterpret_cast<const Pair *> (&u);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    float2 f = dcnn_cuda_widen (h[i]);
    v[2 * i] = f.x;
    v[2 * i + 1] = f.y;
  }
}

template<typename T>
__device__ __forceinline__ uint4
dcnn_cuda_pack (const float *v)
{
  typedef typename DcnnCudaPair<T>::Type Pair;
  uint4 u;
  Pair *h = reinterpret_cast<Pair *> (&u);
#pragma unroll
  for (int i = 0; i < 4; i++)
    h[i] = dcnn_cuda_narrow<T> (v[2 * i], v[2 * i + 1]);
  return u;
}

/* Eight elements from index `at` on, which is a multiple of 8. */
template<typename T>
__device__ __forceinline__ void
dcnn_cuda_load (const DcnnCudaMap &m, uint64_t at, float *v)
{
  if (m.f32) {
    const float4 *p = reinterpret_cast<const float4 *> (
        static_cast<const float *> (m.data) + at);
    float4 a = p[0], b = p[1];
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
  } else {
    dcnn_cuda_unpack<T> (*reinterpret_cast<const uint4 *> (
            static_cast<const T *> (m.data) + at), v);
  }
}

template<typename T>
__device__ __forceinline__ void
dcnn_cuda_store (const DcnnCudaMap &m, uint64_t at, const float *v)
{
  if (m.f32) {
    float4 *p = reinterpret_cast<float4 *> (static_cast<float *> (m.data) + at);
    p[0] = make_float4 (v[0], v[1], v[2], v[3]);
    p[1] = make_float4 (v[4], v[5], v[6], v[7]);
  } else {
    *reinterpret_cast<uint4 *> (static_cast<T *> (m.data) + at) =
        dcnn_cuda_pack<T> (v);
  }
}

/* Eight numbers, 16-byte aligned. */
__device__ __forceinline__ void
dcnn_cuda_load_floats (const float *from, float *v)
{
  float4 a = reinterpret_cast<const float4 *> (from)[0];
  float4 b = reinterpret_cast<const float4 *> (from)[1];

  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
  v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

/* Four groups of eight channels, of which each lane of four has two of every
 * group: afterwards each has all of one group, its own. */
__device__ __forceinline__ void
dcnn_cuda_exchange (float (&v)[4][2])
{
  uint32_t lane = threadIdx.x & 3;

#pragma unroll
  for (int bit = 1; bit < 4; bit *= 2)
#pragma unroll
    for (int g = 0; g < 4; g++)
      if (!(g & bit))
#pragma unroll
        for (int i = 0; i < 2; i++) {
          bool upper = lane & bit;
          float mine = upper ? v[g][i] : v[g | bit][i];
          float other = __shfl_xor_sync (0xffffffff, mine, bit);
          if (upper)
            v[g][i] = other;
          else
            v[g | bit][i] = other;
        }
}

/* Values as the map will hold them: what is judged is what is stored. */
template<typename T>
__device__ __forceinline__ void
dcnn_cuda_round (const DcnnCudaMap &m, float *v)
{
  if (!m.f32)
#pragma unroll
    for (int i = 0; i < 8; i++)
      v[i] = dcnn_cuda_widen (dcnn_cuda_narrow<T> (v[i]));
}

/* ---- steps ---------------------------------------------------------------------- */

__device__ __forceinline__ float
dcnn_cuda_sigmoid (float r)
{
  return 1 / (1 + expf (-r));
}

__device__ __forceinline__ float
dcnn_cuda_softplus (float r)
{
  return r > 20 ? r : log1pf (expf (r));
}

/* A NaN stays one. By selections alone: bounds that are read where they are needed
 * would be branches, which the lanes of a warp take one after the other. */
__device__ __forceinline__ float
dcnn_cuda_clip (float v, float least, float most)
{
  float above = v > most ? most : v;

  return v < least ? least : above;
}

/* A step on one element. A NaN stays one. */
__device__ __forceinline__ float
dcnn_cuda_step (int kind, float a, float b, float r, float e)
{
  switch (kind) {
    case DCNN_STEP_RELU: return r < 0 ? 0 : r;
    case DCNN_STEP_CLIP: return r < a ? a : r > b ? b : r;
    case DCNN_STEP_LEAKY_RELU: return r < 0 ? a * r : r;
    case DCNN_STEP_THRESHOLDED_RELU: return r > a ? r : 0;
    case DCNN_STEP_SIGMOID: return dcnn_cuda_sigmoid (r);
    case DCNN_STEP_HARD_SWISH: return r * fminf (fmaxf (r / 6 + 0.5f, 0), 1);
    case DCNN_STEP_SILU: return r * dcnn_cuda_sigmoid (r);
    case DCNN_STEP_SUB: return r - e;
    case DCNN_STEP_MUL: return r * e;
    case DCNN_STEP_HARD_SIGMOID: return fminf (fmaxf (a * r + b, 0), 1);
    case DCNN_STEP_TANH: return tanhf (r);
    case DCNN_STEP_ELU: return r < 0 ? a * expm1f (r) : r;
    case DCNN_STEP_SELU: return b * (r < 0 ? a * expm1f (r) : r);
    case DCNN_STEP_GELU: return 0.5f * r * (1 + erff (r * 0.70710678f));
    case DCNN_STEP_GELU_TANH:
      return 0.5f * r * (1 + tanhf (0.79788456f * (r + 0.044715f * r * r * r)));
    case DCNN_STEP_ERF: return erff (r);
    case DCNN_STEP_SOFTPLUS: return dcnn_cuda_softplus (r);
    case DCNN_STEP_MISH: return r * tanhf (dcnn_cuda_softplus (r));
    case DCNN_STEP_EXP: return expf (r);
    case DCNN_STEP_LOG: return logf (r);
    case DCNN_STEP_SQRT: return sqrtf (r);
    case DCNN_STEP_ABS: return fabsf (r);
    case DCNN_STEP_NEG: return -r;
    case DCNN_STEP_ROUND: return rintf (r < a ? a : r > b ? b : r);
    case DCNN_STEP_RSUB: return e - r;
    case DCNN_STEP_DIV: return r / e;
    case DCNN_STEP_RDIV: return e / r;
    case DCNN_STEP_POW: return powf (r, e);
    case DCNN_STEP_RPOW: return powf (e, r);
    case DCNN_STEP_MIN: return r < e || isnan (r) ? r : e;
    case DCNN_STEP_MAX: return r > e || isnan (r) ? r : e;
    case DCNN_STEP_PRELU: return r < 0 ? e * r : r;
    default: return CUDART_NAN_F;
  }
}

/* The same on eight, out of line: of each kernel's instructions, which have to
 * be fetched, few are steps. */
struct DcnnCudaEight {
  float v[8];
};

static __device__ __noinline__ DcnnCudaEight
dcnn_cuda_step_eight (int kind, float a, float b, DcnnCudaEight r,
    DcnnCudaEight e)
{
#pragma unroll 1
  for (int half = 0; half < 2; half++) {
#pragma unroll
    for (int k = 0; k < 4; k++)
      r.v[k] = dcnn_cuda_step (kind, a, b, r.v[k], e.v[k]);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      float v = r.v[k];
      r.v[k] = r.v[k + 4];
      r.v[k + 4] = v;
      e.v[k] = e.v[k + 4];
    }
  }
  return r;
}

/* The first step that reads a map, not of floats, pixel by pixel, which may be
 * asked for early; n_steps: none. */
__device__ __forceinline__ uint32_t
dcnn_cuda_early_step (const DcnnCudaNode &n)
{
  uint32_t i = 0;
  if (n.plain)
    return n.plain & DCNN_CUDA_PLAIN_ADD ? 0 : n.n_steps;
  while (i < n.n_steps && !(n.steps[i].operand == DCNN_OPERAND_MAP &&
          !n.steps[i].map.f32))
    i++;
  return i;
}

/* All steps on the eight channels from c on of a pixel. early: what the step
 * early_step reads, already here; early_step n_steps: nothing is. SCALES: a
 * product is no rare step, as in normalisations of a kernel of their own. */
template<typename T, bool SCALES = false>
__device__ __forceinline__ void
dcnn_cuda_steps (const DcnnCudaNode &n, uint32_t s, uint32_t y, uint32_t x,
    uint32_t c, float *v, uint32_t early_step, const uint4 &early)
{
  if (n.plain & DCNN_CUDA_PLAIN_ADD) {
    const DcnnCudaMap &m = n.steps[0].map;
    float e[8];
    if (early_step == 0)
      dcnn_cuda_unpack<T> (early, e);
    else
      dcnn_cuda_load<T> (m, dcnn_cuda_at (m, s, y, x) + c, e);
#pragma unroll
    for (int k = 0; k < 8; k++)
      v[k] += e[k];
  }
  /* bounds are in registers: else each is a branch */
  float least = n.least, most = n.most;
  if (n.plain & DCNN_CUDA_PLAIN_CLIP)
#pragma unroll
    for (int k = 0; k < 8; k++)
      v[k] = dcnn_cuda_clip (v[k], least, most);
  /* a step's description takes longer to come than most steps take */
  for (uint32_t i = 0; !n.plain && i < n.n_steps; i++) {
    const DcnnCudaStep &t = n.steps[i];
    float e[8];
    if (t.kind == DCNN_STEP_RELU) {
#pragma unroll
      for (int k = 0; k < 8; k++)
        v[k] = v[k] < 0 ? 0 : v[k];
      continue;
    }
    if (t.operand == DCNN_OPERAND_MAP && i == early_step) {
      dcnn_cuda_unpack<T> (early, e);
    } else if (t.operand == DCNN_OPERAND_MAP) {
      dcnn_cuda_load<T> (t.map, dcnn_cuda_at (t.map, s, y, x) + c, e);
    } else if (t.operand == DCNN_OPERAND_PIXEL) {
      float q[8];
      dcnn_cuda_load<T> (t.map, dcnn_cuda_at (t.map, s, y, x), q);
#pragma unroll
      for (int k = 0; k < 8; k++)
        e[k] = q[0];
    } else if (t.operand == DCNN_OPERAND_VECTOR && t.vector) {
      dcnn_cuda_load_floats (t.vector + c, e);
    } else if (t.operand == DCNN_OPERAND_VECTOR) {
      dcnn_cuda_load<T> (t.map, s * t.map.stream + c, e);
    } else {
#pragma unroll
      for (int k = 0; k < 8; k++)
        e[k] = t.a;
    }
    if (t.kind == DCNN_STEP_ADD) {
#pragma unroll
      for (int k = 0; k < 8; k++)
        v[k] += e[k];
    } else if (t.kind == DCNN_STEP_CLIP) {
      float least = t.a, most = t.b;
#pragma unroll
      for (int k = 0; k < 8; k++)
        v[k] = dcnn_cuda_clip (v[k], least, most);
    } else if (SCALES && t.kind == DCNN_STEP_MUL) {
#pragma unroll
      for (int k = 0; k < 8; k++)
        v[k] *= e[k];
    } else {
      DcnnCudaEight r, o;
#pragma unroll
      for (int k = 0; k < 8; k++)
        r.v[k] = v[k], o.v[k] = e[k];
      r = dcnn_cuda_step_eight (t.kind, t.a, t.b, r, o);
#pragma unroll
      for (int k = 0; k < 8; k++)
        v[k] = r.v[k];
    }
  }
}

/* ---- judgement ------------------------------------------------------------------ */

/* What is known of a pixel's change so far, over some of its channels. */
struct DcnnCudaChange {
  float sum;      /* of squares, or the maximum */
  float size;     /* of squares of the stored row */
  uint32_t flags; /* 1: some channel differs; 2: a NaN */
};

__device__ __forceinline__ void
dcnn_cuda_change_add (DcnnCudaChange &c, const DcnnCudaChange &o, int kind)
{
  c.sum = kind == DCNN_SIGNIFICANT_MAX ? fmaxf (c.sum, o.sum) : c.sum + o.sum;
  c.size += o.size;
  c.flags |= o.flags;
}

/* ... what the lane has whose number differs in those bits. */
__device__ __forceinline__ void
dcnn_cuda_change_across (DcnnCudaChange &c, uint32_t bits, int kind)
{
  DcnnCudaChange o;

  o.sum = __shfl_xor_sync (0xffffffff, c.sum, bits);
  o.size = __shfl_xor_sync (0xffffffff, c.size, bits);
  o.flags = __shfl_xor_sync (0xffffffff, c.flags, bits);
  dcnn_cuda_change_add (c, o, kind);
}

/* Whether any of n channels is no number on one side: rare, and so out of line. */
static __device__ __noinline__ bool
dcnn_cuda_any_nan (DcnnCudaEight v, DcnnCudaEight old, uint32_t n)
{
  bool any = false;

  for (uint32_t k = 0; k < n; k++)
    any |= isnan (v.v[k]) || isnan (old.v[k]);
  return any;
}

/* Adds n (1 to 8) channels: v new, old stored; weight: of eight, in registers. All of a
 * row waits for it: no branch is a channel's own, and one predicate has what differs. */
__device__ __forceinline__ void
dcnn_cuda_compare_by (DcnnCudaChange &c, const DcnnCudaJudge &j, const float *v,
    const float *old, const float (&w)[8], uint32_t n)
{
  DcnnCudaEight a, b;
  float d[8], sum = 0;
  bool differs = false;

#pragma unroll
  for (uint32_t k = 0; k < 8; k++)
    a.v[k] = v[k], b.v[k] = old[k];
  if (n < 8)
#pragma unroll
    for (uint32_t k = 1; k < 8; k++)
      a.v[k] = k < n ? a.v[k] : 0, b.v[k] = k < n ? b.v[k] : 0;
#pragma unroll
  for (uint32_t k = 0; k < 8; k++) {
    differs |= a.v[k] != b.v[k];
    d[k] = a.v[k] - b.v[k];
    sum += d[k];
  }
  c.flags |= differs;
  if (isnan (sum) && dcnn_cuda_any_nan (a, b, n))
    c.flags |= 2;
  if (j.weighted)
#pragma unroll
    for (uint32_t k = 0; k < 8; k++)
      d[k] *= w[k];
  if (j.kind == DCNN_SIGNIFICANT_MAX)
#pragma unroll
    for (uint32_t k = 0; k < 8; k++)
      c.sum = fmaxf (c.sum, fabsf (d[k]));
  else
#pragma unroll
    for (uint32_t k = 0; k < 8; k++)
      c.sum += d[k] * d[k];
  if (j.kind == DCNN_CUDA_SIGNIFICANT_RELATIVE)
#pragma unroll
    for (uint32_t k = 0; k < 8; k++)
      c.size += b.v[k] * b.v[k];
}

/* weight: 16-byte aligned. */
__device__ __forceinline__ void
dcnn_cuda_compare (DcnnCudaChange &c, const DcnnCudaJudge &j, const float *v,
    const float *old, const float *weight, uint32_t n)
{
  float w[8] = {};

  if (j.weighted)
    dcnn_cuda_load_floats (weight, w);
  dcnn_cuda_compare_by (c, j, v, old, w, n);
}

enum { DCNN_CUDA_SAME, DCNN_CUDA_KEPT, DCNN_CUDA_JOINED, DCNN_CUDA_SETTLED };

/* The whole row's change is known: what becomes of the pixel. Stored when
 * JOINED or SETTLED. */
__device__ __forceinline__ int
dcnn_cuda_verdict (const DcnnCudaChange &c, const DcnnCudaJudge &j,
    uint32_t flags)
{
  float bound = j.kind == DCNN_CUDA_SIGNIFICANT_RELATIVE ? j.limit * c.size :
      j.limit;
  bool differs = c.flags & 1; /* a NaN differs, too */
  bool much = (c.flags & 2) || !(c.sum <= bound) ||
      j.kind == DCNN_SIGNIFICANT_ANY;
  bool news = (differs && much) || j.kind == DCNN_SIGNIFICANT_ALWAYS;
  int verdict = flags & DCNN_CUDA_EXACT ? DCNN_CUDA_SETTLED : DCNN_CUDA_KEPT;

  /* without branches: all of a row waits for it */
  verdict = differs ? verdict : DCNN_CUDA_SAME;
  verdict = (flags & DCNN_CUDA_CHANGE) && news ? DCNN_CUDA_JOINED : verdict;
  return flags & DCNN_CUDA_FORCE ? DCNN_CUDA_JOINED : verdict;
}

/* Notes a verdict; one thread a pixel. record: of the pixel's stream. */
__device__ __forceinline__ void
dcnn_cuda_note (const DcnnCudaNode &n, const DcnnCudaPixel &p, int verdict,
    uint32_t record)
{
  const DcnnCudaMasks &m = n.masks;
  uint32_t s = dcnn_cuda_stream_of (p);
  uint32_t y = (p.at >> 16) & 0x7fffu, x = p.at & 0x7fffu;
  uint64_t at = (uint64_t) s * m.words + (y >> 3) * m.blocks_x + (x >> 3);
  unsigned long long bit = 1ull << ((y & 7) * 8 + (x & 7));
  uint64_t *words = verdict == DCNN_CUDA_JOINED ? m.updated :
      verdict == DCNN_CUDA_SETTLED ? m.exact :
      verdict == DCNN_CUDA_KEPT && record ? m.pending : NULL;
  if (words)
    atomicOr (reinterpret_cast<unsigned long long *> (words) + at, bit);
}

/* The pixels that block (by, bx) of a map has. */
__device__ __forceinline__ uint64_t
dcnn_cuda_inside_block (uint32_t width, uint32_t height, uint32_t by,
    uint32_t bx)
{
  uint32_t rows = min (8u, height - by * 8);
  uint32_t columns = min (8u, width - bx * 8);

  return (rows == 8 ? ~0ull : (1ull << (8 * rows)) - 1) &
      0x0101010101010101ull * ((1u << columns) - 1);
}

/* The pixels that a word of a mask has. */
__device__ __forceinline__ uint64_t
dcnn_cuda_inside (uint32_t width, uint32_t height, uint32_t w)
{
  uint32_t blocks_x = (width + 7) / 8;

  return dcnn_cuda_inside_block (width, height, w / blocks_x, w % blocks_x);
}

/* All pixels of all streams join, where that does not follow from a list: by
 * `threads` threads, of which this one is the `own`th. */
__device__ __forceinline__ void
dcnn_cuda_join_all (const DcnnCudaNode &n, uint32_t n_streams, uint32_t own,
    uint32_t threads)
{
  const DcnnCudaMasks &m = n.masks;

  if (n.passes)
    return;
  for (uint32_t i = own; i < m.words * n_streams; i += threads)
    m.updated[i] = dcnn_cuda_inside (n.out.width, n.out.height, i % m.words);
}

/* A launch on a queue; cluster: blocks of a cluster, 1: none. */
cudaError_t dcnn_cuda_launch (const void *kernel, dim3 grid, uint32_t threads,
    size_t shared, uint32_t cluster, void **arguments, DcnnCudaQueue queue);

#endif
