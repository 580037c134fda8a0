/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * policies.c - what methods take, counted on masks made by hand. */
#include <string.h>

#include "policies.h"

#define W 24
#define H 16

typedef struct Case {
  PolicyNode node;
  guint64 in_words[6], touched_words[6], joined_words[6];
  DcnnMask in, touched, joined;
} Case;

/* A convolution of 3x3, 4 channels to 2. */
static void
begin (Case *c, guint stride)
{
  guint w = W / stride, h = H / stride;
  memset (c, 0, sizeof *c);
  c->node.info = (DcnnNodeInfo) { .width = w, .height = h, .channels = 2,
    .weight_bytes = 288, .macs = (guint64) w * h * 72 };
  c->node.window = (DcnnNodeWindow) { .in_width = W, .in_height = H,
    .in_channels = 4, .kernel_y = 3, .kernel_x = 3, .stride_y = stride,
    .stride_x = stride, .dilation_y = 1, .dilation_x = 1, .pad_y = 1,
    .pad_x = 1 };
  c->in = (DcnnMask) { W, H, 3, 2, c->in_words };
  c->touched = (DcnnMask) { w, h, (w + 7) / 8, (h + 7) / 8, c->touched_words };
  c->joined = c->touched;
  c->joined.words = c->joined_words;
}

static void
put (DcnnMask *mask, guint y, guint x)
{
  mask->words[y / 8 * mask->blocks_x + x / 8] |=
      G_GUINT64_CONSTANT (1) << (y % 8 * 8 + x % 8);
}

static guint
bits (const DcnnMask *mask)
{
  guint n = 0;
  for (guint i = 0; i < mask->blocks_x * mask->blocks_y; i++)
    n += (guint) __builtin_popcountll (mask->words[i]);
  return n;
}

static PolicyCount
counted (Case *c, Policy policy)
{
  PolicyCount count = { 0, 0, 0 };
  policy_count (policy, &c->node, policy_pixels (&c->in), &c->touched,
      &c->joined, &count);
  return count;
}

static void
test_touch (void)
{
  Case c;
  begin (&c, 1);
  put (&c.in, 5, 5);
  policy_touch (&c.node, &c.in, &c.touched);
  g_assert_cmpuint (bits (&c.touched), ==, 9);
  put (&c.in, 0, 0); /* a corner: 4 of its 9 are there */
  policy_touch (&c.node, &c.in, &c.touched);
  g_assert_cmpuint (bits (&c.touched), ==, 13);
  policy_touch (&c.node, NULL, &c.touched);
  g_assert_cmpuint (bits (&c.touched), ==, 0);

  begin (&c, 2);
  put (&c.in, 4, 4); /* the middle of one window alone */
  policy_touch (&c.node, &c.in, &c.touched);
  g_assert_cmpuint (bits (&c.touched), ==, 1);
  put (&c.in, 7, 9); /* in the corners of four */
  policy_touch (&c.node, &c.in, &c.touched);
  g_assert_cmpuint (bits (&c.touched), ==, 5);

  begin (&c, 1);
  c.node.window.dilation_y = c.node.window.dilation_x = 4;
  c.node.window.pad_y = c.node.window.pad_x = 4;
  put (&c.in, 8, 8); /* 4, 8 and 12 each way */
  policy_touch (&c.node, &c.in, &c.touched);
  g_assert_cmpuint (bits (&c.touched), ==, 9);

  begin (&c, 1);
  c.node.window.kernel_y = 0; /* no window: the same place */
  put (&c.in, 3, 3);
  policy_touch (&c.node, &c.in, &c.touched);
  g_assert_cmpuint (bits (&c.touched), ==, 1);
}

/* An up-convolution of 2x2 at stride 2: each pixel makes four of its own. */
static void
test_touch_transposed (void)
{
  guint64 words[24] = { 0 };
  DcnnMask out = { 2 * W, 2 * H, 6, 4, words };
  Case c;
  begin (&c, 1);
  c.node.window.transposed = TRUE;
  c.node.window.kernel_y = c.node.window.kernel_x = c.node.window.stride_y = c.node.window.stride_x = 2;
  c.node.window.pad_y = c.node.window.pad_x = 0;
  put (&c.in, 3, 3);
  put (&c.in, 3, 4);
  policy_touch (&c.node, &c.in, &out);
  g_assert_cmpuint (bits (&out), ==, 8);
}

