/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_repeats.c - pixels repeated, as exporters spell them, become a Resize:
 *
 *   Reshape [1,C,H,1,W], Tile or Expand [1,C,H,r,W], Reshape [1,C,rH,W], and
 *   the same for columns, with Transposes between and with the channels last
 *     -> Resize to the nearest pixel, and a Transpose where one is left
 *
 * A chain of these is followed with each dimension as the product of what it is
 * made of: dimensions of the map, and repetitions.
 */
#include "dcnn_plan.h"

#include <string.h>

#define MOST_PARTS 6
#define REPEATED -1

typedef struct Part {
  int of;      /* dimension of the map, or REPEATED */
  gint64 size; /* more than 1 */
} Part;

/* A tensor's dimensions, the parts of each from the outer to the inner. */
typedef struct Dims {
  int rank;
  int n[DCNN_MAX_RANK];
  Part parts[DCNN_MAX_RANK][MOST_PARTS];
} Dims;

/* What a chain comes to: dimension i of the result is dimension perm[i] of the
 * map, repeated. */
typedef struct Result {
  int perm[4];
  gint64 scale[4]; /* by dimension of the map */
} Result;

static const DcnnTensor *
tensor_of (const DcnnGraph *graph, DcnnValueId value)
{
  return &dcnn_graph_value (graph, value)->tensor;
}

static gboolean
push (Dims *dims, int at, int of, gint64 size)
{
  if (dims->n[at] == MOST_PARTS)
    return FALSE;
  dims->parts[at][dims->n[at]++] = (Part) { of, size };
  return TRUE;
}

static gboolean
reshape (Dims *dims, const DcnnTensor *to)
{
  const Dims from = *dims;
  int d = 0, k = 0;

  memset (dims, 0, sizeof *dims);
  dims->rank = to->rank;
  for (int i = 0; i < to->rank; i++)
    for (gint64 size = 1; size < to->dims[i]; k++) {
      for (; d < from.rank && k == from.n[d]; d++)
        k = 0;
      if (d == from.rank || !push (dims, i, from.parts[d][k].of,
              from.parts[d][k].size))
        return FALSE;
      size *= from.parts[d][k].size;
      if (size > to->dims[i])
        return FALSE; /* a dimension is cut */
    }
  return TRUE;
}

/* Tile and Expand: dimensions of 1 become n. */
static gboolean
widen (Dims *dims, const DcnnTensor *from, const DcnnTensor *to)
{
  const int more = to->rank - from->rank;
  const Dims before = *dims;

  if (more < 0)
    return FALSE;
  for (int i = 0; i < to->rank; i++) {
    const gint64 had = i < more ? 1 : from->dims[i - more];

    dims->n[i] = i < more ? 0 : before.n[i - more];
    if (i >= more)
      memcpy (dims->parts[i], before.parts[i - more], sizeof *dims->parts);
    if (had != to->dims[i] && (had != 1 || !push (dims, i, REPEATED,
                to->dims[i])))
      return FALSE;
  }
  dims->rank = to->rank;
  return TRUE;
}

static void
permute (Dims *dims, const int *perm)
{
  const Dims from = *dims;

  for (int i = 0; i < dims->rank; i++) {
    dims->n[i] = from.n[perm[i]];
    memcpy (dims->parts[i], from.parts[perm[i]], sizeof *dims->parts);
  }
}

static gboolean
follow (const DcnnGraph *graph, const DcnnNode *node, Dims *dims)
{
  const DcnnTensor *from = tensor_of (graph, node->inputs[0]);
  const DcnnTensor *to = tensor_of (graph, node->outputs[0]);

  switch (node->op) {
    case DCNN_OP_RESHAPE:
      return reshape (dims, to);
    case DCNN_OP_TILE:
    case DCNN_OP_EXPAND:
      return widen (dims, from, to);
    case DCNN_OP_TRANSPOSE:
      permute (dims, node->params.transpose.perm);
      return TRUE;
    default:
      return FALSE;
  }
}

