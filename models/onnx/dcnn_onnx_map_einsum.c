/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_einsum.c - Einsum of two operands as a product of matrices: each
 * operand's letters in the order shared, own, summed over, and the result's put
 * back into the order that is asked for. Of one: sums and a Transpose.
 */
#include "dcnn_onnx_node.h"

#include <string.h>

#define MOST_LETTERS DCNN_MAX_RANK

/* A side of the equation. */
typedef struct Side {
  char letters[MOST_LETTERS + 1];
  int n;
} Side;

static gboolean
read_side (const char **at, const char *end, Side *side)
{
  side->n = 0;
  for (; *at < end && **at != ',' && **at != '-'; ++*at) {
    if (**at == ' ')
      continue;
    if (!g_ascii_isalpha (**at) || side->n == MOST_LETTERS ||
        memchr (side->letters, **at, (size_t) side->n))
      return FALSE;
    side->letters[side->n++] = **at;
  }
  return TRUE;
}

/* "ab,bc->ac": two sides and what they come to. Without an arrow: the letters
 * that occur once, in the alphabet's order. */
static gboolean
read_equation (const char *at, const char *end, Side sides[3], int *n)
{
  *n = 0;
  for (;;) {
    if (*n == 2 || !read_side (&at, end, &sides[(*n)++]))
      return FALSE;
    if (at == end || *at != ',')
      break;
    at++;
  }
  if (at == end) {
    sides[2].n = 0;
    for (int c = 'A'; c <= 'z'; c++) {
      int times = 0;
      for (int i = 0; i < *n; i++)
        times += memchr (sides[i].letters, c, (size_t) sides[i].n) != NULL;
      if (times == 1 && sides[2].n == MOST_LETTERS)
        return FALSE;
      if (times == 1)
        sides[2].letters[sides[2].n++] = (char) c;
    }
    return TRUE;
  }
  if (end - at < 2 || at[1] != '>')
    return FALSE;
  at += 2;
  return read_side (&at, end, &sides[2]) && at == end;
}

static int
place_of (const Side *side, char letter)
{
  const char *found = memchr (side->letters, letter, (size_t) side->n);

  return found ? (int) (found - side->letters) : -1;
}

/* Adds the letters of a side that are in `with` (or not) and in the result (or
 * not). */
static void
gather (const Side *side, const Side *with, gboolean shared,
    const Side *result, gboolean kept, Side *to)
{
  for (int i = 0; i < side->n; i++)
    if ((place_of (with, side->letters[i]) >= 0) == shared &&
        (place_of (result, side->letters[i]) >= 0) == kept)
      to->letters[to->n++] = side->letters[i];
}

/* The value with its dimensions in the order of letters. */
static DcnnValueId
ordered (OnnxNode *node, DcnnValueId value, const Side *side, const Side *order)
{
  DcnnParams params = { 0 };
  gboolean same = TRUE;

  for (int i = 0; i < order->n; i++) {
    params.transpose.perm[i] = place_of (side, order->letters[i]);
    same &= params.transpose.perm[i] == i;
  }
  return same || node->error ? value
      : onnx_node_emit_inner (node, DCNN_OP_TRANSPOSE, &params, 1, &value,
          NULL);
}

/* A dimension of a letter, by the operands. */
static gint64
size_of (const OnnxNode *node, const Side sides[2], char letter)
{
  gint64 size = 1;

  for (int i = 0; i < 2; i++) {
    const int d = place_of (&sides[i], letter);
    if (d >= 0 && onnx_node_input (node, i)->dims[d] != 1)
      size = onnx_node_input (node, i)->dims[d];
  }
  return size;
}

static gint64
sizes_of (const OnnxNode *node, const Side sides[2], const Side *letters)
{
  gint64 size = 1;

  for (int i = 0; i < letters->n; i++)
    size *= size_of (node, sides, letters->letters[i]);
  return size;
}

