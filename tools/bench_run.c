/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The measurement itself: frames through the sparse and the dense session and
 * the peer in turn, so that whatever else the machine does hits all alike. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

/* ---- opening ----------------------------------------------------------- */

DcnnSession *
bench_session_new (BenchRun *run, DcnnMode mode, guint streams,
    GError **error)
{
  DcnnSessionOptions options;
  DcnnSession *session;
  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (run->info, &options);
  options.device = run->options->device;
  options.precision = run->options->precision;
  options.threads = run->threads;
  options.streams = streams;
  if (!tool_set_tunings (&options.tuning, run->options->set, error))
    return NULL;
  options.tuning.mode = mode;
  run->tuning = options.tuning;
  session = dcnn_session_new (run->model, &options, error);
  if (session)
    run->device = dcnn_session_get_device (session);
  return session;
}

void
bench_json_device (const BenchRun *run, JsonBuilder *builder)
{
  const char *precision = run->options->precision_text;
  tool_json_string (builder, "device", run->device);
  tool_json_string (builder, "precision", precision ? precision : "auto");
}

static DcnnSession *
open_session (BenchRun *run, DcnnMode mode, GError **error)
{
  return bench_session_new (run, mode, (guint) MAX (run->options->streams, 1),
      error);
}

static gboolean
open_decoder (BenchRun *run, DcnnDecoder **decoder, GError **error)
{
  GError *cause = NULL;
  *decoder = dcnn_decoder_new (run->info, run->model, &cause);
  if (!cause)
    return TRUE;
  g_propagate_error (error, cause);
  return FALSE;
}

static gboolean
open_model (BenchRun *run, GError **error)
{
  guint width = 0, height = 0;
  if (!tool_parse_size (run->options->size, &width, &height, error))
    return FALSE;
  run->model_path = dcnn_model_find_file (run->options->model, error);
  if (!run->model_path)
    return FALSE;
  run->base_rss_bytes = tool_resident_bytes ();
  tool_reset_peak ();
  run->model = dcnn_model_load (run->model_path, width, height, &run->info,
      error);
  if (!run->model)
    return FALSE;
  dcnn_model_get_summary (run->model, &run->summary);
  if (run->summary.input_width)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
      "%s has no image input of 1 or 3 channels, so it cannot see a clip; "
      "deltacnn-inspect shows its inputs", run->model_path);
  return FALSE;
}

static gboolean
open_source (BenchRun *run, GError **error)
{
  const BenchOptions *options = run->options;
  if (options->clip)
    run->source = tool_source_open (options->clip, error);
  else
    run->source = tool_source_synthetic (options->synthetic,
        run->summary.input_width, run->summary.input_height,
        (guint) options->frames);
  return run->source != NULL;
}

static gboolean
open_sessions (BenchRun *run, GError **error)
{
  const BenchOptions *options = run->options;
  if (options->mode != BENCH_DENSE) {
    run->sparse = open_session (run, DCNN_MODE_AUTO, error);
    if (!run->sparse)
      return FALSE;
    run->session_bytes = dcnn_session_get_bytes (run->sparse);
  }
  if (options->mode != BENCH_SPARSE) {
    run->dense = open_session (run, DCNN_MODE_DENSE, error);
    if (!run->dense)
      return FALSE;
    if (!run->sparse)
      run->session_bytes = dcnn_session_get_bytes (run->dense);
  }
  return TRUE;
}

/* With --align, results are also compared where the camera has them. */
static gboolean
open_view (BenchRun *run, GError **error)
{
  DcnnSession *camera;
  if (!run->sparse || !run->dense)
    return TRUE;
  camera = open_session (run, DCNN_MODE_DENSE, error);
  run->view = camera ? bench_view_new (run, bench_align_plain (run->align),
      camera, error) : NULL;
  return run->view != NULL;
}

static gboolean
open_interest (BenchRun *run, GError **error)
{
  gboolean moving = run->options->align && run->tuning.moving_interest;
  if (!run->sparse || !(run->tuning.interest || moving))
    return TRUE;
  if (!run->sparse_decoder && !open_decoder (run, &run->sparse_decoder, error))
    return FALSE;
  if (!run->sparse_decoder && !run->tuning.interest)
    return TRUE;
  if (!run->sparse_decoder) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "interest=1: nothing decodes this network's results; give its "
        "descriptor a decoder");
    return FALSE;
  }
  run->back = dcnn_led_back_new ();
  run->interest = dcnn_interest_new (run->summary.input_width,
      run->summary.input_height);
  return TRUE;
}

