/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * adjoint_test.c - what dcnn_k_adjoint sends back is the transpose of what
 * level "c" computes: <J v, u> = <v, J^T u> for every primary, J v by central
 * differences of the kernel. On integers that is exact where the primary is
 * linear, or linear as long as no maximum changes places. The slopes of steps
 * against differences of the formulas in double precision.
 *
 *   adjoint_test [--suite adjoint|slopes] [--seed N] [--case I] [--times F]
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Of a row and of its input changed by v * STEP one way and the other. */
#define STEP_SMOOTH 2e-3
/* At most 4 * STEP_APART, of values that are at least 1 apart. */
#define STEP_APART 0.0625

typedef struct Case {
  DcnnPrimary primary;
  DcnnPrepared *prepared;
  GuardedMap in, out, back, rows; /* back, rows: gradients of in and out */
  float *base, *v;                /* [in pixels][in channels] */
  double *jv;                     /* [out pixels][out channels] */
  double step, tolerance;
} Case;

static const char *const primary_names[] = {
#define DCNN_X(e, f, n) n,
  DCNN_PRIMARIES (DCNN_X)
#undef DCNN_X
};

/* ---- making a case ----------------------------------------------------- */

static uint32_t
pick_channels (Rng *rng)
{
  static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31,
    33, 40 };
  return sizes[rng_below (rng, sizeof sizes / sizeof *sizes)];
}

static float *
pick_integers (Rng *rng, size_t n)
{
  float *values = malloc ((n ? n : 1) * sizeof *values);
  for (size_t i = 0; i < n; i++)
    values[i] = rng_value (rng, true);
  return values;
}

static uint32_t *
pick_index (Rng *rng, uint32_t n, uint32_t below, bool runs)
{
  uint32_t *index = malloc (n * sizeof *index);
  for (uint32_t i = 0; i < n; i++) {
    index[i] = rng_chance (rng, 10) ? UINT32_MAX : rng_below (rng, below);
    if (runs && i && index[i - 1] + 1 < below)
      index[i] = index[i - 1] + 1;
  }
  return index;
}

/* A window and the sizes that it gives, ONNX's formulas. */
static void
pick_window (DcnnWindow *w, Rng *rng, bool pool, bool *ceil_mode,
    int64_t *in, int64_t *out)
{
  *ceil_mode = pool && rng_chance (rng, 40);
  w->rank = 2;
  for (int i = 0; i < 2; i++) {
    w->kernel[i] = rng_range (rng, 1, 5);
    w->stride[i] = rng_range (rng, 1, 3);
    w->dilation[i] = rng_chance (rng, 70) ? 1 : rng_range (rng, 2, 3);
    int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
    uint32_t most = (uint32_t) (pool ? (w->kernel[i] + 1) / 2 : w->kernel[i]);
    w->pad_begin[i] = rng_below (rng, most);
    w->pad_end[i] = rng_below (rng, most);
    in[i] = reach + rng_below (rng, 10);
    int64_t room = in[i] + w->pad_begin[i] + w->pad_end[i] - reach;
    out[i] = room / w->stride[i] + 1;
    /* a last partial window that still begins inside the map */
    if (*ceil_mode && room % w->stride[i] != 0
        && out[i] * w->stride[i] - w->pad_begin[i] < in[i])
      out[i]++;
  }
}

static void
set_sizes (GuardedShape *shape, const int64_t *size)
{
  shape->height = (uint32_t) size[0];
  shape->width = (uint32_t) size[1];
}

