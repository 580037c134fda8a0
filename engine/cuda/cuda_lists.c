/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_lists.c - which nodes share a list of pixels, and what it is made of.
 */
#include "cuda.h"

#include <string.h>

void
dcnn_cuda_add_sources (const DcnnSession *session, gint index,
    const DcnnCudaSource *like, DcnnCudaSource *sources, guint32 *n)
{
  const CudaState *state = cuda_state (session);
  const PlanMap *map = plan_map (session->plan, index);
  DcnnCudaSource *s = &sources[*n];

  if (map->mask < 0) {
    for (guint i = 0; map->pieces && i < map->pieces->len; i++)
      dcnn_cuda_add_sources (session, g_array_index (map->pieces, gint, i),
          like, sources, n);
    return;
  }
  *s = *like;
  s->width = map->width;
  s->height = map->height;
  s->words = (guint32) dcnn_mask_words (map->width, map->height);
  s->blocks_x = (map->width + 7) / 8;
  s->updated = state->updated[map->mask];
  s->exact = state->exact[map->mask];
  s->late = state->levels[state->level].late != NULL &&
      state->levels[state->level].late[map->mask];
  ++*n;
}

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

/* Masks whose nodes judge must be known before this is called: passed ones are
 * the lists' own. */
static void
describe_sources (const DcnnSession *session, const PlanNode *node,
    DcnnCudaList *list)
{
  const CudaWeights *weights = (const CudaWeights *) session->weights;

  list->by_words = TRUE;
  for (guint i = 0; i < node->terms->len; i++) {
    const PlanTerm *t = &g_array_index (node->terms, PlanTerm, i);
    const CudaNode *packed = &weights->nodes[t->node];
    DcnnCudaSource like = { .reach = t->all ? DCNN_CUDA_REACH_ALL :
          is_same_pixel (t) ? DCNN_CUDA_REACH_SAME :
          (DcnnCudaReach) t->reach, .index_y = packed->index_y,
      .index_x = packed->index_x,
      .taps_y = plan_node (session->plan, t->node)->taps_y,
      .taps_x = plan_node (session->plan, t->node)->taps_x };
    guint32 s = list->n_sources;
    dcnn_cuda_copy_window (&t->window, like.kernel, like.stride,
        like.dilation, like.pad);
    dcnn_cuda_add_sources (session, t->map, &like, list->sources,
        &list->n_sources);
    for (; s < list->n_sources; s++) {
      DcnnCudaSource *source = &list->sources[s];
      source->around = is_around (t) && source->width == list->width &&
          source->height == list->height;
      list->by_words &= is_by_words (list, source);
    }
  }
}

/* The list that a node may share; -1: none yet. */
static gint
find_list (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);

  for (guint i = 0; i < state->n_lists; i++) {
    const DcnnCudaList *l = &state->lists[i];
    if (l->width == out->width && l->height == out->height &&
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
  for (guint i = 0; i < state->n_lists && !state->measuring; i++)
    describe_sources (session, plan_node (plan, (gint) state->list_example[i]),
        &state->lists[i]);
}
