/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Several people, bottom-up, by votes for their centres: the contract of the
 * people-pose net (models/data/zoo), whose plain form is decode_pose() of
 * models/train/decode.py.
 *
 * 1. Peaks of the centre map are people; weaker ones within merge-radius of a
 *    stronger are dropped.
 * 2. Each peak of a key point's heatmap votes for the centre at itself plus
 *    the offset of its cell.
 * 3. A vote d px from a centre may join it when d <= max (reach, snap *
 *    length of the offset). Pairs are taken in the order of
 *    score / (1 + d / distance-scale), each peak once and each key point of a
 *    person once.
 * 4. Fewer than min-points key points are no person; a person's score is its
 *    centre's times the mean of its key points'.
 *
 * Cell i lies at (i + 0.5) * stride. offsets hold x, y of each key point in
 * network pixels, from the key point to its person's centre.
 */
#include "decode_tools.h"

enum { HEATMAPS, CENTER, OFFSETS };

#define MAX_POINTS 32
#define MAX_PEAKS 512
#define MAX_PAIRS 2048
#define MAX_PEOPLE 128

typedef struct Point {
  gfloat y, x, score; /* network pixels; score 0: not found */
} Point;

typedef struct Peak {
  Point at, vote;
  gfloat reach;
  guint k;
  gboolean used;
} Peak;

typedef struct Person {
  Point centre, points[MAX_POINTS];
} Person;

