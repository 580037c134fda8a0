/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_parallel.c - work split over a session's threads.
 */
#include "cpu.h"

/* Below this many multiply-accumulates a second thread costs more than it
 * brings. */
#define PARALLEL_MACS 150000

void
dcnn_run_parallel (DcnnSession *session, gsize units, gsize chunk,
    guint64 cost, DcnnPoolFn fn, gpointer data)
{
  if (session->cpu->pool == NULL || cost < PARALLEL_MACS || units <= chunk)
    fn (data, 0, units, 0);
  else
    dcnn_pool_run (session->cpu->pool, units, chunk, fn, data);
}
