/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-tune --quantize: an int8 model of a float32 one. Ranges are taken
 * from frames of the first clip's first two thirds, by each rule; the rule whose
 * outputs are nearer to the float32 net's there is taken, and what it costs is
 * said on frames that were held back. tune_threshold.c then finds a threshold
 * for it. */
#include "quantise.h"
#include "output.h"
#include "tune.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

/* A model that runs beside others on the same frames. */
typedef struct Side {
  DcnnModel *model;
  DcnnModelInfo *info;
  DcnnSession *session;
  DcnnDecoder *decoder;
  GArray *ms;                /* of frames held back */
} Side;

typedef struct Quantiser {
  Tuner *tuner;
  QuantPlan *plan;
  QuantRange *ranges;        /* of plan->values */
  QuantMeans *means;         /* likewise */
  GHashTable *levels;        /* of quant_level_find(); NULL: not known yet */
  GPtrArray *observed;       /* of those, the ones that a run shows */
  char *folder;              /* for files that are tried */
  Side plain, tried[QUANT_N_RULES];
  GBytes *bytes[QUANT_N_RULES];
  BenchAgreement tuned[QUANT_N_RULES], held[QUANT_N_RULES];
  guint layers, frames, held_frames;
  QuantRule chosen;
  TuneThreshold threshold;   /* 0: not known yet */
  char *written;
} Quantiser;

static const char *const rule_texts[] = { "least squares",
  "smallest to largest" };

/* ---- models --------------------------------------------------------------- */

static void
side_clear (Side *side)
{
  g_clear_pointer (&side->decoder, dcnn_decoder_free);
  g_clear_pointer (&side->session, dcnn_session_free);
  g_clear_pointer (&side->model, dcnn_model_unref);
  g_clear_pointer (&side->info, dcnn_modelinfo_free);
  g_clear_pointer (&side->ms, g_array_unref);
}

/* A dense session of side->model, and what decodes it. */
static gboolean
side_start (Quantiser *it, Side *side, GError **error)
{
  GError *cause = NULL;
  DcnnSessionOptions options;
  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (side->info, &options);
  options.threads = (guint) it->tuner->options->threads;
  options.tuning.mode = DCNN_MODE_DENSE;
  options.thresholds = NULL;
  side->ms = g_array_new (FALSE, FALSE, sizeof (double));
  side->session = dcnn_session_new (side->model, &options, error);
  if (!side->session)
    return FALSE;
  side->decoder = dcnn_decoder_new (side->info, side->model, &cause);
  if (cause)
    g_propagate_error (error, cause);
  return !cause;
}

/* The descriptor for a rewritten file: nothing of the float32 file's identity
 * and tuning; new text, or NULL where the model has none. */
