/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * influence.c - what dcnn_session_measure_influence() measures is what a small
 * change of one channel of one pixel does to the outputs: against differences
 * of the reference operators, element by element, for every node of small
 * nets of every kind of layer. And: it is repeatable, disturbs nothing, and
 * says what it cannot do.
 *
 *   influence [NET]     one net, counted from 1
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

#define PROBES 256
/* Half the difference's length. Outputs are of about unit size and rounded at
 * 6e-8 of that: 3e-5 of the slope. A kink this near spoils a slope in 500. */
#define NUDGE 2e-3f
/* What that leaves, of s^2. */
#define DIFFERENCE_ERROR 0.02
/* Standard deviations of the mean of PROBES estimates. */
#define DEVIATIONS 5

/* A net in the making. The value of that name gets an input "change" of its
 * shape added to it. */
typedef struct Maker {
  TestNet net;
  const char *changed;     /* NULL: none */
  gboolean found;
} Maker;

static const gint64 *
dims_of (Maker *m, DcnnValueId v)
{
  return dcnn_graph_value (m->net.graph, v)->tensor.dims;
}

/* v, or v with the change. Called on every value that a fused node may end
 * with. */
static DcnnValueId
at (Maker *m, DcnnValueId v)
{
  g_autoptr (GError) error = NULL;
  const char *name = "changed";
  DcnnParams none = { 0 };
  DcnnValueId in[2] = { v, -1 }, out = -1;

  if (m->changed == NULL || strcmp (dcnn_graph_value (m->net.graph, v)->name,
          m->changed) != 0)
    return v;
  m->found = TRUE;
  in[1] = dcnn_graph_add_input (m->net.graph, "change", DCNN_DTYPE_F32, 4,
      dims_of (m, v), &error);
  g_assert_no_error (error);
  g_assert_true (dcnn_graph_add_node (m->net.graph, name, DCNN_OP_ADD, &none,
          2, in, 1, &name, NULL, &out, &error));
  return out;
}

static DcnnValueId
conv (Maker *m, DcnnValueId v, gint channels, gint kernel, gint stride)
{
  return at (m, test_net_conv (&m->net, v, channels, kernel, stride, 1, 1));
}

static DcnnValueId
unary (Maker *m, DcnnOp op, DcnnValueId v)
{
  return at (m, test_net_unary (&m->net, op, v));
}

static DcnnValueId
binary (Maker *m, DcnnOp op, DcnnValueId a, DcnnValueId b)
{
  return at (m, test_net_binary (&m->net, op, a, b));
}

static DcnnValueId
concat (Maker *m, DcnnValueId a, DcnnValueId b)
{
  return at (m, test_net_concat (&m->net, a, b));
}

static DcnnValueId
depthwise (Maker *m, DcnnValueId v, gint kernel, gint dilation)
{
  gint c = (gint) dims_of (m, v)[1];

  return at (m, test_net_conv (&m->net, v, c, kernel, 1, dilation, c));
}

static DcnnValueId
pool (Maker *m, DcnnOp op, DcnnValueId v, gint64 kernel, gint64 stride,
    gint64 pad)
{
  DcnnParams p = { .pool = { .window = { 2, { kernel, kernel },
        { stride, stride }, { 1, 1 }, { pad, pad }, { pad, pad } } } };

  return at (m, test_net_node (&m->net, op, &p, 1, &v, NULL));
}

static void
output (Maker *m, DcnnValueId v)
{
  dcnn_graph_add_output (m->net.graph, v);
}

/* ---- nets ------------------------------------------------------------------ */

static void
net_chain (Maker *m, DcnnValueId v)
{
  v = unary (m, DCNN_OP_RELU, conv (m, v, 6, 3, 1));
  v = unary (m, DCNN_OP_LEAKY_RELU, conv (m, v, 5, 3, 2));
  output (m, conv (m, v, 4, 1, 1));
}

