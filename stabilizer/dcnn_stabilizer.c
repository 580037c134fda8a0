/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dcnn_stabilizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dcnn_reduce.h"
#include "dcnn_tracker.h"

#define WORK_SIDE 640u   /* of the reduced picture, at most */
#define MAX_POINTS 512
#define MIN_POINTS 16    /* that a fit needs */
#define N_KEYS 6
#define SLOT_NOW N_KEYS
#define FIT_PX 0.5       /* reduced pixels */
#define BACK_PX 0.7f
#define KEY_SHARE 0.5    /* of a key's points; fewer tracked: a new key */
#define KEY_INLIERS 0.6  /* fewer: another key, which shows less of parallax */
#define KEY_ZOOM 1.08    /* a view this far from a key's wants another */
#define KEY_ROLL 0.06    /* radians; likewise */
#define SEED 7

typedef struct Key {
  bool used;
  DcnnHomography matrix; /* the key's reduced pixels -> reference */
  DcnnPoint points[MAX_POINTS];
  DcnnPoint seen[MAX_POINTS]; /* where a frame had them, and which one */
  uint64_t when[MAX_POINTS];
  unsigned n;
  uint64_t last;         /* frame that used it */
} Key;

/* One attempt: a key's points found in the frame. */
typedef struct Match {
  DcnnHomography matrix; /* frame -> reference, reduced pixels */
  DcnnPoint from[MAX_POINTS], to[MAX_POINTS];
  unsigned point[MAX_POINTS]; /* which of the key's */
  uint8_t inlier[MAX_POINTS];
  unsigned n;
  double tracked;        /* share of the key's points */
  double inliers, error;
} Match;

struct DcnnStabilizer {
  DcnnStabilizerOptions options;
  DcnnTracker *tracker;
  unsigned width, height, work_w, work_h;
  unsigned factor;         /* frame pixels a reduced pixel */
  Key keys[N_KEYS];
  unsigned key;            /* in use */
  DcnnHomography now, step;/* reduced: last matrix, last frame to frame */
  DcnnHomography given;    /* the last matrix handed out */
  bool anchored;
  unsigned lost;
  uint64_t frame, aligned; /* this one's number; the last aligned one's */
  Match match, other;
  DcnnAlignTrack tracks[MAX_POINTS];
};

void
dcnn_stabilizer_options_init (DcnnStabilizerOptions *options)
{
  *options = (DcnnStabilizerOptions) {
    .method = DCNN_ALIGN_HOMOGRAPHY, .points = 160, .min_inliers = 0.4,
    .max_zoom = 1.2, .max_roll = 0.15, .max_stretch = 1.5,
    .dead_zone_px = 0.1, .patience = 3,
  };
}

bool
dcnn_stabilizer_available (const char **remedy)
{
  (void) remedy;
  return true;
}

DcnnStabilizer *
dcnn_stabilizer_new (const DcnnStabilizerOptions *options)
{
  DcnnStabilizer *s = calloc (1, sizeof *s);

  if (!s)
    return NULL;
  dcnn_stabilizer_set_options (s, options);
  return s;
}

void
dcnn_stabilizer_set_options (DcnnStabilizer *s,
    const DcnnStabilizerOptions *options)
{
  s->options = *options;
  if (s->options.points > MAX_POINTS)
    s->options.points = MAX_POINTS;
}

void
dcnn_stabilizer_free (DcnnStabilizer *s)
{
  if (!s)
    return;
  dcnn_tracker_free (s->tracker);
  free (s);
}

void
dcnn_stabilizer_reset (DcnnStabilizer *s)
{
  s->anchored = false;
}

static bool
set_size (DcnnStabilizer *s, unsigned width, unsigned height)
{
  unsigned side = width > height ? width : height;
  unsigned factor = (side + WORK_SIDE - 1) / WORK_SIDE;

  if (s->tracker && s->width == width && s->height == height)
    return true;
  factor = factor > height ? height : factor > width ? width : factor;
  factor = factor > DCNN_REDUCE_MOST ? DCNN_REDUCE_MOST : factor;
  dcnn_tracker_free (s->tracker);
  s->width = width;
  s->height = height;
  s->work_w = width / factor;
  s->work_h = height / factor;
  s->factor = factor;
  s->tracker = dcnn_tracker_new (N_KEYS + 1, s->work_w, s->work_h);
  s->anchored = false;
  return s->tracker != NULL;
}

/* ---- key frames ----------------------------------------------------------- */

