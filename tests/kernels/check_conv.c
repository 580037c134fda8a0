/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * check_conv.c - convolutions of every kind against a naive oracle in double
 * precision, on every level, dense and sparse, judged and not.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

typedef struct Case {
  DcnnPrimary primary;
  DcnnConvParams params;
  uint32_t in_channels, out_channels, in_span;
  uint32_t in_height, in_width, out_height, out_width;
  uint32_t *in_position;
  float *weights, *bias;
  DcnnPrepared *prepared;
  GuardedMap in, out, residual;
  bool integer;
  uint32_t n_steps;
  DcnnStep steps[4];
  float *vector;
  double *expected, *magnitude; /* [pixel][out channel] */
} Case;

static bool
transposed (const Case *k)
{
  return k->primary == DCNN_PRIMARY_CONV_TRANSPOSE;
}

static size_t
weight_count (const Case *k)
{
  const DcnnWindow *w = &k->params.window;

  return (size_t) k->in_channels * k->out_channels /
      (size_t) k->params.groups * (size_t) (w->kernel[0] * w->kernel[1]);
}

/* ---- oracle ------------------------------------------------------------ */

static double
oracle_weight (const Case *k, uint32_t o, uint32_t i, int64_t ky, int64_t kx)
{
  const DcnnWindow *w = &k->params.window;
  int64_t in_group = k->in_channels / k->params.groups;
  int64_t out_group = k->out_channels / k->params.groups;
  int64_t row = transposed (k) ? (int64_t) i * out_group + o % out_group
      : (int64_t) o * in_group + i % in_group;

  return (double) k->weights[(row * w->kernel[0] + ky) * w->kernel[1] + kx];
}

/* Input coordinate of an output coordinate and kernel element, or -1. */
static int64_t
oracle_input (const Case *k, int axis, int64_t out, int64_t element,
    int64_t size)
{
  const DcnnWindow *w = &k->params.window;
  int64_t at;

  if (!transposed (k))
    at = out * w->stride[axis] - w->pad_begin[axis] +
        element * w->dilation[axis];
  else {
    at = out + w->pad_begin[axis] - element * w->dilation[axis];
    if (at < 0 || at % w->stride[axis] != 0)
      return -1;
    at /= w->stride[axis];
  }
  return at >= 0 && at < size ? at : -1;
}

static void
oracle_pixel (const Case *k, uint32_t y, uint32_t x, uint32_t o)
{
  const DcnnWindow *w = &k->params.window;
  uint32_t in_group = k->in_channels / (uint32_t) k->params.groups;
  uint32_t out_group = k->out_channels / (uint32_t) k->params.groups;
  uint32_t first = o / out_group * in_group;
  double sum = k->bias ? (double) k->bias[o] : 0.0, magnitude = fabs (sum);

  for (int64_t ky = 0; ky < w->kernel[0]; ky++)
    for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
      int64_t iy = oracle_input (k, 0, y, ky, k->in_height);
      int64_t ix = oracle_input (k, 1, x, kx, k->in_width);
      if (iy < 0 || ix < 0)
        continue;
      for (uint32_t i = first; i < first + in_group; i++) {
        uint32_t at = k->in_position ? k->in_position[i] : i;
        double product = oracle_weight (k, o, i, ky, kx) *
            (double) guarded_get (&k->in, (int32_t) iy, (int32_t) ix, at);
        sum += product;
        magnitude += fabs (product);
      }
    }
  for (uint32_t s = 0; s < k->n_steps; s++) {
    const DcnnStep *step = &k->steps[s];
    if (step->kind == DCNN_STEP_RELU)
      sum = sum < 0 ? 0 : sum;
    else if (step->kind == DCNN_STEP_CLIP)
      sum = sum < (double) step->a ? (double) step->a
          : sum > (double) step->b ? (double) step->b : sum;
    else if (step->kind == DCNN_STEP_SILU)
      sum = sum / (1 + exp (-sum));
    else if (step->kind == DCNN_STEP_ADD &&
        step->operand == DCNN_OPERAND_MAP) {
      double e = (double) guarded_get (&k->residual, (int32_t) y, (int32_t) x,
          o);
      sum += e;
      magnitude += fabs (e);
    } else if (step->kind == DCNN_STEP_MUL)
      sum *= (double) step->vector[o];
  }
  size_t at = ((size_t) y * k->out_width + x) * k->out_channels + o;
  k->expected[at] = sum;
  k->magnitude[at] = magnitude;
}

