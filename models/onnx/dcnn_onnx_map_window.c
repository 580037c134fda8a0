/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_window.c - convolutions and pooling: auto_pad, kernel_shape
 * and output_shape become plain windows.
 */
#include "dcnn_onnx_node.h"
#include "dcnn_onnx_whole.h"

#include <string.h>

enum { PAD_NOTSET, PAD_SAME_UPPER, PAD_SAME_LOWER, PAD_VALID };

static const char *const auto_pads[] = { "NOTSET", "SAME_UPPER", "SAME_LOWER",
  "VALID", NULL };

/* One list of a window: n numbers, or all `absent`. */
static void
read_list (OnnxNode *node, const char *name, int n, gint64 absent,
    gint64 *values)
{
  gint64 read[ONNX_MAX_NUMBERS];
  int have = onnx_node_ints (node, name, read);
  for (int i = 0; i < n; i++)
    values[i] = have == n ? read[i] : absent;
  if (have >= 0 && have != n)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "attribute %s has %d numbers, "
        "needs %d", name, have, n);
}

/* Number of spatial dimensions, 0 after a failure. */
static int
spatial_rank (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  if (x && x->rank >= 3 && x->rank <= 2 + DCNN_MAX_SPATIAL)
    return x->rank - 2;
  onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its input has rank %d; 1, 2 or"
      " 3 spatial dimensions (rank 3 to 5) are supported", x ? x->rank : 0);
  return 0;
}

/* Whether sums with it stay numbers. */
static gboolean
is_pad (gint64 pad)
{
  return pad >= -DCNN_MAX_DIM && pad <= DCNN_MAX_DIM;
}

/* Strides, dilations and explicit pads of n dimensions, and the kernel where it
 * is an attribute. Returns the auto_pad. */
static int
read_lists (OnnxNode *node, int n, const gint64 *kernel, DcnnWindow *w)
{
  gint64 pads[2 * DCNN_MAX_SPATIAL];
  int auto_pad = onnx_node_choice (node, "auto_pad", auto_pads, PAD_NOTSET);

  memset (w, 0, sizeof *w);
  w->rank = n;
  if (n == 0)
    return auto_pad;
  read_list (node, "kernel_shape", n, 0, w->kernel);
  read_list (node, "strides", n, 1, w->stride);
  read_list (node, "dilations", n, 1, w->dilation);
  read_list (node, "pads", 2 * n, 0, pads);
  for (int i = 0; i < n; i++) {
    if (w->kernel[i] == 0 && kernel)
      w->kernel[i] = kernel[i];
    w->pad_begin[i] = auto_pad == PAD_NOTSET ? pads[i] : 0;
    w->pad_end[i] = auto_pad == PAD_NOTSET ? pads[n + i] : 0;
    if (w->kernel[i] < 1 || w->kernel[i] > DCNN_MAX_DIM || w->stride[i] < 1
        || w->stride[i] > DCNN_MAX_DIM || w->dilation[i] < 1
        || w->dilation[i] > DCNN_MAX_DIM || !is_pad (w->pad_begin[i])
        || !is_pad (w->pad_end[i]))
      onnx_node_fail (node, DCNN_ERROR_INVALID, "kernel_shape, strides, "
          "dilations or pads are missing or out of range");
  }
  return auto_pad;
}

/* The window of a node's first input; weights: the kernel's source where
 * kernel_shape is absent, or NULL. Returns the auto_pad. */
static int
read_window (OnnxNode *node, const DcnnTensor *weights, DcnnWindow *w)
{
  int n = spatial_rank (node);

  return read_lists (node, n, weights && weights->rank == n + 2
      ? weights->dims + 2 : NULL, w);
}

/* Splits a total pad; the odd one goes to the end for SAME_UPPER. */
static void
split_pad (DcnnWindow *w, int i, gint64 total, gboolean odd_at_end)
{
  gint64 half = total / 2;
  w->pad_begin[i] = odd_at_end ? half : total - half;
  w->pad_end[i] = total - w->pad_begin[i];
}

/* SAME pads of a convolution or pooling. */
static void
resolve_same (OnnxNode *node, int auto_pad, DcnnWindow *w)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  if (node->error || (auto_pad != PAD_SAME_UPPER && auto_pad != PAD_SAME_LOWER))
    return;
  for (int i = 0; i < w->rank; i++) {
    gint64 in = x->dims[2 + i];
    gint64 out = (in + w->stride[i] - 1) / w->stride[i];
    gint64 total = (out - 1) * w->stride[i]
        + (w->kernel[i] - 1) * w->dilation[i] + 1 - in;
    split_pad (w, i, MAX (total, 0), auto_pad == PAD_SAME_UPPER);
  }
}

