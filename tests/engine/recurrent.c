/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recurrent.c - LSTM, GRU and RNN: their kernel equals the reference on every
 * level of the instruction set and writes nothing else; a session gives the
 * same bits whatever threads and frames it had. Against ONNX Runtime:
 * onnx/user_nets.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "dcnn_kernels.h"
#include "nets.h"
#include "video.h"

static const struct {
  DcnnCellKind kind;
  int gates;
  gboolean after;
} cells[] = {
  { DCNN_CELL_RNN, 1, FALSE },
  { DCNN_CELL_GRU, 3, FALSE },
  { DCNN_CELL_GRU_AFTER, 3, TRUE },
  { DCNN_CELL_LSTM, 4, FALSE },
};

#define POISON 12345

/* A tensor of random numbers, with two of poison behind them. */
static DcnnTensor
make (guint64 *seed, gint rank, gint64 a, gint64 b, gint64 c)
{
  DcnnTensor t = { .dtype = DCNN_DTYPE_F32, .rank = rank, .dims = { a, b, c } };
  gsize n = (gsize) dcnn_tensor_count (&t);
  float *data = g_new (float, n + 2);

  for (gsize i = 0; i < n; i++)
    data[i] = test_random_value (seed, FALSE);
  data[n] = data[n + 1] = POISON;
  t.data = data;
  return t;
}

static void
check_near (const DcnnTensor *have, const DcnnTensor *want)
{
  const float *a = have->data, *b = want->data;
  gsize n = (gsize) dcnn_tensor_count (have);

  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat (fabsf (a[i] - b[i]), <, 1e-5f);
  g_assert_cmpfloat (a[n], ==, POISON);
  g_assert_cmpfloat (a[n + 1], ==, POISON);
}

/* Operands of a layer (in, weights, state, contents, bias), and what comes out
 * (states, contents). */
typedef struct Case {
  guint cell;
  gboolean backward;
  DcnnTensor in[5], out[2], want[2];
} Case;

static void
run_kernel (const DcnnCpuKernels *kernels, const Case *c, const float *packed)
{
  const gsize steps = (gsize) c->in[0].dims[0], batch = (gsize)
      c->in[0].dims[1];
  const gsize hidden = (gsize) c->in[1].dims[1], n = (gsize) c->in[0].dims[2];
  const ptrdiff_t way = c->backward ? -1 : 1;

  for (gsize b = 0; b < batch; b++) {
    const gsize at = (c->backward ? steps - 1 : 0) * batch + b;
    const DcnnRecurrent layer = { .kind = cells[c->cell].kind,
      .steps = steps, .hidden = hidden, .in = (float *) c->in[0].data + at * n,
      .in_step = way * (ptrdiff_t) (batch * n),
      .out_step = way * (ptrdiff_t) (batch * hidden), .packed = packed,
      .late_bias = c->in[4].data, .state = c->in[2].data == NULL ? NULL :
          (float *) c->in[2].data + b * hidden,
      .work = (float *) c->out[1].data + b * hidden,
      .out = (float *) c->out[0].data + at * hidden };
    kernels->recurrent (&layer);
  }
}

static void
check_case (guint cell, gint64 steps, gint64 batch, gint64 hidden,
    gboolean states, gboolean backward, guint64 seed)
{
  const gint64 n = cells[cell].gates * hidden;
  const DcnnParams params = { .recurrent = { .gates = cells[cell].gates,
      .after = cells[cell].after, .backward = backward } };
  Case c = { .cell = cell, .backward = backward };
  const DcnnTensor *inputs[5] = { &c.in[0], &c.in[1] };
  DcnnTensor *outputs[2] = { &c.want[0], &c.want[1] };
  const gsize bytes = (gsize) (batch * hidden) * sizeof (float);
  g_autofree float *packed = g_new (float, dcnn_recurrent_floats (
          cells[cell].kind, (gsize) hidden));

  c.in[0] = make (&seed, 3, steps, batch, n);
  c.in[1] = make (&seed, 2, n, hidden, 0);
  for (gint i = 2; i < 4 && states; i++) {
    c.in[i] = make (&seed, 2, batch, hidden, 0);
    inputs[i] = &c.in[i];
  }
  if (states) {
    c.in[4] = make (&seed, 1, hidden, 0, 0);
    inputs[4] = &c.in[4];
  }
  for (gint i = 0; i < 2; i++) {
    c.out[i] = i == 0 ? make (&seed, 3, steps, batch, hidden) : make (&seed, 2,
        batch, hidden, 0);
    c.want[i] = i == 0 ? make (&seed, 3, steps, batch, hidden) : make (&seed, 2,
        batch, hidden, 0);
  }
  dcnn_op_run_reference (DCNN_OP_RECURRENT, &params, 5, inputs, 2, outputs);
  dcnn_recurrent_pack (cells[cell].kind, (gsize) hidden, c.in[1].data, packed);
  for (guint level = 0; dcnn_cpu_kernels_at (level); level++) {
    if (states)
      memcpy (c.out[1].data, c.in[3].data, bytes);
    else
      memset (c.out[1].data, 0, bytes);
    run_kernel (dcnn_cpu_kernels_at (level), &c, packed);
    check_near (&c.out[0], &c.want[0]);
    if (cells[cell].kind == DCNN_CELL_LSTM)
      check_near (&c.out[1], &c.want[1]);
  }
  for (gint i = 0; i < 5; i++)
    g_free (c.in[i].data);
  for (gint i = 0; i < 2; i++) {
    g_free (c.out[i].data);
    g_free (c.want[i].data);
  }
}

