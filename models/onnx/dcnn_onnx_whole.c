/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_whole.c - see dcnn_onnx_whole.h: the table of whole numbers, and
 * the operators that hand them on.
 */
#include "dcnn_onnx_whole.h"

#include <math.h>
#include <string.h>

#include "ref_util.h"

const OnnxWhole *
onnx_whole_find (const OnnxNode *node, DcnnValueId value)
{
  return value < 0 ? NULL : g_hash_table_lookup (node->loader->wholes,
      GINT_TO_POINTER (value + 1));
}

void
onnx_whole_add (OnnxNode *node, DcnnValueId value, const OnnxWhole *whole)
{
  if (!node->error && value >= 0 && whole->whole >= 0)
    g_hash_table_insert (node->loader->wholes, GINT_TO_POINTER (value + 1),
        g_memdup2 (whole, sizeof *whole));
}

static const DcnnTensor *
tensor_of (const OnnxNode *node, DcnnValueId value)
{
  return &dcnn_graph_value (node->loader->graph, value)->tensor;
}

gboolean
onnx_whole_is_scalar (const OnnxNode *node, DcnnValueId constant)
{
  return dcnn_tensor_count (tensor_of (node, constant)) == 1;
}

double
onnx_whole_first (const OnnxNode *node, DcnnValueId constant)
{
  return dcnn_ref_get (tensor_of (node, constant), 0);
}

/* ---- operators that hand whole numbers on --------------------------------- */

enum {
  INTEGERS = 1,  /* what it does to q - zero it does to q */
  SCALED = 2,    /* what it does to c it does to c * scale, scale a number */
  CHANNELS = 4,  /* or one a channel */
  CLAMPS = 8,    /* or clamped */
  KEEPS = 16,    /* every element of the output is one of the input: small
                    whole numbers stay such */
  ALL_INPUTS = 32, /* every input is data, not the first alone */
};
#define MOVES (INTEGERS | SCALED | CLAMPS | KEEPS)

static const struct {
  const char *op_type;
  int does;
} hands_on[] = {
  { "MaxPool", MOVES | CHANNELS }, { "GlobalMaxPool", MOVES | CHANNELS },
  { "AveragePool", SCALED | CHANNELS },
  { "GlobalAveragePool", SCALED | CHANNELS }, { "ReduceMean", SCALED },
  { "LeakyRelu", SCALED | CHANNELS }, { "Resize", MOVES },
  { "Upsample", MOVES }, { "Pad", MOVES }, { "Concat", MOVES | ALL_INPUTS },
  { "Identity", MOVES | CHANNELS }, { "Dropout", MOVES | CHANNELS },
  { "Reshape", MOVES }, { "Flatten", MOVES }, { "Squeeze", MOVES },
  { "Unsqueeze", MOVES }, { "Transpose", MOVES }, { "Slice", MOVES },
  { "Split", MOVES }, { "Gather", MOVES }, { "Expand", MOVES },
  { "Tile", MOVES }, { "DepthToSpace", MOVES }, { "SpaceToDepth", MOVES },
};

/* What of the above holds for this node. */
static int
what_it_does (OnnxNode *node)
{
  static const char *const nearest[] = { "nearest", "linear", "bilinear",
    "cubic", NULL };
  const char *type = node->mapping->op_type;
  int does = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (hands_on); i++)
    if (strcmp (hands_on[i].op_type, type) == 0)
      does = hands_on[i].does;
  if ((strcmp (type, "Resize") == 0 || strcmp (type, "Upsample") == 0)
      && onnx_node_choice (node, "mode", nearest, 0) != 0)
    does = SCALED;
  if (strcmp (type, "Split") != 0 && node->n_outputs > 1)
    return 0;
  return does;
}

/* A Pad's own value must be that of whole number 0. */
static gboolean
pads_zero (OnnxNode *node, const OnnxWhole *whole)
{
  const DcnnTensor *value = onnx_node_input (node, 2);
  double pad = onnx_node_float (node, "value", 0);

  if (value && (!value->data || dcnn_tensor_count (value) != 1))
    return FALSE;
  if (value)
    pad = dcnn_ref_get (value, 0);
  return whole->scale < 0 ? pad == whole->zero : pad == 0;
}

/* Whether b is the same kind of number as a, so that their whole numbers can
 * lie side by side. */
static gboolean
alike (const OnnxNode *node, const OnnxWhole *a, const OnnxWhole *b)
{
  if ((a->scale < 0) != (b->scale < 0) || a->zero != b->zero || a->computed_zero != b->computed_zero
      || a->low != b->low || a->high != b->high)
    return FALSE;
  if (a->scale < 0 || a->scale == b->scale)
    return TRUE;
  return onnx_whole_is_scalar (node, a->scale)
      && onnx_whole_is_scalar (node, b->scale)
      && onnx_whole_first (node, a->scale) == onnx_whole_first (node, b->scale);
}

