/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-bench --streams: frames of many videos as one batch, submitted and
 * waited for together, for each share of changed pixels. */
#include "bench.h"

#include <math.h>
#include <string.h>

#define WARM_BATCHES 20
#define BATCHES 100
#define ENERGY_FRAMES 8      /* of each stream */
#define ENERGY_US 3000000

/* What the streams show. */
typedef struct BatchVideo {
  const BenchOptions *options;
  guint n, width, height;
  ToolSource **sources;      /* clips: [n]; NULL: moving squares */
  guint8 *still, *pictures;  /* squares over noise: the one below all, [n] */
  double share;
  BenchGpu *gpu;             /* counts energy; NULL: not asked for */
} BatchVideo;

/* Figures of one session at one share; times are milliseconds a batch. */
typedef struct BatchPoint {
  double share;              /* asked for; < 0: clips */
  GArray *batch_ms, *device_ms; /* gdouble: the whole; after submit */
  double changed, macs_done, macs_dense; /* sums */
  guint64 frames, dense_frames;
  DcnnNodeStats *nodes;      /* [n_nodes], sums over streams */
  double joules, watts;      /* a frame; NAN: not measured */
} BatchPoint;

/* ---- pictures ------------------------------------------------------------ */

/* A still picture of noise with a square of new noise for this batch: half of
 * the share where the square is, half where it was. */
static void
paint (const BatchVideo *video, guint stream, guint batch)
{
  guint w = video->width, h = video->height;
  gsize bytes = (gsize) w * h * 3;
  guint8 *picture = video->pictures + stream * bytes;
  guint side = (guint) (sqrt (video->share / 2 * w * h) + 0.5);
  g_autoptr (GRand) rand =
      g_rand_new_with_seed (batch * 4099 + stream + 1);
  guint x0, y0;
  memcpy (picture, video->still, bytes);
  if (video->share >= 1)
    side = MAX (w, h);
  x0 = side < w ? (guint) g_rand_int_range (rand, 0, (gint) (w - side + 1)) : 0;
  y0 = side < h ? (guint) g_rand_int_range (rand, 0, (gint) (h - side + 1)) : 0;
  for (guint y = y0; y < MIN (h, y0 + side); y++)
    for (guint x = x0 * 3; x < MIN (w, x0 + side) * 3; x++)
      picture[(gsize) y * w * 3 + x] = (guint8) g_rand_int (rand);
}

/* Clips take turns; those shown twice begin at other frames, and all begin
 * anew at their end. */
static const char *
clip_of (const BatchVideo *video, guint stream)
{
  return video->options->clips[
      stream % g_strv_length (video->options->clips)];
}

static gboolean
next_of_clip (BatchVideo *video, guint i, DcnnFrame *frame, GError **error)
{
  GError *cause = NULL;
  if (tool_source_next (video->sources[i], frame, &cause))
    return TRUE;
  if (!cause) {
    g_clear_pointer (&video->sources[i], tool_source_free);
    video->sources[i] = tool_source_open (clip_of (video, i), error);
    if (!video->sources[i])
      return FALSE;
    if (tool_source_next (video->sources[i], frame, &cause))
      return TRUE;
  }
  if (!cause)
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE, "%s holds no frame",
        clip_of (video, i));
  else
    g_propagate_error (error, cause);
  return FALSE;
}

static gboolean
open_clips (BatchVideo *video, GError **error)
{
  guint n_clips = g_strv_length (video->options->clips);
  video->sources = g_new0 (ToolSource *, video->n);
  for (guint i = 0; i < video->n; i++) {
    DcnnFrame frame;
    video->sources[i] = tool_source_open (clip_of (video, i), error);
    if (!video->sources[i])
      return FALSE;
    for (guint k = 0; k < (guint) video->options->skip + i / n_clips * 7; k++)
      if (!next_of_clip (video, i, &frame, error))
        return FALSE;
  }
  return TRUE;
}

static gboolean
video_open (BatchVideo *video, const BenchRun *run, GError **error)
{
  gsize bytes;
  *video = (BatchVideo) { .options = run->options,
    .n = (guint) run->options->streams, .width = run->summary.input_width,
    .height = run->summary.input_height };
  if (run->options->energy) {
    video->gpu = bench_gpu_new (run->options->device, error);
    if (!video->gpu || !bench_gpu_open_energy (video->gpu, error))
      return FALSE;
  }
  if (run->options->clips)
    return open_clips (video, error);
  bytes = (gsize) video->width * video->height * 3;
  video->still = g_malloc (bytes);
  video->pictures = g_malloc (bytes * video->n);
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  for (gsize i = 0; i < bytes; i++)
    video->still[i] = (guint8) g_rand_int (rand);
  return TRUE;
}

