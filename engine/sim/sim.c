/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim.c - the backend "sim": sessions, maps and nodes. A session has a thread
 * of its own that finishes frames after run returned, as a device does.
 *
 * Left out, since no result at threshold 0 depends on it: settling, blocks,
 * keeping what stays in view when the window moves (all is computed anew).
 */
#include "dcnn_engine.h"
#include "sim.h"

#include <math.h>
#include <string.h>

typedef struct SimState {
  SimStream *streams;
  GThread *worker;
  GAsyncQueue *queue;      /* of guint8* one past streams' index; &stop ends */
  GMutex lock;
  GCond finished;
  gsize bytes;
} SimState;

static guint8 stop;

/* ---- maps ------------------------------------------------------------------- */

/* A view of some channels of its one piece: found by where they lie. */
static void
place_view (const DcnnPlan *plan, const PlanMap *map, SimPlace *places)
{
  gint parent = g_array_index (map->pieces, gint, 0);
  const PlanMap *p = plan_map (plan, parent);

  for (guint c = 0; c < map->channels; c++)
    for (guint k = 0; k < p->channels; k++)
      if (plan_position (p, k) == map->parent_offset + plan_position (map, c))
        places[c] = (SimPlace) { parent, k };
}

static SimPlace *
find_places (const DcnnPlan *plan, gint index)
{
  const PlanMap *map = plan_map (plan, index);
  SimPlace *places = g_new0 (SimPlace, map->channels);
  guint c = 0;

  if (map->pieces->len == 1 &&
      map->parent == g_array_index (map->pieces, gint, 0)) {
    place_view (plan, map, places);
    return places;
  }
  for (guint i = 0; i < map->pieces->len; i++) {
    gint piece = g_array_index (map->pieces, gint, i);
    for (guint k = 0; k < plan_map (plan, piece)->channels; k++)
      places[c++] = (SimPlace) { piece, k };
  }
  return places;
}

static void
init_maps (SimMaps *maps, const DcnnPlan *plan, gsize *bytes)
{
  guint n = plan->maps->len;

  maps->plan = plan;
  maps->places = g_new0 (SimPlace *, n + 1);
  maps->values = g_new0 (gfloat *, n + 1);
  maps->changed = g_new0 (guint8 *, n + 1);
  for (guint i = 0; i < n; i++) {
    const PlanMap *map = plan_map (plan, i);
    gsize pixels = (gsize) map->width * map->height;
    if (map->pieces) {
      maps->places[i] = find_places (plan, (gint) i);
      continue;
    }
    maps->values[i] = g_new0 (gfloat, pixels * map->channels);
    *bytes += pixels * map->channels * sizeof (gfloat);
    if (map->constant)
      memcpy (maps->values[i], map->constant,
          pixels * map->channels * sizeof (gfloat));
    else
      maps->changed[i] = g_new0 (guint8, pixels);
  }
}

static void
clear_maps (SimMaps *maps)
{
  for (guint i = 0; maps->plan && i < maps->plan->maps->len; i++) {
    g_free (maps->places[i]);
    g_free (maps->values[i]);
    g_free (maps->changed[i]);
  }
  g_free (maps->places);
  g_free (maps->values);
  g_free (maps->changed);
}

/* ---- storing ------------------------------------------------------------------ */

