/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_test.c - the primaries that are no convolutions, block_reduce and block_moments,
 * against a naive oracle in double precision, on every level, dense and
 * sparse, judged and not. Maps have random torus offsets, guards and poison.
 *
 *   local_test [--seed N] [--case I] [--times F]   a failure prints its line
 *   local_test --bench                             see local_bench.c
 */
#include "local_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the oracle ------------------------------------------------------- */

static double
input (const LocalCase *k, int64_t y, int64_t x, uint32_t c)
{
  return (double) dcnn_map_pixel (&k->in.map, (uint32_t) y, (uint32_t) x)[c];
}

static double
oracle_pool (const LocalCase *k, uint32_t y, uint32_t x, uint32_t c)
{
  const DcnnWindow *w = &k->pool.window;
  bool maximum = k->primary == DCNN_PRIMARY_MAX_POOL;
  double all = maximum ? -HUGE_VAL : 0.0;
  int64_t n = 0, n_padded = 0, h = k->in.map.height, wide = k->in.map.width;
  for (int64_t a = 0; a < w->kernel[0]; a++)
    for (int64_t b = 0; b < w->kernel[1]; b++) {
      int64_t iy = y * w->stride[0] - w->pad_begin[0] + a * w->dilation[0];
      int64_t ix = x * w->stride[1] - w->pad_begin[1] + b * w->dilation[1];
      n_padded += iy < h + w->pad_end[0] && ix < wide + w->pad_end[1];
      if (iy < 0 || ix < 0 || iy >= h || ix >= wide)
        continue;
      double v = input (k, iy, ix, c);
      all = maximum ? fmax (all, v) : all + v;
      n++;
    }
  if (maximum)
    return all;
  return n ? all / (double) (k->pool.count_include_pad ? n_padded : n) : 0.0;
}

static double
oracle_resize (const LocalCase *k, uint32_t y, uint32_t x, uint32_t c)
{
  double sum = 0;
  for (uint32_t a = 0; a < k->taps; a++)
    for (uint32_t b = 0; b < k->taps; b++) {
      uint32_t iy = k->index_y[y * k->taps + a], ix = k->index_x[x * k->taps + b];
      if (iy != UINT32_MAX && ix != UINT32_MAX)
        sum += (double) k->weight_y[y * k->taps + a]
            * (double) k->weight_x[x * k->taps + b] * input (k, iy, ix, c);
    }
  return sum;
}

static const char *const primary_names[] = {
#define DCNN_X(e, f, n) n,
  DCNN_PRIMARIES (DCNN_X)
#undef DCNN_X
};

static double
oracle_channels (const LocalCase *k, uint32_t y, uint32_t x, uint32_t c)
{
  uint32_t n = k->in.map.channels, first = 0, last = 0;
  double most = -HUGE_VAL, sum = 0, powers = 0, squares = 0;
  for (uint32_t i = 0; i < n; i++) {
    double v = input (k, y, x, i);
    first = v > most ? i : first;
    last = v >= most ? i : last;
    most = fmax (most, v);
    sum += v;
  }
  for (uint32_t i = 0; i < n; i++) {
    double v = input (k, y, x, i);
    powers += exp (v - most);
    squares += (v - sum / n) * (v - sum / n);
  }
  switch (k->primary) {
    case DCNN_PRIMARY_ARG_MAX:
      return k->flag ? last : first;
    case DCNN_PRIMARY_CHANNEL_REDUCE:
      return k->reduce == DCNN_CHANNEL_MAX ? most
          : k->reduce == DCNN_CHANNEL_SUM ? sum : sum / n;
    case DCNN_PRIMARY_SOFTMAX:
      return k->flag ? input (k, y, x, c) - most - log (powers)
          : exp (input (k, y, x, c) - most) / powers;
    default:
      return (input (k, y, x, c) - sum / n) / sqrt (squares / n + 1e-3)
          * (k->scale ? (double) k->scale[c] : 1)
          + (k->bias ? (double) k->bias[c] : 0);
  }
}

