/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_launch.c - the plan's nodes as launches.
 */
#include "cuda.h"

#include <math.h>
#include <string.h>

/* Pixels of a map that a frame is expected to change, of all streams: a square
 * of a twentieth of the picture, grown by what deep nodes see beyond it.
 * Blocks for more take turns. */
static gdouble
expected_pixels (const DcnnSession *session, const PlanMap *out)
{
  return MIN (out->width, 8 + 0.25 * out->width) *
      MIN (out->height, 8 + 0.25 * out->height) * session->n_streams;
}

/* Entries that a list has to be expected to have for the kernel of longer ones, whose
 * blocks leave no room for those of parallel branches, and channels of rows; more entries
 * where these are few. */
#define LONG_FROM 9000
#define LONG_CHANNELS 96
#define LONG_FEW_FROM 50000
#define LONG_FEW 64
/* The same where so much changes that it stands beside squares, which do for more. */
#define BESIDE_FROM 9000
#define BESIDE_JUDGED_FROM 2000
#define BESIDE_CHANNELS 96

/* ---- what can run ------------------------------------------------------------- */

static gboolean
refuse (const PlanNode *node, const char *why, GError **error)
{
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "device=cuda cannot run node '%s' (%s): %s; use device=cpu", node->name,
      node->ops->str, why);
  return FALSE;
}

static gboolean
accepts_node (const DcnnPlan *plan, const PlanNode *node, GError **error)
{
  const guint most = DCNN_CUDA_MAX_SOURCES * DCNN_CUDA_MAX_SOURCES;
  guint sources = 0;

  for (guint i = 0; node->kind == PLAN_GATHER && i < node->sources->len; i++)
    sources = MAX (sources, plan_count_masks (plan, g_array_index (
                node->sources, PlanGatherSource, i).map));
  for (guint i = 0; node->terms && i < node->terms->len; i++)
    sources += plan_count_masks (plan, g_array_index (node->terms, PlanTerm,
            i).map);
  if (node->kind == PLAN_GLOBAL)
    sources = plan_count_masks (plan, node->in);
  if (sources > most)
    return refuse (node, "it reads more than 1024 maps", error);
  return TRUE;
}

gboolean
dcnn_cuda_accepts (const DcnnPlan *plan, const DcnnSessionOptions *options,
    GError **error)
{
  (void) options;
  for (guint n = 0; n < plan->nodes->len; n++)
    if (!accepts_node (plan, plan_node (plan, n), error))
      return FALSE;
  return TRUE;
}

/* ---- pieces of a launch ---------------------------------------------------------- */

static DcnnCudaMap
map_of (const DcnnSession *session, gint index)
{
  const CudaState *state = cuda_state (session);
  const PlanMap *map = plan_map (session->plan, index);
  const PlanBuffer *b =
      &g_array_index (session->plan->buffers, PlanBuffer, map->buffer);
  DcnnCudaMap m = { .width = map->width, .height = map->height,
    .span = map->span, .pixel = state->pixels[map->buffer],
    .f32 = state->floats[map->buffer], .bf16 = state->bf16 };

  m.stream = (guint64) b->width * b->height * m.pixel;
  m.data = (guint8 *) state->buffers[map->buffer] +
      (gsize) map->offset * (m.f32 ? 4 : 2);
  return m;
}

static DcnnCudaMasks
masks_of (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);
  const PlanMap *out =
      plan_map (session->plan, plan_node (session->plan, n)->out);

  return (DcnnCudaMasks) { state->updated[out->mask], state->exact[out->mask],
    state->pending[n], (guint32) dcnn_mask_words (out->width, out->height),
    (out->width + 7) / 8 };
}

/* What kernels do without a look at each step: see DcnnCudaNode.plain. */
static void
plan_plain (const DcnnSession *session, const PlanNode *node, DcnnCudaNode *c)
{
  guint32 plain = DCNN_CUDA_PLAIN;
  gint s = 0;

  c->least = -INFINITY;
  c->most = INFINITY;

  if (s < node->n_steps && node->steps[s].kind == DCNN_STEP_ADD &&
      node->steps[s].operand == DCNN_OPERAND_MAP &&
      !map_of (session, node->steps[s].map).f32) {
    plain |= DCNN_CUDA_PLAIN_ADD;
    s++;
  }
  if (s < node->n_steps && (node->steps[s].kind == DCNN_STEP_RELU ||
          node->steps[s].kind == DCNN_STEP_CLIP)) {
    gboolean clips = node->steps[s].kind == DCNN_STEP_CLIP;
    plain |= DCNN_CUDA_PLAIN_CLIP;
    c->least = clips ? node->steps[s].a : 0;
    c->most = clips ? node->steps[s].b : INFINITY;
    s++;
  }
  c->plain = s == node->n_steps ? plain : 0;
}

