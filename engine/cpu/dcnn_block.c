/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_block.c - a chain of nodes run as one: a depthwise convolution and the
 * 1x1 convolution that alone reads it; in dense sessions with the 1x1
 * convolution before them that widens their input (the inverted residual of
 * MobileNetV2, Sandler 2018).
 *
 * Inner maps are the widest of a network and the cheapest to make: storing
 * them, and comparing them with what was stored, takes longer than computing
 * them. So nothing of them is stored. A few rows at a time are computed into
 * rings that stay in an inner cache, by the same kernels that would fill a map;
 * outputs are the same bits. Inside a block nothing is judged: candidates of
 * its end are what its input reaches.
 */
#include "cpu.h"

#include <stdlib.h>

#define STRIP 8            /* rows of a word of a mask */
#define RING_BYTES 196608  /* that rings of a dense strip should not exceed */
#define STRIP_PIXELS 96    /* that it should have: weights pass once a strip */

/* An inner map, of which some rows are there: those `rows` apart share their
 * place. */
typedef struct Ring {
  DcnnMap map;             /* without data, which is a thread's own */
  guint32 *tables;         /* offsets of columns, rows (dense), rows (sparse) */
  gsize offset;            /* bytes from the start of a thread's rings */
} Ring;

struct SessionBlock {
  gint end, depthwise, expand; /* nodes; expand: -1 none */
  guint strip;             /* rows of a dense one */
  Ring wide, thin;         /* out maps of expand and depthwise */
  gsize list;              /* bytes from the start of a thread's rings: a
                              strip's pixels of the wide map */
};

gboolean
dcnn_block_ends (const DcnnSession *session, gint n)
{
  return session->cpu->blocks && session->cpu->blocks[n];
}

gint
dcnn_block_input (const DcnnSession *session, gint n)
{
  const SessionBlock *block;

  if (!dcnn_block_ends (session, n))
    return plan_node (session->plan, n)->in;
  block = session->cpu->blocks[n];
  return plan_node (session->plan, block->expand >= 0 ? block->expand :
      block->depthwise)->in;
}

static guint64
map_pixels (const DcnnPlan *plan, gint node)
{
  const PlanMap *map = plan_map (plan, plan_node (plan, node)->out);

  return (guint64) map->width * map->height;
}

guint64
dcnn_block_macs (const DcnnSession *session, gint n)
{
  const DcnnPlan *plan = session->plan;
  guint64 macs = plan_node (plan, n)->macs_per_pixel;

  if (!dcnn_block_ends (session, n))
    return macs;
  const SessionBlock *block = session->cpu->blocks[n];
  macs += plan_node (plan, block->depthwise)->macs_per_pixel;
  if (block->expand >= 0)
    macs += plan_node (plan, block->expand)->macs_per_pixel *
        map_pixels (plan, block->expand) / map_pixels (plan, n);
  return macs;
}

/* ---- making -------------------------------------------------------------------- */

/* Rows of its input that `rows` rows of a window's output need. */
static guint
rows_needed (const DcnnWindow *w, guint rows)
{
  return (guint) ((rows - 1) * w->stride[0] +
      (w->kernel[0] - 1) * w->dilation[0] + 1);
}

static gsize
ring_bytes (const PlanMap *map, guint rows)
{
  return ((gsize) MIN (rows, map->height) * map->width *
      dcnn_padded (map->span) + DCNN_OVERREAD) * sizeof (float);
}

/* Room in a thread's rings; returns where. */
static gsize
reserve (gsize *total, gsize bytes)
{
  gsize at = *total;

  *total += (bytes + 63) / 64 * 64;
  return at;
}

/* A ring of so many rows in sparse and in dense frames; 0: never sparse. */
static gboolean
ring_init (DcnnSession *session, Ring *ring, const PlanMap *map,
    guint sparse_rows, guint dense_rows, gsize *total)
{
  static const guint32 no_torus[2] = { 0, 0 };
  const guint h = map->height, w = map->width;
  const guint floats = dcnn_padded (map->span);
  guint32 *dense, *sparse;

  ring->tables = dcnn_take ((w + (sparse_rows ? 2 : 1) * h) *
      sizeof (guint32), &session->cpu->bytes);
  if (ring->tables == NULL)
    return FALSE;
  dense = ring->tables + w;
  sparse = sparse_rows ? dense + h : NULL;
  for (guint x = 0; x < w; x++)
    ring->tables[x] = x * floats;
  for (guint y = 0; y < h; y++) {
    dense[y] = y % dense_rows * w * floats;
    if (sparse)
      sparse[y] = y % sparse_rows * w * floats;
  }
  ring->offset = reserve (total,
      ring_bytes (map, MAX (sparse_rows, dense_rows)));
  ring->map = (DcnnMap) { .width = w, .height = h, .channels = map->span,
    .writable = floats, .row_offset = sparse ? sparse : dense,
    .col_offset = ring->tables, .torus = no_torus };
  return TRUE;
}

