/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_attention.c - Attention and RotaryEmbedding (opset 23 and
 * later), by products, softmax and moves. Who may look at whom is a sum behind
 * the first product: 0 or -infinity.
 */
#include "dcnn_onnx_emit.h"
#include "dcnn_onnx_whole.h"

#include <math.h>

#include "ref_util.h"

/* Inputs of Attention. */
enum { QUERY, KEY, VALUE, MASK, PAST_KEY, PAST_VALUE, FILLED };

typedef struct Attention {
  OnnxNode *node;
  DcnnValueId q, k, v;       /* [images, heads, positions, width] */
  gint64 queries, keys;      /* positions */
  gint64 past;               /* keys that lie before the first query */
  gboolean causal;
  gint64 before, after;      /* how far a query sees; -1: all */
} Attention;

/* Input i as [images, heads, positions, width]. */
static DcnnValueId
heads_of (OnnxNode *node, int i, const char *attribute)
{
  static const int perm[4] = { 0, 2, 1, 3 };
  const DcnnTensor *t = onnx_node_input (node, i);
  gint64 heads = onnx_node_int (node, attribute, 0);
  gint64 parted[4];
  DcnnValueId x;

  if (t && t->rank == 4)
    return node->inputs[i];
  if (!t || t->rank != 3 || heads < 1 || t->dims[2] % heads) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its input %d is no rank 4, nor "
        "of rank 3 with %s heads", i, attribute);
    return -1;
  }
  parted[0] = t->dims[0];
  parted[1] = t->dims[1];
  parted[2] = heads;
  parted[3] = t->dims[2] / heads;
  x = onnx_emit_reshape (node, node->inputs[i], 4, parted);
  return onnx_emit_transpose (node, x, 4, perm);
}

/* Every head as often as it has queries' heads, side by side. */
static DcnnValueId
repeated (OnnxNode *node, DcnnValueId x, gint64 times)
{
  const DcnnTensor t = onnx_emit_shape_of (node, x);
  gint64 one[5] = { t.dims[0], t.dims[1], 1, t.dims[2], t.dims[3] };
  gint64 all[4] = { t.dims[0], t.dims[1] * times, t.dims[2], t.dims[3] };
  DcnnTensor wide = { .rank = 5, .dims = { t.dims[0], t.dims[1], times,
      t.dims[2], t.dims[3] } };

  if (times == 1 || x < 0)
    return x;
  x = onnx_emit_reshape (node, x, 5, one);
  x = onnx_node_emit_inner (node, DCNN_OP_EXPAND, NULL, 1, &x, &wide);
  return onnx_emit_reshape (node, x, 4, all);
}

static void
read_operands (Attention *a)
{
  OnnxNode *node = a->node;
  DcnnTensor q, k;
  DcnnValueId pair[2];

  a->q = heads_of (node, QUERY, "q_num_heads");
  a->k = heads_of (node, KEY, "kv_num_heads");
  a->v = heads_of (node, VALUE, "kv_num_heads");
  if (!onnx_node_input (node, PAST_KEY) != !onnx_node_input (node, PAST_VALUE))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "one of past_key and past_value "
        "is missing");
  if (!node->error && onnx_node_input (node, PAST_KEY)) {
    a->past = onnx_emit_shape_of (node, node->inputs[PAST_KEY]).dims[2];
    pair[0] = node->inputs[PAST_KEY];
    pair[1] = a->k;
    a->k = onnx_emit_join (node, 2, pair, 2);
    pair[0] = node->inputs[PAST_VALUE];
    pair[1] = a->v;
    a->v = onnx_emit_join (node, 2, pair, 2);
  }
  onnx_emit_output (node, 1, a->k);
  onnx_emit_output (node, 2, a->v);
  q = onnx_emit_shape_of (node, a->q);
  k = onnx_emit_shape_of (node, a->k);
  a->queries = q.dims[2];
  a->keys = k.dims[2];
  if (!node->error && (k.dims[1] < 1 || q.dims[1] % k.dims[1]
          || q.dims[3] != k.dims[3] || q.dims[3] < 1))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "heads of its Q and K do not fit");
  if (node->error)
    return;
  a->k = repeated (node, a->k, q.dims[1] / k.dims[1]);
  a->v = repeated (node, a->v, q.dims[1] / k.dims[1]);
}

/* Whether query i sees key j, of which there are `filled` (-1: all). */
static gboolean
sees (const Attention *a, gint64 i, gint64 j, gint64 filled)
{
  gint64 at = i + (filled < 0 ? a->past : filled - a->queries);

  return !(a->causal && j > at) && !(a->before >= 0 && at - j > a->before)
      && !(a->after >= 0 && j - at > a->after) && !(filled >= 0 && j >= filled);
}

