/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * alloc_count.c - the frame path allocates nothing (invariant 5): this program
 * replaces the allocator of the whole process by one that counts, and 200
 * frames after the first few cost no call, whatever the mode. Skipped where a
 * sanitizer has replaced the allocator already.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dcnn_engine.h"
#include "dcnn_pool.h"
#include "nets.h"
#include "video.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined (__SANITIZE_ADDRESS__) || defined (__SANITIZE_THREAD__) || \
    __has_feature (address_sanitizer) || __has_feature (thread_sanitizer) || \
    !defined (__GLIBC__)
#define CAN_COUNT 0
#else
#define CAN_COUNT 1

#define EXPORT __attribute__ ((visibility ("default")))

extern void *__libc_malloc (size_t bytes);
extern void *__libc_calloc (size_t n, size_t bytes);
extern void *__libc_realloc (void *p, size_t bytes);
extern void *__libc_memalign (size_t alignment, size_t bytes);
extern void __libc_free (void *p);

static int counting, trap;
static guint calls;

static void
count (void)
{
  if (!__atomic_load_n (&counting, __ATOMIC_RELAXED))
    return;
  __atomic_add_fetch (&calls, 1, __ATOMIC_RELAXED);
  if (trap)
    __builtin_trap (); /* for a debugger: who calls? */
}

EXPORT void *
malloc (size_t bytes)
{
  count ();
  return __libc_malloc (bytes);
}

EXPORT void *
calloc (size_t n, size_t bytes)
{
  count ();
  return __libc_calloc (n, bytes);
}

EXPORT void *
realloc (void *p, size_t bytes)
{
  count ();
  return __libc_realloc (p, bytes);
}

EXPORT void *
aligned_alloc (size_t alignment, size_t bytes)
{
  count ();
  return __libc_memalign (alignment, bytes);
}

EXPORT int
posix_memalign (void **p, size_t alignment, size_t bytes)
{
  count ();
  *p = __libc_memalign (alignment, bytes);
  return *p ? 0 : ENOMEM;
}

EXPORT void
free (void *p)
{
  if (p)
    count ();
  __libc_free (p);
}

/* ---- nets ------------------------------------------------------------------- */

/* A head that is not pixel-local: flatten, matrix product, softmax. */
static DcnnGraph *
tail_net (void)
{
  DcnnParams gemm = { .gemm = { 1, 1, FALSE, FALSE } };
  DcnnParams soft = { .axis = { .axis = 1 } };
  gint64 w[2] = { 6 * 12 * 16, 10 }, b[1] = { 10 };
  DcnnTensor flat = { DCNN_DTYPE_F32, 2, { 1, 6 * 12 * 16 }, NULL };
  DcnnValueId v, in[3];
  TestNet net;

  test_net_begin (&net, 3, FALSE);
  v = test_net_input (&net, 3, 48, 64);
  v = test_net_unary (&net, DCNN_OP_RELU, test_net_conv (&net, v, 8, 3, 2, 1,
          1));
  v = test_net_conv (&net, v, 6, 3, 2, 1, 1);
  in[0] = test_net_node (&net, DCNN_OP_RESHAPE, NULL, 1, &v, &flat);
  in[1] = test_net_constant (&net, 2, w);
  in[2] = test_net_constant (&net, 1, b);
  v = test_net_node (&net, DCNN_OP_GEMM, &gemm, 3, in, NULL);
  dcnn_graph_add_output (net.graph, test_net_node (&net, DCNN_OP_SOFTMAX,
          &soft, 1, &v, NULL));
  return net.graph;
}

static DcnnGraph *
net_of (guint64 seed)
{
  return seed == 0 ? tail_net () : test_net_sized (seed, FALSE, TRUE, 48, 64);
}

/* ---- the test ------------------------------------------------------------------ */

typedef struct Meeting {
  guint n, come;
} Meeting;

/* A unit of which n threads take one each: none goes before all have come. */
static void
meet (gpointer data, gsize begin, gsize end, guint thread)
{
  Meeting *meeting = data;

  __atomic_add_fetch (&meeting->come, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n (&meeting->come, __ATOMIC_SEQ_CST) < meeting->n)
    g_thread_yield ();
}

