/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan_blocks.c - which nodes may be computed on the way to another: a
 * depthwise convolution that only a 1x1 convolution reads, and the 1x1
 * convolution before it that widens its input, or the activation (a copy). See
 * dcnn_block.c. Maps of bytes are stored: they take a quarter.
 */
#include "dcnn_plan.h"

#include <math.h>

/* A depthwise map that is not stored truncates nothing: the 1x1 convolution
 * after it has more pixels to do. That costs by its output channels, and more
 * on coarser maps, where a pixel of border is a larger share of what moves;
 * what it saves, storing and judging, does not depend on either. Measured on
 * the nets of figures.md: output channels that always pay, and times the side
 * of a pixel in pixels of the largest map. */
#define PAYING_CHANNELS 32
#define PAYING_WIDTH 256

/* Threads compute the rows between their parts of a widened map twice. */
#define TALL_ROWS 32

/* By map: how many nodes and views read it. To be freed. */
static guint *
count_readers (const DcnnPlan *plan)
{
  guint *readers = g_new0 (guint, plan->maps->len + 1);

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    if (node->in >= 0)
      readers[node->in]++;
    for (gint s = 0; s < node->n_steps; s++)
      if (node->steps[s].map >= 0)
        readers[node->steps[s].map]++;
    for (guint i = 0; node->sources && i < node->sources->len; i++)
      readers[g_array_index (node->sources, PlanGatherSource, i).map]++;
  }
  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, i);
    if (map->parent >= 0)
      readers[map->parent]++;
    for (guint p = 0; map->pieces && p < map->pieces->len; p++)
      readers[g_array_index (map->pieces, gint, p)]++;
  }
  return readers;
}

/* A convolution that reads one pixel a pixel, at the same place. */
static gboolean
is_pointwise (const PlanNode *node)
{
  const DcnnWindow *w = &node->window;

  if (node->kind != PLAN_KERNEL || node->primary != DCNN_PRIMARY_CONV ||
      node->in < 0)
    return FALSE;
  if (node->reach == PLAN_REACH_WINDOW)
    for (gint i = 0; i < 2; i++)
      if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad_begin[i] != 0 ||
          w->pad_end[i] != 0)
        return FALSE;
  return node->reach == PLAN_REACH_WINDOW || node->reach == PLAN_REACH_SAME;
}

/* The node that makes a map, when one node reads it and it could do without
 * being stored; else -1. */
static gint
sole_source (const DcnnPlan *plan, const guint *readers, gint map)
{
  const PlanMap *m = plan_map (plan, map);
  const PlanNode *node;

  if (readers[map] != 1 || m->source < 0 || m->bytes || m->parent >= 0 || m->pieces ||
      m->mask < 0 || (m->width == 1 && m->height == 1))
    return -1;
  node = plan_node (plan, m->source);
  if (node->kind != PLAN_KERNEL || node->is_output || node->is_gate)
    return -1;
  for (gint s = 0; s < node->n_steps; s++)
    if (node->steps[s].map >= 0)
      return -1;
  return m->source;
}

/* side: of a pixel of the map, in pixels of the plan's largest map. */
static void
find_block (const DcnnPlan *plan, const guint *readers, gint n, gdouble side)
{
  PlanNode *node = plan_node (plan, n), *depthwise;
  guint channels;
  gint d, e;

  if (!is_pointwise (node))
    return;
  d = sole_source (plan, readers, node->in);
  if (d < 0)
    return;
  depthwise = plan_node (plan, d);
  if (depthwise->primary != DCNN_PRIMARY_DEPTHWISE ||
      depthwise->reach != PLAN_REACH_WINDOW || depthwise->in < 0)
    return;
  node->depthwise = d;
  depthwise->into = n;
  channels = plan_map (plan, node->out)->channels;
  node->block_pays = channels <= PAYING_CHANNELS ||
      channels * side <= PAYING_WIDTH;
  e = sole_source (plan, readers, depthwise->in);
  /* one that ends a block is no part of the next */
  if (e < 0 || plan_node (plan, e)->depthwise >= 0 ||
      !(is_pointwise (plan_node (plan, e)) ||
          plan_node (plan, e)->primary == DCNN_PRIMARY_COPY))
    return;
  node->expand = e;
  plan_node (plan, e)->into = n;
}

void
dcnn_plan_find_blocks (DcnnPlan *plan)
{
  g_autofree guint *readers = count_readers (plan);
  gdouble largest = 1;

  for (guint i = 0; i < plan->maps->len; i++)
    plan_map (plan, i)->readers = readers[i];
  for (guint i = 0; i < plan->maps->len; i++)
    largest = MAX (largest, (gdouble) plan_map (plan, i)->width *
        plan_map (plan, i)->height);
  for (guint n = 0; n < plan->nodes->len; n++)
    if (plan_node (plan, n)->out >= 0) {
      const PlanMap *map = plan_map (plan, plan_node (plan, n)->out);
      find_block (plan, readers, (gint) n,
          sqrt (largest / ((gdouble) map->width * map->height)));
    }
}

gboolean
dcnn_plan_inside (const DcnnPlan *plan, gint n, PlanBlocks blocks)
{
  const PlanNode *end;

  if (n < 0 || plan_node (plan, n)->into < 0)
    return FALSE;
  end = plan_node (plan, plan_node (plan, n)->into);
  if (blocks == PLAN_BLOCKS_ALL || (blocks == PLAN_BLOCKS_TALL &&
          plan_map (plan, end->out)->height >= TALL_ROWS))
    return TRUE;
  return blocks != PLAN_BLOCKS_NONE && end->block_pays && n == end->depthwise;
}
