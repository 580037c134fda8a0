/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dcnn_labels.h"

#include <string.h>

#include "dcnn_graph.h"
#include "deltacnn/modelinfo.h"

char **
dcnn_labels_parse (const char *text, gsize length, const char *name,
    GError **error)
{
  g_autofree char *copy = NULL;
  char **lines;
  guint n;

  if (length > DCNN_LABELS_MAX_BYTES || memchr (text, '\0', length) != NULL
      || !g_utf8_validate (text, (gssize) length, NULL)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: a label file is UTF-8 text of at most %d bytes, a label a line",
        name, DCNN_LABELS_MAX_BYTES);
    return NULL;
  }
  if (length >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0) {
    text += 3;
    length -= 3;
  }
  copy = g_strndup (text, length);
  lines = g_strsplit (copy, "\n", -1);
  for (n = 0; lines[n] != NULL; n++)
    g_strstrip (lines[n]);
  while (n > 0 && *lines[n - 1] == '\0')
    g_clear_pointer (&lines[--n], g_free);
  if (n == 0 || n > DCNN_LABELS_MAX) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: %u labels; a label file has 1 to %d, one a line", name, n,
        DCNN_LABELS_MAX);
    g_strfreev (lines);
    return NULL;
  }
  return lines;
}

/* Reads name in folder, folder/labels or folder/../labels. */
static gboolean
read_in (const char *folder, const char *name, char **text, gsize *length,
    char **path)
{
  static const char *const places[] = { "", "labels", "../labels" };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    g_autofree char *file = g_build_filename (folder, places[i], name, NULL);

    if (g_file_test (file, G_FILE_TEST_IS_REGULAR)
        && g_file_get_contents (file, text, length, NULL)) {
      *path = g_steal_pointer (&file);
      return TRUE;
    }
  }
  return FALSE;
}

static char **
read_file (const DcnnKeys *keys, const char *name, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (keys->origin);
  g_autofree char *text = NULL, *path = NULL;
  g_auto (GStrv) folders = NULL;
  gsize length = 0;
  gboolean found;

  if (*name == '\0' || *name == '.' || strpbrk (name, "/\\") != NULL) {
    dcnn_keys_fail (keys, error, "labels", "file",
        "\"%.80s\" is not a plain file name; put the file beside the "
        "descriptor or into labels/ there", name);
    return NULL;
  }
  found = read_in (folder, name, &text, &length, &path);
  folders = found ? NULL : dcnn_model_folders ();
  for (guint i = 0; !found && folders[i] != NULL; i++)
    found = read_in (folders[i], name, &text, &length, &path);
  if (!found) {
    dcnn_keys_fail (keys, error, "labels", "file",
        "there is no file %.200s in %s, in labels/ there, or in the model "
        "folders", name, folder);
    return NULL;
  }
  return dcnn_labels_parse (text, length, path, error);
}

gboolean
dcnn_labels_read (const DcnnKeys *keys, char ***labels, guint *n,
    GError **error)
{
  g_autofree char *file = NULL;
  gboolean has_list = g_key_file_has_key (keys->file, "labels", "list", NULL);
  gsize length = 0;

  if (!g_key_file_has_group (keys->file, "labels"))
    return TRUE;
  if (!dcnn_keys_text (keys, "labels", "file", &file, error))
    return FALSE;
  if ((file != NULL) == has_list)
    return dcnn_keys_fail (keys, error, "labels", NULL,
        "wants either file=NAME.txt or list=first;second;...");
  if (file != NULL)
    *labels = read_file (keys, file, error);
  else
    *labels = g_key_file_get_string_list (keys->file, "labels", "list",
        &length, NULL);
  if (*labels == NULL)
    return file != NULL ? FALSE : dcnn_keys_fail (keys, error, "labels",
        "list", "unreadable list; labels are separated by ';'");
  *n = g_strv_length (*labels);
  if (*n == 0 || *n > DCNN_LABELS_MAX)
    return dcnn_keys_fail (keys, error, "labels", "list",
        "%u labels; wants 1 to %d, separated by ';'", *n, DCNN_LABELS_MAX);
  return TRUE;
}
