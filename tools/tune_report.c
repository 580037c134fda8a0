/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tuner leaves behind: the descriptor, the JSON report, a summary. */
#include "output.h"
#include "tune.h"

#include <math.h>
#include <string.h>

const char *
tune_metric_name (TuneMetric metric)
{
  static const char *const names[] = { "iou", "keypoint_px", "f1",
    "relative" };
  return names[metric];
}

char *
tune_error_text (const Tuner *tuner, double error)
{
  switch (tuner->metric) {
    case TUNE_IOU:
      return g_strdup_printf ("mask IoU %.4f", 1 - error);
    case TUNE_KEYPOINT:
      return g_strdup_printf ("key points within %.2f px", error);
    case TUNE_F1:
      return g_strdup_printf ("boxes F1 %.4f", 1 - error);
    case TUNE_RELATIVE:
    default:
      return g_strdup_printf ("outputs off by %.2g %% rms", 100 * error);
  }
}

/* ---- descriptor -------------------------------------------------------- */

/* A short number: two digits are more than a threshold deserves. */
static void
set_number (GKeyFile *keys, const char *group, const char *key, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd (text, sizeof text, "%.3g", value);
  g_key_file_set_value (keys, group, key, text);
}

/* A name as GKeyFile can hold it (models/README.md). */
static char *
escape_name (const char *name)
{
  GString *text = g_string_new (NULL);
  for (; *name; name++) {
    if (strchr ("=[]%", *name) || (guchar) *name <= ' ')
      g_string_append_printf (text, "%%%02X", (guint) (guchar) *name);
    else
      g_string_append_c (text, *name);
  }
  return g_string_free (text, FALSE);
}

static void
set_thresholds (const Tuner *tuner, GKeyFile *keys,
    const TuneSetting *setting)
{
  g_key_file_remove_group (keys, "thresholds", NULL);
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    if (!tuner->nodes[n].free
        || setting->thresholds[n] == setting->tuning.threshold)
      continue;
    g_autofree char *name = escape_name (tuner->nodes[n].info.name);
    set_number (keys, "thresholds", name, setting->thresholds[n]);
  }
}

static void
set_influence (const Tuner *tuner, GKeyFile *keys, const TuneSetting *setting)
{
  g_key_file_remove_group (keys, "influence", NULL);
  if (setting->tuning.criterion != DCNN_CRITERION_INFLUENCE)
    return;
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    const char *node = tuner->nodes[n].info.name;
    const GArray *values = tuner->nodes[n].free
        ? g_hash_table_lookup (tuner->info->influence, node) : NULL;
    if (values == NULL)
      continue;
    g_autofree char *name = escape_name (node);
    g_autofree char *text =
        dcnn_influence_to_text ((const gfloat *) values->data, values->len);
    g_key_file_set_value (keys, "influence", name, text);
  }
}

static gboolean
fill_keys (const Tuner *tuner, const TuneSetting *setting, GKeyFile *keys,
    GError **error)
{
  const DcnnTuning *t = &setting->tuning;
  g_autofree char *sha256 = dcnn_model_sha256 (tuner->model_path, error);
  if (!sha256)
    return FALSE;
  if (!g_key_file_has_group (keys, "modelinfo"))
    g_key_file_set_value (keys, "modelinfo", "version", "1.0");
  g_key_file_set_value (keys, "deltacnn", "sha256", sha256);
  g_key_file_remove_group (keys, "tuning", NULL);
  for (guint i = 0; i < DCNN_TUNES_COUNT; i++) {
    const DcnnTuningInfo *info = dcnn_tuning_info (i);
    double value = dcnn_tuning_get (t, i);
    if (info->told && info->names)
      g_key_file_set_value (keys, "tuning", info->name,
          info->names[(guint) value]);
    else if (info->told && info->kind == DCNN_TUNING_KIND_UINT)
      g_key_file_set_integer (keys, "tuning", info->name, (gint) value);
    else if (info->told)
      set_number (keys, "tuning", info->name, value);
  }
  set_thresholds (tuner, keys, setting);
  set_influence (tuner, keys, setting);
  return TRUE;
}

