/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * policy.c - what all backends decide alike, case by case: settling and its
 * bands, spreads, the criterion's rules, where a frame lies. No session.
 */
#include <math.h>

#include "criterion.h"
#include "dense_rule.h"
#include "frame_fit.h"
#include "node_cost.h"
#include "settling.h"
#include "window.h"

static DcnnTuning
tuning_of_default (void)
{
  DcnnSessionOptions options;

  dcnn_session_options_init (&options);
  return options.tuning;
}

/* ---- settling ------------------------------------------------------------- */

/* Frames with that many of 10000 pixels changed, until something starts. */
static guint
frames_until (DcnnSettling *s, const DcnnTuning *tuning, gsize changed,
    DcnnSettlingKind kind, guint most)
{
  DcnnSettlingFrame frame = { FALSE, FALSE, changed, 10000 };

  for (guint n = 1; n <= most; n++)
    if (dcnn_settling_frame (s, tuning, &frame) == kind)
      return n;
  return 0;
}

static void
test_still (void)
{
  DcnnTuning tuning = tuning_of_default ();
  DcnnSettling s = { 0 };
  DcnnSettlingFrame dense = { .dense = TRUE, .changed = 10000,
    .pixels = 10000 };

  g_assert_cmpint (dcnn_settling_frame (&s, &tuning, &dense), ==,
      DCNN_SETTLING_NOTHING);
  g_assert_true (dcnn_settled (&s));
  /* nothing has changed: nothing to do */
  g_assert_cmpuint (frames_until (&s, &tuning, 0, DCNN_SETTLING_ALL, 100), ==,
      0);
  /* one small change, then quiet */
  g_assert_cmpuint (frames_until (&s, &tuning, 5, DCNN_SETTLING_ALL, 1), ==,
      1);
  g_assert_false (dcnn_settled (&s));
  /* it goes on without starting again, until nothing is pending */
  g_assert_cmpuint (frames_until (&s, &tuning, 0, DCNN_SETTLING_ALL, 50), ==,
      0);
  g_assert_cmpint (s.now, ==, DCNN_SETTLING_ALL);
  dcnn_settling_ends (&s, 100, TRUE);
  g_assert_cmpint (s.now, ==, DCNN_SETTLING_ALL);
  dcnn_settling_ends (&s, 100, FALSE);
  g_assert_true (dcnn_settled (&s));
  /* after a busy frame it takes DCNN_STILL_FRAMES still ones */
  tuning.refresh = 0;
  g_assert_cmpuint (frames_until (&s, &tuning, 500, DCNN_SETTLING_ALL, 1), ==,
      0);
  g_assert_cmpuint (frames_until (&s, &tuning, 0, DCNN_SETTLING_ALL, 100), ==,
      DCNN_STILL_FRAMES);
}

/* Noise keeps a settling from ending: each gives up after its share of work,
 * and the next waits twice as long. */
static void
test_noise (void)
{
  DcnnTuning tuning = tuning_of_default ();
  DcnnSettling s = { .wait = DCNN_SETTLE_INTERVAL };
  guint wait = DCNN_SETTLE_INTERVAL;

  g_assert_cmpuint (frames_until (&s, &tuning, 1, DCNN_SETTLING_ALL, 100), ==,
      DCNN_STILL_FRAMES);
  for (guint i = 0; i < 8; i++) {
    s.spent = DCNN_SETTLE_FRAMES * 100;
    dcnn_settling_ends (&s, 100, TRUE);
    g_assert_cmpint (s.now, ==, DCNN_SETTLING_ALL); /* not more than allowed */
    s.spent++;
    dcnn_settling_ends (&s, 100, TRUE);
    g_assert_cmpint (s.now, ==, DCNN_SETTLING_NOTHING);
    g_assert_cmpuint (frames_until (&s, &tuning, 1, DCNN_SETTLING_ALL, 9999),
        ==, wait);
    g_assert_cmpuint (s.spent, ==, 0);
    wait = MIN (2 * wait, DCNN_SETTLE_WAIT_MOST);
  }
}