static gfloat
round_bf16 (gfloat v)
{
  guint32 bits;

  if (!isfinite (v))
    return v;
  memcpy (&bits, &v, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy (&v, &bits, sizeof v);
  return v;
}

/* To 11 bits, or fewer below the smallest normal; ties to even. */
static gfloat
round_f16 (gfloat v)
{
  gfloat step;
  int exponent;

  if (!isfinite (v) || v == 0)
    return v;
  (void) frexpf (v, &exponent);
  step = ldexpf (1, MAX (exponent, -13) - 11);
  v = rintf (v / step) * step;
  return fabsf (v) > 65504 ? copysignf (INFINITY, v) : v;
}

/* As a map's buffer holds it. */
static gfloat
stored (const DcnnPlan *plan, const PlanMap *map, gdouble v)
{
  switch (g_array_index (plan->buffers, PlanBuffer, map->buffer).store) {
    case PLAN_STORE_F16:
      return round_f16 ((gfloat) v);
    case PLAN_STORE_BF16:
      return round_bf16 ((gfloat) v);
    default:
      return (gfloat) v;
  }
}

/* ---- nodes ----------------------------------------------------------------------- */

static void
run_kernel (DcnnSession *session, SimStream *sim, NodeState *state, guint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  g_autofree gdouble *row = g_new (gdouble, out->channels);
  g_autofree gfloat *now = g_new (gfloat, out->channels);
  DcnnCriterionRule rule = sim_rule (session, sim, state, n);
  gsize p = 0, candidates = 0, joined = 0;

  for (guint y = 0; y < out->height; y++)
    for (guint x = 0; x < out->width; x++, p++) {
      gfloat *before = sim->maps.values[node->out] + p * out->channels;
      sim->maps.changed[node->out][p] = FALSE;
      if (!sim->all && !sim_is_candidate (&sim->maps, node, y, x))
        continue;
      candidates++;
      sim_row (&sim->maps, node, y, x, row);
      for (guint c = 0; c < out->channels; c++)
        now[c] = stored (session->plan, out, row[c]);
      if (!sim->all && !sim_is_significant (session, sim, n, &rule, before, now))
        continue;
      memcpy (before, now, out->channels * sizeof *now);
      sim->maps.changed[node->out][p] = TRUE;
      joined++;
    }
  sim->macs += candidates * node->macs_per_pixel;
  state->stats.macs_done += candidates * node->macs_per_pixel;
  state->stats.candidates += (gdouble) candidates / p;
  state->stats.joined += (gdouble) joined / p;
}

static gboolean
any_changed (const SimMaps *maps, gint map)
{
  const PlanMap *m = plan_map (maps->plan, map);

  for (guint y = 0; y < m->height; y++)
    for (guint x = 0; x < m->width; x++)
      if (sim_changed (maps, map, y, x))
        return TRUE;
  return FALSE;
}

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

static void
run_global (DcnnSession *session, SimStream *sim, NodeState *state, guint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  g_autofree gfloat *row = g_new0 (gfloat, out->channels);
  gfloat *before = sim->maps.values[node->out];
  gfloat t = node->is_gate ? dcnn_criterion_global (&sim->tuning,
      node->norm != NULL, state->threshold) : 0;
  gdouble change = 0, size = 0;

  sim->maps.changed[node->out][0] = FALSE;
  if (!sim->all && !any_changed (&sim->maps, node->in))
    return;
  if (node->norm) {
    moments_row (&sim->maps, node, row);
  } else {
    for (guint c = 0; c < out->channels; c++) {
      gdouble mean, variance;
      measure_map (&sim->maps, node->in, node->maximum, c, 1, &mean,
          &variance);
      row[c] = (gfloat) mean;
    }
  }
  for (guint c = 0; c < out->channels; c++) {
    change += ((gdouble) row[c] - before[c]) * ((gdouble) row[c] - before[c]);
    size += (gdouble) before[c] * before[c];
  }
  if (!sim->all && change <= (gdouble) t * t * size)
    return;
  memcpy (before, row, out->channels * sizeof *row);
  sim->maps.changed[node->out][0] = TRUE;
  state->stats.joined += 1;
}

static void
run_gather (DcnnSession *session, SimStream *sim, const PlanNode *node)
{
  gint index = session->plan->values[node->value].tensor;
  DcnnTensor *to = &sim->tensors[index];
  gboolean changed = sim->all;

  for (guint i = 0; i < node->sources->len; i++) {
    const PlanGatherSource *s =
        &g_array_index (node->sources, PlanGatherSource, i);
    const PlanMap *map = plan_map (session->plan, s->map);
    changed |= any_changed (&sim->maps, s->map);
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

/* A tensor into a map; a pixel changes when some channel differs by more than
 * the threshold. */
static void
import (DcnnSession *session, SimStream *sim, gint index,
    const DcnnTensor *from, gboolean nhwc, gfloat threshold)
{
  const PlanMap *map = plan_map (session->plan, index);
  gsize pixels = (gsize) map->width * map->height;

  for (gsize p = 0; p < pixels; p++) {
    gfloat *to = sim->maps.values[index] + p * map->channels;
    gboolean news = sim->all;
    for (guint k = 0; k < 2; k++)
      for (guint c = 0; c < map->channels; c++) {
        gfloat v = stored (session->plan, map, ((const gfloat *) from->data)
            [nhwc ? p * map->channels + c : c * pixels + p]);
        if (k == 0)
          news = news || !(fabsf (v - to[c]) <= threshold);
        else if (news)
          to[c] = v;
      }
    sim->maps.changed[index][p] = news;
    sim->changed_pixels += news;
  }
  sim->input_pixels += pixels;
}

static void
take_input (DcnnSession *session, SimStream *sim, guint i)
{
  const DcnnPlan *plan = session->plan;
  DcnnValueId id = g_array_index (plan->graph->inputs, DcnnValueId, i);
  const DcnnTensor *from = &sim->frame.tensors[i];
  gint direct = plan->values[id].map < 0 ? plan->values[id].tensor : -1;

  if (direct >= 0) {
    DcnnTensor *own = &sim->tensors[direct];
    gsize bytes = (gsize) dcnn_tensor_count (own) *
        dcnn_dtype_bytes (own->dtype);
    sim->tensor_changed[direct] = sim->all ||
        memcmp (own->data, from->data, bytes) != 0;
    memcpy (own->data, from->data, bytes);
  }
  for (guint m = 0; m < plan->maps->len; m++)
    if (plan_map (plan, m)->graph_input == (gint) i)
      import (session, sim, (gint) m, from, plan->values[id].map < 0,
          sim->frame.tensor_threshold);
}

static void
run_node (DcnnSession *session, SimStream *sim, NodeState *state, guint n)
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
      import (session, sim, node->out, &sim->tensors[tensor], FALSE, 0);
  }
}

static void
run_frame (DcnnSession *session, SimStream *sim, DcnnStream *stream)
{
  const DcnnPlan *plan = session->plan;
  guint64 pixels;

  sim->macs = sim->changed_pixels = sim->input_pixels = 0;
  for (guint i = 0; i < plan->graph->inputs->len; i++)
    take_input (session, sim, i);
  pixels = MAX (1, sim->input_pixels);
  stream->stats.changed_share = (gfloat) sim->changed_pixels / pixels;
  for (guint n = 0; n < plan->nodes->len; n++)
    run_node (session, sim, &stream->nodes[n], n);
  if (sim->all)
    sim_measure_spreads (sim, plan);
}

/* ---- a session -------------------------------------------------------------------- */

static gpointer
work (gpointer data)
{
  DcnnSession *session = data;
  SimState *state = session->state;
  guint8 *item;

  while ((item = g_async_queue_pop (state->queue)) != &stop) {
    guint s = GPOINTER_TO_UINT (item) - 1;
    run_frame (session, &state->streams[s], &session->streams[s]);
    g_mutex_lock (&state->lock);
    state->streams[s].done = TRUE;
    g_cond_broadcast (&state->finished);
    g_mutex_unlock (&state->lock);
  }
  return NULL;
}

static void
wait_for (SimState *state, guint s)
{
  g_mutex_lock (&state->lock);
  while (!state->streams[s].done)
    g_cond_wait (&state->finished, &state->lock);
  g_mutex_unlock (&state->lock);
}

static gboolean
sim_available (gint index, GError **error)
{
  if (index <= 0)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "device=sim:%d: there is one; use sim", index);
  return FALSE;
}

