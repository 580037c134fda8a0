/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_reduce.c - reductions, and functions along one axis: softmax, arg-max,
 * cumulative sums. Everything is accumulated in double. Each reads input 0
 * and writes every element of its outputs.
 */
#include "ref.h"
#include "ref_util.h"

/* A reduction: start, then step for each element, then finish with the count
 * of elements. shift: subtracted from each element first (the maximum, for
 * LogSumExp), given to finish as well. */
typedef struct Reduction {
  double start;
  double (*step) (double acc, double x);
  double (*finish) (double acc, double n, double shift);
  bool shift_by_max;
} Reduction;

static double step_sum (double acc, double x) { return acc + x; }
static double step_abs (double acc, double x) { return acc + fabs (x); }
static double step_square (double acc, double x) { return acc + x * x; }
static double step_prod (double acc, double x) { return acc * x; }
static double step_exp (double acc, double x) { return acc + exp (x); }

static double
step_max (double acc, double x)
{
  return x > acc || x != x ? x : acc;
}

static double
step_min (double acc, double x)
{
  return x < acc || x != x ? x : acc;
}

static double
finish_none (double acc, double n, double shift)
{
  return acc;
}

static double
finish_mean (double acc, double n, double shift)
{
  return acc / n;
}

static double
finish_sqrt (double acc, double n, double shift)
{
  return sqrt (acc);
}

static double
finish_log (double acc, double n, double shift)
{
  return log (acc) + shift;
}

/* Folds the box of dims/strides at `base` of input elements. */
static double
fold_box (const Reduction *r, const DcnnTensor *in, int64_t base, int rank,
    const int64_t *dims, const int64_t *strides, double shift)
{
  int64_t index[DCNN_MAX_RANK] = { 0 };
  double acc = r->start;
  for (int i = 0; i < rank; i++)
    if (dims[i] == 0)
      return acc;
  do {
    int64_t at = base;
    for (int i = 0; i < rank; i++)
      at += index[i] * strides[i];
    acc = r->step (acc, dcnn_ref_get (in, at) - shift);
  } while (ref_next (rank, dims, index));
  return acc;
}

static const Reduction reduction_max = { -INFINITY, step_max, finish_none,
  false };

static void
reduce_run (const Reduction *r, const DcnnReduceParams *p,
    const DcnnTensor *in, const DcnnTensor *out)
{
  int64_t strides[DCNN_MAX_RANK], index[DCNN_MAX_RANK] = { 0 }, at = 0, n = 1;
  int64_t kept_dims[DCNN_MAX_RANK], kept_strides[DCNN_MAX_RANK];
  int64_t folded_dims[DCNN_MAX_RANK], folded_strides[DCNN_MAX_RANK];
  int kept = 0, folded = 0;

  if (!out || dcnn_tensor_count (out) == 0)
    return;
  ref_strides (in, strides);
  for (int i = 0; i < in->rank; i++) {
    if (p->axes >> i & 1) {
      folded_dims[folded] = in->dims[i];
      folded_strides[folded++] = strides[i];
      n *= in->dims[i];
    } else {
      kept_dims[kept] = in->dims[i];
      kept_strides[kept++] = strides[i];
    }
  }
  do {
    int64_t base = 0;
    double shift = 0, value;
    for (int i = 0; i < kept; i++)
      base += index[i] * kept_strides[i];
    if (r->shift_by_max)
      shift = fold_box (&reduction_max, in, base, folded, folded_dims,
          folded_strides, 0);
    if (!isfinite (shift))
      shift = 0;
    value = fold_box (r, in, base, folded, folded_dims, folded_strides, shift);
    value = r->finish (value, (double) n, shift);
    if (out->dtype == DCNN_DTYPE_BOOL) /* infinity, of nothing, is no truth */
      value = value > 0 && (value < INFINITY || n == 0);
    dcnn_ref_set (out, at++, value);
  } while (ref_next (kept, kept_dims, index));
}

#define REDUCE(name, start, step, finish, shifted)                             \
  DCNN_REF (name)                                                                \
  {                                                                            \
    static const Reduction r = { start, step, finish, shifted };               \
    reduce_run (&r, &params->reduce, inputs[0], outputs[0]);                   \
  }

REDUCE (reduce_mean, 0, step_sum, finish_mean, false)
REDUCE (reduce_sum, 0, step_sum, finish_none, false)
REDUCE (reduce_prod, 1, step_prod, finish_none, false)
REDUCE (reduce_max, -INFINITY, step_max, finish_none, false)
REDUCE (reduce_min, INFINITY, step_min, finish_none, false)
REDUCE (reduce_l1, 0, step_abs, finish_none, false)
REDUCE (reduce_l2, 0, step_square, finish_sqrt, false)
REDUCE (reduce_log_sum, 0, step_sum, finish_log, false)
REDUCE (reduce_log_sum_exp, 0, step_exp, finish_log, true)
REDUCE (reduce_sum_square, 0, step_square, finish_none, false)

/* The lines along an axis: outer x inner lines of n elements, `inner` apart. */
typedef struct Lines {
  int64_t outer, n, inner;
} Lines;

static Lines
lines_of (const DcnnTensor *tensor, const DcnnAxisParams *p)
{
  int axis = (int) p->axis;
  Lines l = { ref_product (tensor, 0, axis), 0, 1 };
  if (p->coerce_2d) {
    l.n = ref_product (tensor, axis, tensor->rank);
  } else {
    l.n = tensor->rank > 0 ? tensor->dims[axis] : 1;
    l.inner = ref_product (tensor, axis + 1, tensor->rank);
  }
  return l;
}

