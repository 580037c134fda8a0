/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuda_calls.c - see cuda_calls.h.
 */
#include "cuda_calls.h"

#include <stdlib.h>
#include <string.h>

/* What streams, events and graphs are where there is no GPU. */
typedef struct Imitated {
  int device;
} Imitated;

static gint number, failing, live, launches;
static cudaError_t failure;
static gboolean all_calls;
static const char *failed;
static __thread int current;
static CudaCallsLoss loss;
static gint lost_gpu;        /* and one: 0: none; atomic */

void
cuda_calls_fail (guint n, cudaError_t error, gboolean all)
{
  failing = (gint) n;
  failure = error;
  all_calls = all;
  failed = NULL;
  g_atomic_int_set (&number, 0);
}

guint
cuda_calls_count (void)
{
  return (guint) g_atomic_int_get (&number);
}

const char *
cuda_calls_failed (void)
{
  return failed;
}

guint
cuda_calls_launches (void)
{
  return (guint) g_atomic_int_get (&launches);
}

gint
cuda_calls_live (void)
{
  return g_atomic_int_get (&live);
}

/* ---- how much is held ------------------------------------------------------------ */

static GMutex sizes_lock;
static GHashTable *sizes;    /* address -> bytes */
static gsize held;

gsize
cuda_calls_bytes (void)
{
  return held;
}

static cudaError_t
hold (cudaError_t e, void **to, size_t bytes)
{
  if (e != cudaSuccess)
    return e;
  g_mutex_lock (&sizes_lock);
  if (sizes == NULL)
    sizes = g_hash_table_new (NULL, NULL);
  g_hash_table_insert (sizes, *to, GSIZE_TO_POINTER (bytes));
  held += bytes;
  g_mutex_unlock (&sizes_lock);
  return e;
}

static void
let_go (void *p)
{
  g_mutex_lock (&sizes_lock);
  if (sizes && p) {
    held -= GPOINTER_TO_SIZE (g_hash_table_lookup (sizes, p));
    g_hash_table_remove (sizes, p);
  }
  g_mutex_unlock (&sizes_lock);
}

void
cuda_calls_lose (CudaCallsLoss how)
{
  loss = how;
  g_atomic_int_set (&lost_gpu, 0);
}

/* After a fault, for as long as the process lives. */
static gboolean
is_lost (const char *name)
{
  static const char *const asks[] = { "cudaGetDeviceCount", "cudaSetDevice",
    "cudaGetDevice", "cudaDeviceGetAttribute", NULL };
  gint gpu = g_atomic_int_get (&lost_gpu) - 1;

  if (gpu < 0 || g_strv_contains (asks, name))
    return FALSE;
  return gpu == current || loss == CUDA_CALLS_LOSE_ALL ||
      (loss == CUDA_CALLS_LOSE_PINNED && strcmp (name, "cudaMallocHost") == 0) ||
      (loss == CUDA_CALLS_LOSE_WAITS &&
      strcmp (name, "cudaStreamSynchronize") == 0);
}

static gboolean
fails (const char *name, gboolean makes)
{
  if (is_lost (name))
    return TRUE;
  if (!makes && !all_calls)
    return FALSE;
  if (g_atomic_int_add (&number, 1) + 1 != failing)
    return FALSE;
  failed = name;
  if (loss != CUDA_CALLS_LOSE_NONE)
    g_atomic_int_set (&lost_gpu, current + 1);
  return TRUE;
}

/* A call NAME whose work is REAL on a GPU and OTHERWISE without one. */
#define CALL(name, makes, real, otherwise)                                     \
  cudaError_t e;                                                               \
  if (fails (name, makes))                                                     \
    return failure;                                                            \
  e = cuda_calls_real () ? (real) : (otherwise);                               \
  if (makes && e == cudaSuccess)                                               \
    g_atomic_int_inc (&live);                                                  \
  return e

/* A call that frees: it never fails, and counts where there was something. */
#define FREE(what, real)                                                       \
  if (what)                                                                    \
    g_atomic_int_add (&live, -1);                                              \
  if (cuda_calls_real ())                                                      \
    return real;                                                               \
  free (what);                                                                 \
  return cudaSuccess

/* Declares what the linker makes of a function, and defines its wrapper. */
#define WRAP(name, ...)                                                        \
  cudaError_t __real_##name (__VA_ARGS__);                                     \
  cudaError_t __wrap_##name (__VA_ARGS__);                                     \
  cudaError_t __wrap_##name (__VA_ARGS__)

/* ---- imitated ------------------------------------------------------------------ */

