/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_quant.c - quantisers, in float32: DequantizeLinear of a stored
 * tensor is a constant; QuantizeLinear keeps its rounding and its clamp, for
 * files without Relu hold the activation's bounds there only. Values in
 * between are whole numbers: dcnn_onnx_whole.h.
 */
#include "dcnn_onnx_whole.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ref_util.h"

/* ---- emitting ------------------------------------------------------------- */

static DcnnValueId
as_float32 (OnnxNode *node, DcnnValueId value)
{
  DcnnParams params = { .cast = { .to = DCNN_DTYPE_F32 } };

  return onnx_node_emit_inner (node, DCNN_OP_CAST, &params, 1, &value, NULL);
}

/* ---- parameters ------------------------------------------------------------ */

/* Input i, a scale or zero point of a value like x, as a float32 constant that
 * broadcasts over it. */
static DcnnValueId
parameter (OnnxNode *node, const DcnnTensor *x, int i, int axis)
{
  const DcnnTensor *t = onnx_node_input (node, i);
  DcnnTensor shape = { .rank = 0 };
  DcnnValueId value;

  if (node->error)
    return -1;
  if (!t || !t->data || (dcnn_tensor_count (t) != 1
          && (t->rank != 1 || axis < 0 || axis >= x->rank
              || t->dims[0] != x->dims[axis]))) {
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its scale and zero point "
        "must be constants, one number or one along its axis");
    return -1;
  }
  value = as_float32 (node, node->inputs[i]);
  if (dcnn_tensor_count (t) != 1) {
    shape.rank = x->rank;
    for (int k = 0; k < shape.rank; k++)
      shape.dims[k] = k == axis ? t->dims[0] : 1;
  }
  return onnx_node_emit_inner (node, DCNN_OP_RESHAPE, NULL, 1, &value, &shape);
}

/* A scale, which must be a positive number. */
static DcnnValueId
scale_parameter (OnnxNode *node, const DcnnTensor *x, int i, int axis)
{
  DcnnValueId id = parameter (node, x, i, axis);
  const DcnnTensor *t;

  if (id < 0)
    return -1;
  t = &dcnn_graph_value (node->loader->graph, id)->tensor;
  for (gint64 k = 0, n = dcnn_tensor_count (t); k < n; k++) {
    double s = dcnn_ref_get (t, k);
    if (!(s > 0) || !(s <= (double) FLT_MAX))
      onnx_node_fail (node, DCNN_ERROR_INVALID, "a scale is no positive "
          "number");
  }
  return node->error ? -1 : id;
}

/* Whether a zero point is one number; FALSE also after a failure. */
static gboolean
single_zero (OnnxNode *node, int z, double *zero)
{
  const DcnnTensor *t = z < 0 ? NULL : onnx_node_input (node, z);

  *zero = 0;
  if (!t)
    return TRUE;
  if (!t->data)
    return FALSE;
  if (dcnn_tensor_count (t) > 0)
    *zero = dcnn_ref_get (t, 0);
  for (gint64 i = 1, n = dcnn_tensor_count (t); i < n; i++)
    if (dcnn_ref_get (t, i) != *zero)
      return FALSE;
  return TRUE;
}

/* ---- quantise --------------------------------------------------------------- */

static gboolean
integer_range (DcnnDtype type, double *low, double *high)
{
  gboolean is_signed = type == DCNN_DTYPE_I8 || type == DCNN_DTYPE_I16;
  double half = type == DCNN_DTYPE_I8 || type == DCNN_DTYPE_U8 ? 128 : 32768;

  *low = is_signed ? -half : 0;
  *high = is_signed ? half - 1 : 2 * half - 1;
  return type == DCNN_DTYPE_I8 || type == DCNN_DTYPE_U8
      || type == DCNN_DTYPE_I16 || type == DCNN_DTYPE_U16;
}

/* x / scale, by way of x's whole numbers where it has some; low, high: its
 * clamp, in units of a scale that is one number. */
