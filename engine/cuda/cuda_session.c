/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_session.c - the state of a session on the device: allocation.
 */
#include "cuda.h"

static void
take_buffers (CudaState *state, const DcnnSession *session, cudaError_t *e)
{
  const DcnnPlan *plan = session->plan;
  g_autofree gboolean *folded = g_new0 (gboolean, plan->buffers->len + 1);

  state->buffers = g_new0 (void *, plan->buffers->len + 1);
  state->pixels = g_new0 (guint32, plan->buffers->len + 1);
  state->floats = g_new0 (gboolean, plan->buffers->len + 1);
  state->bf16 = session->options.precision == DCNN_PRECISION_BF16;
  for (guint i = 0; i < plan->buffers->len; i++)
    state->floats[i] = session->options.precision == DCNN_PRECISION_F32;
  for (guint n = 0; n < plan->nodes->len; n++)
    if (plan_node (plan, n)->norm)
      state->floats[plan_map (plan, plan_node (plan, n)->out)->buffer] = TRUE;
  for (guint n = 0; n < plan->nodes->len; n++)
    if (state->folded[n])
      folded[plan_map (plan, plan_node (plan, n)->out)->buffer] = TRUE;
  for (guint i = 0; i < plan->buffers->len; i++) {
    const PlanBuffer *b = &g_array_index (plan->buffers, PlanBuffer, i);
    state->pixels[i] = b->pixel_elements;
    if (folded[i])
      continue;
    state->buffers[i] = dcnn_cuda_take (state, (gsize) b->width * b->height *
        state->pixels[i] * session->n_streams * (state->floats[i] ? 4 : 2) +
        DCNN_OVERREAD * 4, e);
  }
}

static void
take_masks (CudaState *state, const DcnnSession *session, cudaError_t *e)
{
  const DcnnPlan *plan = session->plan;

  state->updated = g_new0 (guint64 *, plan->n_masks + 1);
  state->exact = g_new0 (guint64 *, plan->n_masks + 1);
  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, i);
    gsize bytes = dcnn_mask_words (map->width, map->height) * 8 *
        session->n_streams;
    if (map->mask < 0 || state->updated[map->mask])
      continue;
    state->updated[map->mask] = dcnn_cuda_take (state, bytes, e);
    state->exact[map->mask] = dcnn_cuda_take (state, bytes, e);
  }
}

static void
take_node (CudaState *state, const DcnnSession *session, guint n,
    cudaError_t *e)
{
  const PlanNode *node = plan_node (session->plan, n);
  guint streams = session->n_streams;
  const PlanMap *out;

  if (node->kind != PLAN_KERNEL && node->kind != PLAN_GLOBAL)
    return;
  state->counted_node[state->n_counted++] = (gint) n;
  if (node->kind == PLAN_KERNEL && node->passes_on)
    return;
  out = plan_map (session->plan, node->out);
  state->pending[n] = dcnn_cuda_take (state, dcnn_mask_words (out->width, out->height) *
      8 * streams, e);
  state->weights[n] = dcnn_cuda_take (state, (gsize) dcnn_padded (out->span) * 4 *
      streams + 64, e);
  if (node->kind == PLAN_GLOBAL)
    state->rooms[n] = dcnn_cuda_take (state, (2 * (gsize) dcnn_padded (plan_map (
                    session->plan, node->in)->span) +
            (node->norm ? 2 * node->norm->n_groups : 0)) * 8 * streams, e);
}

