/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_rows.c - primary operators and steps at one pixel, as their definitions
 * say them.
 */
#include "sim.h"

#include <math.h>

/* Row (axis 0) or column (axis 1) that tap k of output `at` reads; -1: none,
 * the padding. */
static gint64
tap_at (const DcnnWindow *w, int axis, guint at, gint64 k, guint size)
{
  gint64 i = (gint64) at * w->stride[axis] - w->pad_begin[axis] +
      k * w->dilation[axis];

  return i < 0 || i >= size ? -1 : i;
}

/* The same of a transposed convolution. */
static gint64
transposed_at (const DcnnWindow *w, int axis, guint at, gint64 k, guint size)
{
  gint64 i = (gint64) at + w->pad_begin[axis] - k * w->dilation[axis];

  return i < 0 || i % w->stride[axis] || i / w->stride[axis] >= size ? -1 :
      i / w->stride[axis];
}

/* ---- primaries -------------------------------------------------------------- */

static void
conv_row (const SimMaps *maps, const PlanNode *node, guint y, guint x,
    gdouble *row)
{
  const PlanOp *op = &node->op;
  const DcnnWindow *w = &op->conv.window;
  const PlanMap *in = plan_map (maps->plan, node->in);
  gboolean transposed = node->primary == DCNN_PRIMARY_CONV_TRANSPOSE;
  guint groups = (guint) op->conv.groups;
  guint n_in = op->in_channels / groups, n_out = op->out_channels / groups;
  gint64 taps = w->kernel[0] * w->kernel[1];

  for (guint o = 0; o < op->out_channels; o++)
    row[o] = op->bias ? op->bias[o] : 0;
  for (gint64 t = 0; t < taps; t++) {
    gint64 ky = t / w->kernel[1], kx = t % w->kernel[1];
    gint64 iy = transposed ? transposed_at (w, 0, y, ky, in->height) :
        tap_at (w, 0, y, ky, in->height);
    gint64 ix = transposed ? transposed_at (w, 1, x, kx, in->width) :
        tap_at (w, 1, x, kx, in->width);
    if (iy < 0 || ix < 0)
      continue;
    for (guint c = 0; c < op->in_channels; c++) {
      gdouble v = sim_value (maps, node->in, iy, ix, c);
      guint g = c / n_in;
      for (guint o = 0; o < n_out; o++)
        row[g * n_out + o] += v * (transposed ?
            op->weights[((gsize) c * n_out + o) * taps + t] :
            op->weights[((gsize) (g * n_out + o) * n_in + c % n_in) * taps +
                t]);
    }
  }
}

/* How many taps of a window lie in the map or, padded, in its padding. */
static gint64
count_taps (const DcnnWindow *w, int axis, guint at, guint size,
    gboolean padded)
{
  gint64 n = 0;

  for (gint64 k = 0; k < w->kernel[axis]; k++) {
    gint64 i = (gint64) at * w->stride[axis] - w->pad_begin[axis] +
        k * w->dilation[axis];
    n += padded ? i < size + w->pad_end[axis] : i >= 0 && i < size;
  }
  return n;
}

static void
pool_row (const SimMaps *maps, const PlanNode *node, guint y, guint x,
    gdouble *row)
{
  const DcnnWindow *w = &node->op.pool.window;
  const PlanMap *in = plan_map (maps->plan, node->in);
  gboolean average = node->primary == DCNN_PRIMARY_AVERAGE_POOL;
  gboolean padded = node->op.pool.count_include_pad;
  gint64 count = count_taps (w, 0, y, in->height, padded) *
      count_taps (w, 1, x, in->width, padded);

  for (guint c = 0; c < in->channels; c++) {
    row[c] = average ? 0 : -INFINITY;
    for (gint64 ky = 0; ky < w->kernel[0]; ky++)
      for (gint64 kx = 0; kx < w->kernel[1]; kx++) {
        gint64 iy = tap_at (w, 0, y, ky, in->height);
        gint64 ix = tap_at (w, 1, x, kx, in->width);
        gdouble v;
        if (iy < 0 || ix < 0)
          continue;
        v = sim_value (maps, node->in, iy, ix, c);
        row[c] = average ? row[c] + v : v > row[c] || isnan (v) ? v : row[c];
      }
    if (average)
      row[c] = count > 0 ? row[c] / count : 0;
  }
}

