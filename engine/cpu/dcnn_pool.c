/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_pool.c - see dcnn_pool.h.
 *
 * A pool's state packs its loop's number, whether it is open, how many workers
 * have entered it and how many of them are inside: a worker enters by
 * compare-and-swap only while the loop it saw is open, so the caller may reuse
 * the loop's fields once it has closed the loop and nobody is inside. The
 * number that a worker has in a loop is how many had entered before.
 *
 * Workers look through a list of all pools, whose links are never taken out:
 * a pool that was freed stays, closed, for the next session.
 */
#include "dcnn_pool.h"

#include <sched.h>
#include <stdlib.h>

#define INSIDE G_GUINT64_CONSTANT (1)
#define INSIDE_MASK G_GUINT64_CONSTANT (0xffff)
#define ENTERED G_GUINT64_CONSTANT (0x10000)
#define OPEN G_GUINT64_CONSTANT (0x100000000)
#define LOOP_UNIT G_GUINT64_CONSTANT (0x200000000) /* loops count in these */
#define MAX_ENTERED 0xffffu

/* About 30 microseconds: longer than the serial stretch between two loops of
 * a frame, shorter than anyone would notice between frames. */
#define SPINS 1500

struct DcnnPool {
  guint64 state;
  DcnnPoolFn fn;
  gpointer data;
  gsize units, chunk, next;
  guint threads;          /* 0: free for another session */
  DcnnPool *older;        /* the next of the list */
} __attribute__ ((aligned (128)));

/* The process's workers. */
static struct {
  DcnnPool *pools;        /* all there ever were */
  guint opened;           /* loops so far: what idle workers watch */
  guint sleeping;
  gboolean stop;
  GMutex lock;            /* of wake */
  GCond wake;
  GMutex life;            /* of what follows, and of pools' `threads` */
  GThread **workers;
  guint n_workers, n_pools;
} shared;

#if defined(__x86_64__) || defined(__i386__)
#define FLUSH_BITS 0x8040u /* MXCSR: flush to zero, denormals are zero */
guint
dcnn_flush_begin (void)
{
  guint before = __builtin_ia32_stmxcsr ();

  __builtin_ia32_ldmxcsr (before | FLUSH_BITS);
  return before;
}

void
dcnn_flush_end (guint before)
{
  __builtin_ia32_ldmxcsr (before);
}
#else
guint
dcnn_flush_begin (void)
{
  return 0;
}

void
dcnn_flush_end (guint before)
{
}
#endif

static inline void
relax (void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause ();
#endif
}

/* Works on the open loop of a pool as thread number `thread`. */
static void
work (DcnnPool *pool, guint thread)
{
  gsize units = pool->units, chunk = pool->chunk;

  for (;;) {
    gsize begin = __atomic_fetch_add (&pool->next, chunk, __ATOMIC_RELAXED);
    if (begin >= units)
      break;
    pool->fn (pool->data, begin, MIN (begin + chunk, units), thread);
  }
}

/* Helps with a pool's loop, if it is open and has room. */
static gboolean
help (DcnnPool *pool)
{
  guint64 state = __atomic_load_n (&pool->state, __ATOMIC_ACQUIRE);

  while (state & OPEN) {
    guint entered = (guint) (state / ENTERED) & MAX_ENTERED;
    if (entered + 1 >= __atomic_load_n (&pool->threads, __ATOMIC_RELAXED))
      return FALSE;
    if (!__atomic_compare_exchange_n (&pool->state, &state,
            state + ENTERED + INSIDE, FALSE, __ATOMIC_ACQ_REL,
            __ATOMIC_ACQUIRE))
      continue;
    work (pool, entered + 1);
    __atomic_fetch_sub (&pool->state, INSIDE, __ATOMIC_ACQ_REL);
    return TRUE;
  }
  return FALSE;
}

/* Waits until more loops were opened than `seen`: a moment awake, then asleep.
 * Returns FALSE when the workers are to go. */
static gboolean
wait_for_loop (guint seen)
{
  gboolean stop;

  for (guint i = 0; i < SPINS; i++) {
    if (__atomic_load_n (&shared.opened, __ATOMIC_ACQUIRE) != seen)
      return !__atomic_load_n (&shared.stop, __ATOMIC_ACQUIRE);
    relax ();
  }
  g_mutex_lock (&shared.lock);
  __atomic_fetch_add (&shared.sleeping, 1, __ATOMIC_SEQ_CST);
  while (!__atomic_load_n (&shared.stop, __ATOMIC_ACQUIRE)
      && __atomic_load_n (&shared.opened, __ATOMIC_SEQ_CST) == seen)
    g_cond_wait (&shared.wake, &shared.lock);
  __atomic_fetch_sub (&shared.sleeping, 1, __ATOMIC_SEQ_CST);
  stop = __atomic_load_n (&shared.stop, __ATOMIC_ACQUIRE);
  g_mutex_unlock (&shared.lock);
  return !stop;
}