/* Reads the text back as a user of it would. */
static gboolean
verify (const Tuner *tuner, const char *text, gsize length, const char *path,
    GError **error)
{
  g_autoptr (DcnnModelInfo) info =
      dcnn_modelinfo_load_data (text, length, path, error);
  DcnnSessionOptions options;
  if (!info)
    return FALSE;
  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (info, &options);
  options.threads = 1;
  g_autoptr (DcnnSession) session =
      dcnn_session_new (tuner->model, &options, error);
  return session != NULL;
}

char *
tune_destination (const TuneOptions *options, const char *model_path)
{
  gsize n = strlen (model_path);
  if (options->out)
    return g_strdup (options->out);
  if (!options->quantise)
    return g_strconcat (model_path, ".modelinfo", NULL);
  n -= g_str_has_suffix (model_path, ".onnx") ? 5 : 0;
  return g_strdup_printf ("%.*s-int8.onnx", (int) n, model_path);
}

gboolean
tune_write (Tuner *tuner, TuneResult *result, GError **error)
{
  g_autoptr (GKeyFile) keys = g_key_file_new ();
  g_autofree char *path =
      tune_destination (tuner->options, tuner->model_path);
  gsize length;
  g_key_file_set_list_separator (keys, ';');
  if (tuner->info->path && !g_key_file_load_from_file (keys,
          tuner->info->path, G_KEY_FILE_KEEP_COMMENTS, error))
    return FALSE;
  if (!fill_keys (tuner, result->chosen->setting, keys, error))
    return FALSE;
  g_autofree char *text = g_key_file_to_data (keys, &length, error);
  if (!text || !verify (tuner, text, length, path, error))
    return FALSE;
  if (!tool_write_file (path, text, length, error))
    return FALSE;
  result->written = g_steal_pointer (&path);
  return TRUE;
}

/* ---- report ------------------------------------------------------------ */

