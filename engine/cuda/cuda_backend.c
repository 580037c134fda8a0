/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_backend.c - frames on the device: what is uploaded, launched, and taken
 * down again.
 */
#include "cuda.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>

/* Is there a driver at all? */
static gboolean
cuda_present (void)
{
  int version = 0;

  return cudaDriverGetVersion (&version) == cudaSuccess && version > 0;
}

/* Why the GPUs cannot be counted. */
static char *
why_none (cudaError_t e)
{
  int driver = 0;

  (void) cudaGetLastError ();
  if (!cuda_present ())
    return g_strdup ("no NVIDIA driver is installed; install one for a GPU "
        "that is there");
  if (e == cudaErrorInsufficientDriver) {
    (void) cudaDriverGetVersion (&driver);
    return g_strdup_printf ("the NVIDIA driver is for CUDA %d.%d, this build "
        "needs one for %d.%d or newer; update the driver", driver / 1000,
        driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  }
  if (e == cudaSuccess || e == cudaErrorNoDevice)
    return g_strdup ("its driver shows none; look at nvidia-smi and "
        "CUDA_VISIBLE_DEVICES");
  return g_strdup_printf ("%s; look at nvidia-smi", cudaGetErrorString (e));
}

static gboolean
cuda_available (gint index, GError **error)
{
  int n = 0, major = 0, minor = 0;
  cudaError_t e = cudaGetDeviceCount (&n);

  if (e != cudaSuccess || n == 0) {
    g_autofree char *why = why_none (e);
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
        "device=cuda was asked for, but no NVIDIA GPU can be used here: %s, "
        "or use the device cpu", why);
    return FALSE;
  }
  if (index >= n) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "device=cuda:%d: there are %d GPUs, from cuda:0 on", index, n);
    return FALSE;
  }
  if (!dcnn_cuda_usable (MAX (index, 0), error))
    return FALSE;
  e = cudaDeviceGetAttribute (&major, cudaDevAttrComputeCapabilityMajor,
      MAX (index, 0));
  if (e == cudaSuccess)
    e = cudaDeviceGetAttribute (&minor, cudaDevAttrComputeCapabilityMinor,
        MAX (index, 0));
  if (e != cudaSuccess || major * 10 + minor < 75) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
        "GPU %d is of compute capability %d.%d; 7.5 and newer can be used, or "
        "device=cpu", MAX (index, 0), major, minor);
    return FALSE;
  }
  return TRUE;
}

/* A pixel is whole vectors, pictures' too, and so are a piece of a concatenation
 * and what is before a view. */
static PlanLayout
cuda_layout (DcnnPrecision precision)
{
  return (PlanLayout) { .pixel = DCNN_CUDA_LANES, .slice = DCNN_CUDA_LANES,
    .view = DCNN_CUDA_LANES,
    .store = precision == DCNN_PRECISION_F32 ? PLAN_STORE_F32 :
        precision == DCNN_PRECISION_BF16 ? PLAN_STORE_BF16 : PLAN_STORE_F16 };
}

