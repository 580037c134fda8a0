/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_dense.c - maps to dense tensors, and the way back into a map.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

gboolean
dcnn_all_changes (DcnnSession *session, DcnnStream *stream, gint map,
    DcnnMask *changes)
{
  DcnnMask pieces = dcnn_room (session, ROOM_PIECES, plan_map (session->plan,
      map));
  const DcnnMask *mask = dcnn_stream_mask (session->plan, stream->masks, map,
      &pieces), *exact;
  gboolean any = mask != NULL;

  if (any)
    dcnn_mask_copy (changes, mask);
  if (!stream->cpu->settling.now)
    return any;
  exact = dcnn_stream_mask (session->plan, stream->cpu->exact, map, &pieces);
  if (exact && any)
    dcnn_mask_or (changes, exact);
  else if (exact)
    dcnn_mask_copy (changes, exact);
  return any || exact;
}

/* ---- gather ------------------------------------------------------------------------ */

/* n pixels into the tensor: where its channels follow each other, as the map's
 * do, pixel by pixel; else channels outside, pixels inside, so that neighbours
 * share the cache lines they write. */
static void
scatter_pixels (const PlanMap *map, const PlanGatherSource *s,
    const float *const *pixels, const gint64 *at, guint n, DcnnTensor *to)
{
  if (to->dtype == DCNN_DTYPE_F32 && s->stride_c == 1) {
    for (guint c = 0, run; c < map->channels; c += run) {
      const guint32 from = plan_position (map, c);
      for (run = 1; c + run < map->channels &&
          plan_position (map, c + run) == from + run;)
        run++;
      for (guint i = 0; i < n; i++)
        memcpy ((float *) to->data + at[i] + c, pixels[i] + from,
            run * sizeof (float));
    }
    return;
  }
  for (guint c = 0; c < map->channels; c++) {
    guint32 position = plan_position (map, c);
    if (to->dtype == DCNN_DTYPE_F32) {
      float *out = (float *) to->data + c * s->stride_c;
      for (guint i = 0; i < n; i++)
        out[at[i]] = pixels[i][position];
    } else if (to->dtype == DCNN_DTYPE_I64) {
      gint64 *out = (gint64 *) to->data + c * s->stride_c;
      for (guint i = 0; i < n; i++)
        out[at[i]] = (gint64) pixels[i][position];
    }
  }
}

void
dcnn_mark_pixel (DcnnStream *stream, gint tensor, const PlanMap *map,
    const PlanGatherSource *s, guint y, guint x)
{
  const DcnnTensor *t = &stream->cpu->tensors[tensor];
  gint64 at = s->base + (gint64) y * s->stride_y + (gint64) x * s->stride_x;
  gint64 length = t->rank > 0 ? t->dims[t->rank - 1] : 1;
  gint64 last = at + (gint64) (map->channels - 1) * s->stride_c;

  dcnn_mark_rows (stream, tensor, MIN (at, last) / length,
      MAX (at, last) / length);
}

static void
mark_pixels (DcnnStream *stream, gint tensor, const PlanMap *map,
    const PlanGatherSource *s, const DcnnMask *mask)
{
  for (guint by = 0; by < mask->blocks_y; by++)
    for (guint bx = 0; bx < mask->blocks_x; bx++) {
      guint64 word = mask->words[by * mask->blocks_x + bx];
      for (; word; word &= word - 1) {
        guint bit = (guint) __builtin_ctzll (word);
        dcnn_mark_pixel (stream, tensor, map, s, by * 8 + bit / 8,
            bx * 8 + bit % 8);
      }
    }
}

static void
scatter_block (const DcnnMap *from, const PlanMap *map,
    const PlanGatherSource *s, DcnnTensor *to, guint by, guint bx,
    guint64 word)
{
  const float *pixels[64];
  gint64 at[64];
  guint n = 0;

  for (; word; word &= word - 1, n++) {
    guint bit = (guint) __builtin_ctzll (word);
    guint y = by * 8 + bit / 8, x = bx * 8 + bit % 8;
    pixels[n] = dcnn_map_pixel (from, y, x);
    at[n] = s->base + y * s->stride_y + x * s->stride_x;
  }
  scatter_pixels (map, s, pixels, at, n, to);
}

static void
scatter_mask (const DcnnMap *from, const PlanMap *map,
    const PlanGatherSource *s, DcnnTensor *to, const DcnnMask *mask)
{
  for (guint by = 0; by < mask->blocks_y; by++)
    for (guint bx = 0; bx < mask->blocks_x; bx++) {
      guint64 word = mask->words[by * mask->blocks_x + bx];
      if (word)
        scatter_block (from, map, s, to, by, bx, word);
    }
}

typedef struct ScatterWork {
  const DcnnMap *from;
  const PlanMap *map;
  const PlanGatherSource *source;
  DcnnTensor *to;
} ScatterWork;

/* A row whose pixels lie evenly here and follow each other in the tensor. */
static void
scatter_even (const PlanMap *map, const float *from, gsize gap,
    gint64 stride_c, float *to)
{
  for (guint c = 0; c < map->channels; c++, to += stride_c) {
    const float *at = from + plan_position (map, c);
    for (guint x = 0; x < map->width; x++)
      to[x] = at[x * gap];
  }
}