static gpointer
worker_main (gpointer data)
{
  DcnnPool *at = NULL; /* where this one helped last: it goes on from there */
  guint seen;

  dcnn_flush_begin ();
  do {
    gboolean helped = FALSE;
    seen = __atomic_load_n (&shared.opened, __ATOMIC_SEQ_CST);
    for (DcnnPool *p = at; p; p = p->older)
      if ((helped = help (p))) {
        at = p;
        break;
      }
    for (DcnnPool *p = __atomic_load_n (&shared.pools, __ATOMIC_ACQUIRE);
        p && p != at && !helped; p = p->older)
      if ((helped = help (p)))
        at = p;
    if (helped)
      seen--; /* look again at once */
  } while (wait_for_loop (seen));
  return NULL;
}

/* Starts workers until there are `wanted`, or none starts. */
static void
start_workers (guint wanted)
{
  if (wanted <= shared.n_workers)
    return;
  shared.workers = g_renew (GThread *, shared.workers, wanted);
  while (shared.n_workers < wanted) {
    GThread *thread = g_thread_try_new ("deltacnn", worker_main, NULL, NULL);
    if (thread == NULL)
      return;
    shared.workers[shared.n_workers++] = thread;
  }
}

static void
stop_workers (void)
{
  g_mutex_lock (&shared.lock);
  __atomic_store_n (&shared.stop, TRUE, __ATOMIC_SEQ_CST);
  __atomic_fetch_add (&shared.opened, 1, __ATOMIC_SEQ_CST);
  g_cond_broadcast (&shared.wake);
  g_mutex_unlock (&shared.lock);
  for (guint i = 0; i < shared.n_workers; i++)
    g_thread_join (shared.workers[i]);
  g_clear_pointer (&shared.workers, g_free);
  shared.n_workers = 0;
  __atomic_store_n (&shared.stop, FALSE, __ATOMIC_SEQ_CST);
}

/* What all pools together want, but not more than the cores beside a caller
 * can run at once, nor fewer than one pool alone wants. */
static guint
count_wanted (void)
{
  guint64 sum = 0;
  guint largest = 0;

  for (const DcnnPool *p = shared.pools; p; p = p->older) {
    sum += p->threads > 1 ? p->threads - 1 : 0;
    largest = MAX (largest, p->threads);
  }
  return (guint) MIN (sum, MAX (largest, g_get_num_processors ()) - 1);
}

static DcnnPool *
find_unused (void)
{
  DcnnPool *pool = shared.pools;

  while (pool && pool->threads > 0)
    pool = pool->older;
  if (pool)
    return pool;
  pool = aligned_alloc (128, sizeof *pool);
  if (pool == NULL)
    return NULL;
  *pool = (DcnnPool) { .state = LOOP_UNIT, .older = shared.pools };
  __atomic_store_n (&shared.pools, pool, __ATOMIC_RELEASE);
  return pool;
}

DcnnPool *
dcnn_pool_new (guint threads)
{
  DcnnPool *pool;

  if (threads < 2)
    return NULL;
  g_mutex_lock (&shared.life);
  pool = find_unused ();
  if (pool) {
    __atomic_store_n (&pool->threads, MIN (threads, MAX_ENTERED),
        __ATOMIC_RELAXED);
    start_workers (count_wanted ());
    if (shared.n_workers == 0) {
      __atomic_store_n (&pool->threads, 0, __ATOMIC_RELAXED);
      pool = NULL;
    } else {
      shared.n_pools++;
    }
  }
  g_mutex_unlock (&shared.life);
  return pool;
}

void
dcnn_pool_free (DcnnPool *pool)
{
  if (pool == NULL)
    return;
  g_mutex_lock (&shared.life);
  __atomic_store_n (&pool->threads, 0, __ATOMIC_RELAXED);
  if (--shared.n_pools == 0)
    stop_workers ();
  g_mutex_unlock (&shared.life);
}

guint
dcnn_pool_count_workers (void)
{
  guint n;

  g_mutex_lock (&shared.life);
  n = shared.n_workers;
  g_mutex_unlock (&shared.life);
  return n;
}

/* Wakes as many sleeping workers as the loop has room for. */
static void
wake (guint helpers)
{
  if (__atomic_load_n (&shared.sleeping, __ATOMIC_SEQ_CST) == 0)
    return;
  g_mutex_lock (&shared.lock);
  for (guint i = 0; i < MIN (helpers, shared.sleeping); i++)
    g_cond_signal (&shared.wake);
  g_mutex_unlock (&shared.lock);
}

void
dcnn_pool_run (DcnnPool *pool, gsize units, gsize chunk, DcnnPoolFn fn,
    gpointer data)
{
  guint64 loop = __atomic_load_n (&pool->state, __ATOMIC_RELAXED) / LOOP_UNIT;

  pool->fn = fn;
  pool->data = data;
  pool->units = units;
  pool->chunk = chunk;
  __atomic_store_n (&pool->next, 0, __ATOMIC_RELAXED);
  __atomic_store_n (&pool->state, (loop + 1) * LOOP_UNIT | OPEN,
      __ATOMIC_SEQ_CST);
  __atomic_fetch_add (&shared.opened, 1, __ATOMIC_SEQ_CST);
  wake (pool->threads - 1);
  work (pool, 0);
  __atomic_fetch_and (&pool->state, ~OPEN, __ATOMIC_ACQ_REL);
  for (guint i = 0; __atomic_load_n (&pool->state, __ATOMIC_ACQUIRE) &
      INSIDE_MASK; i++) {
    if (i < SPINS)
      relax ();
    else
      sched_yield ();
  }
}
