/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * PoseNet, several people (Papandreou et al., PersonLab, 2018, and the PoseNet
 * it led to): peaks of all heatmaps, best first, are seeds; from a seed the
 * displacements lead along the tree of key points, forwards and backwards,
 * each step refined by the offset of the nearest cell; a seed that lies within
 * nms-radius of the same point of a person already found is dropped.
 *
 * Cells lie at index * stride with stride = (input - 1) / (grid - 1). Offsets
 * and displacements are pixels: all y, then all x.
 */
#include "decode_tools.h"

enum { HEATMAP, OFFSET, FORWARD, BACKWARD };

#define N_POINTS 17
#define N_EDGES 16
#define MAX_SEEDS 512

/* parent, child: the tree that the displacements follow (COCO order) */
static const guint8 tree[N_EDGES][2] = {
  { 0, 1 }, { 1, 3 }, { 0, 2 }, { 2, 4 }, { 0, 5 }, { 5, 7 }, { 7, 9 },
  { 5, 11 }, { 11, 13 }, { 13, 15 }, { 0, 6 }, { 6, 8 }, { 8, 10 },
  { 6, 12 }, { 12, 14 }, { 14, 16 },
};

typedef struct Point {
  gfloat y, x, score; /* network pixels */
} Point;

typedef struct Person {
  Point points[N_POINTS];
  gfloat score;
} Person;

typedef struct PosenetState {
  gfloat stride_y, stride_x;
  gfloat part_threshold, radius;
  guint refine_steps, max_people, n_people;
  Person *people;
  DcnnRanking ranking, order;
} PosenetState;