/* All workers that there will be, at work: a thread frees its name when it
 * begins, however late a busy machine lets it. They stay until the pool goes. */
static DcnnPool *
start_workers (void)
{
  DcnnPool *pool = dcnn_pool_new (g_get_num_processors () + 2);
  Meeting meeting = { dcnn_pool_count_workers () + 1, 0 };

  if (pool)
    dcnn_pool_run (pool, meeting.n, 1, meet, &meeting);
  return pool;
}

/* looks: through a camera's matrix from frame 2 on, whose first takes memory. */
static void
run (guint64 seed, DcnnMode mode, gboolean all, gboolean looks)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (net_of (seed), &error);
  g_autoptr (DcnnSession) session = NULL;
  DcnnSessionOptions options;
  DcnnModelSummary summary;
  guint worst = 0, frames = test_on_cpu () ? 204 : 44; /* sim is slow */
  TestVideo video;

  g_assert_no_error (error);
  test_options_init (&options);
  options.threads = 1 + seed % 2;
  options.tuning.mode = mode;
  options.tuning.noise_suppression = all;
  session = dcnn_session_new (model, &options, &error);
  g_assert_no_error (error);
  dcnn_model_get_summary (model, &summary);
  test_video_init (&video, seed, 160, 120);
  for (guint f = 0; f < frames; f++) {
    DcnnMotion motion = { summary.tile ? (gint) (4 * f / frames) : 0, 0 };
    DcnnFrame frame;
    gboolean ok;
    if (looks && f >= 2)
      motion = (DcnnMotion) { .matrix = { 1, 0, 0.3 * f, 0, 1, -0.2 * f, 0, 0,
            1 }, .place = TRUE, .weigh = TRUE };
    if (f < frames * 3 / 4)
      test_video_move (&video);
    test_video_draw (&video, DCNN_FORMAT_NV12, FALSE, &frame);
    __atomic_store_n (&calls, 0, __ATOMIC_RELAXED);
    __atomic_store_n (&counting, f >= 4, __ATOMIC_RELAXED);
    ok = dcnn_session_push_frame (session, 0, &frame, &motion, &error);
    __atomic_store_n (&counting, 0, __ATOMIC_RELAXED);
    g_assert_true (ok);
    if (calls > 0 && calls > worst)
      g_test_message ("net %d mode %d frame %u: %u calls", (gint) seed,
          (gint) mode, f, calls);
    worst = MAX (worst, calls);
  }
  test_video_clear (&video);
  if (worst > 0)
    g_test_fail ();
}

static void
test_modes (void)
{
  for (guint64 seed = 1; seed <= 4; seed++) {
    run (seed, DCNN_MODE_AUTO, seed % 2, FALSE);
    run (seed, DCNN_MODE_SPARSE, FALSE, FALSE);
    run (seed, DCNN_MODE_DENSE, FALSE, FALSE);
  }
}

static void
test_camera (void)
{
  run (1, DCNN_MODE_AUTO, FALSE, TRUE);
  run (2, DCNN_MODE_AUTO, FALSE, TRUE);
}

static void
test_tail (void)
{
  run (0, DCNN_MODE_AUTO, FALSE, FALSE);
  run (0, DCNN_MODE_DENSE, FALSE, FALSE);
}
#endif

int
main (int argc, char **argv)
{
#if CAN_COUNT
  DcnnPool *pool = start_workers ();
  int status;

  g_test_init (&argc, &argv, NULL);
  trap = g_getenv ("DCNN_TEST_TRAP") != NULL;
  g_test_add_func ("/engine/alloc-count/modes", test_modes);
  g_test_add_func ("/engine/alloc-count/camera", test_camera);
  g_test_add_func ("/engine/alloc-count/tail", test_tail);
  status = g_test_run ();
  dcnn_pool_free (pool);
  return status;
#else
  g_print ("a sanitizer has the allocator: skipped\n");
  return 77;
#endif
}