static char *
descriptor (const Quantiser *it, gboolean decodes)
{
  const DcnnModelInfo *info = it->tuner->info;
  g_autoptr (GKeyFile) keys = g_key_file_new ();
  if (!info->path)
    return NULL;
  g_autofree char *text = g_key_file_to_data (info->keys, NULL, NULL);
  g_key_file_set_list_separator (keys, ';');
  if (!g_key_file_load_from_data (keys, text, strlen (text),
          G_KEY_FILE_NONE, NULL))
    return NULL;
  g_autofree char *criterion = g_key_file_get_string (keys, "tuning",
      "criterion", NULL);
  g_key_file_remove_key (keys, "deltacnn", "sha256", NULL);
  g_key_file_remove_key (keys, "deltacnn", "outputs", NULL);
  g_key_file_remove_group (keys, "thresholds", NULL);
  g_key_file_remove_group (keys, "influence", NULL);
  if (g_strcmp0 (criterion, "influence") == 0)
    g_key_file_remove_group (keys, "tuning", NULL);
  if (it->threshold.threshold > 0) {
    char digits[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd (digits, sizeof digits, "%.3g", it->threshold.threshold);
    g_key_file_set_string (keys, "tuning", "threshold", digits);
  }
  if (!decodes) {
    g_key_file_remove_key (keys, "deltacnn", "decoder", NULL);
    g_key_file_remove_group (keys, "decoder", NULL);
  }
  if (info->name) {
    g_autofree char *name = g_strconcat (info->name, "-int8", NULL);
    g_key_file_set_string (keys, "deltacnn", "name", name);
  }
  if (info->n_labels) { /* a file of them may not be found from elsewhere */
    g_key_file_remove_key (keys, "labels", "file", NULL);
    g_key_file_set_string_list (keys, "labels", "list",
        (const char *const *) info->labels, info->n_labels);
  }
  return g_key_file_to_data (keys, NULL, NULL);
}

/* Writes a file and its descriptor; complete or not at all. */
static gboolean
write_pair (const Quantiser *it, const char *path, GBytes *bytes,
    gboolean decodes, GError **error)
{
  g_autofree char *text = descriptor (it, decodes);
  g_autofree char *beside = g_strconcat (path, ".modelinfo", NULL);
  return tool_write_file (path, g_bytes_get_data (bytes, NULL),
      g_bytes_get_size (bytes), error)
      && (!text || tool_write_file (beside, text, strlen (text), error));
}

/* A rewritten file as the engine takes it. */
static gboolean
load_bytes (Quantiser *it, const char *name, GBytes *bytes, gboolean decodes,
    Side *side, GError **error)
{
  guint width = 0, height = 0;
  g_autofree char *path = g_build_filename (it->folder, name, NULL);
  if (!tool_parse_size (it->tuner->options->size, &width, &height, error)
      || !write_pair (it, path, bytes, decodes, error))
    return FALSE;
  side->model = dcnn_model_load (path, width, height, &side->info, error);
  return side->model && side_start (it, side, error);
}

/* ---- frames ------------------------------------------------------------------ */

/* Whether frame i is one of n that are spread evenly over begin .. end - 1. */
static gboolean
is_chosen (guint64 i, guint64 begin, guint64 end, gint n)
{
  return i >= begin && i < end
      && (i - begin) * (guint64) n % (end - begin) < (guint64) n;
}

typedef gboolean (*OnFrame) (Quantiser *it, const DcnnFrame *frame,
    gboolean held, GError **error);

/* Calls on_frame for the frames of clip c that are tuned on or held back. */
static gboolean
each_frame (Quantiser *it, guint c, gboolean with_held, OnFrame on_frame,
    GError **error)
{
  const TuneOptions *options = it->tuner->options;
  const char *clip = options->clips[c];
  guint64 total = 0;
  GError *cause = NULL;
  DcnnFrame frame;
  if (!tune_count_frames (clip, &total, error))
    return FALSE;
  guint64 cut = c ? 0 : total - total / 3;
  g_autoptr (ToolSource) source = tool_source_open (clip, error);
  if (!source)
    return FALSE;
  for (guint64 i = 0; !cause && i < (with_held ? total : cut)
      && tool_source_next (source, &frame, &cause); i++) {
    gboolean tuned = !c && is_chosen (i, 0, cut, options->frames);
    gboolean held = is_chosen (i, cut, total, options->check);
    if (g_atomic_int_get (&tune_stopped))
      g_set_error (&cause, DCNN_ERROR, DCNN_ERROR_ARGUMENT, "stopped");
    else if (tuned || held)
      on_frame (it, &frame, held, &cause);
    if (i % 16 == 0)
      tune_say (it->tuner, FALSE, "%s %s: frame %u",
          with_held ? "comparing on" : "ranges on", clip, (guint) i);
  }
  if (cause)
    g_propagate_error (error, cause);
  return !cause;
}

/* ---- ranges -------------------------------------------------------------------- */

static Onnx__ValueInfoProto *
find_input (const QuantNet *net, const char *name)
{
  for (gsize i = 0; i < net->graph->n_input; i++)
    if (g_strcmp0 (net->graph->input[i]->name, name) == 0)
      return net->graph->input[i];
  return NULL;
}

/* The picture's range is the descriptor's, not the clip's. Other inputs stay
 * float32, as do pictures of whole numbers. */
static void
widen_input (const Quantiser *it, const Onnx__ValueInfoProto *input,
    QuantRange *range)
{
  const DcnnModelInfo *info = it->tuner->info;
  const Onnx__TypeProto *type = input->type;
  gboolean picture = type
      && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
      && type->tensor_type->elem_type == 1;
  for (guint i = 0; i < info->tensors->len; i++) {
    const DcnnTensorInfo *tensor = g_ptr_array_index (info->tensors, i);
    if (tensor->is_input && g_strcmp0 (tensor->name, input->name) == 0
        && (tensor->state || tensor->n_values))
      picture = FALSE;
  }
  for (guint c = 0; picture && c < 3; c++) {
    double dark = (double) info->bias[c];
    double light = dark + 255 * (double) info->scale[c];
    quant_range_widen (range, MIN (dark, light), MAX (dark, light));
  }
}

static gboolean
observe (Quantiser *it, const DcnnFrame *frame, gboolean held, GError **error)
{
  Side *side = &it->tried[0];
  DcnnModelSummary summary;
  (void) held;
  if (!dcnn_session_push_frame (side->session, 0, frame, NULL, error))
    return FALSE;
  dcnn_model_get_summary (side->model, &summary);
  guint first = summary.n_outputs - it->observed->len;
  for (guint i = 0, o = 0; i < it->plan->values->len; i++) {
    if (o >= it->observed->len
        || g_ptr_array_index (it->observed, o)
        != g_ptr_array_index (it->plan->values, i))
      continue;
    const DcnnTensor *t =
        &dcnn_session_get_output (side->session, 0, first + o++)->tensor;
    if (t->dtype != DCNN_DTYPE_F32)
      continue;
    quant_range_add (&it->ranges[i], t->data, (gsize) dcnn_tensor_count (t));
    quant_means_add (&it->means[i], t);
  }
  it->frames++;
  return TRUE;
}

/* Runs a copy of the net in which all values of the plan are outputs. */
static gboolean
find_ranges (Quantiser *it, QuantNet *net, GError **error)
{
  it->ranges = g_new0 (QuantRange, it->plan->values->len + 1);
  it->means = g_new0 (QuantMeans, it->plan->values->len + 1);
  it->observed = g_ptr_array_new ();
  for (guint i = 0; i < it->plan->values->len; i++) {
    char *name = g_ptr_array_index (it->plan->values, i);
    const Onnx__ValueInfoProto *input = find_input (net, name);
    const GPtrArray *readers = g_hash_table_lookup (net->readers, name);
    gboolean shown = FALSE;
    for (guint r = 0; readers && r < readers->len; r++)
      shown |= !g_ptr_array_index (readers, r);
    if (input)
      widen_input (it, input, &it->ranges[i]);
    else if (!shown) /* outputs, and what graphs within read, stay as they are */
      g_ptr_array_add (it->observed, name);
  }
  g_autoptr (GBytes) bytes = quant_net_pack (net, it->observed);
  gboolean good = load_bytes (it, "observed.onnx", bytes, FALSE,
      &it->tried[0], error) && each_frame (it, 0, FALSE, observe, error);
  side_clear (&it->tried[0]);
  return good;
}

/* ---- scales -------------------------------------------------------------------- */

static GHashTable *
means_by_name (const Quantiser *it)
{
  GHashTable *means = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < it->plan->values->len; i++)
    if (it->means[i].n)
      g_hash_table_insert (means, g_ptr_array_index (it->plan->values, i),
          &it->means[i]);
  return means;
}

