/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Several people, bottom-up, by votes for their centres (the people-pose net of
 * models/zoo): peaks of the centre map are people; each peak of a key point's
 * heatmap, best first, goes to the person whose centre is nearest to where
 * its offset points, if that is near enough and the person still lacks that
 * point.
 *
 * Cell i lies at (i + 0.5) * stride. offsets hold x, y of each key point in
 * network pixels, from the key point's cell to its person's centre.
 */
#include "decode_tools.h"

enum { HEATMAPS, CENTER, OFFSETS };

#define MAX_POINTS 32
#define MAX_PEAKS 512

typedef struct Point {
  gfloat y, x, score; /* network pixels; score 0: not found */
} Point;

typedef struct Person {
  Point centre, points[MAX_POINTS];
} Person;

typedef struct PeopleState {
  gfloat stride_y, stride_x;
  gfloat centre_threshold, part_threshold, radius, radius_share;
  guint max_people, min_points, n_people;
  Person *people;
  DcnnRanking peaks, order;
} PeopleState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.3, NULL },
  { "centre-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.25, NULL },
  { "part-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.2, NULL },
  /* a vote counts within radius px plus radius-share of its offset's length */
  { "radius", DCNN_PARAM_NUMBER, 0, 1000, 12, NULL },
  { "radius-share", DCNN_PARAM_NUMBER, 0, 1, 0.25, NULL },
  { "min-points", DCNN_PARAM_INTEGER, 1, MAX_POINTS, 3, NULL },
  { "max-results", DCNN_PARAM_INTEGER, 1, 100, 30, NULL },
  DCNN_SKELETON_PARAMS,
  { NULL }
};

static const DcnnRole roles[] = {
  { "heatmaps", FALSE }, { "center", FALSE }, { "offsets", FALSE },
  { NULL, FALSE }
};

static gfloat
activated (const DcnnDecoder *decoder, guint role, gfloat value)
{
  return decoder->roles[role].activation == DCNN_ACTIVATION_SIGMOID
      ? dcnn_sigmoid (value) : dcnn_clamp (value, 0, 1);
}

/* Top of the parabola through three values, -0.5 .. 0.5 from the middle. */
static gfloat
parabola (gfloat before, gfloat at, gfloat after)
{
  gfloat bend = before - 2 * at + after;

  return bend < -1e-6f ? dcnn_clamp ((before - after) / (2 * bend), -0.5f,
      0.5f) : 0;
}

/* Where a peak lies, to a part of a cell. */
static Point
refine (const DcnnDecoder *decoder, guint role, guint c, guint y, guint x)
{
  const PeopleState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, role);
  gfloat at = dcnn_view_at (view, c, y, x), dy = 0, dx = 0;

  if (y > 0 && y + 1 < view->height)
    dy = parabola (dcnn_view_at (view, c, y - 1, x), at,
        dcnn_view_at (view, c, y + 1, x));
  if (x > 0 && x + 1 < view->width)
    dx = parabola (dcnn_view_at (view, c, y, x - 1), at,
        dcnn_view_at (view, c, y, x + 1));
  return (Point) { ((gfloat) y + 0.5f + dy) * state->stride_y,
    ((gfloat) x + 0.5f + dx) * state->stride_x,
    activated (decoder, role, at) };
}

/* Peaks of all channels of a role above threshold, best first. */
static void
find_peaks (const DcnnDecoder *decoder, guint role, gfloat threshold,
    DcnnRanking *peaks)
{
  const DcnnView *view = dcnn_decoder_view (decoder, role);
  gboolean logit = decoder->roles[role].activation == DCNN_ACTIVATION_SIGMOID;
  guint id = 0;

  dcnn_ranking_reset (peaks);
  for (guint c = 0; c < view->channels; c++)
    for (guint y = 0; y < view->height; y++)
      for (guint x = 0; x < view->width; x++, id++) {
        gfloat value = dcnn_view_at (view, c, y, x);

        if ((logit ? dcnn_sigmoid (value) : value) >= threshold
            && dcnn_is_peak (view, c, y, x))
          dcnn_ranking_add (peaks, value, id);
      }
  dcnn_ranking_sort (peaks);
}

static void
find_centres (const DcnnDecoder *decoder, PeopleState *state)
{
  const DcnnView *view = dcnn_decoder_view (decoder, CENTER);

  find_peaks (decoder, CENTER, state->centre_threshold, &state->peaks);
  state->n_people = MIN (state->peaks.n, state->max_people);
  for (guint i = 0; i < state->n_people; i++) {
    guint id = state->peaks.items[i].id;
    Person *person = &state->people[i];

    person->centre = refine (decoder, CENTER, 0, id / view->width,
        id % view->width);
    for (guint k = 0; k < MAX_POINTS; k++)
      person->points[k] = (Point) { 0, 0, 0 };
  }
}

/* The person that a point's vote goes to, or NULL. */
static Person *
find_owner (PeopleState *state, guint k, gfloat vote_y, gfloat vote_x,
    gfloat reach)
{
  gfloat best = reach * reach;
  Person *owner = NULL;

  for (guint i = 0; i < state->n_people; i++) {
    Person *person = &state->people[i];
    gfloat dy = person->centre.y - vote_y, dx = person->centre.x - vote_x;

    if (person->points[k].score <= 0 && dy * dy + dx * dx <= best) {
      best = dy * dy + dx * dx;
      owner = person;
    }
  }
  return owner;
}

