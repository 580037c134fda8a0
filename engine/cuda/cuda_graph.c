/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_graph.c - a frame as one graph: what has to wait for what, so that
 * branches of a network run side by side. Its nodes are added one by one: a
 * capture would be ended by whoever waits for the whole GPU meanwhile.
 */
#include "cuda_graph.h"

#include <string.h>

/* Of the level at hand; NULL: not asked for. */
static GArray *
times_of (const DcnnSession *session)
{
  const CudaState *state = cuda_state (session);

  return state->levels[state->level].times;
}

static void
item_free (gpointer data)
{
  Item *item = data;

  g_free (item->before);
  g_array_unref (item->deps);
  g_free (item);
}

static gboolean
is_before (const Item *item, guint other)
{
  return item->before[other / 64] >> (other % 64) & 1;
}

static void
add_dep (Frame *f, Item *item, gint dep)
{
  guint d = (guint) dep;

  if (dep < 0 || is_before (item, d))
    return;
  item->section = MAX (item->section, frame_item (f, d)->section);
  for (gsize w = 0; w < f->words; w++)
    item->before[w] |= frame_item (f, d)->before[w];
  item->before[d / 64] |= 1ull << (d % 64);
  for (guint i = item->deps->len; i-- > 0;)
    if (is_before (frame_item (f, d), g_array_index (item->deps, guint, i)))
      g_array_remove_index (item->deps, i);
  g_array_append_val (item->deps, d);
}

/* What writes a map, or its pieces. FALSE: some of it is not put yet. */
static gboolean
add_map (Frame *f, Item *item, gint index)
{
  const PlanMap *map = plan_map (f->session->plan, index);
  gboolean all = TRUE;
  gint dep;

  if (map->mask < 0) {
    for (guint i = 0; map->pieces && i < map->pieces->len; i++)
      all &= add_map (f, item, g_array_index (map->pieces, gint, i));
    return all;
  }
  dep = map->source >= 0 ? f->item_of_node[map->source] :
      f->item_of_map[index];
  add_dep (f, item, dep);
  return dep >= 0;
}

static Item *
new_item (const Frame *f, ItemKind kind, guint index)
{
  Item *item = g_new0 (Item, 1);

  item->kind = kind;
  item->index = index;
  item->take = -1;
  item->ends = TRUE;
  item->before = g_new0 (guint64, f->words);
  item->deps = g_array_new (FALSE, FALSE, sizeof (guint));
  return item;
}

static gint
put_item (Frame *f, Item *item)
{
  g_ptr_array_add (f->items, item);
  return (gint) f->items->len - 1;
}

/* ---- what waits for what ------------------------------------------------------- */

/* What writes the masks that are read. FALSE: some of it is not put yet. */
static gboolean
add_masks (Frame *f, Item *item, const GArray *reads)
{
  gboolean all = TRUE;

  for (guint i = 0; i < reads->len; i++) {
    gint map = g_array_index (reads, PlanTerm, i).map;
    gint merge = map >= 0 ? 0 : f->item_of_merge[-1 - map];
    if (map >= 0)
      all &= add_map (f, item, map);
    else
      add_dep (f, item, merge);
    all &= merge >= 0;
  }
  return all;
}

static gboolean
add_list (Frame *f, Item *item, guint list)
{
  return add_masks (f, item, cuda_state (f->session)->list_reads->pdata[list]);
}

/* Whether a list needs nothing that the item does not wait for. */
static gboolean
is_ready (Frame *f, const Item *item, guint list)
{
  Item *other = new_item (f, ITEM_LISTS, 0);
  gboolean ready = add_list (f, other, list);

  for (gsize w = 0; w < f->words; w++)
    ready &= (other->before[w] & ~item->before[w]) == 0;
  item_free (other);
  return ready;
}

/* Lists from `first` on that can be made when the item begins. Returns how many
 * words the largest has. */
