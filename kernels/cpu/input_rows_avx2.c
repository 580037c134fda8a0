/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Row functions of the input stage with AVX2: the same bytes as input_rows.c.
 * What each reads and writes is said in input_stage.h. Row ends go through the
 * portable functions or through a last block that overlaps the one before.
 */
#include "isa.h"

#ifdef DCNN_ISA_AVX2

#include "input_stage.h"

#include <immintrin.h>
#include <string.h>

DCNN_INLINE __m128i
load16 (const void *p)
{
  return _mm_loadu_si128 (p);
}

DCNN_INLINE __m256i
load32 (const void *p)
{
  return _mm256_loadu_si256 (p);
}

/* Two 16-byte loads as one vector. */
DCNN_INLINE __m256i
load_halves (const void *low, const void *high)
{
  return _mm256_inserti128_si256 (_mm256_castsi128_si256 (load16 (low)),
      load16 (high), 1);
}

DCNN_INLINE void
store_halves (void *low, void *high, __m256i v)
{
  _mm_storeu_si128 (low, _mm256_castsi256_si128 (v));
  _mm_storeu_si128 (high, _mm256_extracti128_si256 (v, 1));
}

DCNN_INLINE __m256i
both_lanes (__m128i v)
{
  return _mm256_broadcastsi128_si256 (v);
}

/* Two neighbouring weights in every 32 bits. */
DCNN_INLINE __m256i
weight_pair (const int16_t *weight)
{
  int32_t pair;
  memcpy (&pair, weight, sizeof pair);
  return _mm256_set1_epi32 (pair);
}

/* ---- vertical --------------------------------------------------------- */

/* 32 columns of a pair of rows, each 16-bit pair times its weights. */
DCNN_INLINE void
vertical_pair (__m256i acc[4], __m256i a, __m256i b, __m256i w)
{
  __m256i zero = _mm256_setzero_si256 ();
  __m256i lo = _mm256_unpacklo_epi8 (a, b), hi = _mm256_unpackhi_epi8 (a, b);
  acc[0] = _mm256_add_epi32 (acc[0],
      _mm256_madd_epi16 (_mm256_unpacklo_epi8 (lo, zero), w));
  acc[1] = _mm256_add_epi32 (acc[1],
      _mm256_madd_epi16 (_mm256_unpackhi_epi8 (lo, zero), w));
  acc[2] = _mm256_add_epi32 (acc[2],
      _mm256_madd_epi16 (_mm256_unpacklo_epi8 (hi, zero), w));
  acc[3] = _mm256_add_epi32 (acc[3],
      _mm256_madd_epi16 (_mm256_unpackhi_epi8 (hi, zero), w));
}

DCNN_INLINE void
vertical_block (int16_t *v, const uint8_t *const *rows, const int16_t *weight,
    uint32_t taps, size_t i)
{
  __m256i acc[4];
  uint32_t k = 0;
  for (int j = 0; j < 4; j++)
    acc[j] = _mm256_set1_epi32 (64);
  for (; k + 2 <= taps; k += 2)
    vertical_pair (acc, load32 (rows[k] + i), load32 (rows[k + 1] + i),
        weight_pair (weight + k));
  if (k < taps)
    vertical_pair (acc, load32 (rows[k] + i), _mm256_setzero_si256 (),
        _mm256_set1_epi32 (weight[k]));
  for (int j = 0; j < 4; j++)
    acc[j] = _mm256_srai_epi32 (acc[j], 7);
  __m256i even = _mm256_packs_epi32 (acc[0], acc[1]);
  __m256i odd = _mm256_packs_epi32 (acc[2], acc[3]);
  _mm256_storeu_si256 ((void *) (v + i),
      _mm256_permute2x128_si256 (even, odd, 0x20));
  _mm256_storeu_si256 ((void *) (v + i + 16),
      _mm256_permute2x128_si256 (even, odd, 0x31));
}

