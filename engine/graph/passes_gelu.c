/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_gelu.c - GELU spelled out becomes the operator, wherever exporters put
 * its half:
 *
 *   x (1 + erf (x / sqrt 2)) / 2                                   -> Gelu
 *   x (1 + tanh (0.798 (x + 0.0447 x^3))) / 2, also with
 *     0.798 x (1 + 0.0447 x^2) inside                 -> Gelu, its tanh form
 *
 * Only the last node is changed: what others still read stays.
 */
#include "dcnn_plan.h"

#include <math.h>
#include <string.h>

#define ROOT_HALF 0.70710678118654752 /* sqrt (1 / 2) */
#define TANH_SCALE 0.79788456080286536 /* sqrt (2 / pi) */
#define TANH_CUBE 0.044715

static const DcnnNode *
made_by (const DcnnGraph *graph, DcnnValueId value, DcnnOp op)
{
  gint producer = value < 0 ? -1 : dcnn_graph_value (graph, value)->producer;
  const DcnnNode *node = producer < 0 ? NULL : dcnn_graph_node (graph, producer);

  return node && node->alive && node->op == op ? node : NULL;
}

/* What value is the given number of times, by Mul or Div; -1: of nothing. */
static DcnnValueId
times (const DcnnGraph *graph, DcnnValueId value, double number)
{
  const DcnnNode *node = made_by (graph, value, DCNN_OP_MUL);
  double s;

  for (int i = 0; node && i < 2; i++)
    if (dcnn_graph_scalar (graph, node->inputs[i], &s) &&
        fabs (s - number) < 1e-6 * number)
      return node->inputs[1 - i];
  node = made_by (graph, value, DCNN_OP_DIV);
  if (node && dcnn_graph_scalar (graph, node->inputs[1], &s) &&
      fabs (s * number - 1) < 1e-6)
    return node->inputs[0];
  return -1;
}

/* v where value is v + 1; -1. */
static DcnnValueId
one_less (const DcnnGraph *graph, DcnnValueId value)
{
  const DcnnNode *node = made_by (graph, value, DCNN_OP_ADD);
  double s;

  for (int i = 0; node && i < 2; i++)
    if (dcnn_graph_scalar (graph, node->inputs[i], &s) && s == 1)
      return node->inputs[1 - i];
  return -1;
}

/* Whether value is x to the power of 2 or 3. */
static gboolean
is_power (const DcnnGraph *graph, DcnnValueId value, DcnnValueId x, int power)
{
  const DcnnNode *node = made_by (graph, value, DCNN_OP_POW);
  double s;

  if (node)
    return node->inputs[0] == x && dcnn_graph_scalar (graph, node->inputs[1],
        &s) && s == power;
  node = made_by (graph, value, DCNN_OP_MUL);
  for (int i = 0; node && i < 2; i++)
    if (node->inputs[i] == x && (power == 2 ? node->inputs[1 - i] == x :
            is_power (graph, node->inputs[1 - i], x, 2)))
      return TRUE;
  return FALSE;
}

/* Whether value is 0.798 (x + 0.0447 x^3), in either spelling. */
static gboolean
is_tanh_argument (const DcnnGraph *graph, DcnnValueId value, DcnnValueId x)
{
  const DcnnNode *node = made_by (graph, times (graph, value, TANH_SCALE),
      DCNN_OP_ADD);

  for (int i = 0; node && i < 2; i++)
    if (node->inputs[i] == x && is_power (graph, times (graph,
                node->inputs[1 - i], TANH_CUBE), x, 3))
      return TRUE;
  node = made_by (graph, value, DCNN_OP_MUL);
  for (int i = 0; node && i < 2; i++)
    if (times (graph, node->inputs[i], TANH_SCALE) == x && is_power (graph,
            times (graph, one_less (graph, node->inputs[1 - i]), TANH_CUBE),
            x, 2))
      return TRUE;
  return FALSE;
}

/* Whether gate is 1 + erf (...) or 1 + tanh (...) of x. */
static gboolean
is_gate (const DcnnGraph *graph, DcnnValueId gate, DcnnValueId x,
    gboolean *tanh_form)
{
  DcnnValueId v = one_less (graph, gate);
  const DcnnNode *node = made_by (graph, v, DCNN_OP_ERF);

  if (x < 0)
    return FALSE;
  *tanh_form = FALSE;
  if (node)
    return times (graph, node->inputs[0], ROOT_HALF) == x;
  *tanh_form = TRUE;
  node = made_by (graph, v, DCNN_OP_TANH);
  return node && is_tanh_argument (graph, node->inputs[0], x);
}

/* x where the node is its GELU; -1. */
static DcnnValueId
match (const DcnnGraph *graph, const DcnnNode *last, gboolean *tanh_form)
{
  const DcnnNode *product = made_by (graph, times (graph, last->outputs[0],
          0.5), DCNN_OP_MUL);

  for (int i = 0; product && i < 2; i++)
    if (is_gate (graph, product->inputs[i], product->inputs[1 - i], tanh_form))
      return product->inputs[1 - i];
  for (int i = 0; last->op == DCNN_OP_MUL && i < 2; i++) {
    DcnnValueId a = last->inputs[i], b = last->inputs[1 - i];
    if (is_gate (graph, times (graph, a, 0.5), b, tanh_form))
      return b;
    if (is_gate (graph, a, times (graph, b, 0.5), tanh_form))
      return times (graph, b, 0.5);
  }
  return -1;
}

void
dcnn_passes_gelu (DcnnGraph *graph)
{
  for (guint n = 0; n < graph->nodes->len; n++) {
    DcnnNode *node = dcnn_graph_node (graph, (gint) n);
    gboolean tanh_form;
    DcnnValueId x;
    if (!node->alive || (node->op != DCNN_OP_MUL && node->op != DCNN_OP_DIV))
      continue;
    x = match (graph, node, &tanh_form);
    if (x < 0 || dcnn_graph_value (graph, x)->tensor.dtype != DCNN_DTYPE_F32)
      continue;
    node->op = DCNN_OP_GELU;
    memset (&node->params, 0, sizeof node->params);
    node->params.act.tanh_form = tanh_form;
    node->inputs[0] = x;
    node->n_inputs = 1;
  }
}
