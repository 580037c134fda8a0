/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_session.c - the public session: options, pushing frames, results.
 */
#include "dcnn_engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Frames after which spreads are measured again: the first picture of a
 * camera is often no picture. */
#define SPREAD_AGAIN_1 16
#define SPREAD_AGAIN_2 128

void
dcnn_session_options_init (DcnnSessionOptions *options)
{
  memset (options, 0, sizeof *options);
  options->streams = 1;
  options->tuning = (DcnnTuning) {
    .threshold = 0.05f, .input_threshold = 0.05f, .gate_threshold = 0.2f,
    .dilation = 3, .settle = TRUE, .settle_budget = 0.1f,
  };
  for (int c = 0; c < 3; c++)
    options->scale[c] = 1.0f / 255;
  for (int c = 0; c < 3; c++)
    options->fill[c] = 114;
}

/* ---- making --------------------------------------------------------------------- */

static gpointer
take (DcnnSession *session, gsize bytes)
{
  gsize size = (MAX (bytes, 1) + 63) / 64 * 64;
  gpointer p = aligned_alloc (64, size);

  session->bytes += size;
  return p ? memset (p, 0, size) : NULL;
}

static gsize
largest_mask_scratch (const DcnnPlan *plan)
{
  gsize bytes = 64;

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    if (node->in < 0 || node->out < 0)
      continue;
    bytes = MAX (bytes, dcnn_mask_scratch_bytes (
            plan_map (plan, node->in)->width,
            plan_map (plan, node->in)->height,
            plan_map (plan, node->out)->width,
            plan_map (plan, node->out)->height));
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
          session->kernels->scratch_bytes (&stream->nodes[n].job));
    if (node->kind == PLAN_GLOBAL)
      bytes = MAX (bytes, (plan_map (session->plan, node->out)->span + 64) *
          sizeof (float));
  }
  return bytes;
}

static gboolean
make_scratch (DcnnSession *session)
{
  const DcnnPlan *plan = session->plan;
  gsize words = 1, pixels = 1, span = 64, bytes;
  gboolean ok = TRUE;

  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, i);
    words = MAX (words, dcnn_mask_words (map->width, map->height));
    pixels = MAX (pixels, (gsize) map->width * map->height);
    span = MAX (span, (gsize) map->span + DCNN_LANES);
  }
  session->mask_words = take (session, 3 * words * 8);
  session->mask_scratch = take (session, largest_mask_scratch (plan));
  session->list = take (session, (pixels + 64) * sizeof (guint32));
  session->verdicts = take (session, pixels + 64);
  session->ones = take (session, span * sizeof (float));
  session->spread_sums = take (session, 2 * span * sizeof (gdouble));
  if (!session->mask_words || !session->mask_scratch || !session->list ||
      !session->verdicts || !session->ones || !session->spread_sums)
    return FALSE;
  session->candidates.words = session->mask_words;
  session->other.words = session->mask_words + words;
  session->settle.words = session->mask_words + 2 * words;
  for (gsize i = 0; i < span; i++)
    session->ones[i] = 1;
  bytes = largest_kernel_scratch (session, &session->streams[0]);
  session->scratch = g_new0 (void *, session->threads);
  for (guint t = 0; t < session->threads; t++)
    ok &= (session->scratch[t] = take (session, bytes)) != NULL;
  return ok;
}