/* Widens all's range to one's; from >= to is no range, which stays. */
static void
join_range (OnnxWhole *all, const OnnxWhole *one)
{
  gboolean known = one->from < one->to && all->from < all->to;

  all->from = MIN (all->from, one->from);
  all->to = known ? MAX (all->to, one->to) : all->from;
}

/* What all data inputs have in common, if the node hands it on. */
static gboolean
find_common (OnnxNode *node, OnnxWhole *all)
{
  int does = what_it_does (node);
  int n = does & ALL_INPUTS ? node->n_inputs : 1;

  if (!does)
    return FALSE;
  for (int i = 0; i < n; i++) {
    const OnnxWhole *one = i < node->n_inputs
        ? onnx_whole_find (node, node->inputs[i]) : NULL;
    if (!one || tensor_of (node, one->whole)->data)
      return FALSE;
    if (i == 0)
      *all = *one;
    if (!alike (node, all, one))
      return FALSE;
    all->exact = all->exact && one->exact;
    join_range (all, one);
  }
  if (strcmp (node->mapping->op_type, "Pad") == 0 && !pads_zero (node, all))
    return FALSE;
  all->exact = all->exact && does & KEEPS;
  if (all->scale < 0)
    return does & INTEGERS;
  if (!(does & CLAMPS) && (isfinite (all->low) || isfinite (all->high)))
    return FALSE;
  return does & SCALED && ((does & CHANNELS && all->axis == 1)
      || onnx_whole_is_scalar (node, all->scale));
}

/* The outputs of a mapping over other inputs, under names of their own. */
typedef struct Twin {
  DcnnValueId inputs[DCNN_MAX_NODE_INPUTS];
  const char *names[DCNN_MAX_NODE_OUTPUTS];
  DcnnValueId outputs[DCNN_MAX_NODE_OUTPUTS];
  int n_inputs, n_outputs;
} Twin;

/* Maps the node over the whole numbers of its data inputs: twin->outputs. */
static void
map_twin (OnnxNode *node, Twin *twin)
{
  const gboolean all = strcmp (node->mapping->op_type, "Concat") == 0;
  char *names[DCNN_MAX_NODE_OUTPUTS] = { NULL };

  for (int i = 0; i < node->n_inputs; i++) {
    twin->inputs[i] = node->inputs[i];
    if (i == 0 || all)
      node->inputs[i] = onnx_whole_find (node, node->inputs[i])->whole;
  }
  if (strcmp (node->mapping->op_type, "Pad") == 0 && node->n_inputs > 2)
    node->inputs[2] = -1;
  twin->n_inputs = node->n_inputs;
  twin->n_outputs = node->n_outputs;
  for (int i = 0; i < twin->n_outputs; i++) {
    twin->names[i] = node->outputs[i];
    if (node->outputs[i])
      names[i] = g_strdup_printf ("%s:%d", node->outputs[i],
          node->loader->graph->values->len);
    node->outputs[i] = names[i];
  }
  node->mapping->map (node);
  for (int i = 0; i < twin->n_outputs; i++) {
    twin->outputs[i] = names[i] && !node->error
        ? dcnn_graph_find_value (node->loader->graph, names[i]) : -1;
    node->outputs[i] = twin->names[i];
    g_free (names[i]);
  }
  node->n_inputs = twin->n_inputs;
  node->n_outputs = twin->n_outputs;
  memcpy (node->inputs, twin->inputs,
      sizeof *node->inputs * (size_t) node->n_inputs);
}

/* An integer of the file, of its type: what reads it as a float reads the
 * whole number instead. */
static void
emit_integer (OnnxNode *node, const char *name, DcnnDtype type,
    const OnnxWhole *whole)
{
  DcnnParams params = { .cast = { .to = type } };
  DcnnValueId value = whole->whole, out;

  if (whole->zero != 0)
    value = onnx_whole_binary (node, DCNN_OP_ADD, value,
        onnx_whole_number (node, whole->zero));
  if (!node->error && dcnn_graph_add_node (node->loader->graph, NULL,
          DCNN_OP_CAST, &params, 1, &value, 1, &name, NULL, &out,
          &node->error))
    onnx_whole_add (node, out, whole);
}

