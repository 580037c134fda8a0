/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * anchor.c - from what is known of a camera to what a session is told: when
 * the canvas is restarted, and when alignment stands aside.
 */
#include "deltacnn/anchor.h"

#include <math.h>

static DcnnMotion
next (DcnnAnchor *anchor, DcnnSeen seen, gdouble zoom, gdouble roll, gdouble x)
{
  const gdouble m[9] = { zoom * cos (roll), -sin (roll), x, sin (roll),
    zoom * cos (roll), 0, 0, 0, 1 };
  DcnnMotion motion;

  dcnn_anchor_next (anchor, seen, m, 640, 480, &motion);
  return motion;
}

static void
test_anchor (void)
{
  DcnnAnchor anchor;
  DcnnMotion a, b;

  dcnn_anchor_init (&anchor);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 1, 0, 50);
  g_assert_true (a.restart && a.place && a.matrix[2] == 0);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 1, 0, 80);
  g_assert_true (!a.restart && a.matrix[2] == 30);
  b = next (&anchor, DCNN_SEEN_LOST, 5, 1, 9);
  g_assert_true (!b.restart);
  g_assert_cmpmem (a.matrix, sizeof a.matrix, b.matrix, sizeof b.matrix);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 1.2, 0, 80);
  g_assert_false (a.restart);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 1.3, 0, 80); /* zoomed too far */
  g_assert_true (a.restart && a.matrix[0] == 1 && a.matrix[2] == 0);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 1.3, 0, 93);
  g_assert_cmpfloat (fabs (a.matrix[2] - 10), <, 1e-9);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 1.3, 0.3, 93);
  g_assert_true (a.restart);
  a = next (&anchor, DCNN_SEEN_REANCHORED, 1, 0, 77);
  g_assert_true (a.restart && a.matrix[2] == 0);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 1, 0, 4);
  g_assert_true (!a.restart && a.matrix[2] == 4);
  a = next (&anchor, DCNN_SEEN_ALIGNED, NAN, 0, 4);
  g_assert_true (a.restart && a.matrix[0] == 1);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 0, 0, 4);
  g_assert_true (a.restart && a.matrix[0] == 1);
  anchor.max_shift = 0.1;
  a = next (&anchor, DCNN_SEEN_ALIGNED, 0, 0, 4 + 63);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 1, 0, 60);
  g_assert_false (a.restart);
  a = next (&anchor, DCNN_SEEN_ALIGNED, 1, 0, 66);
  g_assert_true (a.restart);
  g_assert_cmpuint (anchor.restarts, ==, 7);
  g_assert_cmpuint (anchor.lost, ==, 1);
}

/* Frames until it stands aside (or returns), at most n. work: per cent of a
 * dense run's. */
static guint
frames_until_at (DcnnAnchor *anchor, gboolean aside, gfloat aligned,
    gfloat unaligned, guint work, guint n)
{
  const DcnnFrameStats stats = { .aligned_share = aligned,
    .unaligned_share = unaligned, .macs_done = work, .macs_dense = 100 };

  for (guint f = 1; f <= n; f++) {
    DcnnMotion m = next (anchor, DCNN_SEEN_ALIGNED, 1, 0, 10.0 * f);
    g_assert_true (!anchor->aside || (m.restart && m.matrix[2] == 0));
    dcnn_anchor_account (anchor, &stats);
    if (anchor->aside == aside)
      return f;
  }
  return 0;
}

static guint
frames_until (DcnnAnchor *anchor, gboolean aside, gfloat aligned,
    gfloat unaligned, guint n)
{
  return frames_until_at (anchor, aside, aligned, unaligned, 30, n);
}

/* Half of the pixels change in place of all, and it is dense all the same. */
static void
test_dense_all_the_same (void)
{
  DcnnAnchor anchor;

  dcnn_anchor_init (&anchor);
  g_assert_cmpuint (frames_until_at (&anchor, TRUE, 0.5f, 1, 89, 500), ==, 0);
  g_assert_cmpuint (frames_until_at (&anchor, TRUE, 0.5f, 1, 100, 500), <, 40);
  g_assert_true (anchor.aside);
  g_assert_cmpuint (frames_until (&anchor, FALSE, 0, 0, 500), ==, 64);
  /* what was is forgotten */
  g_assert_cmpuint (frames_until_at (&anchor, TRUE, 0.5f, 1, 85, 500), ==, 0);
  dcnn_anchor_init (&anchor);
  anchor.stands_aside = FALSE;
  g_assert_cmpuint (frames_until_at (&anchor, TRUE, 0.5f, 1, 100, 500), ==, 0);
}

static void
test_stands_aside (void)
{
  DcnnAnchor anchor;

  dcnn_anchor_init (&anchor);
  g_assert_cmpuint (frames_until (&anchor, TRUE, 0.1f, 0.4f, 500), ==, 0);
  g_assert_cmpuint (frames_until (&anchor, TRUE, 0.01f, 0.01f, 500), ==, 0);
  g_assert_cmpuint (frames_until (&anchor, TRUE, 0.5f, 0.4f, 500), <, 40);
  g_assert_true (anchor.aside);
  g_assert_cmpuint (frames_until (&anchor, FALSE, 0, 0, 500), ==, 64);
  g_assert_cmpuint (frames_until (&anchor, TRUE, 0.38f, 0.4f, 500), <=, 17);
  g_assert_cmpuint (frames_until (&anchor, FALSE, 0, 0, 500), ==, 128);
  g_assert_cmpuint (anchor.aside_frames, ==, 192);
  dcnn_anchor_init (&anchor);
  anchor.stands_aside = FALSE;
  g_assert_cmpuint (frames_until (&anchor, TRUE, 0.5f, 0.4f, 500), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/anchor/restarts", test_anchor);
  g_test_add_func ("/engine/anchor/stands-aside", test_stands_aside);
  g_test_add_func ("/engine/anchor/dense-all-the-same",
      test_dense_all_the_same);
  return g_test_run ();
}
