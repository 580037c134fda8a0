/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * range.c - numbers that a half float does not hold, on the device that
 * DELTACNN_TEST_DEVICE names, or sim where that is the cpu.
 */
#include <math.h>

#include "dcnn_engine.h"
#include "maps.h"
#include "nets.h"

static DcnnModel *
new_model (void)
{
  TestNet net;
  DcnnValueId v;

  test_net_begin (&net, 5, FALSE);
  v = test_net_conv (&net, test_net_input (&net, 3, 24, 32), 12, 3, 1, 1, 1);
  dcnn_graph_add_output (net.graph, test_net_conv (&net, test_net_unary (&net,
              DCNN_OP_RELU, v), 20, 3, 1, 1, 1));
  return test_model_new (net.graph);
}

static DcnnSession *
new_session (DcnnModel *model, const char *device, DcnnPrecision precision)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.device = device;
  options.precision = precision;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.tuning.threshold = options.tuning.input_threshold = 0;
  options.store_all = TRUE;
  options.threads = 1;
  return test_session_new (model, &options);
}

static gboolean
all_finite (DcnnSession *session)
{
  const DcnnTensor *t = &dcnn_session_get_output (session, 0, 0)->tensor;
  gboolean finite = TRUE;

  for (gint64 i = 0; i < dcnn_tensor_count (t); i++)
    finite &= isfinite (((const gfloat *) t->data)[i]) != 0;
  return finite;
}

/* Numbers of a million are near what they are in bfloat16, and infinite in half
 * precision. */
static void
test_range (void)
{
  const char *device = test_on_cpu () ? "sim" : test_device ();
  const DcnnPrecision precisions[] = { DCNN_PRECISION_BF16, DCNN_PRECISION_F16 };
  g_autoptr (DcnnModel) model = new_model ();
  guint64 state = 9;
  DcnnTensor frame = test_frame_new (model, &state, FALSE);

  for (gint64 i = 0; i < dcnn_tensor_count (&frame); i++)
    ((gfloat *) frame.data)[i] *= 0x1p20f;
  for (guint p = 0; p < 2; p++) {
    g_autoptr (DcnnSession) session = new_session (model, device,
        precisions[p]);
    g_autoptr (DcnnSession) sim = new_session (model, "sim",
        DCNN_PRECISION_F32);
    sim->pass_on = session->pass_on;
    test_push (session, &frame);
    test_push (sim, &frame);
    g_assert_true (all_finite (sim));
    g_assert_cmpint (all_finite (session), ==, p == 0);
    if (p == 0)
      test_compare_maps (session, sim, 8 * 2e-2, FALSE, FALSE, 5, 0);
  }
  dcnn_tensor_free (&frame);
}

/* What a half float does not hold is told, by the first node that made it: where
 * spreads are measured, and of outputs where none are. Nothing is told of floats
 * and bfloat16s, nor of numbers that fit, nor after a reset. */
static void
test_told (void)
{
  static const DcnnPrecision precisions[] = { DCNN_PRECISION_AUTO,
    DCNN_PRECISION_F16, DCNN_PRECISION_BF16, DCNN_PRECISION_F32 };
  g_autoptr (DcnnModel) model = new_model ();
  guint64 state = 9;
  DcnnTensor frame = test_frame_new (model, &state, FALSE);

  if (!g_str_has_prefix (test_device (), "cuda")) {
    g_test_skip ("it has no half floats");
    dcnn_tensor_free (&frame);
    return;
  }
  for (guint i = 0; i < 4 * G_N_ELEMENTS (precisions); i++) {
    DcnnPrecision precision = precisions[i / 4];
    gboolean large = i & 1, ends = precision != DCNN_PRECISION_BF16 &&
        precision != DCNN_PRECISION_F32;
    g_autoptr (DcnnSession) session = NULL;
    DcnnSessionOptions options;
    DcnnFrameStats stats;
    test_options_init (&options);
    options.precision = precision;
    options.tuning.threshold = i & 2 ? 0.05f : 0;
    session = test_session_new (model, &options);
    for (gint64 k = 0; k < dcnn_tensor_count (&frame); k++)
      ((gfloat *) frame.data)[k] = large ? 0x1p20f : 1;
    test_push (session, &frame);
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_cmpint (stats.not_finite != NULL, ==, ends && large);
    dcnn_session_reset (session, 0);
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_null (stats.not_finite);
  }
  dcnn_tensor_free (&frame);
}

/* What comes to exceed it later, in frames that are not dense. */
static void
test_later (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = NULL;
  guint64 state = 9;
  DcnnTensor frame = test_frame_new (model, &state, FALSE);
  DcnnFrameStats stats;
  guint told = 0;

  if (!g_str_has_prefix (test_device (), "cuda")) {
    g_test_skip ("it has no half floats");
    dcnn_tensor_free (&frame);
    return;
  }
  session = new_session (model, test_device (), DCNN_PRECISION_F16);
  for (guint f = 0; f < 20; f++) {
    gfloat *at = (gfloat *) frame.data + f;
    *at = f == 0 ? *at : 0x1p20f;
    test_push (session, &frame);
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_true (f == 0 || !stats.dense);
    g_assert_true (f > 0 || stats.not_finite == NULL);
    told += stats.not_finite != NULL;
  }
  g_assert_cmpuint (told, >=, 4);
  dcnn_tensor_free (&frame);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/range/million", test_range);
  g_test_add_func ("/engine/range/told", test_told);
  g_test_add_func ("/engine/range/later", test_later);
  return g_test_run ();
}
