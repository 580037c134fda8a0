/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-inspect: what a model is to this engine. */
#include "inspect.h"
#include "inspect_suggest.h"
#include "output.h"
#include "source.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char *size_text, *dot_path, *clip, *precision_text;
static gboolean as_json, why, dump, suggesting;

static const GOptionEntry options[] = {
  { "size", 's', 0, G_OPTION_ARG_FILENAME, &size_text,
      "Input size instead of the descriptor's or the file's", "WxH" },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &as_json,
      "Print one JSON object instead of tables", NULL },
  { "dot", 'd', 0, G_OPTION_ARG_FILENAME, &dot_path,
      "Write the fused graph for Graphviz; - is standard output", "FILE" },
  { "precision", 'p', 0, G_OPTION_ARG_FILENAME, &precision_text,
      "How a GPU is to store feature maps, for what it would hold: auto "
      "(default: f16), f32, f16 or bf16", "P" },
  { "why", 'w', 0, G_OPTION_ARG_NONE, &why,
      "Say for each node which faster kernels were refused, and why", NULL },
  { "dump", 0, 0, G_OPTION_ARG_NONE, &dump,
      "Print the simplified graph and the plan, one line a node", NULL },
  { "suggest", 0, 0, G_OPTION_ARG_NONE, &suggesting,
      "Print a first descriptor, guessed from names, shapes, ranges and a frame",
      NULL },
  { "frame", 'f', 0, G_OPTION_ARG_FILENAME, &clip,
      "Take the frame for --suggest from this clip, folder or camera", "CLIP" },
  { NULL }
};

static const char summary_text[] =
    "Shows what a model becomes here: inputs and outputs, the fused nodes with\n"
    "their kernels, work, weights and state, and the memory a session needs.\n"
    "A model that cannot run is refused with every offending node and what\n"
    "would work instead.\n"
    "\n"
    "MODEL is an ONNX file, or the name of an installed model.";

static const char examples[] =
    "Columns:\n"
    "  ops      ONNX operators that run as one node\n"
    "  kernel   how: conv, depthwise ...; tail:* runs whole when its input\n"
    "           changed; view:* costs nothing\n"
    "  MACs     multiply-accumulates when every pixel is computed\n"
    "  state    bytes kept from frame to frame, for each stream; \"in 9\": none,\n"
    "           the node is computed on the way to node 9\n"
    "\n"
    "Examples:\n"
    "  deltacnn-inspect people-seg\n"
    "  deltacnn-inspect yolox_nano.onnx --size 768x576 --why\n"
    "  deltacnn-inspect net.onnx --suggest --frame clip.mp4 > "
    "net.onnx.modelinfo\n"
    "  deltacnn-inspect net.onnx --dot - | dot -Tsvg > net.svg";

/* "1x3x256x192" of a tensor, and its type. Returns new. */
static char *
shape_text (const DcnnTensor *tensor)
{
  GString *text = g_string_new (NULL);
  for (int i = 0; i < tensor->rank; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "x" : "",
        (gint64) tensor->dims[i]);
  g_string_append_printf (text, "%s%s", tensor->rank ? " " : "",
      dcnn_dtype_name (tensor->dtype));
  return g_string_free (text, FALSE);
}

/* ---- tables ------------------------------------------------------------ */

static void
print_tensors (const Inspected *it)
{
  for (guint i = 0; i < it->summary.n_inputs; i++) {
    g_autofree char *shape = shape_text (dcnn_model_input (it->model, i));
    g_print ("  input   %-28s %s\n", dcnn_model_input_name (it->model, i),
        shape);
  }
  for (guint i = 0; i < it->summary.n_outputs; i++) {
    g_autofree char *shape = shape_text (dcnn_model_output (it->model, i));
    g_print ("  output  %-28s %s\n", dcnn_model_output_name (it->model, i),
        shape);
  }
}

/* Long names keep their end, which tells more. */
static char *
shorten (const char *text, gsize room)
{
  gsize length = strlen (text);
  if (length <= room)
    return g_strdup (text);
  return g_strconcat ("~", text + length - (room - 1), NULL);
}

