/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nets.c - see nets.h.
 */
#include "nets.h"

#include "dcnn_engine.h"

#include <math.h>
#include <string.h>

static guint64 only_seed;
static guint64 seeds_of_ten; /* 0: all */

void
test_seeds_init (int argc, char **argv)
{
  if (argc > 1)
    only_seed = g_ascii_strtoull (argv[1], NULL, 10);
  else if (g_getenv ("DELTACNN_TEST_SEEDS"))
    seeds_of_ten = g_ascii_strtoull (g_getenv ("DELTACNN_TEST_SEEDS"), NULL,
        10);
}

gboolean
test_seed_runs (guint64 seed)
{
  return only_seed > 0 ? seed == only_seed : seeds_of_ten == 0 ||
      (seed > 0 && (seed - 1) % 10 < seeds_of_ten);
}

const char *
test_device (void)
{
  const char *named = g_getenv ("DELTACNN_TEST_DEVICE");

  return named && *named ? named : "cpu";
}

DcnnPrecision
test_precision (void)
{
  static const char *const names[] = {
#define DCNN_X(e, n, b) n,
    DCNN_PRECISIONS (DCNN_X)
#undef DCNN_X
  };
  const char *named = g_getenv ("DELTACNN_TEST_PRECISION");

  for (guint i = 0; named && i < DCNN_PRECISION_COUNT; i++)
    if (strcmp (named, names[i]) == 0)
      return (DcnnPrecision) i;
  return DCNN_PRECISION_AUTO;
}

gboolean
test_on_cpu (void)
{
  return strcmp (test_device (), "cpu") == 0;
}

void
test_options_init (DcnnSessionOptions *options)
{
  dcnn_session_options_init (options);
  options->device = test_device ();
  options->precision = test_precision ();
}

void
test_options_on (DcnnSessionOptions *options, const char *device)
{
  test_options_init (options);
  options->device = device;
  if (strcmp (device, test_device ()) != 0)
    options->precision = DCNN_PRECISION_AUTO;
}

guint
test_random (guint64 *state, guint n)
{
  *state = *state * G_GUINT64_CONSTANT (6364136223846793005) +
      G_GUINT64_CONSTANT (1442695040888963407);
  return (guint) ((*state >> 33) % n);
}

gfloat
test_random_value (guint64 *state, gboolean integer)
{
  if (integer)
    return (gfloat) test_random (state, 5) - 2;
  return (gfloat) test_random (state, 20001) / 10000.0f - 1.0f;
}

void
test_net_begin (TestNet *net, guint64 seed, gboolean integer)
{
  net->state = seed * 77777 + 1;
  net->graph = dcnn_graph_new ();
  net->integer = integer;
  net->names = 0;
}

static char *
new_name (TestNet *net)
{
  return g_strdup_printf ("v%d", net->names++);
}

DcnnValueId
test_net_input (TestNet *net, gint c, gint h, gint w)
{
  gint64 dims[4] = { 1, c, h, w };
  g_autoptr (GError) error = NULL;
  DcnnValueId id = dcnn_graph_add_input (net->graph, "input",
      DCNN_DTYPE_F32, 4, dims, &error);

  g_assert_no_error (error);
  return id;
}

DcnnValueId
test_net_constant (TestNet *net, gint rank, const gint64 *dims)
{
  DcnnTensor t = { .dtype = DCNN_DTYPE_F32, .rank = rank };
  g_autoptr (GError) error = NULL;
  g_autofree char *name = new_name (net);
  DcnnValueId id;
  gint64 n, fan = 1;

  for (gint i = 0; i < rank; i++) {
    t.dims[i] = dims[i];
    fan *= i ? dims[i] : 1;
  }
  g_assert_true (dcnn_tensor_alloc (&t, &error));
  n = dcnn_tensor_count (&t);
  for (gint64 i = 0; i < n; i++) {
    gfloat v = test_random_value (&net->state, net->integer);
    /* integers stay exact only if sums stay small: mostly zeros */
    if (net->integer && rank == 4)
      v = test_random (&net->state, 8) ? 0 : v > 0 ? 1 : v < 0 ? -1 : 0;
    else if (!net->integer && rank == 4)
      v *= (gfloat) sqrt (3.0 / (gdouble) fan);
    ((gfloat *) t.data)[i] = v;
  }
  id = dcnn_graph_add_constant (net->graph, name, &t, &error);
  g_assert_no_error (error);
  return id;
}

