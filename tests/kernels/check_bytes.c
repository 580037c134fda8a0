/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * check_bytes.c - kernels of maps of bytes, and those of floats that read or
 * write some, against the kernels of floats at level "c" on the same whole
 * numbers: the same values, verdicts and masks, and no byte written beside the
 * pixels that join.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "prepared.h"

#define MOST 96        /* channels, and steps' vectors */
#define SPARE 160      /* bytes around a map, that may be read and not written */

/* A map in both forms. */
typedef struct Pair {
  uint32_t width, height, channels, pixel; /* pixel: bytes from one to the next */
  int32_t low;
  uint8_t *bytes, *before;
  float *floats;
  uint32_t *tables, torus[2];
  DcnnMap as_bytes, as_floats;
} Pair;

static size_t
pair_size (const Pair *p)
{
  return (size_t) p->width * p->height * p->pixel;
}

static void
pair_init (Pair *p, Rng *rng, uint32_t width, uint32_t height,
    uint32_t channels, int32_t low)
{
  const uint32_t beside = rng_below (rng, 2) * 8;

  *p = (Pair) { .width = width, .height = height, .channels = channels,
    .pixel = dcnn_padded (channels) + beside, .low = low };
  p->bytes = malloc (pair_size (p) + 2 * SPARE);
  p->before = malloc (pair_size (p) + 2 * SPARE);
  p->floats = calloc (pair_size (p) + SPARE, sizeof *p->floats);
  p->tables = malloc ((width + height) * sizeof *p->tables);
  for (unsigned d = 0; d < 2; d++)
    p->torus[d] = rng_chance (rng, 30) ? rng_below (rng, d ? width : height)
        : 0;
  for (uint32_t y = 0; y < height; y++)
    p->tables[y] = (y + p->torus[0]) % height * width * p->pixel;
  for (uint32_t x = 0; x < width; x++)
    p->tables[height + x] = (x + p->torus[1]) % width * p->pixel;
  for (size_t i = 0; i < pair_size (p) + 2 * SPARE; i++)
    p->bytes[i] = (uint8_t) rng_next (rng);
  for (size_t i = 0; i < pair_size (p); i++)
    p->floats[i] = (float) (p->bytes[SPARE + i] + low);
  memcpy (p->before, p->bytes, pair_size (p) + 2 * SPARE);
  p->as_floats = (DcnnMap) { .data = p->floats, .width = width,
    .height = height, .channels = channels,
    .writable = dcnn_padded (channels), .row_offset = p->tables,
    .col_offset = p->tables + height, .torus = p->torus };
  p->as_bytes = p->as_floats;
  p->as_bytes.data = NULL;
  p->as_bytes.bytes = p->bytes + SPARE;
  p->as_bytes.low = low;
}

static void
pair_clear (Pair *p)
{
  free (p->bytes);
  free (p->before);
  free (p->floats);
  free (p->tables);
}

static uint32_t
pair_at (const Pair *p, uint32_t y, uint32_t x)
{
  return p->tables[y] + p->tables[p->height + x];
}

/* Everything that a case is made of. */
typedef struct Case {
  DcnnPrimary primary;
  Pair in, out, operand;
  DcnnConvParams conv;
  DcnnPoolParams pool;
  DcnnDepthParams depth;
  uint32_t taps;           /* of RESIZE, each way */
  uint32_t index[2][128];  /* [y, x], of RESIZE and RESAMPLE */
  float lerp[2][128];
  float *weights, *bias;
  float factor[MOST + 2 * DCNN_LANES];
  float scale[MOST + 2 * DCNN_LANES], spread[MOST + 2 * DCNN_LANES];
  DcnnStep steps[DCNN_MAX_STEPS];
  DcnnJob job;             /* on bytes, of these steps; without prepared */
  bool floats_in, floats_out;
  uint32_t groups;         /* of GROUP_CONV */
} Case;

