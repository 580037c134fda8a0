/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_anchor.c - see deltacnn/anchor.h.
 */
#include "deltacnn/anchor.h"

#include <math.h>
#include <string.h>

#include "dcnn_homography.h"

/* Averages are over about so many frames, and it takes as many to judge. */
#define JUDGED_FRAMES 16
/* Alignment must leave at most this much of what changes without it, and of a
 * dense run's work: past that the frame is as good as dense either way. */
#define PAYING_SHARE 0.9
/* Below this share of changed pixels there is nothing to save. */
#define IDLE_SHARE 0.02
/* Frames that it stands aside. */
#define ASIDE_FIRST 64
#define ASIDE_LONGEST 4096
/* The reference's picture is left behind by this many of its sizes: matrices
 * lose their meaning before. */
#define FAR_SIZES 2000

void
dcnn_anchor_init (DcnnAnchor *anchor)
{
  memset (anchor, 0, sizeof *anchor);
  anchor->max_zoom = 1.25;
  anchor->max_roll = 0.17;
  anchor->max_stretch = 1.5;
  anchor->stands_aside = TRUE;
  dcnn_anchor_forget (anchor);
}

void
dcnn_anchor_forget (DcnnAnchor *anchor)
{
  anchor->anchored = anchor->aside = FALSE;
  anchor->aligned_share = anchor->unaligned_share = anchor->work_share = -1;
  anchor->wait = ASIDE_FIRST;
  anchor->left = anchor->judged = 0;
}

void
dcnn_anchor_leave (DcnnAnchor *anchor)
{
  anchor->restarts += anchor->anchored && !anchor->aside;
  anchor->anchored = FALSE;
}

gboolean
dcnn_anchor_to_reference (const DcnnAnchor *anchor, gdouble x, gdouble y,
    gdouble *reference_x, gdouble *reference_y)
{
  DcnnHomography base, back;

  memcpy (base.m, anchor->base, sizeof base.m);
  return anchor->anchored && dcnn_homography_invert (&base, &back) &&
      dcnn_homography_apply (&back, x, y, reference_x, reference_y);
}

/* Whether the canvas would be a bad place for a frame. */
static gboolean
past_limits (const DcnnAnchor *anchor, const DcnnHomography *m)
{
  gdouble w = anchor->width, h = anchor->height, x, y;
  gdouble least = HUGE_VAL, most = 0;
  gdouble sizes = anchor->max_shift > 0 ? anchor->max_shift : FAR_SIZES;
  gdouble middle = dcnn_homography_scale (m, w / 2, h / 2);

  for (guint corner = 0; corner < 4; corner++) {
    gdouble scale = dcnn_homography_scale (m, corner & 1 ? w : 0,
        corner & 2 ? h : 0);
    least = fmin (least, scale);
    most = fmax (most, scale);
  }
  return !dcnn_homography_apply (m, w / 2, h / 2, &x, &y) ||
      fabs (x - w / 2) > sizes * w || fabs (y - h / 2) > sizes * h ||
      !(middle <= anchor->max_zoom && middle >= 1 / anchor->max_zoom) ||
      !(most <= least * anchor->max_stretch) ||
      fabs (dcnn_homography_angle (m, w / 2, h / 2)) > anchor->max_roll;
}

/* The frame's matrix onto the canvas. FALSE: it has none. */
static gboolean
onto_canvas (const DcnnAnchor *anchor, const gdouble *matrix,
    DcnnHomography *m)
{
  DcnnHomography base;

  for (guint i = 0; i < 9; i++)
    if (!isfinite (matrix[i] / matrix[8]))
      return FALSE;
  memcpy (base.m, anchor->base, sizeof base.m);
  memcpy (m->m, matrix, sizeof m->m);
  *m = dcnn_homography_multiply (&base, m);
  return !past_limits (anchor, m);
}

/* The canvas is now this frame's picture; base leads there from the reference
 * in which the frame lies by matrix. */
