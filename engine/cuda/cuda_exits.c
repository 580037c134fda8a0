/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_exits.c - a frame ends where nothing has changed any more.
 *
 * A change dies out within the network, or never reaches some of it; each node
 * behind that place is a launch that finds its list empty, two microseconds one
 * after the other. So there are graphs in two parts (CudaLevel.exit), the second of
 * which is within a conditional node. Before it somebody looks at the masks that
 * anything in it reads of what was written in the first. Where all are empty in all
 * streams, and none has anything of its own to do (a dense frame, settling, a
 * window that moves), no node of the second part has a candidate, and it does not
 * run. Its masks are then those of an earlier frame: whoever reads a mask from
 * outside (gathers, counts, probes) asks first whether it ran.
 *
 * A look and a conditional node take 10 us. So a graph has one, each at another
 * place, and a frame takes the one behind what the last frames reached.
 */
#include "cuda_graph.h"

#include <string.h>

/* Launches on the longest path from one exit to the next, at least, and by how many
 * one may lengthen it. */
#define EXIT_DEPTH 12
#define EXIT_LOSS 1

static guint
wished_depth (const CudaSwitches *switches)
{
  if (!DCNN_CUDA_PARTS || switches->times)
    return 0; /* marks of time are not for conditional nodes */
  return switches->exits >= 0 ? (guint) switches->exits : EXIT_DEPTH;
}

/* A gather reads what is there at the end, whichever parts ran. */
static gboolean
is_last (const Frame *f, const Item *item)
{
  return item->kind == ITEM_NODE && plan_node (f->session->plan,
      (gint) item->index)->kind == PLAN_GATHER;
}

/* ---- where ------------------------------------------------------------------------ */

/* Launches on the longest path to each item, and from each to the end, itself
 * included. */
static void
measure (const Frame *f, guint *to, guint *from)
{
  for (guint i = 0; i < f->items->len; i++)
    to[i] = from[i] = is_last (f, frame_item (f, i)) ? 0 : 1;
  for (guint i = 0; i < f->items->len; i++)
    for (guint d = 0; d < frame_item (f, i)->deps->len && to[i] > 0; d++)
      to[i] = MAX (to[i], 1 + to[g_array_index (frame_item (f, i)->deps,
                  guint, d)]);
  for (guint i = f->items->len; i-- > 0;)
    for (guint d = 0; d < frame_item (f, i)->deps->len && from[i] > 0; d++) {
      guint *before = &from[g_array_index (frame_item (f, i)->deps, guint, d)];
      *before = MAX (*before, 1 + from[i]);
    }
}

/* Places before which all may be waited for at little loss, as far from each other
 * as they are from both ends. */
guint
dcnn_cuda_find_exits (const Frame *f, guint exits[CUDA_MAX_EXITS])
{
  guint n = f->items->len, longest = 0, done = 0, wanted, found = 0;
  const CudaState *state = cuda_state (f->session);
  /* what gathers read of merged masks is not known to be late */
  guint depth = state->sectioned || state->gathers_merged ? 0 :
      wished_depth (&state->switches);
  g_autofree guint *to = g_new0 (guint, n + 1);
  g_autofree guint *from = g_new0 (guint, n + 1);
  g_autofree guint *rest = g_new0 (guint, n + 1);

  measure (f, to, from);
  for (guint i = n; i-- > 0;)
    rest[i] = MAX (rest[i + 1], from[i]);
  for (guint i = 0; i < n; i++)
    longest = MAX (longest, to[i]);
  wanted = depth == 0 || longest < depth ? 0 :
      MIN (longest / depth - 1, CUDA_MAX_EXITS);
  for (guint i = 0; i < n && found < wanted; i++) {
    if (done * (wanted + 1) >= longest * (found + 1) && rest[i] >= depth &&
        done + rest[i] <= longest + EXIT_LOSS)
      exits[found++] = i;
    done = MAX (done, to[i]);
  }
  return found;
}

