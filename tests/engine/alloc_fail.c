/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * alloc_fail.c - a model and a session are made while the n-th allocation of
 * engine and kernels fails, for every n: no crash, an error that says so,
 * nothing lost. Only allocations that the project makes itself (the linker's
 * --wrap leads them here); GLib's own abort by design.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

void *__real_malloc (size_t bytes);
void *__real_calloc (size_t n, size_t bytes);
void *__real_realloc (void *p, size_t bytes);
void *__real_aligned_alloc (size_t alignment, size_t bytes);
int __real_posix_memalign (void **p, size_t alignment, size_t bytes);
void *__wrap_malloc (size_t bytes);
void *__wrap_calloc (size_t n, size_t bytes);
void *__wrap_realloc (void *p, size_t bytes);
void *__wrap_aligned_alloc (size_t alignment, size_t bytes);
int __wrap_posix_memalign (void **p, size_t alignment, size_t bytes);

static guint number, failing; /* failing 0: none */

static gboolean
fails (void)
{
  return __atomic_add_fetch (&number, 1, __ATOMIC_RELAXED) == failing;
}

void *
__wrap_malloc (size_t bytes)
{
  return fails () ? NULL : __real_malloc (bytes);
}

void *
__wrap_calloc (size_t n, size_t bytes)
{
  return fails () ? NULL : __real_calloc (n, bytes);
}

void *
__wrap_realloc (void *p, size_t bytes)
{
  return fails () ? NULL : __real_realloc (p, bytes);
}

void *
__wrap_aligned_alloc (size_t alignment, size_t bytes)
{
  return fails () ? NULL : __real_aligned_alloc (alignment, bytes);
}

int
__wrap_posix_memalign (void **p, size_t alignment, size_t bytes)
{
  return fails () ? ENOMEM : __real_posix_memalign (p, alignment, bytes);
}

/* ---- the test ----------------------------------------------------------------- */

static DcnnGraph *
make_net (guint64 seed)
{
  failing = 0;
  return test_net_sized (seed, FALSE, TRUE, 32, 32);
}

/* Returns whether it succeeded: the failing allocation was never reached. */
static gboolean
try_model (guint64 seed, guint n)
{
  g_autoptr (GError) error = NULL;
  DcnnGraph *graph = make_net (seed);
  g_autoptr (DcnnModel) model = NULL;

  number = 0;
  failing = n;
  model = dcnn_model_new (graph, &error);
  failing = 0;
  if (model == NULL) {
    g_assert_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY);
    g_assert_nonnull (strstr (error->message, "memory"));
  }
  return number < n;
}

static gboolean
try_session (guint64 seed, guint n)
{
  g_autoptr (GError) error = NULL;
  /* a new one each time: the first session packs its weights */
  g_autoptr (DcnnModel) model = dcnn_model_new (make_net (seed), &error);
  g_autoptr (DcnnSession) session = NULL;
  DcnnMotion camera = { .matrix = { 1, 0, 1.4, 0, 1, 0.3, 0, 0, 1 },
    .place = TRUE, .weigh = TRUE };
  DcnnSessionOptions options;
  gboolean ok = TRUE;
  DcnnFrame frame;
  TestVideo video;

  g_assert_no_error (error);
  test_options_init (&options);
  options.streams = 2;
  options.threads = 2;
  test_video_init (&video, 1, 48, 40);
  test_video_draw (&video, DCNN_FORMAT_I420, FALSE, &frame);
  number = 0;
  failing = n;
  session = dcnn_session_new (model, &options, &error);
  /* the first frame makes the input stage, the first through a matrix what it
   * is sampled into */
  ok = session && dcnn_session_push_frame (session, 0, &frame, NULL,
          &error) && dcnn_session_push_frame (session, 0, &frame, &camera,
          &error);
  failing = 0;
  if (!ok) {
    g_assert_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY);
    g_assert_nonnull (strstr (error->message, "memory"));
    g_clear_error (&error);
  }
  /* a session that could not take a frame takes the next */
  if (session)
    g_assert_true (dcnn_session_push_frame (session, 0, &frame, &camera,
            &error));
  test_video_clear (&video);
  return number < n;
}

static void
test_model (void)
{
  for (guint64 seed = 1; seed <= 5; seed++) {
    guint n = 1;
    while (!try_model (seed, n))
      n++;
    g_test_message ("seed %d: %u allocations", (gint) seed, n - 1);
  }
}

static void
test_session (void)
{
  for (guint64 seed = 1; seed <= 3; seed++) {
    guint n = 1;
    while (!try_session (seed, n))
      n++;
    g_test_message ("seed %d: %u allocations", (gint) seed, n - 1);
    g_assert_cmpuint (n, >, 20);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/alloc-fail/model", test_model);
  g_test_add_func ("/engine/alloc-fail/session", test_session);
  return g_test_run ();
}
