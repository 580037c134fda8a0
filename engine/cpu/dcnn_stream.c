/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_stream.c - the state of one stream: stored values on a torus, masks,
 * tensors; allocation, prediction of its size, and moving the window.
 */
#include "cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* To whole cache lines. */
static gsize
round_up (gsize bytes)
{
  return (bytes + 63) / 64 * 64;
}

static gsize
buffer_bytes (const PlanBuffer *b, gboolean bytes)
{
  return (gsize) b->width * b->height * b->pixel_elements *
      (b->bytes && bytes ? 1 : sizeof (float)) +
      DCNN_OVERREAD * sizeof (float);
}

/* What a buffer takes of a stream's memory. */
static gsize
stored_bytes (const DcnnPlan *plan, guint i, PlanBlocks blocks,
    gboolean bytes)
{
  const PlanBuffer *buffer = &g_array_index (plan->buffers, PlanBuffer, i);

  return dcnn_plan_inside (plan, buffer->source, blocks) ? 0 :
      round_up (buffer_bytes (buffer, bytes));
}

static gsize
global_sums_bytes (const DcnnPlan *plan, const PlanNode *node)
{
  const PlanMap *in = plan_map (plan, node->in);

  return dcnn_mask_words (in->width, in->height) * dcnn_padded (in->span) *
      (node->norm ? 2 * sizeof (gdouble) : sizeof (float));
}

gsize
dcnn_stream_bytes (const DcnnPlan *plan, PlanBlocks blocks, gboolean on_bytes)
{
  gsize bytes = dcnn_cpu_count_steps (plan) * sizeof (DcnnStep);

  for (guint i = 0; i < plan->buffers->len; i++)
    bytes += stored_bytes (plan, i, blocks, on_bytes);
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    bytes += sizeof (CpuNodeState);
    if (node->kind == PLAN_GLOBAL)
      bytes += global_sums_bytes (plan, node);
    if (node->out >= 0 && !dcnn_plan_inside (plan, n, blocks)) {
      const PlanMap *map = plan_map (plan, node->out);
      bytes += 3 * 8 * dcnn_mask_words (map->width, map->height) +
          dcnn_padded (map->span) * 4;
    }
  }
  for (guint p = 0; p < plan->places->len; p++)
    bytes += g_array_index (plan->places, gsize, p);
  return bytes;
}

gsize
dcnn_stream_predict_bytes (const DcnnPlan *plan)
{
  return dcnn_stream_bytes (plan, PLAN_BLOCKS_PAYING, TRUE);
}

/* ---- allocation -------------------------------------------------------------- */

#define HUGE_PAGE ((gsize) 2 << 20)

