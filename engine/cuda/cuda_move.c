/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_move.c - a window that moves: what is stored on the device by place is
 * shifted there, so that kernels know nothing of it; what the host keeps lies
 * on a torus, as the cpu's.
 */
#include "cuda.h"

#include <string.h>

/* Of a plan whose window can move: at most. */
static guint
most_things (const DcnnPlan *plan)
{
  return plan->tile > 0 ? plan->buffers->len + plan->nodes->len + 1 : 0;
}

void
dcnn_cuda_take_moves (CudaState *state, const DcnnSession *session,
    cudaError_t *e)
{
  gsize moves = session->n_streams * 2 * sizeof (gint32);
  guint most = most_things (session->plan);

  if (most == 0)
    return;
  state->things = dcnn_cuda_take (state, most * sizeof (DcnnCudaShift), e);
  state->moves = dcnn_cuda_take (state, moves, e);
  state->host_moves = dcnn_cuda_take_host (state, moves, e);
}

/* The maps of a buffer have one stride; constants are the same everywhere. */
static void
add_buffers (const DcnnSession *session, DcnnCudaShift *things, guint *n)
{
  const DcnnPlan *plan = session->plan;
  const CudaState *state = cuda_state (session);

  for (guint i = 0; i < plan->buffers->len; i++) {
    const PlanBuffer *b = &g_array_index (plan->buffers, PlanBuffer, i);
    guint pixel = state->pixels[i] * (state->floats[i] ? 4 : 2);
    DcnnCudaShift t = { .data = state->buffers[i], .width = b->width,
      .height = b->height, .pixel = pixel, .unit = 16,
      .stream = (guint64) b->width * b->height * pixel };
    for (guint m = 0; m < plan->maps->len; m++) {
      const PlanMap *map = plan_map (plan, (gint) m);
      if (map->buffer != (gint) i || map->constant)
        continue;
      t.stride[0] = map->stride_y;
      t.stride[1] = map->stride_x;
    }
    if (t.stride[0] > 0 && t.stride[1] > 0 && t.data)
      things[(*n)++] = t;
  }
}

/* What is kept back, of the nodes that judge. */
static void
add_pending (const DcnnSession *session, DcnnCudaShift *things, guint *n)
{
  const DcnnPlan *plan = session->plan;
  const CudaState *state = cuda_state (session);

  for (guint i = 0; i < plan->nodes->len; i++) {
    const PlanMap *out;
    if (state->pending[i] == NULL)
      continue;
    out = plan_map (plan, plan_node (plan, (gint) i)->out);
    if (out->stride_y == 0 || out->stride_x == 0)
      continue;
    things[(*n)++] = (DcnnCudaShift) { .data = state->pending[i],
      .width = out->width, .height = out->height, .unit = 0,
      .stream = dcnn_mask_words (out->width, out->height) * 8,
      .stride = { out->stride_y, out->stride_x } };
  }
}

cudaError_t
dcnn_cuda_describe_moves (const DcnnSession *session)
{
  CudaState *state = cuda_state (session);
  guint most = most_things (session->plan);
  g_autofree DcnnCudaShift *things = g_new0 (DcnnCudaShift, most + 1);

  if (most == 0)
    return cudaSuccess;
  add_buffers (session, things, &state->n_things);
  add_pending (session, things, &state->n_things);
  if (state->stage)
    things[state->n_things++] = dcnn_cuda_stage_shift (state->stage);
  return cudaMemcpy (state->things, things, state->n_things * sizeof *things,
      cudaMemcpyHostToDevice);
}

cudaError_t
dcnn_cuda_move (DcnnSession *session, const BackendFrame *frames, guint n)
{
  CudaState *state = cuda_state (session);
  gsize bytes = session->n_streams * 2 * sizeof (gint32);
  gboolean any = FALSE;
  cudaError_t e;

  for (guint i = 0; i < n; i++) {
    DcnnStream *stream = &session->streams[frames[i].stream];
    stream->cpu->move.active = FALSE;
    if (frames[i].moved)
      dcnn_stream_move (stream, session, frames[i].dy, frames[i].dx);
    stream->cpu->move.active &= !stream->first;
    any |= stream->cpu->move.active;
  }
  if (!any)
    return cudaSuccess;
  memset (state->host_moves, 0, bytes);
  for (guint i = 0; i < n; i++) {
    const StreamMove *move =
        &session->streams[frames[i].stream].cpu->move;
    if (!move->active)
      continue;
    state->host_moves[2 * frames[i].stream] = move->dy;
    state->host_moves[2 * frames[i].stream + 1] = move->dx;
  }
  e = cudaMemcpyAsync (state->moves, state->host_moves, bytes,
      cudaMemcpyHostToDevice, state->queue);
  return e == cudaSuccess ? dcnn_cuda_shift (state->things, state->n_things,
      session->n_streams, state->moves, state->queue) : e;
}
