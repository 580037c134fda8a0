/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * output.h - the files that tools write: looked at before the work begins, and
 * afterwards whole or not there.
 *
 * Not thread-safe: the tools use it from their main thread.
 */
#ifndef DCNN_TOOLS_OUTPUT_H
#define DCNN_TOOLS_OUTPUT_H

#include <cairo.h>
#include <glib.h>

G_BEGIN_DECLS

/* A file that an option names. */
typedef struct ToolFile {
  const char *option; /* "--json" */
  const char *path;   /* NULL: not given; "-": standard output */
} ToolFile;

/* Whether every output can be written: it has a name, its folder is there and
 * may be written to, it is no folder, and neither one of the inputs nor another
 * output. The error names option, path and remedy. */
gboolean tool_check_files (const ToolFile *outputs, guint n_outputs,
    const ToolFile *inputs, guint n_inputs, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Writes a file by way of another one beside it: complete or as it was. "-" is
 * standard output; pipes and devices are written to, not replaced, and the file
 * that a link leads to is, not the link. */
gboolean tool_write_file (const char *path, const void *bytes, gsize length,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same with an image surface as PNG. */
gboolean tool_write_png (const char *path, cairo_surface_t *surface,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Appends to a GByteArray: for cairo's functions ..._stream(). */
cairo_status_t tool_append_bytes (void *array, const unsigned char *data,
    unsigned int length);

/* For what others write bit by bit: PATH.part, which Ctrl-C removes; PATH itself
 * where that is a pipe or a device. Returns new text. One at a time, closed by
 * tool_part_end(). */
char *tool_part_begin (const char *path);

/* Puts the part in its place where good, which needs no error else; removes it
 * where not. Returns good, or FALSE with error where it cannot be put there. */
gboolean tool_part_end (gboolean good, GError **error);

/* From here on, a program whose standard output could not be written ends with
 * a line that says why and status 1. Standard input, output and error that are
 * closed are held, so that no file takes their place. */
void tool_guard_streams (void);

G_END_DECLS

#endif
