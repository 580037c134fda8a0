/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_graph_dump.c - a graph as text, one line a node.
 *
 *   input data float32[1,3,8,8]
 *   conv1 = Conv(data, w:float32[4,3,3,3]) k=3x3 s=1x1 ... -> float32[1,4,8,8]
 *   output conv1
 *
 * A constant operand is shown with its type and shape. A node is named by its
 * first output.
 */
#include "dcnn_graph.h"

static void
add_ints (GString *text, const char *label, int n, const gint64 *values)
{
  g_string_append_printf (text, " %s=", label);
  for (int i = 0; i < n; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "x" : "",
        values[i]);
}

static void
add_window (GString *text, const DcnnWindow *w)
{
  add_ints (text, "kernel", w->rank, w->kernel);
  add_ints (text, "stride", w->rank, w->stride);
  add_ints (text, "dilation", w->rank, w->dilation);
  add_ints (text, "pad", w->rank, w->pad_begin);
  add_ints (text, "pad_end", w->rank, w->pad_end);
}

static void
add_double (GString *text, const char *label, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append_printf (text, " %s=%s", label,
      g_ascii_formatd (buffer, sizeof buffer, "%.7g", value));
}

/* Parameters of operators on one tensor that compute. */
static gboolean
add_act_params (GString *text, const DcnnNode *node)
{
  const DcnnActParams *p = &node->params.act;
  switch (node->op) {
    case DCNN_OP_CLIP:
      add_double (text, "lo", p->lo);
      add_double (text, "hi", p->hi);
      return TRUE;
    case DCNN_OP_LEAKY_RELU:
    case DCNN_OP_ELU:
    case DCNN_OP_THRESHOLDED_RELU:
      add_double (text, "alpha", p->alpha);
      return TRUE;
    case DCNN_OP_HARD_SIGMOID:
    case DCNN_OP_SELU:
    case DCNN_OP_SHRINK:
      add_double (text, "alpha", p->alpha);
      add_double (text, "beta", p->beta);
      return TRUE;
    case DCNN_OP_GELU:
      g_string_append (text, p->tanh_form ? " tanh" : "");
      return TRUE;
    default:
      return FALSE;
  }
}

/* Parameters of operators that move data. */
static void
add_layout_params (GString *text, const DcnnNode *node, int rank)
{
  const DcnnParams *p = &node->params;
  gint64 perm[DCNN_MAX_RANK];
  switch (node->op) {
    case DCNN_OP_CONCAT:
    case DCNN_OP_SPLIT:
    case DCNN_OP_GATHER:
    case DCNN_OP_SOFTMAX:
    case DCNN_OP_LOG_SOFTMAX:
    case DCNN_OP_ARG_MAX:
    case DCNN_OP_ARG_MIN:
      g_string_append_printf (text, " axis=%" G_GINT64_FORMAT, p->axis.axis);
      break;
    case DCNN_OP_SLICE:
      add_ints (text, "start", rank, p->slice.start);
      add_ints (text, "step", rank, p->slice.step);
      break;
    case DCNN_OP_PAD:
      add_ints (text, "begin", rank, p->pad.begin);
      add_ints (text, "end", rank, p->pad.end);
      g_string_append_printf (text, " mode=%d", p->pad.mode);
      add_double (text, "value", p->pad.value);
      break;
    case DCNN_OP_TRANSPOSE:
      for (int i = 0; i < rank; i++)
        perm[i] = p->transpose.perm[i];
      add_ints (text, "perm", rank, perm);
      break;
    case DCNN_OP_DEPTH_TO_SPACE:
    case DCNN_OP_SPACE_TO_DEPTH:
      g_string_append_printf (text, " block=%" G_GINT64_FORMAT "%s",
          p->depth.block, p->depth.crd ? " crd" : "");
      break;
    case DCNN_OP_RESIZE:
      g_string_append_printf (text, " mode=%d coord=%d nearest=%d",
          p->resize.mode, p->resize.coord, p->resize.nearest);
      for (int i = 0; i < rank; i++)
        add_double (text, "scale", p->resize.scale[i]);
      break;
    default:
      break;
  }
}

