/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_old.c - operators that ONNX once had on trial and dropped, of
 * which files of Core ML's and Windows ML's converters (and of Caffe2's) are
 * full; ONNX Runtime still runs them.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include "ref_util.h"

static DcnnValueId
times (OnnxNode *node, DcnnValueId x, double factor)
{
  return factor == 1 ? x : onnx_whole_binary (node, DCNN_OP_MUL, x,
      onnx_whole_number (node, factor));
}

/* ImageScaler: x scale + bias, a bias a channel. */
void
onnx_map_image_scaler (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  const gint64 channels = x && x->rank == 4 ? x->dims[1] : 0;
  double bias[ONNX_MAX_NUMBERS] = { 0 };
  int n = onnx_node_floats (node, "bias", bias);
  DcnnTensor tensor = { .dtype = DCNN_DTYPE_F32, .rank = 4,
    .dims = { 1, channels, 1, 1 } };
  DcnnValueId v;

  if (channels < 1 || (n > 0 && n != channels))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its bias has %d numbers, its "
        "input %" G_GINT64_FORMAT " channels", MAX (n, 0), channels);
  v = times (node, node->inputs[0], onnx_node_float (node, "scale", 1));
  if (n > 0 && onnx_node_alloc (node, &tensor)) {
    for (int i = 0; i < n; i++)
      dcnn_ref_set (&tensor, i, bias[i]);
    v = onnx_whole_binary (node, DCNN_OP_ADD, v, onnx_whole_constant (node,
            &tensor));
  }
  onnx_emit_output (node, 0, v);
}

/* Affine: alpha x + beta. ScaledTanh: alpha tanh (beta x). ParametricSoftplus:
 * alpha log (1 + exp (beta x)). */
void
onnx_map_scaled_act (OnnxNode *node)
{
  const gboolean affine = node->mapping->op == DCNN_OP_ADD;
  const double alpha = onnx_node_float (node, "alpha", 1);
  const double beta = onnx_node_float (node, "beta", affine ? 0 : 1);
  DcnnValueId v = node->inputs[0];

  if (!onnx_node_input (node, 0))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it has no input");
  if (affine)
    v = onnx_whole_binary (node, DCNN_OP_ADD, times (node, v, alpha),
        onnx_whole_number (node, beta));
  else
    v = times (node, onnx_emit_unary (node, node->mapping->op, times (node, v,
                beta)), alpha);
  onnx_emit_output (node, 0, v);
}

/* Crop: border left, top, right, bottom; with a scale, that height and width
 * from left and top on. */
void
onnx_map_crop (OnnxNode *node)
{
  const DcnnTensor *in = onnx_node_input (node, 0);
  const DcnnTensor x = in ? *in : (DcnnTensor) { .rank = 0 };
  gint64 border[ONNX_MAX_NUMBERS] = { 0 }, size[ONNX_MAX_NUMBERS];
  int n = onnx_node_ints (node, "border", border);
  int m = onnx_node_ints (node, "scale", size);
  DcnnValueId v = node->inputs[0];

  if (x.rank != 4 || (n > 0 && n != 4) || (m > 0 && m != 2))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs a map, a border of 4 "
        "numbers, a scale of 2");
  for (int i = 0; i < 2 && !node->error; i++) { /* rows, columns */
    gint64 begin = border[1 - i];
    gint64 count = m > 0 ? size[i] : x.dims[2 + i] - begin - border[3 - i];

    if (begin < 0 || count < 1 || begin > x.dims[2 + i] - count)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "it keeps %" G_GINT64_FORMAT
          " of %" G_GINT64_FORMAT " from %" G_GINT64_FORMAT " on", count,
          x.dims[2 + i], begin);
    else
      v = onnx_emit_slice (node, v, 2 + i, begin, count, 1);
  }
  onnx_emit_output (node, 0, v);
}
