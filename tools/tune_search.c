/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The search. Every step is judged by one number, the time that a setting
 * would take at exactly the allowed error: error and time trade against each
 * other along the common scale of all thresholds, so a change of either is
 * worth what the scale would have given for it (tuner->slope). */
#include "tune.h"

#include <math.h>

#define AIM 0.85           /* of the allowed error: short stretches err low */
#define LEAST_FACTOR 0.03  /* of the threshold to start from */
#define ROUNDS 2           /* over all variables */
#define TRUST 0.65         /* of the allowed error, see soft_error() */
#define GAIN 0.004         /* smaller ones are noise */
#define PASS 0.97          /* a node that keeps less back had better pass */

static const TuneSet *
tuned_set (const Tuner *tuner)
{
  return g_ptr_array_index (tuner->sets, 0);
}

/* What is known of the trade is known near the limit: an error far below it
 * is worth no more than one that is a good deal below. */
static double
soft_error (const Tuner *tuner, const TuneScore *score)
{
  return MAX (score->error, TRUST * tuner->allowed) + 0.1 * tuner->allowed;
}

/* The time at the allowed error, in logarithms. */
static double
merit (const Tuner *tuner, const TuneScore *score)
{
  return log (tune_time (tuner, score))
      + tuner->slope * log (soft_error (tuner, score) / (1.1 *
          tuner->allowed));
}

static void
show (Tuner *tuner, const TuneScore *score, const char *what)
{
  g_autofree char *text = tune_error_text (tuner, score->error);
  tune_say (tuner, TRUE, "%s: %.1f %% of the work, %.2f ms, %s", what,
      100 * score->macs, tune_time (tuner, score), text);
}

/* ---- what the input stage costs -------------------------------------------- */

gboolean
tune_allow (Tuner *tuner, GError **error)
{
  static const float steps[] = { 1, 0.6f, 0.4f, 0.2f };
  float t0 = tuner->start.input_threshold;
  TuneScore score = { 0 };
  tuner->allowed = tuner->budget;
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++) {
    g_autoptr (TuneSetting) setting = tune_setting_new (tuner, 0);
    tuner->start.input_threshold = t0 * steps[i];
    setting->tuning.input_threshold = t0 * steps[i];
    if (!tune_evaluate (tuner, setting, tuned_set (tuner), &score, error))
      return FALSE;
    g_autofree char *what = g_strdup_printf ("input threshold %.3g alone",
        setting->tuning.input_threshold);
    show (tuner, &score, what);
    tune_score_clear (&score);
    if (score.blind) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "the model finds nothing in the frames to tune on; use a clip that "
          "shows in its first two thirds what the model is for, or more "
          "--frames");
      return FALSE;
    }
    /* found or lost boxes: what the thresholds add is what is bounded */
    if (tuner->metric == TUNE_F1)
      tuner->allowed = tuner->budget + score.error;
    if (tuner->metric == TUNE_F1 || score.error <= 0.6 * tuner->allowed)
      return TRUE;
  }
  if (score.error <= tuner->allowed)
    return TRUE;
  g_autofree char *least = tune_error_text (tuner, score.error);
  g_autofree char *asked = tune_error_text (tuner, tuner->allowed);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "the budget cannot be met: with every threshold at 0 and input-threshold "
      "%.3g the results are at %s, where %s is asked for; raise --budget",
      tuner->start.input_threshold, least, asked);
  return FALSE;
}

/* ---- one scale for all ------------------------------------------------------- */

/* Two settings of one scale, on both sides of the aim. */
typedef struct Bracket {
  double factor[2], error[2], time[2]; /* [0] within; factor 0: not known */
} Bracket;

static void
bracket_add (Bracket *bracket, gboolean over, double factor, double error,
    double time)
{
  bracket->factor[over] = factor;
  bracket->error[over] = error;
  bracket->time[over] = time;
}

static void
learn_slope (Tuner *tuner, const Bracket *b)
{
  double error = log ((b->error[1] + 0.1 * tuner->allowed)
      / (b->error[0] + 0.1 * tuner->allowed));
  double time = log (b->time[0] / b->time[1]);
  if (error > 0.05 && time > 0)
    tuner->slope = CLAMP (time / error, 0.3, 1.0);
}

