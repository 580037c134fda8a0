/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * passes_moments.c - norms as TensorFlow and Keras spell them are spelled as
 * all others do, which the planner knows:
 *
 *   a = scale / sqrt (var + epsilon);  x a + (shift - mean a)
 *     -> (x - mean) / sqrt (var + epsilon) * scale + shift
 *
 * where var is the mean of (x - mean)^2. Of groups of channels that come last,
 * [1,H,W,groups,C / groups] between two Reshapes
 *     -> Transpose, GroupNormalization, Transpose
 */
#include "dcnn_plan.h"

#include <string.h>

typedef struct Norm {
  DcnnNode *products[2]; /* x a and mean a, as they come */
  DcnnNode *off;         /* x - mean */
  DcnnNode *rest;        /* shift - mean a; NULL: -mean a is one product */
  DcnnValueId x, mean, root;
  DcnnValueId scale, shift; /* constants; -1: none */
  guint32 axes;
  double epsilon;
} Norm;

static const DcnnTensor *
tensor_of (const DcnnGraph *graph, DcnnValueId value)
{
  return &dcnn_graph_value (graph, value)->tensor;
}

/* The value without what only changes its form: Reshapes to the same shape,
 * and Expands of it. */
static DcnnValueId
bare (const DcnnGraph *graph, DcnnValueId value)
{
  for (;;) {
    gint producer = value < 0 ? -1 : dcnn_graph_value (graph, value)->producer;
    const DcnnNode *node = producer < 0 ? NULL
        : dcnn_graph_node (graph, producer);
    const DcnnTensor *from, *to;

    if (node == NULL || !node->alive || (node->op != DCNN_OP_RESHAPE &&
            node->op != DCNN_OP_EXPAND))
      return value;
    from = tensor_of (graph, node->inputs[0]);
    to = tensor_of (graph, value);
    if (from->rank != to->rank || from->data != NULL ||
        (node->op == DCNN_OP_RESHAPE && memcmp (from->dims, to->dims,
                sizeof *to->dims * (gsize) to->rank) != 0))
      return value;
    value = node->inputs[0];
  }
}

static DcnnNode *
made_by (const DcnnGraph *graph, DcnnValueId value, DcnnOp op)
{
  gint producer;

  value = bare (graph, value);
  producer = value < 0 ? -1 : dcnn_graph_value (graph, value)->producer;
  return producer >= 0 && dcnn_graph_node (graph, producer)->alive &&
      dcnn_graph_node (graph, producer)->op == op
      ? dcnn_graph_node (graph, producer) : NULL;
}

static gboolean
is_constant (const DcnnGraph *graph, DcnnValueId value)
{
  return tensor_of (graph, value)->data != NULL;
}

/* Whether value is the mean of the squares of n->off, which is x - mean. */
static gboolean
is_variance (const DcnnGraph *graph, DcnnValueId value, Norm *n)
{
  const DcnnNode *var = made_by (graph, value, DCNN_OP_REDUCE_MEAN), *square;
  const DcnnNode *mean = made_by (graph, n->mean, DCNN_OP_REDUCE_MEAN);
  double power = 0;

  if (var == NULL || mean == NULL || !mean->params.reduce.keepdims ||
      bare (graph, mean->inputs[0]) != bare (graph, n->x) ||
      memcmp (&var->params.reduce, &mean->params.reduce,
          sizeof mean->params.reduce) != 0)
    return FALSE;
  n->axes = mean->params.reduce.axes;
  square = made_by (graph, var->inputs[0], DCNN_OP_MUL);
  if (square != NULL && square->inputs[0] == square->inputs[1])
    power = 2;
  else if ((square = made_by (graph, var->inputs[0], DCNN_OP_POW)) != NULL)
    dcnn_graph_scalar (graph, square->inputs[1], &power);
  n->off = square && power == 2 ? made_by (graph, square->inputs[0],
      DCNN_OP_SUB) : NULL;
  return n->off != NULL && bare (graph, n->off->inputs[0]) ==
      bare (graph, n->x) && bare (graph, n->off->inputs[1]) ==
      bare (graph, n->mean);
}

