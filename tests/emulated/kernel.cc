/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * kernel.cc - one of the GPU's kernels' files, compiled for the processor and
 * started there: EMULATED_FILE. EMULATED_KERNELS: ", name" of each kernel in it
 * that takes anything else than one DcnnCudaConv.
 */
#include <functional>
#include <tuple>

#include "emulated.h"
#include "instructions.h"

#include "dcnn_cuda_device.cuh"

typedef std::function<void ()> Call;

static const Call *call;

static void
enter ()
{
  (*call) ();
}

/* Arguments are copied now, as a launch does. */
template<typename... A>
static Call
bind_arguments (void (*kernel) (A...), void **arguments)
{
  size_t i = 0;
  std::tuple<A...> values { *static_cast<A *> (arguments[i++])... };

  return [kernel, values] { std::apply (kernel, values); };
}

static Call
find_kernel (const void *kernel, void **arguments)
{
  return bind_arguments ((void (*) (DcnnCudaConv)) kernel, arguments);
}

template<typename K, typename... More>
static Call
find_kernel (const void *kernel, void **arguments, K first, More... more)
{
  return kernel == (const void *) first ? bind_arguments (first, arguments) :
      find_kernel (kernel, arguments, more...);
}

/* In place of dcnn_cuda_launch.cu. */
static cudaError_t launch_here (const void *kernel, dim3 grid,
    uint32_t threads, size_t shared, uint32_t cluster, void **arguments,
    DcnnCudaQueue queue);
#define dcnn_cuda_launch launch_here

#include EMULATED_FILE

static cudaError_t
launch_here (const void *kernel, dim3 grid, uint32_t threads, size_t shared,
    uint32_t cluster, void **arguments, DcnnCudaQueue queue)
{
  Call bound = find_kernel (kernel, arguments EMULATED_KERNELS);

  if (cluster != 1)
    abort ();
  emulated_submit (queue.stream, [bound, grid, threads, shared] {
    call = &bound;
    run_grid (enter, grid, threads, shared);
  });
  return cudaSuccess;
}
