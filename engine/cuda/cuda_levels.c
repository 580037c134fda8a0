/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_levels.c - a frame's graph for little work and those for much: what is
 * computed in one launch, and which graph is launched.
 */
#include "cuda.h"

/* Shares of the work from which the next graph is taken: without early lists, which are
 * longer than a node's own; and in place of that one by squares, where there are some, as
 * what is computed in vain costs less than gathering single pixels does. */
static const CudaLevel busy_level = { .from = 0.15 };
static const CudaLevel square_level = { .from = 0.1, .squares = TRUE };

/* ---- early lists ------------------------------------------------------------------ */

/* Does a pixel follow from the same one; from that alone? */
static gboolean
has_same_pixel (const PlanTerm *t, gboolean alone)
{
  gboolean has = !t->all && (t->reach == PLAN_REACH_SAME ||
      t->reach == PLAN_REACH_WINDOW);

  for (gint a = 0; a < 2 && t->reach == PLAN_REACH_WINDOW; a++) {
    const DcnnWindow *w = &t->window;
    gint64 pad = w->pad_begin[a], step = MAX (1, w->dilation[a]);
    has &= w->stride[a] == 1 && pad >= 0 && pad % step == 0 &&
        pad / step < w->kernel[a] && (!alone || w->kernel[a] == 1);
  }
  return has;
}

/* Whether all that can be set in the bits of a map, or of its pieces, is listed
 * where the node `judge` is: it judges the map, or takes such pixels too. */
static gboolean
is_listed (const DcnnPlan *plan, gint index, guint judge)
{
  const PlanMap *map = plan_map (plan, index);
  const PlanNode *by = plan_node (plan, (gint) judge);
  const PlanMap *out = plan_map (plan, by->out);
  gboolean all = map->pieces != NULL;

  if (map->width != out->width || map->height != out->height)
    return FALSE;
  if (map->mask < 0) {
    for (guint i = 0; all && i < map->pieces->len; i++)
      all &= is_listed (plan, g_array_index (map->pieces, gint, i), judge);
    return all;
  }
  if (map->source == (gint) judge)
    return TRUE;
  for (guint i = 0; i < by->terms->len; i++) {
    const PlanTerm *t = &g_array_index (by->terms, PlanTerm, i);
    if (has_same_pixel (t, FALSE) && (t->map == index ||
            (map->source >= 0 && cuda_is_made_by (plan, t->map,
                    (guint) map->source))))
      return TRUE;
  }
  return FALSE;
}

/* The last node that judged any of a map's pieces; -1: none did. */
static gint
last_judge (const DcnnPlan *plan, gint index)
{
  const PlanMap *map = plan_map (plan, index);
  gint last = -1;

  if (map->mask >= 0)
    return map->source;
  for (guint i = 0; map->pieces && i < map->pieces->len; i++)
    last = MAX (last, last_judge (plan, g_array_index (map->pieces, gint,
                i)));
  return last;
}

/* The list of a node that has judged what a node's candidates come from, pixel
 * by pixel: what joined is among what was listed, and of the others the node
 * stores what it has stored already. -1: it is not so. */
static gint
find_early (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);
  const DcnnPlan *plan = session->plan;
  const PlanNode *node = plan_node (plan, (gint) n), *by;
  const PlanMap *out;
  gint judge = -1;

  if (node->kind != PLAN_KERNEL || !node->passes_on ||
      dcnn_cuda_bits_are_read (plan, n))
    return -1;
  out = plan_map (plan, node->out);
  for (guint i = 0; i < node->terms->len; i++)
    judge = MAX (judge, last_judge (plan, g_array_index (node->terms, PlanTerm,
                i).map));
  by = judge < 0 ? NULL : plan_node (plan, judge);
  if (by == NULL || by->kind != PLAN_KERNEL || by->passes_on ||
      plan_map (plan, by->out)->width != out->width ||
      plan_map (plan, by->out)->height != out->height)
    return -1;
  for (guint i = 0; i < node->terms->len; i++) {
    const PlanTerm *t = &g_array_index (node->terms, PlanTerm, i);
    if (!has_same_pixel (t, TRUE) || !is_listed (plan, t->map, (guint) judge))
      return -1;
  }
  return state->list_of[judge];
}

