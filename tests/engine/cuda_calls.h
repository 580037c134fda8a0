/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_calls.h - every call of CUDA's runtime that engine and kernels make, led
 * here by the linker's --wrap: counted, made to fail, and balanced.
 *
 * Where no GPU is there, a runtime of two GPUs is imitated: memory is the
 * host's, copies are copies, launches do nothing. It aborts where a call on a
 * stream or an event is made while another GPU is the current one, most of which
 * CUDA refuses. So whatever the host does is tried without a GPU; results are
 * not, unless a GPU is emulated (../emulated), which is as good as one here.
 */
#ifndef DCNN_TEST_CUDA_CALLS_H
#define DCNN_TEST_CUDA_CALLS_H

#include <cuda_runtime.h>
#include <glib.h>

/* To be asked before anything else: is it a GPU? */
gboolean cuda_calls_real (void);

/* From now on the n-th call (from 1 on) fails with error, once; n 0: none, but
 * they are counted. all FALSE: only calls that make something (memory, streams,
 * events, graphs) count, else all but those that free. */
void cuda_calls_fail (guint n, cudaError_t error, gboolean all);
/* Calls since then, and the name of the one that failed; NULL: none did. */
guint cuda_calls_count (void);
const char *cuda_calls_failed (void);

/* What an imitated GPU does after a call on it that was made to fail, as GPUs do
 * after a fault: nothing; each call on that GPU fails so; on every GPU; on every
 * GPU, but on others only what takes pinned memory, or waits. What
 * asks which GPUs there are, and what frees, does not fail. */
typedef enum CudaCallsLoss {
  CUDA_CALLS_LOSE_NONE,
  CUDA_CALLS_LOSE_ONE,
  CUDA_CALLS_LOSE_ALL,
  CUDA_CALLS_LOSE_PINNED,
  CUDA_CALLS_LOSE_WAITS,
} CudaCallsLoss;
void cuda_calls_lose (CudaCallsLoss loss);

/* From now on kernels say that they are compiled for that capability (75, 80 ...);
 * 0: for what they are. */
void cuda_calls_compiled_for (gint capability);

/* Launches of kernels that were asked for, or put into a graph. */
guint cuda_calls_launches (void);

/* What was made and is not freed yet. */
gint cuda_calls_live (void);
/* Bytes of the GPU's memory among it, as they were asked for. */
gsize cuda_calls_bytes (void);
/* Bytes that the GPU has left. */
gsize cuda_calls_free_bytes (void);

#endif
