/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_match.c - point-wise fusion: element-wise graph nodes that follow a
 * node, and activations spelled out in several nodes, become its steps.
 */
#include "dcnn_plan.h"

#include <math.h>
#include <string.h>

/* Element-wise ops with one input, as steps with no parameters. */
static const struct {
  DcnnOp op;
  DcnnStepKind step;
} plain_steps[] = {
  { DCNN_OP_RELU, DCNN_STEP_RELU }, { DCNN_OP_SIGMOID, DCNN_STEP_SIGMOID },
  { DCNN_OP_HARD_SWISH, DCNN_STEP_HARD_SWISH },
  { DCNN_OP_TANH, DCNN_STEP_TANH }, { DCNN_OP_ERF, DCNN_STEP_ERF },
  { DCNN_OP_SOFTPLUS, DCNN_STEP_SOFTPLUS }, { DCNN_OP_MISH, DCNN_STEP_MISH },
  { DCNN_OP_EXP, DCNN_STEP_EXP }, { DCNN_OP_LOG, DCNN_STEP_LOG },
  { DCNN_OP_SQRT, DCNN_STEP_SQRT }, { DCNN_OP_ABS, DCNN_STEP_ABS },
  { DCNN_OP_NEG, DCNN_STEP_NEG },
};

static gboolean
unary_step (const DcnnNode *gn, PlanStep *step)
{
  const DcnnActParams *p = &gn->params.act;

  step->operand = DCNN_OPERAND_NONE;
  step->a = (float) p->alpha;
  step->b = (float) p->beta;
  for (guint i = 0; i < G_N_ELEMENTS (plain_steps); i++)
    if (plain_steps[i].op == gn->op) {
      step->kind = plain_steps[i].step;
      return TRUE;
    }
  switch (gn->op) {
    case DCNN_OP_CLIP:
      step->kind = DCNN_STEP_CLIP;
      step->a = (float) p->lo;
      step->b = (float) p->hi;
      return TRUE;
    case DCNN_OP_ROUND:
      step->kind = DCNN_STEP_ROUND;
      step->a = -INFINITY;
      step->b = INFINITY;
      return TRUE;
    case DCNN_OP_LEAKY_RELU:
      step->kind = DCNN_STEP_LEAKY_RELU;
      return TRUE;
    case DCNN_OP_THRESHOLDED_RELU:
      step->kind = DCNN_STEP_THRESHOLDED_RELU;
      return TRUE;
    case DCNN_OP_HARD_SIGMOID:
      step->kind = DCNN_STEP_HARD_SIGMOID;
      return TRUE;
    case DCNN_OP_ELU:
      step->kind = DCNN_STEP_ELU;
      return TRUE;
    case DCNN_OP_SELU:
      step->kind = DCNN_STEP_SELU;
      return TRUE;
    case DCNN_OP_GELU:
      step->kind = p->tanh_form ? DCNN_STEP_GELU_TANH : DCNN_STEP_GELU;
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
binary_kind (DcnnOp op, gboolean first, DcnnStepKind *kind)
{
  switch (op) {
    case DCNN_OP_ADD: *kind = DCNN_STEP_ADD; return TRUE;
    case DCNN_OP_MUL: *kind = DCNN_STEP_MUL; return TRUE;
    case DCNN_OP_MIN: *kind = DCNN_STEP_MIN; return TRUE;
    case DCNN_OP_MAX: *kind = DCNN_STEP_MAX; return TRUE;
    case DCNN_OP_SUB: *kind = first ? DCNN_STEP_SUB : DCNN_STEP_RSUB;
      return TRUE;
    case DCNN_OP_DIV: *kind = first ? DCNN_STEP_DIV : DCNN_STEP_RDIV;
      return TRUE;
    case DCNN_OP_POW: *kind = first ? DCNN_STEP_POW : DCNN_STEP_RPOW;
      return TRUE;
    case DCNN_OP_PRELU: *kind = DCNN_STEP_PRELU; return first;
    default: return FALSE;
  }
}

gboolean
plan_op_is_elementwise (DcnnOp op)
{
  DcnnNode probe = { .op = op };
  DcnnStepKind kind;
  PlanStep step;

  return unary_step (&probe, &step) || binary_kind (op, TRUE, &kind);
}

gboolean
plan_step_of_op (const DcnnNode *gn, gboolean first, PlanStep *step)
{
  memset (step, 0, sizeof *step);
  step->map = -1;
  return gn->n_inputs == 1 ? unary_step (gn, step) : gn->n_inputs == 2 &&
      gn->inputs[0] >= 0 && gn->inputs[1] >= 0 &&
      binary_kind (gn->op, first, &step->kind);
}

/* ---- holes: see dcnn_plan.h -------------------------------------------------- */

/* Whether a step with that operand, whose own holes hold 0 (1 where a vector
 * divides), makes 0 of 0. */
static gboolean
keeps_zero (const PlanStep *s)
{
  gboolean scalar = s->operand == DCNN_OPERAND_SCALAR;

  if (s->operand == DCNN_OPERAND_PIXEL)
    return FALSE;
  switch (s->kind) {
    case DCNN_STEP_RELU: case DCNN_STEP_LEAKY_RELU: case DCNN_STEP_HARD_SWISH:
    case DCNN_STEP_THRESHOLDED_RELU:
    case DCNN_STEP_SILU: case DCNN_STEP_TANH: case DCNN_STEP_ELU:
    case DCNN_STEP_GELU: case DCNN_STEP_GELU_TANH: case DCNN_STEP_ERF:
    case DCNN_STEP_MISH: case DCNN_STEP_SQRT: case DCNN_STEP_ABS:
    case DCNN_STEP_NEG:
      return TRUE;
    case DCNN_STEP_SELU:
      return isfinite (s->b);
    case DCNN_STEP_CLIP: case DCNN_STEP_ROUND:
      return s->a <= 0 && s->b >= 0;
    case DCNN_STEP_ADD: case DCNN_STEP_SUB: case DCNN_STEP_RSUB:
      return !scalar || s->a == 0;
    case DCNN_STEP_MUL:
      return !scalar || isfinite (s->a);
    case DCNN_STEP_MIN:
      return !scalar || s->a >= 0;
    case DCNN_STEP_MAX:
      return !scalar || s->a <= 0;
    case DCNN_STEP_DIV:
      return scalar ? s->a > 0 || s->a < 0 :
          s->operand == DCNN_OPERAND_VECTOR && s->vector;
    case DCNN_STEP_PRELU:
      return TRUE;
    default:
      return FALSE;
  }
}

/* Dimensions from the right, as ONNX broadcasts. */
static void
broadcast_dims (const DcnnTensor *t, gint64 *dims)
{
  for (int i = 0; i < 4; i++)
    dims[i] = 1;
  for (int i = 0; i < t->rank; i++)
    dims[4 - t->rank + i] = t->dims[i];
}

gint
plan_add_constant_map (PlanBuilder *b, const DcnnTensor *t, guint width,
    guint height)
{
  const float *data = t->data;
  gint64 dims[4];
  gint index;
  float *to;
  guint channels;

  broadcast_dims (t, dims);
  channels = (guint) dims[1];
  to = g_try_new (float, (gsize) width * height * channels);
  if (to == NULL)
    return -1;
  index = plan_add_map (b->plan, width, height, channels);
  plan_map (b->plan, index)->constant = to;
  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x++)
      for (guint c = 0; c < channels; c++)
        *to++ = data[(c * dims[2] + (dims[2] > 1 ? y : 0)) * dims[3] +
            (dims[3] > 1 ? x : 0)];
  return index;
}

gboolean
plan_step_fits (PlanBuilder *b, gint graph_node, DcnnValueId value,
    const PlanMap *map)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, graph_node);
  gboolean first = gn->inputs[0] == value;
  PlanStep step = { .kind = DCNN_STEP_COUNT };
  static float divides[1];
  const DcnnTensor *t;
  PlanStep unary = { 0 };
  gint64 dims[4];

  if (map->position == NULL)
    return TRUE;
  if (unary_step (gn, &unary))
    return !plan_has_holes (map) || keeps_zero (&unary);
  if (gn->n_inputs != 2 || gn->inputs[first] < 0 ||
      !binary_kind (gn->op, first, &step.kind))
    return FALSE;
  t = &dcnn_graph_value (b->graph, gn->inputs[first])->tensor;
  if (t->rank > 4 || t->dtype != DCNN_DTYPE_F32)
    return FALSE;
  broadcast_dims (t, dims);
  step.operand = dims[1] == map->channels ? DCNN_OPERAND_MAP :
      DCNN_OPERAND_PIXEL;
  if (t->data != NULL && dcnn_tensor_count (t) == 1) {
    step.operand = DCNN_OPERAND_SCALAR;
    step.a = *(const float *) t->data;
  } else if (t->data != NULL) {
    if (dims[2] != 1 || dims[3] != 1)
      return FALSE; /* constant maps lie 0, 1, 2 ... */
    step.operand = DCNN_OPERAND_VECTOR;
    step.vector = divides;
  }
  return !plan_has_holes (map) || keeps_zero (&step);
}