gpointer
dcnn_take (gsize bytes, gsize *total)
{
  gsize size = round_up (MAX (bytes, 1));
  gpointer p = NULL;

  *total += size;
  if (posix_memalign (&p, size < 2 * HUGE_PAGE ? 64 : HUGE_PAGE, size) != 0)
    return NULL;
#ifdef MADV_HUGEPAGE
  /* whole pages only: the rest stays small */
  if (size >= 2 * HUGE_PAGE)
    (void) madvise (p, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return memset (p, 0, size);
}

static gpointer
take (DcnnStream *stream, gsize bytes, gboolean *ok)
{
  gpointer p = *ok ? dcnn_take (bytes, &stream->cpu->bytes) : NULL;

  *ok = p != NULL;
  return p;
}

static void
take_mask (DcnnStream *stream, StreamMask *m, guint width, guint height,
    gboolean *ok)
{
  dcnn_mask_init (&m->mask, width, height, take (stream,
          dcnn_mask_words (width, height) * 8, ok));
}

/* Whether a node is always computed on the way to another: its map is never
 * stored, nor judged, and needs no masks. */
static gboolean
never_runs (const DcnnSession *session, gint node)
{
  return dcnn_plan_inside (session->plan, node, session->plan_blocks);
}

/* Where a device has the maps, those on the host are for one stream at a time to
 * pass through: all use the first one's, but for what comes in. */
static gboolean
borrows (const DcnnStream *stream, const DcnnSession *session, guint buffer)
{
  if (!session->maps_elsewhere || stream == session->streams)
    return FALSE;
  for (guint m = 0; m < session->plan->maps->len; m++) {
    if (plan_map (session->plan, (gint) m)->buffer == (gint) buffer &&
        plan_map_comes_in (session->plan, (gint) m))
      return FALSE;
  }
  return TRUE;
}

static gsize
own_bytes (const DcnnStream *stream, const DcnnSession *session, guint i)
{
  return borrows (stream, session, i) ? 0 : stored_bytes (session->plan, i,
      session->plan_blocks, session->on_bytes);
}

/* All feature maps lie in one piece: a sparse frame touches a few pixels of
 * each, and with small pages nearly every touch would miss the TLB. */
static void
init_buffers (DcnnStream *stream, const DcnnSession *session, gboolean *ok)
{
  const DcnnPlan *plan = session->plan;
  gsize bytes = 0, at = 0, size;

  for (guint i = 0; i < plan->buffers->len; i++)
    bytes += own_bytes (stream, session, i);
  if (session->maps_elsewhere) { /* pages that nobody has touched */
    stream->cpu->memory = calloc (1, bytes + 64);
    *ok = stream->cpu->memory != NULL;
    at = (64 - (gsize) stream->cpu->memory % 64) % 64;
  } else {
    stream->cpu->memory = take (stream, bytes, ok);
  }
  stream->cpu->buffers = g_new0 (gfloat *, plan->buffers->len + 1);
  for (guint i = 0; i < plan->buffers->len && *ok; i++) {
    size = own_bytes (stream, session, i);
    if (size > 0)
      stream->cpu->buffers[i] = (gfloat *) (gpointer) (stream->cpu->memory +
          at);
    else if (borrows (stream, session, i))
      stream->cpu->buffers[i] = session->streams[0].cpu->buffers[i];
    at += size;
  }
}

static void
fill_tables (DcnnStream *stream, const PlanGeometry *g, guint index)
{
  guint oy = stream->cpu->torus[index][0], ox = stream->cpu->torus[index][1];

  for (guint y = 0; y < g->height; y++)
    stream->cpu->row_offset[index][y] =
        (y + oy) % g->height * g->width * g->pixel_elements;
  for (guint x = 0; x < g->width; x++)
    stream->cpu->col_offset[index][x] = (x +
        ox) % g->width * g->pixel_elements;
}

static void
init_geometries (DcnnStream *stream, const DcnnPlan *plan, gboolean *ok)
{
  guint n = plan->geometries->len;

  stream->cpu->row_offset = g_new0 (guint32 *, n + 1);
  stream->cpu->col_offset = g_new0 (guint32 *, n + 1);
  stream->cpu->torus = g_malloc0 ((n + 1) * sizeof *stream->cpu->torus);
  for (guint i = 0; i < n; i++) {
    const PlanGeometry *g = &g_array_index (plan->geometries, PlanGeometry, i);
    stream->cpu->row_offset[i] = take (stream, g->height * sizeof (guint32),
        ok);
    stream->cpu->col_offset[i] = take (stream, g->width * sizeof (guint32),
        ok);
    if (*ok)
      fill_tables (stream, g, i);
  }
}

static void
init_map (DcnnStream *stream, const DcnnPlan *plan, guint index,
    gboolean bytes)
{
  const PlanMap *map = plan_map (plan, index);
  const PlanBuffer *buffer;
  DcnnMap *m = &stream->cpu->maps[index];

  if (map->buffer < 0)
    return;
  buffer = &g_array_index (plan->buffers, PlanBuffer, map->buffer);
  if (map->bytes && bytes) {
    m->bytes = (guint8 *) stream->cpu->buffers[map->buffer] + map->offset;
    m->low = map->low;
  } else if (stream->cpu->buffers[map->buffer]) {
    m->data = stream->cpu->buffers[map->buffer] + map->offset;
  }
  m->width = map->width;
  m->height = map->height;
  m->channels = map->span;
  m->writable = MIN (dcnn_padded (map->span), buffer->pixel_elements - map->offset);
  m->row_offset = stream->cpu->row_offset[buffer->geometry];
  m->col_offset = stream->cpu->col_offset[buffer->geometry];
  m->torus = stream->cpu->torus[buffer->geometry];
  if (map->constant)
    for (guint y = 0; y < map->height; y++)
      for (guint x = 0; x < map->width; x++)
        memcpy (dcnn_map_pixel (m, y, x), map->constant +
            ((gsize) y * map->width + x) * map->channels,
            map->channels * sizeof (float));
}

guint
dcnn_cpu_count_steps (const DcnnPlan *plan)
{
  guint count = 0;

  for (guint n = 0; n < plan->nodes->len; n++)
    if (plan_node (plan, n)->kind == PLAN_KERNEL)
      count += (guint) plan_node (plan, n)->n_steps;
  return count;
}

void
dcnn_cpu_job (const PlanNode *node, const CpuNode *packed, gboolean on_bytes,
    const DcnnMap *maps, DcnnStep **steps, DcnnJob *job)
{
  job->primary = node->primary;
  job->prepared = packed->bytes && on_bytes ? packed->bytes :
      packed->prepared;
  job->table = on_bytes ? packed->table : NULL;
  job->in = maps[node->in];
  job->out = maps[node->out];
  job->n_steps = (guint) node->n_steps;
  job->steps = *steps;
  for (gint s = 0; s < node->n_steps; s++) {
    const PlanStep *from = &node->steps[s];
    DcnnStep *step = (*steps)++;
    step->kind = from->kind;
    step->operand = from->operand;
    step->a = from->a;
    step->b = from->b;
    if (from->map >= 0)
      step->map = maps[from->map];
    if (from->operand == DCNN_OPERAND_VECTOR)
      step->vector = from->map >= 0 ? maps[from->map].data :
          packed->vectors[s];
  }
}

static void
init_nodes (DcnnStream *stream, const DcnnSession *session, gboolean *ok)
{
  const DcnnPlan *plan = session->plan;
  DcnnStep *steps;

  stream->cpu->nodes = g_try_new0 (CpuNodeState, plan->nodes->len + 1);
  stream->cpu->steps = steps = g_try_new0 (DcnnStep,
      dcnn_cpu_count_steps (plan) + 1);
  *ok &= stream->cpu->nodes != NULL && steps != NULL;
  for (guint n = 0; n < plan->nodes->len && *ok; n++) {
    const PlanNode *node = plan_node (plan, n);
    CpuNodeState *state = &stream->cpu->nodes[n];
    const PlanMap *out;
    state->told = &stream->nodes[n];
    if (node->kind == PLAN_GLOBAL && node->norm)
      state->moments = take (stream, global_sums_bytes (plan, node), ok);
    else if (node->kind == PLAN_GLOBAL)
      state->sums = take (stream, global_sums_bytes (plan, node), ok);
    if (*ok && node->kind == PLAN_KERNEL)
      dcnn_cpu_job (node, dcnn_cpu_node (session, n), session->on_bytes,
          stream->cpu->maps, &steps, &state->job);
    if (node->out < 0 || !*ok || never_runs (session, n))
      continue;
    out = plan_map (plan, node->out);
    take_mask (stream, &state->pending, out->width, out->height, ok);
    state->inv_spread = take (stream, dcnn_padded (out->span) * 4, ok);
  }
}

static void
init_tensors (DcnnStream *stream, const DcnnPlan *plan, gboolean *ok)
{
  guint n = plan->tensors->len;

  stream->cpu->tensors = g_new0 (DcnnTensor, n + 1);
  stream->cpu->tensor_changed = g_new0 (gboolean, n + 1);
  stream->cpu->places = g_new0 (gpointer, plan->places->len + 1);
  for (guint p = 0; p < plan->places->len && *ok; p++)
    stream->cpu->places[p] = take (stream, g_array_index (plan->places, gsize,
            p) + 64, ok);
  for (guint i = 0; i < n && *ok; i++) {
    DcnnTensor *t = &stream->cpu->tensors[i];
    *t = dcnn_graph_value (plan->graph,
        g_array_index (plan->tensors, DcnnValueId, i))->tensor;
    t->data = stream->cpu->places[g_array_index (plan->tensor_places, gint, i)];
  }
}

static void
init_outputs (DcnnStream *stream, const DcnnPlan *plan)
{
  DcnnGraph *graph = plan->graph;

  stream->outputs = g_new0 (DcnnOutput, graph->outputs->len);
  for (guint i = 0; i < graph->outputs->len; i++) {
    DcnnValueId id = g_array_index (graph->outputs, DcnnValueId, i);
    const PlanValue *v = &plan->values[id];
    stream->outputs[i].name = dcnn_graph_value (graph, id)->name;
    stream->outputs[i].tensor = v->tensor >= 0 ?
        stream->cpu->tensors[v->tensor] : dcnn_graph_value (graph, id)->tensor;
    if (v->map >= 0 && plan_map (plan, v->map)->mask >= 0) {
      stream->outputs[i].is_map = TRUE;
      stream->outputs[i].updated =
          stream->masks[plan_map (plan, v->map)->mask].mask;
    }
  }
}

static void
init_masks (DcnnStream *stream, const DcnnSession *session, gboolean *ok)
{
  const DcnnPlan *plan = session->plan;

  stream->masks = g_new0 (StreamMask, plan->n_masks + 1);
  stream->cpu->exact = g_new0 (StreamMask, plan->n_masks + 1);
  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, i);
    if (map->mask >= 0 && !never_runs (session, map->source)) {
      take_mask (stream, &stream->masks[map->mask], map->width, map->height,
          ok);
      take_mask (stream, &stream->cpu->exact[map->mask], map->width,
          map->height, ok);
    }
    if (map->graph_input >= 0 && map->graph_input == plan->image_input) {
      StreamMask m = { 0 };
      take_mask (stream, &m, map->width, map->height, ok);
      stream->cpu->differs = m.mask;
      take_mask (stream, &m, map->width, map->height, ok);
      stream->cpu->force = m.mask;
    }
  }
}