static void
assign_points (const DcnnDecoder *decoder, PeopleState *state)
{
  const DcnnView *view = dcnn_decoder_view (decoder, HEATMAPS);
  const DcnnView *offsets = dcnn_decoder_view (decoder, OFFSETS);

  find_peaks (decoder, HEATMAPS, state->part_threshold, &state->peaks);
  for (guint i = 0; i < state->peaks.n; i++) {
    guint id = state->peaks.items[i].id;
    guint x = id % view->width, y = id / view->width % view->height;
    guint k = id / view->width / view->height;
    gfloat ox = dcnn_view_at (offsets, 2 * k, y, x);
    gfloat oy = dcnn_view_at (offsets, 2 * k + 1, y, x);
    gfloat reach = state->radius
        + state->radius_share * sqrtf (ox * ox + oy * oy);
    Person *owner;

    if (!isfinite (reach))
      continue;
    owner = find_owner (state, k,
        ((gfloat) y + 0.5f) * state->stride_y + oy,
        ((gfloat) x + 0.5f) * state->stride_x + ox, reach);
    if (owner != NULL)
      owner->points[k] = refine (decoder, HEATMAPS, k, y, x);
  }
}

/* A person's score: mean of its centre's and of its points'; 0 with too few
 * points. */
static gfloat
person_score (const PeopleState *state, const Person *person, guint n_points)
{
  gfloat sum = 0;
  guint n = 0;

  for (guint k = 0; k < n_points; k++) {
    sum += person->points[k].score;
    n += person->points[k].score > 0;
  }
  return n < state->min_points ? 0
      : 0.5f * (person->centre.score + sum / (gfloat) n);
}

static void
add_person (DcnnDecoder *decoder, const DcnnTransform *transform,
    const DcnnRanked *ranked)
{
  const PeopleState *state = decoder->state;
  const Person *person = &state->people[ranked->id];
  DcnnResults *results = &decoder->results;
  guint n = dcnn_decoder_view (decoder, HEATMAPS)->channels;
  DcnnPose pose = { dcnn_clamp (ranked->score, 0, 1), n,
    results->keypoints->len };

  for (guint k = 0; k < n; k++) {
    const Point *at = &person->points[k];
    DcnnKeypoint point = { 0, 0, 0 };

    if (at->score > 0)
      point = (DcnnKeypoint) { dcnn_frame_x (transform, at->x),
        dcnn_frame_y (transform, at->y), at->score };
    g_array_append_val (results->keypoints, point);
  }
  g_array_append_val (results->poses, pose);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  PeopleState *state = decoder->state;
  guint n = dcnn_decoder_view (decoder, HEATMAPS)->channels;

  find_centres (decoder, state);
  assign_points (decoder, state);
  dcnn_ranking_reset (&state->order);
  for (guint i = 0; i < state->n_people; i++) {
    gfloat score = person_score (state, &state->people[i], n);

    if (score >= frame->threshold && score > 0)
      dcnn_ranking_add (&state->order, score, i);
  }
  dcnn_ranking_sort (&state->order);
  for (guint i = 0; i < state->order.n; i++)
    add_person (decoder, frame->transform, &state->order.items[i]);
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  PeopleState *state = decoder->state = g_new0 (PeopleState, 1);
  const DcnnView *view = dcnn_decoder_view (decoder, HEATMAPS);
  guint n = view->channels;

  state->max_people = (guint) dcnn_decoder_param (decoder, "max-results");
  state->min_points = (guint) dcnn_decoder_param (decoder, "min-points");
  state->centre_threshold =
      (gfloat) dcnn_decoder_param (decoder, "centre-threshold");
  state->part_threshold =
      (gfloat) dcnn_decoder_param (decoder, "part-threshold");
  state->radius = (gfloat) dcnn_decoder_param (decoder, "radius");
  state->radius_share = (gfloat) dcnn_decoder_param (decoder, "radius-share");
  state->stride_y = (gfloat) decoder->net_height / (gfloat) view->height;
  state->stride_x = (gfloat) decoder->net_width / (gfloat) view->width;
  state->people = g_new0 (Person, state->max_people);
  dcnn_ranking_init (&state->peaks, MAX_PEAKS);
  dcnn_ranking_init (&state->order, state->max_people);
  if (n > MAX_POINTS)
    return dcnn_decoder_fail (decoder, HEATMAPS, error,
        "wants at most %d key points", MAX_POINTS);
  if (!dcnn_decoder_want_channels (decoder, CENTER, 1, error)
      || !dcnn_decoder_want_channels (decoder, OFFSETS, 2 * n, error)
      || !dcnn_decoder_want_same_grid (decoder, CENTER, error)
      || !dcnn_decoder_want_same_grid (decoder, OFFSETS, error))
    return FALSE;
  return dcnn_decoder_want_labels (decoder, n, "key points", error)
      && dcnn_decoder_read_skeleton (decoder, n, error);
}

static void
clear (DcnnDecoder *decoder)
{
  PeopleState *state = decoder->state;

  if (state != NULL) {
    dcnn_ranking_clear (&state->peaks);
    dcnn_ranking_clear (&state->order);
    g_free (state->people);
  }
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_people_pose = {
  "people-pose", params, roles, init, run, clear
};
