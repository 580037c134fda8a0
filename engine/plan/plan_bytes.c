/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_bytes.c - which maps of a quantised network may be stored as bytes:
 * those whose every value is a whole number, none more than 255 over another,
 * where all that write and read them have kernels of bytes.
 */
#include "dcnn_plan.h"

#include <math.h>

/* Maps that share storage: known by the one that has it. */
typedef struct Group {
  gboolean bytes;
  gdouble low, high;       /* of all that is written */
} Group;

static gint
group_of (const DcnnPlan *plan, gint map)
{
  while (plan_map (plan, map)->parent >= 0)
    map = plan_map (plan, map)->parent;
  return map;
}

static gboolean
is_bytes (const DcnnPlan *plan, const Group *groups, gint map)
{
  return map >= 0 && groups[group_of (plan, map)].bytes;
}

/* ---- what a node writes -------------------------------------------------------- */

/* The whole numbers that a node's steps end in: low .. high. */
static gboolean
ends_whole (const PlanNode *node, gdouble *low, gdouble *high)
{
  gint s = node->n_steps - 1;
  gdouble back = 0;

  if (s >= 0 && node->steps[s].kind == DCNN_STEP_SUB &&
      node->steps[s].operand == DCNN_OPERAND_SCALAR) {
    back = node->steps[s--].a;
    if (back != rint (back))
      return FALSE;
  }
  if (s < 0 || node->steps[s].kind != DCNN_STEP_ROUND)
    return FALSE;
  *low = rint (node->steps[s].a) - back;
  *high = rint (node->steps[s].b) - back;
  return isfinite (*low) && isfinite (*high) && *low <= 0 && *high >= 0;
}

/* Whether a node only moves or chooses values of its in map. */
static gboolean
moves_only (const PlanNode *node)
{
  return node->n_steps == 0 && (node->primary == DCNN_PRIMARY_MAX_POOL ||
      node->primary == DCNN_PRIMARY_RESAMPLE ||
      node->primary == DCNN_PRIMARY_SPACE_TO_DEPTH ||
      node->primary == DCNN_PRIMARY_DEPTH_TO_SPACE ||
      node->primary == DCNN_PRIMARY_COPY);
}

/* ---- what a node can read ------------------------------------------------------- */

/* Whether the weights are small whole numbers and no sum of a convolution of
 * bytes leaves int32. */
static gboolean
sums_are_exact (const PlanNode *node)
{
  const PlanOp *op = &node->op;
  const gboolean transposed = node->primary == DCNN_PRIMARY_CONV_TRANSPOSE;
  const gsize taps = (gsize) (op->conv.window.kernel[0] *
      op->conv.window.kernel[1]);
  const gsize inputs = op->in_channels / (gsize) op->conv.groups;

  for (gsize o = 0; o < op->out_channels; o++) {
    gdouble bias = op->bias ? (gdouble) op->bias[o] : 0, sum = fabs (bias);
    if (bias != rint (bias))
      return FALSE;
    for (gsize i = 0; i < inputs * taps; i++) {
      gdouble w = (gdouble) op->weights[transposed && inputs > 1 ?
          (i / taps * op->out_channels + o) * taps + i % taps :
          o * inputs * taps + i];
      if (w != rint (w) || fabs (w) > 255)
        return FALSE;
      sum += 255 * fabs (w);
    }
    if (!(sum < G_MAXINT32))
      return FALSE;
  }
  return TRUE;
}

/* Whether groups fill steps and panels (kernels/cpu/bytes.h), or are of one
 * channel. */
static gboolean
groups_fit (const PlanNode *node)
{
  const guint groups = (guint) node->op.conv.groups;

  if (node->primary == DCNN_PRIMARY_CONV_TRANSPOSE && groups > 1)
    return groups == node->op.in_channels && groups == node->op.out_channels;
  return groups == 1 || (node->primary == DCNN_PRIMARY_GROUP_CONV &&
      node->op.in_channels / groups % 4 == 0 &&
      node->op.out_channels / groups % DCNN_LANES == 0);
}