/* ---- making a case ----------------------------------------------------- */

static const uint32_t channel_sizes[] = { 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16,
  17, 20, 23, 24, 25, 31, 32, 33, 40, 41, 47, 48, 49, 56, 64, 72, 80 };

static uint32_t
pick_channels (Rng *rng)
{
  return channel_sizes[rng_below (rng,
          sizeof channel_sizes / sizeof *channel_sizes)];
}

static void
pick_window (Case *k, Rng *rng)
{
  static const int64_t kernels[] = { 1, 1, 3, 3, 3, 3, 5, 7, 2, 4, 6 };
  DcnnWindow *w = &k->params.window;
  bool square = rng_chance (rng, 70);

  w->rank = 2;
  for (int i = 0; i < 2; i++) {
    w->kernel[i] = kernels[rng_below (rng, 11)];
    w->stride[i] = rng_chance (rng, 55) ? 1 : rng_chance (rng, 80) ? 2 : 3;
    w->dilation[i] = rng_chance (rng, 75) ? 1 : rng_range (rng, 2, 4);
    if (i == 1 && square) {
      w->kernel[1] = w->kernel[0];
      w->stride[1] = w->stride[0];
      w->dilation[1] = w->dilation[0];
    }
    int64_t reach = (w->kernel[i] - 1) * w->dilation[i];
    if (rng_chance (rng, 60)) {
      w->pad_begin[i] = reach / 2;
      w->pad_end[i] = reach - reach / 2;
    } else {
      w->pad_begin[i] = rng_range (rng, 0, (int32_t) reach);
      w->pad_end[i] = rng_range (rng, 0, (int32_t) reach);
    }
  }
}

static void
pick_primary (Case *k, Rng *rng)
{
  static const DcnnPrimary primaries[] = { DCNN_PRIMARY_CONV,
    DCNN_PRIMARY_CONV, DCNN_PRIMARY_GROUP_CONV, DCNN_PRIMARY_DEPTHWISE,
    DCNN_PRIMARY_DEPTHWISE, DCNN_PRIMARY_CONV_TRANSPOSE };
  uint32_t groups = 1;

  k->primary = primaries[rng_below (rng, 6)];
  k->in_channels = pick_channels (rng);
  k->out_channels = pick_channels (rng);
  if (k->primary == DCNN_PRIMARY_DEPTHWISE ||
      (transposed (k) && rng_chance (rng, 30))) {
    k->out_channels = k->in_channels;
    groups = k->in_channels;
  } else if (k->primary == DCNN_PRIMARY_GROUP_CONV ||
      (transposed (k) && rng_chance (rng, 30))) {
    groups = 2 + rng_below (rng, 7);
    k->in_channels = groups * (1 + rng_below (rng, 12));
    k->out_channels = groups * (1 + rng_below (rng, rng_chance (rng, 30) ? 30
            : 10));
  }
  k->params.groups = groups;
}

/* The last layer of many segmentation nets: one channel, each pixel of which
 * reads one. */
static void
pick_last_layer (Case *k, Rng *rng)
{
  DcnnWindow *w = &k->params.window;

  if (k->params.groups != 1 || !rng_chance (rng, 8))
    return;
  k->out_channels = 1;
  for (int i = 0; i < 2; i++) {
    w->kernel[i] = transposed (k) ? w->stride[i] : 1;
    w->dilation[i] = 1;
    w->pad_begin[i] = w->pad_end[i] = 0;
  }
}

/* A plain 1x1 kernel, whose rows may follow each other without a gap. */
static void
pick_pointwise (Case *k, Rng *rng)
{
  if (k->primary != DCNN_PRIMARY_CONV || !rng_chance (rng, 20))
    return;
  for (int i = 0; i < 2; i++) {
    k->params.window.kernel[i] = k->params.window.stride[i] = 1;
    k->params.window.pad_begin[i] = k->params.window.pad_end[i] = 0;
  }
}

/* Output sizes of ONNX's formulas; input sizes until both are positive. Some
 * are low and wide: long rows have a way of their own. */
