/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnlines.h - results as JSON lines: one object a frame, appended to
 * a file or written into a named pipe. gst/README.md shows the keys.
 *
 * A file is never emptied, and gets whole lines at once: several elements and
 * programs may append to the same one. A pipe has one writer, since long lines
 * of two would mix. A pipe whose reader is slow never holds up the video: up
 * to 1 MiB waits, then whole lines are dropped and counted.
 */
#ifndef GST_DELTA_CNN_LINES_H
#define GST_DELTA_CNN_LINES_H

#include "gstdeltacnnresults.h"

G_BEGIN_DECLS

typedef struct GstDeltaCnnLines GstDeltaCnnLines;

/* Makes the file where there is none; a named pipe must have its reader and no
 * writer yet. A file whose last line was cut gets a newline first. NULL with
 * error set (GST_RESOURCE_ERROR, naming location and remedy). */
GstDeltaCnnLines *gst_delta_cnn_lines_open (const gchar * location,
    GError ** error) G_GNUC_WARN_UNUSED_RESULT;

/* Gives a pipe's reader a moment (200 ms) to take what waits, and closes.
 * FALSE with error set when lines were lost, now or before: it says how
 * many. */
gboolean gst_delta_cnn_lines_close (GstDeltaCnnLines * lines, GError ** error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Writes one frame's line. FALSE with error set when it, or others before it,
 * were lost and that has not been told lately: once when nothing can be written
 * any more, and at the first, second, fourth ... line that a slow reader
 * loses. */
gboolean gst_delta_cnn_lines_write (GstDeltaCnnLines * lines,
    const GstDeltaCnnResults * results, const GstDeltaCnnOccasion * occasion,
    GError ** error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

#endif
