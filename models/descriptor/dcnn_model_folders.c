/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_model_folders.c - the folders that models and descriptors are looked for
 * in: see deltacnn/modelinfo.h.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "dcnn_model_dirs.h"
#include "deltacnn/modelinfo.h"

static void
add_folder (GPtrArray *folders, char *folder)
{
  if (*folder != '\0'
      && !g_ptr_array_find_with_equal_func (folders, folder, g_str_equal,
          NULL))
    g_ptr_array_add (folders, folder);
  else
    g_free (folder);
}

/* The source tree's, for a library or program that is run from where it was
 * built: by a link that the build leaves beside it. Nothing that is installed
 * knows where that was. */
static void
add_uninstalled (GPtrArray *folders)
{
  Dl_info self;
  g_autofree char *folder = NULL, *link = NULL;
  char *models;

  if (dladdr ((gpointer) &dcnn_model_folders, &self) == 0
      || self.dli_fname == NULL)
    return;
  folder = g_path_get_dirname (self.dli_fname);
  link = g_build_filename (folder, "uninstalled-models", NULL);
  models = realpath (link, NULL); /* what users are shown */
  if (!models)
    return;
  add_folder (folders, g_build_filename (models, "descriptors", NULL));
  add_folder (folders, g_build_filename (models, "zoo", NULL));
  free (models);
}

char **
dcnn_model_folders (void)
{
  GPtrArray *folders = g_ptr_array_new ();
  const char *path = g_getenv ("DELTACNN_MODEL_PATH");
  const char *const *system = g_get_system_data_dirs ();

  if (path != NULL) {
    g_auto (GStrv) parts = g_strsplit (path, G_SEARCHPATH_SEPARATOR_S, -1);
    for (guint i = 0; parts[i] != NULL; i++)
      add_folder (folders, g_strdup (parts[i]));
  }
  add_folder (folders, g_build_filename (g_get_user_data_dir (), "deltacnn",
          "models", NULL));
  for (guint i = 0; system[i] != NULL; i++)
    add_folder (folders, g_build_filename (system[i], "deltacnn", "models",
            NULL));
  add_folder (folders, g_strdup (DCNN_MODELS_INSTALL_DIR));
  add_uninstalled (folders);
  g_ptr_array_add (folders, NULL);
  return (char **) g_ptr_array_free (folders, FALSE);
}
