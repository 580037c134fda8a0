/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_move.c - operators that move data: axes become non-negative,
 * slices get starts and counts, pads one pair a dimension.
 */
#include "dcnn_onnx_node.h"

#include <string.h>

#include "ref_util.h"

/* One axis, first operands as they are: Gather, GatherElements. */
void
onnx_map_axis (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.axis.axis = onnx_node_axis (node, onnx_node_int (node, "axis", 0),
      onnx_node_rank (node, 0));
  onnx_node_emit (node, node->mapping->op, &params, node->n_inputs, NULL);
}

void
onnx_map_concat (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.axis.axis = onnx_node_axis (node, onnx_node_int (node, "axis", 1),
      onnx_node_rank (node, 0));
  onnx_node_emit (node, DCNN_OP_CONCAT, &params, node->n_inputs, NULL);
}

/* Sizes of Split's parts: given, or as equal as they can be. */
static void
split_sizes (OnnxNode *node, gint64 length, int parts, gint64 *sizes)
{
  const Onnx__AttributeProto *a = onnx_node_attribute (node, "split");
  const DcnnTensor *in = onnx_node_input (node, 1);
  gint64 named = onnx_node_int (node, "num_outputs", parts);
  gint64 even = (length + parts - 1) / parts;
  size_t given = a ? a->n_ints : in ? (size_t) dcnn_tensor_count (in) : 0;

  if (in && !in->data) {
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its sizes must be a "
        "constant");
    return;
  }
  if (named != parts || (given > 0 && given != (size_t) parts)) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it has %d outputs, but sizes "
        "for %" G_GINT64_FORMAT, parts, given > 0 ? (gint64) given : named);
    return;
  }
  for (int i = 0; i < parts; i++) {
    gint64 begin = MIN (even * i, length), end = MIN (begin + even, length);
    sizes[i] = given == 0 ? end - begin : a ? a->ints[i]
        : dcnn_ref_get_int (in, i);
  }
}

void
onnx_map_split (OnnxNode *node)
{
  DcnnParams params = { 0 };
  const DcnnTensor *x = onnx_node_input (node, 0);
  DcnnTensor shapes[DCNN_MAX_NODE_OUTPUTS];
  gint64 sizes[DCNN_MAX_NODE_OUTPUTS] = { 0 };
  int axis;

  node->n_outputs = (int) node->proto->n_output;
  params.axis.axis = onnx_node_axis (node, onnx_node_int (node, "axis", 0),
      onnx_node_rank (node, 0));
  if (node->error || node->n_outputs < 1)
    return;
  axis = (int) params.axis.axis;
  split_sizes (node, x->dims[axis], node->n_outputs, sizes);
  for (int i = 0; i < node->n_outputs; i++) {
    shapes[i] = *x;
    shapes[i].data = NULL;
    shapes[i].dims[axis] = sizes[i];
  }
  onnx_node_emit (node, DCNN_OP_SPLIT, &params, 1, shapes);
}

/* One dimension of a slice: ONNX's start and end to a start and a count. */
static void
set_slice (DcnnSliceParams *p, int i, gint64 n, gint64 start, gint64 end,
    gint64 step)
{
  step = CLAMP (step, -DCNN_MAX_DIM, DCNN_MAX_DIM);
  start += start < 0 ? n : 0;
  end += end < 0 ? n : 0;
  if (n == 0) {
    p->count[i] = 0;
  } else if (step > 0) {
    start = CLAMP (start, 0, n);
    end = CLAMP (end, 0, n);
    p->count[i] = end > start ? (end - start + step - 1) / step : 0;
  } else {
    start = CLAMP (start, 0, n - 1);
    end = CLAMP (end, -1, n - 1);
    p->count[i] = start > end ? (start - end - step - 1) / -step : 0;
  }
  p->start[i] = p->count[i] > 0 ? start : 0;
  p->step[i] = p->count[i] > 1 ? step : 1;
}

/* Attributes before opset 10, inputs since. */
void
onnx_map_slice (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  gint64 starts[ONNX_MAX_NUMBERS], ends[ONNX_MAX_NUMBERS];
  gint64 axes[ONNX_MAX_NUMBERS], steps[ONNX_MAX_NUMBERS];
  int n = onnx_node_ints_or_input (node, "starts", 1, starts);
  int n_ends = onnx_node_ints_or_input (node, "ends", 2, ends);
  int n_axes = onnx_node_ints_or_input (node, "axes", 3, axes);
  int n_steps = onnx_node_input_ints (node, 4, steps);
  DcnnParams params = { 0 };
  guint32 seen = 0;

  if (!x || n < 0 || n != n_ends || (n_axes >= 0 && n_axes != n)
      || (n_steps >= 0 && n_steps != n) || n > x->rank)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "starts, ends, axes and steps "
        "differ in length or are missing");
  if (node->error)
    return;
  for (int i = 0; i < x->rank; i++)
    set_slice (&params.slice, i, x->dims[i], 0, x->dims[i], 1);
  for (int i = 0; i < n; i++) {
    int axis = (int) onnx_node_axis (node, n_axes < 0 ? i : axes[i], x->rank);
    gint64 step = n_steps < 0 ? 1 : steps[i];
    if (step == 0 || (seen >> axis & 1))
      onnx_node_fail (node, DCNN_ERROR_INVALID, "a step is 0 or an axis is "
          "named twice");
    if (node->error)
      return;
    seen |= 1u << axis;
    set_slice (&params.slice, axis, x->dims[axis], starts[i], ends[i], step);
  }
  onnx_node_emit (node, DCNN_OP_SLICE, &params, 1, NULL);
}