static void
video_clear (BatchVideo *video)
{
  for (guint i = 0; video->sources && i < video->n; i++)
    g_clear_pointer (&video->sources[i], tool_source_free);
  g_free (video->sources);
  g_clear_pointer (&video->gpu, bench_gpu_free);
  g_free (video->still);
  g_free (video->pictures);
}

static gboolean
video_next (BatchVideo *video, guint batch, DcnnFrame *frames, GError **error)
{
  gsize bytes = (gsize) video->width * video->height * 3;
  for (guint i = 0; i < video->n; i++) {
    if (video->sources) {
      if (!next_of_clip (video, i, &frames[i], error))
        return FALSE;
      continue;
    }
    paint (video, i, batch);
    frames[i] = (DcnnFrame) { .format = DCNN_FORMAT_RGB,
      .width = video->width, .height = video->height,
      .planes = { video->pictures + i * bytes },
      .strides = { (gint) video->width * 3 } };
  }
  return TRUE;
}

/* ---- measuring ------------------------------------------------------------ */

/* Outputs are taken behind the clock, so that each frame packs its own changes: of what
 * nobody ever took, a device packs all again, and what dense peers are timed for is left
 * on the device, too. */
static gboolean
run_batch (DcnnSession *session, const DcnnFrame *frames, guint n,
    double *batch_ms, double *device_ms, GError **error)
{
  g_autofree DcnnSubmission *s = g_new0 (DcnnSubmission, n);
  gint64 start, submitted, end;
  for (guint i = 0; i < n; i++)
    s[i] = (DcnnSubmission) { .stream = i, .frame = &frames[i] };
  start = g_get_monotonic_time ();
  if (!dcnn_session_submit (session, s, n, error))
    return FALSE;
  submitted = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    if (!dcnn_session_wait (session, i, DCNN_WANT_STATS, error))
      return FALSE;
  end = g_get_monotonic_time ();
  *batch_ms = (double) (end - start) / 1000;
  *device_ms = (double) (end - submitted) / 1000;
  for (guint i = 0; i < n; i++)
    if (!dcnn_session_wait (session, i, DCNN_WANT_OUTPUTS, error))
      return FALSE;
  return TRUE;
}

static void
record (BatchPoint *point, DcnnSession *session, guint n, double batch_ms,
    double device_ms)
{
  g_array_append_val (point->batch_ms, batch_ms);
  g_array_append_val (point->device_ms, device_ms);
  for (guint i = 0; i < n; i++) {
    DcnnFrameStats stats;
    dcnn_session_get_stats (session, i, &stats);
    point->frames++;
    point->dense_frames += stats.dense ? 1 : 0;
    point->changed += stats.changed_share;
    point->macs_done += (double) stats.macs_done;
    point->macs_dense += (double) stats.macs_dense;
  }
}

static void
point_init (BatchPoint *point, double share)
{
  *point = (BatchPoint) { .share = share, .joules = NAN, .watts = NAN };
  point->batch_ms = g_array_new (FALSE, FALSE, sizeof (double));
  point->device_ms = g_array_new (FALSE, FALSE, sizeof (double));
}

static void
point_clear (BatchPoint *point)
{
  g_clear_pointer (&point->batch_ms, g_array_unref);
  g_clear_pointer (&point->device_ms, g_array_unref);
  g_clear_pointer (&point->nodes, g_free);
}

static void
take_nodes (BatchPoint *point, const BenchRun *run, DcnnSession *session)
{
  guint n = run->summary.n_nodes;
  point->nodes = g_new0 (DcnnNodeStats, n + 1);
  for (guint i = 0; i < n; i++) {
    for (guint s = 0; s < (guint) run->options->streams; s++) {
      DcnnNodeStats stats;
      dcnn_session_get_node_stats (session, s, i, &stats);
      point->nodes[i].candidates += stats.candidates;
      point->nodes[i].joined += stats.joined;
      point->nodes[i].macs_done += stats.macs_done;
      point->nodes[i].time_ns += stats.time_ns;
      point->nodes[i].dense_frames += stats.dense_frames;
    }
  }
}

/* Batches one after the other for some seconds, with pictures that are ready:
 * what the GPU takes meanwhile, over their frames. */
static gboolean
measure_energy (const BatchVideo *video, const BenchStore *store,
    DcnnSession *session, BatchPoint *point, GError **error)
{
  g_autofree DcnnFrame *frames = g_new0 (DcnnFrame, video->n);
  gint64 start = 0;
  double before = 0, ms, device_ms;
  guint batches = 0;
  for (guint t = 0; t < WARM_BATCHES || g_get_monotonic_time () - start <
      ENERGY_US; t++) {
    if (t == WARM_BATCHES) {
      start = g_get_monotonic_time ();
      before = bench_gpu_joules (video->gpu);
    }
    for (guint i = 0; i < video->n; i++)
      frames[i] = *bench_store_frame (store, i, t);
    if (!run_batch (session, frames, video->n, &ms, &device_ms, error))
      return FALSE;
    batches += t >= WARM_BATCHES;
  }
  double joules = bench_gpu_joules (video->gpu) - before;
  point->joules = joules / batches / video->n;
  point->watts = joules * 1e6 / (double) (g_get_monotonic_time () - start);
  return TRUE;
}