static void
net_residual (Maker *m, DcnnValueId v)
{
  DcnnValueId x;

  v = unary (m, DCNN_OP_CLIP, conv (m, v, 8, 3, 1));
  x = unary (m, DCNN_OP_HARD_SWISH, depthwise (m, v, 3, 2));
  x = binary (m, DCNN_OP_ADD, conv (m, x, 8, 1, 1), v);
  x = unary (m, DCNN_OP_RELU, x);
  output (m, binary (m, DCNN_OP_MUL, conv (m, x, 8, 3, 1), v));
}

/* Pieces of a concatenation that leave holes between their channels, read by
 * what writes a map of the same layout. */
static void
net_concat (Maker *m, DcnnValueId v)
{
  DcnnValueId a = unary (m, DCNN_OP_RELU, conv (m, v, 5, 3, 1));
  DcnnValueId b = unary (m, DCNN_OP_TANH, conv (m, v, 3, 1, 1));
  DcnnValueId both = concat (m, a, b), x;

  x = pool (m, DCNN_OP_MAX_POOL, both, 3, 1, 1);
  x = depthwise (m, x, 3, 1);
  x = unary (m, DCNN_OP_LEAKY_RELU, x);
  x = concat (m, x, a);
  output (m, conv (m, x, 4, 1, 1));
}

static void
net_resize (Maker *m, DcnnValueId v)
{
  DcnnParams p = { .conv = { .window = { 2, { 4, 4 }, { 2, 2 }, { 1, 1 },
        { 1, 1 }, { 1, 1 } }, .groups = 1 } };
  gint64 w[4] = { 6, 5, 4, 4 }, bias[1] = { 5 };
  DcnnValueId x = unary (m, DCNN_OP_RELU, conv (m, v, 6, 3, 2)), in[3], y;

  y = at (m, test_net_resize2 (&m->net, x, DCNN_RESIZE_LINEAR));
  in[0] = x;
  in[1] = test_net_constant (&m->net, 4, w);
  in[2] = test_net_constant (&m->net, 1, bias);
  x = at (m, test_net_node (&m->net, DCNN_OP_CONV_TRANSPOSE, &p, 3, in, NULL));
  x = unary (m, DCNN_OP_SIGMOID, x);
  x = concat (m, x, y);
  x = at (m, test_net_resize2 (&m->net, pool (m, DCNN_OP_AVERAGE_POOL, x, 2, 2,
              0), DCNN_RESIZE_NEAREST));
  output (m, conv (m, x, 3, 3, 1));
}

static void
net_gate (Maker *m, DcnnValueId v)
{
  DcnnValueId x = unary (m, DCNN_OP_RELU, conv (m, v, 6, 3, 1)), g;

  g = at (m, test_net_node (&m->net, DCNN_OP_GLOBAL_AVERAGE_POOL, NULL, 1, &x,
          NULL));
  g = unary (m, DCNN_OP_RELU, conv (m, g, 4, 1, 1));
  g = unary (m, DCNN_OP_SIGMOID, conv (m, g, 6, 1, 1));
  x = binary (m, DCNN_OP_MUL, x, g);
  x = unary (m, DCNN_OP_ELU, conv (m, x, 5, 3, 1));
  g = at (m, test_net_node (&m->net, DCNN_OP_GLOBAL_MAX_POOL, NULL, 1, &x,
          NULL));
  output (m, binary (m, DCNN_OP_ADD, x, conv (m, g, 5, 1, 1)));
}

/* Two outputs of very different size, one of them also read on. */
static void
net_outputs (Maker *m, DcnnValueId v)
{
  DcnnValueId x = unary (m, DCNN_OP_RELU, conv (m, v, 6, 3, 1));
  DcnnValueId small = conv (m, x, 3, 1, 1), large = conv (m, x, 3, 3, 2);
  DcnnValueId factor = test_net_constant (&m->net, 0, NULL);

  *(gfloat *) dcnn_graph_value (m->net.graph, factor)->tensor.data = 300;
  large = binary (m, DCNN_OP_MUL, large, factor);
  output (m, small);
  output (m, large);
  output (m, unary (m, DCNN_OP_TANH, conv (m, small, 2, 3, 1)));
}

