/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench_blocks.c - by hand: what would be saved at most where each block of the
 * picture follows a motion of its own, in place of one homography for all.
 *
 *   bench_blocks MODEL CLIP [FRAMES]
 *
 * The network's window is kept here, as the input stage keeps it: sampled
 * through the camera's matrix, compared with what is stored (forgiving half of
 * what a pixel of shift would make, threshold of the model's settings),
 * dilated. A session is given what is then stored, and recomputes what differs
 * in it. Told apart:
 *
 *   homography     as the engine does it
 *   blocks         blocks of 16x16 that may lie up to 8 px beside: the best
 *                  shift of each, where it saves a tenth of the block's error
 *   recomputed     share of the work whose receptive field holds a seam, a border
 *                  between blocks whose shifts differ: what is to be recomputed
 *                  exactly, so that nothing is computed from a torn picture
 *
 * Blocks take the work of "blocks" at least, and that of "recomputed" at least:
 * the more of both is what they cost at best.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dcnn_engine.h"
#include "dcnn_homography.h"
#include "dcnn_stabilizer.h"
#include "deltacnn/anchor.h"
#include "deltacnn/modelinfo.h"
#include "../../tools/scene_camera.h"
#include "../../tools/scene_clip.h"
#include "../engine/inside.h"
#include "window.h"

#include <gst/gst.h>

#define BLOCK 16
#define FAR 8       /* px that a block may lie beside */
#define PAYS 0.9    /* of the error at no shift */

/* A way of aligning: what it has stored, and what that costs. */
typedef struct Way {
  const char *name;
  DcnnSession *session;
  guint8 *stored;    /* BGRx */
  gdouble work, changed;
} Way;

typedef struct Bench {
  DcnnModelSummary summary;
  const DcnnPlan *plan;
  gint width, height, tile, dilation, limit;
  DcnnStabilizer *stabilizer;
  DcnnAnchor anchor;
  guint8 *picture, *canvas;  /* BGRx, the network's size */
  guint8 *covered, *mask, *force, *seams, *grown;
  gint8 *shift_x, *shift_y;  /* by block */
  gint tile_x, tile_y;
  Way homography, blocks;
  gdouble recomputed, seam_share;
  gboolean restart;          /* of the canvas: renamed, nothing moves */
  guint frames, restarts;
} Bench;

/* ---- pictures ------------------------------------------------------------- */

/* The frame at the network's size: the mean over each pixel's area, as 4x4
 * points of it. */
static void
shrink (const ScenePicture *from, guint8 *to, gint width, gint height)
{
  for (gint y = 0; y < height; y++)
    for (gint x = 0; x < width; x++)
      for (gint c = 0; c < 4; c++) {
        guint sum = 8;
        for (gint s = 0; s < 16; s++) {
          guint fy = (guint) ((y + (s / 4 + 0.5) / 4) * from->height / height);
          guint fx = (guint) ((x + (s % 4 + 0.5) / 4) * from->width / width);
          sum += from->data[fy * from->stride + 4 * fx + (guint) c];
        }
        to[4 * (y * width + x) + c] = (guint8) (sum / 16);
      }
}

/* Window -> picture, and whether the picture covers each pixel of the window. */
static void
look (Bench *b, const DcnnHomography *view)
{
  const SceneCamera camera = { (guint) b->width, (guint) b->height,
    (guint) b->width, (guint) b->height, 0, 0, FALSE };
  gdouble x, y;

  scene_camera_look (&camera, view->m, b->picture, (gsize) b->width * 4,
      b->canvas);
  for (gint v = 0; v < b->height; v++)
    for (gint u = 0; u < b->width; u++)
      b->covered[v * b->width + u] = dcnn_homography_apply (view, u + 0.5,
          v + 0.5, &x, &y) && x >= 0 && y >= 0 && x < b->width &&
          y < b->height;
}

