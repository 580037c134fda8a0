/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * settling.c - see settling.h.
 */
#include "settling.h"

#include <math.h>

void
dcnn_settling_reset (DcnnSettling *s)
{
  s->now = DCNN_SETTLING_NOTHING;
  s->stale = FALSE;
  s->still_frames = 0;
  s->band_from = s->band_to = s->busy = 0;
  s->rounds = 0;
}

void
dcnn_settling_distrust (DcnnSettling *s)
{
  s->stale = TRUE;
  s->still_frames = 0;
}

/* In a busy scene one band of rows after the other is made exact, as encoders
 * refresh pictures: what a passing change left under the thresholds would
 * otherwise stay until the next one. Where results lie it comes round more
 * often: a band of few cells is as much higher. */
static void
start_band (DcnnSettling *s, const DcnnTuning *tuning,
    const DcnnSettlingFrame *frame)
{
  const gdouble cells = DCNN_SETTLE_CELLS * DCNN_SETTLE_CELLS;
  gdouble rows = tuning->refresh * MIN (s->busy, 1);

  s->now = DCNN_SETTLING_NOTHING;
  if (!tuning->settle || tuning->refresh <= 0 ||
      tuning->mode == DCNN_MODE_DENSE || frame->moving)
    return;
  s->now = DCNN_SETTLING_BAND;
  if (s->band_to >= 1)
    s->rounds = (s->rounds + 1) % DCNN_SETTLE_ROUNDS;
  s->band_from = fmod (s->band_to, 1);
  s->places = ~G_GUINT64_CONSTANT (0);
  if (frame->places && s->rounds + 1 < DCNN_SETTLE_ROUNDS) {
    s->places = frame->places;
    rows *= cells / __builtin_popcountll (frame->places);
  }
  s->band_to = s->band_from + MIN (rows, 1);
}

DcnnSettlingKind
dcnn_settling_frame (DcnnSettling *s, const DcnnTuning *tuning,
    const DcnnSettlingFrame *frame)
{
  if (frame->dense) {
    s->now = DCNN_SETTLING_NOTHING;
    s->stale = FALSE;
    s->still_frames = s->due = 0;
    s->wait = DCNN_SETTLE_INTERVAL;
    return DCNN_SETTLING_NOTHING;
  }
  s->stale |= frame->changed > 0;
  if (frame->changed > DCNN_STILL_SHARE * frame->pixels) {
    s->still_frames = s->due = 0;
    s->wait = DCNN_SETTLE_INTERVAL;
    start_band (s, tuning, frame);
    return s->now;
  }
  s->still_frames++;
  s->due -= s->due > 0;
  if (!tuning->settle || tuning->mode == DCNN_MODE_DENSE ||
      s->now != DCNN_SETTLING_NOTHING || !s->stale ||
      s->still_frames < DCNN_STILL_FRAMES || s->due > 0)
    return DCNN_SETTLING_NOTHING;
  s->now = DCNN_SETTLING_ALL;
  s->spent = 0;
  s->due = s->wait;
  return DCNN_SETTLING_ALL;
}

void
dcnn_settling_band (const DcnnSettling *s, guint height, guint first[2],
    guint end[2])
{
  guint from = (guint) (s->band_from * height);
  guint to = (guint) (s->band_to * height);

  first[0] = from;
  end[0] = MIN (to, height);
  first[1] = 0;
  end[1] = to > height ? to - height : 0;
}

void
dcnn_settling_busy (DcnnSettling *s, gdouble share)
{
  s->busy += 0.125 * (share - s->busy);
}

void
dcnn_settling_ends (DcnnSettling *s, guint64 dense_macs, gboolean pending)
{
  if (s->now == DCNN_SETTLING_BAND) {
    s->now = DCNN_SETTLING_NOTHING;
  } else if (!pending) {
    s->now = DCNN_SETTLING_NOTHING;
    s->stale = FALSE;
    s->wait = DCNN_SETTLE_INTERVAL;
  } else if (s->spent > DCNN_SETTLE_FRAMES * dense_macs) {
    s->now = DCNN_SETTLING_NOTHING;
    s->wait = MIN (2 * s->wait, DCNN_SETTLE_WAIT_MOST);
  }
}

gboolean
dcnn_spreads_due (DcnnSettling *s, const DcnnTuning *tuning, gboolean first,
    gboolean dense)
{
  gboolean due;

  if (!dcnn_spreads_used (tuning)) {
    s->spread_frames = 0;
    return FALSE;
  }
  if (first || (dense && s->spread_frames > DCNN_SPREAD_AGAIN_2))
    s->spread_frames = 0;
  due = s->spread_frames == 0 || s->spread_frames == DCNN_SPREAD_AGAIN_1 ||
      s->spread_frames == DCNN_SPREAD_AGAIN_2;
  s->spread_frames++;
  return due;
}