/* A constant operand that broadcasts over a map of c channels, h x w: as
 * scalar, as a vector, or as a constant map. */
static gboolean
constant_operand (PlanBuilder *b, const DcnnTensor *t, gint out,
    PlanStep *step)
{
  const PlanMap *map = plan_map (b->plan, out);
  const float *data = t->data;
  gint64 dims[4];
  gint index;

  if (t->dtype != DCNN_DTYPE_F32 || t->rank > 4)
    return FALSE;
  broadcast_dims (t, dims);
  if (dcnn_tensor_count (t) == 1) {
    step->operand = DCNN_OPERAND_SCALAR;
    step->a = data[0];
    return TRUE;
  }
  if (dims[0] != 1 || (dims[1] != 1 && dims[1] != map->channels))
    return FALSE;
  if (dims[2] == 1 && dims[3] == 1) {
    step->operand = DCNN_OPERAND_VECTOR;
    step->vector = g_memdup2 (data, map->channels * sizeof (float));
    return TRUE;
  }
  if ((dims[2] != 1 && dims[2] != map->height) ||
      (dims[3] != 1 && dims[3] != map->width) || map->position != NULL)
    return FALSE;
  index = plan_add_constant_map (b, t, map->width, map->height);
  step->map = index;
  step->operand = dims[1] == 1 && map->channels > 1 ?
      DCNN_OPERAND_PIXEL : DCNN_OPERAND_MAP;
  return index >= 0;
}

