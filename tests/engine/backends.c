/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * backends.c - the table of backends: what a device's name means, and that a
 * failure of any entry, at any call, is one clean error that leaves nothing
 * behind (the null backend fails as DELTACNN_NULL_FAIL tells it to).
 */
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"
#include "video.h"

static DcnnModel *
new_model (void)
{
  return test_model_new (test_net_sized (3, FALSE, TRUE, 48, 64));
}

static DcnnSession *
new_session (DcnnModel *model, const char *device, GError **error)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.device = device;
  options.streams = 2;
  options.threads = 1;
  return dcnn_session_new (model, &options, error);
}

/* ---- names ------------------------------------------------------------------- */

static void
test_names (void)
{
  static const struct {
    const char *device, *becomes; /* NULL: refused */
    DcnnError code;
    const char *text;
  } names[] = {
    { NULL, "cpu", 0, NULL },
    { "auto", "cpu", 0, NULL },
    { "auto:1", "cpu", 0, NULL },
    { "auto:", NULL, DCNN_ERROR_ARGUMENT, "none of" },
    { "autos", NULL, DCNN_ERROR_ARGUMENT, "device=autos" },
    { "cpu", "cpu", 0, NULL },
    { "cpu:0", "cpu", 0, NULL },
    { "null", "null", 0, NULL },
    { "cpu:1", NULL, DCNN_ERROR_DEVICE, "there is one cpu" },
    { "cuda", NULL, DCNN_ERROR_DEVICE, "use the device cpu" },
    { "cuda:1", NULL, DCNN_ERROR_DEVICE, "use the device cpu" },
    { "cuda:", NULL, DCNN_ERROR_ARGUMENT, "auto, cuda, cpu, null" },
    { "cuda:x", NULL, DCNN_ERROR_ARGUMENT, "auto, cuda, cpu, null" },
    { "cuda:256", NULL, DCNN_ERROR_ARGUMENT, "none of" },
    { "cpux", NULL, DCNN_ERROR_ARGUMENT, "device=cpux" },
    { "", NULL, DCNN_ERROR_ARGUMENT, "; cuda:1 and so on choose" },
    { "tpu", NULL, DCNN_ERROR_ARGUMENT, "device=tpu" },
  };
  g_autoptr (DcnnModel) model = new_model ();

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL, again = NULL;
    g_autoptr (DcnnSession) session = NULL;
    g_test_message ("device %s", names[i].device);
    session = new_session (model, names[i].device, &error);
    g_assert_true (dcnn_device_check (names[i].device, &again) ==
        (session != NULL));
    if (session && names[i].device &&
        g_str_has_prefix (names[i].device, "cuda"))
      continue; /* there is a GPU here */
    if (dcnn_device_check ("cuda", NULL) && (!names[i].device ||
            g_str_has_prefix (names[i].device, "auto")))
      continue; /* there, auto is not the cpu */
    if (names[i].becomes) {
      g_assert_no_error (error);
      g_assert_cmpstr (dcnn_session_get_device (session), ==,
          names[i].becomes);
      continue;
    }
    g_assert_null (session);
    g_assert_error (error, DCNN_ERROR, (gint) names[i].code);
    g_assert_nonnull (strstr (error->message, names[i].text));
    g_assert_cmpstr (error->message, ==, again->message);
  }
}

