/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_run.c - one frame through the nodes: candidates, kernel, verdicts,
 * update mask; and settling within its budget.
 */
#include "cpu.h"

/* ---- threads -------------------------------------------------------------------- */

typedef struct KernelWork {
  DcnnSession *session;
  const DcnnJob *job;
  DcnnKernelFn run;
} KernelWork;

static void
kernel_work (gpointer data, gsize begin, gsize end, guint thread)
{
  KernelWork *work = data;

  work->run (work->job, begin, end, work->session->cpu->scratch[thread]);
}

/* Runs the job on a list of n pixels, or on the whole map (list NULL). */
static gint64
run_job (DcnnSession *session, DcnnStream *stream, gint n,
    const DcnnMask *mask, guint32 *list, gsize count, guint8 *verdicts)
{
  const PlanNode *node = plan_node (session->plan, n);
  DcnnJob *job = &stream->cpu->nodes[n].job;
  KernelWork work = { session, job,
    dcnn_job_kernel (session->cpu->kernels, job) };
  guint64 per_pixel = MAX (node->macs_per_pixel, 4 * job->out.channels);
  guint pieces = session->threads * 4;
  gint64 start = dcnn_now_ns ();

  job->pixels = list;
  job->verdicts = verdicts;
  if (dcnn_block_ends (session, n))
    dcnn_block_run (session, stream, n, list ? mask : NULL);
  else if (list)
    dcnn_run_parallel (session, count,
        MAX (24, (count / pieces + 23) / 24 * 24), per_pixel * count,
        kernel_work, &work);
  else
    dcnn_run_parallel (session, job->out.height,
        MAX (1, job->out.height / pieces),
        per_pixel * job->out.width * job->out.height, kernel_work, &work);
  return dcnn_now_ns () - start;
}

/* ---- one kernel node ----------------------------------------------------------------- */

/* Whether all that settling has left to do at a node are candidates. */
static gboolean
rest_is_exact (DcnnSession *session, const CpuNodeState *state,
    const DcnnMask *candidates)
{
  const DcnnMask *pending = &state->pending.mask;
  DcnnMask rest = *pending;

  if (!session->tuning.settle) /* nobody has kept record */
    return FALSE;
  if (!state->pending.any)
    return TRUE;
  rest.words = session->cpu->rooms[ROOM_TURN];
  dcnn_mask_copy (&rest, pending);
  dcnn_mask_and_not (&rest, candidates);
  return !dcnn_mask_any (&rest);
}

/* Is the whole map cheaper than this many pixels of it? */
static gboolean
dense_is_cheaper (DcnnSession *session, const CpuNodeState *state,
    const DcnnMask *candidates, gsize count, gsize pixels)
{
  return session->tuning.mode != DCNN_MODE_SPARSE &&
      dcnn_dense_rule_node (count, pixels, TRUE) &&
      dcnn_dense_rule_node (count, pixels, rest_is_exact (session, state,
          candidates));
}

/* Pixels of the window that have just come into view. */
static gboolean
add_unveiled (const DcnnStream *stream, const PlanMap *out, DcnnMask *m,
    gboolean any)
{
  gint y0, y1, x0, x1, w = (gint) out->width, h = (gint) out->height;

  dcnn_stream_seen (stream, out, &y0, &y1, &x0, &x1);
  if (y0 == 0 && y1 == h && x0 == 0 && x1 == w)
    return any;
  if (!any)
    dcnn_mask_clear (m);
  dcnn_mask_fill_rect (m, 0, 0, w, y0);
  dcnn_mask_fill_rect (m, 0, y1, w, h - y1);
  dcnn_mask_fill_rect (m, 0, 0, x0, h);
  dcnn_mask_fill_rect (m, x1, 0, w - x1, h);
  return TRUE;
}

static void
flag_unveiled (const DcnnStream *stream, const PlanMap *out, guint32 *list,
    gsize count)
{
  gint y0, y1, x0, x1;

  dcnn_stream_seen (stream, out, &y0, &y1, &x0, &x1);
  for (gsize i = 0; i < count; i++) {
    gint y = DCNN_PIXEL_Y (list[i]), x = DCNN_PIXEL_X (list[i]);
    if (y < y0 || y >= y1 || x < x0 || x >= x1)
      list[i] |= DCNN_PIXEL_FORCE;
  }
}

static void
count_work (DcnnStream *stream, const PlanNode *node, CpuNodeState *state,
    gsize count, gsize pixels, gint64 ns)
{
  state->told->stats.candidates += (gdouble) count / pixels;
  state->told->stats.macs_done += count * node->macs_per_pixel;
  state->told->stats.time_ns += ns;
  stream->cpu->macs_done += count * node->macs_per_pixel;
}

