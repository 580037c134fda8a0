/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * between.c - frames that lie between the window's pixels: where results are led
 * back to, what half a pixel of shift is forgiven, and what is looked at closely
 * since results lie there. What is exact of such frames: camera.c.
 *
 * The device is what DELTACNN_TEST_DEVICE names, or the cpu.
 */
#include <math.h>
#include <string.h>

#include "dcnn_engine.h"
#include "dcnn_homography.h"
#include "nets.h"

static DcnnFrame
rgb_frame (const guint8 *data, gint width, gint height)
{
  return (DcnnFrame) { .format = DCNN_FORMAT_RGB, .width = (guint32) width,
    .height = (guint32) height, .planes = { data }, .strides = { 3 * width } };
}

/* ---- rotation, zoom, perspective ----------------------------------------------------- */

/* A net that gives its input's first channel. */
static DcnnGraph *
copy_net (gint h, gint w)
{
  static const gfloat one[3] = { 1, 0, 0 };
  TestNet net;
  DcnnValueId v;

  test_net_begin (&net, 1, TRUE);
  v = test_net_input (&net, 3, h, w);
  v = test_net_conv (&net, v, 1, 1, 1, 1, 1);
  for (guint i = 0; i < net.graph->values->len; i++) {
    DcnnTensor *t = &dcnn_graph_value (net.graph, (DcnnValueId) i)->tensor;
    if (t->data && dcnn_tensor_count (t) == 3)
      memcpy (t->data, one, sizeof one);
    else if (t->data && dcnn_tensor_count (t) == 1)
      *(gfloat *) t->data = 0;
  }
  dcnn_graph_add_output (net.graph, v);
  return net.graph;
}

/* A soft dot on a frame of 160x120. */
static void
draw_dot (guint8 *rgb, gdouble x, gdouble y)
{
  for (gint v = 0; v < 120; v++)
    for (gint u = 0; u < 160; u++) {
      gdouble d2 = (u + 0.5 - x) * (u + 0.5 - x) + (v + 0.5 - y) * (v + 0.5 -
          y);
      memset (rgb + 3 * (v * 160 + u), (gint) (20 + 200 * exp (-d2 / 18)), 3);
    }
}

/* Where the network sees it, on the frame. */
static void
find_dot (DcnnSession *session, gdouble *x, gdouble *y)
{
  const DcnnTensor *out = &dcnn_session_get_output (session, 0, 0)->tensor;
  const gfloat *p = out->data;
  gdouble sum = 0, at_x = 0, at_y = 0;
  DcnnTransform t;
  DcnnHomography view;

  for (gint v = 0; v < out->dims[2]; v++)
    for (gint u = 0; u < out->dims[3]; u++) {
      gdouble weight = MAX (0, p[v * out->dims[3] + u] - 60);
      sum += weight;
      at_x += weight * (u + 0.5);
      at_y += weight * (v + 0.5);
    }
  dcnn_session_get_transform (session, 0, &t);
  dcnn_session_get_view (session, 0, view.m);
  dcnn_homography_apply (&view, (at_x / sum - t.offset_x) / t.scale_x,
      (at_y / sum - t.offset_y) / t.scale_y, x, y);
}

static void
test_led_back (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = test_model_new (copy_net (96, 96));
  g_autofree guint8 *rgb = g_malloc (3 * 160 * 120);
  DcnnFrame frame = rgb_frame (rgb, 160, 120);
  guint64 state = 11;
  DcnnSessionOptions options;
  gdouble worst = 0;

  test_options_init (&options);
  options.tuning.input_threshold = 0;
  for (guint c = 0; c < 3; c++) {
    options.scale[c] = 1;
    options.fill[c] = 0;
  }
  for (guint i = 0; i < 60; i++) {
    g_autoptr (DcnnSession) session = NULL;
    gdouble a = 0.25 * test_random_value (&state, FALSE);
    gdouble s = 1 + 0.2 * test_random_value (&state, FALSE);
    gdouble p = 3e-4 * test_random_value (&state, FALSE);
    DcnnMotion motion = { .place = TRUE, .matrix = { s * cos (a),
          -s * sin (a), 300 * test_random_value (&state, FALSE),
          s * sin (a), s * cos (a), 300 * test_random_value (&state, FALSE),
          p, -p, 1 } };
    gdouble x = 80 + 30 * test_random_value (&state, FALSE), at_x;
    gdouble y = 60 + 20 * test_random_value (&state, FALSE), at_y;
    options.fit = (DcnnFit) (i % 3);
    session = test_session_new (model, &options);
    draw_dot (rgb, x, y);
    g_assert_true (dcnn_session_push_frame (session, 0, &frame, &motion,
            &error));
    find_dot (session, &at_x, &at_y);
    worst = MAX (worst, hypot (at_x - x, at_y - y));
  }
  g_test_message ("%.3f px off at most", worst);
  g_assert_cmpfloat (worst, <, 0.7);
}

/* ---- forgiveness -------------------------------------------------------------------------- */

