/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_view.c - where the window lies on the canvas, and through which matrix
 * it looks at the frame: the same for every backend.
 *
 * A frame's picture, at the network's scale, is mapped onto the canvas by
 * C = A M A^-1, with M the camera's motion (frame pixels -> reference pixels)
 * and A the fit into the network's input. The window is a shift T of the
 * canvas by whole tiles, so it looks at the picture through C^-1 T.
 */
#include "dcnn_engine.h"

#include <math.h>
#include <string.h>

#include "dcnn_homography.h"
#include "policy/settling.h"

/* Where no result is near, a difference counts for this much of itself; while a
 * frame is sampled between its pixels, for less. */
#define INTEREST_FAR 0.4f
#define MOVING_FAR 0.15f
/* What counts near the last results then, of the threshold: so it is twice the
 * threshold where none is near. */
#define MOVING_NEAR 0.3f
/* Weights of results themselves, not of what lies around. */
#define MOVING_RESULT 0.9f
/* Not where they are near more of the picture than this. */
#define MOVING_NEAR_MOST 0.5f
/* Nor after a frame of which more changed than this: it ran dense, or nearly, and
 * what would be saved next is what its results are exact by. */
#define MOVING_BUSY 0.5f

static gboolean
has_matrix (const DcnnMotion *motion)
{
  for (guint i = 0; motion && i < 9; i++)
    if (motion->matrix[i] != 0)
      return TRUE;
  return FALSE;
}

void
dcnn_view_fit (const DcnnSession *session, const DcnnFrame *frame,
    DcnnInputGeometry *g)
{
  const DcnnSessionOptions *options = &session->options;
  guint width, height;
  DcnnFitRect rect;

  plan_picture_size (session->plan, &width, &height);
  rect = dcnn_fit_frame (options->fit, frame, width, height);
  *g = (DcnnInputGeometry) { .width = width, .height = height,
    .dst_x = rect.x, .dst_y = rect.y, .dst_w = rect.width,
    .dst_h = rect.height, .scaling = options->scaling };
  memcpy (g->fill, options->fill, 3);
}

void
dcnn_view_params (const DcnnSession *session, const DcnnStream *stream,
    DcnnInputParams *p)
{
  const DcnnSessionOptions *o = &session->options;

  memset (p, 0, sizeof *p);
  p->bgr = o->bgr;
  p->gray = plan_map (session->plan,
      plan_picture_map (session->plan))->channels == 1;
  memcpy (p->scale, o->scale, sizeof p->scale);
  memcpy (p->bias, o->bias, sizeof p->bias);
  p->threshold = session->tuning.input_threshold;
  p->noise_suppression = session->tuning.noise_suppression;
  p->dilation = session->tuning.dilation;
  p->interest_far = INTEREST_FAR;
  if (session->tuning.interest && stream->interest_set)
    p->interest = stream->interest;
}

void
dcnn_view_look (const DcnnSession *session, const DcnnStream *stream,
    const gint seen[4], DcnnInputView *view)
{
  *view = (DcnnInputView) { .forgive = session->tuning.input_threshold > 0 ?
      session->tuning.forgive : 0, .sampling = session->tuning.sampling,
    .shadow = stream->weighs };
  memcpy (view->matrix, stream->view, sizeof view->matrix);
  if (stream->first || stream->afresh)
    return;
  view->known_y0 = (guint32) seen[0];
  view->known_y1 = (guint32) seen[1];
  view->known_x0 = (guint32) seen[2];
  view->known_x1 = (guint32) seen[3];
}

/* What lies beside a change is of another shift of the camera, so more of it
 * goes with the change: twice as many pixels, up to a 48th of the picture. On
 * a small one the changes' margins would soon fill it, and it would be dense. */
static guint
sampled_dilation (guint dilation, guint shorter_side)
{
  return CLAMP (shorter_side / 48, dilation, MIN (2 * dilation,
          DCNN_DILATION_MOST));
}

/* The cells in which results lie. */
static guint64
find_places (const gfloat *interest, guint blocks_x, guint blocks_y)
{
  guint64 places = 0;

  for (guint y = 0; y < blocks_y; y++)
    for (guint x = 0; x < blocks_x; x++)
      if (interest[y * blocks_x + x] >= MOVING_RESULT)
        places |= dcnn_settling_cell (y, blocks_y, x, blocks_x);
  return places;
}

