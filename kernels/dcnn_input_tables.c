/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dcnn_input_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHT_ONE 16384

/* ---- axes ------------------------------------------------------------------ */

/* The two taps around centre c inside lo .. hi: first, and the second's
 * weight. */
static void
bilinear_taps (double c, uint32_t lo, uint32_t hi, uint32_t *first,
    int16_t *weight)
{
  uint32_t at = lo;
  int w = 0;
  if (c >= hi) {
    at = hi;
  } else if (c > lo) {
    at = (uint32_t) c;
    w = (int) ((c - at) * WEIGHT_ONE + 0.5);
  }
  *first = at;
  weight[0] = (int16_t) (WEIGHT_ONE - w);
  weight[1] = (int16_t) w;
}

/* Box from a to b: every source pixel by how much of it lies inside. Weights
 * are differences of the rounded running sum, so they add up exactly. */
static void
area_taps (double a, double b, uint32_t hi, uint32_t *first, int16_t *weight,
    uint32_t taps)
{
  uint32_t at = a >= hi ? hi : (uint32_t) a;
  int before = 0;
  *first = at;
  for (uint32_t k = 0; k < taps; k++) {
    double until = (double) at + k + 1;
    int sum = until >= b || at + k >= hi || k + 1 == taps ? WEIGHT_ONE
        : (int) ((until - a) / (b - a) * WEIGHT_ONE + 0.5);
    weight[k] = (int16_t) (sum - before);
    before = sum;
  }
}

/* round (start, start + extent) of a plane of `size` onto n outputs. multiple:
 * taps above 2 are padded to a multiple of it, 3 to 4 where that is 8. False:
 * out of memory. */
static bool
axis_init (DcnnInputAxis *axis, DcnnScaling scaling, uint32_t size,
    double start, double extent, uint32_t n, uint32_t multiple)
{
  double step = extent / n;
  double end = start + extent;
  uint32_t lo = (uint32_t) start, hi = (uint32_t) (ceil (end) - 1);
  bool area = scaling == DCNN_SCALING_AREA && step > 1;
  hi = hi >= size ? size - 1 : hi;
  lo = lo > hi ? hi : lo;
  axis->n = n;
  axis->taps = area ? (uint32_t) ceil (step) + 1 : 2;
  if (multiple > 4 && axis->taps > 2 && axis->taps <= 4)
    axis->taps = 4;
  else if (axis->taps > 2)
    axis->taps = (axis->taps + multiple - 1) / multiple * multiple;
  axis->first = calloc (n, sizeof *axis->first);
  axis->weight = calloc ((size_t) n * axis->taps, sizeof *axis->weight);
  if (!axis->first || !axis->weight)
    return false;
  for (uint32_t i = 0; i < n; i++) {
    int16_t *weight = axis->weight + (size_t) i * axis->taps;
    if (area)
      area_taps (start + i * step, start + (i + 1) * step, hi, &axis->first[i],
          weight, axis->taps);
    else if (scaling == DCNN_SCALING_NEAREST)
      bilinear_taps (floor (start + (i + 0.5) * step), lo, hi, &axis->first[i],
          weight);
    else
      bilinear_taps (start + (i + 0.5) * step - 0.5, lo, hi, &axis->first[i],
          weight);
  }
  axis->begin = axis->first[0];
  axis->end = axis->first[n - 1] + axis->taps;
  axis->end = axis->end > hi + 1 ? hi + 1 : axis->end;
  for (uint32_t i = 0; i < n; i++)
    axis->first[i] -= axis->begin;
  return true;
}

static void
axis_clear (DcnnInputAxis *axis)
{
  free (axis->first);
  free (axis->weight);
  axis->first = NULL;
  axis->weight = NULL;
}

/* ---- planes ---------------------------------------------------------------- */

uint32_t
dcnn_input_bytes (DcnnPixelFormat format)
{
  static const uint8_t bytes[DCNN_FORMAT_COUNT] = {
#define DCNN_X(e, n, p, b) b,
    DCNN_PIXEL_FORMATS (DCNN_X)
#undef DCNN_X
  };
  return bytes[format];
}

/* region: x, y, width and height of what is shown of a plane of that size. */
static bool
plane_init (DcnnInputTables *tables, DcnnInputPlane *plane,
    const DcnnInputGeometry *g, DcnnScaling scaling, const double region[4],
    uint32_t width, uint32_t height, uint32_t channels)
{
  plane->channels = channels;
  if (!axis_init (&plane->x, scaling, width, region[0], region[2], g->dst_w,
          channels == 1 ? 8 : channels == 2 ? 4 : 2)
      || !axis_init (&plane->y, scaling, height, region[1], region[3],
          g->dst_h, 1))
    return false;
  tables->bytes += (size_t) g->dst_w * (4 + 2 * (size_t) plane->x.taps)
      + (size_t) g->dst_h * (4 + 2 * (size_t) plane->y.taps);
  return true;
}