static void
make_conv (Case *k, Rng *rng, GuardedShape *in, GuardedShape *out)
{
  DcnnConvParams p = { .groups = 1 };
  bool transposed = k->primary == DCNN_PRIMARY_CONV_TRANSPOSE, ceil_mode;
  bool each = k->primary == DCNN_PRIMARY_DEPTHWISE
      || (transposed && rng_chance (rng, 30));
  int64_t small[2], large[2];
  uint32_t channels = pick_channels (rng), *position = NULL;
  pick_window (&p.window, rng, false, &ceil_mode, large, small);
  out->channels = each ? channels : pick_channels (rng);
  if (each) {
    p.groups = channels;
  } else if (k->primary == DCNN_PRIMARY_GROUP_CONV
      || (transposed && rng_chance (rng, 30))) {
    uint32_t groups = 2 + rng_below (rng, 4);
    p.groups = groups;
    channels = groups * (1 + rng_below (rng, 9));
    out->channels = groups * (1 + rng_below (rng, 9));
  }
  /* the shape that a window gives, the other way round */
  for (int i = 0; transposed && i < 2; i++)
    p.output_padding[i] = large[i] - ((small[i] - 1) * p.window.stride[i]
        + (p.window.kernel[i] - 1) * p.window.dilation[i] + 1
        - p.window.pad_begin[i] - p.window.pad_end[i]);
  set_sizes (in, transposed ? small : large);
  set_sizes (out, transposed ? large : small);
  in->channels = channels;
  if (!each && p.groups == 1 && rng_chance (rng, 40)) {
    position = malloc (channels * sizeof *position);
    in->channels = 0;
    for (uint32_t c = 0; c < channels; c++) {
      in->channels += rng_chance (rng, 20) ? rng_below (rng, 4) : 0;
      position[c] = in->channels++;
    }
  }
  size_t n = (size_t) channels * out->channels / (size_t) p.groups
      * (size_t) (p.window.kernel[0] * p.window.kernel[1]);
  float *weights = pick_integers (rng, n);
  float *bias = pick_integers (rng, out->channels);
  if (k->primary == DCNN_PRIMARY_DEPTHWISE)
    k->prepared = dcnn_k_depthwise_prepare (&p, channels, weights, bias);
  else if (k->primary == DCNN_PRIMARY_GROUP_CONV)
    k->prepared = dcnn_k_group_conv_prepare (&p, out->channels, channels,
        weights, bias);
  else
    k->prepared = (transposed ? dcnn_k_conv_transpose_prepare
        : dcnn_k_conv_prepare) (&p, out->channels, channels, in->channels,
        position, weights, bias);
  free (weights);
  free (bias);
  free (position);
}

static void
make_pool (Case *k, Rng *rng, GuardedShape *in, GuardedShape *out)
{
  DcnnPoolParams p = { .count_include_pad = rng_chance (rng, 50) };
  int64_t from[2], to[2];
  pick_window (&p.window, rng, true, &p.ceil_mode, from, to);
  set_sizes (in, from);
  set_sizes (out, to);
  if (k->primary == DCNN_PRIMARY_MAX_POOL)
    k->step = STEP_APART;
  else
    k->tolerance = 1e-5;
  k->prepared = dcnn_k_pool_prepare (&p, in->channels);
}

static void
make_resize (Case *k, Rng *rng, const GuardedShape *in, GuardedShape *out)
{
  uint32_t taps = (uint32_t) rng_range (rng, 1, 4);
  out->height = 1 + rng_below (rng, 14);
  out->width = 1 + rng_below (rng, 14);
  if (k->primary == DCNN_PRIMARY_RESAMPLE)
    taps = 1;
  uint32_t *y = pick_index (rng, out->height * taps, in->height,
      rng_chance (rng, 50));
  uint32_t *x = pick_index (rng, out->width * taps, in->width,
      rng_chance (rng, 50));
  float *weight_y = pick_integers (rng, out->height * taps);
  float *weight_x = pick_integers (rng, out->width * taps);
  if (k->primary == DCNN_PRIMARY_RESAMPLE)
    k->prepared = dcnn_k_resample_prepare (in->channels, out->height, y,
        out->width, x, 3.0f);
  else
    k->prepared = dcnn_k_resize_prepare (in->channels, out->height, taps, y,
        weight_y, out->width, taps, x, weight_x);
  free (y);
  free (x);
  free (weight_y);
  free (weight_x);
}