/* A computed operand that broadcasts over the row's map. */
static gboolean
map_operand (PlanBuilder *b, DcnnValueId value, gint out, PlanStep *step)
{
  const PlanMap *map = plan_map (b->plan, out);
  const PlanMap *operand;
  const DcnnTensor *t = &dcnn_graph_value (b->graph, value)->tensor;
  gint index;

  /* Only what is lowered already: a reader may come before a producer. */
  if (b->plan->values[value].map < 0 && !b->plan->values[value].lazy &&
      b->plan->values[value].tensor < 0)
    return FALSE;
  if (!plan_is_map_shaped (b->plan, value))
    return FALSE;
  if (!(t->dims[1] == map->channels || t->dims[1] == 1) ||
      !((t->dims[2] == map->height && t->dims[3] == map->width) ||
          (t->dims[2] == 1 && t->dims[3] == 1 &&
              t->dims[1] == map->channels)))
    return FALSE;
  index = plan_require_map (b, value);
  if (index < 0)
    return FALSE;
  operand = plan_map (b->plan, index);
  if (operand->width != map->width || operand->height != map->height) {
    step->operand = DCNN_OPERAND_VECTOR;
    index = plan_relayout (b, index, plan_map (b->plan, out));
  } else if (operand->channels == map->channels) {
    step->operand = DCNN_OPERAND_MAP;
    index = plan_relayout (b, index, plan_map (b->plan, out));
  } else {
    step->operand = DCNN_OPERAND_PIXEL;
  }
  step->map = index;
  return TRUE;
}

