/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * CenterNet (Zhou et al., Objects as Points, 2019): an object is a peak of its
 * class's heatmap among 3x3 cells; ltrb holds the distances to its box's
 * left, top, right and bottom, in network pixels, from the cell's corner.
 */
#include "decode_tools.h"

#define MAX_CANDIDATES 512

typedef struct CenternetState {
  gfloat max_iou;
  guint max_results;
  DcnnRanking ranking;
} CenternetState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.3, NULL },
  { "nms-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.6, NULL },
  { "max-results", DCNN_PARAM_INTEGER, 1, 1000, 100, NULL },
  { NULL }
};

static const DcnnRole roles[] = {
  { "heatmap", FALSE }, { "ltrb", FALSE }, { NULL, FALSE }
};

/* Peaks of all classes; id = (class * height + y) * width + x. */
static void
find_peaks (CenternetState *state, const DcnnView *view, gboolean activate,
    gfloat threshold)
{
  /* the logit of the threshold, so that most cells cost one comparison */
  gfloat limit = !activate ? MAX (threshold, 1e-6f)
      : logf (dcnn_clamp (threshold, 1e-6f, 0.999999f))
      - logf (1 - dcnn_clamp (threshold, 1e-6f, 0.999999f));
  guint id = 0;

  dcnn_ranking_reset (&state->ranking);
  for (guint c = 0; c < view->channels; c++)
    for (guint y = 0; y < view->height; y++)
      for (guint x = 0; x < view->width; x++, id++) {
        gfloat value = dcnn_view_at (view, c, y, x);
        if (value >= limit && dcnn_is_peak (view, c, y, x))
          dcnn_ranking_add (&state->ranking, value, id);
      }
  dcnn_ranking_sort (&state->ranking);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  CenternetState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  const DcnnView *ltrb = dcnn_decoder_view (decoder, 1);
  gfloat stride_x = (gfloat) decoder->net_width / (gfloat) view->width;
  gfloat stride_y = (gfloat) decoder->net_height / (gfloat) view->height;
  gboolean activate =
      decoder->roles[0].activation == DCNN_ACTIVATION_SIGMOID;

  find_peaks (state, view, activate, frame->threshold);
  for (guint i = 0; i < state->ranking.n; i++) {
    guint id = state->ranking.items[i].id;
    guint x = id % view->width, y = id / view->width % view->height;
    gfloat value = state->ranking.items[i].score;
    gfloat cx = (gfloat) x * stride_x, cy = (gfloat) y * stride_y;

    (void) dcnn_add_box (decoder->results.detections, frame->transform,
        cx - dcnn_view_at (ltrb, 0, y, x), cy - dcnn_view_at (ltrb, 1, y, x),
        cx + dcnn_view_at (ltrb, 2, y, x), cy + dcnn_view_at (ltrb, 3, y, x),
        activate ? dcnn_sigmoid (value) : value,
        (gint) (id / view->width / view->height));
  }
  dcnn_suppress (decoder->results.detections, state->max_iou, TRUE,
      state->max_results);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  CenternetState *state = decoder->state = g_new0 (CenternetState, 1);
  const DcnnView *view = dcnn_decoder_view (decoder, 0);

  dcnn_ranking_init (&state->ranking, MAX_CANDIDATES);
  state->max_iou = (gfloat) dcnn_decoder_param (decoder, "nms-threshold");
  state->max_results = (guint) dcnn_decoder_param (decoder, "max-results");
  return dcnn_decoder_want_channels (decoder, 1, 4, error)
      && dcnn_decoder_want_same_grid (decoder, 1, error)
      && dcnn_decoder_want_labels (decoder, view->channels, "classes", error);
}

static void
clear (DcnnDecoder *decoder)
{
  CenternetState *state = decoder->state;

  if (state != NULL)
    dcnn_ranking_clear (&state->ranking);
  g_clear_pointer (&decoder->state, g_free);
}

/* The heatmap by the slope of its activation, the box by the best score. */
static gfloat
weight (const DcnnDecoder *decoder, guint role, guint c, guint y, guint x)
{
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  gboolean activate =
      decoder->roles[0].activation == DCNN_ACTIVATION_SIGMOID;
  gfloat best = 0;

  if (role == 0) {
    gfloat p = dcnn_sigmoid (dcnn_view_at (view, c, y, x));
    return activate ? p * (1 - p) : 1;
  }
  for (guint k = 0; k < view->channels; k++) {
    gfloat value = dcnn_view_at (view, k, y, x);
    best = MAX (best, activate ? dcnn_sigmoid (value) : value);
  }
  return best;
}

const DcnnDecoderClass dcnn_decoder_class_centernet = {
  "centernet", params, roles, init, run, clear, weight
};
