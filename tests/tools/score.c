/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * score.c - what deltacnn-tune makes of a setting: modelled time and settings
 * by hand, and the error of outputs that are no floats.
 */
#include "tune.h"

#include "dcnn_graph.h"

#include <math.h>
#include <string.h>

volatile gint tune_stopped;

/* An input picture of 16x16, ReLU, and the index of the largest channel. */
static DcnnModel *
new_model (void)
{
  static const gint64 dims[4] = { 1, 3, 16, 16 };
  DcnnGraph *graph = dcnn_graph_new ();
  g_autoptr (GError) error = NULL;
  DcnnParams none = { 0 }, arg = { .axis = { .axis = 1, .keepdims = TRUE } };
  const char *names[2] = { "relu", "largest" };
  DcnnValueId v = dcnn_graph_add_input (graph, "image", DCNN_DTYPE_F32, 4,
      dims, &error), out;

  g_assert_true (dcnn_graph_add_node (graph, names[0], DCNN_OP_RELU, &none, 1,
          &v, 1, &names[0], NULL, &out, &error));
  g_assert_true (dcnn_graph_add_node (graph, names[1], DCNN_OP_ARG_MAX, &arg,
          1, &out, 1, &names[1], NULL, &v, &error));
  dcnn_graph_add_output (graph, v);
  DcnnModel *model = dcnn_model_new (graph, &error);
  g_assert_no_error (error);
  return model;
}

static void
tuner_init (Tuner *tuner, TuneOptions *options)
{
  memset (tuner, 0, sizeof *tuner);
  memset (options, 0, sizeof *options);
  options->threads = 1;
  tuner->options = options;
  tuner->metric = TUNE_RELATIVE;
  tuner->model = new_model ();
  tuner->info = dcnn_modelinfo_new_default ();
  dcnn_model_get_summary (tuner->model, &tuner->summary);
  tuner->nodes = g_new0 (TuneNode, tuner->summary.n_nodes + 2);
  for (guint n = 0; n < tuner->summary.n_nodes; n++)
    dcnn_model_get_node (tuner->model, n, &tuner->nodes[n].info);
  DcnnSessionOptions defaults;
  dcnn_session_options_init (&defaults);
  tuner->start = defaults.tuning;
}

static void
tuner_clear (Tuner *tuner)
{
  g_free (tuner->nodes);
  dcnn_modelinfo_free (tuner->info);
  dcnn_model_unref (tuner->model);
}

static void
test_setting (void)
{
  TuneOptions options;
  Tuner tuner;

  tuner_init (&tuner, &options);
  g_assert_cmpuint (tuner.summary.n_nodes, >=, 2);
  g_autoptr (TuneSetting) setting = tune_setting_new (&tuner, 0.5f);
  g_assert_cmpfloat (setting->tuning.threshold, ==, 0.5f);
  g_assert_cmpfloat (setting->thresholds[1], ==, 0.5f);
  setting->thresholds[1] = -1;
  g_autoptr (TuneSetting) copy = tune_setting_copy (&tuner, setting);
  tune_setting_scale (&tuner, copy, 0.5);
  g_assert_cmpfloat (copy->tuning.threshold, ==, 0.25f);
  g_assert_cmpfloat (copy->thresholds[0], ==, 0.25f);
  g_assert_cmpfloat (copy->thresholds[1], ==, -1);  /* goes on passing */
  g_assert_cmpfloat (setting->thresholds[0], ==, 0.5f);
  /* only what may be chosen, and is unlike the rest, is named */
  g_autoptr (GHashTable) none = tune_setting_table (&tuner, setting);
  g_assert_cmpuint (g_hash_table_size (none), ==, 0);
  tuner.nodes[0].free = tuner.nodes[1].free = TRUE;
  g_autoptr (GHashTable) table = tune_setting_table (&tuner, setting);
  g_assert_cmpuint (g_hash_table_size (table), ==, 1);
  double *value = g_hash_table_lookup (table, tuner.nodes[1].info.name);
  g_assert_nonnull (value);
  g_assert_cmpfloat (*value, ==, -1);
  tuner_clear (&tuner);
}

/* Two nodes: 6 ms a whole map judging or 2 ms passing; 10 ms judging, with
 * next to nothing known of passing. A millisecond for everything else. */