/* Weights as they are, of a session whose maps are floats. */
static void
take_exact_weights (CudaState *state, const DcnnSession *session,
    cudaError_t *e)
{
  const CudaNode *packed = ((const CudaWeights *) session->weights)->nodes;

  if (session->options.precision != DCNN_PRECISION_F32 || state->measuring)
    return;
  state->exact_weights = g_new0 (gfloat *, session->plan->nodes->len + 1);
  for (guint n = 0; n < session->plan->nodes->len; n++) {
    const PlanNode *node = plan_node (session->plan, n);
    g_autofree gfloat *floats = NULL;
    gsize bytes = (gsize) packed[n].n_padded * packed[n].k_padded *
        sizeof (gfloat);
    if (node->kind != PLAN_KERNEL || (node->primary != DCNN_PRIMARY_CONV &&
            node->primary != DCNN_PRIMARY_CONV_TRANSPOSE))
      continue;
    floats = dcnn_cuda_pack_floats (session->plan, n, &packed[n]);
    state->exact_weights[n] = dcnn_cuda_take (state, bytes, e);
    if (*e == cudaSuccess)
      *e = cudaMemcpy (state->exact_weights[n], floats, bytes,
          cudaMemcpyHostToDevice);
  }
}

static void
take_lists (DcnnSession *session, cudaError_t *e)
{
  CudaState *state = cuda_state (session);
  guint streams = session->n_streams;

  dcnn_cuda_plan_lists (session);
  dcnn_cuda_plan_merges (session, e);
  if (!state->measuring)
    dcnn_cuda_describe_lists (session);
  dcnn_cuda_plan_early (session);
  dcnn_cuda_take_rooms (state, session, e);
  for (guint l = 0; l < state->n_lists; l++) {
    DcnnCudaList *list = &state->lists[l];
    list->count = state->counters + l;
    list->n_squares = state->counters + cuda_counter (session, CUDA_SQUARES) + l;
    list->candidates = state->counters +
        cuda_counter (session, CUDA_CANDIDATES) + l * streams;
    list->corrections = state->counters +
        cuda_counter (session, CUDA_CORRECTIONS) + l * streams;
  }
  state->device_lists = dcnn_cuda_take (state, CUDA_MAX_LEVELS *
      (state->n_lists + state->merges->len + 1) * sizeof (DcnnCudaList), e);
}

static void
take_nodes (CudaState *state, DcnnSession *session, cudaError_t *e)
{
  const DcnnPlan *plan = session->plan;
  guint nodes = plan->nodes->len, streams = session->n_streams;
  g_autofree DcnnCudaCounted *counted = g_new0 (DcnnCudaCounted, nodes + 1);

  state->pending = g_new0 (guint64 *, nodes + 1);
  state->rooms = g_new0 (double *, nodes + 1);
  state->weights = g_new0 (gfloat *, nodes + 1);
  state->counted_node = g_new0 (gint, nodes + 1);
  state->last_use = g_new0 (guint, nodes + 1);
  for (guint n = 0; n < nodes; n++)
    take_node (state, session, n, e);
  dcnn_cuda_take_parcels (state, session, e);
  state->n_counters = cuda_counter (session, CUDA_ENTRIES) +
      state->parcels->len * (gsize) streams;
  state->counters = dcnn_cuda_take (state, state->n_counters * 4, e);
  take_exact_weights (state, session, e);
  take_lists (session, e);
  for (guint i = 0; i < state->n_counted; i++) {
    gint n = state->counted_node[i];
    const PlanMap *out = plan_map (plan, plan_node (plan, n)->out);
    counted[i] = (DcnnCudaCounted) { state->updated[out->mask],
      state->pending[n], (guint32) dcnn_mask_words (out->width, out->height) };
  }
  state->counted = dcnn_cuda_take (state, (nodes + 1) * sizeof *counted, e);
  state->live = dcnn_cuda_take (state, CUDA_MAX_EXITS *
      ((gsize) plan->n_masks + 1) * sizeof (DcnnCudaLive), e);
  state->counted_late = dcnn_cuda_take (state, CUDA_MAX_EXITS * (nodes + 1) *
      4, e);
  if (*e == cudaSuccess && !state->measuring)
    *e = cudaMemcpy (state->counted, counted, nodes * sizeof *counted,
        cudaMemcpyHostToDevice);
  state->host_counters = dcnn_cuda_take_host (state, state->n_counters * 4, e);
  state->judges = dcnn_cuda_take (state, (gsize) nodes * streams *
      sizeof (DcnnCudaJudge), e);
  state->host_judges = dcnn_cuda_take_host (state, (gsize) nodes * streams *
      sizeof (DcnnCudaJudge), e);
  state->streams = dcnn_cuda_take (state, streams * sizeof (DcnnCudaStream), e);
  state->host_streams = dcnn_cuda_take_host (state, streams * sizeof (DcnnCudaStream),
      e);
}