/* The mask widened by r pixels each way, into to. */
static void
widen (const Bench *b, const guint8 *mask, gint r, guint8 *to)
{
  g_autofree guint8 *rows = g_malloc0 ((gsize) b->width * b->height);

  for (gint y = 0; y < b->height; y++)
    for (gint x = 0, last = -G_MAXINT / 2; x < b->width + r; x++) {
      if (x < b->width && mask[y * b->width + x])
        last = x;
      if (x >= r && last >= x - 2 * r)
        rows[y * b->width + x - r] = 1;
    }
  memset (to, 0, (gsize) b->width * b->height);
  for (gint x = 0; x < b->width; x++)
    for (gint y = 0, last = -G_MAXINT / 2; y < b->height + r; y++) {
      if (y < b->height && rows[y * b->width + x])
        last = y;
      if (y >= r && last >= y - 2 * r)
        to[(y - r) * b->width + x] = 1;
    }
}

static gdouble
share_of (const Bench *b, const guint8 *mask)
{
  guint n = 0;

  for (gint i = 0; i < b->width * b->height; i++)
    n += mask[i];
  return (gdouble) n / (b->width * b->height);
}

/* ---- what has changed ------------------------------------------------------ */

/* By how much a value misses what half a pixel of shift would make of the
 * stored one. */
static gint
misses (const Bench *b, const guint8 *stored, gint x, gint y, gint c,
    gint value)
{
  gint here = stored[4 * (y * b->width + x) + c], low = here, high = here;

  for (gint v = MAX (y - 1, 0); v <= MIN (y + 1, b->height - 1); v++)
    for (gint u = MAX (x - 1, 0); u <= MIN (x + 1, b->width - 1); u++) {
      gint near = stored[4 * (v * b->width + u) + c];
      low = MIN (low, near);
      high = MAX (high, near);
    }
  low = here - (here - low) / 2;
  high = here + (high - here) / 2;
  return value < low ? low - value : value > high ? value - high : 0;
}

/* The canvas's value for a pixel whose block lies beside by dx, dy. */
static const guint8 *
beside (const Bench *b, gint x, gint y, gint dx, gint dy)
{
  return b->canvas + 4 * (CLAMP (y + dy, 0, b->height - 1) * b->width +
      CLAMP (x + dx, 0, b->width - 1));
}

static guint
error_of (const Bench *b, const guint8 *stored, gint bx, gint by, gint dx,
    gint dy)
{
  guint sum = 0;

  for (gint y = by; y < MIN (by + BLOCK, b->height); y++)
    for (gint x = bx; x < MIN (bx + BLOCK, b->width); x++)
      sum += (guint) abs (beside (b, x, y, dx, dy)[1] - stored[4 * (y *
                  b->width + x) + 1]);
  return sum;
}

/* Every block's shift; seams: the pixels on either side of where two differ. */
static void
find_shifts (Bench *b, const guint8 *stored)
{
  gint across = (b->width + BLOCK - 1) / BLOCK;

  for (gint by = 0; by < b->height; by += BLOCK)
    for (gint bx = 0; bx < b->width; bx += BLOCK) {
      gint at = by / BLOCK * across + bx / BLOCK;
      guint still = error_of (b, stored, bx, by, 0, 0);
      guint best = (guint) (PAYS * still);
      b->shift_x[at] = b->shift_y[at] = 0;
      if (still <= 2 * BLOCK * BLOCK)
        continue;
      for (gint dy = -FAR; dy <= FAR; dy++)
        for (gint dx = -FAR; dx <= FAR; dx++) {
          guint error = error_of (b, stored, bx, by, dx, dy);
          if (error >= best)
            continue;
          best = error;
          b->shift_x[at] = (gint8) dx;
          b->shift_y[at] = (gint8) dy;
        }
    }
  memset (b->seams, 0, (gsize) b->width * b->height);
  for (gint y = 0; y < b->height; y++)
    for (gint x = 0; x < b->width; x++) {
      gint at = y / BLOCK * across + x / BLOCK;
      gint left = x > 0 ? y / BLOCK * across + (x - 1) / BLOCK : at;
      gint up = y > 0 ? (y - 1) / BLOCK * across + x / BLOCK : at;
      if (b->shift_x[at] != b->shift_x[left] ||
          b->shift_y[at] != b->shift_y[left])
        b->seams[y * b->width + x] = b->seams[y * b->width + x - 1] = 1;
      if (b->shift_x[at] != b->shift_x[up] || b->shift_y[at] !=
          b->shift_y[up])
        b->seams[y * b->width + x] = b->seams[(y - 1) * b->width + x] = 1;
    }
}

