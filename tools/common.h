/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * common.h - what the command-line tools share: sizes and tuning from text,
 * numbers for people, progress on long work, error messages.
 *
 * Not thread-safe: the tools use it from their main thread.
 */
#ifndef DCNN_TOOLS_COMMON_H
#define DCNN_TOOLS_COMMON_H

#include <glib.h>
#include <json-glib/json-glib.h>

#include "deltacnn/modelinfo.h"
#include "deltacnn/session.h"
#include "deltacnn/version.h"

G_BEGIN_DECLS

/* Parses "640x480" (width x height, 1 .. 32767 each). text NULL leaves both
 * untouched. Returns FALSE with error set on anything else. */
gboolean tool_parse_size (const char *text, guint *width, guint *height,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "auto", "f32", "f16" or "bf16". text NULL leaves it untouched. */
gboolean tool_parse_precision (const char *text, DcnnPrecision *precision,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Applies one "key=value" to tuning. Keys: tool_tuning_help().
 * Returns FALSE with an error that lists the keys, or the values that do. */
gboolean tool_set_tuning (DcnnTuning *tuning, const char *assignment,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Applies a NULL-terminated list of them (NULL: none). */
gboolean tool_set_tunings (DcnnTuning *tuning, char **assignments,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* One line a key, for --help. Returns new text. */
char *tool_tuning_help (void);

/* "12.3 MiB", "1.09 G": short text for people, new. */
char *tool_format_bytes (guint64 bytes);
char *tool_format_count (guint64 count);

/* A member of the object that builder is filling. What JSON cannot hold: numbers
 * that are none become null, bytes that are no UTF-8 (in file names) U+FFFD. */
void tool_json_int (JsonBuilder *builder, const char *name, gint64 value);
void tool_json_double (JsonBuilder *builder, const char *name, double value);
void tool_json_string (JsonBuilder *builder, const char *name,
    const char *value);
/* A text alone, as in an array. */
void tool_json_text (JsonBuilder *builder, const char *value);

/* Writes the builder's root, indented, by tool_write_file(). */
gboolean tool_json_write (JsonBuilder *builder, const char *path,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* By how much a process is expected to grow, at its peak, that loads the model
 * and runs one session of it: packed weights, `session_bytes` of
 * dcnn_session_get_bytes(), and what loading leaves (file_bytes: size of the
 * model file). Measured growth is within 1.2 times of it. */
guint64 tool_predict_peak (const DcnnModelSummary *summary,
    guint64 session_bytes, guint64 file_bytes);

/* Resident bytes of this process from /proc: now, and the peak since the last
 * tool_reset_peak(). 0 where that cannot be known. */
guint64 tool_resident_bytes (void);
guint64 tool_peak_bytes (void);
void tool_reset_peak (void);

/* Progress on standard error: one line that is rewritten on a terminal, a
 * line every few seconds elsewhere. total 0: not known. */
typedef struct ToolProgress {
  const char *what;   /* borrowed */
  guint64 total;
  gint64 started_us, shown_us;
  gboolean terminal, quiet, any;
} ToolProgress;
void tool_progress_init (ToolProgress *progress, const char *what,
    guint64 total, gboolean quiet);
/* detail: what to add behind the count, or NULL. */
void tool_progress_update (ToolProgress *progress, guint64 done,
    const char *detail);
void tool_progress_end (ToolProgress *progress);

/* g_option_context_parse() with one option more: --version, which is answered
 * here and ends the program. From here on a program fails that could not write
 * its standard output. Texts are G_OPTION_ARG_FILENAME: bytes as they were
 * given, in any locale. */
gboolean tool_parse_context (GOptionContext *context, int *argc, char ***argv,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What every program that takes options alone begins with: the locale, but
 * numbers as C writes them, and the options. */
gboolean tool_parse_options (const char *summary, const char *description,
    const GOptionEntry *entries, int *argc, char ***argv, GError **error);

/* Prints "PROGRAM: message" to standard error, clears error, returns 1. */
int tool_fail (const char *program, GError **error);

G_END_DECLS

#endif