static void
vertical_avx2 (int16_t *v, const uint8_t *const *rows, const int16_t *weight,
    uint32_t taps, size_t n)
{
  size_t i = 0;
  if (n < 32) {
    dcnn_input_rows__c.vertical (v, rows, weight, taps, n);
    return;
  }
  for (; i + 32 <= n; i += 32)
    vertical_block (v, rows, weight, taps, i);
  if (i < n)
    vertical_block (v, rows, weight, taps, n - 32);
}

/* ---- horizontal ------------------------------------------------------- */

/* Rounds 32-bit sums to pixel values. */
DCNN_INLINE __m256i
finish (__m256i sum)
{
  return _mm256_srai_epi32 (_mm256_add_epi32 (sum,
          _mm256_set1_epi32 (1 << 20)), 21);
}

/* 8 outputs of 2 taps. */
DCNN_INLINE __m256i
two_taps (const int16_t *v, const DcnnInputAxis *axis, size_t x)
{
  __m256i pairs = _mm256_i32gather_epi32 ((const int *) (const void *) v,
      load32 (axis->first + x), 2);
  return finish (_mm256_madd_epi16 (pairs, load32 (axis->weight + 2 * x)));
}

/* Four taps of each of two outputs. */
DCNN_INLINE __m128i
load_two (const int16_t *v, const uint32_t *first)
{
  return _mm_unpacklo_epi64 (_mm_loadl_epi64 ((const void *) (v + first[0])),
      _mm_loadl_epi64 ((const void *) (v + first[1])));
}

/* Outputs x .. x+7 of 4 taps. */
DCNN_INLINE __m256i
four_taps (const int16_t *v, const DcnnInputAxis *axis, size_t x)
{
  __m256i part[2];
  for (size_t i = 0; i < 2; i++) {
    const uint32_t *first = axis->first + x + 2 * i;
    const int16_t *weight = axis->weight + 4 * (x + 2 * i);
    __m256i values = _mm256_inserti128_si256 (_mm256_castsi128_si256 (
            load_two (v, first)), load_two (v, first + 4), 1);
    part[i] = _mm256_madd_epi16 (values, load_halves (weight, weight + 16));
  }
  return finish (_mm256_hadd_epi32 (part[0], part[1]));
}

/* Outputs x .. x+7 of a multiple of 8 taps. */
DCNN_INLINE __m256i
eight_taps (const int16_t *v, const DcnnInputAxis *axis, size_t x)
{
  __m256i part[4];
  size_t taps = axis->taps;
  for (size_t i = 0; i < 4; i++) {
    const int16_t *low = v + axis->first[x + i];
    const int16_t *high = v + axis->first[x + i + 4];
    const int16_t *w_low = axis->weight + (x + i) * taps;
    const int16_t *w_high = w_low + 4 * taps;
    part[i] = _mm256_setzero_si256 ();
    for (size_t k = 0; k < taps; k += 8)
      part[i] = _mm256_add_epi32 (part[i],
          _mm256_madd_epi16 (load_halves (low + k, high + k),
              load_halves (w_low + k, w_high + k)));
  }
  return finish (_mm256_hadd_epi32 (_mm256_hadd_epi32 (part[0], part[1]),
          _mm256_hadd_epi32 (part[2], part[3])));
}

/* Two vectors of 8 values to 16 bytes. */
DCNN_INLINE __m128i
pack16 (__m256i a, __m256i b)
{
  __m256i words = _mm256_permute4x64_epi64 (_mm256_packs_epi32 (a, b), 0xd8);
  return _mm_packus_epi16 (_mm256_castsi256_si128 (words),
      _mm256_extracti128_si256 (words, 1));
}

DCNN_INLINE void
horizontal_block (uint8_t *out, const int16_t *v, const DcnnInputAxis *axis,
    size_t x)
{
  __m128i bytes = axis->taps == 2
      ? pack16 (two_taps (v, axis, x), two_taps (v, axis, x + 8))
      : axis->taps == 4
      ? pack16 (four_taps (v, axis, x), four_taps (v, axis, x + 8))
      : pack16 (eight_taps (v, axis, x), eight_taps (v, axis, x + 8));
  _mm_storeu_si128 ((void *) (out + x), bytes);
}

