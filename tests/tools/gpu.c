/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gpu.c - what deltacnn-bench asks of an NVIDIA driver, against a driver that
 * is made up (driver.c, found by LD_LIBRARY_PATH): which GPU is asked, energy,
 * pictures that go up, and that all of them are freed.
 */
#include "bench.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>

static gboolean there;

/* The engine's, made up: GPU 1, whose context is some address. */
gboolean
dcnn_device_context (const char *device, gpointer *context, gint *index)
{
  *context = &there;
  *index = 1;
  return there && g_str_equal (device, "cuda:1");
}

const DcnnDeviceKind *
dcnn_device_named (const char *device)
{
  static const DcnnDeviceKind kind = { .name = "cuda", .gpu = TRUE,
    .memories = 1u << DCNN_MEMORY_CUDA };
  return g_str_has_prefix (device, "cuda") ? &kind : NULL;
}

GQuark
dcnn_error_quark (void)
{
  return g_quark_from_static_string ("dcnn-error");
}

/* A figure of the made-up driver. */
static int
driver_tells (const char *name)
{
  void *library = dlopen ("libcuda.so.1", RTLD_NOW);
  int value;

  g_assert_nonnull (library);
  value = *(int *) dlsym (library, name);
  (void) dlclose (library);
  return value;
}

static void
test_energy (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BenchGpu) gpu = NULL;
  double before;

  there = TRUE;
  g_assert_true (bench_gpu_serves ("cuda:1") && !bench_gpu_serves ("cpu"));
  gpu = bench_gpu_new ("cuda:1", &error);
  g_assert_no_error (error);
  /* NVML knows one GPU: the one with the driver's UUID */
  g_assert_true (bench_gpu_open_energy (gpu, &error));
  g_assert_no_error (error);
  before = bench_gpu_joules (gpu);
  g_assert_cmpfloat (fabs (bench_gpu_joules (gpu) - before - 1.5), <, 1e-9);
}

static void
test_pictures (void)
{
  g_autoptr (GError) error = NULL;
  guint8 bytes[300] = { 0 };
  BenchGpu *gpu;
  DcnnFrame frame = { 0 };
  gpointer put;

  there = TRUE;
  gpu = bench_gpu_new ("cuda:1", &error);
  g_assert_no_error (error);
  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) (i * 7);
  put = bench_gpu_put (gpu, bytes, sizeof bytes, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (put, sizeof bytes, bytes, sizeof bytes);
  bench_gpu_describe (gpu, &frame);
  g_assert_true (frame.context == &there);
  g_assert_cmpint (frame.memory, ==, DCNN_MEMORY_CUDA);
  g_assert_cmpint (driver_tells ("driver_live"), ==, 1);
  /* more than there is */
  g_assert_null (bench_gpu_put (gpu, bytes, 1 << 20, &error));
  g_assert_error (error, dcnn_error_quark (), DCNN_ERROR_MEMORY);
  g_assert_cmpint (driver_tells ("driver_depth"), ==, 0);
  bench_gpu_free (gpu);
  g_assert_cmpint (driver_tells ("driver_live"), ==, 0);
  g_assert_cmpint (driver_tells ("driver_depth"), ==, 0);
}

static void
test_none (void)
{
  g_autoptr (GError) error = NULL;

  there = FALSE;
  g_assert_null (bench_gpu_new ("cuda:1", &error));
  g_assert_error (error, dcnn_error_quark (), DCNN_ERROR_DEVICE);
  g_assert_nonnull (strstr (error->message, "name one (--device)"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tools/gpu/energy", test_energy);
  g_test_add_func ("/tools/gpu/pictures", test_pictures);
  g_test_add_func ("/tools/gpu/none", test_none);
  return g_test_run ();
}
