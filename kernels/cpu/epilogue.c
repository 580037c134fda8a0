/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * epilogue.c - steps, judgement and store of a tile of rows (epilogue.h),
 * compiled once for each level.
 */
#include "epilogue.h"

#include "bytes_tile.h"
#include "epilogue_steps.h"

/* What is known of a row's change so far. */
typedef struct Change {
  vb_t bits;    /* of all differences together: 0 or -0 when there is none;
                   not for SQUARE */
  vm_t over;    /* MAX: some difference is over the limit */
  v_t sum;      /* SQUARE */
} Change;

DCNN_INLINE void
change_add (Change *change, DcnnSignificanceKind kind, v_t a, v_t b, v_t w,
    v_t limit)
{
  v_t d = v_sub (a, b);

  if (kind == DCNN_SIGNIFICANT_SQUARE) {
    v_t e = v_mul (d, w);
    change->sum = v_fma (e, e, change->sum);
    return;
  }
  change->bits = vb_or (change->bits, d);
  if (kind == DCNN_SIGNIFICANT_MAX)
    change->over = vm_or (change->over, v_nle (v_abs (v_mul (d, w)), limit));
}

/* The change of a row against the stored pixel. Four vectors at a time are
 * summed apart, so that the sums' latencies overlap. */
DCNN_INLINE Change
row_change (const DcnnJob *job, DcnnSignificanceKind kind,
    const float *pixel, const float *row)
{
  const bool weighted = kind == DCNN_SIGNIFICANT_MAX ||
      kind == DCNN_SIGNIFICANT_SQUARE;
  const uint32_t channels = job->out.channels;
  const float *inv = job->significance.inv_spread;
  const v_t limit = v_set (job->significance.limit);
  Change change[4];
  uint32_t c = 0;

  DCNN_UNROLL
  for (unsigned i = 0; i < 4; i++)
    change[i] = (Change) { vb_none (), vm_none (), v_zero () };
  for (; c + 4 * V_LANES <= channels; c += 4 * V_LANES) {
    DCNN_UNROLL
    for (unsigned i = 0; i < 4; i++) {
      uint32_t at = c + i * V_LANES;
      change_add (&change[i], kind, v_load (row + at), v_load (pixel + at),
          weighted ? v_load (inv + at) : v_zero (), limit);
    }
  }
  for (; c + V_LANES <= channels; c += V_LANES)
    change_add (&change[0], kind, v_load (row + c), v_load (pixel + c),
        weighted ? v_load (inv + c) : v_zero (), limit);
  if (c < channels)
    change_add (&change[0], kind, v_keep (v_load (row + c), channels - c),
        v_load_n (pixel + c, channels - c),
        weighted ? v_load_n (inv + c, channels - c) : v_zero (), limit);
  DCNN_UNROLL
  for (unsigned i = 1; i < 4; i++) {
    change[0].bits = vb_merge (change[0].bits, change[i].bits);
    change[0].over = vm_or (change[0].over, change[i].over);
    change[0].sum = v_add (change[0].sum, change[i].sum);
  }
  return change[0];
}

/* Whether a row differs from the stored pixel at all. */
static bool
row_differs (const DcnnJob *job, const float *pixel, const float *row)
{
  return vb_any (row_change (job, DCNN_SIGNIFICANT_ANY, pixel, row).bits);
}

/* The row's verdict by a criterion known at compile time. */
DCNN_INLINE uint8_t
judge_row (const DcnnJob *job, DcnnSignificanceKind kind, uint32_t flags,
    const float *pixel, const float *row)
{
  bool differs, joins;

  if (flags & DCNN_PIXEL_FORCE)
    return DCNN_VERDICT_JOINED;
  Change change = row_change (job, kind, pixel, row);
  if (kind == DCNN_SIGNIFICANT_SQUARE) {
    float sum = v_sum (change.sum);
    joins = !(sum <= job->significance.limit);
    /* squares of small differences may come out as 0 */
    differs = sum != 0 || row_differs (job, pixel, row);
  } else {
    differs = vb_any (change.bits);
    joins = kind == DCNN_SIGNIFICANT_ANY ? differs : vm_any (change.over);
  }
  return !differs ? DCNN_VERDICT_SAME : joins ? DCNN_VERDICT_JOINED
      : DCNN_VERDICT_KEPT;
}

DCNN_INLINE void
set_verdict (const DcnnJob *job, const DcnnTile *tile, uint32_t i,
    uint8_t verdict)
{
  job->verdicts[tile->first + (tile->places ? tile->places[i] : i)] = verdict;
}

