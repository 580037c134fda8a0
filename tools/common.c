/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

gboolean
tool_parse_size (const char *text, guint *width, guint *height,
    GError **error)
{
  if (!text)
    return TRUE;
  g_auto (GStrv) parts = g_strsplit (text, "x", 2);
  guint64 w, h;
  if (parts[0] && parts[1]
      && g_ascii_string_to_unsigned (parts[0], 10, 1, 32767, &w, NULL)
      && g_ascii_string_to_unsigned (parts[1], 10, 1, 32767, &h, NULL)) {
    *width = (guint) w;
    *height = (guint) h;
    return TRUE;
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "--size \"%s\" is not WIDTHxHEIGHT with numbers of 1 to 32767, such as "
      "640x480", text);
  return FALSE;
}

gboolean
tool_parse_precision (const char *text, DcnnPrecision *precision,
    GError **error)
{
  static const char *const names[] = {
#define DCNN_X(e, name, what) name,
    DCNN_PRECISIONS (DCNN_X)
#undef DCNN_X
    NULL
  };
  for (guint i = 0; names[i]; i++)
    if (!text || g_str_equal (text, names[i])) {
      *precision = text ? (DcnnPrecision) i : *precision;
      return TRUE;
    }
  g_autofree char *all = g_strjoinv (", ", (char **) names);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "--precision \"%s\" is none of %s", text, all);
  return FALSE;
}

/* ---- tuning ------------------------------------------------------------ */

char *
tool_tuning_help (void)
{
  GString *text = g_string_new ("Keys of --set KEY=VALUE:\n");
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++) {
    const DcnnTuningInfo *info = dcnn_tuning_info (i);
    g_string_append_printf (text, "  %-18s %s (", info->name, info->what);
    if (info->names) {
      g_autofree char *names = g_strjoinv (", ", (char **) info->names);
      g_string_append_printf (text, "%s; default %s)\n", names,
          info->names[(guint) info->value]);
    } else {
      g_string_append_printf (text, "%g to %g, default %g)\n", info->least,
          info->most, info->value);
    }
  }
  return g_string_free (text, FALSE);
}

gboolean
tool_set_tuning (DcnnTuning *tuning, const char *assignment, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (assignment, "=", 2);
  double value;
  guint tunes;
  if (!parts[0] || !parts[1]) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "--set \"%s\" is not KEY=VALUE", assignment);
    return FALSE;
  }
  tunes = dcnn_tuning_find (parts[0]);
  if (tunes < DCNN_TUNES_COUNT) {
    if (!dcnn_tuning_parse (tunes, parts[1], &value, error))
      return FALSE;
    dcnn_tuning_set (tuning, tunes, value);
    return TRUE;
  }
  g_autofree char *help = tool_tuning_help ();
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "--set %s: there is no key \"%s\". %s", assignment, parts[0], help);
  return FALSE;
}

gboolean
tool_set_tunings (DcnnTuning *tuning, char **assignments, GError **error)
{
  for (guint i = 0; assignments && assignments[i]; i++)
    if (!tool_set_tuning (tuning, assignments[i], error))
      return FALSE;
  return TRUE;
}

/* ---- numbers for people ------------------------------------------------ */

char *
tool_format_bytes (guint64 bytes)
{
  if (bytes >= (guint64) 10 << 30)
    return g_strdup_printf ("%.1f GiB", bytes / 1073741824.0);
  if (bytes >= 1 << 20)
    return g_strdup_printf ("%.1f MiB", bytes / 1048576.0);
  if (bytes >= 1 << 10)
    return g_strdup_printf ("%.1f KiB", bytes / 1024.0);
  return g_strdup_printf ("%d B", (int) bytes);
}

char *
tool_format_count (guint64 count)
{
  if (count >= 1000000000)
    return g_strdup_printf ("%.2f G", count / 1e9);
  if (count >= 1000000)
    return g_strdup_printf ("%.1f M", count / 1e6);
  if (count >= 1000)
    return g_strdup_printf ("%.1f k", count / 1e3);
  return g_strdup_printf ("%d", (int) count);
}

/* ---- JSON -------------------------------------------------------------- */

void
tool_json_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

