/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-bench --rate: how many streams are taken at so many frames a second
 * each. N streams are, where 19 of 20 batches of a frame of each are done, with
 * all results, within the time from frame to frame. */
#include "bench.h"

#include <math.h>

#define STORED 48            /* frames of each clip */
#define WARM_BATCHES 20      /* the first is dense; what is measured once comes
                                again in the 17th */
#define LEAST_BATCHES 20
#define MOST_BATCHES 60
#define PROBE_US 1500000
#define PACED_US 4000000     /* of energy, at the rate */

/* What N streams came to; milliseconds a batch. */
typedef struct RateProbe {
  guint streams;
  gboolean taken;
  double median_ms, p95_ms, device_ms, changed, mac_share;
  double joules, watts;      /* a frame, at the rate; NAN: not measured */
  guint64 session_bytes;
} RateProbe;

typedef struct RateRun {
  BenchRun *bench;
  BenchStore *store;
  BenchGpu *gpu;             /* NULL: not one, or no energy wanted */
  gboolean energy;
  double period_ms;
  GArray *probes;            /* of RateProbe, of one mode */
} RateRun;

static void
fill_batch (const RateRun *rate, DcnnSubmission *batch, guint n, guint t)
{
  for (guint i = 0; i < n; i++)
    batch[i] = (DcnnSubmission) { .stream = i,
      .frame = bench_store_frame (rate->store, i, t) };
}

static gboolean
run_batch (DcnnSession *session, const DcnnSubmission *batch, guint n,
    double *ms, double *device_ms, GError **error)
{
  gint64 start = g_get_monotonic_time (), submitted;
  if (!dcnn_session_submit (session, batch, n, error))
    return FALSE;
  submitted = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    if (!dcnn_session_wait (session, i, DCNN_WANT_ALL, error))
      return FALSE;
  *ms = (double) (g_get_monotonic_time () - start) / 1000;
  *device_ms = (double) (g_get_monotonic_time () - submitted) / 1000;
  return TRUE;
}

static void
take_shares (RateProbe *probe, DcnnSession *session)
{
  double done = 0, dense = 0;
  probe->changed = 0;
  for (guint i = 0; i < probe->streams; i++) {
    DcnnFrameStats stats;
    dcnn_session_get_stats (session, i, &stats);
    probe->changed += stats.changed_share / probe->streams;
    done += (double) stats.macs_done;
    dense += (double) stats.macs_dense;
  }
  probe->mac_share = dense > 0 ? done / dense : 0;
}

/* Joules a frame, and watts, with batches at their rate. */
static gboolean
measure_energy (const RateRun *rate, RateProbe *probe, DcnnSession *session,
    DcnnSubmission *batch, GError **error)
{
  gint64 start = g_get_monotonic_time (), due = start;
  double before = bench_gpu_joules (rate->gpu), ms, device_ms;
  guint batches = 0;
  while (g_get_monotonic_time () - start < PACED_US) {
    gint64 early = due - g_get_monotonic_time ();
    if (early > 0)
      g_usleep ((gulong) early);
    due += (gint64) (rate->period_ms * 1000);
    fill_batch (rate, batch, probe->streams, batches++);
    if (!run_batch (session, batch, probe->streams, &ms, &device_ms, error))
      return FALSE;
  }
  double joules = bench_gpu_joules (rate->gpu) - before;
  probe->joules = joules / batches / probe->streams;
  probe->watts = joules * 1e6 / (double) (g_get_monotonic_time () - start);
  return TRUE;
}

/* Measures N streams in a session of their own. last: the answer, of which the
 * energy is measured too. */
static gboolean
probe_streams (RateRun *rate, DcnnMode mode, guint n, gboolean last,
    RateProbe *probe, GError **error)
{
  g_autoptr (DcnnSession) session = bench_session_new (rate->bench, mode, n,
      error);
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) device = g_array_new (FALSE, FALSE, sizeof (double));
  g_autofree DcnnSubmission *batch = g_new0 (DcnnSubmission, n);
  gint64 start = 0;
  *probe = (RateProbe) { .streams = n, .joules = NAN, .watts = NAN };
  if (!session)
    return FALSE;
  probe->session_bytes = dcnn_session_get_bytes (session);
  for (guint t = 0; t < WARM_BATCHES + MOST_BATCHES; t++) {
    double ms, device_ms;
    if (t == WARM_BATCHES)
      start = g_get_monotonic_time ();
    if (t >= WARM_BATCHES + LEAST_BATCHES
        && g_get_monotonic_time () - start > PROBE_US)
      break;
    fill_batch (rate, batch, n, t);
    if (!run_batch (session, batch, n, &ms, &device_ms, error))
      return FALSE;
    if (t < WARM_BATCHES)
      continue;
    g_array_append_val (all, ms);
    g_array_append_val (device, device_ms);
  }
  take_shares (probe, session);
  probe->median_ms = bench_quantile (all, 0.5);
  probe->p95_ms = bench_quantile (all, 0.95);
  probe->device_ms = bench_quantile (device, 0.5);
  probe->taken = probe->p95_ms <= rate->period_ms;
  return !last || !rate->energy
      || measure_energy (rate, probe, session, batch, error);
}