static void
horizontal_avx2 (uint8_t *out, const int16_t *v, const DcnnInputAxis *axis)
{
  size_t x = 0, n = axis->n;
  if (n < 16) {
    dcnn_input_rows__c.horizontal (out, v, axis);
    return;
  }
  for (; x + 16 <= n; x += 16)
    horizontal_block (out, v, axis, x);
  if (x < n)
    horizontal_block (out, v, axis, n - 16);
}

/* 4 outputs of a multiple of 4 taps: u v of x, x+1 in the low lane, of x+2,
 * x+3 in the high one. */
DCNN_INLINE __m256i
pair_four_taps (const int16_t *v, const DcnnInputAxis *axis, size_t x)
{
  const __m256i order = both_lanes (_mm_setr_epi8 (0, 1, 4, 5, 8, 9, 12, 13, 2,
          3, 6, 7, 10, 11, 14, 15));
  __m256i part[2];
  size_t taps = axis->taps;
  for (size_t i = 0; i < 2; i++) {
    const int16_t *low = v + 2 * (size_t) axis->first[x + i];
    const int16_t *high = v + 2 * (size_t) axis->first[x + i + 2];
    const int16_t *w_low = axis->weight + (x + i) * taps;
    const int16_t *w_high = w_low + 2 * taps;
    part[i] = _mm256_setzero_si256 ();
    for (size_t k = 0; k < taps; k += 4) {
      __m256i values = _mm256_shuffle_epi8 (load_halves (low + 2 * k,
              high + 2 * k), order);
      __m128i wl = _mm_loadl_epi64 ((const void *) (w_low + k));
      __m128i wh = _mm_loadl_epi64 ((const void *) (w_high + k));
      __m256i w = _mm256_inserti128_si256 (_mm256_castsi128_si256 (
              _mm_unpacklo_epi64 (wl, wl)), _mm_unpacklo_epi64 (wh, wh), 1);
      part[i] = _mm256_add_epi32 (part[i], _mm256_madd_epi16 (values, w));
    }
  }
  return finish (_mm256_hadd_epi32 (part[0], part[1]));
}

/* 4 outputs of 2 taps, in the same order. */
DCNN_INLINE __m256i
pair_two_taps (const int16_t *v, const DcnnInputAxis *axis, size_t x)
{
  const __m256i order = both_lanes (_mm_setr_epi8 (0, 1, 4, 5, 2, 3, 6, 7, 8, 9,
          12, 13, 10, 11, 14, 15));
  __m256i values = _mm256_i32gather_epi64 ((const long long *) (const void *) v,
      load16 (axis->first + x), 4);
  __m256i w = _mm256_permutevar8x32_epi32 (_mm256_castsi128_si256 (load16 (
              axis->weight + 2 * x)), _mm256_setr_epi32 (0, 0, 1, 1, 2, 2, 3, 3));
  return finish (_mm256_madd_epi16 (_mm256_shuffle_epi8 (values, order), w));
}

static void
horizontal_pair_avx2 (uint8_t *out0, uint8_t *out1, const int16_t *v,
    const DcnnInputAxis *axis)
{
  /* After packing: u v u v of 4 outputs in each lane, lanes (0 1 4 5) and
   * (2 3 6 7). */
  const __m256i split = both_lanes (_mm_setr_epi8 (0, 2, 4, 6, 1, 3, 5, 7, -1,
          -1, -1, -1, -1, -1, -1, -1));
  size_t n = axis->n;
  if (n < 8) {
    dcnn_input_rows__c.horizontal_pair (out0, out1, v, axis);
    return;
  }
  for (size_t at = 0; at < n; at += 8) {
    size_t x = at + 8 <= n ? at : n - 8;
    __m256i a, b;
    if (axis->taps == 2) {
      a = pair_two_taps (v, axis, x);
      b = pair_two_taps (v, axis, x + 4);
    } else {
      a = pair_four_taps (v, axis, x);
      b = pair_four_taps (v, axis, x + 4);
    }
    __m256i words = _mm256_permute4x64_epi64 (_mm256_packs_epi32 (a, b), 0xd8);
    __m256i bytes = _mm256_packus_epi16 (words, words);
    bytes = _mm256_shuffle_epi8 (bytes, split);
    __m128i both = _mm_unpacklo_epi32 (_mm256_castsi256_si128 (bytes),
        _mm256_extracti128_si256 (bytes, 1));
    _mm_storel_epi64 ((void *) (out0 + x), both);
    _mm_storel_epi64 ((void *) (out1 + x), _mm_unpackhi_epi64 (both, both));
  }
}

