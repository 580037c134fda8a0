/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_states.c - a tensor into an input, and inputs that come from the last
 * frame: outputs that are fed back, and pictures that are kept for a frame. What
 * changed in them counts as what changed in the picture.
 */
#include "sim.h"

#include <math.h>
#include <string.h>

static const PlanState *
state_at (const DcnnPlan *plan, guint i)
{
  return &g_array_index (plan->states, PlanState, i);
}

static DcnnTensor
header (const DcnnPlan *plan, const PlanState *state)
{
  return dcnn_graph_value (plan->graph, g_array_index (plan->graph->inputs,
          DcnnValueId, state->input))->tensor;
}

void
sim_states_init (SimStream *sim, const DcnnPlan *plan)
{
  sim->initial = g_new0 (gfloat *, plan->states->len + 1);
  for (guint i = 0; i < plan->states->len; i++) {
    const PlanState *state = state_at (plan, i);
    DcnnTensor tensor = header (plan, state);
    gint64 n = dcnn_tensor_count (&tensor);
    if (state->source_map >= 0)
      continue;
    sim->initial[i] = g_new (gfloat, n);
    for (gint64 k = 0; k < n; k++)
      sim->initial[i][k] = state->initial;
  }
}

void
sim_states_clear (SimStream *sim, const DcnnPlan *plan)
{
  for (guint i = 0; sim->initial && i < plan->states->len; i++)
    g_free (sim->initial[i]);
  g_free (sim->initial);
}

/* ---- tensors ------------------------------------------------------------------- */

void
sim_take_input (DcnnSession *session, SimStream *sim, guint i,
    const DcnnTensor *from, gfloat threshold)
{
  const DcnnPlan *plan = session->plan;
  DcnnValueId id = g_array_index (plan->graph->inputs, DcnnValueId, i);
  gint direct = plan->values[id].map < 0 ? plan->values[id].tensor : -1;

  if (direct >= 0) {
    DcnnTensor *own = &sim->tensors[direct];
    gboolean news = sim->all || !dcnn_criterion_is_near (own, from, threshold);
    sim->tensor_changed[direct] = news;
    sim->dense_input_changed |= news;
    if (news)
      memcpy (own->data, from->data, (gsize) dcnn_tensor_count (own) *
          dcnn_dtype_bytes (own->dtype));
  }
  for (guint m = 0; m < plan->maps->len; m++)
    if (plan_map (plan, m)->graph_input == (gint) i)
      sim_import (session, sim, (gint) m, from, plan->values[id].map < 0,
          threshold);
}

/* The threshold as a share of what the values commonly are. */
static gfloat
threshold_of (const SimStream *sim, const DcnnTensor *tensor)
{
  const gfloat *v = tensor->data;
  gint64 n = dcnn_tensor_count (tensor);
  gdouble sum = 0;

  if (sim->all || sim->tuning.threshold <= 0 || n == 0)
    return 0;
  for (gint64 i = 0; i < n; i++)
    sum += (gdouble) v[i] * (gdouble) v[i];
  return sim->tuning.threshold * (gfloat) sqrt (sum / (gdouble) n);
}

void
sim_states_feed (DcnnSession *session, SimStream *sim)
{
  const DcnnPlan *plan = session->plan;

  for (guint i = 0; i < plan->states->len; i++) {
    const PlanState *state = state_at (plan, i);
    DcnnTensor tensor = header (plan, state);
    if (state->source_map >= 0)
      continue;
    tensor.data = sim->first ? (gpointer) sim->initial[i] :
        sim->tensors[state->source_tensor].data;
    sim_take_input (session, sim, (guint) state->input, &tensor,
        threshold_of (sim, &tensor));
  }
}

/* ---- pictures ------------------------------------------------------------------- */

static void
copy_pixel (const SimStream *sim, const PlanState *state, guint y, guint x)
{
  memcpy (sim_pixel (&sim->maps, state->map, y, x), sim_pixel (&sim->maps,
          state->source_map, y, x), plan_map (sim->maps.plan,
          state->map)->channels * sizeof (gfloat));
}

void
sim_states_shift (SimStream *sim)
{
  const DcnnPlan *plan = sim->maps.plan;

  for (guint i = 0; i < plan->states->len && !sim->first; i++) {
    const PlanState *state = state_at (plan, i);
    const PlanMap *to = state->source_map < 0 ? NULL : plan_map (plan,
        state->map);
    const guint8 *regular, *exact;
    if (to == NULL)
      continue;
    regular = sim->maps.changed[state->source_map];
    exact = sim->maps.exact[state->source_map];
    for (guint p = 0; p < to->width * to->height; p++) {
      sim->maps.changed[state->map][p] = regular[p] || exact[p];
      sim->maps.exact[state->map][p] = FALSE;
      if (regular[p] || exact[p])
        copy_pixel (sim, state, p / to->width, p % to->width);
      sim->changed_pixels += regular[p];
      /* a correction is a change here, but no sign that the scene is busy */
      sim->settling.stale |= exact[p];
    }
    sim->input_pixels += to->width * to->height;
  }
}

void
sim_states_done (SimStream *sim)
{
  const DcnnPlan *plan = sim->maps.plan;

  /* from the picture on, so that each finds its own source filled */
  for (guint i = plan->states->len; i-- > 0 && sim->all;) {
    const PlanState *state = state_at (plan, i);
    const PlanMap *to = state->source_map < 0 ? NULL : plan_map (plan,
        state->map);
    for (guint p = 0; to && p < to->width * to->height; p++) {
      if (sim->first)
        copy_pixel (sim, state, p / to->width, p % to->width);
      sim->maps.changed[state->map][p] = TRUE;
      sim->maps.exact[state->map][p] = FALSE;
    }
  }
}
