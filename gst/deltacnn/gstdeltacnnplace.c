/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnplace.c - see gstdeltacnnplace.h.
 */
#include "gstdeltacnnplace.h"

#include <string.h>

struct GstDeltaCnnPlace
{
  gchar *key;
  guint gpu, weight;
};

static GMutex places_lock;
static GList *places;

guint
gst_delta_cnn_place_choose (const guint * loads, const guint * alike, guint n)
{
  guint least = 0, best = n;

  for (guint i = 0; i < n; i++) {
    if (loads[i] < loads[least])
      least = i;
    if (alike[i] > 0 && alike[i] < GST_DELTA_CNN_PLACE_TOGETHER
        && (best == n || alike[i] > alike[best]))
      best = i;
  }
  return best < n ? best : least;
}

/* With the lock held: what lies on a GPU, and how much of it has that key. */
static guint
load_of (guint gpu, const gchar * key)
{
  guint load = 0;

  for (GList * item = places; item; item = item->next) {
    const GstDeltaCnnPlace *place = item->data;
    if (place->gpu == gpu && (!key || strcmp (place->key, key) == 0))
      load += place->weight;
  }
  return load;
}

GstDeltaCnnPlace *
gst_delta_cnn_place_new (const gchar * key, guint weight, const guint * gpus,
    guint n)
{
  GstDeltaCnnPlace *place = g_new0 (GstDeltaCnnPlace, 1);
  guint loads[GST_DELTA_CNN_PLACE_MOST], alike[GST_DELTA_CNN_PLACE_MOST];

  place->key = g_strdup (key);
  place->weight = MAX (1, weight);
  g_mutex_lock (&places_lock);
  for (guint i = 0; i < n; i++) {
    loads[i] = load_of (gpus[i], NULL);
    alike[i] = load_of (gpus[i], key);
  }
  place->gpu = gpus[gst_delta_cnn_place_choose (loads, alike, n)];
  places = g_list_prepend (places, place);
  g_mutex_unlock (&places_lock);
  return place;
}

guint
gst_delta_cnn_place_gpu (const GstDeltaCnnPlace * place)
{
  return place->gpu;
}

void
gst_delta_cnn_place_free (GstDeltaCnnPlace * place)
{
  if (!place)
    return;
  g_mutex_lock (&places_lock);
  places = g_list_remove (places, place);
  g_mutex_unlock (&places_lock);
  g_free (place->key);
  g_free (place);
}