/* Out of memory is an answer: so many streams are not taken. */
static gboolean
try_streams (RateRun *rate, DcnnMode mode, guint n, gboolean last,
    RateProbe *probe, GError **error)
{
  GError *cause = NULL;
  if (!probe_streams (rate, mode, n, last, probe, &cause)) {
    if (!g_error_matches (cause, DCNN_ERROR, DCNN_ERROR_MEMORY)) {
      g_propagate_error (error, cause);
      return FALSE;
    }
    g_clear_error (&cause);
    *probe = (RateProbe) { .streams = n, .median_ms = NAN, .p95_ms = NAN,
      .device_ms = NAN, .joules = NAN, .watts = NAN };
  }
  g_array_append_val (rate->probes, *probe);
  if (!rate->bench->options->quiet)
    g_printerr ("%s %u streams: %.1f ms, 19 of 20 under %.1f\n",
        mode == DCNN_MODE_DENSE ? "dense" : "sparse", n, probe->median_ms,
        probe->p95_ms);
  return TRUE;
}

/* The most streams that are taken, to a sixteenth: by doubling, then by
 * halving what is left. */
static gboolean
search (RateRun *rate, DcnnMode mode, RateProbe *best, GError **error)
{
  guint most = rate->bench->options->streams > 0 ?
      (guint) rate->bench->options->streams : 1024;
  guint good = 0, bad = most + 1, n = 1;
  RateProbe probe;
  *best = (RateProbe) { .median_ms = NAN, .p95_ms = NAN, .device_ms = NAN,
    .joules = NAN, .watts = NAN };
  while (bad - good > MAX (1, good / 16)) {
    if (!try_streams (rate, mode, n, FALSE, &probe, error))
      return FALSE;
    if (probe.taken)
      *best = probe;
    *(probe.taken ? &good : &bad) = n;
    n = bad > most && 2 * good <= most ? MAX (1, 2 * good) :
        bad > most ? most : (good + bad) / 2;
    if (good == most)
      break;
  }
  return good == 0 || !rate->energy
      || try_streams (rate, mode, good, TRUE, best, error);
}

/* ---- results --------------------------------------------------------------- */

static void
print_best (const RateRun *rate, const char *mode, const RateProbe *best)
{
  g_print ("%-7s %4u streams", mode, best->streams);
  if (best->streams)
    g_print ("  %.1f ms a batch (19 of 20 under %.1f; %.1f after submission), "
        "%.1f %% of the work", best->median_ms, best->p95_ms, best->device_ms,
        100 * best->mac_share);
  if (rate->energy && !isnan (best->joules))
    g_print (", %.4f J a frame, %.0f W", best->joules, best->watts);
  g_print ("\n");
}

/* What was not measured is left out. */
static void
json_measured (JsonBuilder *builder, const char *name, double value)
{
  if (!isnan (value))
    tool_json_double (builder, name, value);
}

static void
json_probe (JsonBuilder *builder, const RateProbe *probe)
{
  tool_json_int (builder, "streams", probe->streams);
  json_measured (builder, "batch_ms", probe->median_ms);
  json_measured (builder, "batch_p95_ms", probe->p95_ms);
  json_measured (builder, "device_ms", probe->device_ms);
  tool_json_double (builder, "changed_share", probe->changed);
  tool_json_double (builder, "mac_share", probe->mac_share);
  tool_json_int (builder, "session_bytes", (gint64) probe->session_bytes);
  json_measured (builder, "joules_per_frame", probe->joules);
  json_measured (builder, "watts", probe->watts);
}

