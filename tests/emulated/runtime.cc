/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * runtime.cc - CUDA's runtime on the processor, as far as the engine asks for
 * it: one GPU of compute capability 8.6 with four multiprocessors, whose
 * streams are one queue, and whose graphs run in any order that their edges
 * allow. Memory that a GPU has not zeroed is not zero.
 */
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include <cuda_runtime_api.h>

#include "emulated.h"

typedef std::function<void ()> Work;

/* What of a graph is done after which others. */
struct Node {
  Work work;
  std::vector<size_t> after;
};
typedef std::vector<Node> Graph;

static std::deque<Work> queue;
static Graph *captured;    /* NULL: nothing is being captured */
/* Of the graph that is being captured: what is next on a stream comes after
 * these, and so does who waits for an event. */
static std::map<cudaStream_t, std::vector<size_t>> ends;
static std::map<cudaEvent_t, std::vector<size_t>> events;
static std::map<const char *, size_t> pinned;

void
emulated_submit (cudaStream_t stream, Work work)
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
  *value = which == cudaDevAttrComputeCapabilityMajor ? 8 :
      which == cudaDevAttrComputeCapabilityMinor ? 6 :
      which == cudaDevAttrMultiProcessorCount ? 4 : 99 * 1024;
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
  emulated_submit (stream, [=] { memset (to, value, bytes); });
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
    emulated_submit (stream, [=] { memcpy (to, held.data (), bytes); });
    return cudaSuccess;
  }
  emulated_submit (stream, [=] { memcpy (to, from, bytes); });
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

  emulated_submit (stream, [g] { run_graph (*g); });
  return cudaSuccess;
}

/* Only what launches by these is not emulated. */
cudaError_t cudaFuncSetAttribute (const void *, cudaFuncAttribute, int) { return cudaSuccess; }
cudaError_t cudaFuncGetAttributes (cudaFuncAttributes *to, const void *) { memset (to, 0, sizeof *to); return cudaSuccess; }

}
