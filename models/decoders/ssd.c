/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SSD (Liu et al., 2016) and the face detectors of its kind: rows of class
 * scores and of boxes, one for each anchor; UltraFace, RetinaFace and
 * BlazeFace are the same with other anchors, encodings and points. One
 * decoder, named by its usual parameters.
 *
 * Anchors are an output (semantics=anchors: centre and size, parts of the
 * picture), or follow from a rule: for each stride a grid of cells, and in
 * each cell a box for each size and aspect ratio of that stride.
 */
#include "box_tools.h"

enum { SCORES, BOXES, POINTS, ANCHORS };

#define MAX_POINTS 64

typedef enum Encoding {
  ENCODING_DECODED,  /* corners already, parts of the picture */
  ENCODING_SSD,      /* centre and log size, times variances */
  ENCODING_TF,       /* the same as y, x, h, w divided by scales */
  ENCODING_BLAZE,    /* centre offset and size in network pixels */
} Encoding;

typedef enum AnchorRule { RULE_GRID, RULE_TF } AnchorRule;

typedef struct SsdState {
  DcnnBoxFinder finder;
  Encoding encoding;
  gfloat (*anchors)[4]; /* centre and size, parts of the picture; NULL: the
                           output's, or none needed */
  guint n_anchors;
  guint first_class, n_classes, n_points;
  gfloat variance[2];
} SsdState;

#define PARAMS(name, threshold, iou, encoding, background)                     \
  static const DcnnParamSpec name[] = {                                        \
    DCNN_BOX_PARAMS (threshold, iou),                                          \
    { "encoding", DCNN_PARAM_CHOICE, 0, 0, encoding, "corners|ssd|tf|blaze" }, \
    { "background", DCNN_PARAM_CHOICE, 0, 0, background, "none|first" },       \
    { "variances", DCNN_PARAM_LIST, 1e-3, 10, 0, NULL },                       \
    { "anchor-rule", DCNN_PARAM_CHOICE, 0, 0, 0, "grid|tf" },                  \
    { "strides", DCNN_PARAM_LIST, 1, 4096, 0, NULL },                          \
    { "sizes", DCNN_PARAM_LIST, 1e-3, 16384, 0, NULL },                        \
    { "sizes-per-stride", DCNN_PARAM_LIST, 1, 64, 0, NULL },                   \
    { "aspect-ratios", DCNN_PARAM_LIST, 0.01, 100, 0, NULL },                  \
    { "min-scale", DCNN_PARAM_NUMBER, 0.01, 1, 0.2, NULL },                    \
    { "max-scale", DCNN_PARAM_NUMBER, 0.01, 1, 0.95, NULL },                   \
    DCNN_SKELETON_PARAMS,                                                      \
    { NULL }                                                                   \
  }

PARAMS (ssd_params, 0.3, 0.45, ENCODING_SSD, 1);
PARAMS (ultraface_params, 0.7, 0.3, ENCODING_DECODED, 1);
PARAMS (retinaface_params, 0.5, 0.4, ENCODING_SSD, 1);
PARAMS (blazeface_params, 0.5, 0.3, ENCODING_BLAZE, 0);

static const DcnnRole roles[] = {
  { "scores", FALSE }, { "boxes", FALSE }, { "points", TRUE },
  { "anchors", TRUE }, { NULL, FALSE }
};

/* ---- running ----------------------------------------------------------- */

static void
get_anchor (const DcnnDecoder *decoder, guint row, gfloat anchor[4])
{
  const SsdState *state = decoder->state;

  for (guint i = 0; i < 4; i++)
    anchor[i] = state->anchors != NULL ? state->anchors[row][i]
        : decoder->roles[ANCHORS].output < 0 ? 0
        : dcnn_row_at (dcnn_decoder_view (decoder, ANCHORS), row, i);
}