/* Between pixels most changes are edges of another shift: one threshold for the
 * whole picture spends the work on those that no result is near, and so does
 * settling. Where nothing was found, or results are nearly everywhere, there is
 * nothing to choose. stats.changed_share is the last frame's still. */
static void
weigh_by_results (const DcnnSession *session, DcnnStream *stream,
    guint blocks_x, guint blocks_y, DcnnInputParams *params)
{
  const guint blocks = blocks_x * blocks_y;
  gfloat near = 0;

  if (!session->tuning.moving_interest || session->tuning.interest ||
      !stream->interest_set || stream->afresh ||
      stream->stats.changed_share > MOVING_BUSY)
    return;
  for (guint i = 0; i < blocks; i++)
    near += stream->interest[i];
  if (near > MOVING_NEAR_MOST * blocks)
    return;
  params->threshold *= MOVING_NEAR;
  params->interest = stream->interest;
  params->interest_far = MOVING_FAR;
  stream->places = find_places (stream->interest, blocks_x, blocks_y);
}

void
dcnn_view_between (const DcnnSession *session, DcnnStream *stream,
    DcnnInputParams *params)
{
  guint width, height;

  plan_picture_size (session->plan, &width, &height);
  params->dilation = sampled_dilation (params->dilation, MIN (width, height));
  weigh_by_results (session, stream, (width + 7) / 8, (height + 7) / 8,
      params);
}

/* Frame pixels -> network pixels. */
static DcnnHomography
fit_of (const DcnnInputGeometry *g, guint frame_width, guint frame_height)
{
  return (DcnnHomography) { {
          (gdouble) g->dst_w / frame_width, 0, g->dst_x,
          0, (gdouble) g->dst_h / frame_height, g->dst_y,
          0, 0, 1 } };
}

/* Picture -> canvas, network pixels. FALSE: there is none. */
static gboolean
onto_canvas (const DcnnSession *session, const DcnnMotion *motion,
    const DcnnFrame *frame, DcnnInputGeometry *g, DcnnHomography *canvas)
{
  DcnnHomography fit, back, matrix;
  gdouble x, y;

  dcnn_view_fit (session, frame, g);
  fit = fit_of (g, frame->width, frame->height);
  memcpy (matrix.m, motion->matrix, sizeof matrix.m);
  for (guint i = 0; i < 9; i++)
    if (!isfinite (matrix.m[i] / motion->matrix[8]))
      return FALSE;
  if (!dcnn_homography_invert (&fit, &back))
    return FALSE;
  matrix = dcnn_homography_multiply (&matrix, &back);
  *canvas = dcnn_homography_multiply (&fit, &matrix);
  return dcnn_homography_invert (canvas, &back) &&
      dcnn_homography_apply (canvas, g->dst_x + g->dst_w / 2.0,
      g->dst_y + g->dst_h / 2.0, &x, &y) &&
      fabs (x) < DCNN_CANVAS_MOST && fabs (y) < DCNN_CANVAS_MOST;
}

gboolean
dcnn_check_motion (const DcnnSession *session, const DcnnMotion *motion,
    const DcnnFrame *frame, GError **error)
{
  DcnnInputGeometry g;
  DcnnHomography canvas;

  if (motion && (motion->tile_x || motion->tile_y) && !motion->place &&
      session->plan->tile == 0) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "this network's window cannot move (sizes are no multiples of its "
        "stride, it has parameters per pixel, or a state); use no tile "
        "offset, or an input size that is a multiple of the stride");
    return FALSE;
  }
  if (!has_matrix (motion))
    return TRUE;
  if (frame == NULL) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "tensors are not sampled through a motion's matrix; push the frame, "
        "or tensors that lie on the canvas, with a tile offset");
    return FALSE;
  }
  if (onto_canvas (session, motion, frame, &g, &canvas))
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "a motion's matrix is not finite, cannot be inverted, or leads more "
      "than %d pixels away; restart the canvas with the identity",
      DCNN_CANVAS_MOST);
  return FALSE;
}

