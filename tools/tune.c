/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-tune: finds thresholds for a model on the user's own clip. */
#include "tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of influence; the search goes on from there. */
#define START_THRESHOLD 0.03f

/* ---- opening ----------------------------------------------------------- */

/* Nodes that change together: of one size of map and of one kind. Depthwise
 * layers, layers that widen, and the others keep very different shares back;
 * the two halves of a net differ in how much hangs on them. */
static void
group_nodes (Tuner *tuner)
{
  g_autoptr (GHashTable) groups =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint64 done = 0;
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    TuneNode *node = &tuner->nodes[n];
    const DcnnNodeInfo *info = &node->info;
    guint from = info->n_inputs && info->inputs[0] >= 0
        ? tuner->nodes[info->inputs[0]].info.channels
        : tuner->summary.input_channels;
    const char *kind = strcmp (info->kernel, "depthwise") == 0 ? "depthwise"
        : info->macs && info->channels > from ? "wider" : "plain";
    gboolean late = done * 2 > tuner->summary.macs;
    done += info->macs;
    if (!node->free)
      continue;
    g_autofree char *key = g_strdup_printf ("%ux%u %s %d", info->width,
        info->height, kind, late);
    gpointer found;
    if (!g_hash_table_lookup_extended (groups, key, NULL, &found)) {
      found = GUINT_TO_POINTER (tuner->n_groups++);
      g_hash_table_insert (groups, g_steal_pointer (&key), found);
    }
    node->group = (gint) GPOINTER_TO_UINT (found);
  }
}

/* Thresholds make a difference at nodes that are maps of more than a pixel,
 * are stored, and are read by others. */
static void
find_nodes (Tuner *tuner)
{
  guint n_nodes = tuner->summary.n_nodes;
  g_autofree gboolean *read = g_new0 (gboolean, n_nodes + 1);
  tuner->nodes = g_new0 (TuneNode, n_nodes + 1);
  for (guint n = 0; n < n_nodes; n++) {
    DcnnNodeInfo *info = &tuner->nodes[n].info;
    dcnn_model_get_node (tuner->model, n, info);
    for (guint i = 0; i < info->n_inputs; i++)
      if (info->inputs[i] >= 0)
        read[info->inputs[i]] = TRUE;
    tuner->gates |= info->width == 1 && info->height == 1;
  }
  for (guint n = 0; n < n_nodes; n++) {
    TuneNode *node = &tuner->nodes[n];
    node->group = -1;
    node->free = read[n] && node->info.width * node->info.height > 1
        && node->info.inside < 0 && node->info.name && *node->info.name;
    for (guint i = 0; node->free && i < tuner->summary.n_outputs; i++)
      if (g_strcmp0 (dcnn_model_output_name (tuner->model, i),
              node->info.name) == 0)
        node->free = FALSE; /* outputs tell of every change */
    for (guint k = 0; node->free && k < n; k++)
      if (g_strcmp0 (tuner->nodes[k].info.name, node->info.name) == 0)
        node->free = FALSE;
  }
  group_nodes (tuner);
}

static gboolean
choose_metric (Tuner *tuner, GError **error)
{
  static const double budgets[] = { 0.005, 0.5, 0.01, 0.05 };
  static const struct { const char *decoder; TuneMetric metric; } known[] = {
    { "segmentation", TUNE_IOU }, { "heatmap-pose", TUNE_KEYPOINT },
    { "movenet", TUNE_KEYPOINT }, { "posenet", TUNE_KEYPOINT },
    { "people-pose", TUNE_KEYPOINT }, { "landmarks", TUNE_KEYPOINT },
    { "yolox", TUNE_F1 }, { "centernet", TUNE_F1 },
    { "fastestdet", TUNE_F1 },
  };
  const char *asked = tuner->options->metric_text;
  TuneMetric natural = TUNE_RELATIVE;
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_strcmp0 (tuner->info->decoder, known[i].decoder) == 0)
      natural = known[i].metric;
  tuner->metric = natural;
  if (asked) {
    guint m = 0;
    while (m <= TUNE_RELATIVE
        && strcmp (asked, tune_metric_name ((TuneMetric) m)) != 0)
      m++;
    tuner->metric = (TuneMetric) m;
    if (m != TUNE_RELATIVE && m != natural) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
          "--metric %s: this model's results can be judged by %s%s", asked,
          natural == TUNE_RELATIVE ? "" : "relative or ",
          tune_metric_name (natural));
      return FALSE;
    }
  }
  tuner->budget = tuner->options->budget >= 0 ? tuner->options->budget
      : budgets[tuner->metric];
  return TRUE;
}

