/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ref_recurrent.c - a direction of LSTM, GRU or RNN, step by step. See
 * DcnnRecurrentParams.
 */
#include <math.h>

#include "ref.h"
#include "ref_util.h"

/* A step of one of the batch. */
typedef struct Step {
  const DcnnTensor *in, *weights;
  int64_t hidden, at;      /* at: of what the sequence gives */
  const DcnnTensor *state; /* before the step, from state_at on; NULL: zeros */
  int64_t state_at;
} Step;

static double
sigmoid (double x)
{
  return 1 / (1 + exp (-x));
}

/* A gate's product with a state, from `at` on. */
static double
product (const Step *s, int64_t gate, int64_t cell, const DcnnTensor *state,
    int64_t at)
{
  const int64_t row = (gate * s->hidden + cell) * s->hidden;
  double sum = 0;

  for (int64_t k = 0; state && k < s->hidden; k++)
    sum += dcnn_ref_get (s->weights, row + k) * dcnn_ref_get (state, at + k);
  return sum;
}

static double
given (const Step *s, int64_t gate, int64_t cell)
{
  return dcnn_ref_get (s->in, s->at + gate * s->hidden + cell);
}

static double
sum (const Step *s, int64_t gate, int64_t cell)
{
  return given (s, gate, cell) + product (s, gate, cell, s->state,
      s->state_at);
}

static double
before (const Step *s, int64_t cell)
{
  return s->state ? dcnn_ref_get (s->state, s->state_at + cell) : 0;
}

static void
lstm (const Step *s, const DcnnTensor *cells, int64_t cell_at,
    const DcnnTensor *out, int64_t out_at)
{
  for (int64_t i = 0; i < s->hidden; i++) {
    const double c = sigmoid (sum (s, 2, i)) * dcnn_ref_get (cells, cell_at
        + i) + sigmoid (sum (s, 0, i)) * tanh (sum (s, 3, i));
    dcnn_ref_set (cells, cell_at + i, c);
    dcnn_ref_set (out, out_at + i, sigmoid (sum (s, 1, i)) * tanh (c));
  }
}

/* work holds the state with the reset, where that comes before the product. */
static void
gru (const Step *s, bool after, const DcnnTensor *bias,
    const DcnnTensor *work, int64_t work_at, const DcnnTensor *out,
    int64_t out_at)
{
  for (int64_t i = 0; i < s->hidden; i++)
    dcnn_ref_set (work, work_at + i, sigmoid (sum (s, 1, i)) * (after ? 1
            : before (s, i)));
  for (int64_t i = 0; i < s->hidden; i++) {
    const double update = sigmoid (sum (s, 0, i));
    const double fresh = tanh (given (s, 2, i) + (after
            ? dcnn_ref_get (work, work_at + i) * (product (s, 2, i, s->state,
                    s->state_at) + (bias ? dcnn_ref_get (bias, i) : 0))
            : product (s, 2, i, work, work_at)));
    dcnn_ref_set (out, out_at + i, (1 - update) * fresh + update
        * before (s, i));
  }
}

DCNN_REF (recurrent)
{
  const DcnnRecurrentParams *p = &params->recurrent;
  const DcnnTensor *out = outputs[0], *work = outputs[1];
  const DcnnTensor *first = n_inputs > 2 ? inputs[2] : NULL;
  const DcnnTensor *cells = n_inputs > 3 ? inputs[3] : NULL;
  const DcnnTensor *bias = n_inputs > 4 ? inputs[4] : NULL;
  const int64_t steps = inputs[0]->dims[0], batch = inputs[0]->dims[1];
  Step s = { .in = inputs[0], .weights = inputs[1],
    .hidden = inputs[1]->dims[1] };

  if (!out || !work)
    return;
  for (int64_t i = 0; i < batch * s.hidden; i++)
    dcnn_ref_set (work, i, cells ? dcnn_ref_get (cells, i) : 0);
  for (int64_t n = 0; n < batch * steps; n++) {
    const int64_t b = n % batch, t = n / batch;
    const int64_t place = p->backward ? steps - 1 - t : t;
    const int64_t out_at = (place * batch + b) * s.hidden;
    s.at = out_at * p->gates;
    s.state = t == 0 ? first : out;
    s.state_at = t == 0 ? b * s.hidden : out_at + (p->backward ? 1 : -1)
        * batch * s.hidden;
    if (p->gates == 4)
      lstm (&s, work, b * s.hidden, out, out_at);
    else if (p->gates == 3)
      gru (&s, p->after, bias, work, b * s.hidden, out, out_at);
    for (int64_t i = 0; p->gates == 1 && i < s.hidden; i++)
      dcnn_ref_set (out, out_at + i, tanh (sum (&s, 0, i)));
  }
}
