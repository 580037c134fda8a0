/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_errors.c - what CUDA's errors mean, and which GPUs this process has lost.
 *
 * After some errors a GPU's context answers every call with the same error for
 * as long as the process lives; other processes are not concerned. Whether this
 * process' other GPUs are, CUDA's manual leaves open ("any further CUDA work"),
 * so they are tried before anything new is put onto them.
 */
#include "cuda.h"

#define MOST_GPUS 256 /* device numbers: see parse_index() in dcnn_backend.c */
#define TRIED 256     /* bytes */

static gint lost[MOST_GPUS]; /* cudaError_t; 0: none; atomic */
static gint n_lost;          /* times that one was; atomic */
static gint tried[MOST_GPUS]; /* n_lost when it was tried last; atomic */

static gboolean
loses_gpu (cudaError_t e)
{
  switch ((int) e) {
    case cudaErrorDevicesUnavailable:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case 226: /* cudaErrorContained, since CUDA 12.9 */
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorContextIsDestroyed:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case 721: /* cudaErrorTensorMemoryLeak, since CUDA 12.9 */
    case cudaErrorSystemNotReady:
      return TRUE;
    default:
      return FALSE;
  }
}

static void
lose (gint index, cudaError_t e)
{
  if (g_atomic_int_compare_and_exchange (&lost[index], 0, (gint) e))
    g_atomic_int_inc (&n_lost);
}

/* What a session does there: memory of the GPU's and of all GPUs', a launch, a
 * copy, a wait. */
static cudaError_t
try_current (void)
{
  void *there = NULL, *here = NULL;
  cudaStream_t queue = NULL;
  cudaError_t e = cudaMalloc (&there, TRIED);

  if (e == cudaSuccess)
    e = cudaMallocHost (&here, TRIED);
  if (e == cudaSuccess)
    e = cudaStreamCreateWithFlags (&queue, cudaStreamNonBlocking);
  if (e == cudaSuccess)
    e = cudaMemsetAsync (there, 0, TRIED, queue);
  if (e == cudaSuccess) /* no words: it counts nothing */
    e = dcnn_cuda_count (there, 1, 1, NULL, NULL, (guint32 *) there + 32,
        (guint32 *) there + 33, (DcnnCudaQueue) { .stream = queue });
  if (e == cudaSuccess)
    e = cudaMemcpyAsync (here, there, TRIED, cudaMemcpyDeviceToHost, queue);
  if (e == cudaSuccess)
    e = cudaStreamSynchronize (queue);
  if (queue)
    (void) cudaStreamDestroy (queue);
  (void) cudaFreeHost (here);
  (void) cudaFree (there);
  return e;
}

/* Whatever it fails with is its answer to this process, unless others have its
 * memory. */
static void
try_gpu (gint index)
{
  gint times = g_atomic_int_get (&n_lost);
  int current = 0;
  cudaError_t e;

  if (g_atomic_int_get (&tried[index]) == times)
    return;
  (void) cudaGetDevice (&current);
  e = cudaSetDevice (index);
  if (e == cudaSuccess)
    e = try_current ();
  (void) cudaGetLastError ();
  (void) cudaSetDevice (current);
  if (e == cudaSuccess)
    g_atomic_int_set (&tried[index], times);
  else if (e != cudaErrorMemoryAllocation)
    lose (index, e);
}

gboolean
dcnn_cuda_usable (gint index, GError **error)
{
  index = MIN (index, MOST_GPUS - 1);
  if (!g_atomic_int_get (&lost[index]))
    try_gpu (index);
  if (!g_atomic_int_get (&lost[index]))
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "GPU %d failed (%s) and takes nothing more from this process; start it "
      "again, or use device=cpu", index,
      cudaGetErrorString ((cudaError_t) g_atomic_int_get (&lost[index])));
  return FALSE;
}

gboolean
dcnn_cuda_check (cudaError_t e, const char *what, GError **error)
{
  int device = 0;

  if (e == cudaSuccess)
    return TRUE;
  (void) cudaGetLastError ();
  if (e == cudaErrorMemoryAllocation) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
        "out of GPU memory while %s; use fewer streams or a smaller input",
        what);
  } else if (loses_gpu (e)) {
    (void) cudaGetDevice (&device);
    lose (CLAMP (device, 0, MOST_GPUS - 1), e);
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
        "CUDA failed while %s: %s; GPU %d takes nothing more from this "
        "process: start it again, or use device=cpu", what,
        cudaGetErrorString (e), device);
  } else {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
        "CUDA failed while %s: %s", what, cudaGetErrorString (e));
  }
  return FALSE;
}