static cudaError_t
new_imitated (void **to)
{
  Imitated *it = calloc (1, sizeof *it);

  it->device = current;
  *to = it;
  return cudaSuccess;
}

static cudaError_t
take_bytes (void **to, size_t bytes)
{
  *to = calloc (1, bytes);
  return *to ? cudaSuccess : cudaErrorMemoryAllocation;
}

/* A thing is used on the GPU that it was made on. */
static cudaError_t
used_here (const void *thing)
{
  const Imitated *it = thing;

  if (it && it->device != current)
    g_error ("a call on GPU %d while %d is the current one", it->device,
        current);
  return cudaSuccess;
}

static cudaError_t
both_here (const void *a, const void *b)
{
  return used_here (a) == cudaSuccess ? used_here (b) : cudaErrorInvalidValue;
}

static cudaError_t
copy (void *to, const void *from, size_t bytes, const void *stream)
{
  memmove (to, from, bytes);
  return used_here (stream);
}

static cudaError_t
fill (void *to, int value, size_t bytes, const void *stream)
{
  memset (to, value, bytes);
  return used_here (stream);
}

static cudaError_t
attribute (int *value, enum cudaDeviceAttr which)
{
  switch (which) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = 132;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = 227 * 1024;
      break;
    default:
      return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

static cudaError_t
put (int *to, int value)
{
  *to = value;
  return cudaSuccess;
}

/* ---- devices --------------------------------------------------------------------- */

cudaError_t __real_cudaGetDeviceCount (int *n);
cudaError_t __wrap_cudaGetDeviceCount (int *n);

gboolean
cuda_calls_real (void)
{
  static gsize known;

  if (g_once_init_enter (&known)) {
    int n = 0;
    gboolean real = __real_cudaGetDeviceCount (&n) == cudaSuccess && n > 0;
    g_once_init_leave (&known, real ? 2 : 1);
  }
  return known == 2;
}

gsize
cuda_calls_free_bytes (void)
{
  size_t left = 0, all = 0;

  if (cuda_calls_real ())
    g_assert_cmpint (cudaMemGetInfo (&left, &all), ==, cudaSuccess);
  return left;
}

cudaError_t
__wrap_cudaGetDeviceCount (int *n)
{
  CALL ("cudaGetDeviceCount", FALSE, __real_cudaGetDeviceCount (n),
      put (n, 2));
}

WRAP (cudaDriverGetVersion, int *version)
{
  return cuda_calls_real () ? __real_cudaDriverGetVersion (version) :
      put (version, CUDART_VERSION);
}

WRAP (cudaGetLastError, void)
{
  return cuda_calls_real () ? __real_cudaGetLastError () : cudaSuccess;
}

WRAP (cudaSetDevice, int device)
{
  CALL ("cudaSetDevice", FALSE, __real_cudaSetDevice (device),
      put (&current, device));
}

WRAP (cudaGetDevice, int *device)
{
  CALL ("cudaGetDevice", FALSE, __real_cudaGetDevice (device),
      put (device, current));
}

WRAP (cudaDeviceGetAttribute, int *value, enum cudaDeviceAttr which,
    int device)
{
  CALL ("cudaDeviceGetAttribute", FALSE,
      __real_cudaDeviceGetAttribute (value, which, device),
      attribute (value, which));
}

/* What the driver describes is as good as any where nothing is launched. */
static int
describe_anything (void)
{
  return 0;
}

static cudaError_t
driver_function (void **function, enum cudaDriverEntryPointQueryResult *found)
{
  *function = (void *) describe_anything;
  *found = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}

WRAP (cudaGetDriverEntryPointByVersion, const char *name, void **function,
    unsigned version, unsigned long long flags,
    enum cudaDriverEntryPointQueryResult *found)
{
  CALL ("cudaGetDriverEntryPointByVersion", FALSE,
      __real_cudaGetDriverEntryPointByVersion (name, function, version, flags,
          found), driver_function (function, found));
}

WRAP (cudaDeviceSynchronize, void)
{
  CALL ("cudaDeviceSynchronize", FALSE, __real_cudaDeviceSynchronize (),
      cudaSuccess);
}

/* ---- memory ---------------------------------------------------------------------- */

WRAP (cudaMalloc, void **to, size_t bytes)
{
  CALL ("cudaMalloc", TRUE, hold (__real_cudaMalloc (to, bytes), to, bytes),
      hold (take_bytes (to, bytes), to, bytes));
}

WRAP (cudaMallocHost, void **to, size_t bytes)
{
  CALL ("cudaMallocHost", TRUE, __real_cudaMallocHost (to, bytes),
      take_bytes (to, bytes));
}

WRAP (cudaFree, void *p)
{
  let_go (p);
  FREE (p, __real_cudaFree (p));
}

WRAP (cudaFreeHost, void *p)
{
  FREE (p, __real_cudaFreeHost (p));
}

WRAP (cudaMemset, void *to, int value, size_t bytes)
{
  CALL ("cudaMemset", FALSE, __real_cudaMemset (to, value, bytes),
      fill (to, value, bytes, NULL));
}

WRAP (cudaMemsetAsync, void *to, int value, size_t bytes, cudaStream_t stream)
{
  CALL ("cudaMemsetAsync", FALSE,
      __real_cudaMemsetAsync (to, value, bytes, stream),
      fill (to, value, bytes, stream));
}

WRAP (cudaMemcpy, void *to, const void *from, size_t bytes,
    enum cudaMemcpyKind kind)
{
  CALL ("cudaMemcpy", FALSE, __real_cudaMemcpy (to, from, bytes, kind),
      copy (to, from, bytes, NULL));
}

WRAP (cudaMemcpyAsync, void *to, const void *from, size_t bytes,
    enum cudaMemcpyKind kind, cudaStream_t stream)
{
  CALL ("cudaMemcpyAsync", FALSE,
      __real_cudaMemcpyAsync (to, from, bytes, kind, stream),
      copy (to, from, bytes, stream));
}

/* ---- streams and events ----------------------------------------------------------- */

WRAP (cudaStreamCreateWithFlags, cudaStream_t *to, unsigned flags)
{
  CALL ("cudaStreamCreateWithFlags", TRUE,
      __real_cudaStreamCreateWithFlags (to, flags), new_imitated ((void **) to));
}

WRAP (cudaStreamDestroy, cudaStream_t stream)
{
  FREE (stream, __real_cudaStreamDestroy (stream));
}

WRAP (cudaStreamSynchronize, cudaStream_t stream)
{
  CALL ("cudaStreamSynchronize", FALSE,
      __real_cudaStreamSynchronize (stream), used_here (stream));
}

WRAP (cudaStreamWaitEvent, cudaStream_t stream, cudaEvent_t event,
    unsigned flags)
{
  CALL ("cudaStreamWaitEvent", FALSE,
      __real_cudaStreamWaitEvent (stream, event, flags),
      both_here (stream, event));
}

WRAP (cudaEventCreate, cudaEvent_t *to)
{
  CALL ("cudaEventCreate", TRUE, __real_cudaEventCreate (to),
      new_imitated ((void **) to));
}

WRAP (cudaEventCreateWithFlags, cudaEvent_t *to, unsigned flags)
{
  CALL ("cudaEventCreateWithFlags", TRUE,
      __real_cudaEventCreateWithFlags (to, flags), new_imitated ((void **) to));
}

WRAP (cudaEventDestroy, cudaEvent_t event)
{
  FREE (event, __real_cudaEventDestroy (event));
}

WRAP (cudaEventRecord, cudaEvent_t event, cudaStream_t stream)
{
  CALL ("cudaEventRecord", FALSE, __real_cudaEventRecord (event, stream),
      both_here (event, stream));
}

/* ---- graphs and launches ------------------------------------------------------------ */

WRAP (cudaGraphCreate, cudaGraph_t *to, unsigned flags)
{
  CALL ("cudaGraphCreate", TRUE, __real_cudaGraphCreate (to, flags),
      new_imitated ((void **) to));
}

WRAP (cudaGraphAddKernelNode, cudaGraphNode_t *node, cudaGraph_t graph,
    const cudaGraphNode_t *after, size_t n,
    const struct cudaKernelNodeParams *params)
{
  g_atomic_int_inc (&launches);
  CALL ("cudaGraphAddKernelNode", FALSE,
      __real_cudaGraphAddKernelNode (node, graph, after, n, params),
      used_here (graph));
}

WRAP (cudaGraphKernelNodeSetAttribute, cudaGraphNode_t node,
    enum cudaLaunchAttributeID id, const union cudaLaunchAttributeValue *value)
{
  CALL ("cudaGraphKernelNodeSetAttribute", FALSE,
      __real_cudaGraphKernelNodeSetAttribute (node, id, value), cudaSuccess);
}

WRAP (cudaGraphAddMemsetNode, cudaGraphNode_t *node, cudaGraph_t graph,
    const cudaGraphNode_t *after, size_t n,
    const struct cudaMemsetParams *params)
{
  CALL ("cudaGraphAddMemsetNode", FALSE,
      __real_cudaGraphAddMemsetNode (node, graph, after, n, params),
      used_here (graph));
}

WRAP (cudaGraphAddEventRecordNode, cudaGraphNode_t *node, cudaGraph_t graph,
    const cudaGraphNode_t *after, size_t n, cudaEvent_t event)
{
  CALL ("cudaGraphAddEventRecordNode", FALSE,
      __real_cudaGraphAddEventRecordNode (node, graph, after, n, event),
      both_here (graph, event));
}

WRAP (cudaGraphAddEmptyNode, cudaGraphNode_t *node, cudaGraph_t graph,
    const cudaGraphNode_t *after, size_t n)
{
  CALL ("cudaGraphAddEmptyNode", FALSE,
      __real_cudaGraphAddEmptyNode (node, graph, after, n),
      used_here (graph));
}

#if CUDART_VERSION >= 13000
WRAP (cudaGraphAddDependencies, cudaGraph_t graph, const cudaGraphNode_t *from,
    const cudaGraphNode_t *to, const cudaGraphEdgeData *edges, size_t n)
{
  CALL ("cudaGraphAddDependencies", FALSE,
      __real_cudaGraphAddDependencies (graph, from, to, edges, n),
      used_here (graph));
}

WRAP (cudaGraphConditionalHandleCreate, cudaGraphConditionalHandle *handle,
    cudaGraph_t graph, unsigned value, unsigned flags)
{
  CALL ("cudaGraphConditionalHandleCreate", FALSE,
      __real_cudaGraphConditionalHandleCreate (handle, graph, value, flags),
      used_here (graph));
}

static cudaError_t
imitate_node (struct cudaGraphNodeParams *params)
{
  static cudaGraph_t none;

  params->conditional.phGraph_out = &none;
  return cudaSuccess;
}

WRAP (cudaGraphAddNode, cudaGraphNode_t *node, cudaGraph_t graph,
    const cudaGraphNode_t *after, const cudaGraphEdgeData *edges, size_t n,
    struct cudaGraphNodeParams *params)
{
  CALL ("cudaGraphAddNode", FALSE,
      __real_cudaGraphAddNode (node, graph, after, edges, n, params),
      imitate_node (params));
}
#else
WRAP (cudaGraphAddDependencies, cudaGraph_t graph, const cudaGraphNode_t *from,
    const cudaGraphNode_t *to, size_t n)
{
  CALL ("cudaGraphAddDependencies", FALSE,
      __real_cudaGraphAddDependencies (graph, from, to, n),
      used_here (graph));
}
#endif

WRAP (cudaGraphDestroy, cudaGraph_t graph)
{
  FREE (graph, __real_cudaGraphDestroy (graph));
}

WRAP (cudaGraphInstantiate, cudaGraphExec_t *to, cudaGraph_t graph,
    unsigned long long flags)
{
  CALL ("cudaGraphInstantiate", TRUE,
      __real_cudaGraphInstantiate (to, graph, flags),
      new_imitated ((void **) to));
}

WRAP (cudaGraphExecDestroy, cudaGraphExec_t graph)
{
  FREE (graph, __real_cudaGraphExecDestroy (graph));
}

WRAP (cudaGraphLaunch, cudaGraphExec_t graph, cudaStream_t stream)
{
  CALL ("cudaGraphLaunch", FALSE, __real_cudaGraphLaunch (graph, stream),
      both_here (graph, stream));
}

WRAP (cudaFuncSetAttribute, const void *function, enum cudaFuncAttribute which,
    int value)
{
  CALL ("cudaFuncSetAttribute", FALSE,
      __real_cudaFuncSetAttribute (function, which, value), cudaSuccess);
}

static cudaError_t
code_for_90 (struct cudaFuncAttributes *to)
{
  memset (to, 0, sizeof *to);
  to->ptxVersion = to->binaryVersion = 90;
  return cudaSuccess;
}

static gint compiled_for;  /* 0: as it is */

void
cuda_calls_compiled_for (gint capability)
{
  compiled_for = capability;
}

static cudaError_t
with_code (struct cudaFuncAttributes *to, cudaError_t e)
{
  if (compiled_for)
    to->ptxVersion = compiled_for;
  return e;
}

WRAP (cudaFuncGetAttributes, struct cudaFuncAttributes *to,
    const void *function)
{
  CALL ("cudaFuncGetAttributes", FALSE,
      with_code (to, __real_cudaFuncGetAttributes (to, function)),
      with_code (to, code_for_90 (to)));
}

WRAP (cudaLaunchKernelExC, const cudaLaunchConfig_t *config,
    const void *function, void **arguments)
{
  g_atomic_int_inc (&launches);
  CALL ("cudaLaunchKernelExC", FALSE,
      __real_cudaLaunchKernelExC (config, function, arguments),
      used_here (config->stream));
}