/* Whether every window of a pool meets the map. */
static gboolean
windows_meet (const DcnnPlan *plan, const PlanNode *node)
{
  const DcnnWindow *w = &node->op.pool.window;
  const PlanMap *in = plan_map (plan, node->in);
  const PlanMap *out = plan_map (plan, node->out);
  const gint64 ins[2] = { in->height, in->width };
  const gint64 outs[2] = { out->height, out->width };

  for (gint d = 0; d < 2; d++)
    if (w->pad_begin[d] > (w->kernel[d] - 1) * w->dilation[d] ||
        (outs[d] - 1) * w->stride[d] - w->pad_begin[d] >= ins[d])
      return FALSE;
  return node->op.pool.window.dilation[0] == 1 &&
      node->op.pool.window.dilation[1] == 1;
}

static gboolean
has_fill (const PlanNode *node, const PlanMap *out)
{
  for (guint y = 0; y < out->height; y++)
    if (node->index_y[y] == UINT32_MAX)
      return TRUE;
  for (guint x = 0; x < out->width; x++)
    if (node->index_x[x] == UINT32_MAX)
      return TRUE;
  return FALSE;
}

const char *
dcnn_plan_bytes_refusal (const DcnnPlan *plan, const PlanNode *node)
{
  switch (node->primary) {
    case DCNN_PRIMARY_GROUP_CONV:
    case DCNN_PRIMARY_CONV_TRANSPOSE:
      if (!groups_fit (node))
        return node->primary == DCNN_PRIMARY_CONV_TRANSPOSE ?
            "its groups have more than one channel" : "its groups have no "
            "multiple of 4 input and of 8 output channels";
      /* fall through */
    case DCNN_PRIMARY_CONV:
    case DCNN_PRIMARY_DEPTHWISE:
      if (!node->op.conv.whole_numbers)
        return "it does not compute with whole numbers";
      return sums_are_exact (node) ? NULL : "a weight is larger than 255, or a "
          "sum leaves 32 bits";
    case DCNN_PRIMARY_MAX_POOL:
      return windows_meet (plan, node) ? NULL : "it is dilated, or a window "
          "lies outside the map";
    case DCNN_PRIMARY_RESAMPLE:
      return has_fill (node, plan_map (plan, node->out)) ? "it pads" : NULL;
    case DCNN_PRIMARY_COPY:
    case DCNN_PRIMARY_RESIZE:
    case DCNN_PRIMARY_AVERAGE_POOL:
    case DCNN_PRIMARY_SPACE_TO_DEPTH:
    case DCNN_PRIMARY_DEPTH_TO_SPACE:
      return NULL;
    default:
      return "the operator has no kernel on bytes";
  }
}

/* Its in map may be of bytes: can it read them? */
static gboolean
reads_bytes (const DcnnPlan *plan, PlanNode *node)
{
  const char *why = dcnn_plan_bytes_refusal (plan, node);

  if (why)
    g_string_append_printf (node->why, "%son bytes: %s",
        node->why->len ? "; " : "", why);
  return why == NULL;
}

/* ---- the search -------------------------------------------------------------------- */

static gboolean
drop (const DcnnPlan *plan, Group *groups, gint map)
{
  Group *group = &groups[group_of (plan, map)];
  gboolean was = group->bytes;

  group->bytes = FALSE;
  return was;
}

/* A pooling of the whole map, whose kernel reads bytes, too. */
static gboolean
pools_all (const PlanNode *node)
{
  return node->kind == PLAN_GLOBAL && node->norm == NULL;
}