static void
json_check (const Tuner *tuner, JsonBuilder *builder, const char *name,
    const TuneCheck *check)
{
  if (!check->scores)
    return;
  json_builder_set_member_name (builder, name);
  json_builder_begin_object (builder);
  tool_json_double (builder, "threshold", check->setting->tuning.threshold);
  tool_json_double (builder, "input_threshold",
      check->setting->tuning.input_threshold);
  tool_json_double (builder, "gate_threshold",
      check->setting->tuning.gate_threshold);
  tool_json_int (builder, "dilation", check->setting->tuning.dilation);
  tool_json_double (builder, "scale", check->scale);
  json_builder_set_member_name (builder, "holds");
  json_builder_add_boolean_value (builder, check->holds);
  json_builder_set_member_name (builder, "sets");
  json_builder_begin_array (builder);
  for (guint i = 0; i < tuner->sets->len; i++) {
    const TuneSet *set = g_ptr_array_index (tuner->sets, i);
    json_builder_begin_object (builder);
    tool_json_string (builder, "name", set->name);
    json_builder_set_member_name (builder, "held_back");
    json_builder_add_boolean_value (builder, set->held_back);
    tool_json_int (builder, "frames", set->frames);
    tool_json_double (builder, "changed_share", check->scores[i].changed);
    tool_json_double (builder, "mac_share", check->scores[i].macs);
    tool_json_double (builder, "model_ms",
        tune_time (tuner, &check->scores[i]));
    tool_json_double (builder, "error", check->scores[i].error);
    tool_json_double (builder, "allowed", tuner->allowed_held[i]);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static void
json_nodes (const Tuner *tuner, JsonBuilder *builder, const TuneCheck *check)
{
  json_builder_set_member_name (builder, "nodes");
  json_builder_begin_array (builder);
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    const TuneNode *node = &tuner->nodes[n];
    if (!node->free)
      continue;
    json_builder_begin_object (builder);
    tool_json_string (builder, "name", node->info.name);
    tool_json_int (builder, "group", node->group);
    tool_json_double (builder, "threshold", check->setting->thresholds[n]);
    tool_json_double (builder, "candidate_share",
        check->scores[0].candidates[n]);
    tool_json_double (builder, "joined_share", check->scores[0].joined[n]);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}

static void
json_log (const Tuner *tuner, JsonBuilder *builder)
{
  g_auto (GStrv) lines = g_strsplit (tuner->log->str, "\n", -1);
  json_builder_set_member_name (builder, "steps");
  json_builder_begin_array (builder);
  for (guint i = 0; lines[i]; i++)
    if (*lines[i])
      tool_json_text (builder, lines[i]);
  json_builder_end_array (builder);
}

gboolean
tune_report (const Tuner *tuner, const TuneResult *result, const char *path,
    GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  tool_json_string (builder, "model", tuner->model_path);
  tool_json_int (builder, "width", tuner->summary.input_width);
  tool_json_int (builder, "height", tuner->summary.input_height);
  tool_json_string (builder, "metric", tune_metric_name (tuner->metric));
  tool_json_double (builder, "budget", tuner->budget);
  tool_json_double (builder, "allowed", tuner->allowed);
  tool_json_int (builder, "threads", tuner->options->threads);
  tool_json_int (builder, "evaluations", tuner->evaluations);
  tool_json_int (builder, "frames_run", (gint64) tuner->frames_run);
  tool_json_string (builder, "chosen", result->chosen->name);
  tool_json_string (builder, "written", result->written);
  tool_json_double (builder, "dense_ms", result->times.dense);
  tool_json_double (builder, "before_ms", result->times.before);
  tool_json_double (builder, "after_ms", result->times.after);
  json_check (tuner, builder, "before", &result->before);
  json_check (tuner, builder, "global", &result->global);
  json_check (tuner, builder, "groups", &result->groups);
  json_nodes (tuner, builder, result->chosen);
  json_log (tuner, builder);
  json_builder_end_object (builder);
  return tool_json_write (builder, path, error);
}

/* ---- summary ------------------------------------------------------------- */

static void
print_check (const Tuner *tuner, const TuneCheck *check, const char *title)
{
  if (!check->scores)
    return;
  g_print ("%s: input-threshold %.3g, dilation %u, threshold %.3g%s\n", title,
      check->setting->tuning.input_threshold, check->setting->tuning.dilation,
      check->setting->tuning.threshold,
      check->holds ? "" : "   (OVER THE BUDGET)");
  for (guint i = 0; i < tuner->sets->len; i++) {
    const TuneSet *set = g_ptr_array_index (tuner->sets, i);
    g_autofree char *text = tune_error_text (tuner, check->scores[i].error);
    g_autofree char *limit =
        tune_error_text (tuner, tuner->allowed_held[i]);
    g_print ("  %-44s %5.1f %% of the work, %s (limit: %s)\n", set->name,
        100 * check->scores[i].macs, text, limit);
  }
}

void
tune_print (const Tuner *tuner, const TuneResult *result)
{
  guint own = 0, pass = 0;
  const TuneSetting *setting = result->chosen->setting;
  for (guint n = 0; n < tuner->summary.n_nodes; n++) {
    if (!tuner->nodes[n].free)
      continue;
    pass += setting->thresholds[n] < 0;
    own += setting->thresholds[n] >= 0
        && setting->thresholds[n] != setting->tuning.threshold;
  }
  print_check (tuner, &result->before, "defaults");
  print_check (tuner, &result->global, "one threshold for all");
  print_check (tuner, &result->groups, "thresholds by groups of nodes");
  g_print ("chosen: %s; %u nodes have their own threshold, %u pass "
      "everything on\n", result->chosen->name, own, pass);
  if (result->chosen->scale < 1)
    g_print ("the check on frames that were held back failed at first: all "
        "thresholds were made %.2f times smaller\n",
        1 / result->chosen->scale);
  g_print ("a frame: dense %.2f ms, defaults %.2f ms, tuned %.2f ms\n",
      result->times.dense, result->times.before, result->times.after);
  if (result->written)
    g_print ("written: %s\n", result->written);
}