static gboolean
set_thresholds (DcnnSession *session, GHashTable *thresholds, GError **error)
{
  GHashTableIter iter;
  gpointer key, value;

  if (thresholds == NULL)
    return TRUE;
  g_hash_table_iter_init (&iter, thresholds);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    gboolean found = FALSE;
    if (isnan (*(const gdouble *) value)) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "the threshold of '%s' is not a number", (const char *) key);
      return FALSE;
    }
    for (guint n = 0; n < session->plan->nodes->len; n++)
      if (strcmp (plan_node (session->plan, n)->name, key) == 0) {
        for (guint s = 0; s < session->n_streams; s++)
          session->streams[s].nodes[n].threshold =
              (float) *(const gdouble *) value;
        found = TRUE;
      }
    if (!found) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "a threshold is given for '%s', which is no node of this model; "
          "deltacnn-inspect lists their names", (const char *) key);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_options (const DcnnSessionOptions *options, GError **error)
{
  if (options->streams < 1 || options->streams > 1024) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "%u streams; 1 to 1024 are possible", options->streams);
    return FALSE;
  }
  if (options->threads > 256) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "%u threads; 0 (one a core) to 256 are possible", options->threads);
    return FALSE;
  }
  return TRUE;
}

DcnnSession *
dcnn_session_new (DcnnModel *model, const DcnnSessionOptions *options,
    GError **error)
{
  DcnnSession *session;
  gboolean ok = TRUE;

  if (!check_options (options, error))
    return NULL;
  session = g_new0 (DcnnSession, 1);
  session->model = dcnn_model_ref (model);
  session->plan = model->plan;
  session->kernels = dcnn_cpu_kernels ();
  session->options = *options;
  session->options.thresholds = NULL;
  session->tuning = session->shown_tuning = options->tuning;
  g_mutex_init (&session->tuning_lock);
  session->threads = options->threads ? options->threads :
      g_get_num_processors ();
  session->n_streams = options->streams;
  session->streams = g_new0 (DcnnStream, session->n_streams);
  for (guint s = 0; s < session->n_streams && ok; s++)
    ok = dcnn_stream_init (&session->streams[s], session, error);
  if (ok && !make_scratch (session)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "out of memory for a session's scratch");
    ok = FALSE;
  }
  ok = ok && set_thresholds (session, options->thresholds, error);
  if (ok && session->threads > 1)
    session->pool = dcnn_pool_new (session->threads);
  if (!ok)
    g_clear_pointer (&session, dcnn_session_free);
  return session;
}

void
dcnn_session_free (DcnnSession *session)
{
  if (session == NULL)
    return;
  dcnn_pool_free (session->pool);
  for (guint s = 0; s < session->n_streams; s++)
    dcnn_stream_clear (&session->streams[s], session->plan);
  for (guint t = 0; session->scratch && t < session->threads; t++)
    free (session->scratch[t]);
  g_free (session->scratch);
  free (session->mask_words);
  free (session->mask_scratch);
  free (session->list);
  free (session->verdicts);
  free (session->ones);
  free (session->spread_sums);
  g_free (session->streams);
  g_free (session->next_tuning);
  g_mutex_clear (&session->tuning_lock);
  dcnn_model_unref (session->model);
  g_free (session);
}

/* ---- tuning --------------------------------------------------------------------------- */

void
dcnn_session_set_tuning (DcnnSession *session, const DcnnTuning *tuning)
{
  DcnnTuning *copy = g_memdup2 (tuning, sizeof *tuning);

  g_mutex_lock (&session->tuning_lock);
  session->shown_tuning = *tuning;
  copy = __atomic_exchange_n (&session->next_tuning, copy, __ATOMIC_ACQ_REL);
  g_mutex_unlock (&session->tuning_lock);
  g_free (copy);
}

void
dcnn_session_get_tuning (DcnnSession *session, DcnnTuning *tuning)
{
  g_mutex_lock (&session->tuning_lock);
  *tuning = session->shown_tuning;
  g_mutex_unlock (&session->tuning_lock);
}

/* Settling was off and kept no record of what it truncated: anything may
 * differ. */
static void
distrust_all (DcnnSession *session)
{
  for (guint s = 0; s < session->n_streams; s++) {
    DcnnStream *stream = &session->streams[s];
    if (stream->first)
      continue;
    stream->active_since_settled = TRUE;
    stream->still_frames = 0;
    for (guint n = 0; n < session->plan->nodes->len; n++)
      if (plan_node (session->plan, n)->kind == PLAN_KERNEL) {
        dcnn_mask_fill (&stream->nodes[n].pending.mask);
        stream->nodes[n].pending.any = TRUE;
      }
  }
}

