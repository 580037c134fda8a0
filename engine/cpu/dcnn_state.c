/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_state.c - inputs that come from the last frame: outputs that are fed
 * back (recurrent networks), and pictures that are kept for a frame (networks
 * on several). What changed in them counts as what changed in the picture.
 */
#include "cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const PlanState *
state_at (const DcnnSession *session, guint i)
{
  return &g_array_index (session->plan->states, PlanState, i);
}

static DcnnTensor
header (const DcnnSession *session, const PlanState *state)
{
  return dcnn_graph_value (session->plan->graph, g_array_index (
          session->plan->graph->inputs, DcnnValueId, state->input))->tensor;
}

/* ---- making -------------------------------------------------------------------- */

gboolean
dcnn_states_init (DcnnSession *session, GError **error)
{
  guint n = session->plan->states->len;

  session->cpu->initial = g_new0 (gpointer, n + 1);
  for (guint i = 0; i < n; i++) {
    const PlanState *state = state_at (session, i);
    DcnnTensor tensor = header (session, state);
    gsize count = (gsize) dcnn_tensor_count (&tensor);
    float *values;

    if (state->source_map >= 0)
      continue;
    values = session->cpu->initial[i] = dcnn_take (count * sizeof (float),
        &session->cpu->bytes);
    if (values == NULL) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
          "out of memory for a state of %" G_GSIZE_FORMAT " numbers", count);
      return FALSE;
    }
    for (gsize k = 0; k < count; k++)
      values[k] = state->initial;
  }
  return TRUE;
}

void
dcnn_states_clear (DcnnSession *session)
{
  for (guint i = 0; session->cpu->initial && i < session->plan->states->len;
      i++)
    free (session->cpu->initial[i]);
  g_free (session->cpu->initial);
}

/* ---- tensors ------------------------------------------------------------------- */

/* Copies a tensor, and says which rows of it are new. */
static void
take_rows (DcnnStream *stream, gint direct, const DcnnTensor *tensor,
    gsize bytes)
{
  DcnnTensor *own = &stream->cpu->tensors[direct];
  gsize rows = dcnn_tensor_rows (own), row = rows ? bytes / rows : 0;
  gboolean known = dcnn_forget_rows (stream, direct);

  for (gsize r = 0; known && r < rows; r++)
    if (memcmp ((guint8 *) own->data + r * row, (const guint8 *) tensor->data +
            r * row, row) != 0)
      dcnn_mark_rows (stream, direct, (gint64) r, (gint64) r);
  memcpy (own->data, tensor->data, bytes);
}

gsize
dcnn_take_input (DcnnSession *session, DcnnStream *stream, guint i,
    const DcnnTensor *tensor, gfloat threshold, gsize *pixels)
{
  const DcnnPlan *plan = session->plan;
  DcnnValueId id = g_array_index (plan->graph->inputs, DcnnValueId, i);
  gint direct = plan->values[id].map < 0 ? plan->values[id].tensor : -1;

  if (direct >= 0) {
    DcnnTensor *own = &stream->cpu->tensors[direct];
    gsize bytes = (gsize) dcnn_tensor_count (own) *
        dcnn_dtype_bytes (own->dtype);
    gboolean same = !stream->cpu->dense &&
        dcnn_criterion_is_near (own, tensor, threshold);
    stream->cpu->tensor_changed[direct] = !same;
    if (!same)
      take_rows (stream, direct, tensor, bytes);
  }
  for (guint m = 0; m < plan->maps->len; m++) {
    const PlanMap *map = plan_map (plan, m);
    if (map->graph_input != (gint) i)
      continue;
    dcnn_import_tensor (session, stream, m, tensor,
        plan->values[id].map < 0, threshold);
    *pixels += (gsize) map->width * map->height;
    return stream->masks[map->mask].any ?
        dcnn_mask_count (&stream->masks[map->mask].mask) : 0;
  }
  return 0;
}

