/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_stage_tables.h - fills a DcnnStage from the tables of the frames'
 * size and format. Whoever computes elsewhere copies them and puts its own
 * addresses in.
 */
#ifndef DCNN_STAGE_TABLES_H
#define DCNN_STAGE_TABLES_H

#include <string.h>

#include "dcnn_input_tables.h"
#include "dcnn_stage_math.h"

static inline DcnnStageAxis
dcnn_stage_axis (const DcnnInputAxis *axis)
{
  return (DcnnStageAxis) { axis->first, axis->weight, axis->taps, axis->begin,
    axis->end };
}

static inline DcnnStagePlane
dcnn_stage_plane (const DcnnInputPlane *plane)
{
  return (DcnnStagePlane) { dcnn_stage_axis (&plane->x),
    dcnn_stage_axis (&plane->y), plane->channels };
}

/* All but planes and strides. */
static inline void
dcnn_stage_init (DcnnStage *s, const DcnnInputGeometry *g,
    const DcnnInputTables *t)
{
  *s = (DcnnStage) { .bytes = dcnn_input_bytes (t->format),
    .bgr = dcnn_input_is_bgr (t->format), .width = g->width,
    .height = g->height, .dst_x = g->dst_x, .dst_y = g->dst_y,
    .dst_w = g->dst_w, .dst_h = g->dst_h, .unscaled = t->unscaled,
    .src_x = t->src_x, .src_y = t->src_y };
  s->kind = t->format == DCNN_FORMAT_NV12 ? DCNN_STAGE_NV12 :
      t->format == DCNN_FORMAT_I420 ? DCNN_STAGE_I420 :
      t->format == DCNN_FORMAT_GRAY8 ? DCNN_STAGE_GRAY : DCNN_STAGE_RGB;
  memcpy (s->fill, g->fill, 3);
  s->luma = dcnn_stage_plane (&t->luma);
  s->chroma = dcnn_stage_plane (&t->chroma);
}

static inline void
dcnn_stage_set_matrix (DcnnStage *s, const DcnnFrame *frame)
{
  DcnnInputMatrix m;

  dcnn_input_matrix_init (&m, frame);
  s->offset = m.offset;
  s->y = m.y;
  s->rv = m.rv;
  s->gu = m.gu;
  s->gv = m.gv;
  s->bu = m.bu;
}

#endif