static void
table_row (const SimMaps *maps, const PlanNode *node, guint y, guint x,
    gdouble *row)
{
  const PlanOp *op = &node->op;

  for (guint c = 0; c < op->out_channels; c++) {
    row[c] = 0;
    for (guint ky = 0; ky < node->taps_y; ky++)
      for (guint kx = 0; kx < node->taps_x; kx++) {
        guint32 iy = node->index_y[y * node->taps_y + ky];
        guint32 ix = node->index_x[x * node->taps_x + kx];
        gdouble weight = op->weight_y ?
            (gdouble) op->weight_y[y * node->taps_y + ky] *
            op->weight_x[x * node->taps_x + kx] : 1;
        row[c] += weight * (iy == UINT32_MAX || ix == UINT32_MAX ? op->fill :
            sim_value (maps, node->in, iy, ix, c));
      }
  }
}

static void
depth_row (const SimMaps *maps, const PlanNode *node, guint y, guint x,
    gdouble *row)
{
  const PlanOp *op = &node->op;
  guint block = op->block;

  for (guint c = 0; c < op->out_channels; c++) {
    if (node->primary == DCNN_PRIMARY_SPACE_TO_DEPTH) {
      guint cell = op->source[c] / op->in_channels;
      row[c] = sim_value (maps, node->in, y * block + cell / block,
          x * block + cell % block, op->source[c] % op->in_channels);
    } else {
      guint cell = y % block * block + x % block;
      row[c] = sim_value (maps, node->in, y / block, x / block, op->crd ?
          c * block * block + cell : cell * op->out_channels + c);
    }
  }
}

static void
channels_row (const PlanNode *node, const gdouble *in, gdouble *row)
{
  const PlanOp *op = &node->op;
  guint n = op->in_channels, best = 0;
  gdouble sum = 0, squares = 0, largest = -INFINITY, exps = 0;

  for (guint c = 0; c < n; c++) {
    sum += in[c];
    largest = fmax (largest, in[c]);
    if (op->select_last ? in[c] >= in[best] : in[c] > in[best])
      best = c;
  }
  for (guint c = 0; c < n; c++) {
    exps += exp (in[c] - largest);
    squares += (in[c] - sum / n) * (in[c] - sum / n);
  }
  if (node->primary == DCNN_PRIMARY_ARG_MAX)
    row[0] = best;
  else if (node->primary == DCNN_PRIMARY_CHANNEL_REDUCE)
    row[0] = op->reduce == DCNN_CHANNEL_MAX ? largest :
        op->reduce == DCNN_CHANNEL_SUM ? sum : sum / n;
  else
    for (guint c = 0; c < n; c++)
      if (node->primary == DCNN_PRIMARY_SOFTMAX)
        row[c] = op->log_form ? in[c] - largest - log (exps) :
            exp (in[c] - largest) / exps;
      else
        row[c] = (in[c] - sum / n) / sqrt (squares / n + op->epsilon) *
            (op->scale ? op->scale[c] : 1) + (op->bias ? op->bias[c] : 0);
}

static void
primary_row (const SimMaps *maps, const PlanNode *node, guint y, guint x,
    gdouble *row)
{
  const PlanOp *op = &node->op;
  gdouble *in = maps->in_row;

  switch (node->primary) {
    case DCNN_PRIMARY_CONV:
    case DCNN_PRIMARY_GROUP_CONV:
    case DCNN_PRIMARY_DEPTHWISE:
    case DCNN_PRIMARY_CONV_TRANSPOSE:
      conv_row (maps, node, y, x, row);
      return;
    case DCNN_PRIMARY_MAX_POOL:
    case DCNN_PRIMARY_AVERAGE_POOL:
      pool_row (maps, node, y, x, row);
      return;
    case DCNN_PRIMARY_RESAMPLE:
    case DCNN_PRIMARY_RESIZE:
      table_row (maps, node, y, x, row);
      return;
    case DCNN_PRIMARY_SPACE_TO_DEPTH:
    case DCNN_PRIMARY_DEPTH_TO_SPACE:
      depth_row (maps, node, y, x, row);
      return;
    case DCNN_PRIMARY_COPY:
      for (guint c = 0; c < op->out_channels; c++)
        row[c] = sim_value (maps, node->in, y, x, op->source ? op->source[c] :
            c);
      return;
    case DCNN_PRIMARY_SOFTMAX:
    case DCNN_PRIMARY_ARG_MAX:
    case DCNN_PRIMARY_CHANNEL_REDUCE:
    case DCNN_PRIMARY_LAYER_NORM:
      for (guint c = 0; c < op->in_channels; c++)
        in[c] = sim_value (maps, node->in, y, x, c);
      channels_row (node, in, row);
      return;
    case DCNN_PRIMARY_COUNT:
      break;
  }
}