/* Whether value is a: 1 / root, perhaps times a constant. */
static gboolean
is_factor (const DcnnGraph *graph, DcnnValueId value, Norm *n)
{
  const DcnnNode *scaled = made_by (graph, value, DCNN_OP_MUL), *inverse, *sum;
  const DcnnNode *root;
  double one;

  n->scale = -1;
  for (int i = 0; scaled && i < 2; i++)
    if (is_constant (graph, scaled->inputs[i])) {
      n->scale = scaled->inputs[i];
      value = scaled->inputs[1 - i];
    }
  inverse = made_by (graph, value, DCNN_OP_DIV);
  if (inverse == NULL || !dcnn_graph_scalar (graph, inverse->inputs[0], &one) ||
      one != 1)
    return FALSE;
  n->root = inverse->inputs[1];
  root = made_by (graph, n->root, DCNN_OP_SQRT);
  sum = root ? made_by (graph, root->inputs[0], DCNN_OP_ADD) : NULL;
  for (int i = 0; sum && i < 2; i++)
    if (dcnn_graph_scalar (graph, sum->inputs[i], &n->epsilon) &&
        is_variance (graph, sum->inputs[1 - i], n))
      return TRUE;
  return FALSE;
}

/* Whether x a and mean a (or -mean a) are the two products. */
static gboolean
are_products (const DcnnGraph *graph, DcnnNode *of_x, DcnnNode *of_mean,
    gboolean negative, Norm *n)
{
  for (int i = 0; i < 2; i++)
    for (int k = 0; k < 2; k++) {
      const DcnnNode *neg = negative ? made_by (graph, of_mean->inputs[k],
          DCNN_OP_NEG) : NULL;
      if (bare (graph, of_x->inputs[1 - i]) != bare (graph,
              of_mean->inputs[1 - k]) || (negative && neg == NULL))
        continue;
      n->x = of_x->inputs[i];
      n->mean = negative ? neg->inputs[0] : of_mean->inputs[k];
      if (is_factor (graph, of_x->inputs[1 - i], n)) {
        gboolean later = dcnn_graph_value (graph, of_x->outputs[0])->producer >
            dcnn_graph_value (graph, of_mean->outputs[0])->producer;
        n->products[later] = of_x;
        n->products[!later] = of_mean;
        return TRUE;
      }
    }
  return FALSE;
}

/* The Mul that makes a value and has no other reader; NULL. */
static DcnnNode *
own_product (const DcnnGraph *graph, const gint *readers, DcnnValueId value)
{
  gint producer = value < 0 || readers[value] < 0 ? -1
      : dcnn_graph_value (graph, value)->producer;

  return producer >= 0 && dcnn_graph_node (graph, producer)->op == DCNN_OP_MUL
      ? dcnn_graph_node (graph, producer) : NULL;
}

/* Whether the Add ends such a norm, of which nobody else reads the parts. */
static gboolean
match (const DcnnGraph *graph, const gint *readers, const DcnnNode *last,
    Norm *n)
{
  for (int i = 0; i < 2; i++) {
    const DcnnValueId other = last->inputs[1 - i];
    DcnnNode *of_x = own_product (graph, readers, last->inputs[i]), *of_mean;

    n->rest = readers[other] < 0 ? NULL : made_by (graph, other, DCNN_OP_SUB);
    if (n->rest != NULL && n->rest->outputs[0] != other)
      return FALSE;
    n->shift = n->rest ? n->rest->inputs[0] : -1;
    of_mean = own_product (graph, readers, n->rest ? n->rest->inputs[1] : other);
    if (of_x != NULL && of_mean != NULL && of_x != of_mean &&
        (n->rest == NULL || is_constant (graph, n->shift)) &&
        are_products (graph, of_x, of_mean, n->rest == NULL, n))
      return TRUE;
  }
  return FALSE;
}

