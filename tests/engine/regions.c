/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * regions.c - inference on regions of the frame: what lies in them is as of a
 * dense run on the picture that the network holds; the rest stays. The device
 * is what DELTACNN_TEST_DEVICE names, or the cpu.
 */
#include <math.h>
#include <string.h>

#include "dcnn_mask.h"
#include "deltacnn/session.h"
#include "nets.h"

#define WIDTH 96
#define HEIGHT 64

static DcnnSession *
new_session (DcnnModel *model, DcnnMode mode)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.tuning.mode = mode;
  options.tuning.threshold = options.tuning.gate_threshold = 0;
  options.tuning.input_threshold = 0;
  options.tuning.dilation = 2;
  options.threads = 1;
  for (guint c = 0; c < 3; c++)
    options.scale[c] = 1;
  return test_session_new (model, &options);
}

static void
push (DcnnSession *session, const guint8 *rgb)
{
  DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = WIDTH,
    .height = HEIGHT, .planes = { rgb }, .strides = { 3 * WIDTH } };

  test_push_frame (session, 0, &frame);
}

static void
set_regions (DcnnSession *session, const DcnnRegion *regions, guint n,
    guint margin)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (dcnn_session_set_regions (session, 0, regions, n, margin,
          &error));
}

static void
fill (guint8 *rgb, guint64 *state)
{
  for (gint i = 0; i < 3 * WIDTH * HEIGHT; i++)
    rgb[i] = (guint8) test_random (state, 4);
}

/* Every picture is new; the network holds of it what lies in the regions. */
static void
test_rest_stays (void)
{
  g_autofree guint8 *rgb = g_malloc (3 * WIDTH * HEIGHT);
  g_autofree guint8 *held = g_malloc (3 * WIDTH * HEIGHT);

  for (guint64 seed = 1; seed <= 8; seed++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (seed, TRUE,
            FALSE, HEIGHT, WIDTH), &error);
    g_autoptr (DcnnSession) sparse = new_session (model, seed % 2 ?
        DCNN_MODE_SPARSE : DCNN_MODE_AUTO);
    g_autoptr (DcnnSession) dense = new_session (model, DCNN_MODE_DENSE);
    DcnnModelSummary summary;
    guint64 state = seed;
    g_assert_no_error (error);
    dcnn_model_get_summary (model, &summary);
    for (gint f = 0; f < 10; f++) {
      gint t = (gint) (summary.tile ? summary.tile : 8);
      gint x = (gint) test_random (&state, WIDTH / 2);
      gint y = (gint) test_random (&state, HEIGHT / 2);
      DcnnRegion region = { (gfloat) x, (gfloat) y, 20, 11 };
      gint x0 = MAX (x - 3, 0) / t * t, y0 = MAX (y - 3, 0) / t * t;
      gint x1 = (x + 23 + t - 1) / t * t, y1 = (y + 14 + t - 1) / t * t;
      fill (rgb, &state);
      if (f == 9) /* everywhere again */
        set_regions (sparse, NULL, 0, 0);
      else if (f > 0)
        set_regions (sparse, &region, 1, 3);
      for (gint v = 0; v < HEIGHT; v++)
        for (gint u = 0; u < WIDTH; u++)
          if (f == 0 || f == 9 || (u >= x0 && u < x1 && v >= y0 && v < y1))
            memcpy (held + 3 * (v * WIDTH + u), rgb + 3 * (v * WIDTH + u), 3);
      push (sparse, rgb);
      push (dense, held);
      g_assert_true (test_same_outputs (sparse, 0, dense));
    }
  }
}

/* Still pictures settle in their regions only; nowhere costs nothing. */
static void
test_nowhere (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (3, TRUE, FALSE,
          HEIGHT, WIDTH), &error);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
  g_autofree guint8 *rgb = g_malloc (3 * WIDTH * HEIGHT);
  const DcnnRegion nowhere = { 20, 20, 0, 0 };
  DcnnFrameStats stats;
  guint64 state = 1;

  fill (rgb, &state);
  push (session, rgb);
  set_regions (session, &nowhere, 1, 8);
  for (gint f = 0; f < 30; f++) {
    if (f < 5)
      fill (rgb, &state);
    push (session, rgb);
    dcnn_session_get_stats (session, 0, &stats);
    g_assert_cmpuint (stats.macs_done, ==, 0);
    g_assert_cmpfloat (stats.changed_share, ==, 0);
  }
}

static void
test_arguments (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = dcnn_model_new (test_net_sized (3, TRUE, FALSE,
          HEIGHT, WIDTH), &error);
  g_autoptr (DcnnSession) session = new_session (model, DCNN_MODE_AUTO);
  DcnnRegion many[DCNN_REGIONS_MOST + 1] = { { 0, 0, 1, 1 } };

  g_assert_false (dcnn_session_set_regions (session, 0, many,
          G_N_ELEMENTS (many), 0, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
  g_clear_error (&error);
  many[0].x = NAN;
  g_assert_false (dcnn_session_set_regions (session, 0, many, 1, 0, &error));
  g_assert_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT);
  g_clear_error (&error);
  g_assert_false (dcnn_session_set_regions (session, 7, many, 0, 0, &error));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/regions/rest-stays", test_rest_stays);
  g_test_add_func ("/engine/regions/nowhere", test_nowhere);
  g_test_add_func ("/engine/regions/arguments", test_arguments);
  return g_test_run ();
}
