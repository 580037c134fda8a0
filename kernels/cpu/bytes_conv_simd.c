/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_conv_simd.c - convolutions of maps of bytes by indirection on compacted
 * pixels, for levels above "c". Vectors are of 256 bits at all of them.
 *
 * The usual end of a quantised convolution is done in registers: the product
 * with the scales and the rounding, then a sum with another map of bytes and
 * the rounding of that.
 */
#include "bytes.h"
#include "bytes_tile.h"
#include "conv_locate.h"

#define TILE 12 /* pixels that share one set of pointers; every micro-kernel's
                   pixel count divides it */

/* What is done to sums in registers. */
typedef struct Ending {
  uint32_t n_steps;        /* of the job, that it stands for */
  const float *scale;      /* [out padded + panel]; NULL: nothing is done */
  float low, high;
  bool whole_range;        /* all bytes are between these, and no product
                              leaves int32 */
  bool again;              /* times before, plus the operand, times after,
                              by by, plus offset, rounded, minus offset */
  const DcnnMap *operand;  /* or NULL */
  float before, after, by, offset, again_low, again_high;
} Ending;

typedef struct Run {
  const DcnnJob *job;
  const DcnnBytesConv *conv;
  DcnnSpacing spacing, out_spacing;
  Ending ending;
  bool to_bytes;           /* the ending is all, and makes bytes */
  bool in_place;
  uint32_t block;          /* pixels, a multiple of TILE */
  /* scratch */
  uint32_t *pixels;        /* [block] */
  uintptr_t *base;         /* [block] see dcnn_locate_windows */
  uint8_t *even;           /* [block] */
  uintptr_t *taps;         /* [n_taps + 1] of one pixel */
  uintptr_t *tables;       /* [tile][tap][TILE] */
  const uintptr_t **rows;  /* [tile] */
  size_t *row_steps;       /* [tile] 0 or TILE */
  ptrdiff_t *offsets;      /* [n_taps], then n_taps zeros */
  void **out;              /* [block] out pixels */
  uint8_t **bytes;         /* [block] where rows of bytes go */
  float **floats;          /* [block] rows of floats */
  const uint8_t **operands;/* [block] */
  float *scale;
  uint8_t *byte_rows;
  float *float_rows;
  DcnnBytesRun steps;
} Run;

/* ---- the steps that are done in registers ----------------------------------- */

static bool
takes_scalar (const DcnnJob *job, uint32_t *s, DcnnStepKind kind, float *value)
{
  const DcnnStep *step = &job->steps[*s];

  if (*s >= job->n_steps || step->kind != kind ||
      step->operand != DCNN_OPERAND_SCALAR)
    return false;
  *value = step->a;
  (*s)++;
  return true;
}

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

/* The rest of the job's steps from s on as a second rounding, after a sum with
 * a map of bytes or without. */
static void
takes_again (const DcnnJob *job, uint32_t s, Ending *ending)
{
  const DcnnMap *operand = NULL;
  float back = 0;

  ending->before = ending->after = ending->by = 1;
  ending->offset = 0;
  takes_scalar (job, &s, DCNN_STEP_MUL, &ending->before);
  if (s < job->n_steps && job->steps[s].kind == DCNN_STEP_ADD &&
      job->steps[s].operand == DCNN_OPERAND_MAP && job->steps[s].map.bytes)
    operand = &job->steps[s++].map;
  takes_scalar (job, &s, DCNN_STEP_MUL, &ending->after);
  takes_scalar (job, &s, DCNN_STEP_DIV, &ending->by);
  takes_scalar (job, &s, DCNN_STEP_ADD, &ending->offset);
  if (!takes_round (job, &s, &ending->again_low, &ending->again_high))
    return;
  takes_scalar (job, &s, DCNN_STEP_SUB, &back);
  if (s != job->n_steps || back != ending->offset)
    return;
  ending->again = true;
  ending->operand = operand;
  ending->n_steps = s;
}

