/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * check_main.c - tests of the CPU kernels that compute convolutions, and of
 * the epilogue, on every instruction set level that this machine has:
 *
 *   check_kernels [--suite NAME] [--seed N] [--case I] [--times F]
 *   check_kernels --bench ...          see bench_kernels.c
 *
 * The seed is printed; without --seed it is 1, so that runs repeat. --times
 * multiplies the number of cases.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"

typedef struct Suite {
  const char *name;
  bool (*run) (Rng *rng);
  long cases;
} Suite;

static const Suite suites[] = {
#define DCNN_X(f, n, s) { s, check_##f, n },
  CHECK_SUITES (DCNN_X)
#undef DCNN_X
};

/* The operators that these suites must have met: those whose kernels are
 * convolutions. The others have tests of their own. */
static const DcnnPrimary must_cover[] = {
  DCNN_PRIMARY_CONV, DCNN_PRIMARY_GROUP_CONV, DCNN_PRIMARY_DEPTHWISE,
  DCNN_PRIMARY_CONV_TRANSPOSE,
};

static const char *const primary_names[] = {
#define DCNN_X(e, f, n) n,
  DCNN_PRIMARIES (DCNN_X)
#undef DCNN_X
};

static void
run_suite (const Suite *suite, long only, double times)
{
  long cases = (long) (suite->cases * times);

  report.suite = suite->name;
  for (long i = 0; i < cases || (only >= 0 && i <= only); i++) {
    Rng rng;
    if (only >= 0 && i != only)
      continue;
    rng_seed (&rng, report.seed * 1000003u + (uint64_t) i);
    report.case_index = i;
    report.isa = NULL;
    report.n_cases++;
    if (!suite->run (&rng))
      report.n_failed++;
    if (report.n_failed >= 10) {
      printf ("too many failures, giving up\n");
      return;
    }
  }
}

static bool
check_coverage (void)
{
  bool good = true;

  for (size_t i = 0; i < sizeof must_cover / sizeof *must_cover; i++)
    if (!report.covered[must_cover[i]]) {
      printf ("FAIL coverage: no case for %s\n", primary_names[must_cover[i]]);
      good = false;
    }
  return good;
}

int
main (int argc, char **argv)
{
  const char *only_suite = NULL;
  long only_case = -1;
  double times = 1.0;

  if (argc > 1 && strcmp (argv[1], "--bench") == 0)
    return bench_main (argc - 1, argv + 1);
  report.program = argv[0];
  report.seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp (argv[i], "--suite") == 0)
      only_suite = argv[i + 1];
    else if (strcmp (argv[i], "--seed") == 0)
      report.seed = strtoull (argv[i + 1], NULL, 10);
    else if (strcmp (argv[i], "--case") == 0)
      only_case = strtol (argv[i + 1], NULL, 10);
    else if (strcmp (argv[i], "--times") == 0)
      times = strtod (argv[i + 1], NULL);
  }
  dcnn_cpu_prepare_all_levels ();
  printf ("seed %llu, levels:", (unsigned long long) report.seed);
  for (unsigned i = 0; dcnn_cpu_kernels_at (i); i++)
    printf (" %s", dcnn_cpu_kernels_at (i)->isa);
  printf ("\n");
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
    if (!only_suite || strcmp (only_suite, suites[i].name) == 0)
      run_suite (&suites[i], only_case, times);
  if (!only_suite && only_case < 0 && !check_coverage ())
    report.n_failed++;
  printf ("%ld cases, %ld failed\n", report.n_cases, report.n_failed);
  return report.n_failed ? 1 : 0;
}