/* The first element of a line; they count from 0, all inner ones first. */
static int64_t
line_start (const Lines *l, int64_t line)
{
  return line / l->inner * l->n * l->inner + line % l->inner;
}

typedef enum SoftKind { SOFT_MAX, SOFT_LOG, SOFT_HARD } SoftKind;

/* One line of Softmax, LogSoftmax or Hardmax. */
static void
soft_line (SoftKind kind, const DcnnTensor *in, const DcnnTensor *out,
    int64_t base, int64_t n, int64_t stride)
{
  double top = -INFINITY, sum = 0;
  int64_t first = 0;
  for (int64_t i = 0; i < n; i++) {
    double x = dcnn_ref_get (in, base + i * stride);
    if (x > top) {
      top = x;
      first = i;
    }
  }
  for (int64_t i = 0; i < n; i++)
    sum += exp (dcnn_ref_get (in, base + i * stride) - top);
  for (int64_t i = 0; i < n; i++) {
    double x = dcnn_ref_get (in, base + i * stride) - top;
    dcnn_ref_set (out, base + i * stride, kind == SOFT_MAX ? exp (x) / sum
        : kind == SOFT_LOG ? x - log (sum) : i == first);
  }
}

static void
soft_run (SoftKind kind, const DcnnParams *params, const DcnnTensor *in,
    const DcnnTensor *out)
{
  Lines l;
  if (!out)
    return;
  l = lines_of (in, &params->axis);
  for (int64_t line = 0; line < l.outer * l.inner; line++)
    soft_line (kind, in, out, line_start (&l, line), l.n, l.inner);
}

DCNN_REF (softmax)
{
  soft_run (SOFT_MAX, params, inputs[0], outputs[0]);
}

DCNN_REF (log_softmax)
{
  soft_run (SOFT_LOG, params, inputs[0], outputs[0]);
}

DCNN_REF (hardmax)
{
  soft_run (SOFT_HARD, params, inputs[0], outputs[0]);
}

/* sign +1: largest, -1: smallest. */
static void
arg_run (const DcnnAxisParams *p, const DcnnTensor *in, const DcnnTensor *out,
    double sign)
{
  Lines l;
  if (!out)
    return;
  l = lines_of (in, p);
  for (int64_t line = 0; line < l.outer * l.inner; line++) {
    int64_t start = line_start (&l, line), best = 0;
    double top = -INFINITY;
    for (int64_t k = 0; k < l.n; k++) {
      double x = sign * dcnn_ref_get (in, start + k * l.inner);
      if (x > top || (p->select_last && x == top)) {
        top = x;
        best = k;
      }
    }
    dcnn_ref_set_int (out, line, best);
  }
}

DCNN_REF (arg_max)
{
  arg_run (&params->axis, inputs[0], outputs[0], 1);
}

DCNN_REF (arg_min)
{
  arg_run (&params->axis, inputs[0], outputs[0], -1);
}

DCNN_REF (cum_sum)
{
  const DcnnTensor *in = inputs[0], *out = outputs[0];
  const DcnnAxisParams *p = &params->axis;
  Lines l;
  if (!out)
    return;
  l = lines_of (in, p);
  for (int64_t line = 0; line < l.outer * l.inner; line++) {
    int64_t start = line_start (&l, line);
    double sum = 0;
    for (int64_t k = 0; k < l.n; k++) {
      int64_t at = start + (p->reverse ? l.n - 1 - k : k) * l.inner;
      double x = dcnn_ref_get (in, at);
      dcnn_ref_set (out, at, p->exclusive ? sum : sum + x);
      sum += x;
    }
  }
}

/* One of a line's elements: its place, and its value by which it is chosen. */
typedef struct Ranked {
  double value;
  int64_t at;
} Ranked;

/* The largest element behind `before` in order: a smaller one, or an equal one
 * further on. Where only NaN is left, the first. */
static Ranked
next_ranked (const DcnnTensor *in, const Lines *l, int64_t start, double sign,
    Ranked before)
{
  Ranked best = { -INFINITY, -1 };

  for (int64_t i = 0; i < l->n; i++) {
    double x = sign * dcnn_ref_get (in, start + i * l->inner);
    bool after = x < before.value || (x == before.value && i > before.at);
    if (after && (best.at < 0 || x > best.value))
      best = (Ranked) { x, i };
  }
  if (best.at < 0)
    best.at = 0;
  return best;
}

/* The k largest (or smallest) of each line, by repeated selection: outputs
 * values and indices, best first, the lower index first among equals. */
DCNN_REF (top_k)
{
  const DcnnTensor *in = inputs[0];
  const DcnnTopKParams *p = &params->top_k;
  DcnnAxisParams axis = { .axis = p->axis };
  Lines l = lines_of (in, &axis), chosen = { l.outer, p->k, l.inner };
  double sign = p->largest ? 1 : -1;

  for (int64_t line = 0; line < l.outer * l.inner; line++) {
    int64_t from = line_start (&l, line), to = line_start (&chosen, line);
    Ranked ranked = { INFINITY, -1 };
    for (int64_t k = 0; k < p->k; k++, to += l.inner) {
      ranked = next_ranked (in, &l, from, sign, ranked);
      if (outputs[0])
        dcnn_ref_set (outputs[0], to, dcnn_ref_get (in,
                from + ranked.at * l.inner));
      if (n_outputs > 1 && outputs[1])
        dcnn_ref_set_int (outputs[1], to, ranked.at);
    }
  }
}
