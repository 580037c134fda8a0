/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * common.c - what the elements share: names from files become only so many
 * quarks, which a process never gives back, and only where a meta needs them;
 * errors are posted in domains that applications know; upright regions around
 * turned boxes; models that are shared, and by whom.
 */
#include "fixture.h"
#include "gstdeltacnnerror.h"
#include "gstdeltacnnmodelcache.h"
#include "gstdeltacnnquark.h"
#include "gstdeltacnnresults.h"
#include "gstdeltacnnseat.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "deltacnn/error.h"

#define SIZE 32
#define THREADS 4

/* Quarks are numbered as they are made: how many there are by now, this one
 * among them. */
static guint
count (void)
{
  static guint asked;
  gchar *name = g_strdup_printf ("a probe that nobody else asks for, %u", asked++);
  guint n = g_quark_from_string (name);

  g_free (name);
  return n;
}

/* A net of two classes, of whose names the picture shows the second's. */
static void
run_with_labels (const gchar * first, const gchar * second)
{
  Fixture f;
  gchar *labels = g_strdup_printf ("[labels]\nlist=%s;%s\n", first, second);

  fixture_init (&f);
  fixture_model (&f, TINY_BOXES, SIZE, SIZE);
  g_free (tiny_model_write (f.dir, "model", TINY_BOXES, SIZE, SIZE, labels));
  fixture_play (&f, "RGB", 2 * SIZE, 2 * SIZE);
  gst_buffer_unref (fixture_run (&f, picture_new ("RGB", 2 * SIZE, 2 * SIZE,
              0, 32, 16, 16, 255)));
  fixture_clear (&f);
  g_free (labels);
}

/* One net after another with names of its own: each makes a quark of the name
 * that was seen, and of nothing else from its files. What an element needs
 * besides was made by the one before, but for its name. */
GST_START_TEST (test_only_what_is_seen)
{
  guint before;

  run_with_labels ("unseen 0", "seen 0");
  fail_unless (g_quark_try_string ("seen 0") != 0);
  fail_unless (g_quark_try_string ("unseen 0") == 0);
  before = count ();
  run_with_labels ("unseen 1", "seen 1");
  fail_unless (g_quark_try_string ("seen 1") != 0);
  fail_unless (g_quark_try_string ("unseen 1") == 0);
  fail_unless (count () - before <= 1 + 1 + 1, "%u quarks for one box",
      count () - before - 1);
}

GST_END_TEST;

static gpointer
ask (gpointer data)
{
  const guint thread = GPOINTER_TO_UINT (data);

  for (guint i = 0; i < GST_DELTA_CNN_QUARKS_FROM_FILES / 2; i++) {
    gchar name[64];

    g_snprintf (name, sizeof name, "thread %u, name %u", thread, i);
    g_assert_true (gst_delta_cnn_quark_from_file (name) != 0);
  }
  return NULL;
}

