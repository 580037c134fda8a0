/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_outputs.c - dense tensors of the host: the device tells it which pixels
 * changed since it last took any, and it brings those that are wanted up to
 * date in its own copy.
 *
 * A parcel is what a GATHER takes of one map, in the device's memory: an entry a
 * changed pixel. What was packed and not taken is owed: the next frame packs
 * it again. So a frame whose outputs nobody asks for costs no copy, and none is
 * missing later.
 */
#include "cuda.h"

#include <string.h>

/* Pinned memory for the parcels of as many streams as it holds, one at least. */
#define STAGING_BYTES ((gsize) 32 << 20)
#define MOST_STREAMS 64
/* Bits of CudaState.due and behind; parcels from the last but one on share
 * theirs. */
#define TAILS_BIT 31u
#define LAST_BIT 30u

static gsize
entry_words (const CudaParcel *parcel)
{
  return 1 + (gsize) parcel->channels;
}

/* Outputs (DCNN_WANT_...) for which a value is needed: of what a tail reads,
 * all. */
static guint
wants_of (const DcnnPlan *plan, DcnnValueId value, guint pieces)
{
  guint wants = 0;

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, (gint) n);
    const DcnnNode *gn = node->kind != PLAN_TAIL ? NULL :
        dcnn_graph_node (plan->graph, node->graph_node);
    for (gint i = 0; gn && i < gn->n_inputs; i++)
      if (gn->inputs[i] == value)
        return ~DCNN_WANT_STATS;
  }
  for (guint i = 0; i < plan->graph->outputs->len; i++)
    if (g_array_index (plan->graph->outputs, DcnnValueId, i) == value)
      wants |= DCNN_WANT_OUTPUT (i) | (pieces == 1 ? DCNN_WANT_MASKS : 0);
  return wants;
}

/* ---- memory ---------------------------------------------------------------------- */

static void
take_parcel (CudaState *state, const DcnnSession *session, guint n, guint i,
    cudaError_t *e)
{
  const DcnnPlan *plan = session->plan;
  const PlanNode *node = plan_node (plan, (gint) n);
  gint map = g_array_index (node->sources, PlanGatherSource, i).map;
  const PlanMap *m = plan_map (plan, map);
  gsize words = dcnn_mask_words (m->width, m->height);
  CudaParcel p = { .node = n, .source = i, .channels = m->channels,
    .bit = MIN (state->parcels->len, LAST_BIT), .at = state->parcel_words,
    .wants = wants_of (plan, node->value, node->sources->len) };

  p.words = (gsize) m->width * m->height * entry_words (&p);
  p.owed = dcnn_cuda_take (state, words * 8 * session->n_streams, e);
  p.entries = dcnn_cuda_take (state, p.words * 4 * session->n_streams, e);
  state->parcel_words += p.words;
  g_array_append_val (state->parcels, p);
}

void
dcnn_cuda_take_parcels (CudaState *state, const DcnnSession *session,
    cudaError_t *e)
{
  const DcnnPlan *plan = session->plan;
  guint wants = 0;
  gsize bytes;

  state->parcels = g_array_new (FALSE, TRUE, sizeof (CudaParcel));
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, (gint) n);
    for (guint i = 0; node->kind == PLAN_GATHER && i < node->sources->len; i++)
      take_parcel (state, session, n, i, e);
  }
  for (guint p = LAST_BIT; p < state->parcels->len; p++)
    wants |= dcnn_cuda_parcel (state, p)->wants;
  for (guint p = LAST_BIT; p < state->parcels->len; p++)
    dcnn_cuda_parcel (state, p)->wants = wants;
  bytes = state->parcel_words * 4;
  state->staging_streams = (guint) CLAMP (STAGING_BYTES / MAX (bytes, 1), 1,
      MIN (session->n_streams, MOST_STREAMS));
  state->staging = dcnn_cuda_take_host (state, bytes *
      state->staging_streams, e);
}

/* ---- a stream's parcels into its tensors ---------------------------------------------- */

/* Streams at a time, whose parcels are in staging memory. */
typedef struct TakeWork {
  DcnnSession *session;
  const guint *streams;
  guint wants, section;    /* see is_asked() */
  guint32 asked[MOST_STREAMS]; /* due, by stream of these */
} TakeWork;

