/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_merges.c - what a launch reads of more masks than it has room for.
 *
 * Of a concatenation of many maps, the first 32 masks are merged to one: by a list of
 * their candidates that nobody reads, which only leaves its bits. Whoever reads the
 * concatenation then reads that mask and those that are left, so long as they are more
 * than 32 again. Dense blocks, which join all that there is again and again, share
 * these masks, and what is merged is the oldest: it is done long before it is
 * read.
 */
#include "cuda.h"

/* A map's masks as a term each. */
static void
flatten (const DcnnPlan *plan, const PlanTerm *term, GArray *reads)
{
  const PlanMap *map = term->map < 0 ? NULL : plan_map (plan, term->map);

  if (map == NULL || map->mask >= 0)
    g_array_append_val (reads, *term);
  if (map == NULL)
    return;
  for (guint i = 0; map->mask < 0 && map->pieces && i < map->pieces->len;
      i++) {
    PlanTerm piece = *term;
    piece.map = g_array_index (map->pieces, gint, i);
    flatten (plan, &piece, reads);
  }
}

static guint
find_merge (const CudaState *state, const GArray *terms, guint width,
    guint height)
{
  guint m = 0;

  for (; m < state->merges->len; m++) {
    const CudaMerge *merge = dcnn_cuda_merge (state, m);
    if (merge->gate < 0 && merge->list.width == width && merge->list.height == height &&
        plan_terms_equal (merge->terms, terms) &&
        plan_terms_equal (terms, merge->terms)) /* one may be there twice */
      break;
  }
  return m;
}

/* Memory for one, of masks of that size. */
static void
init_merge (CudaState *state, const DcnnSession *session, CudaMerge *merge,
    guint width, guint height, cudaError_t *e)
{
  DcnnCudaList *list = &merge->list;
  gsize bytes;

  list->width = width;
  list->height = height;
  list->words = (guint32) dcnn_mask_words (width, height);
  list->blocks_x = (width + 7) / 8;
  bytes = (gsize) list->words * 8 * session->n_streams;
  list->passed = dcnn_cuda_take (state, bytes, e);
  list->passed_exact = dcnn_cuda_take (state, bytes, e);
}

static void
make_merge (CudaState *state, const DcnnSession *session, const GArray *terms,
    guint width, guint height, cudaError_t *e)
{
  CudaMerge merge = { .terms = g_array_copy ((GArray *) terms), .gate = -1,
    .reader = -1 };

  init_merge (state, session, &merge, width, height, e);
  g_array_append_val (state->merges, merge);
}

/* The first `n` terms behind `first` become one. */
static void
merge_terms (const DcnnSession *session, GArray *reads, guint first, guint n,
    guint width, guint height, cudaError_t *e)
{
  CudaState *state = cuda_state (session);
  g_autoptr (GArray) terms = g_array_new (FALSE, FALSE, sizeof (PlanTerm));
  PlanTerm *one = &g_array_index (reads, PlanTerm, first);
  guint m;

  g_array_append_vals (terms, one, n);
  m = find_merge (state, terms, width, height);
  if (m == state->merges->len)
    make_merge (state, session, terms, width, height, e);
  *one = (PlanTerm) { .map = -1 - (gint) m, .reach = PLAN_REACH_SAME };
  g_array_remove_range (reads, first + 1, n - 1);
}

GArray *
dcnn_cuda_reads_new (const DcnnSession *session, const GArray *terms,
    guint width, guint height, cudaError_t *e)
{
  GArray *reads = g_array_new (FALSE, FALSE, sizeof (PlanTerm));

  for (guint i = 0; i < terms->len; i++)
    flatten (session->plan, &g_array_index (terms, PlanTerm, i), reads);
  for (guint merged = 0; reads->len > DCNN_CUDA_MAX_SOURCES; merged++)
    merge_terms (session, reads, merged, MIN (DCNN_CUDA_MAX_SOURCES,
            reads->len - merged), width, height, e);
  return reads;
}

GArray *
dcnn_cuda_reads_of_map (const DcnnSession *session, gint index,
    cudaError_t *e)
{
  g_autoptr (GArray) terms = g_array_new (FALSE, FALSE, sizeof (PlanTerm));
  const PlanMap *map = plan_map (session->plan, index);
  PlanTerm term = { .map = index, .reach = PLAN_REACH_SAME };

  g_array_append_val (terms, term);
  return dcnn_cuda_reads_new (session, terms, map->width, map->height, e);
}

