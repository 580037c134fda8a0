/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * golden.c - what random nets on whole numbers gave when golden.txt was written:
 * outputs and masks of each frame, as checksums that depend on no processor and
 * no device. (gcc alone runs it: another compiler makes other nets of the seeds.) What holds today's bits against those of an older tree,
 * where all else compares today's with today's. The device is what
 * DELTACNN_TEST_DEVICE names, or the cpu: the lines are the same. With
 * DELTACNN_UPDATE_GOLDEN=1 the file is written anew. Two trees, with all models:
 * tests/golden.py.
 */
#include <string.h>

#include "dcnn_engine.h"
#include "nets.h"

#define FRAMES 8

/* Of one way of running a net. */
typedef struct Way {
  const char *name;
  DcnnMode mode;
  DcnnCriterion criterion;
  gfloat threshold;
  gboolean settle;
} Way;

static const Way ways[] = {
  { "dense", DCNN_MODE_DENSE, DCNN_CRITERION_NRMS, 0, FALSE },
  { "exact", DCNN_MODE_SPARSE, DCNN_CRITERION_NRMS, 0, FALSE },
  { "rms", DCNN_MODE_SPARSE, DCNN_CRITERION_RMS, 1.3f, FALSE },
  { "max", DCNN_MODE_SPARSE, DCNN_CRITERION_MAX, 2.5f, TRUE },
};

static void
add_output (GChecksum *sum, const DcnnOutput *out)
{
  const gfloat *values = out->tensor.data;

  g_assert_cmpint (out->tensor.dtype, ==, DCNN_DTYPE_F32);
  for (gint64 i = 0; i < dcnn_tensor_count (&out->tensor); i++) {
    gfloat v = values[i] + 0.0f; /* of either sign */
    g_checksum_update (sum, (const guchar *) &v, sizeof v);
  }
  if (out->is_map)
    g_checksum_update (sum, (const guchar *) out->updated.words, (gssize)
        (dcnn_mask_words (out->updated.width, out->updated.height) *
            sizeof *out->updated.words));
}

/* A line: "SEED WAY CHECKSUM". */
static void
run (guint64 seed, const Way *way, GString *lines)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_random (seed, TRUE,
          FALSE, seed % 2), &error);
  guint64 video = seed + 300;
  DcnnTensor frame = test_frame_new (model, &video, TRUE);
  DcnnSessionOptions options;
  DcnnModelSummary summary;
  DcnnSession *session;

  dcnn_model_get_summary (model, &summary);
  test_options_init (&options);
  options.tuning.mode = way->mode;
  options.tuning.criterion = way->criterion;
  options.tuning.threshold = options.tuning.gate_threshold = way->threshold;
  options.tuning.input_threshold = 0;
  options.tuning.settle = way->settle;
  options.tuning.settle_budget = 1;
  options.store_all = TRUE;
  options.threads = 1;
  session = test_session_new (model, &options);
  for (gint f = 0; f < FRAMES; f++) {
    test_push (session, &frame);
    for (guint i = 0; i < summary.n_outputs; i++)
      add_output (sum, dcnn_session_get_output (session, 0, i));
    if (f < 5)
      test_video_step (&video, &frame, TRUE);
  }
  g_string_append_printf (lines, "%d %s %.16s\n", (gint) seed, way->name,
      g_checksum_get_string (sum));
  dcnn_session_free (session);
  dcnn_tensor_free (&frame);
}

static void
compare (const char *have)
{
  g_autofree char *wanted = NULL;
  g_auto (GStrv) is = g_strsplit (have, "\n", -1), was = NULL;

  if (g_getenv ("DELTACNN_UPDATE_GOLDEN"))
    g_assert_true (g_file_set_contents (GOLDEN, have, -1, NULL));
  g_assert_true (g_file_get_contents (GOLDEN, &wanted, NULL, NULL));
  was = g_strsplit (wanted, "\n", -1);
  g_assert_cmpuint (g_strv_length (is), ==, g_strv_length (was));
  for (guint i = 0; is[i]; i++)
    if (strcmp (is[i], was[i]) != 0) {
      g_test_message ("is '%s', was '%s': if that is meant, say why in "
          "docs/decisions.md and run this with DELTACNN_UPDATE_GOLDEN=1",
          is[i], was[i]);
      g_test_fail ();
    }
}

static void
test_golden (void)
{
  g_autoptr (GString) lines = g_string_new (NULL);

  for (guint64 seed = 1; seed <= 12; seed++)
    for (guint w = 0; w < G_N_ELEMENTS (ways); w++)
      run (seed, &ways[w], lines);
  compare (lines->str);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/golden", test_golden);
  return g_test_run ();
}
