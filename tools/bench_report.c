/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The figures of a run, for people and as JSON. */
#include "bench.h"

#include <string.h>

#define SLOWEST 12

static guint64
measured_frames (const BenchRun *run)
{
  return run->frames ? run->frames - 1 : 0;
}

static double
sparse_ms (const BenchRun *run)
{
  const GArray *from = run->sparse ? run->sparse_ms : run->dense_ms;
  return bench_quantile (from, 0.5);
}

static double
mac_share (const BenchRun *run)
{
  return run->macs_dense ? (double) run->macs_done / (double) run->macs_dense
      : 1;
}

/* ---- nodes ------------------------------------------------------------- */

typedef struct NodeFigures {
  guint index;
  DcnnNodeInfo info;
  double sparse_ms, dense_ms; /* means a frame */
  double candidates, joined, mac_share, dense_share;
} NodeFigures;

static void
node_figures (const BenchRun *run, guint i, NodeFigures *out)
{
  DcnnNodeStats stats;
  double frames = (double) MAX (measured_frames (run), 1);
  memset (out, 0, sizeof *out);
  out->index = i;
  dcnn_model_get_node (run->model, i, &out->info);
  if (run->dense) {
    dcnn_session_get_node_stats (run->dense, 0, i, &stats);
    out->dense_ms = (double) stats.time_ns / 1e6 / frames;
  }
  if (!run->sparse)
    return;
  dcnn_session_get_node_stats (run->sparse, 0, i, &stats);
  out->sparse_ms = (double) stats.time_ns / 1e6 / frames;
  out->candidates = stats.candidates / frames;
  out->joined = stats.joined / frames;
  out->dense_share = (double) stats.dense_frames / frames;
  if (out->info.macs)
    out->mac_share = (double) stats.macs_done
        / ((double) out->info.macs * frames);
}

static int
slower_first (gconstpointer a, gconstpointer b)
{
  const NodeFigures *p = a, *q = b;
  double x = p->sparse_ms + p->dense_ms, y = q->sparse_ms + q->dense_ms;
  return (x < y) - (x > y);
}

static NodeFigures *
all_nodes (const BenchRun *run)
{
  NodeFigures *nodes = g_new0 (NodeFigures, run->summary.n_nodes + 1);
  for (guint i = 0; i < run->summary.n_nodes; i++)
    node_figures (run, i, &nodes[i]);
  return nodes;
}

static void
print_nodes (const BenchRun *run)
{
  g_autofree NodeFigures *nodes = all_nodes (run);
  guint n = run->summary.n_nodes, shown = n;
  if (!run->options->nodes) {
    qsort (nodes, n, sizeof *nodes, slower_first);
    shown = MIN (n, SLOWEST);
    g_print ("\nThe %u slowest of %u nodes (--nodes shows all):\n", shown, n);
  }
  g_print ("%4s  %-30s %-16s %13s %8s %8s %8s %8s %8s\n", "node", "ops",
      "kernel", "WxHxC", "MACs", "joined", "work", "sparse", "dense");
  for (guint i = 0; i < shown; i++) {
    const NodeFigures *it = &nodes[i];
    g_autofree char *macs = tool_format_count (it->info.macs);
    g_autofree char *shape = g_strdup_printf ("%ux%ux%u", it->info.width,
        it->info.height, it->info.channels);
    g_print ("%4u  %-30.30s %-16.16s %13s %8s %6.1f %% %6.1f %% %8.3f %8.3f\n",
        it->index, it->info.ops, it->info.kernel, shape, macs,
        100 * it->joined, 100 * it->mac_share, it->sparse_ms, it->dense_ms);
  }
}

/* The median over frames of a sparse frame's time over the dense one's that ran
 * beside it: what the machine does meanwhile hits both. */
static double
paired_ratio (const BenchRun *run)
{
  g_autoptr (GArray) ratios = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint i = 0; i < MIN (run->sparse_ms->len, run->dense_ms->len); i++) {
    double ratio = g_array_index (run->sparse_ms, double, i) /
        MAX (g_array_index (run->dense_ms, double, i), 1e-6);
    g_array_append_val (ratios, ratio);
  }
  return bench_quantile (ratios, 0.5);
}

/* The median over frames of the peer's time over the dense frame's beside it
 * without its input stage, which the peer's does not have. */
