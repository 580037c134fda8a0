/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * FastestDet (its repository's example): each cell holds objectness, x, y, w,
 * h, then class probabilities; score = object^0.6 * class^0.4, centre = (cell +
 * tanh (x, y)) / grid, size = sigmoid (w, h) of the whole input.
 */
#include "decode_tools.h"

#define MAX_CANDIDATES 512

typedef struct FastestState {
  gfloat max_iou;
  guint max_results;
  DcnnRanking ranking;
} FastestState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.65, NULL },
  { "nms-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.45, NULL },
  { "max-results", DCNN_PARAM_INTEGER, 1, 1000, 100, NULL },
  { NULL }
};

static const DcnnRole roles[] = { { "boxes", FALSE }, { NULL, FALSE } };

static gfloat
cell_score (const DcnnView *view, guint y, guint x, gint *best_class)
{
  gfloat best = 0;

  *best_class = 0;
  for (guint c = 5; c < view->channels; c++) {
    gfloat v = dcnn_view_at (view, c, y, x);
    if (v > best) {
      best = v;
      *best_class = (gint) c - 5;
    }
  }
  return powf (dcnn_clamp (dcnn_view_at (view, 0, y, x), 0, 1), 0.6f)
      * powf (dcnn_clamp (best, 0, 1), 0.4f);
}

static void
add_cell (DcnnDecoder *decoder, const DcnnTransform *transform, guint id,
    gfloat score)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  guint x = id % view->width, y = id / view->width;
  gfloat width = (gfloat) decoder->net_width;
  gfloat height = (gfloat) decoder->net_height;
  gfloat cx = ((gfloat) x + tanhf (dcnn_view_at (view, 1, y, x))) * width
      / (gfloat) view->width;
  gfloat cy = ((gfloat) y + tanhf (dcnn_view_at (view, 2, y, x))) * height
      / (gfloat) view->height;
  gfloat w = dcnn_sigmoid (dcnn_view_at (view, 3, y, x)) * width / 2;
  gfloat h = dcnn_sigmoid (dcnn_view_at (view, 4, y, x)) * height / 2;
  gint class_id;

  (void) cell_score (view, y, x, &class_id);
  (void) dcnn_add_box (decoder->results.detections, transform, cx - w,
      cy - h, cx + w, cy + h, score, class_id);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  FastestState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  gfloat limit = MAX (frame->threshold, 1e-6f);
  gint unused;

  dcnn_ranking_reset (&state->ranking);
  for (guint y = 0; y < view->height; y++)
    for (guint x = 0; x < view->width; x++) {
      gfloat score;

      if (!(dcnn_view_at (view, 0, y, x) > 0))
        continue;
      score = cell_score (view, y, x, &unused);
      if (score >= limit)
        dcnn_ranking_add (&state->ranking, score, y * view->width + x);
    }
  dcnn_ranking_sort (&state->ranking);
  for (guint i = 0; i < state->ranking.n; i++)
    add_cell (decoder, frame->transform, state->ranking.items[i].id,
        state->ranking.items[i].score);
  dcnn_suppress (decoder->results.detections, state->max_iou, TRUE,
      state->max_results);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  FastestState *state = decoder->state = g_new0 (FastestState, 1);
  const DcnnView *view = dcnn_decoder_view (decoder, 0);

  dcnn_ranking_init (&state->ranking, MAX_CANDIDATES);
  if (view->channels < 6)
    return dcnn_decoder_fail (decoder, 0, error,
        "wants [1,5+classes,H,W]: object, x, y, w, h, classes");
  state->max_iou = (gfloat) dcnn_decoder_param (decoder, "nms-threshold");
  state->max_results = (guint) dcnn_decoder_param (decoder, "max-results");
  return dcnn_decoder_want_labels (decoder, view->channels - 5, "classes",
      error);
}

static void
clear (DcnnDecoder *decoder)
{
  FastestState *state = decoder->state;

  if (state != NULL)
    dcnn_ranking_clear (&state->ranking);
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_fastestdet = {
  "fastestdet", params, roles, init, run, clear, NULL
};
