/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_passes.c - graph to simpler graph, before planning. Each pass says
 * what it turns into what; none changes a result beyond rounding.
 *
 *   identities   Identity, Dropout, Cast to the same type    -> nothing; before
 *                all others, too, which they would stand in the way of
 *   gelu         GELU spelled out (passes_gelu.c)             -> Gelu
 *   broadcasts   Expand or Tile of what an element-wise operator broadcasts to
 *                its other operand's shape anyway             -> nothing
 *   affine       Conv + BatchNormalization / Mul / Add / Sub / Div by a
 *                constant per channel                         -> Conv
 *   pads         Pad (zeros, H and W) + Conv or AveragePool
 *                (pads counted)                               -> one node
 *   dilation     kernels stored with zero taps between        -> dilation
 *   far taps     taps of a dilated kernel that lie outside of the map for every
 *                pixel of it                                  -> nothing
 *   shuffle      Reshape, Transpose, Reshape of a pixel shuffle (passes_shuffle.c)
 *                                                             -> DepthToSpace
 *   dead         nodes that no output needs                   -> nothing
 */
#include "dcnn_plan.h"

#include <math.h>
#include <string.h>

/* ---- reading the graph ------------------------------------------------- */

gboolean *
dcnn_graph_find_outputs (const DcnnGraph *graph)
{
  gboolean *is_output = g_new0 (gboolean, graph->values->len + 1);

  for (guint i = 0; i < graph->outputs->len; i++)
    is_output[g_array_index (graph->outputs, DcnnValueId, i)] = TRUE;
  return is_output;
}

/* ---- readers ------------------------------------------------------------- */

/* One input of a node. */
typedef struct Use {
  gint node;
  gint next;               /* use of the same value; -1 */
} Use;

/* Who reads what. Values that passes add are constants, which nobody asks
 * about. */
typedef struct Uses {
  DcnnGraph *graph;
  gboolean *is_output;
  guint n_values;
  gint *first;             /* by value: a use; -1 */
  GArray *uses;            /* of Use */
  gsize bytes_left;        /* that new constants may take */
} Uses;

static void
uses_init (Uses *self, DcnnGraph *graph)
{
  self->graph = graph;
  self->n_values = graph->values->len;
  self->is_output = dcnn_graph_find_outputs (graph);
  self->first = g_new (gint, self->n_values + 1);
  self->uses = g_array_new (FALSE, FALSE, sizeof (Use));
  for (guint v = 0; v < self->n_values; v++)
    self->first[v] = -1;
  for (guint n = 0; n < graph->nodes->len; n++) {
    const DcnnNode *node = dcnn_graph_node (graph, (gint) n);
    for (int i = 0; node->alive && i < node->n_inputs; i++) {
      Use use = { (gint) n, node->inputs[i] < 0 ? -1 :
            self->first[node->inputs[i]] };
      if (node->inputs[i] < 0)
        continue;
      self->first[node->inputs[i]] = (gint) self->uses->len;
      g_array_append_val (self->uses, use);
    }
  }
}

static void
uses_clear (Uses *self)
{
  g_free (self->is_output);
  g_free (self->first);
  g_array_unref (self->uses);
}

/* Whether a use still is one: edits leave some behind. */
static gboolean
use_holds (const Uses *self, const Use *use, DcnnValueId value)
{
  const DcnnNode *node = dcnn_graph_node (self->graph, use->node);

  for (int i = 0; node->alive && i < node->n_inputs; i++)
    if (node->inputs[i] == value)
      return TRUE;
  return FALSE;
}

/* The only live node that reads value, and once; -1 when none, several, or it
 * is an output of the graph. */
static gint
only_reader (const Uses *self, DcnnValueId value)
{
  gint reader = -1;

  if (value < 0 || (guint) value >= self->n_values || self->is_output[value])
    return -1;
  for (gint u = self->first[value]; u >= 0;) {
    const Use *use = &g_array_index (self->uses, Use, u);
    if (use_holds (self, use, value)) {
      if (reader >= 0)
        return -1;
      reader = use->node;
    }
    u = use->next;
  }
  return reader;
}

