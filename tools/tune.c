/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-tune: finds thresholds for a model on the user's own clip, or makes
 * an int8 model of it. */
#include "output.h"
#include "tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

static TuneOptions chosen = { .frames = 64, .check = 64, .budget = -1,
  .weight_bits = 7 };

static const GOptionEntry entries[] = {
  { "model", 'm', 0, G_OPTION_ARG_FILENAME, &chosen.model,
      "Model: an ONNX file, or a name such as people-seg", "MODEL" },
  { "clip", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &chosen.clips,
      "Clip to tune on; those after the first only check the result", "CLIP" },
  { "size", 's', 0, G_OPTION_ARG_FILENAME, &chosen.size,
      "Network input size (default: the descriptor's)", "WxH" },
  { "frames", 'n', 0, G_OPTION_ARG_INT, &chosen.frames,
      "Frames to tune on, of the first clip (default: 64)", "N" },
  { "check-frames", 0, 0, G_OPTION_ARG_INT, &chosen.check,
      "Frames held back from each clip (default: 64)", "N" },
  { "metric", 0, 0, G_OPTION_ARG_FILENAME, &chosen.metric_text,
      "iou, keypoint_px, f1 or relative (default: by the descriptor's decoder)",
      "NAME" },
  { "budget", 'b', 0, G_OPTION_ARG_DOUBLE, &chosen.budget,
      "Largest error, see below", "ERR" },
  { "effort", 0, 0, G_OPTION_ARG_FILENAME, &chosen.effort_text,
      "one (default): one threshold; groups, nodes: then those by themselves, "
      "for a few percent more in ten times the time",
      "HOW" },
  { "out", 'o', 0, G_OPTION_ARG_FILENAME, &chosen.out,
      "Descriptor to write (default: MODEL.onnx.modelinfo beside the model); "
      "with --quantize the model (default: MODEL-int8.onnx)",
      "FILE" },
  { "report", 'r', 0, G_OPTION_ARG_FILENAME, &chosen.report,
      "Write all that justifies the result as JSON; - is standard output",
      "FILE" },
  { "quantize", 'Q', 0, G_OPTION_ARG_NONE, &chosen.quantise,
      "Make an int8 model instead, see below", NULL },
  { "keep", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &chosen.keep,
      "With --quantize: a layer that stays float32, by its name or its "
      "output's; may be repeated", "LAYER" },
  { "apart", 0, 0, G_OPTION_ARG_NONE, &chosen.apart,
      "With --quantize: quantisers also before SiLU and the like, see below",
      NULL },
  { "weight-bits", 0, 0, G_OPTION_ARG_INT, &chosen.weight_bits,
      "With --quantize: 7 (default) or 8; see below", "N" },
  { "dry-run", 0, 0, G_OPTION_ARG_NONE, &chosen.dry,
      "Write nothing", NULL },
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
    "other --clip. A setting that fails there is made safer until it holds. On\n"
    "scenes of another kind it may not hold: give a --clip of each. The fastest\n"
    "that holds is kept, the defaults too if that is what they are. Frames\n"
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
    "--quantize makes a model of 8-bit integers that this project and ONNX Runtime\n"
    "run (QDQ), with its descriptor beside it: weights by a scale a channel, values\n"
    "by their range on the first two thirds of the first clip. What lies behind the\n"
    "last layers, functions of one value such as SiLU, and layers whose weights\n"
    "are computed stay float32. It prints the loss against the float32 model on the\n"
    "last third and on every other --clip; with --budget nothing is written where\n"
    "the loss is larger. The descriptor gets the smallest threshold with which the\n"
    "int8 model does about the float32 model's share of its work, while it stays as\n"
    "near to its own dense results. ONNX Runtime's integer convolutions need a\n"
    "quantiser at once behind them: --apart puts one before functions such as SiLU\n"
    "too, which costs accuracy. Weights have 7 bits, since sums of 8 overflow in ONNX\n"
    "Runtime on processors without VNNI; this project computes both exactly.\n"
    "Already quantised models, other float types and weights in a file of their\n"
    "own are refused.\n"
    "\n"
    "Ctrl-C stops; a descriptor is written at the very end, whole or not at all.\n"
    "\n"
    "Examples:\n"
    "  deltacnn-tune --model people-seg --clip street.mp4 --out people-seg.onnx.modelinfo\n"
    "  deltacnn-tune --model net.onnx --clip desk1.mp4 --clip desk2.mp4 --budget 0.003 \\\n"
    "      --report net.tuning.json\n"
    "  deltacnn-tune --model net.onnx --clip clip.mp4 --quantize --out net-int8.onnx";

/* Before minutes are spent. */
static gboolean
check_files (GError **error)
{
  g_autofree char *model = dcnn_model_find_file (chosen.model, NULL);
  g_autofree char *path = model && !chosen.dry
      ? tune_destination (&chosen, model) : NULL;
  g_autofree char *beside = path && chosen.quantise
      ? g_strconcat (path, ".modelinfo", NULL) : NULL;
  const ToolFile outputs[] = { { "--out", path }, { "--out", beside },
    { "--report", chosen.report } };
  g_autoptr (GArray) inputs = g_array_new (FALSE, FALSE, sizeof (ToolFile));
  ToolFile input = { "--model", model };
  g_array_append_val (inputs, input);
  for (guint i = 0; chosen.clips[i]; i++) {
    input = (ToolFile) { "--clip", chosen.clips[i] };
    g_array_append_val (inputs, input);
  }
  return tool_check_files (outputs, G_N_ELEMENTS (outputs),
      &g_array_index (inputs, ToolFile, 0), inputs->len, error);
}

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
  else if (chosen.weight_bits != 7 && chosen.weight_bits != 8)
    problem = "--weight-bits: 7 or 8";
  else if (!chosen.quantise && (chosen.keep || chosen.apart
          || chosen.weight_bits != 7))
    problem = "--keep, --apart and --weight-bits go with --quantize";
  else if (effort && strcmp (effort, "one") && strcmp (effort, "groups")
      && strcmp (effort, "nodes"))
    problem = "--effort: one, groups or nodes";
  else if (chosen.metric_text && strcmp (chosen.metric_text, "iou")
      && strcmp (chosen.metric_text, "keypoint_px")
      && strcmp (chosen.metric_text, "f1")
      && strcmp (chosen.metric_text, "relative"))
    problem = "--metric: iou, keypoint_px, f1 or relative";
  guint width, height;
  if (problem)
    g_set_error_literal (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, problem);
  return !problem && tool_parse_size (chosen.size, &width, &height, error)
      && check_files (error);
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
  return (chosen.quantise ? tune_quantise : tune) (&chosen, &error) ? 0 : tool_fail ("deltacnn-tune", &error);
}
