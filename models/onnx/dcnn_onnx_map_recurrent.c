/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_recurrent.c - LSTM, GRU and RNN of a sequence whose length is
 * known, as in networks that read text: for each direction one product with
 * the whole sequence, and one operator for all steps.
 */
#include "dcnn_onnx_emit.h"

#include <string.h>

#include "ref_util.h"

/* A layer: X [steps, batch, features], W [directions, gates * hidden,
 * features], R [directions, gates * hidden, hidden], biases of both in B. */
typedef struct Layer {
  OnnxNode *node;
  gint64 steps, batch, hidden, gates, directions;
  gboolean reverse;          /* the one direction is backward */
  gboolean batch_first;      /* layout 1 */
  gboolean after;            /* GRU: reset behind the product (linear_before_
                                reset) */
} Layer;

/* ---- emitting --------------------------------------------------------------- */

/* count of x's elements along an axis, from start on. */
static DcnnValueId
slice (Layer *layer, DcnnValueId x, int axis, gint64 start, gint64 count)
{
  return onnx_emit_slice (layer->node, x, axis, start, count, 1);
}

/* a [n, k] times the transpose of b [m, k], and c (-1: none). */
static DcnnValueId
product (Layer *layer, DcnnValueId a, DcnnValueId b, DcnnValueId c)
{
  const DcnnParams params = { .gemm = { .alpha = 1, .beta = 1,
      .trans_b = true } };
  const DcnnValueId operands[3] = { a, b, c };

  return onnx_node_emit_inner (layer->node, DCNN_OP_GEMM, &params,
      c < 0 ? 2 : 3, operands, NULL);
}

/* ---- what a direction reads ----------------------------------------------------- */

/* Rows first .. first + n - 1 of input i's matrix for a direction: [n, k]. */
static DcnnValueId
rows (Layer *layer, int i, gint64 direction, gint64 first, gint64 n)
{
  const DcnnTensor *t = onnx_node_input (layer->node, i);
  DcnnValueId x = layer->node->inputs[i];

  if (!t)
    return -1;
  x = slice (layer, slice (layer, x, 0, direction, 1), 1, first, n);
  return onnx_emit_reshape (layer->node, x, t->rank - 1, (const gint64[]) { n,
          t->rank > 2 ? t->dims[2] : 1 });
}

/* Input i as a direction's first state, [batch, hidden]; -1: absent, zeros. */
static DcnnValueId
first_state (Layer *layer, int i, gint64 direction)
{
  const DcnnTensor *t = onnx_node_input (layer->node, i);
  const gint64 dims[2] = { layer->batch, layer->hidden };

  if (!t)
    return -1;
  if (dcnn_tensor_count (t) != layer->directions * dims[0] * dims[1]
      || t->rank != 3)
    onnx_node_fail (layer->node, DCNN_ERROR_INVALID, "its first state has "
        "another shape than its results");
  return layer->node->error ? -1 : onnx_emit_reshape (layer->node, slice (layer,
          layer->node->inputs[i], layer->batch_first ? 1 : 0, direction, 1), 2,
      dims);
}

/* Biases of the sequence and, from gate on, not yet of the state: [gates *
 * hidden]; -1: none. */
static DcnnValueId
biases (Layer *layer, gint64 direction, gint64 gates_of_state)
{
  gint64 n = layer->gates * layer->hidden, own = gates_of_state * layer->hidden;
  DcnnValueId both, parts[2];

  if (!onnx_node_input (layer->node, 3))
    return -1;
  parts[0] = rows (layer, 3, direction, 0, own);
  parts[1] = rows (layer, 3, direction, n, own);
  both = onnx_node_emit_inner (layer->node, DCNN_OP_ADD, NULL, 2, parts, NULL);
  if (own == n)
    return both;
  parts[0] = both;
  parts[1] = rows (layer, 3, direction, own, n - own);
  return onnx_emit_join (layer->node, 2, parts, 0);
}

/* ---- a direction ------------------------------------------------------------------ */

/* What a direction comes to: states [steps, batch, hidden], and what LSTM's
 * cells hold in the end, [batch, hidden]. */
typedef struct Run {
  DcnnValueId all, cells;
} Run;