/* By value; those without a range are left out. */
static GHashTable *
find_scales (const Quantiser *it, QuantRule rule)
{
  GHashTable *scales = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
      g_free);
  for (guint i = 0; i < it->plan->values->len; i++) {
    const char *name = g_ptr_array_index (it->plan->values, i);
    const QuantRange *range = &it->ranges[i];
    const char *same = g_hash_table_lookup (it->plan->same, name);
    const QuantScale *of = same ? g_hash_table_lookup (scales, same) : NULL;
    gboolean known = range->n > 0 || range->low < range->high;
    if (!known || range->broken)
      continue;
    /* what was observed: an input's range is known in full */
    QuantScale own = quant_range_scale (range,
        range->n ? rule : QUANT_EXTREMES);
    g_hash_table_insert (scales, (gpointer) name,
        g_memdup2 (of ? of : &own, sizeof own));
  }
  return scales;
}

static QuantNet *
open_net (const Quantiser *it, GError **error)
{
  QuantNet *net = quant_net_open (it->tuner->model_path,
      it->tuner->info->outputs, error);
  if (net)
    quant_net_fold (net);
  if (net && it->levels)
    quant_net_level (net, it->levels);
  return net;
}

/* The int8 file by a rule, and a session of it. */
static gboolean
try_rule (Quantiser *it, QuantRule rule, GError **error)
{
  g_autoptr (QuantNet) net = open_net (it, error);
  g_autoptr (QuantPlan) plan = net ? quant_plan_new (net,
      it->tuner->options->keep, it->tuner->options->apart, error) : NULL;
  g_autofree char *name = g_strdup_printf ("rule%u.onnx", rule);
  if (!plan)
    return FALSE;
  g_autoptr (GHashTable) scales = find_scales (it, rule);
  g_autoptr (GHashTable) means = means_by_name (it);
  it->layers = quant_net_rewrite (net, plan, scales, means,
      (guint) it->tuner->options->weight_bits);
  if (it->layers == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_UNSUPPORTED, "%s: no layer "
        "reads values whose range the clip shows", it->tuner->model_path);
    return FALSE;
  }
  it->bytes[rule] = quant_net_pack (net, NULL);
  return load_bytes (it, name, it->bytes[rule], TRUE, &it->tried[rule],
      error);
}

