/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * runtime.cc - CUDA's runtime on the processor, as far as the engine asks for
 * it: one GPU of compute capability 9.0 with few multiprocessors, whose streams
 * are one queue, and whose graphs run in any order that their edges allow.
 * Memory that a GPU has not zeroed is not zero.
 *
 * What was asked for of a stream is not done before somebody waits: what the
 * host changes too early in pinned memory, or reads too early, shows.
 */
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include <cuda_runtime_api.h>

#include "kernels.h"
#include "threads.h"

/* Few, so that grids are small, and enough for every path. */
#define PROCESSORS 12
#define SHARED_BYTES (227 * 1024)

typedef std::function<void ()> Work;

/* What of a graph is done after which others. */
struct Node {
  Work work;
  std::vector<size_t> after;
};
typedef std::vector<Node> Graph;

/* Whether what hangs on it runs. */
struct Condition {
  unsigned value, first;
};

static std::deque<Work> queue;
static Graph *captured;    /* NULL: nothing is being captured */
/* Of the graph that is being captured: what is next on a stream comes after
 * these, and so does who waits for an event. */
static std::map<cudaStream_t, std::vector<size_t>> ends;
static std::map<cudaEvent_t, std::vector<size_t>> events;
static std::map<const char *, size_t> pinned;

/* Does it when its turn has come; while a graph is captured, when that is
 * launched: then in any order that the graph's edges allow, another one each
 * time. */
static void
submit (cudaStream_t stream, Work work)
{
  if (captured == NULL) {
    queue.push_back (work);
    return;
  }
  captured->push_back (Node { work, ends[stream] });
  ends[stream] = { captured->size () - 1 };
}

/* In an order that the edges allow, and chance. */
static void
run_graph (const Graph &graph)
{
  static uint64_t state = 1;
  std::vector<size_t> left (graph.size ()), ready;
  std::vector<std::vector<size_t>> before (graph.size ());

  for (size_t i = 0; i < graph.size (); i++) {
    left[i] = graph[i].after.size ();
    for (size_t other : graph[i].after)
      before[other].push_back (i);
    if (left[i] == 0)
      ready.push_back (i);
  }
  while (!ready.empty ()) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    size_t at = (state >> 33) % ready.size (), i = ready[at];
    ready[at] = ready.back ();
    ready.pop_back ();
    graph[i].work ();
    for (size_t next : before[i])
      if (--left[next] == 0)
        ready.push_back (next);
  }
}

static cudaError_t
finish ()
{
  if (captured)
    abort (); /* waiting while a graph is captured */
  while (!queue.empty ()) {
    Work work = queue.front ();
    queue.pop_front ();
    work ();
  }
  return cudaSuccess;
}

std::map<const void *, EmulatedBind> &
emulated_kernels ()
{
  static std::map<const void *, EmulatedBind> all;
  return all;
}

static bool
is_pinned (const void *p)
{
  auto after = pinned.upper_bound ((const char *) p);

  if (after == pinned.begin ())
    return false;
  --after;
  return (const char *) p < after->first + after->second;
}