void
dcnn_cuda_plan_early (DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  guint n_nodes = session->plan->nodes->len;

  state->early_list = g_new (gint, n_nodes + 1);
  for (guint n = 0; n < n_nodes; n++)
    state->early_list[n] = state->switches.early ? find_early (session, n) :
        -1;
}

/* ---- levels ---------------------------------------------------------------------- */

gboolean
dcnn_cuda_has_squares (const DcnnSession *session)
{
  const CudaState *state = cuda_state (session);

  return session->options.precision != DCNN_PRECISION_F32 &&
      (state->switches.squares < 0 ? session->n_streams > 1 :
          state->switches.squares > 0);
}

void
dcnn_cuda_plan_levels (DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  gboolean early = FALSE;

  for (guint n = 0; n < session->plan->nodes->len; n++)
    early |= state->early_list[n] >= 0;
  state->early_now = g_new0 (gboolean, session->plan->nodes->len + 1);
  state->listed = g_new0 (gdouble, state->n_lists + 1);
  state->is_short = g_new0 (gboolean, session->plan->nodes->len + 1);
  state->conv_rooms = g_new0 (void *, session->plan->nodes->len + 1);
  state->levels[0].early = early;
  state->levels[1] = busy_level;
  state->n_levels = early ? 2 : 1;
  if (state->device.whole_maps && dcnn_cuda_has_squares (session)) {
    state->levels[1] = square_level;
    if (state->switches.squares > 0)
      state->levels[1].from = 0;
    state->n_levels = 2;
  }
  if (state->sectioned) /* one level, whose graphs are the sections' */
    state->n_levels = 1;
  else if (state->device.whole_maps && state->switches.whole &&
      !state->exact_weights)
    state->levels[state->n_levels++] =
        (CudaLevel) { .from = 1, .whole = TRUE };
}

void
dcnn_cuda_free_level (CudaLevel *level)
{
  if (level->graph)
    (void) cudaGraphExecDestroy (level->graph);
  for (guint i = 0; level->times && i < level->times->len; i++)
    (void) cudaEventDestroy (g_array_index (level->times, CudaTime, i).end);
  if (level->times)
    g_array_unref (level->times);
  g_free (level->late);
}

/* The work of the streams that have a frame, in dense frames of all streams. */
static gdouble
expected_share (const DcnnSession *session)
{
  const CudaState *state = cuda_state (session);
  gdouble share = 0;

  for (guint s = 0; s < session->n_streams; s++) {
    const DcnnStream *stream = &session->streams[s];
    if (!state->fresh[s])
      continue;
    share += stream->cpu->dense ? 1 : (gdouble) stream->stats.macs_done /
        (gdouble) MAX (1, session->plan->macs);
  }
  return share / session->n_streams;
}

static gboolean
all_dense (const DcnnSession *session)
{
  for (guint s = 0; s < session->n_streams; s++)
    if (!cuda_state (session)->host_streams[s].dense)
      return FALSE;
  return TRUE;
}

guint
dcnn_cuda_choose_level (const DcnnSession *session)
{
  const CudaState *state = cuda_state (session);
  gint wish = state->switches.level;
  gdouble share = expected_share (session);
  guint level = 0;

  if (wish >= 0)
    level = MIN ((guint) wish, state->n_levels - 1);
  if (wish >= 0 && (!state->levels[level].whole || all_dense (session)))
    return level;
  level = 0;
  while (level + 1 < state->n_levels - state->n_exits &&
      share >= state->levels[level + 1].from &&
      (!state->levels[level + 1].whole || all_dense (session)))
    level++;
  return level == 0 ? dcnn_cuda_choose_exit (session) : level;
}
