/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "box_tools.h"

#include <math.h>

#include <string.h>

/* ---- rows -------------------------------------------------------------- */

gboolean
dcnn_decoder_want_rows (DcnnDecoder *decoder, guint role, GError **error)
{
  DcnnView *view = &decoder->roles[role].view;

  if (view->channels == 1 && view->height > 1) { /* [1,1,N,V] */
    view->channels = view->width;
    view->step_c = view->step_x;
    view->width = view->height;
    view->step_x = view->step_y;
    view->height = 1;
    return TRUE;
  }
  if (view->step_y != view->step_x * view->width && view->height > 1)
    return dcnn_decoder_fail (decoder, role, error,
        "wants rows of numbers: [1,N,V] or a map of cells");
  view->width *= view->height; /* a map's cells, row by row */
  view->height = 1;
  return TRUE;
}

void
dcnn_view_flip_rows (DcnnView *view)
{
  guint n = view->channels;
  gsize step = view->step_c;

  view->channels = view->width;
  view->width = n;
  view->step_c = view->step_x;
  view->step_x = step;
}

void
dcnn_best_columns (const DcnnView *view, guint first, guint n, gfloat *best,
    guint16 *which)
{
  const gboolean by_rows = view->step_c < view->step_x;

  for (guint row = 0; row < view->width; row++) {
    best[row] = -G_MAXFLOAT;
    which[row] = 0;
    for (guint c = 0; by_rows && c < n; c++) {
      gfloat value = dcnn_row_at (view, row, first + c);
      if (value > best[row]) {
        best[row] = value;
        which[row] = (guint16) c;
      }
    }
  }
  for (guint c = 0; !by_rows && c < n; c++)
    for (guint row = 0; row < view->width; row++) {
      gfloat value = dcnn_row_at (view, row, first + c);
      if (value > best[row]) {
        best[row] = value;
        which[row] = (guint16) c;
      }
    }
}

void
dcnn_box_edges (DcnnBoxForm form, const gfloat v[4], gfloat edges[4])
{
  switch (form) {
    case DCNN_BOX_XYXY:
      memcpy (edges, v, 4 * sizeof *edges);
      break;
    case DCNN_BOX_YXYX:
      for (guint i = 0; i < 4; i++)
        edges[i] = v[i ^ 1];
      break;
    case DCNN_BOX_XYWH:
      for (guint i = 0; i < 2; i++) {
        edges[i] = v[i];
        edges[2 + i] = v[i] + v[2 + i];
      }
      break;
    case DCNN_BOX_CXCYWH:
    default:
      for (guint i = 0; i < 2; i++) {
        edges[i] = v[i] - v[2 + i] / 2;
        edges[2 + i] = v[i] + v[2 + i] / 2;
      }
      break;
  }
}

/* ---- finding boxes ----------------------------------------------------- */

void
dcnn_box_finder_init (DcnnBoxFinder *finder, DcnnDecoder *decoder)
{
  dcnn_ranking_init (&finder->ranking, DCNN_MAX_CANDIDATES);
  finder->rows = g_new (guint, DCNN_MAX_CANDIDATES);
  finder->max_iou = (gfloat) dcnn_decoder_param (decoder, "nms-threshold");
  finder->per_class = dcnn_decoder_param (decoder, "nms") == 0;
  finder->max_results = (guint) dcnn_decoder_param (decoder, "max-results");
}

void
dcnn_box_finder_clear (DcnnBoxFinder *finder)
{
  dcnn_ranking_clear (&finder->ranking);
  g_clear_pointer (&finder->rows, g_free);
  g_clear_pointer (&finder->best, g_free);
  g_clear_pointer (&finder->classes, g_free);
}

gboolean
dcnn_box_finder_want_classes (DcnnBoxFinder *finder, DcnnDecoder *decoder,
    guint role, GError **error)
{
  guint rows = dcnn_decoder_view (decoder, role)->width;

  finder->best = g_try_new (gfloat, rows);
  finder->classes = g_try_new (guint16, rows);
  return (finder->best != NULL && finder->classes != NULL)
      || dcnn_decoder_fail (decoder, role, error, "out of memory");
}

/* The score of a row whose largest number is best, after the role's
 * activation; softmax is over the row. */
