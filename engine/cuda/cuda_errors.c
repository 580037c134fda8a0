/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_errors.c - what CUDA's errors mean, and which GPUs this process has lost.
 *
 * After some errors a GPU's context answers every call with the same error for
 * as long as the process lives; other processes are not concerned.
 */
#include "cuda.h"

#define MOST_GPUS 256 /* device numbers: see parse_index() in dcnn_backend.c */

static gint lost[MOST_GPUS]; /* cudaError_t; 0: none; atomic */

static gboolean
loses_gpu (cudaError_t e)
{
  switch (e) {
    case cudaErrorDevicesUnavailable:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
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
    case cudaErrorSystemNotReady:
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
dcnn_cuda_usable (gint index, GError **error)
{
  gint e = index < MOST_GPUS ? g_atomic_int_get (&lost[MAX (index, 0)]) : 0;

  if (e == 0)
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "GPU %d failed (%s) and takes nothing more from this process; start it "
      "again, or use device=cpu", MAX (index, 0),
      cudaGetErrorString ((cudaError_t) e));
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
    g_atomic_int_set (&lost[CLAMP (device, 0, MOST_GPUS - 1)], (gint) e);
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
