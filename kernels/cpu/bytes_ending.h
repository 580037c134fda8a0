/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_ending.h - the usual end of a quantised convolution, done to its sums
 * in registers: the product with the scales and the rounding, then a
 * normalisation, a sum with another map of bytes and the rounding of that.
 * Included by bytes_conv_simd.c.
 */
#ifndef DCNN_BYTES_ENDING_H
#define DCNN_BYTES_ENDING_H

#include <immintrin.h>

#include "bytes.h"
#include "bytes_tile.h"

/* What is done to sums in registers. */
typedef struct Ending {
  uint32_t n_steps;        /* of the job, that it stands for */
  const float *scale;      /* [out padded + panel]; NULL: nothing is done */
  float low, high;
  bool whole_range;        /* all bytes are between these, and no product
                              leaves int32 */
  bool again;              /* times before, times and plus a number a channel,
                              plus the operand, times after, by by, plus
                              offset, rounded, minus offset */
  const float *factor, *summand; /* or NULL */
  const DcnnMap *operand;  /* or NULL */
  float before, after, by, offset, again_low, again_high;
} Ending;

/* ---- the steps that are done in registers ----------------------------------- */

static bool
takes_round (const DcnnJob *job, uint32_t *s, float *low, float *high)
{
  const DcnnStep *step = &job->steps[*s];

  if (*s >= job->n_steps || step->kind != DCNN_STEP_ROUND)
    return false;
  *low = step->a;
  *high = step->b;
  (*s)++;
  return true;
}

static bool
is_by_channel (const DcnnStep *step, DcnnStepKind kind)
{
  return step->kind == kind && step->operand == DCNN_OPERAND_VECTOR;
}

/* The rest of the job's steps from s on as a second rounding, after a
 * normalisation and a sum with a map of bytes, or without. */
static void
takes_again (const DcnnJob *job, uint32_t s, Ending *ending)
{
  const DcnnMap *operand = NULL;
  float back = 0;

  ending->before = ending->after = ending->by = 1;
  ending->offset = 0;
  dcnn_takes_scalar (job, &s, DCNN_STEP_MUL, &ending->before);
  if (s + 1 < job->n_steps && is_by_channel (&job->steps[s], DCNN_STEP_MUL) &&
      is_by_channel (&job->steps[s + 1], DCNN_STEP_ADD)) {
    ending->factor = job->steps[s].vector;
    ending->summand = job->steps[s + 1].vector;
    s += 2;
  }
  if (s < job->n_steps && job->steps[s].kind == DCNN_STEP_ADD &&
      job->steps[s].operand == DCNN_OPERAND_MAP && job->steps[s].map.bytes)
    operand = &job->steps[s++].map;
  dcnn_takes_scalar (job, &s, DCNN_STEP_MUL, &ending->after);
  dcnn_takes_scalar (job, &s, DCNN_STEP_DIV, &ending->by);
  dcnn_takes_scalar (job, &s, DCNN_STEP_ADD, &ending->offset);
  if (!takes_round (job, &s, &ending->again_low, &ending->again_high))
    return;
  dcnn_takes_scalar (job, &s, DCNN_STEP_SUB, &back);
  if (s != job->n_steps || back != ending->offset)
    return;
  ending->again = true;
  ending->operand = operand;
  ending->n_steps = s;
}

/* Finds the ending; writes to scale what the scales are. scale: [out padded +
 * DCNN_BYTES_PANEL] */
static void
find_ending (const DcnnJob *job, float *scale, Ending *ending)
{
  const DcnnStep *first = &job->steps[0];
  const uint32_t padded = dcnn_padded (job->out.channels);
  uint32_t s = 1;

  if (job->n_steps < 2 || first->kind != DCNN_STEP_MUL ||
      (first->operand != DCNN_OPERAND_VECTOR &&
          first->operand != DCNN_OPERAND_SCALAR) ||
      !takes_round (job, &s, &ending->low, &ending->high))
    return;
  ending->scale = scale;
  ending->n_steps = s;
  ending->whole_range = job->out.bytes && s == job->n_steps &&
      ending->low == (float) job->out.low &&
      ending->high == (float) (job->out.low + 255);
  for (uint32_t c = 0; c < padded + DCNN_BYTES_PANEL; c++) {
    scale[c] = c >= job->out.channels ? 0.0f
        : first->operand == DCNN_OPERAND_SCALAR ? first->a : first->vector[c];
    ending->whole_range &= fabsf (scale[c]) < 1;
  }
  if (job->out.bytes && s < job->n_steps)
    takes_again (job, s, ending);
}

/* What finish() needs, copied: the compiler must assume that a store of bytes
 * changes what pointers lead to. */
typedef struct Finish {
  const float *scale, *factor, *summand;
  __m256 low, high, before, after, by, offset, again_low, again_high;
  __m256i operand_low, out_low;
  bool whole_range, again, adds, divides, to_bytes;
} Finish;