static double
oracle_primary (const LocalCase *k, uint32_t y, uint32_t x, uint32_t c)
{
  uint32_t b = k->block, n = k->in.map.channels;
  switch (k->primary) {
    case DCNN_PRIMARY_MAX_POOL:
    case DCNN_PRIMARY_AVERAGE_POOL:
      return oracle_pool (k, y, x, c);
    case DCNN_PRIMARY_COPY:
      if (!k->source)
        return input (k, y, x, c);
      return k->source[c] == UINT32_MAX ? (double) k->value
          : input (k, y, x, k->source[c]);
    case DCNN_PRIMARY_RESAMPLE:
      if (k->index_y[y] == UINT32_MAX || k->index_x[x] == UINT32_MAX)
        return (double) k->value;
      return input (k, k->index_y[y], k->index_x[x], c);
    case DCNN_PRIMARY_RESIZE:
      return oracle_resize (k, y, x, c);
    case DCNN_PRIMARY_SPACE_TO_DEPTH:
      return input (k, y * b + c / n / b, x * b + c / n % b, c % n);
    case DCNN_PRIMARY_DEPTH_TO_SPACE:
      return input (k, y / b, x / b, k->flag
          ? c * b * b + y % b * b + x % b
          : (y % b * b + x % b) * k->out.map.channels + c);
    default:
      return oracle_channels (k, y, x, c);
  }
}

static double
oracle (const LocalCase *k, uint32_t y, uint32_t x, uint32_t c)
{
  double v = oracle_primary (k, y, x, c);
  if (k->add)
    v += (double) guarded_get (&k->residual, (int32_t) y, (int32_t) x, c);
  return k->relu && v < 0 ? 0 : v;
}

/* ---- making a case ---------------------------------------------------- */

static uint32_t
pick_channels (Rng *rng)
{
  static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 21,
    24, 31, 32, 33, 40, 48, 63, 64, 65, 80, 150, 257 };
  return sizes[rng_below (rng, rng_chance (rng, 90) ? 19 : 25)];
}

static void
pick_pool (LocalCase *k, Rng *rng, GuardedShape *in, GuardedShape *out)
{
  static const int64_t kernels[] = { 2, 2, 3, 3, 5, 1, 4, 9 };
  DcnnWindow *w = &k->pool.window;
  int64_t n_in[2], n_out[2];
  w->rank = 2;
  k->pool.count_include_pad = rng_chance (rng, 50);
  k->pool.ceil_mode = rng_chance (rng, 30);
  for (int i = 0; i < 2; i++) {
    w->kernel[i] = kernels[rng_below (rng, 8)];
    w->stride[i] = rng_range (rng, 1, 3);
    w->dilation[i] = rng_chance (rng, 75) ? 1 : rng_range (rng, 2, 3);
    int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
    w->pad_begin[i] = rng_below (rng, (uint32_t) w->kernel[i]) / 2;
    w->pad_end[i] = rng_below (rng, (uint32_t) w->kernel[i]) / 2;
    n_in[i] = reach + rng_below (rng, 30);
    int64_t room = n_in[i] + w->pad_begin[i] + w->pad_end[i] - reach;
    n_out[i] = room / w->stride[i] + 1;
    /* A last partial window that still begins inside the map. */
    if (k->pool.ceil_mode && room % w->stride[i] != 0
        && n_out[i] * w->stride[i] - w->pad_begin[i] < n_in[i])
      n_out[i]++;
  }
  in->height = (uint32_t) n_in[0];
  in->width = (uint32_t) n_in[1];
  out->height = (uint32_t) n_out[0];
  out->width = (uint32_t) n_out[1];
}

static uint32_t *
pick_index (Rng *rng, uint32_t n, uint32_t below, bool holes, bool runs)
{
  uint32_t *index = malloc (n * sizeof *index);
  for (uint32_t i = 0; i < n; i++) {
    index[i] = holes && rng_chance (rng, 10) ? UINT32_MAX
        : rng_below (rng, below);
    if (runs && i && index[i - 1] + 1 < below && rng_chance (rng, 85))
      index[i] = index[i - 1] + 1;
  }
  return index;
}

static float *
pick_values (Rng *rng, uint32_t n, bool integer)
{
  float *values = malloc (n * sizeof *values);
  for (uint32_t i = 0; i < n; i++)
    values[i] = rng_value (rng, integer);
  return values;
}