/* Relu and Clip: the clamp waits for the quantiser's own. */
static void
add_clamp (OnnxNode *node, const OnnxWhole *from)
{
  OnnxWhole whole = *from;
  double low = 0, high = INFINITY;

  if (whole.scale < 0 || node->n_outputs != 1)
    return;
  if (strcmp (node->mapping->op_type, "Clip") == 0) {
    low = onnx_node_input_scalar (node, 1, onnx_node_float (node, "min",
            -INFINITY));
    high = onnx_node_input_scalar (node, 2, onnx_node_float (node, "max",
            INFINITY));
  }
  whole.low = MIN (MAX (whole.low, low), high);
  whole.high = MIN (MAX (whole.high, low), high);
  whole.exact = FALSE;
  onnx_whole_add (node, dcnn_graph_find_value (node->loader->graph,
          node->outputs[0]), &whole);
}

/* Sums and products of two values with a scale each. */
static void
add_binary (OnnxNode *node)
{
  const OnnxWhole *a = onnx_whole_find (node, node->inputs[0]);
  const OnnxWhole *b = onnx_whole_find (node, node->inputs[1]);
  gboolean sum = strcmp (node->mapping->op_type, "Add") == 0;
  OnnxWhole whole;

  if (!a || !b || a->scale < 0 || b->scale < 0 || isfinite (a->low)
      || isfinite (a->high) || isfinite (b->low) || isfinite (b->high)
      || !onnx_whole_is_scalar (node, a->scale)
      || !onnx_whole_is_scalar (node, b->scale))
    return;
  if (a->whole < b->whole) { /* the sum is a step of what came last */
    const OnnxWhole *first = a;
    a = b;
    b = first;
  }
  whole = *b;
  whole.exact = FALSE;
  whole.with_zero = TRUE;
  if (sum) {
    whole.whole = onnx_whole_binary (node, DCNN_OP_MUL, a->whole,
        onnx_whole_scales (node, DCNN_OP_DIV, a->scale, b->scale));
    whole.whole = onnx_whole_binary (node, DCNN_OP_ADD, whole.whole, b->whole);
  } else {
    whole.whole = onnx_whole_binary (node, DCNN_OP_MUL, a->whole, b->whole);
    whole.scale = onnx_whole_scales (node, DCNN_OP_MUL, a->scale, b->scale);
  }
  if (node->outputs[0])
    onnx_whole_add (node, dcnn_graph_find_value (node->loader->graph,
            node->outputs[0]), &whole);
}

void
onnx_whole_map (OnnxNode *node)
{
  const char *type = node->mapping->op_type;
  g_autofree Twin *twin = g_new0 (Twin, 1);
  OnnxWhole all, one;
  gboolean known;

  if (g_hash_table_size (node->loader->wholes) == 0) {
    node->mapping->map (node);
    return;
  }
  known = find_common (node, &all);
  if (known && all.scale < 0) {
    DcnnDtype dtype = onnx_node_input (node, 0)->dtype;
    map_twin (node, twin);
    for (int i = 0; i < twin->n_outputs; i++) {
      one = all;
      one.whole = twin->outputs[i];
      if (one.whole >= 0)
        emit_integer (node, twin->names[i], dtype, &one);
    }
    return;
  }
  if (known)
    map_twin (node, twin);
  node->mapping->map (node);
  for (int i = 0; known && !node->error && i < twin->n_outputs; i++) {
    one = all;
    one.whole = twin->outputs[i];
    if (one.whole >= 0)
      onnx_whole_add (node, dcnn_graph_find_value (node->loader->graph,
              twin->names[i]), &one);
  }
  if (node->error || node->n_inputs < 1 || !node->outputs[0])
    return;
  if (strcmp (type, "Relu") == 0 || strcmp (type, "Clip") == 0) {
    const OnnxWhole *from = onnx_whole_find (node, node->inputs[0]);
    if (from)
      add_clamp (node, from);
  } else if ((strcmp (type, "Add") == 0 || strcmp (type, "Mul") == 0)
      && node->n_inputs == 2) {
    add_binary (node);
  }
}

/* ---- convolutions ---------------------------------------------------------- */

/* The bias in units of the sums, float32 [channels]: -1 when it has to be
 * computed from something that is no constant. */
static DcnnValueId
whole_bias (OnnxNode *node, DcnnValueId scale, gint64 channels)
{
  const DcnnTensor *bias = onnx_node_input (node, 2);
  const DcnnTensor *units = tensor_of (node, scale);
  const OnnxWhole *known = onnx_whole_find (node, node->inputs[2]);
  DcnnTensor out = { .dtype = DCNN_DTYPE_F32, .rank = 1, .dims = { channels } };
  gint64 n_units = dcnn_tensor_count (units);
  g_autofree char *name = onnx_node_temporary (node);
  DcnnValueId id;

  if (!bias->data || bias->dtype != DCNN_DTYPE_F32 || bias->rank != 1
      || bias->dims[0] != channels || !onnx_node_alloc (node, &out))
    return -1;
  for (gint64 c = 0; c < channels; c++) {
    double unit = dcnn_ref_get (units, n_units > 1 ? c : 0);
    double b = dcnn_ref_get (bias, c) / unit;
    /* what a bias of its own scale holds is what it was meant to be */
    if (known && known->exact && fabs (b - rint (b)) < 1e-6 * fabs (b) + 1e-3)
      b = rint (b);
    dcnn_ref_set (&out, c, b);
  }
  id = dcnn_graph_add_constant (node->loader->graph, name, &out, &node->error);
  if (id < 0)
    dcnn_tensor_free (&out);
  return id;
}

