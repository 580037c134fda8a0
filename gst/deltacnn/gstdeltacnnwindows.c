/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gstdeltacnnwindows.c - see gstdeltacnnwindows.h.
 */
#include "gstdeltacnnwindows.h"

#include <math.h>

#include "gstdeltacnnpieces.h"

/* What is around a region in its window, of the region's size. */
#define AROUND 1.25
/* A window fits a region that it is not smaller than, and not so much larger
 * than it should be. */
#define LOOSEST 1.6
#define STAYS_TILES 0.75
/* A region is a window's that it covers this much of, of both. */
#define SAME_OVERLAP 0.2f
/* Frames without its region after which a window is free. */
#define MAX_IDLE 30

typedef struct
{
  GstDeltaCnnRunner *runner;
  gboolean follows;             /* has a region, and a part of the frame */
  gboolean wanted;              /* by this frame */
  guint idle;
  DcnnRegion box;               /* its region, in the last frame that had it */
  gint x, y;                    /* its part, frame pixels */
  guint width, height, step;    /* step: pixels of a unit; 0: cannot move */
  gint at_x, at_y;              /* units that it has gone */
} Window;

struct GstDeltaCnnWindows
{
  GArray *windows;              /* of Window */
  GstDeltaCnnRunner *ran;       /* the last one's that was run; borrowed */
};

static void
clear_window (gpointer data)
{
  g_clear_pointer (&((Window *) data)->runner, gst_delta_cnn_runner_free);
}

GstDeltaCnnWindows *
gst_delta_cnn_windows_new (void)
{
  GstDeltaCnnWindows *windows = g_new0 (GstDeltaCnnWindows, 1);

  windows->windows = g_array_new (FALSE, TRUE, sizeof (Window));
  g_array_set_clear_func (windows->windows, clear_window);
  return windows;
}

void
gst_delta_cnn_windows_free (GstDeltaCnnWindows * windows)
{
  if (!windows)
    return;
  g_array_unref (windows->windows);
  g_free (windows);
}

static Window *
window_at (GstDeltaCnnWindows * windows, guint i)
{
  return &g_array_index (windows->windows, Window, i);
}

void
gst_delta_cnn_windows_forget (GstDeltaCnnWindows * windows)
{
  for (guint i = 0; i < windows->windows->len; i++) {
    window_at (windows, i)->follows = FALSE;
    gst_delta_cnn_runner_reset (window_at (windows, i)->runner);
  }
}

void
gst_delta_cnn_windows_drop (GstDeltaCnnWindows * windows)
{
  windows->ran = NULL;
  g_array_set_size (windows->windows, 0);
}

gchar *
gst_delta_cnn_windows_describe_outputs (GstDeltaCnnWindows * windows)
{
  return windows->ran ? gst_delta_cnn_runner_describe_outputs (windows->ran)
      : NULL;
}

void
gst_delta_cnn_windows_get_stats (const GstDeltaCnnWindows * windows,
    DcnnFrameStats * stats)
{
  memset (stats, 0, sizeof *stats);
  if (windows->ran)
    gst_delta_cnn_runner_get_stats (windows->ran, stats);
}

void
gst_delta_cnn_windows_set_tuning (GstDeltaCnnWindows * windows,
    const GstDeltaCnnSettings * settings)
{
  for (guint i = 0; i < windows->windows->len; i++)
    gst_delta_cnn_runner_set_tuning (window_at (windows, i)->runner, settings);
}

/* ---- whose window ---------------------------------------------------------- */

static gfloat
overlap (const DcnnRegion * a, const DcnnRegion * b)
{
  const gfloat w = MIN (a->x + a->width, b->x + b->width) - MAX (a->x, b->x);
  const gfloat h = MIN (a->y + a->height, b->y + b->height) - MAX (a->y, b->y);
  const gfloat both = MAX (w, 0) * MAX (h, 0);

  return both / (a->width * a->height + b->width * b->height - both);
}

static Window *
window_that_follows (GstDeltaCnnWindows * windows, const DcnnRegion * box)
{
  gfloat best = SAME_OVERLAP;
  Window *found = NULL;

  for (guint i = 0; i < windows->windows->len; i++) {
    Window *window = window_at (windows, i);
    const gfloat share = window->follows && !window->wanted ?
        overlap (box, &window->box) : 0;
    if (share > best) {
      best = share;
      found = window;
    }
  }
  return found;
}