static bool
is_transposed (const Case *k)
{
  return k->primary == DCNN_PRIMARY_CONV_TRANSPOSE;
}

static bool
is_conv (const Case *k)
{
  return k->primary == DCNN_PRIMARY_CONV ||
      k->primary == DCNN_PRIMARY_GROUP_CONV || is_transposed (k) ||
      k->primary == DCNN_PRIMARY_DEPTHWISE;
}

static void
window_init (Case *k, Rng *rng, DcnnWindow *w)
{
  *w = (DcnnWindow) { .rank = 2 };
  for (unsigned d = 0; d < 2; d++) {
    w->kernel[d] = rng_chance (rng, 50) ? 3 : 1 + rng_below (rng, 4);
    w->stride[d] = 1 + rng_below (rng, 2);
    w->dilation[d] = k->primary == DCNN_PRIMARY_MAX_POOL ? 1
        : 1 + rng_below (rng, 5) / 4;
    w->pad_begin[d] = rng_below (rng, (uint32_t) w->kernel[d]);
    w->pad_end[d] = w->pad_begin[d];
  }
}

static uint32_t
size_after (const Case *k, unsigned d, uint32_t in)
{
  const DcnnWindow *w = &k->conv.window;

  if (is_transposed (k)) {
    int64_t size = (in - 1) * w->stride[d] - w->pad_begin[d] - w->pad_end[d] +
        (w->kernel[d] - 1) * w->dilation[d] + 1;
    return size < 0 ? 0 : (uint32_t) size;
  }
  int64_t room = in + w->pad_begin[d] + w->pad_end[d] -
      (w->kernel[d] - 1) * w->dilation[d] - 1;

  return room < 0 ? 0 : (uint32_t) (room / w->stride[d]) + 1;
}

static void
steps_init (Case *k, Rng *rng)
{
  const bool windowed = is_conv (k);
  const float low = (float) k->out.low;
  DcnnStep *s = k->steps;

  for (uint32_t c = 0; c < k->out.channels; c++)
    k->factor[c] = (float) rng_range (rng, -16, 16) / 8;
  for (uint32_t c = 0; c < k->out.channels; c++)
    k->scale[c] = (windowed ? 0.0005f : 0.5f) *
        (float) (1 + rng_below (rng, 64)) / 16;
  *s++ = (DcnnStep) { .kind = DCNN_STEP_MUL, .operand = DCNN_OPERAND_VECTOR,
    .vector = k->scale };
  if (rng_chance (rng, 30)) /* exact at all levels */
    *s++ = (DcnnStep) { .kind = rng_chance (rng, 50) ? DCNN_STEP_HARD_SWISH
          : DCNN_STEP_LEAKY_RELU, .a = 0.125f };
  else if (rng_chance (rng, 20))
    *s++ = (DcnnStep) { .kind = DCNN_STEP_DIV,
      .operand = DCNN_OPERAND_SCALAR, .a = 0.75f };
  *s++ = (DcnnStep) { .kind = DCNN_STEP_ROUND, .a = low,
    .b = low + (rng_chance (rng, 50) ? 255 : 90) };
  if (rng_chance (rng, 50)) {
    *s++ = (DcnnStep) { .kind = DCNN_STEP_MUL,
      .operand = DCNN_OPERAND_SCALAR, .a = 0.75f };
    if (rng_chance (rng, 30)) {
      *s++ = (DcnnStep) { .kind = DCNN_STEP_MUL,
        .operand = DCNN_OPERAND_VECTOR, .vector = k->factor };
      *s++ = (DcnnStep) { .kind = DCNN_STEP_ADD,
        .operand = DCNN_OPERAND_VECTOR, .vector = k->factor };
    }
    if (rng_chance (rng, 70))
      *s++ = (DcnnStep) { .kind = DCNN_STEP_ADD, .operand = DCNN_OPERAND_MAP,
        .map = k->operand.as_bytes };
    *s++ = (DcnnStep) { .kind = rng_chance (rng, 50) ? DCNN_STEP_MUL
          : DCNN_STEP_DIV, .operand = DCNN_OPERAND_SCALAR, .a = 0.625f };
    *s++ = (DcnnStep) { .kind = DCNN_STEP_ADD,
      .operand = DCNN_OPERAND_SCALAR, .a = 3 };
    *s++ = (DcnnStep) { .kind = DCNN_STEP_ROUND, .a = low + 3,
      .b = low + 3 + 255 };
    *s++ = (DcnnStep) { .kind = DCNN_STEP_SUB,
      .operand = DCNN_OPERAND_SCALAR, .a = 3 };
  }
  if (k->floats_out)
    *s++ = (DcnnStep) { .kind = DCNN_STEP_MUL,
      .operand = DCNN_OPERAND_SCALAR, .a = 0.125f };
  k->job.n_steps = (uint32_t) (s - k->steps);
  k->job.steps = k->steps;
}

