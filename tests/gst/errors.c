/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * errors.c - all that a user can get wrong is one error that names the culprit
 * and the remedy, and the element can be started again after it.
 */
#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SIZE 32

/* Starting fails with one error that holds all parts. */
static void
start_fails (Fixture * f, const gchar * culprit, const gchar * remedy)
{
  GstMessage *message = NULL;

  fail_unless_equals_int (gst_element_set_state (f->element,
          GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  fail_unless_equals_int (fixture_count (f, GST_MESSAGE_ERROR, &message), 1);
  message_holds (message, culprit);
  message_holds (message, remedy);
  gst_message_unref (message);
  gst_element_set_state (f->element, GST_STATE_NULL);
}

/* After a failure, with its cause removed, it works. */
static void
then_works (Fixture * f)
{
  g_object_set (f->element, "labels", NULL, "decoder", NULL, "mean", NULL,
      "scale", NULL, "device", "auto", "results-location", NULL, "input-width", 0,
      "input-height", 0, NULL);
  fixture_model (f, TINY_MASK, SIZE, SIZE);
  fixture_play (f, "RGB", SIZE, SIZE);
  gst_buffer_unref (fixture_run (f, picture_new ("RGB", SIZE, SIZE, 9, 0, 0, 9,
              99)));
  fail_unless_equals_int (fixture_count (f, GST_MESSAGE_ERROR, NULL), 0);
}

static void
write_file (Fixture * f, const gchar * name, const gchar * text, gssize length,
    const gchar * property)
{
  g_autofree gchar *path = g_build_filename (f->dir, name, NULL);

  fail_unless (g_file_set_contents (path, text, length, NULL));
  if (property)
    g_object_set (f->element, property, path, NULL);
}

GST_START_TEST (test_no_model)
{
  Fixture f;

  fixture_init (&f);
  start_fails (&f, "No model", "property model");
  then_works (&f);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_missing_model)
{
  Fixture f;

  fixture_init (&f);
  g_object_set (f.element, "model", "/nowhere/people.onnx", NULL);
  start_fails (&f, "/nowhere/people.onnx", "Check the path");
  g_object_set (f.element, "model", "no-such-name", NULL);
  start_fails (&f, "no-such-name", "DELTACNN_MODEL_PATH");
  then_works (&f);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_file_is_no_model)
{
  Fixture f;

  fixture_init (&f);
  write_file (&f, "picture.onnx", "This is no ONNX file at all.", -1, "model");
  start_fails (&f, "picture.onnx", "no ONNX model");
  write_file (&f, "empty.onnx", "", 0, "model");
  start_fails (&f, "empty.onnx", "is empty");
  then_works (&f);
  fixture_clear (&f);
}

GST_END_TEST;

/* What lies at the path is no file, or none that may be read: said as it is. */
GST_START_TEST (test_model_is_no_file)
{
  Fixture f;
  g_autofree gchar *link = NULL, *locked = NULL;

  fixture_init (&f);
  link = g_build_filename (f.dir, "link.onnx", NULL);
  locked = g_build_filename (f.dir, "locked.onnx", NULL);
  g_object_set (f.element, "model", f.dir, NULL);
  start_fails (&f, f.dir, "a folder");
  g_object_set (f.element, "model", "/dev/null", NULL);
  start_fails (&f, "/dev/null", "a device or a pipe");
  fail_unless (symlink ("nowhere", link) == 0);
  g_object_set (f.element, "model", link, NULL);
  start_fails (&f, link, "no such file");
  write_file (&f, "locked.onnx", "x", 1, "model");
  fail_unless (g_chmod (locked, 0) == 0);
  /* Root may read all; it then is no model. */
  start_fails (&f, locked, g_access (locked, R_OK) == 0 ? "no ONNX model" :
      "Permission denied");
  then_works (&f);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_truncated_model)
{
  Fixture f;
  g_autofree gchar *path = NULL, *bytes = NULL;
  gsize length;

  fixture_init (&f);
  path = tiny_model_write (f.dir, "whole", TINY_MASK, SIZE, SIZE, NULL);
  fail_unless (g_file_get_contents (path, &bytes, &length, NULL));
  for (gsize cut = length - 1; cut > length / 2; cut -= length / 9) {
    write_file (&f, "cut.onnx", bytes, cut, "model");
    start_fails (&f, "cut.onnx", ".");
  }
  then_works (&f);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_wrong_descriptor)
{
  Fixture f;
  g_autofree gchar *path = NULL;
  gchar sha[65];

  fixture_init (&f);
  path = tiny_model_write (f.dir, "odd", TINY_MASK, SIZE, SIZE,
      "[nonsense]\nkey=1\n");
  g_object_set (f.element, "model", path, NULL);
  start_fails (&f, "odd.onnx.modelinfo", "nonsense");
  write_file (&f, "odd.onnx.modelinfo", "[modelinfo]\nversion=1.0\n"
      "[elsewhere]\ndir=input\n", -1, NULL);
  start_fails (&f, "speaks of input \"elsewhere\"", "but the model has");

  memset (sha, '0', 64);
  sha[64] = '\0';
  {
    g_autofree gchar *text = g_strdup_printf ("[modelinfo]\nversion=1.0\n"
        "[deltacnn]\nsha256=%s\n", sha);
    write_file (&f, "odd.onnx.modelinfo", text, -1, NULL);
  }
  start_fails (&f, "odd.onnx", "SHA-256");
  then_works (&f);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_labels)
{
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_CLASSES, SIZE, SIZE);
  g_object_set (f.element, "labels", "/nowhere/labels.txt", NULL);
  start_fails (&f, "/nowhere/labels.txt", "Check the path");
  write_file (&f, "two.txt", "red\ngreen\n", -1, "labels");
  start_fails (&f, "model.onnx", "2");
  write_file (&f, "binary.txt", "\xff\xfe\x00", 3, "labels");
  start_fails (&f, "binary.txt", "one label a line");
  then_works (&f);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_wrong_properties)
{
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  g_object_set (f.element, "decoder", "crystal-ball", NULL);
  start_fails (&f, "crystal-ball", "segmentation");
  g_object_set (f.element, "decoder", "posenet", NULL);
  start_fails (&f, "model.onnx", ".");
  g_object_set (f.element, "decoder", NULL, "mean", "grey", NULL);
  start_fails (&f, "mean", "one number or three");
  g_object_set (f.element, "mean", NULL, "regions", "x", NULL);
  start_fails (&f, "Property regions is \"x\"", "x,y,width,height");
  g_object_set (f.element, "regions", NULL, "scale", "1,2", NULL);
  start_fails (&f, "scale", "one number or three");
  gst_util_set_object_arg (G_OBJECT (f.element), "device", "cuda");
  start_fails (&f, "device=cuda", "device=cpu");
  g_object_set (f.element, "device", "tpu", NULL);
  start_fails (&f, "device=tpu", "cuda, cpu");
  g_object_set (f.element, "device", "cpu", "scale", NULL, NULL);
  gst_util_set_object_arg (G_OBJECT (f.element), "precision", "bf16");
  start_fails (&f, "device=cpu stores float32 only", "precision=auto");
  gst_util_set_object_arg (G_OBJECT (f.element), "precision", "auto");
  g_object_set (f.element, "device", NULL, "scale", NULL, "results-location",
      "/nowhere/results.json", NULL);
  start_fails (&f, "/nowhere/results.json", "cannot be written");
  then_works (&f);
  fixture_clear (&f);
}

GST_END_TEST;

/* Pushing fails with one error that holds part. */
static void
push_fails (Fixture * f, GstBuffer * buffer, const gchar * part)
{
  GstMessage *message = NULL;

  fixture_count (f, GST_MESSAGE_ERROR, NULL);
  fail_unless_equals_int (gst_harness_push (f->harness, buffer),
      GST_FLOW_ERROR);
  fail_unless_equals_int (fixture_count (f, GST_MESSAGE_ERROR, &message), 1);
  message_holds (message, part);
  gst_message_unref (message);
}

/* Whatever a device refuses, at whatever call, is one element error. */
GST_START_TEST (test_device_failures)
{
  static const gchar *const at_start[] = { "available:1", "available:2",
    "model_new:1", "session_new:1"
  };
  static const gchar *const at_frame[] = { "run:2", "wait:2" };
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  gst_util_set_object_arg (G_OBJECT (f.element), "device", "null");
  for (guint i = 0; i < G_N_ELEMENTS (at_start); i++) {
    g_setenv ("DELTACNN_NULL_FAIL", at_start[i], TRUE);
    start_fails (&f, "null device failed in", "device=cpu");
  }
  g_unsetenv ("DELTACNN_NULL_FAIL");
  then_works (&f);
  fixture_clear (&f);
  for (guint i = 0; i < G_N_ELEMENTS (at_frame); i++) {
    fixture_init (&f);
    fixture_model (&f, TINY_MASK, SIZE, SIZE);
    gst_util_set_object_arg (G_OBJECT (f.element), "device", "null");
    g_setenv ("DELTACNN_NULL_FAIL", at_frame[i], TRUE);
    fixture_play (&f, "RGB", SIZE, SIZE);
    gst_buffer_unref (fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 9, 0, 0,
                9, 99)));
    push_fails (&f, picture_new ("RGB", SIZE, SIZE, 9, 0, 0, 9, 99),
        "null device failed in");
    g_unsetenv ("DELTACNN_NULL_FAIL");
    fixture_clear (&f);
  }
}