/* Whether a parcel is to be taken of the k-th stream. */
static gboolean
is_asked (const TakeWork *work, guint k, const CudaParcel *parcel)
{
  const CudaState *state = cuda_state (work->session);

  return state->sectioned ?
      state->section_of[parcel->node] == work->section :
      (work->wants & parcel->wants) && (work->asked[k] >> parcel->bit & 1);
}

/* Entries of a parcel that a stream has to take. */
static guint
entries_of (const DcnnSession *session, guint p, guint s)
{
  const CudaState *state = cuda_state (session);

  return state->behind[s] >> dcnn_cuda_parcel (state, p)->bit & 1 ?
      state->host_counters[cuda_counter (session, CUDA_ENTRIES) +
      p * session->n_streams + s] : 0;
}

static void
scatter_entry (const DcnnTensor *t, const PlanGatherSource *s, guint channels,
    guint y, guint x, const gfloat *values)
{
  gint64 at = s->base + (gint64) y * s->stride_y + (gint64) x * s->stride_x;

  if (t->dtype == DCNN_DTYPE_I64) {
    for (guint c = 0; c < channels; c++)
      ((gint64 *) t->data)[at + c * s->stride_c] = (gint64) values[c];
    return;
  }
  if (s->stride_c == 1) {
    memcpy ((gfloat *) t->data + at, values, channels * sizeof *values);
    return;
  }
  for (guint c = 0; c < channels; c++)
    ((gfloat *) t->data)[at + c * s->stride_c] = values[c];
}

/* Frames of a stream of which one's values are looked at. */
#define LOOK_EVERY 16

/* Whether some value is infinite or no number: its exponent is all ones. */
static gboolean
any_not_finite (const guint32 *values, guint n)
{
  guint32 any = 0;

  for (guint i = 0; i < n; i++)
    any |= (values[i] & 0x7f800000) == 0x7f800000;
  return any != 0;
}

/* Entries into the tensor, its rows, and the update mask of an output: pixels
 * that changed in the stream's last frame. */
static void
scatter (DcnnSession *session, guint s, guint p, const guint32 *entries)
{
  const CudaState *state = cuda_state (session);
  const CudaParcel *parcel = dcnn_cuda_parcel (state, p);
  DcnnStream *stream = &session->streams[s];
  const PlanNode *node = plan_node (session->plan, (gint) parcel->node);
  const PlanGatherSource *source = &g_array_index (node->sources,
      PlanGatherSource, parcel->source);
  const PlanMap *map = plan_map (session->plan, source->map);
  gint tensor = session->plan->values[node->value].tensor;
  StreamMask *updated = map->mask < 0 ||
      plan_map_comes_in (session->plan, source->map) ? NULL :
      &stream->masks[map->mask];
  gboolean rows = stream->cpu->tensor_rows &&
      stream->cpu->tensor_rows[tensor];
  guint n = entries_of (session, p, s);
  /* a look costs 0.6 of what the copy does */
  gboolean look = session->plan->layout.store == PLAN_STORE_F16 &&
      (stream->cpu->dense || stream->stats.frames % LOOK_EVERY == 0);

  if (updated)
    dcnn_mask_clear (&updated->mask);
  for (guint i = 0; i < n; i++, entries += entry_words (parcel)) {
    guint y = entries[0] >> 16 & 0x7fff, x = entries[0] & 0x7fff;
    if (look && any_not_finite (entries + 1, parcel->channels)) {
      dcnn_see_not_finite (session, stream, map->source < 0 ?
          (gint) parcel->node : map->source);
      look = FALSE;
    }
    scatter_entry (&stream->cpu->tensors[tensor], source, parcel->channels, y,
        x, (const gfloat *) (gconstpointer) (entries + 1));
    if (rows)
      dcnn_mark_pixel (stream, tensor, map, source, y, x);
    if (updated && !state->quiet[s] && (state->stale[s] ||
            (entries[0] & DCNN_CUDA_NEWS)))
      dcnn_mask_set (&updated->mask, y, x);
  }
  if (updated)
    updated->any = dcnn_mask_any (&updated->mask);
  stream->cpu->tensor_changed[tensor] |= n > 0;
}