/* Of each session on its own. */
static gboolean
measure_energies (const BenchRun *run, BatchVideo *video, BatchPoint *points,
    GError **error)
{
  DcnnSession *sessions[2] = { run->sparse, run->dense };
  g_autofree DcnnFrame *frames = g_new0 (DcnnFrame, video->n);
  BenchStore *store = bench_store_new (video->n);
  gboolean good = TRUE;
  for (guint k = 0; k < ENERGY_FRAMES && good; k++) {
    good = video_next (video, k, frames, error);
    for (guint i = 0; i < video->n && good; i++)
      good = bench_store_add (store, i, &frames[i], NULL, error);
  }
  for (guint i = 0; i < 2 && good; i++)
    good = !sessions[i] || measure_energy (video, store, sessions[i],
        &points[i], error);
  bench_store_free (store);
  return good;
}

/* One share, through the sparse session (points[0]) and the dense (points[1]),
 * where there are these, in turn. */
static gboolean
measure_share (BenchRun *run, BatchVideo *video, BatchPoint *points,
    GError **error)
{
  DcnnSession *sessions[2] = { run->sparse, run->dense };
  guint batches = run->options->frames > 0 ? (guint) run->options->frames :
      BATCHES;
  g_autofree DcnnFrame *frames = g_new0 (DcnnFrame, video->n);
  for (guint i = 0; i < 2 * video->n; i++) /* each share on its own */
    if (sessions[i % 2])
      dcnn_session_reset (sessions[i % 2], i / 2);
  for (guint k = 0; k < batches + WARM_BATCHES; k++) {
    if (!video_next (video, k, frames, error))
      return FALSE;
    for (guint i = 0; i < 2; i++) {
      double batch_ms, device_ms;
      if (!sessions[i])
        continue;
      if (k == WARM_BATCHES)
        dcnn_session_clear_stats (sessions[i]);
      if (!run_batch (sessions[i], frames, video->n, &batch_ms, &device_ms,
              error))
        return FALSE;
      if (k >= WARM_BATCHES)
        record (&points[i], sessions[i], video->n, batch_ms, device_ms);
    }
  }
  for (guint i = 0; i < 2; i++)
    if (sessions[i])
      take_nodes (&points[i], run, sessions[i]);
  return !video->gpu || measure_energies (run, video, points, error);
}

/* ---- results ---------------------------------------------------------------- */

static double
share_of (double part, double whole)
{
  return whole > 0 ? part / whole : 0;
}

static void
print_head (const BenchRun *run)
{
  g_autofree char *model = g_path_get_basename (run->model_path);
  g_autofree char *macs = tool_format_count (run->summary.macs);
  g_autofree char *state = tool_format_bytes (run->session_bytes);
  g_print ("%s at %ux%u (%s MAC) on %s, %d streams, %s a session\n"
      "Milliseconds a batch of one frame of each stream: medians of the whole,\n"
      "and of what is left once the host has submitted it; outputs are taken\n"
      "behind the clock.\n\n"
      "%9s %9s %8s %9s %9s %9s %9s\n", model, run->summary.input_width,
      run->summary.input_height, macs, run->device, run->options->streams,
      state, "share", "changed", "work", "sparse", "after", "dense", "after");
}

static void
print_share (const BatchPoint *points)
{
  const BatchPoint *p = points[0].frames ? &points[0] : &points[1];
  g_autofree char *share = p->share < 0 ? g_strdup ("clips") :
      g_strdup_printf ("%.1f %%", 100 * p->share);
  g_print ("%9s %7.2f %% %6.1f %%", share,
      100 * share_of (p->changed, (double) p->frames),
      100 * share_of (p->macs_done, p->macs_dense));
  for (guint i = 0; i < 2; i++) {
    if (points[i].frames)
      g_print (" %9.3f %9.3f", bench_quantile (points[i].batch_ms, 0.5),
          bench_quantile (points[i].device_ms, 0.5));
    else
      g_print (" %9s %9s", "-", "-");
  }
  for (guint i = 0; i < 2; i++)
    if (!isnan (points[i].joules))
      g_print ("\n%9s %s: %.4f J a frame, %.0f W", "", i ? "dense" : "sparse",
          points[i].joules, points[i].watts);
  g_print ("\n");
}

