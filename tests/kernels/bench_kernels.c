/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench_kernels.c - speed of the convolution kernels:
 *
 *   check_kernels --bench [--isa NAME] [--filter TEXT] [--csv]
 *
 * For each shape: GMAC/s of a dense run that stores everything (relu fused),
 * of the same run judged, and the cost of a pixel in judged lists of 1, 5, 25
 * and 100 % of the pixels in clusters, as a multiple of the dense cost. Every
 * figure is the best of several runs of one thread.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

typedef struct Shape {
  const char *name;
  DcnnPrimary primary;
  uint32_t height, width, in_channels, out_channels, kernel, stride, dilation;
} Shape;

static const Shape shapes[] = {
#define CONV(h, w, i, o, k, s) { "conv", DCNN_PRIMARY_CONV, h, w, i, o, k, s, 1 }
#define DEPTHWISE(h, w, c, k, s, d)                                            \
  { "depthwise", DCNN_PRIMARY_DEPTHWISE, h, w, c, c, k, s, d }
#define TRANSPOSE(h, w, i, o, k, s)                                            \
  { "transpose", DCNN_PRIMARY_CONV_TRANSPOSE, h, w, i, o, k, s, 1 }
  CONV (256, 256, 3, 16, 3, 2),
  CONV (384, 384, 3, 32, 3, 2),
  CONV (96, 96, 16, 96, 1, 1),
  CONV (96, 96, 96, 24, 1, 1),
  CONV (48, 48, 144, 32, 1, 1),
  CONV (48, 48, 64, 64, 1, 1),
  CONV (24, 24, 384, 64, 1, 1),
  CONV (24, 24, 64, 384, 1, 1),
  CONV (12, 12, 960, 160, 1, 1),
  CONV (24, 24, 512, 512, 1, 1),
  CONV (64, 64, 40, 40, 1, 1),
  CONV (128, 128, 16, 16, 1, 1),
  CONV (128, 128, 32, 8, 1, 1),
  CONV (128, 128, 16, 1, 1, 1),
  CONV (96, 96, 32, 32, 3, 1),
  CONV (48, 48, 64, 64, 3, 1),
  CONV (24, 24, 128, 128, 3, 1),
  CONV (12, 12, 256, 256, 3, 1),
  CONV (96, 96, 64, 64, 3, 2),
  CONV (128, 128, 16, 16, 3, 1),
  CONV (128, 128, 24, 24, 3, 1),
  CONV (56, 56, 16, 8, 3, 1),
  CONV (64, 64, 3, 64, 7, 2),
  DEPTHWISE (96, 96, 96, 3, 1, 1),
  DEPTHWISE (96, 96, 144, 3, 2, 1),
  DEPTHWISE (24, 24, 384, 3, 1, 1),
  DEPTHWISE (24, 24, 384, 3, 1, 2),
  DEPTHWISE (12, 12, 960, 3, 1, 1),
  DEPTHWISE (128, 128, 16, 3, 1, 1),
  DEPTHWISE (14, 14, 96, 3, 1, 1),
  DEPTHWISE (28, 28, 16, 3, 1, 1),
  DEPTHWISE (48, 48, 96, 5, 1, 1),
  DEPTHWISE (48, 48, 96, 5, 2, 1),
  DEPTHWISE (24, 24, 192, 7, 1, 1),
  TRANSPOSE (24, 24, 128, 64, 4, 2),
  TRANSPOSE (64, 64, 16, 16, 2, 2),
  TRANSPOSE (48, 48, 32, 32, 3, 2),
};

static double
now_seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

#if defined __x86_64__
#define FMA(n) "vfmadd231ps %%ymm15, %%ymm14, %%ymm" #n "\n\t"

/* Multiply-adds a second, in units of 1e9, of one thread with 256-bit vectors
 * when nothing else is in the way. */