static gfloat
row_score (const DcnnDecoder *decoder, guint role, guint row, gfloat best)
{
  const DcnnView *view = dcnn_decoder_view (decoder, role);
  gfloat sum = 0;

  switch (decoder->roles[role].activation) {
    case DCNN_ACTIVATION_SIGMOID:
      return dcnn_sigmoid (best);
    case DCNN_ACTIVATION_SOFTMAX:
      for (guint c = 0; c < view->channels; c++) {
        gfloat e = expf (dcnn_row_at (view, row, c) - best);
        if (e > 0) /* no NaN */
          sum += e;
      }
      return sum > 0 ? 1 / sum : 0;
    case DCNN_ACTIVATION_NONE:
    default:
      return best;
  }
}

void
dcnn_box_finder_rank (DcnnBoxFinder *finder, DcnnDecoder *decoder,
    const DcnnDecodeFrame *frame, guint role, guint first, guint n)
{
  const DcnnView *view = dcnn_decoder_view (decoder, role);

  dcnn_best_columns (view, first, n, finder->best, finder->classes);
  dcnn_ranking_reset (&finder->ranking);
  for (guint row = 0; row < view->width; row++) {
    gfloat score = row_score (decoder, role, row, finder->best[row]);
    if (score >= MAX (frame->threshold, 1e-6f))
      dcnn_ranking_add (&finder->ranking, score, row);
  }
  dcnn_ranking_sort (&finder->ranking);
}

void
dcnn_box_finder_add (DcnnBoxFinder *finder, DcnnDecoder *decoder,
    const DcnnTransform *transform, guint row, const gfloat edges[4],
    gfloat score, gint class_id)
{
  GArray *boxes = decoder->results.detections;

  if (boxes->len < DCNN_MAX_CANDIDATES
      && dcnn_add_box (boxes, transform, edges[0], edges[1], edges[2],
          edges[3], score, class_id))
    finder->rows[boxes->len - 1] = row;
}

void
dcnn_box_finder_add_oriented (DcnnBoxFinder *finder, DcnnDecoder *decoder,
    const DcnnTransform *transform, guint row, const gfloat cxcywh[4],
    gfloat angle, gfloat score, gint class_id)
{
  GArray *boxes = decoder->results.detections;
  const gfloat limit = 1e6f;
  gfloat c = cosf (angle), s = sinf (angle);
  gfloat ux = c / transform->scale_x, uy = s / transform->scale_y;
  gfloat vx = s / transform->scale_x, vy = c / transform->scale_y;
  gfloat w = cxcywh[2] * hypotf (ux, uy), h = cxcywh[3] * hypotf (vx, vy);
  gfloat x = dcnn_frame_x (transform, cxcywh[0]) - w / 2;
  gfloat y = dcnn_frame_y (transform, cxcywh[1]) - h / 2;
  DcnnDetection box = { x, y, w, h, dcnn_clamp (score, 0, 1), class_id,
    atan2f (uy, ux) };

  if (boxes->len >= DCNN_MAX_CANDIDATES || !isfinite (box.angle)
      || !(fabsf (x) < limit) || !(fabsf (y) < limit)
      || !(w > 0 && w < limit) || !(h > 0 && h < limit))
    return;
  g_array_append_val (boxes, box);
  finder->rows[boxes->len - 1] = row;
}

/* Variances and covariance of a box taken for an even spread. */
static void
box_spread (const DcnnDetection *box, gfloat spread[3])
{
  gfloat a = box->width * box->width / 12, b = box->height * box->height / 12;
  gfloat c = cosf (box->angle), s = sinf (box->angle);

  spread[0] = a * c * c + b * s * s;
  spread[1] = a * s * s + b * c * c;
  spread[2] = (a - b) * c * s;
}

/* Intersection over union of boxes turned by their angles, as overlap of
 * Gaussians. */
static gfloat
turned_iou (const DcnnDetection *a, const DcnnDetection *b)
{
  const gfloat tiny = 1e-7f;
  gfloat p[3], q[3], dx, dy, det, distance;
  gfloat sum[3];

  box_spread (a, p);
  box_spread (b, q);
  for (guint i = 0; i < 3; i++)
    sum[i] = p[i] + q[i];
  dx = a->x + a->width / 2 - b->x - b->width / 2;
  dy = a->y + a->height / 2 - b->y - b->height / 2;
  det = sum[0] * sum[1] - sum[2] * sum[2];
  distance = 0.25f * (sum[0] * dy * dy + sum[1] * dx * dx
      - 2 * sum[2] * dx * dy) / (det + tiny);
  distance += 0.5f * logf (det / (4 * sqrtf (
              MAX (p[0] * p[1] - p[2] * p[2], 0)
              * MAX (q[0] * q[1] - q[2] * q[2], 0)) + tiny) + tiny);
  distance = dcnn_clamp (distance, tiny, 100);
  return 1 - sqrtf (1 - expf (-distance) + tiny);
}