/* The same figures a frame late start a settling a frame later, and end it as
 * well. */
static void
test_late (void)
{
  DcnnTuning tuning = tuning_of_default ();
  DcnnSettling now = { 0 }, late = { 0 };
  gsize before = 0;

  for (guint n = 0, first = 0; n < 60; n++) {
    gsize changed = n == 3 ? 400 : 0;
    DcnnSettlingFrame a = { FALSE, FALSE, changed, 10000 };
    DcnnSettlingFrame b = { FALSE, FALSE, before, 10000 };
    DcnnSettlingKind kind = dcnn_settling_frame (&now, &tuning, &a);
    if (first)
      g_assert_cmpint (dcnn_settling_frame (&late, &tuning, &b), ==,
          DCNN_SETTLING_ALL);
    else
      g_assert_cmpint (dcnn_settling_frame (&late, &tuning, &b), !=,
          DCNN_SETTLING_ALL);
    first = kind == DCNN_SETTLING_ALL;
    if (kind == DCNN_SETTLING_BAND)
      dcnn_settling_ends (&now, 100, TRUE);
    if (late.now == DCNN_SETTLING_BAND)
      dcnn_settling_ends (&late, 100, TRUE);
    before = changed;
  }
}

/* The mean work of the last frames: an eighth of the way to each one's. */
static void
test_busy (void)
{
  DcnnSettling s = { .busy = 0.5 };

  dcnn_settling_busy (&s, 0.5);
  g_assert_cmpfloat_with_epsilon (s.busy, 0.5, 1e-12);
  dcnn_settling_busy (&s, 0.1);
  g_assert_cmpfloat_with_epsilon (s.busy, 0.45, 1e-12);
  dcnn_settling_busy (&s, 0.85);
  g_assert_cmpfloat_with_epsilon (s.busy, 0.5, 1e-12);
}

/* Bands go down the picture, meet, and begin again at the top: in 1 / (refresh
 * busy) frames every row has had its turn once. */
static void
test_band (void)
{
  DcnnTuning tuning = tuning_of_default ();
  DcnnSettling s = { .busy = 0.5 };
  DcnnSettlingFrame frame = { FALSE, FALSE, 900, 10000 };
  guint turns[48] = { 0 };

  tuning.refresh = 0.25f;
  for (guint n = 0; n < 8; n++) {
    guint first[2], end[2];
    g_assert_cmpint (dcnn_settling_frame (&s, &tuning, &frame), ==,
        DCNN_SETTLING_BAND);
    dcnn_settling_band (&s, 48, first, end);
    for (guint i = 0; i < 2; i++)
      for (guint y = first[i]; y < end[i]; y++)
        turns[y]++;
    dcnn_settling_ends (&s, 100, TRUE);
    g_assert_cmpint (s.now, ==, DCNN_SETTLING_NOTHING);
    g_assert_false (dcnn_settled (&s));
  }
  for (guint y = 0; y < 48; y++)
    g_assert_cmpuint (turns[y], ==, 1);
  s.band_to = 0.9; /* over the lower edge */
  dcnn_settling_frame (&s, &tuning, &frame);
  {
    guint first[2], end[2];
    dcnn_settling_band (&s, 40, first, end);
    g_assert_cmpuint (first[0], ==, 36);
    g_assert_cmpuint (end[0], ==, 40);
    g_assert_cmpuint (end[1], ==, 1);
  }
  frame.moving = TRUE;
  g_assert_cmpint (dcnn_settling_frame (&s, &tuning, &frame), ==,
      DCNN_SETTLING_NOTHING);
  frame.moving = FALSE;
  tuning.settle = FALSE;
  g_assert_cmpint (dcnn_settling_frame (&s, &tuning, &frame), ==,
      DCNN_SETTLING_NOTHING);
}

/* Where results lie in 8 of the 64 cells, three rounds are of those, with bands
 * eight times as high; the fourth is of all. Where nothing is told, all are. */
