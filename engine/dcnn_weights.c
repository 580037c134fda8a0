/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_weights.c - a model's weights as backends want them, shared by its
 * sessions.
 */
#include "dcnn_engine.h"

static ModelWeights *
find_weights (DcnnModel *model, const DcnnPlan *plan,
    const DcnnBackend *backend, gint index)
{
  for (guint i = 0; i < model->weights->len; i++) {
    ModelWeights *w = &g_array_index (model->weights, ModelWeights, i);
    if (w->plan == plan && w->backend == backend && w->index == index)
      return w;
  }
  return NULL;
}

gboolean
dcnn_backend_take_weights (DcnnModel *model, const DcnnPlan *plan,
    const DcnnBackend *backend, gint index, gpointer *weights, GError **error)
{
  ModelWeights *known, fresh = { plan, backend, index, 1, NULL };

  *weights = NULL;
  g_mutex_lock (&model->weights_lock);
  known = find_weights (model, plan, backend, index);
  if (known) {
    known->users++;
    *weights = known->data;
  } else if ((fresh.data = backend->model_new (plan, index, error))) {
    g_array_append_val (model->weights, fresh);
    *weights = fresh.data;
  }
  g_mutex_unlock (&model->weights_lock);
  return *weights != NULL;
}

void
dcnn_backend_drop_weights (DcnnModel *model, const DcnnPlan *plan,
    const DcnnBackend *backend, gint index)
{
  ModelWeights *known;

  g_mutex_lock (&model->weights_lock);
  known = find_weights (model, plan, backend, index);
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