/* One that follows nothing, else a new one, else the one that has been longest
 * without its region. NULL: all are in use. */
static Window *
free_window (GstDeltaCnnWindows * windows, guint most)
{
  Window *found = NULL;

  for (guint i = 0; i < windows->windows->len; i++) {
    Window *window = window_at (windows, i);
    if (window->wanted)
      continue;
    if (!window->follows)
      return window;
    if (window->idle > 0 && (!found || window->idle > found->idle))
      found = window;
  }
  if (windows->windows->len < most) {
    g_array_set_size (windows->windows, windows->windows->len + 1);
    return window_at (windows, windows->windows->len - 1);
  }
  return found;
}

/* ---- where a window lies ----------------------------------------------------- */

/* Pixels of the network by which a window goes: tiles, of small ones as many as
 * make 8 px, where that parts its input evenly. A step of the frame is even, so
 * by single pixels no window could be smaller than twice the input. */
static guint
unit_of (const GstDeltaCnnRunner * like)
{
  const guint tile = gst_delta_cnn_runner_get_tile (like);
  const guint unit = tile ? (8 + tile - 1) / tile * tile : 8;
  guint width, height;

  gst_delta_cnn_runner_get_size (like, &width, &height);
  return tile == 0 || (width % unit == 0 && height % unit == 0) ? unit : tile;
}

/* So that the network sees it as a unit: a step of the part. Even, for halved
 * chroma. */
static guint
step_for (gdouble width, guint units)
{
  return MAX (2, (guint) ceil (width / units / 2) * 2);
}

static void
move_axis (gdouble middle, gint * at, guint extent, guint step, guint frame,
    gint * units)
{
  const gdouble off = middle - (*at + extent / 2.0);
  gint k = fabs (off) > STAYS_TILES * step ? (gint) floor (off / step + 0.5) : 0;

  while (*at + k * (gint) step < 0)
    k++;
  while (*at + k * (gint) step + (gint) extent > (gint) frame)
    k--;
  *at += k * (gint) step;
  *units += k;
}

static gint
begin_axis (gdouble middle, guint extent, guint frame)
{
  const gint at = (gint) (middle - extent / 2.0);

  return CLAMP (at, 0, (gint) (frame - extent)) & ~1;
}

/* The part for a region; window->box is set. */
static void
place (Window * window, const GstDeltaCnnRunner * like, guint frame_width,
    guint frame_height)
{
  const DcnnRegion *box = &window->box;
  const gdouble x = box->x + box->width / 2, y = box->y + box->height / 2;
  const guint unit = unit_of (like);
  guint width, height, across, down, step, least, most;

  gst_delta_cnn_runner_get_size (like, &width, &height);
  across = MAX (width / unit, 1);
  down = MAX (height / unit, 1);
  most = MIN (frame_width / across, frame_height / down) & ~1u;
  if (most < 2) {               /* a frame of few pixels: all of it */
    window->x = window->y = window->at_x = window->at_y = 0;
    window->width = frame_width;
    window->height = frame_height;
    window->step = 0;
    return;
  }
  least = MIN (step_for (MAX (box->width, box->height * across / down),
          across), most);
  step = MIN (step_for (AROUND * MAX (box->width, box->height * across /
              down), across), most);
  if (window->follows && window->step >= least
      && window->step <= LOOSEST * step && window->step <= most) {
    move_axis (x, &window->x, window->width, window->step, frame_width,
        &window->at_x);
    move_axis (y, &window->y, window->height, window->step, frame_height,
        &window->at_y);
    return;
  }
  window->step = step;
  window->width = step * across;
  window->height = step * down;
  window->x = begin_axis (x, window->width, frame_width);
  window->y = begin_axis (y, window->height, frame_height);
  window->at_x = window->at_y = 0;
  gst_delta_cnn_runner_reset (window->runner);
}

/* ---- a frame ------------------------------------------------------------------- */

/* One more of the model that `like` runs, whatever the property says by now. It
 * has a session to itself: windows run in turn, and would wait for each other. */
static GstDeltaCnnRunner *
load_like (const GstDeltaCnnRunner * like,
    const GstDeltaCnnSettings * settings, guint width, guint height,
    GError ** error)
{
  GstDeltaCnnSettings own = *settings;

  own.model = (gchar *) gst_delta_cnn_runner_get_path (like);
  own.batch_timeout = 0;
  return gst_delta_cnn_runner_new (&own, width, height, error);
}

