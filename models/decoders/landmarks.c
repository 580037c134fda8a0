/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Regressed points of one person, face or hand (BlazePose, Bazarevsky et al.,
 * 2020): rows of x, y and more values, one of which may be a visibility; and,
 * where the network has them, whether there is anyone at all (presence) and
 * the person's mask. Coordinates times scale are network pixels, or parts of
 * the network's size with units=unit.
 */
#include "decode_tools.h"

enum { LANDMARKS, MASK, PRESENCE };

#define MAX_POINTS 4096

typedef struct LandmarkState {
  guint values;      /* of a key point */
  gint score_value;  /* which of them is the score; -1: none */
  guint n_points;
  gsize step_point, step_value;
  gfloat unit_x, unit_y;
} LandmarkState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.3, NULL },
  { "values", DCNN_PARAM_INTEGER, 2, 16, 5, NULL },
  { "score-value", DCNN_PARAM_INTEGER, -1, 15, 3, NULL },
  { "scale", DCNN_PARAM_NUMBER, 1e-6, 1e6, 1, NULL },
  { "units", DCNN_PARAM_CHOICE, 0, 0, 0, "pixels|unit" },
  DCNN_SKELETON_PARAMS,
  { NULL }
};

static const DcnnRole roles[] = {
  { "landmarks", FALSE }, { "mask", TRUE }, { "presence", TRUE },
  { NULL, FALSE }
};

static gfloat
point_score (const DcnnDecoder *decoder, const LandmarkState *state,
    const gfloat *point)
{
  return state->score_value < 0 ? 1 : dcnn_probability (decoder, LANDMARKS,
      point[(guint) state->score_value * state->step_value]);
}

/* Whether there is anyone, as far as the network says; else 1. */
static gfloat
presence (const DcnnDecoder *decoder)
{
  return decoder->roles[PRESENCE].output < 0 ? 1 : dcnn_probability (decoder,
      PRESENCE, dcnn_decoder_view (decoder, PRESENCE)->data[0]);
}

static void
run_mask (DcnnDecoder *decoder, const DcnnTransform *transform)
{
  const DcnnView *view = dcnn_decoder_view (decoder, MASK);

  for (guint y = 0; y < view->height; y++)
    for (guint x = 0; x < view->width; x++)
      decoder->mask[(gsize) y * view->width + x] = (guint8)
          (dcnn_probability (decoder, MASK, dcnn_view_at (view, 0, y, x))
          * 255.0f + 0.5f);
  dcnn_decoder_place_mask (decoder, transform);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  const DcnnView *view = dcnn_decoder_view (decoder, LANDMARKS);
  const LandmarkState *state = decoder->state;
  DcnnResults *results = &decoder->results;
  DcnnPose pose = { 0, state->n_points, 0 };
  gfloat there = presence (decoder);

  for (guint k = 0; k < state->n_points; k++) {
    const gfloat *from = view->data + k * state->step_point;
    gfloat x = from[0] * state->unit_x;
    gfloat y = from[state->step_value] * state->unit_y;
    DcnnKeypoint point = { 0, 0, 0 };

    if (isfinite (x) && isfinite (y))
      point = (DcnnKeypoint) { dcnn_frame_x (frame->transform, x),
        dcnn_frame_y (frame->transform, y),
        there * point_score (decoder, state, from) };
    g_array_append_val (results->keypoints, point);
    pose.score += point.score / (gfloat) state->n_points;
  }
  dcnn_end_lone_pose (decoder, frame, &pose);
  if (decoder->mask != NULL)
    run_mask (decoder, frame->transform);
}

static gboolean
init_mask (DcnnDecoder *decoder, GError **error)
{
  const DcnnView *view = dcnn_decoder_view (decoder, MASK);
  DcnnSegmentation *mask = &decoder->results.segmentation;

  if (!dcnn_decoder_want_channels (decoder, MASK, 1, error))
    return FALSE;
  decoder->mask = g_try_malloc0 ((gsize) view->height * view->width);
  if (decoder->mask == NULL)
    return dcnn_decoder_fail (decoder, MASK, error, "out of memory");
  *mask = (DcnnSegmentation) { view->width, view->height, 1, decoder->mask,
    0, 0, 0, 0 };
  decoder->results.has_segmentation = TRUE;
  return TRUE;
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  const DcnnView *view = dcnn_decoder_view (decoder, LANDMARKS);
  LandmarkState *state = decoder->state = g_new0 (LandmarkState, 1);

  state->values = (guint) dcnn_decoder_param (decoder, "values");
  state->score_value = (gint) dcnn_decoder_param (decoder, "score-value");
  state->unit_x = state->unit_y =
      (gfloat) dcnn_decoder_param (decoder, "scale");
  if (dcnn_decoder_param (decoder, "units") != 0) {
    state->unit_x *= (gfloat) decoder->net_width;
    state->unit_y *= (gfloat) decoder->net_height;
  }
  if (view->height == 1 && view->width > 1
      && view->channels == state->values) { /* [1,K,values] */
    state->n_points = view->width;
    state->step_point = view->step_x;
    state->step_value = view->step_c;
  } else if (view->height == 1 && view->width == 1
      && view->channels % state->values == 0) {
    state->n_points = view->channels / state->values;
    state->step_point = state->values * view->step_c;
    state->step_value = view->step_c;
  }
  if (state->n_points == 0 || state->n_points > MAX_POINTS
      || state->score_value >= (gint) state->values)
    return dcnn_decoder_fail (decoder, LANDMARKS, error,
        "wants [1,K*values] or [1,K,values] with [decoder] values=%u, a "
        "score-value below that and at most %d points", state->values,
        MAX_POINTS);
  if (decoder->roles[MASK].output >= 0 && !init_mask (decoder, error))
    return FALSE;
  return dcnn_decoder_want_labels (decoder, state->n_points, "key points",
          error)
      && dcnn_decoder_read_skeleton (decoder, state->n_points, error);
}

static void
clear (DcnnDecoder *decoder)
{
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_landmarks = {
  "landmarks", params, roles, init, run, clear, NULL
};
