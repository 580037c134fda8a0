/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where models and descriptors are: the part of deltacnn/modelinfo.h that looks
 * at folders.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dcnn_graph.h"
#include "dcnn_keys.h"
#include "deltacnn/modelinfo.h"

#define SUFFIX ".modelinfo"
/* No folder is listed further than this: a wrong path must not hang us. */
#define MAX_FOLDER_FILES 10000

char *
dcnn_model_sha256 (const char *path, GError **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guchar *buffer = g_malloc (1 << 16);
  FILE *file = fopen (path, "rb");
  gsize n;
  int code = errno;

  if (file != NULL) {
    while ((n = fread (buffer, 1, 1 << 16, file)) > 0)
      g_checksum_update (sum, buffer, (gssize) n);
    code = ferror (file) ? errno : 0;
    fclose (file);
    if (code == 0)
      return g_strdup (g_checksum_get_string (sum));
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "cannot read %s: %s", path,
      g_strerror (code));
  return NULL;
}

static gboolean
is_file (const char *path)
{
  return g_file_test (path, G_FILE_TEST_IS_REGULAR);
}

/* Why a path is no file to read. */
static const char *
why_no_file (const char *path)
{
  return !g_file_test (path, G_FILE_TEST_EXISTS) ? "no such file"
      : g_file_test (path, G_FILE_TEST_IS_DIR) ? "this is a folder, not a file"
      : "this is a device or a pipe, not a file";
}

static DcnnModelInfo *
load_descriptor (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) local = NULL;
  gsize length = 0;

  if (!g_file_get_contents (path, &text, &length, &local)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "%s", local->message);
    return NULL;
  }
  return dcnn_modelinfo_load_data (text, length, path, error);
}

DcnnModelInfo *
dcnn_modelinfo_load (const char *path, GError **error)
{
  /* refuses devices and folders, and what is too long before reading it */
  if (!is_file (path)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "descriptor %s: %s", path, why_no_file (path));
    return NULL;
  }
  return load_descriptor (path, error);
}

/* Calls found on each descriptor of the folders until it returns TRUE. Only
 * [deltacnn] of each is read: a broken one must not hide the others. Returns
 * the path of the one that was taken, or NULL. */
