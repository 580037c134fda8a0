/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_stage_tables.h - fills a DcnnStage from the cpu's stage of the same
 * frames. Tables are the cpu's: whoever computes elsewhere copies them and
 * puts its own addresses in.
 */
#ifndef DCNN_STAGE_TABLES_H
#define DCNN_STAGE_TABLES_H

#include <string.h>

#include "dcnn_stage_math.h"
#include "input_stage.h"

static inline DcnnStageAxis
dcnn_stage_axis (const DcnnInputAxis *axis)
{
  return (DcnnStageAxis) { axis->first, axis->weight, axis->taps, axis->begin,
    axis->end };
}

/* All but planes and strides. */
static inline void
dcnn_stage_init (DcnnStage *s, const DcnnInputGeometry *g,
    DcnnPixelFormat format, const DcnnInputTables *t)
{
  static const uint8_t bytes[DCNN_FORMAT_COUNT] = {
#define DCNN_X(e, n, p, b) b,
    DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  };

  *s = (DcnnStage) { .bytes = bytes[format], .width = g->width,
    .height = g->height, .dst_x = g->dst_x, .dst_y = g->dst_y,
    .dst_w = g->dst_w, .dst_h = g->dst_h, .unscaled = t->unscaled,
    .src_x = t->src_x, .src_y = t->src_y };
  s->kind = format == DCNN_FORMAT_NV12 ? DCNN_STAGE_NV12 :
      format == DCNN_FORMAT_I420 ? DCNN_STAGE_I420 :
      format == DCNN_FORMAT_GRAY8 ? DCNN_STAGE_GRAY : DCNN_STAGE_RGB;
  s->bgr = format == DCNN_FORMAT_BGR || format == DCNN_FORMAT_BGRX ||
      format == DCNN_FORMAT_BGRA;
  memcpy (s->fill, g->fill, 3);
  s->luma = (DcnnStagePlane) { dcnn_stage_axis (t->luma_x),
    dcnn_stage_axis (t->luma_y), t->luma_channels };
  s->chroma = (DcnnStagePlane) { dcnn_stage_axis (t->chroma_x),
    dcnn_stage_axis (t->chroma_y), t->chroma_channels };
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
