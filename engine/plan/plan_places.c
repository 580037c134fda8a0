/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_places.c - which dense tensors may lie in the same place. A tensor that a
 * tail always computes whole, and that is only read in frames in which it is,
 * holds nothing from frame to frame: others lie there before and after. All
 * else has a place of its own.
 */
#include "dcnn_plan.h"

/* By tensor: from the node that writes it to the last one that reads it. */
typedef struct Life {
  gint begin, end;         /* plan nodes; begin -1: it is kept */
} Life;

/* Whether rows that did not change are left as they were. */
static gboolean
keeps_rows (DcnnOp op)
{
  return op == DCNN_OP_MATMUL || op == DCNN_OP_GEMM ||
      op == DCNN_OP_SOFTMAX || op == DCNN_OP_LOG_SOFTMAX ||
      op == DCNN_OP_REDUCE_MEAN || op == DCNN_OP_REDUCE_SUM ||
      op == DCNN_OP_REDUCE_L2 ||
      op == DCNN_OP_LAYER_NORM || plan_op_is_elementwise (op);
}

static gint
tensor_of (const DcnnPlan *plan, DcnnValueId value)
{
  return value < 0 ? -1 : plan->values[value].tensor;
}

/* A tail runs when one of its tensors has changed: it may read a place that is
 * shared only where that is its one tensor. */
static void
add_reader (const DcnnPlan *plan, gint n, const DcnnNode *gn, Life *lives)
{
  gint only = -1;
  gboolean several = FALSE;

  for (int i = 0; i < gn->n_inputs; i++) {
    gint t = tensor_of (plan, gn->inputs[i]);
    several |= t >= 0 && only >= 0 && t != only;
    only = t >= 0 ? t : only;
  }
  for (int i = 0; i < gn->n_inputs; i++) {
    gint t = tensor_of (plan, gn->inputs[i]);
    if (t < 0)
      continue;
    lives[t].end = n;
    if (several)
      lives[t].begin = -1;
  }
}

static void
find_lives (const DcnnPlan *plan, Life *lives)
{
  for (guint t = 0; t < plan->tensors->len; t++)
    lives[t].begin = -1;
  for (gint n = 0; n < (gint) plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    const DcnnNode *gn = node->kind == PLAN_TAIL ?
        dcnn_graph_node (plan->graph, node->graph_node) : NULL;
    if (node->kind == PLAN_IMPORT && tensor_of (plan, node->value) >= 0)
      lives[tensor_of (plan, node->value)].end = n;
    if (gn == NULL)
      continue;
    for (int i = 0; i < gn->n_outputs && !keeps_rows (gn->op); i++)
      if (tensor_of (plan, gn->outputs[i]) >= 0)
        lives[tensor_of (plan, gn->outputs[i])] = (Life) { n, n };
    add_reader (plan, n, gn, lives);
  }
  for (guint i = 0; i < plan->graph->outputs->len; i++) {
    gint t = tensor_of (plan, g_array_index (plan->graph->outputs,
            DcnnValueId, i));
    if (t >= 0)
      lives[t].begin = -1;
  }
}

/* A place that is free before node n, the one that fits best; -1: none. */
static gint
find_free (const DcnnPlan *plan, const GArray *ends, gint n, gsize bytes)
{
  gint best = -1;

  for (guint p = 0; p < ends->len; p++) {
    gsize have = g_array_index (plan->places, gsize, p);
    gsize other = best < 0 ? 0 : g_array_index (plan->places, gsize, best);
    if (g_array_index (ends, gint, p) >= n)
      continue;
    if (best < 0 || (have >= bytes ? other < bytes || have < other :
            other < bytes && have > other))
      best = (gint) p;
  }
  return best;
}

static gsize
tensor_bytes (const DcnnPlan *plan, guint tensor)
{
  const DcnnTensor *t = &dcnn_graph_value (plan->graph,
      g_array_index (plan->tensors, DcnnValueId, tensor))->tensor;

  return (gsize) dcnn_tensor_count (t) * dcnn_dtype_bytes (t->dtype);
}

void
dcnn_plan_place_tensors (DcnnPlan *plan)
{
  g_autofree Life *lives = g_new0 (Life, plan->tensors->len + 1);
  g_autoptr (GArray) ends = g_array_new (FALSE, FALSE, sizeof (gint));

  find_lives (plan, lives);
  for (guint t = 0; t < plan->tensors->len; t++) {
    gsize bytes = tensor_bytes (plan, t);
    gint end = lives[t].begin < 0 ? G_MAXINT : lives[t].end;
    gint place = lives[t].begin < 0 ? -1 :
        find_free (plan, ends, lives[t].begin, bytes);
    if (place < 0) {
      place = (gint) plan->places->len;
      g_array_append_val (plan->places, bytes);
      g_array_append_val (ends, end);
    }
    g_array_index (ends, gint, place) = end;
    g_array_index (plan->places, gsize, place) =
        MAX (g_array_index (plan->places, gsize, place), bytes);
    g_array_append_val (plan->tensor_places, place);
  }
}
