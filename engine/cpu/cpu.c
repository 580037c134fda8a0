/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cpu.c - the processor: kernels/cpu on threads, stored values in
 * dcnn_stream.c, nodes in dcnn_run.c.
 */
#include "cpu.h"

#include <stdlib.h>
#include <string.h>

/* ---- making --------------------------------------------------------------- */

static gboolean
cpu_available (gint index, GError **error)
{
  if (index <= 0)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "device=cpu:%d: there is one cpu; the property threads says how many "
      "threads it uses", index);
  return FALSE;
}

static gboolean
cpu_accepts (const DcnnPlan *plan, const DcnnSessionOptions *options,
    GError **error)
{
  if (options->precision <= DCNN_PRECISION_F32)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "device=cpu stores float32 only; use precision=auto or f32, or a GPU");
  return FALSE;
}

static PlanLayout
cpu_layout (DcnnPrecision precision)
{
  return plan_layout_cpu; /* its session keeps maps of bytes by itself */
}

static gsize
largest_mask_scratch (const DcnnPlan *plan)
{
  gsize bytes = 64;

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    const PlanMap *in, *out;
    if (node->in < 0 || node->out < 0)
      continue;
    in = plan_map (plan, node->in);
    out = plan_map (plan, node->out);
    bytes = MAX (bytes, dcnn_mask_scratch_bytes (in->width, in->height,
            out->width, out->height));
    bytes = MAX (bytes, dcnn_mask_scratch_bytes (out->width, out->height,
            in->width, in->height));
  }
  return bytes;
}

static gsize
largest_kernel_scratch (const DcnnSession *session, const DcnnStream *stream)
{
  gsize bytes = 4096;

  for (guint n = 0; n < session->plan->nodes->len; n++) {
    const PlanNode *node = plan_node (session->plan, n);
    if (node->kind == PLAN_KERNEL)
      bytes = MAX (bytes,
          session->cpu->kernels->scratch_bytes (&stream->cpu->nodes[n].job));
    if (node->kind == PLAN_GLOBAL)
      bytes = MAX (bytes, (plan_map (session->plan, node->out)->span + 64) *
          sizeof (float));
  }
  return bytes;
}

/* The longest list: of a map's pixels that a kernel computes, or of the blocks of
 * one that becomes a global's. Inputs have none, and are often the largest maps. */
static gsize
longest_list (const DcnnPlan *plan)
{
  gsize entries = 1;

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    const PlanMap *map;
    if (node->kind == PLAN_KERNEL) {
      map = plan_map (plan, node->out);
      entries = MAX (entries, (gsize) map->width * map->height);
    } else if (node->kind == PLAN_GLOBAL) {
      map = plan_map (plan, node->in);
      entries = MAX (entries, dcnn_mask_words (map->width, map->height));
    }
  }
  return entries;
}

static gboolean
make_scratch (DcnnSession *session)
{
  const DcnnPlan *plan = session->plan;
  CpuSession *cpu = session->cpu;
  gsize words = 1, entries = longest_list (plan), span = 64, bytes;
  gboolean ok = TRUE;

  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, i);
    words = MAX (words, dcnn_mask_words (map->width, map->height));
    span = MAX (span, (gsize) map->span + DCNN_LANES);
  }
  cpu->rooms[0] = dcnn_take (CPU_ROOMS * words * 8, &cpu->bytes);
  cpu->mask_scratch = dcnn_take (largest_mask_scratch (plan), &cpu->bytes);
  cpu->list = dcnn_take ((entries + 64) * sizeof (guint32), &cpu->bytes);
  cpu->verdicts = dcnn_take (entries + 64, &cpu->bytes);
  cpu->ones = dcnn_take (span * sizeof (float), &cpu->bytes);
  cpu->spread_sums = dcnn_take (2 * span * sizeof (gdouble), &cpu->bytes);
  if (!cpu->rooms[0] || !cpu->mask_scratch || !cpu->list || !cpu->verdicts ||
      !cpu->ones || !cpu->spread_sums)
    return FALSE;
  for (guint i = 1; i < CPU_ROOMS; i++)
    cpu->rooms[i] = cpu->rooms[0] + i * words;
  for (gsize i = 0; i < span; i++)
    cpu->ones[i] = 1;
  if (!dcnn_blocks_init (session))
    return FALSE;
  bytes = largest_kernel_scratch (session, &session->streams[0]);
  cpu->scratch = g_new0 (void *, session->threads);
  for (guint t = 0; t < session->threads; t++)
    ok &= (cpu->scratch[t] = dcnn_take (bytes, &cpu->bytes)) != NULL;
  return ok;
}

