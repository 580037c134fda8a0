/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dense_rule.c - when a node runs on its whole map, and that nothing but the
 * frames decides it: a video gives the same bits with one thread, with two,
 * and while other threads take the processor away; and the same bits as lists
 * alone, as long as no whole frame runs dense.
 */
#include <string.h>

#include "dense_rule.h"
#include "cpu.h"
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
  g_assert_false (dcnn_dense_rule_cut (50, 100)); /* half is no cut */
  g_assert_true (dcnn_dense_rule_cut (51, 100));
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
  test_options_init (&options);
  options.threads = threads;
  options.tuning.mode = mode;
  if (!work) /* a refresh's size goes by the work done */
    options.tuning.refresh = 0;
  session = test_session_new (model, &options);
  test_video_init (&video, seed, 96, 80);
  for (guint f = 0; f < FRAMES; f++) {
    test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
    test_push_frame (session, 0, &frame);
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

/* ---- whole frames ------------------------------------------------------------------- */

/* Dear frames, then cheap ones: when they run dense, when they are tried, and
 * that a calm scene ends it at once. */
static void
test_dear_frames (void)
{
  DcnnDearFrames rule = { 0 };
  guint dense = 0, sparse = 0;

  for (guint f = 0; f < 3; f++) { /* three are not enough */
    g_assert_false (dcnn_dear_frames_next (&rule, 0.4));
    dcnn_dear_frames_ran (&rule, 1.2, 0.4);
  }
  g_assert_false (dcnn_dear_frames_next (&rule, 0.4));
  dcnn_dear_frames_ran (&rule, 0.9, 0.4);
  for (guint f = 0; f < 1000; f++) {
    if (dcnn_dear_frames_next (&rule, 0.4)) {
      dense++;
    } else {
      sparse++;
      dcnn_dear_frames_ran (&rule, f < 100 ? 1.2 : 0.9, 0.4);
    }
  }
  /* 4 sparse, 16 dense, then one try each after 32, 64, 128 and 256, twice */
  g_assert_cmpuint (sparse, <, 12);
  g_assert_cmpuint (dense, ==, 1000 - sparse);
  while (!dcnn_dear_frames_next (&rule, 0.4))
    dcnn_dear_frames_ran (&rule, 1.2, 0.4);
  g_assert_false (dcnn_dear_frames_next (&rule, 0.1)); /* calm */
  dcnn_dear_frames_ran (&rule, 0.3, 0.1);
  g_assert_cmpuint (rule.left, ==, 0);
  g_assert_cmpuint (rule.wait, ==, 0);
}

/* Noise in so many rows of the picture. */
static void
add_noise (DcnnTensor *frame, guint64 *state, gint64 rows)
{
  gfloat *values = frame->data;
  gint64 h = frame->dims[2], w = frame->dims[3];

  for (gint64 c = 0; c < frame->dims[1]; c++)
    for (gint64 i = 0; i < rows * w; i++)
      values[c * h * w + i] = test_random_value (state, FALSE);
}

/* A dense frame compares nothing, so it has no verdict to write, nodes inside of
 * blocks either. */
#define VERDICTS_SEEN 64

static void
spoil_verdicts (DcnnSession *session)
{
  if (session->cpu)
    memset (session->cpu->verdicts, 0xa5, VERDICTS_SEEN);
}

static void
assert_spoilt (const DcnnSession *session)
{
  for (guint i = 0; session->cpu && i < VERDICTS_SEEN; i++)
    g_assert_cmphex (session->cpu->verdicts[i], ==, 0xa5);
}

/* Busy and calm in turn: some frames run dense, and at threshold 0 every frame
 * is still exact. On the cpu these are no cuts, with blocks that store less; a
 * device that runs frames by itself (DELTACNN_TEST_DEVICE) takes cuts alone. */
static void
test_busy_video (void)
{
  guint dense_frames = 0, sparse_frames = 0;
  const char *device = test_device ();
  gint64 busy = strcmp (device, "cpu") == 0 ? 38 : 44;

  for (guint64 seed = 1; seed <= 8; seed++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (seed, FALSE,
            seed % 2, 80, 96), &error);
    DcnnSession *sessions[2];
    guint64 state = seed;
    DcnnTensor frame;
    if (!test_seed_runs (seed))
      continue;
    g_assert_no_error (error);
    for (guint i = 0; i < 2; i++) {
      DcnnSessionOptions options;
      test_options_init (&options);
      options.device = device;
      options.threads = 1 + (guint) seed % 2;
      options.tuning = (DcnnTuning) { .mode = i ? DCNN_MODE_DENSE :
            DCNN_MODE_AUTO };
      sessions[i] = test_session_new (model, &options);
    }
    frame = test_frame_new (model, &state, FALSE);
    for (guint f = 0; f < 60; f++) {
      DcnnFrameStats stats;
      Run runs[2];
      add_noise (&frame, &state, f % 30 < 22 ? busy : 4);
      spoil_verdicts (sessions[0]);
      for (guint i = 0; i < 2; i++) {
        DcnnModelSummary summary;
        dcnn_model_get_summary (model, &summary);
        test_push (sessions[i], &frame);
        runs[i] = (Run) { g_byte_array_new (), 0, 0 };
        record (&runs[i], sessions[i], summary.n_outputs, FALSE);
      }
      assert_same (&runs[0], &runs[1], seed);
      g_byte_array_unref (runs[0].bytes);
      g_byte_array_unref (runs[1].bytes);
      dcnn_session_get_stats (sessions[0], 0, &stats);
      if (stats.dense)
        assert_spoilt (sessions[0]);
      dense_frames += stats.dense && f > 0;
      sparse_frames += !stats.dense;
    }
    dcnn_session_free (sessions[0]);
    dcnn_session_free (sessions[1]);
    dcnn_tensor_free (&frame);
  }
  g_test_message ("%u frames ran dense, %u did not", dense_frames,
      sparse_frames);
  g_assert_cmpuint (dense_frames, >, 0);
  g_assert_cmpuint (sparse_frames, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/dense-rule/counts", test_rule);
  g_test_add_func ("/engine/dense-rule/under-load", test_same_under_load);
  g_test_add_func ("/engine/dense-rule/lists", test_same_as_lists);
  g_test_add_func ("/engine/dense-rule/dear-frames", test_dear_frames);
  g_test_add_func ("/engine/dense-rule/busy-video", test_busy_video);
  return g_test_run ();
}