static guint
find_ready (Frame *f, const Item *item, guint first, GArray *ready)
{
  const CudaState *state = cuda_state (f->session);
  guint words = 0;

  for (guint l = first; l < MIN (state->n_lists, first + 64); l++) {
    if (f->item_of_list[l] >= 0 || !f->is_read[l] ||
        (l != first && !is_ready (f, item, l)))
      continue;
    g_array_append_val (ready, l);
    words = MAX (words, state->lists[l].words);
  }
  return words;
}

static void
take_lists (Frame *f, Item *item, gint at, const GArray *lists)
{
  item->first_list = f->n_ordered;
  item->n_lists = lists->len;
  for (guint i = 0; i < lists->len; i++) {
    guint l = g_array_index (lists, guint, i);
    f->item_of_list[l] = at;
    f->ordered[f->n_ordered] = cuda_state (f->session)->lists[l];
    if (!f->by_squares[l])
      f->ordered[f->n_ordered].squares = NULL;
    f->n_ordered++;
  }
}

/* A node's list, and with it those of the next nodes that can be made at the
 * same time. */
static void
put_lists (Frame *f, guint first, guint node)
{
  g_autoptr (GArray) ready = g_array_new (FALSE, FALSE, sizeof (guint));
  Item *item = new_item (f, ITEM_LISTS, node);

  add_list (f, item, first);
  (void) find_ready (f, item, first, ready);
  take_lists (f, item, put_item (f, item), ready);
}

/* Merges that are read, and that nobody has read so far, for that node. In frames that
 * are dense all gates are. */
static void
put_merges (Frame *f, const GArray *reads, guint node)
{
  const CudaState *state = cuda_state (f->session);
  for (guint i = 0; i < reads->len; i++) {
    gint map = g_array_index (reads, PlanTerm, i).map;
    const CudaMerge *merge;
    Item *item;
    if (map >= 0 || f->item_of_merge[-1 - map] >= 0)
      continue;
    merge = dcnn_cuda_merge (state, (guint) (-1 - map));
    if (merge->gate >= 0 && state->levels[state->level].whole)
      continue;
    put_merges (f, merge->terms, node);
    item = new_item (f, ITEM_LISTS, node);
    item->take = merge->gate >= 0 ? -1 - map : -1;
    add_masks (f, item, merge->terms);
    item->first_list = f->n_ordered;
    item->n_lists = 1;
    f->ordered[f->n_ordered++] = merge->list;
    f->item_of_merge[-1 - map] = put_item (f, item);
  }
}

/* What reads maps whole reads their masks. item NULL: merges are put alone. */
static void
add_whole (Frame *f, Item *item, GArray *whole, guint node)
{
  g_autoptr (GArray) reads = whole;

  if (item)
    add_masks (f, item, reads);
  else
    put_merges (f, reads, node);
}

static void
add_wholes (Frame *f, Item *item, guint n)
{
  const PlanNode *node = plan_node (f->session->plan, (gint) n);
  cudaError_t none = cudaSuccess;

  if (node->kind == PLAN_GLOBAL)
    add_whole (f, item, dcnn_cuda_reads_of_global (f->session, n, &none), n);
  for (guint i = 0; node->kind == PLAN_GATHER && i < node->sources->len; i++)
    add_whole (f, item, dcnn_cuda_reads_of_map (f->session, g_array_index (
                node->sources, PlanGatherSource, i).map, &none), n);
}

/* What a node reads besides its list. */
static void
add_reads (Frame *f, Item *item, guint n)
{
  const PlanNode *node = plan_node (f->session->plan, (gint) n);

  if (node->in >= 0)
    add_map (f, item, dcnn_cuda_reads (f->session, n));
  for (gint s = 0; s < node->n_steps; s++)
    if (node->steps[s].map >= 0)
      add_map (f, item, node->steps[s].map);
  for (guint i = 0; node->sources && i < node->sources->len; i++)
    add_map (f, item, g_array_index (node->sources, PlanGatherSource, i).map);
}

/* A node that may begin without its own list, which is then made by its launch, or
 * by one of its own beside it. FALSE: its list comes first. */