gboolean
plan_step_from_node (PlanBuilder *b, gint graph_node, DcnnValueId value,
    gint out, PlanStep *step)
{
  const DcnnNode *gn = dcnn_graph_node (b->graph, graph_node);
  const DcnnTensor *t;
  gboolean first = gn->inputs[0] == value;
  DcnnValueId other;

  memset (step, 0, sizeof *step);
  step->map = -1;
  if (gn->n_inputs == 1 || (gn->op == DCNN_OP_CLIP && gn->n_inputs >= 1 &&
          first && (gn->n_inputs < 2 || gn->inputs[1] < 0) &&
          (gn->n_inputs < 3 || gn->inputs[2] < 0)))
    return unary_step (gn, step);
  if (gn->n_inputs != 2 || !binary_kind (gn->op, first, &step->kind))
    return FALSE;
  other = first ? gn->inputs[1] : gn->inputs[0];
  if (other < 0)
    return FALSE;
  t = &dcnn_graph_value (b->graph, other)->tensor;
  if (t->data != NULL)
    return constant_operand (b, t, out, step);
  return map_operand (b, other, out, step);
}

/* ---- activations in several nodes --------------------------------------------- */

static gint
live_reader (PlanBuilder *b, DcnnValueId value, guint i)
{
  gint node = g_array_index (b->readers[value], gint, i);

  return b->done[node] || !dcnn_graph_node (b->graph, node)->alive ? -1 : node;
}

gint
plan_sole_reader (PlanBuilder *b, DcnnValueId value, DcnnOp op)
{
  gint node;

  if (b->readers[value]->len != 1 || b->is_output[value])
    return -1;
  node = live_reader (b, value, 0);
  return node >= 0 && dcnn_graph_node (b->graph, node)->op == op ? node : -1;
}

static gboolean
scalar_operand (PlanBuilder *b, const DcnnNode *node, DcnnValueId value,
    double *scalar)
{
  return node->n_inputs == 2 && dcnn_graph_scalar (b->graph,
      node->inputs[node->inputs[0] == value ? 1 : 0], scalar);
}

/* value -> (x / 6 or x * 1/6): the node, or -1. Exporters that keep weights
 * in half precision write 1/6 as 0.16662...: *factor is what is left of it,
 * 1 or nearly. */
static gint
match_sixth (PlanBuilder *b, DcnnValueId value, double *factor)
{
  gint node = plan_sole_reader (b, value, DCNN_OP_DIV);
  gboolean divides = node >= 0 &&
      dcnn_graph_node (b->graph, node)->inputs[0] == value;
  double s;

  if (!divides)
    node = plan_sole_reader (b, value, DCNN_OP_MUL);
  if (node < 0 ||
      !scalar_operand (b, dcnn_graph_node (b->graph, node), value, &s))
    return -1;
  *factor = divides ? 6 / s : 6 * s;
  return fabs (*factor - 1) < 1e-3 ? node : -1;
}

static void
add_factor (PlanNode *node, double factor)
{
  PlanStep step = { .map = -1, .kind = DCNN_STEP_MUL,
    .operand = DCNN_OPERAND_SCALAR, .a = (float) factor };

  if ((float) factor != 1)
    node->steps[node->n_steps++] = step;
}

/* x + 3 -> clipped to 0..6: the value after, with the nodes used. */
static DcnnValueId
match_relu6 (PlanBuilder *b, gint add, DcnnValueId x, GArray *used)
{
  const DcnnNode *node = dcnn_graph_node (b->graph, add), *clip;
  DcnnValueId v = node->outputs[0];
  double s;
  gint next;

  if (node->op != DCNN_OP_ADD || !scalar_operand (b, node, x, &s) ||
      fabs (s - 3) > 1e-6)
    return -1;
  g_array_append_val (used, add);
  next = plan_sole_reader (b, v, DCNN_OP_RELU);
  if (next >= 0) {
    g_array_append_val (used, next);
    v = dcnn_graph_node (b->graph, next)->outputs[0];
  }
  next = plan_sole_reader (b, v, DCNN_OP_CLIP);
  if (next < 0)
    return -1;
  clip = dcnn_graph_node (b->graph, next);
  if ((used->len == 1 && clip->params.act.lo != 0) || clip->params.act.lo > 0
      || fabs (clip->params.act.hi - 6) > 1e-6)
    return -1;
  g_array_append_val (used, next);
  return clip->outputs[0];
}

