/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * wants.c - deltacnn asks a session for what it reads and for nothing else: on
 * a device whatever is asked for is a copy. sim counts them, and says so when
 * a session goes.
 */
#include "fixture.h"

#include <stdio.h>

#define SIZE 32
#define FRAMES 5

static guint sessions, copies;

static void
count (const gchar * domain, GLogLevelFlags level, const gchar * message,
    gpointer data)
{
  guint output, stream, n;

  if (sscanf (message, "sim: output %u of stream %u was copied %u times",
          &output, &stream, &n) != 3)
    return;
  sessions++;
  copies += n;
}

/* How often the model's one output was copied in FRAMES frames. */
static guint
copies_of (const gchar * attach, gboolean decoder)
{
  Fixture f;
  const guint handler = g_log_set_handler ("deltacnn", G_LOG_LEVEL_DEBUG,
      count, NULL);

  sessions = copies = 0;
  fixture_init (&f);
  if (decoder) {
    fixture_model (&f, TINY_MASK, SIZE, SIZE);
  } else {
    g_autofree gchar *path = tiny_model_write (f.dir, "bare", TINY_MASK, SIZE,
        SIZE, "");
    g_object_set (f.element, "model", path, NULL);
  }
  g_object_set (f.element, "device", "sim", NULL);
  gst_util_set_object_arg (G_OBJECT (f.element), "attach", attach);
  fixture_play (&f, "RGB", SIZE, SIZE);
  for (gint i = 0; i < FRAMES; i++)
    gst_buffer_unref (fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 30, i,
                8, 16, 220)));
  fixture_clear (&f);
  g_log_remove_handler ("deltacnn", handler);
  fail_unless_equals_int (sessions, 1);
  return copies;
}

GST_START_TEST (test_only_what_is_read)
{
  fail_unless_equals_int (copies_of ("tensors", FALSE), FRAMES);
  fail_unless_equals_int (copies_of ("segmentation", TRUE), FRAMES);
  fail_unless_equals_int (copies_of ("tensors", TRUE), FRAMES);
  /* nobody decodes it, nobody is given it */
  fail_unless_equals_int (copies_of ("stats", FALSE), 0);
  fail_unless_equals_int (copies_of ("updates", FALSE), 0);
}

GST_END_TEST;

static Suite *
wants_suite (void)
{
  Suite *suite = suite_create ("wants");
  TCase *chain = tcase_create ("wants");

  fixture_load_plugin ();
  suite_add_tcase (suite, chain);
  tcase_add_test (chain, test_only_what_is_read);
  return suite;
}

GST_CHECK_MAIN (wants);