/* Two pixels far apart, 18 outputs in two tiles, of which 5 matter. */
static void
test_counts (void)
{
  const double map_in = W * H * 4, map_out = W * H * 2;
  PolicyCount n;
  Case c;
  begin (&c, 1);
  put (&c.in, 3, 3);
  put (&c.in, 11, 19);
  policy_touch (&c.node, &c.in, &c.touched);
  for (guint i = 0; i < 5; i++)
    put (&c.joined, 2 + i / 3, 2 + i % 3);

  n = counted (&c, POLICY_RRM);
  g_assert_cmpfloat (n.macs, ==, 2 * 72);
  g_assert_cmpfloat (n.bytes, ==, 4 * (3 * map_in + 2 * 18 * 2 + 2 * map_out)
      + 288);
  g_assert_cmpfloat (n.state_bytes, ==, 4 * (map_in + map_out));
  n = counted (&c, POLICY_CBINFER);
  g_assert_cmpfloat (n.macs, ==, 18 * 72);
  g_assert_cmpfloat (n.bytes, ==, 4 * (2 * map_in + 2 * 4 + 9 * 4 * 18
          + 18 * 2 + 2 * map_out) + 288);
  n = counted (&c, POLICY_SKIP_CONVOLUTION);
  g_assert_cmpfloat (n.macs, ==, 5 * 72);
  g_assert_cmpfloat (n.bytes, ==, 4 * (3 * map_in + 9 * 4 * 5 + 2 * 5 * 2
          + 2 * map_out) + 288);
  n = counted (&c, POLICY_DELTACNN);
  g_assert_cmpfloat (n.macs, ==, 2 * 64 * 72);
  g_assert_cmpfloat (n.bytes, ==, 4 * (2 * 64 * (4 + 2) + 4 * 18 * 2) + 288);
  g_assert_cmpfloat (n.state_bytes, ==, 4 * 2 * map_out);
  n = counted (&c, POLICY_STORED_VALUES);
  g_assert_cmpfloat (n.macs, ==, 18 * 72);
  g_assert_cmpfloat (n.bytes, ==, 4 * 18 * (4 + 2 * 2) + 288);
  g_assert_cmpfloat (n.state_bytes, ==, 4 * map_out);
}

/* What is counted is added to what has been. */
static void
test_sums (void)
{
  Case c;

  begin (&c, 1);
  put (&c.in, 3, 3);
  policy_touch (&c.node, &c.in, &c.touched);
  put (&c.joined, 3, 3);
  for (guint p = 0; p < POLICY_COUNT; p++) {
    PolicyCount once = counted (&c, p), twice = once, dense = { 0, 0, 0 };
    policy_count (p, &c.node, policy_pixels (&c.in), &c.touched, &c.joined,
        &twice);
    g_assert_cmpfloat (twice.macs, ==, 2 * once.macs);
    g_assert_cmpfloat (twice.bytes, ==, 2 * once.bytes);
    policy_count_dense (p, &c.node, &dense);
    once = dense;
    policy_count_dense (p, &c.node, &dense);
    g_assert_cmpfloat (dense.macs, ==, 2 * once.macs);
  }
}

/* Nothing changed: those that compare whole maps still move them. */
static void
test_still (void)
{
  Case c;
  begin (&c, 1);
  for (guint p = 0; p < POLICY_COUNT; p++) {
    PolicyCount n = counted (&c, p);
    g_assert_cmpfloat (n.macs, ==, 0);
    g_assert_true ((n.bytes > 0) == (p < POLICY_DELTACNN));
    g_assert_cmpfloat (n.state_bytes, >, 0);
  }
}

/* All changed: all do all of the work, and so does a dense frame. */
static void
test_everything (void)
{
  Case c;
  begin (&c, 1);
  memset (c.in_words, 0xff, sizeof c.in_words);
  memset (c.joined_words, 0xff, sizeof c.joined_words);
  policy_touch (&c.node, &c.in, &c.touched);
  for (guint p = 0; p < POLICY_COUNT; p++) {
    PolicyCount n = counted (&c, p), dense = { 0, 0, 0 };
    policy_count_dense (p, &c.node, &dense);
    g_assert_cmpfloat (n.macs, ==, W * H * 72);
    g_assert_cmpfloat (dense.macs, ==, n.macs);
    g_assert_cmpfloat (dense.bytes, ==, n.bytes);
    g_assert_cmpfloat (dense.state_bytes, ==, 0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tools/policies/touch", test_touch);
  g_test_add_func ("/tools/policies/touch-transposed", test_touch_transposed);
  g_test_add_func ("/tools/policies/counts", test_counts);
  g_test_add_func ("/tools/policies/sums", test_sums);
  g_test_add_func ("/tools/policies/still", test_still);
  g_test_add_func ("/tools/policies/everything", test_everything);
  return g_test_run ();
}
