/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From a model's name to a planned model and its descriptor: the part of
 * deltacnn/modelinfo.h that reads networks.
 */
#include "dcnn_graph.h"
#include "deltacnn/modelinfo.h"
#include "dcnn_onnx.h"

/* Does the model have the input that the descriptor speaks of? */
static gboolean
check_input (const DcnnModelInfo *info, const DcnnGraph *graph,
    const char *path, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint t = 0; t < info->tensors->len; t++) {
    const DcnnTensorInfo *tensor = g_ptr_array_index (info->tensors, t);

    if (!tensor->is_input || tensor->name == NULL)
      continue;
    for (guint i = 0; i < graph->inputs->len; i++) {
      DcnnValueId id = g_array_index (graph->inputs, DcnnValueId, i);
      const char *name = dcnn_graph_value (graph, id)->name;

      if (g_strcmp0 (name, tensor->name) == 0)
        return TRUE;
      g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", name);
    }
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: the descriptor %s speaks of input \"%s\", but the model has: %s",
        path, info->path, tensor->name, names->str);
    return FALSE;
  }
  return TRUE;
}

DcnnModel *
dcnn_model_load (const char *name_or_path, guint width, guint height,
    DcnnModelInfo **info, GError **error)
{
  g_autofree char *path = dcnn_model_find_file (name_or_path, error);
  g_autoptr (DcnnModelInfo) found = NULL;
  g_autoptr (DcnnGraph) graph = NULL;
  DcnnOnnxOptions options = { 0 };
  DcnnModel *model;

  if (path == NULL)
    return NULL;
  found = dcnn_modelinfo_find (path, error);
  if (found == NULL)
    return NULL;
  if (!dcnn_modelinfo_check_size (found, width, height, error))
    return NULL;
  options.width = (int) MIN (width != 0 ? width : found->width, G_MAXINT);
  options.height = (int) MIN (height != 0 ? height : found->height, G_MAXINT);
  graph = dcnn_onnx_load_file (path, &options, error);
  if (graph == NULL || !check_input (found, graph, path, error))
    return NULL;
  model = dcnn_model_new (g_steal_pointer (&graph), error);
  if (model != NULL && info != NULL)
    *info = g_steal_pointer (&found);
  return model;
}