static gboolean
open_model (Tuner *tuner, GError **error)
{
  guint width = 0, height = 0;
  DcnnSessionOptions options;
  if (!tool_parse_size (tuner->options->size, &width, &height, error))
    return FALSE;
  tuner->model_path = dcnn_model_find_file (tuner->options->model, error);
  if (!tuner->model_path)
    return FALSE;
  tuner->model = dcnn_model_load (tuner->model_path, width, height,
      &tuner->info, error);
  if (!tuner->model)
    return FALSE;
  dcnn_model_get_summary (tuner->model, &tuner->summary);
  if (!tuner->summary.input_width) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED,
        "%s has no image input of 1 or 3 channels, so it cannot see a clip; "
        "deltacnn-inspect shows its inputs", tuner->model_path);
    return FALSE;
  }
  dcnn_session_options_init (&options);
  tuner->start = options.tuning;
  tuner->start.criterion = DCNN_CRITERION_INFLUENCE;
  tuner->start.threshold = START_THRESHOLD;
  /* nothing of an earlier tuning is part of this one */
  g_clear_pointer (&tuner->info->thresholds, g_hash_table_unref);
  g_clear_pointer (&tuner->info->influence, g_hash_table_unref);
  return choose_metric (tuner, error);
}

static void
free_set (gpointer data)
{
  tune_set_free (data);
}

gboolean
tune_open (Tuner *tuner, const TuneOptions *options, GError **error)
{
  memset (tuner, 0, sizeof *tuner);
  tuner->options = options;
  tuner->log = g_string_new (NULL);
  tuner->sets = g_ptr_array_new_with_free_func (free_set);
  tuner->started_us = g_get_monotonic_time ();
  tuner->slope = 0.4;
  tuner->effort = g_strcmp0 (options->effort_text, "groups") == 0
      ? TUNE_GROUPS : g_strcmp0 (options->effort_text, "nodes") == 0
      ? TUNE_NODES : TUNE_ONE;
  if (!open_model (tuner, error))
    return FALSE;
  find_nodes (tuner);
  for (guint i = 0; options->clips[i]; i++)
    if (!tune_read_clip (tuner, options->clips[i],
            i ? 0 : (guint) options->frames, (guint) options->check, error))
      return FALSE;
  return TRUE;
}

void
tune_close (Tuner *tuner)
{
  g_clear_pointer (&tuner->sets, g_ptr_array_unref);
  g_clear_pointer (&tuner->model, dcnn_model_unref);
  g_clear_pointer (&tuner->info, dcnn_modelinfo_free);
  g_clear_pointer (&tuner->squares, g_hash_table_unref);
  g_free (tuner->model_path);
  g_free (tuner->nodes);
  g_free (tuner->allowed_held);
  if (tuner->log)
    g_string_free (tuner->log, TRUE);
}

/* ---- the whole run ------------------------------------------------------- */

/* The fastest that holds; between equals the simpler. When none does, one
 * threshold for all. */
static const TuneCheck *
choose (const Tuner *tuner, const TuneResult *result)
{
  const TuneCheck *all[] = { &result->before, &result->global,
    &result->groups };
  const TuneCheck *best = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    if (all[i]->scores && all[i]->holds
        && (!best || tune_check_time (tuner, all[i]) < 0.99
            * tune_check_time (tuner, best)))
      best = all[i];
  return best ? best : &result->global;
}