/* The primary context, which the runtime library uses. */
static gboolean
cuda_context (gint index, gpointer *context)
{
  int (*get_current) (gpointer *);
  void *driver = dlopen ("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  gboolean ok = FALSE;

  if (driver == NULL)
    return FALSE;
  *(void **) &get_current = dlsym (driver, "cuCtxGetCurrent");
  if (get_current && cudaSetDevice (MAX (index, 0)) == cudaSuccess &&
      cudaFree (NULL) == cudaSuccess)
    ok = get_current (context) == 0 && *context != NULL;
  (void) dlclose (driver);
  return ok;
}

static gsize
cuda_session_bytes (const DcnnSession *session)
{
  return dcnn_backend_cpu.session_bytes (session) +
      cuda_state (session)->bytes +
      dcnn_cuda_stage_bytes (cuda_state (session)->stage);
}

static void
cuda_retune (DcnnSession *session, const DcnnTuning *before)
{
  /* nrms and influence weigh channels by other numbers */
  cuda_state (session)->reweigh |=
      session->tuning.criterion != before->criterion;
  if (!session->tuning.settle || before->settle)
    return;
  for (guint s = 0; s < session->n_streams; s++)
    session->streams[s].first = TRUE; /* nobody knows what was kept back */
}

/* ---- up ------------------------------------------------------------------------ */

static void
judge_node (DcnnSession *session, guint s, guint n, DcnnCudaJudge *to)
{
  const DcnnStream *stream = &session->streams[s];
  const PlanNode *node = plan_node (session->plan, n);
  DcnnCriterionRule rule;

  if (node->kind == PLAN_GLOBAL) {
    gfloat t = dcnn_criterion_global (&session->tuning, node->norm != NULL,
        stream->nodes[n].threshold);
    to->kind = DCNN_CUDA_SIGNIFICANT_RELATIVE;
    to->limit = node->is_gate && t > 0 ? t * t : 0;
    return;
  }
  rule = dcnn_judge_rule (session, stream, (gint) n);
  to->kind = rule.relative && rule.kind == DCNN_SIGNIFICANT_SQUARE ?
      DCNN_CUDA_SIGNIFICANT_RELATIVE : (gint32) rule.kind;
  to->limit = rule.limit;
  to->weighted = rule.weights != DCNN_WEIGHTS_NONE;
}

/* The judgement of every node of a stream. Returns whether it is another. */
static gboolean
judge_all (DcnnSession *session, guint s)
{
  CudaState *state = cuda_state (session);
  guint n_nodes = session->plan->nodes->len;
  DcnnCudaJudge *judges = state->host_judges + (gsize) s * n_nodes;
  gboolean changed = FALSE;

  for (guint n = 0; n < n_nodes; n++) {
    const PlanNode *node = plan_node (session->plan, n);
    DcnnCudaJudge j;
    memset (&j, 0, sizeof j);
    if (node->kind != PLAN_KERNEL && node->kind != PLAN_GLOBAL)
      continue;
    judge_node (session, s, n, &j);
    changed |= memcmp (&j, &judges[n], sizeof j) != 0;
    judges[n] = j;
  }
  return changed;
}

static cudaError_t
upload_judges (const DcnnSession *session, guint s)
{
  const CudaState *state = cuda_state (session);
  guint n_nodes = session->plan->nodes->len;

  return cudaMemcpyAsync (state->judges + (gsize) s * n_nodes,
      state->host_judges + (gsize) s * n_nodes, n_nodes *
      sizeof (DcnnCudaJudge), cudaMemcpyHostToDevice, state->queue);
}

/* What the changes of each node of a stream are weighted by. */
static cudaError_t
upload_weights (DcnnSession *session, guint s)
{
  CudaState *state = cuda_state (session);
  cudaError_t e = cudaSuccess;

  for (guint n = 0; n < session->plan->nodes->len && e == cudaSuccess; n++) {
    const PlanNode *node = plan_node (session->plan, n);
    gsize padded;
    const gfloat *from;
    if (state->weights[n] == NULL || node->kind != PLAN_KERNEL)
      continue;
    padded = dcnn_padded (plan_map (session->plan, node->out)->span);
    from = session->tuning.criterion == DCNN_CRITERION_INFLUENCE &&
        session->influence[n] ? session->influence[n] :
        session->streams[s].cpu->nodes[n].inv_spread;
    e = cudaMemcpyAsync (state->weights[n] + s * padded, from,
        padded * sizeof (gfloat), cudaMemcpyHostToDevice, state->queue);
  }
  return e;
}

static void
describe_stream (DcnnSession *session, guint s)
{
  const DcnnStream *stream = &session->streams[s];
  gfloat budget = CLAMP (session->tuning.settle_budget, 0.001f, 1.0f);
  DcnnCudaStream *to = &cuda_state (session)->host_streams[s];

  to->dense = (guint32) stream->cpu->dense;
  to->settling = (guint32) stream->cpu->settling.now;
  to->record = (guint32) session->tuning.settle;
  to->band_from = stream->cpu->settling.band_from;
  to->band_to = stream->cpu->settling.band_to;
  to->places = stream->cpu->settling.places;
  to->turns = (guint32) ceilf (1 / budget);
  to->turn = (guint32) (stream->stats.frames % to->turns);
  to->move[0] = stream->cpu->move.active ? stream->cpu->move.dy : 0;
  to->move[1] = stream->cpu->move.active ? stream->cpu->move.dx : 0;
}

/* The cpu's input stage, for models and tests without one on the device. */
static gboolean
picture_on_host (DcnnSession *session, DcnnStream *stream,
    const BackendFrame *frame, GError **error)
{
  if (frame->picture->memory == DCNN_MEMORY_HOST)
    return dcnn_picture_update (session, stream, frame->picture, error);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "the frame is in device memory, and pictures of this network are taken on "
      "the host (it has inputs besides the picture); download the frame first");
  return FALSE;
}