/* ---- a way ------------------------------------------------------------------ */

static void
run_way (Bench *b, Way *way, gboolean in_blocks)
{
  g_autoptr (GError) error = NULL;
  gint across = (b->width + BLOCK - 1) / BLOCK;
  DcnnMotion motion = { .tile_x = b->tile_x, .tile_y = b->tile_y,
    .restart = b->restart };
  DcnnFrame frame = { .format = DCNN_FORMAT_BGRX, .width = (guint) b->width,
    .height = (guint) b->height, .planes = { way->stored },
    .strides = { 4 * b->width } };
  DcnnFrameStats stats;

  for (gint y = 0; y < b->height; y++)
    for (gint x = 0; x < b->width; x++) {
      gint i = y * b->width + x, at = y / BLOCK * across + x / BLOCK;
      const guint8 *now = in_blocks ? beside (b, x, y, b->shift_x[at],
          b->shift_y[at]) : b->canvas + 4 * i;
      b->mask[i] = b->force[i];
      for (gint c = 0; c < 3 && b->covered[i]; c++)
        b->mask[i] |= misses (b, way->stored, x, y, c, now[c]) > b->limit;
    }
  widen (b, b->mask, b->dilation, b->grown);
  for (gint y = 0; y < b->height; y++)
    for (gint x = 0; x < b->width; x++) {
      gint i = y * b->width + x, at = y / BLOCK * across + x / BLOCK;
      if (b->grown[i] && (b->covered[i] || b->force[i]))
        memcpy (way->stored + 4 * i, in_blocks ? beside (b, x, y,
                b->shift_x[at], b->shift_y[at]) : b->canvas + 4 * i, 4);
    }
  if (!dcnn_session_push_frame (way->session, 0, &frame, &motion, &error))
    g_error ("%s", error->message);
  dcnn_session_get_stats (way->session, 0, &stats);
  if (b->frames == 0)
    return;
  way->work += (gdouble) stats.macs_done / (gdouble) stats.macs_dense;
  way->changed += share_of (b, b->grown);
}

/* The window has moved: what is stored moves, what comes in is forced. */
static void
move_stored (Bench *b, Way *way, gint dy, gint dx)
{
  guint8 *old = g_memdup2 (way->stored, (gsize) b->width * b->height * 4);

  for (gint y = 0; y < b->height; y++)
    for (gint x = 0; x < b->width; x++) {
      gint i = y * b->width + x;
      gboolean kept = y + dy >= 0 && y + dy < b->height && x + dx >= 0 &&
          x + dx < b->width;
      if (kept)
        memcpy (way->stored + 4 * i, old + 4 * ((y + dy) * b->width + x + dx),
            4);
      b->force[i] |= !kept;
    }
  g_free (old);
}

/* How far a pixel of the node's map sees, network pixels each way. */
static gint
radius_of (const Bench *b, const TestInside *inside, const PlanNode *node)
{
  const TestInside *in = &inside[node->out];

  return in->y0 < in->y1 ? in->y0 * b->height /
      (gint) plan_map (b->plan, node->out)->height : b->height;
}

static gdouble
macs_of (const Bench *b, const PlanNode *node)
{
  const PlanMap *map = plan_map (b->plan, node->out);

  return node->kind != PLAN_KERNEL ? 0 : (gdouble) node->macs_per_pixel *
      map->width * map->height;
}

/* Of the work, the share that sees no further than radius. */
static gdouble
share_within (const Bench *b, gint radius)
{
  g_autofree TestInside *inside = test_inside_new (b->plan);
  gdouble near = 0, all = 0;

  for (guint n = 0; n < b->plan->nodes->len; n++) {
    const PlanNode *node = plan_node (b->plan, n);
    gdouble macs = macs_of (b, node);
    near += macs > 0 && radius_of (b, inside, node) <= radius ? macs : 0;
    all += macs;
  }
  return near / all;
}

