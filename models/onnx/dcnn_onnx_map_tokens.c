/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_tokens.c - operators of domain com.microsoft on tokens, that
 * ONNX Runtime's optimisers write: norms of a sum, attention with its
 * projections in one matrix or none. They are parted again.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include <float.h>
#include <math.h>

#include "ref_util.h"

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

/* ---- attention -------------------------------------------------------------- */

static const int heads_out[4] = { 0, 2, 1, 3 }; /* its own inverse */

typedef struct Attention {
  OnnxNode *node;
  DcnnValueId q, k, v;        /* [images, heads, positions, width] */
  gint64 images, queries, keys;
  gint64 past;                /* keys before the first query's own */
  double filter;              /* added to the score of a hidden key */
} Attention;

/* [images, tokens, heads * width] as [images, heads, tokens, width]. */
static DcnnValueId
parted (OnnxNode *node, DcnnValueId x, gint64 heads)
{
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
  return onnx_emit_transpose (node, x, 4, heads_out);
}

/* Past keys or values, which lie before x. */
static DcnnValueId
behind_past (OnnxNode *node, DcnnValueId past, DcnnValueId x)
{
  const DcnnValueId pair[2] = { past, x };

  return past < 0 ? x : onnx_emit_join (node, 2, pair, 2);
}

/* Sets what the attention's values say of its sizes. */
static void
measure (Attention *a, DcnnValueId past)
{
  const DcnnTensor q = onnx_emit_shape_of (a->node, a->q);
  const DcnnTensor k = onnx_emit_shape_of (a->node, a->k);
  const DcnnTensor before = onnx_emit_shape_of (a->node, past);

  a->images = q.dims[0];
  a->queries = q.dims[2];
  a->keys = k.dims[2];
  a->past = before.rank == 4 ? before.dims[2] : 0;
  if (!a->node->error && (q.rank != 4 || k.rank != 4 || q.dims[3] < 1
          || q.dims[3] != k.dims[3] || q.dims[1] != k.dims[1]))
    onnx_node_fail (a->node, DCNN_ERROR_INVALID, "its queries and keys do not "
        "fit each other");
}

/* Whether a key lies before (op LESS), or not before (GREATER_OR_EQUAL), a
 * place that is given for each image: [images, keys]. */
static DcnnValueId
placed (Attention *a, DcnnOp op, DcnnValueId places)
{
  OnnxNode *node = a->node;
  DcnnTensor t = { .dtype = DCNN_DTYPE_I32, .rank = 2,
    .dims = { 1, a->keys } };

  places = onnx_emit_reshape (node, places, 2, (const gint64[]) { a->images,
          1 });
  if (!onnx_node_alloc (node, &t))
    return -1;
  for (gint64 i = 0; i < a->keys; i++)
    dcnn_ref_set_int (&t, i, i);
  return onnx_whole_binary (node, op, onnx_whole_constant (node, &t), places);
}

/* A mask's input i: which keys are seen, [images, queries or 1, keys]. */
static DcnnValueId
seen (Attention *a, int i)
{
  OnnxNode *node = a->node;
  const DcnnTensor t = onnx_emit_shape_of (node, node->inputs[i]);
  DcnnTensor none = { .dtype = DCNN_DTYPE_I32 };
  DcnnValueId x = node->inputs[i], first;

  if (node->error)
    return -1;
  if (t.dtype != DCNN_DTYPE_I32) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its mask (input %d) holds no "
        "int32", i);
    return -1;
  }
  if (t.rank == 1 && t.dims[0] == a->images)
    return placed (a, DCNN_OP_LESS, x);
  if (t.rank == 1 && t.dims[0] == 2 * a->images) {
    first = onnx_emit_slice (node, x, 0, a->images, a->images, 1);
    x = onnx_emit_slice (node, x, 0, 0, a->images, 1);
    return onnx_whole_binary (node, DCNN_OP_AND, placed (a, DCNN_OP_LESS, x),
        placed (a, DCNN_OP_GREATER_OR_EQUAL, first));
  }
  if ((t.rank != 2 && t.rank != 3) || t.dims[0] != a->images
      || t.dims[t.rank - 1] != a->keys
      || (t.rank == 3 && t.dims[1] != a->queries)) {
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its mask (input %d) is not "
        "[images], [2 * images], [images, keys] or [images, queries, keys]: "
        "save the model before ONNX Runtime's own fusion of attention", i);
    return -1;
  }
  return onnx_node_alloc (node, &none) ? onnx_whole_binary (node,
      DCNN_OP_GREATER, x, onnx_whole_constant (node, &none)) : -1;
}