static void
test_places (void)
{
  const guint64 places = G_GUINT64_CONSTANT (0xf00000f000);
  DcnnTuning tuning = tuning_of_default ();
  DcnnSettling s = { .busy = 0.5 };
  DcnnSettlingFrame frame = { FALSE, FALSE, 900, 10000, places };
  guint of_places = 0, of_all = 0;

  tuning.refresh = 0.1f;
  for (guint n = 0; n < 60; n++) {
    gdouble rows;
    dcnn_settling_frame (&s, &tuning, &frame);
    rows = s.band_to - s.band_from;
    g_assert_true (s.places == places || s.places == ~G_GUINT64_CONSTANT (0));
    g_assert_cmpfloat_with_epsilon (rows, s.places == places ? 0.4 : 0.05,
        1e-6);
    of_places += s.places == places;
    of_all += s.places != places;
    dcnn_settling_ends (&s, 100, TRUE);
  }
  g_assert_cmpuint (of_places, >=, 14); /* 7 or 8 bands in three rounds, 20 in one */
  g_assert_cmpuint (of_all, >=, 36);
  frame.places = 1; /* no higher than the picture */
  s.rounds = 0;
  dcnn_settling_frame (&s, &tuning, &frame);
  g_assert_cmpfloat (s.band_to - s.band_from, ==, 1);
  frame.places = 0;
  dcnn_settling_frame (&s, &tuning, &frame);
  g_assert_true (s.places == ~G_GUINT64_CONSTANT (0));
}

/* Every pixel is in one cell, those of a map half as large in the same. */
static void
test_cells (void)
{
  guint64 seen = 0;

  for (guint y = 0; y < 40; y++)
    for (guint x = 0; x < 72; x++) {
      guint64 cell = dcnn_settling_cell (y, 40, x, 72);
      g_assert_cmpint (__builtin_popcountll (cell), ==, 1);
      g_assert_true (dcnn_settling_cell (y / 2, 20, x / 2, 36) == cell ||
          (y & 1) || (x & 1));
      seen |= cell;
    }
  g_assert_true (seen == ~G_GUINT64_CONSTANT (0));
  g_assert_true (dcnn_settling_cell (0, 1, 0, 1) == 1);
}

static void
test_spreads (void)
{
  DcnnTuning tuning = tuning_of_default ();
  DcnnSettling s = { 0 };
  guint due = 0;

  tuning.criterion = DCNN_CRITERION_NRMS;
  for (guint n = 0; n < 400; n++)
    if (dcnn_spreads_due (&s, &tuning, n == 0, n == 0)) {
      g_assert_true (n == 0 || n == DCNN_SPREAD_AGAIN_1 ||
          n == DCNN_SPREAD_AGAIN_2);
      due++;
    }
  g_assert_cmpuint (due, ==, 3);
  g_assert_true (dcnn_spreads_due (&s, &tuning, FALSE, TRUE));
  for (guint n = due = 0; n < 100; n++) /* nothing but cuts */
    due += dcnn_spreads_due (&s, &tuning, FALSE, TRUE);
  g_assert_cmpuint (due, ==, 1);
  tuning.criterion = DCNN_CRITERION_MAX; /* divides by none */
  g_assert_false (dcnn_spreads_due (&s, &tuning, TRUE, TRUE));
  tuning.criterion = DCNN_CRITERION_INFLUENCE;
  tuning.mode = DCNN_MODE_DENSE;
  g_assert_false (dcnn_spreads_due (&s, &tuning, TRUE, TRUE));
}

/* ---- criterion -------------------------------------------------------------- */

static void
check_rule (const DcnnTuning *tuning, const DcnnCriterionNode *node,
    DcnnSignificanceKind kind, gfloat limit, DcnnCriterionWeights weights)
{
  DcnnCriterionRule rule = dcnn_criterion_rule (tuning, node);

  g_assert_cmpint (rule.kind, ==, kind);
  g_assert_cmpfloat (rule.limit, ==, limit);
  g_assert_cmpint (rule.weights, ==, weights);
  g_assert_cmpint (rule.relative, ==, node->is_gate);
}