/* ---- steps ---------------------------------------------------------------------- */

static gdouble
clamp (gdouble v, gdouble low, gdouble high)
{
  return v < low ? low : v > high ? high : v;
}

static gdouble
softplus (gdouble r)
{
  return r > 0 ? r + log1p (exp (-r)) : log1p (exp (r));
}

/* Steps of the row alone. */
static gdouble
unary (const PlanStep *s, gdouble r)
{
  switch (s->kind) {
    case DCNN_STEP_RELU: return r < 0 ? 0 : r;
    case DCNN_STEP_CLIP: return clamp (r, s->a, s->b);
    case DCNN_STEP_LEAKY_RELU: return r < 0 ? s->a * r : r;
    case DCNN_STEP_THRESHOLDED_RELU: return r > s->a ? r : 0;
    case DCNN_STEP_SIGMOID: return 1 / (1 + exp (-r));
    case DCNN_STEP_HARD_SIGMOID: return clamp (s->a * r + s->b, 0, 1);
    case DCNN_STEP_HARD_SWISH: return r * clamp (r / 6 + 0.5, 0, 1);
    case DCNN_STEP_SILU: return r / (1 + exp (-r));
    case DCNN_STEP_TANH: return tanh (r);
    case DCNN_STEP_ELU: return r < 0 ? s->a * expm1 (r) : r;
    case DCNN_STEP_SELU: return s->b * (r < 0 ? s->a * expm1 (r) : r);
    case DCNN_STEP_GELU: return r / 2 * (1 + erf (r / G_SQRT2));
    case DCNN_STEP_GELU_TANH:
      return r / 2 * (1 + tanh (sqrt (2 / G_PI) * (r + 0.044715 * r * r * r)));
    case DCNN_STEP_ERF: return erf (r);
    case DCNN_STEP_SOFTPLUS: return softplus (r);
    case DCNN_STEP_MISH: return r * tanh (softplus (r));
    case DCNN_STEP_EXP: return exp (r);
    case DCNN_STEP_LOG: return log (r);
    case DCNN_STEP_SQRT: return sqrt (r);
    case DCNN_STEP_ABS: return fabs (r);
    case DCNN_STEP_ROUND: return rint (clamp (r, s->a, s->b));
    default: return -r; /* NEG */
  }
}

static gdouble
binary (DcnnStepKind kind, gdouble r, gdouble e)
{
  switch (kind) {
    case DCNN_STEP_ADD: return r + e;
    case DCNN_STEP_SUB: return r - e;
    case DCNN_STEP_RSUB: return e - r;
    case DCNN_STEP_MUL: return r * e;
    case DCNN_STEP_DIV: return r / e;
    case DCNN_STEP_RDIV: return e / r;
    case DCNN_STEP_POW: return pow (r, e);
    case DCNN_STEP_RPOW: return pow (e, r);
    case DCNN_STEP_MIN: return isnan (r) || r < e ? r : e;
    case DCNN_STEP_MAX: return isnan (r) || r > e ? r : e;
    default: return r < 0 ? e * r : r; /* PRELU */
  }
}

