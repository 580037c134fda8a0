/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conv_prepare.c - cutting convolutions into panels and packing their weights
 * (conv.h).
 */
#include "conv.h"
#include "depthwise.h"

#include <string.h>

/* What is to be packed, in one form for the three kinds of convolution. */
typedef struct Source {
  const DcnnConvParams *params;
  bool transposed;
  uint32_t out_channels, in_channels, in_span, groups;
  const uint32_t *in_position;
  const float *weights, *bias;
} Source;

/* Lanes of a vector of each level; "c" packs as if it had 8. */
static uint32_t
level_lanes (DcnnIsa level)
{
  return level == DCNN_LEVEL_AVX512 ? 16 : 8;
}

/* Width of the next panel when `left` channels of a group are to go: the
 * widest that micro-kernels have (3 vectors) where it ends the group, 2
 * vectors otherwise. On AVX-512 the widest first, and at the end as few halves
 * of a vector as hold them. */
static uint32_t
panel_width (DcnnIsa level, uint32_t left)
{
  uint32_t lanes = level_lanes (level);

  if (level == DCNN_LEVEL_AVX512)
    return left >= DCNN_PANEL_MAX ? DCNN_PANEL_MAX : (left + 7) / 8 * 8;
  return left <= lanes ? lanes : left <= 2 * lanes ? 2 * lanes
      : left <= 3 * lanes ? 3 * lanes : 2 * lanes;
}

/* The floats of an input pixel that hold logical channels first .. first + n
 * - 1. */
static void
input_range (const Source *s, uint32_t first, uint32_t n, DcnnPanel *panel)
{
  uint32_t low = first, high = first + n - 1;

  if (s->in_position) {
    low = UINT32_MAX;
    high = 0;
    for (uint32_t i = first; i < first + n; i++) {
      low = s->in_position[i] < low ? s->in_position[i] : low;
      high = s->in_position[i] > high ? s->in_position[i] : high;
    }
  }
  panel->in_begin = low;
  panel->in_count = high - low + 1;
}

/* Cuts the output channels into panels; panels NULL: only counts them. Adds
 * the floats that one kernel element takes to *floats. */
static uint32_t
cut_panels (const Source *s, DcnnIsa level, DcnnPanel *panels, size_t *floats)
{
  uint32_t out_per_group = s->out_channels / s->groups;
  uint32_t in_per_group = s->in_channels / s->groups;
  uint32_t lanes = level_lanes (level);
  uint32_t merged = out_per_group < lanes ? lanes / out_per_group : 1;
  uint32_t n = 0;

  for (uint32_t g = 0; g < s->groups; g += merged) {
    uint32_t together = s->groups - g < merged ? s->groups - g : merged;
    uint32_t left = together * out_per_group, done = 0;
    while (left > 0) {
      uint32_t width = panel_width (level, left);
      uint32_t count = left < width ? left : width;
      DcnnPanel panel = {
        .out_begin = g * out_per_group + done,
        .out_count = count,
        .lanes = width,
      };
      input_range (s, g * in_per_group, together * in_per_group, &panel);
      if (panels)
        panels[n] = panel;
      *floats += (size_t) panel.in_count * width;
      n++;
      done += count;
      left -= count;
    }
  }
  return n;
}

/* The weight of output o, input i of the same group, at a kernel element. */
static float
weight_at (const Source *s, uint32_t o, uint32_t i, const DcnnTap *tap)
{
  const DcnnWindow *w = &s->params->window;
  size_t area = (size_t) (w->kernel[0] * w->kernel[1]);
  size_t element = (size_t) tap->ky * (size_t) w->kernel[1] + tap->kx;
  size_t out_per_group = s->out_channels / s->groups;
  size_t in_per_group = s->in_channels / s->groups;

  if (s->transposed)
    return s->weights[(i * out_per_group + o % out_per_group) * area + element];
  return s->weights[(o * in_per_group + i % in_per_group) * area + element];
}

/* Packs one tap of a panel into to[in_count][lanes], which is all 0. */
static void
pack_tap (const Source *s, const DcnnPanel *panel, const DcnnTap *tap,
    float *to)
{
  uint32_t in_per_group = s->in_channels / s->groups;
  uint32_t out_per_group = s->out_channels / s->groups;

  for (uint32_t lane = 0; lane < panel->out_count; lane++) {
    uint32_t o = panel->out_begin + lane;
    uint32_t first = o / out_per_group * in_per_group;
    for (uint32_t i = first; i < first + in_per_group; i++) {
      uint32_t at = s->in_position ? s->in_position[i] : i;
      to[(size_t) (at - panel->in_begin) * panel->lanes + lane] =
          weight_at (s, o, i, tap);
    }
  }
}