/* The mask of the image input, or of the first one. */
static StreamMask *
find_input_mask (DcnnStream *stream, const DcnnPlan *plan)
{
  gint wanted = MAX (plan->image_input, 0);

  for (guint m = 0; m < plan->maps->len; m++)
    if (plan_map (plan, m)->graph_input == wanted)
      return &stream->masks[plan_map (plan, m)->mask];
  return NULL;
}

gboolean
dcnn_stream_init (DcnnStream *stream, DcnnSession *session)
{
  const DcnnPlan *plan = session->plan;
  gboolean ok = TRUE;

  init_buffers (stream, session, &ok);
  init_geometries (stream, plan, &ok);
  stream->cpu->maps = g_new0 (DcnnMap, plan->maps->len + 1);
  for (guint i = 0; i < plan->maps->len && ok; i++)
    init_map (stream, plan, i, session->on_bytes);
  init_masks (stream, session, &ok);
  stream->input_mask = find_input_mask (stream, plan);
  init_nodes (stream, session, &ok);
  init_tensors (stream, plan, &ok);
  if (ok)
    init_outputs (stream, plan);
  return ok;
}

void
dcnn_stream_clear (DcnnStream *stream, const DcnnPlan *plan)
{
  free (stream->cpu->memory);
  for (guint i = 0; stream->cpu->torus && i < plan->geometries->len; i++) {
    free (stream->cpu->row_offset[i]);
    free (stream->cpu->col_offset[i]);
  }
  for (gint i = 0; stream->cpu->exact && i < plan->n_masks; i++) {
    free (stream->masks[i].mask.words);
    free (stream->cpu->exact[i].mask.words);
  }
  for (guint n = 0; stream->cpu->nodes && n < plan->nodes->len; n++) {
    free (stream->cpu->nodes[n].pending.mask.words);
    free (stream->cpu->nodes[n].inv_spread);
    free (stream->cpu->nodes[n].sums);
    free (stream->cpu->nodes[n].moments);
  }
  for (guint p = 0; stream->cpu->places && p < plan->places->len; p++)
    free (stream->cpu->places[p]);
  free (stream->cpu->differs.words);
  free (stream->cpu->force.words);
  dcnn_input_stage_free (stream->cpu->stage);
  g_free (stream->cpu->nodes);
  g_free (stream->cpu->steps);
  g_free (stream->cpu->buffers);
  g_free (stream->cpu->row_offset);
  g_free (stream->cpu->col_offset);
  g_free (stream->cpu->torus);
  g_free (stream->cpu->maps);
  g_free (stream->masks);
  g_free (stream->cpu->exact);
  g_free (stream->cpu->tensors);
  g_free (stream->cpu->places);
  g_free (stream->cpu->tensor_changed);
  g_free (stream->outputs);
}