/* The two factors meet in product: is it Mul (a, c)? */
static gboolean
is_product (PlanBuilder *b, gint product, DcnnValueId a, DcnnValueId c)
{
  const DcnnNode *m = product < 0 ? NULL : dcnn_graph_node (b->graph, product);

  return m && m->op == DCNN_OP_MUL && m->n_inputs == 2 &&
      ((m->inputs[0] == a && m->inputs[1] == c) ||
      (m->inputs[0] == c && m->inputs[1] == a));
}

static DcnnValueId
output_of (PlanBuilder *b, gint node)
{
  return dcnn_graph_node (b->graph, node)->outputs[0];
}

/* x relu6 (x + 3) / 6 with the sixth at any of its three places: add starts
 * x + 3, mul is the other reader of x. Returns the value after, or -1. */
static DcnnValueId
match_hard_swish (PlanBuilder *b, DcnnValueId x, gint add, gint mul,
    GArray *used, double *factor)
{
  DcnnValueId v = match_relu6 (b, add, x, used), left = x;
  gint sixth, product = mul;
  double s;

  if (v < 0)
    return -1;
  if (scalar_operand (b, dcnn_graph_node (b->graph, mul), x, &s) &&
      fabs (6 * s - 1) < 1e-3) { /* (x / 6) relu6 */
    *factor = 6 * s;
    g_array_append_val (used, mul);
    left = output_of (b, mul);
    product = plan_sole_reader (b, left, DCNN_OP_MUL);
    if (!is_product (b, product, left, v) ||
        plan_sole_reader (b, v, DCNN_OP_MUL) != product)
      return -1;
    g_array_append_val (used, product);
    return output_of (b, product);
  }
  sixth = match_sixth (b, v, factor);
  if (sixth >= 0 && sixth != mul) { /* x (relu6 / 6) */
    g_array_append_val (used, sixth);
    v = output_of (b, sixth);
  }
  if (!is_product (b, mul, x, v) || plan_sole_reader (b, v, DCNN_OP_MUL) != mul)
    return -1;
  g_array_append_val (used, mul);
  if (sixth >= 0)
    return output_of (b, mul);
  sixth = match_sixth (b, output_of (b, mul), factor); /* (x relu6) / 6 */
  if (sixth < 0)
    return -1;
  g_array_append_val (used, sixth);
  return output_of (b, sixth);
}

/* x -> Sigmoid/HardSigmoid/Tanh(Softplus) -> Mul (x): SiLU and friends. */
static DcnnValueId
match_gated (PlanBuilder *b, DcnnValueId x, gint gate, gint mul,
    GArray *used, PlanStep *step, double *factor)
{
  const DcnnNode *g = dcnn_graph_node (b->graph, gate);
  DcnnValueId v = g->outputs[0];
  gint next;

  if (g->op == DCNN_OP_ADD &&
      dcnn_graph_node (b->graph, mul)->op == DCNN_OP_MUL) {
    step->kind = DCNN_STEP_HARD_SWISH;
    return match_hard_swish (b, x, gate, mul, used, factor);
  }
  g_array_append_val (used, gate);
  if (g->op == DCNN_OP_SIGMOID) {
    step->kind = DCNN_STEP_SILU;
  } else if (g->op == DCNN_OP_HARD_SIGMOID &&
      fabs (g->params.act.alpha - 1.0 / 6) < 1e-6 &&
      fabs (g->params.act.beta - 0.5) < 1e-6) {
    step->kind = DCNN_STEP_HARD_SWISH;
  } else if (g->op == DCNN_OP_SOFTPLUS) {
    next = plan_sole_reader (b, v, DCNN_OP_TANH);
    if (next < 0)
      return -1;
    g_array_append_val (used, next);
    v = output_of (b, next);
    step->kind = DCNN_STEP_MISH;
  } else {
    return -1;
  }
  if (!is_product (b, mul, x, v) || plan_sole_reader (b, v, DCNN_OP_MUL) != mul)
    return -1;
  g_array_append_val (used, mul);
  return output_of (b, mul);
}

static void
take_nodes (PlanBuilder *b, PlanNode *node, const GArray *used,
    const char *label)
{
  for (guint i = 0; i < used->len; i++)
    b->done[g_array_index (used, gint, i)] = TRUE;
  g_string_append_printf (node->ops, "+%s", label);
}

