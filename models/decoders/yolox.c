/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * YOLOX (Ge et al., 2021): rows of x, y, w, h, objectness, classes for the
 * cells of grids of stride 8, 16 and 32 (parameter strides), one after the
 * other, not yet decoded: centre = (x, y + cell) * stride, size = e^(w, h) *
 * stride.
 */
#include "decode_tools.h"

#define MAX_STRIDES 8
/* Boxes beyond the best this many cannot matter after suppression. */
#define MAX_CANDIDATES 1024

typedef struct YoloxState {
  guint n_strides;
  guint stride[MAX_STRIDES], first[MAX_STRIDES], columns[MAX_STRIDES];
  gfloat max_iou;
  gboolean per_class;
  guint max_results;
  gboolean activate; /* objectness and classes still want a sigmoid */
  DcnnRanking ranking;
} YoloxState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.3, NULL },
  { "nms-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.45, NULL },
  { "nms", DCNN_PARAM_CHOICE, 0, 0, 0, "class|all" },
  { "strides", DCNN_PARAM_LIST, 1, 1024, 0, NULL },
  { "max-results", DCNN_PARAM_INTEGER, 1, 1000, 100, NULL },
  { NULL }
};

static const DcnnRole roles[] = { { "boxes", FALSE }, { NULL, FALSE } };

/* Best class of a row and its score, objectness included. */
static gfloat
row_score (const YoloxState *state, const gfloat *row, guint n_classes,
    gint *best_class)
{
  gfloat best = -G_MAXFLOAT, object = row[4];

  *best_class = 0;
  for (guint c = 0; c < n_classes; c++)
    if (row[5 + c] > best) {
      best = row[5 + c];
      *best_class = (gint) c;
    }
  if (state->activate) {
    object = dcnn_sigmoid (object);
    best = dcnn_sigmoid (best);
  }
  return best * object;
}

static void
add_row (DcnnDecoder *decoder, const DcnnDecodeFrame *frame, guint id,
    gfloat score)
{
  const YoloxState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  const gfloat *row = view->data + id * view->step_x;
  guint level = state->n_strides - 1, cell;
  gfloat stride, x, y, w, h;
  gint class_id;

  while (id < state->first[level])
    level--;
  cell = id - state->first[level];
  stride = (gfloat) state->stride[level];
  x = (row[0] + (gfloat) (cell % state->columns[level])) * stride;
  y = (row[1] + (gfloat) (cell / state->columns[level])) * stride;
  w = expf (dcnn_clamp (row[2], -20, 20)) * stride / 2;
  h = expf (dcnn_clamp (row[3], -20, 20)) * stride / 2;
  (void) row_score (state, row, view->channels - 5, &class_id);
  (void) dcnn_add_box (decoder->results.detections, frame->transform, x - w,
      y - h, x + w, y + h, score, class_id);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  YoloxState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  gfloat limit = MAX (frame->threshold, 1e-6f);
  gint unused;

  dcnn_ranking_reset (&state->ranking);
  for (guint id = 0; id < view->width; id++) {
    const gfloat *row = view->data + id * view->step_x;
    gfloat score;

    if (!state->activate && !(row[4] >= limit))
      continue; /* a class score is at most 1 */
    score = row_score (state, row, view->channels - 5, &unused);
    if (score >= limit)
      dcnn_ranking_add (&state->ranking, score, id);
  }
  dcnn_ranking_sort (&state->ranking);
  for (guint i = 0; i < state->ranking.n; i++)
    add_row (decoder, frame, state->ranking.items[i].id,
        state->ranking.items[i].score);
  dcnn_suppress (decoder->results.detections, state->max_iou,
      state->per_class, state->max_results);
}

static gboolean
read_strides (DcnnDecoder *decoder, YoloxState *state, GError **error)
{
  gdouble values[DCNN_KEYS_MAX_LIST] = { 8, 16, 32 };
  guint n = dcnn_decoder_param_list (decoder, "strides", values), rows = 0;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);

  state->n_strides = n = n == 0 ? 3 : n;
  if (n > MAX_STRIDES)
    return dcnn_decoder_fail (decoder, 0, error,
        "[decoder] strides: at most %d", MAX_STRIDES);
  for (guint i = 0; i < n; i++) {
    guint stride = (guint) values[i];

    state->stride[i] = stride;
    state->first[i] = rows;
    state->columns[i] = MAX (decoder->net_width / stride, 1);
    rows += (decoder->net_width / stride) * (decoder->net_height / stride);
  }
  if (rows == view->width)
    return TRUE;
  return dcnn_decoder_fail (decoder, 0, error,
      "has %u rows, but the grids of [decoder] strides have %u cells at "
      "%ux%u px", view->width, rows, decoder->net_width, decoder->net_height);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  YoloxState *state = decoder->state = g_new0 (YoloxState, 1);
  const DcnnView *view = dcnn_decoder_view (decoder, 0);

  dcnn_ranking_init (&state->ranking, MAX_CANDIDATES);
  if (view->height != 1 || view->step_c != 1 || view->channels < 6)
    return dcnn_decoder_fail (decoder, 0, error,
        "wants rows of x, y, w, h, object, classes: [1,N,5+classes]");
  state->max_iou = (gfloat) dcnn_decoder_param (decoder, "nms-threshold");
  state->per_class = dcnn_decoder_param (decoder, "nms") == 0;
  state->max_results = (guint) dcnn_decoder_param (decoder, "max-results");
  state->activate =
      decoder->roles[0].activation == DCNN_ACTIVATION_SIGMOID;
  return read_strides (decoder, state, error)
      && dcnn_decoder_want_labels (decoder, view->channels - 5, "classes",
          error);
}

static void
clear (DcnnDecoder *decoder)
{
  YoloxState *state = decoder->state;

  if (state != NULL)
    dcnn_ranking_clear (&state->ranking);
  g_clear_pointer (&decoder->state, g_free);
}

/* Each factor of the score by the other; the box by the score. */
static gfloat
weight (const DcnnDecoder *decoder, guint role, guint c, guint y, guint x)
{
  const YoloxState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, role);
  const gfloat *row = view->data + x * view->step_x;
  gfloat object = state->activate ? dcnn_sigmoid (row[4]) : row[4], score;
  gint unused;

  (void) y;
  if (c > 4)
    return object;
  score = row_score (state, row, view->channels - 5, &unused);
  return c < 4 ? score : score / MAX (object, 1e-6f);
}

const DcnnDecoderClass dcnn_decoder_class_yolox = {
  "yolox", params, roles, init, run, clear, weight
};