/* ---- editing the graph -------------------------------------------------- */

static void
replace_uses (Uses *self, DcnnValueId from, DcnnValueId to)
{
  gint next;

  for (gint u = self->first[from]; u >= 0; u = next) {
    Use *use = &g_array_index (self->uses, Use, u);
    DcnnNode *node = dcnn_graph_node (self->graph, use->node);
    for (int i = 0; node->alive && i < node->n_inputs; i++)
      if (node->inputs[i] == from)
        node->inputs[i] = to;
    next = use->next;
    use->next = self->first[to];
    self->first[to] = u;
  }
  self->first[from] = -1;
}

/* node's output becomes next's output, next goes away. */
static void
swallow_next (DcnnGraph *graph, gint node_index, gint next_index)
{
  DcnnNode *node = dcnn_graph_node (graph, node_index);
  DcnnNode *next = dcnn_graph_node (graph, next_index);

  dcnn_graph_value (graph, node->outputs[0])->alive = FALSE;
  node->outputs[0] = next->outputs[0];
  dcnn_graph_value (graph, node->outputs[0])->producer = node_index;
  next->alive = FALSE;
}

static DcnnValueId
add_float_constant (Uses *uses, const char *stem, int rank,
    const int64_t *dims, float **data, GError **error)
{
  DcnnTensor tensor = { .dtype = DCNN_DTYPE_F32, .rank = rank };
  DcnnGraph *graph = uses->graph;
  gsize bytes;
  g_autofree char *name = NULL;
  DcnnValueId id;
  guint number = graph->values->len;

  memcpy (tensor.dims, dims, sizeof (int64_t) * (size_t) rank);
  bytes = (gsize) dcnn_tensor_count (&tensor) * sizeof (float);
  if (bytes > uses->bytes_left) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_LIMIT,
        "node '%.200s' takes the weights that are made of shared ones past "
        "what suits a model of this size", stem);
    return -1;
  }
  uses->bytes_left -= bytes;
  if (!dcnn_tensor_alloc (&tensor, error))
    return -1;
  do {
    g_free (name);
    name = g_strdup_printf ("%s#%u", stem, number++);
  } while (dcnn_graph_find_value (graph, name) >= 0); /* the file's may be so */
  id = dcnn_graph_add_constant (graph, name, &tensor, error);
  if (id < 0) {
    dcnn_tensor_free (&tensor);
    return -1;
  }
  *data = dcnn_graph_value (graph, id)->tensor.data;
  return id;
}

static const float *
constant_floats (const DcnnGraph *graph, DcnnValueId value)
{
  const DcnnTensor *t;

  if (value < 0)
    return NULL;
  t = &dcnn_graph_value (graph, value)->tensor;
  return t->dtype == DCNN_DTYPE_F32 ? t->data : NULL;
}

/* ---- identities --------------------------------------------------------- */

static gboolean
is_same (const DcnnGraph *graph, const DcnnNode *node)
{
  return node->op == DCNN_OP_IDENTITY || (node->op == DCNN_OP_CAST &&
      dcnn_graph_value (graph, node->inputs[0])->tensor.dtype ==
      node->params.cast.to);
}

void
dcnn_passes_identities (DcnnGraph *graph)
{
  g_autofree gboolean *is_output = dcnn_graph_find_outputs (graph);
  g_autofree DcnnValueId *same = g_new (DcnnValueId, graph->values->len + 1);

  for (guint v = 0; v < graph->values->len; v++)
    same[v] = (DcnnValueId) v;
  for (guint n = 0; n < graph->nodes->len; n++) {
    DcnnNode *node = dcnn_graph_node (graph, (gint) n);
    for (int i = 0; i < node->n_inputs; i++)
      if (node->inputs[i] >= 0)
        node->inputs[i] = same[node->inputs[i]];
    if (!node->alive || !is_same (graph, node) || node->outputs[0] < 0 ||
        is_output[node->outputs[0]])
      continue;
    node->alive = FALSE;
    same[node->outputs[0]] = node->inputs[0];
  }
}

