/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnmodelcache.c - see gstdeltacnnmodelcache.h.
 */
#include "gstdeltacnnmodelcache.h"

#include <glib/gstdio.h>

typedef struct
{
  gchar *key;
  DcnnModel *model;
  guint users;
} Entry;

static GMutex lock;
static GList *entries;          /* of Entry*; a handful */

/* What the descriptor says, whichever of the folders it lies in: it names the
 * values to end at, the constants and the states, so it makes another model. */
static gchar *
fingerprint (const DcnnModelInfo * info)
{
  g_autofree gchar *text = info->keys ?
      g_key_file_to_data (info->keys, NULL, NULL) : NULL;

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text ? text : "",
      -1);
}

/* Path, size asked for, and what tells one version of the file and of its
 * descriptor from another. NULL with error. */
static gchar *
make_key (const gchar * path, guint width, guint height, GError ** error)
{
  g_autoptr (DcnnModelInfo) info = dcnn_modelinfo_find (path, error);
  g_autofree gchar *full = g_canonicalize_filename (path, NULL);
  g_autofree gchar *described = NULL;
  GStatBuf file = { 0 };

  if (!info)
    return NULL;
  described = fingerprint (info);
  if (g_stat (full, &file) != 0)
    file.st_size = 0;
  return g_strdup_printf ("%s|%ux%u|%" G_GINT64_FORMAT "|%" G_GINT64_FORMAT
      ".%ld|%s", full, width, height, (gint64) file.st_size,
      (gint64) file.st_mtime, (glong) file.st_mtim.tv_nsec, described);
}

/* With the lock held. */
static Entry *
find_by_key (const gchar * key)
{
  for (GList * item = entries; item; item = item->next)
    if (g_str_equal (((Entry *) item->data)->key, key))
      return item->data;
  return NULL;
}

static DcnnModel *
share (const gchar * key)
{
  DcnnModel *model = NULL;
  Entry *entry;

  g_mutex_lock (&lock);
  entry = find_by_key (key);
  if (entry) {
    entry->users++;
    model = entry->model;
  }
  g_mutex_unlock (&lock);
  return model;
}

/* Takes model; where another thread was faster, its model is returned. */
static DcnnModel *
publish (const gchar * key, DcnnModel * model)
{
  DcnnModel *surplus = NULL;
  Entry *entry;

  g_mutex_lock (&lock);
  entry = find_by_key (key);
  if (entry) {
    surplus = model;
  } else {
    entry = g_new0 (Entry, 1);
    entry->key = g_strdup (key);
    entry->model = model;
    entries = g_list_prepend (entries, entry);
  }
  entry->users++;
  model = entry->model;
  g_mutex_unlock (&lock);
  g_clear_pointer (&surplus, dcnn_model_unref);
  return model;
}

DcnnModel *
gst_delta_cnn_model_cache_acquire (const gchar * path, guint width,
    guint height, GError ** error)
{
  g_autofree gchar *key = make_key (path, width, height, error);
  DcnnModel *model = key ? share (key) : NULL;

  if (!key || model)
    return model;
  model = dcnn_model_load (path, width, height, NULL, error);
  return model ? publish (key, model) : NULL;
}

void
gst_delta_cnn_model_cache_release (DcnnModel * model)
{
  Entry *unused = NULL;

  g_mutex_lock (&lock);
  for (GList * item = entries; item; item = item->next) {
    Entry *entry = item->data;
    if (entry->model == model) {
      if (--entry->users == 0) {
        entries = g_list_delete_link (entries, item);
        unused = entry;
      }
      break;
    }
  }
  g_mutex_unlock (&lock);
  if (unused) {
    dcnn_model_unref (unused->model);
    g_free (unused->key);
    g_free (unused);
  }
}
