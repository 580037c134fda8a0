/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * lines.c - results-location: what is in the lines, and that none is cut, or
 * lost without a word.
 */
#include "fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE 32
#define COLOURS "[labels]\nlist=red;green;blue\n"

/* A bright cell at (16, 8) of a picture of twice the network's size. */
static GstBuffer *
bright_cell (void)
{
  return picture_new ("RGB", 2 * SIZE, 2 * SIZE, 0, 32, 16, 16, 255);
}

/* The lines of a file, each of which must be a whole object. */
static guint
count_lines (const gchar * path, const gchar * part)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint count = 0;

  fail_unless (g_file_get_contents (path, &text, NULL, NULL));
  fail_unless (g_str_has_suffix (text, "}\n"));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] && *lines[i]; i++) {
    fail_unless (g_str_has_prefix (lines[i], "{\"pts\":")
        && g_str_has_suffix (lines[i], "}"), "line %u: %s", i, lines[i]);
    count += strstr (lines[i], part) != NULL;
  }
  return count;
}

/* Starts f on the file `lines` in dir, with a name of its own. */
static void
start_on_lines (Fixture * f, const gchar * path, const gchar * name)
{
  fixture_init (f);
  gst_object_set_name (GST_OBJECT (f->element), name);
  fixture_model (f, TINY_MASK, SIZE, SIZE);
  g_object_set (f->element, "results-location", path, NULL);
  fixture_play (f, "RGB", 2 * SIZE, 2 * SIZE);
}

/* A second start (a camera that came back) keeps what the first one wrote, also
 * where that was cut in the middle of a line. */
GST_START_TEST (test_lines_are_appended)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *path = g_build_filename (dir, "results.jsonl", NULL);
  g_autofree gchar *text = NULL;
  gsize length;
  Fixture f;

  for (guint start = 0; start < 3; start++) {
    start_on_lines (&f, path, "camera");
    for (guint i = 0; i < 4; i++)
      gst_buffer_unref (fixture_run (&f, bright_cell ()));
    fixture_clear (&f);
    fail_unless_equals_int (count_lines (path, "\"source\":\"camera\""),
        4 * (start + 1));
  }
  fail_unless (g_file_get_contents (path, &text, &length, NULL));
  fail_unless (g_file_set_contents (path, text, length - 7, NULL));
  start_on_lines (&f, path, "camera");
  gst_buffer_unref (fixture_run (&f, bright_cell ()));
  fixture_clear (&f);
  g_clear_pointer (&text, g_free);
  fail_unless (g_file_get_contents (path, &text, NULL, NULL));
  {
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    fail_unless_equals_int (g_strv_length (lines), 14);
    fail_unless (!g_str_has_suffix (lines[11], "}"));
    fail_unless (g_str_has_prefix (lines[12], "{\"pts\":"));
  }
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* Two elements append to one file at the same time. */
static gpointer
push_fifty (gpointer data)
{
  for (guint i = 0; i < 50; i++)
    gst_buffer_unref (fixture_run (data, bright_cell ()));
  return NULL;
}

GST_START_TEST (test_two_elements_share_a_file)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *path = g_build_filename (dir, "results.jsonl", NULL);
  GThread *thread;
  Fixture f, g;

  start_on_lines (&f, path, "near");
  start_on_lines (&g, path, "far");
  thread = g_thread_new ("far", push_fifty, &g);
  push_fifty (&f);
  g_thread_join (thread);
  fixture_clear (&f);
  fixture_clear (&g);
  fail_unless_equals_int (count_lines (path, "\"source\":\"near\""), 50);
  fail_unless_equals_int (count_lines (path, "\"source\":\"far\""), 50);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* A disk that is full is told, with its remedy; the video goes on. */
GST_START_TEST (test_disk_full)
{
  GstMessage *message = NULL;
  Fixture f;

  if (access ("/dev/full", W_OK) != 0)
    return;
  start_on_lines (&f, "/dev/full", "camera");
  for (guint i = 0; i < 5; i++)
    gst_buffer_unref (fixture_run (&f, bright_cell ()));
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, &message), 1);
  message_holds (message, "Make room");
  gst_clear_message (&message);
  gst_harness_teardown (g_steal_pointer (&f.harness));
  gst_element_set_state (f.element, GST_STATE_NULL);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, &message), 1);
  message_holds (message, "lost 5 lines");
  gst_clear_message (&message);
  fixture_clear (&f);
}

GST_END_TEST;

