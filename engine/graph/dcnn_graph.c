/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_graph.c - building and running graphs: see dcnn_graph.h.
 */
#include "dcnn_graph.h"

#include <stdlib.h>
#include <string.h>

#include "infer.h"
#include "ref.h"

/* What the header does not show: the index of names, and how much folding may
 * still cost. */
typedef struct GraphPrivate {
  DcnnGraph graph; /* first: a DcnnGraph is one of these */
  GHashTable *names; /* name (the value's) -> id + 1 */
  guint named; /* values [0, named) are in names */
  gint64 fold_bytes; /* left for the results of folding */
  gint64 fold_work; /* left, in elementary operations */
} GraphPrivate;

/* What one operator is: a row of ops.def. */
typedef struct OpInfo {
  const char *name;
  DcnnInferFn infer;
  DcnnRefFn ref;
} OpInfo;

static const OpInfo op_infos[DCNN_OP_COUNT] = {
#define DCNN_OP(ENUM, name, infer, ref, lowering)                              \
  { name, dcnn_infer_##infer, dcnn_ref_##ref },
#include "ops.def"
#undef DCNN_OP
};

const char *
dcnn_op_name (DcnnOp op)
{
  return (guint) op < DCNN_OP_COUNT ? op_infos[op].name : "?";
}

static void
value_free (gpointer data)
{
  DcnnValue *value = data;
  dcnn_tensor_free (&value->tensor);
  g_free (value->name);
  g_free (value);
}

static void
node_free (gpointer data)
{
  DcnnNode *node = data;
  g_free (node->name);
  g_free (node->inputs);
  g_free (node->outputs);
  g_free (node);
}

DcnnGraph *
dcnn_graph_new (void)
{
  GraphPrivate *self = g_new0 (GraphPrivate, 1);
  self->graph.values = g_ptr_array_new_with_free_func (value_free);
  self->graph.nodes = g_ptr_array_new_with_free_func (node_free);
  self->graph.inputs = g_array_new (FALSE, FALSE, sizeof (DcnnValueId));
  self->graph.outputs = g_array_new (FALSE, FALSE, sizeof (DcnnValueId));
  self->graph.states = g_array_new (FALSE, FALSE, sizeof (DcnnState));
  self->names = g_hash_table_new (g_str_hash, g_str_equal);
  self->fold_bytes = DCNN_FOLD_BYTES;
  self->fold_work = DCNN_FOLD_WORK;
  return &self->graph;
}

void
dcnn_graph_free (DcnnGraph *graph)
{
  GraphPrivate *self = (GraphPrivate *) graph;
  if (!graph)
    return;
  g_hash_table_unref (self->names);
  g_ptr_array_unref (graph->nodes);
  g_ptr_array_unref (graph->values);
  g_array_unref (graph->inputs);
  g_array_unref (graph->outputs);
  g_array_unref (graph->states);
  g_free (self);
}

void
dcnn_graph_limit_folding (DcnnGraph *graph, gint64 bytes)
{
  ((GraphPrivate *) graph)->fold_bytes = bytes;
}

DcnnValueId
dcnn_graph_find_value (const DcnnGraph *graph, const char *name)
{
  GraphPrivate *self = (GraphPrivate *) graph;
  for (; self->named < graph->values->len; self->named++) {
    DcnnValue *value = dcnn_graph_value (graph, (int) self->named);
    g_hash_table_insert (self->names, value->name,
        GINT_TO_POINTER ((int) self->named + 1));
  }
  return GPOINTER_TO_INT (g_hash_table_lookup (self->names, name)) - 1;
}

/* Appends a value. Takes tensor->data. */
static DcnnValueId
add_value (DcnnGraph *graph, const char *name, const DcnnTensor *tensor,
    int producer)
{
  DcnnValue *value = g_new0 (DcnnValue, 1);
  value->name = g_strdup (name);
  value->tensor = *tensor;
  value->producer = producer;
  value->alive = TRUE;
  g_ptr_array_add (graph->values, value);
  /* indexed now, so that looking up in a finished graph only reads */
  return dcnn_graph_find_value (graph, value->name);
}

static gboolean
check_new_name (const DcnnGraph *graph, const char *name, GError **error)
{
  if (dcnn_graph_find_value (graph, name) < 0)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
      "value '%.200s' is defined twice", name);
  return FALSE;
}

