/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * live.c - what may change while PLAYING, and elements that come and go.
 */
#include "fixture.h"

#include <gst/base/gstbasetransform.h>

#include <string.h>

#define SIZE 32

static GstBuffer *
square (gint x)
{
  return picture_new ("RGB", SIZE, SIZE, 20, x, 0, 8, 230);
}

static void
start (Fixture * f)
{
  fixture_init (f);
  fixture_model (f, TINY_MASK, SIZE, SIZE);
  fixture_play (f, "RGB", SIZE, SIZE);
}

static gdouble
changed_share (Fixture * f, GstBuffer * in)
{
  GstBuffer *out = fixture_run (f, in);
  const gdouble share = buffer_stats (out)->changed_share;

  gst_buffer_unref (out);
  return share;
}

/* Another value than the default, and than other properties': i of n. */
static void
choose_value (GParamSpec * spec, guint i, guint n, GValue * value)
{
  const gdouble share = (i + 1.0) / (n + 1.0);

  g_value_init (value, spec->value_type);
  if (G_IS_PARAM_SPEC_STRING (spec))
    g_value_set_string (value, spec->name);
  else if (G_IS_PARAM_SPEC_BOOLEAN (spec))
    g_value_set_boolean (value, !G_PARAM_SPEC_BOOLEAN (spec)->default_value);
  else if (G_IS_PARAM_SPEC_FLAGS (spec))
    g_value_set_flags (value, 1);
  else if (G_IS_PARAM_SPEC_ENUM (spec)) {
    const GEnumValue *values = G_PARAM_SPEC_ENUM (spec)->enum_class->values;
    g_value_set_enum (value, values[values[0].value
            == G_PARAM_SPEC_ENUM (spec)->default_value].value);
  } else if (G_IS_PARAM_SPEC_INT (spec))
    g_value_set_int (value, MIN (1 + (gint) i, G_PARAM_SPEC_INT (spec)->maximum));
  else if (G_IS_PARAM_SPEC_UINT (spec)) {
    const GParamSpecUInt *u = G_PARAM_SPEC_UINT (spec);
    g_value_set_uint (value, (guint) (u->minimum
            + (u->maximum - u->minimum) * share));
  } else if (G_IS_PARAM_SPEC_FLOAT (spec))
    g_value_set_float (value, (gfloat) (G_PARAM_SPEC_FLOAT (spec)->maximum
            * share));
  else
    g_value_set_double (value, G_PARAM_SPEC_DOUBLE (spec)->minimum
        + (G_PARAM_SPEC_DOUBLE (spec)->maximum
            - G_PARAM_SPEC_DOUBLE (spec)->minimum) * share);
}

static void
check_value (GstElement * element, GParamSpec * spec, const GValue * value,
    const gchar * set)
{
  GValue now = G_VALUE_INIT;

  g_value_init (&now, spec->value_type);
  g_object_get_property (G_OBJECT (element), spec->name, &now);
  fail_unless (value ? g_param_values_cmp (spec, &now, value) == 0
      : g_param_value_defaults (spec, &now), "%s reads as another value than "
      "%s when %s is set", spec->name, value ? "it was set to" : "its default",
      set);
  g_value_unset (&now);
}

/* One after the other: each reads back, and no other one changes by it. */
static void
check_properties (GstElement * element)
{
  guint n, own = 0;
  g_autofree GParamSpec **specs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  g_autofree GValue *values = NULL;

  for (guint i = 0; i < n; i++)
    if (specs[i]->owner_type == G_OBJECT_TYPE (element)
        && specs[i]->flags & G_PARAM_WRITABLE)
      specs[own++] = specs[i];
  values = g_new0 (GValue, own);
  for (guint i = 0; i < own; i++) {
    fail_unless (strlen (g_param_spec_get_blurb (specs[i])) > 5);
    choose_value (specs[i], i, own, &values[i]);
    fail_if (g_param_value_defaults (specs[i], &values[i]),
        "%s: no other value", specs[i]->name);
    g_object_set_property (G_OBJECT (element), specs[i]->name, &values[i]);
    for (guint k = 0; k < own; k++)
      check_value (element, specs[k], k <= i ? &values[k] : NULL,
          specs[i]->name);
  }
  for (guint i = 0; i < own; i++)
    g_value_unset (&values[i]);
}

GST_START_TEST (test_every_property_round_trips)
{
  const gchar *names[] = { "deltacnn", "deltaoverlay", "framealign",
    "deltaimage"
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    GstElement *element = gst_element_factory_make (names[i], NULL);

    if (element)                /* not every build has all */
      check_properties (element);
    gst_clear_object (&element);
  }
}

GST_END_TEST;