static void
test_criterion (void)
{
  DcnnTuning t = tuning_of_default ();
  DcnnCriterionNode plain = { .channels = 8, .threshold = NAN,
    .spread_known = TRUE, .influence_known = TRUE, .influence_limit = 3 };
  DcnnCriterionNode node = plain;

  t.threshold = 0.5f;
  t.gate_threshold = 0.25f;
  t.criterion = DCNN_CRITERION_NRMS;
  check_rule (&t, &node, DCNN_SIGNIFICANT_SQUARE, 2, DCNN_WEIGHTS_SPREAD);
  node.spread_known = FALSE;
  check_rule (&t, &node, DCNN_SIGNIFICANT_ANY, 0, DCNN_WEIGHTS_NONE);
  t.criterion = DCNN_CRITERION_RMS;
  check_rule (&t, &node, DCNN_SIGNIFICANT_SQUARE, 2, DCNN_WEIGHTS_NONE);
  t.criterion = DCNN_CRITERION_MAX;
  check_rule (&t, &node, DCNN_SIGNIFICANT_MAX, 0.5f, DCNN_WEIGHTS_NONE);
  t.criterion = DCNN_CRITERION_INFLUENCE;
  check_rule (&t, &node, DCNN_SIGNIFICANT_SQUARE, 0.75f,
      DCNN_WEIGHTS_INFLUENCE);
  node = plain;
  node.influence_known = FALSE; /* goes by nrms */
  check_rule (&t, &node, DCNN_SIGNIFICANT_SQUARE, 2, DCNN_WEIGHTS_SPREAD);
  node.threshold = 0.125f; /* its own */
  check_rule (&t, &node, DCNN_SIGNIFICANT_SQUARE, 0.125f,
      DCNN_WEIGHTS_SPREAD);
  node.threshold = 0;
  check_rule (&t, &node, DCNN_SIGNIFICANT_ANY, 0, DCNN_WEIGHTS_NONE);
  node.threshold = -1;
  check_rule (&t, &node, DCNN_SIGNIFICANT_ALWAYS, 0, DCNN_WEIGHTS_NONE);
  node.is_output = TRUE; /* exact, whatever is asked for */
  check_rule (&t, &node, DCNN_SIGNIFICANT_ANY, 0, DCNN_WEIGHTS_NONE);
  node = plain;
  node.one_pixel = TRUE;
  check_rule (&t, &node, DCNN_SIGNIFICANT_ANY, 0, DCNN_WEIGHTS_NONE);
  node.is_gate = TRUE;
  check_rule (&t, &node, DCNN_SIGNIFICANT_SQUARE, 0.0625f,
      DCNN_WEIGHTS_NONE);
  t.gate_threshold = 0;
  check_rule (&t, &node, DCNN_SIGNIFICANT_ANY, 0, DCNN_WEIGHTS_NONE);
}

/* "Any difference" on a device whose bits depend on how it came to compute a
 * pixel: more than it declares, of the spread where that is known. */
static void
test_rounding (void)
{
  DcnnTuning t = tuning_of_default ();
  DcnnCriterionNode node = { .channels = 8, .threshold = 0,
    .spread_known = TRUE, .rounding = 0.5f };
  DcnnCriterionRule rule = dcnn_criterion_rule (&t, &node);

  g_assert_cmpint (rule.kind, ==, DCNN_SIGNIFICANT_MAX);
  g_assert_cmpfloat (rule.limit, ==, 0.5f);
  g_assert_cmpint (rule.weights, ==, DCNN_WEIGHTS_SPREAD);
  node.is_output = TRUE;
  g_assert_cmpfloat (dcnn_criterion_rule (&t, &node).limit, ==, 0.5f);
  node.spread_known = node.is_output = FALSE;
  rule = dcnn_criterion_any (&node);
  g_assert_cmpint (rule.kind, ==, DCNN_SIGNIFICANT_SQUARE);
  g_assert_cmpfloat (rule.limit, ==, 0.25f);
  g_assert_true (rule.relative);
  node.is_gate = TRUE;
  t.gate_threshold = 0;
  g_assert_cmpfloat (dcnn_criterion_rule (&t, &node).limit, ==, 0.25f);
  t.gate_threshold = 2;
  g_assert_cmpfloat (dcnn_criterion_rule (&t, &node).limit, ==, 4);
}