/* Finds the ending; writes to scale what the scales are. */
static void
find_ending (Run *run)
{
  const DcnnJob *job = run->job;
  const DcnnStep *first = &job->steps[0];
  const uint32_t padded = dcnn_padded (job->out.channels);
  Ending *ending = &run->ending;
  uint32_t s = 1;

  if (job->n_steps < 2 || first->kind != DCNN_STEP_MUL ||
      (first->operand != DCNN_OPERAND_VECTOR &&
          first->operand != DCNN_OPERAND_SCALAR) ||
      !takes_round (job, &s, &ending->low, &ending->high))
    return;
  ending->scale = run->scale;
  ending->n_steps = s;
  ending->whole_range = job->out.bytes && s == job->n_steps &&
      ending->low == (float) job->out.low &&
      ending->high == (float) (job->out.low + 255);
  for (uint32_t c = 0; c < padded + DCNN_BYTES_PANEL; c++) {
    run->scale[c] = c >= job->out.channels ? 0.0f
        : first->operand == DCNN_OPERAND_SCALAR ? first->a : first->vector[c];
    ending->whole_range &= fabsf (run->scale[c]) < 1;
  }
  if (job->out.bytes && s < job->n_steps)
    takes_again (job, s, ending);
}

/* What finish() needs, copied: the compiler must assume that a store of bytes
 * changes what pointers lead to. */
typedef struct Finish {
  const float *scale;
  __m256 low, high, before, after, by, offset, again_low, again_high;
  __m256i operand_low, out_low;
  bool whole_range, again, adds, divides, to_bytes;
} Finish;

DCNN_INLINE Finish
finish_of (const Run *run)
{
  const Ending *e = &run->ending;
  Finish f = { .scale = e->scale, .whole_range = e->whole_range,
    .again = e->again, .adds = e->operand != NULL,
    .divides = e->by != 1, .to_bytes = run->to_bytes,
    .low = _mm256_set1_ps (e->low), .high = _mm256_set1_ps (e->high),
    .out_low = _mm256_set1_epi32 (run->job->out.low) };

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

/* ---- micro-kernels ------------------------------------------------------------- */

typedef struct Micro {
  const uintptr_t *rows;
  size_t row_step;
  const ptrdiff_t *offsets;
  const char *weights;
  const uint16_t *order;   /* of the panel */
  uint32_t begin;          /* output channel */
  uint32_t at;             /* pixel of the block */
} Micro;

DCNN_INLINE __m256i
four_bytes (uintptr_t p)
{
  int32_t four;

  memcpy (&four, (const void *) p, 4);
  return _mm256_set1_epi32 (four);
}

/* Two steps whose sums of four products stay in int16. */
DCNN_INLINE void
two_steps (__m256i (*sum)[3], const uintptr_t *at, const uint16_t *order,
    const __m256i *w, unsigned pixels, unsigned vectors)
{
  const __m256i ones = _mm256_set1_epi16 (1);
  const uintptr_t first = 4 * (uintptr_t) order[0];
  const uintptr_t second = 4 * (uintptr_t) order[1];

  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++) {
    const __m256i a = four_bytes (at[i] + first);
    const __m256i b = four_bytes (at[i] + second);
    DCNN_UNROLL
    for (unsigned j = 0; j < vectors; j++)
      sum[i][j] = _mm256_add_epi32 (sum[i][j], _mm256_madd_epi16 (
              _mm256_add_epi16 (
                  _mm256_maddubs_epi16 (a, _mm256_load_si256 (w + j)),
                  _mm256_maddubs_epi16 (b, _mm256_load_si256 (
                          w + vectors + j))), ones));
    V_FENCE (); /* weights stay in memory: there is no room for them */
  }
}