DcnnValueId
test_net_node (TestNet *net, DcnnOp op, const DcnnParams *params,
    gint n_inputs, const DcnnValueId *inputs, const DcnnTensor *shape)
{
  DcnnParams none = { 0 };
  g_autofree char *name = new_name (net);
  const char *names[1] = { name };
  g_autoptr (GError) error = NULL;
  DcnnValueId out = -1;
  gboolean ok = dcnn_graph_add_node (net->graph, name, op,
      params ? params : &none, n_inputs, inputs, 1, names, shape, &out,
      &error);

  g_assert_no_error (error);
  g_assert_true (ok);
  return out;
}

static const gint64 *
dims_of (TestNet *net, DcnnValueId v)
{
  return dcnn_graph_value (net->graph, v)->tensor.dims;
}

DcnnValueId
test_net_conv (TestNet *net, DcnnValueId in, gint out_channels, gint kernel,
    gint stride, gint dilation, gint groups)
{
  gint64 pad = dilation * (kernel - 1) / 2;
  DcnnParams p = { .conv = { .window = { 2, { kernel, kernel },
        { stride, stride }, { dilation, dilation }, { pad, pad },
        { pad, pad } }, .groups = groups } };
  gint64 w[4] = { out_channels, dims_of (net, in)[1] / groups, kernel,
    kernel }, b[1] = { out_channels };
  DcnnValueId inputs[3];

  if (kernel % 2 == 0)
    p.conv.window.pad_end[0] = p.conv.window.pad_end[1] = 0;
  inputs[0] = in;
  inputs[1] = test_net_constant (net, 4, w);
  inputs[2] = test_net_constant (net, 1, b);
  return test_net_node (net, DCNN_OP_CONV, &p, 3, inputs, NULL);
}

DcnnValueId
test_net_unary (TestNet *net, DcnnOp op, DcnnValueId in)
{
  DcnnParams p = { .act = { .alpha = 0.2, .beta = 0.5, .lo = 0, .hi = 6 } };

  return test_net_node (net, op, &p, 1, &in, NULL);
}

DcnnValueId
test_net_binary (TestNet *net, DcnnOp op, DcnnValueId a, DcnnValueId c)
{
  DcnnValueId inputs[2] = { a, c };

  return test_net_node (net, op, NULL, 2, inputs, NULL);
}

DcnnValueId
test_net_resize2 (TestNet *net, DcnnValueId in, DcnnResizeMode mode)
{
  const gint64 *d = dims_of (net, in);
  DcnnTensor shape = { DCNN_DTYPE_F32, 4, { 1, d[1], d[2] * 2, d[3] * 2 },
    NULL };
  DcnnParams p = { .resize = { .mode = mode,
      .coord = mode == DCNN_RESIZE_NEAREST ? DCNN_COORD_ASYMMETRIC :
          DCNN_COORD_HALF_PIXEL, .nearest = DCNN_NEAREST_FLOOR,
      .cubic_a = -0.75, .scale = { 1, 1, 2, 2 } } };

  return test_net_node (net, DCNN_OP_RESIZE, &p, 1, &in, &shape);
}

DcnnValueId
test_net_concat (TestNet *net, DcnnValueId a, DcnnValueId c)
{
  DcnnParams p = { .axis = { .axis = 1 } };
  DcnnValueId inputs[2] = { a, c };

  return test_net_node (net, DCNN_OP_CONCAT, &p, 2, inputs, NULL);
}

/* ---- blocks ---------------------------------------------------------------- */