static double
inference_ratio (const BenchRun *run)
{
  g_autoptr (GArray) ratios = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint i = 0; i < MIN (run->peer_ms->len, run->dense_ms->len); i++) {
    double dense = g_array_index (run->dense_ms, double, i) -
        g_array_index (run->dense_input_ms, double, i);
    double ratio = g_array_index (run->peer_ms, double, i) / MAX (dense, 1e-6);
    g_array_append_val (ratios, ratio);
  }
  return bench_quantile (ratios, 0.5);
}

/* ---- for people -------------------------------------------------------- */

static void
print_times (const BenchRun *run)
{
  if (run->sparse) {
    g_print ("  sparse        %8.2f ms a frame (10 %% under %.2f, 90 %% under "
        "%.2f; input stage %.2f)\n", sparse_ms (run),
        bench_quantile (run->sparse_ms, 0.1),
        bench_quantile (run->sparse_ms, 0.9),
        bench_quantile (run->input_ms, 0.5));
    if (run->dense_frames)
      g_print ("                %" G_GUINT64_FORMAT " frames ran dense\n",
          run->dense_frames);
  }
  if (run->dense)
    g_print ("  dense         %8.2f ms a frame (input stage %.2f)\n",
        bench_quantile (run->dense_ms, 0.5),
        bench_quantile (run->dense_input_ms, 0.5));
  if (run->peer)
    g_print ("  %-12s  %8.2f ms a frame (inference only: its input is "
        "prepared beforehand)\n", run->options->peer,
        bench_quantile (run->peer_ms, 0.5));
  if (run->sparse && run->dense)
    g_print ("  speed-up      %8.2f x against dense\n",
        bench_quantile (run->dense_ms, 0.5) / MAX (sparse_ms (run), 1e-6));
  if (run->sparse && run->dense)
    g_print ("  frame by frame %7.2f of the dense time\n", paired_ratio (run));
  if (run->peer)
    g_print ("  speed-up      %8.2f x against %s\n",
        bench_quantile (run->peer_ms, 0.5) / MAX (sparse_ms (run), 1e-6),
        bench_peer_version (run->peer));
  if (run->peer && run->dense)
    g_print ("  inference     %8.2f x against %s: dense frames without their "
        "input stage\n", inference_ratio (run), run->options->peer);
}

void
bench_print (const BenchRun *run)
{
  g_autofree char *model = g_path_get_basename (run->model_path);
  g_autofree char *clip = run->options->clip
      ? g_path_get_basename (run->options->clip)
      : g_strdup_printf ("synthetic, %g changing", run->options->synthetic);
  g_autofree char *macs = tool_format_count (run->summary.macs);
  g_autofree char *state = tool_format_bytes (run->session_bytes);
  g_autofree char *peak = tool_format_bytes (run->peak_rss_bytes);
  g_print ("%s at %ux%u (%s MAC) on %s (%ux%u), %u threads\n", model,
      run->summary.input_width, run->summary.input_height, macs, clip,
      run->frame_width, run->frame_height, run->threads);
  g_print ("  frames        %8" G_GUINT64_FORMAT " (the first is left out)\n",
      measured_frames (run));
  if (run->sparse) {
    g_print ("  changed       %8.2f %% of the pixels\n",
        100 * bench_mean (run->changed));
    g_print ("  work          %8.2f %% of the dense multiplications\n",
        100 * mac_share (run));
  }
  if (run->align)
    bench_align_print (run->align);
  if (run->view)
    bench_view_print (run->view);
  if (run->compare)
    bench_compare_print (run->compare);
  print_times (run);
  if (run->sparse && run->dense) {
    g_autofree char *text = bench_agreement_text (&run->agreement);
    g_print ("  agreement     %s\n", text);
  }
  g_print ("  memory        %s a session, %s peak of the process\n", state,
      peak);
  print_nodes (run);
}

/* ---- JSON -------------------------------------------------------------- */

