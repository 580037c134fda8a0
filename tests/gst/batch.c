/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * batch.c - elements that share a session: results equal those of each alone,
 * whoever comes, goes, stalls or is tuned meanwhile.
 */
#include "fixture.h"

#include <string.h>

#define SIZE 32
#define MANY 3
#define FRAMES 12

typedef struct
{
  Fixture f;
  guint number, frames;
  GBytes *masks[FRAMES];
  gdouble batch;
} Camera;

static GstBuffer *
scene (guint camera, guint frame)
{
  return picture_new ("RGB", SIZE, SIZE, 20, (gint) (camera * 5 + frame) % 24,
      (gint) (camera * 7 + 2 * frame) % 24, 8, (guint8) (120 + 40 * camera));
}

static void
camera_init (Camera * camera, guint number, const gchar * model, gint timeout)
{
  memset (camera, 0, sizeof *camera);
  camera->number = number;
  camera->frames = FRAMES;
  fixture_init (&camera->f);
  if (model)
    g_object_set (camera->f.element, "model", model, NULL);
  else
    fixture_model (&camera->f, TINY_MASK, SIZE, SIZE);
  g_object_set (camera->f.element, "batch-timeout", timeout, NULL);
  fixture_play (&camera->f, "RGB", SIZE, SIZE);
}

static gpointer
camera_run (gpointer data)
{
  Camera *camera = data;
  GstStructure *stats = NULL;

  for (guint i = 0; i < camera->frames; i++) {
    GstBuffer *out = fixture_run (&camera->f, scene (camera->number, i));
    camera->masks[i] = g_bytes_ref
        (gst_buffer_get_delta_cnn_segmentation_meta (out)->data);
    gst_buffer_unref (out);
  }
  g_object_get (camera->f.element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_double (stats, "batch-size", &camera->batch));
  gst_structure_free (stats);
  return NULL;
}

static void
camera_clear (Camera * camera)
{
  for (guint i = 0; i < FRAMES; i++)
    g_clear_pointer (&camera->masks[i], g_bytes_unref);
  fixture_clear (&camera->f);
}

/* Runs cameras side by side, one thread each. */
static void
run_together (Camera * cameras, guint n)
{
  GThread *threads[MANY];

  for (guint i = 0; i < n; i++)
    threads[i] = g_thread_new ("camera", camera_run, &cameras[i]);
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
}

static gchar *
model_of (Camera * camera)
{
  gchar *model;

  g_object_get (camera->f.element, "model", &model, NULL);
  return model;
}

/* What each camera's frames give alone is in alone. */
static void
same_as_alone (const Camera * camera)
{
  Camera alone;

  camera_init (&alone, camera->number, NULL, 0);
  alone.frames = camera->frames;
  camera_run (&alone);
  fail_unless (alone.batch == 1);
  for (guint i = 0; i < camera->frames; i++)
    fail_unless (g_bytes_equal (alone.masks[i], camera->masks[i]),
        "camera %u, frame %u is another than alone", camera->number, i);
  camera_clear (&alone);
}

GST_START_TEST (test_together_as_alone)
{
  Camera cameras[MANY];
  g_autofree gchar *model = NULL;

  camera_init (&cameras[0], 0, NULL, 1000000);
  model = model_of (&cameras[0]);
  for (guint i = 1; i < MANY; i++)
    camera_init (&cameras[i], i, model, 1000000);
  run_together (cameras, MANY);
  for (guint i = 0; i < MANY; i++) {
    fail_unless (cameras[i].batch > 2, "batches of %g", cameras[i].batch);
    same_as_alone (&cameras[i]);
  }
  for (guint i = MANY; i-- > 0;)
    camera_clear (&cameras[i]);
}

GST_END_TEST;

/* One that stops sending changes nothing for the others. */
GST_START_TEST (test_stalled)
{
  Camera cameras[MANY];
  g_autofree gchar *model = NULL;

  camera_init (&cameras[0], 0, NULL, 50000);
  model = model_of (&cameras[0]);
  for (guint i = 1; i < MANY; i++)
    camera_init (&cameras[i], i, model, 50000);
  cameras[2].frames = 2;
  run_together (cameras, MANY);
  for (guint i = 0; i < MANY; i++)
    same_as_alone (&cameras[i]);
  for (guint i = MANY; i-- > 0;)
    camera_clear (&cameras[i]);
}

GST_END_TEST;

/* Whether a frame waited for others: then it took the whole timeout. Of three,
 * so that a machine that has no time for us once makes no difference. */