static guint
dense_strip (const DcnnWindow *w, const PlanMap *wide, const PlanMap *thin)
{
  const guint least = (STRIP_PIXELS + thin->width - 1) / thin->width;
  guint strip = least;

  while (ring_bytes (thin, strip + 1) + (wide ? ring_bytes (wide,
              rows_needed (w, strip + 1)) : 0) <= RING_BYTES &&
      strip < thin->height)
    strip++;
  return strip;
}

/* The jobs of the nodes inside write to rings, whatever their data, and judge
 * nothing. */
static void
connect_jobs (const SessionBlock *block, CpuNodeState *nodes)
{
  DcnnJob *job = &nodes[block->depthwise].job;

  job->significance.kind = DCNN_SIGNIFICANT_ALWAYS;
  job->verdicts = NULL;
  job->out = nodes[block->end].job.in = block->thin.map;
  if (block->expand < 0)
    return;
  job->in = nodes[block->expand].job.out = block->wide.map;
  nodes[block->expand].job.significance.kind = DCNN_SIGNIFICANT_ALWAYS;
  nodes[block->expand].job.verdicts = NULL;
}

static gboolean
block_init (DcnnSession *session, const BlockSet *set, gint n, gsize *most)
{
  const DcnnPlan *plan = session->plan;
  SessionBlock *block = set->blocks[n] = g_new0 (SessionBlock, 1);
  const PlanNode *depthwise = plan_node (plan, plan_node (plan, n)->depthwise);
  const DcnnWindow *w = &depthwise->window;
  const PlanMap *thin = plan_map (plan, depthwise->out), *wide = NULL;
  const gboolean sparse = set == &session->cpu->sets[0];
  gsize total = 0;

  block->end = n;
  block->expand = -1;
  block->depthwise = plan_node (plan, n)->depthwise;
  if (dcnn_plan_inside (plan, plan_node (plan, n)->expand, set->which)) {
    block->expand = plan_node (plan, n)->expand;
    wide = plan_map (plan, depthwise->in);
  }
  block->strip = dense_strip (w, wide, thin);
  if (session->threads > 1) /* two for each, at least */
    block->strip = MAX (1, MIN (block->strip,
            thin->height / (2 * session->threads)));
  if (!ring_init (session, &block->thin, thin, sparse ? STRIP : 0, block->strip,
          &total))
    return FALSE;
  if (wide && !ring_init (session, &block->wide, wide, sparse ?
          rows_needed (w, STRIP) : 0, rows_needed (w, block->strip), &total))
    return FALSE;
  if (wide && sparse)
    block->list = reserve (&total, (rows_needed (w, STRIP) * wide->width + 64)
        * sizeof (guint32));
  *most = MAX (*most, total);
  return TRUE;
}

/* strips: raised to what the set needs of strips of lists. */
static gboolean
set_init (DcnnSession *session, BlockSet *set, PlanBlocks which, gsize *strips)
{
  const DcnnPlan *plan = session->plan;
  gboolean ok = TRUE;

  set->which = which;
  set->blocks = g_new0 (SessionBlock *, plan->nodes->len + 1);
  for (guint n = 0; n < plan->nodes->len && ok; n++)
    if (dcnn_plan_inside (plan, plan_node (plan, n)->depthwise, which)) {
      ok = block_init (session, set, (gint) n, &set->ring_bytes);
      *strips = MAX (*strips, plan_map (plan,
              plan_node (plan, n)->out)->height / STRIP + 1);
    }
  return ok;
}

/* The blocks of dense frames in a session that is not made for them. */
static PlanBlocks
dense_blocks (const DcnnSession *session)
{
  if (session->plan_blocks != PLAN_BLOCKS_PAYING || session->threads > 4)
    return PLAN_BLOCKS_NONE;
  return session->threads > 1 ? PLAN_BLOCKS_TALL : PLAN_BLOCKS_ALL;
}