static void
json_point_nodes (const BenchRun *run, const BatchPoint *point,
    JsonBuilder *builder)
{
  double frames = (double) MAX (point->frames, 1);
  json_builder_set_member_name (builder, "nodes");
  json_builder_begin_array (builder);
  for (guint i = 0; i < run->summary.n_nodes; i++) {
    const DcnnNodeStats *stats = &point->nodes[i];
    DcnnNodeInfo info;
    dcnn_model_get_node (run->model, i, &info);
    json_builder_begin_object (builder);
    tool_json_string (builder, "name", info.name);
    tool_json_string (builder, "ops", info.ops);
    tool_json_int (builder, "macs", (gint64) info.macs);
    tool_json_double (builder, "candidate_share", stats->candidates / frames);
    tool_json_double (builder, "joined_share", stats->joined / frames);
    tool_json_double (builder, "mac_share", share_of (
            (double) stats->macs_done, (double) info.macs * frames));
    tool_json_double (builder, "dense_frame_share",
        (double) stats->dense_frames / frames);
    tool_json_double (builder, "ms", (double) stats->time_ns / 1e6 / frames);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}

static void
json_point (const BenchRun *run, const BatchPoint *point, const char *mode,
    JsonBuilder *builder)
{
  json_builder_begin_object (builder);
  tool_json_string (builder, "mode", mode);
  if (point->share >= 0)
    tool_json_double (builder, "synthetic", point->share);
  tool_json_int (builder, "frames", (gint64) point->frames);
  tool_json_int (builder, "dense_frames", (gint64) point->dense_frames);
  tool_json_double (builder, "changed_share",
      share_of (point->changed, (double) point->frames));
  tool_json_double (builder, "mac_share",
      share_of (point->macs_done, point->macs_dense));
  tool_json_double (builder, "batch_ms",
      bench_quantile (point->batch_ms, 0.5));
  tool_json_double (builder, "batch_p10_ms",
      bench_quantile (point->batch_ms, 0.1));
  tool_json_double (builder, "batch_p90_ms",
      bench_quantile (point->batch_ms, 0.9));
  tool_json_double (builder, "device_ms",
      bench_quantile (point->device_ms, 0.5));
  if (!isnan (point->joules)) {
    tool_json_double (builder, "joules_per_frame", point->joules);
    tool_json_double (builder, "watts", point->watts);
  }
  json_point_nodes (run, point, builder);
  json_builder_end_object (builder);
}

static gboolean
write_json (const BenchRun *run, const GArray *points, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *model = g_path_get_basename (run->model_path);
  json_builder_begin_object (builder);
  tool_json_string (builder, "model", model);
  tool_json_string (builder, "version", DCNN_VERSION);
  bench_json_device (run, builder);
  tool_json_int (builder, "streams", run->options->streams);
  tool_json_int (builder, "threads", run->threads);
  tool_json_int (builder, "width", run->summary.input_width);
  tool_json_int (builder, "height", run->summary.input_height);
  tool_json_int (builder, "macs", (gint64) run->summary.macs);
  tool_json_int (builder, "session_bytes", (gint64) run->session_bytes);
  tool_json_double (builder, "threshold", run->tuning.threshold);
  json_builder_set_member_name (builder, "points");
  json_builder_begin_array (builder);
  for (guint i = 0; i < points->len; i++) {
    const BatchPoint *point = &g_array_index (points, BatchPoint, i);
    if (point->frames)
      json_point (run, point, i % 2 ? "dense" : "sparse", builder);
  }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return tool_json_write (builder, run->options->json, error);
}

gboolean
bench_batch (BenchRun *run, const BenchOptions *options, GError **error)
{
  gboolean quiet = g_strcmp0 (options->json, "-") == 0;
  guint n_shares = options->clips ? 1 : options->shares->len;
  g_autoptr (GArray) points = g_array_sized_new (FALSE, TRUE,
      sizeof (BatchPoint), 2 * n_shares);
  BatchVideo video = { 0 };
  gboolean good;
  g_array_set_clear_func (points, (GDestroyNotify) point_clear);
  good = bench_open (run, options, error) && video_open (&video, run, error);
  if (good && !quiet)
    print_head (run);
  for (guint i = 0; good && i < n_shares; i++) {
    BatchPoint pair[2];
    video.share = options->clips ? -1 :
        g_array_index (options->shares, double, i);
    point_init (&pair[0], video.share);
    point_init (&pair[1], video.share);
    g_array_append_vals (points, pair, 2);
    good = measure_share (run, &video,
        &g_array_index (points, BatchPoint, 2 * i), error);
    if (good && !quiet)
      print_share (&g_array_index (points, BatchPoint, 2 * i));
  }
  if (good && options->json)
    good = write_json (run, points, error);
  video_clear (&video);
  return good;
}