/* Shapes and the prepared operator of one primary. */
static void
pick_resize (LocalCase *k, Rng *rng, GuardedShape *in, GuardedShape *out)
{
  bool holes = rng_chance (rng, 20);
  k->taps = rng_chance (rng, 60) ? 2 : (uint32_t) rng_range (rng, 1, 4);
  out->width = 1 + rng_below (rng, 40);
  out->height = 1 + rng_below (rng, 30);
  k->index_y = pick_index (rng, out->height * k->taps, in->height, holes, true);
  k->index_x = pick_index (rng, out->width * k->taps, in->width, holes, true);
  k->weight_y = pick_values (rng, out->height * k->taps, k->integer);
  k->weight_x = pick_values (rng, out->width * k->taps, k->integer);
  k->prepared = dcnn_k_resize_prepare (out->channels, out->height, k->taps,
      k->index_y, k->weight_y, out->width, k->taps, k->index_x, k->weight_x);
}

static void
pick_channel_op (LocalCase *k, Rng *rng, const GuardedShape *in,
    GuardedShape *out)
{
  if (k->primary == DCNN_PRIMARY_SOFTMAX) {
    k->prepared = dcnn_k_softmax_prepare (in->channels, k->flag);
  } else if (k->primary == DCNN_PRIMARY_ARG_MAX) {
    out->channels = 1;
    k->prepared = dcnn_k_arg_max_prepare (in->channels, k->flag);
  } else if (k->primary == DCNN_PRIMARY_CHANNEL_REDUCE) {
    out->channels = 1;
    k->reduce = (DcnnChannelReduce) rng_below (rng, 3);
    k->prepared = dcnn_k_channel_reduce_prepare (in->channels, k->reduce);
  } else {
    if (rng_chance (rng, 70))
      k->scale = pick_values (rng, in->channels, k->integer);
    if (rng_chance (rng, 70))
      k->bias = pick_values (rng, in->channels, k->integer);
    k->prepared = dcnn_k_layer_norm_prepare (in->channels, 1e-3f, k->scale,
        k->bias);
  }
}

static void
pick_shapes (LocalCase *k, Rng *rng, GuardedShape *in, GuardedShape *out)
{
  DcnnDepthParams depth;
  switch (k->primary) {
    case DCNN_PRIMARY_MAX_POOL:
    case DCNN_PRIMARY_AVERAGE_POOL:
      pick_pool (k, rng, in, out);
      k->prepared = dcnn_k_pool_prepare (&k->pool, in->channels);
      return;
    case DCNN_PRIMARY_COPY:
      if (rng_chance (rng, 70)) {
        out->channels = pick_channels (rng);
        k->source = pick_index (rng, out->channels, in->channels,
            rng_chance (rng, 40), rng_chance (rng, 60));
      }
      k->prepared = dcnn_k_copy_prepare (out->channels, k->source, k->value);
      return;
    case DCNN_PRIMARY_RESAMPLE:
      out->width = 1 + rng_below (rng, 40);
      out->height = 1 + rng_below (rng, 30);
      k->index_y = pick_index (rng, out->height, in->height, true, true);
      k->index_x = pick_index (rng, out->width, in->width, true, true);
      k->prepared = dcnn_k_resample_prepare (in->channels, out->height,
          k->index_y, out->width, k->index_x, k->value);
      return;
    case DCNN_PRIMARY_RESIZE:
      pick_resize (k, rng, in, out);
      return;
    case DCNN_PRIMARY_SPACE_TO_DEPTH:
      in->width = out->width * k->block;
      in->height = out->height * k->block;
      out->channels = in->channels * k->block * k->block;
      k->prepared = dcnn_k_space_to_depth_prepare (k->block, in->channels);
      return;
    case DCNN_PRIMARY_DEPTH_TO_SPACE:
      out->width = in->width * k->block;
      out->height = in->height * k->block;
      in->channels = out->channels * k->block * k->block;
      depth = (DcnnDepthParams) { k->block, k->flag };
      k->prepared = dcnn_k_depth_to_space_prepare (&depth, out->channels);
      return;
    default:
      pick_channel_op (k, rng, in, out);
      return;
  }
}

