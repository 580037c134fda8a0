/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * poison.c - a sparse frame writes the pixels of its update masks and nothing
 * else, not a lane of padding (invariant 3); every pixel that it sends has
 * changed; and no pixel anywhere is left with a change that would count, so
 * nothing is lost and candidates are complete. With settling, what is kept
 * back is on record.
 *
 *   poison [SEED]
 */
#include <string.h>

#include "cpu.h"
#include "nets.h"

#define SEEDS 60
#define FRAMES 16

static guint64 floats_held, pixels_joined, pixels_kept;

typedef struct Case {
  guint64 seed, state;
  DcnnModel *model;
  DcnnSession *session;
  DcnnStream *stream;
  const DcnnPlan *plan;
  gsize *sizes;             /* floats, by buffer */
  gfloat **before;
  guint8 **allowed;
  guint32 *list;
  guint8 *verdicts;
  DcnnTensor frame;
  DcnnMotion motion;
} Case;

static void
case_init (Case *c, guint64 seed)
{
  static const DcnnCriterion criteria[] = { DCNN_CRITERION_RMS,
    DCNN_CRITERION_MAX, DCNN_CRITERION_INFLUENCE };
  g_autoptr (GHashTable) influence = NULL;
  DcnnSessionOptions options;
  gsize pixels = 0;

  memset (c, 0, sizeof *c);
  c->seed = seed;
  c->state = seed + 31;


  c->model = test_model_new (test_net_random (seed, FALSE, seed % 2,
      seed % 4 == 0));
  test_options_init (&options);
  options.threads = 1 + seed / 2 % 2;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.settle = seed / 4 % 2;
  /* a record of what waits, but nothing is settled */
  options.tuning.refresh = options.tuning.settle_budget = 0;
  options.tuning.criterion = criteria[seed / 8 % G_N_ELEMENTS (criteria)];
  options.influence = influence = test_random_influence (c->model, &c->state);
  options.tuning.threshold = seed % 5 ? 0.05f : 0;
  c->session = test_session_new (c->model, &options);
  c->stream = &c->session->streams[0];
  c->plan = c->session->plan;
  c->sizes = g_new0 (gsize, c->plan->buffers->len);
  c->before = g_new0 (gfloat *, c->plan->buffers->len);
  c->allowed = g_new0 (guint8 *, c->plan->buffers->len);
  for (guint i = 0; i < c->plan->buffers->len; i++) {
    const PlanBuffer *b = &g_array_index (c->plan->buffers, PlanBuffer, i);
    if (c->stream->cpu->buffers[i] == NULL)
      continue;
    c->sizes[i] = (gsize) b->width * b->height * b->pixel_elements +
        DCNN_OVERREAD;
    c->before[i] = g_new0 (gfloat, c->sizes[i]);
    c->allowed[i] = g_new0 (guint8, c->sizes[i]);
    pixels = MAX (pixels, (gsize) b->width * b->height);
  }
  c->list = g_new0 (guint32, pixels + 64);
  c->verdicts = g_new0 (guint8, pixels + 64);
  c->frame = test_frame_new (c->model, &c->state, FALSE);
}

static void
case_clear (Case *c)
{
  for (guint i = 0; i < c->plan->buffers->len; i++) {
    g_free (c->before[i]);
    g_free (c->allowed[i]);
  }
  g_free (c->sizes);
  g_free (c->before);
  g_free (c->allowed);
  g_free (c->list);
  g_free (c->verdicts);
  dcnn_tensor_free (&c->frame);
  dcnn_session_free (c->session);
  dcnn_model_unref (c->model);
}

static void
snapshot (Case *c)
{
  for (guint i = 0; i < c->plan->buffers->len; i++) {
    if (c->sizes[i] == 0)
      continue;
    memcpy (c->before[i], c->stream->cpu->buffers[i], c->sizes[i] *
        sizeof (gfloat));
    memset (c->allowed[i], 0, c->sizes[i]);
  }
}

/* Marks what the map's update mask lets change; a pixel that was sent must
 * have changed, unless it has just come into view. */