/* Of the work, the share whose receptive field holds a seam. */
static gdouble
torn_share (Bench *b)
{
  g_autofree TestInside *inside = test_inside_new (b->plan);
  gdouble done = 0, all = 0, share = 0;
  gint known = -1;

  for (guint n = 0; n < b->plan->nodes->len; n++) {
    const PlanNode *node = plan_node (b->plan, n);
    gdouble macs = macs_of (b, node);
    gint radius;
    if (macs == 0)
      continue;
    radius = radius_of (b, inside, node);
    if (radius != known) {
      widen (b, b->seams, radius, b->grown);
      share = share_of (b, b->grown);
      known = radius;
    }
    done += share * macs;
    all += macs;
  }
  return all > 0 ? done / all : 0;
}

static void
step (Bench *b, const ScenePicture *frame)
{
  static const DcnnSeen seen[] = { [DCNN_ALIGN_ALIGNED] = DCNN_SEEN_ALIGNED,
    [DCNN_ALIGN_REANCHORED] = DCNN_SEEN_REANCHORED,
    [DCNN_ALIGN_LOST] = DCNN_SEEN_LOST };
  const gdouble sx = (gdouble) b->width / frame->width;
  const gdouble sy = (gdouble) b->height / frame->height;
  const DcnnHomography fit = { { sx, 0, 0, 0, sy, 0, 0, 0, 1 } };
  DcnnHomography back, m, canvas, view, shift;
  DcnnAlignment found;
  DcnnMotion motion;
  gdouble x, y;
  gint tx, ty;

  if (!dcnn_stabilizer_push (b->stabilizer, frame->data + 1,
          (ptrdiff_t) frame->stride, 4, frame->width, frame->height, &found))
    g_error ("no memory to find motion with");
  dcnn_anchor_next (&b->anchor, seen[found.state], found.matrix.m,
      frame->width, frame->height, &motion);
  memcpy (m.m, motion.matrix, sizeof m.m);
  dcnn_homography_invert (&fit, &back);
  m = dcnn_homography_multiply (&m, &back);
  canvas = dcnn_homography_multiply (&fit, &m);
  dcnn_homography_apply (&canvas, b->width / 2.0, b->height / 2.0, &x, &y);
  tx = dcnn_window_place (x - b->width / 2.0, b->tile_x, (guint) b->tile,
      !motion.restart);
  ty = dcnn_window_place (y - b->height / 2.0, b->tile_y, (guint) b->tile,
      !motion.restart);
  memset (b->force, b->frames == 0, (gsize) b->width * b->height);
  b->restart = motion.restart;
  b->restarts += b->restart && b->frames > 0;
  if (!b->restart) {
    move_stored (b, &b->homography, (ty - b->tile_y) * b->tile,
        (tx - b->tile_x) * b->tile);
    move_stored (b, &b->blocks, (ty - b->tile_y) * b->tile,
        (tx - b->tile_x) * b->tile);
  }
  b->tile_x = tx;
  b->tile_y = ty;
  dcnn_homography_invert (&canvas, &view);
  shift = (DcnnHomography) { { 1, 0, (gdouble) tx * b->tile, 0, 1,
          (gdouble) ty * b->tile, 0, 0, 1 } };
  view = dcnn_homography_multiply (&view, &shift);
  shrink (frame, b->picture, b->width, b->height);
  look (b, &view);
  run_way (b, &b->homography, FALSE);
  find_shifts (b, b->blocks.stored);
  run_way (b, &b->blocks, TRUE);
  if (b->frames++ == 0)
    return;
  b->seam_share += share_of (b, b->seams);
  b->recomputed += torn_share (b);
}

/* ---- the whole ------------------------------------------------------------------- */