static const DcnnParamSpec params[] = {
  { "score-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.3, NULL },
  { "part-threshold", DCNN_PARAM_NUMBER, 0, 1, 0.5, NULL },
  { "nms-radius", DCNN_PARAM_NUMBER, 0, 1000, 20, NULL },
  { "refine-steps", DCNN_PARAM_INTEGER, 0, 8, 2, NULL },
  { "max-results", DCNN_PARAM_INTEGER, 1, 100, 20, NULL },
  DCNN_SKELETON_PARAMS,
  { NULL }
};

static const DcnnRole roles[] = {
  { "heatmap", FALSE }, { "offset", FALSE }, { "displacement_fwd", FALSE },
  { "displacement_bwd", FALSE }, { NULL, FALSE }
};

static gfloat
part_score (const DcnnDecoder *decoder, guint k, guint y, guint x)
{
  return dcnn_probability (decoder, HEATMAP,
      dcnn_view_at (dcnn_decoder_view (decoder, HEATMAP), k, y, x));
}

/* Point k of cell (y, x): the cell and its offset. */
static Point
point_at (const DcnnDecoder *decoder, guint k, guint y, guint x)
{
  const PosenetState *state = decoder->state;
  const DcnnView *offset = dcnn_decoder_view (decoder, OFFSET);

  return (Point) {
    (gfloat) y * state->stride_y + dcnn_view_at (offset, k, y, x),
    (gfloat) x * state->stride_x + dcnn_view_at (offset, N_POINTS + k, y, x),
    part_score (decoder, k, y, x)
  };
}

/* One step of the walk: from a point along edge to point `to`. */
static Point
follow_edge (const DcnnDecoder *decoder, const Point *from, guint edge,
    guint to, guint role)
{
  const PosenetState *state = decoder->state;
  const DcnnView *move = dcnn_decoder_view (decoder, role);
  guint y = dcnn_nearest_cell (from->y / state->stride_y, move->height);
  guint x = dcnn_nearest_cell (from->x / state->stride_x, move->width);
  Point at = { from->y + dcnn_view_at (move, edge, y, x),
    from->x + dcnn_view_at (move, N_EDGES + edge, y, x), 0 };

  for (guint i = 0; i < state->refine_steps; i++) {
    y = dcnn_nearest_cell (at.y / state->stride_y, move->height);
    x = dcnn_nearest_cell (at.x / state->stride_x, move->width);
    at = point_at (decoder, to, y, x);
  }
  y = dcnn_nearest_cell (at.y / state->stride_y, move->height);
  x = dcnn_nearest_cell (at.x / state->stride_x, move->width);
  at.score = part_score (decoder, to, y, x);
  return at;
}

/* Fills person from its seed. */
static void
grow (const DcnnDecoder *decoder, Person *person, guint k, const Point *seed)
{
  gboolean known[N_POINTS] = { FALSE };

  person->points[k] = *seed;
  known[k] = TRUE;
  for (guint e = N_EDGES; e-- > 0;)
    if (known[tree[e][1]] && !known[tree[e][0]]) {
      person->points[tree[e][0]] = follow_edge (decoder,
          &person->points[tree[e][1]], e, tree[e][0], BACKWARD);
      known[tree[e][0]] = TRUE;
    }
  for (guint e = 0; e < N_EDGES; e++)
    if (known[tree[e][0]] && !known[tree[e][1]]) {
      person->points[tree[e][1]] = follow_edge (decoder,
          &person->points[tree[e][0]], e, tree[e][1], FORWARD);
      known[tree[e][1]] = TRUE;
    }
}

/* Is point k of one of the first n people within the radius? */
static gboolean
is_taken (const PosenetState *state, guint n, guint k, const Point *point)
{
  for (guint i = 0; i < n; i++) {
    gfloat dy = state->people[i].points[k].y - point->y;
    gfloat dx = state->people[i].points[k].x - point->x;

    if (dy * dy + dx * dx <= state->radius * state->radius)
      return TRUE;
  }
  return FALSE;
}

static void
find_seeds (const DcnnDecoder *decoder, PosenetState *state)
{
  const DcnnView *view = dcnn_decoder_view (decoder, HEATMAP);
  guint id = 0;

  dcnn_ranking_reset (&state->ranking);
  for (guint k = 0; k < N_POINTS; k++)
    for (guint y = 0; y < view->height; y++)
      for (guint x = 0; x < view->width; x++, id++) {
        gfloat score;

        if (!dcnn_is_peak (view, k, y, x))
          continue;
        score = part_score (decoder, k, y, x);
        if (score >= state->part_threshold)
          dcnn_ranking_add (&state->ranking, score, id);
      }
  dcnn_ranking_sort (&state->ranking);
}

static void
find_people (const DcnnDecoder *decoder, PosenetState *state)
{
  const DcnnView *view = dcnn_decoder_view (decoder, HEATMAP);

  state->n_people = 0;
  find_seeds (decoder, state);
  for (guint i = 0; i < state->ranking.n
      && state->n_people < state->max_people; i++) {
    guint id = state->ranking.items[i].id;
    guint x = id % view->width, y = id / view->width % view->height;
    guint k = id / view->width / view->height;
    Point seed = point_at (decoder, k, y, x);
    Person *person = &state->people[state->n_people];

    if (!isfinite (seed.y) || !isfinite (seed.x)
        || is_taken (state, state->n_people, k, &seed))
      continue;
    grow (decoder, person, k, &seed);
    person->score = 0;
    for (guint p = 0; p < N_POINTS; p++)
      if (!is_taken (state, state->n_people, p, &person->points[p]))
        person->score += person->points[p].score / N_POINTS;
    state->n_people++;
  }
}

static void
add_person (DcnnDecoder *decoder, const DcnnTransform *transform,
    const Person *person)
{
  DcnnResults *results = &decoder->results;
  DcnnPose pose = { dcnn_clamp (person->score, 0, 1), N_POINTS,
    results->keypoints->len };

  for (guint k = 0; k < N_POINTS; k++) {
    const Point *at = &person->points[k];
    DcnnKeypoint point = { 0, 0, 0 };

    if (isfinite (at->x) && isfinite (at->y))
      point = (DcnnKeypoint) { dcnn_frame_x (transform, at->x + 0.5f),
        dcnn_frame_y (transform, at->y + 0.5f), at->score };
    g_array_append_val (results->keypoints, point);
  }
  g_array_append_val (results->poses, pose);
}

static void
run (DcnnDecoder *decoder, const DcnnDecodeFrame *frame)
{
  PosenetState *state = decoder->state;

  find_people (decoder, state);
  dcnn_ranking_reset (&state->order);
  for (guint i = 0; i < state->n_people; i++)
    if (state->people[i].score >= frame->threshold)
      dcnn_ranking_add (&state->order, state->people[i].score, i);
  dcnn_ranking_sort (&state->order);
  for (guint i = 0; i < state->order.n; i++)
    add_person (decoder, frame->transform,
        &state->people[state->order.items[i].id]);
}

static gfloat
stride_of (guint net, guint cells)
{
  return cells > 1 && net > 1 ? (gfloat) (net - 1) / (gfloat) (cells - 1)
      : (gfloat) net;
}

static gboolean
init (DcnnDecoder *decoder, GError **error)
{
  static const guint want[] = { N_POINTS, 2 * N_POINTS, 2 * N_EDGES,
    2 * N_EDGES };
  PosenetState *state = decoder->state = g_new0 (PosenetState, 1);
  const DcnnView *view = dcnn_decoder_view (decoder, HEATMAP);

  state->max_people = (guint) dcnn_decoder_param (decoder, "max-results");
  state->part_threshold =
      (gfloat) dcnn_decoder_param (decoder, "part-threshold");
  state->radius = (gfloat) dcnn_decoder_param (decoder, "nms-radius");
  state->refine_steps = (guint) dcnn_decoder_param (decoder, "refine-steps");
  state->stride_y = stride_of (decoder->net_height, view->height);
  state->stride_x = stride_of (decoder->net_width, view->width);
  state->people = g_new0 (Person, state->max_people);
  dcnn_ranking_init (&state->ranking, MAX_SEEDS);
  dcnn_ranking_init (&state->order, state->max_people);
  for (guint role = HEATMAP; role <= BACKWARD; role++)
    if (!dcnn_decoder_want_channels (decoder, role, want[role], error)
        || !dcnn_decoder_want_same_grid (decoder, role, error))
      return FALSE;
  return dcnn_decoder_want_labels (decoder, N_POINTS, "key points", error)
      && dcnn_decoder_read_skeleton (decoder, N_POINTS, error);
}

static void
clear (DcnnDecoder *decoder)
{
  PosenetState *state = decoder->state;

  if (state != NULL) {
    dcnn_ranking_clear (&state->ranking);
    dcnn_ranking_clear (&state->order);
    g_free (state->people);
  }
  g_clear_pointer (&decoder->state, g_free);
}

/* The heatmap by the slope of its activation; offsets by the score of their
 * point, displacements by that of the point they start from. */
static gfloat
weight (const DcnnDecoder *decoder, guint role, guint c, guint y, guint x)
{
  if (role == HEATMAP) {
    gfloat p = part_score (decoder, c, y, x);
    return decoder->roles[HEATMAP].activation == DCNN_ACTIVATION_SIGMOID
        ? p * (1 - p) : 1;
  }
  if (role == OFFSET)
    return part_score (decoder, c % N_POINTS, y, x);
  return part_score (decoder, tree[c % N_EDGES][role == BACKWARD], y, x);
}

const DcnnDecoderClass dcnn_decoder_class_posenet = {
  "posenet", params, roles, init, run, clear, weight
};