static gboolean
put_early (Frame *f, guint n)
{
  CudaState *state = cuda_state (f->session);
  g_autoptr (GArray) ready = g_array_new (FALSE, FALSE, sizeof (guint));
  guint list = (guint) state->list_of[n], words;
  gboolean made, fits;
  Item *item;

  if (!state->levels[state->level].early || state->early_list[n] < 0)
    return FALSE;
  made = f->item_of_list[list] >= 0;
  item = new_item (f, ITEM_NODE, n);
  add_reads (f, item, n);
  if (made && (is_before (item, (guint) f->item_of_list[list]) ||
          frame_item (f, (guint) f->item_of_list[list])->kind == ITEM_LISTS)) {
    item_free (item); /* it is there, or made by a launch of its own */
    return FALSE;
  }
  words = made ? 0 : find_ready (f, item, list, ready);
  fits = !made && is_ready (f, item, list) &&
      dcnn_cuda_fits_beside (f->session, n, words, ready->len);
  if (!made && !fits) {
    item_free (item);
    return FALSE;
  }
  state->early_now[n] = TRUE;
  f->item_of_node[n] = put_item (f, item);
  if (fits)
    take_lists (f, item, f->item_of_node[n], ready);
  return TRUE;
}

/* A tail is run by the host once it has all that it reads. */
static void
note_tail (Frame *f, guint n)
{
  const DcnnPlan *plan = f->session->plan;
  const DcnnNode *gn = dcnn_graph_node (plan->graph,
      plan_node (plan, (gint) n)->graph_node);
  guint section = 0;

  for (gint i = 0; i < gn->n_inputs; i++)
    if (gn->inputs[i] >= 0)
      section = MAX (section, f->section_of_value[gn->inputs[i]]);
  for (gint i = 0; i < gn->n_outputs; i++)
    if (gn->outputs[i] >= 0)
      f->section_of_value[gn->outputs[i]] = section;
  cuda_state (f->session)->section_of[n] = section;
}

/* What the host has done in one section comes in with the next one. */
static void
put_import (Frame *f, guint n)
{
  CudaState *state = cuda_state (f->session);
  const PlanNode *node = plan_node (f->session->plan, (gint) n);
  Item *item = new_item (f, ITEM_INPUT, (guint) node->out);

  item->section = state->section_of[n] = f->section_of_value[node->value] + 1;
  state->n_sections = MAX (state->n_sections, item->section + 1);
  f->item_of_node[n] = put_item (f, item);
}

static void
put_node (Frame *f, guint n)
{
  CudaState *state = cuda_state (f->session);
  const PlanNode *node = plan_node (f->session->plan, (gint) n);
  gint list = state->list_of[n];
  Item *item;

  if (state->folded[n])
    return;
  if (list >= 0)
    put_merges (f, state->list_reads->pdata[list], n);
  add_wholes (f, NULL, n);
  if (node->kind == PLAN_TAIL)
    note_tail (f, n);
  if (node->kind == PLAN_IMPORT)
    put_import (f, n);
  if (node->kind == PLAN_TAIL || node->kind == PLAN_IMPORT || put_early (f, n))
    return;
  if (list >= 0 && !f->is_read[list])
    list = -1;
  if (list >= 0 && f->item_of_list[list] < 0)
    put_lists (f, (guint) list, n);
  item = new_item (f, ITEM_NODE, n);
  if (list >= 0)
    add_dep (f, item, f->item_of_list[list]);
  add_reads (f, item, n);
  add_wholes (f, item, n);
  f->item_of_node[n] = put_item (f, item);
  if (node->kind == PLAN_GATHER)
    f->section_of_value[node->value] = state->section_of[n] = item->section;
}

/* Where the level's lists are described, on the device; levels that have an exit
 * launch those of the first. */
static DcnnCudaList *
lists_of_level (const CudaState *state)
{
  guint level = state->levels[state->level].exit > 0 ? 0 : state->level;

  return state->device_lists + level * (state->n_lists + state->merges->len +
      1);
}

/* ---- the graph ---------------------------------------------------------------------- */