/* What a slow reader loses is told, to the line; a second writer is refused. */
GST_START_TEST (test_lost_lines_are_counted)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *path = g_build_filename (dir, "pipe", NULL);
  GString *got = g_string_new (NULL);
  GstMessage *message = NULL;
  GError *error = NULL;
  guint64 lost = 0, pushed = 0, whole = 0;
  gint64 closing;
  gchar piece[4096];
  gssize size;
  Fixture f, g;
  int reader;

  fail_unless (mkfifo (path, 0600) == 0);
  reader = open (path, O_RDONLY | O_NONBLOCK);
  start_on_lines (&f, path, "near");
  fixture_init (&g);
  fixture_model (&g, TINY_MASK, SIZE, SIZE);
  g_object_set (g.element, "results-location", path, NULL);
  fail_unless_equals_int (gst_element_set_state (g.element, GST_STATE_PAUSED),
      GST_STATE_CHANGE_FAILURE);
  fail_unless_equals_int (fixture_count (&g, GST_MESSAGE_ERROR, &message), 1);
  message_holds (message, "another element");
  gst_clear_message (&message);
  fixture_clear (&g);

  while (fixture_count (&f, GST_MESSAGE_WARNING, &message) == 0) {
    fail_unless (++pushed < 20000, "no line was ever lost");
    gst_buffer_unref (fixture_run (&f, bright_cell ()));
  }
  message_holds (message, "lost 1 line:");
  gst_clear_message (&message);
  for (guint i = 0; i < 100; i++, pushed++)
    gst_buffer_unref (fixture_run (&f, bright_cell ()));
  fixture_count (&f, GST_MESSAGE_WARNING, NULL);
  closing = g_get_monotonic_time ();
  gst_harness_teardown (g_steal_pointer (&f.harness));
  gst_element_set_state (f.element, GST_STATE_NULL);
  fail_unless (g_get_monotonic_time () - closing >= 200000,
      "the reader was given no time for the rest");
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, &message), 1);
  gst_message_parse_warning (message, &error, NULL);
  fail_unless (strstr (error->message, "has lost ") != NULL);
  lost = g_ascii_strtoull (strstr (error->message, "has lost ") + 9, NULL, 10);
  g_clear_error (&error);
  gst_clear_message (&message);
  while ((size = read (reader, piece, sizeof piece)) > 0)
    g_string_append_len (got, piece, size);
  for (gsize i = 0; i < got->len; i++)
    whole += got->str[i] == '\n';
  fail_unless_equals_uint64 (whole + lost, pushed);
  fail_unless (whole > 0 && lost > 100);
  g_string_free (got, TRUE);
  close (reader);
  fixture_clear (&f);
  tiny_folder_remove (dir);
}

GST_END_TEST;

/* Runs three frames with results-location and returns what was written. */
static gchar *
written_lines (TinyKind kind, const gchar * extra)
{
  Fixture f;
  g_autofree gchar *path = NULL;
  gchar *text;
  const guint size = kind == TINY_LABEL ? 8 : SIZE;

  fixture_init (&f);
  fixture_model (&f, kind, size, size);
  g_free (tiny_model_write (f.dir, "model", kind, size, size, extra));
  g_object_set (f.element, "score-threshold", kind == TINY_LABEL ? 0.01 : -1.0,
      NULL);
  path = g_build_filename (f.dir, "results.jsonl", NULL);
  g_object_set (f.element, "results-location", path, NULL);
  fixture_play (&f, "RGB", 2 * SIZE, 2 * SIZE);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *in = bright_cell ();
    GST_BUFFER_PTS (in) = i * GST_SECOND;
    if (i == 2)
      GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_GAP);
    gst_buffer_unref (fixture_run (&f, in));
  }
  gst_harness_teardown (g_steal_pointer (&f.harness));
  fail_unless (g_file_get_contents (path, &text, NULL, NULL));
  fixture_clear (&f);
  return text;
}

GST_START_TEST (test_json_lines)
{
  g_autofree gchar *mask = written_lines (TINY_MASK, NULL);
  g_autofree gchar *boxes = written_lines (TINY_BOXES,
      "[labels]\nlist=cat;dog \"rex\"\n");
  g_autofree gchar *poses = written_lines (TINY_POSE, NULL);
  g_autofree gchar *classes = written_lines (TINY_LABEL, COLOURS);
  g_auto (GStrv) lines = g_strsplit (mask, "\n", -1);

  fail_unless_equals_int (g_strv_length (lines), 4);
  fail_unless (g_str_has_prefix (lines[0], "{\"pts\":0,\"time\":\"20"));
  fail_unless (strstr (lines[0], "Z\",\"source\":\"delta\",\"stale\":false,")
      != NULL, "%s", lines[0]);
  fail_unless (g_str_has_prefix (lines[1], "{\"pts\":1000000000,"));
  fail_unless (g_str_has_prefix (lines[2], "{\"pts\":2000000000,"));
  fail_unless (strstr (lines[2], "\"stale\":true,\"age_ms\":1000.000,") != NULL,
      "%s", lines[2]);
  fail_unless (strstr (lines[0], "\"segmentation\":{\"width\":32,"
          "\"height\":32,\"classes\":1,\"rectangle\":[0.00,0.00,64.00,64.00],"
          "\"runs\":[0,272,1,8,0,24,1,8") != NULL, "%s", lines[0]);
  fail_unless (strstr (lines[0], "\"area\":0.0625") != NULL, "%s", lines[0]);
  fail_unless (g_str_has_suffix (lines[0], "}"));
  fail_unless (strstr (boxes, "\"detections\":[{\"class\":1,\"label\":"
          "\"dog \\\"rex\\\"\",\"score\":1.0000,\"x\":16.00") != NULL, "%s", boxes);
  fail_unless (strstr (boxes, "\"score\":1.0000,\"x\":16.00,\"y\":0.00,"
          "\"width\":32.00,\"height\":32.00}]") != NULL, "%s", boxes);
  fail_unless (strstr (poses, "\"poses\":[{\"score\":1.0000,\"keypoints\":"
          "[[33.00,17.00,1.0000],[33.00,17.00,1.0000],[33.00,17.00,1.0000]]}]")
      != NULL, "%s", poses);
  /* a sixteenth of the picture is white */
  fail_unless (strstr (classes, "\"classes\":[{\"class\":0,\"label\":\"red\","
          "\"score\":0.0625},{\"class\":1,\"label\":\"green\",\"score\":"
          "0.0625},{\"class\":2,\"label\":\"blue\",\"score\":0.0625}]") != NULL,
      "%s", classes);
}