GST_END_TEST;

/* A damaged buffer passes with a warning that holds part. */
static void
push_warns (GstHarness * h, GstBus * bus, GstBuffer * buffer,
    const gchar * part)
{
  GstMessage *message;
  GstBuffer *out;

  fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
  out = gst_harness_pull (h);
  fail_unless (out != NULL);
  fail_unless (gst_buffer_get_delta_cnn_segmentation_meta (out) == NULL
      || gst_buffer_get_delta_cnn_segmentation_meta (out)->stale);
  gst_buffer_unref (out);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
  fail_unless (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING,
      "no warning that says \"%s\"", part);
  message_holds (message, part);
  gst_message_unref (message);
}

GST_START_TEST (test_short_buffers)
{
  Fixture f;
  GstStructure *stats;
  guint64 damaged, run;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  push_warns (f.harness, f.bus, gst_buffer_new_allocate (NULL, 100, NULL),
      "100 bytes");
  push_warns (f.harness, f.bus, gst_buffer_new (), "too short");
  /* The next good one is fine; and a broken source does not flood the bus. */
  for (guint i = 0; i < 98; i++) {
    gst_buffer_unref (fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 9, 0, 0,
                9, 99)));
    gst_buffer_unref (fixture_run (&f, gst_buffer_new_allocate (NULL, 3071,
                NULL)));
  }
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_WARNING, NULL), 5);
  g_object_get (f.element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, "damaged-frames", &damaged)
      && gst_structure_get_uint64 (stats, "run-frames", &run));
  fail_unless_equals_uint64 (damaged, 100);
  fail_unless_equals_uint64 (run, 98);
  gst_structure_free (stats);
  fixture_clear (&f);
}