DcnnValueId
dcnn_graph_add_input (DcnnGraph *graph, const char *name, DcnnDtype dtype,
    int rank, const gint64 *dims, GError **error)
{
  DcnnTensor tensor = { .dtype = dtype, .rank = rank };
  DcnnValueId id;

  for (int i = 0; i < rank && i < DCNN_MAX_RANK; i++)
    tensor.dims[i] = dims[i];
  if (!check_new_name (graph, name, error)
      || !dcnn_tensor_check (&tensor, error))
    return -1;
  id = add_value (graph, name, &tensor, -1);
  g_array_append_val (graph->inputs, id);
  return id;
}

DcnnValueId
dcnn_graph_add_constant (DcnnGraph *graph, const char *name,
    const DcnnTensor *tensor, GError **error)
{
  if (!check_new_name (graph, name, error)
      || !dcnn_tensor_check (tensor, error))
    return -1;
  return add_value (graph, name, tensor, -1);
}

void
dcnn_graph_add_output (DcnnGraph *graph, DcnnValueId value)
{
  g_array_append_val (graph->outputs, value);
}

static gboolean
lists (const GArray *values, DcnnValueId value)
{
  for (guint i = 0; i < values->len; i++)
    if (g_array_index (values, DcnnValueId, i) == value)
      return TRUE;
  return FALSE;
}

gboolean
dcnn_graph_add_state (DcnnGraph *graph, const DcnnState *state, GError **error)
{
  guint fed = dcnn_graph_fed_inputs (graph);
  const DcnnValue *input = dcnn_graph_value (graph, state->input);
  const DcnnValue *source = dcnn_graph_value (graph, state->source);

  if (fed == 0 || g_array_index (graph->inputs, DcnnValueId, fed - 1)
      != state->input || state->source == state->input
      || (!lists (graph->outputs, state->source)
          && !lists (graph->inputs, state->source))) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID, "'%.120s' cannot be "
        "fed back to '%.120s': it is no output", source->name, input->name);
    return FALSE;
  }
  if (input->tensor.dtype != DCNN_DTYPE_F32
      || source->tensor.dtype != DCNN_DTYPE_F32
      || dcnn_tensor_count (&input->tensor)
      != dcnn_tensor_count (&source->tensor)) {
    g_autofree char *a = dcnn_tensor_describe (&source->tensor);
    g_autofree char *b = dcnn_tensor_describe (&input->tensor);
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID, "output '%.120s' is "
        "%s, but input '%.120s', to which it is fed back, is %s; both must "
        "be float32 of one shape", source->name, a, input->name, b);
    return FALSE;
  }
  g_array_append_val (graph->states, *state);
  return TRUE;
}

/* An upper estimate of the elementary operations of running a node. */
static double
node_work (DcnnOp op, const DcnnParams *params, int n_inputs,
    const DcnnTensor *const *inputs, int n_outputs, const DcnnTensor *outputs)
{
  double out = 0, in = 0, each = 1;
  const DcnnWindow *window = NULL;

  for (int i = 0; i < n_inputs; i++)
    in += inputs[i] ? (double) dcnn_tensor_count (inputs[i]) : 0;
  for (int i = 0; i < n_outputs; i++)
    out += (double) dcnn_tensor_count (&outputs[i]);
  switch (op) {
    case DCNN_OP_CONV:
      each = (double) inputs[1]->dims[1];
      window = &params->conv.window;
      break;
    case DCNN_OP_CONV_TRANSPOSE:
      each = (double) inputs[0]->dims[1];
      window = &params->conv.window;
      break;
    case DCNN_OP_MAX_POOL:
    case DCNN_OP_AVERAGE_POOL:
      window = &params->pool.window;
      break;
    case DCNN_OP_GEMM:
      each = (double) inputs[0]->dims[params->gemm.trans_a ? 0 : 1];
      break;
    case DCNN_OP_MATMUL:
      each = (double) inputs[0]->dims[inputs[0]->rank - 1];
      break;
    case DCNN_OP_RECURRENT:
      each = (double) inputs[0]->dims[2];
      break;
    case DCNN_OP_LRN:
      each = (double) MIN (params->lrn.size, inputs[0]->dims[1]);
      break;
    case DCNN_OP_TOP_K:
      each = (double) inputs[0]->dims[params->top_k.axis];
      break;
    case DCNN_OP_RESIZE:
    case DCNN_OP_GRID_SAMPLE:
      each = 16;
      break;
    default:
      break;
  }
  for (int i = 0; window && i < window->rank; i++)
    each *= (double) window->kernel[i];
  return in + out * each;
}

