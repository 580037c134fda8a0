/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * emulated_kernel.cc - one of the GPU's kernel files for the processor, in place
 * of nvcc's object: whole sessions then run without a GPU
 * (tests/engine/cuda_calls.h). EMULATED: its name; 0: what they share.
 */
#if !EMULATED
#include "cuda_calls.h"
#endif
#include "emulated.h"
#include "emulated_kernel.h"

#define INPUT 1
#define LIST 2
#define CONV 3
#define FLOATS 4
#define ROWS_FILE 5
#define WGMMA 6
#define WHOLE 7
#define CHAIN 8
#define BESIDE 9
#define DENSE 10

#if EMULATED == INPUT
#include "cuda/dcnn_cuda_input.cu"
static const EmulatedKernel kernels[] = { stage_convert, stage_store };
#elif EMULATED == LIST
#include "cuda/dcnn_cuda_list.cu"
static const EmulatedKernel kernels[] = { lists_kernel, count_kernel };
#elif EMULATED == CONV
#include "cuda/dcnn_cuda_conv.cu"
static const EmulatedKernel kernels[] = { conv_kernel<32, SMALL_POOL>,
  conv_kernel<64, SMALL_POOL>, conv_kernel<32, LARGE_POOL>,
  conv_kernel<64, LARGE_POOL> };
#elif EMULATED == FLOATS
#include "cuda/dcnn_cuda_floats.cu"
static const EmulatedKernel kernels[] = { floats_kernel<false>,
  floats_kernel<true> };
#elif EMULATED == ROWS_FILE
#include "cuda/dcnn_cuda_rows.cu"
static const EmulatedKernel kernels[] = { rows_kernel<DEPTHWISE>,
  rows_kernel<POOL>, rows_kernel<RESIZE>, rows_kernel<COPY>,
  rows_kernel<GROUPED>, rows_kernel<CHANNELS>, input_kernel };
#elif EMULATED == WGMMA
#include "cuda/dcnn_cuda_wgmma.cu"
static const EmulatedKernel kernels[] = { wgmma_kernel<64, false>,
  wgmma_kernel<64, true>, wgmma_kernel<128, false>, wgmma_kernel<128, true> };
#elif EMULATED == WHOLE
#include "cuda/dcnn_cuda_whole.cu"
static const EmulatedKernel kernels[] = { pool_kernel, global_kernel,
  gather_kernel };
#elif EMULATED == CHAIN
#include "cuda/dcnn_cuda_chain.cu"
static const EmulatedKernel kernels[] = { chain_kernel<32>, chain_kernel<64> };
#elif EMULATED == BESIDE
#include "cuda/dcnn_cuda_beside.cu"
static const EmulatedKernel kernels[] = { beside_kernel<32, SMALL_POOL>,
  beside_kernel<64, SMALL_POOL>, beside_kernel<32, LARGE_POOL>,
  beside_kernel<64, LARGE_POOL> };
#elif EMULATED == DENSE
#include "cuda/dcnn_cuda_dense.cu"
static const EmulatedKernel kernels[] = { dense_kernel<32, 32, false>,
  dense_kernel<32, 32, true>, dense_kernel<32, 64, false>,
  dense_kernel<32, 64, true>, dense_kernel<64, 32, false>,
  dense_kernel<64, 32, true>, dense_kernel<64, 64, false>,
  dense_kernel<64, 64, true>, dense_kernel<128, 32, false>,
  dense_kernel<128, 32, true>, dense_kernel<128, 64, false>,
  dense_kernel<128, 64, true> };
#else
/* Few, so that grids are small, and enough for every path. */
#define PROCESSORS 12

std::map<const void *, EmulatedBind> &
emulated_kernels ()
{
  static std::map<const void *, EmulatedBind> all;
  return all;
}

static gpointer
job_new (const void *kernel, const cudaLaunchConfig_t *config,
    void **arguments)
{
  auto bind = emulated_kernels ().find (kernel);
  unsigned cluster = 1;

  if (bind == emulated_kernels ().end ()) {
    fprintf (stderr, "a kernel is missing in emulated_kernel.cc\n");
    abort ();
  }
  for (unsigned i = 0; i < config->numAttrs; i++)
    if (config->attrs[i].id == cudaLaunchAttributeClusterDimension)
      cluster = config->attrs[i].val.clusterDim.x;
  return new EmulatedLaunch { config->gridDim, config->blockDim,
    config->dynamicSmemBytes, cluster, bind->second (arguments) };
}

static void
job_run (gpointer job)
{
  emulated_run (*static_cast<EmulatedLaunch *> (job));
}

static void
job_free (gpointer job)
{
  delete static_cast<EmulatedLaunch *> (job);
}

static const CudaCallsKernels all_kernels = { PROCESSORS, job_new, job_run,
  job_free };

/* Without a GPU there seems to be one. */
__attribute__ ((constructor)) static void
use_kernels ()
{
  cuda_calls_kernels = &all_kernels;
}
#endif

#if EMULATED
static const bool taken = [] {
  for (const EmulatedKernel &k : kernels)
    emulated_kernels ()[k.address] = k.bind;
  return true;
} ();
#endif