static void
json_mode (const RateRun *rate, const char *mode, const RateProbe *best,
    JsonBuilder *builder)
{
  json_builder_begin_object (builder);
  tool_json_string (builder, "mode", mode);
  json_probe (builder, best);
  json_builder_set_member_name (builder, "probes");
  json_builder_begin_array (builder);
  for (guint i = 0; i < rate->probes->len; i++) {
    const RateProbe *probe = &g_array_index (rate->probes, RateProbe, i);
    json_builder_begin_object (builder);
    json_probe (builder, probe);
    json_builder_set_member_name (builder, "taken");
    json_builder_add_boolean_value (builder, probe->taken);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static void
json_head (const RateRun *rate, JsonBuilder *builder)
{
  const BenchRun *run = rate->bench;
  g_autofree char *model = g_path_get_basename (run->model_path);
  tool_json_string (builder, "model", model);
  tool_json_string (builder, "version", DCNN_VERSION);
  bench_json_device (run, builder);
  tool_json_int (builder, "threads", run->threads);
  tool_json_int (builder, "width", run->summary.input_width);
  tool_json_int (builder, "height", run->summary.input_height);
  tool_json_int (builder, "macs", (gint64) run->summary.macs);
  tool_json_double (builder, "threshold", run->tuning.threshold);
  tool_json_double (builder, "rate", run->options->rate);
  tool_json_string (builder, "pictures",
      bench_store_frame (rate->store, 0, 0)->memory == DCNN_MEMORY_HOST ?
      "host" : "device");
  json_builder_set_member_name (builder, "clips");
  json_builder_begin_array (builder);
  for (guint i = 0; run->options->clips[i]; i++) {
    g_autofree char *clip = g_path_get_basename (run->options->clips[i]);
    tool_json_text (builder, clip);
  }
  json_builder_end_array (builder);
}

/* Where pictures lie and who counts energy. */
static gboolean
rate_open (RateRun *rate, GError **error)
{
  const BenchOptions *options = rate->bench->options;
  g_autoptr (DcnnSession) session = bench_session_new (rate->bench,
      DCNN_MODE_AUTO, 1, error); /* says what it runs on */
  gboolean on_gpu = session && bench_gpu_serves (rate->bench->device);
  guint n = options->frames > 0 ? (guint) options->frames : STORED;
  rate->energy = options->energy;
  if (!session)
    return FALSE;
  if (on_gpu || rate->energy) {
    rate->gpu = bench_gpu_new (options->device, error);
    if (!rate->gpu
        || (rate->energy && !bench_gpu_open_energy (rate->gpu, error)))
      return FALSE;
  }
  rate->store = bench_store_new (g_strv_length (options->clips));
  for (guint i = 0; options->clips[i]; i++)
    if (!bench_store_read (rate->store, i, options->clips[i],
            (guint) options->skip, n, on_gpu && !options->host_pictures ?
            rate->gpu : NULL, error))
      return FALSE;
  return TRUE;
}

static gboolean
measure_modes (RateRun *rate, JsonBuilder *builder, GError **error)
{
  static const char *const names[] = { "sparse", "dense" };
  const BenchOptions *options = rate->bench->options;
  gboolean show = g_strcmp0 (options->json, "-") != 0;
  for (guint i = 0; i < 2; i++) {
    RateProbe best;
    if (options->mode == (i ? BENCH_SPARSE : BENCH_DENSE))
      continue;
    g_array_set_size (rate->probes, 0);
    if (!search (rate, i ? DCNN_MODE_DENSE : DCNN_MODE_AUTO, &best, error))
      return FALSE;
    if (show)
      print_best (rate, names[i], &best);
    json_mode (rate, names[i], &best, builder);
  }
  return TRUE;
}

gboolean
bench_rate (BenchRun *run, const BenchOptions *options, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  RateRun rate = { .bench = run, .period_ms = 1000 / options->rate,
    .probes = g_array_new (FALSE, FALSE, sizeof (RateProbe)) };
  gboolean good = bench_open_model (run, options, error)
      && rate_open (&rate, error);
  if (good) {
    json_builder_begin_object (builder);
    json_head (&rate, builder);
    json_builder_set_member_name (builder, "points");
    json_builder_begin_array (builder);
    good = measure_modes (&rate, builder, error);
    json_builder_end_array (builder);
    json_builder_end_object (builder);
  }
  if (good && options->json)
    good = tool_json_write (builder, options->json, error);
  g_clear_pointer (&rate.store, bench_store_free);
  g_clear_pointer (&rate.gpu, bench_gpu_free);
  g_array_unref (rate.probes);
  return good;
}