static void
case_init (LocalCase *k, Rng *rng)
{
  *k = (LocalCase) { .integer = rng_chance (rng, 50) };
  k->primary = (DcnnPrimary) rng_range (rng, DCNN_PRIMARY_MAX_POOL,
      DCNN_PRIMARY_COUNT - 1);
  k->value = rng_value (rng, k->integer);
  k->flag = rng_chance (rng, 50);
  k->block = (uint32_t) rng_range (rng, 1, 3);
  k->relu = rng_chance (rng, 30);
  k->add = rng_chance (rng, 30);
  GuardedShape in = { 1 + rng_below (rng, 40), 1 + rng_below (rng, 30),
    pick_channels (rng), rng_chance (rng, 50), rng_chance (rng, 30) };
  GuardedShape out = in;
  out.view = rng_chance (rng, 30);
  pick_shapes (k, rng, &in, &out);
  guarded_init (&k->in, rng, &in);
  guarded_init (&k->out, rng, &out);
  guarded_init (&k->residual, rng, &out);
  guarded_randomize (&k->in, rng, k->integer);
  guarded_randomize (&k->residual, rng, k->integer);
}

static void
case_clear (LocalCase *k)
{
  guarded_clear (&k->in);
  guarded_clear (&k->out);
  guarded_clear (&k->residual);
  free (k->source);
  free (k->index_y);
  free (k->index_x);
  free (k->weight_y);
  free (k->weight_x);
  free (k->scale);
  free (k->bias);
  dcnn_prepared_free (k->prepared);
}

static DcnnJob
case_job (LocalCase *k)
{
  DcnnJob job = { .primary = k->primary, .prepared = k->prepared,
    .in = k->in.map, .out = k->out.map, .steps = k->steps };
  if (k->add)
    k->steps[job.n_steps++] = (DcnnStep) { .kind = DCNN_STEP_ADD,
      .operand = DCNN_OPERAND_MAP, .map = k->residual.map };
  if (k->relu)
    k->steps[job.n_steps++] = (DcnnStep) { .kind = DCNN_STEP_RELU };
  return job;
}

/* ---- checks ----------------------------------------------------------- */

static size_t
n_pixels (const LocalCase *k)
{
  return (size_t) k->out.map.width * k->out.map.height;
}

/* How far a result may be from the oracle's. */
static double
bound (const LocalCase *k, double want)
{
  switch (k->primary) {
    case DCNN_PRIMARY_MAX_POOL:
    case DCNN_PRIMARY_COPY:
    case DCNN_PRIMARY_RESAMPLE:
    case DCNN_PRIMARY_SPACE_TO_DEPTH:
    case DCNN_PRIMARY_DEPTH_TO_SPACE:
      return k->integer || !k->add ? 0 : 1e-6 * (1 + fabs (want));
    case DCNN_PRIMARY_ARG_MAX:
      return k->add && !k->integer ? 1e-4 : 0;
    case DCNN_PRIMARY_RESIZE:
      return k->integer ? 0 : 1e-5 * (1 + fabs (want));
    case DCNN_PRIMARY_CHANNEL_REDUCE:
      return k->integer && k->reduce != DCNN_CHANNEL_MEAN ? 0
          : 1e-5 * (4 + fabs (want));
    default:
      return 2e-5 * (1 + fabs (want));
  }
}

/* All rows, dense, against the oracle; they stay in k->out. */
static bool
check_dense (LocalCase *k, const DcnnCpuKernels *kernels, Rng *rng)
{
  DcnnJob job = case_job (k);
  uint8_t *touched = malloc (n_pixels (k));
  memset (touched, 1, n_pixels (k));
  guarded_poison (&k->out);
  guarded_remember (&k->out);
  bool guards = run_in_ranges (kernels, &job, k->out.map.height, rng);
  const char *stray = guarded_verify (&k->out, touched);
  free (touched);
  if (!guards)
    return check_fail ("scratch overrun");
  if (stray)
    return check_fail ("%s", stray);
  for (uint32_t y = 0; y < k->out.map.height; y++)
    for (uint32_t x = 0; x < k->out.map.width; x++)
      for (uint32_t c = 0; c < k->out.map.channels; c++) {
        double got = (double) guarded_pixel (&k->out, y, x)[c];
        double want = oracle (k, y, x, c);
        if (!(fabs (got - want) <= bound (k, want)) && got != want)
          return check_fail ("y %u x %u channel %u is %.9g, not %.9g", y, x, c,
              got, want);
      }
  return true;
}

