/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_session.c - the public session: options, pushing frames, results.
 */
#include "dcnn_engine.h"

#include <math.h>
#include <string.h>

void
dcnn_session_options_init (DcnnSessionOptions *options)
{
  memset (options, 0, sizeof *options);
  options->streams = 1;
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++)
    dcnn_tuning_set (&options->tuning, i, dcnn_tuning_info (i)->value);
  for (int c = 0; c < 3; c++)
    options->scale[c] = 1.0f / 255;
  for (int c = 0; c < 3; c++)
    options->fill[c] = 114;
}

/* ---- making --------------------------------------------------------------------- */

/* Names of nodes; those of kernels only, or of all. */
static GHashTable *
node_names (const DcnnPlan *plan, gboolean kernels)
{
  GHashTable *names = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint n = 0; n < plan->nodes->len; n++)
    if (!kernels || plan_node (plan, n)->kind == PLAN_KERNEL)
      g_hash_table_add (names, plan_node (plan, n)->name);
  return names;
}

static gboolean
check_thresholds (const DcnnSession *session, GHashTable *thresholds,
    GError **error)
{
  g_autoptr (GHashTable) names = node_names (session->model->plan, FALSE);
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, thresholds);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    if (!dcnn_check_threshold (key, *(const gdouble *) value, error))
      return FALSE;
    if (!g_hash_table_contains (names, key)) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "a threshold is given for '%s', which is no node of this model; "
          "deltacnn-inspect lists their names", (const char *) key);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
set_thresholds (DcnnSession *session, GHashTable *thresholds, GError **error)
{
  if (thresholds == NULL)
    return TRUE;
  if (!check_thresholds (session, thresholds, error))
    return FALSE;
  for (guint n = 0; n < session->plan->nodes->len; n++) {
    const gdouble *t = g_hash_table_lookup (thresholds,
        plan_node (session->plan, n)->name);
    for (guint s = 0; t && s < session->n_streams; s++)
      session->streams[s].nodes[n].threshold = (float) *t;
  }
  return TRUE;
}

static gboolean
refuse_influence (const char *name, const char *why, GError **error)
{
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "an influence is given for '%s', %s; deltacnn-tune measures it anew",
      name, why);
  return FALSE;
}

static gboolean
set_influence_of (DcnnSession *session, guint n, const GArray *values,
    GError **error)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);

  if (out->channels != values->len)
    return refuse_influence (node->name, "with another number of channels",
        error);
  session->influence[n] = g_new0 (float, dcnn_padded (out->span));
  for (guint c = 0; c < values->len; c++) {
    gfloat v = g_array_index (values, gfloat, c);
    if (!(v >= 0) || !isfinite (v))
      return refuse_influence (node->name, "with a value that is negative or "
          "not finite", error);
    session->influence[n][plan_position (out, c)] = v;
  }
  return TRUE;
}

static gboolean
set_influence (DcnnSession *session, GHashTable *influence, GError **error)
{
  guint n_nodes = session->plan->nodes->len;
  g_autoptr (GHashTable) names = node_names (session->model->plan, TRUE);
  GHashTableIter iter;
  gpointer name;

  session->influence = g_new0 (float *, n_nodes + 1);
  session->limits = g_new0 (gdouble, n_nodes + 1);
  dcnn_plan_limits (session->plan, session->limits);
  if (influence == NULL)
    return TRUE;
  g_hash_table_iter_init (&iter, influence);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    if (!g_hash_table_contains (names, name))
      return refuse_influence (name, "which is no node of this model", error);
  for (guint n = 0; n < n_nodes; n++) {
    const PlanNode *node = plan_node (session->plan, n);
    const GArray *values = node->kind == PLAN_KERNEL ?
        g_hash_table_lookup (influence, node->name) : NULL;
    if (values && !set_influence_of (session, n, values, error))
      return FALSE;
  }
  return TRUE;
}