static void
net_channels (Maker *m, DcnnValueId v)
{
  DcnnParams soft = { .axis = { .axis = 1 } };
  DcnnParams mean = { .reduce = { .axes = 2, .keepdims = TRUE } };
  DcnnParams depth = { .depth = { 2, FALSE } };
  DcnnValueId x = conv (m, v, 8, 3, 1), y;

  x = at (m, test_net_layer_norm_spelled (&m->net, x, 1));
  x = unary (m, DCNN_OP_GELU, conv (m, x, 8, 1, 1));
  y = at (m, test_net_node (&m->net, DCNN_OP_REDUCE_MEAN, &mean, 1, &x, NULL));
  x = binary (m, DCNN_OP_MUL, x, unary (m, DCNN_OP_SIGMOID, y));
  y = at (m, test_net_node (&m->net, DCNN_OP_DEPTH_TO_SPACE, &depth, 1, &x,
          NULL));
  y = at (m, test_net_node (&m->net, DCNN_OP_SPACE_TO_DEPTH, &depth, 1, &y,
          NULL));
  x = conv (m, binary (m, DCNN_OP_ADD, x, y), 5, 1, 1);
  output (m, at (m, test_net_node (&m->net, DCNN_OP_SOFTMAX, &soft, 1, &x,
              NULL)));
}

typedef struct Kind {
  const char *name;
  void (*make) (Maker *m, DcnnValueId v);
  guint nodes;             /* that are compared */
} Kind;

static const Kind kinds[] = {
  { "chain", net_chain, 3 },
  { "residual", net_residual, 4 },
  { "concat", net_concat, 5 },
  { "resize", net_resize, 6 },
  { "gate", net_gate, 4 },
  { "outputs", net_outputs, 4 },
  { "channels", net_channels, 8 },
};

/* changed: see Maker; NULL when there is no such value. */
static DcnnGraph *
make (const Kind *kind, const char *changed)
{
  Maker m = { .changed = changed };

  test_net_begin (&m.net, (guint64) (kind - kinds) + 3, FALSE);
  kind->make (&m, test_net_input (&m.net, 3, 8, 6));
  if (changed && !m.found)
    g_clear_pointer (&m.net.graph, dcnn_graph_free);
  return m.net.graph;
}

/* ---- by differences ---------------------------------------------------------- */

/* The outputs, one after the other, each times its factor. */
typedef struct Outputs {
  guint n;
  const gfloat *const *weights;
  gdouble factor[4];
} Outputs;

static gint64
run (const DcnnGraph *graph, const DcnnTensor *inputs, const Outputs *outputs,
    gdouble *values)
{
  g_autoptr (GError) error = NULL;
  DcnnTensor tensors[4] = { 0 };
  gint64 n = 0;

  g_assert_true (dcnn_graph_run_reference (graph, inputs, tensors, &error));
  for (guint i = 0; i < outputs->n; i++) {
    for (gint64 k = 0; k < dcnn_tensor_count (&tensors[i]); k++)
      values[n++] = ((gfloat *) tensors[i].data)[k] * outputs->factor[i] *
          (outputs->weights && outputs->weights[i] ?
              (gdouble) outputs->weights[i][k] : 1);
    dcnn_tensor_free (&tensors[i]);
  }
  return n;
}

/* Factors that make the norm of each output 1; returns how many values. */
static gint64
find_factors (const DcnnGraph *graph, const DcnnTensor *frame,
    Outputs *outputs)
{
  gdouble values[4096];
  gint64 n = 0;

  outputs->n = graph->outputs->len;
  for (guint i = 0; i < outputs->n; i++) {
    Outputs one = *outputs;
    gdouble squares = 0;
    for (guint k = 0; k < outputs->n; k++)
      one.factor[k] = k == i;
    n = run (graph, frame, &one, values);
    g_assert_cmpint (n, <=, G_N_ELEMENTS (values));
    for (gint64 k = 0; k < n; k++)
      squares += values[k] * values[k];
    outputs->factor[i] = 1 / sqrt (squares);
  }
  return n;
}

