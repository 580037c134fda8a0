/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * place.c - which of several GPUs elements go to; it needs none of them.
 */
#include "gstdeltacnnplace.h"

#include <string.h>

#define TOGETHER GST_DELTA_CNN_PLACE_TOGETHER

static void
test_rule (void)
{
  static const struct
  {
    guint loads[3], alike[3], expected;
  } cases[] = {
    {{0, 0, 0}, {0, 0, 0}, 0},
    {{1, 0, 0}, {0, 0, 0}, 1},
    {{1, 1, 0}, {0, 0, 0}, 2},
    {{3, 1, 1}, {0, 0, 0}, 1},
    {{3, 0, 0}, {3, 0, 0}, 0},  /* alike: together, however loaded */
    {{9, 9, 0}, {2, 5, 0}, 1},  /* the fuller batch fills first */
    {{TOGETHER, 0, 0}, {TOGETHER, 0, 0}, 1},    /* full: the next one */
    {{TOGETHER, 1, 4}, {TOGETHER, 1, 0}, 1},
    {{TOGETHER, TOGETHER, TOGETHER}, {TOGETHER, TOGETHER, TOGETHER}, 0},
    {{20, 17, 18}, {16, 16, 16}, 1},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpuint (gst_delta_cnn_place_choose (cases[i].loads,
            cases[i].alike, 3), ==, cases[i].expected);
}

/* Elements of other models are spread, and a place that is given up counts no
 * more. */
static void
test_spread (void)
{
  static const guint gpus[] = { 0, 2, 5 };
  GstDeltaCnnPlace *places[6];
  guint counts[6] = { 0 };

  for (guint i = 0; i < 6; i++) {
    g_autofree gchar *key = g_strdup_printf ("model %u", i);
    places[i] = gst_delta_cnn_place_new (key, 1, gpus, 3);
    counts[gst_delta_cnn_place_gpu (places[i])]++;
  }
  for (guint i = 0; i < 6; i++)
    g_assert_cmpuint (counts[i], ==, i == 0 || i == 2 || i == 5 ? 2 : 0);
  /* places 1 and 4 lie on the second GPU */
  gst_delta_cnn_place_free (places[1]);
  gst_delta_cnn_place_free (places[4]);
  places[1] = gst_delta_cnn_place_new ("another", 2, gpus, 3);
  g_assert_cmpuint (gst_delta_cnn_place_gpu (places[1]), ==, 2);
  /* which weighs as much as two: all are equal again */
  places[4] = gst_delta_cnn_place_new ("one more", 1, gpus, 3);
  g_assert_cmpuint (gst_delta_cnn_place_gpu (places[4]), ==, 0);
  for (guint i = 0; i < 6; i++)
    gst_delta_cnn_place_free (places[i]);
}

/* 40 cameras of one model on two GPUs: batches of 16, then side by side. */
static void
test_together (void)
{
  static const guint gpus[] = { 0, 1 };
  GstDeltaCnnPlace *places[40], *other;

  for (guint i = 0; i < 40; i++) {
    places[i] = gst_delta_cnn_place_new ("cameras", 1, gpus, 2);
    g_assert_cmpuint (gst_delta_cnn_place_gpu (places[i]), ==,
        i < 2 * TOGETHER ? i / TOGETHER : i % 2);
  }
  other = gst_delta_cnn_place_new ("another", 1, gpus, 2);
  g_assert_cmpuint (gst_delta_cnn_place_gpu (other), ==, 0);
  gst_delta_cnn_place_free (other);
  for (guint i = 0; i < 40; i++)
    gst_delta_cnn_place_free (places[i]);
}

#define THREADS 8

static gpointer
come_and_go (gpointer data)
{
  static const guint gpus[] = { 0, 1, 2 };

  for (guint i = 0; i < 200; i++) {
    g_autofree gchar *key = g_strdup_printf ("%d", GPOINTER_TO_INT (data) % 3);
    GstDeltaCnnPlace *place = gst_delta_cnn_place_new (key, 1, gpus, 3);
    g_assert_cmpuint (gst_delta_cnn_place_gpu (place), <, 3);
    gst_delta_cnn_place_free (place);
  }
  return NULL;
}

static void
test_threads (void)
{
  static const guint gpus[] = { 0, 1, 2 };
  GThread *threads[THREADS];
  GstDeltaCnnPlace *place;

  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("place", come_and_go, GINT_TO_POINTER (i));
  for (guint i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
  place = gst_delta_cnn_place_new ("all are gone", 1, gpus, 3);
  g_assert_cmpuint (gst_delta_cnn_place_gpu (place), ==, 0);
  gst_delta_cnn_place_free (place);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gst/place/rule", test_rule);
  g_test_add_func ("/gst/place/spread", test_spread);
  g_test_add_func ("/gst/place/together", test_together);
  g_test_add_func ("/gst/place/threads", test_threads);
  return g_test_run ();
}
