/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a setting costs, and how far its results are from the dense ones. */
#include "tune.h"

#include <math.h>
#include <string.h>

/* A pose that only one side sees counts as one this far off, and so does a
 * point that only one is sure of: a share of the network's width. */
#define LOST_POSE (1 / 32.0)

gsize
tune_output_bytes (const DcnnTensor *output)
{
  gsize bytes = (gsize) dcnn_tensor_count (output)
      * dcnn_dtype_bytes (output->dtype);
  return (bytes + 7) / 8 * 8;
}

/* ---- settings ---------------------------------------------------------- */

TuneSetting *
tune_setting_new (const Tuner *tuner, float threshold)
{
  TuneSetting *setting = g_new0 (TuneSetting, 1);
  setting->tuning = tuner->start;
  setting->tuning.threshold = threshold;
  setting->thresholds = g_new (float, tuner->summary.n_nodes + 1);
  for (guint n = 0; n < tuner->summary.n_nodes; n++)
    setting->thresholds[n] = threshold;
  return setting;
}

TuneSetting *
tune_setting_copy (const Tuner *tuner, const TuneSetting *from)
{
  TuneSetting *setting = g_new0 (TuneSetting, 1);
  setting->tuning = from->tuning;
  setting->thresholds = g_memdup2 (from->thresholds,
      (tuner->summary.n_nodes + 1) * sizeof (float));
  return setting;
}

void
tune_setting_scale (const Tuner *tuner, TuneSetting *setting, double factor)
{
  setting->tuning.threshold *= (float) factor;
  for (guint n = 0; n < tuner->summary.n_nodes; n++)
    if (setting->thresholds[n] > 0)
      setting->thresholds[n] *= (float) factor;
}

void
tune_setting_free (TuneSetting *setting)
{
  if (!setting)
    return;
  g_free (setting->thresholds);
  g_free (setting);
}

GHashTable *
tune_setting_table (const Tuner *tuner, const TuneSetting *setting)
{
  GHashTable *table =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    double t = setting->thresholds[n];
    if (tuner->nodes[n].free && setting->thresholds[n]
        != setting->tuning.threshold)
      g_hash_table_replace (table, (gpointer) tuner->nodes[n].info.name,
          g_memdup2 (&t, sizeof t));
  }
  return table;
}

DcnnSession *
tune_session_new (const Tuner *tuner, const TuneSetting *setting,
    DcnnMode mode, gboolean store_all, GError **error)
{
  DcnnSessionOptions options;
  g_autoptr (GHashTable) table = tune_setting_table (tuner, setting);
  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (tuner->info, &options);
  options.threads = (guint) tuner->options->threads;
  options.tuning = setting->tuning;
  options.tuning.mode = mode;
  options.thresholds = table;
  options.store_all = store_all;
  return dcnn_session_new (tuner->model, &options, error);
}

/* ---- error ------------------------------------------------------------- */

static void
add_outputs (const Tuner *tuner, BenchAgreement *sum, DcnnSession *session,
    guint8 *dense)
{
  for (guint i = 0; i < tuner->summary.n_outputs; i++) {
    const DcnnTensor *t = &dcnn_session_get_output (session, 0, i)->tensor;
    DcnnTensor reference = *t;
    reference.data = dense;
    bench_agreement_add_tensor (sum, t, &reference);
    dense += tune_output_bytes (t);
  }
}

static void
add_frame (const Tuner *tuner, BenchAgreement *sum, DcnnSession *session,
    DcnnDecoder *decoder, const TuneFrame *frame)
{
  if (tuner->metric == TUNE_RELATIVE) {
    add_outputs (tuner, sum, session, frame->outputs);
    return;
  }
  const DcnnResults *results = dcnn_decoder_run (decoder, session, 0,
      tuner->metric == TUNE_F1 ? TUNE_LEAST_SCORE : -1);
  if (tuner->metric != TUNE_F1)
    bench_agreement_add_results (sum, results, &frame->results,
        &frame->transform);
  /* summed over several scores: fewer boxes sit right on a limit */
  for (guint step = 3; step <= 7 && tuner->metric == TUNE_F1; step++)
    bench_agreement_add_boxes (sum, results->detections,
        frame->results.detections, 0.1f * step);
}

