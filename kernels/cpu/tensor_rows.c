/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tensor_rows.c - rows of dense tensors: products of matrices, softmax, layer
 * normalisation and point-wise steps. What a row comes out as does not depend on which others
 * are computed with it.
 */
#include <math.h>

#include "cpu_table.h"
#include "epilogue_steps.h"

#define PANEL_VECTORS (DCNN_MATMUL_PANEL / V_LANES)

/* Rows and panels at once: all sums in registers, and no more rows than have
 * their pointers there, too. */
#if V_LANES == 16
#define ROWS 8
#define PANELS 2
#elif V_LANES == 8
#define ROWS 6
#define PANELS 1
#else
#define ROWS 2
#define PANELS 1
#endif
#define VECTORS (PANELS * PANEL_VECTORS)
/* Panels at once of a row that comes alone: so many sums as hide how long one
 * takes. */
#define LONE_PANELS (V_LANES == 16 ? 8 : V_LANES == 8 ? 4 : 1)

#if V_LANES > 1
#define ACCUMULATE V_ACCUMULATE
#else
#define ACCUMULATE(sum, a, b) ((sum) += (a) * (b))
#endif

/* ---- products -------------------------------------------------------------------- */

DcnnMatmulFnType DCNN_FN (dcnn_k_matmul);

/* So many rows of a times so many panels, constants where this is expanded. The
 * sums are kept apart from `to`, which is in memory. */
DCNN_INLINE void
multiply (const DcnnMatmul *mm, const float *const *a, const float *panel,
    const uint32_t rows, const uint32_t panels, v_t to[ROWS][VECTORS])
{
  const uint32_t vectors = panels * PANEL_VECTORS;
  v_t sums[ROWS][VECTORS];

  DCNN_UNROLL
  for (uint32_t i = 0; i < rows; i++) {
    DCNN_UNROLL
    for (uint32_t v = 0; v < vectors; v++)
      sums[i][v] = v_zero ();
  }
  for (size_t p = 0; p < mm->k; p++, panel += DCNN_MATMUL_PANEL) {
    v_t b[VECTORS];
    DCNN_UNROLL
    for (uint32_t v = 0; v < vectors; v++)
      b[v] = v_load (panel + v / PANEL_VECTORS * (mm->k * DCNN_MATMUL_PANEL) +
          v % PANEL_VECTORS * V_LANES);
    DCNN_UNROLL
    for (uint32_t i = 0; i < rows; i++) {
      v_t x = v_set (a[i][(ptrdiff_t) p * mm->a_column]);
      DCNN_UNROLL
      for (uint32_t v = 0; v < vectors; v++)
        ACCUMULATE (sums[i][v], x, b[v]);
    }
  }
  DCNN_UNROLL
  for (uint32_t i = 0; i < rows; i++) {
    DCNN_UNROLL
    for (uint32_t v = 0; v < vectors; v++)
      to[i][v] = sums[i][v];
  }
}

static void
store_row (const v_t *sums, float *out, size_t n)
{
  for (uint32_t v = 0; (size_t) v * V_LANES < n; v++) {
    size_t left = n - (size_t) v * V_LANES;
    v_store_n (out + v * V_LANES, sums[v],
        left < V_LANES ? (unsigned) left : V_LANES);
  }
}

/* One row times so many panels, a constant where this is expanded. */
DCNN_INLINE void
multiply_lone (const DcnnMatmul *mm, const float *a, const float *panel,
    const uint32_t panels, v_t *to)
{
  v_t sums[LONE_PANELS * PANEL_VECTORS];

  DCNN_UNROLL
  for (uint32_t v = 0; v < panels * PANEL_VECTORS; v++)
    sums[v] = v_zero ();
  for (size_t p = 0; p < mm->k; p++, panel += DCNN_MATMUL_PANEL) {
    const v_t x = v_set (a[(ptrdiff_t) p * mm->a_column]);
    DCNN_UNROLL
    for (uint32_t v = 0; v < panels * PANEL_VECTORS; v++)
      ACCUMULATE (sums[v], x, v_load (panel + v / PANEL_VECTORS * (mm->k *
                  DCNN_MATMUL_PANEL) + v % PANEL_VECTORS * V_LANES));
  }
  DCNN_UNROLL
  for (uint32_t v = 0; v < panels * PANEL_VECTORS; v++)
    to[v] = sums[v];
}