/* Makes the frame a key in the slot that was longest unused. */
static bool
take_key (DcnnStabilizer *s, const DcnnHomography *matrix)
{
  unsigned oldest = 0, n;
  DcnnPoint points[MAX_POINTS];

  n = dcnn_tracker_corners (s->tracker, SLOT_NOW, points, s->options.points);
  if (n < MIN_POINTS)
    return false;
  for (unsigned i = 0; i < N_KEYS; i++) {
    if (!s->keys[i].used) {
      oldest = i;
      break;
    }
    if (s->keys[i].last < s->keys[oldest].last)
      oldest = i;
  }
  dcnn_tracker_swap (s->tracker, SLOT_NOW, oldest);
  s->keys[oldest].used = true;
  s->keys[oldest].matrix = *matrix;
  memcpy (s->keys[oldest].points, points, n * sizeof points[0]);
  memcpy (s->keys[oldest].seen, points, n * sizeof points[0]);
  for (unsigned i = 0; i < n; i++)
    s->keys[oldest].when[i] = s->frame;
  s->keys[oldest].n = n;
  s->keys[oldest].last = s->frame;
  s->key = oldest;
  return true;
}

static bool
anchor (DcnnStabilizer *s)
{
  for (unsigned i = 0; i < N_KEYS; i++)
    s->keys[i].used = false;
  s->now = s->step = s->given = dcnn_homography_identity ();
  s->lost = 0;
  s->aligned = s->frame;
  s->anchored = take_key (s, &s->now);
  return s->anchored;
}

/* ---- matching --------------------------------------------------------------- */

/* Where the key's points should be, were the frame's matrix `guess`. */
static void
guess_points (const DcnnStabilizer *s, const Key *key,
    const DcnnHomography *guess, DcnnPoint *to)
{
  DcnnHomography back, map;

  dcnn_homography_invert (guess, &back);
  map = dcnn_homography_multiply (&back, &key->matrix);
  for (unsigned i = 0; i < key->n; i++) {
    double x, y;
    dcnn_homography_apply (&map, key->points[i].x, key->points[i].y, &x, &y);
    x = x < -64 ? -64 : x > s->work_w + 64 ? s->work_w + 64 : x;
    y = y < -64 ? -64 : y > s->work_h + 64 ? s->work_h + 64 : y;
    to[i] = (DcnnPoint) { (float) x, (float) y };
  }
}

static void
measure_fit (Match *m, const DcnnHomography *map)
{
  double sum = 0;
  unsigned n = 0;

  for (unsigned i = 0; i < m->n; i++) {
    double x, y;
    if (!m->inlier[i] || !dcnn_homography_apply (map, m->from[i].x,
            m->from[i].y, &x, &y))
      continue;
    sum += (x - m->to[i].x) * (x - m->to[i].x) +
        (y - m->to[i].y) * (y - m->to[i].y);
    n++;
  }
  m->inliers = m->n ? (double) n / m->n : 0;
  m->error = n ? sqrt (sum / n) : 0;
}

/* Inliers in few places say nothing of the rest of the picture. */
static bool
spread_out (const DcnnStabilizer *s, const Match *m)
{
  unsigned cells = 0, n = 0;

  for (unsigned i = 0; i < m->n; i++) {
    if (!m->inlier[i])
      continue;
    cells |= 1u << ((unsigned) (m->to[i].y * 4 / s->work_h) * 4 +
        (unsigned) (m->to[i].x * 4 / s->work_w));
    n++;
  }
  return n >= MIN_POINTS / 2 && __builtin_popcount (cells) >= 5;
}

static bool
match_key (DcnnStabilizer *s, unsigned index, const DcnnHomography *guess,
    bool near, Match *m)
{
  const Key *key = &s->keys[index];
  DcnnPoint to[MAX_POINTS];
  uint8_t good[MAX_POINTS];
  DcnnHomography map, back;

  guess_points (s, key, guess, to);
  if (!dcnn_tracker_track (s->tracker, index, SLOT_NOW, key->points, to, good,
          key->n, near, BACK_PX))
    return false;
  m->n = 0;
  for (unsigned i = 0; i < key->n; i++) {
    if (!good[i])
      continue;
    m->point[m->n] = i;
    m->from[m->n] = key->points[i];
    m->to[m->n++] = to[i];
  }
  m->tracked = (double) m->n / key->n;
  if (m->n < MIN_POINTS || !dcnn_tracker_fit ((DcnnTrackerModel)
          s->options.method, m->from, m->to, m->n, FIT_PX, SEED, map.m,
          m->inlier))
    return false;
  measure_fit (m, &map);
  if (m->inliers < s->options.min_inliers || !spread_out (s, m) ||
      !dcnn_homography_invert (&map, &back))
    return false;
  m->matrix = dcnn_homography_multiply (&key->matrix, &back);
  return dcnn_homography_scale (&m->matrix, s->work_w / 2.0,
      s->work_h / 2.0) > 0.25;
}