static DcnnCudaNode
node_of (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);
  const CudaNode *packed = &((CudaWeights *) session->weights)->nodes[n];
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  gint l = state->early_now[n] ? state->early_list[n] : state->list_of[n];
  gint take = state->take_of[n];
  DcnnCudaNode c = { .list = l < 0 ? NULL : state->lists[l].list,
    .count = l < 0 ? NULL : state->lists[l].count,
    .squares = l < 0 ? NULL : state->lists[l].squares,
    .n_squares = l < 0 ? NULL : state->lists[l].n_squares,
    .passes = node->kind == PLAN_KERNEL && node->passes_on,
    .streams = state->streams, .judge = take < 0 ? state->judges + n :
        dcnn_cuda_merge (state, (guint) take)->judge,
    .judge_stride = take < 0 ? session->plan->nodes->len : 1,
    .weight = state->weights[n],
    .weight_stride = dcnn_padded (out->span) };

  c.in = map_of (session, dcnn_cuda_reads (session, n));
  c.out = map_of (session, node->out);
  c.masks = masks_of (session, n);
  c.n_steps = (guint32) node->n_steps;
  plan_plain (session, node, &c);
  for (gint s = 0; s < node->n_steps; s++) {
    const PlanStep *from = &node->steps[s];
    DcnnCudaStep *to = &c.steps[s];
    to->kind = (gint32) from->kind;
    to->operand = (gint32) from->operand;
    to->a = from->a;
    to->b = from->b;
    to->vector = packed->vectors[s];
    if (from->map >= 0)
      to->map = map_of (session, from->map);
  }
  return c;
}

/* A convolution where maps are floats. */
static cudaError_t
launch_floats (const DcnnSession *session, guint n, DcnnCudaConv *c,
    guint64 expected, DcnnCudaQueue queue)
{
  CudaState *state = cuda_state (session);
  cudaError_t e = cudaSuccess;
  gsize room = dcnn_cuda_floats_shape (c, expected, &state->device);

  c->weights = state->exact_weights[n];
  if (room > 0)
    c->room = dcnn_cuda_take (state, room, &e);
  return e == cudaSuccess ? dcnn_cuda_floats (c, state->tf32, queue) : e;
}

/* What it reads, and this normalises. */
static void
add_norm (const PlanNode *norm, const CudaNode *packed, DcnnCudaConv *c)
{
  const PlanStep *last = &norm->steps[norm->n_steps - 1];

  c->norm = packed->norm;
  c->norm_least = last->kind == DCNN_STEP_RELU ? 0 :
      last->kind == DCNN_STEP_CLIP ? last->a : -INFINITY;
  c->norm_most = last->kind == DCNN_STEP_CLIP ? last->b : INFINITY;
}

/* A convolution of maps that are no floats, shared out. Returns the bytes of its room. */
static gsize
shape_conv (const DcnnSession *session, guint n, DcnnCudaConv *c)
{
  const CudaState *state = cuda_state (session);
  const CudaNode *packed = &((CudaWeights *) session->weights)->nodes[n];
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *out = plan_map (session->plan, node->out);
  gdouble most;

  *c = (DcnnCudaConv) { .node = node_of (session, n),
    .weights = packed->weights, .bias = packed->bias,
    .n_padded = packed->n_padded, .k_padded = packed->k_padded,
    .span8 = packed->span8,
    .transposed = node->primary == DCNN_PRIMARY_CONV_TRANSPOSE };
  dcnn_cuda_copy_window (&node->op.conv.window, c->kernel, c->stride,
      c->dilation, c->pad);
  if (state->fold_of[n] >= 0)
    add_norm (plan_node (session->plan, state->fold_of[n]), packed, c);
  if (state->exact_weights)
    return 0;
  /* of many streams, one's longer list is another's shorter one; graphs for
   * much work have room for more, and so for wide tiles */
  most = MIN ((session->n_streams > 1 && state->levels[state->level].from == 0 ?
          1 : 2) * expected_pixels (session, out),
      (gdouble) out->width * out->height * session->n_streams);
  if (state->switches.wide)
    most = G_MAXUINT32; /* blocks that take any list, however short */
  return dcnn_cuda_conv_shape (c, (guint64) out->width * out->height,
      (guint64) expected_pixels (session, out), (guint64) most,
      &state->device);
}

