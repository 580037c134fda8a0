/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_fail.c - sessions on a GPU while the n-th call of CUDA's runtime fails,
 * for every n: no crash, one error that says what failed, nothing lost, and the
 * same session takes the next frame. On two GPUs, every call is made on the
 * right one. Last, on a GPU: one that is lost in earnest.
 *
 * Without a GPU the host's side of it is tried all the same (cuda_calls.h).
 */
#include <string.h>

#include "cuda_calls.h"
#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

#define WIDTH 48
#define HEIGHT 40
/* What the driver may keep for itself. */
#define SLACK_BYTES ((gsize) 48 << 20)

static DcnnModel *
new_model (guint64 seed)
{
  g_autoptr (GError) error = NULL;
  DcnnModel *model = dcnn_model_new (test_net_sized (seed, FALSE, TRUE, 32,
          32), &error);

  g_assert_no_error (error);
  return model;
}

static DcnnSession *
new_session (DcnnModel *model, const char *device, DcnnPrecision precision,
    GError **error)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.device = device;
  options.precision = precision;
  options.streams = 2;
  options.threads = 1;
  return dcnn_session_new (model, &options, error);
}

/* A frame of a camera that is followed: such frames make every call. */
static gboolean
push (DcnnSession *session, TestVideo *video, GError **error)
{
  const DcnnMotion motion = { .matrix = { 1, 0, 1.25, 0, 1, 0.5, 0, 0, 1 },
    .weigh = TRUE };
  DcnnFrame frame;

  test_video_move (video);
  test_video_draw (video, DCNN_FORMAT_I420, FALSE, &frame);
  return dcnn_session_push_frame (session, 0, &frame, &motion, error);
}

/* One error of that kind, which says what was being done. */
static void
expect_error (const GError *error, gboolean memory)
{
  g_assert_nonnull (error);
  g_test_message ("%s: %s", cuda_calls_failed (), error->message);
  g_assert_true (error->domain == DCNN_ERROR);
  g_assert_true (error->code == DCNN_ERROR_MEMORY ||
      (!memory && error->code == DCNN_ERROR_DEVICE));
  if (memory) {
    g_assert_nonnull (strstr (error->message, "memory"));
    g_assert_nonnull (strstr (error->message, "while "));
  }
}

/* A model, a session, and three frames, of which call n fails. Returns whether
 * none did: there are not so many. */
static gboolean
try (guint64 seed, DcnnPrecision precision, guint n, cudaError_t failure,
    gboolean all)
{
  g_autoptr (GError) error = NULL;
  gint before = cuda_calls_live ();
  DcnnModel *model = new_model (seed);
  DcnnSession *session;
  gboolean ok, last;
  TestVideo video;

  test_video_init (&video, 1, WIDTH, HEIGHT);
  cuda_calls_fail (n, failure, all);
  session = new_session (model, "cuda", precision, &error);
  ok = session != NULL;
  for (guint f = 0; f < 3 && ok; f++)
    ok = push (session, &video, &error);
  last = cuda_calls_count () < n;
  g_assert_true (last == (cuda_calls_failed () == NULL));
  if (ok && !last) {
    g_test_message ("call %u (%s) failed and nobody saw it", n,
        cuda_calls_failed ());
    g_test_fail ();
  }
  if (!ok) {
    expect_error (error, failure == cudaErrorMemoryAllocation);
    g_clear_error (&error);
  }
  cuda_calls_fail (0, cudaSuccess, FALSE);
  for (guint f = 0; f < 2 && session; f++) {
    g_assert_true (push (session, &video, &error));
    g_assert_no_error (error);
  }
  dcnn_session_free (session);
  dcnn_model_unref (model);
  test_video_clear (&video);
  if (cuda_calls_live () != before) {
    g_test_message ("call %u: %d things were not freed", n, cuda_calls_live () -
        before);
    g_test_fail ();
  }
  return last;
}