typedef struct FrameWork {
  DcnnSession *session;
  const BackendFrame *frames;
} FrameWork;

/* What is each stream's own, of frames that are taken. */
static void
frame_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const FrameWork *work = data;
  CudaState *state = cuda_state (work->session);

  for (gsize i = begin; i < end; i++) {
    guint s = work->frames[i].stream;
    state->rejudged[s] = judge_all (work->session, s);
    state->changes[s] = state->stage && work->frames[i].picture &&
        dcnn_cuda_tell_picture (work->session, s);
  }
}

/* What a node's judgement, or a word of a mask, costs, in multiply-accumulates. */
#define JUDGE_COST 200
#define WORD_COST 32

static void
run_frame_work (DcnnSession *session, const BackendFrame *frames, guint n)
{
  gint picture = plan_picture_map (session->plan);
  const PlanMap *map = picture < 0 ? NULL : plan_map (session->plan, picture);
  FrameWork work = { session, frames };
  guint64 cost = (guint64) session->plan->nodes->len * JUDGE_COST;

  if (map)
    cost += dcnn_mask_words (map->width, map->height) * WORD_COST;
  dcnn_run_parallel (session, n, 1, n * cost, frame_work, &work);
}

static gboolean
take_frame (DcnnSession *session, const BackendFrame *frame, GError **error)
{
  CudaState *state = cuda_state (session);
  DcnnStream *stream = &session->streams[frame->stream];

  if (frame->picture == NULL)
    dcnn_cpu_take_tensors (session, stream, frame);
  else if (!state->stage && !picture_on_host (session, stream, frame, error))
    return FALSE;
  stream->cpu->macs_done = stream->cpu->settled_macs = 0;
  state->first[frame->stream] = stream->first;
  state->fresh[frame->stream] = TRUE;
  describe_stream (session, frame->stream);
  for (guint m = 0; m < session->plan->maps->len; m++)
    if (plan_map (session->plan, m)->graph_input >= 0 && !(state->stage &&
            frame->picture && m == (guint) plan_picture_map (session->plan)))
      dcnn_cuda_list_input (session, frame->stream, m);
  return TRUE;
}

static gboolean
take_frames (DcnnSession *session, const BackendFrame *frames, guint n,
    GError **error)
{
  CudaState *state = cuda_state (session);
  cudaError_t e = cudaSuccess;

  for (guint i = 0; i < n; i++)
    if (!take_frame (session, &frames[i], error))
      return FALSE;
  run_frame_work (session, frames, n);
  for (guint i = 0; i < n && e == cudaSuccess; i++) {
    guint s = frames[i].stream;
    state->staged |= state->changes[s];
    if (state->rejudged[s])
      e = upload_judges (session, s);
    session->streams[s].stats.input_ns = dcnn_now_ns () - frames[i].start_ns;
  }
  return dcnn_cuda_check (e, "uploading thresholds", error);
}

