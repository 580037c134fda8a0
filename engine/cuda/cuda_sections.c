/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_sections.c - networks whose dense tensors become maps again.
 *
 * An operator that works on no map (a MatMul of two maps, a norm over rows) is the
 * host's. Where its result is read by the device, a frame is in sections: a graph
 * each; between two of them the host takes the tensors that the first has changed,
 * runs the operators that have all they read, compares what becomes a map with what
 * was there, and lists the pixels that changed, as it does of an input. Such a frame
 * is done when its run returns, and all its outputs are with the host: so outputs
 * that are fed back, and inputs that are no maps, make a network one of these, too.
 */
#include "cuda.h"

#include <string.h>

void
dcnn_cuda_plan_sections (DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  const DcnnPlan *plan = session->plan;
  guint imports = 0;

  for (guint n = 0; n < plan->nodes->len; n++)
    imports += plan_node (plan, (gint) n)->kind == PLAN_IMPORT;
  state->sectioned = imports > 0 || plan->states->len > 0;
  for (guint i = 0; i < plan->graph->inputs->len; i++)
    state->sectioned |= plan->values[g_array_index (plan->graph->inputs,
            DcnnValueId, i)].tensor >= 0; /* of which the host alone knows */
  state->n_sections = 1;
  state->sections = g_new0 (cudaGraphExec_t, imports + 1);
  state->section_of = g_new0 (guint, plan->nodes->len + 1);
}

/* The maps that a section begins with. */
static cudaError_t
import (DcnnSession *session, const BackendFrame *frames, guint n_frames,
    guint section)
{
  CudaState *state = cuda_state (session);
  const DcnnPlan *plan = session->plan;
  cudaError_t e = cudaSuccess;

  for (guint n = 0; n < plan->nodes->len && e == cudaSuccess; n++) {
    const PlanNode *node = plan_node (plan, (gint) n);
    if (node->kind != PLAN_IMPORT || state->section_of[n] != section)
      continue;
    for (guint i = 0; i < n_frames; i++) {
      dcnn_run_import (session, &session->streams[frames[i].stream], (gint) n);
      dcnn_cuda_list_input (session, frames[i].stream, (guint) node->out);
    }
    e = dcnn_cuda_upload_input (session, (guint) node->out);
  }
  return e;
}

cudaError_t
dcnn_cuda_run_sections (DcnnSession *session, const BackendFrame *frames,
    guint n)
{
  CudaState *state = cuda_state (session);
  cudaError_t e = cudaSuccess;

  for (guint i = 0; i < n; i++)
    state->order[i] = frames[i].stream;
  for (guint k = 0; k < state->n_sections && e == cudaSuccess; k++) {
    if (k > 0)
      e = import (session, frames, n, k);
    if (e == cudaSuccess && k > 0)
      e = cudaGraphLaunch (state->sections[k], state->queue);
    if (e == cudaSuccess)
      e = dcnn_cuda_download_counters (session);
    if (e == cudaSuccess)
      e = cudaStreamSynchronize (state->queue);
    if (e == cudaSuccess)
      e = dcnn_cuda_take_section (session, state->order, n, k);
  }
  if (e == cudaSuccess)
    memset (state->behind, 0, session->n_streams * sizeof *state->behind);
  return e;
}