static void
try_all (DcnnPrecision precision, cudaError_t failure, gboolean all)
{
  gsize before;
  guint n = 1;

  (void) try (2, precision, G_MAXINT, failure, all); /* what stays is made */
  before = cuda_calls_free_bytes ();
  while (!g_test_failed () && !try (2, precision, n, failure, all))
    n++;
  g_test_message ("%u calls; %" G_GSIZE_FORMAT " bytes of the GPU's were free "
      "before, %" G_GSIZE_FORMAT " after", n - 1, before,
      cuda_calls_free_bytes ());
  g_assert_cmpuint (n, >, 40);
  g_assert_cmpuint (cuda_calls_free_bytes () + SLACK_BYTES, >=, before);
}

/* Memory, streams, events and graphs that cannot be had. */
static void
test_allocations (void)
{
  try_all (DCNN_PRECISION_AUTO, cudaErrorMemoryAllocation, FALSE);
  try_all (DCNN_PRECISION_F32, cudaErrorMemoryAllocation, FALSE);
}

/* Any call at all. */
static void
test_calls (void)
{
  try_all (DCNN_PRECISION_AUTO, cudaErrorLaunchOutOfResources, TRUE);
}

/* Waits for the whole GPU again and again. */
static gpointer
wait_for_gpu (gpointer data)
{
  const gint *stop = data;
  guint waits = 0;

  g_assert_cmpint (cudaSetDevice (0), ==, cudaSuccess);
  for (; !g_atomic_int_get (stop); waits++) {
    g_assert_cmpint (cudaDeviceSynchronize (), ==, cudaSuccess);
    g_usleep (waits % 2 == 0 ? 200 : 2000);
  }
  return GUINT_TO_POINTER (waits);
}

/* Sessions begin, and frames run, beside somebody who waits for the whole GPU, which
 * ends what is captured there. */
static void
test_waits (void)
{
  gint stop = FALSE;
  g_autoptr (DcnnModel) model = NULL;
  GThread *other;
  guint waits;

  g_setenv ("DELTACNN_CUDA_EXITS", "2", TRUE);
  model = new_model (2);
  other = g_thread_new ("waits", wait_for_gpu, &stop);
  for (guint i = 0; i < 40 && !g_test_failed (); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnSession) session = new_session (model, "cuda:0",
        DCNN_PRECISION_AUTO, &error);
    TestVideo video;
    g_assert_no_error (error);
    test_video_init (&video, i, WIDTH, HEIGHT);
    for (guint f = 0; f < 3; f++)
      g_assert_true (push (session, &video, &error));
    test_video_clear (&video);
  }
  g_atomic_int_set (&stop, TRUE);
  waits = GPOINTER_TO_UINT (g_thread_join (other));
  g_unsetenv ("DELTACNN_CUDA_EXITS");
  g_test_message ("somebody waited %u times", waits);
  g_assert_cmpuint (waits, >, 0);
}

/* A frame that failed while it was under way leaves nothing of what it was to
 * set: the session's results are then those of one that never failed. */
static void
test_recovers (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model (4);
  guint calls;

  if (!cuda_calls_real ()) {
    g_test_skip ("no GPU: results are none");
    return;
  }
  for (guint n = 1, most = 2; n < most; n++) {
    DcnnSession *sessions[2];
    TestVideo videos[2];
    for (guint i = 0; i < 2; i++) {
      sessions[i] = new_session (model, "cuda", DCNN_PRECISION_AUTO, &error);
      g_assert_no_error (error);
      test_video_init (&videos[i], 3, WIDTH, HEIGHT);
    }
    cuda_calls_fail (n, cudaErrorLaunchOutOfResources, TRUE);
    for (guint f = 0; f < 3; f++)
      if (!push (sessions[0], &videos[0], &error))
        g_clear_error (&error);
    calls = cuda_calls_count ();
    most = MAX (most, calls);
    cuda_calls_fail (0, cudaSuccess, FALSE);
    for (guint f = 0; f < 3; f++)
      test_video_move (&videos[1]);
    dcnn_session_reset (sessions[0], 0);
    for (guint f = 0; f < 3; f++) {
      const DcnnTensor *t[2];
      for (guint i = 0; i < 2; i++) {
        g_assert_true (push (sessions[i], &videos[i], &error));
        t[i] = &dcnn_session_get_output (sessions[i], 0, 0)->tensor;
      }
      g_assert_cmpmem (t[0]->data, (gsize) dcnn_tensor_count (t[0]) * 4,
          t[1]->data, (gsize) dcnn_tensor_count (t[1]) * 4);
    }
    for (guint i = 0; i < 2; i++) {
      dcnn_session_free (sessions[i]);
      test_video_clear (&videos[i]);
    }
  }
}