/* Sharp edges and texture, at any place. */
static gdouble
scene (gdouble x, gdouble y)
{
  gdouble v = 120 + 40 * sin (0.31 * x) * sin (0.23 * y);

  if (fmod (x + 1000, 37) < 9 || fmod (y + 1000, 29) < 3)
    v += 60;
  return v;
}

static gdouble
jitter_share (gfloat forgive)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = test_model_new (copy_net (96, 96));
  g_autoptr (DcnnSession) session = NULL;
  g_autofree guint8 *rgb = g_malloc (3 * 96 * 96);
  DcnnFrame frame = rgb_frame (rgb, 96, 96);
  DcnnSessionOptions options;
  DcnnFrameStats stats;
  guint64 state = 3;
  gdouble share = 0;

  test_options_init (&options);
  options.tuning.dilation = 0;
  options.tuning.forgive = forgive;
  session = test_session_new (model, &options);
  for (gint f = 0; f < 20; f++) {
    gdouble x = 2 * test_random_value (&state, FALSE);
    gdouble y = 2 * test_random_value (&state, FALSE);
    DcnnMotion motion;
    motion = (DcnnMotion) { .matrix = { 1, 0, x, 0, 1, y, 0, 0, 1 } };
    for (gint v = 0; v < 96; v++)
      for (gint u = 0; u < 96; u++) {
        gdouble sum = 0; /* a camera's pixel is an area */
        for (gint i = 0; i < 16; i++)
          sum += scene (u + x + (i % 4 + 0.5) / 4, v + y + (i / 4 + 0.5) / 4);
        memset (rgb + 3 * (v * 96 + u), (gint) (sum / 16), 3);
      }
    g_assert_true (dcnn_session_push_frame (session, 0, &frame, &motion,
            &error));
    dcnn_session_get_stats (session, 0, &stats);
    share += f ? stats.changed_share / 19 : 0;
  }
  return share;
}

static void
test_forgiveness (void)
{
  gdouble without = jitter_share (0), with = jitter_share (0.5f);

  g_test_message ("changed pixels under jitter: %.4f without, %.4f with",
      without, with);
  g_assert_cmpfloat (without, >, 0.01);
  g_assert_cmpfloat (with, <, 0.2 * without);
}

/* ---- results ------------------------------------------------------------------------------ */

/* Two patches become brighter by `step` levels: 1 where the one at a result
 * counts as changed, 2 where that far from it does; threshold: 20 levels. */
static guint
patches_changed (gboolean weighed, gdouble shift, gint step, gboolean busy)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcnnModel) model = test_model_new (copy_net (96, 96));
  g_autoptr (DcnnSession) session = NULL;
  g_autofree guint8 *rgb = g_malloc (3 * 96 * 96);
  DcnnFrame frame = rgb_frame (rgb, 96, 96);
  gfloat interest[12 * 12] = { [2 * 12 + 2] = 1 };
  DcnnSessionOptions options;
  DcnnMotion motion = { .matrix = { 1, 0, shift, 0, 1, 0, 0, 0, 1 } };
  const DcnnMask *mask;

  test_options_init (&options);
  options.tuning.dilation = 0;
  options.tuning.input_threshold = 20.5f / 255;
  options.tuning.moving_interest = weighed;
  session = test_session_new (model, &options);
  for (guint f = 0; f < 3; f++) {
    const gint grey = busy && f > 0 ? 140 : 100;
    memset (rgb, grey, 3 * 96 * 96);
    for (gint y = 0; f == 2 && y < 16; y++)
      memset (rgb + 3 * 97 * (y < 8 ? 16 : 64) + 288 * (y & 7), grey + step, 24);
    g_assert_true (dcnn_session_push_frame (session, 0, &frame, &motion,
            &error));
    dcnn_session_set_interest (session, 0, interest);
  }
  mask = dcnn_session_get_input_mask (session, 0);
  return dcnn_mask_get (mask, 19, 20) + 2 * dcnn_mask_get (mask, 67, 68);
}

/* Between pixels: 0.3 of the threshold at results, 2 far away, unless it is busy. */
static void
test_moving_interest (void)
{
  static const struct { gboolean weighed; gdouble shift; gint step;
      guint changed; gboolean busy; } cases[] = { { TRUE, 0.25, 5, 0 },
    { TRUE, 0.25, 8, 1 }, { TRUE, 0.25, 38, 1 }, { TRUE, 0.25, 44, 3 },
    { FALSE, 0.25, 15, 0 }, { FALSE, 0.25, 28, 3 }, { TRUE, 3, 15, 0 },
    { TRUE, 3, 28, 3 }, { TRUE, 0.25, 15, 0, TRUE }, { TRUE, 0.25, 28, 3, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpuint (patches_changed (cases[i].weighed, cases[i].shift,
            cases[i].step, cases[i].busy), ==, cases[i].changed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/between/led-back", test_led_back);
  g_test_add_func ("/engine/between/forgiveness", test_forgiveness);
  g_test_add_func ("/engine/between/moving-interest", test_moving_interest);
  return g_test_run ();
}
