/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn/anchor.h - which frame the canvas is the picture of, while a camera
 * moves: from what is known of each frame's motion to the DcnnMotion that the
 * session takes.
 *
 *   DcnnAnchor anchor;
 *   dcnn_anchor_init (&anchor);
 *   for each frame:
 *     dcnn_anchor_next (&anchor, DCNN_SEEN_ALIGNED, matrix, width, height,
 *         &motion);
 *     dcnn_session_push_frame (session, 0, &frame, &motion, &error);
 *     dcnn_session_get_stats (session, 0, &stats);
 *     dcnn_anchor_account (&anchor, &stats);
 *
 * The canvas is restarted when the reference changes, and before the camera has
 * zoomed or turned so far that its picture would be sampled badly. A frame of
 * which nothing is known is taken where the last one was: its results are led
 * back the way it was sampled, so they are in the right place all the same, and
 * it costs no more than a dense frame.
 *
 * Alignment that does not pay stands aside: while the camera moves, the share
 * of pixels that changes is compared with what it would be without, and the
 * multiplications that it takes with a dense run's. If either saves less than a
 * tenth, frames are taken where they lie for a while, which doubles each time,
 * and then it is tried again. By counts alone: the same frames give the same
 * decisions.
 *
 * Plain data, one a stream; belongs to one thread at a time.
 */
#ifndef DELTACNN_ANCHOR_H
#define DELTACNN_ANCHOR_H

#include "deltacnn/session.h"

G_BEGIN_DECLS
#pragma GCC visibility push(default)

/* What is known of a frame's motion. */
typedef enum DcnnSeen {
  DCNN_SEEN_ALIGNED,    /* matrix: frame pixels -> the reference's */
  DCNN_SEEN_REANCHORED, /* the frame is the new reference */
  DCNN_SEEN_LOST,       /* nothing */
} DcnnSeen;

typedef struct DcnnAnchor {
  /* May be set. */
  gdouble max_zoom;     /* restart past this factor or its inverse; 1.25 */
  gdouble max_roll;     /* radians; 0.17 */
  gdouble max_stretch;  /* greatest over least scale within a picture; 1.5 */
  gdouble max_shift;    /* of the picture's centre, in its sizes, each way; for
                           networks whose window cannot move (tile 0), whose
                           users set about 0.1. 0: no limit, the default */
  gboolean stands_aside; /* where it does not pay; default TRUE */
  /* May be read. */
  guint64 frames, lost, restarts; /* counts; restarts: but for the first */
  gboolean aside;       /* it stands aside now */
  guint64 aside_frames; /* frames on which it did */
  gdouble aligned_share, unaligned_share; /* of pixels that change, recent
                           frames of a moving camera; negative: not known */
  /* Its own. */
  gboolean anchored;
  gdouble base[9], last[9];
  guint width, height;
  guint wait, left, judged;
  gdouble work_share;   /* of a dense run's multiplications, recent frames */
  gpointer reserved[3];
} DcnnAnchor;

void dcnn_anchor_init (DcnnAnchor *anchor);
/* Keeps what may be set, and the counts: after a flush, say. */
void dcnn_anchor_forget (DcnnAnchor *anchor);

/* The reference has changed, unseen: the next frame restarts the canvas. */
void dcnn_anchor_leave (DcnnAnchor *anchor);
/* A point of the canvas in the reference's pixels. FALSE: nowhere. */
gboolean dcnn_anchor_to_reference (const DcnnAnchor *anchor, gdouble x,
    gdouble y, gdouble *reference_x, gdouble *reference_y);

/* The motion of the next frame, of that size. matrix [9]: with
 * DCNN_SEEN_ALIGNED; one that is no use restarts the canvas. */
void dcnn_anchor_next (DcnnAnchor *anchor, DcnnSeen seen,
    const gdouble *matrix, guint width, guint height, DcnnMotion *motion);
/* What that frame came to. */
void dcnn_anchor_account (DcnnAnchor *anchor, const DcnnFrameStats *stats);

#pragma GCC visibility pop
G_END_DECLS

#endif