static void
make_move (Case *k, Rng *rng, GuardedShape *in, GuardedShape *out)
{
  uint32_t block = (uint32_t) rng_range (rng, 1, 3), *source = NULL;
  DcnnDepthParams depth = { block, rng_chance (rng, 50) };
  if (k->primary == DCNN_PRIMARY_COPY) {
    if (rng_chance (rng, 80)) {
      out->channels = pick_channels (rng);
      source = pick_index (rng, out->channels, in->channels,
          rng_chance (rng, 50));
    }
    k->prepared = dcnn_k_copy_prepare (out->channels, source, 2.0f);
    free (source);
  } else if (k->primary == DCNN_PRIMARY_SPACE_TO_DEPTH) {
    in->height = out->height * block;
    in->width = out->width * block;
    out->channels = in->channels * block * block;
    k->prepared = dcnn_k_space_to_depth_prepare (block, in->channels);
  } else {
    out->height = in->height * block;
    out->width = in->width * block;
    in->channels = out->channels * block * block;
    k->prepared = dcnn_k_depth_to_space_prepare (&depth, out->channels);
  }
}

static void
make_channels (Case *k, Rng *rng, const GuardedShape *in, GuardedShape *out)
{
  DcnnChannelReduce reduce = (DcnnChannelReduce) rng_below (rng, 3);
  float *scale = NULL, *bias = NULL;
  switch (k->primary) {
    case DCNN_PRIMARY_SOFTMAX:
      k->step = STEP_SMOOTH;
      k->tolerance = 1e-2;
      k->prepared = dcnn_k_softmax_prepare (in->channels,
          rng_chance (rng, 50));
      break;
    case DCNN_PRIMARY_ARG_MAX:
      out->channels = 1;
      k->prepared = dcnn_k_arg_max_prepare (in->channels,
          rng_chance (rng, 50));
      break;
    case DCNN_PRIMARY_CHANNEL_REDUCE:
      out->channels = 1;
      k->step = reduce == DCNN_CHANNEL_MAX ? STEP_APART : 1;
      k->tolerance = reduce == DCNN_CHANNEL_MEAN ? 1e-5 : 0;
      k->prepared = dcnn_k_channel_reduce_prepare (in->channels, reduce);
      break;
    default:
      k->step = STEP_SMOOTH;
      k->tolerance = 1e-2;
      if (rng_chance (rng, 70)) {
        scale = pick_integers (rng, in->channels);
        bias = pick_integers (rng, in->channels);
      }
      k->prepared = dcnn_k_layer_norm_prepare (in->channels, 0.1f, scale,
          bias);
      free (scale);
      free (bias);
      break;
  }
}

static void
make_primary (Case *k, Rng *rng, GuardedShape *in, GuardedShape *out)
{
  switch (k->primary) {
    case DCNN_PRIMARY_CONV:
    case DCNN_PRIMARY_GROUP_CONV:
    case DCNN_PRIMARY_DEPTHWISE:
    case DCNN_PRIMARY_CONV_TRANSPOSE:
      make_conv (k, rng, in, out);
      break;
    case DCNN_PRIMARY_MAX_POOL:
    case DCNN_PRIMARY_AVERAGE_POOL:
      make_pool (k, rng, in, out);
      break;
    case DCNN_PRIMARY_RESAMPLE:
    case DCNN_PRIMARY_RESIZE:
      make_resize (k, rng, in, out);
      break;
    case DCNN_PRIMARY_COPY:
    case DCNN_PRIMARY_SPACE_TO_DEPTH:
    case DCNN_PRIMARY_DEPTH_TO_SPACE:
      make_move (k, rng, in, out);
      break;
    default:
      make_channels (k, rng, in, out);
      break;
  }
}

static size_t
count (const GuardedMap *g)
{
  return (size_t) g->map.width * g->map.height * g->map.channels;
}

/* Element i of a map, in the order of pixels and channels. */
static float *
element (const GuardedMap *g, size_t i)
{
  size_t pixel = i / g->map.channels;
  return guarded_pixel (g, (uint32_t) (pixel / g->map.width),
      (uint32_t) (pixel % g->map.width)) + i % g->map.channels;
}

/* The input: small integers; where something has a maximum, all different
 * ones; where it is smooth, reals. */