static void
test_kernels (void)
{
  for (guint cell = 0; cell < G_N_ELEMENTS (cells); cell++)
    for (guint i = 0; i < 24; i++)
      check_case (cell, 1 + i % 5, 1 + i / 7 % 2, 1 + i * 13 % 70, i % 3 != 0,
          i % 4 == 1, 100 * cell + i);
}

static DcnnTensor
over (float *data, gint rank, gint64 a, gint64 b, gint64 c)
{
  return (DcnnTensor) { .dtype = DCNN_DTYPE_F32, .rank = rank, .dims = { a, b,
      c }, .data = data };
}

/* By hand: one cell, one step, weights and what is given of a half. */
static void
test_by_hand (void)
{
  float in[4] = { 0.5f, 0.5f, 0.5f, 0.5f }, w[4] = { 0.5f, 0.5f, 0.5f, 0.5f };
  float first[1] = { 1 }, holds[1] = { 2 }, bias[1] = { 0.25f }, out[1], end[1];
  const double s = 1 / (1 + exp (-1)), cell = s * 2 + s * tanh (1);
  const double fresh[4] = { tanh (1), tanh (0.5 + s * 0.5), tanh (0.5 + s
      * 0.75), 0 };

  for (guint k = 0; k < G_N_ELEMENTS (cells); k++) {
    const gint n = cells[k].gates;
    const DcnnParams params = { .recurrent = { .gates = n,
        .after = cells[k].after } };
    const DcnnTensor t[5] = { over (in, 3, 1, 1, n), over (w, 2, n, 1, 0),
      over (first, 2, 1, 1, 0), over (holds, 2, 1, 1, 0), over (bias, 1, 1, 0,
          0) };
    const DcnnTensor *inputs[5] = { &t[0], &t[1], &t[2], &t[3], &t[4] };
    DcnnTensor o[2] = { over (out, 3, 1, 1, 1), over (end, 2, 1, 1, 0) };
    DcnnTensor *outputs[2] = { &o[0], &o[1] };
    const double want = k == 0 ? fresh[0] : k == 3 ? s * tanh (cell) : (1 - s)
        * fresh[k] + s;
    dcnn_op_run_reference (DCNN_OP_RECURRENT, &params, 5, inputs, 2, outputs);
    g_assert_cmpfloat (fabs (out[0] - want), <, 1e-6);
    if (k == 3)
      g_assert_cmpfloat (fabs (end[0] - cell), <, 1e-6);
  }
}

/* Columns of a map, [12, 1, features], through a layer. */
static DcnnModel *
net_of (guint cell, gboolean backward)
{
  const gint64 n = cells[cell].gates * 20;
  TestNet net;
  DcnnValueId v, operands[5] = { -1, -1, -1, -1, -1 }, results[2];
  const char *const names[2] = { "states", "cells" };
  const DcnnParams params = { .recurrent = { .gates = cells[cell].gates,
      .after = cells[cell].after, .backward = backward } };
  g_autoptr (GError) error = NULL;
  DcnnModel *model;

  test_net_begin (&net, 5, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 1, 12), (gint) n, 1, 1, 1,
      1);
  v = test_net_reshape (&net, v, 3, (const gint64[]) { 1, n, 12 });
  operands[0] = test_net_transpose (&net, v, 3, (const int[]) { 2, 0, 1 });
  operands[1] = test_net_constant (&net, 2, (const gint64[]) { n, 20 });
  g_assert_true (dcnn_graph_add_node (net.graph, "layer", DCNN_OP_RECURRENT,
          &params, 5, operands, 2, names, NULL, results, &error));
  dcnn_graph_add_output (net.graph, results[0]);
  dcnn_graph_add_output (net.graph, results[1]);
  model = dcnn_model_new (net.graph, &error);
  g_assert_no_error (error);
  return model;
}

static DcnnSession *
session_of (DcnnModel *model, DcnnMode mode, guint threads)
{
  DcnnSessionOptions options;

  test_options_on (&options, "cpu");
  options.threads = threads;
  options.tuning = (DcnnTuning) { .mode = mode };
  return test_session_new (model, &options);
}

static void
test_sessions (void)
{
  for (guint i = 0; i < 2 * G_N_ELEMENTS (cells); i++) {
    g_autoptr (DcnnModel) model = net_of (i / 2, i % 2 == 1);
    g_autoptr (DcnnSession) dense = session_of (model, DCNN_MODE_DENSE, 1);
    g_autoptr (DcnnSession) two = session_of (model, DCNN_MODE_DENSE, 2);
    g_autoptr (DcnnSession) sparse = session_of (model, DCNN_MODE_SPARSE, 1);
    guint64 state = 3;
    DcnnTensor frame = test_frame_new (model, &state, FALSE);
    for (guint f = 0; f < 4; f++) {
      ((gfloat *) frame.data)[f * 5] += 0.5f;
      test_push (dense, &frame);
      test_push (two, &frame);
      test_push (sparse, &frame);
      for (guint o = 0; o < (cells[i / 2].gates == 4 ? 2u : 1u); o++) {
        const DcnnTensor *want = &dcnn_session_get_output (dense, 0, o)->tensor;
        const gsize n = (gsize) dcnn_tensor_count (want) * sizeof (float);
        g_assert_cmpmem (dcnn_session_get_output (two, 0, o)->tensor.data, n,
            want->data, n);
        g_assert_cmpmem (dcnn_session_get_output (sparse, 0, o)->tensor.data, n,
            want->data, n);
      }
    }
    dcnn_tensor_free (&frame);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/recurrent/by-hand", test_by_hand);
  g_test_add_func ("/engine/recurrent/kernels", test_kernels);
  g_test_add_func ("/engine/recurrent/sessions", test_sessions);
  return g_test_run ();
}
