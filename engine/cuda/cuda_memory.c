/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_memory.c - memory that a session keeps, on the device and on the host.
 */
#include "cuda.h"

#include <string.h>

void *
dcnn_cuda_take (CudaState *state, gsize bytes, cudaError_t *e)
{
  void *p = NULL;

  bytes = MAX (bytes, 256);
  if (state->measuring) {
    state->bytes += bytes;
    return GSIZE_TO_POINTER (256); /* something: whoever shares asks for it */
  }
  if (*e == cudaSuccess)
    *e = cudaMalloc (&p, bytes);
  if (*e != cudaSuccess)
    return NULL;
  g_ptr_array_add (state->memory, p);
  state->bytes += bytes;
  *e = cudaMemset (p, 0, bytes);
  return p;
}

void *
dcnn_cuda_take_host (CudaState *state, gsize bytes, cudaError_t *e)
{
  void *p = NULL;

  if (state->measuring)
    return NULL;
  if (*e == cudaSuccess)
    *e = cudaMallocHost (&p, MAX (bytes, 64));
  if (*e != cudaSuccess)
    return NULL;
  g_ptr_array_add (state->pinned, p);
  return memset (p, 0, MAX (bytes, 64));
}

cudaError_t
dcnn_cuda_finish_uploads (void)
{
  return cudaStreamSynchronize (NULL);
}
