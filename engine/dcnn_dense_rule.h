/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_dense_rule.h - internal: when a node runs on its whole map, by counts
 * alone. No clock is asked: the same frames give the same results whatever the
 * load, the number of threads or the machine.
 */
#ifndef DCNN_DENSE_RULE_H
#define DCNN_DENSE_RULE_H

#include <glib.h>

G_BEGIN_DECLS

/* A pixel out of a list costs at most this much of one in a whole map: from
 * DCNN_DENSE_CANDIDATES / DCNN_DENSE_PIXELS of the map on, all of it costs
 * less. */
#define DCNN_DENSE_PIXELS 6
#define DCNN_DENSE_CANDIDATES 5

/* Whether a node with that many candidates of its pixels computes the whole
 * map. rest_is_exact: every pixel that is no candidate is known to hold what
 * it would be computed as, so that storing it changes nothing; without that
 * only a map of nothing but candidates is computed whole. Either way what is
 * stored is what the list would have stored. */
static inline gboolean
dcnn_dense_rule_node (gsize candidates, gsize pixels, gboolean rest_is_exact)
{
  return candidates == pixels || (rest_is_exact &&
      candidates / DCNN_DENSE_CANDIDATES >= (pixels + DCNN_DENSE_PIXELS - 1) /
      DCNN_DENSE_PIXELS);
}

G_END_DECLS

#endif
