/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_parallel.c - work split over a session's threads, and the clock.
 */
#include "dcnn_engine.h"

#include <time.h>

/* Below this many multiply-accumulates a second thread costs more than it
 * brings. */
#define PARALLEL_MACS 150000

gint64
dcnn_now_ns (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (gint64) t.tv_sec * 1000000000 + t.tv_nsec;
}

void
dcnn_run_parallel (DcnnSession *session, gsize units, gsize chunk,
    guint64 cost, DcnnPoolFn fn, gpointer data)
{
  if (session->pool == NULL || cost < PARALLEL_MACS || units <= chunk)
    fn (data, 0, units, 0);
  else
    dcnn_pool_run (session->pool, units, chunk, fn, data);
}
