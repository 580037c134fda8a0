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
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <cuda_runtime_api.h>

#include "kernels.h"
#include "threads.h"

/* Few, so that grids are small, and enough for every path. */
#define PROCESSORS 12
#define SHARED_BYTES (227 * 1024)

typedef std::function<void ()> Work;

/* What of a graph is done after which others, which are ahead of it there. */
struct Node {
  Work work;
  std::vector<size_t> after;
  EmulatedLaunch launch; /* of a kernel */
  size_t place;
};
typedef std::vector<std::shared_ptr<Node>> Graph;

/* Whether what hangs on it runs. */
struct Condition {
  unsigned value, first;
};

static std::deque<Work> queue;
static std::map<const char *, size_t> pinned;

static void
submit (Work work)
{
  queue.push_back (work);
}

/* Who waits for a node of another graph, or for the same one twice, is told. */
static cudaError_t
add (cudaGraphNode_t *to, cudaGraph_t graph, const cudaGraphNode_t *after,
    size_t n, std::shared_ptr<Node> node)
{
  Graph *g = (Graph *) graph;

  node->place = g->size ();
  g->push_back (node);
  *to = (cudaGraphNode_t) node.get ();
  for (size_t i = 0; i < n; i++) {
    const Node *ahead = (const Node *) after[i];
    if (ahead->place >= node->place || (*g)[ahead->place].get () != ahead ||
        std::count (node->after.begin (), node->after.end (), ahead->place))
      return cudaErrorInvalidValue;
    node->after.push_back (ahead->place);
  }
  return cudaSuccess;
}

static std::shared_ptr<Node>
new_node (Work work)
{
  auto node = std::make_shared<Node> ();

  node->work = work;
  return node;
}

/* In an order that the edges allow, and chance. */
static void
run_graph (const Graph &graph)
{
  static uint64_t state = 1;
  std::vector<size_t> left (graph.size ()), ready;
  std::vector<std::vector<size_t>> before (graph.size ());

  for (size_t i = 0; i < graph.size (); i++) {
    left[i] = graph[i]->after.size ();
    for (size_t other : graph[i]->after)
      before[other].push_back (i);
    if (left[i] == 0)
      ready.push_back (i);
  }
  while (!ready.empty ()) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    size_t at = (state >> 33) % ready.size (), i = ready[at];
    ready[at] = ready.back ();
    ready.pop_back ();
    graph[i]->work ();
    for (size_t next : before[i])
      if (--left[next] == 0)
        ready.push_back (next);
  }
}

