/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_rooms.c - lists that are never there at the same time share memory.
 *
 * Entries of a list have to last until the nodes that go by it are done. Whoever makes
 * another list waits for all that its candidates come from, in every graph of a
 * frame; where that has waited for those nodes in turn, the other list may have the
 * same place. Only what nodes read of each other's maps is taken for an order: that
 * is in every graph. A node that may begin with an older list than its own
 * (CudaState.early_list) leaves open when its own is made, so that one keeps its place
 * to the end.
 */
#include "cuda.h"

typedef struct Room {
  gsize pixels, words;     /* of the largest lists in it */
  guint last;              /* list */
} Room;

typedef struct Rooms {
  const DcnnSession *session;
  gsize words;             /* of a set of nodes */
  guint64 *before;         /* by node: what it waits for, by what it reads */
  GArray *rooms;           /* of Room */
  guint *room_of;          /* by list */
} Rooms;

static guint64 *
before (const Rooms *r, guint node)
{
  return r->before + node * r->words;
}

/* The nodes that write a map, or its pieces, and what they wait for. */
static void
add_makers (const Rooms *r, gint index, guint64 *to)
{
  const PlanMap *map = plan_map (r->session->plan, index);

  for (guint i = 0; map->mask < 0 && map->pieces && i < map->pieces->len; i++)
    add_makers (r, g_array_index (map->pieces, gint, i), to);
  if (map->mask < 0 || map->source < 0)
    return;
  for (gsize w = 0; w < r->words; w++)
    to[w] |= before (r, (guint) map->source)[w];
  to[map->source / 64] |= 1ull << (map->source % 64);
}

static void
find_order (Rooms *r)
{
  const DcnnPlan *plan = r->session->plan;

  r->words = plan->nodes->len / 64 + 1;
  r->before = g_new0 (guint64, r->words * (plan->nodes->len + 1));
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, (gint) n);
    if (node->kind != PLAN_KERNEL && node->kind != PLAN_GLOBAL)
      continue;
    if (node->in >= 0)
      add_makers (r, node->in, before (r, n));
    for (gint s = 0; s < node->n_steps; s++)
      if (node->steps[s].map >= 0)
        add_makers (r, node->steps[s].map, before (r, n));
  }
}

/* Whether all that goes by a list is done once `done` is, and so is its making. */
static gboolean
is_over (const Rooms *r, guint list, const guint64 *done)
{
  const CudaState *state = cuda_state (r->session);

  for (guint n = 0; n < r->session->plan->nodes->len; n++) {
    gboolean own = state->list_of[n] == (gint) list;
    if (own && state->early_list[n] >= 0)
      return FALSE;
    if ((own || state->early_list[n] == (gint) list) &&
        !(done[n / 64] >> (n % 64) & 1))
      return FALSE;
  }
  return TRUE;
}

/* The smallest room that a list of so many pixels fits in, else the largest. */
static Room *
find_room (const Rooms *r, const guint64 *done, gsize pixels)
{
  Room *best = NULL;

  for (guint i = 0; i < r->rooms->len; i++) {
    Room *room = &g_array_index (r->rooms, Room, i);
    gboolean fits = room->pixels >= pixels;
    if (best && (best->pixels >= pixels ?
            !fits || room->pixels >= best->pixels :
            !fits && room->pixels <= best->pixels))
      continue;
    if (is_over (r, room->last, done))
      best = room;
  }
  return best;
}

static void
place_list (Rooms *r, guint list)
{
  const CudaState *state = cuda_state (r->session);
  const GArray *terms = plan_node (r->session->plan,
      (gint) state->list_example[list])->terms;
  gsize pixels = (gsize) state->lists[list].width * state->lists[list].height;
  g_autofree guint64 *done = g_new0 (guint64, r->words);
  gsize words = state->lists[list].words;
  Room fresh = { pixels, words, list }, *room;

  for (guint i = 0; i < terms->len; i++)
    add_makers (r, g_array_index (terms, PlanTerm, i).map, done);
  room = find_room (r, done, pixels);
  if (room == NULL) {
    g_array_append_val (r->rooms, fresh);
    room = &g_array_index (r->rooms, Room, r->rooms->len - 1);
  }
  room->pixels = MAX (room->pixels, pixels);
  room->words = MAX (room->words, words);
  room->last = list;
  r->room_of[list] = (guint) (room - (Room *) (gpointer) r->rooms->data);
}

void
dcnn_cuda_take_rooms (CudaState *state, const DcnnSession *session,
    cudaError_t *e)
{
  Rooms r = { .session = session };
  g_autofree gpointer *memory = NULL, *squares = NULL;

  r.rooms = g_array_new (FALSE, FALSE, sizeof (Room));
  r.room_of = g_new0 (guint, state->n_lists + 1);
  find_order (&r);
  for (guint l = 0; l < state->n_lists; l++)
    place_list (&r, l);
  memory = g_new0 (gpointer, r.rooms->len + 1);
  squares = g_new0 (gpointer, r.rooms->len + 1);
  for (guint i = 0; i < r.rooms->len; i++) {
    const Room *room = &g_array_index (r.rooms, Room, i);
    memory[i] = dcnn_cuda_take (state, (room->pixels * session->n_streams +
            DCNN_CUDA_OVERREAD) * sizeof (DcnnCudaPixel), e);
    if (dcnn_cuda_has_squares (session))
      squares[i] = dcnn_cuda_take (state, room->words * session->n_streams *
          sizeof (DcnnCudaSquare), e);
  }
  for (guint l = 0; l < state->n_lists; l++) {
    state->lists[l].list = memory[r.room_of[l]];
    state->lists[l].squares = squares[r.room_of[l]];
  }
  g_array_unref (r.rooms);
  g_free (r.room_of);
  g_free (r.before);
}