void
dcnn_box_finder_finish (DcnnBoxFinder *finder, DcnnDecoder *decoder)
{
  GArray *boxes = decoder->results.detections;
  DcnnDetection *box = (DcnnDetection *) (void *) boxes->data;
  guint kept = 0;

  for (guint i = 0; i < boxes->len && kept < finder->max_results; i++) {
    gboolean keep = TRUE;

    for (guint k = 0; k < kept && keep; k++) {
      if (finder->per_class && box[k].class_id != box[i].class_id)
        continue;
      keep = (box[k].angle != 0 || box[i].angle != 0
          ? turned_iou (&box[k], &box[i])
          : dcnn_box_iou (&box[k], &box[i])) <= finder->max_iou;
    }
    if (keep) {
      finder->rows[kept] = finder->rows[i];
      box[kept++] = box[i];
    }
  }
  g_array_set_size (boxes, kept);
}

/* ---- what else a row holds --------------------------------------------- */

gboolean
dcnn_row_extras_init (DcnnRowExtras *extras, DcnnDecoder *decoder,
    guint protos, GError **error)
{
  gboolean unit = dcnn_decoder_param (decoder, "units") != 0;

  extras->n_keypoints = (guint) dcnn_decoder_param (decoder, "keypoints");
  extras->keypoint_values =
      (guint) dcnn_decoder_param (decoder, "keypoint-values");
  extras->oriented = dcnn_decoder_param (decoder, "oriented") != 0;
  extras->by_instance = dcnn_decoder_param (decoder, "mask") != 0;
  extras->unit_x = unit ? (gfloat) decoder->net_width : 1;
  extras->unit_y = unit ? (gfloat) decoder->net_height : 1;
  extras->protos = protos;
  if (decoder->roles[protos].output >= 0)
    extras->n_coefficients = dcnn_decoder_view (decoder, protos)->channels;
  return extras->n_keypoints == 0
      || dcnn_decoder_read_skeleton (decoder, extras->n_keypoints, error);
}

guint
dcnn_row_extras_columns (const DcnnRowExtras *extras)
{
  return extras->n_keypoints * extras->keypoint_values
      + extras->n_coefficients + (extras->oriented ? 1 : 0);
}

gboolean
dcnn_row_extras_place (DcnnRowExtras *extras, DcnnDecoder *decoder,
    guint first, guint n_classes, GError **error)
{
  const DcnnView *view = dcnn_decoder_view (decoder, extras->protos);
  DcnnSegmentation *mask = &decoder->results.segmentation;

  extras->first = first;
  if (extras->n_coefficients == 0)
    return TRUE;
  decoder->mask = g_try_malloc0 ((gsize) view->height * view->width);
  if (decoder->mask == NULL)
    return dcnn_decoder_fail (decoder, extras->protos, error,
        "out of memory");
  *mask = (DcnnSegmentation) { view->width, view->height,
    extras->by_instance ? 256 : MIN (n_classes + 1, 256), decoder->mask,
    0, 0, 0, 0 };
  decoder->results.has_segmentation = TRUE;
  return TRUE;
}

void
dcnn_row_extras_add (const DcnnRowExtras *extras, DcnnDecoder *decoder,
    DcnnBoxFinder *finder, const DcnnView *rows,
    const DcnnTransform *transform, guint row, guint first, DcnnBoxForm form,
    gfloat score, gint class_id)
{
  gfloat v[4], edges[4];

  for (guint i = 0; i < 4; i++)
    v[i] = dcnn_row_at (rows, row, first + i)
        * ((i % 2 == 0) == (form != DCNN_BOX_YXYX) ? extras->unit_x
            : extras->unit_y);
  if (extras->oriented) {
    dcnn_box_finder_add_oriented (finder, decoder, transform, row, v,
        dcnn_row_at (rows, row, rows->channels - 1), score, class_id);
    return;
  }
  dcnn_box_edges (form, v, edges);
  dcnn_box_finder_add (finder, decoder, transform, row, edges, score,
      class_id);
}

