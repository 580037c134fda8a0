/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_inputs.c - incoming maps to the device, counters from it.
 */
#include "cuda.h"

#include <string.h>

/* What a map's masks say of a stream, for the device. Returns the changed pixels of
 * word w, and their corrections. */
static guint64
tell_word (const StreamMask *updated, const StreamMask *exact, gsize w,
    guint64 *to_updated, guint64 *to_exact)
{
  to_updated[w] = updated->any ? updated->mask.words[w] : 0;
  to_exact[w] = exact->any ? exact->mask.words[w] : 0;
  return to_updated[w] | to_exact[w];
}

gboolean
dcnn_cuda_tell_picture (DcnnSession *session, guint s)
{
  CudaState *state = cuda_state (session);
  gint m = plan_picture_map (session->plan);
  const PlanMap *map = plan_map (session->plan, m);
  gsize words = dcnn_mask_words (map->width, map->height);
  guint64 any = 0;

  for (gsize w = 0; w < words; w++)
    any |= tell_word (&session->streams[s].masks[map->mask],
        &session->streams[s].cpu->exact[map->mask], w,
        state->host_updated[m] + s * words, state->host_exact[m] + s * words);
  return any != 0;
}

void
dcnn_cuda_list_input (DcnnSession *session, guint s, guint m)
{
  CudaState *state = cuda_state (session);
  DcnnStream *stream = &session->streams[s];
  const PlanMap *map = plan_map (session->plan, m);
  const StreamMask *u = &stream->masks[map->mask];
  const StreamMask *x = &stream->cpu->exact[map->mask];
  gsize words = dcnn_mask_words (map->width, map->height);
  guint64 *updated = state->host_updated[m] + s * words;
  guint64 *exact = state->host_exact[m] + s * words;
  guint32 n = state->host_count[m];

  for (gsize w = 0; w < words; w++) {
    guint64 all = tell_word (u, x, w, updated, exact);
    for (; all; all &= all - 1, n++) {
      guint bit = (guint) __builtin_ctzll (all);
      guint y = (guint) (w / u->mask.blocks_x) * 8 + bit / 8;
      guint px = (guint) (w % u->mask.blocks_x) * 8 + bit % 8;
      state->host_list[m][n] = (DcnnCudaPixel) { DCNN_PIXEL (y, px), s };
      memcpy (state->host_values[m] + (gsize) n * map->span,
          dcnn_map_pixel (&stream->cpu->maps[m], y, px),
          map->span * sizeof (gfloat));
    }
  }
  state->host_count[m] = n;
}

cudaError_t
dcnn_cuda_upload_input (DcnnSession *session, guint m)
{
  CudaState *state = cuda_state (session);
  const PlanMap *map = plan_map (session->plan, m);
  gsize bytes = dcnn_mask_words (map->width, map->height) * 8 *
      session->n_streams;
  gsize n = state->host_count[m];
  cudaError_t e = cudaMemcpyAsync (state->input_count + m,
      state->host_count + m, 4, cudaMemcpyHostToDevice, state->queue);

  if (e == cudaSuccess)
    e = cudaMemcpyAsync (state->updated[map->mask], state->host_updated[m],
        bytes, cudaMemcpyHostToDevice, state->queue);
  if (e == cudaSuccess)
    e = cudaMemcpyAsync (state->exact[map->mask], state->host_exact[m],
        bytes, cudaMemcpyHostToDevice, state->queue);
  if (e == cudaSuccess && n > 0)
    e = cudaMemcpyAsync (state->input_list[m], state->host_list[m],
        n * sizeof (DcnnCudaPixel), cudaMemcpyHostToDevice, state->queue);
  return e == cudaSuccess && n > 0 ? cudaMemcpyAsync (state->input_values[m],
      state->host_values[m], n * map->span * sizeof (gfloat),
      cudaMemcpyHostToDevice, state->queue) : e;
}

cudaError_t
dcnn_cuda_download_counters (DcnnSession *session)
{
  CudaState *state = cuda_state (session);

  return cudaMemcpyAsync (state->host_counters, state->counters,
      state->n_counters * 4, cudaMemcpyDeviceToHost, state->queue);
}