static cudaError_t
upload (DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  const DcnnPlan *plan = session->plan;
  cudaError_t e = cudaMemcpyAsync (state->streams, state->host_streams,
      session->n_streams * sizeof (DcnnCudaStream), cudaMemcpyHostToDevice,
      state->queue);

  for (guint m = 0; m < plan->maps->len && e == cudaSuccess; m++)
    if (plan_map (plan, (gint) m)->graph_input >= 0)
      e = dcnn_cuda_upload_input (session, m);
  return e;
}

/* Streams without a frame have nothing in any mask; the others' are told. */
static void
clear_inputs (DcnnSession *session)
{
  CudaState *state = cuda_state (session);

  memset (state->host_streams, 0,
      session->n_streams * sizeof *state->host_streams);
  for (guint s = 0; s < session->n_streams; s++) {
    state->host_streams[s].turns = 1;
    state->host_streams[s].taken = ~state->behind[s];
  }
  for (guint m = 0; m < session->plan->maps->len; m++) {
    const PlanMap *map = plan_map (session->plan, m);
    gsize words = dcnn_mask_words (map->width, map->height);
    state->host_count[m] = 0;
    if (!plan_map_comes_in (session->plan, (gint) m))
      continue;
    for (guint s = 0; s < session->n_streams; s++)
      if (state->stale[s]) {
        memset (state->host_updated[m] + s * words, 0, words * 8);
        memset (state->host_exact[m] + s * words, 0, words * 8);
      }
  }
}

static gboolean take_down (DcnnSession *session, guint wants,
    GError **error);

/* Outputs that somebody is yet to wait for are taken before others run: what
 * changed in that frame is not known afterwards. */
static cudaError_t
keep_outputs (DcnnSession *session, const BackendFrame *frames, guint n)
{
  CudaState *state = cuda_state (session);
  cudaError_t e = cudaSuccess;

  for (guint s = 0; s < session->n_streams && e == cudaSuccess; s++)
    if (state->due[s] && session->streams[s].in_flight)
      e = dcnn_cuda_take_outputs (session, &s, 1, DCNN_WANT_ALL);
  for (guint s = 0; s < session->n_streams; s++)
    state->stale[s] = TRUE;
  for (guint i = 0; i < n; i++)
    state->stale[frames[i].stream] = FALSE;
  return e;
}

/* No stream has anything to do: nothing is launched at all. */
static gboolean
nothing_to_do (const DcnnSession *session)
{
  const CudaState *state = cuda_state (session);

  for (guint s = 0; s < session->n_streams; s++)
    if (state->host_streams[s].dense || state->host_streams[s].settling ||
        state->host_streams[s].move[0] || state->host_streams[s].move[1])
      return FALSE;
  for (guint m = 0; m < session->plan->maps->len; m++)
    if (state->host_count[m] > 0)
      return FALSE;
  return !state->staged;
}

static gboolean
cuda_run (DcnnSession *session, const BackendFrame *frames, guint n,
    GError **error)
{
  CudaState *state = cuda_state (session);
  cudaError_t e = cudaSetDevice (MAX (session->device_index, 0));

  /* what others have running is taken down first: one graph, one block */
  if (!dcnn_cuda_check (e, "choosing the device", error) ||
      !take_down (session, DCNN_WANT_STATS, error) ||
      !dcnn_cuda_check (keep_outputs (session, frames, n),
          "reading the outputs", error))
    return FALSE;
  for (guint i = 0; i < session->n_streams && state->reweigh; i++) {
    e = upload_weights (session, i);
    if (!dcnn_cuda_check (e, "uploading the criterion", error))
      return FALSE;
  }
  state->reweigh = FALSE;
  clear_inputs (session);
  state->staged = FALSE;
  if (!dcnn_cuda_check (dcnn_cuda_move (session, frames, n),
          "moving the window", error))
    return FALSE;
  if (state->stage && !dcnn_cuda_stage_convert (state->stage, session, frames,
          n, state->queue, error))
    return FALSE;
  if (!take_frames (session, frames, n, error))
    return FALSE;
  state->in_flight = TRUE;
  state->idle = !state->sectioned && nothing_to_do (session);
  for (guint i = 0; i < n; i++)
    state->quiet[frames[i].stream] = state->idle;
  if (state->idle) {
    memset (state->host_counters, 0, cuda_counter (session, CUDA_ENTRIES) * 4);
    return TRUE;
  }
  e = upload (session);
  if (e == cudaSuccess)
    e = dcnn_cuda_stage_store (state->stage, state->queue);
  state->level = dcnn_cuda_choose_level (session);
  dcnn_cuda_follow_lengths (session);
  if (e == cudaSuccess)
    e = cudaGraphLaunch (state->levels[state->level].graph, state->queue);
  if (e == cudaSuccess) {
    memset (state->behind, 0xff, session->n_streams * sizeof *state->behind);
    e = state->sectioned ? dcnn_cuda_run_sections (session, frames, n) :
        dcnn_cuda_download_counters (session);
  }
  return dcnn_cuda_check (e, "running a frame", error);
}