/* Of a node, and of those in the block that it ends. */
static void
add_cost (const DcnnSession *session, DcnnStream *stream, gint n, gsize count,
    gboolean whole)
{
  const DcnnNodeCost *costs = session->cpu->costs;
  const PlanNode *node = plan_node (session->plan, n);

  if (!whole)
    stream->cpu->cost += costs[n].list_node + (gdouble) count *
        costs[n].list_pixel;
  else if (stream->cpu->nodes[n].job.significance.kind ==
      DCNN_SIGNIFICANT_ALWAYS)
    stream->cpu->cost += costs[n].map;
  else
    stream->cpu->cost += costs[n].judged_map;
  if (dcnn_block_ends (session, n))
    add_cost (session, stream, node->depthwise, count, whole);
}

static void
run_dense (DcnnSession *session, DcnnStream *stream, gint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  CpuNodeState *state = &stream->cpu->nodes[n];
  StreamMask *updated =
      &stream->masks[plan_map (session->plan, node->out)->mask];
  gsize pixels = (gsize) state->job.out.width * state->job.out.height;
  gint64 ns = run_job (session, stream, n, NULL, NULL, 0, NULL);

  dcnn_mask_fill (&updated->mask);
  updated->any = TRUE;
  state->pending.any = FALSE;
  count_work (stream, node, state, pixels, pixels, ns);
  state->told->stats.joined += 1;
  state->told->stats.dense_frames++;
}

/* A node that compares nothing: its candidates are its update mask. Where the
 * whole map was computed, what settling had left to do has been done too. */
static void
pass_on (CpuNodeState *state, DcnnMask *updated, const DcnnMask *candidates,
    gboolean whole)
{
  dcnn_mask_copy (updated, candidates);
  if (!state->pending.any)
    return;
  if (whole)
    dcnn_mask_or (updated, &state->pending.mask);
  else
    dcnn_mask_and_not (&state->pending.mask, candidates);
  state->pending.any = !whole && dcnn_mask_any (&state->pending.mask);
}

/* What the verdicts on the candidates (on the whole map, which then are all
 * candidates) make of the update mask, and of what settling has left to do. */
static void
take_verdicts (const DcnnSession *session, CpuNodeState *state,
    DcnnMask *candidates, const guint8 *verdicts, DcnnMask *updated,
    gboolean whole)
{
  DcnnMask *kept = session->tuning.settle ? &state->pending.mask : NULL;

  if (whole)
    dcnn_mask_fill (candidates);
  if (kept && state->pending.any)
    dcnn_mask_and_not (kept, candidates);
  else if (kept)
    dcnn_mask_clear (kept);
  if (whole)
    dcnn_mask_from_verdicts_dense (updated, kept, verdicts);
  else
    dcnn_mask_from_verdicts (candidates, updated, kept, verdicts);
  if (kept)
    state->pending.any = dcnn_mask_any (kept);
}

static void
run_candidates (DcnnSession *session, DcnnStream *stream, gint n,
    DcnnMask *candidates)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  CpuNodeState *state = &stream->cpu->nodes[n];
  StreamMask *updated = &stream->masks[out->mask];
  gsize pixels = (gsize) out->width * out->height, count;
  gboolean passes =
      state->job.significance.kind == DCNN_SIGNIFICANT_ALWAYS;
  guint32 *list = session->cpu->list;
  guint8 *verdicts = passes ? NULL : session->cpu->verdicts;
  gint64 ns;

  count = dcnn_mask_to_list (candidates, list);
  if (count == 0)
    return;
  dcnn_mask_clear (&updated->mask);
  if (stream->cpu->move.active) {
    flag_unveiled (stream, out, list, count);
  } else if (dense_is_cheaper (session, state, candidates, count, pixels)) {
    list = NULL;
    count = pixels;
  }
  ns = run_job (session, stream, n, candidates, list, count, verdicts);
  state->told->stats.dense_frames += list == NULL;
  if (passes)
    pass_on (state, &updated->mask, candidates, !list);
  else
    take_verdicts (session, state, candidates, verdicts, &updated->mask,
        !list);
  updated->any = dcnn_mask_any (&updated->mask);
  count_work (stream, node, state, count, pixels, ns);
  add_cost (session, stream, n, list ? count : pixels, !list);
  state->told->stats.joined += (gdouble) dcnn_mask_count (&updated->mask) /
      pixels;
}

/* ---- gates ------------------------------------------------------------------------------- */

/* The stored value of a gate becomes what it would be computed as. TRUE: that
 * changed it. */