static char *
scan_descriptors (char **folders, const char *key, const char *value)
{
  for (guint i = 0; folders[i] != NULL; i++) {
    g_autoptr (GDir) dir = g_dir_open (folders[i], 0, NULL);
    const char *name;
    guint n = 0;

    while (dir != NULL && n++ < MAX_FOLDER_FILES
        && (name = g_dir_read_name (dir)) != NULL) {
      g_autofree char *path = NULL, *text = NULL;
      g_autoptr (GKeyFile) file = NULL;

      if (!g_str_has_suffix (name, SUFFIX))
        continue;
      path = g_build_filename (folders[i], name, NULL);
      file = g_key_file_new ();
      if (!is_file (path)
          || !g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
        continue;
      text = g_key_file_get_string (file, "deltacnn", key, NULL);
      if (text != NULL && g_ascii_strcasecmp (g_strstrip (text), value) == 0)
        return g_steal_pointer (&path);
    }
  }
  return NULL;
}

/* The descriptor named after the model: beside it, then in the folders. */
static char *
find_by_name (const char *model_path, char **folders)
{
  g_autofree char *name = g_path_get_basename (model_path);
  g_autofree char *file = g_strconcat (name, SUFFIX, NULL);
  char *path = g_strconcat (model_path, SUFFIX, NULL);

  if (is_file (path))
    return path;
  g_free (path);
  for (guint i = 0; folders[i] != NULL; i++) {
    path = g_build_filename (folders[i], file, NULL);
    if (is_file (path))
      return path;
    g_free (path);
  }
  return NULL;
}

/* Models that find no descriptor run on defaults, rightly where they have none;
 * where the folders themselves are missing (a build folder that was copied
 * without its links, a library without its data) all do, and this says so. */
static void
say_if_no_folder (char **folders)
{
  static gsize said = 0;
  g_autofree char *looked = NULL;

  for (guint i = 0; folders[i] != NULL; i++)
    if (g_file_test (folders[i], G_FILE_TEST_IS_DIR))
      return;
  if (!g_once_init_enter (&said))
    return;
  looked = g_strjoinv (", ", folders);
  g_warning ("no folder of models and descriptors is there: none of %s. A model "
      "without a descriptor beside it runs on defaults, without a decoder or "
      "labels. Install deltacnn, or name the folder in DELTACNN_MODEL_PATH",
      looked);
  g_once_init_leave (&said, 1);
}

DcnnModelInfo *
dcnn_modelinfo_find (const char *model_path, GError **error)
{
  g_auto (GStrv) folders = dcnn_model_folders ();
  g_autofree char *path = find_by_name (model_path, folders);
  g_autofree char *other = NULL, *sha256 = NULL;
  g_autoptr (DcnnModelInfo) info = NULL;

  if (path != NULL) {
    info = load_descriptor (path, error);
    if (info == NULL)
      return NULL;
    if (info->sha256 == NULL)
      return g_steal_pointer (&info);
  }
  sha256 = dcnn_model_sha256 (model_path, error);
  if (sha256 == NULL)
    return NULL;
  if (info != NULL && strcmp (info->sha256, sha256) == 0)
    return g_steal_pointer (&info);
  /* one that the user put beside the model is meant: no other is tried */
  if (info == NULL || !g_str_has_prefix (path, model_path))
    other = scan_descriptors (folders, "sha256", sha256);
  if (other != NULL)
    return load_descriptor (other, error);
  if (info == NULL) {
    say_if_no_folder (folders);
    return dcnn_modelinfo_new_default ();
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
      "%s is a descriptor for another file: it names SHA-256 %s, but %s has "
      "%s. Get the right model (deltacnn-models verify), or write a "
      "descriptor of your own to %s" SUFFIX, path, info->sha256, model_path,
      sha256, model_path);
  return NULL;
}

/* NAME, NAME.onnx in the folders. */
static char *
find_in_folders (const char *name, char **folders)
{
  g_autofree char *file = g_str_has_suffix (name, ".onnx") ? g_strdup (name)
      : g_strconcat (name, ".onnx", NULL);

  for (guint i = 0; folders[i] != NULL; i++) {
    g_autofree char *path = g_build_filename (folders[i], file, NULL);

    if (is_file (path))
      return g_steal_pointer (&path);
  }
  return NULL;
}

/* A descriptor with name=NAME: its model beside it or in the folders. */
static char *
find_by_alias (const char *name, char **folders)
{
  g_autofree char *descriptor = scan_descriptors (folders, "name", name);
  g_autofree char *file = NULL;

  if (descriptor == NULL)
    return NULL;
  descriptor[strlen (descriptor) - strlen (SUFFIX)] = '\0';
  if (is_file (descriptor))
    return g_steal_pointer (&descriptor);
  file = g_path_get_basename (descriptor);
  return find_in_folders (file, folders);
}

char *
dcnn_model_find_file (const char *name_or_path, GError **error)
{
  g_auto (GStrv) folders = NULL;
  g_autofree char *looked = NULL;
  char *path;

  if (is_file (name_or_path))
    return g_strdup (name_or_path);
  if (*name_or_path == '\0' || strchr (name_or_path, G_DIR_SEPARATOR) != NULL) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
        "model \"%s\": %s", name_or_path, why_no_file (name_or_path));
    return NULL;
  }
  folders = dcnn_model_folders ();
  path = find_in_folders (name_or_path, folders);
  if (path == NULL)
    path = find_by_alias (name_or_path, folders);
  if (path != NULL)
    return path;
  looked = g_strjoinv (", ", folders);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
      "there is no model \"%s\": no such file here, and none of that name in "
      "%s. \"deltacnn-models list\" shows what can be fetched, "
      "\"deltacnn-models get %s\" fetches one; DELTACNN_MODEL_PATH adds "
      "folders", name_or_path, looked, name_or_path);
  return NULL;
}
