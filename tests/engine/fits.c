/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fits.c - where a frame lies in the network's input: stretched, centred with
 * bars, at the top left with bars. The network passes its input on, so that
 * every pixel of it can be looked at.
 */
#include <math.h>
#include <string.h>

#include "dcnn_mask.h"
#include "deltacnn/session.h"
#include "nets.h"

#define SIZE 32

/* The value of a network pixel by colour: pixel * 1/128 - 1. */
#define VALUE(pixel) ((pixel) / 128.0 - 1)

static const guint8 fill[3] = { 10, 100, 220 };
static const guint8 picture[3] = { 200, 60, 30 };

static DcnnModel *
new_model (void)
{
  DcnnParams wide = { .act = { .lo = -100, .hi = 100 } };
  DcnnValueId v;
  TestNet net;

  test_net_begin (&net, 1, FALSE);
  v = test_net_input (&net, 3, SIZE, SIZE);
  v = test_net_node (&net, DCNN_OP_CLIP, &wide, 1, &v, NULL);
  dcnn_graph_add_output (net.graph, v);
  return test_model_new (net.graph);
}

static DcnnSession *
new_session (DcnnModel *model, DcnnFit fit, gboolean bgr)
{
  DcnnSessionOptions options;

  test_options_init (&options);
  options.threads = 1;
  options.fit = fit;
  options.bgr = bgr;
  memcpy (options.fill, fill, 3);
  for (guint c = 0; c < 3; c++) {
    options.scale[c] = 1 / 128.0f;
    options.bias[c] = -1;
  }
  return test_session_new (model, &options);
}

/* A frame of one colour, at (0, 0) of its own another in a square of `mark`. */
static void
push (DcnnSession *session, guint width, guint height, guint mark)
{
  g_autofree guint8 *rgb = g_malloc ((gsize) width * height * 3);
  DcnnFrame frame = { .format = DCNN_FORMAT_RGB, .width = width,
    .height = height, .planes = { rgb }, .strides = { (int32_t) width * 3 } };

  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x++)
      for (guint c = 0; c < 3; c++)
        rgb[(y * width + x) * 3 + c] =
            x < mark && y < mark ? 255 : picture[c];
  test_push_frame (session, 0, &frame);
}

static gdouble
at (DcnnSession *session, guint c, guint y, guint x)
{
  const DcnnTensor *t = &dcnn_session_get_output (session, 0, 0)->tensor;

  return ((const gfloat *) t->data)[(c * SIZE + y) * SIZE + x];
}

/* The frame's rectangle in the network's input, everything else is bars. */
static void
check (DcnnSession *session, gboolean bgr, guint x0, guint y0, guint x1,
    guint y1)
{
  for (guint c = 0; c < 3; c++)
    for (guint y = 0; y < SIZE; y++)
      for (guint x = 0; x < SIZE; x++) {
        gboolean inside = x >= x0 && x < x1 && y >= y0 && y < y1;
        guint from = bgr ? 2 - c : c;
        gdouble want = VALUE (inside ? picture[from] : fill[from]);
        if (!(fabs (at (session, c, y, x) - want) <= 1e-6))
          g_error ("channel %u, row %u, column %u: %g, not %g", c, y, x,
              at (session, c, y, x), want);
      }
}

static const struct {
  DcnnFit fit;
  guint width, height;
  guint x0, y0, x1, y1;
  gdouble scale_x, scale_y, offset_x, offset_y;
} cases[] = {
  { DCNN_FIT_STRETCH, 64, 32, 0, 0, 32, 32, 0.5, 1, 0, 0 },
  { DCNN_FIT_STRETCH, 16, 64, 0, 0, 32, 32, 2, 0.5, 0, 0 },
  { DCNN_FIT_LETTERBOX, 64, 32, 0, 8, 32, 24, 0.5, 0.5, 0, 8 },
  { DCNN_FIT_LETTERBOX, 16, 32, 8, 0, 24, 32, 1, 1, 8, 0 },
  { DCNN_FIT_LETTERBOX, 32, 16, 0, 8, 32, 24, 1, 1, 0, 8 },
  { DCNN_FIT_LETTERBOX, 8, 4, 0, 8, 32, 24, 4, 4, 0, 8 },
  { DCNN_FIT_LETTERBOX, 48, 48, 0, 0, 32, 32, 2 / 3.0, 2 / 3.0, 0, 0 },
  { DCNN_FIT_LETTERBOX_TOPLEFT, 64, 32, 0, 0, 32, 16, 0.5, 0.5, 0, 0 },
  { DCNN_FIT_LETTERBOX_TOPLEFT, 16, 32, 0, 0, 16, 32, 1, 1, 0, 0 },
};

static void
test_fits (void)
{
  g_autoptr (DcnnModel) model = new_model ();

  for (guint i = 0; i < 2 * G_N_ELEMENTS (cases); i++) {
    gboolean bgr = i % 2;
    guint k = i / 2;
    g_autoptr (DcnnSession) session = new_session (model, cases[k].fit, bgr);
    DcnnTransform t;

    push (session, cases[k].width, cases[k].height, 0);
    check (session, bgr, cases[k].x0, cases[k].y0, cases[k].x1, cases[k].y1);
    dcnn_session_get_transform (session, 0, &t);
    g_assert_cmpfloat_with_epsilon (t.scale_x, cases[k].scale_x, 1e-6);
    g_assert_cmpfloat_with_epsilon (t.scale_y, cases[k].scale_y, 1e-6);
    g_assert_cmpfloat_with_epsilon (t.offset_x, cases[k].offset_x, 1e-6);
    g_assert_cmpfloat_with_epsilon (t.offset_y, cases[k].offset_y, 1e-6);
    g_assert_cmpuint (t.net_width, ==, SIZE);
    g_assert_cmpuint (t.frame_width, ==, cases[k].width);
    g_assert_cmpuint (t.frame_height, ==, cases[k].height);
  }
}

/* What changes at the frame's corner changes at the letterbox's, and nowhere
 * else; the transform leads back there. */
static void
test_changes (void)
{
  g_autoptr (DcnnModel) model = new_model ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DcnnSession) session =
        new_session (model, cases[i].fit, FALSE);
    const DcnnMask *mask;
    DcnnTransform t;
    guint count = 0, x1 = 0, y1 = 0;

    push (session, cases[i].width, cases[i].height, 0);
    push (session, cases[i].width, cases[i].height, 4);
    mask = dcnn_session_get_input_mask (session, 0);
    dcnn_session_get_transform (session, 0, &t);
    for (guint y = 0; y < SIZE; y++)
      for (guint x = 0; x < SIZE; x++)
        if (dcnn_mask_get (mask, y, x)) {
          count++;
          x1 = MAX (x1, x);
          y1 = MAX (y1, y);
        }
    g_assert_cmpuint (count, >, 0);
    /* 4 pixels of the frame, one of smoothing, up to 3 of dilation */
    g_assert_cmpfloat (x1, <=, t.offset_x + 5 * t.scale_x + 3);
    g_assert_cmpfloat (y1, <=, t.offset_y + 5 * t.scale_y + 3);
    g_assert_true (dcnn_mask_get (mask, cases[i].y0, cases[i].x0));
    g_assert_cmpfloat (fabs (at (session, 0, cases[i].y0, cases[i].x0) -
            VALUE (255)), <, 0.35);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/fits/fits", test_fits);
  g_test_add_func ("/engine/fits/changes", test_changes);
  return g_test_run ();
}