static void
restart (DcnnAnchor *anchor, DcnnSeen seen, const gdouble *matrix,
    DcnnMotion *motion)
{
  DcnnHomography base = dcnn_homography_identity (), m;
  gboolean finite = TRUE;

  motion->restart = TRUE;
  anchor->restarts += anchor->anchored && !anchor->aside;
  memcpy (anchor->last, base.m, sizeof anchor->last);
  if (seen == DCNN_SEEN_LOST && anchor->anchored)
    return; /* where it lies is not known: as the last one did */
  anchor->anchored = TRUE;
  for (guint i = 0; seen == DCNN_SEEN_ALIGNED && i < 9; i++)
    finite &= isfinite (matrix[i] / matrix[8]) != 0;
  if (seen == DCNN_SEEN_ALIGNED && finite) {
    memcpy (m.m, matrix, sizeof m.m);
    if (!dcnn_homography_invert (&m, &base))
      base = dcnn_homography_identity ();
  }
  memcpy (anchor->base, base.m, sizeof anchor->base);
}

void
dcnn_anchor_next (DcnnAnchor *anchor, DcnnSeen seen, const gdouble *matrix,
    guint width, guint height, DcnnMotion *motion)
{
  gboolean resized = anchor->width != width || anchor->height != height;
  DcnnHomography m;

  *motion = (DcnnMotion) { .place = TRUE, .weigh = anchor->stands_aside };
  anchor->width = width;
  anchor->height = height;
  anchor->frames++;
  anchor->lost += seen == DCNN_SEEN_LOST;
  if (anchor->aside)
    anchor->aside_frames++;
  if (!anchor->anchored || resized || anchor->aside ||
      seen == DCNN_SEEN_REANCHORED)
    restart (anchor, seen, matrix, motion);
  else if (seen == DCNN_SEEN_ALIGNED && onto_canvas (anchor, matrix, &m))
    memcpy (anchor->last, m.m, sizeof anchor->last);
  else if (seen == DCNN_SEEN_ALIGNED)
    restart (anchor, seen, matrix, motion);
  memcpy (motion->matrix, anchor->last, sizeof motion->matrix);
  if (anchor->aside)
    motion->weigh = FALSE;
}

static void
average (gdouble *mean, gdouble value)
{
  *mean = *mean < 0 ? value : *mean + (value - *mean) / JUDGED_FRAMES;
}

void
dcnn_anchor_account (DcnnAnchor *anchor, const DcnnFrameStats *stats)
{
  DcnnHomography last, still = dcnn_homography_identity ();

  if (anchor->aside) {
    if (--anchor->left == 0) {
      anchor->aside = FALSE;
      anchor->judged = 0;
      anchor->aligned_share = anchor->unaligned_share = -1;
      anchor->work_share = -1;
    }
    return;
  }
  memcpy (last.m, anchor->last, sizeof last.m);
  if (!anchor->stands_aside || stats->unaligned_share < 0 ||
      dcnn_homography_distance (&last, &still, anchor->width,
          anchor->height) < 0.5)
    return;
  average (&anchor->aligned_share, stats->aligned_share);
  average (&anchor->unaligned_share, stats->unaligned_share);
  average (&anchor->work_share, stats->macs_dense > 0 ?
      (gdouble) stats->macs_done / stats->macs_dense : 0);
  if (++anchor->judged < JUDGED_FRAMES)
    return;
  if (anchor->aligned_share <= IDLE_SHARE ||
      (anchor->aligned_share <= PAYING_SHARE * anchor->unaligned_share &&
          anchor->work_share <= PAYING_SHARE)) {
    if (anchor->judged >= 16 * JUDGED_FRAMES)
      anchor->wait = ASIDE_FIRST; /* it has paid for long */
    return;
  }
  anchor->aside = TRUE;
  anchor->left = anchor->wait;
  anchor->wait = MIN (2 * anchor->wait, ASIDE_LONGEST);
}