static void
print_node (const Inspected *it, guint i, gboolean with_why)
{
  DcnnNodeInfo node;
  dcnn_model_get_node (it->model, i, &node);
  g_autofree char *name = shorten (node.name, 26);
  g_autofree char *ops = shorten (node.ops, 24);
  g_autofree char *kernel = shorten (node.kernel, 16);
  g_autofree char *macs = tool_format_count (node.macs);
  g_autofree char *weights = tool_format_bytes (node.weight_bytes);
  g_autofree char *state = node.inside >= 0
      ? g_strdup_printf ("in %d", node.inside)
      : node.state_bytes ? tool_format_bytes (node.state_bytes)
      : g_strdup ("-");
  g_autofree char *shape = node.width
      ? g_strdup_printf ("%ux%ux%u", node.width, node.height, node.channels)
      : g_strdup ("-");
  g_print ("%4u  %-26s  %-24s  %-16s  %12s  %8s  %9s  %9s\n", i, name, ops,
      kernel, shape, node.macs ? macs : "-",
      node.weight_bytes ? weights : "-", state);
  if (with_why && node.why && *node.why)
    g_print ("      why: %s\n", node.why);
}

static void
print_totals (const Inspected *it)
{
  g_autofree char *macs = tool_format_count (it->summary.macs);
  g_autofree char *weights = tool_format_bytes (it->summary.weight_bytes);
  g_autofree char *state = tool_format_bytes (it->summary.state_bytes);
  g_autofree char *session = tool_format_bytes (it->session_bytes);
  g_autofree char *peak = tool_format_bytes (it->peak_bytes);
  g_print ("\n%u fused nodes, %s multiply-accumulates a dense frame\n",
      it->summary.n_nodes, macs);
  if (it->summary.tile)
    g_print ("  tile            %u px (the window moves in steps of it)\n",
        it->summary.tile);
  else
    g_print ("  tile            none: the window of this net cannot move\n");
  g_print ("  weights         %s, shared by all sessions\n", weights);
  g_print ("  state           %s a stream\n", state);
  g_print ("  session         %s, one stream\n", session);
  g_print ("  predicted peak  %s\n", peak);
  if (it->gpu_bytes) {
    g_autofree char *gpu = tool_format_bytes (it->gpu_stream_bytes);
    g_autofree char *one = tool_format_bytes (it->gpu_bytes);
    g_print ("  on a GPU        %s a stream (%s with one)\n", gpu, one);
  }
}

/* Tables for people, to standard output. why: with the reason for which each
 * faster kernel was refused. */
static void
print_tables (const Inspected *it, gboolean with_why)
{
  g_print ("%s\n", it->path);
  if (it->info->path) {
    g_print ("  descriptor %s\n  ", it->info->path);
    if (it->info->name)
      g_print ("%s, ", it->info->name);
    g_print ("decoder %s, licence %s\n",
        it->info->decoder ? it->info->decoder : "none",
        it->info->licence ? it->info->licence : "not stated");
  } else {
    g_print ("  no descriptor: RGB, 0..1, stretched; results stay tensors\n");
  }
  print_tensors (it);
  g_print ("\n%4s  %-26s  %-24s  %-16s  %12s  %8s  %9s  %9s\n", "node",
      "name", "ops", "kernel", "WxHxC", "MACs", "weights", "state");
  for (guint i = 0; i < it->summary.n_nodes; i++)
    print_node (it, i, with_why);
  print_totals (it);
}

/* ---- program ----------------------------------------------------------- */

/* What a GPU would hold; nothing where it cannot run the model, which is an error
 * where a precision was asked for. */
static gboolean
predict_gpu (Inspected *it, DcnnSessionOptions wanted, GError **error)
{
  wanted.device = NULL;
  wanted.streams = 1;
  if (!tool_parse_precision (precision_text, &wanted.precision, error))
    return FALSE;
  it->gpu_bytes = dcnn_session_predict_bytes (it->model, &wanted,
      precision_text ? error : NULL);
  if (precision_text && !it->gpu_bytes)
    return FALSE;
  wanted.streams = 9;
  it->gpu_stream_bytes = (dcnn_session_predict_bytes (it->model, &wanted,
          NULL) - it->gpu_bytes) / 8;
  return TRUE;
}