static double
peak_gmacs (void)
{
  double best = 0.0;

  if (!__builtin_cpu_supports ("fma"))
    return 1.0;
  for (int round = 0; round < 20; round++) {
    double start = now_seconds ();
    for (int i = 0; i < 200000; i++)
      __asm__ volatile (FMA (0) FMA (1) FMA (2) FMA (3) FMA (4) FMA (5)
          FMA (6) FMA (7) FMA (8) FMA (9) ::: "xmm0", "xmm1", "xmm2", "xmm3",
          "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9");
    double rate = 200000.0 * 80.0 / (now_seconds () - start) * 1e-9;
    best = rate > best ? rate : best;
  }
  return best;
}
#else
static double
peak_gmacs (void)
{
  return 1.0;
}
#endif

typedef struct Bench {
  GuardedMap in, out;
  DcnnJob job;
  float *spread;
  uint8_t *verdicts;
  double macs_per_pixel;
} Bench;

static void
bench_prepare (Bench *b, const Shape *s)
{
  bool depthwise = s->primary == DCNN_PRIMARY_DEPTHWISE;
  int64_t reach = (s->kernel - 1) * s->dilation;
  DcnnConvParams params = { .groups = depthwise ? s->in_channels : 1 };
  size_t taps = (size_t) s->kernel * s->kernel;
  size_t depth = depthwise ? 1 : s->in_channels;
  size_t n = taps * depth * s->out_channels;
  float *weights = malloc (n * sizeof (float));
  Rng rng;

  rng_seed (&rng, 7);
  for (size_t i = 0; i < n; i++)
    weights[i] = rng_value (&rng, false) * 0.1f;
  params.window.rank = 2;
  for (int i = 0; i < 2; i++) {
    params.window.kernel[i] = s->kernel;
    params.window.stride[i] = s->stride;
    params.window.dilation[i] = s->dilation;
    params.window.pad_begin[i] = params.window.pad_end[i] = reach / 2;
  }
  uint32_t out_h = (s->height - 1) / s->stride + 1;
  uint32_t out_w = (s->width - 1) / s->stride + 1;
  if (s->primary == DCNN_PRIMARY_CONV_TRANSPOSE) {
    out_h = s->height * s->stride;
    out_w = s->width * s->stride;
    b->job.prepared = dcnn_k_conv_transpose_prepare (&params,
        s->out_channels, s->in_channels, s->in_channels, NULL, weights, NULL);
    taps = (size_t) s->kernel * s->kernel / (s->stride * s->stride);
  } else if (depthwise)
    b->job.prepared = dcnn_k_depthwise_prepare (&params, s->in_channels,
        weights, NULL);
  else
    b->job.prepared = dcnn_k_conv_prepare (&params, s->out_channels,
        s->in_channels, s->in_channels, NULL, weights, NULL);
  free (weights);
  b->macs_per_pixel = (double) taps * (double) depth * s->out_channels;
  GuardedShape in = { s->width, s->height, s->in_channels, false, false };
  GuardedShape out = { out_w, out_h, s->out_channels, false, false };
  guarded_init (&b->in, &rng, &in);
  guarded_init (&b->out, &rng, &out);
  guarded_randomize (&b->in, &rng, false);
  guarded_randomize (&b->out, &rng, false);
  b->spread = calloc (s->out_channels + DCNN_LANES, sizeof (float));
  for (uint32_t c = 0; c < s->out_channels; c++)
    b->spread[c] = 1.0f;
  b->verdicts = malloc ((size_t) out_w * out_h);
}

/* Seconds of the best run over n units. */
static double
time_job (const DcnnCpuKernels *kernels, const DcnnJob *job, size_t n)
{
  size_t bytes = (kernels->scratch_bytes (job) + 63) & ~(size_t) 63;
  void *scratch = aligned_alloc (64, bytes + 64);
  double best = 1e9, begin = now_seconds ();

  memset (scratch, 0, bytes + 64);
  for (int i = 0; i < 5 || now_seconds () - begin < 0.08; i++) {
    double start = now_seconds ();
    kernels->run[job->primary] (job, 0, n, scratch);
    double seconds = now_seconds () - start;
    best = seconds < best ? seconds : best;
  }
  free (scratch);
  return best;
}