static void
take_inputs (CudaState *state, const DcnnSession *session, cudaError_t *e)
{
  const DcnnPlan *plan = session->plan;
  guint maps = plan->maps->len;

  state->input_list = g_new0 (DcnnCudaPixel *, maps + 1);
  state->host_list = g_new0 (DcnnCudaPixel *, maps + 1);
  state->input_values = g_new0 (gfloat *, maps + 1);
  state->host_values = g_new0 (gfloat *, maps + 1);
  state->host_updated = g_new0 (guint64 *, maps + 1);
  state->host_exact = g_new0 (guint64 *, maps + 1);
  state->input_count = dcnn_cuda_take (state, maps * 4, e);
  state->host_count = dcnn_cuda_take_host (state, maps * 4, e);
  for (guint m = 0; m < maps; m++) {
    const PlanMap *map = plan_map (plan, m);
    gsize pixels = (gsize) map->width * map->height * session->n_streams;
    gsize words = dcnn_mask_words (map->width, map->height) * 8 *
        session->n_streams;
    if (!plan_map_comes_in (plan, (gint) m))
      continue;
    state->input_list[m] = dcnn_cuda_take (state, pixels * sizeof (DcnnCudaPixel), e);
    state->host_list[m] = dcnn_cuda_take_host (state, pixels * sizeof (DcnnCudaPixel),
        e);
    state->input_values[m] = dcnn_cuda_take (state, pixels * map->span * 4, e);
    state->host_values[m] = dcnn_cuda_take_host (state, pixels * map->span * 4, e);
    state->host_updated[m] = dcnn_cuda_take_host (state, words, e);
    state->host_exact[m] = dcnn_cuda_take_host (state, words, e);
  }
}

/* Maps that hold constants are filled once, from the host's. */
static void
fill_constants (const DcnnSession *session, cudaError_t *e)
{
  for (guint m = 0; m < session->plan->maps->len; m++) {
    const PlanMap *map = plan_map (session->plan, m);
    if (map->constant == NULL)
      continue;
    for (guint s = 0; s < session->n_streams && *e == cudaSuccess; s++)
      *e = dcnn_cuda_upload_buffer (session, s, map->buffer);
  }
}

/* Does the device convert pictures, where the model takes any? All other inputs are
 * then outputs that are fed back; pictures that are kept are kept on the host. */
static gboolean
has_stage (const DcnnPlan *plan)
{
  guint fed = 0;

  for (guint i = 0; i < plan->states->len; i++)
    fed += g_array_index (plan->states, PlanState, i).source_map < 0;
  return plan->image_input >= 0 && plan->graph->inputs->len == 1 + fed;
}

static gboolean
take_stage (DcnnSession *session, GError **error)
{
  CudaState *state = cuda_state (session);
  const DcnnPlan *plan = session->plan;

  if (!has_stage (plan))
    return TRUE;
  for (guint m = 0; m < plan->maps->len; m++) {
    const PlanMap *map = plan_map (plan, m);
    gboolean f32 = map->buffer >= 0 && state->floats[map->buffer];
    if (map->graph_input != plan->image_input)
      continue;
    return dcnn_cuda_stage_new (session, (gint) m, (guint8 *)
        state->buffers[map->buffer] + (gsize) map->offset * (f32 ? 4 : 2),
        state->pixels[map->buffer], f32, state->updated[map->mask],
        state->exact[map->mask], &state->stage, error);
  }
  return TRUE;
}

