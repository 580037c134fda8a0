/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Detectors with a prediction a cell of grids of several strides: NanoDet,
 * PicoDet and raw YOLOv8 to 12 heads (each side of the box is a distribution
 * over bins; Li et al., Generalized Focal Loss, 2020), SCRFD (distances), YuNet
 * (offset and log size). One decoder, named by its usual parameters.
 *
 * Outputs are named by stride: scores-8, boxes-8, and where there are any
 * objects-8 and points-8; or head-8 with box and scores in one map; or rows,
 * all strides one after the other ([decoder] strides).
 */
#include "box_tools.h"

enum { ROWS, HEADS, SCORES = HEADS + 4, OBJECTS = SCORES + 4,
  BOXES = OBJECTS + 4, POINTS = BOXES + 4 };

#define MAX_LEVELS 8
#define MAX_POINTS 64
#define MAX_BINS 64

typedef enum BoxKind { BOX_DISTRIBUTION, BOX_DISTANCE, BOX_EXP } BoxKind;
typedef enum ScoreKind { SCORE_SINGLE, SCORE_PRODUCT, SCORE_ROOT } ScoreKind;

/* Numbers of one kind on a level: that of row r, column c is
 * data[first + r * step_row + c * step_column] of the role. */
typedef struct Part {
  gint role; /* -1: none */
  gsize first, step_row, step_column;
  guint per_row;  /* boxes that share a row */
  guint n;        /* numbers a box */
} Part;

typedef struct Level {
  guint stride, columns, n_rows; /* n_rows: boxes */
  guint first;                   /* id of its first box */
  Part scores, objects, boxes, points;
} Level;

typedef struct FreeState {
  DcnnBoxFinder finder;
  Level level[MAX_LEVELS];
  guint n_levels, per_cell, n_classes, n_bins, n_points;
  BoxKind box;
  ScoreKind score;
  gboolean boxes_first, in_pixels;
  gfloat centre; /* of a cell, in cells */
} FreeState;

#define PARAMS(name, threshold, iou, box, score, cell, per_cell, bins, order)  \
  static const DcnnParamSpec name[] = {                                        \
    DCNN_BOX_PARAMS (threshold, iou),                                          \
    { "box", DCNN_PARAM_CHOICE, 0, 0, box, "distribution|distance|exp" },      \
    { "score", DCNN_PARAM_CHOICE, 0, 0, score, "single|product|root" },        \
    { "cell", DCNN_PARAM_CHOICE, 0, 0, cell, "corner|centre" },                \
    { "cell-boxes", DCNN_PARAM_INTEGER, 1, 16, per_cell, NULL },               \
    { "bins", DCNN_PARAM_INTEGER, 2, MAX_BINS, bins, NULL },                   \
    { "order", DCNN_PARAM_CHOICE, 0, 0, order, "scores-first|boxes-first" },   \
    { "distances", DCNN_PARAM_CHOICE, 0, 0, 0, "strides|pixels" },             \
    { "strides", DCNN_PARAM_LIST, 1, 1024, 0, NULL },                          \
    DCNN_SKELETON_PARAMS,                                                      \
    { NULL }                                                                   \
  }

PARAMS (nanodet_params, 0.35, 0.6, BOX_DISTRIBUTION, SCORE_SINGLE, 0, 1, 8, 0);
PARAMS (picodet_params, 0.4, 0.5, BOX_DISTRIBUTION, SCORE_SINGLE, 1, 1, 8, 0);
PARAMS (dfl_params, 0.25, 0.45, BOX_DISTRIBUTION, SCORE_SINGLE, 1, 1, 16, 1);
PARAMS (scrfd_params, 0.5, 0.4, BOX_DISTANCE, SCORE_SINGLE, 0, 2, 8, 0);
PARAMS (yunet_params, 0.6, 0.3, BOX_EXP, SCORE_ROOT, 0, 1, 8, 0);

