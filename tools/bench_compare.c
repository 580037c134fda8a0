/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench_compare.c - of deltacnn-bench: what other methods would take on the
 * same clip. Sessions of ours tell which pixels of which map changed; policies.h
 * says what follows from that. All have the run's thresholds and dilation, so
 * that their results are as good as ours; only this project forgives what a
 * part of a pixel makes and looks for interest. */
#include "bench.h"
#include "policies.h"


/* Whose masks. */
typedef enum Basis {
  STILL,      /* frames as they lie */
  ALIGNED,    /* through the camera's motion, compared as they are */
  OURS,       /* as the run's sparse session */
  N_BASES
} Basis;

typedef struct Method {
  const char *name;
  Policy policy;
  Basis basis;
} Method;

static const Method methods[] = {
  { "RRM", POLICY_RRM, STILL },
  { "CBInfer", POLICY_CBINFER, STILL },
  { "Skip-Convolution", POLICY_SKIP_CONVOLUTION, STILL },
  { "DeltaCNN", POLICY_DELTACNN, STILL },
  { "MotionDeltaCNN", POLICY_DELTACNN, ALIGNED },
  { "ours", POLICY_STORED_VALUES, OURS },
};

struct BenchCompare {
  const BenchRun *run;
  DcnnSession *sessions[N_BASES]; /* NULL: nothing to align by */
  BenchAgreement agreement[N_BASES];
  DcnnMask *touched;         /* [nodes], words owned; width 0: no map */
  PolicyCount counts[G_N_ELEMENTS (methods)];
  double macs_dense;         /* of a frame */
  guint64 frames, sparse_frames[N_BASES];
};

/* ---- opening ----------------------------------------------------------- */

static DcnnSession *
open_session (const BenchRun *run, Basis basis, GError **error)
{
  DcnnSessionOptions options;
  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (run->info, &options);
  options.device = "cpu";
  options.threads = run->threads;
  if (!tool_set_tunings (&options.tuning, run->options->set, error))
    return NULL;
  options.tuning.mode = DCNN_MODE_SPARSE;
  options.store_all = TRUE;
  options.tuning.interest = FALSE;
  if (basis != OURS) {
    options.tuning.forgive = 0;
    options.tuning.settle = FALSE;
  }
  return dcnn_session_new (run->model, &options, error);
}

BenchCompare *
bench_compare_new (const BenchRun *run, GError **error)
{
  BenchCompare *compare = g_new0 (BenchCompare, 1);
  guint n = run->summary.n_nodes;
  compare->run = run;
  compare->touched = g_new0 (DcnnMask, n);
  for (guint b = 0; b < N_BASES; b++) {
    if (b == ALIGNED && !run->align)
      continue;
    compare->sessions[b] = open_session (run, (Basis) b, error);
    if (!compare->sessions[b]) {
      bench_compare_free (compare);
      return NULL;
    }
  }
  for (guint i = 0; i < n; i++) {
    DcnnNodeInfo info;
    DcnnNodeWindow window;
    DcnnMask *mask = &compare->touched[i];
    dcnn_model_get_node (run->model, i, &info);
    dcnn_model_get_window (run->model, i, &window);
    compare->macs_dense += (double) info.macs;
    if (!info.width || !window.in_width)
      continue;
    *mask = (DcnnMask) { info.width, info.height, (info.width + 7) / 8,
      (info.height + 7) / 8, NULL };
    mask->words = g_new0 (guint64, (gsize) mask->blocks_x * mask->blocks_y);
  }
  return compare;
}

void
bench_compare_free (BenchCompare *compare)
{
  if (!compare)
    return;
  for (guint b = 0; b < N_BASES; b++)
    g_clear_pointer (&compare->sessions[b], dcnn_session_free);
  for (guint i = 0; i < compare->run->summary.n_nodes; i++)
    g_free (compare->touched[i].words);
  g_free (compare->touched);
  g_free (compare);
}

/* ---- counting ---------------------------------------------------------- */

/* A convolution of a dense frame, or one whose output is no map. */
static void
count_whole (BenchCompare *compare, Basis basis, const PolicyNode *node,
    gboolean is_map)
{
  for (guint i = 0; i < G_N_ELEMENTS (methods); i++) {
    if (methods[i].basis != basis)
      continue;
    if (is_map)
      policy_count_dense (methods[i].policy, node, &compare->counts[i]);
    else
      compare->counts[i].macs += (double) node->info.macs;
  }
}