/* ---- down ----------------------------------------------------------------------- */

static void
take_counts (DcnnSession *session, guint s)
{
  CudaState *state = cuda_state (session);
  DcnnStream *stream = &session->streams[s];
  const DcnnPlan *plan = session->plan;
  guint streams = session->n_streams;
  const guint32 *candidates = state->host_counters +
      cuda_counter (session, CUDA_CANDIDATES);
  const guint32 *corrections = state->host_counters +
      cuda_counter (session, CUDA_CORRECTIONS);
  const guint32 *joined = state->host_counters +
      cuda_counter (session, CUDA_JOINED);

  for (guint n = 0; n < plan->nodes->len; n++)
    stream->nodes[n].stats.frames++;
  for (guint i = 0; i < state->n_counted; i++) {
    guint n = (guint) state->counted_node[i];
    const PlanNode *node = plan_node (plan, n);
    const PlanMap *out = plan_map (plan, node->out);
    gdouble pixels = (gdouble) out->width * out->height;
    gint list = state->list_of[n];
    guint64 count = list < 0 ? 0 : candidates[(guint) list * streams + s];
    DcnnNodeStats *stats = &stream->nodes[n].stats;
    stats->candidates += count / pixels;
    stats->joined += joined[i * streams + s] / pixels;
    stats->macs_done += count * node->macs_per_pixel;
    stats->dense_frames += stream->cpu->dense;
    stream->cpu->macs_done += count * node->macs_per_pixel;
    if (list >= 0)
      stream->cpu->settled_macs += node->macs_per_pixel *
          corrections[(guint) list * streams + s];
  }
}

/* Each launch took what lies between its end and that of the one before. */
static void
take_times (DcnnSession *session)
{
  const CudaState *state = cuda_state (session);
  const GArray *times = state->levels[state->level].times;

  for (guint i = 1; times && !state->idle && i < times->len; i++) {
    const CudaTime *t = &g_array_index (times, CudaTime, i);
    float ms = 0;
    if (t->node >= 0 && cudaEventElapsedTime (&ms, (t - 1)->end, t->end) ==
        cudaSuccess)
      session->streams[0].nodes[t->node].stats.time_ns += (gint64) (ms * 1e6);
  }
}

static void
finish_settling (DcnnSession *session, guint s)
{
  CudaState *state = cuda_state (session);
  DcnnStream *stream = &session->streams[s];
  gboolean pending = state->host_counters[cuda_counter (session,
          CUDA_PENDING) + s] != 0;

  if (stream->cpu->settling.now == DCNN_SETTLING_NOTHING)
    return;
  stream->cpu->settling.spent += stream->cpu->settled_macs;
  dcnn_settling_ends (&stream->cpu->settling, session->plan->macs, pending);
}