DCNN_INLINE void
one_step (__m256i (*sum)[3], const uintptr_t *at, uint32_t step,
    const __m256i *w, unsigned pixels, unsigned vectors)
{
  const __m256i ones = _mm256_set1_epi16 (1);
  __m256i b[3];

  DCNN_UNROLL
  for (unsigned j = 0; j < vectors; j++)
    b[j] = _mm256_load_si256 (w + j);
  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++) {
    __m256i a = four_bytes (at[i] + 4 * (uintptr_t) step);
    DCNN_UNROLL
    for (unsigned j = 0; j < vectors; j++)
      sum[i][j] = _mm256_add_epi32 (sum[i][j], _mm256_madd_epi16 (
              _mm256_maddubs_epi16 (a, b[j]), ones));
  }
}

DCNN_INLINE void
wide_step (__m256i (*sum)[3], const uintptr_t *at, uint32_t step,
    const __m256i *w, unsigned pixels, unsigned vectors)
{
  const __m256i evens = _mm256_set1_epi32 (0x00ff00ff);

  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++) {
    __m256i a = four_bytes (at[i] + 4 * (uintptr_t) step);
    __m256i even = _mm256_and_si256 (a, evens);
    __m256i odd = _mm256_srli_epi16 (a, 8);
    DCNN_UNROLL
    for (unsigned j = 0; j < vectors; j++) {
      sum[i][j] = _mm256_add_epi32 (sum[i][j], _mm256_madd_epi16 (even,
              _mm256_load_si256 (w + j)));
      sum[i][j] = _mm256_add_epi32 (sum[i][j], _mm256_madd_epi16 (odd,
              _mm256_load_si256 (w + vectors + j)));
    }
  }
}

/* `pixels` pixels by `vectors` vectors of channels (constants, as is narrow).
 * Cost of four channels of a tap: narrow 2.5 (in pairs) to 3 pixels vectors
 * instructions, wide 4 pixels vectors + 2 pixels. */
DCNN_INLINE void
micro (const Run *run, const Micro *m, unsigned pixels, unsigned vectors,
    bool narrow)
{
  const DcnnBytesConv *conv = run->conv;
  const uintptr_t *rows = m->rows;
  const __m256i *w = (const void *) m->weights;
  const uint16_t *order = m->order;
  const uint32_t n_taps = conv->window.n_taps, steps = conv->steps;
  __m256i sum[6][3];

  DCNN_UNROLL
  for (unsigned j = 0; j < vectors; j++) {
    __m256i b = _mm256_loadu_si256 (
        (const void *) (conv->bias + m->begin + j * 8));
    DCNN_UNROLL
    for (unsigned i = 0; i < pixels; i++)
      sum[i][j] = b;
  }
  for (uint32_t t = 0; t < n_taps; t++, rows += m->row_step) {
    uintptr_t at[6];
    DCNN_UNROLL
    for (unsigned i = 0; i < pixels; i++)
      at[i] = rows[i] + (uintptr_t) m->offsets[t];
    if (!narrow) {
      for (uint32_t s = 0; s < steps; s++, w += 2 * vectors)
        wide_step (sum, at, s, w, pixels, vectors);
      continue;
    }
    const uint16_t *const pairs = order + 1 + 2 * order[0];
    const uint16_t *const end = order + 1 + steps;
    for (order++; order < pairs; order += 2, w += 2 * vectors)
      two_steps (sum, at, order, w, pixels, vectors);
    for (; order < end; order++, w += vectors)
      one_step (sum, at, *order, w, pixels, vectors);
  }
  const Finish f = finish_of (run);
  const uint32_t begin = m->begin;
  const uint8_t *const *operands = run->operands + m->at;
  uint8_t *const *bytes = run->bytes + m->at;
  float *const *floats = run->floats + m->at;
  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++) {
    const uint8_t *operand = f.adds ? operands[i] : NULL;
    uint8_t *to = bytes[i];
    float *row = floats[i];
    DCNN_UNROLL
    for (unsigned j = 0; j < vectors; j++)
      finish (&f, sum[i][j], begin + j * 8, operand, to, row);
  }
}

typedef void MicroFn (const Run *run, const Micro *m);