static cudaError_t
finish ()
{
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

/* Arguments are copied now. */
static cudaError_t
describe (EmulatedLaunch *to, const void *kernel, dim3 grid, dim3 block,
    size_t shared, void **arguments)
{
  auto bind = emulated_kernels ().find (kernel);

  if (bind == emulated_kernels ().end ()) {
    fprintf (stderr, "a kernel is missing in kernel.cc\n");
    abort ();
  }
  if (shared > SHARED_BYTES)
    return cudaErrorInvalidValue;
  *to = EmulatedLaunch { grid, block, shared, 1, bind->second (arguments) };
  return cudaSuccess;
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
cudaMemsetAsync (void *to, int value, size_t bytes, cudaStream_t)
{
  submit ([=] { memset (to, value, bytes); });
  return cudaSuccess;
}

/* From memory that is not pinned it is copied at once, to such memory when it
 * returns. */
cudaError_t
cudaMemcpyAsync (void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
    cudaStream_t)
{
  if (kind == cudaMemcpyHostToDevice && !is_pinned (from)) {
    std::vector<char> held ((const char *) from, (const char *) from + bytes);
    submit ([=] { memcpy (to, held.data (), bytes); });
    return cudaSuccess;
  }
  submit ([=] { memcpy (to, from, bytes); });
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
cudaEventRecord (cudaEvent_t, cudaStream_t)
{
  return cudaSuccess;
}

cudaError_t
cudaStreamWaitEvent (cudaStream_t, cudaEvent_t, unsigned)
{
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
cudaGraphCreate (cudaGraph_t *to, unsigned)
{
  *to = (cudaGraph_t) new Graph;
  return cudaSuccess;
}

cudaError_t
cudaGraphAddEmptyNode (cudaGraphNode_t *to, cudaGraph_t graph,
    const cudaGraphNode_t *after, size_t n)
{
  return add (to, graph, after, n, new_node ([] { }));
}

cudaError_t
cudaGraphAddEventRecordNode (cudaGraphNode_t *to, cudaGraph_t graph,
    const cudaGraphNode_t *after, size_t n, cudaEvent_t)
{
  return cudaGraphAddEmptyNode (to, graph, after, n);
}

cudaError_t
cudaGraphAddMemsetNode (cudaGraphNode_t *to, cudaGraph_t graph,
    const cudaGraphNode_t *after, size_t n, const cudaMemsetParams *params)
{
  const cudaMemsetParams p = *params;

  if (p.height != 1 || p.value != 0)
    return cudaErrorInvalidValue; /* not asked for yet */
  return add (to, graph, after, n, new_node ([=] { memset (p.dst, 0, p.width *
            p.elementSize); }));
}

cudaError_t
cudaGraphAddKernelNode (cudaGraphNode_t *to, cudaGraph_t graph,
    const cudaGraphNode_t *after, size_t n, const cudaKernelNodeParams *params)
{
  auto node = new_node (NULL);
  Node *kernel = node.get ();
  cudaError_t e = describe (&kernel->launch, params->func, params->gridDim,
      params->blockDim, params->sharedMemBytes, params->kernelParams);

  kernel->work = [=] { emulated_run (kernel->launch); };
  return e == cudaSuccess ? add (to, graph, after, n, node) : e;
}

cudaError_t
cudaGraphKernelNodeSetAttribute (cudaGraphNode_t node, cudaLaunchAttributeID id,
    const cudaLaunchAttributeValue *value)
{
  if (id != cudaLaunchAttributeClusterDimension)
    return cudaErrorInvalidValue;
  ((Node *) node)->launch.cluster = value->clusterDim.x;
  return cudaSuccess;
}

/* Every node is behind those that are there before it. */
cudaError_t
cudaGraphAddDependencies (cudaGraph_t graph, const cudaGraphNode_t *from,
    const cudaGraphNode_t *to, const cudaGraphEdgeData *, size_t n)
{
  Graph *g = (Graph *) graph;

  for (size_t i = 0; i < n; i++) {
    const Node *ahead = (const Node *) from[i];
    Node *node = (Node *) to[i];
    if (ahead->place >= node->place || (*g)[ahead->place].get () != ahead ||
        (*g)[node->place].get () != node)
      return cudaErrorInvalidValue;
    node->after.push_back (ahead->place);
  }
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
  Condition *condition = (Condition *) params->conditional.handle;

  bodies.emplace_back ();
  const Graph *within = &bodies.back ();
  body = (cudaGraph_t) within;
  params->conditional.phGraph_out = &body;
  return add (to, graph, after, n, new_node ([=] {
    if (condition->value)
      run_graph (*within);
    condition->value = condition->first;
  }));
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
cudaGraphLaunch (cudaGraphExec_t graph, cudaStream_t)
{
  const Graph *g = (const Graph *) graph;

  submit ([g] { run_graph (*g); });
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

cudaError_t
cudaLaunchKernelExC (const cudaLaunchConfig_t *config, const void *kernel,
    void **arguments)
{
  EmulatedLaunch launch;
  cudaError_t e = describe (&launch, kernel, config->gridDim, config->blockDim,
      config->dynamicSmemBytes, arguments);

  for (unsigned i = 0; i < config->numAttrs; i++)
    if (config->attrs[i].id == cudaLaunchAttributeClusterDimension)
      launch.cluster = config->attrs[i].val.clusterDim.x;
  if (e == cudaSuccess)
    submit ([launch] { emulated_run (launch); });
  return e;
}

}
