/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes_conv_simd.c - convolutions of maps of bytes by indirection on compacted
 * pixels, for levels above "c". Vectors are of 256 bits at all of them.
 * What follows the sums is done in registers where it is as usual
 * (bytes_ending.h).
 */
#include "bytes_dots.h"
#include "bytes_ending.h"
#include "conv_locate.h"

#define TILE 12 /* pixels that share one set of pointers; every micro-kernel's
                   pixel count divides it */

typedef struct Run {
  const DcnnJob *job;
  const DcnnBytesConv *conv;
  DcnnSpacing spacing, out_spacing;
  Ending ending;
  bool to_bytes;           /* the ending is all, and makes bytes */
  bool in_place;
  uint32_t block;          /* pixels, a multiple of TILE */
  const DcnnPhase *phase;  /* whose pixels are computed */
  size_t first_pair;       /* depthwise: of taps, its first */
  const int32_t *bias;     /* of it */
  /* scratch */
  const uint32_t *pixels;  /* of the work, or of the phase */
  uint32_t *all;           /* [block] of the work */
  uint32_t *members, *places; /* [block] transposed only: in the order of
                              phases, and which of the work they are */
  uint32_t *starts;        /* [n_phases + 1] where phases end in these */
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

/* ---- micro-kernels ------------------------------------------------------------- */

typedef struct Micro {
  const uintptr_t *rows;
  size_t row_step;
  const ptrdiff_t *offsets;
  const char *weights;
  const uint16_t *order;   /* of the panel */
  uint32_t begin;          /* output channel */
  uint32_t at;             /* pixel of the block */
  uintptr_t shift;         /* to the inputs of its group */
} Micro;

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
    const __m256i *w, unsigned pixels, unsigned vectors, bool dots)
{
  __m256i b[3];

  DCNN_UNROLL
  for (unsigned j = 0; j < vectors; j++)
    b[j] = _mm256_load_si256 (w + j);
  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++) {
    __m256i a = four_bytes (at[i] + 4 * (uintptr_t) step);
    DCNN_UNROLL
    for (unsigned j = 0; j < vectors; j++)
      sum[i][j] = add_bytes (sum[i][j], a, b[j], dots);
  }
}

DCNN_INLINE void
wide_step (__m256i (*sum)[3], const uintptr_t *at, uint32_t step,
    const __m256i *w, unsigned pixels, unsigned vectors, bool dots)
{
  const __m256i evens = _mm256_set1_epi32 (0x00ff00ff);

  DCNN_UNROLL
  for (unsigned i = 0; i < pixels; i++) {
    __m256i a = four_bytes (at[i] + 4 * (uintptr_t) step);
    __m256i even = _mm256_and_si256 (a, evens);
    __m256i odd = _mm256_srli_epi16 (a, 8);
    DCNN_UNROLL
    for (unsigned j = 0; j < vectors; j++) {
      sum[i][j] = add_shorts (sum[i][j], even, _mm256_load_si256 (w + j),
          dots);
      sum[i][j] = add_shorts (sum[i][j], odd, _mm256_load_si256 (
              w + vectors + j), dots);
    }
  }
}

/* `pixels` pixels by `vectors` vectors of channels (constants, as are narrow
 * and dots). Cost of four channels of a tap: narrow 2.5 (in pairs) to 3 pixels
 * vectors instructions, wide 4 pixels vectors + 2 pixels; with dots 1 and 2. */
DCNN_INLINE void
micro (const Run *run, const Micro *m, unsigned pixels, unsigned vectors,
    bool narrow, bool dots)
{
  const DcnnBytesConv *conv = run->conv;
  const uintptr_t *rows = m->rows;
  const __m256i *w = (const void *) m->weights;
  const uint16_t *order = m->order;
  const uint32_t n_taps = run->phase->n_taps, steps = conv->steps;
  __m256i sum[6][3];

  DCNN_UNROLL
  for (unsigned j = 0; j < vectors; j++) {
    __m256i b = _mm256_loadu_si256 (
        (const void *) (run->bias + m->begin + j * 8));
    DCNN_UNROLL
    for (unsigned i = 0; i < pixels; i++)
      sum[i][j] = b;
  }
  for (uint32_t t = 0; t < n_taps; t++, rows += m->row_step) {
    uintptr_t at[6];
    DCNN_UNROLL
    for (unsigned i = 0; i < pixels; i++)
      at[i] = rows[i] + (uintptr_t) m->offsets[t] + m->shift;
    if (!narrow) {
      for (uint32_t s = 0; s < steps; s++, w += 2 * vectors)
        wide_step (sum, at, s, w, pixels, vectors, dots);
      continue;
    }
    const uint16_t *const pairs = order + 1 + (dots ? 0 : 2 * order[0]);
    const uint16_t *const end = order + 1 + steps;
    for (order++; order < pairs; order += 2, w += 2 * vectors)
      two_steps (sum, at, order, w, pixels, vectors);
    for (; order < end; order++, w += vectors)
      one_step (sum, at, *order, w, pixels, vectors, dots);
  }
  const Finish f = finish_of (run->job, &run->ending, run->to_bytes);
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
    micro (run, m, pixels, vectors, narrow, false);                            \
  }                                                                            \
  static void dots_##name (const Run *run, const Micro *m)                     \
  {                                                                            \
    micro (run, m, pixels, vectors, narrow, true);                             \
  }