#define MICRO(name, pixels, vectors, narrow)                                   \
  static void name (const Run *run, const Micro *m)                            \
  {                                                                            \
    micro (run, m, pixels, vectors, narrow);                                   \
  }

MICRO (narrow_1, 6, 1, true)
MICRO (narrow_2, 4, 2, true)
MICRO (narrow_3, 3, 3, true)
MICRO (wide_1, 6, 1, false)
MICRO (wide_2, 4, 2, false)
MICRO (wide_3, 3, 3, false)

static MicroFn *const micros[2][3] = { { wide_1, wide_2, wide_3 },
  { narrow_1, narrow_2, narrow_3 } };
static const uint32_t micro_pixels[3] = { 6, 4, 3 };

/* All panels over n located pixels. */
static void
run_panels (const Run *run, uint32_t n)
{
  const DcnnBytesConv *conv = run->conv;
  const size_t depth = (size_t) conv->window.n_taps * conv->steps;
  const char *weights = conv->weights;
  size_t entry = 0; /* of the order, where there is one */

  for (uint32_t begin = 0, lanes; begin < conv->out_channels;
      begin += lanes, entry += dcnn_bytes_order (conv)) {
    const uint16_t *order = conv->order ? conv->order + entry : NULL;
    lanes = dcnn_bytes_lanes (conv, begin);
    const uint32_t pixels = micro_pixels[lanes / 8 - 1];
    MicroFn *fn = micros[conv->narrow][lanes / 8 - 1];
    for (uint32_t i = 0; i < n; i += pixels) {
      const size_t row_step = run->row_steps[i / TILE];
      const Micro m = { run->rows[i / TILE] + i % TILE, row_step,
        run->offsets + (row_step ? conv->window.n_taps : 0), weights, order,
        begin, i };
      fn (run, &m);
    }
    weights += depth * lanes * dcnn_bytes_lane (conv);
  }
}

/* ---- depthwise ------------------------------------------------------------------ */

/* Eight channels of two taps by their weights. */
DCNN_INLINE __m256i
two_taps (uintptr_t a, uintptr_t b, __m256i w)
{
  return _mm256_madd_epi16 (_mm256_cvtepu8_epi16 (_mm_unpacklo_epi8 (
              _mm_loadl_epi64 ((const void *) a),
              _mm_loadl_epi64 ((const void *) b))), w);
}

/* Any window. Cost of eight channels: 4 instructions a pair of taps. */
static void
depthwise_pixel (const Run *run, const Finish *from, uint32_t i)
{
  const DcnnBytesConv *conv = run->conv;
  const Finish f = *from;
  const uint32_t padded = dcnn_padded (conv->out_channels);
  const uint32_t n_taps = conv->window.n_taps;
  const bool even = run->even[i];
  const uintptr_t *table = run->rows[i / TILE] + i % TILE;
  const uint8_t *operand = f.adds ? run->operands[i] : NULL;
  uint8_t *const bytes = run->bytes[i];
  float *const floats = run->floats[i];
  uintptr_t *const taps = run->taps;

  for (uint32_t t = 0; t < n_taps; t++)
    taps[t] = even ? run->base[i] + (uintptr_t) run->offsets[t]
        : table[t * TILE];
  taps[n_taps] = taps[n_taps - 1]; /* by weights of 0 */
  for (uint32_t c = 0; c < padded; c += 8) {
    const int16_t *w = (const int16_t *) conv->weights + 2 * (size_t) c;
    __m256i sum = _mm256_loadu_si256 ((const void *) (conv->bias + c));
    for (uint32_t t = 0; t < n_taps; t += 2, w += 2 * (size_t) padded)
      sum = _mm256_add_epi32 (sum, two_taps (taps[t] + c, taps[t + 1] + c,
              _mm256_loadu_si256 ((const void *) w)));
    finish (&f, sum, c, operand, bytes, floats);
  }
}

/* The weights of a 3 by 3 window for its first two rows in pairs, column by
 * column, and the third row, from pairs in order. */
