/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_launch.cu - a launch of any kernel, or a graph's node for one:
 * clusters, shared memory, and whether it may begin early.
 */
#include "dcnn_cuda_device.cuh"

/* Lets a kernel have all the dynamic shared memory that the device has. What a
 * kernel may have is the device's, not the launch's: as much as this launch
 * needs would take it away from another thread, whose launch needs more. */
static cudaError_t
allow_most (const void *kernel, int device)
{
  cudaFuncAttributes has;
  int most = 0;
  cudaError_t e = cudaFuncGetAttributes (&has, kernel);

  if (e == cudaSuccess)
    e = cudaDeviceGetAttribute (&most,
        cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (e == cudaSuccess)
    e = cudaFuncSetAttribute (kernel,
        cudaFuncAttributeMaxDynamicSharedMemorySize,
        most - (int) has.sharedSizeBytes);
  return e;
}

static cudaError_t
launch_on_stream (const void *kernel, dim3 grid, uint32_t threads,
    size_t shared, uint32_t cluster, void **arguments, cudaStream_t stream)
{
  cudaLaunchAttribute attribute;
  cudaLaunchConfig_t config = {};

  config.gridDim = grid;
  config.blockDim = dim3 (threads);
  config.dynamicSmemBytes = shared;
  config.stream = stream;
  if (cluster > 1) {
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = cluster;
    attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
    config.attrs = &attribute;
    config.numAttrs = 1;
  }
  return cudaLaunchKernelExC (&config, kernel, arguments);
}

/* Edges by which a kernel may begin when the one ahead of it lets it
 * (dcnn_cuda_wait), since CUDA 12.3. */
static cudaError_t
add_early_edges (const DcnnCudaBuild *build, cudaGraphNode_t node)
{
  cudaError_t e = cudaSuccess;

#if CUDART_VERSION >= 12030
  cudaGraphEdgeData edge = {};

  edge.type = cudaGraphDependencyTypeProgrammatic;
  edge.from_port = cudaGraphKernelNodePortProgrammatic;
  for (size_t i = 0; i < build->n_after && e == cudaSuccess; i++)
#if CUDART_VERSION >= 13000
    e = cudaGraphAddDependencies (build->graph, &build->after[i], &node, &edge,
        1);
#else
    e = cudaGraphAddDependencies_v2 (build->graph, &build->after[i], &node,
        &edge, 1);
#endif
#else
  if (build->n_after > 0)
    e = cudaGraphAddDependencies (build->graph, build->after, &node, 1);
#endif
  return e;
}

static cudaError_t
add_to_graph (const void *kernel, dim3 grid, uint32_t threads, size_t shared,
    uint32_t cluster, void **arguments, bool early, DcnnCudaBuild *build)
{
  cudaKernelNodeParams params = {};
  cudaGraphNode_t node = NULL;
  cudaError_t e;

  params.func = const_cast<void *> (kernel);
  params.gridDim = grid;
  params.blockDim = dim3 (threads);
  params.sharedMemBytes = (unsigned) shared;
  params.kernelParams = arguments;
  e = cudaGraphAddKernelNode (&node, build->graph, build->after,
      early ? 0 : build->n_after, &params);
  if (e == cudaSuccess && early)
    e = add_early_edges (build, node);
  if (e == cudaSuccess && cluster > 1) {
    cudaLaunchAttributeValue value = {};
    value.clusterDim.x = cluster;
    value.clusterDim.y = value.clusterDim.z = 1;
    e = cudaGraphKernelNodeSetAttribute (node,
        cudaLaunchAttributeClusterDimension, &value);
  }
  build->after[0] = node;
  build->n_after = 1;
  return e;
}

cudaError_t
dcnn_cuda_launch (const void *kernel, dim3 grid, uint32_t threads,
    size_t shared, uint32_t cluster, void **arguments, DcnnCudaQueue queue)
{
  int device, major = 0;
  cudaError_t e;

  if ((e = cudaGetDevice (&device)) != cudaSuccess ||
      (e = cudaDeviceGetAttribute (&major,
              cudaDevAttrComputeCapabilityMajor, device)) != cudaSuccess ||
      (shared > 0 && (e = allow_most (kernel, device)) != cudaSuccess) ||
      (cluster > 8 && (e = cudaFuncSetAttribute (kernel,
              cudaFuncAttributeNonPortableClusterSizeAllowed, 1)) !=
          cudaSuccess))
    return e;
  return queue.build ? add_to_graph (kernel, grid, threads, shared, cluster,
      arguments, queue.overlaps && major >= 9, queue.build) :
      launch_on_stream (kernel, grid, threads, shared, cluster, arguments,
          queue.stream);
}