/* The maps whose spreads the criterion asks for. */
static cudaError_t
download_judged (DcnnSession *session, guint s)
{
  const DcnnPlan *plan = session->plan;
  g_autofree gboolean *wanted = g_new0 (gboolean, plan->buffers->len + 1);
  cudaError_t e = cudaSuccess;

  for (guint n = 0; n < plan->nodes->len; n++)
    if (dcnn_needs_spread (session, &session->streams[s], n)) {
      gint buffer = plan_map (plan, plan_node (plan, (gint) n)->out)->buffer;
      wanted[MAX (buffer, 0)] |= buffer >= 0;
    }
  for (guint i = 0; i < plan->buffers->len && e == cudaSuccess; i++)
    if (wanted[i])
      e = dcnn_cuda_download_buffer (session, s, (gint) i);
  return e;
}

static cudaError_t
spreads_when_due (DcnnSession *session, guint s)
{
  DcnnStream *stream = &session->streams[s];
  cudaError_t e;

  if (!dcnn_spreads_due (&stream->cpu->settling, &session->tuning,
          cuda_state (session)->first[s], stream->cpu->dense))
    return cudaSuccess;
  e = download_judged (session, s);
  if (e != cudaSuccess)
    return e;
  dcnn_measure_spreads (session, stream);
  return upload_weights (session, s);
}

/* What a multiply-accumulate on a list takes, beside one of whole maps: lists took
 * as long at 20 to 30 % of the work with four networks (H200, one stream), but at
 * more than 40 % with yolox nano, which lost more by 3.7 than these gained. */
#define CUDA_LIST_COST 2.4

static cudaError_t
finish_stream (DcnnSession *session, guint s)
{
  DcnnStream *stream = &session->streams[s];

  if (!stream->cpu->dense)
    dcnn_settling_busy (&stream->cpu->settling,
        (gdouble) (stream->cpu->macs_done - stream->cpu->settled_macs) /
        (gdouble) MAX (1, session->plan->macs));
  finish_settling (session, s);
  if (session->cpu->weighs_frames)
    dcnn_frame_ran (session, stream, CUDA_LIST_COST *
        (gdouble) stream->cpu->macs_done / (gdouble) MAX (1,
            session->plan->macs));
  stream->stats.macs_done = stream->cpu->macs_done;
  stream->stats.macs_dense = session->plan->macs;
  stream->stats.dense = stream->cpu->dense;
  stream->stats.settled =
      dcnn_settled (&stream->cpu->settling);
  return spreads_when_due (session, s);
}

/* Everything that is running is done, and what it left is with the host. */
static gboolean
take_down (DcnnSession *session, guint wants, GError **error)
{
  CudaState *state = cuda_state (session);
  gint64 start = dcnn_now_ns ();
  guint n = 0;
  cudaError_t e;

  if (!state->in_flight)
    return TRUE;
  state->in_flight = FALSE;
  e = cudaStreamSynchronize (state->queue);
  take_times (session);
  dcnn_cuda_see_reached (session);
  dcnn_cuda_see_lengths (session);
  for (guint s = 0; s < session->n_streams && e == cudaSuccess; s++)
    if (state->fresh[s]) {
      state->fresh[s] = FALSE;
      state->due[s] = state->sectioned ? 0 : ~0u; /* all is taken then */
      state->order[n++] = s;
      take_counts (session, s);
    }
  if (e == cudaSuccess && (wants & ~DCNN_WANT_STATS))
    e = dcnn_cuda_take_outputs (session, state->order, n, wants);
  for (guint i = 0; i < n && e == cudaSuccess; i++) {
    e = finish_stream (session, state->order[i]);
    session->streams[state->order[i]].stats.run_ns = dcnn_now_ns () - start;
  }
  return dcnn_cuda_check (e, "waiting for a frame", error);
}

static gboolean
cuda_wait (DcnnSession *session, guint stream, guint wants, GError **error)
{
  cudaError_t e = cudaSetDevice (MAX (session->device_index, 0));

  if (!dcnn_cuda_check (e, "choosing the device", error) ||
      !take_down (session, wants, error))
    return FALSE;
  if (cuda_state (session)->due[stream] && (wants & ~DCNN_WANT_STATS))
    e = dcnn_cuda_take_outputs (session, &stream, 1, wants);
  return dcnn_cuda_check (e, "reading the outputs", error);
}

