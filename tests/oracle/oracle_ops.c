/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * oracle_ops.c - see oracle.h: operators in double precision.
 */
#include "oracle.h"

#include <math.h>

/* ---- maps ------------------------------------------------------------------ */

double
oracle_delta (const Oracle *oracle, gint map, guint y, guint x, guint c)
{
  const OracleMap *m = &oracle->maps[map];

  if (m->leaf_map)
    return oracle_delta (oracle, m->leaf_map[c], y, x, m->leaf_channel[c]);
  return m->mask[y * m->width + x] ?
      m->delta[((gsize) y * m->width + x) * m->channels + c] : 0;
}

gboolean
oracle_mask (const Oracle *oracle, gint map, guint y, guint x)
{
  const OracleMap *m = &oracle->maps[map];
  const PlanMap *pm = plan_map (oracle->plan, map);
  gboolean any = FALSE;

  if (!m->leaf_map)
    return m->mask[y * m->width + x];
  for (guint i = 0; pm->pieces && i < pm->pieces->len; i++)
    any |= oracle_mask (oracle, g_array_index (pm->pieces, gint, i), y, x);
  return any;
}

/* ---- taps ------------------------------------------------------------------- */

/* The taps of one axis of one output position: input positions (-1: padding)
 * with weights (1 for windows), in tap order. */
typedef struct Axis {
  guint n;
  gint at[64];
  double weight[64];
} Axis;

static void
window_axis (const DcnnWindow *w, int d, gint o, gint size, Axis *axis)
{
  axis->n = (guint) w->kernel[d];
  for (gint k = 0; k < (gint) axis->n; k++) {
    gint64 at = (gint64) o * w->stride[d] - w->pad_begin[d] +
        k * w->dilation[d];
    axis->at[k] = at >= 0 && at < size ? (gint) at : -1;
    axis->weight[k] = 1;
  }
}

static void
transposed_axis (const DcnnWindow *w, int d, gint o, gint size, Axis *axis)
{
  axis->n = (guint) w->kernel[d];
  for (gint k = 0; k < (gint) axis->n; k++) {
    gint64 at = (gint64) o + w->pad_begin[d] - k * w->dilation[d];
    gboolean hit = at >= 0 && at % w->stride[d] == 0 &&
        at / w->stride[d] < size;
    axis->at[k] = hit ? (gint) (at / w->stride[d]) : -1;
    axis->weight[k] = 1;
  }
}

/* Nearest with asymmetric coordinates and floor, linear with half-pixel ones:
 * what the tests' nets use. */
static void
resize_axis (const DcnnResizeParams *p, gint o, gint in, gint out, Axis *axis)
{
  double scale = (double) out / in, x, f;

  if (p->mode == DCNN_RESIZE_NEAREST) {
    axis->n = 1;
    axis->at[0] = MIN ((gint) floor (o / scale), in - 1);
    axis->weight[0] = 1;
    return;
  }
  x = (o + 0.5) / scale - 0.5;
  f = x - floor (x);
  axis->n = 2;
  axis->at[0] = CLAMP ((gint) floor (x), 0, in - 1);
  axis->at[1] = CLAMP ((gint) floor (x) + 1, 0, in - 1);
  axis->weight[0] = 1 - f;
  axis->weight[1] = f;
}

static void
find_taps (const Oracle *oracle, const OracleNode *node, guint y, guint x,
    Axis *ay, Axis *ax)
{
  const OracleMap *in = &oracle->maps[node->in];
  const OracleMap *out = &oracle->maps[node->out];
  const DcnnParams *p = node->op ? &node->op->params : NULL;

  switch (node->op ? node->op->op : DCNN_OP_COUNT) {
    case DCNN_OP_CONV:
      window_axis (&p->conv.window, 0, y, in->height, ay);
      window_axis (&p->conv.window, 1, x, in->width, ax);
      break;
    case DCNN_OP_MAX_POOL:
    case DCNN_OP_AVERAGE_POOL:
      window_axis (&p->pool.window, 0, y, in->height, ay);
      window_axis (&p->pool.window, 1, x, in->width, ax);
      break;
    case DCNN_OP_CONV_TRANSPOSE:
      transposed_axis (&p->conv.window, 0, y, in->height, ay);
      transposed_axis (&p->conv.window, 1, x, in->width, ax);
      break;
    case DCNN_OP_RESIZE:
      resize_axis (&p->resize, y, in->height, out->height, ay);
      resize_axis (&p->resize, x, in->width, out->width, ax);
      break;
    default:
      ay->n = ax->n = 1;
      ay->at[0] = y, ax->at[0] = x;
      ay->weight[0] = ax->weight[0] = 1;
      break;
  }
}