/* To what a node reads, that it is taken, if it may be. */
static void
add_take (const DcnnSession *session, guint node, GArray *terms)
{
  PlanTerm term = { .map = -1 - cuda_state (session)->take_of[node],
    .reach = PLAN_REACH_SAME };

  if (cuda_state (session)->take_of[node] >= 0)
    g_array_append_val (terms, term);
}

GArray *
dcnn_cuda_reads_of_global (const DcnnSession *session, guint node,
    cudaError_t *e)
{
  GArray *reads = dcnn_cuda_reads_of_map (session,
      plan_node (session->plan, (gint) node)->in, e);

  add_take (session, node, reads);
  return reads;
}

/* Of the nodes that share a list. */
static GArray *
reads_of_list (const DcnnSession *session, guint l, cudaError_t *e)
{
  const CudaState *state = cuda_state (session);
  guint n = state->list_example[l];
  g_autoptr (GArray) terms = g_array_copy (plan_node (session->plan,
          (gint) n)->terms);

  add_take (session, n, terms);
  return dcnn_cuda_reads_new (session, terms, state->lists[l].width,
      state->lists[l].height, e);
}

/* Sources of what reads maps whole: as for lists, and none is merged later on. */
static void
plan_map_reads (const DcnnSession *session, gint map, gboolean gathers,
    cudaError_t *e)
{
  g_autoptr (GArray) reads = dcnn_cuda_reads_of_map (session, map, e);

  for (guint i = 0; i < reads->len && gathers; i++)
    cuda_state (session)->gathers_merged |=
        g_array_index (reads, PlanTerm, i).map < 0;
}

/* ---- gates that are taken: see cuda_takes.c ------------------------------------------ */

static void
make_take (const DcnnSession *session, guint gate, gint reader,
    cudaError_t *e)
{
  CudaState *state = cuda_state (session);
  const PlanMap *out = plan_map (session->plan,
      plan_node (session->plan, reader)->out);
  g_autoptr (GArray) terms = dcnn_cuda_terms_but_gate (session->plan, gate,
      reader);
  CudaMerge take = { .gate = (gint) gate, .reader = reader };

  take.terms = dcnn_cuda_reads_new (session, terms, out->width, out->height,
      e);
  init_merge (state, session, &take, out->width, out->height, e);
  take.taken = dcnn_cuda_take (state, 2 * 8 * session->n_streams, e);
  take.judge = dcnn_cuda_take (state, session->n_streams *
      sizeof (DcnnCudaJudge), e);
  state->take_of[gate] = (gint) state->merges->len;
  g_array_append_val (state->merges, take);
}

static void
plan_takes (const DcnnSession *session, cudaError_t *e)
{
  CudaState *state = cuda_state (session);
  guint n_nodes = session->plan->nodes->len;

  state->take_of = g_new (gint, n_nodes + 1);
  for (guint n = 0; n < n_nodes; n++) {
    gint reader = dcnn_cuda_taker (session->plan, n);
    state->take_of[n] = -1;
    if (reader >= 0)
      make_take (session, n, reader, e);
  }
}

/* ---- all of a session ----------------------------------------------------------------- */

void
dcnn_cuda_plan_merges (const DcnnSession *session, cudaError_t *e)
{
  CudaState *state = cuda_state (session);
  const DcnnPlan *plan = session->plan;

  state->merges = g_array_new (FALSE, TRUE, sizeof (CudaMerge));
  state->list_reads = g_ptr_array_new_with_free_func ((GDestroyNotify)
      g_array_unref);
  plan_takes (session, e);
  for (guint l = 0; l < state->n_lists; l++)
    g_ptr_array_add (state->list_reads, reads_of_list (session, l, e));
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, (gint) n);
    if (node->kind == PLAN_GLOBAL)
      plan_map_reads (session, node->in, FALSE, e);
    for (guint i = 0; node->kind == PLAN_GATHER && i < node->sources->len; i++)
      plan_map_reads (session, g_array_index (node->sources, PlanGatherSource,
              i).map, TRUE, e);
  }
}

void
dcnn_cuda_free_merges (CudaState *state)
{
  for (guint m = 0; state->merges && m < state->merges->len; m++)
    g_array_unref (dcnn_cuda_merge (state, m)->terms);
  g_clear_pointer (&state->merges, g_array_unref);
  g_clear_pointer (&state->list_reads, g_ptr_array_unref);
}