static const guint strides[4] = { 8, 16, 32, 64 };

static const DcnnRole roles[] = {
  { "rows", TRUE },
  { "head-8", TRUE }, { "head-16", TRUE }, { "head-32", TRUE },
  { "head-64", TRUE },
  { "scores-8", TRUE }, { "scores-16", TRUE }, { "scores-32", TRUE },
  { "scores-64", TRUE },
  { "objects-8", TRUE }, { "objects-16", TRUE }, { "objects-32", TRUE },
  { "objects-64", TRUE },
  { "boxes-8", TRUE }, { "boxes-16", TRUE }, { "boxes-32", TRUE },
  { "boxes-64", TRUE },
  { "points-8", TRUE }, { "points-16", TRUE }, { "points-32", TRUE },
  { "points-64", TRUE },
  { NULL, FALSE }
};

/* ---- reading ----------------------------------------------------------- */

static const gfloat *
part_row (const DcnnDecoder *decoder, const Part *part, guint row)
{
  return decoder->roles[part->role].view.data + part->first
      + row / part->per_row * part->step_row
      + row % part->per_row * part->n * part->step_column;
}

static gfloat
activated (const DcnnDecoder *decoder, const Part *part, gfloat value)
{
  return decoder->roles[part->role].activation == DCNN_ACTIVATION_SIGMOID
      ? dcnn_sigmoid (value) : value;
}

static gfloat
row_score (const DcnnDecoder *decoder, const Level *level, guint row,
    gint *class_id)
{
  const FreeState *state = decoder->state;
  const gfloat *v = part_row (decoder, &level->scores, row);
  gfloat best = -G_MAXFLOAT, object;

  *class_id = 0;
  for (guint c = 0; c < state->n_classes; c++)
    if (v[c * level->scores.step_column] > best) {
      best = v[c * level->scores.step_column];
      *class_id = (gint) c;
    }
  best = activated (decoder, &level->scores, best);
  if (state->score == SCORE_SINGLE || level->objects.role < 0)
    return best;
  object = activated (decoder, &level->objects,
      *part_row (decoder, &level->objects, row));
  return state->score == SCORE_PRODUCT ? best * object
      : sqrtf (dcnn_clamp (best, 0, 1) * dcnn_clamp (object, 0, 1));
}

/* Mean of the distribution given by logits of bins 0, 1, 2 ... */
static gfloat
mean_of_bins (const gfloat *v, gsize step, guint n)
{
  gfloat top = -G_MAXFLOAT, sum = 0, mean = 0;

  for (guint i = 0; i < n; i++)
    top = MAX (top, v[i * step]);
  for (guint i = 0; i < n; i++) {
    gfloat e = expf (v[i * step] - top);
    sum += e;
    mean += e * (gfloat) i;
  }
  return mean / sum;
}

static void
read_box (const DcnnDecoder *decoder, const Level *level, guint row,
    gfloat x, gfloat y, gfloat edges[4])
{
  const FreeState *state = decoder->state;
  const gfloat *v = part_row (decoder, &level->boxes, row);
  gsize step = level->boxes.step_column;
  gfloat unit = state->in_pixels ? 1 : (gfloat) level->stride;

  for (guint i = 0; i < 4; i++) {
    gfloat at = i % 2 == 0 ? x : y;
    gfloat distance = state->box == BOX_DISTRIBUTION
        ? mean_of_bins (v + i * state->n_bins * step, step, state->n_bins)
        : v[i * step];

    if (state->box == BOX_EXP) {
      gfloat half = expf (dcnn_clamp (v[(i % 2 + 2) * step], -20, 20)) / 2;
      edges[i] = at + (v[i % 2 * step] + (i < 2 ? -half : half)) * unit;
    } else {
      edges[i] = at + (i < 2 ? -distance : distance) * unit;
    }
  }
}

/* ---- running ----------------------------------------------------------- */

