/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim.c - the backend "sim": sessions and frames. A session has a thread of
 * its own that finishes frames after run returned, as a device does.
 */
#include "sim.h"

#include <string.h>

typedef struct SimState {
  SimStream *streams;
  GThread *worker;
  GMutex lock;             /* guards what follows, and SimStream.done */
  guint *queue;            /* streams that wait for it: a ring of n_streams, each
                              at most once */
  guint first, waiting;
  gboolean stop;
  GCond queued, finished;
  gsize bytes;
} SimState;

/* ---- a frame ---------------------------------------------------------------- */

/* The stored values stay where they are, and the window moves over them; what
 * lies in window coordinates moves along. */
static void
move_marks (const SimStream *sim, guint8 *marks, const PlanMap *map, gint dy,
    gint dx)
{
  gsize n = (gsize) map->width * map->height;
  guint8 *before = memcpy (sim->marks, marks, n);
  gint by_y = dy / (gint) map->stride_y, by_x = dx / (gint) map->stride_x;

  for (gint y = 0; y < (gint) map->height; y++)
    for (gint x = 0; x < (gint) map->width; x++) {
      gint from_y = y + by_y, from_x = x + by_x;
      marks[(gsize) y * map->width + (gsize) x] = from_y >= 0 &&
          from_y < (gint) map->height && from_x >= 0 &&
          from_x < (gint) map->width ?
          before[(gsize) from_y * map->width + (gsize) from_x] : FALSE;
    }
}

static void
move_reference (SimStream *sim, const PlanMap *map, gint dy, gint dx)
{
  gsize n = (gsize) map->width * map->height;
  const guint8 *before = memcpy (sim->marks, sim->reference, 3 * n);

  for (gint y = 0; y < (gint) map->height; y++)
    for (gint x = 0; x < (gint) map->width; x++)
      if (y + dy >= 0 && y + dy < (gint) map->height && x + dx >= 0 &&
          x + dx < (gint) map->width)
        memcpy (sim->reference + 3 * ((gsize) y * map->width + (gsize) x),
            before + 3 * ((gsize) (y + dy) * map->width + (gsize) (x + dx)),
            3);
}

static void
move_window (const DcnnPlan *plan, SimStream *sim)
{
  gint dy = sim->frame.dy, dx = sim->frame.dx;

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanMap *out = sim->pending[n] ? plan_map (plan,
        plan_node (plan, (gint) n)->out) : NULL;
    if (out && out->stride_y > 0)
      move_marks (sim, sim->pending[n], out, dy, dx);
  }
  if (sim->reference)
    move_reference (sim, plan_map (plan, plan_picture_map (plan)), dy, dx);
}

static gboolean
anything_pending (const DcnnPlan *plan, const SimStream *sim)
{
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanMap *out = sim->pending[n] ? plan_map (plan,
        plan_node (plan, (gint) n)->out) : NULL;
    if (out && memchr (sim->pending[n], TRUE, (gsize) out->width *
            out->height))
      return TRUE;
  }
  return FALSE;
}

/* What settling changed of the outputs is told as changed, once all nodes have
 * run. */
static void
show_settled (const DcnnPlan *plan, SimStream *sim)
{
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, (gint) n);
    const PlanMap *out;
    if (node->kind != PLAN_KERNEL || !node->is_output)
      continue;
    out = plan_map (plan, node->out);
    for (gsize p = 0; p < (gsize) out->width * out->height; p++)
      sim->maps.changed[node->out][p] |= sim->maps.exact[node->out][p];
  }
}

/* What all whole maps cost. */
static gdouble
dense_cost (const DcnnSession *session)
{
  gdouble cost = 0;

  for (guint n = 0; n < session->plan->nodes->len; n++)
    if (plan_node (session->plan, (gint) n)->kind == PLAN_KERNEL)
      cost += sim_node_cost (session, n).map;
  return cost;
}