/* Twice as many names as are kept, from several threads at once. */
GST_START_TEST (test_bound)
{
  GThread *threads[THREADS];
  const GQuark known = gst_delta_cnn_quark_from_file ("an early name");
  const guint before = count ();
  guint made;
  GQuark late;

  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("asks", ask, GUINT_TO_POINTER (i));
  for (guint i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
  made = count () - before - 1;
  /* the early name counts, the text for the rest does not */
  fail_unless (made <= GST_DELTA_CNN_QUARKS_FROM_FILES, "%u were made", made);
  fail_unless (made >= GST_DELTA_CNN_QUARKS_FROM_FILES - THREADS,
      "only %u were made", made);

  late = gst_delta_cnn_quark_from_file ("a late name");
  fail_unless (g_quark_try_string ("a late name") == 0);
  fail_unless_equals_string (g_quark_to_string (late),
      "(more names than are kept)");
  fail_unless (gst_delta_cnn_quark_from_file ("another") == late);
  fail_unless (gst_delta_cnn_quark_from_file ("an early name") == known);
  fail_unless (gst_delta_cnn_quark_from_file ("a probe that nobody else asks"
          " for, 0") != late, "a name that is known already costs nothing");
}

GST_END_TEST;

/* GStreamer's own errors stay as they are, ours are translated, and of others
 * an application is told that it was the library. */
GST_START_TEST (test_domains)
{
  const struct
  {
    GQuark domain;
    gint code;
    GQuark told;
    gint told_code;
    const gchar *text;
  } cases[] = {
    {GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE,
        GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, "it is so"},
    {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY,
        GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY, "it is so"},
    {G_FILE_ERROR, G_FILE_ERROR_PERM,
        GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, "it is so"},
    {DCNN_ERROR, DCNN_ERROR_UNSUPPORTED, GST_STREAM_ERROR,
        GST_STREAM_ERROR_NOT_IMPLEMENTED, "it is so. deltacnn-inspect --why"},
    {DCNN_ERROR, DCNN_ERROR_DEVICE, GST_RESOURCE_ERROR,
        GST_RESOURCE_ERROR_NOT_FOUND, "it is so. Set device=cpu"},
  };
  Fixture f;

  fixture_init (&f);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GError *error = g_error_new_literal (cases[i].domain, cases[i].code,
        "it is so"), *told = NULL;
    GstMessage *message = NULL;

    gst_delta_cnn_error_post (f.element, GST_MESSAGE_WARNING, error,
        "testing");
    fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, &message),
        1);
    gst_message_parse_warning (message, &told, NULL);
    fail_unless (told->domain == cases[i].told
        && told->code == cases[i].told_code, "case %u: %s, %d", i,
        g_quark_to_string (told->domain), told->code);
    fail_unless (g_str_has_prefix (told->message, cases[i].text), "%s",
        told->message);
    gst_message_unref (message);
    g_error_free (told);
    g_error_free (error);
  }
  fixture_clear (&f);
}

GST_END_TEST;