gboolean
oracle_reaches (const Oracle *oracle, const OracleNode *node, guint y, guint x)
{
  Axis ay, ax;

  find_taps (oracle, node, y, x, &ay, &ax);
  for (guint i = 0; i < ay.n; i++)
    for (guint j = 0; j < ax.n; j++)
      if (ay.at[i] >= 0 && ax.at[j] >= 0 &&
          oracle_mask (oracle, node->in, ay.at[i], ax.at[j]))
        return TRUE;
  return FALSE;
}

/* ---- primary operators ------------------------------------------------------------ */

/* Adds tap (i, j) of a convolution, input pixel (y, x), to the row. */
static void
conv_tap (const Oracle *oracle, const OracleNode *node, guint tap, guint y,
    guint x, double *row)
{
  const DcnnTensor *wt =
      &dcnn_graph_value (oracle->plan->graph, node->op->inputs[1])->tensor;
  gboolean transposed = node->op->op == DCNN_OP_CONV_TRANSPOSE;
  gint64 groups = node->op->params.conv.groups;
  gint64 taps = wt->dims[2] * wt->dims[3];
  gint64 inputs = oracle->maps[node->in].channels;
  gint64 per_in = inputs / groups;
  gint64 per_out = (transposed ? wt->dims[1] * groups : wt->dims[0]) / groups;
  const float *w = wt->data;

  for (gint64 c = 0; c < inputs; c++) {
    double d = oracle_delta (oracle, node->in, y, x, (guint) c);
    gint64 g = c / per_in;
    if (d == 0)
      continue;
    for (gint64 k = 0; k < per_out; k++) {
      gint64 at = transposed ? c * per_out + k :
          (g * per_out + k) * per_in + c % per_in;
      row[g * per_out + k] += d * (double) w[at * taps + tap];
    }
  }
}

static void
max_pool_row (const Oracle *oracle, const OracleNode *node, const Axis *ay,
    const Axis *ax, const double *before, double *row)
{
  const OracleMap *in = &oracle->maps[node->in];

  for (guint c = 0; c < in->channels; c++) {
    double most = -INFINITY;
    for (guint i = 0; i < ay->n; i++)
      for (guint j = 0; j < ax->n; j++)
        if (ay->at[i] >= 0 && ax->at[j] >= 0)
          most = MAX (most, node->pool_input[((gsize) ay->at[i] * in->width +
                      ax->at[j]) * in->channels + c]);
    row[c] = most - before[c];
  }
}

static double
average_weight (const DcnnPoolParams *p, const Axis *ay, const Axis *ax)
{
  guint ny = 0, nx = 0;

  if (p->count_include_pad)
    return 1.0 / (ay->n * ax->n);
  for (guint i = 0; i < ay->n; i++)
    ny += ay->at[i] >= 0;
  for (guint j = 0; j < ax->n; j++)
    nx += ax->at[j] >= 0;
  return 1.0 / (ny * nx);
}

void
oracle_row_delta (const Oracle *oracle, const OracleNode *node, guint y,
    guint x, const double *before, double *row)
{
  DcnnOp op = node->op ? node->op->op : DCNN_OP_COUNT;
  const OracleMap *in = &oracle->maps[node->in];
  double scale = 1;
  Axis ay, ax;

  find_taps (oracle, node, y, x, &ay, &ax);
  for (guint c = 0; c < node->row_channels[0]; c++)
    row[c] = 0;
  if (op == DCNN_OP_MAX_POOL) {
    max_pool_row (oracle, node, &ay, &ax, before, row);
    return;
  }
  if (op == DCNN_OP_AVERAGE_POOL)
    scale = average_weight (&node->op->params.pool, &ay, &ax);
  for (guint i = 0; i < ay.n; i++)
    for (guint j = 0; j < ax.n; j++) {
      double w = ay.weight[i] * ax.weight[j] * scale;
      if (ay.at[i] < 0 || ax.at[j] < 0 ||
          !oracle_mask (oracle, node->in, ay.at[i], ax.at[j]))
        continue;
      if (op == DCNN_OP_CONV || op == DCNN_OP_CONV_TRANSPOSE)
        conv_tap (oracle, node, i * ax.n + j, ay.at[i], ax.at[j], row);
      else
        for (guint c = 0; c < in->channels; c++)
          row[c] += w * oracle_delta (oracle, node->in, ay.at[i], ax.at[j], c);
    }
  /* the bias enters once, with the first frame */
  if (oracle->first && (op == DCNN_OP_CONV || op == DCNN_OP_CONV_TRANSPOSE) &&
      node->op->n_inputs > 2 && node->op->inputs[2] >= 0) {
    const float *bias = dcnn_graph_value (oracle->plan->graph,
        node->op->inputs[2])->tensor.data;
    for (guint c = 0; c < node->row_channels[0]; c++)
      row[c] += (double) bias[c];
  }
}