static void
append (Side *to, const Side *letters)
{
  for (int i = 0; i < letters->n; i++)
    to->letters[to->n++] = letters->letters[i];
}

/* One operand as matrices: [shared, rows, columns]. */
static DcnnValueId
as_matrices (OnnxNode *node, int i, const Side sides[2], const Side *shared,
    const Side *rows, const Side *columns)
{
  DcnnTensor shape = { .rank = 3, .dims = { sizes_of (node, sides, shared),
      sizes_of (node, sides, rows), sizes_of (node, sides, columns) } };
  Side order = *shared;
  DcnnValueId v;

  append (&order, rows);
  append (&order, columns);
  v = ordered (node, node->inputs[i], &sides[i], &order);
  return node->error ? -1 : onnx_node_emit_inner (node, DCNN_OP_RESHAPE, NULL,
      1, &v, &shape);
}

/* Operand i with its own dimensions as they are, and those that are summed over
 * as one behind them. */
static DcnnValueId
as_rows (OnnxNode *node, int i, const Side sides[2], const Side *own,
    const Side *inner)
{
  DcnnTensor shape = { .rank = own->n + 1 };
  Side order = *own;
  DcnnValueId v;

  append (&order, inner);
  v = ordered (node, node->inputs[i], &sides[i], &order);
  for (int d = 0; d < own->n; d++)
    shape.dims[d] = size_of (node, sides, own->letters[d]);
  shape.dims[own->n] = sizes_of (node, sides, inner);
  return inner->n == 1 || node->error ? v : onnx_node_emit_inner (node,
      DCNN_OP_RESHAPE, NULL, 1, &v, &shape);
}

/* A product whose dimensions come to those of letters, as the node's output. */
static void
emit_result (OnnxNode *node, const Side sides[3], const DcnnValueId pair[2],
    const Side *letters)
{
  DcnnTensor shape = { .rank = letters->n };
  DcnnParams params = { 0 };
  DcnnValueId v = node->error ? -1 : onnx_node_emit_inner (node,
      DCNN_OP_MATMUL, NULL, 2, pair, NULL);

  if (node->error)
    return;
  for (int i = 0; i < letters->n; i++)
    shape.dims[i] = size_of (node, sides, letters->letters[i]);
  v = onnx_node_emit_inner (node, DCNN_OP_RESHAPE, NULL, 1, &v, &shape);
  for (int i = 0; i < sides[2].n; i++)
    params.transpose.perm[i] = place_of (letters, sides[2].letters[i]);
  node->inputs[0] = v;
  if (!node->error)
    onnx_node_emit (node, letters->n > 1 ? DCNN_OP_TRANSPOSE
        : DCNN_OP_IDENTITY, letters->n > 1 ? &params : NULL, 1, NULL);
}

/* Operands without a letter in common that stays: rows of the one that is
 * computed by a matrix of the other, as matrices of weights on maps are. */
static void
emit_by_weights (OnnxNode *node, const Side sides[3], int data,
    const Side own[2], const Side *inner)
{
  const Side none = { .n = 0 };
  DcnnValueId pair[2];
  Side letters = own[data];

  pair[0] = as_rows (node, data, sides, &own[data], inner);
  pair[1] = as_matrices (node, 1 - data, sides, &none, inner, &own[1 - data]);
  if (!node->error)
    pair[1] = onnx_node_emit_inner (node, DCNN_OP_RESHAPE, NULL, 1, &pair[1],
        &(DcnnTensor) { .rank = 2, .dims = { sizes_of (node, sides, inner),
            sizes_of (node, sides, &own[1 - data]) } });
  append (&letters, &own[1 - data]);
  emit_result (node, sides, pair, &letters);
}