MICRO (narrow_1, 6, 1, true)
MICRO (narrow_2, 4, 2, true)
MICRO (narrow_3, 3, 3, true)
MICRO (wide_1, 6, 1, false)
MICRO (wide_2, 4, 2, false)
MICRO (wide_3, 3, 3, false)

/* [dots][narrow][vectors - 1] */
static MicroFn *const micros[2][2][3] = {
  { { wide_1, wide_2, wide_3 }, { narrow_1, narrow_2, narrow_3 } },
  { { dots_wide_1, dots_wide_2, dots_wide_3 },
    { dots_narrow_1, dots_narrow_2, dots_narrow_3 } },
};
static const uint32_t micro_pixels[3] = { 6, 4, 3 };

/* All panels over n located pixels of the phase. */
static void
run_panels (const Run *run, uint32_t n)
{
  const DcnnBytesConv *conv = run->conv;
  const size_t taps = conv->window.n_taps, first = run->phase->first_tap;
  const bool dots = uses_dots ();
  const char *weights = conv->weights;
  size_t entry = 0; /* of the order, where there is one */

  for (uint32_t begin = 0, lanes; begin < conv->out_channels;
      begin += lanes, entry += dcnn_bytes_order (conv)) {
    const uint16_t *order = conv->order ? conv->order + entry +
        first * (1 + conv->steps) : NULL;
    lanes = dcnn_bytes_lanes (conv, begin);
    const size_t tap = conv->steps * (size_t) lanes * dcnn_bytes_lane (conv);
    const uint32_t pixels = micro_pixels[lanes / 8 - 1];
    MicroFn *fn = micros[dots][conv->narrow][lanes / 8 - 1];
    Micro m = { .order = order, .begin = begin,
      .weights = weights + first * tap,
      .shift = dcnn_bytes_shift (conv, begin) };
    for (uint32_t i = 0; i < n; i += TILE) {
      const uint32_t end = n - i < TILE ? n - i : TILE;
      m.row_step = run->row_steps[i / TILE];
      m.offsets = run->offsets + (m.row_step ? taps : first);
      for (uint32_t j = 0; j < end; j += pixels) {
        m.rows = run->rows[i / TILE] + j;
        m.at = i + j;
        fn (run, &m);
      }
    }
    weights += taps * tap;
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

/* Any window, channels from c on. Cost of eight channels: 4 instructions a pair
 * of taps. */
static void
depthwise_pixel (const Run *run, const Finish *from, uint32_t c, uint32_t i)
{
  const DcnnBytesConv *conv = run->conv;
  const Finish f = *from;
  const uint32_t padded = dcnn_padded (conv->out_channels);
  const uint32_t n_taps = run->phase->n_taps;
  const ptrdiff_t *offsets = run->offsets + run->phase->first_tap;
  const int16_t *const weights = (const int16_t *) conv->weights +
      2 * (size_t) padded * run->first_pair;
  const bool even = run->even[i];
  const uintptr_t *table = run->rows[i / TILE] + i % TILE;
  const uint8_t *operand = f.adds ? run->operands[i] : NULL;
  uint8_t *const bytes = run->bytes[i];
  float *const floats = run->floats[i];
  uintptr_t *const taps = run->taps;

  for (uint32_t t = 0; t < n_taps; t++)
    taps[t] = even ? run->base[i] + (uintptr_t) offsets[t] : table[t * TILE];
  if (n_taps > 0)
    taps[n_taps] = taps[n_taps - 1]; /* by weights of 0 */
  for (; c < padded; c += 8) {
    const int16_t *w = weights + 2 * (size_t) c;
    __m256i sum = _mm256_loadu_si256 ((const void *) (run->bias + c));
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
 * distances, channels from c on: eight after the other, with their weights in
 * registers.
 * A window one column further takes over what is known of two. Cost of eight
 * channels: 4 loads, 14 instructions, or 8 and 22. */
static void
depthwise_three (const Run *run, const Finish *from, uint32_t c,
    uint32_t begin, uint32_t end)
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

  for (; c < padded; c += 8) {
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

#ifdef DCNN_ISA_AVX512

/* The weights of a 3 by 3 window, a column in four bytes of each channel, from
 * pairs in order. */
DCNN_INLINE void
column_weights (const __m512i *w, const char *next, __m512i *column)
{
  const __m512i byte = _mm512_set1_epi32 (255);
  const size_t step = (size_t) (next - (const char *) w);
  __m512i low[5], high[5];

  for (unsigned i = 0; i < 5; i++) {
    const __m512i pair = _mm512_loadu_si512 ((const char *) w + i * step);
    low[i] = _mm512_and_si512 (pair, byte);
    high[i] = _mm512_and_si512 (_mm512_srli_epi32 (pair, 16), byte);
  }
#define COLUMN(a, b, c)                                                        \
  _mm512_or_si512 (a, _mm512_or_si512 (_mm512_slli_epi32 (b, 8),               \
          _mm512_slli_epi32 (c, 16)))
  column[0] = COLUMN (low[0], high[1], low[3]);
  column[1] = COLUMN (high[0], low[2], high[3]);
  column[2] = COLUMN (low[1], high[2], low[4]);
#undef COLUMN
}

/* Sixteen channels of three pixels, in the order of sixteen_sums. */
DCNN_INLINE __m512i
three_pixels (uintptr_t a, uintptr_t b, uintptr_t d)
{
  const __m128i zero = _mm_setzero_si128 ();
  const __m128i p = _mm_loadu_si128 ((const void *) a);
  const __m128i q = _mm_loadu_si128 ((const void *) b);
  const __m128i r = _mm_loadu_si128 ((const void *) d);
  const __m256i pq = _mm256_set_m128i (_mm_unpackhi_epi8 (p, q),
      _mm_unpacklo_epi8 (p, q));
  const __m256i rz = _mm256_set_m128i (_mm_unpackhi_epi8 (r, zero),
      _mm_unpacklo_epi8 (r, zero));

  return _mm512_inserti64x4 (_mm512_castsi256_si512 (
          _mm256_unpacklo_epi16 (pq, rz)), _mm256_unpackhi_epi16 (pq, rz), 1);
}

/* The same in order of the channels, by one instruction of AVX512_VBMI; the
 * fourth byte of each may be anything, its weight is 0. */
DCNN_INLINE __m512i
permuted_pixels (uintptr_t a, uintptr_t b, uintptr_t d, __m512i index)
{
  __m512i v = _mm512_castsi128_si512 (_mm_loadu_si128 ((const void *) a));

  v = _mm512_inserti32x4 (v, _mm_loadu_si128 ((const void *) b), 1);
  v = _mm512_inserti32x4 (v, _mm_loadu_si128 ((const void *) d), 2);
  __asm__ ("vpermb %1, %2, %0" : "=v" (v) : "v" (v), "v" (index));
  return v;
}

/* Where permuted_pixels() finds each byte. */
DCNN_INLINE __m512i
permuted_index (void)
{
  const __m512i channel = _mm512_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
      11, 12, 13, 14, 15);

  return _mm512_add_epi32 (_mm512_set1_epi32 (0x30201000),
      _mm512_mullo_epi32 (channel, _mm512_set1_epi32 (0x01010101)));
}

/* Quarters 0, 2, 1, 3, but for permuted ones. */
DCNN_INLINE __m512i
swap_quarters (__m512i v, bool permuted)
{
  return permuted ? v : _mm512_shuffle_i64x2 (v, v, 0xd8);
}

DCNN_INLINE __m512i
add_sixteen (__m512i sum, __m512i bytes, __m512i weights)
{
  __asm__ ("vpdpbusd %2, %1, %0" : "+v" (sum) : "v" (bytes), "v" (weights));
  return sum;
}

/* The n pixels of the block, sixteen channels after the other, by sums of four
 * products. A window takes over the columns that it shares with the one before
 * it. Cost of sixteen channels: 11 instructions, and 3 loads and 9 instructions
 * a column; permuted (a constant, like what the processor has) 10 and 3.
 * Returns the channel that it left off at. */
DCNN_INLINE uint32_t
depthwise_sixteen (const Run *run, const Finish *from, uint32_t n,
    bool permuted)
{
#define THREE(a, b, d)                                                         \
  (permuted ? permuted_pixels (a, b, d, index) : three_pixels (a, b, d))
  const __m512i index = permuted_index ();
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
  const uint8_t *even = run->even;
  uint32_t c = 0;

  for (; c + 16 <= padded; c += 16) {
    const char *w = (const char *) conv->weights + 4 * (size_t) c;
    const __m512i bias = swap_quarters (_mm512_loadu_si512 (conv->bias + c),
        permuted);
    __m512i column[3], p0 = bias, p1 = bias, p2 = bias;
    uintptr_t here = 0; /* where p1 begins */
    column_weights ((const void *) w, w + 4 * (size_t) padded, column);
    for (unsigned i = 0; i < 3; i++)
      column[i] = swap_quarters (column[i], permuted);
    for (uint32_t i = 0; i < n; i++) {
      if (even[i]) {
        const uintptr_t a = base[i] + first + c, b = a + down, d = b + down;
        if (here == a) {
          p0 = p1;
          p1 = p2;
        } else {
          p0 = here + s == a ? p2 : THREE (a, b, d);
          p1 = THREE (a + s, b + s, d + s);
        }
        p2 = THREE (a + 2 * s, b + 2 * s, d + 2 * s);
        here = a + s;
      } else {
        const uintptr_t *const t = run->rows[i / TILE] + i % TILE;
        p0 = THREE (t[0] + c, t[3 * TILE] + c, t[6 * TILE] + c);
        p1 = THREE (t[TILE] + c, t[4 * TILE] + c, t[7 * TILE] + c);
        p2 = THREE (t[2 * TILE] + c, t[5 * TILE] + c, t[8 * TILE] + c);
        here = 0;
      }
      const __m512i sum = swap_quarters (add_sixteen (add_sixteen (add_sixteen (
                  bias, p0, column[0]), p1, column[1]), p2, column[2]), permuted);
      finish_sixteen (&f, sum, c, f.adds ? operands[i] : NULL, bytes[i],
          floats[i]);
    }
  }
  return c;
#undef THREE
}

static uint32_t
depthwise_dots (const Run *run, const Finish *from, uint32_t n)
{
  return uses_permutes () ? depthwise_sixteen (run, from, n, true)
      : depthwise_sixteen (run, from, n, false);
}

#else

DCNN_INLINE uint32_t
depthwise_dots (const Run *run, const Finish *from, uint32_t n)
{
  return 0;
}

#endif

static void
run_depthwise (const Run *run, uint32_t n)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const bool three = w->kernel_y == 3 && w->kernel_x == 3 && !w->transposed;
  const Finish f = finish_of (run->job, &run->ending, run->to_bytes);
  const uint32_t c = three && run->conv->narrow && uses_dots ()
      ? depthwise_dots (run, &f, n) : 0;

  for (uint32_t i = 0, end; c < dcnn_padded (run->conv->out_channels) && i < n;
      i = end) {
    end = i + 1;
    if (!three || !run->even[i]) {
      depthwise_pixel (run, &f, c, i);
      continue;
    }
    while (end < n && run->even[end])
      end++;
    depthwise_three (run, &f, c, i, end);
  }
}

/* ---- where pixels read and write -------------------------------------------------- */

/* Pointers of a tile's pixels. Windows of depthwise pixels that lie evenly
 * need none. */
static void
make_table (const Run *run, uint32_t first, uint32_t n, uintptr_t *table)
{
  const DcnnWindowPlan *w = &run->conv->window;
  const ptrdiff_t *offsets = run->offsets + run->phase->first_tap;
  uint32_t ignored;

  for (uint32_t i = 0; i < TILE; i++) {
    const uint32_t at = first + (i < n ? i : n - 1);
    const uint32_t pixel = run->pixels[at];
    if (run->even[at]) {
      for (uint32_t t = 0; t < run->phase->n_taps && !run->conv->base.depthwise;
          t++)
        table[i + t * TILE] = run->base[at] + (uintptr_t) offsets[t];
      continue;
    }
    dcnn_window_table (&run->job->in, w->taps + run->phase->first_tap,
        run->phase->n_taps,
        dcnn_window_base (w->transposed, w->stride_y, w->pad_y,
            DCNN_PIXEL_Y (pixel), &ignored),
        dcnn_window_base (w->transposed, w->stride_x, w->pad_x,
            DCNN_PIXEL_X (pixel), &ignored), run->conv->zeros, table + i,
        TILE);
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

/* Finds where the n pixels read and write. */
static void
locate (Run *run, uint32_t n)
{
  const DcnnJob *job = run->job;
  const DcnnWindowPlan *w = &run->conv->window;
  const uint32_t whole = (n + TILE - 1) / TILE * TILE;
  const DcnnMap *operand = run->ending.operand;
  const uint32_t step = w->transposed ? w->stride_x : 1;

  for (uint32_t i = 0, length; i < n; i += length) {
    const uint32_t y = DCNN_PIXEL_Y (run->pixels[i]);
    const uint32_t x = DCNN_PIXEL_X (run->pixels[i]);
    length = dcnn_run_length (run->pixels + i, n - i, step);
    dcnn_locate_windows (w, run->phase, &job->in, &run->spacing, y, x, length,
        run->base + i, run->even + i);
    dcnn_locate_rows (&job->out, run->out_spacing.col, y, x, step, length,
        run->out + i);
    if (operand)
      dcnn_locate_rows (operand, dcnn_map_spacing (operand).col, y, x, step,
          length, run->operands + i);
  }
  for (uint32_t i = n; i < whole && operand; i++)
    run->operands[i] = run->operands[n - 1];
  if (run->in_place)
    memcpy (run->bytes, run->out, n * sizeof *run->out);
  for (uint32_t i = run->in_place ? n : 0; i < whole; i++)
    run->bytes[i] = run->byte_rows + i * (size_t) dcnn_padded (
        job->out.channels);
  dcnn_bytes_prefetch_out (job, n, (void *const *) run->out);
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
  if (conv->window.transposed) /* a phase has a share of them */
    n *= conv->window.n_phases < 4 ? conv->window.n_phases : 4;
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
  run->all = dcnn_carve (scratch, &used,
      (n + DCNN_RUN_OVERREAD) * sizeof *run->all);
  if (conv->window.transposed) {
    run->members = dcnn_carve (scratch, &used,
        (n + DCNN_RUN_OVERREAD) * sizeof *run->members);
    run->places = dcnn_carve (scratch, &used, n * sizeof *run->places);
    run->starts = dcnn_carve (scratch, &used,
        (conv->window.n_phases + 1) * sizeof *run->starts);
  }
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
  find_ending (job, run->scale, &run->ending);
  run->to_bytes = job->out.bytes && run->ending.n_steps == job->n_steps;
  run->in_place = dcnn_job_stores_all (job) && job->out.bytes;
  for (uint32_t i = 0; i < run->block; i++)
    run->floats[i] = run->float_rows + i * run->steps.stride;
  run->steps.job = job;
  if (!run->to_bytes)
    run->steps.part = *job;
}

/* The n pixels of the run, of one phase, which are these of the block at
 * place `first`. */
static void
run_pixels (Run *run, uint32_t n, const uint32_t *places, size_t first)
{
  locate (run, n);
  if (run->conv->base.depthwise)
    run_depthwise (run, n);
  else
    run_panels (run, n);
  const DcnnBytesTile tile = { .n = n, .pixels = run->pixels, .first = first,
    .places = places, .rows = run->floats, .bytes = run->bytes,
    .out = run->out };
  if (run->to_bytes)
    DCNN_FN (dcnn_bytes_judge) (run->job, &tile);
  else
    DCNN_FN (dcnn_bytes_end) (&run->steps, run->ending.n_steps, &tile);
}

/* A block of a transposed convolution, phase by phase. */
static void
run_phases (Run *run, uint32_t n, size_t first)
{
  const DcnnWindowPlan *w = &run->conv->window;

  dcnn_sort_phases (w, run->all, n, run->starts, run->members, run->places);
  for (uint32_t f = 0, begin = 0; f < w->n_phases; begin = run->starts[f++]) {
    run->phase = &w->phases[f];
    run->bias = run->conv->bias + f * run->conv->bias_stride;
    run->first_pair = dcnn_bytes_first_pair (run->conv, f);
    run->pixels = run->members + begin;
    if (run->starts[f] > begin)
      run_pixels (run, run->starts[f] - begin, run->places + begin, first);
  }
}

void
DCNN_FN (dcnn_k_bytes_conv) (const DcnnJob *job, size_t begin, size_t end,
    void *scratch)
{
  Run run = { 0 };
  size_t at = dcnn_work_place (job, begin);
  const size_t stop = dcnn_work_place (job, end);

  lay_out (job, scratch, &run);
  run_begin (&run);
  run.phase = run.conv->window.phases;
  run.bias = run.conv->bias;
  for (uint32_t n; at < stop; at += n) {
    n = stop - at < run.block ? (uint32_t) (stop - at) : run.block;
    dcnn_work_pixels (job, at, n, run.all);
    run.pixels = run.all;
    if (run.conv->window.transposed)
      run_phases (&run, n, at);
    else
      run_pixels (&run, n, NULL, at);
  }
}

size_t
DCNN_FN (dcnn_k_bytes_conv_scratch) (const DcnnJob *job)
{
  Run run;

  return lay_out (job, NULL, &run);
}
