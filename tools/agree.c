/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How far the sparse session's results are from the dense session's. */
#include "agree.h"

#include <math.h>
#include <string.h>

#include "common.h"

#define BOX_OVERLAP 0.5f    /* boxes of one class match from this IoU on */

/* ---- masks ------------------------------------------------------------- */

static guint8
mask_class (const BenchAgreement *agreement, guint8 value)
{
  return agreement->binary ? value >= 128 : value;
}

/* A mask that the other side lacks, or has in another size: nothing of it is
 * seen by both. */
static void
add_lone_mask (BenchAgreement *agreement, const DcnnSegmentation *mask)
{
  gsize n = (gsize) mask->width * mask->height;
  agreement->binary = mask->n_classes <= 1;
  for (gsize i = 0; i < n; i++)
    agreement->mask_either[mask_class (agreement, mask->data[i])]++;
}

static void
add_masks (BenchAgreement *agreement, const DcnnSegmentation *a,
    const DcnnSegmentation *b)
{
  gsize n = (gsize) a->width * a->height;
  if (a->width != b->width || a->height != b->height) {
    add_lone_mask (agreement, a);
    add_lone_mask (agreement, b);
    return;
  }
  agreement->binary = b->n_classes <= 1;
  for (gsize i = 0; i < n; i++) {
    guint8 p = mask_class (agreement, a->data[i]);
    guint8 q = mask_class (agreement, b->data[i]);
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

/* A pose of each side, and how far they are apart: the mean over the points
 * that the dense one is sure of (of all, when it is sure of none), in pixels of
 * the network. */
typedef struct Pair {
  guint sparse, dense;
  double distance;
} Pair;

static double
point_distance (const DcnnKeypoint *a, const DcnnKeypoint *b,
    const DcnnTransform *t)
{
  return hypot ((a->x - b->x) * t->scale_x, (a->y - b->y) * t->scale_y);
}

static double
pose_distance (const DcnnKeypoint *a, const DcnnKeypoint *b, guint n,
    const DcnnTransform *t)
{
  double sure = 0, all = 0;
  guint n_sure = 0;
  for (guint i = 0; i < n; i++) {
    double d = point_distance (&a[i], &b[i], t);
    all += d;
    if (b[i].score >= BENCH_KEYPOINT_SCORE) {
      sure += d;
      n_sure++;
    }
  }
  return n_sure ? sure / n_sure : n ? all / n : 0;
}

static int
nearer_first (gconstpointer a, gconstpointer b)
{
  const Pair *p = a, *q = b;
  return (p->distance > q->distance) - (p->distance < q->distance);
}

/* Whether a side is sure of a point, and the other is not even nearly. */
static gboolean
only_one (const DcnnKeypoint *sure, const DcnnKeypoint *other)
{
  return sure->score >= BENCH_KEYPOINT_SCORE
      && !(other->score >= BENCH_KEYPOINT_SCORE - BENCH_NEAR_SCORE);
}

/* Points of a person that both sides see. */
static void
add_points (BenchAgreement *agreement, const DcnnKeypoint *a,
    const DcnnKeypoint *b, guint n, const DcnnTransform *t)
{
  for (guint i = 0; i < n; i++) {
    if (only_one (&a[i], &b[i]) || only_one (&b[i], &a[i])) {
      agreement->keypoints_one++;
    } else if (b[i].score >= BENCH_KEYPOINT_SCORE) {
      agreement->keypoint_net_sum += point_distance (&a[i], &b[i], t);
      agreement->keypoint_frame_sum +=
          hypot (a[i].x - b[i].x, a[i].y - b[i].y);
      agreement->keypoints++;
    }
  }
}

/* Nearest pairs first; each pose is one person at most, and a pose that is an
 * eighth of the picture away is another. */
static void
add_poses (BenchAgreement *agreement, const DcnnResults *sparse,
    const DcnnResults *dense, const DcnnTransform *t)
{
  guint n = sparse->poses->len, m = dense->poses->len, matched = 0;
  g_autofree gboolean *taken = g_new0 (gboolean, n + m + 1);
  g_autoptr (GArray) pairs = g_array_new (FALSE, FALSE, sizeof (Pair));
  const DcnnPose *a = (const DcnnPose *) sparse->poses->data;
  const DcnnPose *b = (const DcnnPose *) dense->poses->data;

  for (guint i = 0; i < n; i++)
    for (guint k = 0; k < m; k++) {
      Pair pair = { i, k, pose_distance (points_of (sparse, &a[i]),
          points_of (dense, &b[k]), MIN (a[i].n_keypoints, b[k].n_keypoints),
          t) };
      if (pair.distance < t->net_width / 8.0)
        g_array_append_val (pairs, pair);
    }
  g_array_sort (pairs, nearer_first);
  for (guint p = 0; p < pairs->len; p++) {
    const Pair *pair = &g_array_index (pairs, Pair, p);
    const DcnnPose *x = &a[pair->sparse], *y = &b[pair->dense];
    if (taken[pair->sparse] || taken[n + pair->dense])
      continue;
    taken[pair->sparse] = taken[n + pair->dense] = TRUE;
    matched++;
    add_points (agreement, points_of (sparse, x), points_of (dense, y),
        MIN (x->n_keypoints, y->n_keypoints), t);
  }
  agreement->poses_both += matched;
  agreement->poses_one += n + m - 2 * matched;
}

/* ---- labels, text ------------------------------------------------------ */

static void
add_labels (BenchAgreement *agreement, const GArray *sparse,
    const GArray *dense)
{
  if (!sparse->len && !dense->len)
    return;
  if (sparse->len && dense->len && g_array_index (sparse, DcnnLabel,
          0).class_id == g_array_index (dense, DcnnLabel, 0).class_id)
    agreement->labels_both++;
  else
    agreement->labels_one++;
}

static void
add_text (BenchAgreement *agreement, const char *sparse, const char *dense)
{
  if (!(sparse && *sparse) && !(dense && *dense))
    return;
  if (g_strcmp0 (sparse, dense) == 0)
    agreement->texts_both++;
  else
    agreement->texts_one++;
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
  else if (sparse->has_segmentation || dense->has_segmentation)
    add_lone_mask (agreement, sparse->has_segmentation
        ? &sparse->segmentation : &dense->segmentation);
  if (sparse->poses && dense->poses)
    add_poses (agreement, sparse, dense, transform);
  if (sparse->labels && dense->labels && !sparse->has_values)
    add_labels (agreement, sparse->labels, dense->labels);
  add_text (agreement, sparse->text, dense->text);
}

/* ---- outputs ----------------------------------------------------------- */

/* Floats: squares of differences over squares. A difference that is no number
 * counts as large as all that is there. */
static double
relative_square (BenchAgreement *agreement, const float *p, const float *q,
    gint64 n)
{
  double squares = 0, reference = 0, largest = 0;
  gboolean broken = FALSE;
  for (gint64 k = 0; k < n; k++) {
    double d = (double) p[k] - (double) q[k];
    if (p[k] == q[k] || (isnan (p[k]) && isnan (q[k])))
      d = 0;
    if (!isfinite (d)) {
      broken = TRUE;
      continue;
    }
    largest = MAX (largest, fabs (d));
    squares += d * d;
    reference += isfinite (q[k]) ? (double) q[k] * q[k] : 0;
  }
  agreement->max_abs = MAX (agreement->max_abs, largest);
  double relative = reference > 0 ? squares / reference : squares > 0;
  return broken ? MAX (relative, 1) : relative;
}

/* Indices, flags, counts: the share of the elements that differ at all. */
static double
different_share (const DcnnTensor *a, const DcnnTensor *b, gint64 n)
{
  gsize size = dcnn_dtype_bytes (b->dtype);
  gint64 different = 0;
  for (gint64 k = 0; k < n; k++)
    different += memcmp ((const guint8 *) a->data + (gsize) k * size,
        (const guint8 *) b->data + (gsize) k * size, size) != 0;
  return (double) different / (double) n;
}

void
bench_agreement_add_tensor (BenchAgreement *agreement,
    const DcnnTensor *sparse, const DcnnTensor *dense)
{
  gint64 n = dcnn_tensor_count (dense);
  if (n == 0)
    return;
  agreement->relative_squares += dense->dtype == DCNN_DTYPE_F32
      ? relative_square (agreement, sparse->data, dense->data, n)
      : different_share (sparse, dense, n);
  agreement->tensors++;
}

void
bench_agreement_add_outputs (BenchAgreement *agreement, DcnnModel *model,
    DcnnSession *sparse, DcnnSession *dense)
{
  DcnnModelSummary summary;
  dcnn_model_get_summary (model, &summary);
  for (guint i = 0; i < summary.n_outputs; i++)
    bench_agreement_add_tensor (agreement,
        &dcnn_session_get_output (sparse, 0, i)->tensor,
        &dcnn_session_get_output (dense, 0, i)->tensor);
}

/* ---- results ----------------------------------------------------------- */

static double
f1 (guint64 both, guint64 one)
{
  return 2.0 * (double) both / (2.0 * (double) both + (double) one);
}

static double
share (guint64 both, guint64 one)
{
  return (double) both / (double) (both + one);
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
      return it->tensors
          ? sqrt (it->relative_squares / (double) it->tensors) : -1;
  }
  return -1;
}

static double
keypoint_px (const BenchAgreement *it)
{
  return it->keypoint_net_sum / (double) it->keypoints;
}

void
bench_agreement_json (const BenchAgreement *it, JsonBuilder *builder)
{
  if (mask_iou (it) >= 0)
    tool_json_double (builder, "iou", mask_iou (it));
  if (it->keypoints) {
    tool_json_double (builder, "keypoint_px", keypoint_px (it));
    tool_json_double (builder, "keypoint_frame_px",
        it->keypoint_frame_sum / (double) it->keypoints);
  }
  if (it->keypoints + it->keypoints_one)
    tool_json_double (builder, "keypoint_f1",
        f1 (it->keypoints, it->keypoints_one));
  if (it->poses_both + it->poses_one)
    tool_json_double (builder, "pose_f1",
        f1 (it->poses_both, it->poses_one));
  if (it->boxes_both + it->boxes_one)
    tool_json_double (builder, "f1", f1 (it->boxes_both, it->boxes_one));
  if (it->near_both + it->near_one)
    tool_json_double (builder, "f1_near", f1 (it->near_both, it->near_one));
  if (it->labels_both + it->labels_one)
    tool_json_double (builder, "top1",
        share (it->labels_both, it->labels_one));
  if (it->texts_both + it->texts_one)
    tool_json_double (builder, "same_text",
        share (it->texts_both, it->texts_one));
  if (it->tensors) {
    tool_json_double (builder, "max_abs", it->max_abs);
    tool_json_double (builder, "relative_rms",
        bench_agreement_value (it, BENCH_RELATIVE));
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
        keypoint_px (it));
  if (it->keypoints_one)
    g_string_append_printf (text, "their F1 %.3f, ",
        f1 (it->keypoints, it->keypoints_one));
  if (it->poses_both + it->poses_one)
    g_string_append_printf (text, "poses F1 %.3f, ",
        f1 (it->poses_both, it->poses_one));
  if (it->boxes_both + it->boxes_one)
    g_string_append_printf (text, "boxes F1 %.3f (%.3f with scores within "
        "%.2f), ", f1 (it->boxes_both, it->boxes_one),
        f1 (it->near_both, it->near_one), (double) BENCH_NEAR_SCORE);
  if (it->labels_both + it->labels_one)
    g_string_append_printf (text, "the same first class in %.1f %%, ",
        100 * share (it->labels_both, it->labels_one));
  if (it->texts_both + it->texts_one)
    g_string_append_printf (text, "the same text in %.1f %%, ",
        100 * share (it->texts_both, it->texts_one));
  if (!text->len && it->tensors)
    g_string_append_printf (text, "outputs differ by %.2g %% rms, ",
        100 * bench_agreement_value (it, BENCH_RELATIVE));
  if (text->len)
    g_string_truncate (text, text->len - 2);
  return g_string_free (text, FALSE);
}