static void
way_init (Bench *b, Way *way, const char *name, DcnnModel *model,
    const DcnnModelInfo *info)
{
  g_autoptr (GError) error = NULL;
  DcnnSessionOptions options;

  dcnn_session_options_init (&options);
  dcnn_modelinfo_apply (info, &options);
  options.device = "cpu";
  options.threads = 1;
  b->dilation = (gint) (2 * options.tuning.dilation);
  b->limit = (gint) (options.tuning.input_threshold * 255);
  options.tuning.input_threshold = 0; /* what is stored is decided here */
  options.tuning.dilation = 0;
  options.tuning.settle = FALSE;
  way->name = name;
  way->session = dcnn_session_new (model, &options, &error);
  if (way->session == NULL)
    g_error ("%s", error->message);
  b->plan = way->session->plan;
  way->stored = g_malloc0 ((gsize) b->width * b->height * 4);
}

static void
bench_init (Bench *b, DcnnModel *model, const DcnnModelInfo *info)
{
  DcnnStabilizerOptions options;
  gsize n;

  dcnn_model_get_summary (model, &b->summary);
  b->width = (gint) b->summary.input_width;
  b->height = (gint) b->summary.input_height;
  b->tile = (gint) b->summary.tile;
  n = (gsize) b->width * b->height;
  b->picture = g_malloc0 (4 * n);
  b->canvas = g_malloc0 (4 * n);
  b->covered = g_malloc0 (n);
  b->mask = g_malloc0 (n);
  b->force = g_malloc0 (n);
  b->seams = g_malloc0 (n);
  b->grown = g_malloc0 (n);
  b->shift_x = g_malloc0 (n);
  b->shift_y = g_malloc0 (n);
  way_init (b, &b->homography, "homography", model, info);
  way_init (b, &b->blocks, "blocks", model, info);
  dcnn_stabilizer_options_init (&options);
  b->stabilizer = dcnn_stabilizer_new (&options);
  if (b->stabilizer == NULL)
    g_error ("built without OpenCV");
  dcnn_anchor_init (&b->anchor);
  b->anchor.stands_aside = FALSE;
}

static void
bench_clear (Bench *b)
{
  guint8 *const all[] = { b->picture, b->canvas, b->covered, b->mask,
    b->force, b->seams, b->grown, b->homography.stored, b->blocks.stored };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    g_free (all[i]);
  g_free (b->shift_x);
  g_free (b->shift_y);
  dcnn_session_free (b->homography.session);
  dcnn_session_free (b->blocks.session);
  dcnn_stabilizer_free (b->stabilizer);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  guint frames = argc > 3 ? (guint) atoi (argv[3]) : 24;
  DcnnModelInfo *info;
  DcnnModel *model;
  SceneClip *clip;
  ScenePicture frame;
  Bench b = { 0 };

  gst_init (NULL, NULL);
  if (argc < 3) {
    fprintf (stderr, "usage: bench_blocks MODEL CLIP [FRAMES]\n");
    return 2;
  }
  model = dcnn_model_load (argv[1], 0, 0, &info, &error);
  clip = model ? scene_clip_open (argv[2], &error) : NULL;
  if (clip == NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  bench_init (&b, model, info);
  printf ("of the work, %.2f sees no further than 16 px, %.2f 32, %.2f 64\n",
      share_within (&b, 16), share_within (&b, 32), share_within (&b, 64));
  while (b.frames <= frames && scene_clip_next (clip, &frame))
    step (&b, &frame);
  if (b.frames > 1)
    printf ("%u frames, %u restarts: homography %.3f of the work (%.3f of the "
        "pixels), blocks %.3f (%.3f); seams %.3f of the pixels, recomputed "
        "for them %.3f of the work\n", b.frames - 1, b.restarts,
        b.homography.work / (b.frames - 1), b.homography.changed / (b.frames -
            1), b.blocks.work / (b.frames - 1), b.blocks.changed / (b.frames
            - 1), b.seam_share / (b.frames - 1), b.recomputed / (b.frames - 1));
  bench_clear (&b);
  scene_clip_free (clip);
  dcnn_modelinfo_free (info);
  dcnn_model_unref (model);
  return 0;
}