/* ---- masks of maps ------------------------------------------------------------- */

static gboolean
or_pieces (const DcnnPlan *plan, const StreamMask *masks, const PlanMap *map,
    DcnnMask *into, gboolean any)
{
  if (map->mask >= 0) {
    const StreamMask *m = &masks[map->mask];
    if (!m->any)
      return any;
    if (any)
      dcnn_mask_or (into, &m->mask);
    else
      dcnn_mask_copy (into, &m->mask);
    return TRUE;
  }
  for (guint i = 0; map->pieces && i < map->pieces->len; i++)
    any = or_pieces (plan, masks, plan_map (plan,
            g_array_index (map->pieces, gint, i)), into, any);
  return any;
}

const DcnnMask *
dcnn_stream_mask (const DcnnPlan *plan, const StreamMask *masks, gint index,
    DcnnMask *room)
{
  const PlanMap *map = plan_map (plan, index);

  while (map->mask < 0 && map->pieces && map->pieces->len == 1)
    map = plan_map (plan, g_array_index (map->pieces, gint, 0));
  if (map->mask >= 0)
    return masks[map->mask].any ? &masks[map->mask].mask : NULL;
  dcnn_mask_init (room, map->width, map->height, room->words);
  return or_pieces (plan, masks, map, room, FALSE) ? room : NULL;
}