/* ---- the loss ------------------------------------------------------------------- */

static gboolean
push (Side *side, const DcnnFrame *frame, gboolean held, GError **error)
{
  gint64 before = g_get_monotonic_time ();
  if (!dcnn_session_push_frame (side->session, 0, frame, NULL, error))
    return FALSE;
  double ms = (double) (g_get_monotonic_time () - before) / 1e3;
  if (held)
    g_array_append_val (side->ms, ms);
  return TRUE;
}

static gboolean
compare (Quantiser *it, const DcnnFrame *frame, gboolean held, GError **error)
{
  gboolean boxes = it->tuner->metric == TUNE_F1;
  Side *a = &it->plain;
  DcnnTransform transform;
  const DcnnResults *truth;
  if (!push (a, frame, held, error))
    return FALSE;
  dcnn_session_get_transform (a->session, 0, &transform);
  truth = a->decoder ? dcnn_decoder_run (a->decoder, a->session, 0,
      boxes ? TUNE_LEAST_SCORE : -1) : NULL;
  for (guint rule = 0; rule < QUANT_N_RULES; rule++) {
    Side *b = &it->tried[rule];
    BenchAgreement *sum = held ? &it->held[rule] : &it->tuned[rule];
    if (!push (b, frame, held, error))
      return FALSE;
    bench_agreement_add_outputs (sum, a->model, b->session, a->session);
    const DcnnResults *results = b->decoder ? dcnn_decoder_run (b->decoder,
        b->session, 0, boxes ? TUNE_LEAST_SCORE : -1) : NULL;
    if (truth && results && !boxes)
      bench_agreement_add_results (sum, results, truth, &transform);
    for (guint s = 3; truth && results && boxes && s <= 7; s++)
      bench_agreement_add_boxes (sum, results->detections, truth->detections,
          0.1f * s);
  }
  it->held_frames += held;
  return TRUE;
}

/* Whether a rule costs less than another on the frames that were tuned on: by
 * the metric, else by the outputs. */
static gboolean
is_better (const Quantiser *it, QuantRule a, QuantRule b)
{
  gboolean blind[2];
  double of_a = tune_error_of (it->tuner, &it->tuned[a], &blind[0]);
  double of_b = tune_error_of (it->tuner, &it->tuned[b], &blind[1]);
  if (!blind[0] && !blind[1] && of_a != of_b)
    return of_a < of_b;
  return bench_agreement_value (&it->tuned[a], BENCH_RELATIVE)
      < bench_agreement_value (&it->tuned[b], BENCH_RELATIVE);
}

