/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_nodes.c - one node of a frame: which pixels it computes, which of them it
 * stores, and what it leaves for settling.
 */
#include "sim.h"

#include <math.h>
#include <string.h>

/* ---- nodes on maps ----------------------------------------------------------- */

/* A node at work. */
typedef struct KernelRun {
  DcnnSession *session;
  SimStream *sim;
  guint n;
  const PlanNode *node;
  const PlanMap *out;
  guint8 *pending;
  gdouble *row;
  gfloat *now;             /* the row as it would be stored */
  DcnnCriterionRule rule, any;
} KernelRun;

gboolean
sim_is_new (const SimStream *sim, gint index, guint y, guint x)
{
  const PlanMap *map = plan_map (sim->maps.plan, index);
  gint y0, y1, x0, x1;

  if (!sim->moving)
    return FALSE;
  dcnn_window_seen (sim->frame.dy, map->stride_y, map->height, &y0, &y1);
  dcnn_window_seen (sim->frame.dx, map->stride_x, map->width, &x0, &x1);
  return (gint) y < y0 || (gint) y >= y1 || (gint) x < x0 || (gint) x >= x1;
}

/* As on a device that rounds each time in another way. */
static void
wobble (KernelRun *run)
{
  SimStream *sim = run->sim;

  for (guint c = 0; c < run->out->channels && sim->inv_spread[run->n]; c++) {
    sim->wobbles = sim->wobbles * G_GUINT64_CONSTANT (6364136223846793005) +
        G_GUINT64_CONSTANT (1442695040888963407);
    run->row[c] += sim->wobble * ((gdouble) (sim->wobbles >> 40) /
        (1 << 24) - 0.5) / sim->inv_spread[run->n][c];
  }
}

/* Computes a pixel, stores it when it changed by that rule, or is to be stored
 * at any rate, and says whether it was. */
static gboolean
run_pixel (KernelRun *run, guint y, guint x, const DcnnCriterionRule *rule,
    gboolean at_any_rate)
{
  gfloat *before = sim_pixel (&run->sim->maps, run->node->out, y, x);

  sim_row (&run->sim->maps, run->node, y, x, run->row);
  if (run->sim->wobble > 0)
    wobble (run);
  for (guint c = 0; c < run->out->channels; c++)
    run->now[c] = sim_stored (run->session->plan, run->out, run->row[c]);
  if (!at_any_rate && !sim_is_significant (run->session, run->sim, run->n,
          rule, before, run->now))
    return FALSE;
  memcpy (before, run->now, run->out->channels * sizeof *run->now);
  return TRUE;
}

DcnnNodeCost
sim_node_cost (const DcnnSession *session, guint n)
{
  const PlanNode *node = plan_node (session->plan, (gint) n);
  const PlanMap *out = plan_map (session->plan, node->out);

  return dcnn_node_cost (node->primary, node->macs_per_pixel, out->channels,
      (gsize) out->width * out->height, dcnn_node_arithmetic (
          session->arithmetic, plan_map (session->plan, node->in)->bytes));
}

/* Marks candidates, and what settling changed before this node as waiting here.
 * Returns how many. */
static gsize
find_candidates (KernelRun *run, guint8 *candidates)
{
  SimStream *sim = run->sim;
  SimMaps *maps = &sim->maps;
  gint out = run->node->out;
  gsize p = 0, count = 0;

  for (guint y = 0; y < run->out->height; y++)
    for (guint x = 0; x < run->out->width; x++, p++) {
      maps->changed[out][p] = maps->exact[out][p] = FALSE;
      if (sim->settling.now != DCNN_SETTLING_NOTHING &&
          sim_is_candidate (maps, maps->exact, run->node, y, x))
        run->pending[p] = TRUE;
      candidates[p] = sim->all || sim_is_new (sim, out, y, x) ||
          sim_is_candidate (maps, maps->changed, run->node, y, x);
      count += candidates[p];
    }
  return count;
}

