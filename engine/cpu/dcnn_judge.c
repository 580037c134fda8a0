/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_judge.c - which pixels are candidates, and when a change counts
 * (DcnnCriterion, deltacnn/session.h).
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

/* ---- significance ------------------------------------------------------------ */

static gfloat
squares_of_pixel (const DcnnMap *map)
{
  const float *p = dcnn_map_pixel (map, 0, 0);
  gfloat sum = 0;

  for (guint c = 0; c < map->channels; c++)
    sum += p[c] * p[c];
  return sum;
}

DcnnCriterionRule
dcnn_judge_rule (const DcnnSession *session, const DcnnStream *stream, gint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  const CpuNodeState *state = &stream->cpu->nodes[n];
  DcnnCriterionNode about = { .is_gate = node->is_gate,
    .is_output = node->is_output,
    .one_pixel = out->width == 1 && out->height == 1,
    .channels = out->channels, .threshold = state->told->threshold,
    .spread_known = state->spread_valid,
    .influence_known = session->influence[n] != NULL,
    .influence_limit = session->limits[n], .rounding = session->rounding };

  return dcnn_criterion_rule (&session->tuning, &about);
}

void
dcnn_judge_node (DcnnSession *session, DcnnStream *stream, gint n)
{
  DcnnSignificance *s = &stream->cpu->nodes[n].job.significance;
  DcnnCriterionRule rule;

  s->inv_spread = session->cpu->ones;
  s->limit = 0;
  s->kind = DCNN_SIGNIFICANT_ALWAYS;
  if (stream->cpu->dense)
    return;
  rule = dcnn_judge_rule (session, stream, n);
  s->kind = rule.kind;
  s->limit = rule.limit;
  if (rule.relative)
    s->limit *= squares_of_pixel (&stream->cpu->maps[plan_node (session->plan,
                n)->out]);
  if (rule.weights == DCNN_WEIGHTS_INFLUENCE)
    s->inv_spread = session->influence[n];
  else if (rule.weights == DCNN_WEIGHTS_SPREAD)
    s->inv_spread = stream->cpu->nodes[n].inv_spread;
}

/* ---- spreads -------------------------------------------------------------------- */

/* Adds a pixel's values, and their squares. */
static void
add_floats (const float *restrict from, guint n, gdouble *restrict sum,
    gdouble *restrict squares)
{
  for (guint c = 0; c < n; c++) {
    gdouble v = from[c];
    sum[c] += v;
    squares[c] += v * v;
  }
}

static void
add_bytes (const guint8 *restrict from, gint low, guint n,
    gdouble *restrict sum, gdouble *restrict squares)
{
  for (guint c = 0; c < n; c++) {
    gdouble v = from[c] + low;
    sum[c] += v;
    squares[c] += v * v;
  }
}

/* The standard deviation of each channel over the map as it is stored; a
 * channel far quieter than the others counts as a tenth of their rms, so that
 * rounding in a dead channel is not mistaken for news. FALSE: some number is none,
 * or infinite. */
static gboolean
measure_spread (const DcnnMap *map, guint channels, gdouble *sum,
    CpuNodeState *state)
{
  gdouble n = (gdouble) map->width * map->height, total = 0;
  gdouble *sum2 = sum + map->channels;

  memset (sum, 0, 2 * map->channels * sizeof *sum);
  for (guint y = 0; y < map->height; y++)
    for (guint x = 0; x < map->width; x++)
      if (map->bytes)
        add_bytes (dcnn_map_bytes (map, y, x), map->low, map->channels, sum,
            sum2);
      else
        add_floats (dcnn_map_pixel (map, y, x), map->channels, sum, sum2);
  for (guint c = 0; c < map->channels; c++) {
    gdouble mean = sum[c] / n;
    sum2[c] = MAX (0, sum2[c] / n - mean * mean);
    total += sum2[c];
  }
  state->spread_valid = total > 0 && isfinite (total);
  for (guint c = 0; c < map->channels && state->spread_valid; c++)
    state->inv_spread[c] =
        (float) (1 / sqrt (MAX (sum2[c], 0.01 * total / channels)));
  return isfinite (total) != 0;
}

gboolean
dcnn_needs_spread (const DcnnSession *session, const DcnnStream *stream, guint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  gfloat own = stream->nodes[n].threshold;

  return node->out >= 0 && !node->is_output && !node->is_gate &&
      !(session->pass_on && node->passes_on) && (isnan (own) ? session->tuning.threshold : own) > 0 &&
      (session->tuning.criterion != DCNN_CRITERION_INFLUENCE ||
      session->influence[n] == NULL);
}

void
dcnn_measure_spreads (DcnnSession *session, DcnnStream *stream)
{
  for (guint n = 0; n < session->plan->nodes->len; n++) {
    const PlanNode *node = plan_node (session->plan, n);
    if (!dcnn_needs_spread (session, stream, n) ||
        (stream->cpu->maps[node->out].data == NULL &&
            stream->cpu->maps[node->out].bytes == NULL))
      continue;
    if ((stream->cpu->maps[node->out].width > 1 ||
            stream->cpu->maps[node->out].height > 1) &&
        !measure_spread (&stream->cpu->maps[node->out],
          plan_map (session->plan, node->out)->channels,
          session->cpu->spread_sums, &stream->cpu->nodes[n]))
      dcnn_see_not_finite (session, stream, (gint) n);
  }
}

/* ---- candidates ------------------------------------------------------------------ */

/* What a change of the primary input reaches. scratch: CpuSession's. */
static void
reach_of (const PlanNode *node, const DcnnMask *in, DcnnMask *out,
    gpointer scratch)
{
  switch (node->kind == PLAN_KERNEL ? node->reach : PLAN_REACH_SAME) {
    case PLAN_REACH_WINDOW:
      dcnn_mask_candidates_conv (out, in, &node->window, scratch);
      break;
    case PLAN_REACH_TRANSPOSED:
      dcnn_mask_candidates_transposed (out, in, &node->window, scratch);
      break;
    case PLAN_REACH_TABLE:
      dcnn_mask_candidates_table (out, in, node->taps_y, node->index_y,
          node->taps_x, node->index_x, scratch);
      break;
    case PLAN_REACH_SAME:
    default:
      dcnn_mask_copy (out, in);
      break;
  }
}

gboolean
dcnn_find_candidates (DcnnSession *session, const StreamMask *masks, gint n,
    DcnnMask *candidates)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanNode *reach = node;
  const PlanMap *out = plan_map (session->plan, node->out);
  gint input = dcnn_block_input (session, n);
  DcnnMask pieces = dcnn_room (session, ROOM_PIECES, out);
  const DcnnMask *in;
  gboolean any = FALSE;

  if (dcnn_block_ends (session, n))
    reach = plan_node (session->plan, node->depthwise);
  in = dcnn_stream_mask (session->plan, masks, input, &pieces);
  if (in) {
    reach_of (reach, in, candidates, session->cpu->mask_scratch);
    any = TRUE;
  }
  for (gint s = 0; s < node->n_steps; s++) {
    const DcnnMask *m;
    if (node->steps[s].map < 0)
      continue;
    m = dcnn_stream_mask (session->plan, masks, node->steps[s].map, &pieces);
    if (m == NULL)
      continue;
    if (m->width != out->width || m->height != out->height)
      dcnn_mask_fill (candidates);
    else if (any)
      dcnn_mask_or (candidates, m);
    else
      dcnn_mask_copy (candidates, m);
    any = TRUE;
  }
  return any;
}