static void
weights_init (Case *k, Rng *rng)
{
  const DcnnWindow *w = &k->conv.window;
  const bool each = k->primary == DCNN_PRIMARY_DEPTHWISE ||
      (is_transposed (k) && k->groups > 1);
  const uint32_t groups = each ? k->in.channels
      : k->primary == DCNN_PRIMARY_GROUP_CONV ? k->groups : 1;
  const size_t n = (size_t) (w->kernel[0] * w->kernel[1]) * k->out.channels *
      k->in.channels / groups;
  const int32_t most = rng_chance (rng, 50) ? 63 : rng_chance (rng, 50) ? 30
      : rng_chance (rng, 50) ? 127
      : 255;

  k->weights = malloc (n * sizeof *k->weights);
  k->bias = malloc (k->out.channels * sizeof *k->bias);
  for (size_t i = 0; i < n; i++)
    k->weights[i] = (float) rng_range (rng, -most, most);
  for (uint32_t c = 0; c < k->out.channels; c++)
    k->bias[c] = (float) rng_range (rng, -3000, 3000);
  k->conv.groups = groups;
}

/* Sizes and tables of what only moves or interpolates. */
static void
move_init (Case *k, Rng *rng, uint32_t *height, uint32_t *width)
{
  const uint32_t in[2] = { *height, *width };
  const uint32_t block = 1 + rng_below (rng, 2);
  uint32_t *out[2] = { height, width };

  k->depth = (DcnnDepthParams) { .block = block, .crd = rng_chance (rng, 50) };
  k->taps = k->primary == DCNN_PRIMARY_RESAMPLE ? 1 : 1 + rng_below (rng, 3);
  for (unsigned d = 0; d < 2; d++) {
    if (k->primary == DCNN_PRIMARY_DEPTH_TO_SPACE)
      *out[d] = in[d] * block;
    else if (k->primary != DCNN_PRIMARY_SPACE_TO_DEPTH)
      *out[d] = 1 + rng_below (rng, 40);
    for (uint32_t i = 0; i < *out[d] * k->taps && i < 128; i++) {
      k->index[d][i] = (i / k->taps * in[d] / *out[d] + i % k->taps) % in[d];
      k->lerp[d][i] = (float) rng_below (rng, 9) / 8;
      if (k->primary == DCNN_PRIMARY_RESIZE && rng_chance (rng, 5))
        k->index[d][i] = UINT32_MAX;
    }
  }
}

static bool
is_moved (const Case *k)
{
  return k->primary == DCNN_PRIMARY_RESIZE ||
      k->primary == DCNN_PRIMARY_RESAMPLE ||
      k->primary == DCNN_PRIMARY_SPACE_TO_DEPTH ||
      k->primary == DCNN_PRIMARY_DEPTH_TO_SPACE;
}