static gboolean
take_gate (DcnnSession *session, DcnnStream *stream, gint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  CpuNodeState *state = &stream->cpu->nodes[n];
  StreamMask *updated =
      &stream->masks[plan_map (session->plan, node->out)->mask];
  guint32 pixel[64] = { 0 }; /* (0, 0); lists are read past their end */
  guint8 verdict[64];

  if (node->kind == PLAN_GLOBAL)
    return dcnn_take_global (session, stream, n);
  if (node->kind != PLAN_KERNEL || updated->any)
    return FALSE;
  state->job.significance.kind = DCNN_SIGNIFICANT_ANY;
  count_work (stream, node, state, 1, 1, run_job (session, stream, n, NULL,
          pixel, 1, verdict));
  state->pending.any = FALSE;
  if (verdict[0] != DCNN_VERDICT_JOINED)
    return FALSE;
  dcnn_mask_fill (&updated->mask);
  updated->any = TRUE;
  state->told->stats.joined += 1;
  return TRUE;
}

/* Gates that only this node reads are taken as they are now once it has so much
 * to do that its whole map is computed, whatever runs it. TRUE: some changed,
 * so that it is. */
static gboolean
take_gates (DcnnSession *session, DcnnStream *stream, gint n,
    const DcnnMask *candidates)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  gsize pixels = (gsize) out->width * out->height;
  gboolean gates = FALSE, changed = FALSE;

  for (gint s = 0; s < node->n_steps; s++)
    gates |= node->steps[s].map >= 0 &&
        node->steps[s].operand == DCNN_OPERAND_VECTOR;
  if (!gates || pixels == 1 || stream->cpu->move.active ||
      !dcnn_dense_rule_node (dcnn_mask_count (candidates), pixels, TRUE))
    return FALSE;
  for (gint s = 0; s < node->n_steps; s++) {
    const PlanMap *map = node->steps[s].map < 0 ? NULL :
        plan_map (session->plan, node->steps[s].map);
    if (map && map->readers == 1 && map->mask >= 0 && map->source >= 0 &&
        plan_node (session->plan, map->source)->is_gate)
      changed |= take_gate (session, stream, map->source);
  }
  return changed;
}

/* ---- settling ---------------------------------------------------------------------------- */

/* Those of the waiting pixels whose turn it is, at most `limit`, into turn and
 * list; returns how many. */
static gsize
list_settling (const DcnnStream *stream, const DcnnMask *pending, gsize limit,
    DcnnMask *turn, guint32 *list)
{
  gsize count;

  if (stream->cpu->settling.now == DCNN_SETTLING_BAND) {
    dcnn_stream_band (stream, turn);
    dcnn_mask_and (turn, pending);
  } else {
    dcnn_mask_copy (turn, pending);
  }
  count = dcnn_mask_to_list (turn, list);
  if (count <= limit)
    return count;
  dcnn_mask_clear (turn);
  dcnn_mask_from_list (turn, list, limit);
  return limit;
}

/* What settling changed before this node waits here. */
static void
await_settling (DcnnSession *session, DcnnStream *stream, gint n)
{
  StreamMask *pending = &stream->cpu->nodes[n].pending;
  DcnnMask reached = dcnn_room (session, ROOM_CANDIDATES, plan_map (
          session->plan, plan_node (session->plan, n)->out));

  if (!dcnn_find_candidates (session, stream->cpu->exact, n, &reached))
    return;
  if (pending->any)
    dcnn_mask_or (&pending->mask, &reached);
  else
    dcnn_mask_copy (&pending->mask, &reached);
  pending->any = TRUE;
}

/* Of what waits, the band or as much as the budget allows is recomputed with
 * threshold 0. */
static void
run_settling (DcnnSession *session, DcnnStream *stream, gint n,
    guint64 budget)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  CpuNodeState *state = &stream->cpu->nodes[n];
  StreamMask *exact = &stream->cpu->exact[out->mask];
  guint64 left = stream->cpu->macs_done < budget ? budget -
      stream->cpu->macs_done : 0;
  DcnnMask turn = dcnn_room (session, ROOM_TURN, out);
  guint32 *list = session->cpu->list;
  guint8 *verdicts = session->cpu->verdicts;
  gsize count, limit = left / MAX (1, dcnn_block_macs (session, n));
  gint64 ns;

  if (stream->cpu->settling.now == DCNN_SETTLING_BAND)
    limit = G_MAXSIZE;
  else if (left > 0 && limit == 0)
    limit = 1; /* a pixel dearer than the budget must not wait for ever */
  if (!state->pending.any || limit == 0)
    return;
  count = list_settling (stream, &state->pending.mask, limit, &turn, list);
  if (count == 0)
    return;
  state->job.significance.kind = DCNN_SIGNIFICANT_ANY;
  stream->cpu->settling.spent += count * node->macs_per_pixel;
  stream->cpu->settled_macs += count * node->macs_per_pixel;
  ns = run_job (session, stream, n, &turn, list, count, verdicts);
  dcnn_mask_clear (&exact->mask);
  dcnn_mask_from_verdicts (&turn, &exact->mask, NULL, verdicts);
  exact->any = dcnn_mask_any (&exact->mask);
  dcnn_mask_and_not (&state->pending.mask, &turn);
  state->pending.any = dcnn_mask_any (&state->pending.mask);
  count_work (stream, node, state, count, (gsize) out->width * out->height,
      ns);
  add_cost (session, stream, n, count, FALSE);
}