static void
pick_sizes (Case *k, Rng *rng)
{
  const DcnnWindow *w = &k->params.window;

  for (;;) {
    const bool wide = rng_chance (rng, 30);
    int64_t in[2], out[2];
    for (int i = 0; i < 2; i++) {
      int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
      in[i] = rng_chance (rng, 25) ? rng_range (rng, 1, 5)
          : rng_range (rng, 6, 28);
      if (wide)
        in[i] = i == 0 ? rng_range (rng, 1, 6) : rng_range (rng, 29, 150);
      if (transposed (k)) {
        int64_t extra = rng_below (rng, (uint32_t) w->stride[i]);
        k->params.output_padding[i] = extra;
        out[i] = (in[i] - 1) * w->stride[i] + reach - w->pad_begin[i] -
            w->pad_end[i] + extra;
      } else {
        out[i] = in[i] + w->pad_begin[i] + w->pad_end[i] - reach;
        out[i] = out[i] < 0 ? 0 : out[i] / w->stride[i] + 1;
      }
    }
    k->in_height = (uint32_t) in[0];
    k->in_width = (uint32_t) in[1];
    k->out_height = (uint32_t) out[0];
    k->out_width = (uint32_t) out[1];
    if (out[0] > 0 && out[1] > 0)
      return;
  }
}

static void
pick_positions (Case *k, Rng *rng)
{
  bool may = k->primary == DCNN_PRIMARY_CONV || transposed (k);

  k->in_span = k->in_channels;
  if (!may || !rng_chance (rng, 20))
    return;
  k->in_position = malloc (k->in_channels * sizeof *k->in_position);
  k->in_span = 0;
  for (uint32_t i = 0; i < k->in_channels; i++) {
    k->in_span += rng_chance (rng, 20) ? rng_below (rng, 4) : 0;
    k->in_position[i] = k->in_span++;
  }
}

static void
pick_steps (Case *k, Rng *rng)
{
  k->n_steps = rng_below (rng, 5);
  for (uint32_t s = 0; s < k->n_steps; s++) {
    DcnnStep *step = &k->steps[s];
    uint32_t what = rng_below (rng, k->integer ? 4 : 5);
    *step = (DcnnStep) { .kind = DCNN_STEP_RELU };
    if (what == 1)
      *step = (DcnnStep) { .kind = DCNN_STEP_CLIP, .a = -1.0f, .b = 6.0f };
    else if (what == 2)
      *step = (DcnnStep) { .kind = DCNN_STEP_ADD,
        .operand = DCNN_OPERAND_MAP, .map = k->residual.map };
    else if (what == 3)
      *step = (DcnnStep) { .kind = DCNN_STEP_MUL,
        .operand = DCNN_OPERAND_VECTOR, .vector = k->vector };
    else if (what == 4)
      *step = (DcnnStep) { .kind = DCNN_STEP_SILU };
  }
}

static void
make_prepared (Case *k)
{
  switch (k->primary) {
    case DCNN_PRIMARY_CONV:
      k->prepared = dcnn_k_conv_prepare (&k->params, k->out_channels,
          k->in_channels, k->in_span, k->in_position, k->weights, k->bias);
      break;
    case DCNN_PRIMARY_GROUP_CONV:
      k->prepared = dcnn_k_group_conv_prepare (&k->params, k->out_channels,
          k->in_channels, k->weights, k->bias);
      break;
    case DCNN_PRIMARY_DEPTHWISE:
      k->prepared = dcnn_k_depthwise_prepare (&k->params, k->in_channels,
          k->weights, k->bias);
      break;
    default:
      k->prepared = dcnn_k_conv_transpose_prepare (&k->params,
          k->out_channels, k->in_channels, k->in_span, k->in_position,
          k->weights, k->bias);
      break;
  }
}