GST_END_TEST;

#define NUMBERS "[deltacnn]\ndecoder=values\n[result]\nsemantics=values\n"   \
  "[decoder]\nscale=16\n"

/* Numbers: an object where they have names, else a list. */
GST_START_TEST (test_json_values)
{
  g_autofree gchar *named = written_lines (TINY_LABEL, NUMBERS COLOURS);
  g_autofree gchar *plain = written_lines (TINY_LABEL, NUMBERS);

  fail_unless (strstr (named, "\"values\":{\"red\":1.00000,\"green\":1.00000,"
          "\"blue\":1.00000}") != NULL, "%s", named);
  fail_unless (strstr (plain, "\"values\":[1.00000,1.00000,1.00000]") != NULL,
      "%s", plain);
}

GST_END_TEST;

/* A quarter of a wide frame, however much of the network's input is bars. */
GST_START_TEST (test_area_is_of_the_frame)
{
  g_autofree gchar *dir = tiny_folder_new ();
  g_autofree gchar *path = g_build_filename (dir, "results.jsonl", NULL);
  Fixture f;

  start_on_lines (&f, path, "wide");
  fixture_caps (&f, "RGB", 128, 32);
  gst_buffer_unref (fixture_run (&f, picture_new ("RGB", 128, 32, 0, 0, 0, 32,
              255)));
  fixture_clear (&f);
  fail_unless_equals_int (count_lines (path, "\"area\":0.25000}"), 1);
  tiny_folder_remove (dir);
}

GST_END_TEST;

GST_START_TEST (test_json_into_a_pipe)
{
  Fixture f;
  g_autofree gchar *path = NULL;
  gchar line[4096];
  gint reader;
  gssize got;

  fixture_init (&f);
  fixture_model (&f, TINY_POSE, SIZE, SIZE);
  path = g_build_filename (f.dir, "pipe", NULL);
  fail_unless (mkfifo (path, 0600) == 0);
  g_object_set (f.element, "results-location", path, NULL);
  /* No reader: an error at once, not a pipeline that hangs. */
  fail_unless_equals_int (gst_element_set_state (f.element, GST_STATE_PAUSED),
      GST_STATE_CHANGE_FAILURE);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, NULL), 1);
  gst_element_set_state (f.element, GST_STATE_NULL);

  reader = open (path, O_RDONLY | O_NONBLOCK);
  fixture_play (&f, "RGB", 2 * SIZE, 2 * SIZE);
  gst_buffer_unref (fixture_run (&f, bright_cell ()));
  got = read (reader, line, sizeof line - 1);
  fail_unless (got > 10);
  line[got] = '\0';
  fail_unless (g_str_has_prefix (line, "{\"pts\":"), "%s", line);
  fail_unless (g_str_has_suffix (line, "}\n"), "%s", line);
  /* A reader that does not read holds up nothing. */
  for (guint i = 0; i < 1000; i++)
    gst_buffer_unref (fixture_run (&f, bright_cell ()));
  /* One that goes away is a warning, and the video goes on. */
  close (reader);
  for (guint i = 0; i < 3; i++)
    gst_buffer_unref (fixture_run (&f, bright_cell ()));
  {
    GstMessage *message = NULL;
    fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, &message),
        1);
    message_holds (message, "cannot be written any more");
    message_holds (message, "Keep the pipe's reader running");
    gst_message_unref (message);
  }
  fixture_clear (&f);
}

GST_END_TEST;

static Suite *
lines_suite (void)
{
  Suite *suite = suite_create ("deltacnn lines");
  TCase *tcase = tcase_create ("lines");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, test_json_lines);
  tcase_add_test (tcase, test_json_values);
  tcase_add_test (tcase, test_area_is_of_the_frame);
  tcase_add_test (tcase, test_json_into_a_pipe);
  tcase_add_test (tcase, test_lines_are_appended);
  tcase_add_test (tcase, test_two_elements_share_a_file);
  tcase_add_test (tcase, test_disk_full);
  tcase_add_test (tcase, test_lost_lines_are_counted);
  return suite;
}

GST_CHECK_MAIN (lines);
