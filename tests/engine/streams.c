/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * streams.c - streams of one session, and sessions of one model, have nothing
 * to do with each other: four streams are four sessions, a stream without a
 * frame stays as it is, two sessions run on two threads.
 */
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

#define STREAMS 4

static DcnnModel *
new_model (guint64 seed)
{
 return test_model_new (test_net_sized (seed, FALSE, TRUE, 48, 64));
}

static DcnnSession *
new_session (DcnnModel *model, guint streams)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.streams = streams;
  options.threads = 2;
  options.tuning.mode = DCNN_MODE_SPARSE;
  return test_session_new (model, &options);
}

static void
push (DcnnSession *session, guint stream, TestVideo *video)
{
  DcnnFrame frame;

  test_video_draw (video, DCNN_FORMAT_RGB, FALSE, &frame);
  test_push_frame (session, stream, &frame);
}

static gboolean
same_output (DcnnSession *a, guint i, DcnnSession *b, guint k)
{
  for (guint o = 0; o < 2; o++) {
    const DcnnOutput *p = dcnn_session_get_output (a, i, o);
    const DcnnOutput *q = dcnn_session_get_output (b, k, o);
    if (memcmp (p->tensor.data, q->tensor.data,
            (gsize) dcnn_tensor_count (&p->tensor) * sizeof (gfloat)) != 0)
      return FALSE;
    if (p->is_map && memcmp (p->updated.words, q->updated.words, 8 *
            dcnn_mask_words (p->updated.width, p->updated.height)) != 0)
      return FALSE;
  }
  return TRUE;
}

static GChecksum *
checksum_of (DcnnSession *session, guint index)
{
  const DcnnPlan *plan = session->plan;
  const DcnnOutput *outputs = session->streams[index].outputs;
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);

  for (guint m = 0; m < plan->maps->len; m++) {
    const PlanMap *map = plan_map (plan, (gint) m);
    gsize n = (gsize) map->width * map->height * map->channels;
    g_autofree gfloat *values = g_new0 (gfloat, n);
    if (map->constant == NULL && dcnn_session_probe (session, index, (gint) m,
            values, NULL, NULL))
      g_checksum_update (sum, (const guchar *) values,
          (gssize) (n * sizeof *values));
  }
  for (guint i = 0; i < 2; i++)
    g_checksum_update (sum, outputs[i].tensor.data,
        dcnn_tensor_count (&outputs[i].tensor) * 4);
  return sum;
}

static void
test_batch (void)
{
  guint64 seeds = test_on_cpu () ? 6 : 1;

  for (guint64 seed = 1; seed <= seeds; seed++) {
    g_autoptr (DcnnModel) model = new_model (seed);
    g_autoptr (DcnnSession) batch = new_session (model, STREAMS);
    DcnnSession *alone[STREAMS];
    TestVideo videos[STREAMS];
    guint64 state = seed;
    for (guint s = 0; s < STREAMS; s++) {
      alone[s] = new_session (model, 1);
      test_video_init (&videos[s], seed * 10 + s, 60 + 10 * s, 50);
    }
    for (guint f = 0; f < 60; f++) {
      guint s = f < STREAMS ? f : test_random (&state, STREAMS);
      guint other = (s + 1) % STREAMS;
      g_autoptr (GChecksum) before = checksum_of (batch, other), after;
      test_video_move (&videos[s]);
      push (batch, s, &videos[s]);
      push (alone[s], 0, &videos[s]);
      if (!same_output (batch, s, alone[s], 0))
        g_error ("seed %d frame %u stream %u differs", (gint) seed, f, s);
      after = checksum_of (batch, other);
      g_assert_cmpstr (g_checksum_get_string (before), ==,
          g_checksum_get_string (after));
    }
    for (guint s = 0; s < STREAMS; s++) {
      dcnn_session_free (alone[s]);
      test_video_clear (&videos[s]);
    }
  }
}

/* ---- threads --------------------------------------------------------------------- */

typedef struct Worker {
  DcnnModel *model;
  guint64 seed;
  DcnnSession *session;
} Worker;

static gpointer
work (gpointer data)
{
  Worker *worker = data;
  TestVideo video;

  worker->session = new_session (worker->model, 1);
  test_video_init (&video, worker->seed, 64, 48);
  for (guint f = 0; f < 40; f++) {
    push (worker->session, 0, &video);
    test_video_move (&video);
  }
  test_video_clear (&video);
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (DcnnModel) model = new_model (4);
  Worker workers[3], again[3];
  GThread *threads[3];

  for (guint i = 0; i < 3; i++) {
    workers[i] = again[i] = (Worker) { model, i + 1, NULL };
    threads[i] = g_thread_new ("worker", work, &workers[i]);
  }
  for (guint i = 0; i < 3; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < 3; i++) {
    work (&again[i]);
    g_assert_true (same_output (workers[i].session, 0, again[i].session, 0));
    dcnn_session_free (workers[i].session);
    dcnn_session_free (again[i].session);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/streams/batch", test_batch);
  g_test_add_func ("/engine/streams/threads", test_threads);
  return g_test_run ();
}