static DcnnValueId
in_units (OnnxNode *node, DcnnValueId x, DcnnValueId scale, double *low,
    double *high)
{
  const OnnxWhole *known = onnx_whole_find (node, x);
  gboolean clamped = known && (isfinite (known->low) || isfinite (known->high));
  DcnnValueId ratio = -1;
  double unit;

  if (known && known->scale >= 0
      && (!clamped || onnx_whole_is_scalar (node, scale)))
    ratio = onnx_whole_scales (node, DCNN_OP_DIV, known->scale, scale);
  if (ratio < 0)
    return onnx_whole_binary (node, DCNN_OP_DIV, x, scale);
  if (clamped) {
    unit = onnx_whole_first (node, scale);
    *low = MAX (*low, known->low / unit);
    *high = MIN (*high, known->high / unit);
    *low = MIN (*low, *high);
  }
  return onnx_whole_binary (node, DCNN_OP_MUL, known->whole, ratio);
}

/* Adds a node under a name made of the output's, by which tuning knows it. */
static DcnnValueId
emit_whole (OnnxNode *node, DcnnOp op, const DcnnParams *params, int n,
    const DcnnValueId *inputs)
{
  g_autofree char *made_up = onnx_node_temporary (node);
  g_autofree char *named = node->outputs[0]
      ? g_strdup_printf ("%.200s:whole", node->outputs[0]) : NULL;
  const char *name = named && !node->error && dcnn_graph_find_value (
      node->loader->graph, named) < 0 ? named : made_up;
  DcnnValueId out;

  return !node->error && dcnn_graph_add_node (node->loader->graph,
      node->proto->name, op, params, n, inputs, 1, &name, NULL, &out,
      &node->error) ? out : -1;
}

/* The node that joins dequantised values to x, each of its own scale; NULL. */
static const DcnnNode *
joined_by (const OnnxNode *node, DcnnValueId x)
{
  const DcnnGraph *graph = node->loader->graph;
  int producer = dcnn_graph_value (graph, x)->producer;
  const DcnnNode *concat = producer >= 0 ? dcnn_graph_node (graph, producer)
      : NULL;

  if (!concat || concat->op != DCNN_OP_CONCAT)
    return NULL;
  for (int i = 0; i < concat->n_inputs; i++) {
    const OnnxWhole *known = onnx_whole_find (node, concat->inputs[i]);
    if (!known || known->scale < 0)
      return NULL;
  }
  return concat;
}

/* x / scale as whole numbers low .. high, piece by piece, so that each becomes
 * a part of what made it, and the joined map is of whole numbers. */
static DcnnValueId
quantise_pieces (OnnxNode *node, const DcnnNode *concat, DcnnValueId scale,
    double low, double high)
{
  const int n = concat->n_inputs;
  const DcnnParams params = concat->params;
  g_autofree DcnnValueId *pieces = g_memdup2 (concat->inputs,
      sizeof *pieces * (gsize) n);

  for (int i = 0; i < n; i++) {
    double from = low, to = high;
    pieces[i] = in_units (node, pieces[i], scale, &from, &to);
    pieces[i] = onnx_whole_clip (node, pieces[i], from, to);
    pieces[i] = onnx_node_emit_inner (node, DCNN_OP_ROUND, NULL, 1,
        &pieces[i], NULL);
  }
  return emit_whole (node, DCNN_OP_CONCAT, &params, n, pieces);
}

/* Rounds value, in units of the scale, to the whole numbers low .. high.
 * offset: added before, taken away after. */
static DcnnValueId
round_between (OnnxNode *node, DcnnValueId value, double low, double high,
    double offset)
{
  DcnnValueId pair[2] = { value,
    offset != 0 ? onnx_whole_number (node, offset) : -1 };

  if (offset != 0)
    pair[0] = onnx_whole_binary (node, DCNN_OP_ADD, pair[0], pair[1]);
  pair[0] = onnx_whole_clip (node, pair[0], low + offset, high + offset);
  if (offset == 0)
    return emit_whole (node, DCNN_OP_ROUND, NULL, 1, pair);
  pair[0] = onnx_node_emit_inner (node, DCNN_OP_ROUND, NULL, 1, pair, NULL);
  return emit_whole (node, DCNN_OP_SUB, NULL, 2, pair);
}

/* Whether the whole numbers of a value are what its quantiser makes of it:
 * exporters put one of the same scale behind whatever moves values. */
static gboolean
is_quantised_so (const OnnxNode *node, const OnnxWhole *known,
    DcnnValueId scale, double low, double high)
{
  return known && known->exact && known->scale >= 0 && known->from < known->to
      && known->from >= low && known->to <= high
      && onnx_whole_is_scalar (node, known->scale)
      && onnx_whole_is_scalar (node, scale)
      && onnx_whole_first (node, known->scale)
      == onnx_whole_first (node, scale);
}