/* What the attributes and nonpad_kv_seqlen hide: a constant [images, 1,
 * queries, keys]; -1: nothing. */
static DcnnValueId
hidden_by_place (Attention *a)
{
  OnnxNode *node = a->node;
  const DcnnTensor *filled = onnx_node_input (node, FILLED);
  gint64 images = filled ? dcnn_tensor_count (filled) : 1;
  DcnnTensor t = { .dtype = DCNN_DTYPE_F32, .rank = 4,
    .dims = { images, 1, a->queries, a->keys } };

  if (filled && !filled->data)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "nonpad_kv_seqlen is no "
        "constant: export without a cache of keys, or with attn_mask");
  if (node->error || (!filled && !a->causal && a->before < 0 && a->after < 0)
      || !onnx_node_alloc (node, &t))
    return -1;
  for (gint64 n = 0, at = 0; n < images; n++)
    for (gint64 i = 0; i < a->queries; i++)
      for (gint64 j = 0; j < a->keys; j++, at++)
        dcnn_ref_set (&t, at, sees (a, i, j, filled
                ? dcnn_ref_get_int (filled, n) : -1) ? 0 : -INFINITY);
  return onnx_whole_constant (node, &t);
}

/* attn_mask as a sum, as wide as there are keys; -1: absent. */
static DcnnValueId
hidden_by_mask (Attention *a)
{
  OnnxNode *node = a->node;
  DcnnParams pad = { .pad = { .value = -INFINITY } };
  DcnnValueId x = onnx_node_input (node, MASK) ? node->inputs[MASK] : -1;
  const DcnnTensor mask = onnx_emit_shape_of (node, x);
  int last = mask.rank - 1;
  gint64 missing;

  if (x < 0 || node->error)
    return -1;
  if (last < 0) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its attn_mask has no "
        "dimension");
    return -1;
  }
  missing = a->keys - mask.dims[last];
  if (mask.dtype == DCNN_DTYPE_BOOL)
    x = onnx_emit_where (node, x, onnx_whole_number (node, 0),
        onnx_whole_number (node, -INFINITY));
  if (missing <= 0 || mask.dims[last] == 1)
    return x;
  pad.pad.end[last] = missing;
  return onnx_node_emit_inner (node, DCNN_OP_PAD, &pad, 1, &x, NULL);
}

/* Whether a value is a constant of zeros. */
static gboolean
is_never (const OnnxNode *node, DcnnValueId x)
{
  const DcnnTensor *t = node->error || x < 0 ? NULL :
      &dcnn_graph_value (node->loader->graph, x)->tensor;

  if (!t || !t->data)
    return FALSE;
  for (gint64 i = 0, n = dcnn_tensor_count (t); i < n; i++)
    if (dcnn_ref_get_int (t, i) != 0)
      return FALSE;
  return TRUE;
}

/* Softmax of the scores; a query that sees no key has none. */
static DcnnValueId
shares_of (Attention *a, DcnnValueId scores, DcnnValueId hidden)
{
  OnnxNode *node = a->node;
  const DcnnParams last = { .axis = { .axis = 3 } };
  DcnnValueId shares = onnx_node_emit_inner (node, DCNN_OP_SOFTMAX, &last, 1,
      &scores, NULL);
  const DcnnTensor t = onnx_emit_shape_of (node, hidden);
  DcnnValueId most;

  if (hidden < 0 || t.rank < 1 || (!onnx_node_input (node, MASK)
          && !onnx_node_input (node, FILLED)))
    return shares;
  most = onnx_emit_reduce (node, DCNN_OP_REDUCE_MAX, hidden,
      1u << (t.rank - 1));
  most = onnx_whole_binary (node, DCNN_OP_EQUAL, most, onnx_whole_number (node,
          -INFINITY));
  return is_never (node, most) ? shares : onnx_emit_where (node, most,
      onnx_whole_number (node, 0), shares);
}

/* The scores, behind the softcap, behind the mask or the shares, as
 * qk_matmul_output_mode says. */