static gboolean
find (Tuner *tuner, TuneResult *result, GError **error)
{
  if (!tune_allow (tuner, error))
    return FALSE;
  DcnnSessionOptions defaults;
  dcnn_session_options_init (&defaults);
  TuneSetting *before =
      tune_setting_new (tuner, defaults.tuning.threshold);
  before->tuning = defaults.tuning;
  if (!tune_check_as_is (tuner, "defaults", before, &result->before, error))
    return FALSE;
  TuneSetting *global = tune_search_global (tuner, error);
  if (!global)
    return FALSE;
  TuneSetting *groups = tuner->effort > TUNE_ONE
      ? tune_search_groups (tuner, global, error) : NULL;
  if (tuner->effort > TUNE_ONE && !groups) {
    tune_setting_free (global);
    return FALSE;
  }
  if (!tune_check (tuner, "one threshold", global, &result->global, error)) {
    g_clear_pointer (&groups, tune_setting_free);
    return FALSE;
  }
  if (groups
      && !tune_check (tuner, "groups", groups, &result->groups, error))
    return FALSE;
  result->chosen = choose (tuner, result);
  return tune_race (tuner, result->before.setting, result->chosen->setting,
      &result->times, error);
}

static gboolean
finish (Tuner *tuner, TuneResult *result, GError **error)
{
  const TuneOptions *options = tuner->options;
  gboolean holds = result->chosen->holds, good = TRUE;
  gboolean pays = result->times.after < result->times.dense;
  if (holds && pays && !options->dry)
    good = tune_write (tuner, result, error);
  if (good && options->report)
    good = tune_report (tuner, result, options->report, error);
  if (g_strcmp0 (options->report, "-") != 0)
    tune_print (tuner, result);
  if (good && !holds) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "no setting that was found keeps the budget on the frames held back; "
        "nothing was written. Tune on a clip that is more like them, or raise "
        "--budget");
    return FALSE;
  }
  if (good && !pays) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "the budget can be kept on the frames held back, but takes as long as "
        "a dense run; nothing was written. Raise --budget, or run the model "
        "dense on scenes such as these");
    return FALSE;
  }
  return good;
}

static gboolean
tune (const TuneOptions *options, GError **error)
{
  Tuner tuner;
  TuneResult result = { { NULL } };
  gboolean good = tune_open (&tuner, options, error)
      && find (&tuner, &result, error) && finish (&tuner, &result, error);
  tune_check_clear (&tuner, &result.before);
  tune_check_clear (&tuner, &result.global);
  tune_check_clear (&tuner, &result.groups);
  g_free (result.written);
  tune_close (&tuner);
  return good;
}

/* ---- command line -------------------------------------------------------- */

static TuneOptions chosen = { .frames = 64, .check = 64, .budget = -1 };

static const GOptionEntry entries[] = {
  { "model", 'm', 0, G_OPTION_ARG_FILENAME, &chosen.model,
      "Model: an ONNX file, or a name such as people-seg", "MODEL" },
  { "clip", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &chosen.clips,
      "Clip to tune on; those after the first only check the result", "CLIP" },
  { "size", 's', 0, G_OPTION_ARG_STRING, &chosen.size,
      "Network input size (default: the descriptor's)", "WxH" },
  { "frames", 'n', 0, G_OPTION_ARG_INT, &chosen.frames,
      "Frames to tune on, of the first clip (default: 64)", "N" },
  { "check-frames", 0, 0, G_OPTION_ARG_INT, &chosen.check,
      "Frames held back from each clip (default: 64)", "N" },
  { "metric", 0, 0, G_OPTION_ARG_STRING, &chosen.metric_text,
      "iou, keypoint_px, f1 or relative (default: by the descriptor's decoder)",
      "NAME" },
  { "budget", 'b', 0, G_OPTION_ARG_DOUBLE, &chosen.budget,
      "Largest error, see below", "ERR" },
  { "effort", 0, 0, G_OPTION_ARG_STRING, &chosen.effort_text,
      "one (default): one threshold; groups, nodes: then those by themselves, "
      "for a few percent more in ten times the time",
      "HOW" },
  { "out", 'o', 0, G_OPTION_ARG_FILENAME, &chosen.out,
      "Descriptor to write (default: MODEL.onnx.modelinfo beside the model)",
      "FILE" },
  { "report", 'r', 0, G_OPTION_ARG_FILENAME, &chosen.report,
      "Write all that justifies the result as JSON; - is standard output",
      "FILE" },
  { "dry-run", 0, 0, G_OPTION_ARG_NONE, &chosen.dry,
      "Write no descriptor", NULL },
  { "threads", 't', 0, G_OPTION_ARG_INT, &chosen.threads,
      "Threads (default: one a core)", "N" },
  { "quiet", 'q', 0, G_OPTION_ARG_NONE, &chosen.quiet,
      "No progress on standard error", NULL },
  { NULL }
};

