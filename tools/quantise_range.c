/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ranges of a value on a clip, and the scale that stores it in bytes. */
#include "quantise.h"

#include <math.h>

#define HALF (QUANT_BINS / 2)
#define LEVELS 255
#define MOST_SAMPLES 32768u  /* a frame; more tell nothing more */
#define LEAST_SHARE 0.3      /* of the extremes that is tried */
#define SHARES 15

/* Makes the bins twice as wide. */
static void
widen_bins (QuantRange *range)
{
  guint64 old[QUANT_BINS];
  for (guint i = 0; i < QUANT_BINS; i++) {
    old[i] = range->bins[i];
    range->bins[i] = 0;
  }
  for (gint i = 0; i < QUANT_BINS; i++)
    range->bins[HALF + (gint) floor ((i - HALF) / 2.0)] += old[i];
  range->width *= 2;
}

static void
count (QuantRange *range, double value)
{
  if (value == 0)
    return;
  if (range->width == 0)
    range->width = ldexp (1, (gint) ceil (log2 (fabs (value) / HALF)));
  while (!(floor (value / range->width) >= -HALF
          && floor (value / range->width) < HALF))
    widen_bins (range);
  range->bins[HALF + (gint) floor (value / range->width)]++;
}

void
quant_range_add (QuantRange *range, const gfloat *values, gsize n)
{
  gsize step = n / MOST_SAMPLES + 1;
  for (gsize i = 0; i < n; i++) {
    double v = (double) values[i];
    if (!isfinite (v)) {
      range->broken = TRUE;
      return;
    }
    range->low = MIN (range->low, v);
    range->high = MAX (range->high, v);
  }
  for (gsize i = range->n % step; i < n; i += step)
    count (range, (double) values[i]);
  range->n++;
}

void
quant_means_add (QuantMeans *means, const DcnnTensor *tensor)
{
  const gfloat *values = tensor->data;
  guint channels = tensor->rank > 1 ? (guint) tensor->dims[1] : 0;
  gsize inner = 1;
  for (gint i = 2; i < tensor->rank; i++)
    inner *= (gsize) tensor->dims[i];
  if (!means->sums) {
    means->sums = g_array_new (FALSE, TRUE, sizeof (gdouble));
    g_array_set_size (means->sums, channels);
    means->most = g_array_new (FALSE, TRUE, sizeof (gdouble));
    g_array_set_size (means->most, channels);
  }
  if (means->sums->len != channels || tensor->dims[0] != 1 || !inner)
    return;
  for (guint c = 0; c < channels; c++)
    for (gsize i = 0; i < inner; i++) {
      double v = (double) values[c * inner + i];
      gdouble *most = &g_array_index (means->most, gdouble, c);
      g_array_index (means->sums, gdouble, c) += v;
      *most = MAX (*most, fabs (v));
    }
  means->n += inner;
}

void
quant_means_clear (QuantMeans *means)
{
  g_clear_pointer (&means->sums, g_array_unref);
  g_clear_pointer (&means->most, g_array_unref);
}

void
quant_range_widen (QuantRange *range, double low, double high)
{
  range->low = MIN (range->low, low);
  range->high = MAX (range->high, high);
}

/* What rounding and cutting off cost between low and high, as a sum of
 * squares. */
static double
cost (const QuantRange *range, double low, double high)
{
  double step = (high - low) / LEVELS, sum = 0;
  for (gint i = 0; i < QUANT_BINS; i++) {
    double value = (i - HALF + 0.5) * range->width;
    double beyond = MAX (0, MAX (low - value, value - high));
    sum += (double) range->bins[i] * (beyond * beyond + step * step / 12);
  }
  return sum;
}

QuantScale
quant_range_scale (const QuantRange *range, QuantRule rule)
{
  double share = 1, best = INFINITY;
  for (guint i = 0; rule == QUANT_LEAST_SQUARES && i < SHARES; i++) {
    double tried = 1 - i * (1 - LEAST_SHARE) / (SHARES - 1);
    double sum = cost (range, range->low * tried, range->high * tried);
    if (sum < best) {
      best = sum;
      share = tried;
    }
  }
  double scale = (range->high - range->low) * share / LEVELS;
  if (!(scale > 1e-12))
    return (QuantScale) { .scale = 1.0f / LEVELS };
  double zero = rint (-range->low * share / scale);
  return (QuantScale) { .scale = (gfloat) scale,
    .zero = (guint8) CLAMP (zero, 0, LEVELS) };
}
