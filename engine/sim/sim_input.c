/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_input.c - what comes in: a picture into the network's input, pixel by
 * pixel from the tables that all input stages read, or tensors; what of it is
 * a change, and what settling takes over.
 */
#include "sim.h"

#include <math.h>
#include <string.h>

/* ---- a pixel of the picture ----------------------------------------------------- */

/* Channel c of output (y, x) of a plane: columns of rows in 15 bits, then the
 * sum of those. */
static gint
scaled (const DcnnInputPlane *plane, const guint8 *data, gint stride, guint y,
    guint x, guint c)
{
  const gint16 *across = plane->x.weight + (gsize) x * plane->x.taps;
  const gint16 *down = plane->y.weight + (gsize) y * plane->y.taps;
  gint sum = 1 << 20;

  for (guint i = 0; i < plane->x.taps; i++) {
    gsize column = plane->x.begin + plane->x.first[x] + i;
    gint v = 64;
    for (guint k = 0; across[i] && k < plane->y.taps; k++)
      if (down[k])
        v += down[k] * data[(gssize) (plane->y.begin + plane->y.first[y] + k) *
            stride + column * plane->channels + c];
    sum += across[i] * (v >> 7);
  }
  return sum >> 21;
}

/* Of plane p at (y, x) of the shown picture. */
static gint
sample (const SimStream *sim, guint p, guint y, guint x, guint c)
{
  const DcnnInputTables *t = &sim->tables;
  const DcnnInputPlane *plane = p == 0 ? &t->luma : &t->chroma;
  const DcnnFrame *f = &sim->picture_frame;
  guint half = p > 0;

  if (!t->unscaled)
    return scaled (plane, f->planes[p], f->strides[p], y, x, c);
  return f->planes[p][(gssize) ((t->src_y + y) >> half) * f->strides[p] +
      ((t->src_x + x) >> half) * (p == 0 ? dcnn_input_bytes (t->format) :
      t->format == DCNN_FORMAT_NV12 ? 2 : 1) + c];
}

static gint
product (gint a, gint b)
{
  return (a * b + (1 << 14)) >> 15;
}

static guint8
to_byte (gint v)
{
  return (guint8) CLAMP (v, 0, 255);
}

/* R, G and B at (y, x) of the network's input. */
static void
show_pixel (const SimStream *sim, const DcnnInputGeometry *g, guint y, guint x,
    guint8 *rgb)
{
  const DcnnInputMatrix *m = &sim->matrix;
  DcnnPixelFormat format = sim->tables.format;
  gint luma, u = 128, v = 128;

  if (y < g->dst_y || y - g->dst_y >= g->dst_h || x < g->dst_x ||
      x - g->dst_x >= g->dst_w) {
    memcpy (rgb, g->fill, 3);
    return;
  }
  y -= g->dst_y;
  x -= g->dst_x;
  if (!dcnn_input_is_yuv (format) && format != DCNN_FORMAT_GRAY8) {
    for (guint c = 0; c < 3; c++)
      rgb[c] = (guint8) sample (sim, 0, y, x,
          dcnn_input_is_bgr (format) ? 2 - c : c);
    return;
  }
  if (format == DCNN_FORMAT_NV12) {
    u = sample (sim, 1, y, x, 0);
    v = sample (sim, 1, y, x, 1);
  } else if (format == DCNN_FORMAT_I420) {
    u = sample (sim, 1, y, x, 0);
    v = sample (sim, 2, y, x, 0);
  }
  luma = product ((sample (sim, 0, y, x, 0) - m->offset) * 128, m->y) + 32;
  u = (u - 128) * 256;
  v = (v - 128) * 256;
  rgb[0] = to_byte ((luma + product (v, m->rv)) >> 6);
  rgb[1] = to_byte ((luma - product (u, m->gu) - product (v, m->gv)) >> 6);
  rgb[2] = to_byte ((luma + product (u, m->bu)) >> 6);
}

/* ---- the window through a matrix ------------------------------------------------ */