static void
bench_shape (const DcnnCpuKernels *kernels, const Shape *s, double peak,
    bool csv)
{
  static const uint32_t shares[] = { 1, 5, 25, 100 };
  static const DcnnStep relu = { .kind = DCNN_STEP_RELU };
  Bench b = { .job = { .primary = s->primary, .n_steps = 1,
      .steps = &relu } };
  Rng rng;

  bench_prepare (&b, s);
  b.job.in = b.in.map;
  b.job.out = b.out.map;
  double pixels = (double) b.out.map.width * b.out.map.height;
  double dense = time_job (kernels, &b.job, b.out.map.height);
  double rate = b.macs_per_pixel * pixels / dense * 1e-9;

  if (csv)
    printf ("%s,%s,%u,%u,%u,%u,%u,%u,%u,%.3f,%.2f", kernels->isa, s->name,
        s->height, s->width, s->in_channels, s->out_channels, s->kernel,
        s->stride, s->dilation, dense * 1e6, rate);
  else
    printf ("%-7s %-9s %3ux%-3u %3u->%-3u k%u s%u d%u %9.1f us %6.1f GMAC/s "
        "%3.0f%%", kernels->isa, s->name, s->height, s->width,
        s->in_channels, s->out_channels, s->kernel, s->stride, s->dilation,
        dense * 1e6, rate, 100.0 * rate / peak);
  b.job.significance = (DcnnSignificance) {
    .kind = DCNN_SIGNIFICANT_SQUARE, .limit = 1e9f, .inv_spread = b.spread };
  b.job.verdicts = b.verdicts;
  double judged = time_job (kernels, &b.job, b.out.map.height);
  printf (csv ? ",%.3f" : "  judged %.2f  list", judged / dense);
  rng_seed (&rng, 3);
  for (size_t i = 0; i < 4; i++) {
    size_t n;
    uint32_t *list = pixel_list_new (&rng, b.out.map.width,
        b.out.map.height, shares[i], &n);
    b.job.pixels = list;
    double sparse = time_job (kernels, &b.job, n);
    printf (csv ? ",%.3f" : " %.2f", sparse / (double) n / (dense / pixels));
    free (list);
  }
  printf ("\n");
  fflush (stdout);
  guarded_clear (&b.in);
  guarded_clear (&b.out);
  dcnn_prepared_free ((DcnnPrepared *) b.job.prepared);
  free (b.spread);
  free (b.verdicts);
}

int
bench_main (int argc, char **argv)
{
  const char *isa = dcnn_cpu_kernels ()->isa, *filter = "";
  bool csv = false;

  for (int i = 1; i < argc; i++) {
    if (strcmp (argv[i], "--csv") == 0)
      csv = true;
    else if (strcmp (argv[i], "--isa") == 0 && i + 1 < argc)
      isa = argv[++i];
    else if (strcmp (argv[i], "--filter") == 0 && i + 1 < argc)
      filter = argv[++i];
  }
  dcnn_cpu_prepare_all_levels ();
  double peak = peak_gmacs () * (strcmp (isa, "avx512") == 0 ? 2.0 : 1.0);
  if (!csv)
    printf ("peak %.1f GMAC/s\n", peak);
  for (unsigned i = 0; dcnn_cpu_kernels_at (i); i++) {
    const DcnnCpuKernels *kernels = dcnn_cpu_kernels_at (i);
    if (strcmp (kernels->isa, isa) != 0)
      continue;
    for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
      char text[64];
      snprintf (text, sizeof text, "%s %ux%u %u->%u k%u", shapes[j].name,
          shapes[j].height, shapes[j].width, shapes[j].in_channels,
          shapes[j].out_channels, shapes[j].kernel);
      if (strstr (text, filter))
        bench_shape (kernels, &shapes[j], peak, csv);
    }
  }
  return 0;
}