static void
take_tuning (DcnnSession *session)
{
  DcnnTuning *next;

  if (__atomic_load_n (&session->next_tuning, __ATOMIC_RELAXED) == NULL)
    return;
  next = __atomic_exchange_n (&session->next_tuning, NULL, __ATOMIC_ACQ_REL);
  if (next) {
    if (next->settle && !session->tuning.settle)
      distrust_all (session);
    session->tuning = *next;
    g_free (next);
  }
}

/* ---- a frame ------------------------------------------------------------------------------ */

static gboolean
check_stream (DcnnSession *session, guint stream, const DcnnMotion *motion,
    GError **error)
{
  if (stream >= session->n_streams) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "stream %u of a session of %u", stream, session->n_streams);
    return FALSE;
  }
  if (motion && (motion->tile_x || motion->tile_y) &&
      session->plan->tile == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "this network's window cannot move (sizes are no multiples of its "
        "stride, or it has parameters per pixel); use no tile offset, or an "
        "input size that is a multiple of the stride");
    return FALSE;
  }
  return TRUE;
}

/* Takes up the window's move since the last frame. */
static void
begin_frame (DcnnSession *session, DcnnStream *stream,
    const DcnnMotion *motion, guint width, guint height)
{
  gint ty = motion ? motion->tile_y : 0, tx = motion ? motion->tile_x : 0;
  gint64 dy = ((gint64) ty - stream->tile_y) * session->plan->tile;
  gint64 dx = ((gint64) tx - stream->tile_x) * session->plan->tile;

  stream->move.active = FALSE;
  if (dy == 0 && dx == 0)
    return;
  stream->tile_y = ty;
  stream->tile_x = tx;
  if (ABS (dy) >= height || ABS (dx) >= width)
    stream->first = TRUE;
  dcnn_stream_move (stream, session, stream->first ? 0 : (gint) dy,
      stream->first ? 0 : (gint) dx);
  if (stream->first)
    stream->move.active = FALSE;
}

/* Spreads are measured on a stream's first frame and twice more; again after a
 * cut, but not on every frame of a scene that is nothing but cuts. */
static void
spreads_when_due (DcnnSession *session, DcnnStream *stream, gboolean first)
{
  if (session->tuning.mode == DCNN_MODE_DENSE) {
    stream->spread_frames = 0;
    return;
  }
  if (first || (stream->dense && stream->spread_frames > SPREAD_AGAIN_2))
    stream->spread_frames = 0;
  if (stream->spread_frames == 0 || stream->spread_frames == SPREAD_AGAIN_1 ||
      stream->spread_frames == SPREAD_AGAIN_2)
    dcnn_measure_spreads (session, stream);
  stream->spread_frames++;
}

static void
finish_outputs (DcnnSession *session, DcnnStream *stream, gboolean moved)
{
  const DcnnPlan *plan = session->plan;

  for (guint i = 0; i < plan->graph->outputs->len; i++) {
    const PlanValue *v = &plan->values[
        g_array_index (plan->graph->outputs, DcnnValueId, i)];
    DcnnOutput *out = &stream->outputs[i];
    out->changed = stream->dense || (v->tensor >= 0 &&
        stream->tensor_changed[v->tensor]);
    if (moved && out->is_map) /* everything lies elsewhere now */
      dcnn_mask_fill (&out->updated);
    else if (out->is_map && !stream->masks[plan_map (plan, v->map)->mask].any)
      dcnn_mask_clear (&out->updated);
  }
}

