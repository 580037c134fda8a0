/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_settle_rule.h - internal: when a settling ends, and when spreads are
 * measured, on whatever device a stream's frames run.
 */
#ifndef DCNN_SETTLE_RULE_H
#define DCNN_SETTLE_RULE_H

#include "dcnn_engine.h"

G_BEGIN_DECLS

/* A settling that has cost this many dense frames is chasing noise: it stops,
 * and the next one waits twice as long. */
#define DCNN_SETTLE_FRAMES 3
#define DCNN_SETTLE_WAIT_MOST 4096

/* Frames after which spreads are measured again: the first picture of a
 * camera is often no picture. */
#define DCNN_SPREAD_AGAIN_1 16
#define DCNN_SPREAD_AGAIN_2 128

/* After a frame that settled: is it done, or is it never going to be? pending:
 * something still waits for its turn. */
static inline void
dcnn_settling_ends (DcnnStream *stream, const DcnnPlan *plan,
    gboolean pending)
{
  if (stream->settling == SETTLING_BAND) {
    stream->settling = SETTLING_NOTHING;
  } else if (!pending) {
    stream->settling = SETTLING_NOTHING;
    stream->active_since_settled = FALSE;
    stream->settle_wait = DCNN_SETTLE_INTERVAL;
  } else if (stream->settle_spent > DCNN_SETTLE_FRAMES * plan->macs) {
    stream->settling = SETTLING_NOTHING;
    stream->settle_wait = MIN (2 * stream->settle_wait, DCNN_SETTLE_WAIT_MOST);
  }
}

/* Whether some criterion in force divides by spreads. */
static inline gboolean
dcnn_spreads_used (const DcnnTuning *tuning)
{
  return tuning->mode != DCNN_MODE_DENSE &&
      (tuning->criterion == DCNN_CRITERION_NRMS ||
      tuning->criterion == DCNN_CRITERION_INFLUENCE);
}

/* Once after each frame: whether spreads are to be measured now. They are on a
 * stream's first frame and twice more; again after a cut, but not on every
 * frame of a scene that is nothing but cuts. */
static inline gboolean
dcnn_spreads_due (DcnnStream *stream, const DcnnTuning *tuning, gboolean first)
{
  gboolean due;

  if (!dcnn_spreads_used (tuning)) {
    stream->spread_frames = 0;
    return FALSE;
  }
  if (first || (stream->dense && stream->spread_frames > DCNN_SPREAD_AGAIN_2))
    stream->spread_frames = 0;
  due = stream->spread_frames == 0 ||
      stream->spread_frames == DCNN_SPREAD_AGAIN_1 ||
      stream->spread_frames == DCNN_SPREAD_AGAIN_2;
  stream->spread_frames++;
  return due;
}

G_END_DECLS

#endif