/* Entries that a node's list is expected to have in the level at hand. */
static guint64
expected_entries (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);
  const PlanMap *out =
      plan_map (session->plan, plan_node (session->plan, n)->out);

  return state->levels[state->level].squares ? (guint64) out->width * out->height *
      session->n_streams / 4 : (guint64) expected_pixels (session, out);
}

/* Of several streams' nodes, those that the kernel of longer lists is quicker with. */
static gboolean
prefers_long (const DcnnSession *session, guint n, const DcnnCudaConv *c)
{
  const CudaState *state = cuda_state (session);
  guint64 entries = expected_entries (session, n);

  if (session->n_streams == 1 || c->n_padded < LONG_FEW)
    return FALSE;
  if (state->levels[state->level].squares)
    return c->n_padded >= BESIDE_CHANNELS &&
        entries >= (c->node.passes ? BESIDE_FROM : BESIDE_JUDGED_FROM);
  return entries >= (c->n_padded < LONG_CHANNELS ? LONG_FEW_FROM : LONG_FROM);
}

/* ... and those of them that it can take. */
static gboolean
takes_long (const DcnnSession *session, guint n, const DcnnCudaConv *c)
{
  const CudaState *state = cuda_state (session);

  return (state->switches.longs < 0 ? prefers_long (session, n, c) :
      state->switches.longs > 0) && state->exact_weights == NULL &&
      dcnn_cuda_long_accepts (c, session->n_streams, &state->device);
}

static gboolean
is_conv (const PlanNode *node)
{
  return node->primary == DCNN_PRIMARY_CONV ||
      node->primary == DCNN_PRIMARY_CONV_TRANSPOSE;
}

static cudaError_t
launch_conv (DcnnSession *session, guint n, DcnnCudaQueue queue)
{
  CudaState *state = cuda_state (session);
  DcnnCudaConv c;
  gsize room = shape_conv (session, n, &c);
  cudaError_t e = cudaSuccess;

  if (state->exact_weights)
    return launch_floats (session, n, &c, (guint64) expected_pixels (session,
            plan_map (session->plan, plan_node (session->plan, n)->out)),
        queue);
  if (dcnn_cuda_runs_whole (session, n))
    return dcnn_cuda_dense_accepts (&c, &state->device) ?
        dcnn_cuda_dense (&c, session->n_streams, &state->device, queue) :
        dcnn_cuda_few (&c, session->n_streams, &state->device, queue);
  if (dcnn_cuda_runs_squares (session, n))
    return dcnn_cuda_squares (&c, session->n_streams, &state->device, queue);
  if (dcnn_cuda_runs_long (session, n))
    return dcnn_cuda_long (&c, expected_entries (session, n), session->n_streams,
        &state->device, queue);
  if (room > 0 && state->conv_rooms[n] == NULL)
    state->conv_rooms[n] = dcnn_cuda_take (state, room, &e);
  c.room = state->conv_rooms[n];
  if (e != cudaSuccess)
    return e;
  if (c.wide_from != UINT32_MAX && state->switches.wide)
    c.wide_from = 0; /* for tests, whose lists are short */
  return dcnn_cuda_conv (&c, queue);
}