static gboolean
find_loss (Quantiser *it, GError **error)
{
  Tuner *tuner = it->tuner;
  it->plain.model = g_steal_pointer (&tuner->model);
  it->plain.info = tuner->info;
  gboolean good = side_start (it, &it->plain, error);
  for (guint c = 0; good && tuner->options->clips[c]; c++)
    good = each_frame (it, c, TRUE, compare, error);
  tuner->model = g_steal_pointer (&it->plain.model);
  it->plain.info = NULL;
  it->chosen = is_better (it, QUANT_EXTREMES, QUANT_LEAST_SQUARES)
      ? QUANT_EXTREMES : QUANT_LEAST_SQUARES;
  return good;
}

/* ---- results ---------------------------------------------------------------------- */

static gint
by_value (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static double
median (GArray *values)
{
  g_array_sort (values, by_value);
  return values->len ? g_array_index (values, double, values->len / 2) : 0;
}

static gsize
file_bytes (const char *path)
{
  GStatBuf status;
  return g_stat (path, &status) == 0 ? (gsize) status.st_size : 0;
}

static gboolean
report (const Quantiser *it, const char *path, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  tool_json_string (builder, "model", it->tuner->model_path);
  tool_json_string (builder, "written", it->written);
  tool_json_string (builder, "ranges", rule_texts[it->chosen]);
  tool_json_string (builder, "metric", tune_metric_name (it->tuner->metric));
  tool_json_int (builder, "frames", it->frames);
  tool_json_int (builder, "frames_held_back", it->held_frames);
  tool_json_int (builder, "layers", it->layers);
  tool_json_int (builder, "values", it->plan->values->len);
  tool_json_int (builder, "values_levelled",
      (gint64) g_hash_table_size (it->levels));
  tool_json_int (builder, "bytes_before",
      (gint64) file_bytes (it->tuner->model_path));
  tool_json_int (builder, "bytes_after",
      (gint64) g_bytes_get_size (it->bytes[it->chosen]));
  tool_json_double (builder, "float_ms", median (it->plain.ms));
  tool_json_double (builder, "int8_ms", median (it->tried[it->chosen].ms));
  tool_json_double (builder, "threshold", it->threshold.threshold);
  tool_json_double (builder, "mac_share", it->threshold.macs);
  tool_json_double (builder, "mac_share_before", it->threshold.first_macs);
  tool_json_double (builder, "float_mac_share", it->threshold.plain_macs);
  json_builder_set_member_name (builder, "float32");
  json_builder_begin_array (builder);
  for (guint i = 0; i < it->plan->left->len; i++)
    tool_json_text (builder, g_ptr_array_index (it->plan->left, i));
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "loss");
  json_builder_begin_object (builder);
  bench_agreement_json (&it->held[it->chosen], builder);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  return tool_json_write (builder, path, error);
}

static void
print (const Quantiser *it)
{
  const BenchAgreement *held = &it->held[it->chosen];
  g_autofree char *loss = bench_agreement_text (held);
  g_autofree char *before =
      tool_format_bytes (file_bytes (it->tuner->model_path));
  g_autofree char *after =
      tool_format_bytes (g_bytes_get_size (it->bytes[it->chosen]));
  g_print ("%u layers work on bytes, with weights of %d bits; ranges: %s, "
      "from %u frames\n", it->layers, it->tuner->options->weight_bits,
      rule_texts[it->chosen], it->frames);
  if (g_hash_table_size (it->levels) > 0)
    g_print ("%u values have their channels brought nearer to each other\n",
        g_hash_table_size (it->levels));
  for (guint i = 0; i < it->plan->left->len; i++)
    g_print ("in float32: %s\n",
        (const char *) g_ptr_array_index (it->plan->left, i));
  g_print ("loss, on %u frames held back, against float32: %s; outputs off "
      "by %.2g %% rms\n", it->held_frames,
      *loss ? loss : "nothing to be seen by either", 100
      * bench_agreement_value (held, BENCH_RELATIVE));
  g_print ("a dense frame: float32 %.2f ms, int8 %.2f ms; the file: %s, "
      "now %s\n", median (it->plain.ms), median (it->tried[it->chosen].ms),
      before, after);
  g_autofree char *near =
      tune_error_text (it->tuner, it->threshold.error);
  g_autofree char *plain =
      tune_error_text (it->tuner, it->threshold.plain_error);
  g_print ("threshold %.3g: %.0f %% of the work of its dense run, %s (%.0f %% at "
      "the threshold it came with; float32 %.0f %%, %s)\n",
      it->threshold.threshold, 100 * it->threshold.macs, near,
      100 * it->threshold.first_macs, 100 * it->threshold.plain_macs, plain);
  if (it->written)
    g_print ("written: %s; deltacnn-tune may find better thresholds for it\n",
        it->written);
}