/* What is told of each kind is what its table says, in the list's order. */
static void
test_kinds (void)
{
  const DcnnDeviceKind *kind, *automatic = NULL;
  guint n = 0;

  for (; (kind = dcnn_device_kind (n)); n++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *second = g_strdup_printf ("%s:1", kind->name);
    gint index;
    const DcnnBackend *table = dcnn_backend_named (kind->name, &index, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (table->name, ==, kind->name);
    g_assert_true (dcnn_device_named (second) == kind);
    g_assert_cmpint (kind->gpu, ==, table->present != NULL);
    g_assert_cmpint (kind->regions, ==, table->regions);
    g_assert_cmpint (kind->samples, ==, table->samples);
    g_assert_cmpuint (kind->memories, ==, table->memories | 1);
    g_assert_cmpuint (strlen (kind->what), >, 0);
    if (dcnn_device_check (kind->name, NULL)) {
      g_assert_true (dcnn_device_which (kind->name, NULL) == kind);
      automatic = automatic || !kind->automatic ? automatic : kind;
    } else {
      g_assert_null (dcnn_device_which (kind->name, &error));
      g_assert_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE);
    }
  }
  g_assert_cmpuint (n, >=, 4);
  g_assert_null (dcnn_device_kind (n + 1));
  g_assert_true (dcnn_device_which ("auto", NULL) == automatic);
  g_assert_null (dcnn_device_named ("auto"));
  g_assert_null (dcnn_device_named (NULL));
  g_assert_null (dcnn_device_named ("tpu"));
}

/* The environment stands in for "auto", and for nothing else. */
static void
test_environment (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (GError) error = NULL;
  static const struct {
    const char *wish, *device, *becomes;
  } cases[] = {
    { "null", NULL, "null" }, { "null", "auto", "null" },
    { "null", "cpu", "cpu" }, { "", NULL, "cpu" }, { "auto", NULL, "cpu" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DcnnSession) session = NULL;
    g_setenv ("DELTACNN_DEVICE", cases[i].wish, TRUE);
    session = new_session (model, cases[i].device, &error);
    g_assert_no_error (error);
    if (strcmp (dcnn_session_get_device (session), "cuda") == 0)
      continue; /* there is a GPU here */
    g_assert_cmpstr (dcnn_session_get_device (session), ==, cases[i].becomes);
    g_assert_false (dcnn_session_fell_back (session));
  }
  g_setenv ("DELTACNN_DEVICE", "tpu", TRUE);
  g_assert_null (new_session (model, NULL, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "DELTACNN_DEVICE is tpu"));
  g_unsetenv ("DELTACNN_DEVICE");
}

/* ---- the null backend ----------------------------------------------------------- */

static gboolean
push (DcnnSession *session, guint stream, GError **error)
{
  const DcnnTensor *input = dcnn_model_input (session->model, 0);
  DcnnTensor frame = *input;
  gboolean ok;

  g_assert_true (dcnn_tensor_alloc (&frame, error));
  ok = dcnn_session_push_tensors (session, stream, &frame, 0, NULL, error);
  dcnn_tensor_free (&frame);
  return ok;
}

static void
check_results (DcnnSession *session, guint stream)
{
  DcnnModelSummary summary;
  DcnnFrameStats stats;

  dcnn_model_get_summary (session->model, &summary);
  for (guint i = 0; i < summary.n_outputs; i++) {
    const DcnnOutput *out = dcnn_session_get_output (session, stream, i);
    const DcnnTensor *want = dcnn_model_output (session->model, i);
    g_assert_cmpstr (out->name, ==, dcnn_model_output_name (session->model,
            i));
    g_assert_cmpint (dcnn_tensor_count (&out->tensor), ==,
        dcnn_tensor_count (want));
    for (gint64 k = 0; k < dcnn_tensor_count (want); k++)
      g_assert_true (((gfloat *) out->tensor.data)[k] == 0);
  }
  dcnn_session_get_stats (session, stream, &stats);
  g_assert_cmpuint (stats.frames, >, 0);
  g_assert_null (dcnn_session_get_input_mask (session, stream));
  g_assert_cmpuint (dcnn_session_get_bytes (session), >, 0);
}

/* Everything a user does, once: two sessions of a model, frames on both
 * streams, tuning, reset. Returns at the first error. */
