/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * check_steps.c - the epilogue by itself: every point-wise step with every
 * kind of operand, and the judgement at its limits. The primary operator is a
 * depthwise 1x1 convolution with weights of 1, which hands its input on.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const char *const step_names[] = {
#define DCNN_X(e, n) n,
  DCNN_STEPS (DCNN_X)
#undef DCNN_X
};

typedef struct Case {
  DcnnPrepared *identity;
  GuardedMap in, out, operand, pixel;
  float *vector, *spread;
  DcnnStep step;
} Case;

/* How far a result may be off: relative, and absolute where the formula
 * itself subtracts nearly equal numbers. */
static double
tolerance (DcnnStepKind kind, double r, double expected)
{
  double bound = 1e-6 * fabs (expected) + 1e-37;

  switch (kind) {
    case DCNN_STEP_ELU:
    case DCNN_STEP_SELU:
    case DCNN_STEP_HARD_SIGMOID:
      return bound + 4e-7;
    case DCNN_STEP_HARD_SWISH:
    case DCNN_STEP_GELU:
    case DCNN_STEP_GELU_TANH:
      return bound + 3e-7 * fabs (r);
    case DCNN_STEP_ADD:
    case DCNN_STEP_SUB:
    case DCNN_STEP_RSUB:
      return bound + 1e-7 * fabs (r);
    default:
      return bound;
  }
}

static float
pick_value (Rng *rng)
{
  static const float special[] = { 0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 88.0f,
    -88.0f, 3.9f, -4.1f, 0.625f, -0.624f, 1e-20f, -1e-8f, 20.0f, -30.0f };

  if (rng_chance (rng, 15))
    return special[rng_below (rng, 15)];
  return rng_value (rng, false) * (rng_chance (rng, 50) ? 1.0f
      : rng_chance (rng, 50) ? 8.0f : 0.01f);
}

static void
fill (GuardedMap *g, Rng *rng, bool positive)
{
  guarded_randomize (g, rng, false);
  for (uint32_t y = 0; y < g->map.height; y++)
    for (uint32_t x = 0; x < g->map.width; x++)
      for (uint32_t c = 0; c < g->map.channels; c++) {
        float v = pick_value (rng);
        guarded_pixel (g, y, x)[c] = positive ? fabsf (v) + 1e-30f : v;
      }
}

static void
case_init (Case *k, Rng *rng)
{
  uint32_t channels = 1 + rng_below (rng, 70);
  GuardedShape shape = { 1 + rng_below (rng, 12), 1 + rng_below (rng, 9),
    channels, rng_chance (rng, 50), rng_chance (rng, 30) };
  GuardedShape one = shape;
  DcnnConvParams params = { .groups = channels, .window = { .rank = 2,
      .kernel = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 } } };

  one.channels = 1;
  *k = (Case) { .step.kind = (DcnnStepKind) rng_below (rng,
        DCNN_STEP_COUNT) };
  bool positive = k->step.kind == DCNN_STEP_LOG ||
      k->step.kind == DCNN_STEP_SQRT || k->step.kind == DCNN_STEP_POW ||
      k->step.kind == DCNN_STEP_RPOW;
  guarded_init (&k->in, rng, &shape);
  guarded_init (&k->out, rng, &shape);
  guarded_init (&k->operand, rng, &shape);
  guarded_init (&k->pixel, rng, &one);
  fill (&k->in, rng, positive);
  fill (&k->operand, rng, positive);
  fill (&k->pixel, rng, positive);
  size_t lanes = (channels + DCNN_LANES - 1) / DCNN_LANES * DCNN_LANES;
  k->vector = calloc (lanes, sizeof (float));
  k->spread = calloc (lanes, sizeof (float));
  float *ones = malloc (channels * sizeof (float));
  for (uint32_t c = 0; c < channels; c++) {
    k->vector[c] = rng_value (rng, false);
    if (positive)
      k->vector[c] = fabsf (k->vector[c]) + 0.01f;
    k->spread[c] = 1.0f;
    ones[c] = 1.0f;
  }
  k->identity = dcnn_k_depthwise_prepare (&params, channels, ones, NULL);
  free (ones);
}

static void
case_clear (Case *k)
{
  guarded_clear (&k->in);
  guarded_clear (&k->out);
  guarded_clear (&k->operand);
  guarded_clear (&k->pixel);
  free (k->vector);
  free (k->spread);
  dcnn_prepared_free (k->identity);
}

static void
pick_operand (Case *k, Rng *rng)
{
  DcnnStep *step = &k->step;

  step->a = 0.25f + fabsf (rng_value (rng, false));
  step->b = step->a + 0.5f;
  if (step->kind < DCNN_STEP_ADD)
    return;
  step->operand = (DcnnOperandKind) rng_range (rng, DCNN_OPERAND_MAP,
      DCNN_OPERAND_SCALAR);
  step->vector = k->vector;
  step->map = step->operand == DCNN_OPERAND_PIXEL ? k->pixel.map
      : k->operand.map;
}

static float
operand_at (const Case *k, uint32_t y, uint32_t x, uint32_t c)
{
  switch (k->step.operand) {
    case DCNN_OPERAND_MAP: return guarded_pixel (&k->operand, y, x)[c];
    case DCNN_OPERAND_PIXEL: return guarded_pixel (&k->pixel, y, x)[0];
    case DCNN_OPERAND_VECTOR: return k->vector[c];
    case DCNN_OPERAND_SCALAR: return k->step.a;
    case DCNN_OPERAND_NONE: break;
  }
  return 0.0f;
}

