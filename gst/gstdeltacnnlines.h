/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnlines.h - results as JSON lines: one object a frame, into a file
 * or a named pipe. gst/README.md shows the keys.
 *
 * A pipe whose reader is slow never holds up the video: up to 1 MiB waits,
 * then whole lines are dropped and counted.
 */
#ifndef GST_DELTA_CNN_LINES_H
#define GST_DELTA_CNN_LINES_H

#include "gstdeltacnnresults.h"

G_BEGIN_DECLS

typedef struct GstDeltaCnnLines GstDeltaCnnLines;

/* Makes or empties the file; a named pipe must have its reader already. NULL
 * with error set (DCNN_ERROR_FILE, naming location). */
GstDeltaCnnLines *gst_delta_cnn_lines_open (const gchar * location,
    GError ** error) G_GNUC_WARN_UNUSED_RESULT;

/* Writes what is waiting, as far as it goes, and closes. */
void gst_delta_cnn_lines_close (GstDeltaCnnLines * lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDeltaCnnLines, gst_delta_cnn_lines_close)

/* Writes one frame's line. FALSE with error set once, when the file cannot be
 * written any more; later calls do nothing and return TRUE. */
gboolean gst_delta_cnn_lines_write (GstDeltaCnnLines * lines,
    const GstDeltaCnnResults * results, GstClockTime pts, gboolean stale,
    GError ** error) G_GNUC_WARN_UNUSED_RESULT;

/* Lines that a slow reader lost. */
guint64 gst_delta_cnn_lines_get_dropped (const GstDeltaCnnLines * lines);

/* The line itself, without a newline, appended to text (for tests and other
 * writers). */
void gst_delta_cnn_lines_format (GString * text,
    const GstDeltaCnnResults * results, GstClockTime pts, gboolean stale);

G_END_DECLS

#endif