/* What a session has whatever it runs on. */
static gboolean
make_streams (DcnnSession *session, GError **error)
{
  guint n_nodes = session->plan->nodes->len, width, height;
  gboolean ok = TRUE;

  plan_picture_size (session->plan, &width, &height);
  session->streams = g_new0 (DcnnStream, session->n_streams);
  session->frames = g_new0 (BackendFrame, session->n_streams);
  for (guint s = 0; s < session->n_streams && ok; s++) {
    DcnnStream *stream = &session->streams[s];
    stream->first = TRUE;
    stream->nodes = g_try_new0 (NodeState, n_nodes + 1);
    ok = stream->nodes != NULL;
    for (guint n = 0; n < n_nodes && ok; n++)
      stream->nodes[n].threshold = NAN;
    if (width > 0 && ok)
      ok = (stream->interest = g_try_new0 (gfloat,
              dcnn_mask_words (width, height))) != NULL;
  }
  if (!ok)
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "out of memory for %u streams of %u nodes; use fewer streams",
        session->n_streams, n_nodes);
  return ok;
}

static PlanBlocks
choose_blocks (const DcnnSession *session)
{
  if (session->options.store_all)
    return PLAN_BLOCKS_NONE;
  if (session->tuning.mode != DCNN_MODE_DENSE || session->threads > 4)
    return PLAN_BLOCKS_PAYING;
  return session->threads > 1 ? PLAN_BLOCKS_TALL : PLAN_BLOCKS_ALL;
}

static void
scale_by_default (DcnnSession *session)
{
  DcnnSessionOptions *o = &session->options;

  for (int c = 0; c < 3; c++)
    if (o->scale[c] != 1.0f / 255 || o->bias[c] != 0)
      return;
  for (int c = 0; c < 3 && session->model->plan->image_integer; c++)
    o->scale[c] = 1;
}

gsize
dcnn_session_predict_bytes (DcnnModel *model,
    const DcnnSessionOptions *options, GError **error)
{
  const char *device = options->device;
  const DcnnBackend *backend = dcnn_backend_predicts ();
  const DcnnPlan *plan;
  gint index;

  if (!dcnn_check_options (options, error) || (device &&
          (backend = dcnn_backend_named (device, &index, error)) == NULL))
    return 0;
  if (backend == NULL || backend->predict == NULL) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
        "%s%s memory of its own in this build", device ? device : "no device",
        device ? " has no" : " has");
    return 0;
  }
  plan = dcnn_backend_plan (backend, model, options->precision, error);
  if (plan == NULL || !dcnn_backend_accepts (backend, plan, options, error))
    return 0;
  return backend->predict (plan, options);
}

/* On that backend, which accepts the model. */
static DcnnSession *
new_on (const DcnnBackend *backend, gint index, DcnnModel *model,
    const DcnnSessionOptions *options, GError **error)
{
  DcnnSession *session = g_new0 (DcnnSession, 1);

  session->device_why = g_string_new (NULL);
  session->model = dcnn_model_ref (model);
  session->device_index = index;
  session->options = *options;
  session->options.thresholds = session->options.influence = NULL;
  session->options.device = NULL;
  session->tuning = session->shown_tuning = options->tuning;
  g_mutex_init (&session->tuning_lock);
  session->threads = options->threads ? options->threads :
      g_get_num_processors ();
  session->n_streams = options->streams;
  session->plan_blocks = choose_blocks (session);
  session->on_bytes = !session->options.store_all;
  scale_by_default (session);
  session->plan = dcnn_backend_plan (backend, model, options->precision,
      error);
  if (session->plan && make_streams (session, error) &&
      set_thresholds (session, options->thresholds, error) &&
      set_influence (session, options->influence, error) &&
      dcnn_backend_take_weights (model, session->plan, backend, index,
          &session->weights, error)) {
    session->backend = backend;
    if (backend->session_new (session, error))
      return session;
  }
  dcnn_session_free (session);
  return NULL;
}

DcnnSession *
dcnn_session_new (DcnnModel *model, const DcnnSessionOptions *options,
    GError **error)
{
  g_autoptr (GString) why = g_string_new (NULL);
  const DcnnBackend *backend;
  DcnnSession *session = NULL;
  gboolean fell_back = FALSE;
  gint index;

  if (!dcnn_check_options (options, error))
    return NULL;
  backend = dcnn_backend_choose (model, options, &index, why, &fell_back,
      error);
  while (backend && session == NULL) {
    g_autoptr (GError) failure = NULL, none = NULL;
    session = new_on (backend, index, model, options, &failure);
    if (session)
      break;
    backend = dcnn_backend_choose_next (backend, failure, model, options,
        &index, why, &fell_back, &none);
    if (backend == NULL)
      g_propagate_error (error, none ? g_steal_pointer (&none) :
          g_steal_pointer (&failure));
  }
  if (session == NULL)
    return NULL;
  g_string_assign (session->device_why, why->str);
  session->fell_back = fell_back;
  return session;
}

