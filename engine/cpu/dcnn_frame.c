/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_frame.c - whether a whole frame runs dense: after a cut, and while what
 * lists cost is at least what whole maps would. By counts and a table, so that
 * the same frames give the same results whatever the load.
 */
#include "cpu.h"

#include <string.h>

/* ---- what a node costs ---------------------------------------------------------- */

/* What arithmetic costs on a level, beside AVX2, as measured (ten nets with
 * AVX-512); what lists cost for finding and judging pixels stays. */
static const struct {
  const char *isa;
  gdouble arithmetic;
} levels[] = { { "c", 6 }, { "avx2", 1 }, { "avx512", 0.7 } };

void
dcnn_frame_costs_init (DcnnSession *session)
{
  const DcnnPlan *plan = session->plan;

  session->arithmetic = 1;
  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    if (strcmp (levels[i].isa, session->cpu->kernels->isa) == 0)
      session->arithmetic = levels[i].arithmetic;
  session->cpu->costs = g_new0 (DcnnNodeCost, plan->nodes->len + 1);
  session->cpu->dense_cost = 0;
  session->cpu->weighs_frames = TRUE;
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    const PlanMap *out;
    if (node->kind != PLAN_KERNEL)
      continue;
    out = plan_map (plan, node->out);
    session->cpu->costs[n] = dcnn_node_cost (node->primary,
        node->macs_per_pixel, out->channels, (gsize) out->width * out->height,
        dcnn_node_arithmetic (session->arithmetic,
            plan_map (plan, node->in)->bytes));
    session->cpu->dense_cost += session->cpu->costs[n].map;
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
    if (session->cpu->weighs_frames)
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
dcnn_frame_ran (DcnnSession *session, DcnnStream *stream, gdouble cost)
{
  if (!stream->cpu->dense && session->tuning.mode == DCNN_MODE_AUTO)
    dcnn_dear_frames_ran (&stream->cpu->dear, cost,
        stream->stats.changed_share);
}