static cudaError_t
launch_item (Frame *f, const Item *item, DcnnCudaQueue queue)
{
  CudaState *state = cuda_state (f->session);
  DcnnCudaBeside beside = { .n = item->n_lists,
    .lists = lists_of_level (state) + item->first_list,
    .streams = state->streams, .n_streams = f->session->n_streams };
  guint words = 0;
  cudaError_t e;

  for (guint i = 0; i < item->n_lists; i++)
    words = MAX (words, f->ordered[item->first_list + i].words);
  if (item->kind == ITEM_INPUT)
    return dcnn_cuda_launch_input (f->session, item->index, queue);
  if (item->kind == ITEM_LISTS) {
    e = dcnn_cuda_lists (beside.lists, beside.n, words, beside.n_streams,
        beside.streams, queue);
    return e != cudaSuccess || item->take < 0 ? e :
        dcnn_cuda_launch_take (f->session, dcnn_cuda_merge (state,
                (guint) item->take), queue);
  }
  return beside.n == 0 ?
      dcnn_cuda_launch_node (f->session, item->index, queue) :
      dcnn_cuda_launch_beside (f->session, item->index, words, &beside, queue);
}

/* A mark of time behind an item, or behind what is before the first. */
static cudaError_t
mark_time (Frame *f, const Item *item, DcnnCudaBuild *build)
{
  GArray *times = times_of (f->session);
  CudaTime t = { NULL, -1, FALSE };
  cudaGraphNode_t node = NULL;
  cudaError_t e = cudaEventCreate (&t.end);

  if (item && item->kind == ITEM_NODE)
    t.node = (gint) item->index;
  else if (item && item->kind == ITEM_LISTS)
    t = (CudaTime) { t.end, (gint) item->index, TRUE };
  if (e == cudaSuccess)
    e = cudaGraphAddEventRecordNode (&node, build->graph, build->after,
        build->n_after, t.end);
  build->after[0] = node;
  build->n_after = 1;
  g_array_append_val (times, t);
  return e;
}

/* An item behind what is before it, which in a kernel's case it may overlap. */
static cudaError_t
add_item (Frame *f, Item *item, gboolean overlaps, DcnnCudaBuild *build,
    GString *where)
{
  cudaGraphNode_t before = build->n_after > 0 ? build->after[0] : NULL;
  cudaError_t e = launch_item (f, item, (DcnnCudaQueue) { NULL, build,
        overlaps });

  item->empty = build->n_after != 1 || build->after[0] == before;
  if (e == cudaSuccess && item->empty)
    e = cudaGraphAddEmptyNode (&item->node, build->graph, build->after,
        build->n_after);
  else
    item->node = build->after[0];
  build->after[0] = item->node;
  build->n_after = 1;
  if (e != cudaSuccess && item->kind == ITEM_NODE)
    g_string_printf (where, "launching node '%s'",
        plan_node (f->session->plan, (gint) item->index)->name);
  return e;
}

/* What an item waits for within its part, which does not end that, else what is
 * there before it. Whether these are kernels, which it may overlap. */
static gboolean
go_behind (Frame *f, const Item *item, const DcnnCudaBuild *first,
    DcnnCudaBuild *build)
{
  gboolean kernels = cuda_state (f->session)->device.clusters;

  build->n_after = 0;
  for (guint k = 0; k < item->deps->len; k++) {
    Item *dep = frame_item (f, g_array_index (item->deps, guint, k));
    if (dep->part != item->part || dep->section != item->section)
      continue;
    dep->ends = FALSE;
    kernels &= !dep->empty;
    build->after[build->n_after++] = dep->node;
  }
  if (build->n_after > 0)
    return kernels;
  memcpy (build->after, first->after, first->n_after * sizeof *first->after);
  build->n_after = first->n_after;
  return FALSE;
}

static gboolean
is_in (const Item *item, ItemPart part, guint section)
{
  return item->part == part && item->section == section;
}

/* The items of a part, behind what is there before; what is there then are those
 * that end it. With marks of time they are one after the other. */