void
dcnn_session_free (DcnnSession *session)
{
  if (session == NULL)
    return;
  if (session->backend) {
    session->backend->session_free (session);
    dcnn_backend_drop_weights (session->model, session->plan, session->backend,
        session->device_index);
  }
  for (guint s = 0; s < session->n_streams; s++) {
    g_free (session->streams[s].nodes);
    g_free (session->streams[s].interest);
  }
  g_free (session->streams);
  for (guint n = 0; session->influence && n < session->plan->nodes->len; n++)
    g_free (session->influence[n]);
  g_free (session->influence);
  g_free (session->limits);
  g_free (session->told.words);
  g_free (session->frames);
  g_string_free (session->device_why, TRUE);
  g_free (session->next_tuning);
  g_mutex_clear (&session->tuning_lock);
  dcnn_model_unref (session->model);
  g_free (session);
}

const char *
dcnn_session_get_device (DcnnSession *session)
{
  return session->backend->name;
}

const char *
dcnn_session_get_device_why (DcnnSession *session)
{
  return session->device_why->str;
}

gboolean
dcnn_session_fell_back (DcnnSession *session)
{
  return session->fell_back;
}

/* ---- tuning --------------------------------------------------------------------------- */

gboolean
dcnn_session_set_tuning (DcnnSession *session, const DcnnTuning *tuning,
    GError **error)
{
  DcnnTuning *copy;

  if (!dcnn_check_tuning (tuning, error))
    return FALSE;
  copy = g_memdup2 (tuning, sizeof *tuning);
  g_mutex_lock (&session->tuning_lock);
  session->shown_tuning = *tuning;
  copy = __atomic_exchange_n (&session->next_tuning, copy, __ATOMIC_ACQ_REL);
  g_mutex_unlock (&session->tuning_lock);
  g_free (copy);
  return TRUE;
}

void
dcnn_session_get_tuning (DcnnSession *session, DcnnTuning *tuning)
{
  g_mutex_lock (&session->tuning_lock);
  *tuning = session->shown_tuning;
  g_mutex_unlock (&session->tuning_lock);
}

static void
take_tuning (DcnnSession *session)
{
  DcnnTuning *next;

  if (__atomic_load_n (&session->next_tuning, __ATOMIC_RELAXED) == NULL)
    return;
  next = __atomic_exchange_n (&session->next_tuning, NULL, __ATOMIC_ACQ_REL);
  if (next) {
    DcnnTuning before = session->tuning;
    session->tuning = *next;
    g_free (next);
    session->backend->retune (session, &before);
  }
}

/* ---- a frame ------------------------------------------------------------------------------ */

static gboolean
check_stream (DcnnSession *session, guint stream, GError **error)
{
  if (stream >= session->n_streams) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "stream %u of a session of %u", stream, session->n_streams);
    return FALSE;
  }
  if (session->streams[stream].in_flight) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "stream %u has a frame that was submitted and not waited for; call "
        "dcnn_session_wait() first", stream);
    return FALSE;
  }
  return TRUE;
}

/* Starts n frames whose arguments were checked. Those that fail leave nothing
 * behind: the next one of a stream is a first frame. */
static gboolean
run_frames (DcnnSession *session, BackendFrame *frames, guint n,
    GError **error)
{
  gboolean ok;

  ok = session->backend->run (session, frames, n, error);
  for (guint i = 0; i < n; i++)
    if (ok)
      session->streams[frames[i].stream].in_flight = TRUE;
    else
      dcnn_session_reset (session, frames[i].stream);
  return ok;
}

static gboolean
push_frame (DcnnSession *session, const DcnnMotion *motion,
    BackendFrame *frame, GError **error)
{
  take_tuning (session);
  dcnn_view_begin (session, &session->streams[frame->stream], motion, frame);
  return run_frames (session, frame, 1, error) &&
      dcnn_session_wait (session, frame->stream, DCNN_WANT_ALL, error);
}