static void
test_time (void)
{
  TuneNode nodes[2] = {
    { .ns = { 12e6, 2e6 }, .share = { 2, 1 } },
    { .ns = { 10e6, 9e6 }, .share = { 1, 0.1 } },
  };
  double candidates[2] = { 0.5, 0.25 };
  gboolean passes[2] = { FALSE, TRUE };
  TuneScore score = { .candidates = candidates, .passes = passes };
  Tuner tuner = { .nodes = nodes, .summary = { .n_nodes = 2 },
    .other_ns = 8e6, .other_frames = 8 };

  /* 1 + .5 * 6 + .25 * 10 */
  g_assert_cmpfloat_with_epsilon (tune_time (&tuner, &score), 6.5, 1e-9);
  passes[0] = TRUE;
  g_assert_cmpfloat_with_epsilon (tune_time (&tuner, &score), 4.5, 1e-9);
  /* half of a map is enough to know: 1 + .5 * 2 + .25 * 18 */
  nodes[1].share[1] = 0.5;
  g_assert_cmpfloat_with_epsilon (tune_time (&tuner, &score), 6.5, 1e-9);
  tuner.other_frames = 0;
  g_assert_cmpfloat_with_epsilon (tune_time (&tuner, &score), 5.5, 1e-9);
}

/* A red picture, then one whose lower quarter is blue: the largest channel is
 * another there. */
static void
fill (guint8 *rgb, gboolean blue)
{
  for (guint i = 0; i < 256; i++) {
    gboolean other = blue && i >= 192;
    rgb[3 * i] = other ? 0 : 200;
    rgb[3 * i + 1] = 0;
    rgb[3 * i + 2] = other ? 200 : 0;
  }
}

static void
dense_outputs (Tuner *tuner, TuneFrame *frame)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TuneSetting) setting = tune_setting_new (tuner, 0);
  g_autoptr (DcnnSession) session = tune_session_new (tuner, setting,
      DCNN_MODE_DENSE, FALSE, &error);

  g_assert_no_error (error);
  g_assert_true (dcnn_session_push_frame (session, 0, &frame->frame, NULL,
          &error));
  const DcnnTensor *t = &dcnn_session_get_output (session, 0, 0)->tensor;
  g_assert_cmpint (t->dtype, ==, DCNN_DTYPE_I64);
  frame->outputs = g_memdup2 (t->data, tune_output_bytes (t));
}

static void
free_stretch (gpointer stretch)
{
  g_ptr_array_unref (stretch);
}

/* Thresholds that keep everything back: 64 of 256 indices are wrong. */
static void
test_indices_are_looked_at (void)
{
  static guint8 rgb[2][768];
  TuneFrame frames[2] = { { .bytes = NULL } };
  TuneOptions options;
  TuneScore score;
  Tuner tuner;
  g_autoptr (GError) error = NULL;

  tuner_init (&tuner, &options);
  TuneSet set = { .stretches =
      g_ptr_array_new_with_free_func (free_stretch) };
  GPtrArray *stretch = g_ptr_array_new ();
  for (guint f = 0; f < 2; f++) {
    fill (rgb[f], f == 1);
    frames[f].frame = (DcnnFrame) { .format = DCNN_FORMAT_RGB, .width = 16,
      .height = 16, .planes = { rgb[f] }, .strides = { 48 } };
    dense_outputs (&tuner, &frames[f]);
    g_ptr_array_add (stretch, &frames[f]);
  }
  g_ptr_array_add (set.stretches, stretch);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (TuneSetting) setting = tune_setting_new (&tuner, 0);
    setting->tuning.dilation = 0;
    setting->tuning.settle = FALSE;
    setting->tuning.input_threshold = i ? 1 : 0;
    g_assert_true (tune_evaluate (&tuner, setting, &set, &score, &error));
    g_assert_cmpfloat_with_epsilon (score.error, i ? 0.5 : 0, 1e-9);
    g_assert_false (score.blind);
    g_assert_cmpfloat_with_epsilon (score.changed, i ? 0 : 0.25, 1e-6);
    tune_score_clear (&score);
  }
  g_assert_cmpuint (tuner.evaluations, ==, 2);
  g_assert_cmpuint (tuner.frames_run, ==, 4);
  for (guint f = 0; f < 2; f++)
    g_free (frames[f].outputs);
  g_ptr_array_unref (set.stretches);
  tuner_clear (&tuner);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/score/setting", test_setting);
  g_test_add_func ("/score/time", test_time);
  g_test_add_func ("/score/indices", test_indices_are_looked_at);
  return g_test_run ();
}
