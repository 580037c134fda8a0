/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_unary.c - element-wise functions of one tensor. One line an operator:
 * its value on a float element x (in double), and for some on an integer.
 * Reads input 0, writes every element of output 0.
 */
#include "ref.h"
#include "ref_util.h"

typedef double (*FloatFn) (const DcnnActParams *p, double x);
typedef int64_t (*IntFn) (const DcnnActParams *p, int64_t x);

/* on_int NULL: integers go through double. */
REF_INLINE void
unary_run (const DcnnParams *params, const DcnnTensor *in,
    const DcnnTensor *out, FloatFn on_float, IntFn on_int)
{
  const DcnnActParams *p = &params->act;
  int64_t n = dcnn_tensor_count (out);

  if (in->dtype == DCNN_DTYPE_F32 && out->dtype == DCNN_DTYPE_F32) {
    const float *x = in->data;
    float *y = out->data;
    for (int64_t i = 0; i < n; i++)
      y[i] = (float) on_float (p, (double) x[i]);
  } else if (on_int && !ref_is_float (in->dtype)) {
    for (int64_t i = 0; i < n; i++)
      dcnn_ref_set_int (out, i, on_int (p, dcnn_ref_get_int (in, i)));
  } else {
    for (int64_t i = 0; i < n; i++)
      dcnn_ref_set (out, i, on_float (p, dcnn_ref_get (in, i)));
  }
}

#define UNARY_RUN(name, int_function)                                          \
  DCNN_REF (name)                                                              \
  {                                                                            \
    if (outputs[0])                                                            \
      unary_run (params, inputs[0], outputs[0], f_##name, int_function);       \
  }
#define UNARY(name, value)                                                     \
  REF_INLINE double f_##name (const DcnnActParams *p, double x)                \
  {                                                                            \
    return value;                                                              \
  }                                                                            \
  UNARY_RUN (name, NULL)
/* With a value of its own for integers. */
#define UNARY_INT(name, value, int_value)                                      \
  REF_INLINE double f_##name (const DcnnActParams *p, double x)                \
  {                                                                            \
    return value;                                                              \
  }                                                                            \
  REF_INLINE int64_t i_##name (const DcnnActParams *p, int64_t x)              \
  {                                                                            \
    return int_value;                                                          \
  }                                                                            \
  UNARY_RUN (name, i_##name)

REF_INLINE double
logistic (double x)
{
  return x >= 0 ? 1 / (1 + exp (-x)) : exp (x) / (1 + exp (x));
}

REF_INLINE double
soft_plus (double x)
{
  return x > 0 ? x + log1p (exp (-x)) : log1p (exp (x));
}

REF_INLINE double
clamp (double x, double lo, double hi)
{
  x = x < lo ? lo : x;
  return x > hi ? hi : x;
}

REF_INLINE int64_t
clamp_int (double lo, double hi, int64_t x)
{
  if ((double) x < lo)
    x = lo >= 0x1p63 ? INT64_MAX : (int64_t) ceil (lo);
  if ((double) x > hi)
    x = hi <= -0x1p63 ? INT64_MIN : (int64_t) floor (hi);
  return x;
}

REF_INLINE double
gelu_value (const DcnnActParams *p, double x)
{
  if (p->tanh_form)
    return 0.5 * x * (1 + tanh (0.7978845608028654
            * (x + 0.044715 * x * x * x)));
  return 0.5 * x * (1 + erf (x * 0.7071067811865476));
}

REF_INLINE double
shrink_value (const DcnnActParams *p, double x)
{
  return x < -p->alpha ? x + p->beta : x > p->alpha ? x - p->beta : 0;
}

UNARY_INT (relu, x < 0 ? 0 : x, x < 0 ? 0 : x)
UNARY (leaky_relu, x < 0 ? p->alpha * x : x)
UNARY_INT (clip, clamp (x, p->lo, p->hi), clamp_int (p->lo, p->hi, x))
UNARY (sigmoid, logistic (x))
UNARY (hard_sigmoid, clamp (p->alpha * x + p->beta, 0, 1))
UNARY (hard_swish, x * clamp (x / 6 + 0.5, 0, 1))
UNARY (tanh, tanh (x))
UNARY (elu, x < 0 ? p->alpha * expm1 (x) : x)
UNARY (selu, x <= 0 ? p->beta * p->alpha * expm1 (x) : p->beta * x)
UNARY (gelu, gelu_value (p, x))
UNARY (erf, erf (x))
UNARY (softplus, soft_plus (x))
UNARY (mish, x * tanh (soft_plus (x)))
UNARY (thresholded_relu, x > p->alpha ? x : 0)
UNARY (shrink, shrink_value (p, x))
UNARY (exp, exp (x))
UNARY (log, log (x))
UNARY (sqrt, sqrt (x))
UNARY_INT (abs, fabs (x), x < 0 ? (int64_t) (0 - (uint64_t) x) : x)
UNARY_INT (neg, -x, (int64_t) (0 - (uint64_t) x))
UNARY_INT (sign, (x > 0) - (x < 0), (x > 0) - (x < 0))
UNARY_INT (floor, floor (x), x)
UNARY_INT (ceil, ceil (x), x)
UNARY_INT (round, rint (x), x)
UNARY (sin, sin (x))
UNARY (cos, cos (x))
UNARY (tan, tan (x))
UNARY (asin, asin (x))
UNARY (acos, acos (x))
UNARY (atan, atan (x))
UNARY (sinh, sinh (x))
UNARY (cosh, cosh (x))
UNARY (asinh, asinh (x))
UNARY (acosh, acosh (x))
UNARY (atanh, atanh (x))
/* to bool */
UNARY_INT (not, x == 0, x == 0)
UNARY_INT (is_nan, x != x, 0)
UNARY_INT (is_inf, isinf (x) && (x > 0 ? p->alpha : p->beta) != 0, 0)
UNARY_INT (bitwise_not, x, ~x)