/* A value with two readers: activation times itself. Returns the value after
 * it, or -1. */
static DcnnValueId
absorb_gated (PlanBuilder *b, PlanNode *node, DcnnValueId value)
{
  static const char *const names[DCNN_STEP_COUNT] = {
#define DCNN_X(e, n) [DCNN_STEP_##e] = n,
    DCNN_STEPS (DCNN_X)
#undef DCNN_X
  };
  PlanStep step = { .map = -1 };

  if (b->readers[value]->len != 2 || b->is_output[value])
    return -1;
  for (guint i = 0; i < 2; i++) {
    gint gate = live_reader (b, value, i), mul = live_reader (b, value, 1 - i);
    g_autoptr (GArray) used = g_array_new (FALSE, FALSE, sizeof (gint));
    double factor = 1;
    DcnnValueId after;
    if (gate < 0 || mul < 0 || node->n_steps + 2 > DCNN_MAX_STEPS)
      return -1;
    after = match_gated (b, value, gate, mul, used, &step, &factor);
    if (after >= 0) {
      node->steps[node->n_steps++] = step;
      add_factor (node, factor);
      take_nodes (b, node, used, names[step.kind]);
      return after;
    }
  }
  return -1;
}

/* x + 3 -> clip 0..6 -> / 6: HardSigmoid. */
static DcnnValueId
absorb_hard_sigmoid (PlanBuilder *b, PlanNode *node, DcnnValueId value)
{
  g_autoptr (GArray) used = g_array_new (FALSE, FALSE, sizeof (gint));
  PlanStep step = { .map = -1, .kind = DCNN_STEP_HARD_SIGMOID,
    .a = 1.0f / 6, .b = 0.5f };
  gint add = plan_has_holes (plan_map (b->plan, node->out)) ? -1 :
      plan_sole_reader (b, value, DCNN_OP_ADD), sixth;
  double factor = 1;
  DcnnValueId v = add < 0 ? -1 : match_relu6 (b, add, value, used);

  sixth = v < 0 ? -1 : match_sixth (b, v, &factor);
  if (sixth < 0 || node->n_steps + 2 > DCNN_MAX_STEPS)
    return -1;
  g_array_append_val (used, sixth);
  node->steps[node->n_steps++] = step;
  add_factor (node, factor);
  take_nodes (b, node, used, "HardSigmoid");
  return dcnn_graph_node (b->graph, sixth)->outputs[0];
}

static gboolean
is_clamp (const PlanStep *step)
{
  return step->kind == DCNN_STEP_RELU || step->kind == DCNN_STEP_CLIP;
}

/* Ends the chain with the step behind its end. A clamp of a clamp is one, and
 * a clamp that is rounded is a step of the rounding. */
static void
join_step (PlanNode *node)
{
  PlanStep *last = &node->steps[node->n_steps];
  PlanStep *before =
      node->n_steps > 0 ? &node->steps[node->n_steps - 1] : NULL;
  gboolean rounds = last->kind == DCNN_STEP_ROUND;
  gfloat low, high;

  node->n_steps++;
  if (!before || !is_clamp (before) || !(is_clamp (last) || rounds))
    return;
  low = last->kind == DCNN_STEP_RELU ? 0 : last->a;
  high = last->kind == DCNN_STEP_RELU ? INFINITY : last->b;
  if (before->kind == DCNN_STEP_RELU) {
    before->kind = DCNN_STEP_CLIP;
    before->a = 0;
    before->b = INFINITY;
  }
  before->a = MIN (MAX (before->a, low), high);
  before->b = MIN (MAX (before->b, low), high);
  if (rounds)
    before->kind = DCNN_STEP_ROUND;
  node->n_steps--;
}

