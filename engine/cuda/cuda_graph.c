/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_graph.c - a frame as one captured graph: what has to wait for what, and
 * on which of a few streams, so that branches of a network run side by side.
 */
#include "cuda_graph.h"

#include <string.h>

#define BRANCHES 6

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

  if (item->done)
    (void) cudaEventDestroy (item->done);
  g_free (item->before);
  g_array_unref (item->deps);
  g_array_unref (item->waits);
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
  item->before = g_new0 (guint64, f->words);
  item->deps = g_array_new (FALSE, FALSE, sizeof (guint));
  item->waits = g_array_new (FALSE, FALSE, sizeof (guint));
  return item;
}

static gint
put_item (Frame *f, Item *item)
{
  g_ptr_array_add (f->items, item);
  return (gint) f->items->len - 1;
}

/* ---- what waits for what ------------------------------------------------------- */

static gboolean
add_list (Frame *f, Item *item, guint list)
{
  const DcnnPlan *plan = f->session->plan;
  const CudaState *state = cuda_state (f->session);
  const GArray *terms =
      plan_node (plan, (gint) state->list_example[list])->terms;
  gboolean all = TRUE;

  for (guint i = 0; i < terms->len; i++)
    all &= add_map (f, item, g_array_index (terms, PlanTerm, i).map);
  return all;
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
    if (f->item_of_list[l] >= 0 || (l != first && !is_ready (f, item, l)))
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
    f->ordered[f->n_ordered++] = cuda_state (f->session)->lists[l];
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

/* What a node reads besides its list. */
static void
add_reads (Frame *f, Item *item, const PlanNode *node)
{
  if (node->in >= 0)
    add_map (f, item, node->in);
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
  const PlanNode *node = plan_node (f->session->plan, (gint) n);
  g_autoptr (GArray) ready = g_array_new (FALSE, FALSE, sizeof (guint));
  guint list = (guint) state->list_of[n], words;
  gboolean made, fits;
  Item *item;

  if (!state->levels[state->level].early || state->early_list[n] < 0)
    return FALSE;
  made = f->item_of_list[list] >= 0;
  item = new_item (f, ITEM_NODE, n);
  add_reads (f, item, node);
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

static void
put_node (Frame *f, guint n)
{
  const CudaState *state = cuda_state (f->session);
  const PlanNode *node = plan_node (f->session->plan, (gint) n);
  gint list = state->list_of[n];
  Item *item;

  if (node->kind == PLAN_TAIL || put_early (f, n))
    return;
  if (list >= 0 && f->item_of_list[list] < 0)
    put_lists (f, (guint) list, n);
  item = new_item (f, ITEM_NODE, n);
  if (list >= 0)
    add_dep (f, item, f->item_of_list[list]);
  add_reads (f, item, node);
  f->item_of_node[n] = put_item (f, item);
}

/* ---- branches --------------------------------------------------------------------- */

/* Each item goes behind one that it waits for, where that is the last of its
 * branch, else to a branch whose last one it follows anyway. */
static guint
choose_branch (Frame *f, const Item *item, const gint *last)
{
  gint best = -1, spare = -1;

  if (times_of (f->session))
    return 0;
  for (guint b = 0; b < BRANCHES; b++) {
    gboolean is_dep = FALSE;
    for (guint i = 0; i < item->deps->len && last[b] >= 0; i++)
      is_dep |= g_array_index (item->deps, guint, i) == (guint) last[b];
    if (is_dep && (best < 0 || last[b] > last[best]))
      best = (gint) b;
    if (spare < 0 && (last[b] < 0 || is_before (item, (guint) last[b])))
      spare = (gint) b;
  }
  if (best >= 0)
    return (guint) best;
  if (spare >= 0)
    return (guint) spare;
  best = 0;
  for (guint b = 1; b < BRANCHES; b++)
    if (last[b] < last[best])
      best = (gint) b;
  return (guint) best;
}

/* What an item waits for in other branches of its part. */
static gboolean
find_waits (Frame *f, Item *item)
{
  gboolean ok = TRUE;

  for (guint k = 0; k < item->deps->len; k++) {
    guint d = g_array_index (item->deps, guint, k);
    Item *dep = frame_item (f, d);
    if (dep->branch == item->branch || dep->part != item->part)
      continue;
    g_array_append_val (item->waits, d);
    ok &= dep->done || cudaEventCreateWithFlags (&dep->done,
        cudaEventDisableTiming) == cudaSuccess;
  }
  return ok;
}

static gboolean
assign_branches (Frame *f, ItemPart part)
{
  gint last[BRANCHES];
  gboolean ok = TRUE;

  memset (last, 0xff, sizeof last);
  for (guint i = 0; i < f->items->len; i++) {
    Item *item = frame_item (f, i);
    gint ahead;
    if (item->part != part)
      continue;
    item->branch = choose_branch (f, item, last);
    ahead = last[item->branch];
    ok &= find_waits (f, item);
    item->overlaps = ahead >= 0 && item->waits->len == 0 &&
        cuda_state (f->session)->device.clusters &&
        times_of (f->session) == NULL;
    last[item->branch] = (gint) i;
  }
  return ok;
}

/* Where the level's lists are described, on the device; levels that have an exit
 * launch those of the first. */
static DcnnCudaList *
lists_of_level (const CudaState *state)
{
  guint level = state->levels[state->level].exit > 0 ? 0 : state->level;

  return state->device_lists + level * (state->n_lists + 1);
}

/* ---- capture ---------------------------------------------------------------------- */

static cudaError_t
launch_item (Frame *f, const Item *item, DcnnCudaQueue queue)
{
  CudaState *state = cuda_state (f->session);
  DcnnCudaBeside beside = { .n = item->n_lists,
    .lists = lists_of_level (state) + item->first_list,
    .streams = state->streams, .n_streams = f->session->n_streams };
  guint words = 0;

  for (guint i = 0; i < item->n_lists; i++)
    words = MAX (words, f->ordered[item->first_list + i].words);
  if (item->kind == ITEM_INPUT)
    return dcnn_cuda_launch_input (f->session, item->index, queue);
  if (item->kind == ITEM_LISTS)
    return dcnn_cuda_lists (beside.lists, beside.n, words, beside.n_streams,
        beside.streams, queue);
  return beside.n == 0 ?
      dcnn_cuda_launch_node (f->session, item->index, queue) :
      dcnn_cuda_launch_beside (f->session, item->index, words, &beside, queue);
}

/* A mark in the graph behind what was launched last. */
static cudaError_t
mark_time (Frame *f, const Item *item)
{
  CudaState *state = cuda_state (f->session);
  GArray *times = times_of (f->session);
  CudaTime t = { NULL, -1, FALSE };
  cudaError_t e = cudaEventCreate (&t.end);

  if (item && item->kind == ITEM_NODE)
    t.node = (gint) item->index;
  else if (item && item->kind == ITEM_LISTS)
    t = (CudaTime) { t.end, (gint) item->index, TRUE };
  if (e == cudaSuccess)
    e = cudaEventRecordWithFlags (t.end, state->queue,
        cudaEventRecordExternal);
  g_array_append_val (times, t);
  return e;
}

/* A stream of its own for a branch; NULL: *e says why. */
static cudaStream_t
new_branch (Frame *f, cudaError_t *e)
{
  cudaStream_t stream = NULL;

  if (*e == cudaSuccess)
    *e = cudaStreamCreateWithFlags (&stream, cudaStreamNonBlocking);
  if (*e == cudaSuccess)
    g_ptr_array_add (f->streams, stream);
  return stream;
}

/* An item, behind what it waits for in other branches. */
static cudaError_t
launch_behind (Frame *f, const Item *item, cudaStream_t stream, GString *where)
{
  DcnnCudaQueue queue = { stream, item->overlaps };
  cudaError_t e = cudaSuccess;

  for (guint k = 0; k < item->waits->len && e == cudaSuccess; k++)
    e = cudaStreamWaitEvent (stream, frame_item (f, g_array_index (
                item->waits, guint, k))->done, 0);
  if (e == cudaSuccess && times_of (f->session) && item == frame_item (f, 0))
    e = mark_time (f, NULL);
  if (e == cudaSuccess)
    e = launch_item (f, item, queue);
  if (e == cudaSuccess && times_of (f->session))
    e = mark_time (f, item);
  if (e == cudaSuccess && item->done)
    e = cudaEventRecord (item->done, stream);
  if (e != cudaSuccess && item->kind == ITEM_NODE)
    g_string_printf (where, "launching node '%s'",
        plan_node (f->session->plan, (gint) item->index)->name);
  return e;
}

/* The items of a part, in branches that begin and end with the stream. */
static cudaError_t
launch_part (Frame *f, ItemPart part, cudaStream_t stream, GString *where)
{
  cudaStream_t branches[BRANCHES] = { stream };
  cudaEvent_t start = NULL;
  cudaError_t e = cudaEventCreateWithFlags (&start, cudaEventDisableTiming);

  if (e == cudaSuccess)
    e = cudaEventRecord (start, stream);
  for (guint i = 0; i < f->items->len && e == cudaSuccess; i++) {
    const Item *item = frame_item (f, i);
    if (item->part != part)
      continue;
    if (branches[item->branch] == NULL) {
      branches[item->branch] = new_branch (f, &e);
      if (e == cudaSuccess)
        e = cudaStreamWaitEvent (branches[item->branch], start, 0);
    }
    if (e == cudaSuccess)
      e = launch_behind (f, item, branches[item->branch], where);
  }
  for (guint b = 1; b < BRANCHES && e == cudaSuccess; b++)
    if (branches[b]) {
      e = cudaEventRecord (start, branches[b]);
      if (e == cudaSuccess)
        e = cudaStreamWaitEvent (stream, start, 0);
    }
  if (start)
    (void) cudaEventDestroy (start);
  return e;
}

/* behind: what is behind the exit; NULL: there is none. */
static cudaError_t
launch_all (Frame *f, cudaGraph_t behind, GString *where)
{
  CudaState *state = cuda_state (f->session);
  const CudaLevel *level = &state->levels[state->level];
  guint32 *ran = behind == NULL ? NULL : state->counters +
      cuda_counter (f->session, CUDA_RAN);
  cudaError_t e = cudaMemsetAsync (state->counters, 0, state->n_counters * 4,
      state->queue);

  if (e == cudaSuccess)
    e = launch_part (f, PART_FIRST, state->queue, where);
  if (e == cudaSuccess && behind)
    e = dcnn_cuda_add_behind (f, state->queue, behind);
  if (e == cudaSuccess && behind)
    e = launch_part (f, PART_LAST, state->queue, where);
  if (e == cudaSuccess && state->n_counted > 0)
    e = dcnn_cuda_count (state->counted, state->n_counted,
        f->session->n_streams, ran, level->counted_late,
        state->counters + cuda_counter (f->session, CUDA_JOINED),
        state->counters + cuda_counter (f->session, CUDA_PENDING),
        (DcnnCudaQueue) { state->queue, FALSE });
  return e;
}

static void
put_all (Frame *f)
{
  const DcnnPlan *plan = f->session->plan;

  for (guint m = 0; m < plan->maps->len; m++)
    if (plan_map (plan, (gint) m)->graph_input >= 0)
      f->item_of_map[m] = put_item (f, new_item (f, ITEM_INPUT, m));
  for (guint n = 0; n < plan->nodes->len; n++)
    put_node (f, n);
}

static cudaError_t
frame_init (Frame *f, DcnnSession *session)
{
  const DcnnPlan *plan = session->plan;
  guint n = plan->nodes->len, maps = plan->maps->len;
  cudaError_t e = cudaSuccess;

  f->session = session;
  f->items = g_ptr_array_new_with_free_func (item_free);
  f->streams = g_ptr_array_new ();
  f->words = (2 * n + maps + 63) / 64 + 1;
  f->item_of_node = g_new (gint, n + 1);
  f->item_of_list = g_new (gint, 2 * n + 1);
  f->item_of_map = g_new (gint, maps + 1);
  f->ordered = g_new0 (DcnnCudaList, 2 * n + 1);
  memset (f->item_of_node, 0xff, sizeof (gint) * n);
  memset (f->item_of_list, 0xff, sizeof (gint) * 2 * n);
  memset (f->item_of_map, 0xff, sizeof (gint) * maps);
  memset (cuda_state (session)->early_now, 0, n * sizeof (gboolean));
  put_all (f);
  if (cuda_state (session)->levels[cuda_state (session)->level].exit > 0)
    e = dcnn_cuda_plan_exit (f);
  for (ItemPart part = PART_FIRST; part <= PART_LAST; part++)
    if (!assign_branches (f, part))
      e = cudaErrorMemoryAllocation;
  return e != cudaSuccess ? e : cudaMemcpy (lists_of_level (cuda_state (
              session)), f->ordered, f->n_ordered * sizeof (DcnnCudaList),
      cudaMemcpyHostToDevice);
}

static void
frame_clear (Frame *f)
{
  for (guint i = 0; i < f->streams->len; i++)
    (void) cudaStreamDestroy (f->streams->pdata[i]);
  g_ptr_array_unref (f->streams);
  g_ptr_array_unref (f->items);
  g_free (f->item_of_node);
  g_free (f->item_of_list);
  g_free (f->item_of_map);
  g_free (f->ordered);
}

/* What a frame launches: a line an item, on standard error. */
static void
dump_items (const Frame *f)
{
  const CudaState *state = cuda_state (f->session);
  const DcnnPlan *plan = f->session->plan;
  guint lists = 0, overlaps = 0;

  for (guint i = 0; i < f->items->len; i++) {
    const Item *item = frame_item (f, i);
    const char *name = item->kind == ITEM_INPUT ? "input" :
        item->kind == ITEM_LISTS ? "lists" :
        plan_node (plan, (gint) item->index)->name;
    lists += item->kind == ITEM_LISTS;
    overlaps += item->overlaps;
    g_printerr ("cuda: %u %s", i, name);
    if (item->n_lists > 0)
      g_printerr (" makes %u to %u", item->first_list, item->first_list +
          item->n_lists - 1);
    if (item->kind == ITEM_NODE && state->list_of[item->index] >= 0)
      g_printerr (" list %d%s", state->early_now[item->index] ?
          state->early_list[item->index] : state->list_of[item->index],
          state->early_now[item->index] ? " early" : "");
    g_printerr (" part %u branch %u%s after", item->part, item->branch,
        item->overlaps ? " overlaps" : "");
    for (guint d = 0; d < item->deps->len; d++)
      g_printerr (" %u", g_array_index (item->deps, guint, d));
    g_printerr ("\n");
  }
  g_printerr ("cuda: level %u: %u items, %u of them make %u lists, %u overlap, "
      "exit before %u\n", state->level, f->items->len, lists, f->n_ordered,
      overlaps, state->levels[state->level].exit);
}

/* What is in the first level decides where the others have their exit. */
static void
add_exits (const Frame *f)
{
  CudaState *state = cuda_state (f->session);
  guint exits[CUDA_MAX_EXITS];

  state->n_levels -= state->n_exits; /* of a capture that was ended */
  state->n_exits = dcnn_cuda_find_exits (f, exits);
  dcnn_cuda_note_uses (f);
  for (guint i = 0; i < state->n_exits; i++) {
    CudaLevel *level = &state->levels[state->n_levels++];
    *level = state->levels[0];
    level->graph = NULL;
    level->exit = exits[i];
  }
}

/* Whether somebody else ended a capture: whoever waits for the whole GPU, or makes its
 * default stream wait, ends all captures on it. */
static gboolean
was_ended (cudaError_t e)
{
  return e == cudaErrorStreamCaptureUnsupported ||
      e == cudaErrorStreamCaptureInvalidated ||
      e == cudaErrorStreamCaptureImplicit;
}

/* A stream's capture ends. That somebody else has ended it shows in other errors,
 * too. */
static cudaError_t
end_capture (cudaStream_t stream, cudaError_t e, cudaGraph_t *graph)
{
  enum cudaStreamCaptureStatus status = cudaStreamCaptureStatusActive;
  cudaError_t ended;

  if (e != cudaSuccess && (cudaStreamIsCapturing (stream, &status) !=
          cudaSuccess || status != cudaStreamCaptureStatusActive))
    e = cudaErrorStreamCaptureInvalidated;
  ended = cudaStreamEndCapture (stream, graph);
  return e == cudaSuccess ? ended : e;
}

/* What is behind the exit has a graph of its own first: one whose capture ends
 * within a conditional node cannot be freed (driver 580). */
static cudaError_t
capture_behind (Frame *f, cudaGraph_t *behind, GString *where)
{
  CudaState *state = cuda_state (f->session);
  cudaError_t e;

  if (state->levels[state->level].exit == 0)
    return cudaSuccess;
  e = cudaStreamBeginCapture (state->queue, cudaStreamCaptureModeRelaxed);
  if (e != cudaSuccess)
    return e;
  e = launch_part (f, PART_BEHIND, state->queue, where);
  return end_capture (state->queue, e, behind);
}

/* The graph of state->level. */
static cudaError_t
capture_level (DcnnSession *session, GString *where)
{
  CudaState *state = cuda_state (session);
  Frame f = { 0 };
  cudaGraph_t graph = NULL, behind = NULL;
  cudaError_t e = frame_init (&f, session);

  if (e == cudaSuccess && state->level == 0)
    add_exits (&f);
  if (e == cudaSuccess)
    e = capture_behind (&f, &behind, where);
  if (e == cudaSuccess)
    e = cudaStreamBeginCapture (state->queue, cudaStreamCaptureModeRelaxed);
  if (e == cudaSuccess) {
    e = launch_all (&f, behind, where);
    e = end_capture (state->queue, e, &graph);
  }
  if (e == cudaSuccess)
    e = cudaGraphInstantiate (&state->levels[state->level].graph, graph, 0);
  if (e == cudaSuccess && g_getenv ("DELTACNN_CUDA_DUMP"))
    dump_items (&f);
  if (graph)
    (void) cudaGraphDestroy (graph);
  if (behind)
    (void) cudaGraphDestroy (behind);
  frame_clear (&f);
  return e;
}

/* Marks of time, where they are asked for: none yet. */
static void
forget_times (CudaLevel *level)
{
  for (guint i = 0; level->times && i < level->times->len; i++)
    (void) cudaEventDestroy (g_array_index (level->times, CudaTime, i).end);
  g_clear_pointer (&level->times, g_array_unref);
  if (g_getenv ("DELTACNN_CUDA_TIMES"))
    level->times = g_array_new (FALSE, FALSE, sizeof (CudaTime));
}

/* Tries it is worth: a capture takes some milliseconds. */
#define CAPTURES 50

gboolean
dcnn_cuda_capture (DcnnSession *session, GError **error)
{
  CudaState *state = cuda_state (session);
  g_autoptr (GString) where = g_string_new ("capturing the network");
  cudaError_t e = cudaSuccess;

  for (state->level = 0; state->level < state->n_levels && e == cudaSuccess;
      state->level++)
    for (guint i = 0; i < CAPTURES && (i == 0 || was_ended (e)); i++) {
      if (i > 0)
        g_usleep (1000);
      forget_times (&state->levels[state->level]);
      e = capture_level (session, where);
    }
  state->level = 0;
  return dcnn_cuda_check (e, where->str, error);
}
