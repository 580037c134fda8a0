/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * vmath.h - exp, log, tanh, erf and their relatives on one vector (simd.h).
 *
 * At level "c" these are libm's functions. Above it they are polynomials,
 * the same for every lane, with a relative error of at most 5e-7 (tested);
 * infinities, zeros, subnormal results and NaN come out as from libm. The
 * coefficients are minimax fits made for these intervals.
 * Powers go through libm lane by lane at every level: they are rare, and the
 * error of a product of logarithms is not.
 */
#ifndef DCNN_VMATH_H
#define DCNN_VMATH_H

#include "simd.h"

#if V_LANES == 1

DCNN_INLINE v_t v_exp (v_t x) { return expf (x); }
DCNN_INLINE v_t v_log (v_t x) { return logf (x); }
DCNN_INLINE v_t v_tanh (v_t x) { return tanhf (x); }
DCNN_INLINE v_t v_erf (v_t x) { return erff (x); }
DCNN_INLINE v_t v_log1p_unit (v_t x) { return log1pf (x); }
DCNN_INLINE v_t v_one_and_exp (v_t x) { return 1.0f + expf (x); }

#else

/* e^r - 1 for x = n log 2 + r; n = x / log 2 rounded, also returned. */
DCNN_INLINE v_t
v_exp_parts (v_t x, v_t *n)
{
  *n = v_round (v_mul (x, v_set (0x1.715476p+0f)));
  v_t r = v_fma (*n, v_set (-0x1.62e4p-1f), x);
  r = v_fma (*n, v_set (-0x1.7f7d1cp-20f), r);
  v_t p = v_set (0x1.9f080cp-13f);
  p = v_fma (p, r, v_set (0x1.6d8db2p-10f));
  p = v_fma (p, r, v_set (0x1.111272p-7f));
  p = v_fma (p, r, v_set (0x1.55548ep-5f));
  p = v_fma (p, r, v_set (0x1.555554p-3f));
  p = v_fma (p, r, v_set (0.5f));
  return v_fma (p, v_mul (r, r), r);
}

/* e^x */
DCNN_INLINE v_t
v_exp (v_t x)
{
  v_t n, p;

  x = v_max (v_set (-104.0f), v_min (v_set (89.0f), x));
  p = v_exp_parts (x, &n);
  return v_scale (v_add (p, v_set (1.0f)), n);
}

/* 1 + e^x, where e^x is at most 2^127: what sigmoid divides by. */
DCNN_INLINE v_t
v_one_and_exp (v_t x)
{
  v_t n, p, one = v_set (1.0f);

  x = v_max (v_set (-87.0f), v_min (v_set (88.37f), x));
  p = v_exp_parts (x, &n);
  return v_add (v_scale_normal (v_add (p, one), n), one);
}

/* log (1 + f) - f + f^2 / 2, for 1 + f between sqrt (1/2) and sqrt (2) */
DCNN_INLINE v_t
v_log_tail (v_t f)
{
  v_t p = v_set (0x1.1456ecp-4f);
  p = v_fma (p, f, v_set (-0x1.de3bd6p-4f));
  p = v_fma (p, f, v_set (0x1.e6f09ep-4f));
  p = v_fma (p, f, v_set (-0x1.fc2216p-4f));
  p = v_fma (p, f, v_set (0x1.233766p-3f));
  p = v_fma (p, f, v_set (-0x1.555c4cp-3f));
  p = v_fma (p, f, v_set (0x1.99a4b6p-3f));
  p = v_fma (p, f, v_set (-0x1.000006p-2f));
  p = v_fma (p, f, v_set (0x1.555548p-2f));
  return v_mul (v_mul (p, f), v_mul (f, f));
}

/* Natural logarithm. */
DCNN_INLINE v_t
v_log (v_t x)
{
  vm_t tiny = v_lt (x, v_set (0x1p-126f));
  v_t y = v_select (tiny, v_mul (x, v_set (0x1p+23f)), x);
  vi_t offset = vi_sub (v_bits (y), vi_set (0x3f3504f3));
  v_t n = vi_convert (vi_sra (offset, 23));
  vi_t mantissa = vi_add (vi_and (offset, vi_set (0x007fffff)),
      vi_set (0x3f3504f3));
  v_t f = v_sub (vi_float (mantissa), v_set (1.0f));
  n = v_sub (n, v_select (tiny, v_set (23.0f), v_zero ()));
  v_t tail = v_log_tail (f);
  tail = v_fma (n, v_set (0x1.7f7d1cp-20f), tail);
  tail = v_fma (v_mul (f, f), v_set (-0.5f), tail);
  v_t result = v_fma (n, v_set (0x1.62e4p-1f), v_add (f, tail));
  /* 0, negative, infinite and NaN */
  result = v_select (v_nle (x, v_set (0x1.fffffep+127f)), x, result);
  result = v_select (v_lt (x, v_zero ()), v_set (NAN), result);
  return v_select (v_ne (x, v_zero ()), result, v_set (-INFINITY));
}