static void
json_nodes (const BenchRun *run, JsonBuilder *builder)
{
  g_autofree NodeFigures *nodes = all_nodes (run);
  json_builder_set_member_name (builder, "nodes");
  json_builder_begin_array (builder);
  for (guint i = 0; i < run->summary.n_nodes; i++) {
    const NodeFigures *it = &nodes[i];
    json_builder_begin_object (builder);
    tool_json_string (builder, "name", it->info.name);
    tool_json_string (builder, "ops", it->info.ops);
    tool_json_string (builder, "kernel", it->info.kernel);
    tool_json_int (builder, "macs", (gint64) it->info.macs);
    tool_json_double (builder, "candidate_share", it->candidates);
    tool_json_double (builder, "joined_share", it->joined);
    tool_json_double (builder, "mac_share", it->mac_share);
    tool_json_double (builder, "dense_frame_share", it->dense_share);
    tool_json_double (builder, "sparse_ms", it->sparse_ms);
    tool_json_double (builder, "dense_ms", it->dense_ms);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}

static void
json_setup (const BenchRun *run, JsonBuilder *builder)
{
  g_autofree char *model = g_path_get_basename (run->model_path);
  g_autofree char *clip = run->options->clip
      ? g_path_get_basename (run->options->clip) : NULL;
  tool_json_string (builder, "model", model);
  tool_json_string (builder, "clip", clip);
  if (!clip)
    tool_json_double (builder, "synthetic", run->options->synthetic);
  tool_json_string (builder, "version", DCNN_VERSION);
  bench_json_device (run, builder);
  tool_json_int (builder, "threads", run->threads);
  tool_json_int (builder, "width", run->summary.input_width);
  tool_json_int (builder, "height", run->summary.input_height);
  tool_json_int (builder, "frame_width", run->frame_width);
  tool_json_int (builder, "frame_height", run->frame_height);
  tool_json_int (builder, "macs", (gint64) run->summary.macs);
  tool_json_double (builder, "threshold", run->tuning.threshold);
  tool_json_double (builder, "input_threshold", run->tuning.input_threshold);
}

static void
json_more_times (const BenchRun *run, JsonBuilder *builder)
{
  if (run->sparse) {
    tool_json_double (builder, "input_ms",
        bench_quantile (run->input_ms, 0.5));
    tool_json_double (builder, "sparse_mean_ms", bench_mean (run->sparse_ms));
    tool_json_double (builder, "sparse_p90_ms",
        bench_quantile (run->sparse_ms, 0.9));
    tool_json_int (builder, "dense_frames", (gint64) run->dense_frames);
  }
  if (run->dense) {
    if (run->sparse)
      tool_json_double (builder, "paired_ratio", paired_ratio (run));
    tool_json_double (builder, "speedup_dense",
        bench_quantile (run->dense_ms, 0.5) / MAX (sparse_ms (run), 1e-6));
  }
  if (run->peer) {
    tool_json_string (builder, "peer", bench_peer_version (run->peer));
    tool_json_double (builder, "speedup_peer",
        bench_quantile (run->peer_ms, 0.5) / MAX (sparse_ms (run), 1e-6));
    if (run->dense)
      tool_json_double (builder, "inference_peer", inference_ratio (run));
  }
}

static void
json_time (JsonBuilder *builder, const char *name, const GArray *values)
{
  if (values->len) {
    tool_json_double (builder, name, bench_quantile (values, 0.5));
  } else {
    json_builder_set_member_name (builder, name);
    json_builder_add_null_value (builder);
  }
}

gboolean
bench_json (const BenchRun *run, const char *path, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  guint64 growth = 0;
  json_builder_begin_object (builder);
  tool_json_int (builder, "frames", (gint64) measured_frames (run));
  tool_json_double (builder, "changed_share",
      run->sparse ? bench_mean (run->changed) : 1);
  tool_json_double (builder, "mac_share", mac_share (run));
  tool_json_double (builder, "sparse_ms", sparse_ms (run));
  json_time (builder, "dense_ms", run->dense_ms);
  json_time (builder, "dense_input_ms", run->dense_input_ms);
  json_time (builder, "peer_ms", run->peer_ms);
  json_builder_set_member_name (builder, "agreement");
  json_builder_begin_object (builder);
  if (run->sparse && run->dense)
    bench_agreement_json (&run->agreement, builder);
  json_builder_end_object (builder);
  tool_json_int (builder, "state_bytes", (gint64) run->summary.state_bytes);
  tool_json_int (builder, "session_bytes", (gint64) run->session_bytes);
  tool_json_int (builder, "weight_bytes", (gint64) run->summary.weight_bytes);
  tool_json_int (builder, "peak_rss_bytes", (gint64) run->peak_rss_bytes);
  if (run->peak_rss_bytes > run->base_rss_bytes)
    growth = run->peak_rss_bytes - run->base_rss_bytes;
  tool_json_int (builder, "peak_growth_bytes", (gint64) growth);
  if (run->align)
    bench_align_json (run->align, builder);
  if (run->view)
    bench_view_json (run->view, builder);
  if (run->compare)
    bench_compare_json (run->compare, builder);
  json_more_times (run, builder);
  json_setup (run, builder);
  json_nodes (run, builder);
  json_builder_end_object (builder);
  return tool_json_write (builder, path, error);
}