/* A mask as it is after the last launch; an output's with what settling
 * changed. */
static cudaError_t
read_mask (DcnnSession *session, guint s, gint map)
{
  CudaState *state = cuda_state (session);
  const PlanMap *m = plan_map (session->plan, map);
  StreamMask *to = &session->streams[s].masks[m->mask];
  DcnnMask *exact = &session->streams[s].cpu->exact[m->mask].mask;
  gsize n = dcnn_mask_words (m->width, m->height);
  cudaError_t e = cudaMemcpy (to->mask.words, state->updated[m->mask] + s * n,
      n * 8, cudaMemcpyDeviceToHost);

  if (e == cudaSuccess && m->source >= 0 &&
      plan_node (session->plan, m->source)->kind == PLAN_KERNEL &&
      plan_node (session->plan, m->source)->is_output) {
    e = cudaMemcpy (exact->words, state->exact[m->mask] + s * n, n * 8,
        cudaMemcpyDeviceToHost);
    dcnn_mask_or (&to->mask, exact);
  }
  to->any = dcnn_mask_any (&to->mask);
  return e;
}

static gboolean
cuda_probe (DcnnSession *session, guint index, gint map, gfloat *values,
    DcnnMask *mask, GError **error)
{
  CudaState *state = cuda_state (session);
  const PlanMap *m = plan_map (session->plan, map);
  cudaError_t e = cudaSetDevice (MAX (session->device_index, 0));
  g_autofree gfloat *kept = NULL;
  gboolean ok;

  if (values && m->source >= 0 && state->folded[m->source]) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "map %d is computed on the way to another and not stored; use store_all",
        map);
    return FALSE;
  }
  for (gint i = 0; i < session->plan->n_masks && mask; i++)
    session->streams[index].masks[i].any = FALSE;
  for (guint i = 0; i < session->plan->maps->len && mask && !state->idle &&
      e == cudaSuccess; i++)
    if (dcnn_cuda_is_mask_new (session, plan_map (session->plan,
                (gint) i)->mask))
      e = read_mask (session, index, (gint) i);
  if (e == cudaSuccess && values && m->buffer >= 0) {
    kept = dcnn_cuda_keep_input (session, index, m->buffer);
    e = dcnn_cuda_download_buffer (session, index, m->buffer);
  }
  ok = dcnn_cuda_check (e, "reading a map", error) &&
      dcnn_backend_cpu.probe (session, index, map, values, mask, error);
  dcnn_cuda_put_back (session, index, m->buffer, kept);
  return ok;
}

static void
cuda_reset (DcnnSession *session, guint stream)
{
  CudaState *state = cuda_state (session);

  (void) cudaSetDevice (MAX (session->device_index, 0));
  (void) take_down (session, DCNN_WANT_STATS, NULL);
  state->fresh[stream] = FALSE;
  state->due[stream] = 0;
  /* a frame that failed may have left others on the device */
  memset (state->host_judges + (gsize) stream * session->plan->nodes->len, 0xff,
      session->plan->nodes->len * sizeof *state->host_judges);
  dcnn_backend_cpu.reset (session, stream);
}

const DcnnBackend dcnn_backend_cuda = {
  .name = "cuda",
  .memories = 1u << DCNN_MEMORY_CUDA,
  .keeps_states = TRUE,
  .samples = TRUE,
  .regions = TRUE,
  .present = cuda_present,
  .available = cuda_available,
  .context = cuda_context,
  .accepts = dcnn_cuda_accepts,
  .layout = cuda_layout,
  .model_new = dcnn_cuda_weights_new,
  .model_free = dcnn_cuda_weights_free,
  .session_new = dcnn_cuda_session_new,
  .session_free = dcnn_cuda_session_free,
  .session_bytes = cuda_session_bytes,
  .predict = dcnn_cuda_predict,
  .retune = cuda_retune,
  .run = cuda_run,
  .wait = cuda_wait,
  .probe = cuda_probe,
  .reset = cuda_reset,
};