static gboolean
use_all (guint *pushed, GError **error)
{
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) first = new_session (model, "null", error);
  g_autoptr (DcnnSession) second = NULL;
  DcnnTuning tuning;

  *pushed = 0;
  if (first == NULL)
    return FALSE;
  second = new_session (model, "null", error);
  if (second == NULL)
    return FALSE;
  dcnn_session_get_tuning (first, &tuning);
  tuning.settle = !tuning.settle;
  if (!dcnn_session_set_tuning (first, &tuning, error))
    return FALSE;
  for (guint f = 0; f < 3; f++)
    for (guint s = 0; s < 2; s++) {
      if (!push (first, s, error) || !push (second, s, error))
        return FALSE;
      check_results (first, s);
      ++*pushed;
    }
  dcnn_session_reset (first, 1);
  return push (first, 1, error);
}

static void
test_failures (void)
{
  static const struct {
    const char *entry;
    guint calls;             /* how often use_all makes it */
  } entries[] = {
    { "available", 2 }, { "accepts", 2 }, { "model_new", 1 }, { "session_new", 2 },
    { "run", 13 }, { "wait", 13 },
  };

  for (guint e = 0; e < G_N_ELEMENTS (entries); e++)
    for (guint n = 1; n <= entries[e].calls + 1; n++) {
      g_autofree char *when = g_strdup_printf ("%s:%u", entries[e].entry, n);
      g_autoptr (GError) error = NULL;
      gboolean ok;
      guint pushed;
      g_test_message ("DELTACNN_NULL_FAIL=%s", when);
      g_setenv ("DELTACNN_NULL_FAIL", when, TRUE);
      ok = use_all (&pushed, &error);
      g_unsetenv ("DELTACNN_NULL_FAIL");
      g_assert_cmpint (dcnn_backend_null_live (), ==, 0);
      g_assert_true (ok == (n > entries[e].calls));
      if (ok)
        continue;
      g_assert_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE);
      g_assert_nonnull (strstr (error->message, entries[e].entry));
    }
  g_assert_cmpint (dcnn_backend_null_live (), ==, 0);
}

