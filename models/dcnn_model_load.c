/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From a model's name to a planned model and its descriptor: the part of
 * deltacnn/modelinfo.h that reads networks.
 */
#include "dcnn_graph.h"
#include "deltacnn/modelinfo.h"
#include "dcnn_onnx.h"

/* Whether one of those values has the name; else its names, for a message. */
static gboolean
has_value (const DcnnGraph *graph, const GArray *ids, const char *name,
    GString *names)
{
  gboolean found = FALSE;

  for (guint i = 0; i < ids->len && !found; i++) {
    DcnnValueId id = g_array_index (ids, DcnnValueId, i);
    const char *have = dcnn_graph_value (graph, id)->name;

    found = g_strcmp0 (have, name) == 0;
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", have);
  }
  return found;
}

/* Does the model have the inputs and outputs that the descriptor speaks of? */
static gboolean
check_tensors (const DcnnModelInfo *info, const DcnnGraph *graph,
    const char *path, GError **error)
{
  for (guint t = 0; t < info->tensors->len; t++) {
    const DcnnTensorInfo *tensor = g_ptr_array_index (info->tensors, t);
    g_autoptr (GString) names = g_string_new (NULL);

    if (tensor->name == NULL || tensor->n_values > 0 || tensor->state != NULL
        || tensor->frames > 1)
      continue; /* the import has found these */
    if (has_value (graph, tensor->is_input ? graph->inputs : graph->outputs,
            tensor->name, names))
      continue;
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: the descriptor %s speaks of %s \"%s\", but the model has: %s",
        path, info->path, tensor->is_input ? "input" : "output",
        tensor->name, names->str);
    return FALSE;
  }
  return TRUE;
}

/* What the descriptor says of inputs, for the import; everything borrowed. */
static GArray *
list_inputs (const DcnnModelInfo *info)
{
  GArray *inputs = g_array_new (FALSE, TRUE, sizeof (DcnnOnnxInput));

  for (guint t = 0; t < info->tensors->len; t++) {
    const DcnnTensorInfo *tensor = g_ptr_array_index (info->tensors, t);
    const DcnnOnnxInput input = {
      .name = tensor->name, .rank = tensor->rank, .dims = tensor->dims,
      .n_values = tensor->n_values, .values = tensor->values,
      .state = tensor->state, .frames = (guint) MAX (tensor->frames, 1),
      .newest_first = tensor->newest_first,
    };
    if (tensor->is_input && (input.n_values > 0 || input.state != NULL
            || input.frames > 1))
      g_array_append_val (inputs, input);
  }
  return inputs;
}

DcnnModel *
dcnn_model_load (const char *name_or_path, guint width, guint height,
    DcnnModelInfo **info, GError **error)
{
  g_autofree char *path = dcnn_model_find_file (name_or_path, error);
  g_autoptr (DcnnModelInfo) found = NULL;
  g_autoptr (DcnnGraph) graph = NULL;
  g_autoptr (GArray) inputs = NULL;
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
  inputs = list_inputs (found);
  options.inputs = (const DcnnOnnxInput *) (gpointer) inputs->data;
  options.n_inputs = inputs->len;
  options.outputs = (const char *const *) found->outputs;
  graph = dcnn_onnx_load_file (path, &options, error);
  if (graph == NULL || !check_tensors (found, graph, path, error))
    return NULL;
  model = dcnn_model_new (g_steal_pointer (&graph), error);
  if (model != NULL && info != NULL)
    *info = g_steal_pointer (&found);
  return model;
}