typedef struct ThreeWeights {
  __m256i column[3], left, right;
} ThreeWeights;

DCNN_INLINE ThreeWeights
three_weights (const __m256i *w, size_t next)
{
  const __m256i w0 = w[0], w1 = w[next], w2 = w[2 * next];

  return (ThreeWeights) { {
      _mm256_blend_epi16 (w0, w1, 0xaa),
      _mm256_or_si256 (_mm256_srli_epi32 (w0, 16), _mm256_slli_epi32 (w2, 16)),
      _mm256_blend_epi16 (w1, w2, 0xaa) },
    w[3 * next], _mm256_slli_epi32 (w[4 * next], 16) };
}

/* Eight bytes of each of two pixels, side by side as int16. */
DCNN_INLINE __m256i
two_pixels (uintptr_t a, uintptr_t b)
{
  return _mm256_cvtepu8_epi16 (_mm_unpacklo_epi8 (
          _mm_loadl_epi64 ((const void *) a),
          _mm_loadl_epi64 ((const void *) b)));
}

/* Pixels begin .. end - 1, whose windows are of 3 by 3 neighbours at common
 * distances: eight channels after the other, with their weights in registers.
 * A window one column further takes over what is known of two. Cost of eight
 * channels: 4 loads, 14 instructions, or 8 and 22. */
static void
depthwise_three (const Run *run, const Finish *from, uint32_t begin,
    uint32_t end)
{
  const DcnnBytesConv *conv = run->conv;
  const Finish f = *from;
  const uint32_t padded = dcnn_padded (conv->out_channels);
  const uintptr_t *base = run->base;
  const uintptr_t s = (uintptr_t) (run->offsets[1] - run->offsets[0]);
  const uintptr_t first = (uintptr_t) run->offsets[0];
  const uintptr_t down = (uintptr_t) (run->offsets[3] - run->offsets[0]);
  const uint8_t *const *operands = run->operands;
  uint8_t *const *bytes = run->bytes;
  float *const *floats = run->floats;

  for (uint32_t c = 0; c < padded; c += 8) {
    const ThreeWeights w = three_weights ((const void *) (
            (const int16_t *) conv->weights + 2 * (size_t) c), padded / 8);
    const __m256i bias = _mm256_loadu_si256 ((const void *) (conv->bias + c));
    __m256i p0 = bias, p1 = bias, q0 = bias;
    uintptr_t here = 0;
    for (uint32_t i = begin; i < end; i++) {
      const uintptr_t a = base[i] + first + c, b = a + down, d = b + down;
      if (here != a) {
        p0 = two_pixels (a, b);
        p1 = two_pixels (a + s, b + s);
        q0 = two_pixels (d, d + s);
      }
      here = a + s;
      const __m256i p2 = two_pixels (a + 2 * s, b + 2 * s);
      const __m256i q1 = two_pixels (d + s, d + 2 * s);
      __m256i even = _mm256_add_epi32 (bias,
          _mm256_madd_epi16 (p0, w.column[0]));
      __m256i odd = _mm256_add_epi32 (_mm256_madd_epi16 (p1, w.column[1]),
          _mm256_madd_epi16 (q0, w.left));
      even = _mm256_add_epi32 (even, _mm256_madd_epi16 (p2, w.column[2]));
      odd = _mm256_add_epi32 (odd, _mm256_madd_epi16 (q1, w.right));
      finish (&f, _mm256_add_epi32 (even, odd), c,
          f.adds ? operands[i] : NULL, bytes[i], floats[i]);
      p0 = p1;
      p1 = p2;
      q0 = q1;
    }
  }
}

static void
run_depthwise (const Run *run, uint32_t n)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const bool three = w->kernel_y == 3 && w->kernel_x == 3;
  const Finish f = finish_of (run);

  for (uint32_t i = 0, end; i < n; i = end) {
    end = i + 1;
    if (!three || !run->even[i]) {
      depthwise_pixel (run, &f, i);
      continue;
    }
    while (end < n && run->even[end])
      end++;
    depthwise_three (run, &f, i, end);
  }
}