/* s^2 of a channel: the mean over pixels of |J_p|^2, rows J_p: [pixels][n].
 * An estimate is u' M u with M the mean of J_p J_p' and u of signs, whose
 * variance is 2 (|M|^2 - sum M_ii^2) (Hutchinson 1990). */
static gdouble
square_of (const gdouble *rows, gint64 pixels, gint64 n, gdouble *variance)
{
  g_autofree gdouble *m = g_new0 (gdouble, n);
  gdouble square = 0, whole = 0, diagonal = 0;

  for (gint64 i = 0; i < n; i++) {
    memset (m, 0, sizeof *m * (gsize) n);
    for (gint64 p = 0; p < pixels; p++) {
      const gdouble *row = rows + p * n;
      for (gint64 k = 0; row[i] != 0 && k < n; k++)
        m[k] += row[i] * row[k] / (gdouble) pixels;
    }
    square += m[i];
    diagonal += m[i] * m[i];
    for (gint64 k = 0; k < n; k++)
      whole += m[k] * m[k];
  }
  *variance = 2 * (whole - diagonal);
  return square;
}

static void
check_channel (const Kind *kind, const char *node, gint64 c, gdouble got,
    gdouble want, gdouble variance)
{
  gdouble bound = DEVIATIONS * sqrt (MAX (variance, 0) / PROBES) +
      DIFFERENCE_ERROR * want + 1e-9;

  if (fabs (got - want) <= bound)
    return;
  g_test_message ("net %s, node %s, channel %" G_GINT64_FORMAT ": s^2 is %g, "
      "by differences %g, at most %g apart; rerun: engine-influence %d",
      kind->name, node, c, got, want, bound, (gint) (kind - kinds) + 1);
  g_test_fail ();
}

/* One node of a net: all elements of what it makes, there and back. */
static void
compare_node (const Kind *kind, const DcnnGraph *graph, const char *node,
    const DcnnTensor *frame, const Outputs *outputs, gint64 n,
    const GArray *squares)
{
  g_autoptr (GError) error = NULL;
  g_autofree gdouble *rows = NULL, *low = g_new (gdouble, n);
  DcnnValueId change = dcnn_graph_find_value (graph, "change");
  DcnnTensor inputs[2] = { *frame, dcnn_graph_value (graph, change)->tensor };
  gint64 pixels = inputs[1].dims[2] * inputs[1].dims[3];
  gfloat *element;

  g_assert_cmpint (inputs[1].dims[1], ==, squares->len);
  g_assert_true (dcnn_tensor_alloc (&inputs[1], &error));
  rows = g_new (gdouble, pixels * n);
  for (gint64 c = 0; c < squares->len; c++) {
    gdouble variance, want;
    for (gint64 p = 0; p < pixels; p++) {
      element = (gfloat *) inputs[1].data + c * pixels + p;
      *element = -NUDGE;
      run (graph, inputs, outputs, low);
      *element = NUDGE;
      run (graph, inputs, outputs, rows + p * n);
      *element = 0;
      for (gint64 k = 0; k < n; k++)
        rows[p * n + k] = (rows[p * n + k] - low[k]) / (2 * NUDGE);
    }
    want = square_of (rows, pixels, n, &variance);
    check_channel (kind, node, c, g_array_index (squares, gdouble, c) /
        PROBES, want, variance);
  }
  dcnn_tensor_free (&inputs[1]);
}

/* ---- measuring ----------------------------------------------------------------- */

static void
free_array (gpointer array)
{
  g_array_unref (array);
}

static GHashTable *
new_table (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_array);
}

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode, const char *device)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.device = device;
  options.threads = 1;
  options.tuning.mode = mode;
  options.store_all = TRUE;
  return test_session_new (model, &options);
}

