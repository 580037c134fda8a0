/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * arguments.c - what the public functions must refuse: tuning and options out
 * of range, frames without planes, lists that are none, indices of getters.
 * Each refusal names the culprit, and the session goes on as before.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

static DcnnModel *
new_model (void)
{
  return test_model_new (test_net_sized (2, FALSE, FALSE, 48, 64));
}

static DcnnSession *
new_session (DcnnModel *model)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = 1;
  return test_session_new (model, &options);
}

static void
assert_refused (gboolean ok, GError **error, const char *word)
{
  g_assert_false (ok);
  g_assert_error (*error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
  g_test_message ("%s", (*error)->message);
  if (!strstr ((*error)->message, word))
    g_error ("'%s' is not in: %s", word, (*error)->message);
  g_clear_error (error);
}

/* ---- tuning --------------------------------------------------------------------- */

#define FLOATS(X)                                                              \
  X (threshold) X (input_threshold) X (gate_threshold) X (settle_budget)       \
  X (refresh)

static const struct {
  const char *name;
  gsize offset;
} floats[] = {
#define X(field) { #field, G_STRUCT_OFFSET (DcnnTuning, field) },
  FLOATS (X)
#undef X
};

/* Wherever tuning is given: to a new session, and to a running one. */
static void
refuse_tuning (DcnnModel *model, DcnnSession *session,
    const DcnnTuning *tuning, const char *word)
{
  g_autoptr (GError) error = NULL;
  DcnnTuning before, after;
  DcnnSessionOptions options;

  dcnn_session_get_tuning (session, &before);
  assert_refused (dcnn_session_set_tuning (session, tuning, &error), &error,
      word);
  dcnn_session_get_tuning (session, &after);
  g_assert_cmpmem (&before, sizeof before, &after, sizeof after);
  test_options_init (&options);
  options.tuning = *tuning;
  assert_refused (dcnn_session_new (model, &options, &error) != NULL, &error,
      word);
}

static void
test_tuning (void)
{
  static const gfloat wrong[] = { NAN, -0.01f, -INFINITY, INFINITY, 2e6f };
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = new_session (model);
  g_autoptr (GError) error = NULL;
  DcnnTuning good, t;

  dcnn_session_get_tuning (session, &good);
  for (guint i = 0; i < G_N_ELEMENTS (floats); i++)
    for (guint k = 0; k < G_N_ELEMENTS (wrong); k++) {
      t = good;
      *(gfloat *) (gpointer) ((guint8 *) &t + floats[i].offset) = wrong[k];
      refuse_tuning (model, session, &t, floats[i].name);
    }
  t = good, t.dilation = 4000000000u;
  refuse_tuning (model, session, &t, "dilation");
  t = good, t.dilation = 65;
  refuse_tuning (model, session, &t, "0 to 64");
  t = good, t.mode = (DcnnMode) 3;
  refuse_tuning (model, session, &t, "mode");
  t = good, t.criterion = (DcnnCriterion) - 1;
  refuse_tuning (model, session, &t, "criterion");
  t = good, t.sampling = DCNN_SAMPLING_COUNT;
  refuse_tuning (model, session, &t, "sampling");
  t = good, t.dilation = 64, t.threshold = 0, t.refresh = 1;
  g_assert_true (dcnn_session_set_tuning (session, &t, &error));
}

static void
test_options (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (GHashTable) table = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GError) error = NULL;
  DcnnSessionOptions good, o;
  DcnnNodeInfo info;
  gdouble infinite = INFINITY;

  test_options_init (&good);
  o = good, o.scale[1] = NAN;
  assert_refused (dcnn_session_new (model, &o, &error) != NULL, &error,
      "scale");
  o = good, o.bias[2] = INFINITY;
  assert_refused (dcnn_session_new (model, &o, &error) != NULL, &error,
      "bias");
  o = good, o.fit = (DcnnFit) 7;
  assert_refused (dcnn_session_new (model, &o, &error) != NULL, &error, "fit");
  o = good, o.scaling = (DcnnScaling) 9;
  assert_refused (dcnn_session_new (model, &o, &error) != NULL, &error,
      "scaling");
  o = good, o.precision = (DcnnPrecision) 99;
  assert_refused (dcnn_session_new (model, &o, &error) != NULL, &error,
      "precision");
  dcnn_model_get_node (model, 0, &info);
  g_hash_table_insert (table, (gpointer) info.name, &infinite);
  o = good, o.thresholds = table;
  assert_refused (dcnn_session_new (model, &o, &error) != NULL, &error,
      info.name);
}