static DcnnValueId
attend (Attention *a)
{
  static const int perm[4] = { 0, 1, 3, 2 };
  OnnxNode *node = a->node;
  const DcnnTensor q = onnx_emit_shape_of (node, a->q);
  double cap = onnx_node_float (node, "softcap", 0);
  double scale = onnx_node_float (node, "scale", q.rank == 4
      ? 1 / sqrt ((double) q.dims[3]) : 1);
  gint64 shown = onnx_node_int (node, "qk_matmul_output_mode", 0);
  DcnnValueId stages[4], hidden = hidden_by_place (a);
  DcnnValueId mask = hidden_by_mask (a);

  stages[0] = onnx_whole_binary (node, DCNN_OP_MATMUL, onnx_whole_binary (node,
          DCNN_OP_MUL, a->q, onnx_whole_number (node, scale)),
      onnx_emit_transpose (node, a->k, 4, perm));
  stages[1] = cap <= 0 ? stages[0] : onnx_whole_binary (node, DCNN_OP_MUL,
      onnx_emit_unary (node, DCNN_OP_TANH, onnx_whole_binary (node,
              DCNN_OP_DIV, stages[0], onnx_whole_number (node, cap))),
      onnx_whole_number (node, cap));
  if (mask >= 0)
    hidden = hidden < 0 ? mask : onnx_whole_binary (node, DCNN_OP_ADD, hidden,
        mask);
  stages[2] = hidden < 0 ? stages[1] : onnx_whole_binary (node, DCNN_OP_ADD,
      stages[1], hidden);
  stages[3] = shares_of (a, stages[2], hidden);
  onnx_emit_output (node, 3, stages[CLAMP (shown, 0, 3)]);
  return onnx_whole_binary (node, DCNN_OP_MATMUL, stages[3], a->v);
}

void
onnx_map_attention (OnnxNode *node)
{
  static const int perm[4] = { 0, 2, 1, 3 };
  Attention a = { .node = node };
  DcnnValueId out;
  DcnnTensor t;

  if (g_strcmp0 (node->proto->domain, "com.microsoft") == 0) {
    onnx_map_packed_attention (node);
    return;
  }
  a.causal = onnx_node_int (node, "is_causal", 0) != 0;
  a.before = onnx_node_int (node, "left_window_size", -1);
  a.after = onnx_node_int (node, "right_window_size", -1);
  onnx_node_int (node, "softmax_precision", 0); /* float32, or more */
  read_operands (&a);
  out = attend (&a);
  if (onnx_node_rank (node, QUERY) == 3) {
    out = onnx_emit_transpose (node, out, 4, perm);
    t = onnx_emit_shape_of (node, out);
    out = onnx_emit_reshape (node, out, 3, (const gint64[]) { t.dims[0],
            t.dims[1], t.dims[2] * t.dims[3] });
  }
  onnx_emit_output (node, 0, out);
}

/* ---- places of tokens ------------------------------------------------------ */

/* A table of cosines or sines, input i, by position_ids where those are there:
 * [images, 1, positions, half], or with the heads' dimension last but one. */
static DcnnValueId
turns_of (OnnxNode *node, int i, gboolean heads_first)
{
  const DcnnParams rows = { .axis = { .axis = 0 } };
  DcnnValueId pair[2], x = node->inputs[i];
  DcnnTensor t;
  gint64 dims[4];

  if (!onnx_node_input (node, i)) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its input %d is missing", i);
    return -1;
  }
  if (onnx_node_input (node, 3)) {
    pair[0] = x;
    pair[1] = node->inputs[3];
    x = onnx_node_emit_inner (node, DCNN_OP_GATHER, &rows, 2, pair, NULL);
  }
  t = onnx_emit_shape_of (node, x);
  if (t.rank != 3) {
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its cosines or sines have rank "
        "%d, not 3", t.rank);
    return -1;
  }
  dims[0] = t.dims[0];
  dims[1] = heads_first ? 1 : t.dims[1];
  dims[2] = heads_first ? t.dims[1] : 1;
  dims[3] = t.dims[2];
  return onnx_emit_reshape (node, x, 4, dims);
}

/* x [.., .., .., 2 half], turned pair by pair. */
static DcnnValueId
turned (OnnxNode *node, DcnnValueId x, DcnnValueId cosines, DcnnValueId sines,
    gboolean interleaved)
{
  const DcnnTensor t = onnx_emit_shape_of (node, x);
  gint64 half = t.dims[3] / 2, column[5] = { t.dims[0], t.dims[1], t.dims[2],
    half, 1 };
  DcnnValueId a = onnx_emit_slice (node, x, 3, 0, half, interleaved ? 2 : 1);
  DcnnValueId b = onnx_emit_slice (node, x, 3, interleaved ? 1 : half, half,
      interleaved ? 2 : 1);
  DcnnValueId pair[2];

  pair[0] = onnx_whole_binary (node, DCNN_OP_SUB, onnx_whole_binary (node,
          DCNN_OP_MUL, a, cosines), onnx_whole_binary (node, DCNN_OP_MUL, b,
          sines));
  pair[1] = onnx_whole_binary (node, DCNN_OP_ADD, onnx_whole_binary (node,
          DCNN_OP_MUL, a, sines), onnx_whole_binary (node, DCNN_OP_MUL, b,
          cosines));
  if (!interleaved)
    return onnx_emit_join (node, 2, pair, 3);
  pair[0] = onnx_emit_reshape (node, pair[0], 5, column);
  pair[1] = onnx_emit_reshape (node, pair[1], 5, column);
  return onnx_emit_reshape (node, onnx_emit_join (node, 2, pair, 4), 4,
      t.dims);
}