/* What input i, a mask, adds to the scores; -1: it is absent. */
static DcnnValueId
hidden_by_mask (Attention *a, int i)
{
  OnnxNode *node = a->node;
  DcnnValueId x;
  DcnnTensor t;

  if (!onnx_node_input (node, i))
    return -1;
  x = onnx_emit_where (node, seen (a, i), onnx_whole_number (node, 0),
      onnx_whole_number (node, a->filter));
  t = onnx_emit_shape_of (node, x);
  return onnx_emit_reshape (node, x, 4, (const gint64[]) { t.dims[0], 1,
          t.rank == 3 ? t.dims[1] : 1, a->keys });
}

/* What hides the keys behind a query's own; -1: nothing. */
static DcnnValueId
hidden_by_place (Attention *a)
{
  DcnnTensor t = { .dtype = DCNN_DTYPE_F32, .rank = 4,
    .dims = { 1, 1, a->queries, a->keys } };

  if (onnx_node_int (a->node, "unidirectional", 0) == 0
      || !onnx_node_alloc (a->node, &t))
    return -1;
  for (gint64 i = 0, at = 0; i < a->queries; i++)
    for (gint64 j = 0; j < a->keys; j++, at++)
      dcnn_ref_set (&t, at, j > i + a->past ? (double) -FLT_MAX : 0);
  return onnx_whole_constant (a->node, &t);
}

static DcnnValueId
sum_of (OnnxNode *node, DcnnValueId a, DcnnValueId b)
{
  return a < 0 ? b : b < 0 ? a : onnx_whole_binary (node, DCNN_OP_ADD, a, b);
}

/* The node's output, and the scores as output `shown`, where that is not 0.
 * mask, bias: inputs that hide keys and that are added to the scores, the
 * latter 0 where the operator has none. */
static void
emit_attention (Attention *a, int mask, int bias, int shown)
{
  static const int swap[4] = { 0, 1, 3, 2 };
  OnnxNode *node = a->node;
  const DcnnParams last = { .axis = { .axis = 3 } };
  double scale = onnx_node_float (node, "scale", 0);
  const DcnnTensor q = onnx_emit_shape_of (node, a->q);
  DcnnValueId x, hidden, later;
  DcnnTensor t;

  a->filter = onnx_node_float (node, "mask_filter_value", -10000);
  if (scale == 0 && q.rank == 4)
    scale = 1 / sqrt ((double) q.dims[3]);
  if (node->error)
    return;
  x = onnx_whole_binary (node, DCNN_OP_MUL, a->q, onnx_whole_number (node,
          scale));
  x = onnx_whole_binary (node, DCNN_OP_MATMUL, x, onnx_emit_transpose (node,
          a->k, 4, swap));
  hidden = hidden_by_mask (a, mask);
  later = hidden_by_place (a);
  hidden = hidden < 0 ? later : later < 0 ? hidden
      : onnx_whole_binary (node, DCNN_OP_MIN, hidden, later);
  hidden = sum_of (node, hidden, bias > 0 && onnx_node_input (node, bias)
      ? node->inputs[bias] : -1);
  x = sum_of (node, x, hidden);
  if (shown > 0)
    onnx_emit_output (node, shown, x);
  x = onnx_node_emit_inner (node, DCNN_OP_SOFTMAX, &last, 1, &x, NULL);
  x = onnx_whole_binary (node, DCNN_OP_MATMUL, x, a->v);
  x = onnx_emit_transpose (node, x, 4, heads_out);
  t = onnx_emit_shape_of (node, x);
  onnx_emit_output (node, 0, onnx_emit_reshape (node, x, 3, (const gint64[]) {
          t.dims[0], t.dims[1], t.dims[2] * t.dims[3] }));
}

/* Refuses inputs from first on: what only caches that are shared have. */
static void
refuse_inputs (OnnxNode *node, int first)
{
  for (int i = first; i < node->n_inputs; i++)
    if (onnx_node_input (node, i))
      onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "its input %d (a cache "
          "that is written in place) is not supported: export without it", i);
  if (onnx_node_int (node, "past_present_share_buffer", 0) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "a cache that is written in "
        "place is not supported: export without it");
}

