/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_passes.h - the steps of quantised nodes in few passes over their rows
 * of floats, the last of which writes bytes. Included by bytes_end.c, above
 * level "c".
 *
 * A pass is, in this order, each or none: times a number a channel or one
 * number, plus a number a channel, plus a map of bytes, a function, times a
 * number a channel, times, by, plus, rounded, minus. That is a convolution's SiLU and its quantiser, a sum of
 * two maps with its own, a picture's. All that is done is what the steps do by
 * themselves, in their order, to the same bits.
 */
#ifndef DCNN_BYTES_PASSES_H
#define DCNN_BYTES_PASSES_H

#include "bytes_tile.h"
#include "epilogue_steps.h"

typedef struct Pass {
  const float *factor;     /* a channel, or NULL */
  float times;
  const float *summand;    /* a channel, or NULL */
  const DcnnMap *map;      /* or NULL */
  DcnnStepKind function;   /* DCNN_STEP_COUNT: none */
  float a, b;              /* its */
  const float *level;      /* a channel, or NULL */
  bool multiplies, divides, adds, rounds;
  float after, by, plus, low, high, minus;
} Pass;

#define MOST_PASSES 4

static const float *
pass_takes_vector (const DcnnJob *job, uint32_t *s, DcnnStepKind kind)
{
  const DcnnStep *step = &job->steps[*s];

  if (*s >= job->n_steps || step->kind != kind ||
      step->operand != DCNN_OPERAND_VECTOR)
    return NULL;
  (*s)++;
  return step->vector;
}

static bool
is_pass_function (DcnnStepKind kind)
{
  return kind == DCNN_STEP_SILU || kind == DCNN_STEP_HARD_SWISH ||
      kind == DCNN_STEP_SIGMOID || kind == DCNN_STEP_LEAKY_RELU ||
      kind == DCNN_STEP_RELU || kind == DCNN_STEP_HARD_SIGMOID;
}

/* The steps from *s on that one pass does. */
static Pass
next_pass (const DcnnJob *job, uint32_t *s)
{
  Pass p = { .times = 1, .function = DCNN_STEP_COUNT, .after = 1, .by = 1 };
  const DcnnStep *step;

  p.factor = pass_takes_vector (job, s, DCNN_STEP_MUL);
  if (!p.factor)
    dcnn_takes_scalar (job, s, DCNN_STEP_MUL, &p.times);
  p.summand = pass_takes_vector (job, s, DCNN_STEP_ADD);
  step = &job->steps[*s];
  if (*s < job->n_steps && step->kind == DCNN_STEP_ADD &&
      step->operand == DCNN_OPERAND_MAP && step->map.bytes) {
    p.map = &step->map;
    step = &job->steps[++*s];
  }
  if (*s < job->n_steps && is_pass_function (step->kind)) {
    p.function = step->kind;
    p.a = step->a;
    p.b = step->b;
    ++*s;
  }
  p.level = pass_takes_vector (job, s, DCNN_STEP_MUL);
  p.multiplies = dcnn_takes_scalar (job, s, DCNN_STEP_MUL, &p.after);
  p.divides = dcnn_takes_scalar (job, s, DCNN_STEP_DIV, &p.by);
  p.adds = dcnn_takes_scalar (job, s, DCNN_STEP_ADD, &p.plus);
  step = &job->steps[*s];
  if (*s < job->n_steps && step->kind == DCNN_STEP_ROUND) {
    p.rounds = true;
    p.low = step->a;
    p.high = step->b;
    ++*s;
  }
  dcnn_takes_scalar (job, s, DCNN_STEP_SUB, &p.minus);
  return p;
}

/* How many passes the steps from `first` on are; 0: they are no such. */
static uint32_t
find_passes (const DcnnJob *job, uint32_t first, Pass *passes)
{
  uint32_t n = 0;

  if (!job->out.bytes)
    return 0;
  while (first < job->n_steps) {
    const uint32_t before = first;
    if (n == MOST_PASSES)
      return 0;
    passes[n++] = next_pass (job, &first);
    if (first == before)
      return 0;
  }
  return n > 0 && passes[n - 1].rounds ? n : 0;
}

/* ---- lanes ---------------------------------------------------------------------- */

/* Whole numbers less low as V_LANES bytes. */
DCNN_INLINE __m128i
bytes_of_lanes (v_t v, int32_t low)
{
#ifdef DCNN_ISA_AVX512
  return _mm512_cvtusepi32_epi8 (_mm512_max_epi32 (_mm512_setzero_si512 (),
          _mm512_sub_epi32 (_mm512_cvttps_epi32 (v),
              _mm512_set1_epi32 (low))));
#else
  const __m256i i = _mm256_sub_epi32 (_mm256_cvttps_epi32 (v),
      _mm256_set1_epi32 (low));
  const __m128i half = _mm_packs_epi32 (_mm256_castsi256_si128 (i),
      _mm256_extracti128_si256 (i, 1));

  return _mm_packus_epi16 (half, half);
#endif
}

DCNN_INLINE v_t
pass_function (const Pass *p, DcnnStepKind function, v_t v)
{
  return function == DCNN_STEP_COUNT ? v
      : dcnn_step_lanes (function, v, v, p->a, p->b);
}

/* What follows the operands that differ from channel to channel. */
DCNN_INLINE v_t
pass_rest (const Pass *p, v_t v)
{
  if (p->multiplies)
    v = v_mul (v, v_set (p->after));
  if (p->divides)
    v = v_div (v, v_set (p->by));
  if (p->adds)
    v = v_add (v, v_set (p->plus));
  if (p->rounds)
    v = dcnn_step_lanes (DCNN_STEP_ROUND, v, v, p->low, p->high);
  return v_sub (v, v_set (p->minus));
}