static cudaError_t
add_part (Frame *f, ItemPart part, guint section, DcnnCudaBuild *build,
    GString *where)
{
  g_autofree cudaGraphNode_t *after = g_new (cudaGraphNode_t,
      f->items->len + 1);
  DcnnCudaBuild next = { build->graph, after, 0 };
  gboolean marks = times_of (f->session) != NULL;
  guint n = 0;
  cudaError_t e = cudaSuccess;

  if (marks)
    e = mark_time (f, NULL, build);
  for (guint i = 0; i < f->items->len && e == cudaSuccess; i++) {
    Item *item = frame_item (f, i);
    gboolean overlaps;
    if (!is_in (item, part, section))
      continue;
    overlaps = go_behind (f, item, build, &next);
    if (marks)
      e = add_item (f, item, FALSE, build, where);
    else
      e = add_item (f, item, overlaps, &next, where);
    if (e == cudaSuccess && marks)
      e = mark_time (f, item, build);
  }
  if (marks)
    return e;
  for (guint i = 0; i < f->items->len; i++)
    if (is_in (frame_item (f, i), part, section) && frame_item (f, i)->ends)
      build->after[n++] = frame_item (f, i)->node;
  build->n_after = n > 0 ? n : build->n_after;
  return e;
}

/* The exit, and what follows. */
static cudaError_t
add_exit (Frame *f, DcnnCudaBuild *build, GString *where)
{
  g_autofree cudaGraphNode_t *after = g_new (cudaGraphNode_t,
      f->items->len + 1);
  DcnnCudaBuild within = { NULL, after, 0 };
  cudaError_t e = dcnn_cuda_add_conditional (f, build, &within.graph);

  if (e == cudaSuccess)
    e = add_part (f, PART_BEHIND, 0, &within, where);
  return e == cudaSuccess ? add_part (f, PART_LAST, 0, build, where) : e;
}

/* All that a frame launches in a section. */
static cudaError_t
add_section (Frame *f, guint section, DcnnCudaBuild *build, GString *where)
{
  CudaState *state = cuda_state (f->session);
  const CudaLevel *level = &state->levels[state->level];
  struct cudaMemsetParams counters = { .dst = state->counters,
    .elementSize = 4, .width = state->n_counters, .height = 1 };
  guint32 *ran = level->exit == 0 ? NULL : state->counters +
      cuda_counter (f->session, CUDA_RAN);
  cudaError_t e = cudaSuccess;

  if (section == 0) {
    e = cudaGraphAddMemsetNode (&build->after[0], build->graph, NULL, 0,
        &counters);
    build->n_after = 1;
  }
  if (e == cudaSuccess && f->first_unread < f->n_ordered)
    e = dcnn_cuda_dense_lists (lists_of_level (state) + f->first_unread,
        f->n_ordered - f->first_unread, f->session->n_streams,
        (DcnnCudaQueue) { NULL, build, FALSE });
  if (e == cudaSuccess)
    e = add_part (f, PART_FIRST, section, build, where);
  if (e == cudaSuccess && level->exit > 0)
    e = add_exit (f, build, where);
  if (e == cudaSuccess && section + 1 == state->n_sections &&
      state->n_counted > 0)
    e = dcnn_cuda_count (state->counted, state->n_counted,
        f->session->n_streams, ran, level->counted_late,
        state->counters + cuda_counter (f->session, CUDA_JOINED),
        state->counters + cuda_counter (f->session, CUDA_PENDING),
        (DcnnCudaQueue) { NULL, build, FALSE });
  return e;
}

/* The gates that a node may take: they wait for all else that it reads. */
static void
put_gates_of (Frame *f, guint n)
{
  const CudaState *state = cuda_state (f->session);

  for (guint m = 0; m < state->merges->len; m++)
    if (dcnn_cuda_merge (state, m)->reader == (gint) n)
      put_node (f, (guint) dcnn_cuda_merge (state, m)->gate);
}

static void
put_all (Frame *f)
{
  const DcnnPlan *plan = f->session->plan;

  for (guint m = 0; m < plan->maps->len; m++)
    if (plan_map (plan, (gint) m)->graph_input >= 0)
      f->item_of_map[m] = put_item (f, new_item (f, ITEM_INPUT, m));
  for (guint n = 0; n < plan->nodes->len; n++) {
    if (cuda_state (f->session)->take_of[n] >= 0)
      continue;
    put_gates_of (f, n);
    put_node (f, n);
  }
}