/* A frame that failed makes the next one a first frame, and no other stream's. */
static void
test_recovery (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = NULL;
  DcnnFrameStats stats;

  session = new_session (model, "null", &error);
  g_assert_no_error (error);
  g_assert_true (push (session, 0, &error) && push (session, 1, &error));
  g_setenv ("DELTACNN_NULL_FAIL", "run:1", TRUE);
  g_assert_false (push (session, 1, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE);
  g_clear_error (&error);
  g_unsetenv ("DELTACNN_NULL_FAIL");
  g_assert_true (session->streams[1].first);
  g_assert_false (session->streams[0].first);
  dcnn_session_get_stats (session, 1, &stats);
  g_assert_cmpuint (stats.frames, ==, 0);
  g_assert_true (push (session, 1, &error));
  g_assert_false (session->streams[1].first);
}

/* Weights are made once a model and device, and freed with the last session. */
static void
test_weights (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model ();
  DcnnSession *a = new_session (model, "null", &error);
  DcnnSession *b = new_session (model, "null:0", &error);
  DcnnSession *c = new_session (model, "null", &error);

  g_assert_no_error (error);
  g_assert_true (a->weights == c->weights);
  g_assert_true (a->weights != b->weights);
  g_assert_cmpint (dcnn_backend_null_live (), ==, 5);
  dcnn_session_free (a);
  g_assert_cmpint (dcnn_backend_null_live (), ==, 4);
  dcnn_session_free (c);
  g_assert_cmpint (dcnn_backend_null_live (), ==, 2);
  dcnn_session_free (b);
  g_assert_cmpint (dcnn_backend_null_live (), ==, 0);
}

/* ---- the contract --------------------------------------------------------------- */

static void
expect_refusal (gboolean ok, GError **error, DcnnError code, const char *text)
{
  g_assert_false (ok);
  g_assert_error (*error, DCNN_ERROR, (gint) code);
  g_assert_nonnull (strstr ((*error)->message, text));
  g_clear_error (error);
}

/* Frames of two streams started together give what pushing them gives, and
 * every misuse is one error. */
static void
test_submit (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) pushed = new_session (model, "cpu", &error);
  g_autoptr (DcnnSession) session = new_session (model, "cpu", &error);
  DcnnFrame frames[2];
  DcnnSubmission both[2] = { { 0, &frames[0], NULL }, { 1, &frames[1], NULL } };
  DcnnSubmission same[2] = { { 0, &frames[0], NULL }, { 0, &frames[1], NULL } };
  TestVideo videos[2];
  DcnnFrameStats stats;

  expect_refusal (dcnn_session_wait (session, 0, DCNN_WANT_ALL, &error),
      &error, DCNN_ERROR_ARGUMENT, "no frame to wait for");
  expect_refusal (dcnn_session_wait (session, 2, DCNN_WANT_ALL, &error),
      &error, DCNN_ERROR_ARGUMENT, "stream 2");
  for (guint s = 0; s < 2; s++)
    test_video_init (&videos[s], s + 1, 80, 60);
  for (guint f = 0; f < 4; f++) {
    for (guint s = 0; s < 2; s++) {
      test_video_draw (&videos[s], DCNN_FORMAT_I420, FALSE, &frames[s]);
      test_push_frame (pushed, s, &frames[s]);
    }
    expect_refusal (dcnn_session_submit (session, same, 2, &error), &error,
        DCNN_ERROR_ARGUMENT, "two frames of stream 0");
    g_assert_true (dcnn_session_submit (session, both, 2, &error));
    expect_refusal (dcnn_session_submit (session, both, 1, &error), &error,
        DCNN_ERROR_ARGUMENT, "not waited for");
    for (guint s = 0; s < 2; s++) {
      const DcnnOutput *a, *b;
      g_assert_true (dcnn_session_wait (session, s, DCNN_WANT_STATS, &error));
      g_assert_true (dcnn_session_wait (session, s, DCNN_WANT_OUTPUT (0),
              &error));
      a = dcnn_session_get_output (session, s, 0);
      b = dcnn_session_get_output (pushed, s, 0);
      g_assert_cmpmem (a->tensor.data, dcnn_tensor_count (&a->tensor) * 4,
          b->tensor.data, dcnn_tensor_count (&b->tensor) * 4);
      dcnn_session_get_stats (session, s, &stats);
      g_assert_cmpuint (stats.frames, ==, f + 1);
    }
  }
  frames[0].memory = DCNN_MEMORY_CUDA;
  expect_refusal (dcnn_session_submit (session, both, 1, &error), &error,
      DCNN_ERROR_ARGUMENT, "download it");
  for (guint s = 0; s < 2; s++)
    test_video_clear (&videos[s]);
}

/* A precision that a device has not is refused by name, and passed over by
 * "auto", which says why. */
static void
test_choice (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = new_session (model, "auto", &error);
  DcnnSessionOptions options;

  g_assert_no_error (error);
  if (strcmp (dcnn_session_get_device (session), "cpu") == 0)
    g_assert_nonnull (strstr (dcnn_session_get_device_why (session), "cuda: "));
  test_options_init (&options);
  options.precision = DCNN_PRECISION_BF16;
  options.device = "cpu";
  expect_refusal (dcnn_session_new (model, &options, &error) != NULL, &error,
      DCNN_ERROR_DEVICE, "float32 only");
  options.precision = DCNN_PRECISION_COUNT;
  expect_refusal (dcnn_session_new (model, &options, &error) != NULL, &error,
      DCNN_ERROR_ARGUMENT, "precision");
}

/* Every table says how maps are to lie, whatever the precision, and is asked
 * about a plan that lies so. */
