/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_pool.h - internal: a few threads for many short parallel loops, shared
 * by all sessions of the process.
 *
 * A frame is a hundred loops of 10 to 1000 microseconds. The caller works on
 * every loop itself and never waits for a worker that has not started: a loop
 * is closed when its units are handed out, and only workers that are inside
 * are waited for. On a busy machine the pool therefore degrades to the
 * caller's own speed (a pool whose barrier counts every worker waits for the
 * scheduler instead: 15 ms a loop were measured).
 *
 * A session has a DcnnPool of its own, which is a place for one loop at a
 * time; the workers belong to the process and help whichever loop is open, at
 * most `threads` - 1 of them in one. There are never more workers than cores
 * beside the caller's (or than the largest pool wants), however many sessions
 * there are. Workers spin for a moment after a loop, then sleep; the last
 * pool that goes takes them with it. Nothing is allocated after
 * dcnn_pool_new().
 */
#ifndef DCNN_POOL_H
#define DCNN_POOL_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct DcnnPool DcnnPool;

/* Results too small for a normal float become 0 on this thread (as on GPUs):
 * they mean nothing to a network and cost a hundred cycles each. The pool's
 * workers always run so; the caller's thread between _begin and _end. */
guint dcnn_flush_begin (void);
void dcnn_flush_end (guint before);

/* Works on units begin .. end-1; thread is 0 for the caller, else 1 ..
 * threads-1, and nobody else in this loop has that number. */
typedef void (*DcnnPoolFn) (gpointer data, gsize begin, gsize end,
    guint thread);

/* A pool of `threads` in all, the caller's included. NULL: the process has no
 * worker and none could be started, or threads < 2. Thread-safe. */
DcnnPool *dcnn_pool_new (guint threads);
/* No loop may be running in it. Thread-safe. */
void dcnn_pool_free (DcnnPool *pool);

/* Runs fn over 0 .. units-1 in pieces of `chunk`. Returns when all are done.
 * One caller at a time; others may run loops in other pools meanwhile. */
void dcnn_pool_run (DcnnPool *pool, gsize units, gsize chunk, DcnnPoolFn fn,
    gpointer data);

/* How many workers the process has. For tests. */
guint dcnn_pool_count_workers (void);

G_END_DECLS

#endif