/* The session's threshold, as a share of what the values commonly are. */
static gfloat
threshold_of (const DcnnSession *session, const DcnnTensor *tensor)
{
  const float *v = tensor->data;
  gint64 n = dcnn_tensor_count (tensor);
  gdouble sum = 0;

  if (session->tuning.threshold <= 0 || n == 0)
    return 0;
  for (gint64 i = 0; i < n; i++)
    sum += (gdouble) v[i] * (gdouble) v[i];
  return session->tuning.threshold * (gfloat) sqrt (sum / (gdouble) n);
}

gsize
dcnn_states_feed (DcnnSession *session, DcnnStream *stream, gsize *pixels)
{
  gsize changed = 0;

  for (guint i = 0; i < session->plan->states->len; i++) {
    const PlanState *state = state_at (session, i);
    DcnnTensor tensor = header (session, state);

    if (state->source_map >= 0)
      continue;
    tensor.data = stream->first ? session->cpu->initial[i] :
        stream->cpu->tensors[state->source_tensor].data;
    changed += dcnn_take_input (session, stream, (guint) state->input, &tensor,
        stream->cpu->dense ? 0 : threshold_of (session, &tensor), pixels);
  }
  return changed;
}

/* ---- pictures ------------------------------------------------------------------- */

/* The pixels of mask, or all. */
static void
copy_pixels (const DcnnSession *session, DcnnStream *stream,
    const PlanState *state, const DcnnMask *mask)
{
  const DcnnMap *from = &stream->cpu->maps[state->source_map];
  const DcnnMap *to = &stream->cpu->maps[state->map];
  gsize bytes = plan_map (session->plan, state->map)->channels *
      sizeof (float);

  for (guint y = 0; y < to->height; y++)
    for (guint x = 0; x < to->width; x++)
      if (mask == NULL || dcnn_mask_get (mask, y, x))
        memcpy (dcnn_map_pixel (to, y, x), dcnn_map_pixel (from, y, x),
            bytes);
}

gsize
dcnn_states_shift (DcnnSession *session, DcnnStream *stream, gsize *pixels)
{
  gsize changed = 0;

  for (guint i = 0; i < session->plan->states->len && !stream->first; i++) {
    const PlanState *state = state_at (session, i);
    const PlanMap *to = plan_map (session->plan, state->map);
    const PlanMap *from;
    StreamMask *mask, *regular, *exact;

    if (state->source_map < 0)
      continue;
    from = plan_map (session->plan, state->source_map);
    mask = &stream->masks[to->mask];
    regular = &stream->masks[from->mask];
    exact = &stream->cpu->exact[from->mask];
    dcnn_mask_clear (&mask->mask);
    if (regular->any) {
      dcnn_mask_copy (&mask->mask, &regular->mask);
      changed += dcnn_mask_count (&mask->mask);
    }
    /* a correction of the picture that came before is a change here, but no
     * sign that the scene is busy */
    if (exact->any) {
      dcnn_mask_or (&mask->mask, &exact->mask);
      stream->cpu->settling.stale = TRUE;
    }
    mask->any = regular->any || exact->any;
    stream->cpu->exact[to->mask].any = FALSE;
    if (mask->any)
      copy_pixels (session, stream, state, &mask->mask);
    *pixels += (gsize) to->width * to->height;
  }
  return changed;
}

void
dcnn_states_done (DcnnSession *session, DcnnStream *stream)
{
  guint n = session->plan->states->len;

  /* from the picture on, so that each finds its own source filled */
  for (guint i = n; i-- > 0 && stream->cpu->dense;) {
    const PlanState *state = state_at (session, i);
    StreamMask *mask;

    if (state->source_map < 0)
      continue;
    mask = &stream->masks[plan_map (session->plan, state->map)->mask];
    if (stream->first)
      copy_pixels (session, stream, state, NULL);
    dcnn_mask_fill (&mask->mask);
    mask->any = TRUE;
    stream->cpu->exact[plan_map (session->plan, state->map)->mask].any = FALSE;
  }
}