/* The operator's operands; x: the sequence, [steps * batch, features]. */
static void
find_operands (Layer *layer, DcnnValueId x, gint64 direction,
    DcnnValueId operands[5])
{
  const gint64 n = layer->gates * layer->hidden;
  const gboolean apart = layer->gates == 3 && layer->after;
  const gint64 dims[3] = { layer->steps, layer->batch, n };

  x = product (layer, x, rows (layer, 1, direction, 0, n),
      biases (layer, direction, apart ? 2 : layer->gates));
  operands[0] = onnx_emit_reshape (layer->node, x, 3, dims);
  operands[1] = rows (layer, 2, direction, 0, n);
  operands[2] = first_state (layer, 5, direction);
  operands[3] = layer->gates == 4 ? first_state (layer, 6, direction) : -1;
  operands[4] = apart ? rows (layer, 3, direction, n + 2 * layer->hidden,
      layer->hidden) : -1;
}

static Run
run_direction (Layer *layer, DcnnValueId x, gint64 direction)
{
  OnnxNode *node = layer->node;
  const DcnnParams params = { .recurrent = { .gates = (int) layer->gates,
      .after = layer->gates == 3 && layer->after,
      .backward = layer->reverse || direction == 1 } };
  DcnnValueId operands[5], results[2] = { -1, -1 };
  g_autofree char *states = onnx_node_temporary (node);
  g_autofree char *cells = onnx_node_temporary (node);
  const char *const names[2] = { states, cells };

  find_operands (layer, x, direction, operands);
  if (!node->error)
    (void) !dcnn_graph_add_node (node->loader->graph, node->proto->name,
        DCNN_OP_RECURRENT, &params, 5, operands, 2, names, NULL, results,
        &node->error);
  return (Run) { results[0], results[1] };
}

/* The last state, [1, batch, hidden]. */
static DcnnValueId
last_state (Layer *layer, DcnnValueId all, gint64 direction)
{
  return slice (layer, all, 0, layer->reverse || direction == 1 ? 0 :
      layer->steps - 1, 1);
}

/* ---- the node ---------------------------------------------------------------------- */

/* Output i: parts side by side along the axis of directions. */
static void
emit_output (Layer *layer, int i, const DcnnValueId *parts)
{
  static const DcnnParams orders[2] = {
    { .transpose = { .perm = { 2, 0, 1, 3 } } },
    { .transpose = { .perm = { 1, 0, 2 } } } };
  OnnxNode *node = layer->node;
  DcnnValueId value, out;

  if (node->error || i >= node->n_outputs || !node->outputs[i])
    return;
  value = layer->directions == 1 ? parts[0] : onnx_emit_join (node, 2, parts,
      i == 0 ? 1 : 0);
  if (node->error)
    return;
  if (!dcnn_graph_add_node (node->loader->graph, node->proto->name,
          layer->batch_first ? DCNN_OP_TRANSPOSE : DCNN_OP_IDENTITY,
          layer->batch_first ? &orders[i > 0] : NULL, 1, &value, 1,
          &node->outputs[i], NULL, &out, &node->error))
    return;
}

/* Activations must be those that the operator has by itself. */
static void
check_activations (Layer *layer)
{
  static const char *const usual[][3] = { { "Tanh" }, { NULL },
    { "Sigmoid", "Tanh" }, { "Sigmoid", "Tanh", "Tanh" } };
  const Onnx__AttributeProto *a = onnx_node_attribute (layer->node,
      "activations");
  gsize n = layer->gates == 1 ? 1 : (gsize) layer->gates - 1;

  for (gsize i = 0; a && i < a->n_strings; i++) {
    const char *want = usual[layer->gates - 1][i % n];
    if (a->strings[i].len != strlen (want)
        || memcmp (a->strings[i].data, want, strlen (want)) != 0)
      onnx_node_fail (layer->node, DCNN_ERROR_UNSUPPORTED, "other activations "
          "than the operator's own are not supported");
  }
}

static gboolean
shape_is (const DcnnTensor *t, gint64 a, gint64 b, gint64 c)
{
  return t && t->dtype == DCNN_DTYPE_F32 && t->rank == 3 && t->dims[0] == a
      && t->dims[1] == b && t->dims[2] == c;
}

