/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_global.c - global operators: a map reduced to one pixel by sums per 8x8
 * block, recomputed for changed blocks only and added up in one order, so that
 * nothing drifts. Poolings, and the moments of instance and group
 * normalisation.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

/* What became of a global value: unchanged, or not enough; changed; only
 * settled (its readers follow within the budget). */
typedef enum GlobalNews { GLOBAL_SAME, GLOBAL_CHANGED, GLOBAL_SETTLED }
    GlobalNews;

/* The new row and how far it is from the stored one. */
typedef struct GlobalRow {
  float *values;           /* [n], in scratch */
  guint n;
  gboolean differs;        /* in some bit */
  gdouble change, size;    /* squares: of the change, of what it counts by */
} GlobalRow;

/* ---- poolings -------------------------------------------------------------- */

/* The sum (maximum) over all blocks, in one fixed order. */
static gdouble
total_of_blocks (const CpuNodeState *state, gsize blocks, guint width,
    gboolean maximum, guint channel)
{
  gdouble total = maximum ? -INFINITY : 0;

  for (gsize i = 0; i < blocks; i++) {
    float v = state->sums[i * width + channel];
    total = !maximum ? total + v : v > total || isnan (v) ? v : total;
  }
  return total;
}

static void
pool_row (DcnnSession *session, DcnnStream *stream, gint n, GlobalRow *row)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *in = plan_map (session->plan, node->in);
  const float *s = dcnn_map_pixel (&stream->cpu->maps[node->out], 0, 0);
  gsize blocks = dcnn_mask_words (in->width, in->height);
  gdouble pixels = (gdouble) in->width * in->height;

  row->n = in->span;
  for (guint c = 0; c < in->span; c++) {
    gdouble total = total_of_blocks (&stream->cpu->nodes[n], blocks,
        dcnn_padded (in->span), node->maximum, c);
    float v = (float) (node->maximum ? total : total / pixels);
    row->values[c] = v;
    row->change += (v - s[c]) * (v - s[c]);
    row->size += s[c] * s[c];
    row->differs |= v != s[c];
  }
}

/* ---- moments ---------------------------------------------------------------- */

typedef struct MomentsWork {
  const DcnnSession *session;
  const DcnnMap *map;
  const guint32 *blocks;
  guint blocks_x;
  gdouble *moments;
} MomentsWork;

static void
moments_work (gpointer data, gsize begin, gsize end, guint thread)
{
  const MomentsWork *w = data;

  w->session->cpu->kernels->block_moments (w->map, w->blocks + begin, end -
      begin, w->blocks_x, w->moments);
}

/* Each channel's value becomes the mean over its group's channels. room:
 * [n_groups] */
static void
share_in_groups (const PlanNorm *norm, const CpuNode *packed, guint span,
    gdouble *channel, gdouble *room)
{
  memset (room, 0, norm->n_groups * sizeof *room);
  for (guint c = 0; c < span; c++)
    if (packed->group[c] != UINT32_MAX)
      room[packed->group[c]] += channel[c];
  for (guint c = 0; c < span; c++)
    channel[c] = packed->group[c] == UINT32_MAX ? 0 :
        room[packed->group[c]] / norm->group_channels;
}

/* Mean and variance of each channel's group from its blocks' (Chan, Golub and
 * LeVeque 1979): squares of what is left after the mean only, so nothing
 * cancels. */
static void
total_moments (const PlanNorm *norm, const CpuNode *packed, const PlanMap *in,
    const gdouble *moments, gdouble *mean, gdouble *variance, gdouble *room)
{
  guint blocks_x = (in->width + 7) / 8, width = dcnn_padded (in->span);
  gsize blocks = dcnn_mask_words (in->width, in->height);
  gdouble pixels = (gdouble) in->width * in->height;

  memset (mean, 0, in->span * sizeof *mean);
  memset (variance, 0, in->span * sizeof *variance);
  for (gsize b = 0; b < blocks; b++)
    for (guint c = 0; c < in->span; c++)
      mean[c] += moments[2 * b * width + c];
  for (guint c = 0; c < in->span; c++)
    mean[c] /= pixels;
  share_in_groups (norm, packed, in->span, mean, room);
  for (gsize b = 0; b < blocks; b++) {
    const gdouble *sum = moments + 2 * b * width, *squares = sum + width;
    guint h = MIN (8, in->height - (guint) (b / blocks_x) * 8);
    guint w = MIN (8, in->width - (guint) (b % blocks_x) * 8);
    gdouble n = (gdouble) w * h;
    for (guint c = 0; c < in->span; c++) {
      gdouble d = sum[c] / n - mean[c];
      variance[c] += squares[c] + n * d * d;
    }
  }
  for (guint c = 0; c < in->span; c++)
    variance[c] /= pixels;
  share_in_groups (norm, packed, in->span, variance, room);
}

/* What to subtract, multiply and add. What the mean loses as a float goes into
 * the last. A change counts by what it does to the normalised map, whose
 * spread is 1. */