/* Rows begin .. end-1 of a whole map, some cache lines of pixels at a time. */
static void
scatter_rows (gpointer data, gsize begin, gsize end, guint thread)
{
  const ScatterWork *work = data;
  const PlanMap *map = work->map;
  const PlanGatherSource *s = work->source;
  const guint32 *columns = work->from->col_offset;
  const gsize gap = map->width > 1 ? columns[1] - columns[0] : 1;
  const gboolean even = s->stride_x == 1 &&
      work->to->dtype == DCNN_DTYPE_F32 && map->width > 1 &&
      columns[map->width - 1] == columns[0] + (map->width - 1) * gap;
  const float *pixels[16];
  gint64 at[16];

  for (gsize y = begin; y < end; y++) {
    if (even) {
      scatter_even (map, dcnn_map_pixel (work->from, (guint32) y, 0), gap,
          s->stride_c, (float *) work->to->data + s->base + (gint64) y * s->stride_y);
      continue;
    }
    for (guint x = 0; x < map->width; x += 16) {
      guint n = MIN (16, map->width - x);
      for (guint i = 0; i < n; i++) {
        pixels[i] = dcnn_map_pixel (work->from, (guint32) y, x + i);
        at[i] = s->base + (gint64) y * s->stride_y + (x + i) * s->stride_x;
      }
      scatter_pixels (map, s, pixels, at, n, work->to);
    }
  }
}

static void
scatter_all (DcnnSession *session, const DcnnMap *from, const PlanMap *map,
    const PlanGatherSource *s, DcnnTensor *to)
{
  ScatterWork work = { from, map, s, to };

  dcnn_run_parallel (session, map->height, MAX (1, map->height / 8),
      (guint64) 4 * map->width * map->height * map->channels, scatter_rows,
      &work);
}

void
dcnn_run_gather (DcnnSession *session, DcnnStream *stream, gint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  gint index = session->plan->values[node->value].tensor;
  gboolean rows = dcnn_forget_rows (stream, index), changed = FALSE;

  for (guint i = 0; i < node->sources->len; i++) {
    const PlanGatherSource *s =
        &g_array_index (node->sources, PlanGatherSource, i);
    const PlanMap *map = plan_map (session->plan, s->map);
    DcnnMask mask = dcnn_room (session, ROOM_CANDIDATES, map);
    if (stream->cpu->dense || stream->cpu->move.active) {
      scatter_all (session, &stream->cpu->maps[s->map], map, s,
          &stream->cpu->tensors[index]);
      dcnn_mark_rows (stream, index, 0, -1);
      changed = TRUE;
      continue;
    }
    if (!dcnn_all_changes (session, stream, s->map, &mask))
      continue;
    scatter_mask (&stream->cpu->maps[s->map], map, s,
        &stream->cpu->tensors[index], &mask);
    if (rows)
      mark_pixels (stream, index, map, s, &mask);
    changed = TRUE;
  }
  stream->cpu->tensor_changed[index] = changed;
}

/* ---- import ----------------------------------------------------------------------------- */

/* A whole row of the map: channels of a pixel lie `step` floats apart, pixels
 * `across`. */
static void
import_row (const PlanMap *map, const DcnnMap *to, guint y, const float *from,
    gsize step, gsize across)
{
  float *const row = to->data + to->row_offset[y];
  const float *const green = from + step, *const blue = from + 2 * step;

  if (map->channels == 3)
    for (guint x = 0; x < map->width; x++) {
      float *pixel = row + to->col_offset[x];
      pixel[0] = from[x * across];
      pixel[1] = green[x * across];
      pixel[2] = blue[x * across];
    }
  else
    for (guint x = 0; x < map->width; x++)
      for (guint c = 0; c < map->channels; c++)
        row[to->col_offset[x] + c] = from[x * across + c * step];
}

void
dcnn_import_tensor (DcnnSession *session, DcnnStream *stream, gint index,
    const DcnnTensor *tensor, gboolean nhwc, gfloat threshold)
{
  const PlanMap *map = plan_map (session->plan, index);
  const DcnnMap *to = &stream->cpu->maps[index];
  StreamMask *updated = &stream->masks[map->mask];
  gsize plane = (gsize) map->width * map->height;
  gsize step = nhwc ? 1 : plane, across = nhwc ? map->channels : 1;
  const float *from = tensor->data;
  gint y0, y1, x0, x1;

  dcnn_stream_seen (stream, map, &y0, &y1, &x0, &x1);
  dcnn_mask_clear (&updated->mask);
  stream->cpu->exact[map->mask].any = FALSE;
  if (stream->cpu->dense) {
    for (guint y = 0; y < map->height; y++)
      import_row (map, to, y, from + (gsize) y * map->width * across, step,
          across);
    dcnn_mask_fill (&updated->mask);
    updated->any = plane > 0;
    return;
  }
  for (guint y = 0; y < map->height; y++)
    for (guint x = 0; x < map->width; x++) {
      const float *v = from + ((gsize) y * map->width + x) * across;
      float *s = dcnn_map_pixel (to, y, x);
      gboolean news = (gint) y < y0 || (gint) y >= y1 || (gint) x < x0 ||
          (gint) x >= x1;
      for (guint c = 0; !news && c < map->channels; c++)
        news = !(fabsf (v[c * step] - s[c]) <= threshold);
      if (!news)
        continue;
      for (guint c = 0; c < map->channels; c++)
        s[c] = v[c * step];
      dcnn_mask_set (&updated->mask, y, x);
    }
  updated->any = dcnn_mask_any (&updated->mask);
}

void
dcnn_run_import (DcnnSession *session, DcnnStream *stream, gint n)
{
  const PlanNode *node = plan_node (session->plan, n);
  gint tensor = session->plan->values[node->value].tensor;
  gint mask = plan_map (session->plan, node->out)->mask;

  stream->masks[mask].any = FALSE;
  stream->cpu->exact[mask].any = FALSE;
  if (stream->cpu->dense || stream->cpu->tensor_changed[tensor])
    dcnn_import_tensor (session, stream, node->out,
        &stream->cpu->tensors[tensor], FALSE, 0);
}