/* Weights' scale, one number or one an output channel, as it broadcasts over
 * the output. */
static DcnnValueId
spread_scale (OnnxNode *node, DcnnValueId scale, gint64 channels, int rank)
{
  DcnnTensor shape = { .dtype = DCNN_DTYPE_F32, .rank = rank };

  if (onnx_whole_is_scalar (node, scale))
    return scale;
  for (int i = 0; i < rank; i++)
    shape.dims[i] = i == 1 ? channels : 1;
  return onnx_node_emit_inner (node, DCNN_OP_RESHAPE, NULL, 1, &scale, &shape);
}

gboolean
onnx_whole_conv (OnnxNode *node, DcnnOp op, const DcnnParams *params)
{
  const int by = op == DCNN_OP_CONV_TRANSPOSE; /* dimension of the outputs */
  const OnnxWhole *x = onnx_whole_find (node, node->inputs[0]);
  const OnnxWhole *w = node->n_inputs > 1
      ? onnx_whole_find (node, node->inputs[1]) : NULL;
  gboolean biased = node->n_inputs > 2 && node->inputs[2] >= 0;
  const DcnnTensor *weights;
  DcnnParams whole = *params;
  DcnnValueId pair[3];
  OnnxWhole out = { .axis = 1, .low = -INFINITY, .high = INFINITY };
  gint64 channels;

  if (node->error || !x || !w || !x->exact || !w->exact || x->scale < 0
      || w->scale < 0 || !onnx_whole_is_scalar (node, x->scale))
    return FALSE;
  weights = tensor_of (node, w->whole);
  if (!weights->data || weights->rank < 3
      || (!onnx_whole_is_scalar (node, w->scale)
          && (w->axis != by || (by == 1 && params->conv.groups != 1))))
    return FALSE;
  channels = weights->dims[by] * (by == 1 ? params->conv.groups : 1);
  out.scale = onnx_whole_scales (node, DCNN_OP_MUL, x->scale,
      spread_scale (node, w->scale, channels, weights->rank));
  pair[0] = x->whole;
  pair[1] = w->whole;
  pair[2] = biased && out.scale >= 0
      ? whole_bias (node, out.scale, channels) : -1;
  if (node->error || out.scale < 0 || (biased && pair[2] < 0))
    return FALSE;
  whole.conv.whole_numbers = true;
  out.whole = onnx_node_emit_inner (node, op, &whole,
      biased ? 3 : 2, pair, NULL);
  node->inputs[0] = out.whole;
  node->inputs[1] = out.scale;
  onnx_node_emit (node, DCNN_OP_MUL, NULL, 2, NULL);
  if (!node->error && node->outputs[0])
    onnx_whole_add (node, dcnn_graph_find_value (node->loader->graph,
            node->outputs[0]), &out);
  return TRUE;
}

DcnnValueId
onnx_whole_as_float (OnnxNode *node, DcnnValueId value)
{
  const OnnxWhole *known = onnx_whole_find (node, value);

  if (!known || known->scale >= 0)
    return value;
  return known->zero == 0 ? known->whole : onnx_whole_binary (node,
      DCNN_OP_ADD, known->whole, onnx_whole_number (node, known->zero));
}

void
onnx_whole_free_unread (OnnxLoader *loader)
{
  DcnnGraph *graph = loader->graph;
  g_autofree gboolean *read = g_new0 (gboolean, graph->values->len + 1);
  GHashTableIter iter;
  gpointer key;

  for (guint n = 0; n < graph->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (graph, (int) n);
    for (int i = 0; i < node->n_inputs; i++)
      if (node->inputs[i] >= 0)
        read[node->inputs[i]] = TRUE;
  }
  for (guint i = 0; i < graph->outputs->len; i++)
    read[g_array_index (graph->outputs, DcnnValueId, i)] = TRUE;
  g_hash_table_iter_init (&iter, loader->wholes);
  while (g_hash_table_iter_next (&iter, &key, NULL)) {
    DcnnValue *value = dcnn_graph_value (graph, GPOINTER_TO_INT (key) - 1);
    if (value->tensor.data && !read[GPOINTER_TO_INT (key) - 1]) {
      dcnn_tensor_free (&value->tensor);
      value->alive = FALSE;
    }
  }
}