static gboolean
open_rest (BenchRun *run, GError **error)
{
  const BenchOptions *options = run->options;
  if (run->sparse && run->dense
      && (!open_decoder (run, &run->sparse_decoder, error)
          || !open_decoder (run, &run->dense_decoder, error)))
    return FALSE;
  if (!open_interest (run, error))
    return FALSE;
  if (options->align) {
    DcnnSession *plain = open_session (run, DCNN_MODE_AUTO, error);
    run->align = plain ? bench_align_new (plain, error) : NULL;
    if (!run->align)
      return FALSE;
    if (!open_view (run, error))
      return FALSE;
  }
  if (options->compare) {
    run->compare = bench_compare_new (run, error);
    if (!run->compare)
      return FALSE;
  }
  if (options->peer) {
    run->peer = bench_peer_new (options->peer, options->python,
        run->model_path, run->model, run->info, run->threads, error);
    if (!run->peer)
      return FALSE;
  }
  return open_source (run, error);
}

/* ---- one frame --------------------------------------------------------- */

static gboolean
push (DcnnSession *session, const DcnnFrame *frame, const DcnnMotion *motion,
    double *milliseconds, GError **error)
{
  gint64 before = g_get_monotonic_time ();
  if (!dcnn_session_push_frame (session, 0, frame, motion, error))
    return FALSE;
  *milliseconds = (double) (g_get_monotonic_time () - before) / 1000;
  return TRUE;
}

static void
record_sparse (BenchRun *run, double milliseconds)
{
  DcnnFrameStats stats;
  dcnn_session_get_stats (run->sparse, 0, &stats);
  double changed = stats.changed_share;
  double share = stats.macs_dense
      ? (double) stats.macs_done / (double) stats.macs_dense : 0;
  double input = (double) stats.input_ns / 1e6;
  g_array_append_val (run->sparse_ms, milliseconds);
  g_array_append_val (run->input_ms, input);
  g_array_append_val (run->changed, changed);
  g_array_append_val (run->mac_share, share);
  run->macs_done += stats.macs_done;
  run->macs_dense += stats.macs_dense;
  run->dense_frames += stats.dense ? 1 : 0;
}

static void
record_dense (BenchRun *run, double milliseconds)
{
  DcnnFrameStats stats;
  dcnn_session_get_stats (run->dense, 0, &stats);
  double input = (double) stats.input_ns / 1e6;
  g_array_append_val (run->dense_ms, milliseconds);
  g_array_append_val (run->dense_input_ms, input);
}

static void
compare (BenchRun *run)
{
  bench_agreement_add_outputs (&run->agreement, run->model, run->sparse,
      run->dense);
  if (!run->sparse_decoder || !run->dense_decoder)
    return;
  BenchSide a = { run->sparse, run->sparse_decoder, NULL };
  BenchSide b = { run->dense, run->dense_decoder, NULL };
  bench_view_compare (run, &run->agreement, &a, &b);
}

/* What the next frame of the sparse session is weighed by. */
static void
take_interest (BenchRun *run)
{
  gdouble inward[9], view[9];
  if (!run->interest)
    return;
  dcnn_session_get_inward (run->sparse, 0, inward);
  dcnn_session_get_view (run->sparse, 0, view);
  const DcnnResults *found = dcnn_decoder_run (run->sparse_decoder,
      run->sparse, 0, dcnn_decoder_get_score_threshold (run->sparse_decoder));
  found = dcnn_led_back_results (run->back, found, view, run->frame_width,
      run->frame_height);
  const gfloat *weights = dcnn_interest_update (run->interest, found, inward);
  dcnn_session_set_interest (run->sparse, 0, weights);
  if (run->compare)
    bench_compare_set_interest (run->compare, weights);
}

/* The order alternates, so that neither always finds the caches as the other
 * left them. */
static gboolean
run_frame (BenchRun *run, const DcnnFrame *frame, GError **error)
{
  double sparse_ms = 0, dense_ms = 0, peer_ms = 0;
  const DcnnMotion *motion = NULL;
  gboolean dense_first = run->frames % 2;
  if (run->align && !(motion = bench_align_next (run->align, frame, error)))
    return FALSE;
  for (guint turn = 0; turn < 2; turn++) {
    gboolean dense = (turn == 0) == dense_first;
    DcnnSession *session = dense ? run->dense : run->sparse;
    if (session
        && !push (session, frame, motion, dense ? &dense_ms : &sparse_ms,
            error))
      return FALSE;
  }
  if (run->align && !bench_align_account (run->align, run->sparse, frame,
          run->frames == 0, error))
    return FALSE;
  if (run->view && !bench_view_account (run->view, frame, run->frames > 0,
          error))
    return FALSE;
  if (run->compare && !bench_compare_account (run->compare, frame,
          run->align ? motion : NULL, run->frames > 0, error))
    return FALSE;
  take_interest (run);
  if (run->peer && !bench_peer_run (run->peer, frame, &peer_ms, error))
    return FALSE;
  run->frames++;
  if (run->frames == 1) {
    if (run->sparse)
      dcnn_session_clear_stats (run->sparse);
    if (run->dense)
      dcnn_session_clear_stats (run->dense);
    return TRUE;
  }
  if (run->sparse)
    record_sparse (run, sparse_ms);
  if (run->dense)
    record_dense (run, dense_ms);
  if (run->peer)
    g_array_append_val (run->peer_ms, peer_ms);
  if (run->sparse && run->dense)
    compare (run);
  return TRUE;
}

