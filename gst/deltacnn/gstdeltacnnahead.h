/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnahead.h - a thread that runs one thing at a time for another
 * thread, which goes on meanwhile.
 *
 * Whatever the thing touches is the thread's from start to finish, and its
 * owner's before and after.
 */
#ifndef GST_DELTA_CNN_AHEAD_H
#define GST_DELTA_CNN_AHEAD_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct GstDeltaCnnAhead GstDeltaCnnAhead;

/* A thread that calls run (data) whenever it is started. NULL with error. */
GstDeltaCnnAhead *gst_delta_cnn_ahead_new (void (*run) (gpointer data),
    gpointer data, GError ** error) G_GNUC_WARN_UNUSED_RESULT;
/* After what runs is finished. NULL: nothing to free. */
void gst_delta_cnn_ahead_free (GstDeltaCnnAhead * ahead);

/* Starts it; what was started before must be finished. */
void gst_delta_cnn_ahead_start (GstDeltaCnnAhead * ahead);
/* Waits for it; at once where nothing was started. */
void gst_delta_cnn_ahead_finish (GstDeltaCnnAhead * ahead);

G_END_DECLS

#endif