/* V_LANES of a number a channel, of which the first n are there. */
DCNN_INLINE v_t
load_some (const float *from, uint32_t n)
{
  return n >= V_LANES ? v_load (from) : v_load_n (from, n);
}

DCNN_INLINE v_t
pass_lanes (const Pass *p, DcnnStepKind function, const float *row,
    const uint8_t *operand, uint32_t c, uint32_t channels)
{
  const uint32_t n = channels - c;
  v_t v = v_load (row + c);

  v = v_mul (v, p->factor ? load_some (p->factor + c, n) : v_set (p->times));
  if (p->summand)
    v = v_add (v, load_some (p->summand + c, n));
  if (operand)
    v = v_add (v, dcnn_lanes_of_bytes (operand + c, p->map->low));
  v = pass_function (p, function, v);
  if (p->level)
    v = v_mul (v, load_some (p->level + c, n));
  return pass_rest (p, v);
}

/* ---- rows ----------------------------------------------------------------------- */

/* The last n bytes, 1 .. V_LANES, of a row that ends in lanes for no channel:
 * m of them are channels. */
DCNN_INLINE void
store_last (__m128i v, uint32_t m, uint32_t n, int32_t low, uint8_t *to)
{
  uint8_t bytes[16];

  _mm_storeu_si128 ((void *) bytes, v);
  for (uint32_t c = m; c < n; c++)
    bytes[c] = (uint8_t) -low;
  memcpy (to, bytes, n);
}

DCNN_INLINE void
store_lanes (__m128i v, const DcnnMap *out, uint32_t c, uint8_t *to)
{
  if (c + V_LANES <= out->channels) {
#ifdef DCNN_ISA_AVX512
    _mm_storeu_si128 ((void *) (to + c), v);
#else
    _mm_storel_epi64 ((void *) (to + c), v);
#endif
  } else if (c + 8 == out->channels && out->writable == out->channels) {
    _mm_storel_epi64 ((void *) (to + c), v);
  } else {
    const uint32_t left = out->writable - c;
    store_last (v, out->channels - c, left < V_LANES ? left : V_LANES,
        out->low, to + c);
  }
}

DCNN_INLINE void
pass_row (const Pass *p, DcnnStepKind function, const DcnnMap *out,
    uint32_t pixel, float *row, uint8_t *bytes)
{
  const uint32_t channels = out->channels;
  const uint8_t *operand = !p->map ? NULL : dcnn_map_bytes (p->map,
      DCNN_PIXEL_Y (pixel), DCNN_PIXEL_X (pixel));

  for (uint32_t c = 0; c < channels; c += V_LANES) {
    const v_t v = pass_lanes (p, function, row, operand, c, channels);
    if (bytes)
      store_lanes (bytes_of_lanes (v, out->low), out, c, bytes);
    else if (c + V_LANES <= channels)
      v_store (row + c, v);
    else
      v_store_n (row + c, v, channels - c);
  }
}

/* Rows of at most four channels, as pictures are, lie four floats apart: a
 * vector holds several. Their pixels lie in 8 bytes, of which `keep` are
 * channels. */
DCNN_INLINE void
pass_picture (const Pass *p, DcnnStepKind function, const DcnnBytesTile *tile,
    const DcnnMap *out)
{
  const uint64_t keep = ~0ull >> (64 - 8 * out->channels);
  const uint64_t fill = 0x0101010101010101ull * (uint8_t) -out->low & ~keep;

  for (uint32_t i = 0; i < tile->n; i += V_LANES / 4) {
    uint32_t words[4];
    _mm_storeu_si128 ((void *) words, bytes_of_lanes (pass_rest (p,
                pass_function (p, function, v_mul (v_load (tile->rows[i]),
                        v_set (p->times)))), out->low));
    for (uint32_t k = 0; k < V_LANES / 4 && i + k < tile->n; k++) {
      const uint64_t pixel = (words[k] & keep) | fill;
      memcpy (tile->bytes[i + k], &pixel, 8);
    }
  }
}

DCNN_INLINE void
pass_rows (const Pass *p, DcnnStepKind function, const DcnnJob *job,
    const DcnnBytesTile *tile, bool last)
{
  if (last && job->out.channels <= 4 && job->out.writable == 8 && !p->factor &&
      !p->summand && !p->map && !p->level) {
    pass_picture (p, function, tile, &job->out);
    return;
  }
  /* copied: the compiler must assume that a store of bytes changes what
   * pointers lead to */
  const Pass pass = *p;
  const DcnnMap out = job->out;
  for (uint32_t i = 0; i < tile->n; i++)
    pass_row (&pass, function, &out, tile->pixels[i], tile->rows[i],
        last ? tile->bytes[i] : NULL);
}

/* One pass over all rows. */
static void
run_pass (const Pass *p, const DcnnJob *job, const DcnnBytesTile *tile,
    bool last)
{
  switch (p->function) {
#define FUNCTION(kind)                                                         \
    case kind: pass_rows (p, kind, job, tile, last); break;
    FUNCTION (DCNN_STEP_SILU)
    FUNCTION (DCNN_STEP_HARD_SWISH)
    FUNCTION (DCNN_STEP_SIGMOID)
    FUNCTION (DCNN_STEP_LEAKY_RELU)
    FUNCTION (DCNN_STEP_RELU)
    FUNCTION (DCNN_STEP_HARD_SIGMOID)
    FUNCTION (DCNN_STEP_COUNT)
#undef FUNCTION
    default: break;
  }
}

#endif
