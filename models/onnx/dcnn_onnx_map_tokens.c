/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_tokens.c - operators of domain com.microsoft on tokens, that
 * ONNX Runtime's optimisers write: norms of a sum, attention with its
 * projections in one matrix or none. They are parted again.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include <math.h>

/* SkipLayerNormalization (x, skip, scale, shift, bias) and its simplified form
 * (x, skip, scale, bias): the norm of x + skip + bias; that sum is the fourth
 * output, too. */
void
onnx_map_skip_norm (OnnxNode *node)
{
  const gboolean simple = node->mapping->op == DCNN_OP_DIV;
  const int bias = simple ? 3 : 4;
  DcnnParams params = { .norm = { .axis = onnx_node_rank (node, 0) - 1,
      .epsilon = onnx_node_float (node, "epsilon", 1e-12) } };
  DcnnValueId sum;

  if (!onnx_node_input (node, 0) || !onnx_node_input (node, 1)
      || !onnx_node_input (node, 2) || params.norm.axis < 0)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs two values and a "
        "scale");
  if (node->error)
    return;
  sum = onnx_whole_binary (node, DCNN_OP_ADD, node->inputs[0],
      node->inputs[1]);
  if (onnx_node_input (node, bias))
    sum = onnx_whole_binary (node, DCNN_OP_ADD, sum, node->inputs[bias]);
  onnx_emit_output (node, 3, sum);
  node->inputs[0] = sum;
  node->inputs[1] = node->inputs[2];
  node->inputs[2] = onnx_node_input (node, 3) && !simple ? node->inputs[3] : -1;
  node->n_inputs = node->inputs[2] >= 0 ? 3 : 2;
  node->n_outputs = 1;
  if (node->error)
    return;
  if (simple)
    onnx_map_rms_normalization (node);
  else
    onnx_node_emit (node, DCNN_OP_LAYER_NORM, &params, node->n_inputs, NULL);
}

/* [images, tokens, heads * width] as [images, heads, tokens, width]. */
static DcnnValueId
parted (OnnxNode *node, DcnnValueId x, gint64 heads)
{
  static const int perm[4] = { 0, 2, 1, 3 };
  const DcnnTensor t = onnx_emit_shape_of (node, x);

  if (node->error)
    return -1;
  if (t.rank != 3 || heads < 1 || t.dims[2] % heads != 0) {
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its queries, keys or values "
        "are not [images, tokens, num_heads * width]: save the model before "
        "ONNX Runtime's own fusion of attention");
    return -1;
  }
  x = onnx_emit_reshape (node, x, 4, (const gint64[]) { t.dims[0], t.dims[1],
          heads, t.dims[2] / heads });
  return onnx_emit_transpose (node, x, 4, perm);
}

/* The node's output, of q, k and v [images, tokens, heads * width]. hidden:
 * what is added to the scores; -1: nothing. */
static void
emit_attention (OnnxNode *node, const DcnnValueId qkv[3], DcnnValueId hidden)
{
  static const int swap[4] = { 0, 1, 3, 2 }, back[4] = { 0, 2, 1, 3 };
  const gint64 heads = onnx_node_int (node, "num_heads", 0);
  const DcnnParams last = { .axis = { .axis = 3 } };
  double scale = onnx_node_float (node, "scale", 0);
  DcnnValueId q = parted (node, qkv[0], heads), k = parted (node, qkv[1], heads);
  DcnnValueId v = parted (node, qkv[2], heads), x;
  DcnnTensor t = onnx_emit_shape_of (node, q);

  onnx_node_float (node, "mask_filter_value", 0); /* there is no mask */
  if (scale == 0 && t.rank == 4)
    scale = 1 / sqrt ((double) t.dims[3]);
  q = onnx_whole_binary (node, DCNN_OP_MUL, q, onnx_whole_number (node, scale));
  x = onnx_whole_binary (node, DCNN_OP_MATMUL, q, onnx_emit_transpose (node, k,
          4, swap));
  if (hidden >= 0)
    x = onnx_whole_binary (node, DCNN_OP_ADD, x, hidden);
  x = onnx_node_emit_inner (node, DCNN_OP_SOFTMAX, &last, 1, &x, NULL);
  x = onnx_whole_binary (node, DCNN_OP_MATMUL, x, v);
  x = onnx_emit_transpose (node, x, 4, back);
  t = onnx_emit_shape_of (node, x);
  onnx_emit_output (node, 0, onnx_emit_reshape (node, x, 3, (const gint64[]) {
          t.dims[0], t.dims[1], t.dims[2] * t.dims[3] }));
}