/* Takes back what a node cannot have. TRUE: something was. */
static gboolean
restrict_node (const DcnnPlan *plan, const PlanNode *node,
    const gboolean *reads, Group *groups, guint n)
{
  gboolean in = is_bytes (plan, groups, node->in), changed = FALSE;
  gboolean kernel = node->kind == PLAN_KERNEL && (!in || reads[n]);

  if (in && !kernel && !pools_all (node))
    changed |= drop (plan, groups, node->in);
  if (is_bytes (plan, groups, node->out) && !kernel)
    changed |= drop (plan, groups, node->out);
  for (gint s = 0; s < node->n_steps; s++)
    if (is_bytes (plan, groups, node->steps[s].map) && (!kernel ||
            node->steps[s].operand != DCNN_OPERAND_MAP))
      changed |= drop (plan, groups, node->steps[s].map);
  return changed;
}

/* The whole numbers that a node writes; those that it moves come from nodes
 * before it. */
static gboolean
writes_whole (const DcnnPlan *plan, const PlanNode *node, const Group *groups,
    gdouble *low, gdouble *high)
{
  if (node->kind != PLAN_KERNEL)
    return FALSE;
  if (!moves_only (node))
    return ends_whole (node, low, high);
  if (!is_bytes (plan, groups, node->in))
    return FALSE;
  *low = groups[group_of (plan, node->in)].low;
  *high = groups[group_of (plan, node->in)].high;
  return TRUE;
}

/* What writes them lets them be bytes. */
static void
find_ranges (const DcnnPlan *plan, Group *groups)
{
  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, i);
    if (map->graph_input >= 0 || map->constant ||
        (map->written && (map->source < 0 ||
                map->parent_offset % DCNN_LANES != 0)))
      drop (plan, groups, (gint) i);
  }
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    gdouble low, high;
    if (node->out < 0)
      continue;
    Group *group = &groups[group_of (plan, node->out)];
    if (!writes_whole (plan, node, groups, &low, &high)) {
      group->bytes = FALSE;
      continue;
    }
    group->low = MIN (group->low, low);
    group->high = MAX (group->high, high);
  }
  for (guint i = 0; i < plan->maps->len; i++)
    if (!(groups[i].high - groups[i].low <= 255) || groups[i].high == 0)
      groups[i].bytes = FALSE;
}

/* Readers that are no KERNEL nodes, and states. */
static void
find_readers (const DcnnPlan *plan, Group *groups)
{
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    for (guint i = 0; node->sources && i < node->sources->len; i++)
      drop (plan, groups,
          g_array_index (node->sources, PlanGatherSource, i).map);
    if (node->kind != PLAN_KERNEL && node->in >= 0 && !pools_all (node))
      drop (plan, groups, node->in);
    if (node->is_gate && node->out >= 0)
      drop (plan, groups, node->out);
  }
  for (guint i = 0; i < plan->graph->outputs->len; i++) {
    DcnnValueId v = g_array_index (plan->graph->outputs, DcnnValueId, i);
    if (plan->values[v].map >= 0)
      drop (plan, groups, plan->values[v].map);
  }
}

void
dcnn_plan_find_bytes (DcnnPlan *plan)
{
  g_autofree Group *groups = g_new0 (Group, plan->maps->len + 1);
  g_autofree gboolean *reads = g_new0 (gboolean, plan->nodes->len + 1);
  gboolean changed = TRUE;

  if (plan->graph->states->len > 0)
    return;
  for (guint i = 0; i < plan->maps->len; i++)
    groups[i].bytes = TRUE;
  find_ranges (plan, groups);
  find_readers (plan, groups);
  for (guint n = 0; n < plan->nodes->len; n++) {
    PlanNode *node = plan_node (plan, n);
    reads[n] = node->kind == PLAN_KERNEL &&
        is_bytes (plan, groups, node->in) && reads_bytes (plan, node);
  }
  while (changed) {
    changed = FALSE;
    for (guint n = 0; n < plan->nodes->len; n++)
      changed |= restrict_node (plan, plan_node (plan, n), reads, groups, n);
  }
  for (guint i = 0; i < plan->maps->len; i++) {
    const Group *group = &groups[group_of (plan, (gint) i)];
    plan_map (plan, i)->bytes = group->bytes;
    plan_map (plan, i)->low = group->bytes ? (gint) group->low : 0;
  }
}
