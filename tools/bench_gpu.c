/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What deltacnn-bench asks of an NVIDIA driver itself: energy, by NVML, and
 * memory for pictures. Its libraries are loaded when they are wanted, so the
 * program needs neither of them to run, nor any of their headers to build: the
 * few functions are declared here, after the driver's documentation. */
#include "bench.h"

#include <dlfcn.h>
#include <math.h>

struct BenchGpu {
  void *driver, *nvml;       /* libraries */
  gpointer context;
  gint index;                /* the driver's number of it */
  gpointer device;           /* NVML's; NULL: not opened */
  /* CUDA driver API; 0: success */
  int (*device_get) (int *device, int ordinal);
  int (*device_get_uuid) (guint8 *uuid, int device);
  int (*push) (gpointer context);
  int (*pop) (gpointer *context);
  int (*allocate) (guint64 *address, gsize bytes);
  int (*release) (guint64 address);
  int (*upload) (guint64 to, const void *from, gsize bytes);
  /* NVML; 0: success */
  int (*start) (void);
  int (*by_uuid) (const char *uuid, gpointer *device);
  int (*energy) (gpointer device, unsigned long long *millijoules);
  const char *(*why) (int error);
  GArray *addresses;         /* guint64 */
};

/* Looks functions up: name, where it goes. FALSE: one is not there. */
static gboolean
find_functions (void *library, const char *const *names, void **const *to,
    guint n, GError **error)
{
  for (guint i = 0; i < n; i++) {
    *to[i] = dlsym (library, names[i]);
    if (*to[i] == NULL) {
      g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
          "the NVIDIA driver has no %s; update it", names[i]);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
open_driver (BenchGpu *gpu, GError **error)
{
  static const char *const names[] = { "cuDeviceGet", "cuDeviceGetUuid",
    "cuCtxPushCurrent_v2", "cuCtxPopCurrent_v2", "cuMemAlloc_v2",
    "cuMemFree_v2", "cuMemcpyHtoD_v2" };
  void **const to[] = { (void **) &gpu->device_get,
    (void **) &gpu->device_get_uuid, (void **) &gpu->push,
    (void **) &gpu->pop, (void **) &gpu->allocate, (void **) &gpu->release,
    (void **) &gpu->upload };
  gpu->driver = dlopen ("libcuda.so.1", RTLD_NOW);
  if (gpu->driver)
    return find_functions (gpu->driver, names, to, G_N_ELEMENTS (names),
        error);
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE, "%s", dlerror ());
  return FALSE;
}

BenchGpu *
bench_gpu_new (const char *device, GError **error)
{
  g_autoptr (BenchGpu) gpu = g_new0 (BenchGpu, 1);
  gpu->addresses = g_array_new (FALSE, FALSE, sizeof (guint64));
  if (!dcnn_device_context (device, &gpu->context, &gpu->index)) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
        "device %s is no NVIDIA GPU that can be used here; name one (--device)",
        device ? device : "auto");
    return NULL;
  }
  return open_driver (gpu, error) ? g_steal_pointer (&gpu) : NULL;
}

void
bench_gpu_free (BenchGpu *gpu)
{
  if (!gpu)
    return;
  if (gpu->addresses->len && gpu->push (gpu->context) == 0) {
    gpointer context;
    for (guint i = 0; i < gpu->addresses->len; i++)
      (void) gpu->release (g_array_index (gpu->addresses, guint64, i));
    (void) gpu->pop (&context);
  }
  g_array_unref (gpu->addresses);
  if (gpu->nvml)
    (void) dlclose (gpu->nvml);
  if (gpu->driver)
    (void) dlclose (gpu->driver);
  g_free (gpu);
}

void
bench_gpu_describe (const BenchGpu *gpu, DcnnFrame *frame)
{
  frame->memory = DCNN_MEMORY_CUDA;
  frame->context = gpu->context;
}

gboolean
bench_gpu_serves (const char *device)
{
  const DcnnDeviceKind *kind = dcnn_device_named (device);
  return kind && kind->memories & 1u << DCNN_MEMORY_CUDA;
}

gpointer
bench_gpu_put (BenchGpu *gpu, const void *data, gsize bytes, GError **error)
{
  guint64 address = 0;
  gpointer context;
  int e = gpu->push (gpu->context);
  if (e == 0) {
    e = gpu->allocate (&address, bytes);
    if (e == 0) {
      g_array_append_val (gpu->addresses, address);
      e = gpu->upload (address, data, bytes);
    }
    (void) gpu->pop (&context);
  }
  if (e == 0)
    return (gpointer) (gsize) address;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_MEMORY,
      "the GPU has no room for the clips (CUDA error %d); use shorter ones "
      "(--frames)", e);
  return NULL;
}

/* ---- energy -------------------------------------------------------------- */

gboolean
bench_gpu_open_energy (BenchGpu *gpu, GError **error)
{
  static const char *const names[] = { "nvmlInit_v2",
    "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlErrorString" };
  void **const to[] = { (void **) &gpu->start, (void **) &gpu->by_uuid,
    (void **) &gpu->energy, (void **) &gpu->why };
  guint8 id[16] = { 0 };
  int device = 0, e;
  gpu->nvml = dlopen ("libnvidia-ml.so.1", RTLD_NOW);
  if (!gpu->nvml) {
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
        "energy is counted by NVML, which the driver brings: %s", dlerror ());
    return FALSE;
  }
  if (!find_functions (gpu->nvml, names, to, G_N_ELEMENTS (names), error))
    return FALSE;
  if (gpu->device_get (&device, gpu->index) != 0
      || gpu->device_get_uuid (id, device) != 0) {
    g_set_error_literal (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
        "the driver does not say which GPU it is");
    return FALSE;
  }
  /* the driver's numbers follow CUDA_VISIBLE_DEVICES, NVML's do not */
  g_autofree char *uuid = g_strdup_printf ("GPU-%02x%02x%02x%02x-%02x%02x-"
      "%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id[0], id[1], id[2], id[3],
      id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13],
      id[14], id[15]);
  e = gpu->start ();
  if (e == 0)
    e = gpu->by_uuid (uuid, &gpu->device);
  if (e == 0 && !isnan (bench_gpu_joules (gpu)))
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_DEVICE,
      "NVML does not count the energy of %s: %s", uuid,
      e ? gpu->why (e) : "not this GPU's");
  return FALSE;
}

double
bench_gpu_joules (const BenchGpu *gpu)
{
  unsigned long long millijoules = 0;
  return gpu->energy (gpu->device, &millijoules) == 0 ?
      (double) millijoules / 1000 : (double) NAN;
}