/* The box of a row as edges, network pixels. */
static void
read_box (const DcnnDecoder *decoder, guint row, gfloat edges[4])
{
  const SsdState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, BOXES);
  const gfloat net[2] = { (gfloat) decoder->net_width,
    (gfloat) decoder->net_height };
  gfloat anchor[4];

  get_anchor (decoder, row, anchor);
  for (guint i = 0; i < 2; i++) {
    guint to = state->encoding == ENCODING_TF ? 1 - i : i;
    gfloat at = dcnn_row_at (view, row, to);
    gfloat size = dcnn_row_at (view, row, 2 + to), centre;

    if (state->encoding == ENCODING_DECODED) {
      edges[i] = at * net[i];
      edges[2 + i] = size * net[i];
      continue;
    }
    if (state->encoding == ENCODING_BLAZE) {
      centre = at / net[i] + anchor[i];
      size = size / net[i];
    } else {
      centre = anchor[i] + at * state->variance[0] * anchor[2 + i];
      size = anchor[2 + i]
          * expf (dcnn_clamp (size * state->variance[1], -20, 20));
    }
    edges[i] = (centre - size / 2) * net[i];
    edges[2 + i] = (centre + size / 2) * net[i];
  }
}

/* Points are encoded as the box's centre is. BlazeFace has them, as a whole
 * [1,N,4+2K], behind the box. */
static void
add_points (DcnnDecoder *decoder, const DcnnTransform *transform, guint row,
    gfloat score)
{
  const SsdState *state = decoder->state;
  const gboolean own = decoder->roles[POINTS].output >= 0;
  const DcnnView *view = dcnn_decoder_view (decoder, own ? POINTS : BOXES);
  gfloat points[MAX_POINTS][3], anchor[4];

  get_anchor (decoder, row, anchor);
  for (guint k = 0; k < state->n_points; k++) {
    for (guint i = 0; i < 2; i++) {
      gfloat net = (gfloat) (i == 0 ? decoder->net_width
          : decoder->net_height);
      gfloat value = dcnn_row_at (view, row, (own ? 0 : 4) + 2 * k + i);

      points[k][i] = state->encoding == ENCODING_DECODED ? value * net
          : state->encoding == ENCODING_BLAZE ? value + anchor[i] * net
          : (anchor[i] + value * state->variance[0] * anchor[2 + i]) * net;
    }
    points[k][2] = score;
  }
  dcnn_add_points (decoder, transform, (const gfloat (*)[3]) points,
      state->n_points, score);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  SsdState *state = decoder->state;
  const DcnnRanking *ranking = &state->finder.ranking;
  const GArray *boxes = decoder->results.detections;

  dcnn_box_finder_rank (&state->finder, decoder, frame, SCORES,
      state->first_class, state->n_classes);
  for (guint i = 0; i < ranking->n; i++) {
    guint row = ranking->items[i].id;
    gfloat edges[4];

    read_box (decoder, row, edges);
    dcnn_box_finder_add (&state->finder, decoder, frame->transform, row,
        edges, ranking->items[i].score, state->finder.classes[row]);
  }
  dcnn_box_finder_finish (&state->finder, decoder);
  for (guint i = 0; state->n_points > 0 && i < boxes->len; i++)
    add_points (decoder, frame->transform, state->finder.rows[i],
        g_array_index (boxes, DcnnDetection, i).score);
}

/* ---- anchors by rule --------------------------------------------------- */

/* One anchor, if there is room; sizes in network pixels. */
static void
put_anchor (const DcnnDecoder *decoder, SsdState *state, gfloat x, gfloat y,
    gfloat w, gfloat h)
{
  if (state->n_anchors < dcnn_decoder_view (decoder, SCORES)->width) {
    gfloat *to = state->anchors[state->n_anchors];

    to[0] = x;
    to[1] = y;
    to[2] = w / (gfloat) decoder->net_width;
    to[3] = h / (gfloat) decoder->net_height;
  }
  state->n_anchors++;
}

/* What one stride's cells hold: widths and heights, network pixels. */
typedef struct Shapes {
  guint n;
  gfloat size[2 * DCNN_KEYS_MAX_LIST][2];
} Shapes;

static void
put_grid (const DcnnDecoder *decoder, SsdState *state, guint stride,
    const Shapes *shapes)
{
  guint columns = (decoder->net_width + stride - 1) / stride;
  guint rows = (decoder->net_height + stride - 1) / stride;
  const gboolean by_stride = state->encoding != ENCODING_TF
      && state->encoding != ENCODING_BLAZE;
  /* RetinaFace and UltraFace count cells in strides, TensorFlow in parts */
  gfloat w = by_stride ? (gfloat) decoder->net_width / (gfloat) stride
      : (gfloat) columns;
  gfloat h = by_stride ? (gfloat) decoder->net_height / (gfloat) stride
      : (gfloat) rows;

  for (guint y = 0; y < rows; y++)
    for (guint x = 0; x < columns; x++)
      for (guint i = 0; i < shapes->n; i++)
        put_anchor (decoder, state, ((gfloat) x + 0.5f) / w,
            ((gfloat) y + 0.5f) / h, shapes->size[i][0], shapes->size[i][1]);
}

