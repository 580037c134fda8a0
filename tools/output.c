/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deltacnn/session.h"

/* ---- before the work ----------------------------------------------------- */

/* Where a path leads to, by a name that is the same for the same file: of one
 * that is not there yet, its folder's and its own. Returns new, or NULL. */
static char *
true_path (const char *path)
{
  char *whole = realpath (path, NULL);
  if (whole) {
    char *copy = g_strdup (whole);
    free (whole);
    return copy;
  }
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  char *real = realpath (folder, NULL);
  char *joined = real ? g_build_filename (real, name, NULL) : NULL;
  free (real);
  return joined;
}

static gboolean
is_special (const char *path)
{
  struct stat status;
  return stat (path, &status) == 0 && !S_ISREG (status.st_mode)
      && !S_ISDIR (status.st_mode);
}

/* NULL: it can be written to. */
static char *
complain (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  if (!*path)
    return g_strdup ("a file name is needed");
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return g_strdup ("this is a folder; name a file in it");
  if (access (path, F_OK) == 0 && access (path, W_OK) != 0)
    return g_strdup_printf ("it cannot be written to (%s); name another file",
        g_strerror (errno));
  if (is_special (path))
    return NULL;
  if (!g_file_test (folder, G_FILE_TEST_IS_DIR))
    return g_strdup_printf ("there is no folder %s; make it, or name another "
        "file", folder);
  if (access (folder, W_OK | X_OK) != 0)
    return g_strdup_printf ("the folder %s cannot be written to (%s); name "
        "another file", folder, g_strerror (errno));
  return NULL;
}

static const ToolFile *
find_same (const char *path, const ToolFile *files, guint n)
{
  g_autofree char *mine = true_path (path);
  for (guint i = 0; mine && i < n; i++) {
    g_autofree char *other = files[i].path ? true_path (files[i].path) : NULL;
    if (g_strcmp0 (mine, other) == 0)
      return &files[i];
  }
  return NULL;
}

gboolean
tool_check_files (const ToolFile *outputs, guint n_outputs,
    const ToolFile *inputs, guint n_inputs, GError **error)
{
  for (guint i = 0; i < n_outputs; i++) {
    const ToolFile *it = &outputs[i], *same;
    if (!it->path || strcmp (it->path, "-") == 0)
      continue;
    g_autofree char *problem = complain (it->path);
    if (!problem && !is_special (it->path)) {
      if ((same = find_same (it->path, inputs, n_inputs)))
        problem = g_strdup_printf ("this is what %s reads; name another file",
            same->option);
      else if ((same = find_same (it->path, outputs, i)))
        problem = g_strdup_printf ("%s writes to this file, too; name another "
            "file", same->option);
    }
    if (problem) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, "%s %s: %s",
          it->option, *it->path ? it->path : "\"\"", problem);
      return FALSE;
    }
  }
  return TRUE;
}

/* ---- whole files ----------------------------------------------------------- */

static gboolean
fail (const char *path, const char *why, GError **error)
{
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "cannot write %s: %s", path,
      why);
  return FALSE;
}

static gboolean
write_through (const char *path, const void *bytes, gsize length,
    GError **error)
{
  FILE *file = fopen (path, "we");
  gboolean good = file && fwrite (bytes, 1, length, file) == length;
  int cause = errno;
  if (file && fclose (file) != 0 && good) {
    good = FALSE;
    cause = errno;
  }
  return good || fail (path, g_strerror (cause), error);
}

gboolean
tool_write_file (const char *path, const void *bytes, gsize length,
    GError **error)
{
  g_autoptr (GError) cause = NULL;
  if (strcmp (path, "-") == 0) {
    fwrite (bytes, 1, length, stdout); /* looked at as the program ends */
    return TRUE;
  }
  if (is_special (path))
    return write_through (path, bytes, length, error);
  g_autofree char *real = true_path (path);
  return g_file_set_contents (real ? real : path, bytes, (gssize) length,
      &cause) || fail (path, cause->message, error);
}

cairo_status_t
tool_append_bytes (void *array, const unsigned char *data, unsigned int length)
{
  g_byte_array_append (array, data, length);
  return CAIRO_STATUS_SUCCESS;
}

gboolean
tool_write_png (const char *path, cairo_surface_t *surface, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  cairo_status_t status =
      cairo_surface_write_to_png_stream (surface, tool_append_bytes, bytes);
  if (status != CAIRO_STATUS_SUCCESS)
    return fail (path, cairo_status_to_string (status), error);
  return tool_write_file (path, bytes->data, bytes->len, error);
}

/* ---- files that grow --------------------------------------------------------- */

static char *part, *part_target; /* of the one that grows; part NULL: none */

static void
drop_part (int number)
{
  if (part)
    unlink (part);
  signal (number, SIG_DFL);
  raise (number);
}

char *
tool_part_begin (const char *path)
{
  if (is_special (path))
    return g_strdup (path);
  part_target = true_path (path);
  if (!part_target)
    part_target = g_strdup (path);
  part = g_strconcat (part_target, ".part", NULL);
  signal (SIGINT, drop_part);
  signal (SIGTERM, drop_part);
  return g_strdup (part);
}

gboolean
tool_part_end (gboolean good, GError **error)
{
  if (!part)
    return good;
  if (good && rename (part, part_target) != 0)
    good = fail (part_target, g_strerror (errno), error);
  if (!good)
    unlink (part);
  signal (SIGINT, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  g_clear_pointer (&part, g_free);
  g_clear_pointer (&part_target, g_free);
  return good;
}

/* ---- standard streams --------------------------------------------------------- */

static void
close_output (void)
{
  gboolean failed = ferror (stdout) != 0;
  if (fclose (stdout) == 0 && !failed)
    return;
  fprintf (stderr, "%s: not all of standard output could be written: its disk "
      "is full, or it is closed\n", g_get_prgname ());
  _exit (1);
}

void
tool_guard_streams (void)
{
  /* the wrong way round: what reads or writes them fails as if they were closed */
  static const int flags[] = { O_WRONLY, O_RDONLY, O_RDONLY };
  for (int i = 0; i < 3; i++)
    if (fcntl (i, F_GETFD) < 0 && open ("/dev/null", flags[i]) < 0)
      return;
  atexit (close_output);
}
