/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_util.c - element conversions and strided copies: see ref_util.h.
 */
#include "ref_util.h"

float
dcnn_ref_half_to_float (uint16_t half)
{
  uint32_t sign = (uint32_t) (half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 31, mantissa = half & 1023;
  uint32_t bits;
  float value;

  if (exponent == 0) {
    value = (float) mantissa * 0x1p-24f;
    return sign ? -value : value;
  }
  if (exponent == 31)
    bits = sign | 0x7f800000u | (mantissa << 13);
  else
    bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
  memcpy (&value, &bits, sizeof value);
  return value;
}

static uint16_t
float_to_half (float value)
{
  uint32_t bits, sign, rounded;
  memcpy (&bits, &value, sizeof bits);
  sign = (bits >> 16) & 0x8000;
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u)
    return (uint16_t) (sign | 0x7e00);
  if (bits >= 0x47800000u)
    return (uint16_t) (sign | 0x7c00);
  if (bits < 0x38800000u) /* below the smallest normal half */
    return (uint16_t) (sign | (uint32_t) rintf (fabsf (value) * 0x1p24f));
  rounded = bits + 0xfff + ((bits >> 13) & 1);
  return (uint16_t) (sign | ((rounded - 0x38000000u) >> 13));
}

double
dcnn_ref_get (const DcnnTensor *tensor, int64_t i)
{
  switch (tensor->dtype) {
    case DCNN_DTYPE_F16:
      return dcnn_ref_half_to_float (((const uint16_t *) tensor->data)[i]);
#define GET(E, type)                                                           \
    case DCNN_DTYPE_##E:                                                       \
      return (double) ((const type *) tensor->data)[i];
    GET (F32, float)
    GET (F64, double)
    GET (I8, int8_t)
    GET (U8, uint8_t)
    GET (I16, int16_t)
    GET (U16, uint16_t)
    GET (I32, int32_t)
    GET (U32, uint32_t)
    GET (I64, int64_t)
    GET (U64, uint64_t)
    GET (BOOL, uint8_t)
#undef GET
    default:
      return 0;
  }
}

/* x as an integer in [low, high], NaN as 0; high is a power of two less one,
 * which a double may round up to the power itself. */
static int64_t
clamp_to_int (double x, double low, double high)
{
  if (!(x == x))
    return 0;
  if (x <= low)
    return (int64_t) low;
  if (x >= high)
    return high >= 0x1p63 ? INT64_MAX : (int64_t) high;
  return (int64_t) x;
}

int64_t
dcnn_ref_get_int (const DcnnTensor *tensor, int64_t i)
{
  switch (tensor->dtype) {
#define GET(E, type)                                                           \
    case DCNN_DTYPE_##E:                                                       \
      return (int64_t) ((const type *) tensor->data)[i];
    GET (I8, int8_t)
    GET (U8, uint8_t)
    GET (I16, int16_t)
    GET (U16, uint16_t)
    GET (I32, int32_t)
    GET (U32, uint32_t)
    GET (I64, int64_t)
    GET (U64, uint64_t)
    GET (BOOL, uint8_t)
#undef GET
    default:
      return clamp_to_int (dcnn_ref_get (tensor, i), -0x1p63, 0x1p63);
  }
}

