/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * epilogue.c - steps, judgement and store of a tile of rows (epilogue.h),
 * compiled once for each level.
 */
#include "epilogue.h"

#include "epilogue_steps.h"

/* The row's verdict by a criterion known at compile time. */
DCNN_INLINE uint8_t
dcnn_judge_row (const DcnnJob *job, DcnnSignificanceKind kind, uint32_t flags,
    const float *pixel, const float *row)
{
  const uint32_t channels = job->out.channels;
  const float *inv = job->significance.inv_spread;
  const v_t limit = v_set (job->significance.limit);
  vm_t differs = vm_none (), over = vm_none ();
  v_t sum = v_zero ();
  uint32_t c = 0;

  for (; c < channels; c += V_LANES) {
    uint32_t left = channels - c;
    v_t a = v_load (row + c), b, w;
    if (left >= V_LANES) {
      b = v_load (pixel + c);
      w = inv ? v_load (inv + c) : v_zero ();
    } else {
      a = v_keep (a, left);
      b = v_load_n (pixel + c, left);
      w = inv ? v_load_n (inv + c, left) : v_zero ();
    }
    v_t d = v_sub (a, b);
    differs = vm_or (differs, v_ne (d, v_zero ()));
    if (kind == DCNN_SIGNIFICANT_MAX)
      over = vm_or (over, v_nle (v_abs (v_mul (d, w)), limit));
    else if (kind == DCNN_SIGNIFICANT_SQUARE) {
      v_t e = v_mul (d, w);
      sum = v_fma (e, e, sum);
    }
  }
  bool any = vm_any (differs), joins;
  if (flags & DCNN_PIXEL_FORCE)
    return DCNN_VERDICT_JOINED;
  if (!any)
    return DCNN_VERDICT_SAME;
  if ((flags & DCNN_PIXEL_EXACT) || kind == DCNN_SIGNIFICANT_ANY)
    joins = true;
  else if (kind == DCNN_SIGNIFICANT_MAX)
    joins = vm_any (over);
  else
    joins = !(v_sum (sum) <= job->significance.limit);
  return joins ? DCNN_VERDICT_JOINED : DCNN_VERDICT_KEPT;
}

/* Judges and stores a tile whose steps are done, by a criterion known at
 * compile time. */
DCNN_INLINE void
dcnn_judge_tile (const DcnnJob *job, const DcnnTile *tile,
    DcnnSignificanceKind kind)
{
  for (uint32_t i = 0; i < tile->n; i++) {
    uint32_t p = tile->pixels[i];
    const float *row = tile->rows + i * tile->stride;
    float *pixel = dcnn_map_pixel (&job->out, DCNN_PIXEL_Y (p),
        DCNN_PIXEL_X (p));
    uint8_t verdict = kind == DCNN_SIGNIFICANT_ALWAYS ? DCNN_VERDICT_JOINED
        : dcnn_judge_row (job, kind, p, pixel, row);
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
      dcnn_judge_tile (job, tile, DCNN_SIGNIFICANT_ALWAYS);
      break;
    case DCNN_SIGNIFICANT_ANY:
      dcnn_judge_tile (job, tile, DCNN_SIGNIFICANT_ANY);
      break;
    case DCNN_SIGNIFICANT_MAX:
      dcnn_judge_tile (job, tile, DCNN_SIGNIFICANT_MAX);
      break;
    case DCNN_SIGNIFICANT_SQUARE:
      dcnn_judge_tile (job, tile, DCNN_SIGNIFICANT_SQUARE);
      break;
  }
}
