/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decode_tools.h - what several decoders need: bounded ranking, suppression of
 * overlapping boxes, number conversion, skeletons. Nothing here allocates
 * but the _new functions; everything takes NaN. Not public.
 */
#ifndef DCNN_DECODE_TOOLS_H
#define DCNN_DECODE_TOOLS_H

#include <glib.h>
#include <math.h>

#include "dcnn_decoder.h"

G_BEGIN_DECLS

/* value within lo..hi; lo for NaN. */
static inline gfloat
dcnn_clamp (gfloat value, gfloat lo, gfloat hi)
{
  if (!(value > lo))
    return lo;
  return value < hi ? value : hi;
}

/* 1 / (1 + e^-value); 0 for NaN. */
static inline gfloat
dcnn_sigmoid (gfloat value)
{
  return 1.0f / (1.0f + expf (-dcnn_clamp (value, -30, 30)));
}

/* A number of an output as a probability: by its sigmoid where its descriptor
 * says so, else as it is, within 0..1. */
static inline gfloat
dcnn_probability (const DcnnDecoder *decoder, guint role, gfloat value)
{
  return decoder->roles[role].activation == DCNN_ACTIVATION_SIGMOID
      ? dcnn_sigmoid (value) : dcnn_clamp (value, 0, 1);
}

/* Index of the grid cell of a coordinate in cells, clamped to 0..n - 1; the
 * cell's centre is at its index, or borders are (floor). 0 for NaN. */
static inline guint
dcnn_nearest_cell (gfloat at, guint n)
{
  return (guint) dcnn_clamp (at + 0.5f, 0, (gfloat) (n - 1) + 0.5f);
}

gboolean dcnn_dtype_is_readable (DcnnDtype dtype);
/* dst: n floats. */
void dcnn_convert_to_float (DcnnDtype dtype, const void *src, gfloat *dst,
    gsize n);

/* The best `capacity` of any number of scored items; ties: lower id first. */
typedef struct DcnnRanked {
  gfloat score;
  guint id;
} DcnnRanked;

typedef struct DcnnRanking {
  DcnnRanked *items; /* a heap, worst first, until dcnn_ranking_sort() */
  guint n, capacity;
} DcnnRanking;

void dcnn_ranking_init (DcnnRanking *ranking, guint capacity);
void dcnn_ranking_clear (DcnnRanking *ranking);
/* Starts anew; keeps the storage. */
void dcnn_ranking_reset (DcnnRanking *ranking);
/* A NaN score is dropped. O(log capacity), O(1) for what is not kept. */
void dcnn_ranking_add (DcnnRanking *ranking, gfloat score, guint id);
/* Best first; nothing may be added afterwards. */
void dcnn_ranking_sort (DcnnRanking *ranking);

/* Intersection over union of two boxes of the frame. */
gfloat dcnn_box_iou (const DcnnDetection *a, const DcnnDetection *b);

/* Appends a box given by its edges in network pixels: to frame pixels,
 * clipped to the frame; what is empty or not finite is dropped (FALSE). */
gboolean dcnn_add_box (GArray *detections, const DcnnTransform *transform,
    gfloat left, gfloat top, gfloat right, gfloat bottom, gfloat score,
    gint class_id);

/* Drops each box that overlaps a better one of its class (of any class with
 * per_class FALSE) by more than max_iou, and all after the first max_n.
 * boxes: best first. O(n * kept). */
void dcnn_suppress (GArray *boxes, gfloat max_iou, gboolean per_class,
    guint max_n);

/* Ends a pose whose key points are all that there are: with a score of the
 * frame's threshold or more it is appended, else they go, too. */
void dcnn_end_lone_pose (DcnnDecoder *decoder, const DcnnDecodeFrame *frame,
    DcnnPose *pose);

/* Softmax probability of channel best of n logits with the given step. */
gfloat dcnn_softmax_at (const gfloat *data, guint n, gsize step, guint best);

/* Is (y, x) of channel c above threshold and a maximum of its 3x3 cells?
 * Of equal neighbours the first in row order is it. */
gboolean dcnn_is_peak (const DcnnView *view, guint c, guint y, guint x);

/* The values of parameter "skeleton"; "auto" goes by the number of points. */
#define DCNN_SKELETONS "auto|none|coco-17|ai-challenger-14|blazepose-39|hand-21"
/* Sets results.edges from parameters skeleton and edges (pairs a;b;a;b..., of
 * n_points). */
gboolean dcnn_decoder_read_skeleton (DcnnDecoder *decoder, guint n_points,
    GError **error);

#define DCNN_SKELETON_PARAMS                                                   \
  { "skeleton", DCNN_PARAM_CHOICE, 0, 0, 0, DCNN_SKELETONS },                  \
  { "edges", DCNN_PARAM_LIST, 0, 254, 0, NULL }

/* Runs the class on tensors; updated as in DcnnDecodeFrame. */
const DcnnResults *dcnn_decoder_run_updated (DcnnDecoder *decoder,
    const DcnnTensor *const *outputs, guint n_outputs,
    const DcnnTransform *transform, gfloat threshold,
    const DcnnMask *updated);

G_END_DECLS

#endif