static gboolean
waits (Camera * camera, GstClockTime timeout)
{
  for (guint i = 0; i < 3; i++) {
    GstBuffer *out = fixture_run (&camera->f, scene (camera->number, i));
    const GstClockTime took = buffer_stats (out)->total_time;

    gst_buffer_unref (out);
    if (took < timeout)
      return FALSE;
  }
  return TRUE;
}

/* Nobody waits for one that has left, and not for ever for one that sends no
 * more. */
GST_START_TEST (test_gone)
{
  Camera cameras[2];
  g_autofree gchar *model = NULL;

  for (guint silent = 0; silent < 2; silent++) {
    const guint ms = silent ? 200 : 1000;

    camera_init (&cameras[0], 0, NULL, 1000 * ms);
    g_free (model);
    model = model_of (&cameras[0]);
    camera_init (&cameras[1], 1, model, 1000 * ms);
    cameras[0].frames = cameras[1].frames = 2;
    run_together (cameras, 2);
    if (silent)
      for (guint i = 0; i < 3; i++)     /* eight frames are enough */
        (void) waits (&cameras[0], ms * GST_MSECOND);
    else
      camera_clear (&cameras[1]);
    fail_if (waits (&cameras[0], ms * GST_MSECOND),
        "it waits for one that is gone");
    if (silent)
      camera_clear (&cameras[1]);
    camera_clear (&cameras[0]);
  }
}

GST_END_TEST;

/* Other settings, another session. */
GST_START_TEST (test_settings_part)
{
  static const gchar *const settings[] = { "threshold", "forgive" };
  Camera cameras[2];
  g_autofree gchar *model = NULL;

  camera_init (&cameras[0], 0, NULL, 30000);
  model = model_of (&cameras[0]);
  camera_init (&cameras[1], 1, model, 30000);
  g_object_set (cameras[1].f.element, settings[__i__], 0.7, NULL);
  run_together (cameras, 2);
  fail_unless (cameras[0].batch < 1.5, "%s: batches of %g", settings[__i__],
      cameras[0].batch);
  same_as_alone (&cameras[0]);
  for (guint i = 2; i-- > 0;)
    camera_clear (&cameras[i]);
}

GST_END_TEST;

/* The same settings again, one session again: whether the one that went comes
 * back, or the one that stayed follows. */
GST_START_TEST (test_settings_join)
{
  Camera cameras[2];
  g_autofree gchar *model = NULL;

  camera_init (&cameras[0], 0, NULL, 300000);
  model = model_of (&cameras[0]);
  camera_init (&cameras[1], 1, model, 300000);
  g_object_set (cameras[1].f.element, "threshold", 0.7, NULL);
  run_together (cameras, 2);
  fail_unless (cameras[0].batch == 1, "batches of %g", cameras[0].batch);
  g_object_set (cameras[__i__].f.element, "threshold", __i__ ? 0.05 : 0.7,
      NULL);
  /* by its next frame, which must not be later than the other's last */
  gst_buffer_unref (fixture_run (&cameras[__i__].f, scene (0, 0)));
  for (guint i = 0; i < FRAMES; i++)
    for (guint k = 0; k < 2; k++)
      g_clear_pointer (&cameras[k].masks[i], g_bytes_unref);
  run_together (cameras, 2);
  fail_unless (cameras[0].batch > 1.2, "batches of %g", cameras[0].batch);
  for (guint i = 2; i-- > 0;)
    camera_clear (&cameras[i]);
}

GST_END_TEST;

/* A neighbour that comes while others run makes them start afresh, at most. */
GST_START_TEST (test_joining)
{
  Camera cameras[2];
  g_autofree gchar *model = NULL;
  GThread *thread;

  camera_init (&cameras[0], 0, NULL, 20000);
  model = model_of (&cameras[0]);
  thread = g_thread_new ("camera", camera_run, &cameras[0]);
  camera_init (&cameras[1], 1, model, 20000);
  camera_run (&cameras[1]);
  g_thread_join (thread);
  same_as_alone (&cameras[1]);
  for (guint i = 2; i-- > 0;)
    camera_clear (&cameras[i]);
}

GST_END_TEST;

static Suite *
batch_suite (void)
{
  Suite *suite = suite_create ("batch");
  TCase *tcase = tcase_create ("general");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_together_as_alone);
  tcase_add_test (tcase, test_stalled);
  tcase_add_test (tcase, test_gone);
  tcase_add_loop_test (tcase, test_settings_part, 0, 2);
  tcase_add_loop_test (tcase, test_settings_join, 0, 2);
  tcase_add_test (tcase, test_joining);
  return suite;
}

GST_CHECK_MAIN (batch);