static gboolean
cpu_session_new (DcnnSession *session, GError **error)
{
  gboolean ok = dcnn_session_fits (session, error);

  session->cpu = g_new0 (CpuSession, 1);
  session->cpu->streams = g_new0 (CpuStream, session->n_streams);
  for (guint s = 0; s < session->n_streams; s++)
    session->streams[s].cpu = &session->cpu->streams[s];
  session->cpu->kernels = dcnn_cpu_kernels ();
  for (guint s = 0; s < session->n_streams && ok; s++) {
    ok = dcnn_stream_init (&session->streams[s], session);
    if (!ok)
      dcnn_session_no_memory (session, error);
  }
  if (ok && !make_scratch (session)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "out of memory for a session's scratch");
    ok = FALSE;
  }
  if (ok && !dcnn_tails_init (session)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "out of memory for the rows of a session's tensors");
    ok = FALSE;
  }
  if (ok)
    dcnn_frame_costs_init (session);
  ok = ok && dcnn_states_init (session, error);
  if (ok && session->threads > 1)
    session->cpu->pool = dcnn_pool_new (session->threads);
  return ok;
}

static void
cpu_session_free (DcnnSession *session)
{
  CpuSession *cpu = session->cpu;

  if (cpu == NULL)
    return;
  dcnn_pool_free (cpu->pool);
  for (guint s = 0; s < session->n_streams; s++)
    dcnn_stream_clear (&session->streams[s], session->plan);
  for (guint t = 0; cpu->scratch && t < session->threads; t++)
    free (cpu->scratch[t]);
  g_free (cpu->scratch);
  dcnn_blocks_clear (session);
  dcnn_tails_clear (session);
  g_free (cpu->costs);
  free (cpu->rooms[0]);
  free (cpu->mask_scratch);
  free (cpu->list);
  free (cpu->verdicts);
  free (cpu->ones);
  free (cpu->spread_sums);
  dcnn_states_clear (session);
  g_free (cpu->streams);
  g_clear_pointer (&session->cpu, g_free);
}

static gsize
cpu_session_bytes (const DcnnSession *session)
{
  gsize bytes = session->cpu->bytes;

  for (guint s = 0; s < session->n_streams; s++)
    bytes += session->streams[s].cpu->bytes + (session->streams[s].cpu->stage ?
        dcnn_input_stage_bytes (session->streams[s].cpu->stage) : 0);
  return bytes;
}

/* ---- tuning --------------------------------------------------------------------- */

/* Settling was off and kept no record of what it truncated: anything may
 * differ. */
static void
distrust_all (DcnnSession *session)
{
  for (guint s = 0; s < session->n_streams; s++) {
    DcnnStream *stream = &session->streams[s];
    if (stream->first)
      continue;
    dcnn_settling_distrust (&stream->cpu->settling);
    for (guint n = 0; n < session->plan->nodes->len; n++)
      if (plan_node (session->plan, n)->kind == PLAN_KERNEL &&
          !dcnn_plan_inside (session->plan, (gint) n,
              session->cpu->sets[0].which)) {
        dcnn_mask_fill (&stream->cpu->nodes[n].pending.mask);
        stream->cpu->nodes[n].pending.any = TRUE;
      }
  }
}

static void
cpu_retune (DcnnSession *session, const DcnnTuning *before)
{
  const DcnnTuning *now = &session->tuning;

  if (now->settle && !before->settle)
    distrust_all (session);
  /* nodes that went without spreads may need them now */
  if (now->criterion != before->criterion || (now->threshold > 0 &&
          before->threshold <= 0))
    for (guint s = 0; s < session->n_streams; s++)
      session->streams[s].cpu->settling.spread_frames = 0;
}