/* What interest is known of the places in view, moved with the window. */
static void
move_interest (const DcnnSession *session, DcnnStream *stream, gint dy,
    gint dx)
{
  guint width, height;
  gint blocks_x, blocks_y, by, bx;

  plan_picture_size (session->plan, &width, &height);
  blocks_x = (gint) (width + 7) / 8;
  blocks_y = (gint) (height + 7) / 8;
  by = (gint) lrint (dy / 8.0);
  bx = (gint) lrint (dx / 8.0);
  /* in the order that reads each before it is overwritten */
  for (gint i = 0; i < blocks_x * blocks_y; i++) {
    gint at = by > 0 || (by == 0 && bx >= 0) ? i :
        blocks_x * blocks_y - 1 - i;
    gint y = CLAMP (at / blocks_x + by, 0, blocks_y - 1);
    gint x = CLAMP (at % blocks_x + bx, 0, blocks_x - 1);
    stream->interest[at] = stream->interest[y * blocks_x + x];
  }
}

static void
move_window (DcnnSession *session, DcnnStream *stream, gint ty, gint tx,
    gboolean restart, BackendFrame *frame)
{
  gint64 dy = ((gint64) ty - stream->tile_y) * session->plan->tile;
  gint64 dx = ((gint64) tx - stream->tile_x) * session->plan->tile;
  guint width, height;

  stream->tile_y = ty;
  stream->tile_x = tx;
  if (restart || (dy == 0 && dx == 0))
    return;
  plan_picture_size (session->plan, &width, &height);
  stream->torus_y += dy;
  stream->torus_x += dx;
  if (dcnn_window_leaves (dy, height) || dcnn_window_leaves (dx, width))
    stream->first = TRUE;
  else if (stream->interest_set)
    move_interest (session, stream, (gint) dy, (gint) dx);
  frame->moved = TRUE;
  frame->dy = stream->first ? 0 : (gint) dy;
  frame->dx = stream->first ? 0 : (gint) dx;
}

void
dcnn_view_begin (DcnnSession *session, DcnnStream *stream,
    const DcnnMotion *motion, BackendFrame *frame)
{
  gint ty = motion ? motion->tile_y : 0, tx = motion ? motion->tile_x : 0;
  gboolean restart = motion && motion->restart;
  guint tile = session->plan->tile;
  DcnnInputGeometry g;
  DcnnHomography canvas, view;

  stream->stats.aligned_share = stream->stats.unaligned_share = -1;
  if (has_matrix (motion) && !session->backend->samples)
    ty = tx = 0;
  stream->looks = has_matrix (motion) && session->backend->samples &&
      onto_canvas (session, motion, frame->picture, &g, &canvas);
  stream->stats.aligned = stream->looks;
  stream->afresh = restart;
  stream->places = 0;
  stream->weighs = stream->looks && motion->weigh;
  if (stream->looks && motion->place) {
    gdouble x = g.dst_x + g.dst_w / 2.0, y = g.dst_y + g.dst_h / 2.0;
    gdouble at_x, at_y;
    dcnn_homography_apply (&canvas, x, y, &at_x, &at_y);
    tx = dcnn_window_place (at_x - x, stream->tile_x, tile, !restart);
    ty = dcnn_window_place (at_y - y, stream->tile_y, tile, !restart);
  }
  move_window (session, stream, ty, tx, restart, frame);
  if (!stream->looks)
    return;
  dcnn_homography_invert (&canvas, &view);
  canvas = (DcnnHomography) { { 1, 0, (gdouble) tx * tile, 0, 1,
          (gdouble) ty * tile, 0, 0, 1 } };
  view = dcnn_homography_multiply (&view, &canvas);
  memcpy (stream->view, view.m, sizeof stream->view);
}

void
dcnn_session_get_transform (DcnnSession *session, guint index,
    DcnnTransform *transform)
{
  const DcnnStream *stream;
  const DcnnInputGeometry *g;
  DcnnFitRect rect;

  memset (transform, 0, sizeof *transform);
  g_return_if_fail (index < session->n_streams);
  stream = &session->streams[index];
  g = &stream->geometry;
  rect = (DcnnFitRect) { g->dst_x, g->dst_y, g->dst_w, g->dst_h };
  *transform = dcnn_fit_transform (&rect, g->width, g->height,
      stream->format.width, stream->format.height);
  if (!stream->looks)
    return;
  /* the picture may lie anywhere in the window: as if that were the frame */
  transform->frame_width = (guint) ceilf (g->width / transform->scale_x);
  transform->frame_height = (guint) ceilf (g->height / transform->scale_y);
  transform->offset_x = transform->offset_y = 0;
}