/* The verdict and whether the pixel is stored, by definition. */
static uint8_t
judge (const DcnnJob *job, uint32_t p, const float *row, const float *before)
{
  bool any = false, over = false;
  for (uint32_t c = 0; c < job->out.channels; c++) {
    float d = row[c] - before[c];
    any |= d != 0;
    over |= !(fabsf (d * job->significance.inv_spread[c])
        <= job->significance.limit);
  }
  if (p & DCNN_PIXEL_FORCE)
    return DCNN_VERDICT_JOINED;
  if (!any)
    return DCNN_VERDICT_SAME;
  return over || job->significance.kind == DCNN_SIGNIFICANT_ANY
      ? DCNN_VERDICT_JOINED : DCNN_VERDICT_KEPT;
}

/* A judged list (or all rows): each pixel is stored or kept as the criterion
 * says, with the bits that the dense run gave (rows); nothing else changes. */
static bool
check_judged (LocalCase *k, const DcnnCpuKernels *kernels, const float *rows,
    bool sparse, Rng *rng)
{
  DcnnJob job = case_job (k);
  uint32_t width = k->out.map.width, channels = k->out.map.channels;
  size_t n = n_pixels (k), n_units = k->out.map.height;
  uint32_t *list = pixel_list_new (rng, width, k->out.map.height,
      sparse ? 1 + rng_below (rng, 100) : 100, &n);
  if (sparse && rng_chance (rng, 50))
    for (size_t i = 0; i < n; i++)
      list[i] |= rng_chance (rng, 10) ? DCNN_PIXEL_FORCE : 0;
  float *inv = calloc (channels + 32, sizeof *inv);
  for (uint32_t c = 0; c < channels; c++)
    inv[c] = 0.5f + (float) rng_below (rng, 3);
  uint8_t *verdicts = malloc (n), *touched = calloc (n_pixels (k), 1);
  bool good = true;
  job.significance = (DcnnSignificance) { rng_chance (rng, 50)
    ? DCNN_SIGNIFICANT_ANY : DCNN_SIGNIFICANT_MAX, 0.7f, inv };
  job.pixels = sparse ? list : NULL;
  job.verdicts = verdicts;
  memset (verdicts, 0x55, n);
  /* What was stored before: the same, near, or far. */
  for (size_t i = 0; i < n_pixels (k); i++) {
    float *p = guarded_pixel (&k->out, (uint32_t) (i / width),
        (uint32_t) (i % width));
    uint32_t kind = rng_below (rng, 3);
    for (uint32_t c = 0; c < channels; c++)
      p[c] = rows[i * channels + c] + (kind == 1 ? rng_chance (rng, 30)
          ? 0.25f : 0.0f : kind == 2 ? rng_value (rng, true) : 0.0f);
  }
  guarded_remember (&k->out);
  good = run_in_ranges (kernels, &job, sparse ? n : n_units, rng);
  for (size_t i = 0; good && i < n; i++) {
    uint32_t p = sparse ? list[i] : DCNN_PIXEL (i / width, i % width);
    uint32_t y = DCNN_PIXEL_Y (p), x = DCNN_PIXEL_X (p);
    const float *row = rows + ((size_t) y * width + x) * channels;
    const float *now = guarded_pixel (&k->out, y, x);
    const float *before = k->out.snapshot + (now - k->out.buffer);
    uint8_t want = judge (&job, p, row, before);
    touched[(size_t) y * width + x] = want == DCNN_VERDICT_JOINED;
    if (verdicts[i] != want)
      good = check_fail ("verdict at y %u x %u is %d, not %d", y, x,
          verdicts[i], want);
    if (want == DCNN_VERDICT_JOINED
        && memcmp (now, row, channels * sizeof *row))
      good = check_fail ("y %u x %u differs from the dense row", y, x);
  }
  const char *stray = good ? guarded_verify (&k->out, touched) : NULL;
  free (list);
  free (inv);
  free (verdicts);
  free (touched);
  return stray ? check_fail ("%s", stray) : good;
}

static bool
check_level (LocalCase *k, const DcnnCpuKernels *kernels, Rng *rng)
{
  uint32_t width = k->out.map.width, channels = k->out.map.channels;
  report.isa = kernels->isa;
  if (!check_dense (k, kernels, rng))
    return false;
  float *rows = malloc (n_pixels (k) * channels * sizeof *rows);
  for (size_t i = 0; i < n_pixels (k); i++)
    memcpy (rows + i * channels, guarded_pixel (&k->out, (uint32_t) (i / width),
            (uint32_t) (i % width)), channels * sizeof *rows);
  bool good = check_judged (k, kernels, rows, true, rng)
      && check_judged (k, kernels, rows, false, rng);
  free (rows);
  return good;
}