static char *
progress_detail (const BenchRun *run)
{
  guint n = run->sparse_ms->len, m = run->dense_ms->len;
  GString *text = g_string_new (NULL);
  if (n)
    g_string_append_printf (text, "sparse %.2f ms ",
        g_array_index (run->sparse_ms, double, n - 1));
  if (m)
    g_string_append_printf (text, "dense %.2f ms ",
        g_array_index (run->dense_ms, double, m - 1));
  if (n)
    g_string_append_printf (text, "%.1f %% of the work",
        100 * g_array_index (run->mac_share, double, n - 1));
  return g_string_free (text, FALSE);
}

/* A camera or a server that goes away ends a measurement and spoils none. */
static void
forgive_live (BenchRun *run, GError **cause)
{
  if (!*cause || !tool_source_is_live (run->source) || run->frames < 2)
    return;
  fprintf (stderr, "deltacnn-bench: %s; going on with the %d frames that "
      "came\n", (*cause)->message, (int) run->frames);
  g_clear_error (cause);
}

static gboolean
run_frames (BenchRun *run, GError **error)
{
  const BenchOptions *options = run->options;
  guint64 total = tool_source_total (run->source);
  guint64 limit = options->frames > 0 ? (guint64) options->frames : 0;
  if (!limit && tool_source_is_live (run->source))
    limit = 300;
  if (limit && (!total || limit < total))
    total = limit;
  ToolProgress progress;
  tool_progress_init (&progress, "measuring", total, options->quiet);
  DcnnFrame frame;
  GError *cause = NULL;
  guint64 skip = (guint64) options->skip;
  while ((!limit || run->frames < limit)
      && tool_source_next (run->source, &frame, &cause)) {
    if (skip) {
      skip--;
      continue;
    }
    run->frame_width = frame.width;
    run->frame_height = frame.height;
    if (!run_frame (run, &frame, error))
      return FALSE;
    g_autofree char *detail = progress_detail (run);
    tool_progress_update (&progress, run->frames, detail);
  }
  tool_progress_end (&progress);
  forgive_live (run, &cause);
  if (cause) {
    g_propagate_error (error, cause);
    return FALSE;
  }
  if (run->frames >= 2)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_FILE,
      "the clip gave %d frames; two are needed, as the first is left out",
      (int) run->frames);
  return FALSE;
}

gboolean
bench_open_model (BenchRun *run, const BenchOptions *options, GError **error)
{
  memset (run, 0, sizeof *run);
  run->options = options;
  run->threads = options->threads > 0 ? (guint) options->threads
      : g_get_num_processors ();
  GArray **arrays[] = { &run->sparse_ms, &run->dense_ms, &run->peer_ms,
    &run->input_ms, &run->changed, &run->mac_share, &run->dense_input_ms };
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    *arrays[i] = g_array_new (FALSE, FALSE, sizeof (double));
  return open_model (run, error);
}

gboolean
bench_open (BenchRun *run, const BenchOptions *options, GError **error)
{
  return bench_open_model (run, options, error) && open_sessions (run, error);
}

gboolean
bench_run (BenchRun *run, const BenchOptions *options, GError **error)
{
  if (!bench_open (run, options, error) || !open_rest (run, error)
      || !run_frames (run, error))
    return FALSE;
  run->peak_rss_bytes = tool_peak_bytes ();
  return TRUE;
}

void
bench_run_clear (BenchRun *run)
{
  GArray **arrays[] = { &run->sparse_ms, &run->dense_ms, &run->peer_ms,
    &run->input_ms, &run->changed, &run->mac_share, &run->dense_input_ms };
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    g_clear_pointer (arrays[i], g_array_unref);
  g_clear_pointer (&run->source, tool_source_free);
  g_clear_pointer (&run->peer, bench_peer_free);
  g_clear_pointer (&run->compare, bench_compare_free);
  g_clear_pointer (&run->view, bench_view_free);
  g_clear_pointer (&run->align, bench_align_free);
  g_clear_pointer (&run->interest, dcnn_interest_free);
  g_clear_pointer (&run->back, dcnn_led_back_free);
  g_clear_pointer (&run->sparse_decoder, dcnn_decoder_free);
  g_clear_pointer (&run->dense_decoder, dcnn_decoder_free);
  g_clear_pointer (&run->sparse, dcnn_session_free);
  g_clear_pointer (&run->dense, dcnn_session_free);
  g_clear_pointer (&run->model, dcnn_model_unref);
  g_clear_pointer (&run->info, dcnn_modelinfo_free);
  g_free (run->model_path);
}