static void
case_init (Case *k, Rng *rng)
{
  *k = (Case) { .integer = rng_chance (rng, 50) };
  pick_window (k, rng);
  pick_primary (k, rng);
  pick_last_layer (k, rng);
  pick_pointwise (k, rng);
  pick_sizes (k, rng);
  pick_positions (k, rng);
  bool torus = rng_chance (rng, 35), view = rng_chance (rng, 30);
  GuardedShape in = { k->in_width, k->in_height, k->in_span, torus,
    rng_chance (rng, 30) };
  GuardedShape out = { k->out_width, k->out_height, k->out_channels, torus,
    view };
  GuardedShape residual = out;
  residual.view = rng_chance (rng, 30);
  guarded_init (&k->in, rng, &in);
  guarded_init (&k->out, rng, &out);
  guarded_init (&k->residual, rng, &residual);
  guarded_randomize (&k->in, rng, k->integer);
  guarded_randomize (&k->residual, rng, k->integer);
  k->weights = malloc (weight_count (k) * sizeof (float));
  for (size_t i = 0; i < weight_count (k); i++)
    k->weights[i] = rng_value (rng, k->integer);
  if (rng_chance (rng, 80)) {
    k->bias = malloc (k->out_channels * sizeof (float));
    for (uint32_t i = 0; i < k->out_channels; i++)
      k->bias[i] = rng_value (rng, k->integer);
  }
  size_t lanes = (k->out_channels + DCNN_LANES - 1) / DCNN_LANES * DCNN_LANES;
  k->vector = calloc (lanes, sizeof (float));
  for (uint32_t i = 0; i < k->out_channels; i++)
    k->vector[i] = rng_value (rng, k->integer);
  pick_steps (k, rng);
  make_prepared (k);
  size_t values = (size_t) k->out_height * k->out_width * k->out_channels;
  k->expected = malloc (values * sizeof (double));
  k->magnitude = malloc (values * sizeof (double));
  for (uint32_t y = 0; y < k->out_height; y++)
    for (uint32_t x = 0; x < k->out_width; x++)
      for (uint32_t o = 0; o < k->out_channels; o++)
        oracle_pixel (k, y, x, o);
}

static void
case_clear (Case *k)
{
  guarded_clear (&k->in);
  guarded_clear (&k->out);
  guarded_clear (&k->residual);
  free (k->in_position);
  free (k->weights);
  free (k->bias);
  free (k->vector);
  free (k->expected);
  free (k->magnitude);
  dcnn_prepared_free (k->prepared);
}

/* ---- checks ------------------------------------------------------------ */

static DcnnJob
case_job (const Case *k)
{
  return (DcnnJob) {
    .primary = k->primary,
    .prepared = k->prepared,
    .in = k->in.map,
    .out = k->out.map,
    .n_steps = k->n_steps,
    .steps = k->steps,
  };
}

static bool
describe (const Case *k)
{
  const DcnnWindow *w = &k->params.window;

  printf ("  %s %ux%ux%u (span %u) -> %ux%ux%u, groups %d, kernel %dx%d, "
      "stride %dx%d, dilation %dx%d, pads %d %d, steps",
      k->integer ? "integer" : "real", k->in_height, k->in_width,
      k->in_channels, k->in_span, k->out_height, k->out_width,
      k->out_channels, (int) k->params.groups, (int) w->kernel[0],
      (int) w->kernel[1], (int) w->stride[0], (int) w->stride[1],
      (int) w->dilation[0], (int) w->dilation[1], (int) w->pad_begin[0],
      (int) w->pad_begin[1]);
  for (uint32_t s = 0; s < k->n_steps; s++)
    printf (" %d", (int) k->steps[s].kind);
  printf (" primary %d\n", (int) k->primary);
  return false;
}

static bool
all_joined (const uint8_t *verdicts, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (verdicts[i] != DCNN_VERDICT_JOINED)
      return false;
  return true;
}

/* All rows, dense, against the oracle; they stay in k->out. */
static bool
check_dense (Case *k, const DcnnCpuKernels *kernels, Rng *rng)
{
  DcnnJob job = case_job (k);
  size_t pixels = (size_t) k->out_height * k->out_width;
  uint8_t *touched = malloc (pixels), *verdicts = calloc (pixels, 1);

  memset (touched, 1, pixels);
  guarded_poison (&k->out);
  guarded_remember (&k->out);
  job.verdicts = rng_chance (rng, 50) ? verdicts : NULL;
  bool guards = run_in_ranges (kernels, &job, k->out_height, rng);
  const char *stray = guarded_verify (&k->out, touched);
  bool joined = !job.verdicts || all_joined (verdicts, pixels);
  free (touched);
  free (verdicts);
  if (!guards)
    return check_fail ("scratch overrun");
  if (!joined)
    return check_fail ("a stored row has no verdict");
  if (stray)
    return check_fail ("%s", stray);
  for (size_t i = 0; i < pixels * k->out_channels; i++) {
    uint32_t y = (uint32_t) (i / k->out_channels / k->out_width);
    uint32_t x = (uint32_t) (i / k->out_channels % k->out_width);
    uint32_t c = (uint32_t) (i % k->out_channels);
    double got = (double) guarded_pixel (&k->out, y, x)[c];
    double bound = k->integer ? 0.0 : 4e-6 * k->magnitude[i] *
        (k->n_steps ? 4.0 : 1.0) + 2e-6;
    if (!(fabs (got - k->expected[i]) <= bound))
      return check_fail ("y %u x %u channel %u is %.9g, not %.9g", y, x, c,
          got, k->expected[i]);
  }
  return true;
}

