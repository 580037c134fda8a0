/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_end.c - the end of all kernels of maps of bytes (bytes_tile.h).
 * Compiled once for each level.
 */
#include "bytes_tile.h"

/* ---- steps ------------------------------------------------------------------ */

/* The step whose operand is a map of bytes, row by row. */
static void
step_by_bytes (DcnnBytesRun *run, uint32_t s, const DcnnBytesTile *tile)
{
  const DcnnMap *map = &run->job->steps[s].map;
  const uint32_t channels = run->job->out.channels;

  run->part.n_steps = s + 1;
  run->part.steps[s].operand = DCNN_OPERAND_VECTOR;
  run->part.steps[s].vector = run->operand;
  for (uint32_t i = 0; i < tile->n; i++) {
    dcnn_bytes_to_floats (dcnn_map_bytes (map,
            DCNN_PIXEL_Y (tile->pixels[i]), DCNN_PIXEL_X (tile->pixels[i])),
        map->low, channels, run->operand);
    DCNN_FN (dcnn_steps_from) (&run->part, s, tile->pixels + i,
        tile->rows + i, 1, 0, channels, channels);
  }
}

/* Steps first .. end - 1, none of which reads a map of bytes. Those that do the
 * same to every element take all rows as one. */
static void
plain_steps (DcnnBytesRun *run, uint32_t first, uint32_t end,
    const DcnnBytesTile *tile)
{
  const uint32_t all = tile->n * (uint32_t) run->stride;

  run->part.n_steps = end;
  if (dcnn_steps_alike (&run->part, first))
    DCNN_FN (dcnn_steps_from) (&run->part, first, tile->pixels, tile->rows, 1,
        0, all, all);
  else
    DCNN_FN (dcnn_steps_from) (&run->part, first, tile->pixels, tile->rows,
        tile->n, 0, run->job->out.channels, run->job->out.channels);
}

static void
run_steps (DcnnBytesRun *run, uint32_t first, const DcnnBytesTile *tile)
{
  const DcnnJob *job = run->job;

  for (uint32_t s = first; s < job->n_steps;) {
    uint32_t end = s;
    while (end < job->n_steps && !job->steps[end].map.bytes)
      end++;
    if (end > s)
      plain_steps (run, s, end, tile);
    if (end < job->n_steps)
      step_by_bytes (run, end++, tile);
    s = end;
  }
}

/* ---- the way back to bytes --------------------------------------------------- */

/* Whole numbers as bytes; lanes past the channels stand for 0. */
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
  const bool always = dcnn_job_in_place (job);

  for (uint32_t i = 0; i < tile->n; i++) {
    const uint8_t *row = tile->bytes[i];
    uint8_t *pixel = tile->out[i];
    uint8_t verdict = DCNN_VERDICT_JOINED;
    if (row == pixel)
      continue;
    if (!always && !(tile->pixels[i] & DCNN_PIXEL_FORCE))
      verdict = memcmp (row, pixel, map->channels) == 0 ? DCNN_VERDICT_SAME
          : is_significant (job, row, pixel) ? DCNN_VERDICT_JOINED
          : DCNN_VERDICT_KEPT;
    if (verdict == DCNN_VERDICT_JOINED)
      memcpy (pixel, row, map->writable);
    if (!always)
      job->verdicts[tile->first + i] = verdict;
  }
  if (always && job->verdicts)
    memset (job->verdicts + tile->first, DCNN_VERDICT_JOINED, tile->n);
}

void
DCNN_FN (dcnn_bytes_end) (DcnnBytesRun *run, uint32_t first_step,
    const DcnnBytesTile *tile)
{
  const DcnnJob *job = run->job;
  const DcnnTile floats = { .n = tile->n, .pixels = tile->pixels,
    .first = tile->first, .rows = tile->rows,
    .out = (float *const *) tile->out };

  run_steps (run, first_step, tile);
  if (!job->out.bytes) {
    DCNN_FN (dcnn_judge_tile) (job, &floats);
    return;
  }
  for (uint32_t i = 0; i < tile->n; i++)
    floats_to_bytes (tile->rows[i], &job->out, tile->bytes[i]);
  DCNN_FN (dcnn_bytes_judge) (job, tile);
}
