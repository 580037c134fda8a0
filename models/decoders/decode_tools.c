/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode_tools.h"

#include <string.h>

#include "dcnn_graph.h"
#include "ref_util.h"

/* ---- types ------------------------------------------------------------- */

gboolean
dcnn_dtype_is_readable (DcnnDtype dtype)
{
  return dtype > DCNN_DTYPE_NONE && dtype < DCNN_DTYPE_COUNT;
}

#define CONVERT(c_type)                                                        \
  do {                                                                         \
    const c_type *from = src;                                                  \
    for (gsize i = 0; i < n; i++)                                              \
      dst[i] = (gfloat) from[i];                                               \
  } while (0)

void
dcnn_convert_to_float (DcnnDtype dtype, const void *src, gfloat *dst, gsize n)
{
  switch (dtype) {
    case DCNN_DTYPE_F16:
      for (gsize i = 0; i < n; i++)
        dst[i] = dcnn_ref_half_to_float (((const guint16 *) src)[i]);
      break;
    case DCNN_DTYPE_F32: CONVERT (gfloat); break;
    case DCNN_DTYPE_F64: CONVERT (gdouble); break;
    case DCNN_DTYPE_I8: CONVERT (gint8); break;
    case DCNN_DTYPE_U8:
    case DCNN_DTYPE_BOOL: CONVERT (guint8); break;
    case DCNN_DTYPE_I16: CONVERT (gint16); break;
    case DCNN_DTYPE_U16: CONVERT (guint16); break;
    case DCNN_DTYPE_I32: CONVERT (gint32); break;
    case DCNN_DTYPE_U32: CONVERT (guint32); break;
    case DCNN_DTYPE_I64: CONVERT (gint64); break;
    case DCNN_DTYPE_U64: CONVERT (guint64); break;
    case DCNN_DTYPE_NONE:
    case DCNN_DTYPE_COUNT:
    default: break;
  }
}

/* ---- ranking ----------------------------------------------------------- */

/* Does a rank below b? */
static inline gboolean
is_worse (DcnnRanked a, DcnnRanked b)
{
  return a.score < b.score || (a.score == b.score && a.id > b.id);
}

void
dcnn_ranking_init (DcnnRanking *ranking, guint capacity)
{
  ranking->items = g_new (DcnnRanked, MAX (capacity, 1));
  ranking->capacity = MAX (capacity, 1);
  ranking->n = 0;
}

void
dcnn_ranking_clear (DcnnRanking *ranking)
{
  g_clear_pointer (&ranking->items, g_free);
}

void
dcnn_ranking_reset (DcnnRanking *ranking)
{
  ranking->n = 0;
}

/* Moves items[at] down until no child of it is worse. */
static void
sink (DcnnRanked *items, guint n)
{
  DcnnRanked moving = items[0];
  guint at = 0;

  for (;;) {
    guint child = 2 * at + 1;

    if (child >= n)
      break;
    if (child + 1 < n && is_worse (items[child + 1], items[child]))
      child++;
    if (!is_worse (items[child], moving))
      break;
    items[at] = items[child];
    at = child;
  }
  items[at] = moving;
}