static void
run_frame (DcnnSession *session, SimStream *sim, DcnnStream *stream)
{
  const DcnnPlan *plan = session->plan;

  sim->macs = sim->settled_macs = 0;
  sim->cost = 0;
  sim_maps_place (&sim->maps, stream->torus_y, stream->torus_x);
  if (sim->moving)
    move_window (plan, sim);
  if (sim->frame.picture)
    sim_take_picture (session, sim, stream);
  else
    sim_take_tensors (session, sim, stream);
  for (guint n = 0; n < plan->nodes->len; n++)
    sim_run_node (session, sim, &stream->nodes[n], n);
  if (!sim->all && sim->tuning.mode == DCNN_MODE_AUTO)
    dcnn_dear_frames_ran (&sim->dear, sim->cost / MAX (1,
            dense_cost (session)), stream->stats.changed_share);
  if (!sim->all)
    dcnn_settling_busy (&sim->settling, (gdouble) (sim->macs -
            sim->settled_macs) / (gdouble) MAX (1, plan->macs));
  if (sim->settling.now != DCNN_SETTLING_NOTHING) {
    show_settled (plan, sim);
    dcnn_settling_ends (&sim->settling, plan->macs,
        anything_pending (plan, sim));
  }
  if (dcnn_spreads_due (&sim->settling, &sim->tuning, sim->first, sim->all))
    sim_measure_spreads (sim, plan);
}

/* ---- a session -------------------------------------------------------------------- */

/* DELTACNN_SIM_ROUNDING=WOBBLE:DECLARED imitates a device whose bits depend on
 * how it came to compute a pixel: each time a channel is off by up to half of
 * that share of its spread, and DcnnSession.rounding is the second. */
static void
take_rounding (DcnnSession *session, SimState *state)
{
  const char *text = g_getenv ("DELTACNN_SIM_ROUNDING"), *second;
  gfloat first;

  if (text == NULL || (second = strchr (text, ':')) == NULL)
    return;
  first = (gfloat) g_ascii_strtod (text, NULL);
  session->rounding = (gfloat) g_ascii_strtod (second + 1, NULL);
  for (guint s = 0; s < session->n_streams; s++)
    state->streams[s].wobble = first;
}