/* Takes the cost of folding a node from what is left. */
static gboolean
pay_for_folding (GraphPrivate *self, double work, int n_outputs,
    const DcnnTensor *outputs, GError **error)
{
  gint64 bytes = 0;
  for (int i = 0; i < n_outputs; i++)
    bytes += dcnn_tensor_bytes (&outputs[i]);
  if (bytes > self->fold_bytes || work > (double) self->fold_work) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_LIMIT,
        "its inputs are all constant, and computing it would take %"
        G_GINT64_FORMAT " bytes and %.3g operations, more than constants may"
        " take in a model of this size", bytes, work);
    return FALSE;
  }
  self->fold_bytes -= bytes;
  self->fold_work -= (gint64) work;
  return TRUE;
}

static void
free_tensors (int n, DcnnTensor *tensors)
{
  for (int i = 0; i < n; i++)
    dcnn_tensor_free (&tensors[i]);
}

/* Computes a node of constants; outputs get data. */
static gboolean
fold (GraphPrivate *self, DcnnOp op, const DcnnParams *params, int n_inputs,
    const DcnnTensor *const *inputs, int n_outputs, DcnnTensor *outputs,
    GError **error)
{
  DcnnTensor *pointers[DCNN_MAX_NODE_OUTPUTS];
  if (!pay_for_folding (self, node_work (op, params, n_inputs, inputs,
              n_outputs, outputs), n_outputs, outputs, error))
    return FALSE;
  for (int i = 0; i < n_outputs; i++) {
    pointers[i] = &outputs[i];
    if (!dcnn_tensor_alloc (&outputs[i], error))
      return FALSE;
  }
  dcnn_op_run_reference (op, params, n_inputs, inputs, n_outputs, pointers);
  return TRUE;
}

/* Operands and names of a new node; fills tensors with the operands. */
static gboolean
check_operands (const DcnnGraph *graph, DcnnOp op, int n_inputs,
    const DcnnValueId *inputs, int n_outputs, const char *const *output_names,
    const DcnnTensor **tensors, GError **error)
{
  if ((guint) op >= DCNN_OP_COUNT || n_inputs < 1 || n_outputs < 1
      || n_inputs > DCNN_MAX_NODE_INPUTS || n_outputs > DCNN_MAX_NODE_OUTPUTS
      || graph->nodes->len >= DCNN_MAX_NODES) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_LIMIT,
        "up to %d nodes of 1 to %d inputs and 1 to %d outputs are supported",
        DCNN_MAX_NODES, DCNN_MAX_NODE_INPUTS, DCNN_MAX_NODE_OUTPUTS);
    return FALSE;
  }
  for (int i = 0; i < n_inputs; i++) {
    if (inputs[i] >= (int) graph->values->len
        || (inputs[i] < 0 && (i == 0 || inputs[i] != -1))) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
          "input %d is missing", i);
      return FALSE;
    }
    tensors[i] = inputs[i] < 0 ? NULL
        : &dcnn_graph_value (graph, inputs[i])->tensor;
  }
  for (int i = 0; i < n_outputs; i++) {
    const char *name = output_names[i];
    if (!name || !*name)
      continue;
    if (!check_new_name (graph, name, error))
      return FALSE;
    for (int k = 0; k < i; k++) {
      if (g_strcmp0 (output_names[k], name) == 0) {
        g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
            "output '%.200s' is named twice", name);
        return FALSE;
      }
    }
  }
  return TRUE;
}

/* Infers the outputs of a node and, when it is constant, computes them. */
static gboolean
make_outputs (DcnnGraph *graph, DcnnOp op, DcnnParams *params, int n_inputs,
    const DcnnTensor *const *tensors, int n_outputs, DcnnTensor *outputs,
    gboolean *folded, GError **error)
{
  *folded = TRUE;
  for (int i = 0; i < n_inputs; i++)
    *folded = *folded && (!tensors[i] || tensors[i]->data);
  if (!op_infos[op].infer (op, params, n_inputs, tensors, n_outputs, outputs,
          error))
    return FALSE;
  for (int i = 0; i < n_outputs; i++) {
    outputs[i].data = NULL;
    if (!dcnn_tensor_check (&outputs[i], error))
      return FALSE;
  }
  if (!*folded || fold ((GraphPrivate *) graph, op, params, n_inputs, tensors,
          n_outputs, outputs, error))
    return TRUE;
  free_tensors (n_outputs, outputs);
  return FALSE;
}