static void
cpu_reset (DcnnSession *session, guint stream)
{
  dcnn_settling_reset (&session->streams[stream].cpu->settling);
}

/* ---- a frame --------------------------------------------------------------------- */

static void
finish_outputs (DcnnSession *session, DcnnStream *stream, gboolean moved)
{
  const DcnnPlan *plan = session->plan;

  for (guint i = 0; i < plan->graph->outputs->len; i++) {
    const PlanValue *v = &plan->values[
        g_array_index (plan->graph->outputs, DcnnValueId, i)];
    DcnnOutput *out = &stream->outputs[i];
    out->changed = stream->cpu->dense || (v->tensor >= 0 &&
        stream->cpu->tensor_changed[v->tensor]);
    if (moved && out->is_map) /* everything lies elsewhere now */
      dcnn_mask_fill (&out->updated);
    else if (out->is_map && !stream->masks[plan_map (plan, v->map)->mask].any)
      dcnn_mask_clear (&out->updated);
  }
}

/* Returns how many of all maps' pixels changed. */
static gsize
push_inputs (DcnnSession *session, DcnnStream *stream,
    const BackendFrame *frame, gsize *pixels)
{
  gsize changed = 0;

  *pixels = 0;
  for (guint i = 0; i < dcnn_graph_fed_inputs (session->plan->graph); i++)
    changed += dcnn_take_input (session, stream, i, &frame->tensors[i],
        frame->tensor_threshold, pixels);
  return changed + dcnn_states_feed (session, stream, pixels);
}

static gboolean
dense_input_changed (const DcnnSession *session, const DcnnStream *stream)
{
  const DcnnPlan *plan = session->plan;

  for (guint i = 0; i < plan->graph->inputs->len; i++) {
    const PlanValue *v = &plan->values[g_array_index (plan->graph->inputs,
            DcnnValueId, i)];
    if (v->map < 0 && v->tensor >= 0 && stream->cpu->tensor_changed[v->tensor])
      return TRUE;
  }
  return FALSE;
}

/* By the rules of pictures. */
void
dcnn_cpu_take_tensors (DcnnSession *session, DcnnStream *stream,
    const BackendFrame *frame)
{
  const DcnnPlan *plan = session->plan;
  gsize changed, pixels, in_states, state_pixels = 0;

  /* the picture it holds is no longer the network's input */
  g_clear_pointer (&stream->cpu->stage, dcnn_input_stage_free);
  stream->stats.aligned_share = stream->stats.unaligned_share = -1;
  stream->cpu->dense = stream->first ||
      session->tuning.mode == DCNN_MODE_DENSE;
  in_states = dcnn_states_shift (session, stream, &state_pixels);
  changed = in_states + push_inputs (session, stream, frame, &pixels);
  pixels += state_pixels;
  if (dcnn_frame_turns_dense (session, stream, changed, pixels)) {
    stream->cpu->dense = TRUE; /* all of it, as of a first frame */
    changed = in_states + push_inputs (session, stream, frame, &pixels);
    pixels += state_pixels;
  }
  dcnn_states_done (session, stream);
  stream->stats.changed_share = pixels ? (gfloat) changed / pixels : 1;
  if (plan->image_input >= 0)
    dcnn_mask_clear (&stream->cpu->differs);
  /* what is no map has no pixels, but is a change */
  if (dense_input_changed (session, stream))
    changed = MAX (changed, pixels / 2 + 1);
  dcnn_settle_input (session, stream, plan->image_input < 0 ? -1 :
      (gint) (stream->input_mask - stream->masks), changed, pixels);
}