/* Every job on its own maps, but for those of nodes in blocks. */
static void
wire_jobs (DcnnSession *session, DcnnStream *stream, guint set)
{
  const DcnnPlan *plan = session->plan;

  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    if (node->kind != PLAN_KERNEL)
      continue;
    stream->cpu->nodes[n].job.in = stream->cpu->maps[node->in];
    stream->cpu->nodes[n].job.out = stream->cpu->maps[node->out];
  }
  for (guint n = 0; n < plan->nodes->len; n++)
    if (session->cpu->sets[set].blocks[n])
      connect_jobs (session->cpu->sets[set].blocks[n], stream->cpu->nodes);
  stream->cpu->wired = set;
}

void
dcnn_blocks_use (DcnnSession *session, DcnnStream *stream, guint set)
{
  session->plan_blocks = session->cpu->sets[set].which;
  session->cpu->blocks = session->cpu->sets[set].blocks;
  if (stream->cpu->wired != set)
    wire_jobs (session, stream, set);
}

/* Dense frames of set 1 store nothing inside of its blocks, so that the largest
 * such buffer of a stream is free for the rings of all. -1: none has room. */
static gint
ring_buffer (const DcnnSession *session, const BlockSet *set)
{
  const DcnnPlan *plan = session->plan;
  gsize most = session->threads * set->ring_bytes;
  gint found = -1;

  for (guint i = 0; i < plan->buffers->len; i++) {
    const PlanBuffer *b = &g_array_index (plan->buffers, PlanBuffer, i);
    gsize bytes = (gsize) b->width * b->height * b->pixel_elements *
        (b->bytes ? 1 : sizeof (float));
    if (bytes < most || !dcnn_plan_inside (plan, b->source, set->which) ||
        dcnn_plan_inside (plan, b->source, session->plan_blocks))
      continue;
    found = (gint) i;
    most = bytes;
  }
  return found;
}

gboolean
dcnn_blocks_init (DcnnSession *session)
{
  PlanBlocks dense = dense_blocks (session);
  BlockSet *sets = session->cpu->sets;
  gsize strips = 0, most;
  gboolean ok;

  sets[0].buffer = sets[1].buffer = -1;
  ok = set_init (session, &sets[0], session->plan_blocks, &strips);
  if (ok && dense != PLAN_BLOCKS_NONE) {
    ok = set_init (session, &sets[1], dense, &strips);
    sets[1].buffer = ring_buffer (session, &sets[1]);
  }
  for (guint s = 0; s < session->n_streams && ok; s++)
    wire_jobs (session, &session->streams[s], 0);
  session->cpu->blocks = sets[0].blocks;
  if (!ok || strips == 0)
    return ok;
  most = MAX (sets[0].ring_bytes, sets[1].buffer < 0 ? sets[1].ring_bytes : 0);
  session->cpu->strip_starts = dcnn_take ((strips + 1) * sizeof (gsize),
      &session->cpu->bytes);
  if (most > 0)
    session->cpu->rings = dcnn_take (session->threads * most,
        &session->cpu->bytes);
  return session->cpu->strip_starts && (most == 0 || session->cpu->rings);
}

static void
set_clear (BlockSet *set, guint n_nodes)
{
  for (guint n = 0; set->blocks && n < n_nodes; n++) {
    if (set->blocks[n] == NULL)
      continue;
    free (set->blocks[n]->wide.tables);
    free (set->blocks[n]->thin.tables);
    g_free (set->blocks[n]);
  }
  g_free (set->blocks);
}

void
dcnn_blocks_clear (DcnnSession *session)
{
  set_clear (&session->cpu->sets[0], session->plan->nodes->len);
  set_clear (&session->cpu->sets[1], session->plan->nodes->len);
  free (session->cpu->rings);
  free (session->cpu->strip_starts);
}

/* ---- running --------------------------------------------------------------------- */

/* One run of a block. Units of work are strips of rows, dense or as high as
 * words of masks; or entries of the list, where rows of neighbours are not
 * needed. */
typedef struct BlockRun {
  DcnnSession *session;
  gchar *rings;            /* a thread's after the other's */
  gsize ring_bytes;
  const DcnnWindow *window;
  const SessionBlock *block;
  const CpuNodeState *nodes;
  const DcnnMask *needs;   /* pixels of the wide map; NULL: all */
  const gsize *starts;     /* of a list's strips, and its end */
  gboolean dense, strips;
  /* added to by all threads */
  gint64 expand_ns, depthwise_ns, end_ns;
} BlockRun;