/* The frame against the key in use: where the last motion, then where no
 * motion, then where phase correlation would have it. Cheaply first: most
 * cameras go on as they did. */
static bool
match_frame (DcnnStabilizer *s)
{
  DcnnHomography guess = dcnn_homography_multiply (&s->now, &s->step);
  DcnnPoint shift;
  double response;

  if ((match_key (s, s->key, &guess, true, &s->match) &&
          s->match.tracked >= KEY_SHARE) ||
      match_key (s, s->key, &guess, false, &s->match) ||
      (dcnn_homography_distance (&guess, &s->now, s->work_w, s->work_h) > 1 &&
          match_key (s, s->key, &s->now, false, &s->match)))
    return true;
  if (!dcnn_tracker_shift (s->tracker, s->key, SLOT_NOW, &shift, &response) ||
      response < 0.05)
    return false;
  guess = (DcnnHomography) { { 1, 0, -shift.x, 0, 1, -shift.y, 0, 0, 1 } };
  guess = dcnn_homography_multiply (&s->keys[s->key].matrix, &guess);
  return match_key (s, s->key, &guess, false, &s->match);
}

/* Whether the view has turned or zoomed so far from a key that its windows no
 * longer look like the frame's: then points are found, but beside. */
static bool
turned_away (const DcnnStabilizer *s, const Key *key, const DcnnHomography *now)
{
  double x = s->work_w / 2.0, y = s->work_h / 2.0, scale;
  DcnnHomography back, map;

  if (!dcnn_homography_invert (&key->matrix, &back))
    return true;
  map = dcnn_homography_multiply (&back, now);
  scale = dcnn_homography_scale (&map, x, y);
  return scale > KEY_ZOOM || scale < 1 / KEY_ZOOM ||
      fabs (dcnn_homography_angle (&map, x, y)) > KEY_ROLL;
}

/* Where the frame has the points of the key in use. */
static void
note_points (DcnnStabilizer *s)
{
  const Match *m = &s->match;
  Key *key = &s->keys[s->key];

  for (unsigned i = 0; i < m->n; i++) {
    key->seen[m->point[i]] = m->to[i];
    key->when[m->point[i]] = s->frame;
  }
}

/* The key is used up: an older one that sees the same place is better than a
 * new one, as it does not add to the drift. */
static void
renew_key (DcnnStabilizer *s, DcnnAlignment *out)
{
  unsigned best = N_KEYS;
  double nearest = 0.35 * s->work_w;

  for (unsigned i = 0; i < N_KEYS; i++) {
    double d;
    if (!s->keys[i].used || i == s->key ||
        turned_away (s, &s->keys[i], &s->match.matrix))
      continue;
    d = dcnn_homography_distance (&s->keys[i].matrix, &s->match.matrix,
        s->work_w, s->work_h);
    if (d < nearest) {
      nearest = d;
      best = i;
    }
  }
  if (best < N_KEYS && match_key (s, best, &s->match.matrix, true, &s->other) &&
      s->other.tracked >= KEY_SHARE) {
    out->old_key = true;
    s->key = best;
    s->match = s->other;
    note_points (s);
    return;
  }
  out->new_key = take_key (s, &s->match.matrix);
}

/* ---- decisions ---------------------------------------------------------------- */

/* Whether the view has turned or zoomed so far from the reference that the
 * network would see it badly, or not at all. */
static bool
past_limits (const DcnnStabilizer *s, const DcnnHomography *m)
{
  const DcnnStabilizerOptions *o = &s->options;
  double least = HUGE_VAL, most = 0, middle = dcnn_homography_scale (m,
      s->work_w / 2.0, s->work_h / 2.0);

  for (unsigned corner = 0; corner < 4; corner++) {
    double scale = dcnn_homography_scale (m, corner & 1 ? s->work_w : 0,
        corner & 2 ? s->work_h : 0);
    least = fmin (least, scale);
    most = fmax (most, scale);
  }
  return middle > o->max_zoom || middle < 1 / o->max_zoom ||
      !(most < least * o->max_stretch) ||
      fabs (dcnn_homography_angle (m, s->work_w / 2.0, s->work_h / 2.0)) >
      o->max_roll;
}