/* A window goes to a region. FALSE with error: it could not be loaded. */
static gboolean
follow (Window * window, const DcnnRegion * box,
    const GstDeltaCnnSettings * settings, const GstDeltaCnnRunner * like,
    const GstVideoFrame * frame, GError ** error)
{
  const guint width = GST_VIDEO_FRAME_WIDTH (frame);
  const guint height = GST_VIDEO_FRAME_HEIGHT (frame);

  if (!window->runner)
    window->runner = load_like (like, settings, width, height, error);
  if (!window->runner)
    return FALSE;
  window->box = *box;
  place (window, like, width, height);
  window->follows = window->wanted = TRUE;
  window->idle = 0;
  return TRUE;
}

/* What of the regions lies in the frame, of the first `most` of which something
 * does; new. */
static GArray *
within_frame (const GArray * regions, const GstVideoFrame * frame, guint most)
{
  const gfloat width = GST_VIDEO_FRAME_WIDTH (frame);
  const gfloat height = GST_VIDEO_FRAME_HEIGHT (frame);
  GArray *boxes = g_array_new (FALSE, FALSE, sizeof (DcnnRegion));

  for (guint i = 0; regions && i < regions->len && boxes->len < most; i++) {
    const DcnnRegion *region = &g_array_index (regions, DcnnRegion, i);
    DcnnRegion box;

    box.x = CLAMP (region->x, 0, width);
    box.y = CLAMP (region->y, 0, height);
    box.width = CLAMP (region->x + region->width, 0, width) - box.x;
    box.height = CLAMP (region->y + region->height, 0, height) - box.y;
    if (box.width > 0 && box.height > 0)
      g_array_append_val (boxes, box);
  }
  return boxes;
}

/* Every region to a window: who has one keeps it, before others take one. */
static gboolean
assign (GstDeltaCnnWindows * windows, const GstDeltaCnnSettings * settings,
    const GstDeltaCnnRunner * like, const GArray * regions,
    const GstVideoFrame * frame, GError ** error)
{
  g_autoptr (GArray) boxes = within_frame (regions, frame, settings->windows);
  g_autofree gboolean *served = g_new0 (gboolean, boxes->len + 1);

  for (guint i = 0; i < windows->windows->len; i++) {
    Window *window = window_at (windows, i);
    window->wanted = FALSE;
    window->follows &= window->idle++ < MAX_IDLE;
  }
  for (guint taking = 0; taking < 2; taking++)
    for (guint i = 0; i < boxes->len; i++) {
      const DcnnRegion *box = &g_array_index (boxes, DcnnRegion, i);
      Window *window;
      if (served[i])
        continue;
      window = taking ? free_window (windows, settings->windows) :
          window_that_follows (windows, box);
      if (!window)
        continue;
      window->follows &= !taking;
      if (!follow (window, box, settings, like, frame, error)) {
        gst_delta_cnn_windows_drop (windows);   /* it has no runner */
        return FALSE;
      }
      served[i] = TRUE;
    }
  return TRUE;
}

static void
add_cost (GstDeltaCnnCost * sum, const GstDeltaCnnCost * cost)
{
  sum->frames = MAX (sum->frames, cost->frames);
  sum->changed_share += cost->changed_share;
  sum->mac_share += cost->mac_share;
  sum->input_time += cost->input_time;
  sum->run_time += cost->run_time;
  sum->dense |= cost->dense;
  sum->settled = (sum->batch == 0 || sum->settled) && cost->settled;
  sum->batch++;
}

/* What a window shows most of is what its region is. */
static void
add_class (GstDeltaCnnResults * all, const GstDeltaCnnResults * part,
    const Window * window)
{
  const GstDeltaCnnLabel *best;
  GstDeltaCnnDetection box = {.x = window->box.x,.y = window->box.y,.width =
        window->box.width,.height = window->box.height };

  all->looks_for_boxes |= part->looks_for_classes;
  if (part->classes->len == 0)
    return;
  best = &g_array_index (part->classes, GstDeltaCnnLabel, 0);
  box.score = best->score;
  box.class_id = best->class_id;
  box.label = best->label;
  g_array_append_val (all->detections, box);
}