/* Whether the whole map is computed in place of so many candidates of it. */
static gboolean
runs_whole (const KernelRun *run, const guint8 *candidates, gsize count)
{
  const SimStream *sim = run->sim;
  gsize pixels = (gsize) run->out->width * run->out->height;
  gboolean rest_is_exact = sim->tuning.settle;

  for (gsize p = 0; p < pixels; p++)
    rest_is_exact &= !run->pending[p] || candidates[p];
  return count > 0 && !sim->all && !sim->moving &&
      sim->tuning.mode != DCNN_MODE_SPARSE &&
      dcnn_dense_rule_node (count, pixels, rest_is_exact);
}

/* Candidates (whole: all pixels): stored, or kept back and noted as what
 * settling has left to do. Returns how many changed. */
static gsize
run_candidates (KernelRun *run, const guint8 *candidates, gboolean whole)
{
  SimStream *sim = run->sim;
  SimMaps *maps = &sim->maps;
  gint out = run->node->out;
  gboolean passes = run->rule.kind == DCNN_SIGNIFICANT_ALWAYS;
  gsize p = 0, joined = 0;

  for (guint y = 0; y < run->out->height; y++)
    for (guint x = 0; x < run->out->width; x++, p++) {
      gboolean forced = sim->all || sim_is_new (sim, out, y, x);
      if (!whole && !candidates[p])
        continue;
      maps->changed[out][p] = run_pixel (run, y, x, &run->rule, forced);
      if (whole && passes) /* the rest was what it is */
        maps->changed[out][p] = candidates[p] || run->pending[p];
      joined += maps->changed[out][p];
      run->pending[p] = sim->tuning.settle && !passes &&
          !maps->changed[out][p] && sim_is_significant (run->session, sim,
          run->n, &run->any, sim_pixel (maps, out, y, x), run->now);
    }
  return joined;
}

static gboolean
in_band (const SimStream *sim, guint y, guint height, guint x, guint width)
{
  guint first[2], end[2];

  if (sim->settling.now != DCNN_SETTLING_BAND)
    return TRUE;
  dcnn_settling_band (&sim->settling, height, first, end);
  return ((y >= first[0] && y < end[0]) || (y >= first[1] && y < end[1])) &&
      (sim->settling.places & dcnn_settling_cell (y, height, x, width));
}

/* Of what waits, the band or as much as the budget allows, at threshold 0.
 * Which pixels go first where the budget is short is anybody's choice. A node
 * that passes on keeps nothing back. */
static void
run_settling (KernelRun *run)
{
  SimStream *sim = run->sim;
  gboolean passes = run->session->pass_on && run->node->passes_on;
  guint64 macs = run->node->macs_per_pixel, budget = (guint64)
      (sim->tuning.settle_budget * (gdouble) run->session->plan->macs);
  guint64 left = sim->macs < budget ? budget - sim->macs : 0;
  gsize limit = left / MAX (1, macs), count = 0, p = 0;

  if (passes || sim->settling.now == DCNN_SETTLING_BAND)
    limit = G_MAXSIZE;
  else if (left > 0 && limit == 0)
    limit = 1;
  for (guint y = 0; y < run->out->height; y++)
    for (guint x = 0; x < run->out->width; x++, p++) {
      if (!run->pending[p] || count >= limit ||
          (!passes && !in_band (sim, y, run->out->height, x,
                  run->out->width)))
        continue;
      count++;
      run->pending[p] = FALSE;
      sim->maps.exact[run->node->out][p] = run_pixel (run, y, x, &run->any,
          passes);
    }
  sim->macs += count * macs;
  sim->settled_macs += count * macs;
  sim->settling.spent += count * macs;
  if (count > 0) {
    DcnnNodeCost cost = sim_node_cost (run->session, run->n);
    sim->cost += cost.list_node + (gdouble) count * cost.list_pixel;
  }
}

static gboolean take_gates (KernelRun *run, gsize candidates);

/* Of a frame that is not dense. */
static void
add_cost (KernelRun *run, gsize count, gboolean whole)
{
  DcnnNodeCost cost = sim_node_cost (run->session, run->n);

  if (count == 0 || run->sim->all)
    return;
  run->sim->cost += !whole ? cost.list_node + (gdouble) count *
      cost.list_pixel : run->rule.kind == DCNN_SIGNIFICANT_ALWAYS ? cost.map :
      cost.judged_map;
}