/* Nobody reads them any more, and their shapes would not fit. */
static void
drop (const Norm *n, gboolean product)
{
  if (n->rest)
    n->rest->alive = FALSE;
  if (product)
    n->products[1]->alive = FALSE;
}

static void
set_node (DcnnNode *node, DcnnOp op, int n, DcnnValueId a, DcnnValueId b,
    DcnnValueId c)
{
  const DcnnValueId inputs[3] = { a, b, c };

  node->inputs = g_renew (DcnnValueId, node->inputs, n);
  memcpy (node->inputs, inputs, sizeof *inputs * (gsize) n);
  node->n_inputs = n;
  node->op = op;
  memset (&node->params, 0, sizeof node->params);
}

static void
set_shape (DcnnGraph *graph, const DcnnNode *node, int rank,
    const gint64 *dims)
{
  DcnnTensor *t = &dcnn_graph_value (graph, node->outputs[0])->tensor;

  t->rank = rank;
  memmove (t->dims, dims, sizeof *dims * (gsize) rank);
}

/* ---- groups -------------------------------------------------------------- */

/* One float for each of the groups' channels, those of a constant that is
 * broadcast to x or all the same. -1: it is not one a channel, or there is no
 * memory. */
static DcnnValueId
vector_of (DcnnGraph *graph, DcnnValueId from, const DcnnTensor *x,
    float otherwise, const DcnnNode *node, const char *what)
{
  const DcnnTensor *given = from < 0 ? NULL : tensor_of (graph, from);
  const gint64 n = x->dims[3] * x->dims[4];
  DcnnTensor t = { .dtype = DCNN_DTYPE_F32, .rank = 1, .dims = { n } };
  g_autofree char *name = g_strdup_printf ("%s:%s",
      dcnn_graph_value (graph, node->outputs[0])->name, what);
  DcnnValueId id;

  if (given && (given->dtype != DCNN_DTYPE_F32 || given->rank < 2 ||
          dcnn_tensor_count (given) != n ||
          given->dims[given->rank - 2] * given->dims[given->rank - 1] != n))
    return -1;
  if (!dcnn_tensor_alloc (&t, NULL))
    return -1;
  for (gint64 i = 0; i < n; i++)
    ((float *) t.data)[i] = given ? ((const float *) given->data)[i]
        : otherwise;
  id = dcnn_graph_add_constant (graph, name, &t, NULL);
  if (id < 0)
    dcnn_tensor_free (&t);
  return id;
}

/* The norm of groups of channels. FALSE: it is none. */
static gboolean
group (DcnnGraph *graph, const gint *readers, DcnnNode *last, const Norm *n)
{
  static const int first[4] = { 0, 3, 1, 2 }, back[4] = { 0, 2, 3, 1 };
  gint close = readers[last->outputs[0]];
  gint open = dcnn_graph_value (graph, n->x)->producer;
  const DcnnTensor x = *tensor_of (graph, n->x);
  DcnnNode *from = open < 0 ? NULL : dcnn_graph_node (graph, open);
  DcnnNode *to = close < 0 ? NULL : dcnn_graph_node (graph, close);
  const gint64 channels = x.rank == 5 ? x.dims[3] * x.dims[4] : 0;
  const gint64 nhwc[4] = { 1, x.dims[1], x.dims[2], channels };
  const gint64 nchw[4] = { 1, channels, x.dims[1], x.dims[2] };
  const DcnnTensor *in;
  DcnnValueId scale, shift, source;

  if (x.rank != 5 || x.dims[0] != 1 || n->axes != (1u << 1 | 1u << 2 | 1u << 4)
      || from == NULL || from->op != DCNN_OP_RESHAPE || to == NULL ||
      to->op != DCNN_OP_RESHAPE)
    return FALSE;
  source = from->inputs[0];
  in = tensor_of (graph, source);
  if (in->rank != 4 || memcmp (in->dims, nhwc, sizeof nhwc) != 0 ||
      tensor_of (graph, to->outputs[0])->rank != 4 ||
      memcmp (tensor_of (graph, to->outputs[0])->dims, nhwc, sizeof nhwc) != 0)
    return FALSE;
  scale = vector_of (graph, n->scale, &x, 1, last, "scale");
  shift = vector_of (graph, n->shift, &x, 0, last, "shift");
  if (scale < 0 || shift < 0)
    return FALSE;
  set_node (n->products[0], DCNN_OP_TRANSPOSE, 1, source, -1, -1);
  memcpy (n->products[0]->params.transpose.perm, first, sizeof first);
  set_shape (graph, n->products[0], 4, nchw);
  set_node (last, DCNN_OP_GROUP_NORM, 3, n->products[0]->outputs[0], scale,
      shift);
  last->params.norm.groups = x.dims[3];
  last->params.norm.epsilon = n->epsilon;
  set_shape (graph, last, 4, nchw);
  set_node (to, DCNN_OP_TRANSPOSE, 1, last->outputs[0], -1, -1);
  memcpy (to->params.transpose.perm, back, sizeof back);
  drop (n, TRUE);
  return TRUE;
}

