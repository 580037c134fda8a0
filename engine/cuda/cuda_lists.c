/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_lists.c - which nodes share a list of pixels, and what it is made of.
 */
#include "cuda.h"

#include <string.h>

void
dcnn_cuda_copy_window (const DcnnWindow *w, gint32 *kernel, gint32 *stride,
    gint32 *dilation, gint32 *pad)
{
  for (gint a = 0; a < 2; a++) {
    kernel[a] = (gint32) w->kernel[a];
    stride[a] = (gint32) w->stride[a];
    dilation[a] = (gint32) w->dilation[a];
    pad[a] = (gint32) w->pad_begin[a];
  }
}

/* A window of one pixel, which a list takes as that pixel: all such sources at
 * once, a lane each, where windows are looked at one after the other. */
static gboolean
is_same_pixel (const PlanTerm *t)
{
  gboolean same = t->reach == PLAN_REACH_WINDOW;

  for (gint a = 0; a < 2; a++)
    same &= t->window.kernel[a] == 1 && t->window.stride[a] == 1 &&
        t->window.pad_begin[a] == 0 && t->window.pad_end[a] == 0;
  return same;
}

/* A window of the pixel and the eight around it. */
static gboolean
is_around (const PlanTerm *t)
{
  gboolean around = !t->all && t->reach == PLAN_REACH_WINDOW;

  for (gint a = 0; a < 2; a++)
    around &= t->window.kernel[a] == 3 && t->window.stride[a] == 1 &&
        t->window.dilation[a] == 1 && t->window.pad_begin[a] == 1;
  return around;
}

/* Whether the list's candidates follow from whole words of the source. */
static gboolean
is_by_words (const DcnnCudaList *list, const DcnnCudaSource *s)
{
  return s->reach == DCNN_CUDA_REACH_ALL ? s->words == 1 :
      (s->reach == DCNN_CUDA_REACH_SAME || s->around) &&
      s->width == list->width && s->height == list->height;
}

/* A mask that is read: a map's, or merged ones. */
static DcnnCudaSource
source_of (const DcnnSession *session, const PlanTerm *t)
{
  const CudaState *state = cuda_state (session);
  const gboolean *late = state->levels[state->level].late;
  DcnnCudaSource s = { .reach = t->all ? DCNN_CUDA_REACH_ALL :
        is_same_pixel (t) ? DCNN_CUDA_REACH_SAME : (DcnnCudaReach) t->reach };
  guint width, height;

  if (t->map < 0) {
    const CudaMerge *m = dcnn_cuda_merge (state, (guint) (-1 - t->map));
    gboolean take = m->gate >= 0;
    width = take ? 1 : m->list.width;
    height = take ? 1 : m->list.height;
    s.updated = take ? m->taken : m->list.passed;
    s.exact = take ? m->taken + session->n_streams : m->list.passed_exact;
  } else {
    const PlanMap *map = plan_map (session->plan, t->map);
    width = map->width;
    height = map->height;
    s.updated = state->updated[map->mask];
    s.exact = state->exact[map->mask];
    s.late = late != NULL && late[map->mask];
  }
  s.width = width;
  s.height = height;
  s.words = (guint32) dcnn_mask_words (width, height);
  s.blocks_x = (width + 7) / 8;
  return s;
}

void
dcnn_cuda_add_reads (const DcnnSession *session, const GArray *reads,
    DcnnCudaSource *sources, guint32 *n)
{
  for (guint i = 0; i < reads->len; i++)
    sources[(*n)++] = source_of (session, &g_array_index (reads, PlanTerm,
            i));
}

void
dcnn_cuda_add_sources (const DcnnSession *session, gint map,
    DcnnCudaSource *sources, guint32 *n)
{
  cudaError_t none = cudaSuccess;
  g_autoptr (GArray) reads = dcnn_cuda_reads_of_map (session, map, &none);

  dcnn_cuda_add_reads (session, reads, sources, n);
}

/* Words along an axis that a window may reach of a word's pixels. */
static gint32
reached (const DcnnCudaSource *s, gint a)
{
  gint32 pixels = 7 * s->stride[a] + (s->kernel[a] - 1) * s->dilation[a] + 1;

  return (pixels + 6) / 8 + 1;
}

/* Whether two reach the same pixels, and few enough words for a warp to have them at
 * hand. */
static gboolean
reach_alike (const DcnnCudaSource *a, const DcnnCudaSource *b)
{
  gboolean alike = a->reach == DCNN_CUDA_REACH_WINDOW && b->reach == a->reach &&
      a->width == b->width && a->height == b->height && !a->around && !b->around &&
      reached (a, 0) * reached (a, 1) <= DCNN_CUDA_NEAR;

  for (gint i = 0; i < 2; i++)
    alike &= a->kernel[i] == b->kernel[i] && a->stride[i] == b->stride[i] &&
        a->dilation[i] == b->dilation[i] && a->pad[i] == b->pad[i] &&
        reached (a, i) <= 7;
  return alike;
}