/* FALSE: the window is larger than the map. */
static bool
case_init (Case *k, Rng *rng)
{
  static const DcnnPrimary primaries[] = { DCNN_PRIMARY_CONV,
    DCNN_PRIMARY_CONV, DCNN_PRIMARY_DEPTHWISE, DCNN_PRIMARY_GROUP_CONV,
    DCNN_PRIMARY_CONV_TRANSPOSE, DCNN_PRIMARY_MAX_POOL,
    DCNN_PRIMARY_AVERAGE_POOL, DCNN_PRIMARY_COPY, DCNN_PRIMARY_RESIZE,
    DCNN_PRIMARY_RESAMPLE, DCNN_PRIMARY_SPACE_TO_DEPTH,
    DCNN_PRIMARY_DEPTH_TO_SPACE };
  const uint32_t groups = 2 + rng_below (rng, 2);
  const int32_t low = -(int32_t) rng_below (rng, 256);
  uint32_t w = 1 + rng_below (rng, 34), h = 1 + rng_below (rng, 9);
  uint32_t ow = w, oh = h;
  uint32_t channels = 1 + rng_below (rng, rng_chance (rng, 50) ? 9 : 60);
  uint32_t out_channels = 1 + rng_below (rng, 60);

  *k = (Case) { .groups = groups, .primary = primaries[rng_below (rng,
        sizeof primaries / sizeof *primaries)] };
  if (k->primary == DCNN_PRIMARY_GROUP_CONV) {
    channels = groups * 4 * (1 + rng_below (rng, 6));
    out_channels = groups * DCNN_LANES * (1 + rng_below (rng, 4));
  } else if (is_transposed (k) && rng_chance (rng, 50)) {
    k->groups = 1;
  } else if (k->primary != DCNN_PRIMARY_CONV)
    out_channels = channels;
  if (is_moved (k)) {
    move_init (k, rng, &oh, &ow);
    if (k->primary == DCNN_PRIMARY_SPACE_TO_DEPTH) {
      channels = 1 + rng_below (rng, 9);
      out_channels = channels * (uint32_t) (k->depth.block * k->depth.block);
      h = oh * (uint32_t) k->depth.block;
      w = ow * (uint32_t) k->depth.block;
    } else if (k->primary == DCNN_PRIMARY_DEPTH_TO_SPACE) {
      out_channels = 1 + rng_below (rng, 20);
      channels = out_channels * (uint32_t) (k->depth.block * k->depth.block);
    }
  }
  k->floats_in = rng_chance (rng, 30);
  k->floats_out = rng_chance (rng, 25);
  pair_init (&k->in, rng, w, h, channels, low);
  if (k->primary != DCNN_PRIMARY_COPY && !is_moved (k)) {
    window_init (k, rng, &k->conv.window);
    k->pool.window = k->conv.window;
    k->pool.count_include_pad = rng_chance (rng, 50);
    ow = size_after (k, 1, w);
    oh = size_after (k, 0, h);
    if (ow == 0 || oh == 0) {
      pair_clear (&k->in);
      return false;
    }
  }
  pair_init (&k->out, rng, ow, oh, out_channels,
      -(int32_t) rng_below (rng, 166));
  pair_init (&k->operand, rng, ow, oh, k->out.channels,
      -(int32_t) rng_below (rng, 256));
  k->job = (DcnnJob) { .primary = k->primary,
    .in = k->floats_in ? k->in.as_floats : k->in.as_bytes,
    .out = k->floats_out ? k->out.as_floats : k->out.as_bytes };
  if (is_conv (k))
    weights_init (k, rng);
  steps_init (k, rng);
  for (uint32_t c = 0; c < k->out.channels; c++)
    k->spread[c] = (float) rng_below (rng, 3);
  k->job.significance = (DcnnSignificance) {
    .kind = (DcnnSignificanceKind) rng_below (rng, 4),
    .limit = (float) rng_below (rng, 3000), .inv_spread = k->spread };
  if (k->job.significance.kind == DCNN_SIGNIFICANT_MAX)
    k->job.significance.limit = (float) rng_below (rng, 200);
  return true;
}

