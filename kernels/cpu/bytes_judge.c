/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_judge.c - judgement and store of rows of an out map of bytes, as bytes
 * or as floats that become such (bytes_tile.h). Compiled once for each level.
 */
#include "bytes_tile.h"

/* ---- the way back to bytes --------------------------------------------------- */

/* Whole numbers as bytes; lanes past the channels stand for 0. The bytes may
 * go to where the floats lie. */
static void
floats_to_bytes (const float *from, const DcnnMap *out, uint8_t *to)
{
  const uint32_t channels = out->channels;
  const int32_t low = out->low;
  uint32_t c = 0;

#if V_LANES > 1
  for (; c + 8 <= out->writable; c += 8) {
    const __m256i i = _mm256_sub_epi32 (_mm256_cvttps_epi32 (
            _mm256_loadu_ps (from + c)), _mm256_set1_epi32 (low));
    const __m128i half = _mm_packs_epi32 (_mm256_castsi256_si128 (i),
        _mm256_extracti128_si256 (i, 1));
    _mm_storel_epi64 ((void *) (to + c), _mm_packus_epi16 (half, half));
  }
  c = c < channels ? c : channels;
#endif
  for (; c < channels; c++)
    to[c] = (uint8_t) ((int32_t) from[c] - low);
  for (; c < out->writable; c++)
    to[c] = (uint8_t) -low;
}

/* ---- judgement ----------------------------------------------------------------- */

/* Whether two pixels of n bytes differ. */
DCNN_INLINE bool
bytes_differ (const uint8_t *a, const uint8_t *b, uint32_t n)
{
  uint32_t c = 0;

  for (; c + 8 <= n; c += 8) {
    uint64_t left, right;
    memcpy (&left, a + c, 8);
    memcpy (&right, b + c, 8);
    if (left != right)
      return true;
  }
  for (; c < n; c++)
    if (a[c] != b[c])
      return true;
  return false;
}

DCNN_INLINE void
copy_bytes (uint8_t *to, const uint8_t *from, uint32_t n)
{
  uint32_t c = 0;

  for (; c + 8 <= n; c += 8)
    memcpy (to + c, from + c, 8);
  for (; c < n; c++)
    to[c] = from[c];
}

/* The sum of (difference * weight)^2: eight sums side by side, joined as a
 * tree, and what is left behind them. No products are fused with sums, so that
 * all levels agree. */
DCNN_INLINE float
weighted_squares (const uint8_t *a, const uint8_t *b, const float *weight,
    uint32_t n)
{
  float sums[8] = { 0 }, sum;
  uint32_t c = 0;

#if V_LANES > 1
  __m256 many = _mm256_setzero_ps ();
  for (; c + 8 <= n; c += 8) {
    const __m256i d = _mm256_sub_epi32 (_mm256_cvtepu8_epi32 (_mm_loadl_epi64 (
                (const void *) (a + c))), _mm256_cvtepu8_epi32 (
            _mm_loadl_epi64 ((const void *) (b + c))));
    const __m256 e = _mm256_mul_ps (_mm256_cvtepi32_ps (d),
        _mm256_loadu_ps (weight + c));
    many = _mm256_add_ps (many, _mm256_mul_ps (e, e));
  }
  _mm256_storeu_ps (sums, many);
#else
  for (; c + 8 <= n; c += 8)
    for (uint32_t i = 0; i < 8; i++) {
      const float e = (float) (a[c + i] - b[c + i]) * weight[c + i];
      sums[i] += e * e;
    }
#endif
  for (uint32_t i = 0; i < 4; i++)
    sums[i] += sums[i + 4];
  sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
  for (; c < n; c++) {
    const float e = (float) (a[c] - b[c]) * weight[c];
    sum += e * e;
  }
  return sum;
}

/* Whether a change that there is counts. */
DCNN_INLINE bool
is_significant (const DcnnJob *job, const uint8_t *row, const uint8_t *pixel)
{
  const DcnnSignificance *s = &job->significance;
  const uint32_t channels = job->out.channels;
  bool over = false;

  if (s->kind == DCNN_SIGNIFICANT_SQUARE)
    return !(weighted_squares (row, pixel, s->inv_spread, channels) <=
        s->limit);
  for (uint32_t c = 0; c < channels && s->kind == DCNN_SIGNIFICANT_MAX; c++)
    over |= !(fabsf ((float) (row[c] - pixel[c]) * s->inv_spread[c]) <=
        s->limit);
  return over || s->kind != DCNN_SIGNIFICANT_MAX;
}

DCNN_INLINE void
set_verdict (const DcnnJob *job, const DcnnBytesTile *tile, uint32_t i,
    uint8_t verdict)
{
  if (job->verdicts)
    job->verdicts[tile->first + (tile->places ? tile->places[i] : i)] =
        verdict;
}

/* Every row joins. */
static void
store_tile (const DcnnJob *job, const DcnnBytesTile *tile)
{
  for (uint32_t i = 0; i < tile->n; i++)
    if (tile->bytes[i] != tile->out[i])
      copy_bytes (tile->out[i], tile->bytes[i], job->out.writable);
  for (uint32_t i = 0; i < tile->n && job->verdicts; i++)
    set_verdict (job, tile, i, DCNN_VERDICT_JOINED);
}

void
DCNN_FN (dcnn_bytes_judge) (const DcnnJob *job, const DcnnBytesTile *tile)
{
  const DcnnMap *map = &job->out;

  if (dcnn_job_stores_all (job)) {
    store_tile (job, tile);
    return;
  }
  for (uint32_t i = 0; i < tile->n; i++) {
    const uint8_t *row = tile->bytes[i];
    uint8_t *pixel = tile->out[i];
    uint8_t verdict = DCNN_VERDICT_JOINED;
    if (row != pixel && !(tile->pixels[i] & DCNN_PIXEL_FORCE))
      verdict = !bytes_differ (row, pixel, map->channels) ? DCNN_VERDICT_SAME
          : is_significant (job, row, pixel) ? DCNN_VERDICT_JOINED
          : DCNN_VERDICT_KEPT;
    if (verdict == DCNN_VERDICT_JOINED && row != pixel)
      copy_bytes (pixel, row, map->writable);
    set_verdict (job, tile, i, verdict);
  }
}

void
DCNN_FN (dcnn_bytes_judge_floats) (const DcnnJob *job, const DcnnTile *tile)
{
  const DcnnBytesTile bytes = { .n = tile->n, .pixels = tile->pixels,
    .places = tile->places, .first = tile->first, .rows = tile->rows,
    .bytes = (uint8_t *const *) tile->rows,
    .out = (void *const *) tile->out };

  for (uint32_t i = 0; i < tile->n; i++)
    floats_to_bytes (tile->rows[i], &job->out, bytes.bytes[i]);
  DCNN_FN (dcnn_bytes_judge) (job, &bytes);
}
