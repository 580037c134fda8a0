/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dcnn_cuda_launch.cu - a launch of any kernel: clusters, shared memory, and
 * whether it may begin early.
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

cudaError_t
dcnn_cuda_launch (const void *kernel, dim3 grid, uint32_t threads,
    size_t shared, uint32_t cluster, void **arguments, DcnnCudaQueue queue)
{
  cudaLaunchAttribute attributes[2];
  cudaLaunchConfig_t config = {};
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
  config.gridDim = grid;
  config.blockDim = dim3 (threads);
  config.dynamicSmemBytes = shared;
  config.stream = queue.stream;
  config.attrs = attributes;
  if (major >= 9 && queue.overlaps) {
    attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[0].val.programmaticStreamSerializationAllowed = 1;
    config.numAttrs = 1;
  }
  if (cluster > 1) {
    cudaLaunchAttribute *a = &attributes[config.numAttrs++];
    a->id = cudaLaunchAttributeClusterDimension;
    a->val.clusterDim.x = cluster;
    a->val.clusterDim.y = a->val.clusterDim.z = 1;
  }
  return cudaLaunchKernelExC (&config, kernel, arguments);
}