static bool
check_values (Case *k)
{
  const DcnnMap *map = &k->out.map;

  for (uint32_t y = 0; y < map->height; y++)
    for (uint32_t x = 0; x < map->width; x++)
      for (uint32_t c = 0; c < map->channels; c++) {
        /* 0 of either sign comes out of the convolution as 0 */
        double r = (double) guarded_pixel (&k->in, y, x)[c] + 0.0;
        double expected = check_step_value (&k->step, r,
            (double) operand_at (k, y, x, c));
        float got = guarded_pixel (&k->out, y, x)[c];
        if (fabs (expected) > 3.4e38)
          expected = copysign (INFINITY, expected);
        bool same = isnan (expected) ? isnan (got)
            : isinf (expected) ? (double) got == expected
            : fabs ((double) got - expected) <=
            tolerance (k->step.kind, r, expected);
        if (!same)
          return check_fail ("step %s of %.9g (operand %d: %.9g) is %.9g, not "
              "%.9g", step_names[k->step.kind], r, (int) k->step.operand,
              (double) operand_at (k, y, x, c), (double) got, expected);
      }
  return true;
}

/* NaN and infinities come out of every level as they come out of libm. */
static bool
check_special (Case *k, const DcnnCpuKernels *kernels, DcnnJob *job, Rng *rng)
{
  static const float values[] = { NAN, INFINITY, -INFINITY, 3e38f, -3e38f,
    1e-40f };
  float first[6];

  for (int i = 0; i < 6; i++) {
    guarded_pixel (&k->in, 0, 0)[0] = values[i];
    run_in_ranges (dcnn_cpu_kernels_at (0), job, k->out.map.height, rng);
    first[i] = guarded_pixel (&k->out, 0, 0)[0];
    run_in_ranges (kernels, job, k->out.map.height, rng);
    float got = guarded_pixel (&k->out, 0, 0)[0];
    bool same = isnan (first[i]) ? isnan (got) : isinf (first[i])
        ? got == first[i] : fabsf (got - first[i]) <= 2e-6f *
        fabsf (first[i]) + 2e-7f;
    if (!same)
      return check_fail ("step %s of %g is %.9g, at level c %.9g",
          step_names[k->step.kind], (double) values[i], (double) got,
          (double) first[i]);
  }
  return true;
}

/* One channel changed by exactly the limit stays; by a little more, joins. */
static bool
check_limits (Case *k, const DcnnCpuKernels *kernels, const DcnnJob *base,
    Rng *rng)
{
  DcnnJob job = *base;
  uint32_t c = rng_below (rng, k->out.map.channels);
  uint8_t verdicts[2];
  uint32_t list[2] = { 0, 0 };

  job.n_steps = 0;
  job.pixels = list;
  job.verdicts = verdicts;
  for (int kind = DCNN_SIGNIFICANT_MAX; kind <= DCNN_SIGNIFICANT_SQUARE;
      kind++)
    for (int over = 0; over < 2; over++) {
      float *in = guarded_pixel (&k->in, 0, 0);
      float *out = guarded_pixel (&k->out, 0, 0);
      for (uint32_t i = 0; i < k->out.map.channels; i++)
        in[i] = out[i] = 1.0f;
      in[c] = over ? 1.5f + 0x1p-20f : 1.5f;
      k->spread[c] = 4.0f;
      job.significance = (DcnnSignificance) {
        .kind = (DcnnSignificanceKind) kind,
        .limit = kind == DCNN_SIGNIFICANT_MAX ? 2.0f : 4.0f,
        .inv_spread = k->spread };
      run_in_ranges (kernels, &job, 1, rng);
      if (verdicts[0] != (over ? DCNN_VERDICT_JOINED : DCNN_VERDICT_KEPT) ||
          out[c] != (over ? in[c] : 1.0f))
        return check_fail ("criterion %d, %s the limit: verdict %d", kind,
            over ? "over" : "at", verdicts[0]);
    }
  return true;
}

static DcnnJob
case_job (const Case *k)
{
  return (DcnnJob) { .primary = DCNN_PRIMARY_DEPTHWISE,
    .prepared = k->identity, .in = k->in.map, .out = k->out.map,
    .n_steps = 1, .steps = &k->step };
}

bool
check_steps (Rng *rng)
{
  const DcnnCpuKernels *kernels;
  Case k;
  bool good = true;

  case_init (&k, rng);
  pick_operand (&k, rng);
  DcnnJob job = case_job (&k);
  for (unsigned i = 0; good && (kernels = dcnn_cpu_kernels_at (i)); i++) {
    report.isa = kernels->isa;
    guarded_poison (&k.out);
    good = run_in_ranges (kernels, &job, k.out.map.height, rng) ||
        check_fail ("scratch overrun");
    good = good && check_values (&k);
  }
  for (unsigned i = 1; good && (kernels = dcnn_cpu_kernels_at (i)); i++) {
    report.isa = kernels->isa;
    good = check_special (&k, kernels, &job, rng);
  }
  for (unsigned i = 0; good && (kernels = dcnn_cpu_kernels_at (i)); i++) {
    report.isa = kernels->isa;
    good = check_limits (&k, kernels, &job, rng);
  }
  case_clear (&k);
  return good;
}