/* ---- where pixels read and write -------------------------------------------------- */

static void
make_table (const Run *run, uint32_t first, uint32_t n, uintptr_t *table)
{
  const DcnnWindowPlan *w = &run->conv->window;
  uint32_t ignored;

  for (uint32_t i = 0; i < TILE; i++) {
    const uint32_t pixel = run->pixels[first + (i < n ? i : n - 1)];
    dcnn_window_table (&run->job->in, w->taps, w->n_taps,
        dcnn_window_base (false, w->stride_y, w->pad_y, DCNN_PIXEL_Y (pixel),
            &ignored),
        dcnn_window_base (false, w->stride_x, w->pad_x, DCNN_PIXEL_X (pixel),
            &ignored), run->conv->zeros, table + i, TILE);
  }
}

static void
locate_tiles (Run *run, uint32_t n)
{
  const uint32_t n_taps = run->conv->window.n_taps;

  for (uint32_t i = 0; i < n; i += TILE) {
    const uint32_t here = n - i < TILE ? n - i : TILE;
    uintptr_t *table = run->tables + (size_t) i * n_taps;
    uint32_t n_even = 0;
    for (uint32_t j = 0; j < here; j++)
      n_even += run->even[i + j];
    run->rows[i / TILE] = n_even == here ? run->base + i : table;
    run->row_steps[i / TILE] = n_even == here ? 0 : TILE;
    if (n_even != here)
      make_table (run, i, here, table);
    for (uint32_t j = here; j < TILE; j++)
      run->base[i + j] = run->base[i + here - 1];
  }
}

/* Finds where the block's n pixels read and write. */
static void
locate (Run *run, uint32_t n)
{
  const DcnnJob *job = run->job;
  const DcnnWindowPlan *w = &run->conv->window;
  const uint32_t whole = (n + TILE - 1) / TILE * TILE;
  const DcnnMap *operand = run->ending.operand;

  for (uint32_t i = 0, length; i < n; i += length) {
    const uint32_t y = DCNN_PIXEL_Y (run->pixels[i]);
    const uint32_t x = DCNN_PIXEL_X (run->pixels[i]);
    length = dcnn_run_length (run->pixels + i, n - i, 1);
    dcnn_locate_windows (w, w->phases, &job->in, &run->spacing, y, x, length,
        run->base + i, run->even + i);
    dcnn_locate_rows (&job->out, run->out_spacing.col, y, x, 1, length,
        run->out + i);
    if (operand)
      dcnn_locate_rows (operand, dcnn_map_spacing (operand).col, y, x, 1,
          length, run->operands + i);
  }
  for (uint32_t i = n; i < whole && operand; i++)
    run->operands[i] = run->operands[n - 1];
  for (uint32_t i = 0; i < whole; i++)
    run->bytes[i] = run->in_place && i < n ? run->out[i]
        : run->byte_rows + i * (size_t) dcnn_padded (job->out.channels);
  locate_tiles (run, n);
}

/* ---- a call ------------------------------------------------------------------------ */

/* Enough that weights are used often once they have come from an outer cache,
 * few enough that what the panels read stays in the first. */
static uint32_t
block_pixels (const DcnnBytesConv *conv)
{
  uint32_t n = 16384 / (conv->steps * 4);

  n = n < 2 * TILE ? 2 * TILE : n > 16 * TILE ? 16 * TILE : n;
  return n / TILE * TILE;
}