/* Whether the dimensions are those of a map whose pixels are repeated. */
static gboolean
is_result (const Dims *dims, Result *result)
{
  gboolean used[4] = { FALSE };
  int repeated = 0, next = 0;

  if (dims->rank != 4)
    return FALSE;
  for (int i = 0; i < 4; i++) {
    const Part *parts = dims->parts[i];
    result->perm[i] = REPEATED;
    result->scale[i] = 1;
    if (dims->n[i] > 2 || (dims->n[i] > 0 && parts[0].of == REPEATED) ||
        (dims->n[i] == 2 && parts[1].of != REPEATED))
      return FALSE;
    if (dims->n[i] > 0) {
      result->perm[i] = parts[0].of;
      used[parts[0].of] = TRUE;
    }
  }
  for (int i = 0; i < 4; i++) {
    for (; result->perm[i] == REPEATED && used[next]; next++)
      continue;
    if (result->perm[i] == REPEATED)
      used[result->perm[i] = next] = TRUE;
    if (dims->n[i] == 2) {
      result->scale[result->perm[i]] = dims->parts[i][1].size;
      repeated++;
    }
  }
  /* rows and columns, wherever the channels lie; a dimension in front alone
   * may be the heads of an attention */
  return result->perm[0] == 0 && result->scale[0] == 1 &&
      (result->scale[1] == 1 ? repeated > 0 :
      result->scale[2] > 1 && result->scale[3] == 1);
}

/* The node as the Resize of a value, or as the Transpose behind it. */
static void
rewrite (DcnnGraph *graph, DcnnNode *before, DcnnNode *last,
    DcnnValueId source, const Result *result)
{
  static const int same[4] = { 0, 1, 2, 3 };
  const DcnnTensor from = *tensor_of (graph, source);
  gboolean turned = memcmp (result->perm, same, sizeof same) != 0;
  DcnnNode *resize = turned ? before : last;
  DcnnTensor *to = &dcnn_graph_value (graph, resize->outputs[0])->tensor;

  if (turned) {
    last->op = DCNN_OP_TRANSPOSE;
    memset (&last->params, 0, sizeof last->params);
    memcpy (last->params.transpose.perm, result->perm, sizeof result->perm);
    last->inputs[0] = resize->outputs[0];
    last->n_inputs = 1;
  }
  resize->op = DCNN_OP_RESIZE;
  memset (&resize->params, 0, sizeof resize->params);
  resize->params.resize.coord = DCNN_COORD_ASYMMETRIC;
  resize->params.resize.nearest = DCNN_NEAREST_FLOOR;
  to->rank = 4;
  for (int i = 0; i < 4; i++) {
    to->dims[i] = from.dims[i] * result->scale[i];
    resize->params.resize.scale[i] = (double) result->scale[i];
  }
  resize->inputs[0] = source;
  resize->n_inputs = 1;
}

/* The chain from this Reshape on, as far as it comes to a Resize. */
static void
shorten (DcnnGraph *graph, const gint *readers, gint first)
{
  const DcnnValueId source = dcnn_graph_node (graph, first)->inputs[0];
  const DcnnTensor *from = tensor_of (graph, source);
  DcnnNode *before = NULL, *node, *ends[2] = { NULL };
  Dims dims = { .rank = 4 };
  Result result, found;

  if (from->rank != 4 || from->dims[0] != 1 || from->data != NULL ||
      from->dtype != DCNN_DTYPE_F32)
    return;
  for (int i = 1; i < 4; i++)
    if (from->dims[i] > 1 && !push (&dims, i, i, from->dims[i]))
      return;
  for (gint n = first; n >= 0; n = readers[node->outputs[0]]) {
    node = dcnn_graph_node (graph, n);
    if (!node->alive || node->n_outputs != 1 || node->outputs[0] < 0 ||
        !follow (graph, node, &dims))
      break;
    if (before != NULL && is_result (&dims, &result)) {
      ends[0] = before;
      ends[1] = node;
      found = result;
    }
    before = node;
  }
  if (ends[1] != NULL)
    rewrite (graph, ends[0], ends[1], source, &found);
}

void
dcnn_passes_repeats (DcnnGraph *graph)
{
  g_autofree gint *readers = dcnn_graph_find_readers (graph);

  for (guint n = 0; n < graph->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (graph, n);
    if (node->alive && node->op == DCNN_OP_RESHAPE)
      shorten (graph, readers, (gint) n);
  }
}
