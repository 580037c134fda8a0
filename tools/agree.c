/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How far the sparse session's results are from the dense session's. */
#include "agree.h"

#include <math.h>
#include <string.h>

#include "common.h"

#define KEYPOINT_SCORE 0.3f /* below, a dense key point is not counted */
#define BOX_OVERLAP 0.5f    /* boxes of one class match from this IoU on */

/* ---- masks ------------------------------------------------------------- */

static void
add_masks (BenchAgreement *agreement, const DcnnSegmentation *a,
    const DcnnSegmentation *b)
{
  gsize n = (gsize) a->width * a->height;
  if (a->width != b->width || a->height != b->height)
    return;
  agreement->binary = b->n_classes <= 1;
  for (gsize i = 0; i < n; i++) {
    guint8 p = agreement->binary ? a->data[i] >= 128 : a->data[i];
    guint8 q = agreement->binary ? b->data[i] >= 128 : b->data[i];
    agreement->mask_either[p]++;
    if (p == q)
      agreement->mask_both[p]++;
    else
      agreement->mask_either[q]++;
  }
}

/* The mean over the classes that occur in the clip; of a single mask, what it
 * holds. -1: there are no masks, or nothing was seen. */
static double
mask_iou (const BenchAgreement *it)
{
  double sum = 0;
  guint classes = 0;
  for (guint c = it->binary ? 1 : 0; c < 256; c++) {
    if (!it->mask_either[c])
      continue;
    sum += (double) it->mask_both[c] / (double) it->mask_either[c];
    classes++;
  }
  return classes ? sum / classes : -1;
}

/* ---- poses ------------------------------------------------------------- */

static const DcnnKeypoint *
points_of (const DcnnResults *results, const DcnnPose *pose)
{
  return &g_array_index (results->keypoints, DcnnKeypoint, pose->first);
}

/* Mean distance of the key points that the dense pose is sure of; network
 * pixels. */
static double
pose_distance (const DcnnKeypoint *a, const DcnnKeypoint *b, guint n,
    const DcnnTransform *t, guint *counted, double *in_frame)
{
  double net = 0, frame = 0;
  guint k = 0;
  for (guint i = 0; i < n; i++) {
    if (b[i].score < KEYPOINT_SCORE)
      continue;
    double dx = a[i].x - b[i].x, dy = a[i].y - b[i].y;
    net += hypot (dx * t->scale_x, dy * t->scale_y);
    frame += hypot (dx, dy);
    k++;
  }
  *counted = k;
  *in_frame = frame;
  return net;
}

/* The pose of `from` that is nearest to `pose` of the dense results. */
static void
add_pose (BenchAgreement *agreement, const DcnnResults *from,
    const DcnnResults *dense, const DcnnPose *pose, const DcnnTransform *t)
{
  double best = G_MAXDOUBLE, best_frame = 0;
  guint best_count = 0;
  const DcnnKeypoint *reference = points_of (dense, pose);
  for (guint i = 0; i < from->poses->len; i++) {
    const DcnnPose *other = &g_array_index (from->poses, DcnnPose, i);
    guint count, n = MIN (pose->n_keypoints, other->n_keypoints);
    double in_frame;
    double net = pose_distance (points_of (from, other), reference, n, t,
        &count, &in_frame);
    if (count && net < best) {
      best = net;
      best_count = count;
      best_frame = in_frame;
    }
  }
  /* A pose that is an eighth of the picture away is another person. */
  if (best_count && best / best_count < t->net_width / 8.0) {
    agreement->keypoint_net_sum += best;
    agreement->keypoint_frame_sum += best_frame;
    agreement->keypoints += best_count;
    agreement->poses_both++;
  } else {
    agreement->poses_one++;
  }
}

static void
add_poses (BenchAgreement *agreement, const DcnnResults *sparse,
    const DcnnResults *dense, const DcnnTransform *transform)
{
  for (guint i = 0; i < dense->poses->len; i++)
    add_pose (agreement, sparse, dense,
        &g_array_index (dense->poses, DcnnPose, i), transform);
  if (sparse->poses->len > dense->poses->len)
    agreement->poses_one += sparse->poses->len - dense->poses->len;
}

/* ---- boxes ------------------------------------------------------------- */

static float
overlap (const DcnnDetection *a, const DcnnDetection *b)
{
  float w = MIN (a->x + a->width, b->x + b->width) - MAX (a->x, b->x);
  float h = MIN (a->y + a->height, b->y + b->height) - MAX (a->y, b->y);
  if (w <= 0 || h <= 0)
    return 0;
  float both = w * h;
  float all = a->width * a->height + b->width * b->height - both;
  return all > 0 ? both / all : 0;
}

/* How many boxes of a list, best score first, have at least a score. */
static guint
down_to (const GArray *boxes, float score)
{
  guint n = 0;
  while (n < boxes->len
      && g_array_index (boxes, DcnnDetection, n).score >= score)
    n++;
  return n;
}

/* Greedy, best score first: each of the n_dense boxes matches at most one of
 * the n_sparse. A pair counts when either has at least `score`, and so does a
 * box without a match. */