static void
take_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const TakeWork *work = data;
  const CudaState *state = cuda_state (work->session);

  for (gsize k = begin; k < end; k++) {
    guint s = work->streams[k];
    DcnnStream *stream = &work->session->streams[s];
    for (guint p = 0; p < state->parcels->len; p++) {
      const CudaParcel *parcel = dcnn_cuda_parcel (state, p);
      gint tensor = work->session->plan->values[plan_node (
              work->session->plan, (gint) parcel->node)->value].tensor;
      if (!is_asked (work, (guint) k, parcel))
        continue;
      if (parcel->source == 0) {
        (void) dcnn_forget_rows (stream, tensor);
        stream->cpu->tensor_changed[tensor] = stream->cpu->dense;
      }
      scatter (work->session, s, p, state->staging + k * state->parcel_words +
          parcel->at);
    }
  }
}

/* Asks for what is wanted of the k-th stream; adds how many words. */
static cudaError_t
ask_for (TakeWork *work, guint k, guint64 *words)
{
  DcnnSession *session = work->session;
  CudaState *state = cuda_state (session);
  guint s = work->streams[k];
  guint32 *staging = state->staging + k * state->parcel_words;
  cudaError_t e = cudaSuccess;

  work->asked[k] = state->due[s];
  for (guint p = 0; p < state->parcels->len && e == cudaSuccess; p++) {
    const CudaParcel *parcel = dcnn_cuda_parcel (state, p);
    gsize n = entries_of (session, p, s) * entry_words (parcel);
    if (!is_asked (work, k, parcel))
      continue;
    *words += n;
    if (n > 0)
      e = cudaMemcpyAsync (staging + parcel->at, parcel->entries +
          s * parcel->words, n * 4, cudaMemcpyDeviceToHost, state->queue);
  }
  return e;
}

/* Tails whose tensors are there. */
static void
run_tails (const TakeWork *work, guint k)
{
  DcnnSession *session = work->session;
  const CudaState *state = cuda_state (session);

  if (!state->sectioned && !(work->asked[k] >> TAILS_BIT))
    return;
  for (guint n = 0; n < session->plan->nodes->len; n++)
    if (plan_node (session->plan, (gint) n)->kind == PLAN_TAIL &&
        (!state->sectioned || state->section_of[n] == work->section))
      dcnn_run_tail (session, &session->streams[work->streams[k]], (gint) n);
}

/* What follows on the host, once its tensors are there. */
static void
finish_stream (const TakeWork *work, guint k)
{
  DcnnSession *session = work->session;
  CudaState *state = cuda_state (session);
  guint s = work->streams[k];
  DcnnStream *stream = &session->streams[s];
  const DcnnPlan *plan = session->plan;
  guint32 taken = state->sectioned ? 0 : 1u << TAILS_BIT;

  for (guint p = 0; p < state->parcels->len && !state->sectioned; p++)
    if (is_asked (work, k, dcnn_cuda_parcel (state, p)))
      taken |= 1u << dcnn_cuda_parcel (state, p)->bit;
  run_tails (work, k);
  state->due[s] &= ~taken;
  state->behind[s] &= ~taken;
  for (guint i = 0; i < plan->graph->outputs->len; i++) {
    const PlanValue *v = &plan->values[
        g_array_index (plan->graph->outputs, DcnnValueId, i)];
    stream->outputs[i].changed = stream->cpu->dense || (v->tensor >= 0 &&
        stream->cpu->tensor_changed[v->tensor]);
  }
}

static cudaError_t
take (DcnnSession *session, const guint *streams, guint n, guint wants,
    guint section)
{
  CudaState *state = cuda_state (session);
  guint most = state->staging_streams;
  cudaError_t e = cudaSuccess;

  for (guint first = 0; first < n && e == cudaSuccess; first += most) {
    guint some = MIN (most, n - first);
    guint64 words = 0;
    TakeWork work = { session, streams + first, wants, section, { 0 } };
    for (guint k = 0; k < some && e == cudaSuccess; k++)
      e = ask_for (&work, k, &words);
    if (e == cudaSuccess && words > 0)
      e = cudaStreamSynchronize (state->queue);
    if (e != cudaSuccess)
      break;
    dcnn_run_parallel (session, some, 1, words, take_work, &work);
    for (guint k = 0; k < some; k++)
      finish_stream (&work, k);
  }
  return e;
}

cudaError_t
dcnn_cuda_take_outputs (DcnnSession *session, const guint *streams, guint n,
    guint wants)
{
  return cuda_state (session)->sectioned ? cudaSuccess :
      take (session, streams, n, wants, 0);
}

cudaError_t
dcnn_cuda_take_section (DcnnSession *session, const guint *streams, guint n,
    guint section)
{
  return take (session, streams, n, DCNN_WANT_ALL, section);
}