static void
add_params (GString *text, const DcnnGraph *graph, const DcnnNode *node)
{
  const DcnnParams *p = &node->params;
  switch (node->op) {
    case DCNN_OP_CONV:
    case DCNN_OP_CONV_TRANSPOSE:
      add_window (text, &p->conv.window);
      g_string_append_printf (text, " groups=%" G_GINT64_FORMAT,
          p->conv.groups);
      break;
    case DCNN_OP_MAX_POOL:
    case DCNN_OP_AVERAGE_POOL:
      add_window (text, &p->pool.window);
      if (p->pool.count_include_pad)
        g_string_append (text, " count_include_pad");
      break;
    case DCNN_OP_BATCH_NORM:
    case DCNN_OP_INSTANCE_NORM:
    case DCNN_OP_GROUP_NORM:
    case DCNN_OP_LAYER_NORM:
      add_double (text, "epsilon", p->norm.epsilon);
      break;
    case DCNN_OP_REDUCE_MEAN:
      g_string_append_printf (text, " axes=0x%x keepdims=%d", p->reduce.axes,
          p->reduce.keepdims);
      break;
    case DCNN_OP_GEMM:
      add_double (text, "alpha", p->gemm.alpha);
      add_double (text, "beta", p->gemm.beta);
      g_string_append_printf (text, " trans=%d%d", p->gemm.trans_a,
          p->gemm.trans_b);
      break;
    case DCNN_OP_RECURRENT:
      g_string_append_printf (text, " gates=%d%s%s", p->recurrent.gates,
          p->recurrent.after ? " after" : "",
          p->recurrent.backward ? " backward" : "");
      break;
    default:
      if (!add_act_params (text, node))
        add_layout_params (text, node,
            dcnn_graph_value (graph, node->inputs[0])->tensor.rank);
      break;
  }
}

static void
add_value (GString *text, const DcnnGraph *graph, DcnnValueId id)
{
  const DcnnValue *value;
  if (id < 0) {
    g_string_append_c (text, '-');
    return;
  }
  value = dcnn_graph_value (graph, id);
  g_string_append (text, value->name);
  if (value->tensor.data) {
    g_autofree char *shape = dcnn_tensor_describe (&value->tensor);
    g_string_append_printf (text, ":%s", shape);
  }
}

static void
add_node (GString *text, const DcnnGraph *graph, const DcnnNode *node)
{
  for (int i = 0; i < node->n_outputs; i++) {
    g_string_append (text, i ? ", " : "");
    add_value (text, graph, node->outputs[i]);
  }
  g_string_append_printf (text, " = %s(", dcnn_op_name (node->op));
  for (int i = 0; i < node->n_inputs; i++) {
    g_string_append (text, i ? ", " : "");
    add_value (text, graph, node->inputs[i]);
  }
  g_string_append_c (text, ')');
  add_params (text, graph, node);
  g_string_append (text, " ->");
  for (int i = 0; i < node->n_outputs; i++) {
    if (node->outputs[i] >= 0) {
      g_autofree char *shape = dcnn_tensor_describe (
          &dcnn_graph_value (graph, node->outputs[i])->tensor);
      g_string_append_printf (text, " %s", shape);
    }
  }
  g_string_append_c (text, '\n');
}

char *
dcnn_graph_dump (const DcnnGraph *graph)
{
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < graph->inputs->len; i++) {
    const DcnnValue *value = dcnn_graph_value (graph,
        g_array_index (graph->inputs, DcnnValueId, i));
    g_autofree char *shape = dcnn_tensor_describe (&value->tensor);
    g_string_append_printf (text, "input %s %s\n", value->name, shape);
  }
  for (guint i = 0; i < graph->nodes->len; i++)
    if (dcnn_graph_node (graph, (int) i)->alive)
      add_node (text, graph, dcnn_graph_node (graph, (int) i));
  for (guint i = 0; i < graph->outputs->len; i++) {
    g_string_append (text, "output ");
    add_value (text, graph, g_array_index (graph->outputs, DcnnValueId, i));
    g_string_append_c (text, '\n');
  }
  for (guint i = 0; i < graph->states->len; i++) {
    const DcnnState *state = &g_array_index (graph->states, DcnnState, i);
    g_string_append (text, "state ");
    add_value (text, graph, state->input);
    g_string_append (text, " <- ");
    add_value (text, graph, state->source);
    g_string_append_c (text, '\n');
  }
  return g_string_free (text, FALSE);
}