static void
case_clear (Case *k)
{
  pair_clear (&k->in);
  pair_clear (&k->out);
  pair_clear (&k->operand);
  free (k->weights);
  free (k->bias);
}

static DcnnPrepared *
prepare (const Case *k, bool bytes)
{
  const uint32_t in = k->in.channels, out = k->out.channels;

  switch (k->primary) {
    case DCNN_PRIMARY_CONV:
      return bytes ? dcnn_k_bytes_conv_prepare (&k->conv, out, in, in, NULL,
          k->weights, k->bias, k->in.low) : dcnn_k_conv_prepare (&k->conv, out,
          in, in, NULL, k->weights, k->bias);
    case DCNN_PRIMARY_GROUP_CONV:
      return bytes ? dcnn_k_bytes_conv_prepare (&k->conv, out, in, in, NULL,
          k->weights, k->bias, k->in.low) : dcnn_k_group_conv_prepare (
          &k->conv, out, in, k->weights, k->bias);
    case DCNN_PRIMARY_CONV_TRANSPOSE:
      return bytes ? dcnn_k_bytes_conv_transpose_prepare (&k->conv, out, in,
          in, NULL, k->weights, k->bias, k->in.low)
          : dcnn_k_conv_transpose_prepare (&k->conv, out, in, in, NULL,
          k->weights, k->bias);
    case DCNN_PRIMARY_DEPTHWISE:
      return bytes ? dcnn_k_bytes_depthwise_prepare (&k->conv, in, k->weights,
          k->bias, k->in.low) : dcnn_k_depthwise_prepare (&k->conv, in,
          k->weights, k->bias);
    case DCNN_PRIMARY_MAX_POOL:
    case DCNN_PRIMARY_AVERAGE_POOL:
      return dcnn_k_pool_prepare (&k->pool, in);
    case DCNN_PRIMARY_RESIZE:
      return dcnn_k_resize_prepare (in, k->out.height, k->taps, k->index[0],
          k->lerp[0], k->out.width, k->taps, k->index[1], k->lerp[1]);
    case DCNN_PRIMARY_RESAMPLE:
      return dcnn_k_resample_prepare (in, k->out.height, k->index[0],
          k->out.width, k->index[1], 0);
    case DCNN_PRIMARY_SPACE_TO_DEPTH:
      return dcnn_k_space_to_depth_prepare ((uint32_t) k->depth.block, in);
    case DCNN_PRIMARY_DEPTH_TO_SPACE:
      return dcnn_k_depth_to_space_prepare (&k->depth, out);
    default:
      return dcnn_k_copy_prepare (out, NULL, 0);
  }
}

/* What the kernels of floats make of it, into out.floats (of a copy) and
 * verdicts. */
static void
run_floats (const Case *k, const DcnnJob *bytes, float *out,
    uint8_t *verdicts, size_t units)
{
  DcnnStep steps[DCNN_MAX_STEPS];
  DcnnJob job = *bytes;
  DcnnPrepared *prepared = prepare (k, false);
  const DcnnCpuKernels *c = dcnn_cpu_kernels_at (0);
  size_t size;

  memcpy (out, k->out.floats, pair_size (&k->out) * sizeof *out);
  job.prepared = prepared;
  job.table = NULL;
  job.in = k->in.as_floats;
  job.out = k->out.as_floats;
  job.out.data = out;
  job.verdicts = verdicts;
  for (uint32_t s = 0; s < job.n_steps; s++) {
    steps[s] = bytes->steps[s];
    if (steps[s].operand == DCNN_OPERAND_MAP)
      steps[s].map = k->operand.as_floats;
  }
  job.steps = steps;
  size = c->scratch_bytes (&job);
  void *scratch = aligned_alloc (64, DCNN_ALIGN64 (size));
  c->run[job.primary] (&job, 0, units, scratch);
  free (scratch);
  dcnn_prepared_free (prepared);
}

