/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gelus.c - GELU as exporters spell it, each way of writing its half, its cube
 * and its products, is one step of the convolution before it, and what is
 * nearly one is none; either gives what the operators that were written give.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

typedef enum Form { ERF, TANH_SUM, TANH_FACTORED, FORMS } Form;
typedef enum Half { BEFORE, ON_GATE, LAST, HALVES } Half;
typedef enum Cube { POW, SQUARE_FIRST, SQUARE_SECOND, CUBES } Cube;
/* What is wrong with it, if anything. */
typedef enum Fault { NONE, OTHER_POWER, OTHER_HALF, OTHER_GATE, OTHER_SCALE,
  OTHER_ONE, FAULTS } Fault;

typedef struct Spelling {
  Form form;
  Half half;
  Cube cube;
  gboolean divides, turned;    /* by a number; operands the other way */
  Fault fault;
} Spelling;

static DcnnValueId
number (TestNet *net, double value)
{
  DcnnTensor t = { .dtype = DCNN_DTYPE_F32, .rank = 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf ("number%d", net->names++);
  DcnnValueId id;

  g_assert_true (dcnn_tensor_alloc (&t, &error));
  *(gfloat *) t.data = (gfloat) value;
  id = dcnn_graph_add_constant (net->graph, name, &t, &error);
  g_assert_no_error (error);
  return id;
}

static DcnnValueId
both (TestNet *net, const Spelling *s, DcnnOp op, DcnnValueId a, DcnnValueId b)
{
  return s->turned ? test_net_binary (net, op, b, a) :
      test_net_binary (net, op, a, b);
}

static DcnnValueId
times (TestNet *net, const Spelling *s, DcnnValueId v, double by)
{
  return s->divides ? test_net_binary (net, DCNN_OP_DIV, v, number (net,
          1 / by)) : both (net, s, DCNN_OP_MUL, v, number (net, by));
}

/* x to the power of 2 or 3; other: what is in the place of one x. */
static DcnnValueId
power (TestNet *net, const Spelling *s, DcnnValueId x, DcnnValueId other, int n)
{
  DcnnValueId square;

  if (s->cube == POW)
    return test_net_binary (net, DCNN_OP_POW, x, number (net, n + (other != x)));
  square = test_net_binary (net, DCNN_OP_MUL, x, other);
  if (n == 2)
    return square;
  return s->cube == SQUARE_FIRST ? test_net_binary (net, DCNN_OP_MUL, square, x)
      : test_net_binary (net, DCNN_OP_MUL, x, square);
}

/* 0.798 (x + 0.0447 x^3) */
static DcnnValueId
polynomial (TestNet *net, const Spelling *s, DcnnValueId x, DcnnValueId other)
{
  const double scale = s->fault == OTHER_SCALE ? 0.8 : sqrt (2 / G_PI);
  DcnnValueId v;

  if (s->form == TANH_SUM) {
    v = times (net, s, power (net, s, x, other, 3), 0.044715);
    return times (net, s, both (net, s, DCNN_OP_ADD, x, v), scale);
  }
  v = times (net, s, power (net, s, x, other, 2), 0.044715);
  v = both (net, s, DCNN_OP_ADD, v, number (net, 1));
  return both (net, s, DCNN_OP_MUL, times (net, s, x, scale), v);
}

static DcnnGraph *
make_net (const Spelling *s)
{
  const double half = s->fault == OTHER_HALF ? 0.4 : 0.5;
  DcnnValueId input, x, y, gate, v;
  TestNet net;

  test_net_begin (&net, 5, FALSE);
  input = test_net_input (&net, 3, 9, 11);
  x = test_net_conv (&net, input, 4, 3, 1, 1, 1);
  y = test_net_conv (&net, input, 4, 3, 1, 1, 1);
  v = s->fault == OTHER_GATE ? y : x;
  if (s->form == ERF)
    gate = test_net_unary (&net, DCNN_OP_ERF, times (&net, s, v,
            s->fault == OTHER_SCALE ? 0.7 : sqrt (0.5)));
  else
    gate = test_net_unary (&net, DCNN_OP_TANH, polynomial (&net, s, v,
            s->fault == OTHER_POWER ? y : v));
  gate = both (&net, s, DCNN_OP_ADD, gate, number (&net, s->fault == OTHER_ONE ?
          1.01 : 1));
  if (s->half == BEFORE)
    v = both (&net, s, DCNN_OP_MUL, times (&net, s, x, half), gate);
  else if (s->half == ON_GATE)
    v = both (&net, s, DCNN_OP_MUL, x, times (&net, s, gate, half));
  else
    v = times (&net, s, both (&net, s, DCNN_OP_MUL, x, gate), half);
  v = test_net_binary (&net, DCNN_OP_ADD, v, y);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, v, 2, 1, 1, 1, 1));
  return net.graph;
}

static void
check (const Spelling *s)
{
  g_autoptr (DcnnGraph) graph = make_net (s);
  g_autoptr (DcnnModel) model = test_model_new (make_net (s));
  g_autofree char *plan = dcnn_model_dump_plan (model);
  g_autoptr (DcnnSession) session = NULL;
  g_autoptr (GError) error = NULL;
  const gboolean found = strstr (plan, "Gelu") != NULL;
  DcnnSessionOptions options;
  DcnnTensor frame, want = { 0 };
  const DcnnTensor *have;
  guint64 state = 3;

  test_options_init (&options);
  options.tuning.mode = DCNN_MODE_DENSE;
  session = test_session_new (model, &options);
  frame = test_frame_new (model, &state, FALSE);
  test_push (session, &frame);
  g_assert_true (dcnn_graph_run_reference (graph, &frame, &want, &error));
  have = &dcnn_session_get_output (session, 0, 0)->tensor;
  for (gint64 k = 0; k < dcnn_tensor_count (have); k++)
    g_assert_cmpfloat_with_epsilon (((const gfloat *) have->data)[k],
        ((const gfloat *) want.data)[k], 2e-5f);
  if (found != (s->fault == NONE)) {
    g_test_message ("form %d, half %d, cube %d, divides %d, turned %d, fault "
        "%d: %s", s->form, s->half, s->cube, s->divides, s->turned, s->fault,
        plan);
    g_test_fail ();
  }
  dcnn_tensor_free (&frame);
  dcnn_tensor_free (&want);
}

static void
test_spellings (gconstpointer fault)
{
  for (guint i = 0; i < FORMS * HALVES * CUBES * 4 && !g_test_failed (); i++) {
    const Spelling s = { i % FORMS, i / FORMS % HALVES, i / FORMS / HALVES %
      CUBES, i / (FORMS * HALVES * CUBES) % 2, i / (FORMS * HALVES * CUBES * 2),
      GPOINTER_TO_INT (fault) };
    if (s.form != ERF || (s.cube == POW && s.fault != OTHER_POWER))
      check (&s);
  }
}

int
main (int argc, char **argv)
{
  static const char *const names[] = { "none", "power", "half", "gate", "scale",
    "one" };

  g_test_init (&argc, &argv, NULL);
  for (Fault f = NONE; f < FAULTS; f++) {
    g_autofree char *path = g_strdup_printf ("/engine/gelus/%s", names[f]);
    g_test_add_data_func (path, GINT_TO_POINTER (f), test_spellings);
  }
  return g_test_run ();
}
