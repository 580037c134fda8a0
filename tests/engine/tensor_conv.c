/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tensor_conv.c - convolutions that run in tails, of one to three dimensions:
 * on every level of the instruction set they equal the reference, with one
 * thread and two, and sparse frames have the bits of dense ones.
 */
#include <math.h>
#include <string.h>

#include "cpu.h"
#include "nets.h"
#include "video.h"

/* What is computed: [1, channels, in] by weights [out, channels / groups,
 * kernel]. */
typedef struct Case {
  gint channels, out, groups, rank;
  gint64 in[3], kernel[3], stride[3], dilation[3], begin[3], end[3];
  gboolean bias;
} Case;

static const Case cases[] = {
  { 3, 9, 1, 3, { 4, 7, 33 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
    { 1, 1, 1 }, { 1, 1, 1 }, TRUE },
  { 4, 20, 1, 3, { 3, 9, 16 }, { 1, 3, 3 }, { 1, 2, 2 }, { 1, 1, 1 },
    { 0, 1, 1 }, { 0, 1, 1 }, FALSE },
  { 4, 6, 2, 3, { 5, 6, 8 }, { 3, 2, 1 }, { 2, 1, 1 }, { 1, 2, 1 },
    { 1, 0, 0 }, { 0, 2, 0 }, TRUE },
  { 6, 6, 6, 3, { 4, 5, 37 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 },
    { 1, 1, 1 }, { 1, 1, 1 }, TRUE }, /* a channel a group, rows in part whole */
  { 6, 6, 6, 3, { 2, 8, 34 }, { 2, 2, 3 }, { 1, 1, 2 }, { 1, 1, 1 },
    { 1, 0, 1 }, { 0, 1, 1 }, FALSE },
  { 5, 17, 1, 3, { 3, 4, 4 }, { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 },
    { 0, 0, 0 }, { 0, 0, 0 }, TRUE },
  { 2, 3, 1, 3, { 2, 5, 50 }, { 2, 3, 4 }, { 1, 1, 3 }, { 1, 1, 2 },
    { 0, 2, 3 }, { 1, 0, 1 }, TRUE },
  { 8, 5, 1, 3, { 1, 9, 32 }, { 1, 3, 3 }, { 1, 1, 2 }, { 1, 1, 1 },
    { 0, 1, 1 }, { 0, 1, 1 }, TRUE },
};

static DcnnModel *
net_of (const Case *c)
{
  const gint64 in[5] = { 1, c->channels, c->in[0], c->in[1], c->in[2] };
  const gint64 weights[5] = { c->out, c->channels / c->groups, c->kernel[0],
    c->kernel[1], c->kernel[2] };
  const gint64 bias[1] = { c->out };
  DcnnParams params = { .conv = { .groups = c->groups, .window = { .rank =
          c->rank } } };
  DcnnValueId operands[3];
  g_autoptr (GError) error = NULL;
  DcnnModel *model;
  TestNet net;

  for (gint i = 0; i < 3; i++) {
    params.conv.window.kernel[i] = c->kernel[i];
    params.conv.window.stride[i] = c->stride[i];
    params.conv.window.dilation[i] = c->dilation[i];
    params.conv.window.pad_begin[i] = c->begin[i];
    params.conv.window.pad_end[i] = c->end[i];
  }
  test_net_begin (&net, 11, FALSE);
  operands[0] = test_net_reshape (&net, test_net_input (&net, c->channels,
          (gint) (c->in[0] * c->in[1]), (gint) c->in[2]), 5, in);
  operands[1] = test_net_constant (&net, 5, weights);
  operands[2] = c->bias ? test_net_constant (&net, 1, bias) : -1;
  dcnn_graph_add_output (net.graph, test_net_node (&net, DCNN_OP_CONV, &params,
          c->bias ? 3 : 2, operands, NULL));
  model = dcnn_model_new (net.graph, &error);
  g_assert_no_error (error);
  return model;
}

static DcnnSession *
session_of (DcnnModel *model, DcnnMode mode, guint threads, guint level)
{
  DcnnSessionOptions options;
  DcnnSession *session;

  test_options_on (&options, "cpu");
  options.threads = threads;
  options.tuning = (DcnnTuning) { .mode = mode };
  session = test_session_new (model, &options);
  session->cpu->kernels = dcnn_cpu_kernels_at (level);
  return session;
}

static const DcnnTensor *
output (DcnnSession *session)
{
  return &dcnn_session_get_output (session, 0, 0)->tensor;
}

static void
check_level (DcnnModel *model, DcnnTensor *frame, guint level)
{
  g_autoptr (DcnnSession) dense = session_of (model, DCNN_MODE_DENSE, 1, level);
  g_autoptr (DcnnSession) two = session_of (model, DCNN_MODE_DENSE, 2, level);
  g_autoptr (DcnnSession) sparse = session_of (model, DCNN_MODE_SPARSE, 1,
      level);

  for (guint f = 0; f < 2; f++) {
    g_autoptr (GError) error = NULL;
    DcnnTensor want;
    const float *have;
    gsize n;
    ((gfloat *) frame->data)[7 * f] += 1;
    test_push (dense, frame);
    test_push (two, frame);
    test_push (sparse, frame);
    g_assert_true (dcnn_graph_run_reference (dense->plan->graph, frame, &want,
            &error));
    have = output (dense)->data;
    n = (gsize) dcnn_tensor_count (&want);
    g_assert_cmpuint ((gsize) dcnn_tensor_count (output (dense)), ==, n);
    for (gsize i = 0; i < n; i++)
      g_assert_cmpfloat (fabsf (have[i] - ((float *) want.data)[i]), <,
          1e-5f * (1 + fabsf (have[i])));
    g_assert_cmpmem (output (two)->data, n * sizeof (float), have, n *
        sizeof (float));
    g_assert_cmpmem (output (sparse)->data, n * sizeof (float), have, n *
        sizeof (float));
    dcnn_tensor_free (&want);
  }
}

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DcnnModel) model = net_of (&cases[i]);
    guint64 state = i + 1;
    DcnnTensor frame = test_frame_new (model, &state, FALSE);
    for (guint level = 0; dcnn_cpu_kernels_at (level); level++)
      check_level (model, &frame, level);
    dcnn_tensor_free (&frame);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/tensor-conv/cases", test_cases);
  return g_test_run ();
}