void
sim_begin_picture (DcnnSession *session, SimStream *sim, DcnnStream *stream)
{
  const PlanMap *map = plan_map (session->plan,
      plan_picture_map (session->plan));
  DcnnInputView view;
  gint seen[4];

  dcnn_view_params (session, stream, &sim->params);
  sim->plain = sim->params;
  sim->looks = stream->looks;
  sim->shadow_valid = sim->shadowing;
  sim->shadowing = stream->looks && stream->weighs;
  if (stream->looks) {
    dcnn_window_seen (sim->moving ? sim->frame.dy : 0, map->stride_y,
        map->height, &seen[0], &seen[1]);
    dcnn_window_seen (sim->moving ? sim->frame.dx : 0, map->stride_x,
        map->width, &seen[2], &seen[3]);
    dcnn_view_look (session, stream, seen, &view);
    if (view.sampling != sim->sampling)
      dcnn_look_weights (view.sampling, sim->weights);
    sim->sampling = view.sampling;
    dcnn_look_init (&sim->look, &stream->geometry, &view);
    dcnn_look_get_matrix (&sim->look, stream->view);
    if (sim->look.kind == DCNN_INPUT_WARPED)
      dcnn_view_between (session, stream, &sim->params);
  }
  sim->in_regions = dcnn_view_regions (session, sim->frame.stream,
      &sim->region);
}

/* ---- what is a change ----------------------------------------------------------- */

/* Of its own kind: arrays of a byte a pixel. */
typedef struct InputMarks {
  guint width, height;
  guint8 *changed;
  const guint8 *differs;
} InputMarks;

static guint8
limit_at (const DcnnInputParams *params, guint width, guint y, guint x)
{
  return dcnn_input_change_limit (params, (gsize) (y / 8) *
      ((width + 7) / 8) + x / 8);
}

/* The largest difference of a channel. */
static gint
difference (const guint8 *a, const guint8 *b)
{
  gint most = 0;

  for (guint c = 0; c < 3; c++)
    most = MAX (most, ABS (a[c] - b[c]));
  return most;
}

static void
compare_picture (SimStream *sim, const InputMarks *marks, gint map)
{
  gsize p = 0;

  for (guint y = 0; y < marks->height; y++)
    for (guint x = 0; x < marks->width; x++, p++) {
      gint by = difference (sim->picture + 3 * p, sim->reference + 3 * p);
      sim->differs[p] = by > 0;
      if (sim->looks)
        by = dcnn_look_passes (&sim->look, sim->picture + 3 * p,
            sim->reference, y, x);
      marks->changed[p] = sim->all || sim_is_new (sim, map, y, x) ||
          by > limit_at (&sim->params, marks->width, y, x);
    }
}

/* Whether a 4x4 cell's mean difference passes a quarter of the limit. */
static gboolean
cell_moved (const SimStream *sim, const InputMarks *marks, guint y0, guint x0)
{
  guint y1 = MIN (y0 + 4, marks->height), x1 = MIN (x0 + 4, marks->width);
  gint count = (gint) ((y1 - y0) * (x1 - x0));

  for (guint c = 0; c < 3; c++) {
    gint sum = 0;
    for (guint y = y0; y < y1; y++)
      for (guint x = x0; x < x1; x++) {
        gsize at = ((gsize) y * marks->width + x) * 3 + c;
        sum += sim->picture[at] - sim->reference[at];
      }
    if (4 * ABS (sum) > limit_at (&sim->params, marks->width, y0, x0) * count)
      return TRUE;
  }
  return FALSE;
}

/* Marks within `radius` of a mark, but for the pixel itself when it alone is
 * asked after. */
static gboolean
has_near (const InputMarks *marks, const guint8 *of, guint y, guint x,
    gint radius, gboolean itself)
{
  for (gint dy = -radius; dy <= radius; dy++)
    for (gint dx = -radius; dx <= radius; dx++) {
      gint at_y = (gint) y + dy, at_x = (gint) x + dx;
      if (at_y >= 0 && at_y < (gint) marks->height && at_x >= 0 &&
          at_x < (gint) marks->width && (itself || dy || dx) &&
          of[(gsize) at_y * marks->width + (guint) at_x])
        return TRUE;
    }
  return FALSE;
}

/* Noise suppression and dilation (DcnnInputParams). */
static void
refine (SimStream *sim, InputMarks *marks, gint map)
{
  gsize n = (gsize) marks->width * marks->height;
  guint8 *before = sim->marks;

  for (guint y = 0; sim->params.noise_suppression && y < marks->height; y++)
    for (guint x = 0; x < marks->width; x++)
      marks->changed[(gsize) y * marks->width + x] &=
          cell_moved (sim, marks, y & ~3u, x & ~3u);
  memcpy (before, marks->changed, n);
  for (guint y = 0; sim->params.noise_suppression && y < marks->height; y++)
    for (guint x = 0; x < marks->width; x++)
      marks->changed[(gsize) y * marks->width + x] &=
          has_near (marks, before, y, x, 1, FALSE);
  for (guint y = 0; y < marks->height; y++)
    for (guint x = 0; x < marks->width; x++)
      marks->changed[(gsize) y * marks->width + x] |=
          sim_is_new (sim, map, y, x);
  memcpy (before, marks->changed, n);
  for (guint y = 0; y < marks->height; y++)
    for (guint x = 0; x < marks->width; x++)
      marks->changed[(gsize) y * marks->width + x] = has_near (marks, before,
          y, x, (gint) sim->params.dilation, TRUE);
}