/* Judges and stores a tile by a criterion known at compile time. */
DCNN_INLINE void
judge_tile (const DcnnJob *job, const DcnnTile *tile,
    DcnnSignificanceKind kind)
{
  for (uint32_t i = 0; i < tile->n; i++) {
    const float *row = tile->rows[i];
    float *pixel = tile->out[i];
    uint8_t verdict = judge_row (job, kind, tile->pixels[i], pixel, row);
    if (verdict == DCNN_VERDICT_JOINED)
      dcnn_store_row (&job->out, pixel, row);
    set_verdict (job, tile, i, verdict);
  }
}

/* Whether an entry joins whatever its row is. */
static bool
any_forced (const DcnnTile *tile)
{
  uint32_t flags = 0;

  for (uint32_t i = 0; i < tile->n; i++)
    flags |= tile->pixels[i];
  return flags & DCNN_PIXEL_FORCE;
}

/* The same as judge_tile by SQUARE or ANY for entries that are not forced and
 * rows of `vectors` vectors, in registers; `ragged`: the last one is not full.
 * One of the two rows is stored: which one follows no pattern that a branch
 * could learn. */
DCNN_INLINE void
judge_narrow (const DcnnJob *job, const DcnnTile *tile,
    DcnnSignificanceKind kind, unsigned vectors, bool ragged)
{
  const DcnnMap out = job->out;
  const bool square = kind == DCNN_SIGNIFICANT_SQUARE;
  const float job_limit = square ? job->significance.limit : 0.0f;
  const v_t limit = v_set (job_limit);
  const unsigned last = (vectors - 1) * V_LANES;
  const unsigned rest = out.channels - last;
  const unsigned room = out.writable - last < V_LANES ? out.writable - last
      : V_LANES;
  const uint32_t *places = tile->places, n = tile->n;
  float *const *rows = tile->rows, *const *pixels = tile->out;
  uint8_t *verdicts = job->verdicts + tile->first;
  v_t weight[4];

  DCNN_UNROLL
  for (unsigned v = 0; v < vectors; v++)
    weight[v] = ragged && v + 1 == vectors
        ? v_load_n (job->significance.inv_spread + last, rest)
        : v_load (job->significance.inv_spread + v * V_LANES);
  for (uint32_t i = 0; i < n; i++) {
    const float *from = rows[i];
    float *pixel = pixels[i];
    v_t row[4], old[4], sum = v_zero ();
    vb_t bits = vb_none ();
    DCNN_UNROLL
    for (unsigned v = 0; v < vectors; v++) {
      row[v] = v_load (from + v * V_LANES);
      old[v] = v_load (pixel + v * V_LANES);
      v_t d = v_sub (row[v], old[v]);
      if (ragged && v + 1 == vectors)
        d = v_keep (d, rest);
      v_t e = v_mul (d, weight[v]);
      bits = vb_or (bits, d);
      if (square)
        sum = v_fma (e, e, sum);
    }
    const bool differs = vb_any (bits);
    const float change = square ? v_sum (sum) : (float) differs;
    const vm_t over = v_nle (v_set (change), limit);
    DCNN_UNROLL
    for (unsigned v = 0; v < vectors; v++)
      if (!ragged || v + 1 < vectors)
        v_store (pixel + v * V_LANES, v_select (over, row[v], old[v]));
      else if (vm_any (over)) /* the lanes past `channels` must stay */
        v_store_n (pixel + last, v_keep (row[v], rest), room);
    /* SAME, KEPT, JOINED without a branch: what is over the limit differs */
    verdicts[places ? places[i] : i] = (uint8_t) (differs +
        !(change <= job_limit));
  }
}

/* By SQUARE or ANY, a constant where this is expanded. */
DCNN_INLINE void
judge_by (const DcnnJob *job, const DcnnTile *tile, DcnnSignificanceKind kind)
{
  const bool ragged = job->out.channels % V_LANES != 0;

  switch (V_LANES == 1 || any_forced (tile) ? 0
      : (job->out.channels + V_LANES - 1) / V_LANES) {
#define NARROW(n)                                                              \
    case n:                                                                    \
      if (ragged)                                                              \
        judge_narrow (job, tile, kind, n, true);                               \
      else                                                                     \
        judge_narrow (job, tile, kind, n, false);                              \
      break;
    NARROW (1)
    NARROW (2)
    NARROW (3)
    NARROW (4)
#undef NARROW
    default:
      judge_tile (job, tile, kind);
      break;
  }
}

/* Every row joins; those not computed in place are stored. */
static void
store_tile (const DcnnJob *job, const DcnnTile *tile)
{
  for (uint32_t i = 0; i < tile->n && tile->rows != tile->out; i++)
    if (tile->rows[i] != tile->out[i])
      dcnn_store_row (&job->out, tile->out[i], tile->rows[i]);
  if (!job->verdicts)
    return;
  if (!tile->places)
    memset (job->verdicts + tile->first, DCNN_VERDICT_JOINED, tile->n);
  for (uint32_t i = 0; i < tile->n && tile->places; i++)
    set_verdict (job, tile, i, DCNN_VERDICT_JOINED);
}