/* TensorFlow's SSD: scales evenly from min-scale to max-scale; a cell has each
 * aspect ratio at its scale, then a square between it and the next. The first
 * stride has three: a small square, 2:1 and 1:2. */
static void
tf_shapes (const DcnnDecoder *decoder, guint level, guint n_levels,
    Shapes *shapes)
{
  static const gdouble usual[5] = { 1, 2, 0.5, 3, 1.0 / 3 };
  gdouble lo = dcnn_decoder_param (decoder, "min-scale");
  gdouble hi = dcnn_decoder_param (decoder, "max-scale");
  gdouble step = n_levels > 1 ? (hi - lo) / (n_levels - 1) : 0;
  gdouble scale = lo + step * level;
  gdouble next = level + 1 < n_levels ? scale + step : 1;
  guint n = level == 0 ? 3 : 5;

  shapes->n = 0;
  for (guint i = 0; i < n; i++) {
    gdouble s = level == 0 && i == 0 ? 0.1 : scale;
    shapes->size[shapes->n][0] =
        (gfloat) (s * sqrt (usual[i]) * decoder->net_width);
    shapes->size[shapes->n++][1] =
        (gfloat) (s / sqrt (usual[i]) * decoder->net_height);
  }
  if (level == 0)
    return;
  shapes->size[n][0] = (gfloat) (sqrt (scale * next) * decoder->net_width);
  shapes->size[n][1] = (gfloat) (sqrt (scale * next) * decoder->net_height);
  shapes->n++;
}

/* Each of `sizes` sizes from the at-th on, by each aspect ratio. */
static void
listed_shapes (const DcnnDecoder *decoder, guint at, guint sizes,
    Shapes *shapes)
{
  gdouble size[DCNN_KEYS_MAX_LIST] = { 1 }, ratio[DCNN_KEYS_MAX_LIST] = { 1 };
  guint n_sizes = MAX (dcnn_decoder_param_list (decoder, "sizes", size), 1);
  guint n_ratios = MAX (dcnn_decoder_param_list (decoder, "aspect-ratios",
          ratio), 1);

  for (guint s = 0; s < sizes; s++)
    for (guint r = 0; r < n_ratios
        && shapes->n < G_N_ELEMENTS (shapes->size); r++) {
      gdouble px = size[MIN (at + s, n_sizes - 1)];
      shapes->size[shapes->n][0] = (gfloat) (px * sqrt (ratio[r]));
      shapes->size[shapes->n++][1] = (gfloat) (px / sqrt (ratio[r]));
    }
}

static gboolean
make_anchors (DcnnDecoder *decoder, SsdState *state, GError **error)
{
  gdouble stride[DCNN_KEYS_MAX_LIST], unused[DCNN_KEYS_MAX_LIST];
  gdouble per[DCNN_KEYS_MAX_LIST];
  guint n = dcnn_decoder_param_list (decoder, "strides", stride), at = 0;
  guint n_sizes = dcnn_decoder_param_list (decoder, "sizes", unused);
  guint n_per = dcnn_decoder_param_list (decoder, "sizes-per-stride", per);
  guint want = dcnn_decoder_view (decoder, SCORES)->width;
  gboolean tf = dcnn_decoder_param (decoder, "anchor-rule") != 0;

  state->anchors = g_try_malloc0 ((gsize) want * sizeof *state->anchors);
  if (state->anchors == NULL)
    return dcnn_decoder_fail (decoder, SCORES, error, "out of memory");
  for (guint i = 0; i < n; i++) {
    guint own = n_per > 0 ? (guint) per[MIN (i, n_per - 1)]
        : MAX (n_sizes / n, 1);
    Shapes shapes = { 0 };

    if (tf)
      tf_shapes (decoder, i, n, &shapes);
    else
      listed_shapes (decoder, at, own, &shapes);
    at += own;
    put_grid (decoder, state, (guint) stride[i], &shapes);
  }
  if (state->n_anchors == want)
    return TRUE;
  return dcnn_decoder_fail (decoder, SCORES, error,
      "has %u rows, but [decoder] strides, sizes, sizes-per-stride and "
      "aspect-ratios make %u anchors at %ux%u px; or name an output with "
      "semantics=anchors", want, state->n_anchors, decoder->net_width,
      decoder->net_height);
}