/* Launches of whole maps go by no list. Where another launch goes by the same one, they
 * wait for it all the same, since making it clears their masks. */
static void
find_read (Frame *f)
{
  const CudaState *state = cuda_state (f->session);

  f->is_read = g_new0 (gboolean, state->n_lists + 1);
  f->by_squares = g_new0 (gboolean, state->n_lists + 1);
  for (guint l = 0; l < state->n_lists; l++)
    f->is_read[l] = !state->levels[state->level].whole;
  for (guint n = 0; n < f->session->plan->nodes->len; n++) {
    if (state->list_of[n] < 0 || state->folded[n])
      continue;
    f->by_squares[state->list_of[n]] |= dcnn_cuda_runs_squares (f->session, n);
    f->is_read[state->list_of[n]] |= !dcnn_cuda_runs_whole (f->session, n);
  }
}

/* Lists that nothing reads, behind all others. */
static void
put_unread (Frame *f)
{
  const CudaState *state = cuda_state (f->session);

  f->first_unread = f->n_ordered;
  for (guint l = 0; l < state->n_lists; l++)
    if (!f->is_read[l])
      f->ordered[f->n_ordered++] = state->lists[l];
}

static cudaError_t
frame_init (Frame *f, DcnnSession *session)
{
  const DcnnPlan *plan = session->plan;
  guint n = plan->nodes->len, maps = plan->maps->len;
  guint merges = cuda_state (session)->merges->len;
  cudaError_t e = cudaSuccess;

  f->session = session;
  f->items = g_ptr_array_new_with_free_func (item_free);
  f->words = (2 * n + maps + merges + 63) / 64 + 1;
  f->item_of_node = g_new (gint, n + 1);
  f->item_of_list = g_new (gint, 2 * n + 1);
  f->item_of_map = g_new (gint, maps + 1);
  f->item_of_merge = g_new (gint, merges + 1);
  f->ordered = g_new0 (DcnnCudaList, 2 * n + merges + 1);
  f->section_of_value = g_new0 (guint, plan->graph->values->len + 1);
  memset (f->item_of_node, 0xff, sizeof (gint) * n);
  memset (f->item_of_list, 0xff, sizeof (gint) * 2 * n);
  memset (f->item_of_map, 0xff, sizeof (gint) * maps);
  memset (f->item_of_merge, 0xff, sizeof (gint) * merges);
  memset (cuda_state (session)->early_now, 0, n * sizeof (gboolean));
  find_read (f);
  put_all (f);
  put_unread (f);
  if (cuda_state (session)->levels[cuda_state (session)->level].exit > 0)
    e = dcnn_cuda_plan_exit (f);
  return e != cudaSuccess ? e : cudaMemcpy (lists_of_level (cuda_state (
              session)), f->ordered, f->n_ordered * sizeof (DcnnCudaList),
      cudaMemcpyHostToDevice);
}

static void
frame_clear (Frame *f)
{
  g_ptr_array_unref (f->items);
  g_free (f->item_of_node);
  g_free (f->item_of_list);
  g_free (f->is_read);
  g_free (f->by_squares);
  g_free (f->item_of_map);
  g_free (f->item_of_merge);
  g_free (f->ordered);
  g_free (f->section_of_value);
}