static DcnnValueId
activation (TestNet *net, DcnnValueId v)
{
  static const DcnnOp real[] = { DCNN_OP_RELU, DCNN_OP_CLIP,
    DCNN_OP_LEAKY_RELU, DCNN_OP_HARD_SWISH, DCNN_OP_SIGMOID, DCNN_OP_TANH };
  DcnnOp op;

  if (net->integer)
    op = test_random (&net->state, 2) ? DCNN_OP_RELU : DCNN_OP_CLIP;
  else
    op = real[test_random (&net->state, G_N_ELEMENTS (real))];
  return test_net_unary (net, op, v);
}

static DcnnValueId
block_residual (TestNet *net, DcnnValueId v)
{
  gint c = (gint) dims_of (net, v)[1];
  DcnnValueId x = activation (net, test_net_conv (net, v, 2 * c, 1, 1, 1, 1));

  x = activation (net, test_net_conv (net, x, 2 * c, 3, 1,
          1 + (gint) test_random (&net->state, 2), 2 * c));
  x = test_net_conv (net, x, c, 1, 1, 1, 1);
  return activation (net, test_net_binary (net, DCNN_OP_ADD, x, v));
}

static DcnnValueId
block_branches (TestNet *net, DcnnValueId v)
{
  DcnnValueId a = activation (net, test_net_conv (net, v,
          1 + (gint) test_random (&net->state, 19), 3, 1, 1, 1));
  DcnnValueId c = activation (net, test_net_conv (net, v,
          1 + (gint) test_random (&net->state, 19), 1, 1, 1, 1));
  DcnnValueId both = test_net_concat (net, a, c);

  return test_net_conv (net, both, 5 + (gint) test_random (&net->state, 8), 3,
      1, 1, 1);
}

static DcnnValueId
block_silu (TestNet *net, DcnnValueId v)
{
  DcnnValueId x = test_net_conv (net, v, 8, 3, 1, 1, 1);

  if (net->integer)
    return activation (net, x);
  return test_net_binary (net, DCNN_OP_MUL, x,
      test_net_unary (net, DCNN_OP_SIGMOID, x));
}

static DcnnValueId
block_gate (TestNet *net, DcnnValueId v)
{
  gint c = (gint) dims_of (net, v)[1];
  DcnnValueId g =
      test_net_node (net, DCNN_OP_GLOBAL_AVERAGE_POOL, NULL, 1, &v, NULL);

  g = test_net_unary (net, DCNN_OP_RELU, test_net_conv (net, g, 4, 1, 1, 1,
          1));
  g = test_net_unary (net, DCNN_OP_SIGMOID, test_net_conv (net, g, c, 1, 1, 1,
          1));
  return test_net_binary (net, DCNN_OP_MUL, v, g);
}

static DcnnValueId
block_down_up (TestNet *net, DcnnValueId v)
{
  DcnnValueId x = activation (net, test_net_conv (net, v, 12, 3, 2, 1, 1));
  DcnnResizeMode mode = net->integer ? DCNN_RESIZE_NEAREST :
      test_random (&net->state, 2) ? DCNN_RESIZE_LINEAR : DCNN_RESIZE_NEAREST;

  x = block_residual (net, x);
  x = test_net_resize2 (net, x, mode);
  return test_net_conv (net, test_net_concat (net, x, v), 10, 1, 1, 1, 1);
}

static DcnnValueId
block_transposed (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .conv = { .window = { 2, { 4, 4 }, { 2, 2 }, { 1, 1 },
        { 1, 1 }, { 1, 1 } }, .groups = 1 } };
  DcnnValueId x = activation (net, test_net_conv (net, v, 6, 3, 2, 1, 1));
  gint64 w[4] = { 6, 7, 4, 4 }, b[1] = { 7 };
  DcnnValueId inputs[3];

  inputs[0] = x;
  inputs[1] = test_net_constant (net, 4, w);
  inputs[2] = test_net_constant (net, 1, b);
  return activation (net, test_net_node (net, DCNN_OP_CONV_TRANSPOSE, &p, 3,
          inputs, NULL));
}