static gboolean
sim_accepts (const DcnnPlan *plan, const DcnnSessionOptions *options,
    GError **error)
{
  return TRUE;
}

/* In halves as a device's matrix units want them: granules of 16, and no view
 * that does not begin on one. */
static PlanLayout
sim_layout (DcnnPrecision precision)
{
  PlanLayout halves = { .pixel = 16, .slice = 16, .view = 16,
    .store = precision == DCNN_PRECISION_F16 ? PLAN_STORE_F16 :
        PLAN_STORE_BF16 };

  return precision <= DCNN_PRECISION_F32 ? plan_layout_cpu : halves;
}

static gpointer
sim_model_new (const DcnnPlan *plan, gint index, GError **error)
{
  return g_malloc0 (1); /* it reads the plan as it is */
}

static gsize
sim_model_bytes (gpointer weights)
{
  return 1;
}

static void
init_output (DcnnSession *session, SimStream *sim, DcnnStream *stream,
    guint i)
{
  const DcnnPlan *plan = session->plan;
  DcnnValueId id = g_array_index (plan->graph->outputs, DcnnValueId, i);
  const DcnnValue *value = dcnn_graph_value (plan->graph, id);
  const PlanValue *v = &plan->values[id];
  DcnnOutput *out = &stream->outputs[i];
  const PlanMap *map = v->map < 0 ? NULL : plan_map (plan, v->map);

  out->name = value->name;
  out->tensor = v->tensor >= 0 ? sim->tensors[v->tensor] : value->tensor;
  if (map && map->mask >= 0) {
    sim->mask_words[i] = g_new0 (guint64, dcnn_mask_words (map->width,
            map->height));
    dcnn_mask_init (&out->updated, map->width, map->height,
        sim->mask_words[i]);
    out->is_map = TRUE;
  }
}