static void
fill_input (Case *k, Rng *rng)
{
  size_t n = count (&k->in);
  bool apart = k->step == STEP_APART || k->primary == DCNN_PRIMARY_ARG_MAX;
  k->base = malloc (n * sizeof *k->base);
  k->v = malloc (n * sizeof *k->v);
  for (size_t i = 0; i < n; i++) {
    k->base[i] = apart ? (float) i : rng_value (rng, k->step == 1);
    k->v[i] = rng_value (rng, k->step != STEP_SMOOTH);
  }
  for (size_t i = n; apart && i > 1; i--) {
    size_t j = rng_below (rng, (uint32_t) i);
    float swap = k->base[i - 1];
    k->base[i - 1] = k->base[j];
    k->base[j] = swap;
  }
}

static void
case_init (Case *k, Rng *rng)
{
  *k = (Case) { .step = 1 };
  k->primary = (DcnnPrimary) rng_below (rng, DCNN_PRIMARY_COUNT);
  GuardedShape in = { 1 + rng_below (rng, 14), 1 + rng_below (rng, 12),
    pick_channels (rng), rng_chance (rng, 50), rng_chance (rng, 30) };
  GuardedShape out = in;
  make_primary (k, rng, &in, &out);
  guarded_init (&k->in, rng, &in);
  guarded_init (&k->back, rng, &in);
  guarded_init (&k->out, rng, &out);
  guarded_init (&k->rows, rng, &out);
  guarded_randomize (&k->in, rng, true);
  guarded_randomize (&k->out, rng, true);
  guarded_randomize (&k->back, rng, true);
  guarded_randomize (&k->rows, rng, true);
  fill_input (k, rng);
  k->jv = calloc (count (&k->out), sizeof *k->jv);
}

static void
case_clear (Case *k)
{
  guarded_clear (&k->in);
  guarded_clear (&k->back);
  guarded_clear (&k->out);
  guarded_clear (&k->rows);
  free (k->base);
  free (k->v);
  free (k->jv);
  dcnn_prepared_free (k->prepared);
}

static void
describe (const Case *k)
{
  printf ("  %s, %ux%ux%u -> %ux%ux%u\n", primary_names[k->primary],
      k->in.map.height, k->in.map.width, k->in.map.channels,
      k->out.map.height, k->out.map.width, k->out.map.channels);
}

/* ---- the identity ------------------------------------------------------ */

static void
set_input (Case *k, double along)
{
  for (size_t i = 0; i < count (&k->in); i++)
    *element (&k->in, i) = (float) ((double) k->base[i]
        + along * (double) k->v[i]);
}

/* J v, into k->jv; the input is the base afterwards. */
static void
differences (Case *k, const DcnnJob *job, Rng *rng)
{
  for (int sign = -1; sign <= 1; sign += 2) {
    set_input (k, sign * k->step);
    run_in_ranges (dcnn_cpu_kernels_at (0), job, k->out.map.height, rng);
    for (size_t i = 0; i < count (&k->out); i++)
      k->jv[i] += sign * (double) *element (&k->out, i) / (2 * k->step);
  }
  set_input (k, 0);
}

/* <J v, u> against <v, J^T u>. What may be wrong with a sum of rounded
 * differences grows as the root of the sum of their squares. */
static bool
check_identity (const Case *k)
{
  double there = 0, back = 0, squares = 0;
  for (size_t i = 0; i < count (&k->out); i++) {
    double product = k->jv[i] * (double) *element (&k->rows, i);
    there += product;
    squares += product * product;
  }
  for (size_t i = 0; i < count (&k->in); i++) {
    const float *now = element (&k->back, i);
    double before = (double) k->back.snapshot[now - k->back.buffer];
    back += (double) k->v[i] * ((double) *now - before);
  }
  double bound = k->tolerance * (sqrt (squares) + 0.1);
  if (k->primary == DCNN_PRIMARY_ARG_MAX)
    there = 0;
  if (!(fabs (there - back) <= bound))
    return check_fail ("<J v, u> is %.9g, <v, J^T u> is %.9g, at most %.3g "
        "apart", there, back, bound);
  return true;
}

