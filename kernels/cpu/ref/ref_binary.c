/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_binary.c - element-wise functions of two or more tensors with
 * multidirectional broadcasting. One line an operator: its value on doubles,
 * on signed and on unsigned integers. Reads the inputs, writes every element
 * of output 0. Integers wrap; a division by zero gives 0.
 */
#include "ref.h"
#include "ref_util.h"

typedef double (*FloatFn) (const DcnnParams *p, double a, double b);
typedef int64_t (*SignedFn) (const DcnnParams *p, int64_t a, int64_t b);
typedef uint64_t (*UnsignedFn) (const DcnnParams *p, uint64_t a, uint64_t b);

/* out = f (a, b); a may be out itself. */
REF_INLINE void
binary_run (const DcnnParams *p, const DcnnTensor *a, const DcnnTensor *b,
    const DcnnTensor *out, FloatFn on_float, SignedFn on_signed,
    UnsignedFn on_unsigned)
{
  int64_t stride_a[DCNN_MAX_RANK], stride_b[DCNN_MAX_RANK];
  int64_t index[DCNN_MAX_RANK] = { 0 };
  int last = out->rank - 1;
  int64_t n = last >= 0 ? out->dims[last] : 1, at = 0;
  bool is_float = ref_is_float (a->dtype) || ref_is_float (b->dtype);
  bool f32 = a->dtype == DCNN_DTYPE_F32 && b->dtype == DCNN_DTYPE_F32
      && out->dtype == DCNN_DTYPE_F32;

  if (dcnn_tensor_count (out) == 0)
    return;
  ref_broadcast_strides (a, out->rank, stride_a);
  ref_broadcast_strides (b, out->rank, stride_b);
  do {
    int64_t ia = 0, ib = 0;
    int64_t sa = last >= 0 ? stride_a[last] : 0;
    int64_t sb = last >= 0 ? stride_b[last] : 0;
    for (int i = 0; i < last; i++) {
      ia += index[i] * stride_a[i];
      ib += index[i] * stride_b[i];
    }
    for (int64_t i = 0; i < n; i++, at++, ia += sa, ib += sb) {
      if (f32)
        ((float *) out->data)[at] = (float) on_float (p,
            ((const float *) a->data)[ia], ((const float *) b->data)[ib]);
      else if (is_float)
        dcnn_ref_set (out, at, on_float (p, dcnn_ref_get (a, ia),
                dcnn_ref_get (b, ib)));
      else if (a->dtype == DCNN_DTYPE_U64)
        dcnn_ref_set_int (out, at, (int64_t) on_unsigned (p,
                (uint64_t) dcnn_ref_get_int (a, ia),
                (uint64_t) dcnn_ref_get_int (b, ib)));
      else
        dcnn_ref_set_int (out, at, on_signed (p, dcnn_ref_get_int (a, ia),
                dcnn_ref_get_int (b, ib)));
    }
  } while (ref_next (last, out->dims, index));
}

#define FUNCTIONS(name, f, s, u)                                               \
  REF_INLINE double f_##name (const DcnnParams *p, double a, double b)         \
  {                                                                            \
    return f;                                                                  \
  }                                                                            \
  REF_INLINE int64_t s_##name (const DcnnParams *p, int64_t a, int64_t b)      \
  {                                                                            \
    return s;                                                                  \
  }                                                                            \
  REF_INLINE uint64_t u_##name (const DcnnParams *p, uint64_t a, uint64_t b)   \
  {                                                                            \
    return u;                                                                  \
  }