static void
pack_weights (const Source *s, const DcnnConv *conv, DcnnPacking *packing,
    size_t *offsets, float *weights)
{
  const DcnnWindowPlan *window = &conv->window;
  size_t at = 0;

  for (uint32_t f = 0; f < window->n_phases; f++) {
    const DcnnPhase *phase = &window->phases[f];
    for (uint32_t p = 0; p < packing->n_panels; p++) {
      const DcnnPanel *panel = &packing->panels[p];
      offsets[f * packing->n_panels + p] = at;
      for (uint32_t t = 0; t < phase->n_taps; t++) {
        pack_tap (s, panel, &window->taps[phase->first_tap + t], weights + at);
        at += (size_t) panel->in_count * panel->lanes;
      }
    }
  }
  packing->offsets = offsets;
  packing->weights = weights;
  packing->weight_count = at;
}

/* Where the parts of the block go; from dcnn_prepared_new's zeroed memory. */
typedef struct Carver {
  char *base;
  size_t used;
} Carver;

static void *
carve (Carver *carver, size_t bytes)
{
  void *part = carver->base ? carver->base + carver->used : NULL;

  carver->used += DCNN_ALIGN64 (bytes);
  return part;
}

/* Carves (and, when the block exists, fills) one level's packing. */
static void
place_packing (const Source *s, DcnnConv *conv, Carver *carver, DcnnIsa level)
{
  const DcnnWindow *w = &s->params->window;
  size_t floats = 0;
  uint32_t n = cut_panels (s, level, NULL, &floats);
  size_t phases = s->transposed ? (size_t) (w->stride[0] * w->stride[1]) : 1;
  DcnnPanel *panels = carve (carver, n * sizeof (DcnnPanel));
  size_t *offsets = carve (carver, n * phases * sizeof (size_t));

  floats *= (size_t) (w->kernel[0] * w->kernel[1]);
  float *weights = carve (carver, (floats + 16) * sizeof (float));
  if (!conv)
    return;
  DcnnPacking *packing = &conv->packing[level];
  packing->n_panels = n;
  packing->panels = panels;
  floats = 0;
  cut_panels (s, level, panels, &floats);
  pack_weights (s, conv, packing, offsets, weights);
}

/* Carves the whole block; fills it when it exists (carver->base). */
static void
place_all (const Source *s, Carver *carver)
{
  DcnnConv *conv = carve (carver, sizeof *conv);
  void *plan = carve (carver,
      dcnn_window_plan_bytes (s->params, s->transposed));
  float *zeros = carve (carver, (s->in_span + 16) * sizeof (float));
  float *bias = carve (carver,
      (s->out_channels + DCNN_PANEL_MAX) * sizeof (float));
  bool any = false;

  if (conv) {
    conv->out_channels = s->out_channels;
    conv->in_span = s->in_span;
    conv->groups = s->groups;
    conv->zeros = zeros;
    conv->bias = bias;
    if (s->bias)
      memcpy (bias, s->bias, s->out_channels * sizeof (float));
    dcnn_window_plan_fill (&conv->window, s->params, s->transposed, plan);
  }
  for (DcnnIsa level = DCNN_LEVEL_AVX2; level < DCNN_LEVEL_COUNT; level++)
    if (dcnn_cpu_level_wanted (level)) {
      place_packing (s, conv, carver, level);
      any = true;
    }
  if (!any)
    place_packing (s, conv, carver, DCNN_LEVEL_C);
}

static DcnnPrepared *
conv_prepare (const Source *s)
{
  Carver carver = { NULL, 0 };

  place_all (s, &carver);
  carver.base = dcnn_prepared_new (carver.used);
  carver.used = 0;
  if (carver.base)
    place_all (s, &carver);
  return (DcnnPrepared *) (void *) carver.base;
}

DcnnPrepared *
dcnn_k_conv_prepare (const DcnnConvParams *params, uint32_t out_channels,
    uint32_t in_channels, uint32_t in_span, const uint32_t *in_position,
    const float *weights, const float *bias)
{
  Source s = { params, false, out_channels, in_channels, in_span, 1,
    in_position, weights, bias };

  return conv_prepare (&s);
}

DcnnPrepared *
dcnn_k_group_conv_prepare (const DcnnConvParams *params,
    uint32_t out_channels, uint32_t in_channels, const float *weights,
    const float *bias)
{
  Source s = { params, false, out_channels, in_channels, in_channels,
    (uint32_t) params->groups, NULL, weights, bias };

  return conv_prepare (&s);
}

/* One input and one output channel a group, at the same position. */
static bool
is_depthwise (const Source *s)
{
  if (s->groups != s->in_channels || s->groups != s->out_channels)
    return false;
  for (uint32_t i = 0; s->in_position && i < s->in_channels; i++)
    if (s->in_position[i] != i)
      return false;
  return true;
}

DcnnPrepared *
dcnn_k_conv_transpose_prepare (const DcnnConvParams *params,
    uint32_t out_channels, uint32_t in_channels, uint32_t in_span,
    const uint32_t *in_position, const float *weights, const float *bias)
{
  Source s = { params, true, out_channels, in_channels, in_span,
    (uint32_t) params->groups, in_position, weights, bias };

  if (is_depthwise (&s) && s.groups > 1)
    return dcnn_depthwise_prepare (params, true, in_channels, weights, bias);
  return conv_prepare (&s);
}
