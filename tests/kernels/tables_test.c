/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tables_test.c - dcnn_input_tables: what every input stage reads frames by.
 * Weights add up to 1 and have their centre where the output lies; nothing
 * outside of the shown region has weight; coefficients are those of the
 * standards; limits go by threshold and interest.
 *
 *   tables_test [SEED]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check_util.h"
#include "dcnn_input_tables.h"

static int failures;

#define EXPECT(ok, ...) \
  do { \
    if (!(ok)) { \
      printf (__VA_ARGS__); \
      printf (" (seed %llu)\n", (unsigned long long) at); \
      failures++; \
    } \
  } while (0)

static uint64_t at;

/* Of an axis whose outputs show `start` to `start + extent` of a plane. */
static void
check_axis (const DcnnInputAxis *axis, uint32_t n, uint32_t size, double start,
    double extent, DcnnScaling scaling)
{
  double step = extent / n;
  bool area = scaling == DCNN_SCALING_AREA && step > 1;
  EXPECT (axis->n == n, "an axis of %u outputs has %u", n, axis->n);
  EXPECT (axis->end <= size, "an axis ends at %u of %u", axis->end, size);
  for (uint32_t i = 0; i < axis->n; i++) {
    const int16_t *weight = axis->weight + (size_t) i * axis->taps;
    double centre = start + (i + 0.5) * step, mean = 0, off;
    int sum = 0, used = 0;
    for (uint32_t k = 0; k < axis->taps; k++) {
      uint32_t from = axis->begin + axis->first[i] + k;
      sum += weight[k];
      used += weight[k] != 0;
      mean += weight[k] * (from + 0.5) / 16384;
      EXPECT (weight[k] >= 0, "output %u: a negative weight", i);
      EXPECT (weight[k] == 0 || (from >= axis->begin && from < axis->end),
          "output %u reads pixel %u, outside of %u .. %u", i, from,
          axis->begin, axis->end);
    }
    EXPECT (sum == 16384, "output %u: weights add up to %d", i, sum);
    EXPECT (scaling != DCNN_SCALING_NEAREST || used == 1,
        "output %u: the nearest pixel is %d pixels", i, used);
    /* a box's ends cut pixels, which count as if they lay at their centre */
    off = area ? 0.126 / step + 0.001 : scaling == DCNN_SCALING_NEAREST ? 0.501 : 0.001;
    if (centre > axis->begin + 0.5 + step && centre < axis->end - 0.5 - step)
      EXPECT (fabs (mean - centre) <= off, "output %u at %g has its centre at "
          "%g", i, centre, mean);
  }
}

static void
check_tables (uint64_t seed)
{
  static const DcnnScaling scalings[] = { DCNN_SCALING_NEAREST,
    DCNN_SCALING_BILINEAR, DCNN_SCALING_AREA };
  DcnnInputGeometry g = { .scaling = scalings[seed % 3] };
  uint32_t width, height;
  DcnnPixelFormat format;
  DcnnInputTables t;
  double x = 0, y = 0, w, h;

  at = seed;
  check_seed (seed);
  width = 2 + check_random (300);
  height = 2 + check_random (300);
  w = width;
  h = height;
  format = (DcnnPixelFormat) check_random (DCNN_FORMAT_COUNT);
  g.dst_w = g.width = 1 + check_random (100);
  g.dst_h = g.height = 1 + check_random (100);
  if (seed % 4 == 0) { /* a region, which may leave the frame */
    g.src_x = x = check_random (width);
    g.src_y = y = check_random (height);
    g.src_w = g.src_h = (float) (1 + check_random (200));
    w = fmin (g.src_w, width - x);
    h = fmin (g.src_h, height - y);
  }
  if (!dcnn_input_tables_init (&t, &g, width, height, format))
    abort ();
  EXPECT (t.unscaled == (w == g.dst_w && h == g.dst_h),
      "%g x %g onto %u x %u: unscaled is %d", w, h, g.dst_w, g.dst_h,
      t.unscaled);
  if (!t.unscaled) {
    check_axis (&t.luma.x, g.dst_w, width, x, w, g.scaling);
    check_axis (&t.luma.y, g.dst_h, height, y, h, g.scaling);
    EXPECT (t.bytes > 0, "tables take memory");
  }
  if (!t.unscaled && dcnn_input_is_yuv (format)) {
    check_axis (&t.chroma.x, g.dst_w, (width + 1) / 2, x / 2, w / 2,
        g.scaling);
    check_axis (&t.chroma.y, g.dst_h, (height + 1) / 2, y / 2, h / 2,
        g.scaling);
  }
  EXPECT (t.unscaled || t.luma.channels == dcnn_input_bytes (format),
      "%u channels", t.luma.channels);
  dcnn_input_tables_clear (&t);
}

