/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * check_util.h - what the kernels' tests share: a seeded generator, a check
 * that prints the line that reruns it, a clock, the command line.
 * A test defines nothing before including it; one test is one program.
 */
#ifndef CHECK_UTIL_H
#define CHECK_UTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *check_program = "test";
static uint64_t check_state;

/* Fails the program, naming the rerun; a variable `seed` must be in scope. */
#define CHECK(condition, ...)                                                  \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf (stderr, "FAILED %s:%d: ", __FILE__, __LINE__);                  \
      fprintf (stderr, __VA_ARGS__);                                           \
      fprintf (stderr, "\nrerun: %s --seed %llu --cases 1\n", check_program,   \
          (unsigned long long) (seed));                                        \
      exit (1);                                                                \
    }                                                                          \
  } while (0)

static inline void
check_seed (uint64_t seed)
{
  check_state = seed * UINT64_C (0x9e3779b97f4a7c15) + 1;
}

/* Uniform in 0 .. n-1 (splitmix64). */
static inline uint32_t
check_random (uint32_t n)
{
  uint64_t z = (check_state += UINT64_C (0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C (0x94d049bb133111eb);
  z ^= z >> 31;
  return (uint32_t) ((z >> 32) * n >> 32);
}

/* Uniform in -1 .. 1. */
static inline float
check_random_float (void)
{
  return (float) check_random (2000001) / 1000000.0f - 1.0f;
}

static inline double
check_seconds (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

typedef struct CheckOptions {
  uint64_t seed, cases;
  bool bench;
} CheckOptions;

/* --seed N, --cases N, --bench. Without a seed, the clock's. */
static inline CheckOptions
check_options (int argc, char **argv, uint64_t cases)
{
  CheckOptions options = { (uint64_t) time (NULL) * 100000u, cases, false };
  check_program = argv[0];
  for (int i = 1; i < argc; i++) {
    if (!strcmp (argv[i], "--bench"))
      options.bench = true;
    else if (!strcmp (argv[i], "--seed") && i + 1 < argc)
      options.seed = strtoull (argv[++i], NULL, 10);
    else if (!strcmp (argv[i], "--cases") && i + 1 < argc)
      options.cases = strtoull (argv[++i], NULL, 10);
    else {
      fprintf (stderr, "usage: %s [--seed N] [--cases N] [--bench]\n", argv[0]);
      exit (2);
    }
  }
  check_seed (options.seed);
  return options;
}

#endif