static void
kernel_init (KernelRun *run, DcnnSession *session, SimStream *sim, guint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);

  *run = (KernelRun) { session, sim, n, node, out, sim->pending[n],
    sim->row, sim->now };
  run->rule = sim_rule (session, sim, &session->streams[
          sim->frame.stream].nodes[n], n, &run->any);
}

static void
run_kernel (DcnnSession *session, SimStream *sim, NodeState *state, guint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  gsize pixels = (gsize) out->width * out->height, count, joined;
  guint8 *candidates = sim->marks;
  gboolean whole;
  KernelRun run;

  kernel_init (&run, session, sim, n);
  count = find_candidates (&run, candidates);
  if (count > 0 && !sim->all && take_gates (&run, count)) {
    memset (candidates, TRUE, pixels);
    count = pixels;
  }
  whole = runs_whole (&run, candidates, count);
  joined = run_candidates (&run, candidates, whole);
  add_cost (&run, count, whole);
  if (whole)
    count = pixels;
  sim->macs += count * node->macs_per_pixel;
  state->stats.macs_done += count * node->macs_per_pixel;
  state->stats.candidates += (gdouble) count / (gdouble) pixels;
  state->stats.joined += (gdouble) joined / (gdouble) pixels;
  state->stats.dense_frames += whole || sim->all;
  if (sim->settling.now != DCNN_SETTLING_NOTHING)
    run_settling (&run);
}

/* ---- maps to one pixel, dense tensors ----------------------------------------- */

/* Mean and variance (or the maximum, as mean) of channels first .. first + n -
 * 1 of a whole map. */
static void
measure_map (const SimMaps *maps, gint map, gboolean maximum, guint first,
    guint n, gdouble *mean, gdouble *variance)
{
  const PlanMap *m = plan_map (maps->plan, map);
  gdouble count = (gdouble) m->width * m->height * n;
  gdouble sum = maximum ? -INFINITY : 0, squares = 0;

  for (guint pass = 0; pass < (maximum ? 1 : 2); pass++)
    for (guint y = 0; y < m->height; y++)
      for (guint x = 0; x < m->width; x++)
        for (guint c = first; c < first + n; c++) {
          gdouble v = sim_value (maps, map, y, x, c);
          if (maximum)
            sum = v > sum || isnan (v) ? v : sum;
          else if (pass == 0)
            sum += v;
          else
            squares += (v - sum / count) * (v - sum / count);
        }
  *mean = maximum ? sum : sum / count;
  *variance = squares / count;
}

/* What to subtract, multiply and add, by position: three vectors. */
static void
moments_row (const SimMaps *maps, const PlanNode *node, gfloat *row)
{
  const PlanMap *in = plan_map (maps->plan, node->in);
  guint width = plan_map (maps->plan, node->out)->channels / 3;
  const PlanNorm *norm = node->norm;

  for (guint c = 0; c < in->channels; c++) {
    guint at = plan_position (in, c);
    gdouble mean, variance, inverse;
    measure_map (maps, node->in, FALSE, c / norm->group_channels *
        norm->group_channels, norm->group_channels, &mean, &variance);
    inverse = 1 / sqrt (variance + norm->epsilon);
    row[at] = (gfloat) mean;
    row[width + at] = (gfloat) (norm->scale[c] * inverse);
    row[2 * width + at] = (gfloat) (norm->bias[c] - (mean - row[at]) *
        norm->scale[c] * inverse);
  }
}

/* The value as its map has it now (scratch), and by how much that differs from
 * what is stored: squares. */
static gfloat *
global_row (const SimStream *sim, const PlanNode *node, gdouble *change,
    gdouble *size)
{
  const SimMaps *maps = &sim->maps;
  const PlanMap *out = plan_map (maps->plan, node->out);
  const gfloat *before = maps->values[node->out];
  gfloat *row = sim->global;

  memset (row, 0, out->channels * sizeof *row);
  *change = *size = 0;
  if (node->norm) {
    moments_row (maps, node, row);
  } else {
    for (guint c = 0; c < out->channels; c++) {
      gdouble mean, variance;
      measure_map (maps, node->in, node->maximum, c, 1, &mean, &variance);
      row[c] = (gfloat) mean;
    }
  }
  for (guint c = 0; c < out->channels; c++) {
    *change += ((gdouble) row[c] - before[c]) * ((gdouble) row[c] -
        before[c]);
    *size += (gdouble) before[c] * before[c];
  }
  return row;
}