/* ---- what the second part begins with -------------------------------------------------- */

/* Whether a node's pixels are put into its mask in the second part; and whether the
 * mask is made anew there. Inputs are not. */
static gboolean
is_late_node (const Frame *f, gint node)
{
  gint item = node < 0 ? -1 : f->item_of_node[node];

  return item >= 0 && frame_item (f, (guint) item)->part == PART_BEHIND;
}

static gboolean
is_late_mask (const Frame *f, gint node)
{
  gint list = node < 0 ? -1 : cuda_state (f->session)->list_of[node];
  gint item = list < 0 ? -1 : f->item_of_list[list];

  return item < 0 ? is_late_node (f, node) :
      frame_item (f, (guint) item)->part == PART_BEHIND;
}

/* The masks of a map, or of its pieces, that were written before. */
static void
add_live (const Frame *f, gint index, DcnnCudaLive *live, guint *n)
{
  const CudaState *state = cuda_state (f->session);
  const PlanMap *map = plan_map (f->session->plan, index);
  DcnnCudaLive l = { .words = (guint32) dcnn_mask_words (map->width,
        map->height) };

  if (map->mask < 0) {
    for (guint i = 0; map->pieces && i < map->pieces->len; i++)
      add_live (f, g_array_index (map->pieces, gint, i), live, n);
    return;
  }
  l.updated = state->updated[map->mask];
  l.exact = state->exact[map->mask];
  for (guint i = 0; i < *n; i++)
    if (live[i].updated == l.updated)
      return;
  if (!is_late_node (f, map->source))
    live[(*n)++] = l;
}

static guint
find_live (const Frame *f, DcnnCudaLive *live)
{
  const DcnnPlan *plan = f->session->plan;
  guint n = 0;

  for (guint i = 0; i < plan->nodes->len; i++) {
    const PlanNode *node = plan_node (plan, (gint) i);
    if (!is_late_node (f, (gint) i))
      continue;
    if (node->kind == PLAN_GLOBAL)
      add_live (f, node->in, live, &n);
    for (guint t = 0; node->kind == PLAN_KERNEL && t < node->terms->len; t++)
      add_live (f, g_array_index (node->terms, PlanTerm, t).map, live, &n);
  }
  return n;
}

/* Who counts bits, and the host, are told which are made anew behind the exit. */
static cudaError_t
tell_late (const Frame *f, CudaLevel *level)
{
  CudaState *state = cuda_state (f->session);
  const DcnnPlan *plan = f->session->plan;
  g_autofree guint32 *counted = g_new0 (guint32, state->n_counted + 1);

  level->late = g_new0 (gboolean, (gsize) plan->n_masks + 1);
  for (guint m = 0; m < plan->maps->len; m++)
    if (plan_map (plan, (gint) m)->mask >= 0)
      level->late[plan_map (plan, (gint) m)->mask] = is_late_mask (f,
          plan_map (plan, (gint) m)->source);
  for (guint i = 0; i < state->n_counted; i++)
    counted[i] = is_late_mask (f, state->counted_node[i]);
  return cudaMemcpy (level->counted_late, counted, state->n_counted * 4,
      cudaMemcpyHostToDevice);
}

cudaError_t
dcnn_cuda_plan_exit (Frame *f)
{
  CudaState *state = cuda_state (f->session);
  guint which = state->level + state->n_exits - state->n_levels;
  gsize most = (gsize) f->session->plan->n_masks + 1;
  CudaLevel *level = &state->levels[state->level];
  g_autofree DcnnCudaLive *live = g_new0 (DcnnCudaLive, most);
  cudaError_t e;

  for (guint i = level->exit; i < f->items->len; i++)
    frame_item (f, i)->part = PART_BEHIND;
  for (guint i = 0; i < f->items->len; i++)
    if (is_last (f, frame_item (f, i)))
      frame_item (f, i)->part = PART_LAST;
  level->live = state->live + which * most;
  level->counted_late = state->counted_late +
      which * (f->session->plan->nodes->len + 1);
  level->n_live = find_live (f, live);
  e = cudaMemcpy (level->live, live, level->n_live * sizeof *live,
      cudaMemcpyHostToDevice);
  return e == cudaSuccess ? tell_late (f, level) : e;
}

