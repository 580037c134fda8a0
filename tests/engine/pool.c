/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pool.c - one pool of threads a process: every unit of every loop is worked
 * on once, by threads whose numbers differ, while other callers run loops of
 * their own; no worker misses a loop that has room for it; workers are few and
 * go with the last session; sessions in two threads give what they give alone.
 */
#include <string.h>

#include "dcnn_engine.h"
#include "dcnn_pool.h"
#include "nets.h"
#include "video.h"

#define CALLERS 5
#if defined(__SANITIZE_THREAD__) /* each is looked at, so fewer will do */
#define LOOPS 300
#define SEEDS 1
#else
#define LOOPS 3000
#define SEEDS 3
#endif
#define UNITS 97
#define CREW 4     /* threads of a pool */
#define CROWD 12   /* of one whose workers get into each other's way */

typedef struct Loop {
  guint8 done[UNITS];     /* how often */
  gint busy[CREW];        /* whether a thread of that number is at work */
  gint wrong;
} Loop;

static void
count_units (gpointer data, gsize begin, gsize end, guint thread)
{
  Loop *loop = data;

  if (thread >= CREW || g_atomic_int_add (&loop->busy[thread], 1) != 0)
    g_atomic_int_inc (&loop->wrong);
  for (gsize i = begin; i < end; i++)
    loop->done[i]++;
  if (thread < CREW)
    g_atomic_int_add (&loop->busy[thread], -1);
}

static gpointer
run_loops (gpointer data)
{
  g_autofree Loop *loop = g_new0 (Loop, 1);
  guint64 state = GPOINTER_TO_UINT (data);
  gint wrong = 0;

  for (guint i = 0; i < 3; i++) { /* pools come and go, too */
    DcnnPool *pool = dcnn_pool_new (CREW);
    g_assert_nonnull (pool);
    for (guint k = 0; k < LOOPS / 3; k++) {
      gsize units = 1 + test_random (&state, UNITS);
      memset (loop->done, 0, sizeof loop->done);
      dcnn_pool_run (pool, units, 1 + test_random (&state, 5), count_units,
          loop);
      for (gsize u = 0; u < UNITS; u++)
        wrong += loop->done[u] != (u < units);
    }
    dcnn_pool_free (pool);
  }
  return GINT_TO_POINTER (wrong + loop->wrong);
}

static void
test_loops (void)
{
  GThread *threads[CALLERS];
  gint wrong = 0;

  for (guint i = 0; i < CALLERS; i++)
    threads[i] = g_thread_new ("caller", run_loops, GUINT_TO_POINTER (i + 1));
  for (guint i = 0; i < CALLERS; i++)
    wrong += GPOINTER_TO_INT (g_thread_join (threads[i]));
  g_assert_cmpint (wrong, ==, 0);
  g_assert_cmpuint (dcnn_pool_count_workers (), ==, 0);
}

/* Waits for the others. */
static void
meet (gpointer data, gsize begin, gsize end, guint thread)
{
  gint *here = data;

  g_atomic_int_inc (here);
  while (g_atomic_int_get (here) < CROWD)
    g_thread_yield ();
}

/* A loop whose units end together needs all threads of its pool: workers enter
 * it at one moment, and one that is not the first must try again. */
static void
test_all_enter (void)
{
  DcnnPool *pool = dcnn_pool_new (CROWD);

  g_assert_cmpuint (dcnn_pool_count_workers (), ==, CROWD - 1);
  for (guint i = 0; i < LOOPS; i++) {
    gint here = 0;
    dcnn_pool_run (pool, CROWD, 1, meet, &here);
    g_assert_cmpint (here, ==, CROWD);
  }
  dcnn_pool_free (pool);
}

/* Two callers can only meet in a pool whose threads are shared. */
static void
test_workers (void)
{
  DcnnPool *pools[20];
  guint cores = g_get_num_processors ();

  pools[0] = dcnn_pool_new (3);
  g_assert_cmpuint (dcnn_pool_count_workers (), ==, 2);
  for (guint i = 1; i < G_N_ELEMENTS (pools); i++)
    pools[i] = dcnn_pool_new (2);
  g_assert_cmpuint (dcnn_pool_count_workers (), ==, MIN (21, MAX (cores, 3)
          - 1));
  for (guint i = 0; i < G_N_ELEMENTS (pools) - 1; i++)
    dcnn_pool_free (pools[i]);
  g_assert_cmpuint (dcnn_pool_count_workers (), >, 0);
  dcnn_pool_free (pools[G_N_ELEMENTS (pools) - 1]);
  g_assert_cmpuint (dcnn_pool_count_workers (), ==, 0);
}

/* ---- sessions ---------------------------------------------------------------- */

#define FRAMES 25

typedef struct Watch {
  DcnnModel *model;
  guint seed, threads;
  char *sum;
} Watch;

/* A video through a session: the checksum of all its outputs. */
static gpointer
watch_video (gpointer data)
{
  Watch *watch = data;
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (DcnnSession) session = NULL;
  DcnnSessionOptions options;
  TestVideo video;

  test_options_init (&options);
  options.threads = watch->threads;
  options.tuning.mode = DCNN_MODE_SPARSE;
  session = test_session_new (watch->model, &options);
  test_video_init (&video, watch->seed, 90, 70);
  for (guint f = 0; f < FRAMES; f++) {
    DcnnFrame frame;
    test_video_move (&video);
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    test_push_frame (session, 0, &frame);
    for (guint i = 0; i < 2; i++) {
      const DcnnTensor *t = &dcnn_session_get_output (session, 0, i)->tensor;
      g_checksum_update (sum, t->data, (gssize) dcnn_tensor_count (t) * 4);
    }
  }
  watch->sum = g_strdup (g_checksum_get_string (sum));
  test_video_clear (&video);
  return NULL;
}

static void
test_sessions (void)
{
  for (guint64 seed = 1; seed <= SEEDS; seed++) {


    g_autoptr (DcnnModel) model = test_model_new (test_net_sized (seed, FALSE,
        TRUE, 96, 128));
    Watch alone[2], together[2];
    GThread *threads[2];
    for (guint i = 0; i < 2; i++) {
      alone[i] = (Watch) { model, 7 * i + 1, 1, NULL };
      together[i] = (Watch) { model, 7 * i + 1, 2 + i, NULL };
      watch_video (&alone[i]);
    }
    for (guint i = 0; i < 2; i++)
      threads[i] = g_thread_new ("session", watch_video, &together[i]);
    for (guint i = 0; i < 2; i++) {
      g_thread_join (threads[i]);
      g_assert_cmpstr (together[i].sum, ==, alone[i].sum);
      g_free (together[i].sum);
      g_free (alone[i].sum);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pool/loops", test_loops);
  g_test_add_func ("/pool/all-enter", test_all_enter);
  g_test_add_func ("/pool/workers", test_workers);
  g_test_add_func ("/pool/sessions", test_sessions);
  return g_test_run ();
}