/* A map, or a view of one, that a normalisation of whole maps computes. */
static gboolean
are_moments (const DcnnPlan *plan, gint index)
{
  const PlanMap *map = plan_map (plan, index);

  while (map->pieces && map->pieces->len == 1)
    map = plan_map (plan, g_array_index (map->pieces, gint, 0));
  return map->source >= 0 && plan_node (plan, map->source)->norm != NULL;
}

/* A gate's vector lies as the out map's channels do; that of moments by
 * position in a pixel. */
static gdouble
gate_value (const SimMaps *maps, gint map, const PlanMap *out, guint c)
{
  gboolean by_position = are_moments (maps->plan, map);

  return sim_value (maps, map, 0, 0, by_position ? plan_position (out, c) : c);
}

static gdouble
operand (const SimMaps *maps, const PlanStep *s, const PlanMap *out, guint y,
    guint x, guint c)
{
  switch (s->operand) {
    case DCNN_OPERAND_MAP:
      return sim_value (maps, s->map, y, x, c);
    case DCNN_OPERAND_PIXEL:
      return sim_value (maps, s->map, y, x, 0);
    case DCNN_OPERAND_VECTOR:
      return s->map < 0 ? s->vector[c] : gate_value (maps, s->map, out, c);
    default:
      return s->a;
  }
}

void
sim_row (const SimMaps *maps, const PlanNode *node, guint y, guint x,
    gdouble *row)
{
  const PlanMap *out = plan_map (maps->plan, node->out);

  primary_row (maps, node, y, x, row);
  for (gint k = 0; k < node->n_steps; k++) {
    const PlanStep *s = &node->steps[k];
    for (guint c = 0; c < out->channels; c++)
      row[c] = s->operand == DCNN_OPERAND_NONE ? unary (s, row[c]) :
          binary (s->kind, row[c], operand (maps, s, out, y, x, c));
  }
}

/* ---- candidates ------------------------------------------------------------------ */

static gboolean
window_changed (const SimMaps *maps, guint8 *const *marks,
    const PlanNode *node, guint y, guint x)
{
  const DcnnWindow *w = &node->window;
  const PlanMap *in = plan_map (maps->plan, node->in);
  gboolean transposed = node->reach == PLAN_REACH_TRANSPOSED;

  for (gint64 ky = 0; ky < w->kernel[0]; ky++)
    for (gint64 kx = 0; kx < w->kernel[1]; kx++) {
      gint64 iy = transposed ? transposed_at (w, 0, y, ky, in->height) :
          tap_at (w, 0, y, ky, in->height);
      gint64 ix = transposed ? transposed_at (w, 1, x, kx, in->width) :
          tap_at (w, 1, x, kx, in->width);
      if (iy >= 0 && ix >= 0 &&
          sim_marked (maps, marks, node->in, iy, ix))
        return TRUE;
    }
  return FALSE;
}

static gboolean
table_changed (const SimMaps *maps, guint8 *const *marks,
    const PlanNode *node, guint y, guint x)
{
  for (guint ky = 0; ky < node->taps_y; ky++)
    for (guint kx = 0; kx < node->taps_x; kx++) {
      guint32 iy = node->index_y[y * node->taps_y + ky];
      guint32 ix = node->index_x[x * node->taps_x + kx];
      if (iy != UINT32_MAX && ix != UINT32_MAX &&
          sim_marked (maps, marks, node->in, iy, ix))
        return TRUE;
    }
  return FALSE;
}

gboolean
sim_is_candidate (const SimMaps *maps, guint8 *const *marks,
    const PlanNode *node, guint y, guint x)
{
  const PlanMap *out = plan_map (maps->plan, node->out);

  for (gint k = 0; k < node->n_steps; k++) {
    gint map = node->steps[k].map;
    gboolean same = map >= 0 && plan_map (maps->plan, map)->width ==
        out->width && plan_map (maps->plan, map)->height == out->height;
    if (map >= 0 && sim_marked (maps, marks, map, same ? y : 0, same ? x : 0))
      return TRUE;
  }
  switch (node->reach) {
    case PLAN_REACH_SAME:
      return sim_marked (maps, marks, node->in, y, x);
    case PLAN_REACH_TABLE:
      return table_changed (maps, marks, node, y, x);
    default:
      return window_changed (maps, marks, node, y, x);
  }
}
