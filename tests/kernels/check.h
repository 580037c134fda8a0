/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * check.h - what the kernel tests share: random numbers, guarded feature maps,
 * pixel lists, and the report of failures.
 *
 * Every case is made from a seed alone; a failure prints the line that runs
 * just that case again.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

#include "dcnn_kernels.h"

/* ---- random ------------------------------------------------------------ */

typedef struct Rng {
  uint64_t state;
} Rng;

void rng_seed (Rng *rng, uint64_t seed);
uint32_t rng_next (Rng *rng);
/* 0 .. n-1 */
uint32_t rng_below (Rng *rng, uint32_t n);
/* low .. high, both included */
int32_t rng_range (Rng *rng, int32_t low, int32_t high);
bool rng_chance (Rng *rng, uint32_t percent);
/* Real: normal-ish values of about unit size. Integer: -4 .. 4. */
float rng_value (Rng *rng, bool integer);

/* ---- maps -------------------------------------------------------------- */

/* A feature map in a guarded buffer: NaN before the first pixel and after the
 * floats that may be over-read, and, for a view, neighbours on both sides of
 * the pixel's own channels. */
typedef struct GuardedMap {
  DcnnMap map;
  float *buffer, *snapshot;
  size_t n_floats;
  uint32_t pixel_floats;
  uint32_t *tables;
  uint32_t torus[2];
} GuardedMap;

typedef struct GuardedShape {
  uint32_t width, height, channels;
  bool torus;   /* random offsets */
  bool view;    /* a slice of wider pixels */
} GuardedShape;

void guarded_init (GuardedMap *g, Rng *rng, const GuardedShape *shape);
/* Random values everywhere in the pixels, lanes past the channels included. */
void guarded_randomize (GuardedMap *g, Rng *rng, bool integer);
/* NaN in all pixels. */
void guarded_poison (GuardedMap *g);
/* Remembers the contents, to tell writes afterwards. */
void guarded_remember (GuardedMap *g);
/* Checks that nothing changed since guarded_remember but the writable lanes
 * of pixels whose byte in touched[y * width + x] is not 0, and that no written
 * lane past the channels became NaN. Returns a text, or NULL when all is well. */
const char *guarded_verify (const GuardedMap *g, const uint8_t *touched);
void guarded_clear (GuardedMap *g);

/* Value of a channel, 0 outside the map. */
float guarded_get (const GuardedMap *g, int32_t y, int32_t x, uint32_t c);
float *guarded_pixel (const GuardedMap *g, uint32_t y, uint32_t x);

/* ---- lists ------------------------------------------------------------- */

/* A list of about `percent` of the map's pixels, in the order of lists, in clusters.
 * Returns new (free), length in *n, never 0. */
uint32_t *pixel_list_new (Rng *rng, uint32_t width, uint32_t height,
    uint32_t percent, size_t *n);

/* ---- runs -------------------------------------------------------------- */

/* Runs units 0 .. n-1 of a job in random ranges, each with fresh scratch whose
 * ends are guarded and whose contents are NaN. False: a guard was hit. */
bool run_in_ranges (const DcnnCpuKernels *kernels, const DcnnJob *job,
    size_t n, Rng *rng);

/* ---- steps -------------------------------------------------------------- */

/* What a step makes of r with operand e, in double precision. */
double check_step_value (const DcnnStep *step, double r, double e);

/* ---- report ------------------------------------------------------------ */

typedef struct Report {
  const char *program;
  const char *suite;   /* set by main: the suite that runs */
  uint64_t seed;       /* of the run */
  long case_index;     /* of the case that runs */
  const char *isa;
  long n_cases, n_failed;
  uint8_t covered[DCNN_PRIMARY_COUNT];
} Report;

extern Report report;
/* Prints the failure and the line that repeats it. Always false. */
bool check_fail (const char *format, ...)
    __attribute__ ((format (printf, 1, 2)));

/* ---- suites ------------------------------------------------------------ */

/* X(function suffix, cases in a quick run, "name"): check_<suffix> (rng) runs
 * one random case on every level and returns whether all went well. */
#define CHECK_SUITES(X)                                                        \
  X (bytes, 2500, "bytes")                                                     \
  X (conv, 500, "conv")                                                        \
  X (steps, 2000, "steps")

#define DCNN_X(f, n, s) bool check_##f (Rng *rng);
CHECK_SUITES (DCNN_X)
#undef DCNN_X

int bench_main (int argc, char **argv);

#endif