void
onnx_whole_quantize (OnnxNode *node, DcnnValueId x, int s, int z, int axis,
    DcnnDtype absent_type)
{
  const DcnnTensor *zero_point = z < 0 ? NULL : onnx_node_input (node, z);
  DcnnDtype type = zero_point ? zero_point->dtype : absent_type;
  DcnnParams to = { .cast = { .to = type } };
  const DcnnTensor *shape;
  DcnnValueId scale, value, zeros = -1;
  const OnnxWhole *known;
  const DcnnNode *concat;
  gboolean late;
  OnnxWhole whole = { .scale = -1, .axis = axis, .low = -INFINITY,
    .high = INFINITY, .exact = TRUE };
  double low, high;

  if (!node->error && !integer_range (type, &low, &high))
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "it quantises to %s: int8, "
        "uint8, int16 and uint16 are supported", dcnn_dtype_name (type));
  if (node->error || x < 0)
    return;
  shape = &dcnn_graph_value (node->loader->graph, x)->tensor;
  scale = scale_parameter (node, shape, s, axis);
  if (!single_zero (node, z, &whole.zero)) {
    shape = &dcnn_graph_value (node->loader->graph, x)->tensor;
    zeros = parameter (node, shape, z, axis);
  }
  if (node->error)
    return;
  if (zeros < 0) {
    low -= whole.zero;
    high -= whole.zero;
    known = onnx_whole_find (node, x);
    late = known && known->with_zero;
    concat = known || !onnx_whole_is_scalar (node, scale) ? NULL :
        joined_by (node, x);
    if (is_quantised_so (node, known, scale, low, high)) {
      whole.whole = known->whole;
      low = known->from;
      high = known->to;
    } else if (concat) {
      whole.whole = quantise_pieces (node, concat, scale, low, high);
    } else {
      value = in_units (node, x, scale, &low, &high);
      whole.whole = round_between (node, value, low, high,
          late ? whole.zero : 0);
    }
    whole.from = rint (low);
    whole.to = rint (high);
    value = whole.zero == 0 ? whole.whole : onnx_whole_binary (node,
        DCNN_OP_ADD, whole.whole, onnx_whole_number (node, whole.zero));
  } else {
    value = onnx_whole_binary (node, DCNN_OP_DIV, x, scale);
    value = onnx_node_emit_inner (node, DCNN_OP_ROUND, NULL, 1, &value, NULL);
    value = onnx_whole_binary (node, DCNN_OP_ADD, value, zeros);
    value = onnx_whole_clip (node, value, low, high);
    whole.whole = value;
    whole.zero = 0;
  }
  node->inputs[0] = value;
  onnx_node_emit (node, DCNN_OP_CAST, &to, 1, NULL);
  if (!node->error && node->outputs[0])
    onnx_whole_add (node, dcnn_graph_find_value (node->loader->graph,
            node->outputs[0]), &whole);
}

/* The axis of a scale with several numbers. */
static int
quantiser_axis (OnnxNode *node)
{
  const DcnnTensor *scale = onnx_node_input (node, 1);
  gint64 axis = onnx_node_int (node, "axis", 1);

  if (onnx_node_int (node, "block_size", 0) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "block_size is supported for "
        "constants only: quantise each tensor or each channel");
  if (!scale || dcnn_tensor_count (scale) == 1)
    return 0;
  return (int) onnx_node_axis (node, axis, onnx_node_rank (node, 0));
}

void
onnx_map_quantize (OnnxNode *node)
{
  int axis = quantiser_axis (node);
  gint64 type = onnx_node_int (node, "output_dtype", 0);

  onnx_node_int (node, "precision", 0);
  if (!onnx_node_check_type (node, 2))
    return;
  onnx_whole_quantize (node, node->inputs[0], 1, 2, axis,
      type ? onnx_dtype (type) : DCNN_DTYPE_U8);
}

/* ---- dequantise -------------------------------------------------------------- */

