/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * epilogue.c - steps, judgement and store of a tile of rows (epilogue.h),
 * compiled once for each level.
 */
#include "epilogue.h"

#include "epilogue_steps.h"

/* What is known of a row's change so far. */
typedef struct Change {
  vb_t bits;    /* of all differences together: 0 or -0 when there is none */
  vm_t over;    /* MAX: some difference is over the limit */
  v_t sum;      /* SQUARE */
} Change;

DCNN_INLINE void
change_add (Change *change, DcnnSignificanceKind kind, v_t a, v_t b, v_t w,
    v_t limit)
{
  v_t d = v_sub (a, b);

  change->bits = vb_or (change->bits, d);
  if (kind == DCNN_SIGNIFICANT_MAX)
    change->over = vm_or (change->over, v_nle (v_abs (v_mul (d, w)), limit));
  else if (kind == DCNN_SIGNIFICANT_SQUARE) {
    v_t e = v_mul (d, w);
    change->sum = v_fma (e, e, change->sum);
  }
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

/* The row's verdict by a criterion known at compile time. */
DCNN_INLINE uint8_t
judge_row (const DcnnJob *job, DcnnSignificanceKind kind, uint32_t flags,
    const float *pixel, const float *row)
{
  bool joins;

  if (flags & DCNN_PIXEL_FORCE)
    return DCNN_VERDICT_JOINED;
  Change change = row_change (job, kind, pixel, row);
  if (!vb_any (change.bits))
    return DCNN_VERDICT_SAME;
  if ((flags & DCNN_PIXEL_EXACT) || kind == DCNN_SIGNIFICANT_ANY)
    joins = true;
  else if (kind == DCNN_SIGNIFICANT_MAX)
    joins = vm_any (change.over);
  else
    joins = !(v_sum (change.sum) <= job->significance.limit);
  return joins ? DCNN_VERDICT_JOINED : DCNN_VERDICT_KEPT;
}

/* Judges and stores a tile whose steps are done, by a criterion known at
 * compile time. */
DCNN_INLINE void
judge_tile (const DcnnJob *job, const DcnnTile *tile,
    DcnnSignificanceKind kind)
{
  for (uint32_t i = 0; i < tile->n; i++) {
    uint32_t p = tile->pixels[i];
    const float *row = tile->rows + i * tile->stride;
    float *pixel = dcnn_map_pixel (&job->out, DCNN_PIXEL_Y (p),
        DCNN_PIXEL_X (p));
    uint8_t verdict = kind == DCNN_SIGNIFICANT_ALWAYS ? DCNN_VERDICT_JOINED
        : judge_row (job, kind, p, pixel, row);
    if (verdict == DCNN_VERDICT_JOINED)
      dcnn_store_row (&job->out, pixel, row);
    if (job->verdicts)
      job->verdicts[tile->first + (tile->places ? tile->places[i] : i)] =
          verdict;
  }
}

void
DCNN_FN (dcnn_epilogue_from) (const DcnnJob *job, const DcnnTile *tile,
    uint32_t first_step)
{
  for (uint32_t s = first_step; s < job->n_steps; s++)
    dcnn_step_apply (&job->steps[s], tile->pixels, tile->n, tile->rows,
        tile->stride, job->out.channels);
  switch (job->significance.kind) {
    case DCNN_SIGNIFICANT_ALWAYS:
      judge_tile (job, tile, DCNN_SIGNIFICANT_ALWAYS);
      break;
    case DCNN_SIGNIFICANT_ANY:
      judge_tile (job, tile, DCNN_SIGNIFICANT_ANY);
      break;
    case DCNN_SIGNIFICANT_MAX:
      judge_tile (job, tile, DCNN_SIGNIFICANT_MAX);
      break;
    case DCNN_SIGNIFICANT_SQUARE:
      judge_tile (job, tile, DCNN_SIGNIFICANT_SQUARE);
      break;
  }
}