/* Arg max sends nothing; nobody writes outside the pixels' own channels. */
static bool
check_writes (Case *k)
{
  size_t pixels = (size_t) k->in.map.width * k->in.map.height;
  bool none = k->primary == DCNN_PRIMARY_ARG_MAX;
  for (size_t i = 0; none && i < count (&k->in); i++) {
    const float *now = element (&k->back, i);
    if (*now != k->back.snapshot[now - k->back.buffer])
      return check_fail ("arg max sends something to element %zu", i);
  }
  uint8_t *touched = malloc (pixels);
  memset (touched, 1, pixels);
  const char *stray = guarded_verify (&k->back, touched);
  free (touched);
  return !stray || check_fail ("gradient of the input: %s", stray);
}

static bool
unchanged (const GuardedMap *g)
{
  return !memcmp (g->buffer, g->snapshot, g->n_floats * sizeof (float));
}

static bool
check_adjoint (Rng *rng)
{
  Case k;
  case_init (&k, rng);
  report.covered[k.primary] = 1;
  DcnnJob job = { .primary = k.primary, .prepared = k.prepared,
    .in = k.in.map, .out = k.out.map };
  differences (&k, &job, rng);
  guarded_remember (&k.back);
  guarded_remember (&k.in);
  guarded_remember (&k.rows);
  dcnn_k_adjoint (&job, &k.rows.map, &k.back.map);
  bool good = check_identity (&k) && check_writes (&k);
  if (good && (!unchanged (&k.in) || !unchanged (&k.rows)))
    good = check_fail ("what is only read was written");
  if (!good)
    describe (&k);
  case_clear (&k);
  return good;
}

/* ---- slopes of steps --------------------------------------------------- */

static const char *const step_names[] = {
#define DCNN_X(e, n) n,
  DCNN_STEPS (DCNN_X)
#undef DCNN_X
};

static uint32_t slopes_checked[DCNN_STEP_COUNT];

/* The slopes to the left and to the right of r (e), h away. */
static void
sides (const DcnnStep *step, bool operand, double r, double e, double h,
    double *side)
{
  double hr = operand ? 0 : h, he = operand ? h : 0;
  double here = check_step_value (step, r, e);
  side[0] = (here - check_step_value (step, r - hr, e - he)) / h;
  side[1] = (check_step_value (step, r + hr, e + he) - here) / h;
}

/* One slope; both sides must agree within what curvature explains, or there
 * is a kink near, where the slope may be anything between. A rounding's is
 * that of its clamp, a jump has none. */
static bool
check_slope (const DcnnStep *exact, bool operand, double r, double e,
    double got)
{
  const bool jumps = exact->kind == DCNN_STEP_THRESHOLDED_RELU;
  const DcnnStep clip = { .kind = DCNN_STEP_CLIP, .a = exact->a,
    .b = jumps ? HUGE_VALF : exact->b };
  const DcnnStep *step = jumps || exact->kind == DCNN_STEP_ROUND ? &clip
      : exact;
  double at = operand ? e : r, value = check_step_value (step, r, e);
  double far[2], near[2];
  sides (step, operand, r, e, 4e-3 * fmax (1, fabs (at)), far);
  sides (step, operand, r, e, 1e-7 * fmax (1, fabs (at)), near);
  double want = (near[0] + near[1]) / 2;
  double bound = 1e-2 * fabs (want) + 1e-3 * fmax (1, fabs (value));
  if (fabs (far[1] - far[0]) > 0.05 * fmax (1, fabs (want))) {
    double low = fmin (fmin (far[0], far[1]), fmin (near[0], near[1]));
    double high = fmax (fmax (far[0], far[1]), fmax (near[0], near[1]));
    if (got >= low - bound && got <= high + bound)
      return true;
  } else {
    slopes_checked[exact->kind]++;
    if (fabs (got - want) <= bound)
      return true;
  }
  return check_fail ("slope of %s at %.9g with operand %.9g (a %g, b %g) by "
      "its %s is %.9g, not %.9g", step_names[exact->kind], r, e,
      (double) step->a, (double) step->b, operand ? "operand" : "row", got,
      want);
}