static const Level *
find_level (const FreeState *state, guint id)
{
  guint level = state->n_levels - 1;

  while (id < state->level[level].first)
    level--;
  return &state->level[level];
}

/* Where a box's cell lies, network pixels. */
static void
find_cell (const FreeState *state, const Level *level, guint row, gfloat *x,
    gfloat *y)
{
  guint cell = row / state->per_cell;

  *x = ((gfloat) (cell % level->columns) + state->centre)
      * (gfloat) level->stride;
  *y = ((gfloat) (cell / level->columns) + state->centre)
      * (gfloat) level->stride;
}

static void
add_box (DcnnDecoder *decoder, const DcnnDecodeFrame *frame, guint id,
    gfloat score)
{
  FreeState *state = decoder->state;
  const Level *level = find_level (state, id);
  gfloat x, y, edges[4];
  gint class_id;

  find_cell (state, level, id - level->first, &x, &y);
  read_box (decoder, level, id - level->first, x, y, edges);
  (void) row_score (decoder, level, id - level->first, &class_id);
  dcnn_box_finder_add (&state->finder, decoder, frame->transform, id, edges,
      score, class_id);
}

static void
add_points (DcnnDecoder *decoder, const DcnnDecodeFrame *frame, guint id,
    gfloat score)
{
  const FreeState *state = decoder->state;
  const Level *level = find_level (state, id);
  const gfloat *v = part_row (decoder, &level->points, id - level->first);
  gfloat unit = state->in_pixels ? 1 : (gfloat) level->stride;
  gfloat points[MAX_POINTS][3], x, y;

  find_cell (state, level, id - level->first, &x, &y);
  for (guint k = 0; k < state->n_points; k++) {
    points[k][0] = x + v[2 * k * level->points.step_column] * unit;
    points[k][1] = y + v[(2 * k + 1) * level->points.step_column] * unit;
    points[k][2] = score;
  }
  dcnn_add_points (decoder, frame->transform,
      (const gfloat (*)[3]) points, state->n_points, score);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  FreeState *state = decoder->state;
  DcnnRanking *ranking = &state->finder.ranking;
  const GArray *boxes = decoder->results.detections;
  gint unused;

  dcnn_ranking_reset (ranking);
  for (guint l = 0; l < state->n_levels; l++)
    for (guint row = 0; row < state->level[l].n_rows; row++) {
      gfloat score = row_score (decoder, &state->level[l], row, &unused);
      if (score >= MAX (frame->threshold, 1e-6f))
        dcnn_ranking_add (ranking, score, state->level[l].first + row);
    }
  dcnn_ranking_sort (ranking);
  for (guint i = 0; i < ranking->n; i++)
    add_box (decoder, frame, ranking->items[i].id, ranking->items[i].score);
  dcnn_box_finder_finish (&state->finder, decoder);
  for (guint i = 0; state->n_points > 0 && i < boxes->len; i++)
    add_points (decoder, frame, state->finder.rows[i],
        g_array_index (boxes, DcnnDetection, i).score);
}

/* ---- setting up -------------------------------------------------------- */

/* Finds how a role holds its numbers for n_rows boxes: [1,n_rows,V], or a map
 * of cells whose channels are those of the cell's boxes. */
static gboolean
place_part (DcnnDecoder *decoder, gint role, guint n_rows, guint per_cell,
    Part *part, GError **error)
{
  const DcnnView *view = dcnn_decoder_view (decoder, (guint) role);
  const guint64 cells = (guint64) view->width * view->height;
  const gboolean in_order = view->height == 1
      || view->step_y == view->step_x * view->width;

  *part = (Part) { role, 0, view->step_x, view->step_c, 1, view->channels };
  if (in_order && cells == n_rows)
    return TRUE;
  if (in_order && cells * per_cell == n_rows
      && view->channels % per_cell == 0) {
    part->per_row = per_cell;
    part->n = view->channels / per_cell;
    return TRUE;
  }
  if (view->height == 1 && view->channels == n_rows) { /* [1,V,N] */
    *part = (Part) { role, 0, view->step_c, view->step_x, 1, view->width };
    return TRUE;
  }
  return dcnn_decoder_fail (decoder, (guint) role, error,
      "wants numbers for %u boxes: that many cells has its stride's grid at "
      "%ux%u px, with [decoder] cell-boxes=%u", n_rows, decoder->net_width,
      decoder->net_height, per_cell);
}

