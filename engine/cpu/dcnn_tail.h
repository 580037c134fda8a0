/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tail.h - private to the tails (dcnn_tail.c): one that runs, and which rows
 * of its output it computes. A kernel gives FALSE where it does not suit; then
 * the reference operator runs.
 */
#ifndef DCNN_TAIL_H
#define DCNN_TAIL_H

#include "cpu.h"

G_BEGIN_DECLS

/* A tail that runs: its tensors, and the rows (of the last dimension) of its
 * output that it computes. */
typedef struct TailRun {
  DcnnSession *session;
  DcnnStream *stream;
  const DcnnNode *gn;
  DcnnTensor *out;
  gint out_index;
  const guint32 *rows;
  gsize n_rows;
  gsize length;            /* of a row */
  /* of the kernel at hand */
  DcnnStep step;
  int row_input;           /* of a step: the one that rows come from */
  const float *operand;
  gsize operand_strides[DCNN_MAX_RANK]; /* by dimension of the output but the
                              last; 0: the same for all */
  gboolean row_each;       /* each row has its own operand, in that order */
  gboolean number_each;    /* the operand of a row is one number */
  gboolean log_form;
  gsize lines;             /* side by side */
  gsize depth;             /* of a reduction: numbers that become one */
  DcnnMatmul product;
  const float *panels;     /* its second operand, from the model; or NULL */
  /* of the node's inputs alone; first is in: all before it starts as zeros */
  const DcnnTensor *in[DCNN_MAX_NODE_INPUTS];
  gint index[DCNN_MAX_NODE_INPUTS]; /* of the stream's tensors; -1 */
} TailRun;

static inline gsize
dcnn_tail_row_length (const DcnnTensor *t)
{
  return t->rank > 0 ? (gsize) t->dims[t->rank - 1] : 1;
}

static inline gboolean
dcnn_tail_is_floats (const DcnnTensor *t)
{
  return t != NULL && t->dtype == DCNN_DTYPE_F32;
}

/* Lists the rows of the output that follow changed rows of the inputs in
 * `follow` (bits); or all. */
void dcnn_tail_list_rows (TailRun *run, guint32 follow, gboolean all);
/* Computes the listed rows on the session's threads. */
void dcnn_tail_share_out (TailRun *run, gsize cost_of_row, DcnnPoolFn fn);

gboolean dcnn_tail_softmax (TailRun *run);
/* Conv; and the floats of tail_pack that it needs. */
gboolean dcnn_tail_conv (TailRun *run);
gsize dcnn_tail_conv_floats (const DcnnGraph *graph, const DcnnNode *gn,
    guint threads);
/* GridSample. */
gboolean dcnn_tail_grid (TailRun *run);
/* LSTM, GRU, RNN; and what the kernel reads, packed: floats, and to `to`. */
gboolean dcnn_tail_recurrent (TailRun *run);
gsize dcnn_tail_recurrent_floats (const DcnnNode *gn, const DcnnTensor *weights);
void dcnn_tail_recurrent_pack (const DcnnNode *gn, const DcnnTensor *weights,
    float *to);
/* ReduceMean, ReduceSum, ReduceL2. */
gboolean dcnn_tail_reduce (TailRun *run);

G_END_DECLS

#endif