/* Sessions on two GPUs, whose calls alternate. The imitation aborts where one
 * is made on the wrong GPU. */
static void
test_two (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model (3);
  DcnnSession *sessions[2];
  TestVideo video;

  if (!dcnn_device_check ("cuda:1", &error)) {
    g_test_skip (error->message);
    return;
  }
  test_video_init (&video, 1, WIDTH, HEIGHT);
  for (guint i = 0; i < 2; i++) {
    sessions[i] = new_session (model, i ? "cuda:1" : "cuda:0",
        DCNN_PRECISION_AUTO, &error);
    g_assert_no_error (error);
  }
  for (guint f = 0; f < 4; f++)
    for (guint i = 0; i < 2; i++) {
      g_assert_true (push (sessions[i], &video, &error));
      if (f == 2)
        dcnn_session_reset (sessions[1 - i], 0);
    }
  for (guint m = 0; m < model->plan->maps->len; m++) {
    const PlanMap *map = plan_map (sessions[0]->plan, (gint) m);
    g_autofree gfloat *values = g_new (gfloat, (gsize) map->width *
        map->height * map->channels);
    for (guint i = 0; i < 2 && map->buffer >= 0; i++)
      (void) dcnn_session_probe (sessions[i], 0, (gint) m, values, NULL, NULL);
  }
  dcnn_session_free (sessions[0]);
  g_assert_true (push (sessions[1], &video, &error));
  dcnn_session_free (sessions[1]);
  test_video_clear (&video);
}

/* A picture whose planes are nowhere: what reads them takes the GPU's context
 * with it, as a fault of the hardware would. Nothing can be run on it in this
 * process afterwards, so this is the last test. */