/* Reads attributes and shapes; fails on what is not written out. */
static void
measure (Layer *layer)
{
  static const char *const directions[] = { "forward", "reverse",
    "bidirectional", NULL };
  OnnxNode *node = layer->node;
  const DcnnTensor *x = onnx_node_input (node, 0);
  const DcnnTensor *r = onnx_node_input (node, 2);
  const DcnnTensor *b = onnx_node_input (node, 3);
  int direction = onnx_node_choice (node, "direction", directions, 0);
  gint64 n;

  layer->batch_first = onnx_node_int (node, "layout", 0) != 0;
  layer->after = onnx_node_int (node, "linear_before_reset", 0) != 0;
  layer->reverse = direction == 1;
  layer->directions = direction == 2 ? 2 : 1;
  check_activations (layer);
  if (onnx_node_int (node, "input_forget", 0) || onnx_node_attribute (node,
          "clip") || onnx_node_input (node, 7))
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "coupled gates, clipped "
        "cells and peepholes are not supported");
  if (node->error || !x || x->rank != 3 || x->dtype != DCNN_DTYPE_F32 || !r
      || r->rank != 3) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "wants a float32 sequence of "
        "three dimensions, and weights");
    return;
  }
  layer->steps = x->dims[layer->batch_first ? 1 : 0];
  layer->batch = x->dims[layer->batch_first ? 0 : 1];
  layer->hidden = onnx_node_int (node, "hidden_size", r->dims[2]);
  n = layer->gates * layer->hidden;
  if (layer->hidden < 1 || layer->hidden > DCNN_MAX_DIM
      || !shape_is (r, layer->directions, n, layer->hidden)
      || !shape_is (onnx_node_input (node, 1), layer->directions, n,
          x->dims[2])
      || (b && (b->rank != 2 || b->dims[0] != layer->directions
              || b->dims[1] != 2 * n || b->dtype != DCNN_DTYPE_F32)))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its weights have other shapes "
        "than its hidden_size asks for");
  if (layer->steps < 1 || layer->batch < 1)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its sequence is empty");
}

/* A length for each of the batch must be that of the sequence. */
static void
check_lengths (Layer *layer)
{
  const DcnnTensor *lengths = onnx_node_input (layer->node, 4);

  for (gint64 i = 0; lengths && i < dcnn_tensor_count (lengths); i++)
    if (!lengths->data || (gint64) dcnn_ref_get (lengths, i) != layer->steps) {
      onnx_node_fail (layer->node, DCNN_ERROR_UNSUPPORTED, "sequences of other "
          "lengths than the input's are not supported");
      return;
    }
}

void
onnx_map_recurrent (OnnxNode *node)
{
  static const DcnnParams batch_second = { .transpose = { .perm = { 1, 0, 2 } } };
  const char *type = node->mapping->op_type;
  Layer layer = { .node = node, .gates = strcmp (type, "LSTM") == 0 ? 4
        : strcmp (type, "GRU") == 0 ? 3 : 1 };
  DcnnValueId x = node->inputs[0], y[2] = { -1, -1 }, h[2] = { -1, -1 };
  DcnnValueId c[2] = { -1, -1 };
  gint64 dims[3];

  measure (&layer);
  if (node->error)
    return;
  check_lengths (&layer);
  if (layer.batch_first)
    x = onnx_node_emit_inner (node, DCNN_OP_TRANSPOSE, &batch_second, 1, &x,
        NULL);
  dims[0] = layer.steps * layer.batch;
  dims[1] = onnx_node_input (node, 0)->dims[2];
  x = onnx_emit_reshape (node, x, 2, dims);
  for (gint64 d = 0; d < layer.directions && !node->error; d++) {
    const gint64 state[3] = { 1, layer.batch, layer.hidden };
    const gint64 all[4] = { layer.steps, 1, layer.batch, layer.hidden };
    const Run run = run_direction (&layer, x, d);
    if (node->error)
      return;
    y[d] = onnx_emit_reshape (node, run.all, 4, all);
    h[d] = last_state (&layer, run.all, d);
    c[d] = onnx_emit_reshape (node, run.cells, 3, state);
  }
  emit_output (&layer, 0, y);
  emit_output (&layer, 1, h);
  if (layer.gates == 4)
    emit_output (&layer, 2, c);
}