static GHashTable *
measure (DcnnSession *session, const gfloat *const *weights, guint probes,
    GHashTable *squares)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (dcnn_session_measure_influence (session, 0, weights, probes,
          squares, &error));
  g_assert_no_error (error);
  return squares;
}

/* Weights of the elements of each output but the last, some of them 0. */
static gfloat **
random_weights (DcnnModel *model, guint64 *state)
{
  DcnnModelSummary summary;
  gfloat **weights;

  dcnn_model_get_summary (model, &summary);
  weights = g_new0 (gfloat *, summary.n_outputs + 1);
  for (guint i = 0; i + 1 < summary.n_outputs || i == 0; i++) {
    gint64 n = dcnn_tensor_count (dcnn_model_output (model, i));
    weights[i] = g_new (gfloat, n);
    for (gint64 k = 0; k < n; k++)
      weights[i][k] = MAX (0, test_random_value (state, FALSE));
  }
  return weights;
}

static void
free_weights (DcnnModel *model, gfloat **weights)
{
  DcnnModelSummary summary;

  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; weights && i < summary.n_outputs; i++)
    g_free (weights[i]);
  g_free (weights);
}

static void
compare_net (const Kind *kind, gboolean weighted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnGraph) plain = make (kind, NULL);
  g_autoptr (DcnnModel) model = dcnn_model_new (make (kind, NULL), &error);
  g_autoptr (DcnnSession) session = NULL;
  g_autoptr (GHashTable) squares = new_table ();
  guint64 state = (guint64) (kind - kinds) + 90;
  gfloat **weights = NULL;
  Outputs outputs = { 0 };
  GHashTableIter iter;
  gpointer name, sums;
  DcnnTensor frame;
  guint compared = 0;
  gint64 n;

  g_assert_no_error (error);
  session = new_session (model, DCNN_MODE_DENSE, test_device ());
  frame = test_frame_new (model, &state, FALSE);
  test_push (session, &frame);
  if (weighted)
    weights = random_weights (model, &state);
  outputs.weights = (const gfloat *const *) weights;
  measure (session, outputs.weights, PROBES, squares);
  n = find_factors (plain, &frame, &outputs);
  g_hash_table_iter_init (&iter, squares);
  while (g_hash_table_iter_next (&iter, &name, &sums)) {
    g_autoptr (DcnnGraph) graph = make (kind, name);
    /* what the plan adds of its own is no value of the graph */
    g_assert_true (graph || dcnn_graph_find_value (plain, name) < 0);
    if (graph)
      compare_node (kind, graph, name, &frame, &outputs, n, sums);
    compared += graph != NULL;
  }
  g_assert_cmpuint (compared, ==, kind->nodes);
  free_weights (model, weights);
  dcnn_tensor_free (&frame);
}

static void
test_differences (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (test_seed_runs (i + 1))
      compare_net (&kinds[i], FALSE);
}

static void
test_weights (void)
{
  compare_net (&kinds[0], TRUE);
  compare_net (&kinds[5], TRUE);
}

/* What arg max compares counts as an output: an element moves only itself. */
static void
test_arg_max (void)
{
  g_autoptr (DcnnModel) model = NULL;
  g_autoptr (DcnnSession) session = NULL, logits = NULL;
  g_autoptr (GHashTable) squares = new_table ();
  DcnnParams p = { .axis = { .axis = 1, .keepdims = TRUE } };
  guint64 state = 4;
  const GArray *sums;
  DcnnTensor frame;
  gdouble norm = 0;
  TestNet net;
  DcnnValueId v;

  for (gint arg_max = 0; arg_max < 2; arg_max++) {
    test_net_begin (&net, 8, FALSE);
    v = test_net_conv (&net, test_net_input (&net, 3, 8, 6), 5, 3, 1, 1, 1);
    if (arg_max)
      v = test_net_node (&net, DCNN_OP_ARG_MAX, &p, 1, &v, NULL);
    dcnn_graph_add_output (net.graph, v);
    g_clear_pointer (&model, dcnn_model_unref);
    model = test_model_new (net.graph);
    *(arg_max ? &session : &logits) = new_session (model, DCNN_MODE_DENSE,
        test_device ());
  }
  frame = test_frame_new (model, &state, FALSE);
  test_push (session, &frame);
  test_push (logits, &frame);
  measure (session, NULL, 3, squares);
  for (guint i = 0; i < 5 * 8 * 6; i++) {
    gfloat value = ((gfloat *)
        dcnn_session_get_output (logits, 0, 0)->tensor.data)[i];
    norm += (gdouble) value * value;
  }
  sums = g_hash_table_lookup (squares, plan_node (session->plan, 0)->name);
  g_assert_nonnull (sums);
  g_assert_cmpuint (sums->len, ==, 5);
  for (guint c = 0; c < 5; c++)
    g_assert_cmpfloat_with_epsilon (g_array_index (sums, gdouble, c) / 3,
        1 / norm, 1e-5 / norm);
  dcnn_tensor_free (&frame);
}