static gpointer
work (gpointer data)
{
  DcnnSession *session = data;
  SimState *state = session->state;

  g_mutex_lock (&state->lock);
  while (!state->stop || state->waiting > 0) {
    guint s = state->queue[state->first];
    if (state->waiting == 0) {
      g_cond_wait (&state->queued, &state->lock);
      continue;
    }
    g_mutex_unlock (&state->lock);
    run_frame (session, &state->streams[s], &session->streams[s]);
    g_mutex_lock (&state->lock);
    state->first = (state->first + 1) % session->n_streams;
    state->waiting--;
    state->streams[s].done = TRUE;
    g_cond_broadcast (&state->finished);
  }
  g_mutex_unlock (&state->lock);
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

/* It holds channels one by one, whatever the layout. In floats the nodes are
 * the cpu's, so that each map can be compared; in halves as a device's matrix
 * units want them: granules of 16, and no view that does not begin on one. */
static PlanLayout
sim_layout (DcnnPrecision precision)
{
  PlanLayout floats = { .pixel = 8, .slice = 8, .view = 1 };
  PlanLayout halves = { .pixel = 16, .slice = 16, .view = 16,
    .store = precision == DCNN_PRECISION_F16 ? PLAN_STORE_F16 :
        PLAN_STORE_BF16 };

  return precision <= DCNN_PRECISION_F32 ? floats : halves;
}

static gpointer
sim_model_new (const DcnnPlan *plan, gint index, GError **error)
{
  return g_malloc0 (1); /* it reads the plan as it is */
}

static gsize
tensor_bytes (const DcnnTensor *tensor)
{
  return (gsize) dcnn_tensor_count (tensor) * dcnn_dtype_bytes (tensor->dtype);
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
  if (v->tensor >= 0)
    out->tensor.data = sim->told[i] = g_malloc0 (tensor_bytes (&out->tensor) +
        1);
  if (map && map->mask >= 0) {
    sim->mask_words[i] = g_new0 (guint64, dcnn_mask_words (map->width,
            map->height));
    dcnn_mask_init (&out->updated, map->width, map->height,
        sim->mask_words[i]);
    out->is_map = TRUE;
  }
}

/* What a stream of pictures holds, and the mask of the input. */
static void
init_picture (SimStream *sim, DcnnStream *stream, const DcnnPlan *plan)
{
  gint index = plan_picture_map (plan);
  const PlanMap *map = index < 0 ? NULL : plan_map (plan, index);
  gsize n = map ? (gsize) map->width * map->height : 0;

  if (map == NULL)
    return;
  sim->picture = g_new0 (guint8, 3 * n);
  sim->reference = g_new0 (guint8, 3 * n);
  sim->differs = g_new0 (guint8, n);
  sim->source = g_new0 (guint8, 3 * n);
  sim->shadow = g_new0 (guint8, 3 * n);
  sim->weights = g_malloc0 (DCNN_LOOK_PHASES * sizeof *sim->weights);
  sim->look.weights = (const gint16 (*)[4]) sim->weights;
  dcnn_look_weights (sim->sampling, sim->weights);
  sim->region_words = g_new0 (guint64, dcnn_mask_words (map->width,
          map->height));
  dcnn_mask_init (&sim->region, map->width, map->height, sim->region_words);
  sim->input_words = g_new0 (guint64, dcnn_mask_words (map->width,
          map->height));
  dcnn_mask_init (&sim->input_mask.mask, map->width, map->height,
      sim->input_words);
  stream->input_mask = &sim->input_mask;
}

/* Rows and marks that hold those of any map: no frame allocates. */
static void
init_scratch (SimStream *sim, const DcnnPlan *plan)
{
  guint picture = plan_picture_map (plan) < 0 ? 0 : 3, channels = 1;
  gsize pixels = 1;

  for (guint m = 0; m < plan->maps->len; m++) {
    const PlanMap *map = plan_map (plan, (gint) m);
    channels = MAX (channels, map->channels);
    pixels = MAX (pixels, (gsize) map->width * map->height * ((gint) m ==
            plan_picture_map (plan) ? picture : 1));
  }
  sim->maps.in_row = g_new0 (gdouble, channels);
  sim->row = g_new0 (gdouble, channels);
  sim->now = g_new0 (gfloat, channels);
  sim->global = g_new0 (gfloat, channels);
  sim->marks = g_malloc0 (pixels);
}

/* What is kept for each node that makes a map. */
static void
init_nodes (SimStream *sim, const DcnnPlan *plan)
{
  sim->pending = g_new0 (guint8 *, plan->nodes->len + 1);
  sim->inv_spread = g_new0 (gdouble *, plan->nodes->len + 1);
  sim->spread_rows = g_new0 (gdouble *, plan->nodes->len + 1);
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, (gint) n);
    const PlanMap *out;
    if (node->kind != PLAN_KERNEL)
      continue;
    out = plan_map (plan, node->out);
    sim->pending[n] = g_new0 (guint8, (gsize) out->width * out->height);
    sim->spread_rows[n] = g_new0 (gdouble, out->channels);
  }
}