/* Outputs x (low lane) and x + 4 (high): R G B and one more, 32 bits each. */
DCNN_INLINE __m256i
rgb_taps (const int16_t *v, const DcnnInputAxis *axis, size_t x,
    uint32_t channels, uint32_t taps, __m256i order)
{
  const int16_t *low = v + (size_t) axis->first[x] * channels;
  const int16_t *high = v + (size_t) axis->first[x + 4] * channels;
  const int16_t *w_low = axis->weight + x * taps;
  const int16_t *w_high = axis->weight + (x + 4) * taps;
  __m256i sum = _mm256_setzero_si256 ();
  for (uint32_t k = 0; k < taps; k += 2) {
    __m256i values = load_halves (low + k * channels, high + k * channels);
    __m256i w = _mm256_blend_epi32 (weight_pair (w_low + k),
        weight_pair (w_high + k), 0xf0);
    sum = _mm256_add_epi32 (sum,
        _mm256_madd_epi16 (_mm256_shuffle_epi8 (values, order), w));
  }
  return finish (sum);
}

DCNN_INLINE void
rgb_rows (uint8_t *rgb, const int16_t *v, const DcnnInputAxis *axis,
    uint32_t channels, uint32_t taps, bool bgr)
{
  const __m256i pairs = both_lanes (channels == 3
      ? _mm_setr_epi8 (0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1)
      : _mm_setr_epi8 (0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, -1, -1, -1, -1));
  const __m256i order = both_lanes (bgr
      ? _mm_setr_epi8 (2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1)
      : _mm_setr_epi8 (0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  size_t n = axis->n, x = 0;
  /* 8 outputs are 24 bytes, stored as 28. */
  for (; x + 10 <= n; x += 8) {
    __m256i a = rgb_taps (v, axis, x, channels, taps, pairs);
    __m256i b = rgb_taps (v, axis, x + 1, channels, taps, pairs);
    __m256i c = rgb_taps (v, axis, x + 2, channels, taps, pairs);
    __m256i d = rgb_taps (v, axis, x + 3, channels, taps, pairs);
    __m256i bytes = _mm256_packus_epi16 (_mm256_packs_epi32 (a, b),
        _mm256_packs_epi32 (c, d));
    bytes = _mm256_shuffle_epi8 (bytes, order);
    store_halves (rgb + 3 * x, rgb + 3 * x + 12, bytes);
  }
  DcnnInputAxis rest = *axis;
  rest.n = (uint32_t) (n - x);
  rest.first = axis->first + x;
  rest.weight = axis->weight + x * taps;
  dcnn_input_rows__c.horizontal_rgb (rgb + 3 * x, v, &rest, channels, bgr);
}

static void
horizontal_rgb_avx2 (uint8_t *rgb, const int16_t *v, const DcnnInputAxis *axis,
    uint32_t channels, bool bgr)
{
  if (axis->taps == 2 && channels == 3)
    rgb_rows (rgb, v, axis, 3, 2, bgr);
  else if (axis->taps == 2)
    rgb_rows (rgb, v, axis, 4, 2, bgr);
  else
    rgb_rows (rgb, v, axis, channels, axis->taps, bgr);
}

/* ---- colour ----------------------------------------------------------- */

static void
chroma_nv12_avx2 (uint8_t *u, uint8_t *v, const uint8_t *uv, size_t x,
    size_t n)
{
  const __m256i u_twice = both_lanes (_mm_setr_epi8 (0, 0, 2, 2, 4, 4, 6, 6, 8,
          8, 10, 10, 12, 12, 14, 14));
  const __m256i v_twice = both_lanes (_mm_setr_epi8 (1, 1, 3, 3, 5, 5, 7, 7, 9,
          9, 11, 11, 13, 13, 15, 15));
  size_t i = 0;
  if ((x & 1) && n) {
    u[0] = uv[x - 1];
    v[0] = uv[x];
    i = 1;
  }
  for (; i + 32 <= n; i += 32) {
    __m256i both = load32 (uv + x + i);
    _mm256_storeu_si256 ((void *) (u + i), _mm256_shuffle_epi8 (both, u_twice));
    _mm256_storeu_si256 ((void *) (v + i), _mm256_shuffle_epi8 (both, v_twice));
  }
  dcnn_input_rows__c.chroma_nv12 (u + i, v + i, uv, x + i, n - i);
}

static void
chroma_i420_avx2 (uint8_t *out, const uint8_t *chroma, size_t x, size_t n)
{
  size_t i = 0;
  if ((x & 1) && n) {
    out[0] = chroma[x / 2];
    i = 1;
  }
  for (; i + 32 <= n; i += 32) {
    __m128i c = load16 (chroma + (x + i) / 2);
    _mm_storeu_si128 ((void *) (out + i), _mm_unpacklo_epi8 (c, c));
    _mm_storeu_si128 ((void *) (out + i + 16), _mm_unpackhi_epi8 (c, c));
  }
  dcnn_input_rows__c.chroma_i420 (out + i, chroma, x + i, n - i);
}

/* 16 pixels in 16-bit lanes: the three channels before packing. */
DCNN_INLINE void
yuv_lanes (__m256i y, __m256i u, __m256i v, const DcnnInputMatrix *m,
    __m256i rgb[3])
{
  const __m256i sign = _mm256_set1_epi16 (INT16_MIN);
  __m256i l = _mm256_sub_epi16 (_mm256_srli_epi16 (y, 1),
      _mm256_set1_epi16 ((int16_t) (m->offset * 128)));
  l = _mm256_add_epi16 (_mm256_mulhrs_epi16 (l, _mm256_set1_epi16 (m->y)),
      _mm256_set1_epi16 (32));
  u = _mm256_xor_si256 (u, sign);
  v = _mm256_xor_si256 (v, sign);
  __m256i r = _mm256_mulhrs_epi16 (v, _mm256_set1_epi16 (m->rv));
  __m256i gu = _mm256_mulhrs_epi16 (u, _mm256_set1_epi16 (m->gu));
  __m256i gv = _mm256_mulhrs_epi16 (v, _mm256_set1_epi16 (m->gv));
  __m256i b = _mm256_mulhrs_epi16 (u, _mm256_set1_epi16 (m->bu));
  rgb[0] = _mm256_srai_epi16 (_mm256_adds_epi16 (l, r), 6);
  rgb[1] = _mm256_srai_epi16 (_mm256_subs_epi16 (_mm256_subs_epi16 (l, gu),
          gv), 6);
  rgb[2] = _mm256_srai_epi16 (_mm256_adds_epi16 (l, b), 6);
}

/* Stores 32 pixels of three planes as 96 packed bytes. */
DCNN_INLINE void
store_packed (uint8_t *rgb, __m256i r, __m256i g, __m256i b)
{
  const __m256i r0 = both_lanes (_mm_setr_epi8 (0, -1, -1, 1, -1, -1, 2, -1, -1,
          3, -1, -1, 4, -1, -1, 5));
  const __m256i g0 = both_lanes (_mm_setr_epi8 (-1, 0, -1, -1, 1, -1, -1, 2, -1,
          -1, 3, -1, -1, 4, -1, -1));
  const __m256i b0 = both_lanes (_mm_setr_epi8 (-1, -1, 0, -1, -1, 1, -1, -1, 2,
          -1, -1, 3, -1, -1, 4, -1));
  const __m256i r1 = both_lanes (_mm_setr_epi8 (-1, -1, 6, -1, -1, 7, -1, -1, 8,
          -1, -1, 9, -1, -1, 10, -1));
  const __m256i g1 = both_lanes (_mm_setr_epi8 (5, -1, -1, 6, -1, -1, 7, -1, -1,
          8, -1, -1, 9, -1, -1, 10));
  const __m256i b1 = both_lanes (_mm_setr_epi8 (-1, 5, -1, -1, 6, -1, -1, 7, -1,
          -1, 8, -1, -1, 9, -1, -1));
  const __m256i r2 = both_lanes (_mm_setr_epi8 (-1, 11, -1, -1, 12, -1, -1, 13,
          -1, -1, 14, -1, -1, 15, -1, -1));
  const __m256i g2 = both_lanes (_mm_setr_epi8 (-1, -1, 11, -1, -1, 12, -1, -1,
          13, -1, -1, 14, -1, -1, 15, -1));
  const __m256i b2 = both_lanes (_mm_setr_epi8 (10, -1, -1, 11, -1, -1, 12, -1,
          -1, 13, -1, -1, 14, -1, -1, 15));
  __m256i o0 = _mm256_or_si256 (_mm256_or_si256 (_mm256_shuffle_epi8 (r, r0),
          _mm256_shuffle_epi8 (g, g0)), _mm256_shuffle_epi8 (b, b0));
  __m256i o1 = _mm256_or_si256 (_mm256_or_si256 (_mm256_shuffle_epi8 (r, r1),
          _mm256_shuffle_epi8 (g, g1)), _mm256_shuffle_epi8 (b, b1));
  __m256i o2 = _mm256_or_si256 (_mm256_or_si256 (_mm256_shuffle_epi8 (r, r2),
          _mm256_shuffle_epi8 (g, g2)), _mm256_shuffle_epi8 (b, b2));
  store_halves (rgb, rgb + 48, o0);
  store_halves (rgb + 16, rgb + 64, o1);
  store_halves (rgb + 32, rgb + 80, o2);
}

DCNN_INLINE void
yuv_block (uint8_t *rgb, const uint8_t *y, const uint8_t *u, const uint8_t *v,
    const DcnnInputMatrix *m)
{
  const __m256i zero = _mm256_setzero_si256 ();
  __m256i yy = load32 (y), uu = load32 (u), vv = load32 (v);
  __m256i lo[3], hi[3];
  yuv_lanes (_mm256_unpacklo_epi8 (zero, yy), _mm256_unpacklo_epi8 (zero, uu),
      _mm256_unpacklo_epi8 (zero, vv), m, lo);
  yuv_lanes (_mm256_unpackhi_epi8 (zero, yy), _mm256_unpackhi_epi8 (zero, uu),
      _mm256_unpackhi_epi8 (zero, vv), m, hi);
  store_packed (rgb, _mm256_packus_epi16 (lo[0], hi[0]),
      _mm256_packus_epi16 (lo[1], hi[1]), _mm256_packus_epi16 (lo[2], hi[2]));
}

static void
yuv_avx2 (uint8_t *rgb, const uint8_t *y, const uint8_t *u, const uint8_t *v,
    const DcnnInputMatrix *m, size_t n)
{
  size_t i = 0;
  if (n < 32) {
    dcnn_input_rows__c.yuv (rgb, y, u, v, m, n);
    return;
  }
  for (; i + 32 <= n; i += 32)
    yuv_block (rgb + 3 * i, y + i, u + i, v + i, m);
  if (i < n)
    yuv_block (rgb + 3 * (n - 32), y + n - 32, u + n - 32, v + n - 32, m);
}

static void
swizzle_avx2 (uint8_t *rgb, const uint8_t *src, uint32_t bytes, bool bgr,
    size_t n)
{
  const __m256i four = both_lanes (bgr
      ? _mm_setr_epi8 (2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1)
      : _mm_setr_epi8 (0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  const __m128i three = _mm_setr_epi8 (2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9, 14,
      13, 12, -1);
  size_t i = 0;
  /* Stores of 28 and 16 bytes for 24 and 15: the pixels after are rewritten. */
  if (bytes == 4)
    for (; i + 10 <= n; i += 8)
      store_halves (rgb + 3 * i, rgb + 3 * i + 12,
          _mm256_shuffle_epi8 (load32 (src + 4 * i), four));
  else if (bgr)
    for (; i + 6 <= n; i += 5)
      _mm_storeu_si128 ((void *) (rgb + 3 * i),
          _mm_shuffle_epi8 (load16 (src + 3 * i), three));
  dcnn_input_rows__c.swizzle (rgb + 3 * i, src + bytes * i, bytes, bgr, n - i);
}

/* ---- comparison and store --------------------------------------------- */

/* Bits 3 x, 3 x + 1, 3 x + 2 of 24, any of them set, to bit x. */
DCNN_INLINE unsigned
any_of_three (unsigned m)
{
  m = (m | m >> 1 | m >> 2) & 0x249249;
  m = (m | m >> 2) & 0x0c30c3;
  m = (m | m >> 4) & 0x00f00f;
  return (m | m >> 8) & 0xff;
}

static void
compare_avx2 (uint64_t *changed, uint64_t *differs, unsigned y,
    const uint8_t *picture, const uint8_t *reference, const uint8_t *limits,
    size_t width)
{
  const __m256i zero = _mm256_setzero_si256 ();
  for (size_t x = 0; x < width; x += 8) {
    __m256i a = load32 (picture + 3 * x), b = load32 (reference + 3 * x);
    __m256i d = _mm256_or_si256 (_mm256_subs_epu8 (a, b),
        _mm256_subs_epu8 (b, a));
    unsigned inside = width - x >= 8 ? 0xffffff : (1u << (3 * (width - x))) - 1;
    unsigned any = ~(unsigned) _mm256_movemask_epi8 (
        _mm256_cmpeq_epi8 (d, zero)) & inside;
    if (!any)
      continue;
    if (differs)
      differs[x / 8] |= (uint64_t) any_of_three (any) << (8 * y);
    __m256i over = _mm256_subs_epu8 (d,
        _mm256_set1_epi8 ((char) limits[x / 8]));
    unsigned more = ~(unsigned) _mm256_movemask_epi8 (
        _mm256_cmpeq_epi8 (over, zero)) & inside;
    if (more)
      changed[x / 8] |= (uint64_t) any_of_three (more) << (8 * y);
  }
}

static void
compare_band_avx2 (uint64_t *changed, uint64_t *differs, unsigned y,
    const uint8_t *picture, const uint8_t *reference, const uint8_t *low,
    const uint8_t *high, const uint8_t *limits, size_t width)
{
  const __m256i zero = _mm256_setzero_si256 ();
  for (size_t x = 0; x < width; x += 8) {
    __m256i a = load32 (picture + 3 * x);
    __m256i same = _mm256_cmpeq_epi8 (a, load32 (reference + 3 * x));
    unsigned inside = width - x >= 8 ? 0xffffff : (1u << (3 * (width - x))) - 1;
    unsigned any = ~(unsigned) _mm256_movemask_epi8 (same) & inside;
    if (!any)
      continue;
    if (differs)
      differs[x / 8] |= (uint64_t) any_of_three (any) << (8 * y);
    __m256i d = _mm256_or_si256 (_mm256_subs_epu8 (a, load32 (high + 3 * x)),
        _mm256_subs_epu8 (load32 (low + 3 * x), a));
    __m256i over = _mm256_subs_epu8 (d,
        _mm256_set1_epi8 ((char) limits[x / 8]));
    unsigned more = ~(unsigned) _mm256_movemask_epi8 (
        _mm256_cmpeq_epi8 (over, zero)) & inside;
    if (more)
      changed[x / 8] |= (uint64_t) any_of_three (more) << (8 * y);
  }
}

/* ---- sampling --------------------------------------------------------- */

/* A row's 4 taps of 3 channels, times wx, two by two: channels 0 and 1 in the
 * low lane, 2 in the high one. */
DCNN_INLINE __m256i
taps_by_weight (const uint8_t *at, __m256i wx)
{
  const __m256i spread = _mm256_setr_epi8 (0, -1, 3, -1, 6, -1, 9, -1, 1, -1,
      4, -1, 7, -1, 10, -1, 2, -1, 5, -1, 8, -1, 11, -1, -1, -1, -1, -1, -1,
      -1, -1, -1);
  return _mm256_madd_epi16 (_mm256_shuffle_epi8 (both_lanes (load16 (at)),
          spread), wx);
}

DCNN_INLINE __m256i
four_weights (const int16_t *weights)
{
  int64_t all;
  memcpy (&all, weights, sizeof all);
  return _mm256_set1_epi64x (all);
}

static void
sample_avx2 (uint8_t *rgb, const uint8_t *picture, size_t stride,
    const int32_t *xs, const int32_t *ys, const int16_t (*weights)[4],
    size_t n)
{
  /* rows 0 to 3 of a channel beside each other */
  const __m256i gather = _mm256_broadcastsi128_si256 (_mm_setr_epi8 (0, 1, 4,
          5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
  const __m256i round_h = _mm256_set1_epi32 (1 << 7);
  const __m256i round_v = _mm256_set1_epi32 (1 << 19);
  for (size_t i = 0; i < n; i++) {
    const uint8_t *at = picture + (size_t) ((ys[i] >> 8) - 1) * stride
        + 3 * (size_t) ((xs[i] >> 8) - 1);
    __m256i wx = four_weights (weights[xs[i] & (DCNN_LOOK_PHASES - 1)]);
    __m256i wy = four_weights (weights[ys[i] & (DCNN_LOOK_PHASES - 1)]);
    __m256i a = _mm256_hadd_epi32 (taps_by_weight (at, wx),
        taps_by_weight (at + stride, wx));
    __m256i b = _mm256_hadd_epi32 (taps_by_weight (at + 2 * stride, wx),
        taps_by_weight (at + 3 * stride, wx));
    a = _mm256_srai_epi32 (_mm256_add_epi32 (a, round_h), 8);
    b = _mm256_srai_epi32 (_mm256_add_epi32 (b, round_h), 8);
    a = _mm256_madd_epi16 (_mm256_shuffle_epi8 (_mm256_packs_epi32 (a, b),
            gather), wy);
    a = _mm256_hadd_epi32 (a, a);
    a = _mm256_srai_epi32 (_mm256_add_epi32 (a, round_v), 20);
    a = _mm256_packus_epi16 (_mm256_packs_epi32 (a, a), a);
    uint32_t two = (uint32_t) _mm256_extract_epi32 (a, 0);
    rgb[3 * i] = (uint8_t) two;
    rgb[3 * i + 1] = (uint8_t) (two >> 8);
    rgb[3 * i + 2] = (uint8_t) _mm256_extract_epi32 (a, 4);
  }
}

static void
store_avx2 (uint8_t *reference, const uint8_t *picture, float *s0,
    const uint32_t *columns, unsigned bits, const DcnnInputStore *how)
{
  const __m128i order = how->bgr
      ? _mm_setr_epi8 (2, -1, -1, -1, 1, -1, -1, -1, 0, -1, -1, -1, -1, -1, -1,
      -1)
      : _mm_setr_epi8 (0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1,
      -1);
  const __m128 scale = _mm_loadu_ps (how->scale);
  const __m128 bias = _mm_loadu_ps (how->bias);
  if (how->gray) {
    dcnn_input_rows__c.store (reference, picture, s0, columns, bits, how);
    return;
  }
  if (bits == 0xff)
    memcpy (reference, picture, 24);
  for (unsigned left = bits; left; left &= left - 1) {
    unsigned x = (unsigned) __builtin_ctz (left);
    int32_t value;
    memcpy (&value, picture + 3 * x, 4);
    if (bits != 0xff)
      memcpy (reference + 3 * x, &value, 3);
    __m128 v = _mm_cvtepi32_ps (_mm_shuffle_epi8 (_mm_cvtsi32_si128 (value),
            order));
    /* Lane 3 is 0 * 0 + 0. */
    _mm_storeu_ps (s0 + columns[x], _mm_add_ps (_mm_mul_ps (v, scale), bias));
  }
}

const DcnnInputRows dcnn_input_rows__avx2 = {
  vertical_avx2,
  horizontal_avx2,
  horizontal_pair_avx2,
  horizontal_rgb_avx2,
  chroma_nv12_avx2,
  chroma_i420_avx2,
  yuv_avx2,
  swizzle_avx2,
  compare_avx2,
  compare_band_avx2,
  sample_avx2,
  store_avx2,
};

#endif