/* The sums of all blocks of a map of bytes are those of the same numbers as
 * floats. */
static bool
check_block_bytes (const DcnnCpuKernels *kernels, Rng *rng)
{
  GuardedShape shape = { 1 + rng_below (rng, 20), 1 + rng_below (rng, 20),
    pick_channels (rng), rng_chance (rng, 50), false };
  const bool maximum = rng_chance (rng, 50);
  const int32_t low = -(int32_t) rng_below (rng, 256);
  const uint32_t bx = (shape.width + 7) / 8, n = bx * ((shape.height + 7) / 8);
  const size_t padded = dcnn_padded (shape.channels);
  float *sums = malloc (2 * n * padded * sizeof *sums);
  bool good;
  GuardedMap g;
  report.isa = kernels->isa;
  guarded_init (&g, rng, &shape);
  uint8_t *bytes = malloc ((size_t) shape.width * shape.height *
      g.pixel_floats + DCNN_OVERREAD);
  DcnnMap map = g.map;
  map.bytes = bytes;
  map.data = NULL;
  map.low = low;
  for (uint32_t y = 0; y < shape.height; y++)
    for (uint32_t x = 0; x < shape.width; x++)
      for (uint32_t c = 0; c < shape.channels; c++) {
        const uint8_t byte = (uint8_t) rng_next (rng);
        dcnn_map_bytes (&map, y, x)[c] = byte;
        guarded_pixel (&g, y, x)[c] = (float) (byte + low);
      }
  for (uint32_t b = 0; b < n; b++) {
    kernels->block_reduce (&g.map, maximum, &b, 1, bx, sums);
    kernels->block_reduce (&map, maximum, &b, 1, bx, sums + n * padded);
  }
  good = memcmp (sums, sums + n * padded, n * padded * sizeof *sums) == 0;
  if (!good)
    check_fail ("block sums of bytes differ");
  free (bytes);
  free (sums);
  guarded_clear (&g);
  return good;
}

/* Block sums of a random set of blocks; the others stay untouched. */
static bool
check_block_reduce (const DcnnCpuKernels *kernels, Rng *rng)
{
  GuardedShape shape = { 1 + rng_below (rng, 40), 1 + rng_below (rng, 40),
    pick_channels (rng), rng_chance (rng, 50), rng_chance (rng, 30) };
  bool maximum = rng_chance (rng, 50), good = true;
  uint32_t bx = (shape.width + 7) / 8, by = (shape.height + 7) / 8, n = 0;
  uint32_t padded = (shape.channels + DCNN_LANES - 1) / DCNN_LANES * DCNN_LANES;
  uint32_t *blocks = malloc (bx * by * sizeof *blocks);
  float *sums = malloc ((size_t) bx * by * padded * sizeof *sums);
  GuardedMap g;
  report.isa = kernels->isa;
  guarded_init (&g, rng, &shape);
  guarded_randomize (&g, rng, true);
  for (uint32_t i = 0; i < bx * by; i++)
    if (rng_chance (rng, 60))
      blocks[n++] = i;
  for (size_t i = 0; i < (size_t) bx * by * padded; i++)
    sums[i] = 77.0f;
  kernels->block_reduce (&g.map, maximum, blocks, n, bx, sums);
  for (uint32_t b = 0, at = 0; good && b < bx * by; b++) {
    bool listed = at < n && blocks[at] == b;
    at += listed;
    for (uint32_t c = 0; c < padded; c++) {
      float want = maximum ? -HUGE_VALF : 0.0f;
      for (uint32_t y = b / bx * 8; y < b / bx * 8 + 8 && y < shape.height; y++)
        for (uint32_t x = b % bx * 8; x < b % bx * 8 + 8 && x < shape.width; x++) {
          float v = c < shape.channels ? guarded_pixel (&g, y, x)[c] : 0.0f;
          want = maximum ? fmaxf (want, v) : want + v;
        }
      want = !listed ? 77.0f : c < shape.channels ? want : 0.0f;
      if (sums[(size_t) b * padded + c] != want)
        good = check_fail ("block %u channel %u is %g, not %g", b, c,
            (double) sums[(size_t) b * padded + c], (double) want);
    }
  }
  guarded_clear (&g);
  free (blocks);
  free (sums);
  return good;
}