/* Inside where the step is defined, and off its poles. */
static void
pick_point (Rng *rng, const DcnnStep *step, float *r, float *e)
{
  *r = rng_value (rng, false) * 1.5f;
  *e = rng_value (rng, false) * 1.5f;
  switch (step->kind) {
    case DCNN_STEP_LOG:
    case DCNN_STEP_SQRT:
    case DCNN_STEP_POW:
      *r = 0.2f + fabsf (*r);
      break;
    case DCNN_STEP_RPOW:
    case DCNN_STEP_DIV:
      *e = 0.2f + fabsf (*e);
      break;
    case DCNN_STEP_RDIV:
      *r = copysignf (0.2f + fabsf (*r), *r);
      break;
    default:
      if (rng_chance (rng, 10))
        *r = rng_chance (rng, 50) ? 0 : step->a; /* kinks */
      break;
  }
}

static bool
check_slopes (Rng *rng)
{
  DcnnStep step = { .kind = (DcnnStepKind) rng_below (rng, DCNN_STEP_COUNT) };
  bool binary = step.kind >= DCNN_STEP_ADD, good = true;
  step.a = 0.25f + fabsf (rng_value (rng, false));
  step.b = step.a + 0.5f;
  for (int i = 0; good && i < 20; i++) {
    float r, e, of_row = NAN, of_operand = NAN;
    pick_point (rng, &step, &r, &e);
    dcnn_k_step_slope (&step, r, e, &of_row, &of_operand);
    good = check_slope (&step, false, (double) r, (double) e, (double) of_row)
        && (!binary || check_slope (&step, true, (double) r, (double) e,
            (double) of_operand));
  }
  return good;
}

/* ---- main -------------------------------------------------------------- */

typedef struct Suite {
  const char *name;
  bool (*run) (Rng *rng);
  long cases;
} Suite;

static const Suite suites[] = {
  { "adjoint", check_adjoint, 1500 },
  { "slopes", check_slopes, 1500 },
};

static void
run_suite (const Suite *suite, long only, double times)
{
  long cases = (long) ((double) suite->cases * times);
  report.suite = suite->name;
  for (long i = only < 0 ? 0 : only; i < (only < 0 ? cases : only + 1); i++) {
    Rng rng;
    rng_seed (&rng, report.seed * 1000003u + (uint64_t) i);
    report.case_index = i;
    report.n_cases++;
    report.n_failed += !suite->run (&rng);
    if (report.n_failed >= 10)
      return;
  }
}

static void
check_coverage (void)
{
  for (int p = 0; p < DCNN_PRIMARY_COUNT; p++)
    if (!report.covered[p]) {
      printf ("FAIL coverage: no case for %s\n", primary_names[p]);
      report.n_failed++;
    }
  for (int s = 0; s < DCNN_STEP_COUNT; s++)
    if (slopes_checked[s] < 100) {
      printf ("FAIL coverage: %u smooth points of %s\n", slopes_checked[s],
          step_names[s]);
      report.n_failed++;
    }
}

int
main (int argc, char **argv)
{
  const char *only_suite = NULL;
  long only = -1;
  double times = 1;
  report.program = argv[0];
  report.seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp (argv[i], "--suite"))
      only_suite = argv[i + 1];
    else if (!strcmp (argv[i], "--seed"))
      report.seed = strtoull (argv[i + 1], NULL, 10);
    else if (!strcmp (argv[i], "--case"))
      only = strtol (argv[i + 1], NULL, 10);
    else if (!strcmp (argv[i], "--times"))
      times = strtod (argv[i + 1], NULL);
  }
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
    if (!only_suite || !strcmp (only_suite, suites[i].name))
      run_suite (&suites[i], only, times);
  if (!only_suite && only < 0 && times >= 1 && !report.n_failed)
    check_coverage ();
  printf ("seed %llu: %ld cases, %ld failed\n",
      (unsigned long long) report.seed, report.n_cases, report.n_failed);
  return report.n_failed ? 1 : 0;
}