static DcnnCudaRows
rows_of (const DcnnSession *session, guint n)
{
  const CudaNode *packed = &((CudaWeights *) session->weights)->nodes[n];
  const PlanNode *node = plan_node (session->plan, n);
  const PlanOp *op = &node->op;
  const PlanMap *in = plan_map (session->plan, node->in);
  const PlanMap *out = plan_map (session->plan, node->out);
  const CudaState *state = cuda_state (session);
  gdouble pixels = state->levels[state->level].whole ?
      (gdouble) out->width * out->height * session->n_streams :
      expected_pixels (session, out);
  gdouble work = pixels * MIN (32, dcnn_padded (out->span) / 8);
  gboolean pool = node->primary == DCNN_PRIMARY_MAX_POOL ||
      node->primary == DCNN_PRIMARY_AVERAGE_POOL;
  const DcnnWindow *window = pool ? &op->pool.window : &op->conv.window;
  DcnnCudaRows r = { .node = node_of (session, n),
    .primary = (gint32) node->primary, .weights = packed->weights,
    .bias = packed->bias, .source = packed->source,
    .index_y = packed->index_y, .index_x = packed->index_x,
    .weight_y = packed->weight_y, .weight_x = packed->weight_x,
    .taps_y = node->taps_y, .taps_x = node->taps_x, .block = op->block,
    .fill = node->primary == DCNN_PRIMARY_RESAMPLE ? op->fill : 0,
    .epsilon = op->epsilon, .channels = op->in_channels };

  dcnn_cuda_copy_window (window, r.kernel, r.stride, r.dilation, r.pad);
  r.node.blocks = (guint32) CLAMP (work / 256, 1,
      4 * cuda_state (session)->device.multiprocessors);
  if (pool) {
    r.flag = op->pool.count_include_pad;
    r.group_in = in->height + (guint) window->pad_end[0];
    r.group_out = in->width + (guint) window->pad_end[1];
  } else if (node->primary == DCNN_PRIMARY_GROUP_CONV) {
    r.channels = op->out_channels;
    r.group_in = op->in_channels / (guint) op->conv.groups;
    r.group_out = op->out_channels / (guint) op->conv.groups;
  } else {
    r.flag = node->primary == DCNN_PRIMARY_SOFTMAX ? (guint) op->log_form :
        node->primary == DCNN_PRIMARY_ARG_MAX ? (guint) op->select_last :
        (guint) op->reduce;
  }
  return r;
}

static cudaError_t
launch_rows (const DcnnSession *session, guint n, DcnnCudaQueue queue)
{
  const CudaState *state = cuda_state (session);
  DcnnCudaRows r = rows_of (session, n);

  return dcnn_cuda_runs_whole (session, n) ? dcnn_cuda_dense_rows (&r,
      session->n_streams, &state->device, queue) : dcnn_cuda_rows (&r, queue);
}

gboolean
dcnn_cuda_runs_whole (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);
  const PlanNode *node = plan_node (session->plan, (gint) n);
  DcnnCudaConv c;
  DcnnCudaRows r;

  if (!state->levels[state->level].whole || node->kind != PLAN_KERNEL)
    return FALSE;
  if (!is_conv (node)) {
    r = rows_of (session, n);
    return dcnn_cuda_dense_rows_accepts (&r, session->n_streams,
        &state->device);
  }
  (void) shape_conv (session, n, &c);
  return dcnn_cuda_dense_accepts (&c, &state->device) ||
      dcnn_cuda_few_accepts (&c, &state->device);
}

gboolean
dcnn_cuda_may_run_long (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);
  const PlanNode *node = plan_node (session->plan, (gint) n);
  DcnnCudaConv c;

  if (state->levels[state->level].whole || node->kind != PLAN_KERNEL ||
      !is_conv (node) || dcnn_cuda_runs_squares (session, n))
    return FALSE;
  (void) shape_conv (session, n, &c);
  return takes_long (session, n, &c);
}

gboolean
dcnn_cuda_runs_long (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);

  return (state->levels[state->level].squares || !state->is_short[n]) &&
      dcnn_cuda_may_run_long (session, n);
}

gboolean
dcnn_cuda_runs_squares (const DcnnSession *session, guint n)
{
  const CudaState *state = cuda_state (session);
  const PlanNode *node = plan_node (session->plan, (gint) n);
  DcnnCudaConv c;
  gdouble tiles;

  if (!state->levels[state->level].squares || node->kind != PLAN_KERNEL ||
      !is_conv (node))
    return FALSE;
  (void) shape_conv (session, n, &c);
  if (!dcnn_cuda_squares_accepts (&c, &state->device) ||
      (state->switches.squares < 0 && takes_long (session, n, &c)))
    return FALSE;
  /* where those of all of the map would not fill the device, lists share more out */
  tiles = c.node.masks.words * session->n_streams / 2.0 * MAX (1,
      c.n_padded / 128.0);
  return tiles >= state->device.multiprocessors ||
      state->switches.squares > 0;
}

gboolean
dcnn_cuda_fits_beside (const DcnnSession *session, guint n, guint words,
    guint n_lists)
{
  const CudaState *state = cuda_state (session);
  const PlanNode *node = plan_node (session->plan, (gint) n);
  DcnnCudaBeside lists = { .n = n_lists, .n_streams = session->n_streams };
  DcnnCudaConv c;

  if (state->exact_weights || node->primary != DCNN_PRIMARY_CONV ||
      dcnn_cuda_may_run_long (session, n)) /* whatever its lengths: lists stay in order */
    return FALSE;
  return shape_conv (session, n, &c) == 0 &&
      dcnn_cuda_beside_shape (&c, words, &lists, &state->device);
}