extern "C" {

/* ---- devices ------------------------------------------------------------------------ */

cudaError_t
cudaGetDeviceCount (int *n)
{
  *n = 1;
  return cudaSuccess;
}

cudaError_t
cudaDriverGetVersion (int *version)
{
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetLastError (void) { return cudaSuccess; }
cudaError_t cudaSetDevice (int) { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize (void) { return finish (); }
const char *cudaGetErrorString (cudaError_t) { return "emulated"; }
const char *cudaGetErrorName (cudaError_t) { return "emulated"; }

cudaError_t
cudaGetDevice (int *device)
{
  *device = 0;
  return cudaSuccess;
}

cudaError_t
cudaDeviceGetAttribute (int *value, cudaDeviceAttr which, int)
{
  switch (which) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = PROCESSORS;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = SHARED_BYTES;
      break;
    default:
      return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

/* The driver's functions are not here: kernels describe maps by themselves
 * (instructions.h). */
cudaError_t
cudaGetDriverEntryPointByVersion (const char *, void **function, unsigned,
    unsigned long long, cudaDriverEntryPointQueryResult *found)
{
  *function = NULL;
  *found = cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

/* ---- memory ------------------------------------------------------------------------- */

cudaError_t
cudaMalloc (void **to, size_t bytes)
{
  *to = aligned_alloc (256, (bytes + 255) / 256 * 256);
  memset (*to, 0xee, bytes);
  return cudaSuccess;
}

cudaError_t
cudaMallocHost (void **to, size_t bytes)
{
  *to = malloc (bytes);
  memset (*to, 0xee, bytes);
  pinned[(const char *) *to] = bytes;
  return cudaSuccess;
}

cudaError_t
cudaFree (void *p)
{
  (void) finish ();
  free (p);
  return cudaSuccess;
}

cudaError_t
cudaFreeHost (void *p)
{
  (void) finish ();
  pinned.erase ((const char *) p);
  free (p);
  return cudaSuccess;
}

cudaError_t
cudaMemGetInfo (size_t *left, size_t *all)
{
  *left = *all = (size_t) 1 << 40;
  return cudaSuccess;
}

/* Does not wait for streams that said so, which all of ours do. */
cudaError_t
cudaMemset (void *to, int value, size_t bytes)
{
  memset (to, value, bytes);
  return cudaSuccess;
}

cudaError_t
cudaMemcpy (void *to, const void *from, size_t bytes, cudaMemcpyKind)
{
  memcpy (to, from, bytes);
  return cudaSuccess;
}

cudaError_t
cudaMemsetAsync (void *to, int value, size_t bytes, cudaStream_t stream)
{
  submit (stream, [=] { memset (to, value, bytes); });
  return cudaSuccess;
}

/* From memory that is not pinned it is copied at once, to such memory when it
 * returns. */
cudaError_t
cudaMemcpyAsync (void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
    cudaStream_t stream)
{
  if (kind == cudaMemcpyHostToDevice && !is_pinned (from)) {
    std::vector<char> held ((const char *) from, (const char *) from + bytes);
    submit (stream, [=] { memcpy (to, held.data (), bytes); });
    return cudaSuccess;
  }
  submit (stream, [=] { memcpy (to, from, bytes); });
  return kind == cudaMemcpyDeviceToHost && !is_pinned (to) ? finish () :
      cudaSuccess;
}

/* ---- streams, events, graphs ------------------------------------------------------------ */

cudaError_t
cudaStreamCreateWithFlags (cudaStream_t *to, unsigned)
{
  *to = (cudaStream_t) malloc (1);
  return cudaSuccess;
}

cudaError_t
cudaStreamDestroy (cudaStream_t stream)
{
  free (stream);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize (cudaStream_t) { return finish (); }
cudaError_t cudaEventSynchronize (cudaEvent_t) { return finish (); }

cudaError_t
cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  if (captured)
    events[event] = ends[stream];
  return cudaSuccess;
}

cudaError_t
cudaEventRecordWithFlags (cudaEvent_t event, cudaStream_t stream, unsigned)
{
  return cudaEventRecord (event, stream);
}

cudaError_t
cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned)
{
  if (captured)
    ends[stream].insert (ends[stream].end (), events[event].begin (),
        events[event].end ());
  return cudaSuccess;
}

cudaError_t
cudaEventCreateWithFlags (cudaEvent_t *to, unsigned)
{
  *to = (cudaEvent_t) malloc (1);
  return cudaSuccess;
}

cudaError_t
cudaEventCreate (cudaEvent_t *to)
{
  return cudaEventCreateWithFlags (to, 0);
}

cudaError_t
cudaEventDestroy (cudaEvent_t event)
{
  free (event);
  return cudaSuccess;
}

cudaError_t
cudaEventElapsedTime (float *ms, cudaEvent_t, cudaEvent_t)
{
  *ms = 0.001f;
  return cudaSuccess;
}

cudaError_t
cudaStreamBeginCapture (cudaStream_t, cudaStreamCaptureMode)
{
  if (captured)
    abort ();
  captured = new Graph;
  ends.clear ();
  events.clear ();
  return cudaSuccess;
}

cudaError_t
cudaStreamEndCapture (cudaStream_t, cudaGraph_t *graph)
{
  *graph = (cudaGraph_t) captured;
  captured = NULL;
  return cudaSuccess;
}

cudaError_t
cudaStreamIsCapturing (cudaStream_t, cudaStreamCaptureStatus *status)
{
  *status = captured ? cudaStreamCaptureStatusActive :
      cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

/* A node's number, from 1 on, stands for the node. */
cudaError_t
cudaStreamGetCaptureInfo (cudaStream_t stream, cudaStreamCaptureStatus *status,
    unsigned long long *, cudaGraph_t *graph, const cudaGraphNode_t **after,
    const cudaGraphEdgeData **, size_t *n)
{
  static std::vector<cudaGraphNode_t> nodes;

  *status = cudaStreamCaptureStatusActive;
  nodes.clear ();
  for (size_t i : ends[stream])
    nodes.push_back ((cudaGraphNode_t) (i + 1));
  if (graph)
    *graph = (cudaGraph_t) captured;
  if (after)
    *after = nodes.data ();
  if (n)
    *n = nodes.size ();
  return cudaSuccess;
}

cudaError_t
cudaStreamUpdateCaptureDependencies (cudaStream_t stream,
    cudaGraphNode_t *nodes, const cudaGraphEdgeData *, size_t n, unsigned)
{
  ends[stream].clear ();
  for (size_t i = 0; i < n; i++)
    ends[stream].push_back ((size_t) nodes[i] - 1);
  return cudaSuccess;
}

/* What graphs have of these is kept as long as the program runs. */
cudaError_t
cudaGraphConditionalHandleCreate (cudaGraphConditionalHandle *to, cudaGraph_t,
    unsigned value, unsigned)
{
  static std::deque<Condition> all;

  all.push_back (Condition { value, value });
  *to = (cudaGraphConditionalHandle) &all.back ();
  return cudaSuccess;
}

cudaError_t
cudaGraphAddNode (cudaGraphNode_t *to, cudaGraph_t graph,
    const cudaGraphNode_t *after, const cudaGraphEdgeData *, size_t n,
    cudaGraphNodeParams *params)
{
  static std::deque<Graph> bodies;
  static cudaGraph_t body;
  Graph *g = (Graph *) graph;
  Condition *condition = (Condition *) params->conditional.handle;
  Node node = { NULL, {} };

  bodies.emplace_back ();
  const Graph *within = &bodies.back ();
  node.work = [=] {
    if (condition->value)
      run_graph (*within);
    condition->value = condition->first;
  };
  for (size_t i = 0; i < n; i++)
    node.after.push_back ((size_t) after[i] - 1);
  g->push_back (node);
  body = (cudaGraph_t) within;
  params->conditional.phGraph_out = &body;
  *to = (cudaGraphNode_t) g->size ();
  return cudaSuccess;
}

/* Copied, as it is. */
cudaError_t
cudaGraphAddChildGraphNode (cudaGraphNode_t *to, cudaGraph_t graph,
    const cudaGraphNode_t *, size_t n, cudaGraph_t child)
{
  const Graph within = *(const Graph *) child;
  Graph *g = (Graph *) graph;

  if (n > 0)
    abort ();
  g->push_back (Node { [=] { run_graph (within); }, {} });
  *to = (cudaGraphNode_t) g->size ();
  return cudaSuccess;
}

/* Of the device. */
void
cudaGraphSetConditional (cudaGraphConditionalHandle handle, unsigned value)
{
  Condition *condition = (Condition *) handle;

  if (condition->value == value)
    abort (); /* twice: not defined where at one time */
  condition->value = value;
}

cudaError_t
cudaGraphDestroy (cudaGraph_t graph)
{
  delete (Graph *) graph;
  return cudaSuccess;
}

cudaError_t
cudaGraphInstantiate (cudaGraphExec_t *to, cudaGraph_t graph,
    unsigned long long)
{
  *to = (cudaGraphExec_t) new Graph (*(Graph *) graph);
  return cudaSuccess;
}

cudaError_t
cudaGraphExecDestroy (cudaGraphExec_t graph)
{
  delete (Graph *) graph;
  return cudaSuccess;
}

cudaError_t
cudaGraphLaunch (cudaGraphExec_t graph, cudaStream_t stream)
{
  const Graph *g = (const Graph *) graph;

  submit (stream, [g] { run_graph (*g); });
  return cudaSuccess;
}

/* ---- kernels ------------------------------------------------------------------------- */

cudaError_t
cudaFuncSetAttribute (const void *, cudaFuncAttribute, int)
{
  return cudaSuccess;
}

cudaError_t
cudaFuncGetAttributes (cudaFuncAttributes *to, const void *)
{
  memset (to, 0, sizeof *to);
  to->ptxVersion = to->binaryVersion = 90;
  return cudaSuccess;
}

/* Arguments are copied now. */
cudaError_t
cudaLaunchKernelExC (const cudaLaunchConfig_t *config, const void *kernel,
    void **arguments)
{
  auto bind = emulated_kernels ().find (kernel);
  EmulatedLaunch launch = { config->gridDim, config->blockDim,
    config->dynamicSmemBytes, 1, {} };

  if (bind == emulated_kernels ().end ()) {
    fprintf (stderr, "a kernel is missing in kernel.cc\n");
    abort ();
  }
  if (launch.shared > SHARED_BYTES)
    return cudaErrorInvalidValue;
  for (unsigned i = 0; i < config->numAttrs; i++)
    if (config->attrs[i].id == cudaLaunchAttributeClusterDimension)
      launch.cluster = config->attrs[i].val.clusterDim.x;
  launch.entry = bind->second (arguments);
  submit (config->stream, [launch] { emulated_run (launch); });
  return cudaSuccess;
}

}