static gboolean
finish (Quantiser *it, GError **error)
{
  Tuner *tuner = it->tuner;
  const TuneOptions *options = tuner->options;
  g_autofree char *path = tune_destination (options, tuner->model_path);
  gboolean blind, good = TRUE;
  double loss = tune_error_of (tuner, &it->held[it->chosen], &blind);
  gboolean holds = options->budget < 0 || loss <= options->budget;
  if (holds && !options->dry) {
    good = write_pair (it, path, it->bytes[it->chosen], TRUE, error);
    it->written = good ? g_steal_pointer (&path) : NULL;
  }
  if (good && options->report)
    good = report (it, options->report, error);
  if (good && g_strcmp0 (options->report, "-") != 0)
    print (it);
  if (!good || holds)
    return good;
  g_autofree char *text = tune_error_text (tuner, loss);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, "the int8 model is over "
      "the budget on the frames held back (%s); nothing was written. Calibrate "
      "on a clip that is more like them, --keep the layers that matter most in "
      "float32, try --weight-bits 8, or raise --budget", text);
  return FALSE;
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = folder ? g_dir_open (folder, 0, NULL) : NULL;
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_unlink (path);
  }
  if (dir)
    g_rmdir (folder);
}

static void
clear_ranges (Quantiser *it)
{
  guint n_values = it->plan ? it->plan->values->len : 0;
  for (guint i = 0; it->means && i < n_values; i++)
    quant_means_clear (&it->means[i]);
  g_clear_pointer (&it->means, g_free);
  g_clear_pointer (&it->ranges, g_free);
  g_clear_pointer (&it->observed, g_ptr_array_unref);
  g_clear_pointer (&it->plan, quant_plan_free);
  it->frames = 0;
}

/* The plan and its ranges, of the net as open_net() has it. */
static gboolean
look (Quantiser *it, GError **error)
{
  const TuneOptions *options = it->tuner->options;
  g_autoptr (QuantNet) net = open_net (it, error);
  clear_ranges (it);
  it->plan = net ? quant_plan_new (net, options->keep, options->apart, error)
      : NULL;
  if (!it->plan || !find_ranges (it, net, error))
    return FALSE;
  if (it->levels)
    return TRUE;
  g_autoptr (GHashTable) means = means_by_name (it);
  it->levels = quant_level_find (net, it->plan, means);
  return g_hash_table_size (it->levels) == 0 || look (it, error);
}

static gboolean
run (Quantiser *it, GError **error)
{
  Tuner *tuner = it->tuner;
  it->folder = g_dir_make_tmp ("deltacnn-XXXXXX", error);
  return it->folder && look (it, error)
      && try_rule (it, QUANT_LEAST_SQUARES, error)
      && try_rule (it, QUANT_EXTREMES, error) && find_loss (it, error)
      && tune_find_threshold (tuner, it->tried[it->chosen].model,
      it->tried[it->chosen].info, &it->threshold, error)
      && finish (it, error);
}

gboolean
tune_quantise (const TuneOptions *options, GError **error)
{
  Tuner tuner;
  Quantiser it = { .tuner = &tuner };
  gboolean good = tune_open_model (&tuner, options, error)
      && run (&it, error);
  side_clear (&it.plain);
  for (guint rule = 0; rule < QUANT_N_RULES; rule++) {
    side_clear (&it.tried[rule]);
    g_clear_pointer (&it.bytes[rule], g_bytes_unref);
  }
  clear_ranges (&it);
  g_clear_pointer (&it.levels, g_hash_table_unref);
  remove_folder (it.folder);
  g_free (it.folder);
  g_free (it.written);
  tune_close (&tuner);
  return good;
}