/* Outside of the stream's regions nothing changes, and nothing is settled, but
 * for what has just come into view. */
static void
keep_regions (SimStream *sim, InputMarks *marks, gint map)
{
  gsize p = 0;

  for (guint y = 0; sim->in_regions && y < marks->height; y++)
    for (guint x = 0; x < marks->width; x++, p++) {
      gboolean inside = dcnn_mask_get (&sim->region, y, x);
      sim->differs[p] &= inside;
      marks->changed[p] &= inside || sim_is_new (sim, map, y, x);
    }
}

/* ---- what is stored --------------------------------------------------------------- */

static void
store_pixel (SimStream *sim, gint map, guint y, guint x)
{
  const PlanMap *m = plan_map (sim->maps.plan, map);
  const DcnnInputParams *p = &sim->params;
  gsize at = ((gsize) y * m->width + x) * 3;
  const guint8 *rgb = sim->picture + at;
  gfloat *to = sim_pixel (&sim->maps, map, y, x);

  memcpy (sim->reference + at, rgb, 3);
  for (guint c = 0; c < m->channels; c++) {
    guint8 v = p->gray ? (guint8) ((77 * rgb[0] + 150 * rgb[1] + 29 * rgb[2] +
            128) >> 8) : rgb[p->bgr ? 2 - c : c];
    gfloat scaled_value = (gfloat) v * p->scale[c];
    to[c] = sim_stored (sim->maps.plan, m, scaled_value + p->bias[c]);
  }
}

/* Starts, continues or ends settling; what of the input is a correction goes
 * to marks (NULL: the input is as it was given). */
static void
settle (SimStream *sim, const guint8 *changed, guint8 *exact, guint width,
    guint height, gsize n_changed, gsize pixels, guint64 places)
{
  DcnnSettlingFrame frame = { sim->all, sim->moving, n_changed, pixels,
    places };
  DcnnSettlingKind kind = dcnn_settling_frame (&sim->settling, &sim->tuning,
      &frame);
  guint first[2] = { 0, 0 }, end[2] = { height, 0 };

  if (kind == DCNN_SETTLING_BAND)
    dcnn_settling_band (&sim->settling, height, first, end);
  for (guint y = 0; exact && y < height; y++)
    for (guint x = 0; x < width; x++) {
      gsize p = (gsize) y * width + x;
      exact[p] = kind != DCNN_SETTLING_NOTHING && sim->differs[p] &&
          !changed[p] && ((y >= first[0] && y < end[0]) ||
          (y >= first[1] && y < end[1])) && (kind != DCNN_SETTLING_BAND ||
          (sim->settling.places & dcnn_settling_cell (y, height, x, width)));
    }
}

/* Whether the frame had better run dense: while lists are dear, or after a
 * cut; never in regions. */
static gboolean
turns_dense (SimStream *sim, gsize changed, gsize pixels)
{
  gboolean automatic = sim->tuning.mode == DCNN_MODE_AUTO && !sim->in_regions;
  gdouble share = pixels ? (gdouble) changed / (gdouble) pixels : 0;

  if (sim->first)
    memset (&sim->dear, 0, sizeof sim->dear);
  else if (automatic && dcnn_dear_frames_next (&sim->dear, share))
    return TRUE;
  else if (!automatic)
    sim->dear.left = 0;
  if (!automatic || sim->moving || !dcnn_dense_rule_cut (changed, pixels))
    return FALSE;
  dcnn_dear_frames_ran (&sim->dear, 1, share);
  return TRUE;
}

/* What share of every fourth row would have changed without a matrix. */
static gfloat
take_shadow (SimStream *sim, const InputMarks *marks)
{
  guint count = 0, all = 0;

  for (guint y = 0; y < marks->height; y += DCNN_LOOK_SHADOW_ROWS)
    for (guint x = 0; x < marks->width; x++, all++) {
      gsize at = 3 * ((gsize) y * marks->width + x);
      if (sim->shadow_valid && difference (sim->source + at,
              sim->shadow + at) <= limit_at (&sim->plain, marks->width, y, x))
        continue;
      memcpy (sim->shadow + at, sim->source + at, 3);
      count++;
    }
  return (gfloat) count / (gfloat) all;
}