GST_END_TEST;

/* What a buffer's video meta may claim that its memory does not hold: format,
 * size of the picture and of the memory, offset and stride of the last plane,
 * what the message says. All for caps of 320x240. */
typedef struct
{
  const gchar *format;
  guint width, height;
  gsize bytes;
  gsize offset;                 /* added to the last plane's */
  gint stride;                  /* of the last plane; 0: as it should be */
  const gchar *part;
  guint missing;                /* planes that it does not speak of */
} WildMeta;

static const WildMeta wild_metas[] = {
  {"RGB", 320, 240, 100, 0, 0, "100 bytes"},
  {"RGB", 320, 240, 320 * 240 * 3 - 1, 0, 0, "do not lie"},
  {"RGB", 320, 240, 320 * 240 * 3, 1, 0, "do not lie"},
  {"RGB", 320, 240, 320 * 240 * 3, 0, 961, "do not lie"},
  {"RGB", 320, 240, 320 * 240 * 3, 0, -960, "do not lie"},
  {"RGB", 320, 240, 320 * 240 * 3, 0, 1 << 30, "do not lie"},
  {"RGB", 320, 240, 320 * 240 * 3, 0, G_MININT, "do not lie"},
  {"RGB", 320, 240, 320 * 240 * 3, 0, 959, "do not lie"},
  {"RGB", 320, 240, 320 * 240 * 3, G_MAXSIZE - 4, 0, "do not lie"},
  {"NV12", 320, 240, 320 * 240 * 3 / 2 - 1, 0, 0, "do not lie"},
  {"NV12", 320, 240, 320 * 240 * 3 / 2, 0, 321, "do not lie"},
  {"NV12", 320, 240, 320 * 240 * 3 / 2, 320 * 120, 0, "do not lie"},
  {"I420", 320, 240, 320 * 240 * 3 / 2, 0, 161, "do not lie"},
  {"GRAY8", 320, 240, 320 * 240, 0, 1000, "do not lie"},
  {"RGB", 160, 240, 320 * 240 * 3, 0, 0, "160x240"},
  {"RGB", 320, 239, 320 * 240 * 3, 0, 0, "320x239"},
  {"NV12", 320, 240, 320 * 240 * 3 / 2, 0, 0, "do not lie", 1},
  {"I420", 320, 240, 320 * 240 * 3 / 2, 0, 0, "do not lie", 2},
};

