/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tensor_rows.c - rows of dense tensors: products of matrices, softmax and
 * point-wise steps. What a row comes out as does not depend on which others
 * are computed with it.
 */
#include <math.h>

#include "cpu_table.h"
#include "epilogue_steps.h"

#define PANEL_VECTORS (DCNN_MATMUL_PANEL / V_LANES)

/* Rows at once: with a panel's vectors and one of a, all sums in registers. */
#if V_LANES == 16
#define ROWS 12
#elif V_LANES == 8
#define ROWS 6
#else
#define ROWS 2
#endif

#if V_LANES > 1
#define ACCUMULATE V_ACCUMULATE
#else
#define ACCUMULATE(sum, a, b) ((sum) += (a) * (b))
#endif

/* ---- products -------------------------------------------------------------------- */

DcnnMatmulFnType DCNN_FN (dcnn_k_matmul);

/* So many rows of a, a constant where this is expanded, times one panel. */
DCNN_INLINE void
multiply (const DcnnMatmul *mm, const float *const *a, const float *panel,
    const uint32_t rows, v_t sums[ROWS][PANEL_VECTORS])
{
  for (uint32_t i = 0; i < rows; i++)
    for (uint32_t v = 0; v < PANEL_VECTORS; v++)
      sums[i][v] = v_zero ();
  for (size_t p = 0; p < mm->k; p++, panel += DCNN_MATMUL_PANEL) {
    v_t b[PANEL_VECTORS];
    for (uint32_t v = 0; v < PANEL_VECTORS; v++)
      b[v] = v_load (panel + v * V_LANES);
    DCNN_UNROLL
    for (uint32_t i = 0; i < rows; i++) {
      v_t x = v_set (a[i][(ptrdiff_t) p * mm->a_column]);
      for (uint32_t v = 0; v < PANEL_VECTORS; v++)
        ACCUMULATE (sums[i][v], x, b[v]);
    }
  }
}

static void
store_row (const v_t *sums, float *out, size_t n)
{
  for (uint32_t v = 0; v < PANEL_VECTORS && (size_t) v * V_LANES < n; v++) {
    size_t left = n - (size_t) v * V_LANES;
    v_store_n (out + v * V_LANES, sums[v],
        left < V_LANES ? (unsigned) left : V_LANES);
  }
}

/* See DcnnMatmulFn. */
void
DCNN_FN (dcnn_k_matmul) (const DcnnMatmul *mm, const uint32_t *rows,
    size_t begin, size_t end)
{
  for (size_t r = begin; r < end; r += ROWS) {
    const uint32_t here = end - r < ROWS ? (uint32_t) (end - r) : ROWS;
    const float *a[ROWS], *panel = mm->packed;
    for (uint32_t i = 0; i < ROWS; i++)
      a[i] = mm->a + (ptrdiff_t) rows[r + (i < here ? i : 0)] * mm->a_row;
    for (size_t c = 0; c < mm->n; c += DCNN_MATMUL_PANEL,
        panel += mm->k * DCNN_MATMUL_PANEL) {
      v_t sums[ROWS][PANEL_VECTORS];
      if (here == 1)
        multiply (mm, a, panel, 1, sums);
      else
        multiply (mm, a, panel, ROWS, sums);
      for (uint32_t i = 0; i < here; i++)
        store_row (sums[i], mm->out + rows[r + i] * mm->n + c,
            mm->n - c < DCNN_MATMUL_PANEL ? mm->n - c : DCNN_MATMUL_PANEL);
    }
  }
}

/* ---- softmax ---------------------------------------------------------------------- */

DcnnSoftmaxRowFnType DCNN_FN (dcnn_k_softmax_row);

/* See DcnnSoftmaxRowFn. */
void
DCNN_FN (dcnn_k_softmax_row) (const float *in, float *out, size_t n,
    bool log_form)
{
  const size_t whole = n - n % V_LANES;
  float most = -INFINITY, total = 0, lanes[V_LANES];
  v_t sum = v_zero (), top = v_set (most);

  for (size_t i = 0; i < whole; i += V_LANES)
    top = v_max (v_load (in + i), top); /* NaN: the exponentials will tell */
  v_store (lanes, top);
  for (uint32_t i = 0; i < V_LANES; i++)
    most = lanes[i] > most ? lanes[i] : most;
  for (size_t i = whole; i < n; i++)
    most = in[i] > most ? in[i] : most;
  for (size_t i = 0; i < whole; i += V_LANES) {
    v_t d = v_sub (v_load (in + i), v_set (most)), e = v_exp (d);
    sum = v_add (sum, e);
    v_store (out + i, log_form ? d : e);
  }
  v_store (lanes, sum);
  for (uint32_t i = 0; i < V_LANES; i++)
    total += lanes[i];
  for (size_t i = whole; i < n; i++) {
    float d = in[i] - most, e = expf (d);
    total += e;
    out[i] = log_form ? d : e;
  }
  const float by = log_form ? logf (total) : 1 / total;
  for (size_t i = 0; i < n; i++)
    out[i] = log_form ? out[i] - by : out[i] * by;
}

/* ---- steps ------------------------------------------------------------------------ */

DcnnStepRowFnType DCNN_FN (dcnn_k_step_row);

/* kind is a constant where this is expanded. */
DCNN_INLINE void
step_row (DcnnStepKind kind, const DcnnStep *step, const float *in,
    const float *operand, float *out, size_t n)
{
  const float a = step->a, b = step->b;

  for (size_t i = 0; i < n; i += V_LANES) {
    const unsigned here = n - i < V_LANES ? (unsigned) (n - i) : V_LANES;
    v_t x = v_load_n (in + i, here);
    v_t e = operand ? v_load_n (operand + i, here) : v_set (a);
    v_store_n (out + i, dcnn_step_lanes (kind, x, e, a, b), here);
  }
}

/* See DcnnStepRowFn. */
void
DCNN_FN (dcnn_k_step_row) (const DcnnStep *step, const float *in,
    const float *operand, float *out, size_t n)
{
  switch (step->kind) {
#define DCNN_X(e, name)                                                        \
    case DCNN_STEP_##e:                                                        \
      step_row (DCNN_STEP_##e, step, in, operand, out, n);                     \
      break;
    DCNN_STEPS (DCNN_X)
#undef DCNN_X
    case DCNN_STEP_COUNT:
      break;
  }
}
