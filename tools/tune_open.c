/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opening a model and clips for the tuner, and what it is judged by. */
#include "tune.h"

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
  const guint finds = dcnn_decoder_finds (tuner->info->decoder);
  const char *asked = tuner->options->metric_text;
  TuneMetric natural = TUNE_RELATIVE;
  if (finds & DCNN_FINDS_BOXES)
    natural = TUNE_F1;
  else if (finds & (DCNN_FINDS_POSES | DCNN_FINDS_POINTS))
    natural = TUNE_KEYPOINT;
  else if (finds & DCNN_FINDS_MASK)
    natural = TUNE_IOU;
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

static void
free_set (gpointer data)
{
  tune_set_free (data);
}

gboolean
tune_open_model (Tuner *tuner, const TuneOptions *command, GError **error)
{
  guint width = 0, height = 0;
  DcnnSessionOptions options;
  memset (tuner, 0, sizeof *tuner);
  tuner->options = command;
  tuner->log = g_string_new (NULL);
  tuner->sets = g_ptr_array_new_with_free_func (free_set);
  tuner->started_us = g_get_monotonic_time ();
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

gboolean
tune_open (Tuner *tuner, const TuneOptions *options, GError **error)
{
  if (!tune_open_model (tuner, options, error))
    return FALSE;
  tuner->slope = 0.4;
  tuner->effort = g_strcmp0 (options->effort_text, "groups") == 0
      ? TUNE_GROUPS : g_strcmp0 (options->effort_text, "nodes") == 0
      ? TUNE_NODES : TUNE_ONE;
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