/* Between the two by the error, in logarithms. */
static double
between (const Tuner *tuner, const Bracket *b)
{
  double floor = 0.05 * tuner->allowed;
  double low = log (b->error[0] + floor), high = log (b->error[1] + floor);
  double at = high > low
      ? (log (AIM * tuner->allowed + floor) - low) / (high - low) : 0.5;
  return b->factor[0] * pow (b->factor[1] / b->factor[0],
      CLAMP (at, 0.2, 0.8));
}

/* The factor to try next; 0: near enough. Where next to no thresholds are
 * still too much, it is the input's that has to give: the search for a factor
 * then begins anew. */
static double
next_factor (const Tuner *tuner, Bracket *b, TuneSetting *base,
    double factor, double *step)
{
  gboolean over = b->factor[1] == factor;
  if (b->factor[0] > 0 && b->factor[1] > 0)
    return b->factor[1] < b->factor[0] * 1.12 ? 0 : between (tuner, b);
  if (over && factor < LEAST_FACTOR) {
    base->tuning.input_threshold *= 0.7f;
    *b = (Bracket) { { 0 } };
    *step = 1.5;
    return 1;
  }
  factor = over ? factor / *step : factor * *step;
  *step = MIN (*step * 1.3, 3);
  return factor > 20 ? 0 : factor;
}

/* Scales the thresholds so that the error comes near its limit from below. */
static gboolean
fit_scale (Tuner *tuner, TuneSetting *setting, guint tries, TuneScore *best,
    GError **error)
{
  g_autoptr (TuneSetting) base = tune_setting_copy (tuner, setting);
  Bracket bracket = { { 0 } };
  double factor = 1, best_factor = 0, step = 1.5;
  for (guint i = 0; factor > 0 && i < tries; i++) {
    g_autoptr (TuneSetting) trial = tune_setting_copy (tuner, base);
    TuneScore score;
    tune_setting_scale (tuner, trial, factor);
    if (!tune_evaluate (tuner, trial, tuned_set (tuner), &score, error))
      return FALSE;
    gboolean over = score.error > AIM * tuner->allowed;
    bracket_add (&bracket, over, factor, score.error,
        tune_time (tuner, &score));
    g_autofree char *what = g_strdup_printf ("scale %.2f", factor);
    show (tuner, &score, what);
    if (!over && factor > best_factor) {
      setting->tuning.input_threshold = base->tuning.input_threshold;
      tune_score_clear (best);
      *best = score;
      best_factor = factor;
    } else {
      tune_score_clear (&score);
    }
    factor = next_factor (tuner, &bracket, base, factor, &step);
  }
  if (bracket.factor[0] > 0 && bracket.factor[1] > 0)
    learn_slope (tuner, &bracket);
  tune_setting_scale (tuner, setting, best_factor);
  return best_factor > 0
      || tune_evaluate (tuner, setting, tuned_set (tuner), best, error);
}

/* Nodes that keep next to nothing back pass everything on. */
static void
let_pass (const Tuner *tuner, TuneSetting *setting, const TuneScore *score)
{
  for (guint n = 0; n < tuner->summary.n_nodes; n++)
    if (tuner->nodes[n].free && score->candidates[n] > 0
        && score->joined[n] >= PASS * score->candidates[n])
      setting->thresholds[n] = -1;
}

TuneSetting *
tune_search_global (Tuner *tuner, GError **error)
{
  g_autoptr (TuneSetting) setting =
      tune_setting_new (tuner, tuner->start.threshold);
  TuneScore score = { 0 };
  gboolean good = fit_scale (tuner, setting, 10, &score, error);
  tune_score_clear (&score);
  return good ? g_steal_pointer (&setting) : NULL;
}

/* ---- one variable after the other ------------------------------------------------ */

/* Takes the trial when it is better: then it and its score replace the best.
 * Always takes trial. */