static void
take_properties (CudaState *state, gint device, cudaError_t *e)
{
  const CudaSwitches *wish = &state->switches;
  int n = 0, major = 0, shared = 0, code = 0;

  if (*e == cudaSuccess)
    *e = cudaDeviceGetAttribute (&n, cudaDevAttrMultiProcessorCount, device);
  if (*e == cudaSuccess)
    *e = cudaDeviceGetAttribute (&major, cudaDevAttrComputeCapabilityMajor,
        device);
  if (*e == cudaSuccess)
    *e = cudaDeviceGetAttribute (&shared,
        cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (*e == cudaSuccess)
    *e = dcnn_cuda_compiled_for (&code);
  state->device = (DcnnCudaDevice) { (guint) MAX (n, 1), (guint) shared,
    major >= 9 && code >= 90,
    major == 9 && code >= 90 };
  state->tf32 = wish->tf32 && code >= 80;
  if (wish->small_kib > 0) {
    state->device.shared_bytes = MIN (state->device.shared_bytes,
        wish->small_kib * 1024);
    state->device.clusters = state->device.whole_maps = FALSE;
  }
}

static void
take_all (DcnnSession *session, cudaError_t *e)
{
  CudaState *state = cuda_state (session);

  dcnn_cuda_plan_folds (session);
  take_buffers (state, session, e);
  take_masks (state, session, e);
  take_nodes (state, session, e);
  take_inputs (state, session, e);
  dcnn_cuda_take_moves (state, session, e);
}

/* Tensor cores have bfloat16 from 8.0 on. */
static gboolean
takes_precision (const DcnnSession *session, GError **error)
{
  int code = 0;

  if (session->options.precision != DCNN_PRECISION_BF16)
    return TRUE;
  if (!dcnn_cuda_check (dcnn_cuda_compiled_for (&code),
          "asking what the code is for", error))
    return FALSE;
  if (code >= 80)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "precision=bf16 wants a GPU of compute capability 8.0 and code for it, "
      "what runs here is for %d.%d; use precision auto, f16 or f32", code / 10,
      code % 10);
  return FALSE;
}

static gboolean
has_whole (const CudaState *state)
{
  gboolean has = FALSE;

  for (guint l = 0; l < state->n_levels; l++)
    has |= state->levels[l].whole;
  return has;
}

gboolean
dcnn_cuda_session_new (DcnnSession *session, GError **error)
{
  CudaState *state = g_new0 (CudaState, 1);
  cudaError_t e;

  session->state = state;
  dcnn_cuda_read_switches (&state->switches);
  state->memory = g_ptr_array_new ();
  state->pinned = g_ptr_array_new ();
  state->fresh = g_new0 (gboolean, session->n_streams);
  state->first = g_new0 (gboolean, session->n_streams);
  state->order = g_new0 (guint, session->n_streams);
  state->due = g_new0 (guint32, session->n_streams);
  state->behind = g_new0 (guint32, session->n_streams);
  state->quiet = g_new0 (gboolean, session->n_streams);
  state->stale = g_new0 (gboolean, session->n_streams);
  state->rejudged = g_new0 (gboolean, session->n_streams);
  state->changes = g_new0 (gboolean, session->n_streams);
  session->plan_blocks = PLAN_BLOCKS_NONE;
  session->pass_on = session->maps_elsewhere = TRUE;
  session->on_bytes = FALSE;
  if (!dcnn_backend_cpu.session_new (session, error))
    return FALSE;
  e = cudaSetDevice (MAX (session->device_index, 0));
  take_properties (state, MAX (session->device_index, 0), &e);
  if (e == cudaSuccess && !takes_precision (session, error))
    return FALSE;
  if (e == cudaSuccess)
    e = cudaStreamCreateWithFlags (&state->queue, cudaStreamNonBlocking);
  take_all (session, &e);
  fill_constants (session, &e);
  if (!dcnn_cuda_check (e, "allocating a session", error) ||
      !take_stage (session, error) ||
      !dcnn_cuda_check (dcnn_cuda_describe_moves (session),
          "allocating a session", error))
    return FALSE;
  dcnn_cuda_plan_sections (session);
  dcnn_cuda_plan_levels (session);
  /* whole maps are for frames that are dense in all streams, and what a stream
   * does must not follow from the others: with several, only cuts are dense */
  session->cpu->weighs_frames = session->n_streams == 1 && has_whole (state);
  return dcnn_cuda_make_graphs (session, error);
}

