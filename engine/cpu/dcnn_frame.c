/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_frame.c - whether a whole frame runs dense: after a cut, and while what
 * lists cost is at least what whole maps would. By counts and a table, so that
 * the same frames give the same results whatever the load.
 */
#include "cpu.h"

#include <string.h>

/* ---- what a node costs ---------------------------------------------------------- */

typedef struct Rates {
  gdouble mac, channel, pixel, node;
} Rates;

typedef enum CostKind { COST_CONV, COST_DEPTHWISE, COST_OTHER } CostKind;

/* Nanoseconds of one thread of a Zen 3 with AVX2, from the nodes of seven nets
 * at three shares of changed pixels (decisions.md). Only their proportions
 * matter. Lists: with what judging, masks and verdicts take. */
static const Rates list_rates[] = {
  [COST_CONV] = { 0.042, 0.45, 28, 800 },
  [COST_DEPTHWISE] = { 0.070, 0.5, 18, 800 },
  [COST_OTHER] = { 0.19, 0.8, 30, 3500 },
};
static const Rates map_rates[] = {
  [COST_CONV] = { 0.0404, 0, 6.5, 2200 },
  [COST_DEPTHWISE] = { 0.075, 0.05, 6, 1600 },
  [COST_OTHER] = { 0.185, 0.4, 12, 3500 },
};

/* Of what lists cost beside arithmetic, what is left in a whole map that is
 * compared with the stored one. */
#define JUDGED_SHARE 0.5

/* What arithmetic costs on a level, beside AVX2; what lists cost for finding
 * and judging pixels stays. AVX-512 is by its width, not measured. */
static const struct {
  const char *isa;
  gdouble arithmetic;
} levels[] = { { "c", 6 }, { "avx2", 1 }, { "avx512", 0.55 } };

static CostKind
kind_of (const PlanNode *node)
{
  switch (node->primary) {
    case DCNN_PRIMARY_CONV:
    case DCNN_PRIMARY_GROUP_CONV:
    case DCNN_PRIMARY_CONV_TRANSPOSE:
      return COST_CONV;
    case DCNN_PRIMARY_DEPTHWISE:
      return COST_DEPTHWISE;
    default:
      return COST_OTHER;
  }
}

static gdouble
pixel_cost (const Rates *rates, const PlanNode *node, guint channels,
    gdouble arithmetic)
{
  return rates->mac * arithmetic * (gdouble) node->macs_per_pixel +
      rates->channel * channels + rates->pixel;
}

void
dcnn_frame_costs_init (DcnnSession *session)
{
  const DcnnPlan *plan = session->plan;
  gdouble arithmetic = 1;

  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    if (strcmp (levels[i].isa, session->cpu->kernels->isa) == 0)
      arithmetic = levels[i].arithmetic;
  session->cpu->costs = g_new0 (NodeCost, plan->nodes->len + 1);
  session->cpu->dense_cost = 0;
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    NodeCost *cost = &session->cpu->costs[n];
    const PlanMap *out;
    CostKind kind = kind_of (node);
    if (node->kind != PLAN_KERNEL)
      continue;
    out = plan_map (plan, node->out);
    cost->list_pixel = pixel_cost (&list_rates[kind], node, out->channels,
        arithmetic);
    cost->list_node = list_rates[kind].node;
    cost->map = map_rates[kind].node + (gdouble) out->width * out->height *
        pixel_cost (&map_rates[kind], node, out->channels, arithmetic);
    cost->judged_map = cost->map + JUDGED_SHARE * (gdouble) out->width *
        out->height * (list_rates[kind].channel * out->channels +
        list_rates[kind].pixel);
    session->cpu->dense_cost += cost->map;
  }
}

/* ---- frames ---------------------------------------------------------------------- */

static gboolean
is_cut (const DcnnSession *session, const DcnnStream *stream, gsize changed,
    gsize pixels)
{
  return session->tuning.mode == DCNN_MODE_AUTO && !stream->cpu->move.active &&
      stream->n_regions == 0 && dcnn_dense_rule_cut (changed, pixels);
}

gboolean
dcnn_frame_turns_dense (DcnnSession *session, DcnnStream *stream,
    gsize changed, gsize pixels)
{
  gdouble share = pixels ? (gdouble) changed / (gdouble) pixels : 0;
  gboolean dense = FALSE;

  if (stream->first)
    memset (&stream->cpu->dear, 0, sizeof stream->cpu->dear);
  else if (session->tuning.mode == DCNN_MODE_AUTO && stream->n_regions == 0)
    dense = dcnn_dear_frames_next (&stream->cpu->dear, share);
  else
    stream->cpu->dear.left = 0;
  if (!dense && is_cut (session, stream, changed, pixels)) {
    if (session->cpu->costs) /* a device that runs frames by itself has none */
      dcnn_dear_frames_ran (&stream->cpu->dear, 1, share);
    dense = TRUE;
  }
  /* maps inside of blocks that dense frames did not store */
  return dense || stream->cpu->hollow;
}

guint
dcnn_frame_blocks (const DcnnSession *session, const DcnnStream *stream)
{
  return stream->cpu->dense && !stream->first &&
      session->cpu->sets[1].blocks != NULL &&
      (session->tuning.mode == DCNN_MODE_DENSE || stream->cpu->dear.left > 0) ?
      1 : 0;
}

void
dcnn_frame_ran (DcnnSession *session, DcnnStream *stream)
{
  if (!stream->cpu->dense && session->tuning.mode == DCNN_MODE_AUTO)
    dcnn_dear_frames_ran (&stream->cpu->dear, stream->cpu->cost / MAX (1,
            session->cpu->dense_cost), stream->stats.changed_share);
}