static DcnnValueId
block_pool (TestNet *net, DcnnValueId v)
{
  DcnnParams p = { .pool = { .window = { 2, { 3, 3 }, { 1, 1 }, { 1, 1 },
        { 1, 1 }, { 1, 1 } } } };

  return test_net_node (net, DCNN_OP_MAX_POOL, &p, 1, &v, NULL);
}

DcnnValueId
test_net_reshape (TestNet *net, DcnnValueId v, gint rank, const gint64 *dims)
{
  DcnnTensor shape = { DCNN_DTYPE_F32, rank, { 0 }, NULL };

  memcpy (shape.dims, dims, sizeof (gint64) * (gsize) rank);
  return test_net_node (net, DCNN_OP_RESHAPE, NULL, 1, &v, &shape);
}

DcnnValueId
test_net_transpose (TestNet *net, DcnnValueId v, gint rank, const int *perm)
{
  DcnnParams p = { .transpose = { { 0 } } };

  memcpy (p.transpose.perm, perm, sizeof (int) * (gsize) rank);
  return test_net_node (net, DCNN_OP_TRANSPOSE, &p, 1, &v, NULL);
}

static const int to_nhwc[4] = { 0, 2, 3, 1 }, to_nchw[4] = { 0, 3, 1, 2 };

static DcnnValueId
norm (TestNet *net, DcnnOp op, const DcnnParams *p, DcnnValueId v,
    gint64 parameters)
{
  DcnnValueId in[3] = { v, test_net_constant (net, 1, &parameters),
    test_net_constant (net, 1, &parameters) };

  return test_net_node (net, op, p, 3, in, NULL);
}

DcnnValueId
test_net_norm (TestNet *net, DcnnValueId v, TestNorm kind)
{
  gint64 dims[4], c = dims_of (net, v)[1], groups = c % 4 ? 1 : 4;
  gint64 flat[3] = { 1, groups, c / groups * dims_of (net, v)[2] *
    dims_of (net, v)[3] }, column[3] = { c, 1, 1 };
  DcnnParams p = { .norm = { .epsilon = 0.01, .groups = groups,
      .axis = 3 } };

  memcpy (dims, dims_of (net, v), sizeof dims);
  switch (kind) {
    case TEST_NORM_INSTANCE:
      return norm (net, DCNN_OP_INSTANCE_NORM, &p, v, c);
    case TEST_NORM_GROUP:
      return norm (net, DCNN_OP_GROUP_NORM, &p, v, c);
    case TEST_NORM_GROUP_SPELLED:
      v = test_net_reshape (net, v, 3, flat);
      v = norm (net, DCNN_OP_INSTANCE_NORM, &p, v, groups);
      v = test_net_reshape (net, v, 4, dims);
      v = test_net_binary (net, DCNN_OP_MUL, v,
          test_net_constant (net, 3, column));
      return test_net_binary (net, DCNN_OP_ADD, v,
          test_net_constant (net, 3, column));
    case TEST_NORM_LAYER:
    default:
      v = test_net_transpose (net, v, 4, to_nhwc);
      v = norm (net, DCNN_OP_LAYER_NORM, &p, v, c);
      return test_net_transpose (net, v, 4, to_nchw);
  }
}