void
dcnn_add_points (DcnnDecoder *decoder, const DcnnTransform *transform,
    const gfloat (*points)[3], guint n, gfloat score)
{
  DcnnResults *results = &decoder->results;
  DcnnPose pose = { score, n, results->keypoints->len };

  for (guint k = 0; k < n; k++) {
    DcnnKeypoint point = { 0, 0, 0 };

    if (isfinite (points[k][0]) && isfinite (points[k][1]))
      point = (DcnnKeypoint) { dcnn_frame_x (transform, points[k][0]),
        dcnn_frame_y (transform, points[k][1]),
        dcnn_clamp (points[k][2], 0, 1) };
    g_array_append_val (results->keypoints, point);
  }
  g_array_append_val (results->poses, pose);
}

static void
run_keypoints (const DcnnRowExtras *extras, DcnnDecoder *decoder,
    const DcnnView *rows, guint row, const DcnnTransform *transform,
    gfloat score)
{
  DcnnResults *results = &decoder->results;
  guint n = extras->n_keypoints, values = extras->keypoint_values;
  DcnnPose pose = { score, n, results->keypoints->len };

  for (guint k = 0; k < n; k++) {
    guint at = extras->first + k * values;
    gfloat x = dcnn_row_at (rows, row, at) * extras->unit_x;
    gfloat y = dcnn_row_at (rows, row, at + 1) * extras->unit_y;
    DcnnKeypoint point = { 0, 0, 0 };

    if (isfinite (x) && isfinite (y))
      point = (DcnnKeypoint) { dcnn_frame_x (transform, x),
        dcnn_frame_y (transform, y), values < 3 ? score
          : dcnn_clamp (dcnn_row_at (rows, row, at + 2), 0, 1) };
    g_array_append_val (results->keypoints, point);
  }
  g_array_append_val (results->poses, pose);
}

/* Cells of the box's rectangle whose mask is more likely than not. */
static void
paint_mask (const DcnnRowExtras *extras, DcnnDecoder *decoder,
    const DcnnView *rows, guint row, const DcnnDetection *box,
    const DcnnTransform *transform, guint8 value)
{
  const DcnnView *view = dcnn_decoder_view (decoder, extras->protos);
  gfloat sx = transform->scale_x * (gfloat) view->width
      / (gfloat) decoder->net_width;
  gfloat sy = transform->scale_y * (gfloat) view->height
      / (gfloat) decoder->net_height;
  gfloat ox = transform->offset_x * (gfloat) view->width
      / (gfloat) decoder->net_width;
  gfloat oy = transform->offset_y * (gfloat) view->height
      / (gfloat) decoder->net_height;
  gfloat w = (gfloat) view->width, h = (gfloat) view->height;
  guint x0 = (guint) dcnn_clamp (box->x * sx + ox, 0, w);
  guint y0 = (guint) dcnn_clamp (box->y * sy + oy, 0, h);
  guint x1 = (guint) dcnn_clamp (ceilf ((box->x + box->width) * sx + ox), 0, w);
  guint y1 = (guint) dcnn_clamp (ceilf ((box->y + box->height) * sy + oy), 0,
      h);
  guint at = extras->first + extras->n_keypoints * extras->keypoint_values;

  for (guint y = y0; y < y1; y++)
    for (guint x = x0; x < x1; x++) {
      guint8 *to = &decoder->mask[(gsize) y * view->width + x];
      gfloat sum = 0;

      for (guint c = 0; *to == 0 && c < extras->n_coefficients; c++)
        sum += dcnn_row_at (rows, row, at + c) * dcnn_view_at (view, c, y, x);
      if (sum > 0)
        *to = value;
    }
}

void
dcnn_row_extras_run (const DcnnRowExtras *extras, DcnnDecoder *decoder,
    const DcnnBoxFinder *finder, const DcnnView *rows,
    const DcnnTransform *transform)
{
  const GArray *boxes = decoder->results.detections;

  for (guint i = 0; extras->n_keypoints > 0 && i < boxes->len; i++)
    run_keypoints (extras, decoder, rows, finder->rows[i], transform,
        g_array_index (boxes, DcnnDetection, i).score);
  if (extras->n_coefficients == 0)
    return;
  memset (decoder->mask, 0, (gsize) decoder->results.segmentation.width
      * decoder->results.segmentation.height);
  for (guint i = 0; i < boxes->len; i++) { /* the best box first, and keeps */
    const DcnnDetection *box = &g_array_index (boxes, DcnnDetection, i);

    paint_mask (extras, decoder, rows, finder->rows[i], box, transform,
        (guint8) MIN (extras->by_instance ? i + 1
            : (guint) MAX (box->class_id, 0) + 1, 255));
  }
  dcnn_decoder_place_mask (decoder, transform);
}