static gboolean
consider (Tuner *tuner, TuneSetting **best, TuneScore *best_score,
    TuneSetting *trial, const char *what, gboolean *better, GError **error)
{
  TuneScore score;
  if (!tune_evaluate (tuner, trial, tuned_set (tuner), &score, error)) {
    tune_setting_free (trial);
    return FALSE;
  }
  double gain = merit (tuner, best_score) - merit (tuner, &score);
  *better = gain > GAIN && score.error < 1.15 * tuner->allowed;
  if (*better) {
    g_autofree char *line = g_strdup_printf ("%s, %.1f %% better", what,
        100 * gain);
    tune_setting_free (*best);
    tune_score_clear (best_score);
    *best = trial;
    *best_score = score;
    show (tuner, &score, line);
  } else {
    tune_say (tuner, FALSE, "%s: no gain", what);
    tune_setting_free (trial);
    tune_score_clear (&score);
  }
  return TRUE;
}

/* unit: a group, or a single node. */
static gboolean
in_unit (const Tuner *tuner, guint n, gboolean by_node, guint unit)
{
  const TuneNode *node = &tuner->nodes[n];
  return node->free && (by_node ? n == unit : node->group == (gint) unit);
}

/* Multiplies the unit's thresholds; 0: makes it pass. FALSE: nothing to do. */
static gboolean
change_unit (const Tuner *tuner, TuneSetting *setting, gboolean by_node,
    guint unit, double factor)
{
  gboolean any = FALSE;
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    float *t = &setting->thresholds[n];
    if (!in_unit (tuner, n, by_node, unit) || *t <= 0)
      continue;
    float old = *t;
    *t = factor > 0 ? old * (float) factor : -1;
    any |= *t != old;
  }
  return any;
}

static char *
unit_name (const Tuner *tuner, gboolean by_node, guint unit)
{
  guint n = 0, count = 0, first = 0;
  for (n = 0; n < tuner->summary.n_nodes; n++)
    if (in_unit (tuner, n, by_node, unit) && count++ == 0)
      first = n;
  const DcnnNodeInfo *info = &tuner->nodes[first].info;
  return by_node ? g_strdup_printf ("node %u (%s)", unit, info->name)
      : g_strdup_printf ("group %u (%u nodes as %s, %ux%ux%u)", unit, count,
      info->name, info->width, info->height, info->channels);
}

/* Up while it pays; else down while that pays. */
static gboolean
descend (Tuner *tuner, TuneSetting **best, TuneScore *score, double step,
    gboolean by_node, guint unit, GError **error)
{
  const double factors[] = { step, 1 / step, 0 };
  for (guint f = 0; f < G_N_ELEMENTS (factors); f++) {
    gboolean better = FALSE, any = FALSE;
    do {
      TuneSetting *trial = tune_setting_copy (tuner, *best);
      better = change_unit (tuner, trial, by_node, unit, factors[f]);
      if (!better) {
        tune_setting_free (trial);
        break;
      }
      g_autofree char *name = unit_name (tuner, by_node, unit);
      g_autofree char *what = factors[f] > 0
          ? g_strdup_printf ("%s x %.2f", name, factors[f])
          : g_strdup_printf ("%s passes", name);
      if (!consider (tuner, best, score, trial, what, &better, error))
        return FALSE;
      any |= better;
    } while (better && factors[f] > 0);
    if (any)
      break;
  }
  return TRUE;
}

/* ---- the variables of the session --------------------------------------------------- */

static gboolean
try_tuning (Tuner *tuner, TuneSetting **best, TuneScore *score,
    const DcnnTuning *tuning, const char *what, gboolean *better,
    GError **error)
{
  TuneSetting *trial = tune_setting_copy (tuner, *best);
  trial->tuning = *tuning;
  return consider (tuner, best, score, trial, what, better, error);
}