gboolean
oracle_is_primary (DcnnOp op)
{
  return op == DCNN_OP_CONV || op == DCNN_OP_CONV_TRANSPOSE ||
      op == DCNN_OP_MAX_POOL || op == DCNN_OP_AVERAGE_POOL ||
      op == DCNN_OP_RESIZE;
}

/* ---- point-wise steps ---------------------------------------------------------------- */

gboolean
oracle_is_pointwise (DcnnOp op)
{
  switch (op) {
    case DCNN_OP_RELU:
    case DCNN_OP_CLIP:
    case DCNN_OP_LEAKY_RELU:
    case DCNN_OP_SIGMOID:
    case DCNN_OP_HARD_SIGMOID:
    case DCNN_OP_HARD_SWISH:
    case DCNN_OP_TANH:
    case DCNN_OP_ADD:
    case DCNN_OP_SUB:
    case DCNN_OP_MUL:
      return TRUE;
    default:
      return FALSE;
  }
}

static double
unary (const DcnnNode *gn, double r)
{
  const DcnnActParams *p = &gn->params.act;

  switch (gn->op) {
    case DCNN_OP_RELU:
      return r > 0 ? r : 0;
    case DCNN_OP_CLIP:
      return CLAMP (r, p->lo, p->hi);
    case DCNN_OP_LEAKY_RELU:
      return r < 0 ? p->alpha * r : r;
    case DCNN_OP_SIGMOID:
      return 1 / (1 + exp (-r));
    case DCNN_OP_HARD_SIGMOID:
      return CLAMP (p->alpha * r + p->beta, 0, 1);
    case DCNN_OP_HARD_SWISH:
      return r * CLAMP (r / 6 + 0.5, 0, 1);
    case DCNN_OP_TANH:
      return tanh (r);
    default:
      g_assert_not_reached ();
  }
}

/* Element of a constant that broadcasts over [1, C, H, W]. */
static double
constant_at (const DcnnTensor *t, guint c, guint y, guint x)
{
  gint64 at[4] = { 0, c, y, x }, dims[4] = { 1, 1, 1, 1 }, e = 0;
  const float *data = t->data;

  for (int i = 0; i < t->rank; i++)
    dims[4 - t->rank + i] = t->dims[i];
  for (int i = 0; i < 4; i++)
    e = e * dims[i] + (dims[i] > 1 ? at[i] : 0);
  return data[e];
}

double
oracle_evaluate (const Oracle *oracle, const OracleNode *node,
    DcnnValueId value, const double *const *rows, guint channel, guint y,
    guint x)
{
  const DcnnGraph *graph = oracle->plan->graph;
  const DcnnValue *v = dcnn_graph_value (graph, value);
  const DcnnNode *gn;
  double a, b;

  if (value == node->root)
    return rows[0][channel];
  for (guint i = 0; i < node->n_operands; i++)
    if (value == node->operand[i])
      return rows[1 + i][node->row_channels[1 + i] > 1 ? channel : 0];
  if (v->tensor.data != NULL)
    return constant_at (&v->tensor, channel, y, x);
  gn = dcnn_graph_node (graph, v->producer);
  a = oracle_evaluate (oracle, node, gn->inputs[0], rows, channel, y, x);
  if (gn->op != DCNN_OP_ADD && gn->op != DCNN_OP_SUB && gn->op != DCNN_OP_MUL)
    return unary (gn, a);
  b = oracle_evaluate (oracle, node, gn->inputs[1], rows, channel, y, x);
  return gn->op == DCNN_OP_ADD ? a + b : gn->op == DCNN_OP_SUB ? a - b : a * b;
}