gboolean
dcnn_session_push_frame (DcnnSession *session, guint index,
    const DcnnFrame *frame, const DcnnMotion *motion, GError **error)
{
  BackendFrame push = { .stream = index, .picture = frame,
    .start_ns = dcnn_now_ns () };

  return check_stream (session, index, error) &&
      dcnn_check_frame (session, frame, error) &&
      dcnn_check_motion (session, motion, frame, error) &&
      push_frame (session, motion, &push, error);
}

static gboolean
check_submissions (DcnnSession *session, const DcnnSubmission *s, guint n,
    GError **error)
{
  if (n > 0 && s == NULL) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "%u frames are submitted, but there is no list of them (NULL)", n);
    return FALSE;
  }
  if (n > session->n_streams) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "%u frames are submitted together to a session of %u streams; one a "
        "stream is possible", n, session->n_streams);
    return FALSE;
  }
  for (guint i = 0; i < n; i++) {
    if (!check_stream (session, s[i].stream, error) ||
        !dcnn_check_frame (session, s[i].frame, error) ||
        !dcnn_check_motion (session, s[i].motion, s[i].frame, error))
      return FALSE;
    for (guint k = 0; k < i; k++)
      if (s[k].stream == s[i].stream) {
        g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
            "two frames of stream %u are submitted together; wait for the "
            "first", s[i].stream);
        return FALSE;
      }
  }
  return TRUE;
}

gboolean
dcnn_session_submit (DcnnSession *session, const DcnnSubmission *submissions,
    guint n, GError **error)
{
  gint64 start_ns = dcnn_now_ns ();

  if (!check_submissions (session, submissions, n, error))
    return FALSE;
  if (n == 0)
    return TRUE;
  take_tuning (session);
  for (guint i = 0; i < n; i++) {
    const DcnnSubmission *s = &submissions[i];
    session->frames[i] = (BackendFrame) { .stream = s->stream,
      .picture = s->frame, .start_ns = start_ns };
    dcnn_view_begin (session, &session->streams[s->stream], s->motion,
        &session->frames[i]);
  }
  return run_frames (session, session->frames, n, error);
}

gboolean
dcnn_session_wait (DcnnSession *session, guint index, guint wants,
    GError **error)
{
  DcnnStream *stream;

  if (index >= session->n_streams) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "stream %u of a session of %u", index, session->n_streams);
    return FALSE;
  }
  stream = &session->streams[index];
  if (stream->first && !stream->in_flight) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "stream %u has no frame to wait for; submit one first", index);
    return FALSE;
  }
  if (!session->backend->wait (session, index, wants, error)) {
    dcnn_session_reset (session, index);
    return FALSE;
  }
  if (stream->in_flight)
    stream->stats.frames++;
  stream->in_flight = stream->first = FALSE;
  return TRUE;
}

gboolean
dcnn_session_probe (DcnnSession *session, guint stream, gint map,
    gfloat *values, DcnnMask *mask, GError **error)
{
  g_return_val_if_fail (stream < session->n_streams, FALSE);
  g_return_val_if_fail (map >= 0 && (guint) map < session->plan->maps->len,
      FALSE);
  if (session->backend->probe)
    return session->backend->probe (session, stream, map, values, mask, error);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "device=%s shows no maps", session->backend->name);
  return FALSE;
}

/* ---- tensors in ------------------------------------------------------------------------------ */

gboolean
dcnn_session_push_tensors (DcnnSession *session, guint index,
    const DcnnTensor *inputs, gfloat threshold, const DcnnMotion *motion,
    GError **error)
{
  BackendFrame push = { .stream = index, .tensors = inputs,
    .tensor_threshold = threshold, .start_ns = dcnn_now_ns () };

  return check_stream (session, index, error) &&
      dcnn_check_tensors (session, inputs, threshold, error) &&
      dcnn_check_motion (session, motion, NULL, error) &&
      push_frame (session, motion, &push, error);
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
  StreamMask *mask;

  g_return_val_if_fail (stream < session->n_streams, NULL);
  mask = session->streams[stream].input_mask;
  if (mask == NULL)
    return NULL;
  if (!mask->any)
    dcnn_mask_clear (&mask->mask);
  return &mask->mask;
}