void
DCNN_FN (dcnn_judge_tile) (const DcnnJob *job, const DcnnTile *tile)
{
  if (job->out.bytes) {
    DCNN_FN (dcnn_bytes_judge_floats) (job, tile);
    return;
  }
  switch (job->significance.kind) {
    case DCNN_SIGNIFICANT_ALWAYS:
      store_tile (job, tile);
      break;
    case DCNN_SIGNIFICANT_ANY:
      judge_by (job, tile, DCNN_SIGNIFICANT_ANY);
      break;
    case DCNN_SIGNIFICANT_MAX:
      judge_tile (job, tile, DCNN_SIGNIFICANT_MAX);
      break;
    case DCNN_SIGNIFICANT_SQUARE:
      judge_by (job, tile, DCNN_SIGNIFICANT_SQUARE);
      break;
  }
}

/* Rows of one channel are packed, so that a vector holds as many pixels. */
static void
steps_packed (const DcnnJob *job, uint32_t first_step, float *const *rows,
    uint32_t n, uint32_t begin)
{
  float packed[8 * V_LANES];
  float *const row = packed;

  for (uint32_t at = 0; at < n; at += 8 * V_LANES) {
    uint32_t m = n - at < 8 * V_LANES ? n - at : 8 * V_LANES;
    const DcnnStepRows work = { .rows = &row, .n = 1,
      .count = (m + V_LANES - 1) / V_LANES * V_LANES };
    for (uint32_t i = 0; i < m; i++)
      packed[i] = rows[at + i][begin];
    for (uint32_t i = m; i < work.count; i++)
      packed[i] = 0;
    for (uint32_t s = first_step; s < job->n_steps; s++)
      dcnn_step_apply (&job->steps[s], &work);
    for (uint32_t i = 0; i < m; i++)
      rows[at + i][begin] = packed[i];
  }
}

/* How many rows from the first on follow each other without a gap. */
static uint32_t
rows_joined (float *const *rows, uint32_t n, uint32_t count)
{
  uint32_t i = 1;

  while (i < n && rows[i] == rows[i - 1] + count)
    i++;
  return i;
}

/* Rows of whole vectors without gaps are one row. */
static void
steps_joined (const DcnnJob *job, uint32_t first_step, float *const *rows,
    uint32_t n, uint32_t count)
{
  for (uint32_t i = 0, m; i < n; i += m) {
    m = rows_joined (rows + i, n - i, count);
    const DcnnStepRows work = { .rows = rows + i, .n = 1, .count = m * count };
    for (uint32_t s = first_step; s < job->n_steps; s++)
      dcnn_step_apply (&job->steps[s], &work);
  }
}

/* The step whose operand is a map of bytes, a piece of a row after the
 * other. */
static void
step_by_bytes (const DcnnStep *step, const DcnnStepRows *work)
{
  float operand[64];
  DcnnStep part = *step;

  part.operand = DCNN_OPERAND_VECTOR;
  part.vector = operand;
  for (uint32_t i = 0; i < work->n; i++) {
    const uint8_t *from = dcnn_map_bytes (&step->map,
        DCNN_PIXEL_Y (work->pixels[i]), DCNN_PIXEL_X (work->pixels[i])) +
        work->begin;
    for (uint32_t c = 0; c < work->count; c += 64) {
      const uint32_t left = work->count - c;
      float *row = work->rows[i] + work->begin + c;
      const DcnnStepRows piece = { work->pixels + i, &row, 1, 0,
        left < 64 ? left : 64, left <= 64 ? work->writable - c : 64 };
      dcnn_bytes_to_floats (from + c, step->map.low, piece.count, operand);
      dcnn_step_apply (&part, &piece);
    }
  }
}

void
DCNN_FN (dcnn_steps_from) (const DcnnJob *job, uint32_t first_step,
    const uint32_t *pixels, float *const *rows, uint32_t n, uint32_t begin,
    uint32_t count, uint32_t writable)
{
  const DcnnStepRows work = { pixels, rows, n, begin, count, writable };

  if (V_LANES > 1 && count == 1 && n > 1 && first_step < job->n_steps &&
      dcnn_steps_alike (job, first_step)) {
    steps_packed (job, first_step, rows, n, begin);
    return;
  }
  if (V_LANES > 1 && begin == 0 && count % V_LANES == 0 && n > 1 &&
      rows[1] == rows[0] + count && first_step < job->n_steps &&
      dcnn_steps_alike (job, first_step)) {
    steps_joined (job, first_step, rows, n, count);
    return;
  }
  for (uint32_t s = first_step; s < job->n_steps; s++)
    if (job->steps[s].map.bytes)
      step_by_bytes (&job->steps[s], &work);
    else
      dcnn_step_apply (&job->steps[s], &work);
}