static void
count_node (BenchCompare *compare, Basis basis, guint index)
{
  DcnnSession *session = compare->sessions[basis];
  DcnnMask *touched = &compare->touched[index];
  const DcnnMask *in, *joined;
  guint64 changed;
  PolicyNode node;
  DcnnFrameStats stats;
  dcnn_model_get_node (compare->run->model, index, &node.info);
  if (!node.info.macs)
    return;
  dcnn_model_get_window (compare->run->model, index, &node.window);
  dcnn_session_get_stats (session, 0, &stats);
  if (!touched->words || stats.dense) {
    count_whole (compare, basis, &node, touched->words != NULL);
    return;
  }
  in = dcnn_session_get_node_mask (session, 0, index, TRUE);
  policy_touch (&node, in, touched);
  changed = policy_pixels (in);
  joined = dcnn_session_get_node_mask (session, 0, index, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (methods); i++) {
    if (methods[i].basis == basis)
      policy_count (methods[i].policy, &node, changed, touched, joined,
          &compare->counts[i]);
  }
}

gboolean
bench_compare_account (BenchCompare *compare, const DcnnFrame *frame,
    const DcnnMotion *motion, gboolean counts, GError **error)
{
  const BenchRun *run = compare->run;
  compare->frames += counts;
  for (guint b = 0; b < N_BASES; b++) {
    if (!compare->sessions[b])
      continue;
    if (!dcnn_session_push_frame (compare->sessions[b], 0, frame,
            b == STILL ? NULL : motion, error))
      return FALSE;
    if (!counts)
      continue;
    DcnnFrameStats stats;
    dcnn_session_get_stats (compare->sessions[b], 0, &stats);
    compare->sparse_frames[b] += !stats.dense;
    for (guint i = 0; i < run->summary.n_nodes; i++)
      count_node (compare, (Basis) b, i);
    /* The window's dense runs are no measure of frames that lie elsewhere. */
    if (run->dense && (b != STILL || !run->align))
      bench_agreement_add_outputs (&compare->agreement[b], run->model,
          compare->sessions[b], run->dense);
  }
  return TRUE;
}

void
bench_compare_set_interest (BenchCompare *compare, const gfloat *weights)
{
  dcnn_session_set_interest (compare->sessions[OURS], 0, weights);
}

/* ---- telling ----------------------------------------------------------- */

/* Means a frame. FALSE: the method was not counted. */
static gboolean
figures (const BenchCompare *compare, guint method, PolicyCount *to)
{
  double n = (double) MAX (compare->frames, 1);
  if (!compare->sessions[methods[method].basis])
    return FALSE;
  *to = compare->counts[method];
  to->macs /= n * MAX (compare->macs_dense, 1);
  to->bytes /= n;
  to->state_bytes /= (double) MAX (compare->sparse_frames[methods[method]
      .basis], 1);
  return TRUE;
}

void
bench_compare_print (const BenchCompare *compare)
{
  g_print ("  counted, by the same thresholds: share of the dense "
      "multiplications, moved a frame, kept\n");
  for (guint i = 0; i < G_N_ELEMENTS (methods); i++) {
    PolicyCount mean;
    if (!figures (compare, i, &mean))
      continue;
    g_autofree char *moved = tool_format_bytes ((guint64) mean.bytes);
    g_autofree char *kept = tool_format_bytes ((guint64) mean.state_bytes);
    g_print ("    %-18s %6.2f %%  %10s  %10s\n", methods[i].name,
        100 * mean.macs, moved, kept);
  }
}

void
bench_compare_json (const BenchCompare *compare, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "compare");
  json_builder_begin_array (builder);
  for (guint i = 0; i < G_N_ELEMENTS (methods); i++) {
    const BenchAgreement *agreement =
        &compare->agreement[methods[i].basis];
    double rms = bench_agreement_value (agreement, BENCH_RELATIVE);
    PolicyCount mean;
    if (!figures (compare, i, &mean))
      continue;
    json_builder_begin_object (builder);
    tool_json_string (builder, "method", methods[i].name);
    json_builder_set_member_name (builder, "aligned");
    json_builder_add_boolean_value (builder, compare->run->align
        && methods[i].basis != STILL);
    tool_json_double (builder, "mac_share", mean.macs);
    tool_json_double (builder, "frame_bytes", mean.bytes);
    tool_json_double (builder, "state_bytes", mean.state_bytes);
    if (rms >= 0)
      tool_json_double (builder, "relative_rms", rms);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}