gboolean
dcnn_session_get_view (DcnnSession *session, guint index, gdouble *matrix)
{
  const DcnnStream *stream = &session->streams[index];
  DcnnHomography fit, back, scale, view = dcnn_homography_identity ();

  if (stream->looks && stream->format.width > 0) {
    fit = fit_of (&stream->geometry, stream->format.width,
        stream->format.height);
    dcnn_homography_invert (&fit, &back);
    scale = fit; /* the transform is the whole window's */
    scale.m[2] = scale.m[5] = 0;
    memcpy (view.m, stream->view, sizeof view.m);
    view = dcnn_homography_multiply (&view, &scale);
    view = dcnn_homography_multiply (&back, &view);
  }
  memcpy (matrix, view.m, sizeof view.m);
  view = dcnn_homography_identity ();
  return memcmp (matrix, view.m, sizeof view.m) != 0;
}

void
dcnn_session_get_inward (DcnnSession *session, guint index, gdouble *matrix)
{
  const DcnnStream *stream = &session->streams[index];
  DcnnHomography m = dcnn_homography_identity (), view, window;

  if (stream->format.width > 0)
    m = fit_of (&stream->geometry, stream->format.width,
        stream->format.height);
  if (stream->looks) {
    memcpy (view.m, stream->view, sizeof view.m);
    dcnn_homography_invert (&view, &window);
    m = dcnn_homography_multiply (&window, &m);
  }
  memcpy (matrix, m.m, sizeof m.m);
}

/* ---- regions ------------------------------------------------------------------- */

/* From `low` to `high`, out to whole tiles, inside of 0 .. size. */
static void
snap (gdouble low, gdouble high, guint margin, guint tile, guint size,
    gint *from, gint *to)
{
  *from = (gint) (floor (CLAMP (low - margin, 0, size) / tile) * tile);
  *to = (gint) (ceil (CLAMP (high + margin, 0, size) / tile) * tile);
}

gboolean
dcnn_view_regions (DcnnSession *session, guint index, DcnnMask *mask)
{
  const DcnnStream *stream = &session->streams[index];
  guint tile = session->plan->tile ? session->plan->tile : 8;
  DcnnHomography inward;

  if (stream->n_regions == 0)
    return FALSE;
  dcnn_session_get_inward (session, index, inward.m);
  dcnn_mask_clear (mask);
  for (guint i = 0; i < stream->n_regions; i++) {
    const DcnnRegion *r = &stream->regions[i];
    gdouble low_x = HUGE_VAL, low_y = HUGE_VAL, high_x = -HUGE_VAL;
    gdouble high_y = -HUGE_VAL, x, y;
    gint x0, x1, y0, y1;
    for (guint corner = 0; corner < 4; corner++)
      if (dcnn_homography_apply (&inward, r->x + (corner & 1 ? r->width : 0),
              r->y + (corner & 2 ? r->height : 0), &x, &y)) {
        low_x = fmin (low_x, x);
        high_x = fmax (high_x, x);
        low_y = fmin (low_y, y);
        high_y = fmax (high_y, y);
      }
    if (!(r->width > 0) || !(r->height > 0) || !(high_x > low_x))
      continue;
    snap (low_x, high_x, stream->region_margin, tile, mask->width, &x0, &x1);
    snap (low_y, high_y, stream->region_margin, tile, mask->height, &y0, &y1);
    dcnn_mask_fill_rect (mask, (guint32) x0, (guint32) y0, (guint32) (x1 - x0),
        (guint32) (y1 - y0));
  }
  return TRUE;
}

void
dcnn_session_get_window (DcnnSession *session, guint index, gdouble *x,
    gdouble *y, gdouble *width, gdouble *height)
{
  const DcnnStream *stream = &session->streams[index];
  const DcnnInputGeometry *g = &stream->geometry;
  gdouble tile = session->plan->tile;
  DcnnTransform t;

  dcnn_session_get_transform (session, index, &t);
  *x = (stream->tile_x * tile - g->dst_x) / t.scale_x;
  *y = (stream->tile_y * tile - g->dst_y) / t.scale_y;
  *width = t.net_width / t.scale_x;
  *height = t.net_height / t.scale_y;
}