/* A stored tensor minus its zero point, as float32 numbers. */
static DcnnValueId
centred_constant (OnnxNode *node, DcnnValueId x, int z, int axis)
{
  const DcnnTensor *in = &dcnn_graph_value (node->loader->graph, x)->tensor;
  const DcnnTensor *zeros = z < 0 ? NULL : onnx_node_input (node, z);
  DcnnTensor out = *in;
  gint64 inner = 1, n_zeros = zeros ? dcnn_tensor_count (zeros) : 0;

  if (zeros && (!zeros->data || (n_zeros != 1 && (zeros->rank != 1
                  || axis >= in->rank || n_zeros != in->dims[axis])))) {
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its zero point must be a "
        "constant, one number or one along its axis");
    return -1;
  }
  out.dtype = DCNN_DTYPE_F32;
  out.data = NULL;
  if (!onnx_node_alloc (node, &out))
    return -1;
  for (int i = axis + 1; i < in->rank; i++)
    inner *= in->dims[i];
  for (gint64 i = 0, n = dcnn_tensor_count (in); i < n; i++) {
    gint64 at = n_zeros > 1 ? i / inner % in->dims[axis] : 0;
    dcnn_ref_set (&out, i, dcnn_ref_get (in, i)
        - (n_zeros ? dcnn_ref_get (zeros, at) : 0));
  }
  return onnx_whole_constant (node, &out);
}

DcnnValueId
onnx_whole_centred (OnnxNode *node, int x, int z, int axis)
{
  const OnnxWhole *known = onnx_whole_find (node, node->inputs[x]);
  const DcnnTensor *in = onnx_node_input (node, x);
  DcnnValueId value;
  double zero;

  if (node->error || !in)
    return -1;
  if (in->data)
    return centred_constant (node, node->inputs[x], z, axis);
  if (known && known->computed_zero > 0) {
    if (z >= 0 && onnx_node_input (node, z)
        && node->inputs[z] + 1 == known->computed_zero)
      return known->whole;
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its zero point is not that "
        "of the DynamicQuantizeLinear before");
    return -1;
  }
  if (single_zero (node, z, &zero) && known && known->scale < 0
      && known->zero == zero)
    return known->whole;
  value = onnx_whole_as_float (node, node->inputs[x]);
  if (value == node->inputs[x] && in->dtype != DCNN_DTYPE_F32)
    value = as_float32 (node, value);
  if (z < 0 || !onnx_node_input (node, z) || (zero == 0
          && single_zero (node, z, &zero)))
    return value;
  return onnx_whole_binary (node, DCNN_OP_SUB, value,
      parameter (node, onnx_node_input (node, x), z, axis));
}

DcnnValueId
onnx_whole_dequantize (OnnxNode *node, int x, int s, int z, int axis,
    const char *name)
{
  const DcnnTensor *in = onnx_node_input (node, x);
  g_autofree char *made_up = onnx_node_temporary (node);
  DcnnValueId pair[2], out;
  const OnnxWhole *known = onnx_whole_find (node, node->inputs[x]);
  OnnxWhole whole = { .axis = axis, .low = -INFINITY, .high = INFINITY };

  if (!in)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "a quantised input is missing");
  if (node->error)
    return -1;
  whole.exact = in->dtype != DCNN_DTYPE_F32;
  whole.scale = scale_parameter (node, in, s, axis);
  whole.whole = onnx_whole_centred (node, x, z, axis);
  if (known && known->whole == whole.whole) {
    whole.from = known->from;
    whole.to = known->to;
  }
  pair[0] = whole.whole;
  pair[1] = whole.scale;
  if (!name)
    name = made_up;
  if (node->error || !dcnn_graph_add_node (node->loader->graph,
          node->proto->name, DCNN_OP_MUL, NULL, 2, pair, 1, &name, NULL, &out,
          &node->error))
    return -1;
  onnx_whole_add (node, out, &whole);
  return out;
}

void
onnx_map_dequantize (OnnxNode *node)
{
  const DcnnTensor *in = onnx_node_input (node, 0);
  int axis;

  if (onnx_node_int (node, "output_dtype", ONNX_FLOAT) != ONNX_FLOAT)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "output_dtype must be "
        "float32");
  if (in && in->data && onnx_node_int (node, "block_size", 0) > 0) {
    onnx_map_blocks (node);
    return;
  }
  axis = quantiser_axis (node);
  onnx_whole_dequantize (node, 0, 1, 2, axis, node->outputs[0]);
}

/* ---- scales of the frame ------------------------------------------------------ */

static gboolean
is_file_output (const OnnxNode *node, const char *name)
{
  const GPtrArray *outputs = node->loader->outputs;

  for (guint i = 0; name && i < outputs->len; i++)
    if (strcmp (g_ptr_array_index (outputs, i), name) == 0)
      return TRUE;
  return FALSE;
}