static void
run_kernel (DcnnSession *session, DcnnStream *stream, gint n, guint64 budget)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  DcnnMask candidates = dcnn_room (session, ROOM_CANDIDATES, out);
  gboolean any;

  stream->masks[out->mask].any = FALSE;
  stream->cpu->exact[out->mask].any = FALSE;
  dcnn_judge_node (session, stream, n);
  if (stream->cpu->dense) {
    run_dense (session, stream, n);
    return;
  }
  if (stream->cpu->settling.now != DCNN_SETTLING_NOTHING)
    await_settling (session, stream, n);
  any = dcnn_find_candidates (session, stream->masks, n, &candidates);
  if (stream->cpu->move.active)
    any = add_unveiled (stream, out, &candidates, any);
  if (any && take_gates (session, stream, n, &candidates))
    dcnn_mask_fill (&candidates);
  if (any)
    run_candidates (session, stream, n, &candidates);
  if (stream->cpu->settling.now != DCNN_SETTLING_NOTHING)
    run_settling (session, stream, n, budget);
}

/* ---- the frame ---------------------------------------------------------------------------- */

static gboolean
anything_pending (const DcnnSession *session, const DcnnStream *stream)
{
  for (guint n = 0; n < session->plan->nodes->len; n++)
    if (stream->cpu->nodes[n].pending.any)
      return TRUE;
  return FALSE;
}

/* What settling changed is news to who reads the outputs; not before all nodes
 * have run, or their readers would take it for regular changes. */
static void
show_settled (const DcnnPlan *plan, DcnnStream *stream)
{
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    StreamMask *updated, *exact;
    if (node->kind != PLAN_KERNEL || !node->is_output)
      continue;
    updated = &stream->masks[plan_map (plan, node->out)->mask];
    exact = &stream->cpu->exact[plan_map (plan, node->out)->mask];
    if (!exact->any)
      continue;
    if (updated->any)
      dcnn_mask_or (&updated->mask, &exact->mask);
    else
      dcnn_mask_copy (&updated->mask, &exact->mask);
    updated->any = TRUE;
  }
}

void
dcnn_run_nodes (DcnnSession *session, DcnnStream *stream)
{
  const DcnnPlan *plan = session->plan;
  guint64 budget =
      (guint64) (session->tuning.settle_budget * (gdouble) plan->macs);

  stream->cpu->macs_done = stream->cpu->settled_macs = 0;
  stream->cpu->cost = 0;
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    gint64 start = dcnn_now_ns ();
    stream->nodes[n].stats.frames++;
    if (dcnn_plan_inside (plan, (gint) n, session->plan_blocks))
      continue; /* done on the way to another */
    switch (node->kind) {
      case PLAN_KERNEL:
        run_kernel (session, stream, n, budget);
        continue;
      case PLAN_GLOBAL:
        dcnn_run_global (session, stream, n);
        break;
      case PLAN_GATHER:
        dcnn_run_gather (session, stream, n);
        break;
      case PLAN_TAIL:
        dcnn_run_tail (session, stream, n);
        break;
      case PLAN_IMPORT:
        dcnn_run_import (session, stream, n);
        break;
    }
    stream->nodes[n].stats.time_ns += dcnn_now_ns () - start;
  }
  stream->cpu->move.active = FALSE;
  if (!stream->cpu->dense)
    dcnn_settling_busy (&stream->cpu->settling, (gdouble)
        (stream->cpu->macs_done - stream->cpu->settled_macs) /
        (gdouble) MAX (1, plan->macs));
  if (stream->cpu->settling.now != DCNN_SETTLING_NOTHING) {
    show_settled (plan, stream);
    dcnn_settling_ends (&stream->cpu->settling, plan->macs,
        anything_pending (session, stream));
  }
}