/* ---- all others ---------------------------------------------------------- */

static void
respell (DcnnGraph *graph, DcnnNode *last, const Norm *n)
{
  const DcnnTensor x = *tensor_of (graph, n->x);
  DcnnValueId value = n->products[0]->outputs[0];

  n->off->inputs[1] = bare (graph, n->mean);
  set_node (n->products[0], DCNN_OP_DIV, 2, n->off->outputs[0],
      bare (graph, n->root), -1);
  set_shape (graph, n->products[0], x.rank, x.dims);
  if (n->scale >= 0) {
    set_node (n->products[1], DCNN_OP_MUL, 2, value, n->scale, -1);
    set_shape (graph, n->products[1], x.rank, x.dims);
    value = n->products[1]->outputs[0];
  }
  if (n->shift >= 0)
    set_node (last, DCNN_OP_ADD, 2, value, n->shift, -1);
  else
    set_node (last, DCNN_OP_IDENTITY, 1, value, -1, -1);
  drop (n, n->scale < 0);
}

static gboolean
same_shape (const DcnnTensor *a, const DcnnTensor *b)
{
  return a->rank == b->rank && memcmp (a->dims, b->dims, sizeof *a->dims
      * (gsize) a->rank) == 0;
}

/* Whether a constant is broadcast to x, and not x to it. */
static gboolean
is_broadcast (const DcnnGraph *graph, DcnnValueId constant, DcnnValueId x)
{
  const DcnnTensor *c = constant < 0 ? NULL : tensor_of (graph, constant);
  const DcnnTensor *t = tensor_of (graph, x);

  if (c == NULL)
    return TRUE;
  for (int i = 1; i <= c->rank; i++)
    if (i > t->rank || (c->dims[c->rank - i] != 1 &&
            c->dims[c->rank - i] != t->dims[t->rank - i]))
      return FALSE;
  return TRUE;
}

void
dcnn_passes_moments (DcnnGraph *graph)
{
  g_autofree gint *readers = dcnn_graph_find_readers (graph);

  for (guint i = 0; i < graph->nodes->len; i++) {
    DcnnNode *node = dcnn_graph_node (graph, (gint) i);
    Norm norm = { 0 };

    if (node->alive && node->op == DCNN_OP_ADD &&
        tensor_of (graph, node->outputs[0])->dtype == DCNN_DTYPE_F32 &&
        match (graph, readers, node, &norm) && same_shape (tensor_of (graph,
                norm.off->outputs[0]), tensor_of (graph, norm.x)) &&
        same_shape (tensor_of (graph, node->outputs[0]),
            tensor_of (graph, norm.x)) &&
        is_broadcast (graph, norm.scale, norm.x) &&
        is_broadcast (graph, norm.shift, norm.x) &&
        !group (graph, readers, node, &norm))
      respell (graph, node, &norm);
  }
}
