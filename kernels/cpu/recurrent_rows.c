/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recurrent_rows.c - all steps of a recurrent layer, for one of its batch.
 */
#include "cpu_table.h"
#include "vmath.h"

#define PANEL_VECTORS (DCNN_MATMUL_PANEL / V_LANES)
#define MOST 4 /* panels side by side */

#if V_LANES > 1
#define ACCUMULATE V_ACCUMULATE
#else
#define ACCUMULATE(sum, a, b) ((sum) += (a) * (b))
#endif

DcnnRecurrentFnType DCNN_FN (dcnn_k_recurrent);

/* k numbers of a state times so many panels side by side, a constant where this
 * is expanded. */
DCNN_INLINE void
multiply (const float *state, size_t k, const float *packed,
    const uint32_t panels, v_t to[MOST * PANEL_VECTORS])
{
  v_t sums[MOST * PANEL_VECTORS];

  DCNN_UNROLL
  for (uint32_t v = 0; v < panels * PANEL_VECTORS; v++)
    sums[v] = v_zero ();
  for (size_t p = 0; p < k; p++, packed += panels * DCNN_MATMUL_PANEL) {
    const v_t x = v_set (state[p]);
    DCNN_UNROLL
    for (uint32_t v = 0; v < panels * PANEL_VECTORS; v++)
      ACCUMULATE (sums[v], x, v_load (packed + v * V_LANES));
  }
  DCNN_UNROLL
  for (uint32_t v = 0; v < panels * PANEL_VECTORS; v++)
    to[v] = sums[v];
}

/* A step: what it reads and writes. */
typedef struct Step {
  const DcnnRecurrent *layer;
  const float *in, *before; /* what the sequence gives; the state before, or
                              NULL */
  float *out;              /* the state after */
} Step;

/* Cell c's gate, before its function: the sum, and what the sequence gives. */
DCNN_INLINE v_t
gate (const Step *s, uint32_t g, size_t c, unsigned here, v_t sum)
{
  return v_add (v_load_n (s->in + g * s->layer->hidden + c, here), sum);
}

DCNN_INLINE v_t
before (const Step *s, size_t c, unsigned here)
{
  return s->before ? v_load_n (s->before + c, here) : v_zero ();
}

/* update * before + (1 - update) * fresh */
DCNN_INLINE v_t
blend (v_t update, v_t old, v_t fresh)
{
  return v_add (fresh, v_mul (update, v_sub (old, fresh)));
}

/* Vector v of a group of cells that begins at c. kind and pass are constants
 * where this is expanded. */
DCNN_INLINE void
finish (const Step *s, const DcnnCellKind kind, const uint32_t pass, size_t c,
    unsigned here, const v_t *sums, uint32_t v)
{
  const DcnnRecurrent *layer = s->layer;
  /* of one gate, four panels of cells follow each other; of two, two */
  const uint32_t apart = kind == DCNN_CELL_GRU ? 2 * PANEL_VECTORS :
      PANEL_VECTORS;
  v_t a, b, d;

  if (kind == DCNN_CELL_RNN) {
    v_store_n (s->out + c, v_tanh (gate (s, 0, c, here, sums[v])), here);
  } else if (kind == DCNN_CELL_LSTM) {
    a = v_mul (v_sigmoid (gate (s, 0, c, here, sums[v])),
        v_tanh (gate (s, 3, c, here, sums[v + 3 * apart])));
    b = v_sigmoid (gate (s, 2, c, here, sums[v + 2 * apart]));
    a = v_add (v_mul (b, v_load_n (layer->work + c, here)), a);
    v_store_n (layer->work + c, a, here);
    b = v_sigmoid (gate (s, 1, c, here, sums[v + apart]));
    v_store_n (s->out + c, v_mul (b, v_tanh (a)), here);
  } else if (kind == DCNN_CELL_GRU_AFTER) {
    a = v_sigmoid (gate (s, 0, c, here, sums[v]));
    b = v_sigmoid (gate (s, 1, c, here, sums[v + apart]));
    d = sums[v + 2 * apart];
    if (layer->late_bias)
      d = v_add (d, v_load_n (layer->late_bias + c, here));
    d = v_tanh (gate (s, 2, c, here, v_mul (b, d)));
    v_store_n (s->out + c, blend (a, before (s, c, here), d), here);
  } else if (pass == 0) { /* the update waits where the state will be */
    v_store_n (s->out + c, v_sigmoid (gate (s, 0, c, here, sums[v])), here);
    b = v_sigmoid (gate (s, 1, c, here, sums[v + apart]));
    v_store_n (layer->work + c, v_mul (b, before (s, c, here)), here);
  } else {
    d = v_tanh (gate (s, 2, c, here, sums[v]));
    v_store_n (s->out + c, blend (v_load_n (s->out + c, here), before (s, c,
                here), d), here);
  }
}

/* A pass over all cells. Returns the end of its weights. */
DCNN_INLINE const float *
run_pass (const Step *s, const DcnnCellKind kind, const uint32_t pass,
    const uint32_t panels, const uint32_t cells, const float *packed)
{
  const size_t n = s->layer->hidden;
  const float *state = kind == DCNN_CELL_GRU && pass > 0 ? s->layer->work :
      s->before;

  for (size_t c = 0; c < n; c += cells, packed += n * panels *
      DCNN_MATMUL_PANEL) {
    v_t sums[MOST * PANEL_VECTORS];
    multiply (state, state ? n : 0, packed, panels, sums);
    for (uint32_t v = 0; v < cells / V_LANES && c + v * V_LANES < n; v++) {
      const size_t left = n - c - v * V_LANES;
      finish (s, kind, pass, c + v * V_LANES, left < V_LANES ? (unsigned) left
          : V_LANES, sums, v);
    }
  }
  return packed;
}

/* See DcnnRecurrentFn. */
void
DCNN_FN (dcnn_k_recurrent) (const DcnnRecurrent *layer)
{
  Step s = { .layer = layer, .in = layer->in, .before = layer->state,
    .out = layer->out };

  for (size_t t = 0; t < layer->steps; t++) {
    const float *packed = layer->packed;
    switch (layer->kind) {
      case DCNN_CELL_RNN:
        run_pass (&s, DCNN_CELL_RNN, 0, 4, 4 * DCNN_MATMUL_PANEL, packed);
        break;
      case DCNN_CELL_GRU:
        packed = run_pass (&s, DCNN_CELL_GRU, 0, 4, 2 * DCNN_MATMUL_PANEL,
            packed);
        run_pass (&s, DCNN_CELL_GRU, 1, 4, 4 * DCNN_MATMUL_PANEL, packed);
        break;
      case DCNN_CELL_GRU_AFTER:
        run_pass (&s, DCNN_CELL_GRU_AFTER, 0, 3, DCNN_MATMUL_PANEL, packed);
        break;
      case DCNN_CELL_LSTM:
        run_pass (&s, DCNN_CELL_LSTM, 0, 4, DCNN_MATMUL_PANEL, packed);
        break;
    }
    s.before = s.out;
    s.in += layer->in_step;
    s.out += layer->out_step;
  }
}