void
dcnn_session_set_interest (DcnnSession *session, guint stream,
    const gfloat *interest)
{
  DcnnStream *s;
  guint width, height;

  g_return_if_fail (stream < session->n_streams && interest != NULL);
  s = &session->streams[stream];
  if (s->interest == NULL)
    return;
  plan_picture_size (session->plan, &width, &height);
  for (gsize i = 0; i < dcnn_mask_words (width, height); i++)
    s->interest[i] = interest[i] >= 0 ? MIN (interest[i], 1) : 0;
  s->interest_set = TRUE;
}

static void
refuse_regions (const DcnnSession *session, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);
  const DcnnDeviceKind *kind;

  for (guint i = 0; (kind = dcnn_device_kind (i)); i++)
    if (kind->automatic && kind->regions)
      g_string_append_printf (names, "%s%s", names->len ? " or " : "",
          kind->name);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "device=%s runs whole frames; use device=%s for regions",
      session->backend->name, names->str);
}

gboolean
dcnn_session_set_regions (DcnnSession *session, guint index,
    const DcnnRegion *regions, guint n, guint margin, GError **error)
{
  DcnnStream *stream;

  if (index >= session->n_streams || n > DCNN_REGIONS_MOST ||
      (n > 0 && regions == NULL)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "%u regions of stream %u of %u; up to %d are possible", n, index,
        session->n_streams, DCNN_REGIONS_MOST);
    return FALSE;
  }
  if (n > 0 && !session->backend->regions) {
    refuse_regions (session, error);
    return FALSE;
  }
  for (guint i = 0; i < n; i++)
    if (!isfinite (regions[i].x) || !isfinite (regions[i].y) ||
        !isfinite (regions[i].width) || !isfinite (regions[i].height)) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "region %u is not finite", i);
      return FALSE;
    }
  stream = &session->streams[index];
  if (n > 0)
    memcpy (stream->regions, regions, n * sizeof *regions);
  stream->n_regions = n;
  stream->region_margin = MIN (margin, G_MAXUINT16);
  return TRUE;
}

void
dcnn_session_reset (DcnnSession *session, guint stream)
{
  DcnnStream *s;

  g_return_if_fail (stream < session->n_streams);
  s = &session->streams[stream];
  session->backend->reset (session, stream);
  s->first = TRUE;
  s->in_flight = s->interest_set = FALSE;
  s->stats.frames = 0;
  s->stats.not_finite = NULL;
}

void
dcnn_session_get_stats (DcnnSession *session, guint stream,
    DcnnFrameStats *stats)
{
  memset (stats, 0, sizeof *stats);
  g_return_if_fail (stream < session->n_streams);
  *stats = session->streams[stream].stats;
}

void
dcnn_session_get_node_stats (DcnnSession *session, guint stream, guint node,
    DcnnNodeStats *stats)
{
  memset (stats, 0, sizeof *stats);
  g_return_if_fail (stream < session->n_streams &&
      node < session->plan->nodes->len);
  *stats = session->streams[stream].nodes[node].stats;
}

/* Into session->told: what changed of a map, of its pieces where it has no mask
 * of its own. */
static gboolean
tell_mask (DcnnSession *session, const DcnnStream *stream, gint index)
{
  const PlanMap *map = plan_map (session->plan, index);
  gboolean any = FALSE;

  if (map->mask >= 0 && stream->masks[map->mask].any) {
    dcnn_mask_or (&session->told, &stream->masks[map->mask].mask);
    return TRUE;
  }
  for (guint i = 0; map->mask < 0 && map->pieces && i < map->pieces->len; i++)
    any |= tell_mask (session, stream, g_array_index (map->pieces, gint, i));
  return any;
}

const DcnnMask *
dcnn_session_get_node_mask (DcnnSession *session, guint index, guint node,
    gboolean input)
{
  DcnnStream *stream;
  const PlanMap *map;
  gint at;

  g_return_val_if_fail (index < session->n_streams &&
      node < session->plan->nodes->len, NULL);
  stream = &session->streams[index];
  at = input ? plan_node (session->plan, node)->in :
      plan_node (session->plan, node)->out;
  if (stream->masks == NULL || at < 0)
    return NULL;
  map = plan_map (session->plan, at);
  session->told.words = g_renew (guint64, session->told.words,
      dcnn_mask_words (map->width, map->height));
  dcnn_mask_init (&session->told, map->width, map->height,
      session->told.words);
  dcnn_mask_clear (&session->told);
  return tell_mask (session, stream, at) ? &session->told : NULL;
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
  return session->backend->session_bytes (session);
}