/* A thread's part in it. */
typedef struct BlockPart {
  DcnnJob expand, depthwise, end;
  guint32 *list;
  gint rows_done;          /* of the wide map */
  gpointer scratch;
  gint64 expand_ns, depthwise_ns, end_ns;
} BlockPart;

static DcnnMap
ring_map (const Ring *ring, gchar *memory, gboolean dense)
{
  DcnnMap map = ring->map;

  map.data = (float *) (gpointer) (memory + ring->offset);
  if (dense)
    map.row_offset = ring->tables + map.width;
  return map;
}

static void
run_job (const BlockRun *run, const DcnnJob *job, gsize begin, gsize end,
    gpointer scratch)
{
  run->session->cpu->kernels->run[job->primary] (job, begin, end, scratch);
}

/* What rows y0 .. y1 - 1 need of the wide map and the ring does not hold. */
static void
expand_rows (const BlockRun *run, BlockPart *part, gsize y0, gsize y1)
{
  const DcnnWindow *w = run->window;
  const gint height = (gint) part->expand.out.height;
  const gint first = (gint) ((gint64) y0 * w->stride[0] - w->pad_begin[0]);
  const gint from = MAX (MAX (first, 0), part->rows_done);
  const gint to = MIN (first + (gint) rows_needed (w, (guint) (y1 - y0)),
      height);

  if (from >= to)
    return;
  part->rows_done = to;
  if (run->needs) {
    gsize n = dcnn_mask_rows_to_list (run->needs, (guint) from, (guint) to,
        part->list);
    run_job (run, &part->expand, 0, n, part->scratch);
  } else {
    run_job (run, &part->expand, (gsize) from, (gsize) to, part->scratch);
  }
}

static void
part_begin (const BlockRun *run, BlockPart *part, guint thread)
{
  const SessionBlock *block = run->block;
  gchar *memory = run->rings + thread * run->ring_bytes;

  part->scratch = run->session->cpu->scratch[thread];
  part->end = run->nodes[block->end].job;
  part->depthwise = run->nodes[block->depthwise].job;
  part->depthwise.pixels = part->end.pixels;
  part->depthwise.out = part->end.in =
      ring_map (&block->thin, memory, run->dense);
  if (block->expand < 0)
    return;
  part->expand = run->nodes[block->expand].job;
  part->expand.out = part->depthwise.in =
      ring_map (&block->wide, memory, run->dense);
  part->list = (guint32 *) (gpointer) (memory + block->list);
  part->expand.pixels = run->needs ? part->list : NULL;
}

/* Entries, or rows when dense, from .. to - 1. */
static void
run_piece (const BlockRun *run, BlockPart *part, gsize from, gsize to)
{
  gint64 start = dcnn_now_ns (), middle;

  run_job (run, &part->depthwise, from, to, part->scratch);
  middle = dcnn_now_ns ();
  run_job (run, &part->end, from, to, part->scratch);
  part->depthwise_ns += middle - start;
  part->end_ns += dcnn_now_ns () - middle;
}

static void
run_strip (const BlockRun *run, BlockPart *part, gsize k)
{
  const gsize *starts = run->starts;
  const gsize rows = run->dense ? run->block->strip : STRIP;
  const gsize y0 = k * rows, y1 = MIN (y0 + rows, part->end.out.height);
  gint64 start = dcnn_now_ns ();

  if (!run->dense && starts[k] == starts[k + 1])
    return;
  if (run->block->expand >= 0)
    expand_rows (run, part, y0, y1);
  part->expand_ns += dcnn_now_ns () - start;
  run_piece (run, part, run->dense ? y0 : starts[k],
      run->dense ? y1 : starts[k + 1]);
}

/* Entries begin .. end - 1. Rows of a ring are those of one strip: no piece
 * reaches into the next. */
static void
run_entries (const BlockRun *run, BlockPart *part, gsize begin, gsize end)
{
  const gsize *starts = run->starts;

  for (gsize k = 0, to; begin < end; begin = to) {
    while (starts[k + 1] <= begin)
      k++;
    to = MIN (end, starts[k + 1]);
    run_piece (run, part, begin, to);
  }
}