/* Sums and squared differences of every block: the bits of plain loops in
 * double, from any level. */
static bool
check_block_moments (const DcnnCpuKernels *kernels, Rng *rng)
{
  GuardedShape shape = { 1 + rng_below (rng, 20), 1 + rng_below (rng, 20),
    pick_channels (rng), rng_chance (rng, 50), rng_chance (rng, 30) };
  uint32_t bx = (shape.width + 7) / 8, n = bx * ((shape.height + 7) / 8);
  uint32_t padded = (shape.channels + DCNN_LANES - 1) / DCNN_LANES * DCNN_LANES;
  double *have = malloc ((size_t) n * 2 * padded * sizeof *have);
  bool good = true;
  GuardedMap g;
  report.isa = kernels->isa;
  guarded_init (&g, rng, &shape);
  guarded_randomize (&g, rng, false);
  for (uint32_t b = 0; b < n; b++)
    kernels->block_moments (&g.map, &b, 1, bx, have);
  for (uint32_t i = 0; good && i < n * padded; i++) {
    uint32_t b = i / padded, c = i % padded, count = 0;
    const double *at = have + (size_t) b * 2 * padded + c;
    double sum = 0, squares = 0;
    for (int pass = 0; c < shape.channels && pass < 2; pass++)
      for (uint32_t y = b / bx * 8; y < b / bx * 8 + 8 && y < shape.height; y++)
        for (uint32_t x = b % bx * 8; x < b % bx * 8 + 8 && x < shape.width; x++) {
          double v = (double) guarded_pixel (&g, y, x)[c];
          if (pass == 0) {
            sum += v;
            count++;
          } else {
            squares += (v - sum / count) * (v - sum / count);
          }
        }
    if (at[0] != sum || at[padded] != squares)
      good = check_fail ("block %u channel %u: moments %g, %g, not %g, %g", b, c,
          at[0], at[padded], sum, squares);
  }
  guarded_clear (&g);
  free (have);
  return good;
}

static bool
run_case (uint64_t seed)
{
  const DcnnCpuKernels *kernels;
  LocalCase k;
  Rng rng;
  bool good = true;
  rng_seed (&rng, seed);
  case_init (&k, &rng);
  report.covered[k.primary] = 1;
  for (unsigned i = 0; good && (kernels = dcnn_cpu_kernels_at (i)); i++)
    good = check_level (&k, kernels, &rng) && check_block_reduce (kernels, &rng)
          && check_block_bytes (kernels, &rng)
        && check_block_moments (kernels, &rng);
  if (!good)
    printf ("  primary %d, %ux%ux%u -> %ux%ux%u, taps %u, block %u\n",
        k.primary, k.in.map.height, k.in.map.width, k.in.map.channels,
        k.out.map.height, k.out.map.width, k.out.map.channels, k.taps, k.block);
  case_clear (&k);
  return good;
}

int
main (int argc, char **argv)
{
  long only = -1, cases = 1500;
  if (argc > 1 && !strcmp (argv[1], "--bench"))
    return local_bench ();
  report.program = argv[0];
  report.suite = "local";
  report.seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp (argv[i], "--seed"))
      report.seed = strtoull (argv[i + 1], NULL, 10);
    else if (!strcmp (argv[i], "--case"))
      only = strtol (argv[i + 1], NULL, 10);
    else if (!strcmp (argv[i], "--times"))
      cases = (long) ((double) cases * strtod (argv[i + 1], NULL));
  }
  for (long i = only < 0 ? 0 : only; i < (only < 0 ? cases : only + 1); i++) {
    report.case_index = i;
    report.n_cases++;
    report.n_failed += !run_case (report.seed * 1000003u + (uint64_t) i);
    if (report.n_failed >= 10)
      break;
  }
  for (int p = DCNN_PRIMARY_MAX_POOL; only < 0 && p < DCNN_PRIMARY_COUNT; p++)
    if (!report.covered[p]) {
      printf ("FAIL coverage: no case for %s\n", primary_names[p]);
      report.n_failed++;
    }
  printf ("seed %llu: %ld cases, %ld failed\n",
      (unsigned long long) report.seed, report.n_cases, report.n_failed);
  return report.n_failed ? 1 : 0;
}