static void
emit_product (OnnxNode *node, const Side sides[3])
{
  Side shared = { .n = 0 }, own[2] = { { .n = 0 }, { .n = 0 } };
  Side inner = { .n = 0 };
  DcnnValueId pair[2];

  gather (&sides[0], &sides[1], TRUE, &sides[2], TRUE, &shared);
  gather (&sides[0], &sides[1], TRUE, &sides[2], FALSE, &inner);
  gather (&sides[0], &sides[1], FALSE, &sides[2], TRUE, &own[0]);
  gather (&sides[1], &sides[0], FALSE, &sides[2], TRUE, &own[1]);
  for (int i = 0; i < 2; i++)
    if (shared.n == 0 && inner.n > 0 && own[i].n > 0 &&
        own[i].n < MOST_LETTERS && !onnx_node_input (node, i)->data) {
      emit_by_weights (node, sides, i, own, &inner);
      return;
    }
  pair[0] = as_matrices (node, 0, sides, &shared, &own[0], &inner);
  pair[1] = as_matrices (node, 1, sides, &shared, &inner, &own[1]);
  append (&shared, &own[0]);
  append (&shared, &own[1]);
  emit_result (node, sides, pair, &shared);
}

/* One operand: sums, and another order. */
static void
emit_sum (OnnxNode *node, const Side *side, const Side *result)
{
  DcnnParams sum = { 0 }, order = { 0 };
  Side left = { .n = 0 };
  DcnnValueId v = node->inputs[0];

  for (int i = 0; i < side->n; i++)
    if (place_of (result, side->letters[i]) < 0)
      sum.reduce.axes |= 1u << i;
    else
      left.letters[left.n++] = side->letters[i];
  if (sum.reduce.axes != 0)
    v = onnx_node_emit_inner (node, DCNN_OP_REDUCE_SUM, &sum, 1, &v, NULL);
  for (int i = 0; i < left.n; i++)
    order.transpose.perm[i] = place_of (&left, result->letters[i]);
  node->inputs[0] = v;
  if (!node->error)
    onnx_node_emit (node, left.n > 1 ? DCNN_OP_TRANSPOSE : DCNN_OP_IDENTITY,
        left.n > 1 ? &order : NULL, 1, NULL);
}

/* Whether the result's letters are the operands', and each operand has as many
 * as dimensions; of two: whether all that are summed over are in both. */
static gboolean
is_supported (const OnnxNode *node, const Side sides[3], int n)
{
  for (int i = 0; i < sides[2].n; i++)
    if (place_of (&sides[0], sides[2].letters[i]) < 0 && (n == 1 ||
        place_of (&sides[1], sides[2].letters[i]) < 0))
      return FALSE;
  for (int i = 0; i < n; i++) {
    const DcnnTensor *t = onnx_node_input (node, i);
    if (!t || t->rank != sides[i].n)
      return FALSE;
  }
  for (int i = 0; n == 2 && i < 2; i++)
    for (int k = 0; k < sides[i].n; k++) {
      const char letter = sides[i].letters[k];
      if ((place_of (&sides[2], letter) < 0 &&
              place_of (&sides[1 - i], letter) < 0) ||
          onnx_node_input (node, i)->dims[k] != size_of (node, sides, letter))
        return FALSE;
    }
  return TRUE;
}

/* One or two operands. */
void
onnx_map_einsum (OnnxNode *node)
{
  const Onnx__AttributeProto *a = onnx_node_attribute (node, "equation");
  const char *text = a && a->s.len ? (const char *) a->s.data : "";
  Side sides[3] = { { .n = 0 } };
  int n;

  if (!read_equation (text, text + (a ? a->s.len : 0), sides, &n) ||
      n != node->n_inputs || !is_supported (node, sides, n))
    onnx_node_fail (node, DCNN_ERROR_UNSUPPORTED, "equation '%.*s': one or two "
        "operands are supported, each letter once in each, those of two summed "
        "over where both have it: export it as MatMul and Transpose",
        (int) MIN (a ? a->s.len : 0, 60), text);
  else if (n == 1)
    emit_sum (node, &sides[0], &sides[2]);
  else
    emit_product (node, sides);
}
