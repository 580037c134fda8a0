/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * inside.c - see inside.h.
 */
#include "inside.h"

/* Is every tap of output o inside begin .. end-1? axis 0: rows. */
static gboolean
taps_inside (const PlanNode *node, int axis, gint o, gint in, gint begin,
    gint end)
{
  const guint32 *index = axis ? node->index_x : node->index_y;
  guint taps = axis ? node->taps_x : node->taps_y;
  const DcnnWindow *w = &node->window;

  switch (node->reach) {
    case PLAN_REACH_WINDOW:
      for (gint k = 0; k < w->kernel[axis]; k++) {
        gint64 at = o * w->stride[axis] - w->pad_begin[axis] +
            k * w->dilation[axis];
        if (at < begin || at >= end)
          return FALSE;
      }
      return TRUE;
    case PLAN_REACH_TRANSPOSED:
      for (gint k = 0; k < w->kernel[axis]; k++) {
        gint64 at = o + w->pad_begin[axis] - k * w->dilation[axis];
        if (at % w->stride[axis] != 0)
          continue;
        at /= w->stride[axis];
        if (at < begin || at >= end)
          return FALSE;
      }
      return TRUE;
    case PLAN_REACH_TABLE:
      for (guint k = 0; k < taps; k++) {
        gint at = (gint) index[o * taps + k];
        /* interpolation at the first and last row may be clamped */
        if (at < MAX (begin, taps > 1) || at >= MIN (end, in - (taps > 1)))
          return FALSE;
      }
      return TRUE;
    default:
      return o >= begin && o < end;
  }
}

static void
one_axis (const PlanNode *node, int axis, gint in, gint out, gint *begin,
    gint *end)
{
  gint first = out, last = -1;

  for (gint o = 0; o < out; o++)
    if (taps_inside (node, axis, o, in, *begin, *end)) {
      first = MIN (first, o);
      last = o;
    }
  *begin = first;
  *end = last + 1;
}

static void
meet (TestInside *a, const TestInside *b)
{
  a->y0 = MAX (a->y0, b->y0);
  a->y1 = MIN (a->y1, b->y1);
  a->x0 = MAX (a->x0, b->x0);
  a->x1 = MIN (a->x1, b->x1);
}

static TestInside
of_map (const DcnnPlan *plan, const TestInside *inside, gint map)
{
  const PlanMap *m = plan_map (plan, map);
  TestInside result = inside[map];

  if (m->mask < 0)
    for (guint i = 0; m->pieces && i < m->pieces->len; i++) {
      TestInside piece = of_map (plan, inside,
          g_array_index (m->pieces, gint, i));
      meet (&result, &piece);
    }
  return result;
}

TestInside *
test_inside_new (const DcnnPlan *plan)
{
  TestInside *inside = g_new0 (TestInside, plan->maps->len);

  for (guint m = 0; m < plan->maps->len; m++)
    inside[m] = (TestInside) { 0, (gint) plan_map (plan, m)->height, 0,
      (gint) plan_map (plan, m)->width };
  for (guint n = 0; n < plan->nodes->len; n++) {
    const PlanNode *node = plan_node (plan, n);
    const PlanMap *in, *out;
    TestInside result;
    if (node->kind != PLAN_KERNEL)
      continue;
    in = plan_map (plan, node->in);
    out = plan_map (plan, node->out);
    result = of_map (plan, inside, node->in);
    one_axis (node, 0, (gint) in->height, (gint) out->height, &result.y0,
        &result.y1);
    one_axis (node, 1, (gint) in->width, (gint) out->width, &result.x0,
        &result.x1);
    for (gint s = 0; s < node->n_steps; s++)
      if (node->steps[s].map >= 0 &&
          plan_map (plan, node->steps[s].map)->width == out->width) {
        TestInside step = of_map (plan, inside, node->steps[s].map);
        meet (&result, &step);
      }
    inside[node->out] = result;
  }
  for (guint m = 0; m < plan->maps->len; m++)
    inside[m] = of_map (plan, inside, m);
  return inside;
}