static void
test_lost (void)
{
  g_autoptr (GError) error = NULL, next = NULL, fresh = NULL, check = NULL;
  g_autoptr (DcnnModel) model = new_model (5);
  g_autoptr (DcnnSession) session = NULL, other = NULL;
  DcnnSessionOptions options;
  TestVideo video;
  DcnnFrame frame;

  if (!cuda_calls_real ()) {
    g_test_skip ("no GPU to lose");
    return;
  }
  session = new_session (model, "cuda", DCNN_PRECISION_AUTO, &error);
  g_assert_no_error (error);
  test_video_init (&video, 1, WIDTH, HEIGHT);
  g_assert_true (push (session, &video, &error));
  test_video_draw (&video, DCNN_FORMAT_RGB, FALSE, &frame);
  frame.memory = DCNN_MEMORY_CUDA;
  frame.planes[0] = (const guint8 *) 0x4000;
  g_assert_false (dcnn_session_push_frame (session, 0, &frame, NULL, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE);
  g_test_message ("%s", error->message);
  g_assert_false (push (session, &video, &next));
  g_assert_error (next, DCNN_ERROR, DCNN_ERROR_DEVICE);
  g_test_message ("%s", next->message);
  g_assert_null (new_session (model, "cuda", DCNN_PRECISION_AUTO, &fresh));
  g_assert_error (fresh, DCNN_ERROR, DCNN_ERROR_DEVICE);
  g_assert_nonnull (strstr (fresh->message, "process"));
  /* a pipeline that restarts goes on, without it */
  g_assert_false (dcnn_device_check ("cuda", &check));
  test_options_init (&options);
  options.device = "auto";
  other = dcnn_session_new (model, &options, &check);
  g_assert_nonnull (other);
  g_assert_cmpstr (dcnn_session_get_device (other), ==, "cpu");
  g_assert_true (dcnn_session_fell_back (other));
  test_video_clear (&video);
}

/* With "auto", a call that fails while a session is made takes it to the cpu, which
 * says why. Memory that others have does not: a session that is too large for a
 * GPU is not wanted on the cpu. Nor does what is no device's fault. */
static void
test_goes_on (void)
{
  g_autoptr (DcnnModel) model = new_model (2);
  gboolean last = FALSE;
  guint n;

  for (n = 1; !last && !g_test_failed (); n += 1 + 6 * !g_test_slow ()) {
    g_autoptr (GError) error = NULL;
    DcnnSession *session;
    gint before = cuda_calls_live ();
    cuda_calls_fail (n, cudaErrorLaunchOutOfResources, TRUE);
    session = new_session (model, "auto", DCNN_PRECISION_AUTO, &error);
    last = cuda_calls_failed () == NULL;
    g_assert_no_error (error);
    if (g_str_has_prefix (dcnn_session_get_device (session), "cuda") != last ||
        dcnn_session_fell_back (session) == last ||
        (*dcnn_session_get_device_why (session) == '\0') != last) {
      g_test_message ("call %u (%s): on %s, since \"%s\"", n,
          cuda_calls_failed (), dcnn_session_get_device (session),
          dcnn_session_get_device_why (session));
      g_test_fail ();
    }
    cuda_calls_fail (0, cudaSuccess, FALSE);
    dcnn_session_free (session);
    g_assert_cmpint (cuda_calls_live (), ==, before);
  }
  g_test_message ("%u calls", n);
  g_assert_cmpuint (n, >, 40);
}

static void
test_stays (void)
{
  static const cudaError_t failures[] = { cudaErrorMemoryAllocation,
    cudaErrorLaunchOutOfResources };
  static const char *const devices[] = { "auto", "cuda" };
  static const DcnnError codes[] = { DCNN_ERROR_MEMORY, DCNN_ERROR_DEVICE };
  g_autoptr (DcnnModel) model = new_model (2);

  for (guint i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_autoptr (GError) error = NULL;
    cuda_calls_fail (1, failures[i], FALSE); /* of those that make something */
    g_assert_null (new_session (model, devices[i], DCNN_PRECISION_AUTO,
            &error));
    g_assert_nonnull (cuda_calls_failed ());
    g_assert_error (error, DCNN_ERROR, (gint) codes[i]);
  }
  cuda_calls_fail (0, cudaSuccess, FALSE);
}

/* Code for less than 8.0 has no bfloat16, and says what there is. */
static void
test_bf16 (void)
{
  static const gint code[] = { 75, 80, 90 };
  g_autoptr (DcnnModel) model = new_model (2);

  for (guint i = 0; i < G_N_ELEMENTS (code); i++) {
    g_autoptr (GError) error = NULL;
    gint before = cuda_calls_live ();
    DcnnSession *session;
    cuda_calls_compiled_for (code[i]);
    session = new_session (model, "cuda", DCNN_PRECISION_BF16, &error);
    g_assert_true ((session != NULL) == (code[i] >= 80));
    if (session == NULL) {
      g_assert_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE);
      g_assert_nonnull (strstr (error->message, "8.0"));
      g_assert_nonnull (strstr (error->message, "7.5"));
      g_assert_nonnull (strstr (error->message, "f16"));
    }
    dcnn_session_free (session);
    session = new_session (model, "cuda", DCNN_PRECISION_F16, NULL);
    g_assert_nonnull (session);
    dcnn_session_free (session);
    g_assert_cmpint (cuda_calls_live (), ==, before);
  }
  cuda_calls_compiled_for (0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_unsetenv ("DELTACNN_DEVICE");
  g_test_message (cuda_calls_real () ? "on a GPU" : "no GPU: imitated");
  g_test_add_func ("/engine/cuda-fail/allocations", test_allocations);
  g_test_add_func ("/engine/cuda-fail/calls", test_calls);
  g_test_add_func ("/engine/cuda-fail/waits", test_waits);
  g_test_add_func ("/engine/cuda-fail/recovers", test_recovers);
  g_test_add_func ("/engine/cuda-fail/two", test_two);
  g_test_add_func ("/engine/cuda-fail/goes-on", test_goes_on);
  g_test_add_func ("/engine/cuda-fail/stays", test_stays);
  g_test_add_func ("/engine/cuda-fail/bf16", test_bf16);
  g_test_add_func ("/engine/cuda-fail/lost", test_lost);
  return g_test_run ();
}