static const char summary_text[] =
    "Finds the thresholds that make a model fastest on your own clip while its\n"
    "results stay within a budget of the dense ones, and writes them to the\n"
    "model's descriptor, where every program that loads the model finds them.\n"
    "\n"
    "It measures how strongly each channel bears on the results, and weighs that\n"
    "against the work that passing a change on makes; one threshold then serves\n"
    "the whole net. It tunes on stretches of the clip's first two thirds, which\n"
    "must show what the model is for, then checks on the last third and on every\n"
    "other --clip. A setting that fails there is made safer until it holds. The\n"
    "fastest that holds is kept, the defaults too if that is what they are. Frames\n"
    "are kept in memory: about 128 of the first clip, 64 of each other.";

static const char description[] =
    "Metrics and their budgets, all against a dense run on the same frames:\n"
    "  iou          masks: 1 - IoU (0.005: IoU 0.995)\n"
    "  keypoint_px  poses: mean distance in pixels of the network's input (0.5);\n"
    "               a pose or point lost or invented counts as far off\n"
    "  f1           boxes: 1 - F1 over scores of 0.3 to 0.7, each with a\n"
    "               tolerance of 0.05, on top of what the input threshold alone\n"
    "               costs (0.01)\n"
    "  relative     any outputs: rms of the difference to the rms of the output,\n"
    "               or of the share of indices and flags that differ (0.05)\n"
    "\n"
    "Ctrl-C stops; a descriptor is written at the very end, whole or not at all.\n"
    "\n"
    "Examples:\n"
    "  deltacnn-tune --model people-seg --clip street.mp4 --out people-seg.onnx.modelinfo\n"
    "  deltacnn-tune --model net.onnx --clip desk1.mp4 --clip desk2.mp4 --budget 0.003 \\\n"
    "      --report net.tuning.json";

static gboolean
check_options (GError **error)
{
  const char *problem = NULL;
  const char *effort = chosen.effort_text;
  if (!chosen.model)
    problem = "--model is missing (an ONNX file or a model's name)";
  else if (!chosen.clips)
    problem = "--clip is missing (a video file)";
  else if (chosen.frames < 16 || chosen.frames > 10000)
    problem = "--frames: 16 to 10000";
  else if (chosen.check < 16 || chosen.check > 10000)
    problem = "--check-frames: 16 to 10000";
  else if (chosen.threads < 0 || chosen.threads > 256)
    problem = "--threads: 0 (one a core) to 256";
  else if (!isfinite (chosen.budget) || chosen.budget == 0
      || (chosen.budget < 0 && chosen.budget != -1))
    problem = "--budget: a number above 0, in the metric's unit; see --help";
  else if (effort && strcmp (effort, "one") && strcmp (effort, "groups")
      && strcmp (effort, "nodes"))
    problem = "--effort: one, groups or nodes";
  else if (chosen.metric_text && strcmp (chosen.metric_text, "iou")
      && strcmp (chosen.metric_text, "keypoint_px")
      && strcmp (chosen.metric_text, "f1")
      && strcmp (chosen.metric_text, "relative"))
    problem = "--metric: iou, keypoint_px, f1 or relative";
  if (problem)
    g_set_error_literal (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, problem);
  return !problem;
}

int
main (int argc, char **argv)
{
  tune_stop_on_interrupt ();
  g_autoptr (GError) error = NULL;
  if (!tool_parse_options (summary_text, description, entries, &argc, &argv,
          &error) || !check_options (&error)) {
    tool_fail ("deltacnn-tune", &error);
    return 2;
  }
  gst_init (NULL, NULL);
  return tune (&chosen, &error) ? 0 : tool_fail ("deltacnn-tune", &error);
}