static gboolean
descend_float (Tuner *tuner, TuneSetting **best, TuneScore *score,
    gsize field, double low, double high, const char *name, GError **error)
{
  static const double factors[] = { 1.4, 1 / 1.4 };
  gboolean better = FALSE;
  for (guint f = 0; f < G_N_ELEMENTS (factors) && !better; f++) {
    for (gboolean more = TRUE; more;) {
      DcnnTuning tuning = (*best)->tuning;
      gfloat *value = (gfloat *) ((guint8 *) &tuning + field);
      *value *= (gfloat) factors[f];
      if (*value < low || *value > high)
        break;
      g_autofree char *what = g_strdup_printf ("%s %.3g", name, *value);
      if (!try_tuning (tuner, best, score, &tuning, what, &more, error))
        return FALSE;
      better |= more;
    }
  }
  return TRUE;
}

static gboolean
search_tuning (Tuner *tuner, TuneSetting **best, TuneScore *score,
    GError **error)
{
  gboolean better = FALSE;
  for (gint step = 1; step >= -1 && !better; step -= 2) {
    for (gboolean more = TRUE; more;) {
      DcnnTuning tuning = (*best)->tuning;
      tuning.dilation = (guint) ((gint) tuning.dilation + step);
      if (tuning.dilation < 2 || tuning.dilation > 5)
        break;
      g_autofree char *what = g_strdup_printf ("dilation %u",
          tuning.dilation);
      if (!try_tuning (tuner, best, score, &tuning, what, &more, error))
        return FALSE;
      better |= more;
    }
  }
  if (!descend_float (tuner, best, score,
          G_STRUCT_OFFSET (DcnnTuning, input_threshold), 0.01,
          tuner->start.input_threshold, "input-threshold", error))
    return FALSE;
  return !tuner->gates || descend_float (tuner, best, score,
      G_STRUCT_OFFSET (DcnnTuning, gate_threshold), 0.02, 1,
      "gate-threshold", error);
}

/* ---- all of it ------------------------------------------------------------------------ */

/* Nodes in the order of the time that they take. */
static gboolean
descend_nodes (Tuner *tuner, TuneSetting **best, TuneScore *score,
    GError **error)
{
  g_autofree gboolean *done = g_new0 (gboolean, tuner->summary.n_nodes + 1);
  for (guint i = 0; i < tuner->summary.n_nodes; i++) {
    gint most = -1;
    for (guint n = 0; n < tuner->summary.n_nodes; n++)
      if (!done[n] && tuner->nodes[n].free && (*best)->thresholds[n] > 0
          && (most < 0 || score->candidates[n] * tuner->nodes[n].info.macs >
              score->candidates[most] * tuner->nodes[most].info.macs))
        most = (gint) n;
    if (most < 0)
      break;
    done[most] = TRUE;
    if (!descend (tuner, best, score, 2, TRUE, (guint) most, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
search_groups (Tuner *tuner, TuneSetting **best, TuneScore *score,
    GError **error)
{
  static const double steps[ROUNDS] = { 1.8, 1.4 };
  guint rounds = tuner->effort == TUNE_NODES ? ROUNDS : 1;
  for (guint round = 0; round < rounds; round++) {
    if (!search_tuning (tuner, best, score, error))
      return FALSE;
    for (guint g = 0; g < tuner->n_groups; g++)
      if (!descend (tuner, best, score, steps[round], FALSE, g, error))
        return FALSE;
    if (round == 0 && tuner->effort == TUNE_NODES
        && !descend_nodes (tuner, best, score, error))
      return FALSE;
    let_pass (tuner, *best, score);
    /* back to the limit, where the trade is learnt anew */
    if (!fit_scale (tuner, *best, 8, score, error))
      return FALSE;
  }
  return TRUE;
}

TuneSetting *
tune_search_groups (Tuner *tuner, const TuneSetting *from, GError **error)
{
  TuneSetting *best = tune_setting_copy (tuner, from);
  TuneScore score = { 0 };
  gboolean good =
      tune_evaluate (tuner, best, tuned_set (tuner), &score, error);
  if (good) {
    let_pass (tuner, best, &score);
    tune_score_clear (&score);
    good = tune_evaluate (tuner, best, tuned_set (tuner), &score, error);
  }
  if (good)
    show (tuner, &score, "nodes that keep nothing back pass");
  good = good && search_groups (tuner, &best, &score, error);
  tune_score_clear (&score);
  if (!good)
    g_clear_pointer (&best, tune_setting_free);
  return best;
}