static size_t
lay_out (const DcnnJob *job, void *scratch, Run *run)
{
  const DcnnBytesConv *conv = (const DcnnBytesConv *) (const void *)
      job->prepared;
  const size_t n_taps = conv->window.n_taps;
  const size_t padded = dcnn_padded (job->out.channels);
  const size_t n = run->block = block_pixels (conv), tiles = n / TILE;
  size_t used = 0;

  run->job = job;
  run->conv = conv;
  run->steps.stride = dcnn_bytes_stride (job);
  run->pixels = dcnn_carve (scratch, &used,
      (n + DCNN_RUN_OVERREAD) * sizeof *run->pixels);
  run->base = dcnn_carve (scratch, &used, n * sizeof *run->base);
  run->even = dcnn_carve (scratch, &used, n);
  run->taps = dcnn_carve (scratch, &used, (n_taps + 1) * sizeof *run->taps);
  run->tables = dcnn_carve (scratch, &used, n * n_taps * sizeof *run->tables);
  run->rows = dcnn_carve (scratch, &used, tiles * sizeof *run->rows);
  run->row_steps = dcnn_carve (scratch, &used, tiles * sizeof *run->row_steps);
  run->offsets = dcnn_carve (scratch, &used,
      2 * n_taps * sizeof *run->offsets);
  run->out = dcnn_carve (scratch, &used, n * sizeof *run->out);
  run->bytes = dcnn_carve (scratch, &used, n * sizeof *run->bytes);
  run->floats = dcnn_carve (scratch, &used, n * sizeof *run->floats);
  run->operands = dcnn_carve (scratch, &used, n * sizeof *run->operands);
  run->scale = dcnn_carve (scratch, &used,
      (padded + DCNN_BYTES_PANEL) * sizeof *run->scale);
  run->steps.operand = dcnn_carve (scratch, &used,
      (run->steps.stride + DCNN_OVERREAD) * sizeof (float));
  run->byte_rows = dcnn_carve (scratch, &used, n * padded);
  run->float_rows = dcnn_carve (scratch, &used,
      (n * run->steps.stride + DCNN_OVERREAD) * sizeof (float));
  return used;
}

static void
run_begin (Run *run)
{
  const DcnnJob *job = run->job;
  const DcnnWindowPlan *w = &run->conv->window;

  run->spacing = dcnn_map_spacing (&job->in);
  run->out_spacing = dcnn_map_spacing (&job->out);
  for (uint32_t t = 0; t < w->n_taps; t++)
    run->offsets[t] = w->taps[t].dy * run->spacing.row +
        w->taps[t].dx * run->spacing.col;
  memset (run->offsets + w->n_taps, 0, w->n_taps * sizeof *run->offsets);
  find_ending (run);
  run->to_bytes = job->out.bytes && run->ending.n_steps == job->n_steps;
  run->in_place = dcnn_job_in_place (job) && job->out.bytes;
  for (uint32_t i = 0; i < run->block; i++)
    run->floats[i] = run->float_rows + i * run->steps.stride;
  run->steps.job = job;
  if (!run->to_bytes)
    run->steps.part = *job;
}

void
DCNN_FN (dcnn_k_bytes_conv) (const DcnnJob *job, size_t begin, size_t end,
    void *scratch)
{
  Run run = { 0 };
  size_t at = dcnn_work_position (job, begin);
  const size_t stop = dcnn_work_position (job, end);

  lay_out (job, scratch, &run);
  run_begin (&run);
  for (uint32_t n; at < stop; at += n) {
    n = stop - at < run.block ? (uint32_t) (stop - at) : run.block;
    dcnn_work_pixels (job, at, n, run.pixels);
    locate (&run, n);
    if (run.conv->base.depthwise)
      run_depthwise (&run, n);
    else
      run_panels (&run, n);
    const DcnnBytesTile tile = { .n = n, .pixels = run.pixels, .first = at,
      .rows = run.floats, .bytes = run.bytes, .out = run.out };
    if (run.to_bytes)
      DCNN_FN (dcnn_bytes_judge) (job, &tile);
    else
      DCNN_FN (dcnn_bytes_end) (&run.steps, run.ending.n_steps, &tile);
  }
}

size_t
DCNN_FN (dcnn_k_bytes_conv_scratch) (const DcnnJob *job)
{
  Run run;

  return lay_out (job, NULL, &run);
}