/* Values for the outputs. Split gets one for each, so that no kernel has to
 * guess the size of an unused part. */
static void
add_outputs (DcnnGraph *graph, const char *node_name, DcnnOp op, int producer,
    int n_outputs, const char *const *names, DcnnTensor *tensors,
    DcnnValueId *outputs)
{
  for (int i = 0; i < n_outputs; i++) {
    g_autofree char *made_up = NULL;
    const char *name = names[i];
    if ((!name || !*name) && op == DCNN_OP_SPLIT) {
      made_up = g_strdup_printf ("%s:%d:%u", node_name, i,
          graph->values->len);
      while (dcnn_graph_find_value (graph, made_up) >= 0) {
        char *longer = g_strconcat (made_up, "_", NULL);
        g_free (made_up);
        made_up = longer;
      }
      name = made_up;
    }
    if (name && *name) {
      outputs[i] = add_value (graph, name, &tensors[i], producer);
    } else {
      outputs[i] = -1;
      dcnn_tensor_free (&tensors[i]);
    }
  }
}

gboolean
dcnn_graph_add_node (DcnnGraph *graph, const char *name, DcnnOp op,
    const DcnnParams *params, int n_inputs, const DcnnValueId *inputs,
    int n_outputs, const char *const *output_names,
    const DcnnTensor *out_shape, DcnnValueId *outputs, GError **error)
{
  const DcnnTensor *tensors[DCNN_MAX_NODE_INPUTS];
  DcnnTensor made[DCNN_MAX_NODE_OUTPUTS];
  g_autofree char *node_name = NULL;
  DcnnParams completed;
  gboolean folded;
  DcnnNode *node;

  if (!check_operands (graph, op, n_inputs, inputs, n_outputs, output_names,
          tensors, error))
    return FALSE;
  memset (&completed, 0, sizeof completed);
  if (params)
    completed = *params;
  memset (made, 0, sizeof (DcnnTensor) * (size_t) n_outputs);
  if (out_shape)
    memcpy (made, out_shape, sizeof (DcnnTensor) * (size_t) n_outputs);
  if (!make_outputs (graph, op, &completed, n_inputs, tensors, n_outputs, made,
          &folded, error))
    return FALSE;
  node_name = name && *name ? g_strdup (name)
      : g_strdup_printf ("%s_%u", dcnn_op_name (op), graph->nodes->len);
  add_outputs (graph, node_name, op, folded ? -1 : (int) graph->nodes->len,
      n_outputs, output_names, made, outputs);
  if (folded)
    return TRUE;
  node = g_new0 (DcnnNode, 1);
  node->name = g_steal_pointer (&node_name);
  node->op = op;
  node->n_inputs = n_inputs;
  node->n_outputs = n_outputs;
  node->inputs = g_memdup2 (inputs, sizeof *inputs * (gsize) n_inputs);
  node->outputs = g_memdup2 (outputs, sizeof *outputs * (gsize) n_outputs);
  node->params = completed;
  node->alive = TRUE;
  g_ptr_array_add (graph->nodes, node);
  return TRUE;
}

void
dcnn_op_run_reference (DcnnOp op, const DcnnParams *params, int n_inputs,
    const DcnnTensor *const *inputs, int n_outputs,
    DcnnTensor *const *outputs)
{
  op_infos[op].ref (params, n_inputs, inputs, n_outputs, outputs);
}

/* A run of a whole graph: the tensors of all values, and how many readers
 * each still has. */
typedef struct Run {
  const DcnnGraph *graph;
  DcnnTensor *tensors; /* of each value; data NULL: not there */
  int *readers;
} Run;

static void
count_readers (Run *run)
{
  const DcnnGraph *graph = run->graph;
  for (guint n = 0; n < graph->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (graph, (int) n);
    for (int i = 0; node->alive && i < node->n_inputs; i++)
      if (node->inputs[i] >= 0)
        run->readers[node->inputs[i]]++;
  }
  for (guint i = 0; i < graph->outputs->len; i++)
    run->readers[g_array_index (graph->outputs, DcnnValueId, i)]++;
}

