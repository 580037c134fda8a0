/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * epilogue_steps.h - the point-wise steps on rows of scratch (DCNN_STEPS).
 * Included by
 * epilogue.c, and by kernels that fuse a step into their own store.
 */
#ifndef DCNN_EPILOGUE_STEPS_H
#define DCNN_EPILOGUE_STEPS_H

#include "dcnn_kernels.h"
#include "vmath.h"

/* What one step does to a vector r with operand e (NaN survives). kind is a
 * constant where this is expanded. */
DCNN_INLINE v_t
dcnn_step_lanes (DcnnStepKind kind, v_t r, v_t e, float a, float b)
{
  const v_t zero = v_zero (), one = v_set (1.0f), va = v_set (a);

  switch (kind) {
    case DCNN_STEP_RELU: return v_max (zero, r);
    case DCNN_STEP_CLIP: return v_min (v_set (b), v_max (va, r));
    case DCNN_STEP_LEAKY_RELU:
      return v_select (v_lt (r, zero), v_mul (r, va), r);
    case DCNN_STEP_THRESHOLDED_RELU:
      return v_select (v_lt (va, r), r, zero);
    case DCNN_STEP_SIGMOID: return v_sigmoid (r);
    case DCNN_STEP_HARD_SIGMOID:
      return v_min (one, v_max (zero, v_add (v_mul (r, va), v_set (b))));
    case DCNN_STEP_HARD_SWISH:
      return v_mul (r, v_min (one, v_max (zero,
                  v_add (v_mul (r, v_set (1.0f / 6.0f)), v_set (0.5f)))));
    case DCNN_STEP_SILU: return v_silu (r);
    case DCNN_STEP_TANH: return v_tanh (r);
    case DCNN_STEP_ELU:
      return v_select (v_lt (r, zero),
          v_mul (va, v_sub (v_exp (r), one)), r);
    case DCNN_STEP_SELU:
      return v_mul (v_set (b), v_select (v_lt (r, zero),
              v_mul (va, v_sub (v_exp (r), one)), r));
    case DCNN_STEP_GELU: return v_gelu (r);
    case DCNN_STEP_GELU_TANH: return v_gelu_tanh (r);
    case DCNN_STEP_ERF: return v_erf (r);
    case DCNN_STEP_SOFTPLUS: return v_softplus (r);
    case DCNN_STEP_MISH: return v_mish (r);
    case DCNN_STEP_EXP: return v_exp (r);
    case DCNN_STEP_LOG: return v_log (r);
    case DCNN_STEP_SQRT: return v_sqrt (r);
    case DCNN_STEP_ABS: return v_abs (r);
    case DCNN_STEP_NEG: return v_neg (r);
    case DCNN_STEP_ROUND: /* never -0: sparse and dense would differ by it */
      return v_add (zero, v_round (v_min (v_set (b), v_max (va, r))));
    case DCNN_STEP_ADD: return v_add (r, e);
    case DCNN_STEP_SUB: return v_sub (r, e);
    case DCNN_STEP_RSUB: return v_sub (e, r);
    case DCNN_STEP_MUL: return v_mul (r, e);
    case DCNN_STEP_DIV: return v_div (r, e);
    case DCNN_STEP_RDIV: return v_div (e, r);
    case DCNN_STEP_POW: return v_pow (r, e);
    case DCNN_STEP_RPOW: return v_pow (e, r);
    case DCNN_STEP_MIN: return v_select (v_ne (e, e), e, v_min (e, r));
    case DCNN_STEP_MAX: return v_select (v_ne (e, e), e, v_max (e, r));
    case DCNN_STEP_PRELU: return v_select (v_lt (r, zero), v_mul (r, e), r);
    case DCNN_STEP_COUNT: break;
  }
  return r;
}

/* The rows that steps work on: channels begin .. begin + count - 1, lanes up
 * to begin + writable - 1 may be written. */
typedef struct DcnnStepRows {
  const uint32_t *pixels;   /* [n] where binary steps read their operand */
  float *const *rows;       /* [n] */
  uint32_t n, begin, count, writable;
} DcnnStepRows;

/* One step; kind is a constant where this is expanded. Lanes between count and
 * the next full vector become 0, as every row's: a view's are part of what its
 * neighbours' consumers compare. */
DCNN_INLINE void
dcnn_step_rows (const DcnnStep *step, DcnnStepKind kind,
    const DcnnStepRows *work)
{
  const DcnnStepRows w = *work;
  const uint32_t whole = w.count - w.count % V_LANES;
  const uint32_t tail = w.writable - whole < V_LANES ? w.writable - whole
      : V_LANES;
  const bool pixelwise = step->operand == DCNN_OPERAND_MAP ||
      step->operand == DCNN_OPERAND_PIXEL;
  const bool each = step->operand == DCNN_OPERAND_VECTOR ||
      step->operand == DCNN_OPERAND_MAP;
  const float *operand = step->vector ? step->vector + w.begin : NULL;
  const float a = step->a, b = step->b;
  v_t e = v_set (a);

  for (uint32_t i = 0; i < w.n; i++) {
    float *row = w.rows[i] + w.begin;
    uint32_t c = 0;
    if (pixelwise) {
      operand = dcnn_map_pixel (&step->map, DCNN_PIXEL_Y (w.pixels[i]),
          DCNN_PIXEL_X (w.pixels[i]));
      if (each)
        operand += w.begin;
      else
        e = v_set (*operand);
    }
    if (!each) {
      for (; c < whole; c += V_LANES)
        v_store (row + c, dcnn_step_lanes (kind, v_load (row + c), e, a, b));
      if (c < w.count)
        v_store_n (row + c, v_keep (dcnn_step_lanes (kind, v_load (row + c), e,
                    a, b), w.count - c), tail);
      continue;
    }
    for (; c < whole; c += V_LANES)
      v_store (row + c, dcnn_step_lanes (kind, v_load (row + c),
              v_load (operand + c), a, b));
    if (c < w.count)
      v_store_n (row + c, v_keep (dcnn_step_lanes (kind, v_load (row + c),
                  v_load_n (operand + c, w.count - c), a, b), w.count - c),
          tail);
  }
}

static inline void
dcnn_step_apply (const DcnnStep *step, const DcnnStepRows *work)
{
  switch (step->kind) {
#define DCNN_X(e, name)                                                        \
    case DCNN_STEP_##e:                                                        \
      dcnn_step_rows (step, DCNN_STEP_##e, work);                              \
      break;
    DCNN_STEPS (DCNN_X)
#undef DCNN_X
    case DCNN_STEP_COUNT:
      break;
  }
}

#endif