static gboolean
run_frame (DcnnSession *session, const BackendFrame *frame, GError **error)
{
  DcnnStream *stream = &session->streams[frame->stream];
  gint64 input_done, ran, done;
  gboolean moved, first;
  guint flush, set;

  stream->cpu->move.active = FALSE;
  if (frame->moved)
    dcnn_stream_move (stream, session, frame->dy, frame->dx);
  if (stream->first)
    stream->cpu->move.active = FALSE;
  if (frame->picture == NULL)
    dcnn_cpu_take_tensors (session, stream, frame);
  else if (!dcnn_picture_update (session, stream, frame->picture, error))
    return FALSE;
  input_done = dcnn_now_ns ();
  moved = stream->cpu->move.active;
  first = stream->first;
  set = dcnn_frame_blocks (session, stream);
  dcnn_blocks_use (session, stream, set);
  flush = dcnn_flush_begin ();
  dcnn_run_nodes (session, stream);
  dcnn_flush_end (flush);
  dcnn_frame_ran (session, stream, stream->cpu->cost / MAX (1,
          session->cpu->dense_cost));
  stream->cpu->hollow = set == 1;
  finish_outputs (session, stream, moved);
  ran = dcnn_now_ns ();
  if (!stream->cpu->hollow && dcnn_spreads_due (&stream->cpu->settling,
          &session->tuning, first, stream->cpu->dense))
    dcnn_measure_spreads (session, stream);
  done = dcnn_now_ns ();
  stream->stats.macs_done = stream->cpu->macs_done;
  stream->stats.macs_dense = session->plan->macs;
  stream->stats.input_ns = input_done - frame->start_ns;
  stream->stats.run_ns = done - input_done;
  stream->stats.spread_ns = done - ran;
  stream->stats.dense = stream->cpu->dense;
  stream->stats.settled =
      dcnn_settled (&stream->cpu->settling);
  return TRUE;
}

static gboolean
cpu_run (DcnnSession *session, const BackendFrame *frames, guint n,
    GError **error)
{
  for (guint i = 0; i < n; i++)
    if (!run_frame (session, &frames[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
cpu_wait (DcnnSession *session, guint stream, guint wants, GError **error)
{
  return TRUE; /* run wrote all of it */
}

static gboolean
cpu_probe (DcnnSession *session, guint index, gint map, gfloat *values,
    DcnnMask *mask, GError **error)
{
  DcnnStream *stream = &session->streams[index];
  const PlanMap *m = plan_map (session->plan, map);
  DcnnMask pieces = dcnn_room (session, ROOM_PIECES, m);
  const DcnnMask *changed = mask ? dcnn_stream_mask (session->plan,
      stream->masks, map, &pieces) : NULL;

  if (values && ((stream->cpu->maps[map].data == NULL &&
              stream->cpu->maps[map].bytes == NULL) || (stream->cpu->hollow &&
              dcnn_plan_inside (session->plan, m->source,
                  session->cpu->sets[1].which)))) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "map %d is computed on the way to another and not stored; use "
        "store_all", map);
    return FALSE;
  }
  for (guint y = 0; values && y < m->height; y++)
    for (guint x = 0; x < m->width; x++)
      for (guint c = 0; c < m->channels; c++)
        *values++ = dcnn_map_value (&stream->cpu->maps[map], y, x,
            plan_position (m, c));
  if (changed)
    dcnn_mask_copy (mask, changed);
  else if (mask)
    dcnn_mask_clear (mask);
  return TRUE;
}

const DcnnBackend dcnn_backend_cpu = {
  .name = "cpu",
  .samples = TRUE,
  .regions = TRUE,
  .available = cpu_available,
  .accepts = cpu_accepts,
  .layout = cpu_layout,
  .kernel = dcnn_cpu_kernel,
  .stream_bytes = dcnn_stream_predict_bytes,
  .keeps_states = TRUE,
  .model_new = dcnn_cpu_weights_new,
  .model_free = dcnn_cpu_weights_free,
  .weights_stay = TRUE,
  .session_new = cpu_session_new,
  .session_free = cpu_session_free,
  .session_bytes = cpu_session_bytes,
  .retune = cpu_retune,
  .run = cpu_run,
  .wait = cpu_wait,
  .probe = cpu_probe,
  .reset = cpu_reset,
};
