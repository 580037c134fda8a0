/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The threshold of an int8 model: maps of bytes move by their own roundings,
 * so that of the float32 model lets all join where two roundings a layer make
 * steps of them. Both run on the same frames; of the thresholds at which the int8
 * model's results stay as near to its own dense ones, it gets the smallest that
 * does hardly more of its work than the float32 model, else what does least. */
#include "tune.h"

#define STRETCH 16         /* frames that follow each other */
#define TOLERANCE 0.25     /* of the metric's budget: few frames are seen */
#define NEARLY 1.1         /* times the float32 model's share of its work */

/* Times the threshold that the descriptor has. */
static const double factors[] = { 1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5 };

/* A model beside its dense run. */
typedef struct Run {
  DcnnModel *model;          /* borrowed */
  DcnnSession *session;
  DcnnDecoder *decoder;      /* or NULL */
  const struct Run *dense;   /* NULL: it is one */
  BenchAgreement agreement;
  double macs;
} Run;

typedef struct Runs {
  const Tuner *tuner;
  Run plain, plain_dense, dense, tried[G_N_ELEMENTS (factors)];
  guint frames;              /* counted: each stretch's first is not */
} Runs;

static gboolean
start (const Runs *runs, Run *run, DcnnModel *model,
    const DcnnModelInfo *info, const Run *dense, double factor,
    GError **error)
{
  GError *cause = NULL;
  DcnnSessionOptions options;
  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (info, &options);
  options.threads = (guint) runs->tuner->options->threads;
  options.tuning.mode = dense ? DCNN_MODE_SPARSE : DCNN_MODE_DENSE;
  options.tuning.threshold *= (float) factor;
  run->model = model;
  run->dense = dense;
  run->session = dcnn_session_new (model, &options, error);
  if (!run->session)
    return FALSE;
  run->decoder = dcnn_decoder_new (info, model, &cause);
  if (cause)
    g_propagate_error (error, cause);
  return !cause;
}

/* In turn; a dense run comes before those that are held against it. */
static Run *
nth (Runs *runs, guint i)
{
  return i == 0 ? &runs->plain_dense : i == 1 ? &runs->plain : i == 2
      ? &runs->dense : i < 3 + G_N_ELEMENTS (factors) ? &runs->tried[i - 3]
      : NULL;
}

/* ---- frames ----------------------------------------------------------------- */

static void
add_results (const Runs *runs, Run *run)
{
  gboolean boxes = runs->tuner->metric == TUNE_F1;
  float least = boxes ? TUNE_LEAST_SCORE : -1;
  DcnnTransform transform;
  const DcnnResults *truth, *results;
  bench_agreement_add_outputs (&run->agreement, run->model, run->session,
      run->dense->session);
  if (!run->decoder)
    return;
  dcnn_session_get_transform (run->dense->session, 0, &transform);
  truth = dcnn_decoder_run (run->dense->decoder, run->dense->session, 0, least);
  results = dcnn_decoder_run (run->decoder, run->session, 0, least);
  if (!boxes)
    bench_agreement_add_results (&run->agreement, results, truth, &transform);
  for (guint s = 3; boxes && s <= 7; s++)
    bench_agreement_add_boxes (&run->agreement, results->detections,
        truth->detections, 0.1f * s);
}

static gboolean
push (Runs *runs, const DcnnFrame *frame, gboolean first, GError **error)
{
  Run *run;
  for (guint i = 0; (run = nth (runs, i)); i++) {
    DcnnFrameStats stats;
    if (first)
      dcnn_session_reset (run->session, 0);
    if (first && run->decoder)
      dcnn_decoder_reset (run->decoder);
    if (!dcnn_session_push_frame (run->session, 0, frame, NULL, error))
      return FALSE;
    if (first || !run->dense)
      continue;
    dcnn_session_get_stats (run->session, 0, &stats);
    run->macs += stats.macs_dense
        ? (double) stats.macs_done / (double) stats.macs_dense : 0;
    add_results (runs, run);
  }
  runs->frames += !first;
  return TRUE;
}

