/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_lengths.c - which kernel takes a node, by how long its list has been.
 *
 * Graphs are made before anything is known of the scene, so which nodes go by the
 * kernel of longer lists follows from what a map is expected to change. A tile of that
 * kernel is one block's work, and takes as long alone as among hundreds: where lists
 * turn out to have few entries, the list kernel, whose blocks share a tile out, is two
 * to three times as quick. Both store the same bits. So what lists have is counted,
 * and now and then nodes change sides, and graphs are made anew when they are next
 * launched. Between both sides lies a factor of two, and after each change twice as
 * many frames are waited for until the next: a scene makes few graphs.
 */
#include "cuda.h"

/* Entries, in the mean of some frames, below which a node leaves the kernel of longer
 * lists, and from which it comes back. */
#define LONG_LEAVES 1000
#define LONG_RETURNS 2000
#define MEAN_FRAMES 16
/* Frames from one look to the next. */
#define FIRST_LOOK 16
#define LAST_LOOK 1024

/* Graphs whose convolutions go by lists: those alone count, and are made anew. */
static gboolean
goes_by_lists (const CudaState *state)
{
  const CudaLevel *level = &state->levels[state->level];

  return !level->whole && !level->squares && !state->sectioned;
}

static void
count_lists (const DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  const guint32 *candidates = state->host_counters +
      cuda_counter (session, CUDA_CANDIDATES);
  guint frames = MIN (++state->counted_frames, MEAN_FRAMES);

  for (guint l = 0; l < state->n_lists; l++) {
    guint64 entries = 0;
    for (guint s = 0; s < session->n_streams; s++)
      entries += candidates[l * session->n_streams + s];
    state->listed[l] += ((gdouble) entries - state->listed[l]) / frames;
  }
}

/* Whether any node did. */
static gboolean
change_sides (const DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  gboolean any = FALSE;

  for (guint n = 0; n < session->plan->nodes->len; n++) {
    gint list = state->list_of[n];
    gboolean leaves = list >= 0 && state->listed[list] <
        (state->is_short[n] ? LONG_RETURNS : LONG_LEAVES);
    if (list < 0 || leaves == state->is_short[n] ||
        !dcnn_cuda_may_run_long (session, n))
      continue;
    state->is_short[n] = leaves;
    any = TRUE;
  }
  return any;
}

void
dcnn_cuda_see_lengths (DcnnSession *session)
{
  CudaState *state = cuda_state (session);

  if (state->idle || session->n_streams == 1 || state->switches.longs >= 0 ||
      !goes_by_lists (state))
    return;
  count_lists (session);
  state->look_after = state->look_after > 0 ? state->look_after : FIRST_LOOK;
  if (++state->since_look < state->look_after)
    return;
  state->since_look = 0;
  if (!change_sides (session))
    return;
  state->lengths++;
  state->look_after = MIN (2 * state->look_after, LAST_LOOK);
}

void
dcnn_cuda_follow_lengths (DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  CudaLevel *level = &state->levels[state->level];

  if (!goes_by_lists (state) || level->lengths == state->lengths)
    return;
  level->lengths = state->lengths;
  dcnn_cuda_remake_graph (session);
}