/* Of a row, the pixels in those cells. */
static void
fill_cells (DcnnMask *mask, guint y, guint64 places)
{
  const guint n = DCNN_SETTLE_CELLS;
  guint row = (guint) (places >> (y * n / mask->height * n)) & ((1u << n) - 1);

  for (guint cell = 0, end; row >> cell; cell = end) {
    guint x0, x1;
    for (end = cell + 1; end < n && (row >> end & 1) == (row >> cell & 1);)
      end++;
    x0 = (cell * mask->width + n - 1) / n; /* as x * n / width goes */
    x1 = (end * mask->width + n - 1) / n;
    if (row >> cell & 1)
      dcnn_mask_fill_rect (mask, (gint) x0, (gint) y, (gint) (x1 - x0), 1);
  }
}

void
dcnn_stream_band (const DcnnStream *stream, DcnnMask *mask)
{
  const DcnnSettling *s = &stream->cpu->settling;
  guint first[2], end[2];

  dcnn_settling_band (s, mask->height, first, end);
  dcnn_mask_clear (mask);
  for (guint i = 0; i < 2; i++)
    for (guint y = first[i]; y < end[i]; y++)
      fill_cells (mask, y, s->places);
}

/* ---- moving the window ------------------------------------------------------------- */

/* Maps of one geometry have one stride, so the last to set it agrees with the
 * first. */
static void
move_geometries (DcnnStream *stream, const DcnnPlan *plan)
{
  for (guint i = 0; i < plan->maps->len; i++) {
    const PlanMap *map = plan_map (plan, i);
    const PlanBuffer *buffer;
    const PlanGeometry *g;
    guint32 *torus;
    if (map->buffer < 0 || map->parent >= 0 || map->stride_y == 0)
      continue;
    buffer = &g_array_index (plan->buffers, PlanBuffer, map->buffer);
    g = &g_array_index (plan->geometries, PlanGeometry, buffer->geometry);
    torus = stream->cpu->torus[buffer->geometry];
    torus[0] = dcnn_window_torus (stream->torus_y, map->stride_y, g->height);
    torus[1] = dcnn_window_torus (stream->torus_x, map->stride_x, g->width);
  }
  for (guint i = 0; i < plan->geometries->len; i++)
    fill_tables (stream, &g_array_index (plan->geometries, PlanGeometry, i),
        i);
}

static void
move_mask (DcnnSession *session, StreamMask *m, const PlanMap *map, gint dy,
    gint dx)
{
  DcnnMask moved = dcnn_room (session, ROOM_PIECES, map);

  if (!m->any || map->stride_y == 0)
    return;
  dcnn_mask_shift (&moved, &m->mask, -dy / (gint) map->stride_y,
      -dx / (gint) map->stride_x);
  dcnn_mask_copy (&m->mask, &moved);
}

void
dcnn_stream_move (DcnnStream *stream, DcnnSession *session, gint dy, gint dx)
{
  const DcnnPlan *plan = session->plan;

  move_geometries (stream, plan);
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    stream->cpu->nodes[n].sums_valid = FALSE;
    if (node->out >= 0)
      move_mask (session, &stream->cpu->nodes[n].pending,
          plan_map (plan, node->out), dy, dx);
  }
  if (stream->cpu->stage)
    dcnn_input_shift (stream->cpu->stage, dy, dx);
  stream->cpu->move = (StreamMove) { TRUE, dy, dx };
}

void
dcnn_stream_seen (const DcnnStream *stream, const PlanMap *map, gint *y0,
    gint *y1, gint *x0, gint *x1)
{
  gboolean moves = stream->cpu->move.active;

  dcnn_window_seen (moves ? stream->cpu->move.dy : 0, map->stride_y,
      map->height, y0, y1);
  dcnn_window_seen (moves ? stream->cpu->move.dx : 0, map->stride_x,
      map->width, x0, x1);
}