static DcnnValueId
sum_or_value (OnnxNode *node, DcnnValueId x, int i)
{
  return onnx_node_input (node, i)
      ? onnx_whole_binary (node, DCNN_OP_ADD, x, node->inputs[i]) : x;
}

/* Part i of a value [2, images, heads, positions, width]; -1: absent. */
static DcnnValueId
half_of (OnnxNode *node, int input, int i)
{
  const DcnnTensor *in = onnx_node_input (node, input);
  const DcnnTensor t = in ? *in : (DcnnTensor) { .rank = 0 };

  if (!in)
    return -1;
  if (t.rank != 5 || t.dims[0] != 2) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its past (input %d) is not [2, "
        "images, heads, positions, width]", input);
    return -1;
  }
  return onnx_emit_reshape (node, onnx_emit_slice (node, node->inputs[input], 0,
          i, 1, 1), 4, t.dims + 1);
}

/* Keys and values one behind the other as the node's second output. */
static void
emit_present (Attention *a)
{
  const DcnnValueId both[2] = { a->k, a->v };
  DcnnValueId parts[2];

  if (a->node->n_outputs < 2 || !a->node->outputs[1])
    return;
  for (int i = 0; i < 2; i++) {
    const DcnnTensor t = onnx_emit_shape_of (a->node, both[i]);
    parts[i] = onnx_emit_reshape (a->node, both[i], 5, (const gint64[]) { 1,
            t.dims[0], t.dims[1], t.dims[2], t.dims[3] });
  }
  onnx_emit_output (a->node, 1, onnx_emit_join (a->node, 2, parts, 0));
}

/* Attention of x [images, tokens, widths of queries, keys and values]. */
static void
emit_packed (OnnxNode *node, DcnnValueId x, int mask, int past, int bias)
{
  const gint64 heads = onnx_node_int (node, "num_heads", 0);
  const DcnnTensor t = onnx_emit_shape_of (node, x);
  gint64 sizes[ONNX_MAX_NUMBERS], at = 0, width = t.dims[MAX (t.rank, 1) - 1];
  int n = onnx_node_ints (node, "qkv_hidden_sizes", sizes);
  Attention a = { .node = node };
  DcnnValueId qkv[3] = { -1, -1, -1 };

  if (!node->error && (t.rank != 3
          || (n > 0 && (n != 3 || MIN (MIN (sizes[0], sizes[1]), sizes[2]) < 1
                  || MAX (MAX (sizes[0], sizes[1]), sizes[2]) > width
                  || sizes[0] + sizes[1] + sizes[2] != width))
          || (n <= 0 && width % 3 != 0)))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its weights are not those of "
        "queries, keys and values");
  if (node->error)
    return;
  for (int i = 0; i < 3; at += sizes[i++]) {
    if (n <= 0)
      sizes[i] = width / 3;
    qkv[i] = parted (node, onnx_emit_slice (node, x, 2, at, sizes[i], 1),
        heads);
  }
  a.q = qkv[0];
  a.k = behind_past (node, half_of (node, past, 0), qkv[1]);
  a.v = behind_past (node, half_of (node, past, 1), qkv[2]);
  measure (&a, half_of (node, past, 0));
  emit_present (&a);
  emit_attention (&a, mask, bias, 0);
}

/* Attention (x, the matrix of all three projections, their bias, mask, past,
 * scores to add). */
void
onnx_map_packed_attention (OnnxNode *node)
{
  const int rank = onnx_node_rank (node, 1);

  refuse_inputs (node, 6);
  if (onnx_node_int (node, "do_rotary", 0) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "places that are turned "
        "inside of it (do_rotary) are not supported: use RotaryEmbedding");
  if (!onnx_node_input (node, 0) || rank != 2)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its weights are no matrix");
  if (!node->error)
    emit_packed (node, sum_or_value (node, onnx_whole_binary (node,
                DCNN_OP_MATMUL, node->inputs[0], node->inputs[1]), 2), 3, 4,
        5);
}

/* QAttention (x, weights, bias, their scales, mask, their zero points, past):
 * the same of integers, of which the scales may be computed. */