/* com.microsoft's operator has its tables behind the positions, of which one
 * may stand for the first: as ONNX's has them. */
static void
reorder_inputs (OnnxNode *node)
{
  const DcnnTensor *in = onnx_node_input (node, 0);
  const DcnnTensor *at = onnx_node_input (node, 1);
  const DcnnTensor *table = onnx_node_input (node, 2);
  const DcnnTensor x = in ? *in : (DcnnTensor) { .rank = 0 };
  DcnnTensor places = { .dtype = DCNN_DTYPE_I64, .rank = 2,
    .dims = { x.dims[0], x.rank == 4 ? x.dims[2] : x.dims[1] } };
  DcnnValueId ids = node->inputs[1];

  onnx_node_float (node, "scale", 1); /* ONNX Runtime does not look at it */
  if (onnx_node_int (node, "is_packed_batching", 0) != 0)
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "images of several lengths "
        "(is_packed_batching) are not supported");
  if (x.rank < 3 || !at || !table || table->rank != 2)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs a value of rank 3 or "
        "4, positions and two tables");
  if (node->error)
    return;
  if (dcnn_tensor_count (at) == 1 && onnx_node_alloc (node, &places)) {
    for (gint64 i = 0, n = dcnn_tensor_count (&places); i < n; i++)
      dcnn_ref_set_int (&places, i, i % places.dims[1]);
    ids = onnx_whole_binary (node, DCNN_OP_ADD, onnx_whole_constant (node,
            &places), ids);
  }
  node->inputs[1] = node->inputs[2];
  node->inputs[2] = node->inputs[3];
  node->inputs[3] = ids;
}

void
onnx_map_rotary_embedding (OnnxNode *node)
{
  const DcnnTensor *in = onnx_node_input (node, 0);
  const DcnnTensor given = in ? *in : (DcnnTensor) { .rank = 0 };
  gint64 heads = onnx_node_int (node, "num_heads", 0);
  gint64 turning = onnx_node_int (node, "rotary_embedding_dim", 0);
  gboolean interleaved = onnx_node_int (node, "interleaved", 0) != 0;
  DcnnValueId x = node->inputs[0], cosines, sines, parts[2];
  DcnnTensor t;

  if (g_strcmp0 (node->proto->domain, "com.microsoft") == 0) {
    reorder_inputs (node);
    if (heads == 0 && given.rank == 3 && onnx_node_input (node, 1))
      heads = given.dims[2] / MAX (2 * onnx_node_input (node, 1)->dims[1], 1);
  }
  if (given.rank == 3 && heads > 0 && given.dims[2] % heads == 0)
    x = onnx_emit_reshape (node, x, 4, (const gint64[]) { given.dims[0],
            given.dims[1], heads, given.dims[2] / heads });
  else if (given.rank != 4)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its input is no rank 4, nor of "
        "rank 3 with num_heads heads");
  t = onnx_emit_shape_of (node, x);
  turning = turning == 0 ? t.dims[3] : turning;
  cosines = turns_of (node, 1, given.rank == 4);
  sines = turns_of (node, 2, given.rank == 4);
  if (!node->error && (turning < 2 || turning > t.dims[3] || turning % 2
          || onnx_emit_shape_of (node, cosines).dims[3] != turning / 2
          || onnx_emit_shape_of (node, sines).dims[3] != turning / 2))
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its cosines or sines are not "
        "half as many as the %" G_GINT64_FORMAT " numbers it turns", turning);
  if (node->error)
    return;
  parts[0] = turned (node, onnx_emit_slice (node, x, 3, 0, turning, 1),
      cosines, sines, interleaved);
  if (turning < t.dims[3]) {
    parts[1] = onnx_emit_slice (node, x, 3, turning, t.dims[3] - turning, 1);
    parts[0] = onnx_emit_join (node, 2, parts, 3);
  }
  onnx_emit_output (node, 0, given.rank == 3 ? onnx_emit_reshape (node,
          parts[0], 3, given.dims) : parts[0]);
}