static void
store_global (SimStream *sim, NodeState *state, const PlanNode *node,
    const gfloat *row, guint8 **marks)
{
  memcpy (sim->maps.values[node->out], row, plan_map (sim->maps.plan,
          node->out)->channels * sizeof *row);
  marks[node->out][0] = TRUE;
  state->stats.joined += 1;
}

static void
run_global (DcnnSession *session, SimStream *sim, NodeState *state, guint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  SimMaps *maps = &sim->maps;
  gboolean regular = sim_any_marked (maps, maps->changed, node->in);
  gboolean settling = sim->settling.now != DCNN_SETTLING_NOTHING;
  gfloat *row;
  gfloat t = node->is_gate ? dcnn_criterion_global (&sim->tuning,
      node->norm != NULL, state->threshold) : 0;
  gdouble change, size;
  gboolean news, differs;

  maps->changed[node->out][0] = maps->exact[node->out][0] = FALSE;
  if (!sim->all && !sim->moving && !settling && !regular &&
      !sim_any_marked (maps, maps->exact, node->in))
    return;
  row = global_row (sim, node, &change, &size);
  differs = !(change <= (gdouble) session->rounding * session->rounding *
      size);
  news = sim->all || (t > 0 ? !(change <= (gdouble) t * t * size) :
      differs && (regular || !settling));
  if (!news && !(settling && differs))
    return;
  store_global (sim, state, node, row, news ? maps->changed : maps->exact);
}

/* ---- gates ----------------------------------------------------------------------- */

/* A gate becomes what it would be computed as. TRUE: that changed it. */
static gboolean
take_gate (DcnnSession *session, SimStream *sim, guint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  NodeState *state = &session->streams[sim->frame.stream].nodes[n];
  gfloat *row;
  gdouble change, size;
  gboolean changed;
  KernelRun run;

  if (sim->maps.changed[node->out][0])
    return FALSE;
  if (node->kind == PLAN_GLOBAL) {
    row = global_row (sim, node, &change, &size);
    changed = !(change <= (gdouble) session->rounding * session->rounding *
        size);
    if (changed)
      store_global (sim, state, node, row, sim->maps.changed);
    return changed;
  }
  if (node->kind != PLAN_KERNEL)
    return FALSE;
  kernel_init (&run, session, sim, n);
  changed = run_pixel (&run, 0, 0, &run.any, FALSE);
  run.pending[0] = FALSE;
  sim->maps.changed[node->out][0] = changed;
  sim->macs += node->macs_per_pixel;
  state->stats.joined += changed;
  return changed;
}

/* Those that only this node reads are taken as they are now, once it has as
 * good as all of its map to compute. TRUE: some changed, so that it has. */
static gboolean
take_gates (KernelRun *run, gsize candidates)
{
  const DcnnPlan *plan = run->session->plan;
  const PlanNode *node = run->node;
  gsize pixels = (gsize) run->out->width * run->out->height;
  gboolean changed = FALSE;

  if (pixels == 1 || run->sim->moving ||
      !dcnn_dense_rule_node (candidates, pixels, TRUE))
    return FALSE;
  for (gint s = 0; s < node->n_steps; s++) {
    const PlanMap *map = node->steps[s].map < 0 ||
        node->steps[s].operand != DCNN_OPERAND_VECTOR ? NULL :
        plan_map (plan, node->steps[s].map);
    if (map && map->readers == 1 && map->mask >= 0 && map->source >= 0 &&
        plan_node (plan, map->source)->is_gate)
      changed |= take_gate (run->session, run->sim, (guint) map->source);
  }
  return changed;
}