static GstBuffer *
wild_buffer (const WildMeta * wild)
{
  const GstVideoFormat format = gst_video_format_from_string (wild->format);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, wild->bytes, NULL);
  GstVideoInfo info;
  guint last;

  gst_video_info_set_format (&info, format, wild->width, wild->height);
  last = GST_VIDEO_INFO_N_PLANES (&info) - 1;
  info.offset[last] += wild->offset;
  if (wild->stride)
    info.stride[last] = wild->stride;
  gst_buffer_memset (buffer, 0, 77, -1);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, format,
      wild->width, wild->height, last + 1, info.offset,
      info.stride)->n_planes -= wild->missing;
  return buffer;
}

GST_START_TEST (test_wild_video_metas)
{
  const WildMeta *wild = &wild_metas[__i__];
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, wild->format, 320, 240);
  push_warns (f.harness, f.bus, wild_buffer (wild), wild->part);
  gst_buffer_unref (fixture_run (&f, picture_new (wild->format, 320, 240, 9, 0,
              0, 9, 99)));
  fixture_clear (&f);
}

GST_END_TEST;

/* Memory of a device that the processor cannot see. */
typedef GstAllocator FarAllocator;
typedef GstAllocatorClass FarAllocatorClass;
GType far_allocator_get_type (void);
G_DEFINE_TYPE (FarAllocator, far_allocator, GST_TYPE_ALLOCATOR);

static gpointer
far_map (GstMemory * memory, gsize size, GstMapFlags flags)
{
  return NULL;
}

static GstMemory *
far_alloc (GstAllocator * allocator, gsize size, GstAllocationParams * params)
{
  GstMemory *memory = g_new0 (GstMemory, 1);

  gst_memory_init (memory, 0, allocator, NULL, size, 0, 0, size);
  return memory;
}

static void
far_free (GstAllocator * allocator, GstMemory * memory)
{
  g_free (memory);
}

static void
far_allocator_class_init (FarAllocatorClass * klass)
{
  klass->alloc = far_alloc;
  klass->free = far_free;
}

