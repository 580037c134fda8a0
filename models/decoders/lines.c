/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Line segments (M-LSD, Gu et al., 2022): map [1,5+,H,W] holds the score of a
 * segment's centre and the way from there to both ends, in cells. A segment is
 * a pose of two points.
 */
#include "decode_tools.h"

#define MAX_LINES 200

typedef struct LineState {
  DcnnRanking ranking;
  gfloat min_length_px; /* of the network */
  guint first;          /* channel of the centre's score */
} LineState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.1, NULL },
  { "min-length", DCNN_PARAM_NUMBER, 0, 16384, 20, NULL },
  { "first-channel", DCNN_PARAM_INTEGER, 0, 64, 0, NULL },
  { NULL }
};

static const DcnnRole roles[] = { { "map", FALSE }, { NULL, FALSE } };
static const guint8 segment[][2] = { { 0, 1 } };

/* Is the cell the best of 5x5? Of equals the first is. */
static gboolean
is_best (const DcnnView *view, guint c, guint y, guint x)
{
  gfloat value = dcnn_view_at (view, c, y, x);

  for (guint i = y > 2 ? y - 2 : 0; i <= MIN (y + 2, view->height - 1); i++)
    for (guint j = x > 2 ? x - 2 : 0; j <= MIN (x + 2, view->width - 1); j++) {
      gfloat other = dcnn_view_at (view, c, i, j);
      if (other > value || (other == value && (i < y || (i == y && j < x))))
        return FALSE;
    }
  return TRUE;
}

static void
add_line (DcnnDecoder *decoder, const DcnnTransform *transform, guint id,
    gfloat score)
{
  const LineState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  DcnnResults *results = &decoder->results;
  gfloat sx = (gfloat) decoder->net_width / (gfloat) view->width;
  gfloat sy = (gfloat) decoder->net_height / (gfloat) view->height;
  guint x = id % view->width, y = id / view->width;
  DcnnPose pose = { score, 2, results->keypoints->len };
  gfloat end[2][2];

  for (guint i = 0; i < 2; i++) {
    end[i][0] = sx * ((gfloat) x
        + dcnn_view_at (view, state->first + 1 + 2 * i, y, x));
    end[i][1] = sy * ((gfloat) y
        + dcnn_view_at (view, state->first + 2 + 2 * i, y, x));
    if (!isfinite (end[i][0]) || !isfinite (end[i][1]))
      return;
  }
  if (!(hypotf (end[1][0] - end[0][0], end[1][1] - end[0][1])
          >= state->min_length_px))
    return;
  for (guint i = 0; i < 2; i++) {
    DcnnKeypoint point = { dcnn_frame_x (transform, end[i][0]),
      dcnn_frame_y (transform, end[i][1]), score };
    g_array_append_val (results->keypoints, point);
  }
  g_array_append_val (results->poses, pose);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  LineState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, 0);
  gboolean logit = decoder->roles[0].activation == DCNN_ACTIVATION_SIGMOID;

  dcnn_ranking_reset (&state->ranking);
  for (guint y = 0; y < view->height; y++)
    for (guint x = 0; x < view->width; x++) {
      gfloat score = dcnn_view_at (view, state->first, y, x);
      if (logit)
        score = dcnn_sigmoid (score);
      if (score >= MAX (frame->threshold, 1e-6f)
          && is_best (view, state->first, y, x))
        dcnn_ranking_add (&state->ranking, dcnn_clamp (score, 0, 1),
            y * view->width + x);
    }
  dcnn_ranking_sort (&state->ranking);
  for (guint i = 0; i < state->ranking.n; i++)
    add_line (decoder, frame->transform, state->ranking.items[i].id,
        state->ranking.items[i].score);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  LineState *state = decoder->state = g_new0 (LineState, 1);

  dcnn_ranking_init (&state->ranking, MAX_LINES);
  state->min_length_px = (gfloat) dcnn_decoder_param (decoder, "min-length");
  state->first = (guint) dcnn_decoder_param (decoder, "first-channel");
  decoder->results.edges = segment;
  decoder->results.n_edges = 1;
  return dcnn_decoder_view (decoder, 0)->channels >= state->first + 5
      || dcnn_decoder_fail (decoder, 0, error,
      "wants [1,C,H,W]: from [decoder] first-channel on the centre's score "
      "and four displacements");
}

static void
clear (DcnnDecoder *decoder)
{
  LineState *state = decoder->state;

  if (state != NULL)
    dcnn_ranking_clear (&state->ranking);
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_lines = {
  "lines", params, roles, init, run, clear, NULL
};