static gboolean
init_stream (DcnnSession *session, SimStream *sim, DcnnStream *stream,
    gsize *bytes, GError **error)
{
  const DcnnPlan *plan = session->plan;
  guint n_outputs = plan->graph->outputs->len;

  sim->done = TRUE;
  init_maps (&sim->maps, plan, bytes);
  sim->inv_spread = g_new0 (gdouble *, plan->nodes->len + 1);
  sim->tensors = g_new0 (DcnnTensor, plan->tensors->len + 1);
  sim->tensor_changed = g_new0 (gboolean, plan->tensors->len + 1);
  sim->mask_words = g_new0 (guint64 *, n_outputs);
  stream->outputs = g_new0 (DcnnOutput, n_outputs);
  for (guint i = 0; i < plan->tensors->len; i++) {
    DcnnTensor *t = &sim->tensors[i];
    *t = dcnn_graph_value (plan->graph,
        g_array_index (plan->tensors, DcnnValueId, i))->tensor;
    t->data = NULL;
    if (!dcnn_tensor_alloc (t, error))
      return FALSE;
  }
  for (guint i = 0; i < n_outputs; i++)
    init_output (session, sim, stream, i);
  return TRUE;
}

static gboolean
sim_session_new (DcnnSession *session, GError **error)
{
  SimState *state = g_new0 (SimState, 1);
  gboolean ok = TRUE;

  session->state = state;
  g_mutex_init (&state->lock);
  g_cond_init (&state->finished);
  state->queue = g_async_queue_new ();
  state->streams = g_new0 (SimStream, session->n_streams);
  for (guint s = 0; s < session->n_streams && ok; s++)
    ok = init_stream (session, &state->streams[s], &session->streams[s],
        &state->bytes, error);
  if (ok)
    state->worker = g_thread_new ("deltacnn-sim", work, session);
  return ok;
}

static void
sim_session_free (DcnnSession *session)
{
  SimState *state = session->state;
  const DcnnPlan *plan = session->plan;

  if (state->worker) {
    g_async_queue_push (state->queue, &stop);
    g_thread_join (state->worker);
  }
  for (guint s = 0; s < session->n_streams; s++) {
    SimStream *sim = &state->streams[s];
    clear_maps (&sim->maps);
    for (guint n = 0; sim->inv_spread && n < plan->nodes->len; n++)
      g_free (sim->inv_spread[n]);
    for (guint i = 0; sim->tensors && i < plan->tensors->len; i++)
      dcnn_tensor_free (&sim->tensors[i]);
    for (guint i = 0; sim->mask_words && i < plan->graph->outputs->len; i++)
      g_free (sim->mask_words[i]);
    g_free (sim->inv_spread);
    g_free (sim->tensors);
    g_free (sim->tensor_changed);
    g_free (sim->mask_words);
    g_free (session->streams[s].outputs);
  }
  g_free (state->streams);
  g_async_queue_unref (state->queue);
  g_cond_clear (&state->finished);
  g_mutex_clear (&state->lock);
  g_free (state);
}