/* ---- frames ---------------------------------------------------------------------- */

static void
refuse_frame (DcnnSession *session, const DcnnFrame *frame, const char *word)
{
  g_autoptr (GError) error = NULL;
  DcnnSubmission s = { 0, frame, NULL };

  assert_refused (dcnn_session_push_frame (session, 0, frame, NULL, &error),
      &error, word);
  assert_refused (dcnn_session_submit (session, &s, 1, &error), &error, word);
}

static void
test_frames (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = new_session (model);
  DcnnFrame nv12, bad;
  TestVideo video;

  test_video_init (&video, 4, 64, 48);
  test_video_draw (&video, DCNN_FORMAT_NV12, FALSE, &nv12);
  refuse_frame (session, NULL, "no frame");
  bad = nv12, bad.planes[0] = NULL;
  refuse_frame (session, &bad, "plane 0 of a NV12 frame");
  bad = nv12, bad.planes[1] = NULL;
  refuse_frame (session, &bad, "plane 1");
  bad = nv12, bad.strides[0] = 63;
  refuse_frame (session, &bad, "stride of plane 0 is 63");
  bad = nv12, bad.strides[1] = -10;
  refuse_frame (session, &bad, "stride of plane 1 is -10");
  bad = nv12, bad.strides[0] = G_MININT32, bad.planes[1] = NULL;
  refuse_frame (session, &bad, "plane 1");
  bad = nv12, bad.pixel_aspect = NAN;
  refuse_frame (session, &bad, "pixel aspect");
  bad = nv12, bad.kr = NAN;
  refuse_frame (session, &bad, "YUV matrix");
  bad = nv12, bad.kr = bad.kb = 0.5f;
  refuse_frame (session, &bad, "YUV matrix");
  test_push_frame (session, 0, &nv12);
  test_video_clear (&video);
}

static void
test_lists (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = new_session (model);
  g_autoptr (GError) error = NULL;
  DcnnTensor tensor = *dcnn_model_input (model, 0);

  assert_refused (dcnn_session_submit (session, NULL, 1, &error), &error,
      "no list");
  assert_refused (dcnn_session_submit (session, (const DcnnSubmission[2]) { {
              0 }, { 0 } }, 2, &error), &error, "2 frames");
  assert_refused (dcnn_session_push_tensors (session, 0, NULL, 0, NULL,
          &error), &error, "no tensors");
  g_assert_true (dcnn_tensor_alloc (&tensor, &error));
  assert_refused (dcnn_session_push_tensors (session, 0, &tensor, NAN, NULL,
          &error), &error, "threshold");
  assert_refused (dcnn_session_push_tensors (session, 0, &tensor, -1, NULL,
          &error), &error, "threshold");
  assert_refused (dcnn_session_wait (session, 1, DCNN_WANT_ALL, &error),
      &error, "stream 1");
  dcnn_tensor_free (&tensor);
}

/* ---- getters ---------------------------------------------------------------------- */

static guint criticals;

static gboolean
count_critical (const char *domain, GLogLevelFlags level, const char *message,
    gpointer data)
{
  criticals += (level & G_LOG_LEVEL_CRITICAL) != 0;
  return FALSE; /* not fatal */
}

static void
ignore_log (const char *domain, GLogLevelFlags level, const char *message,
    gpointer data)
{
  criticals += (level & G_LOG_LEVEL_CRITICAL) != 0;
}

