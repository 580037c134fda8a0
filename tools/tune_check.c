/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The check on what was held back: a setting that fails there is made safer
 * until it holds. */
#include "tune.h"

#include <math.h>
#include <string.h>

#define TRIES 8
#define RELAX_TRIES 3

void
tune_check_clear (const Tuner *tuner, TuneCheck *check)
{
  for (guint i = 0; check->scores && i < tuner->sets->len; i++)
    tune_score_clear (&check->scores[i]);
  g_clear_pointer (&check->scores, g_free);
  g_clear_pointer (&check->setting, tune_setting_free);
}

double
tune_check_time (const Tuner *tuner, const TuneCheck *check)
{
  double sum = 0;
  for (guint i = 0; i < tuner->sets->len; i++)
    sum += tune_time (tuner, &check->scores[i]);
  return sum / tuner->sets->len;
}

/* What a set may be off by: as for the first set, by its own input stage. */
static gboolean
find_allowed (Tuner *tuner, GError **error)
{
  if (tuner->allowed_held)
    return TRUE;
  tuner->allowed_held = g_new0 (double, tuner->sets->len);
  for (guint i = 0; i < tuner->sets->len; i++) {
    tuner->allowed_held[i] = i ? tuner->budget : tuner->allowed;
    if (i == 0 || tuner->metric != TUNE_F1)
      continue;
    g_autoptr (TuneSetting) setting = tune_setting_new (tuner, 0);
    TuneScore score;
    DcnnSessionOptions defaults;
    dcnn_session_options_init (&defaults);
    setting->tuning.input_threshold = defaults.tuning.input_threshold;
    if (!tune_evaluate (tuner, setting, g_ptr_array_index (tuner->sets, i),
            &score, error))
      return FALSE;
    tuner->allowed_held[i] += score.error;
    tune_score_clear (&score);
  }
  return TRUE;
}

/* Scores every set; the worst ratio of error to what is allowed. */
static gboolean
score_sets (Tuner *tuner, TuneCheck *check, double *worst, GError **error)
{
  *worst = 0;
  if (!find_allowed (tuner, error))
    return FALSE;
  for (guint i = 0; i < tuner->sets->len; i++) {
    TuneSet *set = g_ptr_array_index (tuner->sets, i);
    tune_score_clear (&check->scores[i]);
    if (!tune_evaluate (tuner, check->setting, set, &check->scores[i], error))
      return FALSE;
    *worst = MAX (*worst, check->scores[i].error / tuner->allowed_held[i]);
    g_autofree char *text = tune_error_text (tuner, check->scores[i].error);
    tune_say (tuner, TRUE, "check of %s on %s: %.1f %% of the work, %s",
        check->name, set->name, 100 * check->scores[i].macs, text);
  }
  check->holds = *worst <= 1;
  return TRUE;
}

static void
check_init (const Tuner *tuner, const char *name, TuneSetting *setting,
    TuneCheck *check)
{
  memset (check, 0, sizeof *check);
  check->name = name;
  check->setting = setting;
  check->scores = g_new0 (TuneScore, tuner->sets->len);
  check->scale = 1;
}

gboolean
tune_check_as_is (Tuner *tuner, const char *name, TuneSetting *setting,
    TuneCheck *check, GError **error)
{
  double worst;
  check_init (tuner, name, setting, check);
  return score_sets (tuner, check, &worst, error);
}

static void
scale_check (const Tuner *tuner, TuneCheck *check, double factor)
{
  check->scale *= factor;
  tune_setting_scale (tuner, check->setting, factor);
}

/* Smaller thresholds, and every other time a more careful input stage: no
 * threshold makes good what never came in. */
static void
make_safer (const Tuner *tuner, TuneCheck *check, double worst, guint try)
{
  double factor = CLAMP (pow (worst, -0.8), 0.3, 0.85);
  if (try % 2) {
    check->setting->tuning.input_threshold *= 0.7f;
    check->setting->tuning.dilation =
        MAX (check->setting->tuning.dilation, tuner->start.dilation);
    return;
  }
  scale_check (tuner, check, factor);
}

/* The step back was a guess: half-way forward again, while that holds. failed:
 * the scale that did not. */
static gboolean
relax (Tuner *tuner, TuneCheck *check, double failed, GError **error)
{
  for (guint i = 0; i < RELAX_TRIES && failed > 1.1 * check->scale; i++) {
    TuneCheck trial;
    double worst;
    check_init (tuner, check->name,
        tune_setting_copy (tuner, check->setting), &trial);
    trial.scale = check->scale;
    scale_check (tuner, &trial, sqrt (failed / check->scale));
    if (!score_sets (tuner, &trial, &worst, error)) {
      tune_check_clear (tuner, &trial);
      return FALSE;
    }
    if (trial.holds) {
      tune_check_clear (tuner, check);
      *check = trial;
    } else {
      failed = trial.scale;
      tune_check_clear (tuner, &trial);
    }
  }
  return TRUE;
}

gboolean
tune_check (Tuner *tuner, const char *name, TuneSetting *setting,
    TuneCheck *check, GError **error)
{
  double failed = 0; /* the scale that did not hold last */

  check_init (tuner, name, setting, check);
  for (guint try = 0;; try++) {
    double worst;
    if (!score_sets (tuner, check, &worst, error))
      return FALSE;
    if (check->holds)
      return relax (tuner, check, failed, error);
    if (try == TRIES)
      return TRUE;
    failed = check->scale;
    tune_say (tuner, TRUE, "%s is %.2f times over the budget where it was not "
        "tuned: smaller thresholds", name, worst);
    make_safer (tuner, check, worst, try);
  }
}