/* The single element-wise reader as a step. */
static DcnnValueId
absorb_reader (PlanBuilder *b, PlanNode *node, DcnnValueId value)
{
  const DcnnNode *gn;
  const DcnnTensor *before, *after;
  gint reader;

  if (b->readers[value]->len != 1 || b->is_output[value])
    return -1;
  reader = live_reader (b, value, 0);
  if (reader < 0)
    return -1;
  gn = dcnn_graph_node (b->graph, reader);
  if (!plan_op_is_elementwise (gn->op) ||
      (gn->n_inputs == 2 && gn->inputs[0] == gn->inputs[1]))
    return -1;
  before = &dcnn_graph_value (b->graph, value)->tensor;
  after = &dcnn_graph_value (b->graph, gn->outputs[0])->tensor;
  if (before->rank != after->rank || memcmp (before->dims, after->dims,
          sizeof (int64_t) * (size_t) before->rank) != 0)
    return -1;
  if (!plan_step_fits (b, reader, value, plan_map (b->plan, node->out)) ||
      !plan_step_from_node (b, reader, value, node->out,
          &node->steps[node->n_steps]))
    return -1;
  join_step (node);
  b->done[reader] = TRUE;
  g_string_append_printf (node->ops, "+%s", dcnn_op_name (gn->op));
  return gn->outputs[0];
}

gboolean
plan_norm_steps (PlanBuilder *b, const DcnnNode *gn, const PlanMap *map,
    PlanStep *steps)
{
  const float *p[5] = { NULL };
  PlanStep *mul = &steps[0], *add = &steps[1];

  for (int i = 1; i < 5; i++)
    if ((p[i] = plan_value_floats (b, gn, i)) == NULL)
      return FALSE;
  *mul = *add = (PlanStep) { .map = -1, .operand = DCNN_OPERAND_VECTOR };
  mul->kind = DCNN_STEP_MUL;
  add->kind = DCNN_STEP_ADD;
  mul->vector = g_new (float, map->channels);
  add->vector = g_new (float, map->channels);
  for (guint c = 0; c < map->channels; c++) {
    double scale = p[1][c] / sqrt (p[4][c] + gn->params.norm.epsilon);
    mul->vector[c] = (float) scale;
    add->vector[c] = (float) (p[2][c] - p[3][c] * scale);
  }
  return TRUE;
}

/* A normalisation that alone reads the value, as two steps. (Of convolutions
 * in float32 the graph's passes fold it into the weights; behind a quantiser
 * it stands for itself.) */
static DcnnValueId
absorb_norm (PlanBuilder *b, PlanNode *node, DcnnValueId value)
{
  gint reader = plan_sole_reader (b, value, DCNN_OP_BATCH_NORM);
  const DcnnNode *gn;

  if (reader < 0 || node->n_steps + 2 > DCNN_MAX_STEPS)
    return -1;
  gn = dcnn_graph_node (b->graph, reader);
  if (gn->inputs[0] != value || !plan_norm_steps (b, gn,
          plan_map (b->plan, node->out), &node->steps[node->n_steps]))
    return -1;
  node->n_steps += 2;
  b->done[reader] = TRUE;
  g_string_append_printf (node->ops, "+%s", dcnn_op_name (gn->op));
  return gn->outputs[0];
}

/* Whether the value's reader becomes part of the last step (join_step). */
static gboolean
reader_joins (PlanBuilder *b, const PlanNode *node, DcnnValueId value)
{
  gint reader = b->readers[value]->len == 1 ? live_reader (b, value, 0) : -1;
  DcnnOp op;

  if (reader < 0 || !is_clamp (&node->steps[node->n_steps - 1]))
    return FALSE;
  op = dcnn_graph_node (b->graph, reader)->op;
  return op == DCNN_OP_RELU || op == DCNN_OP_CLIP || op == DCNN_OP_ROUND;
}

DcnnValueId
plan_absorb_steps (PlanBuilder *b, PlanNode *node, DcnnValueId value)
{
  for (;;) {
    const gboolean full = node->n_steps == DCNN_MAX_STEPS;
    DcnnValueId next = -1;
    if (full && !reader_joins (b, node, value))
      break;
    if (!full)
      next = absorb_gated (b, node, value);
    if (next < 0 && !full)
      next = absorb_hard_sigmoid (b, node, value);
    if (next < 0 && !full)
      next = absorb_norm (b, node, value);
    if (next < 0)
      next = absorb_reader (b, node, value);
    if (next < 0)
      break;
    value = next;
  }
  g_free (node->name);
  node->name = g_strdup (dcnn_graph_value (b->graph, value)->name);
  return value;
}