/* What take_all() made on the host. */
static void
free_arrays (CudaState *state)
{
  g_free (state->buffers);
  g_free (state->pixels);
  g_free (state->floats);
  g_free (state->updated);
  g_free (state->exact);
  g_free (state->pending);
  dcnn_cuda_free_merges (state);
  g_free (state->lists);
  g_free (state->list_of);
  g_free (state->list_example);
  g_free (state->take_of);
  g_free (state->fold_of);
  g_free (state->folded);
  g_free (state->rooms);
  g_free (state->early_list);
  g_free (state->listed);
  g_free (state->is_short);
  g_free (state->early_now);
  g_free (state->conv_rooms);
  g_free (state->exact_weights);
  g_free (state->weights);
  if (state->parcels)
    g_array_unref (state->parcels);
  g_free (state->counted_node);
  g_free (state->last_use);
  g_free (state->input_list);
  g_free (state->host_list);
  g_free (state->input_values);
  g_free (state->host_values);
  g_free (state->host_updated);
  g_free (state->host_exact);
}

gsize
dcnn_cuda_predict (const DcnnPlan *plan, const DcnnSessionOptions *options)
{
  CudaState state = { .measuring = TRUE };
  DcnnSession session = { .plan = plan, .options = *options, .state = &state,
    .n_streams = options->streams, .pass_on = TRUE };
  cudaError_t e = cudaSuccess;

  dcnn_cuda_read_switches (&state.switches);
  take_all (&session, &e);
  for (guint m = 0; m < plan->maps->len && has_stage (plan); m++)
    if (plan_map (plan, (gint) m)->graph_input == plan->image_input)
      state.bytes += dcnn_cuda_stage_predict (plan, m, options->streams);
  free_arrays (&state);
  return state.bytes;
}

void
dcnn_cuda_session_free (DcnnSession *session)
{
  CudaState *state = session->state;

  if (state == NULL)
    return;
  (void) cudaSetDevice (MAX (session->device_index, 0));
  if (state->queue)
    (void) cudaStreamSynchronize (state->queue);
  dcnn_cuda_stage_free (state->stage);
  for (guint l = 0; l < state->n_levels; l++)
    dcnn_cuda_free_level (&state->levels[l]);
  for (guint i = 1; i < state->n_sections; i++)
    if (state->sections[i])
      (void) cudaGraphExecDestroy (state->sections[i]);
  g_free (state->sections);
  g_free (state->section_of);
  if (state->queue)
    (void) cudaStreamDestroy (state->queue);
  for (guint i = 0; i < state->memory->len; i++)
    (void) cudaFree (state->memory->pdata[i]);
  for (guint i = 0; i < state->pinned->len; i++)
    (void) cudaFreeHost (state->pinned->pdata[i]);
  g_ptr_array_unref (state->memory);
  g_ptr_array_unref (state->pinned);
  free_arrays (state);
  g_free (state->fresh);
  g_free (state->first);
  g_free (state->due);
  g_free (state->behind);
  g_free (state->order);
  g_free (state->quiet);
  g_free (state->stale);
  g_free (state->rejudged);
  g_free (state->changes);
  g_free (state);
  session->state = NULL;
  dcnn_backend_cpu.session_free (session);
}