static void
test_getters (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = new_session (model);
  GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);
  GLogFunc log = g_log_set_default_handler (ignore_log, NULL);
  static const guint wrong[] = { 1000, G_MAXUINT };
  DcnnTransform transform;
  DcnnFrameStats frame_stats;
  DcnnNodeStats node_stats;
  DcnnNodeInfo info;
  gfloat interest[64] = { 0 };

  g_test_log_set_fatal_handler (count_critical, NULL);
  criticals = 0;
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    guint w = wrong[i];
    g_assert_null (dcnn_model_input_name (model, w));
    g_assert_null (dcnn_model_input (model, w));
    g_assert_null (dcnn_model_output_name (model, w));
    g_assert_null (dcnn_model_output (model, w));
    dcnn_model_get_node (model, w, &info);
    g_assert_null (info.name);
    g_assert_null (dcnn_session_get_output (session, w, 0));
    g_assert_null (dcnn_session_get_output (session, 0, w));
    g_assert_null (dcnn_session_get_input_mask (session, w));
    dcnn_session_get_transform (session, w, &transform);
    g_assert_cmpuint (transform.net_width, ==, 0);
    dcnn_session_get_stats (session, w, &frame_stats);
    g_assert_cmpuint (frame_stats.macs_dense, ==, 0);
    dcnn_session_get_node_stats (session, w, 0, &node_stats);
    dcnn_session_get_node_stats (session, 0, w, &node_stats);
    g_assert_cmpuint (node_stats.frames, ==, 0);
    dcnn_session_set_interest (session, w, interest);
    dcnn_session_reset (session, w);
  }
  dcnn_session_set_interest (session, 0, NULL);
  g_assert_cmpuint (criticals, ==, G_N_ELEMENTS (wrong) * 14 + 1);
  g_log_set_default_handler (log, NULL);
  g_log_set_always_fatal (fatal);
}

/* ---- the list ------------------------------------------------------------------- */

/* Every line of the list: its default, its ends, and one past each. */
static void
test_tuning_list (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = new_session (model);
  g_autoptr (GError) error = NULL;
  DcnnSessionOptions options;

  test_options_init (&options);
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++) {
    const DcnnTuningInfo *info = dcnn_tuning_info (i);
    const gdouble ends[] = { info->least, info->most };
    g_assert_cmpuint (dcnn_tuning_find (info->name), ==, i);
    g_assert_cmpfloat_with_epsilon (dcnn_tuning_get (&options.tuning, i),
        info->value, 1e-6);
    for (guint k = 0; k < 2; k++) {
      DcnnTuning t = options.tuning;
      g_autofree char *text = info->names ?
          g_strdup (info->names[(guint) ends[k]]) :
          g_strdup_printf ("%.0f", ends[k]);
      gdouble value = -1;
      g_assert_true (dcnn_tuning_parse (i, text, &value, &error));
      g_assert_cmpfloat (value, ==, ends[k]);
      dcnn_tuning_set (&t, i, value);
      g_assert_cmpfloat (dcnn_tuning_get (&t, i), ==, ends[k]);
      g_assert_true (dcnn_session_set_tuning (session, &t, &error));
      if (info->kind == DCNN_TUNING_KIND_BOOL || (k == 0 &&
              info->kind == DCNN_TUNING_KIND_UINT))
        continue;
      dcnn_tuning_set (&t, i, k ? ends[k] * 2 + 1 : ends[k] - 1);
      refuse_tuning (model, session, &t, info->field);
    }
    assert_refused (dcnn_tuning_parse (i, "much", &(gdouble) { 0 }, &error),
        &error, info->name);
  }
  g_assert_null (dcnn_tuning_info (DCNN_TUNES_COUNT));
  g_assert_cmpuint (dcnn_tuning_find ("thresholds"), ==, DCNN_TUNES_COUNT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/arguments/tuning", test_tuning);
  g_test_add_func ("/engine/arguments/tuning-list", test_tuning_list);
  g_test_add_func ("/engine/arguments/options", test_options);
  g_test_add_func ("/engine/arguments/frames", test_frames);
  g_test_add_func ("/engine/arguments/lists", test_lists);
  g_test_add_func ("/engine/arguments/getters", test_getters);
  return g_test_run ();
}
