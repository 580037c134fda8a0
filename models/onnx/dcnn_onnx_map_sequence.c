/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_onnx_map_sequence.c - sequences that one tensor is parted into: the value
 * stays whole, and who asks for a part of it gets a slice.
 */
#include "dcnn_onnx_emit.h"

#include "ref_util.h"

/* How a value is parted along an axis: each part as long as the others but for
 * the last one, or so many of given sizes. */
typedef struct Parts {
  int axis;
  gboolean squeezed; /* parts of one element, without the axis */
  gint64 length, each; /* of the axis; of a part, 0: sizes */
  gint64 n, sizes[ONNX_MAX_NUMBERS];
} Parts;

/* Sizes as the second operand has them; FALSE: a failure. */
static gboolean
take_sizes (OnnxNode *node, Parts *parts)
{
  const DcnnTensor *given = onnx_node_input (node, 1);
  gint64 sum = 0;
  int n;

  if (!given) {
    parts->each = 1;
    parts->squeezed = onnx_node_int (node, "keepdims", 1) == 0;
  } else {
    (void) onnx_node_int (node, "keepdims", 1); /* means nothing then */
    n = onnx_node_input_ints (node, 1, parts->sizes);
    if (node->error)
      return FALSE;
    parts->each = given->rank == 0 && n == 1 ? parts->sizes[0] : 0;
    for (int i = 0; i < n && given->rank > 0; i++) {
      if (parts->sizes[i] < 0 || parts->sizes[i] > parts->length - sum)
        sum = parts->length + 1; /* of more than there is */
      else
        sum += parts->sizes[i];
    }
    parts->n = n;
    if (given->rank == 0 ? parts->each < 1 : sum != parts->length)
      onnx_node_fail (node, DCNN_ERROR_INVALID, "its sizes do not part an axis "
          "of %" G_GINT64_FORMAT, parts->length);
  }
  if (parts->each > 0)
    parts->n = (parts->length - 1) / parts->each + 1;
  return !node->error;
}

void
onnx_map_split_to_sequence (OnnxNode *node)
{
  const DcnnTensor *x = onnx_node_input (node, 0);
  Parts parts = { 0 };

  parts.axis = (int) onnx_node_axis (node, onnx_node_int (node, "axis", 0),
      onnx_node_rank (node, 0));
  if (node->error)
    return;
  parts.length = x->dims[parts.axis];
  if (!take_sizes (node, &parts) || !node->outputs[0])
    return;
  g_hash_table_replace (node->loader->sequences, (gpointer) node->outputs[0],
      g_memdup2 (&parts, sizeof parts));
  onnx_node_emit (node, DCNN_OP_IDENTITY, NULL, 1, NULL);
}

void
onnx_map_sequence_at (OnnxNode *node)
{
  const Parts *parts = node->proto->n_input > 0 ? g_hash_table_lookup (
      node->loader->sequences, node->proto->input[0]) : NULL;
  gint64 positions[ONNX_MAX_NUMBERS], dims[DCNN_MAX_RANK], start = 0, count, at;
  DcnnTensor shape;
  DcnnValueId part;
  int rank = 0;

  if (!parts)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "its first input is no sequence");
  if (onnx_node_input_ints (node, 1, positions) != 1)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "it needs one position");
  if (node->error)
    return;
  at = positions[0] < 0 && positions[0] >= -parts->n ? positions[0] + parts->n :
      positions[0];
  if (at < 0 || at >= parts->n)
    onnx_node_fail (node, DCNN_ERROR_INVALID, "there is no part %"
        G_GINT64_FORMAT " of %" G_GINT64_FORMAT, positions[0], parts->n);
  if (node->error)
    return;
  for (gint64 i = 0; parts->each == 0 && i < at; i++)
    start += parts->sizes[i];
  start += at * parts->each;
  count = parts->each == 0 ? parts->sizes[at] : MIN (parts->each, parts->length -
      start);
  part = onnx_emit_slice (node, node->inputs[0], parts->axis, start, count, 1);
  shape = onnx_emit_shape_of (node, part);
  if (parts->squeezed) {
    for (int i = 0; i < shape.rank; i++)
      if (i != parts->axis)
        dims[rank++] = shape.dims[i];
    part = onnx_emit_reshape (node, part, rank, dims);
  }
  (void) onnx_emit_output (node, 0, part);
}

gboolean
onnx_is_sequence (const OnnxLoader *loader, const char *name)
{
  return name && g_hash_table_contains (loader->sequences, name);
}