#define BINARY(name, f, s, u)                                                  \
  FUNCTIONS (name, f, s, u)                                                    \
  DCNN_REF (name)                                                              \
  {                                                                            \
    if (outputs[0])                                                            \
      binary_run (params, inputs[0], inputs[1], outputs[0], f_##name,          \
          s_##name, u_##name);                                                 \
  }
/* The same C expression in all three domains. */
#define BINARY_SAME(name, e) BINARY (name, e, e, e)
/* One for both kinds of integers, on the bits. */
#define BINARY_BITS(name, f, e)                                                \
  REF_INLINE uint64_t bits_##name (uint64_t a, uint64_t b) { return e; }       \
  BINARY (name, f, (int64_t) bits_##name ((uint64_t) a, (uint64_t) b),         \
      bits_##name (a, b))

REF_INLINE int64_t
divide (int64_t a, int64_t b)
{
  return b == 0 ? 0 : b == -1 ? (int64_t) (0 - (uint64_t) a) : a / b;
}

/* Integer remainder: of the divisor's sign, or of the dividend's (C's). */
REF_INLINE int64_t
modulo (const DcnnParams *p, int64_t a, int64_t b)
{
  int64_t r = b == 0 || b == -1 ? 0 : a % b;
  return !p->mod.fmod && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

REF_INLINE double
float_modulo (const DcnnParams *p, double a, double b)
{
  double r = fmod (a, b);
  return !p->mod.fmod && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

REF_INLINE uint64_t
power (uint64_t a, uint64_t b)
{
  uint64_t r = 1;
  for (; b; b >>= 1, a *= a)
    if (b & 1)
      r *= a;
  return r;
}

REF_INLINE int64_t
signed_power (int64_t a, int64_t b)
{
  if (b < 0)
    return a == 1 ? 1 : a == -1 ? ((b & 1) ? -1 : 1) : 0;
  return (int64_t) power ((uint64_t) a, (uint64_t) b);
}

/* Smaller and larger; a NaN operand gives NaN. */
#define LESSER(a, b) ((a) < (b) || (a) != (a) ? (a) : (b))
#define GREATER_OF(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))

BINARY_BITS (add, a + b, a + b)
BINARY_BITS (sub, a - b, a - b)
BINARY_BITS (mul, a * b, a * b)
BINARY (div, a / b, divide (a, b), b == 0 ? 0 : a / b)
BINARY (pow, pow (a, b), signed_power (a, b), power (a, b))
BINARY (mod, float_modulo (p, a, b), modulo (p, a, b), b == 0 ? 0 : a % b)
BINARY (prelu, a < 0 ? a * b : a,
    a < 0 ? (int64_t) ((uint64_t) a * (uint64_t) b) : a, a)
BINARY_SAME (equal, a == b)
BINARY_SAME (greater, a > b)
BINARY_SAME (greater_or_equal, a >= b)
BINARY_SAME (less, a < b)
BINARY_SAME (less_or_equal, a <= b)
BINARY_SAME (and, a && b)
BINARY_SAME (or, a || b)
BINARY_SAME (xor, !a != !b)
BINARY_BITS (bitwise_and, 0, a & b)
BINARY_BITS (bitwise_or, 0, a | b)
BINARY_BITS (bitwise_xor, 0, a ^ b)

/* Of any number of inputs, from the left. */
#define VARIADIC(name)                                                         \
  DCNN_REF (name)                                                              \
  {                                                                            \
    if (!outputs[0])                                                           \
      return;                                                                  \
    dcnn_ref_broadcast (inputs[0], outputs[0]);                                \
    for (int i = 1; i < n_inputs; i++)                                         \
      binary_run (params, outputs[0], inputs[i], outputs[0], f_##name,         \
          s_##name, u_##name);                                                 \
  }

FUNCTIONS (min, LESSER (a, b), LESSER (a, b), LESSER (a, b))
FUNCTIONS (max, GREATER_OF (a, b), GREATER_OF (a, b), GREATER_OF (a, b))
VARIADIC (min)
VARIADIC (max)

/* Where: condition ? x : y. */
DCNN_REF (where)
{
  const DcnnTensor *out = outputs[0];
  int64_t stride[3][DCNN_MAX_RANK], index[DCNN_MAX_RANK] = { 0 }, at = 0;
  size_t bytes;

  if (!out || dcnn_tensor_count (out) == 0)
    return;
  bytes = dcnn_dtype_bytes (out->dtype);
  for (int k = 0; k < 3; k++)
    ref_broadcast_strides (inputs[k], out->rank, stride[k]);
  do {
    int64_t from[3] = { 0, 0, 0 };
    int chosen;
    for (int i = 0; i < out->rank; i++)
      for (int k = 0; k < 3; k++)
        from[k] += index[i] * stride[k][i];
    chosen = ((const uint8_t *) inputs[0]->data)[from[0]] ? 1 : 2;
    memcpy ((char *) out->data + at++ * (int64_t) bytes,
        (const char *) inputs[chosen]->data + from[chosen] * (int64_t) bytes,
        bytes);
  } while (ref_next (out->rank, out->dims, index));
}
