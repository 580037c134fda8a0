/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * window.c - the phases and taps of a window (window.h).
 */
#include "window.h"

static uint32_t
phase_count (const DcnnConvParams *params, bool transposed)
{
  return transposed
      ? (uint32_t) (params->window.stride[0] * params->window.stride[1]) : 1;
}

size_t
dcnn_window_plan_bytes (const DcnnConvParams *params, bool transposed)
{
  const DcnnWindow *w = &params->window;

  return phase_count (params, transposed) * sizeof (DcnnPhase) +
      (size_t) (w->kernel[0] * w->kernel[1]) * sizeof (DcnnTap);
}

/* Input offset of kernel element k along one axis for a phase; false when the
 * phase does not meet it. */
static bool
axis_offset (bool transposed, uint32_t stride, uint32_t dilation,
    uint32_t phase, uint32_t k, int32_t *offset)
{
  int32_t at = (int32_t) (k * dilation);

  if (!transposed) {
    *offset = at;
    return true;
  }
  int32_t d = (int32_t) phase - at;
  if (d % (int32_t) stride != 0)
    return false;
  *offset = d / (int32_t) stride;
  return true;
}

static void
fill_phase (const DcnnWindowPlan *plan, uint32_t index, DcnnPhase *phase,
    DcnnTap *taps, uint32_t first)
{
  uint32_t py = index / plan->stride_x, px = index % plan->stride_x;

  *phase = (DcnnPhase) { .first_tap = first };
  for (uint32_t ky = 0; ky < plan->kernel_y; ky++)
    for (uint32_t kx = 0; kx < plan->kernel_x; kx++) {
      DcnnTap tap = { .ky = ky, .kx = kx };
      if (!axis_offset (plan->transposed, plan->stride_y, plan->dilation_y, py,
              ky, &tap.dy) ||
          !axis_offset (plan->transposed, plan->stride_x, plan->dilation_x, px,
              kx, &tap.dx))
        continue;
      bool is_first = phase->n_taps == 0;
      if (is_first || tap.dy < phase->min_dy)
        phase->min_dy = tap.dy;
      if (is_first || tap.dy > phase->max_dy)
        phase->max_dy = tap.dy;
      if (is_first || tap.dx < phase->min_dx)
        phase->min_dx = tap.dx;
      if (is_first || tap.dx > phase->max_dx)
        phase->max_dx = tap.dx;
      taps[first + phase->n_taps++] = tap;
    }
}

void
dcnn_window_plan_fill (DcnnWindowPlan *plan, const DcnnConvParams *params,
    bool transposed, void *memory)
{
  const DcnnWindow *w = &params->window;
  DcnnPhase *phases = memory;

  *plan = (DcnnWindowPlan) {
    .transposed = transposed,
    .stride_y = (uint32_t) w->stride[0],
    .stride_x = (uint32_t) w->stride[1],
    .pad_y = (int32_t) w->pad_begin[0],
    .pad_x = (int32_t) w->pad_begin[1],
    .kernel_y = (uint32_t) w->kernel[0],
    .kernel_x = (uint32_t) w->kernel[1],
    .dilation_y = (uint32_t) w->dilation[0],
    .dilation_x = (uint32_t) w->dilation[1],
    .n_phases = phase_count (params, transposed),
  };
  DcnnTap *taps = (DcnnTap *) (void *) (phases + plan->n_phases);
  for (uint32_t i = 0; i < plan->n_phases; i++) {
    fill_phase (plan, i, &phases[i], taps, plan->n_taps);
    plan->n_taps += phases[i].n_taps;
    if (phases[i].n_taps > plan->max_taps)
      plan->max_taps = phases[i].n_taps;
  }
  plan->phases = phases;
  plan->taps = taps;
}