/* Refuses inputs between first and the end, but for one. */
static void
refuse_inputs (OnnxNode *node, int first, int but)
{
  for (int i = first; i < node->n_inputs; i++)
    if (i != but && onnx_node_input (node, i))
      onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its input %d (a mask, or "
          "what it saw before) is not supported: save the model before ONNX "
          "Runtime's own fusion of attention", i);
  if (node->n_outputs > 1 && node->outputs[1])
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its second output is not "
        "supported");
}

static DcnnValueId
sum_or_value (OnnxNode *node, DcnnValueId x, int i)
{
  return onnx_node_input (node, i)
      ? onnx_whole_binary (node, DCNN_OP_ADD, x, node->inputs[i]) : x;
}

/* Attention (x, the matrix of all three projections, their bias, mask, past,
 * scores to add). */
void
onnx_map_packed_attention (OnnxNode *node)
{
  const DcnnTensor *w = onnx_node_input (node, 1);
  gint64 sizes[ONNX_MAX_NUMBERS], at = 0;
  int n = onnx_node_ints (node, "qkv_hidden_sizes", sizes);
  DcnnValueId x, qkv[3] = { -1, -1, -1 };

  refuse_inputs (node, 3, 5);
  if (onnx_node_int (node, "unidirectional", 0) != 0
      || onnx_node_int (node, "do_rotary", 0) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "attention of language "
        "models is not supported");
  if (!onnx_node_input (node, 0) || !w || w->rank != 2
      || (n > 0 && (n != 3 || sizes[0] + sizes[1] + sizes[2] != w->dims[1]
              || MIN (MIN (sizes[0], sizes[1]), sizes[2]) < 1))
      || (n <= 0 && w->dims[1] % 3 != 0))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its weights are not those of "
        "queries, keys and values");
  if (node->error)
    return;
  for (int i = 0; n <= 0 && i < 3; i++)
    sizes[i] = w->dims[1] / 3;
  x = sum_or_value (node, onnx_whole_binary (node, DCNN_OP_MATMUL,
          node->inputs[0], node->inputs[1]), 2);
  for (int i = 0; i < 3; at += sizes[i++])
    qkv[i] = onnx_emit_slice (node, x, onnx_emit_shape_of (node, x).rank - 1,
        at, sizes[i], 1);
  emit_attention (node, qkv, onnx_node_input (node, 5) ? node->inputs[5] : -1);
}

/* MultiHeadAttention (q, k, v, the biases of all three, mask, scores to add,
 * past). */
void
onnx_map_multi_head (OnnxNode *node)
{
  DcnnValueId qkv[3] = { -1, -1, -1 };
  gint64 at = 0;

  refuse_inputs (node, 4, 5);
  if (onnx_node_int (node, "unidirectional", 0) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "attention of language "
        "models is not supported");
  for (int i = 0; i < 3; i++) {
    const DcnnTensor *t = onnx_node_input (node, i);

    if (!t || t->rank != 3)
      onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its queries, keys and "
          "values are not three values of rank 3: save the model before ONNX "
          "Runtime's own fusion of attention");
    if (node->error)
      return;
    qkv[i] = node->inputs[i];
    if (onnx_node_input (node, 3)) {
      const gint64 width = t->dims[2];
      qkv[i] = onnx_whole_binary (node, DCNN_OP_ADD, qkv[i],
          onnx_emit_slice (node, node->inputs[3], 0, at, width, 1));
      at += width;
    }
  }
  emit_attention (node, qkv, onnx_node_input (node, 5) ? node->inputs[5] : -1);
}