typedef struct PeopleState {
  gfloat stride_y, stride_x;
  gfloat centre_threshold, part_threshold;
  gfloat merge_radius, reach, snap, distance_scale;
  guint max_people, min_points, n_people, n_peaks;
  Person *people; /* [max_people] */
  Peak *peaks;    /* [MAX_PEAKS] */
  DcnnRanking ranking, pairs, order;
} PeopleState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.1, NULL },
  { "centre-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.25, NULL },
  { "part-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.25, NULL },
  { "merge-radius", DCNN_PARAM_NUMBER, 0, 1000, 8, NULL },
  { "reach", DCNN_PARAM_NUMBER, 0, 1000, 12, NULL },
  { "snap", DCNN_PARAM_NUMBER, 0, 1, 0.5, NULL },
  { "distance-scale", DCNN_PARAM_NUMBER, 1, 1000, 16, NULL },
  { "min-points", DCNN_PARAM_INTEGER, 1, MAX_POINTS, 3, NULL },
  { "max-results", DCNN_PARAM_INTEGER, 1, MAX_PEOPLE, 32, NULL },
  DCNN_SKELETON_PARAMS,
  { NULL }
};

static const DcnnRole roles[] = {
  { "heatmaps", FALSE }, { "center", FALSE }, { "offsets", FALSE },
  { NULL, FALSE }
};

/* Top of the parabola through three values, -0.5 .. 0.5 from the middle. */
static gfloat
parabola (gfloat before, gfloat at, gfloat after)
{
  gfloat bend = before - 2 * at + after;

  return bend < -1e-6f ? dcnn_clamp ((before - after) / (2 * bend), -0.5f,
      0.5f) : 0;
}

/* A cell's value; 0 outside and for less. */
static gfloat
cell (const DcnnView *view, guint c, gint y, gint x)
{
  gboolean inside = y >= 0 && x >= 0 && y < (gint) view->height
      && x < (gint) view->width;

  return inside ? MAX (dcnn_view_at (view, c, (guint) y, (guint) x), 0) : 0;
}

/* Where a peak lies, to a part of a cell. */
static Point
refine (const DcnnDecoder *decoder, guint role, guint c, gint y, gint x)
{
  const PeopleState *state = decoder->state;
  const DcnnView *view = dcnn_decoder_view (decoder, role);
  gfloat at = dcnn_view_at (view, c, (guint) y, (guint) x);
  gfloat dy = parabola (cell (view, c, y - 1, x), at,
      cell (view, c, y + 1, x));
  gfloat dx = parabola (cell (view, c, y, x - 1), at,
      cell (view, c, y, x + 1));

  return (Point) { ((gfloat) y + 0.5f + dy) * state->stride_y,
    ((gfloat) x + 0.5f + dx) * state->stride_x,
    dcnn_probability (decoder, role, at) };
}

/* Peaks of all channels of a role above threshold, best first; id = (channel
 * * height + y) * width + x. */
static void
find_peaks (const DcnnDecoder *decoder, guint role, gfloat threshold,
    DcnnRanking *ranking)
{
  const DcnnView *view = dcnn_decoder_view (decoder, role);
  gboolean logit = decoder->roles[role].activation == DCNN_ACTIVATION_SIGMOID;
  guint id = 0;

  dcnn_ranking_reset (ranking);
  for (guint c = 0; c < view->channels; c++)
    for (guint y = 0; y < view->height; y++)
      for (guint x = 0; x < view->width; x++, id++) {
        gfloat value = dcnn_view_at (view, c, y, x);

        if ((logit ? dcnn_sigmoid (value) : value) > threshold
            && dcnn_is_peak (view, c, y, x))
          dcnn_ranking_add (ranking, value, id);
      }
  dcnn_ranking_sort (ranking);
}

static gfloat
distance (const Point *a, const Point *b)
{
  gfloat dy = a->y - b->y, dx = a->x - b->x;

  return sqrtf (dy * dy + dx * dx);
}

/* Step 1. */
static void
find_centres (const DcnnDecoder *decoder, PeopleState *state)
{
  const DcnnView *view = dcnn_decoder_view (decoder, CENTER);

  find_peaks (decoder, CENTER, state->centre_threshold, &state->ranking);
  state->n_people = 0;
  for (guint i = 0; i < state->ranking.n
      && state->n_people < state->max_people; i++) {
    guint id = state->ranking.items[i].id;
    Person *person = &state->people[state->n_people];
    gboolean merged = FALSE;

    person->centre = refine (decoder, CENTER, 0, (gint) (id / view->width),
        (gint) (id % view->width));
    for (guint k = 0; k < MAX_POINTS; k++)
      person->points[k] = (Point) { 0, 0, 0 };
    for (guint j = 0; j < state->n_people && !merged; j++)
      merged = distance (&person->centre, &state->people[j].centre)
          <= state->merge_radius;
    state->n_people += !merged;
  }
}

/* Step 2. */
static void
find_votes (const DcnnDecoder *decoder, PeopleState *state)
{
  const DcnnView *view = dcnn_decoder_view (decoder, HEATMAPS);
  const DcnnView *offsets = dcnn_decoder_view (decoder, OFFSETS);

  find_peaks (decoder, HEATMAPS, state->part_threshold, &state->ranking);
  state->n_peaks = 0;
  for (guint i = 0; i < state->ranking.n; i++) {
    guint id = state->ranking.items[i].id;
    guint k = id / view->width / view->height, y, x;
    Peak *peak = &state->peaks[state->n_peaks];
    gfloat oy, ox;

    peak->at = refine (decoder, HEATMAPS, k,
        (gint) (id / view->width % view->height), (gint) (id % view->width));
    y = MIN ((guint) (peak->at.y / state->stride_y), view->height - 1);
    x = MIN ((guint) (peak->at.x / state->stride_x), view->width - 1);
    ox = dcnn_view_at (offsets, 2 * k, y, x);
    oy = dcnn_view_at (offsets, 2 * k + 1, y, x);
    if (!isfinite (ox) || !isfinite (oy))
      continue;
    peak->vote = (Point) { peak->at.y + oy, peak->at.x + ox, 0 };
    peak->reach = MAX (state->reach, state->snap * sqrtf (ox * ox + oy * oy));
    peak->k = k;
    peak->used = FALSE;
    state->n_peaks++;
  }
}

/* Step 3. */
static void
assign_votes (PeopleState *state)
{
  dcnn_ranking_reset (&state->pairs);
  for (guint i = 0; i < state->n_peaks; i++)
    for (guint j = 0; j < state->n_people; j++) {
      const Peak *peak = &state->peaks[i];
      gfloat d = distance (&peak->vote, &state->people[j].centre);

      if (d <= peak->reach)
        dcnn_ranking_add (&state->pairs,
            peak->at.score / (1 + d / state->distance_scale),
            i * MAX_PEOPLE + j);
    }
  dcnn_ranking_sort (&state->pairs);
  for (guint i = 0; i < state->pairs.n; i++) {
    Peak *peak = &state->peaks[state->pairs.items[i].id / MAX_PEOPLE];
    Person *person = &state->people[state->pairs.items[i].id % MAX_PEOPLE];

    if (peak->used || person->points[peak->k].score > 0)
      continue;
    person->points[peak->k] = peak->at;
    peak->used = TRUE;
  }
}

/* Step 4. */
static gfloat
person_score (const PeopleState *state, const Person *person, guint n_points)
{
  gfloat sum = 0;
  guint n = 0;

  for (guint k = 0; k < n_points; k++) {
    sum += person->points[k].score;
    n += person->points[k].score > 0;
  }
  return n < state->min_points || n == 0 ? 0
      : person->centre.score * sum / (gfloat) n;
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
  find_votes (decoder, state);
  assign_votes (state);
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
  state->merge_radius = (gfloat) dcnn_decoder_param (decoder, "merge-radius");
  state->reach = (gfloat) dcnn_decoder_param (decoder, "reach");
  state->snap = (gfloat) dcnn_decoder_param (decoder, "snap");
  state->distance_scale =
      (gfloat) dcnn_decoder_param (decoder, "distance-scale");
  state->stride_y = (gfloat) decoder->net_height / (gfloat) view->height;
  state->stride_x = (gfloat) decoder->net_width / (gfloat) view->width;
  state->people = g_new0 (Person, state->max_people);
  state->peaks = g_new0 (Peak, MAX_PEAKS);
  dcnn_ranking_init (&state->ranking, MAX_PEAKS);
  dcnn_ranking_init (&state->pairs, MAX_PAIRS);
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
    dcnn_ranking_clear (&state->ranking);
    dcnn_ranking_clear (&state->pairs);
    g_free (state->peaks);
    dcnn_ranking_clear (&state->order);
    g_free (state->people);
  }
  g_clear_pointer (&decoder->state, g_free);
}

const DcnnDecoderClass dcnn_decoder_class_people_pose = {
  "people-pose", params, roles, init, run, clear, NULL
};
