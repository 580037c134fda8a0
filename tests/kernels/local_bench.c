/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_bench.c - time of the primaries that are no convolutions: dense over
 * the whole map and a list of a tenth of its pixels; bytes are those of input
 * and output pixels, each once.
 */
#include "local_test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static double
seconds (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static double
time_job (const DcnnCpuKernels *kernels, const DcnnJob *job, size_t n)
{
  void *scratch = aligned_alloc (64, (kernels->scratch_bytes (job) + 63) / 64 * 64);
  double best = 1e9;
  for (int round = 0; round < 12; round++) {
    double t = seconds ();
    kernels->run[job->primary] (job, 0, n, scratch);
    t = seconds () - t;
    best = t < best ? t : best;
  }
  free (scratch);
  return best;
}

static void
bench_one (const char *name, DcnnPrimary primary, DcnnPrepared *prepared,
    uint32_t in_size, uint32_t in_channels, uint32_t out_size,
    uint32_t out_channels, bool add_relu)
{
  const DcnnCpuKernels *kernels;
  Rng rng;
  GuardedMap in, out;
  GuardedShape in_shape = { in_size, in_size, in_channels, false, false };
  GuardedShape out_shape = { out_size, out_size, out_channels, false, false };
  rng_seed (&rng, 1);
  guarded_init (&in, &rng, &in_shape);
  guarded_init (&out, &rng, &out_shape);
  guarded_randomize (&in, &rng, false);
  guarded_randomize (&out, &rng, false);
  size_t n, pixels = (size_t) out_size * out_size;
  uint32_t *list = pixel_list_new (&rng, out_size, out_size, 10, &n);
  uint8_t *verdicts = malloc (pixels);
  float *inv = calloc (out_channels + 32, sizeof *inv);
  const DcnnStep steps[] = { { .kind = DCNN_STEP_ADD,
      .operand = DCNN_OPERAND_MAP, .map = in.map }, { .kind = DCNN_STEP_RELU } };
  DcnnJob job = { .primary = primary, .prepared = prepared, .in = in.map,
    .out = out.map, .n_steps = add_relu ? 2 : 0, .steps = steps,
    .verdicts = verdicts };
  double bytes = 4.0 * (double) in_size * in_size * in.pixel_floats
      + 4.0 * (double) pixels * out.pixel_floats;
  for (unsigned i = 0; (kernels = dcnn_cpu_kernels_at (i)); i++) {
    job.pixels = NULL;
    job.significance.kind = DCNN_SIGNIFICANT_ALWAYS;
    double dense = time_job (kernels, &job, out_size);
    job.pixels = list;
    job.significance = (DcnnSignificance) { DCNN_SIGNIFICANT_SQUARE, 1, inv };
    double sparse = time_job (kernels, &job, n);
    printf ("%-26s %3ux%-4u -> %3ux%-4u %-6s dense %8.1f us %5.1f GB/s   10%%: "
        "%7.1f us\n", name, in_size, in_channels, out_size, out_channels,
        kernels->isa, dense * 1e6, bytes / dense * 1e-9, sparse * 1e6);
  }
  free (list);
  free (verdicts);
  free (inv);
  guarded_clear (&in);
  guarded_clear (&out);
  dcnn_prepared_free (prepared);
}

static void
bench_pool (const char *name, int64_t kernel, int64_t stride, uint32_t size,
    uint32_t channels, bool maximum)
{
  DcnnPoolParams p = { .window = { 2, { kernel, kernel }, { stride, stride },
      { 1, 1 }, { (kernel - 1) / 2, (kernel - 1) / 2 }, { kernel / 2, kernel / 2 } } };
  bench_one (name, maximum ? DCNN_PRIMARY_MAX_POOL : DCNN_PRIMARY_AVERAGE_POOL,
      dcnn_k_pool_prepare (&p, channels), size, channels,
      size / (uint32_t) stride, channels, false);
}

static void
bench_resize (uint32_t size, uint32_t channels, uint32_t taps)
{
  uint32_t n = 2 * size, *index = calloc (n * taps, sizeof *index);
  float *weight = calloc (n * taps, sizeof *weight);
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t k = 0; k < taps; k++) {
      int32_t at = (int32_t) ((i + 1) / 2 + k) - (int32_t) taps / 2;
      index[i * taps + k] = at < 0 ? 0 : at >= (int32_t) size ? size - 1
          : (uint32_t) at;
      weight[i * taps + k] = 1.0f / (float) taps;
    }
  bench_one (taps == 2 ? "resize linear x2" : "resize cubic x2",
      DCNN_PRIMARY_RESIZE, dcnn_k_resize_prepare (channels, n, taps, index,
          weight, n, taps, index, weight), size, channels, n, channels, false);
  if (taps == 2) {
    for (uint32_t i = 0; i < n; i++)
      index[i] = i / 2;
    bench_one ("resample nearest x2", DCNN_PRIMARY_RESAMPLE,
        dcnn_k_resample_prepare (channels, n, index, n, index, 0), size,
        channels, n, channels, false);
  }
  free (index);
  free (weight);
}

int
local_bench (void)
{
  uint32_t shuffle[128];
  DcnnDepthParams dcr = { 2, false }, crd = { 2, true };
  for (uint32_t c = 0; c < 128; c++)
    shuffle[c] = c / 2 + c % 2 * 64;
  bench_pool ("max pool 2x2 s2", 2, 2, 96, 64, true);
  bench_pool ("max pool 3x3 s2", 3, 2, 96, 64, true);
  bench_pool ("max pool 13x13", 13, 1, 20, 128, true);
  bench_pool ("average pool 3x3 s2", 3, 2, 96, 64, false);
  bench_one ("copy", DCNN_PRIMARY_COPY, dcnn_k_copy_prepare (64, NULL, 0), 96,
      64, 96, 64, false);
  bench_one ("copy + add + relu", DCNN_PRIMARY_COPY,
      dcnn_k_copy_prepare (64, NULL, 0), 96, 64, 96, 64, true);
  bench_one ("copy, channel shuffle", DCNN_PRIMARY_COPY,
      dcnn_k_copy_prepare (128, shuffle, 0), 48, 128, 48, 128, false);
  bench_resize (48, 64, 2);
  bench_resize (48, 64, 4);
  bench_one ("space to depth 2", DCNN_PRIMARY_SPACE_TO_DEPTH,
      dcnn_k_space_to_depth_prepare (2, 3), 384, 3, 192, 12, false);
  bench_one ("depth to space 2", DCNN_PRIMARY_DEPTH_TO_SPACE,
      dcnn_k_depth_to_space_prepare (&dcr, 32), 48, 128, 96, 32, false);
  bench_one ("depth to space 2, crd", DCNN_PRIMARY_DEPTH_TO_SPACE,
      dcnn_k_depth_to_space_prepare (&crd, 32), 48, 128, 96, 32, false);
  bench_one ("softmax", DCNN_PRIMARY_SOFTMAX, dcnn_k_softmax_prepare (21, false),
      96, 21, 96, 21, false);
  bench_one ("arg max", DCNN_PRIMARY_ARG_MAX, dcnn_k_arg_max_prepare (21, false),
      96, 21, 96, 1, false);
  bench_one ("channel mean", DCNN_PRIMARY_CHANNEL_REDUCE,
      dcnn_k_channel_reduce_prepare (64, DCNN_CHANNEL_MEAN), 96, 64, 96, 1, false);
  bench_one ("layer norm", DCNN_PRIMARY_LAYER_NORM,
      dcnn_k_layer_norm_prepare (96, 1e-5f, NULL, NULL), 48, 96, 48, 96, false);
  return 0;
}