static void
test_global (void)
{
  DcnnTuning t = tuning_of_default ();

  t.threshold = 0.5f;
  t.gate_threshold = 0.25f;
  g_assert_cmpfloat (dcnn_criterion_global (&t, FALSE, 0.1f), ==, 0.25f);
  g_assert_cmpfloat (dcnn_criterion_global (&t, TRUE, 0.125f), ==, 0.125f);
  g_assert_cmpfloat (dcnn_criterion_global (&t, TRUE, NAN), ==, 0.25f);
  t.threshold = 0.125f;
  g_assert_cmpfloat (dcnn_criterion_global (&t, TRUE, NAN), ==, 0.125f);
}

/* ---- fit ------------------------------------------------------------------------ */

static void
check_fit (DcnnFit fit, guint width, guint height, gfloat aspect, guint x,
    guint y, guint w, guint h)
{
  DcnnFrame frame = { .width = width, .height = height,
    .pixel_aspect = aspect };
  DcnnFitRect r = dcnn_fit_frame (fit, &frame, 200, 100);
  DcnnTransform t = dcnn_fit_transform (&r, 200, 100, width, height);

  g_assert_cmpuint (r.x, ==, x);
  g_assert_cmpuint (r.y, ==, y);
  g_assert_cmpuint (r.width, ==, w);
  g_assert_cmpuint (r.height, ==, h);
  /* the frame's far corner is the rectangle's */
  g_assert_cmpfloat_with_epsilon ((x + w - t.offset_x) / t.scale_x, width,
      0.01);
  g_assert_cmpfloat_with_epsilon ((y + h - t.offset_y) / t.scale_y, height,
      0.01);
}

static void
test_fit (void)
{
  check_fit (DCNN_FIT_STRETCH, 640, 480, 0, 0, 0, 200, 100);
  check_fit (DCNN_FIT_LETTERBOX, 400, 400, 0, 50, 0, 100, 100);
  check_fit (DCNN_FIT_LETTERBOX, 800, 200, 0, 0, 25, 200, 50);
  check_fit (DCNN_FIT_LETTERBOX_TOPLEFT, 400, 400, 0, 0, 0, 100, 100);
  check_fit (DCNN_FIT_LETTERBOX, 400, 400, 1.5f, 25, 0, 150, 100);
  check_fit (DCNN_FIT_LETTERBOX, 400, 400, 0.001f, 50, 0, 100, 100);
  check_fit (DCNN_FIT_LETTERBOX, 400, 400, 1000, 50, 0, 100, 100);
  check_fit (DCNN_FIT_LETTERBOX, 32767, 1, 0, 0, 49, 200, 1);
  check_fit (DCNN_FIT_LETTERBOX, 1, 32767, 0, 99, 0, 1, 100);
}

/* ---- window ----------------------------------------------------------------------- */

static void
test_place (void)
{
  /* tiles of 32: stays within 24 pixels of its own, else the nearest */
  g_assert_cmpint (dcnn_window_place (24, 0, 32, TRUE), ==, 0);
  g_assert_cmpint (dcnn_window_place (24.1, 0, 32, TRUE), ==, 1);
  g_assert_cmpint (dcnn_window_place (-24.1, 0, 32, TRUE), ==, -1);
  g_assert_cmpint (dcnn_window_place (24, 0, 32, FALSE), ==, 1);
  g_assert_cmpint (dcnn_window_place (8, 1, 32, TRUE), ==, 1);
  g_assert_cmpint (dcnn_window_place (7.9, 1, 32, TRUE), ==, 0);
  g_assert_cmpint (dcnn_window_place (500, 3, 0, TRUE), ==, 0);
}

/* A row that stays in view is found at the same place of the torus, however
 * the window got there. */