static void
match_boxes (const GArray *sparse, guint n_sparse, const GArray *dense,
    guint n_dense, float score, guint64 *both, guint64 *one)
{
  g_autofree gboolean *taken = g_new0 (gboolean, n_sparse + 1);
  for (guint i = 0; i < n_dense; i++) {
    const DcnnDetection *box = &g_array_index (dense, DcnnDetection, i);
    gint best = -1;
    float best_overlap = BOX_OVERLAP, best_score = 0;
    for (guint k = 0; k < n_sparse; k++) {
      const DcnnDetection *other = &g_array_index (sparse, DcnnDetection, k);
      if (taken[k] || other->class_id != box->class_id)
        continue;
      float share = overlap (box, other);
      if (share >= best_overlap) {
        best_overlap = share;
        best_score = other->score;
        best = (gint) k;
      }
    }
    if (best >= 0)
      taken[best] = TRUE;
    if (MAX (box->score, best_score) >= score)
      ++*(best >= 0 ? both : one);
  }
  for (guint k = 0; k < n_sparse; k++)
    if (!taken[k] && g_array_index (sparse, DcnnDetection, k).score >= score)
      ++*one;
}

void
bench_agreement_add_boxes (BenchAgreement *agreement, const GArray *sparse,
    const GArray *dense, float score)
{
  float near = score - BENCH_NEAR_SCORE;
  match_boxes (sparse, down_to (sparse, score), dense,
      down_to (dense, score), score, &agreement->boxes_both,
      &agreement->boxes_one);
  match_boxes (sparse, down_to (sparse, near), dense, down_to (dense, near),
      score, &agreement->near_both, &agreement->near_one);
}

void
bench_agreement_add_results (BenchAgreement *agreement,
    const DcnnResults *sparse, const DcnnResults *dense,
    const DcnnTransform *transform)
{
  if (sparse->has_segmentation && dense->has_segmentation)
    add_masks (agreement, &sparse->segmentation, &dense->segmentation);
  if (sparse->poses && dense->poses)
    add_poses (agreement, sparse, dense, transform);
}

/* ---- outputs ----------------------------------------------------------- */

void
bench_agreement_add_outputs (BenchAgreement *agreement, DcnnModel *model,
    DcnnSession *sparse, DcnnSession *dense)
{
  DcnnModelSummary summary;
  dcnn_model_get_summary (model, &summary);
  agreement->frames++;
  for (guint i = 0; i < summary.n_outputs; i++) {
    const DcnnOutput *a = dcnn_session_get_output (sparse, 0, i);
    const DcnnOutput *b = dcnn_session_get_output (dense, 0, i);
    if (a->tensor.dtype != DCNN_DTYPE_F32 || b->tensor.dtype != DCNN_DTYPE_F32)
      continue;
    const float *p = a->tensor.data, *q = b->tensor.data;
    gint64 n = dcnn_tensor_count (&b->tensor);
    float largest = 0;
    double squares = 0, reference = 0;
    for (gint64 k = 0; k < n; k++) {
      float d = fabsf (p[k] - q[k]);
      largest = MAX (largest, d);
      squares += (double) d * d;
      reference += (double) q[k] * q[k];
    }
    agreement->max_abs = MAX (agreement->max_abs, (double) largest);
    agreement->squares += squares;
    agreement->reference_squares += reference;
  }
}

/* ---- results ----------------------------------------------------------- */

static double
f1 (guint64 both, guint64 one)
{
  return 2.0 * (double) both / (2.0 * (double) both + (double) one);
}

double
bench_agreement_value (const BenchAgreement *it, BenchMeasure measure)
{
  switch (measure) {
    case BENCH_IOU:
      return mask_iou (it);
    case BENCH_F1_NEAR:
      return it->near_both + it->near_one
          ? f1 (it->near_both, it->near_one) : -1;
    case BENCH_RELATIVE:
      return it->reference_squares > 0
          ? sqrt (it->squares / it->reference_squares) : 0;
  }
  return -1;
}

void
bench_agreement_json (const BenchAgreement *it, JsonBuilder *builder)
{
  if (mask_iou (it) >= 0)
    tool_json_double (builder, "iou", mask_iou (it));
  if (it->keypoints) {
    tool_json_double (builder, "keypoint_px",
        it->keypoint_net_sum / (double) it->keypoints);
    tool_json_double (builder, "keypoint_frame_px",
        it->keypoint_frame_sum / (double) it->keypoints);
  }
  if (it->poses_both + it->poses_one)
    tool_json_double (builder, "pose_f1",
        f1 (it->poses_both, it->poses_one));
  if (it->boxes_both + it->boxes_one)
    tool_json_double (builder, "f1", f1 (it->boxes_both, it->boxes_one));
  if (it->near_both + it->near_one)
    tool_json_double (builder, "f1_near", f1 (it->near_both, it->near_one));
  if (it->frames) {
    tool_json_double (builder, "max_abs", it->max_abs);
    tool_json_double (builder, "relative_rms", it->reference_squares > 0
        ? sqrt (it->squares / it->reference_squares) : 0);
  }
}

char *
bench_agreement_text (const BenchAgreement *it)
{
  GString *text = g_string_new (NULL);
  if (mask_iou (it) >= 0)
    g_string_append_printf (text, "mask IoU %.4f, ", mask_iou (it));
  if (it->keypoints)
    g_string_append_printf (text, "key points within %.2f px, ",
        it->keypoint_net_sum / (double) it->keypoints);
  if (it->poses_both + it->poses_one)
    g_string_append_printf (text, "poses F1 %.3f, ",
        f1 (it->poses_both, it->poses_one));
  if (it->boxes_both + it->boxes_one)
    g_string_append_printf (text, "boxes F1 %.3f (%.3f with scores within "
        "%.2f), ", f1 (it->boxes_both, it->boxes_one),
        f1 (it->near_both, it->near_one), (double) BENCH_NEAR_SCORE);
  if (!text->len && it->frames)
    g_string_append_printf (text, "outputs differ by %.2g %% rms, ",
        it->reference_squares > 0
        ? 100 * sqrt (it->squares / it->reference_squares) : 0);
  if (text->len)
    g_string_truncate (text, text->len - 2);
  return g_string_free (text, FALSE);
}
