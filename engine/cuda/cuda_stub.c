/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_stub.c - answers for the CUDA backend where it is not
 * built in.
 */
#include "dcnn_backend.h"

static gboolean
cuda_present (void)
{
  return FALSE;
}

static gboolean
cuda_available (gint index, GError **error)
{
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "device=cuda was asked for, but this is built without CUDA; use the "
      "device cpu, or build where nvcc is, with -Dcuda=enabled");
  return FALSE;
}

const DcnnBackend dcnn_backend_cuda = {
  .name = "cuda",
  .present = cuda_present,
  .available = cuda_available,
};