/* ---- setting up -------------------------------------------------------- */

static gboolean
choose_anchors (DcnnDecoder *decoder, SsdState *state, GError **error)
{
  guint want = dcnn_decoder_view (decoder, SCORES)->width;

  if (state->encoding == ENCODING_DECODED)
    return TRUE;
  if (decoder->roles[ANCHORS].output < 0)
    return make_anchors (decoder, state, error);
  if (!dcnn_decoder_want_rows (decoder, ANCHORS, error))
    return FALSE;
  return (dcnn_decoder_view (decoder, ANCHORS)->width == want
      && dcnn_decoder_view (decoder, ANCHORS)->channels == 4)
      || dcnn_decoder_fail (decoder, ANCHORS, error,
      "wants [%u,4]: centre and size of each row's anchor", want);
}

static gboolean
check_rows (DcnnDecoder *decoder, SsdState *state, GError **error)
{
  const DcnnView *scores = dcnn_decoder_view (decoder, SCORES);
  const DcnnView *boxes = dcnn_decoder_view (decoder, BOXES);
  const DcnnView *points = dcnn_decoder_view (decoder, POINTS);
  gboolean own = decoder->roles[POINTS].output >= 0;

  if (!dcnn_decoder_want_rows (decoder, SCORES, error)
      || !dcnn_decoder_want_rows (decoder, BOXES, error)
      || (own && !dcnn_decoder_want_rows (decoder, POINTS, error)))
    return FALSE;
  state->n_points = own ? points->channels / 2 : (boxes->channels - 4) / 2;
  if (boxes->channels < 4 || (boxes->channels > 4
          && (own || boxes->channels % 2 != 0)))
    return dcnn_decoder_fail (decoder, BOXES, error,
        "wants 4 numbers a row, or 4 and pairs of points");
  if (boxes->width != scores->width
      || (own && (points->width != scores->width
              || points->channels % 2 != 0)) || state->n_points > MAX_POINTS)
    return dcnn_decoder_fail (decoder, own ? POINTS : BOXES, error,
        "wants a row for each of the %u of scores, of at most %d points",
        scores->width, MAX_POINTS);
  if (scores->channels <= state->first_class
      || scores->channels > G_MAXUINT16)
    return dcnn_decoder_fail (decoder, SCORES, error,
        "wants a column a class (and background first: [decoder] "
        "background)");
  state->n_classes = scores->channels - state->first_class;
  return dcnn_decoder_want_labels (decoder, state->n_classes, "classes", error)
      && (state->n_points == 0
      || dcnn_decoder_read_skeleton (decoder, state->n_points, error));
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  SsdState *state = decoder->state = g_new0 (SsdState, 1);
  gdouble variance[DCNN_KEYS_MAX_LIST] = { 0.1, 0.2 };

  dcnn_box_finder_init (&state->finder, decoder);
  state->encoding = (Encoding) dcnn_decoder_param (decoder, "encoding");
  state->first_class = dcnn_decoder_param (decoder, "background") != 0;
  if (dcnn_decoder_param_list (decoder, "variances", variance) == 1)
    variance[1] = variance[0];
  state->variance[0] = (gfloat) variance[0];
  state->variance[1] = (gfloat) variance[1];
  return check_rows (decoder, state, error)
      && choose_anchors (decoder, state, error)
      && dcnn_box_finder_want_classes (&state->finder, decoder, SCORES, error);
}

static void
clear (DcnnDecoder *decoder)
{
  SsdState *state = decoder->state;

  if (state != NULL) {
    dcnn_box_finder_clear (&state->finder);
    g_free (state->anchors);
  }
  g_clear_pointer (&decoder->state, g_free);
}

#define CLASS(suffix, name, table)                                             \
  const DcnnDecoderClass dcnn_decoder_class_##suffix = {                       \
    name, table, roles, init, run, clear, NULL                                 \
  }

CLASS (ssd, "ssd", ssd_params);
CLASS (ultraface, "ultraface", ultraface_params);
CLASS (retinaface, "retinaface", retinaface_params);
CLASS (blazeface, "blazeface", blazeface_params);