/* ---- how it is called -------------------------------------------------------- */

static void
assert_same (GHashTable *a, GHashTable *b, gdouble times)
{
  GHashTableIter iter;
  gpointer name, sums;

  g_assert_cmpuint (g_hash_table_size (a), ==, g_hash_table_size (b));
  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &name, &sums)) {
    const GArray *p = sums, *q = g_hash_table_lookup (b, name);
    g_assert_nonnull (q);
    g_assert_cmpuint (p->len, ==, q->len);
    for (guint c = 0; c < p->len; c++) {
      gdouble want = g_array_index (p, gdouble, c) * times;
      gdouble have = g_array_index (q, gdouble, c);
      /* sums of the same numbers, where times is 1 in the same order */
      g_assert_cmpfloat (fabs (have - want), <=, times == 1 ? 0 :
          1e-12 * want);
    }
  }
}

/* The same state gives the same numbers, added to what is there; another
 * frame gives others. */
static void
test_repeats (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (make (&kinds[4], NULL),
      &error);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_DENSE,
      test_device ());
  g_autoptr (GHashTable) first = new_table (), second = new_table ();
  g_autoptr (GHashTable) other = new_table ();
  const char *name = plan_node (session->plan, 0)->name;
  const GArray *p, *q;
  guint64 state = 1;
  DcnnTensor frame;

  frame = test_frame_new (model, &state, FALSE);
  test_push (session, &frame);
  measure (session, NULL, 4, first);
  measure (session, NULL, 4, second);
  assert_same (first, second, 1);
  measure (session, NULL, 4, second);
  assert_same (first, second, 2);
  test_video_step (&state, &frame, FALSE);
  test_push (session, &frame);
  measure (session, NULL, 4, other);
  p = g_hash_table_lookup (first, name);
  q = g_hash_table_lookup (other, name);
  g_assert_true (p->len == q->len && memcmp (p->data, q->data, p->len *
          sizeof (gdouble)) != 0);
  dcnn_tensor_free (&frame);
}

/* A sparse session that is measured now and then goes on as one that is not. */
static void
test_undisturbed (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (make (&kinds[i], NULL),
        &error);
    g_autoptr (DcnnSession) measured = new_session (model, DCNN_MODE_SPARSE,
        test_device ());
    g_autoptr (DcnnSession) alone = new_session (model, DCNN_MODE_SPARSE,
        test_device ());
    g_autoptr (GHashTable) squares = new_table ();
    DcnnFrameStats a, b;
    guint64 state = i;
    DcnnTensor frame;
    frame = test_frame_new (model, &state, FALSE);
    for (guint f = 0; f < 8; f++) {
      test_push (measured, &frame);
      test_push (alone, &frame);
      if (f % 3 == 0)
        measure (measured, NULL, 2, squares);
      dcnn_session_get_stats (measured, 0, &a);
      dcnn_session_get_stats (alone, 0, &b);
      g_assert_cmpuint (a.macs_done, ==, b.macs_done);
      for (guint k = 0; k < measured->plan->graph->outputs->len; k++) {
        const DcnnTensor *p = &dcnn_session_get_output (measured, 0, k)->tensor;
        const DcnnTensor *q = &dcnn_session_get_output (alone, 0, k)->tensor;
        g_assert_cmpmem (p->data, (gsize) dcnn_tensor_count (p) *
            sizeof (gfloat), q->data, (gsize) dcnn_tensor_count (q) *
            sizeof (gfloat));
      }
      test_video_step (&state, &frame, FALSE);
    }
    dcnn_tensor_free (&frame);
  }
}