double
tune_error_of (const Tuner *tuner, const BenchAgreement *sum, gboolean *blind)
{
  double value, points, lost;
  *blind = FALSE;
  switch (tuner->metric) {
    case TUNE_IOU:
      value = bench_agreement_value (sum, BENCH_IOU);
      *blind = value < 0;
      return *blind ? 0 : 1 - value;
    case TUNE_F1:
      value = bench_agreement_value (sum, BENCH_F1_NEAR);
      *blind = value < 0;
      return *blind ? 0 : 1 - value;
    case TUNE_KEYPOINT:
      points = sum->poses_both
          ? (double) (sum->keypoints + sum->keypoints_one)
          / (double) sum->poses_both : 1;
      lost = points * (double) sum->poses_one + (double) sum->keypoints_one;
      *blind = (double) sum->keypoints + lost <= 0;
      if (*blind)
        return 0;
      return (sum->keypoint_net_sum + lost * LOST_POSE *
          tuner->summary.input_width) / ((double) sum->keypoints + lost);
    case TUNE_RELATIVE:
    default:
      return bench_agreement_value (sum, BENCH_RELATIVE);
  }
}

/* ---- a run --------------------------------------------------------------- */

/* Sums over the frames that are scored. */
typedef struct Tally {
  BenchAgreement agreement;
  double *candidates, *joined, *ns; /* a node */
  double changed, macs, other_ns;
  guint64 frames;
} Tally;

static void
tally_node_stats (const Tuner *tuner, DcnnSession *session, Tally *tally)
{
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    DcnnNodeStats stats;
    dcnn_session_get_node_stats (session, 0, n, &stats);
    tally->candidates[n] += stats.candidates;
    tally->joined[n] += stats.joined;
    tally->ns[n] += (double) stats.time_ns;
  }
}

static gboolean
run_stretch (Tuner *tuner, DcnnSession *session, DcnnDecoder *decoder,
    const GPtrArray *stretch, Tally *tally, GError **error)
{
  double run_ns = 0, before = 0;
  dcnn_session_reset (session, 0);
  for (guint n = 0; n < tuner->summary.n_nodes; n++)
    before += tally->ns[n];
  for (guint i = 0; i < stretch->len; i++) {
    const TuneFrame *frame = g_ptr_array_index (stretch, i);
    DcnnFrameStats stats;
    if (g_atomic_int_get (&tune_stopped)) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "stopped; nothing was written");
      return FALSE;
    }
    if (!dcnn_session_push_frame (session, 0, &frame->frame, NULL, error))
      return FALSE;
    tuner->frames_run++;
    if (i == 0) {
      dcnn_session_clear_stats (session);
      continue;
    }
    dcnn_session_get_stats (session, 0, &stats);
    run_ns += (double) (stats.run_ns + stats.input_ns);
    tally->changed += stats.changed_share;
    tally->macs += stats.macs_dense
        ? (double) stats.macs_done / (double) stats.macs_dense : 0;
    tally->frames++;
    add_frame (tuner, &tally->agreement, session, decoder, frame);
  }
  tally_node_stats (tuner, session, tally);
  for (guint n = 0; n < tuner->summary.n_nodes; n++)
    before -= tally->ns[n];
  tally->other_ns += MAX (0, run_ns + before);
  return TRUE;
}

/* How much slower the machine was during this run than on average so far, by
 * the nodes that ran as they did before: other programs come and go. */
static double
slowness (const Tuner *tuner, const TuneSetting *setting, const Tally *tally)
{
  double measured = 0, expected = 0;
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    const TuneNode *node = &tuner->nodes[n];
    gboolean way = node->free && setting->thresholds[n] < 0;
    if (node->share[way] < 0.5)
      continue;
    measured += tally->ns[n];
    expected += tally->candidates[n] * node->ns[way] / node->share[way];
  }
  return measured > 0 && expected > 0 ? measured / expected : 1;
}

static void
finish_score (Tuner *tuner, const TuneSetting *setting, Tally *tally,
    TuneScore *score)
{
  double frames = (double) MAX (1, tally->frames);
  double slow = slowness (tuner, setting, tally);
  tuner->other_ns += tally->other_ns / slow;
  tuner->other_frames += tally->frames;
  score->error = tune_error_of (tuner, &tally->agreement, &score->blind);
  score->changed = tally->changed / frames;
  score->macs = tally->macs / frames;
  score->passes = g_new0 (gboolean, tuner->summary.n_nodes + 1);
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    TuneNode *node = &tuner->nodes[n];
    gboolean passes = node->free && setting->thresholds[n] < 0;
    node->ns[passes] += tally->ns[n] / slow;
    node->share[passes] += tally->candidates[n];
    score->passes[n] = passes;
    tally->candidates[n] /= frames;
    tally->joined[n] /= frames;
  }
  score->candidates = g_steal_pointer (&tally->candidates);
  score->joined = g_steal_pointer (&tally->joined);
}

