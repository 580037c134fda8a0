/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Detectors that choose their boxes themselves (YOLOv10, YOLO26, exports with
 * suppression inside, SSD with post-processing): rows of box, score and class,
 * and key points, mask coefficients or an angle behind them; or boxes, scores,
 * classes and their count as tensors of their own.
 */
#include "box_tools.h"

enum { DETECTIONS, BOXES, SCORES, CLASSES, COUNT, PROTOS };

/* Where things are in a row. */
typedef struct Columns {
  guint box, score, class;
  guint n;
} Columns;

/* In the order of the parameter's choices. */
static const Columns orders[] = {
  { 0, 4, 5, 6 }, { 0, 5, 4, 6 }, { 1, 6, 5, 7 }, { 2, 1, 0, 6 },
  { 3, 2, 1, 7 },
};

typedef struct EndState {
  DcnnBoxFinder finder;
  DcnnRowExtras extras;
  Columns columns;
  gboolean separate;
  DcnnBoxForm form;
  gint first_class;
} EndState;

static const DcnnParamSpec params[] = {
  DCNN_BOX_PARAMS (0.25, 1),
  { "box", DCNN_PARAM_CHOICE, 0, 0, DCNN_BOX_XYXY, DCNN_BOX_FORMS },
  { "order", DCNN_PARAM_CHOICE, 0, 0, 0,
      "box-score-class|box-class-score|image-box-class-score|"
        "class-score-box|image-class-score-box" },
  { "first-class", DCNN_PARAM_INTEGER, -1, 1000, 0, NULL },
  DCNN_EXTRA_PARAMS,
  { NULL }
};

static const DcnnRole roles[] = {
  { "detections", TRUE }, { "boxes", TRUE }, { "scores", TRUE },
  { "classes", TRUE }, { "count", TRUE }, { "protos", TRUE }, { NULL, FALSE }
};

static gfloat
read_score (const DcnnDecoder *decoder, guint row)
{
  const EndState *state = decoder->state;

  return state->separate
      ? dcnn_row_at (dcnn_decoder_view (decoder, SCORES), row, 0)
      : dcnn_row_at (dcnn_decoder_view (decoder, DETECTIONS), row,
      state->columns.score);
}

static gint
read_class (const DcnnDecoder *decoder, guint row)
{
  const EndState *state = decoder->state;
  gfloat value = 0;

  if (!state->separate)
    value = dcnn_row_at (dcnn_decoder_view (decoder, DETECTIONS), row,
        state->columns.class);
  else if (decoder->roles[CLASSES].output >= 0)
    value = dcnn_row_at (dcnn_decoder_view (decoder, CLASSES), row, 0);
  return (gint) dcnn_clamp (value - (gfloat) state->first_class + 0.5f, 0,
      1e6f);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  EndState *state = decoder->state;
  DcnnRanking *ranking = &state->finder.ranking;
  const DcnnView *view =
      dcnn_decoder_view (decoder, state->separate ? BOXES : DETECTIONS);
  guint n = view->width;

  if (state->separate && decoder->roles[COUNT].output >= 0)
    n = (guint) dcnn_clamp (dcnn_decoder_view (decoder, COUNT)->data[0], 0,
        (gfloat) n);
  dcnn_ranking_reset (ranking);
  for (guint row = 0; row < n; row++) {
    gfloat score = read_score (decoder, row);
    if (score >= MAX (frame->threshold, 1e-6f))
      dcnn_ranking_add (ranking, score, row);
  }
  dcnn_ranking_sort (ranking);
  for (guint i = 0; i < ranking->n; i++) {
    guint row = ranking->items[i].id;

    dcnn_row_extras_add (&state->extras, decoder, &state->finder, view,
        frame->transform, row, state->columns.box, state->form,
        ranking->items[i].score, read_class (decoder, row));
  }
  dcnn_box_finder_finish (&state->finder, decoder);
  dcnn_row_extras_run (&state->extras, decoder, &state->finder, view,
      frame->transform);
}

/* One number a box: [1,N], [N] or [1,N,1]. */
static gboolean
want_numbers (DcnnDecoder *decoder, guint role, guint n, GError **error)
{
  DcnnView *view = &decoder->roles[role].view;

  if (decoder->roles[role].output < 0)
    return TRUE;
  if (!dcnn_decoder_want_rows (decoder, role, error))
    return FALSE;
  if (view->width == 1 && view->channels == n)
    dcnn_view_flip_rows (view);
  return (view->width == n && view->channels == 1)
      || dcnn_decoder_fail (decoder, role, error,
      "wants one number for each of the %u boxes", n);
}

static gboolean
init_separate (DcnnDecoder *decoder, EndState *state, GError **error)
{
  const DcnnView *view = dcnn_decoder_view (decoder, BOXES);

  if (decoder->roles[BOXES].output < 0 || decoder->roles[SCORES].output < 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_INVALID,
        "%s: decoder end-to-end wants an output with semantics=detections, "
        "or one with boxes and one with scores; say in the descriptor which "
        "they are", decoder->name);
    return FALSE;
  }
  state->columns = (Columns) { 0, 0, 0, 4 };
  state->separate = TRUE;
  return dcnn_decoder_want_rows (decoder, BOXES, error)
      && want_numbers (decoder, SCORES, view->width, error)
      && want_numbers (decoder, CLASSES, view->width, error);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  EndState *state = decoder->state = g_new0 (EndState, 1);
  guint first = DETECTIONS, columns;

  dcnn_box_finder_init (&state->finder, decoder);
  state->form = (DcnnBoxForm) dcnn_decoder_param (decoder, "box");
  state->columns = orders[(guint) dcnn_decoder_param (decoder, "order")];
  state->first_class = (gint) dcnn_decoder_param (decoder, "first-class");
  if (decoder->roles[DETECTIONS].output < 0) {
    if (!init_separate (decoder, state, error))
      return FALSE;
    first = BOXES;
  } else if (!dcnn_decoder_want_rows (decoder, DETECTIONS, error)) {
    return FALSE;
  }
  if (!dcnn_row_extras_init (&state->extras, decoder, PROTOS, error))
    return FALSE;
  columns = state->columns.n + dcnn_row_extras_columns (&state->extras);
  if (dcnn_decoder_view (decoder, first)->channels < columns)
    return dcnn_decoder_fail (decoder, first, error,
        "wants rows of %u numbers: see [decoder] order, keypoints, oriented",
        columns);
  return dcnn_row_extras_place (&state->extras, decoder, state->columns.n,
      MAX (decoder->n_labels, 1), error);
}

static void
clear (DcnnDecoder *decoder)
{
  EndState *state = decoder->state;

  if (state != NULL)
    dcnn_box_finder_clear (&state->finder);
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_end_to_end = {
  "end-to-end", params, roles, init, run, clear, NULL
};