/* A box of 40x10 around (30, 25), turned; the region that holds all of it. */
GST_START_TEST (test_regions_around_turned_boxes)
{
  static const struct
  {
    gdouble x, turns;           /* of the box's left edge; of a full circle */
    guint left, top, width, height;
  } cases[] = {
    {10, 0, 10, 20, 40, 10},
    {10, 0.25, 25, 5, 10, 40},
    {10, 0.125, 12, 7, 35, 35}, /* 50 sqrt (1/2) = 35.36 a side */
    {10, -0.125, 12, 7, 35, 35},
    {-4, 0.125, 0, 7, 34, 35},  /* 16 - 17.68: cut at the frame's edge */
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const GstDeltaCnnDetection box = {.x = cases[i].x,.y = 20,.width = 40,
      .height = 10,.score = 0.75,.angle = cases[i].turns * 2 * G_PI
    };
    const GstDeltaCnnOccasion occasion = {
      .source = g_quark_from_static_string ("test")
    };
    g_autoptr (GstDeltaCnnResults) results = gst_delta_cnn_results_new ();
    GstBuffer *buffer = gst_buffer_new ();
    GstVideoRegionOfInterestMeta *region;

    g_array_append_val (results->detections, box);
    gst_delta_cnn_results_attach (results, buffer, GST_DELTA_CNN_ATTACH_ROI,
        &occasion);
    region = (GstVideoRegionOfInterestMeta *) gst_buffer_get_meta (buffer,
        GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
    fail_unless (region);
    fail_unless (region->x == cases[i].left && region->y == cases[i].top
        && region->w == cases[i].width && region->h == cases[i].height,
        "case %u: %u %u %ux%u", i, region->x, region->y, region->w, region->h);
    gst_buffer_unref (buffer);
  }
}

GST_END_TEST;

/* What is given back goes, and nothing else. */
GST_START_TEST (test_models_are_shared)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *a = tiny_model_write (dir, "a", TINY_MASK, SIZE, SIZE, NULL);
  g_autofree gchar *b = tiny_model_write (dir, "b", TINY_MASK, SIZE, SIZE, NULL);
  GError *error = NULL;
  DcnnModel *kept = gst_delta_cnn_model_cache_acquire (a, 0, 0, &error);
  DcnnModel *given = gst_delta_cnn_model_cache_acquire (b, 0, 0, &error);

  fail_unless (kept && given && kept != given);
  dcnn_model_ref (kept);        /* so that no other lies where it lay */
  gst_delta_cnn_model_cache_release (given);
  fail_unless (gst_delta_cnn_model_cache_acquire (a, 0, 0, &error) == kept);
  gst_delta_cnn_model_cache_release (kept);
  gst_delta_cnn_model_cache_release (kept);
  fail_unless (error == NULL);
  dcnn_model_unref (kept);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* A descriptor that is edited while its model is held makes another model of
 * the next user's; put back, it is the first one again. */
GST_START_TEST (test_models_follow_descriptors)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *path = tiny_model_write (dir, "a", TINY_MASK, SIZE, SIZE,
      NULL);
  g_autofree gchar *beside = g_strconcat (path, ".modelinfo", NULL);
  g_autofree gchar *text = NULL, *wrong = NULL;
  GError *error = NULL;
  DcnnModel *first = gst_delta_cnn_model_cache_acquire (path, 0, 0, &error);
  DcnnModel *edited;

  fail_unless (first && g_file_get_contents (beside, &text, NULL, NULL));
  wrong = g_strconcat (text, "[image]\nnonsense=1\n", NULL);
  fail_unless (g_file_set_contents (beside, wrong, -1, NULL));
  fail_unless (!gst_delta_cnn_model_cache_acquire (path, 0, 0, &error));
  fail_unless (strstr (error->message, "nonsense") != NULL, "%s",
      error->message);
  g_clear_error (&error);
  fail_unless (g_unlink (beside) == 0);
  edited = gst_delta_cnn_model_cache_acquire (path, 0, 0, &error);
  fail_unless (edited && edited != first);
  fail_unless (g_file_set_contents (beside, text, -1, NULL));
  fail_unless (gst_delta_cnn_model_cache_acquire (path, 0, 0, &error) == first);
  fail_unless (error == NULL);
  gst_delta_cnn_model_cache_release (edited);
  gst_delta_cnn_model_cache_release (first);
  gst_delta_cnn_model_cache_release (first);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* Results that were let go can be held once more, unless the session grew for
 * another seat meanwhile: its streams begin anew and hold nothing. */
GST_START_TEST (test_growth_takes_results)
{
  static const guint8 pixels[SIZE * SIZE * 3];
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *path = tiny_model_write (dir, "a", TINY_MASK, SIZE, SIZE,
      NULL);
  const DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = SIZE,
    .height = SIZE, .planes = { pixels }, .strides = { SIZE * 3 } };
  DcnnModel *model = gst_delta_cnn_model_cache_acquire (path, 0, 0, NULL);
  const GstDeltaCnnFocus focus = { 0 };
  DcnnSessionOptions options;
  GstDeltaCnnSeat *one, *two;
  guint stream;

  dcnn_session_options_init (&options);
  options.device = "cpu";
  one = gst_delta_cnn_seat_new (model, &options, 1000, NULL);
  fail_unless (one && !gst_delta_cnn_seat_hold (one, &stream));
  fail_unless (gst_delta_cnn_seat_run (one, &frame, NULL, &focus,
          DCNN_WANT_OUTPUTS, NULL));
  gst_delta_cnn_seat_release (one);
  fail_unless (gst_delta_cnn_seat_hold (one, &stream) != NULL);
  gst_delta_cnn_seat_release (one);
  two = gst_delta_cnn_seat_new (model, &options, 1000, NULL);
  fail_unless (two && !gst_delta_cnn_seat_hold (one, &stream));
  fail_unless (gst_delta_cnn_seat_run (one, &frame, NULL, &focus,
          DCNN_WANT_OUTPUTS, NULL));
  fail_unless (gst_delta_cnn_seat_hold (one, &stream) != NULL);
  gst_delta_cnn_seat_free (one);
  gst_delta_cnn_seat_free (two);
  gst_delta_cnn_model_cache_release (model);
  tiny_folder_remove (dir);
}

GST_END_TEST;

static Suite *
common_suite (void)
{
  Suite *suite = suite_create ("deltacnn common");
  TCase *tcase = tcase_create ("common");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, test_only_what_is_seen);
  tcase_add_test (tcase, test_bound);
  tcase_add_test (tcase, test_domains);
  tcase_add_test (tcase, test_regions_around_turned_boxes);
  tcase_add_test (tcase, test_models_are_shared);
  tcase_add_test (tcase, test_models_follow_descriptors);
  tcase_add_test (tcase, test_growth_takes_results);
  return suite;
}

GST_CHECK_MAIN (common);