void
onnx_map_quantised_attention (OnnxNode *node)
{
  DcnnValueId pair[2] = { -1, -1 }, x;

  refuse_inputs (node, 9);
  if (onnx_node_int (node, "do_rotary", 0) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "places that are turned "
        "inside of it (do_rotary) are not supported: use RotaryEmbedding");
  for (int i = 0; i < 2; i++) {
    if (!onnx_node_input (node, i) || !onnx_node_input (node, 3 + i))
      onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs a value, weights and "
          "their scales");
    if (node->error)
      return;
    pair[i] = onnx_whole_centred (node, i, 6 + i,
        i == 0 ? 0 : MAX (onnx_node_rank (node, 1) - 1, 0));
  }
  x = onnx_whole_binary (node, DCNN_OP_MUL, node->inputs[3], node->inputs[4]);
  x = onnx_whole_binary (node, DCNN_OP_MUL, onnx_node_map_as (node, "MatMul",
          2, pair), x);
  emit_packed (node, sum_or_value (node, x, 2), 5, 8, 0);
}

/* Part i of all in x [images, tokens, heads, all, width], with its bias of
 * width heads * width at `at`, as [images, heads, tokens, width]. */
static DcnnValueId
unpacked (OnnxNode *node, DcnnValueId x, int i, gint64 at)
{
  const DcnnTensor t = onnx_emit_shape_of (node, x);
  const gint64 flat[3] = { t.dims[0], t.dims[1], t.dims[2] * t.dims[4] };

  x = onnx_emit_reshape (node, onnx_emit_slice (node, x, 3, i, 1, 1), 3, flat);
  if (onnx_node_input (node, 3))
    x = onnx_whole_binary (node, DCNN_OP_ADD, x, onnx_emit_slice (node,
            node->inputs[3], 0, at, flat[2], 1));
  return parted (node, x, t.dims[2]);
}

/* Queries, keys and values of MultiHeadAttention as [images, heads, tokens,
 * width]: three of rank 3; one of rank 5 in place of all, or of keys and
 * values; keys and values that are as they are to be. */
static void
read_heads (OnnxNode *node, DcnnValueId qkv[3])
{
  const gint64 heads = onnx_node_int (node, "num_heads", 0);
  gint64 at = 0;

  for (int i = 0, from = 0; i < 3 && !node->error; i++) {
    const DcnnTensor *t = onnx_node_input (node, i);
    const gboolean packed = !t && i > from;
    const DcnnTensor x = packed ? *onnx_node_input (node, from)
        : t ? *t : (DcnnTensor) { .rank = 0 };

    if (!packed)
      from = i;
    if (x.rank == 5 && x.dims[2] == heads && x.dims[3] == 3 - from) {
      qkv[i] = unpacked (node, node->inputs[from], i - from, at);
      at += x.dims[2] * x.dims[4];
    } else if (x.rank == 4 && i > 0 && !packed && x.dims[1] == heads) {
      qkv[i] = node->inputs[i];
    } else if (x.rank == 3 && !packed) {
      qkv[i] = node->inputs[i];
      if (onnx_node_input (node, 3))
        qkv[i] = onnx_whole_binary (node, DCNN_OP_ADD, qkv[i],
            onnx_emit_slice (node, node->inputs[3], 0, at, x.dims[2], 1));
      at += x.dims[2];
      qkv[i] = parted (node, qkv[i], heads);
    } else {
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its queries, keys and values "
          "(input %d) are in none of the forms that it may have", i);
    }
  }
}

/* MultiHeadAttention (q, k, v, the biases of all three, mask, scores to add,
 * past keys, past values). */
void
onnx_map_multi_head (OnnxNode *node)
{
  DcnnValueId qkv[3] = { -1, -1, -1 }, past[2];
  Attention a = { .node = node };

  refuse_inputs (node, 8);
  for (int i = 0; i < 2; i++)
    past[i] = onnx_node_input (node, 6 + i) ? node->inputs[6 + i] : -1;
  if ((past[0] < 0) != (past[1] < 0))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "one of past_key and past_value "
        "is missing");
  read_heads (node, qkv);
  a.q = qkv[0];
  a.k = behind_past (node, past[0], qkv[1]);
  a.v = behind_past (node, past[1], qkv[2]);
  measure (&a, past[0]);
  onnx_emit_output (node, 1, a.k);
  onnx_emit_output (node, 2, a.v);
  emit_attention (&a, 4, 5, 3);
}