GST_START_TEST (test_thresholds_are_live)
{
  Fixture f;

  start (&f);
  fail_unless (changed_share (&f, square (0)) == 1);
  g_object_set (f.element, "input-threshold", 1.0, NULL);
  fail_unless (changed_share (&f, square (16)) == 0);
  g_object_set (f.element, "input-threshold", 0.05, NULL);
  fail_unless (changed_share (&f, square (16)) > 0);
  g_object_set (f.element, "dilation", 8, NULL);
  fail_unless (changed_share (&f, square (0)) > 0.3);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_mode_is_live)
{
  static const gchar *const modes[] = { "dense", "sparse", "sparse" };
  Fixture f;

  start (&f);
  for (guint i = 0; i < 9; i++) {
    GstBuffer *out;
    gst_util_set_object_arg (G_OBJECT (f.element), "mode", modes[i % 3]);
    out = fixture_run (&f, square (i));
    /* the first after a dense one fills what dense frames need not store */
    if (i > 0 && i % 3 != 1)
      fail_unless_equals_int (buffer_stats (out)->dense, i % 3 == 0);
    gst_buffer_unref (out);
  }
  fixture_clear (&f);
}

GST_END_TEST;

/* A wide picture with a result at its left end, and something that is brighter
 * by `step` in the block of 8 columns that begins at 8 * block. */
static GstBuffer *
with_patch (guint block, guint step)
{
  GstBuffer *buffer = picture_new ("RGB", 128, SIZE, 20, 0, 0, 16, 230);
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (guint y = 8; y < 16; y++)
    for (guint x = 8 * block; x < 8 * block + 8; x++)
      memset (map.data + (y * 128 + x) * 3, 20 + step, 3);
  gst_buffer_unmap (buffer, &map);
  return buffer;
}

/* The farther from the last result, the more it takes to be a change: limits of
 * t / (0.4 + 0.6 weight), the weight 1 up to a block away from those that the
 * result touches (0 to 2), 2/3 up to three, 1/3 up to five. t is 51 of 255 here, so 51, 63, 85 and 127. */
GST_START_TEST (test_interest_by_distance)
{
  static const struct
  {
    gboolean interest;
    guint block, step;
    gboolean counts;
  } cases[] = {
    {FALSE, 12, 60, TRUE}, {FALSE, 12, 50, FALSE},
    {TRUE, 3, 60, TRUE}, {TRUE, 3, 50, FALSE},
    {TRUE, 4, 60, FALSE}, {TRUE, 5, 60, FALSE}, {TRUE, 5, 70, TRUE},
    {TRUE, 6, 80, FALSE}, {TRUE, 7, 80, FALSE}, {TRUE, 7, 100, TRUE},
    {TRUE, 8, 100, FALSE}, {TRUE, 8, 140, TRUE},
    {TRUE, 15, 120, FALSE}, {TRUE, 15, 140, TRUE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Fixture f;
    gdouble changed;

    fixture_init (&f);
    fixture_model (&f, TINY_MASK, 128, SIZE);
    g_object_set (f.element, "interest", cases[i].interest, "dilation", 0,
        "input-threshold", 0.2, NULL);
    fixture_play (&f, "RGB", 128, SIZE);
    fail_unless (changed_share (&f, with_patch (12, 0)) == 1);
    changed = changed_share (&f, with_patch (cases[i].block, cases[i].step));
    fail_unless (changed == (cases[i].counts ? 64.0 / (128 * SIZE) : 0),
        "block %u, step %u: %f changed", cases[i].block, cases[i].step,
        changed);
    fixture_clear (&f);
  }
}

GST_END_TEST;

/* Where there is no result, everything matters alike. */
GST_START_TEST (test_interest_without_results)
{
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  g_object_set (f.element, "interest", TRUE, "dilation", 0,
      "input-threshold", 0.2, NULL);
  fixture_play (&f, "RGB", SIZE, SIZE);
  fail_unless (changed_share (&f, picture_new ("RGB", SIZE, SIZE, 20, 0, 0, 0,
              0)) == 1);
  fail_unless (changed_share (&f, picture_new ("RGB", SIZE, SIZE, 20, 16, 8, 8,
              80)) == 64.0 / (SIZE * SIZE));
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_interest_is_live)
{
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, 128, SIZE);
  g_object_set (f.element, "interest", TRUE, "dilation", 0,
      "input-threshold", 0.2, NULL);
  fixture_play (&f, "RGB", 128, SIZE);
  changed_share (&f, with_patch (12, 0));
  fail_unless (changed_share (&f, with_patch (12, 100)) == 0);
  g_object_set (f.element, "interest", FALSE, NULL);
  fail_unless (changed_share (&f, with_patch (12, 100)) > 0);
  fixture_clear (&f);
}

GST_END_TEST;