static void
lone_row (const DcnnMatmul *mm, const float *a, float *out)
{
  const float *panel = mm->packed;

  for (size_t c = 0, width; c < mm->n; c += width, panel += mm->k * width) {
    v_t sums[LONE_PANELS * PANEL_VECTORS];
    const bool all = mm->n - c > (LONE_PANELS - 1) * DCNN_MATMUL_PANEL;
    width = (all ? LONE_PANELS : 1) * DCNN_MATMUL_PANEL;
    if (all)
      multiply_lone (mm, a, panel, LONE_PANELS, sums);
    else
      multiply_lone (mm, a, panel, 1, sums);
    store_row (sums, out + c, mm->n - c < width ? mm->n - c : width);
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
    if (here == 1) {
      lone_row (mm, a[0], mm->out + rows[r] * mm->out_row);
      break;
    }
    for (size_t c = 0, width; c < mm->n; c += width,
        panel += mm->k * width) {
      v_t sums[ROWS][VECTORS];
      const bool all = mm->n - c > (PANELS - 1) * DCNN_MATMUL_PANEL;
      width = (all ? PANELS : 1) * DCNN_MATMUL_PANEL;
      if (all)
        multiply (mm, a, panel, ROWS, PANELS, sums);
      else
        multiply (mm, a, panel, ROWS, 1, sums);
      for (uint32_t i = 0; i < here; i++)
        store_row (sums[i], mm->out + rows[r + i] * mm->out_row + c,
            mm->n - c < width ? mm->n - c : width);
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

DcnnSoftmaxLinesFnType DCNN_FN (dcnn_k_softmax_lines);

/* See DcnnSoftmaxLinesFn. */
void
DCNN_FN (dcnn_k_softmax_lines) (const float *in, float *out, size_t n,
    size_t stride, size_t lines)
{
  for (size_t c = 0; c < lines; c += V_LANES) {
    const unsigned here = lines - c < V_LANES ? (unsigned) (lines - c) :
        V_LANES;
    v_t top = v_set (-INFINITY), sum = v_zero ();

    for (size_t i = 0; i < n; i++)
      top = v_max (v_load_n (in + i * stride + c, here), top);
    for (size_t i = 0; i < n; i++) {
      v_t e = v_exp (v_sub (v_load_n (in + i * stride + c, here), top));
      sum = v_add (sum, e);
      v_store_n (out + i * stride + c, e, here);
    }
    sum = v_div (v_set (1), sum);
    for (size_t i = 0; i < n; i++)
      v_store_n (out + i * stride + c, v_mul (v_load_n (out + i * stride + c,
                  here), sum), here);
  }
}

/* ---- layer normalisation ------------------------------------------------------------ */

DcnnLayerNormRowFnType DCNN_FN (dcnn_k_layer_norm_row);

/* The sum of the numbers, or of their squared differences from centre. */
DCNN_INLINE float
row_sum (const float *in, size_t n, const bool squares, float centre)
{
  const size_t whole = n - n % V_LANES;
  v_t sum = v_zero ();
  float lanes[V_LANES], total = 0;

  for (size_t i = 0; i < whole; i += V_LANES) {
    v_t d = v_sub (v_load (in + i), v_set (centre));
    sum = squares ? v_fma (d, d, sum) : v_add (sum, d);
  }
  v_store (lanes, sum);
  for (uint32_t i = 0; i < V_LANES; i++)
    total += lanes[i];
  for (size_t i = whole; i < n; i++)
    total += squares ? (in[i] - centre) * (in[i] - centre) : in[i] - centre;
  return total;
}

/* See DcnnLayerNormRowFn. */
void
DCNN_FN (dcnn_k_layer_norm_row) (const float *in, const float *scale,
    const float *bias, float *out, size_t n, float epsilon)
{
  const float mean = row_sum (in, n, false, 0) / (float) n;
  const float by = 1 / sqrtf (row_sum (in, n, true, mean) / (float) n +
      epsilon);

  for (size_t i = 0; i < n; i += V_LANES) {
    const unsigned here = n - i < V_LANES ? (unsigned) (n - i) : V_LANES;
    v_t x = v_mul (v_sub (v_load_n (in + i, here), v_set (mean)), v_set (by));
    x = v_mul (x, v_load_n (scale + i, here));
    v_store_n (out + i, bias ? v_add (x, v_load_n (bias + i, here)) : x, here);
  }
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