/* What a frame launches: a line an item, on standard error. */
static void
dump_items (const Frame *f)
{
  const CudaState *state = cuda_state (f->session);
  const DcnnPlan *plan = f->session->plan;
  guint lists = 0;

  for (guint i = 0; i < f->items->len; i++) {
    const Item *item = frame_item (f, i);
    const char *name = item->kind == ITEM_INPUT ? "input" :
        item->kind == ITEM_LISTS ? "lists" :
        plan_node (plan, (gint) item->index)->name;
    lists += item->kind == ITEM_LISTS;
    g_printerr ("cuda: %u %s", i, name);
    if (item->n_lists > 0)
      g_printerr (" makes %u to %u", item->first_list, item->first_list +
          item->n_lists - 1);
    if (item->kind == ITEM_NODE && state->list_of[item->index] >= 0)
      g_printerr (" list %d%s", state->early_now[item->index] ?
          state->early_list[item->index] : state->list_of[item->index],
          state->early_now[item->index] ? " early" : "");
    g_printerr (" part %u section %u after", item->part, item->section);
    for (guint d = 0; d < item->deps->len; d++)
      g_printerr (" %u", g_array_index (item->deps, guint, d));
    g_printerr ("\n");
  }
  g_printerr ("cuda: level %u: %u items, %u of them make %u lists, exit before "
      "%u\n", state->level, f->items->len, lists, f->n_ordered,
      state->levels[state->level].exit);
}

/* What is in the first level decides where the others have their exit. */
static void
add_exits (const Frame *f)
{
  CudaState *state = cuda_state (f->session);
  guint exits[CUDA_MAX_EXITS];

  state->n_exits = dcnn_cuda_find_exits (f, exits);
  dcnn_cuda_note_uses (f);
  for (guint i = 0; i < state->n_exits; i++) {
    CudaLevel *level = &state->levels[state->n_levels++];
    *level = state->levels[0];
    level->graph = NULL;
    level->exit = exits[i];
  }
}

static cudaError_t
make_graph (Frame *f, guint section, cudaGraphExec_t *to, GString *where)
{
  g_autofree cudaGraphNode_t *after = g_new (cudaGraphNode_t,
      f->items->len + 1);
  DcnnCudaBuild build = { NULL, after, 0 };
  cudaError_t e = cudaGraphCreate (&build.graph, 0);

  if (e == cudaSuccess)
    e = add_section (f, section, &build, where);
  if (e == cudaSuccess)
    e = cudaGraphInstantiate (to, build.graph, 0);
  if (build.graph)
    (void) cudaGraphDestroy (build.graph);
  return e;
}

/* The graphs of state->level. */
static cudaError_t
make_level (DcnnSession *session, GString *where)
{
  CudaState *state = cuda_state (session);
  Frame f = { 0 };
  cudaError_t e;

  if (state->switches.times)
    state->levels[state->level].times = g_array_new (FALSE, FALSE,
        sizeof (CudaTime));
  e = frame_init (&f, session);
  if (e == cudaSuccess && state->level == 0 && state->n_exits == 0)
    add_exits (&f);
  if (e == cudaSuccess)
    e = make_graph (&f, 0, &state->levels[state->level].graph, where);
  for (guint i = 1; i < state->n_sections && e == cudaSuccess; i++)
    e = make_graph (&f, i, &state->sections[i], where);
  if (e == cudaSuccess && state->switches.dump)
    dump_items (&f);
  frame_clear (&f);
  return e;
}

gboolean
dcnn_cuda_make_graphs (DcnnSession *session, GError **error)
{
  CudaState *state = cuda_state (session);
  g_autoptr (GString) where = g_string_new ("making the network's graph");
  cudaError_t e = cudaSuccess;

  for (state->level = 0; state->level < state->n_levels && e == cudaSuccess;
      state->level++)
    e = make_level (session, where);
  state->level = 0;
  /* the queue does not wait for what memory is filled with, here and before */
  if (e == cudaSuccess)
    e = dcnn_cuda_finish_uploads ();
  return dcnn_cuda_check (e, where->str, error);
}

void
dcnn_cuda_remake_graph (DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  g_autoptr (GString) where = g_string_new (NULL);
  CudaLevel *level = &state->levels[state->level], other = *level;
  cudaError_t e;

  level->graph = NULL;
  level->late = NULL;
  level->times = NULL;
  e = make_level (session, where);
  if (e == cudaSuccess)
    e = dcnn_cuda_finish_uploads ();
  if (e != cudaSuccess) {
    CudaLevel failed = *level;
    *level = other;
    other = failed;
  }
  dcnn_cuda_free_level (&other);
}