void
onnx_node_window (OnnxNode *node, DcnnWindow *window)
{
  int auto_pad = read_window (node, onnx_node_input (node, 1), window);

  resolve_same (node, auto_pad, window);
}

void
onnx_node_window_of (OnnxNode *node, int n, const gint64 *kernel,
    DcnnWindow *window)
{
  read_lists (node, n, kernel, window);
}

void
onnx_map_conv (OnnxNode *node)
{
  DcnnParams params = { 0 };
  int auto_pad = read_window (node, onnx_node_input (node, 1),
      &params.conv.window);
  params.conv.groups = onnx_node_int (node, "group", 1);
  resolve_same (node, auto_pad, &params.conv.window);
  if (!onnx_whole_conv (node, DCNN_OP_CONV, &params))
    onnx_node_emit (node, DCNN_OP_CONV, &params, 3, NULL);
}

void
onnx_map_conv_transpose (OnnxNode *node)
{
  DcnnParams params = { 0 };
  DcnnConvParams *p = &params.conv;
  const DcnnTensor *x = onnx_node_input (node, 0);
  gint64 wanted[DCNN_MAX_SPATIAL];
  int auto_pad = read_window (node, onnx_node_input (node, 1), &p->window);

  p->groups = onnx_node_int (node, "group", 1);
  if (p->window.rank > 0) {
    read_list (node, "output_padding", p->window.rank, 0, p->output_padding);
    read_list (node, "output_shape", p->window.rank, 0, wanted);
  }
  for (int i = 0; !node->error && i < p->window.rank; i++) {
    gint64 full = (x->dims[2 + i] - 1) * p->window.stride[i]
        + (p->window.kernel[i] - 1) * p->window.dilation[i] + 1;
    gint64 total;
    if (wanted[i] == 0 && (auto_pad == PAD_SAME_UPPER
            || auto_pad == PAD_SAME_LOWER))
      wanted[i] = x->dims[2 + i] * p->window.stride[i];
    if (wanted[i] == 0)
      continue;
    if (wanted[i] < 0 || wanted[i] > DCNN_MAX_DIM
        || p->output_padding[i] < 0 || p->output_padding[i] > DCNN_MAX_DIM) {
      onnx_node_fail (node, DCNN_ERROR_INVALID, "output_shape %"
          G_GINT64_FORMAT " is out of range", wanted[i]);
      return;
    }
    total = full + p->output_padding[i] - wanted[i];
    split_pad (&p->window, i, MAX (total, 0), auto_pad == PAD_SAME_UPPER);
    if (total < 0) /* larger than the window reaches: only bias there */
      p->output_padding[i] -= total;
  }
  if (!onnx_whole_conv (node, DCNN_OP_CONV_TRANSPOSE, &params))
    onnx_node_emit (node, DCNN_OP_CONV_TRANSPOSE, &params, 3, NULL);
}

void
onnx_map_pool (OnnxNode *node)
{
  DcnnParams params = { 0 };
  int auto_pad = read_window (node, NULL, &params.pool.window);
  params.pool.ceil_mode = onnx_node_int (node, "ceil_mode", 0) != 0;
  if (node->mapping->op == DCNN_OP_MAX_POOL)
    params.pool.column_major = onnx_node_int (node, "storage_order", 0) != 0;
  else
    params.pool.count_include_pad =
        onnx_node_int (node, "count_include_pad", 0) != 0;
  resolve_same (node, auto_pad, &params.pool.window);
  onnx_node_emit (node, node->mapping->op, &params, 1, NULL);
}

void
onnx_map_depth_space (OnnxNode *node)
{
  static const char *const modes[] = { "DCR", "CRD", NULL };
  static const char *const deep_modes[] = { "DCR", NULL };
  gboolean to_space = node->mapping->op == DCNN_OP_DEPTH_TO_SPACE;
  DcnnParams params = { 0 };
  params.depth.block = onnx_node_int (node, "blocksize", 0);
  params.depth.crd = onnx_node_choice (node, "mode",
      to_space ? modes : deep_modes, 0) == 1;
  onnx_node_emit (node, node->mapping->op, &params, 1, NULL);
}