static gsize
sim_session_bytes (const DcnnSession *session)
{
  return ((const SimState *) session->state)->bytes;
}

static void
sim_retune (DcnnSession *session, const DcnnTuning *before)
{
}

static gboolean
sim_run (DcnnSession *session, const BackendFrame *frames, guint n,
    GError **error)
{
  SimState *state = session->state;

  for (guint i = 0; i < n; i++)
    if (frames[i].picture) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
          "device=sim has no input stage; push tensors, or use device=cpu");
      return FALSE;
    }
  for (guint i = 0; i < n; i++) {
    SimStream *sim = &state->streams[frames[i].stream];
    sim->frame = frames[i];
    sim->tuning = session->tuning;
    sim->all = session->streams[frames[i].stream].first || frames[i].moved ||
        sim->tuning.mode == DCNN_MODE_DENSE;
    sim->done = FALSE;
    g_async_queue_push (state->queue, GUINT_TO_POINTER (frames[i].stream +
            1));
  }
  return TRUE;
}

static void
fill_mask (const SimMaps *maps, gint map, DcnnMask *mask)
{
  dcnn_mask_clear (mask);
  for (guint y = 0; y < mask->height; y++)
    for (guint x = 0; x < mask->width; x++)
      if (sim_changed (maps, map, y, x))
        dcnn_mask_set (mask, y, x);
}

static gboolean
sim_wait (DcnnSession *session, guint index, guint wants, GError **error)
{
  SimState *state = session->state;
  SimStream *sim = &state->streams[index];
  DcnnStream *stream = &session->streams[index];
  const DcnnPlan *plan = session->plan;

  wait_for (state, index);
  for (guint i = 0; i < plan->graph->outputs->len; i++) {
    const PlanValue *v = &plan->values[
        g_array_index (plan->graph->outputs, DcnnValueId, i)];
    DcnnOutput *out = &stream->outputs[i];
    out->changed = sim->all || (v->tensor >= 0 &&
        sim->tensor_changed[v->tensor]);
    if (out->is_map)
      fill_mask (&sim->maps, v->map, &out->updated);
  }
  stream->stats.macs_done = sim->macs;
  stream->stats.macs_dense = plan->macs;
  stream->stats.dense = sim->all;
  stream->stats.settled = sim->all || sim->tuning.threshold == 0;
  return TRUE;
}

static gboolean
sim_probe (DcnnSession *session, guint stream, gint map, gfloat *values,
    DcnnMask *mask, GError **error)
{
  const SimMaps *maps = &((SimState *) session->state)->streams[stream].maps;
  const PlanMap *m = plan_map (session->plan, map);

  for (guint y = 0; values && y < m->height; y++)
    for (guint x = 0; x < m->width; x++)
      for (guint c = 0; c < m->channels; c++)
        *values++ = sim_value (maps, map, y, x, c);
  if (mask)
    fill_mask (maps, map, mask);
  return TRUE;
}

static void
sim_reset (DcnnSession *session, guint stream)
{
  wait_for (session->state, stream);
}

const DcnnBackend dcnn_backend_sim = {
  .name = "sim",
  .available = sim_available,
  .accepts = sim_accepts,
  .layout = sim_layout,
  .model_new = sim_model_new,
  .model_free = g_free,
  .model_bytes = sim_model_bytes,
  .session_new = sim_session_new,
  .session_free = sim_session_free,
  .session_bytes = sim_session_bytes,
  .retune = sim_retune,
  .run = sim_run,
  .wait = sim_wait,
  .probe = sim_probe,
  .reset = sim_reset,
};
