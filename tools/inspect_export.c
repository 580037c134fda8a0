/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inspect.h"
#include "output.h"

#include <string.h>

/* ---- JSON -------------------------------------------------------------- */

static void
add_tensor (JsonBuilder *builder, const char *name, const DcnnTensor *tensor)
{
  json_builder_begin_object (builder);
  tool_json_string (builder, "name", name);
  tool_json_string (builder, "dtype", dcnn_dtype_name (tensor->dtype));
  json_builder_set_member_name (builder, "shape");
  json_builder_begin_array (builder);
  for (int i = 0; i < tensor->rank; i++)
    json_builder_add_int_value (builder, tensor->dims[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static void
add_node (JsonBuilder *builder, const DcnnNodeInfo *node)
{
  json_builder_begin_object (builder);
  tool_json_string (builder, "name", node->name);
  tool_json_string (builder, "ops", node->ops);
  tool_json_string (builder, "kernel", node->kernel);
  tool_json_string (builder, "why", node->why ? node->why : "");
  tool_json_int (builder, "width", node->width);
  tool_json_int (builder, "height", node->height);
  tool_json_int (builder, "channels", node->channels);
  tool_json_int (builder, "macs", (gint64) node->macs);
  tool_json_int (builder, "weight_bytes", (gint64) node->weight_bytes);
  tool_json_int (builder, "state_bytes", (gint64) node->state_bytes);
  tool_json_int (builder, "inside", node->inside);
  json_builder_set_member_name (builder, "inputs");
  json_builder_begin_array (builder);
  for (guint i = 0; i < node->n_inputs; i++)
    json_builder_add_int_value (builder, node->inputs[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static void
add_arrays (JsonBuilder *builder, const Inspected *it)
{
  json_builder_set_member_name (builder, "inputs");
  json_builder_begin_array (builder);
  for (guint i = 0; i < it->summary.n_inputs; i++)
    add_tensor (builder, dcnn_model_input_name (it->model, i),
        dcnn_model_input (it->model, i));
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "outputs");
  json_builder_begin_array (builder);
  for (guint i = 0; i < it->summary.n_outputs; i++)
    add_tensor (builder, dcnn_model_output_name (it->model, i),
        dcnn_model_output (it->model, i));
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "nodes");
  json_builder_begin_array (builder);
  for (guint i = 0; i < it->summary.n_nodes; i++) {
    DcnnNodeInfo node;
    dcnn_model_get_node (it->model, i, &node);
    add_node (builder, &node);
  }
  json_builder_end_array (builder);
}

gboolean
inspect_json (const Inspected *it, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  tool_json_string (builder, "model", it->path);
  tool_json_string (builder, "descriptor", it->info->path);
  tool_json_string (builder, "decoder", it->info->decoder);
  tool_json_int (builder, "macs", (gint64) it->summary.macs);
  tool_json_int (builder, "tile_px", it->summary.tile);
  tool_json_int (builder, "weight_bytes", (gint64) it->summary.weight_bytes);
  tool_json_int (builder, "state_bytes", (gint64) it->summary.state_bytes);
  if (it->gpu_bytes) {
    tool_json_int (builder, "gpu_session_bytes", (gint64) it->gpu_bytes);
    tool_json_int (builder, "gpu_stream_bytes",
        (gint64) it->gpu_stream_bytes);
  }
  tool_json_int (builder, "session_bytes", (gint64) it->session_bytes);
  tool_json_int (builder, "predicted_peak_bytes", (gint64) it->peak_bytes);
  add_arrays (builder, it);
  json_builder_end_object (builder);
  return tool_json_write (builder, "-", error);
}

/* ---- Graphviz ---------------------------------------------------------- */

/* Names come from files: quotes and backslashes must not end the string. */
static char *
quote (const char *text)
{
  GString *out = g_string_new ("\"");
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_c (out, '\\');
    if ((guchar) *c >= ' ')
      g_string_append_c (out, *c);
  }
  g_string_append_c (out, '"');
  return g_string_free (out, FALSE);
}

static void
dot_node (GString *text, const Inspected *it, guint i)
{
  DcnnNodeInfo node;
  dcnn_model_get_node (it->model, i, &node);
  g_autofree char *name = quote (node.name);
  g_autofree char *ops = quote (node.ops);
  g_autofree char *macs = tool_format_count (node.macs);
  double share = it->summary.macs
      ? (double) node.macs / (double) it->summary.macs : 0;
  double depth = MIN (1.0, share * 12);
  g_string_append_printf (text,
      "  n%u [fillcolor=\"%.3f %.3f 1.0\", tooltip=%s, label=<<b>%u</b> %.*s"
      "<br/>%ux%ux%u, %s MAC<br/><i>%s</i>>];\n", i, 0.58, 0.04 + 0.5 * depth,
      name, i, (int) strlen (ops) - 2, ops + 1, node.width, node.height,
      node.channels, macs, node.kernel);
  for (guint k = 0; k < node.n_inputs; k++) {
    if (node.inputs[k] >= 0)
      g_string_append_printf (text, "  n%d -> n%u;\n", node.inputs[k], i);
    else
      g_string_append_printf (text, "  in%d -> n%u;\n", -1 - node.inputs[k],
          i);
  }
}

gboolean
inspect_dot (const Inspected *it, const char *path, GError **error)
{
  g_autoptr (GString) text = g_string_new ("digraph model {\n"
      "  rankdir=TB; bgcolor=white;\n"
      "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", "
      "fontsize=10, color=\"#60708a\"];\n"
      "  edge [color=\"#60708a\", arrowsize=0.7];\n");
  for (guint i = 0; i < it->summary.n_inputs; i++) {
    g_autofree char *name = quote (dcnn_model_input_name (it->model, i));
    g_string_append_printf (text,
        "  in%u [shape=ellipse, fillcolor=\"#fff2cc\", label=%s];\n", i, name);
  }
  for (guint i = 0; i < it->summary.n_nodes; i++)
    dot_node (text, it, i);
  g_string_append (text, "}\n");
  return tool_write_file (path, text->str, text->len, error);
}