/* A list: the same bits as dense, nothing else touched. rows: all pixels'
 * channels as dense made them. */
static bool
check_sparse (Case *k, const DcnnCpuKernels *kernels, const float *rows,
    Rng *rng)
{
  static const uint32_t shares[] = { 1, 5, 25, 60, 100 };
  DcnnJob job = case_job (k);
  size_t n, pixels = (size_t) k->out_height * k->out_width;
  uint32_t *list = pixel_list_new (rng, k->out_width, k->out_height,
      shares[rng_below (rng, 5)], &n);
  uint8_t *touched = calloc (pixels, 1), *verdicts = malloc (n);
  bool good = true;

  job.pixels = list;
  job.verdicts = rng_chance (rng, 50) ? verdicts : NULL;
  memset (verdicts, 0x55, n);
  for (size_t i = 0; i < n; i++)
    touched[DCNN_PIXEL_Y (list[i]) * k->out_width + DCNN_PIXEL_X (list[i])] =
        1;
  guarded_poison (&k->out);
  guarded_remember (&k->out);
  if (!run_in_ranges (kernels, &job, n, rng))
    good = check_fail ("sparse: scratch overrun");
  const char *stray = guarded_verify (&k->out, touched);
  if (stray)
    good = check_fail ("sparse: %s", stray);
  for (size_t i = 0; good && i < n; i++) {
    uint32_t y = DCNN_PIXEL_Y (list[i]), x = DCNN_PIXEL_X (list[i]);
    const float *row = rows + ((size_t) y * k->out_width + x) *
        k->out_channels;
    if (memcmp (guarded_pixel (&k->out, y, x), row,
            k->out_channels * sizeof (float)) != 0)
      good = check_fail ("sparse y %u x %u: other bits than dense", y, x);
    if (job.verdicts && verdicts[i] != DCNN_VERDICT_JOINED)
      good = check_fail ("sparse: verdict %d, not joined", verdicts[i]);
  }
  free (list);
  free (touched);
  free (verdicts);
  return good;
}

static float *
copy_rows (const Case *k)
{
  size_t pixels = (size_t) k->out_height * k->out_width;
  float *rows = malloc (pixels * k->out_channels * sizeof (float));

  for (size_t i = 0; i < pixels; i++)
    memcpy (rows + i * k->out_channels, guarded_pixel (&k->out,
            (uint32_t) (i / k->out_width), (uint32_t) (i % k->out_width)),
        k->out_channels * sizeof (float));
  return rows;
}

/* What a pixel's stored row was before a judged run, and what must come. */
typedef struct Judged {
  uint32_t flags;
  uint8_t verdict;
} Judged;

/* Stores a row that differs from the new one by nothing, a little or a lot,
 * and says what the verdict must be. inv_spread is 1 in every channel; forced:
 * how many of a hundred join anyhow. */
static Judged
set_stored (Case *k, Rng *rng, DcnnSignificance *significance, uint32_t forced,
    uint32_t y, uint32_t x, const float *row)
{
  float *stored = guarded_pixel (&k->out, y, x);
  uint32_t how = rng_below (rng, 5), c = rng_below (rng, k->out_channels);
  Judged judged = { 0, DCNN_VERDICT_SAME };
  bool big = how == 2 || how == 3;

  memcpy (stored, row, k->out_channels * sizeof (float));
  if (how == 1)  /* under any limit, and representable */
    stored[c] += fabsf (stored[c]) < 1e5f ? 0x1p-5f : 0.0f;
  else if (how == 2)
    stored[c] -= fmaxf (1e3f, fabsf (stored[c]));
  else if (how == 3)
    stored[c] = NAN;
  if (rng_chance (rng, forced))
    judged.flags |= DCNN_PIXEL_FORCE;
  bool differs = memcmp (stored, row, k->out_channels * sizeof (float)) != 0;
  if (differs)
    judged.verdict = big || significance->kind == DCNN_SIGNIFICANT_ANY
        ? DCNN_VERDICT_JOINED : DCNN_VERDICT_KEPT;
  if (judged.flags & DCNN_PIXEL_FORCE)
    judged.verdict = DCNN_VERDICT_JOINED;
  return judged;
}

