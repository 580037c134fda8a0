/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_backend.c - which backend a device's name means, and the weights that
 * sessions share on it.
 */
#include "dcnn_engine.h"

#include <string.h>

static const struct {
  const DcnnBackend *table;
  const char *name;
  gboolean automatic;
} backends[] = {
#define DCNN_BACKEND(symbol, automatic, description)                           \
  { &dcnn_backend_##symbol, #symbol, automatic },
#include "backends.def"
#undef DCNN_BACKEND
};

static const DcnnBackend *
best_backend (GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
    g_clear_error (error);
    if (backends[i].automatic && backends[i].table->available (-1, error))
      return backends[i].table;
  }
  return NULL;
}

/* "" or ":3". */
static gboolean
parse_index (const char *text, gint *index)
{
  guint64 value;

  *index = -1;
  if (*text == '\0')
    return TRUE;
  if (*text != ':' ||
      !g_ascii_string_to_unsigned (text + 1, 10, 0, 255, &value, NULL))
    return FALSE;
  *index = (gint) value;
  return TRUE;
}

const DcnnBackend *
dcnn_backend_find (const char *device, gint *index, GError **error)
{
  g_autoptr (GString) names = g_string_new ("auto");
  GError *why = NULL;

  *index = -1;
  if (device == NULL || strcmp (device, "auto") == 0) {
    const DcnnBackend *best = best_backend (&why);
    if (best == NULL)
      g_propagate_error (error, why);
    return best;
  }
  for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
    gsize length = strlen (backends[i].name);
    g_string_append_printf (names, ", %s", backends[i].name);
    if (strncmp (device, backends[i].name, length) == 0 &&
        parse_index (device + length, index))
      return backends[i].table->available (*index, error) ?
          backends[i].table : NULL;
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "device=%s is none of %s; cuda:1 and so on choose among several", device,
      names->str);
  return NULL;
}

gboolean
dcnn_device_check (const char *device, GError **error)
{
  gint index;

  return dcnn_backend_find (device, &index, error) != NULL;
}

/* ---- weights ------------------------------------------------------------------ */

static ModelWeights *
find_weights (DcnnModel *model, const DcnnBackend *backend, gint index)
{
  for (guint i = 0; i < model->weights->len; i++) {
    ModelWeights *w = &g_array_index (model->weights, ModelWeights, i);
    if (w->backend == backend && w->index == index)
      return w;
  }
  return NULL;
}

gboolean
dcnn_backend_take_weights (DcnnModel *model, const DcnnBackend *backend,
    gint index, gpointer *weights, GError **error)
{
  ModelWeights *known, fresh = { backend, index, 1, NULL };

  *weights = NULL;
  g_mutex_lock (&model->weights_lock);
  known = find_weights (model, backend, index);
  if (known) {
    known->users++;
    *weights = known->data;
  } else if ((fresh.data = backend->model_new (model->plan, index, error))) {
    g_array_append_val (model->weights, fresh);
    *weights = fresh.data;
  }
  g_mutex_unlock (&model->weights_lock);
  return *weights != NULL;
}

void
dcnn_backend_drop_weights (DcnnModel *model, const DcnnBackend *backend,
    gint index)
{
  ModelWeights *known;

  g_mutex_lock (&model->weights_lock);
  known = find_weights (model, backend, index);
  if (known && --known->users == 0 && !backend->weights_stay) {
    backend->model_free (known->data);
    g_array_remove_index_fast (model->weights, (guint) (known -
            (ModelWeights *) (gpointer) model->weights->data));
  }
  g_mutex_unlock (&model->weights_lock);
}

void
dcnn_backend_clear_weights (DcnnModel *model)
{
  for (guint i = 0; i < model->weights->len; i++) {
    ModelWeights *w = &g_array_index (model->weights, ModelWeights, i);
    w->backend->model_free (w->data);
  }
  g_array_set_size (model->weights, 0);
}
