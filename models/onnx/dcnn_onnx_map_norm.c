/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_norm.c - lengths of vectors and of windows: normalisation by
 * them, root mean squares, pooling. They become sums, convolutions with ones
 * and element-wise steps, which run on changed pixels.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include <float.h>

#include "ref_util.h"

/* |x|^p; back: its p-th root. */
static DcnnValueId
to_power (OnnxNode *node, DcnnValueId x, gint64 p, gboolean back)
{
  if (p == 1)
    return back ? x : onnx_emit_unary (node, DCNN_OP_ABS, x);
  if (p == 2)
    return back ? onnx_emit_unary (node, DCNN_OP_SQRT, x)
        : onnx_whole_binary (node, DCNN_OP_MUL, x, x);
  if (!back)
    x = onnx_emit_unary (node, DCNN_OP_ABS, x);
  return onnx_whole_binary (node, DCNN_OP_POW, x, onnx_whole_number (node,
          back ? 1 / (double) p : (double) p));
}

static gint64
power_of (OnnxNode *node)
{
  gint64 p = onnx_node_int (node, "p", 2);

  if (p < 1)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its p is %" G_GINT64_FORMAT
        ", not 1 or more", p);
  return p;
}

/* x / |x|; a vector of zeros stays one. */
void
onnx_map_lp_normalization (OnnxNode *node)
{
  gint64 p = power_of (node);
  gint64 axis = onnx_node_axis (node, onnx_node_int (node, "axis", -1),
      onnx_node_rank (node, 0));
  DcnnValueId length = onnx_emit_reduce (node, DCNN_OP_REDUCE_SUM,
      to_power (node, node->inputs[0], p, FALSE), 1u << axis);

  length = to_power (node, length, p, TRUE);
  length = onnx_whole_binary (node, DCNN_OP_MAX, length,
      onnx_whole_number (node, (double) FLT_MIN));
  onnx_emit_output (node, 0, onnx_whole_binary (node, DCNN_OP_DIV,
          node->inputs[0], length));
}

/* x / root of the mean square over the axes from the given one on. Channels
 * that lie last go to where maps have them, and back. */
void
onnx_map_rms_normalization (OnnxNode *node)
{
  static const int to_maps[4] = { 0, 3, 1, 2 }, back[4] = { 0, 2, 3, 1 };
  int rank = onnx_node_rank (node, 0);
  gint64 axis = onnx_node_axis (node, onnx_node_int (node, "axis", -1), rank);
  double epsilon = onnx_node_float (node, "epsilon", 1e-5);
  guint32 axes = ((1u << rank) - 1) & ~((1u << axis) - 1);
  gboolean last = rank == 4 && axis == 3;
  DcnnValueId x = node->inputs[0], root;

  if (!onnx_node_input (node, 1))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its scale is missing");
  if (last)
    x = onnx_emit_transpose (node, x, 4, to_maps);
  root = onnx_emit_reduce (node, DCNN_OP_REDUCE_MEAN, onnx_whole_binary (node,
          DCNN_OP_MUL, x, x), last ? 2 : axes);
  root = onnx_emit_unary (node, DCNN_OP_SQRT, onnx_whole_binary (node,
          DCNN_OP_ADD, root, onnx_whole_number (node, epsilon)));
  x = onnx_whole_binary (node, DCNN_OP_DIV, x, root);
  if (last)
    x = onnx_emit_transpose (node, x, 4, back);
  onnx_emit_output (node, 0, onnx_whole_binary (node, DCNN_OP_MUL, x,
          node->inputs[1]));
}

/* A window that ends late enough for ceil_mode: a further place, where it
 * begins before the end of the map and its padding in front. */
static void
round_up (DcnnWindow *w, const DcnnTensor *x)
{
  for (int i = 0; i < w->rank; i++) {
    gint64 reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
    gint64 room = x->dims[2 + i] + w->pad_begin[i] + w->pad_end[i] - reach;
    gint64 last = (room + w->stride[i] - 1) / w->stride[i] * w->stride[i];

    if (room < 0 || last == room
        || last >= x->dims[2 + i] + w->pad_begin[i])
      continue;
    w->pad_end[i] += last - room;
  }
}

/* The root of the sum of powers in each window: a convolution with ones. */
void
onnx_map_lp_pool (OnnxNode *node)
{
  const gint64 p = power_of (node);
  const DcnnTensor *in = onnx_node_input (node, 0);
  const DcnnTensor x = in ? *in : (DcnnTensor) { .rank = 0 };
  DcnnParams params = { 0 };
  DcnnConvParams *conv = &params.conv;
  gint64 ones[2 + DCNN_MAX_SPATIAL] = { x.dims[1], 1 };
  DcnnValueId pair[2];

  onnx_node_window (node, &conv->window);
  if (onnx_node_int (node, "ceil_mode", 0) != 0)
    round_up (&conv->window, &x);
  conv->groups = x.dims[1];
  for (int i = 0; i < conv->window.rank; i++)
    ones[2 + i] = conv->window.kernel[i];
  if (node->error)
    return;
  pair[0] = to_power (node, node->inputs[0], p, FALSE);
  pair[1] = onnx_emit_filled (node, x.rank, ones, 1);
  pair[0] = onnx_node_emit_inner (node, DCNN_OP_CONV, &params, 2, pair, NULL);
  onnx_emit_output (node, 0, to_power (node, pair[0], p, TRUE));
}

/* The same over all pixels: their number times the mean, which maps have. */
void
onnx_map_global_lp_pool (OnnxNode *node)
{
  const gint64 p = power_of (node);
  const DcnnTensor *in = onnx_node_input (node, 0);
  const DcnnTensor x = in ? *in : (DcnnTensor) { .rank = 0 };
  double pixels = 1;
  DcnnValueId sum;

  if (x.rank < 3)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its input has rank %d, not 3 or "
        "more", x.rank);
  for (int i = 2; i < x.rank; i++)
    pixels *= (double) x.dims[i];
  sum = onnx_emit_reduce (node, DCNN_OP_REDUCE_MEAN, to_power (node,
          node->inputs[0], p, FALSE), ((1u << x.rank) - 1) & ~3u);
  sum = onnx_whole_binary (node, DCNN_OP_MUL, sum, onnx_whole_number (node,
          pixels));
  onnx_emit_output (node, 0, to_power (node, sum, p, TRUE));
}