static void
run_frame (DcnnSession *session, DcnnStream *stream, gint64 start)
{
  gint64 input_done = dcnn_now_ns (), done;
  gboolean moved = stream->move.active, first = stream->first;
  guint flush = dcnn_flush_begin ();

  dcnn_run_nodes (session, stream);
  dcnn_flush_end (flush);
  finish_outputs (session, stream, moved);
  done = dcnn_now_ns ();
  stream->stats.frames++;
  stream->stats.macs_done = stream->macs_done;
  stream->stats.macs_dense = session->plan->macs;
  stream->stats.input_ns = input_done - start;
  stream->stats.run_ns = done - input_done;
  stream->stats.dense = stream->dense;
  stream->stats.settled =
      !stream->settling && !stream->active_since_settled;
  stream->first = FALSE;
  spreads_when_due (session, stream, first);
}

gboolean
dcnn_session_push_frame (DcnnSession *session, guint index,
    const DcnnFrame *frame, const DcnnMotion *motion, GError **error)
{
  const DcnnPlan *plan = session->plan;
  gint64 start = dcnn_now_ns ();
  guint width, height;
  DcnnStream *stream;

  if (!check_stream (session, index, motion, error))
    return FALSE;
  if (plan->image_input < 0 || plan->graph->inputs->len != 1) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "this model has no single image input of 1 or 3 channels; push "
        "tensors instead of frames");
    return FALSE;
  }
  if (frame->width < 1 || frame->height < 1 || frame->width > 32767 ||
      frame->height > 32767 || (guint) frame->format >= DCNN_FORMAT_COUNT) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "a frame of %ux%u, format %d; sizes 1 to 32767 are possible",
        frame->width, frame->height, (int) frame->format);
    return FALSE;
  }
  take_tuning (session);
  stream = &session->streams[index];
  dcnn_model_get_input_size (session->model, &width, &height);
  begin_frame (session, stream, motion, width, height);
  if (!dcnn_picture_update (session, stream, frame, error))
    return FALSE;
  run_frame (session, stream, start);
  return TRUE;
}

/* ---- tensors in ------------------------------------------------------------------------------ */

static gboolean
check_tensor (DcnnSession *session, guint i, const DcnnTensor *t,
    GError **error)
{
  const DcnnTensor *want = dcnn_model_input (session->model, i);

  if (t->dtype == want->dtype && t->rank == want->rank &&
      memcmp (t->dims, want->dims, sizeof (int64_t) * (gsize) t->rank) == 0 &&
      t->data != NULL)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "the tensor for input '%s' has another type or shape than the model's",
      dcnn_model_input_name (session->model, i));
  return FALSE;
}

static gsize
push_input (DcnnSession *session, DcnnStream *stream, guint i,
    const DcnnTensor *tensor, gfloat threshold, gsize *pixels)
{
  const DcnnPlan *plan = session->plan;
  DcnnValueId id = g_array_index (plan->graph->inputs, DcnnValueId, i);
  gint direct = plan->values[id].map < 0 ? plan->values[id].tensor : -1;

  if (direct >= 0) {
    DcnnTensor *own = &stream->tensors[direct];
    gsize bytes = (gsize) dcnn_tensor_count (own) *
        dcnn_dtype_bytes (own->dtype);
    gboolean same = !stream->dense &&
        memcmp (own->data, tensor->data, bytes) == 0;
    stream->tensor_changed[direct] = !same;
    memcpy (own->data, tensor->data, bytes);
  }
  for (guint m = 0; m < plan->maps->len; m++) {
    const PlanMap *map = plan_map (plan, m);
    if (map->graph_input != (gint) i)
      continue;
    dcnn_import_tensor (session, stream, m, tensor,
        plan->values[id].map < 0, threshold);
    *pixels += (gsize) map->width * map->height;
    return stream->masks[map->mask].any ?
        dcnn_mask_count (&stream->masks[map->mask].mask) : 0;
  }
  return 0;
}