static gboolean
measure (Inspected *it, GError **error)
{
  struct stat status;
  if (stat (it->path, &status) == 0)
    it->file_bytes = (guint64) status.st_size;
  dcnn_model_get_summary (it->model, &it->summary);
  DcnnSessionOptions session_options;
  dcnn_session_options_init (&session_options);
  dcnn_modelinfo_apply (it->info, &session_options);
  g_autoptr (DcnnSession) session =
      dcnn_session_new (it->model, &session_options, error);
  if (!session)
    return FALSE;
  it->session_bytes = dcnn_session_get_bytes (session);
  if (!predict_gpu (it, session_options, error))
    return FALSE;
  it->peak_bytes =
      tool_predict_peak (&it->summary, it->session_bytes, it->file_bytes);
  return TRUE;
}

static gboolean
show (Inspected *it, GError **error)
{
  if (!measure (it, error))
    return FALSE;
  if (dump) {
    g_autofree char *graph = dcnn_model_dump_graph (it->model);
    g_autofree char *plan = dcnn_model_dump_plan (it->model);
    g_print ("# graph\n%s\n# plan\n%s\n", graph, plan);
  }
  if (dot_path && !inspect_dot (it, dot_path, error))
    return FALSE;
  if (as_json)
    return inspect_json (it, error);
  if (!dump && g_strcmp0 (dot_path, "-") != 0)
    print_tables (it, why);
  return TRUE;
}

static gboolean
check_options (const char *name, GError **error)
{
  const ToolFile output = { "--dot", dot_path };
  g_autofree char *model = dcnn_model_find_file (name, NULL);
  const ToolFile inputs[] = { { "MODEL", model }, { "--frame", clip } };
  DcnnPrecision precision;
  guint width, height;
  const char *problem = NULL;
  if (clip && !suggesting)
    problem = "--frame goes with --suggest";
  else if (as_json + dump + suggesting
      + (g_strcmp0 (dot_path, "-") == 0) > 1)
    problem = "only one of --json, --dump, --suggest and --dot - can have "
        "standard output";
  if (problem)
    g_set_error_literal (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, problem);
  return !problem && tool_parse_size (size_text, &width, &height, error)
      && tool_parse_precision (precision_text, &precision, error)
      && tool_check_files (&output, 1, inputs, G_N_ELEMENTS (inputs), error);
}

static gboolean
run (const char *name, GError **error)
{
  guint width = 0, height = 0;
  if (!tool_parse_size (size_text, &width, &height, error))
    return FALSE;
  g_autofree char *path = dcnn_model_find_file (name, error);
  if (!path)
    return FALSE;
  if (suggesting)
    return suggest_print (path, clip, width, height, error);
  g_autoptr (DcnnModelInfo) info = NULL;
  g_autoptr (DcnnModel) model =
      dcnn_model_load (path, width, height, &info, error);
  if (!model)
    return FALSE;
  Inspected it = { .path = path, .model = model, .info = info };
  return show (&it, error);
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new ("MODEL");
  g_option_context_set_summary (context, summary_text);
  g_option_context_set_description (context, examples);
  g_option_context_add_main_entries (context, options, NULL);
  gboolean good = tool_parse_context (context, &argc, &argv, &error);
  if (good && argc != 2) {
    g_set_error (&error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, "%s; see --help",
        argc < 2 ? "a MODEL is needed: an ONNX file or a model's name"
        : "only one MODEL is taken");
    good = FALSE;
  }
  if (!good || !check_options (argv[1], &error)) {
    tool_fail ("deltacnn-inspect", &error);
    return 2;
  }
  if (clip)
    gst_init (NULL, NULL);
  return run (argv[1], &error) ? 0 : tool_fail ("deltacnn-inspect", &error);
}