static bool
verify_judged (Case *k, const float *rows, size_t n, const uint32_t *list,
    const uint8_t *verdicts, const Judged *judged)
{
  uint8_t *touched = calloc ((size_t) k->out_height * k->out_width, 1);
  bool good = true;

  for (size_t i = 0; good && i < n; i++) {
    uint32_t y = list ? DCNN_PIXEL_Y (list[i]) : (uint32_t) (i / k->out_width);
    uint32_t x = list ? DCNN_PIXEL_X (list[i]) : (uint32_t) (i % k->out_width);
    size_t at = (size_t) y * k->out_width + x;
    if (verdicts[i] != judged[i].verdict)
      good = check_fail ("judged y %u x %u: verdict %d, not %d", y, x,
          verdicts[i], judged[i].verdict);
    if (verdicts[i] != DCNN_VERDICT_JOINED)
      continue;
    touched[at] = 1;
    if (good && memcmp (guarded_pixel (&k->out, y, x),
            rows + at * k->out_channels,
            k->out_channels * sizeof (float)) != 0)
      good = check_fail ("judged y %u x %u: other bits", y, x);
  }
  const char *stray = good ? guarded_verify (&k->out, touched) : NULL;
  if (stray)
    good = check_fail ("judged: %s", stray);
  free (touched);
  return good;
}

static bool
check_judged (Case *k, const DcnnCpuKernels *kernels, const float *rows,
    Rng *rng)
{
  DcnnJob job = case_job (k);
  size_t n = (size_t) k->out_height * k->out_width;
  bool sparse = rng_chance (rng, 60);
  uint32_t *list = sparse ? pixel_list_new (rng, k->out_width, k->out_height,
      50, &n) : NULL;
  float *spread = calloc (k->out_channels + DCNN_LANES, sizeof (float));
  uint8_t *verdicts = malloc (n);
  Judged *judged = malloc (n * sizeof *judged);

  for (uint32_t c = 0; c < k->out_channels; c++)
    spread[c] = 1.0f;
  job.significance = (DcnnSignificance) {
    .kind = (DcnnSignificanceKind) rng_range (rng, DCNN_SIGNIFICANT_ANY,
        DCNN_SIGNIFICANT_SQUARE),
    .limit = 1.0f,
    .inv_spread = spread,
  };
  const uint32_t forced = rng_chance (rng, 50) ? 10 : 0;
  guarded_randomize (&k->out, rng, false);
  for (size_t i = 0; i < n; i++) {
    uint32_t y = list ? DCNN_PIXEL_Y (list[i]) : (uint32_t) (i / k->out_width);
    uint32_t x = list ? DCNN_PIXEL_X (list[i]) : (uint32_t) (i % k->out_width);
    judged[i] = set_stored (k, rng, &job.significance, forced, y, x,
        rows + ((size_t) y * k->out_width + x) * k->out_channels);
    if (list)
      list[i] |= judged[i].flags;
    else if (judged[i].flags) { /* dense work has no flags */
      judged[i] = (Judged) { 0, DCNN_VERDICT_SAME };
      memcpy (guarded_pixel (&k->out, y, x),
          rows + ((size_t) y * k->out_width + x) * k->out_channels,
          k->out_channels * sizeof (float));
    }
  }
  job.pixels = list;
  job.verdicts = verdicts;
  guarded_remember (&k->out);
  bool good = run_in_ranges (kernels, &job, list ? n : k->out_height, rng) ||
      check_fail ("judged: scratch overrun");
  good = good && verify_judged (k, rows, n, list, verdicts, judged);
  free (list);
  free (spread);
  free (verdicts);
  free (judged);
  return good;
}

bool
check_conv (Rng *rng)
{
  Case k;
  bool good = true;

  case_init (&k, rng);
  report.covered[k.primary] = 1;
  for (unsigned i = 0; good && dcnn_cpu_kernels_at (i); i++) {
    const DcnnCpuKernels *kernels = dcnn_cpu_kernels_at (i);
    report.isa = kernels->isa;
    good = check_dense (&k, kernels, rng);
    float *rows = good ? copy_rows (&k) : NULL;
    good = good && check_sparse (&k, kernels, rows, rng) &&
        check_judged (&k, kernels, rows, rng);
    free (rows);
  }
  if (!good)
    describe (&k);
  case_clear (&k);
  return good;
}