gboolean
dcnn_session_push_tensors (DcnnSession *session, guint index,
    const DcnnTensor *inputs, gfloat threshold, const DcnnMotion *motion,
    GError **error)
{
  gint64 start = dcnn_now_ns ();
  gsize changed = 0, pixels = 0;
  guint width = 0, height = 0;
  DcnnStream *stream;

  if (!check_stream (session, index, motion, error))
    return FALSE;
  for (guint i = 0; i < session->plan->graph->inputs->len; i++)
    if (!check_tensor (session, i, &inputs[i], error))
      return FALSE;
  take_tuning (session);
  stream = &session->streams[index];
  dcnn_model_get_input_size (session->model, &width, &height);
  begin_frame (session, stream, motion, width, height);
  stream->dense = stream->first || session->tuning.mode == DCNN_MODE_DENSE;
  stream->settling = FALSE;
  for (guint i = 0; i < session->plan->graph->inputs->len; i++)
    changed += push_input (session, stream, i, &inputs[i], threshold, &pixels);
  stream->stats.changed_share = pixels ? (gfloat) changed / pixels : 1;
  run_frame (session, stream, start);
  return TRUE;
}

/* ---- results ---------------------------------------------------------------------------------- */

const DcnnOutput *
dcnn_session_get_output (DcnnSession *session, guint stream, guint i)
{
  g_return_val_if_fail (stream < session->n_streams, NULL);
  g_return_val_if_fail (i < session->plan->graph->outputs->len, NULL);
  return &session->streams[stream].outputs[i];
}

const DcnnMask *
dcnn_session_get_input_mask (DcnnSession *session, guint stream)
{
  const DcnnPlan *plan = session->plan;
  gint wanted = plan->image_input < 0 ? 0 : plan->image_input;

  for (guint m = 0; m < plan->maps->len; m++)
    if (plan_map (plan, m)->graph_input == wanted) {
      StreamMask *mask =
          &session->streams[stream].masks[plan_map (plan, m)->mask];
      if (!mask->any)
        dcnn_mask_clear (&mask->mask);
      return &mask->mask;
    }
  return NULL;
}

void
dcnn_session_get_transform (DcnnSession *session, guint stream,
    DcnnTransform *transform)
{
  dcnn_picture_transform (session, &session->streams[stream], transform);
}

void
dcnn_session_set_interest (DcnnSession *session, guint stream,
    const gfloat *interest)
{
  DcnnStream *s = &session->streams[stream];

  if (s->interest == NULL)
    return;
  memcpy (s->interest, interest, sizeof (gfloat) *
      dcnn_mask_words (s->force.width, s->force.height));
  s->interest_set = TRUE;
}

void
dcnn_session_reset (DcnnSession *session, guint stream)
{
  DcnnStream *s = &session->streams[stream];

  s->first = TRUE;
  s->settling = s->active_since_settled = s->interest_set = FALSE;
  s->still_frames = 0;
  s->stats.frames = 0;
}

void
dcnn_session_get_stats (DcnnSession *session, guint stream,
    DcnnFrameStats *stats)
{
  *stats = session->streams[stream].stats;
}

void
dcnn_session_get_node_stats (DcnnSession *session, guint stream, guint node,
    DcnnNodeStats *stats)
{
  *stats = session->streams[stream].nodes[node].stats;
}

void
dcnn_session_clear_stats (DcnnSession *session)
{
  for (guint s = 0; s < session->n_streams; s++)
    for (guint n = 0; n < session->plan->nodes->len; n++)
      memset (&session->streams[s].nodes[n].stats, 0, sizeof (DcnnNodeStats));
}

gsize
dcnn_session_get_bytes (DcnnSession *session)
{
  gsize bytes = session->bytes;

  for (guint s = 0; s < session->n_streams; s++)
    bytes += session->streams[s].bytes + (session->streams[s].stage ?
        dcnn_input_stage_bytes (session->streams[s].stage) : 0);
  return bytes;
}