/* A level's part of a whole that holds scores and box. */
static gboolean
split_whole (DcnnDecoder *decoder, FreeState *state, Level *level,
    const Part *whole, GError **error)
{
  const guint sides = state->box == BOX_DISTRIBUTION ? 4 * state->n_bins : 4;
  gsize scores = 0, boxes = 0;

  if (whole->n <= sides || whole->per_row != 1)
    return dcnn_decoder_fail (decoder, (guint) whole->role, error,
        "wants %u numbers of the box and the classes' scores (see [decoder] "
        "bins)", sides);
  if (state->boxes_first)
    scores = sides;
  else
    boxes = whole->n - sides;
  level->scores = level->boxes = *whole;
  level->scores.n = whole->n - sides;
  level->scores.first += scores * whole->step_column;
  level->boxes.n = sides;
  level->boxes.first += boxes * whole->step_column;
  return TRUE;
}

static Level *
begin_level (DcnnDecoder *decoder, FreeState *state, guint stride)
{
  Level *level = &state->level[state->n_levels++];

  level->stride = stride;
  level->columns = (decoder->net_width + stride - 1) / stride;
  level->n_rows = level->columns
      * ((decoder->net_height + stride - 1) / stride) * state->per_cell;
  level->scores.role = level->objects.role = -1;
  level->boxes.role = level->points.role = -1;
  if (state->n_levels > 1)
    level->first = level[-1].first + level[-1].n_rows;
  return level;
}