/* The out pixels and everything beside them. */
static bool
compare (const Case *k, const float *want, const float *floats_before)
{
  const Pair *p = &k->out;
  uint8_t *joined = calloc (pair_size (p), 1);
  bool good = true;

  for (uint32_t y = 0; y < p->height && good; y++)
    for (uint32_t x = 0; x < p->width && good; x++)
      for (uint32_t c = 0; c < dcnn_padded (p->channels) && good; c++) {
        const uint32_t at = pair_at (p, y, x) + c;
        const float have = k->floats_out ? p->floats[at]
            : (float) (p->bytes[SPARE + at] + p->low);
        joined[at] = 1;
        if (c < p->channels && have != want[at])
          good = check_fail ("(%u, %u, %u): %g, wanted %g", y, x, c,
              (double) have, (double) want[at]);
      }
  for (size_t i = 0; i < pair_size (p) + 2 * SPARE && good; i++)
    if ((k->floats_out || i < SPARE || i >= SPARE + pair_size (p) ||
            !joined[i - SPARE]) && p->bytes[i] != p->before[i])
      good = check_fail ("wrote beside the out pixels, at %ld",
          (long) i - SPARE);
  for (size_t i = 0; i < pair_size (p) && good && k->floats_out; i++)
    if (!joined[i] && p->floats[i] != floats_before[i])
      good = check_fail ("wrote floats beside the out pixels");
  free (joined);
  return good;
}

static bool
run_level (Case *k, const DcnnCpuKernels *kernels, Rng *rng)
{
  const size_t size = pair_size (&k->out);
  const size_t pixels = (size_t) k->out.width * k->out.height;
  size_t n = 0;
  const bool sparse = rng_chance (rng, 60);
  uint32_t *list = sparse ? pixel_list_new (rng, k->out.width, k->out.height,
      50, &n) : NULL;
  const size_t units = sparse ? n : k->out.height;
  uint8_t *have = calloc (pixels, 1), *want = calloc (pixels, 1);
  float *floats = malloc (size * sizeof *floats);
  float *before = malloc (size * sizeof *before);
  DcnnPrepared *prepared = prepare (k, !k->floats_in);
  DcnnBytesTable table;
  bool good;

  k->job.prepared = prepared;
  k->job.pixels = list;
  k->job.verdicts = have;
  k->job.table = NULL;
  if (k->primary == DCNN_PRIMARY_COPY && !k->floats_in && rng_chance (rng, 70)) {
    k->steps[0].operand = DCNN_OPERAND_SCALAR;
    k->steps[0].a = 0.25f;
    dcnn_bytes_table_fill (&table, kernels, k->job.steps, k->job.n_steps, 2,
        k->in.low, k->out.low);
    k->job.table = &table;
  }
  memcpy (before, k->out.floats, size * sizeof *before);
  memcpy (k->out.bytes, k->out.before, size + 2 * SPARE);
  run_floats (k, &k->job, floats, want, units);
  good = run_in_ranges (kernels, &k->job, units, rng) ||
      check_fail ("wrote outside of the scratch");
  good = good && compare (k, floats, before);
  if (good && memcmp (have, want, sparse ? n : pixels) != 0)
    good = check_fail ("verdicts differ");
  memcpy (k->out.floats, before, size * sizeof *before);
  free (before);
  free (floats);
  free (want);
  free (have);
  free (list);
  dcnn_prepared_free (prepared);
  return good;
}

bool
check_bytes (Rng *rng)
{
  Case k;
  bool good = true;

  if (!case_init (&k, rng))
    return true;
  for (unsigned i = 0; good && dcnn_cpu_kernels_at (i); i++) {
    report.isa = dcnn_cpu_kernels_at (i)->isa;
    good = run_level (&k, dcnn_cpu_kernels_at (i), rng);
  }
  case_clear (&k);
  return good;
}