void
dcnn_ranking_add (DcnnRanking *ranking, gfloat score, guint id)
{
  DcnnRanked item = { score, id };
  guint at = ranking->n;

  if (isnan (score))
    return;
  if (at == ranking->capacity) {
    if (is_worse (item, ranking->items[0]))
      return;
    ranking->items[0] = item;
    sink (ranking->items, at);
    return;
  }
  ranking->n++;
  while (at > 0 && is_worse (item, ranking->items[(at - 1) / 2])) {
    ranking->items[at] = ranking->items[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  ranking->items[at] = item;
}

void
dcnn_ranking_sort (DcnnRanking *ranking)
{
  for (guint n = ranking->n; n > 1; n--) {
    DcnnRanked worst = ranking->items[0];

    ranking->items[0] = ranking->items[n - 1];
    ranking->items[n - 1] = worst;
    sink (ranking->items, n - 1);
  }
}

/* ---- boxes ------------------------------------------------------------- */

gfloat
dcnn_box_iou (const DcnnDetection *a, const DcnnDetection *b)
{
  gfloat w = MIN (a->x + a->width, b->x + b->width) - MAX (a->x, b->x);
  gfloat h = MIN (a->y + a->height, b->y + b->height) - MAX (a->y, b->y);
  gfloat both, all;

  if (!(w > 0) || !(h > 0))
    return 0;
  both = w * h;
  all = a->width * a->height + b->width * b->height - both;
  return all > 0 ? both / all : 0;
}

gboolean
dcnn_add_box (GArray *detections, const DcnnTransform *transform,
    gfloat left, gfloat top, gfloat right, gfloat bottom, gfloat score,
    gint class_id)
{
  gfloat w = (gfloat) transform->frame_width;
  gfloat h = (gfloat) transform->frame_height;
  gfloat x0 = dcnn_frame_x (transform, left);
  gfloat x1 = dcnn_frame_x (transform, right);
  gfloat y0 = dcnn_frame_y (transform, top);
  gfloat y1 = dcnn_frame_y (transform, bottom);
  DcnnDetection box;

  if (isnan (x0) || isnan (x1) || isnan (y0) || isnan (y1))
    return FALSE;
  x0 = dcnn_clamp (x0, 0, w);
  x1 = dcnn_clamp (x1, 0, w);
  y0 = dcnn_clamp (y0, 0, h);
  y1 = dcnn_clamp (y1, 0, h);
  if (!(x1 > x0) || !(y1 > y0))
    return FALSE;
  box = (DcnnDetection) { x0, y0, x1 - x0, y1 - y0, dcnn_clamp (score, 0, 1),
    class_id, 0 };
  g_array_append_val (detections, box);
  return TRUE;
}

void
dcnn_suppress (GArray *boxes, gfloat max_iou, gboolean per_class, guint max_n)
{
  DcnnDetection *box = (DcnnDetection *) (void *) boxes->data;
  guint kept = 0;

  for (guint i = 0; i < boxes->len && kept < max_n; i++) {
    gboolean keep = TRUE;

    for (guint k = 0; k < kept && keep; k++)
      keep = (per_class && box[k].class_id != box[i].class_id)
          || dcnn_box_iou (&box[k], &box[i]) <= max_iou;
    if (keep)
      box[kept++] = box[i];
  }
  g_array_set_size (boxes, kept);
}

/* ---- maps -------------------------------------------------------------- */

void
dcnn_end_lone_pose (DcnnDecoder *decoder, const DcnnDecodeFrame *frame,
    DcnnPose *pose)
{
  DcnnResults *results = &decoder->results;

  pose->score = MIN (pose->score, 1); /* rounding */
  if (pose->score >= frame->threshold && pose->score > 0)
    g_array_append_val (results->poses, *pose);
  else
    g_array_set_size (results->keypoints, 0);
}

gfloat
dcnn_softmax_at (const gfloat *data, guint n, gsize step, guint best)
{
  gfloat top = data[best * step], sum = 0;

  for (guint i = 0; i < n; i++) {
    gfloat e = expf (data[i * step] - top);
    if (e > 0)
      sum += e;
  }
  return sum > 0 ? dcnn_clamp (1.0f / sum, 0, 1) : 0;
}

gboolean
dcnn_is_peak (const DcnnView *view, guint c, guint y, guint x)
{
  gfloat value = dcnn_view_at (view, c, y, x);
  guint y1 = MIN (y + 1, view->height - 1), x1 = MIN (x + 1, view->width - 1);

  for (guint i = y > 0 ? y - 1 : 0; i <= y1; i++)
    for (guint j = x > 0 ? x - 1 : 0; j <= x1; j++) {
      gfloat other = dcnn_view_at (view, c, i, j);
      gboolean before = i < y || (i == y && j < x);

      if (other > value || (before && other == value))
        return FALSE;
    }
  return !isnan (value);
}

/* ---- skeletons --------------------------------------------------------- */

static const guint8 coco_17[][2] = {
  { 0, 1 }, { 0, 2 }, { 1, 3 }, { 2, 4 }, { 5, 6 }, { 5, 7 }, { 7, 9 },
  { 6, 8 }, { 8, 10 }, { 5, 11 }, { 6, 12 }, { 11, 12 }, { 11, 13 },
  { 13, 15 }, { 12, 14 }, { 14, 16 },
};

/* head top, neck, then right and left shoulder, elbow, wrist, right and left
 * hip, knee, ankle */
static const guint8 ai_challenger_14[][2] = {
  { 0, 1 }, { 1, 2 }, { 2, 3 }, { 3, 4 }, { 1, 5 }, { 5, 6 }, { 6, 7 },
  { 1, 8 }, { 8, 9 }, { 9, 10 }, { 1, 11 }, { 11, 12 }, { 12, 13 },
};

static const guint8 blazepose_39[][2] = {
  { 0, 2 }, { 2, 7 }, { 0, 5 }, { 5, 8 }, { 9, 10 }, { 11, 12 }, { 11, 13 },
  { 13, 15 }, { 15, 19 }, { 12, 14 }, { 14, 16 }, { 16, 20 }, { 11, 23 },
  { 12, 24 }, { 23, 24 }, { 23, 25 }, { 25, 27 }, { 27, 29 }, { 29, 31 },
  { 24, 26 }, { 26, 28 }, { 28, 30 }, { 30, 32 },
};

/* the wrist, then four points a finger, thumb first */
static const guint8 hand_21[][2] = {
  { 0, 1 }, { 1, 2 }, { 2, 3 }, { 3, 4 }, { 0, 5 }, { 5, 6 }, { 6, 7 },
  { 7, 8 }, { 5, 9 }, { 9, 10 }, { 10, 11 }, { 11, 12 }, { 9, 13 },
  { 13, 14 }, { 14, 15 }, { 15, 16 }, { 13, 17 }, { 0, 17 }, { 17, 18 },
  { 18, 19 }, { 19, 20 },
};

/* In the order of DCNN_SKELETONS, from "coco-17". */
static const struct {
  guint n_points, n_edges;
  const guint8 (*edges)[2];
} skeletons[] = {
  { 17, G_N_ELEMENTS (coco_17), coco_17 },
  { 14, G_N_ELEMENTS (ai_challenger_14), ai_challenger_14 },
  { 39, G_N_ELEMENTS (blazepose_39), blazepose_39 },
  { 21, G_N_ELEMENTS (hand_21), hand_21 },
};

static gboolean
read_own_edges (DcnnDecoder *decoder, const gdouble *values, guint n,
    guint n_points, GError **error)
{
  if (n % 2 != 0)
    return dcnn_decoder_fail (decoder, 0, error,
        "[decoder] edges wants pairs of key points, a;b;a;b");
  decoder->own_edges = g_malloc0 (n / 2 * sizeof *decoder->own_edges);
  for (guint i = 0; i < n; i++) {
    if (values[i] != floor (values[i]) || values[i] >= n_points
        || values[i] > G_MAXUINT8)
      return dcnn_decoder_fail (decoder, 0, error,
          "[decoder] edges: %g is no key point; there are 0 to %u", values[i],
          n_points - 1);
    decoder->own_edges[i / 2][i % 2] = (guint8) values[i];
  }
  decoder->results.edges = (const guint8 (*)[2]) decoder->own_edges;
  decoder->results.n_edges = n / 2;
  return TRUE;
}

gboolean
dcnn_decoder_read_skeleton (DcnnDecoder *decoder, guint n_points,
    GError **error)
{
  gint choice = (gint) dcnn_decoder_param (decoder, "skeleton");
  gdouble values[DCNN_KEYS_MAX_LIST];
  guint n = dcnn_decoder_param_list (decoder, "edges", values);

  if (n > 0)
    return read_own_edges (decoder, values, n, n_points, error);
  for (gint i = 0; choice != 1 && i < (gint) G_N_ELEMENTS (skeletons); i++) {
    if (choice == 0 ? skeletons[i].n_points != n_points : choice != i + 2)
      continue;
    if (skeletons[i].n_points != n_points)
      return dcnn_decoder_fail (decoder, 0, error,
          "[decoder] skeleton is for %u key points, the model has %u",
          skeletons[i].n_points, n_points);
    decoder->results.edges = skeletons[i].edges;
    decoder->results.n_edges = skeletons[i].n_edges;
    return TRUE;
  }
  return TRUE;
}

void
dcnn_decoder_place_mask (DcnnDecoder *decoder, const DcnnTransform *transform)
{
  DcnnSegmentation *mask = &decoder->results.segmentation;

  mask->x = dcnn_frame_x (transform, 0);
  mask->y = dcnn_frame_y (transform, 0);
  mask->w = (gfloat) transform->net_width / transform->scale_x;
  mask->h = (gfloat) transform->net_height / transform->scale_y;
}

guint8 *
dcnn_decoder_make_picture (DcnnDecoder *decoder, guint channels,
    GError **error)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  guint8 *pixels = g_try_malloc0 ((gsize) view->height * view->width
      * channels);

  if (pixels == NULL) {
    (void) dcnn_decoder_fail (decoder, 0, error, "out of memory");
    return NULL;
  }
  decoder->results.has_picture = TRUE;
  decoder->results.picture = (DcnnPicture) { view->width, view->height,
    channels, pixels, 0, 0, 0, 0 };
  return pixels;
}

void
dcnn_decoder_run_spans (const DcnnDecoder *decoder, const DcnnMask *updated,
    void (*span) (const DcnnDecoder *decoder, guint y, guint x0, guint x1))
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);

  for (guint y = 0; y < view->height; y++)
    for (guint x = 0; x < view->width; x += updated == NULL ? view->width : 8)
      if (updated == NULL || updated->words[(gsize) (y / 8)
              * updated->blocks_x + x / 8] != 0)
        span (decoder, y, x, updated == NULL ? view->width
            : MIN (x + 8, view->width));
}

void
dcnn_decoder_place_picture (DcnnDecoder *decoder,
    const DcnnTransform *transform)
{
  DcnnPicture *picture = &decoder->results.picture;

  picture->x = dcnn_frame_x (transform, 0);
  picture->y = dcnn_frame_y (transform, 0);
  picture->w = (gfloat) transform->net_width / transform->scale_x;
  picture->h = (gfloat) transform->net_height / transform->scale_y;
}
