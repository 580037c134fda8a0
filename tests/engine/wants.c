/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * wants.c - of frames whose outputs are asked for in part, later or not at all,
 * nothing is lost: whatever is asked for is what a session gives that is asked
 * for everything each time.
 *
 *   wants [SEED]
 */
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

#define STREAMS 3
#define OUTPUTS 3
#define FRAMES 40

/* Two maps of different sizes, and what only a tail makes of one. */
static DcnnModel *
new_model (guint64 seed)
{
  const gint64 flat[3] = { 1, 6, 20 * 28 };
  DcnnParams softmax = { .axis = { .axis = 2 } };
  TestNet net;
  DcnnValueId a, b, v;

  test_net_begin (&net, seed, TRUE);
  v = test_net_input (&net, 3, 40, 56);
  a = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 8, 3, 1, 1,
          1));
  dcnn_graph_add_output (net.graph, test_net_conv (&net, a, 20, 1, 1, 1, 1));
  b = test_net_conv (&net, a, 6, 3, 2, 1, 1);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, b, 5, 3, 1, 1, 1));
  v = test_net_reshape (&net, b, 3, flat);
  dcnn_graph_add_output (net.graph, test_net_node (&net, DCNN_OP_SOFTMAX,
          &softmax, 1, &v, NULL));
  return test_model_new (net.graph);
}

static DcnnSession *
new_session (DcnnModel *model, guint streams)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.streams = streams;
  options.threads = 1;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.threshold = options.tuning.input_threshold = 0;
  options.tuning.settle = FALSE;
  return test_session_new (model, &options);
}

static gsize
bytes_of (const DcnnTensor *t)
{
  return (gsize) dcnn_tensor_count (t) * dcnn_dtype_bytes (t->dtype);
}

/* Whether what one mask tells, the other one does. */
static gboolean
tells (const DcnnMask *one, const DcnnMask *all)
{
  gboolean yes = TRUE;

  for (guint w = 0; w < dcnn_mask_words (one->width, one->height); w++)
    yes &= (all->words[w] & ~one->words[w]) == 0;
  return yes;
}

/* What was asked for, of a frame that is the last one of both. It may be said
 * of more that it has changed. */
static void
expect_same (DcnnSession *one, guint s, DcnnSession *all, guint wants,
    guint64 seed, guint f)
{
  for (guint i = 0; i < OUTPUTS; i++) {
    const DcnnOutput *a = dcnn_session_get_output (one, s, i);
    const DcnnOutput *b = dcnn_session_get_output (all, 0, i);
    gboolean same = TRUE;
    if (wants & DCNN_WANT_OUTPUT (i))
      same = memcmp (a->tensor.data, b->tensor.data,
          bytes_of (&a->tensor)) == 0 && (a->changed || !b->changed);
    if (same && a->is_map && (wants & DCNN_WANT_MASKS))
      same = tells (&a->updated, &b->updated);
    if (same)
      continue;
    g_test_message ("frame %u stream %u output %u, asked for %x; rerun: "
        "engine-wants %" G_GUINT64_FORMAT, f, s, i, wants, seed);
    g_test_fail ();
  }
}

static guint
some_wants (guint64 *state)
{
  static const guint wants[] = { DCNN_WANT_STATS, DCNN_WANT_STATS,
    DCNN_WANT_ALL, DCNN_WANT_OUTPUT (0), DCNN_WANT_OUTPUT (1),
    DCNN_WANT_OUTPUT (2), DCNN_WANT_MASKS, DCNN_WANT_OUTPUT (0) |
    DCNN_WANT_OUTPUT (2), DCNN_WANT_OUTPUT (1) | DCNN_WANT_MASKS };

  return wants[test_random (state, G_N_ELEMENTS (wants))];
}

/* A frame of some streams, changed or not, waited for in any order; of others
 * something more is asked for of the frame before. */
static void
run_seed (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model (seed);
  g_autoptr (DcnnSession) together = new_session (model, STREAMS);
  DcnnSession *alone[STREAMS];
  TestVideo videos[STREAMS];
  guint64 state = seed;
  gboolean has_run[STREAMS] = { FALSE };

  for (guint s = 0; s < STREAMS; s++) {
    alone[s] = new_session (model, 1);
    test_video_init (&videos[s], seed * 10 + s, 56, 40);
  }
  for (guint f = 0; f < FRAMES && !g_test_failed (); f++) {
    guint which = 1 + test_random (&state, (1 << STREAMS) - 1);
    for (guint s = 0; s < STREAMS; s++) {
      DcnnFrame frame;
      DcnnSubmission one = { s, &frame, NULL };
      if (!(which >> s & 1))
        continue;
      if (test_random (&state, 3))
        test_video_move (&videos[s]);
      test_video_draw (&videos[s], DCNN_FORMAT_RGB, FALSE, &frame);
      test_push_frame (alone[s], 0, &frame);
      if (test_random (&state, 20) == 0)
        dcnn_session_reset (together, s);
      g_assert_true (dcnn_session_submit (together, &one, 1, &error));
      has_run[s] = TRUE;
    }
    for (guint s = STREAMS; s-- > 0 && !g_test_failed ();) {
      guint wants = some_wants (&state);
      if (!has_run[s])
        continue;
      g_assert_true (dcnn_session_wait (together, s, wants, &error));
      /* a stream that was reset tells that everything changed */
      expect_same (together, s, alone[s], wants, seed, f);
    }
  }
  for (guint s = 0; s < STREAMS; s++) {
    dcnn_session_free (alone[s]);
    test_video_clear (&videos[s]);
  }
}

static void
test_wants (void)
{
  for (guint64 seed = 1; seed <= 6 && !g_test_failed (); seed++)
    if (test_seed_runs (seed))
      run_seed (seed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/wants", test_wants);
  return g_test_run ();
}
