/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_tail_recurrent.c - LSTM, GRU and RNN in tails: all steps by one kernel.
 */
#include "dcnn_tail.h"

#include <string.h>

static DcnnCellKind
kind_of (const DcnnNode *gn)
{
  const DcnnRecurrentParams *p = &gn->params.recurrent;

  return p->gates == 4 ? DCNN_CELL_LSTM : p->gates == 1 ? DCNN_CELL_RNN :
      p->after ? DCNN_CELL_GRU_AFTER : DCNN_CELL_GRU;
}

gsize
dcnn_tail_recurrent_floats (const DcnnNode *gn, const DcnnTensor *weights)
{
  return dcnn_recurrent_floats (kind_of (gn), (gsize) weights->dims[1]);
}

void
dcnn_tail_recurrent_pack (const DcnnNode *gn, const DcnnTensor *weights,
    float *to)
{
  dcnn_recurrent_pack (kind_of (gn), (gsize) weights->dims[1], weights->data,
      to);
}

/* An optional operand; NULL: it is absent. */
static const float *
operand (const TailRun *run, int i)
{
  return i < run->gn->n_inputs && run->in[i] ? run->in[i]->data : NULL;
}

/* The tensor of cells' contents, of which all is new. */
static float *
cells_of (TailRun *run)
{
  const gint t = run->session->plan->values[run->gn->outputs[1]].tensor;
  const DcnnTensor *cells = &run->stream->cpu->tensors[t];
  const gsize bytes = (gsize) dcnn_tensor_count (cells) * sizeof (float);

  dcnn_mark_rows (run->stream, t, 0, -1);
  if (operand (run, 3))
    memcpy (cells->data, operand (run, 3), bytes);
  else
    memset (cells->data, 0, bytes);
  return cells->data;
}

gboolean
dcnn_tail_recurrent (TailRun *run)
{
  const DcnnTensor *in = run->in[0];
  const gsize steps = (gsize) in->dims[0], batch = (gsize) in->dims[1];
  const ptrdiff_t way = run->gn->params.recurrent.backward ? -1 : 1;
  const gsize first = way < 0 ? steps - 1 : 0;
  const float *state = operand (run, 2);
  float *cells;
  DcnnRecurrent layer = { .kind = kind_of (run->gn), .steps = steps,
    .hidden = run->length, .packed = run->panels,
    .late_bias = operand (run, 4),
    .in_step = way * in->dims[1] * in->dims[2],
    .out_step = way * in->dims[1] * (ptrdiff_t) run->length };

  cells = cells_of (run);
  if (layer.packed == NULL) {
    dcnn_tail_recurrent_pack (run->gn, run->in[1],
        run->session->cpu->tail_pack);
    layer.packed = run->session->cpu->tail_pack;
  }
  for (gsize b = 0; b < batch; b++) {
    layer.in = (const float *) in->data + (first * batch + b) * (gsize)
        in->dims[2];
    layer.out = (float *) run->out->data + (first * batch + b) * run->length;
    layer.state = state ? state + b * run->length : NULL;
    layer.work = cells + b * run->length;
    run->session->cpu->kernels->recurrent (&layer);
  }
  dcnn_tail_list_rows (run, 0, TRUE);
  return TRUE;
}
