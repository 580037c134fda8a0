/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Statistics of what deltacnn-bench measured. */
#include "bench.h"

#include <stdlib.h>

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double p = *(const double *) a, q = *(const double *) b;
  return (p > q) - (p < q);
}

double
bench_quantile (const GArray *values, double q)
{
  if (!values || !values->len)
    return 0;
  g_autofree double *sorted =
      g_memdup2 (values->data, values->len * sizeof (double));
  qsort (sorted, values->len, sizeof (double), compare_doubles);
  double at = q * (values->len - 1);
  guint low = (guint) at, high = MIN (low + 1, values->len - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

double
bench_mean (const GArray *values)
{
  double sum = 0;
  if (!values || !values->len)
    return 0;
  for (guint i = 0; i < values->len; i++)
    sum += g_array_index (values, double, i);
  return sum / values->len;
}
