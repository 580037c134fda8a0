/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnseat.h - a stream of a session that elements may share.
 *
 * Elements of one process that run the same model by the same settings sit at
 * one session, each with a stream of its own: their frames go as a batch, which
 * is what a GPU is good at. A batch starts when every seat has a frame, or a
 * bounded time after the first has come. A seat that has sat out some batches
 * is not waited for until it has a frame again.
 *
 * A seat belongs to one thread at a time; different seats of a session may be
 * used from different threads. Results of a stream equal those of a session of
 * its own.
 */
#ifndef GST_DELTA_CNN_SEAT_H
#define GST_DELTA_CNN_SEAT_H

#include "deltacnn/session.h"

G_BEGIN_DECLS

typedef struct GstDeltaCnnSeat GstDeltaCnnSeat;

/* A seat at a session of model by options (streams is ignored). wait_us: how
 * long the first frame of a batch waits for the others; 0: a session of its
 * own; < 0: 2000 on a GPU, else 0. NULL with error set. A new seat may make all
 * of a session's streams start afresh, when it must grow. */
GstDeltaCnnSeat *gst_delta_cnn_seat_new (DcnnModel * model,
    const DcnnSessionOptions * options, gint64 wait_us, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;
void gst_delta_cnn_seat_free (GstDeltaCnnSeat * seat);

/* Other tuning: in place where nobody else sits there, nor at a session of that
 * tuning; else *seat is given up for one at another session (whose next frame is
 * a first frame). options: as of the new seat, with that tuning. FALSE with
 * error set: *seat stays. */
gboolean gst_delta_cnn_seat_retune (GstDeltaCnnSeat ** seat,
    const DcnnSessionOptions * options, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Where a frame matters. All borrowed. */
typedef struct
{
  const gfloat *interest;       /* as of dcnn_session_set_interest(); NULL: none */
  const DcnnRegion *regions;    /* as of dcnn_session_set_regions() */
  guint n_regions, margin;
} GstDeltaCnnFocus;

/* Runs a frame (borrowed until this returns, as focus is), perhaps with others.
 * wants: as of dcnn_session_wait(); of the rest nothing is said. After TRUE the
 * results are held:
 * the session may be read, for this stream, until the seat is released or used
 * again. */
gboolean gst_delta_cnn_seat_run (GstDeltaCnnSeat * seat,
    const DcnnFrame * frame, const DcnnMotion * motion,
    const GstDeltaCnnFocus * focus, guint wants, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;
void gst_delta_cnn_seat_release (GstDeltaCnnSeat * seat);
/* The session and the seat's stream; while results are held. */
DcnnSession *gst_delta_cnn_seat_session (GstDeltaCnnSeat * seat,
    guint * stream);

/* Holds the results of the last frame once more; the session. NULL: they went
 * when the session grew, or there are none, and nothing is held. */
DcnnSession *gst_delta_cnn_seat_hold (GstDeltaCnnSeat * seat, guint * stream);

/* Forgets the stream's state: its next frame is a first frame. */
void gst_delta_cnn_seat_reset (GstDeltaCnnSeat * seat);

/* Facts of the session: the device (static storage), what auto passed over
 * (new text), whether that is there, and this seat's share of its bytes. */
const gchar *gst_delta_cnn_seat_device (GstDeltaCnnSeat * seat, gchar ** why,
    gboolean * fell_back, guint64 * bytes);

/* How many sit at the session, and how many frames its last batch had (for
 * statistics and tests). */
guint gst_delta_cnn_seat_company (GstDeltaCnnSeat * seat, guint * batch);

G_END_DECLS

#endif
