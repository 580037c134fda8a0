/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnwindows.h - a window on each of a frame's regions (top-down: one
 * a person), which follows it and has a state of its own.
 *
 * A window's picture is a part of the frame with the network's aspect, a whole
 * number of pixels a tile (of tiles below 8 px: a few tiles), so that it moves
 * by whole tiles: what it saw before stays where it was in the network's maps,
 * bit by bit. It moves when its region
 * is 3/4 of a tile off the middle, and takes another size, which begins it
 * afresh, when its region no longer fits.
 *
 * Belongs to one thread at a time.
 */
#ifndef GST_DELTA_CNN_WINDOWS_H
#define GST_DELTA_CNN_WINDOWS_H

#include "gstdeltacnnrunner.h"

G_BEGIN_DECLS

typedef struct GstDeltaCnnWindows GstDeltaCnnWindows;

GstDeltaCnnWindows *gst_delta_cnn_windows_new (void);
void gst_delta_cnn_windows_free (GstDeltaCnnWindows * windows);
/* Forgets all regions and frames; what was loaded stays. */
void gst_delta_cnn_windows_forget (GstDeltaCnnWindows * windows);
/* Lets go of all that was loaded, too: another model comes. */
void gst_delta_cnn_windows_drop (GstDeltaCnnWindows * windows);
/* Other tuning. */
void gst_delta_cnn_windows_set_tuning (GstDeltaCnnWindows * windows,
    const GstDeltaCnnSettings * settings);

/* Runs a window on each of the first settings->windows regions (DcnnRegion,
 * frame pixels; those of which nothing lies in the frame are none). like: the
 * runner that tells of the network. Poses and boxes of all of them, and a mask
 * and an update map put together of theirs, on the frame; the class of each
 * region as a box, its region; tensors, values, text and pictures as parts. New; NULL with error set. The cost is a mean over the windows that
 * ran. */
GstDeltaCnnResults *gst_delta_cnn_windows_run (GstDeltaCnnWindows * windows,
    const GstDeltaCnnSettings * settings, const GstDeltaCnnRunner * like,
    const GArray * regions, const GstVideoFrame * frame, GstObject * gpu,
    GError ** error) G_GNUC_WARN_UNUSED_RESULT;

/* "output 'heatmap' ranges from ..." of the last window that was run; new text.
 * NULL: none was, or others joined the session since. */
gchar *gst_delta_cnn_windows_describe_outputs (GstDeltaCnnWindows * windows);
/* Its statistics; zeros: none was. */
void gst_delta_cnn_windows_get_stats (const GstDeltaCnnWindows * windows,
    DcnnFrameStats * stats);

G_END_DECLS

#endif