static void
moments_row (DcnnSession *session, DcnnStream *stream, gint n, GlobalRow *row)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *in = plan_map (session->plan, node->in);
  const PlanNorm *norm = node->norm;
  const CpuNode *packed = dcnn_cpu_node (session, n);
  const float *s = dcnn_map_pixel (&stream->cpu->maps[node->out], 0, 0);
  guint width = dcnn_padded (in->span);
  gdouble *mean = session->cpu->spread_sums, *variance = mean + width;
  float *subtract = row->values, *multiply = subtract + width;
  float *add = multiply + width;

  total_moments (norm, packed, in, stream->cpu->nodes[n].moments, mean,
      variance, variance + width);
  row->n = 3 * width;
  memset (row->values, 0, row->n * sizeof (float));
  for (guint c = 0; c < in->span; c++) {
    gdouble inverse = 1 / sqrt (variance[c] + norm->epsilon), d;
    if (packed->group[c] == UINT32_MAX)
      continue;
    subtract[c] = (float) mean[c];
    multiply[c] = (float) (packed->scale[c] * inverse);
    add[c] = (float) (packed->bias[c] - (mean[c] - subtract[c]) *
        packed->scale[c] * inverse);
    if (packed->scale[c] == 0)
      continue;
    d = (subtract[c] - s[c]) * inverse;
    row->change += d * d;
    d = s[width + c] / multiply[c] - 1;
    row->change += d * d;
    row->size += 1;
  }
  row->differs = memcmp (row->values, s, row->n * sizeof (float)) != 0;
}

/* ---- a node ------------------------------------------------------------------- */

static gfloat
threshold_of (const DcnnSession *session, const PlanNode *node,
    const CpuNodeState *state)
{
  return !node->is_gate ? 0 :
      dcnn_criterion_global (&session->tuning, node->norm != NULL,
      state->told->threshold);
}

/* The value as its blocks have it now. */
static GlobalRow
row_of (DcnnSession *session, DcnnStream *stream, gint n)
{
  GlobalRow row = { .values = session->cpu->scratch[0] };

  if (plan_node (session->plan, n)->norm)
    moments_row (session, stream, n, &row);
  else
    pool_row (session, stream, n, &row);
  return row;
}

static void
store_row (DcnnSession *session, DcnnStream *stream, gint n,
    const GlobalRow *row)
{
  memcpy (dcnn_map_pixel (&stream->cpu->maps[plan_node (session->plan,
      n)->out], 0, 0), row->values, row->n * sizeof (float));
}

gboolean
dcnn_take_global (DcnnSession *session, DcnnStream *stream, gint n)
{
  CpuNodeState *state = &stream->cpu->nodes[n];
  StreamMask *updated = &stream->masks[plan_map (session->plan,
          plan_node (session->plan, n)->out)->mask];
  GlobalRow row;

  if (updated->any || !state->sums_valid)
    return FALSE;
  row = row_of (session, stream, n);
  if (!row.differs)
    return FALSE;
  store_row (session, stream, n, &row);
  dcnn_mask_fill (&updated->mask);
  updated->any = TRUE;
  state->told->stats.joined += 1;
  return TRUE;
}

/* regular: something in its input changed by more than settling. */
static GlobalNews
store_global (DcnnSession *session, DcnnStream *stream, gint n,
    gboolean regular)
{
  const PlanNode *node = plan_node (session->plan, n);
  gfloat t = threshold_of (session, node, &stream->cpu->nodes[n]);
  GlobalRow row = row_of (session, stream, n);
  gboolean news;

  /* NaN is news */
  news = stream->cpu->dense || (t > 0 ? !(row.change <= t * t * row.size) :
      row.differs && (regular || !stream->cpu->settling.now));
  if (!news && !(stream->cpu->settling.now && row.differs))
    return GLOBAL_SAME;
  store_row (session, stream, n, &row);
  return news ? GLOBAL_CHANGED : GLOBAL_SETTLED;
}

/* The blocks of a mask anew. */
static void
reduce_blocks (DcnnSession *session, DcnnStream *stream, gint n,
    const DcnnMask *mask)
{
  const PlanNode *node = plan_node (session->plan, n);
  const DcnnMap *map = &stream->cpu->maps[node->in];
  CpuNodeState *state = &stream->cpu->nodes[n];
  guint32 *list = session->cpu->list;
  gsize count = dcnn_mask_blocks_to_list (mask, list);

  if (node->norm) {
    MomentsWork work = { session, map, list, mask->blocks_x,
      state->moments };
    dcnn_run_parallel (session, count, MAX (4, count / session->threads / 2),
        (guint64) count * 128 * map->channels, moments_work, &work);
  } else {
    session->cpu->kernels->block_reduce (map, node->maximum, list, count,
        mask->blocks_x, state->sums);
  }
  state->sums_valid = TRUE;
  state->told->stats.candidates += (gdouble) count /
      dcnn_mask_words (map->width, map->height);
}

void
dcnn_run_global (DcnnSession *session, DcnnStream *stream, gint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  const PlanMap *in = plan_map (session->plan, node->in);
  CpuNodeState *state = &stream->cpu->nodes[n];
  gint mask = plan_map (session->plan, node->out)->mask;
  StreamMask *updated = &stream->masks[mask];
  DcnnMask changes = dcnn_room (session, ROOM_CANDIDATES, in);
  DcnnMask pieces = dcnn_room (session, ROOM_PIECES, in);
  gboolean regular = dcnn_stream_mask (session->plan, stream->masks, node->in,
      &pieces) != NULL;
  gboolean changed = dcnn_all_changes (session, stream, node->in, &changes);
  GlobalNews news;

  updated->any = FALSE;
  stream->cpu->exact[mask].any = FALSE;
  if (!changed && state->sums_valid && !stream->cpu->settling.now)
    return;
  if (!state->sums_valid || !changed)
    dcnn_mask_fill (&changes);
  reduce_blocks (session, stream, n, &changes);
  news = store_global (session, stream, n, regular);
  if (news == GLOBAL_SAME)
    return;
  if (news == GLOBAL_SETTLED)
    updated = &stream->cpu->exact[mask];
  dcnn_mask_fill (&updated->mask);
  updated->any = TRUE;
  state->told->stats.joined += 1;
}