void
tool_json_double (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  if (isfinite (value))
    json_builder_add_double_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
tool_json_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value)
    tool_json_text (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
tool_json_text (JsonBuilder *builder, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);
  json_builder_add_string_value (builder, valid);
}

gboolean
tool_json_write (JsonBuilder *builder, const char *path, GError **error)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, TRUE);
  g_autofree char *line = g_strconcat (text, "\n", NULL);
  return tool_write_file (path, line, strlen (line), error);
}

/* ---- memory ------------------------------------------------------------ */

guint64
tool_predict_peak (const DcnnModelSummary *summary, guint64 session_bytes,
    guint64 file_bytes)
{
  /* The allocator keeps what loading used once, about the file's size; the
   * rest is threads' stacks, tables and a picture or two. */
  const guint64 around = 8 << 20;
  return summary->weight_bytes + session_bytes + file_bytes + around;
}

static guint64
status_value (const char *key)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL))
    return 0;
  const char *at = strstr (text, key);
  return at ? g_ascii_strtoull (at + strlen (key), NULL, 10) * 1024 : 0;
}

guint64
tool_resident_bytes (void)
{
  return status_value ("VmRSS:");
}

guint64
tool_peak_bytes (void)
{
  return status_value ("VmHWM:");
}

void
tool_reset_peak (void)
{
  FILE *file = fopen ("/proc/self/clear_refs", "w");
  if (!file)
    return;
  fputs ("5\n", file);
  fclose (file);
}

/* ---- progress ---------------------------------------------------------- */

void
tool_progress_init (ToolProgress *progress, const char *what, guint64 total,
    gboolean quiet)
{
  memset (progress, 0, sizeof *progress);
  progress->what = what;
  progress->total = total;
  progress->quiet = quiet;
  progress->terminal = isatty (STDERR_FILENO);
  progress->started_us = progress->shown_us = g_get_monotonic_time ();
}

void
tool_progress_update (ToolProgress *progress, guint64 done,
    const char *detail)
{
  gint64 now = g_get_monotonic_time ();
  gint64 interval = progress->terminal ? 100000 : 5000000;
  if (progress->quiet || now - progress->shown_us < interval)
    return;
  progress->shown_us = now;
  progress->any = TRUE;
  double seconds = (now - progress->started_us) / 1e6;
  g_autofree char *count = progress->total
      ? g_strdup_printf ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT,
          done, progress->total)
      : g_strdup_printf ("%" G_GUINT64_FORMAT, done);
  fprintf (stderr, "%s%s: %s frames, %.0f s%s%s%s",
      progress->terminal ? "\r\033[K" : "", progress->what, count, seconds,
      detail ? ", " : "", detail ? detail : "",
      progress->terminal ? "" : "\n");
  fflush (stderr);
}

void
tool_progress_end (ToolProgress *progress)
{
  if (progress->any && progress->terminal && !progress->quiet)
    fputs ("\r\033[K", stderr);
}

gboolean
tool_parse_context (GOptionContext *context, int *argc, char ***argv,
    GError **error)
{
  gboolean version = FALSE;
  const GOptionEntry common[] = {
    { "version", 0, 0, G_OPTION_ARG_NONE, &version,
        "Print the version and exit", NULL },
    { NULL }
  };
  const char *description = g_option_context_get_description (context);
  g_autofree char *text = g_strconcat (description ? description : "",
      description ? "\n\n" : "", "Exit status: 0 done, 1 failed, 2 wrong use.",
      NULL);
  tool_guard_streams ();
  g_option_context_set_description (context, text);
  g_option_context_add_main_entries (context, common, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (version) {
    printf ("%s %s\n", g_get_prgname (), DCNN_VERSION);
    exit (0);
  }
  return TRUE;
}

gboolean
tool_parse_options (const char *summary, const char *description,
    const GOptionEntry *entries, int *argc, char ***argv, GError **error)
{
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, NULL);
  if (!tool_parse_context (context, argc, argv, error))
    return FALSE;
  if (*argc == 1)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "no argument \"%s\" is known; see --help", (*argv)[1]);
  return FALSE;
}

int
tool_fail (const char *program, GError **error)
{
  fprintf (stderr, "%s: %s\n", program,
      error && *error ? (*error)->message : "failed");
  g_clear_error (error);
  return 1;
}
