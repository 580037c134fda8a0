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

/* Whether a change that there is counts. */
static bool
is_significant (const DcnnJob *job, const uint8_t *row, const uint8_t *pixel)
{
  const DcnnSignificance *s = &job->significance;
  const uint32_t channels = job->out.channels;
  float sum = 0;
  bool over = false;

  if (s->kind == DCNN_SIGNIFICANT_SQUARE) {
    float sums[8] = { 0 };
    uint32_t c = 0;
    for (; c + 8 <= channels; c += 8)
      for (uint32_t i = 0; i < 8; i++) {
        float d = (float) (row[c + i] - pixel[c + i]) * s->inv_spread[c + i];
        sums[i] += d * d;
      }
    for (uint32_t i = 0; i < 8; i++)
      sum += sums[i];
    for (; c < channels; c++) {
      float d = (float) (row[c] - pixel[c]) * s->inv_spread[c];
      sum += d * d;
    }
    return !(sum <= s->limit);
  }
  for (uint32_t c = 0; c < channels && s->kind == DCNN_SIGNIFICANT_MAX; c++)
    over |= !(fabsf ((float) (row[c] - pixel[c]) * s->inv_spread[c]) <=
        s->limit);
  return over || s->kind != DCNN_SIGNIFICANT_MAX;
}

void
DCNN_FN (dcnn_bytes_judge) (const DcnnJob *job, const DcnnBytesTile *tile)
{
  const DcnnMap *map = &job->out;
  const bool always = dcnn_job_stores_all (job);

  for (uint32_t i = 0; i < tile->n; i++) {
    const uint8_t *row = tile->bytes[i];
    uint8_t *pixel = tile->out[i];
    uint8_t verdict = DCNN_VERDICT_JOINED;
    if (row != pixel && !always && !(tile->pixels[i] & DCNN_PIXEL_FORCE))
      verdict = memcmp (row, pixel, map->channels) == 0 ? DCNN_VERDICT_SAME
          : is_significant (job, row, pixel) ? DCNN_VERDICT_JOINED
          : DCNN_VERDICT_KEPT;
    if (verdict == DCNN_VERDICT_JOINED && row != pixel)
      memcpy (pixel, row, map->writable);
    if (job->verdicts)
      job->verdicts[tile->first + (tile->places ? tile->places[i] : i)] =
          verdict;
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