void
dcnn_ref_set (const DcnnTensor *tensor, int64_t i, double value)
{
  switch (tensor->dtype) {
    case DCNN_DTYPE_F32:
      ((float *) tensor->data)[i] = (float) value;
      break;
    case DCNN_DTYPE_F64:
      ((double *) tensor->data)[i] = value;
      break;
    case DCNN_DTYPE_F16:
      ((uint16_t *) tensor->data)[i] = float_to_half ((float) value);
      break;
    case DCNN_DTYPE_BOOL:
      ((uint8_t *) tensor->data)[i] = value != 0;
      break;
    case DCNN_DTYPE_U64:
      ((uint64_t *) tensor->data)[i] = !(value > 0) ? 0
          : value >= 0x1p64 ? UINT64_MAX : (uint64_t) value;
      break;
#define SET(E, type, low, high)                                                \
    case DCNN_DTYPE_##E:                                                       \
      ((type *) tensor->data)[i] = (type) clamp_to_int (value, low, high);     \
      break;
    SET (I8, int8_t, -128.0, 127.0)
    SET (U8, uint8_t, 0.0, 255.0)
    SET (I16, int16_t, -32768.0, 32767.0)
    SET (U16, uint16_t, 0.0, 65535.0)
    SET (I32, int32_t, -0x1p31, 2147483647.0)
    SET (U32, uint32_t, 0.0, 4294967295.0)
    SET (I64, int64_t, -0x1p63, 0x1p63)
#undef SET
    default:
      break;
  }
}

void
dcnn_ref_set_int (const DcnnTensor *tensor, int64_t i, int64_t value)
{
  switch (tensor->dtype) {
    case DCNN_DTYPE_BOOL:
      ((uint8_t *) tensor->data)[i] = value != 0;
      break;
#define SET(E, type)                                                           \
    case DCNN_DTYPE_##E:                                                       \
      ((type *) tensor->data)[i] = (type) (uint64_t) value;                    \
      break;
    SET (I8, int8_t)
    SET (U8, uint8_t)
    SET (I16, int16_t)
    SET (U16, uint16_t)
    SET (I32, int32_t)
    SET (U32, uint32_t)
    SET (I64, int64_t)
    SET (U64, uint64_t)
#undef SET
    default:
      dcnn_ref_set (tensor, i, (double) value);
      break;
  }
}

/* One row of a strided copy. */
#define COPY_ROW(type)                                                         \
  do {                                                                         \
    const type *s = (const type *) src;                                        \
    type *d = (type *) dst;                                                    \
    for (int64_t i = 0; i < n; i++)                                            \
      d[i * dst_stride] = s[i * src_stride];                                   \
  } while (0)

static void
copy_row (size_t bytes, int64_t n, const void *src, int64_t src_stride,
    void *dst, int64_t dst_stride)
{
  if (src_stride == 1 && dst_stride == 1)
    memcpy (dst, src, (size_t) n * bytes);
  else if (bytes == 1)
    COPY_ROW (uint8_t);
  else if (bytes == 2)
    COPY_ROW (uint16_t);
  else if (bytes == 4)
    COPY_ROW (uint32_t);
  else
    COPY_ROW (uint64_t);
}

void
dcnn_ref_copy_strided (size_t element_bytes, int rank, const int64_t *dims,
    const void *src, const int64_t *src_strides, void *dst,
    const int64_t *dst_strides)
{
  int64_t index[2 * DCNN_MAX_RANK] = { 0 };
  int64_t row = rank > 0 ? dims[rank - 1] : 1;
  int64_t row_src = rank > 0 ? src_strides[rank - 1] : 0;
  int64_t row_dst = rank > 0 ? dst_strides[rank - 1] : 0;

  for (int i = 0; i < rank; i++)
    if (dims[i] == 0)
      return;
  do {
    int64_t from = 0, to = 0;
    for (int i = 0; i < rank - 1; i++) {
      from += index[i] * src_strides[i];
      to += index[i] * dst_strides[i];
    }
    copy_row (element_bytes, row,
        (const char *) src + from * (int64_t) element_bytes, row_src,
        (char *) dst + to * (int64_t) element_bytes, row_dst);
  } while (ref_next (rank - 1, dims, index));
}

void
dcnn_ref_broadcast (const DcnnTensor *src, const DcnnTensor *dst)
{
  int64_t from[DCNN_MAX_RANK], to[DCNN_MAX_RANK];
  ref_broadcast_strides (src, dst->rank, from);
  ref_strides (dst, to);
  dcnn_ref_copy_strided (dcnn_dtype_bytes (dst->dtype), dst->rank, dst->dims,
      src->data, from, dst->data, to);
}
