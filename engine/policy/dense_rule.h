/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dense_rule.h - internal: when a node runs on its whole map, and when a whole
 * frame runs dense, by counts alone. No clock is asked: the same frames give
 * the same results whatever the load, the number of threads or the machine.
 */
#ifndef DCNN_POLICY_DENSE_RULE_H
#define DCNN_POLICY_DENSE_RULE_H

#include <glib.h>

G_BEGIN_DECLS

/* A pixel out of a list costs at most this much of one in a whole map: from
 * DCNN_DENSE_CANDIDATES / DCNN_DENSE_PIXELS of the map on, all of it costs
 * less. */
#define DCNN_DENSE_PIXELS 6
#define DCNN_DENSE_CANDIDATES 5

/* The least candidates from which on all of a map costs less. */
static inline gsize
dcnn_dense_rule_least (gsize pixels)
{
  return MIN (pixels, DCNN_DENSE_CANDIDATES *
      ((pixels + DCNN_DENSE_PIXELS - 1) / DCNN_DENSE_PIXELS));
}

/* Whether a node with that many candidates of its pixels computes the whole
 * map. rest_is_exact: every pixel that is no candidate is known to hold what
 * it would be computed as, so that storing it changes nothing; without that
 * only a map of nothing but candidates is computed whole. Either way what is
 * stored is what the list would have stored. */
static inline gboolean
dcnn_dense_rule_node (gsize candidates, gsize pixels, gboolean rest_is_exact)
{
  return candidates >= (rest_is_exact ? dcnn_dense_rule_least (pixels) :
      pixels);
}

/* ---- whole frames ----------------------------------------------------------------- */

/* Whether a frame of which so many of the input's pixels changed is a cut,
 * which runs dense without being compared any further. */
static inline gboolean
dcnn_dense_rule_cut (gsize changed, gsize pixels)
{
  return changed * 2 > pixels;
}

/* A sparse frame is dear when its nodes cost at least DCNN_DEAR of what whole
 * maps cost; while frames are only tried, at least DCNN_DEAR_STILL. After
 * DCNN_DEAR_FRAMES dear ones, frames run dense, and then one is tried again:
 * after DCNN_DEAR_WAIT frames, later after twice as many, up to
 * DCNN_DEAR_WAIT_MOST; or at once when not half as much of the input changes
 * as when they began. */
#define DCNN_DEAR 0.92
#define DCNN_DEAR_STILL 0.8
#define DCNN_DEAR_FRAMES 4
#define DCNN_DEAR_WAIT 16
#define DCNN_DEAR_WAIT_MOST 256

/* Of a stream; zero at its first frame. */
typedef struct DcnnDearFrames {
  guint dear;      /* sparse frames in a row */
  guint left;      /* frames that run dense from now on */
  guint wait;      /* how many the next time; 0: DCNN_DEAR_WAIT */
  gboolean trying;
  gdouble changed; /* share of the input, when they began */
} DcnnDearFrames;

/* Before a frame of which that share of the input changed: does it run dense?
 * While left is above 0 afterwards, so does the next one. */
static inline gboolean
dcnn_dear_frames_next (DcnnDearFrames *self, gdouble changed)
{
  if (self->left == 0)
    return FALSE;
  if (changed < self->changed / 2) {
    self->left = self->wait = self->dear = 0;
    return FALSE;
  }
  self->trying = --self->left == 0;
  return TRUE;
}

/* After a frame that did not, or that was a cut: its cost as a share of a dense
 * frame's. */
static inline void
dcnn_dear_frames_ran (DcnnDearFrames *self, gdouble cost, gdouble changed)
{
  if (cost < (self->trying ? DCNN_DEAR_STILL : DCNN_DEAR)) {
    self->dear = self->wait = 0;
    self->trying = FALSE;
    return;
  }
  if (++self->dear < DCNN_DEAR_FRAMES && !self->trying)
    return;
  self->left = self->wait ? self->wait : DCNN_DEAR_WAIT;
  self->wait = MIN (2 * self->left, DCNN_DEAR_WAIT_MOST);
  self->changed = changed;
  self->trying = FALSE;
}

G_END_DECLS

#endif