/* The smallest (op MIN) or largest of x and 0. */
static DcnnValueId
extreme (OnnxNode *node, DcnnOp reduce, DcnnOp op)
{
  DcnnParams params = { .reduce = { .axes = (1u << onnx_node_rank (node, 0))
          - 1 } };
  DcnnValueId value = onnx_node_emit_inner (node, reduce, &params, 1,
      node->inputs, NULL);

  return onnx_whole_binary (node, op, value, onnx_whole_number (node, 0));
}

/* Emits output i of the node as op of some inputs. */
static DcnnValueId
emit_output (OnnxNode *node, int i, DcnnOp op, const DcnnParams *params,
    int n_inputs, const DcnnValueId *inputs)
{
  const char *name = i < node->n_outputs ? node->outputs[i] : NULL;
  g_autofree char *made_up = onnx_node_temporary (node);
  DcnnValueId out;

  if (!name)
    name = made_up;
  return !node->error && dcnn_graph_add_node (node->loader->graph, NULL, op,
      params, n_inputs, inputs, 1, &name, NULL, &out, &node->error) ? out : -1;
}

/* What the operator's definition says. */
static void
emit_dynamic (OnnxNode *node)
{
  const DcnnParams to = { .cast = { .to = DCNN_DTYPE_U8 } };
  DcnnValueId low = extreme (node, DCNN_OP_REDUCE_MIN, DCNN_OP_MIN);
  DcnnValueId high = extreme (node, DCNN_OP_REDUCE_MAX, DCNN_OP_MAX);
  DcnnValueId pair[2], zero, scale, x;
  OnnxWhole whole = { .scale = -1, .low = -INFINITY, .high = INFINITY };

  pair[0] = onnx_whole_binary (node, DCNN_OP_DIV, onnx_whole_binary (node,
          DCNN_OP_SUB, high, low), onnx_whole_number (node, 255));
  pair[1] = onnx_whole_number (node, 1e-30); /* nothing but zeros */
  scale = emit_output (node, 1, DCNN_OP_MAX, NULL, 2, pair);
  zero = onnx_whole_binary (node, DCNN_OP_DIV, onnx_whole_binary (node,
          DCNN_OP_SUB, onnx_whole_number (node, 0), low), scale);
  zero = onnx_node_emit_inner (node, DCNN_OP_ROUND, NULL, 1, &zero, NULL);
  zero = onnx_whole_clip (node, zero, 0, 255);
  x = onnx_whole_binary (node, DCNN_OP_DIV, node->inputs[0], scale);
  x = onnx_node_emit_inner (node, DCNN_OP_ROUND, NULL, 1, &x, NULL);
  x = onnx_whole_clip (node, onnx_whole_binary (node, DCNN_OP_ADD, x, zero), 0,
      255);
  whole.whole = onnx_whole_binary (node, DCNN_OP_SUB, x, zero);
  whole.computed_zero = 1 + emit_output (node, 2, DCNN_OP_CAST, &to, 1, &zero);
  onnx_whole_add (node, emit_output (node, 0, DCNN_OP_CAST, &to, 1, &x),
      &whole);
}

/* Its scale is that of the whole frame: a map would have to be computed anew
 * whenever its largest value changes. So pictures pass as they are, of scale 1
 * and zero point 0: the values that it approximates. */
void
onnx_map_dynamic_quantize (OnnxNode *node)
{
  DcnnTensor scale = { .dtype = DCNN_DTYPE_F32 };
  DcnnTensor zero = { .dtype = DCNN_DTYPE_U8 };
  OnnxWhole whole = { .whole = node->inputs[0], .scale = -1,
    .low = -INFINITY, .high = INFINITY };

  if (onnx_node_rank (node, 0) != 4
      || is_file_output (node, node->outputs[0])) {
    emit_dynamic (node);
    return;
  }
  if (onnx_node_alloc (node, &scale)) {
    dcnn_ref_set (&scale, 0, 1);
    onnx_node_emit_constant (node, 1, &scale);
  }
  if (onnx_node_alloc (node, &zero))
    onnx_node_emit_constant (node, 2, &zero);
  onnx_whole_add (node, emit_output (node, 0, DCNN_OP_IDENTITY, NULL, 1,
          node->inputs), &whole);
}