DcnnValueId
test_net_layer_norm_spelled (TestNet *net, DcnnValueId v, gint axis)
{
  DcnnParams p = { .reduce = { .axes = 1u << axis, .keepdims = true } };
  gint64 one = 1, c = dims_of (net, v)[axis], last[3] = { 1, 1, c };
  gint64 column[3] = { c, 1, 1 };
  DcnnValueId m, d, s, epsilon = test_net_constant (net, 1, &one);

  *(gfloat *) dcnn_graph_value (net->graph, epsilon)->tensor.data = 0.01f;
  m = test_net_node (net, DCNN_OP_REDUCE_MEAN, &p, 1, &v, NULL);
  d = test_net_binary (net, DCNN_OP_SUB, v, m);
  s = test_net_binary (net, DCNN_OP_MUL, d, d);
  s = test_net_node (net, DCNN_OP_REDUCE_MEAN, &p, 1, &s, NULL);
  s = test_net_binary (net, DCNN_OP_ADD, s, epsilon);
  v = test_net_binary (net, DCNN_OP_DIV, d,
      test_net_unary (net, DCNN_OP_SQRT, s));
  v = test_net_binary (net, DCNN_OP_MUL, v,
      test_net_constant (net, 3, axis == 1 ? column : last));
  return test_net_binary (net, DCNN_OP_ADD, v,
      test_net_constant (net, 3, axis == 1 ? column : last));
}

static DcnnValueId
block_norm (TestNet *net, DcnnValueId v)
{
  DcnnValueId x = test_net_conv (net, v,
      4 * (1 + (gint) test_random (&net->state, 4)), 3, 1, 1, 1);

  x = test_net_norm (net, x, test_random (&net->state, TEST_NORM_LAYER));
  return test_net_conv (net, activation (net, x), 9, 1, 1, 1, 1);
}

static DcnnValueId
block_layer_norm (TestNet *net, DcnnValueId v)
{
  DcnnValueId x = test_net_conv (net, v,
      5 + (gint) test_random (&net->state, 12), 3, 1, 1, 1);

  switch (test_random (&net->state, 3)) {
    case 0:
      x = test_net_norm (net, x, TEST_NORM_LAYER);
      break;
    case 1:
      x = test_net_layer_norm_spelled (net, x, 1);
      break;
    default:
      x = test_net_transpose (net, x, 4, to_nhwc);
      x = test_net_layer_norm_spelled (net, x, 3);
      x = test_net_transpose (net, x, 4, to_nchw);
      break;
  }
  return activation (net, x);
}

static DcnnGraph *
random_net (guint64 seed, gboolean integer, gboolean even, gboolean global,
    gint height, gint width)
{
  DcnnValueId (*blocks[]) (TestNet *, DcnnValueId) = { block_residual,
    block_branches, block_silu, block_pool, block_down_up, block_transposed,
    block_gate, block_norm, block_layer_norm };
  TestNet net;
  DcnnValueId v;
  guint n;

  test_net_begin (&net, seed, integer);
  if (height > 0)
    v = test_net_input (&net, 3, height, width);
  else if (even)
    v = test_net_input (&net, 3, 16 * (2 + (gint) test_random (&net.state, 3)),
        16 * (2 + (gint) test_random (&net.state, 4)));
  else
    v = test_net_input (&net, 1 + (gint) test_random (&net.state, 6),
        4 * (2 + (gint) test_random (&net.state, 9)),
        4 * (2 + (gint) test_random (&net.state, 9)));
  n = integer ? 2 : 3 + test_random (&net.state, 3);
  v = activation (&net, test_net_conv (&net, v, 8, 3, 2, 1, 1));
  for (guint i = 0; i < n; i++) {
    guint kind = test_random (&net.state, global && !integer ? 9 : 6);
    gint64 h = dims_of (&net, v)[2], w = dims_of (&net, v)[3];
    if ((kind == 4 || kind == 5) && (h % 2 || w % 2))
      kind = 0;
    v = blocks[kind] (&net, v);
  }
  dcnn_graph_add_output (net.graph, v);
  v = test_net_conv (&net, v, 5, 1, 1, 1, 1);
  dcnn_graph_add_output (net.graph, v);
  return net.graph;
}

DcnnGraph *
test_net_random (guint64 seed, gboolean integer, gboolean even,
    gboolean global)
{
  return random_net (seed, integer, even, global, 0, 0);
}

DcnnGraph *
test_net_sized (guint64 seed, gboolean integer, gboolean global, gint height,
    gint width)
{
  return random_net (seed, integer, TRUE, global, height, width);
}