/* The shown region of the frame, inside it, as x, y, w, h. */
static void
region_init (const DcnnInputGeometry *g, uint32_t width, uint32_t height,
    double region[4])
{
  bool whole = !(g->src_w > 0) || !(g->src_h > 0);
  double x = whole || !(g->src_x > 0) ? 0 : g->src_x;
  double y = whole || !(g->src_y > 0) ? 0 : g->src_y;
  region[0] = x = x > width - 1.0 ? width - 1.0 : x;
  region[1] = y = y > height - 1.0 ? height - 1.0 : y;
  region[2] = whole || g->src_w > width - x ? width - x : g->src_w;
  region[3] = whole || g->src_h > height - y ? height - y : g->src_h;
}

bool
dcnn_input_tables_init (DcnnInputTables *tables, const DcnnInputGeometry *g,
    uint32_t width, uint32_t height, DcnnPixelFormat format)
{
  DcnnScaling scaling = g->scaling;
  double region[4];
  memset (tables, 0, sizeof *tables);
  tables->format = format;
  region_init (g, width, height, region);
  tables->unscaled = region[2] == g->dst_w && region[3] == g->dst_h
      && region[0] == floor (region[0]) && region[1] == floor (region[1]);
  tables->src_x = (uint32_t) region[0];
  tables->src_y = (uint32_t) region[1];
  if (tables->unscaled || !g->dst_w || !g->dst_h)
    return true;
  if (scaling == DCNN_SCALING_AUTO)
    scaling = region[2] > 2.0 * g->dst_w || region[3] > 2.0 * g->dst_h
        ? DCNN_SCALING_AREA : DCNN_SCALING_BILINEAR;
  if (!plane_init (tables, &tables->luma, g, scaling, region, width, height,
          dcnn_input_bytes (format)))
    return false;
  for (int i = 0; i < 4; i++)
    region[i] /= 2;
  return !dcnn_input_is_yuv (format)
      || plane_init (tables, &tables->chroma, g, scaling, region,
          (width + 1) / 2, (height + 1) / 2,
          format == DCNN_FORMAT_NV12 ? 2 : 1);
}

void
dcnn_input_tables_clear (DcnnInputTables *tables)
{
  axis_clear (&tables->luma.x);
  axis_clear (&tables->luma.y);
  axis_clear (&tables->chroma.x);
  axis_clear (&tables->chroma.y);
}

/* ---- colours and changes --------------------------------------------------- */

static int16_t
coefficient (double value, int one)
{
  double scaled = floor (value * one + 0.5);
  return (int16_t) (scaled > 32767 ? 32767 : scaled < 0 ? 0 : scaled);
}

void
dcnn_input_matrix_init (DcnnInputMatrix *m, const DcnnFrame *frame)
{
  double kr = frame->kr, kb = frame->kb;
  if (!(kr > 0) || !(kb > 0) || !(kr + kb < 0.95)) {
    kr = 0.299; /* not a matrix: BT.601 */
    kb = 0.114;
  }
  double kg = 1 - kr - kb;
  double range_y = frame->full_range ? 1.0 : 255.0 / 219.0;
  double range_c = frame->full_range ? 1.0 : 255.0 / 224.0;
  m->offset = frame->full_range ? 0 : 16;
  m->y = coefficient (range_y, 16384);
  m->rv = coefficient (2 * (1 - kr) * range_c, 8192);
  m->gu = coefficient (2 * (1 - kb) * kb / kg * range_c, 8192);
  m->gv = coefficient (2 * (1 - kr) * kr / kg * range_c, 8192);
  m->bu = coefficient (2 * (1 - kb) * range_c, 8192);
}

uint8_t
dcnn_input_change_limit (const DcnnInputParams *params, size_t block)
{
  float limit = params->threshold * 255.0f;
  if (params->interest) {
    float m = params->interest[block];
    m = m > 0.0f ? m < 1.0f ? m : 1.0f : 0.0f;
    limit /= params->interest_far + (1 - params->interest_far) * m;
  }
  return (uint8_t) (limit > 0.0f ? limit < 255.0f ? limit : 255.0f : 0.0f);
}