static void
test_layouts (void)
{
  static const char *const names[] = {
#define DCNN_BACKEND(symbol, automatic, description) #symbol,
#include "backends.def"
#undef DCNN_BACKEND
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model ();
  gint index;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    const DcnnBackend *table = dcnn_backend_named (names[i], &index, &error);
    g_assert_no_error (error);
    for (gint p = 0; table->session_new && p < DCNN_PRECISION_COUNT; p++) {
      PlanLayout layout = table->layout ((DcnnPrecision) p);
      const DcnnPlan *plan = dcnn_backend_plan (table, model,
          (DcnnPrecision) p, &error);
      const guint granules[] = { layout.pixel, layout.slice, layout.view };
      g_assert_no_error (error);
      g_assert_cmpmem (&plan->layout, sizeof layout, &layout, sizeof layout);
      for (guint g = 0; g < G_N_ELEMENTS (granules); g++)
        g_assert_true (granules[g] > 0 && (granules[g] & (granules[g] - 1)) ==
            0);
    }
  }
}

/* What each node runs with on the processor; better ones say why not. */
static void
test_kernels (void)
{
  g_autoptr (DcnnModel) model = new_model ();
  const DcnnPlan *plan = model->plan;
  guint convolutions = 0;

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, (gint) n);
    g_autoptr (GString) refused = g_string_new (NULL);
    DcnnNodeInfo info;
    dcnn_model_get_node (model, n, &info);
    g_assert_cmpstr (info.kernel, ==, plan_node_kernel (node));
    g_assert_cmpstr (dcnn_backend_cpu.kernel (plan, node, refused), ==,
        info.kernel);
    if (strcmp (info.kernel, "conv") != 0)
      continue;
    g_assert_cmpstr (refused->str, ==, "bytes-conv: it does not compute with "
        "whole numbers");
    convolutions++;
  }
  g_assert_cmpuint (convolutions, >, 0);
}

/* Every output that is a map is seen by a probe of that map, and its mask. */
static void
test_probe (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = new_model ();
  g_autoptr (DcnnSession) session = new_session (model, "cpu", &error);
  const DcnnPlan *plan = session->plan;
  guint seen = 0;

  g_assert_true (push (session, 0, &error));
  for (guint i = 0; i < plan->graph->outputs->len; i++) {
    const DcnnOutput *out = dcnn_session_get_output (session, 0, i);
    gint map = plan->values[g_array_index (plan->graph->outputs, DcnnValueId,
        i)].map;
    const PlanMap *m = map < 0 ? NULL : plan_map (plan, map);
    gsize plane = m ? (gsize) m->width * m->height : 0;
    g_autofree gfloat *values = g_new0 (gfloat, m ? plane * m->channels : 1);
    g_autofree guint64 *words = NULL;
    DcnnMask mask;
    if (!out->is_map)
      continue;
    words = g_new0 (guint64, dcnn_mask_words (m->width, m->height));
    dcnn_mask_init (&mask, m->width, m->height, words);
    g_assert_true (dcnn_session_probe (session, 0, map, values, &mask,
            &error));
    for (gsize p = 0; p < plane; p++)
      for (guint c = 0; c < m->channels; c++)
        g_assert_true (values[p * m->channels + c] ==
            ((gfloat *) out->tensor.data)[c * plane + p]);
    g_assert_cmpuint (dcnn_mask_count (&mask), ==,
        dcnn_mask_count (&out->updated));
    seen++;
  }
  g_assert_cmpuint (seen, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/backends/names", test_names);
  g_test_add_func ("/engine/backends/kinds", test_kinds);
  g_test_add_func ("/engine/backends/environment", test_environment);
  g_test_add_func ("/engine/backends/weights", test_weights);
  g_test_add_func ("/engine/backends/failures", test_failures);
  g_test_add_func ("/engine/backends/recovery", test_recovery);
  g_test_add_func ("/engine/backends/submit", test_submit);
  g_test_add_func ("/engine/backends/choice", test_choice);
  g_test_add_func ("/engine/backends/layouts", test_layouts);
  g_test_add_func ("/engine/backends/kernels", test_kernels);
  g_test_add_func ("/engine/backends/probe", test_probe);
  return g_test_run ();
}