static gboolean
init_tensors (SimStream *sim, const DcnnPlan *plan, GError **error)
{
  sim->tensors = g_new0 (DcnnTensor, plan->tensors->len + 1);
  sim->tensor_changed = g_new0 (gboolean, plan->tensors->len + 1);
  for (guint i = 0; i < plan->tensors->len; i++) {
    DcnnTensor *t = &sim->tensors[i];
    *t = dcnn_graph_value (plan->graph,
        g_array_index (plan->tensors, DcnnValueId, i))->tensor;
    t->data = NULL;
    if (!dcnn_tensor_alloc (t, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
init_stream (DcnnSession *session, SimStream *sim, DcnnStream *stream,
    gsize *bytes, GError **error)
{
  const DcnnPlan *plan = session->plan;
  guint n_outputs = plan->graph->outputs->len;

  sim->done = TRUE;
  sim_maps_init (&sim->maps, plan, bytes);
  init_nodes (sim, plan);
  init_picture (sim, stream, plan);
  init_scratch (sim, plan);
  sim_states_init (sim, plan);
  sim->mask_words = g_new0 (guint64 *, n_outputs);
  sim->told = g_new0 (guint8 *, n_outputs);
  sim->copies = g_new0 (guint, n_outputs);
  stream->outputs = g_new0 (DcnnOutput, n_outputs);
  if (!init_tensors (sim, plan, error))
    return FALSE;
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
  g_cond_init (&state->queued);
  g_cond_init (&state->finished);
  state->queue = g_new0 (guint, session->n_streams);
  state->streams = g_new0 (SimStream, session->n_streams);
  for (guint s = 0; s < session->n_streams && ok; s++)
    ok = init_stream (session, &state->streams[s], &session->streams[s],
        &state->bytes, error);
  session->arithmetic = 1;
  take_rounding (session, state);
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
    g_mutex_lock (&state->lock);
    state->stop = TRUE;
    g_cond_signal (&state->queued);
    g_mutex_unlock (&state->lock);
    g_thread_join (state->worker);
  }
  for (guint s = 0; s < session->n_streams; s++) {
    SimStream *sim = &state->streams[s];
    for (guint n = 0; sim->pending && n < plan->nodes->len; n++)
      g_free (sim->pending[n]);
    g_free (sim->pending);
    sim_maps_clear (&sim->maps);
    sim_states_clear (sim, plan);
    dcnn_input_tables_clear (&sim->tables);
    g_free (sim->picture);
    g_free (sim->reference);
    g_free (sim->differs);
    g_free (sim->source);
    g_free (sim->shadow);
    g_free (sim->weights);
    g_free (sim->input_words);
    g_free (sim->region_words);
    for (guint n = 0; sim->spread_rows && n < plan->nodes->len; n++)
      g_free (sim->spread_rows[n]);
    for (guint i = 0; sim->tensors && i < plan->tensors->len; i++)
      dcnn_tensor_free (&sim->tensors[i]);
    for (guint i = 0; sim->mask_words && i < plan->graph->outputs->len; i++) {
      g_debug ("sim: output %u of stream %u was copied %u times", i, s,
          sim->copies[i]);
      g_free (sim->mask_words[i]);
      g_free (sim->told[i]);
    }
    g_free (sim->inv_spread);
    g_free (sim->spread_rows);
    g_free (sim->maps.in_row);
    g_free (sim->row);
    g_free (sim->now);
    g_free (sim->global);
    g_free (sim->marks);
    g_free (sim->tensors);
    g_free (sim->tensor_changed);
    g_free (sim->mask_words);
    g_free (sim->told);
    g_free (sim->copies);
    g_free (session->streams[s].outputs);
  }
  g_free (state->streams);
  g_free (state->queue);
  g_cond_clear (&state->queued);
  g_cond_clear (&state->finished);
  g_mutex_clear (&state->lock);
  g_free (state);
}

static gsize
sim_session_bytes (const DcnnSession *session)
{
  return ((const SimState *) session->state)->bytes;
}

/* Streams may have a frame in flight: what it means for each of them waits for
 * its next frame. */
static void
sim_retune (DcnnSession *session, const DcnnTuning *before)
{
  const DcnnTuning *now = &session->tuning;
  SimState *state = session->state;

  for (guint s = 0; s < session->n_streams; s++) {
    state->streams[s].distrust |= now->settle && !before->settle;
    state->streams[s].respread |= now->criterion != before->criterion ||
        (now->threshold > 0 && before->threshold <= 0);
  }
}

/* Anything may differ: nobody kept record of what was left out. */
static void
distrust (const DcnnPlan *plan, SimStream *sim)
{
  dcnn_settling_distrust (&sim->settling);
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanMap *out = sim->pending[n] ? plan_map (plan,
        plan_node (plan, (gint) n)->out) : NULL;
    if (out)
      memset (sim->pending[n], TRUE, (gsize) out->width * out->height);
  }
}

/* Frames of another size or format, which are a first frame. */
static gboolean
take_format (const DcnnSession *session, SimStream *sim, DcnnStream *stream,
    const DcnnFrame *frame, GError **error)
{
  if (stream->format.width == frame->width &&
      stream->format.height == frame->height &&
      stream->format.format == frame->format &&
      stream->format.pixel_aspect == frame->pixel_aspect && sim->has_picture)
    return TRUE;
  stream->format = *frame;
  dcnn_view_fit (session, frame, &stream->geometry);
  stream->first = TRUE;
  sim->shadowing = FALSE;
  dcnn_input_tables_clear (&sim->tables);
  if (dcnn_input_tables_init (&sim->tables, &stream->geometry, frame->width,
          frame->height, frame->format))
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
      "out of memory for frames of %ux%u", frame->width, frame->height);
  return FALSE;
}

static gboolean
begin_frame (DcnnSession *session, SimStream *sim, const BackendFrame *frame,
    GError **error)
{
  DcnnStream *stream = &session->streams[frame->stream];

  if (frame->picture && !take_format (session, sim, stream, frame->picture,
          error))
    return FALSE;
  sim->has_picture = frame->picture != NULL;
  sim->frame = *frame;
  if (frame->picture)
    sim->picture_frame = *frame->picture;
  sim->tuning = session->tuning;
  sim->first = stream->first;
  sim->all = stream->first || sim->tuning.mode == DCNN_MODE_DENSE;
  sim->moving = frame->moved && !stream->first;
  sim->in_regions = FALSE;
  if (frame->picture)
    sim_begin_picture (session, sim, stream);
  if (sim->distrust && !stream->first)
    distrust (session->plan, sim);
  if (sim->respread)
    sim->settling.spread_frames = 0;
  sim->distrust = sim->respread = FALSE;
  return TRUE;
}

static gboolean
sim_run (DcnnSession *session, const BackendFrame *frames, guint n,
    GError **error)
{
  SimState *state = session->state;

  for (guint i = 0; i < n; i++)
    if (!begin_frame (session, &state->streams[frames[i].stream], &frames[i],
            error))
      return FALSE;
  g_mutex_lock (&state->lock);
  for (guint i = 0; i < n; i++) {
    state->streams[frames[i].stream].done = FALSE;
    state->queue[(state->first + state->waiting++) % session->n_streams] =
        frames[i].stream;
  }
  g_cond_signal (&state->queued);
  g_mutex_unlock (&state->lock);
  return TRUE;
}

static void
fill_mask (const SimMaps *maps, gint map, DcnnMask *mask)
{
  dcnn_mask_clear (mask);
  for (guint y = 0; y < mask->height; y++)
    for (guint x = 0; x < mask->width; x++)
      if (sim_marked (maps, maps->changed, map, y, x))
        dcnn_mask_set (mask, y, x);
}

/* As of a device, an output that nobody asks for is not copied. */
static void
tell_output (SimStream *sim, const PlanValue *v, guint i)
{
  const DcnnTensor *from = &sim->tensors[v->tensor];

  memcpy (sim->told[i], from->data, tensor_bytes (from));
  sim->copies[i]++;
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
    if (v->tensor >= 0 && (wants & DCNN_WANT_OUTPUT (i)))
      tell_output (sim, v, i);
    out->changed = sim->all || (v->tensor >= 0 &&
        sim->tensor_changed[v->tensor]);
    if (out->is_map && sim->moving) /* everything lies elsewhere now */
      dcnn_mask_fill (&out->updated);
    else if (out->is_map)
      fill_mask (&sim->maps, v->map, &out->updated);
  }
  if (stream->input_mask) {
    fill_mask (&sim->maps, plan_picture_map (plan), &sim->input_mask.mask);
    sim->input_mask.any = TRUE;
  }
  stream->stats.macs_done = sim->macs;
  stream->stats.macs_dense = plan->macs;
  stream->stats.dense = sim->all;
  stream->stats.settled = dcnn_settled (&sim->settling);
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
  SimState *state = session->state;

  wait_for (state, stream);
  dcnn_settling_reset (&state->streams[stream].settling);
}

const DcnnBackend dcnn_backend_sim = {
  .name = "sim",
  .samples = TRUE,
  .regions = TRUE,
  .keeps_states = TRUE,
  .available = sim_available,
  .accepts = sim_accepts,
  .layout = sim_layout,
  .model_new = sim_model_new,
  .model_free = g_free,
  .session_new = sim_session_new,
  .session_free = sim_session_free,
  .session_bytes = sim_session_bytes,
  .retune = sim_retune,
  .run = sim_run,
  .wait = sim_wait,
  .probe = sim_probe,
  .reset = sim_reset,
};