/* What of a window's results no list or map of the frame can hold. */
static void
add_part (GstDeltaCnnResults * all, GstDeltaCnnResults * results,
    const Window * window)
{
  const GstDeltaCnnPart part = {
    .region = {window->box.x, window->box.y, window->box.width,
          window->box.height},
    .window = {window->x, window->y, window->width, window->height},
    .results = gst_delta_cnn_results_ref (results)
  };

  results->picture_rectangle.x += window->x;
  results->picture_rectangle.y += window->y;
  gst_delta_cnn_results_add_part (all, &part);
}

/* What a window found, onto the frame; not its mask. */
static void
add_results (GstDeltaCnnResults * all, const GstDeltaCnnResults * part,
    const Window * window)
{
  const guint first = all->keypoints->len;

  add_class (all, part, window);
  for (guint i = 0; i < part->detections->len; i++) {
    GstDeltaCnnDetection d = g_array_index (part->detections,
        GstDeltaCnnDetection, i);
    d.x += window->x;
    d.y += window->y;
    g_array_append_val (all->detections, d);
  }
  for (guint i = 0; i < part->poses->len; i++) {
    GstDeltaCnnPose pose = g_array_index (part->poses, GstDeltaCnnPose, i);
    pose.first += first;
    g_array_append_val (all->poses, pose);
  }
  for (guint i = 0; i < part->keypoints->len; i++) {
    GstDeltaCnnKeypoint k = g_array_index (part->keypoints,
        GstDeltaCnnKeypoint, i);
    k.x += window->x;
    k.y += window->y;
    g_array_append_val (all->keypoints, k);
  }
  all->looks_for_boxes |= part->looks_for_boxes;
  all->looks_for_poses |= part->looks_for_poses;
  if (part->looks_for_poses)
    all->pose_label = part->pose_label;
  if (!all->edges && part->edges)
    all->edges = g_bytes_ref (part->edges);
  add_cost (&all->cost, &part->cost);
}

static void
clear_piece (gpointer data)
{
  gst_delta_cnn_results_unref (((GstDeltaCnnPiece *) data)->results);
}

GstDeltaCnnResults *
gst_delta_cnn_windows_run (GstDeltaCnnWindows * windows,
    const GstDeltaCnnSettings * settings, const GstDeltaCnnRunner * like,
    const GArray * regions, const GstVideoFrame * frame, GstObject * gpu,
    GError ** error)
{
  g_autoptr (GstDeltaCnnResults) all = gst_delta_cnn_results_new ();
  g_autoptr (GArray) pieces = g_array_new (FALSE, FALSE,
      sizeof (GstDeltaCnnPiece));
  const guint tile = gst_delta_cnn_runner_get_tile (like);
  const gint tiles = tile ? (gint) (unit_of (like) / tile) : 0;

  g_array_set_clear_func (pieces, clear_piece);
  all->frame_width = GST_VIDEO_FRAME_WIDTH (frame);
  all->frame_height = GST_VIDEO_FRAME_HEIGHT (frame);
  if (!assign (windows, settings, like, regions, frame, error))
    return NULL;
  for (guint i = 0; i < windows->windows->len; i++) {
    const Window *window = window_at (windows, i);
    const DcnnMotion motion = {.tile_x = window->at_x * tiles,.tile_y =
          window->at_y * tiles };
    const GstDeltaCnnLook look = {.motion = tiles ? &motion : NULL,.x = window->x,.y = window->y,.width = window->width,
      .height = window->height,.attach = settings->attach };
    GstDeltaCnnPiece piece = {.x = window->x,.y = window->y,.width =
          window->width,.height = window->height };
    if (!window->wanted)
      continue;
    if (!gst_delta_cnn_runner_run (window->runner, frame, gpu, &look, error))
      return NULL;
    windows->ran = window->runner;
    piece.results = gst_delta_cnn_runner_collect (window->runner,
        settings->attach, settings->score_threshold);
    g_array_append_val (pieces, piece);
    add_results (all, piece.results, window);
    add_part (all, piece.results, window);
  }
  gst_delta_cnn_pieces_mask (pieces, all);
  gst_delta_cnn_pieces_updates (pieces, all);
  if (all->cost.batch > 1) {
    all->cost.changed_share /= all->cost.batch;
    all->cost.mac_share /= all->cost.batch;
  }
  return g_steal_pointer (&all);
}