static void
run_gather (DcnnSession *session, SimStream *sim, const PlanNode *node)
{
  gint index = session->plan->values[node->value].tensor;
  DcnnTensor *to = &sim->tensors[index];
  gboolean changed = sim->all || sim->moving;

  for (guint i = 0; i < node->sources->len; i++) {
    const PlanGatherSource *s =
        &g_array_index (node->sources, PlanGatherSource, i);
    const PlanMap *map = plan_map (session->plan, s->map);
    changed |= sim_any_marked (&sim->maps, sim->maps.changed, s->map) ||
        sim_any_marked (&sim->maps, sim->maps.exact, s->map);
    for (guint y = 0; y < map->height; y++)
      for (guint x = 0; x < map->width; x++)
        for (guint c = 0; c < map->channels; c++) {
          gint64 at = s->base + y * s->stride_y + x * s->stride_x +
              c * s->stride_c;
          gfloat v = sim_value (&sim->maps, s->map, y, x, c);
          if (to->dtype == DCNN_DTYPE_I64)
            ((gint64 *) to->data)[at] = (gint64) v;
          else
            ((gfloat *) to->data)[at] = v;
        }
  }
  sim->tensor_changed[index] = changed;
}

static void
run_tail (DcnnSession *session, SimStream *sim, const PlanNode *node)
{
  const DcnnPlan *plan = session->plan;
  const DcnnNode *gn = dcnn_graph_node (plan->graph, node->graph_node);
  const DcnnTensor *in[DCNN_MAX_NODE_INPUTS];
  DcnnTensor *out[DCNN_MAX_NODE_OUTPUTS];
  gboolean changed = sim->all;

  for (int i = 0; i < gn->n_inputs; i++) {
    gint t = gn->inputs[i] < 0 ? -1 : plan->values[gn->inputs[i]].tensor;
    in[i] = gn->inputs[i] < 0 ? NULL : t >= 0 ? &sim->tensors[t] :
        &dcnn_graph_value (plan->graph, gn->inputs[i])->tensor;
    changed |= t >= 0 && sim->tensor_changed[t];
  }
  for (int i = 0; i < gn->n_outputs; i++) {
    gint t = gn->outputs[i] < 0 ? -1 : plan->values[gn->outputs[i]].tensor;
    out[i] = t < 0 ? NULL : &sim->tensors[t];
    if (t >= 0)
      sim->tensor_changed[t] = changed;
  }
  if (!changed)
    return;
  sim->macs += node->tail_macs;
  dcnn_op_run_reference (gn->op, &gn->params, gn->n_inputs, in, gn->n_outputs,
      out);
}

void
sim_import (DcnnSession *session, SimStream *sim, gint index,
    const DcnnTensor *from, gboolean nhwc, gfloat threshold)
{
  const PlanMap *map = plan_map (session->plan, index);
  gsize pixels = (gsize) map->width * map->height;

  for (gsize p = 0; p < pixels; p++) {
    guint y = (guint) (p / map->width), x = (guint) (p % map->width);
    gfloat *to = sim_pixel (&sim->maps, index, y, x);
    gboolean news = sim->all || sim_is_new (sim, index, y, x);
    for (guint k = 0; k < 2; k++)
      for (guint c = 0; c < map->channels; c++) {
        gfloat v = sim_stored (session->plan, map, ((const gfloat *) from->data)
            [nhwc ? p * map->channels + c : c * pixels + p]);
        if (k == 0)
          news = news || !(fabsf (v - to[c]) <= threshold);
        else if (news)
          to[c] = v;
      }
    sim->maps.changed[index][p] = news;
    sim->maps.exact[index][p] = FALSE;
    sim->changed_pixels += news;
  }
  sim->input_pixels += pixels;
}

/* ---- any node ------------------------------------------------------------------ */

void
sim_run_node (DcnnSession *session, SimStream *sim, NodeState *state, guint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  gint tensor;

  state->stats.frames++;
  switch (node->kind) {
    case PLAN_KERNEL:
      run_kernel (session, sim, state, n);
      break;
    case PLAN_GLOBAL:
      run_global (session, sim, state, n);
      break;
    case PLAN_GATHER:
      run_gather (session, sim, node);
      break;
    case PLAN_TAIL:
      run_tail (session, sim, node);
      break;
    default:
      tensor = session->plan->values[node->value].tensor;
      sim_import (session, sim, node->out, &sim->tensors[tensor], FALSE, 0);
  }
}