/* ---- which exit a frame takes ------------------------------------------------------------ */

void
dcnn_cuda_note_uses (const Frame *f)
{
  CudaState *state = cuda_state (f->session);

  for (guint n = 0; n < f->session->plan->nodes->len; n++)
    if (state->list_of[n] >= 0 && f->item_of_node[n] >= 0)
      state->last_use[state->list_of[n]] =
          MAX (state->last_use[state->list_of[n]], (guint) f->item_of_node[n]);
}

gboolean
dcnn_cuda_is_mask_new (const DcnnSession *session, gint mask)
{
  const CudaState *state = cuda_state (session);
  const CudaLevel *level = &state->levels[state->level];

  return mask >= 0 && (level->exit == 0 || !level->late[mask] ||
      state->host_counters[cuda_counter (session, CUDA_RAN)]);
}

void
dcnn_cuda_see_reached (DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  const guint32 *candidates = state->host_counters +
      cuda_counter (session, CUDA_CANDIDATES);
  guint reached = 0;

  if (state->idle)
    return;
  for (guint l = 0; l < state->n_lists && state->n_exits > 0; l++)
    for (guint s = 0; s < session->n_streams; s++)
      if (candidates[l * session->n_streams + s] > 0)
        reached = MAX (reached, state->last_use[l]);
  memmove (state->reached + 1, state->reached, sizeof state->reached -
      sizeof *state->reached);
  state->reached[0] = reached;
}

guint
dcnn_cuda_choose_exit (const DcnnSession *session)
{
  const CudaState *state = cuda_state (session);
  guint reached = 0, first = state->n_levels - state->n_exits;

  for (guint i = 0; i < G_N_ELEMENTS (state->reached); i++)
    reached = MAX (reached, state->reached[i]);
  for (guint l = first; l < state->n_levels; l++)
    if (state->levels[l].exit > reached)
      return l;
  return 0;
}

/* ---- the conditional node -------------------------------------------------------------- */

#if DCNN_CUDA_PARTS
cudaError_t
dcnn_cuda_add_conditional (Frame *f, DcnnCudaBuild *build, cudaGraph_t *within)
{
  CudaState *state = cuda_state (f->session);
  const CudaLevel *level = &state->levels[state->level];
  struct cudaGraphNodeParams params = { .type = cudaGraphNodeTypeConditional };
  cudaGraphConditionalHandle handle;
  cudaGraphNode_t node;
  cudaError_t e = cudaGraphConditionalHandleCreate (&handle, build->graph, 0,
      cudaGraphCondAssignDefault);

  if (e == cudaSuccess)
    e = dcnn_cuda_look (level->live, level->n_live, f->session->n_streams,
        state->streams, state->counters + cuda_counter (f->session, CUDA_RAN),
        handle, (DcnnCudaQueue) { NULL, build, FALSE });
  params.conditional.handle = handle;
  params.conditional.type = cudaGraphCondTypeIf;
  params.conditional.size = 1;
  if (e == cudaSuccess)
    e = cudaGraphAddNode (&node, build->graph, build->after, NULL,
        build->n_after, &params);
  if (e != cudaSuccess)
    return e;
  build->after[0] = node;
  build->n_after = 1;
  *within = params.conditional.phGraph_out[0];
  return cudaSuccess;
}
#else
cudaError_t
dcnn_cuda_add_conditional (Frame *f, DcnnCudaBuild *build, cudaGraph_t *within)
{
  (void) f;
  (void) build;
  (void) within;
  return cudaErrorNotSupported;
}
#endif