/* log (1 + x) for x of 0 .. 1 */
DCNN_INLINE v_t
v_log1p_unit (v_t x)
{
  v_t w = v_add (v_set (1.0f), x);
  v_t lost = v_sub (x, v_sub (w, v_set (1.0f)));
  return v_add (v_log (w), v_div (lost, w));
}

DCNN_INLINE v_t
v_tanh (v_t x)
{
  v_t a = v_abs (x);
  v_t u = v_mul (x, x);
  v_t p = v_set (-0x1.76abe2p-8f);
  p = v_fma (p, u, v_set (0x1.5256cap-6f));
  p = v_fma (p, u, v_set (-0x1.b84446p-5f));
  p = v_fma (p, u, v_set (0x1.110768p-3f));
  p = v_fma (p, u, v_set (-0x1.555534p-2f));
  p = v_fma (p, v_mul (u, x), x);
  v_t e = v_exp (v_add (a, a));
  v_t q = v_sub (v_set (1.0f),
      v_div (v_set (2.0f), v_add (e, v_set (1.0f))));
  return v_select (v_lt (a, v_set (0.625f)), p, v_copysign (q, x));
}

DCNN_INLINE v_t
v_erf (v_t x)
{
  v_t a = v_abs (x);
  v_t u = v_mul (x, x);
  v_t p = v_set (0x1.496a22p-14f);
  p = v_fma (p, u, v_set (-0x1.a3f6fap-11f));
  p = v_fma (p, u, v_set (0x1.5405bp-8f));
  p = v_fma (p, u, v_set (-0x1.b7f90cp-6f));
  p = v_fma (p, u, v_set (0x1.ce2cf8p-4f));
  p = v_fma (p, u, v_set (-0x1.81273ep-2f));
  p = v_fma (p, u, v_set (0x1.20dd74p+0f));
  p = v_mul (p, x);
  v_t b = v_min (v_set (4.0f), a);
  v_t q = v_set (-0x1.6bd878p-16f); /* log (erfc (b)) */
  q = v_fma (q, b, v_set (0x1.cec674p-12f));
  q = v_fma (q, b, v_set (-0x1.138ce2p-8f));
  q = v_fma (q, b, v_set (0x1.9d031ep-6f));
  q = v_fma (q, b, v_set (-0x1.bc1522p-4f));
  q = v_fma (q, b, v_set (-0x1.443566p-1f));
  q = v_fma (q, b, v_set (-0x1.212c0ep+0f));
  q = v_fma (q, b, v_set (0x1.8a5a02p-13f));
  q = v_sub (v_set (1.0f), v_exp (q));
  return v_select (v_lt (a, v_set (1.0f)), p, v_copysign (q, x));
}

#endif

DCNN_INLINE v_t
v_sigmoid (v_t x)
{
  return v_div (v_set (1.0f), v_one_and_exp (v_neg (x)));
}

/* x sigmoid (x); its limit, 0, at minus infinity */
DCNN_INLINE v_t
v_silu (v_t x)
{
  return v_div (v_max (v_set (-88.37f), x), v_one_and_exp (v_neg (x)));
}

DCNN_INLINE v_t
v_softplus (v_t x)
{
  return v_add (v_max (v_zero (), x), v_log1p_unit (v_exp (v_neg (v_abs (x)))));
}

/* x tanh (log (1 + e^x)), from e = e^x: (e^2 + 2 e) / (e^2 + 2 e + 2) */
DCNN_INLINE v_t
v_mish (v_t x)
{
  v_t e = v_exp (v_min (v_set (20.0f), x));
  v_t s = v_mul (e, v_add (e, v_set (2.0f)));
  return v_mul (x, v_div (s, v_add (s, v_set (2.0f))));
}

DCNN_INLINE v_t
v_gelu (v_t x)
{
  v_t half = v_mul (x, v_set (0.5f));
  v_t e = v_erf (v_mul (x, v_set (0.70710678118654752f)));
  return v_mul (half, v_add (v_set (1.0f), e));
}

DCNN_INLINE v_t
v_gelu_tanh (v_t x)
{
  v_t x3 = v_mul (v_mul (x, x), x);
  v_t inner = v_mul (v_set (0.79788456080286536f),
      v_add (x, v_mul (v_set (0.044715f), x3)));
  return v_mul (v_mul (x, v_set (0.5f)), v_add (v_set (1.0f), v_tanh (inner)));
}

/* x to the y, by libm in every lane, but for squares */
DCNN_INLINE v_t
v_pow (v_t x, v_t y)
{
  float a[V_LANES], b[V_LANES];
  bool squares = true;
  v_store (a, x);
  v_store (b, y);
  for (int i = 0; i < V_LANES; i++)
    squares &= b[i] == 2;
  if (squares)
    return v_mul (x, x);
  for (int i = 0; i < V_LANES; i++)
    a[i] = b[i] == 2 ? a[i] * a[i] : powf (a[i], b[i]);
  return v_load (a);
}

#endif