/* Coefficients as published, to three digits: y, rv, gu, gv, bu. */
static void
check_colours (void)
{
  static const struct {
    float kr, kb;
    bool full;
    double want[5];
  } standards[] = {
    { 0.299f, 0.114f, false, { 1.164, 1.596, 0.392, 0.813, 2.017 } },
    { 0.2126f, 0.0722f, false, { 1.164, 1.793, 0.213, 0.533, 2.112 } },
    { 0.2627f, 0.0593f, false, { 1.164, 1.679, 0.187, 0.650, 2.142 } },
    { 0.299f, 0.114f, true, { 1, 1.402, 0.344, 0.714, 1.772 } },
    { 0, 0, true, { 1, 1.402, 0.344, 0.714, 1.772 } }, /* none: BT.601 */
  };

  for (unsigned i = 0; i < sizeof standards / sizeof *standards; i++) {
    DcnnFrame frame = { .kr = standards[i].kr, .kb = standards[i].kb,
      .full_range = standards[i].full };
    DcnnInputMatrix m;
    double got[5];
    at = i;
    dcnn_input_matrix_init (&m, &frame);
    got[0] = m.y / 16384.0;
    got[1] = m.rv / 8192.0;
    got[2] = m.gu / 8192.0;
    got[3] = m.gv / 8192.0;
    got[4] = m.bu / 8192.0;
    for (int k = 0; k < 5; k++)
      EXPECT (fabs (got[k] - standards[i].want[k]) < 0.0011,
          "coefficient %d is %g, not %g", k, got[k], standards[i].want[k]);
    EXPECT (m.offset == (frame.full_range ? 0 : 16), "black is at %d",
        m.offset);
  }
}

static void
check_limits (void)
{
  const float interest[] = { 0, 0.5f, 1, 7, NAN };
  const uint8_t want[] = { 31, 18, 12, 12, 31 };
  DcnnInputParams p = { .threshold = 0.05f, .interest_far = 0.4f };

  at = 0;
  EXPECT (dcnn_input_change_limit (&p, 3) == 12, "0.05 of 255 is 12");
  p.interest = interest;
  for (size_t b = 0; b < 5; b++)
    EXPECT (dcnn_input_change_limit (&p, b) == want[b],
        "block %zu has the limit %d, not %d", b,
        dcnn_input_change_limit (&p, b), want[b]);
  p.interest_far = 0.1f;
  EXPECT (dcnn_input_change_limit (&p, 0) == 127, "ten times the threshold");
  EXPECT (dcnn_input_change_limit (&p, 2) == 12, "the same at interest");
  p.threshold = 0;
  EXPECT (dcnn_input_change_limit (&p, 0) == 0, "0: any difference");
  p.threshold = 1;
  EXPECT (dcnn_input_change_limit (&p, 0) == 255, "no more than 255");
}

int
main (int argc, char **argv)
{
  uint64_t first = argc > 1 ? strtoull (argv[1], NULL, 0) : 1;
  uint64_t n = argc > 1 ? 1 : 2000;

  for (uint64_t seed = first; seed < first + n; seed++)
    check_tables (seed);
  check_colours ();
  check_limits ();
  printf ("%d failures in %llu cases\n", failures, (unsigned long long) n);
  return failures > 0;
}