static guint
count_changed (const InputMarks *marks)
{
  gsize n = (gsize) marks->width * marks->height;
  guint count = 0;

  for (gsize p = 0; p < n; p++)
    count += marks->changed[p];
  return count;
}

/* The picture as the window shows it, and where it differs. */
static void
look_at_picture (SimStream *sim, DcnnStream *stream, const InputMarks *marks,
    gint map)
{
  guint8 *to = sim->looks ? sim->source : sim->picture;
  gsize at = 0;

  for (guint y = 0; y < marks->height; y++)
    for (guint x = 0; x < marks->width; x++, at += 3)
      show_pixel (sim, &stream->geometry, y, x, to + at);
  at = 0;
  for (guint y = 0; sim->looks && y < marks->height; y++)
    for (guint x = 0; x < marks->width; x++, at += 3)
      dcnn_look_pixel (&sim->look, sim->source, sim->reference + at, y, x,
          sim->picture + at);
  compare_picture (sim, marks, map);
  if (!sim->shadowing)
    return;
  stream->stats.unaligned_share = take_shadow (sim, marks);
  stream->stats.aligned_share = (gfloat) count_changed (marks) /
      (marks->width * marks->height);
  if (!sim->shadow_valid)
    stream->stats.unaligned_share = stream->stats.aligned_share = -1;
}

void
sim_take_picture (DcnnSession *session, SimStream *sim, DcnnStream *stream)
{
  gint map = plan_picture_map (session->plan);
  const PlanMap *m = plan_map (session->plan, map);
  InputMarks marks = { m->width, m->height, sim->maps.changed[map],
    sim->differs };
  gsize n = (gsize) m->width * m->height, count, all;

  sim->changed_pixels = sim->input_pixels = 0;
  sim_states_shift (sim);
  sim_states_feed (session, sim);
  all = n + sim->input_pixels;
  dcnn_input_matrix_init (&sim->matrix, &sim->picture_frame);
  look_at_picture (sim, stream, &marks, map);
  if (!sim->all) {
    refine (sim, &marks, map);
    keep_regions (sim, &marks, map);
  }
  count = sim->all ? all : count_changed (&marks) + sim->changed_pixels;
  if (turns_dense (sim, count, all)) {
    sim->all = TRUE;
    memset (marks.changed, TRUE, n);
    sim_states_feed (session, sim);
  }
  settle (sim, marks.changed, sim->maps.exact[map], m->width, m->height, count,
      all, stream->places);
  for (guint y = 0; y < m->height; y++)
    for (guint x = 0; x < m->width; x++)
      if (marks.changed[(gsize) y * m->width + x] ||
          sim->maps.exact[map][(gsize) y * m->width + x])
        store_pixel (sim, map, y, x);
  sim_states_done (sim);
  stream->stats.changed_share = (gfloat) count / all;
}

/* ---- tensors ---------------------------------------------------------------------- */

static void
take_inputs (DcnnSession *session, SimStream *sim)
{
  for (guint i = 0; i < dcnn_graph_fed_inputs (session->plan->graph); i++)
    sim_take_input (session, sim, i, &sim->frame.tensors[i],
        sim->frame.tensor_threshold);
  sim_states_feed (session, sim);
}

void
sim_take_tensors (DcnnSession *session, SimStream *sim, DcnnStream *stream)
{
  guint64 in_states, state_pixels;
  gsize changed;

  sim->changed_pixels = sim->input_pixels = 0;
  sim->dense_input_changed = FALSE;
  sim_states_shift (sim);
  in_states = sim->changed_pixels;
  state_pixels = sim->input_pixels;
  take_inputs (session, sim);
  if (turns_dense (sim, sim->changed_pixels, sim->input_pixels)) {
    sim->all = TRUE; /* all of it, as of a first frame */
    sim->changed_pixels = in_states;
    sim->input_pixels = state_pixels;
    take_inputs (session, sim);
  }
  sim_states_done (sim);
  changed = sim->changed_pixels;
  stream->stats.changed_share = sim->input_pixels ? (gfloat) changed /
      sim->input_pixels : 1;
  if (sim->dense_input_changed)
    changed = MAX (changed, sim->input_pixels / 2 + 1);
  settle (sim, NULL, NULL, 0, 0, changed, sim->input_pixels, 0);
}