/* Whether the run owns a value's data: what a node made. */
static gboolean
is_owned (const Run *run, DcnnValueId id)
{
  return dcnn_graph_value (run->graph, id)->producer >= 0;
}

static gboolean
run_node (Run *run, const DcnnNode *node, GError **error)
{
  const DcnnTensor *inputs[DCNN_MAX_NODE_INPUTS];
  DcnnTensor *outputs[DCNN_MAX_NODE_OUTPUTS];

  for (int i = 0; i < node->n_inputs; i++)
    inputs[i] = node->inputs[i] < 0 ? NULL : &run->tensors[node->inputs[i]];
  for (int i = 0; i < node->n_outputs; i++) {
    outputs[i] = node->outputs[i] < 0 ? NULL
        : &run->tensors[node->outputs[i]];
    if (outputs[i] && !dcnn_tensor_alloc (outputs[i], error)) {
      g_prefix_error (error, "node '%.200s': ", node->name);
      return FALSE;
    }
  }
  dcnn_op_run_reference (node->op, &node->params, node->n_inputs, inputs,
      node->n_outputs, outputs);
  for (int i = 0; i < node->n_inputs; i++) {
    DcnnValueId id = node->inputs[i];
    if (id >= 0 && --run->readers[id] == 0 && is_owned (run, id))
      dcnn_tensor_free (&run->tensors[id]);
  }
  return TRUE;
}

/* Copies the graph's outputs out of the run. */
static gboolean
take_outputs (const Run *run, DcnnTensor *outputs, GError **error)
{
  for (guint i = 0; i < run->graph->outputs->len; i++) {
    const DcnnTensor *from =
        &run->tensors[g_array_index (run->graph->outputs, DcnnValueId, i)];
    outputs[i] = *from;
    if (!dcnn_tensor_alloc (&outputs[i], error)) {
      free_tensors ((int) i, outputs);
      return FALSE;
    }
    memcpy (outputs[i].data, from->data, (gsize) dcnn_tensor_count (from)
        * dcnn_dtype_bytes (from->dtype));
  }
  return TRUE;
}

gboolean
dcnn_graph_run_reference (const DcnnGraph *graph, const DcnnTensor *inputs,
    DcnnTensor *outputs, GError **error)
{
  guint n = graph->values->len;
  Run run = { graph, g_new0 (DcnnTensor, n), g_new0 (int, n) };
  gboolean ok = TRUE;

  for (guint i = 0; i < n; i++)
    run.tensors[i] = dcnn_graph_value (graph, (int) i)->tensor;
  for (guint i = 0; i < graph->inputs->len; i++)
    run.tensors[g_array_index (graph->inputs, DcnnValueId, i)].data
        = inputs[i].data;
  count_readers (&run);
  for (guint i = 0; ok && i < graph->nodes->len; i++)
    if (dcnn_graph_node (graph, (int) i)->alive)
      ok = run_node (&run, dcnn_graph_node (graph, (int) i), error);
  ok = ok && take_outputs (&run, outputs, error);
  for (guint i = 0; i < n; i++)
    if (is_owned (&run, (int) i))
      dcnn_tensor_free (&run.tensors[i]);
  g_free (run.tensors);
  g_free (run.readers);
  return ok;
}

gboolean
dcnn_graph_scalar (const DcnnGraph *graph, DcnnValueId value, double *scalar)
{
  const DcnnTensor *t;

  if (value < 0)
    return FALSE;
  t = &dcnn_graph_value (graph, value)->tensor;
  if (t->data == NULL || t->dtype != DCNN_DTYPE_F32 ||
      dcnn_tensor_count (t) != 1)
    return FALSE;
  *scalar = *(const float *) t->data;
  return TRUE;
}

#define SEVERAL -2

gint *
dcnn_graph_find_readers (const DcnnGraph *graph)
{
  gint *readers = g_new (gint, graph->values->len + 1);

  for (guint v = 0; v < graph->values->len; v++)
    readers[v] = -1;
  for (guint n = 0; n < graph->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (graph, n);
    for (int i = 0; node->alive && i < node->n_inputs; i++)
      if (node->inputs[i] >= 0)
        readers[node->inputs[i]] = readers[node->inputs[i]] == -1 ? (gint) n
            : SEVERAL;
  }
  for (guint i = 0; i < graph->outputs->len; i++)
    readers[g_array_index (graph->outputs, DcnnValueId, i)] = SEVERAL;
  return readers;
}
