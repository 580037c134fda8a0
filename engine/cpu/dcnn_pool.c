/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_pool.c - see dcnn_pool.h.
 *
 * state packs the loop's number, whether it is open, and how many workers are
 * inside: a worker enters by compare-and-swap only while the loop it saw is
 * open, so the caller may reuse the loop's fields once it has closed the loop
 * and the count is 0.
 */
#include "dcnn_pool.h"

#include <sched.h>

#define INSIDE_MASK 0xffffu
#define OPEN 0x10000u
#define LOOP_UNIT 0x20000u /* the loop's number counts in these */

/* About 30 microseconds: longer than the serial stretch between two loops of
 * a frame, shorter than anyone would notice between frames. */
#define SPINS 1500

typedef struct Worker {
  DcnnPool *pool;
  GThread *thread;
  guint number;
} Worker;

struct DcnnPool {
  guint64 state;
  DcnnPoolFn fn;
  gpointer data;
  gsize units, chunk, next;
  guint n_workers;
  Worker *workers;
  GMutex lock;
  GCond wake;
  guint sleeping;
  gboolean stop;
};

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

/* Waits for a loop other than the one of `seen`: a moment awake, then asleep.
 * Returns the state, or 0 when the pool is going away. */
static guint64
wait_for_loop (DcnnPool *pool, guint64 seen)
{
  guint64 state;

  for (guint i = 0; i < SPINS; i++) {
    state = __atomic_load_n (&pool->state, __ATOMIC_ACQUIRE);
    if (state / LOOP_UNIT != seen / LOOP_UNIT)
      return state;
    relax ();
  }
  g_mutex_lock (&pool->lock);
  __atomic_fetch_add (&pool->sleeping, 1, __ATOMIC_SEQ_CST);
  for (;;) {
    state = __atomic_load_n (&pool->state, __ATOMIC_SEQ_CST);
    if (pool->stop || state / LOOP_UNIT != seen / LOOP_UNIT)
      break;
    g_cond_wait (&pool->wake, &pool->lock);
  }
  __atomic_fetch_sub (&pool->sleeping, 1, __ATOMIC_SEQ_CST);
  if (pool->stop)
    state = 0;
  g_mutex_unlock (&pool->lock);
  return state;
}

static gpointer
worker_main (gpointer data)
{
  Worker *worker = data;
  DcnnPool *pool = worker->pool;
  guint64 seen = LOOP_UNIT, state;

  dcnn_flush_begin ();
  while ((state = wait_for_loop (pool, seen)) != 0) {
    seen = state;
    while (state / LOOP_UNIT == seen / LOOP_UNIT && (state & OPEN)) {
      if (!__atomic_compare_exchange_n (&pool->state, &state, state + 1,
              FALSE, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        continue;
      work (pool, worker->number);
      __atomic_fetch_sub (&pool->state, 1, __ATOMIC_ACQ_REL);
      break;
    }
  }
  return NULL;
}

DcnnPool *
dcnn_pool_new (guint threads)
{
  DcnnPool *pool;

  if (threads < 2)
    return NULL;
  pool = g_new0 (DcnnPool, 1);
  pool->state = LOOP_UNIT;
  pool->workers = g_new0 (Worker, threads - 1);
  g_mutex_init (&pool->lock);
  g_cond_init (&pool->wake);
  for (guint i = 0; i < threads - 1; i++) {
    Worker *worker = &pool->workers[i];
    worker->pool = pool;
    worker->number = i + 1;
    worker->thread = g_thread_try_new ("deltacnn", worker_main, worker, NULL);
    if (worker->thread == NULL)
      break;
    pool->n_workers++;
  }
  if (pool->n_workers == 0)
    g_clear_pointer (&pool, dcnn_pool_free);
  return pool;
}

void
dcnn_pool_free (DcnnPool *pool)
{
  if (pool == NULL)
    return;
  g_mutex_lock (&pool->lock);
  pool->stop = TRUE;
  g_cond_broadcast (&pool->wake);
  g_mutex_unlock (&pool->lock);
  for (guint i = 0; i < pool->n_workers; i++)
    g_thread_join (pool->workers[i].thread);
  g_mutex_clear (&pool->lock);
  g_cond_clear (&pool->wake);
  g_free (pool->workers);
  g_free (pool);
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
  if (__atomic_load_n (&pool->sleeping, __ATOMIC_SEQ_CST) > 0) {
    g_mutex_lock (&pool->lock);
    g_cond_broadcast (&pool->wake);
    g_mutex_unlock (&pool->lock);
  }
  work (pool, 0);
  __atomic_fetch_and (&pool->state, ~(guint64) OPEN, __ATOMIC_ACQ_REL);
  for (guint i = 0; __atomic_load_n (&pool->state, __ATOMIC_ACQUIRE) &
      INSIDE_MASK; i++) {
    if (i < SPINS)
      relax ();
    else
      sched_yield ();
  }
}
