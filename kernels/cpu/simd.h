/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * simd.h - one vector of floats, of the width of the level that the source is
 * compiled for: 1 (portable C), 8 (AVX2 + FMA) or 16 (AVX-512).
 *
 * Point-wise code is written once with these names. Not for: the inner loops
 * of convolutions at level "c", which are plain loops of their own.
 *
 * Semantics that callers rely on:
 *  - v_fma (a, b, c) is a b + c, fused above level "c", two roundings there;
 *  - v_min (a, b) and v_max (a, b) give b when either is NaN: put the value
 *    that may be NaN second and it survives;
 *  - v_load_n and v_store_n touch exactly n floats (1 .. V_LANES), the lanes
 *    from n on load as 0;
 *  - loads and stores need no alignment;
 *  - vb_t gathers vectors, to ask at the end whether any lane of any was not
 *    0 (or -0): vb_none, vb_or, vb_merge, vb_any.
 */
#ifndef DCNN_SIMD_H
#define DCNN_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "isa.h"

#if defined DCNN_ISA_AVX512

#include <immintrin.h>

#define V_LANES 16
typedef __m512 v_t;
typedef __m512i vi_t;
typedef __mmask16 vm_t;
typedef __m512 vb_t;

DCNN_INLINE v_t v_zero (void) { return _mm512_setzero_ps (); }
DCNN_INLINE v_t v_set (float a) { return _mm512_set1_ps (a); }
DCNN_INLINE v_t v_load (const float *p) { return _mm512_loadu_ps (p); }
DCNN_INLINE void v_store (float *p, v_t a) { _mm512_storeu_ps (p, a); }
DCNN_INLINE vm_t v_lanes (unsigned n)
{
  return (vm_t) ((1u << n) - 1u);
}
DCNN_INLINE v_t v_load_n (const float *p, unsigned n)
{
  return _mm512_maskz_loadu_ps (v_lanes (n), p);
}
DCNN_INLINE void v_store_n (float *p, v_t a, unsigned n)
{
  _mm512_mask_storeu_ps (p, v_lanes (n), a);
}
DCNN_INLINE v_t v_add (v_t a, v_t b) { return _mm512_add_ps (a, b); }
DCNN_INLINE v_t v_sub (v_t a, v_t b) { return _mm512_sub_ps (a, b); }
DCNN_INLINE v_t v_mul (v_t a, v_t b) { return _mm512_mul_ps (a, b); }
DCNN_INLINE v_t v_div (v_t a, v_t b) { return _mm512_div_ps (a, b); }
DCNN_INLINE v_t v_fma (v_t a, v_t b, v_t c)
{
  return _mm512_fmadd_ps (a, b, c);
}
DCNN_INLINE v_t v_min (v_t a, v_t b) { return _mm512_min_ps (a, b); }
DCNN_INLINE v_t v_max (v_t a, v_t b) { return _mm512_max_ps (a, b); }
DCNN_INLINE v_t v_sqrt (v_t a) { return _mm512_sqrt_ps (a); }
DCNN_INLINE v_t v_abs (v_t a) { return _mm512_abs_ps (a); }
DCNN_INLINE v_t v_neg (v_t a)
{
  return _mm512_xor_ps (a, _mm512_set1_ps (-0.0f));
}
DCNN_INLINE v_t v_copysign (v_t a, v_t sign)
{
  v_t s = _mm512_set1_ps (-0.0f);
  return _mm512_or_ps (_mm512_andnot_ps (s, a), _mm512_and_ps (s, sign));
}
DCNN_INLINE vm_t v_lt (v_t a, v_t b)
{
  return _mm512_cmp_ps_mask (a, b, _CMP_LT_OQ);
}
/* not less or equal: true for NaN */
DCNN_INLINE vm_t v_nle (v_t a, v_t b)
{
  return _mm512_cmp_ps_mask (a, b, _CMP_NLE_UQ);
}
/* differs: true for NaN */
DCNN_INLINE vm_t v_ne (v_t a, v_t b)
{
  return _mm512_cmp_ps_mask (a, b, _CMP_NEQ_UQ);
}
DCNN_INLINE vm_t vm_none (void) { return 0; }
DCNN_INLINE vm_t vm_or (vm_t a, vm_t b) { return (vm_t) (a | b); }
DCNN_INLINE int vm_any (vm_t m) { return m != 0; }
DCNN_INLINE vb_t vb_none (void) { return _mm512_setzero_ps (); }
DCNN_INLINE vb_t vb_or (vb_t a, v_t b) { return _mm512_or_ps (a, b); }
DCNN_INLINE vb_t vb_merge (vb_t a, vb_t b) { return _mm512_or_ps (a, b); }
DCNN_INLINE int vb_any (vb_t a)
{
  return _mm512_test_epi32_mask (_mm512_castps_si512 (a),
      _mm512_set1_epi32 (0x7fffffff)) != 0;
}
/* m ? a : b */
DCNN_INLINE v_t v_select (vm_t m, v_t a, v_t b)
{
  return _mm512_mask_blend_ps (m, b, a);
}
DCNN_INLINE v_t v_keep (v_t a, unsigned n)
{
  return _mm512_maskz_mov_ps (v_lanes (n), a);
}
/* Sum of the lanes, in a fixed order. */
DCNN_INLINE float v_sum (v_t a)
{
  __m256 s = _mm256_add_ps (_mm512_castps512_ps256 (a),
      _mm512_extractf32x8_ps (a, 1));
  __m128 q = _mm_add_ps (_mm256_castps256_ps128 (s),
      _mm256_extractf128_ps (s, 1));
  q = _mm_add_ps (q, _mm_movehl_ps (q, q));
  return _mm_cvtss_f32 (_mm_add_ss (q, _mm_movehdup_ps (q)));
}
DCNN_INLINE v_t v_round (v_t a)
{
  return _mm512_roundscale_ps (a,
      _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* a 2^n for integral n */
DCNN_INLINE v_t v_scale (v_t a, v_t n) { return _mm512_scalef_ps (a, n); }
DCNN_INLINE v_t v_scale_normal (v_t a, v_t n) { return v_scale (a, n); }
DCNN_INLINE vi_t v_bits (v_t a) { return _mm512_castps_si512 (a); }
DCNN_INLINE v_t vi_float (vi_t a) { return _mm512_castsi512_ps (a); }
DCNN_INLINE vi_t vi_set (int32_t a) { return _mm512_set1_epi32 (a); }
DCNN_INLINE vi_t vi_add (vi_t a, vi_t b) { return _mm512_add_epi32 (a, b); }
DCNN_INLINE vi_t vi_sub (vi_t a, vi_t b) { return _mm512_sub_epi32 (a, b); }
DCNN_INLINE vi_t vi_and (vi_t a, vi_t b) { return _mm512_and_si512 (a, b); }
DCNN_INLINE vi_t vi_sra (vi_t a, int n) { return _mm512_srai_epi32 (a, (unsigned) n); }
DCNN_INLINE v_t vi_convert (vi_t a) { return _mm512_cvtepi32_ps (a); }

#elif defined DCNN_ISA_AVX2

#include <immintrin.h>

#define V_LANES 8
typedef __m256 v_t;
typedef __m256i vi_t;
typedef __m256 vm_t;
typedef __m256 vb_t;

static const int32_t dcnn_v_lane_masks[16] = { -1, -1, -1, -1, -1, -1, -1, -1 };

DCNN_INLINE v_t v_zero (void) { return _mm256_setzero_ps (); }
DCNN_INLINE v_t v_set (float a) { return _mm256_set1_ps (a); }
DCNN_INLINE v_t v_load (const float *p) { return _mm256_loadu_ps (p); }
DCNN_INLINE void v_store (float *p, v_t a) { _mm256_storeu_ps (p, a); }
DCNN_INLINE __m256i v_lanes (unsigned n)
{
  return _mm256_loadu_si256 ((const __m256i *) (const void *)
      (dcnn_v_lane_masks + 8 - n));
}
DCNN_INLINE v_t v_load_n (const float *p, unsigned n)
{
  return n >= 8 ? _mm256_loadu_ps (p) : _mm256_maskload_ps (p, v_lanes (n));
}
/* Masked stores are slow on some processors: halves are not. */
DCNN_INLINE void v_store_n (float *p, v_t a, unsigned n)
{
  if (n >= 8)
    _mm256_storeu_ps (p, a);
  else if (n == 4)
    _mm_storeu_ps (p, _mm256_castps256_ps128 (a));
  else
    _mm256_maskstore_ps (p, v_lanes (n), a);
}
DCNN_INLINE v_t v_add (v_t a, v_t b) { return _mm256_add_ps (a, b); }
DCNN_INLINE v_t v_sub (v_t a, v_t b) { return _mm256_sub_ps (a, b); }
DCNN_INLINE v_t v_mul (v_t a, v_t b) { return _mm256_mul_ps (a, b); }
DCNN_INLINE v_t v_div (v_t a, v_t b) { return _mm256_div_ps (a, b); }
DCNN_INLINE v_t v_fma (v_t a, v_t b, v_t c)
{
  return _mm256_fmadd_ps (a, b, c);
}
DCNN_INLINE v_t v_min (v_t a, v_t b) { return _mm256_min_ps (a, b); }
DCNN_INLINE v_t v_max (v_t a, v_t b) { return _mm256_max_ps (a, b); }
DCNN_INLINE v_t v_sqrt (v_t a) { return _mm256_sqrt_ps (a); }
DCNN_INLINE v_t v_abs (v_t a)
{
  return _mm256_andnot_ps (_mm256_set1_ps (-0.0f), a);
}
DCNN_INLINE v_t v_neg (v_t a)
{
  return _mm256_xor_ps (a, _mm256_set1_ps (-0.0f));
}
DCNN_INLINE v_t v_copysign (v_t a, v_t sign)
{
  v_t s = _mm256_set1_ps (-0.0f);
  return _mm256_or_ps (_mm256_andnot_ps (s, a), _mm256_and_ps (s, sign));
}
DCNN_INLINE vm_t v_lt (v_t a, v_t b)
{
  return _mm256_cmp_ps (a, b, _CMP_LT_OQ);
}
DCNN_INLINE vm_t v_nle (v_t a, v_t b)
{
  return _mm256_cmp_ps (a, b, _CMP_NLE_UQ);
}
DCNN_INLINE vm_t v_ne (v_t a, v_t b)
{
  return _mm256_cmp_ps (a, b, _CMP_NEQ_UQ);
}
DCNN_INLINE vm_t vm_none (void) { return _mm256_setzero_ps (); }
DCNN_INLINE vm_t vm_or (vm_t a, vm_t b) { return _mm256_or_ps (a, b); }
DCNN_INLINE int vm_any (vm_t m) { return _mm256_movemask_ps (m) != 0; }
DCNN_INLINE vb_t vb_none (void) { return _mm256_setzero_ps (); }
DCNN_INLINE vb_t vb_or (vb_t a, v_t b) { return _mm256_or_ps (a, b); }
DCNN_INLINE vb_t vb_merge (vb_t a, vb_t b) { return _mm256_or_ps (a, b); }
DCNN_INLINE int vb_any (vb_t a)
{
  return !_mm256_testz_si256 (_mm256_castps_si256 (a),
      _mm256_set1_epi32 (0x7fffffff));
}
DCNN_INLINE v_t v_select (vm_t m, v_t a, v_t b)
{
  return _mm256_blendv_ps (b, a, m);
}
DCNN_INLINE v_t v_keep (v_t a, unsigned n)
{
  return n >= 8 ? a
      : _mm256_and_ps (a, _mm256_castsi256_ps (v_lanes (n)));
}
DCNN_INLINE float v_sum (v_t a)
{
  __m128 q = _mm_add_ps (_mm256_castps256_ps128 (a),
      _mm256_extractf128_ps (a, 1));
  q = _mm_add_ps (q, _mm_movehl_ps (q, q));
  return _mm_cvtss_f32 (_mm_add_ss (q, _mm_movehdup_ps (q)));
}
DCNN_INLINE v_t v_round (v_t a)
{
  return _mm256_round_ps (a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
DCNN_INLINE vi_t v_bits (v_t a) { return _mm256_castps_si256 (a); }
DCNN_INLINE v_t vi_float (vi_t a) { return _mm256_castsi256_ps (a); }
DCNN_INLINE vi_t vi_set (int32_t a) { return _mm256_set1_epi32 (a); }
DCNN_INLINE vi_t vi_add (vi_t a, vi_t b) { return _mm256_add_epi32 (a, b); }
DCNN_INLINE vi_t vi_sub (vi_t a, vi_t b) { return _mm256_sub_epi32 (a, b); }
DCNN_INLINE vi_t vi_and (vi_t a, vi_t b) { return _mm256_and_si256 (a, b); }
DCNN_INLINE vi_t vi_sra (vi_t a, int n) { return _mm256_srai_epi32 (a, n); }
DCNN_INLINE v_t vi_convert (vi_t a) { return _mm256_cvtepi32_ps (a); }
/* a 2^n for integral n, where a and the result are normal */
DCNN_INLINE v_t v_scale_normal (v_t a, v_t n)
{
  return vi_float (_mm256_add_epi32 (v_bits (a),
          _mm256_slli_epi32 (_mm256_cvtps_epi32 (n), 23)));
}
/* a 2^n for integral n of -252 .. 254, in two factors so that both ends of
 * the range (subnormals, infinity) come out right */
DCNN_INLINE v_t v_scale (v_t a, v_t n)
{
  vi_t k = _mm256_cvtps_epi32 (n);
  vi_t half = _mm256_srai_epi32 (k, 1);
  vi_t rest = _mm256_sub_epi32 (k, half);
  vi_t bias = _mm256_set1_epi32 (127);
  v_t f1 = vi_float (_mm256_slli_epi32 (_mm256_add_epi32 (half, bias), 23));
  v_t f2 = vi_float (_mm256_slli_epi32 (_mm256_add_epi32 (rest, bias), 23));
  return _mm256_mul_ps (_mm256_mul_ps (a, f1), f2);
}

#else /* portable C: a vector is one float */

#define V_LANES 1
typedef float v_t;
typedef int vm_t;
typedef int vb_t;

DCNN_INLINE v_t v_zero (void) { return 0.0f; }
DCNN_INLINE v_t v_set (float a) { return a; }
DCNN_INLINE v_t v_load (const float *p) { return *p; }
DCNN_INLINE void v_store (float *p, v_t a) { *p = a; }
DCNN_INLINE v_t v_load_n (const float *p, unsigned n)
{
  (void) n;
  return *p;
}
DCNN_INLINE void v_store_n (float *p, v_t a, unsigned n)
{
  (void) n;
  *p = a;
}
DCNN_INLINE v_t v_add (v_t a, v_t b) { return a + b; }
DCNN_INLINE v_t v_sub (v_t a, v_t b) { return a - b; }
DCNN_INLINE v_t v_mul (v_t a, v_t b) { return a * b; }
DCNN_INLINE v_t v_div (v_t a, v_t b) { return a / b; }
DCNN_INLINE v_t v_fma (v_t a, v_t b, v_t c) { return a * b + c; }
DCNN_INLINE v_t v_min (v_t a, v_t b) { return a < b ? a : b; }
DCNN_INLINE v_t v_max (v_t a, v_t b) { return a > b ? a : b; }
DCNN_INLINE v_t v_sqrt (v_t a) { return sqrtf (a); }
DCNN_INLINE v_t v_abs (v_t a) { return fabsf (a); }
DCNN_INLINE v_t v_neg (v_t a) { return -a; }
DCNN_INLINE v_t v_round (v_t a) { return rintf (a); }
DCNN_INLINE vm_t v_lt (v_t a, v_t b) { return a < b; }
DCNN_INLINE vm_t v_nle (v_t a, v_t b) { return !(a <= b); }
DCNN_INLINE vm_t v_ne (v_t a, v_t b) { return a != b; }
DCNN_INLINE vm_t vm_none (void) { return 0; }
DCNN_INLINE vm_t vm_or (vm_t a, vm_t b) { return a | b; }
DCNN_INLINE int vm_any (vm_t m) { return m; }
DCNN_INLINE vb_t vb_none (void) { return 0; }
DCNN_INLINE vb_t vb_or (vb_t a, v_t b) { return a | (b != 0.0f); }
DCNN_INLINE vb_t vb_merge (vb_t a, vb_t b) { return a | b; }
DCNN_INLINE int vb_any (vb_t a) { return a; }
DCNN_INLINE v_t v_select (vm_t m, v_t a, v_t b) { return m ? a : b; }
DCNN_INLINE v_t v_keep (v_t a, unsigned n)
{
  (void) n;
  return a;
}
DCNN_INLINE float v_sum (v_t a) { return a; }

#endif

#if V_LANES > 1
/* sum += a b, fused. Compilers, given the intrinsic, overwrite a multiplicand
 * instead of the sum in half of the places and then run out of registers: in
 * a loop with 12 sums in 16 registers that costs a fifth of the speed.
 * V_ACCUMULATE_AT: sum += *p b, the float in all lanes; where each float is
 * used once, a load of its own takes a third of a multiply-add's time (Zen 4).
 * vh_t: 8 lanes, at level "avx512" half a vector; vh_low: the first 8 lanes;
 * vh_wide: the others are 0. */
#if V_LANES == 16
#define V_ACCUMULATE(sum, a, b)                                             \
  __asm__ ("vfmadd231ps %2, %1, %0" : "+v" (sum) : "v" (a), "v" (b))
#define V_ACCUMULATE_AT(sum, p, b)                                          \
  __asm__ ("vfmadd231ps %2%{1to16%}, %1, %0" : "+v" (sum)                   \
      : "v" (b), "m" (*(p)))
#define VH_ACCUMULATE_AT(sum, p, b)                                         \
  __asm__ ("vfmadd231ps %2%{1to8%}, %1, %0" : "+v" (sum)                    \
      : "v" (b), "m" (*(p)))
typedef __m256 vh_t;
DCNN_INLINE vh_t vh_load (const float *p) { return _mm256_loadu_ps (p); }
DCNN_INLINE void vh_store (float *p, vh_t a) { _mm256_storeu_ps (p, a); }
DCNN_INLINE vh_t vh_low (v_t a) { return _mm512_castps512_ps256 (a); }
DCNN_INLINE v_t vh_wide (vh_t a) { return _mm512_zextps256_ps512 (a); }
#else
#define V_ACCUMULATE(sum, a, b)                                             \
  __asm__ ("vfmadd231ps %2, %1, %0" : "+x" (sum) : "x" (a), "x" (b))
#define V_ACCUMULATE_AT(sum, p, b) V_ACCUMULATE (sum, v_set (*(p)), b)
#define VH_ACCUMULATE_AT V_ACCUMULATE_AT
typedef v_t vh_t;
DCNN_INLINE vh_t vh_load (const float *p) { return v_load (p); }
DCNN_INLINE void vh_store (float *p, vh_t a) { v_store (p, a); }
DCNN_INLINE vh_t vh_low (v_t a) { return a; }
DCNN_INLINE v_t vh_wide (vh_t a) { return a; }
#endif
#define VH_LANES 8
#endif

/* Keeps loads on their side of a step of an unrolled loop. */
#define V_FENCE() __asm__ volatile ("" ::: "memory")
/* Hides how an integer or pointer was computed: compilers like to keep each
 * address of an unrolled loop in a register of its own, and spill them. */
#define V_HIDE_ORIGIN(p) __asm__ ("" : "+r" (p))

/* Before a loop with constant bounds whose body works on arrays that must
 * become registers. */
#ifdef __clang__
#define DCNN_UNROLL _Pragma ("clang loop unroll(full)")
#else
#define DCNN_UNROLL _Pragma ("GCC unroll 16")
#endif

#endif