/* Whatever ran the frame: of the same values the same numbers. */
static void
test_devices (void)
{
  for (guint64 seed = 1; seed <= 8; seed++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (seed, TRUE,
            FALSE, TRUE), &error);
    g_autoptr (DcnnSession) cpu = NULL, sim = NULL;
    g_autoptr (GHashTable) one = new_table (), other = new_table ();
    guint64 state = seed + 9;
    DcnnTensor frame;
    g_assert_no_error (error);
    cpu = new_session (model, DCNN_MODE_SPARSE, test_device ());
    sim = new_session (model, DCNN_MODE_SPARSE, "sim");
    frame = test_frame_new (model, &state, TRUE);
    for (guint f = 0; f < 2; f++) {
      test_push (cpu, &frame);
      test_push (sim, &frame);
      measure (cpu, NULL, 2, one);
      measure (sim, NULL, 2, other);
      test_video_step (&state, &frame, TRUE);
    }
    g_assert_cmpuint (g_hash_table_size (one), >, 0);
    assert_same (one, other, 1);
    dcnn_tensor_free (&frame);
  }
}

static void
assert_refused (DcnnSession *session, guint stream)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GHashTable) squares = new_table ();

  g_assert_false (dcnn_session_measure_influence (session, stream, NULL, 1,
          squares, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "frame"));
  g_assert_cmpuint (g_hash_table_size (squares), ==, 0);
}

static void
test_errors (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (make (&kinds[0], NULL),
      &error);
  g_autoptr (DcnnSession) cpu = new_session (model, DCNN_MODE_DENSE, test_device ());
  g_autoptr (DcnnSession) null = new_session (model, DCNN_MODE_DENSE, "null");
  g_autoptr (DcnnSession) in_blocks = NULL;
  g_autoptr (GHashTable) squares = new_table ();
  guint64 state = 1;
  DcnnSessionOptions options;
  DcnnTensor frame;

  test_options_init (&options);
  assert_refused (cpu, 0);
  assert_refused (cpu, 1);
  assert_refused (cpu, G_MAXUINT);
  frame = test_frame_new (model, &state, FALSE);
  test_push (cpu, &frame);
  test_push (null, &frame);
  assert_refused (cpu, 1);
  g_assert_false (dcnn_session_measure_influence (null, 0, NULL, 1, squares,
          &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE);
  g_assert_nonnull (strstr (error->message, "device=null"));
  g_clear_error (&error);
  measure (cpu, NULL, 0, squares);
  g_assert_cmpuint (g_hash_table_size (squares), ==, 0);
  in_blocks = test_session_new (model, &options);
  g_assert_false (dcnn_session_measure_influence (in_blocks, 0, NULL, 1,
          squares, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "store_all"));
  measure (cpu, NULL, 1, squares);
  g_assert_cmpuint (g_hash_table_size (squares), ==, 3);
  dcnn_session_reset (cpu, 0);
  assert_refused (cpu, 0);
  dcnn_tensor_free (&frame);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_seeds_init (argc, argv);
  g_test_add_func ("/engine/influence/differences", test_differences);
  g_test_add_func ("/engine/influence/weights", test_weights);
  g_test_add_func ("/engine/influence/arg-max", test_arg_max);
  g_test_add_func ("/engine/influence/repeats", test_repeats);
  g_test_add_func ("/engine/influence/undisturbed", test_undisturbed);
  g_test_add_func ("/engine/influence/devices", test_devices);
  g_test_add_func ("/engine/influence/errors", test_errors);
  return g_test_run ();
}