/* What the statistics say is what the buffers said. */
GST_START_TEST (test_stats_values)
{
  gdouble changed = 0, work = 0, input = 0, run = 0, total = 0, most = 0;
  GstStructure *stats;
  guint64 dense = 0;
  Fixture f;

  start (&f);
  for (guint i = 0; i < 8; i++) {
    GstBuffer *in = square (i < 4 ? 0 : 2 * i), *out;
    const GstDeltaCnnStatsMeta *meta;

    GST_BUFFER_PTS (in) = i * 40 * GST_MSECOND;
    if (i == 3)
      GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_GAP);
    out = fixture_run (&f, in);
    meta = buffer_stats (out);
    if (i != 3) {
      changed += meta->changed_share;
      work += meta->mac_share;
      input += meta->input_time / 1e6;
      run += meta->run_time / 1e6;
      total += meta->total_time / 1e6;
      most = MAX (most, meta->total_time / 1e6);
      dense += meta->dense;
      fail_unless (meta->input_time + meta->run_time <= meta->total_time);
    }
    gst_buffer_unref (out);
  }
  fail_unless (dense == 1 && changed > 1 && work > 1);
  g_object_get (f.element, "stats", &stats, NULL);
#define HAS(kind, name, want)                                                  \
  do {                                                                         \
    g##kind value = 0;                                                         \
    fail_unless (gst_structure_get_##kind (stats, name, &value), name);        \
    fail_unless (ABS ((gdouble) value - (gdouble) (want)) < 1e-6,              \
        "%s is %f, not %f", name, (gdouble) value, (gdouble) (want));          \
  } while (0)
  HAS (uint64, "run-frames", 7);
  HAS (uint64, "gap-frames", 1);
  HAS (uint64, "late-frames", 0);
  HAS (uint64, "damaged-frames", 0);
  HAS (uint64, "dense-frames", dense);
  HAS (double, "changed-share", changed / 7);
  HAS (double, "mac-share", work / 7);
  HAS (double, "input-ms", input / 7);
  HAS (double, "run-ms", run / 7);
  HAS (double, "total-ms", total / 7);
  HAS (double, "max-ms", most);
#undef HAS
  gst_structure_free (stats);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_stats_messages)
{
  Fixture f;
  GstStructure *stats;
  gdouble ms;

  start (&f);
  g_object_set (f.element, "stats-interval", 1, NULL);
  changed_share (&f, square (0));
  g_usleep (3000);
  changed_share (&f, square (8));
  stats = fixture_structure (&f, "deltacnn-stats");
  fail_unless (stats != NULL);
  fail_unless (gst_structure_get_double (stats, "total-ms", &ms) && ms > 0);
  fail_unless_equals_string (gst_structure_get_string (stats, "device"),
      fixture_device ());
  gst_structure_free (stats);
  g_object_set (f.element, "stats-interval", 0, NULL);
  g_usleep (3000);
  changed_share (&f, square (0));
  fail_unless (fixture_structure (&f, "deltacnn-stats") == NULL);
  fixture_clear (&f);
}

GST_END_TEST;

/* Pushes frames until a model message comes, for as long as a test may take;
 * none may be lost. */
static void
push_until_model (Fixture * f, const gchar * file)
{
  for (guint i = 0;; i++) {
    GstStructure *model;
    gboolean found;

    changed_share (f, square (i % 20));
    model = fixture_structure (f, "deltacnn-model");
    found = model && g_str_has_suffix (gst_structure_get_string (model,
            "path"), file);
    g_clear_pointer (&model, gst_structure_free);
    if (found)
      return;
    g_usleep (1000);
  }
}

GST_START_TEST (test_model_swap)
{
  Fixture f;
  GstBuffer *out;
  g_autofree gchar *classes = NULL;

  start (&f);
  classes = tiny_model_write (f.dir, "classes", TINY_CLASSES, 2 * SIZE, SIZE,
      NULL);
  fail_unless (changed_share (&f, square (0)) == 1);
  fixture_structure (&f, "none");
  g_object_set (f.element, "model", classes, NULL);
  push_until_model (&f, "classes.onnx");
  out = fixture_run (&f, square (0));
  fail_unless_equals_int (gst_buffer_get_delta_cnn_segmentation_meta
      (out)->n_classes, 3);
  gst_buffer_unref (out);
  /* Often, and the last one wins. */
  for (guint i = 0; i < 20; i++) {
    g_object_set (f.element, "model", classes, NULL);
    fixture_model (&f, TINY_MASK, SIZE, SIZE);
  }
  push_until_model (&f, "model.onnx");
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, NULL), 0);
  fixture_clear (&f);
}

GST_END_TEST;

