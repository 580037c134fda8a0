/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * driver.c - a made-up NVIDIA driver for gpu.c: libcuda.so.1 and
 * libnvidia-ml.so.1 with the few functions that deltacnn-bench calls. Memory is
 * the host's; each question for energy takes 1.5 joules.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GPU_1 "GPU-00112233-4455-6677-8899-aabbccddeeff"

int driver_live, driver_depth;
int cuDeviceGet (int *device, int ordinal);
int cuDeviceGetUuid (uint8_t *uuid, int device);
int cuCtxPushCurrent_v2 (void *context);
int cuCtxPopCurrent_v2 (void **context);
int cuMemAlloc_v2 (uint64_t *address, size_t bytes);
int cuMemFree_v2 (uint64_t address);
int cuMemcpyHtoD_v2 (uint64_t to, const void *from, size_t bytes);
int nvmlInit_v2 (void);
int nvmlDeviceGetHandleByUUID (const char *uuid, void **device);
int nvmlDeviceGetTotalEnergyConsumption (void *device,
    unsigned long long *millijoules);
const char *nvmlErrorString (int error);

int
cuDeviceGet (int *device, int ordinal)
{
  *device = ordinal + 40;
  return 0;
}

int
cuDeviceGetUuid (uint8_t *uuid, int device)
{
  for (int i = 0; i < 16; i++)
    uuid[i] = (uint8_t) (i * 0x11);
  return device == 41 ? 0 : 101;
}

int
cuCtxPushCurrent_v2 (void *context)
{
  driver_depth++;
  return context ? 0 : 201;
}

int
cuCtxPopCurrent_v2 (void **context)
{
  driver_depth--;
  *context = NULL;
  return 0;
}

int
cuMemAlloc_v2 (uint64_t *address, size_t bytes)
{
  if (bytes > 4096)
    return 2;
  *address = (uint64_t) (uintptr_t) malloc (bytes);
  driver_live++;
  return 0;
}

int
cuMemFree_v2 (uint64_t address)
{
  free ((void *) (uintptr_t) address);
  driver_live--;
  return 0;
}

int
cuMemcpyHtoD_v2 (uint64_t to, const void *from, size_t bytes)
{
  memcpy ((void *) (uintptr_t) to, from, bytes);
  return driver_depth > 0 ? 0 : 201;
}

int
nvmlInit_v2 (void)
{
  return 0;
}

int
nvmlDeviceGetHandleByUUID (const char *uuid, void **device)
{
  *device = &driver_live;
  return strcmp (uuid, GPU_1) == 0 ? 0 : 6;
}

int
nvmlDeviceGetTotalEnergyConsumption (void *device,
    unsigned long long *millijoules)
{
  static unsigned long long total = 70000;

  *millijoules = total += 1500;
  return device == &driver_live ? 0 : 1;
}

const char *
nvmlErrorString (int error)
{
  return error == 6 ? "Not Found" : "Unknown Error";
}