/* ---- broadcasts ------------------------------------------------------------- */

/* What a value is broadcast from, by ones that are repeated; -1: it is not. */
static DcnnValueId
broadcast_from (const DcnnGraph *graph, DcnnValueId value)
{
  const DcnnValue *v = dcnn_graph_value (graph, value);
  const DcnnNode *node = v->producer < 0 ? NULL :
      dcnn_graph_node (graph, v->producer);
  const DcnnTensor *from;
  int lead;

  if (node == NULL || node->inputs[0] < 0 ||
      (node->op != DCNN_OP_EXPAND && node->op != DCNN_OP_TILE))
    return -1;
  from = &dcnn_graph_value (graph, node->inputs[0])->tensor;
  lead = v->tensor.rank - from->rank;
  for (int i = 0; lead >= 0 && i < from->rank; i++)
    if (from->dims[i] != 1 && from->dims[i] != v->tensor.dims[lead + i])
      return -1;
  return lead < 0 ? -1 : node->inputs[0];
}

static void
pass_broadcasts (DcnnGraph *graph)
{
  for (guint n = 0; n < graph->nodes->len; n++) {
    DcnnNode *node = dcnn_graph_node (graph, (gint) n);
    if (!node->alive || node->n_inputs != 2 || node->op == DCNN_OP_PRELU ||
        !plan_op_is_elementwise (node->op))
      continue;
    for (int i = 0; i < 2; i++) {
      const DcnnTensor *out, *other;
      DcnnValueId from;
      if (node->inputs[i] < 0 || node->inputs[1 - i] < 0)
        break;
      out = &dcnn_graph_value (graph, node->outputs[0])->tensor;
      other = &dcnn_graph_value (graph, node->inputs[1 - i])->tensor;
      from = broadcast_from (graph, node->inputs[i]);
      if (from >= 0 && other->rank == out->rank && memcmp (other->dims,
              out->dims, sizeof (int64_t) * (gsize) out->rank) == 0)
        node->inputs[i] = from;
    }
  }
}

/* ---- affine: y = conv * scale + shift ----------------------------------- */

/* The constant as one number a channel of a map [1, C, H, W]: scalar, [C,1,1]
 * or [1,C,1,1]. Fills out[C]. */
static gboolean
per_channel_constant (const DcnnGraph *graph, DcnnValueId value, gint64 c,
    double *out)
{
  const DcnnTensor *t;
  const float *data = constant_floats (graph, value);
  double scalar;

  if (data == NULL)
    return FALSE;
  if (dcnn_graph_scalar (graph, value, &scalar)) {
    for (gint64 i = 0; i < c; i++)
      out[i] = scalar;
    return TRUE;
  }
  t = &dcnn_graph_value (graph, value)->tensor;
  if (t->rank < 3 || t->rank > 4 || t->dims[t->rank - 1] != 1 ||
      t->dims[t->rank - 2] != 1 || t->dims[t->rank - 3] != c ||
      (t->rank == 4 && t->dims[0] != 1))
    return FALSE;
  for (gint64 i = 0; i < c; i++)
    out[i] = data[i];
  return TRUE;
}