static void
far_allocator_init (FarAllocator * allocator)
{
  allocator->mem_type = "far";
  allocator->mem_map = far_map;
  GST_OBJECT_FLAG_SET (allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

/* Without a video meta, and with one that is right: the memory is what is
 * wrong, and the next picture is taken. */
GST_START_TEST (test_memory_that_cannot_be_mapped)
{
  Fixture f;
  GstAllocator *allocator = g_object_new (far_allocator_get_type (), NULL);

  gst_object_ref_sink (allocator);
  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  for (guint meta = 0; meta < 2; meta++) {
    GstBuffer *in = gst_buffer_new ();
    gst_buffer_append_memory (in, far_alloc (allocator, 3 * SIZE * SIZE,
            NULL));
    if (meta)
      gst_buffer_add_video_meta (in, GST_VIDEO_FRAME_FLAG_NONE,
          GST_VIDEO_FORMAT_RGB, SIZE, SIZE);
    push_warns (f.harness, f.bus, in, "cannot be mapped: its memory (far)");
    gst_buffer_unref (fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 9, 0, 0,
                9, 99)));
  }
  fixture_clear (&f);
  gst_object_unref (allocator);
}

GST_END_TEST;

GST_START_TEST (test_frames_past_the_engine_s_limit)
{
  Fixture f;
  GstMessage *message = NULL;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  fixture_play (&f, "GRAY8", 40000, 1);
  fail_unless (gst_harness_push (f.harness, gst_buffer_new_allocate (NULL,
              40000, NULL)) != GST_FLOW_OK);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, &message), 1);
  message_holds (message, "40000");
  gst_message_unref (message);
  fixture_clear (&f);
}

GST_END_TEST;

/* The same on the overlay, which writes; with something to draw everywhere. */
GST_START_TEST (test_overlay_on_wild_buffers)
{
  const WildMeta *wild = &wild_metas[__i__];
  GstElement *overlay = gst_element_factory_make ("deltaoverlay", NULL);
  GstBus *bus = gst_bus_new ();
  g_autofree gchar *caps = g_strdup_printf ("video/x-raw,format=%s,width=320,"
      "height=240,framerate=25/1", wild->format);
  GstHarness *h;

  if (!overlay) {
    gst_object_unref (bus);
    return;
  }
  gst_element_set_bus (overlay, bus);
  h = gst_harness_new_with_element (overlay, "sink", "src");
  gst_harness_set_src_caps_str (h, caps);
  for (guint i = 0; i < 2; i++) {
    GstBuffer *in = i ? gst_buffer_new_allocate (NULL, 7, NULL) :
        wild_buffer (wild);

    gst_buffer_add_video_region_of_interest_meta (in, "all", 0, 0, 320, 240);
    push_warns (h, bus, in, i ? "too short" : wild->part);
  }
  gst_harness_teardown (h);
  gst_element_set_bus (overlay, NULL);
  gst_object_unref (overlay);
  gst_object_unref (bus);
}

GST_END_TEST;

GST_START_TEST (test_bad_size_for_following)
{
  Fixture f;
  GstMessage *message = NULL;

  fixture_init (&f);
  g_object_set (f.element, "model", "/nowhere/people.onnx", "input-width", -1,
      NULL);
  fixture_play (&f, "RGB", SIZE, SIZE);
  fail_unless (gst_harness_push (f.harness, picture_new ("RGB", SIZE, SIZE, 9,
              0, 0, 9, 99)) != GST_FLOW_OK);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, &message), 1);
  message_holds (message, "/nowhere/people.onnx");
  gst_message_unref (message);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_found_nothing_is_told_once)
{
  Fixture f;
  GstMessage *message = NULL;

  fixture_init (&f);
  fixture_model (&f, TINY_BLIND, SIZE, SIZE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  for (guint i = 0; i < 250; i++)
    gst_buffer_unref (fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 200, 0,
                0, 9, 99)));
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_INFO, &message), 1);
  message_holds (message, "ranges from");
  message_holds (message, "score-threshold");
  message_holds (message, "resize=letterbox");
  message_holds (message, "videoflip");
  gst_message_unref (message);
  fixture_clear (&f);
}

