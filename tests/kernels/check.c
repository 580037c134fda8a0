/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * check.c - see check.h.
 */
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

Report report;

void
rng_seed (Rng *rng, uint64_t seed)
{
  /* two hashes apart from the generator's own step, or seeds would overlap */
  rng->state = seed * UINT64_C (0xd1342543de82ef95) + 1;
  uint64_t high = rng_next (rng);
  rng->state = (high << 32 | rng_next (rng)) ^ seed;
}

uint32_t
rng_next (Rng *rng)
{
  rng->state += UINT64_C (0x9e3779b97f4a7c15);
  uint64_t z = rng->state;
  z = (z ^ (z >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C (0x94d049bb133111eb);
  return (uint32_t) (z >> 32);
}

uint32_t
rng_below (Rng *rng, uint32_t n)
{
  return rng_next (rng) % n;
}

int32_t
rng_range (Rng *rng, int32_t low, int32_t high)
{
  return low + (int32_t) rng_below (rng, (uint32_t) (high - low + 1));
}

bool
rng_chance (Rng *rng, uint32_t percent)
{
  return rng_below (rng, 100) < percent;
}

float
rng_value (Rng *rng, bool integer)
{
  if (integer)
    return (float) rng_range (rng, -4, 4);
  float sum = -3.0f;
  for (int i = 0; i < 6; i++)
    sum += (float) rng_next (rng) * 0x1p-32f;
  return sum;
}

#define GUARD 64

void
guarded_init (GuardedMap *g, Rng *rng, const GuardedShape *shape)
{
  uint32_t own = shape->channels <= 4 ? 4
      : (shape->channels + DCNN_LANES - 1) / DCNN_LANES * DCNN_LANES;
  uint32_t before = 0, after = 0;

  if (shape->view) {
    before = rng_below (rng, 12);
    after = 1 + rng_below (rng, 12);
  }
  uint32_t span = before + shape->channels + after;
  g->pixel_floats = shape->view
      ? (span + DCNN_LANES - 1) / DCNN_LANES * DCNN_LANES : own;
  size_t pixels = (size_t) shape->width * shape->height;
  size_t body = pixels * g->pixel_floats + DCNN_OVERREAD;
  g->n_floats = (body + 2 * GUARD + 15) & ~(size_t) 15;
  g->buffer = aligned_alloc (64, g->n_floats * sizeof (float));
  g->snapshot = malloc (g->n_floats * sizeof (float));
  for (size_t i = 0; i < g->n_floats; i++)
    g->buffer[i] = NAN;
  g->tables = malloc ((shape->width + shape->height) * sizeof (uint32_t));
  /* a seam in one direction only leaves ways open that two seams close */
  if (shape->torus && rng_chance (rng, 60))
    g->torus[0] = rng_below (rng, shape->height);
  if (shape->torus && rng_chance (rng, 60))
    g->torus[1] = rng_below (rng, shape->width);
  for (uint32_t y = 0; y < shape->height; y++)
    g->tables[y] = (y + g->torus[0]) % shape->height * shape->width *
        g->pixel_floats;
  for (uint32_t x = 0; x < shape->width; x++)
    g->tables[shape->height + x] = (x + g->torus[1]) % shape->width *
        g->pixel_floats;
  g->map = (DcnnMap) {
    .data = g->buffer + GUARD + before,
    .width = shape->width,
    .height = shape->height,
    .channels = shape->channels,
    .writable = shape->view ? shape->channels : own,
    .row_offset = g->tables,
    .col_offset = g->tables + shape->height,
    .torus = g->torus,
  };
}

static size_t
body_floats (const GuardedMap *g)
{
  return (size_t) g->map.width * g->map.height * g->pixel_floats;
}

void
guarded_randomize (GuardedMap *g, Rng *rng, bool integer)
{
  size_t n = body_floats (g);

  for (size_t i = 0; i < n; i++)
    g->buffer[GUARD + i] = rng_value (rng, integer);
}

void
guarded_poison (GuardedMap *g)
{
  size_t n = body_floats (g);

  for (size_t i = 0; i < n; i++)
    g->buffer[GUARD + i] = NAN;
}

void
guarded_remember (GuardedMap *g)
{
  memcpy (g->snapshot, g->buffer, g->n_floats * sizeof (float));
}

const char *
guarded_verify (const GuardedMap *g, const uint8_t *touched)
{
  const DcnnMap *map = &g->map;
  static char text[128];

  for (uint32_t y = 0; y < map->height; y++)
    for (uint32_t x = 0; x < map->width; x++) {
      if (!touched[(size_t) y * map->width + x])
        continue;
      float *p = dcnn_map_pixel (map, y, x);
      for (uint32_t c = map->channels; c < map->writable; c++)
        if (isnan (p[c]) && !isnan (g->snapshot[p - g->buffer + c])) {
          snprintf (text, sizeof text, "NaN in lane %u past the channels of "
              "pixel y %u x %u", c, y, x);
          return text;
        }
      memcpy (g->snapshot + (p - g->buffer), p,
          map->writable * sizeof (float));
    }
  for (size_t i = 0; i < g->n_floats; i++)
    if (memcmp (g->snapshot + i, g->buffer + i, sizeof (float)) != 0) {
      snprintf (text, sizeof text, "stray write at float %ld of the map",
          (long) (g->buffer + i - map->data));
      return text;
    }
  return NULL;
}

void
guarded_clear (GuardedMap *g)
{
  free (g->buffer);
  free (g->snapshot);
  free (g->tables);
}

float
guarded_get (const GuardedMap *g, int32_t y, int32_t x, uint32_t c)
{
  if (y < 0 || x < 0 || y >= (int32_t) g->map.height ||
      x >= (int32_t) g->map.width)
    return 0.0f;
  return dcnn_map_pixel (&g->map, (uint32_t) y, (uint32_t) x)[c];
}

float *
guarded_pixel (const GuardedMap *g, uint32_t y, uint32_t x)
{
  return dcnn_map_pixel (&g->map, y, x);
}

/* Marks discs of random size until about percent of the pixels are marked. */
static uint8_t *
mark_clusters (Rng *rng, uint32_t width, uint32_t height, uint32_t percent)
{
  size_t total = (size_t) width * height, marked = 0;
  size_t wanted = total * percent / 100;
  uint8_t *marks = calloc (total, 1);

  wanted = wanted < 1 ? 1 : wanted;
  while (marked < wanted) {
    int32_t radius = (int32_t) rng_below (rng, 6);
    int32_t cy = (int32_t) rng_below (rng, height);
    int32_t cx = (int32_t) rng_below (rng, width);
    if (percent >= 100)
      radius = (int32_t) (width + height);
    for (int32_t y = cy - radius; y <= cy + radius; y++)
      for (int32_t x = cx - radius; x <= cx + radius; x++) {
        if (y < 0 || x < 0 || y >= (int32_t) height || x >= (int32_t) width)
          continue;
        if ((y - cy) * (y - cy) + (x - cx) * (x - cx) > radius * radius &&
            percent < 100)
          continue;
        uint8_t *m = &marks[(size_t) y * width + x];
        marked += !*m;
        *m = 1;
      }
  }
  return marks;
}

uint32_t *
pixel_list_new (Rng *rng, uint32_t width, uint32_t height, uint32_t percent,
    size_t *n)
{
  uint8_t *marks = mark_clusters (rng, width, height, percent);
  uint32_t *list = malloc ((size_t) width * height * sizeof *list);

  *n = 0;
  for (uint32_t by = 0; by < height; by += 8)
    for (uint32_t bx = 0; bx < width; bx += DCNN_LIST_TILE)
      for (uint32_t i = 0; i < 8 * DCNN_LIST_TILE; i++) {
        uint32_t y = by + i / DCNN_LIST_TILE, x = bx + i % DCNN_LIST_TILE;
        if (y < height && x < width && marks[(size_t) y * width + x])
          list[(*n)++] = DCNN_PIXEL (y, x);
      }
  free (marks);
  return list;
}

bool
run_in_ranges (const DcnnCpuKernels *kernels, const DcnnJob *job, size_t n,
    Rng *rng)
{
  size_t bytes = (kernels->scratch_bytes (job) + 63) & ~(size_t) 63;
  unsigned char *scratch = aligned_alloc (64, bytes + 128);
  bool good = true;

  memset (scratch, 0xff, bytes + 128);
  for (size_t begin = 0; begin < n;) {
    size_t count = rng_chance (rng, 40) ? n - begin
        : 1 + rng_below (rng, (uint32_t) (n - begin));
    dcnn_job_kernel (kernels, job) (job, begin, begin + count, scratch + 64);
    begin += count;
  }
  for (size_t i = 0; i < 64; i++)
    good = good && scratch[i] == 0xff && scratch[64 + bytes + i] == 0xff;
  free (scratch);
  return good;
}

double
check_step_value (const DcnnStep *step, double r, double e)
{
  const double a = (double) step->a, b = (double) step->b;

  switch (step->kind) {
    case DCNN_STEP_RELU: return r < 0 ? 0 : r;
    case DCNN_STEP_CLIP: return r < a ? a : r > b ? b : r;
    case DCNN_STEP_LEAKY_RELU: return r < 0 ? a * r : r;
    case DCNN_STEP_THRESHOLDED_RELU: return r > a ? r : 0;
    case DCNN_STEP_SIGMOID: return 1 / (1 + exp (-r));
    case DCNN_STEP_HARD_SIGMOID: return fmin (fmax (a * r + b, 0), 1);
    case DCNN_STEP_HARD_SWISH: return r * fmin (fmax (r / 6 + 0.5, 0), 1);
    case DCNN_STEP_SILU: return r / (1 + exp (-r));
    case DCNN_STEP_TANH: return tanh (r);
    case DCNN_STEP_ELU: return r < 0 ? a * expm1 (r) : r;
    case DCNN_STEP_SELU: return b * (r < 0 ? a * expm1 (r) : r);
    case DCNN_STEP_GELU: return r / 2 * (1 + erf (r * 0.70710678118654752));
    case DCNN_STEP_GELU_TANH:
      return r / 2 * (1 + tanh (0.79788456080286536 *
              (r + 0.044715 * r * r * r)));
    case DCNN_STEP_ERF: return erf (r);
    case DCNN_STEP_SOFTPLUS: return fmax (r, 0) + log1p (exp (-fabs (r)));
    case DCNN_STEP_MISH:
      return r * tanh (fmax (r, 0) + log1p (exp (-fabs (r))));
    case DCNN_STEP_EXP: return exp (r);
    case DCNN_STEP_LOG: return log (r);
    case DCNN_STEP_SQRT: return sqrt (r);
    case DCNN_STEP_ABS: return fabs (r);
    case DCNN_STEP_NEG: return -r;
    case DCNN_STEP_ROUND: return rint (r < a ? a : r > b ? b : r);
    case DCNN_STEP_ADD: return r + e;
    case DCNN_STEP_SUB: return r - e;
    case DCNN_STEP_RSUB: return e - r;
    case DCNN_STEP_MUL: return r * e;
    case DCNN_STEP_DIV: return r / e;
    case DCNN_STEP_RDIV: return e / r;
    case DCNN_STEP_POW: return pow (r, e);
    case DCNN_STEP_RPOW: return pow (e, r);
    case DCNN_STEP_MIN: return r < e ? r : e;
    case DCNN_STEP_MAX: return r > e ? r : e;
    case DCNN_STEP_PRELU: return r < 0 ? e * r : r;
    case DCNN_STEP_COUNT: break;
  }
  return 0;
}

bool
check_fail (const char *format, ...)
{
  va_list args;

  printf ("FAIL %s, %s: ", report.suite, report.isa ? report.isa : "-");
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  printf ("\n  again: %s --suite %s --seed %llu --case %ld\n", report.program,
      report.suite, (unsigned long long) report.seed, report.case_index);
  return false;
}
