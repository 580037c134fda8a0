/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * settling.h - internal: when stored values are made exact again (settling, in
 * a still scene; a band of rows at a time, in a busy one), and when spreads
 * are measured.
 *
 * Pure: it is told figures and says what to do. The figures of a frame
 * (changed, pending, MACs) may be those of the frame before, where a device's
 * are read late: settling then starts and ends a frame later, and nothing
 * else differs. A stream's first frame needs none.
 */
#ifndef DCNN_POLICY_SETTLING_H
#define DCNN_POLICY_SETTLING_H

#include "deltacnn/session.h"

G_BEGIN_DECLS

/* Share of changed pixels up to which a scene counts as still. */
#define DCNN_STILL_SHARE 0.001
/* Still frames before settling starts. */
#define DCNN_STILL_FRAMES 8
/* Frames between two settlings of a scene that is still but for its noise. */
#define DCNN_SETTLE_INTERVAL 64
/* A settling that has cost this many dense frames is chasing noise: it stops,
 * and the next one waits twice as long. */
#define DCNN_SETTLE_FRAMES 3
#define DCNN_SETTLE_WAIT_MOST 4096
/* Of so many rounds of bands over the picture, all but the last are of the cells
 * in which results lie alone. */
#define DCNN_SETTLE_ROUNDS 4
/* The picture has so many cells each way, of each map so many; bit 0 of a set of
 * them is the first of the first row. */
#define DCNN_SETTLE_CELLS 8
/* Frames after which spreads are measured again: the first picture of a
 * camera is often no picture. */
#define DCNN_SPREAD_AGAIN_1 16
#define DCNN_SPREAD_AGAIN_2 128

/* Which pixels are recomputed with threshold 0 in a frame, to be exact again. */
typedef enum DcnnSettlingKind {
  DCNN_SETTLING_NOTHING,
  DCNN_SETTLING_BAND,      /* busy scene: rows of a band that moves on */
  DCNN_SETTLING_ALL,       /* still scene: all, front to back */
} DcnnSettlingKind;

/* Of a stream; all 0 at first. */
typedef struct DcnnSettling {
  DcnnSettlingKind now;    /* of the frame at hand */
  guint still_frames;      /* in a row */
  gboolean stale;          /* something changed since the last was done */
  gdouble band_from, band_to; /* of the height; band_to may exceed 1: wraps */
  guint64 places;          /* of the band: cells of the picture that are its */
  guint rounds;            /* of bands over the picture, modulo
                              DCNN_SETTLE_ROUNDS */
  gdouble busy;            /* mean share of the dense work for changes */
  guint due;               /* still frames before the next may start */
  guint wait;              /* frames between two, growing while noise keeps
                              any from finishing */
  guint64 spent;           /* MACs of this settling */
  guint spread_frames;     /* frames since the spreads were measured */
} DcnnSettling;

/* What a frame brings. */
typedef struct DcnnSettlingFrame {
  gboolean dense;          /* it runs dense: everything is exact after it */
  gboolean moving;         /* the window moves in it */
  gsize changed, pixels;   /* of the input, after refining */
  guint64 places;          /* cells in which results lie: bands are settled in
                              those first; 0: everywhere alike */
} DcnnSettlingFrame;

/* Back to a stream's first frame. */
void dcnn_settling_reset (DcnnSettling *s);
/* Nobody kept record of what was left out: anything may differ. */
void dcnn_settling_distrust (DcnnSettling *s);
/* Once a frame, when its changes are known; sets s->now. Returns the kind of
 * correction that the input takes in this frame: where it differs from the
 * stored input without being a change, everywhere (ALL), in the band (BAND),
 * or nowhere. */
DcnnSettlingKind dcnn_settling_frame (DcnnSettling *s,
    const DcnnTuning *tuning, const DcnnSettlingFrame *frame);
/* The cell of pixel (y, x) of a map of that size, as a set of one. */
static inline guint64
dcnn_settling_cell (guint y, guint height, guint x, guint width)
{
  return G_GUINT64_CONSTANT (1) << (y * DCNN_SETTLE_CELLS / height *
      DCNN_SETTLE_CELLS + x * DCNN_SETTLE_CELLS / width);
}

/* Rows of the band in a map of that height: first[i] .. end[i] - 1 for i of
 * 0, 1, either of which may be empty. */
void dcnn_settling_band (const DcnnSettling *s, guint height, guint first[2],
    guint end[2]);
/* After a frame that was not dense: the share of a dense frame's MACs that its
 * changes have cost. */
void dcnn_settling_busy (DcnnSettling *s, gdouble share);
/* After a frame with s->now: is it done, or is it never going to be? pending:
 * something still waits for its turn. dense_macs: of a dense frame. */
void dcnn_settling_ends (DcnnSettling *s, guint64 dense_macs,
    gboolean pending);

/* Outputs are those of a dense run on the stored input. */
static inline gboolean
dcnn_settled (const DcnnSettling *s)
{
  return s->now == DCNN_SETTLING_NOTHING && !s->stale;
}

/* Once after each frame: whether spreads are to be measured now. They are on a
 * stream's first frame and twice more; again after a cut, but not on every
 * frame of a scene that is nothing but cuts. */
gboolean dcnn_spreads_due (DcnnSettling *s, const DcnnTuning *tuning,
    gboolean first, gboolean dense);

/* Whether some criterion in force divides by spreads. */
static inline gboolean
dcnn_spreads_used (const DcnnTuning *tuning)
{
  return tuning->mode != DCNN_MODE_DENSE &&
      (tuning->criterion == DCNN_CRITERION_NRMS ||
      tuning->criterion == DCNN_CRITERION_INFLUENCE);
}

G_END_DECLS

#endif
