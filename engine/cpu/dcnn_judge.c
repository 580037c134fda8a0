/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_judge.c - which pixels are candidates, and when a change counts
 * (DcnnCriterion, deltacnn/session.h).
 */
#include "dcnn_engine.h"

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

/* A gate counts when it moved by a share of its own rms. */
static void
judge_gate (const DcnnSession *session, const DcnnMap *out,
    DcnnSignificance *s)
{
  gfloat t = session->tuning.gate_threshold;

  s->kind = t > 0 ? DCNN_SIGNIFICANT_SQUARE : DCNN_SIGNIFICANT_ANY;
  s->inv_spread = session->ones;
  s->limit = t * t * squares_of_pixel (out);
}

void
dcnn_judge_node (DcnnSession *session, DcnnStream *stream, gint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  NodeState *state = &stream->nodes[n];
  DcnnSignificance *s = &state->job.significance;
  const DcnnTuning *tuning = &session->tuning;
  gfloat t = isnan (state->threshold) ? MAX (tuning->threshold, 0) :
      state->threshold;

  s->inv_spread = session->ones;
  s->limit = 0;
  if (stream->dense) {
    s->kind = DCNN_SIGNIFICANT_ALWAYS;
  } else if (node->is_gate) {
    judge_gate (session, &stream->maps[node->out], s);
  } else if (t < 0 && !node->is_output) {
    s->kind = DCNN_SIGNIFICANT_ALWAYS;
  } else if (node->is_output || t <= 0 || (out->width == 1 &&
          out->height == 1)) {
    s->kind = DCNN_SIGNIFICANT_ANY;
  } else if (tuning->criterion == DCNN_CRITERION_MAX) {
    s->kind = DCNN_SIGNIFICANT_MAX;
    s->limit = t;
  } else if (tuning->criterion == DCNN_CRITERION_INFLUENCE &&
      session->influence[n]) {
    s->kind = DCNN_SIGNIFICANT_SQUARE;
    s->limit = (float) (t * t * session->limits[n]);
    s->inv_spread = session->influence[n];
  } else if (tuning->criterion == DCNN_CRITERION_RMS || state->spread_valid) {
    s->kind = DCNN_SIGNIFICANT_SQUARE;
    s->limit = t * t * out->channels;
    if (tuning->criterion != DCNN_CRITERION_RMS)
      s->inv_spread = state->inv_spread;
  } else {
    s->kind = DCNN_SIGNIFICANT_ANY;
  }
}

/* ---- spreads -------------------------------------------------------------------- */

/* The standard deviation of each channel over the map as it is stored; a
 * channel far quieter than the others counts as a tenth of their rms, so that
 * rounding in a dead channel is not mistaken for news. */
static void
measure_spread (const DcnnMap *map, guint channels, gdouble *sum,
    NodeState *state)
{
  gdouble n = (gdouble) map->width * map->height, total = 0;
  gdouble *sum2 = sum + map->channels;

  memset (sum, 0, 2 * map->channels * sizeof *sum);
  for (guint y = 0; y < map->height; y++)
    for (guint x = 0; x < map->width; x++) {
      const float *p = dcnn_map_pixel (map, y, x);
      for (guint c = 0; c < map->channels; c++) {
        sum[c] += p[c];
        sum2[c] += (gdouble) p[c] * p[c];
      }
    }
  for (guint c = 0; c < map->channels; c++) {
    gdouble mean = sum[c] / n;
    sum2[c] = MAX (0, sum2[c] / n - mean * mean);
    total += sum2[c];
  }
  state->spread_valid = total > 0 && isfinite (total);
  if (!state->spread_valid)
    return;
  for (guint c = 0; c < map->channels; c++)
    state->inv_spread[c] =
        (float) (1 / sqrt (MAX (sum2[c], 0.01 * total / channels)));
}

/* Whether the criterion divides by the node's spread. */
static gboolean
needs_spread (const DcnnSession *session, const DcnnStream *stream, guint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  gfloat own = stream->nodes[n].threshold;

  return node->out >= 0 && !node->is_output && !node->is_gate &&
      (isnan (own) ? session->tuning.threshold : own) > 0 &&
      (session->tuning.criterion != DCNN_CRITERION_INFLUENCE ||
      session->influence[n] == NULL);
}

void
dcnn_measure_spreads (DcnnSession *session, DcnnStream *stream)
{
  for (guint n = 0; n < session->plan->nodes->len; n++) {
    const PlanNode *node = plan_node (session->plan, n);
    if (!needs_spread (session, stream, n) ||
        stream->maps[node->out].data == NULL)
      continue;
    if (stream->maps[node->out].width > 1 || stream->maps[node->out].height > 1)
      measure_spread (&stream->maps[node->out],
          plan_map (session->plan, node->out)->channels, session->spread_sums,
          &stream->nodes[n]);
  }
}

/* ---- candidates ------------------------------------------------------------------ */

/* What a change of the primary input reaches, into session->candidates. */
static void
reach_of (DcnnSession *session, const PlanNode *node, const DcnnMask *in)
{
  DcnnMask *out = &session->candidates;

  switch (node->kind == PLAN_KERNEL ? node->reach : PLAN_REACH_SAME) {
    case PLAN_REACH_WINDOW:
      dcnn_mask_candidates_conv (out, in, &node->window,
          session->mask_scratch);
      break;
    case PLAN_REACH_TRANSPOSED:
      dcnn_mask_candidates_transposed (out, in, &node->window,
          session->mask_scratch);
      break;
    case PLAN_REACH_TABLE:
      dcnn_mask_candidates_table (out, in, node->taps_y, node->index_y,
          node->taps_x, node->index_x, session->mask_scratch);
      break;
    case PLAN_REACH_SAME:
    default:
      dcnn_mask_copy (out, in);
      break;
  }
}

gboolean
dcnn_find_candidates (DcnnSession *session, const StreamMask *masks, gint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanNode *reach = node;
  const PlanMap *out = plan_map (session->plan, node->out);
  DcnnMask *candidates = &session->candidates;
  const DcnnMask *in;
  gboolean any = FALSE;

  dcnn_mask_init (candidates, out->width, out->height, candidates->words);
  if (dcnn_block_ends (session, n))
    reach = plan_node (session->plan, node->depthwise);
  in = dcnn_stream_mask (session, masks, dcnn_block_input (session, n));
  if (in) {
    reach_of (session, reach, in);
    any = TRUE;
  }
  for (gint s = 0; s < node->n_steps; s++) {
    const DcnnMask *m;
    if (node->steps[s].map < 0)
      continue;
    m = dcnn_stream_mask (session, masks, node->steps[s].map);
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