static void
test_torus (void)
{
  const guint size = 12, stride = 4;

  for (gint before = -100; before <= 100; before += 4)
    for (gint by = -60; by <= 60; by += 4) {
      guint from = dcnn_window_torus (before, stride, size);
      guint to = dcnn_window_torus (before + by, stride, size);
      gint first, end;
      g_assert_cmpuint (to, <, size);
      dcnn_window_seen (by, stride, size, &first, &end);
      if (dcnn_window_leaves (by, size * stride)) {
        g_assert_cmpint (end, <=, first);
        continue;
      }
      g_assert_cmpint (end - first, ==, (gint) size - ABS (by) / 4);
      for (gint y = first; y < end; y++) /* was row y + by / stride */
        g_assert_cmpuint ((to + (guint) y) % size, ==,
            (from + (guint) (y + by / 4)) % size);
    }
}

static void
test_seen_of_one (void)
{
  gint first, end;

  dcnn_window_seen (64, 0, 1, &first, &end);
  g_assert_cmpint (first, ==, 0);
  g_assert_cmpint (end, ==, 1);
}

static void
test_cut (void)
{
  g_assert_false (dcnn_dense_rule_cut (50, 100));
  g_assert_true (dcnn_dense_rule_cut (51, 100));
  g_assert_false (dcnn_dense_rule_cut (0, 0));
}

/* From five sixths of the map on, where the rest is known; else all of it only. */
static void
test_dense_nodes (void)
{
  g_assert_true (dcnn_dense_rule_node (500, 600, TRUE));
  g_assert_false (dcnn_dense_rule_node (499, 600, TRUE));
  g_assert_false (dcnn_dense_rule_node (500, 601, TRUE));
  g_assert_true (dcnn_dense_rule_node (505, 601, TRUE));
  g_assert_false (dcnn_dense_rule_node (0, 600, TRUE));
  g_assert_false (dcnn_dense_rule_node (599, 600, FALSE));
  g_assert_true (dcnn_dense_rule_node (600, 600, FALSE));
  g_assert_true (dcnn_dense_rule_node (1, 1, FALSE));
}

/* Arithmetic on bytes is cheap and finding pixels is not: a list is worth its
 * while for fewer pixels than in floats. */
static void
test_cost_of_bytes (void)
{
  gdouble share[2];

  for (gint bytes = 0; bytes < 2; bytes++) {
    DcnnNodeCost cost = dcnn_node_cost (DCNN_PRIMARY_CONV, 576, 32, 10000,
        dcnn_node_arithmetic (1, bytes));
    share[bytes] = (cost.map - cost.list_node) / (10000 * cost.list_pixel);
  }
  g_assert_cmpfloat (share[1], <, 0.8 * share[0]);
  g_assert_cmpfloat (share[0], <, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/policy/still", test_still);
  g_test_add_func ("/engine/policy/noise", test_noise);
  g_test_add_func ("/engine/policy/late", test_late);
  g_test_add_func ("/engine/policy/band", test_band);
  g_test_add_func ("/engine/policy/places", test_places);
  g_test_add_func ("/engine/policy/cells", test_cells);
  g_test_add_func ("/engine/policy/busy", test_busy);
  g_test_add_func ("/engine/policy/spreads", test_spreads);
  g_test_add_func ("/engine/policy/criterion", test_criterion);
  g_test_add_func ("/engine/policy/rounding", test_rounding);
  g_test_add_func ("/engine/policy/global", test_global);
  g_test_add_func ("/engine/policy/fit", test_fit);
  g_test_add_func ("/engine/policy/place", test_place);
  g_test_add_func ("/engine/policy/torus", test_torus);
  g_test_add_func ("/engine/policy/seen-of-one", test_seen_of_one);
  g_test_add_func ("/engine/policy/cut", test_cut);
  g_test_add_func ("/engine/policy/dense-nodes", test_dense_nodes);
  g_test_add_func ("/engine/policy/cost-of-bytes", test_cost_of_bytes);
  return g_test_run ();
}