DCNN_INLINE Finish
finish_of (const DcnnJob *job, const Ending *e, bool to_bytes)
{
  Finish f = { .scale = e->scale, .factor = e->factor,
    .summand = e->summand, .whole_range = e->whole_range,
    .again = e->again, .adds = e->operand != NULL,
    .divides = e->by != 1, .to_bytes = to_bytes,
    .low = _mm256_set1_ps (e->low), .high = _mm256_set1_ps (e->high),
    .out_low = _mm256_set1_epi32 (job->out.low) };

  if (f.again) {
    f.before = _mm256_set1_ps (e->before);
    f.after = _mm256_set1_ps (e->after);
    f.by = _mm256_set1_ps (e->by);
    f.offset = _mm256_set1_ps (e->offset);
    f.again_low = _mm256_set1_ps (e->again_low);
    f.again_high = _mm256_set1_ps (e->again_high);
    f.operand_low = _mm256_set1_epi32 (f.adds ? e->operand->low : 0);
  }
  return f;
}

DCNN_INLINE __m256
round_between (__m256 v, __m256 low, __m256 high)
{
  return _mm256_add_ps (_mm256_setzero_ps (), _mm256_round_ps (
          _mm256_min_ps (high, _mm256_max_ps (low, v)),
          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

DCNN_INLINE void
store_bytes (__m256i i, uint8_t *to)
{
  __m128i p = _mm_packs_epi32 (_mm256_castsi256_si128 (i),
      _mm256_extracti128_si256 (i, 1));

  _mm_storel_epi64 ((void *) to, _mm_packus_epi16 (p, p));
}

/* Sums of channels c .. c + 7 of a pixel to their row, at the row's start plus
 * c. operand: the pixel of the map that is added. */
DCNN_INLINE void
finish (const Finish *f, __m256i sum, uint32_t c, const uint8_t *operand,
    uint8_t *bytes, float *floats)
{
  __m256 v = _mm256_cvtepi32_ps (sum);

  if (f->whole_range) { /* packing clamps */
    v = _mm256_mul_ps (v, _mm256_loadu_ps (f->scale + c));
    store_bytes (_mm256_sub_epi32 (_mm256_cvtps_epi32 (v), f->out_low),
        bytes + c);
    return;
  }
  if (f->scale)
    v = round_between (_mm256_mul_ps (v, _mm256_loadu_ps (f->scale + c)),
        f->low, f->high);
  if (f->again) {
    v = _mm256_mul_ps (v, f->before);
    if (f->factor)
      v = _mm256_add_ps (_mm256_mul_ps (v, _mm256_loadu_ps (f->factor + c)),
          _mm256_loadu_ps (f->summand + c));
    if (f->adds)
      v = _mm256_add_ps (v, _mm256_cvtepi32_ps (_mm256_add_epi32 (
                  _mm256_cvtepu8_epi32 (_mm_loadl_epi64 (
                          (const void *) (operand + c))), f->operand_low)));
    v = _mm256_mul_ps (v, f->after);
    if (f->divides)
      v = _mm256_div_ps (v, f->by);
    v = _mm256_sub_ps (round_between (_mm256_add_ps (v, f->offset),
            f->again_low, f->again_high), f->offset);
  }
  if (f->to_bytes)
    store_bytes (_mm256_sub_epi32 (_mm256_cvtps_epi32 (v), f->out_low),
        bytes + c);
  else
    _mm256_storeu_ps (floats + c, v);
}

#ifdef DCNN_ISA_AVX512

DCNN_INLINE __m512
round_sixteen (__m512 v, __m256 low, __m256 high)
{
  return _mm512_add_ps (_mm512_setzero_ps (), _mm512_roundscale_ps (
          _mm512_min_ps (_mm512_broadcast_f32x8 (high),
              _mm512_max_ps (_mm512_broadcast_f32x8 (low), v)),
          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/* The same for channels c .. c + 15. */
DCNN_INLINE void
finish_sixteen (const Finish *f, __m512i sum, uint32_t c,
    const uint8_t *operand, uint8_t *bytes, float *floats)
{
  const __m512i low = _mm512_broadcast_i32x8 (f->out_low);
  __m512 v = _mm512_cvtepi32_ps (sum);

  if (f->scale)
    v = _mm512_mul_ps (v, _mm512_loadu_ps (f->scale + c));
  if (f->scale && !f->whole_range)
    v = round_sixteen (v, f->low, f->high);
  if (f->again) {
    v = _mm512_mul_ps (v, _mm512_broadcast_f32x8 (f->before));
    if (f->factor)
      v = _mm512_add_ps (_mm512_mul_ps (v, _mm512_loadu_ps (f->factor + c)),
          _mm512_loadu_ps (f->summand + c));
    if (f->adds)
      v = _mm512_add_ps (v, _mm512_cvtepi32_ps (_mm512_add_epi32 (
                  _mm512_cvtepu8_epi32 (_mm_loadu_si128 (
                          (const void *) (operand + c))),
                  _mm512_broadcast_i32x8 (f->operand_low))));
    v = _mm512_mul_ps (v, _mm512_broadcast_f32x8 (f->after));
    if (f->divides)
      v = _mm512_div_ps (v, _mm512_broadcast_f32x8 (f->by));
    v = _mm512_sub_ps (round_sixteen (_mm512_add_ps (v,
                _mm512_broadcast_f32x8 (f->offset)), f->again_low,
            f->again_high), _mm512_broadcast_f32x8 (f->offset));
  }
  if (f->to_bytes)
    _mm_storeu_si128 ((void *) (bytes + c), _mm512_cvtusepi32_epi8 (
            _mm512_max_epi32 (_mm512_sub_epi32 (_mm512_cvtps_epi32 (v), low),
                _mm512_setzero_si512 ())));
  else
    _mm512_storeu_ps (floats + c, v);
}

#endif

#endif