GST_END_TEST;

/* A model without a descriptor: what to do, once, and not where tensors are
 * asked for. */
GST_START_TEST (test_no_decoder_is_told_once)
{
  for (guint tensors = 0; tensors < 2; tensors++) {
    g_autofree gchar *path = NULL;
    Fixture f;
    GstMessage *message = NULL;

    fixture_init (&f);
    path = tiny_model_write (f.dir, "bare", TINY_MASK, SIZE, SIZE, "");
    g_object_set (f.element, "model", path, NULL);
    if (tensors)
      gst_util_set_object_arg (G_OBJECT (f.element), "attach", "tensors");
    fixture_play (&f, "RGB", SIZE, SIZE);
    for (guint i = 0; i < 20; i++)
      gst_buffer_unref (fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 200,
                  0, 0, 9, 99)));
    fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_INFO, &message),
        tensors ? 0 : 1);
    if (message) {
      message_holds (message, "has no decoder");
      message_holds (message, "bare.onnx.modelinfo");
      message_holds (message, "deltacnn-inspect --suggest");
      message_holds (message, "attach=tensors");
      gst_message_unref (message);
    }
    fixture_clear (&f);
  }
}

GST_END_TEST;

/* A stream that is tagged as turned is told how to be turned back. */
GST_START_TEST (test_found_nothing_in_a_turned_picture)
{
  Fixture f;
  GstMessage *message = NULL;

  fixture_init (&f);
  fixture_model (&f, TINY_BLIND, SIZE, SIZE);
  fixture_play (&f, "RGB", SIZE, SIZE);
  gst_harness_push_event (f.harness, gst_event_new_tag (gst_tag_list_new
          (GST_TAG_IMAGE_ORIENTATION, "rotate-90", NULL)));
  for (guint i = 0; i < 100; i++)
    gst_buffer_unref (fixture_run (&f, picture_new ("RGB", SIZE, SIZE, 200, 0,
                0, 9, 99)));
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_INFO, &message), 1);
  message_holds (message, "rotate-90");
  message_holds (message, "videoflip video-direction=auto");
  gst_message_unref (message);
  fixture_clear (&f);
}

GST_END_TEST;

static Suite *
errors_suite (void)
{
  Suite *suite = suite_create ("deltacnn errors");
  TCase *tcase = tcase_create ("errors");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, test_no_model);
  tcase_add_test (tcase, test_missing_model);
  tcase_add_test (tcase, test_file_is_no_model);
  tcase_add_test (tcase, test_model_is_no_file);
  tcase_add_test (tcase, test_truncated_model);
  tcase_add_test (tcase, test_wrong_descriptor);
  tcase_add_test (tcase, test_labels);
  tcase_add_test (tcase, test_wrong_properties);
  tcase_add_test (tcase, test_device_failures);
  tcase_add_test (tcase, test_short_buffers);
  tcase_add_loop_test (tcase, test_wild_video_metas, 0,
      G_N_ELEMENTS (wild_metas));
  tcase_add_test (tcase, test_memory_that_cannot_be_mapped);
  tcase_add_test (tcase, test_frames_past_the_engine_s_limit);
  tcase_add_loop_test (tcase, test_overlay_on_wild_buffers, 0,
      G_N_ELEMENTS (wild_metas));
  tcase_add_test (tcase, test_bad_size_for_following);
  tcase_add_test (tcase, test_found_nothing_is_told_once);
  tcase_add_test (tcase, test_no_decoder_is_told_once);
  tcase_add_test (tcase, test_found_nothing_in_a_turned_picture);
  return suite;
}

GST_CHECK_MAIN (errors);
