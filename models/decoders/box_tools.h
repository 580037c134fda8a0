/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * box_tools.h - what decoders of boxes share: rows of numbers as exporters
 * write them, ranking and suppression that remember each box's row, and what
 * hangs on a row beside its box: key points, a mask's coefficients, an angle.
 * Everything takes NaN; nothing allocates but the _init functions. Not public.
 */
#ifndef DCNN_BOX_TOOLS_H
#define DCNN_BOX_TOOLS_H

#include "decode_tools.h"

G_BEGIN_DECLS

/* Boxes beyond the best this many cannot matter after suppression. */
#define DCNN_MAX_CANDIDATES 1024

/* ---- rows -------------------------------------------------------------- */

/* Makes the role's view rows: width rows of channels numbers, whatever of
 * [1,N,V], [N,V], [1,1,N,V] or a map of cells the output is. FALSE with error
 * where it is none. */
gboolean dcnn_decoder_want_rows (DcnnDecoder *decoder, guint role,
    GError **error);
/* [1,V,N] as rows: swaps rows and numbers. */
void dcnn_view_flip_rows (DcnnView *view);

static inline gfloat
dcnn_row_at (const DcnnView *view, guint row, guint column)
{
  return view->data[row * view->step_x + column * view->step_c];
}

/* For each row the largest of columns first .. first + n - 1 and which it is
 * (from 0): in the order that memory likes. NaN loses. */
void dcnn_best_columns (const DcnnView *view, guint first, guint n,
    gfloat *best, guint16 *which);

/* ---- how four numbers are a box ---------------------------------------- */

typedef enum DcnnBoxForm {
  DCNN_BOX_CXCYWH,
  DCNN_BOX_XYXY,
  DCNN_BOX_XYWH,
  DCNN_BOX_YXYX,
} DcnnBoxForm;

#define DCNN_BOX_FORMS "cxcywh|xyxy|xywh|yxyx"
/* Are coordinates network pixels, or parts of its size? */
#define DCNN_BOX_UNITS "pixels|unit"

/* left, top, right, bottom of four numbers. */
void dcnn_box_edges (DcnnBoxForm form, const gfloat v[4], gfloat edges[4]);

/* ---- finding boxes ----------------------------------------------------- */

typedef struct DcnnBoxFinder {
  gfloat max_iou;
  gboolean per_class;
  guint max_results;
  DcnnRanking ranking; /* of rows */
  guint *rows;         /* of each of results.detections: its row */
  gfloat *best;        /* of each row, with dcnn_box_finder_want_classes(): */
  guint16 *classes;    /* its best class's number, and which it is */
} DcnnBoxFinder;

/* The parameters that the finder reads; score: the default threshold. */
#define DCNN_BOX_PARAMS(score, iou)                                            \
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, score, NULL },                 \
  { "nms-threshold", DCNN_PARAM_NUMBER, 0, 1, iou, NULL },                     \
  { "nms", DCNN_PARAM_CHOICE, 0, 0, 0, "class|all" },                          \
  { "max-results", DCNN_PARAM_INTEGER, 1, 1000, 100, NULL }

void dcnn_box_finder_init (DcnnBoxFinder *finder, DcnnDecoder *decoder);
void dcnn_box_finder_clear (DcnnBoxFinder *finder);
/* Makes room for the best class of each row of the role's view. FALSE: out of
 * memory. */
gboolean dcnn_box_finder_want_classes (DcnnBoxFinder *finder,
    DcnnDecoder *decoder, guint role, GError **error);
/* Ranks the rows whose best class, of the role's columns first ..
 * first + n - 1, has a score of the frame's threshold or more; softmax is over
 * the whole row. */
void dcnn_box_finder_rank (DcnnBoxFinder *finder, DcnnDecoder *decoder,
    const DcnnDecodeFrame *frame, guint role, guint first, guint n);
/* Adds the box of a row, edges in network pixels; what is empty is dropped. */
void dcnn_box_finder_add (DcnnBoxFinder *finder, DcnnDecoder *decoder,
    const DcnnTransform *transform, guint row, const gfloat edges[4],
    gfloat score, gint class_id);
/* The same for a box turned about its centre, by radians clockwise. */
void dcnn_box_finder_add_oriented (DcnnBoxFinder *finder,
    DcnnDecoder *decoder, const DcnnTransform *transform, guint row,
    const gfloat cxcywh[4], gfloat angle, gfloat score, gint class_id);
/* Suppression; the boxes' rows follow. Oriented boxes overlap as their
 * Gaussians do (Llerena et al., ProbIoU, 2021). */
void dcnn_box_finder_finish (DcnnBoxFinder *finder, DcnnDecoder *decoder);

/* ---- what else a row holds --------------------------------------------- */

typedef struct DcnnRowExtras {
  guint first;           /* its first column */
  guint n_keypoints, keypoint_values;
  guint n_coefficients;  /* of masks; 0: none */
  guint protos;          /* role */
  gboolean by_instance;  /* mask values count boxes, not classes */
  gboolean oriented;
  gfloat unit_x, unit_y; /* network pixels of one unit */
} DcnnRowExtras;

#define DCNN_EXTRA_PARAMS                                                      \
  { "keypoints", DCNN_PARAM_INTEGER, 0, 1024, 0, NULL },                       \
  { "keypoint-values", DCNN_PARAM_INTEGER, 2, 3, 3, NULL },                    \
  { "oriented", DCNN_PARAM_BOOLEAN, 0, 1, 0, NULL },                           \
  { "mask", DCNN_PARAM_CHOICE, 0, 0, 0, "class|instance" },                    \
  { "units", DCNN_PARAM_CHOICE, 0, 0, 0, DCNN_BOX_UNITS },                     \
  DCNN_SKELETON_PARAMS

/* Reads the parameters; protos: the role of mask prototypes. */
gboolean dcnn_row_extras_init (DcnnRowExtras *extras, DcnnDecoder *decoder,
    guint protos, GError **error);
/* How many columns a row has for them. */
guint dcnn_row_extras_columns (const DcnnRowExtras *extras);
/* Sets where the columns begin and allocates the mask. */
gboolean dcnn_row_extras_place (DcnnRowExtras *extras, DcnnDecoder *decoder,
    guint first, guint n_classes, GError **error);
/* Adds the box of a row, whose four numbers begin at column `first`; where boxes
 * are oriented, turned by the row's last one. */
void dcnn_row_extras_add (const DcnnRowExtras *extras, DcnnDecoder *decoder,
    DcnnBoxFinder *finder, const DcnnView *rows,
    const DcnnTransform *transform, guint row, guint first, DcnnBoxForm form,
    gfloat score, gint class_id);
/* Key points and masks of the boxes that are left. */
void dcnn_row_extras_run (const DcnnRowExtras *extras, DcnnDecoder *decoder,
    const DcnnBoxFinder *finder, const DcnnView *rows,
    const DcnnTransform *transform);

/* Adds one pose of n points for a box: x, y in network pixels, pairs. */
void dcnn_add_points (DcnnDecoder *decoder, const DcnnTransform *transform,
    const gfloat (*points)[3], guint n, gfloat score);

G_END_DECLS

#endif
