/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tail_reduce.c - tails that look at many numbers for each: softmax, sums,
 * means and lengths.
 */
#include "dcnn_tail.h"

#include <math.h>

/* ---- softmax ---------------------------------------------------------------------- */

static void
softmax_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const TailRun *run = data;

  for (gsize i = begin; i < end; i++) {
    gsize at = run->rows[i] * run->length;
    run->session->cpu->kernels->softmax_row ((const float *) run->in[0]->data +
        at, (float *) run->out->data + at, run->length, run->log_form);
  }
}

/* Softmax over another dimension than the last: `lines` lines side by side of n
 * numbers each, block by block of them. */
#define LINES 64

static void
softmax_lines_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const TailRun *run = data;
  const gsize n = (gsize) run->in[0]->dims[run->gn->params.axis.axis];
  const gsize blocks = (run->lines + LINES - 1) / LINES;

  for (gsize i = begin; i < end; i++) {
    gsize first = i % blocks * LINES;
    gsize at = i / blocks * n * run->lines + first;
    run->session->cpu->kernels->softmax_lines ((const float *)
        run->in[0]->data + at, (float *) run->out->data + at, n, run->lines,
        MIN (run->lines - first, LINES));
  }
}

static gboolean
run_softmax_lines (TailRun *run)
{
  const DcnnTensor *t = run->in[0];
  const int axis = (int) run->gn->params.axis.axis;
  gsize outer = 1, blocks;

  if (run->gn->params.axis.coerce_2d || run->gn->op != DCNN_OP_SOFTMAX)
    return FALSE;
  run->lines = 1;
  for (int i = 0; i < t->rank; i++)
    if (i < axis)
      outer *= (gsize) t->dims[i];
    else if (i > axis)
      run->lines *= (gsize) t->dims[i];
  blocks = outer * ((run->lines + LINES - 1) / LINES);
  dcnn_tail_list_rows (run, 1, TRUE);
  dcnn_run_parallel (run->session, blocks, MAX (1, blocks /
          (run->session->threads * 4)), (gsize) dcnn_tensor_count (t) * 16,
      softmax_lines_work, run);
  return TRUE;
}

gboolean
dcnn_tail_softmax (TailRun *run)
{
  const DcnnTensor *t = run->in[0];

  if (!dcnn_tail_is_floats (t))
    return FALSE;
  if (run->gn->params.axis.axis != t->rank - 1)
    return run_softmax_lines (run);
  run->log_form = run->gn->op == DCNN_OP_LOG_SOFTMAX;
  dcnn_tail_list_rows (run, 1, run->stream->cpu->dense);
  dcnn_tail_share_out (run, 16 * run->length, softmax_work);
  return TRUE;
}

/* ---- reductions ------------------------------------------------------------------------ */

#define SUMS 8

static inline double
reduced (const TailRun *run, double sum)
{
  return run->gn->op == DCNN_OP_REDUCE_MEAN ? sum / (double) run->depth :
      run->gn->op == DCNN_OP_REDUCE_L2 ? sqrt (sum) : sum;
}

/* Numbers that lie side by side: in an order of its own, always the same. */
static void
reduce_rows_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const TailRun *run = data;
  const gboolean squares = run->gn->op == DCNN_OP_REDUCE_L2;

  for (gsize i = begin; i < end; i++) {
    const float *in = (const float *) run->in[0]->data +
        run->rows[i] * run->depth;
    double sums[SUMS] = { 0 };
    for (gsize k = 0; k < run->depth; k += SUMS)
      for (gsize s = 0; s < MIN (SUMS, run->depth - k); s++) {
        double v = (double) in[k + s];
        sums[s] += squares ? v * v : v;
      }
    for (gsize s = SUMS / 2; s > 0; s /= 2)
      for (gsize k = 0; k < s; k++)
        sums[k] += sums[k + s];
    ((float *) run->out->data)[run->rows[i]] = (float) reduced (run, sums[0]);
  }
}

/* `lines` results side by side, of numbers as far apart. */
static void
reduce_lines_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const TailRun *run = data;
  const gboolean squares = run->gn->op == DCNN_OP_REDUCE_L2;
  const gsize blocks = (run->lines + LINES - 1) / LINES;

  for (gsize i = begin; i < end; i++) {
    const gsize first = i % blocks * LINES, outer = i / blocks;
    const gsize n = MIN (run->lines - first, LINES);
    const float *in = (const float *) run->in[0]->data +
        outer * run->depth * run->lines + first;
    float *out = (float *) run->out->data + outer * run->lines + first;
    double sums[LINES] = { 0 };
    for (gsize k = 0; k < run->depth; k++, in += run->lines)
      for (gsize l = 0; l < n; l++) {
        double v = (double) in[l];
        sums[l] += squares ? v * v : v;
      }
    for (gsize l = 0; l < n; l++)
      out[l] = (float) reduced (run, sums[l]);
  }
}

/* Over dimensions that follow one another. Of the last one alone, rows that
 * nothing changed are left. */
gboolean
dcnn_tail_reduce (TailRun *run)
{
  const DcnnTensor *in = run->in[0];
  const guint32 axes = run->gn->params.reduce.axes;
  gsize outer = 1, blocks;
  int i = 0;

  if (!dcnn_tail_is_floats (in) || axes == 0)
    return FALSE;
  run->depth = run->lines = 1;
  for (; !(axes >> i & 1); i++)
    outer *= (gsize) in->dims[i];
  for (; i < in->rank && (axes >> i & 1); i++)
    run->depth *= (gsize) in->dims[i];
  if (axes >> i)
    return FALSE;
  for (; i < in->rank; i++)
    run->lines *= (gsize) in->dims[i];
  if (run->lines == 1 && run->gn->params.reduce.keepdims &&
      axes == 1u << (in->rank - 1)) {
    dcnn_tail_list_rows (run, 1, run->stream->cpu->dense);
    dcnn_tail_share_out (run, 2 * run->depth, reduce_rows_work);
    return TRUE;
  }
  blocks = outer * ((run->lines + LINES - 1) / LINES);
  dcnn_run_parallel (run->session, blocks, MAX (1, blocks /
          (run->session->threads * 4)), (gsize) dcnn_tensor_count (in) * 2,
      reduce_lines_work, run);
  dcnn_tail_list_rows (run, 1, TRUE);
  return TRUE;
}