/* Sources that reach alike stand side by side. */
static void
sort_alike (DcnnCudaList *list)
{
  for (guint i = 0; i < list->n_sources; i++) {
    guint end = i + 1;
    for (guint j = i + 1; j < list->n_sources; j++) {
      DcnnCudaSource s = list->sources[j];
      if (!reach_alike (&list->sources[i], &s))
        continue;
      s.follows = TRUE;
      memmove (&list->sources[end + 1], &list->sources[end], (j - end) * sizeof s);
      list->sources[end++] = s;
    }
    i = end - 1;
  }
}

/* Masks whose nodes judge must be known before this is called: passed ones are
 * the lists' own. */
static void
describe_sources (const DcnnSession *session, const GArray *reads,
    DcnnCudaList *list)
{
  const CudaWeights *weights = (const CudaWeights *) session->weights;

  list->by_words = TRUE;
  for (guint i = 0; i < reads->len; i++) {
    const PlanTerm *t = &g_array_index (reads, PlanTerm, i);
    const CudaNode *packed = &weights->nodes[t->node];
    DcnnCudaSource *s = &list->sources[list->n_sources++];
    *s = source_of (session, t);
    if (t->map >= 0) {
      s->index_y = packed->index_y;
      s->index_x = packed->index_x;
      s->taps_y = plan_node (session->plan, t->node)->taps_y;
      s->taps_x = plan_node (session->plan, t->node)->taps_x;
      dcnn_cuda_copy_window (&t->window, s->kernel, s->stride, s->dilation,
          s->pad);
      s->around = is_around (t) && s->width == list->width &&
          s->height == list->height;
    }
    list->by_words &= is_by_words (list, s);
  }
  sort_alike (list);
}

/* The list that a node may share; -1: none yet. Gates that may be taken have their
 * own. */
static gint
find_list (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);

  if (dcnn_cuda_taker (session->plan, n) >= 0)
    return -1;
  for (guint i = 0; i < state->n_lists; i++) {
    const DcnnCudaList *l = &state->lists[i];
    if (l->width == out->width && l->height == out->height &&
        dcnn_cuda_taker (session->plan, state->list_example[i]) < 0 &&
        (node->passes_on || l->pending == NULL) &&
        plan_terms_equal (plan_node (session->plan, (gint)
                state->list_example[i])->terms, node->terms))
      return (gint) i;
  }
  return -1;
}

static void
join_list (DcnnSession *session, guint n, DcnnCudaList *list)
{
  CudaState *state = cuda_state (session);
  const PlanNode *node = plan_node (session->plan, n);
  gint mask = plan_map (session->plan, node->out)->mask;

  if (!node->passes_on) {
    list->updated = state->updated[mask];
    list->exact = state->exact[mask];
    list->pending = state->pending[n];
  } else if (list->passed == NULL) {
    list->passed = state->updated[mask];
    list->passed_exact = state->exact[mask];
  } else { /* what they passed is the same */
    state->updated[mask] = list->passed;
    state->exact[mask] = list->passed_exact;
  }
}

void
dcnn_cuda_plan_lists (DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  const DcnnPlan *plan = session->plan;

  state->lists = g_new0 (DcnnCudaList, 2 * plan->nodes->len + 1);
  state->list_of = g_new (gint, plan->nodes->len + 1);
  state->list_example = g_new (guint, 2 * plan->nodes->len + 1);
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    gint i;
    state->list_of[n] = -1;
    if (node->kind != PLAN_KERNEL)
      continue;
    i = find_list (session, n);
    if (i < 0) {
      const PlanMap *out = plan_map (plan, node->out);
      DcnnCudaList *l = &state->lists[i = (gint) state->n_lists++];
      l->width = out->width;
      l->height = out->height;
      l->words = (guint32) dcnn_mask_words (out->width, out->height);
      l->blocks_x = (out->width + 7) / 8;
      l->stride[0] = plan->tile > 0 ? out->stride_y : 0;
      l->stride[1] = plan->tile > 0 ? out->stride_x : 0;
      state->list_example[i] = n;
    }
    state->list_of[n] = i;
    join_list (session, n, &state->lists[i]);
  }
}

void
dcnn_cuda_describe_lists (DcnnSession *session)
{
  CudaState *state = cuda_state (session);

  for (guint i = 0; i < state->n_lists; i++)
    describe_sources (session, state->list_reads->pdata[i], &state->lists[i]);
  for (guint m = 0; m < state->merges->len; m++) {
    CudaMerge *merge = dcnn_cuda_merge (state, m);
    describe_sources (session, merge->terms, &merge->list);
  }
}