static void
free_array (gpointer array)
{
  g_array_unref (array);
}

GHashTable *
test_random_influence (DcnnModel *model, guint64 *state)
{
  GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      free_array);

  for (guint n = 0; n < model->plan->nodes->len; n++) {
    const PlanNode *node = plan_node (model->plan, n);
    GArray *values;
    if (node->kind != PLAN_KERNEL)
      continue;
    values = g_array_new (FALSE, FALSE, sizeof (gfloat));
    for (guint c = 0; c < plan_map (model->plan, node->out)->channels; c++) {
      gfloat v = test_random (state, 5) == 0 ? 0 : (gfloat) (0.2 *
          pow (10, 0.75 * ((gdouble) test_random_value (state, FALSE) - 1)));
      g_array_append_val (values, v);
    }
    g_hash_table_replace (table, g_strdup (node->name), values);
  }
  return table;
}

DcnnTensor
test_frame_new (DcnnModel *model, guint64 *state, gboolean integer)
{
  g_autoptr (GError) error = NULL;
  DcnnTensor frame = *dcnn_model_input (model, 0);

  frame.data = NULL;
  g_assert_true (dcnn_tensor_alloc (&frame, &error));
  for (gint64 i = 0; i < dcnn_tensor_count (&frame); i++)
    ((gfloat *) frame.data)[i] = test_random_value (state, integer);
  return frame;
}

DcnnModel *

test_model_new (DcnnGraph *graph)
{ g_autoptr (GError) error = NULL;
  DcnnModel *model = dcnn_model_new (graph, &error);

  g_assert_no_error (error);
  return model;
}

DcnnSession *

test_session_new (DcnnModel *model, const DcnnSessionOptions *options)
{
  g_autoptr (GError) error = NULL;
  DcnnSession *session = dcnn_session_new (model, options, &error);

  g_assert_no_error (error);
  return session;
}

void

test_push_frame (DcnnSession *session, guint stream, const DcnnFrame *frame)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = dcnn_session_push_frame (session, stream, frame, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
}

void
test_fail (DcnnModel *model, guint64 seed, const char *format, ...)
{
  g_autofree char *plan = dcnn_model_dump_plan (model);
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_test_message ("%s\n%s\nrerun: %s %" G_GUINT64_FORMAT, text, plan,
      g_get_prgname (), seed);
  g_test_fail ();
}

gboolean
test_same_outputs (DcnnSession *a, guint stream, DcnnSession *b)
{
  for (guint i = 0; i < a->plan->graph->outputs->len; i++) {
    const DcnnTensor *p = &dcnn_session_get_output (a, stream, i)->tensor;
    const DcnnTensor *q = &dcnn_session_get_output (b, 0, i)->tensor;
    if (memcmp (p->data, q->data, (gsize) dcnn_tensor_count (p) *
            dcnn_dtype_bytes (p->dtype)) != 0)
      return FALSE;
  }
  return TRUE;
}

void

test_push (DcnnSession *session, const DcnnTensor *frame)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (dcnn_session_push_tensors (session, 0, frame, 0, NULL,
          &error));
}

void
test_video_step (guint64 *state, DcnnTensor *frame, gboolean integer)
{
  guint c = (guint) frame->dims[1], h = (guint) frame->dims[2],
      w = (guint) frame->dims[3], n = test_random (state, 3);
  gfloat *data = frame->data;

  for (guint i = 0; i < n; i++) {
    guint size_y = 1 + test_random (state, MAX (1, h / 3));
    guint size_x = 1 + test_random (state, MAX (1, w / 3));
    guint y0 = test_random (state, h), x0 = test_random (state, w);
    for (guint k = 0; k < c; k++)
      for (guint y = y0; y < MIN (h, y0 + size_y); y++)
        for (guint x = x0; x < MIN (w, x0 + size_x); x++)
          data[(k * h + y) * w + x] = test_random_value (state, integer);
  }
}