static void
run_part (gpointer data, gsize begin, gsize end, guint thread)
{
  BlockRun *run = data;
  BlockPart part = { .rows_done = 0 };

  part_begin (run, &part, thread);
  for (gsize k = begin; run->strips && k < end; k++)
    run_strip (run, &part, k);
  if (!run->strips)
    run_entries (run, &part, begin, end);
  __atomic_fetch_add (&run->expand_ns, part.expand_ns, __ATOMIC_RELAXED);
  __atomic_fetch_add (&run->depthwise_ns, part.depthwise_ns, __ATOMIC_RELAXED);
  __atomic_fetch_add (&run->end_ns, part.end_ns, __ATOMIC_RELAXED);
}

/* Where the list of a mask's pixels reaches each row of its words; returns how
 * many there are. */
static gsize
find_starts (const DcnnMask *mask, gsize *starts)
{
  const guint64 *words = mask->words;
  gsize n = 0;

  for (guint by = 0; by < mask->blocks_y; by++) {
    starts[by] = n;
    for (guint bx = 0; bx < mask->blocks_x; bx++)
      n += (gsize) __builtin_popcountll (*words++);
  }
  starts[mask->blocks_y] = n;
  return n;
}

/* Counts a node inside, whose rows between two threads' parts count once
 * although both make them; its share of the time that the block took is not the
 * end's. */
static void
count_inner (DcnnStream *stream, const DcnnPlan *plan, const BlockRun *run,
    gint n, gsize count, gint64 ns)
{
  DcnnNodeStats *stats = &stream->nodes[n].stats;
  const gdouble share = (gdouble) count / (gdouble) map_pixels (plan, n);
  const guint64 macs = count * plan_node (plan, n)->macs_per_pixel;

  stats->candidates += share;
  stats->joined += share;
  stats->macs_done += macs;
  stats->time_ns += ns;
  stream->nodes[run->block->end].stats.time_ns -= ns;
  stream->cpu->macs_done += macs;
}

void
dcnn_block_run (DcnnSession *session, DcnnStream *stream, gint n,
    const DcnnMask *mask)
{
  const DcnnPlan *plan = session->plan;
  const SessionBlock *block = session->cpu->blocks[n];
  const BlockSet *set = &session->cpu->sets[stream->cpu->wired];
  const guint pieces = session->threads * 4;
  BlockRun run = { .session = session, .block = block,
    .ring_bytes = set->ring_bytes, .rings = set->buffer < 0 ?
        session->cpu->rings : (gchar *) stream->cpu->buffers[set->buffer],
    .nodes = stream->cpu->nodes,
    .window = &plan_node (plan, block->depthwise)->window,
    .starts = session->cpu->strip_starts,
    .dense = mask == NULL, .strips = mask == NULL || block->expand >= 0 };
  DcnnMask needs;
  gsize count = map_pixels (plan, n), units, chunk;
  gint64 start = dcnn_now_ns ();
  gdouble part;

  if (mask) {
    count = units = find_starts (mask, session->cpu->strip_starts);
    if (run.strips)
      units = mask->blocks_y;
  } else {
    units = (stream->cpu->nodes[n].job.out.height + block->strip - 1) /
        block->strip;
  }
  if (mask && block->expand >= 0) {
    needs = dcnn_room (session, ROOM_PIECES,
        plan_map (plan, plan_node (plan, block->expand)->out));
    dcnn_mask_candidates_transposed (&needs, mask, run.window,
        session->cpu->mask_scratch);
    run.needs = &needs;
  }
  /* where parts overlap, as few as there are threads */
  if (block->expand >= 0)
    chunk = (units + session->threads - 1) / session->threads;
  else if (run.strips)
    chunk = MAX (1, units / pieces);
  else
    chunk = MAX (24, (units / pieces + 23) / 24 * 24);
  dcnn_run_parallel (session, units, chunk,
      dcnn_block_macs (session, n) * count, run_part, &run);
  /* of the time on the clock, by what threads spent */
  part = (gdouble) (dcnn_now_ns () - start) /
      (gdouble) MAX (1, run.expand_ns + run.depthwise_ns + run.end_ns);
  count_inner (stream, plan, &run, block->depthwise, count,
      (gint64) (part * (gdouble) run.depthwise_ns));
  if (block->expand >= 0)
    count_inner (stream, plan, &run, block->expand,
        run.needs ? dcnn_mask_count (run.needs) :
        map_pixels (plan, block->expand),
        (gint64) (part * (gdouble) run.expand_ns));
}