/* Sets the model once more, in the middle of the element's start. */
static GstBusSyncReply
set_another (GstBus * bus, GstMessage * message, gpointer data)
{
  gchar **path = data;

  if (*path && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT
      && gst_message_has_name (message, "deltacnn-model")) {
    g_autofree gchar *model = g_steal_pointer (path);
    g_object_set (GST_MESSAGE_SRC (message), "model", model, NULL);
  }
  return GST_BUS_PASS;
}

GST_START_TEST (test_model_set_while_starting)
{
  gchar *classes;
  Fixture f;

  fixture_init (&f);
  fixture_model (&f, TINY_MASK, SIZE, SIZE);
  classes = tiny_model_write (f.dir, "classes", TINY_CLASSES, SIZE, SIZE, NULL);
  gst_bus_set_sync_handler (f.bus, set_another, &classes, NULL);
  fixture_play (&f, "RGB", SIZE, SIZE);
  fail_unless (classes == NULL, "no model while starting");
  push_until_model (&f, "classes.onnx");
  gst_bus_set_sync_handler (f.bus, NULL, NULL, NULL);
  fixture_clear (&f);
}

GST_END_TEST;

/* While one model is being loaded, which takes a while, another is set: the
 * last one comes. */
GST_START_TEST (test_model_set_while_loading)
{
  g_autofree gchar *large = NULL, *classes = NULL;
  Fixture f;

  start (&f);
  large = tiny_model_write (f.dir, "large", TINY_MASK, 1024, 1024, NULL);
  classes = tiny_model_write (f.dir, "classes", TINY_CLASSES, SIZE, SIZE, NULL);
  g_object_set (f.element, "model", large, NULL);
  g_usleep (5000);
  g_object_set (f.element, "model", classes, NULL);
  push_until_model (&f, "classes.onnx");
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_failed_swap_keeps_the_model)
{
  Fixture f;
  GstMessage *warning = NULL;
  GstBuffer *out;

  start (&f);
  fail_unless (changed_share (&f, square (0)) == 1);
  fixture_count (&f, GST_MESSAGE_WARNING, NULL);
  g_object_set (f.element, "model", "/nowhere/other.onnx", NULL);
  warning = gst_bus_timed_pop_filtered (f.bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_WARNING);
  message_holds (warning, "/nowhere/other.onnx");
  gst_message_unref (warning);
  out = fixture_run (&f, square (0));
  fail_unless (buffer_stats (out)->changed_share == 0);
  fail_unless (gst_buffer_get_delta_cnn_segmentation_meta (out) != NULL);
  gst_buffer_unref (out);
  fail_unless_equals_int (fixture_count (&f, GST_MESSAGE_ERROR, NULL), 0);
  fixture_clear (&f);
}

GST_END_TEST;

GST_START_TEST (test_stop_while_loading)
{
  for (guint i = 0; i < 10; i++) {
    Fixture f;

    start (&f);
    changed_share (&f, square (0));
    fixture_model (&f, TINY_BOXES, SIZE, SIZE);
    if (i % 2)
      g_usleep (500);
    fixture_clear (&f);
  }
}

GST_END_TEST;

GST_START_TEST (test_two_in_one_process)
{
  g_autofree gchar *model = NULL;
  Fixture f, g;

  start (&f);
  fixture_init (&g);
  g_object_get (f.element, "model", &model, NULL);
  g_object_set (g.element, "model", model, NULL);
  fixture_play (&g, "RGB", SIZE, SIZE);
  fail_unless (changed_share (&f, square (0)) == 1);
  fail_unless (changed_share (&g, square (16)) == 1);
  fail_unless (changed_share (&f, square (0)) == 0);
  fail_unless (changed_share (&g, square (16)) == 0);
  fixture_clear (&f);
  fail_unless (changed_share (&g, square (8)) > 0);
  fixture_clear (&g);
}

GST_END_TEST;

static Suite *
live_suite (void)
{
  Suite *suite = suite_create ("deltacnn live");
  TCase *tcase = tcase_create ("live");

  fixture_load_plugin ();
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, test_every_property_round_trips);
  tcase_add_test (tcase, test_thresholds_are_live);
  tcase_add_test (tcase, test_mode_is_live);
  tcase_add_test (tcase, test_interest_by_distance);
  tcase_add_test (tcase, test_interest_without_results);
  tcase_add_test (tcase, test_interest_is_live);
  tcase_add_test (tcase, test_stats_values);
  tcase_add_test (tcase, test_stats_messages);
  tcase_add_test (tcase, test_model_swap);
  tcase_add_test (tcase, test_model_set_while_starting);
  tcase_add_test (tcase, test_model_set_while_loading);
  tcase_add_test (tcase, test_failed_swap_keeps_the_model);
  tcase_add_test (tcase, test_stop_while_loading);
  tcase_add_test (tcase, test_two_in_one_process);
  return suite;
}

GST_CHECK_MAIN (live);