/* From the tracker's pixels, whose centres are at whole numbers. */
static DcnnHomography
to_frame (const DcnnStabilizer *s, const DcnnHomography *m)
{
  const DcnnHomography in = { { 1, 0, -0.5, 0, 1, -0.5, 0, 0, 1 } };
  const DcnnHomography out = { { 1, 0, 0.5, 0, 1, 0.5, 0, 0, 1 } };
  DcnnHomography r = dcnn_homography_multiply (m, &in);

  r = dcnn_homography_multiply (&out, &r);
  return dcnn_homography_rescale (&r, s->factor, s->factor);
}

static void
give_tracks (DcnnStabilizer *s, DcnnAlignment *out)
{
  const Match *m = &s->match;
  const Key *key = &s->keys[s->key];
  const float f = (float) s->factor;

  for (unsigned i = 0; i < m->n; i++) {
    unsigned p = m->point[i];
    const DcnnPoint *last = key->when[p] == s->aligned ? &key->seen[p] :
        &m->to[i];
    s->tracks[i] = (DcnnAlignTrack) {
      (last->x + 0.5f) * f, (last->y + 0.5f) * f, (m->to[i].x + 0.5f) * f,
      (m->to[i].y + 0.5f) * f, m->inlier[i] != 0,
    };
  }
  out->tracks = s->tracks;
  out->n_tracks = m->n;
  note_points (s);
}

/* Part of the way from a to b, as the picture's corners go. Of matrices this
 * near, the weighted mean is that to well under a hundredth of a pixel. */
static DcnnHomography
between (const DcnnHomography *a, const DcnnHomography *b, double share)
{
  DcnnHomography r;

  for (int i = 0; i < 9; i++)
    r.m[i] = a->m[i] + share * (b->m[i] - a->m[i]);
  return r;
}

/* What is handed out: not every tremble of the estimate. What is left of a
 * distance d, d * smoothing / (d + smoothing), is under the smoothing. */
static void
give_matrix (DcnnStabilizer *s)
{
  const DcnnStabilizerOptions *o = &s->options;
  DcnnHomography found = to_frame (s, &s->now);
  double moved = dcnn_homography_distance (&found, &s->given, s->width,
      s->height);

  if (moved <= o->dead_zone_px)
    return;
  s->given = o->smoothing_px > 0 && isfinite (moved) ? between (&s->given,
      &found, moved / (moved + o->smoothing_px)) : found;
}

static void
accept (DcnnStabilizer *s, DcnnAlignment *out)
{
  DcnnHomography back;

  give_tracks (s, out);
  out->inliers = s->match.inliers;
  out->error_px = s->match.error * s->factor;
  if (s->match.tracked < KEY_SHARE || s->match.inliers < KEY_INLIERS ||
      turned_away (s, &s->keys[s->key], &s->match.matrix))
    renew_key (s, out);
  s->keys[s->key].last = s->aligned = s->frame;
  dcnn_homography_invert (&s->now, &back);
  s->step = dcnn_homography_multiply (&back, &s->match.matrix);
  s->now = s->match.matrix;
  s->lost = 0;
  give_matrix (s);
  out->state = DCNN_ALIGN_ALIGNED;
}

/* Nothing was found: wait, or begin afresh. */
static DcnnAlignState
give_up (DcnnStabilizer *s)
{
  bool wait = s->anchored && (s->options.hold ||
      ++s->lost <= s->options.patience);

  s->step = dcnn_homography_identity ();
  return !wait && anchor (s) ? DCNN_ALIGN_REANCHORED : DCNN_ALIGN_LOST;
}

bool
dcnn_stabilizer_push (DcnnStabilizer *s, const uint8_t *luma, ptrdiff_t stride,
    unsigned step, unsigned width, unsigned height, DcnnAlignment *out)
{
  memset (out, 0, sizeof *out);
  if (!set_size (s, width, height) || !dcnn_tracker_load (s->tracker, SLOT_NOW,
          luma, stride, step, s->factor))
    return false;
  s->frame++;
  if (!s->anchored || !match_frame (s))
    out->state = give_up (s);
  else if (!s->options.hold && past_limits (s, &s->match.matrix) && anchor (s))
    out->state = DCNN_ALIGN_REANCHORED;
  else
    accept (s, out);
  out->matrix = s->given;
  return true;
}