/* What `next` does to its input `value` as scale and shift per channel. */
static gboolean
affine_of_node (const DcnnGraph *graph, const DcnnNode *next,
    DcnnValueId value, gint64 c, double *scale, double *shift)
{
  gboolean first = next->inputs[0] == value;
  DcnnValueId other;

  for (gint64 i = 0; i < c; i++)
    scale[i] = 1, shift[i] = 0;
  if (next->op == DCNN_OP_BATCH_NORM) {
    const float *g = constant_floats (graph, next->inputs[1]);
    const float *b = constant_floats (graph, next->inputs[2]);
    const float *m = constant_floats (graph, next->inputs[3]);
    const float *v = constant_floats (graph, next->inputs[4]);
    if (!first || g == NULL || b == NULL || m == NULL || v == NULL)
      return FALSE;
    for (gint64 i = 0; i < c; i++) {
      scale[i] = g[i] / sqrt ((double) v[i] + next->params.norm.epsilon);
      shift[i] = b[i] - m[i] * scale[i];
    }
    return TRUE;
  }
  if (next->n_inputs != 2 || next->inputs[0] == next->inputs[1])
    return FALSE;
  other = first ? next->inputs[1] : next->inputs[0];
  switch (next->op) {
    case DCNN_OP_MUL:
      return per_channel_constant (graph, other, c, scale);
    case DCNN_OP_ADD:
      return per_channel_constant (graph, other, c, shift);
    case DCNN_OP_SUB:
      if (!per_channel_constant (graph, other, c, shift))
        return FALSE;
      for (gint64 i = 0; i < c; i++) {
        scale[i] = first ? 1 : -1;
        shift[i] = first ? -shift[i] : shift[i];
      }
      return TRUE;
    case DCNN_OP_DIV:
      if (!first || !per_channel_constant (graph, other, c, scale))
        return FALSE;
      for (gint64 i = 0; i < c; i++) {
        if (scale[i] == 0)
          return FALSE;
        scale[i] = 1 / scale[i];
      }
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
fold_affine (Uses *uses, DcnnNode *conv, gint64 c, const double *scale,
    const double *shift, GError **error)
{
  DcnnGraph *graph = uses->graph;
  const DcnnTensor *w = &dcnn_graph_value (graph, conv->inputs[1])->tensor;
  const float *bias = conv->n_inputs > 2 ?
      constant_floats (graph, conv->inputs[2]) : NULL;
  gboolean transposed = conv->op == DCNN_OP_CONV_TRANSPOSE;
  gint64 per_group = transposed ? w->dims[1] : w->dims[0];
  gint64 taps = w->dims[2] * w->dims[3];
  float *new_w, *new_b;
  DcnnValueId wid, bid;

  wid = add_float_constant (uses, conv->name, w->rank, w->dims, &new_w,
      error);
  bid = wid < 0 ? -1 : add_float_constant (uses, conv->name, 1, &c, &new_b,
      error);
  if (bid < 0)
    return FALSE;
  w = &dcnn_graph_value (graph, conv->inputs[1])->tensor;
  for (gint64 a = 0; a < w->dims[0]; a++)
    for (gint64 b = 0; b < w->dims[1]; b++) {
      gint64 out = transposed ?
          a / (w->dims[0] / conv->params.conv.groups) * per_group + b : a;
      gint64 at = (a * w->dims[1] + b) * taps;
      for (gint64 t = 0; t < taps; t++)
        new_w[at + t] =
            (float) (((const float *) w->data)[at + t] * scale[out]);
    }
  for (gint64 i = 0; i < c; i++)
    new_b[i] = (float) ((bias ? bias[i] : 0.0) * scale[i] + shift[i]);
  conv->inputs[1] = wid;
  if (conv->n_inputs < 3) {
    conv->inputs = g_renew (DcnnValueId, conv->inputs, 3);
    conv->n_inputs = 3;
  }
  conv->inputs[2] = bid;
  return TRUE;
}

static gboolean
is_conv_with_constants (const DcnnGraph *graph, const DcnnNode *node)
{
  return (node->op == DCNN_OP_CONV || node->op == DCNN_OP_CONV_TRANSPOSE) &&
      node->params.conv.window.rank == 2 &&
      constant_floats (graph, node->inputs[1]) != NULL &&
      (node->n_inputs < 3 || node->inputs[2] < 0 ||
      constant_floats (graph, node->inputs[2]) != NULL);
}

/* What can be folded into a convolution of c channels, taken together: into
 * scale and shift. Returns how many nodes. */
static guint
swallow_affine (Uses *uses, gint n, gint64 c, double *scale, double *shift)
{
  DcnnGraph *graph = uses->graph;
  DcnnNode *node = dcnn_graph_node (graph, n);
  g_autofree double *s = g_try_new (double, c), *t = g_try_new (double, c);
  guint count = 0;
  gint next;

  for (gint64 i = 0; i < c; i++)
    scale[i] = 1, shift[i] = 0;
  while (s && t && (next = only_reader (uses, node->outputs[0])) >= 0) {
    const DcnnNode *reader = dcnn_graph_node (graph, next);
    if (!affine_of_node (graph, reader, node->outputs[0], c, s, t) ||
        memcmp (dcnn_graph_value (graph, node->outputs[0])->tensor.dims,
            dcnn_graph_value (graph, reader->outputs[0])->tensor.dims,
            4 * sizeof (int64_t)) != 0)
      break;
    for (gint64 i = 0; i < c; i++) {
      scale[i] *= s[i];
      shift[i] = shift[i] * s[i] + t[i];
    }
    swallow_next (graph, n, next);
    count++;
  }
  return count;
}

static gboolean
pass_affine (Uses *uses, GError **error)
{
  DcnnGraph *graph = uses->graph;

  for (guint n = 0; n < graph->nodes->len; n++) {
    DcnnNode *node = dcnn_graph_node (graph, n);
    g_autofree double *scale = NULL, *shift = NULL;
    gint64 c;
    if (!node->alive || !is_conv_with_constants (graph, node) ||
        node->params.conv.whole_numbers)
      continue;
    c = dcnn_graph_value (graph, node->outputs[0])->tensor.dims[1];
    scale = g_try_new (double, c);
    shift = g_try_new (double, c);
    if (scale && shift && swallow_affine (uses, (gint) n, c, scale, shift) > 0
        && !fold_affine (uses, node, c, scale, shift, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- pads ---------------------------------------------------------------- */

static void
pass_pads (Uses *uses)
{
  DcnnGraph *graph = uses->graph;

  for (guint n = 0; n < graph->nodes->len; n++) {
    DcnnNode *pad = dcnn_graph_node (graph, n), *next;
    const DcnnPadParams *p = &pad->params.pad;
    DcnnWindow *w;
    gint reader;

    if (!pad->alive || pad->op != DCNN_OP_PAD || p->value != 0 ||
        p->mode != DCNN_PAD_CONSTANT ||
        dcnn_graph_value (graph, pad->outputs[0])->tensor.rank != 4 ||
        p->begin[0] || p->begin[1] || p->end[0] || p->end[1] ||
        p->begin[2] < 0 || p->begin[3] < 0 || p->end[2] < 0 || p->end[3] < 0)
      continue;
    reader = only_reader (uses, pad->outputs[0]);
    if (reader < 0)
      continue;
    next = dcnn_graph_node (graph, reader);
    if (next->op == DCNN_OP_CONV && next->inputs[0] == pad->outputs[0])
      w = &next->params.conv.window;
    else if (next->op == DCNN_OP_AVERAGE_POOL &&
        next->params.pool.count_include_pad && !next->params.pool.ceil_mode)
      w = &next->params.pool.window;
    else
      continue;
    for (int i = 0; i < 2; i++) {
      w->pad_begin[i] += p->begin[2 + i];
      w->pad_end[i] += p->end[2 + i];
    }
    pad->alive = FALSE;
    replace_uses (uses, pad->outputs[0], pad->inputs[0]);
  }
}

/* ---- dilation ------------------------------------------------------------- */

/* The largest step d such that only every d-th tap along an axis of length k
 * is used (1: all). used[k]: some weight of the tap is not zero. */
static gint64
dilation_of_taps (const gboolean *used, gint64 k)
{
  for (gint64 d = k - 1; d > 1; d--) {
    gboolean fits = (k - 1) % d == 0;
    for (gint64 i = 0; fits && i < k; i++)
      if (used[i] && i % d != 0)
        fits = FALSE;
    if (fits)
      return d;
  }
  return 1;
}

/* The same of weights [o,i,h,w] along rows (0) or columns (1). */
static gint64
dilation_of_axis (const DcnnTensor *w, int axis)
{
  const float *weights = w->data;
  gint64 height = w->dims[2], width = w->dims[3], count = dcnn_tensor_count (w);
  g_autofree gboolean *used = g_try_new0 (gboolean, w->dims[2 + axis]);

  if (used == NULL)
    return 1;
  for (gint64 i = 0; i < count; i++)
    if (weights[i] != 0)
      used[axis ? i % width : i / width % height] = TRUE;
  return dilation_of_taps (used, w->dims[2 + axis]);
}

static gboolean
recover_dilation (Uses *uses, DcnnNode *conv, GError **error)
{
  DcnnGraph *graph = uses->graph;
  const DcnnTensor *w = &dcnn_graph_value (graph, conv->inputs[1])->tensor;
  DcnnWindow *win = &conv->params.conv.window;
  gint64 k[2] = { w->dims[2], w->dims[3] }, d[2], dims[4], rows;
  const float *src;
  float *dst;
  DcnnValueId id;

  for (int axis = 0; axis < 2; axis++)
    d[axis] = win->dilation[axis] == 1 ? dilation_of_axis (w, axis) : 1;
  if (d[0] == 1 && d[1] == 1)
    return TRUE;
  dims[0] = w->dims[0], dims[1] = w->dims[1];
  dims[2] = (k[0] - 1) / d[0] + 1, dims[3] = (k[1] - 1) / d[1] + 1;
  id = add_float_constant (uses, conv->name, 4, dims, &dst, error);
  if (id < 0)
    return FALSE;
  src = dcnn_graph_value (graph, conv->inputs[1])->tensor.data;
  rows = dims[0] * dims[1] * dims[2];
  for (gint64 row = 0; row < rows; row++) {
    gint64 plane = row / dims[2], y = row % dims[2] * d[0];
    for (gint64 x = 0; x < dims[3]; x++)
      *dst++ = src[(plane * k[0] + y) * k[1] + x * d[1]];
  }
  conv->inputs[1] = id;
  for (int axis = 0; axis < 2; axis++) {
    win->dilation[axis] *= d[axis];
    win->kernel[axis] = dims[2 + axis];
  }
  return TRUE;
}

static gboolean
pass_dilation (Uses *uses, GError **error)
{
  DcnnGraph *graph = uses->graph;

  for (guint n = 0; n < graph->nodes->len; n++) {
    DcnnNode *node = dcnn_graph_node (graph, n);
    if (node->alive && node->op == DCNN_OP_CONV &&
        is_conv_with_constants (graph, node) &&
        (node->params.conv.window.kernel[0] > 2 ||
            node->params.conv.window.kernel[1] > 2) &&
        !recover_dilation (uses, node, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- far taps ---------------------------------------------------------------- */

/* Taps first .. last along an axis are all that ever meet the map. */
static void
find_near_taps (const DcnnWindow *w, int axis, gint64 in, gint64 out,
    gint64 *first, gint64 *last)
{
  gint64 d = w->dilation[axis], end = w->kernel[axis] - 1;
  gint64 reach = w->stride[axis] * (out - 1) - w->pad_begin[axis];

  *first = 0;
  *last = end;
  while (*first < end && *first * d + reach < 0 &&
      (*first + 1) * d <= w->pad_begin[axis])
    ++*first;
  while (*last > *first && *last * d - w->pad_begin[axis] >= in &&
      (end - *last + 1) * d <= w->pad_end[axis])
    --*last;
}

static gboolean
drop_far_taps (Uses *uses, DcnnNode *conv, GError **error)
{
  DcnnGraph *graph = uses->graph;
  const DcnnTensor *w = &dcnn_graph_value (graph, conv->inputs[1])->tensor;
  const DcnnTensor *in = &dcnn_graph_value (graph, conv->inputs[0])->tensor;
  const DcnnTensor *out = &dcnn_graph_value (graph, conv->outputs[0])->tensor;
  DcnnWindow *win = &conv->params.conv.window;
  gint64 k[2] = { w->dims[2], w->dims[3] }, first[2], last[2], dims[4], n;
  const float *src;
  float *dst;
  DcnnValueId id;

  for (int axis = 0; axis < 2; axis++)
    find_near_taps (win, axis, in->dims[2 + axis], out->dims[2 + axis],
        &first[axis], &last[axis]);
  dims[0] = w->dims[0], dims[1] = w->dims[1];
  dims[2] = last[0] - first[0] + 1, dims[3] = last[1] - first[1] + 1;
  if (dims[2] == k[0] && dims[3] == k[1])
    return TRUE;
  id = add_float_constant (uses, conv->name, 4, dims, &dst, error);
  if (id < 0)
    return FALSE;
  src = dcnn_graph_value (graph, conv->inputs[1])->tensor.data;
  n = dims[0] * dims[1];
  for (gint64 i = 0; i < n; i++)
    for (gint64 y = 0; y < dims[2]; y++)
      for (gint64 x = 0; x < dims[3]; x++)
        dst[(i * dims[2] + y) * dims[3] + x] =
            src[(i * k[0] + first[0] + y) * k[1] + first[1] + x];
  conv->inputs[1] = id;
  for (int axis = 0; axis < 2; axis++) {
    win->kernel[axis] = dims[2 + axis];
    win->pad_begin[axis] -= first[axis] * win->dilation[axis];
    win->pad_end[axis] -= (k[axis] - 1 - last[axis]) * win->dilation[axis];
  }
  return TRUE;
}

static gboolean
pass_far_taps (Uses *uses, GError **error)
{
  DcnnGraph *graph = uses->graph;

  for (guint n = 0; n < graph->nodes->len; n++) {
    DcnnNode *node = dcnn_graph_node (graph, n);
    if (node->alive && node->op == DCNN_OP_CONV &&
        is_conv_with_constants (graph, node) &&
        !drop_far_taps (uses, node, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- dead nodes ------------------------------------------------------------ */

static void
pass_dead (DcnnGraph *graph)
{
  g_autofree gboolean *needed = g_new0 (gboolean, graph->values->len);

  for (guint i = 0; i < graph->outputs->len; i++)
    needed[g_array_index (graph->outputs, DcnnValueId, i)] = TRUE;
  for (gint n = (gint) graph->nodes->len - 1; n >= 0; n--) {
    DcnnNode *node = dcnn_graph_node (graph, n);
    gboolean wanted = FALSE;
    for (int i = 0; i < node->n_outputs; i++)
      wanted |= node->outputs[i] >= 0 && needed[node->outputs[i]];
    node->alive = node->alive && wanted;
    for (int i = 0; node->alive && i < node->n_inputs; i++)
      if (node->inputs[i] >= 0)
        needed[node->inputs[i]] = TRUE;
  }
}

gboolean
dcnn_passes_run (DcnnGraph *graph, gsize most_bytes, GError **error)
{
  Uses uses = { .bytes_left = most_bytes };
  gboolean ok;

  dcnn_passes_identities (graph); /* that other passes have left */
  dcnn_passes_gelu (graph);
  pass_broadcasts (graph);
  pass_dead (graph);
  uses_init (&uses, graph);
  pass_pads (&uses);
  ok = pass_affine (&uses, error) && pass_dilation (&uses, error) &&
      pass_far_taps (&uses, error);
  uses_clear (&uses);
  if (!ok)
    return FALSE;
  dcnn_passes_shuffle (graph);
  pass_dead (graph);
  return TRUE;
}