gboolean
tune_evaluate (Tuner *tuner, const TuneSetting *setting, const TuneSet *set,
    TuneScore *score, GError **error)
{
  GError *cause = NULL;
  Tally *tally;
  gboolean good = TRUE;
  memset (score, 0, sizeof *score);
  g_autoptr (DcnnSession) session =
      tune_session_new (tuner, setting, DCNN_MODE_AUTO, FALSE, error);
  if (!session)
    return FALSE;
  g_autoptr (DcnnDecoder) decoder =
      dcnn_decoder_new (tuner->info, tuner->model, &cause);
  if (cause) {
    g_propagate_error (error, cause);
    return FALSE;
  }
  tally = g_new0 (Tally, 1);
  tally->candidates = g_new0 (double, tuner->summary.n_nodes + 1);
  tally->joined = g_new0 (double, tuner->summary.n_nodes + 1);
  tally->ns = g_new0 (double, tuner->summary.n_nodes + 1);
  for (guint i = 0; good && i < set->stretches->len; i++) {
    if (decoder)
      dcnn_decoder_reset (decoder);
    good = run_stretch (tuner, session, decoder,
        g_ptr_array_index (set->stretches, i), tally, error);
  }
  if (good)
    finish_score (tuner, setting, tally, score);
  tuner->evaluations++;
  g_free (tally->candidates);
  g_free (tally->joined);
  g_free (tally->ns);
  g_free (tally);
  return good;
}

void
tune_score_clear (TuneScore *score)
{
  g_clear_pointer (&score->candidates, g_free);
  g_clear_pointer (&score->joined, g_free);
  g_clear_pointer (&score->passes, g_free);
}

/* ---- time ------------------------------------------------------------------ */

double
tune_time (const Tuner *tuner, const TuneScore *score)
{
  double ns = tuner->other_frames
      ? tuner->other_ns / (double) tuner->other_frames : 0;
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    const TuneNode *node = &tuner->nodes[n];
    gboolean way = score->passes[n];
    /* too little of one way to know: as the other */
    if (node->share[way] < 0.5 && node->share[!way] > node->share[way])
      way = !way;
    if (node->share[way] > 0)
      ns += score->candidates[n] * node->ns[way] / node->share[way];
  }
  return ns / 1e6;
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double p = *(const double *) a, q = *(const double *) b;
  return (p > q) - (p < q);
}

static double
median (GArray *values)
{
  if (!values->len)
    return 0;
  g_array_sort (values, compare_doubles);
  return g_array_index (values, double, values->len / 2);
}

static gboolean
race_stretch (DcnnSession *sessions[3], const GPtrArray *stretch,
    GArray *times[3], GError **error)
{
  for (guint i = 0; i < stretch->len; i++) {
    const TuneFrame *frame = g_ptr_array_index (stretch, i);
    for (guint k = 0; k < 3; k++) {
      guint turn = (k + i) % 3;
      gint64 before = g_get_monotonic_time ();
      if (i == 0)
        dcnn_session_reset (sessions[turn], 0);
      if (!dcnn_session_push_frame (sessions[turn], 0, &frame->frame, NULL,
              error))
        return FALSE;
      double ms = (double) (g_get_monotonic_time () - before) / 1000;
      if (i > 0)
        g_array_append_val (times[turn], ms);
    }
  }
  return TRUE;
}

gboolean
tune_race (Tuner *tuner, const TuneSetting *before, const TuneSetting *after,
    TuneTimes *times, GError **error)
{
  const TuneSet *set = g_ptr_array_index (tuner->sets, 0);
  DcnnSession *sessions[3] = {
    tune_session_new (tuner, before, DCNN_MODE_DENSE, FALSE, error),
    NULL, NULL };
  GArray *values[3];
  gboolean good = sessions[0] != NULL;
  if (good)
    good = (sessions[1] = tune_session_new (tuner, before, DCNN_MODE_AUTO,
            FALSE, error)) != NULL;
  if (good)
    good = (sessions[2] = tune_session_new (tuner, after, DCNN_MODE_AUTO,
            FALSE, error)) != NULL;
  for (guint k = 0; k < 3; k++)
    values[k] = g_array_new (FALSE, FALSE, sizeof (double));
  for (guint i = 0; good && i < set->stretches->len; i++)
    good = race_stretch (sessions, g_ptr_array_index (set->stretches, i),
        values, error);
  *times = (TuneTimes) { median (values[0]), median (values[1]),
    median (values[2]) };
  for (guint k = 0; k < 3; k++) {
    g_array_unref (values[k]);
    if (sessions[k])
      dcnn_session_free (sessions[k]);
  }
  return good;
}
