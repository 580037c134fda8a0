/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dense_rule.c - when a node runs on its whole map, and that nothing but the
 * frames decides it: a video gives the same bits with one thread, with two,
 * and while other threads take the processor away; and the same bits as lists
 * alone, as long as no whole frame runs dense.
 */
#include <string.h>

#include "dcnn_dense_rule.h"
#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

#define FRAMES 60
#define LOAD_THREADS 6

static void
test_rule (void)
{
  g_assert_true (dcnn_dense_rule_node (36, 36, FALSE));
  g_assert_false (dcnn_dense_rule_node (35, 36, FALSE));
  g_assert_true (dcnn_dense_rule_node (30, 36, TRUE));
  g_assert_false (dcnn_dense_rule_node (29, 36, TRUE));
  g_assert_false (dcnn_dense_rule_node (0, 36, TRUE));
  g_assert_true (dcnn_dense_rule_node (G_MAXSIZE, G_MAXSIZE, TRUE));
}

/* ---- a video in a session --------------------------------------------------------- */

typedef struct Run {
  GByteArray *bytes;       /* outputs and work of every frame */
  guint64 dense_nodes;     /* of frames that were not dense as a whole */
  guint dense_frames;
} Run;

static void
record (Run *run, DcnnSession *session, guint n_outputs, gboolean work)
{
  DcnnFrameStats stats;

  for (guint i = 0; i < n_outputs; i++) {
    const DcnnTensor *t = &dcnn_session_get_output (session, 0, i)->tensor;
    g_byte_array_append (run->bytes, t->data, (guint) (dcnn_tensor_count (t) *
            dcnn_dtype_bytes (t->dtype)));
  }
  dcnn_session_get_stats (session, 0, &stats);
  run->dense_frames += stats.dense;
  if (work)
    g_byte_array_append (run->bytes, (const guint8 *) &stats.macs_done,
        sizeof stats.macs_done);
}

static Run
run_video (guint64 seed, DcnnMode mode, guint threads, gboolean work)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (seed, FALSE,
          seed % 2, 80, 96), &error);
  g_autoptr (DcnnSession) session = NULL;
  Run run = { g_byte_array_new (), 0, 0 };
  DcnnModelSummary summary;
  DcnnSessionOptions options;
  DcnnFrame frame;
  TestVideo video;

  g_assert_no_error (error);
  dcnn_model_get_summary (model, &summary);
  dcnn_session_options_init (&options);
  options.threads = threads;
  options.tuning.mode = mode;
  if (!work) /* a refresh's size goes by the work done */
    options.tuning.refresh = 0;
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  test_video_init (&video, seed, 96, 80);
  for (guint f = 0; f < FRAMES; f++) {
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    g_assert_true (dcnn_session_push_frame (session, 0, &frame, NULL,
            &error));
    record (&run, session, summary.n_outputs, work);
    test_video_move (&video);
  }
  for (guint n = 0; n < summary.n_nodes; n++) {
    DcnnNodeStats stats;
    dcnn_session_get_node_stats (session, 0, n, &stats);
    run.dense_nodes += stats.dense_frames > run.dense_frames ?
        stats.dense_frames - run.dense_frames : 0;
  }
  test_video_clear (&video);
  return run;
}

static void
assert_same (const Run *a, const Run *b, guint64 seed)
{
  if (a->bytes->len != b->bytes->len ||
      memcmp (a->bytes->data, b->bytes->data, a->bytes->len) != 0)
    g_error ("net %" G_GUINT64_FORMAT " gives other results", seed);
}

/* ---- load ------------------------------------------------------------------------- */

static gint load_ends;

static gpointer
take_processor (gpointer data)
{
  volatile guint64 n G_GNUC_UNUSED = 0;

  while (!g_atomic_int_get (&load_ends))
    for (guint i = 0; i < 1000000; i++)
      n += i;
  return NULL;
}

static void
test_same_under_load (void)
{
  guint64 dense_nodes = 0;

  for (guint64 seed = 1; seed <= 8; seed++) {
    GThread *load[LOAD_THREADS];
    Run quiet, loaded, alone;
    if (!test_seed_runs (seed))
      continue;
    quiet = run_video (seed, DCNN_MODE_AUTO, 2, TRUE);
    g_atomic_int_set (&load_ends, 0);
    for (guint i = 0; i < LOAD_THREADS; i++)
      load[i] = g_thread_new ("load", take_processor, NULL);
    loaded = run_video (seed, DCNN_MODE_AUTO, 2, TRUE);
    g_atomic_int_set (&load_ends, 1);
    for (guint i = 0; i < LOAD_THREADS; i++)
      g_thread_join (load[i]);
    alone = run_video (seed, DCNN_MODE_AUTO, 1, TRUE);
    assert_same (&quiet, &loaded, seed);
    assert_same (&quiet, &alone, seed);
    dense_nodes += quiet.dense_nodes;
    g_byte_array_unref (quiet.bytes);
    g_byte_array_unref (loaded.bytes);
    g_byte_array_unref (alone.bytes);
  }
  g_assert_cmpuint (dense_nodes, >, 0);
}

static void
test_same_as_lists (void)
{
  guint64 dense_nodes = 0;

  for (guint64 seed = 1; seed <= 16; seed++) {
    Run whole, lists;
    if (!test_seed_runs (seed))
      continue;
    whole = run_video (seed, DCNN_MODE_AUTO, 1, FALSE);
    lists = run_video (seed, DCNN_MODE_SPARSE, 1, FALSE);
    if (whole.dense_frames == lists.dense_frames) {
      assert_same (&whole, &lists, seed);
      dense_nodes += whole.dense_nodes;
    }
    g_byte_array_unref (whole.bytes);
    g_byte_array_unref (lists.bytes);
  }
  g_assert_cmpuint (dense_nodes, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/dense-rule/counts", test_rule);
  g_test_add_func ("/engine/dense-rule/under-load", test_same_under_load);
  g_test_add_func ("/engine/dense-rule/lists", test_same_as_lists);
  return g_test_run ();
}