static void
allow_map (Case *c, guint index, gboolean moved)
{
  const PlanMap *m = plan_map (c->plan, index);
  const DcnnMap *map = &c->stream->cpu->maps[index];
  const StreamMask *mask = &c->stream->masks[m->mask];

  for (guint y = 0; mask->any && y < m->height; y++)
    for (guint x = 0; x < m->width; x++) {
      gfloat *pixel = dcnn_map_pixel (map, y, x);
      gsize at = (gsize) (pixel - c->stream->cpu->buffers[m->buffer]);
      if (!dcnn_mask_get (&mask->mask, y, x))
        continue;
      memset (c->allowed[m->buffer] + at, 1, map->writable);
      pixels_joined++;
      if (!moved && memcmp (pixel, c->before[m->buffer] + at, map->channels *
              sizeof (gfloat)) == 0)
        test_fail (c->model, c->seed,
            "map %u y %u x %u joined and did not change", index, y, x);
    }
}

static void
check_writes (Case *c, gboolean moved)
{
  for (guint m = 0; m < c->plan->maps->len; m++)
    if (plan_map (c->plan, m)->mask >= 0 && c->stream->cpu->maps[m].data)
      allow_map (c, m, moved);
  for (guint i = 0; i < c->plan->buffers->len; i++)
    for (gsize p = 0; p < c->sizes[i] && !g_test_failed (); p++) {
      if (c->allowed[i][p])
        continue;
      floats_held++;
      if (memcmp (&c->before[i][p], &c->stream->cpu->buffers[i][p],
              sizeof (gfloat)) != 0)
        test_fail (c->model, c->seed,
            "buffer %u float %" G_GSIZE_FORMAT " was written", i, p);
    }
}

/* Judges every pixel of a node again: none may join. */
static void
check_node (Case *c, guint n)
{
  const PlanNode *node = plan_node (c->plan, n);
  CpuNodeState *state = &c->stream->cpu->nodes[n];
  DcnnMask all;
  DcnnJob *job = &state->job;
  gsize count;

  if (node->kind != PLAN_KERNEL || dcnn_plan_inside (c->plan, (gint) n,
          c->session->plan_blocks))
    return;
  dcnn_judge_node (c->session, c->stream, (gint) n);
  all = dcnn_room (c->session, ROOM_CANDIDATES, plan_map (c->plan,
          node->out));
  dcnn_mask_fill (&all);
  count = dcnn_mask_to_list (&all, c->list);
  job->pixels = c->list;
  job->verdicts = c->verdicts;
  if (dcnn_block_ends (c->session, (gint) n))
    dcnn_block_run (c->session, c->stream, (gint) n, &all);
  else
    c->session->cpu->kernels->run[node->primary] (job, 0, count,
        c->session->cpu->scratch[0]);
  for (gsize i = 0; i < count && !g_test_failed (); i++) {
    guint y = DCNN_PIXEL_Y (c->list[i]), x = DCNN_PIXEL_X (c->list[i]);
    if (c->verdicts[i] == DCNN_VERDICT_JOINED)
      test_fail (c->model, c->seed,
          "node %u y %u x %u holds a change that counts", n, y, x);
    if (c->verdicts[i] != DCNN_VERDICT_KEPT)
      continue;
    pixels_kept++;
    if (c->session->tuning.settle && !(state->pending.any &&
            dcnn_mask_get (&state->pending.mask, y, x)))
      test_fail (c->model, c->seed,
          "node %u y %u x %u differs and settling does not know", n, y,
          x);
  }
}

static void
run_seed (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  gboolean moved = FALSE, ever_moved = FALSE;
  Case c;

  case_init (&c, seed);
  for (gint f = 0; f < FRAMES && !g_test_failed (); f++) {
    snapshot (&c);
    g_assert_true (dcnn_session_push_tensors (c.session, 0, &c.frame, 0.02f,
            &c.motion, &error));
    if (!c.stream->cpu->dense) {
      check_writes (&c, moved);
      /* a window's border keeps what it knew of neighbours out of view */
      for (guint n = 0; n < c.plan->nodes->len && !ever_moved &&
          !g_test_failed (); n++)
        check_node (&c, n);
    }
    test_video_step (&c.state, &c.frame, FALSE);
    moved = c.plan->tile && f >= FRAMES / 2 && f % 2;
    ever_moved |= moved;
    if (moved) {
      c.motion.tile_x += (gint) test_random (&c.state, 3) - 1;
      c.motion.tile_y += (gint) test_random (&c.state, 3) - 1;
    }
  }
  case_clear (&c);
}

static void
test_poison (void)
{
  for (guint64 seed = 1; seed <= SEEDS && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_seed (seed);
  g_test_message ("%" G_GUINT64_FORMAT " floats untouched, %"
      G_GUINT64_FORMAT " pixels joined, %" G_GUINT64_FORMAT " kept",
      floats_held, pixels_joined, pixels_kept);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/poison", test_poison);
  return g_test_run ();
}
