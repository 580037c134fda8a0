/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * devices.c - sessions of one model on two devices of one process, in turn and
 * on two threads at once, give the same results: nothing of a device is taken
 * for the other's. The devices are the first two GPUs where
 * DELTACNN_TEST_DEVICE is cuda (skipped where there is one), else cpu and sim.
 */
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

#define FRAMES 12

/* Two names; NULL: they are not there, and the test is skipped. */
static const char *const *
two_devices (void)
{
  static const char *const gpus[] = { "cuda:0", "cuda:1" };
  static const char *const here[] = { "cpu", "sim" };
  g_autoptr (GError) error = NULL;

  if (!g_str_has_prefix (test_device (), "cuda"))
    return here;
  if (dcnn_device_check (gpus[0], &error) &&
      dcnn_device_check (gpus[1], &error))
    return gpus;
  g_test_skip (error->message);
  return NULL;
}

static DcnnSession *
new_session (DcnnModel *model, const char *device)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.device = device;
  options.threads = 1;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.threshold = options.tuning.gate_threshold = 0;
  options.tuning.input_threshold = 0;
  options.tuning.settle = FALSE;
  return test_session_new (model, &options);
}

static DcnnModel *
new_model (guint64 seed)
{
  return test_model_new (test_net_random (seed, TRUE, FALSE, TRUE));
}

/* All outputs of a session's last frame, one after the other. */
static GByteArray *
take_outputs (DcnnSession *session, DcnnModel *model)
{
  GByteArray *bytes = g_byte_array_new ();
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_outputs; i++) {
    const DcnnTensor *t = &dcnn_session_get_output (session, 0, i)->tensor;
    g_byte_array_append (bytes, t->data, (guint) (dcnn_tensor_count (t) *
            dcnn_dtype_bytes (t->dtype)));
  }
  return bytes;
}

static void
expect_same (const GByteArray *a, const GByteArray *b, guint64 seed, guint f)
{
  if (a->len == b->len && memcmp (a->data, b->data, a->len) == 0)
    return;
  g_test_message ("seed %d frame %u: the devices differ", (gint) seed, f);
  g_test_fail ();
}

static void
run_in_turn (guint64 seed, const char *const *names)
{
  g_autoptr (DcnnModel) model = new_model (seed);
  DcnnSession *sessions[2];
  guint64 video = seed + 70;
  DcnnTensor frame = test_frame_new (model, &video, TRUE);

  for (guint i = 0; i < 2; i++)
    sessions[i] = new_session (model, names[i]);
  for (guint f = 0; f < FRAMES; f++) {
    GByteArray *outputs[2];
    for (guint i = 0; i < 2; i++)
      test_push (sessions[i], &frame);
    for (guint i = 0; i < 2; i++)
      outputs[i] = take_outputs (sessions[i], model);
    expect_same (outputs[0], outputs[1], seed, f);
    for (guint i = 0; i < 2; i++)
      g_byte_array_unref (outputs[i]);
    if (f == FRAMES / 2) { /* one device's session goes, the other's stays */
      dcnn_session_free (sessions[0]);
      sessions[0] = new_session (model, names[0]);
    }
    test_video_step (&video, &frame, TRUE);
  }
  for (guint i = 0; i < 2; i++)
    dcnn_session_free (sessions[i]);
  dcnn_tensor_free (&frame);
}

static void
test_in_turn (void)
{
  const char *const *names = two_devices ();

  for (guint64 seed = 1; names && seed <= 6; seed++)
    if (test_seed_runs (seed))
      run_in_turn (seed, names);
}

typedef struct Worker {
  DcnnModel *model;
  const char *device;
  GByteArray *outputs[FRAMES];
} Worker;

static gpointer
work (gpointer data)
{
  Worker *worker = data;
  g_autoptr (DcnnSession) session = new_session (worker->model,
      worker->device);
  guint64 video = 11;
  DcnnTensor frame = test_frame_new (worker->model, &video, TRUE);

  for (guint f = 0; f < FRAMES; f++) {
    test_push (session, &frame);
    worker->outputs[f] = take_outputs (session, worker->model);
    test_video_step (&video, &frame, TRUE);
  }
  dcnn_tensor_free (&frame);
  return NULL;
}

static void
run_at_once (guint64 seed, const char *const *names)
{
  g_autoptr (DcnnModel) model = new_model (seed);
  Worker workers[4] = { { 0 } };
  GThread *threads[4];

  for (guint i = 0; i < 4; i++) {
    workers[i].model = model;
    workers[i].device = names[i % 2];
    threads[i] = g_thread_new ("device", work, &workers[i]);
  }
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  for (guint f = 0; f < FRAMES; f++)
    for (guint i = 0; i < 4; i++) {
      expect_same (workers[0].outputs[f], workers[i].outputs[f], seed, f);
      if (i > 0)
        g_byte_array_unref (workers[i].outputs[f]);
    }
  for (guint f = 0; f < FRAMES; f++)
    g_byte_array_unref (workers[0].outputs[f]);
}

static void
test_at_once (void)
{
  const char *const *names = two_devices ();

  for (guint64 seed = 1; names && seed <= 4; seed++)
    if (test_seed_runs (seed))
      run_at_once (seed, names);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/devices/in-turn", test_in_turn);
  g_test_add_func ("/engine/devices/at-once", test_at_once);
  return g_test_run ();
}