/* Attributes before opset 11, inputs since; axes since 18. */
void
onnx_map_pad (OnnxNode *node)
{
  static const char *const modes[] = { "constant", "reflect", "edge", "wrap",
    NULL };
  gint64 pads[ONNX_MAX_NUMBERS], axes[ONNX_MAX_NUMBERS];
  int rank = onnx_node_rank (node, 0);
  int n = onnx_node_ints_or_input (node, "pads", 1, pads);
  int n_axes = onnx_node_input_ints (node, 3, axes);
  DcnnParams params = { 0 };
  guint32 seen = 0;

  params.pad.mode = (DcnnPadMode) onnx_node_choice (node, "mode", modes, 0);
  params.pad.value = onnx_node_float (node, "value", 0);
  params.pad.value = onnx_node_input_scalar (node, 2, params.pad.value);
  if (n_axes < 0) {
    n_axes = rank;
    for (int i = 0; i < rank; i++)
      axes[i] = i;
  }
  if (n != 2 * n_axes)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "%d pads are given, %d are "
        "needed", n, 2 * n_axes);
  for (int i = 0; !node->error && i < n_axes; i++) {
    int axis = (int) onnx_node_axis (node, axes[i], rank);
    if (seen >> axis & 1)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "an axis is named twice");
    seen |= 1u << axis;
    params.pad.begin[axis] = pads[i];
    params.pad.end[axis] = pads[n_axes + i];
  }
  onnx_node_emit (node, DCNN_OP_PAD, &params, 1, NULL);
}

void
onnx_map_transpose (OnnxNode *node)
{
  gint64 perm[ONNX_MAX_NUMBERS];
  int rank = onnx_node_rank (node, 0);
  int n = onnx_node_ints (node, "perm", perm);
  DcnnParams params = { 0 };

  if (n >= 0 && n != rank)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "perm has %d numbers, the input "
        "rank %d", n, rank);
  for (int i = 0; i < rank && !node->error; i++)
    params.transpose.perm[i] = n < 0 ? rank - 1 - i
        : (int) onnx_node_axis (node, perm[i], rank);
  onnx_node_emit (node, DCNN_OP_TRANSPOSE, &params, 1, NULL);
}

void
onnx_map_trilu (OnnxNode *node)
{
  DcnnParams params = { 0 };
  gint64 k[ONNX_MAX_NUMBERS] = { 0 };
  onnx_node_input_ints (node, 1, k);
  params.trilu.k = k[0];
  params.trilu.upper = onnx_node_int (node, "upper", 1) != 0;
  onnx_node_emit (node, DCNN_OP_TRILU, &params, 1, NULL);
}

void
onnx_map_gather_nd (OnnxNode *node)
{
  DcnnParams params = { 0 };
  params.axis.axis = onnx_node_int (node, "batch_dims", 0);
  onnx_node_emit (node, DCNN_OP_GATHER_ND, &params, 2, NULL);
}

void
onnx_map_scatter (OnnxNode *node)
{
  static const char *const reductions[] = { "none", "add", "mul", "min", "max",
    NULL };
  DcnnParams params = { 0 };
  params.scatter.reduction = (DcnnScatterReduction) onnx_node_choice (node,
      "reduction", reductions, 0);
  if (node->mapping->op == DCNN_OP_SCATTER_ELEMENTS)
    params.scatter.axis = onnx_node_axis (node, onnx_node_int (node, "axis",
            0), onnx_node_rank (node, 0));
  onnx_node_emit (node, node->mapping->op, &params, 3, NULL);
}

/* ONNX's inputs: indices, depth, values; depth goes into the shape. */
void
onnx_map_one_hot (OnnxNode *node)
{
  DcnnParams params = { 0 };
  int rank = onnx_node_rank (node, 0) + 1;
  gint64 depth[ONNX_MAX_NUMBERS] = { -1 };
  DcnnTensor shape = { .rank = rank };

  params.axis.axis = onnx_node_axis (node, onnx_node_int (node, "axis", -1),
      rank);
  onnx_node_input_ints (node, 1, depth);
  if (node->n_inputs != 3 || rank > DCNN_MAX_RANK || depth[0] < 1)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "indices, depth or values are "
        "missing or out of range");
  if (node->error)
    return;
  shape.dims[params.axis.axis] = depth[0];
  node->inputs[1] = node->inputs[2];
  node->n_inputs = 2;
  onnx_node_emit (node, DCNN_OP_ONE_HOT, &params, 2, &shape);
}