cudaError_t
dcnn_cuda_launch_beside (DcnnSession *session, guint n, guint words,
    DcnnCudaBeside *lists, DcnnCudaQueue queue)
{
  const CudaState *state = cuda_state (session);
  DcnnCudaConv c;

  if (shape_conv (session, n, &c) != 0 ||
      !dcnn_cuda_beside_shape (&c, words, lists, &state->device))
    return cudaErrorInvalidValue;
  return dcnn_cuda_beside (&c, lists, queue);
}

static cudaError_t
launch_global (DcnnSession *session, guint n, DcnnCudaQueue queue)
{
  CudaState *state = cuda_state (session);
  const CudaNode *packed = &((CudaWeights *) session->weights)->nodes[n];
  const PlanNode *node = plan_node (session->plan, n);
  cudaError_t none = cudaSuccess;
  g_autoptr (GArray) reads = NULL;
  DcnnCudaGlobal g = { .node = node_of (session, n),
    .n_streams = session->n_streams, .maximum = (guint32) node->maximum,
    .norm = node->norm != NULL, .group = packed->group,
    .scale = packed->scale, .bias = packed->bias, .room = state->rooms[n] };

  if (node->norm) {
    g.n_groups = node->norm->n_groups;
    g.group_channels = node->norm->group_channels;
    g.epsilon = node->norm->epsilon;
  }
  reads = dcnn_cuda_reads_of_global (session, n, &none);
  dcnn_cuda_add_reads (session, reads, g.sources, &g.n_sources);
  return dcnn_cuda_global (&g, queue);
}

static cudaError_t
launch_gather (DcnnSession *session, guint n, DcnnCudaQueue queue)
{
  CudaState *state = cuda_state (session);
  const DcnnPlan *plan = session->plan;
  const PlanNode *node = plan_node (plan, n);
  const guint32 *position =
      ((CudaWeights *) session->weights)->nodes[n].source;
  cudaError_t e = cudaSuccess;

  for (guint p = 0; p < state->parcels->len && e == cudaSuccess; p++) {
    const CudaParcel *parcel = dcnn_cuda_parcel (state, p);
    DcnnCudaGather g = { .n_streams = session->n_streams,
      .channels = parcel->channels, .streams = state->streams,
      .position = position, .owed = parcel->owed, .bit = parcel->bit,
      .entries = parcel->entries, .entries_stream = parcel->words,
      .count = state->counters + cuda_counter (session, CUDA_ENTRIES) +
          p * session->n_streams };
    gint map;
    if (parcel->node != n)
      continue;
    map = g_array_index (node->sources, PlanGatherSource, parcel->source).map;
    g.map = map_of (session, map);
    if (state->levels[state->level].exit > 0)
      g.ran = state->counters + cuda_counter (session, CUDA_RAN);
    dcnn_cuda_add_sources (session, map, g.sources, &g.n_sources);
    e = dcnn_cuda_gather (&g, queue);
    queue.overlaps = FALSE; /* parts of one tensor */
    position += g.channels;
  }
  return e;
}

/* ---- whole nodes --------------------------------------------------------------------- */

cudaError_t
dcnn_cuda_launch_input (DcnnSession *session, guint m, DcnnCudaQueue queue)
{
  CudaState *state = cuda_state (session);
  DcnnCudaInput input = { .list = state->input_list[m],
    .values = state->input_values[m], .count = state->input_count + m };

  input.map = map_of (session, (gint) m);
  input.values_stride = input.map.span;
  return dcnn_cuda_input (&input, queue);
}

cudaError_t
dcnn_cuda_launch_node (DcnnSession *session, guint n, DcnnCudaQueue queue)
{
  const PlanNode *node = plan_node (session->plan, n);

  switch (node->kind) {
    case PLAN_KERNEL:
      return is_conv (node) ? launch_conv (session, n, queue) :
          launch_rows (session, n, queue);
    case PLAN_GLOBAL:
      return launch_global (session, n, queue);
    case PLAN_GATHER:
      return launch_gather (session, n, queue);
    default:
      return cudaSuccess;
  }
}
