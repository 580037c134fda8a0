/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_shuffle.c - pixel shuffles as exporters spell them:
 *
 *   Reshape [1,C,r,r,H,W], Transpose (0,1,4,2,5,3), Reshape [1,C,rH,rW]
 *   Reshape [1,r,r,C,H,W], Transpose (0,3,4,1,5,2), Reshape [1,C,rH,rW]
 *     -> DepthToSpace
 *
 * The planner would find most of them by tracing, but not where the result is
 * an output of the network, as in super-resolution.
 *
 *   DepthToSpace, then Clip, Tanh and others of each number alone
 *     -> these, then DepthToSpace: a convolution before takes them in, and its
 *        map has more channels, so fewer of those that only fill up
 */
#include "dcnn_plan.h"

#include <string.h>

static const DcnnTensor *
tensor_of (const DcnnGraph *graph, DcnnValueId value)
{
  return &dcnn_graph_value (graph, value)->tensor;
}

/* The only reader of a node's only output, when it is of that op; -1. */
static gint
next_of (const DcnnGraph *graph, const gint *readers, const DcnnNode *node,
    DcnnOp op)
{
  gint next = readers[node->outputs[0]];

  return next >= 0 && dcnn_graph_node (graph, next)->op == op ? next : -1;
}

/* Whether the three shapes are those of a shuffle of blocks r, in that order;
 * block: where r is in the six dimensions, channel: where C is. */
static gboolean
is_shuffle (const DcnnTensor *in, const DcnnTensor *open,
    const DcnnTensor *out, int block, int channel)
{
  gint64 r = open->dims[block];

  return in->rank == 4 && open->rank == 6 && out->rank == 4 && r > 1 &&
      in->dims[0] == 1 && open->dims[0] == 1 && out->dims[0] == 1 &&
      open->dims[block + 1] == r && in->dims[1] == open->dims[channel] * r * r &&
      open->dims[4] == in->dims[2] && open->dims[5] == in->dims[3] &&
      out->dims[1] == open->dims[channel] && out->dims[2] == in->dims[2] * r &&
      out->dims[3] == in->dims[3] * r;
}

static void
shuffle_from (DcnnGraph *graph, const gint *readers, DcnnNode *open)
{
  static const int crd[6] = { 0, 1, 4, 2, 5, 3 }, dcr[6] = { 0, 3, 4, 1, 5, 2 };
  gint swap = next_of (graph, readers, open, DCNN_OP_TRANSPOSE), close;
  const DcnnTensor *in = tensor_of (graph, open->inputs[0]), *mid, *out;
  gboolean is_crd;
  DcnnNode *last;
  const int *perm;

  if (swap < 0 || in->dtype != DCNN_DTYPE_F32)
    return;
  close = next_of (graph, readers, dcnn_graph_node (graph, swap),
      DCNN_OP_RESHAPE);
  if (close < 0)
    return;
  last = dcnn_graph_node (graph, close);
  mid = tensor_of (graph, open->outputs[0]);
  out = tensor_of (graph, last->outputs[0]);
  perm = dcnn_graph_node (graph, swap)->params.transpose.perm;
  is_crd = memcmp (perm, crd, sizeof crd) == 0 &&
      is_shuffle (in, mid, out, 2, 1);
  if (!is_crd && !(memcmp (perm, dcr, sizeof dcr) == 0 &&
          is_shuffle (in, mid, out, 1, 3)))
    return;
  last->op = DCNN_OP_DEPTH_TO_SPACE;
  memset (&last->params, 0, sizeof last->params);
  last->params.depth.block = mid->dims[is_crd ? 2 : 1];
  last->params.depth.crd = is_crd;
  last->inputs[0] = open->inputs[0];
  open->alive = dcnn_graph_node (graph, swap)->alive = FALSE;
}

/* Whether a node does something to each number of its first input alone. */
static gboolean
is_of_each (const DcnnGraph *graph, const DcnnNode *node)
{
  double number;

  switch (node->op) {
    case DCNN_OP_CLIP:
    case DCNN_OP_RELU:
    case DCNN_OP_LEAKY_RELU:
    case DCNN_OP_SIGMOID:
    case DCNN_OP_TANH:
      return TRUE;
    case DCNN_OP_ADD:
    case DCNN_OP_SUB:
    case DCNN_OP_MUL:
    case DCNN_OP_DIV:
      return node->inputs[1] >= 0 && tensor_of (graph, node->inputs[1])->rank
          <= 4 && dcnn_graph_scalar (graph, node->inputs[1], &number);
    default:
      return FALSE;
  }
}

/* A shuffle changes places with what alone reads it. FALSE: it does not. */
static gboolean
swap_shuffle (DcnnGraph *graph, const gint *readers, gint at, gint *next)
{
  DcnnNode *shuffle = dcnn_graph_node (graph, at), *other;
  DcnnValueId between = shuffle->outputs[0], in = shuffle->inputs[0];
  DcnnNode was;

  *next = readers[between];
  if (*next < 0)
    return FALSE;
  other = dcnn_graph_node (graph, *next);
  if (!other->alive || other->inputs[0] != between ||
      !is_of_each (graph, other))
    return FALSE;
  was = *shuffle;
  shuffle->op = other->op;
  shuffle->params = other->params;
  shuffle->inputs = other->inputs;
  shuffle->n_inputs = other->n_inputs;
  other->op = was.op;
  other->params = was.params;
  other->inputs = was.inputs;
  other->n_inputs = was.n_inputs;
  shuffle->inputs[0] = in;
  other->inputs[0] = between;
  memcpy (dcnn_graph_value (graph, between)->tensor.dims,
      tensor_of (graph, in)->dims, sizeof tensor_of (graph, in)->dims);
  return TRUE;
}

/* Nets of whole numbers have their steps where their bounds are known. */
static gboolean
has_rounding (const DcnnGraph *graph)
{
  for (guint n = 0; n < graph->nodes->len; n++)
    if (dcnn_graph_node (graph, n)->alive &&
        dcnn_graph_node (graph, n)->op == DCNN_OP_ROUND)
      return TRUE;
  return FALSE;
}

static void
swap_shuffles (DcnnGraph *graph)
{
  g_autofree gint *readers = dcnn_graph_find_readers (graph);

  for (guint n = 0; n < graph->nodes->len; n++) {
    gint at = (gint) n;
    while (dcnn_graph_node (graph, at)->alive &&
        dcnn_graph_node (graph, at)->op == DCNN_OP_DEPTH_TO_SPACE &&
        swap_shuffle (graph, readers, at, &at))
      continue;
  }
}

void
dcnn_passes_shuffle (DcnnGraph *graph)
{
  g_autofree gint *readers = dcnn_graph_find_readers (graph);

  for (guint n = 0; n < graph->nodes->len; n++) {
    DcnnNode *node = dcnn_graph_node (graph, n);
    if (node->alive && node->op == DCNN_OP_RESHAPE)
      shuffle_from (graph, readers, node);
  }
  if (!has_rounding (graph))
    swap_shuffles (graph);
}