/* Stretches of the first two thirds of the first clip. */
static gboolean
run_clip (Runs *runs, GError **error)
{
  const TuneOptions *options = runs->tuner->options;
  const char *clip = options->clips[0];
  guint64 total = 0;
  DcnnFrame frame;
  GError *cause = NULL;
  if (!tune_count_frames (clip, &total, error))
    return FALSE;
  guint64 cut = total - total / 3;
  guint64 apart = MAX (STRETCH, cut * STRETCH / MAX (STRETCH,
          (guint64) options->frames));
  g_autoptr (ToolSource) source = tool_source_open (clip, error);
  if (!source)
    return FALSE;
  for (guint64 i = 0; !cause && i < cut
      && tool_source_next (source, &frame, &cause); i++) {
    if (g_atomic_int_get (&tune_stopped))
      g_set_error (&cause, DCNN_ERROR, DCNN_ERROR_ARGUMENT, "stopped");
    else if (i % apart < STRETCH)
      push (runs, &frame, i % apart == 0, &cause);
  }
  if (cause)
    g_propagate_error (error, cause);
  return !cause;
}

/* ---- the choice ---------------------------------------------------------------- */

static double
error_of (const Runs *runs, const Run *run, gboolean *blind)
{
  gboolean own;
  double error = tune_error_of (runs->tuner, &run->agreement, &own);
  *blind |= own;
  return error;
}

static void
choose (const Runs *runs, double threshold, TuneThreshold *found)
{
  gboolean blind = FALSE;
  const double frames = MAX (1, runs->frames);
  const double budget = TOLERANCE * runs->tuner->budget;
  guint best = 0;
  found->plain_macs = runs->plain.macs / frames;
  found->plain_error = error_of (runs, &runs->plain, &blind);
  double allowed = MAX (found->plain_error,
      error_of (runs, &runs->tried[0], &blind)) + budget;
  for (guint i = 1; i < G_N_ELEMENTS (factors) && !blind
      && runs->tried[best].macs > NEARLY * runs->plain.macs; i++)
    if (runs->tried[i].macs < runs->tried[best].macs
        && error_of (runs, &runs->tried[i], &blind) <= allowed)
      best = i;
  found->threshold = threshold * factors[best];
  found->first_macs = runs->tried[0].macs / frames;
  found->macs = runs->tried[best].macs / frames;
  found->error = error_of (runs, &runs->tried[best], &blind);
}

static gboolean
run_all (Runs *runs, DcnnModel *plain, const DcnnModelInfo *plain_info,
    DcnnModel *model, const DcnnModelInfo *info, GError **error)
{
  gboolean good = start (runs, &runs->plain_dense, plain, plain_info, NULL, 1,
      error)
      && start (runs, &runs->plain, plain, plain_info, &runs->plain_dense, 1,
      error)
      && start (runs, &runs->dense, model, info, NULL, 1, error);
  for (guint i = 0; good && i < G_N_ELEMENTS (factors); i++)
    good = start (runs, &runs->tried[i], model, info, &runs->dense,
        factors[i], error);
  return good && run_clip (runs, error);
}

gboolean
tune_find_threshold (const Tuner *tuner, DcnnModel *model,
    const DcnnModelInfo *info, TuneThreshold *found, GError **error)
{
  Runs runs = { .tuner = tuner };
  DcnnModelInfo *plain_info = NULL; /* the tuner's has no thresholds */
  DcnnModel *plain = NULL;
  DcnnSessionOptions options;
  guint width = 0, height = 0;
  Run *run;
  gboolean good = tool_parse_size (tuner->options->size, &width, &height,
      error) && (plain = dcnn_model_load (tuner->model_path, width, height,
          &plain_info, error)) != NULL
      && run_all (&runs, plain, plain_info, model, info, error);
  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (info, &options);
  if (good)
    choose (&runs, (double) options.tuning.threshold, found);
  for (guint i = 0; (run = nth (&runs, i)); i++) {
    g_clear_pointer (&run->decoder, dcnn_decoder_free);
    g_clear_pointer (&run->session, dcnn_session_free);
  }
  g_clear_pointer (&plain, dcnn_model_unref);
  g_clear_pointer (&plain_info, dcnn_modelinfo_free);
  return good;
}