static gboolean
init_rows (DcnnDecoder *decoder, FreeState *state, GError **error)
{
  gdouble values[DCNN_KEYS_MAX_LIST] = { 8, 16, 32, 64 };
  guint n = dcnn_decoder_param_list (decoder, "strides", values);
  guint rows = 0, given = n;
  Part whole;

  for (guint i = 0; i < MIN (given == 0 ? 4 : n, MAX_LEVELS); i++) {
    Level *level = begin_level (decoder, state, (guint) values[i]);
    rows += level->n_rows;
    if (given == 0 && (rows == dcnn_decoder_view (decoder, ROWS)->width
            || rows == dcnn_decoder_view (decoder, ROWS)->channels))
      break;
  }
  if (!place_part (decoder, ROWS, rows, 1, &whole, error))
    return FALSE;
  for (guint i = 0; i < state->n_levels; i++) {
    Level *level = &state->level[i];
    Part part = whole;

    part.first += level->first * whole.step_row;
    if (!split_whole (decoder, state, level, &part, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
init_level (DcnnDecoder *decoder, FreeState *state, guint i, GError **error)
{
  const gint at[] = { SCORES, BOXES, OBJECTS, POINTS };
  const gboolean head = decoder->roles[HEADS + i].output >= 0;
  Level *level;
  Part *parts[4];

  if (!head && decoder->roles[SCORES + i].output < 0)
    return TRUE;
  level = begin_level (decoder, state, strides[i]);
  parts[0] = &level->scores;
  parts[1] = &level->boxes;
  parts[2] = &level->objects;
  parts[3] = &level->points;
  if (head) {
    Part whole;
    if (!place_part (decoder, (gint) (HEADS + i), level->n_rows,
            state->per_cell, &whole, error)
        || !split_whole (decoder, state, level, &whole, error))
      return FALSE;
  } else if (decoder->roles[BOXES + i].output < 0) {
    return dcnn_decoder_fail (decoder, SCORES + i, error,
        "wants an output with semantics=boxes-%u beside it", strides[i]);
  }
  for (guint p = head ? 2 : 0; p < 4; p++)
    if (decoder->roles[at[p] + (gint) i].output >= 0
        && !place_part (decoder, at[p] + (gint) i, level->n_rows,
            state->per_cell, parts[p], error))
      return FALSE;
  return TRUE;
}

static gboolean
check_levels (DcnnDecoder *decoder, FreeState *state, GError **error)
{
  const guint sides = state->box == BOX_DISTRIBUTION ? 4 * state->n_bins : 4;
  const Level *first = &state->level[0];

  if (state->n_levels == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: decoder %s wants outputs named by stride (scores-8 and boxes-8, "
        "or head-8, and so on for 16, 32, 64) or rows; say in the descriptor "
        "which they are", decoder->name, decoder->class->name);
    return FALSE;
  }
  state->n_classes = first->scores.n;
  state->n_points = first->points.role >= 0 ? first->points.n / 2 : 0;
  for (guint i = 0; i < state->n_levels; i++) {
    const Level *level = &state->level[i];

    if (level->boxes.n != sides)
      return dcnn_decoder_fail (decoder, (guint) level->boxes.role, error,
          "wants %u numbers a box (see [decoder] box, bins, cell-boxes)",
          sides);
    if (level->scores.n != state->n_classes
        || (level->objects.role >= 0 && level->objects.n != 1)
        || (level->points.role >= 0) != (state->n_points > 0)
        || (level->points.role >= 0 && level->points.n / 2 != state->n_points))
      return dcnn_decoder_fail (decoder, (guint) level->scores.role, error,
          "does not agree with the other strides' scores, objects and points");
  }
  if (state->n_points > MAX_POINTS)
    return dcnn_decoder_fail (decoder, (guint) first->points.role, error,
        "wants at most %d points a box", MAX_POINTS);
  return dcnn_decoder_want_labels (decoder, state->n_classes, "classes", error)
      && (state->n_points == 0
      || dcnn_decoder_read_skeleton (decoder, state->n_points, error));
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  FreeState *state = decoder->state = g_new0 (FreeState, 1);

  dcnn_box_finder_init (&state->finder, decoder);
  state->box = (BoxKind) dcnn_decoder_param (decoder, "box");
  state->score = (ScoreKind) dcnn_decoder_param (decoder, "score");
  state->centre = dcnn_decoder_param (decoder, "cell") != 0 ? 0.5f : 0;
  state->per_cell = (guint) dcnn_decoder_param (decoder, "cell-boxes");
  state->n_bins = (guint) dcnn_decoder_param (decoder, "bins");
  state->boxes_first = dcnn_decoder_param (decoder, "order") != 0;
  state->in_pixels = dcnn_decoder_param (decoder, "distances") != 0;
  if (decoder->roles[ROWS].output >= 0) {
    if (!init_rows (decoder, state, error))
      return FALSE;
  } else {
    for (guint i = 0; i < 4; i++)
      if (!init_level (decoder, state, i, error))
        return FALSE;
  }
  return check_levels (decoder, state, error);
}

static void
clear (DcnnDecoder *decoder)
{
  FreeState *state = decoder->state;

  if (state != NULL)
    dcnn_box_finder_clear (&state->finder);
  g_clear_pointer (&decoder->state, g_free);
}

#define CLASS(suffix, name, table)                                             \
  const DcnnDecoderClass dcnn_decoder_class_##suffix = {                       \
    name, table, roles, init, run, clear, NULL                                 \
  }

CLASS (nanodet, "nanodet", nanodet_params);
CLASS (picodet, "picodet", picodet_params);
CLASS (yolo_dfl, "yolo-dfl", dfl_params);
CLASS (scrfd, "scrfd", scrfd_params);
CLASS (yunet, "yunet", yunet_params);
